//! New accounts, one's own page, and what others see.

use super::*;
use crate::db::settings::{self, Setting};
use crate::db::{invites, login_failures};

const CODE: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOP_";

impl TestSite {
    async fn switch_on(&self, flag: settings::Flag) {
        let work = |tx: &db::Transaction<'_>| settings::set(tx, Setting::Flag(flag), "1");
        self.members.database.write_now(work).unwrap();
        self.obey_settings().await;
    }

    fn invite(&self, created_by: i64, code: &str) {
        let work = |tx: &db::Transaction<'_>| invites::insert(tx, code, created_by, 1, None);
        self.members.database.write_now(work).unwrap();
    }
}

fn fields<'a>(username: &'a str, password: &'a str, again: &'a str) -> [(&'a str, &'a str); 3] {
    [("username", username), ("password", password), ("confirm_password", again)]
}

#[tokio::test]
async fn anybody_signs_up_where_the_owner_wants_that_and_nowhere_else() {
    let site = TestSite::new();
    let mut browser = site.stranger();
    assert_eq!(browser.get("/manage/signup").await.status, 404);
    assert_eq!(
        browser.post("/manage/signup", &fields("ann", PASSWORD, PASSWORD)).await.status,
        404
    );
    assert!(!browser.get("/manage").await.text().contains("/manage/signup"));
    site.switch_on(settings::FREE_SIGNUP).await;
    assert!(browser.get("/manage").await.text().contains("/manage/signup"));
    let wrong = browser.post("/manage/signup", &fields("<b>", "short", "other")).await;
    let told = wrong.text();
    assert!(
        wrong.status == 200 && told.contains("A name has 1 to 32") && told.contains("at least 12")
    );
    assert!(told.contains("not the same as above") && told.contains("&#60;b&#62;"), "{told}");
    let joined = browser.post("/manage/signup", &fields("Ann", PASSWORD, PASSWORD)).await;
    joined.assert_leads_to("/manage/dashboard");
    assert_eq!(browser.get("/manage/profile").await.status, 200);
    let mut other = site.stranger();
    let taken = other.post("/manage/signup", &fields("aNN", PASSWORD, PASSWORD)).await.text();
    assert!(taken.contains("The name aNN is taken"), "{taken}");
    assert_eq!(site.number("select count(*) from users"), 1);
    other.post("/manage/signup", &fields("ben", PASSWORD, PASSWORD)).await;
    assert_eq!(site.number("select count(*) from users"), 2, "the next write works");
}

#[tokio::test]
async fn invitation_makes_one_account_however_many_try() {
    let site = TestSite::new();
    let ann = site.account("ann", Role::Admin);
    site.invite(ann, CODE);
    let path = format!("/manage/invite/{CODE}");
    let mut browsers = [(); 3].map(|()| site.stranger());
    for browser in &mut browsers {
        assert!(browser.get(&path).await.text().contains("ann has invited you"));
    }
    let [one, two, three] = &mut browsers;
    let forms = ["b1", "b2", "b3"].map(|name| fields(name, PASSWORD, PASSWORD));
    let answers = tokio::join!(
        one.post(&path, &forms[0]),
        two.post(&path, &forms[1]),
        three.post(&path, &forms[2])
    );
    let answers = [answers.0, answers.1, answers.2];
    let joined = answers.iter().filter(|answer| answer.location() == "/manage/dashboard").count();
    assert_eq!((joined, site.number("select count(*) from users")), (1, 2));
    let others: Vec<_> = answers.iter().filter(|answer| answer.status == 404).collect();
    assert_eq!(others.len(), 2, "the others are told");
    assert_eq!(site.stranger().get(&path).await.status, 404);
    assert_eq!(site.number("select count(*) from users where created_by = 1"), 1);
}

#[tokio::test]
async fn one_name_is_had_by_one_of_two_who_want_it_at_once() {
    let site = TestSite::new();
    site.switch_on(settings::FREE_SIGNUP).await;
    let [mut one, mut other, mut third] = [(); 3].map(|()| site.stranger());
    one.get("/manage/signup").await;
    other.get("/manage/signup").await;
    let walrus = fields("walrus", PASSWORD, PASSWORD);
    let answers =
        tokio::join!(one.post("/manage/signup", &walrus), other.post("/manage/signup", &walrus));
    let joined = [&answers.0, &answers.1].map(|answer| answer.status == 303);
    assert!(joined[0] != joined[1], "{joined:?}");
    let (told, loser) =
        if joined[0] { (answers.1.text(), &mut other) } else { (answers.0.text(), &mut one) };
    assert!(told.contains("The name walrus is taken"), "{told}");
    // The loser's write has left nothing behind that others, or the loser, would wait for.
    for (browser, name) in [(&mut third, "auk"), (loser, "dodo")] {
        let answer = browser.post("/manage/signup", &fields(name, PASSWORD, PASSWORD)).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
    }
}

