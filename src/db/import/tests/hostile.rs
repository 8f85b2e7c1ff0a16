//! Sources that nobody's tracker has made: import, or a clear refusal, and never a row that is
//! somebody else's.

use super::*;
use crate::db::copies;
use crate::db::ledger::{Account, balance};
use crate::db::users::{self, NewUser, Role};

/// A source that was changed so.
fn altered(sql: &str) -> (Folder, Connection) {
    let folder = Folder::new();
    let source = sample::open(&folder.path("old.db"));
    source.execute_batch(sql).unwrap();
    (folder, source)
}

/// Why there is no import of a source that was changed so.
fn refused(sql: &str) -> String {
    let (folder, source) = altered(sql);
    drop(source);
    let told = folder.import("old.db", |_| {}).unwrap_err().to_string();
    assert_eq!(folder.names(), ["old.db"], "{sql}");
    told
}

#[test]
fn views_and_tables_without_ids_are_refused_and_never_asked() {
    let endless = "as with recursive n(i) as (select 1 union all select i + 1 from n)
         select i id, 'a' username, 'b' salt, 'c' key, 'd' value from n";
    for (table, how) in [
        ("users", format!("drop table users; create view users {endless}")),
        ("settings", format!("drop table settings; create view settings {endless}")),
        ("events", format!("drop table events; create view Events {endless}")),
        ("comments", "drop table comments; create table comments (id, body)".to_owned()),
        (
            "bounties",
            "drop table bounties; create table bounties (id integer, x, \
                      primary key (id, x))"
                .to_owned(),
        ),
        (
            "events",
            "drop table events; create table events (id integer primary key, x) \
                    without rowid"
                .to_owned(),
        ),
    ] {
        let told = refused(&how);
        assert!(told.contains(&format!("table {table} is not as")), "{how}: {told}");
    }
}

#[test]
fn what_a_source_declares_is_not_carried_out() {
    let plain = altered("").0.import("old.db", |_| {}).unwrap();
    let (folder, source) = altered(
        "create trigger evil after delete on sessions begin delete from users; end;
         create view others as select * from users;
         create table more (x check (x > (1)), y); insert into more values (2, 3);
         alter table users add column extra text default 'x';
         create index by_extra on users (extra, username);
         pragma user_version = 7; pragma application_id = 5",
    );
    drop(source);
    assert_eq!(folder.import("old.db", |_| {}).unwrap(), plain);
    let (folder, source) = altered(
        "create table t as select * from events; drop table events;
         create table events (id integer primary key, timestamp, actor, action, target,
             detail generated always as (hex(zeroblob(10000000))));
         insert into events (timestamp, actor, action, target)
             select timestamp, actor, action, target from t",
    );
    drop(source);
    folder.import("old.db", |_| {}).unwrap();
    assert_eq!(found(&folder.target(), "select count(*), max(detail) from events"), ["10|"]);
}

#[test]
fn tables_that_are_missing_are_empty() {
    let (folder, source) = altered(
        "drop table topup_webhook_events; drop table bounty_votes; drop table direct_messages;
         drop table points_ledger; drop table login_history; drop table comments",
    );
    drop(source);
    let report = folder.import("old.db", |_| {}).unwrap();
    let counted = report.tables.iter().find(|one| one.table == "comments").unwrap();
    assert_eq!((counted.read, counted.kept), (0, 0));
    assert_eq!(balance(&folder.target(), Account::Member(2)).unwrap(), 120);
}

