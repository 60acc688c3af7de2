//! Real evidence: what cosign 2 and 3 write into a registry, and what they sign when they are given other bytes.
//!
//! Forged documents are signed by the same cosign keys (`sign-blob` signs any bytes as `sign` signs a payload), so that a case
//! fails for the reason that it is about, and never because its signature is bad.

use std::cell::Cell;
use std::path::Path;
use std::process::Command;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use pullward_tests::{Cosign, CosignVersion, Crane, Error, Image, KeyPair, Peers, Registry, Workspace, run};
use serde_json::Value;

/// A key pair, and its public half as text.
pub(crate) struct Key {
    pair: KeyPair,
    pub(crate) pem: String,
}

impl Key {
    /// The base64 of the SPKI, as a trust bundle has it.
    pub(crate) fn spki(&self) -> String {
        self.pem.lines().filter(|line| !line.starts_with("-----")).collect()
    }

    /// SHA-256 of the SPKI in hex: the key's name.
    pub(crate) fn id(&self) -> String {
        hex_of(&BASE64_STANDARD.decode(self.spki()).unwrap())
    }
}

/// A piece of evidence that owns its bytes.
#[derive(Clone)]
pub(crate) enum Piece {
    Simple { payload: Vec<u8>, signature: String },
    Envelope(Vec<u8>),
    Bundle(Vec<u8>),
}

/// The tools, and two images that differ.
pub(crate) struct Forge<'a> {
    workspace: &'a Workspace,
    registry: &'a Registry,
    crane: Crane<'a>,
    two: Cosign<'a>,
    three: Cosign<'a>,
    app: String,
    other: String,
    repositories: Cell<u32>,
}

impl<'a> Forge<'a> {
    pub(crate) fn new(
        peers: &'a Peers,
        workspace: &'a Workspace,
        registry: &'a Registry,
    ) -> Result<Self, Error> {
        let crane = Crane::new(peers, workspace);
        Ok(Self {
            workspace,
            registry,
            two: Cosign::new(peers, workspace, CosignVersion::Two)?,
            three: Cosign::new(peers, workspace, CosignVersion::Three)?,
            app: crane.push(&registry.reference("app:v1"), &Image::named("golden app"))?,
            other: crane.push(&registry.reference("other:v1"), &Image::named("golden other"))?,
            crane,
            repositories: Cell::new(0),
        })
    }

    /// The digest of the image that the cases ask about.
    pub(crate) fn app(&self) -> &str {
        digest_of(&self.app)
    }

    /// The digest of another image.
    pub(crate) fn other(&self) -> &str {
        digest_of(&self.other)
    }

    /// A P-256 key that cosign makes.
    pub(crate) fn key(&self, name: &str) -> Result<Key, Error> {
        self.with_pem(self.two.generate_key_pair(name)?)
    }

    /// A key that openssl makes and cosign 3 takes (version 2 refuses P-384 and RSA, and signs with them all the same).
    pub(crate) fn imported_key(&self, name: &str, options: &[&str]) -> Result<Key, Error> {
        let file = self.workspace.join(format!("{name}.pem"));
        let mut command = Command::new("openssl");
        command.arg("genpkey").args(options).arg("-out").arg(&file);
        run(command)?;
        self.with_pem(self.three.import_key_pair(name, &file)?)
    }

    fn with_pem(&self, pair: KeyPair) -> Result<Key, Error> {
        let pem = String::from_utf8_lossy(&read(&pair.public)?).into_owned();
        Ok(Key { pair, pem })
    }

    /// What `cosign sign` of version 2 stores for the image: a layer and its annotation.
    pub(crate) fn legacy(&self, key: &Key, image: Which) -> Result<Piece, Error> {
        let (repository, pinned) = self.fresh(image)?;
        self.two.sign(&key.pair, &pinned)?;
        let layer = self.layer_of(&repository, &format!("{}.sig", tag_of(&pinned)))?;
        let signature = layer
            .pointer("/annotations/dev.cosignproject.cosign~1signature")
            .and_then(Value::as_str)
            .ok_or_else(|| unexpected("a layer without signature"))?;
        Ok(Piece::Simple { payload: self.blob_of(&layer)?, signature: signature.to_owned() })
    }

