//! Root keys: the private keys that sign trust bundles, on the workstation of whoever signs.

use std::path::Path;

use ed25519_dalek::pkcs8::KeypairBytes;
use getrandom::SysRng;
use p256::ecdsa::signature::Signer as _;
use p256::elliptic_curve::Generate as _;
use p256::pkcs8::der::pem;
use p256::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, EncodePublicKey as _, LineEnding};
use pullward_core::limits;
use pullward_core::oci::Digest;
use pullward_core::signature::KeyType;
use zeroize::Zeroizing;

use super::passphrase::{PassphraseError, PassphraseSource, Purpose};
use super::sealed::{self, SealError};
use crate::policy::read_capped;

/// PEM label of a key without a passphrase.
const PLAIN_LABEL: &str = "PRIVATE KEY";

/// The kind of a root key. Nodes take no other kind as a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RootKeyType {
    /// ECDSA on P-256 with SHA-256; what cosign makes too.
    #[default]
    P256,
    /// Ed25519.
    Ed25519,
}

impl RootKeyType {
    /// Its name in our documents and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::P256 => KeyType::P256.name(),
            Self::Ed25519 => KeyType::Ed25519.name(),
        }
    }
}

/// A root key. Its bytes are wiped when it is dropped.
pub struct RootKey {
    secret: Secret,
    spki: Vec<u8>,
}

enum Secret {
    P256(p256::ecdsa::SigningKey),
    Ed25519(ed25519_dalek::SigningKey),
}

/// Why there is no root key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RootKeyError {
    /// The file cannot be read.
    #[error("{file}: cannot be read: {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
    /// The file holds something else.
    #[error("{file}: {reason}")]
    Unsupported {
        /// The file.
        file: String,
        /// What, and what to do.
        reason: &'static str,
    },
    /// The encrypted key cannot be opened.
    #[error("{file}: {error}")]
    Sealed {
        /// The file.
        file: String,
        /// Why.
        error: SealError,
    },
    /// There is no passphrase.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// The system gives no random bytes.
    #[error("the system gives no random numbers: {0}")]
    Random(String),
    /// The key cannot be written as PKCS#8: a fault of ours.
    #[error("the key cannot be encoded: {0}")]
    Encoding(String),
}

impl RootKey {
    /// Makes a new key from the system's random numbers.
    ///
    /// # Errors
    /// [`RootKeyError::Random`].
    pub fn generate(key_type: RootKeyType) -> Result<Self, RootKeyError> {
        match key_type {
            RootKeyType::P256 => {
                let secret = p256::SecretKey::try_generate_from_rng(&mut SysRng)
                    .map_err(|error| RootKeyError::Random(error.to_string()))?;
                Self::p256(&secret)
            }
            RootKeyType::Ed25519 => {
                let mut seed = Zeroizing::new([0_u8; 32]);
                getrandom::fill(seed.as_mut_slice())
                    .map_err(|error| RootKeyError::Random(error.to_string()))?;
                Self::ed25519(&seed)
            }
        }
    }

