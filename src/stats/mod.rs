//! What happened, counted. One [`Counters`] a worker, each padded to cache lines of its own, summed
//! only when somebody looks: see [`Stats::snapshot`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub mod snapshot;

pub use snapshot::Snapshot;

/// One number that one worker writes and anybody may read.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `amount`.
    pub fn add(&self, amount: u64) {
        // Relaxed: a lone number, which orders nothing else; readers want it only roughly now.
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// Takes one off; for numbers that say how many there are at the moment.
    pub fn decrement(&self) {
        // Relaxed, as in `add`.
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// The number at some moment close to now.
    pub fn read(&self) -> u64 {
        // Relaxed, as in `add`.
        self.0.load(Ordering::Relaxed)
    }
}

/// The protocol a request came by. Told by the listener, never guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// BEP 15.
    Udp,
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

/// What came by one protocol.
#[derive(Debug, Default)]
pub struct ProtocolCounters {
    /// Announces answered, from IPv4 addresses.
    pub announces_v4: Counter,
    /// Announces answered, from IPv6 addresses.
    pub announces_v6: Counter,
    /// Scrapes answered.
    pub scrapes: Counter,
    /// Requests refused with a reason: a failure reason, an error packet or an HTTP error status.
    pub refused: Counter,
    /// Bytes of replies, as sent: HTTP bodies, UDP payloads.
    pub bytes_sent: Counter,
}

/// All counters of one worker.
#[derive(Debug, Default)]
#[repr(align(128))] // two cache lines, since processors fetch them in pairs
pub struct Counters {
    /// By UDP.
    pub udp: ProtocolCounters,
    /// By HTTP.
    pub http: ProtocolCounters,
    /// By HTTPS.
    pub https: ProtocolCounters,
    /// UDP connects answered.
    pub udp_connects: Counter,
    /// Datagrams that were not BEP 15, or not worth an answer.
    pub udp_silent: Counter,
    /// Datagrams whose reply the kernel would not take.
    pub udp_unsent: Counter,
    /// Datagrams the kernel lost, most of them since its receive buffer was full.
    pub udp_dropped: Counter,
    /// HTTP bodies sent compressed.
    pub gzip_replies: Counter,
    /// HTTP bodies sent as they are.
    pub plain_replies: Counter,
    /// What gzip saved, in bytes.
    pub gzip_saved: Counter,
    /// TCP connections accepted.
    pub connections: Counter,
    /// TCP connections closed at once since a cap was reached.
    pub connections_refused: Counter,
    /// TCP connections closed since the client took too long.
    pub connections_timed_out: Counter,
    /// TLS handshakes that failed.
    pub handshakes_failed: Counter,
}

impl Counters {
    /// The counters of `protocol`.
    pub fn of(&self, protocol: Protocol) -> &ProtocolCounters {
        match protocol {
            Protocol::Udp => &self.udp,
            Protocol::Http => &self.http,
            Protocol::Https => &self.https,
        }
    }
}

/// The counters of every worker.
#[derive(Clone, Debug)]
pub struct Stats {
    workers: Vec<Arc<Counters>>,
}

impl Stats {
    /// Zeros for `workers` workers.
    pub fn new(workers: usize) -> Stats {
        Stats { workers: (0..workers).map(|_| Arc::default()).collect() }
    }

    /// The counters of one worker.
    ///
    /// # Panics
    /// When there are not as many workers.
    pub fn worker(&self, index: usize) -> Arc<Counters> {
        self.workers[index].clone()
    }

    /// The sums over all workers.
    pub fn snapshot(&self) -> Snapshot {
        let mut sum = Snapshot::default();
        for worker in &self.workers {
            sum.add(worker);
        }
        sum
    }
}
