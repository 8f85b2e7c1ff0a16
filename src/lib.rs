//! Wildkat: a BitTorrent tracker in one file.
//!
//! The rooms, in reading order; each may import only from those above it, as `tests/architecture`
//! holds:
//!
//! | room | what it is |
//! |---|---|
//! | [`protocol`] | bytes to types and back: BEP 15, HTTP, bencode, .torrent |
//! | [`clock`] | the present moment; the one place that reads a clock |
//! | [`stats`] | counters per worker, summed when read |
//! | [`limits`], [`config`] | every bound of ours; what the command line meant |
//! | [`swarm`] | who is in which swarm |

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that fails here should stop"))]

pub mod clock;
pub mod config;
pub mod limits;
pub mod protocol;
pub mod stats;
pub mod swarm;

#[cfg(test)]
mod tests;