#[test]
fn ids_that_leave_no_room_are_left_out() {
    let last = i64::MAX;
    let (folder, source) = altered(&format!(
        "insert into users (id, username, password_hash, salt, created_at) values
             ({last}, 'last', '', '', ''), (-7, 'below', '', '', '');
         insert into comments (id, info_hash, user_id, username, body)
             select {last}, info_hash, 2, 'ann', 'x' from torrents where uploaded_by_id = 2 limit 1;
         insert into direct_messages (id, sender, recipient, body, conversation_id) values
             ({last}, 'ann', 'boss', 'x', 1), (8, 'ann', 'boss', 'y', {last});
         insert into bounties (id, created_by, description) values ({last}, 'ann', 'x');
         insert into bounty_comments (id, bounty_id, username, body) values ({last}, 1, 'ann', 'x');
         insert into topup_orders (id, order_uuid, user_id) values ({last}, 'u9', 2);"
    ));
    drop(source);
    let report = folder.import("old.db", |_| {}).unwrap();
    assert_eq!(report.times("users", "left out: no id that can be"), 2);
    let target = folder.target();
    let new = NewUser {
        username: "next",
        password_hash: "-",
        role: Role::Basic,
        created_how: "self",
        created_by: None,
        now: NOW,
    };
    assert_eq!(users::insert(&target, &new).unwrap(), Some(10));
    for (table, columns, values) in [
        ("comments", "torrent_id, author, body, created_at", "1, 'x', 'x', 0"),
        ("conversations", "subject, started_at", "'x', 0"),
        (
            "bounties",
            "creator, description, initial_cost, created_at, expires_at",
            "'x', '', 1, 1, 1",
        ),
        ("bounty_comments", "bounty_id, author, body, created_at", "1, 'x', 'x', 0"),
    ] {
        let sql = format!("insert into {table} ({columns}) values ({values})");
        target.execute(&sql, []).unwrap();
        assert!(target.last_insert_rowid() < 100, "{table}");
    }
    let sql = "select conversation_id from direct_messages where message_id = 8";
    assert_eq!(found(&target, sql), ["8"]);
}

#[test]
fn answers_never_go_in_a_circle() {
    let (folder, source) = altered(
        "insert into comments (id, info_hash, user_id, username, parent_id, body) select
             value, 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', 2, 'ann',
             case value when 10 then 12 when 13 then 13 else value - 1 end, 'x'
             from json_each('[10, 11, 12, 13]')",
    );
    drop(source);
    folder.import("old.db", |_| {}).unwrap();
    let sql = "select comment_id, parent_id from comments where comment_id >= 10";
    assert_eq!(found(&folder.target(), sql), ["10|-", "11|10", "12|11", "13|-"]);
}

#[test]
fn index_that_names_other_rows_is_not_believed() {
    let (folder, source) = altered(
        "create table other as select * from users; update other set id = 100 - id;
         create table users2 (id integer primary key, username text unique);
         insert into users2 select id, username from other; drop table other;
         pragma writable_schema = on;
         create temp table roots as select name, rootpage from sqlite_schema
             where name in ('sqlite_autoindex_users_1', 'sqlite_autoindex_users2_1');
         update sqlite_schema set rootpage =
             (select rootpage from roots where roots.name != sqlite_schema.name)
             where name in (select name from roots);
         pragma writable_schema = reset",
    );
    drop(source);
    let source = Connection::open(folder.path("old.db")).unwrap();
    assert_eq!(found(&source, "pragma quick_check"), ["ok"], "the quick look does not see it");
    drop(source);
    folder.import("old.db", |_| {}).unwrap();
    assert_is_right(&folder);
    let sql = "select sender_id, recipient_id from direct_messages where message_id in (3, 5)";
    assert_eq!(found(&folder.target(), sql), ["2|6", "9|2"]);
}

#[test]
fn what_was_written_by_a_name_of_two_is_nobodys() {
    let (folder, source) = altered(
        "create table same as select * from users; drop table users;
         create table users (id integer primary key, username, password_hash, salt, created_at);
         insert into users select id, username, password_hash, salt, created_at from same;
         insert into users (id, username, created_at) values (30, 'ann', '2024-01-02T10:00:00')",
    );
    drop(source);
    folder.import("old.db", |_| {}).unwrap();
    let target = folder.target();
    let sql = "select message_id from direct_messages where 2 in (sender_id, recipient_id)";
    assert_eq!(found(&target, sql), [""; 0]);
    assert_eq!(
        found(&target, "select username from users where user_id in (2, 30)"),
        ["ann", "ann-3"]
    );
}

