//! The HTTP tracker protocol: query strings in, bencoded replies out (BEP 3, 7, 21, 23, 24, 31
//! and 48).
//!
//! Queries are decoded from raw bytes, never by way of text, since an info hash is any 20 bytes.

pub mod client;

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::announce::{Announce, Counts, Event, PeerFormat, Peers, ipv4_mapped};
use super::bencode::{write_bytes, write_int};
use super::ids::{ID_LEN, InfoHash, PeerId, hex_digit};

/// Longest `info_hash` parameter: its name, 20 escaped bytes of three characters, and the `&`.
pub const INFO_HASH_PARAMETER_MAX: usize = "info_hash=".len() + ID_LEN * 3 + 1;

/// What a request path asks for. Any prefix and trailing slashes are accepted, so that
/// `/key/announce/` is an announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// The last segment is `announce`.
    Announce,
    /// The last segment is `scrape`.
    Scrape,
}

impl Route {
    /// The route of `path`, without its query; `None` when nothing is served there.
    pub fn of(path: &[u8]) -> Option<Route> {
        let end = path.iter().rposition(|byte| *byte != b'/')? + 1;
        match path[..end].rsplit(|byte| *byte == b'/').next()? {
            _ if path[0] != b'/' => None,
            b"announce" => Some(Route::Announce),
            b"scrape" => Some(Route::Scrape),
            _ => None,
        }
    }
}

/// The `failure reason` of an announce that cannot be read. None of them is cured by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable(pub &'static str);

/// Reads the query of an announce. Of a parameter given twice the first counts; unknown ones are
/// ignored.
///
/// # Errors
/// [`Unreadable`] for the first required parameter that is missing or wrong, in the order
/// `info_hash`, `peer_id`, `port`, `left`, then the other numbers.
pub fn decode_announce(query: &[u8]) -> Result<Announce, Unreadable> {
    let given = Given::collect(query);
    let id = |raw: Option<&[u8]>| raw.and_then(exactly_twenty);
    let number = |raw: Option<&[u8]>| raw.map(integer).transpose();

    let info_hash = id(given.info_hash).ok_or(Unreadable("missing or invalid info_hash"))?;
    let peer_id = id(given.peer_id).ok_or(Unreadable("missing or invalid peer_id"))?;
    let event = event(given.event.unwrap_or_default());
    let port = number(given.port)?.ok_or(Unreadable("missing port"))?;
    let port = u16::try_from(port).map_err(|_| Unreadable("invalid port"))?;
    if port == 0 && event != Event::Stopped {
        return Err(Unreadable("invalid port"));
    }
    let left = number(given.left)?.ok_or(Unreadable("missing left"))?;
    let numwant = number(given.numwant)?.filter(|numwant| *numwant >= 0);
    Ok(Announce {
        info_hash: InfoHash(info_hash),
        peer_id: PeerId(peer_id),
        port,
        uploaded: bytes(number(given.uploaded)?.unwrap_or(0)),
        downloaded: bytes(number(given.downloaded)?.unwrap_or(0)),
        left: bytes(left),
        event,
        numwant: numwant.map(|numwant| u32::try_from(numwant).unwrap_or(u32::MAX)),
        key: given.key.and_then(hex_number),
        ip: given.ip.and_then(address),
        format: match (given.compact, given.no_peer_id) {
            (Some(b"0"), Some(b"1")) => PeerFormat::DictionariesWithoutIds,
            (Some(b"0"), _) => PeerFormat::Dictionaries,
            _ => PeerFormat::Compact,
        },
    })
}

/// The raw values of the parameters of an announce.
#[derive(Default)]
struct Given<'a> {
    info_hash: Option<&'a [u8]>,
    peer_id: Option<&'a [u8]>,
    port: Option<&'a [u8]>,
    left: Option<&'a [u8]>,
    uploaded: Option<&'a [u8]>,
    downloaded: Option<&'a [u8]>,
    numwant: Option<&'a [u8]>,
    event: Option<&'a [u8]>,
    compact: Option<&'a [u8]>,
    no_peer_id: Option<&'a [u8]>,
    key: Option<&'a [u8]>,
    ip: Option<&'a [u8]>,
}

