//! The envelope around a trust bundle's payload, as those who sign see it.
//!
//! Nodes open envelopes with the core ([`pullward_core::trust::open_envelope`]); this side makes them and also takes
//! one that nobody has signed yet.

use base64ct::{Base64, Encoding as _};
use pullward_core::limits;
use pullward_core::oci::Digest;
use pullward_core::signature::{Message, PublicKey, SignedFormat};
use pullward_core::trust::PAYLOAD_TYPE;
use serde::{Deserialize, Serialize};

use super::root_key::RootKey;

/// A DSSE envelope (secure-systems-lab/dsse v1.0.2) with any number of signatures from 0 to 16.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    payload: Vec<u8>,
    signatures: Vec<Signature>,
}

/// One signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// SHA-256 of the key's SPKI in hex, as its maker says: a hint that decides nothing.
    pub keyid: String,
    /// ECDSA in DER, or Ed25519.
    pub value: Vec<u8>,
}

/// What became of an attempt to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signing {
    /// The signature was added.
    Added,
    /// The key had signed before; nothing changed.
    AlreadyThere,
}

/// Why there is no envelope, or no further signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not the JSON of an envelope.
    #[error("it is no trust bundle: {0}")]
    Malformed(String),
    /// An envelope around something else.
    #[error("it holds `{0}`, not a trust bundle")]
    PayloadType(String),
    /// Base64 that is not.
    #[error("its {0} is not base64")]
    Base64(&'static str),
    /// As many signatures as nodes read.
    #[error("it has {max} signatures already, nodes read no more", max = limits::THRESHOLD_SIGNATURES)]
    Full,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    payload: String,
    #[serde(rename = "payloadType")]
    payload_type: String,
    signatures: Vec<SignatureDocument>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureDocument {
    keyid: String,
    sig: String,
}

impl Envelope {
    /// An envelope that nobody has signed yet.
    #[must_use]
    pub fn unsigned(payload: Vec<u8>) -> Self {
        Self { payload, signatures: Vec::new() }
    }

    /// Reads an envelope. Verifies nothing.
    ///
    /// # Errors
    /// [`EnvelopeError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let document: Document =
            serde_json::from_slice(bytes).map_err(|error| EnvelopeError::Malformed(error.to_string()))?;
        if document.payload_type != PAYLOAD_TYPE {
            return Err(EnvelopeError::PayloadType(document.payload_type));
        }
        if document.signatures.len() > limits::THRESHOLD_SIGNATURES {
            return Err(EnvelopeError::Full);
        }
        let payload = Base64::decode_vec(&document.payload).map_err(|_| EnvelopeError::Base64("payload"))?;
        let signatures = document.signatures.into_iter().map(|signature| {
            let value = Base64::decode_vec(&signature.sig).map_err(|_| EnvelopeError::Base64("signature"))?;
            Ok(Signature { keyid: signature.keyid, value })
        });
        Ok(Self { payload, signatures: signatures.collect::<Result<_, _>>()? })
    }

    /// The file that nodes get: compact JSON and a line end.
    ///
    /// # Errors
    /// [`EnvelopeError::Malformed`] where it cannot be written as JSON: a fault of ours.
    pub fn to_bytes(&self) -> Result<Vec<u8>, EnvelopeError> {
        let signatures = self.signatures.iter().map(|signature| SignatureDocument {
            keyid: signature.keyid.clone(),
            sig: Base64::encode_string(&signature.value),
        });
        let document = Document {
            payload: Base64::encode_string(&self.payload),
            payload_type: PAYLOAD_TYPE.to_owned(),
            signatures: signatures.collect(),
        };
        let mut bytes =
            serde_json::to_vec(&document).map_err(|error| EnvelopeError::Malformed(error.to_string()))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// The payload's bytes.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// SHA-256 of the payload: what two people compare who sign the same bundle.
    #[must_use]
    pub fn payload_digest(&self) -> Digest {
        Digest::of(&self.payload)
    }

    /// The signatures, in the order of their key ids.
    #[must_use]
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Whether the signature at a place verifies with a key.
    #[must_use]
    pub fn verifies(&self, place: usize, key: &PublicKey) -> bool {
        self.signatures.get(place).is_some_and(|signature| {
            key.verify(SignedFormat::Ours, &Message::new(&self.pre_auth_encoding()), &signature.value).is_ok()
        })
    }

    /// Whether one of the signatures verifies with a key.
    #[must_use]
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        (0..self.signatures.len()).any(|place| self.verifies(place, key))
    }

    /// Adds a signature. A key never signs twice; what claims to be its signature and does not verify is replaced.
    ///
    /// # Errors
    /// [`EnvelopeError::Full`].
    pub fn sign(&mut self, key: &RootKey) -> Result<Signing, EnvelopeError> {
        let public = PublicKey::from_spki(key.spki())
            .map_err(|_| EnvelopeError::Malformed("the root key is no key that nodes take".to_owned()))?;
        if self.is_signed_by(&public) {
            return Ok(Signing::AlreadyThere);
        }
        let keyid = key.id().hex().as_str().to_owned();
        self.signatures.retain(|signature| signature.keyid != keyid);
        if self.signatures.len() >= limits::THRESHOLD_SIGNATURES {
            return Err(EnvelopeError::Full);
        }
        let value = key.sign(&self.pre_auth_encoding());
        self.signatures.push(Signature { keyid, value });
        // Whoever signs first: the file is the same.
        self.signatures.sort_by(|one, other| one.keyid.cmp(&other.keyid));
        Ok(Signing::Added)
    }

    /// What is signed (dsse `protocol.md`): `DSSEv1 SP LEN(type) SP type SP LEN(payload) SP payload`.
    fn pre_auth_encoding(&self) -> Vec<u8> {
        let mut message =
            format!("DSSEv1 {} {PAYLOAD_TYPE} {} ", PAYLOAD_TYPE.len(), self.payload.len()).into_bytes();
        message.extend_from_slice(&self.payload);
        message
    }
}

