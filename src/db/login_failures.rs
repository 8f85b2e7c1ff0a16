//! Wrong passwords for a name, whether or not it is anybody's, by the network they came from.

use rusqlite::{Connection, OptionalExtension, Result, params};

/// Wrong passwords from one network after which none is looked at for a while.
pub const FAILURES_MAX: i64 = 5;
/// How long, the first time; each further round takes twice as long.
const LOCK_SECS: i64 = 15 * 60;
/// The longest.
const LOCK_SECS_MAX: i64 = 24 * 3600;
/// Names and networks that are kept.
const ROWS_MAX: i64 = 100_000;
/// Wrong passwords from everywhere, in an hour, after which only networks are heard from which the
/// account has been signed in to.
const FAILURES_ANYWHERE_MAX: i64 = 50;

/// Until when no password for a name is looked at from a network; `None` when it is.
///
/// # Errors
/// When the database cannot be read.
pub fn locked_until(conn: &Connection, name: &str, network: &str, now: i64) -> Result<Option<i64>> {
    let own: Option<i64> = conn
        .prepare_cached("select locked_until from login_failures where name = ?1 and network = ?2")?
        .query_row(params![name, network], |row| row.get(0))
        .optional()?;
    if let Some(until) = own.filter(|until| *until > now) {
        return Ok(Some(until));
    }
    let anywhere: i64 = conn
        .prepare_cached(
            "select coalesce(sum(failures), 0) from login_failures
             where name = ?1 and failed_at > ?2",
        )?
        .query_row(params![name, now - 3600], |row| row.get(0))?;
    if anywhere < FAILURES_ANYWHERE_MAX || is_known(conn, name, network)? {
        return Ok(None);
    }
    Ok(Some(now + LOCK_SECS))
}

/// Whether the account of that name, if there is one, was signed in to from a network.
fn is_known(conn: &Connection, name: &str, network: &str) -> Result<bool> {
    conn.prepare_cached(
        "select exists (select 1 from users join login_history using (user_id)
             where username = ?1 and network = ?2)",
    )?
    .query_row(params![name, network], |row| row.get(0))
}

/// Writes a wrong password down; gives until when the network is locked, if that begins with this
/// one.
///
/// # Errors
/// When the database cannot be written.
pub fn note(conn: &Connection, name: &str, network: &str, now: i64) -> Result<Option<i64>> {
    let failures: i64 = conn
        .prepare_cached(
            "insert into login_failures (name, network, failures, failed_at)
             values (?1, ?2, 1, ?3)
             on conflict do update set failed_at = ?3,
                 failures = case when failed_at < ?3 - ?4 then 1 else failures + 1 end
             returning failures",
        )?
        .query_row(params![name, network, now, LOCK_SECS_MAX], |row| row.get(0))?;
    if failures % FAILURES_MAX != 0 {
        return Ok(None);
    }
    let round = u32::try_from(failures / FAILURES_MAX - 1).unwrap_or(0).min(16);
    let until = now + (LOCK_SECS << round).min(LOCK_SECS_MAX);
    conn.prepare_cached(
        "update login_failures set locked_until = ?3 where name = ?1 and network = ?2",
    )?
    .execute(params![name, network, until])?;
    Ok(Some(until))
}

/// Forgets those from one network, or with `None` all: the password was right, or the staff says
/// so. Tells whether there were any.
///
/// # Errors
/// When the database cannot be written.
pub fn clear(conn: &Connection, name: &str, network: Option<&str>) -> Result<bool> {
    let cleared = conn
        .prepare_cached(
            "delete from login_failures where name = ?1 and (?2 is null or network = ?2)",
        )?
        .execute(params![name, network])?;
    Ok(cleared > 0)
}

/// Wrong passwords for a name since the last right one, and whether any network is locked.
///
/// # Errors
/// When the database cannot be read.
pub fn summary(conn: &Connection, name: &str, now: i64) -> Result<(i64, bool)> {
    conn.prepare_cached(
        "select coalesce(sum(failures), 0), coalesce(max(locked_until), 0) > ?2
         from login_failures where name = ?1",
    )?
    .query_row(params![name, now], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Forgets what is a day old, and the oldest of what is more than [`ROWS_MAX`]: strangers choose
/// the names.
///
/// # Errors
/// When the database cannot be written.
pub fn expire(conn: &Connection, now: i64) -> Result<usize> {
    let old = conn
        .prepare_cached("delete from login_failures where failed_at < ?1 and locked_until < ?2")?
        .execute([now - LOCK_SECS_MAX, now])?;
    let too_many = conn
        .prepare_cached(
            "delete from login_failures where failed_at <= (
                 select failed_at from login_failures order by failed_at desc limit 1 offset ?1)",
        )?
        .execute([ROWS_MAX])?;
    Ok(old + too_many)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::users::tests::{add, open};
    use crate::db::users::{Role, signed_in};

    #[test]
    fn fifth_wrong_password_locks_its_network_and_longer_each_time() {
        let conn = open();
        let locks: Vec<_> =
            (0..10).map(|_| note(&conn, "ann", "192.0.2.0/24", 100).unwrap()).collect();
        assert_eq!(locks.iter().flatten().collect::<Vec<_>>(), [&1_000, &1_900]);
        let locked = |network, now| locked_until(&conn, "ANN", network, now).unwrap();
        assert_eq!(locked("192.0.2.0/24", 1_899), Some(1_900));
        assert_eq!(locked("192.0.2.0/24", 1_900), None);
        assert_eq!(locked("198.51.100.0/24", 100), None, "elsewhere it goes on");
        assert_eq!(summary(&conn, "ann", 101).unwrap(), (10, true));
        assert!(clear(&conn, "Ann", Some("192.0.2.0/24")).unwrap());
        assert_eq!(locked("192.0.2.0/24", 101), None);
    }

    #[test]
    fn wrong_passwords_from_everywhere_leave_known_networks_alone() {
        let conn = open();
        let ann = add(&conn, "ann", Role::Basic);
        signed_in(&conn, ann, "192.0.2.7".parse().unwrap(), 1).unwrap();
        for number in 0..50 {
            note(&conn, "ann", &format!("10.0.{number}.0/24"), 100).unwrap();
        }
        let is_locked = |network, now| locked_until(&conn, "ANN", network, now).unwrap().is_some();
        assert!(is_locked("198.51.100.0/24", 101) && !is_locked("192.0.2.0/24", 101));
        assert!(!is_locked("198.51.100.0/24", 4_000), "an hour later");
        assert_eq!(expire(&conn, 200_000).unwrap(), 50);
    }

    #[test]
    fn names_that_strangers_think_of_do_not_grow_it() {
        let conn = open();
        let fill = format!(
            "with recursive numbers (n) as (
                 select 1 union all select n + 1 from numbers where n < {ROWS_MAX} + 10)
             insert into login_failures select 'name' || n, '192.0.2.0/24', 1, n, 0 from numbers"
        );
        conn.execute_batch(&fill).unwrap();
        assert_eq!(expire(&conn, LOCK_SECS_MAX).unwrap(), 10);
        let oldest: i64 = conn
            .query_row("select min(failed_at) from login_failures", [], |row| row.get(0))
            .unwrap();
        assert_eq!(oldest, 11);
    }
}
