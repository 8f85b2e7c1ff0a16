//! The answer path without a socket, on a driven clock.

use std::net::SocketAddr;
use std::sync::Arc;

use super::hash_list::HashList;
use super::*;
use crate::protocol::udp::{Header, Reply, Request};
use crate::stats::{Ledger, Stats};

const START: Now = Now::from_secs(1_000);
const HASH: InfoHash = InfoHash(*b"aaaaaaaaaaaaaaaaaaaa");

struct Bench {
    worker: Worker,
    swarms: Arc<Swarms>,
    stats: Stats,
    reply: Vec<u8>,
}

impl Bench {
    fn new(config: config::Tracker) -> Bench {
        Bench::with_swarm(config, &config::Swarm::default())
    }

    fn with_lists(lists: Lists) -> Bench {
        let mut bench = Bench::new(exact());
        let tracker = Tracker::new(exact(), bench.swarms.clone(), Some(lists)).unwrap();
        bench.worker = Worker::new(Arc::new(tracker), bench.stats.worker(0));
        bench
    }

    fn with_swarm(config: config::Tracker, swarm: &config::Swarm) -> Bench {
        let swarms = Arc::new(Swarms::new(swarm));
        let tracker = Arc::new(Tracker::new(config, swarms.clone(), None).unwrap());
        let stats = Stats::new(1, Ledger::default(), 0);
        let worker = Worker::new(tracker, stats.worker(0));
        Bench { worker, swarms, stats, reply: Vec::new() }
    }

    fn send(&mut self, now: Now, from: &str, packet: &[u8]) -> Option<&[u8]> {
        let from: SocketAddr = from.parse().unwrap();
        match self.worker.answer_udp(now, from, packet, &mut self.reply) {
            Verdict::Reply => Some(&self.reply),
            Verdict::Silent => None,
        }
    }

    fn connect(&mut self, now: Now, from: &str) -> u64 {
        let mut packet = Vec::new();
        Request::Connect { transaction_id: 7 }.encode(&mut packet);
        match Reply::decode(self.send(now, from, &packet).unwrap()) {
            Some(Reply::Connect { transaction_id: 7, connection_id }) => connection_id,
            other => panic!("{other:?}"),
        }
    }

    /// Connects and announces; the reply without its first 8 bytes, or the reason of an error.
    fn udp(&mut self, from: &str, announce: &Announce, options: &[u8]) -> Result<Vec<u8>, String> {
        let connection_id = self.connect(START, from);
        let header = Header { connection_id, transaction_id: 9 };
        let mut packet = Vec::new();
        Request::Announce { header, announce: *announce, options }.encode(&mut packet);
        let reply = self.send(START, from, &packet).unwrap();
        match Reply::decode(reply) {
            Some(Reply::Error { transaction_id: 9, reason }) => {
                Err(String::from_utf8_lossy(reason).into_owned())
            }
            Some(Reply::Announce { transaction_id: 9, .. }) => Ok(reply[8..].to_vec()),
            other => panic!("{other:?}"),
        }
    }

    /// The body of the answer to an HTTP request.
    fn http(&mut self, from: &str, target: &str) -> String {
        assert_eq!(self.http_answer(from, target), HttpAnswer::Body);
        self.reply.escape_ascii().to_string()
    }

    fn http_answer(&mut self, from: &str, target: &str) -> HttpAnswer {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let client = (Protocol::Http, from.parse().unwrap());
        let request = (path.as_bytes(), query.as_bytes());
        self.worker.answer_http(START, client, request, &mut self.reply)
    }
}

fn exact() -> config::Tracker {
    config::Tracker { interval_jitter: 0, ..config::Tracker::default() }
}

fn query(port: u16, rest: &str) -> String {
    format!("/announce?info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id={port:020}&port={port}&{rest}")
}

#[test]
fn second_announce_gets_the_first_peer_in_the_known_bytes() {
    let mut bench = Bench::new(exact());
    bench.udp("127.0.0.1:1", &Announce::sample(5000, 0), b"").unwrap();
    let reply = bench.udp("127.0.0.1:2", &Announce::sample(6000, 1), b"").unwrap();
    // interval 1800, one leecher, one seeder, 127.0.0.1:5000
    assert_eq!(reply, b"\0\0\x07\x08\0\0\0\x01\0\0\0\x01\x7f\0\0\x01\x13\x88");
}

