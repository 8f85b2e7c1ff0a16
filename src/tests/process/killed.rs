//! The program killed, without a chance to tidy up, in the midst of what takes a while.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use wildkat::db::{Connection, Database};

use super::members::{PASSWORD, ask, csrf, sign_in, site, upload, words_with_password};
use super::{Tracker, free_port, start};

/// Events that make a database large, and bytes of each.
const EVENTS: i64 = 20_000;
const EVENT_BYTES: usize = 2_000;
/// How long to wait for the program to come so far.
const PATIENCE: Duration = Duration::from_mins(1);

fn fill(path: &Path, events: i64) {
    let detail = "x".repeat(EVENT_BYTES);
    let insert = |tx: &wildkat::db::Transaction<'_>| -> wildkat::db::Result<()> {
        for at in 0..events {
            let sql = "insert into events (at, actor, action, detail) values (?1, 'x', 'fill', ?2)";
            tx.prepare_cached(sql)?.execute((at, &detail))?;
        }
        Ok(())
    };
    Database::open(path).unwrap().write_now(insert).unwrap();
}

/// Files in a folder whose names contain `part`.
fn named(folder: &Path, part: &str) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_named = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().contains(part);
    paths.filter(is_named).collect()
}

/// Waits until `is_so`.
fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn kill(tracker: &mut Tracker) {
    tracker.0.kill().unwrap(); // SIGKILL
    tracker.0.wait().unwrap();
}

/// Looks at the file as it lies there; gives how many events of ours are in it.
fn whole(path: &Path) -> i64 {
    let conn = Connection::open(path).unwrap();
    let told: String = conn.query_row("pragma integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(told, "ok");
    let sql = "select count(*) from events where action = 'fill'";
    conn.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// The page where forms come from, for whoever has this session.
fn page(folder: &Path, port: u16, session: &str) -> String {
    let head = format!("GET /manage/admin/database HTTP/1.1\r\nCookie: __Host-wksession={session}");
    ask(folder, port, &head, b"")
}

fn restoration(csrf: &str, file: &[u8]) -> Vec<u8> {
    let field = "--b\r\nContent-Disposition: form-data; name=";
    let mut body = format!(
        "{field}\"_csrf\"\r\n\r\n{csrf}\r\n{field}\"password\"\r\n\r\n{PASSWORD}\r\n\
         {field}\"db_file\"; filename=\"a.db\"\r\n\r\n"
    )
    .into_bytes();
    body.extend_from_slice(file);
    body.extend(b"\r\n--b--\r\n");
    body
}

/// Sends a form with files, on a thread: whoever is asked may end before it answers.
fn post(folder: &Path, port: u16, (path, session): (&str, &str), body: Vec<u8>) {
    let mut stream = site(folder, port);
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nCookie: __Host-wksession={session}\r\n\
         Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    std::thread::spawn(move || {
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        let _ = stream.read(&mut [0; 1_000]);
    });
}

#[test]
fn restore_that_is_killed_leaves_the_old_or_the_new_whole_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, db) = (folder.path(), folder.path().join("site.db"));
    let port = free_port();
    let words = words_with_password(folder, port);
    let (mut tracker, _) = start(&words);
    kill(&mut tracker); // the owner is there
    let other = folder.join("other.file");
    Database::open(&db).unwrap().read_now(|conn| wildkat::db::copies::copy(conn, &other)).unwrap();
    fill(&db, EVENTS);
    fill(&other, EVENTS / 2);
    assert_eq!((whole(&db), whole(&other)), (EVENTS, EVENTS / 2)); // and the log is written back
    let file = std::fs::read(&other).unwrap();
    let (temporary, kept) = (".tmp.db", "-before-restore-");
    let length = |path: &Path| path.metadata().map_or(0, |metadata| metadata.len());
    for stage in 0..6 {
        let (mut tracker, _) = start(&words);
        let session = sign_in(folder, port);
        let body = restoration(&csrf(&page(folder, port, &session)), &file);
        let before = named(folder, kept).len();
        post(folder, port, ("/manage/admin/db-restore", &session), body);
        wait_for("it comes in", || !named(folder, temporary).is_empty());
        match stage {
            0 => {}
            1 => wait_for("a copy is kept", || named(folder, temporary).len() > 1),
            5 => wait_for("it is done", || named(folder, temporary).is_empty()),
            _ => {
                wait_for("the copy is kept", || named(folder, kept).len() > before);
                let wal = folder.join("site.db-wal");
                let written = ((stage - 2) * 6) << 20;
                let start = Instant::now();
                // Less than that may be all there is.
                while length(&wal) < written && start.elapsed() < Duration::from_secs(2) {
                    std::thread::yield_now();
                }
            }
        }
        kill(&mut tracker);
        let left = named(folder, temporary).len();
        let (mut tracker, said) = start(&words);
        assert!(named(folder, temporary).is_empty(), "{stage}: {said}");
        let events = whole(&db);
        println!("killed at stage {stage}, with {left} files left: {events} events");
        assert!([EVENTS, EVENTS / 2].contains(&events), "{stage}: {events}");
        let is_known = stage < 2 || stage == 5;
        assert!(!is_known || (events == EVENTS) == (stage < 2), "{stage}: {events}");
        sign_in(folder, port);
        kill(&mut tracker);
        if events != EVENTS {
            fill(&db, EVENTS / 2);
        }
    }
}

#[test]
fn backup_and_upload_that_are_killed_leave_the_database_whole_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, db) = (folder.path(), folder.path().join("site.db"));
    let port = free_port();
    let words = words_with_password(folder, port);
    fill(&db, EVENTS);
    let (mut tracker, _) = start(&words);
    let session = sign_in(folder, port);
    let mut stream = site(folder, port);
    let head = format!(
        "GET /manage/admin/db-backup HTTP/1.1\r\nHost: localhost\r\n\
         Cookie: __Host-wksession={session}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    wait_for("a copy is made", || !named(folder, ".tmp.db").is_empty());
    kill(&mut tracker);
    assert!(!named(folder, ".tmp.db").is_empty(), "it was killed in the midst of it");

    let (mut tracker, _) = start(&words);
    assert!(named(folder, ".tmp.db").is_empty());
    assert_eq!(whole(&db), EVENTS);
    let session = sign_in(folder, port);
    let body = upload(&csrf(&page(folder, port, &session)));
    post(folder, port, ("/manage/upload", &session), body);
    let torrents = || -> i64 {
        let conn = Connection::open(&db).unwrap();
        conn.query_row("select count(*) from torrents", [], |row| row.get(0)).unwrap()
    };
    wait_for("some are registered", || torrents() > 0);
    kill(&mut tracker);
    let there = torrents();
    assert!((1..1_000).contains(&there), "it was killed in the midst of it: {there}");

    let (_tracker, _) = start(&words);
    assert_eq!((whole(&db), torrents()), (EVENTS, there));
    let conn = Connection::open(&db).unwrap();
    for sql in [
        "select count(*) from torrent_contents",
        "select count(*) from events where action = 'register_torrent'",
        "select torrents from torrent_counts where uploader_id = 0",
    ] {
        let count: i64 = conn.query_row(sql, [], |row| row.get(0)).unwrap();
        assert_eq!(count, there, "{sql}: what belongs to a torrent came with it");
    }
    sign_in(folder, port);
}
