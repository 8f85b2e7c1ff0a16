//! The checks behind the fuzz target `swarm_model`: bytes become operations, and each is done to
//! the store and to a plain [`BTreeMap`], which must agree. The property tests run the same.
//!
//! Read [`model`] first; [`threads`] does the like with several threads at once. What a store may
//! choose for itself is given as bounds: a peer that has expired and was not swept yet may still
//! be counted, and may be remembered if it announces again, but it is never handed out.

mod threads;

pub use threads::threads;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::store::{SWEEP_STEPS, UNNAMED};
use super::{Arrival, Full, Swarms, Totals, Want};
use crate::clock::Now;
use crate::config;
use crate::protocol::announce::{Counts, Peers, Role, expand_v4, expand_v6};
use crate::protocol::ids::{InfoHash, PeerId};

/// Seconds by which the clock of a run moves. Every moment is a multiple of it, so that no peer's
/// age falls between the time to live and the coarser age a store may keep.
const STEP_SECS: u32 = 64;
/// Seconds a peer lives in a run.
const PEER_TTL: u32 = 28 * STEP_SECS;
/// Peers that come in the floods of a run: enough for tables that grow by segments, and no more,
/// since more runs find more than longer ones.
const FLOODED_MAX: u16 = 4_096;
/// Swarms that exist in a run.
const TORRENTS: u8 = 4;

/// Replays `bytes` as operations on a store and on the model.
///
/// # Panics
/// When the two disagree.
pub fn model(bytes: &[u8]) {
    let mut bytes = Script(bytes);
    let Some(settings) = bytes.next() else { return };
    let mut run = Run::new(settings);
    while run.step(&mut bytes).is_some() {
        run.check_totals();
    }
    run.expire_all();
}

/// A round of all steps of the sweep.
pub fn sweep(swarms: &Swarms, now: Now) {
    for step in 0..SWEEP_STEPS {
        swarms.sweep_step(now, step);
    }
}

/// The bytes of a run that are not used up.
struct Script<'a>(&'a [u8]);

impl Script<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }
}

/// What the model knows of a peer.
#[derive(Clone, Copy, Debug)]
struct Known {
    role: Role,
    peer_id: PeerId,
    seen: Now,
    /// Whether its completion was counted; `None` when a store may have it either way.
    has_counted: Option<bool>,
}

/// What the model knows of a swarm. Both completion counts are right for some store.
#[derive(Debug, Default)]
struct Modelled {
    peers: BTreeMap<SocketAddr, Known>,
    completed_min: u32,
    completed_max: u32,
}

struct Run {
    swarms: Swarms,
    config: config::Swarm,
    now: Now,
    swept: Now,
    model: BTreeMap<InfoHash, Modelled>,
    flooded: u16,
    rng: fastrand::Rng,
    reply: Peers,
}

fn is_live(now: Now, known: &Known) -> bool {
    now.since(known.seen) <= PEER_TTL
}

fn count(counts: &mut Counts, role: Role) {
    match role {
        Role::Seeder => counts.seeders += 1,
        Role::Leecher | Role::Paused => counts.leechers += 1,
    }
    counts.paused += u32::from(role == Role::Paused);
}

fn torrent(byte: u8) -> InfoHash {
    InfoHash([byte % TORRENTS; 20])
}

/// One of many peers; neighbours share an address and differ in the port, or share one half of an
/// IPv6 address.
fn address(is_v6: bool, index: u16) -> SocketAddr {
    let [high, low] = (index / 2).to_be_bytes();
    let ip: IpAddr = match (is_v6, index % 8) {
        (false, _) => Ipv4Addr::new(10, 0, high, low).into(),
        (true, 0..2) => Ipv6Addr::from(u128::from(index / 2)).into(),
        (true, 2..4) => Ipv6Addr::from((u128::MAX << 16) | u128::from(index / 2)).into(),
        (true, _) => Ipv6Addr::from((0x2001_0db8 << 96) | u128::from(index / 2)).into(),
    };
    SocketAddr::new(ip, 6881 + index % 2)
}

fn role(byte: u8) -> Role {
    [Role::Leecher, Role::Seeder, Role::Paused, Role::Leecher][usize::from(byte % 4)]
}

