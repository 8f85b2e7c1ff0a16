//! The program as an operator runs it: words in, exit codes and one clear line out, signals.

#![expect(clippy::unwrap_used, reason = "a test that fails here should stop")]

#[path = "process/doctor.rs"]
mod doctor;
#[path = "process/examples.rs"]
mod examples;
#[path = "process/import.rs"]
mod import;
#[path = "process/killed.rs"]
mod killed;
#[path = "process/members.rs"]
mod members;
#[path = "process/query.rs"]
mod query;
#[path = "process/terminal.rs"]
mod terminal;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A running tracker, ended when dropped.
struct Tracker(Child);

impl Drop for Tracker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wildkat(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wildkat"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn output(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = wildkat(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// A port that is free for TCP and UDP at the moment, and that this test was not given before.
fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = tcp.local_addr().unwrap().port();
        let is_free = UdpSocket::bind(("127.0.0.1", port)).is_ok();
        if is_free && GIVEN.lock().unwrap().insert(port) {
            return port;
        }
    }
}

/// `serve` on loopback with the tracker on `port` and the page on `web`.
fn arguments(port: u16, web: u16) -> Vec<String> {
    let (port, web) = (port.to_string(), web.to_string());
    let words = ["serve", "--host=127.0.0.1", "--udp-port", &port, "--http-port", &port];
    words.into_iter().chain(["--web-http-port", &web]).map(str::to_owned).collect()
}

/// Starts `serve` and waits until it says that it is ready; what it said so far comes along.
fn start(arguments: &[String]) -> (Tracker, String) {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut child = wildkat(&words).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("ready") {
        assert_ne!(lines.read_line(&mut said).unwrap(), 0, "it ended: {said}");
    }
    std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
    (Tracker(child), said)
}

fn signal(tracker: &Tracker, name: &str) {
    let pid = tracker.0.id().to_string();
    assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
}

/// Waits for the end, which must come within the five seconds an operator is promised.
fn exit_code(tracker: &mut Tracker) -> Option<i32> {
    let start = Instant::now();
    loop {
        if let Some(status) = tracker.0.try_wait().unwrap() {
            return status.code();
        }
        assert!(start.elapsed() < Duration::from_secs(5), "it does not end");
        std::thread::yield_now();
    }
}

fn assert_nothing_listens(ports: &[u16]) {
    for port in ports {
        assert!(TcpStream::connect(("127.0.0.1", *port)).is_err(), "{port} is open");
        assert!(UdpSocket::bind(("127.0.0.1", *port)).is_ok(), "{port} is taken");
    }
}

#[test]
fn version_and_help_go_to_standard_output() {
    let (code, stdout, stderr) = output(&["--version"]);
    assert_eq!((code, &stderr[..]), (Some(0), ""));
    assert!(stdout.starts_with("wildkat "), "{stdout}");
    let (code, stdout, _) = output(&["serve", "-h"]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("--peer-ttl"), "{stdout}");
}

#[test]
fn words_that_are_wrong_end_with_2_and_their_name() {
    for (words, named) in [
        (&["serve", "--nonsense"][..], "--nonsense"),
        (&["serve", "--interval=soon"], "--interval"),
        (&["serve", "--max-peers", "0"], "--max-peers"),
        (&["brew"], "brew"),
        (&[], "Usage"),
    ] {
        let (code, stdout, stderr) = output(words);
        assert_eq!((code, &stdout[..]), (Some(2), ""), "{stderr}");
        assert!(stderr.contains(named), "{stderr}");
    }
}

#[test]
fn contradictions_end_with_1_before_anything_listens() {
    let (code, _, stderr) = output(&["serve", "--https-port", "1"]);
    assert_eq!(code, Some(1));
    assert_eq!(stderr, "Error: --https-port requires --cert and --key\n");
}

#[test]
fn acceptance_port_in_use_is_one_clear_line_and_nothing_is_left_listening() {
    let (port, web) = (free_port(), free_port());
    let words = arguments(port, web);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();

    let taken = UdpSocket::bind(("127.0.0.1", port)).unwrap();
    let (code, _, stderr) = output(&words);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("port is in use") && stderr.contains("--udp-port"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    drop(taken);
    assert_nothing_listens(&[port, web]);

    let taken = TcpListener::bind(("127.0.0.1", web)).unwrap();
    let (code, _, stderr) = output(&words);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("port is in use") && stderr.contains("--web-http-port"), "{stderr}");
    drop(taken);
    assert_nothing_listens(&[port, web]);
}

