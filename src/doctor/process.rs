//! What this process may have, as the one that runs the tracker will when it is started likewise.

use super::Scene;
use super::finding::{Cure, Looked, Seen, Unseen, grouped};
use super::host::nonsense;
use crate::config::Io;
use crate::limits;

const LIMITS: &str = "/proc/self/limits";
/// Bytes that the rings of one worker take.
const RING_BYTES: u64 = 6 << 20;

/// The hard limit of a row, since `serve` raises its own up to that.
fn hard_limit(scene: &Scene, row: &str) -> Result<u64, Unseen> {
    let text = scene.host.text(LIMITS)?;
    let found = text.lines().find_map(|line| line.strip_prefix(row));
    let word = found.and_then(|rest| rest.split_whitespace().nth(1));
    match word {
        Some("unlimited") => Ok(u64::MAX),
        Some(number) => number.parse().map_err(|_| nonsense(LIMITS, number)),
        None => Err(nonsense(LIMITS, row)),
    }
}

pub fn open_files(scene: &Scene) -> Looked {
    let most = hard_limit(scene, "Max open files")?;
    let connections = scene.wanted.config.net.connections_max;
    let wanted = (connections + limits::DESCRIPTORS_RESERVED) as u64;
    Ok(vec![if most >= wanted {
        Seen::ok(format!("{} files may be open, for {} connections", grouped(most), connections))
    } else {
        let is = format!(
            "{} files may be open; {} connections take {}",
            grouped(most),
            grouped(connections as u64),
            grouped(wanted)
        );
        let now = format!("ulimit -Hn {wanted}");
        let lasting = format!(
            "mkdir -p /etc/systemd/system/wildkat.service.d && printf '[Service]\\n\
             LimitNOFILE={wanted}\\n' >/etc/systemd/system/wildkat.service.d/files.conf"
        );
        Seen::warning(is, Cure::both(now, lasting))
    }])
}

pub fn locked_memory(scene: &Scene) -> Looked {
    let most = hard_limit(scene, "Max locked memory")?;
    if most == u64::MAX {
        return Ok(vec![Seen::ok("any amount of memory may be locked")]);
    }
    let config = &scene.wanted.config.net;
    let wanted = RING_BYTES.saturating_mul(config.workers as u64);
    let is = format!("{} bytes may be locked", grouped(most));
    let is_refused = matches!(scene.live.io_uring, Ok(Err(_)));
    Ok(vec![if most >= wanted || config.io == Io::Epoll || !is_refused {
        Seen::ok(is)
    } else {
        let is = format!("{is}; rings take {}, and io_uring is refused", grouped(wanted));
        let kib = wanted / 1024;
        let lasting = format!(
            "mkdir -p /etc/systemd/system/wildkat.service.d && printf '[Service]\\n\
             LimitMEMLOCK={wanted}\\n' >/etc/systemd/system/wildkat.service.d/memory.conf"
        );
        Seen::warning(is, Cure::both(format!("ulimit -Hl {kib}"), lasting))
    }])
}
