//! Clients that break off in the middle of anything.

use super::*;

/// How many descriptors this process has, those of the servers in it included.
fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn connections_that_break_off_leave_nothing_behind() {
    let server = TestServer::with(|config| config.tracker.full_scrape = true);
    let announce = format!("GET {} HTTP/1.1\r\n\r\n", target(7000, "left=0"));
    let many = announce.repeat(50);
    let before = descriptors();
    let mut rng = fastrand::Rng::with_seed(4);
    for round in 0..300 {
        let is_tls = round % 3 == 0;
        let address = if is_tls { server.addresses().https[0] } else { server.http() };
        let mut stream = connect(address);
        let said = match round % 4 {
            0 => &announce[..rng.usize(..announce.len())],
            1 => &announce,
            2 => &many,
            _ => "GET /scrape HTTP/1.1\r\n\r\n",
        };
        if is_tls && rng.bool() {
            let mut stream = tls_stream(stream, &server.folder.path().join("cert.pem"));
            stream.write_all(said.as_bytes()).unwrap();
            reset(&stream.sock);
            continue;
        }
        stream.write_all(said.as_bytes()).unwrap();
        if rng.bool() {
            // A reply or a part of one, if there is one yet.
            stream.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
            let _ = stream.read(&mut [0; 100]);
        }
        reset(&stream);
    }
    wait_until("all are closed", || descriptors() <= before);
    let response = ask(&mut connect(server.http()), &target(7001, "left=0"), "");
    assert_eq!(response.failure(), None);
    assert_eq!(ask(&mut server.https_stream(), "/scrape", "").status, 200);
}

/// Has the stream end with a reset when it is dropped.
fn reset(stream: &TcpStream) {
    let socket = socket2::SockRef::from(stream);
    socket.set_linger(Some(Duration::ZERO)).unwrap();
}