#[test]
fn second_tracker_on_the_same_ports_is_refused() {
    let words = arguments(free_port(), free_port());
    let (_first, _) = start(&words);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (code, _, stderr) = output(&words);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("port is in use"), "{stderr}");
}

#[test]
fn certificate_of_no_use_ends_with_1_and_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("garbage.pem");
    std::fs::write(&file, "garbage").unwrap();
    let (port, file) = (free_port().to_string(), file.to_str().unwrap().to_owned());
    let words = ["serve", "--https-port", &port, "--cert", &file, "--key", &file];
    let (code, _, stderr) = output(&words);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("garbage.pem") && stderr.lines().count() == 1, "{stderr}");
}

#[test]
fn start_says_what_listens_where_and_names_no_client() {
    let (port, web) = (free_port(), free_port());
    let (_tracker, said) = start(&arguments(port, web));
    for text in [
        format!("listening on 127.0.0.1:{port}: UDP announces"),
        format!("listening on 127.0.0.1:{port}: HTTP announces"),
        format!("listening on 127.0.0.1:{web}: the page"),
        "ready: ".to_owned(),
    ] {
        assert!(said.contains(&text), "{text}: {said}");
    }
}

#[test]
fn sigterm_and_sigint_end_it_with_0() {
    for name in ["-TERM", "-INT"] {
        let port = free_port();
        let (mut tracker, _) = start(&arguments(port, free_port()));
        let mut idle = TcpStream::connect(("127.0.0.1", port)).unwrap();
        signal(&tracker, name);
        assert_eq!(exit_code(&mut tracker), Some(0), "{name}");
        // Closed in good order, or never accepted.
        assert_eq!(idle.read(&mut [0]).unwrap_or(0), 0);
        assert_nothing_listens(&[port]);
    }
}

#[test]
fn requests_are_logged_only_when_asked_for_and_without_control_characters() {
    for verbose in [false, true] {
        let port = free_port();
        let mut words = arguments(port, free_port());
        words.extend(verbose.then(|| "--verbose".to_owned()));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let child = wildkat(&words).stderr(Stdio::piped()).spawn().unwrap();
        let mut tracker = Tracker(child);
        let mut lines = BufReader::new(tracker.0.stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains("ready") {
            assert_ne!(lines.read_line(&mut said).unwrap(), 0, "it ended: {said}");
        }
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let request = b"GET /\x1b[31m/announce?secret HTTP/1.0\r\n\r\n";
        stream.write_all(request).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
        signal(&tracker, "-TERM");
        lines.read_to_string(&mut said).unwrap();
        assert_eq!(said.contains("GET /\\x1b[31m/announce"), verbose, "{said}");
        assert!(!said.contains('\x1b') && !said.contains("secret"), "{said}");
    }
}

/// Announces a seeder of a torrent of its own, and returns what the tracker says.
fn announce(port: u16, torrent: u32) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let hash = format!("{torrent:020}");
    write!(
        stream,
        "GET /announce?info_hash={hash}&peer_id=-XX0001-000000000000&port=6881&left=0&numwant=0 \
         HTTP/1.0\r\n\r\n"
    )
    .unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}

fn with_state(port: u16, state: &Path, interval: u32) -> Vec<String> {
    let mut words = arguments(port, free_port());
    words.extend(["--state".to_owned(), state.to_str().unwrap().to_owned()]);
    words.extend(["--state-interval".to_owned(), interval.to_string()]);
    words
}

#[test]
fn swarms_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (state, port) = (folder.path().join("state"), free_port());
    let (mut tracker, said) = start(&with_state(port, &state, 300));
    assert!(said.contains("no state at"), "{said}");
    for torrent in 0..3 {
        assert!(announce(port, torrent).contains("8:completei1e"));
    }
    signal(&tracker, "-TERM");
    assert_eq!(exit_code(&mut tracker), Some(0));
    let (_tracker, said) = start(&with_state(port, &state, 300));
    assert!(said.contains("3 peers in 3 torrents are back"), "{said}");
}

