//! `pullward tree`: everything that is attached to an image, and what we make of it.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use super::judging::{Judging, Output, SourceFlags, TrustFlags};
use crate::evidence::Attached;
use crate::verdict::{Decision, EvidenceRow, Outcome, Verdict, printable};

/// Shows everything that is attached to an image in the store and the registry: signatures, attestations and what
/// else, each with what became of it when it was verified.
///
/// Exit code as of `pullward verify`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  pullward tree --key cosign.pub registry.example/team/app:v1
  pullward tree --config /etc/pullward/config.toml -o json registry.example/team/app:v1")]
pub struct Tree {
    /// The image: a registry reference, or oci:DIR, oci:DIR:TAG, oci:DIR@DIGEST
    #[arg(value_name = "REF")]
    image: String,
    #[command(flatten)]
    trust: TrustFlags,
    #[command(flatten)]
    sources: SourceFlags,
    /// How to print
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Output,
}

/// What `-o json` prints, schema `pullward/tree/v1`.
#[derive(Debug, Serialize)]
struct TreeDocument<'a> {
    schema: &'static str,
    reference: &'a str,
    digest: &'a str,
    decision: Decision,
    reason: &'a str,
    message: &'a str,
    evidence: &'a [EvidenceRow],
    others: Vec<Other<'a>>,
    notes: &'a [String],
}

/// An attached manifest that is no evidence in a known format.
#[derive(Debug, Serialize)]
struct Other<'a> {
    digest: String,
    artifact_type: &'a str,
    size: u64,
}

/// Runs the command and returns its exit code.
///
/// # Errors
/// Only where `out` or `err` cannot be written.
pub fn run(arguments: &Tree, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    let asked = Judging::new(&arguments.trust, &arguments.sources, err)
        .and_then(|judging| judging.ask(&arguments.image, None).map(|asked| (judging, asked)));
    let (judging, asked) = match asked {
        Ok(asked) => asked,
        Err(error) => {
            writeln!(err, "pullward tree: {error}")?;
            if let Some(verdict) = error.verdict(&arguments.image, None, &arguments.sources) {
                print(&verdict, &[], arguments.output, out)?;
            }
            return Ok(error.exit_code());
        }
    };
    let believed = judging.trust().believed();
    let (verdict, others) = match &asked.subject {
        Ok(subject) => asked.engine.survey(believed, subject, asked.deadline),
        Err(failure) => (
            failure.verdict(Some(believed), &asked.question, asked.time, std::time::Instant::now()),
            Vec::new(),
        ),
    };
    print(&verdict, &others, arguments.output, out)?;
    Ok(verdict.exit_code())
}

fn print(verdict: &Verdict, others: &[Attached], output: Output, out: &mut dyn Write) -> io::Result<()> {
    match output {
        Output::Json => print_json(verdict, others, out),
        Output::Text => print_text(verdict, others, out),
    }
}

fn print_json(verdict: &Verdict, others: &[Attached], out: &mut dyn Write) -> io::Result<()> {
    let others = others.iter().map(|other| Other {
        digest: other.manifest.to_string(),
        artifact_type: &other.artifact_type,
        size: other.size,
    });
    let document = TreeDocument {
        schema: "pullward/tree/v1",
        reference: &verdict.reference,
        digest: &verdict.digest,
        decision: verdict.decision,
        reason: &verdict.reason,
        message: &verdict.message,
        evidence: &verdict.evidence,
        others: others.collect(),
        notes: &verdict.notes,
    };
    serde_json::to_writer(&mut *out, &document)?;
    writeln!(out)
}

fn print_text(verdict: &Verdict, others: &[Attached], out: &mut dyn Write) -> io::Result<()> {
    let plain = |text: &str| printable(text, 4096);
    writeln!(out, "{}", plain(&verdict.reference))?;
    writeln!(out, "{}", plain(&verdict.digest))?;
    let mut lines: Vec<(String, String)> = Vec::new();
    for row in &verdict.evidence {
        let mark = match row.outcome {
            Outcome::Accepted => "accepted",
            Outcome::Rejected => "rejected",
            Outcome::Ignored => "ignored",
        };
        let title = format!("{} {} from {}: {mark}", row.format, plain(&row.digest), row.source);
        let mut detail = Vec::new();
        if let Some(predicate) = &row.predicate_type {
            detail.push(format!("attestation of type {}", plain(predicate)));
        }
        if let Some(identity) = &row.identity {
            let authority = row.authority.as_deref().map(|name| format!("{} with ", plain(name)));
            detail.push(format!("signed by {}{}", authority.unwrap_or_default(), plain(identity)));
        }
        if let Some(code) = &row.code {
            detail.push(format!("{code}: {}", plain(row.detail.as_deref().unwrap_or_default())));
        }
        lines.push((title, detail.join("; ")));
    }
    for other in others {
        let title = format!("other {}: not evidence", other.manifest);
        lines.push((title, format!("{}, {} bytes", plain(&other.artifact_type), other.size)));
    }
    let last = lines.len().saturating_sub(1);
    for (place, (title, detail)) in lines.iter().enumerate() {
        let (branch, stem) = if place == last { ("└──", "   ") } else { ("├──", "│  ") };
        writeln!(out, "{branch} {title}")?;
        if !detail.is_empty() {
            writeln!(out, "{stem}    {detail}")?;
        }
    }
    if lines.is_empty() {
        writeln!(out, "└── nothing is attached")?;
    }
    for note in &verdict.notes {
        writeln!(out, "note: {}", plain(note))?;
    }
    writeln!(out, "{}", verdict.one_line(4096))
}
