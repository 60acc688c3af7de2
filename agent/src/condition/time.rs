//! Times and lengths of time in conditions, to the nanosecond.

use pullward_core::time::UnixTime;

/// A point in time: nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Timestamp(i128);

/// A length of time in nanoseconds, some 292 years at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Duration(i64);

const SECOND: i64 = 1_000_000_000;

/// The last second of the year 9999: CEL's timestamps end there.
const LAST: i128 = 253_402_300_799;

impl Timestamp {
    /// Of whole seconds.
    pub(super) fn of(time: UnixTime) -> Self {
        Self(i128::from(time.0) * i128::from(SECOND))
    }

    /// Reads RFC 3339 with a zone; `None` for anything else, for times before 1970 and days that do not exist.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let whole = Self::of(UnixTime::parse_rfc3339(text)?);
        let fraction = text.get(19..)?.strip_prefix('.').unwrap_or_default();
        let digits = fraction.bytes().take_while(u8::is_ascii_digit);
        // What is finer than a nanosecond is dropped.
        let (nanoseconds, _) = digits.take(9).fold((0, i128::from(SECOND) / 10), |(sum, place), digit| {
            (sum + place * i128::from(digit - b'0'), place / 10)
        });
        Some(Self(whole.0 + nanoseconds))
    }

    /// Seconds since 1970.
    pub(super) fn seconds(self) -> Option<i64> {
        i64::try_from(self.0.div_euclid(i128::from(SECOND))).ok()
    }

    /// Later by a length of time; `None` outside 1970 to 9999.
    pub(super) fn after(self, duration: Duration) -> Option<Self> {
        let sum = self.0.checked_add(i128::from(duration.0))?;
        (0..(LAST + 1) * i128::from(SECOND)).contains(&sum).then_some(Self(sum))
    }

    /// From another one to this one.
    pub(super) fn since(self, other: Self) -> Option<Duration> {
        i64::try_from(self.0.checked_sub(other.0)?).ok().map(Duration)
    }
}

impl Duration {
    /// Reads numbers and units as CEL and Go write them: `1h30m`, `1.5s`, `-2m`. Units are h, m, s, ms, us, ns.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (negative, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if rest == "0" {
            return Some(Self(0));
        }
        if rest.is_empty() {
            return None;
        }
        let mut total = 0_i128;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
            let (number, unit) = rest.split_at(digits);
            let length = unit.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(unit.len());
            let (unit, after) = unit.split_at(length);
            total = total.checked_add(nanoseconds(number, unit)?)?;
            rest = after;
        }
        i64::try_from(if negative { -total } else { total }).ok().map(Self)
    }

    /// The other way round.
    pub(super) fn negated(self) -> Option<Self> {
        self.0.checked_neg().map(Self)
    }

    /// Both together.
    pub(super) fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// Whole seconds, the rest dropped.
    pub(super) fn seconds(self) -> i64 {
        self.0 / SECOND
    }
}

fn nanoseconds(number: &str, unit: &str) -> Option<i128> {
    let scale = i128::from(match unit {
        "h" => 3600 * SECOND,
        "m" => 60 * SECOND,
        "s" => SECOND,
        "ms" => 1_000_000,
        "us" | "\u{b5}s" | "\u{3bc}s" => 1000,
        "ns" => 1,
        _ => return None,
    });
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let digits =
        |text: &str| if text.is_empty() { Some(0) } else { text.parse::<u64>().ok().map(i128::from) };
    // 18 digits are finer than a nanosecond in every unit.
    let fraction = fraction.get(..18).unwrap_or(fraction);
    let places = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let part = digits(fraction)?.checked_mul(scale)?.checked_div(places)?;
    digits(whole)?.checked_mul(scale)?.checked_add(part)
}

#[cfg(test)]
mod tests {
    use super::{Duration, Timestamp};

    #[test]
    fn lengths_of_time_are_numbers_and_units() {
        for (text, nanoseconds) in [
            ("0", 0),
            ("1s", 1_000_000_000),
            ("1h30m", 5_400_000_000_000),
            ("-2m", -120_000_000_000),
            ("1.5s", 1_500_000_000),
            ("720h", 2_592_000_000_000_000),
            ("1ms2us3ns", 1_002_003),
            (".5s", 500_000_000),
        ] {
            assert_eq!(Duration::parse(text), Some(Duration(nanoseconds)), "{text}");
        }
        for text in [
            "",
            "-",
            "1",
            "s",
            "1d",
            "1 s",
            "1.2.3s",
            ".s",
            "1s1",
            "9999999h",
            "1e3s",
            "99999999999999999999s",
        ] {
            assert_eq!(Duration::parse(text), None, "{text}");
        }
    }

    #[test]
    fn times_keep_their_fraction() {
        let time = |text: &str| Timestamp::parse(text);
        assert_eq!(time("1970-01-01T00:00:01.5Z"), Some(Timestamp(1_500_000_000)));
        assert_eq!(time("1970-01-01T00:00:01.1234567891Z"), Some(Timestamp(1_123_456_789)));
        assert_eq!(time("1970-01-01T02:00:01+02:00"), Some(Timestamp(1_000_000_000)));
        for text in ["", "1970-01-01", "1970-01-01T00:00:01", "1969-12-31T23:59:59Z", "2026-02-30T00:00:00Z"]
        {
            assert_eq!(time(text), None, "{text}");
        }
    }
}
