//! How long pages take on the server, where there are a million torrents, a hundred thousand
//! members and a million events.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::*;
use crate::db::torrents::tests::million;

const MEMBERS: u32 = 100_000;
const EVENTS: u32 = 1_000_000;

fn fill(path: &std::path::Path) {
    million::fill(path);
    let database = Database::open(path).unwrap();
    let work = |tx: &db::Transaction<'_>| -> db::Result<()> {
        let mut rng = fastrand::Rng::with_seed(2);
        for number in 0..MEMBERS {
            let username = format!("{}{number}", ["ann", "ben", "cat", "dog"][rng.usize(..4)]);
            let role = if number % 10 == 0 { Role::Standard } else { Role::Basic };
            let new = NewUser {
                username: &username,
                password_hash: "-",
                role,
                created_how: "self",
                created_by: None,
                now: number.into(),
            };
            users::insert(tx, &new)?.expect("the name is free");
        }
        for number in 0..EVENTS {
            let actor = format!("ann{}", rng.u32(..MEMBERS));
            let action = ["login", "register_torrent", "login_failed", "logout"][rng.usize(..4)];
            let target = format!("{:040x}", rng.u128(..));
            let event = db::events::Event {
                actor: &actor,
                action,
                target: &target,
                detail: "a detail of some length, as they have",
                ..db::events::Event::default()
            };
            db::events::insert(tx, number.into(), &event)?;
        }
        Ok(())
    };
    database.write_now(work).unwrap();
}

/// Prints what it finds, with `--run-ignored=only --no-capture`. A folder named by
/// `WILDKAT_LARGE_SITE` keeps what was filled in for the next time.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "a measurement that first registers a million torrents"]
async fn pages_of_a_large_site_take_less_than_50_ms() {
    let start = Instant::now();
    let folder = tempfile::tempdir().unwrap();
    let kept = std::env::var_os("WILDKAT_LARGE_SITE").map(PathBuf::from);
    let filled =
        kept.as_ref().map_or_else(|| folder.path().join("filled.db"), |k| k.join("filled.db"));
    if !filled.exists() {
        fill(&filled);
    }
    std::fs::copy(&filled, folder.path().join("site.db")).unwrap();
    let site = TestSite::over(folder);
    println!("filled and opened in {:?}", start.elapsed());
    let mut owner = site.member("owner", Role::Super);
    let hash = owner.get("/manage/search?q=debian").await.text();
    let hash = hash.split("/manage/torrent/").nth(1).unwrap()[..40].to_owned();
    let torrent = format!("/manage/torrent/{hash}");
    let mut slow = Vec::new();
    for path in [
        "/manage/dashboard",
        "/manage/dashboard?page=10000",
        "/manage/dashboard?sort=size&page=5000",
        "/manage/search?q=ubuntu",
        "/manage/search?q=ubuntu+server+iso",
        "/manage/search?q=flac+iso+night+2024+zz",
        "/manage/search?q=of",
        "/manage/search?q=zq",
        &torrent,
        "/manage/user/owner",
        "/manage/profile",
        "/manage/admin/torrents",
        "/manage/admin/torrents?page=20000",
        "/manage/admin/users",
        "/manage/admin/users?page=2000",
        "/manage/admin/users?q=cat99",
        "/manage/admin/users?q=nosuchname",
        "/manage/admin/user/owner",
        "/manage/admin/events",
        "/manage/admin/events?page=5000",
        "/manage/admin/events?q=nosuchthing",
        "/manage/admin/events?action=login_failed",
    ] {
        let mut times = Vec::new();
        for _ in 0..100 {
            let start = Instant::now();
            let answer = owner.get(path).await;
            times.push(start.elapsed());
            assert!(answer.status == 200 || answer.status == 404, "{path}: {}", answer.status);
        }
        times.sort();
        println!("{path}: median {:?}, p99 {:?}", times[50], times[98]);
        if times[98] >= Duration::from_millis(50) {
            slow.push(path);
        }
    }
    assert!(slow.is_empty(), "{slow:?}");
}

/// What the danger zone does in one transaction.
type Work = fn(&db::Transaction<'_>) -> db::Result<usize>;

/// Prints how long the writer is held, with `--run-ignored=only --no-capture`, and shows that pages
/// are read meanwhile. Of the folder it takes what the measurement above does.
#[test]
#[ignore = "a measurement that first registers a million torrents"]
fn danger_zone_of_a_large_site() {
    let folder = tempfile::tempdir().unwrap();
    let kept = std::env::var_os("WILDKAT_LARGE_SITE").map(PathBuf::from);
    let kept = kept.as_deref().unwrap_or(folder.path());
    let (filled, spread) = (kept.join("filled.db"), kept.join("spread.db"));
    if !filled.exists() {
        fill(&filled);
    }
    if !spread.exists() {
        std::fs::copy(&filled, &spread).unwrap();
        spread_over_members(&spread);
    }
    let works: [(&str, Work); 3] = [
        ("all accounts", |tx| db::moderation::delete_all(tx)),
        ("all torrents", |tx| db::moderation::delete_all_torrents(tx, 2, 1)),
        ("wipe", |tx| db::moderation::wipe(tx, 1).map(|()| 0)),
    ];
    for (what, work) in works {
        let path = folder.path().join("site.db");
        std::fs::copy(&spread, &path).unwrap();
        let database = Database::open(&path).unwrap();
        let start = Instant::now();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| database.write_now(work).unwrap());
            let mut slowest = Duration::ZERO;
            while !writer.is_finished() {
                let asked = Instant::now();
                let look = |conn: &db::Connection| {
                    db::torrents::list::count(conn, db::torrents::list::Scope::default())
                };
                let torrents = database.read_now(look).unwrap();
                assert!(torrents == 0 || torrents == 1_000_000, "{torrents} halfway");
                slowest = slowest.max(asked.elapsed());
                std::thread::sleep(Duration::from_millis(50));
            }
            println!("{what}: {:?}; a reader meanwhile {slowest:?}", start.elapsed());
        });
        drop(database);
        std::fs::remove_file(&path).unwrap();
    }
}

/// Gives the torrents to all members in turn, and to each member five sign-ins.
fn spread_over_members(path: &std::path::Path) {
    let database = Database::open(path).unwrap();
    let work = |tx: &db::Transaction<'_>| -> db::Result<()> {
        let trigger: String = tx.query_row(
            "select sql from sqlite_schema where name = 'torrents_change_hands'",
            [],
            |row| row.get(0),
        )?;
        tx.execute_batch(&format!(
            "drop trigger torrents_change_hands;
             update torrents set uploader_id = 3 + torrent_id * 7919 % {MEMBERS};
             delete from torrent_counts where uploader_id > 0;
             insert into torrent_counts
                 select uploader_id, count(*) from torrents group by uploader_id;
             {trigger};
             insert into login_history (user_id, ip, household, network, logged_in_at)
                 select user_id, '192.0.2.1', '192.0.2.1', '192.0.2.0/24', value
                 from users, json_each('[1, 2, 3, 4, 5]');
             update users set role = 3 where user_id = 1"
        ))
    };
    database.write_now(work).unwrap();
}
