//! Coming in and going out.

use super::*;

#[tokio::test]
async fn member_comes_in_by_password_and_goes_out_again() {
    let site = TestSite::new();
    let ann = site.account("Ann", Role::Standard);
    site.set_password(ann, PASSWORD);
    let mut browser = site.stranger();
    browser
        .get("/manage/search?q=a")
        .await
        .assert_leads_to("/manage?next=%2Fmanage%2Fsearch%3Fq%3Da");
    let form = browser.get("/manage?next=%2Fmanage%2Fsearch%3Fq%3Da").await.text();
    assert!(form.contains("value=\"/manage/search?q=a\""), "{form}");
    let fields =
        |password| [("username", " ann "), ("password", password), ("next", "/manage/search?q=a")];
    let refused = browser.post("/manage/login", &fields("wrong")).await;
    assert!(refused.status == 200 && refused.text().contains("do not belong together"));
    browser.post("/manage/login", &fields(PASSWORD)).await.assert_leads_to("/manage/search?q=a");
    assert_eq!(browser.get("/manage/dashboard").await.status, 200);
    let stolen = browser.session.clone();
    browser.post("/manage/logout", &[]).await.assert_leads_to("/manage");
    assert!(browser.session.is_none());
    browser.session = stolen;
    browser.get("/manage/dashboard").await.assert_leads_to("/manage");
    let logged = "select count(*) from events where action in ('login', 'login_failed', 'logout')";
    assert_eq!(site.number(logged), 3);
}

#[tokio::test]
async fn unknown_and_known_names_are_told_the_same() {
    let site = TestSite::new();
    site.set_password(site.account("walrus", Role::Basic), PASSWORD);
    let mut browser = site.stranger();
    let mut told = Vec::new();
    for name in ["walrus", "nobody"] {
        let fields = [("username", name), ("password", "wrong")];
        told.push(browser.post("/manage/login", &fields).await.text().replace(name, "NAME"));
    }
    assert_eq!(told[0], told[1]);
}

#[tokio::test]
async fn site_is_for_https_alone() {
    let site = TestSite::new();
    let request = Request::builder()
        .uri("/manage/search?q=a")
        .extension(Visitor { peer: "192.0.2.1".parse().unwrap(), is_tls: false });
    let request = request.body(Body::empty()).unwrap();
    let response = site.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 301);
    assert_eq!(response.headers()[LOCATION], "https://tracker.example:8443/manage/search?q=a");
}

#[tokio::test]
async fn too_long_a_form_is_refused_before_it_is_read() {
    let site = TestSite::new();
    let mut browser = site.member("ann", Role::Basic);
    let long = "x".repeat(70_000);
    assert_eq!(browser.post("/manage/logout", &[("x", &long)]).await.status, 413);
    assert_eq!(browser.get("/manage/dashboard").await.status, 200, "nothing has changed");
}
