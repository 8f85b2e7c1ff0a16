//! Networks that an account may be used from; of an account that has none, any.

use rusqlite::{Connection, OptionalExtension, Result, params};

/// Networks of one account.
pub const NETWORKS_MAX: usize = 50;

/// A network of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the columns are documented in the migration")]
pub struct Entry {
    pub entry_id: i64,
    pub network: String,
    /// The name of who has put it there, while that account is there.
    pub added_by: Option<String>,
    pub added_at: i64,
}

/// Those of an account.
///
/// # Errors
/// When the database cannot be read.
pub fn of(conn: &Connection, user_id: i64) -> Result<Vec<Entry>> {
    conn.prepare_cached(
        "select entry_id, network, username, added_at
         from ip_allowlist a left join users u on u.user_id = a.added_by
         where a.user_id = ?1 order by network",
    )?
    .query_map([user_id], |row| {
        Ok(Entry {
            entry_id: row.get(0)?,
            network: row.get(1)?,
            added_by: row.get(2)?,
            added_at: row.get(3)?,
        })
    })?
    .collect()
}

/// Adds a network, in CIDR notation. Tells whether it was not there.
///
/// # Errors
/// When the database cannot be written.
pub fn add(conn: &Connection, user_id: i64, network: &str, by: i64, now: i64) -> Result<bool> {
    let added = conn
        .prepare_cached(
            "insert into ip_allowlist (user_id, network, added_by, added_at)
             values (?1, ?2, ?3, ?4) on conflict (user_id, network) do nothing",
        )?
        .execute(params![user_id, network, by, now])?;
    Ok(added == 1)
}

/// Takes a network of an account away; gives it, if it was there.
///
/// # Errors
/// When the database cannot be written.
pub fn remove(conn: &Connection, user_id: i64, entry_id: i64) -> Result<Option<String>> {
    conn.prepare_cached(
        "delete from ip_allowlist where entry_id = ?1 and user_id = ?2 returning network",
    )?
    .query_row([entry_id, user_id], |row| row.get(0))
    .optional()
}

/// Takes all networks of an account away. Tells how many.
///
/// # Errors
/// When the database cannot be written.
pub fn clear(conn: &Connection, user_id: i64) -> Result<usize> {
    conn.prepare_cached("delete from ip_allowlist where user_id = ?1")?.execute([user_id])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::users::Role;
    use crate::db::users::tests::{add as add_user, open};

    #[test]
    fn network_is_there_once_and_goes_with_its_account_alone() {
        let conn = open();
        let (ann, ben) = (add_user(&conn, "ann", Role::Basic), add_user(&conn, "ben", Role::Super));
        assert!(add(&conn, ann, "192.0.2.0/24", ben, 7).unwrap());
        assert!(!add(&conn, ann, "192.0.2.0/24", ben, 8).unwrap());
        let entry = of(&conn, ann).unwrap().remove(0);
        assert_eq!((entry.added_by.as_deref(), entry.added_at), (Some("ben"), 7));
        assert_eq!(remove(&conn, ben, entry.entry_id).unwrap(), None);
        assert_eq!(remove(&conn, ann, entry.entry_id).unwrap().as_deref(), Some("192.0.2.0/24"));
        assert!(of(&conn, ann).unwrap().is_empty());
        assert_eq!(clear(&conn, ann).unwrap(), 0);
    }
}
