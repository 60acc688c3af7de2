//! What clients send: keys, certificates and signatures, read and checked.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{Signature, VerifyingKey};
use serde_json::Value;

use super::Refusal;

/// The DER in a PEM block.
pub(super) fn unpem(pem: &str) -> Result<Vec<u8>, Refusal> {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
    STANDARD.decode(body).map_err(|error| format!("PEM: {error}"))
}

/// A member in base64.
pub(super) fn bytes(value: &Value, pointer: &str) -> Result<Vec<u8>, Refusal> {
    STANDARD.decode(text(value, pointer)?).map_err(|error| format!("{pointer}: {error}"))
}

/// A member that is a text.
pub(super) fn text<'v>(value: &'v Value, pointer: &str) -> Result<&'v str, Refusal> {
    value.pointer(pointer).and_then(Value::as_str).ok_or_else(|| format!("{pointer}: absent"))
}

/// A body that is JSON.
pub(super) fn json(body: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(body).map_err(|error| format!("body: {error}"))
}

/// Checks a signature by a P-256 key, the kind that clients make. Its SPKI ends with the point.
pub(super) fn verified(spki: &[u8], message: &[u8], signature: &[u8]) -> Result<(), Refusal> {
    let key = point(spki)?;
    let signature = Signature::from_der(signature).map_err(|error| format!("signature: {error}"))?;
    key.verify(message, &signature).map_err(|error| format!("signature: {error}"))
}

/// As [`verified`], of a SHA-256 hash.
pub(super) fn verified_hash(spki: &[u8], hash: &[u8], signature: &[u8]) -> Result<(), Refusal> {
    use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
    let key = point(spki)?;
    let signature = Signature::from_der(signature).map_err(|error| format!("signature: {error}"))?;
    key.verify_prehash(hash, &signature).map_err(|error| format!("signature: {error}"))
}

fn point(spki: &[u8]) -> Result<VerifyingKey, Refusal> {
    let point = spki.len().checked_sub(65).and_then(|start| spki.get(start..));
    let point = point.ok_or("public key: not of P-256")?;
    VerifyingKey::from_sec1_bytes(point).map_err(|error| format!("public key: {error}"))
}

/// Tag, whole encoding and content of an element, and what follows it.
type Element<'d> = (u8, &'d [u8], &'d [u8]);

/// The elements that follow each other in a DER content.
pub(super) fn elements(mut content: &[u8]) -> Result<Vec<Element<'_>>, Refusal> {
    let mut all = Vec::new();
    while let Some((element, rest)) = element(content) {
        all.push(element);
        content = rest;
    }
    if content.is_empty() { Ok(all) } else { Err("DER: an element ends early".into()) }
}

fn element(content: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (tag, first) = (*content.first()?, *content.get(1)?);
    let (start, length) = match first {
        0..=0x7f => (2, usize::from(first)),
        0x81 => (3, usize::from(*content.get(2)?)),
        0x82 => (4, usize::from(u16::from_be_bytes([*content.get(2)?, *content.get(3)?]))),
        _ => return None,
    };
    let end = start + length;
    Some(((tag, content.get(..end)?, content.get(start..end)?), content.get(end..)?))
}

/// The SPKI in a certificate: the sixth or seventh element of what is signed, behind the subject.
pub(super) fn spki_of(certificate: &[u8]) -> Result<Vec<u8>, Refusal> {
    let absent = || "certificate: no key".to_owned();
    let outer = elements(certificate)?;
    let signed = elements(outer.first().ok_or_else(absent)?.2)?;
    let fields = elements(signed.first().ok_or_else(absent)?.2)?;
    // version, serial number, algorithm, issuer, validity, subject, key
    fields.get(6).map(|(_, whole, _)| whole.to_vec()).ok_or_else(absent)
}
