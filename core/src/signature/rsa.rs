//! RSA signature verification, PKCS#1 v1.5, on fixed-width integers: no allocation.
//!
//! Verification handles public values only, so variable time is harmless here.

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{Odd, U4096};

use super::{KeyError, SignatureInvalid};
#[cfg(feature = "keyless")]
use crate::der::{BIT_STRING, INTEGER};
use crate::der::{Reader, SEQUENCE};

/// A public key of 2,048 to 4,096 bits with e = 65,537.
#[derive(Debug, Clone)]
pub(super) struct Key {
    modulus: Odd<U4096>,
    /// Length of the modulus, and so of a signature, in bytes.
    length: usize,
}

impl Key {
    pub(super) fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        let modulus = modulus_of_spki(der)?;
        let bits = match modulus.split_first() {
            Some((first, rest)) => rest.len().saturating_mul(8).saturating_add(usize::from(bits_of(*first))),
            None => 0,
        };
        if !(2048..=4096).contains(&bits) {
            return Err(KeyError::RsaParameters);
        }
        let odd: Option<Odd<U4096>> = Odd::new(integer(modulus)).into();
        Ok(Self { modulus: odd.ok_or(KeyError::RsaParameters)?, length: modulus.len() })
    }

    /// The key's SPKI in DER.
    #[cfg(feature = "keyless")]
    pub(super) fn spki(&self) -> super::Spki {
        let modulus = self.modulus.as_ref().to_be_bytes();
        let modulus = modulus.as_ref();
        let modulus = modulus.get(modulus.len().saturating_sub(self.length)..).unwrap_or_default();
        // An INTEGER that begins with a set bit would be negative.
        let sign: &[u8] = if modulus.first().is_some_and(|first| *first >= 0x80) { &[0] } else { &[] };
        let number = self.length.saturating_add(sign.len());
        let key = number.saturating_add(AROUND_MODULUS);
        let bits = key.saturating_add(4 + 1);
        let whole = bits.saturating_add(AROUND_KEY);
        super::spki::joined(&[
            &header(SEQUENCE, whole),
            &[SEQUENCE, 13],
            RSA_ENCRYPTION,
            &header(BIT_STRING, bits),
            &[0],
            &header(SEQUENCE, key),
            &header(INTEGER, number),
            sign,
            modulus,
            EXPONENT,
        ])
    }

    /// Length of the modulus in bytes.
    #[cfg(feature = "keyless")]
    pub(super) fn modulus_bytes(&self) -> usize {
        self.length
    }

    /// RFC 8017 section 8.2.2, with the encoded message built and compared whole: nothing in it is parsed.
    pub(super) fn verify_pkcs1(&self, hash: Hash<'_>, signature: &[u8]) -> Result<(), SignatureInvalid> {
        if signature.len() != self.length {
            return Err(SignatureInvalid);
        }
        let base = integer(signature);
        if base >= *self.modulus.as_ref() {
            return Err(SignatureInvalid);
        }
        let base = FixedMontyForm::new(&base, &FixedMontyParams::new_vartime(self.modulus));
        // 65,537 is two to the sixteenth and one.
        let opened = base.square_repeat_vartime(16).mul(&base).retrieve();

        let mut expected = [0_u8; 512];
        let start = expected.len().saturating_sub(self.length);
        let block = expected.get_mut(start..).unwrap_or_default();
        let (info, hash) = hash.parts();
        let tail = info.len().saturating_add(hash.len());
        let padding = block.len().saturating_sub(tail).saturating_sub(3);
        let bytes = [0, 1].into_iter().chain(core::iter::repeat_n(0xff, padding)).chain([0]);
        for (slot, byte) in block.iter_mut().zip(bytes.chain(info).chain(hash.iter().copied())) {
            *slot = byte;
        }
        if opened == U4096::from_be_slice(&expected) { Ok(()) } else { Err(SignatureInvalid) }
    }
}

/// The hash of a message, and so which one it is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Hash<'h> {
    Sha256(&'h [u8; 32]),
    #[cfg(feature = "keyless")]
    Sha384(&'h [u8; 48]),
    #[cfg(feature = "keyless")]
    Sha512(&'h [u8; 64]),
}

impl<'h> Hash<'h> {
    /// The DigestInfo up to the hash, and the hash.
    fn parts(self) -> ([u8; 19], &'h [u8]) {
        match self {
            Self::Sha256(hash) => (digest_info(1, 32), hash),
            #[cfg(feature = "keyless")]
            Self::Sha384(hash) => (digest_info(2, 48), hash),
            #[cfg(feature = "keyless")]
            Self::Sha512(hash) => (digest_info(3, 64), hash),
        }
    }
}

/// SEQUENCE { SEQUENCE { rsaEncryption, NULL }, BIT STRING { SEQUENCE { modulus, exponent } } }.
fn modulus_of_spki(der: &[u8]) -> Result<&[u8], KeyError> {
    let mut outer = Reader::new(der);
    let mut spki = outer.open(SEQUENCE).map_err(|_| KeyError::Unsupported)?;
    let algorithm = spki.take(SEQUENCE).map_err(|_| KeyError::Unsupported)?;
    if algorithm != RSA_ENCRYPTION {
        return Err(KeyError::Unsupported);
    }
    let malformed = |_| KeyError::RsaParameters;
    let mut bits = Reader::new(spki.bit_string().map_err(malformed)?);
    let mut key = bits.open(SEQUENCE).map_err(malformed)?;
    let modulus = key.unsigned().map_err(malformed)?;
    let exponent = key.unsigned().map_err(malformed)?;
    for reader in [&key, &bits, &spki, &outer] {
        reader.end().map_err(malformed)?;
    }
    if exponent == [1, 0, 1] { Ok(modulus) } else { Err(KeyError::RsaParameters) }
}

/// A big-endian magnitude of at most 512 bytes; what is beyond never gets here.
fn integer(magnitude: &[u8]) -> U4096 {
    let mut padded = [0_u8; 512];
    for (slot, byte) in padded.iter_mut().rev().zip(magnitude.iter().rev()) {
        *slot = *byte;
    }
    U4096::from_be_slice(&padded)
}

fn bits_of(byte: u8) -> u8 {
    u8::try_from(u8::BITS.saturating_sub(byte.leading_zeros())).unwrap_or_default()
}

/// Tag and length of a value of 256 to 65,535 bytes, as everything in a key of 2,048 bits and more is.
#[cfg(feature = "keyless")]
fn header(tag: u8, length: usize) -> [u8; 4] {
    let [high, low] = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    [tag, 0x82, high, low]
}

/// INTEGER 65,537.
#[cfg(feature = "keyless")]
const EXPONENT: &[u8] = &[INTEGER, 3, 1, 0, 1];

/// Bytes of a key beside its modulus: the modulus' header, and the exponent.
#[cfg(feature = "keyless")]
const AROUND_MODULUS: usize = 4 + EXPONENT.len();

/// Bytes of an SPKI beside the content of its BIT STRING: that one's header, and the algorithm.
#[cfg(feature = "keyless")]
const AROUND_KEY: usize = 4 + 2 + RSA_ENCRYPTION.len();

/// OBJECT IDENTIFIER rsaEncryption, NULL.
const RSA_ENCRYPTION: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

/// DigestInfo of a SHA-2 hash, up to the hash (RFC 8017 section 9.2, note 1): the last arc of the hash's identifier
/// and its length are all that differs.
const fn digest_info(arc: u8, length: u8) -> [u8; 19] {
    let rest = 17_u8.wrapping_add(length);
    [
        0x30, rest, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, arc, 0x05, 0x00,
        0x04, length,
    ]
}
