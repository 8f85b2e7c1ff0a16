//! The memory of tables as loom can watch it: the same face as `src/swarm/map/memory.rs` over
//! loom's atomics. Nothing is given back, so only the order of loads and stores is modelled.

use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::Ordering;

use loom::sync::atomic::AtomicPtr;
pub use loom::sync::atomic::AtomicU64;

use super::shape::Shape;
use crate::swarm::word::LANES_ID;

pub struct Guard<'c>(pub PhantomData<&'c ()>);

pub struct Head {
    next: AtomicPtr<Head>,
    words: Vec<AtomicU64>,
    shape: Shape,
}

#[derive(Clone, Copy)]
pub struct Table<'g, const LANES: usize>(&'g Head);

impl<'g, const LANES: usize> Table<'g, LANES> {
    pub fn shape(&self) -> Shape {
        self.0.shape
    }

    pub fn word(&self, slot: usize, lane: usize) -> &'g AtomicU64 {
        let stride = 1 + LANES + if self.0.shape.has_ids { LANES_ID } else { 0 };
        &self.0.words[slot * stride + lane]
    }

    pub fn prefetch(&self, _: usize, _: usize) {}

    pub fn prefetch_lanes(&self, _: usize) {}

    pub fn leecher_marks(&self, _: usize) -> &'g AtomicU64 {
        unreachable!("the model's tables are small")
    }

    pub fn segment_marks(&self, _: usize) -> &'g AtomicU64 {
        unreachable!("the model's tables are small")
    }

    pub fn ready(&self, _: usize) -> &'g AtomicU64 {
        unreachable!("the model's tables are small")
    }

    pub fn cursor(&self) -> &'g AtomicU64 {
        unreachable!("the model's tables are small")
    }

    pub fn next(&self, _: &'g Guard<'_>) -> Option<Table<'g, LANES>> {
        load(&self.0.next)
    }

    pub fn publish_next(&self, fresh: Fresh<LANES>, _: &'g Guard<'_>) -> Table<'g, LANES> {
        publish(&self.0.next, fresh)
    }
}

pub struct Fresh<const LANES: usize>(Box<Head>);

impl<const LANES: usize> Fresh<LANES> {
    pub fn new(shape: Shape) -> Fresh<LANES> {
        let stride = 1 + LANES + if shape.has_ids { LANES_ID } else { 0 };
        Fresh(Box::new(Head {
            next: AtomicPtr::new(ptr::null_mut()),
            words: (0..shape.total() * stride).map(|_| AtomicU64::new(0)).collect(),
            shape,
        }))
    }

    pub fn table(&self) -> Table<'_, LANES> {
        Table(&self.0)
    }
}

pub struct Root<const LANES: usize>(AtomicPtr<Head>);

impl<const LANES: usize> Root<LANES> {
    pub fn new() -> Root<LANES> {
        Root(AtomicPtr::new(ptr::null_mut()))
    }

    pub fn load<'g>(&self, _: &'g Guard<'_>) -> Option<Table<'g, LANES>> {
        load(&self.0)
    }

    pub fn prefetch(&self) {}

    pub fn publish_first(&self, fresh: Fresh<LANES>, _: &Guard<'_>) {
        publish::<LANES>(&self.0, fresh);
    }

    pub fn advance(&self, from: &Table<'_, LANES>, to: &Table<'_, LANES>, _: &Guard<'_>) {
        let (from, to) = (ptr::from_ref(from.0).cast_mut(), ptr::from_ref(to.0).cast_mut());
        let _ = self.0.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed);
    }
}

fn load<'g, const LANES: usize>(from: &AtomicPtr<Head>) -> Option<Table<'g, LANES>> {
    // Safety: tables are never freed in a model.
    unsafe { from.load(Ordering::Acquire).as_ref() }.map(Table)
}

fn publish<'g, const LANES: usize>(into: &AtomicPtr<Head>, fresh: Fresh<LANES>) -> Table<'g, LANES> {
    let head = Box::into_raw(fresh.0);
    let found =
        into.compare_exchange(ptr::null_mut(), head, Ordering::AcqRel, Ordering::Acquire);
    // Safety: tables are never freed in a model.
    Table(unsafe { &*found.map_or_else(|winner| winner, |_| head) })
}
