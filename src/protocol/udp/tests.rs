use proptest::prelude::*;

use super::*;

/// A client's announce, field by field: the layout of BEP 15, "Announce".
const ANNOUNCE: &[u8; ANNOUNCE_LEN] = &{
    let mut packet = [0; ANNOUNCE_LEN];
    put(&mut packet, 0, b"\x11\x22\x33\x44\x55\x66\x77\x88"); // connection_id
    put(&mut packet, 8, b"\0\0\0\x01"); // action 1
    put(&mut packet, 12, b"\xde\xad\xbe\xef"); // transaction_id
    put(&mut packet, 16, b"iiiiiiiiiiiiiiiiiiii"); // info_hash
    put(&mut packet, 36, b"-LT2080-xxxxxxxxxxxx"); // peer_id
    put(&mut packet, 56, b"\0\0\0\0\0\0\x10\0"); // downloaded 4096
    put(&mut packet, 64, b"\0\0\0\0\0\0\x20\0"); // left 8192
    put(&mut packet, 72, b"\0\0\0\x01\0\0\0\0"); // uploaded 2^32
    put(&mut packet, 80, b"\0\0\0\x02"); // event started
    put(&mut packet, 84, b"\0\0\0\0"); // ip: the packet's own
    put(&mut packet, 88, b"\x0a\x0b\x0c\x0d"); // key
    put(&mut packet, 92, b"\0\0\0\xc8"); // num_want 200
    put(&mut packet, 96, b"\x1a\xe1"); // port 6881
    packet
};

const fn put(packet: &mut [u8; ANNOUNCE_LEN], at: usize, bytes: &[u8]) {
    let mut i = 0;
    while i < bytes.len() {
        packet[at + i] = bytes[i];
        i += 1;
    }
}

const HEADER: Header = Header { connection_id: 0x1122_3344_5566_7788, transaction_id: 0xdead_beef };

fn sample() -> Announce {
    Announce {
        info_hash: InfoHash([b'i'; 20]),
        peer_id: PeerId(*b"-LT2080-xxxxxxxxxxxx"),
        port: 6881,
        uploaded: 1 << 32,
        downloaded: 4096,
        left: 8192,
        event: Event::Started,
        numwant: Some(200),
        key: Some(0x0a0b_0c0d),
        ip: None,
        format: PeerFormat::Compact,
    }
}

#[test]
fn outlook_tells_of_a_packet_before_it_is_decoded() {
    let announce = Outlook::of(ANNOUNCE);
    assert_eq!(announce.info_hashes, [*b"iiiiiiiiiiiiiiiiiiii"]);
    assert_eq!(announce.port, Some(sample().port));
    assert_eq!(Outlook { port: None, ..announce }, Outlook::of(&ANNOUNCE[..97]), "cut off");
    assert_eq!(Outlook::of(&ANNOUNCE[..35]), Outlook::default(), "cut off");
    let mut scrape = ANNOUNCE[..76].to_vec();
    scrape[11] = 2;
    let mut rest = [0; 20];
    rest.copy_from_slice(&scrape[56..]);
    assert_eq!(
        Outlook::of(&scrape),
        Outlook {
            info_hashes: &[*b"iiiiiiiiiiiiiiiiiiii", *b"-LT2080-xxxxxxxxxxxx", rest],
            port: None
        }
    );
    scrape[11] = 0;
    assert_eq!(Outlook::of(&scrape), Outlook::default());
    assert_eq!(Outlook::of(b""), Outlook::default());
}

#[test]
fn decodes_the_connect_in_bep_15() {
    let packet = b"\0\0\x04\x17\x27\x10\x19\x80\0\0\0\0\x01\x02\x03\x04";
    let connect = Request::Connect { transaction_id: 0x0102_0304 };
    assert_eq!(Request::decode(packet), Ok(connect));
    let mut encoded = Vec::new();
    connect.encode(&mut encoded);
    assert_eq!(encoded, packet);
}

