//! One keyless signature in the making: honest until a step is overridden.

use core::fmt;

use pullward_core::oci::Digest;
use pullward_core::time::UnixTime;
use serde_json::{Value, json};

use super::bundle::{Annotations, Parts};
use super::fulcio::Leaf;
use super::timestamp::Token;
use super::{Entry, EntryKind, Form, Identity, Rekor, SIGNED, Sent, Shape, Shown, Sigstore, Upload, sign};
use crate::mint::{Signer, digest, instant, pae, payload, statement};

/// One cell of the matrix: what is asked, of whom, with which evidence, and what is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// What is believed: a trusted root.
    pub root: String,
    /// Who is to have signed.
    pub identity: Identity,
    /// What: the artifact, or the manifest of an image.
    pub artifact: Vec<u8>,
    /// With this evidence.
    pub sent: Sent,
    /// At this time.
    pub now: UnixTime,
}

/// What stamps a signature.
pub type Stamp<'s> = fn(&KeylessForge<'s>, &[u8]) -> Vec<u8>;

/// A signature in the making. All steps are public: what none overrides is honest.
#[derive(Clone)]
pub struct KeylessForge<'s> {
    /// The instance that signs.
    pub sigstore: &'s Sigstore,
    /// Another one, which nobody has told anybody to believe.
    pub stranger: &'s Sigstore,
    /// How it comes.
    pub shape: Shape,
    /// Who is to have signed.
    pub identity: Identity,
    /// What is to have been signed.
    pub artifact: Vec<u8>,
    /// The key of the signature.
    pub key: Signer,
    /// The certificate for it.
    pub leaf: Leaf<'s>,
    /// Another certificate than the one that was issued.
    pub certificate: Option<Vec<u8>>,
    /// Certificates beside the leaf, where the form has a place for them.
    pub others: Vec<Vec<u8>>,
    /// What is signed: the artifact, the payload.
    pub content: Vec<u8>,
    /// Type of the payload.
    pub payload_type: String,
    /// What is signed instead of the right bytes.
    pub message: Option<Vec<u8>>,
    /// What stands there instead of a signature.
    pub signature: Option<Vec<u8>>,
    /// Changes of what is logged: not what is sent.
    pub uploads: Vec<fn(&mut Upload, &Self)>,
    /// Changes of the body before the log takes it in.
    pub bodies: Vec<fn(String) -> String>,
    /// The log, the kind and the time of the entry; the shape's.
    pub entry: Option<EntryForge<'s>>,
    /// Changes of the entry afterwards.
    pub entries: Vec<fn(&mut Entry, &Self)>,
    /// An entry more, of somebody else's signature.
    pub unrelated_entry: bool,
    /// The timestamps: what they are over is overridden in them.
    pub tokens: Vec<Stamp<'s>>,
    /// When the log and the timestamp authority see it.
    pub signed_at: [UnixTime; 2],
    /// Changes of what is sent afterwards, for bundles; of layers those of the bundle that it would have been.
    pub after: Vec<fn(&mut Sending<'_>)>,
    /// Changes of the JSON of a bundle afterwards.
    pub json: Vec<fn(&mut Value)>,
    /// Changes of the annotations afterwards.
    pub annotations: Vec<fn(&mut Annotations)>,
    /// Changes of what is believed.
    pub root: Value,
    /// When it is judged.
    pub now: UnixTime,
}

/// Which log takes it in.
#[derive(Debug, Clone, Copy)]
pub struct EntryForge<'s> {
    /// The log.
    pub log: &'s Rekor,
    /// The kind.
    pub kind: EntryKind,
}

/// What is about to be sent, for a change.
#[derive(Debug)]
pub struct Sending<'p> {
    /// The payload or artifact.
    pub content: &'p mut Vec<u8>,
    /// Its type.
    pub payload_type: &'p mut String,
    /// The signature.
    pub signature: &'p mut Vec<u8>,
    /// The certificate.
    pub certificate: &'p mut Vec<u8>,
}

impl<'s> KeylessForge<'s> {
    /// Says honestly, as `shape`, that somebody signed the image called `name`.
    #[must_use]
    pub fn new(sigstore: &'s Sigstore, stranger: &'s Sigstore, shape: Shape, name: &str) -> Self {
        let identity = Identity::default();
        let key = sigstore.new_key();
        let signed = instant(SIGNED);
        let from = UnixTime(signed.0 - 5);
        let random = &mut *sigstore.random.borrow_mut();
        let mut leaf = sigstore.fulcio.leaf(&identity, &key, &sigstore.ct, from, random);
        let root = if shape.shown == Shown::Nothing {
            leaf.scts.clear();
            sigstore.trusted_root_without_logs()
        } else {
            sigstore.trusted_root()
        };
        let content = about(shape.form, name);
        let token: Stamp<'s> = |forge, signature| forge.token(signature).response();
        // Up to v0.2 and in the legacy annotation, clients send what Fulcio gave them; bundles leave the root out.
        let issuing = sigstore.fulcio.certificates()[0].to_vec();
        let others = match shape.form {
            Form::Signature | Form::Attestation => {
                vec![issuing, sigstore.fulcio.certificates()[1].to_vec()]
            }
            Form::Message(_) | Form::Envelope(_) => vec![issuing],
        };
        Self {
            sigstore,
            stranger,
            shape,
            identity,
            artifact: artifact(shape.form, name),
            key,
            leaf,
            certificate: None,
            others,
            content,
            payload_type: "application/vnd.in-toto+json".into(),
            message: None,
            signature: None,
            uploads: Vec::new(),
            bodies: Vec::new(),
            entry: shape.kind.map(|kind| EntryForge { log: sigstore.rekor(kind.generation()), kind }),
            entries: Vec::new(),
            unrelated_entry: false,
            tokens: if shape.has_timestamp() { vec![token] } else { Vec::new() },
            signed_at: [signed; 2],
            after: Vec::new(),
            json: Vec::new(),
            annotations: Vec::new(),
            root,
            now: instant("2026-12-01T00:00:00Z"),
        }
    }

