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

use super::body::{Base64, Body, Differs, Sink as _};
use super::merkle::Hash;
use crate::encoding::{self, LINE_BYTES, LINE_DIGITS};
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
        body.expect(r#"{"apiVersion":""#)?;
        let version = body.take_word::<16>()?;
        body.expect(r#","kind":""#)?;
        let kind = body.take_word::<16>()?;
        body.expect(r#","spec":"#)?;
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
    body.expect(r#"{"data":{"hash":{"algorithm":""#)?;
    body.expect(digest.name())?;
    body.expect(r#"","value":""#)?;
    write_hex(digest.bytes(), body)?;
    body.expect(r#""}},"signature":{"content":""#)?;
    body.expect_base64(signed.signature)?;
    body.expect(r#"","publicKey":{"content":""#)?;
    write_pem(signed.verifier, Layout::Canonical, body)?;
    body.expect(r#""}}}}"#)
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
    body.expect(r#"{"hashedRekordV002":{"data":{"algorithm":""#)?;
    body.expect(digest.enum_name())?;
    body.expect(r#"","digest":""#)?;
    body.expect_base64(digest.bytes())?;
    body.expect(r#""},"signature":{"content":""#)?;
    body.expect_base64(signed.signature)?;
    body.expect(r#"","verifier":{"keyDetails":""#)?;
    body.expect(key_details(key, digest)?)?;
    body.expect(r#"",""#)?;
    body.expect(member)?;
    body.expect(r#"":{"rawBytes":""#)?;
    match signed.verifier {
        Verifier::Certificate { der, .. } => body.expect_base64(der)?,
        Verifier::Key(key) => body.expect_base64(&key.spki())?,
    }
    body.expect(r#""}}}}}}"#)
}

fn write_dsse(payload: &[u8], signed: &SignedMaterial<'_>, body: &mut Body<'_>) -> Result<(), Differs> {
    body.expect(r#"{"envelopeHash":{"algorithm":"sha256","value":""#)?;
    body.skip_hash()?;
    body.expect(r#""},"payloadHash":{"algorithm":"sha256","value":""#)?;
    write_sha256(payload, body)?;
    body.expect(r#""},"signatures":[{"signature":""#)?;
    body.expect_base64(signed.signature)?;
    body.expect(r#"","verifier":""#)?;
    write_pem(signed.verifier, Layout::Canonical, body)?;
    body.expect(r#""}]}}"#)
}

fn write_intoto(
    document: &[u8],
    payload: &[u8],
    signed: &SignedMaterial<'_>,
    body: &mut Body<'_>,
) -> Result<(), Differs> {
    body.expect(r#"{"content":{"hash":{"algorithm":"sha256","value":""#)?;
    write_sha256(document, body)?;
    body.expect(r#""},"payloadHash":{"algorithm":"sha256","value":""#)?;
    write_sha256(payload, body)?;
    body.expect(r#""}},"publicKey":""#)?;
    write_pem(signed.verifier, Layout::Canonical, body)?;
    body.expect(r#""}}"#)
}

/// Payload and signature stand in base64 of base64: Rekor encodes what was in the uploaded envelope once more.
fn write_intoto_v2(
    payload_type: &str,
    payload: &[u8],
    layout: Layout,
    signed: &SignedMaterial<'_>,
    body: &mut Body<'_>,
) -> Result<(), Differs> {
    body.expect(r#"{"content":{"envelope":{"payload"#)?;
    // Rekor itself leaves the payload out; entries of other logs have it.
    if body.peek()? == Some(b'"') {
        body.expect(r#"":""#)?;
        write_base64_twice(payload, body)?;
        body.expect(r#"","payload"#)?;
    }
    body.expect(r#"Type":""#)?;
    // Types never need an escape; one that does is not the type of anything that is read here.
    if payload_type.bytes().any(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)) {
        return Err(Differs);
    }
    body.expect(payload_type)?;
    body.expect(r#"","signatures":[{""#)?;
    if body.peek()? == Some(b'k') {
        body.expect(r#"keyid":""#)?;
        body.skip_string()?;
        body.expect(r#",""#)?;
    }
    body.expect(r#"publicKey":""#)?;
    write_pem(signed.verifier, layout, body)?;
    body.expect(r#"","sig":""#)?;
    write_base64_twice(signed.signature, body)?;
    body.expect(r#""}]},"hash":{"algorithm":"sha256","value":""#)?;
    body.skip_hash()?;
    body.expect(r#""},"payloadHash":{"algorithm":"sha256","value":""#)?;
    write_sha256(payload, body)?;
    body.expect(r#""}}}}"#)
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

    fn breaks_lines(self) -> bool {
        matches!(self, Self::Canonical | Self::Unterminated)
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
    let spki;
    let (label, der) = match verifier {
        Verifier::Certificate { der, .. } => ("CERTIFICATE", der),
        Verifier::Key(key) => {
            spki = key.spki();
            ("PUBLIC KEY", spki.as_slice())
        }
    };
    let mut text = Base64::new(body);
    for part in ["-----BEGIN ", label, "-----"] {
        text.write(part.as_bytes())?;
    }
    for (place, bytes) in der.chunks(LINE_BYTES).enumerate() {
        if place == 0 || layout.breaks_lines() {
            text.write(b"\n")?;
        }
        let mut line = [0; LINE_DIGITS];
        let digits = encoding::to_base64(bytes, &mut line);
        text.write(line.get(..digits).unwrap_or_default())?;
    }
    for part in ["\n-----END ", label, "-----", layout.end()] {
        text.write(part.as_bytes())?;
    }
    text.finish()
}

fn write_base64_twice(bytes: &[u8], body: &mut Body<'_>) -> Result<(), Differs> {
    let mut outer = Base64::new(body);
    let mut inner = Base64::new(&mut outer);
    inner.write(bytes)?;
    inner.finish()?;
    outer.finish()
}

fn write_hex(bytes: &[u8], body: &mut Body<'_>) -> Result<(), Differs> {
    // SHA-2's digests are 32, 48 and 64 bytes.
    let (pieces, rest) = bytes.as_chunks::<32>();
    for piece in pieces {
        body.write(&encoding::to_hex32(piece))?;
    }
    let mut last = [0; 32];
    for (slot, byte) in last.iter_mut().zip(rest) {
        *slot = *byte;
    }
    let digits = encoding::to_hex32(&last);
    body.write(digits.get(..rest.len().saturating_mul(2)).unwrap_or_default())
}

fn write_sha256(bytes: &[u8], body: &mut Body<'_>) -> Result<(), Differs> {
    body.write(&encoding::to_hex32(&Sha256::digest(bytes).into()))
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

#[cfg(test)]
mod tests {
    use super::{Content, Error, Kind, SignedDigest, SignedMaterial, Verifier, rebuild};
    use crate::signature::Message;
    use crate::tlog::merkle::leaf_hash;
    use crate::tlog::test_log::{KINDS, Signed, TYPE, base64, hex, sha256};

    extern crate std;
    use std::format;
    use std::string::String;

    fn ask(kind: &str, body: &str, signed: &Signed) -> Result<(), Error> {
        let found = signed.with(kind, |signed| rebuild(&base64(body), signed));
        found.map(|(_, leaf)| assert_eq!(leaf, leaf_hash(body.as_bytes())))
    }

    #[test]
    fn the_leaf_is_the_hash_of_what_was_compared() {
        let signed = Signed::new(1);
        for kind in KINDS {
            assert_eq!(ask(kind, &signed.body(kind), &signed), Ok(()), "{kind}");
        }
    }

    #[test]
    fn no_byte_of_a_body_may_change_but_those_that_say_nothing() {
        let signed = Signed::new(1);
        for kind in KINDS {
            let good = signed.body(kind);
            // The hash of the envelope as it was uploaded.
            let free = good.find(&hex(&sha256("as uploaded"))).map(|at| at..at + 64);
            assert_eq!(free.is_some(), ["dsse 0.0.1", "intoto 0.0.2"].contains(&kind));
            let mut passed = 0;
            for at in 0..good.len() {
                for bit in 0..7 {
                    let mut bytes = good.clone().into_bytes();
                    bytes[at] ^= 1 << bit;
                    let found = signed.with(kind, |signed| rebuild(&base64(&bytes), signed));
                    if found.is_ok() {
                        assert!(free.as_ref().is_some_and(|free| free.contains(&at)), "{kind} {at}");
                        assert_eq!(found.map(|found| found.1), Ok(leaf_hash(&bytes)));
                        passed += 1;
                    }
                }
            }
            assert_eq!(passed > 0, free.is_some(), "{kind}");
        }
    }

    #[test]
    fn a_kind_is_about_its_content_only() {
        let signed = Signed::new(1);
        let message = Message::new(&signed.pae);
        let verifier = Verifier::Certificate { der: &signed.certificate, key: &signed.key };
        let envelope = |document| Content::Envelope {
            payload_type: TYPE,
            payload: &signed.payload,
            message: &message,
            document,
        };
        let digest = Content::Digest(SignedDigest::Sha256(&signed.digest));
        for (kind, content) in [
            ("hashedrekord 0.0.1", envelope(None)),
            ("hashedrekord 0.0.2", envelope(None)),
            ("hashedrekord 0.0.2 envelope", digest),
            ("dsse 0.0.1", digest),
            ("intoto 0.0.1", digest),
            // Without the uploaded bytes its hash is about nothing.
            ("intoto 0.0.1", envelope(None)),
            ("intoto 0.0.2", digest),
        ] {
            let signed_ = SignedMaterial { content, signature: &signed.signature, verifier };
            assert_eq!(rebuild(&base64(signed.body(kind)), &signed_).err(), Some(Error::Differs), "{kind}");
        }
    }

    #[test]
    fn a_key_is_written_where_no_certificate_is() {
        let signed = Signed::new(1);
        let spki = signed.key.spki();
        let digits = base64(&spki);
        let pem = format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n{}\n-----END PUBLIC KEY-----\n",
            &digits[..64],
            &digits[64..]
        );
        let message = Message::new(&signed.pae);
        let other = Signed::new(2).key;
        for kind in KINDS {
            let body = signed
                .body(kind)
                .replace(&base64(signed.pem()), &base64(&pem))
                .replace("x509Certificate", "publicKey")
                .replace(&base64(&signed.certificate), &digits);
            let content = if kind.starts_with("hashedrekord") && !kind.ends_with("envelope") {
                Content::Digest(SignedDigest::Sha256(&signed.digest))
            } else {
                Content::Envelope {
                    payload_type: TYPE,
                    payload: &signed.payload,
                    message: &message,
                    document: Some(&signed.document),
                }
            };
            let ask = |verifier| {
                rebuild(&base64(&body), &SignedMaterial { content, signature: &signed.signature, verifier })
                    .map(|found| found.0)
            };
            assert!(ask(Verifier::Key(&signed.key)).is_ok(), "{kind}");
            assert_eq!(ask(Verifier::Key(&other)), Err(Error::Differs), "{kind}");
            let certificate = Verifier::Certificate { der: &signed.certificate, key: &signed.key };
            assert_eq!(ask(certificate), Err(Error::Differs), "{kind}");
            // A certificate's bytes that stand as a key, and the reverse.
            let spki = Verifier::Certificate { der: &spki, key: &signed.key };
            assert_eq!(ask(spki), Err(Error::Differs), "{kind}");
        }
    }

    #[test]
    fn only_intoto_2_has_pem_in_several_spellings() {
        let signed = Signed::new(1);
        let canonical = signed.pem();
        let digits = base64(&signed.certificate);
        let line = format!("-----BEGIN CERTIFICATE-----\n{digits}\n-----END CERTIFICATE-----");
        let spellings: [(String, bool); 9] = [
            (canonical.trim_end().into(), true),
            (line.clone(), true),
            (format!("{line}\n"), true),
            (format!("{line}\n\n"), false),
            (format!("\n{line}"), false),
            (canonical.replace('\n', "\r\n"), false),
            (canonical.replace("CERTIFICATE", "PUBLIC KEY"), false),
            (format!("{canonical}{canonical}"), false),
            (line.replace("-----\n", "-----"), false),
        ];
        for (pem, allowed) in spellings {
            for kind in ["hashedrekord 0.0.1", "dsse 0.0.1", "intoto 0.0.1", "intoto 0.0.2"] {
                let body = signed.body(kind).replace(&base64(&canonical), &base64(&pem));
                let expected = if allowed && kind == "intoto 0.0.2" { Ok(()) } else { Err(Error::Differs) };
                assert_eq!(ask(kind, &body, &signed), expected, "{kind} {pem}");
            }
        }
    }

    #[test]
    fn intoto_2_may_have_a_key_id_and_the_payload() {
        let signed = Signed::new(1);
        let kind = "intoto 0.0.2";
        let good = signed.body(kind);
        let payload = base64(base64(&signed.payload));
        let other = base64(base64("other"));
        for (old, new, expected) in [
            ("{\"publicKey\"", "{\"keyid\":\"\",\"publicKey\"".into(), Ok(())),
            ("{\"publicKey\"", "{\"keyid\":\"SHA256:a\\\"b\",\"publicKey\"".into(), Ok(())),
            ("{\"publicKey\"", "{\"keyid\":1,\"publicKey\"".into(), Err(Error::Differs)),
            ("{\"publicKey\"", "{\"keyid\":\"\",\"keyid\":\"\",\"publicKey\"".into(), Err(Error::Differs)),
            ("{\"payloadType\"", format!("{{\"payload\":\"{payload}\",\"payloadType\""), Ok(())),
            ("{\"payloadType\"", format!("{{\"payload\":\"{other}\",\"payloadType\""), Err(Error::Differs)),
            ("vnd.in-toto", "vnd.other".into(), Err(Error::Differs)),
            ("}]}", "},{}]}".into(), Err(Error::Differs)),
        ] {
            let body = good.replacen(old, &new, 1);
            assert_ne!(body, good);
            assert_eq!(ask(kind, &body, &signed), expected, "{new}");
        }
    }

    #[test]
    fn kinds_are_known_by_exact_name_and_version() {
        for (kind, version, expected) in [
            ("hashedrekord", "0.0.1", Some(Kind::HashedRekord1)),
            ("hashedrekord", "0.0.2", Some(Kind::HashedRekord2)),
            ("dsse", "0.0.1", Some(Kind::Dsse1)),
            ("intoto", "0.0.1", Some(Kind::Intoto1)),
            ("intoto", "0.0.2", Some(Kind::Intoto2)),
            ("dsse", "0.0.2", None),
            ("hashedrekord", "0.0.3", None),
            ("hashedrekord", "", None),
            ("HashedRekord", "0.0.1", None),
            ("rekord", "0.0.1", None),
            ("", "", None),
        ] {
            assert_eq!(Kind::from_names(kind, version), expected, "{kind} {version}");
        }
    }
}