#[test]
fn udp_client_gets_peers_of_its_own_family_and_mapped_ones_if_it_may() {
    for (ipv4_mapped, length) in [(true, 12 + 18), (false, 12)] {
        let mut bench = Bench::new(config::Tracker { ipv4_mapped, ..exact() });
        bench.udp("192.0.2.1:1", &Announce::sample(5000, 0), b"").unwrap();
        let reply = bench.udp("[2001:db8::1]:1", &Announce::sample(6000, 1), b"").unwrap();
        assert_eq!(reply.len(), length);
        let reply = bench.udp("192.0.2.2:1", &Announce::sample(7000, 1), b"").unwrap();
        assert_eq!(reply.len(), 12 + 6, "no IPv6 peer for an IPv4 client");
    }
}

#[test]
fn replies_stay_within_a_packet() {
    let config = config::Tracker { peers_max: limits::PEERS_MAX, ..exact() };
    let mut bench = Bench::new(config);
    let wanting = |port| Announce { numwant: Some(5000), ..Announce::sample(port, 1) };
    let (mut v4, mut v6) = (0, 0);
    for port in 1..=400 {
        v4 = bench.udp(&format!("192.0.2.1:{port}"), &wanting(port), b"").unwrap().len() + 8;
        v6 = bench.udp(&format!("[2001:db8::1]:{port}"), &wanting(port), b"").unwrap().len() + 8;
    }
    assert_eq!(v4, limits::UDP_REPLY_V4_MAX - 4, "238 peers of 6 bytes");
    assert_eq!(v6, limits::UDP_REPLY_V6_MAX - 6, "67 peers of 18 bytes");
}

#[test]
fn numwant_is_fifty_when_left_to_the_tracker_and_capped_when_not() {
    let mut bench = Bench::new(exact());
    for port in 1..=300 {
        bench.udp("192.0.2.1:1", &Announce::sample(port, 1), b"").unwrap();
    }
    for (numwant, peers) in [(None, 50), (Some(0), 0), (Some(7), 7), (Some(999), 200)] {
        let reply = bench.udp("192.0.2.9:1", &Announce { numwant, ..Announce::sample(1, 1) }, b"");
        assert_eq!(reply.unwrap().len(), 12 + peers * 6, "{numwant:?}");
    }
}

#[test]
fn connection_id_ends_after_two_minutes_and_belongs_to_one_address() {
    let mut bench = Bench::new(exact());
    let connection_id = bench.connect(START, "192.0.2.1:1");
    let header = Header { connection_id, transaction_id: 9 };
    let mut packet = Vec::new();
    Request::Announce { header, announce: Announce::sample(1, 1), options: b"" }
        .encode(&mut packet);
    let error = b"\0\0\0\x03\0\0\0\x09connection ID not recognized";
    let at = |secs| Now::from_secs(START.secs() + secs);
    assert_eq!(bench.send(START, "192.0.2.2:1", &packet), Some(&error[..]));
    assert_eq!(bench.send(at(121), "192.0.2.1:1", &packet), Some(&error[..]));
    assert_eq!(bench.swarms.totals().peers(), 0);
    assert_eq!(bench.send(at(120), "192.0.2.1:2", &packet).unwrap()[3], 1, "any port of it");
    assert_eq!(bench.swarms.totals().peers(), 1);
}

#[test]
fn refusal_of_a_bad_connection_id_is_never_longer_than_the_request() {
    let mut bench = Bench::new(exact());
    let header = Header { connection_id: 1, transaction_id: 9 };
    let mut packet = Vec::new();
    Request::Scrape { header, info_hashes: &[[0; 20]] }.encode(&mut packet);
    assert_eq!(packet.len(), 36);
    assert!(bench.send(START, "192.0.2.1:1", &packet).is_some_and(|reply| reply.len() == 36));
    for length in 0..36 {
        assert_eq!(bench.send(START, "192.0.2.1:1", &packet[..length]), None, "{length}");
    }
}

#[test]
fn port_zero_is_refused_but_for_a_farewell() {
    let mut bench = Bench::new(exact());
    assert_eq!(bench.udp("192.0.2.1:1", &Announce::sample(0, 1), b"").unwrap_err(), "invalid port");
    let stopped = Announce { event: Event::Stopped, ..Announce::sample(0, 1) };
    assert!(bench.udp("192.0.2.1:1", &stopped, b"").is_ok());
    assert_eq!(bench.swarms.totals().torrents, 0);
}

