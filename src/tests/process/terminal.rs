//! `wildkat query` at a terminal, and when it is told to stop.

use std::fs::File;
use std::io::Read;
use std::net::UdpSocket;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::query::{deaf, http_mock, json, tracker};
use super::{exit_code, signal, wildkat};

/// Both ends of a terminal: ours, and the program's.
pub fn terminal() -> (File, File) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let theirs = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    (File::from(ours), theirs)
}

/// Runs the tool with standard error, and with `all` standard output, at a terminal; gives what
/// came there.
fn at_terminal(words: &[&str], all: bool) -> String {
    let (mut ours, theirs) = terminal();
    let clone = || Stdio::from(OwnedFd::from(theirs.try_clone().unwrap()));
    let mut command = wildkat(words);
    command.stderr(clone()).stdout(if all { clone() } else { Stdio::null() });
    command.env("TERM", "xterm").env("LC_ALL", "C.UTF-8");
    command.env_remove("NO_COLOR").env_remove("CI");
    let mut child = command.spawn().unwrap();
    drop((command, theirs));
    let reader = std::thread::spawn(move || {
        let mut said = Vec::new();
        // Ends with an error when the last end of theirs is closed.
        let _ = ours.read_to_end(&mut said);
        String::from_utf8_lossy(&said).into_owned()
    });
    child.wait().unwrap();
    reader.join().unwrap()
}

#[test]
fn batch_shows_its_progress_at_a_terminal_and_nowhere_else() {
    let url = http_mock("d8:intervali1800ee");
    let dead: (UdpSocket, String) = deaf();
    let words = ["query", "-T", "0.6", "-t", &url, "-t", &dead.1];
    let said = at_terminal(&words, false);
    assert!(said.contains("/2 trackers"), "{said:?}");
    assert!(!at_terminal(&[&words[..], &["-q"]].concat(), false).contains("trackers"));
    let (_, _, stderr) = super::output(&words);
    assert!(!stderr.contains("/2 trackers"), "{stderr}");
}

#[test]
fn terminal_gets_colours_unless_it_does_not_want_them() {
    let url = http_mock("d8:intervali1800ee");
    let words = ["query", "-t", &url];
    assert!(at_terminal(&words, true).contains("\x1b["));
    let plain = at_terminal(&[&words[..], &["--nocolor"]].concat(), true);
    assert!(plain.contains("answered") && !plain.contains("\x1b["), "{plain:?}");
}

#[test]
fn what_a_tracker_says_cannot_move_the_cursor() {
    let url = http_mock("d14:failure reason10:\x1b[2Jgo\x07\x08\x7f\ne");
    let said = at_terminal(&["query", "--nocolor", "-t", &url], true);
    assert!(said.contains("go") && !said.contains(['\x1b', '\x07', '\x08', '\x7f']), "{said:?}");
}

/// A batch in which one tracker has answered and another never will; then `name` is sent.
fn interrupted(name: &str) -> (Option<i32>, serde_json::Value) {
    let (_tracker, port) = tracker();
    let (_socket, deaf) = deaf();
    let (good, closed) = (format!("udp://127.0.0.1:{port}"), "udp://127.0.0.1:1".to_owned());
    let words = ["query", "-o", "json", "-T", "60", "-t", &good, "-t", &closed, "-t", &deaf];
    let child = wildkat(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut running = super::Tracker(child);
    std::thread::sleep(Duration::from_millis(1_500)); // all are asked, two have ended
    signal(&running, name);
    let begun = Instant::now();
    let mut stdout = String::new();
    running.0.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5));
    (exit_code(&mut running), json(&stdout))
}

#[test]
fn d4_signals_in_the_middle_of_a_batch_end_it_with_what_is_known() {
    for (name, code) in [("-INT", 130), ("-TERM", 143)] {
        let (found, document) = interrupted(name);
        assert_eq!(found, Some(code), "{name}");
        let totals = ["total", "succeeded", "failed"].map(|key| document[key].as_u64().unwrap());
        assert_eq!(totals, [3, 1, 2], "{name}: {document:#}");
        assert_eq!(document["failures"], serde_json::json!({ "failed": 1, "connect": 1 }));
        assert_eq!(document["results"][2]["error"]["message"], "interrupted");
    }
}

#[test]
fn second_signal_ends_it_at_once() {
    let (_socket, deaf) = deaf();
    let words = ["query", "-T", "60", "-t", &deaf];
    let child = wildkat(&words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut running = super::Tracker(child);
    std::thread::sleep(Duration::from_millis(700));
    signal(&running, "-TERM");
    signal(&running, "-TERM");
    assert_eq!(exit_code(&mut running), Some(143));
}

#[test]
fn watching_ends_with_figures_and_without_a_loss_that_was_none() {
    let (_tracker, port) = tracker();
    let url = format!("udp://127.0.0.1:{port}");
    let words = ["query", "--watch", "-i", "0.1", "-o", "json", "-t", &url];
    let child = wildkat(&words).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut running = super::Tracker(child);
    std::thread::sleep(Duration::from_secs(1));
    signal(&running, "-INT");
    let mut stdout = String::new();
    running.0.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    assert_eq!(exit_code(&mut running), Some(130));
    let document = json(&stdout);
    assert!(document["sent"].as_u64().unwrap() > 1, "{document:#}");
    assert_eq!(document["sent"], document["answered"]);
}
