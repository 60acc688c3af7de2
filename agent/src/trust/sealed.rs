//! cosign's encrypted private key file: JSON in PEM, scrypt for the key, NaCl's secretbox around PKCS#8.
//!
//! The format is the one that cosign writes and reads (`ENCRYPTED SIGSTORE PRIVATE KEY`, formerly
//! `ENCRYPTED COSIGN PRIVATE KEY`), so that one key serves both programs.

use base64ct::{Base64, Encoding as _};
use p256::pkcs8::der::pem;
use poly1305::Poly1305;
use poly1305::universal_hash::KeyInit as _;
use pullward_core::limits;
use salsa20::XSalsa20;
use salsa20::cipher::{KeyIvInit as _, StreamCipher as _};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// PEM label of the format.
pub const LABEL: &str = "ENCRYPTED SIGSTORE PRIVATE KEY";

/// PEM label that cosign wrote before version 2.
pub const FORMER_LABEL: &str = "ENCRYPTED COSIGN PRIVATE KEY";

/// scrypt's cost as cosign writes it: N = 2^16, r = 8, p = 1, which takes 64 MiB.
const LOG_N: u8 = 16;
const BLOCK: u32 = 8;
const LANES: u32 = 1;
/// Most lanes that are taken from a file: each costs as much time as the first.
const MOST_LANES: u32 = 4;
const TAG: usize = 16;

#[derive(Serialize, Deserialize)]
struct Document {
    kdf: Kdf,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Serialize, Deserialize)]
struct Kdf {
    name: String,
    params: Params,
    salt: String,
}

#[derive(Serialize, Deserialize)]
struct Params {
    #[serde(rename = "N")]
    n: u64,
    r: u32,
    p: u32,
}

#[derive(Serialize, Deserialize)]
struct Cipher {
    name: String,
    nonce: String,
}

/// Why an encrypted key cannot be opened or made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Not the format.
    #[error("it is not a key that cosign encrypted: {0}")]
    Malformed(String),
    /// Another way of deriving or encrypting.
    #[error("it uses {0}; only scrypt with nacl/secretbox as cosign writes it is known")]
    Unsupported(String),
    /// scrypt would take more than is sensible.
    #[error("its scrypt parameters would take more than {} MiB or {MOST_LANES} lanes", limits::SCRYPT_BYTES >> 20)]
    Cost,
    /// The passphrase does not fit, or the file was changed.
    #[error("the passphrase is wrong, or the file is damaged")]
    Passphrase,
    /// The system gives no random bytes.
    #[error("the system gives no random numbers: {0}")]
    Random(String),
}

/// Encrypts a PKCS#8 key and wraps it in PEM.
///
/// # Errors
/// [`SealError::Random`] where the system gives no random bytes.
pub fn seal(pkcs8: &[u8], passphrase: &str) -> Result<String, SealError> {
    let (mut salt, mut nonce) = ([0_u8; 32], [0_u8; 24]);
    for bytes in [salt.as_mut_slice(), nonce.as_mut_slice()] {
        getrandom::fill(bytes).map_err(|error| SealError::Random(error.to_string()))?;
    }
    let key = derive(passphrase, &salt, LOG_N, BLOCK, LANES)?;
    let document = Document {
        kdf: Kdf {
            name: "scrypt".to_owned(),
            params: Params { n: 1 << LOG_N, r: BLOCK, p: LANES },
            salt: Base64::encode_string(&salt),
        },
        cipher: Cipher { name: "nacl/secretbox".to_owned(), nonce: Base64::encode_string(&nonce) },
        ciphertext: Base64::encode_string(&secretbox_seal(pkcs8, &nonce, &key)),
    };
    let json = serde_json::to_vec(&document).map_err(|error| SealError::Malformed(error.to_string()))?;
    pem::encode_string(LABEL, pem::LineEnding::LF, &json)
        .map_err(|error| SealError::Malformed(error.to_string()))
}

