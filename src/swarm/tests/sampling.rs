//! Which peers are handed out: uniformly, the useful ones, and rare ones too.

use std::collections::{HashMap, HashSet};

use super::*;
use crate::swarm::store::UNNAMED;

/// The 0.999,99 quantile of the chi-squared distribution with `freedom` degrees of freedom, by the
/// cube-root approximation of Wilson and Hilferty.
fn chi_squared_bound(freedom: f64) -> f64 {
    let part = 2.0 / (9.0 * freedom);
    freedom * (1.0 - part + 4.265 * part.sqrt()).powi(3)
}

/// How many counts rise and fall as one: those of peers who share a line of a large table, of whose
/// eight slots five are in use or so. Each count varies as it would alone, and their sum as that of
/// so many fewer.
fn company(peers: u32) -> f64 {
    if peers > 96 { 5.0 } else { 1.0 }
}

/// Asks `rounds` times for `wanted` of `peers` peers, and holds how often each was given against
/// an equal share.
fn check_shares(bench: &mut Bench, asker: &Arrival, peers: u32, wanted: u32, rounds: u32) {
    let mut given: HashMap<[u8; 6], u32> = HashMap::new();
    for _ in 0..rounds {
        bench.announce(asker, want(wanted as usize));
        assert_eq!(bench.reply.v4.len(), wanted as usize);
        let distinct: HashSet<_> = bench.reply.v4.iter().collect();
        assert_eq!(distinct.len(), wanted as usize);
        for peer in &bench.reply.v4 {
            *given.entry(*peer).or_default() += 1;
        }
    }
    let share = f64::from(rounds) * f64::from(wanted) / f64::from(peers);
    let square = |count: u32| (f64::from(count) - share).powi(2) / share;
    let missing = peers - given.len() as u32; // each of these adds (0 − share)² ÷ share
    let chi_squared: f64 = given.values().map(|count| square(*count)).sum();
    let chi_squared = chi_squared + f64::from(missing) * share;
    let bound = company(peers) * chi_squared_bound(f64::from(peers - 1) / company(peers));
    assert!(chi_squared < bound, "{chi_squared:.0} of {bound:.0}, {peers} peers, {wanted} wanted");
}

#[test]
fn each_peer_is_given_equally_often() {
    let sizes: &[(u32, u32)] = if cfg!(miri) {
        &[(12, 3)]
    } else {
        &[(3, 1), (10, 1), (100, 50), (600, 1), (600, 50), (3_000, 50), (3_000, 200), (20_000, 50)]
    };
    for &(peers, wanted) in sizes {
        let mut bench = Bench::with(&config::Swarm { peer_ids: false, ..Default::default() });
        bench.fill(0..peers, |number| v4(number, Role::Leecher));
        let rounds = scaled(200 * peers / wanted, 200).min(30_000);
        check_shares(&mut bench, &v4(u32::MAX >> 8, Role::Seeder), peers, wanted, rounds);
    }
}

#[test]
fn each_peer_is_given_equally_often_whatever_its_role_and_among_the_departed() {
    let peers = scaled(2_000, 20);
    let mut bench = Bench::new();
    bench.fill(0..2 * peers, |number| {
        v4(number, if number % 3 == 0 { Role::Leecher } else { Role::Seeder })
    });
    for number in peers..2 * peers {
        let gone = v4(number, Role::Leecher);
        bench.swarms.stop(&HASH, gone.peer, &gone.peer_id);
    }
    check_shares(&mut bench, &v4(u32::MAX >> 8, Role::Leecher), peers, 10, scaled(30_000, 200));
}

#[test]
fn each_of_a_few_leechers_is_given_equally_often() {
    // One in fifty, and as many as are just found by their marks: one in eighteen slots.
    for seeders in [20_000, 3_600] {
        let (seeders, leechers) = (scaled(seeders, 60), scaled(400, 12));
        let mut bench = Bench::with(&config::Swarm { peer_ids: false, ..Default::default() });
        bench.fill(0..leechers, |number| v4(number, Role::Leecher));
        bench.fill(leechers..leechers + seeders, |number| v4(number, Role::Seeder));
        let asker = v4(leechers, Role::Seeder);
        check_shares(&mut bench, &asker, leechers, 5, scaled(20_000, 200));
    }
}

