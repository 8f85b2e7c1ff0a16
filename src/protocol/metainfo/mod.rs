//! .torrent files (BEP 3, BEP 12, BEP 27, BEP 47, BEP 52) and magnet links (BEP 9): what names a
//! torrent, and what people are shown of it. It knows nothing of the content behind the names.
//!
//! - [`torrent`]: [`Metainfo`], what a .torrent says; read this first.
//! - [`files`]: its list of files.
//! - [`hand_out`]: a .torrent with other trackers in it.
//! - [`magnet`]: [`Magnet`], a link, read and written.
//! - [`text`]: strangers' bytes as text that is safe to show.

pub mod files;
pub mod hand_out;
mod layers;
pub mod magnet;
pub mod text;
pub mod torrent;

use std::fmt;

use super::ids::{ID_LEN, InfoHash, NotHex, hex_decode};

pub use files::File;
pub use magnet::{LINK_LEN_MAX, Magnet, MagnetError};
pub use torrent::{Limits, Metainfo, TorrentError};

/// Length of a SHA-256, in bytes (BEP 52).
pub const SHA256_LEN: usize = 32;

/// The 32 bytes that name a v2 torrent: SHA-256 of the info dictionary (BEP 52). Shown as 64
/// lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InfoHashV2(pub [u8; SHA256_LEN]);

impl InfoHashV2 {
    /// The first 20 bytes, by which trackers and peers know the swarm (BEP 52, "infohash").
    pub fn truncated(self) -> InfoHash {
        let mut info_hash = [0; ID_LEN];
        info_hash.copy_from_slice(&self.0[..ID_LEN]);
        InfoHash(info_hash)
    }
}

impl std::str::FromStr for InfoHashV2 {
    type Err = NotHex;

    /// Reads 64 hex digits of either case.
    fn from_str(text: &str) -> Result<InfoHashV2, NotHex> {
        hex_decode(text.as_bytes()).map(InfoHashV2).ok_or(NotHex)
    }
}

impl fmt::Display for InfoHashV2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for InfoHashV2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Which torrent: the names it has, of which there is at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// BEP 3 alone.
    V1(InfoHash),
    /// BEP 52 alone.
    V2(InfoHashV2),
    /// Both at once, over one info dictionary (BEP 52, "Upgrade Path").
    Hybrid {
        /// SHA-1 of the info dictionary.
        v1: InfoHash,
        /// SHA-256 of the same bytes.
        v2: InfoHashV2,
    },
}

impl Identity {
    /// The name under BEP 3, if it has one.
    pub fn v1(self) -> Option<InfoHash> {
        match self {
            Identity::V1(v1) | Identity::Hybrid { v1, .. } => Some(v1),
            Identity::V2(_) => None,
        }
    }

    /// The name under BEP 52, if it has one.
    pub fn v2(self) -> Option<InfoHashV2> {
        match self {
            Identity::V2(v2) | Identity::Hybrid { v2, .. } => Some(v2),
            Identity::V1(_) => None,
        }
    }

    /// The one or two hashes under which clients announce the torrent, v1 first.
    pub fn info_hashes(self) -> impl Iterator<Item = InfoHash> {
        self.v1().into_iter().chain(self.v2().map(InfoHashV2::truncated))
    }
}

/// The check behind the fuzz target: neither reader panics, and what they accept keeps its word.
#[cfg(any(test, fuzzing))]
pub mod fuzzing {
    use super::{LINK_LEN_MAX, Limits, Magnet, Metainfo};

    /// Small, so that a fuzzer reaches them.
    pub const LIMITS: Limits = Limits {
        bytes_max: 1 << 20,
        depth_max: 64,
        files_max: 100,
        path_bytes_max: 10_000,
        trackers_max: 20,
    };

    /// Takes `input` for a .torrent.
    ///
    /// # Panics
    /// When something was accepted that should not have been, or its link does not round-trip.
    pub fn check(input: &[u8]) {
        if let Ok(metainfo) = Metainfo::decode(input, &LIMITS) {
            check_metainfo(&metainfo);
        }
    }

    /// Takes `input` for a magnet link.
    ///
    /// # Panics
    /// When it does not round-trip, or a parameter of no concern changes it.
    pub fn link(input: &[u8]) {
        let Ok(link) = str::from_utf8(input) else { return };
        let Ok(magnet) = link.parse::<Magnet>() else { return };
        check_magnet(&magnet);
        check_base32(&magnet);
        let more = format!("{}&so=0-2", link.trim());
        if more.len() <= LINK_LEN_MAX {
            assert_eq!(more.parse(), Ok(magnet));
        }
    }

    fn check_metainfo(metainfo: &Metainfo) {
        assert!(metainfo.total_size > 0);
        assert_eq!(metainfo.files.iter().map(|file| file.length).sum::<u64>(), metainfo.total_size);
        for path in metainfo.files.iter().map(|file| &file.path).chain([&metainfo.name]) {
            assert!(!path.chars().any(char::is_control), "{path:?}");
            assert!(path.split('/').all(|part| !matches!(part, "" | "." | "..")), "{path:?}");
        }
        assert!((1..=2).contains(&metainfo.identity.info_hashes().count()));
        check_magnet(&Magnet {
            identity: metainfo.identity,
            name: Some(metainfo.name.clone()),
            length: Some(metainfo.total_size),
            trackers: metainfo.trackers.concat(),
        });
    }

    /// Its v1 hash in base32, written bit by bit, is read as the same.
    fn check_base32(magnet: &Magnet) {
        let Some(hash) = magnet.identity.v1() else { return };
        let bit = |at: usize| hash.0[at / 8] >> (7 - at % 8) & 1;
        let digit = |number: usize| {
            let value = (0..5).fold(0, |value, at| value << 1 | bit(number * 5 + at));
            char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[usize::from(value)])
        };
        let link: String = "magnet:?xt=urn:btih:".chars().chain((0..32).map(digit)).collect();
        let read = link.parse::<Magnet>();
        assert_eq!(read.map(|read| read.identity.v1()), Ok(Some(hash)), "{link}");
    }

    fn check_magnet(magnet: &Magnet) {
        let link = magnet.to_string();
        if link.len() <= LINK_LEN_MAX {
            assert_eq!(link.parse().as_ref(), Ok(magnet));
        }
    }
}

#[cfg(test)]
mod tests;
