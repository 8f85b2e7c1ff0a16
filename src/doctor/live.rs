//! What no file tells, but the running system: asked once, before the checks.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use rustls::RootCertStore;

use super::Wanted;
use super::clock::{Synchronisation, adjtimex};
use super::domain::{self, Addresses};
use super::finding::Unseen;
use super::host::Host;
use crate::net::uring::probe;

/// The answers of the running system.
#[derive(Debug)]
pub struct Live {
    /// Whether io_uring may be used, and if not, why, with the cure.
    pub io_uring: Result<Result<(), String>, Unseen>,
    /// Whether the clock is kept right.
    pub synchronisation: Result<Synchronisation, Unseen>,
    /// Seconds since 1970.
    pub now: i64,
    /// Authorities that certificates may be from.
    pub roots: RootCertStore,
    /// Where this program lies.
    pub program: PathBuf,
    /// The addresses of the domain, and what came of asking them; `None` when no domain was named.
    pub domain: Option<Result<Addresses, String>>,
}

/// Asks the running system; `patience` is for one answer from the domain. With a host that is not
/// the one we run on, only what does not speak of the host is asked.
pub async fn ask(wanted: &Wanted, host: &Host, patience: Duration) -> Live {
    let elsewhere = || Unseen("--root is another host than the one that runs".to_owned());
    let here = host.is_this_one();
    Live {
        io_uring: here.then(|| try_ring(wanted)).ok_or_else(elsewhere),
        synchronisation: if here { adjtimex::ask() } else { Err(elsewhere()) },
        now: SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs().cast_signed()),
        roots: crate::query::trusted_roots(&[]).unwrap_or_else(|_| RootCertStore::empty()),
        program: std::env::current_exe().unwrap_or_else(|_| PathBuf::from("wildkat")),
        domain: match &wanted.domain {
            Some(name) => Some(domain::ask(name, &wanted.config, patience).await),
            None => None,
        },
    }
}

/// Makes a ring as a worker does, and lets it go.
fn try_ring(wanted: &Wanted) -> Result<(), String> {
    probe::ring(&wanted.config.net.rings, &[]).map(drop).map_err(|refused| refused.to_string())
}
