//! Datagrams in and out.

pub mod address;
mod batch;
pub mod fallback;
pub mod message;
