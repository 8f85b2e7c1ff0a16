//! Answers a thousand requests of one kind, so that callgrind can count the instructions: they are
//! the same whatever else a machine does. `scripts/instructions.sh` runs it and judges the counts.
//!
//! The answers are those that the tracker's workers give, from the bytes received to the bytes to
//! be sent.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use wildkat::clock::Now;
use wildkat::config;
use wildkat::net::http::{Next, Responder, Service};
use wildkat::protocol::announce::{Announce, Event, PeerFormat};
use wildkat::protocol::ids::{InfoHash, PeerId};
use wildkat::protocol::udp::{Header, Reply, Request};
use wildkat::stats::{Ledger, Protocol, Stats};
use wildkat::swarm::Swarms;
use wildkat::tracker::{Tracker, Verdict, Worker};

/// Requests that are counted.
const REQUESTS: u32 = 1_000;
/// Peers of the large swarm.
const PEERS: u32 = 2_000;
const LARGE: InfoHash = InfoHash(*b"-a-swarm-of-hundreds");
const NOW: Now = Now::from_secs(1_000);

type Case = (&'static str, fn(Worker) -> Box<dyn FnMut(u32)>);

const CASES: [Case; 8] = [
    ("udp_connect", udp_connect),
    ("udp_announce_alone", |worker| udp_announce(worker, |number| (v4(number), hash(number)))),
    ("udp_announce_50_v4", |worker| udp_announce(worker, |number| (v4(number), LARGE))),
    ("udp_announce_50_v6", |worker| udp_announce(worker, |number| (v6(number), LARGE))),
    ("udp_scrape_10", udp_scrape),
    ("udp_forged", udp_forged),
    ("http_announce_50_v4", |worker| http(worker, http_announce)),
    ("http_scrape_1", |worker| http(worker, http_scrape)),
];

fn main() {
    let wanted = std::env::args().nth(1);
    let case = CASES.iter().find(|(name, _)| wanted.as_deref() == Some(name));
    let Some((_, prepare)) = case else {
        for (name, _) in CASES {
            println!("{name}");
        }
        return;
    };
    let mut answer = prepare(worker());
    answer(0); // buffers grow to their size
    measured(&mut answer);
}

/// What callgrind counts.
#[inline(never)]
fn measured(answer: &mut dyn FnMut(u32)) {
    for number in 0..REQUESTS {
        answer(number);
    }
}

/// A worker of a tracker with one large swarm.
fn worker() -> Worker {
    let swarms = Arc::new(Swarms::new(&config::Swarm::default()));
    let tracker = Tracker::new(config::Tracker::default(), swarms, None).expect("randomness");
    let mut worker = Worker::new(Arc::new(tracker), Stats::new(1, Ledger::default(), 0).worker(0));
    let mut reply = Vec::new();
    for number in 0..PEERS {
        for source in [v4(number), v6(number)] {
            let packet = announce_packet(&mut worker, source, LARGE, number);
            let _ = worker.answer_udp(NOW, source, &packet, &mut reply);
        }
    }
    worker
}

fn v4(number: u32) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::from_bits(0x0100_0000 + number % PEERS).into(), 6881)
}

fn v6(number: u32) -> SocketAddr {
    let ip = Ipv6Addr::from_bits((0x2001_0db8 << 96) + u128::from(number % PEERS));
    SocketAddr::new(ip.into(), 6881)
}

/// A swarm of its own for each.
fn hash(number: u32) -> InfoHash {
    let mut hash = [b'-'; 20];
    hash[..4].copy_from_slice(&number.to_be_bytes());
    InfoHash(hash)
}

fn header(worker: &mut Worker, source: SocketAddr) -> Header {
    let (mut packet, mut reply) = (Vec::new(), Vec::new());
    Request::Connect { transaction_id: 1 }.encode(&mut packet);
    assert_eq!(worker.answer_udp(NOW, source, &packet, &mut reply), Verdict::Reply);
    match Reply::decode(&reply) {
        Some(Reply::Connect { connection_id, .. }) => Header { connection_id, transaction_id: 2 },
        other => panic!("a connect is answered with {other:?}"),
    }
}

fn announce_packet(
    worker: &mut Worker,
    source: SocketAddr,
    info_hash: InfoHash,
    number: u32,
) -> Vec<u8> {
    let mut peer_id = *b"-qB5000-abcdefghijkl";
    peer_id[16..].copy_from_slice(&number.to_be_bytes());
    let announce = Announce {
        info_hash,
        peer_id: PeerId(peer_id),
        port: source.port(),
        uploaded: 0,
        downloaded: 0,
        left: u64::from(number % 2),
        event: Event::Empty,
        numwant: Some(50),
        key: Some(number),
        ip: None,
        format: PeerFormat::Compact,
    };
    let mut packet = Vec::new();
    let header = header(worker, source);
    Request::Announce { header, announce, options: b"" }.encode(&mut packet);
    packet
}

/// Sends packets that were made before.
fn udp(mut worker: Worker, packets: Vec<(SocketAddr, Vec<u8>)>) -> Box<dyn FnMut(u32)> {
    let mut reply = Vec::with_capacity(2_048);
    Box::new(move |number| {
        let (source, packet) = &packets[number as usize];
        // As a batch of one: the look ahead is a part of what an answer costs, and costs most so.
        worker.foresee_udp(std::iter::once((source.ip(), &packet[..])));
        let verdict = worker.answer_udp(NOW, *source, packet, &mut reply);
        assert_eq!(verdict == Verdict::Reply, !reply.is_empty());
    })
}