#[cfg(test)]
mod tests {
    use pullward_core::signature::PublicKey;
    use pullward_core::trust::{TrustError, open_envelope};

    use super::{Envelope, EnvelopeError, Signing};
    use crate::trust::root_key::{RootKey, RootKeyType};

    fn key() -> (RootKey, PublicKey) {
        let key = RootKey::generate(RootKeyType::P256).unwrap();
        let public = PublicKey::from_spki(key.spki()).unwrap();
        (key, public)
    }

    fn opened(envelope: &Envelope, roots: &[PublicKey], needed: usize) -> Result<Vec<u8>, TrustError> {
        let mut scratch = vec![0; 4096];
        open_envelope(&envelope.to_bytes().unwrap(), roots, needed, &mut scratch).map(<[u8]>::to_vec)
    }

    #[test]
    fn the_core_opens_what_is_signed_here() {
        let ((one, one_public), (_, other_public)) = (key(), key());
        let mut envelope = Envelope::unsigned(b"payload".to_vec());
        assert_eq!(envelope.sign(&one), Ok(Signing::Added));
        assert_eq!(opened(&envelope, &[one_public], 1), Ok(b"payload".to_vec()));
        let error = opened(&envelope, &[other_public], 1).unwrap_err();
        assert_eq!(error, TrustError::RootSignatures { signed: 0, needed: 1 });
    }

    #[test]
    fn a_key_signs_once_and_the_order_of_signers_does_not_matter() {
        let ((one, one_public), (two, two_public)) = (key(), key());
        let mut envelope = Envelope::unsigned(b"payload".to_vec());
        envelope.sign(&one).unwrap();
        assert_eq!(envelope.sign(&one), Ok(Signing::AlreadyThere));
        assert_eq!(envelope.signatures().len(), 1);
        envelope.sign(&two).unwrap();
        let mut other = Envelope::unsigned(b"payload".to_vec());
        other.sign(&two).unwrap();
        other.sign(&one).unwrap();
        assert_eq!(envelope.to_bytes(), other.to_bytes());
        assert_eq!(opened(&envelope, &[one_public, two_public], 2), Ok(b"payload".to_vec()));
    }

    /// T-15, T-19: neither key ids nor copies change who has signed.
    #[test]
    fn key_ids_and_copies_of_a_signature_count_for_nothing() {
        let ((one, one_public), (_, two_public)) = (key(), key());
        let mut envelope = Envelope::unsigned(b"payload".to_vec());
        envelope.sign(&one).unwrap();
        let mut copy = envelope.signatures.first().unwrap().clone();
        copy.keyid = "another".into();
        envelope.signatures.push(copy);
        let roots = [one_public, two_public];
        assert_eq!(opened(&envelope, &roots, 1), Ok(b"payload".to_vec()));
        let error = opened(&envelope, &roots, 2).unwrap_err();
        assert_eq!(error, TrustError::RootSignatures { signed: 1, needed: 2 });
        for id in ["", "0"] {
            envelope.signatures.iter_mut().for_each(|signature| signature.keyid = id.into());
            assert_eq!(opened(&envelope, &roots, 1), Ok(b"payload".to_vec()));
        }
    }

    #[test]
    fn a_false_signature_under_the_keys_id_is_replaced() {
        let (one, _) = key();
        let mut envelope = Envelope::unsigned(b"payload".to_vec());
        envelope.sign(&one).unwrap();
        envelope.payload = b"another".to_vec();
        assert_eq!(envelope.sign(&one), Ok(Signing::Added));
        assert_eq!(envelope.signatures().len(), 1);
    }

    #[test]
    fn sixteen_signatures_are_enough() {
        let mut envelope = Envelope::unsigned(Vec::new());
        for _ in 0..16 {
            envelope.sign(&key().0).unwrap();
        }
        assert_eq!(envelope.sign(&key().0), Err(EnvelopeError::Full));
        let mut bytes = envelope.to_bytes().unwrap();
        assert_eq!(Envelope::parse(&bytes), Ok(envelope));
        bytes = String::from_utf8(bytes)
            .unwrap()
            .replacen("[{", "[{\"keyid\":\"\",\"sig\":\"\"},{", 1)
            .into_bytes();
        assert_eq!(Envelope::parse(&bytes), Err(EnvelopeError::Full));
    }

    #[test]
    fn what_is_no_envelope_of_ours_is_refused() {
        let bytes = String::from_utf8(Envelope::unsigned(b"x".to_vec()).to_bytes().unwrap()).unwrap();
        assert_eq!(Envelope::parse(bytes.as_bytes()), Ok(Envelope::unsigned(b"x".to_vec())));
        for (from, to) in [
            ("}\n", ""),
            ("{\"payload\"", "{\"more\":1,\"payload\""),
            ("}\n", "}{"),
            ("\"signatures\":[]", ""),
        ] {
            let text = bytes.replacen(from, to, 1);
            assert!(matches!(Envelope::parse(text.as_bytes()), Err(EnvelopeError::Malformed(_))), "{text}");
        }
        let text = bytes.replacen("trust-bundle", "override", 1);
        assert!(matches!(Envelope::parse(text.as_bytes()), Err(EnvelopeError::PayloadType(_))));
        let text = bytes.replacen("eA==", "eB==", 1);
        assert_eq!(Envelope::parse(text.as_bytes()), Err(EnvelopeError::Base64("payload")));
    }
}
