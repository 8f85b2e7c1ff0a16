use proptest::prelude::*;

use super::*;
use crate::protocol::http_head::{self, Head, Method, no_fields};

const QUERY: &str = "info_hash=%124Vx%9A%BC%DE%F1%23Eg%89%AB%CD%EF%124Vx%9A\
    &peer_id=-TR2940-k8hj0wgej6ch&port=51413&uploaded=1&downloaded=2&left=3";
const INFO_HASH: InfoHash =
    InfoHash(*b"\x12\x34\x56\x78\x9a\xbc\xde\xf1\x23\x45\x67\x89\xab\xcd\xef\x12\x34\x56\x78\x9a");

fn decode(query: &str) -> Result<Announce, Unreadable> {
    decode_announce(query.as_bytes())
}

/// `QUERY` with one parameter taken out and `with` put at the end.
fn decode_with(without: &str, with: &str) -> Result<Announce, Unreadable> {
    let kept = QUERY.split('&').filter(|piece| piece.split('=').next() != Some(without));
    let query = kept.chain([with]).collect::<Vec<_>>().join("&");
    decode(&query)
}

#[test]
fn routes_by_the_last_segment_whatever_stands_before_and_behind() {
    for path in ["/announce", "/announce/", "/announce//", "/a/b/announce", "//announce"] {
        assert_eq!(Route::of(path.as_bytes()), Some(Route::Announce), "{path}");
    }
    assert_eq!(Route::of(b"/key/scrape/"), Some(Route::Scrape));
    for path in
        ["", "/", "///", "/announce.php", "/announcex", "/xannounce", "/announce/x", "announce"]
    {
        assert_eq!(Route::of(path.as_bytes()), None, "{path}");
    }
}

#[test]
fn decodes_the_query_of_a_transmission_client() {
    let announce = decode(&format!("{QUERY}&numwant=80&key=1f2e3d4c&compact=1&event=started"));
    assert_eq!(
        announce,
        Ok(Announce {
            info_hash: INFO_HASH,
            peer_id: PeerId(*b"-TR2940-k8hj0wgej6ch"),
            port: 51413,
            uploaded: 1,
            downloaded: 2,
            left: 3,
            event: Event::Started,
            numwant: Some(80),
            key: Some(0x1f2e_3d4c),
            ip: None,
            format: PeerFormat::Compact,
        })
    );
}

/// The torrent that real clients announced when their requests were recorded.
const RECORDED: InfoHash =
    InfoHash(*b"\xea\x42\x73\xaa\x7d\xa6\xcd\xc5\xd9\xc6\xee\x88\xdd\xe8\x3c\xbe\x09\xbe\xc8\xb2");

/// The head of a request, taken apart.
fn read_head<T>(head: &str, read: impl FnOnce(&Head<'_, '_>) -> T) -> T {
    assert_eq!(http_head::end(head.as_bytes(), 0), Some(head.len()));
    read(&Head::decode(head.as_bytes(), &mut no_fields::<16>()).unwrap())
}

/// Sent by aria2 1.36.0 over IPv6 for a torrent it has whole.
#[test]
fn decodes_the_request_of_aria2() {
    let head = [
        "GET /announce",
        "?info_hash=%EABs%AA%7D%A6%CD%C5%D9%C6%EE%88%DD%E8%3C%BE%09%BE%C8%B2", // in capitals
        "&peer_id=A2-1-36-0-%91%60%7F%B4%12%2C%BA%02%AF%AD",                   // bytes of any kind
        "&uploaded=0&downloaded=0&left=0&compact=1",
        "&key=%7F%B4%12%2C%BA%02%AF%AD", // the end of the peer id, not a number in hex
        "&numwant=50&no_peer_id=1&port=7200&event=started",
        "&supportcrypto=1", // not known to us
        " HTTP/1.1\r\n",    // keeps the connection for its next announce
        "User-Agent: aria2/1.36.0\r\n",
        "Accept: */*\r\n",
        "Host: [::1]:7001\r\n",
        "Want-Digest: SHA-512;q=1, SHA-256;q=1, SHA;q=0.1\r\n",
        "\r\n",
    ]
    .concat();
    let announce = read_head(&head, |head| {
        assert_eq!((head.method, head.has_body), (Method::Get, false));
        assert_eq!((head.keep_alive, head.accepts_gzip()), (true, false));
        assert_eq!(Route::of(head.path()), Some(Route::Announce));
        decode_announce(head.query())
    });
    assert_eq!(
        announce,
        Ok(Announce {
            info_hash: RECORDED,
            peer_id: PeerId(*b"A2-1-36-0-\x91\x60\x7f\xb4\x12\x2c\xba\x02\xaf\xad"),
            port: 7200,
            uploaded: 0,
            downloaded: 0,
            left: 0,
            event: Event::Started,
            numwant: Some(50),
            key: None,
            ip: None,
            format: PeerFormat::Compact,
        })
    );
}

