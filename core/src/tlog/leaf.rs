//! An entry's body, rebuilt: what the log must have written if it speaks about this signature (T-04).
//!
//! A log entry that is genuine proves that *something* was logged. Programs that then compared the entry field by
//! field forgot one field or the other, in several languages and years (T-01, T-02, T-04, T-05). Here nothing is taken
//! out of the body to be compared: the whole body is written anew from the artifact's digest or the envelope, the
//! signature's bytes and the certificate or key that verified them, and must be equal to the logged one byte for byte.
//! Rekor writes bodies as canonical JSON (RFC 8785), so there is one text per entry.
//!
//! # What is not rebuilt
//!
//! Three members depend on more than what was verified. They are stepped over, and only as what they must look like:
//!
//! - `envelopeHash` (dsse 0.0.1) and `content.hash` (intoto 0.0.2) are hashes of the envelope's JSON as its writer
//!   happened to spell it for the upload; a bundle does not keep that spelling (T-67). They add nothing: the payload's
//!   hash, the signature and the verifier stand in the body beside them and are rebuilt, and the signature is over the
//!   payload's type too. intoto 0.0.1 has no signature, so there the hash is rebuilt, and without the uploaded bytes
//!   such an entry speaks about nothing.
//! - `keyid` (intoto 0.0.2) is whatever the writer called its key. It is not authenticated and decides nothing (T-15).
//!
//! What intoto 0.0.2 copies from the upload without making it canonical is tried in the few spellings that its writers
//! have: PEM with or without line breaks and with or without one at its end.
//!
//! # Kinds
//!
//! hashedrekord, dsse and intoto 0.0.1, intoto 0.0.2, and hashedrekord 0.0.2 of Rekor v2, for artifacts and for
//! envelopes. dsse 0.0.2 was only ever in Rekor v2's previews, and other clients refuse it: so do we.

use sha2::{Digest as _, Sha256};

use super::body::{Body, Differs};
use super::merkle::Hash;
use crate::encoding::{to_base64, to_hex};
use crate::signature::{KeyType, Message, PublicKey};

/// What was verified: an entry that speaks about anything else speaks about nothing here.
///
/// Nothing in it is checked here: who makes one has verified the signature over the content with the verifier's key.
#[derive(Debug, Clone, Copy)]
pub struct SignedMaterial<'a> {
    /// What was signed.
    pub content: Content<'a>,
    /// The signature's bytes, as the verifier's key has verified them.
    pub signature: &'a [u8],
    /// Who signed.
    pub verifier: Verifier<'a>,
}

/// What was signed.
#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    /// An artifact, by the digest that the signature is over: a bundle's message signature, a legacy `.sig` payload.
    Digest(SignedDigest<'a>),
    /// A DSSE envelope with this one signature.
    Envelope {
        /// The type of the payload.
        payload_type: &'a str,
        /// The payload, decoded.
        payload: &'a [u8],
        /// The pre-authentication encoding: what the signature is over.
        message: &'a Message<'a>,
        /// The envelope's JSON as it was uploaded, where the evidence is just that (a legacy `.att` layer).
        document: Option<&'a [u8]>,
    },
}

/// A digest that a signature is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedDigest<'a> {
    /// SHA-256.
    Sha256(&'a [u8; 32]),
    /// SHA-384.
    Sha384(&'a [u8; 48]),
    /// SHA-512.
    Sha512(&'a [u8; 64]),
}

impl<'a> SignedDigest<'a> {
    fn bytes(self) -> &'a [u8] {
        match self {
            Self::Sha256(bytes) => bytes,
            Self::Sha384(bytes) => bytes,
            Self::Sha512(bytes) => bytes,
        }
    }

    /// The name in Rekor v1's entries.
    fn name(self) -> &'static str {
        match self {
            Self::Sha256(_) => "sha256",
            Self::Sha384(_) => "sha384",
            Self::Sha512(_) => "sha512",
        }
    }

    /// The name in Rekor v2's: Sigstore's `HashAlgorithm`.
    fn enum_name(self) -> &'static str {
        match self {
            Self::Sha256(_) => "SHA2_256",
            Self::Sha384(_) => "SHA2_384",
            Self::Sha512(_) => "SHA2_512",
        }
    }
}

/// Who signed.
#[derive(Debug, Clone, Copy)]
pub enum Verifier<'a> {
    /// A certificate.
    Certificate {
        /// The certificate, in DER.
        der: &'a [u8],
        /// The key in it.
        key: &'a PublicKey,
    },
    /// A key pair.
    Key(&'a PublicKey),
}

