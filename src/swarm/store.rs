//! The map of all swarms, and the counts of the whole store.
//!
//! The map is spread over many small ones by a keyed hash of the info hash, so that a step of the
//! sweep has a part to itself, and a map that grows is a small one.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};

use arrayvec::ArrayVec;
use seize::Collector;

use super::choose::{self, Taker, kept_id};
use super::index::Index;
use super::map::grow::Context;
use super::map::memory::{Guard, prefetch, trim};
use super::map::peers::PeerMap;
use super::map::table::{Entry, Tally};
use super::members::{Family, Members};
use super::word::{IdLanes, Key, LANES_V4, LANES_V6, Ticks, Word, peer_id};
use super::{Arrival, FamilyTotals, Full, Resident, Taken, Totals, Want};
use crate::clock::Now;
use crate::config;
use crate::protocol::announce::{Counts, Peers};
use crate::protocol::ids::{InfoHash, PeerId};

/// Parts of the map. A fuzzer makes a new store for each run, so it has fewer.
const PARTS: usize = if cfg!(fuzzing) { 64 } else { 4096 };

/// Steps in which a round of the sweep is done; see [`Swarms::sweep_step`].
pub const SWEEP_STEPS: usize = PARTS;

/// The id of a peer that has chosen none, and of one from a store that kept none, until it
/// announces again. It names nobody: two that bear it are two.
pub const UNNAMED: PeerId = PeerId([0; 20]);

/// Swarms that are asked from memory at once: about as many as a batch of datagrams names.
const FORESEEN_MAX: usize = 64;

/// Every swarm this tracker knows.
///
/// All methods may be called from any number of threads at once. Reading creates nothing, and a
/// swarm is dropped with its last peer, its count of completions included.
pub struct Swarms {
    parts: Box<[Index<Members>]>,
    collector: Collector,
    hasher: RandomState,
    limits: Limits,
    totals: Meters,
}

#[derive(Debug)]
struct Limits {
    ticks: Ticks,
    peers: u64,
    torrents: u64,
    keep_ids: bool,
}

/// [`Totals`] as they are kept. Relaxed throughout: each is a lone number that is right once every
/// thread is at rest; those that guard a cap are changed by compare-and-swap when they grow.
/// Each has its own cache line, so that peers of one family do not slow those of the other.
#[derive(Debug, Default)]
struct Meters {
    torrents: Meter,
    peers: Meter,
    seeders_v4: Meter,
    seeders_v6: Meter,
    peers_v4: Meter,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Meter(AtomicU64);

impl std::fmt::Debug for Swarms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Swarms")
            .field("limits", &self.limits)
            .field("totals", &self.totals())
            .finish_non_exhaustive()
    }
}

/// A peer that is about to announce.
#[derive(Clone, Debug)]
pub struct Coming {
    /// The peer. Canonical: never `::ffff:a.b.c.d`.
    pub peer: SocketAddr,
    /// As it will be handed to [`Swarms::announce`].
    pub rng: fastrand::Rng,
}

/// A peer that announces or leaves, as the tables know it.
struct Caller {
    family: Family,
    entry: Entry,
}

