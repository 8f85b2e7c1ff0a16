//! The bounds of `doctor`: what one examination reads of the system, and how long it asks around.

use std::time::Duration;

/// Bytes read of one file; what the kernel tells of a socket is 150 bytes, so this is the state of
/// 50,000 sockets.
pub const FILE_LEN_MAX: u64 = 8 * 1024 * 1024;
/// Lines of the table of connections that are looked at.
pub const CONNTRACK_LINES_MAX: usize = 200_000;
/// Names read of one folder: as many processes or open files as a large host has.
pub const NAMES_MAX: usize = 100_000;
/// Open files looked at in all, to find out who holds a port.
pub const OPEN_FILES_MAX: usize = 1_000_000;
/// Certificates of one chain that are looked at.
pub const CHAIN_MAX: usize = 16;
/// Time for one answer from an address that the domain has.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest `--timeout`.
pub const ANSWER_TIMEOUT_MAX: Duration = Duration::from_mins(1);
