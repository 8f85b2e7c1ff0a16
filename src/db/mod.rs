//! All SQL of the program. No page and no packet shapes a table.
//!
//! - [`torrents`]: what members have registered.
//! - [`search`]: how it is found by words.

pub mod search;
pub mod torrents;

pub use rusqlite::{Connection, Error, Result};
