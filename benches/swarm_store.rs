//! What the swarm store weighs and bears: memory a peer, cost by swarm size, two threads against
//! one, the slowest announces while a sweep runs, and how long a state takes to be written while
//! announces go on, and to be read. Prints tables for `docs/swarm.md`.
//!
//! `cargo bench --bench swarm_store [-- memory|cost|threads|sweep|state]`; without a word, all of it.
//! Plain timing instead of criterion: these are single long runs, compared within one process.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use wildkat::clock::Now;
use wildkat::config;
use wildkat::protocol::announce::{Peers, Role};
use wildkat::protocol::ids::{InfoHash, PeerId};
use wildkat::state::StateFile;
use wildkat::stats::Ledger;
use wildkat::swarm::store::SWEEP_STEPS;
use wildkat::swarm::{Arrival, Swarms, Want};

fn main() {
    // `cargo bench` says so; `cargo test --benches` only wants to know that it starts.
    if !std::env::args().any(|arg| arg == "--bench") {
        println!("figures take minutes and gigabytes: cargo bench --bench swarm_store");
        return;
    }
    let chosen: Vec<String> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let parts: [(&str, fn()); 5] = [
        ("memory", memory),
        ("cost", cost),
        ("threads", threads),
        ("sweep", sweep),
        ("state", state),
    ];
    for (name, part) in parts {
        if chosen.is_empty() || chosen.iter().any(|word| word == name) {
            part();
        }
    }
}

fn store(peer_ids: bool) -> Swarms {
    Swarms::new(&config::Swarm {
        peer_ids,
        peers_total_max: u64::from(u32::MAX),
        torrents_max: u64::from(u32::MAX),
        ..config::Swarm::default()
    })
}

/// A number spread over 32 bits, so that neither swarms nor peers come in order.
fn spread(number: u32) -> u32 {
    (number ^ number >> 15).wrapping_mul(0x2c1b_3c6d) ^ number >> 7
}

fn arrival(torrent: u32, number: u32, is_v4: bool) -> Arrival {
    let mut hash = [7; 20];
    hash[..4].copy_from_slice(&spread(torrent).to_be_bytes());
    let mut peer_id = *b"-qB5000-abcdefghijkl";
    peer_id[16..].copy_from_slice(&number.to_be_bytes());
    let number_v4 = Ipv4Addr::from_bits(0x0100_0000 + number);
    let number_v6 = Ipv6Addr::from((0x2001_0db8 << 96) | u128::from(number) << 64 | 1);
    Arrival {
        info_hash: InfoHash(hash),
        peer: SocketAddr::new(if is_v4 { number_v4.into() } else { number_v6.into() }, 6881),
        peer_id: PeerId(peer_id),
        role: if number.is_multiple_of(2) { Role::Leecher } else { Role::Seeder },
        completed: false,
    }
}

/// One thread with what it needs to announce.
struct Client<'a> {
    swarms: &'a Swarms,
    rng: fastrand::Rng,
    reply: Peers,
}