/// The kind of an entry, with its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// hashedrekord 0.0.1: Rekor v1, a digest that was signed.
    HashedRekord1,
    /// hashedrekord 0.0.2: Rekor v2, a digest or an envelope's pre-authentication encoding.
    HashedRekord2,
    /// dsse 0.0.1: Rekor v1, an envelope.
    Dsse1,
    /// intoto 0.0.1: Rekor v1, an envelope as it was uploaded, by its hash.
    Intoto1,
    /// intoto 0.0.2: Rekor v1, an envelope.
    Intoto2,
}

impl Kind {
    /// The kind of this name and version, if it is one of ours (T-62).
    #[must_use]
    pub fn from_names(kind: &str, version: &str) -> Option<Self> {
        match (kind, version) {
            ("hashedrekord", "0.0.1") => Some(Self::HashedRekord1),
            ("hashedrekord", "0.0.2") => Some(Self::HashedRekord2),
            ("dsse", "0.0.1") => Some(Self::Dsse1),
            ("intoto", "0.0.1") => Some(Self::Intoto1),
            ("intoto", "0.0.2") => Some(Self::Intoto2),
            _ => None,
        }
    }

    /// Whether only Rekor v2 writes it, which makes no promises and knows no time.
    #[must_use]
    pub fn is_rekor_v2(self) -> bool {
        self == Self::HashedRekord2
    }
}

/// Why a body does not speak about a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// Of a kind or version that is not read here, or not of any.
    Kind,
    /// Not what the log would have written about this signature.
    Differs,
}

impl From<Differs> for Error {
    fn from(_: Differs) -> Self {
        Self::Differs
    }
}

/// Rebuilds the body of an entry about `signed`, compares it with `body` (the logged one, in base64), and returns its
/// kind and the hash of its leaf.
///
/// # Errors
/// [`Error`].
pub fn rebuild(body: &str, signed: &SignedMaterial<'_>) -> Result<(Kind, Hash), Error> {
    let kind = kind_of(&mut Body::new(body))?;
    let layouts: &[Layout] = if kind == Kind::Intoto2 { &Layout::ALL } else { &[Layout::Canonical] };
    for layout in layouts {
        let mut rest = Body::new(body);
        kind_of(&mut rest)?;
        if write_spec(kind, *layout, signed, &mut rest).is_ok() {
            return Ok((kind, rest.end()?));
        }
    }
    Err(Error::Differs)
}

