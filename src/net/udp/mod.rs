//! Datagrams in and out, by the batch: one call takes in what has come, one sends all replies.
//!
//! - [`batch`]: the two calls, and the memory that they use.
//! - [`answer`]: what happens between them.
//! - [`address`]: who sent a datagram, and to whom.
//! - [`options`]: what is wanted of a socket.
//! - [`fallback`]: the loop around it on epoll; the one on io_uring is `net::uring::udp`.

pub mod address;
pub mod answer;
pub mod batch;
pub mod fallback;
pub mod options;
