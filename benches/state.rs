//! What it costs to write the swarms to their file and to read them again, for each peer.

use std::net::{Ipv4Addr, SocketAddr};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wildkat::clock::{Now, unix_secs};
use wildkat::config;
use wildkat::protocol::announce::{Peers, Role};
use wildkat::protocol::ids::{InfoHash, PeerId};
use wildkat::state::StateFile;
use wildkat::stats::Ledger;
use wildkat::swarm::{Arrival, Swarms, Want};

/// Peers, ten in each swarm.
const PEERS: u32 = 100_000;
const NOW: Now = Now::from_secs(1_000);

fn filled(config: &config::Swarm) -> Swarms {
    let swarms = Swarms::new(config);
    let (mut rng, mut reply) = (fastrand::Rng::with_seed(1), Peers::default());
    for number in 0..PEERS {
        let mut hash = [7; 20];
        hash[..4].copy_from_slice(&(number / 10).to_be_bytes());
        let mut peer_id = *b"-qB5000-abcdefghijkl";
        peer_id[16..].copy_from_slice(&number.to_be_bytes());
        let arrival = Arrival {
            info_hash: InfoHash(hash),
            peer: SocketAddr::new(Ipv4Addr::from_bits(0x0100_0000 + number).into(), 6881),
            peer_id: PeerId(peer_id),
            role: if number.is_multiple_of(2) { Role::Leecher } else { Role::Seeder },
            completed: false,
        };
        let taken = swarms.announce(NOW, &arrival, Want::default(), &mut rng, &mut reply);
        assert!(taken.is_ok());
    }
    swarms
}

fn state(criterion: &mut Criterion) {
    let config = config::Swarm::default();
    let swarms = filled(&config);
    let folder = tempfile::tempdir().expect("a folder");
    let file = StateFile::open(folder.path().join("swarms.state")).expect("a file");
    let ledger = Ledger::new([1, 2], unix_secs());
    let mut group = criterion.benchmark_group("state");
    group.throughput(Throughput::Elements(PEERS.into())).sample_size(10);
    group.bench_function("save", |bencher| {
        bencher.iter(|| file.save(&swarms, &ledger, NOW).expect("room on the disk"));
    });
    group.bench_function("load", |bencher| {
        bencher.iter(|| {
            let (swarms, ..) = file.load(&config, NOW).expect("the file just saved");
            assert_eq!(swarms.totals().peers(), u64::from(PEERS));
        });
    });
    group.finish();
}

criterion_group!(benches, state);
criterion_main!(benches);
