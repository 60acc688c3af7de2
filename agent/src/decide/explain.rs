//! Words for decisions: the thing, then the reason, then the next step.

use std::collections::BTreeMap;

use pullward_core::ENGINE;
use pullward_core::judge::Decision as CoreDecision;
use pullward_core::oci::Digest;
use pullward_core::time::UnixTime;
use pullward_core::trust::{Mode, Rule};
use pullward_core::verdict::Reason;

use super::session::Subject;
use super::{Believed, Question, Unresolved};
use crate::policy::predicate_types;
use crate::verdict::{Decision, EvidenceRow, Outcome, RequirementRow, SCHEMA, Trust, Verdict};

/// What a verdict says besides what was asked.
pub(super) struct Parts {
    pub(super) decision: Decision,
    pub(super) mode: Mode,
    pub(super) would_deny: bool,
    pub(super) reason: Reason,
    pub(super) message: String,
    pub(super) rule: Option<String>,
    pub(super) evidence: Vec<EvidenceRow>,
    pub(super) requirements: Vec<RequirementRow>,
    pub(super) attestations: BTreeMap<String, serde_json::Value>,
    pub(super) notes: Vec<String>,
}

/// Puts a verdict together.
pub(super) fn verdict(believed: Believed<'_>, subject: &Subject, parts: Parts) -> Verdict {
    assemble(
        Some(believed),
        &subject.name,
        &subject.digest.to_string(),
        &subject.platform,
        &subject.place,
        subject.time,
        parts,
    )
}

/// The verdict on a name that led to no digest, or that could not be judged because nothing is believed.
pub(super) fn unresolved(
    believed: Option<Believed<'_>>,
    question: &Question,
    time: UnixTime,
    failure: &Unresolved,
) -> Verdict {
    let message = format!("{}; next: {}", failure.detail, failure.reason.next_step());
    assemble(
        believed,
        &failure.reference,
        &failure.digest,
        &question.platform,
        &question.place,
        time,
        Parts {
            decision: Decision::Deny,
            mode: Mode::Enforce,
            would_deny: false,
            reason: failure.reason,
            message,
            rule: None,
            evidence: Vec::new(),
            requirements: Vec::new(),
            attestations: BTreeMap::new(),
            notes: Vec::new(),
        },
    )
}

fn assemble(
    believed: Option<Believed<'_>>,
    reference: &str,
    digest: &str,
    platform: &str,
    place: &crate::verdict::Place,
    time: UnixTime,
    parts: Parts,
) -> Verdict {
    let (trust, trust_id) = match believed {
        Some(Believed::Bundle(installed)) => {
            let index = installed.bundle().index();
            let trust = Trust {
                version: index.version(),
                digest: index.digest().to_string(),
                expires: index.expires().to_string(),
            };
            (Some(trust), index.digest().to_string())
        }
        Some(Believed::Key(key)) => (None, Digest::from_sha256(key.id().0).to_string()),
        None => (None, String::new()),
    };
    let mut verdict = Verdict {
        schema: SCHEMA.to_owned(),
        decision: parts.decision,
        mode: parts.mode.name().to_owned(),
        would_deny: parts.would_deny,
        reason: parts.reason.code().to_owned(),
        message: parts.message,
        reference: reference.to_owned(),
        digest: digest.to_owned(),
        platform: platform.to_owned(),
        rule: parts.rule,
        trust,
        evidence: parts.evidence,
        requirements: parts.requirements,
        notes: parts.notes,
        id: String::new(),
        place: place.clone(),
        time: time.to_string(),
        engine: ENGINE.to_owned(),
        attestations: parts.attestations,
        elapsed_us: 0,
    };
    verdict.id = identify(&verdict, &trust_id);
    verdict
}

/// A hash of what the verdict follows from, and of what it is: the same inputs have the same id on every node.
fn identify(verdict: &Verdict, trust_id: &str) -> String {
    let mut text = format!(
        "{}\n{}\n{}\n{}\n{}\n{}\n{:?}\n{}\n",
        verdict.engine,
        verdict.reference,
        verdict.digest,
        verdict.platform,
        verdict.time,
        trust_id,
        verdict.place,
        verdict.reason
    );
    for row in &verdict.evidence {
        text.push_str(&row.digest);
        text.push('\n');
    }
    Digest::of(text.as_bytes()).hex().chars().take(16).collect()
}

