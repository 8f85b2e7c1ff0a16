//! The torrents, spread over shards by a keyed hash of the info hash, so that a stranger cannot
//! aim at one shard.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::peers::{Change, FamilyPeers, Record, Taker};
use super::{Arrival, FamilyTotals, Full, Totals, Want};
use crate::clock::Now;
use crate::config;
use crate::protocol::announce::{
    Counts, PEER_V4_LEN, PEER_V6_LEN, Peers, Role, compact_v4, compact_v6,
};
use crate::protocol::ids::{InfoHash, PeerId};

/// Shards of the store. Two workers meet in one with a chance of 1 in 1,024.
const SHARDS: usize = 1024;

/// Steps in which a round of the sweep is done; see [`Swarms::sweep_step`].
pub const SWEEP_STEPS: usize = SHARDS;

/// Every swarm this tracker knows.
///
/// All methods may be called from any number of threads at once. Reading creates nothing, and a
/// swarm is dropped with its last peer, its count of completions included.
#[derive(Debug)]
pub struct Swarms {
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
    limits: Limits,
    totals: Meters,
}

type Shard = HashMap<InfoHash, Swarm>;

#[derive(Debug)]
struct Swarm {
    v4: FamilyPeers<PEER_V4_LEN>,
    v6: FamilyPeers<PEER_V6_LEN>,
    completed: u32,
}

#[derive(Debug)]
struct Limits {
    peer_ttl: u32,
    peers: u64,
    torrents: u64,
    keep_ids: bool,
}

/// [`Totals`] as they are kept. Relaxed throughout: each is a lone number that is right once every
/// thread is at rest; the one that guards a cap is changed by compare-and-swap.
#[derive(Debug, Default)]
struct Meters {
    torrents: AtomicU64,
    peers: AtomicU64,
    seeders_v4: AtomicU64,
    seeders_v6: AtomicU64,
    peers_v4: AtomicU64,
}

impl Swarms {
    /// An empty store with the limits of `config`.
    pub fn new(config: &config::Swarm) -> Swarms {
        Swarms {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            limits: Limits {
                peer_ttl: config.peer_ttl,
                peers: config.peers_total_max,
                torrents: config.torrents_max,
                keep_ids: config.peer_ids,
            },
            totals: Meters::default(),
        }
    }

    /// Takes `arrival` into its swarm, or renews it there, and fills `peers` with others of the
    /// swarm as `want` says. The counts include the peer itself.
    ///
    /// # Errors
    /// [`Full`] when the peer is not known here and a cap leaves no room for it. Nothing changed
    /// then, and `peers` is empty.
    pub fn announce(
        &self,
        now: Now,
        arrival: &Arrival,
        want: Want,
        rng: &mut fastrand::Rng,
        peers: &mut Peers,
    ) -> Result<Counts, Full> {
        peers.clear();
        let mut shard = self.shard(&arrival.info_hash);
        let is_known = shard.get(&arrival.info_hash).is_some_and(|swarm| swarm.knows(arrival.peer));
        if !is_known {
            self.totals.reserve(&self.limits, !shard.contains_key(&arrival.info_hash))?;
        }
        let swarm = shard.entry(arrival.info_hash).or_insert_with(|| Swarm::new(&self.hasher));
        let kept_id = if self.limits.keep_ids { arrival.peer_id } else { PeerId([0; 20]) };
        let record = Record { seen: now, has_counted: false, peer_id: kept_id };
        let change = match arrival.peer {
            SocketAddr::V4(peer) => swarm.v4.upsert(compact_v4(peer), record, arrival),
            SocketAddr::V6(peer) => swarm.v6.upsert(compact_v6(peer), record, arrival),
        };
        self.totals.apply(arrival.peer, change);
        swarm.completed = swarm.completed.saturating_add(u32::from(change.has_completed));
        swarm.choose(now, &self.limits, arrival, want, rng, peers);
        Ok(swarm.counts())
    }

