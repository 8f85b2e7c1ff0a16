//! Sees when files change.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Interval, interval};

/// Time between two looks at files that may change.
pub const PERIOD: Duration = Duration::from_secs(5);

/// Looks at some files now and then. A change is told when two looks agree on it, so that one that
/// takes several steps is seen whole.
pub struct Watch {
    files: Vec<PathBuf>,
    ticks: Interval,
    taken: Fingerprint,
    before: Fingerprint,
}

/// What changes when a file is written, or another is put or linked in its place.
type Fingerprint = Vec<Option<(u64, u64, i64, i64)>>;

impl Watch {
    /// Looks at `files` every `period`. To be made within a runtime.
    pub fn new(files: Vec<PathBuf>, period: Duration) -> Watch {
        let now = fingerprint(&files);
        Watch { files, ticks: interval(period), taken: now.clone(), before: now }
    }

    /// Returns when a file has changed since the last time, or since this was made.
    pub async fn changed(&mut self) {
        loop {
            self.ticks.tick().await;
            let now = fingerprint(&self.files);
            let is_settled = now == self.before;
            self.before.clone_from(&now);
            if is_settled && now != self.taken {
                self.taken = now;
                return;
            }
        }
    }
}

fn fingerprint(files: &[PathBuf]) -> Fingerprint {
    let of = |path| {
        let found = fs::metadata(path).ok()?; // of what a link leads to
        Some((found.ino(), found.size(), found.mtime(), found.mtime_nsec()))
    };
    files.iter().map(of).collect()
}
