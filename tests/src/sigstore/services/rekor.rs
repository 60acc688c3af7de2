//! The logs over HTTP: Rekor v1, which answers with a promise and a proof, and Rekor v2, which answers with a proof.
//!
//! A log takes in what is signed by the key that the client names, and nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pullward_core::signature::KeyType;
use serde_json::{Value, json};

use super::read::{bytes, json as read_json, spki_of, text, unpem, verified, verified_hash};
use super::{Refusal, State, created, now};
use crate::hostile::{Reply, Request};
use crate::mint::pae;
use crate::sigstore::rekor::{leaf, pem};
use crate::sigstore::{Entry, EntryKind, Generation, Upload, hex, sha256};

pub(super) fn answer(state: &State, generation: Generation, request: &Request) -> Result<Reply, Refusal> {
    let version = if generation == Generation::One { 1 } else { 2 };
    if request.method != "POST" || request.path != format!("/api/v{version}/log/entries") {
        return Err("no such path".into());
    }
    let proposed = read_json(&request.body)?;
    let (kind, body) = match generation {
        Generation::One => first(&proposed)?,
        Generation::Two => second(&proposed)?,
    };
    let entry = take(state, kind, body);
    if generation == Generation::Two {
        return Ok(created("application/json", entry.json().to_string()));
    }
    // The entry's name, which is the tree's and the leaf's: clients look for it in `ETag`.
    let name = format!("{:016x}{}", 7253, hex(&leaf(entry.body.as_bytes())));
    let answer = json!({ name.as_str(): logged(&entry) });
    Ok(created("application/json", answer.to_string()).with("etag", &name))
}

/// Takes a body into the tree.
fn take(state: &State, kind: EntryKind, body: String) -> Entry {
    let sigstore = state.sigstore();
    let log = sigstore.rekor(kind.generation());
    let mut leaves = state.tree(kind.generation());
    leaves.push(leaf(body.as_bytes()));
    let proof = log.proof_among(leaves.len() - 1, &leaves);
    log.entry(kind, body, now(), proof)
}

/// A proposed entry of Rekor v1.
fn first(proposed: &Value) -> Result<(EntryKind, String), Refusal> {
    let kind = match (text(proposed, "/kind")?, text(proposed, "/apiVersion")?) {
        ("hashedrekord", "0.0.1") => EntryKind::HashedRekord1,
        ("dsse", "0.0.1") => EntryKind::Dsse1,
        ("intoto", "0.0.1") => EntryKind::Intoto1,
        ("intoto", "0.0.2") => EntryKind::Intoto2,
        (kind, version) => return Err(format!("{kind} {version}: no such kind of entry")),
    };
    let spec = &proposed["spec"];
    match kind {
        EntryKind::HashedRekord1 => {
            let hash = text(spec, "/data/hash/value")?;
            let signature = bytes(spec, "/signature/content")?;
            let certificate = certificate(&bytes(spec, "/signature/publicKey/content")?)?;
            verified_hash(&spki_of(&certificate)?, &unhex(hash)?, &signature)?;
            let body = json!({ "apiVersion": "0.0.1", "kind": "hashedrekord", "spec": {
                "data": { "hash": { "algorithm": "sha256", "value": hash } },
                "signature": {
                    "content": STANDARD.encode(signature),
                    "publicKey": { "content": STANDARD.encode(pem(&certificate)) }
                }
            } });
            Ok((kind, body.to_string()))
        }
        EntryKind::Dsse1 | EntryKind::Intoto1 => {
            let [envelope, verifier] = if kind == EntryKind::Dsse1 {
                ["/proposedContent/envelope", "/proposedContent/verifiers/0"]
            } else {
                ["/content/envelope", "/publicKey"]
            };
            let envelope = text(spec, envelope)?;
            let certificate = certificate(&bytes(spec, verifier)?)?;
            let upload = enveloped(&read_json(envelope.as_bytes())?, certificate)?;
            let upload = Upload { sent: Some(envelope.as_bytes().to_vec()), ..upload };
            Ok((kind, upload.body(kind)))
        }
        _ => {
            let envelope = &spec["content"]["envelope"];
            let certificate = certificate(&bytes(envelope, "/signatures/0/publicKey")?)?;
            Ok((kind, enveloped(envelope, certificate)?.body(kind)))
        }
    }
}

/// A request of Rekor v2.
fn second(proposed: &Value) -> Result<(EntryKind, String), Refusal> {
    let request = &proposed["hashedRekordRequestV002"];
    let hash = bytes(request, "/digest")?;
    let signature = bytes(request, "/signature/content")?;
    let certificate = bytes(request, "/signature/verifier/x509Certificate/rawBytes")?;
    let details = text(request, "/signature/verifier/keyDetails")?;
    verified_hash(&spki_of(&certificate)?, &hash, &signature)?;
    let spec = json!({ "hashedRekordV002": {
        "data": { "algorithm": "SHA2_256", "digest": STANDARD.encode(hash) },
        "signature": {
            "content": STANDARD.encode(signature),
            "verifier": {
                "keyDetails": details,
                "x509Certificate": { "rawBytes": STANDARD.encode(certificate) }
            }
        }
    } });
    let body = json!({ "apiVersion": "0.0.2", "kind": "hashedrekord", "spec": spec });
    Ok((EntryKind::HashedRekord2, body.to_string()))
}

/// An envelope that is to be logged, checked.
fn enveloped(envelope: &Value, certificate: Vec<u8>) -> Result<Upload, Refusal> {
    let content = bytes(envelope, "/payload")?;
    let payload_type = text(envelope, "/payloadType")?.to_owned();
    let signature = bytes(envelope, "/signatures/0/sig")?;
    let message = pae(&payload_type, &content);
    let upload =
        Upload { content, payload_type, message, signature, certificate, key: KeyType::P256, sent: None };
    let spki = spki_of(&upload.certificate)?;
    verified(&spki, &upload.message, &upload.signature)?;
    Ok(upload)
}

/// An entry as Rekor v1 answers.
fn logged(entry: &Entry) -> Value {
    let proof = entry.proof.as_ref().map(|proof| {
        let hashes: Vec<String> = proof.hashes.iter().map(|hash| hex(hash)).collect();
        json!({
            "checkpoint": proof.note,
            "hashes": hashes,
            "logIndex": proof.index,
            "rootHash": hex(&proof.root),
            "treeSize": proof.size
        })
    });
    let promise = entry.promise.as_ref().map(|promise| STANDARD.encode(promise));
    json!({
        "body": STANDARD.encode(&entry.body),
        "integratedTime": entry.time.map(|time| time.0),
        "logID": hex(&entry.log_id),
        "logIndex": entry.log_index,
        "verification": { "inclusionProof": proof, "signedEntryTimestamp": promise }
    })
}

fn certificate(pem: &[u8]) -> Result<Vec<u8>, Refusal> {
    let text = core::str::from_utf8(pem).map_err(|error| format!("certificate: {error}"))?;
    if text.starts_with("-----BEGIN CERTIFICATE") {
        unpem(text)
    } else {
        Err("verifier: no certificate".into())
    }
}

fn unhex(text: &str) -> Result<Vec<u8>, Refusal> {
    let refused = || format!("{text}: not a hash");
    if text.len() != 2 * sha256(&[]).len() || !text.is_ascii() {
        return Err(refused());
    }
    let pairs = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16));
    pairs.collect::<Result<_, _>>().map_err(|_| refused())
}
