//! How a table is replaced by another: larger, smaller, or as large and without the departed.
//!
//! A table of few segments is replaced whole. Whoever needs it freezes every word, after which the
//! table never changes again; builds the next one where nobody sees it; and links it. Of several
//! that do so at once, one links, and the others' work is thrown away.
//!
//! A larger one is replaced segment by segment. An empty next table is linked first. A segment of
//! it is made ready by freezing those of the old one that its peers may stand in, and copying the
//! peers. Every announce first makes its own segment ready, and one more in turn; from then on the
//! segment lives in the next table alone. When all are ready, the root moves on.
//!
//! Either way a thread that stops in the middle keeps nobody waiting: what it was to do, the next
//! one that needs it does again, and a copy that is there already is left alone.

use std::hash::RandomState;
use std::sync::atomic::Ordering;

use super::memory::{Fresh, Guard, Root, Table};
use super::shape::{Shape, WHOLE_SEGMENTS_MAX};
use super::table::set_bit;
use crate::swarm::word::Key;

/// What every operation on tables needs.
#[derive(Clone, Copy)]
pub struct Context<'g, 'c> {
    /// Keeps tables alive.
    pub guard: &'g Guard<'c>,
    /// The process's random seed.
    pub hasher: &'g RandomState,
}

/// Where the peers of a root are at the moment.
#[derive(Clone, Copy)]
pub struct View<'g, const LANES: usize> {
    /// The table that takes new peers.
    pub main: Table<'g, LANES>,
    /// The one it is filled from, where segments of `main` may not be ready.
    pub old: Option<Table<'g, LANES>>,
}

impl<const LANES: usize> Root<LANES> {
    /// Where the peers are; `None` when there has never been any.
    pub fn view<'g>(&self, cx: Context<'g, '_>) -> Option<View<'g, LANES>> {
        loop {
            let table = self.load(cx.guard)?;
            let Some(next) = table.next(cx.guard) else {
                return Some(View { main: table, old: None });
            };
            // A whole replacement is complete when it is linked, and a table is only replaced
            // after it was complete.
            if is_replaced_whole(table.shape()) || next.next(cx.guard).is_some() {
                self.advance(&table, &next, cx.guard);
                continue;
            }
            return Some(View { main: next, old: Some(table) });
        }
    }

    /// The view for one who will write to the segment of `hash`: it is made ready, and another one
    /// in turn, so that traffic ends what it began.
    pub fn view_to_write<'g>(&self, cx: Context<'g, '_>, hash: u64) -> Option<View<'g, LANES>> {
        let view = self.view(cx)?;
        if let Some(old) = &view.old {
            let segment = view.main.shape().segment(hash);
            if !view.main.is_ready(segment) {
                copy_segment(cx, old, &view.main, segment);
            }
            // Relaxed: only spreads the work; nothing depends on who takes which.
            let turn = view.main.cursor().fetch_add(1, Ordering::Relaxed) as usize;
            if turn + 1 >= view.main.shape().segments {
                self.complete(cx, old, &view.main);
            } else if !view.main.is_ready(turn) {
                copy_segment(cx, old, &view.main, turn);
            }
        }
        Some(view)
    }

    /// Ends the filling of `main` from `old`.
    pub fn complete(&self, cx: Context<'_, '_>, old: &Table<'_, LANES>, main: &Table<'_, LANES>) {
        for segment in 0..main.shape().segments {
            if !main.is_ready(segment) {
                copy_segment(cx, old, main, segment);
            }
        }
        self.advance(old, main, cx.guard);
    }

    /// Replaces the newest table by one for `peers` peers, to which the caller's is added if it
    /// is new. The replacement is complete, or under way, when this returns.
    pub fn resize<'g>(&self, cx: Context<'g, '_>, view: &View<'g, LANES>, peers: usize) {
        let View { main, old } = view;
        if let Some(old) = old {
            self.complete(cx, old, main);
        }
        let shape = main.shape();
        if is_replaced_whole(shape) {
            self.replace_whole(cx, main);
        } else if main.next(cx.guard).is_none() {
            let wanted = Shape::for_peers(peers, shape.has_ids);
            // No less than an eighth at once, so that a segment has few to be filled from; and
            // several, since one would have no flag that says it is ready.
            let segments = wanted.segments.max(shape.segments / 8).max(2);
            main.publish_next(Fresh::new(Shape::of_segments(segments, shape.has_ids)), cx.guard);
        }
    }

    /// Replaces a table of few segments, which a writer found frozen or full.
    pub fn replace_whole<'g>(&self, cx: Context<'g, '_>, table: &Table<'g, LANES>) {
        let slots = 0..table.shape().total();
        let peers = slots.clone().filter(|slot| table.freeze(*slot).is_live()).count();
        if table.next(cx.guard).is_none() {
            let fresh = Fresh::new(Shape::for_peers(peers + 1, table.shape().has_ids));
            for slot in slots {
                let word = table.state(slot).thawed();
                if word.is_live() {
                    let lanes = table.key_lanes(slot);
                    let hash = Key::of(word, lanes).hash::<LANES>(cx.hasher);
                    fresh.table().place(hash, &lanes, &table.id_lanes(slot), word);
                }
            }
            table.publish_next(fresh, cx.guard);
        }
        if let Some(next) = table.next(cx.guard) {
            self.advance(table, &next, cx.guard);
        }
    }
}

impl<const LANES: usize> Table<'_, LANES> {
    /// Whether a segment holds all that the old table had for it.
    pub fn is_ready(&self, segment: usize) -> bool {
        // Acquire: pairs with the SeqCst in `set_bit`; who sees the flag sees the copies.
        self.ready(segment / 64).load(Ordering::Acquire) >> (segment % 64) & 1 != 0
    }
}

const fn is_replaced_whole(shape: Shape) -> bool {
    shape.segments <= WHOLE_SEGMENTS_MAX
}

/// Makes a segment of `main` ready.
fn copy_segment<const LANES: usize>(
    cx: Context<'_, '_>,
    old: &Table<'_, LANES>,
    main: &Table<'_, LANES>,
    segment: usize,
) {
    let shape = old.shape();
    for from in shape.overlapping(main.shape(), segment) {
        let slots = from * shape.slots..(from + 1) * shape.slots;
        // All are frozen before the first is copied: an unfrozen free slot further on could take
        // in a peer that was looked for in vain among those already frozen.
        for slot in slots.clone() {
            if !old.state(slot).is_frozen() {
                old.freeze(slot);
            }
        }
        for slot in slots {
            copy_slot(cx, old, main, slot, segment);
        }
    }
    set_bit(main.ready(segment / 64), segment % 64);
}

/// Copies a peer out of a frozen slot, if there is one, and if it belongs into `segment`.
fn copy_slot<const LANES: usize>(
    cx: Context<'_, '_>,
    from: &Table<'_, LANES>,
    to: &Table<'_, LANES>,
    slot: usize,
    segment: usize,
) {
    let word = from.state(slot).thawed();
    if !word.is_live() {
        return;
    }
    let key = Key::of(word, from.key_lanes(slot));
    let hash = key.hash::<LANES>(cx.hasher);
    if to.shape().segment(hash) == segment {
        to.copy(&key, hash, &from.id_lanes(slot), word);
    }
}
