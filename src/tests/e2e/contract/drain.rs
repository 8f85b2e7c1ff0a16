//! The end of a server: nobody is cut off in the middle, and nobody holds it up.

use super::*;

#[test]
fn request_under_way_is_answered_and_idle_connections_are_closed() {
    let server = TestServer::with(|config| config.net.workers = 1);
    let mut idle = connect(server.http());
    assert_eq!(ask(&mut idle, "/scrape", "").status, 200);
    let mut busy = connect(server.http());
    busy.write_all(b"GET /scrape HTTP/1.1\r\n").unwrap();
    let mut fresh = connect(server.http());
    wait_until("all are accepted", || server.server.stats().snapshot().connections == 3);
    // The worker that answers this has had the other's bytes before.
    assert_eq!(ask(&mut idle, "/scrape", "").status, 200);

    let AnyServer { server, folder: _folder } = server;
    let address = server.addresses().http[0];
    let stopping = std::thread::spawn(move || server.stop());
    assert_eq!(idle.read(&mut [0]).unwrap(), 0, "closed while idle");
    assert_eq!(ask(&mut fresh, "/scrape", "").status, 200, "its first request was on the way");
    assert_eq!(fresh.read(&mut [0]).unwrap(), 0, "closed after it");
    busy.write_all(b"\r\n").unwrap();
    let response = read_response(&mut busy, true);
    assert_eq!((response.status, response.field("connection")), (200, Some("keep-alive")));
    assert_eq!(busy.read(&mut [0]).unwrap(), 0, "closed when answered");
    stopping.join().unwrap();
    assert!(TcpStream::connect(address).is_err(), "nothing listens any more");
}

#[test]
fn silent_clients_do_not_hold_up_the_end() {
    let server = TestServer::start();
    let mut half = connect(server.http());
    half.write_all(b"GET /scrape HTTP/1.1\r\n").unwrap();
    let _fresh = connect(server.http());
    let _silent = connect(server.addresses().https[0]);
    wait_until("all are accepted", || server.server.stats().snapshot().connections == 3);
    let start = Instant::now();
    server.server.stop();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}
