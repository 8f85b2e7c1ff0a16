//! Time as the rest of the program sees it: whole seconds since this process started its clock.
//!
//! The one place that reads a clock. Everything else is told the time ([`Now`]), so that every
//! behaviour that depends on time can be tested by passing another value. The clock is monotonic:
//! a step of the machine's wall clock neither expires a peer nor keeps one alive. What outlives
//! the process is dated by the wall clock ([`unix_secs`]).

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A moment: whole seconds since the [`Clock`] was started. Wraps after 136 years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now(u32);

impl Now {
    /// The moment `secs` seconds after the start.
    pub const fn from_secs(secs: u32) -> Now {
        Now(secs)
    }

    /// Seconds since the start.
    pub const fn secs(self) -> u32 {
        self.0
    }

    /// Seconds from `earlier` to this moment; zero when `earlier` is the later one.
    pub const fn since(self, earlier: Now) -> u32 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The monotonic clock of this process.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// Starts the clock at zero.
    pub fn start() -> Clock {
        Clock { start: Instant::now() }
    }

    /// The present moment.
    pub fn now(self) -> Now {
        Now(self.elapsed().as_secs() as u32)
    }

    /// The present moment, as exactly as the system tells it.
    pub fn elapsed(self) -> Duration {
        self.start.elapsed()
    }
}

/// Seconds since 1970, by the wall clock; 0 where that is set before.
pub fn unix_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
