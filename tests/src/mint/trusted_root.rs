//! Trusted roots, as JSON that a test may edit.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pullward_core::signature::KeyType;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Signer;

/// A trusted root without anything in it.
#[must_use]
pub fn trusted_root() -> Value {
    json!({
        "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "tlogs": [], "ctlogs": [], "certificateAuthorities": [], "timestampAuthorities": []
    })
}

/// An authority, from the certificates of its chain, the anchor last, and the first second in which it is believed.
#[must_use]
pub fn trusted_authority(certificates: &[&[u8]], start: &str) -> Value {
    let certificates: Vec<Value> =
        certificates.iter().map(|der| json!({ "rawBytes": STANDARD.encode(der) })).collect();
    json!({
        "subject": { "organization": "virtual", "commonName": "virtual" },
        "uri": "https://authority.virtual",
        "certChain": { "certificates": certificates },
        "validFor": { "start": start }
    })
}

/// A log, from its key, its address and the first second in which it is believed. Its id is the SHA-256 of its key.
#[must_use]
pub fn trusted_log(key: &Signer, url: &str, start: &str) -> Value {
    let details = match key.kind() {
        KeyType::P256 => "PKIX_ECDSA_P256_SHA_256",
        KeyType::P384 => "PKIX_ECDSA_P384_SHA_384",
        KeyType::Ed25519 => "PKIX_ED25519",
        KeyType::Rsa => "PKIX_RSA_PKCS1V15_2048_SHA256",
    };
    json!({
        "baseUrl": url,
        "hashAlgorithm": "SHA2_256",
        "publicKey": {
            "rawBytes": key.spki_base64(), "keyDetails": details, "validFor": { "start": start }
        },
        "logId": { "keyId": STANDARD.encode(Sha256::digest(key.spki())) }
    })
}
