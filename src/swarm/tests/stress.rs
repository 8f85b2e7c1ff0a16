//! Many threads at once, compared with what must be there when they rest.

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::*;
use crate::swarm::{Full, Totals};

const THREADS: u32 = 4;
const TORRENTS: u32 = 8;

fn hash(torrent: u32) -> InfoHash {
    InfoHash([torrent as u8; 20])
}

fn role(number: u32) -> Role {
    [Role::Leecher, Role::Seeder, Role::Paused][number as usize % 3]
}

/// Each thread has peers of its own and remembers what it did last for each; all meet in the same
/// swarms, while one more thread sweeps.
#[test]
fn threads_with_peers_of_their_own_stress() {
    for peer_ids in [true, false] {
        let bench = Bench::with(&config::Swarm { peer_ids, ..Default::default() });
        let is_done = AtomicBool::new(false);
        let models: Vec<_> = std::thread::scope(|scope| {
            let sweeper = scope.spawn(|| {
                // Relaxed: a lone flag, which orders nothing else.
                while !is_done.load(Ordering::Relaxed) {
                    bench.sweep();
                    std::thread::yield_now();
                }
            });
            let workers: Vec<_> =
                (0..THREADS).map(|worker| scope.spawn(move_worker(&bench, worker))).collect();
            let models = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
            is_done.store(true, Ordering::Relaxed);
            sweeper.join().unwrap();
            models
        });
        check_at_rest(&bench, models.into_iter().flatten().collect());
    }
}

type Model = BTreeMap<(u32, u32), Role>;

fn move_worker(bench: &Bench, worker: u32) -> impl FnOnce() -> Model {
    let (swarms, now) = (&bench.swarms, bench.now);
    move || {
        let mut model = Model::new();
        let mut rng = fastrand::Rng::with_seed(u64::from(worker));
        let mut reply = Peers::default();
        for _ in 0..scaled(60_000, 150) {
            // Most go to one swarm, which grows and shrinks under all threads.
            let torrent = if rng.bool() { 0 } else { rng.u32(..TORRENTS) };
            let number = worker << 16 | rng.u32(..if torrent == 0 { 2_000 } else { 3 });
            let make = if number.is_multiple_of(2) { v4 } else { v6 };
            let arrival = Arrival { info_hash: hash(torrent), ..make(number, role(rng.u32(..3))) };
            if rng.u32(..5) < 2 {
                swarms.stop(&arrival.info_hash, arrival.peer, &arrival.peer_id);
                model.remove(&(torrent, number));
            } else {
                let want =
                    Want { peers: 20, other_family: true, peer_ids: true, ..Want::default() };
                swarms.announce(now, &arrival, want, &mut rng, &mut reply).unwrap();
                assert!(reply.len() <= 20);
                model.insert((torrent, number), arrival.role);
            }
        }
        model
    }
}

fn check_at_rest(bench: &Bench, model: Model) {
    for torrent in 0..TORRENTS {
        let in_swarm = || model.iter().filter(|((of, _), _)| *of == torrent);
        let of_role = |role| in_swarm().filter(|(_, is)| **is == role).count() as u32;
        let counts = Counts {
            seeders: of_role(Role::Seeder),
            leechers: of_role(Role::Leecher) + of_role(Role::Paused),
            paused: of_role(Role::Paused),
            completed: 0,
        };
        let is_there = in_swarm().next().is_some();
        assert_eq!(bench.swarms.scrape(&hash(torrent)), is_there.then_some(counts));
    }
    assert_eq!(bench.swarms.totals().peers(), model.len() as u64);
    for (torrent, number) in model.into_keys() {
        let make = if number.is_multiple_of(2) { v4 } else { v6 };
        let leaving = make(number, Role::Leecher);
        bench.swarms.stop(&hash(torrent), leaving.peer, &leaving.peer_id);
    }
    assert_eq!(bench.swarms.totals(), Totals::default(), "everybody was there to leave");
    assert_eq!(bench.swarms.list(1), []);
}

