//! DSSE envelopes (secure-systems-lab/dsse v1.0.2, `envelope.md` and `protocol.md`).
//!
//! An [`Envelope`] is what evidence comes in: it has one signature, and no other number can be represented
//! (T-14). A [`ThresholdEnvelope`] is what our own documents come in: 1 to 16 signatures, counted by distinct
//! key. Both share the pre-authentication encoding and nothing else.
//!
//! `keyid` is not read at all: it is not authenticated and decides nothing (T-15).

use crate::encoding::{self, Alphabet};
use crate::json::{self, Text, UnknownKeys, Value};
use crate::limits;
use crate::signature::{KeyId, Message, PublicKey, SignedFormat};

/// Payload type of an in-toto statement.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";

/// Bytes that a scratch buffer needs beyond the payload's own.
pub const PAE_ROOM: usize = 128;

/// Why an envelope cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// Not JSON, or not this shape.
    Json(json::Error),
    /// Not exactly one signature, or not 1 to 16 of them.
    SignatureCount,
    /// A payload type other than the one asked for.
    PayloadType,
    /// The payload is not base64.
    Payload(encoding::Error),
    /// The payload is larger than allowed; nothing was decoded.
    PayloadTooLarge,
    /// The signature is not base64, or longer than any signature.
    Signature(encoding::Error),
    /// The caller's buffer is too small: a fault of ours.
    Scratch,
}

impl From<json::Error> for Error {
    fn from(error: json::Error) -> Self {
        Self::Json(error)
    }
}

/// An envelope with one signature.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    payload_type: Text<'a>,
    payload: Text<'a>,
    signature: Text<'a>,
}

impl<'a> Envelope<'a> {
    /// Reads an envelope; verifies nothing.
    ///
    /// # Errors
    /// [`Error::Json`] and [`Error::SignatureCount`].
    pub fn read(value: Value<'a>) -> Result<Self, Error> {
        let (payload_type, payload, mut signatures) = read_parts(value, UnknownKeys::Skip)?;
        let signature = signatures.next().ok_or(Error::SignatureCount)??;
        if signatures.next().is_some() {
            return Err(Error::SignatureCount);
        }
        Ok(Self { payload_type, payload, signature: read_signature(signature, UnknownKeys::Skip)? })
    }

    /// Decodes the payload into `scratch` and returns what was signed.
    ///
    /// # Errors
    /// [`Error::PayloadType`], [`Error::Payload`], [`Error::PayloadTooLarge`], [`Error::Scratch`].
    pub fn open<'s>(&self, payload_type: &str, scratch: &'s mut [u8]) -> Result<PreAuthEncoding<'s>, Error> {
        PreAuthEncoding::decode(payload_type, self.payload_type, self.payload, limits::PAYLOAD_BYTES, scratch)
    }

    /// The signature's bytes.
    ///
    /// # Errors
    /// [`Error::Signature`].
    pub fn signature(&self) -> Result<SignatureBytes, Error> {
        SignatureBytes::decode(self.signature)
    }
}

/// An envelope of ours, with 1 to [`limits::THRESHOLD_SIGNATURES`] signatures.
#[derive(Debug, Clone)]
pub struct ThresholdEnvelope<'a> {
    payload_type: Text<'a>,
    payload: Text<'a>,
    signatures: heapless::Vec<Text<'a>, { limits::THRESHOLD_SIGNATURES }>,
}

impl<'a> ThresholdEnvelope<'a> {
    /// Reads an envelope; verifies nothing.
    ///
    /// # Errors
    /// [`Error::Json`] and [`Error::SignatureCount`].
    pub fn read(value: Value<'a>) -> Result<Self, Error> {
        let (payload_type, payload, items) = read_parts(value, UnknownKeys::Refuse)?;
        let mut signatures = heapless::Vec::new();
        for item in items {
            signatures
                .push(read_signature(item?, UnknownKeys::Refuse)?)
                .map_err(|_| Error::SignatureCount)?;
        }
        if signatures.is_empty() {
            return Err(Error::SignatureCount);
        }
        Ok(Self { payload_type, payload, signatures })
    }

    /// Bytes that [`ThresholdEnvelope::open`] needs at most.
    #[must_use]
    pub fn scratch_bytes(&self) -> usize {
        self.payload.raw_len().saturating_add(PAE_ROOM)
    }

