//! The Sigstore bundle (sigstore/protobuf-specs `sigstore_bundle.proto`), versions 0.1, 0.2 and 0.3: a signature, who
//! made it, and what a log and timestamp authorities said about it.
//!
//! Reading a bundle decides which of the members that exclude each other are there; it decodes and verifies nothing.
//! Log entries and timestamps are found when somebody asks for them ([`Bundle::proofs`]): with a key that asks for no
//! log they add nothing.

use crate::dsse::{self, Envelope};
use crate::encoding::{self, Alphabet};
use crate::json::{self, Text, UnknownKeys, Value};
use crate::signature::KeyId;

/// The media types that are read. Version 0.3 has two spellings.
const MEDIA_TYPES: [(&str, Version); 4] = [
    ("application/vnd.dev.sigstore.bundle.v0.3+json", Version::V0_3),
    ("application/vnd.dev.sigstore.bundle+json;version=0.3", Version::V0_3),
    ("application/vnd.dev.sigstore.bundle+json;version=0.2", Version::V0_2),
    ("application/vnd.dev.sigstore.bundle+json;version=0.1", Version::V0_1),
];

/// Why a bundle cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// Not JSON, or not this shape.
    Json(json::Error),
    /// Another media type than those of versions 0.1 to 0.3.
    Version,
    /// Not exactly one of the members that exclude each other.
    Content,
    /// Signed by a certificate where nobody asks for one, or with certificates in the form of another version: one
    /// certificate is version 0.3's, a chain that of those before.
    Certificate,
    /// A signature over the artifact itself, which says nothing about an image.
    MessageSignature,
    /// The envelope inside is wrong.
    Envelope(dsse::Error),
    /// The signature over an artifact is not base64, or longer than any signature.
    #[cfg(feature = "keyless")]
    Signature(encoding::Error),
}

impl From<json::Error> for Error {
    fn from(error: json::Error) -> Self {
        Self::Json(error)
    }
}

/// The version of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// 0.1: a log's promise is enough.
    V0_1,
    /// 0.2: a log has to prove inclusion.
    V0_2,
    /// 0.3: one certificate, and no chain.
    V0_3,
}

/// A bundle, read and not verified.
#[derive(Debug, Clone, Copy)]
pub struct Bundle<'a> {
    version: Version,
    material: Value<'a>,
    signer: SentSigner<'a>,
    content: Content<'a>,
}

/// Who is said to have signed.
#[derive(Debug, Clone, Copy)]
pub enum SentSigner<'a> {
    /// A key pair. The hint names the key that may have signed: it helps to try that one first, and decides nothing.
    Key(Option<KeyId>),
    /// A certificate.
    Certificate(SentChain<'a>),
}

/// A certificate, and in versions before 0.3 others that may lead from it to an authority.
#[derive(Debug, Clone, Copy)]
pub enum SentChain<'a> {
    /// One certificate.
    #[doc(hidden)]
    One(Value<'a>),
    /// A list, the signer's first.
    #[doc(hidden)]
    Several(Value<'a>),
}

/// What was signed, and the signature.
#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    /// An envelope with its one signature.
    Envelope(Envelope<'a>),
    /// A signature over an artifact that is not in the bundle. It does not say that an image is signed.
    Message(MessageSignature<'a>),
}

/// A signature over an artifact that is not in the bundle.
#[derive(Debug, Clone, Copy)]
pub struct MessageSignature<'a> {
    value: Value<'a>,
}

/// What stands beside a signature: log entries and timestamps, each list as it is.
#[cfg(feature = "keyless")]
#[derive(Debug, Clone, Copy)]
pub struct Proofs<'a> {
    /// `tlogEntries`.
    pub entries: Option<Value<'a>>,
    /// `timestampVerificationData.rfc3161Timestamps`.
    pub timestamps: Option<Value<'a>>,
}