/// Opens a key that cosign or [`seal`] encrypted; returns its PKCS#8 bytes.
///
/// # Errors
/// [`SealError`].
pub fn open(file: &[u8], passphrase: &str) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let malformed = |reason: &dyn std::fmt::Display| SealError::Malformed(reason.to_string());
    let (label, json) = pem::decode_vec(file).map_err(|error| malformed(&error))?;
    if label != LABEL && label != FORMER_LABEL {
        return Err(malformed(&format_args!("its PEM block is `{label}`")));
    }
    let document: Document = serde_json::from_slice(&json).map_err(|error| malformed(&error))?;
    if document.kdf.name != "scrypt" || document.cipher.name != "nacl/secretbox" {
        return Err(SealError::Unsupported(format!("{} with {}", document.kdf.name, document.cipher.name)));
    }
    let decode = |what: &str, text: &str| {
        Base64::decode_vec(text).map_err(|_| malformed(&format_args!("its {what} is not base64")))
    };
    let salt = decode("salt", &document.kdf.salt)?;
    let nonce = decode("nonce", &document.cipher.nonce)?;
    let nonce: [u8; 24] = nonce.try_into().map_err(|_| malformed(&"its nonce has not 24 bytes"))?;
    let ciphertext = decode("ciphertext", &document.ciphertext)?;
    let Params { n, r, p } = document.kdf.params;
    let memory = n.checked_mul(128).and_then(|bytes| bytes.checked_mul(u64::from(r)));
    if !n.is_power_of_two() || n < 2 || r == 0 || p == 0 {
        return Err(malformed(&"its scrypt parameters are not possible"));
    }
    if memory.is_none_or(|bytes| bytes > limits::SCRYPT_BYTES) || p > MOST_LANES {
        return Err(SealError::Cost);
    }
    let log_n = u8::try_from(n.ilog2()).map_err(|_| SealError::Cost)?;
    let key = derive(passphrase, &salt, log_n, r, p)?;
    secretbox_open(&ciphertext, &nonce, &key).ok_or(SealError::Passphrase)
}

fn derive(
    passphrase: &str,
    salt: &[u8],
    log_n: u8,
    r: u32,
    p: u32,
) -> Result<Zeroizing<[u8; 32]>, SealError> {
    let params = scrypt::Params::new(log_n, r, p).map_err(|error| SealError::Malformed(error.to_string()))?;
    let mut key = Zeroizing::new([0_u8; 32]);
    scrypt::scrypt(passphrase.as_bytes(), salt, &params, key.as_mut_slice())
        .map_err(|error| SealError::Malformed(error.to_string()))?;
    Ok(key)
}

/// NaCl's `crypto_secretbox_xsalsa20poly1305`: the tag, then the encrypted message.
///
/// The first 32 bytes of the key stream are the one-time key of the tag; the message starts behind them.
fn secretbox_seal(message: &[u8], nonce: &[u8; 24], key: &[u8; 32]) -> Vec<u8> {
    let mut stream = XSalsa20::new(key.into(), nonce.into());
    let mut tag_key = Zeroizing::new([0_u8; 32]);
    stream.apply_keystream(tag_key.as_mut_slice());
    let mut encrypted = message.to_vec();
    stream.apply_keystream(&mut encrypted);
    let mut sealed = Poly1305::new((&*tag_key).into()).compute_unpadded(&encrypted).to_vec();
    sealed.append(&mut encrypted);
    sealed
}

