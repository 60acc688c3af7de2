//! Says which of the tests that need peers really ran.
//!
//! A test that returns early for want of its peers counts as passed. So each one writes a line to
//! `target/peer-tests.log` when it has run to its end, or when it has not, and says the same on the
//! terminal, past the capture of `cargo test`. Lines are appended; whoever wants one run's alone
//! removes the file first.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use crate::Error;

/// Notes that the test `name` ran to its end against the real peers.
///
/// # Errors
/// [`Error::Io`] when the line cannot be written.
pub fn ran(name: &str) -> Result<(), Error> {
    note(&format!("ran {name}"))
}

pub(crate) fn skipped(name: &str, reason: &Error) -> Result<(), Error> {
    note(&format!("skipped {name}: {reason}"))
}

fn note(line: &str) -> Result<(), Error> {
    let folder = repository().join("target");
    let path = folder.join("peer-tests.log");
    std::fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
    let line = format!("{line}\n");
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .and_then(|mut file| file.write_all(line.as_bytes()))
        .map_err(Error::io(&path))?;
    // A closed standard output is no reason to fail: the file has the line.
    drop(std::io::stdout().write_all(line.as_bytes()));
    Ok(())
}

/// The repository's top folder.
pub(crate) fn repository() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}
