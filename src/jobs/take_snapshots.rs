//! Asks other trackers how large the swarms of our torrents are there, one torrent at a time, by
//! our own query library.

use std::time::Duration;

use crate::clock;
use crate::db::torrents::snapshots::Snapshot;
use crate::protocol::metainfo::Identity as Torrent;
use crate::query::Client;
use crate::query::identity::Identity;
use crate::query::question::{Question, Reach, Scrape, Settings};
use crate::query::retry::{self, Rules};
use crate::query::target::Target;

/// For one attempt, everything included.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Longest reason of a failure that is kept for members, in characters.
const REASON_CHARS_MAX: usize = 200;

/// How often a tracker is asked until it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Attempts, from 1 to 10.
    pub attempts: u32,
    /// Pause between them, up to 30 seconds.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience { attempts: 3, pause: Duration::from_secs(2) }
    }
}

/// The bounds under which trackers are asked. Members start it, and staff names the tracker, so it
/// does not reach into the network behind the server unless that is what `reach` says.
pub fn settings(reach: Reach) -> Settings {
    Settings { timeout: TIMEOUT, reach, ..Settings::default() }
}

/// What `tracker` says of `torrent`, by its v1 hash where it has one.
///
/// # Errors
/// Why there is no answer, in words for members.
pub async fn ask(
    client: &Client,
    tracker: &str,
    torrent: Torrent,
    patience: Patience,
) -> Result<Snapshot, String> {
    let short = |text: &str| text.chars().take(REASON_CHARS_MAX).collect::<String>();
    let target = Target::parse(tracker).map_err(|failure| short(&failure.message))?;
    let info_hash = torrent.info_hashes().next().ok_or("the torrent has no info hash")?;
    let question = Question::Scrape(Scrape::of(vec![info_hash]));
    let rules = Rules {
        attempts_max: Some(patience.attempts.clamp(1, 10)),
        delay: patience.pause,
        delay_max: patience.pause,
        ..Rules::ENDLESS
    };
    let report = retry::ask(client, &target, &question, &Identity::own(), &rules, |_, _| ()).await;
    if let Some(failure) = &report.failure {
        return Err(short(&failure.message));
    }
    let scraped = report.scraped().map(|answer| &answer.torrents).into_iter().flatten();
    let found = { scraped }.find(|found| found.info_hash == info_hash);
    let found = found.ok_or("the tracker does not know this torrent")?;
    let count = |count: Option<i64>| count.map(|n| u32::try_from(n.max(0)).unwrap_or(u32::MAX));
    Ok(Snapshot {
        tracker: short(tracker),
        taken_at: clock::unix_secs().cast_signed(),
        seeders: count(found.seeders).unwrap_or(0),
        leechers: count(found.leechers).unwrap_or(0),
        completed: count(found.completed),
    })
}
