//! Clients that say nothing, or half of something, and what they cost the others.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use super::*;

/// An answer that comes later than this was held up by somebody.
const USUAL: Duration = Duration::from_millis(500);

/// An announce over each protocol, each in less than the usual time.
fn assert_served(server: &TestServer) {
    let start = Instant::now();
    let reply = server.udp_client().announce(&Announce::sample(7000, 0));
    assert_eq!(reply[3], 1);
    assert!(start.elapsed() < USUAL, "UDP took {:?}", start.elapsed());

    let start = Instant::now();
    assert_eq!(server.get(&target(7001, "left=0")).failure(), None);
    assert!(start.elapsed() < USUAL, "HTTP took {:?}", start.elapsed());

    let start = Instant::now();
    assert_eq!(ask(&mut server.https_stream(), &target(7002, "left=0"), "").failure(), None);
    assert!(start.elapsed() < USUAL, "HTTPS took {:?}", start.elapsed());
}

#[test]
fn acceptance_two_thousand_silent_clients_hold_nobody_up_and_are_timed_out() {
    let server = TestServer::with(|config| {
        config.net.timeouts.handshake = Duration::from_secs(4);
        config.net.timeouts.head = Duration::from_secs(4);
    });
    let https = server.addresses().https[0];
    let mut silent: Vec<TcpStream> = (0..1_000).map(|_| connect(https)).collect();
    for _ in 0..1_000 {
        let mut half = connect(server.http());
        half.write_all(b"GET /announce?info_hash=aaaa").unwrap();
        silent.push(half);
    }
    wait_until("all are accepted", || server.server.stats().snapshot().connections >= 2_000);
    assert_served(&server);
    for stream in &mut silent {
        assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)), "closed by the server");
    }
    wait_until("the count", || server.server.stats().snapshot().connections_timed_out >= 2_000);
}

#[test]
fn idle_connections_and_those_that_live_too_long_are_closed() {
    for (idle, total) in [(200, 60_000), (60_000, 200)] {
        let server = TestServer::with(|config| {
            config.net.timeouts.idle = Duration::from_millis(idle);
            config.net.timeouts.total = Duration::from_millis(total);
        });
        let mut stream = connect(server.http());
        assert_eq!(ask(&mut stream, "/scrape", "").status, 200);
        assert_eq!(stream.read(&mut [0]).unwrap(), 0, "idle {idle} total {total}");
        wait_until("the count", || server.server.stats().snapshot().connections_timed_out == 1);
    }
}

#[test]
fn connections_over_a_cap_are_closed_at_once_and_the_others_served() {
    let server = TestServer::with(|config| {
        config.net.connections_max = 10;
        config.net.connections_per_ip_max = 8;
    });
    let mut kept: Vec<TcpStream> = (0..8).map(|_| connect(server.http())).collect();
    wait_until("all are accepted", || server.server.stats().snapshot().connections == 8);
    assert_eq!(connect(server.http()).read(&mut [0]).unwrap_or(0), 0, "the ninth");
    for stream in &mut kept {
        assert_eq!(ask(stream, "/scrape", "").status, 200);
    }
    assert_eq!(server.server.stats().snapshot().connections_refused, 1);
    drop(kept);
    wait_until("room again", || {
        let mut stream = connect(server.http());
        let asked = stream.write_all(b"GET /scrape HTTP/1.1\r\n\r\n");
        asked.is_ok() && stream.read(&mut [0]).is_ok_and(|length| length == 1)
    });
}

#[test]
fn client_that_takes_no_replies_is_cut_off() {
    let server = TestServer::with(|config| {
        config.net.timeouts.write = Duration::from_millis(300);
    });
    let mut stream = connect(server.http());
    stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let requests = b"GET /scrape HTTP/1.1\r\n\r\n".repeat(1_000);
    // Until the server takes no more, since we take nothing from it.
    let start = Instant::now();
    while stream.write_all(&requests).is_ok() {
        assert!(start.elapsed() < PATIENCE, "the server takes requests without end");
    }
    drop(stream);
    assert_served(&server);
}

#[test]
fn broken_handshakes_are_counted_and_hurt_nobody() {
    let server = TestServer::start();
    for _ in 0..20 {
        let mut stream = connect(server.addresses().https[0]);
        stream.write_all(b"GET /announce HTTP/1.1\r\n\r\n").unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    }
    wait_until("the count", || server.server.stats().snapshot().handshakes_failed == 20);
    assert_served(&server);
}

/// Sends connects to `tracker`, as fast as it can, and hears no reply, until it is dropped.
struct Flood(Arc<AtomicBool>, Vec<JoinHandle<()>>);

impl Flood {
    fn of(tracker: SocketAddr) -> Flood {
        let has_ended = Arc::new(AtomicBool::new(false));
        let thread = |_| {
            let has_ended = has_ended.clone();
            std::thread::spawn(move || {
                let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                let mut connect = Vec::new();
                Request::Connect { transaction_id: 1 }.encode(&mut connect);
                let end = Instant::now() + Duration::from_secs(30);
                while !has_ended.load(Ordering::Relaxed) && Instant::now() < end {
                    let _ = socket.send_to(&connect, tracker); // refused when it is gone
                }
            })
        };
        Flood(has_ended.clone(), (0..2).map(thread).collect())
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        self.1.drain(..).for_each(|thread| thread.join().unwrap());
    }
}

#[test]
fn flood_of_datagrams_holds_up_no_connection_no_timer_and_not_the_end() {
    let server = TestServer::with(|config| {
        config.net.workers = 1;
        config.net.timeouts.head = Duration::from_secs(1);
    });
    let _flood = Flood::of(server.addresses().udp[0]);
    wait_until("the flood", || server.server.stats().snapshot().udp_connects > 10_000);
    let start = Instant::now();
    assert_eq!(server.get(&target(7001, "left=0")).failure(), None);
    assert_eq!(ask(&mut server.https_stream(), &target(7002, "left=0"), "").failure(), None);
    assert!(start.elapsed() < 2 * USUAL, "both took {:?}", start.elapsed());
    let mut half = connect(server.http());
    half.write_all(b"GET /announce?info_hash=aaaa").unwrap();
    assert!(matches!(half.read(&mut [0]), Ok(0) | Err(_)), "closed by the server");
    wait_until("the count", || server.server.stats().snapshot().connections_timed_out == 1);
    let start = Instant::now();
    server.server.stop();
    assert!(start.elapsed() < Duration::from_secs(5), "the end took {:?}", start.elapsed());
}
