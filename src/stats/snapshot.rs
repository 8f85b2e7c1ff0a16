//! The sums of all counters at one moment, as plain numbers for pages and JSON.

use serde::Serialize;

use super::{Counters, ProtocolCounters};

/// What came by one protocol since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ProtocolSnapshot {
    /// Announces from IPv4 addresses.
    pub announces_v4: u64,
    /// Announces from IPv6 addresses.
    pub announces_v6: u64,
    /// Scrapes.
    pub scrapes: u64,
    /// Requests refused with a reason.
    pub refused: u64,
    /// Bytes of replies.
    pub bytes_sent: u64,
}

impl ProtocolSnapshot {
    /// Announces of both families.
    pub fn announces(&self) -> u64 {
        self.announces_v4 + self.announces_v6
    }

    fn add(&mut self, counters: &ProtocolCounters) {
        self.announces_v4 += counters.announces_v4.read();
        self.announces_v6 += counters.announces_v6.read();
        self.scrapes += counters.scrapes.read();
        self.refused += counters.refused.read();
        self.bytes_sent += counters.bytes_sent.read();
    }
}

/// All that was counted since the start. The fields are those of [`Counters`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "each field is documented at its counter")]
pub struct Snapshot {
    pub udp: ProtocolSnapshot,
    pub http: ProtocolSnapshot,
    pub https: ProtocolSnapshot,
    pub udp_connects: u64,
    pub udp_silent: u64,
    pub udp_unsent: u64,
    pub udp_dropped: u64,
    pub gzip_replies: u64,
    pub plain_replies: u64,
    pub gzip_saved: u64,
    pub connections: u64,
    pub connections_refused: u64,
    pub connections_timed_out: u64,
    pub handshakes_failed: u64,
}

impl Snapshot {
    /// Announces by every protocol.
    pub fn announces(&self) -> u64 {
        self.udp.announces() + self.http.announces() + self.https.announces()
    }

    pub(super) fn add(&mut self, counters: &Counters) {
        self.udp.add(&counters.udp);
        self.http.add(&counters.http);
        self.https.add(&counters.https);
        self.udp_connects += counters.udp_connects.read();
        self.udp_silent += counters.udp_silent.read();
        self.udp_unsent += counters.udp_unsent.read();
        self.udp_dropped += counters.udp_dropped.read();
        self.gzip_replies += counters.gzip_replies.read();
        self.plain_replies += counters.plain_replies.read();
        self.gzip_saved += counters.gzip_saved.read();
        self.connections += counters.connections.read();
        self.connections_refused += counters.connections_refused.read();
        self.connections_timed_out += counters.connections_timed_out.read();
        self.handshakes_failed += counters.handshakes_failed.read();
    }
}
