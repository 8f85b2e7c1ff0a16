//! Takes away what is over: sessions.

use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::clock;
use crate::db::{self, Database, sessions};

/// Time between two rounds.
const PERIOD: Duration = Duration::from_mins(1);

/// Looks for ever.
pub async fn run(database: Database) {
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = clock::unix_secs().cast_signed();
        let expired =
            database.write(move |tx: &db::Transaction<'_>| sessions::expire(tx, now)).await;
        if let Err(error) = expired {
            tracing::error!(%error, "sessions that are over cannot be taken away");
        }
    }
}
