//! The client's side of the HTTP tracker protocol: queries out, bencoded replies in (BEP 3, 7, 21,
//! 23, 24, 31 and 48). Replies are read field by field, and a field of the wrong type is named and
//! left out, so that a sloppy tracker is still understood as far as it makes sense.

use std::net::IpAddr;

use super::super::announce::{Announce, Event};
use super::super::bencode::lenient::Node;
use super::super::ids::{ID_LEN, InfoHash, PeerId};
use super::{RetryIn, append, write_escaped};

/// An announce with all that only HTTP can say.
#[derive(Clone, Debug)]
pub struct Query<'a> {
    /// The announce; a `numwant` of `None` is sent as −1, and `format` does not count here.
    pub announce: &'a Announce,
    /// Whether compact peers are asked for (BEP 23).
    pub compact: bool,
    /// Whether peer ids are asked to be left out.
    pub no_peer_id: bool,
    /// Where the client says it can also be reached (BEP 7), as typed.
    pub ipv4: Option<&'a str>,
    /// As `ipv4`.
    pub ipv6: Option<&'a str>,
    /// What the tracker sent as `tracker id` before.
    pub tracker_id: Option<&'a [u8]>,
    /// Whether encrypted connections are offered.
    pub supportcrypto: bool,
    /// Any further parameters, as typed.
    pub extra: &'a [(String, String)],
    /// Which parameters, in which order.
    pub style: Style,
}

/// Whose queries ours look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// Our own: only what was asked for, the info hash escaped byte for byte.
    #[default]
    Plain,
    /// That of clients on libtorrent, with all that they always send.
    Libtorrent,
}

const PLAIN: &[&str] = &[
    "info_hash",
    "peer_id",
    "port",
    "uploaded",
    "downloaded",
    "left",
    "compact",
    "no_peer_id",
    "numwant",
    "event",
    "key",
    "ip",
    "ipv4",
    "ipv6",
    "trackerid",
    "supportcrypto",
];
const LIBTORRENT: &[&str] = &[
    "info_hash",
    "peer_id",
    "port",
    "uploaded",
    "downloaded",
    "left",
    "corrupt",
    "key",
    "event",
    "numwant",
    "compact",
    "no_peer_id",
    "supportcrypto",
    "redundant",
    "ip",
    "ipv4",
    "ipv6",
    "trackerid",
];

impl Query<'_> {
    /// Appends the query: `info_hash=…&peer_id=…&…`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let names = match self.style {
            Style::Plain => PLAIN,
            Style::Libtorrent => LIBTORRENT,
        };
        for name in names {
            self.write(name, out);
        }
        for (name, value) in self.extra {
            separate(out);
            append(out, format_args!("{name}={value}"));
        }
    }

    fn write(&self, name: &str, out: &mut Vec<u8>) {
        let Announce { info_hash, peer_id, port, uploaded, downloaded, left, .. } = self.announce;
        let is_libtorrent = self.style == Style::Libtorrent;
        match name {
            "info_hash" if is_libtorrent => write(out, name, &info_hash.0),
            "info_hash" => write_info_hash(info_hash, out),
            "peer_id" => write(out, name, &peer_id.0),
            "port" => write_text(out, name, *port),
            "uploaded" => write_text(out, name, *uploaded),
            "downloaded" => write_text(out, name, *downloaded),
            "left" => write_text(out, name, *left),
            "compact" => write_text(out, name, u8::from(self.compact)),
            "no_peer_id" if self.no_peer_id => write_text(out, name, 1),
            "numwant" => write_text(out, name, self.announce.numwant.map_or(-1, i64::from)),
            "event" => {
                if let Some(event) = event_name(self.announce.event) {
                    write_text(out, name, event);
                }
            }
            "key" => {
                if let Some(key) = self.announce.key {
                    write_text(out, name, format_args!("{key:08X}"));
                }
            }
            "corrupt" | "redundant" => write_text(out, name, 0),
            "supportcrypto" if is_libtorrent || self.supportcrypto => write_text(out, name, 1),
            "ip" => write_some(out, name, self.announce.ip.map(|ip| ip.to_string())),
            "ipv4" => write_some(out, name, self.ipv4),
            "ipv6" => write_some(out, name, self.ipv6),
            "trackerid" => write_some(out, name, self.tracker_id),
            _ => {}
        }
    }
}

