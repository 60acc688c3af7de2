//! What attestations add up to, for the verdict: per requirement the attestation that met it or why none did, and per
//! predicate type a summary.

use std::collections::BTreeMap;

use pullward_core::judge::Decision as CoreDecision;
use pullward_core::trust::{Coverage, Requirement};
use pullward_core::verdict::Reason;
use serde_json::Value;

use super::clerk::{NotedStatement, Notes, Shortfall};
use crate::evidence::Found;
use crate::verdict::{CandidateRow, EvidenceRow, Outcome, RequirementRow};

/// The name that a policy and a verdict have for "the image's own signature".
const IMAGE: &str = "image";

/// What the pieces of evidence did for the requirements, each with its row in the verdict's evidence.
#[derive(Debug, Default)]
pub(super) struct Attested {
    met: Vec<(usize, usize, String)>,
    unmet: Vec<(usize, Shortfall, String)>,
}

impl Attested {
    /// Takes what the clerk wrote down about the piece whose row stands at `row`.
    pub(super) fn take(&mut self, row: usize, found: &Found, notes: &Notes<'_>) {
        let digest = found.digest.to_string();
        self.met.extend(notes.met.iter().map(|place| (row, *place, digest.clone())));
        self.unmet.extend(notes.unmet.iter().map(|short| (row, short.clone(), digest.clone())));
    }

    /// Forgets the piece whose row stands at `row`: it is offered again.
    pub(super) fn forget(&mut self, row: usize) {
        self.met.retain(|(of, ..)| *of != row);
        self.unmet.retain(|(of, ..)| *of != row);
    }

    /// Whether the piece whose row stands at `row` is a report with too many vulnerabilities for a requirement, whatever
    /// it is to the others: a VEX statement may excuse some.
    pub(super) fn has_exceeded(&self, row: usize) -> bool {
        let exceeded = Reason::VulnerabilitiesExceeded.code();
        self.unmet.iter().any(|(of, short, _)| *of == row && short.code == exceeded)
    }

    /// One row per requirement of the deciding rule.
    pub(super) fn rows(&self, decision: &CoreDecision<'_>, evidence: &[EvidenceRow]) -> Vec<RequirementRow> {
        let requirements = decision.rule.and_then(|rule| rule.requirements().ok());
        let requirements = requirements.into_iter().flatten().filter_map(Result::ok);
        requirements.enumerate().map(|(place, asked)| self.row(place, &asked, decision, evidence)).collect()
    }

    fn row(
        &self,
        place: usize,
        asked: &Requirement<'_>,
        decision: &CoreDecision<'_>,
        evidence: &[EvidenceRow],
    ) -> RequirementRow {
        let met = u32::try_from(place).is_ok_and(|place| decision.met & 1_u16.wrapping_shl(place) != 0);
        let by = self.met.iter().find(|(_, of, _)| *of == place);
        let covered = by.and_then(|(row, ..)| evidence.get(*row)).is_some_and(|row| row.covered_by.is_some());
        let by = by.map(|(.., digest)| digest.clone());
        let mut candidates: Vec<CandidateRow> = self
            .unmet
            .iter()
            .filter(|(_, short, _)| short.place == place)
            .map(|(_, short, digest)| CandidateRow {
                evidence: digest.clone(),
                code: short.code.to_owned(),
                detail: short.detail.clone(),
            })
            .collect();
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

/// Per predicate type the summary of one attestation: the one that counts, or else the last that verified. Each says which
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
        let better = chosen.get(&statement.predicate_type).is_none_or(|(known, _)| accepted || !known);
        if better {
            chosen.insert(statement.predicate_type.clone(), (accepted, Value::Object(summary)));
        }
    }
    chosen.into_iter().map(|(kind, (_, summary))| (kind, summary)).collect()
}
