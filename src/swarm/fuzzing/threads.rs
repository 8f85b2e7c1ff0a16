//! The check behind the fuzz target `swarm_threads`: in each round a few threads do one operation
//! each, all at once, and what is in the store afterwards must be what some order of them, one
//! after the other, would have left. The bytes choose the operations and how long each thread
//! waits before its own; how the processors weave them is theirs.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::store::SWEEP_STEPS;
use super::super::{Arrival, Swarms, Want};
use super::{address, role, sweep};
use crate::clock::Now;
use crate::config;
use crate::protocol::announce::{Peers, Role};
use crate::protocol::ids::{InfoHash, PeerId};

const THREADS: usize = 3;
/// Each thread's operation, the peer it is about, how many peers, and the wait before it.
const TURN_LEN: usize = 4;
const ROUNDS_MAX: usize = 32;
/// Swarms that exist in a run.
const TORRENTS: u8 = 2;
/// Peers about whom all threads fight; those of floods are a thread's own.
const SHARED_PEERS: u16 = 8;
const NOW: Now = Now::from_secs(1_000);

/// The orders in which three operations can be done.
const ORDERS: [[usize; THREADS]; 6] =
    [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

/// What a thread does in a round.
#[derive(Clone, Copy, Debug)]
enum Operation {
    /// So many peers announce, one after the other.
    Announce(Arrival, u16),
    /// So many peers leave.
    Stop(Arrival, u16),
    /// A round of the sweep, which finds nobody expired.
    Sweep,
}

#[derive(Clone, Copy, Debug)]
struct Turn {
    operation: Operation,
    wait: u8,
}

type Round = [Turn; THREADS];

/// What is known of a peer: role, name, and whether its completion was counted.
type Known = (Role, Option<PeerId>, bool);

/// All that a store knows but the ages: the peers of each swarm and the completions in it.
type Model = BTreeMap<InfoHash, (u32, BTreeMap<SocketAddr, Known>)>;

/// Lets threads do what `bytes` say.
///
/// # Panics
/// When no order of a round's operations explains what is there after it. A panic inside the store
/// leaves the other threads waiting for ever: a fuzzer aborts at once, a test runner after a while.
pub fn threads(bytes: &[u8]) {
    let Some((settings, script)) = bytes.split_first() else { return };
    let rounds = script.as_chunks::<{ THREADS * TURN_LEN }>().0.iter().take(ROUNDS_MAX);
    let rounds: Vec<Round> = rounds.map(read_round).collect();
    let keep_ids = settings & 1 == 0;
    let swarms = Swarms::new(&config::Swarm { peer_ids: keep_ids, ..config::Swarm::default() });
    let (barrier, is_over) = (Barrier::new(THREADS + 1), AtomicBool::new(false));
    let outcome = std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (rounds, swarms, barrier, is_over) = (&rounds, &swarms, &barrier, &is_over);
            scope.spawn(move || {
                for round in rounds {
                    barrier.wait();
                    // Relaxed: the barrier orders it.
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    round[thread].run(swarms);
                    barrier.wait();
                }
            });
        }
        let mut model = Model::new();
        for round in &rounds {
            barrier.wait();
            barrier.wait();
            let found = observe(&swarms);
            if ORDERS.iter().all(|order| after(&model, round, *order, keep_ids) != found) {
                is_over.store(true, Ordering::Relaxed);
                barrier.wait();
                return Err(format!("no order of {round:?} leads from {model:?} to {found:?}"));
            }
            model = found;
        }
        Ok(model)
    });
    let model = outcome.unwrap_or_else(|why| panic!("{why}"));
    check_totals(&swarms, &model);
}

fn read_round(bytes: &[u8; THREADS * TURN_LEN]) -> Round {
    let turns = bytes.as_chunks::<TURN_LEN>().0;
    std::array::from_fn(|thread| read_turn(thread as u16, turns[thread]))
}

fn read_turn(thread: u16, [what, who, number, wait]: [u8; TURN_LEN]) -> Turn {
    let is_flood = what & 4 != 0;
    let first = if is_flood { (thread + 1) << 12 } else { u16::from(who) % SHARED_PEERS };
    let arrival = Arrival {
        info_hash: InfoHash([what % TORRENTS; 20]),
        peer: address(what & 2 != 0, first),
        peer_id: PeerId([who >> 6; 20]),
        role: role(what >> 6),
        completed: what & 32 != 0,
    };
    let count = if is_flood { u16::from(number) * 3 } else { 1 };
    let operation = match what >> 3 & 3 {
        0 | 1 => Operation::Announce(arrival, count),
        2 => Operation::Stop(arrival, count),
        _ if who == 0 => Operation::Sweep,
        _ => Operation::Stop(arrival, count),
    };
    Turn { operation, wait }
}

