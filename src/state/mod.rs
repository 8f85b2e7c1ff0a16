//! The file in which swarms and figures outlive a restart (`--state`).
//!
//! Read [`StateFile`] first.
//!
//! - [`mod@file`]: where it lies, how it is replaced without ever being half written, and what is
//!   done about one that is of no use.
//! - [`mod@format`]: its bytes. No file is known there.
//! - [`figures`]: the bytes of what was counted.
//!
//! `docs/state.md` draws both.

mod figures;
pub mod file;
pub mod format;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
#[cfg(test)]
mod tests;

pub use file::{Loaded, StateError, StateFile};