/// Sent by libtorrent 2.0.8 over IPv6 for a torrent it has whole.
#[test]
fn decodes_the_request_of_libtorrent() {
    let head = [
        "GET /announce",
        "?info_hash=%eaBs%aa%7d%a6%cd%c5%d9%c6%ee%88%dd%e8%3c%be%09%be%c8%b2", // in small letters
        "&peer_id=-LT2080-I~dKCxR3xvm.",
        "&port=44149&uploaded=0&downloaded=0&left=0",
        "&corrupt=0", // not known to us
        "&key=3DED1F62&event=started&numwant=200&compact=1&no_peer_id=1",
        "&supportcrypto=1&redundant=0", // not known to us
        " HTTP/1.1\r\n",
        "Host: ::1:7001\r\n", // lacks its brackets
        "User-Agent: libtorrent/2.0.8.0\r\n",
        "Accept-Encoding: gzip\r\n",
        "Connection: close\r\n",
        "\r\n",
    ]
    .concat();
    let announce = read_head(&head, |head| {
        assert_eq!((head.method, head.has_body), (Method::Get, false));
        assert_eq!((head.keep_alive, head.accepts_gzip()), (false, true));
        assert_eq!(Route::of(head.path()), Some(Route::Announce));
        decode_announce(head.query())
    });
    assert_eq!(
        announce,
        Ok(Announce {
            info_hash: RECORDED,
            peer_id: PeerId(*b"-LT2080-I~dKCxR3xvm."),
            port: 44_149,
            uploaded: 0,
            downloaded: 0,
            left: 0,
            event: Event::Started,
            numwant: Some(200),
            key: Some(0x3ded_1f62),
            ip: None,
            format: PeerFormat::Compact,
        })
    );
}

#[test]
fn required_parameters_fail_each_with_its_own_reason() {
    for (name, reason) in [
        ("info_hash", "missing or invalid info_hash"),
        ("peer_id", "missing or invalid peer_id"),
        ("port", "missing port"),
        ("left", "missing left"),
    ] {
        assert_eq!(decode_with(name, ""), Err(Unreadable(reason)), "{name}");
        assert_eq!(decode_with(name, name), Err(Unreadable(reason)), "{name} without =");
    }
    assert_eq!(decode(""), Err(Unreadable("missing or invalid info_hash")));
}

#[test]
fn ids_are_exactly_twenty_bytes() {
    for length in [0, 19, 21, 40] {
        let id = "x".repeat(length);
        let announce = decode_with("info_hash", &format!("info_hash={id}"));
        assert_eq!(announce, Err(Unreadable("missing or invalid info_hash")));
        let announce = decode_with("peer_id", &format!("peer_id={id}"));
        assert_eq!(announce, Err(Unreadable("missing or invalid peer_id")));
    }
}

#[test]
fn ids_keep_plus_signs_raw_bytes_and_broken_escapes() {
    for (raw, bytes) in [
        (&b"++++++++++++++++++++"[..], b"++++++++++++++++++++"),
        (b"\xff\x80 aaaaaaaaaaaaaaaaa", b"\xff\x80 aaaaaaaaaaaaaaaaa"),
        (b"%zzaaaaaaaaaaaaaaaaa", b"%zzaaaaaaaaaaaaaaaaa"),
        (b"%00%ff%FFaaaaaaaaaaaaaaaaa", b"\0\xff\xffaaaaaaaaaaaaaaaaa"),
        (b"aaaaaaaaaaaaaaaaaaa%", b"aaaaaaaaaaaaaaaaaaa%"),
        (b"aaaaaaaaaaaaaaaaaa%4", b"aaaaaaaaaaaaaaaaaa%4"),
        (b"a=aaaaaaaaaaaaaaaaaa", b"a=aaaaaaaaaaaaaaaaaa"),
    ] {
        assert_eq!(exactly_twenty(raw), Some(*bytes), "{}", raw.escape_ascii());
    }
}

#[test]
fn port_is_from_1_to_65535() {
    for port in [1, 65_535] {
        assert_eq!(decode_with("port", &format!("port={port}")).unwrap().port, port);
    }
    for port in ["0", "65536", "70000", "-5", "99999999999999999999999999999999999999999999"] {
        let announce = decode_with("port", &format!("port={port}"));
        assert_eq!(announce, Err(Unreadable("invalid port")), "{port}");
    }
    for port in ["", "abc", "1.5", "0x10", "1_000", "--1", "1 2", "-"] {
        let announce = decode_with("port", &format!("port={port}"));
        assert_eq!(announce, Err(Unreadable("invalid numeric parameter")), "{port}");
    }
}