    /// Reads a key file: PKCS#8 in PEM, or encrypted as cosign and [`RootKey::to_pem`] do it.
    ///
    /// # Errors
    /// [`RootKeyError`]; an encrypted key asks `passphrases`.
    pub fn read(path: &Path, passphrases: &PassphraseSource) -> Result<Self, RootKeyError> {
        let file = path.display().to_string();
        let unsupported = |reason| RootKeyError::Unsupported { file: file.clone(), reason };
        let bytes = read_capped(path, limits::KEY_FILE_BYTES)
            .map_err(|reason| RootKeyError::Unreadable { file: file.clone(), reason })?;
        let bytes = Zeroizing::new(bytes);
        let label = pem::decode_label(&bytes)
            .map_err(|_| unsupported("it is no private key in PEM; make one with `pullward trust keygen`"))?;
        let pkcs8 = match label {
            PLAIN_LABEL => {
                let decoded = pem::decode_vec(&bytes);
                Zeroizing::new(
                    decoded.map_err(|_| unsupported("it is damaged: its PEM cannot be decoded"))?.1,
                )
            }
            sealed::LABEL | sealed::FORMER_LABEL => {
                let passphrase = passphrases.passphrase(&file, Purpose::Existing)?;
                sealed::open(&bytes, &passphrase)
                    .map_err(|error| RootKeyError::Sealed { file: file.clone(), error })?
            }
            "PUBLIC KEY" => return Err(unsupported("it is a public key; name the private one")),
            "EC PRIVATE KEY" => {
                return Err(unsupported("it is a SEC1 key; convert it with `openssl pkcs8 -topk8 -nocrypt`"));
            }
            "ENCRYPTED PRIVATE KEY" => {
                return Err(unsupported(
                    "it is encrypted as OpenSSL does; decrypt it with `openssl pkcs8` or use `cosign import-key-pair`",
                ));
            }
            _ => return Err(unsupported("its PEM block is no private key that is known here")),
        };
        Self::from_pkcs8(&pkcs8)?.ok_or_else(|| {
            unsupported(
                "a root key is P-256 or Ed25519, this is another kind; make one with `pullward trust keygen`",
            )
        })
    }

    fn from_pkcs8(der: &[u8]) -> Result<Option<Self>, RootKeyError> {
        if let Ok(secret) = p256::SecretKey::from_pkcs8_der(der) {
            return Self::p256(&secret).map(Some);
        }
        if let Ok(secret) = KeypairBytes::try_from(der) {
            return Self::ed25519(&secret.secret_key).map(Some);
        }
        Ok(None)
    }

    fn p256(secret: &p256::SecretKey) -> Result<Self, RootKeyError> {
        let spki = secret.public_key().to_public_key_der().map_err(encoding)?.into_vec();
        Ok(Self { secret: Secret::P256(secret.into()), spki })
    }

    fn ed25519(seed: &[u8; 32]) -> Result<Self, RootKeyError> {
        let secret = ed25519_dalek::SigningKey::from_bytes(seed);
        let spki = secret.verifying_key().to_public_key_der().map_err(encoding)?.into_vec();
        Ok(Self { secret: Secret::Ed25519(secret), spki })
    }

    /// Its kind.
    #[must_use]
    pub fn key_type(&self) -> RootKeyType {
        match self.secret {
            Secret::P256(_) => RootKeyType::P256,
            Secret::Ed25519(_) => RootKeyType::Ed25519,
        }
    }

    /// SHA-256 of the public key's SPKI.
    #[must_use]
    pub fn id(&self) -> Digest {
        Digest::of(&self.spki)
    }

    /// DER of the public key's SPKI.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// Signs a message: ECDSA with SHA-256 and a deterministic nonce (RFC 6979) in DER, or Ed25519.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.secret {
            Secret::P256(key) => {
                let signature: p256::ecdsa::DerSignature = key.sign(message);
                signature.as_bytes().to_vec()
            }
            Secret::Ed25519(key) => key.sign(message).to_bytes().to_vec(),
        }
    }

    /// The public half as PEM.
    ///
    /// # Errors
    /// [`RootKeyError::Encoding`].
    pub fn public_pem(&self) -> Result<String, RootKeyError> {
        pem::encode_string("PUBLIC KEY", LineEnding::LF, &self.spki)
            .map_err(|error| RootKeyError::Encoding(error.to_string()))
    }

    /// The private half as PEM: encrypted as cosign does it, or plain PKCS#8 without a passphrase.
    ///
    /// # Errors
    /// [`RootKeyError::Encoding`], [`RootKeyError::Random`].
    pub fn to_pem(&self, passphrase: Option<&str>) -> Result<Zeroizing<String>, RootKeyError> {
        let pkcs8 = match &self.secret {
            Secret::P256(key) => p256::SecretKey::from(key).to_pkcs8_der(),
            // Version 1, without the public key: OpenSSL and Go read no other.
            Secret::Ed25519(key) => {
                KeypairBytes { secret_key: key.to_bytes(), public_key: None }.to_pkcs8_der()
            }
        };
        let pkcs8 = pkcs8.map_err(|error| RootKeyError::Encoding(error.to_string()))?;
        let text = match passphrase {
            Some(passphrase) => sealed::seal(pkcs8.as_bytes(), passphrase).map_err(|error| match error {
                SealError::Random(reason) => RootKeyError::Random(reason),
                other => RootKeyError::Encoding(other.to_string()),
            })?,
            None => pem::encode_string(PLAIN_LABEL, LineEnding::LF, pkcs8.as_bytes())
                .map_err(|error| RootKeyError::Encoding(error.to_string()))?,
        };
        Ok(Zeroizing::new(text))
    }
}

