//! How much memory there is, and how many peers and torrents fit a part of it.

use std::path::Path;

use crate::limits::{PEER_BYTES, TORRENT_BYTES};

/// How many peers and torrents together take half of the memory there is: a quarter each.
pub struct Sizes {
    /// Default of `--max-peers-total`.
    pub peers: u64,
    /// Default of `--max-torrents`.
    pub torrents: u64,
}

/// The sizes for this machine, or for the control group this process is confined to.
pub fn sizes() -> Sizes {
    let machine = rustix::system::sysinfo();
    let installed = machine.totalram.saturating_mul(machine.mem_unit.into());
    let group = group_limit(Path::new("/sys/fs/cgroup/memory.max"));
    sizes_for(group.map_or(installed, |limit| limit.min(installed)))
}

fn sizes_for(memory: u64) -> Sizes {
    let quarter = memory / 4;
    Sizes { peers: quarter / PEER_BYTES, torrents: quarter / TORRENT_BYTES }
}

/// The limit in a `memory.max` file; `None` when there is none.
fn group_limit(file: &Path) -> Option<u64> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_grow_with_memory_and_take_half_of_it() {
        let Sizes { peers, torrents } = sizes_for(1 << 30);
        assert_eq!((peers, torrents), (2 << 20, 256 << 10));
        assert_eq!(peers * PEER_BYTES + torrents * TORRENT_BYTES, 1 << 29);
    }

    #[test]
    fn this_machine_has_room_for_a_swarm() {
        assert!(sizes().peers > 1000);
    }

    #[test]
    fn group_limit_is_a_number_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("memory.max");
        assert_eq!(group_limit(&file), None);
        std::fs::write(&file, "max\n").unwrap();
        assert_eq!(group_limit(&file), None);
        std::fs::write(&file, "1048576\n").unwrap();
        assert_eq!(group_limit(&file), Some(1 << 20));
    }
}
