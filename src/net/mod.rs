//! Bytes between sockets and the `tracker` room: the tracker ports, and nothing else.
//!
//! - [`bind`]: every socket is bound before any is served, or none stays open.
//! - [`inherit`]: sockets that a service manager has bound before us.
//! - [`tls`]: certificates and keys.
//! - [`proxy`]: whose word is taken for a client's address.
//! - [`http`]: one HTTP head in, one reply out; no socket.
//! - [`gzip`]: compression of replies.
//! - [`full_scrape`]: the one reply that is large.
//! - [`connections`]: how many may be open.
//! - [`udp`], [`tcp`]: what both backends need of datagrams and connections, and the epoll loops.
//! - [`epoll`], [`uring`]: the backends.
//!
//! Each worker is a thread with a ring or a runtime of its own, its own sockets on every port, and
//! its own [`tracker::Worker`](crate::tracker::Worker). The kernel spreads clients over the workers
//! (`SO_REUSEPORT`), and they share nothing but the tracker.

pub mod bind;
pub mod connections;
mod epoll;
pub mod full_scrape;
pub mod gzip;
pub mod http;
pub mod inherit;
pub mod proxy;
pub mod tcp;
pub mod tls;
pub mod udp;
pub mod uring;
mod worker;

pub use uring::probe::Refused;
pub use worker::{Backend, DataPlane, Shared};
