//! A verdict as text: a report that an operator understands and an auditor can file.
//!
//! First what was decided and by what; then one section for the image's signature and one for each attestation that the
//! rule asks for, with who signed it, when, what it says and the digest of the evidence; then everything else that was
//! found, and the verdict's own name. What comes from the network is made printable.

use std::io::{self, Write};

use pullward_core::verdict::Reason;
use serde_json::{Map, Value};

use crate::policy::predicate_types::{self, Kind};
use crate::verdict::{Decision, EvidenceRow, Outcome, RequirementRow, Verdict, printable};

/// Longest line, in bytes.
const LINE_BYTES: usize = 4096;

/// Severities as people list them.
const SEVERITIES: [&str; 5] = ["critical", "high", "medium", "low", "unknown"];

/// Who vouches for what stands in the image's own index.
pub(super) const COVERED: &str = "the image's own signature, which covers the index that holds it";

/// Prints the report.
///
/// # Errors
/// Those of `out`.
pub fn print(verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
    let decision = match (verdict.decision, verdict.would_deny) {
        (Decision::Allow, false) => "allowed",
        (Decision::Allow, true) => "allowed by audit mode, would be denied",
        (Decision::Deny, _) => "denied",
    };
    writeln!(out, "{decision}: {}", plain(&verdict.reference))?;
    if !verdict.digest.is_empty() {
        line(out, "digest", &verdict.digest)?;
        line(out, "platform", &verdict.platform)?;
    }
    line(out, "reason", &format!("{}: {}", verdict.reason, verdict.message))?;
    if let Some(rule) = &verdict.rule {
        line(out, "rule", &format!("{rule} ({})", verdict.mode))?;
    }
    if let Some(trust) = &verdict.trust {
        let trust = format!("version {}, until {}, {}", trust.version, trust.expires, trust.digest);
        line(out, "trust", &trust)?;
    }
    print_signatures(verdict, out)?;
    for requirement in &verdict.requirements {
        print_requirement(verdict, requirement, out)?;
    }
    let others: Vec<&EvidenceRow> = verdict.evidence.iter().filter(|row| !is_told(verdict, row)).collect();
    section(out, "Other evidence", others.is_empty())?;
    for row in others {
        print_other(row, out)?;
    }
    section(out, "Notes", verdict.notes.is_empty())?;
    for note in &verdict.notes {
        writeln!(out, "  - {}", plain(note))?;
    }
    writeln!(out)?;
    writeln!(out, "verdict {} at {} by {}", verdict.id, verdict.time, plain(&verdict.engine))
}

/// A section's title, where there is something in it.
fn section(out: &mut dyn Write, title: &str, empty: bool) -> io::Result<()> {
    if empty { Ok(()) } else { write!(out, "\n{title}\n") }
}

/// A name and what it says, below a title.
pub(super) fn line(out: &mut dyn Write, name: &str, value: &str) -> io::Result<()> {
    writeln!(out, "  {name:<12}{}", plain(value))
}

/// A signature over the image itself that counts.
fn is_signature(row: &EvidenceRow) -> bool {
    row.outcome == Outcome::Accepted && row.predicate_type.is_none()
}

/// Whether the sections of signature and attestations speak of it.
fn is_told(verdict: &Verdict, row: &EvidenceRow) -> bool {
    is_signature(row)
        || verdict.requirements.iter().any(|asked| {
            asked.evidence.as_ref() == Some(&row.digest)
                || asked.candidates.iter().any(|other| other.evidence == row.digest)
        })
}

fn print_signatures(verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
    for row in verdict.evidence.iter().filter(|row| is_signature(row)) {
        section(out, "Signature of the image", false)?;
        print_signer(row, out)?;
        print_source(row, out)?;
    }
    Ok(())
}

fn print_requirement(verdict: &Verdict, asked: &RequirementRow, out: &mut dyn Write) -> io::Result<()> {
    let types: Vec<&str> = asked.types.iter().map(|uri| predicate_types::short(uri)).collect();
    let met = if asked.met { "as asked for" } else { "NOT as asked for" };
    section(out, &plain(&format!("{} ({}): {met}", title(asked), types.join(" or "))), false)?;
    if let Some(evidence) = &asked.evidence {
        if let Some(row) = verdict.evidence.iter().find(|row| row.digest == *evidence) {
            print_signer(row, out)?;
            for (name, value) in summary(verdict, row).map(describe).unwrap_or_default() {
                line(out, &name, &value)?;
            }
            print_source(row, out)?;
        }
        return Ok(());
    }
    line(out, "asked of", &asked.signed_by.join(", "))?;
    if asked.candidates.is_empty() {
        let code = asked.code.as_deref().unwrap_or_default();
        return line(out, "lacking", &format!("{code}: {}", asked.detail.as_deref().unwrap_or_default()));
    }
    for other in &asked.candidates {
        line(out, "fails", &format!("{}: {}", other.code, other.detail))?;
        if let Some(row) = verdict.evidence.iter().find(|row| row.digest == other.evidence) {
            print_signer(row, out)?;
            print_source(row, out)?;
        }
    }
    Ok(())
}

