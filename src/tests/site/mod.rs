//! The members' site through its router, without a socket: a file of SQLite, the real tracker, and
//! browsers that keep a cookie.
//!
//! - [`accounts`]: new ones, one's own, and what others see.
//! - [`admin_users`], [`admin_settings`], [`admin_events`]: accounts, settings and what was done,
//!   as the staff sees them; [`admin_database`]: the whole of it, and what cannot be undone.
//! - [`hostile`]: markup and nonsense in every field that there is.
//! - [`permissions`]: every row of the table, for every role.
//! - [`scale`]: how long pages of a large site take.
//! - [`sign_in`]: coming in and going out.
//! - [`torrents`]: a torrent from its upload to its end.

mod accounts;
mod admin_database;
mod admin_events;
mod admin_settings;
mod admin_users;
mod hostile;
mod permissions;
mod scale;
mod sign_in;
mod torrents;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use tempfile::TempDir;
use tower::ServiceExt;

use crate::clock::{self, Clock};
use crate::config;
use crate::db::sessions::{self, NewSession};
use crate::db::users::{self, NewUser, Role};
use crate::db::{self, Database};
use crate::jobs::keep_registered;
use crate::net::http::Responder;
use crate::site::announce::Announces;
use crate::site::members::Members;
use crate::site::session::{COOKIE_NAME, GUEST_COOKIE_NAME, Token};
use crate::site::visitor::Visitor;
use crate::site::{Facts, Site};
use crate::stats::{Ledger, Stats};
use crate::swarm::Swarms;
use crate::tracker::{Tracker, Worker};

/// A password that keeps the rules.
const PASSWORD: &str = "Correct-Horse-9!";

/// A members' site of its own.
struct TestSite {
    router: Router,
    members: Arc<Members>,
    swarms: Arc<Swarms>,
    _folder: TempDir,
}

impl TestSite {
    fn new() -> TestSite {
        TestSite::over(tempfile::tempdir().unwrap())
    }

    /// A site over the database in a folder, which is made where there is none.
    fn over(folder: TempDir) -> TestSite {
        let database = Database::open(&folder.path().join("site.db")).unwrap();
        let swarms = Arc::new(Swarms::new(&config::Swarm::default()));
        let now = clock::unix_secs();
        let stats = Stats::new(1, Ledger::new([1, 2], now), now);
        let registered = database.read_now(|conn| keep_registered::load(conn, false)).unwrap();
        let tracker = Tracker::new(config::Tracker::default(), swarms.clone(), None).unwrap();
        let tracker = Arc::new(tracker.registering(registered));
        let members = Arc::new(Members::new(database, tracker.clone()).unwrap());
        let responder = Responder::new(Worker::new(tracker, stats.worker(0)), Arc::default());
        let site = Site {
            swarms: swarms.clone(),
            stats,
            clock: Clock::start(),
            announces: Arc::new(Announces::new(responder, Arc::default())),
            facts: Arc::new(Facts {
                version: "1.2.3",
                public_host: Some("tracker.example".to_owned()),
                announce_ports: vec![("udp", 6969)],
                members_port: Some(8443),
                ..Facts::default()
            }),
            members: Some(members.clone()),
        };
        TestSite { router: crate::site::router(site), members, swarms, _folder: folder }
    }

    /// Makes an account, with a password that nobody knows.
    fn account(&self, username: &str, role: Role) -> i64 {
        let new = NewUser {
            username,
            password_hash: "-",
            role,
            created_how: "self",
            created_by: None,
            now: 1,
        };
        let database = &self.members.database;
        database.write_now(|tx| users::insert(tx, &new)).unwrap().expect("the name is free")
    }

    /// Gives an account a password.
    fn set_password(&self, user_id: i64, password: &str) {
        let hash = crate::site::password::hash(password).unwrap();
        let database = &self.members.database;
        database.write_now(|tx| users::set_password(tx, user_id, &hash, 1)).unwrap();
    }