impl Run {
    fn new(settings: u8) -> Run {
        let config = config::Swarm {
            peer_ttl: PEER_TTL,
            peers_total_max: if settings & 2 == 0 { 1_000_000 } else { 9 },
            torrents_max: if settings & 4 == 0 { 1_000_000 } else { 2 },
            peer_ids: settings & 1 == 0,
            sweep_period: Duration::from_secs(30),
        };
        Run {
            swarms: Swarms::new(&config),
            config,
            now: Now::from_secs(u32::from(settings >> 3) * 17 * STEP_SECS),
            swept: Now::default(),
            model: BTreeMap::new(),
            flooded: 0,
            rng: fastrand::Rng::with_seed(u64::from(settings)),
            reply: Peers::default(),
        }
    }

    /// Does the next operation; `None` when the script has run out.
    fn step(&mut self, script: &mut Script<'_>) -> Option<()> {
        match script.next()? % 16 {
            0..7 => self.announce_one(script.next()?, script.next()?, script.next()?),
            7..10 => self.stop_one(script.next()?, script.next()?),
            10 | 11 => self.flood(script.next()?, script.next()?),
            12 => self.drain(script.next()?, script.next()?),
            13 => self.advance(script.next()?),
            14 => self.sweep(),
            _ => self.scrape_all(),
        }
        Some(())
    }

    fn announce_one(&mut self, what: u8, who: u8, want: u8) {
        let arrival = Arrival {
            info_hash: torrent(what),
            peer: address(what & 4 != 0, u16::from(who & 15)),
            peer_id: PeerId([who >> 4 & 3; 20]),
            role: role(what >> 6),
            completed: what & 32 != 0,
        };
        let want = Want {
            peers: usize::from(want),
            other_family: what & 8 != 0,
            peer_ids: what & 16 != 0,
            public_only: false,
        };
        self.announce(&arrival, want);
    }

    fn stop_one(&mut self, what: u8, who: u8) {
        let peer = address(what & 4 != 0, u16::from(who & 15));
        self.stop(torrent(what), peer, PeerId([who >> 4 & 3; 20]));
    }

    /// Many peers come, all in one role.
    fn flood(&mut self, what: u8, number: u8) {
        let count = (u16::from(number) * 3).min(FLOODED_MAX - self.flooded);
        self.flooded += count;
        for index in 0..count {
            let arrival = Arrival {
                info_hash: torrent(what),
                peer: address(what & 4 != 0, 16 + index),
                peer_id: PeerId([index as u8; 20]),
                role: role(what >> 6),
                completed: what & 32 != 0,
            };
            let peers = usize::from(index % 64 == 63) * 30;
            self.announce(
                &arrival,
                Want { peers, other_family: true, peer_ids: true, ..Want::default() },
            );
        }
    }

    /// Many peers leave.
    fn drain(&mut self, what: u8, number: u8) {
        for index in 0..u16::from(number) * 3 {
            let peer = address(what & 4 != 0, 16 + index);
            self.stop(torrent(what), peer, PeerId([index as u8; 20]));
        }
    }

    /// Moves the clock; sweeps first where a store may count on a round having come by.
    fn advance(&mut self, byte: u8) {
        self.now = Now::from_secs(self.now.secs() + (u32::from(byte % 16) + 1) * STEP_SECS);
        if self.now.since(self.swept) > 2 * PEER_TTL {
            self.sweep();
        }
    }

    fn sweep(&mut self) {
        sweep(&self.swarms, self.now);
        self.swept = self.now;
        for swarm in self.model.values_mut() {
            swarm.peers.retain(|_, known| is_live(self.now, known));
        }
        self.model.retain(|_, swarm| !swarm.peers.is_empty());
        self.scrape_all();
    }

    fn announce(&mut self, arrival: &Arrival, want: Want) {
        let taken = self.swarms.announce(self.now, arrival, want, &mut self.rng, &mut self.reply);
        let result = taken.map(|taken| taken.counts);
        match result {
            Err(full) => self.check_refusal(arrival, full),
            Ok(counts) => {
                self.check_room(arrival);
                self.model_announce(arrival);
                if want.peers == 0 && self.model[&arrival.info_hash].peers.len() > 64 {
                    return; // one of a flood; a look at each would take quadratic time
                }
                self.check_counts(&arrival.info_hash, Some(counts));
                self.check_reply(arrival, want);
            }
        }
        let scraped = self.swarms.scrape(&arrival.info_hash);
        assert_eq!(result.ok().or(scraped), scraped, "a scrape sees what the announce did");
    }

