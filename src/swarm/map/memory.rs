//! The memory of a table of peers: where it comes from, who may read it, when it is given back.
//!
//! All `unsafe` of the room is here. It never knows what the words mean. Read [`Table`] first.
//!
//! ```text
//! small, 2 to 12 slots, counted by the low bits of the pointer:
//!     next │ states … │ lanes …
//! up to 128 slots:
//!     next │ shape │ states … │ lanes …
//! one segment of more slots:
//!     next │ shape │ 6 words free │ states … │ lanes …
//! several segments of 512 slots:
//!     next │ shape │ 6 words free │ states … │ lanes …
//!         │ leecher marks … │ segment marks … │ ready … │ cursor
//! ```
//!
//! Every field is 8 bytes and all start as zero. The state words of all slots lie side by side,
//! since who chooses peers reads nothing else of most slots; the lanes follow, slot by slot. A
//! table's length is told by its pointer and its shape, neither of which ever changes.

#![allow(unsafe_code)] // a slot must cost one word, which no safe container offers behind a pointer

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr;
pub use std::sync::atomic::AtomicU64;
use std::sync::atomic::{AtomicPtr, Ordering};

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use seize::{Collector, Guard as _, LocalGuard};

use super::shape::{LINE_SLOTS, SEGMENT_SLOTS, SMALL, Shape};
use crate::swarm::word::LANES_ID;

/// What keeps tables alive while they are looked at.
///
/// Invariant: all guards that are used with one [`Root`] come from one [`Collector`]. Upheld by
/// `store`, which has only one.
pub type Guard<'c> = LocalGuard<'c>;

/// What an atomic pointer to a table points at. Never read through: the low bits of the pointer
/// say how long a small table is.
pub struct Head(());

const WORD: usize = size_of::<AtomicU64>();
/// Tables start at multiples of this, so that the low bits of a pointer to one are free.
const ALIGN: usize = 16;
const HAS_IDS: u64 = 1 << 63;
/// Words that come from memory at once.
const LINE_WORDS: usize = LINE_SLOTS;
/// Bytes from which on a table is mapped by itself: 32 pages, of which half a page is lost.
const MAPPED_MIN: usize = 128 * 1024;
/// Bytes from which on large pages are asked for: four of them.
const HUGE_MIN: usize = 8 * 1024 * 1024;
/// A batch of at least as many objects as threads hold a guard at the moment can be given back.
const BATCH: usize = 64;

/// A table of peers, as long as the guard it was found under lives.
///
/// A copy of the pointer and what it says of the length. `LANES` is the number of words beside the
/// state word that hold a key.
#[derive(Clone, Copy)]
pub struct Table<'g, const LANES: usize> {
    head: *mut Head,
    slots: *const AtomicU64,
    shape: Shape,
    guard: PhantomData<&'g ()>,
}

