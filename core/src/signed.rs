//! What a signature is over, in each of the forms that evidence has.

#[cfg(feature = "keyless")]
use crate::signature::KeyType;
use crate::signature::{Message, PublicKey, SignatureInvalid, SignedFormat};
#[cfg(feature = "keyless")]
use crate::tlog::leaf::{Content, SignedDigest};

/// What a signature is over.
#[derive(Debug, Clone, Copy)]
pub enum Signed<'a> {
    /// The payload of a legacy `.sig`.
    Payload(&'a Message<'a>),
    /// A DSSE envelope.
    Envelope {
        /// Where it stands, which fixes the hash: in a bundle, or a layer of its own.
        format: SignedFormat,
        /// The type of its payload.
        payload_type: &'a str,
        /// Its payload, decoded.
        payload: &'a [u8],
        /// Its pre-authentication encoding, which is what is signed.
        message: &'a Message<'a>,
        /// The envelope's own bytes, where the evidence is just that.
        document: Option<&'a [u8]>,
    },
    /// An artifact that a bundle's message signature is over.
    #[cfg(feature = "keyless")]
    Artifact(&'a Message<'a>),
    /// The same, where only its SHA-256 is known.
    #[cfg(feature = "keyless")]
    ArtifactDigest(&'a [u8; 32]),
}

impl<'a> Signed<'a> {
    /// Checks a signature over it: the one table of hashes, by way of [`PublicKey`].
    ///
    /// # Errors
    /// [`SignatureInvalid`].
    pub fn verify(&self, key: &PublicKey, signature: &[u8]) -> Result<(), SignatureInvalid> {
        match self {
            Self::Payload(message) => key.verify(SignedFormat::CosignLegacy, message, signature),
            Self::Envelope { format, message, .. } => key.verify(*format, message, signature),
            #[cfg(feature = "keyless")]
            Self::Artifact(message) => key.verify(SignedFormat::Bundle, message, signature),
            #[cfg(feature = "keyless")]
            Self::ArtifactDigest(digest) => key.verify_sha256(digest, signature),
        }
    }

    /// What one check of a signature over it costs.
    #[must_use]
    pub fn operations(&self, key: &PublicKey) -> u16 {
        match self {
            Self::Payload(message) | Self::Envelope { message, .. } => key.operations(message),
            #[cfg(feature = "keyless")]
            Self::Artifact(message) => key.operations(message),
            #[cfg(feature = "keyless")]
            Self::ArtifactDigest(_) => 1,
        }
    }

    /// The same as a log writes it down, signed with this key.
    #[cfg(feature = "keyless")]
    pub(crate) fn content(&self, key: &PublicKey) -> Content<'a> {
        match *self {
            Self::Payload(message) => Content::Digest(SignedDigest::Sha256(message.sha256())),
            Self::Envelope { payload_type, payload, message, document, .. } => {
                Content::Envelope { payload_type, payload, message, document }
            }
            Self::Artifact(message) => Content::Digest(match key.key_type() {
                KeyType::P384 => SignedDigest::Sha384(message.sha384()),
                KeyType::P256 | KeyType::Rsa | KeyType::Ed25519 => SignedDigest::Sha256(message.sha256()),
            }),
            Self::ArtifactDigest(digest) => Content::Digest(SignedDigest::Sha256(digest)),
        }
    }
}
