//! What other trackers say of our torrents, asked over real sockets.

use std::net::UdpSocket;
use std::time::Duration;

use super::{Announce, HASH, TestServer};
use crate::jobs::take_snapshots::{Patience, ask, settings};
use crate::protocol::metainfo::Identity;
use crate::query::Client;
use crate::query::question::{Reach, Settings};

const ONCE: Patience = Patience { attempts: 1, pause: Duration::ZERO };

fn asked(settings: Settings, url: &str) -> Result<(u32, u32, Option<u32>), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = Client::new(settings).unwrap();
    let said = runtime.block_on(ask(&client, url, Identity::V1(HASH), ONCE))?;
    assert_eq!(said.tracker, url);
    Ok((said.seeders, said.leechers, said.completed))
}

#[test]
fn tracker_elsewhere_tells_the_size_of_a_swarm_over_either_protocol() {
    let server = TestServer::start();
    server.udp_client().announce(&Announce::sample(7001, 0));
    server.udp_client().announce(&Announce::sample(7002, 1));
    for url in [
        format!("udp://{}/announce", server.addresses().udp[0]),
        format!("http://{}/announce", server.http()),
    ] {
        assert_eq!(asked(settings(Reach::Anywhere), &url), Ok((1, 1, Some(0))), "{url}");
    }
}

#[test]
fn tracker_that_does_not_answer_or_must_not_be_asked_is_a_reason_in_words() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let url = format!("udp://{}", silent.local_addr().unwrap());
    let hasty = Settings { timeout: Duration::from_millis(300), ..settings(Reach::Anywhere) };
    let reason = asked(hasty, &url).unwrap_err();
    assert!(!reason.is_empty() && reason.len() < 300, "{reason}");
    let server = TestServer::start();
    let url = format!("http://{}/announce", server.http());
    assert!(asked(settings(Reach::PublicOnly), &url).is_err(), "not into our own network");
    assert!(asked(settings(Reach::Anywhere), "gopher://t").unwrap_err().contains("scheme"));
}
