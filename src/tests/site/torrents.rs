//! A torrent from its upload to its end, and who may do what to it.

use super::*;
use crate::clock::Now;
use crate::protocol::announce::{Peers, Role as PeerRole};
use crate::protocol::ids::{InfoHash, PeerId};
use crate::swarm::{Arrival, Want};

/// A .torrent of one piece, named `name`, that names somebody's secret tracker.
fn torrent(name: &str) -> Vec<u8> {
    let mut file = b"d8:announce24:http://elsewhere/secret/4:infod6:lengthi5e4:name".to_vec();
    file.extend(format!("{}:{name}", name.len()).bytes());
    file.extend(b"12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee");
    file
}

fn info_hash(file: &[u8]) -> String {
    let limits = &crate::limits::UPLOADED_TORRENT;
    let metainfo = crate::protocol::metainfo::Metainfo::decode(file, limits).unwrap();
    metainfo.identity.v1().unwrap().to_string()
}

/// The body of an upload, its token first.
fn body(csrf: &str, files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    let head = "--b\r\nContent-Disposition: form-data; name=";
    body.extend(format!("{head}\"_csrf\"\r\n\r\n{csrf}\r\n").bytes());
    for (name, content) in files {
        body.extend(format!("{head}\"torrent\"; filename=\"{name}\"\r\n\r\n").bytes());
        body.extend(*content);
        body.extend(b"\r\n");
    }
    body.extend(b"--b--\r\n");
    body
}

async fn upload(browser: &mut Browser<'_>, files: &[(&str, &[u8])]) -> Answer {
    let body = body(&browser.csrf(), files);
    browser.send(Method::POST, "/manage/upload", "multipart/form-data; boundary=b", body).await
}

impl TestSite {
    fn is_tracked(&self, info_hash: &str) -> bool {
        let info_hash: InfoHash = info_hash.parse().unwrap();
        self.members.registered().unwrap().resolve(&info_hash).is_ok()
    }
}

/// Puts a seeder at 192.0.2.77 into a swarm.
fn seed(site: &TestSite, info_hash: InfoHash) {
    let arrival = Arrival {
        info_hash,
        peer: "192.0.2.77:6881".parse().unwrap(),
        peer_id: PeerId([1; 20]),
        role: PeerRole::Seeder,
        completed: false,
    };
    let (mut rng, mut peers) = (fastrand::Rng::with_seed(1), Peers::default());
    let now = Now::from_secs(0);
    site.swarms.announce(now, &arrival, Want::default(), &mut rng, &mut peers).unwrap();
}

#[tokio::test]
async fn torrent_is_uploaded_found_shown_fetched_and_deleted() {
    let site = TestSite::new();
    let trackers = ["udp://t.example:6969/announce".to_owned()];
    let seed = |tx: &db::Transaction<'_>| db::magnet_trackers::seed(tx, &trackers);
    site.members.database.write_now(seed).unwrap();
    let mut ann = site.member("ann", Role::Basic);
    let file = torrent("Walrus.2026-x");
    let hash = info_hash(&file);
    assert!(!site.is_tracked(&hash));
    let files: [(&str, &[u8]); 3] =
        [("w.torrent", &file), ("no.torrent", b"no"), ("w2.torrent", &file)];
    let summary = upload(&mut ann, &files).await.text();
    assert!(summary.contains("1 registered, 1 already there, 1 not valid"), "{summary}");
    assert!(site.is_tracked(&hash));

    let found = ann.get("/manage/search?q=walrus+x").await.text();
    assert!(found.contains("Walrus.2026-x") && found.contains("magnet:?xt=urn:btih:"), "{found}");
    assert!(ann.get("/manage/dashboard").await.text().contains("Walrus.2026-x"));
    let page = ann.get(&format!("/manage/torrent/{hash}")).await.text();
    assert!(page.contains("Walrus.2026-x") && page.contains(&hash), "{page}");
    let fetched = ann.get(&format!("/manage/torrent/{hash}/download")).await;
    let name = fetched.headers["content-disposition"].to_str().unwrap();
    assert!(name.contains("\"Walrus.2026-x.torrent\""), "{name}");
    assert_eq!(info_hash(&fetched.body), hash);
    let text = fetched.text();
    assert!(text.contains("udp://t.example:6969/announce") && !text.contains("secret"), "{text}");

    let asked = [("info_hash", hash.as_str())];
    ann.post("/manage/delete-torrent", &asked).await.assert_leads_to("/manage/dashboard");
    assert!(!site.is_tracked(&hash));
    let page = ann.get("/manage/dashboard").await.text();
    assert!(
        page.contains("is registered no more") && page.contains("not registered a torrent yet")
    );
    assert!(!ann.get("/manage/dashboard").await.text().contains("is registered no more"));
    assert_eq!(ann.get(&format!("/manage/torrent/{hash}")).await.status, 404);
    assert_eq!(ann.post("/manage/delete-torrent", &asked).await.status, 404);
}

