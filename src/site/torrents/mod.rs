//! Torrents that members register, list, find and take away.
//!
//! - [`reception`]: an upload, read file by file as it comes in.

pub mod reception;
