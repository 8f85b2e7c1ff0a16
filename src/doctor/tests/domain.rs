//! The public name, its answers made up here; real ones are asked for in `tests::e2e::doctor`.

use std::time::Duration;

use super::*;
use crate::doctor::domain::{Addresses, Answer};

fn named(answers: Vec<Answer>) -> Stage {
    let mut stage = Stage::good();
    let all = answers.iter().map(|answer| answer.ip).collect();
    stage.scene.wanted.domain = Some("t.example".to_owned());
    stage.scene.live.domain = Some(Ok(Addresses { all, answers }));
    stage
}

fn answer(ip: &str, outcome: Result<Duration, String>) -> Answer {
    Answer { url: "udp://t.example:6969/announce".to_owned(), ip: ip.parse().unwrap(), outcome }
}

fn silence() -> Result<Duration, String> {
    Err("timed out".to_owned())
}

#[test]
fn addresses_that_answer_are_as_they_should_be() {
    let stage = named(vec![answer("192.0.2.1", Ok(Duration::from_millis(3)))]);
    stage.shows("domain", Severity::Ok, "t.example leads to 192.0.2.1");
    let found = stage.shows("domain-answers", Severity::Ok, "answers in 3 ms");
    assert_eq!(found.seen.about, "udp://t.example:6969/announce at 192.0.2.1");
}

#[test]
fn silence_is_an_error_where_a_tracker_runs_and_a_note_where_none_does_yet() {
    let stage = named(vec![answer("192.0.2.1", silence())]);
    stage.shows("domain-answers", Severity::Note, "no tracker runs here yet");
    stage.write("/proc/net/udp", &format!("{UDP}{}", row("00000000:1B39", "07", 1, 0)));
    stage.shows("domain-answers", Severity::Error, "no answer: timed out");
    stage.is_cured_by("domain-answers", "iptables -I INPUT -p udp --dport 6969 -j ACCEPT");
}

#[test]
fn address_of_a_family_that_is_not_served_is_an_error_before_anything_runs() {
    let mut stage = named(vec![answer("2001:db8::1", silence())]);
    stage.scene.wanted.config.net.hosts.retain(IpAddr::is_ipv4);
    stage.shows("domain-answers", Severity::Error, "not asked to listen on IPv6");
    stage.is_cured_by("domain-answers", "--ipv6");
}

#[test]
fn name_that_leads_nowhere_is_an_error_and_none_at_all_a_note() {
    let mut stage = named(Vec::new());
    stage.scene.live.domain = Some(Err("cannot resolve \"t.example\"".to_owned()));
    stage.shows("domain", Severity::Error, "cannot resolve");
    stage.scene.wanted.domain = None;
    stage.scene.live.domain = None;
    stage.shows("domain", Severity::Note, "no --domain");
}
