//! The site through its router, without a socket.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{Site, assets, redirect};
use crate::clock::{Clock, Now};
use crate::config;
use crate::protocol::announce::{Peers, Role};
use crate::protocol::ids::{InfoHash, PeerId};
use crate::stats::Stats;
use crate::swarm::{Arrival, Swarms, Want};

const CSP: &str = "content-security-policy";

/// A site over a swarm of three: an IPv4 seeder, an IPv4 leecher and an IPv6 leecher, who came by
/// UDP, UDP and HTTPS.
struct TestSite {
    router: Router,
    stats: Stats,
}

impl TestSite {
    fn new() -> TestSite {
        TestSite::with_urls(&["udp://tracker.example:6969/announce"])
    }

    fn with_urls(urls: &[&str]) -> TestSite {
        let swarms = Arc::new(Swarms::new(&config::Swarm::default()));
        for (id, peer, role) in [
            (1, "192.0.2.1:6881", Role::Seeder),
            (2, "192.0.2.2:6881", Role::Leecher),
            (3, "[2001:db8::3]:6881", Role::Leecher),
        ] {
            announce(&swarms, id, peer, role);
        }
        let stats = Stats::new(2);
        stats.worker(0).udp.announces_v4.add(2);
        stats.worker(1).https.announces_v6.increment();
        stats.worker(1).https.scrapes.increment();
        let urls = urls.iter().map(ToString::to_string).collect();
        let site = Site::new(swarms, stats.clone(), Clock::start(), urls, "1.2.3");
        TestSite { router: super::router(site), stats }
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path).await
    }

    async fn ask(&self, method: Method, path: &str) -> Answer {
        ask(&self.router, method, path).await
    }
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

async fn ask(router: &Router, method: Method, target: &str) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(target)
        .header("host", "elsewhere.example")
        .body(Body::empty())
        .unwrap();
    let (head, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    Answer { status: head.status, headers: head.headers, body }
}

fn announce(swarms: &Swarms, id: u8, peer: &str, role: Role) {
    let arrival = Arrival {
        info_hash: InfoHash([7; 20]),
        peer: peer.parse().unwrap(),
        peer_id: PeerId([id; 20]),
        role,
        completed: false,
    };
    let mut rng = fastrand::Rng::with_seed(1);
    let mut peers = Peers::default();
    swarms.announce(Now::from_secs(0), &arrival, Want::default(), &mut rng, &mut peers).unwrap();
}

/// Every address that answers, but the hashed ones, with its type and how long it may be kept.
const PAGES: [(&str, &str, &str); 8] = [
    ("/", "text/html; charset=utf-8", "no-cache"),
    ("/stats.json", "application/json", "no-store"),
    ("/robots.txt", "text/plain; charset=utf-8", "public, max-age=86400"),
    ("/healthz", "text/plain; charset=utf-8", "no-store"),
    ("/favicon.ico", "image/x-icon", "public, max-age=86400"),
    ("/favicon.svg", "image/svg+xml", "public, max-age=86400"),
    ("/apple-touch-icon.png", "image/png", "public, max-age=86400"),
    ("/apple-touch-icon-precomposed.png", "image/png", "public, max-age=86400"),
];

#[tokio::test]
async fn every_page_has_its_type_and_its_lifetime() {
    let site = TestSite::new();
    for (path, content_type, cache_control) in PAGES {
        let answer = site.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(answer.header("content-type"), content_type, "{path}");
        assert_eq!(answer.header("cache-control"), cache_control, "{path}");
        assert!(!answer.body.is_empty(), "{path}");
    }
}

#[tokio::test]
async fn head_says_what_get_says_and_sends_nothing() {
    let site = TestSite::new();
    for path in PAGES.map(|(path, ..)| path).into_iter().chain(["/nowhere"]) {
        let get = site.get(path).await;
        let head = site.ask(Method::HEAD, path).await;
        assert_eq!(head.status, get.status, "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        assert_eq!(head.header("content-length"), get.body.len().to_string(), "{path}");
        assert!(head.body.is_empty(), "{path}");
    }
}

#[tokio::test]
async fn other_methods_are_told_which_there_are() {
    let site = TestSite::new();
    for (path, ..) in PAGES {
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
            let answer = site.ask(method, path).await;
            assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
            assert_eq!(answer.header("allow"), "GET,HEAD", "{path}");
            assert!(answer.text().contains("can only be read"), "{path}");
        }
    }
}