/// A page that keeps itself fresh does not take away what the next page has to say.
#[tokio::test]
async fn message_waits_for_somebody_who_reads_it() {
    let site = TestSite::new();
    let mut ann = site.member("ann", Role::Basic);
    let answer = ann.post("/manage/profile/settings", &[]).await;
    assert_eq!(answer.status, 303, "{}", answer.text());
    ann.says.insert("sec-fetch-dest", "empty".parse().unwrap());
    ann.get("/manage/profile").await;
    ann.says.clear();
    for is_there in [true, false] {
        let page = ann.get("/manage/profile").await.text();
        assert_eq!(page.contains("class=\"flash"), is_there);
    }
}

#[tokio::test]
async fn wrong_passwords_shut_out_their_own_network_alone() {
    let site = TestSite::new();
    let ann = site.account("ann", Role::Basic);
    site.set_password(ann, PASSWORD);
    let mut signed_in = site.browser_of(ann);
    let wrong = [("username", "ann"), ("password", "wrong")];
    let right = [("username", "ann"), ("password", PASSWORD)];
    let mut attacker = site.stranger();
    attacker.ip = "198.51.100.9".parse().unwrap();
    for _ in 0..5 {
        assert_eq!(attacker.post("/manage/login", &wrong).await.status, 200);
    }
    let shut_out = attacker.post("/manage/login", &right).await;
    assert_eq!(shut_out.status, 429);
    assert!(shut_out.text().contains("in 15 minutes"), "{}", shut_out.text());
    assert_eq!(site.number("select count(*) from events where action = 'lock_user'"), 1);
    assert_eq!(signed_in.get("/manage/profile").await.status, 200, "sessions go on");
    let mut elsewhere = site.stranger();
    elsewhere.post("/manage/login", &right).await.assert_leads_to("/manage/dashboard");

    let clear = |tx: &db::Transaction<'_>| login_failures::clear(tx, "ann", None);
    assert!(site.members.database.write_now(clear).unwrap());
    attacker.post("/manage/login", &right).await.assert_leads_to("/manage/dashboard");
}

#[tokio::test]
async fn names_are_not_told_apart_by_trying_them() {
    let site = TestSite::new();
    site.set_password(site.account("okapi", Role::Basic), PASSWORD);
    site.set_password(site.account("quagga", Role::Basic), PASSWORD);
    let names = ["okapi", "quagga", "unicorn"];
    let begin = |tx: &db::Transaction<'_>| -> db::Result<()> {
        tx.execute("update users set is_disabled = 1 where username = 'quagga'", [])?;
        let now = clock::unix_secs().cast_signed();
        for (name, number) in names.iter().flat_map(|name| (0..45).map(move |n| (name, n))) {
            login_failures::note(tx, name, &format!("10.0.{}.0/24", number % 9), now)?;
        }
        Ok(())
    };
    site.members.database.write_now(begin).unwrap();
    // Five more from one network make fifty: it is locked then, and so is any that is unknown.
    let mut told = Vec::new();
    for name in names {
        let mut answers = Vec::new();
        for (network, tries) in [(1, 6), (2, 1)] {
            let mut prober = site.stranger();
            prober.ip = [10, 1, network, 9].into();
            for _ in 0..tries {
                let form = [("username", name), ("password", "wrong")];
                let answer = prober.post("/manage/login", &form).await;
                let text = answer.text().replace(&prober.csrf(), "").replace(name, "NAME");
                answers.push((answer.status, text));
            }
        }
        told.push(answers);
    }
    let statuses: Vec<_> = told[0].iter().map(|(status, _)| status.as_u16()).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429, 429]);
    assert_eq!(told[1], told[0], "an account that may not be used");
    assert_eq!(told[2], told[0], "a name that nobody has");
    for action in ["login_failed", "lock_user"] {
        let whose = if action == "lock_user" { "target" } else { "actor" };
        let count = |name: &str| {
            let sql = "select count(*) from events where action";
            site.number(&format!("{sql} = '{action}' and {whose} = '{name}'"))
        };
        assert!(count("okapi") > 0, "{action}");
        assert_eq!([count("quagga"), count("unicorn")], [count("okapi"); 2], "{action}");
    }
}

#[tokio::test]
async fn many_tries_at_once_are_no_more_than_one_after_the_other() {
    let site = TestSite::new();
    site.set_password(site.account("ann", Role::Basic), PASSWORD);
    let mut browsers = [(); 4].map(|()| site.stranger());
    for browser in &mut browsers {
        browser.get("/manage").await;
    }
    let [a, b, c, d] = &mut browsers;
    let wrong = [("username", "ann"), ("password", "wrong")];
    let mut looked_at = 0;
    for _ in 0..2 {
        let answers = tokio::join!(
            a.post("/manage/login", &wrong),
            b.post("/manage/login", &wrong),
            c.post("/manage/login", &wrong),
            d.post("/manage/login", &wrong)
        );
        let answers = [answers.0, answers.1, answers.2, answers.3];
        looked_at += answers.iter().filter(|answer| answer.status == 200).count();
    }
    assert_eq!(looked_at, 5);
}

