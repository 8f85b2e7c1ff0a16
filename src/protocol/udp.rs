//! The UDP tracker protocol, BEP 15, with the options of BEP 41. All integers are in network order.
//!
//! Every request begins alike:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | connection id; in a connect request the constant [`CONNECT_MAGIC`] |
//! | 8 | 4 | action |
//! | 12 | 4 | transaction id, sent back in the reply |
//!
//! A server reads with [`Request::decode`] and writes with the `write_…` functions; a client does
//! the reverse with [`Request::encode`] and [`Reply::decode`].

use std::net::{IpAddr, Ipv4Addr};

use super::announce::{Announce, Counts, Event, PEER_V4_LEN, PEER_V6_LEN, PeerFormat};
use super::ids::{ID_LEN, InfoHash, PeerId};

/// The first 8 bytes of a connect request (BEP 15, "Connect": `protocol_id`).
pub const CONNECT_MAGIC: u64 = 0x417_2710_1980;
/// Length of the part that every request has.
pub const HEADER_LEN: usize = 16;
/// Length of an announce request without options.
pub const ANNOUNCE_LEN: usize = 98;
/// Length of a connect reply.
pub const CONNECT_REPLY_LEN: usize = 16;
/// Length of an announce reply without peers.
pub const ANNOUNCE_REPLY_LEN: usize = 20;
/// Length of a scrape reply without entries, and of an error without its message.
pub const SCRAPE_REPLY_LEN: usize = 8;
/// Length of one entry of a scrape reply: seeders, completed, leechers.
pub const SCRAPE_ENTRY_LEN: usize = 12;
/// Length of one info hash of a scrape request.
pub const INFO_HASH_LEN: usize = ID_LEN;

const ACTION_CONNECT: u32 = 0;
const ACTION_ANNOUNCE: u32 = 1;
const ACTION_SCRAPE: u32 = 2;
const ACTION_ERROR: u32 = 3;

/// Options of BEP 41: the end of the list, one byte of padding, and a piece of the URL.
const OPTION_END: u8 = 0;
const OPTION_NOP: u8 = 1;
const OPTION_URL_DATA: u8 = 2;

/// The connection id and transaction id of a request, read before the rest is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the tracker handed out in its connect reply.
    pub connection_id: u64,
    /// What the client wants to find in the reply.
    pub transaction_id: u32,
}

/// A request, borrowed from its packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// Asks for a connection id.
    Connect {
        /// What the client wants to find in the reply.
        transaction_id: u32,
    },
    /// Announces a peer.
    Announce {
        /// Connection and transaction.
        header: Header,
        /// The announce itself.
        announce: Announce,
        /// The options behind it, undecoded: see [`url_data`].
        options: &'a [u8],
    },
    /// Asks for the sizes of swarms, at least one.
    Scrape {
        /// Connection and transaction.
        header: Header,
        /// Whose.
        info_hashes: &'a [[u8; ID_LEN]],
    },
}

/// What a packet will ask for; a guess, before it is decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outlook<'a> {
    /// The info hashes that it names.
    pub info_hashes: &'a [[u8; INFO_HASH_LEN]],
    /// The port of the peer, in an announce.
    pub port: Option<u16>,
}

impl<'a> Outlook<'a> {
    /// That of `packet`; of nothing when it is no announce or scrape.
    pub fn of(packet: &'a [u8]) -> Outlook<'a> {
        let Some((head, rest)) = packet.split_first_chunk::<HEADER_LEN>() else {
            return Outlook::default();
        };
        let (named, port) = match u32_at(head, 8) {
            ACTION_ANNOUNCE => {
                let port = rest.get(96 - HEADER_LEN..).and_then(|rest| rest.first_chunk());
                (rest.get(..INFO_HASH_LEN), port.map(|port| u16::from_be_bytes(*port)))
            }
            ACTION_SCRAPE => (Some(rest), None),
            _ => (None, None),
        };
        Outlook { info_hashes: named.unwrap_or_default().as_chunks().0, port }
    }
}

/// Why a packet is not a request, and so what may be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// Not BEP 15: too short, or a connect without the constant. To be met with silence.
    NotBep15,
    /// BEP 15, but wrong in the way the text says. To be answered, if the connection id is good.
    Refused {
        /// Connection and transaction.
        header: Header,
        /// The message for the client.
        reason: &'static str,
    },
}

