//! The Sigstore bundle v0.3 (sigstore/protobuf-specs `sigstore_bundle.proto`) as cosign 3 writes it for key pairs:
//! a key hint and one DSSE envelope.
//!
//! Log entries and timestamps inside are skipped: with a key of the trust bundle they add nothing that this
//! version judges. Certificates and bare message signatures are refused by name, never ignored.

use crate::dsse::{self, Envelope};
use crate::encoding::{self, Alphabet};
use crate::json::{self, UnknownKeys, Value};
use crate::signature::KeyId;

/// Both spellings of version 0.3.
const MEDIA_TYPES: [&str; 2] =
    ["application/vnd.dev.sigstore.bundle.v0.3+json", "application/vnd.dev.sigstore.bundle+json;version=0.3"];

/// Why a bundle cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// Not JSON, or not this shape.
    Json(json::Error),
    /// A media type other than version 0.3's.
    Version,
    /// Not exactly one of the members that exclude each other.
    Content,
    /// Signed by a certificate, which this version does not verify.
    Certificate,
    /// A signature over the artifact itself, which says nothing about an image.
    MessageSignature,
    /// The envelope inside is wrong.
    Envelope(dsse::Error),
}

impl From<json::Error> for Error {
    fn from(error: json::Error) -> Self {
        Self::Json(error)
    }
}

/// A bundle, read and not verified.
#[derive(Debug, Clone, Copy)]
pub struct Bundle<'a> {
    /// Names the key that may have signed. Helps to try that one first; decides nothing.
    pub hint: Option<KeyId>,
    /// The envelope.
    pub envelope: Envelope<'a>,
}

impl<'a> Bundle<'a> {
    /// Reads a bundle.
    ///
    /// # Errors
    /// [`Error`], by what is wrong first.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Error> {
        let object = json::parse(bytes)?.object()?;
        let names = ["mediaType", "verificationMaterial", "dsseEnvelope", "messageSignature"];
        let [media_type, material, envelope, message_signature] = object.fields(names, UnknownKeys::Skip)?;
        let media_type = media_type.ok_or(json::Error::MissingKey("mediaType"))?.string()?;
        if !MEDIA_TYPES.into_iter().any(|known| media_type.is(known)) {
            return Err(Error::Version);
        }
        let hint = read_material(material.ok_or(json::Error::MissingKey("verificationMaterial"))?)?;
        match (present(envelope), present(message_signature)) {
            (Some(envelope), None) => {
                Ok(Self { hint, envelope: Envelope::read(envelope).map_err(Error::Envelope)? })
            }
            (None, Some(_)) => Err(Error::MessageSignature),
            _ => Err(Error::Content),
        }
    }
}

fn read_material(value: Value<'_>) -> Result<Option<KeyId>, Error> {
    let names = ["publicKey", "certificate", "x509CertificateChain"];
    let [key, certificate, chain] = value.object()?.fields(names, UnknownKeys::Skip)?;
    match (present(key), present(certificate), present(chain)) {
        (Some(key), None, None) => {
            let [hint] = key.object()?.fields(["hint"], UnknownKeys::Skip)?;
            Ok(match present(hint) {
                Some(hint) => read_hint(hint.string()?),
                None => None,
            })
        }
        (None, Some(_), None) | (None, None, Some(_)) => Err(Error::Certificate),
        _ => Err(Error::Content),
    }
}

/// Hints of another form are normal: they only help.
fn read_hint(text: json::Text<'_>) -> Option<KeyId> {
    let mut id = [0; 32];
    let length = encoding::base64(text.plain()?.bytes(), Alphabet::Standard, &mut id).ok()?;
    (length == id.len()).then_some(KeyId(id))
}

/// A member that protobuf's JSON says is absent: not there, or null.
fn present(value: Option<Value<'_>>) -> Option<Value<'_>> {
    value.filter(|value| !value.is_null())
}

#[cfg(test)]
mod tests {
    use super::{Bundle, Error};
    use crate::dsse;
    use crate::json;

    extern crate std;

    const GOOD: &str = r#"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="},"tlogEntries":[]},"dsseEnvelope":{"payload":"","payloadType":"t","signatures":[{"sig":"AA=="}]}}"#;

    fn read(text: &str) -> Result<bool, Error> {
        Bundle::read(text.as_bytes()).map(|bundle| bundle.hint.is_some())
    }

    #[test]
    fn version_0_3_is_read_in_both_spellings() {
        assert_eq!(read(GOOD), Ok(true));
        assert_eq!(read(&GOOD.replace("bundle.v0.3+json", "bundle+json;version=0.3")), Ok(true));
    }

    #[test]
    fn other_versions_are_refused() {
        for other in
            ["bundle.v0.2+json", "bundle.v0.4+json", "bundle+json;version=0.1", "bundle", "bundle.v0.3+json "]
        {
            assert_eq!(read(&GOOD.replace("bundle.v0.3+json", other)), Err(Error::Version), "{other}");
        }
        assert_eq!(read("{}"), Err(Error::Json(json::Error::MissingKey("mediaType"))));
    }

    #[test]
    fn a_hint_only_helps() {
        for hint in ["\"\"", "\"x\"", "null", "\"AAAA\""] {
            let text = GOOD.replace("\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"", hint);
            assert_eq!(read(&text), Ok(false), "{hint}");
        }
    }

    #[test]
    fn members_that_exclude_each_other_are_refused_together_and_when_all_are_absent() {
        for (from, to, error) in [
            ("\"publicKey\"", "\"certificate\"", Error::Certificate),
            ("\"publicKey\"", "\"x509CertificateChain\"", Error::Certificate),
            ("\"publicKey\"", "\"certificate\":{},\"publicKey\"", Error::Content),
            ("\"publicKey\"", "\"other\"", Error::Content),
            ("\"dsseEnvelope\"", "\"messageSignature\"", Error::MessageSignature),
            ("\"dsseEnvelope\"", "\"messageSignature\":{},\"dsseEnvelope\"", Error::Content),
            ("\"dsseEnvelope\"", "\"other\"", Error::Content),
            (
                "\"dsseEnvelope\":{",
                "\"dsseEnvelope\":{\"payload\":\"\",",
                Error::Envelope(dsse::Error::Json(json::Error::DuplicateKey("payload"))),
            ),
            ("{\"sig\":\"AA==\"}", "", Error::Envelope(dsse::Error::SignatureCount)),
        ] {
            assert_eq!(read(&GOOD.replacen(from, to, 1)), Err(error), "{from} -> {to}");
        }
    }
}