impl Swarms {
    /// An empty store with the limits of `config`.
    pub fn new(config: &config::Swarm) -> Swarms {
        Swarms {
            parts: (0..PARTS).map(|_| Index::new()).collect(),
            collector: Collector::new(),
            hasher: RandomState::new(),
            limits: Limits {
                ticks: Ticks::new(config.peer_ttl),
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
    ) -> Result<Taken, Full> {
        peers.clear();
        let guard = self.collector.enter();
        let cx = Context { guard: &guard, hasher: &self.hasher };
        let caller = self.caller(now, arrival);
        let (members, tally) = self.take_in(cx, arrival.info_hash, &caller)?;
        self.totals.apply(caller.family, &tally);
        let mut taker = Taker {
            now,
            ticks: self.limits.ticks,
            role: arrival.role,
            own_key: None,
            own_id: caller.entry.id.filter(|_| arrival.peer_id != UNNAMED),
            with_ids: want.peer_ids && self.limits.keep_ids,
            public_only: want.public_only,
            peers_max: want.peers,
            rng,
            peers,
        };
        fill(cx, members, &caller, want, &mut taker);
        Ok(Taken { counts: members.counts().unwrap_or_default(), completed: tally.completed })
    }

    fn caller(&self, now: Now, arrival: &Arrival) -> Caller {
        let (family, key, hash) = self.place(arrival.peer);
        let entry = Entry {
            key,
            hash,
            id: kept_id(self.limits.keep_ids, &arrival.peer_id),
            tick: self.limits.ticks.stamp(now),
            role: arrival.role,
            completed: arrival.completed,
            has_counted: false,
        };
        Caller { family, entry }
    }

    fn place(&self, peer: SocketAddr) -> (Family, Key, u64) {
        let (family, key) = (Family::of(peer), Key::new(peer));
        let hash = match family {
            Family::V4 => key.hash::<LANES_V4>(&self.hasher),
            Family::V6 => key.hash::<LANES_V6>(&self.hasher),
        };
        (family, key, hash)
    }

    /// Asks from memory what answers will read that are about these swarms and, for announces,
    /// these peers, for whom others will be chosen by this chance: so that a processor waits for
    /// all of it at once and not for one place after the other. Those beyond the first
    /// [`FORESEEN_MAX`] are passed over.
    pub fn foresee(&self, wanted: impl Iterator<Item = (InfoHash, Option<Coming>)>) {
        let guard = self.collector.enter();
        let cx = Context { guard: &guard, hasher: &self.hasher };
        // Filled where they stand: one that is collected is copied whole, however little is in it.
        let mut parts = ArrayVec::<_, FORESEEN_MAX>::new();
        parts.extend(wanted.take(FORESEEN_MAX).map(|(info_hash, coming)| {
            let (part, tag) = self.part(&info_hash);
            prefetch(part);
            (part, tag, coming.map(|coming| (self.place(coming.peer), coming.rng)))
        }));
        let mut aims = ArrayVec::<_, FORESEEN_MAX>::new();
        aims.extend(
            parts
                .iter()
                .filter_map(|(part, tag, coming)| Some((part.aim(*tag, &guard)?, coming.as_ref()))),
        );
        let mut found = ArrayVec::<_, FORESEEN_MAX>::new();
        found.extend(aims.iter().filter_map(|(aim, coming)| aim.follow(&guard).zip(*coming)));
        for (members, ((family, ..), _)) in &found {
            members.prefetch_table(*family);
        }
        for (members, ((family, _, hash), rng)) in &found {
            match family {
                Family::V4 => prefetch_states(cx, members.v4(), *hash, rng),
                Family::V6 => prefetch_states(cx, members.v6(), *hash, rng),
            }
        }
        for (members, ((family, key, hash), _)) in &found {
            match family {
                Family::V4 => prefetch_lanes(cx, members.v4(), key, *hash),
                Family::V6 => prefetch_lanes(cx, members.v6(), key, *hash),
            }
        }
    }

    /// Renews a peer, or takes it in, with its swarm if need be.
    fn take_in<'g>(
        &'g self,
        cx: Context<'g, '_>,
        info_hash: InfoHash,
        caller: &Caller,
    ) -> Result<(&'g Members, Tally), Full> {
        let (part, tag) = self.part(&info_hash);
        let family = caller.family;
        loop {
            if let Some(members) = part.get(tag, &info_hash, cx.guard) {
                if let Some(tally) = members.renew(cx, family, &caller.entry) {
                    return Ok((members, tally));
                }
                self.totals.reserve(&self.limits, family, false)?;
                if members.reserve(family) {
                    return Ok((members, members.insert(cx, family, &caller.entry)));
                }
                self.totals.release(family, false);
                part.remove(tag, members, cx.guard); // it is closed; whoever meets one does so
                continue;
            }
            self.totals.reserve(&self.limits, family, true)?;
            let members = Box::new(Members::with_place(info_hash, family));
            let tally = members.insert(cx, family, &caller.entry);
            match part.insert(tag, members, cx.guard) {
                Ok(members) => return Ok((members, tally)),
                Err(_) => self.totals.release(family, true), // another thread was first
            }
        }
    }

    /// Takes a peer out of a swarm. The counts are those of the swarm without it; all zero for a
    /// swarm nobody knows. Where peer ids are kept, a peer leaves only under the id it came with,
    /// so that neighbours behind one address cannot dismiss each other.
    pub fn stop(&self, info_hash: &InfoHash, peer: SocketAddr, peer_id: &PeerId) -> Counts {
        let guard = self.collector.enter();
        let cx = Context { guard: &guard, hasher: &self.hasher };
        let (part, tag) = self.part(info_hash);
        let Some(members) = part.get(tag, info_hash, &guard) else {
            return Counts::default();
        };
        let family = Family::of(peer);
        let id = kept_id(self.limits.keep_ids, peer_id);
        if let Some(tally) = members.remove(cx, family, &Key::new(peer), id.as_ref()) {
            self.totals.apply(family, &tally);
            self.end_if_empty(members, &guard);
        }
        members.counts().unwrap_or_default()
    }

    /// The size of one swarm; `None` when nobody is in it.
    pub fn scrape(&self, info_hash: &InfoHash) -> Option<Counts> {
        let guard = self.collector.enter();
        let (part, tag) = self.part(info_hash);
        part.get(tag, info_hash, &guard)?.counts()
    }

    /// The sizes of up to `torrents_max` swarms, in no order. For full scrapes; takes time
    /// proportional to their number, one part of the map after the other.
    pub fn list(&self, torrents_max: usize) -> Vec<(InfoHash, Counts)> {
        let mut listed = Vec::new();
        for part in &self.parts {
            let guard = self.collector.enter();
            let counted = part
                .each(&guard)
                .filter_map(|members| members.counts().map(|counts| (members.info_hash(), counts)));
            listed.extend(counted.take(torrents_max - listed.len()));
        }
        listed
    }

    /// Shows the peers of one part of the store, swarm by swarm: `step` from 0 to
    /// [`SWEEP_STEPS`] − 1. Peers that have expired are left out; those that come or leave
    /// meanwhile may be among them or not. Takes time proportional to their number.
    pub fn each_resident(&self, now: Now, step: usize, show: &mut dyn FnMut(&Resident)) {
        let part = &self.parts[step % PARTS];
        let guard = self.collector.enter();
        let cx = Context { guard: &guard, hasher: &self.hasher };
        let ages = self.limits.ticks.ages(now);
        for members in part.each(&guard) {
            let completed = members.counts().map_or(0, |counts| counts.completed);
            let mut show = |peer: SocketAddr, word: Word, id: IdLanes| {
                if ages.is_young(word.tick()) {
                    show(&Resident {
                        info_hash: members.info_hash(),
                        completed,
                        peer,
                        peer_id: self.limits.keep_ids.then(|| peer_id(id)),
                        role: word.role(),
                        has_counted: word.has_counted(),
                        age: ages.secs(word.tick()),
                    });
                }
            };
            members.v4().each(cx, |word, _, id| show(Key::peer_v4(word).into(), word, id));
            members.v6().each(cx, |word, key, id| show(Key::peer_v6(word, key).into(), word, id));
        }
    }

    /// The addresses of one swarm, up to `peers_max`, each with the seconds since it announced; of
    /// peers that have expired, none.
    pub fn addresses(
        &self,
        now: Now,
        info_hash: &InfoHash,
        peers_max: usize,
    ) -> Vec<(IpAddr, u32)> {
        let guard = self.collector.enter();
        let cx = Context { guard: &guard, hasher: &self.hasher };
        let ages = self.limits.ticks.ages(now);
        let mut found = Vec::new();
        let (part, tag) = self.part(info_hash);
        let Some(members) = part.get(tag, info_hash, &guard) else { return found };
        let mut show = |peer: SocketAddr, word: Word| {
            if found.len() < peers_max && ages.is_young(word.tick()) {
                found.push((peer.ip(), ages.secs(word.tick())));
            }
        };
        members.v4().each(cx, |word, _, _| show(Key::peer_v4(word).into(), word));
        members.v6().each(cx, |word, key, _| show(Key::peer_v6(word, key).into(), word));
        found
    }

    /// Takes a peer in that was here before a restart.
    ///
    /// # Errors
    /// [`Full`] when a cap leaves no room for it.
    pub fn restore(&self, now: Now, resident: &Resident) -> Result<(), Full> {
        let guard = self.collector.enter();
        let cx = Context { guard: &guard, hasher: &self.hasher };
        let (family, key, hash) = self.place(resident.peer);
        let entry = Entry {
            key,
            hash,
            id: kept_id(self.limits.keep_ids, &resident.peer_id.unwrap_or(UNNAMED)),
            tick: self.limits.ticks.stamp_ago(now, resident.age),
            role: resident.role,
            completed: false,
            has_counted: resident.has_counted,
        };
        let (members, tally) = self.take_in(cx, resident.info_hash, &Caller { family, entry })?;
        self.totals.apply(family, &tally);
        members.restore_completed(resident.completed);
        Ok(())
    }

    /// Drops the expired peers of one part of the store: `step` from 0 to [`SWEEP_STEPS`] − 1.
    /// A round of all steps drops every peer that had expired before the round began.
    ///
    /// Rounds must follow each other within twice the time to live: ages are kept modulo four
    /// times that, so what is never swept would in the end pass for young again.
    pub fn sweep_step(&self, now: Now, step: usize) {
        let part = &self.parts[step % PARTS];
        let guard = self.collector.enter();
        let cx = Context { guard: &guard, hasher: &self.hasher };
        let mut left = 0;
        for members in part.each(&guard) {
            for family in [Family::V4, Family::V6] {
                let tally = members.sweep(cx, family, now, self.limits.ticks);
                self.totals.apply(family, &tally);
            }
            self.end_if_empty(members, &guard);
            left += usize::from(!members.is_closed());
        }
        part.shrink(left, &guard);
    }

    /// Gives memory that swarms have left back to the system, where the allocator keeps it. May
    /// take a while, for which those wait that need memory: for after a flood.
    pub fn trim(&self) {
        trim();
    }

    /// Whether peer ids are kept.
    pub const fn keeps_ids(&self) -> bool {
        self.limits.keep_ids
    }

    /// Seconds for which a peer may be kept and handed out beyond its time to live, since ages are
    /// kept in ticks.
    pub const fn age_slack(&self) -> u32 {
        self.limits.ticks.slack()
    }

    /// The sizes of the whole store.
    pub fn totals(&self) -> Totals {
        let totals = &self.totals;
        let peers_v4 = totals.peers_v4.read();
        let peers_v6 = totals.peers.read().saturating_sub(peers_v4);
        let family = |peers: u64, seeders: u64| FamilyTotals {
            seeders,
            leechers: peers.saturating_sub(seeders),
        };
        Totals {
            torrents: totals.torrents.read(),
            v4: family(peers_v4, totals.seeders_v4.read()),
            v6: family(peers_v6, totals.seeders_v6.read()),
        }
    }

    /// Where a swarm is, and under which tag. Different bits of the hash say so.
    fn part(&self, info_hash: &InfoHash) -> (&Index<Members>, u16) {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(&info_hash.0); // all of one length, which so need not be hashed as well
        let hash = hasher.finish();
        (&self.parts[hash as usize % PARTS], (hash >> 48) as u16)
    }

    fn end_if_empty(&self, members: &Members, guard: &Guard<'_>) {
        if members.close() {
            self.totals.torrents.subtract(1);
            let (part, tag) = self.part(&members.info_hash());
            part.remove(tag, members, guard);
        }
    }
}

/// Asks for the state words that an announce reads first.
fn prefetch_states<const LANES: usize>(
    cx: Context<'_, '_>,
    peers: &PeerMap<LANES>,
    hash: u64,
    rng: &fastrand::Rng,
) {
    if let Some(table) = peers.guess(cx) {
        table.prefetch_first(hash);
        choose::prefetch(&table, rng.clone());
    }
}

/// Asks for the lanes that an announce reads or writes. The state words that tell which are here.
fn prefetch_lanes<const LANES: usize>(
    cx: Context<'_, '_>,
    peers: &PeerMap<LANES>,
    key: &Key,
    hash: u64,
) {
    if let Some(table) = peers.guess(cx) {
        table.prefetch_own_lanes(key, hash);
    }
}

/// Fills the list from both families, the announcer's own first.
fn fill(
    cx: Context<'_, '_>,
    members: &Members,
    caller: &Caller,
    want: Want,
    taker: &mut Taker<'_>,
) {
    let own_first = [Some(caller.entry.key), None];
    let families = match caller.family {
        Family::V4 => [Family::V4, Family::V6],
        Family::V6 => [Family::V6, Family::V4],
    };
    for (family, own_key) in families.into_iter().zip(own_first) {
        if own_key.is_none() && !want.other_family {
            return;
        }
        taker.own_key = own_key;
        match family {
            Family::V4 => members.v4().view(cx).iter().for_each(|view| taker.choose(cx, view)),
            Family::V6 => members.v6().view(cx).iter().for_each(|view| taker.choose(cx, view)),
        }
    }
}

impl Meter {
    fn read(&self) -> u64 {
        let count = self.0.load(Ordering::Relaxed);
        if count > i64::MAX as u64 { 0 } else { count } // below zero for a moment
    }

