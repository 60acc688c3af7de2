//! AlgorithmIdentifiers: those that signatures of certificates, CMS and SCTs may have, each in its one encoding.
//!
//! They are compared whole, parameters included: ECDSA has none (RFC 5758 section 3.2), Ed25519 has none (RFC 8410
//! section 3), PKCS#1 v1.5 has NULL (RFC 8017 appendix A.2.4). PSS has all of its
//! parameters there (RFC 4055 section 3.1): one hash for the message and for MGF1, a salt as long as the hash, and no trailer
//! field, which DER leaves out where it is the default. The defaults of the others mean SHA-1 and 20 bytes, so a
//! sequence without them is none that counts. SHA-1, MD5 and DSA are not in the table.
//!
//! A *key* of type RSASSA-PSS (RFC 4055 section 1.2) is not read: nobody in this field writes one.

use crate::signature::{HashAlgorithm, SignatureAlgorithm};

/// The signature algorithm that a whole AlgorithmIdentifier names; `None` for every other one.
#[must_use]
pub fn signature_algorithm(identifier: &[u8]) -> Option<SignatureAlgorithm> {
    let named = SIGNATURES.iter().find(|(bytes, _)| *bytes == identifier).map(|(_, algorithm)| *algorithm);
    named.or_else(|| pss_hash(identifier).map(SignatureAlgorithm::RsaPss))
}

/// The hash of a whole AlgorithmIdentifier `id-RSASSA-PSS`, whose parameters are compared byte by byte with each of the
/// three that there are.
fn pss_hash(identifier: &[u8]) -> Option<HashAlgorithm> {
    const HASHES: [(HashAlgorithm, u8, u8); 3] =
        [(HashAlgorithm::Sha256, 1, 32), (HashAlgorithm::Sha384, 2, 48), (HashAlgorithm::Sha512, 3, 64)];
    let (salt, parameters) = identifier.split_last()?;
    let (_, parameters) = parameters.split_at_checked(PSS.len()).filter(|(pss, _)| *pss == PSS)?;
    let hash = HASHES.into_iter().find(|(_, arc, length)| {
        let hash = sha2(*arc);
        let all = hash.iter().chain(MGF1).chain(&hash).chain(SALT);
        *salt == *length && parameters.iter().eq(all)
    });
    hash.map(|(hash, ..)| hash)
}

/// The hash that a whole AlgorithmIdentifier names, with NULL for parameters or without (RFC 5754 section 2); `None`
/// for every other one.
#[must_use]
pub fn digest_algorithm(identifier: &[u8]) -> Option<HashAlgorithm> {
    let (arc, rest) = match identifier {
        [0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, arc] => (*arc, &[][..]),
        [0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, arc, rest @ ..] => {
            (*arc, rest)
        }
        _ => return None,
    };
    match (arc, rest) {
        (1, [] | [0x05, 0x00]) => Some(HashAlgorithm::Sha256),
        (2, [] | [0x05, 0x00]) => Some(HashAlgorithm::Sha384),
        (3, [] | [0x05, 0x00]) => Some(HashAlgorithm::Sha512),
        _ => None,
    }
}

/// `id-RSASSA-PSS` and the header of its parameters.
const PSS: &[u8] =
    &[0x30, 0x41, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a, 0x30, 0x34, 0xa0, 0x0f];
/// `id-mgf1`.
const MGF1: &[u8] =
    &[0xa1, 0x1c, 0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08];
/// The salt's length, but for its last byte.
const SALT: &[u8] = &[0xa2, 0x03, 0x02, 0x01];

/// The AlgorithmIdentifier of a SHA-2 hash, with NULL (RFC 4055 section 2.1).
const fn sha2(arc: u8) -> [u8; 15] {
    [0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, arc, 0x05, 0x00]
}