#[test]
fn url_options_are_routed_as_http_paths_are() {
    let mut bench = Bench::new(exact());
    for (url, is_served) in [
        ("", true),
        ("/", true),
        ("/?key=1", true),
        ("/announce", true),
        ("/key/announce/?x=/scrape", true),
        ("/scrape", false),
        ("/other", false),
    ] {
        let mut options = Vec::new();
        crate::protocol::udp::write_url_data(&mut options, url.as_bytes());
        let answer = bench.udp("192.0.2.1:1", &Announce::sample(1, 1), &options);
        assert_eq!(answer.is_ok(), is_served, "{url}: {answer:?}");
    }
}

#[test]
fn named_address_counts_only_from_a_private_network_and_if_allowed() {
    for (trust_ip_param, from, recorded) in [
        (false, "10.0.0.1", "10.0.0.1"),
        (true, "10.0.0.1", "198.51.100.7"),
        (true, "203.0.113.1", "203.0.113.1"),
    ] {
        let mut bench = Bench::new(config::Tracker { trust_ip_param, ..exact() });
        let ip = Some("198.51.100.7".parse().unwrap());
        bench.udp(&format!("{from}:1"), &Announce { ip, ..Announce::sample(80, 0) }, b"").unwrap();
        let body = bench.http("192.0.2.1", &query(90, "left=1&compact=0&no_peer_id=1"));
        assert!(body.contains(&format!("2:ip{}:{recorded}4:porti80e", recorded.len())), "{body}");
    }
}

