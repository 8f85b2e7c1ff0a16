//! The memory of a table of swarms: where it comes from, who may read it, when it is given back,
//! and when the swarms are that it leads to.
//!
//! All `unsafe` of the room is here. Read [`Table`] first.
//!
//! ```text
//! one line of memory:  claimed │ 7 words free
//! 2^n words:           link │ link │ …           n in the low bits of the pointer to it all
//! ```

#![allow(unsafe_code)] // a link must be one atomic word that leads to memory with an end of its own

use std::alloc::Layout;
use std::fmt;
use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use seize::{Collector, Guard as _};

use crate::swarm::map::memory::{Guard, give_back, obtain, prefetch};

/// What an atomic pointer to a table points at. Never read through: the low bits of the pointer
/// say how long the table is.
struct Head(());

/// The first line of a table. Read only by who makes an entry.
#[repr(C, align(64))]
struct Front {
    /// How many links are, or were, in use.
    claimed: AtomicUsize,
}

const ALIGN: usize = align_of::<Front>();
/// Fewest links of a table: they fill the line after the first.
pub const LINKS_MIN: usize = 8;

/// Bits of an address. Above them is room for a tag.
const ADDRESS_BITS: u32 = 48;
const TAGS: usize = usize::MAX << ADDRESS_BITS;
const FROZEN: usize = 1;
const GONE: usize = 2;
const FLAGS: usize = FROZEN | GONE;

/// One word of a table, as it was when it was read.
///
/// | bits | what |
/// |---|---|
/// | 63–48 | tag: the part of the entry's hash by which it is placed |
/// | 47–2 | address of the entry; 0 where there is none |
/// | 1 | gone: the entry has left, and no other comes |
/// | 0 | frozen: the word changes no more |
pub struct Link<'g, T> {
    word: *mut T,
    guard: PhantomData<&'g T>,
}

impl<T> Clone for Link<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Link<'_, T> {}

impl<'g, T> Link<'g, T> {
    /// Whether nothing ever stood here.
    pub fn is_unclaimed(self) -> bool {
        self.word.addr() & !FROZEN == 0
    }

    /// Whether it changes no more.
    pub fn is_frozen(self) -> bool {
        self.word.addr() & FROZEN != 0
    }

    /// The tag of the entry; 0 where there is none.
    pub fn tag(self) -> u16 {
        (self.word.addr() >> ADDRESS_BITS) as u16
    }

    /// The entry, unless it is gone or never was.
    pub fn entry(self) -> Option<&'g T> {
        let address = self.address()?;
        // Safety: see `Table`; the link was read under the guard.
        Some(unsafe { &*address })
    }

    /// Where the entry is, without a look at it.
    fn address(self) -> Option<*mut T> {
        if self.word.addr() & GONE != 0 {
            return None;
        }
        let address = self.word.map_addr(|word| word & !(TAGS | FLAGS));
        (!address.is_null()).then_some(address)
    }

    /// Asks for the entry, so that it is near when it is read.
    pub fn prefetch(self) {
        if let Some(address) = self.address() {
            prefetch(address);
            // An entry shorter than a line lies across two, mostly.
            prefetch(address.wrapping_byte_add(size_of::<T>() - 1));
        }
    }
}

/// A table of entries, as long as the guard it was found under lives.
///
/// Invariant: entries are given back only by [`Table::unlink`], which succeeds only on a table that
/// is not frozen, so that nothing has replaced it, and the root leads to it. So whoever comes to
/// the root later finds no link to the entry, and whoever came before holds a guard that the
/// collector waits for.
pub struct Table<'g, T> {
    head: *mut Head,
    entries: PhantomData<&'g T>,
}

impl<T> Clone for Table<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Table<'_, T> {}

impl<'g, T> Table<'g, T> {
    /// How many links it has: a power of two.
    pub fn len(self) -> usize {
        length(self.head)
    }

