//! The trust bundle's payload: what the signatures of the root keys are over.
//!
//! It is compact JSON with every key present and in the order of the fields here, so that the same
//! policy, key files, version and times give the same bytes on every machine. No string in it needs
//! an escape, but for conditions in CEL: the builder refuses text that would, and [`Payload::from_bytes`] takes no
//! other form.
//!
//! These types are the builder's and the inspector's. Nodes judge with the core's view over the bytes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64ct::{Base64, Encoding as _};
use pullward_core::limits;
use pullward_core::oci::Digest;
use pullward_core::trust::{ENGINE, SCHEMA};
use serde::{Deserialize, Serialize};

use super::requirement::Requirement;
use super::time::Time;

/// The oldest engine that enforces a bundle without requirements on attestations.
const SIGNATURES_ENGINE: u64 = 1;

/// The oldest engine that enforces requirements on attestations.
const ATTESTATIONS_ENGINE: u64 = 2;

/// The oldest engine that verifies certificates, and asks logs when a key has signed.
const KEYLESS_ENGINE: u64 = 3;

/// The oldest engine that proves a child of a signed index.
const PARENT_ENGINE: u64 = 4;

/// A trust bundle's payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    /// Always [`SCHEMA`].
    pub schema: u64,
    /// Engines older than this refuse the bundle.
    pub min_engine: u64,
    /// Which nodes it is for.
    pub audience: String,
    /// Grows with every bundle of an audience.
    pub version: u64,
    /// When it was built.
    pub issued: Time,
    /// From when on it no longer admits new digests.
    pub expires: Time,
    /// What an expired bundle still does.
    pub after_expiry: AfterExpiry,
    /// Who may open the emergency exit; null: nobody.
    pub r#override: Option<Override>,
    /// Who can sign.
    pub authorities: Vec<Authority>,
    /// Sigstore trusted roots; authorities name one by its place.
    pub trusted_roots: Vec<TrustedRoot>,
    /// What must be signed by whom.
    pub rules: Vec<Rule>,
    /// The digests that rules are limited to; rules name a list by its place.
    pub digest_lists: Vec<DigestList>,
    /// What no longer counts.
    pub revoked: Revoked,
    /// The files that it was built from.
    pub parts: Vec<Part>,
}

/// What an expired bundle still does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AfterExpiry {
    /// Digests that the node admitted before keep starting; new ones are denied.
    #[default]
    DenyNew,
    /// Everything is denied.
    DenyAll,
}

/// Who may open the emergency exit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// Names of authorities.
    pub authorities: Vec<String>,
    /// So many distinct ones must sign.
    pub threshold: u64,
    /// Longest validity in seconds.
    pub max: u64,
    /// Always `off` in bundles of this builder.
    pub local_root: String,
}

/// An authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authority {
    /// The name that rules use.
    pub name: String,
    /// What it is made of.
    pub kind: AuthorityKind,
    /// Its keys, where `kind` is `key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Vec<Key>>,
    /// Which of the trusted roots: where `kind` is `keyless` always, where it is `key` if a log or timestamps must say when
    /// its keys have signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusted_root: Option<u64>,
    /// Its identities, where `kind` is `keyless`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identities: Option<Vec<Identity>>,
}

/// What an authority is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthorityKind {
    /// Public keys.
    Key,
    /// Identities of a certificate authority.
    Keyless,
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// `p256`, `p384`, `ed25519` or `rsa`. A node that does not know a type never uses the key.
    pub r#type: String,
    /// Base64 of the DER of its SubjectPublicKeyInfo.
    pub spki: String,
    /// Start of its validity.
    pub valid_from: Option<Time>,
    /// End of its validity.
    pub valid_until: Option<Time>,
    /// Whether it counts only for digests that the node already admitted.
    pub retired: bool,
}

impl Key {
    /// SHA-256 of its SPKI: the key's name; none where the SPKI is not base64.
    #[must_use]
    pub fn id(&self) -> Option<Digest> {
        Base64::decode_vec(&self.spki).ok().map(|spki| Digest::of(&spki))
    }
}

/// An identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Who vouched.
    pub issuer: String,
    /// For whom.
    pub subject: String,
    /// What else the certificate has to say, by field.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
}

