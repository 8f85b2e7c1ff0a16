//! The checks behind the fuzz targets `udp_request`, `udp_differential` and `url_data`.

use std::net::{IpAddr, Ipv4Addr};

use aquatic_udp_protocol as theirs;

use super::super::announce::{Announce, Counts, Event};
use super::{Header, Reply, Request, url_data, write_url_data};
use crate::protocol::http::Route;

/// Feeds `packet` to every decoder of this module: none panics, and what decodes encodes to bytes
/// that decode to the same.
///
/// # Panics
/// When a round trip is not faithful.
pub fn check(packet: &[u8]) {
    let _ = Reply::decode(packet);
    if let Ok(request) = Request::decode(packet) {
        let mut bytes = Vec::new();
        request.encode(&mut bytes);
        assert_eq!(Request::decode(&bytes), Ok(request));
    }
}

/// Takes `options` for the options of an announce, and finds the URL in them a second way: first
/// all options, then those of URLData.
///
/// # Panics
/// When the two disagree, or a URL that is sent as options is not read again.
pub fn options(options: &[u8]) {
    let mut url = b"of the announce before".to_vec();
    let is_well_formed = url_data(options, &mut url);
    let mut pieces = Vec::new();
    assert_eq!(is_well_formed, split(options, &mut pieces));
    assert_eq!(url, pieces.concat());
    let _ = Route::of(&url);

    let (mut sent, mut read) = (Vec::new(), Vec::new());
    write_url_data(&mut sent, &url);
    assert!(url_data(&sent, &mut read));
    assert_eq!(read, url);
}

/// The values of all URLData options, and whether the list ends where it may.
fn split<'a>(options: &'a [u8], pieces: &mut Vec<&'a [u8]>) -> bool {
    let mut at = 0;
    while at < options.len() && options[at] != 0 {
        if options[at] == 1 {
            at += 1;
            continue;
        }
        let Some(length) = options.get(at + 1) else { return false };
        let value = at + 2..at + 2 + usize::from(*length);
        let Some(bytes) = options.get(value.clone()) else { return false };
        if options[at] == 2 {
            pieces.push(bytes);
        }
        at = value.end;
    }
    true
}

/// Reads `packet` with the crate aquatic_udp_protocol too, as a request and as a reply.
///
/// # Panics
/// When one reads what the other does not, other than where they are known to differ, or reads it
/// otherwise.
pub fn differential(packet: &[u8]) {
    compare_requests(packet);
    for is_v4 in [true, false] {
        compare_replies(packet, is_v4);
    }
}

fn compare_requests(packet: &[u8]) {
    let read = theirs::Request::parse_bytes(packet, u8::MAX);
    match (Request::decode(packet), read) {
        (Err(_), Err(_)) => {}
        (Ok(Request::Connect { transaction_id }), Ok(theirs::Request::Connect(read))) => {
            assert_eq!(transaction_id, unsigned(read.transaction_id));
        }
        (Ok(Request::Announce { header, announce, .. }), Ok(theirs::Request::Announce(read))) => {
            same_header(header, read.connection_id, read.transaction_id);
            same_announce(&announce, &read);
        }
        // They refuse port 0 and unknown events here; of ours, the tracker judges the first, and
        // the second are taken for regular announces.
        (Ok(Request::Announce { announce, .. }), Err(_)) => {
            let is_known = packet[80..83] == [0; 3] && packet[83] < 4;
            assert!(announce.port == 0 || !is_known, "they refuse {announce:?}");
        }
        (Ok(Request::Scrape { header, info_hashes }), Ok(theirs::Request::Scrape(read))) => {
            same_header(header, read.connection_id, read.transaction_id);
            let first = info_hashes.iter().take(usize::from(u8::MAX));
            assert!(first.eq(read.info_hashes.iter().map(|info_hash| &info_hash.0)));
        }
        // They refuse a list with bytes behind its last whole hash.
        (Ok(Request::Scrape { .. }), Err(_)) => {
            assert!(!(packet.len() - super::HEADER_LEN).is_multiple_of(super::INFO_HASH_LEN));
        }
        (ours, read) => panic!("we read {ours:?}, they {read:?}"),
    }
}

fn same_header(ours: Header, id: theirs::ConnectionId, transaction_id: theirs::TransactionId) {
    assert_eq!(ours.connection_id, id.0.get().cast_unsigned());
    assert_eq!(ours.transaction_id, unsigned(transaction_id));
}

