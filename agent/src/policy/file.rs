//! The policy file as TOML says it: every field of the format, nothing decided yet.
//!
//! Fields that this version does not enforce are read all the same, so that a misspelt one is
//! found and one that is spelt right is refused by [`super::check`] with its place.

pub(super) mod attestation;

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

pub(super) use attestation::{Attestation, Packages, Parameters, Texts, Types, Vulnerabilities};

use super::problem::{Fault, Problem};
use super::source::Source;
use crate::trust::payload::{AfterExpiry, Index, Mode};

/// A whole policy file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyFile {
    /// Version of the format; only 1 is known.
    pub schema: Spanned<u64>,
    /// Which nodes it is for; `default` where absent.
    pub audience: Option<Spanned<String>>,
    /// What happens to images that a node already runs once the bundle has expired.
    pub after_expiry: Option<AfterExpiry>,
    /// Who can sign.
    #[serde(default)]
    pub authority: Vec<Authority>,
    /// What must be signed by whom; the first match wins.
    #[serde(default)]
    pub rule: Vec<Rule>,
    /// Who may open the emergency exit.
    pub r#override: Option<Override>,
    /// What no longer counts.
    #[serde(default)]
    pub revoke: Vec<Spanned<Revocation>>,
}

/// One authority: a key, several keys, or identities of a certificate authority.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authority {
    /// The name that rules use.
    pub name: Spanned<String>,
    /// File of its only key, relative to the policy file.
    pub key: Option<Spanned<String>>,
    /// Its keys, where it has several; any of them counts as this authority.
    pub keys: Option<Spanned<Vec<Key>>>,
    /// Identities instead of keys.
    pub keyless: Option<Spanned<Keyless>>,
    /// File of a Sigstore `TrustedRoot` whose logs and timestamp authorities must have seen what its keys sign.
    pub trusted_root: Option<Spanned<String>>,
    /// Start of `key`'s validity.
    pub valid_from: Option<Spanned<TimeText>>,
    /// End of `key`'s validity.
    pub valid_until: Option<Spanned<TimeText>>,
    /// Whether `key` counts only for digests that the node already admitted.
    pub retired: Option<Spanned<bool>>,
}

/// One entry of `keys`: a file name, or a table with a file name and its validity.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// Its file, relative to the policy file.
    pub key: Spanned<String>,
    /// Start of its validity.
    pub valid_from: Option<Spanned<TimeText>>,
    /// End of its validity.
    pub valid_until: Option<Spanned<TimeText>>,
    /// Whether it counts only for digests that the node already admitted.
    pub retired: Option<Spanned<bool>>,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Spanned, so that a bare file name knows its place too.
        Spanned::<Entry>::deserialize(deserializer).map(|entry| {
            let span = entry.span();
            match entry.into_inner() {
                Entry::File(name) => {
                    Self { key: Spanned::new(span, name), valid_from: None, valid_until: None, retired: None }
                }
                Entry::Table(KeyTable { key, valid_from, valid_until, retired }) => {
                    Self { key, valid_from, valid_until, retired }
                }
            }
        })
    }
}

enum Entry {
    File(String),
    Table(KeyTable),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyTable {
    key: Spanned<String>,
    valid_from: Option<Spanned<TimeText>>,
    valid_until: Option<Spanned<TimeText>>,
    retired: Option<Spanned<bool>>,
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntryVisitor;
        impl<'de> Visitor<'de> for EntryVisitor {
            type Value = Entry;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a file name, or a table with `key`")
            }
            fn visit_str<E>(self, name: &str) -> Result<Entry, E> {
                Ok(Entry::File(name.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Entry, A::Error> {
                KeyTable::deserialize(MapAccessDeserializer::new(map)).map(Entry::Table)
            }
        }
        deserializer.deserialize_any(EntryVisitor)
    }
}

/// A time: TOML's own (`2026-11-24T13:00:00Z`) or the same in quotes. Read by [`super::check`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeText(pub String);

impl<'de> Deserialize<'de> for TimeText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TimeVisitor;
        impl<'de> Visitor<'de> for TimeVisitor {
            type Value = TimeText;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time as 2026-11-24T13:00:00Z")
            }
            fn visit_str<E>(self, text: &str) -> Result<TimeText, E> {
                Ok(TimeText(text.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TimeText, A::Error> {
                toml::value::Datetime::deserialize(MapAccessDeserializer::new(map))
                    .map(|time| TimeText(time.to_string()))
            }
        }
        deserializer.deserialize_any(TimeVisitor)
    }
}

/// Identities that a certificate authority vouches for.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keyless {
    /// File of a Sigstore `TrustedRoot`, relative to the policy file.
    pub trusted_root: Spanned<String>,
    /// Any of these.
    #[serde(default)]
    pub identity: Vec<Identity>,
}

/// One identity: issuer and subject are required.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Who vouched, a glob over the whole string.
    pub issuer: Spanned<String>,
    /// For whom, a glob over the whole string.
    pub subject: Spanned<String>,
    /// What else Fulcio has to say of it, each a glob over the whole string.
    #[serde(default)]
    pub fields: BTreeMap<String, Spanned<String>>,
}

