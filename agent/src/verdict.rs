//! The verdict as people and programs read it: schema `pullward/verdict/v1`.
//!
//! [`Verdict`] is what every hook and command gets. It is built from core's decision and from
//! nothing else; it does not decide.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use pullward_core::oci::Digest;
use serde::{Deserialize, Serialize};

/// Schema name in every verdict.
pub const SCHEMA: &str = "pullward/verdict/v1";

/// Longest line a hook hands to containerd, in bytes.
///
/// containerd puts the reason into a gRPC trailer; from about 16 KB on clients see a protocol error
/// instead of the reason (seen with containerd 2.1.9), 9 KB passes. 1 KiB keeps a wide margin.
pub const ONE_LINE_MAX: usize = 1024;

/// What `covered_by` says of a statement that the image's own signature covers.
pub const COVERED_BY_SIGNATURE: &str = "image-signature";

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// The image may be pulled and run.
    Allow,
    /// It may not.
    Deny,
}

/// Which hook asked, and where on the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The hook that asked.
    pub hook: Hook,
    /// containerd's namespace (`k8s.io`, `default`, …); null where the hook is not told.
    pub containerd_namespace: Option<String>,
    /// The pod's namespace; null where the hook is not told.
    pub pod_namespace: Option<String>,
}

/// The way a question reaches us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hook {
    /// `pullward verify` and its siblings.
    Cli,
    /// containerd's image-verifier plugin.
    ImageVerifier,
    /// The CRI proxy at `PullImage`.
    CriPull,
    /// The CRI proxy at `CreateContainer`.
    CriCreate,
    /// The agent's own look at what containerd holds.
    Inventory,
}

/// The trust bundle that was used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    /// Its version within its audience.
    pub version: u64,
    /// SHA-256 of its payload.
    pub digest: String,
    /// When it expires, RFC 3339.
    pub expires: String,
}

/// One piece of evidence and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceRow {
    /// `bundle`, `simple-signing` or `dsse`.
    pub format: String,
    /// `store`, `containerd`, `registry`, `layout`.
    pub source: String,
    /// Digest of the evidence's own bytes.
    pub digest: String,
    /// The statement's predicate type; null where the format has none or it was not verified.
    pub predicate_type: Option<String>,
    /// The authority that signed, where verified.
    pub authority: Option<String>,
    /// Key id or certificate identity, where verified.
    pub identity: Option<String>,
    /// A verified signing time, RFC 3339; null without one.
    pub time: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// Stable code of a rejection or of why it was ignored; null when accepted.
    pub code: Option<String>,
    /// The same in words.
    pub detail: Option<String>,
    /// `image-signature` where no signature of its own vouches for it but the one over the image's index; else null.
    #[serde(default)]
    pub covered_by: Option<String>,
}

/// One requirement of the rule on attestations, and what met it or kept it from being met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequirementRow {
    /// The rule that asks for it. Empty in verdicts that were recorded before this was told.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub rule: String,
    /// The predicate types that it asks for, any of them.
    pub types: Vec<String>,
    /// The authorities whose attestations count; `image` among them where the image's own signature does.
    pub signed_by: Vec<String>,
    /// Whether an attestation meets all of it.
    pub met: bool,
    /// Digest of the first piece of evidence that does.
    pub evidence: Option<String>,
    /// Stable code of why it is not met, the most telling; null where it is.
    pub code: Option<String>,
    /// The same in words, naming the finding.
    pub detail: Option<String>,
    /// Attestations of a type that it asks for which do not meet it, the most telling first.
    pub candidates: Vec<CandidateRow>,
}

/// An attestation that does not meet a requirement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CandidateRow {
    /// Digest of the piece of evidence.
    pub evidence: String,
    /// Stable code.
    pub code: String,
    /// The same in words, naming the finding.
    pub detail: String,
}

/// What became of one piece of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It verified and counted.
    Accepted,
    /// It did not verify.
    Rejected,
    /// It verified, or was not looked into, and does not count for this rule.
    Ignored,
}

