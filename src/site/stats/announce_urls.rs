//! The URLs that torrents may name this tracker by.

use axum::http::{HeaderMap, Uri};

use crate::site::{Facts, visitor};

/// An announce URL in two parts, between which a narrow screen may break it, and with the protocol
/// for its badge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnounceUrl {
    /// `UDP`, `HTTPS` or `HTTP`.
    pub protocol: String,
    /// `udp://tracker.example:6969`.
    pub origin: String,
    /// `/announce`.
    pub path: &'static str,
}

/// All of them, under the name the operator gave, or else the one that a visitor has come by.
pub fn all(facts: &Facts, uri: &Uri, headers: &HeaderMap) -> Vec<AnnounceUrl> {
    let host = facts.public_host.clone().or_else(|| visitor::host(uri, headers));
    let host = host.unwrap_or_else(|| "localhost".to_owned());
    let url = |&(scheme, port): &(&str, u16)| {
        let is_usual = matches!((scheme, port), ("https", 443) | ("http", 80));
        let port = if is_usual { String::new() } else { format!(":{port}") };
        AnnounceUrl {
            protocol: scheme.to_ascii_uppercase(),
            origin: format!("{scheme}://{host}{port}"),
            path: "/announce",
        }
    };
    facts.announce_ports.iter().map(url).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(public_host: Option<&str>, host: &str) -> Vec<String> {
        let facts = Facts {
            public_host: public_host.map(str::to_owned),
            announce_ports: vec![("udp", 6969), ("https", 443), ("http", 8080)],
            ..Facts::default()
        };
        let headers = [(axum::http::header::HOST, host.parse().unwrap())].into_iter().collect();
        let urls = all(&facts, &Uri::from_static("/"), &headers);
        urls.into_iter().map(|url| url.origin + url.path).collect()
    }

    #[test]
    fn operators_name_stands_above_what_a_visitor_writes() {
        assert_eq!(
            origins(Some("t.example"), "evil.example"),
            [
                "udp://t.example:6969/announce",
                "https://t.example/announce",
                "http://t.example:8080/announce"
            ]
        );
    }

    #[test]
    fn without_a_name_the_visitors_way_is_shown() {
        assert_eq!(origins(None, "[2001:db8::1]:80")[0], "udp://[2001:db8::1]:6969/announce");
        assert_eq!(origins(None, "<script>")[1], "https://localhost/announce");
    }
}