impl<'a> Request<'a> {
    /// Reads a request. Bytes behind it are options of an announce, and otherwise ignored.
    ///
    /// # Errors
    /// [`DecodeError`], which says whether the sender may be answered.
    pub fn decode(packet: &'a [u8]) -> Result<Request<'a>, DecodeError> {
        let (head, rest) = packet.split_first_chunk().ok_or(DecodeError::NotBep15)?;
        let header = Header::decode(head);
        let refused = |reason| Err(DecodeError::Refused { header, reason });
        match u32_at(head, 8) {
            ACTION_CONNECT if header.connection_id == CONNECT_MAGIC => {
                Ok(Request::Connect { transaction_id: header.transaction_id })
            }
            ACTION_CONNECT => Err(DecodeError::NotBep15),
            ACTION_ANNOUNCE => match packet.split_first_chunk() {
                Some((fixed, options)) => {
                    Ok(Request::Announce { header, announce: decode_announce(fixed), options })
                }
                None => refused("announce packet too short"),
            },
            ACTION_SCRAPE => match rest.as_chunks().0 {
                [] => refused("no info_hash in scrape"),
                info_hashes => Ok(Request::Scrape { header, info_hashes }),
            },
            _ => refused("unknown action"),
        }
    }

    /// Appends the request as a client sends it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Request::Connect { transaction_id } => {
                write_u64(out, CONNECT_MAGIC);
                write_u32s(out, [ACTION_CONNECT, *transaction_id]);
            }
            Request::Announce { header, announce, options } => {
                header.encode(ACTION_ANNOUNCE, out);
                encode_announce(announce, out);
                out.extend_from_slice(options);
            }
            Request::Scrape { header, info_hashes } => {
                header.encode(ACTION_SCRAPE, out);
                out.extend_from_slice(info_hashes.as_flattened());
            }
        }
    }
}

impl Header {
    fn decode(packet: &[u8; HEADER_LEN]) -> Header {
        Header { connection_id: u64_at(packet, 0), transaction_id: u32_at(packet, 12) }
    }

    fn encode(self, action: u32, out: &mut Vec<u8>) {
        write_u64(out, self.connection_id);
        write_u32s(out, [action, self.transaction_id]);
    }
}

/// Reads the fixed part of an announce (BEP 15, "Announce"):
///
/// | offset | bytes | field |
/// |---|---|---|
/// | 16 | 20 | `info_hash` |
/// | 36 | 20 | `peer_id` |
/// | 56 | 8 | downloaded |
/// | 64 | 8 | left |
/// | 72 | 8 | uploaded |
/// | 80 | 4 | event: 0 none, 1 completed, 2 started, 3 stopped; libtorrent's 4 is paused (BEP 21) |
/// | 84 | 4 | IP address, 0 for the packet's own |
/// | 88 | 4 | key |
/// | 92 | 4 | `num_want`, −1 for the tracker's choice |
/// | 96 | 2 | port |
fn decode_announce(packet: &[u8; ANNOUNCE_LEN]) -> Announce {
    let ip = Ipv4Addr::from_bits(u32_at(packet, 84));
    Announce {
        info_hash: InfoHash(array_at(packet, 16)),
        peer_id: PeerId(array_at(packet, 36)),
        downloaded: u64_at(packet, 56),
        left: u64_at(packet, 64),
        uploaded: u64_at(packet, 72),
        event: match u32_at(packet, 80) {
            1 => Event::Completed,
            2 => Event::Started,
            3 => Event::Stopped,
            4 => Event::Paused,
            _ => Event::Empty,
        },
        ip: (!ip.is_unspecified()).then_some(IpAddr::V4(ip)),
        key: Some(u32_at(packet, 88)),
        // Negative as a signed number: whatever the client means, it leaves the choice to us.
        numwant: Some(u32_at(packet, 92)).filter(|numwant| i32::try_from(*numwant).is_ok()),
        port: u16::from_be_bytes(array_at(packet, 96)),
        format: PeerFormat::Compact,
    }
}

