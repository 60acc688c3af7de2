//! A verdict as text: a report that an operator understands and an auditor can file.

use std::io::{self, Write};

use serde_json::Value;

use crate::policy::predicate_types;
use crate::verdict::{Decision, EvidenceRow, Outcome, RequirementRow, Verdict, printable};

/// Longest line, in bytes.
const LINE_BYTES: usize = 4096;

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
        writeln!(out, "  digest    {}", plain(&verdict.digest))?;
    }
    writeln!(out, "  reason    {}: {}", verdict.reason, plain(&verdict.message))?;
    if let Some(rule) = &verdict.rule {
        writeln!(out, "  rule      {} ({})", plain(rule), verdict.mode)?;
    }
    if let Some(trust) = &verdict.trust {
        writeln!(out, "  trust     version {}, until {}, {}", trust.version, trust.expires, trust.digest)?;
    }
    for requirement in &verdict.requirements {
        print_requirement(verdict, requirement, out)?;
    }
    for row in &verdict.evidence {
        print_evidence(row, out)?;
    }
    for note in &verdict.notes {
        writeln!(out, "  note      {}", plain(note))?;
    }
    writeln!(out, "  verdict   {} at {} by {}", verdict.id, verdict.time, verdict.engine)
}

fn print_requirement(verdict: &Verdict, row: &RequirementRow, out: &mut dyn Write) -> io::Result<()> {
    let types: Vec<&str> = row.types.iter().map(|uri| predicate_types::short(uri)).collect();
    let types = plain(&types.join(" or "));
    let Some(evidence) = &row.evidence else {
        let code = row.code.as_deref().unwrap_or_default();
        let detail = plain(row.detail.as_deref().unwrap_or_default());
        writeln!(out, "  lacking   {types} by {}: {code}: {detail}", plain(&row.signed_by.join(", ")))?;
        for other in row.candidates.iter().skip(1) {
            writeln!(out, "            {} {}: {}", plain(&other.evidence), other.code, plain(&other.detail))?;
        }
        return Ok(());
    };
    let by = verdict.evidence.iter().find(|row| row.digest == *evidence);
    let who = match by {
        Some(row) if row.covered_by.is_some() => "the image's own signature".to_owned(),
        Some(row) => signer(row),
        None => String::new(),
    };
    writeln!(out, "  attested  {types} by {}, {}", plain(&who), plain(evidence))?;
    let kind = by.and_then(|row| row.predicate_type.as_deref());
    let summary = kind.and_then(|kind| verdict.attestations.get(kind)).and_then(Value::as_object);
    // Of several attestations of one type the summary is of one.
    let summary = summary.filter(|summary| summary.get("evidence").and_then(Value::as_str) == Some(evidence));
    for line in summary.map(describe).unwrap_or_default() {
        writeln!(out, "            {}", plain(&line))?;
    }
    Ok(())
}

/// The members of a summary, one line each; numbers together.
#[must_use]
pub fn describe(summary: &serde_json::Map<String, Value>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut numbers = Vec::new();
    for (name, value) in summary {
        let name = name.replace('_', " ");
        match value {
            Value::String(_) if name == "evidence" => {}
            Value::String(text) => lines.push(format!("{name}: {text}")),
            Value::Number(number) => numbers.push(format!("{number} {name}")),
            Value::Array(items) if !items.is_empty() => {
                let items: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
                lines.push(format!("{name}: {}", items.join(", ")));
            }
            _ => {}
        }
    }
    if !numbers.is_empty() {
        lines.insert(0, numbers.join(", "));
    }
    lines
}

fn print_evidence(row: &EvidenceRow, out: &mut dyn Write) -> io::Result<()> {
    let outcome = match row.outcome {
        Outcome::Accepted => "accepted",
        Outcome::Rejected => "rejected",
        Outcome::Ignored => "ignored",
    };
    let what = match &row.code {
        Some(code) => format!("{code}: {}", row.detail.as_deref().unwrap_or_default()),
        None => match &row.covered_by {
            Some(_) => "covered by the image's own signature".to_owned(),
            None => signer(row),
        },
    };
    let kind = row.predicate_type.as_deref().map(|uri| format!(" {}", predicate_types::short(uri)));
    writeln!(
        out,
        "  evidence  {outcome} {}{} from {} {}  {}",
        row.format,
        plain(&kind.unwrap_or_default()),
        row.source,
        plain(&row.digest),
        plain(&what)
    )
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

fn plain(text: &str) -> String {
    printable(text, LINE_BYTES)
}