#[test]
fn decodes_the_announce_in_bep_15() {
    let announce = Request::Announce { header: HEADER, announce: sample(), options: b"" };
    assert_eq!(Request::decode(ANNOUNCE), Ok(announce));
    let mut encoded = Vec::new();
    announce.encode(&mut encoded);
    assert_eq!(encoded, ANNOUNCE);
}

/// The torrent that real clients announced when their packets were recorded.
const RECORDED: InfoHash =
    InfoHash(*b"\xea\x42\x73\xaa\x7d\xa6\xcd\xc5\xd9\xc6\xee\x88\xdd\xe8\x3c\xbe\x09\xbe\xc8\xb2");

/// Sent by aria2 1.36.0 for a torrent it has whole. The two bytes at the end are the count of
/// extensions of older texts of BEP 15; to BEP 41 they end the options.
#[test]
fn decodes_the_announce_of_aria2() {
    let packet = [
        b"CONNECTD".as_slice(),                      // connection_id
        b"\0\0\0\x01",                               // action 1
        b"\xf3\x29\x8e\x09",                         // transaction_id
        b"\xea\x42\x73\xaa\x7d\xa6\xcd\xc5\xd9\xc6", // info_hash
        b"\xee\x88\xdd\xe8\x3c\xbe\x09\xbe\xc8\xb2", // info_hash, its end
        b"A2-1-36-0-",                               // peer_id
        b"\x8d\x1d\x64\xfc\xf5\x89\xcf\xdd\xfa\xc5", // peer_id, its end
        b"\0\0\0\0\0\0\0\0",                         // downloaded 0
        b"\0\0\0\0\0\0\0\0",                         // left 0
        b"\0\0\0\0\0\0\0\0",                         // uploaded 0
        b"\0\0\0\x02",                               // event started
        b"\0\0\0\0",                                 // ip: the packet's own
        b"\x63\x4a\x11\xce",                         // key
        b"\0\0\0\x32",                               // num_want 50
        b"\x1c\x20",                                 // port 7200
        b"\0\0",                                     // extensions 0
    ]
    .concat();
    let announce = Announce {
        info_hash: RECORDED,
        peer_id: PeerId(*b"A2-1-36-0-\x8d\x1d\x64\xfc\xf5\x89\xcf\xdd\xfa\xc5"),
        port: 7200,
        key: Some(0x634a_11ce),
        numwant: Some(50),
        uploaded: 0,
        downloaded: 0,
        left: 0,
        ..sample()
    };
    let connection_id = u64::from_be_bytes(*b"CONNECTD");
    let header = Header { connection_id, transaction_id: 0xf329_8e09 };
    let options = b"\0\0";
    assert_eq!(Request::decode(&packet), Ok(Request::Announce { header, announce, options }));
    let mut url = Vec::new();
    assert!(url_data(options, &mut url));
    assert_eq!(url, b"");
}

/// Sent by libtorrent 2.0.8 for a torrent it has whole.
#[test]
fn decodes_the_announce_of_libtorrent() {
    let packet = [
        b"CONNECTD".as_slice(),                      // connection_id
        b"\0\0\0\x01",                               // action 1
        b"\xd0\xdb\xcb\xd4",                         // transaction_id
        b"\xea\x42\x73\xaa\x7d\xa6\xcd\xc5\xd9\xc6", // info_hash
        b"\xee\x88\xdd\xe8\x3c\xbe\x09\xbe\xc8\xb2", // info_hash, its end
        b"-LT2080-OIuLdKXMOgvP",                     // peer_id
        b"\0\0\0\0\0\0\0\0",                         // downloaded 0
        b"\0\0\0\0\0\0\0\0",                         // left 0
        b"\0\0\0\0\0\0\0\0",                         // uploaded 0
        b"\0\0\0\x02",                               // event started
        b"\0\0\0\0",                                 // ip: the packet's own
        b"\x36\x89\x4e\x62",                         // key
        b"\0\0\0\xc8",                               // num_want 200
        b"\xac\xef",                                 // port 44271
        b"\x02\x09/announce",                        // BEP 41: URLData
    ]
    .concat();
    let announce = Announce {
        info_hash: RECORDED,
        peer_id: PeerId(*b"-LT2080-OIuLdKXMOgvP"),
        port: 44_271,
        key: Some(0x3689_4e62),
        numwant: Some(200),
        uploaded: 0,
        downloaded: 0,
        left: 0,
        ..sample()
    };
    let connection_id = u64::from_be_bytes(*b"CONNECTD");
    let header = Header { connection_id, transaction_id: 0xd0db_cbd4 };
    let options = b"\x02\x09/announce";
    assert_eq!(Request::decode(&packet), Ok(Request::Announce { header, announce, options }));
    let mut url = Vec::new();
    assert!(url_data(options, &mut url));
    assert_eq!(url, b"/announce");
}

