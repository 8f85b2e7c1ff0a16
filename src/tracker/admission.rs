//! May this be tracked, and for this client now? And how a client is told that it may not.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::hash_list::HashList;
use super::rate_limit::RateLimit;
use super::registered::{Registered, Removal};
use crate::clock::Now;
use crate::config;
use crate::protocol::announce::Counts;
use crate::protocol::http::{RetryIn, Unreadable};
use crate::protocol::ids::InfoHash;
use crate::swarm::Full;

/// Minutes after which a client is asked to try again when the tracker is full. Peers come and go
/// within an interval; half of the usual one is soon enough and not a storm.
const FULL_RETRY_MINUTES: u32 = 15;
/// Minutes after which a torrent may have come onto the list of those that are allowed.
const LISTED_RETRY_MINUTES: u32 = 60;
/// Minutes after which a network has tokens again: the least that BEP 31 can say.
const RATE_RETRY_MINUTES: u32 = 1;
/// How often it is looked whether anybody still reads a list that was replaced.
const PATIENCE: Duration = Duration::from_millis(5);

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

    /// A torrent that is not on the list of those that are allowed.
    pub const NOT_REGISTERED: Refusal =
        Refusal::for_now("torrent not registered", LISTED_RETRY_MINUTES);
    /// A torrent that is on the list of those that are denied.
    pub const DENIED: Refusal = Refusal::for_ever("torrent not allowed on this tracker");
    /// A network that asks more often than it may.
    pub const TOO_OFTEN: Refusal =
        Refusal::for_now("too many requests from your network", RATE_RETRY_MINUTES);

    /// A torrent that was registered, and is no more.
    pub const fn removed(removal: Removal) -> Refusal {
        Refusal::for_ever(removal.reason())
    }

    /// A scrape for more info hashes than allowed.
    pub fn too_many_info_hashes(hashes_max: usize) -> Refusal {
        let reason = format!("too many info_hashes, max is {hashes_max}");
        Refusal { reason: reason.into(), retry_in: RetryIn::Never }
    }

    const fn for_now(reason: &'static str, minutes: u32) -> Refusal {
        Refusal { reason: Cow::Borrowed(reason), retry_in: RetryIn::Minutes(minutes) }
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

/// The operator's lists; each is `None` where there is no such list.
#[derive(Debug, Default)]
pub struct Lists {
    /// Torrents that are tracked, and no others.
    pub allowed: Option<HashList>,
    /// Torrents that are not.
    pub denied: Option<HashList>,
}

impl Lists {
    fn check(&self, info_hash: &InfoHash) -> Result<(), Refusal> {
        if self.denied.as_ref().is_some_and(|list| list.contains(info_hash)) {
            Err(Refusal::DENIED)
        } else if self.allowed.as_ref().is_some_and(|list| !list.contains(info_hash)) {
            Err(Refusal::NOT_REGISTERED)
        } else {
            Ok(())
        }
    }
}

/// Which torrents are tracked, and how often a network may ask.
#[derive(Debug)]
pub struct Admission {
    /// `None` when every torrent is tracked, and always will be.
    lists: Option<ArcSwap<Lists>>,
    /// `None` without registration.
    registered: Option<Registered>,
    rate_limit: Option<RateLimit>,
}

impl Admission {
    /// By `lists`, where there are any, and the limits of `config`.
    pub fn new(config: &config::Tracker, lists: Option<Lists>) -> Admission {
        Admission {
            lists: lists.map(ArcSwap::from_pointee),
            registered: None,
            rate_limit: config.rate_limit.map(RateLimit::new),
        }
    }

    /// Only torrents of `registered` are tracked from the start, unless it is open.
    #[must_use]
    pub fn registering(self, registered: Registered) -> Admission {
        Admission { registered: Some(registered), ..self }
    }

    /// The registered torrents; `None` without registration.
    pub fn registered(&self) -> Option<&Registered> {
        self.registered.as_ref()
    }

    /// Whether `info_hash` may be announced to and scraped, and under which hash its swarm is kept,
    /// which is another for the second name of a hybrid torrent.
    ///
    /// # Errors
    /// The refusal to send.
    pub fn check(&self, info_hash: &InfoHash) -> Result<InfoHash, Refusal> {
        if let Some(lists) = &self.lists {
            lists.load().check(info_hash)?;
        }
        self.registered.as_ref().map_or(Ok(*info_hash), |torrents| torrents.resolve(info_hash))
    }

    /// What the tracker says of the swarm kept under `info_hash`: its `counts`, but of all that
    /// ever completed, `more` just now, where the torrent is registered.
    pub fn told(&self, info_hash: &InfoHash, counts: Counts, more: u32) -> Counts {
        let registered = self.registered.as_ref();
        match registered.and_then(|torrents| torrents.completed(info_hash, more)) {
            Some(completed) => Counts { completed, ..counts },
            None => counts,
        }
    }

    /// Whether `client`, whose address is proved, may ask one thing more.
    ///
    /// # Errors
    /// The refusal to send.
    pub fn admit(&self, now: Now, client: IpAddr) -> Result<(), Refusal> {
        match &self.rate_limit {
            Some(limit) if !limit.allows(now, client) => Err(Refusal::TOO_OFTEN),
            _ => Ok(()),
        }
    }

    /// Puts others in place of the lists, if it was made with any, and waits until nobody reads the
    /// old ones: their memory is given back by this thread, since that takes longer than an answer
    /// may.
    pub fn replace(&self, lists: Lists) {
        let Some(current) = &self.lists else { return };
        let old = current.swap(Arc::new(lists));
        while Arc::strong_count(&old) > 1 {
            std::thread::sleep(PATIENCE);
        }
    }
}