impl<'a> Client<'a> {
    fn new(swarms: &'a Swarms, seed: u64) -> Client<'a> {
        let rng = fastrand::Rng::with_seed(seed);
        Client { swarms, rng, reply: Peers::with_capacity(200) }
    }

    fn announce(&mut self, secs: u32, arrival: &Arrival, wanted: usize) {
        let want = Want { peers: wanted, ..Want::default() };
        let Client { swarms, rng, reply } = self;
        let answer = swarms.announce(Now::from_secs(secs), arrival, want, rng, reply);
        assert!(answer.is_ok(), "no cap is in reach");
    }
}

/// Resident bytes of this process, from the second field of `/proc/self/statm`, in pages of 4 kB.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

fn ratio(part: u64, whole: u64) -> String {
    let hundredths = part * 100 / whole.max(1);
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

fn memory() {
    println!("memory: resident growth, in bytes");
    for peer_ids in [false, true] {
        for is_v4 in [true, false] {
            let family = if is_v4 { "IPv4" } else { "IPv6" };
            let what = format!("one swarm of 960,000 {family} peers, ids {peer_ids}");
            weigh(&what, peer_ids, 960_000, |number| arrival(0, number, is_v4));
        }
        let what = format!("500,000 torrents with two IPv4 peers, ids {peer_ids}");
        weigh(&what, peer_ids, 1_000_000, |number| arrival(number / 2, number, true));
    }
}

fn weigh(what: &str, peer_ids: bool, peers: u32, arrival: impl Fn(u32) -> Arrival) {
    let swarms = store(peer_ids);
    let mut client = Client::new(&swarms, 1);
    let before = resident();
    for number in 0..peers {
        client.announce(0, &arrival(number), 0);
    }
    let grown = resident().saturating_sub(before);
    let torrents = swarms.totals().torrents;
    for step in 0..SWEEP_STEPS {
        swarms.sweep_step(Now::from_secs(5_000), step);
    }
    assert_eq!(swarms.totals().peers(), 0);
    let left = resident().saturating_sub(before);
    println!(
        "  {what}: {} a peer, {} a torrent; {} left after expiry",
        ratio(grown, u64::from(peers)),
        ratio(grown, torrents),
        left
    );
}

fn cost() {
    println!("cost: nanoseconds an announce for 50 peers, half of the swarm seeders");
    for peer_ids in [false, true] {
        for peers in [100, 1_000, 10_000, 100_000, 1_000_000] {
            let swarms = store(peer_ids);
            let mut client = Client::new(&swarms, 1);
            for number in 0..peers {
                client.announce(0, &arrival(0, number, true), 0);
            }
            let rounds = 1_000_000;
            let start = processor_nanos();
            for round in 0..rounds {
                let number = spread(round) % peers;
                client.announce(100, &arrival(0, number, true), 50);
            }
            let nanos = (processor_nanos() - start) / u64::from(rounds);
            println!("  {peers} peers, ids {peer_ids}: {nanos}");
        }
    }
}

fn threads() {
    println!("threads: announces a second for 50 peers");
    for (what, torrents) in [("one hot swarm of 100,000", 1), ("a million small swarms", 1 << 20)] {
        let swarms = store(false);
        let mut client = Client::new(&swarms, 1);
        let peers = if torrents == 1 { 100_000 } else { 2 << 20 };
        let known = |number: u32| arrival(number / 2 % torrents, number, true);
        for number in 0..peers {
            client.announce(0, &known(number), 0);
        }
        let rates: Vec<u64> = [1, 2, 1, 2]
            .into_iter()
            .map(|threads| rate(&swarms, threads, |number| known(number % peers)))
            .collect();
        let best = |of: [usize; 2]| rates[of[0]].max(rates[of[1]]);
        let (one, two) = (best([0, 2]), best([1, 3]));
        println!("  {what}: one thread {one}, two {two}, ratio {}", ratio(two, one));
    }
}

/// Announces in a second, from the time that the threads had a processor: other programs on the
/// machine then change nothing, while waiting for each other's cache lines counts.
fn rate(swarms: &Swarms, threads: u32, known: impl Fn(u32) -> Arrival + Sync) -> u64 {
    const ROUNDS: u32 = 1_000_000;
    let start = Barrier::new(threads as usize);
    let worker = |thread: u32| {
        let mut client = Client::new(swarms, u64::from(thread));
        start.wait();
        let began = processor_nanos();
        for round in 0..ROUNDS {
            client.announce(100 + round / 20_000, &known(spread(round ^ thread << 30)), 50);
        }
        u64::from(ROUNDS) * 1_000_000_000 / (processor_nanos() - began).max(1)
    };
    std::thread::scope(|scope| {
        let worker = &worker;
        let workers: Vec<_> =
            (0..threads).map(|thread| scope.spawn(move || worker(thread))).collect();
        workers.into_iter().map(|worker| worker.join().unwrap_or(0)).sum()
    })
}

/// Nanoseconds that this thread has run, from the first field of its `schedstat`.
fn processor_nanos() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0)
}

