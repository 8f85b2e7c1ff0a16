//! One table: taking a peer in, renewing it, letting it go. Each is one compare-and-swap on its
//! state word. Knows nothing of growth but that a frozen word sends the caller elsewhere.
//!
//! Invariant: of the slots that bear one key, at most one is live. A slot never changes its key, or
//! its peer id, until the table is freed; a new one is claimed only at the first unclaimed slot of
//! the search, where all who bring the same key must meet; and where ids are kept, a peer that
//! left never comes back to life in its slot, so that who passed it need not look back.

use std::sync::atomic::Ordering;

use super::memory::{AtomicU64, Table};
use crate::protocol::announce::Role;
use crate::swarm::word::{IdLanes, Key, LANES_ID, LANES_V6, Ticks, Word};

/// From so many slots looked at on, an insert counts how full its segment is.
const LONG_SEARCH: usize = 16;

/// A peer that announces.
#[derive(Clone, Copy)]
pub struct Entry {
    /// Its address and port.
    pub key: Key,
    /// The keyed hash of those.
    pub hash: u64,
    /// Its id, where ids are kept.
    pub id: Option<IdLanes>,
    /// The present moment, as a tick.
    pub tick: u64,
    /// Its role from here on.
    pub role: Role,
    /// Whether it says that it has just become complete.
    pub completed: bool,
    /// Whether its completion was counted already, before a restart.
    pub has_counted: bool,
}

/// What one call changes in the counts of a swarm. Applied after the words have changed, so the
/// counts may trail behind them, and may for a moment be below zero.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Change of the number of peers. A place that was reserved and is filled counts as no change.
    pub peers: i64,
    /// Change of the number of seeders.
    pub seeders: i64,
    /// Change of the number of partial seeds.
    pub paused: i64,
    /// Completions.
    pub completed: u32,
}

impl Tally {
    fn join(&mut self, role: Role) {
        self.seeders += i64::from(role == Role::Seeder);
        self.paused += i64::from(role == Role::Paused);
    }

    fn leave(&mut self, role: Role) {
        self.seeders -= i64::from(role == Role::Seeder);
        self.paused -= i64::from(role == Role::Paused);
    }

    /// Counts out a peer whose word was live.
    pub fn remove(&mut self, word: Word) {
        self.peers -= 1;
        self.leave(word.role());
    }
}

/// An announce on its way through the tables of a swarm.
pub struct Visit<'a> {
    /// Who announces.
    pub entry: &'a Entry,
    /// Places for a new peer that are reserved for this visit, or were freed by it: where a peer
    /// comes with another id, its old slot is given up before it has a new one.
    pub places: i64,
    /// What it did so far.
    pub tally: Tally,
    was_leecher: bool,
    has_counted: bool,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// The peer is in, or was renewed.
    Done,
    /// The peer is not here, and there is no place reserved for it.
    Unknown,
    /// The table is being replaced: go on in the next one.
    Moved,
    /// The table must be replaced before the peer can be taken in.
    Full,
}

/// What a slot is to a key.
enum Slot {
    Mine(Word),
    Other,
    Unclaimed,
    Moved,
}

