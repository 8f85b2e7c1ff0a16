//! How long a large import takes, and how much memory.

use std::fmt::Write;
use std::time::Instant;

use rusqlite::params;

use super::*;

const TORRENTS: u32 = 1_000_000;
const USERS: u32 = 100_000;
/// What an import may have in memory at its most, in kB: caches of 64 and 128 MiB, and the rest.
const RESIDENT_MAX: u64 = 400 << 10;

/// Makes a source of that size, with a row of the ledger for each torrent.
fn fill(path: &Path) {
    let conn = sample::tables(path);
    let [hash, salt] = sample::CORRECT_HORSE;
    conn.execute_batch("pragma synchronous = off; begin").unwrap();
    let mut add = conn
        .prepare(
            "insert into users (username, password_hash, salt, created_at, points)
             values (?1, ?2, ?3, '2020-01-01T00:00:00', 250)",
        )
        .unwrap();
    for number in 0..USERS {
        add.execute(params![format!("member{number}"), hash, salt]).unwrap();
    }
    let mut add = conn
        .prepare(
            "insert into torrents (info_hash, name, total_size, uploaded_by_id,
                 uploaded_by_username, registered_at, piece_count, piece_length, files_json)
             values (?1, ?2, 700, ?3, ?4, '2021-01-01T00:00:00', 1, 1024, ?5)",
        )
        .unwrap();
    let mut award = conn
        .prepare(
            "insert into points_ledger (user_id, delta, reason, ref_type, ref_id, created_at)
             values (?1, 25, 'upload', 'torrent', ?2, '2021-01-01T00:00:00')",
        )
        .unwrap();
    for number in 0..TORRENTS {
        let mixed = number.wrapping_mul(0x9e37_79b9);
        let info_hash = format!("{number:08X}{mixed:08X}{:024X}", 7);
        let name = format!("Some.Release.{number}.Season.{}.1080p-{mixed:x}", number % 30);
        let user = number % USERS;
        let mut files = String::from("[");
        for file in 0..10 {
            let comma = if file == 0 { "" } else { "," };
            write!(files, "{comma}{{\"path\":\"{name}/{file:03}.mkv\",\"size\":70}}").unwrap();
        }
        files.push(']');
        let username = format!("member{user}");
        add.execute(params![info_hash, name, user + 1, username, files]).unwrap();
        award.execute(params![user + 1, info_hash]).unwrap();
    }
    drop((add, award));
    conn.execute_batch("commit").unwrap();
}

/// The most memory that this process ever had, in kB.
fn resident_max() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Prints what it finds: in a release build, with `--run-ignored=only --no-capture`.
#[test]
#[ignore = "a measurement of a million torrents"]
fn million_torrents_are_imported_in_bounded_memory() {
    let folder = Folder::new();
    let start = Instant::now();
    fill(&folder.path("old.db"));
    let size = |name: &str| folder.path(name).metadata().unwrap().len() >> 20;
    println!("source of {} MB made in {:?}", size("old.db"), start.elapsed());
    println!("most memory before: {} MB", resident_max() >> 10);
    let start = Instant::now();
    let report = folder.import("old.db", |request| request.super_user = Some("member7")).unwrap();
    println!("target of {} MB in {:?}", size("new.db"), start.elapsed());
    println!("most memory: {} MB\n{report}", resident_max() >> 10);
    assert!(resident_max() < RESIDENT_MAX);
    let count = found(&folder.target(), "select count(*) from torrent_search");
    assert_eq!(count, [TORRENTS.to_string()]);
}
