//! The peers of one swarm and address family: a lock-free table that grows and shrinks.
//!
//! Read [`PeerMap`] first. Knows no swarm, no caps, and no clock but the ticks it is told.
//!
//! - [`memory`]: the words of a table, and all `unsafe`.
//! - [`shape`]: how large a table is for how many peers.
//! - [`table`]: one table, while it is the only one.
//! - [`grow`]: how one table replaces another.
//! - [`peers`]: what a swarm does with them.

pub mod grow;
pub mod memory;
#[cfg(test)]
mod parked;
pub mod peers;
pub mod shape;
pub mod table;

pub use peers::PeerMap;
