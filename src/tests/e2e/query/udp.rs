//! D.3: what a UDP tracker may do, and what is made of it.

use std::net::UdpSocket;
use std::time::Instant;

use super::*;
use crate::protocol::udp::{self, Request};
use crate::query::failure::Kind::{Connect, Refused, Timeout};

/// What a mock does with one datagram: told its request and how many came before, it sends
/// packets by the function it is given.
type Behaviour = fn(&Request<'_>, usize, &dyn Fn(&[u8]));

/// A tracker at `ip` that behaves so, until its test ends.
fn mock(ip: &str, behaviour: Behaviour) -> String {
    let ip: IpAddr = ip.parse().unwrap();
    let socket = UdpSocket::bind((ip, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut packet = vec![0; 65_535];
        for count in 0.. {
            let Ok((length, from)) = socket.recv_from(&mut packet) else { return };
            let request = Request::decode(&packet[..length]).unwrap();
            behaviour(&request, count, &|reply| drop(socket.send_to(reply, from)));
        }
    });
    format!("udp://{address}/announce")
}

fn transaction_id(request: &Request<'_>) -> u32 {
    match request {
        Request::Connect { transaction_id } => *transaction_id,
        Request::Announce { header, .. } | Request::Scrape { header, .. } => header.transaction_id,
    }
}

/// A reply made by one of the server's own writers.
fn packet(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}

/// The reply of a good tracker, with `peers` behind it.
fn good(request: &Request<'_>, peers: &[u8]) -> Vec<u8> {
    let id = transaction_id(request);
    let counts =
        crate::protocol::announce::Counts { seeders: 3, leechers: 4, ..Default::default() };
    packet(|out| match request {
        Request::Connect { .. } => udp::write_connect_reply(out, id, 7),
        Request::Announce { .. } => {
            udp::write_announce_reply(out, id, 1800, counts);
            out.extend_from_slice(peers);
        }
        Request::Scrape { info_hashes, .. } => {
            udp::write_scrape_reply(out, id);
            info_hashes.iter().for_each(|_| udp::write_scrape_entry(out, counts));
        }
    })
}

fn is_connect(request: &Request<'_>) -> bool {
    matches!(request, Request::Connect { .. })
}

fn error(request: &Request<'_>, text: &str) -> Vec<u8> {
    packet(|out| udp::write_error(out, transaction_id(request), text))
}

#[test]
fn d3_normal_replies_are_read() {
    let none = mock("127.0.0.1", |request, _, send| send(&good(request, b"")));
    let report = ask(&none, &announce());
    assert_eq!(kind(&report), None);
    let answer = report.announced().unwrap();
    let figures = (answer.interval, answer.seeders, answer.leechers, answer.min_interval);
    assert_eq!(figures, (Some(1800), Some(3), Some(4), None));
    assert_eq!(finding_ids(&report), [""; 0]);

    let many = mock("127.0.0.1", |request, _, send| {
        let peers: Vec<u8> = (0..50_u8).flat_map(|i| [8, 8, 8, i, 0x1a, 0xe1]).collect();
        send(&good(request, &peers));
    });
    let report = ask(&many, &announce());
    assert_eq!(report.announced().unwrap().peers_v4, 50);
}

#[test]
fn d3_numwant_minus_one_leaves_the_choice_to_the_tracker() {
    let url = mock("127.0.0.1", |request, _, send| {
        if let Request::Announce { announce, .. } = request {
            assert_eq!(announce.numwant, None);
        }
        send(&good(request, b""));
    });
    let ask_minus_one = Announce { numwant: -1, ..Announce::of(HASH) };
    assert_eq!(kind(&ask(&url, &Question::Announce(ask_minus_one))), None);
}

#[test]
fn d3_silence_ends_in_time_after_retransmissions() {
    let deaf = mock("127.0.0.1", |_, _, _| {});
    let half_deaf = mock("127.0.0.1", |request, _, send| {
        if is_connect(request) {
            send(&good(request, b""));
        }
    });
    for (url, step) in [(deaf, "connect"), (half_deaf, "announce")] {
        let begun = Instant::now();
        let report = ask(&url, &announce());
        assert!(begun.elapsed() < Duration::from_secs(3));
        assert_eq!((kind(&report), report.failure.unwrap().step), (Some(Timeout), step));
        // At 0, 150, 450 and, of a second, no later: 1,050 ms is past the end.
        assert_eq!(report.trace.udp.unwrap().retransmits, 2, "{step}");
    }
}

#[test]
fn d3_lost_datagrams_are_sent_again() {
    let url = mock("127.0.0.1", |request, count, send| {
        if count != 0 {
            send(&good(request, b""));
        }
    });
    let report = ask(&url, &announce());
    assert_eq!((kind(&report), report.trace.udp.unwrap().retransmits), (None, 1));
    assert!(finding_ids(&report).contains(&"udp-slow-start"));
}

#[test]
fn d3_closed_port_is_told_at_once() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let url = format!("udp://{}", socket.local_addr().unwrap());
    drop(socket);
    let begun = Instant::now();
    let report = ask(&url, &announce());
    assert_eq!(kind(&report), Some(Connect));
    assert!(begun.elapsed() < Duration::from_millis(500));
}

