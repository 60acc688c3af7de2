//! `pullward store`: what the evidence store of this node holds, and what leaves it.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::status::Output;
use super::{CANNOT, FINE, line};
use crate::config::Config;
use crate::decide::wall_clock;
use crate::evidence::store::collect::{Doing, Operators, Removed};
use crate::evidence::store::{Item, Store, StoreError};
use crate::verdict::printable;

/// `pullward store`
#[derive(Debug, Clone, Args)]
pub struct StoreArgs {
    #[command(subcommand)]
    command: StoreCommand,
}

#[derive(Debug, Clone, Subcommand)]
enum StoreCommand {
    /// What the store lists, and who put it there.
    List(On),
    /// Removes what is over: evidence that no verdict has used for the configured `retain`, and what was fetched and never used.
    Gc {
        #[command(flatten)]
        on: On,
        /// Only say what would go.
        #[arg(long)]
        dry_run: bool,
        /// Also remove what operators put there, once its file is older than that.
        #[arg(long)]
        operators: bool,
    },
}

#[derive(Debug, Clone, Args)]
struct On {
    /// pullward's configuration; without it the usual one, or the defaults where that is absent.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// For people, or for programs.
    #[arg(short = 'o', long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// Runs the command. Returns the exit code.
///
/// # Errors
/// Only where `out` or `err` cannot be written.
pub fn run(arguments: &StoreArgs, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    let (StoreCommand::List(on) | StoreCommand::Gc { on, .. }) = &arguments.command;
    let config = match Config::load_or_default(on.config.as_deref()) {
        Ok(config) => config,
        Err(error) => return refused(&error.to_string(), err),
    };
    let store = Store::of(&config.store);
    let done = match &arguments.command {
        StoreCommand::List(_) => store.list().map(|entries| Answer::List { schema: LIST, entries }),
        StoreCommand::Gc { dry_run, operators, .. } => collect(&store, *dry_run, *operators),
    };
    match done {
        Ok(answer) => {
            match on.output {
                Output::Text => answer.text(out)?,
                Output::Json => {
                    serde_json::to_writer_pretty(&mut *out, &answer)?;
                    writeln!(out)?;
                }
            }
            Ok(FINE)
        }
        Err(error) => refused(&error.to_string(), err),
    }
}

fn collect(store: &Store, dry_run: bool, operators: bool) -> Result<Answer, StoreError> {
    let doing = if dry_run { Doing::DryRun } else { Doing::Really };
    let operators = if operators { Operators::Collect } else { Operators::Keep };
    store.collect(wall_clock(), operators, doing).map(|removed| Answer::Gc { schema: GC, dry_run, removed })
}

const LIST: &str = "pullward/store-list/v1";
const GC: &str = "pullward/store-gc/v1";

#[derive(Serialize)]
#[serde(untagged)]
enum Answer {
    List { schema: &'static str, entries: Vec<Item> },
    Gc { schema: &'static str, dry_run: bool, removed: Vec<Removed> },
}

impl Answer {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::List { entries, .. } => {
                for item in entries {
                    let used = match (&item.kept, &item.used) {
                        (_, Some(used)) => format!("used {used}"),
                        (Some(kept), None) => format!("fetched {kept}, not used"),
                        (None, None) => "stays".to_owned(),
                    };
                    let name = item.name.as_deref().unwrap_or("-");
                    line(out, &format!("{}  {:<8}  {used}  {name}", item.digest, item.by))?;
                }
                writeln!(out, "{} entries", entries.len())
            }
            Self::Gc { dry_run, removed, .. } => {
                for item in removed {
                    line(
                        out,
                        &format!("{}  {}  {}", item.digest, item.why, item.name.as_deref().unwrap_or("-")),
                    )?;
                }
                let verb = if *dry_run { "would be removed" } else { "removed" };
                writeln!(out, "{} entries {verb}", removed.len())
            }
        }
    }
}

fn refused(problem: &str, err: &mut dyn Write) -> io::Result<u8> {
    writeln!(err, "pullward store: {}", printable(problem, 1000))?;
    Ok(CANNOT)
}