/// A Sigstore trusted root, embedded unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedRoot {
    /// Digest of the content.
    pub digest: String,
    /// Base64 of the file.
    pub content: String,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Shown in every verdict.
    pub name: String,
    /// Patterns, any of them.
    pub r#match: Vec<String>,
    /// Only the digests of this one of the bundle's `digest_lists`; null: any.
    pub digests: Option<usize>,
    /// Only these pod namespaces, where not empty.
    pub namespaces: Vec<String>,
    /// What the rule does.
    pub mode: Mode,
    /// Whether a signed index covers its manifests.
    pub index: Index,
    /// Authorities.
    pub signed_by: Vec<String>,
    /// So many distinct ones of them.
    pub at_least: u64,
    /// What it asks of attestations, all of it.
    pub attestations: Vec<Requirement>,
    /// Whom a denial tells people to ask; may be empty.
    pub contact: String,
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Deny what does not meet the requirements.
    #[default]
    Enforce,
    /// Let it through and log what would have been denied.
    Audit,
    /// Let everything through that the rule matches.
    Allow,
    /// Deny everything that the rule matches.
    Deny,
}

/// Whether a signed index covers its platform manifests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Index {
    /// A signature covers exactly the digest that it names.
    #[default]
    Exact,
    /// A signature on an index covers the manifests that it lists for a platform.
    Parent,
}

/// What no longer counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoked {
    /// Images.
    pub digests: DigestList,
    /// Why, for those where somebody wrote it down.
    pub digest_reasons: Vec<DigestReason>,
    /// Pieces of evidence, by the digest of their bytes.
    pub evidence: DigestList,
    /// Keys.
    pub keys: Vec<RevokedKey>,
    /// Authorities.
    pub authorities: Vec<RevokedAuthority>,
    /// Identities.
    pub identities: Vec<RevokedIdentity>,
    /// Certificates, by their serial numbers.
    pub serials: Vec<RevokedSerial>,
}

/// Why an image was revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DigestReason {
    /// Lower-case hex of the SHA-256.
    pub digest: String,
    /// Shown in denials.
    pub reason: String,
}

/// A revoked key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokedKey {
    /// Lower-case hex of the SHA-256 of its SPKI.
    pub key: String,
    /// Since when; null: always.
    pub from: Option<Time>,
    /// Shown in denials; may be empty.
    pub reason: String,
}

/// A revoked authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokedAuthority {
    /// Its name.
    pub authority: String,
    /// Since when; null: always.
    pub from: Option<Time>,
    /// Shown in denials; may be empty.
    pub reason: String,
}

/// A revoked identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokedIdentity {
    /// Who vouched.
    pub issuer: String,
    /// For whom.
    pub subject: String,
    /// Since when; null: always.
    pub from: Option<Time>,
    /// Shown in denials; may be empty.
    pub reason: String,
}

/// A revoked certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokedSerial {
    /// Its serial number in lower-case hex, without zeros in front.
    pub serial: String,
    /// Since when; null: always.
    pub from: Option<Time>,
    /// Shown in denials; may be empty.
    pub reason: String,
}

/// One of the files that a bundle was built from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its name as the policy spells it; the policy itself without folders.
    pub name: String,
    /// Digest of its bytes.
    pub digest: String,
}

/// Digests as one string: lower-case hex, 64 characters each, sorted, unique, nothing between.
///
/// A node searches it in place, so a list of a million takes no memory beside the bundle.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DigestList(String);

impl DigestList {
    /// The list of these digests, in whatever order they come.
    #[must_use]
    pub fn of(digests: impl IntoIterator<Item = Digest>) -> Self {
        let mut sorted: Vec<Digest> = digests.into_iter().collect();
        sorted.sort_unstable();
        sorted.dedup();
        let mut text = String::with_capacity(sorted.len() * HEX);
        for digest in sorted {
            text.push_str(&digest.hex());
        }
        Self(text)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len() / HEX
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each as lower-case hex.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.as_bytes().chunks(HEX).filter_map(|chunk| std::str::from_utf8(chunk).ok())
    }

    fn is_well_formed(&self) -> bool {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        self.0.len().is_multiple_of(HEX)
            && self.0.bytes().all(hex)
            && self.iter().zip(self.iter().skip(1)).all(|(one, next)| one < next)
    }
}

/// Characters of one digest in a [`DigestList`].
const HEX: usize = 64;

/// The oldest engine that enforces all of this: a bundle asks for no newer one than it needs, so that nodes which have not
/// been updated take it as long as they can.
#[must_use]
pub fn min_engine(authorities: &[Authority], rules: &[Rule]) -> u64 {
    if rules.iter().any(|rule| rule.index == Index::Parent) {
        PARENT_ENGINE
    } else if authorities.iter().any(|authority| authority.trusted_root.is_some()) {
        KEYLESS_ENGINE
    } else if rules.iter().any(|rule| !rule.attestations.is_empty()) {
        ATTESTATIONS_ENGINE
    } else {
        SIGNATURES_ENGINE
    }
}

impl Payload {
    /// The bytes that are signed.
    ///
    /// # Errors
    /// [`PayloadError::TooLarge`] past the bound that nodes read.
    pub fn to_bytes(&self) -> Result<Vec<u8>, PayloadError> {
        let bytes = serde_json::to_vec(self).map_err(|error| PayloadError::Malformed(error.to_string()))?;
        if !within(bytes.len()) {
            return Err(PayloadError::TooLarge(bytes.len()));
        }
        Ok(bytes)
    }