#[test]
fn d3_errors_are_refusals_with_their_text() {
    let at_connect_long =
        mock("127.0.0.1", |r, _, send| send(&error(r, "come again another day!!")));
    let at_connect_short = mock("127.0.0.1", |r, _, send| send(&error(r, "no")));
    let at_announce_long = mock("127.0.0.1", |r, _, send| {
        send(&if is_connect(r) { good(r, b"") } else { error(r, "torrent not registered") });
    });
    let at_announce_short = mock("127.0.0.1", |r, _, send| {
        send(&if is_connect(r) { good(r, b"") } else { error(r, "no\0\0") });
    });
    for (url, text) in [
        (at_connect_long, "come again another day!!"),
        (at_connect_short, "no"),
        (at_announce_long, "torrent not registered"),
        (at_announce_short, "no"),
    ] {
        let report = ask(&url, &announce());
        assert_eq!((kind(&report), report.failure_reason()), (Some(Refused), Some(text)));
    }
}

#[test]
fn d3_datagrams_that_are_no_answer_are_strays() {
    let wrong_id = mock("127.0.0.1", |r, _, send| {
        let mut wrong = good(r, b"");
        wrong[4] ^= 0xff;
        send(&wrong);
        send(&good(r, b""));
    });
    let foreign = mock("127.0.0.1", |r, count, send| {
        send(b"hi");
        send(&[&[0, 0, 0, 9], &transaction_id(r).to_be_bytes()[..], &[count as u8; 8]].concat());
        send(&good(r, b""));
    });
    for (url, strays) in [(wrong_id, 2), (foreign, 4)] {
        let report = ask(&url, &announce());
        assert_eq!((kind(&report), report.trace.udp.unwrap().strays), (None, strays));
        assert!(finding_ids(&report).contains(&"udp-stray"));
    }
    let wrong_action = mock("127.0.0.1", |r, _, send| {
        send(&packet(|out| udp::write_scrape_reply(out, transaction_id(r))));
    });
    let report = ask(&wrong_action, &announce());
    assert_eq!(kind(&report), Some(Timeout));
    assert!(report.failure.unwrap().message.contains("of no use"));
}

