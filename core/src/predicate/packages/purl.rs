//! Package URLs (ECMA-427): the part that names a package, in one spelling, and its version.
//!
//! Letters are compared without their case, percent-encoding decoded: several types (pypi, github, npm of old) say that
//! case does not count, tools differ in what they encode, and a list of what is denied is better read widely. For pypi
//! an underscore is a hyphen, as that type says.
//!
//! Qualifiers (`?…`) and the subpath (`#…`) are left out.
//!
//! VEX has a reader of its own, because it errs to the other side: what is denied is compared widely, and what excuses a
//! finding narrowly.

use crate::json::Text;
use crate::limits;

/// What a text is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// The package URL of a package: it has a type and a name.
    Package,
    /// A pattern, in which a glob may stand for both.
    Pattern,
}

/// A package URL in lower case, decoded.
#[derive(Debug)]
pub(super) struct Purl {
    /// `pkg:type/namespace/name`, then the version.
    bytes: heapless::Vec<u8, { limits::PURL_BYTES }>,
    /// Where the part after the type begins.
    path: usize,
    /// Where the name begins.
    name: usize,
    /// Where the version begins.
    version: usize,
}

impl Purl {
    /// Reads one. `None` for what is none, or is longer than [`limits::PURL_BYTES`].
    pub(super) fn read(text: Text<'_>, written: Written) -> Option<Self> {
        let marks = Marks::of(text)?;
        let mut purl = Self { bytes: heapless::Vec::new(), path: 0, name: 0, version: 0 };
        purl.bytes.extend_from_slice(SCHEME.as_bytes()).ok()?;
        let mut chars = text.chars().take(marks.end).enumerate().skip(marks.start);
        let mut versioned = false;
        while let Some((place, c)) = chars.next() {
            if Some(place) == marks.version {
                purl.end_path()?;
                versioned = true;
            } else if c == '%' {
                let (_, high) = chars.next()?;
                let (_, low) = chars.next()?;
                let byte = high.to_digit(16)?.checked_shl(4)? | low.to_digit(16)?;
                purl.push(u8::try_from(byte).ok()?)?;
            } else if c == '/' && !versioned {
                purl.next_segment()?;
            } else {
                let mut utf8 = [0; 4];
                for byte in c.encode_utf8(&mut utf8).bytes() {
                    purl.push(byte)?;
                }
            }
        }
        if !versioned {
            purl.end_path()?;
        }
        core::str::from_utf8(&purl.bytes).ok()?;
        if purl.full_name().starts_with("pkg:pypi/") {
            let name = purl.bytes.get_mut(purl.path..purl.version)?;
            name.iter_mut().filter(|byte| **byte == b'_').for_each(|byte| *byte = b'-');
        }
        let named = purl.path > SCHEME.len().saturating_add(1) && !purl.name().is_empty();
        (named || written == Written::Pattern).then_some(purl)
    }

    fn push(&mut self, byte: u8) -> Option<()> {
        self.bytes.push(byte.to_ascii_lowercase()).ok()
    }

    /// Ends a segment; an empty one is none.
    fn next_segment(&mut self) -> Option<()> {
        if self.bytes.last() != Some(&b'/') {
            self.push(b'/')?;
            self.name = self.bytes.len();
            if self.path == 0 {
                self.path = self.bytes.len();
            }
        }
        Some(())
    }

    /// Ends the path; slashes at its end are none.
    fn end_path(&mut self) -> Option<()> {
        if self.bytes.last() == Some(&b'/') && self.bytes.len() > self.path {
            self.bytes.pop();
            let before = self.bytes.get(self.path..)?;
            let slash = before.iter().rposition(|byte| *byte == b'/');
            self.name = slash.map_or(self.path, |slash| self.path.saturating_add(slash).saturating_add(1));
        }
        self.version = self.bytes.len();
        Some(())
    }

    fn part(&self, from: usize, to: usize) -> &str {
        self.bytes.get(from..to).and_then(|bytes| core::str::from_utf8(bytes).ok()).unwrap_or_default()
    }

    /// `pkg:type/namespace/name`.
    pub(super) fn full_name(&self) -> &str {
        self.part(0, self.version)
    }

    /// `namespace/name`, or the name alone where there is no namespace.
    pub(super) fn path(&self) -> &str {
        self.part(self.path, self.version)
    }

    /// The name alone.
    pub(super) fn name(&self) -> &str {
        self.part(self.name, self.version)
    }

    /// The version; `None` where there is none.
    pub(super) fn version(&self) -> Option<&str> {
        Some(self.part(self.version, self.bytes.len())).filter(|version| !version.is_empty())
    }
}

const SCHEME: &str = "pkg:";

/// Places in a package URL, counted in characters.
struct Marks {
    /// Of the type.
    start: usize,
    /// Of the `@` before the version.
    version: Option<usize>,
    /// Of what follows the version.
    end: usize,
}