#[test]
fn names_of_no_kind_and_of_any_length_give_way() {
    let (folder, source) = altered("");
    source
        .execute_batch(
            "insert into users (id, username, password_hash, salt, created_at) values
                 (20, hex(zeroblob(500000)), '', '', ''),
                 (21, cast(x'ff616e6eff' as text), '', '', ''), (22, x'626f62', '', '', ''),
                 (23, char(27) || '[2Jcls', '', '', ''),
                 (24, '', '', '', ''), (25, 'ann ', '', '', ''), (26, 'änn', '', '', '');
             insert into torrents (info_hash, name, files_json) values
                 ('EEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEE', hex(zeroblob(500000)), '[]')",
        )
        .unwrap();
    drop(source);
    let report = folder.import("old.db", |_| {}).unwrap();
    let target = folder.target();
    assert_eq!(
        found(&target, "select username from users where user_id > 19 order by user_id"),
        [&"0".repeat(32), "ann-3", "bob-2", "2Jcls", "member-24", "ann-4", "nn"]
    );
    assert_eq!(found(&target, "select max(length(name)) from torrents"), ["255"]);
    let told = report.to_string();
    assert!(told.len() < 20_000 && !told.contains('\u{1b}'), "{}", told.len());
    assert_eq!(report.times("users", "cut: longer than any text can be"), 1);
}

#[test]
fn texts_beyond_all_measure_are_cut_and_told_of() {
    let (folder, source) = altered(
        "update comments set body = replace(hex(zeroblob(200000)), '0', 'é') where id = 2;
         update comments set body = zeroblob(70000000) where id = 3;
         update users set created_at = zeroblob(300000) where id = 7;
         update torrents set files_json = zeroblob(70000000) where uploaded_by_id = 1",
    );
    drop(source);
    let report = folder.import("old.db", |_| {}).unwrap();
    let target = folder.target();
    let sql = "select comment_id, length(body) from comments where comment_id in (2, 3)";
    assert_eq!(found(&target, sql), ["2|131072", "3|0"]);
    for table in ["comments", "torrents"] {
        assert_eq!(report.times(table, "cut: longer than any text can be"), 1, "{table}");
    }
}

#[test]
fn source_of_another_encoding_is_the_same() {
    let plain = altered("").0.import("old.db", |_| {}).unwrap();
    let folder = Folder::new();
    Connection::open(folder.path("old.db"))
        .unwrap()
        .execute_batch("pragma encoding = 'UTF-16le'; create table x (y); drop table x")
        .unwrap();
    let source = sample::open(&folder.path("old.db"));
    assert_eq!(found(&source, "pragma encoding"), ["UTF-16le"]);
    source.execute("update comments set body = 'Grüße 🦭' where id = 2", []).unwrap();
    drop(source);
    assert_eq!(folder.import("old.db", |_| {}).unwrap(), plain);
    let sql = "select body from comments where comment_id = 2";
    assert_eq!(found(&folder.target(), sql), ["Grüße 🦭"]);
}

/// What a column may hold that should not, as SQL.
const ODD: &[&str] = &[
    "null",
    "x''",
    "x'ff00fe'",
    "x'626f62'",
    "cast(x'c328' as text)",
    "9223372036854775807",
    "(-9223372036854775807 - 1)",
    "-1",
    "0",
    "2",
    "9e999",
    "-1e300",
    "0.5",
    "''",
    "' '",
    "'bob'",
    "'ANN'",
    "'9223372036854775808'",
    "'BOUNTY:9223372036854775808'",
    "'TOPUP:1'",
    "char(0, 10, 27, 8238, 128190)",
    "hex(zeroblob(150000))",
    "'2024-13-45T99:99:99'",
    "'9999-12-31T23:59:59'",
    "'1970-01-01T00:00:00'",
    "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'",
    "zeroblob(5)",
];
/// Sources that are tried.
const TRIED: u64 = 150;

