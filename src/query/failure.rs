//! Why a question has no good answer.

use std::fmt;
use std::time::Duration;

/// What kind of failure it is. The names are part of the JSON schema, the codes of the command
/// line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Something else, such as a signal or a target that policy forbids.
    Failed,
    /// The question itself is wrong; nothing was sent.
    Usage,
    /// The tracker understood and says no.
    Refused,
    /// The name has no address.
    Dns,
    /// Refused, unreachable, or reset before a reply.
    Connect,
    /// No whole answer in time.
    Timeout,
    /// Handshake or certificate.
    Tls,
    /// An HTTP status other than 200, without a bencoded reason.
    Http,
    /// The reply is not what the protocol demands.
    Malformed,
    /// This tracker cannot be asked that.
    Unsupported,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 10] = [
        Kind::Failed,
        Kind::Usage,
        Kind::Refused,
        Kind::Dns,
        Kind::Connect,
        Kind::Timeout,
        Kind::Tls,
        Kind::Http,
        Kind::Malformed,
        Kind::Unsupported,
    ];

    /// The name in machine-readable output.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Failed => "failed",
            Kind::Usage => "usage",
            Kind::Refused => "refused",
            Kind::Dns => "dns",
            Kind::Connect => "connect",
            Kind::Timeout => "timeout",
            Kind::Tls => "tls",
            Kind::Http => "http",
            Kind::Malformed => "malformed",
            Kind::Unsupported => "unsupported",
        }
    }

    /// The exit code of a run that ends so.
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::Refused => 3,
            Kind::Dns => 4,
            Kind::Connect => 5,
            Kind::Timeout => 6,
            Kind::Tls => 7,
            Kind::Http => 8,
            Kind::Malformed => 9,
            Kind::Unsupported => 10,
        }
    }
}

/// A failure, told in one sentence fit to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind.
    pub kind: Kind,
    /// In which step: `resolve`, `connect`, `proxy`, `tls`, `headers`, `body`, `decode`,
    /// `announce`, `scrape`, or `none` before the first.
    pub step: &'static str,
    /// What happened, with control characters replaced.
    pub message: String,
    /// When another attempt may go better.
    pub retry: Retry,
}

/// When another attempt may go better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Never, as far as one can tell.
    Never,
    /// At any time.
    Anytime,
    /// Not before this time has passed, by the tracker's word (`Retry-After`, BEP 31).
    After(Duration),
    /// At any time, but only for those who ask a tracker again that has refused.
    IfRefused,
}

impl Failure {
    /// A failure that another attempt does not cure, unless its kind says otherwise: what the
    /// network does may pass.
    pub fn new(kind: Kind, step: &'static str, message: impl Into<String>) -> Failure {
        let retry = match kind {
            Kind::Dns | Kind::Connect | Kind::Timeout => Retry::Anytime,
            Kind::Refused => Retry::IfRefused,
            _ => Retry::Never,
        };
        Failure { kind, step, message: message.into(), retry }
    }

    /// The same with another word on retrying.
    #[must_use]
    pub fn with_retry(self, retry: Retry) -> Failure {
        Failure { retry, ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
