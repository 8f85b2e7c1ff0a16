//! What a running tracker weighs: resident growth of `wildkat serve` fed over UDP, and what is left
//! once everything has expired. Prints a table for `docs/swarm.md`.
//!
//! `scripts/resident.sh`, which gives it a network of its own with the IPv6 addresses it wants.

use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Addresses that announce, each with as many ports as there are peers to it.
const SOURCES: u32 = 16;
const PORTS: u32 = 62_500;
const PEERS: u32 = 960_000;
const TORRENTS: u32 = 500_000;
/// Announces that wait for their reply at the same time.
const WINDOW: u32 = 64;
/// Long enough for all to be there at once.
const PEER_TTL: &str = "101";
const ARGUMENTS: &[&str] = &[
    "serve",
    "--host=127.0.0.1,::1",
    "--http-port=0",
    "--web-http-port=0",
    "--workers=1",
    "--interval=100",
    "--interval-jitter=0",
    "--peer-ttl",
    PEER_TTL,
];

/// One way of filling a store.
#[derive(Clone, Copy)]
struct Case {
    what: &'static str,
    is_v4: bool,
    peers: u32,
    peers_a_torrent: u32,
    peer_ids: bool,
}

fn main() {
    // `cargo bench` says so; `cargo test --benches` only wants to know that it starts.
    if !std::env::args().any(|arg| arg == "--bench") {
        println!("figures take minutes and a network of their own: scripts/resident.sh");
        return;
    }
    let case = |what, is_v4, peers, peers_a_torrent| {
        [false, true].map(|peer_ids| Case { what, is_v4, peers, peers_a_torrent, peer_ids })
    };
    let cases = [
        case("IPv4 peers in one swarm", true, PEERS, PEERS),
        case("IPv6 peers in one swarm", false, PEERS, PEERS),
        case("torrents of two IPv4 peers", true, 2 * TORRENTS, 2),
    ];
    let trackers: Vec<_> = cases.into_iter().flatten().map(Tracker::fill).collect();
    for tracker in &trackers {
        tracker.report();
    }
}

/// A tracker of our own, ended when dropped.
struct Tracker {
    case: Case,
    process: Child,
    empty: u64,
    full: u64,
    filled: Instant,
}

impl Drop for Tracker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Tracker {
    fn fill(case: Case) -> Tracker {
        let port = free_port();
        let mut command = Command::new(env!("CARGO_BIN_EXE_wildkat"));
        command.args(ARGUMENTS).args(["--udp-port", &port.to_string()]);
        command.args((!case.peer_ids).then_some("--no-peer-ids"));
        let mut process = command.stderr(Stdio::piped()).spawn().expect("a program just built");
        let mut log = BufReader::new(process.stderr.take().expect("asked for")).lines();
        let is_ready = log.any(|line| line.is_ok_and(|line| line.contains("ready")));
        assert!(is_ready, "the tracker does not start");
        std::thread::spawn(move || log.for_each(drop));

        let empty = resident(&process);
        let clients: Vec<_> =
            (0..SOURCES).map(|index| Client::new(case.is_v4, index, port)).collect();
        for first in (0..case.peers).step_by(WINDOW as usize) {
            let client = &clients[(first / PORTS) as usize];
            let numbers = first..(first + WINDOW).min(case.peers).min((first / PORTS + 1) * PORTS);
            client.announce(numbers, case.peers_a_torrent);
            // What is left of the window belongs to the next address.
            let rest = (first / PORTS + 1) * PORTS..(first + WINDOW).min(case.peers);
            if !rest.is_empty() {
                clients[(rest.start / PORTS) as usize].announce(rest, case.peers_a_torrent);
            }
        }
        Tracker { case, full: resident(&process), process, empty, filled: Instant::now() }
    }

    fn report(&self) {
        let Case { what, peers, peers_a_torrent, peer_ids, .. } = self.case;
        let grown = self.full - self.empty;
        let (count, unit) = match peers_a_torrent {
            2 => (u64::from(peers / 2), "torrent"),
            _ => (u64::from(peers), "peer"),
        };
        let tenths = grown * 10 / count;
        // To live, two rounds of the sweep, and a little.
        let over = Duration::from_secs(101 + 2 * 30 + 10);
        std::thread::sleep(over.saturating_sub(self.filled.elapsed()));
        let left = resident(&self.process).saturating_sub(self.empty);
        println!(
            "{count} {what}, ids {peer_ids}: {}.{} B a {unit}, {} kB in all; {} kB left after expiry",
            tenths / 10,
            tenths % 10,
            grown / 1024,
            left / 1024
        );
    }
}

/// Resident bytes of a process, from the second field of its `statm`, in pages of 4 kB.
fn resident(process: &Child) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{}/statm", process.id()));
    let pages = statm.ok().and_then(|statm| statm.split(' ').nth(1)?.parse::<u64>().ok());
    pages.expect("a process that runs") * 4096
}

fn free_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.local_addr().expect("a bound socket").port()
}

/// One address that announces as many peers, by ports.
struct Client {
    socket: UdpSocket,
    connection_id: [u8; 8],
}

impl Client {
    fn new(is_v4: bool, index: u32, port: u16) -> Client {
        let (from, to): (IpAddr, IpAddr) = if is_v4 {
            (Ipv4Addr::from_bits(0x7f00_0101 + index).into(), Ipv4Addr::LOCALHOST.into())
        } else {
            let from = (0xfd00_0077_u128 << 96) + 1 + u128::from(index);
            (Ipv6Addr::from_bits(from).into(), Ipv6Addr::LOCALHOST.into())
        };
        let socket = UdpSocket::bind((from, 0)).expect("an address of scripts/resident.sh");
        socket.connect(SocketAddr::new(to, port)).expect("an address");
        socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a time");
        let mut connect = [0; 16];
        connect[..8].copy_from_slice(&0x0417_2710_1980_u64.to_be_bytes()); // BEP 15
        socket.send(&connect).expect("a tracker that listens");
        let mut reply = [0; 16];
        assert_eq!(socket.recv(&mut reply).expect("a reply"), 16);
        let mut connection_id = [0; 8];
        connection_id.copy_from_slice(&reply[8..]);
        Client { socket, connection_id }
    }

    fn announce(&self, numbers: std::ops::Range<u32>, peers_a_torrent: u32) {
        for number in numbers.clone() {
            let mut request = [0; 98];
            request[..8].copy_from_slice(&self.connection_id);
            request[11] = 1; // announce
            request[12..16].copy_from_slice(&number.to_be_bytes());
            let torrent = (number / peers_a_torrent).wrapping_mul(0x9e37_79b1);
            request[16..20].copy_from_slice(&torrent.to_be_bytes());
            request[36..56].copy_from_slice(b"-qB5000-abcdefghijkl");
            request[52..56].copy_from_slice(&number.to_be_bytes());
            request[71] = (number % 2) as u8; // left
            request[95] = 0; // num_want
            request[96..].copy_from_slice(&((1_000 + number % PORTS) as u16).to_be_bytes());
            self.socket.send(&request).expect("a tracker that listens");
        }
        let mut reply = [0; 20];
        for _ in numbers {
            self.socket.recv(&mut reply).expect("a reply to each announce");
            assert_eq!(reply[3], 1, "an announce is answered as one");
        }
    }
}
