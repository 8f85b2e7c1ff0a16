//! Looking for an entry, adding and removing one, and replacing the table.
//!
//! An entry is looked for from the place that its tag names on, link by link, until an unclaimed
//! one. A link is claimed once, at the first unclaimed place of the search, where all who bring the
//! same name must meet; when its entry goes, nothing else comes in its place. So a table fills up,
//! and is then replaced whole: whoever needs it freezes every link, after which the table never
//! changes again; builds the next one where nobody sees it; and turns the root to it. Of several
//! that do so at once, one turns the root, and the others' work is thrown away. Tags are kept in
//! the links, so none of that looks at an entry. Nobody ever waits.

use std::borrow::Borrow;

use super::memory::{Fresh, LINKS_MIN, Link, Root, Table};
use crate::protocol::ids::InfoHash;
use crate::swarm::map::memory::Guard;

/// Entries by their names, of which each has one. Any number of threads may call anything at once.
#[derive(Debug)]
pub struct Index<T> {
    pub(super) root: Root<T>,
}

/// What a search came upon.
enum Found<'g, T> {
    Here(usize, Link<'g, T>),
    /// It is not here. This is the place to claim for it.
    Unclaimed(usize),
    /// It is not here, and may be in the table that replaces this one, if one has.
    Moved,
    /// The same, and every place of this one is claimed.
    Full,
}

impl<T: Borrow<InfoHash> + Send + 'static> Index<T> {
    /// No entries. Takes no memory beside its pointer.
    pub fn new() -> Index<T> {
        Index { root: Root::new() }
    }

    /// The entry of this name.
    pub fn get<'g>(&'g self, tag: u16, name: &InfoHash, guard: &'g Guard<'_>) -> Option<&'g T> {
        loop {
            let table = self.root.load(guard)?;
            match search(table, tag, name, guard) {
                Found::Here(_, link) => return link.entry(),
                // As long as this is the table, nobody has come in elsewhere.
                Found::Moved | Found::Full if !self.root.leads_to(table) => {}
                Found::Unclaimed(_) | Found::Moved | Found::Full => return None,
            }
        }
    }

    /// Adds an entry, unless there is one of its name: that is the error then.
    pub fn insert<'g>(
        &'g self,
        tag: u16,
        mut entry: Box<T>,
        guard: &'g Guard<'_>,
    ) -> Result<&'g T, &'g T> {
        loop {
            let Some(table) = self.root.load(guard) else {
                self.root.replace(None, Fresh::new(LINKS_MIN), guard);
                continue;
            };
            match search(table, tag, (*entry).borrow(), guard) {
                Found::Here(_, link) => {
                    if let Some(found) = link.entry() {
                        return Err(found);
                    }
                }
                Found::Unclaimed(at) if !is_full(table) => {
                    match table.put(at, tag, entry, guard) {
                        Ok(entry) => return Ok(entry),
                        Err(refused) => entry = refused, // the place is taken, or frozen
                    }
                }
                Found::Unclaimed(_) | Found::Moved | Found::Full => self.replace(table, guard),
            }
        }
    }

    /// Takes out `entry` itself. It lives on as long as somebody looks at it.
    pub fn remove(&self, tag: u16, entry: &T, guard: &Guard<'_>) {
        while let Some(table) = self.root.load(guard) {
            match search(table, tag, entry.borrow(), guard) {
                Found::Here(at, link) if link.entry().is_some_and(|it| std::ptr::eq(it, entry)) => {
                    if link.is_frozen() {
                        self.replace(table, guard);
                    } else if table.unlink(at, link, guard) {
                        return;
                    }
                }
                Found::Moved | Found::Full if !self.root.leads_to(table) => {}
                _ => return, // somebody else has taken it out
            }
        }
    }

    /// Every entry. Those that come or go meanwhile may be among them or not.
    pub fn each<'g>(&'g self, guard: &'g Guard<'_>) -> impl Iterator<Item = &'g T> {
        // Should the table be replaced from here on, its links still tell what there was.
        let table = self.root.load(guard).into_iter();
        table.flat_map(move |table| {
            (0..table.len()).filter_map(move |at| table.link(at, guard).entry())
        })
    }

    /// Makes the table smaller if it has become much too large for `entries` entries.
    pub fn shrink(&self, entries: usize, guard: &Guard<'_>) {
        if let Some(table) = self.root.load(guard)
            && links_for(entries) * 2 < table.len()
        {
            self.replace(table, guard);
        }
    }

    /// Asks from memory the place where an entry of this tag is looked for first.
    pub fn aim<'g>(&'g self, tag: u16, guard: &'g Guard<'_>) -> Option<Aim<'g, T>> {
        let table = self.root.load(guard)?;
        table.prefetch(place(tag, table.len()));
        Some(Aim { table, tag })
    }

    /// Replaces a table that is full, or that somebody else has begun to replace.
    fn replace<'g>(&'g self, table: Table<'g, T>, guard: &'g Guard<'_>) {
        let links = 0..table.len();
        // All are frozen before the first is copied: an entry could come in behind the copying.
        let frozen = links.clone().map(|at| table.freeze(at, guard));
        let entries = frozen.filter(|link| link.entry().is_some()).count();
        if !self.root.leads_to(table) {
            return;
        }
        let length = links_for(entries + 1);
        let mut fresh = Fresh::new(length);
        for link in links.map(|at| table.link(at, guard)) {
            fresh.copy(link, place(link.tag(), length));
        }
        self.root.replace(Some(table), fresh, guard);
    }
}

/// A place that is on its way from memory.
pub struct Aim<'g, T> {
    table: Table<'g, T>,
    tag: u16,
}

impl<'g, T> Aim<'g, T> {
    /// What is, most likely, the entry that was aimed at: asked from memory too.
    pub fn follow(&self, guard: &'g Guard<'_>) -> Option<&'g T> {
        let links = nearest(self.table, self.tag).take(LINKS_MIN);
        let mut links = links.map(|at| self.table.link(at, guard));
        let Some(link) = links.find(|link| link.tag() == self.tag) else {
            self.table.prefetch_front(); // an entry is about to be made, most likely
            return None;
        };
        link.prefetch();
        link.entry()
    }
}

fn search<'g, T: Borrow<InfoHash>>(
    table: Table<'g, T>,
    tag: u16,
    name: &InfoHash,
    guard: &'g Guard<'_>,
) -> Found<'g, T> {
    for at in nearest(table, tag) {
        let link = table.link(at, guard);
        if link.is_unclaimed() {
            return if link.is_frozen() { Found::Moved } else { Found::Unclaimed(at) };
        }
        if link.tag() == tag && link.entry().is_some_and(|entry| entry.borrow() == name) {
            return Found::Here(at, link);
        }
    }
    Found::Full
}

/// All places of a table, from the one on that a tag names.
fn nearest<T>(table: Table<'_, T>, tag: u16) -> impl Iterator<Item = usize> {
    let (first, mask) = (place(tag, table.len()), table.len() - 1);
    (first..=first + mask).map(move |at| at & mask)
}

/// The place that a tag names in a table of this length.
fn place(tag: u16, length: usize) -> usize {
    (usize::from(tag) * length) >> u16::BITS
}

/// A search ends after a few links as long as a quarter of them was never claimed.
fn is_full<T>(table: Table<'_, T>) -> bool {
    table.claimed() >= table.len() / 4 * 3
}

/// The length of a new table: with room for a fifth more before it is full, at least.
fn links_for(entries: usize) -> usize {
    (entries + entries * 3 / 5).next_power_of_two().max(LINKS_MIN)
}
