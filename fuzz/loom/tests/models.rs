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
use wildkat_loom::protocol::ids::{InfoHash, PeerId};
use wildkat_loom::swarm::index::names::Index;
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

type Names = Index<InfoHash>;

/// What a thread does to the index, and the change in the number of entries that it says it made.
type Errand = fn(&Names) -> i64;

fn name(number: u8) -> InfoHash {
    InfoHash([number; 20])
}

fn add(names: &Names, number: u8) -> i64 {
    let guard = Guard(PhantomData);
    let added = names.insert(0, Box::new(name(number)), &guard);
    assert!(matches!(added, Ok(found) | Err(found) if *found == name(number)));
    i64::from(added.is_ok())
}

/// Takes out an entry that nobody else takes out.
fn take(names: &Names, number: u8) -> i64 {
    let guard = Guard(PhantomData);
    let Some(found) = names.get(0, &name(number), &guard) else { return 0 };
    names.remove(0, found, &guard);
    -1
}

/// Runs the errands at once after `before`. Names above 10 are there from the start and stay.
fn check_names(before: Errand, errands: &'static [Errand]) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let names = Arc::new(Names::new());
        let mut sum = before(&names);
        let run = |errand: Errand| {
            let names = Arc::clone(&names);
            thread::spawn(move || errand(&names))
        };
        let threads: Vec<_> = errands.iter().map(|errand| run(*errand)).collect();
        for thread in threads {
            sum += thread.join().unwrap();
        }
        let guard = Guard(PhantomData);
        let mut all: Vec<_> = names.each(&guard).collect();
        assert_eq!(all.len() as i64, sum, "entries are those that were added and not taken out");
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len() as i64, sum, "a name is there once");
        assert!(all.iter().all(|it| names.get(0, it, &guard).is_some()), "all are found");
    });
}

/// Fills the smallest table, of four links of which three may be claimed.
fn three_names(names: &Names) -> i64 {
    add(names, 11) + add(names, 12) + add(names, 13)
}

#[test]
fn same_name_is_added_twice() {
    check_names(|_| 0, &[|n| add(n, 1), |n| add(n, 1)]);
}

#[test]
fn same_name_is_added_twice_to_a_full_index() {
    check_names(three_names, &[|n| add(n, 1), |n| add(n, 1)]);
}

#[test]
fn two_names_make_a_full_index_grow() {
    check_names(three_names, &[|n| add(n, 1), |n| add(n, 2)]);
}

#[test]
fn index_grows_while_a_name_leaves() {
    check_names(|n| add(n, 1) + add(n, 12) + add(n, 13), &[|n| add(n, 2), |n| take(n, 1)]);
}

#[test]
fn index_grows_while_a_name_is_looked_for() {
    let look: Errand = |names| {
        let guard = Guard(PhantomData);
        assert!(names.get(0, &name(12), &guard).is_some(), "it is there all the time");
        assert!(names.get(0, &name(9), &guard).is_none(), "it is never there");
        0
    };
    static ERRANDS: std::sync::OnceLock<[Errand; 2]> = std::sync::OnceLock::new();
    check_names(three_names, ERRANDS.get_or_init(|| [|n| add(n, 2), look]));
}

#[test]
fn name_leaves_and_comes_again_while_another_comes() {
    check_names(
        |n| add(n, 1) + add(n, 12),
        &[|n| take(n, 1) + add(n, 1), |n| add(n, 2)],
    );
}

#[test]
fn index_shrinks_while_a_name_comes() {
    let shrink: Errand = |names| {
        names.shrink(0, &Guard(PhantomData));
        0
    };
    static ERRANDS: std::sync::OnceLock<[Errand; 2]> = std::sync::OnceLock::new();
    check_names(
        |n| three_names(n) + add(n, 14) + take(n, 11) + take(n, 12) + take(n, 13),
        ERRANDS.get_or_init(|| [|n| add(n, 1), shrink]),
    );
}
