//! What strangers and members may send to get at each other: a site with something on every page,
//! and every form of those pages, found by reading them.
//!
//! - [`forms`]: the forms of a page, as a browser would send them.
//! - [`injection`]: markup in every field, and every page read afterwards.
//! - [`nonsense`]: fields that are not what they should be.

mod forms;
mod injection;
mod nonsense;

use std::collections::BTreeMap;

use super::*;
use crate::db::events::Event;
use crate::db::settings::{self, Setting};
use crate::db::torrents::snapshots::{self, Snapshot};
use crate::db::torrents::tests::{add as add_torrent, sample};
use crate::protocol::metainfo::File;
use crate::site::permissions::{Gets, RULES, Rule};
use forms::{Sent, forms, tags};

/// What runs as a script, an attribute or a template where it is taken for one, and what turns the
/// direction of a text or rings a bell.
const MARKER: &str =
    "zq\"><script>alert(1)</script>' onmouseover='x' {{7*7}}<img src=x>\u{202e}\u{7}zq";
const CODE: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOP_";
/// Accounts of a furnished site, from the greatest to none.
const ACCOUNTS: [Option<&str>; 5] = [Some("owner"), Some("keeper"), Some("ann"), Some("ben"), None];

/// A site with something on every page, much of it [`MARKER`].
struct Furnished {
    site: TestSite,
    info_hash: String,
    ids: BTreeMap<&'static str, i64>,
    /// Of the last request: each comes from another network, which the throttles do not know yet.
    network: u32,
}

/// As [`crate::site::password::hash`], by far less work.
fn cheap_hash() -> String {
    use argon2::password_hash::PasswordHasher;
    use argon2::password_hash::phc::PasswordHash;
    let params = argon2::Params::new(64, 1, 1, None).unwrap();
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let hash: PasswordHash = argon2.hash_password(PASSWORD.as_bytes()).unwrap();
    hash.to_string()
}

impl Furnished {
    fn new() -> Furnished {
        let site = TestSite::new();
        let roles = [Role::Super, Role::Admin, Role::Standard, Role::Basic, Role::Basic];
        let names = ["owner", "keeper", "ann", "ben", "dan"];
        let ids: BTreeMap<_, _> = names
            .into_iter()
            .zip(roles)
            .map(|(name, role)| (name, site.account(name, role)))
            .collect();
        let metainfo = {
            let path = format!("{MARKER}/{MARKER}");
            let files = vec![File { path, length: 5 }, File { path: "b".into(), length: 1 }];
            crate::protocol::metainfo::Metainfo { files, is_multifile: true, ..sample(5, MARKER) }
        };
        let info_hash = metainfo.identity.v1().unwrap().to_string();
        let [owner, keeper, ann, dan] = ["owner", "keeper", "ann", "dan"].map(|name| ids[name]);
        let work = |tx: &db::Transaction<'_>| -> db::Result<()> {
            let hash = cheap_hash();
            for user_id in ids.values() {
                users::rehash(tx, *user_id, &hash)?;
            }
            for flag in [settings::FREE_SIGNUP, settings::PEER_QUERY_ENABLED] {
                settings::set(tx, Setting::Flag(flag), "1")?;
            }
            let torrent_id = add_torrent(tx, &metainfo, ann).unwrap();
            let snapshot = Snapshot {
                tracker: MARKER.to_owned(),
                taken_at: 1,
                seeders: 1,
                leechers: 1,
                completed: None,
            };
            snapshots::finish(tx, torrent_id, 1, &Ok(snapshot))?;
            snapshots::finish(tx, torrent_id, 2, &Err(MARKER.to_owned()))?;
            db::invites::insert(tx, CODE, owner, 1, None)?;
            db::allowlist::add(tx, ann, "192.0.2.0/24", owner, 1)?;
            db::moderation::set_disabled(tx, dan, true)?;
            let lock = "insert into login_failures values ('ann', 'elsewhere', 9, 1, 9e15)";
            tx.execute(lock, [])?;
            // As only a database from elsewhere could have them.
            tx.execute("insert into magnet_trackers (url, sort_order) values (?1, 1)", [MARKER])?;
            tx.execute(
                "insert into magnet_trackers (url, sort_order) values ('udp://a:1', 2)",
                [],
            )?;
            db::second_factor::begin(tx, owner, &[7; 20])?;
            db::second_factor::begin(tx, keeper, &[7; 20])?;
            db::second_factor::confirm(tx, keeper, 1, 1, &[])?;
            let (actor, action, target, detail) = (MARKER, MARKER, MARKER, MARKER);
            let event = Event { actor, action, target, detail, ip: MARKER, ..Event::default() };
            db::events::insert(tx, 1, &event)
        };
        site.members.database.write_now(work).unwrap();
        Furnished { site, info_hash, ids, network: 0 }
    }

    /// A path of the table, with what there is in place of its parameters.
    fn path(&self, path: &str) -> String {
        path.replace("{info_hash}", &self.info_hash)
            .replace("{username}", "ann")
            .replace("{code}", CODE)
    }

    /// A browser of an account, at an address that no throttle has heard of.
    fn browser(&mut self, account: Option<&str>) -> Browser<'_> {
        self.network += 1;
        let [_, a, b, c] = self.network.to_be_bytes();
        let ip = if account == Some("ann") { [192, 0, 2, 1] } else { [10, a, b, c] };
        let clear = "delete from login_failures where network != 'elsewhere'";
        self.site.members.database.write_now(|tx| tx.execute(clear, [])).unwrap();
        let browser = match account {
            Some(name) => self.site.browser_of(self.ids[name]),
            None => self.site.stranger(),
        };
        Browser { ip: IpAddr::from(ip), ..browser }
    }

    /// Every form of every page, as whoever sees it would send it, once for each set of fields.
    async fn forms(&mut self) -> Vec<(Option<&'static str>, Sent)> {
        let mut found = BTreeMap::new();
        for account in ACCOUNTS {
            for rule in RULES.iter().filter(|rule| rule.gets == Gets::Page) {
                let path = self.path(rule.path);
                let answer = self.browser(account).get(&path).await;
                for sent in forms(&answer.text(), &path) {
                    found.entry(sent.kind()).or_insert((account, sent));
                }
            }
        }
        // A page that a form leads to.
        let fields = [("username", "keeper"), ("password", PASSWORD)];
        let answer = self.browser(None).post("/manage/login", &fields).await;
        for sent in forms(&answer.text(), "/manage/login") {
            found.entry(sent.kind()).or_insert((None, sent));
        }
        found.into_values().collect()
    }
}

