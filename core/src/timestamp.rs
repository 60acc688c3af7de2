//! RFC 3161 timestamps: proof that somebody had these bytes at a time, by an authority of the trusted root.
//!
//! A token is CMS `SignedData` (RFC 5652) around a `TSTInfo`. It is read in one strict profile: one signer (T-47), the
//! signed attributes that RFC 3161 and RFC 5816 demand and each of them once, SHA-2 everywhere.
//!
//! Which certificate signed is decided once (T-27): the one whose hash stands in the signed attribute
//! `signingCertificateV2`. It is looked for in the authority of the trusted root and among the certificates that the
//! token brings; wherever it was found, the path from it to that authority's anchor, its profile for timestamping and
//! the token's signature are all held against this one certificate. Where the root names the authority's leaf, it is
//! that leaf or none.
//!
//! Authorities are asked one by one and never pooled (T-26), and each is believed only inside its own window, at the
//! time that the token says (T-30).
//!
//! What this does *not* check: the nonce, which was for whoever asked for the token; the policy; and the accuracy, which
//! is under a second wherever it matters here.

use sha2::{Digest as _, Sha256, Sha384, Sha512};

use crate::der::{self, Element, OCTET_STRING, Reader, SEQUENCE, SET, context, context_constructed};
use crate::limits;
use crate::operations::Operations;
use crate::signature::{HashAlgorithm, Message, SignatureAlgorithm, SignatureInvalid, SignedFormat};
use crate::time::UnixTime;
use crate::trusted_root::{self, Authority, Chain, TrustedRoot};
use crate::x509::{self, Certificate, Purpose, digest_algorithm, signature_algorithm, verify_path};

/// Why a timestamp does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// Larger than [`TIMESTAMP_BYTES`](limits::TIMESTAMP_BYTES).
    TooLarge,
    /// Not DER, or not this shape.
    Der(der::Error),
    /// The response says that no timestamp was granted.
    NotGranted,
    /// Not `SignedData` around a `TSTInfo`, or of another version.
    ContentType,
    /// Not exactly one signer (T-47).
    Signers,
    /// More certificates than [`TIMESTAMP_CERTIFICATES`](limits::TIMESTAMP_CERTIFICATES).
    TooManyCertificates,
    /// A hash that is not SHA-256, SHA-384 or SHA-512, or a signature algorithm that does not go with it (T-28).
    Algorithm,
    /// A signed attribute that must be there is not, is there twice, or has another number of values than one.
    Attribute,
    /// The signed digest is not the content's.
    ContentDigest,
    /// The imprint is not of the bytes that the timestamp has to be over.
    Imprint,
    /// The root lists no timestamp authority (T-29).
    NoAuthority,
    /// Neither the authority nor the token has the certificate that the token says it is signed with.
    UnknownSigner,
    /// The signer's certificate is not the one that the root names, or not the one that the signer identifies.
    OtherSigner,
    /// A certificate cannot be read, or no path to the authority's anchor holds.
    Certificate(x509::Error),
    /// The signature is not the signer's.
    Signature,
    /// The trusted root cannot be read.
    TrustedRoot(trusted_root::Error),
    /// No signature operations are left.
    Operations,
}

impl From<der::Error> for Error {
    fn from(error: der::Error) -> Self {
        Self::Der(error)
    }
}

/// A time that an authority of the trusted root vouches for. Only [`verify`] makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifiedTimestamp {
    time: UnixTime,
    authority: [u8; 32],
}

impl VerifiedTimestamp {
    /// The time, to the second.
    #[must_use]
    pub fn time(&self) -> UnixTime {
        self.time
    }

    /// SHA-256 of the key of the authority's anchor: several timestamps of one authority are one (T-19).
    #[must_use]
    pub fn authority(&self) -> [u8; 32] {
        self.authority
    }
}

