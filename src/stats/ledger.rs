//! What was counted in all, today, yesterday and on the days before: what outlives the process.

use std::collections::VecDeque;

use super::clients::Clients;
use super::figures::Figures;
use super::sketch::{Key, Sketch};

const SECONDS_A_DAY: u64 = 24 * 3600;
/// Days before yesterday that are remembered, by their announces: with today and yesterday a chart
/// of 31.
pub const PAST_DAYS_MAX: usize = 29;

/// The day since 1970 of a moment in seconds since 1970. Days are those of UTC.
pub fn day_of(unix_secs: u64) -> u32 {
    (unix_secs / SECONDS_A_DAY) as u32
}

/// One day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Day {
    /// Days since 1970.
    pub number: u32,
    /// What came in each hour.
    pub hours: [Figures; 24],
    /// Who announced.
    pub clients: Clients,
    /// From how many addresses.
    pub addresses: Sketch,
}

impl Day {
    /// A day on which nothing has happened yet.
    pub fn new(number: u32) -> Day {
        Day { number, ..Day::default() }
    }

    /// The sums of its hours.
    pub fn figures(&self) -> Figures {
        let mut sum = Figures::default();
        self.hours.iter().for_each(|hour| sum.add(hour));
        sum
    }
}

/// A span of days as one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// What came.
    pub figures: Figures,
    /// Who announced.
    pub clients: Clients,
    /// From how many addresses.
    pub addresses: Sketch,
}

impl Tally {
    /// Takes a day in.
    pub fn add(&mut self, day: &Day) {
        self.figures.add(&day.figures());
        self.clients.merge(&day.clients);
        self.addresses.merge(&day.addresses);
    }
}

/// The announces of one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastDay {
    /// Days since 1970.
    pub number: u32,
    /// Announces on it.
    pub announces: u64,
}

/// Everything that outlives the process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// The key under which the addresses were hashed.
    pub key: Key,
    /// When counting began, in seconds since 1970.
    pub since: u64,
    /// All days before yesterday together.
    pub before: Tally,
    /// Yesterday.
    pub yesterday: Day,
    /// Today.
    pub today: Day,
    /// Days before yesterday, in their order, at most [`PAST_DAYS_MAX`]. One on which the tracker
    /// did not run may be missing.
    pub past: VecDeque<PastDay>,
}

impl Ledger {
    /// An empty one, of counting that begins at `since`, in seconds since 1970.
    pub fn new(key: Key, since: u64) -> Ledger {
        let today = day_of(since);
        Ledger {
            key,
            since,
            yesterday: Day::new(today.saturating_sub(1)),
            today: Day::new(today),
            ..Ledger::default()
        }
    }

    /// Turns the pages to the day `number`. `complete` is shown each day before it goes among the
    /// past ones, so that what was counted elsewhere can be added. Where the clock was set back
    /// over midnight, the pages stay; where it was set back further, the days it showed were none.
    pub fn turn_to(&mut self, number: u32, mut complete: impl FnMut(&mut Day)) {
        let today = self.today.number;
        let pages = match number {
            _ if number == today || number + 1 == today => return,
            _ if number == today + 1 => &[number][..],
            _ => &[number.saturating_sub(1), number], // a longer pause: both days are past
        };
        if number < today {
            self.past.clear();
            self.since = self.since.min(u64::from(number) * SECONDS_A_DAY);
        }
        for next in pages {
            let today = std::mem::replace(&mut self.today, Day::new(*next));
            let mut ended = std::mem::replace(&mut self.yesterday, today);
            complete(&mut ended);
            self.before.add(&ended);
            let announces = ended.figures().total();
            if ended.number >= day_of(self.since) && ended.number < number {
                self.past.push_back(PastDay { number: ended.number, announces });
            }
        }
        let excess = self.past.len().saturating_sub(PAST_DAYS_MAX);
        self.past.drain(..excess);
    }

    /// All days together.
    pub fn all_time(&self) -> Tally {
        let mut all = self.before.clone();
        all.add(&self.yesterday);
        all.add(&self.today);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u32 = 20_000;

    fn ledger() -> Ledger {
        let mut ledger = Ledger::new([1, 2], u64::from(DAY) * SECONDS_A_DAY);
        ledger.today.hours[7].announces[0][0] = 5;
        ledger
    }

    fn announces(ledger: &Ledger) -> [u64; 3] {
        [ledger.today.figures(), ledger.yesterday.figures(), ledger.all_time().figures]
            .map(|figures| figures.total())
    }

    #[test]
    fn today_becomes_yesterday_and_then_past() {
        let mut ledger = ledger();
        ledger.turn_to(DAY, |_| panic!("the day has not ended"));
        assert_eq!(announces(&ledger), [5, 0, 5]);
        ledger.turn_to(DAY + 1, |_| {});
        assert_eq!(announces(&ledger), [0, 5, 5]);
        assert!(ledger.past.is_empty(), "nothing was counted before the first day");
        ledger.turn_to(DAY + 2, |day| day.hours[0].announces[2][1] += u64::from(day.number == DAY));
        assert_eq!(announces(&ledger), [0, 0, 6]);
        assert_eq!(ledger.past, [PastDay { number: DAY, announces: 6 }]);
        ledger.turn_to(DAY + 1, |_| panic!("no day comes back"));
        assert_eq!((ledger.today.number, ledger.yesterday.number), (DAY + 2, DAY + 1));
    }

    #[test]
    fn pause_of_any_length_loses_nothing() {
        for pause in 1..70 {
            let mut ledger = ledger();
            ledger.turn_to(DAY + pause, |_| {});
            assert_eq!(ledger.all_time().figures.total(), 5, "{pause}");
            assert_eq!(ledger.today.number, DAY + pause);
            assert_eq!(ledger.yesterday.number, DAY + pause - 1);
            assert_eq!(ledger.past.len(), usize::from(pause > 1));
        }
    }

    #[test]
    fn clock_that_was_set_back_loses_nothing() {
        let mut ledger = ledger();
        ledger.turn_to(DAY - 1, |_| panic!("over midnight, the page stays"));
        assert_eq!(announces(&ledger), [5, 0, 5]);
        ledger.turn_to(DAY - 9, |_| {});
        assert_eq!(announces(&ledger), [0, 0, 5]);
        assert_eq!((ledger.today.number, ledger.past.len()), (DAY - 9, 0));
        assert_eq!(day_of(ledger.since), DAY - 9);
    }

    #[test]
    fn only_so_many_past_days_are_kept() {
        let mut ledger = ledger();
        for day in DAY..DAY + 100 {
            ledger.turn_to(day, |_| {});
        }
        assert_eq!(ledger.past.len(), PAST_DAYS_MAX);
        assert_eq!(ledger.past.back().unwrap().number, ledger.yesterday.number - 1);
    }
}
