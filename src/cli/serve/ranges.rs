//! What the numbers among the arguments may be.

use super::ServeArguments;
use crate::cli::Exit;
use crate::limits;

/// What a number may be.
pub struct Range {
    /// As typed: `--workers`.
    pub option: &'static str,
    /// `None` where it was left out.
    given: Option<u64>,
    least: u64,
    /// `u64::MAX` where there is no bound.
    most: u64,
    unit: &'static str,
}

impl Range {
    fn holds(&self) -> bool {
        self.given.is_none_or(|given| (self.least..=self.most).contains(&given))
    }

    /// In words: `1 to 86400 seconds`.
    pub fn text(&self) -> String {
        let Range { least, most, unit, .. } = self;
        let range = match *most {
            u64::MAX => format!("at least {least}"),
            most => format!("{least} to {most}"),
        };
        format!("{range} {unit}").trim_end().to_owned()
    }
}

impl ServeArguments {
    /// Whether every number is within its range, and fits the others.
    ///
    /// # Errors
    /// The fault and its cure.
    pub fn check_ranges(&self) -> Result<(), Exit> {
        let interval_max = u64::from(self.interval) * (100 + u64::from(self.interval_jitter)) / 100;
        let outside = self.ranges().into_iter().filter(|range| !range.holds());
        let outside = outside.map(|range| (true, format!("{} is {}", range.option, range.text())));
        for (is_wrong, cure) in outside.chain([
            (
                self.min_interval > self.interval,
                format!(
                    "--min-interval {} must not be more than --interval {}",
                    self.min_interval, self.interval
                ),
            ),
            (
                interval_max >= self.peer_ttl.into(),
                format!(
                    "--peer-ttl {} must be more than --interval and its jitter, {interval_max}, or \
                     peers are dropped between two announces",
                    self.peer_ttl
                ),
            ),
            (
                self.tracker_id.len() > limits::TRACKER_ID_MAX,
                format!("--tracker-id is at most {} bytes long", limits::TRACKER_ID_MAX),
            ),
        ]) {
            if is_wrong {
                return Err(Exit::Usage(format!("Error: {cure}")));
            }
        }
        Ok(())
    }

    /// The options that are numbers within a range, with what was given.
    pub fn ranges(&self) -> [Range; 12] {
        let count = |given: usize| Some(given as u64);
        let range =
            |option, given, least, most: u64, unit| Range { option, given, least, most, unit };
        let jitter = Some(self.interval_jitter.into());
        let (ttl, saves) = (Some(self.peer_ttl.into()), Some(self.state_interval.into()));
        let (ttl_max, saves_max) = (limits::PEER_TTL_MAX, limits::STATE_INTERVAL_MAX);
        let hashes = self.max_scrape_hashes.and_then(count);
        let (hashes_max, peers_max) = (limits::SCRAPE_HASHES_MAX as u64, limits::PEERS_MAX as u64);
        let (rate, rate_max) = (self.rate_limit.map(u64::from), limits::RATE_LIMIT_MAX.into());
        let workers = self.workers.and_then(count);
        let per_ip = count(self.max_connections_per_ip);
        [
            range("--interval-jitter", jitter, 0, 50, "percent"),
            range("--interval", Some(self.interval.into()), 1, u64::MAX, ""),
            range("--peer-ttl", ttl, 1, ttl_max.into(), "seconds"),
            range("--max-peers", count(self.max_peers), 1, peers_max, ""),
            range("--max-peers-total", self.max_peers_total, 1, u64::MAX, ""),
            range("--max-torrents", self.max_torrents, 1, u64::MAX, ""),
            range("--max-scrape-hashes", hashes, 1, hashes_max, ""),
            range("--workers", workers, 1, limits::WORKERS_MAX as u64, ""),
            range("--state-interval", saves, 1, saves_max.into(), "seconds"),
            range("--rate-limit", rate, 1, rate_max, "requests a second"),
            range("--max-connections", count(self.max_connections), 1, u64::MAX, ""),
            range("--max-connections-per-ip", per_ip, 1, u64::MAX, ""),
        ]
    }
}
