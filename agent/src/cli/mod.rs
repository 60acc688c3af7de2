//! Commands of `pullward`, one module each; [`judging`] is what those that judge have in common.

mod admin;
pub mod agent;
pub mod attestation;
pub mod audit;
pub mod doctor;
pub mod judging;
pub mod policy;
pub mod repair;
pub mod replay;
pub mod report;
pub mod setup;
pub mod status;
pub mod store;
pub mod tree;
pub mod trust;
pub mod verify;

use std::io::{self, Write};

/// Exit code: allowed, or fine.
pub(crate) const FINE: u8 = 0;
/// Exit code: denied, or not fine.
pub(crate) const NOT_FINE: u8 = 1;
/// Exit code: it could not be found out, or could not be done.
pub(crate) const CANNOT: u8 = 2;

/// Longest line that a command prints, in bytes.
const LINE_BYTES: usize = 4096;

/// Prints a line. What came from a file cannot steer the terminal (T-98).
pub(crate) fn line(to: &mut dyn Write, text: &str) -> io::Result<()> {
    writeln!(to, "{}", crate::verdict::printable(text, LINE_BYTES))
}
