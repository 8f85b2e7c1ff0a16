//! Coming in and going out.
//!
//! - [`login`]: with a name and a password; [`verify`]: whether they belong together; [`throttle`]:
//!   how often that may be tried.
//! - [`signup`]: a new account.
//! - [`password`], [`profile`]: one's own.

pub mod login;
pub mod password;
pub mod profile;
pub mod signup;
pub mod throttle;
pub mod verify;
