//! Connections that a proxy passes on, with a PROXY head before everything else.

use super::*;

const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const V1: &[u8] = b"PROXY TCP4 198.51.100.1 192.0.2.1 40000 80\r\n";
/// As they stand in a reply.
const CLIENT: &str = "external ip4:\\xc63d\\x01";
const ITSELF: &str = "external ip4:\\x7f\\x00\\x00\\x01";

/// A server behind proxies on 127.0.0.1.
fn proxied(change: impl FnOnce(&mut Config)) -> TestServer {
    TestServer::with(|config| {
        config.net.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        config.net.proxy_protocol = true;
        change(config);
    })
}

fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u16).to_be_bytes();
    [V2_SIGNATURE, &[command, family], &length, body].concat()
}

/// The head of a v2 proxy for 198.51.100.1, with a TLV.
fn v2_of_client() -> Vec<u8> {
    v2(0x21, 0x11, &[198, 51, 100, 1, 192, 0, 2, 1, 1, 2, 0, 80, 4, 0, 2, 0, 0])
}

fn failed(server: &TestServer) -> u64 {
    server.server.stats().snapshot().handshakes_failed
}

/// What comes back on a connection that says `bytes` and no more, until it is closed.
fn heard(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect(address);
    let _ = stream.write_all(bytes); // it may be closed before all is sent
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply); // a reset is an end too
    reply
}

#[test]
fn client_behind_a_proxy_counts_over_http_and_https() {
    let server = proxied(|_| {});
    for (head, external_ip) in [
        (V1.to_vec(), CLIENT),
        (v2_of_client(), CLIENT),
        (b"PROXY UNKNOWN\r\n".to_vec(), ITSELF),
        (v2(0x20, 0, b""), ITSELF),
        (v2(0x21, 0, b""), ITSELF),
        (v2(0x21, 0x31, &[0; 216]), ITSELF),
    ] {
        let mut stream = connect(server.http());
        stream.write_all(&head).unwrap();
        for _ in 0..2 {
            let body = ask(&mut stream, &target(7000, "left=0"), "").text();
            assert!(body.contains(external_ip), "{}: {body}", head.escape_ascii());
        }
        let mut stream = connect(server.addresses().https[0]);
        stream.write_all(&head).unwrap();
        let mut stream = tls_stream(stream, &server.folder.path().join("cert.pem"));
        let body = ask(&mut stream, &target(7000, "left=0"), "").text();
        assert!(body.contains(external_ip), "TLS, {}: {body}", head.escape_ascii());
    }
    assert_eq!((server.peers(), failed(&server)), (2, 0));
}

#[test]
fn head_may_come_byte_by_byte_or_with_the_request() {
    let server = proxied(|_| {});
    let request = format!("GET {} HTTP/1.1\r\n\r\n", target(7000, "left=0"));
    for head in [V1.to_vec(), v2_of_client()] {
        let all = [&head[..], request.as_bytes()].concat();
        let mut at_once = connect(server.http());
        at_once.write_all(&all).unwrap();
        assert!(read_response(&mut at_once, true).text().contains(CLIENT));
        let mut slowly = connect(server.http());
        for byte in all {
            slowly.write_all(&[byte]).unwrap();
        }
        assert!(read_response(&mut slowly, true).text().contains(CLIENT));
    }
}

#[test]
fn proxy_that_introduces_nobody_is_not_served() {
    let server = proxied(|_| {});
    let request = format!("GET {} HTTP/1.1\r\n\r\n", target(7000, "left=0"));
    let cases = [
        request.as_bytes().to_vec(),
        b"PROXY TCP4 198.51.100.1\r\n".to_vec(),
        [b"PROXY UNKNOWN ", &[b'x'; 200][..]].concat(),
        [&v2(0x21, 0x11, &[0; 11])[..], request.as_bytes()].concat(),
        v2(0x21, 0x11, &[0; 4_000]),
        V1[..20].to_vec(), // and then the end
        Vec::new(),
    ];
    for (number, bytes) in cases.iter().enumerate() {
        for address in [server.http(), server.addresses().https[0]] {
            assert_eq!(heard(address, bytes), b"", "{}", bytes.escape_ascii());
        }
        let both = 2 * (number as u64 + 1);
        wait_until("the count", || failed(&server) == both);
    }
    assert_eq!(server.peers(), 0);
}

/// Another loopback address is no trusted proxy: what it says is HTTP or nothing.
#[test]
fn stranger_is_served_as_ever_and_introduces_nobody() {
    let server = TestServer::with(|config| {
        config.net.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
        config.net.proxy_protocol = true;
    });
    assert!(server.get(&target(7000, "left=0")).text().contains(ITSELF));
    for head in [V1.to_vec(), v2_of_client()] {
        let reply = heard(server.http(), &[&head[..], b"GET / HTTP/1.1\r\n\r\n"].concat());
        assert!(reply.starts_with(b"HTTP/1.1 400 "), "{}", reply.escape_ascii());
    }
    assert_eq!(server.peers(), 1);
}

#[test]
fn head_and_what_follows_have_one_time() {
    let server = proxied(|config| {
        config.net.timeouts.head = Duration::from_millis(300);
        config.net.timeouts.handshake = Duration::from_millis(300);
    });
    let timed_out = || server.server.stats().snapshot().connections_timed_out;
    let waiting: Vec<TcpStream> = [&b""[..], &V1[..9], V1, V2_SIGNATURE]
        .into_iter()
        .flat_map(|bytes| [(server.http(), bytes), (server.addresses().https[0], bytes)])
        .map(|(address, bytes)| {
            let mut stream = connect(address);
            stream.write_all(bytes).unwrap();
            stream
        })
        .collect();
    for mut stream in waiting {
        assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)), "closed by the server");
    }
    wait_until("the count", || timed_out() == 8);
}

#[test]
fn cap_of_one_address_binds_the_client_behind_the_proxy() {
    let server = proxied(|config| config.net.connections_per_ip_max = 2);
    let introduced = || {
        let mut stream = connect(server.http());
        stream.write_all(V1).unwrap();
        stream
    };
    let mut kept = [introduced(), introduced()];
    for stream in &mut kept {
        assert_eq!(ask(stream, "/scrape", "").status, 200);
    }
    assert_eq!(introduced().read(&mut [0]).unwrap_or(0), 0, "the third of one client");
    let mut other = connect(server.http());
    other.write_all(&v2(0x20, 0, b"")).unwrap();
    assert_eq!(ask(&mut other, "/scrape", "").status, 200, "another is served");
    wait_until("the count", || server.server.stats().snapshot().connections_refused == 1);
}

#[test]
fn forwarded_for_counts_where_the_one_introduced_is_trusted_too() {
    let server = proxied(|config| {
        config.net.trusted_proxies.push("198.51.100.0/24".parse().unwrap());
    });
    let mut stream = connect(server.http());
    stream.write_all(V1).unwrap();
    let fields = "X-Forwarded-For: 203.0.113.9\r\n";
    let body = ask(&mut stream, &target(7000, "left=0"), fields).text();
    assert!(body.contains("external ip4:\\xcb\\x00q\\t"), "{body}");
}

#[test]
fn web_ports_want_the_head_too() {
    let server = proxied(|config| config.web.http_port = Some(0));
    let web = server.addresses().web_http[0];
    for head in [V1.to_vec(), v2_of_client()] {
        let mut stream = connect(web);
        stream.write_all(&head).unwrap();
        let body = ask(&mut stream, &target(7000, "left=0"), "").text();
        assert!(body.contains(CLIENT), "{body}");
    }
    assert_eq!(heard(web, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"), b"");
}