impl<'a> Visit<'a> {
    /// A visit with `places` reserved.
    pub fn new(entry: &'a Entry, places: i64) -> Visit<'a> {
        let has_counted = entry.has_counted;
        Visit { entry, places, tally: Tally::default(), was_leecher: false, has_counted }
    }

    /// The word to put in place of `before`, and whether that completes the peer.
    fn word(&self, before: Option<Word>) -> (Word, bool) {
        let entry = self.entry;
        let was_leecher = self.was_leecher || before.is_some_and(|it| it.role() != Role::Seeder);
        let has_counted = self.has_counted || before.is_some_and(Word::has_counted);
        let completes =
            entry.completed && entry.role == Role::Seeder && was_leecher && !has_counted;
        let tick = before.map_or(entry.tick, |before| Ticks::later(entry.tick, before.tick()));
        (Word::live(&entry.key, tick, entry.role, has_counted || completes), completes)
    }

    /// Remembers a word of this peer that was taken out, under another id.
    fn carry(&mut self, word: Word) {
        self.places += 1;
        self.tally.leave(word.role());
        self.was_leecher |= word.role() != Role::Seeder;
        self.has_counted |= word.has_counted();
    }
}

/// Changes a state word, and tells whether it was still what it is thought to be.
fn swap(word: &AtomicU64, from: Word, to: Word) -> bool {
    // SeqCst: release, so that who reads a live word sees its lanes; and in one order with the
    // leecher marks, see `mark_leecher`. Relaxed on failure: the caller loads the word again.
    word.compare_exchange(from.0, to.0, Ordering::SeqCst, Ordering::Relaxed).is_ok()
}

/// Writes a lane if nobody has, and tells whether it holds `value` then.
fn settle(lane: &AtomicU64, value: u64) -> bool {
    // AcqRel, Acquire on failure: who goes on from a claimed lane to the next finds it as the
    // one did that claimed it. A lane is written once.
    match lane.compare_exchange(0, value, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => true,
        Err(found) => found == value,
    }
}

impl<const LANES: usize> Table<'_, LANES> {
    /// The state word of a slot.
    pub fn state(&self, slot: usize) -> Word {
        // Acquire: pairs with `swap`; the lanes of a live word are complete.
        Word(self.word(slot, 0).load(Ordering::Acquire))
    }

    /// The lanes of a slot's key.
    pub fn key_lanes(&self, slot: usize) -> [u64; LANES_V6] {
        // Relaxed: the load of the state word that told of them was Acquire.
        let lane = |lane: usize| self.word(slot, lane).load(Ordering::Relaxed);
        if LANES == 0 { [0; LANES_V6] } else { [lane(1), lane(2)] }
    }

    /// The lanes of a slot's peer id; zeros where ids are not kept.
    pub fn id_lanes(&self, slot: usize) -> IdLanes {
        // Relaxed: as in `key_lanes`.
        let lane = |lane: usize| self.word(slot, 1 + LANES + lane).load(Ordering::Relaxed);
        if self.shape().has_ids { [lane(0), lane(1), lane(2)] } else { [0; LANES_ID] }
    }

    /// Whether a slot has this peer id; never where ids are not kept.
    pub fn has_id(&self, slot: usize, id: &IdLanes) -> bool {
        // Relaxed: as in `key_lanes`.
        let lane = |lane: usize| self.word(slot, 1 + LANES + lane).load(Ordering::Relaxed);
        self.shape().has_ids && (0..LANES_ID).all(|at| lane(at) == id[at])
    }

    /// The slots that a hash is looked for in, in order.
    fn search(&self, hash: u64) -> impl Iterator<Item = usize> + use<LANES> {
        let shape = self.shape();
        let (first, start) = (shape.segment(hash) * shape.slots, shape.start(hash));
        (start..shape.slots).chain(0..start).map(move |slot| first + slot)
    }

    /// Asks for the state word at which the search for a hash begins.
    pub fn prefetch_first(&self, hash: u64) {
        if let Some(first) = self.search(hash).next() {
            self.prefetch(first, 1);
        }
    }

    /// Asks for the lanes of the slot that a key has or will be given, most likely. Reads the state
    /// words up to there.
    pub fn prefetch_own_lanes(&self, key: &Key, hash: u64) {
        let mut words = self.search(hash).map(|slot| (slot, self.state(slot)));
        if let Some((slot, _)) = words.find(|(_, word)| word.is_empty() || word.has_key(key)) {
            self.prefetch_lanes(slot);
        }
    }

