//! What was counted today, yesterday, and in all. The fields are part of `/stats.json`, and so a
//! promise to whoever reads it by program.

use serde::Serialize;
use time::{Date, OffsetDateTime};

use crate::protocol;
use crate::stats::clients::{Clients, Signature};
use crate::stats::ledger::{Day, Ledger, PAST_DAYS_MAX, PastDay, day_of};
use crate::stats::sketch::Sketch;
use crate::stats::{Figures, Protocol};

/// Kinds of software that are told by name.
const CLIENTS_SHOWN: usize = 8;

/// The three spans of time. Days are those of UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Periods {
    /// The day that is not over yet.
    pub today: DayFigures,
    /// The day before; absent when counting has begun since.
    pub yesterday: Option<DayFigures>,
    /// All since counting began.
    pub all_time: AllTimeFigures,
}

/// A day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DayFigures {
    /// `2026-08-31`.
    pub date: String,
    /// What came.
    #[serde(flatten)]
    pub figures: PeriodFigures,
    /// Announces in each hour of it.
    pub hours: [u64; 24],
}

/// All since counting began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AllTimeFigures {
    /// The day on which counting began.
    pub since: String,
    /// What came.
    #[serde(flatten)]
    pub figures: PeriodFigures,
    /// The announces of each of the last 31 days at most, since counting began; today's the last.
    pub days: Vec<DateFigures>,
}

/// The announces of a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DateFigures {
    /// `2026-08-31`.
    pub date: String,
    /// Announces on it.
    pub announces: u64,
}

/// What came in some span of time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PeriodFigures {
    /// Announces answered.
    pub announces: u64,
    /// Those of them by UDP.
    pub udp: u64,
    /// Those of them by HTTPS.
    pub https: u64,
    /// Those of them by plain HTTP.
    pub http: u64,
    /// Those of them from IPv4 addresses.
    pub ipv4: u64,
    /// Those of them from IPv6 addresses.
    pub ipv6: u64,
    /// From how many addresses, to a few per cent; an IPv6 network of 64 bits counts as one.
    pub addresses: u64,
    /// Bytes of replies as sent: HTTP bodies, UDP payloads.
    pub bytes_sent: u64,
    /// Bytes that compression saved.
    pub bytes_saved: u64,
    /// HTTP bodies sent compressed.
    pub gzip_replies: u64,
    /// HTTP bodies sent as they are.
    pub plain_replies: u64,
    /// Announces by the software they came from: the most frequent first, and then the rest.
    pub clients: Vec<ClientFigures>,
}

/// The announces of one kind of software.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClientFigures {
    /// Its name, or how its peer ids begin.
    pub name: String,
    /// Announces of it.
    pub announces: u64,
}

impl From<&Ledger> for Periods {
    fn from(ledger: &Ledger) -> Periods {
        let all = ledger.all_time();
        let has_yesterday = day_of(ledger.since) < ledger.today.number;
        let figures = PeriodFigures::new(&all.figures, &all.clients, &all.addresses);
        Periods {
            today: DayFigures::from(&ledger.today),
            yesterday: has_yesterday.then(|| DayFigures::from(&ledger.yesterday)),
            all_time: AllTimeFigures {
                since: date(day_of(ledger.since)).to_string(),
                figures,
                days: days(ledger),
            },
        }
    }
}

/// Those that are past, yesterday and today; a day that is missing among the past ones is one on
/// which nothing came.
fn days(ledger: &Ledger) -> Vec<DateFigures> {
    let today = ledger.today.number;
    let first = day_of(ledger.since).max(today.saturating_sub(PAST_DAYS_MAX as u32 + 1));
    let announces = |number| match number {
        _ if number == today => ledger.today.figures().total(),
        _ if number == ledger.yesterday.number => ledger.yesterday.figures().total(),
        _ => {
            let day = ledger.past.iter().find(|day: &&PastDay| day.number == number);
            day.map_or(0, |day| day.announces)
        }
    };
    let figures =
        |number| DateFigures { date: date(number).to_string(), announces: announces(number) };
    (first..=today).map(figures).collect()
}

impl From<&Day> for DayFigures {
    fn from(day: &Day) -> DayFigures {
        DayFigures {
            date: date(day.number).to_string(),
            figures: PeriodFigures::new(&day.figures(), &day.clients, &day.addresses),
            hours: day.hours.map(|hour| hour.total()),
        }
    }
}

impl PeriodFigures {
    fn new(figures: &Figures, clients: &Clients, addresses: &Sketch) -> PeriodFigures {
        let [ipv4, ipv6] = figures.families();
        let (top, others) = clients.top(CLIENTS_SHOWN);
        let named = top.into_iter().map(|(code, announces)| ClientFigures {
            name: client_name(code.signature()),
            announces,
        });
        let others = ClientFigures { name: "Others".to_owned(), announces: others };
        PeriodFigures {
            announces: figures.total(),
            udp: figures.by(Protocol::Udp),
            https: figures.by(Protocol::Https),
            http: figures.by(Protocol::Http),
            ipv4,
            ipv6,
            addresses: addresses.estimate(),
            bytes_sent: figures.bytes_sent,
            bytes_saved: figures.bytes_saved,
            gzip_replies: figures.gzip_replies,
            plain_replies: figures.plain_replies,
            clients: named.chain((others.announces > 0).then_some(others)).collect(),
        }
    }
}

fn client_name(signature: Signature) -> String {
    match signature {
        Signature::Letters(letters) => protocol::clients::name(letters)
            .map_or_else(|| format!("-{}…", letters.escape_ascii()), str::to_owned),
        Signature::Mainline => "BitTorrent Mainline".to_owned(),
        Signature::Other => "Others".to_owned(),
    }
}

/// The date of a day since 1970. One beyond the calendar is 1970 too: it came of a damaged clock.
fn date(number: u32) -> Date {
    let midnight = OffsetDateTime::from_unix_timestamp(i64::from(number) * 24 * 3600);
    midnight.unwrap_or(OffsetDateTime::UNIX_EPOCH).date()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_filled_up_and_end_today() {
        let mut ledger = Ledger::new([1, 2], 20_000 * 24 * 3600);
        ledger.today.hours[3].announces[0][0] = 5;
        ledger.turn_to(20_003, |_| {});
        ledger.today.hours[0].announces[2][1] = 7;
        let periods = Periods::from(&ledger);
        let days = periods.all_time.days.iter().map(|day| (&*day.date, day.announces));
        let expected = [("2024-10-04", 5), ("2024-10-05", 0), ("2024-10-06", 0), ("2024-10-07", 7)];
        assert_eq!(days.collect::<Vec<_>>(), expected);
        assert_eq!(periods.all_time.since, "2024-10-04");
        assert_eq!(periods.all_time.figures.announces, 12);
        assert_eq!((periods.today.figures.https, periods.today.figures.ipv6), (7, 7));
        assert_eq!(periods.yesterday.unwrap().date, "2024-10-06");
        ledger.turn_to(20_100, |_| {});
        assert_eq!(Periods::from(&ledger).all_time.days.len(), 31);
    }

    #[test]
    fn first_day_has_no_yesterday() {
        assert_eq!(Periods::from(&Ledger::new([1, 2], 20_000 * 24 * 3600)).yesterday, None);
    }

    #[test]
    fn unknown_software_is_shown_by_its_letters() {
        assert_eq!(client_name(Signature::Letters(*b"qB")), "qBittorrent");
        assert_eq!(client_name(Signature::Letters(*b"zz")), "-zz…");
    }
}
