//! May this be tracked? And how a client is told that it may not.

use std::borrow::Cow;

use crate::protocol::http::{RetryIn, Unreadable};
use crate::protocol::ids::InfoHash;
use crate::swarm::Full;

/// Minutes after which a client is asked to try again when the tracker is full. Peers come and go
/// within an interval; half of the usual one is soon enough and not a storm.
const FULL_RETRY_MINUTES: u32 = 15;

/// Why a request is refused, and whether time cures it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The words for the client.
    pub reason: Cow<'static, str>,
    /// When it may come again.
    pub retry_in: RetryIn,
}

impl Refusal {
    /// An announce from port 0 that is not a farewell.
    pub const INVALID_PORT: Refusal = Refusal::for_ever("invalid port");
    /// A scrape without an info hash where full scrapes are off.
    pub const FULL_SCRAPE: Refusal = Refusal::for_ever("full scrape not allowed");
    /// A UDP announce by a URL at which nothing is served (BEP 41).
    pub const UNKNOWN_PATH: Refusal = Refusal::for_ever("nothing here, announce to /announce");

    /// A scrape for more info hashes than allowed.
    pub fn too_many_info_hashes(hashes_max: usize) -> Refusal {
        let reason = format!("too many info_hashes, max is {hashes_max}");
        Refusal { reason: reason.into(), retry_in: RetryIn::Never }
    }

    const fn for_ever(reason: &'static str) -> Refusal {
        Refusal { reason: Cow::Borrowed(reason), retry_in: RetryIn::Never }
    }
}

impl From<Unreadable> for Refusal {
    fn from(Unreadable(reason): Unreadable) -> Refusal {
        Refusal::for_ever(reason)
    }
}

impl From<Full> for Refusal {
    fn from(full: Full) -> Refusal {
        let reason = match full {
            Full::Torrents => "tracker is full: no room for another torrent",
            Full::Peers => "tracker is full: no room for another peer",
        };
        Refusal { reason: reason.into(), retry_in: RetryIn::Minutes(FULL_RETRY_MINUTES) }
    }
}

/// Which torrents are tracked.
#[derive(Debug)]
pub enum Admission {
    /// Every one.
    Open,
}

impl Admission {
    /// Whether `info_hash` may be announced to and scraped.
    ///
    /// # Errors
    /// The refusal to send.
    pub fn check(&self, _info_hash: &InfoHash) -> Result<(), Refusal> {
        match self {
            Admission::Open => Ok(()),
        }
    }
}