    /// Takes a peer out of a swarm. The counts are those of the swarm without it; all zero for a
    /// swarm nobody knows. Where peer ids are kept, a peer leaves only under the id it came with,
    /// so that neighbours behind one address cannot dismiss each other.
    pub fn stop(&self, info_hash: &InfoHash, peer: SocketAddr, peer_id: &PeerId) -> Counts {
        let mut shard = self.shard(info_hash);
        let Some(swarm) = shard.get_mut(info_hash) else { return Counts::default() };
        let required = self.limits.keep_ids.then_some(peer_id);
        let removed = match peer {
            SocketAddr::V4(peer) => swarm.v4.remove(&compact_v4(peer), required),
            SocketAddr::V6(peer) => swarm.v6.remove(&compact_v6(peer), required),
        };
        if let Some(role) = removed {
            self.totals.apply(peer, Change { from: Some(role), to: None, has_completed: false });
        }
        let counts = swarm.counts();
        if swarm.is_empty() {
            shard.remove(info_hash);
            self.totals.torrents.fetch_sub(1, Ordering::Relaxed);
        }
        counts
    }

    /// The size of one swarm; `None` when nobody is in it.
    pub fn scrape(&self, info_hash: &InfoHash) -> Option<Counts> {
        self.shard(info_hash).get(info_hash).map(Swarm::counts)
    }

    /// The sizes of up to `torrents_max` swarms, in no order. For full scrapes; takes time
    /// proportional to their number, one shard after the other.
    pub fn list(&self, torrents_max: usize) -> Vec<(InfoHash, Counts)> {
        let mut listed = Vec::new();
        for shard in &self.shards {
            let shard = lock(shard);
            let room = torrents_max - listed.len();
            listed.extend(shard.iter().take(room).map(|(hash, swarm)| (*hash, swarm.counts())));
        }
        listed
    }

    /// Drops the expired peers of one part of the store: `step` from 0 to [`SWEEP_STEPS`] − 1.
    /// A round of all steps drops every peer that had expired before the round began.
    pub fn sweep_step(&self, now: Now, step: usize) {
        let mut shard = lock(&self.shards[step % SHARDS]);
        let ttl = self.limits.peer_ttl;
        let torrents_before = shard.len();
        shard.retain(|_, swarm| {
            let v4 = swarm.v4.drop_expired(now, ttl);
            let v6 = swarm.v6.drop_expired(now, ttl);
            self.totals.subtract(v4, v6);
            !swarm.is_empty()
        });
        let dropped = (torrents_before - shard.len()) as u64;
        self.totals.torrents.fetch_sub(dropped, Ordering::Relaxed);
        if shard.len() < shard.capacity() / 4 {
            shard.shrink_to_fit(); // gives memory back after a flood
        }
    }

    /// Seconds for which a peer may be kept and handed out beyond its time to live, since a store
    /// may keep ages more coarsely than by the second. This one does not.
    pub const fn age_slack(&self) -> u32 {
        0
    }

    /// The sizes of the whole store.
    pub fn totals(&self) -> Totals {
        let read = |meter: &AtomicU64| meter.load(Ordering::Relaxed);
        let peers_v4 = read(&self.totals.peers_v4);
        let peers_v6 = read(&self.totals.peers).saturating_sub(peers_v4);
        let family = |peers: u64, seeders: u64| FamilyTotals {
            seeders,
            leechers: peers.saturating_sub(seeders),
        };
        Totals {
            torrents: read(&self.totals.torrents),
            v4: family(peers_v4, read(&self.totals.seeders_v4)),
            v6: family(peers_v6, read(&self.totals.seeders_v6)),
        }
    }

    fn shard(&self, info_hash: &InfoHash) -> MutexGuard<'_, Shard> {
        lock(&self.shards[self.hasher.hash_one(info_hash) as usize % SHARDS])
    }
}

