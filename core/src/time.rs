//! Time as an argument: seconds since 1970-01-01T00:00:00Z, and the one spelling of it in our documents.

use core::fmt;

/// Seconds since the Unix epoch. Leap seconds do not exist here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(pub u64);

impl UnixTime {
    /// Reads `YYYY-MM-DDTHH:MM:SSZ`, the one form that our documents use (RFC 3339, UTC, whole seconds).
    ///
    /// Returns `None` for any other form, for dates that do not exist and for years before 1970.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', n1, n2, b':', s1, s2, b'Z'] =
            text.as_bytes()
        else {
            return None;
        };
        let year = number(&[y1, y2, y3, y4])?;
        let (month, day) = (number(&[m1, m2])?, number(&[d1, d2])?);
        let (hour, minute, second) = (number(&[h1, h2])?, number(&[n1, n2])?, number(&[s1, s2])?);
        if year < 1970
            || day < 1
            || day > days_in_month(year, month)?
            || hour > 23
            || minute > 59
            || second > 59
        {
            return None;
        }
        let days = days_before_year(year)?.checked_add(days_before_month(year, month)?)?.checked_add(day)?;
        let seconds = days.checked_sub(1)?.checked_mul(DAY)?;
        Some(Self(
            seconds
                .checked_add(hour.checked_mul(3600)?)?
                .checked_add(minute.checked_mul(60)?)?
                .checked_add(second)?,
        ))
    }
}

impl UnixTime {
    /// Reads a time as others write it (RFC 3339 section 5.6): any zone, any fraction of a second, which is dropped.
    ///
    /// Returns `None` for a time without a zone, for dates that do not exist, for leap seconds and for times before
    /// the epoch.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let (local, rest) = text.split_at_checked(19)?;
        let mut whole: heapless::String<20> = heapless::String::new();
        for (place, c) in local.char_indices() {
            // RFC 3339 allows a lower-case `t`.
            whole.push(if place == 10 && c == 't' { 'T' } else { c }).ok()?;
        }
        whole.push('Z').ok()?;
        let local = Self::parse(&whole)?;
        let zone = match rest.strip_prefix('.') {
            Some(fraction) => {
                let zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
                if zone.len() == fraction.len() {
                    return None;
                }
                zone
            }
            None => rest,
        };
        match zone.as_bytes() {
            b"Z" | b"z" => Some(local),
            &[sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
                let (hours, minutes) = (number(&[h1, h2])?, number(&[m1, m2])?);
                if hours > 23 || minutes > 59 {
                    return None;
                }
                let offset = hours.checked_mul(3600)?.checked_add(minutes.checked_mul(60)?)?;
                // East of Greenwich clocks are ahead.
                let utc =
                    if sign == b'+' { local.0.checked_sub(offset) } else { local.0.checked_add(offset) };
                utc.map(Self)
            }
            _ => None,
        }
    }
}

impl fmt::Display for UnixTime {
    /// The same form; years beyond 9999 print with all their digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.0.wrapping_div(DAY);
        let second = self.0.wrapping_rem(DAY);
        // 400 Gregorian years have 146,097 days: the estimate is at most a year too low, so start one above.
        let mut year = 1971_u64.saturating_add(days.saturating_mul(400).wrapping_div(146_097));
        while days_before_year(year).is_none_or(|before| before > days) && year > 1970 {
            year = year.saturating_sub(1);
        }
        let mut day = days.saturating_sub(days_before_year(year).ok_or(fmt::Error)?);
        let mut month = 1;
        while let Some(length) = days_in_month(year, month).filter(|length| day >= *length) {
            day = day.saturating_sub(length);
            month = month.saturating_add(1);
        }
        let (hour, minute) = (second.wrapping_div(3600), second.wrapping_div(60).wrapping_rem(60));
        let day = day.saturating_add(1);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}Z", second.wrapping_rem(60))
    }
}

/// A span of time with both of its ends in it.
///
/// There is no form without a start: a window that does not say when it begins is refused where it is read (T-32).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// First second.
    pub start: UnixTime,
    /// Last second; `None` where it has not ended.
    pub end: Option<UnixTime>,
}