fn secretbox_open(sealed: &[u8], nonce: &[u8; 24], key: &[u8; 32]) -> Option<Zeroizing<Vec<u8>>> {
    let (tag, encrypted) = sealed.split_at_checked(TAG)?;
    let mut stream = XSalsa20::new(key.into(), nonce.into());
    let mut tag_key = Zeroizing::new([0_u8; 32]);
    stream.apply_keystream(tag_key.as_mut_slice());
    let computed = Poly1305::new((&*tag_key).into()).compute_unpadded(encrypted);
    // Whoever can measure this already has the file: no oracle, so no need for constant time.
    if computed.as_slice() != tag {
        return None;
    }
    let mut message = Zeroizing::new(encrypted.to_vec());
    stream.apply_keystream(&mut message);
    Some(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    /// The example of "Cryptography in NaCl", section 10, as in NaCl's own tests.
    #[test]
    fn the_box_is_nacls() {
        let key: [u8; 32] =
            hex("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389").try_into().unwrap();
        let nonce: [u8; 24] = hex("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37").try_into().unwrap();
        let message = hex(concat!(
            "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a",
            "1ac728d45e6c61296cdc3c01233561f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057",
            "e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd4924ca1c60902e52f0a089bc76897040",
            "e082f937763848645e0705",
        ));
        let sealed = hex(concat!(
            "f3ffc7703f9400e52a7dfb4b3d3305d9",
            "8e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186ac0dfc17c98dce87b",
            "4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae",
            "90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6",
            "599b1f654cb45a74e355a5",
        ));
        assert_eq!(secretbox_seal(&message, &nonce, &key), sealed);
        assert_eq!(secretbox_open(&sealed, &nonce, &key).unwrap().as_slice(), message);
        for at in [0, 15, 16, sealed.len() - 1] {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(secretbox_open(&damaged, &nonce, &key).is_none(), "{at}");
        }
        assert!(secretbox_open(&sealed[..15], &nonce, &key).is_none());
    }

    #[test]
    fn a_sealed_key_opens_with_its_passphrase_only() {
        let sealed = seal(b"pkcs8", "pass phrase").unwrap();
        assert!(sealed.starts_with("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n"));
        assert_eq!(open(sealed.as_bytes(), "pass phrase").unwrap().as_slice(), b"pkcs8");
        assert_eq!(open(sealed.as_bytes(), "pass phrasE").unwrap_err(), SealError::Passphrase);
    }

    #[test]
    fn other_documents_and_costs_are_refused_before_any_work() {
        let file = |json: &str| pem::encode_string(LABEL, pem::LineEnding::LF, json.as_bytes()).unwrap();
        let document = |n: &str, kdf: &str| {
            format!(
                "{{\"kdf\":{{\"name\":\"{kdf}\",\"params\":{n},\"salt\":\"AAAA\"}},\"cipher\":{{\"name\":\
                 \"nacl/secretbox\",\"nonce\":\"{}\"}},\"ciphertext\":\"AAAA\"}}",
                "A".repeat(32)
            )
        };
        let open = |json: &str| open(file(json).as_bytes(), "x").unwrap_err();
        let fine = r#"{"N":2,"r":8,"p":1}"#;
        assert_eq!(open(&document(fine, "scrypt")), SealError::Passphrase);
        assert!(matches!(open(&document(fine, "argon2")), SealError::Unsupported(_)));
        assert_eq!(open(&document(r#"{"N":1048576,"r":8,"p":1}"#, "scrypt")), SealError::Cost);
        assert_eq!(open(&document(r#"{"N":65536,"r":8,"p":99}"#, "scrypt")), SealError::Cost);
        assert_eq!(
            open(&document(r#"{"N":9223372036854775808,"r":4294967295,"p":1}"#, "scrypt")),
            SealError::Cost
        );
        for impossible in [r#"{"N":3,"r":8,"p":1}"#, r#"{"N":0,"r":8,"p":1}"#, r#"{"N":2,"r":0,"p":1}"#] {
            assert!(matches!(open(&document(impossible, "scrypt")), SealError::Malformed(_)), "{impossible}");
        }
        assert!(matches!(open("{}"), SealError::Malformed(_)));
        assert!(matches!(super::open(b"no pem", "x"), Err(SealError::Malformed(_))));
    }
}