#[tokio::test]
async fn others_torrents_are_the_staffs_to_delete_and_not_a_basic_members_to_list() {
    let site = TestSite::new();
    let mut ann = site.member("ann", Role::Basic);
    let file = torrent("walrus");
    let hash = info_hash(&file);
    upload(&mut ann, &[("w", &file)]).await;
    let asked = [("info_hash", hash.as_str()), ("removal", "3")];
    let mut ben = site.member("ben", Role::Basic);
    assert!(!ben.get("/manage/search?of=all").await.text().contains("walrus"));
    assert_eq!(ben.get(&format!("/manage/torrent/{hash}")).await.status, 200, "by its hash");
    assert_eq!(ben.post("/manage/delete-torrent", &asked).await.status, 403);
    let mut cat = site.member("cat", Role::Standard);
    assert!(cat.get("/manage/search").await.text().contains("walrus"));
    assert_eq!(cat.post("/manage/delete-torrent", &asked).await.status, 403);
    let all = [("username", "ann")];
    assert_eq!(cat.post("/manage/delete-all-torrents-user", &all).await.status, 403);
    assert!(site.is_tracked(&hash));
    let mut staff = site.member("staff", Role::Admin);
    staff.post("/manage/delete-torrent", &asked).await.assert_leads_to("/manage/dashboard");
    let refusal = site.members.registered().unwrap().resolve(&hash.parse().unwrap()).unwrap_err();
    assert!(refusal.reason.contains("duplicate"), "{}", refusal.reason);
}

#[tokio::test]
async fn all_torrents_of_a_member_go_by_the_member_or_the_staff() {
    let site = TestSite::new();
    let mut ann = site.member("ann", Role::Basic);
    let files = [torrent("a"), torrent("b")];
    upload(&mut ann, &[("a", &files[0]), ("b", &files[1])]).await;
    let mut staff = site.member("staff", Role::Admin);
    let of = |name| [("username", name), ("referer", "/manage/search")];
    site.account("boss", Role::Super);
    assert_eq!(staff.post("/manage/delete-all-torrents-user", &of("boss")).await.status, 403);
    let went = staff.post("/manage/delete-all-torrents-user", &of("ann")).await;
    went.assert_leads_to("/manage/search");
    assert_eq!(site.number("select count(*) from torrents"), 0);
    assert!(files.iter().all(|file| !site.is_tracked(&info_hash(file))));
    upload(&mut ann, &[("a", &files[0])]).await;
    assert!(site.is_tracked(&info_hash(&files[0])), "it may come again");
    ann.post("/manage/delete-all-torrents-user", &[]).await.assert_leads_to("/manage/dashboard");
    assert!(!site.is_tracked(&info_hash(&files[0])));
}

