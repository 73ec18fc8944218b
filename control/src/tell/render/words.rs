//! Moments, durations and reasons in words that every channel uses alike.

use farwatch_proto::time::UnixMs;

const MS_PER_S: i64 = 1000;
const MS_PER_DAY: i64 = 86_400_000;

/// A moment of UTC taken apart.
struct Civil {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    millisecond: i64,
}

/// After Howard Hinnant's `civil_from_days`: years begin in March, so that a leap day ends one.
const fn civil(at: UnixMs) -> Civil {
    let (days, ms) = (at.0.div_euclid(MS_PER_DAY), at.0.rem_euclid(MS_PER_DAY));
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + (month <= 2) as i64;
    Civil {
        year,
        month,
        day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
        hour: ms / 3_600_000,
        minute: ms / 60_000 % 60,
        second: ms / MS_PER_S % 60,
        millisecond: ms % MS_PER_S,
    }
}

/// For machines: RFC 3339 in UTC with milliseconds.
pub(super) fn rfc3339(at: UnixMs) -> String {
    let Civil { year, month, day, hour, minute, second, millisecond } = civil(at);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
}

/// For people: to the second, in UTC.
pub(super) fn moment(at: UnixMs) -> String {
    let Civil { year, month, day, hour, minute, second, .. } = civil(at);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// A length of time in its two largest units.
pub(super) fn duration(ms: i64) -> String {
    let s = ms.max(0) / MS_PER_S;
    let (days, hours, minutes, seconds) = (s / 86_400, s / 3600 % 24, s / 60 % 60, s % 60);
    let units = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")];
    let first = units.iter().position(|(count, _)| *count > 0).unwrap_or(units.len() - 1);
    let told = units[first..].iter().take(2).filter(|(count, unit)| *count > 0 || *unit == units[first].1);
    told.map(|(count, unit)| format!("{count} {unit}")).collect::<Vec<_>>().join(" ")
}

/// What failed: the sentence, or the code where there is none.
pub(super) fn reason<'a>(code: &'a str, message: &'a str) -> &'a str {
    match (message.trim(), code.trim()) {
        ("", "") => "no reason given",
        ("", code) => code,
        (message, _) => message,
    }
}

/// What failed with its code, for those who search by it.
pub(super) fn reason_with_code(code: &str, message: &str) -> String {
    match (message.trim(), code.trim()) {
        (message, code) if !message.is_empty() && !code.is_empty() => format!("{message} ({code})"),
        (message, code) => reason(code, message).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_calendar() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_793_000_002_250, "2026-10-26T07:33:22.250Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(rfc3339(UnixMs(ms)), text);
        }
        assert_eq!(moment(UnixMs(1_793_000_002_250)), "2026-10-26 07:33:22 UTC");
    }

    #[test]
    fn durations_are_told_in_their_two_largest_units() {
        for (s, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (250, "4 min 10 s"),
            (3600, "1 h"),
            (3605, "1 h"),
            (7500, "2 h 5 min"),
            (90_000, "1 d 1 h"),
        ] {
            assert_eq!(duration(s * 1000 + 999), text);
        }
        assert_eq!(duration(-5), "0 s");
    }

    #[test]
    fn a_reason_is_the_sentence_or_the_code() {
        assert_eq!(reason("a", "b"), "b");
        assert_eq!(reason("a", " "), "a");
        assert_eq!(reason("", ""), "no reason given");
        assert_eq!(reason_with_code("a", "b"), "b (a)");
        assert_eq!(reason_with_code("a", ""), "a");
    }
}
