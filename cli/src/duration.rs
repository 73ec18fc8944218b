//! Times as people write them on a command line.

use std::time::Duration;

/// A time such as `500ms`, `10s`, `5min` or `1h`; a bare number is seconds.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| said_wrong(text))?;
    let ms = match unit.trim() {
        "ms" => Some(number),
        "" | "s" => number.checked_mul(1_000),
        "m" | "min" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        "d" => number.checked_mul(86_400_000),
        _ => None,
    };
    ms.map(Duration::from_millis).ok_or_else(|| said_wrong(text))
}

fn said_wrong(text: &str) -> String {
    format!("{text} is no time; write it like 500ms, 10s, 5min, 1h or 7d")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_units() {
        assert_eq!(seconds("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(seconds("10"), Ok(Duration::from_secs(10)));
        assert_eq!(seconds("5min"), Ok(Duration::from_secs(300)));
        assert!(seconds("ten").is_err() && seconds("3 weeks").is_err() && seconds("").is_err());
        assert!(seconds("99999999999999999999h").is_err() && seconds("18446744073709551615h").is_err());
    }
}
