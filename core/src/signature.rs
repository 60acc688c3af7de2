//! Public keys and the only door to the signature crates.
//!
//! A [`PublicKey`] exists only if its bytes are one of the four kinds, in the one DER form that each kind has
//! (T-48, T-54), and it verifies in one way per [`SignedFormat`]: which hash goes with which key is one
//! table, [`PublicKey::verify`], and no other pair is ever tried (T-56). Only what signs its own algorithm identifier
//! (`SignedFormat::Named`) has more than one hash for a key, and there the signed bytes say which.
//!
//! What this does *not* do: decide whether a key is trusted, or when.

use core::cell::OnceCell;

#[cfg(feature = "ed25519")]
use ed25519_dalek::VerifyingKey as Ed25519Key;
use p256::ecdsa::VerifyingKey as P256Key;
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
#[cfg(feature = "p384")]
use p384::ecdsa::VerifyingKey as P384Key;
#[cfg(any(feature = "p384", feature = "keyless"))]
use sha2::Sha384;
#[cfg(all(feature = "rsa", feature = "keyless"))]
use sha2::Sha512;
use sha2::{Digest as _, Sha256};

use crate::encoding;
use crate::limits;

#[cfg(feature = "rsa")]
mod rsa;
#[cfg(feature = "keyless")]
mod spki;
#[cfg(feature = "keyless")]
pub use spki::Spki;

/// Why bytes are not a public key that we take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyError {
    /// Not one PEM block `PUBLIC KEY` in strict base64.
    Pem(encoding::Error),
    /// Not the SPKI of P-256 or of a kind that is built in (P-384, Ed25519, RSA), in its one DER form with a named curve.
    Unsupported,
    /// A point that is not on the curve, is the identity, or has small order.
    Point,
    /// An RSA modulus outside 2,048 to 4,096 bits, an even one, or an exponent other than 65,537.
    RsaParameters,
}

/// A signature that does not verify, for whatever reason: the reasons tell an attacker more than an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignatureInvalid;

/// What the signed bytes are: it fixes the hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedFormat {
    /// A legacy cosign `.sig` payload or `.att` envelope: SHA-256 for every ECDSA and RSA key.
    ///
    /// cosign 2 signs so even with a P-384 key (seen with 2.5.0).
    CosignLegacy,
    /// A DSSE envelope in a Sigstore bundle: the curve's own hash, SHA-256 for RSA.
    Bundle,
    /// What a transparency log signs, a checkpoint or a promise: the curve's own hash, SHA-256 for RSA.
    #[cfg(feature = "keyless")]
    Log,
    /// An envelope of ours (trust bundle, override): P-256 with SHA-256, or Ed25519, nothing else.
    Ours,
    /// A certificate, a CMS signature or an SCT: signed bytes name the algorithm, which must go with the key.
    ///
    /// P-256 goes with SHA-256 and SHA-384 (private authorities sign so), P-384 with SHA-384, RSA with SHA-256, SHA-384
    /// and SHA-512, in PKCS#1 v1.5 or PSS as named, Ed25519 with itself.
    #[cfg(feature = "keyless")]
    Named(SignatureAlgorithm),
    /// A timestamp's CMS signature: as `Named`, and P-384 with SHA-256 too, which is how Sigstore's own authorities sign
    /// (its staging authority's responses of 2025).
    #[cfg(feature = "keyless")]
    Timestamp(SignatureAlgorithm),
}

/// A signature algorithm, as an AlgorithmIdentifier names it (RFC 5758, RFC 8017 appendix C, RFC 8410).
#[cfg(feature = "keyless")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    /// ECDSA; the curve is the key's.
    Ecdsa(HashAlgorithm),
    /// RSA, PKCS#1 v1.5.
    RsaPkcs1(HashAlgorithm),
    /// RSA, PSS: MGF1 with the same hash, and a salt as long as that (PS256, PS384, PS512 of RFC 7518 section 3.5).
    RsaPss(HashAlgorithm),
    /// Ed25519, pure.
    Ed25519,
}