impl<'g, const LANES: usize> Table<'g, LANES> {
    /// # Safety
    /// `head` came from [`Fresh`] with the same `LANES`, and is not freed during `'g`.
    unsafe fn new(head: *mut Head) -> Table<'g, LANES> {
        let base: *const AtomicU64 = untagged(head).cast_const();
        let shape = small_shape(head).unwrap_or_else(|| {
            // Safety: a table without a tag has a shape in its second word, by `Fresh`.
            // Relaxed: it was written before the pointer to it was published, by a store that the
            // load of that pointer pairs with.
            let shape = unsafe { (*base.add(1)).load(Ordering::Relaxed) };
            let (segments, slots) = ((shape & !HAS_IDS) >> 32, shape & 0xffff_ffff);
            let has_ids = shape & HAS_IDS != 0;
            Shape { segments: segments as usize, slots: slots as usize, has_ids }
        });
        // Safety: a table is longer than what stands before its slots.
        let slots = unsafe { base.add(words_before(shape)) };
        Table { head, slots, shape, guard: PhantomData }
    }

    /// How it is divided.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// A word of a slot: 0 is the state word, then come the lanes of the key, then of the id.
    pub fn word(&self, slot: usize, lane: usize) -> &'g AtomicU64 {
        debug_assert!(slot < self.shape.total() && lane <= self.lanes());
        self.at(match lane.checked_sub(1) {
            None => slot,
            Some(lane) => self.shape.total() + slot * self.lanes() + lane,
        })
    }

    /// Asks for the state words of `count` slots from `slot` on, so that they are near when they
    /// are read.
    pub fn prefetch(&self, slot: usize, count: usize) {
        for slot in (slot..slot + count).step_by(LINE_WORDS) {
            prefetch(self.at(slot));
        }
    }

    /// Asks for the lanes of a slot, so that they are near when they are read.
    pub fn prefetch_lanes(&self, slot: usize) {
        if self.lanes() > 0 {
            prefetch(self.at(self.shape.total() + slot * self.lanes()));
        }
    }

    /// The 64 marks, one a slot, that begin at slot `64 * index`: whether a leecher may be there.
    /// Tables of one segment have none.
    pub fn leecher_marks(&self, index: usize) -> &'g AtomicU64 {
        debug_assert!(index < self.shape.total() / 64);
        self.tail(index)
    }

    /// The 64 marks, one a segment, from segment `64 * index`: whether it has any leecher mark.
    pub fn segment_marks(&self, index: usize) -> &'g AtomicU64 {
        debug_assert!(index < self.marks());
        self.tail(self.shape.total() / 64 + index)
    }

    /// The 64 flags, one a segment, from segment `64 * index`: whether it holds all it should.
    pub fn ready(&self, index: usize) -> &'g AtomicU64 {
        debug_assert!(index < self.marks());
        self.tail(self.shape.total() / 64 + self.marks() + index)
    }

    /// The next segment that somebody who passes by should make ready.
    pub fn cursor(&self) -> &'g AtomicU64 {
        self.tail(self.shape.total() / 64 + 2 * self.marks())
    }

    /// Words that hold one bit a segment.
    pub fn marks(&self) -> usize {
        self.shape.segments.div_ceil(64)
    }

    fn tail(&self, index: usize) -> &'g AtomicU64 {
        assert!(self.shape.segments > 1, "a table of one segment has no marks");
        self.at(self.shape.total() * (1 + self.lanes()) + index)
    }

    fn lanes(&self) -> usize {
        lanes::<LANES>(self.shape)
    }

    fn at(&self, index: usize) -> &'g AtomicU64 {
        // Safety: every caller stays below what `words` counts for this shape, the allocation is
        // that long, it was zeroed, which is a valid atomic, and it lives as long as the guard.
        unsafe { &*self.slots.add(index) }
    }

    fn next_field(&self) -> &'g AtomicPtr<Head> {
        // Safety: the first word of every table is this pointer, null at first.
        unsafe { &*untagged(self.head).cast::<AtomicPtr<Head>>() }
    }

    /// The table that replaces this one.
    pub fn next(&self, guard: &'g Guard<'_>) -> Option<Table<'g, LANES>> {
        // Acquire: pairs with the release in `publish_next`; who sees the next table sees its
        // shape, and what was put into it before.
        load(self.next_field(), guard)
    }

    /// Makes `fresh` the table that replaces this one, unless there is one already. Either way,
    /// tells which it is.
    pub fn publish_next(&self, fresh: Fresh<LANES>, guard: &'g Guard<'_>) -> Table<'g, LANES> {
        publish(self.next_field(), fresh, guard)
    }
}

/// A table nobody else can see yet.
pub struct Fresh<const LANES: usize>(*mut Head);

impl<const LANES: usize> Fresh<LANES> {
    /// An empty table.
    pub fn new(shape: Shape) -> Fresh<LANES> {
        let base: *mut Head = obtain(layout::<LANES>(shape)).cast();
        let tag = shape.small_index().map(|index| 1 + 2 * index + usize::from(shape.has_ids));
        if tag.is_none() {
            let ids = if shape.has_ids { HAS_IDS } else { 0 };
            let told = ids | (shape.segments as u64) << 32 | shape.slots as u64;
            // Safety: tables that are not small have room for two words before their slots.
            unsafe { base.cast::<u64>().add(1).write(told) };
        }
        Fresh(base.map_addr(|addr| addr | tag.unwrap_or(0)))
    }

    /// The table.
    pub fn table(&self) -> Table<'_, LANES> {
        // Safety: it was made by `new` and lives as long as `self`.
        unsafe { Table::new(self.0) }
    }
}

impl<const LANES: usize> Drop for Fresh<LANES> {
    fn drop(&mut self) {
        // Safety: nobody else ever saw it.
        unsafe { free::<LANES>(self.0) };
    }
}

/// Where the tables of one family of one swarm hang: the newest that is whole, which leads to the
/// one that is being filled from it.
pub struct Root<const LANES: usize>(AtomicPtr<Head>);

impl<const LANES: usize> Root<LANES> {
    /// No table.
    pub fn new() -> Root<LANES> {
        Root(AtomicPtr::new(ptr::null_mut()))
    }

