//! Who is counted, who is kept, and who is refused.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::swarm::{Full, fuzzing};

proptest! {
    #![proptest_config(ProptestConfig {
        cases: scaled(128, 4),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn store_agrees_with_the_model(bytes in vec(any::<u8>(), 0..scaled(300, 60) as usize)) {
        fuzzing::model(&bytes);
    }
}

#[test]
fn completion_is_counted_once_however_often_it_is_sent() {
    let mut bench = Bench::new();
    bench.announce(&v4(1, Role::Leecher), want(0));
    let complete = Arrival { completed: true, ..v4(1, Role::Seeder) };
    for _ in 0..3 {
        assert_eq!(bench.announce(&complete, want(0)).completed, 1);
        assert_eq!(bench.announce(&v4(1, Role::Leecher), want(0)).completed, 1);
    }
    bench.announce(&v4(2, Role::Paused), want(0));
    let complete = Arrival { completed: true, ..v4(2, Role::Seeder) };
    assert_eq!(bench.announce(&complete, want(0)).completed, 2, "a partial seed completes too");
}

#[test]
fn completion_is_counted_again_in_another_session() {
    let mut bench = Bench::new();
    bench.announce(&v4(9, Role::Seeder), want(0)); // keeps the swarm
    for session in 1..=2 {
        bench.announce(&v4(1, Role::Leecher), want(0));
        let complete = Arrival { completed: true, ..v4(1, Role::Seeder) };
        assert_eq!(bench.announce(&complete, want(0)).completed, session);
        bench.swarms.stop(&HASH, complete.peer, &complete.peer_id);
    }
}

#[test]
fn completion_of_a_peer_never_seen_as_leecher_is_not_counted() {
    let mut bench = Bench::new();
    let complete = Arrival { completed: true, ..v4(1, Role::Seeder) };
    assert_eq!(bench.announce(&complete, want(0)).completed, 0);
    assert_eq!(bench.announce(&complete, want(0)).completed, 0);
    let still_lacking = Arrival { completed: true, ..v4(2, Role::Leecher) };
    bench.announce(&still_lacking, want(0));
    assert_eq!(bench.announce(&still_lacking, want(0)).completed, 0, "left is above zero");
}

#[test]
fn stop_of_unknown_creates_nothing() {
    let mut bench = Bench::new();
    let stranger = v4(1, Role::Leecher);
    assert_eq!(bench.swarms.stop(&HASH, stranger.peer, &stranger.peer_id), Counts::default());
    assert_eq!(bench.swarms.scrape(&HASH), None);
    bench.announce(&v4(2, Role::Leecher), want(0));
    let counts = bench.swarms.stop(&HASH, stranger.peer, &stranger.peer_id);
    assert_eq!(counts, Counts { leechers: 1, ..Counts::default() });
    assert_eq!(bench.swarms.totals().peers(), 1);
}

#[test]
fn peer_leaves_under_its_own_id_alone() {
    for make in [v4, v6] {
        let mut bench = Bench::new();
        let peer = make(1, Role::Seeder);
        bench.announce(&peer, want(0));
        assert_eq!(bench.swarms.stop(&HASH, peer.peer, &id(2)).seeders, 1);
        assert_eq!(bench.swarms.stop(&HASH, peer.peer, &peer.peer_id).seeders, 0);
        assert_eq!(bench.swarms.scrape(&HASH), None);
    }
    let mut bench = Bench::with(&config::Swarm { peer_ids: false, ..config::Swarm::default() });
    let peer = v4(1, Role::Seeder);
    bench.announce(&peer, want(0));
    assert_eq!(bench.swarms.stop(&HASH, peer.peer, &id(2)).seeders, 0, "no ids, none required");
}

#[test]
fn peer_that_chose_another_id_is_one_peer_and_keeps_its_history() {
    let mut bench = Bench::new();
    let first = v4(1, Role::Leecher);
    bench.announce(&first, want(0));
    let second = Arrival { peer_id: id(77), role: Role::Seeder, completed: true, ..first };
    let counts = bench.announce(&second, want(0));
    assert_eq!((counts.seeders, counts.leechers, counts.completed), (1, 0, 1));
    assert_eq!(bench.swarms.stop(&HASH, first.peer, &first.peer_id).seeders, 1);
    assert_eq!(bench.swarms.stop(&HASH, first.peer, &second.peer_id).seeders, 0);
}