#[test]
fn d3_packets_from_another_port_are_not_heard() {
    let [right, other] = [(), ()].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    let url = format!("udp://{}", right.local_addr().unwrap());
    other.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let tracker = std::thread::spawn(move || {
        let mut packet = [0; 2_048];
        let mut refused = 0;
        for _ in 0..2 {
            let (length, from) = right.recv_from(&mut packet).unwrap();
            let request = Request::decode(&packet[..length]).unwrap();
            other.connect(from).unwrap();
            other.send(&error(&request, "from elsewhere")).unwrap();
            // A connected socket is nobody's to other ends, and the system tells them so.
            let heard = other.recv(&mut [0; 16]).unwrap_err();
            refused += u32::from(heard.kind() == std::io::ErrorKind::ConnectionRefused);
            right.send_to(&good(&request, b""), from).unwrap();
        }
        refused
    });
    let report = ask(&url, &announce());
    assert_eq!(kind(&report), None, "{:?}", report.failure);
    let seen = report.trace.udp.unwrap();
    assert_eq!((seen.received, seen.strays, tracker.join().unwrap()), (2, 0, 2));
}

#[test]
fn d3_peers_are_read_by_the_family_of_the_socket() {
    let cases: [(&str, Behaviour, usize, usize, Option<&str>); 6] = [
        ("127.0.0.1", |r, _, send| send(&good(r, &[8; 7])), 1, 0, Some("peers-length")),
        (
            "::1",
            |r, _, send| {
                let peer = b"\x26\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x1a\xe1";
                send(&good(r, &peer.repeat(2)[..18]));
            },
            0,
            1,
            None,
        ),
        (
            "::1",
            |r, _, send| {
                send(&good(r, b"\0\0\0\0\0\0\0\0\0\0\xff\xff\x08\x08\x08\x08\x1a\xe1"));
            },
            0,
            1,
            Some("ipv4-mapped"),
        ),
        ("::1", |r, _, send| send(&good(r, &[8; 12])), 2, 0, Some("udp-family-mismatch")),
        ("::1", |r, _, send| send(&good(r, &[8; 7])), 0, 0, Some("peers-length")),
        ("::1", |r, _, send| send(&good(r, &[9; 36])), 0, 2, Some("udp-family-mismatch")),
    ];
    for (ip, behaviour, v4, v6, finding) in cases {
        let report = ask(&mock(ip, behaviour), &announce());
        let answer = report.announced().unwrap();
        assert_eq!((answer.peers_v4, answer.peers_v6), (v4, v6), "{finding:?}");
        let ids = finding_ids(&report);
        assert!(finding.is_none_or(|id| ids.contains(&id)), "{finding:?}: {ids:?}");
    }
}

#[test]
fn d3_scrapes_of_1_74_and_75_hashes() {
    for (count, packets) in [(1_u8, 1), (74, 1), (75, 2)] {
        let url = mock("127.0.0.1", |r, _, send| send(&good(r, b"")));
        let hashes = (0..count).map(|i| InfoHash([i; 20])).collect();
        let report = ask(&url, &Question::Scrape(Scrape::of(hashes)));
        let answer = report.scraped().unwrap();
        assert_eq!((answer.torrents.len(), answer.scrape_url.as_ref()), (count.into(), None));
        assert_eq!(answer.torrents[0].seeders, Some(3));
        assert_eq!(report.trace.udp.unwrap().sent, 1 + packets);
    }
    let url = mock("127.0.0.1", |r, _, send| send(&good(r, b"")));
    let full = ask(&url, &Question::Scrape(Scrape::of(vec![])));
    assert_eq!(kind(&full), Some(Kind::Unsupported));
}

#[test]
fn connection_id_that_is_not_liked_is_fetched_anew() {
    let url = mock("127.0.0.1", |r, count, send| {
        let is_first = count == 1;
        send(&if is_first { error(r, "connection ID not recognized") } else { good(r, b"") });
    });
    let report = ask(&url, &announce());
    assert_eq!((kind(&report), report.trace.udp.unwrap().sent), (None, 4));
}

