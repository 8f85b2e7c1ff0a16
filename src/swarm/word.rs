//! How a peer is written in machine words. Knows no table, no swarm and no thread.
//!
//! Read [`Word`] first. A slot of a table is one state word, then the lanes that hold what does
//! not fit into it: two for an IPv6 address, three for a peer id where ids are kept.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use crate::clock::Now;
use crate::protocol::announce::{PEER_V4_LEN, Role};
use crate::protocol::ids::PeerId;

/// Lanes of an IPv4 key beside the state word.
pub const LANES_V4: usize = 0;
/// Lanes of an IPv6 key beside the state word.
pub const LANES_V6: usize = 2;
/// Lanes of a peer id.
pub const LANES_ID: usize = 3;

/// The bits of a state word that belong to the key. The port is among them and never zero.
const KEY_MASK: u64 = !0xffff;
const TICK_SHIFT: u32 = 4;
const TICK_MASK: u64 = 0xfff;
const STATE_SHIFT: u32 = 1;
const STATE_MASK: u64 = 0b111;
const FROZEN: u64 = 1;

const CLAIMED: u64 = 0;
const GONE: u64 = 1;
const LEECHER: u64 = 2;
const PAUSED: u64 = 3;
const SEEDER: u64 = 4;
/// Added to the state of a live peer once its completion was counted.
const COUNTED: u64 = 3;

/// The state word of a slot.
///
/// | bits | field |
/// |---|---|
/// | 63–32 | IPv4 address; or, for IPv6, two bits that its lanes have no room for, and zeros |
/// | 31–16 | port, 1–65535, so that a word with a key is never 0 |
/// | 15–4 | last seen, in ticks modulo 2^12 ([`Ticks`]) |
/// | 3–1 | state: claimed, gone, or one of the roles, with or without a counted completion |
/// | 0 | frozen: the table is being replaced, and this word never changes again |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word(pub u64);

impl Word {
    /// All roles, for [`Ages::filter`].
    pub const LIVE: u8 = 0b1111_1100;
    /// The role of leechers, for [`Ages::filter`].
    pub const LEECHERS: u8 = 1 << LEECHER | 1 << (LEECHER + COUNTED);

    /// A slot nobody has claimed. All memory of a table starts as this.
    pub const EMPTY: Word = Word(0);

    /// Whether it may never be changed again.
    pub const fn is_frozen(self) -> bool {
        self.0 & FROZEN != 0
    }

    /// The same word, frozen.
    #[cfg(test)]
    const fn frozen(self) -> Word {
        Word(self.0 | FROZEN)
    }

    /// The same word before it was frozen.
    pub const fn thawed(self) -> Word {
        Word(self.0 & !FROZEN)
    }

    /// Whether the slot was never claimed, frozen or not.
    pub const fn is_empty(self) -> bool {
        self.0 & !FROZEN == 0
    }

    const fn state(self) -> u64 {
        self.0 >> STATE_SHIFT & STATE_MASK
    }

    /// Whether it has a key whose peer id is still being written. Not a peer yet.
    pub const fn is_claimed(self) -> bool {
        !self.is_empty() && self.state() == CLAIMED
    }

    /// Whether it is a peer.
    pub const fn is_live(self) -> bool {
        self.state() >= LEECHER
    }

    /// Whether it is a leecher that wants more.
    pub const fn is_leecher(self) -> bool {
        matches!(self.state(), LEECHER) || self.state() == LEECHER + COUNTED
    }

    /// Whether it is a peer whose completion was counted.
    pub const fn has_counted(self) -> bool {
        self.state() >= LEECHER + COUNTED
    }

    /// The role of a live peer.
    pub const fn role(self) -> Role {
        match self.state() {
            SEEDER => Role::Seeder,
            PAUSED => Role::Paused,
            state if state == SEEDER + COUNTED => Role::Seeder,
            state if state == PAUSED + COUNTED => Role::Paused,
            _ => Role::Leecher,
        }
    }

