//! One question many times, for figures of how a tracker answers.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::batch::{Job, Note, leaves_a_peer};
use super::client::Client;
use super::question::Question;
use super::report::Report;
use super::retry::Rules;
use super::statistics::{Summary, ms, phases};
use crate::limits::query as limits;
use crate::protocol::announce::Event;

/// How often, and how fast.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Times; `None` goes on until it is stopped.
    pub count: Option<u32>,
    /// From the start of one to the start of the next.
    pub interval: Duration,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Repeated {
    /// Questions put.
    pub sent: u32,
    /// Those with a good answer.
    pub answered: u32,
    /// Each phase by name, where it took place, of the last [`limits::TIMES_KEPT`] answers.
    pub phases: Vec<(&'static str, Summary)>,
    /// The last reports.
    pub reports: Vec<Report>,
}

impl Repeated {
    /// Questions without a good answer, in percent.
    pub fn loss_percent(&self) -> f64 {
        match self.sent {
            0 => 0.0,
            sent => f64::from(sent - self.answered) * 100.0 / f64::from(sent),
        }
    }
}

/// Asks again and again, until the count is reached or `stop` turns true. Only the first announce
/// carries its event, and only the last one is cleaned up after. `done` is told of each.
pub async fn run(
    client: &Client,
    job: Job,
    pace: Pace,
    stop: watch::Receiver<bool>,
    mut done: impl FnMut(u32, &Report),
) -> Repeated {
    let silent: Note = std::sync::Arc::new(|_, _| ());
    let mut repeated = Repeated::default();
    let mut times: Vec<(&'static str, VecDeque<f64>)> = Vec::new();
    let mut next = Job { cleans_up: false, rules: Rules::ONCE, ..job.clone() };
    while pace.count.is_none_or(|count| repeated.sent < count) && !*stop.borrow() {
        let begun = Instant::now();
        let report = next.clone().run(client, stop.clone(), silent.clone()).await;
        if !report.is_ok() && *stop.borrow() && repeated.sent > 0 {
            // It was not lost, but given up.
            break;
        }
        repeated.sent = repeated.sent.saturating_add(1);
        if report.is_ok() {
            repeated.answered += 1;
            for (name, took) in phases(&report.trace.timing) {
                let Some(took) = took else { continue };
                if times.iter().all(|(known, _)| *known != name) {
                    times.push((name, VecDeque::new()));
                }
                for (_, times) in times.iter_mut().filter(|(known, _)| *known == name) {
                    if times.len() == limits::TIMES_KEPT {
                        times.pop_front();
                    }
                    times.push_back(ms(took));
                }
            }
            if let Question::Announce(ask) = &mut next.question {
                ask.event = Event::Empty;
            }
        }
        done(repeated.sent, &report);
        if repeated.reports.len() == limits::RESULTS_KEPT {
            repeated.reports.remove(0);
        }
        repeated.reports.push(report);
        if pace.count.is_none_or(|count| repeated.sent < count) {
            let mut stop = stop.clone();
            tokio::select! {
                () = sleep_until(begun + pace.interval) => {}
                _ = stop.wait_for(|is_stopped| *is_stopped) => {}
            }
        }
    }
    if job.cleans_up
        && let Some(last) = repeated.reports.iter_mut().rfind(|report| leaves_a_peer(report))
    {
        last.cleanup = Some(client.farewell(&job.target, last).await);
    }
    let summaries = times.into_iter();
    repeated.phases =
        summaries.filter_map(|(name, times)| Some((name, Summary::of(times)?))).collect();
    repeated
}