#[tokio::test]
async fn unknown_path_gets_the_error_page() {
    let site = TestSite::new();
    for path in ["/nowhere", "/announce", "/robots.txt/", "//", "/%ff", "/manage", "/STATS.json"] {
        for method in [Method::GET, Method::POST] {
            let answer = site.ask(method, path).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
            assert_eq!(answer.header("content-type"), "text/html; charset=utf-8", "{path}");
            assert!(answer.text().contains("Nothing lives here"), "{path}");
        }
    }
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let site = TestSite::new();
    for path in PAGES.map(|(path, ..)| path).into_iter().chain(["/nowhere"]) {
        for method in [Method::GET, Method::POST] {
            let answer = site.ask(method, path).await;
            assert!(answer.header(CSP).starts_with("default-src 'none';"), "{path}");
            assert!(!answer.header(CSP).contains("unsafe"), "{path}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
            assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
            assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
            assert!(answer.header("permissions-policy").contains("camera=()"), "{path}");
            assert_eq!(answer.header("server"), "", "{path}");
        }
    }
}

#[tokio::test]
async fn pages_obey_their_own_content_policy() {
    let site = TestSite::new();
    for path in ["/", "/nowhere"] {
        let page = site.get(path).await;
        for forbidden in ["<style", " style=", " onclick=", "javascript:", "http://", "https://"] {
            assert!(!page.text().contains(forbidden), "{path} has {forbidden}");
        }
        let scripts = page.text().matches("<script").count();
        assert_eq!(scripts, page.text().matches("<script type=\"module\" src=\"/assets/").count());
    }
}

#[tokio::test]
async fn robots_are_asked_to_leave_the_members_alone() {
    let robots = TestSite::new().get("/robots.txt").await;
    assert_eq!(robots.text(), "User-agent: *\nDisallow: /manage\n");
    assert_eq!(robots.body.len(), 32);
}

#[tokio::test]
async fn health_check_is_one_word() {
    assert_eq!(TestSite::new().get("/healthz").await.text(), "ok");
}

#[tokio::test]
async fn icons_are_what_they_are_called() {
    let site = TestSite::new();
    // ICONDIR: reserved 0, type 1, two images.
    assert!(site.get("/favicon.ico").await.body.starts_with(&[0, 0, 1, 0, 2, 0]));
    let touch = site.get("/apple-touch-icon.png").await;
    assert!(touch.body.starts_with(b"\x89PNG\r\n\x1a\n"));
    let pixels = [0, 0, 0, 180, 0, 0, 0, 180];
    assert_eq!(touch.body[16..24], pixels); // width and height of the IHDR chunk
    assert_eq!(touch.body, site.get("/apple-touch-icon-precomposed.png").await.body);
}

#[tokio::test]
async fn assets_of_a_page_are_served_for_ever() {
    let site = TestSite::new();
    let page = site.get("/").await;
    for (file, content_type) in [
        ("css/site.css", "text/css; charset=utf-8"),
        ("js/stats.js", "text/javascript; charset=utf-8"),
        ("img/favicon.svg", "image/svg+xml"),
    ] {
        let url = assets::url(file);
        assert!(page.text().contains(url), "{url}");
        let asset = site.get(url).await;
        assert_eq!(asset.status, StatusCode::OK, "{url}");
        assert_eq!(asset.header("content-type"), content_type);
        assert_eq!(asset.header("cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(asset.body, assets::asset(file).bytes);
    }
}

#[tokio::test]
async fn asset_under_another_hash_does_not_exist() {
    let site = TestSite::new();
    for path in [
        "/assets/site.0000000000000000.css",
        "/assets/site.css",
        "/assets/css/site.css",
        "/assets/",
        "/assets/..%2fsite.css",
    ] {
        let answer = site.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.header("cache-control"), "no-cache", "{path}");
    }
}

#[tokio::test]
async fn json_has_every_promised_field() {
    let site = TestSite::new();
    let zero = json!({
        "announces": 0, "announces_ipv4": 0, "announces_ipv6": 0,
        "scrapes": 0, "refused": 0, "bytes_sent": 0,
    });
    let requests = |changes: Value| {
        let mut figures = zero.clone();
        let changes = changes.as_object().unwrap().clone();
        figures.as_object_mut().unwrap().extend(changes);
        figures
    };
    let mut expected = json!({
        "version": "1.2.3",
        "uptime_seconds": 0,
        "swarms": {
            "torrents": 1, "peers": 3, "seeders": 1, "leechers": 2,
            "ipv4": { "peers": 2, "seeders": 1, "leechers": 1 },
            "ipv6": { "peers": 1, "seeders": 0, "leechers": 1 },
        },
        "requests": {
            "total": requests(json!({
                "announces": 3, "announces_ipv4": 2, "announces_ipv6": 1, "scrapes": 1,
            })),
            "udp": requests(json!({ "announces": 2, "announces_ipv4": 2 })),
            "http": requests(json!({})),
            "https": requests(json!({ "announces": 1, "announces_ipv6": 1, "scrapes": 1 })),
        },
        "udp": { "connects": 0, "silent": 0, "unsent": 0, "dropped": 0 },
        "compression": { "gzip_replies": 0, "plain_replies": 0, "bytes_saved": 0 },
        "connections": { "accepted": 0, "refused": 0, "timed_out": 0, "handshakes_failed": 0 },
    });
    let mut figures: Value = serde_json::from_slice(&site.get("/stats.json").await.body).unwrap();
    // The clock runs while the test does.
    figures["uptime_seconds"].take();
    expected["uptime_seconds"].take();
    assert_eq!(figures, expected);
}

#[tokio::test]
async fn page_shows_the_figures_of_the_moment() {
    let site = TestSite::new();
    site.stats.worker(0).http.bytes_sent.add(3 << 20);
    site.stats.worker(0).http.announces_v4.add(1_234_564);
    let page = site.get("/").await;
    for shown in [
        r#"<dd data-figure="swarms.torrents" data-format="count">1</dd>"#,
        r#"<dd data-figure="swarms.peers" data-format="count">3</dd>"#,
        r#"<dd data-figure="swarms.seeders" data-format="count">1</dd>"#,
        r#"<dd data-figure="swarms.leechers" data-format="count">2</dd>"#,
        r#"<dd data-figure="requests.total.announces" data-format="count">1,234,567</dd>"#,
        r#"data-format="bytes">3.0 MB</dd>"#,
        r#"data-format="uptime">0m</strong>"#,
        "udp://tracker.example:6969<wbr>/announce</code>",
        "Wildkat 1.2.3",
        "<title>Wildkat Tracker</title>",
    ] {
        assert!(page.text().contains(shown), "{shown} is not in {}", page.text());
    }
}

#[tokio::test]
async fn bars_are_shares_of_their_group() {
    let page = TestSite::new().get("/").await;
    // Two UDP announces, one HTTPS announce, one scrape; two IPv4 peers of three.
    for width in [r#"width="50.0%""#, r#"width="25.0%""#, r#"width="0.0%""#, r#"width="66.7%""#] {
        assert!(page.text().contains(width), "{width}");
    }
}

#[tokio::test]
async fn every_place_the_script_looks_at_is_in_the_json() {
    let site = TestSite::new();
    let figures: Value = serde_json::from_slice(&site.get("/stats.json").await.body).unwrap();
    let page = site.get("/").await;
    let mut places = 0;
    for attribute in ["data-figure=\"", "data-bar=\"", "data-part=\"", "data-whole=\""] {
        for rest in page.text().split(attribute).skip(1) {
            for path in rest.split('"').next().unwrap().split(' ') {
                let pointer = format!("/{}", path.replace('.', "/"));
                assert!(figures.pointer(&pointer).is_some_and(Value::is_u64), "{path}");
                places += 1;
            }
        }
    }
    assert!(places >= 20);
}

#[tokio::test]
async fn announce_url_cannot_bring_markup() {
    let site = TestSite::with_urls(&["udp://\"><script>alert(1)</script>/announce"]);
    let page = site.get("/").await;
    assert!(!page.text().contains("<script>"));
    assert!(page.text().contains("&#60;script&#62;alert(1)"));
}

#[tokio::test]
async fn tracker_without_announce_urls_says_so() {
    let page = TestSite::with_urls(&[]).get("/").await;
    assert!(page.text().contains("has not published an announce URL"));
}

#[tokio::test]
async fn redirect_keeps_path_and_query_and_names_the_configured_host() {
    let router = redirect::router("tracker.example:8443".to_owned());
    for (method, status) in [
        (Method::GET, StatusCode::MOVED_PERMANENTLY),
        (Method::HEAD, StatusCode::MOVED_PERMANENTLY),
        (Method::POST, StatusCode::PERMANENT_REDIRECT),
        (Method::DELETE, StatusCode::PERMANENT_REDIRECT),
    ] {
        let answer = ask(&router, method, "/a/b?c=d%20e").await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("location"), "https://tracker.example:8443/a/b?c=d%20e");
        assert_eq!(answer.header("content-length"), "0");
        assert!(answer.body.is_empty());
    }
}

#[tokio::test]
async fn redirect_never_leads_elsewhere() {
    let router = redirect::router("tracker.example".to_owned());
    for (target, location) in [
        ("//evil.example/x", "https://tracker.example//evil.example/x"),
        ("/\\evil.example", "https://tracker.example/%5Cevil.example"),
        ("http://evil.example/x?y", "https://tracker.example/x?y"),
        ("http://evil.example", "https://tracker.example/"),
        ("/@evil.example", "https://tracker.example/@evil.example"),
        ("/\"quoted\"", "https://tracker.example/%22quoted%22"),
        ("/caf\u{e9}", "https://tracker.example/caf%C3%A9"),
        ("*", "https://tracker.example/"),
    ] {
        assert_eq!(ask(&router, Method::GET, target).await.header("location"), location);
    }
}
