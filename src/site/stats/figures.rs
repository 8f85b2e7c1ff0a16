//! Every figure the tracker shows to the public, read at one moment. `/stats.json` is [`Figures`]
//! in JSON; its field names are a promise to whoever reads it by program.

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::periods::Periods;
use crate::clock;
use crate::site::Site;
use crate::stats::Snapshot;
use crate::stats::snapshot::ProtocolSnapshot;
use crate::swarm::{FamilyTotals, Totals};

/// `/stats.json`. Counters begin at zero with the process and only grow, but for those of the
/// periods, which outlive it where it keeps its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// Version of the tracker.
    pub version: &'static str,
    /// Seconds since the tracker was started.
    pub uptime_seconds: u32,
    /// Who is there at the moment.
    pub swarms: SwarmFigures,
    /// Announces and scrapes.
    pub requests: RequestFigures,
    /// What only UDP has.
    pub udp: UdpFigures,
    /// Bodies of HTTP and HTTPS replies.
    pub compression: CompressionFigures,
    /// TCP connections to the tracker ports.
    pub connections: ConnectionFigures,
    /// What came today, yesterday, and in all.
    pub periods: Periods,
}

/// Who is there at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SwarmFigures {
    /// Torrents with at least one peer.
    pub torrents: u64,
    /// Peers of all torrents; a client in two of them counts twice, here and below.
    pub peers: u64,
    /// Peers that have everything.
    pub seeders: u64,
    /// All other peers.
    pub leechers: u64,
    /// Those with an IPv4 address.
    pub ipv4: FamilyFigures,
    /// Those with an IPv6 address.
    pub ipv6: FamilyFigures,
}

/// The peers of one address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FamilyFigures {
    /// All peers.
    pub peers: u64,
    /// Peers that have everything.
    pub seeders: u64,
    /// All other peers.
    pub leechers: u64,
}

/// Announces and scrapes since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RequestFigures {
    /// By all three protocols.
    pub total: ProtocolFigures,
    /// By UDP (BEP 15).
    pub udp: ProtocolFigures,
    /// By plain HTTP.
    pub http: ProtocolFigures,
    /// By HTTP over TLS.
    pub https: ProtocolFigures,
}

/// What came by one protocol since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ProtocolFigures {
    /// Announces answered.
    pub announces: u64,
    /// Those of them from IPv4 addresses.
    pub announces_ipv4: u64,
    /// Those of them from IPv6 addresses.
    pub announces_ipv6: u64,
    /// Scrapes answered.
    pub scrapes: u64,
    /// Requests refused with a reason.
    pub refused: u64,
    /// Bytes of replies as sent: HTTP bodies, UDP payloads.
    pub bytes_sent: u64,
}

/// What only UDP has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct UdpFigures {
    /// Connects answered.
    pub connects: u64,
    /// Datagrams that were given no answer, since they were not worth one.
    pub silent: u64,
    /// Replies the kernel would not take.
    pub unsent: u64,
    /// Datagrams the kernel lost, most of them since its receive buffer was full.
    pub dropped: u64,
}

/// Bodies of HTTP and HTTPS replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CompressionFigures {
    /// Sent compressed.
    pub gzip_replies: u64,
    /// Sent as they are.
    pub plain_replies: u64,
    /// Bytes that compression saved.
    pub bytes_saved: u64,
}

/// TCP connections to the tracker ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ConnectionFigures {
    /// Accepted.
    pub accepted: u64,
    /// Closed at once, since a cap was reached.
    pub refused: u64,
    /// Closed since the client took too long.
    pub timed_out: u64,
    /// TLS handshakes that failed.
    pub handshakes_failed: u64,
}

impl Figures {
    /// What `site` has to show now.
    pub fn read(site: &Site) -> Figures {
        let snapshot = site.stats.snapshot();
        Figures {
            version: site.facts.version,
            uptime_seconds: site.clock.now().secs(),
            swarms: SwarmFigures::from(site.swarms.totals()),
            requests: RequestFigures::from(&snapshot),
            udp: UdpFigures {
                connects: snapshot.udp_connects,
                silent: snapshot.udp_silent,
                unsent: snapshot.udp_unsent,
                dropped: snapshot.udp_dropped,
            },
            compression: CompressionFigures {
                gzip_replies: snapshot.gzip_replies,
                plain_replies: snapshot.plain_replies,
                bytes_saved: snapshot.gzip_saved,
            },
            connections: ConnectionFigures {
                accepted: snapshot.connections,
                refused: snapshot.connections_refused,
                timed_out: snapshot.connections_timed_out,
                handshakes_failed: snapshot.handshakes_failed,
            },
            periods: Periods::from(&site.stats.ledger(clock::unix_secs())),
        }
    }
}

impl From<Totals> for SwarmFigures {
    fn from(totals: Totals) -> SwarmFigures {
        SwarmFigures {
            torrents: totals.torrents,
            peers: totals.peers(),
            seeders: totals.seeders(),
            leechers: totals.leechers(),
            ipv4: FamilyFigures::from(totals.v4),
            ipv6: FamilyFigures::from(totals.v6),
        }
    }
}

impl From<FamilyTotals> for FamilyFigures {
    fn from(family: FamilyTotals) -> FamilyFigures {
        FamilyFigures {
            peers: family.seeders + family.leechers,
            seeders: family.seeders,
            leechers: family.leechers,
        }
    }
}

impl From<&Snapshot> for RequestFigures {
    fn from(snapshot: &Snapshot) -> RequestFigures {
        let [udp, http, https] = [snapshot.udp, snapshot.http, snapshot.https].map(Into::into);
        RequestFigures { total: sum([udp, http, https]), udp, http, https }
    }
}

impl From<ProtocolSnapshot> for ProtocolFigures {
    fn from(snapshot: ProtocolSnapshot) -> ProtocolFigures {
        ProtocolFigures {
            announces: snapshot.announces(),
            announces_ipv4: snapshot.v4.announces,
            announces_ipv6: snapshot.v6.announces,
            scrapes: snapshot.scrapes(),
            refused: snapshot.refused(),
            bytes_sent: snapshot.bytes_sent,
        }
    }
}

fn sum(protocols: [ProtocolFigures; 3]) -> ProtocolFigures {
    let of = |field: fn(&ProtocolFigures) -> u64| protocols.iter().map(field).sum();
    ProtocolFigures {
        announces: of(|figures| figures.announces),
        announces_ipv4: of(|figures| figures.announces_ipv4),
        announces_ipv6: of(|figures| figures.announces_ipv6),
        scrapes: of(|figures| figures.scrapes),
        refused: of(|figures| figures.refused),
        bytes_sent: of(|figures| figures.bytes_sent),
    }
}

/// Answers `/stats.json`.
///
/// # Panics
/// Never: what is written are numbers and strings under fixed names.
pub async fn json(State(site): State<Site>) -> Response {
    let body = serde_json::to_vec(&Figures::read(&site))
        .expect("numbers and strings under fixed names are always JSON");
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    (headers, body).into_response()
}
