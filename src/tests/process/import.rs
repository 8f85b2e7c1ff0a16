//! Moving from the earlier tracker, as an operator does it.

use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use rusqlite::Connection;

use super::members::{ask, sign_in_as};
use super::{exit_code, free_port, output, signal, start, wildkat};

#[path = "../../db/import/tests/sample.rs"]
mod sample;

/// What an import of a large source may have of address space, in kB: its caches are 192 MB.
const ADDRESS_SPACE: u32 = 512 << 10;

/// A folder with `old.db`, and what the program does there.
struct Stage(tempfile::TempDir);

impl Stage {
    fn new() -> Stage {
        let stage = Stage(tempfile::tempdir().unwrap());
        drop(sample::open(&stage.path("old.db")));
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The words of an import, with these behind; names of files are those of the folder.
    fn words(&self, from: &str, more: &[&str]) -> Vec<String> {
        let mut words = vec!["import".to_owned(), "--from".to_owned()];
        words.push(self.path(from).to_str().unwrap().to_owned());
        for word in more {
            let is_file = word.contains('.');
            let path = self.path(word).to_str().unwrap().to_owned();
            words.push(if is_file { path } else { (*word).to_owned() });
        }
        words
    }

    fn import(&self, from: &str, more: &[&str]) -> (Option<i32>, String, String) {
        let words = self.words(from, more);
        output(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn serve(&self, db: &str, port: u16) -> Vec<String> {
        let line = format!(
            "serve --host=127.0.0.1 --udp-port 0 --http-port 0 --registration --super-user boss \
             --tls-self-signed --web-https-port {port} --web-http-port 0 --db {}",
            self.path(db).display()
        );
        line.split_whitespace().map(str::to_owned).collect()
    }
}

fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

const MOVE: [&str; 6] =
    ["--super-user", "boss", "--time-zone", "+02:00", "--rename-collisions", "--report"];

#[test]
fn members_sign_in_with_their_old_passwords_after_a_move() {
    for from in ["old.db", "backup.db.gz"] {
        let stage = Stage::new();
        // Ann may sign in from networks of a list alone, which is obeyed.
        Connection::open(stage.path("old.db"))
            .unwrap()
            .execute(
                "update ip_allowlist set ip_address = '127.0.0.1' where ip_address = 'any'",
                [],
            )
            .unwrap();
        let plain = fs::read(stage.path("old.db")).unwrap();
        fs::write(stage.path("backup.db.gz"), pack(&plain)).unwrap();
        let before = fs::read(stage.path(from)).unwrap();

        let more = [&MOVE[..], &["dry.txt", "--dry-run", "--db", "new.db"]].concat();
        let (code, said, stderr) = stage.import(from, &more);
        assert_eq!((code, &*stderr), (Some(0), ""));
        assert!(said.contains("nothing was kept") && said.contains("\"Ann\" is Ann-2"), "{said}");
        assert_eq!(stage.names(), ["backup.db.gz", "dry.txt", "old.db"]);
        assert_eq!(fs::read_to_string(stage.path("dry.txt")).unwrap(), said);

        let more = [&MOVE[..], &["report.txt", "--db", "new.db"]].concat();
        let (code, said, stderr) = stage.import(from, &more);
        assert_eq!((code, &*stderr), (Some(0), ""));
        assert!(said.contains("boss owns the site"), "{said}");
        assert_eq!(stage.names(), ["backup.db.gz", "dry.txt", "new.db", "old.db", "report.txt"]);
        assert_eq!(fs::read(stage.path(from)).unwrap(), before);
        assert!(!said.contains("hush") && !said.contains(sample::CORRECT_HORSE[0]), "{said}");

        let port = free_port();
        let (mut tracker, _) = start(&stage.serve("new.db", port));
        let folder = stage.0.path();
        let ann = ["ann", "p%C3%A4ssw%C3%B6rd-%C3%85%C3%84%C3%96+1"];
        for [name, password] in [["boss", "Correct-Horse-9%21"], ann, ann] {
            let session = sign_in_as(folder, port, name, password);
            let head =
                format!("GET /manage/dashboard HTTP/1.1\r\nCookie: __Host-wksession={session}");
            let page = ask(folder, port, &head, b"");
            for torrent in ["Walrus Collection", "renewed.iso", "left behind"] {
                assert!(page.contains(torrent), "{name}: {page}");
            }
        }
        signal(&tracker, "-TERM");
        assert_eq!(exit_code(&mut tracker), Some(0));
        let conn = Connection::open(stage.path("new.db")).unwrap();
        let hash = |name: &str| -> String {
            let sql = "select password_hash from users where username = ?1";
            conn.query_row(sql, [name], |row| row.get(0)).unwrap()
        };
        assert!(hash("boss").starts_with("$argon2id$") && hash("ann").starts_with("$argon2id$"));
        assert!(hash("bob").starts_with("$pbkdf2-reference$"), "who was not there yet");
    }
}

#[test]
fn what_cannot_be_imported_is_one_clear_line_and_leaves_nothing() {
    let stage = Stage::new();
    let good = fs::read(stage.path("old.db")).unwrap();
    let bomb = [&good[..100], &vec![0; 60 << 20]].concat();
    for (name, content) in [
        ("garbage.db", &b"no database at all, but long enough to look at"[..]),
        ("text.db.gz", &pack(b"no database at all")),
        ("bomb.db.gz", &pack(&bomb)),
        ("cut.db", &good[..good.len() / 2]),
        ("cut.db.gz", &pack(&good)[..2_000]),
        ("there.db", b"mine"),
    ] {
        fs::write(stage.path(name), content).unwrap();
    }
    let known = ["--rename-collisions", "--super-user", "boss", "--db"];
    let (code, ..) = stage.import("old.db", &[&known[..], &["ours.db"]].concat());
    assert_eq!(code, Some(0));
    assert!(Command::new("mkfifo").arg(stage.path("pipe.db")).status().unwrap().success());
    let names = stage.names();
    for (from, more, code, told) in [
        ("garbage.db", &["--db", "new.db"][..], 1, "is no database"),
        ("text.db.gz", &["--db", "new.db"], 1, "is no database"),
        ("bomb.db.gz", &["--db", "new.db"], 1, "more comes out"),
        ("cut.db", &["--db", "new.db"], 1, "damaged"),
        ("cut.db.gz", &["--db", "new.db"], 1, "damaged"),
        ("ours.db", &["--db", "new.db"], 1, "wildkat already"),
        ("missing.db", &["--db", "new.db"], 1, "missing.db cannot be read"),
        ("pipe.db", &["--db", "new.db"], 1, "it is no file"),
        ("old.db", &["--db", "there.db", "--report", "r.txt"], 1, "is there already"),
        ("old.db", &["--db", "no.folder/new.db"], 1, "cannot be written"),
        ("old.db", &["--db", "new.db", "--report", "new.db"], 1, "that is the database"),
        ("old.db", &["--db", "new.db", "--report", "./new.db"], 1, "that is the database"),
        ("old.db", &["--db", "new.db", "--report", "old.db"], 1, "that is the database"),
        ("old.db", &["--db", "new.db", "--report", "r.txt"], 1, "--rename-collisions"),
        ("old.db", &["--db", "new.db", "--super-user", "eve"], 1, "no account \"eve\""),
        ("old.db", &["--db", "new.db", "--time-zone", "Berlin"], 2, "--time-zone"),
        ("old.db", &[], 2, "--db says where"),
    ] {
        let (found, stdout, stderr) = stage.import(from, more);
        assert_eq!((found, &*stdout), (Some(code), ""), "{from} {more:?}: {stderr}");
        assert!(
            stderr.starts_with("Error: ") && stderr.contains(told),
            "{from} {more:?}: {stderr}"
        );
        assert_eq!(stage.names(), names, "{from} {more:?}");
    }
    assert_eq!(fs::read(stage.path("there.db")).unwrap(), b"mine");
    assert_eq!(fs::read(stage.path("old.db")).unwrap(), good);
    let words = stage.serve("old.db", free_port());
    let (code, _, stderr) = output(&words.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(code == Some(1) && stderr.contains("`wildkat import --from OLD"), "{stderr}");
    assert_eq!(fs::read(stage.path("old.db")).unwrap(), good);
}

/// Adds what takes a while to import, and a file with every kind of text that is too long.
fn enlarge(path: &Path) {
    let conn = Connection::open(path).unwrap();
    conn.execute_batch(
        "pragma synchronous = off;
         with recursive n (i) as (select 1 union all select i + 1 from n limit 200000)
         insert into events (timestamp, actor, action, target)
             select '2024-05-01T08:00:00', 'ann', 'login', '192.0.2.' || i % 256 from n;
         insert into users (id, username, password_hash, salt, created_at)
             select value, value || hex(zeroblob(500000)), '', '', '' from json_each('[20,21,22]');
         update torrents set files_json = 
             '[' || replace(hex(zeroblob(4000000)), '00', '{\"path\":\"a\"},') || '{}]'
             where uploaded_by_id = 2;
         update comments set body = hex(zeroblob(50000000)) where id = 2",
    )
    .unwrap();
}

#[test]
fn import_that_is_killed_leaves_nothing_at_the_target_and_the_source_as_it_was() {
    let stage = Stage::new();
    enlarge(&stage.path("old.db"));
    let (before, names) = (fs::read(stage.path("old.db")).unwrap(), stage.names());
    let more = [&MOVE[..5], &["--db", "new.db"]].concat();
    let words = stage.words("old.db", &more);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut met = 0;
    for wait in [0, 50, 200, 400, 800] {
        let mut child =
            wildkat(&words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let begun = Instant::now();
        while stage.names() == names && child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < Duration::from_secs(20), "it does not begin");
        }
        std::thread::sleep(Duration::from_millis(wait));
        met += u32::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!stage.path("new.db").exists(), "killed after {wait} ms");
        let left = stage.names().into_iter().filter(|name| !names.contains(name));
        for name in left {
            assert!(name.starts_with("new-") && name.contains(".tmp.db"), "{name}");
            fs::remove_file(stage.path(&name)).unwrap();
        }
    }
    assert!(met >= 3, "only {met} of 5 were killed in the midst of it");
    assert!(fs::read(stage.path("old.db")).unwrap() == before);

    // And the memory of one that is not killed is bounded.
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", &format!("ulimit -v {ADDRESS_SPACE} && exec \"$0\" \"$@\"")]);
    let ended = shell.arg(env!("CARGO_BIN_EXE_wildkat")).args(&words).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    assert!(said.contains("comments: cut") && said.contains("too many"), "{said}");
    assert!(fs::read(stage.path("old.db")).unwrap() == before);
}

