//! Patterns over identities: what a policy writes for the issuer and the subject of a certificate.
//!
//! The whole identity is matched, case-sensitively (T-68). `*` is any number of characters but `/`, `**` is any number of
//! characters; there is no other metacharacter, no escape and no alternative. Both may stand anywhere, so
//! `https://github.com/acme/*/.github/workflows/release.yml@refs/tags/**` says what it looks like.
//!
//! The wildcards are those of [`glob`](mod@crate::glob); this says which texts may be patterns.

use core::fmt;

use crate::{glob, limits};

/// A pattern that has been read. It borrows the policy's text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IdentityPattern<'a> {
    text: &'a str,
}

/// Why a text is not a pattern for identities.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IdentityPatternError {
    /// There is nothing.
    Empty,
    /// Longer than [`IDENTITY_BYTES`](limits::IDENTITY_BYTES).
    TooLong,
    /// Stars only: any identity is no identity (T-70).
    Anybody,
    /// Three or more stars in a row.
    Stars,
    /// A control character, which no identity has.
    Control,
}

impl<'a> IdentityPattern<'a> {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`IdentityPatternError`].
    pub fn parse(text: &'a str) -> Result<Self, IdentityPatternError> {
        if text.is_empty() {
            return Err(IdentityPatternError::Empty);
        }
        if text.len() > limits::IDENTITY_BYTES {
            return Err(IdentityPatternError::TooLong);
        }
        if text.bytes().all(|byte| byte == b'*') {
            return Err(IdentityPatternError::Anybody);
        }
        if text.contains("***") {
            return Err(IdentityPatternError::Stars);
        }
        if text.chars().any(char::is_control) {
            return Err(IdentityPatternError::Control);
        }
        Ok(Self { text })
    }

    /// Whether it is the whole of an identity.
    #[must_use]
    pub fn matches(&self, identity: &str) -> bool {
        glob::matches_str(self.text, identity)
    }
}

impl fmt::Display for IdentityPatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the identity is empty; name whom to trust",
            Self::TooLong => "the identity is longer than any in a certificate",
            Self::Anybody => "the identity is stars only, which is anybody; name whom to trust",
            Self::Stars => "*** is not a wildcard; write * for characters without /, ** for any characters",
            Self::Control => "the identity has a control character, which no certificate's has",
        })
    }
}

impl core::error::Error for IdentityPatternError {}

#[cfg(test)]
mod tests {
    use super::{IdentityPattern, IdentityPatternError};

    extern crate std;

    fn matches(pattern: &str, identity: &str) -> bool {
        IdentityPattern::parse(pattern).unwrap().matches(identity)
    }

    #[test]
    fn t68_the_whole_identity_is_matched() {
        let exact = "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main";
        assert!(matches(exact, exact));
        for near in [
            "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main2",
            "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/mai",
            "xhttps://github.com/acme/app/.github/workflows/release.yml@refs/heads/main",
            "https://github.com/Acme/app/.github/workflows/release.yml@refs/heads/main",
            "https://github.com/acme/app/.github/workflows/releaseXyml@refs/heads/main",
            "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main\n",
            "",
        ] {
            assert!(!matches(exact, near), "{near}");
        }
    }

