//! How long answers take to make: from the bytes of a request to the bytes of its reply, without
//! the kernel's part.
//!
//! Reading a clock twice would cost a tenth of an answer, so only one request in [`ONE_IN`] is
//! timed. That is a prime, so that no rhythm of batches or clients is hit again and again.

use std::time::{Duration, Instant};

use super::counter::Counter;

/// Of so many requests, one is timed.
pub const ONE_IN: u64 = 61;

/// Upper bounds of the classes, in nanoseconds; what takes longer is in the last one.
pub const BOUNDS_NS: [u64; 14] = [
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    10_000_000,
    100_000_000,
];
const CLASSES: usize = BOUNDS_NS.len() + 1;

/// The times of one worker.
#[derive(Debug, Default)]
pub struct Latency {
    requests: Counter,
    classes: [Counter; CLASSES],
    sum_ns: Counter,
}

/// A request that is being timed.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Stopwatch(Instant);

impl Latency {
    /// Begins to time a request, if it is its turn.
    pub fn start(&self) -> Option<Stopwatch> {
        self.requests.increment();
        self.requests.read().is_multiple_of(ONE_IN).then(|| Stopwatch(Instant::now()))
    }

    /// The answer to that request is made.
    pub fn stop(&self, stopwatch: Option<Stopwatch>) {
        if let Some(Stopwatch(start)) = stopwatch {
            self.count(start.elapsed());
        }
    }

    fn count(&self, took: Duration) {
        let took = took.as_nanos() as u64;
        self.classes[BOUNDS_NS.partition_point(|bound| *bound < took)].increment();
        self.sum_ns.add(took);
    }
}

/// The times of all workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LatencySnapshot {
    /// Answers timed, by class: the bounds of a class are at the same place in [`BOUNDS_NS`].
    pub classes: [u64; CLASSES],
    /// All times together, in nanoseconds.
    pub sum_ns: u64,
}

impl LatencySnapshot {
    pub(super) fn add(&mut self, latency: &Latency) {
        for (sum, class) in self.classes.iter_mut().zip(&latency.classes) {
            *sum += class.read();
        }
        self.sum_ns += latency.sum_ns.read();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_belongs_to_its_own_class() {
        let latency = Latency::default();
        for (class, bound) in BOUNDS_NS.into_iter().enumerate() {
            latency.count(Duration::from_nanos(bound));
            assert_eq!(latency.classes[class].read(), 1, "{bound}");
            latency.count(Duration::from_nanos(bound + 1));
            assert_eq!(latency.classes[class + 1].read(), 1, "{bound}");
            latency.classes[class + 1].clear();
        }
    }

    #[test]
    fn one_request_in_so_many_is_timed() {
        let latency = Latency::default();
        let timed = (0..ONE_IN * 10).filter(|_| {
            let stopwatch = latency.start();
            let is_timed = stopwatch.is_some();
            latency.stop(stopwatch);
            is_timed
        });
        assert_eq!(timed.count(), 10);
        let mut seen = LatencySnapshot::default();
        seen.add(&latency);
        assert_eq!(seen.classes.iter().sum::<u64>(), 10);
    }
}
