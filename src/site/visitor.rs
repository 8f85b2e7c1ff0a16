//! Who is on the other end of a connection to a web port, and on whose behalf.

use std::net::IpAddr;

use axum::http::header::{ACCEPT_ENCODING, FORWARDED, HOST, HeaderMap, HeaderName, VIA};
use axum::http::uri::Authority;
use axum::http::{Extensions, Uri};
use ipnet::IpNet;

use crate::net::proxy::{self, BadForwardedFor};
use crate::protocol::http_head;
use crate::stats::Protocol;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
/// Longest host name that DNS has (RFC 1035, 2.3.4).
const HOST_MAX: usize = 253;

/// The other end of a connection. [`listen`](super::listen) puts it with every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// Its address.
    pub peer: IpAddr,
    /// Whether it speaks TLS.
    pub is_tls: bool,
}

impl Visitor {
    /// Who sent a request; `None` where no connection has said so.
    pub fn of(extensions: &Extensions) -> Option<Visitor> {
        extensions.get().copied()
    }

    /// By which protocol its announces come.
    pub fn protocol(self) -> Protocol {
        if self.is_tls { Protocol::Https } else { Protocol::Http }
    }

    /// The canonical address of who sent a request, which may stand behind `trusted` proxies.
    ///
    /// # Errors
    /// [`BadForwardedFor`] when a proxy names no address.
    pub fn client(self, headers: &HeaderMap, trusted: &[IpNet]) -> Result<IpAddr, BadForwardedFor> {
        proxy::client_behind(self.peer, elements(headers, FORWARDED_FOR), trusted)
    }

    /// As [`Visitor::client`], and `None` where it may be somebody else: a proxy that nobody has
    /// named makes all the world look as if it came from the proxy's own address.
    pub fn certain_client(self, headers: &HeaderMap, trusted: &[IpNet]) -> Option<IpAddr> {
        let client = self.client(headers, trusted).ok()?;
        let traces = [FORWARDED_FOR, REAL_IP, FORWARDED, VIA];
        let is_forwarded = traces.iter().any(|name| headers.contains_key(name));
        (client != self.peer.to_canonical() || !is_forwarded).then_some(client)
    }
}

/// Whether gzip is wanted.
pub fn prefers_gzip(headers: &HeaderMap) -> bool {
    http_head::prefers_gzip(elements(headers, ACCEPT_ENCODING))
}

/// The host that a request names, without its port: a name, an IPv4 address, or an IPv6 address in
/// brackets. `None` when it is none of these: anybody may write anything there.
pub fn host(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    // h2 says it in the target, HTTP/1.1 in a field.
    let named = || headers.get(HOST)?.to_str().ok()?.parse::<Authority>().ok();
    let authority = uri.authority().cloned().or_else(named)?;
    let host = authority.host();
    let is_v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_host = match is_v6 {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)),
    };
    let is_user_named = authority.as_str().contains('@');
    (is_host && !is_user_named && (1..=HOST_MAX).contains(&host.len())).then(|| host.to_owned())
}

/// The elements of a list field, over all its lines.
fn elements(headers: &HeaderMap, name: HeaderName) -> impl DoubleEndedIterator<Item = &[u8]> {
    let values = headers.get_all(name).into_iter();
    values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), value.parse().unwrap())
        };
        fields.iter().map(field).collect()
    }

    #[test]
    fn host_is_what_was_asked_for_or_nothing() {
        for (field, host_named) in [
            ("t.example", Some("t.example")),
            ("t.example:8080", Some("t.example")),
            ("192.0.2.1:80", Some("192.0.2.1")),
            ("[2001:db8::1]:80", Some("[2001:db8::1]")),
            ("[2001:db8::1]", Some("[2001:db8::1]")),
            ("", None),
            ("a b", None),
            ("user@t.example", None),
            ("t.example/x", None),
            ("[x]", None),
            ("\"><script>", None),
            ("t&.example", None),
            (&"a".repeat(254), None),
        ] {
            let found = host(&Uri::from_static("/"), &headers(&[("host", field)]));
            assert_eq!(found.as_deref(), host_named, "{field}");
        }
        let h2 = Uri::from_static("https://t.example:8443/");
        assert_eq!(host(&h2, &HeaderMap::new()).unwrap(), "t.example");
        assert_eq!(host(&Uri::from_static("/"), &HeaderMap::new()), None);
    }

    #[test]
    fn who_may_be_somebody_else_is_nobody() {
        let visitor = Visitor { peer: "127.0.0.1".parse().unwrap(), is_tls: false };
        let trusted = ["127.0.0.0/8".parse().unwrap()];
        let certain = |fields: &[_], trusted: &[_]| {
            visitor.certain_client(&headers(fields), trusted).map(|ip| ip.to_string())
        };
        assert_eq!(certain(&[], &[]).as_deref(), Some("127.0.0.1"));
        for trace in ["x-forwarded-for", "x-real-ip", "forwarded", "via"] {
            assert_eq!(certain(&[(trace, "198.51.100.1")], &[]), None, "{trace}");
        }
        let forwarded = [("x-forwarded-for", "198.51.100.1")];
        assert_eq!(certain(&forwarded, &trusted).as_deref(), Some("198.51.100.1"));
        assert_eq!(certain(&[("x-forwarded-for", "nonsense")], &trusted), None);
        assert_eq!(certain(&[("via", "1.1 proxy")], &trusted), None);
    }
}
