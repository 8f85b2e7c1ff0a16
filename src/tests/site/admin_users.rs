//! Accounts in the hands of the staff.

use super::*;

async fn post(browser: &mut Browser<'_>, action: &str, fields: &[(&str, &str)]) -> u16 {
    browser.post(&format!("/manage/admin/{action}"), fields).await.status.as_u16()
}

fn role_of(site: &TestSite, username: &str) -> i64 {
    site.number(&format!("select role from users where username = '{username}'"))
}

#[tokio::test]
async fn accounts_are_found_and_leafed_through() {
    let site = TestSite::new();
    let mut admin = site.member("keeper", Role::Admin);
    for number in 0..60 {
        site.account(&format!("member_{number:02}"), Role::Basic);
    }
    let first = admin.get("/manage/admin/users").await.text();
    assert!(first.contains("member_48") && !first.contains("member_49"));
    let last = admin.get("/manage/admin/users?page=2&q=MEMBER_").await.text();
    assert!(last.contains("member_59") && !last.contains("member_49"));
    assert!(admin.get("/manage/admin/users?q=%25").await.text().contains("No account"));
    let staff = admin.get("/manage/admin/users?role=Admin").await.text();
    assert!(staff.contains("/user/keeper") && !staff.contains("member_"));
    for odd in ["page=x", "page=-1", "page=99999999999999999999999", "role=x", "state=x"] {
        assert_eq!(admin.get(&format!("/manage/admin/users?{odd}")).await.status, 200, "{odd}");
    }
}

/// Every action, from every role of the staff, on every role, and on oneself.
#[tokio::test]
async fn staff_changes_those_below_and_nobody_else() {
    let actions = ["unlock", "disable-user", "enable-user", "set-role", "delete-user"];
    for actor in [Role::Admin, Role::Super] {
        for target in Role::ALL {
            if (actor, target) == (Role::Super, Role::Super) {
                continue; // there is one
            }
            for action in actions {
                let site = TestSite::new();
                let mut browser = site.member("actor", actor);
                site.account("target", target);
                let fields = [("username", "target"), ("role", "Basic")];
                let status = post(&mut browser, action, &fields).await;
                let is_done = status == 303;
                assert_eq!(is_done, target < actor, "{action} by {actor} to {target}: {status}");
                let own = [("username", "actor"), ("role", "Basic")];
                assert_eq!(post(&mut browser, action, &own).await, 403, "{action} by {actor}");
                assert_eq!(role_of(&site, "actor"), actor as i64);
            }
        }
    }
}

#[tokio::test]
async fn roles_are_given_by_name_and_only_below_ones_own() {
    let site = TestSite::new();
    let mut admin = site.member("keeper", Role::Admin);
    let mut owner = site.member("owner", Role::Super);
    let mut ann = site.member("ann", Role::Basic);
    let set = |role: &'static str| [("username", "ann"), ("role", role)];
    assert_eq!(post(&mut admin, "set-role", &set("Admin")).await, 403);
    assert_eq!(post(&mut admin, "set-role", &set("Super")).await, 403);
    assert_eq!(post(&mut owner, "set-role", &set("Super")).await, 403);
    assert_eq!(post(&mut owner, "set-role", &set("nonsense")).await, 400);
    assert_eq!(role_of(&site, "ann"), 0);
    assert_eq!(post(&mut admin, "set-role", &set("Standard")).await, 303);
    ann.get("/manage/dashboard").await.assert_leads_to("/manage");
    site.set_password(2, PASSWORD);
    assert_eq!(post(&mut owner, "set-role", &set("Admin")).await, 303);
    assert_eq!(role_of(&site, "ann"), 1, "that takes the password");
    let confirmed = [("username", "ann"), ("role", "Admin"), ("password", PASSWORD)];
    assert_eq!(post(&mut owner, "set-role", &confirmed).await, 303);
    assert_eq!(role_of(&site, "ann"), 2);
    assert_eq!(post(&mut admin, "set-role", &set("Basic")).await, 403);
    assert_eq!(post(&mut owner, "set-role", &set("Standard")).await, 303);
    assert_eq!(role_of(&site, "ann"), 1, "a role that is named, not the one before");
    assert_eq!(site.number("select count(*) from events where action = 'set_admin'"), 2);
    assert_eq!(site.number("select count(*) from events where action = 'set_standard'"), 1);
}

#[tokio::test]
async fn disabled_account_is_out_at_once_and_comes_back() {
    let site = TestSite::new();
    let mut admin = site.member("keeper", Role::Admin);
    let mut ann = site.member("ann", Role::Standard);
    assert_eq!(ann.get("/manage/dashboard").await.status, 200);
    assert_eq!(post(&mut admin, "disable-user", &[("username", "ann")]).await, 303);
    ann.get("/manage/dashboard").await.assert_leads_to("/manage");
    let shown = admin.get("/manage/admin/user/ann").await.text();
    assert!(shown.contains("ann is disabled and signed out") && shown.contains(">disabled<"));
    let back = [("username", "ann"), ("back", "/manage/admin/users?q=ann&page=1")];
    let answer = admin.post("/manage/admin/enable-user", &back).await;
    answer.assert_leads_to("/manage/admin/users?q=ann&page=1");
    let elsewhere = [("username", "ann"), ("back", "https://evil.example/")];
    let answer = admin.post("/manage/admin/disable-user", &elsewhere).await;
    answer.assert_leads_to("/manage/admin/user/ann");
}

