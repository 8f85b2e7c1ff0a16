//! [`Client`]: puts one question to one tracker.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use url::{Host, Url};

use super::failure::{Failure, Kind, Retry};
use super::finding::Finding;
use super::http::Exchange;
use super::identity::Identity;
use super::proxy::Proxies;
use super::question::{self, Announce, Question, Reach, Scrape, Settings};
use super::report::{Answer, Peer, Remote, Report, ScrapeAnswer, Trace};
use super::resolve::Resolver;
use super::target::{Scheme, Target, with_query};
use super::tls::Connector;
use super::udp::Link;
use super::{announced, preference, redact, reply, scraped};
use crate::limits::query as limits;
use crate::protocol::http::client::{Query, write_info_hash};
use crate::protocol::{self, ids::InfoHash};

/// Asks trackers. One serves any number of questions at once.
#[derive(Debug)]
pub struct Client {
    settings: Settings,
    resolver: Arc<Resolver>,
    tls: Connector,
    proxies: Proxies,
}

/// One attempt under way.
struct Attempt<'a> {
    client: &'a Client,
    target: &'a Target,
    report: &'a mut Report,
    started: Instant,
    deadline: Instant,
}

impl Client {
    /// A client with these bounds and manners.
    ///
    /// # Errors
    /// A [`Kind::Usage`] failure when a certificate file or a proxy is of no use.
    pub fn new(settings: Settings) -> Result<Client, Failure> {
        let tls = Connector::new(&settings.tls)?;
        let resolver = Arc::new(Resolver::new(&settings));
        let proxies = match settings.reach {
            Reach::Anywhere => Proxies::new(&settings.proxies)?,
            Reach::PublicOnly => Proxies::new(&question::Proxies::default())?,
        };
        Ok(Client { settings, resolver, tls, proxies })
    }

