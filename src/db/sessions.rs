//! Who is signed in, on which browser.

use rusqlite::{Connection, OptionalExtension, Result, params};

use super::users::{self, User};

/// Seconds a session lasts from its start.
pub const LASTS_SECS: i64 = 48 * 3600;
/// Seconds between two notes of when a session was last used.
pub const SEEN_EVERY_SECS: i64 = 60;
/// Sessions of one account; a further one ends the oldest.
pub const SESSIONS_MAX: u32 = 50;
/// Longest name of a browser that is kept, in characters.
const USER_AGENT_CHARS_MAX: usize = 200;

/// A session with whose it is.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the columns are documented in the migration")]
pub struct Session {
    pub session_id: i64,
    pub user: User,
    pub last_seen_at: i64,
    /// What the next page says: kind and words.
    pub flash: Option<(String, String)>,
    /// Networks that the account may be used from; empty: any.
    pub allowed: Vec<String>,
}

/// A session to be begun.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the columns are documented in the migration")]
pub struct NewSession<'a> {
    pub user_id: i64,
    pub token_hash: [u8; 32],
    pub ip: &'a str,
    pub user_agent: &'a str,
    pub now: i64,
}

/// A session, as its account sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the columns are documented in the migration")]
pub struct Open {
    pub session_id: i64,
    pub created_at: i64,
    pub last_seen_at: i64,
    pub ip: String,
    pub user_agent: String,
}

/// The sessions of an account that last, the last used first.
///
/// # Errors
/// When the database cannot be read.
pub fn open(conn: &Connection, user_id: i64, now: i64) -> Result<Vec<Open>> {
    conn.prepare_cached(
        "select session_id, created_at, last_seen_at, ip, user_agent from sessions
         where user_id = ?1 and expires_at > ?2 order by last_seen_at desc, session_id desc",
    )?
    .query_map([user_id, now], |row| {
        Ok(Open {
            session_id: row.get(0)?,
            created_at: row.get(1)?,
            last_seen_at: row.get(2)?,
            ip: row.get(3)?,
            user_agent: row.get(4)?,
        })
    })?
    .collect()
}

/// Begins a session.
///
/// # Errors
/// When the database cannot be written.
pub fn insert(conn: &Connection, new: &NewSession<'_>) -> Result<i64> {
    let user_agent: String = new.user_agent.chars().take(USER_AGENT_CHARS_MAX).collect();
    conn.prepare_cached(
        "insert into sessions (token_hash, user_id, created_at, expires_at, last_seen_at, ip,
             user_agent)
         values (?1, ?2, ?3, ?4, ?3, ?5, ?6)",
    )?
    .execute(params![
        new.token_hash,
        new.user_id,
        new.now,
        new.now + LASTS_SECS,
        new.ip,
        user_agent
    ])?;
    let session_id = conn.last_insert_rowid();
    conn.prepare_cached(
        "delete from sessions where user_id = ?1 and session_id not in (
             select session_id from sessions where user_id = ?1
             order by created_at desc, session_id desc limit ?2)",
    )?
    .execute(params![new.user_id, SESSIONS_MAX])?;
    Ok(session_id)
}

/// The session of a token, if it lasts and its account may be used.
///
/// # Errors
/// When the database cannot be read.
pub fn find(conn: &Connection, token_hash: &[u8; 32], now: i64) -> Result<Option<Session>> {
    type Found = (i64, i64, i64, Option<String>, Option<String>);
    let found: Option<Found> = conn
        .prepare_cached(
            "select session_id, user_id, last_seen_at, flash_kind, flash_text
             from sessions where token_hash = ?1 and expires_at > ?2",
        )?
        .query_row(params![token_hash, now], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        })
        .optional()?;
    let Some((session_id, user_id, last_seen_at, kind, text)) = found else {
        return Ok(None);
    };
    let user = users::find(conn, user_id)?.filter(|user| !user.is_disabled);
    let Some(user) = user else { return Ok(None) };
    let allowed = conn
        .prepare_cached("select network from ip_allowlist where user_id = ?1")?
        .query_map([user_id], |row| row.get(0))?
        .collect::<Result<_>>()?;
    let flash = kind.zip(text);
    Ok(Some(Session { session_id, user, last_seen_at, flash, allowed }))
}

/// Notes that a session and its account were used.
///
/// # Errors
/// When the database cannot be written.
pub fn seen(conn: &Connection, session_id: i64, user_id: i64, now: i64) -> Result<()> {
    conn.prepare_cached("update sessions set last_seen_at = ?2 where session_id = ?1")?
        .execute([session_id, now])?;
    conn.prepare_cached("update users set last_seen_at = ?2 where user_id = ?1")?
        .execute([user_id, now])?;
    Ok(())
}