    /// What `cosign attest` of version 2 stores.
    pub(crate) fn legacy_attestation(&self, key: &Key, kind: &str) -> Result<Piece, Error> {
        self.legacy_attestation_of(key, kind, PREDICATE)
    }

    /// The same, of this predicate.
    pub(crate) fn legacy_attestation_of(
        &self,
        key: &Key,
        kind: &str,
        predicate: &str,
    ) -> Result<Piece, Error> {
        let (repository, pinned) = self.fresh(Which::App)?;
        let predicate = self.workspace.write("predicate.json", predicate)?;
        self.two.attest(&key.pair, &pinned, kind, &predicate)?;
        let layer = self.layer_of(&repository, &format!("{}.att", tag_of(&pinned)))?;
        Ok(Piece::Envelope(self.blob_of(&layer)?))
    }

    /// What `cosign sign` of version 3 stores: a bundle as a referrer.
    pub(crate) fn bundle(&self, key: &Key, image: Which) -> Result<Piece, Error> {
        let (repository, pinned) = self.fresh(image)?;
        self.three.sign(&key.pair, &pinned)?;
        self.only_referrer(&repository, &pinned)
    }

    /// What `cosign attest` of version 3 stores.
    pub(crate) fn attestation(&self, key: &Key, kind: &str) -> Result<Piece, Error> {
        self.attestation_of(key, kind, PREDICATE)
    }

    /// The same, of this predicate.
    pub(crate) fn attestation_of(&self, key: &Key, kind: &str, predicate: &str) -> Result<Piece, Error> {
        let (repository, pinned) = self.fresh(Which::App)?;
        let predicate = self.workspace.write("predicate.json", predicate)?;
        self.three.attest(&key.pair, &pinned, kind, &predicate)?;
        self.only_referrer(&repository, &pinned)
    }

    /// cosign's signature over any bytes, in base64.
    pub(crate) fn sign(&self, key: &Key, bytes: &[u8]) -> Result<String, Error> {
        let file = self.workspace.write("blob", bytes)?;
        self.two.sign_blob(&key.pair, &file)
    }

    /// A legacy signature over a payload of our own.
    pub(crate) fn simple(&self, key: &Key, payload: impl AsRef<[u8]>) -> Result<Piece, Error> {
        let payload = payload.as_ref().to_vec();
        Ok(Piece::Simple { signature: self.sign(key, &payload)?, payload })
    }

    /// An envelope around a payload of our own.
    pub(crate) fn envelope(&self, key: &Key, kind: &str, payload: &str) -> Result<String, Error> {
        let signature = self.sign(key, &pae(kind, payload))?;
        Ok(envelope_of(kind, payload, &[("", &signature)]))
    }

    /// A bundle around an in-toto statement of our own.
    pub(crate) fn statement(&self, key: &Key, payload: &str) -> Result<Piece, Error> {
        Ok(bundle_of(&self.envelope(key, IN_TOTO, payload)?))
    }

    /// A repository of its own for each signature, so that each is the only one there.
    fn fresh(&self, image: Which) -> Result<(String, String), Error> {
        let from = match image {
            Which::App => &self.app,
            Which::Other => &self.other,
        };
        let count = self.repositories.get();
        self.repositories.set(count + 1);
        let repository = format!("fresh-{count}");
        let reference = self.registry.reference(&repository);
        self.crane.copy(from, &format!("{reference}:v1"))?;
        Ok((repository, format!("{reference}@{}", digest_of(from))))
    }

    fn only_referrer(&self, repository: &str, pinned: &str) -> Result<Piece, Error> {
        let index = self.registry.manifest(repository, &tag_of(pinned))?.json()?;
        let digest = index
            .pointer("/manifests/0/digest")
            .and_then(Value::as_str)
            .ok_or_else(|| unexpected("no referrer"))?;
        let layer = self.layer_of(repository, digest)?;
        Ok(Piece::Bundle(self.blob_of(&layer)?))
    }

