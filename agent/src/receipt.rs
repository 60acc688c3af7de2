//! Receipts: what this node has allowed, kept across restarts.
//!
//! A receipt says that an image was allowed under a name, when that was first, and by which trust bundle and evidence. It
//! is this node's word to itself, so it carries a keyed hash by the node's own key and the machine's id: a receipt of
//! another node, an edited one and a corrupt one are no receipts (T-119, F-45).
//!
//! A receipt never allows anything by itself. It is one of a verdict's inputs: bundles that have expired with
//! `deny-new` look at it and, where evidence let the image in, age limits that count from the first admission and
//! retired keys. What a rule lets in without evidence proves nothing about what the image is signed with later.
//!
//! - [`node_key`]: the node's key, made once;
//! - [`store`]: the database.

pub mod node_key;
pub mod store;

use hmac::{Hmac, KeyInit as _, Mac as _};
use pullward_core::judge::{Admission, AdmittedBy};
use pullward_core::oci::Digest;
use pullward_core::time::UnixTime;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::verdict::{Decision, Hook, Outcome, Verdict};
use node_key::NodeKey;

/// Schema name in every receipt. Compatibility rule: a later version reads this one or ignores it, which denies.
const SCHEMA: &str = "pullward/receipt/v1";

/// That this node allowed an image under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    schema: String,
    /// The machine that gave it.
    machine: String,
    /// The image's digest.
    digest: String,
    /// The normalised reference.
    reference: String,
    /// When the image was first allowed under this name, RFC 3339: by evidence, where there is any below.
    first_allowed: String,
    /// Version of the trust bundle that allowed it last.
    trust_version: u64,
    /// Digest of that bundle's payload.
    trust_digest: String,
    /// Digests of the pieces of evidence that counted, sorted; none where a rule let the image in without any.
    evidence: Vec<String>,
    /// The rule that decided. Absent in receipts of older versions, which answer nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    /// The hook that asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hook: Option<Hook>,
    /// Digest of the bundle under which the image was judged again and denied; none where no bundle has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refused_by: Option<String>,
}

impl Receipt {
    /// The receipt for a verdict; `None` where it allows nothing, or has no bundle behind it.
    #[must_use]
    pub fn of(verdict: &Verdict, machine: &str, first_allowed: UnixTime) -> Option<Self> {
        if verdict.decision != Decision::Allow || verdict.would_deny {
            return None;
        }
        let trust = verdict.trust.as_ref()?;
        let accepted = verdict.evidence.iter().filter(|row| row.outcome == Outcome::Accepted);
        let mut evidence: Vec<String> = accepted.map(|row| row.digest.clone()).collect();
        evidence.sort_unstable();
        evidence.dedup();
        Some(Self {
            schema: SCHEMA.to_owned(),
            machine: machine.to_owned(),
            digest: verdict.digest.clone(),
            reference: verdict.reference.clone(),
            first_allowed: first_allowed.to_string(),
            trust_version: trust.version,
            trust_digest: trust.digest.clone(),
            evidence,
            rule: verdict.rule.clone(),
            hook: Some(verdict.place.hook),
            refused_by: None,
        })
    }

    /// Whether the image was judged again under this bundle and denied.
    fn is_refused_by(&self, trust: &Digest) -> bool {
        self.refused_by.as_deref() == Some(trust.to_string().as_str())
    }

    /// Whether this bundle gave it, and has not refused it since.
    fn serves(&self, trust: &Digest) -> bool {
        self.trust_digest == trust.to_string() && !self.is_refused_by(trust)
    }

    /// Whether the bundle of this digest gave this receipt and has not refused it since, and `rule` decided.
    #[must_use]
    pub fn is_by(&self, trust: &Digest, rule: &str) -> bool {
        self.serves(trust) && self.rule.as_deref() == Some(rule)
    }

    /// The hook that asked.
    #[must_use]
    pub fn hook(&self) -> Option<Hook> {
        self.hook
    }

    /// Digests of the pieces of evidence that counted.
    #[must_use]
    pub fn evidence(&self) -> &[String] {
        &self.evidence
    }

    /// When the image was first allowed, and by what.
    #[must_use]
    pub fn first_allowed(&self) -> Option<Admission> {
        let by = if self.evidence.is_empty() { AdmittedBy::Rule } else { AdmittedBy::Evidence };
        Some(Admission { at: UnixTime::parse(&self.first_allowed)?, by })
    }

