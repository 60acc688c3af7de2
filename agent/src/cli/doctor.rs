//! `pullward doctor`: every way around enforcement on this node.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::admin;
use super::status::Output;
use crate::config::{self, Config};
use crate::containerd::flavour::Flavour;
use crate::doctor::code::{Code, Severity};
use crate::doctor::{self, Finding, Report, Scope};

/// Looks for every way around enforcement on this node; exit code 1 if one is open, 2 if that could not be found out.
#[derive(Debug, Clone, Args)]
pub struct Doctor {
    /// pullward's configuration; without it the usual one, or the defaults where that is absent.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Whose paths to look at, instead of what the configuration says.
    #[arg(long, value_enum, value_name = "FLAVOUR")]
    pub flavour: Option<Flavour>,
    /// containerd's configuration, or the output of `containerd config dump`, instead of asking the process.
    #[arg(long, value_name = "FILE")]
    pub containerd_config: Option<PathBuf>,
    /// Look for the system's own places below this folder; paths in configurations stand as they are written.
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub root: PathBuf,
    /// For people, or for programs.
    #[arg(short = 'o', long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// Runs the command. Returns the exit code: 0 no way is open, 1 one is, 2 it could not be found out.
///
/// # Errors
/// Only where `out` or `err` cannot be written.
pub fn run(arguments: &Doctor, out: &mut dyn Write, _: &mut dyn Write) -> io::Result<u8> {
    let named = arguments.config.as_deref();
    let file = named.unwrap_or_else(|| Path::new(config::DEFAULT_PATH));
    let report = match Config::load_or_default(named) {
        Ok(config) => {
            let flavour = arguments.flavour.unwrap_or(config.containerd.flavour).or_detect(&arguments.root);
            doctor::examine(&Scope {
                config: &config,
                config_file: &std::path::absolute(file)?,
                root: &arguments.root,
                flavour,
                containerd_config: arguments.containerd_config.as_deref(),
                agent: admin::status(&config).map_err(|error| error.to_string()),
            })
        }
        Err(error) => {
            let finding =
                Finding::of(Code::ConfigUnreadable, error.to_string(), "mend what it says").at(file);
            let flavour = arguments.flavour.unwrap_or_default().or_detect(&arguments.root);
            Report::new(flavour, vec![finding])
        }
    };
    match arguments.output {
        Output::Text => text(&report, out)?,
        Output::Json => json(&report, out)?,
    }
    Ok(report.exit())
}

fn text(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    for finding in &report.findings {
        let word = match finding.severity {
            Severity::Open => "open",
            Severity::Undecided => "not known",
            Severity::Warning => "warning",
            Severity::Fine => "fine",
        };
        writeln!(out, "{word}: {}: {}", finding.code, finding.what)?;
        if !finding.why.is_empty() {
            writeln!(out, "    why: {}", finding.why)?;
        }
        if let Some(change) = &finding.change {
            let file = crate::verdict::printable(&change.file.display().to_string(), 1000);
            match &change.key {
                Some(key) => writeln!(out, "    where: {file}, {}", crate::verdict::printable(key, 200))?,
                None => writeln!(out, "    where: {file}")?,
            }
        }
        if !finding.remedy.is_empty() {
            writeln!(out, "    do: {}", finding.remedy)?;
        }
    }
    let count = |severity| report.findings.iter().filter(|finding| finding.severity == severity).count();
    writeln!(
        out,
        "{}: {} open, {} not known, {} warning(s), {} fine",
        report.flavour.name(),
        count(Severity::Open),
        count(Severity::Undecided),
        count(Severity::Warning),
        count(Severity::Fine)
    )
}

fn json(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Document<'a> {
        schema: &'static str,
        exit: u8,
        flavour: Flavour,
        findings: &'a [Finding],
    }
    let document = Document {
        schema: doctor::SCHEMA,
        exit: report.exit(),
        flavour: report.flavour,
        findings: &report.findings,
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}
