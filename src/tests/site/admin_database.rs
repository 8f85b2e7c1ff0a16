//! Backups, what is put back, and what cannot be undone.

use std::io::{Read, Write};
use std::path::PathBuf;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use super::*;
use crate::db::torrents::tests::{add as add_torrent, sample};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut unpacked = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut unpacked).unwrap();
    unpacked
}

/// Registers a torrent, of which the tracker knows from then on.
fn register(site: &TestSite, number: u32, uploader_id: i64) {
    let metainfo = sample(number, "Walrus");
    let work = |tx: &db::Transaction<'_>| -> db::Result<()> {
        add_torrent(tx, &metainfo, uploader_id);
        Ok(())
    };
    site.members.database.write_now(work).unwrap();
    site.members.registered().unwrap().insert(metainfo.identity, 0);
}

fn is_tracked(site: &TestSite, number: u32) -> bool {
    let info_hash = sample(number, "").identity.v1().unwrap();
    site.members.registered().unwrap().resolve(&info_hash).is_ok()
}

/// The owner, whose password is [`PASSWORD`].
fn owner(site: &TestSite) -> Browser<'_> {
    let owner = site.account("owner", Role::Super);
    site.set_password(owner, PASSWORD);
    site.browser_of(owner)
}

async fn restore(browser: &mut Browser<'_>, password: &str, file: &[u8]) -> Answer {
    let mut body = Vec::new();
    for (name, value) in [("_csrf", &*browser.csrf()), ("password", password)] {
        write!(body, "--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
            .unwrap();
    }
    write!(
        body,
        "--b\r\nContent-Disposition: form-data; name=\"db_file\"; filename=\"<b>.gz\"\r\n\
         Content-Type: application/gzip\r\n\r\n"
    )
    .unwrap();
    body.extend_from_slice(file);
    body.extend_from_slice(b"\r\n--b--\r\n");
    let kind = "multipart/form-data; boundary=b";
    browser.send(Method::POST, "/manage/admin/db-restore", kind, body).await
}

/// Files beside the database whose names contain `part`.
fn files(site: &TestSite, part: &str) -> Vec<PathBuf> {
    let folder = site.members.database.path().parent().unwrap().to_owned();
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let named = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().contains(part);
    paths.filter(named).collect()
}

#[tokio::test]
async fn backup_comes_back_as_it_was_and_the_tracker_follows() {
    let site = TestSite::new();
    let mut browser = owner(&site);
    let ann = site.account("ann", Role::Standard);
    register(&site, 1, ann);
    let setting = [("form_id", "open_tracker"), ("open_tracker", "1")];
    browser.post("/manage/admin/save-settings", &setting).await;
    let backup = browser.get("/manage/admin/db-backup").await;
    let disposition = backup.headers["content-disposition"].to_str().unwrap();
    assert!(disposition.contains("tracker-backup-2") && disposition.contains(".db.gz\""));
    let unpacked = gunzip(&backup.body);
    assert!(unpacked.starts_with(b"SQLite format 3\0"));
    assert!(files(&site, "tmp").is_empty(), "nothing is left behind");
    // What is done later is undone.
    register(&site, 2, ann);
    site.account("later", Role::Basic);
    browser.post("/manage/admin/save-settings", &[("form_id", "open_tracker")]).await;
    assert!(is_tracked(&site, 2));
    for file in [&backup.body, &unpacked] {
        tokio::time::sleep(std::time::Duration::from_millis(1_100)).await; // another name
        let mut browser = site.browser_of(1);
        let answer = restore(&mut browser, PASSWORD, file).await;
        assert!(answer.text().contains("The database is restored"), "{}", answer.text());
        browser.get("/manage/dashboard").await.assert_leads_to("/manage");
        assert_eq!(site.number("select count(*) from users"), 2);
        assert_eq!(site.number("select count(*) from sessions"), 0);
        assert_eq!(site.number("select count(*) from events where action = 'db_restore'"), 1);
        assert_eq!(site.number("select torrents from torrent_counts where uploader_id = 0"), 1);
        let registered = site.members.registered().unwrap();
        assert!(registered.is_open());
        registered.set_open(false);
        assert!(is_tracked(&site, 1) && !is_tracked(&site, 2));
    }
    let has_later = |path: &PathBuf| {
        let names = |conn: &db::Connection| users::by_name(conn, "later");
        Database::open(path).unwrap().read_now(names).unwrap().is_some()
    };
    let kept = files(&site, "before-restore");
    assert!(kept.len() == 2 && kept.iter().any(has_later), "what was before is kept");
    let signed_in = site
        .stranger()
        .post("/manage/login", &[("username", "owner"), ("password", PASSWORD)])
        .await;
    assert_eq!(signed_in.status, 303, "whoever is in the backup signs in");
}

#[tokio::test]
async fn what_is_no_backup_changes_nothing_and_is_told() {
    let site = TestSite::new();
    let mut browser = owner(&site);
    let whole = gunzip(&browser.get("/manage/admin/db-backup").await.body);
    let foreign = {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("foreign.db");
        let conn = db::Connection::open(&path).unwrap();
        conn.execute_batch("create table users (id, name)").unwrap();
        drop(conn);
        std::fs::read(&path).unwrap()
    };
    let mut bomb = b"SQLite format 3\0".to_vec();
    bomb.resize(64 << 20, 0);
    let packed = gzip(&whole);
    let cases: [(&str, Vec<u8>, &str); 9] = [
        ("nothing", Vec::new(), "no database of SQLite"),
        ("text", b"<script>alert(1)</script> and so on".to_vec(), "no database of SQLite"),
        ("packed text", gzip(b"only a text, but a long one"), "no database of SQLite"),
        ("a gzip cut short", packed[..packed.len() / 2].to_vec(), "cannot be read"),
        ("a cut database", whole[..whole.len() / 2].to_vec(), "damaged"),
        ("a packed cut one", gzip(&whole[..whole.len() / 2]), "damaged"),
        ("another program's", gzip(&foreign), "another program"),
        ("a bomb", gzip(&bomb), "more comes out"),
        ("zeros", gzip(&vec![0; 1 << 20]), "no database of SQLite"),
    ];
    let before = site.number("select count(*) from events");
    for (name, file, told) in cases {
        restore(&mut browser, PASSWORD, &file).await.assert_leads_to("/manage/admin/database");
        let shown = browser.get("/manage/admin/database").await.text();
        assert!(shown.contains("Nothing has changed") && shown.contains(told), "{name}: {shown}");
        assert!(files(&site, "tmp").is_empty() && files(&site, "before").is_empty(), "{name}");
    }
    assert_eq!(site.number("select count(*) from events"), before);
    assert_eq!(site.number("select count(*) from users"), 1);
    restore(&mut browser, "wrong", &packed).await.assert_leads_to("/manage/admin/database");
    assert!(browser.get("/manage/admin/database").await.text().contains("not your password"));
}

#[tokio::test]
async fn second_backup_waits_for_the_first() {
    let site = TestSite::new();
    let mut browser = owner(&site);
    let turn = site.members.copying.clone().try_acquire_owned().unwrap();
    assert_eq!(browser.get("/manage/admin/db-backup").await.status, 503);
    drop(turn);
    assert_eq!(browser.get("/manage/admin/db-backup").await.status, 200);
}

#[tokio::test]
async fn danger_wants_its_words_and_the_password() {
    let site = TestSite::new();
    let mut browser = owner(&site);
    let ann = site.account("ann", Role::Standard);
    register(&site, 1, ann);
    for path in ["delete-all-users", "delete-all-torrents", "system-wipe"] {
        let path = format!("/manage/admin/{path}");
        for (token, password) in [
            ("", PASSWORD),
            ("systemwipe", PASSWORD),
            ("DELETE users", PASSWORD),
            ("<script>alert(1)</script>", PASSWORD),
        ] {
            let fields = [("confirm_token", token), ("password", password)];
            let answer = browser.post(&path, &fields).await;
            assert!(answer.status == 422 && answer.text().contains("Type the words"), "{path}");
            assert!(!answer.text().contains("<script>alert"));
        }
    }
    let fields = [("confirm_token", "SYSTEMWIPE"), ("password", "wrong")];
    let answer = browser.post("/manage/admin/system-wipe", &fields).await;
    assert!(answer.status == 422 && answer.text().contains("not your password"));
    assert_eq!(site.number("select count(*) from users"), 2);
    assert_eq!(site.number("select count(*) from torrents"), 1);
    assert!(is_tracked(&site, 1) && files(&site, "before").is_empty());
}

#[tokio::test]
async fn each_operation_leaves_what_it_says() {
    let site = TestSite::new();
    let mut browser = owner(&site);
    let elsewhere = site.browser_of(1).session;
    let ann = site.account("ann", Role::Admin);
    let mut other = site.browser_of(ann);
    register(&site, 1, ann);
    register(&site, 2, 1);
    let confirmed = |token| [("confirm_token", token), ("password", PASSWORD)];
    let path = "/manage/admin/delete-all-users";
    browser.post(path, &confirmed("DELETE USERS")).await.assert_leads_to("/manage/admin/danger");
    assert_eq!(site.number("select count(*) from users"), 1);
    assert_eq!(site.number("select count(*) from torrents where uploader_id is null"), 1);
    assert_eq!(site.number("select torrents from torrent_counts where uploader_id = -1"), 1);
    other.get("/manage/dashboard").await.assert_leads_to("/manage");
    assert!(is_tracked(&site, 1) && is_tracked(&site, 2));
    let path = "/manage/admin/delete-all-torrents";
    browser.post(path, &confirmed("DELETE TORRENTS")).await.assert_leads_to("/manage/admin/danger");
    assert_eq!(site.number("select torrents from torrent_counts where uploader_id = 0"), 0);
    assert!(!is_tracked(&site, 1) && !is_tracked(&site, 2));
    site.account("ben", Role::Basic);
    register(&site, 3, 1);
    let events = site.number("select count(*) from events");
    let path = "/manage/admin/system-wipe";
    browser.post(path, &confirmed("SYSTEMWIPE")).await.assert_leads_to("/manage/admin/danger");
    assert_eq!(site.number("select count(*) from users"), 1);
    assert_eq!(site.number("select count(*) from torrents"), 0);
    assert!(!is_tracked(&site, 3));
    assert!(site.number("select count(*) from events") > events, "events stay");
    assert_eq!(site.number("select count(*) from events where action = 'SYSTEM_WIPE'"), 1);
    assert_eq!(site.number("select count(*) from sessions"), 1);
    assert_eq!(browser.get("/manage/dashboard").await.status, 200);
    browser.session = elsewhere;
    browser.get("/manage/dashboard").await.assert_leads_to("/manage");
    assert_eq!(files(&site, "before").len(), 3, "a copy of each moment before");
}
