//! Predicate types by the short names that cosign has for them: the one table of them.

use pullward_core::predicate::{CUSTOM, packages, provenance, vex, vulnerability};

/// A short name and the URIs that it stands for. Where several names mean one URI, the first is what is shown.
///
/// The names and what they stand for are those of `cosign attest --type`, but for `slsaprovenance`: cosign writes v0.2
/// under it, and who asks for "provenance" without a version means whichever version there is.
const ALIASES: &[(&str, &[&str])] = &[
    ("custom", &[CUSTOM]),
    ("link", &["https://in-toto.io/Link/v1"]),
    ("vuln", &["https://cosign.sigstore.dev/attestation/vuln/v1"]),
    ("openvex", &["https://openvex.dev/ns"]),
    ("spdx", &["https://spdx.dev/Document"]),
    ("spdxjson", &["https://spdx.dev/Document"]),
    ("cyclonedx", &["https://cyclonedx.org/bom"]),
    ("slsaprovenance02", &["https://slsa.dev/provenance/v0.2"]),
    ("slsaprovenance1", &["https://slsa.dev/provenance/v1"]),
    ("slsaprovenance", &["https://slsa.dev/provenance/v0.2", "https://slsa.dev/provenance/v1"]),
];

/// The URIs that a name stands for; a URI stands for itself. `None` for a word that is neither.
#[must_use]
pub fn uris(name: &str) -> Option<Vec<&str>> {
    if let Some((_, uris)) = ALIASES.iter().find(|(alias, _)| *alias == name) {
        return Some(uris.to_vec());
    }
    // RFC 3986 section 3.1: a scheme of letters, digits and `+-.`, then a colon and something behind it.
    let (scheme, rest) = name.split_once(':')?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    (is_scheme && !rest.is_empty()).then(|| vec![name])
}

/// Every short name, in the order of the table.
pub fn aliases() -> impl Iterator<Item = &'static str> {
    ALIASES.iter().map(|(alias, _)| *alias)
}

/// The short name of a predicate type, or the URI where there is none.
#[must_use]
pub fn short(uri: &str) -> &str {
    ALIASES.iter().find(|(_, uris)| *uris == [uri]).map_or(uri, |(alias, _)| *alias)
}

/// What pullward can ask of a predicate beyond that it exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A vulnerability report.
    Vulnerabilities,
    /// Provenance.
    Provenance,
    /// A list of packages.
    Packages,
    /// Statements about vulnerabilities.
    Vex,
    /// Any other: its content is for conditions in CEL.
    Other,
}

/// What a predicate type is about.
pub(crate) fn kind(uri: &str) -> Kind {
    if vulnerability::TYPES.contains(&uri) {
        Kind::Vulnerabilities
    } else if provenance::TYPES.contains(&uri) {
        Kind::Provenance
    } else if packages::TYPES.contains(&uri) {
        Kind::Packages
    } else if vex::TYPES.contains(&uri) {
        Kind::Vex
    } else {
        Kind::Other
    }
}

#[cfg(test)]
mod tests {
    use super::{ALIASES, Kind, kind, short, uris};

    #[test]
    fn a_name_stands_for_what_cosign_writes_under_it() {
        for (name, expected) in [
            ("custom", "https://cosign.sigstore.dev/attestation/v1"),
            ("link", "https://in-toto.io/Link/v1"),
            ("vuln", "https://cosign.sigstore.dev/attestation/vuln/v1"),
            ("openvex", "https://openvex.dev/ns"),
            ("spdx", "https://spdx.dev/Document"),
            ("spdxjson", "https://spdx.dev/Document"),
            ("cyclonedx", "https://cyclonedx.org/bom"),
            ("slsaprovenance02", "https://slsa.dev/provenance/v0.2"),
            ("slsaprovenance1", "https://slsa.dev/provenance/v1"),
            ("https://acme.example/review/v1", "https://acme.example/review/v1"),
            ("urn:acme:review", "urn:acme:review"),
        ] {
            assert_eq!(uris(name), Some(vec![expected]), "{name}");
        }
        assert_eq!(uris("slsaprovenance").map(|uris| uris.len()), Some(2));
    }

    #[test]
    fn a_word_that_is_neither_a_name_nor_a_uri_stands_for_nothing() {
        for name in ["", "vulns", "VULN", "vuln ", ":", "a:", ":a", "1a:b", "a b:c", "spdx/json"] {
            assert_eq!(uris(name), None, "{name}");
        }
    }

    #[test]
    fn a_uri_is_shown_by_the_name_that_means_it_alone() {
        for (uri, name) in [
            ("https://spdx.dev/Document", "spdx"),
            ("https://slsa.dev/provenance/v0.2", "slsaprovenance02"),
            ("https://slsa.dev/provenance/v1", "slsaprovenance1"),
            ("https://acme.example/review/v1", "https://acme.example/review/v1"),
        ] {
            assert_eq!(short(uri), name);
        }
    }

    #[test]
    fn every_name_but_custom_and_link_is_of_a_kind_whose_content_is_read() {
        for (alias, uris) in ALIASES {
            for uri in *uris {
                let other = matches!(*alias, "custom" | "link");
                assert_eq!(kind(uri) == Kind::Other, other, "{alias}");
            }
        }
    }
}
