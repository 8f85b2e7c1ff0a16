//! The peers of one swarm and address family, wherever their table is at the moment.

use super::grow::{Context, View};
use super::memory::{Fresh, Root, Table};
use super::shape::Shape;
use super::table::{Entry, Put, Tally, Visit};

use crate::clock::Now;
use crate::swarm::word::{IdLanes, Key, LANES_V6, Ticks, Word};

/// The peers of one swarm with keys of `LANES` words beside the state word.
///
/// Any number of threads may call anything at once; none waits for another.
pub struct PeerMap<const LANES: usize> {
    root: Root<LANES>,
}

/// Tells how many peers there are: roughly, and never fewer than a map's tables hold. Asked for
/// whenever a size is chosen, since a thread that rests between the two may find the swarm grown a
/// hundredfold: an old answer would make a table too small for its peers, or the same one for ever.
pub type Count<'c> = dyn Fn() -> usize + 'c;

impl<const LANES: usize> PeerMap<LANES> {
    /// No peers. Takes no memory beside its pointer.
    pub fn new() -> PeerMap<LANES> {
        PeerMap { root: Root::new() }
    }

    /// Asks for the beginning of the table, so that it is near when it is read.
    pub fn prefetch_table(&self) {
        self.root.prefetch();
    }

    /// The table that most probably is read next. What it holds may be elsewhere already.
    pub fn guess<'g>(&self, cx: Context<'g, '_>) -> Option<Table<'g, LANES>> {
        self.root.load(cx.guard)
    }

    /// Renews a peer that is here. Tells whether it was.
    pub fn renew(&self, cx: Context<'_, '_>, entry: &Entry, peers: &Count<'_>) -> Option<Tally> {
        let mut visit = Visit::new(entry, 0);
        self.visit(cx, &mut visit, peers).then(|| settled(&visit))
    }

    /// Takes a peer in, for whom a place was reserved and counted, or renews it. The tally says
    /// whether the place was needed.
    pub fn insert(&self, cx: Context<'_, '_>, entry: &Entry, peers: &Count<'_>) -> Tally {
        let mut visit = Visit::new(entry, 1);
        while !self.visit(cx, &mut visit, peers) {
            let shape = Shape::for_peers(1, entry.id.is_some());
            self.root.publish_first(Fresh::new(shape), cx.guard);
        }
        settled(&visit)
    }

    /// Leads a visit to its end; false when the peer is unknown, or there is no table yet.
    fn visit(&self, cx: Context<'_, '_>, visit: &mut Visit<'_>, peers: &Count<'_>) -> bool {
        while let Some(view) = self.root.view_to_write(cx, visit.entry.hash) {
            match view.main.put(visit) {
                Put::Done => return true,
                Put::Unknown => return false,
                Put::Moved => self.pass(cx, &view),
                Put::Full => self.root.resize(cx, &view, peers() + 1),
            }
        }
        false
    }

