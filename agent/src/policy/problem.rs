//! What can be wrong with a policy file: the place, the thing, the reason, the next step.

use std::fmt;
use std::path::PathBuf;

use super::source::Position;

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The policy file.
    pub path: PathBuf,
    /// Where in it; none where the file as a whole is meant.
    pub position: Option<Position>,
    /// What is wrong.
    pub fault: Fault,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.path.display())?;
        if let Some(position) = self.position {
            write!(f, "{position}:")?;
        }
        write!(f, " {} [{}]", self.fault, self.fault.code())
    }
}

impl std::error::Error for Problem {}

/// What is wrong, in words; [`Fault::code`] is the same for programs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The file cannot be read.
    #[error("cannot be read: {reason}")]
    Unreadable {
        /// Why.
        reason: String,
    },
    /// The file is no text.
    #[error("is not UTF-8 at byte {at}; save it as UTF-8")]
    NotUtf8 {
        /// The first byte that is not.
        at: usize,
    },
    /// Not TOML, or a value of another type.
    #[error("{message}")]
    Syntax {
        /// The parser's words.
        message: String,
    },
    /// A field that the format does not have.
    #[error("unknown field `{field}`; {next}", next = did_you_mean(nearest.as_deref(), known))]
    UnknownField {
        /// The field.
        field: String,
        /// The known field that is spelt most like it.
        nearest: Option<String>,
        /// All fields that may stand there.
        known: String,
    },
    /// A word that the field does not take.
    #[error("unknown value `{value}`; {next}", next = did_you_mean(nearest.as_deref(), known))]
    UnknownValue {
        /// The word.
        value: String,
        /// The known word that is spelt most like it.
        nearest: Option<String>,
        /// All words that may stand there.
        known: String,
    },
    /// A format of another version.
    #[error(
        "schema {0} is not known, this version reads schema 1; write `schema = 1` or use a newer pullward"
    )]
    Schema(u64),
    /// A policy that denies everything because it says nothing.
    #[error(
        "a policy without rules denies everything; write one [[rule]], or one with `mode = \"deny\"` and \
         `match = [\"**\"]` if that is what you mean"
    )]
    NoRules,
    /// Part of the format that this version does not enforce.
    #[error(
        "this version does not enforce {field}; the field is in the format, remove it until a later version does"
    )]
    NotEnforced {
        /// The field or the value.
        field: &'static str,
    },
    /// A text with characters that it must not have, or of a wrong length.
    #[error("{what} {text:?} {reason}")]
    Text {
        /// What the text is.
        what: &'static str,
        /// The text.
        text: String,
        /// What is wrong with it, and what to write.
        reason: &'static str,
    },
    /// Two things of the same name.
    #[error("{what} `{name}` is defined twice; rename one of them")]
    DuplicateName {
        /// What has the name.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// The same entry twice in one list.
    #[error("`{entry}` is listed twice in {list}; remove one")]
    DuplicateEntry {
        /// The entry.
        entry: String,
        /// The list.
        list: &'static str,
    },
    /// A name that no authority has.
    #[error("no authority is named `{name}`; {next}", next = did_you_mean(nearest.as_deref(), known))]
    UnknownAuthority {
        /// The name.
        name: String,
        /// The authority that is spelt most like it.
        nearest: Option<String>,
        /// All authorities.
        known: String,
    },
    /// An authority with none or several of `key`, `keys`, `keyless`.
    #[error("authority `{name}` has {found}; write exactly one of `key`, `keys`, `keyless`")]
    AuthorityKind {
        /// The authority.
        name: String,
        /// What it has.
        found: &'static str,
    },
    /// A validity beside `keys`.
    #[error(
        "`{field}` beside `keys` says nothing about which key; write it in the key's own entry of `keys`"
    )]
    WindowBesideKeys {
        /// The field.
        field: &'static str,
    },
    /// A list that must not be empty.
    #[error("{list} is empty, which would {meaning}; {next}")]
    EmptyList {
        /// The list.
        list: &'static str,
        /// What a reader could take it for.
        meaning: &'static str,
        /// What to write.
        next: &'static str,
    },
    /// A rule that asks for nobody's signature.
    #[error(
        "rule `{rule}` asks for no signature; write `signed_by = [\"authority\"]`, or `mode = \"allow\"`"
    )]
    NoSigners {
        /// The rule.
        rule: String,
    },
    /// An attestation that nobody would have to sign.
    #[error(
        "the attestation is asked of nobody; write `signed_by = [\"authority\"]`, or `signed_by = [\"image\"]` for what \
         the image's own signature covers"
    )]
    NoAttestors,
    /// `image` in `signed_by` of an attestation, and an authority of that name.
    #[error(
        "`image` means the image's own signature here, and an authority has that name too; rename the authority"
    )]
    ImageIsAnAuthority,
    /// A word that is neither a short name of a predicate type nor a URI.
    #[error("`{name}` is no predicate type; {next}, or write its URI", next = did_you_mean(nearest.as_deref(), known))]
    PredicateType {
        /// The word.
        name: String,
        /// The short name that is spelt most like it.
        nearest: Option<String>,
        /// All short names.
        known: String,
    },
    /// A field about one kind of predicate beside a type of another.
    #[error(
        "`{field}` says nothing about an attestation of type `{found}`; write it in a [[rule.attestation]] of its own, \
         of type {known}"
    )]
    WrongPredicateType {
        /// The field.
        field: &'static str,
        /// The type.
        found: String,
        /// Types that it is about.
        known: &'static str,
    },
    /// A field that has no effect without another.
    #[error("`{field}` alone has no effect; write `{needed}` too, or remove it")]
    FieldAlone {
        /// The field.
        field: &'static str,
        /// What it needs.
        needed: &'static str,
    },
    /// A condition that is not one in CEL.
    #[error("the condition, {place}: {message}", place = place_in(*at))]
    Condition {
        /// What is wrong with it.
        message: String,
        /// Which byte of the expression, where the place in the file does not say.
        at: Option<usize>,
    },
    /// A table of conditions without one.
    #[error("`{field}` asks for nothing; {next}")]
    AsksForNothing {
        /// The table.
        field: &'static str,
        /// What to write.
        next: &'static str,
    },
    /// A requirement in a rule that does not look at requirements.
    #[error("`{field}` has no effect under mode \"{mode}\"; remove it, or use mode \"enforce\"")]
    RequirementWithoutEffect {
        /// The field.
        field: &'static str,
        /// The rule's mode.
        mode: &'static str,
    },
    /// A threshold of zero.
    #[error("`{field}` is 0, which would be met by nothing at all; write 1 or more")]
    ThresholdZero {
        /// The field.
        field: &'static str,
    },
    /// A threshold that can never be met.
    #[error(
        "`{field}` is {asked}, but only {possible} can sign with keys of their own (a key under two names counts \
         once); lower it or name more authorities"
    )]
    ThresholdUnreachable {
        /// The field.
        field: &'static str,
        /// What is asked for.
        asked: u64,
        /// How many distinct ones there can be.
        possible: usize,
    },
    /// A text that is no digest.
    #[error("`{text}` is not a digest; write sha256: and 64 lower-case hex digits")]
    Digest {
        /// The text.
        text: String,
    },
    /// A text that is no pattern.
    #[error("pattern `{pattern}`: {reason}{next}", next = write_instead(suggestion.as_deref()))]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
        /// The spelling that was probably meant.
        suggestion: Option<String>,
    },
    /// A text that is no time.
    #[error("{0}")]
    Time(String),
    /// A text that is no lifetime, or one that is too long.
    #[error("{0}")]
    Lifetime(String),
    /// A validity that ends before it starts.
    #[error("the key is valid until {until}, which is not after {from}; swap them or remove one")]
    WindowEmpty {
        /// Start.
        from: String,
        /// End.
        until: String,
    },
    /// A validity on a retired key.
    #[error(
        "`{field}` on a retired key has no effect: it counts only for digests that the node already admitted; remove it"
    )]
    WindowOnRetired {
        /// The field.
        field: &'static str,
    },
    /// A key file that cannot be read.
    #[error("{file} cannot be read: {reason}; paths are relative to the policy file")]
    KeyFile {
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
    /// A key file without a key that we take.
    #[error("key file {file}: {reason}")]
    Key {
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
    /// A field of keys beside identities.
    #[error("`{field}` has no effect beside `keyless`; remove it")]
    FieldBesideKeyless {
        /// The field.
        field: &'static str,
    },
    /// A trusted root that cannot be used.
    #[error("trusted root {file}: {reason}")]
    TrustedRoot {
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
    /// A serial number that no certificate has.
    #[error(
        "`{serial}` is not a certificate's serial number; write 1 to 40 hex digits, as `openssl x509 -serial` does"
    )]
    Serial {
        /// The text.
        serial: String,
    },
    /// A revocation of nothing, or of several things.
    #[error(
        "a [[revoke]] has {found}; write exactly one of `digest`, `evidence`, `key`, `authority`, `identity`, `serial`"
    )]
    RevocationKind {
        /// What it has.
        found: &'static str,
    },
    /// A field that a revocation of this kind does not carry.
    #[error("`{field}` has no effect on a revoked {what}; {next}")]
    RevocationField {
        /// The field.
        field: &'static str,
        /// What is revoked.
        what: &'static str,
        /// What to do.
        next: &'static str,
    },
    /// More of something than nodes read.
    #[error("{what}: {found}, the bound is {bound}; {next}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many.
        found: usize,
        /// How many there may be.
        bound: usize,
        /// What to do.
        next: &'static str,
    },
}

