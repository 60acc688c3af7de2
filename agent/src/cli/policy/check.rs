//! `pullward policy check`

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::super::judging::Output;
use super::super::{FINE, line};
use super::{code_of, report};
use crate::policy::{Policy, Position};

/// Check a policy file and the key files that it names.
///
/// Prints every problem and every warning with file, line and column. Exits with 0 where a trust bundle can be built
/// from it, warnings included; with 1 where not; with 2 where it cannot be read.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    pullward policy check policy.toml\n  \
    pullward policy check -o json policy.toml | jq -r '.warnings[].code'")]
pub(super) struct Check {
    /// The policy file; key files are looked for beside it.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// How to print
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Output,
}

/// The answer for programs.
#[derive(Debug, Serialize)]
struct Answer {
    schema: &'static str,
    file: String,
    result: &'static str,
    rules: usize,
    authorities: usize,
    problems: Vec<Row>,
    warnings: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    code: &'static str,
    line: Option<usize>,
    column: Option<usize>,
    text: String,
}

impl Row {
    fn new(code: &'static str, at: Option<Position>, text: String) -> Self {
        Self { code, line: at.map(|at| at.line), column: at.map(|at| at.column), text }
    }
}

impl Check {
    pub(super) fn run(&self, out: &mut dyn Write, _err: &mut dyn Write) -> io::Result<u8> {
        let read = Policy::read(&self.file);
        let code = read.as_ref().err().map_or(FINE, |problems| code_of(problems));
        match self.output {
            Output::Text => self.text(&read, out)?,
            Output::Json => {
                serde_json::to_writer(&mut *out, &self.answer(&read, code))?;
                writeln!(out)?;
            }
        }
        Ok(code)
    }

    fn text(
        &self,
        read: &Result<Policy, Vec<crate::policy::Problem>>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        match read {
            Ok(policy) => {
                for warning in policy.warnings() {
                    line(out, &warning.to_string())?;
                }
                let (rules, authorities) = (policy.rules(), policy.authorities());
                let warnings = policy.warnings().len();
                let text = format!(
                    "{}: fine: {rules} rules, {authorities} authorities, {warnings} warnings",
                    self.file.display()
                );
                line(out, &text)
            }
            Err(problems) => report(problems, out),
        }
    }

    fn answer(&self, read: &Result<Policy, Vec<crate::policy::Problem>>, code: u8) -> Answer {
        let (policy, problems) = match read {
            Ok(policy) => (Some(policy), &[] as &[_]),
            Err(problems) => (None, problems.as_slice()),
        };
        let warnings = policy.map(Policy::warnings).unwrap_or_default();
        Answer {
            schema: "pullward/policy-check/v1",
            file: self.file.display().to_string(),
            result: match code {
                FINE => "fine",
                super::super::NOT_FINE => "refused",
                _ => "unreadable",
            },
            rules: policy.map_or(0, Policy::rules),
            authorities: policy.map_or(0, Policy::authorities),
            problems: problems
                .iter()
                .map(|problem| Row::new(problem.fault.code(), problem.position, problem.fault.to_string()))
                .collect(),
            warnings: warnings
                .iter()
                .map(|warning| Row::new(warning.doubt.code(), warning.position, warning.doubt.to_string()))
                .collect(),
        }
    }
}
