//! Names: a name server of our own on loopback, which knows some, denies others, and is silent
//! about one.

use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};
use std::time::Instant;

use hickory_resolver::proto::op::{Message, MessageType, Metadata, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, PTR, TXT};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

use super::*;
use crate::query::question::Reach;
use crate::query::report::{Peer, PeerSource};

/// What the name server says to a name and a type; `None` is silence.
fn records(name: &str, kind: RecordType) -> Option<(ResponseCode, Vec<RData>)> {
    let known = |records| Some((ResponseCode::NoError, records));
    match (name, kind) {
        ("tracker.test." | "both.test.", RecordType::A) => {
            known(vec![RData::A(A(Ipv4Addr::LOCALHOST))])
        }
        ("six.test." | "both.test.", RecordType::AAAA) => {
            known(vec![RData::AAAA(AAAA(Ipv6Addr::LOCALHOST))])
        }
        ("tracker.test.", RecordType::TXT) => {
            known(vec![RData::TXT(TXT::new(vec!["BITTORRENT DENY ALL".to_owned()]))])
        }
        ("4.4.8.8.in-addr.arpa.", RecordType::PTR) => {
            let name = Name::from_ascii("seed.example.net.").unwrap();
            known(vec![RData::PTR(PTR(name))])
        }
        ("silent.test." | "5.4.8.8.in-addr.arpa.", _) => None,
        (name, _) if name.ends_with("none.test.") => Some((ResponseCode::NXDomain, Vec::new())),
        ("broken.test.", _) => Some((ResponseCode::ServFail, Vec::new())),
        (name, RecordType::PTR) if !name.is_empty() => Some((ResponseCode::NXDomain, Vec::new())),
        _ => known(Vec::new()),
    }
}

/// A name server, until its test ends.
fn name_server() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut packet = [0; 4_096];
        while let Ok((length, from)) = socket.recv_from(&mut packet) {
            let asked = Message::from_vec(&packet[..length]).unwrap();
            let question = asked.queries[0].clone();
            let name = question.name().to_ascii().to_ascii_lowercase();
            let Some((code, data)) = records(&name, question.query_type()) else { continue };
            let mut metadata =
                Metadata::new(asked.metadata.id, MessageType::Response, OpCode::Query);
            metadata.response_code = code;
            metadata.recursion_available = true;
            let mut answer = Message::response(asked.metadata.id, OpCode::Query);
            answer.metadata = metadata;
            for data in data {
                answer.answers.push(Record::from_rdata(question.name().clone(), 60, data));
            }
            answer.queries.push(question);
            drop(socket.send_to(&answer.to_vec().unwrap(), from));
        }
    });
    address
}

fn settings() -> Settings {
    Settings { name_servers: vec![name_server()], ..hasty() }
}

fn tracker(ip: &str) -> u16 {
    let answer = |_: &str, _, stream: &mut TcpStream| {
        drop(stream.write_all(&ok(b"d8:completei1e10:incompletei0e8:intervali1800ee")));
    };
    Mock::with(ip.parse().unwrap(), answer).address.port()
}

#[test]
fn names_are_resolved_by_the_name_server_that_is_given() {
    let url = format!("http://tracker.test:{}/announce", tracker("127.0.0.1"));
    let report = ask_with(settings(), &url, &announce());
    assert_eq!(kind(&report), None, "{:?}", report.failure);
    let remote = report.trace.remote.unwrap();
    assert_eq!(
        (remote.host.to_string().as_str(), remote.address.is_ipv4()),
        ("tracker.test", true)
    );
    assert!(report.trace.timing.dns.unwrap() > Duration::ZERO);

    let url = format!("http://six.test:{}/announce", tracker("::1"));
    let report = ask_with(settings(), &url, &announce());
    assert_eq!(kind(&report), None, "{:?}", report.failure);
    assert!(report.trace.remote.unwrap().address.is_ipv6());
}