impl Fault {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "policy-unreadable",
            Self::NotUtf8 { .. } | Self::Syntax { .. } => "policy-syntax",
            Self::UnknownField { .. } => "policy-unknown-field",
            Self::UnknownValue { .. } => "policy-unknown-value",
            Self::Schema(_) => "policy-schema",
            Self::NoRules => "policy-empty",
            Self::NotEnforced { .. } => "policy-not-enforced",
            Self::Text { .. } => "policy-text",
            Self::DuplicateName { .. } | Self::DuplicateEntry { .. } => "policy-duplicate",
            Self::UnknownAuthority { .. } => "policy-unknown-authority",
            Self::AuthorityKind { .. } => "policy-authority",
            Self::WindowBesideKeys { .. } | Self::WindowEmpty { .. } | Self::WindowOnRetired { .. } => {
                "policy-key-window"
            }
            Self::EmptyList { .. } => "policy-empty-list",
            Self::NoSigners { .. } | Self::NoAttestors => "policy-no-signers",
            Self::ImageIsAnAuthority
            | Self::PredicateType { .. }
            | Self::WrongPredicateType { .. }
            | Self::FieldAlone { .. }
            | Self::AsksForNothing { .. } => "policy-attestation",
            Self::Condition { .. } => "policy-condition",
            Self::RequirementWithoutEffect { .. } => "policy-mode",
            Self::ThresholdZero { .. } | Self::ThresholdUnreachable { .. } => "policy-threshold",
            Self::Digest { .. } => "policy-digest",
            Self::Pattern { .. } => "policy-pattern",
            Self::Time(_) | Self::Lifetime(_) => "policy-time",
            Self::KeyFile { .. } => "policy-key-file",
            Self::Key { .. } => "policy-key",
            Self::FieldBesideKeyless { .. } => "policy-authority",
            Self::TrustedRoot { .. } => "policy-trusted-root",
            Self::RevocationKind { .. } | Self::RevocationField { .. } | Self::Serial { .. } => {
                "policy-revocation"
            }
            Self::TooMany { .. } => "policy-bound",
        }
    }

    /// The fault behind a message of the TOML reader.
    ///
    /// serde says `unknown field` and `unknown variant` with the names that are known; the nearest
    /// of these is what an author needs. Every other message stands as it is.
    #[must_use]
    pub fn from_toml(message: &str) -> Self {
        let mut ticked = message.split('`').skip(1).step_by(2);
        let first = ticked.next().unwrap_or_default().to_owned();
        let known: Vec<&str> = ticked.collect();
        let nearest = nearest(&first, known.iter().copied()).map(str::to_owned);
        let listed = known.join(", ");
        if message.starts_with("unknown field `") {
            Self::UnknownField { field: first, nearest, known: listed }
        } else if message.starts_with("unknown variant `") {
            Self::UnknownValue { value: first, nearest, known: listed }
        } else {
            Self::Syntax { message: message.replace('\n', "; ") }
        }
    }
}