    /// What a slot is to `key`. With `claims`, the lanes of a slot that nobody has claimed are
    /// claimed for the key first; its state word is left to the caller.
    ///
    /// Lanes are claimed one after the other, each by whoever comes first. A slot whose lanes are
    /// begun by one thread may be ended by another with the same beginning; the first then finds a
    /// lane that is not its own and moves on. Nobody waits.
    fn look(&self, slot: usize, key: &Key, claims: bool) -> Slot {
        for (lane, value) in key.lanes[..LANES].iter().enumerate() {
            let lane = self.word(slot, 1 + lane);
            // Acquire: pairs with `settle`.
            let found = lane.load(Ordering::Acquire);
            if found == 0 {
                if self.state(slot).is_frozen() {
                    return Slot::Moved;
                }
                if !claims {
                    return Slot::Unclaimed;
                }
                if !settle(lane, *value) {
                    return Slot::Other;
                }
            } else if found != *value {
                return Slot::Other;
            }
        }
        match self.state(slot) {
            Word::EMPTY => Slot::Unclaimed,
            word if word.is_empty() => Slot::Moved,
            word if word.has_key(key) => Slot::Mine(word),
            _ => Slot::Other,
        }
    }

    /// Renews a peer, or takes it in where the visit has a place for it.
    pub fn put(&self, visit: &mut Visit<'_>) -> Put {
        for (searched, slot) in self.search(visit.entry.hash).enumerate() {
            loop {
                match self.look(slot, &visit.entry.key, visit.places > 0) {
                    Slot::Other => break,
                    Slot::Moved => return Put::Moved,
                    Slot::Unclaimed if visit.places <= 0 => return Put::Unknown,
                    Slot::Unclaimed => {
                        if searched >= LONG_SEARCH && self.is_full(visit.entry.hash) {
                            return Put::Full;
                        }
                        if self.claim(slot, visit) {
                            return Put::Done;
                        }
                    }
                    Slot::Mine(word) if word.is_frozen() => return Put::Moved,
                    Slot::Mine(word) => match self.put_mine(slot, word, visit) {
                        Mine::Put(put) => return put,
                        Mine::Again => {}
                        Mine::Passed => break,
                    },
                }
            }
        }
        if visit.places > 0 { Put::Full } else { Put::Unknown }
    }

    /// Claims a slot for a new peer. False sends the caller back to look at the slot again.
    fn claim(&self, slot: usize, visit: &mut Visit<'_>) -> bool {
        if visit.entry.id.is_some() {
            swap(self.word(slot, 0), Word::EMPTY, Word::claimed(&visit.entry.key));
            return false; // now it is a slot with the key, whoever claimed it, to be named
        }
        self.enter(slot, Word::EMPTY, visit)
    }

    /// Puts a new peer into a slot that bears its key.
    fn enter(&self, slot: usize, from: Word, visit: &mut Visit<'_>) -> bool {
        let (to, completes) = visit.word(None);
        let entered = swap(self.word(slot, 0), from, to);
        if entered {
            visit.places -= 1;
            visit.tally.join(to.role());
            visit.tally.completed += u32::from(completes);
            self.mark_leecher(slot, to);
        }
        entered
    }

