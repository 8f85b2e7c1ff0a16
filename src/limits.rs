//! Every bound of ours, with how it comes about. Nothing a stranger sends makes a loop, a buffer,
//! a list or a queue larger than what stands here or what the operator set within these ranges.

pub mod doctor;
pub mod query;

use crate::protocol::announce::{PEER_V4_LEN, PEER_V6_LEN};
use crate::protocol::{http, metainfo, udp};

/// Peers in a reply when the client leaves the number to us (BEP 3's customary 50).
pub const PEERS_DEFAULT: usize = 50;
/// Largest `--max-peers`: a dictionary entry takes at most 94 bytes, so a reply stays below 100 kB.
pub const PEERS_MAX: usize = 1_000;

/// Largest UDP reply over IPv4: an Ethernet frame of 1,500 less IP 20, UDP 8 and 20 to spare for
/// tunnels.
pub const UDP_REPLY_V4_MAX: usize = 1_452;
/// Largest UDP reply over IPv6: the minimum MTU 1,280 less IPv6 40 and UDP 8. Never fragmented.
pub const UDP_REPLY_V6_MAX: usize = 1_232;
/// IPv4 peers that fit a UDP reply: (1,452 − 20) ÷ 6 = 238.
pub const UDP_PEERS_V4_MAX: usize = (UDP_REPLY_V4_MAX - udp::ANNOUNCE_REPLY_LEN) / PEER_V4_LEN;
/// IPv6 peers that fit a UDP reply: (1,232 − 20) ÷ 18 = 67.
pub const UDP_PEERS_V6_MAX: usize = (UDP_REPLY_V6_MAX - udp::ANNOUNCE_REPLY_LEN) / PEER_V6_LEN;
/// Largest IP packet that every path takes in one piece: what IPv6 asks of all networks (RFC 8200,
/// 5), and those of IPv4 are the same ones.
pub const UDP_PACKET_WHOLE: usize = 1_280;
/// IPv4 peers in a reply that fits such a packet: (1,280 − 28 − 20) ÷ 6 = 205.
pub const UDP_PEERS_V4_WHOLE: usize =
    (UDP_PACKET_WHOLE - 28 - udp::ANNOUNCE_REPLY_LEN) / PEER_V4_LEN;
/// Info hashes that a UDP scrape may ask for: what BEP 15 names as about the most one packet
/// carries, 74; the request is 16 + 74 × 20 = 1,496 bytes, the reply 8 + 74 × 12 = 896.
pub const UDP_SCRAPE_HASHES_MAX: usize = 74;
/// Largest datagram read. The longest sensible request is the scrape above or an announce with
/// BEP 41 options; what is longer is cut off by the kernel and judged by what is left.
pub const UDP_REQUEST_MAX: usize = 2_048;
/// Datagrams a worker answers before it looks at the clock and at its other sockets again.
pub const UDP_BATCH: usize = 64;

const _: () = assert!(
    udp::SCRAPE_REPLY_LEN + UDP_SCRAPE_HASHES_MAX * udp::SCRAPE_ENTRY_LEN <= UDP_REPLY_V6_MAX
);
const _: () =
    assert!(udp::HEADER_LEN + UDP_SCRAPE_HASHES_MAX * udp::INFO_HASH_LEN <= UDP_REQUEST_MAX);
const _: () = assert!(UDP_PEERS_V4_MAX == 238 && UDP_PEERS_V6_MAX == 67);
const _: () = assert!(UDP_PEERS_V4_WHOLE == 205);

/// Longest HTTP request line, in bytes; a longer one gets 414.
pub const HTTP_REQUEST_LINE_MAX: usize = 12 * 1024;
/// Longest HTTP head (request line and header fields), in bytes; a longer one gets 431.
pub const HTTP_HEAD_MAX: usize = 16 * 1024;
/// Most header fields in a request; more get 431.
pub const HTTP_FIELDS_MAX: usize = 64;
/// Largest `--max-scrape-hashes`: each hash is at most `info_hash=` + 60 + `&` = 71 bytes, and as
/// many as that must fit a request line with 1 kB for path and version.
pub const SCRAPE_HASHES_MAX: usize = (HTTP_REQUEST_LINE_MAX - 1024) / http::INFO_HASH_PARAMETER_MAX;
/// Requests answered on one HTTP connection before it is closed, so that no client keeps a
/// connection for ever.
pub const HTTP_REQUESTS_PER_CONNECTION: u32 = 10_000;