#[tokio::test]
async fn members_who_share_are_shown_if_they_want_to_be() {
    let site = TestSite::new();
    let mut ann = site.member("ann", Role::Basic);
    let file = torrent("walrus");
    let hash: InfoHash = info_hash(&file).parse().unwrap();
    upload(&mut ann, &[("w", &file)]).await;
    seed(&site, hash);
    let ben = site.account("ben", Role::Basic);
    let now = clock::unix_secs().cast_signed();
    let ip = "192.0.2.77".parse().unwrap();
    site.members.database.write_now(|tx| users::signed_in(tx, ben, ip, now)).unwrap();
    let path = format!("/manage/torrent/{hash}");
    let page = ann.get(&path).await.text();
    assert!(page.contains("data-seeders>1<") && !page.contains("currently sharing"), "{page}");
    let link = "update users set link_torrent_activity = 1 where username = 'ben'";
    site.members.database.write_now(|tx| tx.execute(link, [])).unwrap();
    let page = ann.get(&path).await.text();
    assert!(page.contains("currently sharing") && page.contains(">ben</a>"), "{page}");
}

#[tokio::test]
async fn another_tracker_is_asked_once_and_only_where_that_is_on() {
    let site = TestSite::new();
    let mut ann = site.member("ann", Role::Basic);
    let file = torrent("walrus");
    let hash = info_hash(&file);
    upload(&mut ann, &[("w", &file)]).await;
    let asked = [("info_hash", hash.as_str())];
    assert_eq!(ann.post("/manage/torrent/update-peers", &asked).await.status, 404);
    let on = db::settings::Setting::Flag(db::settings::PEER_QUERY_ENABLED);
    site.members.database.write_now(|tx| db::settings::set(tx, on, "1")).unwrap();
    site.obey_settings().await;
    let path = format!("/manage/torrent/{hash}");
    assert!(ann.get(&path).await.text().contains("Ask the other tracker"));
    ann.post("/manage/torrent/update-peers", &asked).await.assert_leads_to(&path);
    assert!(ann.get(&path).await.text().contains("is being asked"));
    assert_eq!(site.number("select count(*) from torrent_refreshes where is_pending"), 1);
}

#[tokio::test]
async fn upload_that_is_too_large_or_broken_says_so_and_keeps_what_came_before() {
    let site = TestSite::new();
    let mut ann = site.member("ann", Role::Basic);
    let kind = "multipart/form-data; boundary=b";
    let file = torrent("walrus");
    let mut cut = body(&ann.csrf(), &[("w", &file), ("x", &file)]);
    cut.truncate(cut.len() - 40);
    let broken = ann.send(Method::POST, "/manage/upload", kind, cut).await;
    assert_eq!(broken.status, 400);
    assert!(broken.text().contains("1 registered") && broken.text().contains("broke off"));
    let limit = db::settings::Setting::Number(db::settings::UPLOAD_MAX_CONTENT_MB);
    site.members.database.write_now(|tx| db::settings::set(tx, limit, "1")).unwrap();
    site.obey_settings().await;
    let large = vec![b'x'; 2 << 20];
    let refused = upload(&mut ann, &[("large", &large)]).await;
    assert_eq!(refused.status, 413, "{}", refused.text());
    let hostile = "<script>alert(1)<script>'\"";
    let named = torrent(hostile);
    let page = upload(&mut ann, &[(hostile, &named), (hostile, b"x")]).await.text();
    assert!(!page.contains("<script>alert"), "{page}");
    for path in ["/manage/dashboard".to_owned(), format!("/manage/torrent/{}", info_hash(&named))] {
        let page = ann.get(&path).await.text();
        assert!(page.contains("&#60;script") && !page.contains("<script>alert"), "{page}");
    }
    let searched = ann.get("/manage/search?q=%3Cscript%3Ealert(1)%3C/script%3E%22'").await.text();
    assert!(!searched.contains("<script>alert"), "{searched}");
}
