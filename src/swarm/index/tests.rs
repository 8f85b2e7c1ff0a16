//! The index beside a `BTreeMap`, and under threads that come and go at the same names.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use seize::Collector;

use super::memory::{LINKS_MIN, Table};
use super::names::*;
use crate::protocol::ids::InfoHash;

/// An entry that tells when it is dropped.
#[derive(Debug)]
struct Named {
    name: InfoHash,
    maker: usize,
    dropped: Arc<AtomicUsize>,
}

impl Borrow<InfoHash> for Named {
    fn borrow(&self) -> &InfoHash {
        &self.name
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

fn name(number: usize) -> InfoHash {
    let mut bytes = [0; 20];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    InfoHash(bytes)
}

/// Tags that differ for most names, or for few: then all are looked for in one place.
fn tag(number: usize, is_crowded: bool) -> u16 {
    let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48;
    if is_crowded { u16::MAX - (spread % 2) as u16 } else { spread as u16 }
}

proptest! {
    #[test]
    fn index_is_a_map(
        steps in prop::collection::vec((0_usize..3, 0_usize..60), 0..600),
        is_crowded: bool,
    ) {
        let (collector, dropped) = (Collector::new(), Arc::<AtomicUsize>::default());
        let (index, mut model) = (Index::new(), BTreeMap::new());
        let mut made = 0;
        for (maker, (what, number)) in steps.into_iter().enumerate() {
            let guard = collector.enter();
            let (tag, name) = (tag(number, is_crowded), name(number));
            let found: Option<&Named> = index.get(tag, &name, &guard);
            prop_assert_eq!(found.map(|it| it.maker), model.get(&number).copied());
            match (what, found) {
                (0 | 1, _) => {
                    made += 1;
                    let entry = Box::new(Named { name, maker, dropped: dropped.clone() });
                    let inserted = index.insert(tag, entry, &guard).map(|it| it.maker);
                    let before = *model.entry(number).or_insert(maker);
                    let wanted = if found.is_some() { Err(before) } else { Ok(maker) };
                    prop_assert_eq!(inserted.map_err(|it| it.maker), wanted);
                }
                (_, Some(found)) => {
                    index.remove(tag, found, &guard);
                    model.remove(&number);
                    index.shrink(model.len(), &guard);
                }
                _ => index.shrink(model.len(), &guard),
            }
            let mut all: Vec<_> = index.each(&guard).map(|it| it.maker).collect();
            all.sort_unstable();
            let mut wanted: Vec<_> = model.values().copied().collect();
            wanted.sort_unstable();
            prop_assert_eq!(all, wanted);
            let aimed = index.aim(tag, &guard).and_then(|aim| aim.follow(&guard));
            prop_assert!(aimed.is_none_or(|it| model.values().any(|maker| *maker == it.maker)));
        }
        drop(index);
        drop(collector);
        prop_assert_eq!(dropped.load(Ordering::Relaxed), made, "each entry is dropped once");
    }
}

#[test]
fn what_is_aimed_at_is_found() {
    let (collector, dropped) = (Collector::new(), Arc::<AtomicUsize>::default());
    let index = Index::new();
    let guard = collector.enter();
    let mut hits = 0;
    for number in 0..1_000 {
        let entry = Box::new(Named { name: name(number), maker: number, dropped: dropped.clone() });
        index.insert(tag(number, false), entry, &guard).unwrap();
        let aim = index.aim(tag(number, false), &guard).unwrap();
        hits += usize::from(aim.follow(&guard).is_some_and(|it| it.maker == number));
    }
    assert!(hits > 950, "of 1,000 only {hits}");
}

#[test]
fn table_follows_the_number_of_entries() {
    let (collector, dropped) = (Collector::new(), Arc::<AtomicUsize>::default());
    let index = Index::new();
    let guard = collector.enter();
    let length = || index.root.load(&guard).map_or(0, Table::len);
    for number in 0..10_000 {
        let entry = Box::new(Named { name: name(number), maker: number, dropped: dropped.clone() });
        index.insert(tag(number, false), entry, &guard).unwrap();
        assert!(length() < 3 * (number + 1).max(LINKS_MIN), "{} for {number}", length());
    }
    index.shrink(10_000, &guard);
    assert_eq!(length(), 16_384, "nothing to gain");
    for number in 10..10_000 {
        let entry = index.get(tag(number, false), &name(number), &guard).unwrap();
        index.remove(tag(number, false), entry, &guard);
    }
    index.shrink(10, &guard);
    assert_eq!(length(), 32);
    assert_eq!(index.each(&guard).count(), 10);
}

/// Who comes and goes at few names all the time grows nothing.
#[test]
fn places_of_the_departed_are_used_again() {
    let (collector, dropped) = (Collector::new(), Arc::<AtomicUsize>::default());
    let index = Index::new();
    for round in 0..10_000 {
        let guard = collector.enter();
        let entry = Box::new(Named { name: name(round), maker: round, dropped: dropped.clone() });
        let entry = index.insert(tag(round, false), entry, &guard).unwrap();
        index.remove(tag(round, false), entry, &guard);
        assert_eq!(index.root.load(&guard).map(Table::len), Some(LINKS_MIN));
    }
    assert!(dropped.load(Ordering::Relaxed) > 9_000, "they are given back on the way");
}

/// Every insert that succeeds is answered by one removal of just that entry, by whoever comes.
#[test]
fn threads_never_lose_or_double_an_entry_stress() {
    const NAMES: usize = 300;
    const STEPS: usize = 30_000;
    let (collector, dropped) = (&Collector::new(), &Arc::<AtomicUsize>::default());
    let index = &Index::new();
    let present: &Vec<AtomicUsize> = &(0..NAMES).map(|_| AtomicUsize::new(0)).collect();
    let made = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let made = &made;
            scope.spawn(move || {
                let mut rng = fastrand::Rng::with_seed(seed);
                let mut reach = NAMES;
                for step in 0..STEPS {
                    if step % 1_000 == 0 {
                        reach = rng.usize(1..NAMES); // tables grow, and shrink
                    }
                    let number = rng.usize(..reach);
                    let (tag, guard) = (tag(number, number.is_multiple_of(7)), collector.enter());
                    match index.get(tag, &name(number), &guard) {
                        // Who has it in hand alone takes it out.
                        Some(entry) if rng.bool() => {
                            let entry: &Named = entry;
                            let (here, gone) = (entry.maker + 1, 0);
                            let (on, no) = (Ordering::SeqCst, Ordering::SeqCst);
                            let own = present[number].compare_exchange(here, gone, on, no);
                            if own.is_ok() {
                                index.remove(tag, entry, &guard);
                            }
                        }
                        Some(entry) => assert_eq!(entry.name, name(number)),
                        None => {
                            let maker = made.fetch_add(1, Ordering::SeqCst);
                            let entry = Box::new(Named {
                                name: name(number),
                                maker,
                                dropped: dropped.clone(),
                            });
                            if index.insert(tag, entry, &guard).is_ok() {
                                let before = present[number].swap(maker + 1, Ordering::SeqCst);
                                assert_eq!(before, 0, "two of one name");
                            }
                        }
                    }
                    if rng.u32(..500) == 0 {
                        index.shrink(index.each(&guard).count(), &guard);
                    }
                }
            });
        }
    });
    let guard = collector.enter();
    for (number, present) in present.iter().enumerate() {
        let tag = tag(number, number.is_multiple_of(7));
        let found = index.get(tag, &name(number), &guard).map_or(0, |it: &Named| it.maker + 1);
        assert_eq!(found, present.load(Ordering::SeqCst), "name {number}");
    }
}
