//! A small log for tests: it writes bodies, promises, proofs and checkpoints as Rekor does, from their specifications
//! and not with the code under test. Its trees are computed by the recursive definition of RFC 9162 section 2.1.1.

extern crate std;
use std::format;
use std::string::String;
use std::vec::Vec;

use p256::ecdsa::SigningKey;
use p256::ecdsa::signature::hazmat::PrehashSigner as _;
use sha2::{Digest as _, Sha256};

use super::leaf::{Content, SignedDigest, SignedMaterial, Verifier};
use super::merkle::Hash;
use super::{LogKey, Logs, Window};
use crate::encoding::to_base64;
use crate::signature::{Message, PublicKey};
use crate::time::UnixTime;

pub(super) fn base64(bytes: impl AsRef<[u8]>) -> String {
    let lines = bytes.as_ref().chunks(48).map(|bytes| {
        let mut line = [0; 64];
        let digits = to_base64(bytes, &mut line);
        String::from_utf8(line[..digits].to_vec()).unwrap()
    });
    lines.collect()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn sha256(bytes: impl AsRef<[u8]>) -> Hash {
    Sha256::digest(bytes).into()
}

/// The root of a tree, by its definition.
pub(super) fn root_of(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => sha256(""),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            sha256([&[1][..], &root_of(left), &root_of(right)].concat())
        }
    }
}

/// The proof of a leaf, by its definition (section 2.1.3.1).
pub(super) fn proof_of(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let half = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(half);
    let (mut proof, sibling) = if index < half {
        (proof_of(index, left), root_of(right))
    } else {
        (proof_of(index.wrapping_sub(half), right), root_of(left))
    };
    proof.push(sibling);
    proof
}

/// A key of P-256, the same for the same seed.
pub(super) struct Pair {
    secret: SigningKey,
    pub(super) public: PublicKey,
}

impl Pair {
    pub(super) fn new(seed: u8) -> Self {
        let secret = SigningKey::from_bytes(&[seed; 32].into()).unwrap();
        let point = secret.verifying_key().to_sec1_point(false);
        let spki = [&SPKI_PREFIX[..], point.as_bytes()].concat();
        Self { secret, public: PublicKey::from_spki(&spki).unwrap() }
    }

    pub(super) fn sign(&self, message: impl AsRef<[u8]>) -> Vec<u8> {
        let signature: p256::ecdsa::Signature = self.secret.sign_prehash(&sha256(message)).unwrap();
        signature.to_der().as_bytes().to_vec()
    }
}

const SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A signature over an artifact and over an envelope around it, by one key.
pub(super) struct Signed {
    pub(super) digest: Hash,
    pub(super) payload: Vec<u8>,
    pub(super) pae: Vec<u8>,
    pub(super) document: Vec<u8>,
    pub(super) signature: Vec<u8>,
    /// Stands in for a certificate: no code here looks into it.
    pub(super) certificate: Vec<u8>,
    pub(super) key: PublicKey,
}

pub(super) const TYPE: &str = "application/vnd.in-toto+json";

impl Signed {
    pub(super) fn new(seed: u8) -> Self {
        let payload = [b"statement ", &[b'a'.wrapping_add(seed)][..]].concat();
        let pae = [format!("DSSEv1 {} {TYPE} {} ", TYPE.len(), payload.len()).as_bytes(), &payload].concat();
        let pair = Pair::new(seed);
        Self {
            digest: sha256(&payload),
            signature: pair.sign(&pae),
            certificate: (0..150).map(|i| seed.wrapping_add(i)).collect(),
            document: [b"{envelope of ", &payload[..], b"}"].concat(),
            payload,
            pae,
            key: pair.public,
        }
    }