fn encode_announce(announce: &Announce, out: &mut Vec<u8>) {
    out.extend_from_slice(&announce.info_hash.0);
    out.extend_from_slice(&announce.peer_id.0);
    write_u64(out, announce.downloaded);
    write_u64(out, announce.left);
    write_u64(out, announce.uploaded);
    let event = match announce.event {
        Event::Empty => 0,
        Event::Completed => 1,
        Event::Started => 2,
        Event::Stopped => 3,
        Event::Paused => 4,
    };
    let ip = match announce.ip {
        Some(IpAddr::V4(ip)) => ip.to_bits(),
        Some(IpAddr::V6(_)) | None => 0,
    };
    let numwant = announce.numwant.unwrap_or(u32::MAX);
    write_u32s(out, [event, ip, announce.key.unwrap_or(0), numwant]);
    out.extend_from_slice(&announce.port.to_be_bytes());
}

/// Puts together the path and query that a client sent in URLData options (BEP 41), in `url`.
/// Tells whether the option list was well formed; what came before a fault is kept.
///
/// An option is a type byte and, but for the two one-byte types, a length byte and as many bytes.
/// Unknown types are skipped. The list ends with the packet or with type 0.
pub fn url_data(mut options: &[u8], url: &mut Vec<u8>) -> bool {
    url.clear();
    loop {
        options = match options {
            [] | [OPTION_END, ..] => return true,
            [OPTION_NOP, rest @ ..] => rest,
            [kind, length, rest @ ..] if rest.len() >= usize::from(*length) => {
                let (value, rest) = rest.split_at(usize::from(*length));
                if *kind == OPTION_URL_DATA {
                    url.extend_from_slice(value);
                }
                rest
            }
            _ => return false,
        };
    }
}

/// Appends path and query of a tracker's URL as URLData options (BEP 41), 255 bytes each.
pub fn write_url_data(out: &mut Vec<u8>, url: &[u8]) {
    for piece in url.chunks(usize::from(u8::MAX)) {
        out.extend_from_slice(&[OPTION_URL_DATA, piece.len() as u8]);
        out.extend_from_slice(piece);
    }
}

/// Appends a connect reply: action, transaction id, connection id.
pub fn write_connect_reply(out: &mut Vec<u8>, transaction_id: u32, connection_id: u64) {
    write_u32s(out, [ACTION_CONNECT, transaction_id]);
    write_u64(out, connection_id);
}

/// Appends an announce reply without its peers, which follow as 6 bytes each over IPv4 and 18 over
/// IPv6: action, transaction id, interval in seconds, leechers, seeders.
pub fn write_announce_reply(out: &mut Vec<u8>, transaction_id: u32, interval: u32, counts: Counts) {
    let Counts { leechers, seeders, .. } = counts;
    write_u32s(out, [ACTION_ANNOUNCE, transaction_id, interval, leechers, seeders]);
}

/// Appends the head of a scrape reply; one [`write_scrape_entry`] for each hash asked follows.
pub fn write_scrape_reply(out: &mut Vec<u8>, transaction_id: u32) {
    write_u32s(out, [ACTION_SCRAPE, transaction_id]);
}

/// Appends one entry of a scrape reply: seeders, completed, leechers.
pub fn write_scrape_entry(out: &mut Vec<u8>, counts: Counts) {
    write_u32s(out, [counts.seeders, counts.completed, counts.leechers]);
}

