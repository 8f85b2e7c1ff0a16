//! Keeps the days of the figures: writes down a day that is past, and follows the wall clock where
//! that is set.

use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::clock::{self, Clock};
use crate::stats::Stats;

/// Time between two looks at the clock.
pub const PERIOD: Duration = Duration::from_secs(10);

/// Looks for ever.
pub async fn run(stats: Stats, clock: Clock) {
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let unix_secs = clock::unix_secs();
        stats.set_clock(unix_secs, clock.now().secs());
        stats.turn_to(unix_secs);
    }
}
