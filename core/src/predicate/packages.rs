//! SPDX 2 and 3 and `CycloneDX`: which packages an image contains.

use super::{Attestation, Context, Unmet};
use crate::json::{Text, Value};
use crate::time::UnixTime;
use crate::trust::TrustError;
use crate::verdict::Reason;

/// The predicate types that are read.
pub const TYPES: [&str; 2] = ["https://spdx.dev/Document", "https://cyclonedx.org/bom"];

/// What a requirement denies.
#[derive(Debug, Clone, Copy)]
pub struct Denied<'a> {
    _value: Value<'a>,
}

impl<'a> Denied<'a> {
    /// Reads and checks it.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn read(value: Value<'a>) -> Result<Self, TrustError> {
        let _value = value;
        Err(TrustError::RuleShape("packages"))
    }

    /// Judges one attestation.
    ///
    /// # Errors
    /// [`Unmet`].
    pub fn judge<'s>(&self, _: &Attestation<'s>, _: &Context<'_>) -> Result<(), Unmet<'s>> {
        Err(Unmet::because(Reason::RequirementUnsupported))
    }
}

/// What a list of packages says.
#[derive(Debug, Clone, Copy)]
pub struct Summary<'s> {
    /// Number of packages.
    pub packages: u32,
    /// The format and its version.
    pub format: &'static str,
    /// When it was made.
    pub made_at: Option<UnixTime>,
    /// The tool that made it.
    pub tool: Option<Text<'s>>,
}

/// Summarises a list of packages.
///
/// # Errors
/// [`Unmet`].
pub fn summarise<'s>(_: &Attestation<'s>, _: &Context<'_>) -> Result<Summary<'s>, Unmet<'s>> {
    Err(Unmet::because(Reason::RequirementUnsupported))
}
