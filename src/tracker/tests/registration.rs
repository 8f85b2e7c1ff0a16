//! What clients are told where only registered torrents are tracked.

use super::*;
use crate::protocol::metainfo::{Identity, InfoHashV2};
use crate::tracker::registered::Removal;

/// Named by [`HASH`] and by twenty times `b`.
const HYBRID: Identity = Identity::Hybrid { v1: HASH, v2: InfoHashV2([b'b'; 32]) };
const UNKNOWN: &str = "d14:failure reason22:torrent not registered8:retry ini60ee";

fn bench(is_open: bool) -> Bench {
    let mut bench = Bench::new(exact());
    let registered = Registered::new(is_open, 0);
    let tracker = Tracker::new(exact(), bench.swarms.clone(), None).unwrap();
    let tracker = Arc::new(tracker.registering(registered));
    bench.worker = Worker::new(tracker, bench.stats.worker(0));
    bench
}

impl Bench {
    fn registered(&self) -> &Registered {
        self.worker.tracker().admission().registered().unwrap()
    }
}

fn of(hash: u8, port: u16, left: u64) -> Announce {
    Announce { info_hash: InfoHash([hash; 20]), ..Announce::sample(port, left) }
}

#[test]
fn torrent_is_answered_while_it_is_registered_and_refused_with_the_reason_after() {
    let mut bench = bench(false);
    let announce = of(b'a', 1, 1);
    assert_eq!(bench.udp("192.0.2.1:1", &announce, b"").unwrap_err(), "torrent not registered");
    assert_eq!(bench.http("192.0.2.1", &query(1, "left=1")), UNKNOWN);
    bench.registered().insert(HYBRID, 0);
    assert!(bench.udp("192.0.2.1:1", &announce, b"").is_ok());
    assert!(bench.http("192.0.2.1", &query(2, "left=1")).contains("8:interval"));
    bench.registered().remove(HYBRID, Removal::Rules);
    let reason = "torrent not registered: removed, it is against the rules";
    assert_eq!(bench.udp("192.0.2.1:1", &announce, b"").unwrap_err(), reason);
    let refusal = format!("d14:failure reason{}:{reason}8:retry in5:nevere", reason.len());
    assert_eq!(bench.http("192.0.2.1", &query(1, "left=1")), refusal);
    bench.registered().set_open(true);
    assert!(bench.udp("192.0.2.1:1", &announce, b"").is_ok(), "to an open tracker all may come");
    bench.registered().set_open(false);
    assert!(bench.udp("192.0.2.1:1", &announce, b"").is_err());
}

#[test]
fn client_that_announces_both_hashes_of_a_hybrid_is_one_peer_and_completes_once() {
    let mut bench = bench(false);
    bench.registered().insert(HYBRID, 40);
    for hash in [b'a', b'b'] {
        bench.udp("192.0.2.1:1", &of(hash, 1, 1), b"").unwrap();
    }
    for hash in [b'a', b'b'] {
        let done = Announce { event: Event::Completed, ..of(hash, 1, 0) };
        bench.udp("192.0.2.1:1", &done, b"").unwrap();
    }
    assert_eq!(bench.swarms.totals().torrents, 1);
    for hash in ["a", "b"] {
        let hash = hash.repeat(20);
        let body = bench.http("192.0.2.9", &format!("/scrape?info_hash={hash}"));
        let file = "d8:completei1e10:downloadedi41e11:downloadersi0e10:incompletei0ee";
        assert!(body.contains(&format!("20:{hash}{file}")), "{body}");
    }
    // The other's peer is handed out, whichever name it came by.
    assert_eq!(bench.udp("192.0.2.2:1", &of(b'b', 2, 1), b"").unwrap().len(), 12 + 6);
}

#[test]
fn completions_outlive_the_swarm() {
    let mut bench = bench(false);
    bench.registered().insert(HYBRID, 0);
    for (left, event) in [(1, Event::Started), (0, Event::Completed), (0, Event::Stopped)] {
        bench.udp("192.0.2.1:1", &Announce { event, ..of(b'a', 1, left) }, b"").unwrap();
    }
    assert_eq!(bench.swarms.totals().torrents, 0);
    let body = bench.http("192.0.2.9", "/scrape?info_hash=aaaaaaaaaaaaaaaaaaaa");
    assert!(body.contains("10:downloadedi1e"), "{body}");
    assert_eq!(bench.registered().unsaved(9), [(HASH, 1)]);
}

#[test]
fn scrape_leaves_unregistered_torrents_out_and_is_refused_if_all_are() {
    let mut bench = bench(false);
    let target = format!("/scrape?info_hash={}&info_hash={}", "a".repeat(20), "x".repeat(20));
    assert_eq!(bench.http("192.0.2.9", &target), UNKNOWN);
    bench.registered().insert(HYBRID, 0);
    let body = bench.http("192.0.2.9", &target);
    assert!(body.contains("aaaaaaaaaaaaaaaaaaaa") && !body.contains("xxxx"), "{body}");
    bench.registered().set_open(true);
    assert!(bench.http("192.0.2.9", &target).contains("xxxxxxxxxxxxxxxxxxxx"));
}
