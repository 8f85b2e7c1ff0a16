//! The memory of the index as loom can watch it: the same face as `src/swarm/index/memory.rs` over
//! loom's atomics. Nothing is given back, so only the order of loads and stores is modelled.

use std::ptr;
use std::sync::atomic::Ordering;

use loom::sync::atomic::{AtomicPtr, AtomicUsize};

use crate::swarm::map::memory::Guard;

/// Half of what it is elsewhere, so that a model comes to the end of a table soon.
pub const LINKS_MIN: usize = 4;

const ADDRESS_BITS: u32 = 48;
const FROZEN: usize = 1;
const GONE: usize = 2;

pub struct Link<'g, T> {
    word: *mut T,
    guard: std::marker::PhantomData<&'g T>,
}

impl<T> Clone for Link<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Link<'_, T> {}

impl<'g, T> Link<'g, T> {
    pub fn is_unclaimed(self) -> bool {
        self.word.addr() & !FROZEN == 0
    }

    pub fn is_frozen(self) -> bool {
        self.word.addr() & FROZEN != 0
    }

    pub fn tag(self) -> u16 {
        (self.word.addr() >> ADDRESS_BITS) as u16
    }

    pub fn entry(self) -> Option<&'g T> {
        let is_gone = self.word.addr() & GONE != 0;
        let address = self.word.map_addr(|word| word & ((1 << ADDRESS_BITS) - 1) & !FROZEN);
        // Safety: entries are never freed in a model.
        unsafe { address.as_ref() }.filter(|_| !is_gone)
    }

    pub fn prefetch(self) {}
}

#[derive(Debug)]
pub struct Head<T> {
    claimed: AtomicUsize,
    links: Vec<AtomicPtr<T>>,
}

pub struct Table<'g, T>(&'g Head<T>);

impl<T> Clone for Table<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Table<'_, T> {}

impl<'g, T> Table<'g, T> {
    pub fn len(self) -> usize {
        self.0.links.len()
    }

    pub fn link(self, at: usize, _: &'g Guard<'_>) -> Link<'g, T> {
        let word = self.0.links[at].load(Ordering::Acquire);
        Link { word, guard: std::marker::PhantomData }
    }

    pub fn claimed(self) -> usize {
        self.0.claimed.load(Ordering::Relaxed)
    }

    pub fn put(
        self,
        at: usize,
        tag: u16,
        entry: Box<T>,
        _: &'g Guard<'_>,
    ) -> Result<&'g T, Box<T>> {
        let entry = Box::into_raw(entry);
        let word = entry.map_addr(|address| address | usize::from(tag) << ADDRESS_BITS);
        let (release, relaxed) = (Ordering::Release, Ordering::Relaxed);
        match self.0.links[at].compare_exchange(ptr::null_mut(), word, release, relaxed) {
            Ok(_) => {
                self.0.claimed.fetch_add(1, Ordering::Relaxed);
                // Safety: entries are never freed in a model.
                Ok(unsafe { &*entry })
            }
            // Safety: nobody saw it.
            Err(_) => Err(unsafe { Box::from_raw(entry) }),
        }
    }

    pub fn unlink(self, at: usize, link: Link<'g, T>, _: &'g Guard<'_>) -> bool {
        let gone = ptr::without_provenance_mut(GONE);
        let (on, no) = (Ordering::AcqRel, Ordering::Relaxed);
        self.0.links[at].compare_exchange(link.word, gone, on, no).is_ok()
    }

    pub fn freeze(self, at: usize, guard: &'g Guard<'_>) -> Link<'g, T> {
        loop {
            let link = self.link(at, guard);
            if link.is_frozen() {
                return link;
            }
            let frozen = link.word.map_addr(|word| word | FROZEN);
            let (on, no) = (Ordering::AcqRel, Ordering::Relaxed);
            let _ = self.0.links[at].compare_exchange(link.word, frozen, on, no);
        }
    }

    pub fn prefetch(self, _: usize) {}

    /// As there; does nothing.
    pub fn prefetch_front(self) {}
}

pub struct Fresh<T>(Box<Head<T>>);

impl<T> Fresh<T> {
    pub fn new(links: usize) -> Fresh<T> {
        let links = (0..links).map(|_| AtomicPtr::new(ptr::null_mut())).collect();
        Fresh(Box::new(Head { claimed: AtomicUsize::new(0), links }))
    }

    pub fn copy(&mut self, link: Link<'_, T>, start: usize) {
        if link.entry().is_none() {
            return;
        }
        let mask = self.0.links.len() - 1;
        let thawed = link.word.map_addr(|word| word & !FROZEN);
        let free = (start..=start + mask)
            .map(|at| &self.0.links[at & mask])
            .find(|word| word.load(Ordering::Relaxed).is_null());
        free.expect("there is room").store(thawed, Ordering::Relaxed);
        self.0.claimed.fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Debug)]
pub struct Root<T>(AtomicPtr<Head<T>>);

impl<T> Root<T> {
    pub fn new() -> Root<T> {
        Root(AtomicPtr::new(ptr::null_mut()))
    }

    pub fn load<'g>(&'g self, _: &'g Guard<'_>) -> Option<Table<'g, T>> {
        // Safety: tables are never freed in a model.
        unsafe { self.0.load(Ordering::Acquire).as_ref() }.map(Table)
    }

    pub fn leads_to(&self, table: Table<'_, T>) -> bool {
        ptr::eq(self.0.load(Ordering::Acquire), table.0)
    }

    pub fn replace(&self, before: Option<Table<'_, T>>, fresh: Fresh<T>, _: &Guard<'_>) {
        let before = before.map_or(ptr::null_mut(), |table| ptr::from_ref(table.0).cast_mut());
        let fresh = Box::into_raw(fresh.0);
        let (release, relaxed) = (Ordering::Release, Ordering::Relaxed);
        let _ = self.0.compare_exchange(before, fresh, release, relaxed);
    }
}
