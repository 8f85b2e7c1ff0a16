//! A scripted conversation with a tracker of one's own: two made-up peers come and go in a swarm
//! that nobody else knows, and the tracker is asked what it must refuse. Each step passes or fails
//! by itself, so that one fault does not hide the next.

mod conversation;
mod refusals;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::client::Client;
use super::failure::Failure;
use super::identity::Identity;
use super::input;
use super::question::{Announce, Question};
use super::report::AnnounceAnswer;
use super::target::Target;
use crate::limits::query as limits;
use crate::protocol::announce::Event;
use crate::protocol::ids::InfoHash;

/// What came of the conversation with one address of a tracker.
#[derive(Clone, Debug)]
pub struct Checked {
    /// With the address.
    pub target: Target,
    /// In their order.
    pub steps: Vec<Step>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What the tracker is held to, in a sentence.
    pub name: String,
    /// Whether it kept to it.
    pub verdict: Verdict,
    /// How long the step took.
    pub took: Duration,
}

/// Whether a tracker kept to what it is held to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It did.
    Passed,
    /// It did not, as it may.
    Noted(String),
    /// It did not.
    Failed(String),
    /// That cannot be asked of it.
    Skipped(String),
}

impl Verdict {
    /// The name in machine-readable output.
    pub fn name(&self) -> &'static str {
        match self {
            Verdict::Passed => "passed",
            Verdict::Noted(_) => "noted",
            Verdict::Failed(_) => "failed",
            Verdict::Skipped(_) => "skipped",
        }
    }

    /// What was seen instead; `None` when all is as it should be.
    pub fn message(&self) -> Option<&str> {
        match self {
            Verdict::Passed => None,
            Verdict::Noted(why) | Verdict::Failed(why) | Verdict::Skipped(why) => Some(why),
        }
    }
}

impl From<Result<(), String>> for Verdict {
    fn from(result: Result<(), String>) -> Verdict {
        result.map_or_else(Verdict::Failed, |()| Verdict::Passed)
    }
}

impl Checked {
    /// Whether no step failed.
    pub fn is_ok(&self) -> bool {
        !self.steps.iter().any(|step| matches!(step.verdict, Verdict::Failed(_)))
    }
}

/// Talks to a tracker at every URL in turn, by each family that it has an address of, and then
/// sees whether they all lead to one and the same swarms. The swarm is `info_hash`, which nobody
/// else should be in, or a random one for trackers that take any. `done` is told of each as it
/// ends. When `stop` turns true, what has not begun is left out.
pub async fn run(
    client: &Arc<Client>,
    targets: Vec<Target>,
    info_hash: Option<InfoHash>,
    stop: watch::Receiver<bool>,
    mut done: impl FnMut(&Checked),
) -> Vec<Checked> {
    let mut all = Vec::new();
    let each = client.each_address(targets).await;
    let targets: Vec<Target> = each.into_iter().flat_map(one_of_each_family).collect();
    for (place, target) in targets.iter().enumerate() {
        if *stop.borrow() {
            break;
        }
        let mut talk = Talk { client, target, info_hash, steps: Vec::new() };
        if talk.converse().await {
            talk.provoke().await;
            if targets.len() > 1 {
                talk.cross(&targets[(place + 1) % targets.len()]).await;
            }
        }
        let checked = Checked { target: target.clone(), steps: talk.steps };
        done(&checked);
        all.push(checked);
    }
    all
}

/// The first address of either family, or what there is without one.
fn one_of_each_family(each: Vec<Target>) -> Vec<Target> {
    let is_v4 = |target: &Target| target.pinned.is_some_and(|ip: IpAddr| ip.is_ipv4());
    let mut chosen: Vec<Target> = Vec::new();
    for target in each {
        if chosen.iter().all(|known| is_v4(known) != is_v4(&target)) {
            chosen.push(target);
        }
    }
    chosen
}

/// A peer that is made up.
struct MadeUp {
    identity: Identity,
    announce: Announce,
}

impl MadeUp {
    fn new(info_hash: InfoHash, port: u16) -> MadeUp {
        let announce = Announce { port, ..Announce::of(info_hash) };
        MadeUp { identity: Identity::own(), announce }
    }
}

/// A conversation under way.
struct Talk<'a> {
    client: &'a Client,
    target: &'a Target,
    info_hash: Option<InfoHash>,
    steps: Vec<Step>,
}

impl Talk<'_> {
    fn note(&mut self, name: &str, begun: Instant, verdict: impl Into<Verdict>) {
        let (name, verdict) = (name.to_owned(), verdict.into());
        self.steps.push(Step { name, verdict, took: begun.elapsed() });
    }

    /// A swarm of our own.
    fn swarm(&mut self) -> Option<InfoHash> {
        if self.info_hash.is_some() {
            return self.info_hash;
        }
        let begun = Instant::now();
        input::random_info_hash()
            .inspect_err(|failure| {
                let verdict = Verdict::Failed(failure.message.clone());
                self.note("a random info-hash is made", begun, verdict);
            })
            .ok()
    }

    async fn announce(&self, peer: &MadeUp, event: Event) -> Result<AnnounceAnswer, String> {
        announce_to(self.client, self.target, peer, event).await
    }

    /// Whether a peer of `other` is counted here.
    async fn cross(&mut self, other: &Target) {
        let Some(info_hash) = self.swarm() else { return };
        let [here, there] = limits::CHECK_PORTS.map(|port| MadeUp::new(info_hash, port));
        let begun = Instant::now();
        let verdict = async {
            announce_to(self.client, other, &there, Event::Started).await?;
            let answer = self.announce(&here, Event::Started).await?;
            match answer.leechers {
                Some(2) => Ok(()),
                count => Err(format!("counted are {}", number(count))),
            }
        };
        let verdict = verdict.await;
        self.note(&format!("a peer of {} is counted here", shown(other)), begun, verdict);
        // Both are forgotten by themselves, should this fail.
        let _ = announce_to(self.client, other, &there, Event::Stopped).await;
        let _ = self.announce(&here, Event::Stopped).await;
    }
}

async fn announce_to(
    client: &Client,
    target: &Target,
    peer: &MadeUp,
    event: Event,
) -> Result<AnnounceAnswer, String> {
    let question = Question::Announce(Announce { event, ..peer.announce.clone() });
    let report = client.ask(target, &question, &peer.identity).await;
    match (report.failure.as_ref().map(told), report.announced()) {
        (Some(why), _) => Err(why),
        (None, Some(answer)) => Ok(answer.clone()),
        (None, None) => Err("there is no answer".to_owned()),
    }
}

fn told(failure: &Failure) -> String {
    format!("{}: {}", failure.kind.name(), failure.message)
}

/// A tracker and its address, without secrets.
fn shown(target: &Target) -> String {
    let pinned = target.pinned.map(|ip| format!(" at {ip}")).unwrap_or_default();
    format!("{}{pinned}", super::redact::url(target.as_str()))
}

fn number(count: Option<i64>) -> String {
    count.map_or_else(|| "none".to_owned(), |count| count.to_string())
}
