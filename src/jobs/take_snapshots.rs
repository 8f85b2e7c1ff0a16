//! Asks other trackers how large the swarms of our torrents are there, one torrent at a time, by
//! our own query library.

use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::clock;
use crate::db::events::{self, Event};
use crate::db::settings::{
    PEER_QUERY_ENABLED, PEER_QUERY_RETRIES, PEER_QUERY_RETRY_WAIT_SECS, PEER_QUERY_TRACKER,
};
use crate::db::torrents::snapshots::{self, Snapshot};
use crate::db::{self, Database};
use crate::protocol::metainfo::Identity as Torrent;
use crate::query::Client;
use crate::query::identity::Identity;
use crate::query::question::{Question, Reach, Scrape, Settings};
use crate::query::retry::{self, Rules};
use crate::query::target::Target;

/// Time between two looks for a request.
const PERIOD: Duration = Duration::from_secs(1);
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

/// Takes the requests of members, the oldest first, one at a time, for as long as that is switched
/// on. What was asked for before a restart is asked after it.
pub async fn run(database: Database) {
    let client = match Client::new(settings(Reach::PublicOnly)) {
        Ok(client) => client,
        Err(failure) => {
            return tracing::error!("no other tracker can be asked: {}", failure.message);
        }
    };
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = take_next(&database, &client).await {
            tracing::error!(%error, "what another tracker says cannot be written down");
        }
    }
}

/// Takes the oldest request, where there is one; tells whether there was.
///
/// # Errors
/// When the database cannot be used; the request waits.
pub async fn take_next(database: &Database, client: &Client) -> db::Result<bool> {
    let look = |conn: &db::Connection| -> db::Result<_> {
        let settings = db::settings::Settings::load(conn)?;
        let is_on = settings.is_on(PEER_QUERY_ENABLED);
        Ok((if is_on { snapshots::next(conn)? } else { None }, settings))
    };
    let (Some((torrent_id, torrent)), settings) = database.read(look).await? else {
        return Ok(false);
    };
    let secs = settings.number(PEER_QUERY_RETRY_WAIT_SECS).unsigned_abs();
    let attempts = u32::try_from(settings.number(PEER_QUERY_RETRIES)).unwrap_or(1);
    let patience = Patience { attempts, pause: Duration::from_secs(secs) };
    let said = ask(client, settings.text(PEER_QUERY_TRACKER), torrent, patience).await;
    let finish = move |tx: &db::Transaction<'_>| -> db::Result<()> {
        let now = clock::unix_secs().cast_signed();
        snapshots::finish(tx, torrent_id, now, &said)?;
        let Ok(said) = said else { return Ok(()) };
        let detail = format!("{} seeders, {} leechers", said.seeders, said.leechers);
        let target = torrent.info_hashes().next().map(|hash| hash.to_string());
        let event = Event {
            actor: "system",
            action: "update_peer_stats",
            target: &target.unwrap_or_default(),
            detail: &detail,
            ..Event::default()
        };
        events::insert(tx, now, &event)
    };
    database.write(finish).await?;
    Ok(true)
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
