//! The sums of all counters at one moment, as plain numbers.

use super::Counters;
use super::counter::{FamilyCounters, ProtocolCounters};
use super::latency::LatencySnapshot;

/// What came by one protocol from addresses of one family since the start. The fields are those of
/// [`FamilyCounters`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is documented at its counter")]
pub struct FamilySnapshot {
    pub announces: u64,
    pub scrapes: u64,
    pub refused: u64,
}

impl FamilySnapshot {
    fn add(&mut self, counters: &FamilyCounters) {
        self.announces += counters.announces.read();
        self.scrapes += counters.scrapes.read();
        self.refused += counters.refused.read();
    }
}

/// What came by one protocol since the start. The fields are those of [`ProtocolCounters`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is documented at its counter")]
pub struct ProtocolSnapshot {
    pub v4: FamilySnapshot,
    pub v6: FamilySnapshot,
    pub turned_away: u64,
    pub bytes_sent: u64,
}

impl ProtocolSnapshot {
    /// Announces from addresses of both families.
    pub fn announces(&self) -> u64 {
        self.v4.announces + self.v6.announces
    }

    /// Scrapes from addresses of both families.
    pub fn scrapes(&self) -> u64 {
        self.v4.scrapes + self.v6.scrapes
    }

    /// Requests that were refused or turned away.
    pub fn refused(&self) -> u64 {
        self.v4.refused + self.v6.refused + self.turned_away
    }

    fn add(&mut self, counters: &ProtocolCounters) {
        self.v4.add(&counters.v4);
        self.v6.add(&counters.v6);
        self.turned_away += counters.turned_away.read();
        self.bytes_sent += counters.bytes_sent.read();
    }
}

/// All that was counted since the start. The fields are those of [`Counters`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
    pub latency: LatencySnapshot,
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
        self.latency.add(&counters.latency);
    }
}