/// Most torrents a full scrape lists; 250,000 make a body of about 20 MB.
pub const FULL_SCRAPE_TORRENTS_MAX: usize = 250_000;
/// Torrents up to which a full scrape is made anew for each request; above, the last one is handed
/// out again for a minute, since making it takes longer than sending it.
pub const FULL_SCRAPE_FRESH_MAX: usize = 1_000;
/// Seconds for which a large full scrape is handed out again.
pub const FULL_SCRAPE_CACHE_SECS: u32 = 60;

/// Most info hashes in a list of allowed or denied torrents: 204 MB, twice while it is read again.
pub const LISTED_HASHES_MAX: usize = 10_000_000;
/// Longest line of such a list, in bytes: a hash and a remark.
pub const LISTED_LINE_MAX: usize = 1_024;

/// Removed torrents whose clients are told why, by hash: some 10 MB. Those beyond are refused as
/// if they had never been registered.
pub const REMOVALS_TOLD_MAX: u32 = 100_000;

/// Largest `--rate-limit`: the tokens of ten seconds have 20 bits.
pub const RATE_LIMIT_MAX: u32 = ((1 << 20) - 1) / 10;

/// Longest `--tracker-id`, in bytes; it is sent with every HTTP announce.
pub const TRACKER_ID_MAX: usize = 64;
/// Most workers.
pub const WORKERS_MAX: usize = 256;
/// Most addresses in `--host`, and most networks in `--trusted-proxy` or `--metrics-allow`.
pub const ADDRESSES_MAX: usize = 64;
/// Longest head of the PROXY protocol's second version, in bytes: addresses take 52 at most (232 of
/// unix sockets), and what is left is for TLVs, a TLS client's certificate name among them.
pub const PROXY_HEAD_MAX: usize = 2_048;
/// Most entries of an `X-Forwarded-For` chain that are looked at, from the right.
pub const FORWARDED_HOPS_MAX: usize = 32;

/// Longest `--peer-ttl`, in seconds. A stored peer's age is kept in 12 bits, as ticks of 1 to 64
/// seconds, so that 4,096 of them last at least four times to live: 64 × 4,096 ÷ 4 is 18.2 hours.
pub const PEER_TTL_MAX: u32 = 18 * 3600 - 1;
/// Most seconds between two savings of the state: a day.
pub const STATE_INTERVAL_MAX: u32 = 24 * 3600;
/// Nesting of lists and dictionaries in bencode that is followed. A .torrent nests one level per
/// folder of its file tree, plus four.
pub const BENCODE_DEPTH_MAX: usize = 64;

/// What an uploaded .torrent may cost: 100,000 files take some 5 MB beside their paths. The length
/// is the largest that the setting for one file allows.
pub const UPLOADED_TORRENT: metainfo::Limits = metainfo::Limits {
    bytes_max: 1 << 30,
    depth_max: BENCODE_DEPTH_MAX,
    files_max: 100_000,
    path_bytes_max: 8 << 20,
    trackers_max: 1_000,
};

/// Open connections of one web listener. A browser opens at most six, so as many as 170 people may
/// look within the same ten seconds; one connection takes at most some 128 kB (TLS records 32 kB,
/// heads 16 kB, what h2 lets a client send unread 64 kB), all of them 128 MB.
pub const WEB_CONNECTIONS_MAX: usize = 1_024;
/// Requests open at once on one h2 connection: a page with its files takes five.
pub const WEB_STREAMS_MAX: u32 = 32;
/// Bytes an h2 client may send before we read them, by stream and by connection. It is the
/// least that HTTP/2 allows at the start.
pub const WEB_WINDOW: u32 = 65_535;
/// Bytes a second that keep an old connection open until what goes over it is whole. A slow
/// telephone moves ten times as many, and holding all our places this way takes 8 MB a second.
pub const WEB_PACE_MIN: u64 = 8 << 10;
/// Seconds that open requests of the web ports are given to finish when the program stops.
pub const WEB_SHUTDOWN_SECS: u64 = 3;

/// Descriptors that are not client connections: listening sockets, event queues, files.
pub const DESCRIPTORS_RESERVED: usize = 256;
/// Bytes a peer takes at most, with its id, in a swarm of any size.
pub const PEER_BYTES: u64 = 128;
/// Bytes a torrent takes at most beside its peers.
pub const TORRENT_BYTES: u64 = 1024;
/// Bytes of datagrams the kernel is asked to keep for each UDP socket: some 20,000 announces, 0.1 s
/// of a very busy tracker. It caps the number at `net.core.rmem_max`.
pub const UDP_RECEIVE_BUFFER: usize = 8 << 20;
/// Connections the kernel is asked to keep until we accept them. It caps the number at
/// `net.core.somaxconn`, usually 4,096.
pub const BACKLOG: u32 = 4_096;