impl<'a> Given<'a> {
    fn collect(query: &'a [u8]) -> Given<'a> {
        let mut given = Given::default();
        for (name, value) in parameters(query) {
            let slot = match name.as_slice() {
                b"info_hash" => &mut given.info_hash,
                b"peer_id" => &mut given.peer_id,
                b"port" => &mut given.port,
                b"left" => &mut given.left,
                b"uploaded" => &mut given.uploaded,
                b"downloaded" => &mut given.downloaded,
                b"numwant" => &mut given.numwant,
                b"event" => &mut given.event,
                b"compact" => &mut given.compact,
                b"no_peer_id" => &mut given.no_peer_id,
                b"key" => &mut given.key,
                b"ip" => &mut given.ip,
                _ => continue,
            };
            slot.get_or_insert(value);
        }
        given
    }
}

/// The info hashes of a scrape in their order; `None` for a value that is not 20 bytes.
pub fn scrape_info_hashes(query: &[u8]) -> impl Iterator<Item = Option<InfoHash>> {
    parameters(query)
        .filter(|(name, _)| name.as_slice() == b"info_hash")
        .map(|(_, value)| exactly_twenty(value).map(InfoHash))
}

/// Appends the query of an announce as a client sends it: `info_hash=…&peer_id=…&…`.
pub fn encode_announce(announce: &Announce, out: &mut Vec<u8>) {
    out.extend_from_slice(b"info_hash=");
    write_escaped(out, &announce.info_hash.0);
    out.extend_from_slice(b"&peer_id=");
    write_escaped(out, &announce.peer_id.0);
    write_number(out, "port", announce.port.into());
    write_number(out, "uploaded", announce.uploaded);
    write_number(out, "downloaded", announce.downloaded);
    write_number(out, "left", announce.left);
    if let Some(numwant) = announce.numwant {
        write_number(out, "numwant", numwant.into());
    }
    if let Some(key) = announce.key {
        append(out, format_args!("&key={key:08x}"));
    }
    if let Some(ip) = announce.ip {
        append(out, format_args!("&ip={ip}"));
    }
    out.extend_from_slice(match announce.event {
        Event::Empty => b"",
        Event::Started => b"&event=started",
        Event::Completed => b"&event=completed",
        Event::Stopped => b"&event=stopped",
        Event::Paused => b"&event=paused",
    });
    out.extend_from_slice(match announce.format {
        PeerFormat::Compact => b"&compact=1",
        PeerFormat::Dictionaries => b"&compact=0",
        PeerFormat::DictionariesWithoutIds => b"&compact=0&no_peer_id=1",
    });
}

/// Appends one `info_hash=…` parameter.
pub fn encode_info_hash(info_hash: &InfoHash, out: &mut Vec<u8>) {
    out.extend_from_slice(b"info_hash=");
    write_escaped(out, &info_hash.0);
}

fn write_number(out: &mut Vec<u8>, name: &str, value: u64) {
    append(out, format_args!("&{name}={value}"));
}

/// Appends formatted text, which cannot fail: a `Vec` takes all that is written to it.
fn append(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

fn write_escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(*byte),
            _ => append(out, format_args!("%{byte:02X}")),
        }
    }
}

/// A decoded parameter name; longer names than any we know are cut off, and so are not known.
struct Name {
    bytes: [u8; Name::MAX],
    len: usize,
}

impl Name {
    /// One more than `downloaded` and `no_peer_id` have, the longest names known.
    const MAX: usize = 11;