/// Verifies a timestamp over `message`: a `TimeStampResp`, as Sigstore bundles have it, or a bare token.
///
/// `scratch` needs [`CHAIN_BYTES`](limits::CHAIN_BYTES).
///
/// # Errors
/// [`Error`]; of several authorities, that of the one that came closest.
pub fn verify(
    timestamp: &[u8],
    message: &[u8],
    root: &TrustedRoot<'_>,
    operations: &mut Operations,
    scratch: &mut [u8],
) -> Result<VerifiedTimestamp, Error> {
    if timestamp.len() > limits::TIMESTAMP_BYTES {
        return Err(Error::TooLarge);
    }
    // By reference, and asked about elsewhere: moved, a token of 3 KiB would be on the stack twice below all that follows.
    match &Token::read(timestamp) {
        Ok(token) if !token.imprint.is_of(message) => Err(Error::Imprint),
        Ok(token) => ask_each(token, root, operations, scratch),
        Err(error) => Err(*error),
    }
}

/// Asks the authorities one by one.
#[inline(never)]
fn ask_each(
    token: &Token<'_>,
    root: &TrustedRoot<'_>,
    operations: &mut Operations,
    scratch: &mut [u8],
) -> Result<VerifiedTimestamp, Error> {
    let mut closest = Error::NoAuthority;
    for authority in root.timestamp_authorities() {
        let authority: Authority<'_> = authority.map_err(Error::TrustedRoot)?;
        let chain = authority.open(scratch).map_err(Error::TrustedRoot)?;
        match token.verify(&chain, operations) {
            Ok(()) => {
                let authority = chain.anchor().certificate.spki_hash();
                return Ok(VerifiedTimestamp { time: token.time, authority });
            }
            Err(Error::Operations) => return Err(Error::Operations),
            Err(error) => {
                if closeness(error) >= closeness(closest) {
                    closest = error;
                }
            }
        }
    }
    Err(closest)
}

/// A token that was read, and proves nothing yet.
struct Token<'t> {
    time: UnixTime,
    imprint: Imprint<'t>,
    /// Hash of the signer's certificate, by its own signed word.
    signer: Imprint<'t>,
    identifier: SignerIdentifier<'t>,
    /// The signed attributes as they are signed: tagged as a SET.
    attributes: heapless::Vec<u8, { limits::TIMESTAMP_ATTRIBUTES_BYTES }>,
    algorithm: SignatureAlgorithm,
    signature: &'t [u8],
    certificates: heapless::Vec<Certificate<'t>, { limits::TIMESTAMP_CERTIFICATES }>,
}

/// A hash of something.
struct Imprint<'t> {
    hash: HashAlgorithm,
    value: &'t [u8],
}

impl Imprint<'_> {
    fn is_of(&self, message: &[u8]) -> bool {
        digest_is(self.hash, message, self.value)
    }
}

enum SignerIdentifier<'t> {
    IssuerAndSerial {
        issuer: &'t [u8],
        serial: &'t [u8],
    },
    /// The key identifier is a hint that nothing verifies: the certificate is bound by its hash.
    KeyIdentifier,
}

const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
const TST_INFO: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x04];
const CONTENT_TYPE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03];
const MESSAGE_DIGEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04];
const SIGNING_CERTIFICATE_V2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x2f];
/// `rsaEncryption` with NULL: in CMS the hash is then the digest algorithm (RFC 3370 section 3.2).
const RSA_ENCRYPTION: &[u8] =
    &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

impl<'t> Token<'t> {
    fn read(timestamp: &'t [u8]) -> Result<Self, Error> {
        let mut outer = Reader::new(timestamp);
        let mut inside = outer.open(SEQUENCE)?;
        outer.end()?;
        // A response begins with its status, a bare token with its content type.
        if inside.peek() == Some(SEQUENCE) {
            let mut status = inside.open(SEQUENCE)?;
            // granted, or granted with modifications (RFC 3161 section 2.4.2).
            if status.small()? > 1 {
                return Err(Error::NotGranted);
            }
            let mut token = inside.open(SEQUENCE)?;
            inside.end()?;
            return Self::read_content(&mut token);
        }
        Self::read_content(&mut inside)
    }