    /// The same receipt for an image that was allowed before. What evidence let in first counts from then on; what a rule let
    /// in without any counts until there is some, and a laxer rule takes nothing back.
    fn renewing(self, known: &Self) -> Self {
        let by = known.first_allowed().map(|admission| admission.by);
        match (by, self.evidence.is_empty()) {
            (Some(AdmittedBy::Evidence), true) => Self {
                trust_version: self.trust_version,
                trust_digest: self.trust_digest,
                refused_by: None,
                ..known.clone()
            },
            (Some(AdmittedBy::Rule), false) | (None, _) => self,
            _ => Self { first_allowed: known.first_allowed.clone(), ..self },
        }
    }

    /// The bytes that are kept: 32 bytes of HMAC-SHA-256 over the JSON that follows them.
    fn seal(&self, key: &NodeKey) -> Option<Vec<u8>> {
        let text = serde_json::to_vec(self).ok()?;
        let mut sealed = mac(key)?.chain_update(&text).finalize().into_bytes().to_vec();
        sealed.extend_from_slice(&text);
        Some(sealed)
    }

    /// Opens what [`Receipt::seal`] made, for this machine, digest and name; anything else is `None`.
    fn open(sealed: &[u8], key: &NodeKey, machine: &str, digest: &Digest, reference: &str) -> Option<Self> {
        let (tag, text) = sealed.split_at_checked(32)?;
        mac(key)?.chain_update(text).verify_slice(tag).ok()?;
        let receipt: Self = serde_json::from_slice(text).ok()?;
        let ours = receipt.schema == SCHEMA
            && receipt.machine == machine
            && receipt.digest == digest.to_string()
            && receipt.reference == reference
            && receipt.first_allowed().is_some();
        ours.then_some(receipt)
    }
}

fn mac(key: &NodeKey) -> Option<Hmac<Sha256>> {
    let mac = Hmac::<Sha256>::new_from_slice(key.bytes()).ok()?;
    // What is hashed with this key for another purpose is no receipt.
    Some(mac.chain_update(SCHEMA.as_bytes()).chain_update([0]))
}

#[cfg(test)]
mod tests {
    use super::{Receipt, SCHEMA};
    use crate::receipt::node_key::NodeKey;
    use pullward_core::oci::Digest;

    fn receipt() -> Receipt {
        Receipt {
            schema: SCHEMA.to_owned(),
            machine: "m".to_owned(),
            digest: Digest::of(b"image").to_string(),
            reference: "registry.example/app:1".to_owned(),
            first_allowed: "2026-11-24T13:00:00Z".to_owned(),
            trust_version: 7,
            trust_digest: String::new(),
            evidence: Vec::new(),
            rule: None,
            hook: None,
            refused_by: None,
        }
    }

    fn open(sealed: &[u8], key: &NodeKey) -> Option<Receipt> {
        Receipt::open(sealed, key, "m", &Digest::of(b"image"), "registry.example/app:1")
    }

    #[test]
    fn a_receipt_opens_for_its_own_image_name_machine_and_key_only() {
        let key = NodeKey::from_bytes([7; 32]);
        let sealed = receipt().seal(&key).unwrap();
        assert_eq!(open(&sealed, &key), Some(receipt()));
        assert_eq!(open(&sealed, &NodeKey::from_bytes([8; 32])), None);
        let (image, name) = (Digest::of(b"image"), "registry.example/app:1");
        assert_eq!(Receipt::open(&sealed, &key, "other", &image, name), None);
        assert_eq!(Receipt::open(&sealed, &key, "m", &Digest::of(b"other"), name), None);
        assert_eq!(Receipt::open(&sealed, &key, "m", &image, "registry.example/app:2"), None);
    }

    #[test]
    fn no_byte_of_a_receipt_can_be_changed_and_none_left_out() {
        let key = NodeKey::from_bytes([7; 32]);
        let sealed = receipt().seal(&key).unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(open(&changed, &key), None, "{at}");
            assert_eq!(open(&sealed[..at], &key), None, "{at}");
        }
    }

    #[test]
    fn a_receipt_of_another_schema_or_without_a_time_is_none() {
        let key = NodeKey::from_bytes([7; 32]);
        let old = Receipt { schema: "pullward/receipt/v0".to_owned(), ..receipt() };
        assert_eq!(open(&old.seal(&key).unwrap(), &key), None);
        let timeless = Receipt { first_allowed: "yesterday".to_owned(), ..receipt() };
        assert_eq!(open(&timeless.seal(&key).unwrap(), &key), None);
    }
}
