//! Keys of every kind, and signatures by the right scheme or by a wrong one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signer as _;
use p256::ecdsa::signature::hazmat::RandomizedPrehashSigner as _;
use pullward_core::signature::{KeyType, PublicKey, SignedFormat};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use super::Random;
use super::random::hex;
use super::rsa::{self, der};

/// What is put between a message and the signature primitive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Nothing: pure Ed25519. For the others the message is taken for the hash.
    Pure,
    /// SHA-256; for Ed25519 the hash is the message, as some tools do.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Scheme {
    /// The scheme that a format demands of a kind of key: the table of the specifications, written a second time.
    #[must_use]
    pub fn of(kind: KeyType, format: SignedFormat) -> Self {
        match (kind, format) {
            (KeyType::Ed25519, _) => Self::Pure,
            (KeyType::P384, SignedFormat::Bundle) => Self::Sha384,
            _ => Self::Sha256,
        }
    }

    fn hash(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Pure => message.to_vec(),
            Self::Sha256 => Sha256::digest(message).to_vec(),
            Self::Sha384 => Sha384::digest(message).to_vec(),
            Self::Sha512 => Sha512::digest(message).to_vec(),
        }
    }
}

/// A private key of any kind.
#[derive(Debug, Clone)]
pub struct Signer {
    key: Key,
    spki: Vec<u8>,
}

#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "a test program has a few of them")]
enum Key {
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    Ed25519(ed25519_dalek::SigningKey),
    Rsa(rsa::Key),
}

/// id-ecPublicKey.
const EC: &[u8] = &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// prime256v1.
const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// secp384r1.
const P384: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22];
/// id-Ed25519.
const ED25519: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x70];

impl Signer {
    /// A new key.
    #[must_use]
    pub fn generate(kind: KeyType, random: &mut Random) -> Self {
        let spki = |algorithm: &[&[u8]], key: &[u8]| {
            der(0x30, &[der(0x30, &algorithm.concat()), der(0x03, &[&[0], key].concat())].concat())
        };
        match kind {
            KeyType::P256 => loop {
                let Ok(key) = p256::ecdsa::SigningKey::from_slice(&random.bytes(32)) else { continue };
                let point = key.verifying_key().to_sec1_point(false);
                return Self { spki: spki(&[EC, P256], point.as_bytes()), key: Key::P256(key) };
            },
            KeyType::P384 => loop {
                let Ok(key) = p384::ecdsa::SigningKey::from_slice(&random.bytes(48)) else { continue };
                let point = key.verifying_key().to_sec1_point(false);
                return Self { spki: spki(&[EC, P384], point.as_bytes()), key: Key::P384(key) };
            },
            KeyType::Ed25519 => {
                let mut secret = [0; 32];
                random.fill(&mut secret);
                let key = ed25519_dalek::SigningKey::from_bytes(&secret);
                Self { spki: spki(&[ED25519], key.verifying_key().as_bytes()), key: Key::Ed25519(key) }
            }
            KeyType::Rsa => {
                let key = rsa::Key::generate(random);
                Self { spki: key.spki(), key: Key::Rsa(key) }
            }
        }
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> KeyType {
        match self.key {
            Key::P256(_) => KeyType::P256,
            Key::P384(_) => KeyType::P384,
            Key::Ed25519(_) => KeyType::Ed25519,
            Key::Rsa(_) => KeyType::Rsa,
        }
    }

    /// The public key as SPKI in DER.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The public key in base64, as a trust bundle has it.
    #[must_use]
    pub fn spki_base64(&self) -> String {
        STANDARD.encode(&self.spki)
    }

    /// The public key in PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        pem(&self.spki)
    }

    /// The public key, read by the core.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey::from_spki(&self.spki).unwrap()
    }

    /// SHA-256 of the SPKI in hex: the `keyid` of our own envelopes.
    #[must_use]
    pub fn id_hex(&self) -> String {
        hex(&Sha256::digest(&self.spki))
    }

    /// SHA-256 of the SPKI in base64: the `hint` of a bundle.
    #[must_use]
    pub fn hint(&self) -> String {
        STANDARD.encode(Sha256::digest(&self.spki))
    }

    /// Signs as `format` demands. ECDSA signatures of one message differ each time.
    #[must_use]
    pub fn sign(&self, format: SignedFormat, message: &[u8], random: &mut Random) -> Vec<u8> {
        self.sign_by(Scheme::of(self.kind(), format), message, random)
    }

    /// Signs by any scheme.
    #[must_use]
    pub fn sign_by(&self, scheme: Scheme, message: &[u8], random: &mut Random) -> Vec<u8> {
        let hash = scheme.hash(message);
        match &self.key {
            Key::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign_prehash_with_rng(random, &hash).unwrap();
                signature.to_der().as_bytes().to_vec()
            }
            Key::P384(key) => {
                let signature: p384::ecdsa::Signature = key.sign_prehash_with_rng(random, &hash).unwrap();
                signature.to_der().as_bytes().to_vec()
            }
            Key::Ed25519(key) => key.sign(&hash).to_bytes().to_vec(),
            Key::Rsa(key) => key.sign(digest_info(scheme), &hash),
        }
    }
}

/// One PEM block `PUBLIC KEY` as OpenSSL and cosign write it.
#[must_use]
pub fn pem(spki: &[u8]) -> String {
    let text = STANDARD.encode(spki);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| core::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
}

/// RFC 8017 section 9.2, note 1.
fn digest_info(scheme: Scheme) -> &'static [u8] {
    match scheme {
        Scheme::Pure => &[],
        Scheme::Sha256 => &[
            0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
            0x00, 0x04, 0x20,
        ],
        Scheme::Sha384 => &[
            0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05,
            0x00, 0x04, 0x30,
        ],
        Scheme::Sha512 => &[
            0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05,
            0x00, 0x04, 0x40,
        ],
    }
}