    /// When the peer was last seen.
    pub const fn tick(self) -> u64 {
        self.0 >> TICK_SHIFT & TICK_MASK
    }

    /// Whether the key's bits are those.
    pub const fn has_bits(self, bits: u64) -> bool {
        (self.0 ^ bits) & KEY_MASK == 0
    }

    /// Whether the key is the one of `key`, as far as it is in this word.
    pub const fn has_key(self, key: &Key) -> bool {
        self.has_bits(key.bits)
    }

    /// The slot of `key`, whose id is being written.
    pub const fn claimed(key: &Key) -> Word {
        Word(key.bits)
    }

    /// The slot of `key`, after its peer has left.
    pub const fn gone(self) -> Word {
        Word(self.0 & KEY_MASK | GONE << STATE_SHIFT)
    }

    /// The slot of `key`, in which a peer lives.
    pub const fn live(key: &Key, tick: u64, role: Role, has_counted: bool) -> Word {
        let state = match role {
            Role::Leecher => LEECHER,
            Role::Paused => PAUSED,
            Role::Seeder => SEEDER,
        };
        let state = if has_counted { state + COUNTED } else { state };
        Word(key.bits | tick << TICK_SHIFT | state << STATE_SHIFT)
    }
}

/// An address and port as they stand in a slot.
///
/// A lane is never 0, which is how an unclaimed one reads: the lowest bit is set, and the bit it
/// pushes out at the top stands in the state word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// What the state word holds of it.
    pub bits: u64,
    /// The lanes. Zeros for IPv4, which has none.
    pub lanes: [u64; LANES_V6],
}

impl Key {
    /// The key of a peer.
    pub fn new(peer: SocketAddr) -> Key {
        match peer {
            SocketAddr::V4(peer) => Key {
                bits: u64::from(peer.ip().to_bits()) << 32 | u64::from(peer.port()) << 16,
                lanes: [0; LANES_V6],
            },
            SocketAddr::V6(peer) => {
                let ip = peer.ip().to_bits();
                let (high, low) = ((ip >> 64) as u64, ip as u64);
                Key {
                    bits: (high >> 63) << 63 | (low >> 63) << 62 | u64::from(peer.port()) << 16,
                    lanes: [high << 1 | 1, low << 1 | 1],
                }
            }
        }
    }

    /// The IPv4 peer in a state word, in compact form: its upper bytes, as they stand there.
    pub fn compact_v4(word: Word) -> [u8; PEER_V4_LEN] {
        let [compact @ .., _, _] = word.0.to_be_bytes();
        compact
    }

    /// The IPv4 peer in a state word.
    pub fn peer_v4(word: Word) -> SocketAddrV4 {
        SocketAddrV4::new(((word.0 >> 32) as u32).into(), (word.0 >> 16) as u16)
    }

    /// The IPv6 peer in a state word and its lanes.
    pub fn peer_v6(word: Word, lanes: [u64; LANES_V6]) -> SocketAddrV6 {
        let high = lanes[0] >> 1 | word.0 >> 63 << 63;
        let low = lanes[1] >> 1 | word.0 >> 62 << 63;
        let ip = Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low));
        SocketAddrV6::new(ip, (word.0 >> 16) as u16, 0, 0)
    }

    /// The key in a slot.
    pub const fn of(word: Word, lanes: [u64; LANES_V6]) -> Key {
        Key { bits: word.0 & KEY_MASK, lanes }
    }

    /// Where it belongs: keyed, so that a stranger who chooses addresses cannot choose places.
    pub fn hash<const LANES: usize>(&self, hasher: &RandomState) -> u64 {
        let mut hasher = hasher.build_hasher();
        hasher.write_u64(self.bits);
        for lane in &self.lanes[..LANES] {
            hasher.write_u64(*lane);
        }
        hasher.finish()
    }
}