const SIGNATURES: [(&[u8], SignatureAlgorithm); 7] = [
    (
        &[0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02],
        SignatureAlgorithm::Ecdsa(HashAlgorithm::Sha256),
    ),
    (
        &[0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03],
        SignatureAlgorithm::Ecdsa(HashAlgorithm::Sha384),
    ),
    (
        &[0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04],
        SignatureAlgorithm::Ecdsa(HashAlgorithm::Sha512),
    ),
    (
        &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00],
        SignatureAlgorithm::RsaPkcs1(HashAlgorithm::Sha256),
    ),
    (
        &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c, 0x05, 0x00],
        SignatureAlgorithm::RsaPkcs1(HashAlgorithm::Sha384),
    ),
    (
        &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d, 0x05, 0x00],
        SignatureAlgorithm::RsaPkcs1(HashAlgorithm::Sha512),
    ),
    (&[0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70], SignatureAlgorithm::Ed25519),
];

#[cfg(test)]
mod tests {
    extern crate std;

    use super::{digest_algorithm, signature_algorithm};
    use crate::signature::{HashAlgorithm, SignatureAlgorithm};

    #[test]
    fn parameters_are_part_of_the_name() {
        let ecdsa = [0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
        assert_eq!(signature_algorithm(&ecdsa), Some(SignatureAlgorithm::Ecdsa(HashAlgorithm::Sha256)));
        let with_null = [0x30, 0x0c, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02, 0x05, 0x00];
        assert_eq!(signature_algorithm(&with_null), None);
        let sha1_with_rsa =
            [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05, 0x05, 0x00];
        assert_eq!(signature_algorithm(&sha1_with_rsa), None);
        assert_eq!(signature_algorithm(&[]), None);
    }

    /// What OpenSSL writes for SHA-256 with a salt of 32 bytes.
    const PS256: [u8; 67] = [
        0x30, 0x41, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a, 0x30, 0x34, 0xa0, 0x0f,
        0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0xa1, 0x1c,
        0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08, 0x30, 0x0d, 0x06, 0x09,
        0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0xa2, 0x03, 0x02, 0x01, 0x20,
    ];

    #[test]
    fn pss_has_one_hash_twice_and_a_salt_as_long_as_it() {
        assert_eq!(signature_algorithm(&PS256), Some(SignatureAlgorithm::RsaPss(HashAlgorithm::Sha256)));
        for (arc, salt, hash) in [(2, 48, HashAlgorithm::Sha384), (3, 64, HashAlgorithm::Sha512)] {
            let mut other = PS256;
            (other[29], other[59], other[66]) = (arc, arc, salt);
            assert_eq!(signature_algorithm(&other), Some(SignatureAlgorithm::RsaPss(hash)));
        }
        let different_hashes = |mut pss: [u8; 67]| {
            pss[59] = 2;
            pss
        };
        assert_eq!(signature_algorithm(&different_hashes(PS256)), None);
    }

    #[test]
    fn no_byte_of_the_parameters_of_pss_can_be_another() {
        for place in 0..PS256.len() {
            for bit in 0..8 {
                let mut changed = PS256;
                changed[place] ^= 1 << bit;
                assert_eq!(signature_algorithm(&changed), None, "byte {place}, bit {bit}");
            }
            assert_eq!(signature_algorithm(&PS256[..place]), None);
        }
        // Defaults: SHA-1 and a salt of 20 bytes; and no parameters, as a key may have.
        let defaults =
            [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a, 0x30, 0x00];
        assert_eq!(signature_algorithm(&defaults), None);
        assert_eq!(signature_algorithm(&[&[0x30, 0x0b], &defaults[2..13]].concat()), None);
    }

    #[test]
    fn hashes_have_null_or_nothing() {
        let bare = [0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
        assert_eq!(digest_algorithm(&bare), Some(HashAlgorithm::Sha256));
        let null = [0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00];
        assert_eq!(digest_algorithm(&null), Some(HashAlgorithm::Sha512));
        let sha224 = [0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x04];
        assert_eq!(digest_algorithm(&sha224), None);
        let other =
            [0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x04, 0x00];
        assert_eq!(digest_algorithm(&other), None);
        let sha1 = [0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00];
        assert_eq!(digest_algorithm(&sha1), None);
    }
}
