//! What other trackers say of torrents, and when they are asked: a queue that outlives a restart.
//! A member asks for a torrent; a job takes the requests one after the other.

use rusqlite::{Connection, OptionalExtension, Result, params};

use super::identity;
use crate::protocol::metainfo::Identity;

/// Seconds after an answer until the next one may be asked for: as in the specification, 3 hours.
pub const ANSWER_LASTS_SECS: i64 = 10_800;
/// Seconds after a failure until it may be tried again.
pub const FAILURE_LASTS_SECS: i64 = 60;
/// Most torrents that wait to be asked for.
pub const PENDING_MAX: u64 = 50;

/// What another tracker said of a torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Snapshot {
    pub tracker: String,
    pub taken_at: i64,
    pub seeders: u32,
    pub leechers: u32,
    /// `None` where it was not said.
    pub completed: Option<u32>,
}

/// How the last request went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// When it was made, or done.
    pub asked_at: i64,
    /// Whether the other tracker has still to be asked.
    pub is_pending: bool,
    /// Why there is no answer.
    pub failure: Option<String>,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requested {
    /// It waits its turn, since now or before.
    Queued,
    /// The last answer, or failure, has to be so many seconds older.
    TooEarly(i64),
    /// [`PENDING_MAX`] others wait.
    Busy,
}

/// What another tracker said last of a torrent, and how the last request went.
///
/// # Errors
/// When the database cannot be read.
pub fn find(conn: &Connection, torrent_id: i64) -> Result<(Option<Snapshot>, Option<Refresh>)> {
    let snapshot = conn
        .prepare_cached(
            "select tracker, taken_at, seeders, leechers, completed from torrent_snapshots
             where torrent_id = ?1",
        )?
        .query_row([torrent_id], |row| {
            Ok(Snapshot {
                tracker: row.get(0)?,
                taken_at: row.get(1)?,
                seeders: row.get(2)?,
                leechers: row.get(3)?,
                completed: row.get(4)?,
            })
        })
        .optional()?;
    let refresh = conn
        .prepare_cached(
            "select asked_at, is_pending, failure from torrent_refreshes where torrent_id = ?1",
        )?
        .query_row([torrent_id], |row| {
            Ok(Refresh { asked_at: row.get(0)?, is_pending: row.get(1)?, failure: row.get(2)? })
        })
        .optional()?;
    Ok((snapshot, refresh))
}

/// Seconds until a torrent may be asked for again; zero when it may.
pub fn wait(snapshot: Option<&Snapshot>, refresh: Option<&Refresh>, now: i64) -> i64 {
    let answer = snapshot.map_or(0, |snapshot| snapshot.taken_at + ANSWER_LASTS_SECS - now);
    let failed = refresh.filter(|refresh| refresh.failure.is_some());
    let failure = failed.map_or(0, |refresh| refresh.asked_at + FAILURE_LASTS_SECS - now);
    answer.max(failure).max(0)
}

/// Asks for a torrent. Of several who do so at once, all wait for the one answer.
///
/// # Errors
/// When the database cannot be written, or the torrent is gone.
pub fn request(conn: &Connection, torrent_id: i64, now: i64) -> Result<Requested> {
    let (snapshot, refresh) = find(conn, torrent_id)?;
    if refresh.as_ref().is_some_and(|refresh| refresh.is_pending) {
        return Ok(Requested::Queued);
    }
    let wait = wait(snapshot.as_ref(), refresh.as_ref(), now);
    if wait > 0 {
        return Ok(Requested::TooEarly(wait));
    }
    let pending: u64 = conn
        .prepare_cached("select count(*) from torrent_refreshes where is_pending")?
        .query_row([], |row| row.get(0))?;
    if pending >= PENDING_MAX {
        return Ok(Requested::Busy);
    }
    conn.prepare_cached(
        "insert or replace into torrent_refreshes (torrent_id, asked_at, is_pending)
         values (?1, ?2, 1)",
    )?
    .execute(params![torrent_id, now])?;
    Ok(Requested::Queued)
}