    fn add(&self, change: i64) {
        if change != 0 {
            self.0.fetch_add(change.cast_unsigned(), Ordering::Relaxed);
        }
    }

    fn subtract(&self, number: u64) {
        self.0.fetch_sub(number, Ordering::Relaxed);
    }

    /// Adds one, unless that would exceed `max`.
    fn reserve(&self, max: u64) -> bool {
        let below = |count: u64| (count < max).then_some(count + 1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, below).is_ok()
    }
}

impl Meters {
    /// Makes room for one more peer, and for its torrent where that is new too.
    fn reserve(&self, limits: &Limits, family: Family, with_torrent: bool) -> Result<(), Full> {
        if with_torrent && !self.torrents.reserve(limits.torrents) {
            return Err(Full::Torrents);
        }
        if !self.peers.reserve(limits.peers) {
            self.torrents.subtract(u64::from(with_torrent));
            return Err(Full::Peers);
        }
        self.peers_v4.add(i64::from(family == Family::V4));
        Ok(())
    }

    /// Gives back what `reserve` made room for.
    fn release(&self, family: Family, with_torrent: bool) {
        self.torrents.subtract(u64::from(with_torrent));
        self.apply(family, &Tally { peers: -1, ..Tally::default() });
    }

    /// Follows what a call has changed. A new peer was counted by `reserve`.
    fn apply(&self, family: Family, tally: &Tally) {
        match family {
            Family::V4 => {
                self.peers_v4.add(tally.peers);
                self.seeders_v4.add(tally.seeders);
            }
            Family::V6 => self.seeders_v6.add(tally.seeders),
        }
        self.peers.add(tally.peers);
    }
}
