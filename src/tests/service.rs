//! The program under a service manager, whose part is played here: it opens the sockets, is told of
//! readiness, and replaces the program while clients ask.

#![expect(clippy::unwrap_used, reason = "a test that fails here should stop")]
#![allow(unsafe_code)] // descriptors have to be put in place between fork and exec

#[path = "service/deploy.rs"]
mod deploy;
#[path = "service/unit.rs"]
mod unit;

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(10);
/// How long a client waits before it asks a second time; BEP 15 has it wait 15 s.
const FIRST_TRY: Duration = Duration::from_secs(4);
/// The first descriptor that is handed over.
const FIRST: RawFd = 3;

/// A service manager with the sockets of one port.
struct Manager {
    folder: TempDir,
    notify: UnixDatagram,
    udp: Vec<UdpSocket>,
    tcp: Vec<TcpListener>,
    port: u16,
}

/// A running tracker, ended when dropped.
struct Tracker(Child);

impl Drop for Tracker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A socket that shares its port with others, as `ReusePort=true` makes it.
fn shared(kind: Type, address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, None)?;
    socket.set_reuse_port(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    if kind == Type::STREAM {
        socket.listen(128)?;
    }
    Ok(socket)
}

impl Manager {
    /// With so many sockets of each kind on one port of `ip`.
    fn with(ip: impl Into<std::net::IpAddr>, sockets: usize) -> Manager {
        let ip = ip.into();
        let open = |kind, port| shared(kind, SocketAddr::new(ip, port));
        let (port, first) = loop {
            let tcp = open(Type::STREAM, 0).unwrap();
            let port = tcp.local_addr().unwrap().as_socket().unwrap().port();
            // Claimed alone, so that no other test shares it.
            if UdpSocket::bind((ip, port)).is_ok() {
                break (port, tcp);
            }
        };
        let mut tcp = vec![TcpListener::from(first)];
        tcp.extend((1..sockets).map(|_| open(Type::STREAM, port).unwrap().into()));
        let udp = (0..sockets).map(|_| open(Type::DGRAM, port).unwrap().into()).collect();
        let folder = tempfile::tempdir().unwrap();
        let notify = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        notify.set_read_timeout(Some(PATIENCE)).unwrap();
        Manager { folder, notify, udp, tcp, port }
    }

    /// Starts a tracker that gets the sockets, and waits until it says that it is ready.
    fn start(&self, words: &[&str]) -> Tracker {
        let tracker = Tracker(self.command(words).spawn().unwrap());
        assert_eq!(self.told(), "READY=1\n");
        tracker
    }

    fn command(&self, words: &[&str]) -> Command {
        let udp = self.udp.iter().map(AsRawFd::as_raw_fd);
        let descriptors: Vec<RawFd> = udp.chain(self.tcp.iter().map(AsRawFd::as_raw_fd)).collect();
        // Only the shell knows the number that the program will have.
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "export LISTEN_PID=$$; exec \"$0\" \"$@\"",
            env!("CARGO_BIN_EXE_wildkat"),
        ]);
        command.args(["serve", "--host", "127.0.0.1", "--web-http-port", "0"]);
        let port = self.port.to_string();
        command.args(["--udp-port", &port, "--http-port", &port]).args(words);
        command.env("LISTEN_FDS", descriptors.len().to_string());
        command.env("NOTIFY_SOCKET", self.folder.path().join("notify"));
        command.stdin(Stdio::null()).stderr(Stdio::null());
        // SAFETY: between fork and exec it makes system calls alone.
        unsafe { command.pre_exec(move || put_in_place(&descriptors)) };
        command
    }

    /// What it is told next.
    fn told(&self) -> String {
        let mut message = [0; 256];
        let len = self.notify.recv(&mut message).unwrap();
        String::from_utf8(message[..len].to_vec()).unwrap()
    }

    fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }
}

/// Gives the descriptors the numbers from [`FIRST`] on.
fn put_in_place(descriptors: &[RawFd]) -> io::Result<()> {
    let done = |result: RawFd| {
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
    };
    for (place, descriptor) in (0..).zip(descriptors) {
        // SAFETY: it is open; the copy, out of the way, is closed by exec.
        done(unsafe { libc::fcntl(*descriptor, libc::F_DUPFD_CLOEXEC, 200 + place) })?;
    }
    for (place, _) in (0..).zip(descriptors) {
        // SAFETY: nothing that outlives exec has these numbers.
        done(unsafe { libc::dup2(200 + place, FIRST + place) })?;
    }
    Ok(())
}

fn signal(tracker: &Tracker, signal: Signal) {
    kill_process(Pid::from_child(&tracker.0), signal).unwrap();
}