#[test]
fn reads_each_event_and_takes_unknown_ones_for_none() {
    for (number, event) in [
        (0, Event::Empty),
        (1, Event::Completed),
        (2, Event::Started),
        (3, Event::Stopped),
        (4, Event::Paused),
        (5, Event::Empty),
        (0xff, Event::Empty),
    ] {
        let mut packet = *ANNOUNCE;
        packet[83] = number;
        assert_eq!(decode_announce(&packet).event, event);
    }
}

#[test]
fn negative_num_want_leaves_the_choice_to_the_tracker() {
    for (bytes, numwant) in
        [(u32::MAX, None), (1 << 31, None), (0, Some(0)), (i32::MAX as u32, Some(i32::MAX as u32))]
    {
        let mut packet = *ANNOUNCE;
        packet[92..96].copy_from_slice(&bytes.to_be_bytes());
        assert_eq!(decode_announce(&packet).numwant, numwant);
    }
}

#[test]
fn short_packets_are_met_with_silence() {
    for length in 0..HEADER_LEN {
        assert_eq!(Request::decode(&ANNOUNCE[..length]), Err(DecodeError::NotBep15));
    }
}

#[test]
fn truncated_announces_are_refused_with_their_reason() {
    for length in HEADER_LEN..ANNOUNCE_LEN {
        let refused = DecodeError::Refused { header: HEADER, reason: "announce packet too short" };
        assert_eq!(Request::decode(&ANNOUNCE[..length]), Err(refused));
    }
}

#[test]
fn connect_without_the_constant_is_met_with_silence() {
    let packet = b"\0\0\x04\x17\x27\x10\x19\x81\0\0\0\0\x01\x02\x03\x04";
    assert_eq!(Request::decode(packet), Err(DecodeError::NotBep15));
}

#[test]
fn scrape_without_hash_and_unknown_actions_are_refused_with_their_reasons() {
    let mut packet = *ANNOUNCE.first_chunk::<35>().unwrap();
    for (action, expected) in
        [(2, "no info_hash in scrape"), (3, "unknown action"), (255, "unknown action")]
    {
        packet[11] = action;
        let refused = DecodeError::Refused { header: HEADER, reason: expected };
        assert_eq!(Request::decode(&packet), Err(refused), "action {action}");
    }
}

#[test]
fn scrape_ignores_a_piece_of_a_hash() {
    let mut packet = Vec::new();
    let hashes = [[1; 20], [2; 20]];
    Request::Scrape { header: HEADER, info_hashes: &hashes }.encode(&mut packet);
    packet.extend_from_slice(&[3; 19]);
    let decoded = Request::decode(&packet);
    assert_eq!(decoded, Ok(Request::Scrape { header: HEADER, info_hashes: &hashes }));
}

#[test]
fn replies_have_the_bytes_of_bep_15() {
    let counts = Counts { seeders: 1, leechers: 2, completed: 3, paused: 0 };
    let mut out = Vec::new();
    write_connect_reply(&mut out, 9, 0x0102_0304_0506_0708);
    assert_eq!(out, b"\0\0\0\0\0\0\0\x09\x01\x02\x03\x04\x05\x06\x07\x08");
    out.clear();
    write_announce_reply(&mut out, 9, 1800, counts);
    assert_eq!(out, b"\0\0\0\x01\0\0\0\x09\0\0\x07\x08\0\0\0\x02\0\0\0\x01");
    out.clear();
    write_scrape_reply(&mut out, 9);
    write_scrape_entry(&mut out, counts);
    assert_eq!(out, b"\0\0\0\x02\0\0\0\x09\0\0\0\x01\0\0\0\x03\0\0\0\x02");
    out.clear();
    write_error(&mut out, 9, "unknown action");
    assert_eq!(out, b"\0\0\0\x03\0\0\0\x09unknown action");
}