    fn decode(raw: &[u8]) -> Name {
        let mut name = Name { bytes: [0; Name::MAX], len: 0 };
        for byte in unescape(raw).take(Name::MAX) {
            name.bytes[name.len] = byte;
            name.len += 1;
        }
        name
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Names and raw values of a query; pieces without `=` are skipped, and only `&` separates.
fn parameters(query: &[u8]) -> impl Iterator<Item = (Name, &[u8])> {
    query.split(|byte| *byte == b'&').filter_map(|piece| {
        let equals = piece.iter().position(|byte| *byte == b'=')?;
        Some((Name::decode(&piece[..equals]), &piece[equals + 1..]))
    })
}

/// Percent-decodes; `+` stays, and so does what is no escape.
fn unescape(raw: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = raw;
    std::iter::from_fn(move || {
        let (first, after) = rest.split_first()?;
        if let (b'%', [high, low, after @ ..]) = (first, after)
            && let (Some(high), Some(low)) = (hex_digit(*high), hex_digit(*low))
        {
            rest = after;
            return Some(high << 4 | low);
        }
        rest = after;
        Some(*first)
    })
}

fn exactly_twenty(raw: &[u8]) -> Option<[u8; ID_LEN]> {
    let mut bytes = unescape(raw);
    let mut id = [0; ID_LEN];
    for byte in &mut id {
        *byte = bytes.next()?;
    }
    bytes.next().is_none().then_some(id)
}

/// A whole number with an optional sign and blanks around it. One that is too large for any of our
/// fields stays at the end of the range.
fn integer(raw: &[u8]) -> Result<i128, Unreadable> {
    const WRONG: Unreadable = Unreadable("invalid numeric parameter");
    const MAGNITUDE_MAX: i128 = 1 << 100;
    let mut bytes = unescape(raw)
        .map(|byte| if byte == b'+' { b' ' } else { byte })
        .skip_while(u8::is_ascii_whitespace)
        .peekable();
    let is_negative = bytes.next_if_eq(&b'-').is_some();
    let mut value = None;
    while let Some(digit) = bytes.next_if(u8::is_ascii_digit) {
        let digit = i128::from(digit - b'0');
        value = Some((value.unwrap_or(0) * 10 + digit).min(MAGNITUDE_MAX));
    }
    let value = value.ok_or(WRONG)?;
    if !bytes.all(|byte| byte.is_ascii_whitespace()) {
        return Err(WRONG);
    }
    Ok(if is_negative { -value } else { value })
}

/// A number of bytes. A negative one says nothing but "not zero", and so is taken for very many.
fn bytes(value: i128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

fn event(raw: &[u8]) -> Event {
    match raw {
        b"started" => Event::Started,
        b"completed" => Event::Completed,
        b"stopped" => Event::Stopped,
        b"paused" => Event::Paused,
        _ => Event::Empty,
    }
}

/// Clients send `key` as up to eight hex digits; other keys are of no use to us.
fn hex_number(raw: &[u8]) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(raw).ok()?, 16).ok()
}

/// The longest address is `ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255`, 45 characters.
fn address(raw: &[u8]) -> Option<IpAddr> {
    let mut text = [0; 45];
    let mut length = 0;
    for byte in unescape(raw) {
        *text.get_mut(length)? = byte;
        length += 1;
    }
    std::str::from_utf8(&text[..length]).ok()?.parse().ok()
}

/// All that an announce reply says.
#[derive(Clone, Copy, Debug)]
pub struct AnnounceReply<'a> {
    /// The swarm's size.
    pub counts: Counts,
    /// Seconds until the next announce.
    pub interval: u32,
    /// Seconds that at least lie between two announces.
    pub min_interval: u32,
    /// The client's address as the tracker sees it (BEP 24).
    pub external_ip: IpAddr,
    /// `tracker id`; left out when empty.
    pub tracker_id: &'a str,
    /// `warning message`, for the client's user.
    pub warning: Option<&'a str>,
    /// The peers.
    pub peers: &'a Peers,
    /// How they are written.
    pub format: PeerFormat,
    /// Whether IPv4 peers are written as `::ffff:a.b.c.d` into `peers6`.
    pub ipv4_mapped: bool,
}

impl AnnounceReply<'_> {
    /// Appends the bencoded reply. Keys come in the order of their bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"d8:complete");
        write_int(out, self.counts.seeders.into());
        out.extend_from_slice(b"10:downloaded");
        write_int(out, self.counts.completed.into());
        out.extend_from_slice(b"11:external ip");
        match self.external_ip {
            IpAddr::V4(ip) => write_bytes(out, &ip.octets()),
            IpAddr::V6(ip) => write_bytes(out, &ip.octets()),
        }
        out.extend_from_slice(b"10:incomplete");
        write_int(out, self.counts.leechers.into());
        out.extend_from_slice(b"8:interval");
        write_int(out, self.interval.into());
        out.extend_from_slice(b"12:min interval");
        write_int(out, self.min_interval.into());
        match self.format {
            PeerFormat::Compact => self.encode_compact(out),
            PeerFormat::Dictionaries | PeerFormat::DictionariesWithoutIds => {
                self.encode_dictionaries(out);
            }
        }
        if !self.tracker_id.is_empty() {
            out.extend_from_slice(b"10:tracker id");
            write_bytes(out, self.tracker_id.as_bytes());
        }
        if let Some(warning) = self.warning {
            out.extend_from_slice(b"15:warning message");
            write_bytes(out, warning.as_bytes());
        }
        out.push(b'e');
    }

    /// BEP 23's `peers` and BEP 7's `peers6`. An IPv6 client always finds `peers6`; an IPv4 client
    /// only when there is something in it.
    fn encode_compact(&self, out: &mut Vec<u8>) {
        let Peers { v4, v6, .. } = self.peers;
        out.extend_from_slice(b"5:peers");
        write_bytes(out, if self.ipv4_mapped { b"" } else { v4.as_flattened() });
        if self.ipv4_mapped {
            out.extend_from_slice(b"6:peers6");
            append(out, format_args!("{}:", 18 * self.peers.len()));
            out.extend_from_slice(v6.as_flattened());
            for peer in v4 {
                out.extend_from_slice(&ipv4_mapped(*peer));
            }
        } else if self.external_ip.is_ipv6() || !v6.is_empty() {
            out.extend_from_slice(b"6:peers6");
            write_bytes(out, v6.as_flattened());
        }
    }

    /// BEP 3's list of dictionaries, all families in one, the client's own first.
    fn encode_dictionaries(&self, out: &mut Vec<u8>) {
        let Peers { v4, v6, v4_ids, v6_ids } = self.peers;
        out.extend_from_slice(b"5:peersl");
        let encode_v4 = |out: &mut Vec<u8>| {
            for (i, [a, b, c, d, port @ ..]) in v4.iter().enumerate() {
                let ip = Ipv4Addr::new(*a, *b, *c, *d);
                encode_dictionary(out, ip.into(), v4_ids.get(i), *port);
            }
        };
        let encode_v6 = |out: &mut Vec<u8>| {
            for (i, peer) in v6.iter().enumerate() {
                let (ip, port) = peer.split_at(16);
                let ip: [u8; 16] = ip.try_into().unwrap_or_default(); // always 16: split above
                let ip = Ipv6Addr::from(ip);
                encode_dictionary(out, ip.into(), v6_ids.get(i), [port[0], port[1]]);
            }
        };
        if self.external_ip.is_ipv4() {
            encode_v4(out);
            encode_v6(out);
        } else {
            encode_v6(out);
            encode_v4(out);
        }
        out.push(b'e');
    }
}

