//! Bytes to types and back: what the wire formats cost apart from sockets and swarms.

use std::hint::black_box;
use std::net::Ipv4Addr;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wildkat::protocol::announce::{Announce, Counts, Event, PeerFormat, Peers};
use wildkat::protocol::bencode::{self, lenient};
use wildkat::protocol::http::{self, AnnounceReply, scrape_info_hashes};
use wildkat::protocol::http_head::{Head, end, no_fields};
use wildkat::protocol::ids::{InfoHash, PeerId};
use wildkat::protocol::metainfo::{Limits, Magnet, Metainfo};
use wildkat::protocol::udp::{self, Header, Request};

const COUNTS: Counts = Counts { seeders: 70, leechers: 30, completed: 500, paused: 2 };
const BENCODE_LIMITS: bencode::Limits = bencode::Limits { depth_max: 64, values_max: 1_000_000 };
const FILES: usize = 10_000;

fn announce() -> Announce {
    Announce {
        info_hash: InfoHash(*b"0123456789\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8\xf7\xf6"),
        peer_id: PeerId(*b"-qB5000-abcdefghijkl"),
        port: 6881,
        uploaded: 1 << 40,
        downloaded: 1 << 30,
        left: 1 << 20,
        event: Event::Started,
        numwant: Some(50),
        key: Some(0x0a1b_2c3d),
        ip: None,
        format: PeerFormat::Compact,
    }
}

fn peers(count: u32) -> Peers {
    let mut peers = Peers::with_capacity(count as usize);
    peers.v4.extend((0..count).map(|number| {
        let [a, b, c, d] = Ipv4Addr::from_bits(0x0100_0000 + number).octets();
        [a, b, c, d, 0x1a, 0xe1]
    }));
    peers
}

fn over_udp(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("protocol/udp");
    let header = Header { connection_id: 1, transaction_id: 2 };
    let requests = [
        ("connect", Request::Connect { transaction_id: 2 }),
        ("announce", Request::Announce { header, announce: announce(), options: b"" }),
        ("scrape_74", Request::Scrape { header, info_hashes: &[[7; 20]; 74] }),
    ];
    for (name, request) in requests {
        let mut packet = Vec::new();
        request.encode(&mut packet);
        group.bench_function(format!("decode_{name}"), |bencher| {
            bencher.iter(|| black_box(Request::decode(black_box(&packet))).is_ok());
        });
    }
    let (peers, mut out) = (peers(50), Vec::new());
    group.bench_function("encode_announce_reply_50", |bencher| {
        bencher.iter(|| {
            out.clear();
            udp::write_announce_reply(&mut out, 2, 1_800, black_box(COUNTS));
            out.extend_from_slice(peers.v4.as_flattened());
            black_box(out.len())
        });
    });
    group.finish();
}

fn over_http(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("protocol/http");
    let mut query = Vec::new();
    http::encode_announce(&announce(), &mut query);
    let head = [
        &b"GET /announce?"[..],
        &query,
        b" HTTP/1.1\r\nHost: tracker.example.org:6969\r\nUser-Agent: qBittorrent/5.0.0\r\n",
        b"Accept-Encoding: gzip\r\nConnection: close\r\n\r\n",
    ]
    .concat();
    group.bench_function("decode_head", |bencher| {
        bencher.iter(|| {
            let mut fields = no_fields::<16>();
            let length = end(black_box(&head), 0).unwrap_or_default();
            Head::decode(&head[..length], &mut fields).map(|head| head.accepts_gzip())
        });
    });
    group.bench_function("decode_announce", |bencher| {
        bencher.iter(|| http::decode_announce(black_box(&query)));
    });
    let scrape =
        "info_hash=%01%02%03%04%05%06%07%08%09%0a%0b%0c%0d%0e%0f%10%11%12%13%14&".repeat(5);
    group.bench_function("decode_scrape_5", |bencher| {
        bencher.iter(|| scrape_info_hashes(black_box(scrape.as_bytes())).flatten().count());
    });
    let peers = peers(50);
    let reply = AnnounceReply {
        counts: COUNTS,
        interval: 1_800,
        min_interval: 60,
        external_ip: Ipv4Addr::new(192, 0, 2, 1).into(),
        tracker_id: "Wildkat",
        warning: None,
        peers: &peers,
        format: PeerFormat::Compact,
        ipv4_mapped: false,
    };
    let mut out = Vec::new();
    group.bench_function("encode_announce_reply_50", |bencher| {
        bencher.iter(|| {
            out.clear();
            black_box(&reply).encode(&mut out);
            black_box(out.len())
        });
    });
    group.finish();
}

/// A torrent of many files in folders of a hundred.
fn torrent() -> Vec<u8> {
    let files: Vec<String> = (0..FILES)
        .map(|number| {
            let (folder, name) = (format!("folder{:03}", number / 100), format!("{number:05}.dat"));
            format!("d6:lengthi{}e4:pathl9:{folder}9:{name}ee", 1 + number)
        })
        .collect();
    let length: usize = (1..=FILES).sum();
    let pieces = "x".repeat(length.div_ceil(16_384) * 20);
    let (files, head) =
        (files.concat(), "d8:announce31:http://tracker.example/announce4:infod5:filesl");
    let (pieces_len, name) = (pieces.len(), "4:name4:many12:piece lengthi16384e6:pieces");
    format!("{head}{files}e{name}{pieces_len}:{pieces}ee").into_bytes()
}

fn bencoded(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("protocol/bencode");
    let torrent = torrent();
    let limits = Limits {
        bytes_max: 1 << 24,
        depth_max: 64,
        files_max: FILES,
        path_bytes_max: 1 << 24,
        trackers_max: 100,
    };
    assert_eq!(Metainfo::decode(&torrent, &limits).map(|it| it.files.len()), Ok(FILES));
    group.throughput(Throughput::Bytes(torrent.len() as u64));
    group.bench_function("decode_10000_files", |bencher| {
        bencher.iter(|| bencode::decode(black_box(&torrent), &BENCODE_LIMITS).is_ok());
    });
    group.bench_function("decode_lenient_10000_files", |bencher| {
        bencher.iter(|| lenient::decode(black_box(&torrent), &BENCODE_LIMITS).is_ok());
    });
    group.bench_function("metainfo_10000_files", |bencher| {
        bencher.iter(|| Metainfo::decode(black_box(&torrent), &limits).map(|it| it.files.len()));
    });
    group.finish();

    let link = "magnet:?xt=urn:btih:0123456789abcdef0123456789abcdef01234567&dn=a%20name&xl=12\
                &tr=udp%3A%2F%2Ftracker.example%3A6969&tr=https%3A%2F%2Ft.example%2Fannounce";
    criterion.bench_function("protocol/magnet", |bencher| {
        bencher.iter(|| black_box(link).parse::<Magnet>());
    });
}

criterion_group!(benches, over_udp, over_http, bencoded);
criterion_main!(benches);
