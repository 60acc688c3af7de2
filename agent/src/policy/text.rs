//! Which characters our own documents may hold where people choose the text.
//!
//! None of these texts needs an escape in JSON, none can steer a terminal or a log (T-98), and an
//! audience is also safe as a file name.

use pullward_core::limits;
use pullward_core::predicate::provenance;

use super::problem::Fault;

/// What a text is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    /// The name of a rule or an authority.
    Name,
    /// The name of a group of nodes.
    Audience,
    /// The name of a file beside the policy.
    FileName,
    /// A pattern over pod namespaces.
    Namespace,
    /// A sentence for people.
    Words,
    /// A predicate type or its short name.
    PredicateType,
    /// A vulnerability's identifier.
    Vulnerability,
    /// A glob over what an attestation says.
    Glob,
    /// A glob over source repositories.
    Source,
    /// A glob over identities.
    Identity,
}

/// Checks a text.
pub(super) fn check(kind: Text, text: &str) -> Result<(), Fault> {
    let (what, longest, reason) = match kind {
        Text::Name => (
            "the name",
            limits::NAME_BYTES,
            "must be 1 to 128 printable ASCII characters, no \" and no \\, no blank at an end",
        ),
        Text::Audience => (
            "the audience",
            limits::NAME_BYTES,
            "must be 1 to 128 of a-z, 0-9, '-', '.', '_' and begin with a letter or a digit",
        ),
        Text::FileName => (
            "the file name",
            limits::FILE_NAME_BYTES,
            "must be 1 to 1024 printable characters without \" and \\; rename the file",
        ),
        Text::Namespace => (
            "the namespace",
            limits::NAMESPACE_BYTES,
            "must be 1 to 63 of a-z, 0-9, '-', and '*' or '?' as wildcards",
        ),
        Text::Words => (
            "the text",
            limits::WORDS_BYTES,
            "must be 1 to 256 bytes of printable characters without \" and \\",
        ),
        Text::PredicateType => (
            "the predicate type",
            limits::PREDICATE_TYPE_BYTES,
            "must be 1 to 512 printable ASCII characters without \" and \\",
        ),
        Text::Vulnerability => (
            "the vulnerability",
            limits::VULNERABILITY_ID_BYTES,
            "must be 1 to 128 printable ASCII characters without \" and \\, as in CVE-2024-0002",
        ),
        Text::Glob => (
            "the glob",
            limits::GLOB_BYTES,
            "must be 1 to 1024 bytes of printable characters without \" and \\",
        ),
        Text::Identity => (
            "the identity",
            limits::IDENTITY_BYTES,
            "must be 1 to 1024 bytes of printable characters without \" and \\",
        ),
        Text::Source => (
            "the source",
            limits::GLOB_BYTES,
            "must be a glob over https://host/path, without user, reference and query, as in https://github.com/acme/*",
        ),
    };
    let fits = !text.is_empty() && text.len() <= longest;
    let right = match kind {
        Text::Name | Text::PredicateType | Text::Vulnerability => {
            text.chars().all(|c| c.is_ascii() && is_plain(c)) && text.trim() == text
        }
        Text::Audience => is_audience(text),
        Text::FileName | Text::Words | Text::Glob | Text::Identity => text.chars().all(is_plain),
        Text::Source => text.chars().all(is_plain) && provenance::is_source(text),
        Text::Namespace => text.bytes().all(|byte| is_label(byte) || matches!(byte, b'*' | b'?')),
    };
    if fits && right { Ok(()) } else { Err(Fault::Text { what, text: text.to_owned(), reason }) }
}

/// Whether a text can name an audience: it becomes part of file names, so it has no separators and no leading dot.
#[must_use]
pub fn is_audience(text: &str) -> bool {
    text.len() <= limits::NAME_BYTES
        && text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        && text.bytes().all(|byte| is_label(byte) || matches!(byte, b'.' | b'_'))
}

fn is_label(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}

fn is_plain(c: char) -> bool {
    // Beyond ASCII letters and digits only: direction marks, joiners and line separators are neither.
    if c.is_ascii() { !c.is_ascii_control() && c != '"' && c != '\\' } else { c.is_alphanumeric() }
}

#[cfg(test)]
mod tests {
    use super::{Text, check};

    #[test]
    fn plain_texts_pass() {
        for (kind, text) in [
            (Text::Name, "my app (prod)"),
            (Text::Audience, "edge-1.site_a"),
            (Text::FileName, "keys/../schlüssel.pub"),
            (Text::Namespace, "team-*"),
            (Text::Words, "ask the café's security team, ext. 12"),
        ] {
            assert_eq!(check(kind, text), Ok(()), "{text}");
        }
    }

    #[test]
    fn escapes_controls_and_odd_lengths_are_refused() {
        let long = "a".repeat(2000);
        for (kind, text) in [
            (Text::Name, ""),
            (Text::Name, " a"),
            (Text::Name, "a\"b"),
            (Text::Name, "a\\b"),
            (Text::Name, "schlüssel"),
            (Text::Name, long.as_str()),
            (Text::Audience, ""),
            (Text::Audience, "../up"),
            (Text::Audience, ".hidden"),
            (Text::Audience, "Upper"),
            (Text::Audience, "a/b"),
            (Text::FileName, "a\nb"),
            (Text::FileName, long.as_str()),
            (Text::Namespace, "a.b"),
            (Text::Namespace, "a/b"),
            (Text::Namespace, ""),
            (Text::Words, "a\u{1b}[31m"),
            (Text::Words, "a\u{202e}b"),
            (Text::Words, ""),
            (Text::Words, long.as_str()),
        ] {
            assert!(check(kind, text).is_err(), "{kind:?} {text:?}");
        }
    }
}