/// The row that a path is of.
fn row(method: &Method, path: &str) -> Option<&'static Rule> {
    let is_it = |rule: &&Rule| {
        let (ours, its) = (path.split('/'), rule.path.split('/'));
        rule.method == *method
            && ours.clone().count() == its.clone().count()
            && ours.zip(its).all(|(ours, its)| its.starts_with('{') || its == ours)
    };
    RULES.iter().find(is_it)
}

/// A form that no page has would be tried by nobody here, and used by nobody.
#[tokio::test]
async fn every_form_of_the_table_is_on_a_page() {
    let mut furnished = Furnished::new();
    furnished.site.obey_settings().await;
    let found = furnished.forms().await;
    for rule in RULES.iter().filter(|rule| rule.method == Method::POST) {
        let leads_there = |sent: &Sent| {
            sent.is_post && row(&Method::POST, &sent.action).is_some_and(|r| r.path == rule.path)
        };
        assert!(found.iter().any(|(_, sent)| leads_there(sent)), "{}", rule.path);
    }
    for (_, sent) in &found {
        let method = if sent.is_post { Method::POST } else { Method::GET };
        assert!(row(&method, &sent.action).is_some(), "{sent:?}");
    }
}

/// What names another part of its page names one, which is what a screen reader goes by.
#[tokio::test]
async fn names_on_a_page_are_its_own_and_lead_somewhere() {
    let mut furnished = Furnished::new();
    furnished.site.obey_settings().await;
    for rule in RULES.iter().filter(|rule| rule.gets == Gets::Page) {
        let path = furnished.path(rule.path);
        for account in ACCOUNTS {
            let page = furnished.browser(account).get(&path).await.text();
            let tags = tags(&page);
            let of = |key: &str| -> Vec<&str> {
                tags.iter().filter_map(|(_, has)| has.get(key)).map(String::as_str).collect()
            };
            let ids = of("id");
            for (at, id) in ids.iter().enumerate() {
                let is_word = !id.is_empty() && !id.contains(char::is_whitespace);
                assert!(is_word && !ids[..at].contains(id), "{path} as {account:?}: {id:?}");
            }
            for key in ["for", "aria-labelledby", "aria-describedby"] {
                for named in of(key).iter().flat_map(|names| names.split_whitespace()) {
                    assert!(ids.contains(&named), "{path} as {account:?}: {key} {named:?}");
                }
            }
        }
    }
}

/// Everything in the database, row by row.
fn everything(site: &TestSite) -> Vec<String> {
    let read = |conn: &db::Connection| -> db::Result<Vec<String>> {
        let named = "select name from sqlite_master where type = 'table' order by name";
        let tables: Vec<String> =
            conn.prepare(named)?.query_map([], |row| row.get(0))?.collect::<db::Result<_>>()?;
        let mut rows = Vec::new();
        for table in tables {
            let mut statement = conn.prepare(&format!("select * from \"{table}\""))?;
            let columns = statement.column_count();
            let row = |row: &rusqlite::Row<'_>| -> db::Result<String> {
                let values: db::Result<Vec<rusqlite::types::Value>> =
                    (0..columns).map(|column| row.get(column)).collect();
                Ok(format!("{table}: {:?}", values?))
            };
            rows.extend(statement.query_map([], row)?.collect::<db::Result<Vec<_>>>()?);
        }
        Ok(rows)
    };
    site.members.database.read_now(read).unwrap()
}

/// Whoever looks, follows a link or has a page fetched ahead changes nothing.
#[tokio::test]
async fn looking_changes_nothing() {
    let mut furnished = Furnished::new();
    furnished.site.obey_settings().await;
    for rule in RULES.iter().filter(|rule| rule.method == Method::GET) {
        let path = furnished.path(rule.path);
        for account in ACCOUNTS {
            let mut browser = furnished.browser(account);
            let before = everything(browser.site);
            for method in [Method::GET, Method::HEAD] {
                let answer = browser.send(method, &path, "", Vec::new()).await;
                assert!(answer.status.as_u16() < 500, "{path}");
            }
            let after = everything(browser.site);
            // Who takes a copy of everything is worth a line, however it is asked for.
            let is_lasting = |row: &&String| !row.contains("Text(\"db_backup\")");
            let [before, after]: [Vec<_>; 2] =
                [&before, &after].map(|rows| rows.iter().filter(is_lasting).collect());
            assert!(before == after, "{path} as {account:?}: {before:#?} became {after:#?}");
        }
    }
}
