//! The page of a running tracker, on its own ports.

use super::*;

fn with_page() -> TestServer {
    TestServer::with(|config| {
        config.web.http_port = Some(0);
        config.web.https_port = Some(0);
        config.web.public_host = Some("t.example".to_owned());
    })
}

#[test]
fn page_shows_what_the_tracker_does() {
    let server = with_page();
    let [web, _] = server.addresses().web_http[..] else { panic!("two families") };
    server.get(&target(7000, "left=0"));
    server.get(&target(7001, "left=1"));
    server.udp_client().announce(&Announce::sample(7002, 1));

    let figures = ask(&mut connect(web), "/stats.json", "");
    let figures: serde_json::Value = serde_json::from_slice(&figures.body).unwrap();
    assert_eq!(figures["swarms"]["seeders"], 1, "{figures}");
    assert_eq!(figures["swarms"]["leechers"], 2, "{figures}");

    let page = ask(&mut connect(web), "/", "");
    let text = String::from_utf8(page.body.clone()).unwrap();
    assert_eq!((page.status, page.field("content-type")), (200, Some("text/html; charset=utf-8")));
    let udp_port = server.addresses().udp[0].port();
    assert!(text.contains(&format!("udp://t.example:{udp_port}/announce")), "{text}");
    assert!(page.field("content-security-policy").unwrap().starts_with("default-src 'none'"));
}

#[test]
fn page_is_served_over_tls_and_ipv6_too() {
    let server = with_page();
    let pem = server.folder.path().join("cert.pem");
    for address in &server.addresses().web_https {
        let mut stream = tls_stream(connect(*address), &pem);
        assert_eq!(ask(&mut stream, "/robots.txt", "").text().matches("\\n").count(), 2);
    }
}

#[test]
fn page_redirects_to_the_configured_host_when_told_to() {
    let server = TestServer::with(|config| {
        config.web.http_port = Some(0);
        config.web.redirect_http = Some("t.example:8443".to_owned());
    });
    let mut stream = connect(server.addresses().web_http[0]);
    let response = ask(&mut stream, "/x?y=z", "Host: evil.example\r\n");
    let location = response.field("location");
    assert_eq!((response.status, location), (301, Some("https://t.example:8443/x?y=z")));
}

#[test]
fn tracker_ports_serve_no_page_and_web_ports_announces_too() {
    let server = with_page();
    assert_eq!(server.get("/stats.json").status, 404);
    let mut stream = connect(server.addresses().web_http[0]);
    let answer = ask(&mut stream, &target(7000, "left=0"), "");
    assert!(answer.text().starts_with("d8:completei1e"), "{}", answer.text());
    assert_eq!(server.peers(), 1);
    let pem = server.folder.path().join("cert.pem");
    let mut stream = tls_stream(connect(server.addresses().web_https[0]), &pem);
    let answer = ask(&mut stream, &target(7001, "left=1"), "Accept-Encoding: gzip\r\n");
    assert_eq!((answer.status, server.peers()), (200, 2));
    let seen = server.server.stats().snapshot();
    assert_eq!((seen.http.announces(), seen.https.announces()), (1, 1));
}

#[test]
fn visitors_do_not_hold_up_the_end() {
    let server = with_page();
    let mut idle = connect(server.addresses().web_http[0]);
    assert_eq!(ask(&mut idle, "/healthz", "").status, 200);
    let mut half = connect(server.addresses().web_http[0]);
    half.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    let start = Instant::now();
    server.server.stop();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(idle.read(&mut [0]).unwrap(), 0);
}