#[test]
fn stopped_may_come_with_port_zero_but_not_without_port() {
    assert_eq!(decode_with("port", "port=0&event=stopped").unwrap().port, 0);
    assert_eq!(decode_with("port", "event=stopped"), Err(Unreadable("missing port")));
}

#[test]
fn every_number_must_be_one() {
    for name in ["left", "uploaded", "downloaded", "numwant"] {
        for value in ["", "abc", "1.5", "%00"] {
            let announce = decode_with(name, &format!("{name}={value}"));
            assert_eq!(announce, Err(Unreadable("invalid numeric parameter")), "{name}={value}");
        }
        assert!(decode_with(name, &format!("{name}=+7%20")).is_ok(), "{name}");
    }
}

#[test]
fn left_of_zero_alone_makes_a_seeder() {
    for (left, is_seeder) in [("0", true), ("-0", true), ("1", false), ("-1", false)] {
        let announce = decode_with("left", &format!("left={left}")).unwrap();
        assert_eq!(announce.left == 0, is_seeder, "{left}");
    }
    let huge = decode_with("left", &format!("left={}", "9".repeat(300))).unwrap();
    assert_eq!(huge.left, u64::MAX);
}

#[test]
fn numwant_below_zero_leaves_the_choice_to_the_tracker() {
    for (numwant, read) in
        [("-1", None), ("-100", None), ("0", Some(0)), ("99999999999", Some(u32::MAX))]
    {
        assert_eq!(decode(&format!("{QUERY}&numwant={numwant}")).unwrap().numwant, read);
    }
}

#[test]
fn formats_need_their_exact_values() {
    for (parameters, format) in [
        ("", PeerFormat::Compact),
        ("&compact=1&no_peer_id=1", PeerFormat::Compact),
        ("&compact=", PeerFormat::Compact),
        ("&compact=00", PeerFormat::Compact),
        ("&compact=0", PeerFormat::Dictionaries),
        ("&compact=0&no_peer_id=0", PeerFormat::Dictionaries),
        ("&compact=0&no_peer_id=1", PeerFormat::DictionariesWithoutIds),
    ] {
        assert_eq!(decode(&format!("{QUERY}{parameters}")).unwrap().format, format, "{parameters}");
    }
}

#[test]
fn first_of_two_equal_names_counts_and_names_may_be_escaped() {
    let announce = decode(&format!("{QUERY}&port=1&left=0&%65vent=stopped")).unwrap();
    assert_eq!((announce.port, announce.left), (51413, 3));
    assert_eq!(announce.event, Event::Stopped);
}

#[test]
fn long_names_are_not_taken_for_the_short_ones_they_begin_with() {
    let announce = decode(&format!("no_peer_idx=1&infohash=1&downloadedx=7&{QUERY}&compact=0"));
    assert_eq!(announce.unwrap().format, PeerFormat::Dictionaries);
}

#[test]
fn ip_is_read_strictly() {
    for (ip, read) in [
        ("192.0.2.1", Some("192.0.2.1")),
        ("2001%3Adb8::1", Some("2001:db8::1")),
        ("192.0.2.1:80", None),
        ("foo bar", None),
        ("", None),
        (&"1".repeat(100), None),
    ] {
        let announce = decode(&format!("{QUERY}&ip={ip}")).unwrap();
        assert_eq!(announce.ip, read.map(|ip| ip.parse().unwrap()), "{ip}");
    }
}

#[test]
fn scrape_lists_every_hash_and_marks_wrong_ones() {
    let query = format!("info_hash={0}&x=1&info_hash=abc&info_hash={0}", "a".repeat(20));
    let a = Some(InfoHash([b'a'; 20]));
    assert_eq!(scrape_info_hashes(query.as_bytes()).collect::<Vec<_>>(), [a, None, a]);
}

fn reply<'a>(peers: &'a Peers, external_ip: &str) -> AnnounceReply<'a> {
    AnnounceReply {
        counts: Counts { seeders: 1, leechers: 0, paused: 0, completed: 0 },
        interval: 1800,
        min_interval: 60,
        external_ip: external_ip.parse().unwrap(),
        tracker_id: "Wildkat",
        warning: None,
        peers,
        format: PeerFormat::Compact,
        ipv4_mapped: false,
    }
}

fn encode(reply: AnnounceReply<'_>) -> String {
    let mut out = Vec::new();
    reply.encode(&mut out);
    out.escape_ascii().to_string()
}

