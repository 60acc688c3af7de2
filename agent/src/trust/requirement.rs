//! What a rule asks of attestations, as it stands in a trust bundle.
//!
//! As in the rest of the payload, every key is always present and in the order of the fields here. What the fields mean
//! is the core's to say: these types are the builder's and the inspector's.

use serde::{Deserialize, Serialize};

use super::time::Time;

/// One requirement: an attestation that must be there, and what it must say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// URIs of predicate types, any of them.
    pub types: Vec<String>,
    /// Names of authorities, any of them.
    pub signed_by: Vec<String>,
    /// Whether statements in the image's own index count where that index is signed.
    pub covered: bool,
    /// Greatest age in seconds.
    pub max_age: Option<u64>,
    /// When the age is judged.
    pub max_age_at: AgeAt,
    /// Bounds on vulnerabilities.
    pub vulnerabilities: Option<Vulnerabilities>,
    /// Who built it from what.
    pub provenance: Option<Provenance>,
    /// What must not be in the image.
    pub packages: Option<Packages>,
    /// A condition in CEL.
    pub condition: Option<Condition>,
}

/// When the age of an attestation is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AgeAt {
    /// When a node first allows the image.
    #[default]
    First,
    /// Each time.
    Always,
}

/// Bounds on the vulnerabilities of a report; null: as many as there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vulnerabilities {
    /// Most critical ones.
    pub critical: Option<u64>,
    /// Most high ones.
    pub high: Option<u64>,
    /// Most medium ones.
    pub medium: Option<u64>,
    /// Most low ones.
    pub low: Option<u64>,
    /// Most without a severity.
    pub unknown: Option<u64>,
    /// Whether only those with a fix count.
    pub fixable_only: bool,
    /// Those that do not count.
    pub ignore: Vec<Ignored>,
    /// Names of authorities whose VEX statements remove findings.
    pub vex: Vec<String>,
}

/// A vulnerability that does not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ignored {
    /// Its identifier, exactly.
    pub id: String,
    /// The first second in which it counts again; null: never.
    pub until: Option<Time>,
}

/// What provenance must say; an empty list asks for nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Globs over the builder's identifier.
    pub builder: Vec<String>,
    /// Globs over the build type.
    pub build_type: Vec<String>,
    /// Globs over the source repository.
    pub source: Vec<String>,
    /// Globs over the source's commit.
    pub commit: Vec<String>,
    /// Globs over the entry point.
    pub entry_point: Vec<String>,
    /// What the build was told from outside.
    pub parameters: Parameters,
    /// Its build arguments.
    pub arguments: Parameters,
    /// Whether it must say what went into the build.
    pub materials: Materials,
    /// Patterns, one of which every base image matches.
    pub base: Vec<String>,
}

/// Which parameters a build must have had, and which not.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// All of these.
    pub require: Vec<Parameter>,
    /// None whose name one of these globs matches.
    pub forbid: Vec<String>,
}

/// A parameter that a build must have had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Its name, exactly.
    pub name: String,
    /// A glob over its value; null: any.
    pub value: Option<String>,
}

/// Whether provenance must say what went into the build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Materials {
    /// It may.
    #[default]
    Optional,
    /// It must.
    Required,
}

/// What must not be in the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Packages {
    /// Packages.
    pub deny: Vec<DeniedPackage>,
    /// Globs over licences.
    pub licenses: Vec<String>,
}

/// A package that must not be in the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum DeniedPackage {
    /// By its package URL.
    Purl {
        /// A glob over it.
        purl: String,
    },
    /// By its name.
    Name {
        /// A glob over it.
        name: String,
        /// A glob over its version; null: any.
        version: Option<String>,
    },
}

/// A condition in CEL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// Name and version of the engine that it was compiled for.
    pub engine: String,
    /// The expression. The only text of a payload that may hold what JSON escapes.
    pub expression: String,
}
