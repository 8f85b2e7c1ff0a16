//! Which peers an announcer is given: a uniform sample of those of use to it, for about the price
//! of reading them, however large the swarm.
//!
//! Small tables are read whole, and what is usable is dealt out in a random stride from a random
//! one on. Of a larger one a few slots here and there are
//! looked at: a walk goes from a random slot on in a random stride that has no common divisor with
//! their number, so that it meets each once, and ends when the reply is full. Slots are assigned by
//! a keyed hash, so it is all the same which of them follow each other.
//!
//! Where leechers are wanted and rare, the walk goes over units of many slots instead, and looks at
//! those that are marked. A peer in a crowded unit has to share its chance, by up to one part in
//! twice as many peers as the walk finds; so a unit is as large as to hold half a leecher, and a
//! walk for few of them finds more, and draws.

use std::net::SocketAddr;

use super::map::grow::{Context, View};
use super::map::memory::Table;
use super::reach::is_public;
use super::word::{Ages, IdLanes, Key, LANES_V4, Ticks, Word, id_lanes, peer_id};
use crate::clock::Now;
use crate::protocol::announce::{Peers, Role, compact_v4, compact_v6};
use crate::protocol::ids::PeerId;

/// Tables of up to so many slots are read whole.
const WHOLE_SLOTS_MAX: usize = 1_024;
/// Most are this small, and need little room to be read in.
const FEW_SLOTS_MAX: usize = 64;
/// Strides for dealing out what a table holds that was read whole: primes above the number of its
/// slots, and so without a common divisor with whatever number of peers are usable.
const STRIDES: [u32; 64] = primes_above(WHOLE_SLOTS_MAX as u32);
/// Most slots, or units of slots, that a walk visits. It takes so many only among peers that have
/// expired and were not swept yet, or for leechers rarer than one in a segment.
const VISITS_MAX: usize = 65_536;
/// Slots that are asked from memory while as many before them are judged, so that the processor
/// waits for all of them at once and not for one after the other.
const AHEAD: usize = 32;
/// In tables too large for a processor's nearer caches, so many neighbouring slots are looked at
/// for one wait, if so many peers are wanted that a neighbour's company costs about a hundredth of
/// one's chance.
const CLUSTER: usize = 4;
/// See [`CLUSTER`].
const CLUSTERED_SLOTS_MIN: usize = 65_536;
/// See [`CLUSTER`].
const CLUSTERED_ROOM_MIN: usize = 40;
/// Slots for one leecher, from which on they are found by their marks.
const RARE: usize = 8;
/// Leechers that a walk finds at least, if there are as many, before it draws from them.
const FOUND_MIN: usize = 64;

/// Who is choosing peers, by which rules, and where they go.
pub struct Taker<'a> {
    /// The present moment.
    pub now: Now,
    /// How ages are kept.
    pub ticks: Ticks,
    /// The role of the one who asks.
    pub role: Role,
    /// Its own key, in its own family.
    pub own_key: Option<Key>,
    /// Its id, when peers with the same one are to be left out.
    pub own_id: Option<IdLanes>,
    /// Whether ids are put into the list too.
    pub with_ids: bool,
    /// Whether peers that the public internet does not reach are left out.
    pub public_only: bool,
    /// How many peers the list may hold.
    pub peers_max: usize,
    /// Where chance comes from.
    pub rng: &'a mut fastrand::Rng,
    /// The list.
    pub peers: &'a mut Peers,
}

/// What a walk has found and not yet put into the list: a slot, and whether it is of the old table.
struct Found {
    slots: [(usize, bool); FOUND_MIN],
    count: usize,
    enough: usize,
}

impl Found {
    /// What to find before the list is filled from it: so much more than there is room for that it
    /// hardly matters who comes in company.
    fn new(enough: usize) -> Found {
        Found { slots: [(0, false); FOUND_MIN], count: 0, enough: enough.min(FOUND_MIN) }
    }
}

/// The slots that a walk meets, cluster by cluster.
struct Steps {
    cluster: usize,
    units: usize,
    stride: usize,
    at: usize,
    /// Which slot of each cluster comes first.
    turn: usize,
}