/// One announce over UDP as a client makes it, from a port of its own.
fn announce_udp(address: SocketAddr, patience: Duration) -> io::Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(address)?;
    socket.set_read_timeout(Some(patience))?;
    let mut reply = [0; 2048];
    let mut connect = 0x0417_2710_1980_u64.to_be_bytes().to_vec();
    connect.extend([0, 0, 0, 0, 1, 2, 3, 4]);
    socket.send(&connect)?;
    let len = socket.recv(&mut reply)?;
    if len != 16 || reply[..4] != [0; 4] {
        return Err(io::Error::other("no connection id"));
    }
    let mut announce = reply[8..16].to_vec();
    announce.extend([0, 0, 0, 1, 5, 6, 7, 8]);
    announce.extend(b"aaaaaaaaaaaaaaaaaaaa-XX0001-000000000000");
    announce.extend([0; 24]);
    announce.extend(2_u32.to_be_bytes());
    announce.extend([0; 8]);
    announce.extend(50_u32.to_be_bytes());
    announce.extend(6881_u16.to_be_bytes());
    assert_eq!(announce.len(), 98);
    socket.send(&announce)?;
    let len = socket.recv(&mut reply)?;
    if len >= 20 && reply[..8] == [0, 0, 0, 1, 5, 6, 7, 8] {
        Ok(())
    } else {
        Err(io::Error::other("no announce reply"))
    }
}

/// One announce over HTTP on a connection of its own.
fn announce_http(address: SocketAddr, patience: Duration) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    let request = "GET /announce?info_hash=bbbbbbbbbbbbbbbbbbbb&peer_id=-XX0001-000000000000\
        &port=6881&left=1 HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes())?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply)?;
    let is_whole = reply.windows(9).any(|part| part == b"8:interva")
        && reply.starts_with(b"HTTP/1.1 200")
        && reply.ends_with(b"e");
    if is_whole { Ok(()) } else { Err(io::Error::other("no announce reply")) }
}

#[test]
fn readiness_reload_and_end_are_told() {
    let manager = Manager::with(Ipv4Addr::LOCALHOST, 1);
    let mut tracker = manager.start(&["--workers", "1"]);
    announce_udp(manager.address(), PATIENCE).unwrap();
    signal(&tracker, Signal::HUP);
    let told = manager.told();
    let now =
        told.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").and_then(|now| now.strip_suffix('\n'));
    assert!(now.is_some_and(|now| now.parse::<u64>().is_ok_and(|now| now > 0)), "{told}");
    assert_eq!(manager.told(), "READY=1\n");
    signal(&tracker, Signal::TERM);
    assert_eq!(manager.told(), "STOPPING=1\n");
    assert_eq!(tracker.0.wait().unwrap().code(), Some(0));
}

#[test]
fn ready_is_told_again_when_the_lists_have_been_read() {
    let manager = Manager::with(Ipv4Addr::LOCALHOST, 1);
    let list = manager.folder.path().join("denied");
    std::fs::write(&list, "").unwrap();
    let words = ["--workers", "1", "--deny-list", list.to_str().unwrap()];
    let tracker = manager.start(&words);
    announce_http(manager.address(), PATIENCE).unwrap();
    let mut lines = format!("{:040x}\n", 7).repeat(300_000);
    lines.push_str(&"62".repeat(20)); // what `announce_http` asks for
    std::fs::write(&list, lines).unwrap();
    signal(&tracker, Signal::HUP);
    assert!(manager.told().starts_with("RELOADING=1\n"));
    assert_eq!(manager.told(), "READY=1\n");
    assert!(announce_http(manager.address(), PATIENCE).is_err(), "it is denied by now");
}

/// Datagrams that the kernel dropped for want of room, as it tells of the sockets of a port.
fn drops_of(port: u16) -> u64 {
    let table = std::fs::read_to_string("/proc/net/udp").unwrap();
    let of_port = format!(":{port:04X}");
    let rows = table.lines().filter(|row| {
        row.split_whitespace().nth(1).is_some_and(|address| address.ends_with(&of_port))
    });
    rows.map(|row| row.split_whitespace().last().unwrap().parse::<u64>().unwrap()).sum()
}

#[test]
fn drops_of_a_socket_that_workers_share_are_counted_once() {
    for io in ["uring", "epoll"] {
        let manager = Manager::with(Ipv4Addr::LOCALHOST, 1);
        let web = Manager::with(Ipv4Addr::LOCALHOST, 1).port.to_string();
        let tracker = manager.start(&["--workers", "3", "--io", io, "--web-http-port", &web]);
        let figures = || {
            let mut stream = TcpStream::connect(format!("127.0.0.1:{web}")).unwrap();
            stream.write_all(b"GET /stats.json HTTP/1.0\r\n\r\n").unwrap();
            let mut reply = String::new();
            stream.read_to_string(&mut reply).unwrap();
            let body = reply.split_once("\r\n\r\n").unwrap().1;
            let figures: serde_json::Value = serde_json::from_str(body).unwrap();
            figures["udp"]["dropped"].as_u64().unwrap()
        };
        std::thread::sleep(Duration::from_millis(1_500)); // each worker has looked a first time
        signal(&tracker, Signal::STOP); // nobody reads meanwhile
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..30_000 {
            socket.send_to(&[0xff; 1400], manager.address()).unwrap();
        }
        signal(&tracker, Signal::CONT);
        let dropped = drops_of(manager.port);
        assert!(dropped > 0);
        let start = Instant::now();
        while figures() == 0 {
            assert!(start.elapsed() < PATIENCE, "{io}: they are counted each second");
        }
        std::thread::sleep(Duration::from_millis(1_500)); // others have looked by now
        assert_eq!(figures(), drops_of(manager.port), "{io}");
    }
}

