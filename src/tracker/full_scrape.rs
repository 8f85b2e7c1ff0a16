//! The scrape of every torrent, for those who run mirrors and statistics.

use std::sync::{Arc, Mutex, PoisonError};

use super::admission::Admission;
use crate::clock::Now;
use crate::limits;
use crate::protocol::http;
use crate::swarm::Swarms;

/// Makes the body of a full scrape, and keeps a large one for a while.
///
/// The lock makes many who ask at once wait for one body instead of each making their own. It is
/// off the answer path: workers hand full scrapes to a thread that may wait.
#[derive(Debug)]
pub struct FullScrape {
    min_interval: u32,
    kept: Mutex<Option<(Now, Arc<[u8]>)>>,
}

impl FullScrape {
    /// Nothing made yet. `min_interval` is what the reply asks of clients, in seconds.
    pub fn new(min_interval: u32) -> FullScrape {
        FullScrape { min_interval, kept: Mutex::new(None) }
    }

    /// The body: at most [`limits::FULL_SCRAPE_TORRENTS_MAX`] torrents, of those that are tracked.
    /// With more than [`limits::FULL_SCRAPE_FRESH_MAX`], it may be up to
    /// [`limits::FULL_SCRAPE_CACHE_SECS`] old.
    pub fn body(&self, now: Now, swarms: &Swarms, admission: &Admission) -> Arc<[u8]> {
        // A poisoned lock still guards a whole body or none.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((made, body)) = &*kept
            && now.since(*made) < limits::FULL_SCRAPE_CACHE_SECS
        {
            return body.clone();
        }
        let mut files = swarms.list(limits::FULL_SCRAPE_TORRENTS_MAX);
        files.retain(|(info_hash, _)| admission.check(info_hash).is_ok());
        for (info_hash, counts) in &mut files {
            *counts = admission.told(info_hash, *counts, 0);
        }
        files.sort_unstable_by_key(|(info_hash, _)| *info_hash);
        let mut body = Vec::new();
        http::write_scrape_reply(&mut body, &files, self.min_interval);
        let body: Arc<[u8]> = body.into();
        let is_large = files.len() > limits::FULL_SCRAPE_FRESH_MAX;
        *kept = is_large.then(|| (now, body.clone()));
        body
    }
}