    /// A browser in which a new account of this name and role is signed in.
    fn member(&self, username: &str, role: Role) -> Browser<'_> {
        self.browser_of(self.account(username, role))
    }

    /// A browser in which an account is signed in.
    fn browser_of(&self, user_id: i64) -> Browser<'_> {
        let token = Token::random().unwrap();
        let new = NewSession {
            user_id,
            token_hash: token.hash(),
            ip: "192.0.2.1",
            user_agent: "test",
            now: clock::unix_secs().cast_signed(),
        };
        self.members.database.write_now(|tx| sessions::insert(tx, &new)).unwrap();
        Browser { session: Some(token), ..self.stranger() }
    }

    /// A browser in which nobody is signed in.
    fn stranger(&self) -> Browser<'_> {
        let ip = "192.0.2.1".parse().unwrap();
        Browser { site: self, session: None, guest: None, ip, says: HeaderMap::new() }
    }

    /// Has the site obey settings that were written past it.
    async fn obey_settings(&self) {
        self.members.change_settings(|_| Ok(())).await.unwrap();
    }

    /// A number that SQL gives.
    fn number(&self, sql: &str) -> i64 {
        let database = &self.members.database;
        database
            .read_now(|conn| -> db::Result<i64> { conn.query_row(sql, [], |r| r.get(0)) })
            .unwrap()
    }
}

/// Keeps cookies, and sends the token of a form along.
struct Browser<'a> {
    site: &'a TestSite,
    session: Option<Token>,
    guest: Option<Token>,
    ip: IpAddr,
    /// What it sends with every request.
    says: HeaderMap,
}

/// What came back.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Where a redirect leads.
    fn location(&self) -> &str {
        self.headers.get(LOCATION).map_or("", |to| to.to_str().unwrap())
    }

    #[track_caller]
    fn assert_leads_to(&self, path: &str) {
        assert_eq!((self.status.as_u16(), self.location()), (303, path), "{}", self.text());
    }
}

impl Browser<'_> {
    fn csrf(&self) -> String {
        let token = self.session.as_ref().or(self.guest.as_ref());
        token.map(Token::csrf).unwrap_or_default()
    }

    async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, "", Vec::new()).await
    }

    /// Sends a form with its token.
    async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        if self.csrf().is_empty() {
            self.get("/manage").await; // which hands a guest a token
        }
        let csrf = self.csrf();
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("_csrf", &csrf).extend_pairs(fields);
        let kind = "application/x-www-form-urlencoded";
        self.send(Method::POST, path, kind, form.finish().into_bytes()).await
    }

    /// Sends anything.
    async fn send(&mut self, method: Method, path: &str, kind: &str, body: Vec<u8>) -> Answer {
        let pairs = [(COOKIE_NAME, &self.session), (GUEST_COOKIE_NAME, &self.guest)];
        let pairs = pairs.into_iter().filter_map(|(name, token)| Some((name, token.as_ref()?)));
        let cookies: Vec<_> = pairs
            .map(|(name, token)| {
                let set = token.set(name);
                set.to_str().unwrap().split(';').next().unwrap().to_owned()
            })
            .collect();
        let mut request = Request::builder().method(method).uri(path).header("host", "t.example");
        if !cookies.is_empty() {
            request = request.header(COOKIE, cookies.join("; "));
        }
        if !kind.is_empty() {
            request = request.header(CONTENT_TYPE, kind);
        }
        let request = request.extension(Visitor { peer: self.ip, is_tls: true });
        let mut request = request.body(Body::from(body)).unwrap();
        request.headers_mut().extend(self.says.clone());
        let response = self.site.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 64 << 20).await.unwrap().to_vec();
        assert_guarded(&parts.headers, path);
        self.keep(&parts.headers);
        Answer { status: parts.status, headers: parts.headers, body }
    }

    fn keep(&mut self, headers: &HeaderMap) {
        for set in headers.get_all(SET_COOKIE) {
            let pair = set.to_str().unwrap().split(';').next().unwrap();
            let mut echoed = HeaderMap::new();
            echoed.insert(COOKIE, pair.parse().unwrap());
            for (name, token) in
                [(COOKIE_NAME, &mut self.session), (GUEST_COOKIE_NAME, &mut self.guest)]
            {
                if pair.starts_with(&format!("{name}=")) {
                    *token = Token::of(&echoed, name).pop();
                }
            }
        }
    }
}

/// Every answer, a refusal too, tells the browser what it may not do.
#[track_caller]
fn assert_guarded(headers: &HeaderMap, path: &str) {
    let told = |name: &str| headers.get(name).map_or("", |value| value.to_str().unwrap());
    assert_eq!(told("x-content-type-options"), "nosniff", "{path}");
    assert_eq!(told("x-frame-options"), "DENY", "{path}");
    assert_eq!(told("referrer-policy"), "no-referrer", "{path}");
    let policy = told("content-security-policy");
    for part in ["default-src 'none'", "script-src 'self';", "frame-ancestors 'none'"] {
        assert!(policy.contains(part) && !policy.contains("unsafe"), "{path}: {policy}");
    }
}