/// All threads fight over the same few peers, roles and ids. Whatever order they come in, there is
/// one entry a peer, and the counts are those of the entries.
#[test]
fn threads_with_the_same_peers_stress() {
    for round in 0..scaled(40, 2) {
        let bench = Bench::with(&config::Swarm { peer_ids: round % 2 == 0, ..Default::default() });
        let start = Barrier::new(THREADS as usize);
        std::thread::scope(|scope| {
            for worker in 0..THREADS {
                let (start, swarms, now) = (&start, &bench.swarms, bench.now);
                scope.spawn(move || {
                    let mut rng = fastrand::Rng::with_seed(u64::from(round << 8 | worker));
                    let mut reply = Peers::default();
                    start.wait();
                    for _ in 0..scaled(2_000, 60) {
                        let make = if rng.bool() { v4 } else { v6 };
                        let arrival = Arrival {
                            peer_id: id(rng.u32(..2)),
                            completed: true,
                            ..make(rng.u32(..6), role(rng.u32(..3)))
                        };
                        if rng.u32(..4) == 0 {
                            swarms.stop(&HASH, arrival.peer, &arrival.peer_id);
                        } else {
                            swarms.announce(now, &arrival, want(9), &mut rng, &mut reply).unwrap();
                            assert!(reply.len() <= 5, "no peer is there twice");
                        }
                    }
                });
            }
        });
        check_entries(bench);
    }
}

/// Counts and totals against the entries, which a leecher who asks for everybody sees.
fn check_entries(mut bench: Bench) {
    let everybody = Want { peers: 99, other_family: true, peer_ids: false, ..Want::default() };
    let asker = v4(99, Role::Leecher);
    let counts = bench.announce(&asker, everybody);
    assert_eq!((counts.seeders + counts.leechers) as usize, bench.reply.len() + 1);
    assert!(bench.reply.v4.len() <= 6 && bench.reply.v6.len() <= 6);
    let asker = Arrival { role: Role::Seeder, ..asker };
    let counts = bench.announce(&asker, everybody);
    assert_eq!((counts.leechers - counts.paused) as usize, bench.reply.len());
    assert_eq!(bench.swarms.totals().peers(), u64::from(counts.seeders + counts.leechers));
    bench.wait(config::Swarm::default().peer_ttl + bench.swarms.age_slack() + 1);
    bench.sweep();
    assert_eq!(bench.swarms.totals(), Totals::default());
}

/// A peer that completes on every thread at once is counted once.
#[test]
fn completion_is_counted_once_over_all_threads_stress() {
    for round in 0..scaled(200, 4) {
        let mut bench =
            Bench::with(&config::Swarm { peer_ids: round % 2 == 0, ..Default::default() });
        bench.announce(&v4(1, Role::Leecher), want(0));
        let start = Barrier::new(THREADS as usize);
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    let (mut rng, mut reply) = (fastrand::Rng::with_seed(1), Peers::default());
                    let complete = Arrival { completed: true, ..v4(1, Role::Seeder) };
                    start.wait();
                    let now = bench.now;
                    bench.swarms.announce(now, &complete, want(0), &mut rng, &mut reply).unwrap();
                });
            }
        });
        assert_eq!(bench.swarms.scrape(&HASH).unwrap().completed, 1);
        assert_eq!(bench.swarms.scrape(&HASH).unwrap().seeders, 1);
    }
}

/// Swarms that are born and die all the time, with caps in reach: nobody overshoots a cap, and
/// every place comes free again.
#[test]
fn births_and_deaths_at_the_caps_stress() {
    let config = config::Swarm { torrents_max: 3, peers_total_max: 6, ..Default::default() };
    let bench = Bench::with(&config);
    let refused = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for worker in 0..THREADS {
            let (swarms, now, refused) = (&bench.swarms, bench.now, &refused);
            scope.spawn(move || {
                let mut rng = fastrand::Rng::with_seed(u64::from(worker));
                let mut reply = Peers::default();
                for _ in 0..scaled(50_000, 200) {
                    let number = worker << 8 | rng.u32(..3);
                    let info_hash = hash(rng.u32(..5));
                    let arrival = Arrival { info_hash, ..v4(number, Role::Leecher) };
                    match swarms.announce(now, &arrival, want(9), &mut rng, &mut reply) {
                        Ok(taken) => assert!(taken.counts.leechers >= 1),
                        // Relaxed: a lone count, read after the threads were joined.
                        Err(Full::Peers | Full::Torrents) => {
                            refused.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    let totals = swarms.totals();
                    assert!(totals.torrents <= 3 && totals.peers() <= 6);
                    swarms.stop(&info_hash, arrival.peer, &arrival.peer_id);
                }
            });
        }
    });
    assert_eq!(bench.swarms.totals(), Totals::default());
    assert_eq!(bench.swarms.list(9), []);
}
