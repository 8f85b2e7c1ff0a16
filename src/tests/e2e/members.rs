//! The members' site from the first start of a server to a member's torrent that a real client
//! announces, in a real browser.

use std::fs;

use fantoccini::{Client, Locator};
use serde_json::json;
use sha1::{Digest, Sha1};

use super::clients::{Running, info, libtorrent};
use super::webdriver::{Driver, LOOKS, devtools, log, run, screenshot, take_on, text};
use super::*;
use crate::config;
use crate::protocol::bencode::write_bytes;

const PASSWORD: &str = "Correct-Horse-9!";

/// A tracker with a members' site that belongs to `owner`.
fn server() -> TestServer {
    TestServer::with(|config| {
        let folder = tempfile::tempdir().unwrap().keep();
        config.web.https_port = Some(0);
        config.web.public_host = Some("127.0.0.1".to_owned());
        config.members = Some(config::Members {
            db: folder.join("site.db"),
            owner: "owner".to_owned(),
            owner_password: Some(PASSWORD.to_owned()),
            https_port: None,
            http_port: None,
        });
    })
}

/// A page, as a browser sees it, for as long as a test looks.
struct Site<'a> {
    browser: &'a Client,
    origin: String,
}

impl Site<'_> {
    async fn goto(&self, path: &str) {
        self.browser.goto(&format!("{}{path}", self.origin)).await.unwrap();
    }

    async fn path(&self) -> String {
        self.browser.current_url().await.unwrap().path().to_owned()
    }

    async fn fill(&self, css: &str, text: &str) {
        let Ok(field) = self.browser.find(Locator::Css(css)).await else {
            panic!("no {css}: {}", self::text(self.browser, "body").await)
        };
        field.send_keys(text).await.unwrap();
    }

    /// Clicks what is on the page.
    async fn press(&self, css: &str) {
        let button = self.browser.find(Locator::Css(css)).await;
        button.unwrap_or_else(|error| panic!("{css}: {error}")).click().await.unwrap();
    }

    /// Clicks what copies; gives what is to be pasted then.
    async fn copy(&self, css: &str) -> String {
        let origin = &self.origin;
        let permissions = ["clipboardReadWrite", "clipboardSanitizedWrite"];
        let may = json!({ "origin": origin, "permissions": permissions });
        devtools(self.browser, "Browser.grantPermissions", may).await;
        self.press(css).await;
        let start = Instant::now();
        while text(self.browser, css).await != "Copied" {
            assert!(start.elapsed() < PATIENCE, "{css} copies nothing");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let pasted = "const done = arguments[0];
             navigator.clipboard.readText().then(done, (error) => done(`${error}`))";
        let pasted = self.browser.execute_async(pasted, vec![]).await.unwrap();
        pasted.as_str().unwrap().to_owned()
    }

    /// Clicks, and waits for the page that comes.
    async fn click(&self, css: &str) {
        run(self.browser, "window.isOld = true").await;
        self.press(css).await;
        let start = Instant::now();
        while run(
            self.browser,
            "return window.isOld === true || document.readyState !== 'complete'",
        )
        .await
            == true
        {
            assert!(start.elapsed() < PATIENCE, "{css} leads nowhere");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn sign_in(&self, username: &str) {
        self.goto("/manage").await;
        self.fill("[name=username]", username).await;
        self.fill("[name=password]", PASSWORD).await;
        self.click("main form .button-main").await;
        assert_eq!(self.path().await, "/manage/dashboard", "{}", text(self.browser, "main").await);
    }

    async fn sign_out(&self) {
        self.click(".nav form button").await;
        assert_eq!(self.path().await, "/manage");
    }

    /// Takes a picture in every theme and width; nothing is wider than the screen.
    async fn look(&self, name: &str) {
        for look in LOOKS {
            take_on(self.browser, look, 900).await;
            let size = "const page = document.documentElement;
                 return [page.scrollWidth, page.clientWidth, page.scrollHeight]";
            let size = run(self.browser, size).await;
            assert_eq!(size[0], size[1], "{name}, {}: no scrolling sideways", look.name);
            take_on(self.browser, look, size[2].as_u64().unwrap().min(4_000) as u32).await;
            screenshot(self.browser, &format!("members-{name}-{}", look.name)).await;
        }
        take_on(self.browser, LOOKS[0], 900).await;
    }
}

#[test]
fn torrent_of_a_member_is_shared_by_a_real_client_and_refused_when_it_is_deleted() {
    let server = server();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let driver = Driver::start();
        let browser = driver.browser().await;
        let port = server.addresses().web_https[0].port();
        let site = Site { browser: &browser, origin: format!("https://127.0.0.1:{port}") };
        site.goto("/manage").await;
        site.look("sign-in").await;
        site.sign_in("owner").await;
        let invitation = invite(&site).await;
        site.sign_out().await;
        sign_up(&site, &invitation).await;
        site.look("dashboard-empty").await;
        share(&server, &site).await;
        site.sign_out().await;
        site.sign_in("owner").await;
        wipe_and_restore(&server, &site).await;
        for (name, path) in [
            ("profile", "/manage/profile"),
            ("second-factor", "/manage/profile/second-factor"),
            ("password", "/manage/password"),
            ("member", "/manage/user/walrus"),
            ("admin-users", "/manage/admin/users"),
            ("admin-user", "/manage/admin/user/walrus"),
            ("admin-add", "/manage/admin/users/new"),
            ("admin-torrents", "/manage/admin/torrents"),
            ("admin-trackers", "/manage/admin/trackers"),
            ("admin-database", "/manage/admin/database"),
            ("admin-settings", "/manage/admin/settings"),
            ("admin-events", "/manage/admin/events"),
        ] {
            site.goto(path).await;
            site.look(name).await;
        }
        let complaints = log(&browser, "browser").await;
        let complaints: Vec<_> = complaints
            .iter()
            .filter(|entry| !entry["message"].as_str().unwrap().contains("404"))
            .collect();
        assert!(complaints.is_empty(), "{complaints:?}");
        browser.close().await.unwrap();
    });
}

