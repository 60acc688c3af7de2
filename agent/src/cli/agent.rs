//! `pullward agent`: the daemon.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use crate::config::{self, Config};
use crate::evidence::store::keeper::Keeper;
use crate::rejudge::Rejudging;
use crate::server::Judge;
use crate::server::trust::TrustSource;

/// Runs the node agent until SIGTERM.
#[derive(Debug, Clone, Args)]
pub struct Agent {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = config::DEFAULT_PATH)]
    pub config: PathBuf,
    /// Print the configuration with every key filled in, and stop.
    #[arg(long)]
    pub print_config: bool,
}

/// What the daemon needs beside its configuration.
pub struct Parts {
    /// Judges images.
    pub judge: Arc<dyn Judge>,
    /// Loads trust bundles.
    pub trust: Box<dyn TrustSource>,
    /// Writes the evidence store.
    pub keeper: Arc<Keeper>,
    /// Judges again what was let in under an older bundle.
    pub rejudging: Arc<Rejudging>,
}

/// Runs the command: `assemble` makes the judge for a configuration. Returns the exit code.
///
/// # Errors
/// Only where `out` or `err` cannot be written.
pub fn run<A>(arguments: &Agent, assemble: A, out: &mut dyn Write, err: &mut dyn Write) -> std::io::Result<u8>
where
    A: FnOnce(&Config) -> Result<Parts, String>,
{
    let config = match Config::load(&arguments.config) {
        Ok(config) => config,
        Err(error) => {
            writeln!(err, "pullward agent: {error}")?;
            return Ok(2);
        }
    };
    if arguments.print_config {
        write!(out, "{}", config.print())?;
        return Ok(0);
    }
    crate::log::start(config.log.format, config.log.level);
    let started = assemble(&config)
        .and_then(|parts| crate::service::run(&config, parts).map_err(|error| error.to_string()));
    match started {
        Ok(_) => Ok(0),
        Err(error) => {
            tracing::error!("not started: {}", crate::verdict::printable(&error, 4096));
            Ok(2)
        }
    }
}