#[test]
fn names_without_address_are_failures_of_dns_and_told_apart() {
    let family = crate::query::question::Family::V6;
    let only_v6 = Settings { family, ..settings() };
    for (settings, host, why, is_final) in [
        (settings(), "none.test", "no such name", true),
        (settings(), "empty.test", "no address", true),
        (settings(), "broken.test", "", false),
        (only_v6, "tracker.test", "no address", true),
    ] {
        let settings = Settings { timeout: Duration::from_secs(10), ..settings };
        let report = ask_with(settings, &format!("udp://{host}:1"), &announce());
        let failure = report.failure.unwrap();
        assert_eq!((failure.kind, failure.step), (Kind::Dns, "resolve"), "{host}: {failure}");
        assert!(failure.message.contains(why), "{host}: {failure}");
        let is_never = failure.retry == crate::query::failure::Retry::Never;
        assert_eq!(is_never, is_final, "{host}: {failure}");
    }
}

#[test]
fn name_server_that_is_silent_costs_the_timeout_and_no_more() {
    let begun = Instant::now();
    let report = ask_with(settings(), "udp://silent.test:1", &announce());
    assert_eq!(kind(&report), Some(Kind::Timeout), "{:?}", report.failure);
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[test]
fn name_that_leads_into_the_network_behind_us_is_not_followed_for_strangers() {
    let settings = Settings { reach: Reach::PublicOnly, ..settings() };
    let report = ask_with(settings, "http://tracker.test:1/announce", &announce());
    let failure = report.failure.unwrap();
    assert!(failure.message.contains("not a public address"), "{failure}");
}

#[test]
fn peers_are_shown_with_the_names_they_have_and_others_without() {
    let peer = |ip: &str| Peer {
        ip: ip.parse().unwrap(),
        port: 1,
        source: PeerSource::Compact,
        peer_id: None,
        hostname: None,
    };
    let ips = ["8.8.4.4", "::ffff:8.8.4.4", "8.8.4.5", "8.8.4.6", "8.8.4.4"];
    let mut peers = ips.map(peer);
    let client = Client::new(settings()).unwrap();
    let begun = Instant::now();
    runtime().block_on(client.find_names(&mut peers));
    let took = begun.elapsed();
    let names = peers.each_ref().map(|peer| peer.hostname.as_deref());
    let seed = Some("seed.example.net");
    assert_eq!(names, [seed, seed, None, None, seed]);
    // One of them is never answered, and ends at its limit.
    assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn host_that_wants_no_tracker_asked_is_a_finding() {
    let port = tracker("127.0.0.1");
    let url = format!("http://tracker.test:{port}/announce");
    let asking = Settings { asks_preference: true, ..settings() };
    let report = ask_with(asking, &url, &announce());
    assert!(finding_ids(&report).contains(&"dns-tracker-pref"), "{:?}", report.findings);
    let report = ask_with(settings(), &url, &announce());
    assert!(!finding_ids(&report).contains(&"dns-tracker-pref"), "{:?}", report.findings);
}

#[test]
fn every_address_of_a_name_is_asked_and_compared() {
    use crate::query::batch::{self, Job, Plan};
    use crate::query::retry::Rules;
    let port = tracker("127.0.0.1"); // and nobody at ::1
    let client = Arc::new(Client::new(settings()).unwrap());
    let target = Target::parse(&format!("http://both.test:{port}/announce")).unwrap();
    let each = runtime().block_on(client.each_address(vec![target])).remove(0);
    assert_eq!(each.len(), 2);
    let job = |target| Job {
        target,
        question: scrape(),
        identity: Identity::own(),
        rules: Rules::ONCE,
        cleans_up: false,
    };
    let jobs = each.into_iter().map(job).collect();
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    let plan = Plan { jobs_max: 2, delay: Duration::ZERO };
    let done = batch::run(client, jobs, plan, stopped, Arc::new(|_, _| ()), |_, _| ());
    let mut reports: Vec<Report> = runtime().block_on(done).into_iter().flatten().collect();
    batch::compare(&mut reports);
    reports.sort_by_key(|report| report.pinned);
    assert_eq!(reports.iter().map(kind).collect::<Vec<_>>(), [None, Some(Kind::Connect)]);
    for report in &reports {
        assert!(finding_ids(report).contains(&"address-down"), "{:?}", report.findings);
        assert_schema(&document_of(report, &view_of(&["-s", "-t", "udp://h:1"])));
    }
}
