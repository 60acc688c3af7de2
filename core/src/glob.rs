//! Globs over names that are no image references: identities, builders, sources, versions.
//!
//! `*` is any number of characters but `/`, `**` any number of characters, and nothing else means anything but
//! itself. The whole name must match, case counts. There is no other metacharacter, so an operator who forgets to
//! escape a dot has not admitted a stranger (T-46).
//!
//! The name is a [`Text`], compared without being unescaped into a buffer first.

use crate::json::Text;

/// Whether the whole of `text` is what `glob` stands for.
///
/// The time it takes is bounded by the product of the two lengths: each star is given up for good when a later one
/// of the same reach matches.
#[must_use]
pub fn matches(glob: &str, text: Text<'_>) -> bool {
    matches_chars(glob, text.chars(), |glob, text| glob == text)
}

/// The same for a name that is not out of a JSON text.
#[must_use]
pub fn matches_str(glob: &str, text: &str) -> bool {
    matches_chars(glob, text.chars(), |glob, text| glob == text)
}

/// The same where the case of ASCII letters does not count.
#[must_use]
pub fn matches_any_case(glob: &str, text: &str) -> bool {
    matches_chars(glob, text.chars(), |glob, text| glob.eq_ignore_ascii_case(&text))
}

/// Where a star stands: what follows it in the glob, and the text that it has not swallowed yet.
struct Star<'g, I> {
    rest: &'g str,
    text: I,
}

fn matches_chars<I: Iterator<Item = char> + Clone>(
    mut glob: &str,
    mut text: I,
    same: impl Fn(char, char) -> bool,
) -> bool {
    // The last `**` and, behind it, the last `*`. A later `**` makes both before it moot: what it can swallow
    // includes whatever they could.
    let mut wide: Option<Star<'_, I>> = None;
    let mut narrow: Option<Star<'_, I>> = None;
    loop {
        if let Some(rest) = glob.strip_prefix("**") {
            wide = Some(Star { rest, text: text.clone() });
            narrow = None;
            glob = rest;
            continue;
        }
        if let Some(rest) = glob.strip_prefix('*') {
            narrow = Some(Star { rest, text: text.clone() });
            glob = rest;
            continue;
        }
        let mut wanted = glob.chars();
        let mut found = text.clone();
        match (wanted.next(), found.next()) {
            (None, None) => return true,
            (Some(wanted_char), Some(found_char)) if same(wanted_char, found_char) => {
                glob = wanted.as_str();
                text = found;
                continue;
            }
            _ => {}
        }
        // One character more for the nearest star that may take it.
        if let Some(star) = &mut narrow {
            if star.text.next().is_some_and(|c| c != '/') {
                glob = star.rest;
                text = star.text.clone();
                continue;
            }
            narrow = None;
        }
        let Some(star) = &mut wide else { return false };
        if star.text.next().is_none() {
            return false;
        }
        glob = star.rest;
        text = star.text.clone();
    }
}

#[cfg(test)]
mod tests {
    use super::{matches_any_case, matches_str};

    #[test]
    fn one_star_stays_within_a_segment_and_two_do_not() {
        for (glob, yes, no) in [
            ("https://github.com/acme/*", "https://github.com/acme/app", "https://github.com/acme/app/x"),
            ("https://github.com/acme/**", "https://github.com/acme/app/x", "https://github.com/acm/app"),
            ("*@acme.example", "me@acme.example", "me@acme.example.evil"),
            ("a*b*c", "axxbyyc", "axxbyy/c"),
            ("a**b*c", "a/x/b/y/bzzc", "a/x/b/y/b/c"),
            ("**/release.yml@refs/tags/*", "x/y/release.yml@refs/tags/v1", "x/y/release.yml@refs/tags/v1/2"),
            ("*", "", "/"),
            ("**", "a/b", "-never-"),
            ("a.c", "a.c", "abc"),
            ("[ab]", "[ab]", "a"),
            ("a?", "a?", "ab"),
        ] {
            assert!(matches_str(glob, yes), "{glob} {yes}");
            if no != "-never-" {
                assert!(!matches_str(glob, no), "{glob} {no}");
            }
        }
        assert!(!matches_str("", "a"));
        assert!(!matches_str("A", "a"));
        assert!(!matches_str("a*", "ba"));
        assert!(matches_str("***a", "xya"));
    }

    #[test]
    fn case_counts_unless_asked_otherwise() {
        assert!(matches_any_case("AGPL-3.0*", "agpl-3.0-only"));
        assert!(matches_any_case("agpl-*-ONLY", "AGPL-3.0-only"));
        assert!(!matches_any_case("AGPL-3.0*", "AGPL/3.0"));
        assert!(!matches_any_case("\u{130}", "i"));
        assert!(!matches_str("AGPL", "agpl"));
    }

    #[test]
    fn a_glob_of_many_stars_takes_polynomial_time() {
        let text: std::string::String = core::iter::repeat_n('a', 2000).collect();
        assert!(!matches_str("*a*a*a*a*a*a*a*a*a*b", &text));
        assert!(!matches_str("**a**a**a**a**a**a**b", &text));
    }

    extern crate std;
}
