//! Days and months in UTC. Pure.

use std::time::Duration;

use runtime::clock::Micros;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 24 * 60 * 60 * SECOND;

/// A calendar period, in UTC.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Period {
    /// From midnight.
    Day,
    /// From the first.
    Month,
}

impl Period {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// The period that a moment is in: its start, and that of the next one.
    pub const fn around(self, at: Micros) -> (Micros, Micros) {
        let day = at.0.div_euclid(DAY);
        let (from, to) = match self {
            Self::Day => (day, day + 1),
            Self::Month => {
                let (year, month, _) = civil(day);
                let next = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
                (days(year, month, 1), days(next.0, next.1, 1))
            }
        };
        (Micros(from * DAY), Micros(to * DAY))
    }
}

/// The moment as RFC 3339 writes it, to the second, rounded up: who waits until then is not early.
pub fn rfc3339(at: Micros) -> String {
    let seconds = at.0.div_euclid(SECOND) + (at.0.rem_euclid(SECOND) != 0) as i64;
    let (year, month, day) = civil(seconds.div_euclid(DAY / SECOND));
    let second = seconds.rem_euclid(DAY / SECOND);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// A time as OpenAI writes it in its headers: `20ms`, `1.5s`, `6m0s`, `1h0m0s`; rounded up to the millisecond.
pub(super) fn short(time: Duration) -> String {
    let millis = time.as_millis() + u128::from(!time.subsec_nanos().is_multiple_of(1_000_000));
    let (seconds, rest) = (millis / 1000, millis % 1000);
    let fraction = match rest {
        0 => String::new(),
        rest => format!(".{rest:03}").trim_end_matches('0').to_owned(),
    };
    match seconds {
        0 => format!("{millis}ms"),
        1..60 => format!("{seconds}{fraction}s"),
        60..3600 => format!("{}m{}{fraction}s", seconds / 60, seconds % 60),
        _ => format!("{}h{}m{}s", seconds / 3600, seconds / 60 % 60, seconds % 60),
    }
}

/// Year, month and day of a day since the epoch (H. Hinnant, "chrono-compatible low-level date algorithms").
const fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

/// Days since the epoch of a date; the other way round.
const fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * shifted + 2) / 5 + day - 1;
    let of_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    era * 146_097 + of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_months_begin_at_midnight_utc() {
        for (at, day, month) in [
            (0, ("1970-01-01", "1970-01-02"), ("1970-01-01", "1970-02-01")),
            (1_767_225_599, ("2025-12-31", "2026-01-01"), ("2025-12-01", "2026-01-01")),
            (1_767_225_600, ("2026-01-01", "2026-01-02"), ("2026-01-01", "2026-02-01")),
            (1_835_481_599, ("2028-02-29", "2028-03-01"), ("2028-02-01", "2028-03-01")),
        ] {
            for (period, (from, to)) in [(Period::Day, day), (Period::Month, month)] {
                let (start, end) = period.around(Micros(at * SECOND));
                assert_eq!(rfc3339(start), format!("{from}T00:00:00Z"), "{at} {period:?}");
                assert_eq!(rfc3339(end), format!("{to}T00:00:00Z"), "{at} {period:?}");
            }
        }
        assert_eq!(rfc3339(Micros(1_767_323_045 * SECOND + 1)), "2026-01-02T03:04:06Z");
    }

    #[test]
    fn every_day_is_found_again() {
        for day in (-800_000..800_000).step_by(13) {
            let (year, month, of_month) = civil(day);
            assert_eq!(days(year, month, of_month), day);
        }
    }

    #[test]
    fn times_are_short() {
        for (millis, wanted) in [
            (0, "0ms"),
            (20, "20ms"),
            (1_000, "1s"),
            (1_500, "1.5s"),
            (59_999, "59.999s"),
            (60_000, "1m0s"),
            (360_000, "6m0s"),
            (3_600_000, "1h0m0s"),
        ] {
            assert_eq!(short(Duration::from_millis(millis)), wanted);
        }
        assert_eq!(short(Duration::from_micros(1)), "1ms");
    }
}
