//! Which peers an announcer is given: a uniform sample of those of use to it, for about the price
//! of reading them, however large the swarm.
//!
//! Small tables are read whole. Of a larger one, lines of memory are read in a random order, of
//! eight slots each, until they hold as many usable peers as are wanted. Slots are assigned by a
//! keyed hash, so it is all the same which of them share a line. Either way, what was found is
//! dealt out in a random stride from a random one on. Lines are always read whole: were a peer of a
//! crowded one passed over because the others filled the reply, it would be given less often.
//!
//! Where leechers are wanted and rare, the walk goes over units of many slots instead, and looks at
//! those that are marked. A peer in a crowded unit has to share its chance, by up to one part in
//! twice as many peers as the walk finds; so a unit is as large as to hold half a leecher, and a
//! walk for few of them finds more, and draws.

mod order;

use std::net::IpAddr;

use self::order::{Ahead, Shuffle};
use super::map::grow::{Context, View};
use super::map::memory::Table;
use super::map::shape::{LINE_SLOTS, WHOLE_SLOTS_MAX};
use super::reach::is_public;
use super::word::{self, IdLanes, Key, LANES_V4, Ticks, Word, id_lanes, peer_id};
use crate::clock::Now;
use crate::protocol::announce::{Peers, Role, compact_v6};
use crate::protocol::ids::PeerId;

/// Lines that are asked from memory while other announces are answered.
const FORESEEN: usize = 8;
/// Peers that are dealt out at once, at most, and so many more as a line may hold.
const HAND_MAX: usize = WHOLE_SLOTS_MAX + LINE_SLOTS;
/// Peers from whom some are dealt at least, if there are as many. Fewer would tell a crowded line.
const HAND_MIN: usize = 32;
/// Strides for dealing out: primes above the number of peers, and so without a common divisor with
/// whatever number there are.
const STRIDES: [u32; 64] = primes_above(HAND_MAX as u32);
/// Slots for one leecher, from which on they are found by their marks: every second line has none.
const RARE: usize = 16;
/// Peers that a walk over marks, or over two tables, finds before it draws from them, if there are
/// as many: enough for it hardly to matter who comes in company.
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
}

impl Found {
    fn new() -> Found {
        Found { slots: [(0, false); FOUND_MIN], count: 0 }
    }
}

/// The lines of a table by their first slots, in a random order.
fn lines<const LANES: usize>(
    table: &Table<'_, LANES>,
    rng: &mut fastrand::Rng,
) -> impl Iterator<Item = usize> + use<LANES> {
    Shuffle::new(table.shape().total() / LINE_SLOTS, rng).map(|line| line * LINE_SLOTS)
}

/// Asks for the state words that [`Taker::choose`] reads first of a table, with the same chance.
pub fn prefetch<const LANES: usize>(table: &Table<'_, LANES>, mut rng: fastrand::Rng) {
    let total = table.shape().total();
    if total <= WHOLE_SLOTS_MAX {
        table.prefetch(0, total);
    } else {
        lines(table, &mut rng).take(FORESEEN).for_each(|slot| table.prefetch(slot, LINE_SLOTS));
    }
}

/// Usable peers by their slots, as far as they were found.
struct Hand {
    slots: [u32; HAND_MAX],
    count: usize,
}

impl Hand {
    fn new() -> Hand {
        Hand { slots: [0; HAND_MAX], count: 0 }
    }

    /// Takes those up who are of use among some slots: no more than a line's, or a small table's.
    fn pick<const LANES: usize>(
        &mut self,
        table: &Table<'_, LANES>,
        slots: std::ops::Range<usize>,
        filter: word::Filter,
    ) {
        let mut count = self.count;
        for slot in slots {
            self.slots[count] = slot as u32; // overwritten by the next unless it counts
            count += usize::from(filter.passes(table.state(slot)));
        }
        self.count = count;
    }
}

