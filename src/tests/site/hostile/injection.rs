//! Markup in every field that there is, and every page read afterwards, by everybody.

use std::collections::BTreeSet;

use axum::http::HeaderValue;

use super::*;

/// As [`MARKER`] in a URL.
fn encoded() -> String {
    url::form_urlencoded::byte_serialize(MARKER.as_bytes()).collect::<String>().replace('+', "%20")
}

/// Nothing of what was sent is more than text; tells whether it is there as text.
#[track_caller]
fn assert_harmless(answer: &Answer, told: &str) -> bool {
    assert!(answer.status.as_u16() < 500, "{told}: {}", answer.status);
    for (name, value) in &answer.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        assert!(!value.contains("<script>"), "{told}: {name}: {value}");
    }
    let kind = answer.headers.get(CONTENT_TYPE).map_or("", |kind| kind.to_str().unwrap());
    if !kind.starts_with("text/html") {
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{told}");
        return false;
    }
    let page = answer.text();
    for live in ["<script>alert", "\"><script", "' onmouseover", "<img src=x", "zq49zq", "49<img"] {
        let around = page.split(live).next().and_then(|before| before.lines().last());
        assert!(!page.contains(live), "{told}: {live} after {around:?}");
    }
    for hidden in ['\u{202e}', '\u{7}', '\0'] {
        let around = page.split(hidden).next().and_then(|before| before.lines().last());
        assert!(!page.contains(hidden), "{told}: {hidden:?} after {around:?}");
    }
    page.contains("&#60;script&#62;alert")
}

/// What makes a field be taken, where a form comes without it.
pub fn filled(name: &str, value: &str) -> String {
    let value = match (name, value) {
        ("password" | "current_password", _) => PASSWORD,
        ("new_password" | "confirm_password", _) => "Another-Horse-10?",
        ("url", "") => "udp://t.example:6969/announce",
        ("network", "") => "198.51.100.0/24",
        ("username", "") => "newcomer",
        ("code", _) => "123456",
        (_, value) => value,
    };
    value.to_owned()
}

/// The body of a form with files, with [`MARKER`] wherever there may be text.
fn files(csrf: &str, field: &str) -> Vec<u8> {
    let name = MARKER.replace('"', "%22");
    let part = |head: &str, content: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{head}\r\n\r\n{content}\r\n")
    };
    let torrent = format!(
        "d8:announce{0}:{MARKER}4:infod6:lengthi5e4:name{1}:{2}12:piece lengthi16384e6:pieces20:\
         aaaaaaaaaaaaaaaaaaaaee",
        MARKER.len(),
        MARKER.replace('/', "_").len(),
        MARKER.replace('/', "_"),
    );
    let body = [
        part("_csrf\"", csrf),
        part("password\"", PASSWORD),
        part(&format!("{field}\"; filename=\"{name}\""), &torrent),
        part(&format!("{field}\"; filename=\"a{name}\""), MARKER),
        part(&format!("{name}\"; filename=\"{name}\""), MARKER),
        part(&format!("{name}\""), MARKER),
        "--b--\r\n".to_owned(),
    ];
    body.concat().into_bytes()
}

/// Everything that can be read, asked for plainly and with [`MARKER`] wherever a URL has room.
fn readable(furnished: &Furnished) -> BTreeSet<String> {
    let marker = encoded();
    let names = ["q", "page", "sort", "of", "actor", "action", "target", "before", "role"];
    let names = names.into_iter().chain(["state", "next", "flash", "msg"]);
    let query: Vec<_> = names.map(|name| format!("{name}={marker}")).collect();
    let query = query.join("&");
    let mut paths =
        BTreeSet::from(["/".to_owned(), format!("/{marker}"), "/robots.txt".to_owned()]);
    for rule in RULES.iter().filter(|rule| rule.method == Method::GET) {
        let path = furnished.path(rule.path);
        if path.ends_with("db-backup") {
            continue; // a file of another kind, with all that was typed in it
        }
        paths.insert(format!("{path}?{query}"));
        paths.insert(format!("{path}?q={marker}&page=1"));
        paths.insert(format!("{path}/{marker}"));
        let odd = ["{info_hash}", "{username}", "{code}"];
        paths.insert(
            odd.iter().fold(rule.path.to_owned(), |path, name| path.replace(name, &marker)),
        );
        paths.insert(path);
    }
    paths
}