#[test]
fn peer_is_kept_for_its_time_to_live_and_not_longer() {
    for peer_ttl in [1, 300, 3600, crate::limits::PEER_TTL_MAX] {
        for start in [0, 1, 7, 1_000_000] {
            let config = config::Swarm { peer_ttl, ..config::Swarm::default() };
            let mut bench = Bench::with(&config);
            bench.now = Now::from_secs(start);
            bench.announce(&v4(1, Role::Leecher), want(0));
            bench.announce(&v6(1, Role::Leecher), want(0));
            bench.wait(peer_ttl);
            bench.sweep();
            assert_eq!(bench.swarms.scrape(&HASH).unwrap().leechers, 2, "exactly the ttl");
            let asker = v4(2, Role::Seeder);
            bench.announce(
                &asker,
                Want { peers: 9, other_family: true, peer_ids: false, ..Want::default() },
            );
            assert_eq!(bench.reply.len(), 2);
            bench.swarms.stop(&HASH, asker.peer, &asker.peer_id);
            bench.wait(bench.swarms.age_slack() + 1);
            bench.announce(
                &asker,
                Want { peers: 9, other_family: true, peer_ids: false, ..Want::default() },
            );
            assert_eq!(bench.reply.len(), 0, "expired, if not swept");
            bench.sweep();
            assert_eq!(bench.swarms.scrape(&HASH).unwrap().leechers, 0);
            assert_eq!(bench.swarms.totals().peers(), 1);
        }
    }
}

#[test]
fn last_peer_allowed_is_taken_and_the_next_refused() {
    let config = config::Swarm { peers_total_max: 3, ..config::Swarm::default() };
    let mut bench = Bench::with(&config);
    bench.fill(0..3, |number| v4(number, Role::Leecher));
    let Bench { swarms, now, rng, reply } = &mut bench;
    for refused in [v4(3, Role::Seeder), v6(3, Role::Seeder)] {
        assert_eq!(swarms.announce(*now, &refused, want(9), rng, reply), Err(Full::Peers));
        assert!(reply.is_empty());
    }
    let other = Arrival { info_hash: InfoHash([1; 20]), ..v4(3, Role::Seeder) };
    assert_eq!(swarms.announce(*now, &other, want(9), rng, reply), Err(Full::Peers));
    assert_eq!(swarms.scrape(&other.info_hash), None, "a refusal creates nothing");
    assert_eq!(swarms.totals().torrents, 1);

    let renewed = bench.announce(&v4(2, Role::Seeder), want(9));
    assert_eq!((renewed.seeders, renewed.leechers), (1, 2), "a known peer is renewed at the cap");
    assert_eq!(bench.reply.len(), 2);
    let leaving = v4(0, Role::Leecher);
    bench.swarms.stop(&HASH, leaving.peer, &leaving.peer_id);
    bench.announce(&v6(3, Role::Seeder), want(0));
}

#[test]
fn last_torrent_allowed_is_taken_and_the_next_refused() {
    let config = config::Swarm { torrents_max: 2, ..config::Swarm::default() };
    let mut bench = Bench::with(&config);
    let in_swarm = |byte: u8| Arrival { info_hash: InfoHash([byte; 20]), ..v4(1, Role::Leecher) };
    bench.announce(&in_swarm(1), want(0));
    bench.announce(&in_swarm(2), want(0));
    let Bench { swarms, now, rng, reply } = &mut bench;
    let refused = swarms.announce(*now, &in_swarm(3), want(0), rng, reply);
    assert_eq!(refused, Err(Full::Torrents));
    assert_eq!(swarms.totals().peers(), 2);
    let more = Arrival { peer: v4(5, Role::Leecher).peer, ..in_swarm(2) };
    assert_eq!(bench.announce(&more, want(0)).leechers, 2, "a swarm that exists takes more");
    let leaving = in_swarm(1);
    bench.swarms.stop(&leaving.info_hash, leaving.peer, &leaving.peer_id);
    bench.announce(&in_swarm(3), want(0));
}

#[test]
fn list_stops_at_the_number_asked_for() {
    let mut bench = Bench::new();
    bench.fill(0..20, |number| Arrival {
        info_hash: InfoHash([number as u8; 20]),
        ..v4(1, Role::Leecher)
    });
    assert_eq!(bench.swarms.list(20).len(), 20);
    assert_eq!(bench.swarms.list(21).len(), 20);
    assert_eq!(bench.swarms.list(19).len(), 19);
    assert_eq!(bench.swarms.list(0).len(), 0);
}

#[test]
fn addresses_of_a_swarm_are_those_of_live_peers() {
    let mut bench = Bench::with(&config::Swarm { peer_ttl: 100, ..config::Swarm::default() });
    let peers = [v4(1, Role::Seeder), v4(2, Role::Leecher), v6(3, Role::Leecher)];
    bench.announce(&peers[0], want(0));
    bench.wait(60);
    bench.announce(&peers[1], want(0));
    bench.announce(&peers[2], want(0));
    // The store gives them in an order that differs from run to run.
    let ips = |bench: &Bench, most| {
        let found = bench.swarms.addresses(bench.now, &HASH, most);
        found.into_iter().map(|(ip, _)| ip).collect::<BTreeSet<_>>()
    };
    assert_eq!(ips(&bench, 9), BTreeSet::from(peers.map(|peer| peer.peer.ip())));
    assert_eq!(ips(&bench, 1).len(), 1);
    bench.wait(90);
    assert_eq!(ips(&bench, 9), BTreeSet::from([peers[1].peer.ip(), peers[2].peer.ip()]));
    assert!(bench.swarms.addresses(bench.now, &InfoHash([0; 20]), 9).is_empty());
}
