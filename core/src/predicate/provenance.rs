//! SLSA provenance v0.2 and v1: who built, from what.

use super::{Attestation, Context, Unmet};
use crate::json::{Text, Value};
use crate::time::UnixTime;
use crate::trust::TrustError;
use crate::verdict::Reason;

/// The predicate types that are read.
pub const TYPES: [&str; 2] = ["https://slsa.dev/provenance/v0.2", "https://slsa.dev/provenance/v1"];

/// What a requirement says about provenance.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    _value: Value<'a>,
}

impl<'a> Expected<'a> {
    /// Reads and checks it.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn read(value: Value<'a>) -> Result<Self, TrustError> {
        let _value = value;
        Err(TrustError::RuleShape("provenance"))
    }

    /// Judges one attestation.
    ///
    /// # Errors
    /// [`Unmet`].
    pub fn judge<'s>(&self, _: &Attestation<'s>, _: &Context<'_>) -> Result<(), Unmet<'s>> {
        Err(Unmet::because(Reason::RequirementUnsupported))
    }
}

/// What provenance says.
#[derive(Debug, Clone, Copy)]
pub struct Summary<'s> {
    /// The builder's identifier.
    pub builder: Option<Text<'s>>,
    /// The build type.
    pub build_type: Option<Text<'s>>,
    /// The source repository, as it is spelled there.
    pub source: Option<Text<'s>>,
    /// The source's commit.
    pub commit: Option<Text<'s>>,
    /// When the build ended.
    pub made_at: Option<UnixTime>,
    /// Materials or resolved dependencies.
    pub materials: u32,
}

/// Summarises provenance.
///
/// # Errors
/// [`Unmet`].
pub fn summarise<'s>(_: &Attestation<'s>, _: &Context<'_>) -> Result<Summary<'s>, Unmet<'s>> {
    Err(Unmet::because(Reason::RequirementUnsupported))
}