    /// The table, if there is one.
    pub fn load<'g>(&self, guard: &'g Guard<'_>) -> Option<Table<'g, LANES>> {
        // Acquire: pairs with the release in `publish` and in `advance`.
        load(&self.0, guard)
    }

    /// Asks for a small table, and for the beginning of another.
    pub fn prefetch(&self) {
        let head = self.0.load(Ordering::Relaxed); // never read through
        if !head.is_null() {
            let lines = small_shape(head).map_or(2, |s| words::<LANES>(s).div_ceil(LINE_WORDS));
            for line in 0..lines {
                prefetch(untagged(head).wrapping_add(line * LINE_WORDS));
            }
        }
    }

    /// Makes `fresh` the first table, unless there is one already.
    pub fn publish_first(&self, fresh: Fresh<LANES>, guard: &Guard<'_>) {
        publish(&self.0, fresh, guard);
    }

    /// Goes on from a table to the one that has replaced it, and gives it back once nobody looks
    /// at it any more. Does nothing if that has been done.
    pub fn advance(&self, from: &Table<'_, LANES>, to: &Table<'_, LANES>, guard: &Guard<'_>) {
        // AcqRel: a thread that loads `to` here sees all that was copied into it. Relaxed on
        // failure: nothing is read then.
        let swapped =
            self.0.compare_exchange(from.head, to.head, Ordering::AcqRel, Ordering::Relaxed);
        if swapped.is_ok() {
            // Safety: the exchange has unlinked it, which happens once, since tables are linked
            // once; it came from `Fresh` with these `LANES`; and the collector is the one of all
            // guards of this root.
            unsafe { guard.collector().retire(from.head, reclaim::<LANES>) };
            if layout::<LANES>(from.shape).size() >= MAPPED_MIN {
                give_back_soon(guard);
            }
        }
    }
}

/// Fills the thread's batch of retired memory with nothing, so that a large table does not wait
/// until as many others have joined it.
#[cold]
fn give_back_soon(guard: &Guard<'_>) {
    /// # Safety
    /// None: nothing is done.
    unsafe fn nothing(_: *mut Head, _: &Collector) {}
    for _ in 0..BATCH {
        // Safety: the pointer is never looked at.
        unsafe { guard.collector().retire(ptr::without_provenance_mut(ALIGN), nothing) };
    }
    guard.flush();
}

impl<const LANES: usize> Drop for Root<LANES> {
    fn drop(&mut self) {
        let mut head = *self.0.get_mut();
        while !head.is_null() {
            // Safety: nobody else can reach this root. The tables from here on are still linked,
            // so none of them was retired, and each is freed once.
            unsafe {
                let table = Table::<LANES>::new(head);
                // Relaxed: whoever drops the root has synchronised with all who used it.
                let next = table.next_field().load(Ordering::Relaxed);
                free::<LANES>(head);
                head = next;
            }
        }
    }
}

fn load<'g, const LANES: usize>(
    from: &AtomicPtr<Head>,
    guard: &'g Guard<'_>,
) -> Option<Table<'g, LANES>> {
    let head = guard.protect(from, Ordering::Acquire);
    // Safety: only `publish` and `advance` write these pointers, with tables of the same `LANES`;
    // the load was protected, so the table is not freed before the guard is gone.
    (!head.is_null()).then(|| unsafe { Table::new(head) })
}

fn publish<'g, const LANES: usize>(
    into: &AtomicPtr<Head>,
    fresh: Fresh<LANES>,
    guard: &'g Guard<'_>,
) -> Table<'g, LANES> {
    let head = fresh.0;
    // Release: pairs with `load`; what stands in the table is seen by who finds it. Acquire on
    // failure, for the winner's table, as in `load`.
    let found =
        guard.compare_exchange(into, ptr::null_mut(), head, Ordering::AcqRel, Ordering::Acquire);
    match found {
        Ok(_) => std::mem::forget(fresh),
        Err(_) => drop(fresh),
    }
    // Safety: either our own table, linked just now, or the winner's, whose load was protected.
    unsafe { Table::new(found.map_or_else(|winner| winner, |_| head)) }
}

/// # Safety
/// `head` came from [`Fresh`] with the same `LANES`, and nobody reads it any more.
unsafe fn reclaim<const LANES: usize>(head: *mut Head, _: &Collector) {
    // Safety: as the caller promises.
    unsafe { free::<LANES>(head) };
}

