//! What a page may look at. Built once by whoever starts the site, and cloned for each request.

use std::sync::Arc;

use crate::clock::Clock;
use crate::stats::Stats;
use crate::swarm::Swarms;

/// All that the site is handed. Cloning it copies a few pointers.
#[derive(Clone, Debug)]
pub struct Site {
    /// The swarms, of which the site reads the sizes.
    pub swarms: Arc<Swarms>,
    /// The counters of every worker.
    pub stats: Arc<Stats>,
    /// The clock that was started with the tracker: its time is the uptime.
    pub clock: Clock,
    /// The announce URLs to show, in this order, whole.
    pub announce_urls: Arc<[String]>,
    /// The version to show.
    pub version: &'static str,
}

impl Site {
    /// The site of a tracker that works on `swarms`, counts in `stats` and has run since `clock`
    /// was started.
    pub fn new(
        swarms: Arc<Swarms>,
        stats: Stats,
        clock: Clock,
        announce_urls: Vec<String>,
        version: &'static str,
    ) -> Site {
        Site { swarms, stats: Arc::new(stats), clock, announce_urls: announce_urls.into(), version }
    }
}
