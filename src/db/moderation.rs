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
    // What there is most of goes, or becomes nobody's, at once: account by account each of its rows
    // would be taken out of every index.
    let torrents = without(conn, &TORRENTS_OF, || {
        conn.execute(
            "update torrents set uploader_id = null
             where uploader_id not in (select user_id from users where role = 3)",
            [],
        )
    })?;
    if torrents > 0 {
        conn.execute_batch(
            "update torrent_counts set torrents = 0
                 where uploader_id > 0
                     and uploader_id not in (select user_id from users where role = 3);
             insert into torrent_counts
                 select -1, count(*) from torrents where uploader_id is null
                 on conflict do update set torrents = excluded.torrents",
        )?;
    }
    without(conn, &["login_history_of", "login_history_from"], || {
        conn.execute(
            "delete from login_history
             where user_id not in (select user_id from users where role = 3)",
            [],
        )
    })?;
    conn.execute("delete from users where role != 3", [])
}

/// What follows each change of a torrent's uploader.
const TORRENTS_OF: [&str; 4] =
    ["torrents_change_hands", "torrents_of_by_time", "torrents_of_by_name", "torrents_of_by_size"];
/// What follows each torrent that goes, beside the above.
const TORRENTS: [&str; 5] = [
    "torrents_are_counted_out",
    "torrents_leave_search",
    "torrents_by_time",
    "torrents_by_name",
    "torrents_by_size",
];

