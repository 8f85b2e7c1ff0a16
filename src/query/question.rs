//! What is asked, and within which bounds.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use url::Host;

use crate::limits::query as limits;
use crate::protocol::announce::{self, Event};
use crate::protocol::ids::{InfoHash, PeerId};

/// One question to a tracker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Who is in this swarm? Makes the asker a peer of it.
    Announce(Announce),
    /// How large are these swarms?
    Scrape(Scrape),
}

/// An announce, with the fields of either protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they are flags on the wire")]
pub struct Announce {
    /// The swarm.
    pub info_hash: InfoHash,
    /// What happened to the client.
    pub event: Event,
    /// Peers wanted; below zero leaves it to the tracker.
    pub numwant: i32,
    /// Bytes that lack.
    pub left: u64,
    /// Bytes sent so far.
    pub uploaded: u64,
    /// Bytes received so far.
    pub downloaded: u64,
    /// Where the client says it listens.
    pub port: u16,
    /// A number that stays the same when the address changes; UDP always has one.
    pub key: u32,
    /// Whether HTTP sends the key too.
    pub sends_key: bool,
    /// The address the client says it has.
    pub ip: Option<IpAddr>,
    /// Where it can also be reached (BEP 7), as typed; HTTP only.
    pub ipv4: Option<String>,
    /// As `ipv4`.
    pub ipv6: Option<String>,
    /// The `tracker id` of an earlier reply; HTTP only.
    pub tracker_id: Option<Vec<u8>>,
    /// Whether compact peers are asked for; HTTP only.
    pub compact: bool,
    /// Whether peer ids are asked to be left out; HTTP only.
    pub no_peer_id: bool,
    /// Whether encrypted connections are offered; HTTP only.
    pub supportcrypto: bool,
}

impl Announce {
    /// `left` of a client that does not say: one that has just completed lacks nothing.
    pub const LEFT: u64 = 1_000_000_000;
    /// The port that every client of old listened on.
    pub const PORT: u16 = 6881;

    /// A first announce as the command line makes it when nothing else is said.
    pub fn of(info_hash: InfoHash) -> Announce {
        Announce {
            info_hash,
            event: Event::Started,
            numwant: 50,
            left: Announce::LEFT,
            uploaded: 0,
            downloaded: 0,
            port: Announce::PORT,
            key: fastrand::u32(..),
            sends_key: false,
            ip: None,
            ipv4: None,
            ipv6: None,
            tracker_id: None,
            compact: true,
            no_peer_id: true,
            supportcrypto: false,
        }
    }

    /// As it goes to the tracker, with the key.
    pub(super) fn on_wire(&self, peer_id: PeerId) -> announce::Announce {
        announce::Announce {
            info_hash: self.info_hash,
            peer_id,
            port: self.port,
            uploaded: self.uploaded,
            downloaded: self.downloaded,
            left: self.left,
            event: self.event,
            numwant: u32::try_from(self.numwant).ok(),
            key: Some(self.key),
            ip: self.ip,
            format: announce::PeerFormat::Compact,
        }
    }

    /// The farewell of the peer that this announce made.
    #[must_use]
    pub fn farewell(&self, tracker_id: Option<Vec<u8>>) -> Announce {
        let tracker_id = tracker_id.or_else(|| self.tracker_id.clone());
        Announce { event: Event::Stopped, numwant: 0, tracker_id, ..self.clone() }
    }
}

/// A scrape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scrape {
    /// The swarms; empty asks for all there are.
    pub info_hashes: Vec<InfoHash>,
    /// Most hashes in one request over HTTP.
    pub chunk: usize,
    /// Whether the chunk is halved when the tracker finds it too long.
    pub is_chunk_auto: bool,
}

impl Scrape {
    /// A scrape of these swarms in chunks of the usual size.
    pub fn of(info_hashes: Vec<InfoHash>) -> Scrape {
        Scrape { info_hashes, chunk: limits::SCRAPE_CHUNK, is_chunk_auto: true }
    }

    /// Whether all swarms are asked for.
    pub fn is_full(&self) -> bool {
        self.info_hashes.is_empty()
    }
}

/// Which addresses may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// Either.
    #[default]
    Any,
    /// IPv4 alone.
    V4,
    /// IPv6 alone.
    V6,
}

