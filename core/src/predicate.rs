//! What attestations say: predicates read over the verified bytes, and the conditions that a requirement puts on them.
//!
//! A requirement of a rule names predicate types and conditions. Each kind of condition has a module that reads it from
//! the trust bundle, checks it there once, and judges one verified [`Attestation`] by it: [`vulnerability`] (with
//! [`vex`]), [`provenance`], [`packages`]. The same module summarises such a predicate for people, so that what is
//! shown and what is judged is one reading.
//!
//! Every condition is met by one attestation or it is not: nothing is pieced together from two (T-23). What cannot be
//! read does not meet anything; a member that a condition asks about and that is absent does not either.
//!
//! What this does *not* check: who signed, and about which image. That was before: an [`Attestation`] is made of
//! verified bytes only.

pub mod packages;
pub mod provenance;
pub mod vex;
pub mod vulnerability;

use core::fmt;

use crate::json::{self, Text, Value};
use crate::oci::Digest;
use crate::time::UnixTime;
use crate::verdict::Reason;

/// A predicate inside a verified statement.
#[derive(Debug, Clone, Copy)]
pub struct Attestation<'s> {
    /// The URI of the predicate's schema.
    pub predicate_type: Text<'s>,
    /// The predicate, of whatever JSON type it is.
    pub predicate: Value<'s>,
}

/// What a condition is judged by besides the predicate.
#[derive(Debug, Clone, Copy)]
pub struct Context<'q> {
    /// The time of the verdict, never before the trust bundle's issue.
    pub time: UnixTime,
    /// The digest that the statement is about.
    pub digest: Digest,
    /// `os/arch[/variant]`.
    pub platform: &'q str,
}

/// Why an attestation does not meet a requirement: a code, and the finding that led to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unmet<'s> {
    /// The stable code.
    pub reason: Reason,
    /// The finding.
    pub finding: Finding<'s>,
}

/// What was found in an attestation that does not meet a requirement; `Display` says it in words that name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding<'s> {
    /// Nothing beyond what the code says.
    None,
    /// The named member is not what its format says, or the predicate is not JSON of that shape.
    Malformed(&'static str),
    /// The named member is absent, and a condition asks about it.
    Missing(&'static str),
    /// The named member has this value, which no entry of the condition matches.
    Other {
        /// What it is: `source`, `builder`, …
        what: &'static str,
        /// What stands there.
        found: Text<'s>,
    },
    /// Two members that must say the same do not.
    Contradiction {
        /// What they say.
        what: &'static str,
        /// The one.
        one: Text<'s>,
        /// The other.
        other: Text<'s>,
    },
    /// More vulnerabilities of a severity than are allowed.
    Vulnerabilities {
        /// The severity, in lower case.
        severity: &'static str,
        /// How many count.
        found: u32,
        /// How many may.
        allowed: u64,
        /// The first one that counts.
        id: Option<Text<'s>>,
        /// The package it is in.
        package: Option<Text<'s>>,
        /// That package's version.
        version: Option<Text<'s>>,
    },
    /// A package that is denied, or has a denied licence.
    Package {
        /// Its name, or its purl.
        name: Text<'s>,
        /// Its version, where one is given.
        version: Option<Text<'s>>,
        /// The licence that is denied; `None` where the package itself is.
        license: Option<Text<'s>>,
    },
    /// It was made at this time.
    MadeAt(UnixTime),
}

impl<'s> Unmet<'s> {
    /// A predicate that is not what its format says.
    #[must_use]
    pub const fn malformed(what: &'static str) -> Self {
        Self { reason: Reason::PredicateMalformed, finding: Finding::Malformed(what) }
    }

    /// A member is absent that a condition asks about.
    #[must_use]
    pub const fn missing(reason: Reason, what: &'static str) -> Self {
        Self { reason, finding: Finding::Missing(what) }
    }

    /// A code that says everything.
    #[must_use]
    pub const fn because(reason: Reason) -> Self {
        Self { reason, finding: Finding::None }
    }
}

impl From<json::Error> for Unmet<'_> {
    fn from(error: json::Error) -> Self {
        match error {
            json::Error::DuplicateKey(key) | json::Error::TwinKey(key) => {
                Self { reason: Reason::PayloadAmbiguous, finding: Finding::Malformed(key) }
            }
            json::Error::MissingKey(key) => Self::malformed(key),
            _ => Self::malformed("predicate"),
        }
    }
}