    /// What to do about a slot that bears the peer's key.
    fn put_mine(&self, slot: usize, word: Word, visit: &mut Visit<'_>) -> Mine {
        let enters = |this: &Self, visit: &mut Visit<'_>| {
            if visit.places <= 0 {
                Mine::Put(Put::Unknown)
            } else if this.enter(slot, word, visit) {
                Mine::Put(Put::Done)
            } else {
                Mine::Again
            }
        };
        let Some(id) = visit.entry.id else {
            return if word.is_live() {
                self.renew(slot, word, visit)
            } else {
                enters(self, visit)
            };
        };
        if word.is_claimed() {
            if visit.places <= 0 {
                return Mine::Put(Put::Unknown);
            }
            let id_word = |lane: usize| self.word(slot, 1 + LANES + lane);
            if (0..LANES_ID).all(|lane| settle(id_word(lane), id[lane])) {
                return enters(self, visit);
            }
            // Another id has the slot, and its thread may be long in coming: it will find the slot
            // gone, and look for another.
            swap(self.word(slot, 0), word, word.gone());
            return Mine::Again;
        }
        if !word.is_live() {
            return Mine::Passed;
        }
        if self.has_id(slot, &id) {
            return self.renew(slot, word, visit);
        }
        if swap(self.word(slot, 0), word, word.gone()) {
            visit.carry(word);
        }
        Mine::Again
    }

    fn renew(&self, slot: usize, word: Word, visit: &mut Visit<'_>) -> Mine {
        let (to, completes) = visit.word(Some(word));
        if to != word && !swap(self.word(slot, 0), word, to) {
            return Mine::Again;
        }
        visit.tally.leave(word.role());
        visit.tally.join(to.role());
        visit.tally.completed += u32::from(completes);
        if !word.is_leecher() {
            self.mark_leecher(slot, to);
        }
        Mine::Put(Put::Done)
    }

    /// Takes a peer out, if it is here and bears `id` where ids are kept. `Err` when the table is
    /// being replaced.
    pub fn take(&self, key: &Key, hash: u64, id: Option<&IdLanes>) -> Result<Option<Word>, ()> {
        for slot in self.search(hash) {
            loop {
                let word = match self.look(slot, key, false) {
                    Slot::Other => break,
                    Slot::Moved => return Err(()),
                    Slot::Unclaimed => return Ok(None),
                    Slot::Mine(word) => word,
                };
                if word.is_frozen() {
                    return Err(());
                }
                if !word.is_live() {
                    break;
                }
                if id.is_some_and(|id| !self.has_id(slot, id)) {
                    return Ok(None);
                }
                if swap(self.word(slot, 0), word, word.gone()) {
                    return Ok(Some(word));
                }
            }
        }
        Ok(None)
    }

    /// Puts a live peer of the table before this one where it belongs, unless its key was here
    /// already, in whatever state: then another thread has copied it, and things went on since.
    pub fn copy(&self, key: &Key, hash: u64, id: &IdLanes, word: Word) {
        for slot in self.search(hash) {
            loop {
                match self.look(slot, key, true) {
                    Slot::Other => break,
                    Slot::Moved => return,
                    Slot::Unclaimed if self.shape().has_ids => {
                        swap(self.word(slot, 0), Word::EMPTY, Word::claimed(key));
                    }
                    Slot::Unclaimed => {
                        if swap(self.word(slot, 0), Word::EMPTY, word) {
                            return self.mark_leecher(slot, word);
                        }
                    }
                    Slot::Mine(found) if !found.is_claimed() || found.is_frozen() => return,
                    Slot::Mine(found) => {
                        let id_word = |lane: usize| self.word(slot, 1 + LANES + lane);
                        if !(0..LANES_ID).all(|lane| settle(id_word(lane), id[lane])) {
                            return; // an announce with another id came after the copy by another
                        }
                        if swap(self.word(slot, 0), found, word) {
                            return self.mark_leecher(slot, word);
                        }
                    }
                }
            }
        }
        // A segment that is filled to 70 % by its average peer count and overflows lies more than
        // seven standard deviations off, by a hash that nobody outside knows.
        debug_assert!(false, "a fresh segment has room for what is copied into it");
    }

    /// Puts a live word of another table into this one, which nobody else can see yet, and which
    /// has no word of its key.
    pub fn place(&self, hash: u64, lanes: &[u64; LANES_V6], id: &IdLanes, word: Word) {
        let Some(slot) = self.search(hash).find(|slot| self.state(*slot).is_empty()) else {
            debug_assert!(false, "a fresh table has room for what is copied into it");
            return;
        };
        // Relaxed throughout: it is published by a store that releases all of it.
        let write = |lane, value| self.word(slot, lane).store(value, Ordering::Relaxed);
        (1..).zip(&lanes[..LANES]).for_each(|(lane, value)| write(lane, *value));
        if self.shape().has_ids {
            (1 + LANES..).zip(id).for_each(|(lane, value)| write(lane, *value));
        }
        write(0, word.0);
        self.mark_leecher(slot, word);
    }

    /// Freezes a slot, and tells what stands in it for ever.
    pub fn freeze(&self, slot: usize) -> Word {
        // Acquire on both, as in `state`; release, so that a thread that meets a frozen word also
        // sees whatever led to it.
        Word(self.word(slot, 0).fetch_or(1, Ordering::AcqRel)).thawed()
    }

    /// Lets an expired peer go, if its word is still the same.
    pub fn expire(&self, slot: usize, word: Word) -> bool {
        swap(self.word(slot, 0), word, word.gone())
    }

    /// Whether more than seven eighths of a hash's segment have been claimed.
    fn is_full(&self, hash: u64) -> bool {
        let shape = self.shape();
        let first = shape.segment(hash) * shape.slots;
        let slots = first..first + shape.slots;
        let claimed = slots.filter(|slot| !self.state(*slot).is_empty()).count();
        claimed * 8 > shape.slots * 7
    }
}