fn did_you_mean(nearest: Option<&str>, known: &str) -> String {
    match nearest {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None if known.is_empty() => "there is none to choose from".to_owned(),
        None => format!("known here: {known}"),
    }
}

fn place_in(at: Option<usize>) -> String {
    at.map_or_else(|| "here".to_owned(), |at| format!("{at} bytes in"))
}

fn write_instead(suggestion: Option<&str>) -> String {
    suggestion.map(|suggestion| format!("; write `{suggestion}`")).unwrap_or_default()
}

/// The candidate that is spelt most like `word`, if one is close: a third of the letters may differ.
pub(crate) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let close = |candidate: &&str| distance(word, candidate) <= 1 + word.chars().count().max(2) / 3;
    candidates.filter(close).min_by_key(|candidate| distance(word, candidate))
}

/// Insertions, deletions, replacements and swaps of neighbours between two words.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    let mut previous = None;
    for (row, letter) in one.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, &wanted) in other.iter().enumerate() {
            let at = |line: &[usize], column: usize| line.get(column).copied().unwrap_or(usize::MAX / 2);
            let replaced = at(&last, column) + usize::from(letter != wanted);
            let mut best = replaced.min(at(&last, column + 1) + 1).min(at(&current, column) + 1);
            let swapped = column
                .checked_sub(1)
                .filter(|&left| previous == Some(wanted) && other.get(left) == Some(&letter))
                .map(|left| at(&before_last, left) + 1);
            best = best.min(swapped.unwrap_or(usize::MAX));
            current.push(best);
        }
        previous = Some(letter);
        before_last = std::mem::replace(&mut last, current);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{Fault, distance, nearest};

    #[test]
    fn the_distance_counts_edits_and_swaps() {
        for (one, other, edits) in [
            ("", "", 0),
            ("a", "", 1),
            ("kitten", "sitting", 3),
            ("singed_by", "signed_by", 1),
            ("ab", "ba", 1),
        ] {
            assert_eq!(distance(one, other), edits, "{one} {other}");
        }
    }

    #[test]
    fn only_a_close_word_is_offered() {
        let known = ["name", "match", "signed_by"];
        assert_eq!(nearest("singed_by", known.into_iter()), Some("signed_by"));
        assert_eq!(nearest("vulnerabilities", known.into_iter()), None);
    }

    #[test]
    fn serdes_words_become_a_fault_with_the_nearest_name() {
        assert_eq!(
            Fault::from_toml("unknown field `singed_by`, expected one of `name`, `signed_by`").to_string(),
            "unknown field `singed_by`; did you mean `signed_by`?"
        );
        assert_eq!(
            Fault::from_toml("unknown variant `warn`, expected one of `enforce`, `audit`").to_string(),
            "unknown value `warn`; known here: enforce, audit"
        );
        assert_eq!(Fault::from_toml("a\nb"), Fault::Syntax { message: "a; b".into() });
    }
}