#[test]
fn log_of_a_tracker_that_was_killed_is_read_where_nothing_may_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let (closed, open) = (folder.path().join("closed"), folder.path().join("open"));
    fs::create_dir(&closed).unwrap();
    fs::create_dir(&open).unwrap();
    let live = sample::open(&folder.path().join("old.db"));
    live.execute_batch("pragma wal_checkpoint(truncate); pragma wal_autocheckpoint = 0").unwrap();
    live.execute("update users set points = 121 where id = 2", []).unwrap();
    let files = ["old.db", "old.db-wal", "old.db-shm"];
    for file in files {
        fs::copy(folder.path().join(file), closed.join(file)).unwrap();
    }
    drop(live);
    let bytes = || files.map(|file| fs::read(closed.join(file)).unwrap());
    let before = bytes();
    // Root may write everywhere, so it is somebody else.
    let is_root = rustix::process::geteuid().is_root();
    let mode = |path: &Path, mode: &str| {
        assert!(Command::new("chmod").args(["-R", mode]).arg(path).status().unwrap().success());
    };
    mode(&closed, "a=rX");
    mode(&open, "a=rwX");
    mode(folder.path(), "a+rX");
    mode(&closed, "a-w");
    let (from, to) = (closed.join("old.db"), open.join("new.db"));
    let words = ["import", "--from", from.to_str().unwrap(), "--db", to.to_str().unwrap()];
    let mut command = wildkat(&words);
    command.arg("--rename-collisions");
    if is_root {
        command.uid(65_534).gid(65_534);
    }
    let ended = command.output().unwrap();
    mode(&closed, "u+w");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    assert_eq!(bytes(), before);
    assert_eq!(fs::read_dir(&closed).unwrap().count(), files.len());
    let conn = Connection::open(&to).unwrap();
    let sql = "select balance from ledger_accounts where user_id = 2";
    let balance: i64 = conn.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(balance, 121, "what was written last is in the log alone");
}