fn same_announce(ours: &Announce, read: &theirs::AnnounceRequest) {
    assert_eq!(ours.info_hash.0, read.info_hash.0);
    assert_eq!(ours.peer_id.0, read.peer_id.0);
    let bytes = [read.bytes_downloaded, read.bytes_left, read.bytes_uploaded];
    let bytes = bytes.map(|bytes| bytes.0.get().cast_unsigned());
    assert_eq!([ours.downloaded, ours.left, ours.uploaded], bytes);
    let event = match read.event.into() {
        theirs::AnnounceEvent::None => Event::Empty,
        theirs::AnnounceEvent::Completed => Event::Completed,
        theirs::AnnounceEvent::Started => Event::Started,
        theirs::AnnounceEvent::Stopped => Event::Stopped,
    };
    assert_eq!(ours.event, event);
    let ip = Ipv4Addr::from(read.ip_address);
    assert_eq!(ours.ip.unwrap_or(Ipv4Addr::UNSPECIFIED.into()), IpAddr::V4(ip));
    assert_eq!(ours.key, Some(read.key.0.get().cast_unsigned()));
    assert_eq!(ours.numwant, u32::try_from(read.peers_wanted.0.get()).ok());
    assert_eq!(ours.port, read.port.0.get());
}

fn compare_replies(packet: &[u8], is_v4: bool) {
    let Ok(read) = theirs::Response::parse_bytes(packet, is_v4) else {
        // They refuse pieces of peers and of entries; the rest of what we read, they read.
        let pieces = match Reply::decode(packet) {
            Some(Reply::Announce { peers, .. }) => peers.len() % if is_v4 { 6 } else { 18 },
            Some(Reply::Scrape { .. }) => (packet.len() - super::SCRAPE_REPLY_LEN) % 12,
            Some(Reply::Connect { .. } | Reply::Error { .. }) => 0,
            None => return,
        };
        assert_ne!(pieces, 0, "they refuse {packet:?}");
        return;
    };
    let ours = Reply::decode(packet).expect("a reply that they read");
    let mut written = Vec::new();
    read.write_bytes(&mut written).expect("a vector takes all that is written to it");
    assert_eq!(written_by_us(&ours), written);
    match (ours, read) {
        (Reply::Connect { transaction_id, connection_id }, theirs::Response::Connect(read)) => {
            same_header(
                Header { connection_id, transaction_id },
                read.connection_id,
                read.transaction_id,
            );
        }
        (Reply::Error { transaction_id, .. }, theirs::Response::Error(read)) => {
            assert_eq!(transaction_id, unsigned(read.transaction_id));
        }
        (ours @ Reply::Announce { .. }, theirs::Response::AnnounceIpv4(read)) => {
            same_counts(&ours, read.fixed);
        }
        (ours @ Reply::Announce { .. }, theirs::Response::AnnounceIpv6(read)) => {
            same_counts(&ours, read.fixed);
        }
        (Reply::Scrape { transaction_id, entries }, theirs::Response::Scrape(read)) => {
            assert_eq!(transaction_id, unsigned(read.transaction_id));
            let entries = entries.iter().map(super::decode_scrape_entry);
            let ours = entries.map(|entry| [entry.seeders, entry.completed, entry.leechers]);
            let read = read.torrent_stats.iter();
            assert!(ours.eq(read.map(|entry| {
                let theirs::TorrentScrapeStatistics { seeders, completed, leechers } = *entry;
                [seeders.0.get(), completed.0.get(), leechers.0.get()].map(i32::cast_unsigned)
            })));
        }
        (ours, read) => panic!("we read {ours:?}, they {read:?}"),
    }
}

fn written_by_us(reply: &Reply<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    match *reply {
        Reply::Connect { transaction_id, connection_id } => {
            super::write_connect_reply(&mut out, transaction_id, connection_id);
        }
        Reply::Announce { transaction_id, interval, leechers, seeders, peers } => {
            let counts = Counts { seeders, leechers, ..Counts::default() };
            super::write_announce_reply(&mut out, transaction_id, interval, counts);
            out.extend_from_slice(peers);
        }
        Reply::Scrape { transaction_id, entries } => {
            super::write_scrape_reply(&mut out, transaction_id);
            for entry in entries {
                super::write_scrape_entry(&mut out, super::decode_scrape_entry(entry));
            }
        }
        Reply::Error { transaction_id, reason } => {
            let reason = String::from_utf8_lossy(reason);
            super::write_error(&mut out, transaction_id, &reason);
        }
    }
    out
}

fn same_counts(ours: &Reply<'_>, read: theirs::AnnounceResponseFixedData) {
    let Reply::Announce { transaction_id, interval, leechers, seeders, .. } = *ours else {
        return;
    };
    assert_eq!(transaction_id, unsigned(read.transaction_id));
    let (theirs_leechers, theirs_seeders) = (read.leechers.0.get(), read.seeders.0.get());
    let theirs = [read.announce_interval.0.get(), theirs_leechers, theirs_seeders];
    assert_eq!([interval, leechers, seeders], theirs.map(i32::cast_unsigned));
}

fn unsigned(id: theirs::TransactionId) -> u32 {
    id.0.get().cast_unsigned()
}
