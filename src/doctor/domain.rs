//! The public name: what it leads to, and whether the tracker answers at each address.

use std::net::IpAddr;
use std::time::Duration;

use tokio::task::JoinSet;

use super::Scene;
use super::finding::{Cure, Looked, Seen};
use super::holders;
use super::ports;
use crate::config::Config;
use crate::query::failure::Kind;
use crate::query::identity::Identity;
use crate::query::question::{Question, Scrape, Settings};
use crate::query::target::Target;
use crate::query::{Client, InfoHash};

/// What a name leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// Its addresses.
    pub all: Vec<IpAddr>,
    /// What came of asking each, on each port.
    pub answers: Vec<Answer>,
}

/// What came of asking a tracker at one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The URL that was asked.
    pub url: String,
    /// The address it was asked at.
    pub ip: IpAddr,
    /// How long it took, or why there is no good answer.
    pub outcome: Result<Duration, String>,
}

/// Asks every address of `name` on every port of `config`, as a client would: a scrape of a hash
/// that nobody has, which changes nothing.
///
/// # Errors
/// Why the name leads nowhere.
pub async fn ask(name: &str, config: &Config, patience: Duration) -> Result<Addresses, String> {
    let urls = [
        ("udp", config.net.udp_port),
        ("http", config.net.http_port),
        ("https", config.net.https_port),
    ];
    let urls = urls.into_iter().filter_map(|(scheme, port)| {
        Target::parse(&format!("{scheme}://{name}:{}/announce", port?)).ok()
    });
    let targets: Vec<Target> = urls.collect();
    let Some(first) = targets.first() else { return Ok(Addresses::default()) };
    let settings = Settings { timeout: patience, connect_timeout: patience, ..Settings::default() };
    let client = Client::new(settings.clone()).map_err(|failure| failure.to_string())?;
    let found = client.addresses(first).await.map_err(|failure| failure.to_string())?;
    let all: Vec<IpAddr> = found.into_iter().map(|address| address.ip()).collect();
    let mut asking = JoinSet::new();
    for ip in &all {
        for target in &targets {
            asking.spawn(ask_one(target.clone(), *ip, settings.clone()));
        }
    }
    let mut answers = asking.join_all().await;
    answers.sort_by(|one, other| (one.ip, &one.url).cmp(&(other.ip, &other.url)));
    Ok(Addresses { all, answers })
}

async fn ask_one(target: Target, ip: IpAddr, settings: Settings) -> Answer {
    let url = target.as_str().to_owned();
    let resolve = vec![(target.host.clone(), target.port, ip)];
    let outcome = match Client::new(Settings { resolve, ..settings }) {
        Err(failure) => Err(failure.to_string()),
        Ok(client) => {
            let question =
                Question::Scrape(Scrape::of(vec![InfoHash(std::array::from_fn(|_| {
                    fastrand::u8(..)
                }))]));
            let report = client.ask(&target, &question, &Identity::own()).await;
            match &report.failure {
                // A refusal is an answer.
                Some(failure) if failure.kind != Kind::Refused => Err(failure.to_string()),
                _ => Ok(report.response_time()),
            }
        }
    };
    Answer { url, ip, outcome }
}

#[expect(clippy::unnecessary_wraps, reason = "all checks have one shape")]
pub fn resolves(scene: &Scene) -> Looked {
    let named = scene.wanted.domain.as_deref().zip(scene.live.domain.as_ref());
    let Some((name, found)) = named else {
        return Ok(vec![Seen::note("no --domain is named, so its addresses were not asked")]);
    };
    Ok(vec![match found {
        Ok(Addresses { all, .. }) => {
            let list: Vec<String> = all.iter().map(IpAddr::to_string).collect();
            Seen::ok(format!("{name} leads to {}", list.join(", ")))
        }
        Err(why) => {
            Seen::error(why.clone(), Cure::lasting(format!("dig +trace {name} A {name} AAAA")))
        }
    }])
}

#[expect(clippy::unnecessary_wraps, reason = "all checks have one shape")]
pub fn answers(scene: &Scene) -> Looked {
    let Some(Ok(Addresses { answers, .. })) = &scene.live.domain else { return Ok(Vec::new()) };
    let runs = is_running(scene);
    let seen = answers.iter().map(|answer| judged(answer, scene, runs));
    Ok(seen.collect())
}

fn judged(answer: &Answer, scene: &Scene, runs: bool) -> Seen {
    let Answer { url, ip, outcome } = answer;
    let about = format!("{url} at {ip}");
    let why = match outcome {
        Ok(took) => return Seen::ok(format!("answers in {} ms", took.as_millis())).about(about),
        Err(why) => why,
    };
    let listens_on_6 = scene.wanted.config.net.hosts.iter().any(IpAddr::is_ipv6);
    let port = url.rsplit_once(':').and_then(|(_, rest)| rest.split('/').next()).unwrap_or("");
    let protocol = if url.starts_with("udp") { "udp" } else { "tcp" };
    let seen = if ip.is_ipv6() && !listens_on_6 {
        let is = format!("no answer, since serve is not asked to listen on IPv6: {why}");
        Seen::error(is, Cure::lasting("wildkat serve --ipv6"))
    } else if runs {
        let tables = if ip.is_ipv6() { "ip6tables" } else { "iptables" };
        let rule = format!("{tables} -I INPUT -p {protocol} --dport {port} -j ACCEPT");
        Seen::error(format!("no answer: {why}"), Cure::both(rule, "netfilter-persistent save"))
    } else {
        let cure = Some(Cure::lasting("systemctl enable --now wildkat"));
        Seen { cure, ..Seen::note(format!("no answer, and no tracker runs here yet: {why}")) }
    };
    seen.about(about)
}

/// Whether anything on this host has one of the tracker's ports.
fn is_running(scene: &Scene) -> bool {
    let sockets = [("udp", holders::udp(&scene.host)), ("tcp", holders::tcp(&scene.host))];
    let sockets: Vec<_> =
        sockets.into_iter().filter_map(|(p, found)| Some((p, found.ok()?))).collect();
    ports::wanted(scene).iter().any(|port| {
        let own = sockets.iter().filter(|(protocol, _)| *protocol == port.protocol);
        own.flat_map(|(_, found)| found).any(|socket| socket.address.port() == port.number)
    })
}
