//! `pullward-cri --config FILE`: kubelet's container runtime endpoint, in front of containerd's.
//!
//! See `pullward::cri` for what it judges and what it passes. Exit code: 0 stopped in good order, 2 not started, 64 usage.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use pullward::config::{self, Config};
use pullward::cri::serve;

/// Stands between kubelet and containerd: pulls and starts are judged by the agent, everything else passes
#[derive(Debug, Parser)]
#[command(name = "pullward-cri", version)]
struct CommandLine {
    /// The configuration file, the agent's own
    #[arg(long, value_name = "FILE", default_value = config::DEFAULT_PATH)]
    config: PathBuf,
}

fn main() -> ExitCode {
    let line = match CommandLine::try_parse() {
        Ok(line) => line,
        Err(error) => {
            let printed = error.print();
            let fine = !error.use_stderr() && printed.is_ok();
            return ExitCode::from(if fine { 0 } else { 64 });
        }
    };
    let config = match Config::load(&line.config) {
        Ok(config) => config,
        Err(error) => {
            let _told = writeln!(std::io::stderr(), "pullward-cri: {error}");
            return ExitCode::from(2);
        }
    };
    pullward::log::start(config.log.format, config.log.level);
    match serve::run(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("not started: {}", pullward::verdict::printable(&error.to_string(), 4096));
            ExitCode::from(2)
        }
    }
}