/// Sets what the next page of a session says, or with `None` takes it away.
///
/// # Errors
/// When the database cannot be written.
pub fn set_flash(conn: &Connection, session_id: i64, flash: Option<(&str, &str)>) -> Result<()> {
    conn.prepare_cached(
        "update sessions set flash_kind = ?2, flash_text = ?3 where session_id = ?1",
    )?
    .execute(params![session_id, flash.map(|(kind, _)| kind), flash.map(|(_, text)| text)])?;
    Ok(())
}

/// Ends a session; of another account than `user_id`, nothing.
///
/// # Errors
/// When the database cannot be written.
pub fn end(conn: &Connection, session_id: i64, user_id: i64) -> Result<bool> {
    let ended = conn
        .prepare_cached("delete from sessions where session_id = ?1 and user_id = ?2")?
        .execute([session_id, user_id])?;
    Ok(ended == 1)
}

/// Ends all sessions of an account, but the one to be kept.
///
/// # Errors
/// When the database cannot be written.
pub fn end_all(conn: &Connection, user_id: i64, kept: Option<i64>) -> Result<usize> {
    conn.prepare_cached("delete from sessions where user_id = ?1 and session_id is not ?2")?
        .execute(params![user_id, kept])
}

/// Takes sessions away that are over.
///
/// # Errors
/// When the database cannot be written.
pub fn expire(conn: &Connection, now: i64) -> Result<usize> {
    conn.prepare_cached("delete from sessions where expires_at <= ?1")?.execute([now])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::users::Role;
    use crate::db::users::tests::{add, open};

    fn begin(conn: &Connection, user_id: i64, token: u8, now: i64) -> i64 {
        let new =
            NewSession { user_id, token_hash: [token; 32], ip: "192.0.2.1", user_agent: "x", now };
        insert(conn, &new).unwrap()
    }

    #[test]
    fn session_lasts_two_days_and_ends_with_its_account() {
        let conn = open();
        let ann = add(&conn, "ann", Role::Standard);
        begin(&conn, ann, 1, 100);
        let found = |now| find(&conn, &[1; 32], now).unwrap();
        assert_eq!(found(100 + LASTS_SECS - 1).unwrap().user.username, "ann");
        assert!(found(100 + LASTS_SECS).is_none() && find(&conn, &[2; 32], 100).unwrap().is_none());
        conn.execute("update users set is_disabled = 1", []).unwrap();
        assert!(found(101).is_none());
        conn.execute("update users set is_disabled = 0", []).unwrap();
        assert!(found(101).is_some());
        conn.execute("delete from users", []).unwrap();
        assert!(found(101).is_none());
    }

    #[test]
    fn other_sessions_end_and_strangers_end_none() {
        let conn = open();
        let (ann, ben) = (add(&conn, "ann", Role::Basic), add(&conn, "ben", Role::Basic));
        let kept = begin(&conn, ann, 1, 100);
        begin(&conn, ann, 2, 100);
        begin(&conn, ben, 3, 100);
        assert!(!end(&conn, kept, ben).unwrap());
        assert_eq!(end_all(&conn, ann, Some(kept)).unwrap(), 1);
        assert!(find(&conn, &[1; 32], 101).unwrap().is_some());
        assert!(find(&conn, &[2; 32], 101).unwrap().is_none());
        assert_eq!(expire(&conn, 100 + LASTS_SECS).unwrap(), 2);
    }

    #[test]
    fn account_has_so_many_sessions_and_no_more() {
        let conn = open();
        let ann = add(&conn, "ann", Role::Basic);
        for token in 0..=SESSIONS_MAX as u8 {
            begin(&conn, ann, token, token.into());
        }
        assert!(find(&conn, &[0; 32], 1).unwrap().is_none());
        assert!(find(&conn, &[1; 32], 1).unwrap().is_some());
    }

    #[test]
    fn flash_is_kept_until_it_is_taken_away() {
        let conn = open();
        let ann = add(&conn, "ann", Role::Basic);
        let session = begin(&conn, ann, 1, 100);
        set_flash(&conn, session, Some(("success", "Saved."))).unwrap();
        let flash = || find(&conn, &[1; 32], 101).unwrap().unwrap().flash;
        assert_eq!(flash(), Some(("success".to_owned(), "Saved.".to_owned())));
        set_flash(&conn, session, None).unwrap();
        assert_eq!(flash(), None);
    }
}
