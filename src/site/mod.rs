//! The web ports: the live page, its figures as JSON, and the few files every site has. Nothing
//! here holds a peer's address, and nothing announces.
//!
//! Read [`router()`] first: every URL is there.
//!
//! - [`state`]: what a page may look at.
//! - [`mod@router`]: every URL.
//! - [`stats`]: the live page.
//! - [`numbers`]: figures as people read them.
//! - [`fixed`]: robots.txt, the health check and the icons.
//! - [`assets`]: style sheet, scripts and images, each under an address of its own contents.
//! - [`error`]: the one page for whatever went wrong.
//! - [`headers`]: what a browser is told not to do.
//! - [`redirect`]: from plain HTTP to HTTPS.
//! - [`listen`], [`stall`]: connections, their bounds and their end.

pub mod assets;
pub mod error;
pub mod fixed;
pub mod headers;
pub mod listen;
pub mod numbers;
pub mod redirect;
pub mod router;
pub mod stall;
pub mod state;
pub mod stats;
#[cfg(test)]
mod tests;

pub use router::router;
pub use state::Site;
