//! Coming in and going out.
//!
//! - [`login`]: with a name and a password; [`verify`]: whether they belong together; [`throttle`]:
//!   how often that may be tried.
//! - [`second_factor`]: codes of a device; [`ticket`]: who is asked for one.
//! - [`signup`]: a new account.
//! - [`password`], [`profile`]: one's own.

pub mod login;
pub mod password;
pub mod profile;
pub mod second_factor;
pub mod signup;
pub mod throttle;
pub mod ticket;
pub mod verify;