#[test]
fn state_of_no_use_is_set_aside_with_one_line_and_an_impossible_one_ends_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    std::fs::write(&state, "some other program's\n").unwrap();
    let (_tracker, said) = start(&with_state(free_port(), &state, 300));
    let lines: Vec<_> = said.lines().filter(|line| line.contains("state")).collect();
    assert!(lines.len() == 1 && lines[0].contains("not a state file"), "{said}");
    assert!(lines[0].contains("state.refused"), "{said}");

    let words = with_state(free_port(), &folder.path().join("missing/state"), 300);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (code, _, stderr) = output(&words);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("folder must exist") && stderr.lines().count() == 1, "{stderr}");
}

#[test]
fn list_of_torrents_that_is_none_ends_the_start_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("denied");
    std::fs::write(&list, format!("{}\nubuntu.iso\n", "0".repeat(40))).unwrap();
    for (file, named) in
        [(list, "line 2 is no info hash"), ("/no/such/list".into(), "No such file")]
    {
        let list = file.to_str().unwrap();
        let mut words = arguments(free_port(), free_port());
        words.extend(["--deny-list".to_owned(), list.to_owned()]);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (code, _, stderr) = output(&words);
        assert_eq!(code, Some(1), "{stderr}");
        assert!(stderr.contains(named) && stderr.contains(list), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
}

/// Peers and torrents that stand in a state file.
fn saved(state: &Path) -> (u64, u64) {
    let file = BufReader::new(std::fs::File::open(state).unwrap());
    let totals = wildkat::state::format::read(file, |_, _| {}).unwrap().totals;
    (totals.peers, totals.torrents)
}

/// Writes a state of 40,000 peers in 10,000 torrents, and returns how long that took.
fn fill(state: &Path) -> Duration {
    use wildkat::protocol::{announce::Role, ids::InfoHash, ids::PeerId};
    let swarms = wildkat::swarm::Swarms::new(&wildkat::config::Swarm::default());
    let now = wildkat::clock::Now::from_secs(0);
    for number in 0..40_000_u32 {
        let mut info_hash = [1; 20];
        info_hash[..4].copy_from_slice(&(number / 4).to_be_bytes());
        let resident = wildkat::swarm::Resident {
            info_hash: InfoHash(info_hash),
            completed: 0,
            peer: std::net::SocketAddr::from(((number + 0x0100_0000).to_be_bytes(), 6881)),
            peer_id: Some(PeerId(*b"-XX0001-000000000000")),
            role: Role::Leecher,
            has_counted: false,
            age: 0,
        };
        swarms.restore(now, &resident).unwrap();
    }
    let start = Instant::now();
    let ledger = wildkat::stats::Ledger::new([1, 2], wildkat::clock::unix_secs());
    let file = wildkat::state::StateFile::open(state.to_owned()).unwrap();
    file.save(&swarms, &ledger, now).unwrap();
    start.elapsed()
}

/// Starts a tracker that saves every second, gives it one more torrent each time, and kills it at a
/// random moment of the saving. Returns how many of the kills met one that was not done yet.
fn kill_while_saving(runs: u32) -> u32 {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let takes = fill(&state);
    let (mut rng, mut expected) = (fastrand::Rng::new(), (40_000, 10_000));
    let mut in_the_middle = 0;
    for run in 0..runs {
        let port = free_port();
        let (mut tracker, said) = start(&with_state(port, &state, 1));
        let (peers, torrents) = expected;
        let back = format!("{peers} peers in {torrents} torrents are back");
        assert!(said.contains(&back), "run {run}, not {back}: {said}");
        announce(port, run);
        let temporary = folder.path().join("state.tmp");
        let begun = Instant::now();
        while !temporary.exists() {
            assert!(begun.elapsed() < Duration::from_secs(20), "it does not save");
            std::thread::sleep(Duration::from_micros(200));
        }
        std::thread::sleep(takes.mul_f64(rng.f64() * 0.8));
        tracker.0.kill().unwrap();
        tracker.0.wait().unwrap();
        in_the_middle += u32::from(temporary.exists());
        let found = saved(&state);
        let with_one_more = (peers + 1, torrents + 1);
        assert!([expected, with_one_more].contains(&found), "run {run}: {found:?}");
        expected = found;
    }
    in_the_middle
}

#[test]
fn kill_at_any_moment_of_a_saving_leaves_the_last_whole_state_stress() {
    let threads: Vec<_> = (0..8).map(|_| std::thread::spawn(|| kill_while_saving(25))).collect();
    let met: u32 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    println!("{met} of 200 kills met a saving");
    assert!(met >= 20, "only {met} of 200 kills met a saving");
}