fn encoding(error: p256::pkcs8::spki::Error) -> RootKeyError {
    RootKeyError::Encoding(error.to_string())
}

impl std::fmt::Debug for RootKey {
    /// The public half only.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RootKey")
            .field("type", &self.key_type())
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use pullward_core::signature::{Message, PublicKey, SignedFormat};

    use super::{RootKey, RootKeyError, RootKeyType};
    use crate::trust::passphrase::PassphraseSource;
    use crate::trust::sealed::SealError;

    const TYPES: [RootKeyType; 2] = [RootKeyType::P256, RootKeyType::Ed25519];

    fn with(passphrase: &str) -> PassphraseSource {
        PassphraseSource { file: None, variable: Some(passphrase.into()) }
    }

    fn read(folder: &Path, text: &str, passphrases: &PassphraseSource) -> Result<RootKey, RootKeyError> {
        let path = folder.join("k.key");
        std::fs::write(&path, text).unwrap();
        RootKey::read(&path, passphrases)
    }

    #[test]
    fn keys_survive_the_round_trip_with_and_without_a_passphrase() {
        let folder = tempfile::tempdir().unwrap();
        for key_type in TYPES {
            let key = RootKey::generate(key_type).unwrap();
            for passphrase in [None, Some("pw")] {
                let pem = key.to_pem(passphrase).unwrap();
                let again = read(folder.path(), &pem, &with("pw")).unwrap();
                assert_eq!((again.id(), again.key_type()), (key.id(), key_type));
            }
        }
    }

    #[test]
    fn the_core_verifies_what_is_signed_and_nothing_else() {
        for key_type in TYPES {
            let key = RootKey::generate(key_type).unwrap();
            let public = PublicKey::from_pem(&key.public_pem().unwrap()).unwrap();
            let signature = key.sign(b"message");
            assert_eq!(signature, key.sign(b"message"), "signing is deterministic");
            assert!(public.verify(SignedFormat::Ours, &Message::new(b"message"), &signature).is_ok());
            assert!(public.verify(SignedFormat::Ours, &Message::new(b"massage"), &signature).is_err());
        }
    }

    #[test]
    fn a_wrong_passphrase_and_other_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let key = RootKey::generate(RootKeyType::P256).unwrap();
        let sealed = key.to_pem(Some("pw")).unwrap();
        let error = read(folder.path(), &sealed, &with("other")).unwrap_err();
        assert!(matches!(error, RootKeyError::Sealed { error: SealError::Passphrase, .. }));
        let p384 = {
            use p256::elliptic_curve::Generate as _;
            use p384::pkcs8::{EncodePrivateKey as _, LineEnding};
            let key = p384::SecretKey::try_generate_from_rng(&mut getrandom::SysRng).unwrap();
            key.to_pkcs8_pem(LineEnding::LF).unwrap().to_string()
        };
        for text in ["", "no key", &p384, &key.public_pem().unwrap(), &sealed[..sealed.len() / 2]] {
            let error = read(folder.path(), text, &with("pw")).unwrap_err();
            assert!(
                matches!(error, RootKeyError::Unsupported { .. } | RootKeyError::Sealed { .. }),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn printing_a_key_does_not_print_its_secret() {
        let key = RootKey::generate(RootKeyType::Ed25519).unwrap();
        assert!(format!("{key:?}").starts_with("RootKey { type: Ed25519, id: "));
    }
}