    fn read_content(content: &mut Reader<'t>) -> Result<Self, Error> {
        if content.oid()? != SIGNED_DATA {
            return Err(Error::ContentType);
        }
        let mut explicit = content.open(context_constructed(0))?;
        content.end()?;
        let mut data = explicit.open(SEQUENCE)?;
        explicit.end()?;
        if data.small()? != 3 {
            return Err(Error::ContentType);
        }
        // Said again by the signer, which is what counts.
        data.take(SET)?;
        let info = read_encapsulated(&mut data)?;
        let certificates = read_certificates(&mut data)?;
        data.optional(context_constructed(1))?;
        let mut signers = data.open(SET)?;
        data.end()?;
        let mut signer = signers.open(SEQUENCE).map_err(|_| Error::Signers)?;
        if !signers.is_empty() {
            return Err(Error::Signers);
        }
        Self::read_signer(&mut signer, info, certificates)
    }

    fn read_signer(
        signer: &mut Reader<'t>,
        info: &'t [u8],
        certificates: heapless::Vec<Certificate<'t>, { limits::TIMESTAMP_CERTIFICATES }>,
    ) -> Result<Self, Error> {
        let version = signer.small()?;
        let identifier = match (version, signer.peek()) {
            (1, Some(SEQUENCE)) => {
                let mut name = signer.open(SEQUENCE)?;
                let issuer = name.element(SEQUENCE)?.raw;
                let serial = name.integer()?;
                name.end()?;
                SignerIdentifier::IssuerAndSerial { issuer, serial }
            }
            (3, _) => {
                signer.take(context(0))?;
                SignerIdentifier::KeyIdentifier
            }
            _ => return Err(Error::ContentType),
        };
        let hash = digest_algorithm(signer.element(SEQUENCE)?.raw).ok_or(Error::Algorithm)?;
        let attributes = signer.element(context_constructed(0))?;
        let signer_hash = read_attributes(&attributes, hash, info)?;
        let algorithm = match (signer.element(SEQUENCE)?.raw, hash) {
            (RSA_ENCRYPTION, hash) => SignatureAlgorithm::RsaPkcs1(hash),
            (identifier, _) => signature_algorithm(identifier).ok_or(Error::Algorithm)?,
        };
        let agrees = match algorithm {
            SignatureAlgorithm::Ecdsa(of)
            | SignatureAlgorithm::RsaPkcs1(of)
            // RFC 4056 section 3: the digest algorithm is the hash of the parameters.
            | SignatureAlgorithm::RsaPss(of) => of == hash,
            // RFC 8419 section 3: SHA-512 is the digest algorithm that goes with Ed25519.
            SignatureAlgorithm::Ed25519 => hash == HashAlgorithm::Sha512,
        };
        if !agrees {
            return Err(Error::Algorithm);
        }
        let signature = signer.octet_string()?;
        // Unsigned attributes say nothing that anybody vouches for.
        signer.optional(context_constructed(1))?;
        signer.end()?;
        let (time, imprint) = read_info(info)?;
        Ok(Self {
            time,
            imprint,
            signer: signer_hash,
            identifier,
            attributes: as_set(attributes.raw)?,
            algorithm,
            signature,
            certificates,
        })
    }

    /// Holds the token against one authority.
    fn verify(&self, chain: &Chain<'_>, operations: &mut Operations) -> Result<(), Error> {
        let signer = self.find_signer(chain)?;
        self.find_path(&signer, chain, operations)?;
        self.check_signature(&signer, operations)
    }

