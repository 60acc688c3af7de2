//! The transparency logs: Rekor v1, which promises and knows the time, and Rekor v2, which proves and knows none.
//!
//! Bodies are canonical JSON (RFC 8785) as `pkg/types` of sigstore/rekor and `rekor-tiles` write them; trees are RFC
//! 9162's, by its recursive definitions; checkpoints are C2SP's `tlog-checkpoint` in a `signed-note`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pullward_core::signature::KeyType;
use pullward_core::time::UnixTime;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{hex, sha256, sign};
use crate::mint::{Random, Scheme, Signer};

/// Which Rekor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// Rekor v1.
    One,
    /// Rekor v2.
    Two,
}

/// What kind of entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// hashedrekord 0.0.1.
    HashedRekord1,
    /// dsse 0.0.1.
    Dsse1,
    /// intoto 0.0.1, which cosign 2 writes when it is told to.
    Intoto1,
    /// intoto 0.0.2.
    Intoto2,
    /// hashedrekord 0.0.2, over a digest or the pre-authentication encoding of an envelope.
    HashedRekord2,
}

impl EntryKind {
    /// Which log writes it.
    #[must_use]
    pub fn generation(self) -> Generation {
        if self == Self::HashedRekord2 { Generation::Two } else { Generation::One }
    }

    /// Kind and version.
    #[must_use]
    pub fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::HashedRekord1 => ("hashedrekord", "0.0.1"),
            Self::Dsse1 => ("dsse", "0.0.1"),
            Self::Intoto1 => ("intoto", "0.0.1"),
            Self::Intoto2 => ("intoto", "0.0.2"),
            Self::HashedRekord2 => ("hashedrekord", "0.0.2"),
        }
    }
}

/// What somebody uploads to have it logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The artifact or the payload.
    pub content: Vec<u8>,
    /// The payload's type.
    pub payload_type: String,
    /// What the signature is over.
    pub message: Vec<u8>,
    /// The signature.
    pub signature: Vec<u8>,
    /// The verifier: a certificate in DER.
    pub certificate: Vec<u8>,
    /// The kind of the key in it.
    pub key: KeyType,
    /// The envelope's JSON as it came; as we write it where `None`.
    pub sent: Option<Vec<u8>>,
}

impl Upload {
    /// The body that a log writes for it.
    #[must_use]
    pub fn body(&self, kind: EntryKind) -> String {
        let pem = STANDARD.encode(pem(&self.certificate));
        let signature = STANDARD.encode(&self.signature);
        let hash = |bytes: &[u8]| json!({ "algorithm": "sha256", "value": hex(&sha256(bytes)) });
        let envelope = || self.sent.clone().unwrap_or_else(|| self.envelope());
        let spec = match kind {
            EntryKind::HashedRekord1 => json!({
                "data": { "hash": hash(&self.content) },
                "signature": { "content": signature, "publicKey": { "content": pem } }
            }),
            EntryKind::Dsse1 => json!({
                "envelopeHash": hash(&envelope()),
                "payloadHash": hash(&self.content),
                "signatures": [{ "signature": signature, "verifier": pem }]
            }),
            EntryKind::Intoto1 => json!({
                "content": { "hash": hash(&envelope()), "payloadHash": hash(&self.content) },
                "publicKey": pem
            }),
            EntryKind::Intoto2 => json!({
                "content": {
                    "envelope": {
                        "payloadType": self.payload_type,
                        "signatures": [{ "publicKey": pem, "sig": STANDARD.encode(&signature) }]
                    },
                    "hash": hash(&envelope()),
                    "payloadHash": hash(&self.content)
                }
            }),
            EntryKind::HashedRekord2 => json!({ "hashedRekordV002": {
                "data": { "algorithm": "SHA2_256", "digest": STANDARD.encode(sha256(&self.message)) },
                "signature": {
                    "content": signature,
                    "verifier": {
                        "keyDetails": key_details(self.key),
                        "x509Certificate": { "rawBytes": STANDARD.encode(&self.certificate) }
                    }
                }
            } }),
        };
        let (name, version) = kind.names();
        // serde_json's map is sorted, and nothing here needs an escape: that is canonical JSON.
        json!({ "apiVersion": version, "kind": name, "spec": spec }).to_string()
    }

    fn envelope(&self) -> Vec<u8> {
        let envelope = json!({
            "payload": STANDARD.encode(&self.content),
            "payloadType": self.payload_type,
            "signatures": [{ "sig": STANDARD.encode(&self.signature) }]
        });
        envelope.to_string().into_bytes()
    }
}