    /// Decodes the payload into `scratch` and returns what was signed.
    ///
    /// # Errors
    /// As [`Envelope::open`], with the larger bound of our own documents.
    pub fn open<'s>(&self, payload_type: &str, scratch: &'s mut [u8]) -> Result<PreAuthEncoding<'s>, Error> {
        PreAuthEncoding::decode(
            payload_type,
            self.payload_type,
            self.payload,
            limits::TRUST_PAYLOAD_BYTES,
            scratch,
        )
    }

    /// How many distinct keys of `keys` have a signature that verifies. A signature that does not verify, or is
    /// not readable, counts as nothing; a key that signed twice, or that is listed twice, counts once.
    #[must_use]
    pub fn count_distinct(&self, signed: &PreAuthEncoding<'_>, keys: &[PublicKey]) -> usize {
        let message = Message::new(signed.message());
        let mut counted: heapless::Vec<KeyId, { limits::THRESHOLD_SIGNATURES }> = heapless::Vec::new();
        for text in &self.signatures {
            let Ok(signature) = SignatureBytes::decode(*text) else { continue };
            let signer =
                keys.iter().find(|key| key.verify(SignedFormat::Ours, &message, signature.bytes()).is_ok());
            if let Some(id) = signer.map(PublicKey::id).filter(|id| !counted.contains(id)) {
                // There is a place for each signature.
                let _fits = counted.push(id);
            }
        }
        counted.len()
    }
}

/// The bytes that a DSSE signature is over, with the payload inside them: who has verified the one has verified
/// the other, and nothing decodes the payload a second time (T-12).
#[derive(Debug)]
pub struct PreAuthEncoding<'s> {
    message: &'s [u8],
    payload: &'s [u8],
}

impl<'s> PreAuthEncoding<'s> {
    /// `DSSEv1 SP LEN(type) SP type SP LEN(payload) SP payload`, lengths in bytes (T-13).
    fn decode(
        expected: &str,
        found: Text<'_>,
        payload: Text<'_>,
        most: u64,
        scratch: &'s mut [u8],
    ) -> Result<Self, Error> {
        if !found.is(expected) {
            return Err(Error::PayloadType);
        }
        // Three bytes of four digits. Escapes make the text longer than its digits; those who escape every
        // character of a payload at the bound are refused.
        let least = u64::try_from(payload.raw_len()).unwrap_or(u64::MAX).saturating_sub(4).wrapping_div(4);
        if least.saturating_mul(3) > most {
            return Err(Error::PayloadTooLarge);
        }
        let (room, rest) = scratch.split_at_mut_checked(PAE_ROOM).ok_or(Error::Scratch)?;
        let decoded = match payload.plain() {
            Some(plain) => encoding::base64(plain.bytes(), Alphabet::StandardOrUrlSafe, rest),
            // A character beyond ASCII becomes a byte that no alphabet has.
            None => {
                let bytes = payload.chars().map(|c| u8::try_from(c).unwrap_or(u8::MAX));
                encoding::base64(bytes, Alphabet::StandardOrUrlSafe, rest)
            }
        };
        let length = decoded.map_err(|error| match error {
            encoding::Error::TooLong => Error::Scratch,
            error => Error::Payload(error),
        })?;
        if u64::try_from(length).unwrap_or(u64::MAX) > most {
            return Err(Error::PayloadTooLarge);
        }
        let mut prefix: heapless::String<PAE_ROOM> = heapless::String::new();
        core::fmt::Write::write_fmt(
            &mut prefix,
            format_args!("DSSEv1 {} {expected} {length} ", expected.len()),
        )
        .map_err(|_| Error::Scratch)?;
        let start = PAE_ROOM.saturating_sub(prefix.len());
        for (slot, byte) in room.iter_mut().skip(start).zip(prefix.bytes()) {
            *slot = byte;
        }
        let message = scratch.get(start..PAE_ROOM.saturating_add(length)).ok_or(Error::Scratch)?;
        let payload = message.get(prefix.len()..).ok_or(Error::Scratch)?;
        Ok(Self { message, payload })
    }

    /// What the signature is over.
    #[must_use]
    pub fn message(&self) -> &'s [u8] {
        self.message
    }

    /// The payload. It is only worth reading once a signature over [`PreAuthEncoding::message`] verified.
    #[must_use]
    pub fn payload(&self) -> &'s [u8] {
        self.payload
    }
}

