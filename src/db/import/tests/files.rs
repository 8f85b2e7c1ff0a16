//! What becomes of files: the source stays, the target is whole or not there.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::db::Database;

fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn running_tracker_and_its_log_are_read_and_left_as_they_are() {
    let folder = Folder::new();
    let live = sample::open(&folder.path("old.db"));
    live.execute_batch("pragma wal_checkpoint(truncate); pragma wal_autocheckpoint = 0").unwrap();
    live.execute("update users set points = 121 where id = 2", []).unwrap();
    let files = ["old.db", "old.db-wal"].map(|name| folder.path(name));
    let before = files.each_ref().map(|path| bytes(path).unwrap());
    assert!(!before[1].is_empty(), "what was written last is in the log alone");
    folder.import("old.db", |_| {}).unwrap();
    assert_eq!(files.each_ref().map(|path| bytes(path).unwrap()), before);
    let sql = "select balance from ledger_accounts where user_id = 2";
    assert_eq!(found(&folder.target(), sql), ["121"]);
    live.execute("update users set points = 122 where id = 2", []).unwrap();
    assert_eq!(folder.names(), ["new.db", "old.db", "old.db-shm", "old.db-wal"]);
}

#[test]
fn log_without_a_tracker_is_read_and_nothing_is_made_beside_it() {
    let folder = Folder::new();
    let live = sample::open(&folder.path("live.db"));
    live.execute_batch("pragma wal_checkpoint(truncate); pragma wal_autocheckpoint = 0").unwrap();
    live.execute("update users set points = 121 where id = 2", []).unwrap();
    for end in ["", "-wal"] {
        std::fs::copy(folder.path(&format!("live.db{end}")), folder.path(&format!("old.db{end}")))
            .unwrap();
    }
    drop(live);
    std::fs::remove_file(folder.path("live.db")).unwrap();
    let before = ["old.db", "old.db-wal"].map(|name| bytes(&folder.path(name)));
    folder.import("old.db", |_| {}).unwrap();
    assert_eq!(["old.db", "old.db-wal"].map(|name| bytes(&folder.path(name))), before);
    let sql = "select balance from ledger_accounts where user_id = 2";
    assert_eq!(found(&folder.target(), sql), ["121"]);
    assert_eq!(folder.names(), ["new.db", "old.db", "old.db-wal"]);
}

#[test]
fn what_was_being_written_when_power_went_is_not_read() {
    let folder = Folder::new();
    let live = sample::open(&folder.path("live.db"));
    live.execute_batch(
        "pragma journal_mode = delete; pragma cache_size = 1; begin;
         update users set points = 121; update events set detail = hex(zeroblob(20000))",
    )
    .unwrap();
    for end in ["", "-journal"] {
        std::fs::copy(folder.path(&format!("live.db{end}")), folder.path(&format!("old.db{end}")))
            .unwrap();
    }
    drop(live);
    std::fs::remove_file(folder.path("live.db")).unwrap();
    let before = ["old.db", "old.db-journal"].map(|name| bytes(&folder.path(name)));
    assert!(before[0].as_ref().unwrap().windows(100).any(|part| part == [b'0'; 100]));
    folder.import("old.db", |_| {}).unwrap();
    assert_eq!(["old.db", "old.db-journal"].map(|name| bytes(&folder.path(name))), before);
    let sql = "select max(length(detail)) from events";
    assert_eq!(found(&folder.target(), sql), ["1"]);
    assert_eq!(folder.names(), ["new.db", "old.db", "old.db-journal"]);
}

#[test]
fn packed_backup_is_read_and_the_site_opens_what_comes_of_it() {
    let folder = Folder::new();
    drop(sample::open(&folder.path("old.db")));
    let packed = pack(&bytes(&folder.path("old.db")).unwrap());
    std::fs::write(folder.path("old.db.gz"), &packed).unwrap();
    folder.import("old.db.gz", |_| {}).unwrap();
    assert_eq!(bytes(&folder.path("old.db.gz")).unwrap(), packed);
    assert_eq!(folder.names(), ["new.db", "old.db", "old.db.gz"]);
    let mode = folder.path("new.db").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    crate::db::copies::open(&folder.path("new.db")).unwrap();
    let database = Database::open(&folder.path("new.db")).unwrap();
    let owner = database.read_now(crate::db::users::owner).unwrap().unwrap();
    assert_eq!(owner.username, "boss");
}

#[test]
fn dry_run_tells_the_same_and_keeps_nothing() {
    let folder = Folder::new();
    drop(sample::open(&folder.path("old.db")));
    let before = bytes(&folder.path("old.db"));
    let dry = folder.import("old.db", |request| request.is_dry = true).unwrap();
    assert_eq!(
        (folder.names(), bytes(&folder.path("old.db"))),
        (vec!["old.db".to_owned()], before)
    );
    assert_eq!(folder.import("old.db", |_| {}).unwrap(), dry);
}

#[test]
fn what_is_there_is_never_written_over() {
    let folder = Folder::new();
    drop(sample::open(&folder.path("old.db")));
    std::fs::write(folder.path("new.db"), "mine").unwrap();
    let refused = folder.import("old.db", |_| {}).unwrap_err();
    assert!(matches!(refused, ImportError::TargetExists(_)));
    assert_eq!(bytes(&folder.path("new.db")).unwrap(), b"mine");
    let twin = |request: &mut Request<'_>| request.to = request.from;
    assert!(folder.import("old.db", twin).is_err());
    assert_eq!(folder.names(), ["new.db", "old.db"]);
}