#[test]
fn passkey_of_a_udp_url_goes_along_as_options() {
    let url = mock("127.0.0.1", |r, _, send| {
        if let Request::Announce { options, .. } = r {
            let mut url = Vec::new();
            assert!(udp::url_data(options, &mut url));
            assert_eq!(url, b"/announce?passkey=swordfish");
        }
        send(&good(r, b""));
    });
    let report = ask(&format!("{url}?passkey=swordfish"), &announce());
    assert_eq!(kind(&report), None, "{:?}", report.failure);
}

#[test]
fn connection_id_is_not_used_for_longer_than_it_is_good() {
    // Deaf to every announce; under a clock that is ahead, 15 s, 30 s and 60 s pass at once.
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let url = format!("udp://{}", socket.local_addr().unwrap());
    let heard = seen.clone();
    std::thread::spawn(move || {
        let mut packet = [0; 2_048];
        while let Ok((length, from)) = socket.recv_from(&mut packet) {
            let request = Request::decode(&packet[..length]).unwrap();
            heard.lock().unwrap().push(is_connect(&request));
            if is_connect(&request) {
                drop(socket.send_to(&good(&request, b""), from));
            }
        }
    });
    let mut settings = Settings { timeout: Duration::from_secs(200), ..hasty() };
    settings.udp.wait = crate::limits::query::UDP_WAIT_BEP_15;
    settings.udp.sends_max = 4;
    let client = Client::new(settings).unwrap();
    let target = Target::parse(&url).unwrap();
    let report = runtime().block_on(async {
        let (question, identity) = (announce(), Identity::own());
        let asked = client.ask(&target, &question, &identity);
        let hurry = async {
            loop {
                // What is under way on the socket comes first.
                std::thread::sleep(Duration::from_millis(20));
                tokio::task::yield_now().await;
                tokio::time::pause();
                tokio::time::advance(Duration::from_secs(5)).await;
                tokio::time::resume();
            }
        };
        tokio::select! { report = asked => report, () = hurry => unreachable!() }
    });
    assert_eq!(kind(&report), Some(Timeout), "{:?}", report.failure);
    let seen = seen.lock().unwrap().clone();
    // Sent at 0, 15 and 45 s, and at 105 s under an id of its own.
    assert_eq!(seen, [true, false, false, false, true, false]);
}

#[test]
fn bytes_of_datagrams_are_kept_for_who_wants_to_see_them() {
    let url = mock("127.0.0.1", |r, _, send| send(&good(r, b"")));
    let report = ask_with(Settings { keeps_body: true, ..hasty() }, &url, &announce());
    let lengths = report.trace.datagrams.iter().map(|(is_ours, b)| (*is_ours, b.len()));
    assert_eq!(lengths.collect::<Vec<_>>(), [(true, 16), (false, 16), (true, 98), (false, 20)]);
    assert_eq!(report.trace.body, report.trace.datagrams[3].1);
    assert!(ask(&url, &announce()).trace.datagrams.is_empty());
}

#[test]
fn flood_of_datagrams_of_no_use_ends_in_time_and_is_told() {
    let url = mock("127.0.0.1", |_, _, send| {
        for _ in 0..20_000 {
            send(b"nonsense");
        }
    });
    let begun = Instant::now();
    let report = ask(&url, &announce());
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert!([Some(Timeout), Some(Kind::Malformed)].contains(&kind(&report)));
    assert!(report.failure.unwrap().message.contains("of no use"));
}

#[test]
fn largest_datagram_is_read_and_counted() {
    let url = mock("127.0.0.1", |r, _, send| {
        let peers: Vec<u8> =
            (0..10_000_u16).flat_map(|i| [8, 8, (i >> 8) as u8, i as u8, 1, 1]).collect();
        send(&good(r, &peers));
    });
    let report = ask(&url, &announce());
    let answer = report.announced().unwrap();
    assert_eq!((answer.peers_v4, answer.peers.len()), (10_000, crate::limits::query::PEERS_MAX));
    assert!(finding_ids(&report).contains(&"numwant-exceeded"));
}