/// A poisoned shard is still used: its maps are whole after every statement here.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Swarm {
    fn new(hasher: &RandomState) -> Swarm {
        Swarm { v4: FamilyPeers::new(hasher), v6: FamilyPeers::new(hasher), completed: 0 }
    }

    fn knows(&self, peer: SocketAddr) -> bool {
        match peer {
            SocketAddr::V4(peer) => self.v4.role_of(&compact_v4(peer)).is_some(),
            SocketAddr::V6(peer) => self.v6.role_of(&compact_v6(peer)).is_some(),
        }
    }

    fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    fn counts(&self) -> Counts {
        let paused = self.v4.count(Role::Paused) + self.v6.count(Role::Paused);
        Counts {
            seeders: self.v4.count(Role::Seeder) + self.v6.count(Role::Seeder),
            leechers: self.v4.count(Role::Leecher) + self.v6.count(Role::Leecher) + paused,
            paused,
            completed: self.completed,
        }
    }

    fn choose(
        &mut self,
        now: Now,
        limits: &Limits,
        arrival: &Arrival,
        want: Want,
        rng: &mut fastrand::Rng,
        peers: &mut Peers,
    ) {
        let mut taker = Taker {
            now,
            peer_ttl: limits.peer_ttl,
            role: arrival.role,
            own_id: limits.keep_ids.then_some(arrival.peer_id),
            with_ids: want.peer_ids && limits.keep_ids,
            peers_max: want.peers,
            rng,
            peers,
        };
        match arrival.peer {
            SocketAddr::V4(peer) => {
                self.v4.choose(Some(&compact_v4(peer)), &mut taker);
                if want.other_family {
                    self.v6.choose(None, &mut taker);
                }
            }
            SocketAddr::V6(peer) => {
                self.v6.choose(Some(&compact_v6(peer)), &mut taker);
                if want.other_family {
                    self.v4.choose(None, &mut taker);
                }
            }
        }
    }
}

impl Meters {
    /// Makes room for one more peer, and for its torrent where that is new too.
    fn reserve(&self, limits: &Limits, with_torrent: bool) -> Result<(), Full> {
        let below = |max: u64| move |count: u64| (count < max).then_some(count + 1);
        let relaxed = Ordering::Relaxed;
        if with_torrent {
            let fits = self.torrents.fetch_update(relaxed, relaxed, below(limits.torrents));
            fits.map_err(|_| Full::Torrents)?;
        }
        self.peers.fetch_update(relaxed, relaxed, below(limits.peers)).map_err(|_| {
            self.torrents.fetch_sub(u64::from(with_torrent), relaxed);
            Full::Peers
        })?;
        Ok(())
    }

    /// Follows a peer's change of role. Its arrival was counted in `peers` by `reserve`.
    fn apply(&self, peer: SocketAddr, change: Change) {
        let is_v4 = peer.is_ipv4();
        let seeders = if is_v4 { &self.seeders_v4 } else { &self.seeders_v6 };
        if change.from == Some(Role::Seeder) {
            seeders.fetch_sub(1, Ordering::Relaxed);
        }
        if change.to == Some(Role::Seeder) {
            seeders.fetch_add(1, Ordering::Relaxed);
        }
        if is_v4 && change.from.is_none() {
            self.peers_v4.fetch_add(1, Ordering::Relaxed);
        }
        if change.to.is_none() {
            self.peers_v4.fetch_sub(u64::from(is_v4), Ordering::Relaxed);
            self.peers.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Takes off what a sweep dropped.
    fn subtract(&self, v4: FamilyTotals, v6: FamilyTotals) {
        let peers_v4 = v4.seeders + v4.leechers;
        self.seeders_v4.fetch_sub(v4.seeders, Ordering::Relaxed);
        self.seeders_v6.fetch_sub(v6.seeders, Ordering::Relaxed);
        self.peers_v4.fetch_sub(peers_v4, Ordering::Relaxed);
        self.peers.fetch_sub(peers_v4 + v6.seeders + v6.leechers, Ordering::Relaxed);
    }
}