/// What became of an announce at a slot with its key.
enum Mine {
    Put(Put),
    Again,
    Passed,
}

/// Marks tell where leechers may be, so that a seeder finds the few among many seeders.
///
/// A mark is set after a leecher's word is, and cleared by the sweep alone, which then looks at
/// the word again. All four steps are SeqCst and so have one order: either the sweep sees the
/// leecher's word and sets the mark again, or whoever wrote it sees the mark cleared and sets it.
/// So no leecher is without its mark once its announce is done. The marks of segments stand to the
/// marks of slots as those to the words.
impl<const LANES: usize> Table<'_, LANES> {
    /// Sets the mark of a slot whose word is a leecher's.
    pub fn mark_leecher(&self, slot: usize, word: Word) {
        let shape = self.shape();
        if shape.segments == 1 || !word.is_leecher() {
            return;
        }
        set_bit(self.leecher_marks(slot / 64), slot % 64);
        let segment = slot / shape.slots;
        set_bit(self.segment_marks(segment / 64), segment % 64);
    }

    /// The 64 marks that begin at slot `64 * index`.
    pub fn leecher_bits(&self, index: usize) -> u64 {
        // Relaxed: a mark is only a hint of where to look. What is found there is loaded again.
        self.leecher_marks(index).load(Ordering::Relaxed)
    }

    /// The first marked slot from `slot` on and before `end`, all in one segment.
    pub fn next_leecher(&self, slot: usize, end: usize) -> Option<usize> {
        let segment = slot / self.shape().slots;
        // Relaxed: as in `leecher_bits`.
        let marked = self.segment_marks(segment / 64).load(Ordering::Relaxed);
        if marked >> (segment % 64) & 1 == 0 {
            return None;
        }
        let mut index = slot / 64;
        let mut bits = self.leecher_bits(index) & u64::MAX << (slot % 64);
        while bits == 0 {
            index += 1;
            if index * 64 >= end {
                return None;
            }
            bits = self.leecher_bits(index);
        }
        Some(index * 64 + bits.trailing_zeros() as usize).filter(|found| *found < end)
    }

    /// Clears the marks of a segment that nobody stands behind.
    pub fn clear_marks(&self, segment: usize) {
        let shape = self.shape();
        if shape.segments == 1 {
            return;
        }
        let marks = segment * shape.slots / 64..(segment + 1) * shape.slots / 64;
        let mut has_leecher = false;
        for index in marks.clone() {
            let mut bits = self.leecher_marks(index).load(Ordering::SeqCst);
            while bits != 0 {
                let slot = index * 64 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                if self.state(slot).is_leecher() {
                    has_leecher = true;
                    continue;
                }
                clear_bit(self.leecher_marks(index), slot % 64);
                let word = Word(self.word(slot, 0).load(Ordering::SeqCst));
                self.mark_leecher(slot, word);
                has_leecher |= word.is_leecher();
            }
        }
        if !has_leecher {
            let (word, bit) = (self.segment_marks(segment / 64), segment % 64);
            clear_bit(word, bit);
            if marks.into_iter().any(|index| self.leecher_marks(index).load(Ordering::SeqCst) != 0)
            {
                set_bit(word, bit);
            }
        }
    }
}

/// Sets a bit, and writes only when it is not set. SeqCst as told at the marks.
pub fn set_bit(word: &AtomicU64, bit: usize) {
    if word.load(Ordering::SeqCst) >> bit & 1 == 0 {
        word.fetch_or(1 << bit, Ordering::SeqCst);
    }
}

/// Clears a bit. SeqCst as told at the marks.
fn clear_bit(word: &AtomicU64, bit: usize) {
    word.fetch_and(!(1 << bit), Ordering::SeqCst);
}