/// A decision with everything that led to it.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// The decision.
    pub decision: Decision,
    /// `enforce`, `audit`, `allow` or `deny`: the matching rule's mode.
    pub mode: String,
    /// True where audit mode let through what enforce would have denied.
    pub would_deny: bool,
    /// Stable reason code.
    pub reason: String,
    /// The same in words: the thing, the reason, the next step.
    pub message: String,
    /// The normalised reference.
    pub reference: String,
    /// The digest that was judged; empty where none could be found.
    pub digest: String,
    /// `os/arch[/variant]`.
    pub platform: String,
    /// Name of the matching rule.
    pub rule: Option<String>,
    /// The trust bundle used; null with `--key` or where none is valid.
    pub trust: Option<Trust>,
    /// Every piece of evidence, in the order it was read.
    pub evidence: Vec<EvidenceRow>,
    /// What the rule asks of attestations, in its order.
    #[serde(default)]
    pub requirements: Vec<RequirementRow>,
    /// What could not be asked, and hints for whoever repairs it.
    pub notes: Vec<String>,
    /// Identifies this verdict: a hash of its inputs, 16 hex digits.
    pub id: String,
    /// Which hook asked.
    pub place: Place,
    /// The time of judgement, RFC 3339.
    pub time: String,
    /// Version of the core that decided.
    pub engine: String,
    /// Per predicate type, a summary.
    pub attestations: BTreeMap<String, serde_json::Value>,
    /// How long it took, in microseconds.
    pub elapsed_us: u64,
}

impl Verdict {
    /// Digests of the pieces of evidence that counted.
    #[must_use]
    pub fn counted(&self) -> BTreeSet<Digest> {
        let accepted = self.evidence.iter().filter(|row| row.outcome == Outcome::Accepted);
        accepted.filter_map(|row| Digest::parse(&row.digest).ok()).collect()
    }

    /// Exit code of the contract: 0 allowed, 1 judged and refused, 2 could not decide.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.decision {
            Decision::Allow => 0,
            Decision::Deny if is_error_class(&self.reason) => 2,
            Decision::Deny => 1,
        }
    }

    /// The decision, its subject and the reason as one printable line of at most `max` bytes.
    #[must_use]
    pub fn one_line(&self, max: usize) -> String {
        let word = match self.decision {
            Decision::Allow if self.would_deny => "allowed (audit, would deny)",
            Decision::Allow => "allowed",
            Decision::Deny => "denied",
        };
        let mut line = String::new();
        let subject = if self.digest.is_empty() || self.reference.ends_with(&self.digest) {
            self.reference.clone()
        } else {
            format!("{}@{}", self.reference, self.digest)
        };
        // Writing to a String cannot fail.
        _ = write!(line, "{word}: {subject}: {}: {} (verdict {})", self.reason, self.message, self.id);
        printable(&line, max)
    }
}

/// Whether a reason says "could not decide" (exit 2) rather than "judged and refused" (exit 1).
#[must_use]
pub fn is_error_class(reason: &str) -> bool {
    pullward_core::verdict::Reason::from_code(reason).is_none_or(pullward_core::verdict::Reason::is_error)
}

/// `text` with every control, bidirectional and other invisible character escaped, cut at `max` bytes.
///
/// Names and reasons partly come from the network (T-98): a terminal or a log must not obey them.
#[must_use]
pub fn printable(text: &str, max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max));
    for c in text.chars() {
        let escaped: String = if is_plain(c) { c.to_string() } else { c.escape_unicode().to_string() };
        if out.len() + escaped.len() > max {
            break;
        }
        out.push_str(&escaped);
    }
    out
}

fn is_plain(c: char) -> bool {
    // Beyond ASCII only letters and digits stand as they are: direction marks, joiners and line
    // separators are neither.
    if c.is_ascii() {
        !c.is_ascii_control()
    } else {
        c.is_alphanumeric() || "…–—→“”‘’".contains(c)
    }
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn control_and_direction_characters_are_escaped() {
        assert_eq!(printable("a\u{1b}[31mb\n\u{202e}c", 100), "a\\u{1b}[31mb\\u{a}\\u{202e}c");
    }

    #[test]
    fn a_cut_never_splits_an_escape() {
        assert_eq!(printable("ab\n", 6), "ab");
        assert_eq!(printable("ab\n", 7), "ab\\u{a}");
    }
}