#[test]
fn what_is_no_database_of_the_earlier_tracker_is_named_and_leaves_nothing() {
    let folder = Folder::new();
    drop(sample::open(&folder.path("good.db")));
    let good = bytes(&folder.path("good.db")).unwrap();
    Connection::open(folder.path("other.db")).unwrap().execute_batch("create table x (y)").unwrap();
    drop(Database::open(&folder.path("ours.db")).unwrap());
    let spoilt = {
        let mut spoilt = good.clone();
        spoilt[8_192..12_288].fill(0xff);
        spoilt
    };
    let bomb = {
        let mut bomb = good[..100].to_vec();
        bomb.resize(200 << 20, 0);
        pack(&bomb)
    };
    for (name, content) in [
        ("empty", &b""[..]),
        ("text", b"no database at all, but long enough to look at"),
        ("packed-text", &pack(b"no database at all")),
        ("packed-nothing", &pack(b"")),
        ("cut-gzip", &pack(&good)[..1_000]),
        ("cut", &good[..good.len() / 2]),
        ("spoilt", &spoilt),
        ("bomb", &bomb),
    ] {
        std::fs::write(folder.path(name), content).unwrap();
    }
    let names = folder.names();
    for (name, told) in [
        ("empty", "no database"),
        ("text", "no database"),
        ("packed-text", "no database"),
        ("packed-nothing", "no database"),
        ("cut-gzip", "damaged"),
        ("cut", "damaged"),
        ("spoilt", "damaged"),
        ("bomb", "more comes out"),
        ("other.db", "another program"),
        ("ours.db", "wildkat already"),
        ("missing", "cannot be read"),
        (".", "cannot be read"),
    ] {
        let error = folder.import(name, |_| {}).unwrap_err().to_string();
        assert!(error.contains(told), "{name}: {error}");
        assert_eq!(folder.names(), names, "{name}");
    }
}

#[test]
fn very_old_file_has_what_it_has() {
    let folder = Folder::new();
    let old = Connection::open(folder.path("old.db")).unwrap();
    let [hash, salt] = sample::CORRECT_HORSE;
    old.execute_batch(&format!(
        "create table users (id integer primary key autoincrement, username text unique not null,
             password_hash text not null, salt text not null, is_admin integer default 0,
             is_locked integer default 0, is_disabled integer default 0,
             failed_attempts integer default 0, created_by text default '', created_at text,
             last_login text);
         create table magnet_trackers (id integer primary key autoincrement, url text unique,
             is_enabled integer default 1, sort_order integer default 0);
         create table torrents (id integer primary key autoincrement, info_hash text unique,
             name text, uploaded_by_id integer, uploaded_by_username text, registered_at text);
         create table direct_messages (id integer primary key autoincrement, sender text,
             recipient text, subject text, body text, sent_at text, reply_to_id integer);
         insert into users (username, password_hash, salt, created_at) values
             ('boss', '{hash}', '{salt}', '2020-01-01T00:00:00'),
             ('ann', '{hash}', '{salt}', '2020-01-01T00:00:00');
         insert into torrents (info_hash, name, uploaded_by_id, uploaded_by_username,
             registered_at) values ('{}', 'old', 2, 'ann', '2020-01-01T00:00:00');
         insert into direct_messages (sender, recipient, subject, body, sent_at, reply_to_id)
             values ('ann', 'boss', 's', 'b', '2020-01-02T00:00:00', null),
                 ('boss', 'ann', 's', 'b', '2020-01-03T00:00:00', 1)",
        "D".repeat(40)
    ))
    .unwrap();
    drop(old);
    folder.import("old.db", |_| {}).unwrap();
    let target = folder.target();
    assert_eq!(
        found(&target, "select username, role, allow_dms, show_online from users"),
        ["boss|3|1|1", "ann|0|1|1"]
    );
    assert_eq!(
        found(&target, "select name, total_size, file_count, is_private from torrents"),
        ["old|0|1|0"]
    );
    assert_eq!(found(&target, "select conversation_id from direct_messages"), ["1", "1"]);
}

#[test]
fn collisions_and_unknown_owners_are_told_before_anything_is_made() {
    let folder = Folder::new();
    drop(sample::open(&folder.path("old.db")));
    let refused = folder.import("old.db", |request| request.renames_collisions = false);
    let told = refused.unwrap_err().to_string();
    assert!(told.contains("ann, Ann") && told.contains("--rename-collisions"), "{told}");
    let refused = folder.import("old.db", |request| request.super_user = Some("nobody"));
    assert!(refused.unwrap_err().to_string().contains("--super-user"));
    assert_eq!(folder.names(), ["old.db"]);
    folder.import("old.db", |request| request.super_user = Some("BOSS")).unwrap();
    let owner = found(&folder.target(), "select username from users where role = 3");
    assert_eq!(owner, ["boss"]);
    std::fs::remove_file(folder.path("new.db")).unwrap();
    folder.import("old.db", |request| request.super_user = Some("Ann")).unwrap();
    let names = found(&folder.target(), "select username from users where user_id in (2, 3)");
    assert_eq!(names, ["ann-2", "Ann"], "the owner keeps the name");
}