/// Reads the head that all bodies share, up to the value of `spec`.
fn kind_of(body: &mut Body<'_>) -> Result<Kind, Error> {
    let mut head = || {
        body.expect_text(r#"{"apiVersion":""#)?;
        let version = body.take_word::<16>()?;
        body.expect_text(r#","kind":""#)?;
        let kind = body.take_word::<16>()?;
        body.expect_text(r#","spec":"#)?;
        Ok((kind, version))
    };
    let (kind, version) = head().map_err(|Differs| Error::Kind)?;
    Kind::from_names(&kind, &version).ok_or(Error::Kind)
}

fn write_spec(
    kind: Kind,
    layout: Layout,
    signed: &SignedMaterial<'_>,
    body: &mut Body<'_>,
) -> Result<(), Differs> {
    match (kind, signed.content) {
        (Kind::HashedRekord1, Content::Digest(digest)) => write_hashedrekord(digest, signed, body),
        (Kind::HashedRekord2, Content::Digest(digest)) => write_hashedrekord_v2(digest, signed, body),
        (Kind::HashedRekord2, Content::Envelope { message, .. }) => {
            write_hashedrekord_v2(digest_by_key(message, signed.verifier)?, signed, body)
        }
        (Kind::Dsse1, Content::Envelope { payload, .. }) => write_dsse(payload, signed, body),
        (Kind::Intoto1, Content::Envelope { payload, document: Some(document), .. }) => {
            write_intoto(document, payload, signed, body)
        }
        (Kind::Intoto2, Content::Envelope { payload_type, payload, .. }) => {
            write_intoto_v2(payload_type, payload, layout, signed, body)
        }
        _ => Err(Differs),
    }
}

fn write_hashedrekord(
    digest: SignedDigest<'_>,
    signed: &SignedMaterial<'_>,
    body: &mut Body<'_>,
) -> Result<(), Differs> {
    body.expect_text(r#"{"data":{"hash":{"algorithm":""#)?;
    body.expect_text(digest.name())?;
    body.expect_text(r#"","value":""#)?;
    body.expect(to_hex(digest.bytes().iter().copied()))?;
    body.expect_text(r#""}},"signature":{"content":""#)?;
    body.expect(base64_of(signed.signature))?;
    body.expect_text(r#"","publicKey":{"content":""#)?;
    write_pem(signed.verifier, Layout::Canonical, body)?;
    body.expect_text(r#""}}}}"#)
}

fn write_hashedrekord_v2(
    digest: SignedDigest<'_>,
    signed: &SignedMaterial<'_>,
    body: &mut Body<'_>,
) -> Result<(), Differs> {
    let (key, member) = match signed.verifier {
        Verifier::Certificate { key, .. } => (key, "x509Certificate"),
        Verifier::Key(key) => (key, "publicKey"),
    };
    body.expect_text(r#"{"hashedRekordV002":{"data":{"algorithm":""#)?;
    body.expect_text(digest.enum_name())?;
    body.expect_text(r#"","digest":""#)?;
    body.expect(base64_of(digest.bytes()))?;
    body.expect_text(r#""},"signature":{"content":""#)?;
    body.expect(base64_of(signed.signature))?;
    body.expect_text(r#"","verifier":{"keyDetails":""#)?;
    body.expect_text(key_details(key, digest)?)?;
    body.expect_text(r#"",""#)?;
    body.expect_text(member)?;
    body.expect_text(r#"":{"rawBytes":""#)?;
    match signed.verifier {
        Verifier::Certificate { der, .. } => body.expect(base64_of(der))?,
        Verifier::Key(key) => body.expect(base64_of(&key.spki()))?,
    }
    body.expect_text(r#""}}}}}}"#)
}

fn write_dsse(payload: &[u8], signed: &SignedMaterial<'_>, body: &mut Body<'_>) -> Result<(), Differs> {
    body.expect_text(r#"{"envelopeHash":{"algorithm":"sha256","value":""#)?;
    body.skip_hash()?;
    body.expect_text(r#""},"payloadHash":{"algorithm":"sha256","value":""#)?;
    write_sha256(payload, body)?;
    body.expect_text(r#""},"signatures":[{"signature":""#)?;
    body.expect(base64_of(signed.signature))?;
    body.expect_text(r#"","verifier":""#)?;
    write_pem(signed.verifier, Layout::Canonical, body)?;
    body.expect_text(r#""}]}}"#)
}

fn write_intoto(
    document: &[u8],
    payload: &[u8],
    signed: &SignedMaterial<'_>,
    body: &mut Body<'_>,
) -> Result<(), Differs> {
    body.expect_text(r#"{"content":{"hash":{"algorithm":"sha256","value":""#)?;
    write_sha256(document, body)?;
    body.expect_text(r#""},"payloadHash":{"algorithm":"sha256","value":""#)?;
    write_sha256(payload, body)?;
    body.expect_text(r#""}},"publicKey":""#)?;
    write_pem(signed.verifier, Layout::Canonical, body)?;
    body.expect_text(r#""}}"#)
}

/// Payload and signature stand in base64 of base64: Rekor encodes what was in the uploaded envelope once more.
fn write_intoto_v2(
    payload_type: &str,
    payload: &[u8],
    layout: Layout,
    signed: &SignedMaterial<'_>,
    body: &mut Body<'_>,
) -> Result<(), Differs> {
    body.expect_text(r#"{"content":{"envelope":{"payload"#)?;
    // Rekor itself leaves the payload out; entries of other logs have it.
    if body.peek()? == Some(b'"') {
        body.expect_text(r#"":""#)?;
        body.expect(to_base64(base64_of(payload)))?;
        body.expect_text(r#"","payload"#)?;
    }
    body.expect_text(r#"Type":""#)?;
    // Types never need an escape; one that does is not the type of anything that is read here.
    if payload_type.bytes().any(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)) {
        return Err(Differs);
    }
    body.expect_text(payload_type)?;
    body.expect_text(r#"","signatures":[{""#)?;
    if body.peek()? == Some(b'k') {
        body.expect_text(r#"keyid":""#)?;
        body.skip_string()?;
        body.expect_text(r#",""#)?;
    }
    body.expect_text(r#"publicKey":""#)?;
    write_pem(signed.verifier, layout, body)?;
    body.expect_text(r#"","sig":""#)?;
    body.expect(to_base64(base64_of(signed.signature)))?;
    body.expect_text(r#""}]},"hash":{"algorithm":"sha256","value":""#)?;
    body.skip_hash()?;
    body.expect_text(r#""},"payloadHash":{"algorithm":"sha256","value":""#)?;
    write_sha256(payload, body)?;
    body.expect_text(r#""}}}}"#)
}

/// How a PEM text is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// As Go writes it, and so Rekor: lines of 64 digits, a line break at the end.
    Canonical,
    /// Lines of 64 digits, no line break at the end.
    Unterminated,
    /// One line of digits, a line break at the end.
    OneLine,
    /// One line of digits, no line break at the end.
    OneLineUnterminated,
}

impl Layout {
    /// The most frequent ones of real logs first.
    const ALL: [Self; 4] = [Self::Unterminated, Self::Canonical, Self::OneLineUnterminated, Self::OneLine];

    fn columns(self) -> usize {
        match self {
            Self::Canonical | Self::Unterminated => 64,
            Self::OneLine | Self::OneLineUnterminated => usize::MAX,
        }
    }

    fn end(self) -> &'static str {
        match self {
            Self::Canonical | Self::OneLine => "\n",
            Self::Unterminated | Self::OneLineUnterminated => "",
        }
    }
}

/// The base64 of the verifier's PEM.
fn write_pem(verifier: Verifier<'_>, layout: Layout, body: &mut Body<'_>) -> Result<(), Differs> {
    match verifier {
        Verifier::Certificate { der, .. } => body.expect(to_base64(pem("CERTIFICATE", der, layout))),
        Verifier::Key(key) => body.expect(to_base64(pem("PUBLIC KEY", &key.spki(), layout))),
    }
}

fn pem<'a>(label: &'static str, der: &'a [u8], layout: Layout) -> impl Iterator<Item = u8> + use<'a> {
    let columns = layout.columns();
    let lines = base64_of(der).enumerate().flat_map(move |(place, digit)| {
        let breaks = place > 0 && place.checked_rem(columns) == Some(0);
        breaks.then_some(b'\n').into_iter().chain([digit])
    });
    let head = ["-----BEGIN ", label, "-----\n"].into_iter().flat_map(str::bytes);
    head.chain(lines).chain(["\n-----END ", label, "-----", layout.end()].into_iter().flat_map(str::bytes))
}

fn base64_of(bytes: &[u8]) -> impl Iterator<Item = u8> {
    to_base64(bytes.iter().copied())
}

fn write_sha256(bytes: &[u8], body: &mut Body<'_>) -> Result<(), Differs> {
    let hash: Hash = Sha256::digest(bytes).into();
    body.expect(to_hex(hash.into_iter()))
}

/// The digest that an envelope's signature is over, by the kind of key. Ed25519 signs no digest, and Rekor v2 takes no
/// envelopes that are signed so.
fn digest_by_key<'a>(message: &'a Message<'a>, verifier: Verifier<'_>) -> Result<SignedDigest<'a>, Differs> {
    let (Verifier::Certificate { key, .. } | Verifier::Key(key)) = verifier;
    match key.key_type() {
        KeyType::P256 | KeyType::Rsa => Ok(SignedDigest::Sha256(message.sha256())),
        #[cfg(feature = "p384")]
        KeyType::P384 => Ok(SignedDigest::Sha384(message.sha384())),
        _ => Err(Differs),
    }
}

/// Sigstore's `PublicKeyDetails` for a key that signs this digest.
fn key_details(key: &PublicKey, digest: SignedDigest<'_>) -> Result<&'static str, Differs> {
    match (key.key_type(), digest) {
        (KeyType::P256, SignedDigest::Sha256(_)) => Ok("PKIX_ECDSA_P256_SHA_256"),
        (KeyType::P384, SignedDigest::Sha384(_)) => Ok("PKIX_ECDSA_P384_SHA_384"),
        (KeyType::Rsa, SignedDigest::Sha256(_)) => match key.rsa_bytes() {
            Some(256) => Ok("PKIX_RSA_PKCS1V15_2048_SHA256"),
            Some(384) => Ok("PKIX_RSA_PKCS1V15_3072_SHA256"),
            Some(512) => Ok("PKIX_RSA_PKCS1V15_4096_SHA256"),
            _ => Err(Differs),
        },
        _ => Err(Differs),
    }
}
