//! Many questions at once, but one host at a time, and each cleaned up after.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::client::Client;
use super::failure::{Failure, Kind};
use super::finding::Finding;
use super::identity::Identity;
use super::question::Question;
use super::report::{Report, Trace};
use super::retry::{self, Rules};
use super::target::Target;
use crate::protocol::announce::Event;

/// One question to one tracker, from the first attempt to the farewell.
#[derive(Clone, Debug)]
pub struct Job {
    /// Whom to ask.
    pub target: Target,
    /// What.
    pub question: Question,
    /// As whom.
    pub identity: Identity,
    /// When to try again.
    pub rules: Rules,
    /// Whether the peer that an announce makes is taken out again.
    pub cleans_up: bool,
}

/// How many at once.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Questions at once.
    pub jobs_max: usize,
    /// With one job at a time, the pause between two; with more, the least time between two starts
    /// on one host.
    pub delay: Duration,
}

/// What is told of an attempt that is followed by another one.
pub type Note = Arc<dyn Fn(&Report, Duration) + Send + Sync>;

impl Job {
    /// Carries the job out, or ends it when `stop` turns true.
    pub async fn run(self, client: &Client, mut stop: watch::Receiver<bool>, note: Note) -> Report {
        let Job { target, question, identity, rules, cleans_up } = &self;
        let asked = retry::ask(client, target, question, identity, rules, &*note);
        let mut report = tokio::select! {
            report = asked => report,
            () = stopped(&mut stop) => {
                let failure = Failure::new(Kind::Failed, "none", "interrupted");
                let mut report = Report::new(target, question, identity);
                report.failure = Some(failure);
                report
            }
        };
        if *cleans_up && leaves_a_peer(&report) {
            report.cleanup = Some(client.farewell(target, &report).await);
        }
        report
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|is_stopped| *is_stopped).await.is_err() {
        // Nobody is left who could stop it.
        std::future::pending::<()>().await;
    }
}

/// Whether a peer of ours may be in the swarm after this.
pub(super) fn leaves_a_peer(report: &Report) -> bool {
    let Question::Announce(ask) = &report.question else { return false };
    let may_have_arrived = match &report.failure {
        None => true,
        Some(failure) => match failure.kind {
            Kind::Failed | Kind::Malformed => true,
            Kind::Timeout => ["announce", "headers", "body"].contains(&failure.step),
            _ => false,
        },
    };
    ask.event != Event::Stopped && may_have_arrived
}

/// Carries out all jobs; the reports come in the order of the jobs. `done` is told of each as it
/// ends. When `stop` turns true nothing more is started, and what has not begun has no report.
pub async fn run(
    client: Arc<Client>,
    jobs: Vec<Job>,
    plan: Plan,
    stop: watch::Receiver<bool>,
    note: Note,
    mut done: impl FnMut(usize, &Report),
) -> Vec<Option<Report>> {
    let mut reports: Vec<Option<Report>> = jobs.iter().map(|_| None).collect();
    let mut waiting: Vec<(usize, Job)> = jobs.into_iter().enumerate().rev().collect();
    let mut running = JoinSet::new();
    let mut hosts = Hosts { plan, busy: HashSet::new(), not_before: HashMap::new() };
    loop {
        let is_stopped = *stop.borrow();
        while !is_stopped && running.len() < plan.jobs_max {
            let now = Instant::now();
            let next = waiting.iter().rposition(|(_, job)| hosts.is_free(&job.target, now));
            let Some(next) = next else { break };
            let (place, job) = waiting.remove(next);
            let host = hosts.take(&job.target, now);
            let (client, stop, note) = (client.clone(), stop.clone(), note.clone());
            running.spawn(async move { (place, host, job.run(&client, stop, note).await) });
        }
        if running.is_empty() && (is_stopped || waiting.is_empty()) {
            return reports;
        }
        let wake = hosts.next_free().filter(|_| !waiting.is_empty() && !is_stopped);
        let mut stop = stop.clone();
        tokio::select! {
            ended = running.join_next(), if !running.is_empty() => {
                if let Some(Ok((place, host, report))) = ended {
                    hosts.give_back(&host, Instant::now());
                    done(place, &report);
                    reports[place] = Some(report);
                }
            }
            () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
            () = stopped(&mut stop), if !is_stopped => {}
        }
    }
}

/// Which hosts may be asked.
struct Hosts {
    plan: Plan,
    busy: HashSet<String>,
    not_before: HashMap<String, Instant>,
}

