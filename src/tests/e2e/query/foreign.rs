//! Real trackers: ours, Debian's opentracker, and npm's bittorrent-tracker, each started here. One
//! that is not installed fails its test and says how to get it; `scripts/ci.sh` does.

use std::net::{TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::super::TestServer;
use super::*;
use crate::query::Event;

const VERSION: &str = "11.2.3";

/// Two clients of one swarm meet by the tracker at `url`, which counts and forgets them rightly.
fn check_conversation(settings: &Settings, url: &str, counts_completed: bool) {
    let seeder = Announce { left: 0, port: 7_001, ..Announce::of(HASH) };
    let leecher = Announce { port: 7_002, ..Announce::of(HASH) };
    let [seeder, leecher] = [seeder, leecher].map(|announce| (announce, Identity::own()));
    let client = Client::new(settings.clone()).unwrap();
    let target = Target::parse(url).unwrap();
    let ask = |announce: &Announce, identity: &Identity| {
        let question = Question::Announce(announce.clone());
        let report = runtime().block_on(client.ask(&target, &question, identity));
        assert_eq!(kind(&report), None, "{url}: {:?}", report.failure);
        report
    };
    ask(&seeder.0, &seeder.1);
    let report = ask(&leecher.0, &leecher.1);
    let answer = report.announced().unwrap();
    let ports: Vec<u16> = answer.peers.iter().map(|peer| peer.port).collect();
    assert!(ports.contains(&7_001), "{url}: {ports:?}");
    assert!(answer.interval.is_some_and(|interval| interval > 0), "{url}");

    let report = ask_with(settings.clone(), url, &scrape());
    assert_eq!(kind(&report), None, "{url}: {:?}", report.failure);
    let torrent = &report.scraped().unwrap().torrents[0];
    assert_eq!((torrent.seeders, torrent.leechers), (Some(1), Some(1)), "{url}");
    if counts_completed {
        assert!(torrent.completed.is_some(), "{url}");
    }
    for (announce, identity) in [seeder, leecher] {
        ask(&Announce { event: Event::Stopped, ..announce }, &identity);
    }
    let report = ask_with(settings.clone(), url, &scrape());
    let counts = report.scraped().unwrap().torrents.first();
    let counts = counts.map(|torrent| (torrent.seeders, torrent.leechers));
    assert!(counts.is_none_or(|counts| counts == (Some(0), Some(0))), "{url}: {counts:?}");
}

fn patient() -> Settings {
    Settings { timeout: Duration::from_secs(10), ..Settings::default() }
}

#[test]
fn our_own_tracker_is_asked_over_every_protocol_and_family() {
    let server = TestServer::start();
    let mut settings = patient();
    settings.tls.ca_files = vec![server.folder.path().join("cert.pem")];
    let addresses = server.addresses().clone();
    let urls = addresses.udp.iter().map(|address| format!("udp://{address}"));
    let urls = urls.chain(addresses.http.iter().map(|a| format!("http://{a}/announce")));
    let urls = urls.chain(addresses.https.iter().map(|a| format!("https://{a}/announce")));
    let urls: Vec<String> = urls.collect();
    assert_eq!(urls.len(), 6);
    for url in urls {
        check_conversation(&settings, &url, true);
    }
    assert_eq!(server.peers(), 0);
}

/// A program that runs, killed when dropped.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        // Fails only when it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = tcp.local_addr().unwrap().port();
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn wait_for_port(port: u16, program: &mut Program, what: &str) {
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if let Some(status) = program.0.try_wait().unwrap() {
            panic!("{what} has ended: {status}");
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{what} does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn opentracker_is_asked_over_udp_and_http() {
    let port = free_port();
    let folder = tempfile::tempdir().unwrap();
    // Debian builds it with an access list, without which it knows no torrent.
    let list = folder.path().join("list");
    std::fs::write(&list, format!("{HASH}\n")).unwrap();
    let config = folder.path().join("config");
    let text = format!(
        "listen.tcp_udp 127.0.0.1:{port}\naccess.whitelist {}\ntracker.user nobody\n",
        list.display()
    );
    std::fs::write(&config, text).unwrap();
    let child = Command::new("/usr/bin/opentracker")
        .arg("-f")
        .arg(&config)
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{error}: apt-get install opentracker"));
    let mut program = Program(child);
    wait_for_port(port, &mut program, "opentracker");
    for url in [format!("udp://127.0.0.1:{port}"), format!("http://127.0.0.1:{port}/announce")] {
        check_conversation(&patient(), &url, false);
    }
    let unknown = Announce::of(InfoHash([b'z'; 20]));
    let url = format!("http://127.0.0.1:{port}/announce");
    let report = ask_with(patient(), &url, &Question::Announce(unknown));
    assert_eq!(kind(&report), Some(Kind::Refused), "{:?}", report.failure);
}

#[test]
fn bittorrent_tracker_of_npm_is_asked_over_udp_and_http() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/target/npm");
    let server = format!("{folder}/node_modules/bittorrent-tracker/server.js");
    assert!(
        std::path::Path::new(&server).exists(),
        "npm install --ignore-scripts --prefix {folder} bittorrent-tracker@{VERSION}"
    );
    let port = free_port();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tests/e2e/query/npm_tracker.mjs");
    let child = Command::new("node")
        .args([script, &server, &port.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{error}: apt-get install nodejs npm"));
    let mut program = Program(child);
    wait_for_port(port, &mut program, "bittorrent-tracker");
    for url in [format!("http://127.0.0.1:{port}/announce"), format!("udp://127.0.0.1:{port}")] {
        check_conversation(&patient(), &url, false);
    }
}