    fn model_announce(&mut self, arrival: &Arrival) {
        let swarm = self.model.entry(arrival.info_hash).or_default();
        if !swarm.peers.values().any(|known| is_live(self.now, known)) {
            swarm.completed_min = 0; // what expired may be gone already, the swarm with it
        }
        let before = swarm.peers.get(&arrival.peer);
        let was_live = before.is_some_and(|known| is_live(self.now, known));
        let was_leecher = before.is_some_and(|known| known.role != Role::Seeder);
        let mut has_counted = before.map_or(Some(false), |known| known.has_counted);
        if arrival.completed && arrival.role == Role::Seeder && was_leecher {
            let is_certain = was_live && has_counted == Some(false);
            swarm.completed_min += u32::from(is_certain);
            swarm.completed_max += u32::from(has_counted != Some(true));
            has_counted = if is_certain { Some(true) } else { has_counted.filter(|is| *is) };
        } else if before.is_some() && !was_live && has_counted == Some(true) {
            has_counted = None;
        }
        let Arrival { peer_id, role, .. } = *arrival;
        swarm.peers.insert(arrival.peer, Known { role, peer_id, seen: self.now, has_counted });
    }

    fn stop(&mut self, info_hash: InfoHash, peer: SocketAddr, peer_id: PeerId) {
        let counts = self.swarms.stop(&info_hash, peer, &peer_id);
        if let Some(swarm) = self.model.get_mut(&info_hash) {
            let known = swarm.peers.get(&peer);
            if known.is_some_and(|known| !self.config.peer_ids || known.peer_id == peer_id) {
                swarm.peers.remove(&peer);
            }
            if swarm.peers.is_empty() {
                self.model.remove(&info_hash);
            }
        }
        let is_there = counts.seeders + counts.leechers > 0;
        self.check_counts(&info_hash, is_there.then_some(counts));
    }

    /// Most peers there can be, by the model: with those that have expired.
    fn peers_known(&self) -> u64 {
        self.model.values().map(|swarm| swarm.peers.len() as u64).sum()
    }

    /// Fewest peers there can be, by the model: without those that have expired. Looks at each.
    fn peers_live(&self) -> u64 {
        let all = self.model.values().flat_map(|swarm| swarm.peers.values());
        all.filter(|known| is_live(self.now, known)).count() as u64
    }

    fn has_live_peer(&self, info_hash: &InfoHash) -> bool {
        let swarm = self.model.get(info_hash);
        swarm.is_some_and(|swarm| swarm.peers.values().any(|known| is_live(self.now, known)))
    }

    fn torrents_bounds(&self) -> (u64, u64) {
        let live = self.model.keys().filter(|info_hash| self.has_live_peer(info_hash)).count();
        (live as u64, self.model.len() as u64)
    }

    fn check_refusal(&self, arrival: &Arrival, full: Full) {
        assert!(self.reply.is_empty(), "who is refused gets no peers");
        let known = self.model.get(&arrival.info_hash).and_then(|s| s.peers.get(&arrival.peer));
        let is_known = known.is_some_and(|known| is_live(self.now, known));
        assert!(!is_known, "a known peer is renewed at the cap");
        match full {
            Full::Peers => assert!(self.peers_known() >= self.config.peers_total_max),
            Full::Torrents => {
                assert!(!self.has_live_peer(&arrival.info_hash));
                assert!(self.torrents_bounds().1 >= self.config.torrents_max);
            }
        }
    }

    /// Checks, before the model takes the peer in, that the store was right to.
    fn check_room(&self, arrival: &Arrival) {
        let swarm = self.model.get(&arrival.info_hash);
        if swarm.is_none() {
            assert!(self.torrents_bounds().0 < self.config.torrents_max);
        }
        if swarm.is_none_or(|swarm| !swarm.peers.contains_key(&arrival.peer)) {
            let peers_max = self.config.peers_total_max;
            assert!(self.peers_known() < peers_max || self.peers_live() < peers_max);
        }
    }

