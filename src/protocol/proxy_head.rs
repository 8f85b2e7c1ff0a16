//! The head by which a proxy tells whose connection it passes on: the PROXY protocol, versions 1
//! and 2, as HAProxy's `proxy-protocol.txt` has it (section 2). It precedes everything else on a
//! connection, TLS included. Whether one has to be there is for the caller to know: a receiver that
//! guessed would let strangers write any address they like.
//!
//! Version 1 is a line of at most 107 bytes, `PROXY TCP4 <source> <destination> <port> <port>` with
//! TCP6 likewise, or `PROXY UNKNOWN` and anything. Version 2, integers in network order:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 12 | signature |
//! | 12 | 1 | version, 2, in the high half; command in the low: 0 LOCAL, 1 PROXY |
//! | 13 | 1 | family: 0 none, 1 IPv4, 2 IPv6, 3 unix; transport: 0 none, 1 stream, 2 datagram |
//! | 14 | 2 | length of what follows |
//! | 16 | | source and destination address, their ports; then TLVs, which are skipped |

use std::net::IpAddr;

/// Length of the longest head of version 1 (section 2.1).
pub const V1_LEN_MAX: usize = 107;
/// Length of the part that every head of version 2 has.
pub const V2_FIXED_LEN: usize = 16;

const V1_START: &[u8] = b"PROXY ";
const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Two addresses and two ports, by family.
const V4_ADDRESSES_LEN: usize = 12;
const V6_ADDRESSES_LEN: usize = 36;
const UNIX_ADDRESSES_LEN: usize = 216;

/// A whole head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyHead {
    /// How many bytes it takes; what follows is the client's.
    pub length: usize,
    /// The canonical address of the client; `None` when the connection is the proxy's own (LOCAL)
    /// or came to it by other than TCP over IP, so that its own address counts (sections 2.1, 2.2).
    pub client: Option<IpAddr>,
}

/// Why there is no head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoHead {
    /// All of the bytes may belong to one, and more of it has to come.
    Incomplete,
    /// They do not begin one that is well-formed and no longer than allowed. The connection is to
    /// be closed.
    Invalid,
}

/// Reads the head at the start of `bytes`, of which one of version 2 may take `v2_length_max`.
///
/// # Errors
/// [`NoHead::Incomplete`] while it may become one; then none of `bytes` lies behind its end.
pub fn decode(bytes: &[u8], v2_length_max: usize) -> Result<ProxyHead, NoHead> {
    if begins(bytes, V1_START)? {
        return decode_v1(bytes);
    }
    if begins(bytes, V2_SIGNATURE)? {
        return decode_v2(bytes, v2_length_max);
    }
    Err(NoHead::Invalid)
}

/// Whether `bytes` begin as `start` does; incomplete while that cannot be said.
fn begins(bytes: &[u8], start: &[u8]) -> Result<bool, NoHead> {
    let known = bytes.len().min(start.len());
    match bytes[..known] == start[..known] {
        true if known < start.len() => Err(NoHead::Incomplete),
        is_same => Ok(is_same),
    }
}

fn decode_v1(bytes: &[u8]) -> Result<ProxyHead, NoHead> {
    let window = &bytes[..bytes.len().min(V1_LEN_MAX)];
    let Some(end) = window.iter().position(|byte| *byte == b'\n') else {
        let is_full = window.len() == V1_LEN_MAX;
        return Err(if is_full { NoHead::Invalid } else { NoHead::Incomplete });
    };
    let line = window[V1_START.len()..end].strip_suffix(b"\r").ok_or(NoHead::Invalid)?;
    let mut words = line.split(|byte| *byte == b' ');
    let family = words.next().unwrap_or_default();
    let client = if family == b"UNKNOWN" { None } else { Some(source_v1(family, words)?) };
    Ok(ProxyHead { length: end + 1, client })
}

