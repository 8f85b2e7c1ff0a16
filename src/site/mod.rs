//! The web ports: the live page, its figures as JSON and for Prometheus, and the few files every
//! site has. Announces that come here are passed on to `tracker`; nothing here keeps an address.
//!
//! Read [`router()`] first: every URL is there.
//!
//! - [`state`]: what a page may look at.
//! - [`mod@router`]: every URL.
//! - [`announce`]: announces and scrapes on a web port.
//! - [`stats`]: the live page.
//! - [`metrics`]: every counter for Prometheus.
//! - [`gate`]: the one way into the members' site; [`permissions`]: who may do what there.
//! - [`members`], [`session`], [`password`], [`form`], [`page`]: what its pages are made with.
//! - [`account`]: coming in and going out.
//! - [`torrents`]: what members register.
//! - [`admin`]: keeping the site in order.
//! - [`stream`]: a body that is written while it is sent.
//! - [`numbers`]: figures as people read them.
//! - [`visitor`]: who asks, and for which host.
//! - [`fixed`]: robots.txt, the health check and the icons.
//! - [`assets`]: style sheet, scripts and images, each under an address of its own contents.
//! - [`error`]: the one page for whatever went wrong.
//! - [`escape`]: text as it stands in a page.
//! - [`headers`]: what a browser is told not to do.
//! - [`redirect`]: from plain HTTP to HTTPS.
//! - [`listen`]: connections, their bounds and their end.

pub mod account;
pub mod admin;
pub mod announce;
pub mod assets;
pub mod error;
pub mod escape;
pub mod fixed;
pub mod form;
pub mod gate;
pub mod headers;
pub mod listen;
pub mod members;
pub mod metrics;
pub mod numbers;
pub mod page;
pub mod password;
pub mod permissions;
pub mod redirect;
pub mod router;
pub mod session;
pub mod state;
pub mod stats;
pub mod stream;
#[cfg(test)]
mod tests;
pub mod torrents;
pub mod visitor;

pub use error::Error;
pub use router::router;
pub use state::{Facts, Site};
