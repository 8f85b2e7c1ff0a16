//! Every order in which a few threads can meet in the smallest tables.
#![cfg(loom)]
#![allow(dead_code)] // only a part of the rooms is asked for here

#[path = "../../../src/clock.rs"]
pub mod clock;
pub mod protocol;
pub mod swarm;

