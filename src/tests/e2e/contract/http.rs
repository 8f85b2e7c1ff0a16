//! HTTP as clients and strangers speak it.

use super::*;

/// Everything a server sends until it closes.
fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = connect(address);
    // The server may have answered and closed before all is sent.
    let _ = stream.write_all(request);
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).unwrap();
    reply.escape_ascii().to_string()
}

#[test]
fn what_is_not_our_http_gets_its_status() {
    let server = TestServer::start();
    let field = |length| format!("GET /announce HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(length));
    let many = format!("GET /announce HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(65));
    for (request, status) in [
        ("nonsense\r\n\r\n", "400"),
        ("GET /announce\r\n\r\n", "400"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400"),
        ("POST /announce HTTP/1.1\r\n\r\n", "405"),
        ("OPTIONS /announce HTTP/1.1\r\n\r\n", "405"),
        (&format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(12 * 1024)), "414"),
        (&"x".repeat(20 * 1024), "414"),
        (&field(16 * 1024), "431"),
        (&many, "431"),
    ] {
        let reply = exchange(server.http(), request.as_bytes());
        let shown: String = request.chars().take(40).collect();
        assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{shown:?}: {reply}");
        assert!(reply.contains("Connection: close"), "{shown:?}: {reply}");
    }
    assert_eq!(server.peers(), 0);
}

#[test]
fn refused_methods_name_those_that_are_allowed() {
    let server = TestServer::start();
    let reply = exchange(server.http(), b"DELETE /announce HTTP/1.1\r\n\r\n");
    assert!(reply.contains("\\r\\nAllow: GET, HEAD\\r\\n"), "{reply}");
}

#[test]
fn elsewhere_is_a_short_404() {
    let server = TestServer::start();
    for target in ["/", "/robots.txt", "/announce.php", "/announce/x"] {
        let response = server.get(target);
        assert_eq!((response.status, &response.body[..]), (404, &b"Not Found"[..]), "{target}");
        assert_eq!(response.field("content-type"), Some("text/plain"));
    }
}

#[test]
fn any_prefix_trailing_slashes_and_absolute_targets_are_served() {
    let server = TestServer::start();
    for path in ["/announce", "/announce/", "/key/announce", "http://t.example/a/b/announce//"] {
        let target = target(7000, "left=0").replacen("/announce", path, 1);
        assert_eq!(server.get(&target).failure(), None, "{path}");
    }
    assert_eq!(server.peers(), 1);
}

#[test]
fn head_mirrors_get_without_a_body_and_registers_nobody() {
    let server = TestServer::start();
    let mut stream = connect(server.http());
    for (target, status) in [(target(7000, "left=0"), 200), ("/x".to_owned(), 404)] {
        let request = format!("HEAD {target} HTTP/1.1\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        assert_eq!(read_response(&mut stream, false).status, status);
    }
    assert_eq!(ask(&mut stream, "/scrape", "").status, 200, "the connection is still in step");
    assert_eq!(server.peers(), 0);
}

#[test]
fn connection_serves_many_requests_also_when_they_come_at_once() {
    let server = TestServer::start();
    let mut stream = connect(server.http());
    for port in 1..=20 {
        assert_eq!(ask(&mut stream, &target(port, "left=1"), "").failure(), None);
    }
    let request = |port| format!("GET {} HTTP/1.1\r\n\r\n", target(port, "left=1"));
    let requests: Vec<String> = (21..=120).map(request).collect();
    stream.write_all(requests.concat().as_bytes()).unwrap();
    for _ in 21..=120 {
        assert_eq!(read_response(&mut stream, true).failure(), None);
    }
    assert_eq!(server.peers(), 120);
    assert_eq!(server.server.stats().snapshot().connections, 1);
}

#[test]
fn request_that_comes_byte_by_byte_is_served() {
    let server = TestServer::start();
    let mut stream = connect(server.http());
    for byte in format!("GET {} HTTP/1.0\r\n\r\n", target(1, "left=1")).as_bytes() {
        stream.write_all(&[*byte]).unwrap();
    }
    assert_eq!(read_response(&mut stream, true).failure(), None);
}

#[test]
fn connection_is_closed_when_agreed_and_kept_when_agreed() {
    let server = TestServer::start();
    for (version, field, is_kept) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.0", "", false),
        ("1.0", "Connection: keep-alive\r\n", true),
        ("1.1", "Content-Length: 3\r\n", false),
    ] {
        let mut stream = connect(server.http());
        let request = format!("GET /scrape HTTP/{version}\r\n{field}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let response = read_response(&mut stream, true);
        let said = if is_kept { "keep-alive" } else { "close" };
        assert_eq!(response.field("connection"), Some(said), "{request}");
        if is_kept {
            assert_eq!(ask(&mut stream, "/scrape", "").status, 200);
        } else {
            assert_eq!(stream.read(&mut [0]).unwrap(), 0, "{request}");
        }
    }
}

#[test]
fn both_families_and_tls_serve_alike() {
    let server = TestServer::start();
    let six = server.addresses().http[1];
    let body = ask(&mut connect(six), &target(7000, "left=0"), "").text();
    assert!(body.contains("external ip16:") && body.contains("6:peers60:"), "{body}");
    let mut stream = server.https_stream();
    for _ in 0..3 {
        let body = ask(&mut stream, &target(7001, "left=1"), "").text();
        assert!(body.contains("5:peers0:6:peers618:"), "{body}");
    }
    let reply =
        UdpClient::new(server.addresses().udp[1], "::1").announce(&Announce::sample(7002, 1));
    assert_eq!(reply.len(), 20 + 2 * 18, "a native and a mapped peer");
}

#[test]
fn redirect_leads_to_the_same_place_over_tls() {
    let server = TestServer::with(|config| {
        config.net.redirect_http = Some("t.example:8443".to_owned());
    });
    let mut stream = connect(server.http());
    let response = ask(&mut stream, "/announce?x=%20y", "Host: evil.example\r\n");
    let location = Some("https://t.example:8443/announce?x=%20y");
    assert_eq!((response.status, response.field("location")), (301, location));
    assert_eq!(response.field("content-length"), Some("0"));
    for (method, status) in [("HEAD", 301), ("POST", 308)] {
        stream.write_all(format!("{method} /a HTTP/1.1\r\n\r\n").as_bytes()).unwrap();
        assert_eq!(read_response(&mut stream, true).status, status, "{method}");
    }
    let response = ask(&mut server.https_stream(), &target(7000, "left=0"), "");
    assert_eq!(response.failure(), None, "HTTPS itself is served");
}

#[test]
fn full_scrape_is_sent_whole_and_compressed_if_wanted() {
    let server = TestServer::with(|config| config.tracker.full_scrape = true);
    let client = server.udp_client();
    for number in 0..500u32 {
        let mut info_hash = HASH;
        info_hash.0[..4].copy_from_slice(&number.to_be_bytes());
        client.announce(&Announce { info_hash, ..Announce::sample(1, 1) });
    }
    let mut stream = connect(server.http());
    let plain = ask(&mut stream, "/scrape", "");
    assert_eq!(plain.text().matches("aaaaaaaaaaaaaaaa").count(), 500);
    let gzip = ask(&mut stream, "/scrape", "Accept-Encoding: gzip\r\n");
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&gzip.body[..]).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain.body);
}

#[test]
fn full_scrape_of_many_torrents_goes_out_in_pieces() {
    let server = TestServer::with(|config| config.tracker.full_scrape = true);
    let torrents = 20_000_u32;
    for number in 0..torrents {
        let mut info_hash = [9; 20];
        info_hash[..4].copy_from_slice(&number.to_be_bytes());
        let resident = crate::swarm::Resident {
            info_hash: InfoHash(info_hash),
            completed: 0,
            peer: SocketAddr::from(([192, 0, 2, 1], 6881)),
            peer_id: None,
            role: crate::protocol::announce::Role::Seeder,
            has_counted: false,
            age: 0,
        };
        server.server.swarms().restore(crate::clock::Now::from_secs(0), &resident).unwrap();
    }
    let mut bodies = Vec::new();
    for fields in ["", "Accept-Encoding: gzip\r\n"] {
        for response in [
            ask(&mut connect(server.http()), "/scrape", fields),
            ask(&mut server.https_stream(), "/scrape", fields),
        ] {
            assert_eq!(response.status, 200);
            let mut body = Vec::new();
            if response.field("content-encoding") == Some("gzip") {
                flate2::read::GzDecoder::new(&response.body[..]).read_to_end(&mut body).unwrap();
            } else {
                body = response.body;
            }
            bodies.push(body);
        }
    }
    assert!(bodies[0].len() > 1 << 20, "several pieces of 256 kB");
    let entries = |body: &[u8]| body.windows(13).filter(|it| *it == b"d8:completei1").count();
    assert_eq!(entries(&bodies[0]), torrents as usize);
    assert!(bodies.iter().all(|body| *body == bodies[0]));
}
