//! Takes away what is over: sessions, and wrong passwords of long ago.

use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::clock;
use crate::db::{self, Database, login_failures, sessions};

/// Time between two rounds.
const PERIOD: Duration = Duration::from_mins(1);

/// Looks for ever.
pub async fn run(database: Database) {
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = clock::unix_secs().cast_signed();
        let work = move |tx: &db::Transaction<'_>| {
            login_failures::expire(tx, now)?;
            sessions::expire(tx, now)
        };
        if let Err(error) = database.write(work).await {
            tracing::error!(%error, "what is over cannot be taken away");
        }
    }
}
