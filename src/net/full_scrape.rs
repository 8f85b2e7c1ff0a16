//! The body of a full scrape on its way out: shared by all who are taking it, and compressed once.

use std::sync::{Arc, Mutex, PoisonError};

use super::gzip::Gzip;
use crate::clock::Now;
use crate::tracker::Tracker;

/// The bodies that were sent last.
///
/// The lock makes many who ask at once wait for one compression. It is off the answer path: full
/// scrapes are made on threads that may wait.
#[derive(Debug, Default)]
pub struct FullScrapes {
    kept: Mutex<Option<Kept>>,
}

#[derive(Debug)]
struct Kept {
    plain: Arc<[u8]>,
    /// `None` when compression does not make it smaller.
    gzip: Option<Arc<[u8]>>,
}

/// A body to be sent.
#[derive(Clone, Debug)]
pub struct Body {
    /// Its bytes, of which there is one copy however many take them.
    pub bytes: Arc<[u8]>,
    /// How many bytes compression saved; `None` when the body is plain.
    pub saved: Option<usize>,
}

impl FullScrapes {
    /// The body of a full scrape, compressed if that is wanted and makes it smaller. Slow where
    /// there are many torrents.
    pub fn body(&self, tracker: &Tracker, now: Now, accepts_gzip: bool) -> Body {
        let plain = tracker.full_scrape(now);
        if !accepts_gzip {
            return Body { bytes: plain, saved: None };
        }
        // A poisoned lock still guards a whole pair or none.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let is_current = kept.as_ref().is_some_and(|kept| Arc::ptr_eq(&kept.plain, &plain));
        if !is_current {
            *kept = Some(Kept { gzip: compress(&plain), plain: plain.clone() });
        }
        match kept.as_ref().and_then(|kept| kept.gzip.clone()) {
            Some(gzip) => Body { saved: Some(plain.len() - gzip.len()), bytes: gzip },
            None => Body { bytes: plain, saved: None },
        }
    }
}

fn compress(plain: &[u8]) -> Option<Arc<[u8]>> {
    let mut out = Vec::new();
    Gzip::default().compress(plain, &mut out).then(|| out.into())
}
