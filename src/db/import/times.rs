//! Times of the earlier tracker, which wrote its own clock's, without saying of which zone.

use std::fmt;
use std::str::FromStr;

use time::{Date, Month, Time};

/// Longest distance from UTC that there is, in seconds: 14 hours, and one for what may come.
const OFFSET_SECS_MAX: i64 = 15 * 3_600;
/// The number of 1970-01-01 among Julian days.
const JULIAN_1970: i64 = 2_440_588;
const DAY_SECS: i64 = 86_400;

/// How far a clock is ahead of UTC, in seconds: `+02:00`, `-0330`, `UTC`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offset(i64);

/// What was typed is no distance from UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnOffset;

impl FromStr for Offset {
    type Err = NotAnOffset;

    fn from_str(text: &str) -> Result<Offset, NotAnOffset> {
        if ["UTC", "utc", "Z", "z", "GMT"].contains(&text) {
            return Ok(Offset(0));
        }
        let (sign, digits) = match text.split_at_checked(1) {
            Some(("+", digits)) => (1, digits),
            Some(("-", digits)) => (-1, digits),
            _ => return Err(NotAnOffset),
        };
        let (hours, minutes) = match digits.len() {
            2 => (digits, "00"),
            4 => digits.split_at_checked(2).ok_or(NotAnOffset)?,
            _ => digits.split_once(':').ok_or(NotAnOffset)?,
        };
        let (hours, minutes) = (number(hours, 2), number(minutes, 2));
        let (Some(hours), Some(minutes @ 0..60)) = (hours, minutes) else {
            return Err(NotAnOffset);
        };
        let offset = sign * (hours * 3_600 + minutes * 60);
        if offset.abs() > OFFSET_SECS_MAX { Err(NotAnOffset) } else { Ok(Offset(offset)) }
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, offset) = (if self.0 < 0 { '-' } else { '+' }, self.0.abs());
        write!(f, "{sign}{:02}:{:02}", offset / 3_600, offset / 60 % 60)
    }
}

impl fmt::Display for NotAnOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time zone is UTC or a distance from it such as +02:00")
    }
}

impl Offset {
    /// Seconds since 1970 of a time as it was written: `2024-05-06T07:08:09` by this clock; with a
    /// space instead of the `T` by UTC; behind either may stand parts of a second and a zone.
    /// `None` when it is no time, or before 1970.
    pub fn seconds(self, text: &str) -> Option<i64> {
        let text = text.trim();
        let (date, rest) = text.split_at_checked(10)?;
        let midnight = day(date)?.checked_mul(DAY_SECS)?;
        let separator = rest.chars().next()?;
        let (clock, rest) = rest.get(separator.len_utf8()..)?.split_at_checked(8)?;
        let mut parts = clock.split(':').map(|part| number(part, 2));
        let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
        if parts.next().is_some() || !(0..=60).contains(&second) {
            return None;
        }
        let hms = [hour, minute, second.min(59)].map(u8::try_from);
        let [Ok(hour), Ok(minute), Ok(second)] = hms else { return None };
        let (hour, minute, second) = Time::from_hms(hour, minute, second).ok()?.as_hms();
        let zone = match rest.strip_prefix('.') {
            Some(rest) => rest.trim_start_matches(|c: char| c.is_ascii_digit()),
            None => rest,
        };
        let Offset(offset) = match (zone, separator) {
            ("", 'T') => self,
            ("", ' ') => Offset(0),
            (zone, 'T' | ' ') => zone.parse().ok()?,
            _ => return None,
        };
        let clock = i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second);
        Some(midnight + clock - offset).filter(|seconds| *seconds >= 0)
    }

    /// When a day by this clock is over, in seconds since 1970: `2024-05-06`.
    pub fn end_of(self, date: &str) -> Option<i64> {
        let end = (day(date.trim())? + 1) * DAY_SECS - self.0;
        Some(end).filter(|end| *end >= 0)
    }
}

/// Days since 1970 of a date: `2024-05-06`.
pub fn day(date: &str) -> Option<i64> {
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let (year, month, day) = (number(year, 4)?, number(month, 2)?, number(day, 2)?);
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    let date =
        Date::from_calendar_date(i32::try_from(year).ok()?, month, u8::try_from(day).ok()?).ok()?;
    let is_whole = parts.next().is_none();
    is_whole.then(|| i64::from(date.to_julian_day()) - JULIAN_1970)
}

/// A number of so many digits.
fn number(text: &str, digits: usize) -> Option<i64> {
    let is_one = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    is_one.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_read_in_both_ways_they_were_written() {
        let ahead: Offset = "+02:00".parse().unwrap();
        for (text, seconds) in [
            ("2024-05-06T07:08:09", Some(1_714_972_089)),
            ("2024-05-06 07:08:09", Some(1_714_979_289)),
            (" 2024-05-06T07:08:09.123456 ", Some(1_714_972_089)),
            ("2024-05-06T07:08:09Z", Some(1_714_979_289)),
            ("2024-05-06T07:08:09.5-03:30", Some(1_714_991_889)),
            ("1970-01-01T02:00:00", Some(0)),
            ("1970-01-01T01:59:59", None),
            ("2024-02-30T00:00:00", None),
            ("2024-05-06", None),
            ("2024-05-06T24:00:00", None),
            ("2024-05-06x07:08:09", None),
            ("2024-05-06é7:08:09", None),
            ("", None),
        ] {
            assert_eq!(ahead.seconds(text), seconds, "{text}");
        }
        assert_eq!(ahead.end_of("2024-05-06"), Some(1_715_032_800));
        assert_eq!(day("1970-01-02"), Some(1));
    }

    #[test]
    fn zone_is_a_distance_from_utc() {
        for (text, shown) in [("+02:00", "+02:00"), ("-0330", "-03:30"), ("+14", "+14:00")] {
            assert_eq!(text.parse::<Offset>().unwrap().to_string(), shown);
        }
        assert_eq!("UTC".parse(), Ok(Offset(0)));
        for text in ["", "2", "+2", "+16:00", "+02:60", "Europe/Berlin", "+é0", "--100"] {
            assert_eq!(text.parse::<Offset>(), Err(NotAnOffset), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text: String, date in "[0-9T :.+-]{0,30}") {
            let _ = (Offset(0).seconds(&text), Offset(3_600).seconds(&date), day(&date));
            let _ = (text.parse::<Offset>(), date.parse::<Offset>());
        }
    }
}
