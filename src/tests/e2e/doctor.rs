//! The examination of a name that leads to a tracker, asked over real sockets.

use super::*;
use crate::doctor::finding::Severity;
use crate::doctor::host::Host;
use crate::doctor::{Scene, Wanted, examine, live};

/// What is found about the answers of `localhost` on these ports: (about, severity, what is).
fn answers(addresses: &Addresses) -> Vec<(String, Severity, String)> {
    let mut wanted = Wanted { domain: Some("localhost".to_owned()), ..Wanted::default() };
    let port = |ports: &[SocketAddr]| ports.first().map(SocketAddr::port);
    wanted.config.net.udp_port = port(&addresses.udp);
    wanted.config.net.http_port = port(&addresses.http);
    wanted.config.net.https_port = port(&addresses.https);
    wanted.config.net.hosts = ["127.0.0.1", "::1"].map(|ip| ip.parse().unwrap()).to_vec();
    let host = Host::at("/");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let live = runtime.block_on(live::ask(&wanted, &host, Duration::from_secs(2)));
    let findings = examine(&Scene { wanted, host, live });
    let told = findings.into_iter().filter(|finding| finding.id == "domain-answers");
    told.map(|finding| (finding.seen.about, finding.seen.severity, finding.seen.is)).collect()
}

#[test]
fn every_address_of_a_name_is_asked_on_every_port() {
    let server = TestServer::start();
    let addresses = server.addresses().clone();
    let told = answers(&addresses);
    let of = |scheme: &str| told.iter().filter(|(about, _, _)| about.starts_with(scheme)).collect();
    let [udp, http, https]: [Vec<_>; 3] = [of("udp:"), of("http:"), of("https:")];
    assert!(udp.len() + http.len() >= 2, "{told:?}");
    assert!(udp.iter().chain(&http).all(|(_, severity, _)| *severity == Severity::Ok), "{told:?}");
    // It answers, with a certificate that nobody knows.
    let is_refused = |is: &str| is.contains("not trusted");
    assert!(https.iter().all(|(_, severity, is)| *severity == Severity::Error && is_refused(is)));
    assert_eq!(server.peers(), 0, "to ask changes nothing");

    server.server.stop();
    let told = answers(&addresses);
    assert!(told.iter().all(|(_, severity, _)| *severity == Severity::Note), "{told:?}");
}