impl Steps {
    /// The next slots, on their way from memory.
    fn next<const LANES: usize>(&mut self, table: &Table<'_, LANES>) -> [usize; AHEAD] {
        let mut slots = [0; AHEAD];
        for unit in slots.chunks_mut(self.cluster) {
            for (next, slot) in unit.iter_mut().enumerate() {
                *slot = self.cluster * self.at + (next + self.turn) % self.cluster;
            }
            table.prefetch(self.cluster * self.at, self.cluster);
            self.at += self.stride;
            self.at -= if self.at >= self.units { self.units } else { 0 };
        }
        slots
    }
}

/// The test of a word, made once an announce so that none of its parts is a branch: half of the
/// words fail, and not in an order that a processor could foresee.
struct Filter {
    ages: Ages,
    states: u8,
    own_bits: u64,
}

impl Filter {
    /// Whether the word alone lets the peer be of use. What its lanes say is asked later.
    fn passes<const LANES: usize>(&self, word: Word) -> bool {
        let is_other = LANES > 0 || !word.has_bits(self.own_bits);
        self.ages.is_young(word.tick()) & word.is_among(self.states) & is_other
    }
}

impl Taker<'_> {
    fn filter(&self) -> Filter {
        Filter {
            ages: self.ticks.ages(self.now),
            states: if self.wants_leechers() { Word::LEECHERS } else { Word::LIVE },
            own_bits: self.own_key.map_or(0, |own| own.bits), // no word with a key has these zeros
        }
    }

    /// Puts a uniform sample of the usable peers into the list, as far as there is room.
    pub fn choose<const LANES: usize>(&mut self, cx: Context<'_, '_>, view: &View<'_, LANES>) {
        if self.is_full() {
        } else if view.old.is_none() && view.main.shape().total() <= FEW_SLOTS_MAX {
            self.deal::<LANES, FEW_SLOTS_MAX>(&view.main);
        } else if view.old.is_none() && view.main.shape().total() <= WHOLE_SLOTS_MAX {
            self.deal::<LANES, WHOLE_SLOTS_MAX>(&view.main);
        } else if let Some(unit) = self.rare_unit(view) {
            self.walk_marks(cx, view, unit);
        } else {
            self.walk(cx, view);
        }
    }

    fn is_full(&self) -> bool {
        self.peers.len() >= self.peers_max
    }

    /// Whether only leechers are of use.
    fn wants_leechers(&self) -> bool {
        self.role != Role::Leecher
    }

    /// Reads a table of up to `SLOTS` slots whole, and deals out what is usable. All start with the
    /// same chance, so each is given as often as the next.
    fn deal<const LANES: usize, const SLOTS: usize>(&mut self, table: &Table<'_, LANES>) {
        let filter = self.filter();
        let mut usable = [0_u16; SLOTS];
        let mut count = 0;
        for slot in 0..table.shape().total() {
            usable[count] = slot as u16; // overwritten by the next unless it counts
            count += usize::from(filter.passes::<LANES>(table.state(slot)));
        }
        if count == 0 {
            return;
        }
        let stride = STRIDES[self.rng.usize(..STRIDES.len())] as usize % count;
        let start = self.rng.usize(..count);
        let order = std::iter::successors(Some(start), |at| {
            let next = at + stride;
            Some(if next < count { next } else { next - count })
        });
        let slots = order.map(|at| usize::from(usable[at])).take(count);
        if self.reads_lanes::<LANES>() {
            let room = self.peers_max - self.peers.len();
            slots.clone().take(room).for_each(|slot| table.prefetch_lanes(slot));
        }
        for slot in slots {
            if self.is_full() {
                return;
            }
            if self.is_wanted(table, slot) {
                self.push(table, slot, table.state(slot));
            }
        }
    }

    /// Whether more than its state word is looked at of a peer that is handed out.
    fn reads_lanes<const LANES: usize>(&self) -> bool {
        LANES > 0 || self.own_id.is_some() || self.with_ids
    }

    /// Looks at single slots, or at clusters of them. All are equally likely to be met, and so is
    /// what stands in them.
    fn walk<const LANES: usize>(&mut self, cx: Context<'_, '_>, view: &View<'_, LANES>) {
        let total = view.main.shape().total();
        let room = self.peers_max - self.peers.len();
        let is_clustered = total >= CLUSTERED_SLOTS_MIN && room >= CLUSTERED_ROOM_MIN;
        let cluster = if is_clustered { CLUSTER } else { 1 };
        let units = total / cluster;
        let mut steps = Steps {
            cluster,
            units,
            stride: self.stride(units),
            at: self.rng.usize(..units),
            turn: self.rng.usize(..cluster),
        };
        let filter = self.filter();
        let mut ahead = steps.next(&view.main);
        for _ in 0..total.min(VISITS_MAX).div_ceil(AHEAD) {
            let slots = ahead;
            ahead = steps.next(&view.main);
            self.visit(cx, view, &filter, &slots);
            if self.is_full() {
                return;
            }
        }
    }

    fn visit<const LANES: usize>(
        &mut self,
        cx: Context<'_, '_>,
        view: &View<'_, LANES>,
        filter: &Filter,
        slots: &[usize],
    ) {
        if view.old.is_some() {
            let mut found = Found::new(FOUND_MIN);
            for slot in slots {
                self.look(cx, view, *slot, 1, &mut found);
            }
            return self.empty(&mut found, view);
        }
        let mut words = [Word::EMPTY; AHEAD];
        for (word, slot) in words.iter_mut().zip(slots) {
            *word = view.main.state(*slot);
        }
        let mut passed = (words.iter().enumerate())
            .fold(0_u32, |bits, (at, word)| bits | u32::from(filter.passes::<LANES>(*word)) << at);
        if self.reads_lanes::<LANES>() {
            let passed = slots.iter().enumerate().filter(|(at, _)| passed >> at & 1 != 0);
            passed.for_each(|(_, slot)| view.main.prefetch_lanes(*slot));
        }
        while passed != 0 && !self.is_full() {
            let at = passed.trailing_zeros() as usize;
            passed &= passed - 1;
            if self.is_wanted(&view.main, slots[at]) {
                self.push(&view.main, slots[at], words[at]);
            }
        }
    }

    /// Looks at marked slots, unit by unit.
    fn walk_marks<const LANES: usize>(
        &mut self,
        cx: Context<'_, '_>,
        view: &View<'_, LANES>,
        unit: usize,
    ) {
        let units = view.main.shape().total() / unit;
        let stride = self.stride(units);
        let mut at = self.rng.usize(..units);
        let mut found = Found::new(FOUND_MIN);
        for _ in 0..units.min(VISITS_MAX) {
            self.look(cx, view, at * unit, unit, &mut found);
            if self.is_done(&mut found, view) {
                break;
            }
            at += stride;
            at -= if at >= units { units } else { 0 };
        }
        self.empty(&mut found, view);
    }

    /// Whether enough was found; makes room for more where it was not.
    fn is_done<const LANES: usize>(&mut self, found: &mut Found, view: &View<'_, LANES>) -> bool {
        if found.count < found.enough {
            return false;
        }
        self.empty(found, view);
        self.is_full()
    }

    /// Puts what was found into the list, in random order, as far as there is room.
    fn empty<const LANES: usize>(&mut self, found: &mut Found, view: &View<'_, LANES>) {
        for next in 0..found.count {
            if self.is_full() {
                return;
            }
            found.slots.swap(next, self.rng.usize(next..found.count));
            let (slot, is_old) = found.slots[next];
            let table = view.old.as_ref().filter(|_| is_old).unwrap_or(&view.main);
            self.push(table, slot, table.state(slot));
        }
        found.count = 0;
    }

    /// A stride below `units` that has no common divisor with it, which is a number below 8 times a
    /// power of two ([`Shape`](super::map::shape::Shape)).
    fn stride(&mut self, units: usize) -> usize {
        loop {
            let stride = self.rng.usize(..units) | 1;
            if stride < units && [3, 5, 7].iter().all(|prime| !stride.is_multiple_of(*prime)) {
                return stride;
            }
        }
    }

    /// Slots that hold half a leecher on average, from the marks of a random segment, where only
    /// leechers are wanted and they are rare.
    fn rare_unit<const LANES: usize>(&mut self, view: &View<'_, LANES>) -> Option<usize> {
        if !self.wants_leechers() {
            return None;
        }
        let shape = view.main.shape();
        let segment = self.rng.usize(..shape.segments);
        let (table, segment) = match &view.old {
            Some(old) if !view.main.is_ready(segment) => {
                (old, *old.shape().overlapping(shape, segment).start())
            }
            _ => (&view.main, segment),
        };
        let words = segment * shape.slots / 64..(segment + 1) * shape.slots / 64;
        let marks: u32 = words.map(|index| table.leecher_bits(index).count_ones()).sum();
        let unit = shape.slots / (2 * marks as usize + 1);
        (unit >= RARE / 2).then(|| 1 << unit.ilog2())
    }

    /// Finds what is usable among the slots of one unit, from a random one on.
    fn look<const LANES: usize>(
        &mut self,
        cx: Context<'_, '_>,
        view: &View<'_, LANES>,
        first: usize,
        unit: usize,
        found: &mut Found,
    ) {
        let turn = self.rng.usize(..unit);
        let parts = [(first + turn, first + unit), (first, first + turn)];
        let shape = view.main.shape();
        let segment = first / shape.slots;
        match &view.old {
            Some(old) if !view.main.is_ready(segment) => {
                // Each slot of the old table is met once for each segment its peers may go to,
                // and found for one of them.
                let is_here = |hash: u64| shape.segment(hash) == segment;
                for from in old.shape().overlapping(shape, segment) {
                    let base = from * shape.slots;
                    for (start, end) in parts {
                        let slots = start % shape.slots + base..;
                        let slots = slots.start..slots.start + (end - start);
                        self.find(cx, view, old, slots, Some(&is_here), found);
                    }
                }
            }
            _ => {
                for (start, end) in parts {
                    self.find(cx, view, &view.main, start..end, None, found);
                }
            }
        }
    }

    /// Finds the usable peers of some slots; only those with a hash `within`, if that is given.
    fn find<const LANES: usize>(
        &mut self,
        cx: Context<'_, '_>,
        view: &View<'_, LANES>,
        table: &Table<'_, LANES>,
        slots: std::ops::Range<usize>,
        within: Option<&dyn Fn(u64) -> bool>,
        found: &mut Found,
    ) {
        let filter = self.filter();
        let mut slot = slots.start;
        while slot < slots.end && !self.is_done(found, view) {
            if self.wants_leechers() {
                match table.next_leecher(slot, slots.end) {
                    Some(marked) => slot = marked,
                    None => return,
                }
            }
            if filter.passes::<LANES>(table.state(slot)) && self.is_wanted(table, slot) {
                let key = || Key::of(table.state(slot), table.key_lanes(slot));
                if within.is_none_or(|within| within(key().hash::<LANES>(cx.hasher))) {
                    found.slots[found.count] = (slot, within.is_some());
                    found.count += 1;
                }
            }
            slot += 1;
        }
    }

    /// Whether the lanes, too, say that a peer is not the one who asks, and it is of use to it.
    fn is_wanted<const LANES: usize>(&self, table: &Table<'_, LANES>, slot: usize) -> bool {
        let is_own_key = LANES > 0
            && self.own_key.is_some_and(|own| {
                table.state(slot).has_key(&own) && table.key_lanes(slot) == own.lanes
            });
        !is_own_key
            && self.own_id.is_none_or(|own| table.id_lanes(slot) != own)
            && (!self.public_only || is_public(address(table, slot, table.state(slot)).ip()))
    }

    fn push<const LANES: usize>(&mut self, table: &Table<'_, LANES>, slot: usize, word: Word) {
        let id = self.with_ids.then(|| peer_id(table.id_lanes(slot)));
        match address(table, slot, word) {
            SocketAddr::V4(peer) => self.peers.push_compact(&compact_v4(peer), id),
            SocketAddr::V6(peer) => self.peers.push_compact(&compact_v6(peer), id),
        }
    }
}

fn address<const LANES: usize>(table: &Table<'_, LANES>, slot: usize, word: Word) -> SocketAddr {
    if LANES == LANES_V4 {
        Key::peer_v4(word).into()
    } else {
        Key::peer_v6(word, table.key_lanes(slot)).into()
    }
}

/// The first primes above a number.
const fn primes_above<const COUNT: usize>(number: u32) -> [u32; COUNT] {
    let mut primes = [0; COUNT];
    let (mut found, mut next) = (0, number);
    while found < COUNT {
        next += 1;
        let mut divisor = 2;
        while !next.is_multiple_of(divisor) {
            divisor += 1;
        }
        if divisor == next {
            primes[found] = next;
            found += 1;
        }
    }
    primes
}

/// The lanes of an announcer's id, where ids are kept.
pub fn kept_id(keep_ids: bool, peer_id: &PeerId) -> Option<IdLanes> {
    keep_ids.then(|| id_lanes(peer_id))
}