impl<'a> Bundle<'a> {
    /// Reads a bundle.
    ///
    /// # Errors
    /// [`Error`], by what is wrong first.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Error> {
        let object = json::parse(bytes)?.object()?;
        let names = ["mediaType", "verificationMaterial", "dsseEnvelope", "messageSignature"];
        let [media_type, material, envelope, message] = object.fields(names, UnknownKeys::Skip)?;
        let media_type = media_type.ok_or(json::Error::MissingKey("mediaType"))?.string()?;
        let known = MEDIA_TYPES.into_iter().find(|(known, _)| media_type.is(known));
        let (_, version) = known.ok_or(Error::Version)?;
        let material = material.ok_or(json::Error::MissingKey("verificationMaterial"))?;
        let signer = read_signer(material, version)?;
        let content = match (present(envelope), present(message)) {
            (Some(envelope), None) => Content::Envelope(Envelope::read(envelope).map_err(Error::Envelope)?),
            (None, Some(value)) => Content::Message(MessageSignature { value }),
            _ => return Err(Error::Content),
        };
        Ok(Self { version, material, signer, content })
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Who is said to have signed.
    #[must_use]
    pub fn signer(&self) -> SentSigner<'a> {
        self.signer
    }

    /// What was signed.
    #[must_use]
    pub fn content(&self) -> Content<'a> {
        self.content
    }

    /// The envelope: the only content that can say something about an image.
    ///
    /// # Errors
    /// [`Error::MessageSignature`].
    pub fn envelope(&self) -> Result<Envelope<'a>, Error> {
        match self.content {
            Content::Envelope(envelope) => Ok(envelope),
            Content::Message(_) => Err(Error::MessageSignature),
        }
    }

    /// The whole of `verificationMaterial`.
    #[must_use]
    pub fn material(&self) -> Value<'a> {
        self.material
    }

    /// Log entries and timestamps.
    ///
    /// # Errors
    /// [`Error::Json`].
    #[cfg(feature = "keyless")]
    pub fn proofs(&self) -> Result<Proofs<'a>, Error> {
        let names = ["tlogEntries", "timestampVerificationData"];
        let [entries, data] = self.material.object()?.fields(names, UnknownKeys::Skip)?;
        let timestamps = match present(data) {
            Some(data) => {
                let [timestamps] = data.object()?.fields(["rfc3161Timestamps"], UnknownKeys::Skip)?;
                present(timestamps)
            }
            None => None,
        };
        Ok(Proofs { entries: present(entries), timestamps })
    }
}

#[cfg(feature = "keyless")]
impl<'a> SentChain<'a> {
    /// The certificates in base64, the signer's first.
    ///
    /// # Errors
    /// [`Error::Json`], here or with each of them. Where there is none, that is said by whoever asks for the first.
    pub fn certificates(&self) -> Result<impl Iterator<Item = Result<Text<'a>, Error>> + use<'a>, Error> {
        let (one, several) = match self {
            Self::One(value) => (Some(*value), None),
            Self::Several(value) => {
                let [certificates] = value.object()?.fields(["certificates"], UnknownKeys::Skip)?;
                (None, present(certificates).map(Value::array).transpose()?)
            }
        };
        let values = one.map(Ok).into_iter().chain(several.into_iter().flatten());
        Ok(values.map(|value| {
            let [raw] = value?.object()?.fields(["rawBytes"], UnknownKeys::Skip)?;
            Ok(present(raw).ok_or(json::Error::MissingKey("rawBytes"))?.string()?)
        }))
    }
}

impl<'a> MessageSignature<'a> {
    /// All of it.
    #[must_use]
    pub fn value(&self) -> Value<'a> {
        self.value
    }
}

#[cfg(feature = "keyless")]
impl MessageSignature<'_> {
    /// The signature's bytes.
    ///
    /// # Errors
    /// [`Error::Json`] and [`Error::Signature`].
    pub fn signature(&self) -> Result<dsse::SignatureBytes, Error> {
        let [signature] = self.value.object()?.fields(["signature"], UnknownKeys::Skip)?.map(present);
        let text = signature.ok_or(json::Error::MissingKey("signature"))?.string()?;
        let bytes = text.chars().map(|c| u8::try_from(c).unwrap_or(u8::MAX));
        dsse::SignatureBytes::from_base64(bytes, Alphabet::Standard).map_err(Error::Signature)
    }

    /// The digest that the signer says the artifact has: not signed, a hint. Still, one that is there and is another
    /// artifact's contradicts the whole (T-16). `None` where there is none.
    ///
    /// # Errors
    /// [`Error::Json`]; [`Error::Content`] for a digest that is not one of its algorithm.
    pub fn digest(&self) -> Result<Option<SentDigest>, Error> {
        let [digest] = self.value.object()?.fields(["messageDigest"], UnknownKeys::Skip)?.map(present);
        let Some(digest) = digest else { return Ok(None) };
        let names = ["algorithm", "digest"];
        let [algorithm, digest] = digest.object()?.fields(names, UnknownKeys::Skip)?.map(present);
        let text = digest.ok_or(json::Error::MissingKey("digest"))?.string()?;
        let mut bytes = [0_u8; 64];
        let digits = text.chars().map(|c| u8::try_from(c).unwrap_or(u8::MAX));
        let length = encoding::base64(digits, Alphabet::Standard, &mut bytes).map_err(|_| Error::Content)?;
        let algorithm = algorithm.ok_or(json::Error::MissingKey("algorithm"))?.string()?;
        let expected = [("SHA2_256", 32), ("SHA2_384", 48), ("SHA2_512", 64)];
        if !expected.into_iter().any(|(name, expected)| algorithm.is(name) && length == expected) {
            return Err(Error::Content);
        }
        Ok(Some(SentDigest { bytes, length }))
    }
}