#[tokio::test]
async fn account_with_networks_is_not_signed_in_to_from_elsewhere() {
    let site = TestSite::new();
    let ann = site.account("ann", Role::Basic);
    site.set_password(ann, PASSWORD);
    let add = |tx: &db::Transaction<'_>| db::allowlist::add(tx, ann, "198.51.100.0/24", ann, 1);
    site.members.database.write_now(add).unwrap();
    let right = [("username", "ann"), ("password", PASSWORD)];
    let mut outside = site.stranger();
    assert_eq!(outside.post("/manage/login", &right).await.status, 200);
    assert_eq!(site.number("select count(*) from events where action = 'login_ip_blocked'"), 1);
    assert_eq!(site.number("select count(*) from login_history"), 0);
    let mut inside = site.stranger();
    inside.ip = "198.51.100.7".parse().unwrap();
    inside.post("/manage/login", &right).await.assert_leads_to("/manage/dashboard");
}

#[tokio::test]
async fn second_factor_is_not_guessed_by_whoever_knows_the_password() {
    let site = TestSite::new();
    let ann = site.account("ann", Role::Basic);
    site.set_password(ann, PASSWORD);
    let on = |tx: &db::Transaction<'_>| {
        db::second_factor::begin(tx, ann, &[7; 20])?;
        db::second_factor::confirm(tx, ann, 1, 1, &[])
    };
    site.members.database.write_now(on).unwrap();
    let right = [("username", "ann"), ("password", PASSWORD)];
    let mut guesser = site.stranger();
    let mut looked_at = 0;
    for _ in 0..6 {
        let asked = guesser.post("/manage/login", &right).await.text();
        let Some(rest) = asked.split("name=\"ticket\" value=\"").nth(1) else { break };
        let form = [("ticket", rest.split('"').next().unwrap()), ("code", "000000")];
        if guesser.post("/manage/login/code", &form).await.status == 200 {
            looked_at += 1;
        }
    }
    assert!(looked_at <= 3, "{looked_at} codes were looked at");
}

#[tokio::test]
async fn password_is_changed_by_whoever_knows_it_and_ends_other_sessions() {
    let site = TestSite::new();
    let ann = site.account("ann", Role::Basic);
    site.set_password(ann, PASSWORD);
    let (mut here, mut there) = (site.browser_of(ann), site.browser_of(ann));
    let new = "Another-Horse-10?";
    let form = |current, new, again| {
        [("current_password", current), ("new_password", new), ("confirm_password", again)]
    };
    let told = here.post("/manage/password", &form("wrong", new, new)).await.text();
    assert!(told.contains("not your present password"), "{told}");
    let told = here.post("/manage/password", &form(PASSWORD, "weak", "other")).await.text();
    assert!(told.contains("at least 12") && told.contains("not the same"), "{told}");
    assert_eq!(there.get("/manage/profile").await.status, 200);
    here.post("/manage/password", &form(PASSWORD, new, new))
        .await
        .assert_leads_to("/manage/profile");
    assert!(here.get("/manage/profile").await.text().contains("that have ended: 1."));
    there.get("/manage/profile").await.assert_leads_to("/manage?next=%2Fmanage%2Fprofile");
    let mut again = site.stranger();
    let fields = [("username", "ann"), ("password", new)];
    again.post("/manage/login", &fields).await.assert_leads_to("/manage/dashboard");
}

#[tokio::test]
async fn password_of_the_earlier_tracker_is_kept_anew_once_it_was_right() {
    let site = TestSite::new();
    let ann = site.account("ann", Role::Basic);
    let old = "$pbkdf2-reference$00112233445566778899aabbccddeeff$\
               6b957126a69b04bc3d71d2072f5bf7cd8b29b1efd8d65e8c219ec3c83cfa8741";
    let work = |tx: &db::Transaction<'_>| users::rehash(tx, ann, old);
    site.members.database.write_now(work).unwrap();
    let fields = [("username", "ann"), ("password", PASSWORD)];
    site.stranger().post("/manage/login", &fields).await.assert_leads_to("/manage/dashboard");
    let kept = |conn: &db::Connection| users::password_hash(conn, ann);
    let kept = site.members.database.read_now(kept).unwrap();
    assert!(kept.starts_with("$argon2id$"), "{kept}");
    site.stranger().post("/manage/login", &fields).await.assert_leads_to("/manage/dashboard");
}