impl Hosts {
    /// With one job at a time all hosts are one, since the pause lies between any two. Ports of
    /// the loopback addresses are like hosts of their own: who asks them asks himself.
    fn name(&self, target: &Target) -> String {
        match target.ip() {
            _ if self.plan.jobs_max == 1 => String::new(),
            Some(ip) if ip.is_loopback() => format!("{ip} {}", target.port),
            Some(ip) => ip.to_string(),
            _ => target.host.to_string(),
        }
    }

    fn is_free(&self, target: &Target, now: Instant) -> bool {
        let name = self.name(target);
        !self.busy.contains(&name) && self.not_before.get(&name).is_none_or(|at| *at <= now)
    }

    fn take(&mut self, target: &Target, now: Instant) -> String {
        let name = self.name(target);
        self.busy.insert(name.clone());
        if self.plan.jobs_max > 1 && !self.plan.delay.is_zero() {
            self.not_before.insert(name.clone(), now + self.plan.delay);
        }
        name
    }

    fn give_back(&mut self, name: &str, now: Instant) {
        self.busy.remove(name);
        if self.plan.jobs_max == 1 && !self.plan.delay.is_zero() {
            self.not_before.insert(name.to_owned(), now + self.plan.delay);
        }
        self.not_before.retain(|_, at| *at > now);
    }

    /// When the next host that is only paused may be asked again.
    fn next_free(&self) -> Option<Instant> {
        let paused = self.not_before.iter().filter(|(name, _)| !self.busy.contains(*name));
        paused.map(|(_, at)| *at).min()
    }
}

/// Tells of trackers whose addresses do not all answer, or not alike.
fn compare_addresses(reports: &mut [Report]) {
    let mut by_tracker: HashMap<&str, Vec<usize>> = HashMap::new();
    for (place, report) in reports.iter().enumerate().filter(|(_, r)| r.pinned.is_some()) {
        by_tracker.entry(&report.tracker).or_default().push(place);
    }
    let mut found = Vec::new();
    for places in by_tracker.into_values() {
        let (good, bad): (Vec<usize>, Vec<usize>) =
            places.iter().partition(|place| reports[**place].is_ok());
        if !good.is_empty() && !bad.is_empty() {
            let (bad, all) = (bad.len(), places.len());
            let text = format!("{bad} of {all} addresses of this host do not answer well");
            found.extend(places.iter().map(|p| (*p, Finding::new("address-down", text.clone()))));
        }
        let is_alike = good
            .array_windows()
            .all(|[one, next]| figures(&reports[*one]) == figures(&reports[*next]));
        if !is_alike {
            let text = "the addresses of this host count differently";
            found.extend(good.iter().map(|p| (*p, Finding::new("address-differs", text))));
        }
    }
    for (place, finding) in found {
        reports[place].findings.push(finding);
    }
}

/// Intervals and counts of an answer, by swarm.
fn figures(report: &Report) -> Vec<[Option<i64>; 3]> {
    let announced = report.announced().into_iter();
    let announced = announced.map(|a| [a.interval, a.seeders, a.leechers]);
    let scraped = report.scraped().into_iter().flat_map(|answer| &answer.torrents);
    announced.chain(scraped.map(|t| [t.completed, t.seeders, t.leechers])).collect()
}

/// Tells of trackers that are one and the same behind several names: by address and port, or by
/// the peers they give.
pub fn compare(reports: &mut [Report]) {
    compare_addresses(reports);
    let mut by_address: HashMap<_, Vec<usize>> = HashMap::new();
    let mut by_peers: HashMap<_, Vec<usize>> = HashMap::new();
    for (place, report) in reports.iter().enumerate().filter(|(_, report)| report.is_ok()) {
        if let Trace { remote: Some(remote), .. } = &report.trace {
            by_address.entry((remote.address, report.protocol)).or_default().push(place);
        }
        let peers = report.announced().map_or(&[][..], |answer| &answer.peers);
        let mut peers: Vec<(IpAddr, u16)> = peers.iter().map(|peer| (peer.ip, peer.port)).collect();
        if peers.len() > 1 {
            peers.sort_unstable();
            by_peers.entry(peers).or_default().push(place);
        }
    }
    let same = by_address.into_values().map(|places| ("same-address", "have one address", places));
    let same = same.chain(
        by_peers.into_values().map(|places| ("same-peers", "give the very same peers", places)),
    );
    let is_one = |places: &[usize]| {
        places.iter().all(|place| reports[*place].tracker == reports[places[0]].tracker)
    };
    let same: Vec<_> = same.filter(|(_, _, places)| !is_one(places)).collect();
    for (id, what, places) in same {
        for place in &places {
            let text = format!("{} trackers of this batch {what}", places.len());
            reports[*place].findings.push(Finding::new(id, text));
        }
    }
}
