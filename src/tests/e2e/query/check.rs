//! The check of a tracker, of one that is good and of ones with a fault.

use std::net::UdpSocket;

use tokio::sync::watch;

use super::super::TestServer;
use super::*;
use crate::protocol::udp::{self, Request};
use crate::query::check::{self, Checked, Verdict};

fn check(settings: Settings, urls: &[String]) -> Vec<Checked> {
    let client = Arc::new(Client::new(settings).unwrap());
    let targets = urls.iter().map(|url| Target::parse(url).unwrap()).collect();
    let (_stop, stopped) = watch::channel(false);
    runtime().block_on(check::run(&client, targets, None, stopped, |_| ()))
}

fn failed(checked: &Checked) -> Vec<&str> {
    let is_failed = |verdict: &Verdict| matches!(verdict, Verdict::Failed(_));
    let failed = checked.steps.iter().filter(|step| is_failed(&step.verdict));
    failed.map(|step| step.name.as_str()).collect()
}

#[test]
fn our_own_tracker_passes_over_every_protocol_and_family() {
    let server = TestServer::start();
    let mut settings = Settings { timeout: Duration::from_secs(10), ..Settings::default() };
    settings.tls.ca_files = vec![server.folder.path().join("cert.pem")];
    let addresses = server.addresses();
    let urls = addresses.udp.iter().map(|address| format!("udp://{address}"));
    let urls = urls.chain(addresses.http.iter().map(|a| format!("http://{a}/announce")));
    let urls = urls.chain(addresses.https.iter().map(|a| format!("https://{a}/announce")));
    let all = check(settings, &urls.collect::<Vec<_>>());
    assert_eq!(all.len(), 6);
    for checked in &all {
        assert!(checked.is_ok(), "{}: {:#?}", checked.target.as_str(), checked.steps);
        assert!(checked.steps.len() >= 13, "{:#?}", checked.steps);
        assert!(checked.steps.iter().any(|step| step.name.contains("is counted here")));
    }
    assert_eq!(server.peers(), 0);
}

#[test]
fn two_trackers_are_not_taken_for_one() {
    let servers = [TestServer::start(), TestServer::start()];
    let urls = servers.each_ref().map(|server| format!("http://{}/announce", server.http()));
    for checked in check(hasty(), &urls) {
        assert_eq!(failed(&checked).len(), 1, "{:#?}", checked.steps);
        assert!(failed(&checked)[0].ends_with("is counted here"));
    }
}

#[test]
fn tracker_that_says_the_same_to_everybody_fails() {
    let same = b"d8:completei0e10:incompletei1e8:intervali1800e5:peers6:\x7f\0\0\x01\xc3\x52e";
    let mock = Mock::saying(ok(same));
    let all = check(hasty(), &[mock.announce_url()]);
    let failed = failed(&all[0]);
    for name in [
        "a second peer is given the first, and not itself",
        "who wants no peers is given none",
        "a leecher that has completed is counted as seeder",
        "an info_hash of 19 bytes is refused",
        "a missing peer_id is refused",
        "an unknown path is refused",
    ] {
        assert!(failed.contains(&name), "{name}: {:#?}", all[0].steps);
    }
    assert!(!failed.contains(&"a leecher that has started is counted"), "{failed:?}");
}

#[test]
fn udp_tracker_that_believes_everything_fails() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let url = format!("udp://{}", socket.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut packet = [0; 4_096];
        while let Ok((length, from)) = socket.recv_from(&mut packet) {
            let mut out = Vec::new();
            let id: [u8; 4] = packet[12..16].try_into().unwrap();
            let id = u32::from_be_bytes(id);
            match Request::decode(&packet[..length]) {
                Ok(Request::Connect { transaction_id }) => {
                    udp::write_connect_reply(&mut out, transaction_id, 1);
                }
                Ok(Request::Scrape { header, .. }) => {
                    udp::write_scrape_reply(&mut out, header.transaction_id);
                }
                _ => {
                    let counts =
                        crate::protocol::announce::Counts { leechers: 1, ..Default::default() };
                    udp::write_announce_reply(&mut out, id, 1800, counts);
                }
            }
            drop(socket.send_to(&out, from));
        }
    });
    let all = check(hasty(), &[url]);
    let failed = failed(&all[0]);
    for name in [
        "an invented connection id gets no answer",
        "half an announce gets no answer",
        "an unknown action gets no answer",
    ] {
        assert!(failed.contains(&name), "{name}: {:#?}", all[0].steps);
    }
}

#[test]
fn tracker_that_does_not_answer_is_one_step() {
    let all = check(hasty(), &["http://127.0.0.1:1/announce".to_owned()]);
    assert_eq!((all[0].steps.len(), failed(&all[0]).len()), (1, 1));
}
