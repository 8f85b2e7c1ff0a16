//! Fields that are not what they should be: each is answered, and what is refused has changed
//! nothing.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::*;

/// What may stand where a number, a name, an id or a word should.
const VALUES: [&[u8]; 16] = [
    b"",
    b" ",
    b"abc",
    b"-1",
    b"0",
    b"1e9",
    b"NaN",
    b"1.5",
    b"0x10",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"340282366920938463463374607431768211456",
    b"\0",
    b"1\x002",
    b"\xff\xfe\xc0\xaf",
    "\u{661}\u{202e}\u{fdd0}".as_bytes(),
];
/// Longer than anything that is kept, and a form still takes it.
const LONG: usize = 20_000;

/// What changes at every request, or tells that somebody tried.
const BESIDE: [&str; 4] = ["sessions", "login_failures", "events", "sqlite_sequence"];

/// A digest of what each table holds.
fn digests(site: &TestSite) -> BTreeMap<String, Vec<u8>> {
    let look = |conn: &db::Connection| -> db::Result<_> {
        let tables = "select name from sqlite_schema where type = 'table'";
        let mut tables = conn.prepare(tables)?;
        let tables =
            tables.query_map([], |row| row.get(0))?.collect::<db::Result<Vec<String>>>()?;
        let mut digests = BTreeMap::new();
        for table in tables.into_iter().filter(|table| !BESIDE.contains(&&**table)) {
            let mut rows = conn.prepare(&format!("select * from \"{table}\""))?;
            let columns: Vec<String> = rows.column_names().map(str::to_owned).collect();
            let mut digest = Sha256::new();
            let mut rows = rows.query([])?;
            while let Some(row) = rows.next()? {
                for (column, name) in columns.iter().enumerate() {
                    if name != "last_seen_at" {
                        digest.update(format!("{:?};", row.get_ref(column)?));
                    }
                }
            }
            digests.insert(table, digest.finalize().to_vec());
        }
        Ok(digests)
    };
    site.members.database.read_now(look).unwrap()
}

type Fields = Vec<(String, Vec<u8>)>;

/// The fields of a form with one of them spoilt in every way.
fn spoilt(whole: &Fields, place: usize) -> Vec<Fields> {
    let with = |value: &[u8]| {
        let mut fields = whole.clone();
        fields[place].1 = value.to_vec();
        fields
    };
    let is_password = whole[place].0.contains("password");
    let some = if is_password { &VALUES[12..14] } else { &VALUES[..] };
    let mut all: Vec<Fields> = some.iter().map(|value| with(value)).collect();
    all.push(with(&vec![b'9'; LONG]));
    let mut missing = whole.clone();
    missing.remove(place);
    all.push(missing);
    for (name, value) in [(0, b"-1".as_slice()), (1, b"abc")] {
        let mut twice = whole.clone();
        let field = (whole[place].0.clone(), value.to_vec());
        twice.insert(if name == 0 { 0 } else { twice.len() }, field);
        all.push(twice);
    }
    all
}

fn encode(csrf: &str, fields: &Fields) -> Vec<u8> {
    let encoded = |bytes: &[u8]| url::form_urlencoded::byte_serialize(bytes).collect::<String>();
    let pair = |(name, value): &(String, Vec<u8>)| {
        format!("&{}={}", encoded(name.as_bytes()), encoded(value))
    };
    let pairs: String = fields.iter().map(pair).collect();
    format!("_csrf={csrf}{pairs}").into_bytes()
}

/// Whether an answer says that nothing was done: by its status, or by what the next page says.
fn is_refused(site: &TestSite, answer: &Answer) -> bool {
    let told = "select coalesce((select flash_kind = 'error' from sessions
                where flash_kind is not null order by session_id desc limit 1), 0)";
    answer.status.as_u16() >= 400 || site.number(told) == 1
}