fn key_details(key: KeyType) -> &'static str {
    match key {
        KeyType::P256 => "PKIX_ECDSA_P256_SHA_256",
        KeyType::P384 => "PKIX_ECDSA_P384_SHA_384",
        KeyType::Ed25519 => "PKIX_ED25519",
        KeyType::Rsa => "PKIX_RSA_PKCS1V15_2048_SHA256",
    }
}

/// One PEM block `CERTIFICATE` as Go writes it.
#[must_use]
pub fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| core::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

/// A log.
#[derive(Debug, Clone)]
pub struct Rekor {
    /// The key that signs promises and checkpoints.
    pub key: Signer,
    /// Which.
    pub generation: Generation,
    /// The host that it is served at, which begins its checkpoints.
    pub host: String,
}

/// Where a log puts what it takes in, and how large its tree is then.
const PLACE: (usize, usize) = (5, 11);
/// How many entries Rekor v1 has in the trees before this one: it numbers over all of them.
const SHARD: u64 = 1000;

impl Rekor {
    /// A log with a new key: P-256 for Rekor v1, Ed25519 for Rekor v2.
    #[must_use]
    pub fn new(generation: Generation, host: &str, random: &mut Random) -> Self {
        let kind = if generation == Generation::One { KeyType::P256 } else { KeyType::Ed25519 };
        Self { key: Signer::generate(kind, random), generation, host: host.into() }
    }

    /// Its id. Rekor v1: SHA-256 of the key. Rekor v2: that of name and key as `signed-note` defines it.
    #[must_use]
    pub fn id(&self) -> Vec<u8> {
        match self.generation {
            Generation::One => Sha256::digest(self.key.spki()).to_vec(),
            Generation::Two => note_id(&self.host, &self.key),
        }
    }

    /// The first line of its checkpoints.
    #[must_use]
    pub fn origin(&self) -> String {
        match self.generation {
            Generation::One => format!("{} - 7253", self.host),
            Generation::Two => self.host.clone(),
        }
    }

    /// A line of a note with its signature over `text`.
    #[must_use]
    pub fn line(&self, text: &str) -> String {
        let hint = &self.id()[..4];
        note_line(&self.host, &[hint, &sign(&self.key, text.as_bytes())].concat())
    }

    /// The text of a checkpoint, not yet signed.
    #[must_use]
    pub fn checkpoint(&self, size: usize, root: &[u8]) -> String {
        format!("{}\n{size}\n{}\n", self.origin(), STANDARD.encode(root))
    }

    /// A signed checkpoint.
    #[must_use]
    pub fn note(&self, size: usize, root: &[u8]) -> String {
        let text = self.checkpoint(size, root);
        format!("{text}\n{}", self.line(&text))
    }

    /// A promise (SET) to take an entry in.
    #[must_use]
    pub fn promise(&self, body: &str, index: u64, time: UnixTime) -> Vec<u8> {
        let promised = json!({
            "body": STANDARD.encode(body), "integratedTime": time.0, "logID": hex(&self.id()), "logIndex": index
        });
        sign(&self.key, promised.to_string().as_bytes())
    }

    /// A proof that an entry is in its tree, with the checkpoint.
    #[must_use]
    pub fn proof(&self, body: &str) -> Proof {
        let (index, size) = PLACE;
        let mut leaves: Vec<Vec<u8>> = (0..size).map(|place| leaf(&place.to_be_bytes())).collect();
        leaves[index] = leaf(body.as_bytes());
        self.proof_among(index, &leaves)
    }

    /// A proof that a leaf is in the tree of these hashes, with the checkpoint.
    #[must_use]
    pub fn proof_among(&self, index: usize, leaves: &[Vec<u8>]) -> Proof {
        let (size, root) = (leaves.len(), root_of(leaves));
        Proof { index, size, hashes: proof_of(index, leaves), note: Some(self.note(size, &root)), root }
    }

    /// Takes a body in.
    #[must_use]
    pub fn take(&self, kind: EntryKind, body: String, time: UnixTime) -> Entry {
        let proof = self.proof(&body);
        self.entry(kind, body, time, proof)
    }

    /// The entry of a body that it has taken in, from its proof.
    #[must_use]
    pub fn entry(&self, kind: EntryKind, body: String, time: UnixTime, proof: Proof) -> Entry {
        let (name, version) = kind.names();
        let place = u64::try_from(proof.index).unwrap();
        let (log_index, time, promise) = match self.generation {
            Generation::One => {
                let index = SHARD + place;
                (index, Some(time), Some(self.promise(&body, index, time)))
            }
            Generation::Two => (place, None, None),
        };
        let (proof, log_id) = (Some(proof), self.id());
        Entry { log_index, log_id, kind: name.into(), version: version.into(), time, promise, proof, body }
    }
}

