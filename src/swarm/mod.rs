//! Who is in which swarm. Knows no socket, no SQL, no wire format, and reads no clock.
//!
//! Read [`Swarms`] first: it is the whole face of this room.
//!
//! - [`store`]: the map of all swarms, and the counts of the whole store.
//! - [`index`]: which swarm has which name, in lock-free tables.
//! - [`members`]: one swarm, its counts, and how it ends.
//! - [`choose`]: which peers an announcer is given.
//! - [`map`]: the peers of one swarm and address family, in lock-free tables.
//! - [`reach`]: which addresses the public internet reaches.
//! - [`word`]: how a peer is written in machine words.
//!
//! `docs/swarm.md` draws the memory and says why it holds what it promises.

mod choose;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod index;
mod map;
mod members;
mod reach;
pub mod store;
#[cfg(test)]
mod tests;
mod word;

pub use reach::is_public;
pub use store::{Coming, Swarms};

use std::net::SocketAddr;

use crate::protocol::announce::{Counts, Role};
use crate::protocol::ids::{InfoHash, PeerId};

/// A peer that says it is in a swarm.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// The swarm.
    pub info_hash: InfoHash,
    /// The peer: an address and a port from 1 to 65535. Canonical: never `::ffff:a.b.c.d`.
    pub peer: SocketAddr,
    /// The name the peer chose.
    pub peer_id: PeerId,
    /// What it is to the swarm.
    pub role: Role,
    /// Whether it says that it has just become complete. Counted once per peer, and only when it
    /// was a leecher here before.
    pub completed: bool,
}

/// A peer that is in a swarm, with all that is known of it; what outlives a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resident {
    /// The swarm.
    pub info_hash: InfoHash,
    /// Completions counted in that swarm.
    pub completed: u32,
    /// The peer. Canonical: never `::ffff:a.b.c.d`.
    pub peer: SocketAddr,
    /// Its id, where ids are kept.
    pub peer_id: Option<PeerId>,
    /// What it is to the swarm.
    pub role: Role,
    /// Whether its completion was counted.
    pub has_counted: bool,
    /// Seconds since it last announced.
    pub age: u32,
}

/// Which peers an announcer would like to have.
///
/// Whatever it asks for, a seeder and a partial seed are given leechers alone, and nobody is given
/// itself: neither its own address and port nor, where peer ids are kept, its own peer id.
#[derive(Clone, Copy, Debug, Default)]
pub struct Want {
    /// Most peers, of both families together. Those of the announcer's own family come first.
    pub peers: usize,
    /// Whether peers of the other family fill what is left.
    pub other_family: bool,
    /// Whether their ids are wanted too.
    pub peer_ids: bool,
    /// Whether only peers are of use that the public internet reaches; see [`is_public`].
    pub public_only: bool,
}

/// What became of an arrival.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// The size of the swarm, the peer included.
    pub counts: Counts,
    /// Completions that this arrival was counted as: 0 or 1.
    pub completed: u32,
}

/// Why a peer was not taken in. Time cures both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// `--max-torrents` swarms exist, and this one is not among them.
    Torrents,
    /// `--max-peers-total` peers exist, and this one is not among them.
    Peers,
}

/// The sizes of the whole store, kept up to date without scanning it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Swarms with at least one peer.
    pub torrents: u64,
    /// Peers with an IPv4 address.
    pub v4: FamilyTotals,
    /// Peers with an IPv6 address.
    pub v6: FamilyTotals,
}

/// The peers of one address family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FamilyTotals {
    /// Peers that have everything.
    pub seeders: u64,
    /// All others, partial seeds among them.
    pub leechers: u64,
}

impl Totals {
    /// Seeders of both families.
    pub fn seeders(&self) -> u64 {
        self.v4.seeders + self.v6.seeders
    }

    /// Leechers of both families.
    pub fn leechers(&self) -> u64 {
        self.v4.leechers + self.v6.leechers
    }

    /// All peers.
    pub fn peers(&self) -> u64 {
        self.seeders() + self.leechers()
    }
}