/// # Safety
/// As [`reclaim`].
unsafe fn free<const LANES: usize>(head: *mut Head) {
    // Safety: the shape is read before the memory is given back, with the layout it came by.
    unsafe {
        let shape = Table::<LANES>::new(head).shape;
        give_back(untagged(head).cast(), layout::<LANES>(shape));
    }
}

/// Asks for the line of memory of `place`, so that it is near when it is read. A hint: it reads and
/// changes nothing.
pub fn prefetch<T>(place: *const T) {
    // Safety: no address is a wrong one for a hint.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(place.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}

/// Zeroed memory.
pub fn obtain(layout: Layout) -> *mut u8 {
    let base = if is_mapped(layout) {
        let (access, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        // Safety: a new mapping touches no other; the kernel fills it with zeros when touched.
        unsafe { mmap_anonymous(ptr::null_mut(), layout.size(), access, flags) }
            .map_or(ptr::null_mut(), |base| huge(base, layout.size()).cast())
    } else {
        // Safety: a layout is never of size zero: there is a pointer in every table.
        unsafe { alloc_zeroed(layout) }
    };
    if base.is_null() {
        handle_alloc_error(layout);
    }
    base
}

/// Asks for large pages for a mapping of many: announces look at a few slots anywhere in it, and a
/// processor remembers where some thousand pages are. Pages fill evenly, so none is wasted.
fn huge(base: *mut c_void, size: usize) -> *mut c_void {
    #[cfg(target_os = "linux")]
    if size >= HUGE_MIN {
        // Safety: the mapping is our own, and the advice changes nothing that is stored in it.
        // Where it is refused, small pages do.
        let _ = unsafe { rustix::mm::madvise(base, size, rustix::mm::Advice::LinuxHugepage) };
    }
    base
}

/// Gives memory that nobody uses back to the system. The GNU allocator would keep what many small
/// tables have left; others, like musl's, give it back by themselves.
pub fn trim() {
    #[cfg(target_env = "gnu")]
    {
        unsafe extern "C" {
            fn malloc_trim(pad: usize) -> std::ffi::c_int;
        }
        // Safety: it takes no pointer, and touches nothing but what was freed.
        unsafe { malloc_trim(0) };
    }
}

/// # Safety
/// `base` came from [`obtain`] with the same layout, and nobody reads it any more.
pub unsafe fn give_back(base: *mut u8, layout: Layout) {
    if is_mapped(layout) {
        // Safety: as the caller promises. It can only fail for what is no mapping.
        let unmapped = unsafe { munmap(base.cast(), layout.size()) };
        debug_assert!(unmapped.is_ok(), "a table was mapped as it is unmapped");
    } else {
        // Safety: as the caller promises.
        unsafe { dealloc(base, layout) };
    }
}

/// Whether memory of this size comes from the kernel and not from the allocator, which would keep
/// it when it is given back. Miri knows no such mappings.
const fn is_mapped(layout: Layout) -> bool {
    layout.size() >= MAPPED_MIN && !cfg!(miri)
}

/// The shape of a small table, which its pointer tells.
fn small_shape(head: *mut Head) -> Option<Shape> {
    let tag = (head.addr() % ALIGN).checked_sub(1)?;
    Some(Shape { segments: 1, slots: SMALL[tag / 2], has_ids: tag % 2 == 1 })
}

fn untagged(head: *mut Head) -> *mut AtomicU64 {
    head.map_addr(|addr| addr & !(ALIGN - 1)).cast()
}

/// Words of a slot beside its state word.
const fn lanes<const LANES: usize>(shape: Shape) -> usize {
    LANES + if shape.has_ids { LANES_ID } else { 0 }
}

/// The words of a table that stand before its slots. Those that are read by lines fill one of
/// memory with them.
fn words_before(shape: Shape) -> usize {
    match shape.small_index() {
        Some(_) => 1,
        None if shape.is_lined() => LINE_WORDS,
        None => 2,
    }
}

/// The words of a table of this shape.
fn words<const LANES: usize>(shape: Shape) -> usize {
    let after = match shape.segments {
        1 => 0,
        segments => segments * (SEGMENT_SLOTS / 64) + 2 * segments.div_ceil(64) + 1,
    };
    words_before(shape) + shape.total() * (1 + lanes::<LANES>(shape)) + after
}

fn layout<const LANES: usize>(shape: Shape) -> Layout {
    let align = if shape.is_lined() { LINE_WORDS * WORD } else { ALIGN };
    Layout::from_size_align(words::<LANES>(shape) * WORD, align)
        .expect("a table is far smaller than the address space: caps limit the number of peers")
}
