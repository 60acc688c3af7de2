//! What attestations add up to, for the verdict: per requirement the attestation that met it or why none did, and per
//! predicate type a summary.

use std::collections::BTreeMap;

use pullward_core::judge::Decision as CoreDecision;
use pullward_core::time::UnixTime;
use pullward_core::trust::{Coverage, Requirement};
use pullward_core::verdict::Reason;
use serde_json::Value;

use super::clerk::{Asked, NotedStatement, Notes, Shortfall};
use crate::evidence::Found;
use crate::policy::predicate_types;
use crate::verdict::{CandidateRow, EvidenceRow, Outcome, RequirementRow};

/// The name that a policy and a verdict have for "the image's own signature".
const IMAGE: &str = "image";

/// What the pieces of evidence did for the requirements, each with its row in the verdict's evidence.
#[derive(Debug, Default)]
pub(super) struct Attested {
    met: Vec<Weighed<Asked>>,
    unmet: Vec<Weighed<Shortfall>>,
}

/// A verified attestation and what it did for one requirement.
#[derive(Debug)]
struct Weighed<T> {
    /// Its row in the verdict's evidence.
    row: usize,
    /// The digest of the piece of evidence.
    digest: String,
    /// When it was made, by its own word.
    made_at: Option<UnixTime>,
    /// The requirement, or the requirement and what is wrong.
    what: T,
}

impl Attested {
    /// Takes what the clerk wrote down about the piece whose row stands at `row`.
    pub(super) fn take(&mut self, row: usize, found: &Found, notes: &Notes<'_>) {
        let digest = found.digest.to_string();
        let made_at = notes.statement.as_ref().and_then(|statement| statement.made_at);
        let met = notes.met.iter().map(|asked| Weighed {
            row,
            digest: digest.clone(),
            made_at,
            what: asked.clone(),
        });
        self.met.extend(met);
        let unmet = notes.unmet.iter().map(|short| Weighed {
            row,
            digest: digest.clone(),
            made_at,
            what: short.clone(),
        });
        self.unmet.extend(unmet);
    }

    /// Forgets the piece whose row stands at `row`: it is offered again.
    pub(super) fn forget(&mut self, row: usize) {
        self.met.retain(|weighed| weighed.row != row);
        self.unmet.retain(|weighed| weighed.row != row);
    }

    /// Whether the piece whose row stands at `row` is a report with too many vulnerabilities for a requirement, whatever
    /// it is to the others: a VEX statement may excuse some.
    pub(super) fn has_exceeded(&self, row: usize) -> bool {
        let exceeded = Reason::VulnerabilitiesExceeded.code();
        self.unmet.iter().any(|weighed| weighed.row == row && weighed.what.code == exceeded)
    }

    /// One row per requirement of the deciding rule.
    pub(super) fn rows(&self, decision: &CoreDecision<'_>, evidence: &[EvidenceRow]) -> Vec<RequirementRow> {
        let Some(rule) = decision.rule else { return Vec::new() };
        let requirements = rule.requirements().into_iter().flatten().filter_map(Result::ok);
        requirements
            .enumerate()
            .map(|(place, asked)| {
                self.row(&Asked { rule: rule.name().to_owned(), place }, &asked, decision, evidence)
            })
            .collect()
    }

    fn row(
        &self,
        of: &Asked,
        asked: &Requirement<'_>,
        decision: &CoreDecision<'_>,
        evidence: &[EvidenceRow],
    ) -> RequirementRow {
        let met = u32::try_from(of.place).is_ok_and(|place| decision.met & 1_u16.wrapping_shl(place) != 0);
        let by = self.met.iter().find(|weighed| weighed.what == *of);
        let covered =
            by.and_then(|weighed| evidence.get(weighed.row)).is_some_and(|row| row.covered_by.is_some());
        let by = by.map(|weighed| weighed.digest.clone());
        let mut candidates: Vec<CandidateRow> = self
            .failing(of)
            .map(|weighed| CandidateRow {
                evidence: weighed.digest.clone(),
                code: weighed.what.code.to_owned(),
                detail: weighed.what.detail.clone(),
            })
            .collect();
        // The sort is stable: of two that tell as much, the one that was read first stands first.
        candidates.sort_by_key(|row| std::cmp::Reverse(telling(&row.code)));
        let first = candidates.first();
        // The image's own index meets it, and nobody has signed that.
        let missing = if covered { Reason::IndexUnsigned } else { Reason::AttestationMissing };
        let (code, detail) = match (met, first) {
            (true, _) => (None, None),
            (false, Some(first)) => (Some(first.code.clone()), Some(first.detail.clone())),
            (false, None) => (Some(missing.code().to_owned()), Some(missing.meaning().to_owned())),
        };
        RequirementRow {
            rule: of.rule.clone(),
            types: names(asked.types()),
            signed_by: match asked.coverage() {
                Coverage::Signatures => names(asked.signed_by()),
                Coverage::SignedIndex => {
                    names(asked.signed_by()).into_iter().chain([IMAGE.to_owned()]).collect()
                }
            },
            met,
            evidence: by.filter(|_| met),
            code,
            detail,
            candidates,
        }
    }

