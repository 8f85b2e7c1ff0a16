//! The table of permissions, row by row.

use super::*;
use crate::site::permissions::{Brings, RULES, Rule};

/// A path of a row, with something in place of each parameter that leads nowhere.
fn path(rule: &Rule) -> String {
    let part = |part: &str| match part {
        "{info_hash}" => "0123456789abcdef0123456789abcdef01234567".to_owned(),
        "{username}" => "nobody".to_owned(),
        "{code}" => "A".repeat(43),
        part if part.starts_with('{') => "999999".to_owned(),
        part => part.to_owned(),
    };
    rule.path.split('/').map(part).collect::<Vec<_>>().join("/")
}

const MULTIPART_HEAD: &str = "--b\r\nContent-Disposition: form-data; name=\"_csrf\"\r\n\r\n";

async fn ask(browser: &mut Browser<'_>, rule: &Rule) -> Answer {
    let path = path(rule);
    match rule.brings {
        Brings::Nothing => browser.get(&path).await,
        Brings::Form => browser.post(&path, &[]).await,
        Brings::Files => {
            let body = format!("{MULTIPART_HEAD}{}\r\n--b--\r\n", browser.csrf());
            let kind = "multipart/form-data; boundary=b";
            browser.send(Method::POST, &path, kind, body.into_bytes()).await
        }
    }
}

/// A row is there for whom the table says, and for nobody else.
#[tokio::test]
async fn every_row_is_for_whom_the_table_says() {
    for rule in RULES {
        for role in Role::ALL.map(Some).into_iter().chain([None]) {
            let site = TestSite::new(); // since a row may end the session, or everything
            let mut browser = match role {
                Some(role) => site.member("ann", role),
                None => site.stranger(),
            };
            let answer = ask(&mut browser, rule).await;
            let told = format!("{} {} as {role:?}: {}", rule.method, rule.path, answer.status);
            assert!(answer.status.as_u16() < 500, "{told}");
            let is_refused = answer.status == 403
                || answer.status == 303 && answer.location().starts_with("/manage?next=")
                || answer.status == 303 && answer.location() == "/manage" && role.is_none();
            assert_eq!(!is_refused, rule.who.includes(role), "{told}");
            if rule.who.includes(role) {
                assert_ne!(answer.status, 405, "{told}");
            }
        }
    }
}

/// A form without its token, or with another's, changes nothing, whoever sends it.
#[tokio::test]
async fn every_form_wants_its_token() {
    let site = TestSite::new();
    let (mut owner, mut stranger) = (site.member("owner", Role::Super), site.stranger());
    let (member, mut guest) = (site.member("other", Role::Admin), site.stranger());
    stranger.get("/manage").await;
    guest.get("/manage").await;
    let stolen = [member.csrf(), guest.csrf()];
    assert!(!stolen.contains(&stranger.csrf()) && !stolen.contains(&String::new()));
    for rule in RULES.iter().filter(|rule| rule.method == Method::POST) {
        for (browser, role) in [(&mut owner, Some(Role::Super)), (&mut stranger, None)] {
            if !rule.who.includes(role) {
                continue;
            }
            for csrf in ["", "x", "\u{e4}", &stolen[0], &stolen[1]] {
                let (kind, body) = match rule.brings {
                    Brings::Files => (
                        "multipart/form-data; boundary=b",
                        format!("{MULTIPART_HEAD}{csrf}\r\n--b--\r\n"),
                    ),
                    _ => ("application/x-www-form-urlencoded", format!("_csrf={csrf}")),
                };
                let path = path(rule);
                let answer = browser.send(Method::POST, &path, kind, body.into_bytes()).await;
                assert_eq!(answer.status, 403, "{path} as {role:?} with {csrf:?}");
            }
        }
    }
    assert_eq!(site.number("select count(*) from events"), 0);
}

/// What the router leads to and the table does not have is out of reach.
#[tokio::test]
async fn nothing_is_reached_beside_the_table() {
    let site = TestSite::new();
    let mut owner = site.member("owner", Role::Super);
    for path in ["/manage/nothing", "/manage/login", "/manage/logout"] {
        let status = owner.get(path).await.status.as_u16();
        assert!([404, 405].contains(&status), "{path}: {status}");
    }
}

#[tokio::test]
async fn slash_at_the_end_means_nothing() {
    let site = TestSite::new();
    let mut ann = site.member("ann", Role::Basic);
    ann.get("/manage/search/?q=a").await.assert_leads_to("/manage/search?q=a");
    ann.get("/manage/").await.assert_leads_to("/manage");
    assert_eq!(ann.get("/nothing/").await.status, 404);
}
