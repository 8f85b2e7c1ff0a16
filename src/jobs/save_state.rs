//! Writes swarms and figures to the state file, every few minutes.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::clock::{self, Clock};
use crate::state::StateFile;
use crate::stats::Stats;
use crate::swarm::Swarms;

/// Saves for ever, once in each `period`.
pub async fn run(
    file: Arc<StateFile>,
    (swarms, stats): (Arc<Swarms>, Stats),
    clock: Clock,
    period: Duration,
) {
    let mut ticks = interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let (file, swarms, stats) = (file.clone(), swarms.clone(), stats.clone());
        let saved =
            tokio::task::spawn_blocking(move || save(&file, (&swarms, &stats), clock)).await;
        if saved.is_err() {
            tracing::error!("saving the state failed; the next time tries again");
        }
    }
}

/// Saves once, and says what became of it.
pub fn save(file: &StateFile, (swarms, stats): (&Swarms, &Stats), clock: Clock) {
    let start = std::time::Instant::now();
    let ledger = stats.ledger(clock::unix_secs());
    match file.save(swarms, &ledger, clock.now()) {
        Ok(totals) => tracing::debug!(
            "state saved: {} peers in {} torrents, in {} ms",
            totals.peers,
            totals.torrents,
            start.elapsed().as_millis()
        ),
        Err(error) => tracing::error!("{error}"),
    }
}