fn encode_dictionary(out: &mut Vec<u8>, ip: IpAddr, peer_id: Option<&PeerId>, port: [u8; 2]) {
    out.extend_from_slice(b"d2:ip");
    let before = out.len();
    append(out, format_args!("{ip}"));
    let length = out.len() - before;
    // The length stands before the text, and is one or two digits.
    let digits = [b'0' + (length / 10) as u8, b'0' + (length % 10) as u8, b':'];
    out.splice(before..before, digits.into_iter().skip(usize::from(length < 10)));
    if let Some(peer_id) = peer_id {
        out.extend_from_slice(b"7:peer id");
        write_bytes(out, &peer_id.0);
    }
    out.extend_from_slice(b"4:port");
    write_int(out, u16::from_be_bytes(port).into());
    out.push(b'e');
}

/// Appends a scrape reply (BEP 48; `downloaders` by BEP 21; `flags` by custom).
///
/// `files` must be sorted by info hash and free of duplicates, as a bencoded dictionary is.
pub fn write_scrape_reply(out: &mut Vec<u8>, files: &[(InfoHash, Counts)], min_interval: u32) {
    out.extend_from_slice(b"d5:filesd");
    for (info_hash, counts) in files {
        write_bytes(out, &info_hash.0);
        out.extend_from_slice(b"d8:complete");
        write_int(out, counts.seeders.into());
        out.extend_from_slice(b"10:downloaded");
        write_int(out, counts.completed.into());
        out.extend_from_slice(b"11:downloaders");
        write_int(out, counts.leechers.saturating_sub(counts.paused).into());
        out.extend_from_slice(b"10:incomplete");
        write_int(out, counts.leechers.into());
        out.push(b'e');
    }
    out.extend_from_slice(b"e5:flagsd20:min_request_interval");
    write_int(out, min_interval.into());
    out.extend_from_slice(b"ee");
}

/// When a refused client may come again (BEP 31).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryIn {
    /// After so many minutes.
    Minutes(u32),
    /// Time does not cure what is wrong.
    Never,
}

/// Appends a refusal: `failure reason` (BEP 3) and `retry in` (BEP 31).
pub fn write_failure(out: &mut Vec<u8>, reason: &str, retry_in: RetryIn) {
    out.extend_from_slice(b"d14:failure reason");
    write_bytes(out, reason.as_bytes());
    out.extend_from_slice(b"8:retry in");
    match retry_in {
        RetryIn::Minutes(minutes) => write_int(out, minutes.into()),
        RetryIn::Never => write_bytes(out, b"never"),
    }
    out.push(b'e');
}

/// The check behind the fuzz target: decoding never panics, and what decodes encodes to a query
/// that decodes to the same.
#[cfg(any(test, fuzzing))]
pub mod fuzzing {
    use super::{Route, decode_announce, encode_announce, scrape_info_hashes};

    /// Feeds `query` to every decoder of this module.
    ///
    /// # Panics
    /// When a round trip is not faithful.
    pub fn check(query: &[u8]) {
        let _ = Route::of(query);
        let _ = scrape_info_hashes(query).count();
        if let Ok(announce) = decode_announce(query) {
            let mut encoded = Vec::new();
            encode_announce(&announce, &mut encoded);
            assert_eq!(decode_announce(&encoded), Ok(announce));
        }
    }
}

#[cfg(test)]
mod tests;
