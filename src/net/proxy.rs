//! Whose word is taken for a client's address. A forwarding header counts only when it comes from a
//! network the operator named, and then the rightmost address that is not itself of such a network:
//! what stands left of it, anybody can have written.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use crate::limits::FORWARDED_HOPS_MAX;
use crate::protocol::http_head::Head;

/// A trusted proxy sent an `X-Forwarded-For` that names no address where one should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadForwardedFor;

/// The canonical address of the client that sent `head` over a connection from `peer`.
///
/// # Errors
/// [`BadForwardedFor`] when a proxy is to blame; the request cannot be attributed then.
pub fn client_ip(
    peer: IpAddr,
    head: &Head<'_, '_>,
    trusted: &[IpNet],
) -> Result<IpAddr, BadForwardedFor> {
    client_behind(peer, head.tokens("x-forwarded-for"), trusted)
}

/// As [`client_ip`], of the elements of `X-Forwarded-For` in their order.
///
/// # Errors
/// As [`client_ip`].
pub fn client_behind<'a>(
    peer: IpAddr,
    hops: impl DoubleEndedIterator<Item = &'a [u8]>,
    trusted: &[IpNet],
) -> Result<IpAddr, BadForwardedFor> {
    let is_trusted = |ip: IpAddr| trusted.iter().any(|network| network.contains(&ip));
    let mut client = peer.to_canonical();
    if trusted.is_empty() {
        return Ok(client);
    }
    for hop in hops.rev().take(FORWARDED_HOPS_MAX) {
        if !is_trusted(client) {
            break;
        }
        client = address(hop).ok_or(BadForwardedFor)?;
    }
    Ok(client)
}

/// One element of the list: an address, which may have a port or brackets.
fn address(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?;
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let ip = bare.parse().or_else(|_| text.parse().map(|with_port: SocketAddr| with_port.ip()));
    ip.ok().map(|ip: IpAddr| ip.to_canonical())
}

/// The check behind the fuzz target `forwarded_for`: the answer is that of a second reading, and
/// what a stranger writes left of it changes nothing.
#[cfg(any(test, fuzzing))]
pub mod fuzzing {
    use std::net::{IpAddr, Ipv4Addr};

    use ipnet::IpNet;

    use super::{BadForwardedFor, address, client_ip};
    use crate::limits::FORWARDED_HOPS_MAX;
    use crate::protocol::http_head::{Head, no_fields};