/// The source among the words behind the `family`, all of which have to be right.
fn source_v1<'a>(
    family: &[u8],
    mut words: impl Iterator<Item = &'a [u8]>,
) -> Result<IpAddr, NoHead> {
    let mut address = || {
        let text = std::str::from_utf8(words.next()?).ok()?;
        match family {
            b"TCP4" => text.parse().ok().map(IpAddr::V4),
            b"TCP6" => text.parse().ok().map(IpAddr::V6),
            _ => None,
        }
    };
    let (source, destination) = (address(), address());
    let has_ports = words.next().is_some_and(is_port) && words.next().is_some_and(is_port);
    match source {
        Some(source) if destination.is_some() && has_ports && words.next().is_none() => {
            Ok(source.to_canonical())
        }
        _ => Err(NoHead::Invalid),
    }
}

/// Whether `word` is a port in decimal, without leading zeros.
fn is_port(word: &[u8]) -> bool {
    let has_form =
        word.iter().all(u8::is_ascii_digit) && (word.len() == 1 || !word.starts_with(b"0"));
    // An empty word is no number either.
    has_form && std::str::from_utf8(word).is_ok_and(|text| text.parse::<u16>().is_ok())
}

fn decode_v2(bytes: &[u8], length_max: usize) -> Result<ProxyHead, NoHead> {
    let Some((fixed, rest)) = bytes.split_first_chunk::<V2_FIXED_LEN>() else {
        return Err(NoHead::Incomplete);
    };
    let [.., command, family, high, low] = *fixed;
    let body_len = usize::from(u16::from_be_bytes([high, low]));
    let length = V2_FIXED_LEN + body_len;
    // Section 2.2: what is not listed is to be refused.
    let is_known = command & !1 == 0x20 && family >> 4 <= 3 && family & 15 <= 2;
    let addresses_len = match (command & 1, family >> 4) {
        (0, _) | (_, 0) => 0,
        (_, 1) => V4_ADDRESSES_LEN,
        (_, 2) => V6_ADDRESSES_LEN,
        _ => UNIX_ADDRESSES_LEN,
    };
    if !is_known || length > length_max || body_len < addresses_len {
        return Err(NoHead::Invalid);
    }
    let body = rest.get(..body_len).ok_or(NoHead::Incomplete)?;
    let client = match (command, family) {
        (0x21, 0x11) => body.first_chunk::<4>().map(|ip| IpAddr::from(*ip)),
        (0x21, 0x21) => body.first_chunk::<16>().map(|ip| IpAddr::from(*ip)),
        _ => None,
    };
    Ok(ProxyHead { length, client: client.map(|ip| ip.to_canonical()) })
}

/// The check behind the fuzz target `proxy_head`.
#[cfg(any(test, fuzzing))]
pub mod fuzzing {
    use std::net::IpAddr;

    use super::{NoHead, V1_LEN_MAX, V2_FIXED_LEN, V2_SIGNATURE, decode};

    const LENGTH_MAX: usize = 1_024;

    /// A head is found at its own end, at no other place, and whatever follows.
    ///
    /// # Panics
    /// When it is not so.
    pub fn check(bytes: &[u8]) {
        let found = decode(bytes, LENGTH_MAX);
        let Ok(head) = found else {
            if found == Err(NoHead::Incomplete) {
                assert!(bytes.len() < LENGTH_MAX.max(V1_LEN_MAX), "it waits for ever");
            }
            let (short, _) = bytes.split_at(bytes.len() / 2);
            assert!(decode(short, LENGTH_MAX).is_err(), "a part is whole");
            return;
        };
        assert!((V2_FIXED_LEN - 1..=LENGTH_MAX).contains(&head.length));
        assert_eq!(decode(&bytes[..head.length], LENGTH_MAX), Ok(head));
        for cut in 0..head.length {
            assert_eq!(decode(&bytes[..cut], LENGTH_MAX), Err(NoHead::Incomplete), "{cut}");
        }
        assert_eq!(head.client, head.client.map(|ip| ip.to_canonical()));
        if bytes.starts_with(V2_SIGNATURE) {
            assert_eq!(head.client, introduced(&bytes[..head.length]));
        }
    }

