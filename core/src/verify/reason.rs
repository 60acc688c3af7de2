//! Which stable code goes with which error.

use super::{Error, SignerState};
#[cfg(feature = "keyless")]
use crate::keyless::{self, SignatureError, WitnessError};
use crate::verdict::Reason;
use crate::{bundle, dsse, intoto, json, simple_signing};
#[cfg(feature = "keyless")]
use crate::{sct, timestamp, tlog, x509};

impl Error {
    /// The stable code.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Self::TooLarge => Reason::EvidenceTooLarge,
            Self::Bundle(error) => match error {
                bundle::Error::Json(_) | bundle::Error::Content => Reason::EnvelopeMalformed,
                bundle::Error::Version => Reason::BundleVersion,
                bundle::Error::Certificate => Reason::CertificateUnsupported,
                bundle::Error::MessageSignature => Reason::MessageSignatureUnsupported,
                bundle::Error::Envelope(error) => reason_of_envelope(error),
                #[cfg(feature = "keyless")]
                bundle::Error::Signature(_) => Reason::SignatureMalformed,
            },
            Self::Envelope(error) => reason_of_envelope(error),
            Self::Signature(_) => Reason::SignatureMalformed,
            Self::NoKey => Reason::UntrustedKey,
            Self::Signer(state) => match state {
                SignerState::Revoked => Reason::KeyRevoked,
                SignerState::AuthorityRevoked => Reason::AuthorityRevoked,
                SignerState::Retired => Reason::KeyRetired,
                SignerState::Windowed => Reason::KeyWindowNoTime,
                SignerState::OutsideWindow => Reason::KeyWindowOutside,
                SignerState::OtherIdentity => Reason::IdentityMismatch,
                SignerState::IdentityRevoked => Reason::IdentityRevoked,
                SignerState::CertificateRevoked => Reason::CertificateRevoked,
                // What the root says is told instead.
                SignerState::Unwitnessed => Reason::TimestampMissing,
                // Never the reason of a refusal.
                SignerState::Usable => Reason::InternalError,
            },
            Self::SimpleSigning(error) => match error {
                simple_signing::Error::Json(error) => reason_of_payload(error),
                simple_signing::Error::PayloadType => Reason::PayloadType,
                simple_signing::Error::Digest(_) => Reason::PayloadDigest,
                simple_signing::Error::DigestMismatch => Reason::DigestMismatch,
            },
            Self::Statement(error) => match error {
                intoto::Error::Json(error) => reason_of_payload(error),
                intoto::Error::StatementType => Reason::StatementVersion,
                intoto::Error::SubjectEmpty | intoto::Error::SubjectCount => Reason::StatementSubjects,
                intoto::Error::SubjectDigest => Reason::PayloadDigest,
                intoto::Error::SubjectMismatch => Reason::DigestMismatch,
            },
            #[cfg(feature = "keyless")]
            Self::Certificates(error) => reason_of_certificates(error),
            #[cfg(feature = "keyless")]
            Self::Witness(error) => reason_of_witness(error),
            #[cfg(feature = "keyless")]
            Self::TrustedRoot => Reason::TrustedRootInvalid,
            #[cfg(feature = "keyless")]
            Self::CertificateEncoding(_) => Reason::CertificateMalformed,
            Self::Scratch => Reason::InternalError,
            Self::Budget => Reason::SignatureLimit,
        }
    }
}

fn reason_of_envelope(error: dsse::Error) -> Reason {
    match error {
        dsse::Error::Json(_) | dsse::Error::Payload(_) => Reason::EnvelopeMalformed,
        dsse::Error::SignatureCount => Reason::EnvelopeSignatures,
        dsse::Error::PayloadType => Reason::PayloadType,
        dsse::Error::PayloadTooLarge => Reason::EvidenceTooLarge,
        dsse::Error::Signature(_) => Reason::SignatureMalformed,
        dsse::Error::Scratch => Reason::InternalError,
    }
}

fn reason_of_payload(error: json::Error) -> Reason {
    match error {
        json::Error::DuplicateKey(_) | json::Error::TwinKey(_) => Reason::PayloadAmbiguous,
        _ => Reason::PayloadMalformed,
    }
}

#[cfg(feature = "keyless")]
fn reason_of_certificates(error: SignatureError) -> Reason {
    match error {
        SignatureError::Certificate(error) => match error {
            keyless::Error::Certificate(error) => reason_of_certificate(error),
            keyless::Error::TooManyTimes => Reason::TimestampInvalid,
            keyless::Error::Future => Reason::TimeFromFuture,
            keyless::Error::RootSent | keyless::Error::NoAuthority => Reason::CertificateUntrusted,
            keyless::Error::TrustedRoot(_) => Reason::TrustedRootInvalid,
            keyless::Error::Sct(error) => match error {
                sct::Error::Missing => Reason::SctMissing,
                sct::Error::TrustedRoot(_) => Reason::TrustedRootInvalid,
                sct::Error::Scratch => Reason::InternalError,
                sct::Error::Operations => Reason::SignatureLimit,
                _ => Reason::SctInvalid,
            },
            keyless::Error::Identity(_) => Reason::CertificateMalformed,
        },
        SignatureError::Signature => Reason::SignatureInvalid,
        SignatureError::Witness(error) => reason_of_witness(error),
        SignatureError::Operations => Reason::SignatureLimit,
    }
}

#[cfg(feature = "keyless")]
fn reason_of_certificate(error: x509::Error) -> Reason {
    use x509::Error;
    match error {
        Error::Expired | Error::AnchorWindow => Reason::TimeOutsideCertificate,
        Error::NoTime => Reason::TimestampMissing,
        Error::Operations => Reason::SignatureLimit,
        Error::UnknownIssuer
        | Error::Signature
        | Error::SelfIssued
        | Error::PathTooLong
        | Error::NotAuthority
        | Error::LeafIsAuthority
        | Error::LeafKeyUsage
        | Error::Purpose
        | Error::PathLengthConstraint
        | Error::NameConstraint
        | Error::CriticalExtension => Reason::CertificateUntrusted,
        _ => Reason::CertificateMalformed,
    }
}

#[cfg(feature = "keyless")]
fn reason_of_witness(error: WitnessError) -> Reason {
    match error {
        WitnessError::Json(_) => Reason::EnvelopeMalformed,
        WitnessError::EntryMissing => Reason::LogEntryMissing,
        WitnessError::Entry(tlog::Error::NoInclusion) => Reason::LogProofMissing,
        WitnessError::Entry(tlog::Error::UnknownLog) => Reason::LogUnknown,
        WitnessError::Entry(tlog::Error::Body(tlog::leaf::Error::Differs)) => Reason::LogEntryMismatch,
        WitnessError::Entry(tlog::Error::Budget) => Reason::SignatureLimit,
        WitnessError::Entry(_) | WitnessError::LogKeyWindow => Reason::LogEntryInvalid,
        WitnessError::TimestampMissing => Reason::TimestampMissing,
        WitnessError::Timestamp(timestamp::Error::Operations) => Reason::SignatureLimit,
        WitnessError::Timestamp(timestamp::Error::TrustedRoot(_)) => Reason::TrustedRootInvalid,
        WitnessError::TimestampEncoding(_) | WitnessError::Timestamp(_) | WitnessError::TooManyTimes => {
            Reason::TimestampInvalid
        }
        WitnessError::Future => Reason::TimeFromFuture,
        WitnessError::Scratch => Reason::InternalError,
    }
}