/// The torrent that has waited longest.
///
/// # Errors
/// When the database cannot be read.
pub fn next(conn: &Connection) -> Result<Option<(i64, Identity)>> {
    conn.prepare_cached(
        "select r.torrent_id, t.info_hash_v1, t.info_hash_v2
         from torrent_refreshes r join torrents t using (torrent_id)
         where r.is_pending order by r.asked_at limit 1",
    )?
    .query_row([], |row| Ok((row.get(0)?, identity(row.get(1)?, row.get(2)?)?)))
    .optional()
}

/// Writes down how asking for a torrent went. A failure leaves the last answer as it is; of a
/// torrent that is gone by then, nothing is kept.
///
/// # Errors
/// When the database cannot be written.
pub fn finish(
    conn: &Connection,
    torrent_id: i64,
    now: i64,
    said: &std::result::Result<Snapshot, String>,
) -> Result<()> {
    let failure = said.as_ref().err();
    let kept = conn
        .prepare_cached(
            "insert or replace into torrent_refreshes (torrent_id, asked_at, is_pending, failure)
             select torrent_id, ?2, 0, ?3 from torrents where torrent_id = ?1",
        )?
        .execute(params![torrent_id, now, failure])?;
    if let (Ok(said), 1..) = (said, kept) {
        conn.prepare_cached(
            "insert or replace into torrent_snapshots
                 (torrent_id, tracker, taken_at, seeders, leechers, completed)
             values (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            torrent_id,
            said.tracker,
            said.taken_at,
            said.seeders,
            said.leechers,
            said.completed
        ])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{add, open, sample};
    use super::*;

    fn said(taken_at: i64) -> Snapshot {
        Snapshot { tracker: "t".into(), taken_at, seeders: 1, leechers: 2, completed: Some(3) }
    }

    #[test]
    fn answer_lasts_three_hours_and_a_failure_a_minute_and_leaves_the_answer() {
        let conn = open();
        let torrent = add(&conn, &sample(1, "a"), 1).unwrap();
        let ask = |now| request(&conn, torrent, now).unwrap();
        assert_eq!(ask(100), Requested::Queued);
        assert_eq!(ask(101), Requested::Queued, "with the first");
        assert_eq!(next(&conn).unwrap(), Some((torrent, sample(1, "").identity)));
        finish(&conn, torrent, 110, &Err("no answer".into())).unwrap();
        assert_eq!(next(&conn).unwrap(), None);
        assert_eq!((ask(111), ask(169)), (Requested::TooEarly(59), Requested::TooEarly(1)));
        assert_eq!(ask(170), Requested::Queued);
        finish(&conn, torrent, 171, &Ok(said(171))).unwrap();
        assert_eq!(ask(171 + 10_799), Requested::TooEarly(1));
        assert_eq!(ask(171 + 10_800), Requested::Queued);
        finish(&conn, torrent, 20_000, &Err("refused".into())).unwrap();
        let (snapshot, refresh) = find(&conn, torrent).unwrap();
        assert_eq!(snapshot, Some(said(171)));
        assert_eq!(refresh.unwrap().failure.as_deref(), Some("refused"));
    }

    #[test]
    fn queue_has_an_end_and_goes_by_time() {
        let conn = open();
        let torrents: Vec<_> = (0..=u32::try_from(PENDING_MAX).unwrap())
            .map(|number| add(&conn, &sample(number, "a"), 1).unwrap())
            .collect();
        let (last, others) = torrents.split_last().unwrap();
        for (torrent, now) in others.iter().rev().zip(1..) {
            assert_eq!(request(&conn, *torrent, now).unwrap(), Requested::Queued);
        }
        assert_eq!(request(&conn, *last, 99).unwrap(), Requested::Busy);
        let first = next(&conn).unwrap().unwrap().0;
        assert_eq!(first, others[others.len() - 1]);
        finish(&conn, first, 100, &Ok(said(100))).unwrap();
        assert_eq!(request(&conn, *last, 101).unwrap(), Requested::Queued);
    }

    #[test]
    fn answer_for_a_torrent_that_is_gone_is_dropped() {
        let conn = open();
        finish(&conn, 77, 1, &Ok(said(1))).unwrap();
        assert_eq!(find(&conn, 77).unwrap(), (None, None));
    }
}
