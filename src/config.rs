//! What was meant by the command line: plain data, one struct a room, each default documented at
//! its field. Values are checked once, in `cli`; the rooms may rely on them.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;

use crate::limits;

/// Everything `wildkat serve` needs to know.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Answers and admission.
    pub tracker: Tracker,
    /// Size and age of what is remembered.
    pub swarm: Swarm,
    /// Where the swarms outlive a restart; nowhere by default.
    pub state: Option<State>,
    /// Sockets of the tracker ports.
    pub net: Net,
    /// The web ports.
    pub web: Web,
    /// The members' site; none by default.
    pub members: Option<Members>,
}

/// What clients are told.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "a switch is a bool")]
pub struct Tracker {
    /// Seconds until a client's next announce. Default 1800.
    pub interval: u32,
    /// Random deviation of the interval, in percent to either side, so that clients that started
    /// together spread out. Default 5.
    pub interval_jitter: u32,
    /// Least seconds between two announces, as a request to clients. Default 60.
    pub min_interval: u32,
    /// Most peers in a reply. Default 200.
    pub peers_max: usize,
    /// `tracker id` in HTTP replies; empty leaves the key out. Default `Wildkat`.
    pub tracker_id: String,
    /// Most info hashes in one HTTP scrape. Default 5.
    pub scrape_hashes_max: usize,
    /// Most info hashes in one UDP scrape. Default 74, one packet.
    pub udp_scrape_hashes_max: usize,
    /// Whether a scrape without info hash lists every torrent. Default off.
    pub full_scrape: bool,
    /// Whether IPv6 clients get IPv4 peers as `::ffff:a.b.c.d`. Default on.
    pub ipv4_mapped: bool,
    /// Whether a client in a private network may name another address for itself. Default off.
    pub trust_ip_param: bool,
    /// Files of the torrents that are tracked.
    pub lists: Lists,
    /// Most requests a second from one network, a /24 of IPv4 or a /56 of IPv6. Default: no limit.
    pub rate_limit: Option<u32>,
    /// Whether clients of the public internet are given no peers that it does not reach. Default
    /// off.
    pub hide_bogons: bool,
}

/// Files of info hashes. Default: none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lists {
    /// Only these are tracked.
    pub allowed: Option<PathBuf>,
    /// These are not.
    pub denied: Option<PathBuf>,
}

impl Default for Tracker {
    fn default() -> Tracker {
        Tracker {
            interval: 1800,
            interval_jitter: 5,
            min_interval: 60,
            peers_max: 200,
            tracker_id: "Wildkat".to_owned(),
            scrape_hashes_max: 5,
            udp_scrape_hashes_max: limits::UDP_SCRAPE_HASHES_MAX,
            full_scrape: false,
            ipv4_mapped: true,
            trust_ip_param: false,
            lists: Lists::default(),
            rate_limit: None,
            hide_bogons: false,
        }
    }
}

/// What the swarm store keeps, and for how long.
#[derive(Clone, Debug)]
pub struct Swarm {
    /// Seconds after its last announce for which a peer is kept. Default 3600.
    pub peer_ttl: u32,
    /// Most peers in all swarms together; the next new one is refused. The command line sizes it
    /// from the machine's memory; the default here is for a machine of unknown size.
    pub peers_total_max: u64,
    /// Most torrents; an announce that would make one more is refused. Sized likewise.
    pub torrents_max: u64,
    /// Whether peer ids are kept, for dictionary replies. Default on.
    pub peer_ids: bool,
    /// How long a round of the sweep takes: an expired peer is gone at the latest this long after
    /// it expired. Default 30 seconds.
    pub sweep_period: Duration,
}

impl Default for Swarm {
    fn default() -> Swarm {
        Swarm {
            peer_ttl: 3600,
            peers_total_max: 10_000_000,
            torrents_max: 5_000_000,
            peer_ids: true,
            sweep_period: Duration::from_secs(30),
        }
    }
}

/// The file in which the swarms outlive a restart.
#[derive(Clone, Debug)]
pub struct State {
    /// Where it lies. Its folder must exist.
    pub file: PathBuf,
    /// Time between two savings.
    pub period: Duration,
}

/// The sockets of the tracker ports.
#[derive(Clone, Debug)]
pub struct Net {
    /// Addresses to bind. Default: all IPv4 addresses.
    pub hosts: Vec<IpAddr>,
    /// Port of BEP 15; `None` is off, 0 any free port. Default 6969.
    pub udp_port: Option<u16>,
    /// Whether replies over UDP and IPv4 may be larger than [`limits::UDP_PACKET_WHOLE`], and so
    /// may have to be cut up on their way. Default false: the default number of peers is not.
    pub udp_may_fragment: bool,
    /// Port of HTTP. Default 6969.
    pub http_port: Option<u16>,
    /// Port of HTTPS. Default off.
    pub https_port: Option<u16>,
    /// Certificate chain and key for every HTTPS port.
    pub tls: Option<TlsFiles>,
    /// Whom a certificate of our own is issued to, which is made where `tls` names no files that
    /// are there. Default none: the files must be there.
    pub self_signed: Option<Vec<String>>,
    /// Where the HTTP port sends everybody instead of answering: `host[:port]`.
    pub redirect_http: Option<String>,
    /// Threads that serve the tracker ports. Default: the number of cores.
    pub workers: usize,
    /// Most open connections, over all workers. Default 16,384.
    pub connections_max: usize,
    /// Most open connections from one address (a /64 for IPv6). Default 4,096.
    pub connections_per_ip_max: usize,
    /// Networks whose `X-Forwarded-For` is believed. Default none.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether connections from `trusted_proxies` begin with a head of the PROXY protocol. Default
    /// off.
    pub proxy_protocol: bool,
    /// How long a client may take.
    pub timeouts: Timeouts,
    /// Whether each request is logged, with its address.
    pub verbose: bool,
    /// What moves the bytes. Default: io_uring where the system allows it.
    pub io: Io,
    /// Sizes of a worker's ring.
    pub rings: Rings,
}

