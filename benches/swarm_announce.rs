//! What an announce costs by the size of its swarm. Half of the peers are seeders; the announcer is
//! one of them, renews itself and asks for 50 others.

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

fn announce(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("swarm_announce");
    for peers in [100, 10_000, 1_000_000] {
        let config = config::Swarm { peer_ids: false, ..config::Swarm::default() };
        let swarms = Swarms::new(&config);
        let mut rng = fastrand::Rng::with_seed(1);
        let mut reply = Peers::with_capacity(200);
        let mut ask = |number: u32, now: u32, wanted: usize| {
            let want = Want { peers: wanted, ..Want::default() };
            let now = Now::from_secs(now);
            swarms.announce(now, &arrival(number), want, &mut rng, &mut reply).map(|_| reply.len())
        };
        for number in 0..peers {
            let _ = ask(number, 0, 0);
        }
        let mut turn: u32 = 0;
        group.bench_with_input(BenchmarkId::from_parameter(peers), &peers, |bencher, peers| {
            bencher.iter(|| {
                turn = turn.wrapping_add(0x9e37_79b9); // walks over the peers in no order
                black_box(ask(turn % *peers, 100, 50))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, announce);
criterion_main!(benches);