/// A peer id as it stands in its lanes: 7, 7 and 6 bytes above a set lowest bit, since a lane that
/// was written is never 0. Its last bytes come first: they tell two ids apart, whose first ones are
/// the same for all who use one client.
pub type IdLanes = [u64; LANES_ID];

/// The lanes of a peer id.
pub fn id_lanes(peer_id: &PeerId) -> IdLanes {
    let part = |from: usize, to: usize| {
        let mut bytes = [0; 8];
        bytes[..to - from].copy_from_slice(&peer_id.0[from..to]);
        u64::from_be_bytes(bytes) | 1
    };
    [part(13, 20), part(6, 13), part(0, 6)]
}

/// The peer id in its lanes.
pub fn peer_id(lanes: IdLanes) -> PeerId {
    let mut id = [0; 20];
    id[13..].copy_from_slice(&lanes[0].to_be_bytes()[..7]);
    id[6..13].copy_from_slice(&lanes[1].to_be_bytes()[..7]);
    id[..6].copy_from_slice(&lanes[2].to_be_bytes()[..6]);
    PeerId(id)
}

/// How ages are kept: in ticks of a power of two of seconds, modulo 2^12.
///
/// A tick is chosen as short as it may be for 2^12 of them to last four times to live. A moment is
/// rounded up to its tick, so that a peer is never dropped early, and kept for less than a tick too
/// long: exactly the time to live where a tick is a second, up to 3 s longer at an hour, and 63 s
/// at 18 hours.
///
/// Invariant: every word is looked at by a sweep before it is three times to live old, or it would
/// be taken for one from the future; see [`Swarms::sweep_step`](super::Swarms::sweep_step).
#[derive(Clone, Copy, Debug)]
pub struct Ticks {
    shift: u32,
    ttl: u32,
}

impl Ticks {
    /// Ticks for peers that live `ttl` seconds.
    pub fn new(ttl: u32) -> Ticks {
        let longest = u64::from(ttl) * 4;
        let shift = (0..32).find(|shift| (TICK_MASK + 1) << shift >= longest).unwrap_or(31);
        Ticks { shift, ttl }
    }

    /// Seconds by which a peer may outlive its time.
    pub const fn slack(self) -> u32 {
        (1 << self.shift) - 1
    }

    /// The tick of a moment, rounded up.
    pub const fn stamp(self, now: Now) -> u64 {
        (now.secs() as u64 + self.slack() as u64) >> self.shift & TICK_MASK
    }

    /// The tick of a moment `age` seconds ago, which may be before the clock was started.
    pub const fn stamp_ago(self, now: Now, age: u32) -> u64 {
        let period = (TICK_MASK + 1) << self.shift;
        let moment = now.secs() as u64 + period - age as u64 % period;
        (moment + self.slack() as u64) >> self.shift & TICK_MASK
    }

    /// Whether a peer last seen at `tick` is past its time.
    pub const fn has_expired(self, now: Now, tick: u64) -> bool {
        !self.ages(now).is_young(tick)
    }

    /// The ages of peers at a moment.
    pub const fn ages(self, now: Now) -> Ages {
        let period = (TICK_MASK + 1) << self.shift;
        // The last eighth of the period is the near future: moments rounded up, and threads whose
        // clocks were read in another order. It is put before age 0.
        let future = period / 8;
        Ages {
            now: now.secs() as u64 + future,
            shift: self.shift,
            mask: period - 1,
            oldest: self.ttl as u64 + future,
        }
    }

    /// The tick to keep of a peer seen at `before` and again at `tick`: the new one, unless
    /// the old one is of the near future, by a thread that read its clock a little later.
    pub const fn later(tick: u64, before: u64) -> u64 {
        if before.wrapping_sub(tick) & TICK_MASK <= TICK_MASK / 8 { before } else { tick }
    }
}

/// The ages of peers at one moment; see [`Ticks`].
#[derive(Clone, Copy, Debug)]
pub struct Ages {
    now: u64,
    shift: u32,
    mask: u64,
    oldest: u64,
}