/// A hash that an algorithm identifier names. SHA-1 and MD5 are not among them.
#[cfg(feature = "keyless")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashAlgorithm {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// The kind of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    /// ECDSA on NIST P-256.
    P256,
    /// ECDSA on NIST P-384; verified where the feature `p384` is built in.
    P384,
    /// Ed25519 (RFC 8032), pure; verified where the feature `ed25519` is built in.
    Ed25519,
    /// RSA, 2,048 to 4,096 bits, e = 65,537: PKCS#1 v1.5, and PSS where the signed bytes name it.
    Rsa,
}

impl KeyType {
    /// The kind's name in our documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::P256 => "p256",
            Self::P384 => "p384",
            Self::Ed25519 => "ed25519",
            Self::Rsa => "rsa",
        }
    }

    /// Whether this build verifies signatures of this kind.
    #[must_use]
    pub const fn is_built_in(self) -> bool {
        match self {
            Self::P256 => true,
            Self::P384 => cfg!(feature = "p384"),
            Self::Ed25519 => cfg!(feature = "ed25519"),
            Self::Rsa => cfg!(feature = "rsa"),
        }
    }

    /// The kind with this name in our documents.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::P256, Self::P384, Self::Ed25519, Self::Rsa].into_iter().find(|kind| kind.name() == name)
    }
}

/// Bytes that may be signed, hashed at most once per hash however many keys are tried: whoever sends 16 MiB that
/// nobody trusted has signed must not have them hashed for each key.
#[derive(Debug)]
pub struct Message<'m> {
    bytes: &'m [u8],
    /// What follows `bytes`.
    #[cfg(feature = "keyless")]
    more: &'m [&'m [u8]],
    sha256: OnceCell<[u8; 32]>,
    #[cfg(any(feature = "p384", feature = "keyless"))]
    sha384: OnceCell<[u8; 48]>,
}

impl<'m> Message<'m> {
    /// Nothing is hashed yet.
    #[must_use]
    pub const fn new(bytes: &'m [u8]) -> Self {
        Self {
            bytes,
            #[cfg(feature = "keyless")]
            more: &[],
            sha256: OnceCell::new(),
            #[cfg(any(feature = "p384", feature = "keyless"))]
            sha384: OnceCell::new(),
        }
    }

    /// A message that stands in pieces: what they make one after the other, never copied together. Only
    /// [`SignedFormat::Log`] is verified over it.
    #[cfg(feature = "keyless")]
    pub(crate) const fn of_pieces(pieces: &'m [&'m [u8]]) -> Self {
        let mut message = Self::new(&[]);
        message.more = pieces;
        message
    }

    /// The SHA-256 of the message.
    pub fn sha256(&self) -> &[u8; 32] {
        self.sha256.get_or_init(|| self.hash::<Sha256>().into())
    }

    #[cfg(feature = "ed25519")]
    fn len(&self) -> usize {
        let length = self.bytes.len();
        #[cfg(feature = "keyless")]
        let length = self.more.iter().fold(length, |sum, piece| sum.saturating_add(piece.len()));
        length
    }

    fn hash<D: sha2::Digest>(&self) -> sha2::digest::Output<D> {
        let hash = D::new_with_prefix(self.bytes);
        #[cfg(feature = "keyless")]
        let hash = self.more.iter().fold(hash, D::chain_update);
        hash.finalize()
    }

    /// The SHA-384 of the message.
    #[cfg(any(feature = "p384", feature = "keyless"))]
    pub fn sha384(&self) -> &[u8; 48] {
        self.sha384.get_or_init(|| self.hash::<Sha384>().into())
    }

    /// Hashed anew each time: only RSA certificates ask for it, and they are small.
    #[cfg(all(feature = "rsa", feature = "keyless"))]
    fn sha512(&self) -> [u8; 64] {
        self.hash::<Sha512>().into()
    }
}

/// SHA-256 of a key's SPKI DER: names a key, never trusts it. cosign's bundle hint is this in base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 32]);

/// A public key of a supported kind.
#[derive(Debug, Clone)]
pub struct PublicKey {
    id: KeyId,
    material: Material,
}

