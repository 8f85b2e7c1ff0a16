//! How much one network may ask, in memory that does not grow.
//!
//! **Threat.** A client in a loop, or a crowd of them behind one provider's range, takes the
//! tracker's time from all others. It may have a whole /64 of addresses, so addresses are counted
//! by network: /24 of IPv4, /56 of IPv6.
//!
//! **Method.** A token bucket for each network: so many tokens come a second, those of
//! [`BURST_SECS`] seconds fit, and a request takes one. A bucket is one word:
//!
//! | bits | field |
//! |---|---|
//! | 24 | tag: part of the network's keyed hash, never 0 |
//! | 20 | second of the last visit, modulo 2²⁰ |
//! | 20 | tokens then |
//!
//! Eight buckets in a cache line are the places of a network. One that finds none of them its own
//! takes that with the most tokens, which has been idle the longest: under more networks than fit,
//! some are limited less than they should be, and none more. Two networks share a bucket with a
//! chance of eight in 2²⁴ in a full table.
//!
//! Relaxed throughout: each word stands by itself.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::Now;
use crate::limits::RATE_LIMIT_MAX;

/// Seconds whose tokens a bucket holds: a client that comes back with all its torrents at once is
/// not to be refused.
const BURST_SECS: u32 = 10;
/// Lines of buckets: 4 MB, for half a million networks.
const LINES: usize = 1 << 16;
const PLACES: usize = 8;
const SECS_BITS: u32 = 20;
const TOKENS_BITS: u32 = 20;
/// Times a word is tried to be changed while others change it. Then the request is let pass. Where
/// two threads did nothing else, three tries of five failed: of eight in a row, one in sixty did.
const TRIES: usize = 32;

const _: () = assert!(RATE_LIMIT_MAX * BURST_SECS < 1 << TOKENS_BITS);

/// The buckets of all networks.
pub struct RateLimit {
    lines: Box<[Line]>,
    hasher: RandomState,
    per_sec: u32,
}

#[derive(Default)]
#[repr(align(64))]
struct Line([AtomicU64; PLACES]);

#[derive(Clone, Copy)]
struct Bucket {
    tag: u64,
    secs: u64,
    tokens: u64,
}

impl std::fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} requests a second from one network", self.per_sec)
    }
}

impl RateLimit {
    /// Full buckets for everybody, of `per_sec` tokens a second, at most [`RATE_LIMIT_MAX`].
    pub fn new(per_sec: u32) -> RateLimit {
        let lines = (0..LINES).map(|_| Line::default()).collect();
        RateLimit { lines, hasher: RandomState::new(), per_sec: per_sec.min(RATE_LIMIT_MAX) }
    }

    /// Takes a token from the bucket of `client`'s network. False when there is none.
    pub fn allows(&self, now: Now, client: IpAddr) -> bool {
        let hash = self.hasher.hash_one(network(client));
        let line = &self.lines[hash as usize % LINES].0;
        let tag = (hash >> (64 - 24)).max(1);
        for _ in 0..TRIES {
            let (place, word) = find(line, tag, |bucket| self.tokens(now, bucket));
            let bucket = Bucket::decode(word);
            let tokens = if bucket.tag == tag { self.tokens(now, bucket) } else { self.full() };
            let Some(left) = tokens.checked_sub(1) else { return false };
            let next = Bucket { tag, secs: stamp(now), tokens: left }.encode();
            let order = Ordering::Relaxed;
            if line[place].compare_exchange_weak(word, next, order, order).is_ok() {
                return true;
            }
        }
        true
    }

    fn full(&self) -> u64 {
        u64::from(self.per_sec * BURST_SECS)
    }

    fn tokens(&self, now: Now, bucket: Bucket) -> u64 {
        let since = stamp(now).wrapping_sub(bucket.secs) % (1 << SECS_BITS);
        (bucket.tokens + since * u64::from(self.per_sec)).min(self.full())
    }
}

