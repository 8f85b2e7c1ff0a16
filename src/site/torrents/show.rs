//! One torrent.

use askama::Template;

use super::tree::{self, Step};
use super::{Viewer, minute};
use crate::db::torrents::Torrent;
use crate::db::torrents::snapshots::{Refresh, Snapshot, wait};
use crate::protocol::announce::Counts;
use crate::protocol::ids::InfoHash;
use crate::protocol::metainfo::File;
use crate::site::numbers;
use crate::tracker::registered::Removal;

/// The page of a torrent.
#[derive(Debug, Template)]
#[template(path = "torrents/show.html")]
pub struct TorrentPage<'a> {
    /// Who looks.
    pub viewer: &'a Viewer,
    /// What is registered.
    pub torrent: &'a Torrent,
    /// Its swarm at the moment.
    pub counts: Counts,
    /// What another tracker says of it.
    pub elsewhere: Elsewhere,
    /// Its files, in the order of its content.
    pub files: &'a [File],
    /// How it is fetched.
    pub magnet: String,
    /// Whether the .torrent was kept.
    pub has_metainfo: bool,
    /// Members who share it and let that be known, the last seen first: name, and how long ago.
    pub sharing: Vec<(String, String)>,
}

/// What another tracker says of a torrent, and whether it may be asked.
#[derive(Clone, Debug, Default)]
pub struct Elsewhere {
    /// Whether the site asks another tracker at all.
    pub is_active: bool,
    /// What it said last.
    pub snapshot: Option<Snapshot>,
    /// How the last request went.
    pub refresh: Option<Refresh>,
    /// Seconds since 1970.
    pub now: i64,
}

impl Elsewhere {
    fn is_pending(&self) -> bool {
        self.refresh.as_ref().is_some_and(|refresh| refresh.is_pending)
    }

    fn failure(&self) -> Option<&str> {
        self.refresh.as_ref()?.failure.as_deref()
    }

    /// Seconds until it may be asked again.
    fn wait(&self) -> i64 {
        wait(self.snapshot.as_ref(), self.refresh.as_ref(), self.now)
    }

    /// The same in hours and minutes, the last one begun.
    fn wait_told(&self) -> String {
        let minutes = u32::try_from(self.wait()).unwrap_or(0).div_ceil(60);
        numbers::uptime(minutes * 60)
    }
}

impl TorrentPage<'_> {
    fn info_hash(&self) -> InfoHash {
        self.torrent.identity.info_hashes().next().unwrap_or(InfoHash([0; 20]))
    }

    fn is_owner(&self) -> bool {
        self.torrent.uploader.as_ref().is_some_and(|(id, _)| *id == self.viewer.user_id)
    }

    fn can_delete(&self) -> bool {
        self.is_owner() || self.viewer.is_staff()
    }

    /// Reasons among which a member of the staff chooses, for a torrent of somebody else.
    fn removals() -> impl Iterator<Item = (u8, &'static str)> {
        let by_staff = |removal: &Removal| *removal != Removal::ByUploader;
        let reason = |removal: Removal| removal.reason().split_once(": ").map_or("", |(_, r)| r);
        Removal::ALL.into_iter().filter(by_staff).map(move |r| (r as u8, reason(r)))
    }

    /// What is known of it: name and value.
    fn facts(&self) -> Vec<(&'static str, String)> {
        let torrent = self.torrent;
        let kind = if torrent.is_multifile { "Folder of files" } else { "Single file" };
        let private =
            if torrent.is_private { "Yes, peers come from its trackers alone" } else { "No" };
        vec![
            ("Type", kind.to_owned()),
            ("Size", exact(torrent.total_size)),
            (
                "Pieces",
                format!(
                    "{} of {}",
                    numbers::count(torrent.piece_count),
                    numbers::bytes(torrent.piece_length)
                ),
            ),
            ("Private", private.to_owned()),
            ("Registered", format!("{} UTC", minute(torrent.registered_at))),
        ]
    }

    fn tree(&self) -> (Vec<Step>, usize) {
        tree::steps(self.files)
    }

    fn file_count(&self) -> String {
        numbers::count(self.torrent.file_count)
    }
}

/// A size for people, and in bytes: `1.5 KB (1,536 bytes)`.
fn exact(bytes: u64) -> String {
    match bytes {
        0..1024 => numbers::bytes(bytes),
        _ => format!("{} ({} bytes)", numbers::bytes(bytes), numbers::count(bytes)),
    }
}
