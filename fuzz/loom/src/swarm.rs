//! What the models need of `src/swarm`.

pub mod index;
pub mod map;
#[path = "../../../src/swarm/word.rs"]
pub mod word;