impl Marks {
    fn of(text: Text<'_>) -> Option<Self> {
        let mut chars = text.chars();
        for wanted in SCHEME.chars() {
            if !chars.next()?.eq_ignore_ascii_case(&wanted) {
                return None;
            }
        }
        // `pkg://type/…` is the same.
        let slashes = chars.clone().take_while(|c| *c == '/').count();
        let start = SCHEME.len().saturating_add(slashes);
        let (mut end, mut version, mut segment, mut segments) = (SCHEME.len(), None, start, 0_usize);
        for (place, c) in (SCHEME.len()..).zip(chars) {
            end = place.saturating_add(1);
            match c {
                '?' | '#' => {
                    end = place;
                    break;
                }
                // A slash behind the `@` is the version's, encoded or not.
                '/' if place >= start && version.is_none() => {
                    if place > segment {
                        segments = segments.saturating_add(1);
                    }
                    segment = place.saturating_add(1);
                }
                // At the head of a segment it is a scope (`@angular/core`), unless type and name are complete. The last
                // one counts.
                '@' if place > segment || segments > 1 => version = Some(place),
                _ => {}
            }
        }
        Some(Self { start, version, end })
    }
}

#[cfg(test)]
mod tests {
    use super::{Purl, Written};
    use crate::json::parse;

    extern crate std;
    use std::format;
    use std::string::{String, ToString};

    fn read(purl: &str, written: Written) -> Option<(String, String, Option<String>)> {
        let json = format!("\"{purl}\"");
        let purl = Purl::read(parse(json.as_bytes()).unwrap().string().unwrap(), written)?;
        assert!(purl.full_name().ends_with(purl.path()) && purl.path().ends_with(purl.name()));
        Some((purl.full_name().to_string(), purl.name().to_string(), purl.version().map(ToString::to_string)))
    }

    #[test]
    fn one_package_has_one_name_however_it_is_written() {
        for (text, full, name, version) in [
            ("pkg:npm/event-stream@3.3.6", "pkg:npm/event-stream", "event-stream", Some("3.3.6")),
            ("PKG:NPM/event-stream", "pkg:npm/event-stream", "event-stream", None),
            ("pkg://npm/event-stream@3.3.6", "pkg:npm/event-stream", "event-stream", Some("3.3.6")),
            ("pkg:npm//event-stream/@3.3.6", "pkg:npm/event-stream", "event-stream", Some("3.3.6")),
            ("pkg:npm/event-stream/", "pkg:npm/event-stream", "event-stream", None),
            ("pkg:npm/event-stream@", "pkg:npm/event-stream", "event-stream", None),
            ("pkg:npm/event%2Dstream@3%2e3.6", "pkg:npm/event-stream", "event-stream", Some("3.3.6")),
            (
                "pkg:npm/%40angular/core@16.0.0?x=y@z/w#sub/p@th",
                "pkg:npm/@angular/core",
                "core",
                Some("16.0.0"),
            ),
            ("pkg:npm/@angular/core", "pkg:npm/@angular/core", "core", None),
            ("pkg:npm/@angular/core@16", "pkg:npm/@angular/core", "core", Some("16")),
            (r"pkg:npm\/@angular\u002fcore\u00401", "pkg:npm/@angular/core", "core", Some("1")),
            ("pkg:deb/debian/openssl@1%3A3.0?arch=amd64", "pkg:deb/debian/openssl", "openssl", Some("1:3.0")),
            ("pkg:oci/app@sha256:ab?repository_url=x/y", "pkg:oci/app", "app", Some("sha256:ab")),
            ("pkg:golang/github.com/A/b@v1.0.0#cmd/x", "pkg:golang/github.com/a/b", "b", Some("v1.0.0")),
            (
                "pkg:pypi/Typing_Extensions@4_1",
                "pkg:pypi/typing-extensions",
                "typing-extensions",
                Some("4_1"),
            ),
            ("pkg:npm/a_b", "pkg:npm/a_b", "a_b", None),
            ("pkg:generic/caf%C3%A9", "pkg:generic/caf\u{e9}", "caf\u{e9}", None),
            ("pkg:npm/event-stream@3.3.6/x", "pkg:npm/event-stream", "event-stream", Some("3.3.6/x")),
            ("pkg:npm/a@b@1", "pkg:npm/a@b", "a@b", Some("1")),
        ] {
            let expected = Some((full.to_string(), name.to_string(), version.map(ToString::to_string)));
            assert_eq!(read(text, Written::Package), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_package_url_is_not_read() {
        let long = format!("pkg:npm/{}", "x".repeat(1100));
        for text in [
            "",
            "pkg:",
            "pkg:/",
            "pkg:npm",
            "pkg:npm/",
            "pkg:npm/?a=b",
            "pkg:/name",
            "pkg:invalid",
            "npm/event-stream",
            "purl:npm/event-stream",
            "pkg:npm/%zz",
            "pkg:npm/a%4",
            "pkg:npm/a%",
            "pkg:npm/%ff",
            "pkg:npm/%+4a",
            "cpe:2.3:a:x:y",
            &long,
        ] {
            assert_eq!(read(text, Written::Package), None, "{text}");
        }
    }

    #[test]
    fn a_pattern_may_leave_the_type_and_the_name_to_a_glob() {
        for (text, full, version) in [
            ("pkg:**", "pkg:**", None),
            ("pkg:**@1.0", "pkg:**", Some("1.0")),
            ("pkg:npm/*@*", "pkg:npm/*", Some("*")),
            ("pkg:npm/%40angular/*@1.*?ignored=1", "pkg:npm/@angular/*", Some("1.*")),
            ("pkg:npm/@angular/*", "pkg:npm/@angular/*", None),
        ] {
            let found = read(text, Written::Pattern).unwrap();
            assert_eq!((found.0.as_str(), found.2.as_deref()), (full, version), "{text}");
        }
        assert_eq!(read("npm/x", Written::Pattern), None);
        assert_eq!(read("*", Written::Pattern), None);
    }
}