/// What attestations of these types are about.
fn title(asked: &RequirementRow) -> &'static str {
    match asked.types.first().map(|uri| predicate_types::kind(uri)) {
        Some(Kind::Vulnerabilities) => "Vulnerabilities",
        Some(Kind::Provenance) => "Provenance",
        Some(Kind::Packages) => "Packages",
        Some(Kind::Vex) => "Statements about vulnerabilities",
        Some(Kind::Other) | None => "Attestation",
    }
}

/// The summary of this very piece: of several attestations of one type the verdict has one.
fn summary<'v>(verdict: &'v Verdict, row: &EvidenceRow) -> Option<&'v Map<String, Value>> {
    let summary = verdict.attestations.get(row.predicate_type.as_ref()?)?.as_object()?;
    (summary.get("evidence").and_then(Value::as_str) == Some(&row.digest)).then_some(summary)
}

/// The members of a summary, a name and a value each; numbers together.
#[must_use]
pub fn describe(summary: &Map<String, Value>) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    let mut numbers = Vec::new();
    for (name, value) in summary {
        let name = name.replace('_', " ");
        match value {
            Value::String(_) if name == "evidence" => {}
            Value::String(text) => lines.push((name, text.clone())),
            Value::Number(number) => {
                numbers.push((SEVERITIES.iter().position(|it| *it == name), number, name));
            }
            Value::Array(items) if !items.is_empty() => {
                let items: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
                lines.push((name, items.join(", ")));
            }
            _ => {}
        }
    }
    if !numbers.is_empty() {
        numbers.sort_by_key(|(severity, ..)| *severity);
        let counts: Vec<String> =
            numbers.iter().map(|(_, number, name)| format!("{number} {name}")).collect();
        lines.insert(0, ("counts".to_owned(), counts.join(", ")));
    }
    lines
}

/// Who signed a piece of evidence, and when.
pub(super) fn print_signer(row: &EvidenceRow, out: &mut dyn Write) -> io::Result<()> {
    if row.covered_by.is_some() {
        return line(out, "signed by", COVERED);
    }
    let who = signer(row);
    if !who.is_empty() {
        line(out, "signed by", &who)?;
        // A key says nothing about when; only who vouches for a time makes one.
        line(out, "signed at", row.time.as_deref().unwrap_or("a time that nobody vouches for"))?;
    }
    Ok(())
}

/// Which piece of evidence it is, and where it was found.
pub(super) fn print_source(row: &EvidenceRow, out: &mut dyn Write) -> io::Result<()> {
    line(out, "evidence", &format!("{}, {} from {}", row.digest, row.format, row.source))
}

fn print_other(row: &EvidenceRow, out: &mut dyn Write) -> io::Result<()> {
    let outcome = match row.outcome {
        Outcome::Accepted => "accepted",
        Outcome::Rejected => "rejected",
        Outcome::Ignored => "ignored",
    };
    let what = match &row.code {
        // The code is about what it is not: a signature of the image.
        Some(code) if row.predicate_type.is_some() && code == Reason::PredicateNotSignature.code() => {
            "no requirement of the rule asks for it".to_owned()
        }
        Some(code) => format!("{code}: {}", row.detail.as_deref().unwrap_or_default()),
        None => signer(row),
    };
    let kind = row.predicate_type.as_deref().map(|uri| format!("{}, ", predicate_types::short(uri)));
    let kind = kind.unwrap_or_default();
    line(out, outcome, &format!("{}, {kind}{} from {}: {what}", row.digest, row.format, row.source))
}

/// Who signed a piece of evidence: the authority and its key, as far as they are known.
#[must_use]
pub fn signer(row: &EvidenceRow) -> String {
    match (&row.authority, &row.identity) {
        (Some(authority), Some(identity)) => format!("{authority} ({identity})"),
        (Some(one), None) | (None, Some(one)) => one.clone(),
        (None, None) => String::new(),
    }
}

/// Text from the network, for a terminal.
pub(super) fn plain(text: &str) -> String {
    printable(text, LINE_BYTES)
}
