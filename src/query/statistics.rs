//! Figures of many times: what most of them were like, and the worst.

use std::time::Duration;

use super::report::Timing;

/// A set of times in figures, all in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// The shortest.
    pub min: f64,
    /// Their mean.
    pub avg: f64,
    /// The longest.
    pub max: f64,
    /// Their standard deviation.
    pub stddev: f64,
    /// Half of them are no longer.
    pub p50: f64,
    /// 95 of 100 are no longer.
    pub p95: f64,
    /// 99 of 100 are no longer.
    pub p99: f64,
}

impl Summary {
    /// Of these times in milliseconds; `None` when there are none.
    pub fn of(times: impl IntoIterator<Item = f64>) -> Option<Summary> {
        let mut times: Vec<f64> = times.into_iter().collect();
        times.sort_by(f64::total_cmp);
        let (min, max) = (*times.first()?, *times.last()?);
        // As many as `limits` has repetitions or trackers of a batch.
        let count = f64::from(times.len() as u32);
        let avg = times.iter().sum::<f64>() / count;
        let variance = times.iter().map(|time| (time - avg).powi(2)).sum::<f64>() / count;
        // The nearest rank: the smallest time that so many are no longer than.
        let rank = |percent: usize| times[(percent * times.len()).div_ceil(100).max(1) - 1];
        let (p50, p95, p99) = (rank(50), rank(95), rank(99));
        Some(Summary { min, avg, max, stddev: variance.sqrt(), p50, p95, p99 })
    }
}

/// A duration in milliseconds.
pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// The phases of a question by name, in their order.
pub fn phases(timing: &Timing) -> [(&'static str, Option<Duration>); 5] {
    [
        ("dns", timing.dns),
        ("connect", timing.connect),
        ("tls", timing.tls),
        ("first_byte", timing.first_byte),
        ("total", Some(timing.total)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_the_textbook() {
        let summary = Summary::of([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).unwrap();
        let Summary { min, avg, max, stddev, p50, p95, .. } = summary;
        let found = [min, avg, max, stddev, p50, p95].map(|figure| format!("{figure:.3}"));
        assert_eq!(found, ["2.000", "5.000", "9.000", "2.000", "4.000", "9.000"]);
        assert_eq!(Summary::of([]), None);
    }
}