/// The word for an event in a query; a regular announce has none.
pub fn event_name(event: Event) -> Option<&'static str> {
    match event {
        Event::Empty => None,
        Event::Started => Some("started"),
        Event::Completed => Some("completed"),
        Event::Stopped => Some("stopped"),
        Event::Paused => Some("paused"),
    }
}

/// Appends one `info_hash=…` parameter with every byte as an escape.
pub fn write_info_hash(info_hash: &InfoHash, out: &mut Vec<u8>) {
    separate(out);
    out.extend_from_slice(b"info_hash=");
    for byte in info_hash.0 {
        append(out, format_args!("%{byte:02X}"));
    }
}

fn write(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    separate(out);
    append(out, format_args!("{name}="));
    write_escaped(out, value);
}

fn write_text(out: &mut Vec<u8>, name: &str, value: impl std::fmt::Display) {
    separate(out);
    append(out, format_args!("{name}={value}"));
}

fn write_some(out: &mut Vec<u8>, name: &str, value: Option<impl AsRef<[u8]>>) {
    if let Some(value) = value {
        write(out, name, value.as_ref());
    }
}

fn separate(out: &mut Vec<u8>) {
    if !out.is_empty() {
        out.push(b'&');
    }
}

/// The reply to an announce, as far as it was understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announced<'a> {
    /// What every reply may say.
    pub said: Said<'a>,
    /// Seconds until the next announce.
    pub interval: Option<i64>,
    /// Seconds that at least lie between two announces.
    pub min_interval: Option<i64>,
    /// Peers that have everything.
    pub seeders: Option<i64>,
    /// Peers that lack something.
    pub leechers: Option<i64>,
    /// How often a leecher became a seeder.
    pub completed: Option<i64>,
    /// The client's address (BEP 24: 4 or 16 bytes), or what stands in its place.
    pub external_ip: Option<&'a [u8]>,
    /// To be sent back with the next announce: bytes, or the digits of an integer.
    pub tracker_id: Option<Vec<u8>>,
    /// The key `peers`.
    pub peers: PeerField<'a>,
    /// The key `peers6` (BEP 7).
    pub peers6: PeerField<'a>,
}

/// What a reply of either kind may say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said<'a> {
    /// `failure reason`; may be empty.
    pub failure_reason: Option<&'a [u8]>,
    /// `warning message`.
    pub warning_message: Option<&'a [u8]>,
    /// `retry in` (BEP 31).
    pub retry_in: Option<RetryIn>,
    /// Whether a failure reason came with more than `retry in` and `interval`.
    pub has_more: bool,
    /// Keys whose values have the wrong type, in the order of reading.
    pub wrong_types: Vec<&'static str>,
}

/// Peers as one key brings them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PeerField<'a> {
    /// There is no such key, or its value is neither string nor list.
    #[default]
    Absent,
    /// 6 or 18 bytes each.
    Compact(&'a [u8]),
    /// Dictionaries; those without address or port are left out and counted.
    Dictionaries {
        /// Those that could be read.
        peers: Vec<DictionaryPeer>,
        /// How many could not.
        unreadable: usize,
    },
}

/// A peer from a dictionary (BEP 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DictionaryPeer {
    /// `ip`; a host name, which BEP 3 allows, counts as unreadable.
    pub ip: IpAddr,
    /// `port`.
    pub port: u16,
    /// `peer id`, if there is one of 20 bytes.
    pub peer_id: Option<PeerId>,
}

/// The reply to a scrape, as far as it was understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scraped<'a> {
    /// What every reply may say.
    pub said: Said<'a>,
    /// Seconds that at least lie between two scrapes.
    pub min_request_interval: Option<i64>,
    /// In the order of the reply.
    pub files: Vec<ScrapedFile<'a>>,
}

/// One swarm of a scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScrapedFile<'a> {
    /// Which.
    pub info_hash: InfoHash,
    /// Peers that have everything.
    pub seeders: Option<i64>,
    /// Peers that lack something.
    pub leechers: Option<i64>,
    /// How often a leecher became a seeder.
    pub completed: Option<i64>,
    /// `name`, any bytes.
    pub name: Option<&'a [u8]>,
}

