//! The policy file: what people write.
//!
//! [`Source`] is its text, [`PolicyFile`] the same as TOML fields, [`Policy`] what it means with
//! every key file read, ready to become the payload of a trust bundle. Each step reports
//! [`Problem`]s with line and column; a policy with a problem never becomes a bundle.
//!
//! What this does *not* do: judge images. That is the core's, over the bundle.

mod attestation;
mod check;
mod file;
pub mod import;
mod keyless;
mod keys;
pub mod predicate_types;
mod problem;
mod revoke;
mod source;
mod text;
mod threshold;
mod warnings;

#[cfg(test)]
mod attestation_tests;
#[cfg(test)]
mod keyless_tests;
#[cfg(test)]
mod liveness_tests;
#[cfg(test)]
mod tests;

use std::path::Path;

pub use file::PolicyFile;
pub use keys::PublicKeyFile;
pub(crate) use problem::nearest;
pub use problem::{Fault, Problem};
pub use source::{Position, Source, read_capped};
pub use text::is_audience;
pub use warnings::{Doubt, Warning};

use pullward_core::trust::SCHEMA;

use crate::trust::payload::{
    self, AfterExpiry, Authority, DigestList, Override, Part, Payload, Revoked, Rule, TrustedRoot,
};
use crate::trust::time::Time;

/// A policy that was checked: a trust bundle's payload but for version and times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    audience: String,
    after_expiry: AfterExpiry,
    r#override: Option<Override>,
    authorities: Vec<Authority>,
    trusted_roots: Vec<TrustedRoot>,
    rules: Vec<Rule>,
    digest_lists: Vec<DigestList>,
    revoked: Revoked,
    parts: Vec<Part>,
    warnings: Vec<Warning>,
}

impl Policy {
    /// Reads a policy file and the key files that it names.
    ///
    /// # Errors
    /// Every [`Problem`] that was found, in the order of the file; where the file is not TOML or has
    /// an unknown field, only the first.
    pub fn read(path: &Path) -> Result<Self, Vec<Problem>> {
        let source = Source::read(path)?;
        Self::from_source(&source)
    }

    /// The same for a text that is not in a file.
    ///
    /// # Errors
    /// As [`Policy::read`].
    pub fn from_source(source: &Source) -> Result<Self, Vec<Problem>> {
        let file = PolicyFile::parse(source)?;
        check::check(source, &file)
    }

    /// What it says well but probably does not mean.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// How many rules it has.
    #[must_use]
    pub fn rules(&self) -> usize {
        self.rules.len()
    }

    /// How many authorities it has.
    #[must_use]
    pub fn authorities(&self) -> usize {
        self.authorities.len()
    }

    /// The payload of a trust bundle: the same policy, key files, version and times give the same bytes.
    #[must_use]
    pub fn into_payload(self, version: u64, issued: Time, expires: Time) -> Payload {
        Payload {
            schema: SCHEMA,
            min_engine: payload::min_engine(&self.authorities, &self.rules),
            audience: self.audience,
            version,
            issued,
            expires,
            after_expiry: self.after_expiry,
            r#override: self.r#override,
            authorities: self.authorities,
            trusted_roots: self.trusted_roots,
            rules: self.rules,
            digest_lists: self.digest_lists,
            revoked: self.revoked,
            parts: self.parts,
        }
    }
}
