//! RSA signature verification, PKCS#1 v1.5 and PSS, on fixed-width integers: no allocation.
//!
//! PSS is taken in the one form that JWS, COSE and certificates agree on (RFC 7518 section 3.5, RFC 8230 section 2, RFC 8692): MGF1
//! with the hash of the message, a salt as long as that hash, trailer `0xbc`. All else that RFC 8017 allows is nobody's
//! signature.
//!
//! Verification handles public values only, so variable time is harmless here.

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{Odd, U4096};
#[cfg(feature = "keyless")]
use sha2::Digest;

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

    /// The signature to the power of e (RFC 8017 section 5.2.2).
    fn open(&self, signature: &[u8]) -> Result<U4096, SignatureInvalid> {
        if signature.len() != self.length {
            return Err(SignatureInvalid);
        }
        let base = integer(signature);
        if base >= *self.modulus.as_ref() {
            return Err(SignatureInvalid);
        }
        let base = FixedMontyForm::new(&base, &FixedMontyParams::new_vartime(self.modulus));
        // 65,537 is two to the sixteenth and one.
        Ok(base.square_repeat_vartime(16).mul(&base).retrieve())
    }

    /// RFC 8017 section 8.2.2, with the encoded message built and compared whole: nothing in it is parsed.
    pub(super) fn verify_pkcs1(&self, hash: Hash<'_>, signature: &[u8]) -> Result<(), SignatureInvalid> {
        let opened = self.open(signature)?;
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

    /// RFC 8017 sections 8.1.2 and 9.1.2.
    #[cfg(feature = "keyless")]
    pub(super) fn verify_pss(&self, hash: Hash<'_>, signature: &[u8]) -> Result<(), SignatureInvalid> {
        let opened = self.open(signature)?;
        match hash {
            Hash::Sha256(hash) => self.check_pss::<sha2::Sha256>(hash, &opened),
            Hash::Sha384(hash) => self.check_pss::<sha2::Sha384>(hash, &opened),
            Hash::Sha512(hash) => self.check_pss::<sha2::Sha512>(hash, &opened),
        }
    }

    /// The encoded message, which has one bit less than the modulus, is `masked ‖ H ‖ 0xbc`; unmasked, the first part is
    /// zeros, `0x01` and the salt.
    #[cfg(feature = "keyless")]
    fn check_pss<D: Digest>(&self, hash: &[u8], opened: &U4096) -> Result<(), SignatureInvalid> {
        let bits = usize::try_from(self.modulus.as_ref().bit_width()).unwrap_or_default().saturating_sub(1);
        let padded = opened.to_be_bytes();
        let padded: &[u8] = padded.as_ref();
        let (above, encoded) =
            padded.split_at_checked(padded.len().saturating_sub(bits.div_ceil(8))).ok_or(SignatureInvalid)?;
        // Of a modulus of 8k + 1 bits the first of k + 1 bytes belongs to nothing.
        if above.iter().any(|byte| *byte != 0) {
            return Err(SignatureInvalid);
        }
        let (trailer, encoded) = encoded.split_last().ok_or(SignatureInvalid)?;
        let start = encoded.len().checked_sub(hash.len()).ok_or(SignatureInvalid)?;
        let (masked, seed) = encoded.split_at_checked(start).ok_or(SignatureInvalid)?;
        // Bits of the first byte that the encoded message does not have.
        let own = match u32::try_from(bits.wrapping_rem(8)).unwrap_or_default() {
            0 => u8::MAX,
            bits => u8::MAX.checked_shr(u8::BITS.saturating_sub(bits)).unwrap_or_default(),
        };
        if *trailer != 0xbc || masked.first().is_none_or(|first| *first & !own != 0) {
            return Err(SignatureInvalid);
        }
        let mut block = [0_u8; 512];
        let block = block.get_mut(..masked.len()).ok_or(SignatureInvalid)?;
        for (slot, byte) in block.iter_mut().zip(masked) {
            *slot = *byte;
        }
        unmask::<D>(block, seed);
        if let Some(first) = block.first_mut() {
            *first &= own;
        }
        let salt = block.len().checked_sub(hash.len()).ok_or(SignatureInvalid)?;
        let (padding, salt) = block.split_at_checked(salt).ok_or(SignatureInvalid)?;
        let (one, zeros) = padding.split_last().ok_or(SignatureInvalid)?;
        let again = D::new_with_prefix([0; 8]).chain_update(hash).chain_update(salt).finalize();
        let holds = *one == 1 && zeros.iter().all(|byte| *byte == 0) && again.as_slice() == seed;
        if holds { Ok(()) } else { Err(SignatureInvalid) }
    }
}