    /// Asks with the material of the kind's content.
    pub(super) fn with<R>(&self, kind: &str, ask: impl FnOnce(&SignedMaterial<'_>) -> R) -> R {
        let message = Message::new(&self.pae);
        let content = match kind {
            "hashedrekord 0.0.1" | "hashedrekord 0.0.2" => {
                Content::Digest(SignedDigest::Sha256(&self.digest))
            }
            _ => Content::Envelope {
                payload_type: TYPE,
                payload: &self.payload,
                message: &message,
                document: Some(&self.document),
            },
        };
        let verifier = Verifier::Certificate { der: &self.certificate, key: &self.key };
        ask(&SignedMaterial { content, signature: &self.signature, verifier })
    }

    pub(super) fn pem(&self) -> String {
        let digits = base64(&self.certificate);
        let lines: Vec<&str> =
            digits.as_bytes().chunks(64).map(|line| core::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
    }

    /// The body that Rekor writes.
    pub(super) fn body(&self, kind: &str) -> String {
        let (signature, pem) = (base64(&self.signature), base64(self.pem()));
        let payload_hash = format!(r#"{{"algorithm":"sha256","value":"{}"}}"#, hex(&sha256(&self.payload)));
        let some_hash = format!(r#"{{"algorithm":"sha256","value":"{}"}}"#, hex(&sha256("as uploaded")));
        let (name, version) = kind.split_once(' ').unwrap();
        let spec = match kind {
            "hashedrekord 0.0.1" => format!(
                r#"{{"data":{{"hash":{{"algorithm":"sha256","value":"{}"}}}},"signature":{{"content":"{signature}","publicKey":{{"content":"{pem}"}}}}}}"#,
                hex(&self.digest)
            ),
            "hashedrekord 0.0.2" | "hashedrekord 0.0.2 envelope" => {
                let digest = if kind.ends_with("envelope") { sha256(&self.pae) } else { self.digest };
                format!(
                    r#"{{"hashedRekordV002":{{"data":{{"algorithm":"SHA2_256","digest":"{}"}},"signature":{{"content":"{signature}","verifier":{{"keyDetails":"PKIX_ECDSA_P256_SHA_256","x509Certificate":{{"rawBytes":"{}"}}}}}}}}}}"#,
                    base64(digest),
                    base64(&self.certificate)
                )
            }
            "dsse 0.0.1" => format!(
                r#"{{"envelopeHash":{some_hash},"payloadHash":{payload_hash},"signatures":[{{"signature":"{signature}","verifier":"{pem}"}}]}}"#
            ),
            "intoto 0.0.1" => format!(
                r#"{{"content":{{"hash":{{"algorithm":"sha256","value":"{}"}},"payloadHash":{payload_hash}}},"publicKey":"{pem}"}}"#,
                hex(&sha256(&self.document))
            ),
            "intoto 0.0.2" => format!(
                r#"{{"content":{{"envelope":{{"payloadType":"{TYPE}","signatures":[{{"publicKey":"{pem}","sig":"{}"}}]}},"hash":{some_hash},"payloadHash":{payload_hash}}}}}"#,
                base64(&signature)
            ),
            _ => String::new(),
        };
        let version = version.trim_end_matches(" envelope");
        format!(r#"{{"apiVersion":"{version}","kind":"{name}","spec":{spec}}}"#)
    }
}

/// All kinds, each with the content that it is about.
pub(super) const KINDS: [&str; 6] = [
    "hashedrekord 0.0.1",
    "hashedrekord 0.0.2",
    "hashedrekord 0.0.2 envelope",
    "dsse 0.0.1",
    "intoto 0.0.1",
    "intoto 0.0.2",
];

/// A log.
pub(super) struct TestLog {
    pair: Pair,
    pub(super) name: &'static str,
    pub(super) operator: &'static str,
}

/// When the entries of the log are from.
pub(super) const TIME: u64 = 1_700_000_000;

/// Where an entry stands in its tree, and how large that is.
pub(super) const INDEX: usize = 5;
pub(super) const SIZE: usize = 11;

impl TestLog {
    pub(super) fn new(seed: u8, name: &'static str, operator: &'static str) -> Self {
        Self { pair: Pair::new(seed), name, operator }
    }

    pub(super) fn id(&self) -> Hash {
        self.pair.public.id().0
    }

    pub(super) fn key(&self) -> LogKey<'static> {
        LogKey {
            id: self.id(),
            checkpoint_hint: *self.id().first_chunk().unwrap(),
            key: self.pair.public.clone(),
            window: Window { start: UnixTime(TIME - 10), end: Some(UnixTime(TIME + 10)) },
            operator: self.operator,
        }
    }

    pub(super) fn sign(&self, message: &str) -> Vec<u8> {
        self.pair.sign(message)
    }

    /// A signature line of a note.
    pub(super) fn line(&self, name: &str, text: &str) -> String {
        let value = [&self.id()[..4], &self.sign(text)].concat();
        format!("\u{2014} {name} {}\n", base64(value))
    }

    pub(super) fn note(&self, size: usize, root: &Hash) -> String {
        let text = format!("{} - 42\n{size}\n{}\n", self.name, base64(root));
        format!("{text}\n{}", self.line(self.name, &text))
    }

    pub(super) fn promise(&self, body: &str, time: u64, index: u64) -> String {
        let id = hex(&self.id());
        let body = base64(body);
        base64(self.sign(&format!(
            r#"{{"body":"{body}","integratedTime":{time},"logID":"{id}","logIndex":{index}}}"#
        )))
    }

    /// The leaves of the tree that holds `body`.
    pub(super) fn leaves(body: &str) -> Vec<Hash> {
        let mut leaves: Vec<Hash> = (0..SIZE).map(|i| sha256([0, u8::try_from(i).unwrap()])).collect();
        leaves[INDEX] = sha256([&[0][..], body.as_bytes()].concat());
        leaves
    }

    /// The member `inclusionPromise`, with a comma.
    pub(super) fn promise_member(&self, kind: &str, body: &str) -> String {
        if kind.starts_with("hashedrekord 0.0.2") {
            return String::new();
        }
        let set = self.promise(body, TIME, Self::index(kind));
        format!(r#""inclusionPromise":{{"signedEntryTimestamp":"{set}"}},"#)
    }

    /// Rekor v1 numbers entries over all of its trees.
    pub(super) fn index(kind: &str) -> u64 {
        if kind.starts_with("hashedrekord 0.0.2") { 5 } else { 1005 }
    }

    /// The member `inclusionProof`, with a comma.
    pub(super) fn proof_member(&self, body: &str) -> String {
        let leaves = Self::leaves(body);
        let root = root_of(&leaves);
        let hashes: Vec<String> =
            proof_of(INDEX, &leaves).iter().map(|hash| format!("\"{}\"", base64(hash))).collect();
        let note = self.note(SIZE, &root).replace('\n', "\\n");
        format!(
            r#""inclusionProof":{{"logIndex":"{INDEX}","rootHash":"{}","treeSize":"{SIZE}","hashes":[{}],"checkpoint":{{"envelope":"{note}"}}}},"#,
            base64(root),
            hashes.join(",")
        )
    }

    /// A whole entry, of the members given.
    pub(super) fn entry(&self, kind: &str, body: &str, members: &[String]) -> String {
        let (name, version) = kind.split_once(' ').unwrap();
        let version = version.trim_end_matches(" envelope");
        format!(
            r#"{{"logIndex":"{}","logId":{{"keyId":"{}"}},"kindVersion":{{"kind":"{name}","version":"{version}"}},"integratedTime":"{TIME}",{}"canonicalizedBody":"{}"}}"#,
            Self::index(kind),
            base64(self.id()),
            members.concat(),
            base64(body)
        )
    }

    /// The entry of a signature with all that the log gives.
    pub(super) fn whole(&self, kind: &str, signed: &Signed) -> String {
        let body = signed.body(kind);
        self.entry(kind, &body, &[self.promise_member(kind, &body), self.proof_member(&body)])
    }
}

/// The logs that are trusted.
pub(super) struct Trusted(pub(super) Vec<LogKey<'static>>);

impl Trusted {
    pub(super) fn only(log: &TestLog) -> Self {
        Self(std::vec![log.key()])
    }
}

impl Logs for Trusted {
    fn log(&self, id: &[u8; 32]) -> Option<LogKey<'_>> {
        self.0.iter().find(|log| log.id == *id).cloned()
    }
}