    /// Changes something.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// An honest token over a signature.
    #[must_use]
    pub fn token(&self, signature: &[u8]) -> Token<'s> {
        self.sigstore.tsa.token(signature, self.signed_at[1])
    }

    /// What the signature is over.
    #[must_use]
    pub fn message_bytes(&self) -> Vec<u8> {
        match &self.message {
            Some(message) => message.clone(),
            None if self.shape.form.is_envelope() => pae(&self.payload_type, &self.content),
            None => self.content.clone(),
        }
    }

    /// Logs an upload as this forge's entry is logged.
    #[must_use]
    pub fn log(&self, entry: EntryForge<'s>, upload: &Upload) -> Entry {
        let body = self.bodies.iter().fold(upload.body(entry.kind), |body, change| change(body));
        entry.log.take(entry.kind, body, self.signed_at[0])
    }

    /// Signs, logs, stamps and writes.
    #[must_use]
    pub fn mint(&self) -> Case {
        let message = self.message_bytes();
        let signature = self.signature.clone().unwrap_or_else(|| sign(&self.key, &message));
        let certificate = self.certificate.clone().unwrap_or_else(|| self.leaf.issue());
        let mut upload = Upload {
            content: self.content.clone(),
            payload_type: self.payload_type.clone(),
            message,
            signature: signature.clone(),
            certificate: certificate.clone(),
            key: self.key.kind(),
            sent: None,
        };
        for change in &self.uploads {
            change(&mut upload, self);
        }
        let mut entries = Vec::new();
        if let Some(forge) = self.entry {
            let mut entry = self.log(forge, &upload);
            if !self.shape.has_promise() {
                (entry.promise, entry.time) = (None, None);
            }
            if !self.shape.has_proof() {
                entry.proof = None;
            }
            for change in &self.entries {
                change(&mut entry, self);
            }
            if self.unrelated_entry {
                let other = Self::new(self.sigstore, self.stranger, self.shape, "other");
                let other = Upload {
                    signature: sign(&other.key, &other.message_bytes()),
                    content: other.content.clone(),
                    message: other.message_bytes(),
                    payload_type: other.payload_type.clone(),
                    certificate: other.leaf.issue(),
                    key: other.key.kind(),
                    sent: None,
                };
                entries.push(self.log(forge, &other));
            }
            entries.push(entry);
        }
        let tokens = self.tokens.iter().map(|token| token(self, &signature)).collect();
        let mut parts = Parts {
            content: self.content.clone(),
            payload_type: self.payload_type.clone(),
            signature,
            certificate,
            others: self.others.clone(),
            entries,
            tokens,
        };
        for change in &self.after {
            change(&mut Sending {
                content: &mut parts.content,
                payload_type: &mut parts.payload_type,
                signature: &mut parts.signature,
                certificate: &mut parts.certificate,
            });
        }
        Case {
            root: self.root.to_string(),
            identity: self.identity.clone(),
            artifact: self.artifact.clone(),
            sent: self.send(&parts),
            now: self.now,
        }
    }

    fn send(&self, parts: &Parts) -> Sent {
        let form = self.shape.form;
        if let Some(version) = form.version() {
            let mut bundle = parts.bundle(version, form);
            for change in &self.json {
                change(&mut bundle);
            }
            return Sent::Bundle(bundle.to_string().into_bytes());
        }
        let mut annotations = parts.annotations(form);
        for change in &self.annotations {
            change(&mut annotations);
        }
        if form == Form::Signature {
            Sent::Signature { payload: parts.content.clone(), annotations }
        } else {
            let mut envelope = parts.envelope(&[("sig", &parts.signature)]);
            envelope["signatures"][0]["keyid"] = "".into();
            Sent::Attestation { envelope: envelope.to_string().into_bytes(), annotations }
        }
    }
}

/// The artifact of this name: for what is about an image, the image's manifest.
pub(super) fn artifact(form: Form, name: &str) -> Vec<u8> {
    if matches!(form, Form::Message(_)) {
        return name.into();
    }
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let config = json!({
        "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(name).to_string(), "size": name.len()
    });
    json!({ "schemaVersion": 2, "mediaType": media_type, "config": config, "layers": [] })
        .to_string()
        .into_bytes()
}

/// What is signed, to say that this artifact is.
pub(super) fn about(form: Form, name: &str) -> Vec<u8> {
    let artifact = artifact(form, name);
    match form {
        Form::Message(_) => artifact,
        Form::Signature => payload(&Digest::of(&artifact)).into_bytes(),
        Form::Envelope(_) | Form::Attestation => statement(&Digest::of(&artifact)).into_bytes(),
    }
}

impl fmt::Debug for KeylessForge<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeylessForge").field("shape", &self.shape).field("identity", &self.identity).finish()
    }
}