/// The place of the bucket with this tag; otherwise a free one, or that with the most tokens.
fn find(line: &[AtomicU64; PLACES], tag: u64, tokens: impl Fn(Bucket) -> u64) -> (usize, u64) {
    let words = line.each_ref().map(|word| word.load(Ordering::Relaxed));
    let own = words.iter().position(|word| Bucket::decode(*word).tag == tag);
    let worth = |place: &usize| match words[*place] {
        0 => u64::MAX,
        word => tokens(Bucket::decode(word)),
    };
    let place = own.or_else(|| (0..PLACES).max_by_key(worth)).unwrap_or(0);
    (place, words[place])
}

impl Bucket {
    fn decode(word: u64) -> Bucket {
        Bucket {
            tag: word >> (SECS_BITS + TOKENS_BITS),
            secs: word >> TOKENS_BITS & ((1 << SECS_BITS) - 1),
            tokens: word & ((1 << TOKENS_BITS) - 1),
        }
    }

    fn encode(self) -> u64 {
        self.tag << (SECS_BITS + TOKENS_BITS) | self.secs << TOKENS_BITS | self.tokens
    }
}

fn stamp(now: Now) -> u64 {
    u64::from(now.secs()) % (1 << SECS_BITS)
}

/// A /24 of IPv4 or a /56 of IPv6, each in numbers of its own.
fn network(client: IpAddr) -> u64 {
    match client {
        IpAddr::V4(ip) => u64::from(ip.to_bits() >> 8),
        IpAddr::V6(ip) => 1 << 63 | (ip.to_bits() >> 72) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn granted(limit: &RateLimit, secs: u32, client: &str, requests: usize) -> usize {
        (0..requests).filter(|_| limit.allows(Now::from_secs(secs), ip(client))).count()
    }

    #[test]
    fn burst_is_granted_and_then_as_much_as_comes_back() {
        let limit = RateLimit::new(3);
        assert_eq!(granted(&limit, 100, "192.0.2.1", 99), 30);
        assert_eq!(granted(&limit, 100, "192.0.2.1", 99), 0);
        assert_eq!(granted(&limit, 102, "192.0.2.1", 99), 6);
        assert_eq!(granted(&limit, 1_000, "192.0.2.1", 99), 30, "no more than fits");
    }

    #[test]
    fn network_shares_and_its_neighbour_does_not() {
        let limit = RateLimit::new(1);
        for (full, shares, other) in [
            ("192.0.2.1", "192.0.2.255", "192.0.3.1"),
            ("2001:db8::1", "2001:db8:0:ff::2", "2001:db8:0:100::1"),
        ] {
            assert_eq!(granted(&limit, 5, full, 99), 10);
            assert_eq!(granted(&limit, 5, shares, 99), 0, "{shares}");
            assert_eq!(granted(&limit, 5, other, 99), 10, "{other}");
        }
    }

    #[test]
    fn crowd_of_networks_takes_nobodys_tokens_away() {
        let limit = RateLimit::new(1);
        for network in 0..2_000_000_u32 {
            let client = IpAddr::from((network << 8).to_be_bytes());
            assert!(limit.allows(Now::from_secs(7), client), "{client}");
        }
    }

    #[test]
    fn threads_together_get_no_more_than_one_would() {
        let limit = RateLimit::new(1_000);
        let granted: usize = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..4).map(|_| scope.spawn(|| granted(&limit, 1, "192.0.2.1", 5_000))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        // A word that others keep changing lets a request pass: once in a great while.
        assert!((10_000..10_200).contains(&granted), "{granted}");
    }

    #[test]
    fn clock_that_wraps_in_a_bucket_keeps_its_pace() {
        let limit = RateLimit::new(2);
        let wrap = 1 << SECS_BITS;
        assert_eq!(granted(&limit, wrap - 1, "192.0.2.1", 99), 20);
        assert_eq!(granted(&limit, wrap + 1, "192.0.2.1", 99), 4);
    }
}
