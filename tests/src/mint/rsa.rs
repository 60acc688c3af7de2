//! RSA-2048 for tests: two primes, and PKCS#1 v1.5 by the book (RFC 8017 sections 8.2.1 and 9.2).
//!
//! The `rsa` crate is left out because of its open advisory about private keys, which a gate on advisories rightly
//! does not tell from one that matters.

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{NonZero, Odd, U2048};
use crypto_primes::{Flavor, random_prime};

use super::Random;

/// A private key; e = 65,537.
#[derive(Debug, Clone)]
pub(super) struct Key {
    modulus: Odd<U2048>,
    exponent: U2048,
}

impl Key {
    pub(super) fn generate(random: &mut Random) -> Self {
        loop {
            let p: U2048 = random_prime(random, Flavor::Any, 1024);
            let q: U2048 = random_prime(random, Flavor::Any, 1024);
            let modulus = p.wrapping_mul(&q);
            if p == q || modulus.bit_width() != 2048 {
                continue;
            }
            let order = p.wrapping_sub(&U2048::ONE).wrapping_mul(&q.wrapping_sub(&U2048::ONE));
            let exponent: Option<U2048> =
                U2048::from_u32(65_537).invert_mod(&NonZero::new(order).unwrap()).into();
            if let Some(exponent) = exponent {
                return Self { modulus: Odd::new(modulus).unwrap(), exponent };
            }
        }
    }

    /// `DigestInfo` prefix and hash in, signature out.
    pub(super) fn sign(&self, digest_info: &[u8], hash: &[u8]) -> Vec<u8> {
        let mut block = vec![0xff; 256];
        let tail = digest_info.len() + hash.len();
        block[..2].copy_from_slice(&[0, 1]);
        block[255 - tail] = 0;
        block[256 - tail..256 - hash.len()].copy_from_slice(digest_info);
        block[256 - hash.len()..].copy_from_slice(hash);
        let params = FixedMontyParams::new_vartime(self.modulus);
        let message = FixedMontyForm::new(&U2048::from_be_slice(&block), &params);
        message.pow(&self.exponent).retrieve().to_be_bytes().as_ref().to_vec()
    }

    /// SEQUENCE { SEQUENCE { rsaEncryption, NULL }, BIT STRING { SEQUENCE { modulus, 65,537 } } }.
    pub(super) fn spki(&self) -> Vec<u8> {
        let modulus = self.modulus.as_ref().to_be_bytes();
        rsa_spki(modulus.as_ref(), &[1, 0, 1])
    }
}

/// The SPKI of any modulus and exponent, big-endian without leading zeros.
#[must_use]
pub fn rsa_spki(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let integer = |magnitude: &[u8]| {
        let sign = if magnitude.first().is_none_or(|first| *first >= 0x80) { &[0][..] } else { &[] };
        der(0x02, &[sign, magnitude].concat())
    };
    let key = der(0x30, &[integer(modulus), integer(exponent)].concat());
    let algorithm = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    let bits = der(0x03, &[&[0], key.as_slice()].concat());
    der(0x30, &[der(0x30, &algorithm), bits].concat())
}

/// One DER value.
#[must_use]
pub fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut out = vec![tag];
    match u8::try_from(length) {
        Ok(short @ 0..=0x7f) => out.push(short),
        Ok(long) => out.extend([0x81, long]),
        Err(_) => {
            out.push(0x82);
            out.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
    }
    out.extend(content);
    out
}
