//! X.509 certificates (RFC 5280), as much of them as signing and timestamping ask for.
//!
//! [`Certificate::read`] takes one apart: strict DER, version 3, every extension once. It borrows, keeps the signed bytes
//! as they are, and judges nothing. [`verify_path`] judges: it finds the way from a leaf to an anchor and holds every
//! certificate on it to its profile, at every time that was verified. Whom the leaf is for is [`fulcio`]'s.
//!
//! Names are compared byte for byte and never turned into text: there is no code that prints a distinguished name, and
//! so none that can be confused by one (T-51). Revocation lists are not looked at; a short-lived certificate has none,
//! and what is revoked is said by the policy.

mod algorithm;
mod certificate;
mod extension;
pub mod fulcio;
mod name_constraints;
mod path;

pub use algorithm::{digest_algorithm, signature_algorithm};
pub use certificate::Certificate;
pub use extension::{BasicConstraints, Extension, ExtensionKind, Extensions, KeyUsage, Purpose, Purposes};
pub use path::{Anchor, Path, check_authority, check_leaf, verify_path};

use crate::der;
use crate::signature::KeyError;

/// Why bytes are not a certificate, or a certificate is not on a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// Longer than [`CERTIFICATE_BYTES`](crate::limits::CERTIFICATE_BYTES).
    TooLarge,
    /// Not strict DER of this shape.
    Der(der::Error),
    /// Not version 3.
    Version,
    /// A serial number that is zero, negative or longer than 20 octets.
    Serial,
    /// The algorithm inside the signed bytes is not the one outside.
    AlgorithmMismatch,
    /// No issuer, or an authority without a subject.
    Name,
    /// It ends before it begins.
    Validity,
    /// An extension that is there twice.
    DuplicateExtension,
    /// More extensions than [`EXTENSIONS`](crate::limits::EXTENSIONS).
    TooManyExtensions,
    /// The content of this extension is not what its specification says.
    Extension(ExtensionKind),
    /// An extension that must be understood, and is not.
    CriticalExtension,
    /// A key of a kind that this build does not have, or no key at all.
    Key(KeyError),
    /// A signature algorithm that is not one of [`SignatureAlgorithm`](crate::signature::SignatureAlgorithm).
    SignatureAlgorithm,
    /// A certificate that names itself as its issuer, where only an anchor may (T-42).
    SelfIssued,
    /// More certificates than [`PATH_CANDIDATES`](crate::limits::PATH_CANDIDATES).
    TooManyCertificates,
    /// The path would be longer than [`PATH_LENGTH`](crate::limits::PATH_LENGTH).
    PathTooLong,
    /// Nobody at hand has the name of the issuer.
    UnknownIssuer,
    /// Somebody has the issuer's name, and the signature is not by its key.
    Signature,
    /// No verified time, and so nothing to hold a validity against.
    NoTime,
    /// A verified time is outside a certificate's validity.
    Expired,
    /// A verified time is outside the window in which the anchor is trusted.
    AnchorWindow,
    /// An issuer that is not an authority: basic constraints or key usage do not say so.
    NotAuthority,
    /// An authority where the leaf should be.
    LeafIsAuthority,
    /// The leaf's key usage does not include signing.
    LeafKeyUsage,
    /// The leaf is not for this purpose, or an authority above it may not issue for it.
    Purpose,
    /// More authorities below one than its path length constraint allows.
    PathLengthConstraint,
    /// The leaf's name is outside what an authority may name, or a constraint is of a kind that is not supported.
    NameConstraint,
    /// No signature operations are left.
    Operations,
}

impl From<der::Error> for Error {
    fn from(error: der::Error) -> Self {
        Self::Der(error)
    }
}

impl From<crate::operations::Exhausted> for Error {
    fn from(_: crate::operations::Exhausted) -> Self {
        Self::Operations
    }
}