/// The arrival and those of its neighbours, each with the next port.
fn neighbours(arrival: Arrival, count: u16) -> impl Iterator<Item = Arrival> {
    (0..count).map(move |index| {
        let peer = SocketAddr::new(arrival.peer.ip(), arrival.peer.port() + index);
        Arrival { peer, ..arrival }
    })
}

impl Turn {
    fn run(&self, swarms: &Swarms) {
        for _ in 0..u32::from(self.wait) * 8 {
            std::hint::spin_loop();
        }
        let (mut rng, mut reply) = (fastrand::Rng::with_seed(1), Peers::default());
        // Of a flood few ask for peers: each that does may look at all before it.
        let want = |index: usize| {
            let peers = if index.is_multiple_of(64) { 30 } else { 0 };
            Want { peers, other_family: true, peer_ids: true, ..Want::default() }
        };
        match self.operation {
            Operation::Sweep => sweep(swarms, NOW),
            Operation::Stop(arrival, count) => neighbours(arrival, count).for_each(|arrival| {
                swarms.stop(&arrival.info_hash, arrival.peer, &arrival.peer_id);
            }),
            Operation::Announce(arrival, count) => {
                for (index, arrival) in neighbours(arrival, count).enumerate() {
                    let want = want(index);
                    let taken = swarms.announce(NOW, &arrival, want, &mut rng, &mut reply);
                    assert!(taken.is_ok() && reply.len() <= want.peers);
                }
            }
        }
    }
}

/// The model after the operations of a round, one thread's after the other's.
fn after(model: &Model, round: &Round, order: [usize; THREADS], keep_ids: bool) -> Model {
    let mut model = model.clone();
    for thread in order {
        match round[thread].operation {
            Operation::Sweep => {}
            Operation::Announce(arrival, count) => neighbours(arrival, count)
                .for_each(|arrival| model_announce(&mut model, &arrival, keep_ids)),
            Operation::Stop(arrival, count) => neighbours(arrival, count)
                .for_each(|arrival| model_stop(&mut model, &arrival, keep_ids)),
        }
    }
    model
}

fn model_announce(model: &mut Model, arrival: &Arrival, keep_ids: bool) {
    let (completed, peers) = model.entry(arrival.info_hash).or_default();
    let before = peers.get(&arrival.peer);
    let mut has_counted = before.is_some_and(|(_, _, has_counted)| *has_counted);
    let was_leecher = before.is_some_and(|(role, _, _)| *role != Role::Seeder);
    if arrival.completed && arrival.role == Role::Seeder && was_leecher && !has_counted {
        *completed += 1;
        has_counted = true;
    }
    let peer_id = keep_ids.then_some(arrival.peer_id);
    peers.insert(arrival.peer, (arrival.role, peer_id, has_counted));
}

fn model_stop(model: &mut Model, arrival: &Arrival, keep_ids: bool) {
    let Some((_, peers)) = model.get_mut(&arrival.info_hash) else { return };
    let known = peers.get(&arrival.peer);
    if known.is_some_and(|(_, id, _)| !keep_ids || *id == Some(arrival.peer_id)) {
        peers.remove(&arrival.peer);
    }
    if peers.is_empty() {
        model.remove(&arrival.info_hash);
    }
}

/// What the store holds while its threads rest.
fn observe(swarms: &Swarms) -> Model {
    let mut model = Model::new();
    for step in 0..SWEEP_STEPS {
        swarms.each_resident(NOW, step, &mut |resident| {
            let (completed, peers) = model.entry(resident.info_hash).or_default();
            *completed = resident.completed;
            let known = (resident.role, resident.peer_id, resident.has_counted);
            let twice = peers.insert(resident.peer, known);
            assert_eq!(twice, None, "{} is there twice", resident.peer);
        });
    }
    model
}

/// The counts are those of the peers.
fn check_totals(swarms: &Swarms, model: &Model) {
    let mut all = 0;
    for (info_hash, (completed, peers)) in model {
        let of = |is: fn(Role) -> bool| peers.values().filter(|known| is(known.0)).count() as u32;
        let counts = swarms.scrape(info_hash).expect("a swarm with peers");
        assert_eq!(counts.completed, *completed);
        assert_eq!(counts.seeders, of(|role| role == Role::Seeder));
        assert_eq!(counts.leechers, of(|role| role != Role::Seeder));
        assert_eq!(counts.paused, of(|role| role == Role::Paused));
        all += peers.len() as u64;
    }
    let totals = swarms.totals();
    assert_eq!((totals.torrents, totals.peers()), (model.len() as u64, all));
}