fn udp_connect(worker: Worker) -> Box<dyn FnMut(u32)> {
    let mut packet = Vec::new();
    Request::Connect { transaction_id: 1 }.encode(&mut packet);
    udp(worker, (0..REQUESTS).map(|number| (v4(number), packet.clone())).collect())
}

fn udp_announce(
    mut worker: Worker,
    place: impl Fn(u32) -> (SocketAddr, InfoHash),
) -> Box<dyn FnMut(u32)> {
    let packet = |number| {
        let (source, info_hash) = place(number);
        (source, announce_packet(&mut worker, source, info_hash, number))
    };
    let packets = (0..REQUESTS).map(packet).collect();
    udp(worker, packets)
}

fn udp_scrape(mut worker: Worker) -> Box<dyn FnMut(u32)> {
    let hashes: Vec<[u8; 20]> = [LARGE.0].into_iter().chain((1..10).map(|n| hash(n).0)).collect();
    let packet = |number| {
        let (source, mut packet) = (v4(number), Vec::new());
        let header = header(&mut worker, source);
        Request::Scrape { header, info_hashes: &hashes }.encode(&mut packet);
        (source, packet)
    };
    let packets = (0..REQUESTS).map(packet).collect();
    udp(worker, packets)
}

/// Announces with the connection id of somebody else.
fn udp_forged(mut worker: Worker) -> Box<dyn FnMut(u32)> {
    let packet = |number| (v4(number + 1), announce_packet(&mut worker, v4(number), LARGE, number));
    let packets = (0..REQUESTS).map(packet).collect();
    udp(worker, packets)
}

fn http(worker: Worker, head: fn(u32) -> String) -> Box<dyn FnMut(u32)> {
    let mut responder = Responder::new(worker, Arc::from([]));
    let heads: Vec<String> = (0..REQUESTS).map(head).collect();
    let mut out = Vec::with_capacity(4_096);
    Box::new(move |number| {
        out.clear();
        let IpAddr::V4(peer) = v4(number).ip() else { return };
        let client = (&Service::Tracker, Protocol::Http, peer.into());
        let next = responder.respond(NOW, client, heads[number as usize].as_bytes(), &mut out);
        assert!(matches!(next, Next::KeepAlive));
    })
}

fn http_announce(number: u32) -> String {
    let hash = str::from_utf8(&LARGE.0).expect("letters");
    format!(
        "GET /announce?info_hash={hash}&peer_id=-qB5000-abcdef{number:06}&port=6881&uploaded=0\
         &downloaded=0&left={}&corrupt=0&key=0A1B2C3D&numwant=50&compact=1&no_peer_id=1 HTTP/1.1\
         \r\nHost: tracker.example.org:6969\r\nUser-Agent: qBittorrent/5.0.0\r\n\
         Connection: keep-alive\r\n\r\n",
        number % 2
    )
}

fn http_scrape(number: u32) -> String {
    let hash = str::from_utf8(&LARGE.0).expect("letters");
    format!("GET /scrape?info_hash={hash}&n={number} HTTP/1.1\r\nHost: tracker.example.org\r\n\r\n")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use wildkat::config;
    use wildkat::protocol::metainfo::Identity;
    use wildkat::stats::{Ledger, Stats};
    use wildkat::swarm::Swarms;
    use wildkat::tracker::registered::Registered;
    use wildkat::tracker::{Tracker, Worker};

    use super::{CASES, LARGE, REQUESTS, hash, http, http_announce, udp_announce, v4, worker};

    /// A swarm costs memory, and its first peers do. Whoever was here before is answered with what
    /// is there: tables have room, and buffers have grown to the size of a reply.
    #[test]
    fn who_was_here_before_is_answered_without_an_allocation() {
        for (name, prepare) in CASES {
            let mut answer = prepare(worker());
            let first = allocation_counter::measure(|| (0..REQUESTS).for_each(&mut answer));
            let again = allocation_counter::measure(|| (0..REQUESTS).for_each(&mut answer));
            if name == "udp_announce_alone" {
                assert!(first.count_total >= u64::from(REQUESTS), "nothing is counted");
            }
            assert_eq!(again.count_total, 0, "allocations of {name}");
        }
    }

    /// A worker that answers for one torrent and no other.
    fn registering() -> Worker {
        let swarms = Arc::new(Swarms::new(&config::Swarm::default()));
        let tracker = Tracker::new(config::Tracker::default(), swarms, None).expect("randomness");
        let registered = Registered::new(false, 1);
        registered.insert(Identity::V1(LARGE), 0);
        let tracker = Arc::new(tracker.registering(registered));
        Worker::new(tracker, Stats::new(1, Ledger::default(), 0).worker(0))
    }

    #[test]
    fn registered_torrent_is_answered_and_another_refused_without_an_allocation() {
        for mut answer in [
            udp_announce(registering(), |number| (v4(number), LARGE)),
            udp_announce(registering(), |number| (v4(number), hash(number))),
            http(registering(), http_announce),
        ] {
            (0..REQUESTS).for_each(&mut answer);
            let again = allocation_counter::measure(|| (0..REQUESTS).for_each(&mut answer));
            assert_eq!(again.count_total, 0);
        }
    }
}