#[tokio::test]
async fn member_chooses_what_is_seen_and_ends_sessions() {
    let site = TestSite::new();
    let ann = site.account("ann", Role::Standard);
    let (mut here, mut there) = (site.browser_of(ann), site.browser_of(ann));
    there.get("/manage/profile").await;
    let page = here.get("/manage/profile").await.text();
    assert!(page.contains("name=\"show_online\" value=\"1\" checked") && page.contains("This one"));
    here.post("/manage/profile/settings", &[("link_torrent_activity", "1")])
        .await
        .assert_leads_to("/manage/profile");
    let chosen = "select link_torrent_activity and not show_online from users";
    assert_eq!(site.number(chosen), 1);
    let other = site.number("select max(session_id) from sessions").to_string();
    let mut ben = site.member("ben", Role::Standard);
    ben.post("/manage/profile/end-session", &[("session_id", &other)]).await;
    assert_eq!(there.get("/manage/profile").await.status, 200, "it is not ben's to end");
    here.post("/manage/profile/end-session", &[("session_id", &other)]).await;
    assert_eq!(there.get("/manage/profile").await.status, 303);
    assert_eq!(ben.post("/manage/profile/end-session", &[("session_id", "x")]).await.status, 400);
}

#[tokio::test]
async fn others_see_a_member_as_they_may() {
    let site = TestSite::new();
    let mut ann = site.member("ann", Role::Standard);
    ann.get("/manage/profile").await;
    let mut ben = site.member("ben", Role::Standard);
    assert_eq!(ben.get("/manage/user/nobody").await.status, 404);
    let page = ben.get("/manage/user/ANN").await.text();
    assert!(page.contains("<h1>ann</h1>") && !page.contains("Admin view"), "{page}");
    assert!(page.contains("has not registered a torrent"), "{page}");
    let hide = "update users set show_online = 0 where username = 'ann'";
    site.members.database.write_now(|tx| tx.execute(hide, [])).unwrap();
    assert!(ben.get("/manage/user/ann").await.text().contains("not shown"));
    let mut basic = site.member("cat", Role::Basic);
    assert_eq!(basic.get("/manage/user/ann").await.status, 403);
}

#[tokio::test]
async fn second_factor_is_asked_for_once_it_is_set_up() {
    use crate::site::account::second_factor::tests::code;
    let site = TestSite::new();
    let ann = site.account("ann", Role::Admin);
    site.set_password(ann, PASSWORD);
    let mut here = site.browser_of(ann);
    site.switch_on(settings::TOTP_REQUIRED_FOR_STAFF).await;
    let path = "/manage/profile/second-factor";
    here.get("/manage/dashboard").await.assert_leads_to(path);
    here.post("/manage/profile/second-factor/begin", &[]).await.assert_leads_to(path);
    let page = here.get(path).await.text();
    assert!(page.contains("<svg class=\"qr\"") && page.contains("Turn it on"), "{page}");
    let find = |conn: &db::Connection| db::second_factor::find(conn, ann);
    let secret = site.members.database.read_now(find).unwrap().unwrap().secret;
    let confirm = "/manage/profile/second-factor/confirm";
    assert!(here.post(confirm, &[("code", "000 000")]).await.text().contains("not the code"));
    let now = clock::unix_secs().cast_signed();
    let done = here.post(confirm, &[("code", &code(&secret, now))]).await.text();
    let backup = done.split("<code>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert_eq!(here.get("/manage/dashboard").await.status, 200);

    let mut there = site.stranger();
    let fields = [("username", "ann"), ("password", PASSWORD), ("next", "/manage/profile")];
    let asked = there.post("/manage/login", &fields).await.text();
    assert!(asked.contains("The second factor") && there.session.is_none(), "{asked}");
    let ticket = asked.split("name=\"ticket\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let with = |code| [("ticket", ticket), ("next", "/manage/profile"), ("code", code)];
    let used = code(&secret, now);
    let told = there.post("/manage/login/code", &with(&used)).await.text();
    assert!(told.contains("wrong, or was used before"), "no code counts twice: {told}");
    there.post("/manage/login/code", &with(&backup)).await.assert_leads_to("/manage/profile");
    assert!(there.get("/manage/profile").await.status == 200);
    let again = there.post("/manage/login/code", &with(&used)).await.text();
    assert!(again.contains("Begin again"), "a ticket serves once: {again}");

    let end = "/manage/profile/second-factor/end";
    let form = |password, code| [("password", password), ("code", code)];
    assert!(here.post(end, &form("wrong", "1")).await.text().contains("not your password"));
    assert!(here.post(end, &form(PASSWORD, &backup)).await.text().contains("used before"));
    let later = code(&secret, now + 30);
    here.post(end, &form(PASSWORD, &later)).await.assert_leads_to("/manage/profile");
    assert_eq!(site.number("select count(*) from users where totp_secret is not null"), 0);
}
