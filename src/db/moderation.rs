//! What the staff does to accounts. Who may do it is the caller's affair, and so are the sessions.

use rusqlite::{Connection, Result, params};

use super::users::Role;

/// Shuts an account, or opens it again. Tells whether that changed anything.
///
/// # Errors
/// When the database cannot be written.
pub fn set_disabled(conn: &Connection, user_id: i64, is_disabled: bool) -> Result<bool> {
    let changed = conn
        .prepare_cached(
            "update users set is_disabled = ?2 where user_id = ?1 and is_disabled != ?2",
        )?
        .execute(params![user_id, is_disabled])?;
    Ok(changed == 1)
}

/// Gives an account another role.
///
/// # Errors
/// When the database cannot be written.
pub fn set_role(conn: &Connection, user_id: i64, role: Role) -> Result<()> {
    conn.prepare_cached("update users set role = ?2 where user_id = ?1")?
        .execute(params![user_id, role])?;
    Ok(())
}

/// Takes an account away with all that is its own. Its torrents stay, of nobody.
///
/// # Errors
/// When the database cannot be written.
pub fn delete(conn: &Connection, user_id: i64) -> Result<()> {
    conn.prepare_cached("delete from users where user_id = ?1")?.execute([user_id])?;
    Ok(())
}

/// Takes all accounts but the owner's away. Tells how many.
///
/// # Errors
/// When the database cannot be written.
pub fn delete_all(conn: &Connection) -> Result<usize> {
    with_indexes(conn, "users", || conn.execute("delete from users where role != 3", []))
}

