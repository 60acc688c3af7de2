//! One certificate, read and not judged.

use sha2::{Digest as _, Sha256};

use super::extension::Profile;
use super::{BasicConstraints, Error, Extensions, KeyUsage, Purposes, signature_algorithm};
use crate::der::{Reader, SEQUENCE, context_constructed};
use crate::limits;
use crate::signature::{Message, PublicKey, SignatureAlgorithm, SignatureInvalid, SignedFormat};
use crate::time::{UnixTime, Window};

/// A certificate. It borrows its DER.
///
/// That it could be read says nothing about whom it is from: only [`verify_path`](super::verify_path) does.
#[derive(Debug, Clone, Copy)]
pub struct Certificate<'a> {
    raw: &'a [u8],
    tbs: &'a [u8],
    serial: &'a [u8],
    issuer: &'a [u8],
    subject: &'a [u8],
    validity: Window,
    not_after: UnixTime,
    spki: &'a [u8],
    extensions: Extensions<'a>,
    pub(super) profile: Profile<'a>,
    algorithm: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Certificate<'a> {
    /// Reads the DER of one certificate, with nothing behind it.
    ///
    /// # Errors
    /// [`Error`] for what is not strict DER, not version 3, or says one thing twice. The kind of its key and of its
    /// signature are looked at when they are used.
    pub fn read(der: &'a [u8]) -> Result<Self, Error> {
        if der.len() > limits::CERTIFICATE_BYTES {
            return Err(Error::TooLarge);
        }
        let mut outer = Reader::new(der);
        let mut certificate = outer.open(SEQUENCE)?;
        outer.end()?;
        let tbs = certificate.element(SEQUENCE)?;
        let algorithm = certificate.element(SEQUENCE)?.raw;
        let signature = certificate.bit_string()?;
        certificate.end()?;

        let mut fields = Reader::new(tbs.content);
        // The version's default is 1, so that 3 is always written.
        let mut version = fields.open_optional(context_constructed(0))?.ok_or(Error::Version)?;
        if version.small()? != 2 {
            return Err(Error::Version);
        }
        version.end()?;
        let serial = fields.integer()?;
        if serial.len() > 20 || serial.first().is_none_or(|first| *first >= 0x80) {
            return Err(Error::Serial);
        }
        if fields.element(SEQUENCE)?.raw != algorithm {
            return Err(Error::AlgorithmMismatch);
        }
        let issuer = fields.element(SEQUENCE)?;
        if issuer.content.is_empty() {
            return Err(Error::Name);
        }
        let mut validity = fields.open(SEQUENCE)?;
        let (not_before, not_after) = (validity.time()?, validity.time()?);
        validity.end()?;
        if not_after < not_before {
            return Err(Error::Validity);
        }
        let subject = fields.element(SEQUENCE)?.raw;
        let spki = fields.element(SEQUENCE)?.raw;
        // Unique identifiers, which no authority may write (RFC 5280 section 4.1.2.8), are in the way of this.
        let extensions = match fields.open_optional(context_constructed(3))? {
            Some(mut wrapper) => {
                let list = Extensions::read(wrapper.take(SEQUENCE)?)?;
                wrapper.end()?;
                list
            }
            None => Extensions::none(),
        };
        fields.end()?;
        Ok(Self {
            raw: der,
            tbs: tbs.raw,
            serial,
            issuer: issuer.raw,
            subject,
            validity: Window { start: not_before, end: Some(not_after) },
            not_after,
            spki,
            extensions,
            profile: Profile::read(&extensions)?,
            algorithm,
            signature,
        })
    }

    /// The whole certificate, as it was read.
    #[must_use]
    pub fn der(&self) -> &'a [u8] {
        self.raw
    }

    /// What is signed: the TBSCertificate, its tag and length included.
    #[must_use]
    pub fn tbs(&self) -> &'a [u8] {
        self.tbs
    }

    /// The serial number: two's complement, minimal, not negative, at most 20 octets.
    #[must_use]
    pub fn serial(&self) -> &'a [u8] {
        self.serial
    }

    /// The issuer's name, as encoded.
    #[must_use]
    pub fn issuer(&self) -> &'a [u8] {
        self.issuer
    }

    /// The subject's name, as encoded; an empty SEQUENCE where there is none.
    #[must_use]
    pub fn subject(&self) -> &'a [u8] {
        self.subject
    }

    /// When it is valid, both ends included.
    #[must_use]
    pub fn validity(&self) -> Window {
        self.validity
    }

    /// First second of its validity.
    #[must_use]
    pub fn not_before(&self) -> UnixTime {
        self.validity.start
    }

    /// Last second of its validity.
    #[must_use]
    pub fn not_after(&self) -> UnixTime {
        self.not_after
    }

    /// Its key's SubjectPublicKeyInfo, as encoded.
    #[must_use]
    pub fn spki(&self) -> &'a [u8] {
        self.spki
    }

    /// SHA-256 of the SPKI: what an SCT names its issuer by.
    #[must_use]
    pub fn spki_hash(&self) -> [u8; 32] {
        Sha256::digest(self.spki).into()
    }

    /// Its key.
    ///
    /// # Errors
    /// [`Error::Key`] for a kind that this build does not have.
    pub fn public_key(&self) -> Result<PublicKey, Error> {
        PublicKey::from_spki(self.spki).map_err(Error::Key)
    }

    /// All extensions.
    #[must_use]
    pub fn extensions(&self) -> Extensions<'a> {
        self.extensions
    }

    /// Basic constraints, where it has them.
    #[must_use]
    pub fn basic_constraints(&self) -> Option<BasicConstraints> {
        self.profile.basic_constraints
    }

    /// Key usage, where it has it.
    #[must_use]
    pub fn key_usage(&self) -> Option<KeyUsage> {
        self.profile.key_usage
    }

    /// Extended key usage, where it has it.
    #[must_use]
    pub fn purposes(&self) -> Option<Purposes<'a>> {
        self.profile.purposes
    }

    /// The content of the GeneralNames of its subject alternative name, where it has one.
    #[must_use]
    pub fn alternative_names(&self) -> Option<&'a [u8]> {
        self.profile.alternative_names
    }

    /// The algorithm of its signature.
    ///
    /// # Errors
    /// [`Error::SignatureAlgorithm`] for one that is not supported.
    pub fn signature_algorithm(&self) -> Result<SignatureAlgorithm, Error> {
        signature_algorithm(self.algorithm).ok_or(Error::SignatureAlgorithm)
    }

    /// Whether it names itself as its issuer.
    #[must_use]
    pub fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }

    /// Whether its signature is by this key. One public key operation; the caller has counted it.
    pub(super) fn is_signed_by(&self, key: &PublicKey) -> Result<(), Error> {
        let format = SignedFormat::Named(self.signature_algorithm()?);
        let verified = key.verify(format, &Message::new(self.tbs), self.signature);
        verified.map_err(|SignatureInvalid| Error::Signature)
    }
}
