//! The data plane on io_uring: one thread and one ring a worker, which serves all sockets of that
//! worker. `docs/net.md` draws it.
//!
//! - [`kernel`]: the ring, and the memory it shares with the kernel; all `unsafe` is there.
//! - [`probe`]: whether there are rings to be had.
//! - [`worker`]: the loop.
//! - [`udp`] is about datagrams; [`tcp`], [`connection`] and [`session`] are about connections,
//!   one of them, and its TLS.
//! - [`timers`]: how long they may last.
//! - [`aide`]: what takes longer than a worker may.

pub mod aide;
mod connection;
mod kernel;
pub mod probe;
mod session;
mod tcp;
mod timers;
mod udp;
pub mod worker;