impl<'a> Announced<'a> {
    /// Reads what a dictionary says; anything else says nothing.
    pub fn read(reply: &Node<'a>) -> Announced<'a> {
        let mut wrong = Vec::new();
        let mut read = Announced {
            interval: int(reply, "interval", &mut wrong),
            min_interval: int(reply, "min interval", &mut wrong),
            seeders: int(reply, "complete", &mut wrong),
            leechers: int(reply, "incomplete", &mut wrong),
            completed: int(reply, "downloaded", &mut wrong),
            external_ip: bytes(reply, "external ip", &mut wrong),
            tracker_id: tracker_id(reply, &mut wrong),
            peers: PeerField::read(reply, "peers", &mut wrong),
            peers6: PeerField::read(reply, "peers6", &mut wrong),
            said: Said::default(),
        };
        read.said = Said::read(reply, wrong);
        read
    }
}

impl<'a> Scraped<'a> {
    /// Reads what a dictionary says; anything else says nothing.
    pub fn read(reply: &Node<'a>) -> Scraped<'a> {
        let mut wrong = Vec::new();
        let flags = reply.get("flags");
        let min_request_interval =
            flags.and_then(|flags| int(flags, "min_request_interval", &mut wrong));
        let files = match reply.get("files") {
            Some(Node::Dict(entries)) => {
                entries.iter().filter_map(|(key, file)| read_file(key, file, &mut wrong)).collect()
            }
            None => Vec::new(),
            Some(_) => {
                mark(&mut wrong, "files");
                Vec::new()
            }
        };
        Scraped { said: Said::read(reply, wrong), min_request_interval, files }
    }
}

fn read_file<'a>(
    key: &[u8],
    file: &Node<'a>,
    wrong: &mut Vec<&'static str>,
) -> Option<ScrapedFile<'a>> {
    let (Ok(info_hash), Node::Dict(_)) = (<[u8; ID_LEN]>::try_from(key), file) else {
        mark(wrong, "files");
        return None;
    };
    Some(ScrapedFile {
        info_hash: InfoHash(info_hash),
        seeders: int(file, "complete", wrong),
        leechers: int(file, "incomplete", wrong),
        completed: int(file, "downloaded", wrong),
        name: bytes(file, "name", wrong),
    })
}

impl<'a> Said<'a> {
    fn read(reply: &Node<'a>, mut wrong_types: Vec<&'static str>) -> Said<'a> {
        let failure_reason = bytes(reply, "failure reason", &mut wrong_types);
        let warning_message = bytes(reply, "warning message", &mut wrong_types);
        let retry_in = match reply.get("retry in") {
            Some(Node::Int(minutes)) => (*minutes).try_into().ok().map(RetryIn::Minutes),
            Some(Node::Bytes(b"never")) => Some(RetryIn::Never),
            Some(Node::Bytes(text)) => {
                str::from_utf8(text).ok().and_then(|text| text.parse().ok()).map(RetryIn::Minutes)
            }
            _ => None,
        };
        let goes_along = ["failure reason", "retry in", "interval", "min interval", "flags"];
        let has_more = matches!(reply, Node::Dict(entries) if failure_reason.is_some()
            && entries.iter().any(|(key, _)| !goes_along.iter().any(|k| k.as_bytes() == *key)));
        Said { failure_reason, warning_message, retry_in, has_more, wrong_types }
    }
}

impl<'a> PeerField<'a> {
    fn read(reply: &Node<'a>, key: &'static str, wrong: &mut Vec<&'static str>) -> PeerField<'a> {
        match reply.get(key) {
            None => PeerField::Absent,
            Some(Node::Bytes(bytes)) => PeerField::Compact(bytes),
            Some(Node::List(items)) => {
                let peers: Vec<_> = items.iter().filter_map(DictionaryPeer::read).collect();
                let unreadable = items.len() - peers.len();
                PeerField::Dictionaries { peers, unreadable }
            }
            Some(_) => {
                mark(wrong, key);
                PeerField::Absent
            }
        }
    }
}

impl DictionaryPeer {
    fn read(peer: &Node<'_>) -> Option<DictionaryPeer> {
        let (Some(Node::Bytes(ip)), Some(Node::Int(port))) = (peer.get("ip"), peer.get("port"))
        else {
            return None;
        };
        let peer_id = match peer.get("peer id") {
            Some(Node::Bytes(id)) => (*id).try_into().ok().map(PeerId),
            _ => None,
        };
        Some(DictionaryPeer {
            ip: str::from_utf8(ip).ok()?.parse().ok()?,
            port: (*port).try_into().ok()?,
            peer_id,
        })
    }
}

fn tracker_id(reply: &Node<'_>, wrong: &mut Vec<&'static str>) -> Option<Vec<u8>> {
    match reply.get("tracker id") {
        Some(Node::Int(number)) => Some(number.to_string().into_bytes()),
        _ => bytes(reply, "tracker id", wrong).map(<[u8]>::to_vec),
    }
}

fn int(node: &Node<'_>, key: &'static str, wrong: &mut Vec<&'static str>) -> Option<i64> {
    let value = node.get(key)?;
    let Node::Int(int) = value else {
        mark(wrong, key);
        return None;
    };
    Some(*int)
}

fn bytes<'a>(
    node: &Node<'a>,
    key: &'static str,
    wrong: &mut Vec<&'static str>,
) -> Option<&'a [u8]> {
    let value = node.get(key)?;
    let Node::Bytes(bytes) = value else {
        mark(wrong, key);
        return None;
    };
    Some(bytes)
}