impl Family {
    /// Whether an address is of this family.
    pub fn has(self, ip: IpAddr) -> bool {
        match self {
            Family::Any => true,
            Family::V4 => ip.is_ipv4(),
            Family::V6 => ip.is_ipv6(),
        }
    }
}

/// Where questions may go. The command line lets its user ask anyone; who asks on behalf of
/// strangers must not let them reach into the network behind the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Any address.
    #[default]
    Anywhere,
    /// Global unicast addresses alone, checked after resolution and after each redirect.
    PublicOnly,
}

/// The bounds and manners of questions.
#[derive(Clone, Debug)]
pub struct Settings {
    /// For one attempt, everything included.
    pub timeout: Duration,
    /// For getting a connection, name resolution not included.
    pub connect_timeout: Duration,
    /// Which addresses may be used.
    pub family: Family,
    /// Where questions may go.
    pub reach: Reach,
    /// Addresses that stand in for what the resolver would say: host, port, address.
    pub resolve: Vec<(Host<String>, u16, IpAddr)>,
    /// Name servers to ask in place of the system's.
    pub name_servers: Vec<SocketAddr>,
    /// Whether the host's own word on where its tracker is (BEP 34) is looked up, which takes two
    /// seconds more at most.
    pub asks_preference: bool,
    /// The address to ask from.
    pub bind: Option<IpAddr>,
    /// The proxies of HTTP. Under [`Reach::PublicOnly`] there are none, since it is they that
    /// would choose the address.
    pub proxies: Proxies,
    /// The manners of HTTP.
    pub http: Http,
    /// The manners of TLS.
    pub tls: Tls,
    /// The manners of UDP.
    pub udp: Udp,
    /// Whether passkeys are hidden in messages and notes.
    pub redact: bool,
    /// Whether the reply is kept as it came, which may be long.
    pub keeps_body: bool,
}

/// The proxies of HTTP trackers, each as an URL of the scheme http, https, socks5 (names are
/// resolved here) or socks5h (there).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For `http`; empty for none.
    pub http: String,
    /// For `https`; empty for none.
    pub https: String,
    /// Hosts, domains and networks that are asked without, separated by commas; `*` for all.
    pub except: String,
    /// Whether nothing may go past them, so that UDP trackers cannot be asked.
    pub is_for_all: bool,
}

/// The manners of HTTP.
#[derive(Clone, Debug)]
pub struct Http {
    /// Longest body after decompression, in bytes.
    pub body_max: usize,
    /// Redirects followed; zero follows none.
    pub redirects_max: usize,
    /// Whether gzip is offered.
    pub compression: bool,
    /// Further header fields.
    pub headers: Vec<(String, String)>,
    /// Further parameters of an announce.
    pub parameters: Vec<(String, String)>,
}

/// The manners of TLS.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// Whether certificates that cannot be trusted are put up with.
    pub insecure: bool,
    /// PEM files with certificates to trust, in place of the system's.
    pub ca_files: Vec<PathBuf>,
    /// Certificate chain and key of the client, PEM.
    pub client: Option<(PathBuf, PathBuf)>,
    /// The name to ask for and to verify, in place of the host.
    pub server_name: Option<String>,
    /// Whether TLS 1.2 is refused.
    pub only_1_3: bool,
    /// Days before its end from which on a certificate is worth a warning.
    pub warn_days: i64,
}

/// The manners of UDP.
#[derive(Clone, Copy, Debug)]
pub struct Udp {
    /// The first wait for a reply; each send doubles it.
    pub wait: Duration,
    /// Most datagrams in one step.
    pub sends_max: u32,
    /// Whether path and query of the URL are told (BEP 41).
    pub options: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            timeout: limits::TIMEOUT,
            connect_timeout: limits::TIMEOUT,
            family: Family::Any,
            reach: Reach::Anywhere,
            resolve: Vec::new(),
            name_servers: Vec::new(),
            asks_preference: false,
            bind: None,
            proxies: Proxies::default(),
            http: Http {
                body_max: limits::BODY_MAX,
                redirects_max: limits::REDIRECTS,
                compression: true,
                headers: Vec::new(),
                parameters: Vec::new(),
            },
            tls: Tls { warn_days: limits::CERT_WARN_DAYS, ..Tls::default() },
            udp: Udp { wait: limits::UDP_WAIT, sends_max: limits::UDP_SENDS_MAX, options: true },
            redact: true,
            keeps_body: false,
        }
    }
}
