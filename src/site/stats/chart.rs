//! Announces over hours or days, as columns of an inline SVG. It is as wide as the page gives it:
//! every length is a share of the whole, in per cent.

#![expect(
    clippy::cast_precision_loss,
    reason = "beyond 2^53 the last digits of a figure do not matter"
)]

use super::periods::DateFigures;
use crate::site::numbers;

/// Columns under a scale.
pub struct Chart {
    /// What it shows, for who does not see it.
    pub summary: String,
    /// What stands at the top of the scale, and at its middle.
    pub scale: [String; 2],
    /// From left to right.
    pub columns: Vec<Column>,
    /// How many hours or days it has room for.
    pub places: usize,
}

/// The announces of one hour or day.
pub struct Column {
    /// What stands below it.
    pub label: String,
    /// What a pointer is told.
    pub tooltip: String,
    /// Where its place begins.
    pub left: String,
    /// How wide its place is.
    pub place: String,
    /// Where the column begins in its place.
    pub x: String,
    /// How wide it is.
    pub width: String,
    /// Where its top is, from above.
    pub y: String,
    /// How high it is.
    pub height: String,
    /// Whether it is the hour or day that is not over yet.
    pub is_now: bool,
    /// Whether its label is one of the few for which a narrow screen has room.
    pub is_labelled: bool,
}

impl Chart {
    /// The hours of a day; `now` is the one that is not over.
    pub fn of_hours(hours: &[u64; 24], now: Option<usize>) -> Chart {
        let name = |hour: usize| (format!("{hour:02}"), format!("{hour:02}:00–{:02}:00", hour + 1));
        let values = hours.iter().enumerate().map(|(hour, announces)| (name(hour), *announces));
        Chart::new(&values.collect::<Vec<_>>(), 24, now, 3)
    }

    /// Days, of which the last one is not over.
    pub fn of_days(days: &[DateFigures]) -> Chart {
        let name = |day: &DateFigures| (day.date[5..].to_owned(), day.date.clone());
        let values = days.iter().map(|day| (name(day), day.announces));
        let places = days.len().max(7);
        let step = places.div_ceil(6);
        Chart::new(&values.collect::<Vec<_>>(), places, days.len().checked_sub(1), step)
    }

    /// Each of `values` has a label, a name, and a number. Every `step`th label is shown on a
    /// narrow screen, counted from `now` or the first.
    fn new(
        values: &[((String, String), u64)],
        places: usize,
        now: Option<usize>,
        step: usize,
    ) -> Chart {
        let peak = values.iter().max_by_key(|(_, number)| number);
        let top = round_up(peak.map_or(0, |(_, number)| *number));
        let place = 100.0 / places as f64;
        let percent = |share: f64| format!("{share:.3}%");
        let column = |(index, ((label, name), number)): (usize, &((String, String), u64))| {
            let height = *number as f64 * 100.0 / top as f64;
            let left = place * index as f64;
            Column {
                label: label.clone(),
                tooltip: format!("{name}: {} announces", numbers::count(*number)),
                left: percent(left),
                place: percent(place),
                x: percent(left + place * 0.14),
                width: percent(place * 0.72),
                y: percent(100.0 - height),
                height: percent(height),
                is_now: now == Some(index),
                is_labelled: index % step == 0,
            }
        };
        let summary = match peak.filter(|(_, number)| *number > 0) {
            None => "No announces yet".to_owned(),
            Some(((_, name), number)) => {
                format!("Peak {}, {name}", numbers::count(*number))
            }
        };
        Chart {
            summary,
            scale: [top, top / 2].map(numbers::short),
            columns: values.iter().enumerate().map(column).collect(),
            places,
        }
    }
}

/// The least of 2, 4, 10, 20, 40, 100, … that is not less: a scale whose half is whole too.
fn round_up(number: u64) -> u64 {
    let mut ten = 1_u64;
    loop {
        for factor in [2, 4, 10] {
            let round = ten.saturating_mul(factor);
            if round >= number {
                return round;
            }
        }
        ten = ten.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scale_is_round_and_not_less_than_the_peak() {
        for (number, round) in [(0, 2), (2, 2), (3, 4), (5, 10), (11, 20), (41, 100), (101, 200)] {
            assert_eq!(round_up(number), round);
        }
        assert_eq!(round_up(u64::MAX), u64::MAX);
    }

    #[test]
    fn columns_stand_on_the_ground_and_reach_their_number() {
        let mut hours = [0; 24];
        (hours[0], hours[23]) = (50, 100);
        let chart = Chart::of_hours(&hours, Some(23));
        assert_eq!(chart.scale, ["100", "50"]);
        let shown = |hour: usize| {
            let column: &Column = &chart.columns[hour];
            (&*column.y, &*column.height, column.is_now, &*column.label)
        };
        assert_eq!(shown(0), ("50.000%", "50.000%", false, "00"));
        assert_eq!(shown(1), ("100.000%", "0.000%", false, "01"));
        assert_eq!(shown(23), ("0.000%", "100.000%", true, "23"));
        assert_eq!(chart.columns[23].tooltip, "23:00–24:00: 100 announces");
        assert_eq!(chart.summary, "Peak 100, 23:00–24:00");
        assert_eq!(Chart::of_hours(&[0; 24], None).summary, "No announces yet");
    }
}
