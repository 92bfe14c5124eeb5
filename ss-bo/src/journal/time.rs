//! Points in time as Optuna writes them.

use std::time::Duration;

/// The time that lies this long after 1970-01-01 00:00 UTC, as `2023-11-14T22:13:20.000000+00:00`.
///
/// The civil date follows Hinnant, "chrono-compatible low-level date algorithms" (2014).
pub fn timestamp(since_epoch: Duration) -> String {
    let seconds = since_epoch.as_secs();
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    // Days counted from 0000-03-01, so that leap days end a year.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let micros = since_epoch.subsec_micros();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}+00:00")
}

/// The time that [`timestamp`] wrote, or any other in that form whose offset is `+00:00`. `None` for local times,
/// which Optuna writes without an offset, and for all else.
pub(super) fn since_epoch(text: &str) -> Option<Duration> {
    let (date, time) = text.strip_suffix("+00:00")?.split_once('T')?;
    let mut date = date.split('-').map(|part| part.parse::<u64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut time = time.split(':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    let known = (1970..10_000).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !(known && hour < 24 && minute < 60 && second < 61 && fraction.len() <= 9) {
        return None;
    }
    // The inverse of the calendar above: months from March, days from 0000-03-01.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * month + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let nanos = format!("{fraction:0<9}").parse().ok()?;
    Some(Duration::new(days * 86_400 + hour * 3600 + minute * 60 + second, nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_back_and_local_ones_are_not_guessed() {
        for day in (0..60_000).step_by(11) {
            let time = Duration::from_micros(day * 86_400_000_000 + day * 1_234_567 % 86_400_000_000);
            assert_eq!(since_epoch(&timestamp(time)), Some(time), "{}", timestamp(time));
        }
        assert_eq!(since_epoch("2023-11-14T22:13:20+00:00"), Some(Duration::from_secs(1_700_000_000)));
        for other in [
            "2023-11-14T22:13:20.5",
            "2023-13-14T22:13:20+00:00",
            "now+00:00",
            "T+00:00",
            "2023-1-1+00:00",
            "",
        ] {
            assert_eq!(since_epoch(other), None, "{other}");
        }
    }

    /// Reference: Python 3.11, `datetime.fromtimestamp(t, timezone.utc).isoformat(timespec="microseconds")`.
    #[test]
    fn dates_match_python() {
        for (micros, expected) in [
            (0, "1970-01-01T00:00:00.000000+00:00"),
            (951_782_400_000_000, "2000-02-29T00:00:00.000000+00:00"),
            (1_709_251_199_999_999, "2024-02-29T23:59:59.999999+00:00"),
            (1_735_689_600_000_001, "2025-01-01T00:00:00.000001+00:00"),
            (4_107_542_399_000_000, "2100-02-28T23:59:59.000000+00:00"),
            (4_107_542_400_000_000, "2100-03-01T00:00:00.000000+00:00"),
        ] {
            assert_eq!(timestamp(Duration::from_micros(micros)), expected);
        }
    }
}