    fn check_counts(&self, info_hash: &InfoHash, counts: Option<Counts>) {
        let Some(swarm) = self.model.get(info_hash) else {
            assert_eq!(counts, None, "nobody is in {info_hash}");
            return;
        };
        let Some(counts) = counts else {
            assert!(!self.has_live_peer(info_hash), "{info_hash} lost its peers");
            return;
        };
        let (mut live, mut all) = (Counts::default(), Counts::default());
        for known in swarm.peers.values() {
            count(&mut all, known.role);
            if is_live(self.now, known) {
                count(&mut live, known.role);
            }
        }
        assert!((live.seeders..=all.seeders).contains(&counts.seeders));
        assert!((live.leechers..=all.leechers).contains(&counts.leechers));
        assert!((live.paused..=all.paused).contains(&counts.paused));
        let completed = swarm.completed_min..=swarm.completed_max;
        assert!(completed.contains(&counts.completed), "{} of {completed:?}", counts.completed);
    }

    fn check_reply(&self, arrival: &Arrival, want: Want) {
        let swarm = &self.model[&arrival.info_hash];
        let has_name = self.config.peer_ids && arrival.peer_id != UNNAMED;
        let is_usable = |peer: &SocketAddr, known: &Known| {
            let is_self = *peer == arrival.peer || (has_name && known.peer_id == arrival.peer_id);
            let is_of_use = arrival.role == Role::Leecher || known.role == Role::Leecher;
            is_live(self.now, known) && !is_self && is_of_use
        };
        let given: Vec<SocketAddr> = (self.reply.v4.iter().map(|peer| expand_v4(*peer).into()))
            .chain(self.reply.v6.iter().map(|peer| expand_v6(*peer).into()))
            .collect();
        let distinct: BTreeSet<_> = given.iter().copied().collect();
        assert_eq!(distinct.len(), given.len(), "a peer is given once");
        for peer in &given {
            let known = swarm.peers.get(peer).expect("a peer that was given is there");
            assert!(is_usable(peer, known), "only usable peers are given");
        }

        let is_v4 = arrival.peer.is_ipv4();
        let (mut own_usable, mut other_usable) = (0, 0);
        for (peer, _) in swarm.peers.iter().filter(|(peer, known)| is_usable(peer, known)) {
            if peer.is_ipv4() == is_v4 { own_usable += 1 } else { other_usable += 1 }
        }
        let own = want.peers.min(own_usable);
        let other = (want.peers - own).min(other_usable);
        let other = if want.other_family { other } else { 0 };
        let (v4, v6) = if is_v4 { (own, other) } else { (other, own) };
        assert_eq!((self.reply.v4.len(), self.reply.v6.len()), (v4, v6), "as many as there are");

        let ids = self.reply.v4_ids.iter().chain(&self.reply.v6_ids);
        if want.peer_ids && self.config.peer_ids {
            let known = given.iter().map(|peer| &swarm.peers[peer].peer_id);
            assert!(ids.eq(known), "each peer comes with its own id");
        } else {
            assert_eq!(ids.count(), 0);
        }
    }

    fn scrape_all(&mut self) {
        let mut listed: Vec<(InfoHash, Counts)> = Vec::new();
        for info_hash in (0..TORRENTS).map(torrent) {
            let counts = self.swarms.scrape(&info_hash);
            self.check_counts(&info_hash, counts);
            listed.extend(counts.map(|counts| (info_hash, counts)));
        }
        let mut list = self.swarms.list(usize::from(TORRENTS));
        list.sort_unstable_by_key(|(info_hash, _)| *info_hash);
        assert_eq!(list, listed, "the list is what the scrapes say");
    }

    /// The totals are the sums of what the scrapes say, at any moment of rest.
    fn check_totals(&self) {
        let totals = self.swarms.totals();
        let all = (0..TORRENTS).filter_map(|byte| self.swarms.scrape(&torrent(byte)));
        let mut sums = (0, 0, 0);
        for counts in all {
            sums.0 += 1;
            sums.1 += u64::from(counts.seeders);
            sums.2 += u64::from(counts.leechers);
        }
        assert_eq!((totals.torrents, totals.seeders(), totals.leechers()), sums);
        assert!(totals.peers() <= self.config.peers_total_max);
        assert!(totals.torrents <= self.config.torrents_max);
        let known = self.peers_known();
        assert!(totals.peers() <= known);
        assert!(totals.peers() == known || totals.peers() >= self.peers_live());
    }

    /// When everybody has expired, a round of the sweep leaves nothing.
    fn expire_all(&mut self) {
        self.sweep();
        self.check_totals();
        self.now = Now::from_secs(self.now.secs() + PEER_TTL + STEP_SECS);
        self.sweep();
        assert_eq!(self.swarms.totals(), Totals::default());
        assert_eq!(self.swarms.list(1), []);
    }
}
