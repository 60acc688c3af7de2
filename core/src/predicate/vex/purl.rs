//! Package URLs (package-url/purl-spec), cut down to what two of them are compared by.
//!
//! Parts are compared decoded, because tools do not agree on what they encode (`@2.7.1+x` and `@2.7.1%2Bx` are one
//! version), and by hash, because there is nowhere to keep them. What is not a package URL, or one longer than
//! [`limits::PURL_BYTES`], is like no package.

use sha2::{Digest as _, Sha256};

use super::cut;
use crate::json::Text;
use crate::limits;
use crate::oci::Digest;

/// Qualifiers that are compared. Scanners write `arch`, `distro`, `epoch` and at most one more.
const QUALIFIERS: usize = 4;

type Part = [u8; 8];

/// A package, maybe of one version, maybe with qualifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Purl {
    /// Type, namespace and name.
    name: [u8; 16],
    version: Option<[u8; 16]>,
    /// `key=value`, and the subpath as one of them.
    qualifiers: [Option<Part>; QUALIFIERS],
    /// There are more of them than that.
    cut_short: bool,
}

/// What a package URL in a VEX document names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// The image with this digest.
    Image(Digest),
    /// An image, and not by a digest.
    SomeImage,
    /// A package.
    Package(Purl),
}

impl Purl {
    /// Reads a package URL; `None` for anything else.
    pub(super) fn read(text: Text<'_>) -> Option<Self> {
        let mut buffer: heapless::String<{ limits::PURL_BYTES }> = heapless::String::new();
        text.copy_into(&mut buffer).ok()?;
        Parts::split(&buffer).map(|parts| parts.package())
    }

    /// Whether `found` is one of those that this one stands for.
    pub(super) fn covers(&self, found: &Self) -> bool {
        let version = self.version.is_none() || self.version == found.version;
        let mut wanted = self.qualifiers.iter().flatten();
        let has = |part: &Part| found.qualifiers.iter().flatten().any(|other| other == part);
        // A qualifier that was not read might have excluded it.
        self.name == found.name && version && !self.cut_short && wanted.all(has)
    }

    /// Whether both may stand for one package.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let one_version = match (&self.version, &other.version) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        self.name == other.name && one_version
    }
}

impl Named {
    /// Reads a package URL; `None` for anything else.
    pub(super) fn read(text: Text<'_>) -> Option<Self> {
        let mut buffer: heapless::String<{ limits::PURL_BYTES }> = heapless::String::new();
        text.copy_into(&mut buffer).ok()?;
        let parts = Parts::split(&buffer)?;
        // purl-spec: an `oci` package's version is its digest, written with an encoded colon. `docker` is what went
        // before it.
        if !parts.name.starts_with("oci/") && !parts.name.starts_with("docker/") {
            return Some(Self::Package(parts.package()));
        }
        let hex = parts.version.and_then(|version| {
            let rest = version.strip_prefix("sha256")?;
            rest.strip_prefix("%3A").or_else(|| rest.strip_prefix("%3a")).or_else(|| rest.strip_prefix(':'))
        });
        Some(hex.and_then(|hex| Digest::from_hex(hex).ok()).map_or(Self::SomeImage, Self::Image))
    }
}

/// A package URL taken apart, nothing decoded.
struct Parts<'t> {
    name: &'t str,
    version: Option<&'t str>,
    qualifiers: &'t str,
    subpath: &'t str,
}

impl<'t> Parts<'t> {
    fn split(text: &'t str) -> Option<Self> {
        let rest = text.strip_prefix("pkg:")?.trim_start_matches('/');
        let (rest, subpath) = rest.split_once('#').unwrap_or((rest, ""));
        let (rest, qualifiers) = rest.split_once('?').unwrap_or((rest, ""));
        // A namespace may have an `@` that nobody encoded, as in `pkg:npm/@angular/core`.
        let last = rest.rfind('/')?;
        let (name, version) = match rest.rfind('@').filter(|at| *at > last) {
            Some(at) => {
                (rest.get(..at)?, rest.get(at.checked_add(1)?..).filter(|version| !version.is_empty()))
            }
            None => (rest, None),
        };
        let (kind, path) = name.split_once('/')?;
        if kind.is_empty() || path.is_empty() || path.ends_with('/') {
            return None;
        }
        Some(Self { name, version, qualifiers, subpath: subpath.trim_matches('/') })
    }

