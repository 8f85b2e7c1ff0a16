//! Connections in, requests out of them.

pub mod dialogue;
pub mod fallback;
pub mod introduction;

use std::io;
use std::time::Duration;

/// Pause after an accept that failed, as when descriptors have run out.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// A fault that lasts is logged this often.
pub const WARN_PAUSE: Duration = Duration::from_mins(1);
/// How long, and for how many bytes, a refused client is listened to after the last reply, so that
/// its unread bytes do not make the kernel throw the reply away.
pub const LINGER: Duration = Duration::from_millis(500);
/// See [`LINGER`].
pub const LINGER_BYTES: usize = 256 * 1024;

/// Errors of an accept that say nothing about the listening socket: the client was gone before it
/// was accepted.
pub fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
