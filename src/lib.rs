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
//! | [`state`] | the file in which swarms outlive a restart |
//! | [`db`] | all SQL: what the site keeps |
//! | [`tracker`] | one request in, one answer out |
//! | [`net`] | bytes between sockets and the tracker |
//! | [`site`] | the web ports: the live page and its figures |
//! | [`jobs`] | work done on a tick |
//! | [`query`] | a client that asks any tracker |
//! | [`doctor`] | looks a host over: what would keep a tracker down or slow, and the cure |
//! | [`serve`] | the composition root: wires every room |
//! | [`cli`] | the command line |

pub mod cli;
pub mod clock;
pub mod config;
pub mod db;
pub mod doctor;
pub mod jobs;
pub mod limits;
pub mod net;
pub mod protocol;
pub mod query;
pub mod serve;
pub mod site;
pub mod state;
pub mod stats;
pub mod swarm;
#[cfg(test)]
mod tests;
pub mod tracker;