    /// Its bounds and manners.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn tls(&self) -> &Connector {
        &self.tls
    }

    pub(super) fn proxies(&self) -> &Proxies {
        &self.proxies
    }

    /// A URL as it may be shown.
    pub(super) fn hide(&self, url: &str) -> String {
        if self.settings.redact { redact::url(url) } else { url.to_owned() }
    }

    /// Puts a question, once. Ends within `Settings::timeout` (see also
    /// `Settings::asks_preference`); to drop the future leaves nothing
    /// running.
    pub async fn ask(&self, target: &Target, question: &Question, identity: &Identity) -> Report {
        let mut report = Report::new(target, question, identity);
        report.attempts = 1;
        let started = Instant::now();
        let deadline = started + self.settings.timeout;
        let mut attempt = Attempt { client: self, target, report: &mut report, started, deadline };
        let result = match question {
            Question::Announce(ask) => attempt.announce(ask).await,
            Question::Scrape(ask) => attempt.scrape(ask).await,
        };
        if let Err(failure) = result {
            report.failure = Some(failure);
        }
        report.trace.timing.total = started.elapsed();
        self.judge_transport(target, &mut report);
        if self.settings.asks_preference
            && let Host::Domain(name) = &target.host
        {
            let texts = self.resolver.texts(name).await;
            report.findings.extend(preference::judge(&texts, target));
        }
        if let (Question::Scrape(scrape), Some(failure)) = (question, &report.failure)
            && scrape.is_full()
            && failure.kind == Kind::Http
        {
            let text = "the tracker does not list all its torrents";
            report.findings.push(Finding::new("full-scrape-refused", text));
        }
        report
    }

    /// Takes the peer that an announce has made out of the swarm again.
    ///
    /// # Errors
    /// Why that cannot be known to have worked.
    pub async fn farewell(&self, target: &Target, report: &Report) -> Result<(), String> {
        let Question::Announce(ask) = &report.question else { return Ok(()) };
        let tracker_id = report.announced().and_then(|answer| answer.tracker_id.clone());
        let farewell = Question::Announce(ask.farewell(tracker_id));
        let said = timeout(
            limits::CLEANUP_TIMEOUT,
            Box::pin(self.ask(target, &farewell, &report.identity)),
        );
        match said.await {
            Err(_) => Err("no answer to `stopped`".to_owned()),
            Ok(Report { failure: Some(failure), .. }) => Err(failure.message),
            Ok(_) => Ok(()),
        }
    }

    /// Looks up the names of peers, each address once and all at once, within a few seconds. Who
    /// has no name keeps `None`.
    pub async fn find_names(&self, peers: &mut [Peer]) {
        let mut addresses: Vec<_> = peers.iter().map(|peer| peer.ip.to_canonical()).collect();
        addresses.sort_unstable();
        addresses.dedup();
        let turns = Arc::new(Semaphore::new(limits::LOOKUP_JOBS));
        let mut lookups = JoinSet::new();
        for ip in addresses {
            let (resolver, turns) = (self.resolver.clone(), turns.clone());
            lookups.spawn(async move {
                let _turn = turns.acquire_owned().await.ok()?;
                Some((ip, resolver.name(ip).await?))
            });
        }
        let mut names = std::collections::HashMap::new();
        let all = async {
            while let Some(found) = lookups.join_next().await {
                names.extend(found.ok().flatten());
            }
        };
        // What has not come by then stays without a name.
        let _ = timeout(limits::REVERSE_TIMEOUT_ALL, all).await;
        for peer in peers {
            peer.hostname = names.get(&peer.ip.to_canonical()).cloned();
        }
    }

    /// Fetches an URL of a tracker as it stands, and tells what keeps that from a good answer;
    /// `None` when there is one.
    pub(super) async fn probe(&self, target: &Target, url: Url) -> Option<Failure> {
        let nothing = Question::Scrape(Scrape::of(Vec::new()));
        let mut report = Report::new(target, &nothing, &Identity::own());
        let started = Instant::now();
        let deadline = started + self.settings.timeout;
        let mut attempt = Attempt { client: self, target, report: &mut report, started, deadline };
        attempt.probe(url).await.err()
    }

    /// The addresses of a tracker, as `ask` would use them.
    ///
    /// # Errors
    /// When it has none.
    pub async fn addresses(&self, target: &Target) -> Result<Vec<SocketAddr>, Failure> {
        let deadline = Instant::now() + self.settings.timeout;
        self.resolve(target, (&target.host, target.port), &mut Trace::default(), deadline).await
    }

    /// For each tracker, the same at each of its addresses, in the resolver's order; as it is where
    /// they cannot be told, so that to ask it says why.
    pub async fn each_address(self: &Arc<Self>, targets: Vec<Target>) -> Vec<Vec<Target>> {
        let mut found: Vec<Vec<Target>> =
            targets.iter().map(|target| vec![target.clone()]).collect();
        let turns = Arc::new(Semaphore::new(limits::LOOKUP_JOBS));
        let mut lookups = JoinSet::new();
        for (place, target) in targets.into_iter().enumerate() {
            let (client, turns) = (self.clone(), turns.clone());
            lookups.spawn(async move {
                let _turn = turns.acquire_owned().await.ok()?;
                let addresses = client.addresses(&target).await.ok()?;
                let each = addresses.iter().map(|address| target.at(address.ip()));
                Some((place, each.collect()))
            });
        }
        while let Some(ended) = lookups.join_next().await {
            if let Ok(Some((place, each))) = ended {
                found[place] = each;
            }
        }
        found
    }

    /// The addresses of a host on the way to `target`, which may have one that it is bound to.
    pub(super) async fn resolve(
        &self,
        target: &Target,
        (host, port): (&Host<String>, u16),
        trace: &mut Trace,
        deadline: Instant,
    ) -> Result<Vec<SocketAddr>, Failure> {
        let begun = Instant::now();
        let is_target = (host, port) == (&target.host, target.port);
        let pinned = target.pinned.filter(|_| is_target);
        let found = self.resolver.addresses((host, port), pinned, &self.settings, deadline).await;
        trace.step("resolve", found.is_ok(), begun.elapsed());
        trace.timing.dns = Some(trace.timing.dns.unwrap_or_default() + begun.elapsed());
        if let Ok(found) = &found {
            let list: Vec<String> = found.iter().map(ToString::to_string).collect();
            trace.notes.push(format!("{host} is {}", list.join(", ")));
        }
        found
    }

    /// What is odd about the way, whatever the answer.
    fn judge_transport(&self, target: &Target, report: &mut Report) {
        let findings = &mut report.findings;
        if target.scheme == Scheme::Udp && !target.has_port {
            let text = "the URL names no port; 80 was used, and others may use another";
            findings.push(Finding::new("port-missing", text));
        }
        if let Some(udp) = &report.trace.udp {
            if udp.strays > 0 {
                let text = format!("{} datagrams were of no use", udp.strays);
                findings.push(Finding::new("udp-stray", text));
            }
            if udp.retransmits > 0 && report.failure.is_none() {
                let text = format!("answered after {} datagrams were sent again", udp.retransmits);
                findings.push(Finding::new("udp-slow-start", text));
            }
        }
        if let Some(tls) = &report.trace.tls {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            let now = now.map_or(0, |now| now.as_secs().cast_signed());
            if let Some(certificate) = &tls.certificate {
                certificate.findings(now, self.settings.tls.warn_days, findings);
            }
            if self.settings.tls.insecure {
                let text = "the certificate was not verified (--insecure)";
                findings.push(Finding::new("https-unverified", text));
            }
        }
    }
}

