//! D.2: what an HTTP tracker may reply, and what is made of it.

use std::io::Write;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::query::failure::Kind::{Connect, Http, Malformed, Refused, Timeout};

const PEERS: &[u8] = b"d8:completei2e10:incompletei1e8:intervali1800e5:peers12:\
      \x08\x08\x08\x08\x1a\xe1\x08\x08\x04\x04\x1a\xe1e";

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// A body in a 200, and what is to come of it: the kind of failure, and findings among others.
type Vector<'a> = (&'a str, Vec<u8>, Option<Kind>, &'a [&'a str]);

fn check_body(vectors: &[Vector<'_>]) {
    for (name, body, expected, findings) in vectors {
        check_reply(name, ok(body), *expected, findings);
    }
}

fn check_reply(name: &str, bytes: Vec<u8>, expected: Option<Kind>, findings: &[&str]) -> Report {
    let report = ask(&Mock::saying(bytes).announce_url(), &announce());
    assert_eq!(kind(&report), expected, "{name}: {:?}", report.failure);
    for id in findings {
        assert!(finding_ids(&report).contains(id), "{name}: {id} in {:?}", report.findings);
    }
    assert!(report.failure.as_ref().is_none_or(|failure| !failure.message.is_empty()), "{name}");
    report
}

#[test]
fn d2_normal_replies_are_read_however_they_are_sent() {
    let chunked = [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
        format!("{:x}\r\n", PEERS.len()).into_bytes(),
        PEERS.to_vec(),
        b"\r\n0\r\n\r\n".to_vec(),
    ]
    .concat();
    for (name, bytes, ids) in [
        ("compact", ok(PEERS), &[][..]),
        ("gzip", reply("200 OK", "Content-Encoding: gzip\r\n", gzip(PEERS)), &[]),
        ("x-gzip", reply("200 OK", "Content-Encoding: x-gzip\r\n", gzip(PEERS)), &[]),
        ("gzip without header", ok(gzip(PEERS)), &["content-encoding"]),
        ("chunked", chunked, &[]),
        ("HTTP/1.0", [b"HTTP/1.0 200 OK\r\n\r\n", PEERS].concat(), &[]),
    ] {
        let report = check_reply(name, bytes, None, ids);
        let answer = report.announced().unwrap();
        assert_eq!(
            (answer.seeders, answer.leechers, answer.interval),
            (Some(2), Some(1), Some(1800))
        );
        assert_eq!((answer.peers_v4, answer.bytes_v4, answer.peers_v6), (2, 12, 0), "{name}");
        assert_eq!(answer.peers[0].ip.to_string(), "8.8.8.8");
        assert_eq!(finding_ids(&report), ids, "{name}");
    }
}

#[test]
fn d2_encodings_that_are_broken_or_unasked_are_malformed() {
    let cut = gzip(PEERS);
    for (name, field, body) in [
        ("plain under gzip", "Content-Encoding: gzip\r\n", PEERS.to_vec()),
        ("cut gzip", "Content-Encoding: gzip\r\n", cut[..cut.len() - 9].to_vec()),
        ("deflate", "Content-Encoding: deflate\r\n", PEERS.to_vec()),
    ] {
        check_reply(name, reply("200 OK", field, body), Some(Malformed), &[]);
    }
}

#[test]
fn d2_failures_are_refusals() {
    check_body(&[
        ("reason", b"d14:failure reason4:nopee".into(), Some(Refused), &[]),
        (
            "with other keys",
            b"d14:failure reason4:nope5:peers0:e".into(),
            Some(Refused),
            &["failure-with-data"],
        ),
        ("empty", b"d14:failure reason0:8:intervali60ee".into(), None, &["failure-empty"]),
        ("integer", b"d14:failure reasoni1ee".into(), Some(Malformed), &[]),
    ]);
    let bytes = reply("400 Bad Request", "", b"d14:failure reason4:nopee");
    let report = check_reply("in a 400", bytes, Some(Refused), &["http-status"]);
    assert_eq!(report.failure_reason(), Some("nope"));
    let escape = b"d14:failure reason8:\x1b[31mredee";
    let report = check_reply("escapes", ok(escape), Some(Refused), &[]);
    assert!(!report.failure.unwrap().message.contains('\x1b'));
}

#[test]
fn d2_odd_fields_are_findings() {
    check_body(&[
        ("only peers", b"d5:peers0:e".into(), None, &["interval-missing", "field-missing"]),
        ("interval as text", b"d8:interval4:1800e".into(), None, &["field-type"]),
        ("interval 0", b"d8:intervali0ee".into(), None, &["interval-zero"]),
        ("interval 5", b"d8:intervali5ee".into(), None, &["interval-extreme"]),
        ("min above", b"d8:intervali60e12:min intervali90ee".into(), None, &["min-over-interval"]),
        (
            "13 bytes",
            b"d5:peers13:\x08\x08\x08\x08\x1a\xe1\x08\x08\x08\x08\x1a\xe2xe".into(),
            None,
            &["peers-length"],
        ),
        ("negative", b"d8:completei-1e10:incompletei1ee".into(), None, &["counts-implausible"]),
        (
            "twice",
            b"d5:peers12:\x08\x08\x08\x08\x1a\xe1\x08\x08\x08\x08\x1a\xe1e".into(),
            None,
            &["peer-duplicate"],
        ),
        ("port 0", b"d5:peers6:\x08\x08\x08\x08\0\0e".into(), None, &["peer-bogus"]),
        ("itself", b"d5:peers6:\x7f\0\0\x01\x1a\xe1e".into(), None, &["self-returned"]),
        ("trailing", b"d8:intervali60eetail".into(), None, &["bencode-trailing"]),
        ("unsorted", b"d8:intervali60e8:completei1ee".into(), None, &["bencode-unsorted"]),
        ("duplicate", b"d8:intervali1e8:intervali60ee".into(), None, &["bencode-duplicate-key"]),
        ("zeros", b"d8:intervali0060ee".into(), None, &["bencode-leading-zero"]),
    ]);
}

#[test]
fn d2_external_ip_is_shown_in_every_form() {
    for (body, shown, is_odd) in [
        (&b"d11:external ip4:\x08\x08\x08\x08e"[..], Some("8.8.8.8"), false),
        (
            b"d11:external ip16:\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01e",
            Some("2001:db8::1"),
            false,
        ),
        (b"d11:external ip7:8.8.8.8e", Some("8.8.8.8"), true),
        (b"d11:external ipi5ee", None, true),
    ] {
        let report = check_reply("external ip", ok(body), None, &[]);
        assert_eq!(report.announced().unwrap().external_ip.as_deref(), shown);
        assert_eq!(finding_ids(&report).contains(&"external-ip-format"), is_odd);
    }
}

#[test]
fn d2_dictionaries_are_counted_by_family() {
    let body = b"d5:peersld2:ip7:8.8.8.84:porti1ee\
        d2:ip11:2600::1:1:17:peer id20:-qB5140-abcdefghijkl4:porti2ee\
        d2:ip4:host4:porti3eeee";
    let report = check_reply(
        "dict",
        ok(body),
        None,
        &["compact-ignored", "peer-id-sent", "peer-unreadable"],
    );
    let answer = report.announced().unwrap();
    assert_eq!((answer.peers_v4, answer.peers_v6, answer.bytes_v4), (1, 1, 0));
    assert_eq!(answer.peers[0].kind(), "dict");
    assert!(answer.peers[1].peer_id.is_some());
}

#[test]
fn d2_mapped_addresses_are_named_and_too_many_peers_told() {
    let mut mapped = b"d6:peers618:".to_vec();
    mapped.extend([0; 10]);
    mapped.extend([0xff, 0xff, 8, 8, 8, 8, 0x1a, 0xe1, b'e']);
    let report = check_reply("mapped", ok(mapped), None, &["ipv4-mapped"]);
    assert_eq!(report.announced().unwrap().peers[0].kind(), "ipv4-mapped");

    let mut many = b"d5:peers480:".to_vec();
    (0..80_u8).for_each(|i| many.extend([8, 8, 8, i, 0x1a, 0xe1]));
    many.push(b'e');
    check_reply("80 peers", ok(&many), None, &["numwant-exceeded"]);
    let none = Announce { numwant: 0, ..Announce::of(HASH) };
    let report = ask(&Mock::saying(ok(&many)).announce_url(), &Question::Announce(none));
    assert!(finding_ids(&report).contains(&"numwant-zero"));
    let choice = Announce { numwant: -1, ..Announce::of(HASH) };
    let report = ask(&Mock::saying(ok(&many)).announce_url(), &Question::Announce(choice));
    assert!(!finding_ids(&report).contains(&"numwant-exceeded"));
}

#[test]
fn d2_ipv6_connection_without_peers6_is_a_finding() {
    let answer = |_: &str, _, stream: &mut TcpStream| drop(stream.write_all(&ok(PEERS)));
    let mock = Mock::with("::1".parse().unwrap(), answer);
    let report = ask(&mock.announce_url(), &announce());
    assert!(finding_ids(&report).contains(&"ipv6-no-peers6"), "{:?}", report.findings);
}

#[test]
fn d2_statuses_are_failures_of_http() {
    for status in ["202 Accepted", "204 No Content", "404 Not Found", "500 Oops"] {
        let body = if status.starts_with("204") { "" } else { "hello" };
        let report = check_reply(status, reply(status, "", body), Some(Http), &[]);
        assert!(report.failure.unwrap().message.contains(&status[..3]), "{status}");
    }
}

#[test]
fn d2_redirects_are_followed_and_told() {
    let target = Mock::saying(ok(PEERS));
    let url = target.announce_url();
    for location in [url.as_str(), "/elsewhere"] {
        let location = location.to_owned();
        let mock = Mock::with([127, 0, 0, 1].into(), move |target, _, stream| {
            let bytes = match target {
                "/elsewhere" => ok(PEERS),
                _ => reply("302 Found", &format!("Location: {location}\r\n"), ""),
            };
            drop(stream.write_all(&bytes));
        });
        let report = ask(&mock.announce_url(), &announce());
        assert_eq!(kind(&report), None, "{:?}", report.failure);
        assert_eq!(report.trace.http.as_ref().unwrap().redirects.len(), 1);
        let ids = finding_ids(&report);
        assert!(ids.contains(&"redirected") && ids.contains(&"redirect-params-lost"), "{ids:?}");
    }
}

#[test]
fn d2_redirects_to_nowhere_are_failures_of_http() {
    for (name, field) in [
        ("to udp", "Location: udp://127.0.0.1:1\r\n"),
        ("without Location", ""),
        ("to itself", "Location: /announce\r\n"),
        ("to a file", "Location: file:///etc/passwd\r\n"),
    ] {
        check_reply(name, reply("302 Found", field, ""), Some(Http), &[]);
    }
    let mock = Mock::saying(reply("302 Found", "Location: /announce\r\n", ""));
    let report = ask(&mock.announce_url(), &announce());
    assert_eq!(mock.asked.load(Ordering::SeqCst), 6, "the first request and five redirects");
    assert!(report.failure.unwrap().message.contains("too many redirects (5)"));
}

#[test]
fn d2_bodies_that_are_no_reply_are_malformed() {
    let nested = [vec![b'l'; 5_000], vec![b'e'; 5_000]].concat();
    check_body(&[
        ("HTML", b"<html>".into(), Some(Malformed), &[]),
        ("list", b"le".into(), Some(Malformed), &[]),
        ("integer", b"i1e".into(), Some(Malformed), &[]),
        ("empty", b"".into(), Some(Malformed), &[]),
        ("cut", b"d8:interval".into(), Some(Malformed), &[]),
        ("nested", nested, Some(Malformed), &[]),
        ("long string", b"999:abc".into(), Some(Malformed), &[]),
    ]);
    check_reply("short", [&ok(PEERS)[..60]].concat(), Some(Malformed), &[]);
    check_reply("no HTTP", b"\x16\x03\x01garbage\r\n\r\n".into(), Some(Malformed), &[]);
    check_reply("closed at once", Vec::new(), Some(Connect), &[]);
    let head = format!("HTTP/1.1 200 OK\r\nX-Long: {}\r\n\r\n", "x".repeat(200_000));
    check_reply("endless head", head.into_bytes(), Some(Malformed), &[]);
}

#[test]
fn d2_bombs_and_floods_end_at_their_limit() {
    let bomb = gzip(&vec![b'0'; 40 << 20]);
    assert!(bomb.len() < 1 << 20);
    let bomb = reply("200 OK", "Content-Encoding: gzip\r\n", bomb);
    let report = ask_with(
        Settings { timeout: Duration::from_secs(20), ..hasty() },
        &Mock::saying(bomb).announce_url(),
        &announce(),
    );
    assert_eq!(kind(&report), Some(Malformed));
    assert!(report.failure.unwrap().message.contains("--max-body"));

    let flood = Mock::with([127, 0, 0, 1].into(), |_, _, stream| {
        drop(stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n"));
        while stream.write_all(&vec![b'0'; 65_536]).is_ok() {}
    });
    let mut settings = Settings { timeout: Duration::from_secs(20), ..hasty() };
    settings.http.body_max = 1 << 20;
    let report = ask_with(settings, &flood.announce_url(), &announce());
    assert_eq!(kind(&report), Some(Malformed));
    assert!(report.trace.http.unwrap().body_sent <= 1 << 20);
}

#[test]
fn d2_silence_and_dripping_end_in_time() {
    let silent = Mock::with([127, 0, 0, 1].into(), |_, _, _| {
        std::thread::sleep(Duration::from_secs(14));
    });
    let dripping = Mock::with([127, 0, 0, 1].into(), |_, _, stream| {
        drop(stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nd"));
        while stream.write_all(b"0").is_ok() {
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let slow_head = Mock::with([127, 0, 0, 1].into(), |_, _, stream| {
        while stream.write_all(b"H").is_ok() {
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    for (mock, step) in [(silent, "headers"), (dripping, "body"), (slow_head, "headers")] {
        let begun = Instant::now();
        let report = ask(&mock.announce_url(), &announce());
        assert!(begun.elapsed() < Duration::from_secs(3), "{step}");
        // A head that is no HTTP may be seen as such before the time is over.
        let failure = report.failure.unwrap();
        assert!([Timeout, Malformed].contains(&failure.kind), "{step}: {failure}");
        assert_eq!(failure.step, step);
    }
}

#[test]
fn scrape_is_split_and_put_together_and_shrinks_when_refused() {
    let mock = Mock::with([127, 0, 0, 1].into(), |target, _, stream| {
        let hashes: Vec<[u8; 20]> =
            crate::protocol::http::scrape_info_hashes(target.split('?').nth(1).unwrap().as_bytes())
                .map(|hash| hash.unwrap().0)
                .collect();
        let bytes = if hashes.len() > 10 {
            ok(b"d14:failure reason28:too many info_hashes, max 10e")
        } else {
            let mut body = b"d5:filesd".to_vec();
            for hash in &hashes {
                body.extend([b"20:", &hash[..], b"d8:completei1e10:incompletei2ee"].concat());
            }
            body.extend(b"ee");
            ok(body)
        };
        drop(stream.write_all(&bytes));
    });
    let hashes: Vec<InfoHash> = (0..60_u8).map(|i| InfoHash([i; 20])).collect();
    let report = ask(&mock.announce_url(), &Question::Scrape(Scrape::of(hashes)));
    assert_eq!(kind(&report), None, "{:?}", report.failure);
    let answer = report.scraped().unwrap();
    assert_eq!((answer.torrents.len(), answer.missing.len()), (60, 0));
}

#[test]
fn scrape_tells_what_is_missing_and_what_came_unasked() {
    let body = b"d5:filesd20:bbbbbbbbbbbbbbbbbbbbd8:completei1eeee";
    let report = ask(&Mock::saying(ok(body)).announce_url(), &scrape());
    assert_eq!(kind(&report), None);
    let ids = finding_ids(&report);
    assert!(ids.contains(&"scrape-missing") && ids.contains(&"scrape-unrequested"), "{ids:?}");
}

#[test]
fn who_asks_for_strangers_reaches_public_addresses_alone() {
    let mock = Mock::saying(ok(PEERS));
    let reach = crate::query::question::Reach::PublicOnly;
    let report = ask_with(Settings { reach, ..hasty() }, &mock.announce_url(), &announce());
    assert_eq!(kind(&report), Some(Kind::Failed));
    assert_eq!(mock.asked.load(Ordering::SeqCst), 0);
}

#[test]
fn d2_trackers_that_go_on_without_end_are_left_in_time_and_within_memory() {
    let endless_fields = |_: &str, _, stream: &mut TcpStream| {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\n"));
        while stream.write_all(b"X-More: and more\r\n").is_ok() {}
    };
    let endless_chunks = |_: &str, _, stream: &mut TcpStream| {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"));
        while stream.write_all(format!("8000\r\n{}\r\n", "0".repeat(0x8000)).as_bytes()).is_ok() {}
    };
    let endless_gzip = |_: &str, _, stream: &mut TcpStream| {
        drop(stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Encoding: gzip\r\n\r\n"));
        let member = gzip(&vec![b'0'; 1 << 20]);
        while stream.write_all(&member).is_ok() {}
    };
    let endless_interim = |_: &str, _, stream: &mut TcpStream| {
        while stream.write_all(b"HTTP/1.1 103 Early Hints\r\n\r\n").is_ok() {}
    };
    let huge_length = |_: &str, _, stream: &mut TcpStream| {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\nd"));
        std::thread::sleep(Duration::from_secs(5));
    };
    let ip = IpAddr::from([127, 0, 0, 1]);
    for (name, mock) in [
        ("fields", Mock::with(ip, endless_fields)),
        ("chunks", Mock::with(ip, endless_chunks)),
        ("gzip", Mock::with(ip, endless_gzip)),
        ("interim replies", Mock::with(ip, endless_interim)),
        ("a huge length", Mock::with(ip, huge_length)),
    ] {
        let mut settings = Settings { timeout: Duration::from_secs(4), ..hasty() };
        settings.http.body_max = 4 << 20;
        let begun = Instant::now();
        let report = ask_with(settings, &mock.announce_url(), &announce());
        let failure = report.failure.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(6), "{name}");
        assert!([Malformed, Timeout].contains(&failure.kind), "{name}: {failure}");
        let seen = report.trace.http.unwrap();
        assert!(seen.body_sent <= 4 << 20 && seen.body_len <= 4 << 20, "{name}");
    }
}

#[test]
fn d2_redirects_round_in_rings_and_over_many_hosts_end() {
    let hops = Arc::new(AtomicUsize::new(0));
    let seen = hops.clone();
    let ring = Mock::with([127, 0, 0, 1].into(), move |_, count, stream| {
        seen.fetch_add(1, Ordering::SeqCst);
        let host = if count % 2 == 0 { "localhost" } else { "127.0.0.1" };
        let port = stream.local_addr().unwrap().port();
        let field = format!("Location: http://{host}:{port}/{count}/announce\r\n");
        drop(stream.write_all(&reply("308 Elsewhere", &field, "")));
    });
    let report = ask(&ring.announce_url(), &announce());
    let failure = report.failure.as_ref().unwrap();
    assert_eq!(failure.kind, Http, "{failure}");
    assert!(failure.message.contains("too many redirects (5)"), "{failure}");
    assert_eq!(hops.load(Ordering::SeqCst), 6);
    assert!(finding_ids(&report).contains(&"redirect-cross-host"));
    assert_eq!(report.trace.http.unwrap().redirects.len(), 5);
}

#[test]
fn body_that_makes_no_sense_is_kept_in_part_to_be_shown() {
    let report = ask(&Mock::saying(ok("<html>".repeat(1_000))).announce_url(), &announce());
    assert_eq!(kind(&report), Some(Malformed));
    assert_eq!(report.trace.body.len(), crate::limits::query::BODY_SHOWN);
    let fields = report.trace.http.unwrap();
    assert!(fields.sent_fields.iter().any(|field| field.starts_with("user-agent: ")));
    assert!(fields.fields.iter().any(|field| field == "content-length: 6000"));
}

#[test]
fn what_lets_us_in_stays_with_the_tracker_and_is_not_told() {
    let heard = Arc::new(std::sync::Mutex::new(String::new()));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let ears = heard.clone();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut bytes = [0; 4_096];
        let length = stream.read(&mut bytes).unwrap();
        ears.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..length]));
        stream.write_all(&ok(PEERS)).unwrap();
    });
    let field = format!("Location: http://localhost:{port}/announce\r\n");
    let mock = Mock::saying(reply("302 Found", &field, ""));
    let mut settings = Settings { timeout: Duration::from_secs(5), ..hasty() };
    let header = |name: &str| (name.to_owned(), "swordfish".to_owned());
    settings.http.headers = vec![header("Authorization"), header("Cookie"), header("X-Mine")];
    let report = ask_with(settings, &mock.announce_url(), &announce());
    assert_eq!(kind(&report), None, "{:?}", report.failure);
    let heard = heard.lock().unwrap().to_ascii_lowercase();
    assert!(heard.contains("x-mine: swordfish"), "{heard}");
    assert!(!heard.contains("authorization") && !heard.contains("cookie"), "{heard}");
}
