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