impl fmt::Display for Finding<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Malformed(what) => write!(f, "its {what} cannot be read"),
            Self::Missing(what) => write!(f, "it says nothing about {what}"),
            Self::Other { what, found } => write!(f, "its {what} is {}", Words(*found)),
            Self::Contradiction { what, one, other } => {
                write!(f, "its {what} is {} in one place and {} in another", Words(*one), Words(*other))
            }
            Self::Vulnerabilities { severity, found, allowed, id, package, version } => {
                write!(f, "{found} {severity} vulnerabilities count where {allowed} are allowed")?;
                if let Some(id) = id {
                    write!(f, ": {}", Words(*id))?;
                }
                if let Some(package) = package {
                    write!(f, " in {}", Words(*package))?;
                }
                if let Some(version) = version {
                    write!(f, " {}", Words(*version))?;
                }
                if *found > 1 && id.is_some() {
                    write!(f, " first")?;
                }
                Ok(())
            }
            Self::Package { name, version, license } => {
                write!(f, "it contains {}", Words(*name))?;
                if let Some(version) = version {
                    write!(f, " {}", Words(*version))?;
                }
                if let Some(license) = license {
                    write!(f, " under {}", Words(*license))?;
                }
                Ok(())
            }
            Self::MadeAt(time) => write!(f, "it was made at {time}"),
        }
    }
}

/// A string of the attestation for people: cut at 128 characters, control characters as `?` (T-98).
#[derive(Debug, Clone, Copy)]
pub struct Words<'s>(pub Text<'s>);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        let mut chars = self.0.chars();
        for c in chars.by_ref().take(128) {
            f.write_char(if c.is_control() { '?' } else { c })?;
        }
        if chars.next().is_some() { f.write_str("...") } else { Ok(()) }
    }
}

/// What a predicate of a known type says, for people and for the verdict.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Summary<'s> {
    /// A vulnerability report.
    Vulnerabilities(vulnerability::Summary<'s>),
    /// Provenance.
    Provenance(provenance::Summary<'s>),
    /// A list of packages.
    Packages(packages::Summary<'s>),
    /// Statements about vulnerabilities.
    Vex(vex::Summary<'s>),
}

/// Summarises a predicate; `None` for a type that is not known here.
///
/// # Errors
/// [`Unmet`] with what cannot be read.
pub fn summarise<'s>(
    attestation: &Attestation<'s>,
    context: &Context<'_>,
) -> Option<Result<Summary<'s>, Unmet<'s>>> {
    let kind = attestation.predicate_type;
    if vulnerability::TYPES.iter().any(|known| kind.is(known)) {
        Some(vulnerability::summarise(attestation, context).map(Summary::Vulnerabilities))
    } else if provenance::TYPES.iter().any(|known| kind.is(known)) {
        Some(provenance::summarise(attestation, context).map(Summary::Provenance))
    } else if packages::TYPES.iter().any(|known| kind.is(known)) {
        Some(packages::summarise(attestation, context).map(Summary::Packages))
    } else if vex::TYPES.iter().any(|known| kind.is(known)) {
        Some(vex::summarise(attestation, context).map(Summary::Vex))
    } else {
        None
    }
}

/// When a predicate was made, by its own word: the end of the scan or build, the creation of the document.
///
/// # Errors
/// [`Reason::AttestationNoTime`] where it does not say, also for types that are not known here;
/// [`Reason::PredicateMalformed`] for a time that is none or has no zone.
pub fn made_at<'s>(attestation: &Attestation<'s>, context: &Context<'_>) -> Result<UnixTime, Unmet<'s>> {
    let made_at = match summarise(attestation, context) {
        Some(Ok(Summary::Vulnerabilities(summary))) => summary.made_at,
        Some(Ok(Summary::Provenance(summary))) => summary.made_at,
        Some(Ok(Summary::Packages(summary))) => summary.made_at,
        Some(Ok(Summary::Vex(summary))) => summary.made_at,
        Some(Err(unmet)) => return Err(unmet),
        None => custom_time(attestation)?,
    };
    made_at.ok_or_else(|| Unmet::missing(Reason::AttestationNoTime, "when it was made"))
}

/// Predicate type of `cosign attest` without a type: `{"Data": …, "Timestamp": …}`.
pub const CUSTOM: &str = "https://cosign.sigstore.dev/attestation/v1";

fn custom_time<'s>(attestation: &Attestation<'s>) -> Result<Option<UnixTime>, Unmet<'s>> {
    if !attestation.predicate_type.is(CUSTOM) {
        return Ok(None);
    }
    let [timestamp] = attestation.predicate.object()?.fields(["Timestamp"], json::UnknownKeys::Skip)?;
    timestamp.map(|value| read_time(value, "Timestamp")).transpose()
}

/// A time as others write it: RFC 3339 with any zone and any fraction.
fn read_time<'s>(value: Value<'_>, what: &'static str) -> Result<UnixTime, Unmet<'s>> {
    let text = value.string().ok().and_then(Text::plain);
    text.and_then(UnixTime::parse_rfc3339).ok_or_else(|| Unmet::malformed(what))
}