impl Ages {
    /// Whether a peer last seen at `tick` is within its time.
    pub const fn is_young(&self, tick: u64) -> bool {
        self.of(tick) <= self.oldest
    }

    /// The test of state words for a young peer in one of `states`, one bit each.
    pub const fn filter(&self, states: u8) -> Filter {
        let (tick, part) = (self.now >> self.shift, self.now & ((1 << self.shift) - 1));
        let mut nibbles = 0;
        let mut state = 0;
        while state <= STATE_MASK {
            if states >> state & 1 != 0 {
                // Frozen or not, and whatever the lowest bit of its tick.
                nibbles |= 0b11 << (state << STATE_SHIFT) | 0b11 << (16 + (state << STATE_SHIFT));
            }
            state += 1;
        }
        Filter {
            newest: (tick << TICK_SHIFT | 0xf) as u16,
            oldest: ((self.oldest - part) >> self.shift << TICK_SHIFT | 0xf) as u16,
            nibbles,
        }
    }

    /// Seconds since a peer was last seen at `tick`; too few by less than a tick.
    pub const fn secs(&self, tick: u64) -> u32 {
        self.of(tick).saturating_sub((self.mask + 1) / 8) as u32
    }

    /// Seconds since the earliest moment of the near future.
    const fn of(&self, tick: u64) -> u64 {
        self.now.wrapping_sub(tick << self.shift) & self.mask
    }
}

/// A test of state words in as few steps as there may be, and no branch: it is put to hundreds an
/// announce, and half of them fail, in no order that a processor could foresee.
#[derive(Clone, Copy, Debug)]
pub struct Filter {
    /// The lower half of the youngest word there may be.
    newest: u16,
    /// By how much that of the oldest one is below.
    oldest: u16,
    /// By the lowest five bits of a word, whether its state is one of those wanted.
    nibbles: u32,
}