    /// A link of it.
    pub fn link(self, at: usize, guard: &'g Guard<'_>) -> Link<'g, T> {
        // Acquire: pairs with the release in `put`; who sees a link sees what it leads to.
        Link { word: guard.protect(self.word(at), Ordering::Acquire), guard: PhantomData }
    }

    /// How many links are, or were, in use; a few more may be by now.
    pub fn claimed(self) -> usize {
        self.front().claimed.load(Ordering::Relaxed) // a lone number, wanted roughly
    }

    /// Writes a link to `entry` where nothing ever stood. The entry is given back when the place is
    /// not free any more, or the table frozen.
    pub fn put(
        self,
        at: usize,
        tag: u16,
        entry: Box<T>,
        guard: &'g Guard<'_>,
    ) -> Result<&'g T, Box<T>> {
        let entry = Box::into_raw(entry);
        let (null, word) = (ptr::null_mut(), tagged(entry, tag));
        // Release: pairs with `link`. Relaxed on failure: the caller reads the link again.
        match guard.compare_exchange(
            self.word(at),
            null,
            word,
            Ordering::Release,
            Ordering::Relaxed,
        ) {
            Ok(_) => {
                self.front().claimed.fetch_add(1, Ordering::Relaxed);
                // Safety: see `Table`; it was linked under the guard.
                Ok(unsafe { &*entry })
            }
            // Safety: it came from a box a moment ago, and nobody saw it.
            Err(_) => Err(unsafe { Box::from_raw(entry) }),
        }
    }

    /// Takes out the entry of `link`, which was read at this place, and gives it back once nobody
    /// looks at it any more. False when the link has changed.
    pub fn unlink(self, at: usize, link: Link<'g, T>, guard: &'g Guard<'_>) -> bool
    where
        T: Send + 'static, // any thread may drop it, as late as with the collector
    {
        let Some(entry) = link.address().filter(|_| !link.is_frozen()) else { return false };
        let gone = ptr::without_provenance_mut(GONE);
        // AcqRel: what others have written into the entry is seen by who gives it back.
        let taken = guard.compare_exchange(
            self.word(at),
            link.word,
            gone,
            Ordering::AcqRel,
            Ordering::Relaxed,
        );
        if taken.is_ok() {
            // Safety: the exchange has unlinked it, which happens once, as a word that is gone
            // stays so; it came from a box; and see `Table`.
            unsafe { guard.collector().retire(entry, drop_entry::<T>) };
        }
        taken.is_ok()
    }

    /// Has a link change no more, and tells what it is.
    pub fn freeze(self, at: usize, guard: &'g Guard<'_>) -> Link<'g, T> {
        loop {
            let link = self.link(at, guard);
            if link.is_frozen() {
                return link;
            }
            let frozen = link.word.map_addr(|word| word | FROZEN);
            // AcqRel: what stands in a frozen table is seen by who copies it.
            let _ = guard.compare_exchange(
                self.word(at),
                link.word,
                frozen,
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
        }
    }

    /// Asks for a link, so that it is near when it is read.
    pub fn prefetch(self, at: usize) {
        prefetch(self.word(at));
    }

    /// Asks for what making an entry reads first.
    pub fn prefetch_front(self) {
        prefetch(self.front());
    }

    fn front(self) -> &'g Front {
        // Safety: every table begins with one, and lives as long as the guard.
        unsafe { &*untagged(self.head).cast() }
    }

    fn word(self, at: usize) -> &'g AtomicPtr<T> {
        assert!(at < self.len(), "a table has that many links");
        // Safety: the table is that long, it was zeroed, which is a null pointer, and it lives as
        // long as the guard.
        unsafe { &*untagged(self.head).byte_add(size_of::<Front>()).cast::<AtomicPtr<T>>().add(at) }
    }
}

/// A table nobody else can see yet. What it leads to is not its own.
pub struct Fresh<T> {
    head: *mut Head,
    entries: PhantomData<T>,
}

impl<T> Fresh<T> {
    /// An empty table with `links` links, a power of two.
    pub fn new(links: usize) -> Fresh<T> {
        assert!(links.is_power_of_two() && links >= LINKS_MIN, "tables double");
        let head: *mut Head = obtain(layout(links)).cast();
        let head = head.map_addr(|address| address | links.ilog2() as usize);
        Fresh { head, entries: PhantomData }
    }

    /// Copies a link out of a frozen table to the first free place from `start` on.
    pub fn copy(&mut self, link: Link<'_, T>, start: usize) {
        if link.address().is_none() {
            return;
        }
        let (table, mask) = (self.table(), length(self.head) - 1);
        let thawed = link.word.map_addr(|word| word & !FROZEN);
        // Relaxed throughout: nobody else sees it before it is published.
        let mut words = (start..=start + mask).map(|at| table.word(at & mask));
        let free = words.find(|word| word.load(Ordering::Relaxed).is_null());
        let free = free.expect("a table is larger than what is copied into it");
        free.store(thawed, Ordering::Relaxed);
        table.front().claimed.fetch_add(1, Ordering::Relaxed);
    }