/// A digest that a bundle says an artifact has; its length says of which hash of the SHA-2 family.
#[cfg(feature = "keyless")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentDigest {
    bytes: [u8; 64],
    length: usize,
}

#[cfg(feature = "keyless")]
impl SentDigest {
    /// Its 32, 48 or 64 bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

fn read_signer(value: Value<'_>, version: Version) -> Result<SentSigner<'_>, Error> {
    let names = ["publicKey", "certificate", "x509CertificateChain"];
    let [key, certificate, chain] = value.object()?.fields(names, UnknownKeys::Skip)?;
    match (present(key), present(certificate), present(chain)) {
        // Nobody has written those for key pairs.
        (Some(_), None, None) if version != Version::V0_3 => Err(Error::Version),
        (Some(key), None, None) => {
            let [hint] = key.object()?.fields(["hint"], UnknownKeys::Skip)?;
            Ok(SentSigner::Key(match present(hint) {
                Some(hint) => read_hint(hint.string()?),
                None => None,
            }))
        }
        (None, Some(certificate), None) if version == Version::V0_3 => {
            Ok(SentSigner::Certificate(SentChain::One(certificate)))
        }
        (None, None, Some(chain)) if version != Version::V0_3 => {
            Ok(SentSigner::Certificate(SentChain::Several(chain)))
        }
        (None, Some(_), None) | (None, None, Some(_)) => Err(Error::Certificate),
        _ => Err(Error::Content),
    }
}

/// Hints of another form are normal: they only help.
fn read_hint(text: Text<'_>) -> Option<KeyId> {
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
    use super::{Bundle, Error, SentSigner, Version};
    use crate::dsse;
    use crate::json;

    extern crate std;

    const GOOD: &str = r#"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="},"tlogEntries":[]},"dsseEnvelope":{"payload":"","payloadType":"t","signatures":[{"sig":"AA=="}]}}"#;

    fn read(text: &str) -> Result<bool, Error> {
        let bundle = Bundle::read(text.as_bytes())?;
        bundle.envelope()?;
        match bundle.signer() {
            SentSigner::Key(hint) => Ok(hint.is_some()),
            SentSigner::Certificate(_) => Err(Error::Certificate),
        }
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
    fn one_certificate_is_version_0_3s_and_a_chain_that_of_those_before() {
        let of = |version: &str, signer: &str| {
            let text = GOOD.replace("bundle.v0.3+json", version);
            let hint = "\"publicKey\":{\"hint\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}";
            let text = text.replace(hint, signer);
            Bundle::read(text.as_bytes()).map(|bundle| bundle.version())
        };
        let (one, chain) = (r#""certificate":{}"#, r#""x509CertificateChain":{}"#);
        for (name, version) in [("1", Version::V0_1), ("2", Version::V0_2), ("3", Version::V0_3)] {
            let media_type = std::format!("bundle+json;version=0.{name}");
            let last = version == Version::V0_3;
            let expected = |fits| if fits { Ok(version) } else { Err(Error::Certificate) };
            assert_eq!(of(&media_type, one), expected(last), "{name}");
            assert_eq!(of(&media_type, chain), expected(!last), "{name}");
            // Key pairs came with version 0.3.
            let key = of(&media_type, r#""publicKey":{}"#);
            assert_eq!(key, if last { Ok(version) } else { Err(Error::Version) }, "{name}");
        }
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