    /// Attestations of a type that this requirement asks for which do not meet it, as they were read.
    fn failing(&self, of: &Asked) -> impl Iterator<Item = &Weighed<Shortfall>> {
        self.unmet.iter().filter(move |weighed| weighed.what.asked == *of)
    }

    /// For each requirement that is met, what is wrong with a newer attestation of its type, if something is. It changes
    /// nothing, because evidence only ever adds up; whoever scans again and finds more should know that.
    pub(super) fn warnings(&self, requirements: &[RequirementRow]) -> Vec<String> {
        let met = requirements.iter().enumerate().filter(|(_, row)| row.met);
        met.filter_map(|(place, row)| self.warning(&Asked { rule: row.rule.clone(), place }, row)).collect()
    }

    fn warning(&self, of: &Asked, row: &RequirementRow) -> Option<String> {
        let counting = self.met.iter().filter(|weighed| weighed.what == *of);
        let counts = counting.filter_map(|weighed| weighed.made_at).max()?;
        // Whoever may not attest says nothing about the image.
        let entitled =
            self.failing(of).filter(|weighed| weighed.what.code != Reason::AttestationSigner.code());
        let (made_at, newer) = entitled
            .filter_map(|weighed| Some((weighed.made_at?, weighed)))
            .filter(|(made_at, _)| *made_at > counts)
            .max_by_key(|(made_at, weighed)| (*made_at, std::cmp::Reverse(weighed.row)))?;
        let types: Vec<&str> = row.types.iter().map(|uri| predicate_types::short(uri)).collect();
        Some(format!(
            "attestation {}: the one of {counts} counts; another attestation of this type, newer, fails: {} \
             (of {made_at}, evidence {}); a shorter max_age, or [[revoke]] evidence, makes the older one stop counting",
            types.join(" or "),
            newer.what.detail,
            newer.digest,
        ))
    }
}

fn names<'a, E>(names: Result<impl Iterator<Item = Result<&'a str, E>>, E>) -> Vec<String> {
    names.into_iter().flatten().filter_map(Result::ok).map(str::to_owned).collect()
}

/// How much a shortfall tells: that an attestation is by somebody else is less than what is wrong with the right one.
fn telling(code: &str) -> u8 {
    match Reason::from_code(code) {
        Some(Reason::AttestationSigner) => 0,
        Some(Reason::PredicateMalformed | Reason::PredicateUnsupported | Reason::PlatformMissing) => 1,
        Some(Reason::AttestationTooOld) => 2,
        _ => 3,
    }
}

/// Takes back what statements in the image's index counted for, where the index is not signed.
pub(super) fn discount_covered(rows: &mut [EvidenceRow]) {
    for row in rows.iter_mut().filter(|row| row.covered_by.is_some()) {
        let reason = Reason::IndexUnsigned;
        row.covered_by = None;
        row.outcome = Outcome::Ignored;
        row.code = Some(reason.code().to_owned());
        row.detail = Some(reason.meaning().to_owned());
    }
}

/// Per predicate type the summary of one attestation: the first that counts, or else the last that verified. Each says which
/// piece of evidence it is of.
pub(super) fn summaries(
    statements: &[(usize, NotedStatement)],
    rows: &[EvidenceRow],
) -> BTreeMap<String, Value> {
    let mut chosen: BTreeMap<String, (bool, Value)> = BTreeMap::new();
    for (place, statement) in statements {
        let Some(row) = rows.get(*place) else { continue };
        let Some(Value::Object(mut summary)) = statement.summary.clone() else { continue };
        summary.insert("evidence".to_owned(), Value::from(row.digest.clone()));
        let accepted = row.outcome == Outcome::Accepted;
        let better = chosen.get(&statement.predicate_type).is_none_or(|(known, _)| !known);
        if better {
            chosen.insert(statement.predicate_type.clone(), (accepted, Value::Object(summary)));
        }
    }
    chosen.into_iter().map(|(kind, (_, summary))| (kind, summary)).collect()
}