impl Default for Net {
    fn default() -> Net {
        Net {
            hosts: vec![IpAddr::from([0, 0, 0, 0])],
            udp_port: Some(6969),
            udp_may_fragment: false,
            http_port: Some(6969),
            https_port: None,
            tls: None,
            self_signed: None,
            redirect_http: None,
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            connections_max: 16_384,
            connections_per_ip_max: 4_096,
            trusted_proxies: Vec::new(),
            proxy_protocol: false,
            timeouts: Timeouts::default(),
            verbose: false,
            io: Io::Auto,
            rings: Rings::default(),
        }
    }
}

impl Net {
    /// The networks whose connections have to begin with a head of the PROXY protocol.
    pub fn introducers(&self) -> &[IpNet] {
        if self.proxy_protocol { &self.trusted_proxies } else { &[] }
    }
}

/// What moves the bytes between the kernel and us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Io {
    /// io_uring where the system allows it, else epoll.
    Auto,
    /// io_uring, or no start.
    Uring,
    /// epoll.
    Epoll,
}

impl FromStr for Io {
    type Err = String;

    fn from_str(word: &str) -> Result<Io, String> {
        match word {
            "auto" => Ok(Io::Auto),
            "uring" => Ok(Io::Uring),
            "epoll" => Ok(Io::Epoll),
            _ => Err(format!("{word:?} is none of auto, uring, epoll")),
        }
    }
}

/// Sizes of a worker's io_uring, all powers of two. The defaults take some 1.5 MB a worker; a burst
/// that exceeds them waits in the sockets' own buffers.
#[derive(Clone, Copy, Debug)]
pub struct Rings {
    /// Operations handed over at once. Default 1024.
    pub submissions: u32,
    /// Completions that fit before the kernel keeps them aside. Default 4096.
    pub completions: u32,
    /// Pieces of streams received and not yet looked at. Default 256.
    pub buffers: u16,
    /// Bytes of each of these. Default 4096: most requests are a tenth.
    pub buffer_len: u32,
}

impl Default for Rings {
    fn default() -> Rings {
        Rings { submissions: 1024, completions: 4096, buffers: 256, buffer_len: 4096 }
    }
}

/// How long a TCP client may take for each step before its connection is closed.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// The TLS handshake, whole. Default 10 s.
    pub handshake: Duration,
    /// A request's head, from the first wait for it (or its first byte, on a connection that was
    /// kept alive) to its last byte. Default 10 s.
    pub head: Duration,
    /// Silence between two requests. Default 30 s.
    pub idle: Duration,
    /// Taking a reply. Default 10 s.
    pub write: Duration,
    /// The connection's whole life. Default 10 minutes.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            write: Duration::from_secs(10),
            total: Duration::from_mins(10),
        }
    }
}

/// Where the certificate chain and the private key lie, both in PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate chain, the server's own first.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// The web ports: the page, `robots.txt`, and later the members' site.
#[derive(Clone, Debug, Default)]
pub struct Web {
    /// Port of HTTP; `None` is off, 0 any free port.
    pub http_port: Option<u16>,
    /// Taken when `http_port` may not be bound; only when the operator named no port.
    pub http_port_otherwise: Option<u16>,
    /// Port of HTTPS. Default off.
    pub https_port: Option<u16>,
    /// Where the HTTP port sends everybody instead of answering: `host[:port]`.
    pub redirect_http: Option<String>,
    /// The host that clients reach the tracker by, for the announce URLs on the page; where there
    /// is none, the one a visitor came to.
    pub public_host: Option<String>,
    /// Networks that may read the metrics. The command line defaults it to loopback; here none.
    pub metrics_allow: Vec<IpNet>,
}

/// The members' site.
#[derive(Clone)]
pub struct Members {
    /// Where its database lies; made where there is none.
    pub db: PathBuf,
    /// Who owns it.
    pub owner: String,
    /// For the making of the owner's account; asked for where there is none.
    pub owner_password: Option<String>,
    /// A port of HTTPS for it alone; `None`: it is on the web's.
    pub https_port: Option<u16>,
    /// A port that leads to that one.
    pub http_port: Option<u16>,
}

impl std::fmt::Debug for Members {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the password.
        f.debug_struct("Members")
            .field("db", &self.db)
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}
