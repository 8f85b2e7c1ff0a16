//! A client that asks any tracker: announce and scrape over UDP, HTTP and HTTPS. The tool
//! `wildkat query` is made of it, and whoever wants to know of a swarm elsewhere calls it in
//! process. It prints nothing, ends nothing, and gives what it finds as types; every question has
//! a bound in time and memory, whoever answers it.
//!
//! Read [`client`] first.
//!
//! - [`target`], [`question`], [`identity`]: whom to ask, what, as whom, and within which bounds.
//! - [`client`]: one question. [`retry`], [`batch`], [`repeat`]: several attempts, several
//!   trackers, several times. [`check`]: all that a tracker must do, asked of one's own.
//! - [`report`], [`failure`], [`finding`]: what came of it.
//! - [`input`]: info hashes and lists of trackers as people have them.
//! - [`redact`]: passkeys out of texts.
//!
//! Below them are the ways there (`resolve`, `connect`, `proxy`, `tls`, `http`, `udp`), and the
//! readers of answers (`reply`, `announced`, `scraped`, `preference`, [`certificate`]).

pub mod batch;
pub mod certificate;
pub mod check;
pub mod client;
pub mod failure;
pub mod finding;
pub mod identity;
pub mod input;
pub mod question;
pub mod redact;
pub mod repeat;
pub mod report;
pub mod resolve;
pub mod retry;
pub mod statistics;
pub mod target;
pub mod text;

mod announced;
mod connect;
mod decoded;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod http;
mod preference;
mod proxy;
mod reply;
mod scraped;
mod tls;
mod udp;

pub use client::Client;
pub use decoded::decoded;
pub use tls::roots as trusted_roots;

pub use crate::protocol::announce::Event;
pub use crate::protocol::http::client::event_name;
pub use crate::protocol::ids::{InfoHash, PeerId};
