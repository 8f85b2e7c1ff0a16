//! Few threads, one operation each, on tables of two slots: every order of their steps with up to
//! three switches that nobody asked for. The sums of what the operations report must be what the
//! tables hold.
#![cfg(loom)]

use std::hash::RandomState;
use std::marker::PhantomData;
use std::net::SocketAddr;

use loom::sync::Arc;
use loom::thread;

use wildkat_loom::clock::Now;
use wildkat_loom::protocol::announce::Role;
use wildkat_loom::protocol::ids::PeerId;
use wildkat_loom::swarm::map::grow::Context;
use wildkat_loom::swarm::map::memory::Guard;
use wildkat_loom::swarm::map::peers::PeerMap;
use wildkat_loom::swarm::map::table::{Entry, Tally};
use wildkat_loom::swarm::word::{Key, Ticks, id_lanes};

type Map = PeerMap<0>;

#[derive(Clone, Copy)]
struct Peer {
    port: u16,
    id: Option<u8>,
    role: Role,
    completed: bool,
}

const LEECHER: Peer = Peer { port: 1, id: None, role: Role::Leecher, completed: false };
const COMPLETE: Peer = Peer { role: Role::Seeder, completed: true, ..LEECHER };

fn entry(peer: Peer, hasher: &RandomState) -> Entry {
    let key = Key::new(SocketAddr::from(([1, 2, 3, 4], peer.port)));
    Entry {
        key,
        hash: key.hash::<0>(hasher),
        id: peer.id.map(|id| id_lanes(&PeerId([id; 20]))),
        tick: 0,
        role: peer.role,
        completed: peer.completed,
        has_counted: false,
    }
}

fn with<R>(hasher: &RandomState, body: impl FnOnce(Context<'_, '_>) -> R) -> R {
    let guard = Guard(PhantomData);
    body(Context { guard: &guard, hasher })
}

/// Announces, and tells the change in peers (1 for a new one), seeders and completions.
fn put(map: &Map, hasher: &RandomState, peer: Peer) -> (i64, i64, u32) {
    let entry = entry(peer, hasher);
    with(hasher, |cx| match map.renew(cx, &entry, &|| 1) {
        Some(Tally { peers, seeders, completed, .. }) => (peers, seeders, completed),
        None => {
            let tally = map.insert(cx, &entry, &|| 1);
            (1 + tally.peers, tally.seeders, tally.completed)
        }
    })
}

fn remove(map: &Map, hasher: &RandomState, peer: Peer) -> (i64, i64, u32) {
    let entry = entry(peer, hasher);
    let tally = with(hasher, |cx| map.remove(cx, &entry.key, entry.id.as_ref()));
    tally.map_or((0, 0, 0), |tally| (tally.peers, tally.seeders, 0))
}

/// Live peers and seeders in the tables, and whether any key is there twice.
fn count(map: &Map, hasher: &RandomState) -> (i64, i64) {
    with(hasher, |cx| {
        let Some(view) = map.view(cx) else { return (0, 0) };
        let words: Vec<_> = (0..view.main.shape().total())
            .map(|slot| view.main.state(slot))
            .filter(|word| word.is_live())
            .collect();
        let mut keys: Vec<u64> = words.iter().map(|word| word.0 >> 16).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), words.len(), "a peer is there once");
        let seeders = words.iter().filter(|word| word.role() == Role::Seeder).count();
        (words.len() as i64, seeders as i64)
    })
}

type Operation = fn(&Map, &RandomState) -> (i64, i64, u32);

/// Runs the operations at once after `before`, and holds the sums of what they say against what
/// the tables hold then.
fn check(before: Operation, operations: &'static [Operation], completions: Option<u32>) {
    let hasher = RandomState::new();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let map = Arc::new(Map::new());
        let mut sums = before(&map, &hasher);
        let run = |operation: Operation| {
            let (map, hasher) = (Arc::clone(&map), hasher.clone());
            thread::spawn(move || operation(&map, &hasher))
        };
        let threads: Vec<_> = operations.iter().map(|operation| run(*operation)).collect();
        for thread in threads {
            let change = thread.join().unwrap();
            sums = (sums.0 + change.0, sums.1 + change.1, sums.2 + change.2);
        }
        assert_eq!((sums.0, sums.1), count(&map, &hasher), "counts are those of the entries");
        assert!(completions.is_none_or(|completions| completions == sums.2));
    });
}

fn nobody(_: &Map, _: &RandomState) -> (i64, i64, u32) {
    (0, 0, 0)
}

fn one_leecher(map: &Map, hasher: &RandomState) -> (i64, i64, u32) {
    put(map, hasher, LEECHER)
}

/// Fills the smallest table, of two slots.
fn two_leechers(map: &Map, hasher: &RandomState) -> (i64, i64, u32) {
    let (one, other) = (put(map, hasher, LEECHER), put(map, hasher, Peer { port: 2, ..LEECHER }));
    (one.0 + other.0, one.1 + other.1, 0)
}

#[test]
fn same_peer_comes_twice() {
    check(nobody, &[|m, h| put(m, h, LEECHER), |m, h| put(m, h, COMPLETE)], None);
}

#[test]
fn peer_completes_twice_and_is_counted_once() {
    check(one_leecher, &[|m, h| put(m, h, COMPLETE), |m, h| put(m, h, COMPLETE)], Some(1));
}

#[test]
fn peer_leaves_while_it_completes() {
    check(one_leecher, &[|m, h| put(m, h, COMPLETE), |m, h| remove(m, h, LEECHER)], None);
}

#[test]
fn table_grows_while_a_peer_completes() {
    check(
        two_leechers,
        &[|m, h| put(m, h, Peer { port: 3, ..LEECHER }), |m, h| put(m, h, COMPLETE)],
        Some(1),
    );
}

#[test]
fn table_grows_while_a_peer_leaves() {
    check(
        two_leechers,
        &[|m, h| put(m, h, Peer { port: 3, ..LEECHER }), |m, h| remove(m, h, LEECHER)],
        None,
    );
}

#[test]
fn two_make_a_full_table_grow() {
    check(
        two_leechers,
        &[
            |m, h| put(m, h, Peer { port: 3, ..LEECHER }),
            |m, h| put(m, h, Peer { port: 4, ..LEECHER }),
        ],
        None,
    );
}

#[test]
fn peer_comes_with_two_ids() {
    check(
        nobody,
        &[
            |m, h| put(m, h, Peer { id: Some(1), ..LEECHER }),
            |m, h| put(m, h, Peer { id: Some(2), ..LEECHER }),
        ],
        None,
    );
}

#[test]
fn known_peer_comes_with_two_other_ids() {
    check(
        |m, h| put(m, h, Peer { id: Some(1), ..LEECHER }),
        &[
            |m, h| put(m, h, Peer { id: Some(2), ..COMPLETE }),
            |m, h| put(m, h, Peer { id: Some(3), ..COMPLETE }),
        ],
        Some(1),
    );
}

#[test]
fn sweep_meets_a_renewal() {
    check(
        one_leecher,
        &[
            |m, h| put(m, h, COMPLETE),
            |map, hasher| {
                let ticks = Ticks::new(10);
                let tally =
                    with(hasher, |cx| map.sweep(cx, Now::from_secs(100), ticks, &|| 1));
                (tally.peers, tally.seeders, 0)
            },
        ],
        None,
    );
}
