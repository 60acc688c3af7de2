//! `pullward replay`: a recorded verdict, decided again.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use super::judging::Output;
use super::verify;
use crate::record::{Comparison, Record, Replayed};
use crate::verdict::{Decision, Verdict};

/// Decides a recorded verdict again, from the record alone: no network, no clock, no configuration.
///
/// Exit code as of the verdict that is reached; 2 also where it is not the one that was recorded.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  pullward verify --key cosign.pub --record app.record.json registry.example/team/app:v1
  pullward replay app.record.json
  pullward replay -o json app.record.json | jq .decision")]
pub struct Replay {
    /// The record that `pullward verify --record` wrote
    #[arg(value_name = "FILE")]
    record: PathBuf,
    /// How to print
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Output,
}

/// Runs the command and returns its exit code.
///
/// # Errors
/// Only where `out` or `err` cannot be written.
pub fn run(arguments: &Replay, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    let decided =
        Record::read(&arguments.record).and_then(|record| Ok((record.verdict().clone(), record.replay()?)));
    let (recorded_verdict, Replayed { verdict, comparison, conditions }) = match decided {
        Ok(decided) => decided,
        Err(error) => {
            writeln!(err, "pullward replay: {error}")?;
            return Ok(2);
        }
    };
    verify::print(&verdict, arguments.output, out)?;
    for change in &conditions {
        writeln!(err, "note: {change}")?;
    }
    let words = |verdict: &Verdict| match verdict.decision {
        Decision::Allow => format!("allow ({})", verdict.reason),
        Decision::Deny => format!("deny ({})", verdict.reason),
    };
    if (&recorded_verdict.decision, &recorded_verdict.reason) != (&verdict.decision, &verdict.reason) {
        writeln!(err, "note: recorded {}, now {}", words(&recorded_verdict), words(&verdict))?;
    }
    match comparison {
        Comparison::Same => Ok(verdict.exit_code()),
        Comparison::OtherEngine { recorded, decision_kept } => {
            let change = if decision_kept {
                "the decision is the same, its details are not"
            } else {
                "the decision has changed"
            };
            writeln!(err, "note: recorded by {recorded}; by {} {change}", verdict.engine)?;
            Ok(if decision_kept { verdict.exit_code() } else { 2 })
        }
        Comparison::Differs => {
            writeln!(
                err,
                "pullward replay: {}: this engine wrote the record and now reaches another verdict; the record was changed",
                arguments.record.display()
            )?;
            Ok(2)
        }
    }
}