    /// Finds a path from the signer to the authority's anchor. Its candidates are gone from the stack before the signature is
    /// checked.
    #[inline(never)]
    fn find_path(
        &self,
        signer: &Certificate<'_>,
        chain: &Chain<'_>,
        operations: &mut Operations,
    ) -> Result<(), Error> {
        // The path is held at the token's own time: that is what it claims, and an authority outside its window then
        // claims nothing.
        let anchor = core::slice::from_ref(chain.anchor());
        let times = [self.time];
        let mut candidates: heapless::Vec<Certificate<'_>, { limits::PATH_CANDIDATES }> =
            heapless::Vec::new();
        for certificate in chain.below().iter().chain(&self.certificates) {
            if certificate.der() != signer.der() {
                candidates
                    .push(*certificate)
                    .map_err(|_| Error::Certificate(x509::Error::TooManyCertificates))?;
            }
        }
        let purpose = Purpose::TimeStamping;
        match verify_path(signer, &candidates, anchor, &times, purpose, operations) {
            Ok(_) => Ok(()),
            Err(x509::Error::Operations) => Err(Error::Operations),
            Err(error) => Err(Error::Certificate(error)),
        }
    }

    #[inline(never)]
    fn check_signature(&self, signer: &Certificate<'_>, operations: &mut Operations) -> Result<(), Error> {
        operations.spend(1).map_err(|_| Error::Operations)?;
        let key = signer.public_key().map_err(Error::Certificate)?;
        let format = SignedFormat::Timestamp(self.algorithm);
        let verified = key.verify(format, &Message::new(&self.attributes), self.signature);
        verified.map_err(|SignatureInvalid| Error::Signature)
    }

    /// The certificate that the token says it is signed with. There is one answer or none.
    fn find_signer<'c>(&self, chain: &Chain<'c>) -> Result<Certificate<'c>, Error>
    where
        't: 'c,
    {
        let named = chain.below().first().filter(|first| !is_authority(first));
        let found = chain
            .below()
            .iter()
            .chain(&self.certificates)
            .find(|certificate| self.signer.is_of(certificate.der()))
            .ok_or(Error::UnknownSigner)?;
        if named.is_some_and(|named| named.der() != found.der()) {
            return Err(Error::OtherSigner);
        }
        match self.identifier {
            SignerIdentifier::IssuerAndSerial { issuer, serial }
                if issuer != found.issuer() || serial != found.serial() =>
            {
                Err(Error::OtherSigner)
            }
            SignerIdentifier::IssuerAndSerial { .. } | SignerIdentifier::KeyIdentifier => Ok(*found),
        }
    }
}

fn is_authority(certificate: &Certificate<'_>) -> bool {
    certificate.basic_constraints().is_some_and(|constraints| constraints.authority)
}

/// `EncapsulatedContentInfo`: the bytes of the `TSTInfo`.
fn read_encapsulated<'t>(data: &mut Reader<'t>) -> Result<&'t [u8], Error> {
    let mut encapsulated = data.open(SEQUENCE)?;
    if encapsulated.oid()? != TST_INFO {
        return Err(Error::ContentType);
    }
    let mut explicit = encapsulated.open(context_constructed(0))?;
    encapsulated.end()?;
    let content = explicit.octet_string()?;
    explicit.end()?;
    Ok(content)
}

fn read_certificates<'t>(
    data: &mut Reader<'t>,
) -> Result<heapless::Vec<Certificate<'t>, { limits::TIMESTAMP_CERTIFICATES }>, Error> {
    let mut certificates = heapless::Vec::new();
    let Some(mut set) = data.open_optional(context_constructed(0))? else { return Ok(certificates) };
    while !set.is_empty() {
        let der = set.element(SEQUENCE)?.raw;
        let certificate = Certificate::read(der).map_err(Error::Certificate)?;
        certificates.push(certificate).map_err(|_| Error::TooManyCertificates)?;
    }
    Ok(certificates)
}

