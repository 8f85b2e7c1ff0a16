//! A second factor: a secret that a member's device shares, and codes that stand in for it.

use rusqlite::{Connection, OptionalExtension, Result, params};

/// What an account shares with a device.
#[derive(Clone, PartialEq, Eq)]
pub struct SharedSecret {
    /// 20 bytes.
    pub secret: Vec<u8>,
    /// Whether a code was right once, from when on it is asked for.
    pub is_confirmed: bool,
    /// The last step whose code was used; none of it or before counts again.
    pub last_step: i64,
}

/// The secret of an account; `None` where none was begun with.
///
/// # Errors
/// When the database cannot be read.
pub fn find(conn: &Connection, user_id: i64) -> Result<Option<SharedSecret>> {
    conn.prepare_cached(
        "select totp_secret, totp_confirmed_at is not null, totp_last_step from users
         where user_id = ?1 and totp_secret is not null",
    )?
    .query_row([user_id], |row| {
        Ok(SharedSecret { secret: row.get(0)?, is_confirmed: row.get(1)?, last_step: row.get(2)? })
    })
    .optional()
}

/// Begins with a secret, unless one is confirmed already.
///
/// # Errors
/// When the database cannot be written.
pub fn begin(conn: &Connection, user_id: i64, secret: &[u8]) -> Result<bool> {
    let begun = conn
        .prepare_cached(
            "update users set totp_secret = ?2, totp_last_step = 0
             where user_id = ?1 and totp_confirmed_at is null",
        )?
        .execute(params![user_id, secret])?;
    Ok(begun == 1)
}

/// Has the secret asked for from now on, with these codes (their SHA-256) to stand in for it.
///
/// # Errors
/// When the database cannot be written.
pub fn confirm(
    conn: &Connection,
    user_id: i64,
    step: i64,
    now: i64,
    codes: &[[u8; 32]],
) -> Result<()> {
    conn.prepare_cached(
        "update users set totp_confirmed_at = ?2, totp_last_step = ?3 where user_id = ?1",
    )?
    .execute([user_id, now, step])?;
    conn.prepare_cached("delete from backup_codes where user_id = ?1")?.execute([user_id])?;
    for code in codes {
        conn.prepare_cached("insert into backup_codes (user_id, code_hash) values (?1, ?2)")?
            .execute(params![user_id, code])?;
    }
    Ok(())
}

/// Uses the code of a step up; `false` when it, or a later one, was used before.
///
/// # Errors
/// When the database cannot be written.
pub fn use_step(conn: &Connection, user_id: i64, step: i64) -> Result<bool> {
    let used = conn
        .prepare_cached(
            "update users set totp_last_step = ?2 where user_id = ?1 and totp_last_step < ?2",
        )?
        .execute([user_id, step])?;
    Ok(used == 1)
}

/// Uses a code up that stands in for the device; `false` when it is none, or was used before.
///
/// # Errors
/// When the database cannot be written.
pub fn use_backup(conn: &Connection, user_id: i64, code_hash: &[u8; 32]) -> Result<bool> {
    let used = conn
        .prepare_cached("delete from backup_codes where user_id = ?1 and code_hash = ?2")?
        .execute(params![user_id, code_hash])?;
    Ok(used == 1)
}

/// How many such codes are left.
///
/// # Errors
/// When the database cannot be read.
pub fn backups(conn: &Connection, user_id: i64) -> Result<u64> {
    conn.prepare_cached("select count(*) from backup_codes where user_id = ?1")?
        .query_row([user_id], |row| row.get(0))
}

/// Takes the second factor away.
///
/// # Errors
/// When the database cannot be written.
pub fn remove(conn: &Connection, user_id: i64) -> Result<()> {
    conn.prepare_cached(
        "update users set totp_secret = null, totp_confirmed_at = null, totp_last_step = 0
         where user_id = ?1",
    )?
    .execute([user_id])?;
    conn.prepare_cached("delete from backup_codes where user_id = ?1")?.execute([user_id])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::users::Role;
    use crate::db::users::tests::{add, open};

    #[test]
    fn no_code_counts_twice_and_a_confirmed_secret_stays() {
        let conn = open();
        let ann = add(&conn, "ann", Role::Basic);
        assert!(find(&conn, ann).unwrap().is_none());
        assert!(begin(&conn, ann, &[1; 20]).unwrap() && begin(&conn, ann, &[2; 20]).unwrap());
        confirm(&conn, ann, 100, 5, &[[7; 32], [8; 32]]).unwrap();
        assert!(!begin(&conn, ann, &[3; 20]).unwrap());
        let shared = find(&conn, ann).unwrap().unwrap();
        assert!(shared.secret == [2; 20] && shared.is_confirmed && shared.last_step == 100);
        assert!(!use_step(&conn, ann, 100).unwrap() && use_step(&conn, ann, 101).unwrap());
        assert!(!use_step(&conn, ann, 101).unwrap());
        assert!(use_backup(&conn, ann, &[7; 32]).unwrap());
        assert!(!use_backup(&conn, ann, &[7; 32]).unwrap());
        assert_eq!(backups(&conn, ann).unwrap(), 1);
        remove(&conn, ann).unwrap();
        assert!(find(&conn, ann).unwrap().is_none() && backups(&conn, ann).unwrap() == 0);
    }
}
