//! What the store promises, asked through its face alone, so that it binds any store behind it.

mod memory;
mod rules;
mod sampling;
mod stress;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::fuzzing::sweep;
use super::{Arrival, Swarms, Want};
use crate::clock::Now;
use crate::config;
use crate::protocol::announce::{Counts, Peers, Role};
use crate::protocol::ids::{InfoHash, PeerId};

/// A store, the clock it is told, and the reply that is filled.
struct Bench {
    swarms: Swarms,
    now: Now,
    rng: fastrand::Rng,
    reply: Peers,
}

impl Bench {
    fn new() -> Bench {
        Bench::with(&config::Swarm::default())
    }

    fn with(config: &config::Swarm) -> Bench {
        Bench {
            swarms: Swarms::new(config),
            now: Now::from_secs(100),
            rng: fastrand::Rng::with_seed(7),
            reply: Peers::default(),
        }
    }

    fn announce(&mut self, arrival: &Arrival, want: Want) -> Counts {
        let Bench { swarms, now, rng, reply } = self;
        swarms.announce(*now, arrival, want, rng, reply).unwrap().counts
    }

    /// Announces peers `numbers`, who want nobody.
    fn fill(&mut self, numbers: std::ops::Range<u32>, arrival: impl Fn(u32) -> Arrival) {
        for number in numbers {
            self.announce(&arrival(number), Want::default());
        }
    }

    fn wait(&mut self, secs: u32) {
        self.now = Now::from_secs(self.now.secs() + secs);
    }

    fn sweep(&self) {
        sweep(&self.swarms, self.now);
    }
}

const HASH: InfoHash = InfoHash([0xab; 20]);

fn id(number: u32) -> PeerId {
    let mut id = [b'-'; 20];
    id[16..].copy_from_slice(&number.to_be_bytes());
    PeerId(id)
}

/// The IPv4 peer with a number, in [`HASH`].
fn v4(number: u32, role: Role) -> Arrival {
    let ip = Ipv4Addr::from_bits(0x0100_0000 + number);
    let peer = SocketAddr::new(ip.into(), 6881);
    Arrival { info_hash: HASH, peer, peer_id: id(number), role, completed: false }
}

/// The IPv6 peer with a number, in [`HASH`].
fn v6(number: u32, role: Role) -> Arrival {
    let ip = Ipv6Addr::from((0x2001_0db8 << 96) + u128::from(number));
    let peer = SocketAddr::new(ip.into(), 6881);
    Arrival { info_hash: HASH, peer, peer_id: id(1 << 31 | number), role, completed: false }
}

/// As many of the own family as that.
fn want(peers: usize) -> Want {
    Want { peers, ..Want::default() }
}

/// Sizes shrink where each step is interpreted.
const fn scaled(size: u32, under_miri: u32) -> u32 {
    if cfg!(miri) { under_miri } else { size }
}
