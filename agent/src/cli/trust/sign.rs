//! `pullward trust sign`

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::super::FINE;
use super::{KeyArgs, Stop, build, read_bundle};
use crate::trust::file::{Existing, write_whole};

/// Add signatures to a trust bundle.
///
/// Prints what is signed. Whoever signs a bundle that somebody else built runs `trust build POLICY --check FILE` first.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  pullward trust sign trust.json --key bob.key")]
pub(super) struct Sign {
    /// The bundle; it is rewritten, whole or not at all.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    keys: KeyArgs,
}

impl Sign {
    pub(super) fn run(&self, out: &mut dyn Write, err: &mut dyn Write) -> Result<u8, Stop> {
        if self.keys.keys.is_empty() {
            return Err(Stop::usage("name a root key to sign with: --key ROOT.key"));
        }
        let (mut envelope, payload) = read_bundle(&self.file)?;
        let before = envelope.clone();
        self.keys.sign(&mut envelope, &payload, err)?;
        if envelope != before {
            let file = envelope.to_bytes().map_err(|error| Stop::cannot(error.to_string()))?;
            write_whole(&self.file, &file, 0o644, Existing::Replace)
                .map_err(|error| Stop::cannot(format!("{}: {error}", self.file.display())))?;
        }
        build::summary(&envelope, &payload, out)?;
        Ok(FINE)
    }
}