    /// A second reading of whom a head of version 2 introduces: TCP over IPv4 or IPv6 alone, from
    /// the offsets of the specification's section 2.2.
    fn introduced(head: &[u8]) -> Option<IpAddr> {
        let part = |from: usize, to: usize| head.get(from..to).expect("the addresses are there");
        let ip = match (head[12], head[13]) {
            (0x21, 0x11) => IpAddr::from(<[u8; 4]>::try_from(part(16, 20)).ok()?),
            (0x21, 0x21) => IpAddr::from(<[u8; 16]>::try_from(part(16, 32)).ok()?),
            _ => return None,
        };
        assert!(head.len() >= if head[13] == 0x11 { 28 } else { 52 });
        Some(ip.to_canonical())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH_MAX: usize = 512;
    const V4: &[u8] = &[198, 51, 100, 1, 192, 0, 2, 1, 0x1f, 0x90, 0, 80];

    fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = (body.len() as u16).to_be_bytes();
        [V2_SIGNATURE, &[command, family][..], &length, body].concat()
    }

    fn read(bytes: &[u8]) -> Result<ProxyHead, NoHead> {
        decode(bytes, LENGTH_MAX)
    }

    /// The client of a head that takes all but the last two of `bytes`.
    fn client(bytes: &[u8]) -> Option<String> {
        let head = read(&[bytes, b"\0\n"].concat()).unwrap();
        assert_eq!(head.length, bytes.len());
        head.client.map(|ip| ip.to_string())
    }

    #[test]
    fn v1_names_the_client() {
        for (line, named) in [
            ("TCP4 198.51.100.1 192.0.2.1 8080 80", Some("198.51.100.1")),
            ("TCP4 255.255.255.255 255.255.255.255 65535 65535", Some("255.255.255.255")),
            ("TCP4 1.2.3.4 0.0.0.0 0 0", Some("1.2.3.4")),
            ("TCP6 2001:db8::1 2001:db8::2 1 443", Some("2001:db8::1")),
            ("TCP6 ::ffff:198.51.100.1 ::1 1 443", Some("198.51.100.1")),
            ("UNKNOWN", None),
            ("UNKNOWN ffff::1 \0 whatever", None),
        ] {
            assert_eq!(client(format!("PROXY {line}\r\n").as_bytes()).as_deref(), named, "{line}");
        }
    }

    #[test]
    fn v1_of_107_bytes_is_read_and_of_108_refused() {
        let longest = |length: usize| {
            let start = "PROXY UNKNOWN ";
            format!("{start}{}\r\n", "f".repeat(length - start.len() - 2))
        };
        assert_eq!(client(longest(107).as_bytes()), None);
        assert_eq!(read(longest(108).as_bytes()), Err(NoHead::Invalid));
        assert_eq!(read(&longest(108).as_bytes()[..106]), Err(NoHead::Incomplete));
        assert_eq!(read(&longest(108).as_bytes()[..107]), Err(NoHead::Invalid));
    }

    #[test]
    fn damaged_v1_is_refused() {
        for line in [
            "",
            "TCP4",
            "TCP4 ",
            "TCP5 1.2.3.4 1.2.3.4 1 1",
            "UDP4 1.2.3.4 1.2.3.4 1 1",
            "tcp4 1.2.3.4 1.2.3.4 1 1",
            "UNKNOWNS",
            "TCP4 ::1 ::1 1 1",
            "TCP6 1.2.3.4 1.2.3.4 1 1",
            "TCP4 1.2.3 1.2.3.4 1 1",
            "TCP4 1.2.3.04 1.2.3.4 1 1",
            "TCP4 1.2.3.4 1.2.3.4 1",
            "TCP4 1.2.3.4 1.2.3.4 1 1 1",
            "TCP4 1.2.3.4 1.2.3.4 1 1 ",
            "TCP4  1.2.3.4 1.2.3.4 1 1",
            "TCP4 1.2.3.4 nobody 1 1",
            "TCP4 1.2.3.4 1.2.3.4  1",
            "TCP4 1.2.3.4 1.2.3.4 1 ",
            "TCP4 1.2.3.4 1.2.3.4 01 1",
            "TCP4 1.2.3.4 1.2.3.4 +1 1",
            "TCP4 1.2.3.4 1.2.3.4 1 65536",
            "TCP4 1.2.3.4 1.2.3.4 1 -1",
            "TCP6 fe80::1%eth0 ::1 1 1",
            "TCP4 1.2.3.4\t1.2.3.4 1 1",
        ] {
            let head = format!("PROXY {line}\r\n");
            assert_eq!(read(head.as_bytes()), Err(NoHead::Invalid), "{line:?}");
        }
        assert_eq!(read(b"PROXY UNKNOWN\n"), Err(NoHead::Invalid));
    }

