//! Verdicts that a receipt gives: no evidence is read, no source is asked.
//!
//! A receipt answers where judging again could only come to the same: this very bundle gave it, the rule that decides
//! now decided then, and nothing that the rule asks for depends on the clock. The core still says whether the digest is
//! revoked, the bundle expired and which rule decides, for this pod's namespace.
//!
//! It answers starts, and for a pull that the CRI proxy had judged also the question of containerd's image verifier,
//! which comes without kubelet's credentials and without the namespace.

use pullward_core::judge::{Judge, Question as CoreQuestion};
use pullward_core::trust::Rule;
use pullward_core::verdict::Reason;

use super::session::Subject;
use super::{Believed, explain};
use crate::receipt::Receipt;
use crate::trust::installed::InstalledTrust;
use crate::verdict::{Decision, EvidenceRow, Hook, Outcome, Verdict};

/// The verdict by `receipt`, where it answers.
pub(super) fn verdict(trust: &InstalledTrust, subject: &Subject, receipt: &Receipt) -> Option<Verdict> {
    let admission = receipt.first_allowed()?;
    let question = CoreQuestion {
        reference: subject.reference.as_ref(),
        digest: subject.digest,
        time: subject.time,
        pod_namespace: subject.place.pod_namespace.as_deref(),
        platform: &subject.platform,
        allowed_at: Some(admission),
    };
    let believed = Believed::Bundle(trust);
    let judge = Judge::open(believed.as_core(), &question);
    let mut rules = judge.rules().ok()?;
    let by = |rule: &Rule<'_>| receipt.is_by(&trust.digest, rule.name()) && !depends_on_time(rule);
    let rule = match subject.place.hook {
        Hook::CriCreate => {
            let rule = rules.next().filter(by)?;
            // Several may decide: the namespace is not known.
            rules.next().is_none().then_some(rule)?
        }
        Hook::ImageVerifier if receipt.hook() == Some(Hook::CriPull) => rules.find(by)?,
        _ => return None,
    };
    let reason = if receipt.evidence().is_empty() { Reason::AllowedByRule } else { Reason::Signed };
    let row = |digest: &String| EvidenceRow {
        format: "receipt".to_owned(),
        source: "receipt".to_owned(),
        digest: digest.clone(),
        predicate_type: None,
        authority: None,
        identity: None,
        time: None,
        outcome: Outcome::Accepted,
        code: None,
        detail: None,
        covered_by: None,
    };
    let parts = explain::Parts {
        decision: Decision::Allow,
        mode: rule.mode(),
        would_deny: false,
        reason,
        message: format!("let in under this trust bundle before, by this node's receipt of {}", admission.at),
        rule: Some(rule.name().to_owned()),
        evidence: receipt.evidence().iter().map(row).collect(),
        requirements: Vec::new(),
        attestations: std::collections::BTreeMap::new(),
        notes: Vec::new(),
    };
    Some(explain::verdict(believed, subject, parts))
}

/// Whether what met the rule may not meet it now. What cannot be read does.
fn depends_on_time(rule: &Rule<'_>) -> bool {
    let Ok(mut requirements) = rule.requirements() else { return true };
    requirements.any(|requirement| requirement.map_or(true, |requirement| requirement.depends_on_time()))
}
