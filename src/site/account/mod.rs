//! Coming in and going out.
//!
//! - [`login`]: with a name and a password.

pub mod login;