/// Appends an error: action, transaction id, and the message without a terminator.
pub fn write_error(out: &mut Vec<u8>, transaction_id: u32, reason: &str) {
    write_u32s(out, [ACTION_ERROR, transaction_id]);
    out.extend_from_slice(reason.as_bytes());
}

/// A reply as a client reads it, borrowed from its packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// The connection id to use for the next two minutes.
    Connect {
        /// As in the request.
        transaction_id: u32,
        /// The id.
        connection_id: u64,
    },
    /// The answer to an announce.
    Announce {
        /// As in the request.
        transaction_id: u32,
        /// Seconds until the next announce.
        interval: u32,
        /// Peers that lack something.
        leechers: u32,
        /// Peers that have everything.
        seeders: u32,
        /// Peers, 6 bytes each over IPv4 and 18 each over IPv6.
        peers: &'a [u8],
    },
    /// The answer to a scrape, in the order of the request.
    Scrape {
        /// As in the request.
        transaction_id: u32,
        /// 12 bytes each: see [`decode_scrape_entry`].
        entries: &'a [[u8; SCRAPE_ENTRY_LEN]],
    },
    /// A refusal.
    Error {
        /// As in the request.
        transaction_id: u32,
        /// The message, for people; any bytes.
        reason: &'a [u8],
    },
}

impl<'a> Reply<'a> {
    /// Reads a reply; `None` when it is none.
    pub fn decode(packet: &'a [u8]) -> Option<Reply<'a>> {
        let (head, rest) = packet.split_first_chunk::<SCRAPE_REPLY_LEN>()?;
        let transaction_id = u32_at(head, 4);
        Some(match u32_at(head, 0) {
            ACTION_CONNECT => Reply::Connect {
                transaction_id,
                connection_id: u64_at(rest.first_chunk::<8>()?, 0),
            },
            ACTION_ANNOUNCE => {
                let (counts, peers) = rest.split_first_chunk::<12>()?;
                let [interval, leechers, seeders] = [0, 4, 8].map(|at| u32_at(counts, at));
                Reply::Announce { transaction_id, interval, leechers, seeders, peers }
            }
            ACTION_SCRAPE => Reply::Scrape { transaction_id, entries: rest.as_chunks().0 },
            ACTION_ERROR => Reply::Error { transaction_id, reason: rest },
            _ => return None,
        })
    }

    /// Which request it answers.
    pub fn transaction_id(&self) -> u32 {
        match self {
            Reply::Connect { transaction_id, .. }
            | Reply::Announce { transaction_id, .. }
            | Reply::Scrape { transaction_id, .. }
            | Reply::Error { transaction_id, .. } => *transaction_id,
        }
    }
}

/// Reads one entry of a scrape reply.
pub fn decode_scrape_entry(entry: &[u8; SCRAPE_ENTRY_LEN]) -> Counts {
    let [seeders, completed, leechers] = [0, 4, 8].map(|at| u32_at(entry, at));
    Counts { seeders, completed, leechers, paused: 0 }
}

/// The whole 6-byte entries of a reply over IPv4; a last piece that is shorter is left out.
pub fn peers_v4(peers: &[u8]) -> &[[u8; PEER_V4_LEN]] {
    peers.as_chunks().0
}

/// The whole 18-byte entries of a reply over IPv6; a last piece that is shorter is left out.
pub fn peers_v6(peers: &[u8]) -> &[[u8; PEER_V6_LEN]] {
    peers.as_chunks().0
}

fn array_at<const N: usize>(packet: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&packet[at..at + N]);
    array
}

fn u32_at(packet: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(array_at(packet, at))
}

fn u64_at(packet: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(array_at(packet, at))
}

fn write_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_be_bytes());
}

fn write_u32s<const N: usize>(out: &mut Vec<u8>, values: [u32; N]) {
    for value in values {
        out.extend_from_slice(&value.to_be_bytes());
    }
}

#[cfg(any(test, fuzzing))]
pub mod fuzzing;

#[cfg(test)]
mod tests;