#[derive(Debug, Clone)]
#[cfg_attr(
    feature = "rsa",
    expect(clippy::large_enum_variant, reason = "no allocation here, and keys are held one at a time")
)]
enum Material {
    P256(P256Key),
    #[cfg(feature = "p384")]
    P384(P384Key),
    #[cfg(feature = "ed25519")]
    Ed25519(Ed25519Key),
    #[cfg(feature = "rsa")]
    Rsa(rsa::Key),
}

impl PublicKey {
    /// Reads one PEM block `PUBLIC KEY` (SPKI).
    ///
    /// # Errors
    /// [`KeyError::Pem`], and those of [`PublicKey::from_spki`].
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let mut der = [0_u8; limits::SPKI_BYTES];
        let length = encoding::pem(text, "PUBLIC KEY", &mut der).map_err(KeyError::Pem)?;
        Self::from_spki(der.get(..length).unwrap_or_default())
    }

    /// Reads an SPKI in DER (RFC 5280 section 4.1, with RFC 5480, RFC 8410 and RFC 8017 key types).
    ///
    /// # Errors
    /// [`KeyError`] for any other kind, form or point.
    pub fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        let id = KeyId(Sha256::digest(der).into());
        let material = if let Some(point) = der.strip_prefix(P256_PREFIX) {
            uncompressed(point, 65)?;
            Material::P256(P256Key::from_sec1_bytes(point).map_err(|_| KeyError::Point)?)
        } else {
            Self::optional_kind(der)?
        };
        Ok(Self { id, material })
    }

    /// The kinds that a feature builds in.
    #[cfg_attr(
        not(any(feature = "p384", feature = "ed25519", feature = "rsa")),
        expect(unused_variables, reason = "without a feature every other kind is unsupported")
    )]
    fn optional_kind(der: &[u8]) -> Result<Material, KeyError> {
        #[cfg(feature = "p384")]
        if let Some(point) = der.strip_prefix(P384_PREFIX) {
            uncompressed(point, 97)?;
            return Ok(Material::P384(P384Key::from_sec1_bytes(point).map_err(|_| KeyError::Point)?));
        }
        #[cfg(feature = "ed25519")]
        if let Some(point) = der.strip_prefix(ED25519_PREFIX) {
            let bytes = point.try_into().map_err(|_| KeyError::Unsupported)?;
            let key = Ed25519Key::from_bytes(bytes).map_err(|_| KeyError::Point)?;
            // The decoder reduces coordinates modulo p: one key must not have two spellings.
            if key.is_weak() || key.to_edwards().compress().as_bytes() != bytes {
                return Err(KeyError::Point);
            }
            return Ok(Material::Ed25519(key));
        }
        #[cfg(feature = "rsa")]
        return rsa::Key::from_spki(der).map(Material::Rsa);
        #[cfg(not(feature = "rsa"))]
        Err(KeyError::Unsupported)
    }

    /// The key's name: SHA-256 of its SPKI.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The key's kind.
    #[must_use]
    pub fn key_type(&self) -> KeyType {
        match self.material {
            Material::P256(_) => KeyType::P256,
            #[cfg(feature = "p384")]
            Material::P384(_) => KeyType::P384,
            #[cfg(feature = "ed25519")]
            Material::Ed25519(_) => KeyType::Ed25519,
            #[cfg(feature = "rsa")]
            Material::Rsa(_) => KeyType::Rsa,
        }
    }

    /// What one check by this key costs, in signature operations: Ed25519 hashes the whole message anew for each key,
    /// the others share its hash.
    #[must_use]
    pub fn operations(&self, message: &Message<'_>) -> u16 {
        match self.material {
            #[cfg(feature = "ed25519")]
            Material::Ed25519(_) => {
                let mebibytes = message.len().wrapping_shr(20);
                u16::try_from(mebibytes).unwrap_or(u16::MAX).saturating_add(1)
            }
            _ => {
                let _same_for_all = message;
                1
            }
        }
    }

    /// Checks `signature` over `message`.
    ///
    /// ECDSA signatures are DER (RFC 3279 section 2.2.3), strict and minimal; a high `s` is accepted, as Go and
    /// cosign do, so signature bytes never serve to tell signatures apart. Ed25519 is checked in its strict form
    /// (no small order points, canonical `s`). RSA is PKCS#1 v1.5 (RFC 8017 section 8.2.2), or PSS where the format names it.
    ///
    /// # Errors
    /// [`SignatureInvalid`], also where `format` does not go with this kind of key.
    pub fn verify(
        &self,
        format: SignedFormat,
        message: &Message<'_>,
        signature: &[u8],
    ) -> Result<(), SignatureInvalid> {
        use SignedFormat::{Bundle, CosignLegacy, Ours};
        match (&self.material, format) {
            (Material::P256(key), CosignLegacy | Bundle | Ours) => {
                let signature = p256::ecdsa::Signature::from_der(signature).map_err(|_| SignatureInvalid)?;
                key.verify_prehash(message.sha256(), &signature).map_err(|_| SignatureInvalid)
            }
            #[cfg(feature = "p384")]
            (Material::P384(key), CosignLegacy | Bundle) => {
                let signature = p384::ecdsa::Signature::from_der(signature).map_err(|_| SignatureInvalid)?;
                if format == CosignLegacy {
                    key.verify_prehash(message.sha256(), &signature)
                } else {
                    key.verify_prehash(message.sha384(), &signature)
                }
                .map_err(|_| SignatureInvalid)
            }
            #[cfg(feature = "ed25519")]
            (Material::Ed25519(key), CosignLegacy | Bundle | Ours) => {
                let signature =
                    ed25519_dalek::Signature::from_slice(signature).map_err(|_| SignatureInvalid)?;
                key.verify_strict(message.bytes, &signature).map_err(|_| SignatureInvalid)
            }
            #[cfg(feature = "rsa")]
            (Material::Rsa(key), CosignLegacy | Bundle) => {
                key.verify_pkcs1(rsa::Hash::Sha256(message.sha256()), signature)
            }
            #[cfg(feature = "keyless")]
            (_, SignedFormat::Log) => self.verify_log(message, signature),
            #[cfg(feature = "p384")]
            (Material::P384(_), Ours) => Err(SignatureInvalid),
            #[cfg(feature = "rsa")]
            (Material::Rsa(_), Ours) => Err(SignatureInvalid),
            #[cfg(feature = "keyless")]
            (_, SignedFormat::Named(algorithm)) => self.verify_named(algorithm, message, signature),
            #[cfg(all(feature = "keyless", feature = "p384"))]
            (
                Material::P384(key),
                SignedFormat::Timestamp(SignatureAlgorithm::Ecdsa(HashAlgorithm::Sha256)),
            ) => {
                let signature = p384::ecdsa::Signature::from_der(signature).map_err(|_| SignatureInvalid)?;
                key.verify_prehash(message.sha256(), &signature).map_err(|_| SignatureInvalid)
            }
            #[cfg(feature = "keyless")]
            (_, SignedFormat::Timestamp(algorithm)) => self.verify_named(algorithm, message, signature),
        }
    }

    /// Checks `signature` over an artifact of which only the SHA-256 is known: the rows of the table for
    /// [`SignedFormat::Bundle`] that take this hash.
    ///
    /// # Errors
    /// [`SignatureInvalid`], also for a kind of key that signs another hash, or none.
    #[cfg(feature = "keyless")]
    pub fn verify_sha256(&self, digest: &[u8; 32], signature: &[u8]) -> Result<(), SignatureInvalid> {
        match &self.material {
            Material::P256(key) => {
                let signature = p256::ecdsa::Signature::from_der(signature).map_err(|_| SignatureInvalid)?;
                key.verify_prehash(digest, &signature).map_err(|_| SignatureInvalid)
            }
            #[cfg(feature = "rsa")]
            Material::Rsa(key) => key.verify_pkcs1(rsa::Hash::Sha256(digest), signature),
            #[cfg(feature = "p384")]
            Material::P384(_) => Err(SignatureInvalid),
            #[cfg(feature = "ed25519")]
            Material::Ed25519(_) => Err(SignatureInvalid),
        }
    }

    /// The rows of the table for signatures whose signed bytes name their algorithm.
    #[cfg(feature = "keyless")]
    fn verify_named(
        &self,
        algorithm: SignatureAlgorithm,
        message: &Message<'_>,
        signature: &[u8],
    ) -> Result<(), SignatureInvalid> {
        use HashAlgorithm::{Sha256, Sha384};
        match (&self.material, algorithm) {
            (Material::P256(key), SignatureAlgorithm::Ecdsa(hash @ (Sha256 | Sha384))) => {
                let signature = p256::ecdsa::Signature::from_der(signature).map_err(|_| SignatureInvalid)?;
                // Of a longer hash, ECDSA takes the leftmost bits (FIPS 186-5 section 6.4.1).
                let hash: &[u8] = if hash == Sha256 { message.sha256() } else { message.sha384() };
                key.verify_prehash(hash, &signature).map_err(|_| SignatureInvalid)
            }
            #[cfg(feature = "p384")]
            (Material::P384(key), SignatureAlgorithm::Ecdsa(Sha384)) => {
                let signature = p384::ecdsa::Signature::from_der(signature).map_err(|_| SignatureInvalid)?;
                key.verify_prehash(message.sha384(), &signature).map_err(|_| SignatureInvalid)
            }
            #[cfg(feature = "ed25519")]
            (Material::Ed25519(key), SignatureAlgorithm::Ed25519) => {
                let signature =
                    ed25519_dalek::Signature::from_slice(signature).map_err(|_| SignatureInvalid)?;
                key.verify_strict(message.bytes, &signature).map_err(|_| SignatureInvalid)
            }
            #[cfg(feature = "rsa")]
            (Material::Rsa(key), SignatureAlgorithm::RsaPkcs1(hash) | SignatureAlgorithm::RsaPss(hash)) => {
                let sha512;
                let hash = match hash {
                    Sha256 => rsa::Hash::Sha256(message.sha256()),
                    Sha384 => rsa::Hash::Sha384(message.sha384()),
                    HashAlgorithm::Sha512 => {
                        sha512 = message.sha512();
                        rsa::Hash::Sha512(&sha512)
                    }
                };
                match algorithm {
                    SignatureAlgorithm::RsaPss(_) => key.verify_pss(hash, signature),
                    _ => key.verify_pkcs1(hash, signature),
                }
            }
            _ => Err(SignatureInvalid),
        }
    }

    /// The rows of the table for what logs sign.
    #[cfg(feature = "keyless")]
    fn verify_log(&self, message: &Message<'_>, signature: &[u8]) -> Result<(), SignatureInvalid> {
        match &self.material {
            #[cfg(feature = "ed25519")]
            Material::Ed25519(key) if !message.more.is_empty() => {
                use p256::ecdsa::signature::MultipartVerifier as _;
                let signature =
                    ed25519_dalek::Signature::from_slice(signature).map_err(|_| SignatureInvalid)?;
                // What the strict form asks of a signature beyond the others: its point has no small order. The key's
                // has none either, since it was read.
                let point = Ed25519Key::from_bytes(signature.r_bytes()).map_err(|_| SignatureInvalid)?;
                if point.is_weak() || !message.bytes.is_empty() {
                    return Err(SignatureInvalid);
                }
                key.multipart_verify(message.more, &signature).map_err(|_| SignatureInvalid)
            }
            _ => self.verify(SignedFormat::Bundle, message, signature),
        }
    }
}

/// Compressed and hybrid points have other first bytes; RFC 5480 allows compressed ones, nobody writes them.
fn uncompressed(point: &[u8], length: usize) -> Result<(), KeyError> {
    if point.len() == length && point.first() == Some(&4) { Ok(()) } else { Err(KeyError::Unsupported) }
}

/// SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING of 65 bytes }.
const P256_PREFIX: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// SEQUENCE { SEQUENCE { id-ecPublicKey, secp384r1 }, BIT STRING of 97 bytes }.
#[cfg(feature = "p384")]
const P384_PREFIX: &[u8] = &[
    0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81,
    0x04, 0x00, 0x22, 0x03, 0x62, 0x00,
];
/// SEQUENCE { SEQUENCE { id-Ed25519 }, BIT STRING of 32 bytes }.
#[cfg(feature = "ed25519")]
const ED25519_PREFIX: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