    fn package(&self) -> Purl {
        let mut qualifiers = [None; QUALIFIERS];
        let pairs = self
            .qualifiers
            .split('&')
            .filter(|pair| pair.split_once('=').is_some_and(|(_, value)| !value.is_empty()));
        let subpath = Some(self.subpath).filter(|subpath| !subpath.is_empty());
        let mut all = pairs.map(|pair| part(b"?", pair)).chain(subpath.map(|subpath| part(b"#", subpath)));
        for slot in &mut qualifiers {
            *slot = all.next();
        }
        let cut_short = all.next().is_some();
        Purl {
            name: part(b"", self.name),
            version: self.version.map(|version| part(b"", version)),
            qualifiers,
            cut_short,
        }
    }
}

/// The hash of a decoded part. What an encoded slash or control character stands for is left as it is: decoded it would
/// be another part.
fn part<const N: usize>(kind: &[u8], text: &str) -> [u8; N] {
    let mut hash = Sha256::new();
    hash.update(kind);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        hash.update(before.as_bytes());
        match decode(after).filter(|byte| !matches!(byte, b'/' | 0..=0x1f | 0x7f)) {
            Some(byte) => {
                hash.update([byte]);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                hash.update(b"%");
                rest = after;
            }
        }
    }
    hash.update(rest.as_bytes());
    cut(hash)
}