    fn table(&self) -> Table<'_, T> {
        Table { head: self.head, entries: PhantomData }
    }
}

impl<T> Drop for Fresh<T> {
    fn drop(&mut self) {
        // Safety: nobody else ever saw it.
        unsafe { free(self.head) };
    }
}

/// Where a table hangs.
pub struct Root<T> {
    head: AtomicPtr<Head>,
    entries: PhantomData<T>,
}

// Safety: entries are read by all threads and dropped by any of them.
unsafe impl<T: Send + Sync> Send for Root<T> {}
// Safety: as above.
unsafe impl<T: Send + Sync> Sync for Root<T> {}

impl<T> Root<T> {
    /// No table.
    pub fn new() -> Root<T> {
        Root { head: AtomicPtr::new(ptr::null_mut()), entries: PhantomData }
    }

    /// The table; `None` when there has never been any.
    pub fn load<'g>(&'g self, guard: &'g Guard<'_>) -> Option<Table<'g, T>> {
        // Acquire: pairs with the release in `replace`.
        let head = guard.protect(&self.head, Ordering::Acquire);
        (!head.is_null()).then_some(Table { head, entries: PhantomData })
    }

    /// Whether `table` is still the table.
    pub fn leads_to(&self, table: Table<'_, T>) -> bool {
        // Acquire: who learns of another table goes there, and finds what is in it.
        self.head.load(Ordering::Acquire) == table.head
    }

    /// Makes `fresh` the table in place of `before`, which is frozen, unless another one is.
    pub fn replace(&self, before: Option<Table<'_, T>>, fresh: Fresh<T>, guard: &Guard<'_>) {
        let before = before.map_or(ptr::null_mut(), |table| table.head);
        // Release: pairs with `load`; what stands in the table is seen by who finds it.
        let (release, no) = (Ordering::Release, Ordering::Relaxed);
        if guard.compare_exchange(&self.head, before, fresh.head, release, no).is_err() {
            return;
        }
        std::mem::forget(fresh);
        if !before.is_null() {
            // Safety: the exchange has unlinked it, which happens once, as nothing goes back to an
            // earlier table; it came from `Fresh`.
            unsafe { guard.collector().retire(before, reclaim) };
        }
    }
}

impl<T> Drop for Root<T> {
    fn drop(&mut self) {
        let head = *self.head.get_mut();
        if head.is_null() {
            return;
        }
        let table = Table::<T> { head, entries: PhantomData };
        for at in 0..table.len() {
            // Relaxed: whoever drops the root has synchronised with all who used it.
            let word = table.word(at).load(Ordering::Relaxed);
            if let Some(entry) = (Link { word, guard: PhantomData }).address() {
                // Safety: it came from a box and is still linked, so it was not retired; nobody
                // else can reach it.
                drop(unsafe { Box::from_raw(entry) });
            }
        }
        // Safety: nobody else can reach this root, and its table is still linked, so it was not
        // retired.
        unsafe { free(head) };
    }
}

impl<T> fmt::Debug for Root<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Root").finish_non_exhaustive()
    }
}

fn tagged<T>(entry: *mut T, tag: u16) -> *mut T {
    // So it is on all systems that we run on, unless a program asks for more.
    assert!(entry.addr() & (TAGS | FLAGS) == 0, "addresses have 48 bits");
    entry.map_addr(|address| address | usize::from(tag) << ADDRESS_BITS)
}

fn untagged(head: *mut Head) -> *mut Head {
    head.map_addr(|address| address & !(ALIGN - 1))
}

fn length(head: *mut Head) -> usize {
    1 << (head.addr() % ALIGN)
}

fn layout(links: usize) -> Layout {
    Layout::from_size_align(size_of::<Front>() + links * size_of::<AtomicPtr<()>>(), ALIGN)
        .expect("a table is far smaller than the address space: caps limit the number of swarms")
}

/// # Safety
/// `entry` came from a box, and nobody reads it any more.
unsafe fn drop_entry<T>(entry: *mut T, _: &Collector) {
    // Safety: as the caller promises.
    drop(unsafe { Box::from_raw(entry) });
}

/// # Safety
/// `head` came from [`Fresh`], and nobody reads it any more.
unsafe fn reclaim(head: *mut Head, _: &Collector) {
    // Safety: as the caller promises.
    unsafe { free(head) };
}

/// # Safety
/// As [`reclaim`].
unsafe fn free(head: *mut Head) {
    // Safety: with the layout it came by.
    unsafe { give_back(untagged(head).cast(), layout(length(head))) };
}
