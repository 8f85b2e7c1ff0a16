//! `src/swarm/index` over another memory.

pub mod memory;
#[path = "../../../../src/swarm/index/names.rs"]
pub mod names;
