//! Bytes between sockets and the `tracker` room: the tracker ports, and nothing else.
//!
//! - [`bind`]: every socket is bound before any is served, or none stays open.
//! - [`tls`]: certificates and keys.
//! - [`proxy`]: whose word is taken for a client's address.
//! - [`http`]: one HTTP head in, one reply out; no socket.
//! - [`gzip`]: compression of replies.
//! - [`full_scrape`]: the one reply that is large.
//! - [`connections`]: how many may be open.
//! - [`udp`], [`tcp`]: the loops that move the bytes.
//!
//! Each worker is a thread with a runtime of its own, its own sockets on every port, and its own
//! [`tracker::Worker`](crate::tracker::Worker). The kernel spreads clients over the workers
//! (`SO_REUSEPORT`), and they share nothing but the tracker.

pub mod bind;
pub mod connections;
pub mod full_scrape;
pub mod gzip;
pub mod http;
pub mod proxy;
pub mod tcp;
pub mod tls;
pub mod udp;
mod worker;

pub use worker::{DataPlane, Shared};