/// Makes an invitation; gives its address.
async fn invite(site: &Site<'_>) -> String {
    site.goto("/manage/admin/invites").await;
    site.click("form[action$=generate-invite] button").await;
    site.look("admin-invites").await;
    let path = text(site.browser, ".rows .hash a").await;
    assert_eq!(site.copy("[data-copy-link]").await, format!("{}{path}", site.origin));
    path
}

/// Comes by an invitation, after a first try that says what is wrong.
async fn sign_up(site: &Site<'_>, invitation: &str) {
    site.goto(invitation).await;
    site.fill("#username", "walrus").await;
    site.fill("#password", "short").await;
    site.fill("#confirm", "short").await;
    site.click("main form .button-main").await;
    assert!(text(site.browser, "#password-error").await.contains("at least 12"));
    site.look("sign-up").await;
    site.fill("#password", PASSWORD).await;
    site.press("#password + button").await;
    let shown = "const field = document.querySelector('#password');
         return [field.type, field.value, field.nextSibling.textContent]";
    assert_eq!(run(site.browser, shown).await, json!(["text", PASSWORD, "Hide"]));
    site.fill("#confirm", PASSWORD).await;
    site.click("main form .button-main").await;
    assert_eq!(site.path().await, "/manage/dashboard");
}

/// Changes a setting, takes a backup, wipes everything, and has it back.
async fn wipe_and_restore(server: &TestServer, site: &Site<'_>) {
    site.goto("/manage/admin/settings").await;
    run(site.browser, "document.querySelector('#torrents_per_page').value = '7'").await;
    site.click("form:has(#torrents_per_page) button").await;
    assert!(!text(site.browser, ".flash").await.is_empty());
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("backup.db.gz");
    fs::write(&backup, fetch(server, site, "/manage/admin/db-backup").await).unwrap();

    site.goto("/manage/admin/danger").await;
    run(site.browser, "document.querySelectorAll('details').forEach((one) => one.open = true)")
        .await;
    site.look("admin-danger").await;
    site.fill("form[action$=system-wipe] [name=confirm_token]", "SYSTEMWIPE").await;
    site.fill("form[action$=system-wipe] [name=password]", PASSWORD).await;
    site.click("form[action$=system-wipe] .button-danger").await;
    site.goto("/manage/admin/users").await;
    assert!(!text(site.browser, "main").await.contains("walrus"));

    site.goto("/manage/admin/database").await;
    site.fill("[name=password]", PASSWORD).await;
    site.fill("[name=db_file]", backup.to_str().unwrap()).await;
    site.click("form[action$=db-restore] [type=submit]").await;
    let told = text(site.browser, "main").await;
    assert!(told.contains("The database is restored"), "{told}");
    site.sign_in("owner").await;
    site.goto("/manage/admin/users").await;
    assert!(text(site.browser, "main").await.contains("walrus"));
    site.goto("/manage/admin/settings").await;
    let kept = run(site.browser, "return document.querySelector('#torrents_per_page').value").await;
    assert_eq!(kept, "7");
}

