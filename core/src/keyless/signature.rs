//! A signature by a certificate: bytes, certificate and times held together against one trusted root.

use super::certificate::{self, SentCertificates, VerifiedCertificate, verify_certificate};
use super::witness::{SentProofs, WitnessError, Witnessed, witness};
use crate::limits;
use crate::operations::Operations;
use crate::signature::SignatureInvalid;
use crate::signed::Signed;
use crate::time::UnixTime;
use crate::tlog::leaf::{SignedMaterial, Verifier};
use crate::trusted_root::TrustedRoot;
use crate::x509::Certificate;

/// A signature as it was sent, with what stands beside it, and not believed.
#[derive(Debug, Clone, Copy)]
pub struct SentSignature<'a, 'e> {
    /// What it is over.
    pub signed: Signed<'a>,
    /// Its bytes.
    pub signature: &'a [u8],
    /// What timestamps are over.
    pub timestamped: &'a [u8],
    /// Log entries and timestamps.
    pub proofs: SentProofs<'e>,
}

impl SentSignature<'_, '_> {
    /// Asks a root when it was there. The signature has to be the key's already.
    pub(crate) fn witness(
        &self,
        verifier: Verifier<'_>,
        root: &TrustedRoot<'_>,
        now: UnixTime,
        operations: &mut Operations,
        scratch: &mut [u8],
    ) -> Result<Witnessed, WitnessError> {
        let (Verifier::Certificate { key, .. } | Verifier::Key(key)) = verifier;
        let material =
            SignedMaterial { content: self.signed.content(key), signature: self.signature, verifier };
        witness(&self.proofs, &material, self.timestamped, root, now, operations, scratch)
    }
}

/// Why a signature by a certificate does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureError {
    /// The certificate, or what the root says about it.
    Certificate(certificate::Error),
    /// The signature is not by the certificate's key, or over other bytes.
    Signature,
    /// Nobody says when it was there.
    Witness(WitnessError),
    /// No signature operations are left.
    Operations,
}

/// A signature by a certificate that counts, at all the times that are vouched for. Only [`verify_signature`] makes one.
#[derive(Debug, Clone)]
pub struct CertifiedSignature<'e> {
    certificate: VerifiedCertificate<'e>,
    witnessed: Witnessed,
}

impl<'e> CertifiedSignature<'e> {
    /// The certificate.
    #[must_use]
    pub fn certificate(&self) -> &VerifiedCertificate<'e> {
        &self.certificate
    }

    /// When the signature was there.
    #[must_use]
    pub fn witnessed(&self) -> &Witnessed {
        &self.witnessed
    }
}

/// Verifies a signature by a certificate against one trusted root. `scratch` needs
/// [`VERIFY_SIGNATURE_BYTES`](limits::VERIFY_SIGNATURE_BYTES).
///
/// # Errors
/// [`SignatureError`], by what is wrong first: the certificate's form, the signature, entries and timestamps, and then the
/// certificate at their times.
pub fn verify_signature<'e>(
    sent: &SentSignature<'_, '_>,
    certificates: &SentCertificates<'e, '_>,
    root: &TrustedRoot<'_>,
    now: UnixTime,
    operations: &mut Operations,
    scratch: &mut [u8],
) -> Result<CertifiedSignature<'e>, SignatureError> {
    let unreadable = |error| SignatureError::Certificate(certificate::Error::Certificate(error));
    let key = Certificate::read(certificates.leaf).map_err(unreadable)?.public_key().map_err(unreadable)?;
    operations.spend(sent.signed.operations(&key)).map_err(|_| SignatureError::Operations)?;
    sent.signed.verify(&key, sent.signature).map_err(|SignatureInvalid| SignatureError::Signature)?;
    let verifier = Verifier::Certificate { der: certificates.leaf, key: &key };
    let witnessed =
        sent.witness(verifier, root, now, operations, scratch).map_err(SignatureError::Witness)?;
    let certificate = verify_certificate(certificates, root, witnessed.times(), now, operations, scratch)
        .map_err(SignatureError::Certificate)?;
    Ok(CertifiedSignature { certificate, witnessed })
}

const _: () = assert!(
    limits::VERIFY_SIGNATURE_BYTES >= limits::VERIFY_CERTIFICATE_BYTES
        && limits::VERIFY_SIGNATURE_BYTES >= limits::WITNESS_BYTES
);