/// Puts odd values anywhere; gives what was done.
fn spoil(source: &Connection, rng: &mut fastrand::Rng) -> String {
    source
        .execute_batch(
            "pragma foreign_keys = off; pragma writable_schema = on;
             update sqlite_schema set sql = replace(sql, ' not null', '') where type = 'table';
             pragma writable_schema = reset",
        )
        .unwrap();
    let columns = found(
        source,
        "select '\"' || t.name || '\" set \"' || c.name || '\" = '
         from pragma_table_list t join pragma_table_info(t.name) c
         where t.schema = 'main' and t.type = 'table' and t.name not like 'sqlite%'",
    );
    let mut done = String::new();
    for _ in 0..rng.usize(1..25) {
        let (place, value) = (rng.usize(..columns.len()), rng.usize(..ODD.len()));
        let which = ["1", "rowid % 2", "rowid = 1", "rowid = 2"][rng.usize(..4)];
        let sql = format!("update or ignore {} {} where {which};", columns[place], ODD[value]);
        // An id that is no number.
        if source.execute_batch(&sql).is_ok() {
            done.push_str(&sql);
        }
    }
    done
}

/// Whatever was imported is whole, even, and of whom the source says.
fn assert_is_right(folder: &Folder) {
    let target = folder.target();
    target.execute("attach ?1 as old", [folder.path("old.db").to_str().unwrap()]).unwrap();
    let is_named = |id: &str, name: &str| {
        format!(
            "{id} is not null and {id} not in (select id from old.users named not indexed
             where cast(named.username as text) = cast({name} as text))"
        )
    };
    let wrong = [
        "select s from (select sum(balance) s from ledger_accounts) where s != 0".to_owned(),
        "select 'account', user_id from users where user_id not in (select id from old.users)"
            .to_owned(),
        "select 'password', u.user_id from users u join old.users o on o.id = u.user_id
         where u.password_hash not in
             ('!', '$pbkdf2-reference$' || o.salt || '$' || lower(o.password_hash))"
            .to_owned(),
        "select 'balance', a.user_id from ledger_accounts a join old.users o on o.id = a.user_id
         where typeof(o.points) = 'integer'
             and a.balance != max(min(o.points, 1000000000000), -1000000000000)"
            .to_owned(),
        format!(
            "select 'message', m.message_id from direct_messages m
             join old.direct_messages o on o.id = m.message_id where {} or {}",
            is_named("m.sender_id", "o.sender"),
            is_named("m.recipient_id", "o.recipient")
        ),
        format!(
            "select 'comment', c.comment_id from comments c
             join old.comments o on o.id = c.comment_id
             where c.author_id is not o.user_id and {}",
            is_named("c.author_id", "o.username")
        ),
        format!(
            "select 'torrent', t.torrent_id from torrents t
             join old.torrents o on upper(cast(o.info_hash as text)) = hex(t.info_hash)
             where t.uploader_id is not o.uploaded_by_id and {}",
            is_named("t.uploader_id", "o.uploaded_by_username")
        ),
        format!(
            "select 'bounty', b.bounty_id from bounties b join old.bounties o on o.id = b.bounty_id
             where {}",
            is_named("b.creator_id", "o.created_by")
        ),
        "select 'order', order_id from topup_orders t join old.topup_orders o on o.id = t.order_id
         where t.user_id is not null and t.user_id is not o.user_id"
            .to_owned(),
    ];
    for sql in wrong {
        assert_eq!(found(&target, &sql), [""; 0], "{sql}");
    }
    target.execute("detach old", []).unwrap();
    drop(target);
    copies::open(&folder.path("new.db")).unwrap();
}

#[test]
fn whatever_columns_hold_what_is_imported_is_of_whom_it_was() {
    let mut imported = 0;
    for seed in 0..TRIED {
        let (folder, source) = altered("");
        let done = spoil(&source, &mut fastrand::Rng::with_seed(seed));
        drop(source);
        println!("{seed}: {done}");
        match folder.import("old.db", |_| {}) {
            Ok(_) => assert_is_right(&folder),
            Err(ImportError::NoSuchSuper(_)) => continue,
            Err(error) => panic!("{error}"),
        }
        imported += 1;
    }
    assert!(imported > TRIED / 2, "{imported}");
}