#[test]
fn url_data_joins_its_pieces_and_skips_the_rest() {
    let mut url = Vec::new();
    // NOP, URLData "/dir", an option of unknown type 9, URLData "?a=b", end, rubbish.
    assert!(url_data(b"\x01\x02\x04/dir\x09\x01z\x02\x04?a=b\x00\xff\xff", &mut url));
    assert_eq!(url, b"/dir?a=b");
}

#[test]
fn url_data_without_an_end_is_complete_and_a_cut_option_is_not() {
    let mut url = Vec::new();
    assert!(url_data(b"\x02\x01/", &mut url));
    assert_eq!(url, b"/");
    assert!(!url_data(b"\x02\x01/\x02\x05/abc", &mut url));
    assert_eq!(url, b"/");
    assert!(!url_data(b"\x02", &mut url));
}

#[test]
fn long_urls_are_written_in_pieces_of_255_bytes() {
    for length in [0, 1, 254, 255, 256, 511] {
        let sent = vec![b'x'; length];
        let (mut options, mut read) = (Vec::new(), Vec::new());
        write_url_data(&mut options, &sent);
        assert!(url_data(&options, &mut read));
        assert_eq!(read, sent);
    }
}

#[test]
fn packets_of_every_length_never_panic() {
    for length in 0..=255 {
        for action in 0..=4 {
            let mut packet = vec![0xff; length];
            if length > 11 {
                packet[8..12].copy_from_slice(&[0, 0, 0, action]);
            }
            fuzzing::check(&packet);
        }
    }
}

fn announces() -> impl Strategy<Value = Announce> {
    let event = prop_oneof![
        Just(Event::Empty),
        Just(Event::Started),
        Just(Event::Completed),
        Just(Event::Stopped),
        Just(Event::Paused),
    ];
    let ids = (any::<[u8; 20]>(), any::<[u8; 20]>());
    let bytes = (any::<u64>(), any::<u64>(), any::<u64>());
    let rest =
        (event, proptest::option::of(0..=i32::MAX as u32), any::<u32>(), 0u32.., any::<u16>());
    (ids, bytes, rest).prop_map(|(ids, bytes, (event, numwant, key, ip, port))| Announce {
        info_hash: InfoHash(ids.0),
        peer_id: PeerId(ids.1),
        port,
        uploaded: bytes.0,
        downloaded: bytes.1,
        left: bytes.2,
        event,
        numwant,
        key: Some(key),
        ip: (ip != 0).then(|| Ipv4Addr::from_bits(ip).into()),
        format: PeerFormat::Compact,
    })
}

proptest! {
    #[test]
    fn announce_round_trips(announce in announces(), id: u64, transaction_id: u32,
                            options: Vec<u8>) {
        let header = Header { connection_id: id, transaction_id };
        let request = Request::Announce { header, announce, options: &options };
        let mut packet = Vec::new();
        request.encode(&mut packet);
        prop_assert_eq!(Request::decode(&packet), Ok(request));
    }

    #[test]
    fn announce_reply_round_trips(transaction_id: u32, interval: u32, seeders: u32, leechers: u32,
                                  peers: Vec<u8>) {
        let mut packet = Vec::new();
        let counts = Counts { seeders, leechers, ..Counts::default() };
        write_announce_reply(&mut packet, transaction_id, interval, counts);
        packet.extend_from_slice(&peers);
        let peers = &peers[..];
        let reply = Reply::Announce { transaction_id, interval, leechers, seeders, peers };
        prop_assert_eq!(Reply::decode(&packet), Some(reply));
    }

    #[test]
    fn arbitrary_packets_never_panic(packet: Vec<u8>) {
        fuzzing::check(&packet);
    }
}
