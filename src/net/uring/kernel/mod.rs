//! The ring and the memory it shares with the kernel. All `unsafe` of the io_uring backend is here;
//! what is outside can neither free nor touch what the kernel has in hand.
//!
//! - [`token`]: the name of an operation.
//! - [`buffers`]: what the kernel fills.
//! - [`parcels`]: what the kernel sends.
//! - [`ring`]: the operations.

#![allow(unsafe_code)] // the kernel reads and writes memory by its address

mod buffers;
mod parcels;
mod ring;
mod token;

pub use parcels::Parcel;
pub use ring::{Completion, File, Ring};
pub use token::{GENERATION_MAX, Kind, Token};
