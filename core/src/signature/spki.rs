//! A key written out again: logs keep the key that verifies an entry, and whoever rebuilds the entry needs its bytes.

use super::{Material, P256_PREFIX, PublicKey};
use crate::limits;

/// An SPKI in DER.
pub type Spki = heapless::Vec<u8, { limits::SPKI_BYTES }>;

impl PublicKey {
    /// The key's SPKI in DER: the one form that [`PublicKey::from_spki`] takes, so exactly the bytes it was read from.
    #[must_use]
    pub fn spki(&self) -> Spki {
        match &self.material {
            Material::P256(key) => joined(&[P256_PREFIX, key.to_sec1_point(false).as_bytes()]),
            #[cfg(feature = "p384")]
            Material::P384(key) => joined(&[super::P384_PREFIX, key.to_sec1_point(false).as_bytes()]),
            #[cfg(feature = "ed25519")]
            Material::Ed25519(key) => joined(&[super::ED25519_PREFIX, key.as_bytes()]),
            #[cfg(feature = "rsa")]
            Material::Rsa(key) => key.spki(),
        }
    }

    /// Length of an RSA key's modulus, in bytes; `None` for other kinds.
    pub(crate) fn rsa_bytes(&self) -> Option<usize> {
        match &self.material {
            #[cfg(feature = "rsa")]
            Material::Rsa(key) => Some(key.modulus_bytes()),
            _ => None,
        }
    }

    /// The 32 bytes of an Ed25519 key; `None` for other kinds.
    pub(crate) fn ed25519_bytes(&self) -> Option<&[u8; 32]> {
        match &self.material {
            #[cfg(feature = "ed25519")]
            Material::Ed25519(key) => Some(key.as_bytes()),
            _ => None,
        }
    }
}

/// The pieces one after the other. [`limits::SPKI_BYTES`] is more than any kind takes; a key that did not fit would be
/// cut, and a cut key is like no other.
pub(super) fn joined(pieces: &[&[u8]]) -> Spki {
    pieces.iter().flat_map(|piece| piece.iter().copied()).take(limits::SPKI_BYTES).collect()
}

#[cfg(all(test, feature = "ed25519"))]
mod tests {
    use super::super::PublicKey;

    /// The public-good log's keys: a point of P-256, and an Ed25519 key.
    const KEYS: [&str; 2] = [
        "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE2G2Y+2tabdTV5BcGiBIx0a9fAFwrkBbmLSGtks4L3qX6yYY0zufBnhC8Ur/iy55GhWP/9A/bY2LhC30M9+RYtw==\n-----END PUBLIC KEY-----\n",
        "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAt8rlp1knGwjfbcXAYPYAkn0XiLz1x8O4t0YkEhie244=\n-----END PUBLIC KEY-----\n",
    ];

    #[test]
    fn a_key_is_written_as_it_was_read() {
        for pem in KEYS {
            let key = PublicKey::from_pem(pem).unwrap();
            assert_eq!(PublicKey::from_spki(&key.spki()).unwrap().id(), key.id());
        }
    }

    #[cfg(feature = "rsa")]
    #[test]
    fn an_rsa_key_is_written_as_it_was_read() {
        extern crate std;
        for (length, first) in [(256_usize, 0x80_u8), (384, 0xff), (512, 0x81)] {
            let mut der = std::vec![0x30, 0x82, 0, 0, 0x30, 0x0d];
            der.extend([0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00]);
            let whole = u16::try_from(length).unwrap();
            let [high, low] = (whole + 15).to_be_bytes();
            der.extend([0x03, 0x82, high, low, 0]);
            let [high, low] = (whole + 10).to_be_bytes();
            der.extend([0x30, 0x82, high, low]);
            let [high, low] = (whole + 1).to_be_bytes();
            der.extend([0x02, 0x82, high, low, 0, first]);
            der.extend(std::vec![1; length - 1]);
            der.extend([0x02, 3, 1, 0, 1]);
            let [high, low] = u16::try_from(der.len() - 4).unwrap().to_be_bytes();
            (der[2], der[3]) = (high, low);
            let key = PublicKey::from_spki(&der).unwrap();
            assert_eq!(key.spki().as_slice(), der.as_slice(), "{length}");
        }
    }
}