fn decode(digits: &str) -> Option<u8> {
    let pair = digits.get(..2)?;
    // from_str_radix would take a sign.
    if !pair.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u8::from_str_radix(pair, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::{Named, Purl};
    use crate::json::parse;
    use crate::oci::Digest;

    extern crate std;
    use std::format;

    fn purl(text: &str) -> Option<Purl> {
        Purl::read(parse(format!("\"{text}\"").as_bytes()).unwrap().string().unwrap())
    }

    fn named(text: &str) -> Option<Named> {
        Named::read(parse(format!("\"{text}\"").as_bytes()).unwrap().string().unwrap())
    }

    fn covers(wide: &str, narrow: &str) -> bool {
        purl(wide).unwrap().covers(&purl(narrow).unwrap())
    }

    #[test]
    fn the_general_covers_the_specific() {
        for (wide, narrow) in [
            ("pkg:apk/alpine/libssl3@3.0.8-r3", "pkg:apk/alpine/libssl3@3.0.8-r3"),
            (
                "pkg:apk/alpine/libssl3@3.0.8-r3",
                "pkg:apk/alpine/libssl3@3.0.8-r3?arch=x86_64\\u0026distro=3.18",
            ),
            ("pkg:apk/alpine/libssl3?arch=x86_64", "pkg:apk/alpine/libssl3@3?distro=3.18&arch=x86_64"),
            ("pkg:apk/alpine/libssl3", "pkg:apk/alpine/libssl3@3.0.8-r3"),
            ("pkg:golang/a/b@v2.7.1%2Bx", "pkg:golang/a/b@v2.7.1+x"),
            ("pkg:npm/%40angular/core@1", "pkg:npm/@angular/core@1"),
            ("pkg:npm/@angular/core", "pkg:npm/%40angular/core@1"),
            ("pkg:golang/a/b@1", "pkg:golang/a/b@1#http2"),
            ("pkg://npm/x@1", "pkg:npm/x@1"),
        ] {
            assert!(covers(wide, narrow), "{wide} {narrow}");
        }
    }

    #[test]
    fn another_package_version_or_qualifier_is_not_covered() {
        for (wide, narrow) in [
            ("pkg:apk/alpine/libssl3@3.0.8-r3", "pkg:apk/alpine/libssl3@3.0.8-r4"),
            ("pkg:apk/alpine/libssl3@3.0.8-r3", "pkg:apk/alpine/libssl3"),
            ("pkg:apk/alpine/libssl3@3", "pkg:apk/wolfi/libssl3@3"),
            ("pkg:apk/alpine/libssl3@3", "pkg:deb/alpine/libssl3@3"),
            ("pkg:apk/alpine/libssl3", "pkg:apk/alpine/libssl33"),
            ("pkg:apk/alpine/libssl3?arch=x86_64", "pkg:apk/alpine/libssl3?arch=aarch64"),
            ("pkg:apk/alpine/libssl3?arch=x86_64", "pkg:apk/alpine/libssl3"),
            ("pkg:golang/a/b@1#http2", "pkg:golang/a/b@1"),
            ("pkg:golang/a/b#c=d", "pkg:golang/a/b?c=d"),
            ("pkg:npm/a%2Fb@1", "pkg:npm/a/b@1"),
            ("pkg:npm/a%00b@1", "pkg:npm/ab@1"),
            ("pkg:deb/a?a=1&b=1&c=1&d=1&e=1", "pkg:deb/a?a=1&b=1&c=1&d=1&e=1"),
        ] {
            assert!(!covers(wide, narrow), "{wide} {narrow}");
        }
    }

    #[test]
    fn what_is_no_package_url_is_no_package() {
        let long = format!("pkg:npm/{}", "x".repeat(1024));
        for text in [
            "",
            "pkg:",
            "pkg:npm",
            "pkg:npm/",
            "pkg:/x",
            "npm/x",
            "PKG:npm/x",
            "https://example.com/x",
            "pkg:npm/x/",
            "x pkg:npm/x",
            &long,
        ] {
            assert_eq!(purl(text), None, "{text}");
            assert_eq!(named(text), None, "{text}");
        }
    }

    #[test]
    fn an_image_is_named_by_its_digest_alone() {
        let digest = Digest::of(b"image");
        let hex = digest.hex();
        for text in [
            format!("pkg:oci/alpine@sha256%3A{hex}"),
            format!("pkg:oci/alpine@sha256%3a{hex}?repository_url=example.com/alpine"),
            format!("pkg:oci/alpine@sha256:{hex}"),
            format!("pkg:docker/library/alpine@sha256:{hex}"),
        ] {
            assert_eq!(named(&text), Some(Named::Image(digest)), "{text}");
        }
        for text in [
            "pkg:oci/alpine".into(),
            "pkg:oci/alpine@3.18".into(),
            format!("pkg:oci/alpine@sha512%3A{hex}"),
            format!("pkg:oci/alpine@sha256%3A{}", hex.to_uppercase()),
            format!("pkg:oci/alpine@{hex}"),
            format!("pkg:oci/alpine?tag=sha256%3A{hex}"),
        ] {
            assert_eq!(named(&text), Some(Named::SomeImage), "{text}");
        }
        assert!(matches!(named(&format!("pkg:ocix/alpine@sha256%3A{hex}")), Some(Named::Package(_))));
    }

    #[test]
    fn two_that_may_be_one_package_overlap() {
        let overlap = |one: &str, other: &str| purl(one).unwrap().overlaps(&purl(other).unwrap());
        assert!(overlap("pkg:deb/a@1", "pkg:deb/a"));
        assert!(overlap("pkg:deb/a", "pkg:deb/a@1"));
        assert!(overlap("pkg:deb/a@1?arch=x", "pkg:deb/a@1?arch=y"));
        assert!(!overlap("pkg:deb/a@1", "pkg:deb/a@2"));
        assert!(!overlap("pkg:deb/a@1", "pkg:deb/b@1"));
    }
}
