//! `OpenVEX`: which findings do not affect this image.

use super::{Attestation, Context, Unmet};
use crate::json::Text;
use crate::time::UnixTime;
use crate::verdict::Reason;

/// The predicate types that are read.
pub const TYPES: [&str; 2] = ["https://openvex.dev/ns", "https://openvex.dev/ns/v0.2.0"];

/// A finding that a VEX statement may remove.
#[derive(Debug, Clone, Copy)]
pub struct Suspect<'s> {
    /// The vulnerability's identifier.
    pub id: Text<'s>,
    /// The package's purl, where the report has one.
    pub purl: Option<Text<'s>>,
}

/// One claim of a verified VEX document that removes findings, small enough to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// SHA-256 of the vulnerability's identifier, cut to 16 bytes.
    pub id: [u8; 16],
    /// The same of the package's purl; `None` where the claim is about the whole image.
    pub package: Option<[u8; 16]>,
}

impl Claim {
    /// Whether it is about this finding.
    #[must_use]
    pub fn excuses(&self, _suspect: &Suspect<'_>) -> bool {
        false
    }
}

/// Hands over each claim of a document that removes findings from this image.
///
/// # Errors
/// [`Unmet`]; nothing that was handed over counts then.
pub fn claims<'s>(
    _attestation: &Attestation<'s>,
    _context: &Context<'_>,
    _sink: &mut dyn FnMut(Claim) -> Result<(), Unmet<'s>>,
) -> Result<(), Unmet<'s>> {
    Err(Unmet::because(Reason::RequirementUnsupported))
}

/// What a document says.
#[derive(Debug, Clone, Copy)]
pub struct Summary<'s> {
    /// Statements that remove findings (`not_affected`, `fixed`), and all others.
    pub removing: u32,
    /// All others.
    pub others: u32,
    /// When it was made.
    pub made_at: Option<UnixTime>,
    /// Its author.
    pub author: Option<Text<'s>>,
}

/// Summarises a document.
///
/// # Errors
/// [`Unmet`].
pub fn summarise<'s>(_: &Attestation<'s>, _: &Context<'_>) -> Result<Summary<'s>, Unmet<'s>> {
    Err(Unmet::because(Reason::RequirementUnsupported))
}