/// Does `work`, which changes most rows of a table, without some indexes and triggers. They are
/// there again afterwards, made at once, and nobody else ever misses them, since all of it is one
/// transaction.
///
/// # Errors
/// When the database cannot be written; the transaction is then to be given up.
fn without<T>(conn: &Connection, names: &[&str], work: impl FnOnce() -> Result<T>) -> Result<T> {
    let mut declarations = Vec::with_capacity(names.len());
    for name in names {
        let (kind, declaration): (String, String) = conn.query_row(
            "select type, sql from sqlite_schema where name = ?1 and type in ('index', 'trigger')",
            [name],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        conn.execute_batch(&format!("drop {kind} {name}"))?;
        declarations.push(declaration);
    }
    let result = work()?;
    for declaration in &declarations {
        conn.execute_batch(declaration)?;
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
    empty_torrents(conn)
}

fn empty_torrents(conn: &Connection) -> Result<usize> {
    let names = [&TORRENTS[..], &TORRENTS_OF].concat();
    without(conn, &names, || {
        conn.execute_batch(
            "insert into torrent_search (torrent_search) values ('delete-all');
             update torrent_counts set torrents = 0;
             delete from torrent_contents; delete from torrent_snapshots;
             delete from torrent_refreshes;",
        )?;
        conn.execute("delete from torrents", [])
    })
}

/// Takes away what members have made and what is known of them. What stays: the owner's account as
/// if new, one session, settings, trackers of magnet links, and the events.
///
/// # Errors
/// When the database cannot be written.
pub fn wipe(conn: &Connection, session_id: i64) -> Result<()> {
    conn.execute("delete from sessions where session_id != ?1", [session_id])?;
    empty_torrents(conn)?;
    conn.execute_batch(
        "delete from notifications; delete from topup_reconciliations;
         delete from topup_webhook_events; delete from topup_orders;
         delete from ledger_transfers; delete from ledger_entries;
         delete from ledger_accounts where kind = 'escrow'; delete from bounties;
         delete from conversations; delete from follows; delete from blocks;
         delete from removed_torrents; delete from invites;
         delete from ip_allowlist; delete from login_history; delete from login_failures;
         delete from users where role != 3; delete from daily_awards;
         delete from ledger_accounts where kind = 'member' and user_id is null;
         update ledger_accounts set balance = 0;
         update users set is_disabled = 0, last_login_at = null, login_count = 0,
             last_seen_at = null;",
    )
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

    /// Everything there is in a database: what it declares, and all rows.
    fn dump(conn: &Connection) -> Vec<String> {
        let strings = |sql: &str| -> Vec<String> {
            let mut rows = conn.prepare(sql).unwrap();
            rows.query_map([], |row| row.get(0)).unwrap().collect::<Result<_>>().unwrap()
        };
        let mut all = strings("select coalesce(sql, name) from sqlite_schema");
        let tables = "select name from sqlite_schema where type = 'table'
             and name not like 'torrent_search_%' and name not like 'sqlite_%'";
        for table in strings(tables) {
            let mut rows = conn.prepare(&format!("select * from {table}")).unwrap();
            let columns = rows.column_count();
            let mut rows = rows.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                let values: Vec<_> = (0..columns)
                    .map(|column| format!("{:?}", row.get_ref_unwrap(column)))
                    .collect();
                // When a name was retired is now.
                let shown = if table == "retired_names" { &values[..1] } else { &values };
                all.push(format!("{table} {shown:?}"));
            }
        }
        all.sort();
        all
    }

    /// A database with what belongs to accounts and torrents, of the owner (1), members and nobody.
    fn furnished() -> Connection {
        let conn = open();
        let cy = users::tests::add(&conn, "cy", users::Role::Standard);
        let ben = users::by_name(&conn, "ben").unwrap().unwrap().user_id;
        conn.execute("update users set role = 3 where user_id = 1", []).unwrap();
        for number in 0..9 {
            let uploader = [1, ben, cy][number as usize % 3];
            let torrent_id = add_torrent(&conn, &sample(number, "walrus"), uploader).unwrap();
            let rows = format!(
                "insert into torrent_snapshots values ({torrent_id}, 'udp://a:1', 1, 1, 1, null);
                 insert into torrent_refreshes values ({torrent_id}, 1, 1, null);"
            );
            conn.execute_batch(&rows).unwrap();
        }
        for user_id in [1, ben, cy] {
            let ip = format!("192.0.2.{user_id}").parse().unwrap();
            users::signed_in(&conn, user_id, ip, 1).unwrap();
        }
        let nobodys = "update torrents set uploader_id = null where torrent_id = 9";
        assert_eq!(conn.execute(nobodys, []).unwrap(), 1);
        conn
    }

    #[test]
    fn all_at_once_is_what_one_by_one_is() {
        let (at_once, one_by_one) = (furnished(), furnished());
        assert_eq!(dump(&at_once), dump(&one_by_one));
        let members = "select user_id from users where role != 3";
        let ids = |conn: &Connection, sql: &str| -> Vec<i64> {
            let mut ids = conn.prepare(sql).unwrap();
            ids.query_map([], |row| row.get(0)).unwrap().collect::<Result<_>>().unwrap()
        };
        let gone = ids(&one_by_one, members);
        for user_id in &gone {
            delete(&one_by_one, *user_id).unwrap();
        }
        assert_eq!(delete_all(&at_once).unwrap(), gone.len());
        assert_eq!(dump(&at_once), dump(&one_by_one));

        let query = crate::db::search::Query::new("walrus");
        let part = Part { page: 1, rows: 10 };
        let found = |conn: &Connection| {
            search(conn, &query, Scope::default(), Sort::Newest, part).unwrap().total
        };
        assert_eq!([found(&at_once), found(&one_by_one)], [9, 9]);
        let gone = ids(&one_by_one, "select torrent_id from torrents");
        for torrent_id in &gone {
            let sql = "delete from torrents where torrent_id = ?1";
            one_by_one.execute(sql, [torrent_id]).unwrap();
        }
        assert_eq!(empty_torrents(&at_once).unwrap(), gone.len());
        assert_eq!(dump(&at_once), dump(&one_by_one));
        assert_eq!([found(&at_once), found(&one_by_one)], [0, 0]);
        // All that follows a torrent is there again.
        for conn in [&at_once, &one_by_one] {
            add_torrent(conn, &sample(1, "walrus"), 1);
            assert_eq!((found(conn), count(conn, Scope::default()).unwrap()), (1, 1));
        }
    }

    #[test]
    fn wiped_site_declares_what_it_did() {
        let conn = furnished();
        let declared = |conn: &Connection| {
            let all = dump(conn).into_iter();
            all.filter(|line| line.to_lowercase().starts_with("create")).collect::<Vec<_>>()
        };
        let before = declared(&conn);
        wipe(&conn, 1).unwrap();
        assert!(!before.is_empty() && declared(&conn) == before);
        assert_eq!(count(&conn, Scope::default()).unwrap(), 0);
        let users: i64 =
            conn.query_row("select count(*) from users", [], |row| row.get(0)).unwrap();
        assert_eq!(users, 1);
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