/// Reads all of these, as everybody; gives where [`MARKER`] stood, as text.
async fn read(furnished: &mut Furnished, paths: &BTreeSet<String>) -> BTreeSet<String> {
    let mut shown = BTreeSet::new();
    for account in ACCOUNTS {
        for path in paths {
            let answer = furnished.browser(account).get(path).await;
            if assert_harmless(&answer, &format!("{path} as {account:?}")) {
                shown.insert(path.split('?').next().unwrap_or_default().to_owned());
            }
        }
    }
    shown
}

#[tokio::test]
async fn what_is_already_there_and_what_urls_say_is_text_on_every_page() {
    let mut furnished = Furnished::new();
    furnished.site.obey_settings().await;
    // What requests carry beside their forms. Of it a page shows what browsers call themselves.
    let mut is_shown = false;
    for account in [Some("owner"), Some("ann"), None] {
        for name in ["user-agent", "referer", "x-forwarded-for", "forwarded", "accept-language"] {
            let mut browser = furnished.browser(account);
            let value = HeaderValue::from_bytes(MARKER.replace('\u{7}', "").as_bytes()).unwrap();
            let text = HeaderValue::from_str(&MARKER.replace(['\u{7}', '\u{202e}'], "")).unwrap();
            for value in [value, text] {
                browser.says.insert(axum::http::HeaderName::from_static(name), value);
                let fields = [("username", "ben"), ("password", PASSWORD), ("next", MARKER)];
                let answer = browser.post("/manage/login", &fields).await;
                assert_eq!(answer.status, 303, "{}", answer.text());
                assert_harmless(&answer, name);
                is_shown |= assert_harmless(&browser.get("/manage/profile").await, name);
            }
        }
        let mut browser = furnished.browser(account);
        browser.says.insert("host", HeaderValue::from_static("\"><script>alert(1)</script>"));
        assert_harmless(&browser.get("/").await, "host");
    }
    assert!(is_shown);
    let paths = readable(&furnished);
    let shown = read(&mut furnished, &paths).await;
    let torrent = format!("/manage/torrent/{}", furnished.info_hash);
    for path in [
        "/manage",
        "/manage/dashboard",
        "/manage/search",
        &torrent,
        "/manage/admin/torrents",
        "/manage/admin/users",
        "/manage/admin/trackers",
        "/manage/admin/events",
    ] {
        assert!(shown.contains(path), "{path} shows it: {shown:?}");
    }
}

#[tokio::test]
async fn what_forms_bring_is_text_on_every_page() {
    let found = {
        let mut furnished = Furnished::new();
        furnished.site.obey_settings().await;
        furnished.forms().await
    };
    let mut tried = 0;
    for (account, sent) in found {
        // Each has a site of its own, since some leave nothing of it.
        let mut furnished = Furnished::new();
        furnished.site.obey_settings().await;
        let told = format!("{} as {account:?}", sent.kind());
        if sent.has_files {
            let field = if sent.action.ends_with("upload") { "torrent" } else { "db_file" };
            let mut browser = furnished.browser(account);
            let (body, kind) = (files(&browser.csrf(), field), "multipart/form-data; boundary=b");
            assert_harmless(&browser.send(Method::POST, &sent.action, kind, body).await, &told);
        }
        let whole = |(name, value): &(String, String)| (name.clone(), filled(name, value));
        let whole: Vec<(String, String)> = sent.fields.iter().map(whole).collect();
        for place in 0..whole.len() {
            for start in ["", &whole[place].1] {
                let mut fields = whole.clone();
                fields[place].1 = format!("{start}{MARKER}");
                let fields: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
                let mut browser = furnished.browser(account);
                let answer = if sent.is_post {
                    browser.post(&sent.action, &fields).await
                } else {
                    let query = url::form_urlencoded::Serializer::new(String::new())
                        .extend_pairs(fields)
                        .finish();
                    browser.get(&format!("{}?{query}", sent.action)).await
                };
                assert_harmless(&answer, &told);
                assert_harmless(&browser.get("/manage/profile").await, &told); // what it tells
                tried += 1;
            }
        }
        let mut paths = readable(&furnished);
        paths.retain(|path| !path.contains('%')); // those do not depend on the form
        read(&mut furnished, &paths).await;
    }
    assert!(tried > 100, "{tried} fields were tried");
}
