//! The arguments of `wildkat serve`, and what they mean.

pub(super) mod members;
mod ranges;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use argh::{ArgsInfo, FromArgs};
use ipnet::IpNet;

use super::domain::Domain;
use super::{Exit, arguments, memory};
use crate::config::{self, Config, TlsFiles};
use crate::limits;
use members::own_names;

/// The web port taken when none was named, and the one when that may not be bound.
const WEB_HTTP_PORT: u16 = 80;
const WEB_HTTP_PORT_OTHERWISE: u16 = 8080;
/// Who may read the metrics when nobody was named.
const METRICS_ALLOW: &str = "127.0.0.0/8,::1";
/// Seconds between two savings of the state.
const STATE_INTERVAL: u32 = 300;

/// run a tracker: UDP, HTTP and HTTPS announces and scrapes, and a page about them
#[derive(FromArgs, ArgsInfo, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "a switch is a bool")]
#[argh(
    example = "{command_name}\n  UDP and HTTP on 6969, the page on 80 or 8080",
    example = "{command_name} --ipv6 --domain t.example --https-port 443 --cert c.pem --key k.pem",
    note = "Port 0 is off. Every option can come from the environment too: WILDKAT_HTTP_PORT for
  \
            --http-port, and 1 for a switch. What is typed stands above it."
)]
pub struct ServeArguments {
    /// address to listen on; IPv4 or IPv6, several by commas; all IPv4 addresses when absent
    #[argh(option, default = "String::new()")]
    host: String,
    /// listen on IPv6 too, at all addresses
    #[argh(switch)]
    ipv6: bool,
    /// port for UDP announces (default 6969)
    #[argh(option, default = "6969")]
    udp_port: u16,
    /// port for HTTP announces (default 6969)
    #[argh(option, default = "6969")]
    http_port: u16,
    /// port for HTTPS announces (default off); needs --cert and --key
    #[argh(option, default = "0")]
    https_port: u16,
    /// certificate chain, PEM, the server's own first
    #[argh(option)]
    cert: Option<PathBuf>,
    /// private key of the certificate, PEM
    #[argh(option)]
    key: Option<PathBuf>,
    /// send HTTP announces to the HTTPS port instead of answering them
    #[argh(switch)]
    redirect_http: bool,
    /// name that clients reach this tracker by, host or host:port; for redirects and announce URLs
    #[argh(option, default = "String::new()")]
    domain: String,
    /// seconds between a client's announces (default 1800)
    #[argh(option, default = "config::Tracker::default().interval")]
    interval: u32,
    /// random deviation of the interval, in percent (default 5)
    #[argh(option, default = "config::Tracker::default().interval_jitter")]
    interval_jitter: u32,
    /// seconds a client is asked to wait at least (default 60)
    #[argh(option, default = "config::Tracker::default().min_interval")]
    min_interval: u32,
    /// seconds without an announce after which a peer is dropped (default 3600)
    #[argh(option, default = "config::Swarm::default().peer_ttl")]
    peer_ttl: u32,
    /// most peers in a reply (default 200)
    #[argh(option, default = "config::Tracker::default().peers_max")]
    max_peers: usize,
    /// most peers in all swarms together (default: what fits a quarter of the memory)
    #[argh(option)]
    max_peers_total: Option<u64>,
    /// most torrents (default: what fits a quarter of the memory)
    #[argh(option)]
    max_torrents: Option<u64>,
    /// forget peer ids, for the smallest store; dictionary replies leave them out
    #[argh(switch)]
    no_peer_ids: bool,
    /// file in which the swarms outlive a restart; its folder must exist (default: none)
    #[argh(option)]
    state: Option<PathBuf>,
    /// seconds between two savings of --state (default 300)
    #[argh(option, default = "STATE_INTERVAL")]
    state_interval: u32,
    /// text sent as "tracker id" in HTTP replies (default Wildkat); empty leaves it out
    #[argh(option, default = "config::Tracker::default().tracker_id")]
    tracker_id: String,
    /// most info hashes in a scrape (default 5 over HTTP, 74 over UDP)
    #[argh(option)]
    max_scrape_hashes: Option<usize>,
    /// answer HTTP scrapes without info hash with all torrents
    #[argh(switch)]
    full_scrape: bool,
    /// give IPv6 clients no IPv4 peers as ::ffff:a.b.c.d
    #[argh(switch)]
    no_ipv4_mapped: bool,
    /// believe the address a client names, if it comes from a private network
    #[argh(switch)]
    trust_ip_param: bool,
    /// network whose X-Forwarded-For is believed, like 10.0.0.0/8; may be repeated
    #[argh(option)]
    trusted_proxy: Vec<String>,
    /// have connections from --trusted-proxy begin with a PROXY head, version 1 or 2, on every port
    #[argh(switch)]
    proxy_protocol: bool,
    /// file of info hashes, a line each, that alone are tracked; read again when it changes
    #[argh(option)]
    allow_list: Option<PathBuf>,
    /// file of info hashes, a line each, that are not tracked; read again when it changes
    #[argh(option)]
    deny_list: Option<PathBuf>,
    /// most requests a second from one network, a /24 or an IPv6 /56 (default: no limit)
    #[argh(option)]
    rate_limit: Option<u32>,
    /// give clients of the public internet no private or otherwise unreachable peers
    #[argh(switch)]
    hide_bogons: bool,
    /// port of the page (default 80, or 8080 where 80 may not be had)
    #[argh(option)]
    web_http_port: Option<u16>,
    /// port of the page over HTTPS (default off); needs --cert and --key
    #[argh(option, default = "0")]
    web_https_port: u16,
    /// send visitors of the page to HTTPS
    #[argh(switch)]
    web_redirect_http: bool,
    /// network that may read /metrics on the web ports; may be repeated (default 127.0.0.0/8,::1)
    #[argh(option)]
    metrics_allow: Vec<String>,
    /// threads that serve announces (default: as many as there are cores)
    #[argh(option)]
    workers: Option<usize>,
    /// most open TCP connections (default 16384)
    #[argh(option, default = "config::Net::default().connections_max")]
    max_connections: usize,
    /// most open TCP connections from one address (default 4096)
    #[argh(option, default = "config::Net::default().connections_per_ip_max")]
    max_connections_per_ip: usize,
    /// what moves the bytes: auto, uring or epoll (default auto: io_uring where it may be had)
    #[argh(option, default = "config::Io::Auto")]
    io: config::Io,
    /// log every request, with the client's address
    #[argh(switch, short = 'v')]
    verbose: bool,
    /// run a members' site at /manage, and track the torrents registered there alone
    #[argh(switch)]
    registration: bool,
    /// database of the members' site (default tracker.db, in $STATE_DIRECTORY or /opt/tracker where
    /// there is one, else here)
    #[argh(option)]
    db: Option<PathBuf>,
    /// name of the members' site's owner, whose account is made at the first start
    #[argh(option, default = "String::new()")]
    super_user: String,
    /// password of that account, for its making; better typed when asked for, or in a file
    #[argh(option, default = "String::new()")]
    super_user_password: String,
    /// file with that password
    #[argh(option)]
    super_user_password_file: Option<PathBuf>,
    /// make a certificate of our own and keep it beside the database, where none is named
    #[argh(switch)]
    tls_self_signed: bool,
    /// port of the members' site over HTTPS, which is then on no other (default: --web-https-port)
    #[argh(option, default = "0")]
    manage_port: u16,
    /// port that sends visitors to --manage-port (default off)
    #[argh(option, default = "0")]
    manage_http_port: u16,
}

