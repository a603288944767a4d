//! Dates and times as people type them.

use super::address::{Refusal, refuse};
use crate::text;

/// Reads `2026-11-23`, `2026-11-23 12:00` or `2026-11-23T12:00:30Z`, in UTC; returns seconds since 1970.
pub(super) fn parse(text: &str) -> Result<u64, Refusal> {
    read(text).map_or_else(
        || {
            refuse(text!(
                "{value} is not a date such as 2026-11-23, or 2026-11-23 12:00",
                value = super::shorten(text, 40)
            ))
        },
        Ok,
    )
}

fn read(text: &str) -> Option<u64> {
    let text = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, Some(time.trim())),
        None => (text, None),
    };
    let [year, month, day] = numbers(date, ['-', '/', '.'].as_slice())?;
    let [hour, minute, second] = match time {
        None => [0; 3],
        Some(time) if time.matches(':').count() == 1 => numbers(&format!("{time}:0"), &[':'])?,
        Some(time) => numbers(time, &[':'])?,
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_in_month = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    let possible = (1970..=2200).contains(&year) && (1..=days_in_month).contains(&day);
    if !possible || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Days since 1970-01-01 in the Gregorian calendar, counting years from March so that a leap day ends one.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

fn numbers(text: &str, separators: &[char]) -> Option<[u64; 3]> {
    let numbers: Vec<u64> = text
        .split(separators)
        .map(|part| (part.len() <= 4).then(|| part.parse().ok())?)
        .collect::<Option<_>>()?;
    numbers.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        for (text, want) in [
            ("1970-01-01", Some(0)),
            ("2000-02-29", Some(951_782_400)),
            ("2026-11-29 23:59:59", Some(1_795_996_799)),
            ("2100-03-01T00:00Z", Some(4_107_542_400)),
            ("2026/11/29 23:59:59 UTC", Some(1_795_996_799)),
            ("2023-02-29", None),
            ("29.11.2026", None),
            ("2026-11-29 24:00", None),
            ("2026-11", None),
            ("", None),
            ("99999999999-1-1", None),
        ] {
            assert_eq!(read(text), want, "{text}");
        }
    }
}