/// Sends a form; `before` is what there was, and then what there is.
async fn try_form(
    furnished: &mut Furnished,
    before: &mut BTreeMap<String, Vec<u8>>,
    (account, sent): (Option<&str>, &Sent),
    fields: &Fields,
) {
    let clear = "update sessions set flash_kind = null";
    furnished.site.members.database.write_now(|tx| tx.execute(clear, [])).unwrap();
    let mut browser = furnished.browser(account);
    let answer = if sent.is_post {
        browser.get("/manage").await; // a guest gets a token
        let body = encode(&browser.csrf(), fields);
        let kind = "application/x-www-form-urlencoded";
        browser.send(Method::POST, &sent.action, kind, body).await
    } else {
        let query = String::from_utf8(encode("", fields)).unwrap();
        browser.get(&format!("{}?{query}", sent.action)).await
    };
    let shown = |(name, value): &(String, Vec<u8>)| {
        format!("{name}={:.40}", String::from_utf8_lossy(value))
    };
    let shown: Vec<_> = fields.iter().map(shown).collect();
    let told = format!("{} {shown:?}: {}", sent.action, answer.status);
    assert!(answer.status.as_u16() < 500, "{told}");
    let after = digests(&furnished.site);
    if !sent.is_post || is_refused(&furnished.site, &answer) {
        let changed: Vec<_> = before.keys().filter(|name| before[*name] != after[*name]).collect();
        assert!(changed.is_empty(), "{told} and {changed:?} have changed");
    }
    *before = after;
}

#[tokio::test]
async fn form_with_nonsense_is_answered_and_when_refused_has_changed_nothing() {
    let found = {
        let mut furnished = Furnished::new();
        furnished.site.obey_settings().await;
        furnished.forms().await
    };
    let mut tried = 0;
    for (account, sent) in found.iter().filter(|(_, sent)| !sent.has_files) {
        let mut furnished = Furnished::new();
        furnished.site.obey_settings().await;
        let mut before = digests(&furnished.site);
        let whole = |(name, value): &(String, String)| {
            (name.clone(), injection::filled(name, value).into_bytes())
        };
        let whole: Fields = sent.fields.iter().map(whole).collect();
        for place in 0..whole.len() {
            for fields in spoilt(&whole, place) {
                if furnished.site.number("select count(*) from users") < 5 {
                    furnished = Furnished::new(); // that was no nonsense to it
                    furnished.site.obey_settings().await;
                    before = digests(&furnished.site);
                }
                try_form(&mut furnished, &mut before, (*account, sent), &fields).await;
                tried += 1;
            }
        }
    }
    assert!(tried > 1_500, "{tried} forms were sent");
}

#[tokio::test]
async fn path_and_query_with_nonsense_are_answered() {
    let mut furnished = Furnished::new();
    furnished.site.obey_settings().await;
    let names = ["q", "page", "sort", "of", "before", "actor", "role", "state", "next", "csrf"];
    let long = vec![b'a'; LONG];
    let values: Vec<&[u8]> = VALUES.into_iter().chain([&long[..]]).collect();
    for rule in RULES.iter().filter(|rule| rule.method == Method::GET) {
        for value in &values {
            let value =
                value.iter().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
            let mut paths: Vec<_> =
                names.map(|name| format!("{}?{name}={value}", furnished.path(rule.path))).into();
            paths.push(format!("{}?page={value}&page=2", furnished.path(rule.path)));
            paths.push(format!("{}?{value}", furnished.path(rule.path)));
            for parameter in ["{info_hash}", "{username}", "{code}"] {
                if rule.path.contains(parameter) {
                    paths.push(rule.path.replace(parameter, &value));
                }
            }
            if rule.path.ends_with("db-backup") {
                paths.truncate(1); // it reads none of these
            }
            for path in paths {
                let status = furnished.browser(Some("owner")).get(&path).await.status;
                assert!(status.as_u16() < 500, "{path:.100}: {status}");
            }
        }
    }
}

/// A form that is broken as such.
#[tokio::test]
async fn body_that_is_no_form_is_answered() {
    let mut furnished = Furnished::new();
    furnished.site.obey_settings().await;
    let before = digests(&furnished.site);
    let kinds = [
        "",
        "text/plain",
        "application/x-www-form-urlencoded; charset=utf-16",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=b",
    ];
    let bodies: [&[u8]; 6] = [b"", b"\0\0", b"&&&===&", b"%%%=%zz&%", b"--b\r\n", b"--b--\r\n"];
    for rule in RULES.iter().filter(|rule| rule.method == Method::POST) {
        for kind in kinds {
            for body in bodies {
                let path = furnished.path(rule.path);
                let mut browser = furnished.browser(Some("owner"));
                let answer = browser.send(Method::POST, &path, kind, body.to_vec()).await;
                let status = answer.status.as_u16();
                assert!((400..500).contains(&status), "{path} {kind} {body:?}: {status}");
            }
        }
    }
    assert_eq!(digests(&furnished.site), before);
}