fn one_of_each() -> Peers {
    Peers {
        v4: vec![[192, 0, 2, 1, 0x1a, 0xe1]],
        v6: vec![*b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\0\x50"],
        v4_ids: vec![PeerId([b'4'; 20])],
        v6_ids: vec![PeerId([b'6'; 20])],
    }
}

#[test]
fn first_announce_of_a_seeder_gets_the_known_body() {
    assert_eq!(
        encode(reply(&Peers::default(), "127.0.0.1")),
        "d8:completei1e10:downloadedi0e11:external ip4:\\x7f\\x00\\x00\\x0110:incompletei0e\
         8:intervali1800e12:min intervali60e5:peers0:10:tracker id7:Wildkate"
    );
}

#[test]
fn compact_reply_keeps_families_apart() {
    let peers = one_of_each();
    let text = encode(reply(&peers, "127.0.0.1"));
    assert!(
        text.contains("5:peers6:\\xc0\\x00\\x02\\x01\\x1a\\xe16:peers618: \\x01\\r\\xb8"),
        "{text}"
    );
    let text = encode(reply(&Peers::default(), "::1"));
    assert!(text.contains("5:peers0:6:peers60:10:tracker id"), "{text}");
}

#[test]
fn mapped_reply_puts_native_peers_first_and_leaves_peers_empty() {
    let peers = one_of_each();
    let text = encode(AnnounceReply { ipv4_mapped: true, ..reply(&peers, "::1") });
    let (_, tail) = text.split_once("5:peers0:6:peers636:").unwrap();
    assert!(tail.starts_with(" \\x01\\r\\xb8"), "{tail}");
    assert!(tail.contains("\\xff\\xff\\xc0\\x00\\x02\\x01\\x1a\\xe110:tracker id"), "{tail}");
}

#[test]
fn dictionary_reply_lists_all_families_the_clients_own_first() {
    let peers = one_of_each();
    let v4 = "d2:ip9:192.0.2.17:peer id20:444444444444444444444:porti6881ee";
    let v6 = "d2:ip11:2001:db8::27:peer id20:666666666666666666664:porti80ee";
    let format = PeerFormat::Dictionaries;
    let text = encode(AnnounceReply { format, ..reply(&peers, "127.0.0.1") });
    assert!(text.contains(&format!("5:peersl{v4}{v6}e10:tracker id")), "{text}");
    let text = encode(AnnounceReply { format, ..reply(&peers, "::1") });
    assert!(text.contains(&format!("5:peersl{v6}{v4}e10:tracker id")), "{text}");
    let without_ids = Peers { v4_ids: Vec::new(), v6_ids: Vec::new(), ..peers };
    let text = encode(AnnounceReply { format, ..reply(&without_ids, "127.0.0.1") });
    assert!(text.contains("d2:ip9:192.0.2.14:porti6881ee"), "{text}");
}

#[test]
fn warning_comes_last_and_an_empty_tracker_id_is_left_out() {
    let peers = Peers::default();
    let with = AnnounceReply { tracker_id: "", warning: Some("slow down"), ..reply(&peers, "::1") };
    let text = encode(with);
    assert!(text.ends_with("6:peers60:15:warning message9:slow downe"), "{text}");
}

#[test]
fn scrape_reply_has_the_keys_of_bep_48_and_21() {
    let mut out = Vec::new();
    let counts = Counts { seeders: 4, leechers: 3, paused: 1, completed: 2 };
    write_scrape_reply(&mut out, &[(InfoHash([b'a'; 20]), counts)], 60);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "d5:filesd20:aaaaaaaaaaaaaaaaaaaad8:completei4e10:downloadedi2e11:downloadersi2e\
         10:incompletei3eee5:flagsd20:min_request_intervali60eee"
    );
}

#[test]
fn failure_says_when_to_come_again() {
    let mut out = Vec::new();
    write_failure(&mut out, "no", RetryIn::Never);
    write_failure(&mut out, "wait", RetryIn::Minutes(5));
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "d14:failure reason2:no8:retry in5:nevered14:failure reason4:wait8:retry ini5ee"
    );
}

proptest! {
    #[test]
    fn arbitrary_queries_never_panic(query: Vec<u8>) {
        fuzzing::check(&query);
    }

    #[test]
    fn announce_queries_round_trip(hash: [u8; 20], id: [u8; 20], port in 1u16.., numbers: [u64; 3],
                                   key: Option<u32>, ip: Option<IpAddr>) {
        let announce = Announce {
            info_hash: InfoHash(hash),
            peer_id: PeerId(id),
            port,
            uploaded: numbers[0],
            downloaded: numbers[1],
            left: numbers[2],
            event: Event::Paused,
            numwant: None,
            key,
            ip,
            format: PeerFormat::DictionariesWithoutIds,
        };
        let mut query = Vec::new();
        encode_announce(&announce, &mut query);
        prop_assert_eq!(decode_announce(&query), Ok(announce));
    }
}