/// A decoded signature value.
#[derive(Debug, Clone)]
pub struct SignatureBytes {
    bytes: [u8; limits::SIGNATURE_VALUE_BYTES],
    length: usize,
}

impl SignatureBytes {
    fn decode(text: Text<'_>) -> Result<Self, Error> {
        match text.plain() {
            Some(plain) => Self::from_base64(plain.bytes(), Alphabet::StandardOrUrlSafe),
            None => {
                let bytes = text.chars().map(|c| u8::try_from(c).unwrap_or(u8::MAX));
                Self::from_base64(bytes, Alphabet::StandardOrUrlSafe)
            }
        }
        .map_err(Error::Signature)
    }

    /// Decodes a signature that stands outside an envelope.
    ///
    /// # Errors
    /// Those of [`encoding::base64`].
    pub fn from_base64(
        digits: impl Iterator<Item = u8>,
        alphabet: Alphabet,
    ) -> Result<Self, encoding::Error> {
        let mut bytes = [0; limits::SIGNATURE_VALUE_BYTES];
        let length = encoding::base64(digits, alphabet, &mut bytes)?;
        Ok(Self { bytes, length })
    }

    /// The value.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

fn read_parts(
    value: Value<'_>,
    unknown: UnknownKeys,
) -> Result<(Text<'_>, Text<'_>, json::Items<'_>), Error> {
    let fields = value.object()?.fields(["payloadType", "payload", "signatures"], unknown)?;
    let [payload_type, payload, signatures] = fields;
    Ok((
        payload_type.ok_or(json::Error::MissingKey("payloadType"))?.string()?,
        payload.ok_or(json::Error::MissingKey("payload"))?.string()?,
        signatures.ok_or(json::Error::MissingKey("signatures"))?.array()?,
    ))
}

fn read_signature(item: Value<'_>, unknown: UnknownKeys) -> Result<Text<'_>, Error> {
    // The key id is known, so that it may be there, and not looked at.
    let [sig, _keyid] = item.object()?.fields(["sig", "keyid"], unknown)?;
    Ok(sig.ok_or(json::Error::MissingKey("sig"))?.string()?)
}

#[cfg(test)]
mod tests {
    use super::{Envelope, Error, PAE_ROOM, PreAuthEncoding, ThresholdEnvelope};
    use crate::encoding;
    use crate::json::{self, parse};

    extern crate std;
    use std::format;
    use std::string::String;
    use std::vec;

    fn read(text: &str) -> Result<(), Error> {
        Envelope::read(parse(text.as_bytes()).unwrap()).map(|_| ())
    }

    fn signatures(count: usize) -> String {
        let one = r#"{"keyid":"","sig":"AA=="}"#;
        format!(r#"{{"payloadType":"t","payload":"","signatures":[{}]}}"#, vec![one; count].join(","))
    }

    #[test]
    fn evidence_has_exactly_one_signature() {
        assert_eq!(read(&signatures(1)), Ok(()));
        for count in [0, 2, 3] {
            assert_eq!(read(&signatures(count)), Err(Error::SignatureCount), "{count}");
        }
    }

    #[test]
    fn our_documents_have_one_to_sixteen_signatures() {
        let read = |count| ThresholdEnvelope::read(parse(signatures(count).as_bytes()).unwrap()).map(|_| ());
        assert_eq!(read(1), Ok(()));
        assert_eq!(read(16), Ok(()));
        assert_eq!(read(0), Err(Error::SignatureCount));
        assert_eq!(read(17), Err(Error::SignatureCount));
    }

    #[test]
    fn our_documents_have_no_member_that_nobody_knows() {
        let refused = Err(Error::Json(json::Error::UnknownKey));
        for (from, to) in [("\"payload\"", "\"more\":1,\"payload\""), ("\"sig\"", "\"more\":1,\"sig\"")] {
            let text = signatures(1).replacen(from, to, 1);
            let ours = ThresholdEnvelope::read(parse(text.as_bytes()).unwrap()).map(|_| ());
            assert_eq!(ours, refused, "{to}");
            // In others' documents it is skipped.
            assert_eq!(read(&text), Ok(()));
        }
    }

    #[test]
    fn absent_null_and_mistyped_fields_are_errors() {
        for (text, error) in [
            ("{}", json::Error::MissingKey("payloadType")),
            (r#"{"payloadType":"t"}"#, json::Error::MissingKey("payload")),
            (r#"{"payloadType":"t","payload":""}"#, json::Error::MissingKey("signatures")),
            (r#"{"payloadType":null,"payload":"","signatures":[]}"#, json::Error::WrongType),
            (r#"{"payloadType":"t","payload":1,"signatures":[]}"#, json::Error::WrongType),
            (r#"{"payloadType":"t","payload":"","signatures":null}"#, json::Error::WrongType),
            (r#"{"payloadType":"t","payload":"","signatures":[null]}"#, json::Error::WrongType),
            (r#"{"payloadType":"t","payload":"","signatures":[{}]}"#, json::Error::MissingKey("sig")),
            (
                r#"{"payloadType":"t","payload":"","payload":"","signatures":[]}"#,
                json::Error::DuplicateKey("payload"),
            ),
            (
                r#"{"payloadType":"t","payload":"","Payload":"","signatures":[]}"#,
                json::Error::TwinKey("payload"),
            ),
            ("[]", json::Error::WrongType),
        ] {
            assert_eq!(read(text), Err(Error::Json(error)), "{text}");
        }
    }

    fn encode(payload_type: &str, payload_base64: &str) -> Result<String, Error> {
        let text = format!(
            r#"{{"payloadType":"{payload_type}","payload":"{payload_base64}","signatures":[{{"sig":"AA=="}}]}}"#
        );
        let mut scratch = [0; PAE_ROOM + 64];
        let envelope = Envelope::read(parse(text.as_bytes()).unwrap())?;
        let signed = envelope.open(payload_type, &mut scratch)?;
        Ok(String::from_utf8_lossy(signed.message()).into_owned())
    }

    #[test]
    fn lengths_of_the_encoding_are_bytes_not_characters() {
        assert_eq!(
            encode("http://example.com/HelloWorld", "aGVsbG8gd29ybGQ=").unwrap(),
            "DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
        assert_eq!(encode("", "").unwrap(), "DSSEv1 0  0 ");
        assert_eq!(encode("é", "w6nigqzwn5iA").unwrap(), "DSSEv1 2 é 9 é€😀");
        assert_eq!(encode("t", "AAA=").unwrap(), "DSSEv1 1 t 2 \0\0");
    }

    #[test]
    fn payloads_are_strict_base64_even_where_json_escapes_them() {
        assert_eq!(encode("t", r"aGk\u003d").unwrap(), "DSSEv1 1 t 2 hi");
        assert_eq!(encode("t", r"\/\/\/\/").unwrap().len(), "DSSEv1 1 t 3 ".len() + 9);
        assert_eq!(encode("t", "aGk"), Err(Error::Payload(encoding::Error::Length)));
        assert_eq!(encode("t", "aGl="), Err(Error::Payload(encoding::Error::StrayBits)));
        assert_eq!(encode("t", r"aG\nk"), Err(Error::Payload(encoding::Error::Character)));
        assert_eq!(encode("t", r"aG\u0100k"), Err(Error::Payload(encoding::Error::Character)));
    }

    #[test]
    fn another_payload_type_is_refused() {
        let text = r#"{"payloadType":"a","payload":"","signatures":[{"sig":"AA=="}]}"#;
        let envelope = Envelope::read(parse(text.as_bytes()).unwrap()).unwrap();
        let mut scratch = [0; PAE_ROOM];
        assert_eq!(envelope.open("b", &mut scratch).err(), Some(Error::PayloadType));
        assert_eq!(envelope.open("a", &mut scratch[..10]).err(), Some(Error::Scratch));
    }

    #[test]
    fn payloads_beyond_the_bound_are_refused_before_decoding() {
        let text = format!("\"{}\"", "A".repeat(64));
        let payload = parse(text.as_bytes()).unwrap().string().unwrap();
        let kind = parse(b"\"t\"").unwrap().string().unwrap();
        let open =
            |most| PreAuthEncoding::decode("t", kind, payload, most, &mut [0; 256]).map(|p| p.payload.len());
        assert_eq!(open(48), Ok(48));
        assert_eq!(open(47), Err(Error::PayloadTooLarge));
        assert_eq!(open(10), Err(Error::PayloadTooLarge));
    }
}