#[test]
fn watchdog_hears_of_an_idle_tracker_and_of_a_busy_one() {
    for io in ["uring", "epoll"] {
        let manager = Manager::with(Ipv4Addr::LOCALHOST, 2);
        let mut command = manager.command(&["--workers", "2", "--io", io]);
        let _tracker = Tracker(command.env("WATCHDOG_USEC", "200000").spawn().unwrap());
        assert_eq!(manager.told(), "READY=1\n");
        for _ in 0..4 {
            assert_eq!(manager.told(), "WATCHDOG=1\n", "{io}, idle");
        }
        let heard = Instant::now();
        while heard.elapsed() < Duration::from_millis(300) {
            announce_udp(manager.address(), PATIENCE).unwrap();
        }
        assert_eq!(manager.told(), "WATCHDOG=1\n", "{io}, busy");
    }
}

#[test]
fn sockets_are_all_served_whatever_their_number() {
    for io in ["uring", "epoll"] {
        for (sockets, workers) in [(2, "2"), (1, "3"), (3, "2")] {
            let manager = Manager::with(Ipv4Addr::LOCALHOST, sockets);
            let _tracker = manager.start(&["--workers", workers, "--io", io]);
            // The kernel picks a socket by the client's port: all are met.
            for _ in 0..40 {
                announce_udp(manager.address(), PATIENCE).unwrap();
                announce_http(manager.address(), PATIENCE).unwrap();
            }
        }
    }
}

#[test]
fn socket_of_both_families_answers_both() {
    for io in ["uring", "epoll"] {
        let manager = Manager::with(Ipv6Addr::UNSPECIFIED, 1);
        let _tracker = manager.start(&["--workers", "1", "--io", io]);
        announce_udp(manager.address(), PATIENCE).unwrap();
        announce_http(manager.address(), PATIENCE).unwrap();
        announce_http((Ipv6Addr::LOCALHOST, manager.port).into(), PATIENCE).unwrap();
    }
}

#[test]
fn socket_that_no_option_names_ends_with_1_and_its_address() {
    let manager = Manager::with(Ipv4Addr::LOCALHOST, 1);
    let mut command = manager.command(&["--http-port", "0"]);
    let output = command.stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("TCP socket on 127.0.0.1:{}", manager.port)), "{said}");
}

/// Announces until `ended`, each time with one retry. Returns how many took one, and how many were
/// lost all the same, of how many.
struct Load {
    asked: AtomicU32,
    retried: AtomicU32,
    lost: AtomicU32,
    ended: AtomicBool,
}

impl Load {
    fn run(&self, announce: impl Fn(Duration) -> io::Result<()>) {
        while !self.ended.load(Ordering::Relaxed) {
            self.asked.fetch_add(1, Ordering::Relaxed);
            if announce(FIRST_TRY).is_err() {
                self.retried.fetch_add(1, Ordering::Relaxed);
                let is_lost = announce(PATIENCE).is_err();
                self.lost.fetch_add(is_lost.into(), Ordering::Relaxed);
            }
        }
    }
}

#[test]
fn restart_under_load_loses_nothing_that_one_retry_does_not_cover() {
    for io in ["uring", "epoll"] {
        let manager = Manager::with(Ipv4Addr::LOCALHOST, 2);
        let state = manager.folder.path().join("state");
        let words = ["--workers", "2", "--io", io, "--state", state.to_str().unwrap()];
        let load = Load {
            asked: AtomicU32::new(0),
            retried: AtomicU32::new(0),
            lost: AtomicU32::new(0),
            ended: AtomicBool::new(false),
        };
        let mut tracker = manager.start(&words);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| load.run(|patience| announce_udp(manager.address(), patience)));
                scope.spawn(|| load.run(|patience| announce_http(manager.address(), patience)));
            }
            for _ in 0..3 {
                let before = load.asked.load(Ordering::Relaxed);
                while load.asked.load(Ordering::Relaxed) < before + 200 {
                    std::thread::sleep(Duration::from_millis(5));
                }
                signal(&tracker, Signal::TERM);
                assert_eq!(manager.told(), "STOPPING=1\n");
                assert_eq!(tracker.0.wait().unwrap().code(), Some(0));
                tracker = manager.start(&words);
            }
            load.ended.store(true, Ordering::Relaxed);
        });
        let [asked, retried, lost] =
            [&load.asked, &load.retried, &load.lost].map(|count| count.load(Ordering::Relaxed));
        println!("{io}: {asked} announces over three restarts, {retried} asked twice, {lost} lost");
        assert_eq!(lost, 0, "{io}: of {asked}");
        assert!(retried < asked / 10, "{io}: {retried} of {asked} had to ask twice");
    }
}
