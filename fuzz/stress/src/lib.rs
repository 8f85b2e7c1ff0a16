//! The swarm store with its tests, and the rooms it stands on, as a crate of its own: built with
//! AddressSanitizer or for Miri in a minute, where the whole program takes many. The rooms are
//! links into `src`.
#![allow(dead_code)] // only a part of the rooms is asked for here

pub mod clock;
pub mod config;
pub mod limits;
pub mod protocol;
pub mod swarm;
