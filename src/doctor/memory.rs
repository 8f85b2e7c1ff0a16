//! Whether the swarm store, when full, fits the memory.

use super::Scene;
use super::finding::{Cure, Looked, Seen, Unseen, grouped};
use super::host::nonsense;
use crate::limits::{PEER_BYTES, TORRENT_BYTES};

/// Percent of the memory that the store may take before that is worth a word; the defaults take 50.
const SHARE_MAX: u64 = 75;

pub fn fits(scene: &Scene) -> Looked {
    let swarm = &scene.wanted.config.swarm;
    let (peers, torrents) = (swarm.peers_total_max, swarm.torrents_max);
    let wanted =
        peers.saturating_mul(PEER_BYTES).saturating_add(torrents.saturating_mul(TORRENT_BYTES));
    let memory = memory(scene)?;
    let share = wanted.saturating_mul(100) / memory.max(1);
    let is = format!(
        "{} peers in {} torrents take at most {} MB, {share} % of the memory",
        grouped(peers),
        grouped(torrents),
        grouped(wanted >> 20)
    );
    let quarter = memory / 4;
    let cure = Cure::lasting(format!(
        "wildkat serve --max-peers-total {} --max-torrents {}",
        quarter / PEER_BYTES,
        quarter / TORRENT_BYTES
    ));
    Ok(vec![match share {
        0..=SHARE_MAX => Seen::ok(is),
        76..=100 => Seen::warning(is, cure),
        _ => Seen::error(is, cure),
    }])
}

/// Bytes of memory of this machine, or of the control group that this process is confined to.
fn memory(scene: &Scene) -> Result<u64, Unseen> {
    let path = "/proc/meminfo";
    let text = scene.host.text(path)?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib: Option<u64> =
        line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
    let machine = kib.ok_or_else(|| nonsense(path, "no line MemTotal:"))?.saturating_mul(1024);
    // "max", or no such file, is no limit.
    let group = scene.host.value::<u64>("/sys/fs/cgroup/memory.max");
    Ok(group.map_or(machine, |limit| limit.min(machine)))
}
