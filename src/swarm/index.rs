//! Which swarm has which name: a lock-free hash table of links to them.
//!
//! - [`memory`]: the words of a table, and all `unsafe`.
//! - [`names`]: what is done with them.

mod memory;
mod names;
#[cfg(test)]
mod tests;

pub use names::Index;