impl Window {
    /// Whether a time is in it.
    #[must_use]
    pub fn contains(&self, time: UnixTime) -> bool {
        self.start <= time && self.end.is_none_or(|end| time <= end)
    }
}

const DAY: u64 = 86_400;

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |value, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// Days from the epoch to the first of January of `year`.
fn days_before_year(year: u64) -> Option<u64> {
    let whole = year.checked_sub(1970)?.checked_mul(365)?;
    let last = year.checked_sub(1)?;
    let leaps =
        (last.wrapping_div(4)).checked_sub(last.wrapping_div(100))?.checked_add(last.wrapping_div(400))?;
    // 477 leap days lie before 1970.
    whole.checked_add(leaps.checked_sub(477)?)
}

fn days_before_month(year: u64, month: u64) -> Option<u64> {
    (1..month).try_fold(0_u64, |sum, earlier| sum.checked_add(days_in_month(year, earlier)?))
}

fn days_in_month(year: u64, month: u64) -> Option<u64> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 => Some(if leap { 29 } else { 28 }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_of_others_need_a_zone_and_may_have_a_fraction() {
        let read = UnixTime::parse_rfc3339;
        let noon = UnixTime::parse("2026-11-24T12:00:00Z");
        for text in [
            "2026-11-24T12:00:00Z",
            "2026-11-24T12:00:00.123456789Z",
            "2026-11-24t14:00:00.5+02:00",
            "2026-11-24T06:30:00-05:30",
            "2026-11-24T12:00:00z",
        ] {
            assert_eq!(read(text), noon, "{text}");
        }
        for text in [
            "2026-11-24T12:00:00",
            "2026-11-24T12:00:00.Z",
            "2026-11-24T12:00:00.5",
            "2026-11-24 12:00:00Z",
            "2026-11-24T12:00:00+2:00",
            "2026-11-24T12:00:00+24:00",
            "2026-02-30T12:00:00Z",
            "2026-11-24T12:00:60Z",
            "1970-01-01T00:00:00+01:00",
            "2026-11-24",
            "",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    use super::{UnixTime, Window};

    extern crate std;
    use std::string::ToString;

    #[test]
    fn known_instants_read_and_print_the_same() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1972-02-29T23:59:59Z", 68_255_999),
            ("2000-02-29T12:00:00Z", 951_825_600),
            ("2026-11-24T13:00:00Z", 1_795_525_200),
            ("2038-01-19T03:14:08Z", 2_147_483_648),
            ("2100-03-01T00:00:00Z", 4_107_542_400),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
        ] {
            assert_eq!(UnixTime::parse(text), Some(UnixTime(seconds)), "{text}");
            assert_eq!(UnixTime(seconds).to_string(), text);
        }
    }

    #[test]
    fn every_day_of_four_centuries_survives_the_round_trip() {
        for day in 0..146_097_u64 {
            let time = UnixTime(day * 86_400 + 86_399);
            assert_eq!(UnixTime::parse(&time.to_string()), Some(time));
        }
    }

    #[test]
    fn other_spellings_and_days_that_do_not_exist_are_refused() {
        for text in [
            "",
            "2026-11-24",
            "2026-11-24T13:00:00",
            "2026-11-24T13:00:00+00:00",
            "2026-11-24t13:00:00z",
            "2026-11-24 13:00:00Z",
            "2026-11-24T13:00:00.0Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-12-31T23:59:60Z",
            "1969-12-31T23:59:59Z",
            "+026-01-01T00:00:00Z",
            "２026-01-01T00:00:00Z",
        ] {
            assert_eq!(UnixTime::parse(text), None, "{text}");
        }
    }

    #[test]
    fn both_ends_of_a_window_are_in_it() {
        let window = Window { start: UnixTime(10), end: Some(UnixTime(20)) };
        let inside = |time| window.contains(UnixTime(time));
        assert_eq!([9, 10, 20, 21].map(inside), [false, true, true, false]);
        let open = Window { end: None, ..window };
        assert!(open.contains(UnixTime(u64::MAX)) && !open.contains(UnixTime(9)));
    }

    #[test]
    fn the_largest_value_prints() {
        assert!(UnixTime(u64::MAX).to_string().ends_with('Z'));
    }
}