/// The sentence of a decision.
pub(super) fn message(
    subject: &Subject,
    decision: &CoreDecision<'_>,
    rows: &[EvidenceRow],
    requirements: &[RequirementRow],
    failures: &[String],
) -> String {
    let rule = decision.rule.as_ref();
    let unmet = decision.unmet.and_then(|place| requirements.get(place));
    let what = match decision.reason {
        Reason::Signed => signed(rows, requirements),
        _ if unmet.is_some() => unmet.map(|row| shortfall(row, rule, rows)).unwrap_or_default(),
        Reason::AllowedByRule | Reason::DeniedByRule | Reason::RequirementUnsupported => {
            format!("{}{}", by_rule(rule), decision.reason.meaning())
        }
        Reason::Unsigned => {
            let attached = rows.len();
            let beside = if attached == 0 {
                String::new()
            } else {
                format!(" ({attached} attached pieces are unusable)")
            };
            format!("no signature was found for {}{beside}{}", subject.digest, wanted(rule))
        }
        Reason::UntrustedKey => {
            format!(
                "{} found, none of them by a key that is asked for{}",
                count(rows, "signature"),
                wanted(rule)
            )
        }
        Reason::ThresholdNotMet => {
            let (signed, needed) = decision.signed;
            format!("{signed} of {needed} distinct authorities have signed{}", wanted(rule))
        }
        Reason::EvidenceUnreachable | Reason::EvidenceLimit | Reason::DeadlineExceeded => {
            format!("{}: {}", decision.reason.meaning(), failures.join("; "))
        }
        reason => format!("{}{}", reason.meaning(), wanted(rule)),
    };
    if decision.reason.class() == pullward_core::verdict::ReasonClass::Allow {
        return what;
    }
    let contact = rule.and_then(|rule| rule.contact().ok()).map(|text| text.chars().collect::<String>());
    let ask = match contact {
        Some(contact) if !contact.is_empty() => format!("; ask: {contact}"),
        _ => String::new(),
    };
    format!("{what}; next: {}{ask}", decision.reason.next_step())
}

fn by_rule(rule: Option<&Rule<'_>>) -> String {
    rule.map(|rule| format!("rule {:?}: ", rule.name())).unwrap_or_default()
}

/// What the rule asks for, to be appended.
fn wanted(rule: Option<&Rule<'_>>) -> String {
    let Some(rule) = rule else { return String::new() };
    let names: Vec<&str> =
        rule.signed_by().ok().into_iter().flatten().filter_map(Result::ok).take(8).collect();
    if names.is_empty() {
        return format!(" (rule {:?})", rule.name());
    }
    format!(" (rule {:?} asks for {} of: {})", rule.name(), rule.at_least(), names.join(", "))
}

/// What a requirement that is not met lacks.
fn shortfall(row: &RequirementRow, rule: Option<&Rule<'_>>, rows: &[EvidenceRow]) -> String {
    let types: Vec<&str> = row.types.iter().map(|uri| predicate_types::short(uri)).collect();
    let detail = row.detail.as_deref().unwrap_or_default();
    let by = row.signed_by.join(", ");
    let rule = rule.map(|rule| format!(" (rule {:?}, signed by: {by})", rule.name())).unwrap_or_default();
    // What is in them is not believed, so that nobody knows of which type they are.
    let unknown = rows.iter().filter(|row| row.code.as_deref() == Some(Reason::UntrustedKey.code())).count();
    let beside = match unknown {
        0 => String::new(),
        _ if !row.candidates.is_empty() => String::new(),
        1 => "; 1 attached piece is signed by a key that the rule does not know".to_owned(),
        _ => format!("; {unknown} attached pieces are signed by a key that the rule does not know"),
    };
    format!("attestation {}: {detail}{beside}{rule}", types.join(" or "))
}

fn signed(rows: &[EvidenceRow], requirements: &[RequirementRow]) -> String {
    let mut signers: Vec<&str> = Vec::new();
    let signatures = rows.iter().filter(|row| row.predicate_type.is_none());
    for row in signatures.filter(|row| row.outcome == Outcome::Accepted) {
        let signer = row.authority.as_deref().or(row.identity.as_deref()).unwrap_or("the key");
        if !signers.contains(&signer) {
            signers.push(signer);
        }
    }
    let mut what = format!("signed by {}", signers.join(", "));
    for row in requirements {
        let types: Vec<&str> = row.types.iter().map(|uri| predicate_types::short(uri)).collect();
        what.push_str(&format!("; {} as asked for", types.join(" or ")));
    }
    what
}

fn count(rows: &[EvidenceRow], noun: &str) -> String {
    let number = rows.iter().filter(|row| row.outcome == Outcome::Rejected).count();
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
