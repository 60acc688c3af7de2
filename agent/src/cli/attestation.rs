//! `pullward attestation show`: what verified attestations say, summarised or whole.

use std::io::{self, Write};

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::judging::{Judging, Output, SourceFlags, TrustFlags, USAGE};
use super::{CANNOT, FINE, NOT_FINE, report};
use crate::decide::clerk::NotedStatement;
use crate::policy::predicate_types;
use crate::verdict::{EvidenceRow, Verdict, printable};

/// Works with attestations.
#[derive(Debug, Clone, Args)]
pub struct AttestationArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Subcommand)]
enum Command {
    Show(Show),
}

/// Shows the attestations of an image whose signatures verify: repository, commit, builder, scan time, counts by
/// severity, packages. With -o json the whole statements.
///
/// A statement that a build put into the image's own index is shown where the image is signed.
///
/// Exit code 0: something is shown. 1: nothing verifies. 2: it could not be found out. 64: usage.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  pullward attestation show --key cosign.pub registry.example/team/app:v1
  pullward attestation show --key cosign.pub --type slsaprovenance registry.example/team/app:v1
  pullward attestation show --config /etc/pullward/config.toml registry.example/team/app:v1
  pullward attestation show --key cosign.pub --type vuln -o json registry.example/team/app:v1 \\
    | jq '.attestations[].statement.predicate.scanner.result.Results[]?.Vulnerabilities[]?.VulnerabilityID'")]
struct Show {
    /// The image: a registry reference, or oci:DIR, oci:DIR:TAG, oci:DIR@DIGEST
    #[arg(value_name = "REF")]
    image: String,
    /// Only this predicate type: an alias as cosign has them (vuln, slsaprovenance, spdx, …) or a URI
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    #[command(flatten)]
    trust: TrustFlags,
    #[command(flatten)]
    sources: SourceFlags,
    /// The digest that REF must resolve to
    #[arg(long, value_name = "DIGEST")]
    digest: Option<String>,
    /// How to print
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Output,
}

/// What `-o json` prints, schema `pullward/attestations/v1`.
#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: &'static str,
    reference: &'a str,
    digest: &'a str,
    attestations: Vec<Shown<'a>>,
}

/// One verified attestation.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    predicate_type: &'a str,
    /// Digest of the piece of evidence.
    evidence: &'a str,
    format: &'a str,
    source: &'a str,
    authority: Option<&'a str>,
    identity: Option<&'a str>,
    covered_by: Option<&'static str>,
    summary: Option<&'a Value>,
    /// The statement, byte for byte as it was signed.
    statement: Option<Box<RawValue>>,
}

/// Runs the command and returns its exit code.
///
/// # Errors
/// Only where `out` or `err` cannot be written.
pub fn run(arguments: &AttestationArgs, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    let Command::Show(show) = &arguments.command;
    let types = match show.kind.as_deref() {
        Some(kind) => match predicate_types::uris(kind) {
            Some(types) => Some(types),
            None => {
                let known: Vec<&str> = predicate_types::aliases().collect();
                writeln!(
                    err,
                    "pullward attestation show: --type {}: no predicate type; give a URI, or one of {}",
                    printable(kind, 128),
                    known.join(", ")
                )?;
                return Ok(USAGE);
            }
        },
        None => None,
    };
    let asked = Judging::new(&show.trust, &show.sources, err)
        .and_then(|judging| judging.ask(&show.image, show.digest.as_deref()).map(|asked| (judging, asked)));
    let (judging, asked) = match asked {
        Ok(asked) => asked,
        Err(error) => {
            writeln!(err, "pullward attestation show: {error}")?;
            return Ok(error.exit_code());
        }
    };
    let subject = match &asked.subject {
        Ok(subject) => subject,
        Err(failure) => {
            writeln!(err, "pullward attestation show: {}: {}", failure.reason.code(), failure.detail)?;
            return Ok(CANNOT);
        }
    };
    let (verdict, statements) = asked.engine.statements(judging.trust().believed(), subject, asked.deadline);
    let shown: Vec<(&EvidenceRow, &NotedStatement)> = statements
        .iter()
        .filter_map(|(place, statement)| Some((verdict.evidence.get(*place)?, statement)))
        .filter(|(_, statement)| {
            types.as_ref().is_none_or(|types| types.contains(&statement.predicate_type.as_str()))
        })
        .collect();
    match show.output {
        Output::Json => print_json(&verdict, &shown, out)?,
        Output::Text => print_text(&verdict, &shown, out)?,
    }
    if !shown.is_empty() {
        return Ok(FINE);
    }
    writeln!(err, "pullward attestation show: {}", nothing(&verdict, show.kind.as_deref()))?;
    for row in &verdict.evidence {
        if let Some(code) = &row.code {
            let detail = printable(row.detail.as_deref().unwrap_or_default(), 512);
            writeln!(err, "  {} {}: {code}: {detail}", row.format, printable(&row.digest, 128))?;
        }
    }
    let unknown = crate::verdict::is_error_class(&verdict.reason);
    Ok(if unknown { CANNOT } else { NOT_FINE })
}

fn nothing(verdict: &Verdict, kind: Option<&str>) -> String {
    let kind = kind.map(|kind| format!(" of type {kind}")).unwrap_or_default();
    let failure = if crate::verdict::is_error_class(&verdict.reason) {
        format!(": {}", verdict.message)
    } else {
        "; attach one with cosign attest, and copy attestations along when the image is copied".to_owned()
    };
    printable(&format!("{}: no attestation{kind} verifies{failure}", verdict.reference), 2048)
}

fn print_json(
    verdict: &Verdict,
    shown: &[(&EvidenceRow, &NotedStatement)],
    out: &mut dyn Write,
) -> io::Result<()> {
    let attestations = shown.iter().map(|(row, statement)| Shown {
        predicate_type: &statement.predicate_type,
        evidence: &row.digest,
        format: &row.format,
        source: &row.source,
        authority: row.authority.as_deref(),
        identity: row.identity.as_deref(),
        covered_by: statement.covered.then_some(crate::verdict::COVERED_BY_SIGNATURE),
        summary: statement.summary.as_ref(),
        statement: statement
            .bytes
            .as_deref()
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .and_then(|text| RawValue::from_string(text.to_owned()).ok()),
    });
    let document = Document {
        schema: "pullward/attestations/v1",
        reference: &verdict.reference,
        digest: &verdict.digest,
        attestations: attestations.collect(),
    };
    serde_json::to_writer(&mut *out, &document)?;
    writeln!(out)
}

fn print_text(
    verdict: &Verdict,
    shown: &[(&EvidenceRow, &NotedStatement)],
    out: &mut dyn Write,
) -> io::Result<()> {
    if shown.is_empty() {
        return Ok(());
    }
    writeln!(out, "{}", report::plain(&verdict.reference))?;
    writeln!(out, "{}", report::plain(&verdict.digest))?;
    for (row, statement) in shown {
        writeln!(out)?;
        writeln!(out, "{}", report::plain(predicate_types::short(&statement.predicate_type)))?;
        if statement.covered {
            report::line(out, "signed by", report::COVERED)?;
        } else {
            report::print_signer(row, out)?;
        }
        report::print_source(row, out)?;
        match statement.summary.as_ref().and_then(Value::as_object) {
            Some(summary) => {
                for (name, value) in report::describe(summary) {
                    report::line(out, &name, &value)?;
                }
            }
            None => report::line(
                out,
                "predicate",
                "of a type that is not summarised here; -o json prints it whole",
            )?,
        }
        for package in &statement.packages {
            report::line(out, "package", package)?;
        }
    }
    Ok(())
}
