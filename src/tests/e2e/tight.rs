//! io_uring with hardly any room: rings that overflow, buffers that run out. Nothing is lost, and
//! nothing is answered twice.

use super::*;
use crate::config::Rings;

/// Room for next to nothing of one kind, and for next to nothing of any.
fn tight() -> Vec<Rings> {
    let ample = Rings::default();
    let small_queues = Rings { submissions: 2, completions: 4, ..ample };
    vec![
        small_queues,
        Rings { buffers: 1, buffer_len: 16, ..ample },
        Rings { buffers: 2, buffer_len: 64, ..small_queues },
    ]
}

fn server(rings: Rings) -> TestServer {
    TestServer::with(|config| {
        config.net.workers = 1;
        config.net.rings = rings;
    })
}

#[test]
fn datagrams_are_answered_once_however_little_room_there_is() {
    for rings in tight() {
        let server = server(rings);
        let client = server.udp_client();
        for round in 0..10 {
            let numbers = round * 200..(round + 1) * 200;
            assert_eq!(
                client.replies_to(numbers.clone()),
                numbers.collect::<Vec<_>>(),
                "{rings:?}"
            );
        }
        assert!(client.is_silent(), "{rings:?}");
        let seen = server.server.stats().snapshot();
        assert_eq!((seen.udp_connects, seen.udp_unsent, seen.udp_dropped), (2_001, 0, 0));
    }
}

#[test]
fn requests_are_answered_in_their_order_however_little_room_there_is() {
    for rings in tight() {
        let server = server(rings);
        let mut streams: Vec<TcpStream> = (0..40).map(|_| connect(server.http())).collect();
        let request = |port| format!("GET {} HTTP/1.1\r\n\r\n", target(port, "left=1&numwant=0"));
        let requests: String = (1..=30).map(request).collect();
        for stream in &mut streams {
            stream.write_all(requests.as_bytes()).unwrap();
            stream.write_all(b"GET /last HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
        }
        for stream in &mut streams {
            for _ in 1..=30 {
                assert_eq!(read_response(stream, true).failure(), None, "{rings:?}");
            }
            assert_eq!(read_response(stream, true).status, 404, "{rings:?}");
            assert_eq!(stream.read(&mut [0]).unwrap(), 0, "{rings:?}");
        }
        let seen = server.server.stats().snapshot();
        assert_eq!((seen.http.announces(), seen.http.refused()), (40 * 30, 40), "{rings:?}");
    }
}

#[test]
fn handshakes_succeed_however_little_room_there_is() {
    for rings in tight() {
        let server = server(rings);
        let mut streams: Vec<_> = (0..4).map(|_| server.https_stream()).collect();
        for stream in &mut streams {
            for port in 1..=3 {
                let response = ask(stream, &target(port, "left=1"), "");
                assert_eq!(response.failure(), None, "{rings:?}");
            }
        }
    }
}

#[test]
fn client_that_asks_and_does_not_listen_is_held_back_and_then_served() {
    let server = server(Rings::default());
    let mut stream = connect(server.http());
    let mut writer = stream.try_clone().unwrap();
    let request = format!("GET {} HTTP/1.1\r\n\r\n", target(1, "left=1"));
    // More than all buffers between us hold.
    let asking = std::thread::spawn(move || {
        for _ in 0..9_999 {
            writer.write_all(request.as_bytes()).unwrap();
        }
    });
    std::thread::sleep(Duration::from_millis(100));
    for _ in 0..9_999 {
        assert_eq!(read_response(&mut stream, true).failure(), None);
    }
    asking.join().unwrap();
}