/// Checks the signed attributes against the content and returns the hash of the signer's certificate.
fn read_attributes<'t>(
    attributes: &Element<'t>,
    hash: HashAlgorithm,
    content: &[u8],
) -> Result<Imprint<'t>, Error> {
    let mut set = Reader::new(attributes.content);
    let (mut content_type, mut digest, mut signer) = (None, None, None);
    while !set.is_empty() {
        let mut attribute = set.open(SEQUENCE)?;
        let kind = attribute.oid()?;
        let mut values = attribute.open(SET)?;
        attribute.end()?;
        let slot = match kind {
            CONTENT_TYPE => &mut content_type,
            MESSAGE_DIGEST => &mut digest,
            SIGNING_CERTIFICATE_V2 => &mut signer,
            // Signing time, algorithm protection and others: signed, and not asked for.
            _ => continue,
        };
        let value = values.any()?;
        if !values.is_empty() || slot.replace(value).is_some() {
            return Err(Error::Attribute);
        }
    }
    let (Some(content_type), Some(digest), Some(signer)) = (content_type, digest, signer) else {
        return Err(Error::Attribute);
    };
    if Reader::new(content_type.raw).oid()? != TST_INFO {
        return Err(Error::ContentType);
    }
    if !digest_is(hash, content, Reader::new(digest.raw).octet_string()?) {
        return Err(Error::ContentDigest);
    }
    read_signing_certificate(&signer)
}

/// `SigningCertificateV2` (RFC 5816, RFC 5035): the hash of the first certificate, which is the signer's.
fn read_signing_certificate<'t>(value: &Element<'t>) -> Result<Imprint<'t>, Error> {
    let mut outer = Reader::new(value.raw);
    let mut signing = outer.open(SEQUENCE)?;
    let mut certificates = signing.open(SEQUENCE)?;
    let mut first = certificates.open(SEQUENCE)?;
    // Left out where it is the default, SHA-256. Some write the default out; it means the same.
    let hash = match first.optional(SEQUENCE)? {
        Some(identifier) => digest_algorithm(identifier.raw).ok_or(Error::Algorithm)?,
        None => HashAlgorithm::Sha256,
    };
    Ok(Imprint { hash, value: first.take(OCTET_STRING)? })
}

/// `TSTInfo`: the time and the imprint.
fn read_info(content: &[u8]) -> Result<(UnixTime, Imprint<'_>), Error> {
    let mut outer = Reader::new(content);
    let mut info = outer.open(SEQUENCE)?;
    outer.end()?;
    if info.small()? != 1 {
        return Err(Error::ContentType);
    }
    info.oid()?;
    let mut imprint = info.open(SEQUENCE)?;
    let hash = digest_algorithm(imprint.element(SEQUENCE)?.raw).ok_or(Error::Algorithm)?;
    let value = imprint.octet_string()?;
    imprint.end()?;
    info.integer()?;
    let time = info.generalized_time()?;
    // Accuracy, ordering, nonce, the authority's name, extensions.
    info.optional(SEQUENCE)?;
    info.flag()?;
    if info.peek() == Some(der::INTEGER) {
        info.integer()?;
    }
    info.optional(context_constructed(0))?;
    info.optional(context_constructed(1))?;
    info.end()?;
    Ok((time, Imprint { hash, value }))
}

/// The signed attributes with the tag that they are signed under: SET instead of `[0]` (RFC 5652 section 5.4).
fn as_set(raw: &[u8]) -> Result<heapless::Vec<u8, { limits::TIMESTAMP_ATTRIBUTES_BYTES }>, Error> {
    let mut bytes = heapless::Vec::from_slice(raw).map_err(|_| Error::TooLarge)?;
    if let Some(tag) = bytes.first_mut() {
        *tag = SET;
    }
    Ok(bytes)
}

fn digest_is(hash: HashAlgorithm, message: &[u8], value: &[u8]) -> bool {
    match hash {
        HashAlgorithm::Sha256 => Sha256::digest(message).as_slice() == value,
        HashAlgorithm::Sha384 => Sha384::digest(message).as_slice() == value,
        HashAlgorithm::Sha512 => Sha512::digest(message).as_slice() == value,
    }
}

/// How far a token came with an authority.
fn closeness(error: Error) -> u8 {
    match error {
        Error::NoAuthority => 0,
        Error::UnknownSigner => 1,
        Error::OtherSigner | Error::Certificate(x509::Error::UnknownIssuer) => 2,
        Error::Certificate(_) => 3,
        _ => 4,
    }
}