/// A configuration that has been checked, and what its author should know about it.
#[derive(Debug)]
pub struct Checked {
    /// What was meant.
    pub meant: Config,
    /// What was typed and has no effect.
    pub warnings: Vec<String>,
    /// The certificate and key that were named, whether or not a port needs them.
    pub pair: Option<TlsFiles>,
    /// The public host that was named.
    pub domain: Option<String>,
}

/// The configuration that `typed` and `environment` mean.
///
/// # Errors
/// Everything that is wrong with it is found here, before a socket is bound or a thread started.
pub fn config(
    typed: &[String],
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Checked, Exit> {
    let checked = read(typed, environment)?;
    let files = checked.meant.net.tls.as_ref().filter(|_| checked.meant.net.self_signed.is_none());
    files.map_or(Ok(()), check_files)?;
    Ok(checked)
}

/// As [`config()`], but files may be missing: whoever looks for what is wrong finds that too.
///
/// # Errors
/// As [`config()`].
pub fn read(
    typed: &[String],
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Checked, Exit> {
    arguments::read::<ServeArguments>("serve", typed, &[], environment)?.check()
}

fn check_files(files: &TlsFiles) -> Result<(), Exit> {
    for (name, path) in [("cert", &files.cert), ("key", &files.key)] {
        let text = format!("{name} file not found: {}", path.display());
        refuse_if(!path.is_file(), &text)?;
    }
    Ok(())
}

impl ServeArguments {
    fn check(self) -> Result<Checked, Exit> {
        self.check_members()?;
        let tls = self.tls()?;
        self.check_ports()?;
        refuse_if(
            self.proxy_protocol && self.trusted_proxy.is_empty(),
            "--proxy-protocol requires --trusted-proxy, the networks that speak it",
        )?;
        self.check_ranges()?;
        let warnings = self.warnings();
        let domain = Domain::parse(&self.domain)?;
        let net = self.net(tls, &domain)?;
        let metrics_allow = match &self.metrics_allow[..] {
            [] => networks("--metrics-allow", &[METRICS_ALLOW.to_owned()])?,
            named => networks("--metrics-allow", named)?,
        };
        let web = self.web(&domain, metrics_allow);
        let (tracker, swarm, state) = (self.tracker(), self.swarm(), self.state());
        let named = (!self.domain.is_empty()).then(|| domain.host().to_owned());
        let members = self.members()?;
        let meant = Config { tracker, swarm, state, net, web, members };
        Ok(Checked { meant, warnings, pair: self.pair(), domain: named })
    }

    fn pair(&self) -> Option<TlsFiles> {
        let named = self.cert.clone().zip(self.key.clone());
        let (cert, key) = named.or_else(|| self.own_pair())?;
        Some(TlsFiles { cert, key })
    }

    /// The certificate and key, where a port needs them.
    fn tls(&self) -> Result<Option<TlsFiles>, Exit> {
        let files = self.pair();
        let without = |port: u16| port != 0 && files.is_none();
        refuse_if(without(self.https_port), "--https-port requires --cert and --key")?;
        refuse_if(without(self.web_https_port), "--web-https-port requires --cert and --key")?;
        refuse_if(without(self.manage_port), "--manage-port requires --cert and --key")?;
        let is_used = [self.https_port, self.web_https_port, self.manage_port] != [0; 3];
        Ok(files.filter(|_| is_used))
    }

    fn check_ports(&self) -> Result<(), Exit> {
        let web_http_port = self.web_http_port();
        let tcp = [
            ("--http-port", self.http_port),
            ("--https-port", self.https_port),
            ("--web-http-port", web_http_port),
            ("--web-https-port", self.web_https_port),
            ("--manage-port", self.manage_port),
            ("--manage-http-port", self.manage_http_port),
        ];
        refuse_if(
            self.udp_port == 0 && tcp.iter().all(|(_, port)| *port == 0),
            "all listeners disabled.",
        )?;
        for (i, (name, port)) in tcp.iter().enumerate() {
            let is_taken = |(_, taken): &&(&str, u16)| taken == port && *port != 0;
            if let Some((other, _)) = tcp[..i].iter().find(is_taken) {
                return Err(Exit::Failed(format!(
                    "Error: {other} and {name} are both {port}; each needs a port of its own"
                )));
            }
        }
        refuse_if(
            self.redirect_http && (self.https_port == 0 || self.http_port == 0),
            "--redirect-http leads from --http-port to --https-port; both must be on",
        )?;
        refuse_if(
            self.web_redirect_http && (self.web_https_port == 0 || web_http_port == 0),
            "--web-redirect-http leads from --web-http-port to --web-https-port; both must be on",
        )
    }

    fn warnings(&self) -> Vec<String> {
        let uses_tls = [self.https_port, self.web_https_port, self.manage_port] != [0; 3];
        let has_pair = self.cert.is_some() || self.key.is_some();
        [
            (has_pair && !uses_tls, "--cert and --key have no effect without an HTTPS port"),
            (
                !self.registration && (self.db.is_some() || !self.super_user.is_empty()),
                "--db and --super-user have no effect without --registration",
            ),
            (
                !self.registration && (self.manage_port != 0 || self.manage_http_port != 0),
                "--manage-port and --manage-http-port have no effect without --registration",
            ),
            (
                self.state_interval != STATE_INTERVAL && self.state.is_none(),
                "--state-interval has no effect without --state",
            ),
        ]
        .into_iter()
        .filter(|(applies, _)| *applies)
        .map(|(_, text)| text.to_owned())
        .collect()
    }

    fn state(&self) -> Option<config::State> {
        let period = Duration::from_secs(self.state_interval.into());
        self.state.clone().map(|file| config::State { file, period })
    }

    fn net(&self, tls: Option<TlsFiles>, domain: &Domain) -> Result<config::Net, Exit> {
        let defaults = config::Net::default();
        Ok(config::Net {
            hosts: self.hosts()?,
            udp_port: on(self.udp_port),
            udp_may_fragment: self.max_peers > limits::UDP_PEERS_V4_WHOLE,
            http_port: on(self.http_port),
            https_port: on(self.https_port),
            self_signed: self.makes_own_pair().then(|| own_names(domain)),
            tls,
            redirect_http: self.redirect_http.then(|| domain.tracker_redirect(self.https_port)),
            workers: self.workers.unwrap_or(defaults.workers.min(limits::WORKERS_MAX)),
            connections_max: self.max_connections,
            connections_per_ip_max: self.max_connections_per_ip,
            trusted_proxies: networks("--trusted-proxy", &self.trusted_proxy)?,
            proxy_protocol: self.proxy_protocol,
            timeouts: defaults.timeouts,
            verbose: self.verbose,
            io: self.io,
            rings: defaults.rings,
        })
    }

    /// The addresses named; all IPv4 ones where none of that family is, and all IPv6 ones with
    /// `--ipv6` likewise.
    fn hosts(&self) -> Result<Vec<IpAddr>, Exit> {
        let named = self.host.split(',').map(str::trim).filter(|host| !host.is_empty());
        let mut hosts = Vec::new();
        for host in named {
            let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
            let ip: IpAddr = bare.unwrap_or(host).parse().map_err(|_| {
                Exit::Usage(format!("Error: --host {host:?} is no IPv4 or IPv6 address"))
            })?;
            if !hosts.contains(&ip) {
                hosts.push(ip);
            }
        }
        if hosts.is_empty() {
            hosts.push(Ipv4Addr::UNSPECIFIED.into());
        }
        if self.ipv6 && !hosts.iter().any(IpAddr::is_ipv6) {
            hosts.push(Ipv6Addr::UNSPECIFIED.into());
        }
        if hosts.len() > limits::ADDRESSES_MAX {
            let text = format!("Error: --host takes at most {} addresses", limits::ADDRESSES_MAX);
            return Err(Exit::Usage(text));
        }
        Ok(hosts)
    }

    /// The port named, or else the usual one, unless a tracker port was put there.
    fn web_http_port(&self) -> u16 {
        let is_taken = [self.http_port, self.https_port].contains(&WEB_HTTP_PORT);
        let usual = if is_taken { WEB_HTTP_PORT_OTHERWISE } else { WEB_HTTP_PORT };
        self.web_http_port.unwrap_or(usual)
    }

    fn web(&self, domain: &Domain, metrics_allow: Vec<IpNet>) -> config::Web {
        config::Web {
            http_port: on(self.web_http_port()),
            http_port_otherwise: self.web_http_port.is_none().then_some(WEB_HTTP_PORT_OTHERWISE),
            https_port: on(self.web_https_port),
            redirect_http: self.web_redirect_http.then(|| domain.web_redirect(self.web_https_port)),
            public_host: domain.named_host().map(str::to_owned),
            metrics_allow,
        }
    }

    fn tracker(&self) -> config::Tracker {
        let defaults = config::Tracker::default();
        let udp_hashes_max = limits::UDP_SCRAPE_HASHES_MAX;
        config::Tracker {
            interval: self.interval,
            interval_jitter: self.interval_jitter,
            min_interval: self.min_interval,
            peers_max: self.max_peers,
            tracker_id: self.tracker_id.clone(),
            scrape_hashes_max: self.max_scrape_hashes.unwrap_or(defaults.scrape_hashes_max),
            udp_scrape_hashes_max: self
                .max_scrape_hashes
                .map_or(udp_hashes_max, |hashes_max| hashes_max.min(udp_hashes_max)),
            full_scrape: self.full_scrape,
            ipv4_mapped: !self.no_ipv4_mapped,
            trust_ip_param: self.trust_ip_param,
            lists: config::Lists {
                allowed: self.allow_list.clone(),
                denied: self.deny_list.clone(),
            },
            rate_limit: self.rate_limit,
            hide_bogons: self.hide_bogons,
        }
    }

    fn swarm(&self) -> config::Swarm {
        let sizes = memory::sizes();
        config::Swarm {
            peer_ttl: self.peer_ttl,
            peers_total_max: self.max_peers_total.unwrap_or(sizes.peers),
            torrents_max: self.max_torrents.unwrap_or(sizes.torrents),
            peer_ids: !self.no_peer_ids,
            ..config::Swarm::default()
        }
    }
}

/// The networks named by an option: each word names one, or several by commas.
fn networks(option: &str, words: &[String]) -> Result<Vec<IpNet>, Exit> {
    let named: Vec<&str> = words.iter().flat_map(|list| list.split(',')).map(str::trim).collect();
    if named.len() > limits::ADDRESSES_MAX {
        let most = limits::ADDRESSES_MAX;
        return Err(Exit::Usage(format!("Error: at most {most} networks in {option}")));
    }
    let network = |text: &str| {
        text.parse().or_else(|_| text.parse().map(|ip: IpAddr| ip.into())).map_err(|_| {
            Exit::Usage(format!(
                "Error: {option} {text:?} is no network like 10.0.0.0/8 or fd00::/8"
            ))
        })
    };
    named.into_iter().map(network).collect()
}

/// Port 0 means off.
fn on(port: u16) -> Option<u16> {
    (port != 0).then_some(port)
}

fn refuse_if(is_wrong: bool, cure: &str) -> Result<(), Exit> {
    if is_wrong { Err(Exit::Failed(format!("Error: {cure}"))) } else { Ok(()) }
}

#[cfg(test)]
mod page;
#[cfg(test)]
mod tests;