/// Names a key once, however many torrents of a scrape have it wrong.
fn mark(wrong: &mut Vec<&'static str>, key: &'static str) {
    if !wrong.contains(&key) {
        wrong.push(key);
    }
}

#[cfg(test)]
mod tests {
    use super::super::decode_announce;
    use super::*;
    use crate::protocol::bencode::{Limits, lenient};

    fn query(announce: &Announce, style: Style) -> Query<'_> {
        Query {
            announce,
            compact: true,
            no_peer_id: true,
            ipv4: None,
            ipv6: None,
            tracker_id: None,
            supportcrypto: false,
            extra: &[],
            style,
        }
    }

    fn encoded(query: &Query<'_>) -> String {
        let mut out = Vec::new();
        query.encode(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn names(query: &str) -> Vec<&str> {
        query.split('&').map(|pair| pair.split('=').next().unwrap()).collect()
    }

    #[test]
    fn plain_query_has_the_order_of_the_reference_and_escapes_every_byte_of_the_hash() {
        let mut announce = Announce::sample(6881, 5);
        announce.peer_id.0[19] = b' ';
        announce.numwant = Some(50);
        let text = encoded(&query(&announce, Style::Plain));
        assert!(text.starts_with("info_hash=%61%61%61"), "{text}");
        assert!(text.contains("%20&port=6881"), "{text}");
        assert_eq!(
            names(&text),
            [
                "info_hash",
                "peer_id",
                "port",
                "uploaded",
                "downloaded",
                "left",
                "compact",
                "no_peer_id",
                "numwant",
                "event"
            ]
        );
        announce.event = Event::Empty;
        assert!(!encoded(&query(&announce, Style::Plain)).contains("event"));
    }

    #[test]
    fn libtorrent_query_has_the_order_of_libtorrent() {
        let mut announce = Announce::sample(6881, 5);
        announce.key = Some(0xab);
        let text = encoded(&query(&announce, Style::Libtorrent));
        assert_eq!(
            names(&text),
            [
                "info_hash",
                "peer_id",
                "port",
                "uploaded",
                "downloaded",
                "left",
                "corrupt",
                "key",
                "event",
                "numwant",
                "compact",
                "no_peer_id",
                "supportcrypto",
                "redundant"
            ]
        );
        assert!(text.contains("key=000000AB") && text.contains("numwant=-1"), "{text}");
    }

    #[test]
    fn server_reads_what_the_client_writes() {
        let mut announce = Announce::sample(6881, 5);
        announce.numwant = Some(7);
        announce.key = Some(1);
        for style in [Style::Plain, Style::Libtorrent] {
            let text = encoded(&query(&announce, style));
            assert_eq!(decode_announce(text.as_bytes()), Ok(announce));
        }
    }

    #[test]
    fn fields_of_the_wrong_type_are_named_and_left_out() {
        let reply = b"d8:completei3e8:intervali1e5:peersi1e10:tracker idi9e15:warning messagelee";
        let reply = lenient::decode(reply, &Limits { depth_max: 3, values_max: 99 }).unwrap();
        let read = Announced::read(&reply.value);
        assert_eq!((read.seeders, read.interval), (Some(3), Some(1)));
        assert_eq!(read.tracker_id.as_deref(), Some(&b"9"[..]));
        assert_eq!(read.peers, PeerField::Absent);
        assert_eq!(read.said.wrong_types, ["peers", "warning message"]);
    }
}
