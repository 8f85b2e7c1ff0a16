//! What comes is gone after its time, and its memory with it.

use super::*;
use crate::swarm::Totals;

fn flood(bench: &mut Bench, torrents: u32, peers: u32) {
    for torrent in 0..torrents {
        let mut hash = [0; 20];
        hash[..4].copy_from_slice(&torrent.to_be_bytes());
        bench.fill(0..peers, |number| {
            let arrival = if number % 2 == 0 { v4 } else { v6 };
            Arrival { info_hash: InfoHash(hash), ..arrival(number, Role::Leecher) }
        });
    }
}

#[test]
fn nothing_is_left_after_a_flood_has_expired() {
    let mut bench = Bench::new();
    for _ in 0..3 {
        flood(&mut bench, scaled(2_000, 20), 4);
        flood(&mut bench, 1, scaled(20_000, 200));
        assert!(bench.swarms.totals().peers() > u64::from(scaled(20_000, 200)));
        bench.wait(config::Swarm::default().peer_ttl + bench.swarms.age_slack() + 1);
        bench.sweep();
        assert_eq!(bench.swarms.totals(), Totals::default());
        assert_eq!(bench.swarms.list(9), []);
    }
}

#[test]
fn nothing_is_left_after_everybody_has_stopped() {
    let mut bench = Bench::new();
    let peers = scaled(3_000, 50);
    for _ in 0..3 {
        bench.fill(0..peers, |number| v4(number, Role::Seeder));
        for number in 0..peers {
            let leaving = v4(number, Role::Seeder);
            let counts = bench.swarms.stop(&HASH, leaving.peer, &leaving.peer_id);
            assert_eq!(counts.seeders, peers - number - 1);
        }
        assert_eq!(bench.swarms.totals(), Totals::default());
        assert_eq!(bench.swarms.scrape(&HASH), None);
    }
}
