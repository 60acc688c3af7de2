//! Logs: where they go, in which form, and how much.
//!
//! Levels: `error` something an operator must repair; `warn` something that will become one; `info` the life of
//! the daemon and one line for each verdict; `debug` for us. Standard error, so that the journal has it; nothing
//! of the environment changes any of it.

use std::panic;

use serde::{Deserialize, Serialize};
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Target of the lines about verdicts.
pub const VERDICTS: &str = "pullward::verdict";

/// The form of a line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object in each line.
    Json,
}

/// The least severe lines that are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verbosity {
    /// Errors.
    Error,
    /// Errors and warnings.
    Warn,
    /// And the life of the daemon.
    #[default]
    Info,
    /// And more.
    Debug,
}

impl Verbosity {
    const fn level(self) -> Level {
        match self {
            Self::Error => Level::ERROR,
            Self::Warn => Level::WARN,
            Self::Info => Level::INFO,
            Self::Debug => Level::DEBUG,
        }
    }
}

/// Starts logging to standard error. Verdicts are logged at every verbosity.
///
/// Called once, first thing; a second call changes nothing.
pub fn start(format: Format, verbosity: Verbosity) {
    // Only our own lines: those of libraries may quote what the network sent.
    let filter = Targets::new()
        .with_target("pullward", verbosity.level())
        .with_target(VERDICTS, Level::INFO)
        .with_default(LevelFilter::OFF);
    let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    let started = match format {
        Format::Text => registry.with(layer).try_init(),
        Format::Json => registry.with(layer.json()).try_init(),
    };
    if started.is_ok() {
        panic::set_hook(Box::new(|panicked| {
            let text = crate::verdict::printable(&panicked.to_string(), 4096);
            tracing::error!("panic, please report it: {text}");
        }));
    }
}
