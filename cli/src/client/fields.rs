//! Reading and writing the values of answers: texts, moments and lengths of time, for people.

use serde_json::Value;

const SECOND_MS: i64 = 1000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// A field as text: nothing for null, the words of a text, anything else as JSON.
pub(super) fn text(value: &Value, field: &str) -> String {
    match &value[field] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The items of a list.
pub(super) fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value["items"].as_array().into_iter().flatten()
}

/// The texts of an array field.
pub(super) fn texts<'v>(value: &'v Value, field: &str) -> impl Iterator<Item = &'v str> {
    value[field].as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// A field that is a moment, in UTC.
pub(super) fn moment(value: &Value, field: &str) -> String {
    value[field].as_i64().map_or_else(String::new, utc)
}

/// A field in microseconds.
pub(super) fn micros(value: &Value, field: &str) -> String {
    match value[field].as_u64() {
        None | Some(0) => String::new(),
        Some(us @ ..1000) => format!("{us} us"),
        Some(us @ 1000..1_000_000) => format!("{}.{} ms", us / 1000, us % 1000 / 100),
        Some(us) => format!("{}.{} s", us / 1_000_000, us % 1_000_000 / 100_000),
    }
}

/// A length of time in its two largest units.
pub(super) fn length(ms: i64) -> String {
    match ms.max(0) {
        ms @ ..SECOND_MS => format!("{ms} ms"),
        ms @ ..MINUTE_MS => format!("{}.{} s", ms / SECOND_MS, ms % SECOND_MS / 100),
        ms @ ..HOUR_MS => format!("{} min {} s", ms / MINUTE_MS, ms % MINUTE_MS / SECOND_MS),
        ms @ ..DAY_MS => format!("{} h {} min", ms / HOUR_MS, ms % HOUR_MS / MINUTE_MS),
        ms => format!("{} d {} h", ms / DAY_MS, ms % DAY_MS / HOUR_MS),
    }
}

/// An interval in seconds, in its largest whole unit.
pub(super) fn interval(value: &Value, field: &str) -> String {
    match value[field].as_u64() {
        None => String::new(),
        Some(seconds) if seconds % 3600 == 0 => format!("{} h", seconds / 3600),
        Some(seconds) if seconds % 60 == 0 => format!("{} min", seconds / 60),
        Some(seconds) => format!("{seconds} s"),
    }
}

/// A moment in Unix milliseconds as UTC, to the second.
pub(super) fn utc(ms: i64) -> String {
    let (year, month, day) = civil(ms.div_euclid(DAY_MS));
    let of_day = ms.rem_euclid(DAY_MS);
    let (hour, minute, second) = (of_day / HOUR_MS, of_day % HOUR_MS / MINUTE_MS, of_day % MINUTE_MS / SECOND_MS);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}Z")
}

/// The date of a day since 1970-01-01, in the proleptic Gregorian calendar (Hinnant, "chrono-compatible
/// low-level date algorithms", `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let since_march_0 = days + 719_468;
    let era = since_march_0.div_euclid(146_097);
    let day_of_era = since_march_0.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn moments_are_dates_in_utc() {
        for (ms, shown) in [
            (0, "1970-01-01 00:00:00Z"),
            (951_782_400_000, "2000-02-29 00:00:00Z"),
            (1_700_000_000_999, "2023-11-14 22:13:20Z"),
            (4_107_542_399_000, "2100-02-28 23:59:59Z"),
            (4_107_542_400_000, "2100-03-01 00:00:00Z"),
        ] {
            assert_eq!(utc(ms), shown);
        }
    }

    #[test]
    fn lengths_are_in_units_that_fit() {
        let lengths = [0, 999, 1_250, 61_000, 3_660_000, 90_000_000].map(length);
        assert_eq!(lengths, ["0 ms", "999 ms", "1.2 s", "1 min 1 s", "1 h 1 min", "1 d 1 h"]);
        let micros = |us: u64| micros(&json!({"a": us}), "a");
        assert_eq!([micros(0), micros(999), micros(1_250), micros(2_100_000)], ["", "999 us", "1.2 ms", "2.1 s"]);
    }

    #[test]
    fn fields_are_texts() {
        let value = json!({"a": null, "b": "x", "c": 5, "d": ["x", "y"], "e": 300});
        assert_eq!([text(&value, "a"), text(&value, "b"), text(&value, "c"), text(&value, "z")], ["", "x", "5", ""]);
        assert_eq!(texts(&value, "d").collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!(interval(&value, "e"), "5 min");
    }
}
