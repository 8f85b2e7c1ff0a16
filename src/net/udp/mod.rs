//! Datagrams in and out.

pub mod fallback;