/// MGF1 (RFC 8017 appendix B.2.1), laid over what it has masked.
#[cfg(feature = "keyless")]
fn unmask<D: Digest>(block: &mut [u8], seed: &[u8]) {
    let length = <D as Digest>::output_size().max(1);
    for (counter, part) in (0_u32..).zip(block.chunks_mut(length)) {
        let mask = D::new_with_prefix(seed).chain_update(counter.to_be_bytes()).finalize();
        for (byte, mask) in part.iter_mut().zip(mask) {
            *byte ^= mask;
        }
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

#[cfg(test)]
#[cfg(feature = "keyless")]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::super::{
        HashAlgorithm, Message, PublicKey, SignatureAlgorithm, SignatureInvalid, SignedFormat,
    };

    /// A key of 2,049 bits: its modulus has a byte more than what is encoded in a signature. OpenSSL verifies this one, too.
    const KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
         MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEBDZrRhmme/Gabde6KzT6FwPER7UJQZcbfDlXoYDELHpi3/nLD4NcW\
         jkiUXHoj5ERi4gvwiGcMxMUzCqSFP5u1URycIhcucdFa6YJoexBa/3HG4joZParYhB4Pp3wxlKqbYEo8pklG07Bl+tQ5Alec\
         MzJTVKYMU1J5Sjqhggp54VcQrLa113wyj1zO0hZpdNqp4FjGOHMWfCOtm/M3IpcS9JoU68O+a/BBwUTtjPRGV/9uZEi2SWAh\
         2MJpAoVIVNq0F3caCvQ3DkifgDBgz9/s2Z+2Y8f6oHGVEW67sogyZk+h7MLi0K5NoIf/L51f3sO3i3i6F1xNdoZdFI/lrDP5\
         wwIDAQAB\n\
         -----END PUBLIC KEY-----\n";

    /// Its signature over `salted`: PSS, SHA-256, salt of 32 bytes.
    const SIGNATURE: &str = "00ad11ee663286e00d3a61a56bdaefbb2084987f4e11904ab208b598f5214bddb7b9ffe68d497de24a56be8bd7d451a9\
         3decaf10067ff726624844a811cf5a6c3e3554a623d3a47345c8ea35faecdc74f7caa23bcd3cbf68b7dcad37dd4869fc\
         0b318880b32fc7b644b4e89f66ec000f11dfe4a189dce14f2cbaf7d8c7a213f9663a16eb979e8c6687da1b4fd4553592\
         ee308bc54cccc637af1ea0e2ea0a11b03642c383b8a44ace207f4b034c5f15064957ae4c1149ae69742e78e9007f1b44\
         9b684dd50b4168b8445d59c3c668940fc0f678bd5e043cd4aea7c08999995cacb4dd10b78dc7ba988d6582a9bcbce004\
         8216ffc334735ea81e1672ef1ed8b40536";

    #[expect(
        clippy::unwrap_used,
        reason = "a constant of this test; clippy excepts only functions marked as tests"
    )]
    fn signature() -> Vec<u8> {
        let digits = SIGNATURE.as_bytes().chunks(2);
        digits.map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    #[expect(
        clippy::unwrap_used,
        reason = "a constant of this test; clippy excepts only functions marked as tests"
    )]
    fn verify(signature: &[u8]) -> Result<(), SignatureInvalid> {
        let format = SignedFormat::Named(SignatureAlgorithm::RsaPss(HashAlgorithm::Sha256));
        PublicKey::from_pem(KEY).unwrap().verify(format, &Message::new(b"salted"), signature)
    }

    #[test]
    fn pss_of_a_modulus_of_a_bit_more_than_whole_bytes() {
        assert_eq!(verify(&signature()), Ok(()));
    }

    #[test]
    fn no_byte_of_a_pss_signature_can_be_another_and_none_is_left_out() {
        let signature = signature();
        for place in 0..signature.len() {
            let mut changed = signature.clone();
            changed[place] ^= 1;
            assert_eq!(verify(&changed), Err(SignatureInvalid), "byte {place}");
        }
        assert_eq!(verify(&signature[1..]), Err(SignatureInvalid));
        assert_eq!(verify(&[&[0], signature.as_slice()].concat()), Err(SignatureInvalid));
        assert_eq!(verify(&[0; 257]), Err(SignatureInvalid));
        assert_eq!(verify(&[]), Err(SignatureInvalid));
    }
}