/// Uploads a torrent, finds it, has libtorrent seed it, sees the seeder, and deletes it.
async fn share(server: &TestServer, site: &Site<'_>) {
    let folder = tempfile::tempdir().unwrap();
    let mut content = vec![0; 200_003];
    fastrand::fill(&mut content);
    let info = info(&content);
    let info_hash = InfoHash(Sha1::digest(&info).into());
    let file = folder.path().join("walrus.torrent");
    let mut metainfo = b"d8:announce".to_vec();
    write_bytes(&mut metainfo, b"http://elsewhere.example/secret");
    metainfo.extend([b"4:info", &info[..], b"e"].concat());
    fs::write(&file, metainfo).unwrap();

    site.fill("[name=torrent]", file.to_str().unwrap()).await;
    site.click(".upload button").await;
    assert!(text(site.browser, "#summary").await.contains("1 registered"));
    site.look("summary").await;
    site.goto("/manage/search").await;
    site.fill("#q", "file").await;
    site.click(".finder button").await;
    site.look("search").await;
    site.click(".torrents .name a").await;
    assert_eq!(site.path().await, format!("/manage/torrent/{info_hash}"));
    site.look("torrent").await;
    let copied = "return document.querySelector('[data-copy^=magnet]').dataset.copy";
    let magnet = run(site.browser, copied).await;
    let magnet = magnet.as_str().unwrap();
    assert_eq!(site.copy("[data-copy^=magnet]").await, magnet);
    let udp = server.addresses().udp[0].port();
    assert!(magnet.contains(&format!("btih:{info_hash}")), "{magnet}");
    assert!(magnet.contains(&format!("tr=udp%3A%2F%2F127.0.0.1%3A{udp}%2Fannounce")), "{magnet}");

    let torrent = folder.path().join("fetched.torrent");
    fs::write(
        &torrent,
        fetch(server, site, &format!("/manage/torrent/{info_hash}/download")).await,
    )
    .unwrap();
    let seeder = folder.path().join("seeder");
    fs::create_dir(&seeder).unwrap();
    fs::write(seeder.join("file"), &content).unwrap();
    let ip = "127.0.0.1".parse().unwrap();
    let mut command = libtorrent(&torrent, &seeder, ip, &server.folder.path().join("cert.pem"));
    let client = Running::start(&mut command, "python3-libtorrent", folder.path().join("log"));
    let start = Instant::now();
    // The page notices by itself.
    while text(site.browser, "[data-seeders]").await != "1" {
        assert!(start.elapsed() < 3 * PATIENCE, "the seeder is not shown");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    client.interrupt();

    run(site.browser, "document.querySelector('.danger').open = true").await;
    site.click(".danger .button-danger").await;
    assert!(text(site.browser, ".flash").await.contains("registered no more"));
    let announce = format!(
        "/announce?info_hash={}&peer_id=-XX0000-000000000000&port=6881&left=0",
        info_hash.0.map(|byte| format!("%{byte:02x}")).concat()
    );
    let refusal = server.get(&announce).failure().expect("it is refused");
    assert!(refusal.contains("not registered: removed by its uploader"), "{refusal}");
}

/// What is at a path for whoever is signed in in the browser.
async fn fetch(server: &TestServer, site: &Site<'_>, path: &str) -> Vec<u8> {
    let cookie = site.browser.get_named_cookie("__Host-wksession").await.unwrap();
    let (name, value) = (cookie.name(), cookie.value());
    let pem = server.folder.path().join("cert.pem");
    let mut stream = tls_stream(connect(server.addresses().web_https[0]), &pem);
    // Of HTTP/1.0, so that a file comes as it is, and to its end.
    let request = format!("GET {path} HTTP/1.0\r\nHost: test\r\nCookie: {name}={value}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).unwrap();
    let head_len = response.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
    assert!(response.starts_with(b"HTTP/1.0 200"), "{}", String::from_utf8_lossy(&response));
    response.split_off(head_len)
}
