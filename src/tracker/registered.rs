//! The torrents that members have registered: the one thing an announce asks of the site.
//!
//! **Why not a [`HashList`](super::hash_list::HashList).** A list is an operator's file, replaced
//! whole; this changes by one torrent at a time, while a million others stay where they are. So it
//! is a lock-free map, as that of the swarms is: looking takes no lock and allocates nothing, and a
//! change costs the same however many there are.
//!
//! **Two names.** A hybrid torrent is announced under its v1 and its truncated v2 hash (BEP 52,
//! "Upgrade Path"). The second leads to the first, so that both reach one swarm: a client that
//! announces both is one peer, and completes once.
//!
//! **Completions.** A swarm forgets its count with its last peer; the count here stays. What was
//! counted since it was last asked for is handed to the job that writes it down.

use std::hash::RandomState;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use papaya::HashMap;

use super::admission::Refusal;
use crate::limits::REMOVALS_TOLD_MAX;
use crate::protocol::ids::InfoHash;
use crate::protocol::metainfo::{Identity, InfoHashV2};

/// Why a torrent is here no more, for those who still announce it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Removal {
    /// The member who registered it took it away.
    ByUploader = 1,
    /// The staff took it away and gave no other reason.
    ByStaff = 2,
    /// The same content is registered under another hash.
    Duplicate = 3,
    /// The content is not what its name says, or is damaged.
    Broken = 4,
    /// It is against the rules of the site.
    Rules = 5,
    /// A holder of rights objected.
    Rights = 6,
}

impl Removal {
    /// Every reason, in the order of their numbers.
    pub const ALL: [Removal; 6] = [
        Removal::ByUploader,
        Removal::ByStaff,
        Removal::Duplicate,
        Removal::Broken,
        Removal::Rules,
        Removal::Rights,
    ];

    /// The reason with a number, as the database keeps it.
    pub fn from_number(number: u8) -> Option<Removal> {
        Removal::ALL.into_iter().find(|removal| *removal as u8 == number)
    }

    /// What a client is told. It begins as [`Refusal::NOT_REGISTERED`] does, since programs look
    /// for those words.
    pub const fn reason(self) -> &'static str {
        match self {
            Removal::ByUploader => "torrent not registered: removed by its uploader",
            Removal::ByStaff => "torrent not registered: removed by the staff",
            Removal::Duplicate => "torrent not registered: removed as a duplicate",
            Removal::Broken => "torrent not registered: removed, its content is damaged or wrong",
            Removal::Rules => "torrent not registered: removed, it is against the rules",
            Removal::Rights => "torrent not registered: removed at the request of a rights holder",
        }
    }
}

#[derive(Debug)]
enum Entry {
    Torrent(Completions),
    /// The truncated v2 hash of a hybrid, with its v1 hash.
    Alias(InfoHash),
    Removed(Removal),
}

impl Entry {
    fn copied(&self) -> Entry {
        match self {
            Entry::Torrent(completions) => {
                let counted = completions.counted.load(Ordering::Relaxed);
                let count = || AtomicU32::new(counted);
                Entry::Torrent(Completions { counted: count(), saved: count() })
            }
            Entry::Alias(canonical) => Entry::Alias(*canonical),
            Entry::Removed(removal) => Entry::Removed(*removal),
        }
    }
}

/// How often a torrent was completed. Relaxed throughout: lone numbers, of which only the job that
/// saves reads more than one.
#[derive(Debug)]
struct Completions {
    counted: AtomicU32,
    /// Those that [`Registered::unsaved`] has handed out.
    saved: AtomicU32,
}

/// Which torrents are registered. All methods may be called from any number of threads at once;
/// those that change a torrent must not race for the same one, which the database sees to.
#[derive(Debug)]
pub struct Registered {
    torrents: HashMap<InfoHash, Entry, RandomState>,
    /// Removed torrents that are told apart from unknown ones.
    removals: AtomicU32,
    is_open: AtomicBool,
}

impl Registered {
    /// No torrent yet, with room for so many. An open tracker takes those that are not registered
    /// too.
    pub fn new(is_open: bool, expected: usize) -> Registered {
        Registered {
            torrents: HashMap::builder().capacity(expected).build(),
            removals: AtomicU32::new(0),
            is_open: AtomicBool::new(is_open),
        }
    }

    /// Opens the tracker to every torrent, or closes it, from the next announce on.
    pub fn set_open(&self, is_open: bool) {
        self.is_open.store(is_open, Ordering::Relaxed); // a lone switch
    }

    /// Whether every torrent is tracked.
    pub fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    /// Takes a torrent in that was completed so often before: from now on its announces are
    /// answered. One that is there keeps its count.
    pub fn insert(&self, identity: Identity, completed: u32) {
        let torrents = self.torrents.pin();
        let canonical = canonical(identity);
        let is_known = matches!(torrents.get(&canonical), Some(Entry::Torrent(_)));
        if !is_known {
            let count = || AtomicU32::new(completed);
            let entry = Entry::Torrent(Completions { counted: count(), saved: count() });
            self.replaced(torrents.insert(canonical, entry));
        }
        if let Some(alias) = alias(identity) {
            self.replaced(torrents.insert(alias, Entry::Alias(canonical)));
        }
    }

