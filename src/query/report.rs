//! What came of a question: the answer or the failure, and everything seen on the way.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use url::Host;

use super::certificate::TlsReport;
use super::failure::Failure;
use super::finding::{Finding, Severity};
use super::identity::Identity;
use super::question::Question;
use super::target::{Scheme, Target};
use crate::protocol::ids::{InfoHash, PeerId};

/// What came of a question. On a refusal there may be both answer and failure.
#[derive(Clone, Debug)]
pub struct Report {
    /// The URL as it was given.
    pub tracker: String,
    /// The one address of its host that was to be asked, where not any would do.
    pub pinned: Option<IpAddr>,
    /// How the tracker is spoken to; `None` when the URL is of no use.
    pub protocol: Option<Scheme>,
    /// What was asked.
    pub question: Question,
    /// Who asked.
    pub identity: Identity,
    /// What the tracker said.
    pub answer: Option<Answer>,
    /// Why that is not good.
    pub failure: Option<Failure>,
    /// Attempts made, the last of which this tells of.
    pub attempts: u32,
    /// Oddities.
    pub findings: Vec<Finding>,
    /// What was seen on the way.
    pub trace: Trace,
    /// What came of taking the test peer out again; `None` when that was not tried.
    pub cleanup: Option<Result<(), String>>,
}

/// What was seen on the way to an answer.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// The end that was spoken to.
    pub remote: Option<Remote>,
    /// Our own end.
    pub local: Option<SocketAddr>,
    /// How long each phase took.
    pub timing: Timing,
    /// The steps in order, the last one being the one that failed, if one did.
    pub steps: Vec<Step>,
    /// What HTTP adds.
    pub http: Option<HttpTrace>,
    /// What UDP adds.
    pub udp: Option<UdpTrace>,
    /// What TLS adds.
    pub tls: Option<TlsReport>,
    /// What else is worth telling of the way, in sentences.
    pub notes: Vec<String>,
    /// The reply, decompressed, or the last datagram that was one. Empty unless
    /// `Settings::keeps_body`; but the beginning of a body that makes no sense is always kept.
    pub body: Vec<u8>,
    /// The first datagrams, whether they are ours, and their bytes; none unless
    /// `Settings::keeps_body`.
    pub datagrams: Vec<(bool, Vec<u8>)>,
}

/// The end that was spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// As in the URL.
    pub host: Host<String>,
    /// The address it has.
    pub address: SocketAddr,
}

/// How long each phase took; `None` when there was no such phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// Name resolution.
    pub dns: Option<Duration>,
    /// TCP's handshake, or the exchange of BEP 15's connect.
    pub connect: Option<Duration>,
    /// TLS's handshake.
    pub tls: Option<Duration>,
    /// From the request to the head of the reply, or to the reply over UDP.
    pub first_byte: Option<Duration>,
    /// From the beginning to the head of the reply, redirects included.
    pub response: Option<Duration>,
    /// From the beginning to the end.
    pub total: Duration,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// `resolve`, `connect`, `proxy`, `tls`, `headers`, `body`, `decode`, `announce` or `scrape`.
    pub name: &'static str,
    /// Whether it went well.
    pub is_ok: bool,
    /// How long it took.
    pub took: Duration,
}

/// What HTTP adds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpTrace {
    /// The last URL asked, with all parameters.
    pub url: String,
    /// The proxy it was asked through, without user and password; [`Trace::remote`] is its address.
    pub proxy: Option<String>,
    /// The status of the last reply; `None` without one.
    pub status: Option<u16>,
    /// Its reason phrase.
    pub reason: String,
    /// `HTTP/1.1`, of the reply.
    pub version: String,
    /// `Content-Encoding`.
    pub content_encoding: Option<String>,
    /// `Server`.
    pub server: Option<String>,
    /// Bytes of the body as sent.
    pub body_sent: usize,
    /// Bytes of the body after decompression.
    pub body_len: usize,
    /// Where the tracker sent us, in order, with the status that did.
    pub redirects: Vec<(u16, String)>,
    /// Requests that were made, since a long scrape takes several.
    pub requests: u32,
    /// The fields of the last request, those of the last reply, each as `Name: value`.
    pub sent_fields: Vec<String>,
    /// See `sent_fields`.
    pub fields: Vec<String>,
}

/// What UDP adds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UdpTrace {
    /// Datagrams sent.
    pub sent: u32,
    /// Datagrams received, strays included.
    pub received: u32,
    /// Datagrams that were sent again.
    pub retransmits: u32,
    /// Datagrams of no use: too short, an unknown action, or a transaction that is not ours.
    pub strays: u32,
}

/// What the tracker said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To an announce.
    Announce(AnnounceAnswer),
    /// To a scrape.
    Scrape(ScrapeAnswer),
}