impl Taker<'_> {
    /// The test of a state word for a peer that may be of use. Who it is is asked later.
    fn filter(&self) -> word::Filter {
        let states = if self.wants_leechers() { Word::LEECHERS } else { Word::LIVE };
        self.ticks.ages(self.now).filter(states)
    }

    /// Puts a uniform sample of the usable peers into the list, as far as there is room.
    pub fn choose<const LANES: usize>(&mut self, cx: Context<'_, '_>, view: &View<'_, LANES>) {
        if self.is_full() {
            return;
        }
        let total = view.main.shape().total();
        if total <= WHOLE_SLOTS_MAX && view.old.is_none() {
            return self.read_whole(&view.main);
        }
        // Before any other use of chance, so that `prefetch` sees the same.
        let lines = lines(&view.main, self.rng);
        if let Some(unit) = self.rare_unit(view) {
            self.walk_marks(cx, view, unit);
        } else if view.old.is_some() {
            self.walk_two(cx, view, lines);
        } else {
            self.walk(&view.main, lines);
        }
    }

    fn is_full(&self) -> bool {
        self.peers.len() >= self.peers_max
    }

    /// Whether only leechers are of use.
    fn wants_leechers(&self) -> bool {
        self.role != Role::Leecher
    }

    fn read_whole<const LANES: usize>(&mut self, table: &Table<'_, LANES>) {
        let mut hand = Hand::new();
        hand.pick(table, 0..table.shape().total(), self.filter());
        self.deal(table, &mut hand);
    }

    /// Reads lines until enough was found, and deals; and again where it was not enough after all.
    fn walk<const LANES: usize>(
        &mut self,
        table: &Table<'_, LANES>,
        lines: impl Iterator<Item = usize>,
    ) {
        let filter = self.filter();
        let mut lines = Ahead::new(lines, |slot| table.prefetch(slot, LINE_SLOTS));
        let mut hand = Hand::new();
        let mut is_over = false;
        while !is_over && !self.is_full() {
            let room = self.peers_max - self.peers.len();
            // One more than there is room for, since who asks may be among them.
            let enough = (room + 1).clamp(HAND_MIN, HAND_MAX - LINE_SLOTS);
            while hand.count < enough {
                let Some(slot) = lines.next() else {
                    is_over = true;
                    break;
                };
                hand.pick(table, slot..slot + LINE_SLOTS, filter);
            }
            self.deal(table, &mut hand);
        }
    }

    /// Puts peers of a hand into the list. All begin with the same chance.
    fn deal<const LANES: usize>(&mut self, table: &Table<'_, LANES>, hand: &mut Hand) {
        let count = std::mem::take(&mut hand.count);
        if count == 0 {
            return;
        }
        let stride = STRIDES[self.rng.usize(..STRIDES.len())] as usize % count;
        let start = self.rng.usize(..count);
        let next = |at: usize| if at + stride < count { at + stride } else { at + stride - count };
        let slots = &hand.slots[..count];
        let mut room = self.peers_max - self.peers.len();
        if self.reads_lanes::<LANES>() {
            let mut at = start;
            for _ in 0..count.min(room) {
                table.prefetch_lanes(slots[at] as usize);
                at = next(at);
            }
        }
        let mut at = start;
        for _ in 0..count {
            if room == 0 {
                return;
            }
            let slot = slots[at] as usize;
            let word = table.state(slot);
            if self.is_wanted(table, slot, word) {
                self.push(table, slot, word);
                room -= 1;
            }
            at = next(at);
        }
    }

    /// Whether more than its state word is looked at of a peer that is handed out.
    fn reads_lanes<const LANES: usize>(&self) -> bool {
        LANES > 0 || self.own_id.is_some() || self.with_ids
    }

    /// Looks at the lines of a table that is being filled from another.
    fn walk_two<const LANES: usize>(
        &mut self,
        cx: Context<'_, '_>,
        view: &View<'_, LANES>,
        lines: impl Iterator<Item = usize>,
    ) {
        let mut found = Found::new();
        for slot in lines {
            self.look(cx, view, slot, LINE_SLOTS, &mut found);
            if self.is_done(&mut found, view) {
                break;
            }
        }
        self.empty(&mut found, view);
    }

    /// Looks at marked slots, unit by unit.
    fn walk_marks<const LANES: usize>(
        &mut self,
        cx: Context<'_, '_>,
        view: &View<'_, LANES>,
        unit: usize,
    ) {
        let units = view.main.shape().total() / unit;
        let mut found = Found::new();
        let units = Shuffle::new(units, self.rng).map(|place| place * unit);
        // A unit has one mostly. Those that are still in an old table come unasked.
        let ask = |slot| {
            if let Some(marked) = view.main.next_leecher(slot, slot + unit) {
                view.main.prefetch(marked, 1);
            }
        };
        for slot in Ahead::new(units, ask) {
            self.look(cx, view, slot, unit, &mut found);
            if self.is_done(&mut found, view) {
                break;
            }
        }
        self.empty(&mut found, view);
    }

    /// Whether enough was found; makes room for more where it was not.
    fn is_done<const LANES: usize>(&mut self, found: &mut Found, view: &View<'_, LANES>) -> bool {
        if found.count < FOUND_MIN {
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

    /// Slots that hold half a leecher on average, from the marks of a random segment, where only
    /// leechers are wanted and they are rare.
    fn rare_unit<const LANES: usize>(&mut self, view: &View<'_, LANES>) -> Option<usize> {
        let shape = view.main.shape();
        if !self.wants_leechers() || shape.segments == 1 {
            return None;
        }
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
            let word = table.state(slot);
            if filter.passes(word) && self.is_wanted(table, slot, word) {
                let key = || Key::of(word, table.key_lanes(slot));
                if within.is_none_or(|within| within(key().hash::<LANES>(cx.hasher))) {
                    found.slots[found.count] = (slot, within.is_some());
                    found.count += 1;
                }
            }
            slot += 1;
        }
    }

    /// Whether a usable peer is not the one who asks, and of use to it.
    fn is_wanted<const LANES: usize>(
        &self,
        table: &Table<'_, LANES>,
        slot: usize,
        word: Word,
    ) -> bool {
        let has_key = |own: Key| word.has_key(&own) && table.key_lanes(slot) == own.lanes;
        let is_own = self.own_key.is_some_and(has_key)
            || self.own_id.is_some_and(|own| table.has_id(slot, &own));
        !is_own && (!self.public_only || is_public(ip(table, slot, word)))
    }

    fn push<const LANES: usize>(&mut self, table: &Table<'_, LANES>, slot: usize, word: Word) {
        let id = self.with_ids.then(|| peer_id(table.id_lanes(slot)));
        if LANES == LANES_V4 {
            self.peers.push_v4(Key::compact_v4(word), id);
        } else {
            self.peers.push_v6(compact_v6(Key::peer_v6(word, table.key_lanes(slot))), id);
        }
    }
}

fn ip<const LANES: usize>(table: &Table<'_, LANES>, slot: usize, word: Word) -> IpAddr {
    if LANES == LANES_V4 {
        (*Key::peer_v4(word).ip()).into()
    } else {
        (*Key::peer_v6(word, table.key_lanes(slot)).ip()).into()
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
