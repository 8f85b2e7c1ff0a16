//! Drops expired peers, a little of the store at a time.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::clock::Clock;
use crate::swarm::Swarms;
use crate::swarm::store::SWEEP_STEPS;

/// Steps between two pauses: 64 pauses a round.
const STEPS_AT_ONCE: usize = SWEEP_STEPS / 64;

/// Sweeps for ever, a round in each `period`.
pub async fn run(swarms: Arc<Swarms>, clock: Clock, period: Duration) {
    let pauses = (SWEEP_STEPS / STEPS_AT_ONCE) as u32;
    let mut ticks = tokio::time::interval((period / pauses).max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut next = 0;
    let mut torrents_before = 0;
    loop {
        ticks.tick().await;
        let swarms = swarms.clone();
        let steps = next..next + STEPS_AT_ONCE;
        next = steps.end % SWEEP_STEPS;
        let is_round = next == 0;
        let work = move || {
            steps.for_each(|step| swarms.sweep_step(clock.now(), step));
            let torrents = swarms.totals().torrents;
            let is_after_a_flood = is_round && torrents < torrents_before / 2;
            if is_after_a_flood {
                swarms.trim();
            }
            if is_after_a_flood { torrents } else { torrents_before.max(torrents) }
        };
        // Off the threads that serve pages: a step over a very large swarm takes a while.
        if let Ok(torrents) = tokio::task::spawn_blocking(work).await {
            torrents_before = torrents;
        } else {
            tracing::error!("a step of the sweep failed; the next round tries again");
        }
    }
}
