//! The events, as the staff sees them.

use super::*;
use crate::db::events::{self, Event};

fn log(site: &TestSite, actor: &str, action: &str, detail: &str) {
    let event = Event { actor, action, target: "50%", detail, ip: "192.0.2.66", actor_id: None };
    site.members.database.write_now(|tx| events::insert(tx, 86_400, &event)).unwrap();
}

#[tokio::test]
async fn events_are_searched_leafed_through_and_told_by_category() {
    let site = TestSite::new();
    for number in 0..250 {
        log(&site, "ann", "delete_torrent", &format!("number {number}."));
    }
    log(&site, "ben", "login", "");
    let mut admin = site.member("keeper", Role::Admin);
    let first = admin.get("/manage/admin/events").await.text();
    assert!(first.contains("event-success") && first.contains("number 249."));
    assert!(first.contains("1970-01-02 00:00") && !first.contains("number 100."));
    let second = admin.get("/manage/admin/events?before=152").await.text();
    assert!(second.contains("number 100.") && second.contains("event-danger"));
    let found = admin.get("/manage/admin/events?q=BER+24&actor=an&target=0%25").await.text();
    assert!(found.contains("number 24.") && found.contains("number 240."));
    assert!(!found.contains("number 25."));
    let none = admin.get("/manage/admin/events?target=_0").await.text();
    assert!(none.contains("No event is like this."));
    for odd in ["before=x", "before=-1", "before=0", "before=99999999999999999999", "before=1"] {
        assert_eq!(admin.get(&format!("/manage/admin/events?{odd}")).await.status, 200, "{odd}");
    }
}

#[tokio::test]
async fn addresses_are_for_the_owner_alone() {
    let site = TestSite::new();
    log(&site, "ann", "login", "");
    let mut admin = site.member("keeper", Role::Admin);
    let shown = admin.get("/manage/admin/events").await.text();
    assert!(!shown.contains("192.0.2.66"));
    let probed = admin.get("/manage/admin/events?q=192.0.2.66").await.text();
    assert!(probed.contains("No event is like this."));
    assert_eq!(admin.get("/manage/admin/events.csv").await.status, 403);
    let mut owner = site.member("owner", Role::Super);
    assert!(owner.get("/manage/admin/events?q=192.0.2.66").await.text().contains("192.0.2.66<"));
}

#[tokio::test]
async fn owner_takes_all_that_was_found_away_as_a_table() {
    let site = TestSite::new();
    for number in 0..1_500 {
        log(&site, "=cmd()", "login_failed", &format!("a \"quoted\", {number}"));
    }
    log(&site, "ann", "login", "");
    let mut owner = site.member("owner", Role::Super);
    let table = owner.get("/manage/admin/events.csv?action=failed").await;
    assert_eq!(table.headers[CONTENT_TYPE], "text/csv; charset=utf-8");
    let mut table = csv::Reader::from_reader(&*table.body);
    let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 1_500);
    let first: Vec<_> = rows[0].iter().skip(2).collect();
    let expected =
        ["security", "", "'=cmd()", "login_failed", "50%", "a \"quoted\", 1499", "192.0.2.66"];
    assert_eq!(first, expected);
}

#[tokio::test]
async fn script_in_an_event_or_a_search_is_text() {
    let site = TestSite::new();
    let script = "<script>alert(1)</script>\"'";
    log(&site, script, script, script);
    let mut owner = site.member("owner", Role::Super);
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("q", script), ("actor", script), ("action", script)])
        .finish();
    for page in ["/manage/admin/events", &format!("/manage/admin/events?{query}")] {
        let shown = owner.get(page).await.text();
        assert!(!shown.contains("<script>alert"), "{shown}");
        assert!(shown.contains("&#60;script&#62;alert"), "{shown}");
    }
}

#[tokio::test]
async fn addresses_of_the_earlier_tracker_lead_to_the_page() {
    let site = TestSite::new();
    let mut admin = site.member("keeper", Role::Admin);
    admin.get("/manage/admin?tab=events").await.assert_leads_to("/manage/admin/events");
    assert_eq!(admin.get("/manage/admin?tab=nonsense").await.status, 303);
}
