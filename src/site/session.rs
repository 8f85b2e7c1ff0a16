//! Who sends a request: a token in a cookie, of which the database has the hash alone.

use std::net::IpAddr;

use axum::http::HeaderMap;
use axum::http::header::{COOKIE, HeaderValue};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::password::hex;
use crate::db::sessions::{LASTS_SECS, Session};
use crate::db::users::Role;

/// The cookie of a session. Its prefix has browsers take it from this host over TLS alone.
pub const COOKIE_NAME: &str = "__Host-wksession";
/// The cookie of whoever has no session, for the forms before there is one.
pub const GUEST_COOKIE_NAME: &str = "__Host-wkguest";
/// Cookies of one name that are looked at.
const COOKIES_MAX: usize = 4;

/// 32 random bytes, as 64 hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Token {
    /// One that nobody has. `None` when the system gives no randomness.
    pub fn random() -> Option<Token> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).ok()?;
        Some(Token(hex(&bytes)))
    }

    /// The tokens that a request carries under a name.
    pub fn of(headers: &HeaderMap, name: &str) -> Vec<Token> {
        let fields = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
        let pairs =
            fields.flat_map(|field| field.split(';')).filter_map(|p| p.trim().split_once('='));
        pairs
            .filter(|(key, value)| *key == name && is_token(value))
            .map(|(_, value)| Token(value.to_owned()))
            .take(COOKIES_MAX)
            .collect()
    }

    /// Reads one from a form.
    pub fn from_text(text: &str) -> Option<Token> {
        is_token(text).then(|| Token(text.to_owned()))
    }

    /// As it is sent to whoever it is for, and to nobody else.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(&self.0).into()
    }

    /// What a form must send along, so that it is known to be ours: it follows from the token, and
    /// the token does not follow from it.
    pub fn csrf(&self) -> String {
        let digest = Sha256::new().chain_update("csrf of ").chain_update(&self.0).finalize();
        hex(&digest[..16])
    }

    /// Has a browser keep it under `name`. `Lax`: a link from elsewhere finds one signed in.
    pub fn set(&self, name: &str) -> HeaderValue {
        let Token(token) = self;
        cookie(&format!("{name}={token}; Max-Age={LASTS_SECS}"))
    }
}

fn is_token(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Has a browser forget the cookie of a session.
pub fn forget() -> HeaderValue {
    cookie(&format!("{COOKIE_NAME}=; Max-Age=0"))
}

fn cookie(start: &str) -> HeaderValue {
    let text = format!("{start}; Path=/; Secure; HttpOnly; SameSite=Lax");
    // Names and digits, so it is always one.
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

/// Whether two texts are the same, in a time that says nothing of where they differ.
pub fn is_same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

/// Whoever is signed in. The gate puts it with every request of theirs.
#[derive(Clone, Debug)]
pub struct Member {
    /// The session, and whose it is.
    pub session: Session,
    /// What a form must send along.
    pub csrf: String,
    /// From where, behind proxies that are trusted.
    pub ip: IpAddr,
}

impl Member {
    /// The account.
    pub fn user_id(&self) -> i64 {
        self.session.user.user_id
    }

    /// What it is called.
    pub fn username(&self) -> &str {
        &self.session.user.username
    }

    /// What it may do.
    pub fn role(&self) -> Role {
        self.session.user.role
    }

    /// Whether it keeps the site in order.
    pub fn is_staff(&self) -> bool {
        self.role() >= Role::Admin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_from_any_cookie_field_and_nothing_else() {
        let (one, two) = (Token::random().unwrap(), Token::random().unwrap());
        let mut headers = HeaderMap::new();
        let name = COOKIE_NAME;
        headers.append(COOKIE, format!("a=b; {name}={}; {name}=short", one.0).parse().unwrap());
        headers.append(COOKIE, format!("x{name}={}; {name}={}", two.0, two.0).parse().unwrap());
        assert_eq!(Token::of(&headers, name), [one.clone(), two]);
        assert!(Token::of(&headers, GUEST_COOKIE_NAME).is_empty());
        assert!(!format!("{one:?}").contains(&one.0));
    }

    #[test]
    fn cookie_is_for_this_host_over_tls_and_not_for_scripts() {
        let set = Token::random().unwrap().set(COOKIE_NAME);
        let set = set.to_str().unwrap();
        for part in ["__Host-", "Path=/;", "Secure", "HttpOnly", "SameSite=Lax", "Max-Age=172800"] {
            assert!(set.contains(part), "{set}");
        }
        assert!(!set.contains("Domain"));
    }

    #[test]
    fn what_a_form_carries_belongs_to_one_token() {
        let (one, two) = (Token::random().unwrap(), Token::random().unwrap());
        assert!(is_same(&one.csrf(), &one.csrf()) && !is_same(&one.csrf(), &two.csrf()));
        assert!(!is_same(&one.csrf(), "") && !is_same("", "ä"));
        assert!(!one.0.contains(&one.csrf()));
    }
}
