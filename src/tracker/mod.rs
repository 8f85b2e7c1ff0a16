//! One request in, one answer out. Every network backend calls this room and none does its work.
//!
//! Nothing here reads a clock, touches a socket, locks a file or awaits; the answer path does not
//! allocate either, once its buffers have grown to their size.
//!
//! Read [`Worker`] first: it is what a thread of the data plane holds.

pub mod admission;
pub mod connection_id;
mod full_scrape;
pub mod hash_list;
mod http;
pub mod rate_limit;
pub mod registered;
mod udp;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

pub use full_scrape::FullScrape;
pub use http::HttpAnswer;
pub use udp::Verdict;

use crate::clock::Now;
use crate::protocol::announce::{Announce, Counts, Event, PeerFormat, Peers};
use crate::protocol::ids::InfoHash;
use crate::stats::{Counters, Protocol};
use crate::swarm::{Arrival, Swarms, Taken, Want, is_public};
use crate::{config, limits};
use admission::{Admission, Lists, Refusal};
use connection_id::ConnectionIds;
use registered::Registered;

/// What all workers share.
#[derive(Debug)]
pub struct Tracker {
    config: config::Tracker,
    swarms: Arc<Swarms>,
    connection_ids: ConnectionIds,
    admission: Admission,
    full_scrape: FullScrape,
}

impl Tracker {
    /// A tracker that answers from `swarms`, for the torrents that `lists` let pass.
    ///
    /// # Errors
    /// When the system has no randomness to give, without which no connection id is safe.
    pub fn new(
        config: config::Tracker,
        swarms: Arc<Swarms>,
        lists: Option<Lists>,
    ) -> Result<Tracker, getrandom::Error> {
        Ok(Tracker {
            connection_ids: ConnectionIds::random()?,
            full_scrape: FullScrape::new(config.min_interval),
            admission: Admission::new(&config, lists),
            swarms,
            config,
        })
    }

    /// The same, for the torrents of `registered` alone.
    #[must_use]
    pub fn registering(self, registered: Registered) -> Tracker {
        Tracker { admission: self.admission.registering(registered), ..self }
    }

    /// What is tracked, and for whom.
    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    /// The size of the swarm kept under `info_hash`.
    fn scrape(&self, info_hash: &InfoHash) -> Counts {
        let counts = self.swarms.scrape(info_hash).unwrap_or_default();
        self.admission.told(info_hash, counts, 0)
    }

    /// The body of a full scrape. Slow where there are many torrents: to be called off the workers.
    pub fn full_scrape(&self, now: Now) -> Arc<[u8]> {
        self.full_scrape.body(now, &self.swarms, &self.admission)
    }
}

/// One worker's hold on the tracker: the buffers it uses again for each answer, its own source of
/// chance, and its own counters.
#[derive(Debug)]
pub struct Worker {
    tracker: Arc<Tracker>,
    counters: Arc<Counters>,
    rng: fastrand::Rng,
    /// Chance for the batch of datagrams that is being answered.
    seed: u64,
    peers: Peers,
    /// The URL that a UDP client sent along (BEP 41).
    url: Vec<u8>,
    /// The entries of an HTTP scrape.
    files: Vec<(InfoHash, Counts)>,
}

/// How an announce came, and how others are chosen for it.
struct How {
    protocol: Protocol,
    /// Peers in all, at most.
    peers_max: usize,
    /// Whether peers of the other family are chosen too.
    other_family: bool,
    rng: fastrand::Rng,
}

/// What became of an announce: its counts and interval, with the peers left in [`Worker::peers`].
struct Admitted {
    counts: Counts,
    interval: u32,
}

impl Worker {
    /// A worker that counts in `counters`.
    pub fn new(tracker: Arc<Tracker>, counters: Arc<Counters>) -> Worker {
        let peers_max = tracker.config.peers_max;
        let files_max = tracker.config.scrape_hashes_max;
        Worker {
            peers: Peers::with_capacity(peers_max),
            files: Vec::with_capacity(files_max),
            url: Vec::with_capacity(limits::UDP_REQUEST_MAX),
            rng: fastrand::Rng::new(),
            seed: 0,
            tracker,
            counters,
        }
    }

    /// The worker's counters.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The tracker it works for.
    pub fn tracker(&self) -> &Arc<Tracker> {
        &self.tracker
    }

    /// Carries out an announce that came from `source`, which is canonical.
    fn announce(
        &mut self,
        now: Now,
        source: IpAddr,
        announce: &Announce,
        mut how: How,
    ) -> Result<Admitted, Refusal> {
        self.peers.clear();
        self.tracker.admission.admit(now, source)?;
        let info_hash = self.tracker.admission.check(&announce.info_hash)?;
        let peer = SocketAddr::new(self.peer_ip(source, announce), announce.port);
        let Taken { counts, completed } = if announce.event == Event::Stopped {
            let counts = self.tracker.swarms.stop(&info_hash, peer, &announce.peer_id);
            Taken { counts, completed: 0 }
        } else if announce.port == 0 {
            return Err(Refusal::INVALID_PORT); // HTTP queries fail before, datagrams here
        } else {
            let arrival = Arrival {
                info_hash,
                peer,
                peer_id: announce.peer_id,
                role: announce.role(),
                completed: announce.event == Event::Completed,
            };
            let asked = announce.numwant.map_or(limits::PEERS_DEFAULT, |n| n as usize);
            let want = Want {
                peers: asked.min(how.peers_max).min(self.tracker.config.peers_max),
                other_family: how.other_family,
                peer_ids: announce.format == PeerFormat::Dictionaries,
                public_only: self.tracker.config.hide_bogons && is_public(source),
            };
            let swarms = &self.tracker.swarms;
            swarms.announce(now, &arrival, want, &mut how.rng, &mut self.peers)?
        };
        let counts = self.tracker.admission.told(&info_hash, counts, completed);
        self.counters.announced(how.protocol, source, &announce.peer_id.0);
        Ok(Admitted { counts, interval: self.interval() })
    }

    /// Where the announcer can be reached: where its packets come from. What it says of itself
    /// counts only when it is in a private network, where the tracker may see another address
    /// than the world does, and the operator allows it.
    fn peer_ip(&self, source: IpAddr, announce: &Announce) -> IpAddr {
        match announce.ip {
            Some(ip) if self.tracker.config.trust_ip_param && is_private(source) => {
                ip.to_canonical()
            }
            _ => source,
        }
    }

    /// The interval, with its random deviation, never below the least one.
    fn interval(&mut self) -> u32 {
        let config::Tracker { interval, interval_jitter, min_interval, .. } = self.tracker.config;
        let deviation = (u64::from(interval) * u64::from(interval_jitter) / 100) as u32;
        let jittered = self.rng.u32(interval - deviation..=interval.saturating_add(deviation));
        jittered.max(min_interval)
    }
}

/// Whether an address belongs to a network that is not of the public internet: loopback, private
/// (RFC 1918), link-local, or unique local (RFC 4193).
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests;