impl Filter {
    /// Whether the word is that of a young peer in one of the states.
    #[expect(clippy::needless_bitwise_bool, reason = "a lazy operator would be a branch")]
    pub const fn passes(self, word: Word) -> bool {
        // The lower four bits of `newest` are set, so nothing is borrowed from the tick.
        let is_young = self.newest.wrapping_sub(word.0 as u16) <= self.oldest;
        is_young & (self.nibbles >> (word.0 & 31) & 1 != 0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::announce::expand_v4;

    proptest! {
        #[test]
        fn address_and_port_round_trip(ip: u128, port in 1..=u16::MAX, tick in 0..=TICK_MASK) {
            let peer = SocketAddrV6::new(ip.into(), port, 0, 0);
            let key = Key::new(peer.into());
            let word = Word::live(&key, tick, Role::Paused, true).frozen();
            prop_assert_eq!(Key::peer_v6(word, key.lanes), peer);
            prop_assert_eq!(Key::of(word, key.lanes), key);
            prop_assert!(key.lanes.iter().all(|lane| *lane != 0));
            let peer = SocketAddrV4::new((ip as u32).into(), port);
            let word = Word::live(&Key::new(peer.into()), tick, Role::Seeder, false);
            prop_assert_eq!(Key::peer_v4(word), peer);
            prop_assert_eq!(expand_v4(Key::compact_v4(word)), peer);
            prop_assert_eq!(word.tick(), tick);
        }

        #[test]
        fn peer_id_round_trips(id: [u8; 20]) {
            let lanes = id_lanes(&PeerId(id));
            prop_assert_eq!(peer_id(lanes), PeerId(id));
            prop_assert!(lanes.iter().all(|lane| *lane != 0));
        }

        #[test]
        fn filter_passes_who_is_young_and_in_a_wanted_state(
            ttl in 1..=crate::limits::PEER_TTL_MAX,
            now: u32,
            states: u8,
            lower_half: u16,
        ) {
            let ages = Ticks::new(ttl).ages(Now::from_secs(now));
            // Two ticks beside every limit there is, and any other.
            for tick in (0..4_096).filter(|tick| tick % 64 == u64::from(now % 64) || {
                ages.is_young(*tick) != ages.is_young((tick + 1) & TICK_MASK)
                    || ages.is_young(*tick) != ages.is_young((tick + TICK_MASK) & TICK_MASK)
            }) {
                let word = Word(u64::from(lower_half & 0xf) | tick << TICK_SHIFT | 1 << 40);
                let is_wanted = ages.is_young(tick) && states >> word.state() & 1 != 0;
                prop_assert_eq!(ages.filter(states).passes(word), is_wanted);
            }
        }

        #[test]
        fn expiry_is_never_early_and_late_by_less_than_a_tick(
            ttl in 1..=crate::limits::PEER_TTL_MAX,
            seen in 0..u32::MAX / 2,
            percent in 0..250_u32,
        ) {
            let ticks = Ticks::new(ttl);
            let age = (u64::from(ttl) * u64::from(percent) / 100) as u32;
            let tick = ticks.stamp(Now::from_secs(seen));
            let expired = ticks.has_expired(Now::from_secs(seen + age), tick);
            prop_assert!(!expired || age > ttl, "not early");
            prop_assert!(expired || age <= ttl + ticks.slack(), "not late");
        }
    }

    proptest! {
        #[test]
        fn age_survives_a_clock_that_starts_anew(
            ttl in 1..=crate::limits::PEER_TTL_MAX,
            seen in 0..u32::MAX / 2,
            percent in 0..=100_u32,
            now in 0..u32::MAX / 2,
        ) {
            let ticks = Ticks::new(ttl);
            let age = (u64::from(ttl) * u64::from(percent) / 100) as u32;
            let tick = ticks.stamp(Now::from_secs(seen));
            let kept = ticks.ages(Now::from_secs(seen + age)).secs(tick);
            prop_assert!(kept <= age && kept + ticks.slack() >= age);
            let again = ticks.stamp_ago(Now::from_secs(now), kept);
            let restored = ticks.ages(Now::from_secs(now)).secs(again);
            prop_assert!(restored <= kept && restored + ticks.slack() >= kept);
        }
    }

    #[test]
    fn peer_seen_again_is_young_however_old_it_was() {
        let ticks = Ticks::new(1_000);
        for age in 0..3_500 {
            let now = Now::from_secs(10_000 + age);
            let tick = Ticks::later(ticks.stamp(now), ticks.stamp(Now::from_secs(10_000)));
            assert_eq!(tick, ticks.stamp(now));
        }
        let (early, late) = (Now::from_secs(4_095), Now::from_secs(4_097));
        assert_eq!(Ticks::later(ticks.stamp(early), ticks.stamp(late)), ticks.stamp(late));
    }

    #[test]
    fn states_and_roles_are_told_apart() {
        let key = Key::new(SocketAddr::from(([1, 2, 3, 4], 5)));
        for role in [Role::Leecher, Role::Seeder, Role::Paused] {
            for has_counted in [false, true] {
                let word = Word::live(&key, 9, role, has_counted);
                assert!(word.is_live() && !word.is_claimed() && word.has_key(&key));
                assert_eq!((word.role(), word.has_counted()), (role, has_counted));
                assert_eq!(word.is_leecher(), role == Role::Leecher);
                let gone = word.gone();
                assert!(!gone.is_live() && !gone.is_claimed() && gone.has_key(&key));
                assert!(word.frozen().is_frozen() && word.frozen().thawed() == word);
            }
        }
        let claimed = Word::claimed(&key);
        assert!(claimed.is_claimed() && !claimed.is_live() && !claimed.is_empty());
        assert!(Word::EMPTY.is_empty() && Word::EMPTY.frozen().is_empty());
        assert!(!Word::EMPTY.is_claimed());
    }
}
