//! One number, and the families of numbers that are counted alike.

use std::sync::atomic::{AtomicU64, Ordering};

/// One number that one thread at a time writes and anybody may read.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `amount`.
    pub fn add(&self, amount: u64) {
        // A load and a store, which cost a fraction of a locked addition: nobody else writes.
        // Relaxed: a lone number, which orders nothing else; readers want it only roughly now.
        self.0.store(self.read().wrapping_add(amount), Ordering::Relaxed);
    }

    /// Begins anew.
    pub(super) fn clear(&self) {
        // Relaxed, as in `add`.
        self.0.store(0, Ordering::Relaxed);
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

impl Protocol {
    /// All of them, in the order of [`Figures::announces`](super::Figures::announces).
    pub const ALL: [Protocol; 3] = [Protocol::Udp, Protocol::Http, Protocol::Https];
}

/// What came by one protocol from addresses of one family.
#[derive(Debug, Default)]
pub struct FamilyCounters {
    /// Announces answered.
    pub announces: Counter,
    /// Scrapes answered.
    pub scrapes: Counter,
    /// Requests refused with a reason: a failure reason or an error packet.
    pub refused: Counter,
}

/// What came by one protocol.
#[derive(Debug, Default)]
pub struct ProtocolCounters {
    /// From IPv4 addresses.
    pub v4: FamilyCounters,
    /// From IPv6 addresses.
    pub v6: FamilyCounters,
    /// Requests that were neither an announce nor a scrape, and got an HTTP error status or a
    /// redirect.
    pub turned_away: Counter,
    /// Bytes of replies, as sent: HTTP bodies, UDP payloads.
    pub bytes_sent: Counter,
}

impl ProtocolCounters {
    /// Those of the family of `address`.
    pub fn of(&self, address: std::net::IpAddr) -> &FamilyCounters {
        if address.is_ipv4() { &self.v4 } else { &self.v6 }
    }
}
