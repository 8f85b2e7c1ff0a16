//! The peers of one torrent and one address family, apart by role, so that who asks is only ever
//! shown the roles that are of use to it, and rare ones are found at once.

use std::hash::RandomState;

use indexmap::IndexMap;

use super::{Arrival, FamilyTotals};
use crate::clock::Now;
use crate::protocol::announce::{Peers, Role};
use crate::protocol::ids::PeerId;

/// What is remembered of a peer beside its address and role.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// When it last announced.
    pub seen: Now,
    /// Whether its completion was counted.
    pub has_counted: bool,
    /// The id it chose; zeros where ids are not kept.
    pub peer_id: PeerId,
}

/// How an announce changed a swarm.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    /// The peer's role before; `None` when it is new.
    pub from: Option<Role>,
    /// Its role after; `None` when it left.
    pub to: Option<Role>,
    /// Whether the announce counts as a completion.
    pub has_completed: bool,
}

/// Who is choosing peers, by which rules, and where they go.
pub struct Taker<'a> {
    /// The present moment.
    pub now: Now,
    /// Seconds after which a peer is no longer handed out.
    pub peer_ttl: u32,
    /// The role of the one who asks.
    pub role: Role,
    /// Its id, when peers with the same one are to be left out.
    pub own_id: Option<PeerId>,
    /// Whether ids are put into the list too.
    pub with_ids: bool,
    /// How many peers the list may hold.
    pub peers_max: usize,
    /// Where chance comes from.
    pub rng: &'a mut fastrand::Rng,
    /// The list.
    pub peers: &'a mut Peers,
}

/// The peers of one torrent with addresses of `N` compact bytes.
#[derive(Debug)]
pub struct FamilyPeers<const N: usize> {
    by_role: [IndexMap<[u8; N], Record, RandomState>; ROLES.len()],
}

const ROLES: [Role; 3] = [Role::Leecher, Role::Paused, Role::Seeder];

const fn index(role: Role) -> usize {
    match role {
        Role::Leecher => 0,
        Role::Paused => 1,
        Role::Seeder => 2,
    }
}

impl<const N: usize> FamilyPeers<N> {
    /// No peers. Takes no memory on the heap.
    pub fn new(hasher: &RandomState) -> FamilyPeers<N> {
        FamilyPeers { by_role: ROLES.map(|_| IndexMap::with_hasher(hasher.clone())) }
    }

    /// How many peers have `role`.
    pub fn count(&self, role: Role) -> u32 {
        self.by_role[index(role)].len() as u32
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_role.iter().all(IndexMap::is_empty)
    }

    /// The role of a peer; `None` when it is not here.
    pub fn role_of(&self, key: &[u8; N]) -> Option<Role> {
        ROLES.into_iter().find(|role| self.by_role[index(*role)].contains_key(key))
    }

    /// Takes a peer in or renews it, and moves it where its role has changed.
    pub fn upsert(&mut self, key: [u8; N], mut record: Record, arrival: &Arrival) -> Change {
        let from = self.role_of(&key);
        let before = from.and_then(|role| self.by_role[index(role)].swap_remove(&key));
        let has_counted = before.is_some_and(|before| before.has_counted);
        let was_leecher = matches!(from, Some(Role::Leecher | Role::Paused));
        let has_completed =
            arrival.completed && arrival.role == Role::Seeder && was_leecher && !has_counted;
        record.has_counted = has_counted || has_completed;
        self.by_role[index(arrival.role)].insert(key, record);
        Change { from, to: Some(arrival.role), has_completed }
    }

    /// Removes a peer, if it is here and bears the id required. Tells the role it had.
    pub fn remove(&mut self, key: &[u8; N], required: Option<&PeerId>) -> Option<Role> {
        let role = self.role_of(key)?;
        let map = &mut self.by_role[index(role)];
        if required.is_some_and(|id| map[key].peer_id != *id) {
            return None;
        }
        map.swap_remove(key).map(|_| role)
    }

    /// Removes the peers not seen for more than `ttl` seconds, and tells how many.
    pub fn drop_expired(&mut self, now: Now, ttl: u32) -> FamilyTotals {
        let mut dropped = FamilyTotals::default();
        for role in ROLES {
            let map = &mut self.by_role[index(role)];
            let before = map.len();
            map.retain(|_, record| now.since(record.seen) <= ttl);
            let gone = (before - map.len()) as u64;
            match role {
                Role::Seeder => dropped.seeders += gone,
                Role::Leecher | Role::Paused => dropped.leechers += gone,
            }
            if map.len() < map.capacity() / 4 {
                map.shrink_to_fit();
            }
        }
        dropped
    }

    /// Puts a uniform random sample of the usable peers into the taker's list, as far as there is
    /// room. Takes time proportional to the size of the sample, plus the expired peers met.
    ///
    /// It is a Fisher-Yates shuffle of the maps in place that stops when the list is full; which
    /// map the next peer comes from is drawn by what each still holds.
    pub fn choose(&mut self, own: Option<&[u8; N]>, taker: &mut Taker<'_>) {
        let roles = match taker.role {
            Role::Leecher => &ROLES[..],
            Role::Seeder | Role::Paused => &ROLES[..1],
        };
        let mut drawn = [0; ROLES.len()];
        loop {
            let left = |role: &Role| self.by_role[index(*role)].len() - drawn[index(*role)];
            let total: usize = roles.iter().map(left).sum();
            if total == 0 || taker.peers.len() >= taker.peers_max {
                return;
            }
            let mut ticket = taker.rng.usize(..total);
            for role in roles {
                let left = left(role);
                if ticket < left {
                    let (map, next) = (&mut self.by_role[index(*role)], drawn[index(*role)]);
                    map.swap_indices(next, next + ticket);
                    drawn[index(*role)] += 1;
                    if let Some((key, record)) = map.get_index(next) {
                        taker.take(key, record, own);
                    }
                    break;
                }
                ticket -= left;
            }
        }
    }
}

impl Taker<'_> {
    fn take<const N: usize>(&mut self, key: &[u8; N], record: &Record, own: Option<&[u8; N]>) {
        let is_self = own == Some(key) || self.own_id == Some(record.peer_id);
        let has_expired = self.now.since(record.seen) > self.peer_ttl;
        if !is_self && !has_expired {
            self.peers.push_compact(key, self.with_ids.then_some(record.peer_id));
        }
    }
}