    /// Reads the bytes of a payload and checks that they are the one spelling of what they say.
    ///
    /// Checks form and bounds, not whether the content is wise and not whether anybody signed it.
    ///
    /// # Errors
    /// [`PayloadError`], by what is wrong first.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PayloadError> {
        if !within(bytes.len()) {
            return Err(PayloadError::TooLarge(bytes.len()));
        }
        // The version of the format is asked first: a newer format is not a malformed one.
        let versions: Versions =
            serde_json::from_slice(bytes).map_err(|error| PayloadError::Malformed(error.to_string()))?;
        if versions.schema != SCHEMA {
            return Err(PayloadError::Schema(versions.schema));
        }
        if versions.min_engine > ENGINE {
            return Err(PayloadError::EngineTooOld(versions.min_engine));
        }
        let payload: Self =
            serde_json::from_slice(bytes).map_err(|error| PayloadError::Malformed(error.to_string()))?;
        if payload.to_bytes()? != bytes || escapes(bytes) != payload.escapes_of_conditions()? {
            return Err(PayloadError::NotCanonical);
        }
        if !payload
            .digest_lists
            .iter()
            .chain([&payload.revoked.digests, &payload.revoked.evidence])
            .all(DigestList::is_well_formed)
        {
            return Err(PayloadError::DigestList);
        }
        Ok(payload)
    }

    /// Backslashes in the JSON of its conditions, the only texts that may need escapes.
    fn escapes_of_conditions(&self) -> Result<usize, PayloadError> {
        let conditions = self
            .rules
            .iter()
            .flat_map(|rule| &rule.attestations)
            .filter_map(|asked| asked.condition.as_ref());
        let mut found = 0;
        for condition in conditions {
            let json = serde_json::to_vec(&condition.expression)
                .map_err(|error| PayloadError::Malformed(error.to_string()))?;
            found += escapes(&json);
        }
        Ok(found)
    }

    /// Its content in a few lines for people.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut text = String::new();
        let keys: usize =
            self.authorities.iter().map(|authority| authority.keys.iter().flatten().count()).sum();
        let identities: usize =
            self.authorities.iter().map(|authority| authority.identities.iter().flatten().count()).sum();
        let revoked = self.revoked.digests.len()
            + self.revoked.evidence.len()
            + self.revoked.keys.len()
            + self.revoked.authorities.len()
            + self.revoked.identities.len()
            + self.revoked.serials.len();
        // Writing to a String cannot fail.
        _ = writeln!(text, "audience      {}", self.audience);
        _ = writeln!(text, "version       {}", self.version);
        _ = writeln!(text, "issued        {}", self.issued);
        _ = writeln!(text, "expires       {}", self.expires);
        _ = writeln!(text, "authorities   {} ({keys} keys, {identities} identities)", self.authorities.len());
        _ = writeln!(text, "trusted roots {}", self.trusted_roots.len());
        _ = writeln!(text, "rules         {}", self.rules.len());
        _ = writeln!(text, "revocations   {revoked}");
        text
    }
}

fn escapes(json: &[u8]) -> usize {
    json.iter().filter(|byte| **byte == b'\\').count()
}

/// Whether nodes read a payload of so many bytes.
fn within(length: usize) -> bool {
    u64::try_from(length).is_ok_and(|length| length <= limits::TRUST_PAYLOAD_BYTES)
}

/// The two numbers that say whether this program may go on reading.
#[derive(Deserialize)]
struct Versions {
    schema: u64,
    min_engine: u64,
}

/// Why bytes are not a payload that this version reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// Not JSON of this format.
    #[error("the payload is not a trust bundle's: {0}")]
    Malformed(String),
    /// Read well, but spelt in another way than the builder does.
    #[error(
        "the payload is not in the builder's form; build it with `pullward trust build` and never edit it"
    )]
    NotCanonical,
    /// A digest list is not lower-case hex, sorted and unique.
    #[error("a list of digests is not sorted lower-case hex; build the bundle with `pullward trust build`")]
    DigestList,
    /// A format of another time.
    #[error("the payload's schema is {0}, this version reads schema {SCHEMA}; use a newer pullward")]
    Schema(u64),
    /// It asks for more than this version enforces.
    #[error("the bundle needs engine {0}, this version is engine {ENGINE}; use a newer pullward")]
    EngineTooOld(u64),
    /// Larger than nodes read.
    #[error("the payload has {0} bytes, the bound is {max}; shorten its lists", max = limits::TRUST_PAYLOAD_BYTES)]
    TooLarge(usize),
}
