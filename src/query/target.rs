//! A tracker's URL, checked before anything is sent.

use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

use super::failure::{Failure, Kind};
use crate::limits::query as limits;

/// How a tracker is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// BEP 15.
    Udp,
    /// BEP 3 in the clear.
    Http,
    /// BEP 3 under TLS.
    Https,
}

impl Scheme {
    /// As in an URL.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::Udp => "udp",
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A tracker that can be asked. The text it was read from stays as it was, without blanks around.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    given: String,
    /// How to speak to it.
    pub scheme: Scheme,
    /// A name in ASCII, or an address.
    pub host: Host<String>,
    /// 1 to 65535.
    pub port: u16,
    /// Whether the URL names the port.
    pub has_port: bool,
    /// The one address of the host that is asked; `None` takes whichever answers.
    pub pinned: Option<IpAddr>,
    url: Url,
}

impl Target {
    /// Reads the URL of a tracker.
    ///
    /// # Errors
    /// A [`Kind::Usage`] failure that names the fault.
    pub fn parse(text: &str) -> Result<Target, Failure> {
        let given = text.trim();
        let wrong = |why: String| Failure::new(Kind::Usage, "none", why);
        let invalid = |why: &str| wrong(format!("invalid tracker URL {given:?}: {why}"));
        if given.len() > limits::URL_LEN_MAX {
            return Err(invalid(&format!("longer than {} bytes", limits::URL_LEN_MAX)));
        }
        let scheme = given.split_once("://").map_or("", |(scheme, _)| scheme);
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "udp" => Scheme::Udp,
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            other => {
                let text = format!("unsupported URL scheme {other:?} (use http, https or udp)");
                return Err(wrong(format!("{text}: {given:?}")));
            }
        };
        let mut url = Url::parse(given).map_err(|error| match error {
            url::ParseError::EmptyHost => invalid("no host"),
            url::ParseError::InvalidPort => invalid("port must be 1–65535"),
            error => invalid(&error.to_string()),
        })?;
        url.set_fragment(None);
        // The host of a scheme that URLs do not know is kept as it was typed.
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(invalid("no host"))?;
        let host = Host::parse(host).map_err(|error| invalid(&error.to_string()))?;
        let default = if scheme == Scheme::Https { 443 } else { 80 };
        let port = url.port().unwrap_or(default);
        if port == 0 {
            return Err(invalid("port must be 1–65535"));
        }
        let has_port = url.port().is_some();
        Ok(Target { given: given.to_owned(), scheme, host, port, has_port, pinned: None, url })
    }

    /// The URL as it was given.
    pub fn as_str(&self) -> &str {
        &self.given
    }

    /// The URL in its normal form, without a fragment.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The same tracker at this one address of its host.
    #[must_use]
    pub fn at(&self, ip: IpAddr) -> Target {
        Target { pinned: Some(ip), ..self.clone() }
    }

    /// What two spellings of one tracker have in common: scheme, host, port, path and query.
    pub fn identity(&self) -> String {
        let path = if self.scheme == Scheme::Udp { "" } else { self.url.path() };
        let query = self.url.query().unwrap_or_default();
        format!("{}://{}:{}{path}?{query}", self.scheme, self.host, self.port)
    }

    /// The address, when the host is one, or it is bound to one.
    pub fn ip(&self) -> Option<IpAddr> {
        if self.pinned.is_some() {
            return self.pinned;
        }
        match self.host {
            Host::Ipv4(ip) => Some(ip.into()),
            Host::Ipv6(ip) => Some(ip.into()),
            Host::Domain(_) => None,
        }
    }

    /// The URL to scrape at (BEP 48): the last segment of the path begins with `announce`, which
    /// becomes `scrape`, or is `scrape…` already.
    ///
    /// # Errors
    /// A [`Kind::Unsupported`] failure that names the rule.
    pub fn scrape_url(&self) -> Result<Url, Failure> {
        let refused = |why: String| {
            let text = format!("cannot derive a scrape URL: {why}");
            Err(Failure::new(Kind::Unsupported, "none", text))
        };
        let path = self.url.path();
        let (before, last) = path.rsplit_once('/').unwrap_or(("", path));
        if last.is_empty() && before.is_empty() {
            return refused("the URL has no path".to_owned());
        }
        if before.contains("%064") {
            return refused("`%064` in the path".to_owned());
        }
        let last = match last.strip_prefix("announce") {
            Some(rest) => format!("scrape{rest}"),
            None if last.starts_with("scrape") => last.to_owned(),
            None => {
                return refused(format!(
                    "last path segment {last:?} does not begin with \"announce\""
                ));
            }
        };
        let mut url = self.url.clone();
        url.set_path(&format!("{before}/{last}"));
        Ok(url)
    }

    /// Path and query, which a UDP tracker is told as options (BEP 41) where they say something.
    pub fn url_data(&self) -> Option<String> {
        let path = if self.url.path() == "/" { "" } else { self.url.path() };
        match self.url.query() {
            None if path.is_empty() || path == "/announce" => None,
            None => Some(path.to_owned()),
            Some(query) => Some(format!("{path}?{query}")),
        }
    }
}

