//! The bounds of `query`: what one question may cost in time and memory, whoever answers it.

use std::time::Duration;

/// Time for one attempt, name resolution and redirects included, unless `--timeout` says otherwise.
pub const TIMEOUT: Duration = Duration::from_secs(12);
/// Longest time that can be asked for, a day, so that sums of times stay in range.
pub const TIMEOUT_MAX: Duration = Duration::from_hours(24);
/// Head start of an address over the next one (RFC 8305, "Connection Attempt Delay").
pub const ADDRESS_HEAD_START: Duration = Duration::from_millis(250);
/// Addresses of one host that are tried, in the resolver's order.
pub const ADDRESSES_MAX: usize = 8;
/// First wait for a UDP reply; it doubles with each send, so that 12 s hold three datagrams.
pub const UDP_WAIT: Duration = Duration::from_secs(3);
/// BEP 15, "Time outs": 15 · 2ⁿ seconds, n up to 8.
pub const UDP_WAIT_BEP_15: Duration = Duration::from_secs(15);
/// Sends under BEP 15's schedule: n from 0 to 8.
pub const UDP_SENDS_BEP_15: u32 = 9;
/// Datagrams sent at most in one step, whatever the times.
pub const UDP_SENDS_MAX: u32 = 64;
/// Datagrams of no use that are read in one step before it is given up as flooded.
pub const UDP_STRAYS_MAX: u32 = 10_000;
/// How long a connection id is used: BEP 15 lets clients use one for a minute.
pub const UDP_CONNECTION_LIFE: Duration = Duration::from_mins(1);
/// No UDP payload is longer.
pub const UDP_REPLY_MAX: usize = 65_535;
/// Bytes of path and query that go into BEP 41 options: eight options of 255.
pub const UDP_URL_MAX: usize = 2_040;

/// Datagrams that are kept for who wants to see them, of 64 KiB at most each.
pub const DATAGRAMS_KEPT: usize = 32;

/// Longest tracker URL.
pub const URL_LEN_MAX: usize = 8 * 1024;
/// Largest reply head over HTTP, and its fields.
pub const HTTP_HEAD_MAX: usize = 64 * 1024;
/// Fields in a reply head.
pub const HTTP_FIELDS_MAX: usize = 100;
/// Longest body as it is sent, before it is decompressed; a quarter of [`BODY_MAX`].
pub const BODY_SENT_MAX: usize = BODY_MAX / 4;
/// Longest body after decompression, unless `--max-body` says otherwise: full scrapes of some
/// 400,000 torrents.
pub const BODY_MAX: usize = 32 * 1024 * 1024;
/// Largest `--max-body`.
pub const BODY_MAX_MAX: usize = 1024 * 1024 * 1024;
/// Bytes of a body for each of its bencoded values: a swarm of a scrape has about 18, and a value
/// takes some 50 bytes of memory, so a body of 32 MiB takes 100 MB at most.
pub const BODY_PER_VALUE: usize = 16;
/// Bytes of a body that are shown when it makes no sense.
pub const BODY_SHOWN: usize = 160;
/// Bytes of a text from the network that are kept: failure reasons, names, header values.
pub const TEXT_MAX: usize = 1_024;
/// Peers of a reply that are kept, some 100 bytes each; the rest is counted.
pub const PEERS_MAX: usize = 5_000;
/// Swarms of a scrape that are kept although nobody asked for them.
pub const UNREQUESTED_MAX: usize = 1_000;
/// Redirects followed unless `--max-redirects` says otherwise, and the most it can say.
pub const REDIRECTS: usize = 5;
/// See [`REDIRECTS`].
pub const REDIRECTS_MAX: usize = 20;
/// Bytes of a reply over which gzip is expected to be used when it was offered.
pub const GZIP_EXPECTED: usize = 1_024;

/// Info hashes in one scrape over HTTP unless `--scrape-chunk` says otherwise: 50 × 71 bytes.
pub const SCRAPE_CHUNK: usize = 50;
/// Info hashes asked for altogether.
pub const HASHES_MAX: usize = 10_000;
/// Trackers in one batch.
pub const TRACKERS_MAX: usize = 10_000;
/// Bytes of a list of trackers, a list of hashes, or a .torrent.
pub const FILE_LEN_MAX: usize = 32 * 1024 * 1024;
/// Trackers asked at once unless `--jobs` says otherwise.
pub const JOBS: usize = 8;
/// Largest `--jobs`.
pub const JOBS_MAX: usize = 512;
/// Largest `--count`.
pub const COUNT_MAX: u32 = 100_000;
/// Results of a repetition that are kept for the report, and times of each phase for the figures.
pub const RESULTS_KEPT: usize = 1_000;
/// See [`RESULTS_KEPT`]; as many as the largest `--count`, so that only `--watch` forgets.
pub const TIMES_KEPT: usize = COUNT_MAX as usize;

/// Time for one reverse lookup, and for those of a whole peer list.
pub const REVERSE_TIMEOUT: Duration = Duration::from_secs(2);
/// See [`REVERSE_TIMEOUT`].
pub const REVERSE_TIMEOUT_ALL: Duration = Duration::from_secs(5);
/// Lookups at once.
pub const LOOKUP_JOBS: usize = 64;

/// Pause before the second attempt, and the longest pause, unless told otherwise.
pub const RETRY_DELAY: Duration = Duration::from_secs(2);
/// See [`RETRY_DELAY`].
pub const RETRY_DELAY_MAX: Duration = Duration::from_mins(1);
/// Time for the `stopped` that takes a test peer out of the swarm again.
pub const CLEANUP_TIMEOUT: Duration = Duration::from_secs(3);

/// Ports of the two peers that are made up to check a tracker.
pub const CHECK_PORTS: [u16; 2] = [50_001, 50_002];
/// Info hashes in a scrape that is to be refused, 14 KB of URL: more than any tracker is asked for
/// by a client.
pub const CHECK_HASHES: u8 = 200;
/// How long a tracker may take to answer what it must not answer.
pub const CHECK_SILENCE: Duration = Duration::from_secs(1);

/// Announce intervals outside of this, in seconds, are worth a word.
pub const INTERVAL_USUAL: std::ops::RangeInclusive<i64> = 60..=86_400;
/// Days before its end from which on a certificate is worth a warning.
pub const CERT_WARN_DAYS: i64 = 14;
/// RSA keys below this many bits are worth a warning, and elliptic ones below the next.
pub const RSA_BITS_MIN: usize = 2_048;
/// See [`RSA_BITS_MIN`].
pub const EC_BITS_MIN: usize = 224;
/// Milliseconds below which an answer is excellent, good, or fair.
pub const RATING_MS: [f64; 3] = [150.0, 300.0, 500.0];

const _: () = assert!(BODY_SENT_MAX == 8 * 1024 * 1024);
