//! One swarm: its name, its peers of both families, its counts, and how it ends.

use std::borrow::Borrow;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::map::PeerMap;
use super::map::grow::Context;
use super::map::table::{Entry, Tally};
use super::word::{IdLanes, Key, LANES_V4, LANES_V6, Ticks};
use crate::clock::Now;
use crate::protocol::announce::Counts;
use crate::protocol::ids::InfoHash;

/// A swarm. It is its own key in the map of all, by its info hash.
///
/// 56 bytes, so that it fits 64 together with what an allocator adds.
///
/// Invariant: for every live word in its tables, and for every announce that may yet make one, a
/// place is counted in `population`. So when that is zero nobody is there and nobody is coming,
/// and the swarm can be closed by one compare-and-swap; who comes later finds it closed.
pub struct Members {
    info_hash: InfoHash,
    completed: AtomicU32,
    v4: PeerMap<LANES_V4>,
    v6: PeerMap<LANES_V6>,
    /// IPv4 peers in the low half, IPv6 peers above, [`CLOSED`] on top.
    population: AtomicU64,
    seeders: AtomicU32,
    paused: AtomicU32,
}

const _: () = assert!(size_of::<Members>() == 56);

const CLOSED: u64 = 1 << 63;

/// The address family of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// That of a peer.
    pub const fn of(peer: SocketAddr) -> Family {
        if peer.is_ipv4() { Family::V4 } else { Family::V6 }
    }

    const fn shift(self) -> u32 {
        match self {
            Family::V4 => 0,
            Family::V6 => 32,
        }
    }
}

impl Members {
    /// A swarm with a place reserved for one peer.
    pub fn with_place(info_hash: InfoHash, family: Family) -> Members {
        Members {
            info_hash,
            completed: AtomicU32::new(0),
            v4: PeerMap::new(),
            v6: PeerMap::new(),
            population: AtomicU64::new(1 << family.shift()),
            seeders: AtomicU32::new(0),
            paused: AtomicU32::new(0),
        }
    }

    /// The swarm's name.
    pub fn info_hash(&self) -> InfoHash {
        self.info_hash
    }

    /// The IPv4 peers.
    pub fn v4(&self) -> &PeerMap<LANES_V4> {
        &self.v4
    }

    /// The IPv6 peers.
    pub fn v6(&self) -> &PeerMap<LANES_V6> {
        &self.v6
    }

    /// Asks for the beginning of the table of a family, so that it is near when it is read.
    pub fn prefetch_table(&self, family: Family) {
        match family {
            Family::V4 => self.v4.prefetch_table(),
            Family::V6 => self.v6.prefetch_table(),
        }
    }

    /// Whether it has ended. It is about to leave the map, and takes nobody in.
    pub fn is_closed(&self) -> bool {
        // Acquire: pairs with `close`; who finds it closed may go back to the map.
        self.population.load(Ordering::Acquire) & CLOSED != 0
    }