/// Columns that refer to rows of a table and have no index: for each row that is deleted, all of
/// theirs are looked through.
fn unindexed(conn: &Connection, parent: &str) -> Result<Vec<(String, String)>> {
    conn.prepare(
        "select t.name, f.\"from\" from sqlite_schema t, pragma_foreign_key_list(t.name) f
         where t.type = 'table' and f.\"table\" = ?1
             and not exists (
                 select 1 from pragma_index_list(t.name) i, pragma_index_info(i.name) c
                 where not i.partial and c.seqno = 0 and c.name = f.\"from\")
             and not exists (
                 select 1 from pragma_table_info(t.name) c where c.pk = 1 and c.name = f.\"from\")",
    )?
    .query_map([parent], |row| Ok((row.get(0)?, row.get(1)?)))?
    .collect()
}

/// Does `work`, which deletes many rows of a table, with an index on each column that refers to
/// them. They are there for as long as that takes, and nobody else ever sees them, since all of it
/// is one transaction: of a hundred thousand accounts each would else be looked for among all.
fn with_indexes<T>(conn: &Connection, parent: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let columns = unindexed(conn, parent)?;
    for (number, (table, column)) in columns.iter().enumerate() {
        conn.execute_batch(&format!(
            "create index referring_{parent}_{number} on \"{table}\" (\"{column}\")"
        ))?;
    }
    let result = work()?;
    for number in 0..columns.len() {
        conn.execute_batch(&format!("drop index referring_{parent}_{number}"))?;
    }
    Ok(result)
}

/// Takes all torrents away, and keeps why, by the number of a removal. Tells how many.
///
/// # Errors
/// When the database cannot be written.
pub fn delete_all_torrents(conn: &Connection, removal: u8, now: i64) -> Result<usize> {
    conn.execute(
        "insert or replace into removed_torrents (info_hash, removal, removed_at)
         select info_hash_v1, ?1, ?2 from torrents where info_hash_v1 is not null
         union all
         select substr(info_hash_v2, 1, 20), ?1, ?2 from torrents where info_hash_v2 is not null",
        params![removal, now],
    )?;
    with_indexes(conn, "torrents", || conn.execute("delete from torrents", []))
}

/// Takes away what members have made and what is known of them. What stays: the owner's account as
/// if new, one session, settings, trackers of magnet links, and the events.
///
/// # Errors
/// When the database cannot be written.
pub fn wipe(conn: &Connection, session_id: i64) -> Result<()> {
    conn.execute("delete from sessions where session_id != ?1", [session_id])?;
    let work = "delete from notifications; delete from topup_reconciliations;
         delete from topup_webhook_events; delete from topup_orders;
         delete from ledger_transfers; delete from ledger_entries;
         delete from ledger_accounts where kind = 'escrow'; delete from bounties;
         delete from conversations; delete from follows; delete from blocks;
         delete from torrents; delete from removed_torrents; delete from invites;
         delete from users where role != 3; delete from daily_awards;
         delete from ledger_accounts where kind = 'member' and user_id is null;
         update ledger_accounts set balance = 0;
         delete from ip_allowlist; delete from login_history; delete from login_failures;
         update users set is_disabled = 0, last_login_at = null, login_count = 0,
             last_seen_at = null;";
    with_indexes(conn, "users", || with_indexes(conn, "torrents", || conn.execute_batch(work)))
}

/// The last sign-ins of an account: from where and when, the last first.
///
/// # Errors
/// When the database cannot be read.
pub fn recent_sign_ins(conn: &Connection, user_id: i64) -> Result<Vec<(String, i64)>> {
    conn.prepare_cached(
        "select ip, logged_in_at from login_history where user_id = ?1
         order by logged_in_at desc, login_id desc limit 10",
    )?
    .query_map([user_id], |row| Ok((row.get(0)?, row.get(1)?)))?
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::torrents::list::{Part, Scope, Sort, count, search};
    use crate::db::torrents::tests::{add as add_torrent, open, sample};
    use crate::db::users;

    #[test]
    fn torrents_of_an_account_that_is_gone_are_nobodys_and_still_found() {
        let conn = open();
        let ann = users::by_name(&conn, "ann").unwrap().unwrap().user_id;
        add_torrent(&conn, &sample(1, "Walrus"), ann);
        let of = |uploader_id| count(&conn, Scope { uploader_id }).unwrap();
        assert_eq!((of(None), of(Some(ann)), of(Some(-1))), (1, 1, 0));
        delete(&conn, ann).unwrap();
        assert_eq!((of(None), of(Some(ann)), of(Some(-1))), (1, 0, 1));
        let query = crate::db::search::Query::new("walrus");
        let part = Part { page: 1, rows: 10 };
        let found = search(&conn, &query, Scope::default(), Sort::Newest, part).unwrap();
        assert_eq!((found.total, &found.torrents[0].uploader), (1, &None));
    }

    #[test]
    fn whoever_refers_to_many_rows_that_go_has_an_index_for_as_long_as_that_takes() {
        let conn = open();
        let schema = || -> Vec<String> {
            let sql = "select coalesce(sql, name) from sqlite_schema order by 1";
            let mut rows = conn.prepare(sql).unwrap();
            rows.query_map([], |row| row.get(0)).unwrap().collect::<Result<_>>().unwrap()
        };
        let (before, lacking) = (schema(), unindexed(&conn, "users").unwrap());
        assert!(lacking.contains(&("users".to_owned(), "created_by".to_owned())), "{lacking:?}");
        let is_indexed = |column| !lacking.iter().any(|(_, lacking)| lacking == column);
        assert!(is_indexed("uploader_id") && is_indexed("follower_id"), "{lacking:?}");
        with_indexes(&conn, "users", || {
            assert_eq!(unindexed(&conn, "users").unwrap(), []);
            Ok(())
        })
        .unwrap();
        assert_eq!(delete_all(&conn).unwrap(), 2);
        assert_eq!(delete_all_torrents(&conn, 2, 9).unwrap(), 0);
        wipe(&conn, 1).unwrap();
        assert_eq!(schema(), before);
    }

    #[test]
    fn all_torrents_go_with_their_reasons_and_counts() {
        let conn = open();
        for number in 0..3 {
            add_torrent(&conn, &sample(number, "a"), 1);
        }
        assert_eq!(delete_all_torrents(&conn, 2, 9).unwrap(), 3);
        assert_eq!(count(&conn, Scope::default()).unwrap(), 0);
        let removed = crate::db::torrents::removed(&conn, 100).unwrap();
        assert!(removed.len() >= 3 && removed.iter().all(|(_, removal)| *removal == 2));
        let query = crate::db::search::Query::new("a");
        let part = Part { page: 1, rows: 10 };
        let found = search(&conn, &query, Scope::default(), Sort::Newest, part).unwrap();
        assert_eq!(found.total, 0);
    }
}