/// An identity that no longer counts: both parts are required.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokedIdentity {
    /// Who vouched, a glob over the whole string.
    pub issuer: Spanned<String>,
    /// For whom, a glob over the whole string.
    pub subject: Spanned<String>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Shown in every verdict.
    pub name: Spanned<String>,
    /// Patterns over normalised references; any of them.
    pub r#match: Spanned<Vec<Spanned<String>>>,
    /// Only these digests, where present.
    pub digests: Option<Spanned<Vec<Spanned<String>>>>,
    /// Only these pod namespaces, where present.
    pub namespaces: Option<Spanned<Vec<Spanned<String>>>>,
    /// What the rule does; `enforce` where absent.
    pub mode: Option<Spanned<Mode>>,
    /// Whether a signed index covers its manifests.
    pub index: Option<Spanned<Index>>,
    /// Authorities; any of them …
    pub signed_by: Option<Spanned<Vec<Spanned<String>>>>,
    /// … but so many distinct ones.
    pub at_least: Option<Spanned<u64>>,
    /// Attestations that must be there, all of them.
    #[serde(default)]
    pub attestation: Vec<Spanned<Attestation>>,
    /// Whom a denial tells people to ask.
    pub contact: Option<Spanned<String>>,
}

/// Who may open the emergency exit, and for how long.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// Authorities that may sign one.
    pub authorities: Spanned<Vec<Spanned<String>>>,
    /// So many distinct ones must.
    pub threshold: Spanned<u64>,
    /// Longest validity of one; `8h` where absent.
    pub max: Option<Spanned<String>>,
    /// Whether root on the node may do without signatures; only `off` is enforced.
    pub local_root: Option<Spanned<LocalRoot>>,
}

/// Whether root on the node may override without signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LocalRoot {
    /// It may not.
    Off,
    /// It may. Not enforced by this version.
    On,
}

/// One thing that no longer counts: exactly one of the first six fields.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// An image.
    pub digest: Option<Spanned<String>>,
    /// A key: file of its public half, or `sha256:` and the digest of its SPKI.
    pub key: Option<Spanned<String>>,
    /// An identity.
    pub identity: Option<Spanned<RevokedIdentity>>,
    /// A certificate's serial number, in hex.
    pub serial: Option<Spanned<String>>,
    /// One piece of evidence, by the digest of its bytes or of the payload that is signed in it.
    pub evidence: Option<Spanned<String>>,
    /// A whole authority.
    pub authority: Option<Spanned<String>>,
    /// Since when; always, where absent.
    pub from: Option<Spanned<TimeText>>,
    /// Shown in denials.
    pub reason: Option<Spanned<String>>,
}

impl PolicyFile {
    /// Reads the TOML of a policy. Decides nothing but that every field is known and of its type.
    ///
    /// # Errors
    /// One [`Problem`] with the place of the first thing that is not TOML or not a field of the format.
    pub fn parse(source: &Source) -> Result<Self, Vec<Problem>> {
        toml::from_str(source.text()).map_err(|error| {
            let fault = Fault::from_toml(error.message());
            vec![match error.span() {
                Some(span) => source.problem(span, fault),
                None => source.problem_of_file(fault),
            }]
        })
    }
}
