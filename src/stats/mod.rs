//! What happened, counted. One [`Counters`] a worker, each padded to cache lines of its own, summed
//! only when somebody looks: see [`Stats::snapshot`] for what came since the start, and
//! [`Stats::ledger`] for the days.
//!
//! - [`counter`]: one number, and those of a protocol.
//! - [`figures`]: what is told of an hour, a day, or all of it.
//! - [`clients`]: which software announces.
//! - [`sketch`]: from how many addresses.
//! - [`days`]: the hours and days of one worker, as they are counted.
//! - [`ledger`]: all days, as they are kept.
//! - [`latency`]: how long answers take.
//! - [`snapshot`]: the sums of what came since the start.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub mod clients;
pub mod counter;
pub mod days;
pub mod figures;
pub mod latency;
pub mod ledger;
pub mod sketch;
pub mod snapshot;

pub use counter::{Counter, Protocol};
pub use figures::Figures;
pub use ledger::Ledger;
pub use snapshot::Snapshot;

use counter::ProtocolCounters;
use days::{Calendar, Days};
use latency::Latency;

/// All counters of one worker.
#[derive(Debug)]
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
    /// TLS handshakes that failed, and proxies that did not introduce their client.
    pub handshakes_failed: Counter,
    /// How long answers take.
    pub latency: Latency,
    days: Days,
}

impl Counters {
    fn new(calendar: Arc<Calendar>) -> Counters {
        Counters {
            udp: ProtocolCounters::default(),
            http: ProtocolCounters::default(),
            https: ProtocolCounters::default(),
            udp_connects: Counter::default(),
            udp_silent: Counter::default(),
            udp_unsent: Counter::default(),
            udp_dropped: Counter::default(),
            gzip_replies: Counter::default(),
            plain_replies: Counter::default(),
            gzip_saved: Counter::default(),
            connections: Counter::default(),
            connections_refused: Counter::default(),
            connections_timed_out: Counter::default(),
            handshakes_failed: Counter::default(),
            latency: Latency::default(),
            days: Days::new(calendar),
        }
    }

    /// The counters of `protocol`.
    pub fn of(&self, protocol: Protocol) -> &ProtocolCounters {
        match protocol {
            Protocol::Udp => &self.udp,
            Protocol::Http => &self.http,
            Protocol::Https => &self.https,
        }
    }

    /// A request came when the tracker's clock showed `secs`: what is counted from here on is of
    /// that hour.
    pub fn turn_to(&self, secs: u32) {
        self.days.turn_to(secs);
    }

    /// Counts an announce that was answered.
    pub fn announced(&self, protocol: Protocol, address: IpAddr, peer_id: &[u8; 20]) {
        self.of(protocol).of(address).announces.increment();
        self.days.announced(protocol, address, peer_id);
    }

    /// Counts the payload of a reply to a datagram.
    pub fn sent_datagram(&self, length: usize) {
        self.udp.bytes_sent.add(length as u64);
        self.days.hour().bytes_sent.add(length as u64);
    }

    /// Counts the body of an HTTP reply, of `length` bytes after compression has saved `saved`, or
    /// that was not compressed.
    pub fn sent_body(&self, protocol: Protocol, length: usize, saved: Option<usize>) {
        let hour = self.days.hour();
        self.of(protocol).bytes_sent.add(length as u64);
        hour.bytes_sent.add(length as u64);
        if let Some(saved) = saved {
            self.gzip_replies.increment();
            hour.gzip_replies.increment();
            self.gzip_saved.add(saved as u64);
            hour.bytes_saved.add(saved as u64);
        } else {
            self.plain_replies.increment();
            hour.plain_replies.increment();
        }
    }
}

/// The counters of every worker, and what they have to be added to.
#[derive(Clone, Debug)]
pub struct Stats {
    workers: Vec<Arc<Counters>>,
    calendar: Arc<Calendar>,
    /// What was counted before this process, and on days that are past.
    ///
    /// The lock is off the answer path: it is taken by whoever looks, once in a while.
    ledger: Arc<Mutex<Ledger>>,
}

impl Stats {
    /// Counters for `workers` workers, that go on from `ledger`. The tracker's clock stood at zero
    /// at `epoch`, in seconds since 1970.
    pub fn new(workers: usize, ledger: Ledger, epoch: u64) -> Stats {
        let calendar = Arc::new(Calendar::new(epoch, ledger.key));
        let counters = || Arc::new(Counters::new(calendar.clone()));
        Stats {
            workers: (0..workers).map(|_| counters()).collect(),
            calendar,
            ledger: Arc::new(Mutex::new(ledger)),
        }
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

    /// All days, at the moment `unix_secs`, in seconds since 1970.
    pub fn ledger(&self, unix_secs: u64) -> Ledger {
        let mut ledger = self.turned_to(unix_secs).clone();
        self.add_live(&mut ledger.yesterday);
        self.add_live(&mut ledger.today);
        ledger
    }

    /// Writes down the days that are past at the moment `unix_secs`, in seconds since 1970. To be
    /// called once a day at least, or what was counted on a day before yesterday is lost.
    pub fn turn_to(&self, unix_secs: u64) {
        drop(self.turned_to(unix_secs));
    }

    fn turned_to(&self, unix_secs: u64) -> MutexGuard<'_, Ledger> {
        // What a thread that panicked has left is still a ledger.
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        ledger.turn_to(ledger::day_of(unix_secs), |day| self.add_live(day));
        ledger
    }

    /// Adds what this process has counted on a day.
    fn add_live(&self, day: &mut ledger::Day) {
        self.workers.iter().for_each(|worker| worker.days.add_to(day));
    }

    /// Corrects the calendar where the wall clock was set since: at the moment `unix_secs` the
    /// tracker's clock shows `secs`.
    pub fn set_clock(&self, unix_secs: u64, secs: u32) {
        self.calendar.set_epoch(unix_secs.saturating_sub(secs.into()));
    }
}

#[cfg(test)]
mod tests;