/// `url` with parameters behind those it has.
pub fn with_query(url: &Url, added: &str) -> Url {
    let mut url = url.clone();
    let query = match url.query() {
        Some("") | None => added.to_owned(),
        Some(query) => format!("{}&{added}", query.trim_end_matches('&')),
    };
    url.set_query(Some(&query).filter(|query| !query.is_empty()).map(String::as_str));
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrape(url: &str) -> Option<String> {
        Target::parse(url).unwrap().scrape_url().ok().map(Into::into)
    }

    #[test]
    fn d1_scrape_urls() {
        for (announce, expected) in [
            ("http://t.example/announce", Some("http://t.example/scrape")),
            ("http://t.example/x/announce", Some("http://t.example/x/scrape")),
            ("http://t.example/announce.php", Some("http://t.example/scrape.php")),
            ("http://t.example/announcefoo", Some("http://t.example/scrapefoo")),
            (
                "http://t.example/announce.php?passkey=k",
                Some("http://t.example/scrape.php?passkey=k"),
            ),
            ("http://t.example/announce?x=2/4", Some("http://t.example/scrape?x=2/4")),
            ("http://t.example/announce;p=1", Some("http://t.example/scrape;p=1")),
            ("http://t.example/scrape", Some("http://t.example/scrape")),
            ("http://t.example", None),
            ("http://t.example/", None),
            ("http://t.example/a", None),
            ("http://t.example/announce/", None),
            ("http://t.example/ANNOUNCE", None),
            ("http://t.example/x%064announce", None),
            ("http://t.example/a%064b/announce", None),
        ] {
            assert_eq!(scrape(announce).as_deref(), expected, "{announce}");
        }
    }

    #[test]
    fn d1_announce_urls_keep_their_query_and_lose_their_fragment() {
        for (given, expected) in [
            ("http://h/announce", "http://h/announce?info_hash=x"),
            ("http://h/announce?passkey=k", "http://h/announce?passkey=k&info_hash=x"),
            ("http://h/announce?", "http://h/announce?info_hash=x"),
            ("http://h/announce#f", "http://h/announce?info_hash=x"),
        ] {
            let target = Target::parse(given).unwrap();
            assert_eq!(with_query(target.url(), "info_hash=x").as_str(), expected);
        }
    }

    #[test]
    fn d1_urls_of_no_use_are_usage_errors() {
        for url in [
            "udp://h:0",
            "udp://h:99999",
            "udp://h:abc",
            "udp://",
            "http://h:99999/announce",
            "http://h:0/announce",
            "foo",
            "",
            "ftp://h/",
            "wss://h/",
            "http://",
            "udp://[::1",
        ] {
            assert_eq!(Target::parse(url).unwrap_err().kind, Kind::Usage, "{url}");
        }
    }

    #[test]
    fn d1_schemes_hosts_and_ports_are_read() {
        for (url, scheme, host, port, has_port) in [
            ("udp://h", Scheme::Udp, "h", 80, false),
            ("HTTP://h/announce", Scheme::Http, "h", 80, false),
            ("UDP://h:1", Scheme::Udp, "h", 1, true),
            (" https://[::1]:7/announce ", Scheme::Https, "[::1]", 7, true),
            ("udp://[2001:db8::1]:6969", Scheme::Udp, "[2001:db8::1]", 6969, true),
            ("udp://bücher.example:1", Scheme::Udp, "xn--bcher-kva.example", 1, true),
            ("udp://T.Example:1/x?y#z", Scheme::Udp, "t.example", 1, true),
        ] {
            let target = Target::parse(url).unwrap();
            let found = (target.scheme, target.host.to_string(), target.port, target.has_port);
            assert_eq!(found, (scheme, host.to_owned(), port, has_port), "{url}");
        }
    }

    #[test]
    fn path_and_query_of_udp_urls_are_told_where_they_say_something() {
        for (url, data) in [
            ("udp://h:1", None),
            ("udp://h:1/", None),
            ("udp://h:1/announce", None),
            ("udp://h:1/announce?passkey=k", Some("/announce?passkey=k")),
            ("udp://h:1/k/announce", Some("/k/announce")),
            ("udp://h:1?k", Some("?k")),
        ] {
            assert_eq!(Target::parse(url).unwrap().url_data().as_deref(), data, "{url}");
        }
    }
}