    #[test]
    fn v2_names_the_client_and_tlvs_are_skipped() {
        let v6 = [[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]; 2].concat();
        let v6 = [&v6[..], &[0; 4]].concat();
        let tlvs = [V4, &[0x20, 0, 3, 1, 2, 3, 0x04, 0xff]].concat(); // the last one cut short
        for (head, named) in [
            (v2(0x21, 0x11, V4), Some("198.51.100.1")),
            (v2(0x21, 0x11, &tlvs), Some("198.51.100.1")),
            (v2(0x21, 0x21, &v6), Some("2001:db8::1")),
            (v2(0x20, 0x11, V4), None),
            (v2(0x20, 0x00, b""), None),
            (v2(0x20, 0x21, b"LOCAL says nothing"), None),
            (v2(0x21, 0x00, b""), None),
            (v2(0x21, 0x00, b"UNSPEC"), None),
            (v2(0x21, 0x12, V4), None),
            (v2(0x21, 0x31, &[b'/'; 216]), None),
            (v2(0x21, 0x32, &[b'/'; 300]), None),
        ] {
            assert_eq!(client(&head).as_deref(), named, "{}", head.escape_ascii());
        }
    }

    #[test]
    fn damaged_v2_is_refused_as_soon_as_its_first_part_is_there() {
        for (command, family, body_len) in [
            (0x11, 0x11, 12),
            (0x31, 0x11, 12),
            (0x22, 0x11, 12),
            (0x2f, 0x00, 0),
            (0x21, 0x41, 216),
            (0x21, 0x13, 12),
            (0x21, 0xff, 12),
            (0x20, 0xff, 12),
            (0x21, 0x11, 11),
            (0x21, 0x21, 35),
            (0x21, 0x31, 215),
            (0x21, 0x11, LENGTH_MAX - V2_FIXED_LEN + 1),
            (0x21, 0x11, 65_535),
        ] {
            let head = v2(command, family, &vec![0; body_len]);
            let refused = Err(NoHead::Invalid);
            assert_eq!(read(&head[..V2_FIXED_LEN]), refused, "{command:x} {family:x} {body_len}");
            assert_eq!(read(&head), refused);
        }
        assert_eq!(client(&v2(0x21, 0x11, &[0; LENGTH_MAX - V2_FIXED_LEN])).unwrap(), "0.0.0.0");
    }

    #[test]
    fn every_length_short_of_a_head_waits_for_more() {
        let v1 = b"PROXY TCP4 198.51.100.1 192.0.2.1 8080 80\r\n".to_vec();
        for head in [v1, b"PROXY UNKNOWN\r\n".to_vec(), v2(0x21, 0x11, V4), v2(0x20, 0, b"")] {
            fuzzing::check(&head);
            fuzzing::check(&[&head[..], b"GET / HTTP/1.1\r\n\r\n"].concat());
        }
    }

    #[test]
    fn one_wrong_byte_at_the_start_is_seen_at_once() {
        for start in [&b"PROXY "[..], V2_SIGNATURE] {
            for at in 0..start.len() {
                let mut damaged = start.to_vec();
                damaged[at] ^= 0x40;
                assert_eq!(read(&damaged[..=at]), Err(NoHead::Invalid), "{at}");
            }
        }
        for stranger in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0x16, 3, 1], b"proxy UNKNOWN\r\n"] {
            assert_eq!(read(stranger), Err(NoHead::Invalid));
        }
    }

    #[test]
    fn bytes_of_any_kind_never_panic() {
        let mut seed = 1_u32;
        let heads = [v2(0x21, 0x11, V4), b"PROXY TCP4 1.2.3.4 1.2.3.4 1 1\r\n".to_vec()];
        for round in 0..20_000 {
            let mut bytes = heads[round % 2].clone();
            for _ in 0..3 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = (seed >> 8) as usize % bytes.len();
                bytes[at] = seed as u8;
            }
            fuzzing::check(&bytes);
        }
    }
}
