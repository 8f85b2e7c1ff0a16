//! Whether this machine lets us use io_uring, and what would change it if it does not.

use std::fmt;
use std::io;
use std::os::fd::RawFd;

use io_uring::{Probe, opcode};

use super::kernel::Ring;
use crate::config::Rings;

/// Why io_uring cannot be used here. The text gives the reason and the cure.
#[derive(Debug)]
pub struct Refused {
    what: &'static str,
    cause: io::Error,
}

/// A ring for the calling thread, with the sockets of its worker registered.
///
/// # Errors
/// [`Refused`] for the first thing that is not to be had; nothing is kept then.
pub fn ring(sizes: &Rings, descriptors: &[RawFd]) -> Result<Ring, Refused> {
    let refused = |what| move |cause| Refused { what, cause };
    let ring = Ring::new(sizes).map_err(refused("a ring"))?;
    let mut probe = Probe::new();
    ring.uring().submitter().register_probe(&mut probe).map_err(refused("a list of operations"))?;
    let operations = [
        opcode::AcceptMulti::CODE,
        opcode::RecvMulti::CODE,
        opcode::Send::CODE,
        opcode::AsyncCancel::CODE,
        opcode::Timeout::CODE,
        opcode::PollAdd::CODE,
        // Not used: it came with Linux 6.0, as did receiving again and again, which has no number.
        opcode::SendZc::CODE,
    ];
    if operations.into_iter().any(|code| !probe.is_supported(code)) {
        let cause = io::ErrorKind::Unsupported.into();
        return Err(Refused { what: "an operation that is used", cause });
    }
    ring.register(descriptors).map_err(refused("room for its sockets"))?;
    Ok(ring)
}

impl Refused {
    /// The worker that was to use it has no thread.
    pub(super) fn thread(cause: io::Error) -> Refused {
        Refused { what: "a thread for a ring", cause }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refused { what, cause } = self;
        write!(f, "this system refuses {what} of io_uring ({cause}): ")?;
        match cause.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => match disabled() {
                Some(level) => write!(
                    f,
                    "the sysctl kernel.io_uring_disabled is {level}; `sysctl -w \
                     kernel.io_uring_disabled=0` allows it"
                ),
                None => write!(
                    f,
                    "a seccomp filter or security module forbids it, as in a container; a profile \
                     that allows io_uring_setup, io_uring_enter and io_uring_register cures that \
                     (docker run --security-opt seccomp=PROFILE)"
                ),
            },
            Some(libc::ENOSYS) => write!(
                f,
                "the kernel was built without it, or a seccomp filter hides it; it takes Linux 6.0 \
                 with CONFIG_IO_URING, and a profile that allows io_uring_setup"
            ),
            Some(libc::ENOMEM) => write!(
                f,
                "no memory may be locked for it; raise `ulimit -l` (LimitMEMLOCK= in the service \
                 file)"
            ),
            Some(libc::EMFILE | libc::ENFILE) => write!(
                f,
                "descriptors have run out; raise `ulimit -n` (LimitNOFILE= in the service file)"
            ),
            _ => write!(f, "it takes Linux 6.0 or later"),
        }
    }
}

impl std::error::Error for Refused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

/// The sysctl that turns io_uring off, where it does so.
fn disabled() -> Option<String> {
    let level = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok()?;
    Some(level.trim().to_owned()).filter(|level| level != "0")
}