#[test]
fn scrapes_create_nothing_and_answer_in_the_order_asked() {
    let mut bench = Bench::new(exact());
    bench.udp("192.0.2.1:1", &Announce::sample(1, 0), b"").unwrap();
    let header = Header { connection_id: bench.connect(START, "192.0.2.1:1"), transaction_id: 9 };
    let mut packet = Vec::new();
    Request::Scrape { header, info_hashes: &[[0; 20], HASH.0, HASH.0] }.encode(&mut packet);
    let reply = bench.send(START, "192.0.2.1:1", &packet).unwrap();
    let known = [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(reply, [&[0, 0, 0, 2, 0, 0, 0, 9][..], &[0; 12], &known, &known].concat());
    assert_eq!(bench.swarms.totals().torrents, 1);
}

#[test]
fn udp_scrape_takes_as_many_hashes_as_fit_and_no_more() {
    let mut bench = Bench::new(exact());
    let connection_id = bench.connect(START, "192.0.2.1:1");
    for (hashes, action) in [(74, 2), (75, 3)] {
        let mut packet = Vec::new();
        let header = Header { connection_id, transaction_id: 9 };
        Request::Scrape { header, info_hashes: &vec![[1; 20]; hashes] }.encode(&mut packet);
        assert_eq!(bench.send(START, "192.0.2.1:1", &packet).unwrap()[3], action, "{hashes}");
    }
    assert!(bench.reply.ends_with(b"too many info_hashes, max is 74"));
}

#[test]
fn http_scrape_refuses_before_it_works() {
    let mut bench = Bench::new(exact());
    let hashes = |n: usize| format!("/scrape?{}", "info_hash=aaaaaaaaaaaaaaaaaaaa&".repeat(n));
    let body = bench.http("192.0.2.1", &hashes(5));
    assert!(body.starts_with("d5:filesd20:aaaaaaaaaaaaaaaaaaaad8:completei0e"), "{body}");
    assert_eq!(body.matches("aaaaaaaaaaaaaaaaaaaa").count(), 1, "duplicates are one");
    let body = bench.http("192.0.2.1", &hashes(6));
    assert_eq!(body, "d14:failure reason30:too many info_hashes, max is 58:retry in5:nevere");
    let body = bench.http("192.0.2.1", "/scrape");
    assert_eq!(body, "d14:failure reason23:full scrape not allowed8:retry in5:nevere");
    let body = bench.http("192.0.2.1", "/scrape?info_hash=abc");
    assert_eq!(body, "d5:filesde5:flagsd20:min_request_intervali60eee");
    assert_eq!(bench.swarms.totals().torrents, 0);
}

#[test]
fn full_scrape_lists_every_torrent_in_order() {
    let mut bench = Bench::new(config::Tracker { full_scrape: true, ..exact() });
    for byte in [9, 3, 7] {
        let announce = Announce { info_hash: InfoHash([byte; 20]), ..Announce::sample(1, 1) };
        bench.udp("192.0.2.1:1", &announce, b"").unwrap();
    }
    assert_eq!(bench.http_answer("192.0.2.1", "/scrape?x=1"), HttpAnswer::FullScrape);
    let body = bench.worker.tracker().full_scrape(START);
    let at = |byte: u8| body.windows(20).position(|window| window == [byte; 20]).unwrap();
    assert!(at(3) < at(7) && at(7) < at(9));
}

#[test]
fn large_full_scrape_is_made_once_a_minute() {
    let mut bench = Bench::new(config::Tracker { full_scrape: true, ..exact() });
    for torrent in 0..=limits::FULL_SCRAPE_FRESH_MAX as u32 {
        let mut info_hash = InfoHash([0; 20]);
        info_hash.0[..4].copy_from_slice(&torrent.to_be_bytes());
        bench.udp("192.0.2.1:1", &Announce { info_hash, ..Announce::sample(1, 1) }, b"").unwrap();
    }
    let tracker = bench.worker.tracker().clone();
    let first = tracker.full_scrape(START);
    bench.udp("192.0.2.1:1", &Announce::sample(1, 1), b"").unwrap();
    let later = |secs| Now::from_secs(START.secs() + secs);
    assert!(Arc::ptr_eq(&first, &tracker.full_scrape(later(59))));
    assert!(tracker.full_scrape(later(60)).len() > first.len());
}

#[test]
fn http_families_follow_the_client() {
    let mut bench = Bench::new(exact());
    bench.http("192.0.2.1", &query(80, "left=0"));
    bench.http("2001:db8::1", &query(81, "left=0"));
    let body = bench.http("192.0.2.9", &query(90, "left=1"));
    assert!(body.contains("5:peers6:\\xc0\\x00\\x02\\x01\\x00P6:peers618: \\x01"), "{body}");
    let body = bench.http("2001:db8::9", &query(91, "left=1"));
    assert!(body.contains("5:peers0:6:peers6"), "{body}");
    assert!(body.contains("\\xff\\xff\\xc0\\x00\\x02\\x01\\x00P"), "{body}");
    let mut bench = Bench::new(config::Tracker { ipv4_mapped: false, ..exact() });
    bench.http("192.0.2.1", &query(80, "left=0"));
    let body = bench.http("2001:db8::9", &query(91, "left=1"));
    assert!(body.contains("5:peers6:\\xc0\\x00\\x02\\x01\\x00P6:peers60:"), "{body}");
}

#[test]
fn numwant_bounds_both_families_together_and_the_clients_own_comes_first() {
    let mut bench = Bench::new(exact());
    for port in 1..=30 {
        bench.http("192.0.2.1", &query(port, "left=1"));
        bench.http("2001:db8::1", &query(100 + port, "left=1"));
    }
    let body = bench.http("192.0.2.9", &query(90, "left=1&numwant=40"));
    assert!(body.contains("5:peers180:") && body.contains("6:peers6180:"), "{body}");
    let body = bench.http("192.0.2.9", &query(90, "left=1&numwant=20"));
    assert!(body.contains("5:peers120:") && !body.contains("6:peers6"), "{body}");
}

#[test]
fn farewell_gets_counts_and_no_peers() {
    let mut bench = Bench::new(exact());
    bench.http("192.0.2.1", &query(80, "left=0"));
    bench.http("192.0.2.2", &query(81, "left=1"));
    let body = bench.http("192.0.2.2", &query(81, "left=1&event=stopped"));
    assert!(body.contains("completei1e") && body.contains("incompletei0e"), "{body}");
    assert!(body.contains("5:peers0:"), "{body}");
}

#[test]
fn partial_seed_counts_as_incomplete_and_gets_leechers_alone() {
    let mut bench = Bench::new(exact());
    bench.http("192.0.2.1", &query(80, "left=0"));
    bench.http("192.0.2.2", &query(81, "left=5"));
    let body = bench.http("192.0.2.3", &query(82, "left=5&event=paused"));
    assert!(body.contains("completei1e") && body.contains("incompletei2e"), "{body}");
    assert!(body.contains("5:peers6:\\xc0\\x00\\x02\\x02\\x00Q10:"), "{body}");
    let body = bench.http("192.0.2.9", "/scrape?info_hash=aaaaaaaaaaaaaaaaaaaa");
    assert!(body.contains("11:downloadersi1e10:incompletei2e"), "{body}");
    let body = bench.http("192.0.2.4", &query(83, "left=5"));
    assert!(body.contains("5:peers18:"), "a leecher gets all three: {body}");
}

#[test]
fn full_tracker_refuses_with_a_time_to_come_again() {
    let swarm = config::Swarm { torrents_max: 1, peers_total_max: 2, ..config::Swarm::default() };
    let mut bench = Bench::with_swarm(exact(), &swarm);
    bench.http("192.0.2.1", &query(80, "left=0"));
    let other = query(81, "left=0").replace("aaaa", "bbbb");
    let body = bench.http("192.0.2.1", &other);
    assert!(body.contains("no room for another torrent8:retry ini15e"), "{body}");
    bench.http("192.0.2.2", &query(80, "left=0"));
    let body = bench.http("192.0.2.3", &query(80, "left=0"));
    assert!(body.contains("no room for another peer8:retry ini15e"), "{body}");
    let body = bench.http("192.0.2.1", &query(80, "left=0"));
    assert!(body.contains("completei2e"), "a known peer is still welcome: {body}");
}

#[test]
fn interval_varies_within_its_jitter_and_not_without() {
    let intervals = |config| {
        let mut bench = Bench::new(config);
        let mut seen: Vec<u32> = (0..500)
            .map(|_| {
                let reply = bench.udp("192.0.2.1:1", &Announce::sample(1, 1), b"").unwrap();
                u32::from_be_bytes(reply[..4].try_into().unwrap())
            })
            .collect();
        seen.sort_unstable();
        (seen[0], seen[seen.len() - 1])
    };
    assert_eq!(intervals(exact()), (1800, 1800));
    let (least, most) = intervals(config::Tracker::default());
    assert!((1710..1740).contains(&least) && (1860..=1890).contains(&most), "{least} {most}");
    let close = config::Tracker { interval: 100, min_interval: 100, ..config::Tracker::default() };
    assert_eq!(intervals(close).0, 100, "never below the least interval");
}

#[test]
fn requests_are_counted_by_protocol_family_and_outcome() {
    let mut bench = Bench::new(exact());
    bench.udp("192.0.2.1:1", &Announce::sample(1, 1), b"").unwrap();
    bench.udp("[2001:db8::1]:1", &Announce::sample(1, 1), b"").unwrap();
    bench.udp("192.0.2.1:1", &Announce::sample(0, 1), b"").unwrap_err();
    let _ = bench.send(START, "192.0.2.1:1", b"nonsense");
    bench.http("192.0.2.1", &query(1, "left=0"));
    bench.http("192.0.2.1", "/announce");
    bench.http("192.0.2.1", "/scrape?info_hash=abc");
    assert_eq!(bench.http_answer("192.0.2.1", "/elsewhere"), HttpAnswer::NotFound);
    let seen = bench.stats.snapshot();
    assert_eq!((seen.udp.v4.announces, seen.udp.v6.announces, seen.udp.refused()), (1, 1, 1));
    assert_eq!((seen.udp_connects, seen.udp_silent), (3, 1));
    assert_eq!((seen.http.v4.announces, seen.http.scrapes(), seen.http.refused()), (1, 1, 2));
    assert_eq!(seen.https, crate::stats::snapshot::ProtocolSnapshot::default());
}

const NOT_REGISTERED: &str = "d14:failure reason22:torrent not registered8:retry ini60ee";
const DENIED: &str = "d14:failure reason35:torrent not allowed on this tracker8:retry in5:nevere";

fn list(hashes: &[[u8; 20]]) -> HashList {
    let lines: Vec<_> = hashes.iter().map(|hash| InfoHash(*hash).to_string()).collect();
    HashList::read(lines.join("\n").as_bytes(), 0).unwrap()
}

fn named(byte: u8) -> String {
    query(80, "left=0").replace(&"a".repeat(20), &format!("%{byte:02x}").repeat(20))
}

#[test]
fn torrents_are_tracked_as_the_lists_say() {
    let lists = Lists { allowed: Some(list(&[[1; 20], [2; 20]])), denied: Some(list(&[[2; 20]])) };
    let mut bench = Bench::with_lists(lists);
    assert!(bench.http("192.0.2.1", &named(1)).contains("completei1e"));
    assert_eq!(bench.http("192.0.2.1", &named(2)), DENIED);
    assert_eq!(bench.http("192.0.2.1", &named(3)), NOT_REGISTERED);
    let udp = |byte| Announce { info_hash: InfoHash([byte; 20]), ..Announce::sample(1, 1) };
    assert!(bench.udp("192.0.2.1:1", &udp(1), b"").is_ok());
    let reason = bench.udp("192.0.2.1:1", &udp(2), b"").unwrap_err();
    assert_eq!(reason, "torrent not allowed on this tracker");
    assert_eq!(bench.swarms.totals().torrents, 1);

    bench
        .worker
        .tracker()
        .admission()
        .replace(Lists { allowed: None, denied: Some(list(&[[1; 20]])) });
    assert_eq!(bench.http("192.0.2.1", &named(1)), DENIED);
    assert!(bench.http("192.0.2.1", &named(3)).contains("completei1e"));
    let full = bench.worker.tracker().full_scrape(START);
    assert!(!full.windows(20).any(|window| window == [1; 20]));
    assert!(full.windows(20).any(|window| window == [3; 20]));
}

#[test]
fn scrape_leaves_out_what_is_not_tracked_and_fails_when_that_is_all() {
    let mut bench = Bench::with_lists(Lists { allowed: Some(list(&[HASH.0])), denied: None });
    bench.http("192.0.2.1", &query(80, "left=0"));
    let [known, other] = ["info_hash=aaaaaaaaaaaaaaaaaaaa", "info_hash=bbbbbbbbbbbbbbbbbbbb"];
    let body = bench.http("192.0.2.1", &format!("/scrape?{other}&{known}"));
    assert!(body.contains("aaaad8:completei1e") && !body.contains("bbbb"), "{body}");
    assert_eq!(bench.http("192.0.2.1", &format!("/scrape?{other}")), NOT_REGISTERED);

    let connection_id = bench.connect(START, "192.0.2.1:1");
    let header = Header { connection_id, transaction_id: 9 };
    for (info_hashes, reply) in [
        (&[[b'b'; 20], HASH.0][..], [&[0; 12][..], &[0, 0, 0, 1], &[0; 8]].concat()),
        (&[[b'b'; 20]], b"torrent not registered".to_vec()),
    ] {
        let mut packet = Vec::new();
        Request::Scrape { header, info_hashes }.encode(&mut packet);
        assert_eq!(bench.send(START, "192.0.2.1:1", &packet).unwrap()[8..], reply);
    }
}

#[test]
fn network_that_asks_too_often_is_told_when_to_come_again() {
    let mut bench = Bench::new(config::Tracker { rate_limit: Some(1), ..exact() });
    for _ in 0..5 {
        assert!(bench.http("192.0.2.1", &query(80, "left=0")).contains("8:completei"));
        assert!(bench.udp("192.0.2.2:1", &Announce::sample(80, 0), b"").is_ok());
    }
    let refused = "d14:failure reason35:too many requests from your network8:retry ini1ee";
    assert_eq!(bench.http("192.0.2.3", &query(80, "left=0")), refused);
    assert_eq!(bench.http("192.0.2.3", "/scrape?info_hash=aaaaaaaaaaaaaaaaaaaa"), refused);
    let reason = bench.udp("192.0.2.4:1", &Announce::sample(80, 0), b"").unwrap_err();
    assert_eq!(reason, "too many requests from your network");
    assert!(bench.http("192.0.3.1", &query(80, "left=0")).contains("completei"), "a neighbour");
}

#[test]
fn forged_datagrams_use_up_nobodys_requests() {
    let mut bench = Bench::new(config::Tracker { rate_limit: Some(1), ..exact() });
    let header = Header { connection_id: 1, transaction_id: 9 };
    let mut packet = Vec::new();
    let announce = Announce::sample(1, 1);
    Request::Announce { header, announce, options: b"" }.encode(&mut packet);
    for _ in 0..100 {
        bench.send(START, "192.0.2.1:1", &packet);
    }
    assert!(bench.udp("192.0.2.1:1", &announce, b"").is_ok());
}

#[test]
fn public_clients_are_given_no_private_peers_if_these_are_hidden() {
    for (hide_bogons, given) in [(true, 2), (false, 4)] {
        let mut bench = Bench::new(config::Tracker { hide_bogons, ..exact() });
        for ip in ["10.0.0.1", "1.1.1.1", "127.0.0.1", "9.9.9.9"] {
            bench.http(ip, &query(80, "left=0"));
        }
        bench.http("fd00::1", &query(80, "left=0"));
        let body = bench.http("8.8.8.8", &query(81, "left=1"));
        assert!(body.contains(&format!("5:peers{}:", 6 * given)), "{hide_bogons}: {body}");
        assert_eq!(body.contains("6:peers6"), !hide_bogons, "{body}");
        let body = bench.http("10.0.0.9", &query(81, "left=1"));
        assert!(body.contains("5:peers24:") || body.contains("5:peers30:"), "its own: {body}");
    }
}

mod registration;