#[tokio::test]
async fn password_set_by_the_staff_ends_all_sessions_and_unlocks() {
    let site = TestSite::new();
    let mut admin = site.member("keeper", Role::Admin);
    let ann = site.account("ann", Role::Basic);
    let mut browser = site.browser_of(ann);
    let lock = "insert into login_failures values ('ann', '192.0.2.0/24', 9, 1, 99999999999)";
    site.members.database.write_now(|tx| tx.execute(lock, [])).unwrap();
    assert!(admin.get("/manage/admin/user/ann").await.text().contains(">locked<"));
    let fields =
        |new, confirm| [("username", "ann"), ("new_password", new), ("confirm_password", confirm)];
    let page = admin.get("/manage/admin/set-password/ann").await;
    assert_eq!(page.status, 200);
    for (new, confirm, told) in
        [("short", "short", "needs"), (PASSWORD, "other", "two different"), ("", "", "needs")]
    {
        let refused = admin.post("/manage/admin/set-password", &fields(new, confirm)).await;
        assert!(refused.status == 422 && refused.text().contains(told), "{}", refused.text());
    }
    assert_eq!(browser.get("/manage/dashboard").await.status, 200, "nothing has changed");
    let set = admin.post("/manage/admin/set-password", &fields(PASSWORD, PASSWORD)).await;
    set.assert_leads_to("/manage/admin/user/ann");
    browser.get("/manage/dashboard").await.assert_leads_to("/manage");
    assert_eq!(site.number("select count(*) from login_failures"), 0);
    let signed_in =
        site.stranger().post("/manage/login", &[("username", "ann"), ("password", PASSWORD)]).await;
    assert_eq!(signed_in.status, 303);
    site.account("other", Role::Admin);
    for name in ["other", "keeper"] {
        let status = admin.get(&format!("/manage/admin/set-password/{name}")).await.status;
        assert_eq!(status, 403, "{name}");
    }
    assert_eq!(admin.get("/manage/admin/set-password/nobody").await.status, 404);
}

#[tokio::test]
async fn new_accounts_have_rules_and_a_name_is_taken_once() {
    let site = TestSite::new();
    let mut admin = site.member("keeper", Role::Admin);
    let fields =
        |name, password, role| [("username", name), ("password", password), ("role", role)];
    for (name, password, role, told) in [
        ("", PASSWORD, "", "A name has"),
        ("a b", PASSWORD, "", "A name has"),
        ("System", PASSWORD, "", "kept back"),
        ("ann", "short", "", "The password needs"),
        ("ann", PASSWORD, "Standard", "may not make"),
        ("ann", PASSWORD, "Super", "may not make"),
        ("KEEPER", PASSWORD, "Basic", "taken"),
        ("<script>alert(1)</script>", PASSWORD, "<script>", "A name has"),
    ] {
        let refused = admin.post("/manage/admin/add-user", &fields(name, password, role)).await;
        let text = refused.text();
        assert!(refused.status == 422 && text.contains(told), "{name}: {text}");
        assert!(!text.contains("<script>alert"));
        assert!(!text.contains(PASSWORD));
    }
    assert_eq!(site.number("select count(*) from users"), 1);
    let made = admin.post("/manage/admin/add-user", &fields("ann", PASSWORD, "")).await;
    made.assert_leads_to("/manage/admin/user/ann");
    let mut owner = site.member("owner", Role::Super);
    let made = owner.post("/manage/admin/add-user", &fields("ben", PASSWORD, "Admin")).await;
    made.assert_leads_to("/manage/admin/user/ben");
    assert_eq!((role_of(&site, "ann"), role_of(&site, "ben")), (0, 2));
    assert_eq!(site.number("select count(*) from events where action = 'create_user'"), 2);
}

#[tokio::test]
async fn of_two_who_delete_one_account_one_does() {
    let site = TestSite::new();
    let (mut one, mut two) = (site.member("keeper", Role::Admin), site.member("o", Role::Super));
    site.account("ann", Role::Basic);
    let fields = [("username", "ann")];
    let (one, two) = tokio::join!(
        one.post("/manage/admin/delete-user", &fields),
        two.post("/manage/admin/delete-user", &fields)
    );
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 404]);
    assert_eq!(site.number("select count(*) from events where action = 'delete_user'"), 1);
}

