//! Whether answers wait while a list of a million denied torrents is read again: the slowest of
//! them with and without, in one process. Prints a table.
//!
//! `cargo bench --bench reload_lists`. Plain timing instead of criterion: what counts is the worst
//! of some millions.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use wildkat::clock::Now;
use wildkat::config;
use wildkat::protocol::announce::{Announce, Event, PeerFormat};
use wildkat::protocol::ids::{InfoHash, PeerId};
use wildkat::protocol::udp::{Header, Reply, Request};
use wildkat::stats::{Ledger, Stats};
use wildkat::swarm::Swarms;
use wildkat::tracker::admission::Lists;
use wildkat::tracker::hash_list::HashList;
use wildkat::tracker::{Tracker, Worker};

const LINES: u64 = 1_000_000;
const RELOADS: usize = 5;

fn main() {
    if !std::env::args().any(|arg| arg == "--bench") {
        println!("figures take a while: cargo bench --bench reload_lists");
        return;
    }
    let text = list();
    let swarms = Arc::new(Swarms::new(&config::Swarm::default()));
    let denied = || HashList::read(text.as_bytes(), text.len() as u64).ok();
    let lists = Lists { allowed: None, denied: denied() };
    let Ok(tracker) = Tracker::new(config::Tracker::default(), swarms, Some(lists)) else {
        return println!("the system has no randomness");
    };
    let tracker = Arc::new(tracker);
    println!("slowest UDP announces beside a list of {LINES}, read again {RELOADS} times:");
    let quiet = Duration::from_secs(3);
    report("at rest", latencies(&tracker, || std::thread::sleep(quiet)));
    let start = Instant::now();
    let reload = || {
        for _ in 0..RELOADS {
            tracker.admission().replace(Lists { allowed: None, denied: denied() });
        }
    };
    report("while it is read", latencies(&tracker, reload));
    println!("  a reading took {} ms", (start.elapsed() / RELOADS as u32).as_millis());
}

/// Hexadecimal numbers that are spread like hashes.
fn list() -> String {
    let mut text = String::new();
    for number in 0..LINES {
        let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let _ = writeln!(text, "{spread:016x}{number:024x}");
    }
    text
}

/// How long each announce took that was answered while `meanwhile` ran.
fn latencies(tracker: &Arc<Tracker>, meanwhile: impl FnOnce() + Send) -> Vec<Duration> {
    let is_over = AtomicBool::new(false);
    let mut worker = Worker::new(tracker.clone(), Stats::new(1, Ledger::default(), 0).worker(0));
    let mut answer = Vec::new();
    let now = Now::from_secs(1);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            meanwhile();
            is_over.store(true, Ordering::Relaxed);
        });
        let from = ([127, 0, 0, 1], 6881).into();
        let mut packet = Vec::new();
        Request::Connect { transaction_id: 1 }.encode(&mut packet);
        let _ = worker.answer_udp(now, from, &packet, &mut answer);
        let Some(Reply::Connect { connection_id, .. }) = Reply::decode(&answer) else {
            return Vec::new();
        };
        let mut latencies = Vec::with_capacity(1 << 24);
        while !is_over.load(Ordering::Relaxed) && latencies.len() < latencies.capacity() {
            packet.clear();
            request(connection_id, latencies.len()).encode(&mut packet);
            let start = Instant::now();
            let _ = worker.answer_udp(now, from, &packet, &mut answer);
            latencies.push(start.elapsed());
        }
        latencies
    })
}

fn request(connection_id: u64, number: usize) -> Request<'static> {
    let mut info_hash = [0xff; 20];
    info_hash[..2].copy_from_slice(&(number as u16).to_be_bytes());
    let announce = Announce {
        info_hash: InfoHash(info_hash),
        peer_id: PeerId([7; 20]),
        ip: None,
        port: 6881,
        uploaded: 0,
        downloaded: 0,
        left: 1,
        event: Event::Empty,
        numwant: Some(50),
        key: None,
        format: PeerFormat::Compact,
    };
    let header = Header { connection_id, transaction_id: 1 };
    Request::Announce { header, announce, options: b"" }
}

fn report(what: &str, mut latencies: Vec<Duration>) {
    latencies.sort_unstable();
    let count = latencies.len();
    let [half, most, almost_all, worst] = [500_000, 999_000, 999_990, 1_000_000]
        .map(|millionths| latencies.get(count * millionths / 1_000_000).or(latencies.last()))
        .map(|latency| latency.map_or(0, Duration::as_nanos));
    println!(
        "  {what}: ns at p50 {half}, p99.9 {most}, p99.999 {almost_all}, most {worst}, of {count}"
    );
}
