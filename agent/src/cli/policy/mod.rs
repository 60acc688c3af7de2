//! `pullward policy`: policy files before they become trust bundles.

mod check;
mod import;
mod test;

use std::io::{self, Write};

use clap::{Args, Subcommand};

use super::{CANNOT, NOT_FINE, line};
use crate::policy::{Fault, Problem};

/// Works with policy files.
#[derive(Debug, Clone, Args)]
pub struct PolicyArgs {
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Debug, Clone, Subcommand)]
enum PolicyCommand {
    Check(check::Check),
    Import(import::Import),
    Test(test::Test),
}

/// Runs the command and returns its exit code.
///
/// # Errors
/// Only where `out` or `err` cannot be written.
pub fn run(arguments: &PolicyArgs, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    match &arguments.command {
        PolicyCommand::Check(check) => check.run(out, err),
        PolicyCommand::Import(import) => import.run(out, err),
        PolicyCommand::Test(test) => test.run(out, err),
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