    /// Takes a torrent out: from now on its announces are refused, with this reason as long as
    /// there are not too many such.
    pub fn remove(&self, identity: Identity, removal: Removal) {
        let torrents = self.torrents.pin();
        for info_hash in identity.info_hashes() {
            // Relaxed: a bound that two threads may pass by one.
            if self.removals.load(Ordering::Relaxed) < REMOVALS_TOLD_MAX {
                self.removals.fetch_add(1, Ordering::Relaxed);
                self.replaced(torrents.insert(info_hash, Entry::Removed(removal)));
            } else {
                self.replaced(torrents.remove(&info_hash));
            }
        }
    }

    /// Has the torrents and removals of `other` from now on, and no others; those of both are
    /// answered throughout. Whether the tracker is open stays as it is. For when the database has
    /// become another one; no torrent may be changed meanwhile.
    pub fn become_like(&self, other: &Registered) {
        let (torrents, others) = (self.torrents.pin(), other.torrents.pin());
        for (info_hash, entry) in &others {
            torrents.insert(*info_hash, entry.copied());
        }
        for (info_hash, _) in &torrents {
            if others.get(info_hash).is_none() {
                torrents.remove(info_hash);
            }
        }
        self.removals.store(other.removals.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    fn replaced(&self, entry: Option<&Entry>) {
        if let Some(Entry::Removed(_)) = entry {
            self.removals.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Under which hash the swarm of `info_hash` is kept.
    ///
    /// # Errors
    /// The refusal to send, unless the tracker is open.
    pub fn resolve(&self, info_hash: &InfoHash) -> Result<InfoHash, Refusal> {
        let refusal = match self.torrents.pin().get(info_hash) {
            Some(Entry::Torrent(_)) => return Ok(*info_hash),
            Some(Entry::Alias(canonical)) => return Ok(*canonical),
            Some(Entry::Removed(removal)) => Refusal::removed(*removal),
            None => Refusal::NOT_REGISTERED,
        };
        if self.is_open() { Ok(*info_hash) } else { Err(refusal) }
    }

    /// Completions of the torrent whose swarm is kept under `info_hash`, once `more` have been
    /// added; `None` where it is not registered.
    pub fn completed(&self, info_hash: &InfoHash, more: u32) -> Option<u32> {
        let torrents = self.torrents.pin();
        let Some(Entry::Torrent(completions)) = torrents.get(info_hash) else { return None };
        if more == 0 {
            return Some(completions.counted.load(Ordering::Relaxed));
        }
        let sum = |counted: u32| Some(counted.saturating_add(more));
        let before = completions.counted.fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum);
        before.map_or(None, |before| Some(before.saturating_add(more)))
    }

    /// Hands out every torrent that was completed since this was last asked, with its sum, up to
    /// `torrents_max` of them. Takes time proportional to the number of torrents: for a job.
    pub fn unsaved(&self, torrents_max: usize) -> Vec<(InfoHash, u32)> {
        let torrents = self.torrents.pin();
        let completed = torrents.iter().filter_map(|(info_hash, entry)| {
            let Entry::Torrent(completions) = entry else { return None };
            let counted = completions.counted.load(Ordering::Relaxed);
            let saved = completions.saved.swap(counted, Ordering::Relaxed);
            (counted != saved).then_some((*info_hash, counted))
        });
        completed.take(torrents_max).collect()
    }

    /// Takes back what [`unsaved`](Self::unsaved) handed out, when it could not be written.
    pub fn not_saved(&self, completed: &[(InfoHash, u32)]) {
        let torrents = self.torrents.pin();
        for (info_hash, counted) in completed {
            if let Some(Entry::Torrent(completions)) = torrents.get(info_hash) {
                completions.saved.store(counted.wrapping_sub(1), Ordering::Relaxed);
            }
        }
    }
}

/// The hash under which the swarm is kept: v1 where there is one.
pub fn canonical(identity: Identity) -> InfoHash {
    match identity {
        Identity::V1(v1) | Identity::Hybrid { v1, .. } => v1,
        Identity::V2(v2) => v2.truncated(),
    }
}

/// The second hash of a hybrid.
fn alias(identity: Identity) -> Option<InfoHash> {
    identity.v1().and(identity.v2()).map(InfoHashV2::truncated)
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: InfoHash = InfoHash([1; 20]);
    const V2: InfoHashV2 = InfoHashV2([2; 32]);
    const HYBRID: Identity = Identity::Hybrid { v1: V1, v2: V2 };

    #[test]
    fn both_hashes_of_a_hybrid_reach_one_torrent() {
        let registered = Registered::new(false, 0);
        registered.insert(HYBRID, 7);
        assert_eq!(registered.resolve(&V1), Ok(V1));
        assert_eq!(registered.resolve(&V2.truncated()), Ok(V1));
        assert_eq!(registered.completed(&V1, 2), Some(9));
        registered.remove(HYBRID, Removal::Duplicate);
        for info_hash in HYBRID.info_hashes() {
            let refusal = registered.resolve(&info_hash).unwrap_err();
            assert_eq!(refusal.reason, "torrent not registered: removed as a duplicate");
        }
        assert_eq!(registered.completed(&V1, 1), None);
    }

    #[test]
    fn torrent_of_either_version_alone_is_known_by_its_hash() {
        let registered = Registered::new(false, 0);
        registered.insert(Identity::V2(V2), 0);
        assert_eq!(registered.resolve(&V2.truncated()), Ok(V2.truncated()));
        assert_eq!(registered.resolve(&V1), Err(Refusal::NOT_REGISTERED));
        registered.set_open(true);
        assert_eq!(registered.resolve(&V1), Ok(V1));
        assert_eq!(registered.completed(&V1, 1), None, "nothing is kept of a stranger");
    }

    #[test]
    fn removed_torrent_that_is_registered_again_is_answered() {
        let registered = Registered::new(false, 0);
        let identity = Identity::V1(V1);
        registered.insert(identity, 3);
        registered.remove(identity, Removal::ByUploader);
        registered.remove(identity, Removal::ByStaff);
        assert_eq!(registered.removals.load(Ordering::Relaxed), 1);
        registered.insert(identity, 0);
        assert_eq!(registered.resolve(&V1), Ok(V1));
        assert_eq!(registered.completed(&V1, 0), Some(0), "it starts anew");
        assert_eq!(registered.removals.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn set_becomes_another_one_with_its_counts_and_reasons() {
        let v1 = |number| Identity::V1(InfoHash([number; 20]));
        let (live, other) = (Registered::new(true, 0), Registered::new(false, 0));
        live.insert(HYBRID, 3);
        live.insert(v1(8), 5);
        live.remove(v1(7), Removal::ByStaff);
        other.insert(v1(8), 9);
        other.insert(v1(9), 0);
        other.remove(v1(6), Removal::Rights);
        live.become_like(&other);
        live.set_open(false);
        let unknown = Err(Refusal::NOT_REGISTERED);
        assert_eq!((live.resolve(&V1), live.resolve(&V2.truncated())), (unknown.clone(), unknown));
        assert_eq!(live.resolve(&InfoHash([9; 20])), Ok(InfoHash([9; 20])));
        assert_eq!(live.completed(&InfoHash([8; 20]), 0), Some(9));
        let refusal = |number| live.resolve(&InfoHash([number; 20])).unwrap_err().reason;
        assert_eq!(refusal(6), Removal::Rights.reason());
        assert_eq!(refusal(7), Refusal::NOT_REGISTERED.reason);
        assert_eq!(live.removals.load(Ordering::Relaxed), 1);
        assert_eq!(live.unsaved(10), []);
    }

    #[test]
    fn completions_are_handed_out_once_unless_they_were_not_saved() {
        let registered = Registered::new(false, 0);
        registered.insert(HYBRID, 5);
        registered.insert(Identity::V1(InfoHash([9; 20])), 0);
        assert_eq!(registered.unsaved(10), []);
        registered.completed(&V1, 1);
        registered.insert(HYBRID, 0);
        let handed = registered.unsaved(10);
        assert_eq!(handed, [(V1, 6)]);
        assert_eq!(registered.unsaved(10), []);
        registered.not_saved(&handed);
        assert_eq!(registered.unsaved(10), handed);
    }

    #[test]
    fn reasons_have_their_numbers_and_begin_alike() {
        for removal in Removal::ALL {
            assert_eq!(Removal::from_number(removal as u8), Some(removal));
            assert!(removal.reason().starts_with(&*Refusal::NOT_REGISTERED.reason));
        }
        assert_eq!(Removal::from_number(0), None);
    }

    /// Resident bytes of this process, from the second field of `statm`, in pages of 4 kB.
    fn resident() -> u64 {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
    }

    /// Prints what a torrent takes and how long a change does: for a process of its own, with
    /// `--run-ignored=only --no-capture`.
    #[test]
    #[ignore = "a measurement of a million torrents"]
    fn million_torrents_take_less_than_128_bytes_each() {
        const TORRENTS: u64 = 1_000_000;
        let identity = |number: u64| {
            let mut info_hash = InfoHash([0; 20]);
            let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            info_hash.0[..8].copy_from_slice(&spread.to_be_bytes());
            Identity::V1(info_hash)
        };
        let before = resident();
        let registered = Registered::new(false, TORRENTS as usize);
        for number in 0..TORRENTS {
            registered.insert(identity(number), 0);
        }
        let bytes = (resident() - before) / TORRENTS;
        let start = std::time::Instant::now();
        for number in TORRENTS..TORRENTS + 1_000 {
            registered.insert(identity(number), 0);
            registered.remove(identity(number), Removal::ByStaff);
        }
        println!("{bytes} B a torrent; {:?} to insert and remove 1,000", start.elapsed());
        assert!(bytes < 128, "{bytes}");
    }
}
