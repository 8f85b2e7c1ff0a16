//! Forgets events that are older than the owner wants to keep them.

use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::clock;
use crate::db::settings::{EVENTS_KEEP_DAYS, Settings};
use crate::db::{self, Database, events};

/// Time between two rounds.
const PERIOD: Duration = Duration::from_hours(1);
/// Events that go at once, so that others who write wait no longer than some ten milliseconds.
const EVENTS_MAX: usize = 2_000;

/// Looks for ever.
pub async fn run(database: Database) {
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = clock::unix_secs().cast_signed();
        loop {
            let work = move |tx: &db::Transaction<'_>| expire(tx, now);
            match database.write(work).await {
                Ok(EVENTS_MAX) => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::error!(%error, "old events cannot be forgotten");
                    break;
                }
            }
        }
    }
}

fn expire(conn: &db::Connection, now: i64) -> db::Result<usize> {
    let days = Settings::load(conn)?.number(EVENTS_KEEP_DAYS);
    if days == 0 {
        return Ok(0);
    }
    events::expire(conn, now - days * 86_400, EVENTS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::events::Event;
    use crate::db::settings::{self, Setting};
    use crate::db::users::tests::open;

    #[test]
    fn events_are_kept_for_ever_or_as_long_as_the_owner_says() {
        let conn = open();
        for at in [0, 86_400, 2 * 86_400] {
            events::insert(&conn, at, &Event::default()).unwrap();
        }
        let now = 3 * 86_400;
        assert_eq!(expire(&conn, now).unwrap(), 0);
        settings::set(&conn, Setting::Number(EVENTS_KEEP_DAYS), "2").unwrap();
        assert_eq!(expire(&conn, now).unwrap(), 1);
        assert_eq!(expire(&conn, now).unwrap(), 0);
    }
}
