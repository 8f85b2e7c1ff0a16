//! Keeps the tracker's set of registered torrents in step with the database: filled at the start,
//! changed by whoever changes a row, and its completions written down.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::db::{self, Connection, Database, torrents};
use crate::limits::REMOVALS_TOLD_MAX;
use crate::protocol::metainfo::Identity;
use crate::tracker::Tracker;
use crate::tracker::registered::{Registered, Removal};

/// Most torrents whose completions are written down at once, so that others who write wait no
/// longer than some ten milliseconds.
const SAVED_MAX: usize = 1_000;

/// Time between two times that completions are written down.
const PERIOD: Duration = Duration::from_secs(10);

/// The set as the database has it.
///
/// # Errors
/// When the database cannot be read.
pub fn load(conn: &Connection, is_open: bool) -> db::Result<Registered> {
    let expected = torrents::list::count(conn, torrents::list::Scope::default())?;
    let registered = Registered::new(is_open, expected as usize);
    for (info_hash, number) in torrents::removed(conn, REMOVALS_TOLD_MAX)? {
        let removal = Removal::from_number(number).unwrap_or(Removal::ByStaff);
        registered.remove(Identity::V1(info_hash), removal);
    }
    torrents::each_registered(conn, |identity, completed| registered.insert(identity, completed))?;
    Ok(registered)
}

/// Writes down completions since the last time, of some torrents; tells of how many. To be called
/// again until there are none.
///
/// # Errors
/// When the database cannot be written. Nothing is lost then.
pub fn save(conn: &Connection, registered: &Registered) -> db::Result<usize> {
    let completed = registered.unsaved(SAVED_MAX);
    if completed.is_empty() {
        return Ok(0);
    }
    if let Err(error) = torrents::save_completed(conn, &completed) {
        registered.not_saved(&completed);
        return Err(error);
    }
    Ok(completed.len())
}

/// Writes completions down, every [`PERIOD`].
pub async fn run(database: Database, tracker: Arc<Tracker>) {
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let (database, tracker) = (database.clone(), tracker.clone());
        let saving = tokio::task::spawn_blocking(move || save_all(&database, &tracker));
        if saving.await.is_err() {
            tracing::error!("writing completions down did not end well; it will be tried again");
        }
    }
}

/// Writes all completions down that there are. What cannot be written waits for the next time.
pub fn save_all(database: &Database, tracker: &Tracker) {
    let Some(registered) = tracker.admission().registered() else { return };
    loop {
        match database.write_now(|tx| save(tx, registered)) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => return tracing::error!(%error, "completions cannot be written down"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::torrents::tests::{add, open, sample};
    use crate::protocol::ids::InfoHash;

    #[test]
    fn set_is_as_the_database_has_it_and_completions_come_back() {
        let conn = open();
        let hash = |number| sample(number, "").identity.v1().unwrap();
        for number in 0..3 {
            add(&conn, &sample(number, "a"), 1);
        }
        let gone = torrents::find(&conn, &hash(2)).unwrap().unwrap();
        torrents::delete(&conn, &gone, Removal::Rights as u8, 1).unwrap();
        let registered = load(&conn, false).unwrap();
        assert_eq!(registered.resolve(&hash(0)), Ok(hash(0)));
        let refusal = registered.resolve(&hash(2)).unwrap_err();
        assert_eq!(refusal.reason, Removal::Rights.reason());
        assert!(registered.resolve(&InfoHash([9; 20])).is_err());
        registered.completed(&hash(1), 4);
        assert_eq!(save(&conn, &registered).unwrap(), 1);
        assert_eq!(save(&conn, &registered).unwrap(), 0);
        assert_eq!(load(&conn, false).unwrap().completed(&hash(1), 0), Some(4));
    }

    #[test]
    fn completions_are_kept_until_they_can_be_written() {
        let conn = open();
        add(&conn, &sample(1, "a"), 1);
        let registered = load(&conn, false).unwrap();
        registered.completed(&sample(1, "").identity.v1().unwrap(), 1);
        conn.execute_batch("pragma query_only = on").unwrap();
        assert!(save(&conn, &registered).is_err());
        conn.execute_batch("pragma query_only = off").unwrap();
        assert_eq!(save(&conn, &registered).unwrap(), 1);
    }
}
