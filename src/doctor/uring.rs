//! Whether io_uring may be used, and what forbids it.

use super::Scene;
use super::finding::{Cure, Looked, Seen, Severity};
use super::host::nonsense;
use crate::config::Io;

const SYSCTL: &str = "kernel.io_uring_disabled";

pub fn probe(scene: &Scene) -> Looked {
    let io = scene.wanted.config.net.io;
    if io == Io::Epoll {
        return Ok(vec![Seen::ok("--io epoll does without")]);
    }
    let refused = match scene.live.io_uring.clone()? {
        Ok(()) => return Ok(vec![Seen::ok("a ring was made, with all it is used for")]),
        Err(refused) => refused,
    };
    let seen = if io == Io::Uring {
        Seen::error(refused, Cure::lasting("wildkat serve --io auto"))
    } else {
        Seen::warning(refused, Cure::lasting("wildkat serve --io epoll"))
    };
    let is_off = scene.host.sysctl::<u8>(SYSCTL).is_ok_and(|level| level != 0);
    let cure = if is_off { Some(Cure::sysctl(SYSCTL, 0)) } else { seen.cure };
    Ok(vec![Seen { cure, ..seen }])
}

pub fn sysctl(scene: &Scene) -> Looked {
    if !scene.host.has("/proc/sys/kernel/io_uring_disabled") {
        return Ok(vec![Seen::ok("this kernel has no such parameter (it came with Linux 6.6)")]);
    }
    let level: u8 = scene.host.sysctl(SYSCTL)?;
    let is = format!("{SYSCTL} is {level}");
    let most =
        if scene.wanted.config.net.io == Io::Epoll { Severity::Note } else { Severity::Warning };
    Ok(vec![match level {
        0 => Seen::ok(is),
        _ => Seen::warning(is, Cure::sysctl(SYSCTL, 0)).at_most(most),
    }])
}

/// A filter is no fault: what counts is whether the probe goes through it.
pub fn seccomp(scene: &Scene) -> Looked {
    let path = "/proc/self/status";
    let text = scene.host.text(path)?;
    let mode = text.lines().find_map(|line| line.strip_prefix("Seccomp:"));
    let mode: u8 = mode
        .and_then(|mode| mode.trim().parse().ok())
        .ok_or_else(|| nonsense(path, "no line Seccomp:"))?;
    let is_refused = matches!(scene.live.io_uring, Ok(Err(_)));
    Ok(vec![match mode {
        0 => Seen::ok("no filter of system calls is set"),
        _ if is_refused => Seen {
            cure: Some(Cure::lasting("docker run --security-opt seccomp=unconfined …")),
            ..Seen::note("a filter of system calls is set, and io_uring is refused")
        },
        _ => Seen::ok("a filter of system calls is set"),
    }])
}