/// `signed-note`: the hash of name, algorithm 1 and the raw Ed25519 key.
#[must_use]
pub fn note_id(name: &str, key: &Signer) -> Vec<u8> {
    // The SPKI of Ed25519 ends with the raw key.
    let raw = &key.spki()[key.spki().len() - 32..];
    sha256(&[name.as_bytes(), b"\n\x01", raw].concat())
}

/// One signature line of a note.
#[must_use]
pub fn note_line(name: &str, value: &[u8]) -> String {
    format!("\u{2014} {name} {}\n", STANDARD.encode(value))
}

/// A log entry as evidence carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands in the log.
    pub log_index: u64,
    /// The log.
    pub log_id: Vec<u8>,
    /// Kind.
    pub kind: String,
    /// And version.
    pub version: String,
    /// When the log took it in.
    pub time: Option<UnixTime>,
    /// The SET.
    pub promise: Option<Vec<u8>>,
    /// The proof.
    pub proof: Option<Proof>,
    /// The body.
    pub body: String,
}

/// An inclusion proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Where the leaf stands in the tree.
    pub index: usize,
    /// How large the tree is.
    pub size: usize,
    /// Its root.
    pub root: Vec<u8>,
    /// The hashes.
    pub hashes: Vec<Vec<u8>>,
    /// The checkpoint.
    pub note: Option<String>,
}

impl Entry {
    /// An item of `tlogEntries`.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut entry = json!({
            "logIndex": self.log_index.to_string(),
            "logId": { "keyId": STANDARD.encode(&self.log_id) },
            "kindVersion": { "kind": self.kind, "version": self.version },
            "canonicalizedBody": STANDARD.encode(&self.body)
        });
        if let Some(time) = self.time {
            entry["integratedTime"] = time.0.to_string().into();
        }
        if let Some(promise) = &self.promise {
            entry["inclusionPromise"] = json!({ "signedEntryTimestamp": STANDARD.encode(promise) });
        }
        if let Some(proof) = &self.proof {
            let hashes: Vec<String> = proof.hashes.iter().map(|hash| STANDARD.encode(hash)).collect();
            entry["inclusionProof"] = json!({
                "logIndex": proof.index.to_string(),
                "rootHash": STANDARD.encode(&proof.root),
                "treeSize": proof.size.to_string(),
                "hashes": hashes
            });
            if let Some(note) = &proof.note {
                entry["inclusionProof"]["checkpoint"] = json!({ "envelope": note });
            }
        }
        entry
    }

    /// The value of cosign's annotation `dev.sigstore.cosign/bundle`.
    #[must_use]
    pub fn annotation(&self) -> String {
        let time = self.time.map_or(0, |time| time.0);
        let promise = self.promise.as_ref().map(|promise| STANDARD.encode(promise));
        json!({
            "SignedEntryTimestamp": promise,
            "Payload": {
                "body": STANDARD.encode(&self.body),
                "integratedTime": time,
                "logIndex": self.log_index,
                "logID": hex(&self.log_id)
            }
        })
        .to_string()
    }
}

/// The hash of a leaf (RFC 9162 section 2.1.1).
#[must_use]
pub fn leaf(content: &[u8]) -> Vec<u8> {
    sha256(&[&[0][..], content].concat())
}

/// The root of a tree, by its definition (RFC 9162 section 2.1.1).
fn root_of(leaves: &[Vec<u8>]) -> Vec<u8> {
    match leaves {
        [] => sha256(&[]),
        [leaf] => leaf.clone(),
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            sha256(&[&[1][..], &root_of(left), &root_of(right)].concat())
        }
    }
}

/// The proof of a leaf, by its definition (section 2.1.3.1).
fn proof_of(index: usize, leaves: &[Vec<u8>]) -> Vec<Vec<u8>> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let half = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(half);
    let (mut proof, sibling) = if index < half {
        (proof_of(index, left), root_of(right))
    } else {
        (proof_of(index - half, right), root_of(left))
    };
    proof.push(sibling);
    proof
}

/// How a log's key signs: SHA-256, or Ed25519 pure.
#[must_use]
pub fn scheme(key: &Signer) -> Scheme {
    match key.kind() {
        KeyType::Ed25519 => Scheme::Pure,
        KeyType::P384 => Scheme::Sha384,
        KeyType::P256 | KeyType::Rsa => Scheme::Sha256,
    }
}
