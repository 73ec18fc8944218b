//! Days as registries write them, to the day: nothing here is worth an hour.
//!
//! Of a day whose digits could mean two, the day is taken to stand before the month, as it does where dots or slashes
//! divide them.

const DAY_MS: u64 = 86_400_000;
const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// A day, counted from the first of January 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub i64);

impl Day {
    /// The day of this moment.
    pub fn of(unix_ms: u64) -> Self {
        Self((unix_ms / DAY_MS) as i64)
    }

    /// Reads one at the front of a text: `2027-08-13T04:00:00Z`, `2027/08/13`, `20270813`, `13-Aug-2027`, `13.08.2027`,
    /// `August 13 2027`, `Fri Aug 13 2027`.
    pub fn read(text: &str) -> Option<Self> {
        let words: Vec<&str> = text
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty())
            // The name of the day of the week says nothing more.
            .skip_while(|word| word.len() == 3 && WEEKDAYS.contains(&word.to_ascii_lowercase().as_str()))
            .take(3)
            .collect();
        let first = *words.first()?;
        // The time of day may be glued to the day of the month: 13T04.
        let digits = |word: &str| word.bytes().take_while(u8::is_ascii_digit).count();
        if digits(first) == 8 {
            return Self::new(first.get(..4)?, first.get(4..6)?, first.get(6..8)?);
        }
        let &[first, second, third] = words.as_slice() else { return None };
        match digits(first) {
            4 if first.len() == 4 => Self::new(first, second, &third[..digits(third)]),
            1 | 2 if digits(third) == 4 => Self::new(&third[..4], second, first),
            0 if digits(third) == 4 => Self::new(&third[..4], first, &second[..digits(second)]),
            _ => None,
        }
    }

    fn new(year: &str, month: &str, day: &str) -> Option<Self> {
        let (year, day): (i64, i64) = (year.parse().ok()?, day.parse().ok()?);
        let month = month.parse().ok().or_else(|| month_named(month))?;
        let is_good = (1970..10_000).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
        is_good.then(|| Self(days_before(year, month) + day - 1))
    }

    /// As `2027-08-13`.
    pub fn shown(self) -> String {
        let mut year = 1970 + self.0 / 366;
        while days_before(year + 1, 1) <= self.0 {
            year += 1;
        }
        let month = (1..=12).rev().find(|month| days_before(year, *month) <= self.0).unwrap_or(1);
        format!("{year:04}-{month:02}-{:02}", self.0 - days_before(year, month) + 1)
    }
}

const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

fn month_named(word: &str) -> Option<i64> {
    let begin = word.get(..3)?.to_ascii_lowercase();
    MONTHS.iter().position(|month| *month == begin).map(|at| at as i64 + 1)
}

/// The days from 1970 to the first of this month.
fn days_before(year: i64, month: i64) -> i64 {
    const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let past = year - 1;
    let leaps = past / 4 - past / 100 + past / 400 - (1969 / 4 - 1969 / 100 + 1969 / 400);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let this = i64::from(is_leap && month > 2);
    (year - 1970) * 365 + leaps + BEFORE[(month - 1) as usize] + this
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_as_registries_write_them() {
        for text in [
            "2027-08-13T04:00:00Z",
            "2027-08-13T04:00:00.000+02:00",
            "2027-08-13 04:00:00",
            "2027-08-13",
            "2027/08/13",
            "2027.08.13 04:00:00",
            "2027. 08. 13.",
            "20270813",
            "20270813 #26153",
            "13-Aug-2027",
            "13-aug-2027 04:00:00 UTC",
            "13.08.2027",
            "13/08/2027",
            "13.8.2027 04:00:00",
            "August 13 2027",
            "Fri Aug 13 2027",
            "2027-Aug-13.",
        ] {
            assert_eq!(Day::read(text).map(Day::shown).as_deref(), Some("2027-08-13"), "{text}");
        }
        for text in ["", "never", "2027", "2027-13-01", "2027-08-32", "0000-01-01", "1-2-3", "2027-08", "99999999", "ä"]
        {
            assert_eq!(Day::read(text), None, "{text}");
        }
    }

    #[test]
    fn days_are_counted_from_1970() {
        for (text, day) in [("1970-01-01", 0), ("2000-02-29", 11_016), ("2000-03-01", 11_017), ("2027-01-18", 20_836)] {
            assert_eq!((Day::read(text), Day(day).shown().as_str()), (Some(Day(day)), text));
        }
        assert_eq!(Day::of(1_800_230_400_000), Day(20_836));
        for day in 0..200_000 {
            assert_eq!(Day::read(&Day(day).shown()), Some(Day(day)));
        }
    }
}