/// Ten million peers expire beside the announces of one swarm whose peers do not.
fn sweep() {
    println!("sweep: announce latency, in nanoseconds, without and with a running sweep");
    for (what, torrents) in [("in one swarm", 1), ("in 2,500,000 swarms", 2_500_000)] {
        let swarms = store(false);
        let mut client = Client::new(&swarms, 1);
        for number in 0..10_000_000 {
            client.announce(0, &arrival(1 + number % torrents, number, true), 0);
        }
        let young = |number: u32| arrival(0, 0x4000_0000 + number % 100_000, true);
        for number in 0..100_000 {
            client.announce(3_000, &young(number), 0);
        }
        let mut latencies = Vec::new();
        time(&mut client, &mut latencies, young, &|count| count < 1_000_000);
        report(&format!("{what}, idle"), &mut latencies);
        let is_done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let start = Instant::now();
                for step in 0..SWEEP_STEPS {
                    swarms.sweep_step(Now::from_secs(4_000), step);
                }
                // Relaxed: a lone flag.
                is_done.store(true, Ordering::Relaxed);
                println!("  {what}: ten million swept in {} ms", start.elapsed().as_millis());
            });
            latencies.clear();
            time(&mut client, &mut latencies, young, &|_| !is_done.load(Ordering::Relaxed));
        });
        report(&format!("{what}, sweeping"), &mut latencies);
        assert_eq!(swarms.totals().peers(), 100_000);
    }
}

fn time(
    client: &mut Client<'_>,
    latencies: &mut Vec<Duration>,
    known: impl Fn(u32) -> Arrival,
    goes_on: &dyn Fn(u32) -> bool,
) {
    let mut count = 0;
    while goes_on(count) {
        let arrival = known(spread(count));
        let start = Instant::now();
        client.announce(3_500, &arrival, 50);
        latencies.push(start.elapsed());
        count += 1;
    }
}

fn report(what: &str, latencies: &mut [Duration]) {
    latencies.sort_unstable();
    let at = |share: usize| {
        let index = (latencies.len() * share / 10_000).min(latencies.len() - 1);
        latencies[index].as_nanos()
    };
    let (half, most, almost_all, all) = (at(5_000), at(9_900), at(9_990), at(10_000));
    let count = latencies.len();
    println!("  {what}: p50 {half}, p99 {most}, p99.9 {almost_all}, max {all}, of {count}");
}

/// Two million peers in 500,000 torrents go to a file, and come back.
fn state() {
    println!("state: 2,000,000 peers in 500,000 torrents, with peer ids");
    let config = config::Swarm::default();
    let swarms = Swarms::new(&config);
    let mut client = Client::new(&swarms, 1);
    for number in 0..2_000_000 {
        client.announce(0, &arrival(number / 4, number, !number.is_multiple_of(4)), 0);
    }
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let file = StateFile::open(folder.path().join("state")).expect("a new file in it");
    let known = |number: u32| {
        let number = number % 2_000_000;
        arrival(number / 4, number, !number.is_multiple_of(4))
    };
    let mut latencies = Vec::new();
    time(&mut client, &mut latencies, known, &|count| count < 1_000_000);
    report("announces, nothing being written", &mut latencies);
    latencies.clear();
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..3 {
                let start = Instant::now();
                let (ledger, now) = (Ledger::default(), Now::from_secs(3_500));
                let totals = file.save(&swarms, &ledger, now).expect("a disk with room");
                let bytes = std::fs::metadata(folder.path().join("state")).map_or(0, |it| it.len());
                let millis = start.elapsed().as_millis();
                println!("  written in {millis} ms: {} peers, {bytes} bytes", totals.peers);
            }
            // Relaxed: a lone flag.
            is_done.store(true, Ordering::Relaxed);
        });
        time(&mut client, &mut latencies, known, &|_| !is_done.load(Ordering::Relaxed));
    });
    report("announces, state being written", &mut latencies);
    let before = swarms.totals();
    let start = Instant::now();
    let (again, _, loaded) = file.load(&config, Now::from_secs(0)).expect("the file just written");
    println!("  read in {} ms: {loaded:?}", start.elapsed().as_millis());
    assert_eq!(again.totals(), before);
}
