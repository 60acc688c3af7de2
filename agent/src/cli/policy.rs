//! `pullward policy`: policy files before they become trust bundles.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{CANNOT, FINE, NOT_FINE, line};
use crate::policy::{Fault, Policy, Problem};

/// Works with policy files.
#[derive(Debug, Clone, Args)]
pub struct PolicyArgs {
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Debug, Clone, Subcommand)]
enum PolicyCommand {
    Check(Check),
}

/// Check a policy file and the key files that it names.
///
/// Prints every problem and every warning with file, line and column. Exits with 0 where a trust bundle can be built
/// from it, with 1 where not, with 2 where it cannot be read.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  pullward policy check policy.toml")]
struct Check {
    /// The policy file; key files are looked for beside it.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Runs the command and returns its exit code.
///
/// # Errors
/// Only where `out` or `err` cannot be written.
pub fn run(arguments: &PolicyArgs, out: &mut dyn Write, _err: &mut dyn Write) -> io::Result<u8> {
    let PolicyCommand::Check(check) = &arguments.command;
    match Policy::read(&check.file) {
        Ok(policy) => {
            for warning in policy.warnings() {
                line(out, &warning.to_string())?;
            }
            let (rules, authorities) = (policy.rules(), policy.authorities());
            let warnings = policy.warnings().len();
            let text = format!(
                "{}: fine: {rules} rules, {authorities} authorities, {warnings} warnings",
                check.file.display()
            );
            line(out, &text)?;
            Ok(FINE)
        }
        Err(problems) => {
            report(&problems, out)?;
            Ok(code_of(&problems))
        }
    }
}

/// Prints problems, one a line.
pub(super) fn report(problems: &[Problem], to: &mut dyn Write) -> io::Result<()> {
    problems.iter().try_for_each(|problem| line(to, &problem.to_string()))
}

/// The exit code of a policy with problems: whether it is wrong, or could not be read at all.
pub(super) fn code_of(problems: &[Problem]) -> u8 {
    let unreadable = |problem: &Problem| matches!(problem.fault, Fault::Unreadable { .. });
    if problems.iter().all(unreadable) { CANNOT } else { NOT_FINE }
}
