//! Several attempts at one question, with growing pauses.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::client::Client;
use super::failure::Retry;
use super::identity::Identity;
use super::question::Question;
use super::report::Report;
use super::target::Target;
use crate::limits::query as limits;

/// When to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Attempts altogether; `None` goes on until it works or cannot work.
    pub attempts_max: Option<u32>,
    /// Pause before the second attempt; doubles with each further one.
    pub delay: Duration,
    /// Longest pause of our own choice.
    pub delay_max: Duration,
    /// No attempt begins later than this after the first one.
    pub time_max: Option<Duration>,
    /// Whether a tracker that refuses is asked again.
    pub is_for_refusals: bool,
}

impl Rules {
    /// One attempt and no more.
    pub const ONCE: Rules = Rules { attempts_max: Some(1), ..Rules::ENDLESS };
    /// As many attempts as it takes.
    pub const ENDLESS: Rules = Rules {
        attempts_max: None,
        delay: limits::RETRY_DELAY,
        delay_max: limits::RETRY_DELAY_MAX,
        time_max: None,
        is_for_refusals: false,
    };

    /// The pause before the next attempt, after `attempts` that went on for `elapsed`; `None` when
    /// there is to be none.
    pub fn pause(&self, report: &Report, attempts: u32, elapsed: Duration) -> Option<Duration> {
        let failure = report.failure.as_ref()?;
        if self.attempts_max.is_some_and(|most| attempts >= most) {
            return None;
        }
        let doubled = self.delay.saturating_mul(1 << attempts.saturating_sub(1).min(16));
        let ours = doubled.min(self.delay_max);
        // Up to a tenth more, so that those who failed together do not come again together.
        let ours = ours.mul_f64(1.0 + fastrand::f64() / 10.0);
        let pause = match failure.retry {
            Retry::Never => return None,
            Retry::IfRefused if !self.is_for_refusals => return None,
            Retry::Anytime | Retry::IfRefused => ours,
            Retry::After(theirs) => theirs.max(ours),
        };
        let is_in_time = self.time_max.is_none_or(|most| elapsed + pause <= most);
        is_in_time.then_some(pause)
    }
}

/// Asks until there is an answer or `rules` end it. `before_pause` is told of each failed attempt
/// that is followed by another one, with the pause between.
pub async fn ask(
    client: &Client,
    target: &Target,
    question: &Question,
    identity: &Identity,
    rules: &Rules,
    before_pause: impl Fn(&Report, Duration),
) -> Report {
    let begun = Instant::now();
    let mut attempts = 1;
    loop {
        let mut report = client.ask(target, question, identity).await;
        report.attempts = attempts;
        let Some(pause) = rules.pause(&report, attempts, begun.elapsed()) else { return report };
        before_pause(&report, pause);
        sleep(pause).await;
        attempts += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::super::failure::{Failure, Kind};
    use super::super::question::Scrape;
    use super::*;

    fn report(kind: Kind, retry: Option<Retry>) -> Report {
        let target = Target::parse("udp://h:1").unwrap();
        let question = Question::Scrape(Scrape::of(vec![]));
        let mut report = Report::new(&target, &question, &Identity::own());
        let failure = Failure::new(kind, "none", "");
        report.failure = Some(match retry {
            Some(retry) => failure.with_retry(retry),
            None => failure,
        });
        report
    }

    #[test]
    fn only_what_can_change_is_tried_again() {
        let rules = Rules::ENDLESS;
        let pause = |report: &Report| rules.pause(report, 1, Duration::ZERO);
        for kind in [Kind::Timeout, Kind::Connect, Kind::Dns] {
            assert!(pause(&report(kind, None)).is_some(), "{kind:?}");
        }
        for kind in [Kind::Usage, Kind::Unsupported, Kind::Malformed, Kind::Refused, Kind::Tls] {
            assert!(pause(&report(kind, None)).is_none(), "{kind:?}");
        }
        let refusals = Rules { is_for_refusals: true, ..rules };
        assert!(refusals.pause(&report(Kind::Refused, None), 1, Duration::ZERO).is_some());
        let never = report(Kind::Refused, Some(Retry::Never));
        assert!(refusals.pause(&never, 1, Duration::ZERO).is_none());
    }

    #[test]
    fn pauses_double_up_to_their_limit_and_attempts_end() {
        let rules = Rules { attempts_max: Some(9), ..Rules::ENDLESS };
        let failed = report(Kind::Timeout, None);
        for (attempts, seconds) in [(1, 2.0), (2, 4.0), (3, 8.0), (8, 60.0)] {
            let pause = rules.pause(&failed, attempts, Duration::ZERO).unwrap().as_secs_f64();
            assert!((seconds..=seconds * 1.1).contains(&pause), "{attempts}: {pause}");
        }
        assert_eq!(rules.pause(&failed, 9, Duration::ZERO), None);
        let later = report(Kind::Http, Some(Retry::After(Duration::from_mins(10))));
        assert_eq!(rules.pause(&later, 1, Duration::ZERO), Some(Duration::from_mins(10)));
        let hurried = Rules { time_max: Some(Duration::from_secs(599)), ..rules };
        assert_eq!(hurried.pause(&later, 1, Duration::ZERO), None);
    }
}
