//! What is odd about an answer that was understood all the same. Ids are stable: scripts mute and
//! match them.

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Against custom, or harmful to some clients.
    Warn,
    /// Against the protocol.
    Error,
}

impl Severity {
    /// The name in machine-readable output.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warn => "warn",
            Severity::Error => "error",
        }
    }
}

/// One oddity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// One of [`IDS`].
    pub id: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What was seen, in a sentence.
    pub message: String,
}

impl Finding {
    /// A finding whose severity is that of its id.
    ///
    /// # Panics
    /// In tests, when the id is not in the table.
    pub fn new(id: &'static str, message: impl Into<String>) -> Finding {
        let severity = IDS.iter().find(|(known, _)| *known == id).map(|(_, severity)| *severity);
        debug_assert!(severity.is_some(), "{id} is in the table");
        Finding { id, severity: severity.unwrap_or(Severity::Warn), message: message.into() }
    }
}

/// Every id, with how much it matters.
pub const IDS: &[(&str, Severity)] = &[
    ("address-differs", Severity::Info),
    ("address-down", Severity::Warn),
    ("bencode-duplicate-key", Severity::Error),
    ("bencode-leading-zero", Severity::Error),
    ("bencode-trailing", Severity::Error),
    ("bencode-unsorted", Severity::Error),
    ("cert-expiring", Severity::Warn),
    ("cert-weak", Severity::Warn),
    ("compact-ignored", Severity::Warn),
    ("content-encoding", Severity::Warn),
    ("counts-implausible", Severity::Warn),
    ("dns-tracker-pref", Severity::Warn),
    ("external-ip-format", Severity::Warn),
    ("failure-empty", Severity::Warn),
    ("failure-with-data", Severity::Warn),
    ("field-missing", Severity::Warn),
    ("field-type", Severity::Error),
    ("full-scrape-empty", Severity::Info),
    ("full-scrape-open", Severity::Info),
    ("full-scrape-refused", Severity::Info),
    ("gzip-not-used", Severity::Info),
    ("http-status", Severity::Warn),
    ("https-unverified", Severity::Warn),
    ("interval-extreme", Severity::Warn),
    ("interval-missing", Severity::Warn),
    ("interval-zero", Severity::Error),
    ("ipv4-mapped", Severity::Info),
    ("ipv6-no-peers6", Severity::Warn),
    ("min-over-interval", Severity::Warn),
    ("numwant-exceeded", Severity::Warn),
    ("numwant-zero", Severity::Warn),
    ("peer-bogus", Severity::Warn),
    ("peer-duplicate", Severity::Warn),
    ("peer-id-sent", Severity::Info),
    ("peer-unreadable", Severity::Error),
    ("peers-length", Severity::Error),
    ("port-missing", Severity::Warn),
    ("redirect-cross-host", Severity::Warn),
    ("redirect-params-lost", Severity::Warn),
    ("redirected", Severity::Info),
    ("same-address", Severity::Info),
    ("same-peers", Severity::Info),
    ("scrape-missing", Severity::Warn),
    ("scrape-unrequested", Severity::Warn),
    ("self-returned", Severity::Warn),
    ("udp-family-mismatch", Severity::Error),
    ("udp-slow-start", Severity::Info),
    ("udp-stray", Severity::Warn),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_sorted_and_unique() {
        assert!(IDS.is_sorted_by(|(one, _), (next, _)| one < next));
    }
}