    /// Makes way where a table was found frozen.
    fn pass<'g>(&self, cx: Context<'g, '_>, view: &View<'g, LANES>) {
        if view.main.next(cx.guard).is_none() {
            self.root.replace_whole(cx, &view.main); // another thread was at it; one of us is first
        }
    }

    /// Takes a peer out, if it is here and bears `id` where ids are kept.
    pub fn remove(&self, cx: Context<'_, '_>, key: &Key, id: Option<&IdLanes>) -> Option<Tally> {
        let hash = key.hash::<LANES>(cx.hasher);
        loop {
            let view = self.root.view_to_write(cx, hash)?;
            match view.main.take(key, hash, id) {
                Ok(word) => {
                    return word.map(|word| {
                        let mut tally = Tally::default();
                        tally.remove(word);
                        tally
                    });
                }
                Err(()) => self.pass(cx, &view),
            }
        }
    }

    /// Where the peers are, for who chooses some.
    pub fn view<'g>(&self, cx: Context<'g, '_>) -> Option<View<'g, LANES>> {
        self.root.view(cx)
    }

    /// Shows every peer once: its state word, the lanes of its key and of its id. Peers that come
    /// or leave meanwhile may be among them or not.
    pub fn each(&self, cx: Context<'_, '_>, mut show: impl FnMut(Word, [u64; LANES_V6], IdLanes)) {
        while let Some(view) = self.root.view(cx) {
            if let Some(old) = &view.old {
                self.root.complete(cx, old, &view.main);
                continue;
            }
            // Should the table be replaced from here on, its words still tell who was there.
            for slot in 0..view.main.shape().total() {
                let word = view.main.state(slot).thawed();
                if word.is_live() {
                    show(word, view.main.key_lanes(slot), view.main.id_lanes(slot));
                }
            }
            return;
        }
    }

    /// Takes out all peers that have expired, and makes the table smaller where it has become much
    /// too large for the rest. Those it takes out are still counted in `peers`.
    pub fn sweep(&self, cx: Context<'_, '_>, now: Now, ticks: Ticks, peers: &Count<'_>) -> Tally {
        let mut tally = Tally::default();
        while let Some(view) = self.root.view(cx) {
            if let Some(old) = &view.old {
                self.root.complete(cx, old, &view.main);
                continue;
            }
            if !sweep_table(&view, now, ticks, &mut tally) {
                self.pass(cx, &view);
                continue;
            }
            let left = peers().saturating_sub(tally.peers.unsigned_abs() as usize);
            let total = view.main.shape().total();
            if left * 4 >= total || Shape::for_peers(left, false).total() * 2 > total {
                break;
            }
            self.root.resize(cx, &view, left);
        }
        tally
    }
}

/// What a visit changed, with the places that it did not need.
fn settled(visit: &Visit<'_>) -> Tally {
    Tally { peers: -visit.places, ..visit.tally }
}

/// False when the table is being replaced.
fn sweep_table<const LANES: usize>(
    view: &View<'_, LANES>,
    now: Now,
    ticks: Ticks,
    tally: &mut Tally,
) -> bool {
    let shape = view.main.shape();
    for segment in 0..shape.segments {
        for slot in segment * shape.slots..(segment + 1) * shape.slots {
            loop {
                let word = view.main.state(slot);
                if word.is_frozen() {
                    return false;
                }
                if !word.is_live() || !ticks.has_expired(now, word.tick()) {
                    break;
                }
                if view.main.expire(slot, word) {
                    tally.remove(word);
                    break;
                }
            }
        }
        view.main.clear_marks(segment);
    }
    true
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::hash::RandomState;
    use std::net::SocketAddr;

    use seize::Collector;

    use super::*;
    use crate::protocol::announce::Role;

    /// Others may take a swarm from one peer to hundreds between a sweep's look at their number and
    /// its look at the table.
    #[test]
    fn sweep_that_was_overtaken_asks_again() {
        const PEERS: u16 = 1_000;
        let (collector, hasher) = (Collector::new(), RandomState::new());
        let guard = collector.enter();
        let cx = Context { guard: &guard, hasher: &hasher };
        let entry = |port: u16| {
            let key = Key::new(SocketAddr::from(([10, 0, 0, 1], port)));
            let (hash, role) = (key.hash::<0>(&hasher), Role::Leecher);
            Entry { key, hash, id: None, tick: 0, role, completed: false, has_counted: false }
        };
        let map = PeerMap::<0>::new();
        for port in 1..=PEERS {
            map.insert(cx, &entry(port), &|| usize::from(port));
        }
        let asked = Cell::new(0);
        let peers = || {
            asked.set(asked.get() + 1);
            assert!(asked.get() < 5, "a sweep ends");
            if asked.get() == 1 { 1 } else { usize::from(PEERS) }
        };
        let tally = map.sweep(cx, Now::from_secs(100), Ticks::new(2_000), &peers);
        assert_eq!((tally.peers, asked.get()), (0, 2));
        let mut found = 0;
        map.each(cx, |_, _, _| found += 1);
        assert_eq!(found, PEERS);
    }
}