/// The answer to an announce; `None` where the tracker says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnnounceAnswer {
    /// Seconds until the next announce.
    pub interval: Option<i64>,
    /// Seconds that at least lie between two announces.
    pub min_interval: Option<i64>,
    /// Peers that have everything.
    pub seeders: Option<i64>,
    /// Peers that lack something.
    pub leechers: Option<i64>,
    /// How often a leecher became a seeder.
    pub completed: Option<i64>,
    /// IPv4 peers, and IPv6 ones.
    pub peers_v4: usize,
    /// See `peers_v4`.
    pub peers_v6: usize,
    /// Bytes of compact IPv4 peers, and of IPv6 ones.
    pub bytes_v4: usize,
    /// See `bytes_v4`.
    pub bytes_v6: usize,
    /// The peers, up to a limit.
    pub peers: Vec<Peer>,
    /// `warning message`.
    pub warning_message: Option<String>,
    /// Why the tracker refuses; never empty.
    pub failure_reason: Option<String>,
    /// Our address as the tracker sees it.
    pub external_ip: Option<String>,
    /// To be sent back.
    pub tracker_id: Option<Vec<u8>>,
}

/// A peer of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address; an IPv4 address in IPv6 form stays as it came.
    pub ip: IpAddr,
    /// Its port.
    pub port: u16,
    /// How it came.
    pub source: PeerSource,
    /// Its id, where that came along.
    pub peer_id: Option<PeerId>,
    /// Its name by reverse DNS, where that was asked for and there is one.
    pub hostname: Option<String>,
}

/// How a peer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerSource {
    /// As 6 or 18 bytes.
    Compact,
    /// As a dictionary.
    Dictionary,
}

impl Peer {
    /// The word for it in the lists of old: `ipv4`, `ipv6`, `ipv4-mapped` or `dict`.
    pub fn kind(&self) -> &'static str {
        match (self.source, self.ip) {
            (PeerSource::Dictionary, _) => "dict",
            (PeerSource::Compact, IpAddr::V4(_)) => "ipv4",
            (PeerSource::Compact, IpAddr::V6(ip)) if ip.to_ipv4_mapped().is_some() => "ipv4-mapped",
            (PeerSource::Compact, IpAddr::V6(_)) => "ipv6",
        }
    }
}

/// The answer to a scrape.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScrapeAnswer {
    /// The URL that was scraped, without hashes; `None` over UDP.
    pub scrape_url: Option<String>,
    /// Why the tracker refuses; never empty.
    pub failure_reason: Option<String>,
    /// Seconds that at least lie between two scrapes.
    pub min_request_interval: Option<i64>,
    /// The swarms in the order of the reply.
    pub torrents: Vec<ScrapedTorrent>,
    /// Asked for and not answered.
    pub missing: Vec<InfoHash>,
    /// Answered and not asked for; empty for a full scrape.
    pub unrequested: Vec<InfoHash>,
}

/// One swarm of a scrape; `None` where the tracker says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScrapedTorrent {
    /// Which.
    pub info_hash: InfoHash,
    /// Peers that have everything.
    pub seeders: Option<i64>,
    /// Peers that lack something.
    pub leechers: Option<i64>,
    /// How often a leecher became a seeder.
    pub completed: Option<i64>,
    /// The name; empty when the tracker gives none.
    pub name: String,
}

impl Report {
    /// A report on a question that was not put yet.
    pub fn new(target: &Target, question: &Question, identity: &Identity) -> Report {
        Report {
            pinned: target.pinned,
            protocol: Some(target.scheme),
            ..Report::of_failure(target.as_str(), question, identity, None)
        }
    }

    /// A report on a question that cannot be put.
    pub fn of_failure(
        tracker: &str,
        question: &Question,
        identity: &Identity,
        failure: Option<Failure>,
    ) -> Report {
        Report {
            tracker: tracker.to_owned(),
            pinned: None,
            protocol: None,
            question: question.clone(),
            identity: identity.clone(),
            answer: None,
            failure,
            attempts: 0,
            findings: Vec::new(),
            trace: Trace::default(),
            cleanup: None,
        }
    }

    /// Whether there is an answer and nothing wrong with it.
    pub fn is_ok(&self) -> bool {
        self.failure.is_none()
    }

    /// The time to the head of the reply, or to the failure.
    pub fn response_time(&self) -> Duration {
        self.trace.timing.response.unwrap_or(self.trace.timing.total)
    }

    /// Whether there is a finding that `--strict` does not let pass.
    pub fn has_faults(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity >= Severity::Warn)
    }

    /// The answer to an announce.
    pub fn announced(&self) -> Option<&AnnounceAnswer> {
        match &self.answer {
            Some(Answer::Announce(answer)) => Some(answer),
            _ => None,
        }
    }

    /// The answer to a scrape.
    pub fn scraped(&self) -> Option<&ScrapeAnswer> {
        match &self.answer {
            Some(Answer::Scrape(answer)) => Some(answer),
            _ => None,
        }
    }

    /// What the tracker says against it; a UDP error counts.
    pub fn failure_reason(&self) -> Option<&str> {
        match self.answer.as_ref()? {
            Answer::Announce(answer) => answer.failure_reason.as_deref(),
            Answer::Scrape(answer) => answer.failure_reason.as_deref(),
        }
    }
}

impl Trace {
    /// Notes that a step is over.
    pub fn step(&mut self, name: &'static str, is_ok: bool, took: Duration) {
        self.steps.push(Step { name, is_ok, took });
    }
}
