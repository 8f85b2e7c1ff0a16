//! Passkeys out of texts. Private trackers put a member's secret into the announce URL; whoever
//! pastes a report into a forum must not give it away.

use url::Url;

/// What stands in the place of a secret.
const HIDDEN: &str = "***";
/// Shortest path segment that can be a passkey.
const SEGMENT_MIN: usize = 16;
/// Names of parameters with secrets in them.
const NAMES: &[&str] = &[
    "passkey",
    "pass_key",
    "pk",
    "key",
    "authkey",
    "auth",
    "token",
    "secret",
    "uid",
    "user",
    "userid",
    "pass",
    "password",
    "torrent_pass",
    "apikey",
    "api_key",
    "rsskey",
];

/// Hides the secrets of the URLs it was made of, wherever they turn up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redactor {
    secrets: Vec<String>,
    /// Names before an `@`, which are hidden there alone: they may be ordinary words.
    users: Vec<String>,
}

impl Redactor {
    /// Of the secrets in `url`; text that is no URL has none.
    pub fn of(url: &str) -> Redactor {
        let mut redactor = Redactor::default();
        redactor.add(url);
        redactor
    }

    /// Learns the secrets of another URL.
    pub fn add(&mut self, url: &str) {
        let Ok(url) = Url::parse(url.trim()) else { return };
        if !url.username().is_empty() {
            self.users.push(url.username().to_owned());
        }
        let mut found: Vec<&str> = url.password().into_iter().collect();
        found.extend(url.path().split('/').filter(|segment| is_passkey(segment)));
        for pair in url.query().unwrap_or_default().split('&') {
            match pair.split_once('=') {
                Some((name, value)) if is_secret_name(name) => found.push(value),
                None if is_passkey(pair) => found.push(pair),
                _ => {}
            }
        }
        for secret in found {
            if !secret.is_empty() && !self.secrets.iter().any(|known| known == secret) {
                self.secrets.push(secret.to_owned());
            }
        }
        // What is part of a longer secret must not break that up.
        self.secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    }

    /// `text` with every secret replaced, and those of URLs' parameters even when they are short.
    pub fn hide(&self, text: &str) -> String {
        let mut hidden = text.to_owned();
        for secret in &self.secrets {
            if secret.len() >= 4 {
                hidden = hidden.replace(secret.as_str(), HIDDEN);
            } else {
                hidden = hidden.replace(&format!("={secret}"), &format!("={HIDDEN}"));
                hidden = hidden.replace(&format!(":{secret}@"), &format!(":{HIDDEN}@"));
            }
        }
        for user in &self.users {
            for behind in [':', '@'] {
                let found = format!("//{user}{behind}");
                hidden = hidden.replace(&found, &format!("//{HIDDEN}{behind}"));
            }
        }
        hidden
    }
}

/// `url` without its secrets.
pub fn url(url: &str) -> String {
    Redactor::of(url).hide(url)
}

fn is_secret_name(name: &str) -> bool {
    NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Long, of letters and digits alone, and with a digit in it.
fn is_passkey(segment: &str) -> bool {
    segment.len() >= SEGMENT_MIN
        && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        && segment.bytes().any(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_urls_are_hidden_and_the_rest_stays() {
        for (given, shown) in [
            ("http://h/announce", "http://h/announce"),
            ("http://h/0123456789abcdef0123/announce", "http://h/***/announce"),
            ("https://h/announce.php?passkey=k&x=1", "https://h/announce.php?passkey=***&x=1"),
            ("udp://h:1/announce?Token=abcdef", "udp://h:1/announce?Token=***"),
            ("http://ann:secret@h/announce", "http://***:***@h/announce"),
            ("http://user:secret@h/announce", "http://***:***@h/announce"),
            ("http://tracker@tracker.example/a", "http://***@tracker.example/a"),
            ("http://announcements-of-the-day/a", "http://announcements-of-the-day/a"),
            ("http://h/announce?0123456789abcdef", "http://h/announce?***"),
        ] {
            assert_eq!(url(given), shown);
        }
    }

    #[test]
    fn secrets_are_hidden_in_what_a_tracker_says_too() {
        let redactor = Redactor::of("http://h/announce?passkey=swordfish");
        assert_eq!(redactor.hide("no member swordfish"), "no member ***");
    }
}