    /// The proxy that the connection comes from.
    const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 1, 1, 1));
    /// Whom the operator trusts, by the first byte of an input.
    const TRUSTED: [&[&str]; 4] =
        [&["10.0.0.0/8", "fd00::/8"], &["10.1.1.1/32"], &["0.0.0.0/0", "::/0"], &[]];

    /// Takes the first byte for a choice of [`TRUSTED`], and each line behind it for the value of
    /// one `X-Forwarded-For`.
    ///
    /// # Panics
    /// When the client is not who it should be.
    pub fn check(bytes: &[u8]) {
        let Some((first, values)) = bytes.split_first() else { return };
        let trusted = TRUSTED[usize::from(*first) % TRUSTED.len()];
        let trusted: Vec<IpNet> = trusted.iter().filter_map(|net| net.parse().ok()).collect();
        let Some(client) = ask(values, &trusted) else { return };
        assert_eq!(client, second_reading(values, &trusted));
        let is_stranger = |ip: &IpAddr| !trusted.iter().any(|network| network.contains(ip));
        if client.is_ok_and(|ip| is_stranger(&ip)) {
            let forged = [b"192.0.2.99, ", values].concat();
            assert_eq!(ask(&forged, &trusted), Some(client), "a forged address counts");
        }
    }

    /// What [`client_ip`] says; `None` when the fields are no HTTP.
    fn ask(values: &[u8], trusted: &[IpNet]) -> Option<Result<IpAddr, BadForwardedFor>> {
        let mut text = b"GET / HTTP/1.1\r\n".to_vec();
        for value in values.split(|byte| *byte == b'\n') {
            text.extend_from_slice(&[b"X-Forwarded-For: ", value, b"\r\n"].concat());
        }
        text.extend_from_slice(b"\r\n");
        let mut room = no_fields::<64>();
        let head = Head::decode(&text, &mut room).ok()?;
        Some(client_ip(PROXY, &head, trusted))
    }

    /// All hops as one list, the nearest first, of which the first stranger is taken.
    fn second_reading(values: &[u8], trusted: &[IpNet]) -> Result<IpAddr, BadForwardedFor> {
        let mut hops: Vec<&[u8]> = values.split(|byte| matches!(byte, b',' | b'\n')).collect();
        hops.reverse();
        hops.truncate(FORWARDED_HOPS_MAX);
        if !trusted.iter().any(|network| network.contains(&PROXY)) {
            return Ok(PROXY);
        }
        let mut last = PROXY;
        for hop in hops {
            last = address(hop.trim_ascii()).ok_or(BadForwardedFor)?;
            assert_eq!(last, last.to_canonical());
            if !trusted.iter().any(|network| network.contains(&last)) {
                break;
            }
        }
        Ok(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::http_head::no_fields;

    fn client(peer: &str, fields: &str, trusted: &[&str]) -> Result<String, BadForwardedFor> {
        let text = format!("GET / HTTP/1.1\r\n{fields}\r\n");
        let trusted: Vec<IpNet> = trusted.iter().map(|net| net.parse().unwrap()).collect();
        let mut room = no_fields::<4>();
        let head = Head::decode(text.as_bytes(), &mut room).unwrap();
        client_ip(peer.parse().unwrap(), &head, &trusted).map(|ip| ip.to_string())
    }

    #[test]
    fn header_from_a_stranger_is_not_believed() {
        let forged = "X-Forwarded-For: 198.51.100.1\r\n";
        assert_eq!(client("192.0.2.1", forged, &[]).unwrap(), "192.0.2.1");
        assert_eq!(client("192.0.2.1", forged, &["10.0.0.0/8"]).unwrap(), "192.0.2.1");
    }

    #[test]
    fn rightmost_address_that_is_not_trusted_counts() {
        let trusted = &["10.0.0.0/8", "fd00::/8"];
        for (chain, expected) in [
            ("198.51.100.1", "198.51.100.1"),
            ("203.0.113.9, 198.51.100.1", "198.51.100.1"),
            ("203.0.113.9, 198.51.100.1, 10.2.2.2", "198.51.100.1"),
            ("foo bar, 198.51.100.1", "198.51.100.1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("198.51.100.1:8080", "198.51.100.1"),
            ("::ffff:198.51.100.1", "198.51.100.1"),
            ("10.3.3.3, 10.2.2.2", "10.3.3.3"),
        ] {
            let fields = format!("X-Forwarded-For: {chain}\r\n");
            assert_eq!(client("10.1.1.1", &fields, trusted).unwrap(), expected, "{chain}");
        }
    }

    #[test]
    fn fields_are_one_list_in_their_order() {
        let fields = "X-Forwarded-For: 203.0.113.9\r\nx-forwarded-for: 198.51.100.1\r\n";
        assert_eq!(client("10.1.1.1", fields, &["10.0.0.0/8"]).unwrap(), "198.51.100.1");
    }

    #[test]
    fn proxy_that_says_nothing_is_the_client_and_one_that_says_nonsense_is_refused() {
        assert_eq!(client("10.1.1.1", "", &["10.0.0.0/8"]).unwrap(), "10.1.1.1");
        for nonsense in ["", "unknown", "198.51.100.1, _hidden", "1.2.3", "198.51.100.1:x"] {
            let fields = format!("X-Forwarded-For: {nonsense}\r\n");
            assert_eq!(client("10.1.1.1", &fields, &["10.0.0.0/8"]), Err(BadForwardedFor));
        }
    }
}
