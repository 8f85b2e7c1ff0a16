//! What an announce costs by the size of its swarm, and by how many peers it asks for. Half of the
//! peers are seeders; the announcer is one of them, renews itself and asks for 50 others, where
//! nothing else is said.

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use wildkat::clock::Now;
use wildkat::config;
use wildkat::protocol::announce::{Peers, Role};
use wildkat::protocol::ids::{InfoHash, PeerId};
use wildkat::swarm::{Arrival, Swarms, Want};

fn arrival(number: u32) -> Arrival {
    Arrival {
        info_hash: InfoHash([7; 20]),
        peer: SocketAddr::new(Ipv4Addr::from_bits(0x0100_0000 + number).into(), 6881),
        peer_id: PeerId([0; 20]),
        role: if number.is_multiple_of(2) { Role::Leecher } else { Role::Seeder },
        completed: false,
    }
}

/// A swarm of so many peers, and the announces of its members, in no order.
fn members(peers: u32) -> impl FnMut(usize) -> usize {
    let config = config::Swarm { peer_ids: false, ..config::Swarm::default() };
    let swarms = Swarms::new(&config);
    let mut rng = fastrand::Rng::with_seed(1);
    let mut reply = Peers::with_capacity(200);
    let mut ask = move |number: u32, now: u32, wanted: usize| {
        let want = Want { peers: wanted, ..Want::default() };
        let now = Now::from_secs(now);
        let taken = swarms.announce(now, &arrival(number), want, &mut rng, &mut reply);
        taken.map_or(0, |_| reply.len())
    };
    for number in 0..peers {
        ask(number, 0, 0);
    }
    let mut turn: u32 = 0;
    move |wanted| {
        turn = turn.wrapping_add(0x9e37_79b9); // walks over the peers
        ask(turn % peers, 100, wanted)
    }
}

fn announce(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("swarm_announce");
    for peers in [100, 10_000, 1_000_000] {
        let mut ask = members(peers);
        group.bench_with_input(BenchmarkId::from_parameter(peers), &peers, |bencher, _| {
            bencher.iter(|| black_box(ask(50)));
        });
    }
    group.finish();
}

fn sampling(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("swarm_sampling");
    let mut ask = members(10_000);
    for wanted in [0, 1, 50, 200] {
        group.bench_with_input(BenchmarkId::from_parameter(wanted), &wanted, |bencher, wanted| {
            bencher.iter(|| black_box(ask(*wanted)));
        });
    }
    group.finish();
}

criterion_group!(benches, announce, sampling);
criterion_main!(benches);