impl Attempt<'_> {
    async fn announce(&mut self, ask: &Announce) -> Result<(), Failure> {
        let (answer, failure) = match self.target.scheme {
            Scheme::Udp => (self.announce_udp(ask).await?, None),
            Scheme::Http | Scheme::Https => self.announce_http(ask).await?,
        };
        announced::judge(&answer, ask, &self.report.trace, &mut self.report.findings);
        self.report.answer = Some(Answer::Announce(answer));
        self.report.failure = failure;
        Ok(())
    }

    async fn announce_http(&mut self, ask: &Announce) -> Result<announced::Answered, Failure> {
        let identity = self.report.identity.clone();
        let style = identity.style;
        let sends_key = ask.sends_key || style == protocol::http::client::Style::Libtorrent;
        let mut announce = ask.on_wire(identity.peer_id);
        announce.key = announce.key.filter(|_| sends_key);
        let query = Query {
            announce: &announce,
            compact: ask.compact,
            no_peer_id: ask.no_peer_id,
            ipv4: ask.ipv4.as_deref(),
            ipv6: ask.ipv6.as_deref(),
            tracker_id: ask.tracker_id.as_deref(),
            supportcrypto: ask.supportcrypto,
            extra: &self.client.settings.http.parameters,
            style,
        };
        let mut text = Vec::new();
        query.encode(&mut text);
        let url = with_query(self.target.url(), &String::from_utf8_lossy(&text));
        let fetched = self.exchange().fetch(url).await?;
        let body_max = self.client.settings.http.body_max;
        let findings = &mut self.report.findings;
        let read = reply::decode(&fetched, body_max, findings)
            .and_then(|reply| announced::of_http(&reply, ask, &self.report.trace, findings));
        self.decoded(read.is_ok(), fetched.body);
        read
    }

    async fn probe(&mut self, url: Url) -> Result<(), Failure> {
        let fetched = self.exchange().fetch(url).await?;
        let findings = &mut self.report.findings;
        let reply = reply::decode(&fetched, self.client.settings.http.body_max, findings)?;
        let said = protocol::http::client::Announced::read(&reply).said;
        match reply::refusal(&said, "announce", findings)? {
            Some((_, failure)) => Err(failure),
            None => Ok(()),
        }
    }

    async fn announce_udp(
        &mut self,
        ask: &Announce,
    ) -> Result<super::report::AnnounceAnswer, Failure> {
        let url_data = self.target.url_data();
        let peer_id = self.report.identity.peer_id;
        let mut last = None;
        for (address, deadline) in self.udp_addresses().await? {
            let (started, trace) = (self.started, &mut self.report.trace);
            let link = Link::open(self.client, address, started, deadline, trace).await;
            let result = match link {
                Ok(mut link) => link.announce(ask, peer_id, url_data.as_deref(), trace).await,
                Err(failure) => Err(failure),
            };
            self.note_remote(address);
            match result {
                Ok(read) => {
                    return Ok(announced::of_udp(&read, address, &mut self.report.findings));
                }
                Err(failure) => last = Some(failure),
            }
            if self.is_over(last.as_ref()) {
                break;
            }
        }
        self.udp_refusal(last, |reason| {
            Answer::Announce(super::report::AnnounceAnswer {
                failure_reason: Some(reason),
                ..super::report::AnnounceAnswer::default()
            })
        })
    }

    async fn scrape(&mut self, ask: &Scrape) -> Result<(), Failure> {
        let mut answer = ScrapeAnswer::default();
        let failure = match self.target.scheme {
            Scheme::Udp => {
                self.scrape_udp(ask, &mut answer).await?;
                None
            }
            Scheme::Http | Scheme::Https => self.scrape_http(ask, &mut answer).await?,
        };
        scraped::judge(&mut answer, ask, &mut self.report.findings);
        self.report.answer = Some(Answer::Scrape(answer));
        self.report.failure = failure;
        Ok(())
    }

    async fn scrape_http(
        &mut self,
        ask: &Scrape,
        answer: &mut ScrapeAnswer,
    ) -> Result<Option<Failure>, Failure> {
        let scrape_url = self.target.scrape_url()?;
        answer.scrape_url = Some(scrape_url.as_str().to_owned());
        // In case nothing comes, the document still tells where it was asked.
        self.report.answer = Some(Answer::Scrape(answer.clone()));
        let mut rest = &ask.info_hashes[..];
        let mut chunk = ask.chunk.max(1);
        loop {
            let (asked, behind) = rest.split_at(chunk.min(rest.len()));
            let outcome = self.scrape_chunk(&scrape_url, asked, answer).await;
            let failure = match &outcome {
                Ok(None) if behind.is_empty() => return Ok(None),
                Ok(None) => {
                    rest = behind;
                    continue;
                }
                Ok(Some(failure)) | Err(failure) => failure,
            };
            if !ask.is_chunk_auto || asked.len() < 2 || !is_too_many(failure) {
                return outcome;
            }
            self.report.trace.notes.push(format!("{} hashes are too many", asked.len()));
            answer.failure_reason = None;
            chunk = asked.len() / 2;
        }
    }

    async fn scrape_chunk(
        &mut self,
        scrape_url: &Url,
        info_hashes: &[InfoHash],
        answer: &mut ScrapeAnswer,
    ) -> Result<Option<Failure>, Failure> {
        let mut text = Vec::new();
        for info_hash in info_hashes {
            write_info_hash(info_hash, &mut text);
        }
        let url = with_query(scrape_url, &String::from_utf8_lossy(&text));
        let fetched = self.exchange().fetch(url).await?;
        let body_max = self.client.settings.http.body_max;
        let findings = &mut self.report.findings;
        let read = reply::decode(&fetched, body_max, findings)
            .and_then(|reply| scraped::add_http(&reply, answer, findings));
        self.decoded(read.is_ok(), fetched.body);
        read
    }

    async fn scrape_udp(&mut self, ask: &Scrape, answer: &mut ScrapeAnswer) -> Result<(), Failure> {
        if ask.is_full() {
            let text = "UDP has no scrape of all torrents (BEP 15)";
            return Err(Failure::new(Kind::Unsupported, "none", text));
        }
        let mut last = None;
        for (address, deadline) in self.udp_addresses().await? {
            let (started, trace) = (self.started, &mut self.report.trace);
            let link = Link::open(self.client, address, started, deadline, trace).await;
            let result = match link {
                Ok(mut link) => link.scrape(&ask.info_hashes, trace).await,
                Err(failure) => Err(failure),
            };
            self.note_remote(address);
            match result {
                Ok(found) => {
                    scraped::add_udp(found, answer);
                    return Ok(());
                }
                Err(failure) => last = Some(failure),
            }
            if self.is_over(last.as_ref()) {
                break;
            }
        }
        self.udp_refusal(last, |reason| {
            Answer::Scrape(ScrapeAnswer { failure_reason: Some(reason), ..ScrapeAnswer::default() })
        })
    }

    fn exchange(&mut self) -> Exchange<'_> {
        Exchange {
            client: self.client,
            target: self.target,
            user_agent: &self.report.identity.user_agent,
            trace: &mut self.report.trace,
            findings: &mut self.report.findings,
            started: self.started,
            deadline: self.deadline,
        }
    }

    fn decoded(&mut self, is_ok: bool, mut body: Vec<u8>) {
        self.report.trace.step("decode", is_ok, std::time::Duration::ZERO);
        if !self.client.settings.keeps_body {
            body.truncate(if is_ok { 0 } else { limits::BODY_SHOWN });
            body.shrink_to_fit();
        }
        self.report.trace.body = body;
    }

    /// The addresses to ask in turn, each with its share of the time that is left.
    async fn udp_addresses(&mut self) -> Result<Vec<(SocketAddr, Instant)>, Failure> {
        if self.client.settings.proxies.is_for_all {
            let text = "UDP trackers cannot be asked through a proxy";
            return Err(Failure::new(Kind::Unsupported, "none", text));
        }
        let end = (&self.target.host, self.target.port);
        let trace = &mut self.report.trace;
        let addresses = self.client.resolve(self.target, end, trace, self.deadline).await?;
        let begun = Instant::now();
        let share = self.deadline.saturating_duration_since(begun) / addresses.len() as u32;
        let shares = (1..).map(|place| begun + share * place);
        Ok(addresses.into_iter().zip(shares).collect())
    }

    fn note_remote(&mut self, address: SocketAddr) {
        self.report.trace.remote = Some(Remote { host: self.target.host.clone(), address });
    }

    /// Whether another address would not help.
    fn is_over(&self, failure: Option<&Failure>) -> bool {
        let is_network = |f: &Failure| matches!(f.kind, Kind::Connect | Kind::Timeout);
        !failure.is_some_and(is_network) || Instant::now() >= self.deadline
    }

    /// Ends with the last failure; a refusal is an answer, too.
    fn udp_refusal<T>(
        &mut self,
        last: Option<Failure>,
        answer: impl FnOnce(String) -> Answer,
    ) -> Result<T, Failure> {
        let failure = last.unwrap_or_else(|| {
            Failure::new(Kind::Dns, "resolve", "there is no address to ask")
                .with_retry(Retry::Never)
        });
        if failure.kind == Kind::Refused {
            self.report.answer = Some(answer(failure.message.clone()));
        }
        Err(failure)
    }
}

/// Whether a scrape was refused for its length.
fn is_too_many(failure: &Failure) -> bool {
    let text = failure.message.to_ascii_lowercase();
    match failure.kind {
        Kind::Refused => text.contains("too many") || text.contains("max is"),
        Kind::Http => text.contains("414") || text.contains("431"),
        _ => false,
    }
}
