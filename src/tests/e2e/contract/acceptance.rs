//! The acceptance checks of the specification, each over real sockets.

use super::*;

#[test]
fn acceptance_wrong_ports_fail_and_touch_no_swarm() {
    let server = TestServer::start();
    server.get(&target(7000, "left=0"));
    for (port, reason) in [
        ("0", "invalid port"),
        ("-5", "invalid port"),
        ("70000", "invalid port"),
        ("", "invalid numeric parameter"),
        ("abc", "invalid numeric parameter"),
    ] {
        let target = target(7000, "left=0").replace("port=7000", &format!("port={port}"));
        assert_eq!(server.get(&target).failure().as_deref(), Some(reason), "{port}");
    }
    let reply = server.udp_client().announce(&Announce::sample(0, 0));
    assert!(reply.ends_with(b"invalid port"));
    assert_eq!(server.peers(), 1);
    let body = server.get(&target(7001, "left=1")).text();
    assert!(body.contains("5:peers6:\\x7f\\x00\\x00\\x01\\x1bX"), "others are served: {body}");
}

#[test]
fn acceptance_info_hash_is_twenty_bytes_of_any_kind() {
    let server = TestServer::start();
    let query = "&peer_id=-XX0000-000000000000&port=7000&left=0";
    let wrong = Some("missing or invalid info_hash".to_owned());
    for hash in ["x".repeat(19), "x".repeat(21)] {
        let response = server.get(&format!("/announce?info_hash={hash}{query}"));
        assert_eq!((response.status, response.failure()), (200, wrong.clone()));
    }
    assert_eq!(server.get(&format!("/announce?x=1{query}")).failure(), wrong);

    let response = server.get(&format!("/announce?info_hash=++++++++++++++++++++{query}"));
    assert_eq!(response.failure(), None);
    let client = server.udp_client();
    assert_eq!(client.scrape(&[*b"++++++++++++++++++++"])[8..12], [0, 0, 0, 1]);

    let mut stream = connect(server.http());
    let raw = [b"GET /announce?info_hash=".as_slice(), &[0xe9; 20], query.as_bytes()].concat();
    stream.write_all(&[&raw[..], b" HTTP/1.1\r\n\r\n"].concat()).unwrap();
    let response = read_response(&mut stream, true);
    let seeders = client.scrape(&[[0xe9; 20]])[11];
    let is_served = response.status == 200 && response.failure().is_none() && seeders == 1;
    let is_refused = response.status == 400 && seeders == 0;
    assert!(is_served || is_refused, "{response:?}");
}

#[test]
fn acceptance_forged_addresses_are_not_believed() {
    let server = TestServer::start();
    let mut stream = connect(server.http());
    let fields = "X-Forwarded-For: 198.51.100.1\r\n";
    let body = ask(&mut stream, &target(7000, "left=0&ip=198.51.100.2"), fields).text();
    assert!(body.contains("external ip4:\\x7f\\x00\\x00\\x01"), "{body}");
    let ip = Some("198.51.100.3".parse().unwrap());
    server.udp_client().announce(&Announce { ip, ..Announce::sample(7001, 0) });
    let body = server.get(&target(7002, "left=1&compact=0&no_peer_id=1")).text();
    assert!(!body.contains("198.51.100"), "{body}");
    assert_eq!(body.matches("2:ip9:127.0.0.1").count(), 2, "{body}");
}

#[test]
fn acceptance_trusted_proxy_names_the_client() {
    let server = TestServer::with(|config| {
        config.net.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    });
    let mut stream = connect(server.http());
    let fields = "X-Forwarded-For: 203.0.113.66, 198.51.100.1\r\n";
    let body = ask(&mut stream, &target(7000, "left=0"), fields).text();
    assert!(body.contains("external ip4:\\xc63d\\x01"), "{body}");
    let response = ask(&mut stream, &target(7000, "left=0"), "X-Forwarded-For: nobody\r\n");
    assert_eq!(response.status, 400);
    assert_eq!(server.peers(), 1);
}

/// That an id ends after two minutes is shown on a driven clock in `tracker::tests`.
#[test]
fn acceptance_connection_id_of_another_address_is_not_recognized() {
    let server = TestServer::start();
    let address = server.addresses().udp[0];
    let [ours, mut theirs] = ["127.0.0.1", "127.0.0.2"].map(|ip| UdpClient::new(address, ip));
    theirs.connection_id = ours.connection_id;
    let reply = theirs.announce(&Announce::sample(7000, 0));
    assert_eq!(reply, b"\0\0\0\x03\0\0\0\x02connection ID not recognized");
    assert_eq!(server.peers(), 0);
}

#[test]
fn acceptance_scrapes_of_unknown_hashes_leave_no_trace_and_get_bounded_replies() {
    let server = TestServer::start();
    let client = server.udp_client();
    let hashes: Vec<[u8; 20]> = (0..10_000u32)
        .map(|number| {
            let mut hash = [0; 20];
            hash[..4].copy_from_slice(&number.to_be_bytes());
            hash
        })
        .collect();
    for hashes in hashes.chunks(74) {
        let reply = client.scrape(hashes);
        assert_eq!((reply[3], reply.len()), (2, 8 + hashes.len() * 12));
    }
    let reply = client.scrape(&hashes[..3_000]);
    assert!(reply.ends_with(b"too many info_hashes, max is 74"), "{reply:?}");
    assert_eq!(server.server.swarms().totals().torrents, 0);
}

