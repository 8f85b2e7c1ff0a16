//! Figures as people read them.

/// A number with commas between thousands: `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number in few characters, for a scale: `950`, `1.5k`, `20M`. What does not fit is cut off.
pub fn short(number: u64) -> String {
    let units = [(1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")];
    let Some((size, unit)) = units.into_iter().find(|(size, _)| number >= *size) else {
        return number.to_string();
    };
    match (number / size, number / (size / 10) % 10) {
        (whole, tenths) if whole < 10 && tenths > 0 => format!("{whole}.{tenths}{unit}"),
        (whole, _) => format!("{whole}{unit}"),
    }
}

/// The share of `part` in `whole`, to one decimal: `62.1%`. Of nothing, every share is `0.0%`.
pub fn share(part: u64, whole: u64) -> String {
    let (part, whole) = (u128::from(part), u128::from(whole));
    let tenths = (part * 1000 + whole / 2).checked_div(whole).unwrap_or(0);
    format!("{}.{}%", tenths / 10, tenths % 10)
}

/// An amount of bytes in the largest unit that leaves at least one: `1023 B`, `1.5 MB`. A unit is
/// 1,024 of the one before.
pub fn bytes(amount: u64) -> String {
    const UNITS: [&str; 5] = ["KB", "MB", "GB", "TB", "PB"];
    if amount < 1024 {
        return format!("{amount} B");
    }
    let mut size = 1024_u128;
    let mut tenths = 0;
    for unit in UNITS {
        tenths = (u128::from(amount) * 10 + size / 2) / size;
        if tenths < 10_240 {
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
        size *= 1024;
    }
    format!("{}.{} PB", tenths / 10, tenths % 10)
}

/// A time span as days, hours and minutes, without the days or the hours that are zero:
/// `3d 2h 0m`.
pub fn uptime(seconds: u32) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes}m"),
        (0, _) => format!("{hours}h {minutes}m"),
        (_, 0) => format!("{days}d {minutes}m"),
        _ => format!("{days}d {hours}h {minutes}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_parted_by_commas() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (123_456, "123,456"),
            (1_234_567, "1,234,567"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ] {
            assert_eq!(count(number), text);
        }
    }

    #[test]
    fn scale_has_few_characters() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1k"),
            (1_500, "1.5k"),
            (20_500, "20k"),
            (4_000_000, "4M"),
            (2_100_000_000, "2.1G"),
        ] {
            assert_eq!(short(number), text);
        }
    }

    #[test]
    fn shares_are_rounded_to_one_decimal() {
        assert_eq!(share(1, 3), "33.3%");
        assert_eq!(share(2, 3), "66.7%");
        assert_eq!(share(1, 2000), "0.1%");
        assert_eq!(share(u64::MAX, u64::MAX), "100.0%");
    }

    #[test]
    fn share_of_nothing_is_nothing() {
        assert_eq!(share(0, 0), "0.0%");
    }

    #[test]
    fn bytes_take_the_largest_unit_that_leaves_one() {
        for (amount, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KB"),
            (1536, "1.5 KB"),
            (1024 * 1024 - 1, "1.0 MB"),
            (5 << 30, "5.0 GB"),
            (1 << 40, "1.0 TB"),
            (3 << 50, "3.0 PB"),
            (u64::MAX, "16384.0 PB"),
        ] {
            assert_eq!(bytes(amount), text, "{amount}");
        }
    }

    #[test]
    fn uptime_leaves_out_zero_days_and_hours_but_never_minutes() {
        for (seconds, text) in [
            (0, "0m"),
            (59, "0m"),
            (60, "1m"),
            (3600, "1h 0m"),
            (86_400 + 300, "1d 5m"),
            (3 * 86_400 + 2 * 3600 + 59, "3d 2h 0m"),
        ] {
            assert_eq!(uptime(seconds), text, "{seconds}");
        }
    }
}