    /// Reserves a place for one more peer; false when the swarm is closed.
    pub fn reserve(&self, family: Family) -> bool {
        let one_more = |population: u64| {
            (population & CLOSED == 0).then_some(population + (1 << family.shift()))
        };
        // AcqRel, Acquire: pairs with `close`, so that a place and the end exclude each other.
        let reserved = self.population.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more);
        reserved.is_ok()
    }

    /// Ends the swarm if nobody is in it and nobody is coming. True for the one that ended it.
    pub fn close(&self) -> bool {
        // AcqRel: pairs with `reserve` and `apply`.
        self.population.compare_exchange(0, CLOSED, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Peers of a family, and places reserved for more: never fewer than its tables hold, since a
    /// place is taken before a peer comes in and given back after it has left.
    fn peers(&self, family: Family) -> usize {
        // Relaxed: a lone number, wanted roughly.
        let population = self.population.load(Ordering::Relaxed) & !CLOSED;
        (population >> family.shift()) as u32 as usize
    }

    /// Renews a peer that is here, and tells what that changed; `None` when it is not here.
    pub fn renew(&self, cx: Context<'_, '_>, family: Family, entry: &Entry) -> Option<Tally> {
        let peers = || self.peers(family);
        let tally = match family {
            Family::V4 => self.v4.renew(cx, entry, &peers),
            Family::V6 => self.v6.renew(cx, entry, &peers),
        }?;
        self.apply(family, &tally);
        Some(tally)
    }

    /// Takes in a peer for whom a place was reserved, or renews it and gives the place back.
    pub fn insert(&self, cx: Context<'_, '_>, family: Family, entry: &Entry) -> Tally {
        let peers = || self.peers(family);
        let tally = match family {
            Family::V4 => self.v4.insert(cx, entry, &peers),
            Family::V6 => self.v6.insert(cx, entry, &peers),
        };
        self.apply(family, &tally);
        tally
    }

    /// Takes a peer out.
    pub fn remove(
        &self,
        cx: Context<'_, '_>,
        family: Family,
        key: &Key,
        id: Option<&IdLanes>,
    ) -> Option<Tally> {
        let tally = match family {
            Family::V4 => self.v4.remove(cx, key, id),
            Family::V6 => self.v6.remove(cx, key, id),
        }?;
        self.apply(family, &tally);
        Some(tally)
    }

    /// Takes the expired peers of a family out.
    pub fn sweep(&self, cx: Context<'_, '_>, family: Family, now: Now, ticks: Ticks) -> Tally {
        let peers = || self.peers(family);
        let tally = match family {
            Family::V4 => self.v4.sweep(cx, now, ticks, &peers),
            Family::V6 => self.v6.sweep(cx, now, ticks, &peers),
        };
        self.apply(family, &tally);
        tally
    }

    /// Follows what a call has changed. Seeders and partial seeds come first, so that a swarm is
    /// not closed while its other counts are still on their way.
    fn apply(&self, family: Family, tally: &Tally) {
        // Relaxed: lone numbers, right once every thread rests. They wrap below zero for a moment
        // when one thread counts a peer out before another has counted it in.
        let add = |count: &AtomicU32, change: i64| {
            if change != 0 {
                count.fetch_add(change.cast_unsigned() as u32, Ordering::Relaxed);
            }
        };
        add(&self.seeders, tally.seeders);
        add(&self.paused, tally.paused);
        if tally.completed > 0 {
            let more = |completed: u32| Some(completed.saturating_add(tally.completed));
            let _ = self.completed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        }
        if tally.peers < 0 {
            // AcqRel: pairs with `close`. Places are only ever given back here, so neither half
            // borrows from the other.
            let back = tally.peers.unsigned_abs() << family.shift();
            self.population.fetch_sub(back, Ordering::AcqRel);
        }
    }

    /// Raises the number of completions to what it was before a restart.
    pub fn restore_completed(&self, completed: u32) {
        self.completed.fetch_max(completed, Ordering::Relaxed); // a lone number
    }

    /// The size of the swarm; `None` when nobody is in it.
    pub fn counts(&self) -> Option<Counts> {
        // Relaxed: lone numbers.
        let population = self.population.load(Ordering::Relaxed);
        if population == 0 || population & CLOSED != 0 {
            return None;
        }
        let peers = population as u32 + (population >> 32) as u32;
        let read = |count: &AtomicU32| {
            let count = count.load(Ordering::Relaxed);
            if count > i32::MAX as u32 { 0 } else { count.min(peers) }
        };
        let seeders = read(&self.seeders);
        let leechers = peers - seeders;
        let paused = read(&self.paused).min(leechers);
        let completed = self.completed.load(Ordering::Relaxed);
        Some(Counts { seeders, leechers, paused, completed })
    }
}

impl Borrow<InfoHash> for Members {
    fn borrow(&self) -> &InfoHash {
        &self.info_hash
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Members").field("info_hash", &self.info_hash).finish_non_exhaustive()
    }
}
