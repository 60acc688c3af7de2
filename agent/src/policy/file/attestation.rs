//! `[[rule.attestation]]` as TOML says it.

use std::fmt;
use std::ops::Range;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::TimeText;
use crate::trust::requirement::{AgeAt, Materials};

/// A list of texts, each with its place.
pub(in crate::policy) type Texts = Spanned<Vec<Spanned<String>>>;

/// An attestation that must be there, and what it must say.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attestation {
    /// Predicate types, any of them: URIs or their short names.
    pub r#type: Types,
    /// Authorities, any of them; `image` stands for the image's own signature.
    pub signed_by: Option<Texts>,
    /// How old it may be.
    pub max_age: Option<Spanned<String>>,
    /// Judged at first admission, or always.
    pub max_age_at: Option<Spanned<AgeAt>>,
    /// Bounds on vulnerabilities by severity.
    pub vulnerabilities: Option<Spanned<Vulnerabilities>>,
    /// Who built it, globs.
    pub builder: Option<Texts>,
    /// In which way, globs.
    pub build_type: Option<Texts>,
    /// From which repository, globs.
    pub source: Option<Texts>,
    /// From which commit, globs.
    pub commit: Option<Texts>,
    /// From which file in it, globs.
    pub entry_point: Option<Texts>,
    /// What the build was told from outside.
    pub parameters: Option<Spanned<Parameters>>,
    /// Its build arguments.
    pub build_args: Option<Spanned<Parameters>>,
    /// Whether it must say what went into the build.
    pub materials: Option<Spanned<Materials>>,
    /// What every base image must match, image patterns.
    pub base: Option<Texts>,
    /// What must not be in the image.
    pub packages: Option<Spanned<Packages>>,
    /// A condition in CEL.
    pub cel: Option<Spanned<String>>,
}

/// One predicate type, or a list of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Types {
    /// Where it stands.
    pub span: Range<usize>,
    /// The names.
    pub names: Vec<Spanned<String>>,
}

impl<'de> Deserialize<'de> for Types {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spanned::<OneOrMany>::deserialize(deserializer).map(|types| {
            let span = types.span();
            let names = match types.into_inner() {
                OneOrMany::One(name) => vec![Spanned::new(span.clone(), name)],
                OneOrMany::Many(names) => names,
            };
            Self { span, names }
        })
    }
}

enum OneOrMany {
    One(String),
    Many(Vec<Spanned<String>>),
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TypesVisitor;
        impl<'de> Visitor<'de> for TypesVisitor {
            type Value = OneOrMany;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a predicate type, or a list of them")
            }
            fn visit_str<E>(self, name: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany::One(name.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<OneOrMany, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(OneOrMany::Many)
            }
        }
        deserializer.deserialize_any(TypesVisitor)
    }
}

/// Bounds on the vulnerabilities of a report; a severity without one is not bounded.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vulnerabilities {
    /// Most critical ones.
    pub critical: Option<Spanned<u64>>,
    /// Most high ones.
    pub high: Option<Spanned<u64>>,
    /// Most medium ones.
    pub medium: Option<Spanned<u64>>,
    /// Most low ones.
    pub low: Option<Spanned<u64>>,
    /// Most without a severity.
    pub unknown: Option<Spanned<u64>>,
    /// Whether only those with a fix count.
    pub fixable_only: Option<bool>,
    /// Those that do not count.
    #[serde(default)]
    pub ignore: Vec<Ignore>,
    /// Authorities whose VEX statements remove findings.
    pub vex: Option<Texts>,
}

/// One entry of `ignore`: an identifier, or a table with an identifier and until when.
#[derive(Debug, Clone, PartialEq)]
pub struct Ignore {
    /// The vulnerability's identifier.
    pub id: Spanned<String>,
    /// The first second in which it counts again.
    pub until: Option<Spanned<TimeText>>,
    /// Why, for the readers of the policy.
    pub reason: Option<Spanned<String>>,
}

impl<'de> Deserialize<'de> for Ignore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Spanned, so that a bare identifier knows its place too.
        Spanned::<IgnoreEntry>::deserialize(deserializer).map(|entry| {
            let span = entry.span();
            match entry.into_inner() {
                IgnoreEntry::Id(id) => Self { id: Spanned::new(span, id), until: None, reason: None },
                IgnoreEntry::Table(IgnoreTable { id, until, reason }) => Self { id, until, reason },
            }
        })
    }
}

enum IgnoreEntry {
    Id(String),
    Table(IgnoreTable),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IgnoreTable {
    id: Spanned<String>,
    until: Option<Spanned<TimeText>>,
    reason: Option<Spanned<String>>,
}

impl<'de> Deserialize<'de> for IgnoreEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IgnoreVisitor;
        impl<'de> Visitor<'de> for IgnoreVisitor {
            type Value = IgnoreEntry;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a vulnerability's identifier, or a table with `id`")
            }
            fn visit_str<E>(self, id: &str) -> Result<IgnoreEntry, E> {
                Ok(IgnoreEntry::Id(id.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<IgnoreEntry, A::Error> {
                IgnoreTable::deserialize(MapAccessDeserializer::new(map)).map(IgnoreEntry::Table)
            }
        }
        deserializer.deserialize_any(IgnoreVisitor)
    }
}

/// Which parameters a build must have had, and which not.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// `name`, or `name=glob` over the value.
    pub require: Option<Texts>,
    /// Names, globs.
    pub forbid: Option<Texts>,
}

/// What must not be in the image.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Packages {
    /// `pkg:…`, `name` or `name@version`, globs.
    pub deny: Option<Texts>,
    /// Licences, globs over SPDX identifiers.
    pub licenses: Option<Texts>,
}
