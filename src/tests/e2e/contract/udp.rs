//! Datagrams: each answered once, and from the address that was asked.

use super::*;

#[test]
fn replies_leave_from_the_address_that_was_asked() {
    let server = TestServer::with(|config| {
        config.net.hosts = ["0.0.0.0", "::"].map(|ip| ip.parse().unwrap()).to_vec();
    });
    let port = server.addresses().udp[0].port();
    // A connected socket hears nothing from any other address.
    for (asked, from) in [("127.0.0.1", "127.0.0.1"), ("127.0.0.2", "127.0.0.9"), ("::1", "::1")] {
        let asked: IpAddr = asked.parse().unwrap();
        let client = UdpClient::new((asked, port).into(), from);
        assert_eq!(client.announce(&Announce::sample(7000, 0))[3], 1, "{asked}");
    }
    assert_eq!(server.server.stats().snapshot().udp_unsent, 0);
}

#[test]
fn every_datagram_is_answered_once() {
    let server = TestServer::start();
    let client = server.udp_client();
    for round in 0..20 {
        let numbers = round * 200..(round + 1) * 200;
        assert_eq!(client.replies_to(numbers.clone()), numbers.collect::<Vec<_>>());
    }
    assert!(client.is_silent());
    let seen = server.server.stats().snapshot();
    assert_eq!((seen.udp_connects, seen.udp_unsent, seen.udp_dropped), (4_001, 0, 0));
}
