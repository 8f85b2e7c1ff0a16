//! The site through its router, without a socket.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::announce::Announces;
use super::visitor::Visitor;
use super::{Facts, Site, assets, redirect};
use crate::clock::{self, Clock, Now};
use crate::config;
use crate::net::http::Responder;
use crate::protocol::announce::{Peers, Role};
use crate::protocol::ids::{InfoHash, PeerId};
use crate::stats::{Ledger, Protocol, Stats};
use crate::swarm::{Arrival, Swarms, Want};
use crate::tracker::{Tracker, Worker};

const CSP: &str = "content-security-policy";

/// A site over a swarm of three: an IPv4 seeder, an IPv4 leecher and an IPv6 leecher, who came by
/// UDP, UDP and HTTPS.
struct TestSite {
    router: Router,
    stats: Stats,
    swarms: Arc<Swarms>,
}

impl TestSite {
    fn new() -> TestSite {
        TestSite::announced_at(Some("tracker.example"), &[("udp", 6969)])
    }

    fn announced_at(public_host: Option<&str>, ports: &[(&'static str, u16)]) -> TestSite {
        let swarms = Arc::new(Swarms::new(&config::Swarm::default()));
        for (id, peer, role) in [
            (1, "192.0.2.1:6881", Role::Seeder),
            (2, "192.0.2.2:6881", Role::Leecher),
            (3, "[2001:db8::3]:6881", Role::Leecher),
        ] {
            announce(&swarms, id, peer, role);
        }
        let now = clock::unix_secs();
        let stats = Stats::new(2, Ledger::new([1, 2], now), now);
        for worker in 0..2 {
            stats.worker(worker).turn_to(0);
        }
        stats.worker(0).udp.v4.announces.add(2);
        stats.worker(1).https.v6.announces.increment();
        stats.worker(1).https.v6.scrapes.increment();
        let clock = Clock::start();
        let tracker = Tracker::new(config::Tracker::default(), swarms.clone(), None).unwrap();
        let responder =
            Responder::new(Worker::new(Arc::new(tracker), stats.worker(1)), Arc::default());
        let facts = Facts {
            version: "1.2.3",
            public_host: public_host.map(str::to_owned),
            announce_ports: ports.to_vec(),
            metrics_allow: vec!["127.0.0.0/8".parse().unwrap()],
            ..Facts::default()
        };
        let site = Site {
            swarms: swarms.clone(),
            stats: stats.clone(),
            clock,
            announces: Arc::new(Announces::new(responder, Arc::default())),
            facts: Arc::new(facts),
            members: None,
        };
        TestSite { router: super::router(site), stats, swarms }
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
        .extension(Visitor { peer: [127, 0, 0, 1].into(), is_tls: true })
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

/// Every address that answers, but the hashed ones and the metrics, with its type and how long it
/// may be kept.
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
    for path in ["/nowhere", "/announces", "/robots.txt/", "//", "/%ff", "/manage", "/STATS.json"] {
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
        ("js/fresh.js", "text/javascript; charset=utf-8"),
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
    let mut periods = figures.as_object_mut().unwrap().remove("periods").unwrap();
    assert_eq!(figures, expected);

    let date = periods["today"]["date"].take();
    assert_eq!(date.as_str().unwrap().len(), "2026-08-31".len());
    let hours = periods["today"]["hours"].take();
    assert_eq!((hours.as_array().unwrap().len(), periods["yesterday"].take()), (24, Value::Null));
    let empty = json!({
        "announces": 0, "udp": 0, "https": 0, "http": 0, "ipv4": 0, "ipv6": 0, "addresses": 0,
        "bytes_sent": 0, "bytes_saved": 0, "gzip_replies": 0, "plain_replies": 0, "clients": [],
    });
    let with = |more: Value| {
        let mut figures = empty.as_object().unwrap().clone();
        figures.extend(more.as_object().unwrap().clone());
        Value::Object(figures)
    };
    assert_eq!(periods["today"], with(json!({ "date": null, "hours": null })));
    let days = json!([{ "date": date, "announces": 0 }]);
    assert_eq!(periods["all_time"], with(json!({ "since": date, "days": days })));
}

/// Counts announces of today, as if they had come.
fn count_announces(site: &TestSite) {
    let counters = site.stats.worker(0);
    let from = |number: u8| IpAddr::from([192, 0, 2, number]);
    for number in 0..60 {
        counters.announced(Protocol::Udp, from(number), b"-qB5140-abcdefghijkl");
    }
    for number in 0..20 {
        counters.announced(Protocol::Https, from(number), b"-TR4060-abcdefghijkl");
    }
    counters.sent_body(Protocol::Https, 3 << 20, Some(1 << 20));
}

#[tokio::test]
async fn page_shows_the_figures_of_the_moment() {
    let site = TestSite::new();
    count_announces(&site);
    let page = site.get("/").await;
    let text: String = page.text().split_whitespace().collect::<Vec<_>>().join(" ");
    for shown in [
        "<dt>Active torrents</dt> <dd>1</dd>",
        "<dt>Live peers</dt> <dd>3</dd>",
        "<dt>Seeders</dt> <dd>1</dd>",
        "<dt>Leechers</dt> <dd>2</dd>",
        "<dt>Announces, all time</dt> <dd>80</dd>",
        "<dt>Unique addresses</dt> <dd>60</dd>",
        "<dt>Data sent</dt> <dd>3.0 MB</dd>",
        "<dd>1.0 MB</dd> <dd class=\"aside\">25.0% of the bytes, in 100.0% of HTTP replies</dd>",
        "class=\"fact fact-good\"",
        "counting began today",
        "Up <strong>0m</strong>",
        "udp://tracker.example:6969<wbr>/announce</code>",
        "Wildkat 1.2.3",
        "<title>Wildkat Tracker</title>",
        "kept in memory alone",
    ] {
        assert!(text.contains(shown), "{shown} is not in {text}");
    }
}

#[tokio::test]
async fn bars_are_shares_of_their_group() {
    let site = TestSite::new();
    count_announces(&site);
    let page = site.get("/").await;
    let text: String = page.text().split_whitespace().collect::<Vec<_>>().join(" ");
    for (name, number, share) in [
        ("UDP", "60", "75.0%"),
        ("HTTPS", "20", "25.0%"),
        ("HTTP", "0", "0.0%"),
        ("qBittorrent", "60", "75.0%"),
        ("Transmission", "20", "25.0%"),
        ("IPv6", "1", "33.3%"),
    ] {
        let bar = format!(
            "<span class=\"bar-name\">{name}</span> <span class=\"bar-number\">{number}</span> \
             <span class=\"bar-share\">{share}</span>"
        );
        assert!(text.contains(&bar), "{bar} is not in {text}");
        assert!(text.contains(&format!("class=\"bar-fill\" width=\"{share}\"")), "{share}");
    }
}

#[tokio::test]
async fn every_part_that_is_refreshed_has_a_name_of_its_own() {
    let page = TestSite::new().get("/").await;
    let tags = page.text().split('<').filter(|tag| tag.contains(" data-fresh"));
    let names: Vec<_> =
        tags.map(|tag| tag.split_once(" id=\"").unwrap().1.split('"').next().unwrap()).collect();
    assert_eq!(names, ["uptime", "tiles", "today", "yesterday", "all-time", "service"]);
    for name in names {
        assert_eq!(page.text().matches(&format!(" id=\"{name}\"")).count(), 1, "{name}");
    }
}

#[tokio::test]
async fn announce_urls_name_the_host_a_visitor_came_to() {
    let page = TestSite::announced_at(None, &[("udp", 6969)]).get("/").await;
    assert!(page.text().contains("udp://elsewhere.example:6969<wbr>/announce"), "{}", page.text());
}

#[tokio::test]
async fn tracker_without_announce_urls_says_so() {
    let page = TestSite::announced_at(None, &[]).get("/").await;
    assert!(page.text().contains("has not published an announce URL"));
}

const ANNOUNCE: &str = "/any/prefix/announce?info_hash=aaaaaaaaaaaaaaaaaaaa\
    &peer_id=-qB5140-abcdefghijkl&port=6881&left=0";

#[tokio::test]
async fn announce_on_a_web_port_is_answered_and_counted() {
    let site = TestSite::new();
    let answer = site.get(ANNOUNCE).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.body.starts_with(b"d8:completei1e10:downloadedi0e"), "{:?}", answer.body);
    assert_eq!((answer.header("content-type"), answer.header(CSP)), ("text/plain", ""));
    assert_eq!(site.stats.snapshot().https.v4.announces, 1);
    assert_eq!(site.swarms.totals().torrents, 2);
    let scrape = site.get("/scrape?info_hash=aaaaaaaaaaaaaaaaaaaa").await;
    assert!(scrape.body.starts_with(b"d5:filesd20:aaaaaaaaaaaaaaaaaaaad8:completei1e"));
    let refused = site.get("/announce").await;
    assert!(refused.body.starts_with(b"d14:failure reason"), "{:?}", refused.body);
    assert_eq!(site.stats.snapshot().https.v4.refused, 1);
}

#[tokio::test]
async fn head_and_post_of_an_announce_register_no_peer() {
    let site = TestSite::new();
    assert_eq!(site.ask(Method::HEAD, ANNOUNCE).await.status, StatusCode::OK);
    let post = site.ask(Method::POST, ANNOUNCE).await;
    assert_eq!((post.status, post.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "GET, HEAD"));
    assert_eq!(site.swarms.totals().torrents, 1);
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