    #[test]
    fn one_star_stays_between_slashes_and_two_do_not() {
        for (pattern, identity, expected) in [
            (
                "https://github.com/acme/*/w.yml@refs/tags/*",
                "https://github.com/acme/app/w.yml@refs/tags/v1",
                true,
            ),
            (
                "https://github.com/acme/*/w.yml@refs/tags/*",
                "https://github.com/acme//w.yml@refs/tags/",
                true,
            ),
            (
                "https://github.com/acme/*/w.yml@refs/tags/*",
                "https://github.com/acme/a/b/w.yml@refs/tags/v1",
                false,
            ),
            (
                "https://github.com/acme/*/w.yml@refs/tags/*",
                "https://github.com/acme/app/w.yml@refs/tags/v/1",
                false,
            ),
            ("https://github.com/acme/**", "https://github.com/acme/", true),
            ("https://github.com/acme/**", "https://github.com/acme/a/b/c@d", true),
            ("https://github.com/acme/**", "https://github.com/acme-evil/a", false),
            ("https://github.com/acme/**", "https://github.com/acme", false),
            (
                "https://github.com/acme/**@refs/tags/*",
                "https://github.com/acme/a/w@refs/heads/x@refs/tags/v",
                true,
            ),
            (
                "https://github.com/acme/*/w@refs/tags/*",
                "https://github.com/acme/a/w@refs/heads/x@refs/tags/v",
                false,
            ),
            ("*@example.com", "a@example.com", true),
            ("*@example.com", "a@b@example.com", true),
            ("*@example.com", "a/b@example.com", false),
            ("*@example.com", "a@example.com.evil", false),
            ("a**b*c", "axx/bxbyc", true),
            ("a**b*c", "axx/bx/byc", true),
            ("a**b*c", "a/bx/c", false),
            ("*a*a", "aa", true),
            ("*a*a", "a", false),
            ("**/a", "/a", true),
            ("**/a", "a", false),
            ("?", "a", false),
            ("?", "?", true),
            ("[a]*", "[a]b", true),
            ("\\*", "\\b", true),
        ] {
            assert_eq!(matches(pattern, identity), expected, "{pattern} {identity}");
        }
    }

    #[test]
    fn t66_matching_agrees_with_every_way_of_reading_the_stars() {
        // The same by definition: what follows a star is tried at every place that it may reach.
        fn slow(pattern: &[u8], text: &[u8]) -> bool {
            match pattern {
                [] => text.is_empty(),
                [b'*', b'*', rest @ ..] => (0..=text.len()).any(|at| slow(rest, &text[at..])),
                [b'*', rest @ ..] => {
                    let reach = text.iter().position(|byte| *byte == b'/').unwrap_or(text.len());
                    (0..=reach).any(|at| slow(rest, &text[at..]))
                }
                [wanted, rest @ ..] => text.first() == Some(wanted) && slow(rest, &text[1..]),
            }
        }
        let words = |alphabet: &[char], longest: u32| {
            let mut all = std::vec![std::string::String::new()];
            let mut from = 0;
            for _ in 0..longest {
                let to = all.len();
                for at in from..to {
                    for letter in alphabet {
                        all.push(std::format!("{}{letter}", all[at]));
                    }
                }
                from = to;
            }
            all
        };
        let texts = words(&['a', '/'], 6);
        let mut compared = 0;
        for pattern in words(&['a', '/', '*'], 5) {
            let Ok(parsed) = IdentityPattern::parse(&pattern) else { continue };
            for text in &texts {
                assert_eq!(
                    parsed.matches(text),
                    slow(pattern.as_bytes(), text.as_bytes()),
                    "{pattern} {text}"
                );
                compared += 1;
            }
        }
        assert!(compared > 30_000);
    }

    #[test]
    fn t66_a_pattern_of_stars_costs_no_more_than_its_length() {
        let pattern = "*a".repeat(500);
        let identity = "a".repeat(1023) + "b";
        let start = std::time::Instant::now();
        assert!(!matches(&pattern, &identity));
        assert!(start.elapsed().as_millis() < 1000);
    }

    #[test]
    fn t70_a_pattern_for_anybody_is_refused() {
        for (text, error) in [
            ("", IdentityPatternError::Empty),
            ("*", IdentityPatternError::Anybody),
            ("**", IdentityPatternError::Anybody),
            ("****", IdentityPatternError::Anybody),
            ("a***b", IdentityPatternError::Stars),
            ("a\nb", IdentityPatternError::Control),
        ] {
            assert_eq!(IdentityPattern::parse(text), Err(error), "{text:?}");
        }
        assert_eq!(IdentityPattern::parse(&"a".repeat(1025)), Err(IdentityPatternError::TooLong));
    }
}
