//! How many different addresses there were, to a few per cent and in 4 kB: a HyperLogLog sketch
//! (Flajolet, Fusy, Gandouet, Meunier, 2007). No address can be read out of it.
//!
//! An address is hashed under a key that nobody knows: who could foresee the hash of an address
//! could choose a few that look like a billion.

#![expect(
    clippy::cast_precision_loss,
    reason = "beyond 2^53 the last digits of a figure do not matter"
)]

use std::net::IpAddr;
use std::sync::atomic::{AtomicU8, Ordering};

/// Bits of a hash that choose a register.
const INDEX_BITS: u32 = 12;
/// Registers of a sketch. The error is 1.04 ÷ √4096 = 1.6 %.
pub const REGISTERS: usize = 1 << INDEX_BITS;
/// Largest value of a register: one more than the zeros that 52 bits can begin with.
pub const RANK_MAX: u8 = (64 - INDEX_BITS) as u8 + 1;

/// The key of the hash.
pub type Key = [u64; 2];

/// A sketch that one thread at a time writes and anybody may read.
#[derive(Debug)]
pub struct LiveSketch(Box<[AtomicU8]>);

impl Default for LiveSketch {
    fn default() -> LiveSketch {
        LiveSketch((0..REGISTERS).map(|_| AtomicU8::new(0)).collect())
    }
}

impl LiveSketch {
    /// Takes an address in. Of IPv6, the /64 counts: it is one customer's, to choose from freely.
    pub fn insert(&self, key: Key, address: IpAddr) {
        let hash = hash(key, address);
        let register = &self.0[(hash >> (64 - INDEX_BITS)) as usize];
        // The one bit below keeps the zeros within what is left of the hash.
        let rest = hash << INDEX_BITS | 1 << (INDEX_BITS - 1);
        let rank = rest.leading_zeros() as u8 + 1;
        // Relaxed, here and below: lone numbers, of which one thread at a time writes.
        if register.load(Ordering::Relaxed) < rank {
            register.store(rank, Ordering::Relaxed);
        }
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.0.iter().for_each(|register| register.store(0, Ordering::Relaxed));
    }
}

/// A sketch that stands still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sketch(Box<[u8]>);

impl Default for Sketch {
    fn default() -> Sketch {
        Sketch(vec![0; REGISTERS].into())
    }
}

impl Sketch {
    /// The one whose registers are these; `None` where no sketch can have them.
    pub fn from_registers(registers: &[u8]) -> Option<Sketch> {
        let is_one = registers.len() == REGISTERS && registers.iter().all(|rank| *rank <= RANK_MAX);
        is_one.then(|| Sketch(registers.into()))
    }

    /// Its registers: [`REGISTERS`] bytes.
    pub fn registers(&self) -> &[u8] {
        &self.0
    }

    /// Takes in all that another has seen. What both have seen counts once.
    pub fn merge(&mut self, other: &Sketch) {
        for (register, rank) in self.0.iter_mut().zip(&other.0) {
            *register = (*register).max(*rank);
        }
    }

    /// As [`Sketch::merge`].
    pub fn merge_live(&mut self, other: &LiveSketch) {
        for (register, rank) in self.0.iter_mut().zip(&other.0) {
            *register = (*register).max(rank.load(Ordering::Relaxed));
        }
    }

    /// About how many different addresses were taken in.
    pub fn estimate(&self) -> u64 {
        let registers = REGISTERS as f64;
        let zeros: usize = self.0.iter().map(|rank| usize::from(*rank == 0)).sum();
        let sum: f64 = self.0.iter().map(|rank| f64::from(*rank).exp2().recip()).sum();
        let raw = 0.7213 / (1.0 + 1.079 / registers) * registers * registers / sum;
        // Few addresses are told more exactly by how many registers they have left untouched.
        let is_small = raw <= 2.5 * registers && zeros > 0;
        let estimate = if is_small { registers * (registers / zeros as f64).ln() } else { raw };
        #[expect(clippy::cast_sign_loss, reason = "no estimate is below zero")]
        let rounded = estimate.round() as u64;
        rounded
    }
}

/// Two rounds of a folded multiplication: each bit of the address moves every bit of the hash.
fn hash(key: Key, address: IpAddr) -> u64 {
    let folded = |value: u64, factor: u64| {
        let product = u128::from(value) * u128::from(factor | 1);
        product as u64 ^ (product >> 64) as u64
    };
    let bits = match address {
        IpAddr::V4(ip) => ip.to_bits().into(),
        IpAddr::V6(ip) => (ip.to_bits() >> 64) as u64,
    };
    folded(folded(bits ^ key[0], key[1] ^ 0x9e37_79b9_7f4a_7c15) ^ key[1], key[0])
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    const KEY: Key = [0x0123_4567_89ab_cdef, 0xfeed_f00d_dead_beef];

    fn of(addresses: impl Iterator<Item = IpAddr>) -> Sketch {
        let live = LiveSketch::default();
        addresses.for_each(|address| live.insert(KEY, address));
        let mut sketch = Sketch::default();
        sketch.merge_live(&live);
        sketch
    }

    fn v4(number: u32) -> IpAddr {
        Ipv4Addr::from_bits(0x0a00_0000 + number).into()
    }

    #[test]
    fn estimate_is_right_to_a_few_per_cent() {
        for count in [0, 1, 2, 10, 100, 1_000, 10_000, 100_000, 1_000_000] {
            let estimate = of((0..count).map(v4)).estimate() as f64;
            let error = (estimate - f64::from(count)).abs();
            assert!(error <= f64::from(count) * 0.05, "{estimate} instead of {count}");
        }
    }

    #[test]
    fn address_that_comes_again_counts_once() {
        let once = of((0..500).map(v4));
        assert_eq!(of((0..500).chain(0..500).map(v4)), once);
        let mut both = once.clone();
        both.merge(&once);
        assert_eq!(both, once);
    }

    #[test]
    fn network_of_one_customer_counts_once() {
        let v6 = |number: u128| Ipv6Addr::from_bits(0x2001_0db8 << 96 | number).into();
        assert_eq!(of((0..1_000).map(v6)).estimate(), 1);
        let estimate = of((0..1_000).map(|number| v6(number << 64))).estimate();
        assert!((950..=1050).contains(&estimate), "{estimate}");
    }

    #[test]
    fn registers_that_no_sketch_has_are_refused() {
        let sketch = of((0..500).map(v4));
        assert_eq!(Sketch::from_registers(sketch.registers()), Some(sketch));
        assert!(Sketch::from_registers(&[0; REGISTERS - 1]).is_none());
        assert!(Sketch::from_registers(&[RANK_MAX; REGISTERS]).is_some());
        assert!(Sketch::from_registers(&[RANK_MAX + 1; REGISTERS]).is_none());
    }
}