    fn layer_of(&self, repository: &str, reference: &str) -> Result<Value, Error> {
        let manifest = self.registry.manifest(repository, reference)?.json()?;
        manifest.pointer("/layers/0").cloned().ok_or_else(|| unexpected("no layer"))
    }

    fn blob_of(&self, descriptor: &Value) -> Result<Vec<u8>, Error> {
        let hex = descriptor
            .pointer("/digest")
            .and_then(Value::as_str)
            .and_then(|digest| digest.strip_prefix("sha256:"))
            .ok_or_else(|| unexpected("no digest"))?;
        let blobs = self.registry.storage().join("docker/registry/v2/blobs/sha256");
        read(&blobs.join(&hex[..2]).join(hex).join("data"))
    }
}

/// The predicate where it does not matter what it says.
const PREDICATE: &str = r#"{"builder":{"id":"golden"}}"#;

/// Which of the two images.
#[derive(Clone, Copy)]
pub(crate) enum Which {
    App,
    Other,
}

/// The payload type of in-toto statements.
pub(crate) const IN_TOTO: &str = "application/vnd.in-toto+json";

/// cosign's simple-signing payload.
pub(crate) fn payload_of(digest: &str) -> String {
    format!(
        r#"{{"critical":{{"identity":{{"docker-reference":"docker.io/kcandidate/app"}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"cosign container image signature"}},"optional":null}}"#
    )
}

/// An in-toto statement; `subjects` is JSON.
pub(crate) fn statement_of(version: &str, subjects: &str, predicate_type: &str) -> String {
    statement_with(version, subjects, predicate_type, "{}")
}

/// The same, with this predicate.
pub(crate) fn statement_with(version: &str, subjects: &str, predicate_type: &str, predicate: &str) -> String {
    format!(
        r#"{{"_type":"https://in-toto.io/Statement/{version}","subject":{subjects},"predicateType":"{predicate_type}","predicate":{predicate}}}"#
    )
}

/// A list with one subject of this digest.
pub(crate) fn subject_of(digest: &str) -> String {
    format!(r#"[{{"digest":{{"sha256":"{}"}}}}]"#, digest.trim_start_matches("sha256:"))
}

/// A DSSE envelope; signatures are (keyid, base64).
pub(crate) fn envelope_of(kind: &str, payload: &str, signatures: &[(&str, &str)]) -> String {
    let signatures: Vec<_> =
        signatures.iter().map(|(id, sig)| format!(r#"{{"keyid":"{id}","sig":"{sig}"}}"#)).collect();
    format!(
        r#"{{"payload":"{}","payloadType":"{kind}","signatures":[{}]}}"#,
        base64(payload.as_bytes()),
        signatures.join(",")
    )
}

/// A bundle v0.3 around an envelope, with an empty key hint.
pub(crate) fn bundle_of(envelope: &str) -> Piece {
    Piece::Bundle(
        format!(
            r#"{{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{{"publicKey":{{"hint":""}}}},"dsseEnvelope":{envelope}}}"#
        )
        .into_bytes(),
    )
}

/// What is signed of an envelope (DSSE protocol, PAE).
pub(crate) fn pae(kind: &str, payload: &str) -> Vec<u8> {
    format!("DSSEv1 {} {kind} {} {payload}", kind.len(), payload.len()).into_bytes()
}

/// An SPKI as PEM.
pub(crate) fn spki_pem(spki: &[u8]) -> String {
    let text = base64(spki);
    let lines: Vec<_> =
        text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
}

/// SHA-256 in hex.
pub(crate) fn hex_of(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Base64, standard alphabet, padded.
pub(crate) fn base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

fn digest_of(pinned: &str) -> &str {
    pinned.rsplit('@').next().unwrap()
}

fn tag_of(pinned: &str) -> String {
    digest_of(pinned).replace(':', "-")
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::Io { path: path.to_path_buf(), source })
}

fn unexpected(reason: &str) -> Error {
    Error::Unexpected { what: "what cosign stored".into(), reason: reason.into() }
}