#[tokio::test]
async fn networks_of_an_account_bind_its_open_sessions_and_never_shut_the_owner_out() {
    let site = TestSite::new();
    let mut owner = site.member("owner", Role::Super);
    let mut ann = site.member("ann", Role::Basic);
    let of = |name, network| [("username", name), ("network", network)];
    let told = owner.post("/manage/admin/ip-lock", &of("ann", "nonsense")).await;
    assert_eq!(told.status, 303);
    assert!(owner.get("/manage/admin/user/ann").await.text().contains("no network such as"));
    assert_eq!(post(&mut owner, "ip-lock", &of("ann", "0.0.0.0/0")).await, 303);
    assert_eq!(site.number("select count(*) from ip_allowlist"), 0);
    assert_eq!(
        post(&mut owner, "ip-lock", &of("ann", "198.51.100.9/24, 2001:db8::/56")).await,
        303
    );
    assert_eq!(site.number("select count(*) from ip_allowlist"), 2);
    ann.get("/manage/dashboard").await.assert_leads_to("/manage");
    ann.ip = "198.51.100.77".parse().unwrap();
    assert_eq!(ann.get("/manage/dashboard").await.status, 200);
    assert_eq!(post(&mut owner, "ip-lock", &of("owner", "198.51.100.0/24")).await, 400);
    assert_eq!(post(&mut owner, "ip-lock", &of("owner", "192.0.2.0/24,198.51.100.1")).await, 303);
    let id = site.number("select entry_id from ip_allowlist where network = '192.0.2.0/24'");
    let own = id.to_string();
    let remove = [("username", "owner"), ("entry_id", own.as_str())];
    assert_eq!(post(&mut owner, "ip-lock-remove", &remove).await, 400);
    assert_eq!(post(&mut owner, "ip-lock-remove", &[("username", "owner")]).await, 400);
    assert_eq!(post(&mut owner, "ip-lock-clear", &[("username", "owner")]).await, 303);
    assert_eq!(owner.get("/manage/dashboard").await.status, 200);
    let mut admin = site.member("keeper", Role::Admin);
    let shown = admin.get("/manage/admin/user/ann").await.text();
    assert!(!shown.contains("198.51.100"), "networks are for the owner");
    assert!(!admin.get("/manage/admin/events").await.text().contains("198.51.100"));
}

#[tokio::test]
async fn invitations_are_made_told_to_their_maker_alone_and_deleted_once() {
    let site = TestSite::new();
    let (mut admin, mut owner) =
        (site.member("keeper", Role::Admin), site.member("owner", Role::Super));
    admin.post("/manage/admin/generate-invite", &[]).await.assert_leads_to("/manage/admin/invites");
    let told = admin.get("/manage/admin/invites").await.text();
    let link = told.split("href=\"/manage/invite/").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(link.len(), 43);
    let of_others = owner.get("/manage/admin/invites?page=x").await.text();
    assert!(!of_others.contains(link) && of_others.contains(&link[..12]));
    assert!(!admin.get("/manage/admin/events").await.text().contains(link));
    let mut stranger = site.stranger();
    assert_eq!(stranger.get(&format!("/manage/invite/{link}")).await.status, 200);
    let id = site.number("select invite_id from invites").to_string();
    let fields = [("invite_id", id.as_str())];
    for told in ["Nobody comes by", "used or deleted already"] {
        owner.post("/manage/admin/delete-invite", &fields).await;
        assert!(owner.get("/manage/admin/invites").await.text().contains(told));
    }
    assert_eq!(site.number("select count(*) from events where action like '%_invite'"), 2);
}

#[tokio::test]
async fn torrents_are_listed_found_and_named_as_text() {
    use crate::db::torrents::tests::{add as add_torrent, sample};
    let site = TestSite::new();
    let mut admin = site.member("keeper", Role::Admin);
    let ann = site.account("ann", Role::Basic);
    let work = |tx: &db::Transaction<'_>| -> db::Result<()> {
        for number in 0..60 {
            add_torrent(tx, &sample(number, &format!("walrus {number:02}.")), ann);
        }
        add_torrent(tx, &sample(99, "<script>alert(1)</script>\"'"), ann);
        Ok(())
    };
    site.members.database.write_now(work).unwrap();
    let shown = admin.get("/manage/admin/torrents").await.text();
    assert!(shown.contains("&#60;script&#62;alert") && !shown.contains("<script>alert"));
    assert!(shown.contains("walrus 59.") && !shown.contains("walrus 05."));
    let found = admin.get("/manage/admin/torrents?q=walrus+05&page=7").await.text();
    assert!(found.contains("walrus 05.") && !found.contains("walrus 59."));
    let account = admin.get("/manage/admin/user/ann").await.text();
    assert!(account.contains("&#60;script&#62;alert") && !account.contains("<script>alert"));
    let info_hash = sample(99, "").identity.v1().unwrap().to_string();
    let back = "/manage/admin/torrents?page=1";
    let fields = [("info_hash", info_hash.as_str()), ("redirect", back)];
    admin.post("/manage/delete-torrent", &fields).await.assert_leads_to(back);
    assert!(!admin.get("/manage/admin/torrents").await.text().contains("alert(1)</td>"));
    assert_eq!(site.number("select count(*) from torrents"), 60);
}
