//! Times and lifetimes as our own documents spell them.
//!
//! A time is `YYYY-MM-DDTHH:MM:SSZ` and nothing else: one spelling per instant keeps a trust
//! bundle reproducible byte for byte. A lifetime is a whole number and one unit, as in `90d`.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use pullward_core::time::UnixTime;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A time in our own documents: whole seconds, UTC, from 1970 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(UnixTime);

/// The last second that four digits of a year can say: 9999-12-31T23:59:59Z.
const LAST: u64 = 253_402_300_799;
const DAY: u64 = 86_400;

impl Time {
    /// The wall clock of this machine, to the second. A clock before 1970 reads as 1970.
    #[must_use]
    pub fn now() -> Self {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self(UnixTime(seconds.min(LAST)))
    }

    /// A time from seconds since 1970; none past the year 9999.
    #[must_use]
    pub fn from_seconds(seconds: u64) -> Option<Self> {
        (seconds <= LAST).then_some(Self(UnixTime(seconds)))
    }

    /// The same for the core.
    #[must_use]
    pub fn unix(self) -> UnixTime {
        self.0
    }

    /// Reads `YYYY-MM-DDTHH:MM:SSZ` (RFC 3339, UTC, whole seconds, upper case).
    ///
    /// # Errors
    /// [`TimeError`] for every other spelling, for days that do not exist and for leap seconds.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        UnixTime::parse(text).map(Self).ok_or_else(|| TimeError(text.to_owned()))
    }

    /// This time and `lifetime` on top; none past the year 9999.
    #[must_use]
    pub fn after(self, lifetime: Lifetime) -> Option<Self> {
        self.0.0.checked_add(lifetime.seconds()).and_then(Self::from_seconds)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

/// A text that is no time of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time as YYYY-MM-DDTHH:MM:SSZ (UTC, whole seconds)")]
pub struct TimeError(String);

/// How long something lasts, in whole seconds; never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lifetime(u64);

impl Lifetime {
    /// Reads a whole number and one unit: `s`, `m`, `h`, `d` or `w`.
    ///
    /// # Errors
    /// [`LifetimeError`] for every other spelling, for zero and for what does not fit.
    pub fn parse(text: &str) -> Result<Self, LifetimeError> {
        match seconds_of(text) {
            Some(seconds) if seconds > 0 => Ok(Self(seconds)),
            _ => Err(LifetimeError(text.to_owned())),
        }
    }

    /// A lifetime of so many seconds; none for zero.
    #[must_use]
    pub fn from_seconds(seconds: u64) -> Option<Self> {
        (seconds > 0).then_some(Self(seconds))
    }

    /// In seconds.
    #[must_use]
    pub fn seconds(self) -> u64 {
        self.0
    }
}

/// The seconds that a whole number and one unit (`s`, `m`, `h`, `d` or `w`) say: the one spelling of lengths of time on
/// command lines and in configurations. None for every other text, and for what does not fit.
#[must_use]
pub fn seconds_of(text: &str) -> Option<u64> {
    let unit = match text.chars().next_back()? {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => DAY,
        'w' => 7 * DAY,
        _ => return None,
    };
    let digits = text.get(..text.len() - 1)?;
    // `parse` alone would take a sign.
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

/// A text that is no lifetime.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a lifetime: write a whole number above zero and one of s, m, h, d, w, as in 90d")]
pub struct LifetimeError(String);

#[cfg(test)]
mod tests {
    use super::{Lifetime, LifetimeError, Time, TimeError};

    #[test]
    fn other_spellings_of_a_time_are_refused_and_named() {
        assert_eq!(Time::parse("2026-11-24"), Err(TimeError("2026-11-24".to_owned())));
        assert!(serde_json::from_str::<Time>("\"2026-11-24T13:00:00+01:00\"").is_err());
        assert_eq!(
            serde_json::to_string(&Time::parse("2026-11-24T13:00:00Z").unwrap()).unwrap(),
            "\"2026-11-24T13:00:00Z\""
        );
    }

    #[test]
    fn nothing_is_later_than_the_year_9999() {
        let last = Time::parse("9999-12-31T23:59:59Z").unwrap();
        assert_eq!(last.after(Lifetime::parse("1s").unwrap()), None);
        assert_eq!(Time::from_seconds(super::LAST), Some(last));
        assert_eq!(Time::from_seconds(super::LAST + 1), None);
    }

    #[test]
    fn lifetimes_are_a_number_and_a_unit() {
        for (text, seconds) in
            [("90d", 7_776_000), ("12h", 43_200), ("5m", 300), ("1s", 1), ("2w", 1_209_600)]
        {
            assert_eq!(Lifetime::parse(text).map(Lifetime::seconds), Ok(seconds));
        }
        for text in
            ["", "d", "0d", "-1d", "+1d", "1", "1y", "1.5d", "1d12h", "99999999999999999999d", " 1d", "1٣d"]
        {
            assert_eq!(Lifetime::parse(text), Err(LifetimeError(text.to_owned())));
        }
    }
}