#[test]
fn seeder_finds_five_leechers_among_many_seeders() {
    let seeders = scaled(100_000, 300);
    let mut bench = Bench::new();
    bench.fill(0..seeders, |number| v4(number, Role::Seeder));
    bench.fill(seeders..seeders + 5, |number| v4(number, Role::Leecher));
    bench.fill(seeders + 5..seeders + 10, |number| v4(number, Role::Paused));
    for number in 0..20 {
        let role = if number % 2 == 0 { Role::Seeder } else { Role::Paused };
        bench.announce(&v4(number, role), want(50));
        let given: HashSet<_> = bench.reply.v4.iter().copied().collect();
        assert_eq!((bench.reply.v4.len(), given.len()), (5, 5));
    }
}

#[test]
fn own_family_comes_first_however_few_they_are() {
    let mut bench = Bench::new();
    bench.fill(0..scaled(10_000, 200), |number| v6(number, Role::Leecher));
    bench.fill(0..60, |number| v4(number, Role::Leecher));
    bench.announce(
        &v4(0, Role::Leecher),
        Want { peers: 50, other_family: true, peer_ids: false, ..Want::default() },
    );
    assert_eq!((bench.reply.v4.len(), bench.reply.v6.len()), (50, 0));
    bench.announce(
        &v4(0, Role::Leecher),
        Want { peers: 80, other_family: true, peer_ids: false, ..Want::default() },
    );
    assert_eq!((bench.reply.v4.len(), bench.reply.v6.len()), (59, 21));
    bench.announce(&v4(0, Role::Leecher), want(80));
    assert_eq!((bench.reply.v4.len(), bench.reply.v6.len()), (59, 0));
}

#[test]
fn nobody_is_given_itself_by_address_or_by_id() {
    let mut bench = Bench::new();
    bench.fill(0..40, |number| v4(number, Role::Leecher));
    let twin = Arrival { peer_id: id(3), ..v6(1, Role::Leecher) };
    bench.announce(
        &twin,
        Want { peers: 100, other_family: true, peer_ids: true, ..Want::default() },
    );
    assert_eq!(bench.reply.v4.len(), 39, "its IPv4 self is left out");
    assert!(!bench.reply.v4_ids.contains(&id(3)));
    bench.announce(
        &v4(5, Role::Leecher),
        Want { peers: 100, other_family: true, peer_ids: true, ..Want::default() },
    );
    assert_eq!((bench.reply.v4.len(), bench.reply.v6.len()), (39, 1));
    assert_eq!(bench.reply.v6_ids, [id(3)]);
}

/// Load testers and simple clients send zeros, all of them.
#[test]
fn id_of_zeros_names_nobody() {
    let mut bench = Bench::new();
    let unnamed = |number| Arrival { peer_id: UNNAMED, ..v4(number, Role::Leecher) };
    bench.fill(0..40, unnamed);
    bench.announce(&unnamed(7), want(100));
    assert_eq!(bench.reply.v4.len(), 39, "all but itself, by its address");
}

#[test]
fn only_usable_peers_are_given_when_most_have_expired() {
    let stale = scaled(5_000, 100);
    let mut bench = Bench::new();
    bench.fill(0..stale, |number| v4(number, Role::Leecher));
    bench.wait(config::Swarm::default().peer_ttl + bench.swarms.age_slack() + 1);
    bench.fill(stale..stale + 30, |number| v4(number, Role::Leecher));
    bench.announce(&v4(stale, Role::Leecher), want(50));
    let given: HashSet<_> = bench.reply.v4.iter().copied().collect();
    assert_eq!((bench.reply.v4.len(), given.len()), (29, 29));
    bench.sweep();
    assert_eq!(bench.swarms.totals().peers(), 30);
    bench.announce(&v4(stale, Role::Leecher), want(50));
    assert_eq!(bench.reply.v4.len(), 29);
}
