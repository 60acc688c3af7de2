//! containerd's NRI plugin: no container is created that the agent does not allow.
//!
//! See `pullward::nri` for what it does and what it leaves to the agent.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use pullward::cli::judging::USAGE;
use pullward::config::{self, Config};

/// Judges each container before containerd creates it, as a plugin of its Node Resource Interface
#[derive(Debug, Parser)]
#[command(
    name = "pullward-nri",
    version,
    after_help = "Runs until it is stopped, and connects again whenever containerd was restarted.\n\
                  Exit codes: 2 could not start, 64 usage"
)]
struct CommandLine {
    /// The node's configuration: `[nri] socket`, `[agent] socket`, `[containerd] address` are read.
    #[arg(long, value_name = "FILE", default_value = config::DEFAULT_PATH)]
    config: PathBuf,
}

fn main() -> ExitCode {
    let line = match CommandLine::try_parse() {
        Ok(line) => line,
        Err(error) => {
            let printed = error.print();
            let fine = !error.use_stderr() && printed.is_ok();
            return ExitCode::from(if fine { 0 } else { USAGE });
        }
    };
    let config = Config::load(&line.config);
    let log = config.as_ref().map(|config| config.log.clone()).unwrap_or_default();
    pullward::log::start(log.format, log.level);
    let error = match config {
        Ok(config) => pullward::nri::run(&config).to_string(),
        Err(error) => error.to_string(),
    };
    tracing::error!("not started: {}", pullward::verdict::printable(&error, 4096));
    ExitCode::from(2)
}
