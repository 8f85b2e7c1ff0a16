//! Connections in, requests and replies through them.

pub mod fallback;