#[test]
fn acceptance_ipv4_client_in_an_ipv6_crowd_gets_all_the_ipv4_peers_it_wants() {
    let server = TestServer::start();
    let six = UdpClient::new(server.addresses().udp[1], "::1");
    for port in 1..=10_000 {
        six.announce(&Announce::sample(port, 1));
    }
    let four = server.udp_client();
    for port in 1..=60 {
        four.announce(&Announce::sample(20_000 + port, 1));
    }
    let reply = four.announce(&Announce { numwant: Some(50), ..Announce::sample(30_000, 1) });
    assert_eq!(reply.len(), 20 + 50 * 6);
    let response = server.get(&target(30_001, "left=1&numwant=50"));
    assert!(response.text().contains("5:peers300:"), "{}", response.text());
}

#[test]
fn acceptance_completion_counts_once_however_often_it_is_said() {
    let server = TestServer::start();
    server.get(&target(7000, "left=5&event=started"));
    for _ in 0..5 {
        server.get(&target(7000, "left=0&event=completed"));
        server.get(&target(7000, "left=0"));
        server.get(&target(7000, "left=5"));
    }
    let body = server.get(&target(7001, "left=0&event=completed")).text();
    assert!(body.contains("10:downloadedi1e"), "{body}");
}

#[test]
fn acceptance_idle_peers_are_gone_after_a_sweep() {
    let server = TestServer::with(|config| {
        config.swarm.peer_ttl = 1;
        config.swarm.sweep_period = Duration::from_millis(200);
    });
    server.get(&target(7000, "left=0"));
    assert_eq!(server.peers(), 1);
    wait_until("the sweep", || server.server.swarms().totals().torrents == 0);
    assert_eq!(server.peers(), 0);
    let body = server.get("/scrape?info_hash=aaaaaaaaaaaaaaaaaaaa").text();
    assert!(body.contains("8:completei0e"), "{body}");
}

#[test]
fn acceptance_https_announce_counts_as_https() {
    let server = TestServer::start();
    let response = ask(&mut server.https_stream(), &target(7000, "left=0"), "");
    assert_eq!(response.failure(), None);
    let seen = server.server.stats().snapshot();
    assert_eq!((seen.https.announces(), seen.http.announces()), (1, 0));
}

#[test]
fn acceptance_gzip_is_sent_when_wanted_and_smaller_alone() {
    let server = TestServer::start();
    for port in 1..=30 {
        server.get(&target(port, "left=1"));
    }
    let mut stream = connect(server.http());
    let large = target(7000, "left=1&compact=0");
    let mut encoding = |accepted: &str, target: &str| {
        let response = ask(&mut stream, target, &format!("Accept-Encoding: {accepted}\r\n"));
        response.field("content-encoding").map(str::to_owned)
    };
    assert_eq!(encoding("gzip;q=0", &large), None);
    assert_eq!(encoding("identity", &large), None);
    assert_eq!(encoding("gzip", &large).as_deref(), Some("gzip"));
    assert_eq!(encoding("deflate, gzip;q=0.5", &large).as_deref(), Some("gzip"));
    assert_eq!(encoding("gzip", "/announce"), None, "a refusal would not shrink");
}

#[test]
fn acceptance_first_announce_gets_the_known_body() {
    let server = TestServer::start();
    assert_eq!(
        server.get(&target(6881, "left=0")).text(),
        "d8:completei1e10:downloadedi0e11:external ip4:\\x7f\\x00\\x00\\x0110:incompletei0e\
         8:intervali1800e12:min intervali60e5:peers0:10:tracker id7:Wildkate"
    );
}

#[test]
fn acceptance_strangers_to_bep_15_get_no_answer() {
    let server = TestServer::start();
    let client = server.udp_client();
    client.socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    for packet in [&b""[..], b"x", &[0; 15], &[0; 16], &[0xff; 16]] {
        client.socket.send(packet).unwrap();
    }
    assert!(client.socket.recv(&mut [0; 2048]).is_err(), "silence");
    assert_eq!(server.server.stats().snapshot().udp_silent, 5);
}

#[test]
fn acceptance_longer_packets_and_unknown_actions() {
    let server = TestServer::start();
    let client = server.udp_client();
    let mut packet = client.announce_packet(&Announce::sample(7000, 0));
    packet.extend_from_slice(&[0; 600]);
    assert_eq!(client.exchange(&packet)[3], 1, "trailing bytes are tolerated");
    packet[11] = 9;
    assert!(client.exchange(&packet).ends_with(b"unknown action"));
    assert!(client.exchange(&packet[..16]).ends_with(b"unknown action"));
    packet[11] = 1;
    assert!(client.exchange(&packet[..97]).ends_with(b"announce packet too short"));
    packet[11] = 2;
    assert!(client.exchange(&packet[..16]).ends_with(b"no info_hash in scrape"));
}
