//! The honest part of a registry: content on a shelf, and the answers that the distribution specification asks for.

use std::collections::BTreeMap;

use pullward_core::oci::{Digest, MEDIA_TYPE_INDEX, MEDIA_TYPE_MANIFEST};
use serde_json::{Value, json};

use super::{Reply, Request};

/// Content of one repository, `app`.
#[derive(Debug, Clone, Default)]
pub struct Shelf {
    blobs: BTreeMap<String, Vec<u8>>,
    manifests: BTreeMap<String, (String, Vec<u8>)>,
    referrers: BTreeMap<String, Vec<Value>>,
    /// Whether the referrers API is there.
    pub api: Api,
}

/// Whether a registry has the referrers API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Api {
    /// It has.
    #[default]
    Present,
    /// It answers 404, as distribution 2.8 does.
    Absent,
}

/// A descriptor of some content.
#[must_use]
pub fn descriptor(media_type: &str, content: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": Digest::of(content).to_string(), "size": content.len()})
}

/// An image manifest with these layers, and with more fields.
#[must_use]
pub fn manifest(layers: &[Value], more: Value) -> Vec<u8> {
    let mut document = json!({
        "schemaVersion": 2,
        "mediaType": MEDIA_TYPE_MANIFEST,
        "config": descriptor("application/vnd.oci.empty.v1+json", b"{}"),
        "layers": layers,
    });
    if let (Some(fields), Value::Object(more)) = (document.as_object_mut(), more) {
        fields.extend(more);
    }
    document.to_string().into_bytes()
}

impl Shelf {
    /// A shelf with one image behind the tag `v1`, and the image's digest.
    #[must_use]
    pub fn with_image() -> (Self, Digest) {
        let mut shelf = Self::default();
        let image = manifest(&[descriptor("application/vnd.oci.image.layer.v1.tar", b"layer")], json!({}));
        let digest = shelf.put("v1", MEDIA_TYPE_MANIFEST, image);
        (shelf, digest)
    }

    /// Puts a manifest behind a tag, and behind its digest.
    pub fn put(&mut self, tag: &str, media_type: &str, content: Vec<u8>) -> Digest {
        let digest = Digest::of(&content);
        self.manifests.insert(digest.to_string(), (media_type.to_owned(), content.clone()));
        self.manifests.insert(tag.to_owned(), (media_type.to_owned(), content));
        digest
    }

    /// Puts a blob.
    pub fn blob(&mut self, content: &[u8]) -> Digest {
        let digest = Digest::of(content);
        self.blobs.insert(digest.to_string(), content.to_vec());
        digest
    }

    /// Attaches a bundle as cosign 3 does: a referrer whose list entry has the wrong artifact type. Gives back the
    /// digest of the referrer.
    pub fn bundle(&mut self, subject: &Digest, content: &[u8]) -> Digest {
        const TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
        self.blob(content);
        let subject_entry =
            json!({"mediaType": MEDIA_TYPE_MANIFEST, "digest": subject.to_string(), "size": 1});
        let more = json!({
            "artifactType": TYPE,
            "subject": subject_entry,
            "annotations": {"dev.sigstore.bundle.content": "dsse-envelope"},
        });
        self.attach(subject, manifest(&[descriptor(TYPE, content)], more))
    }

    /// Lists any manifest as a referrer of a subject.
    pub fn attach(&mut self, subject: &Digest, content: Vec<u8>) -> Digest {
        let mut entry = descriptor(MEDIA_TYPE_MANIFEST, &content);
        if let Some(fields) = entry.as_object_mut() {
            fields.insert("artifactType".to_owned(), json!("application/vnd.oci.empty.v1+json"));
        }
        let digest = self.put(&Digest::of(&content).to_string(), MEDIA_TYPE_MANIFEST, content);
        self.list(subject, entry);
        digest
    }

    /// Adds any entry to the list of referrers of a subject.
    pub fn list(&mut self, subject: &Digest, entry: Value) {
        self.referrers.entry(subject.to_string()).or_default().push(entry);
    }

    /// Puts a legacy signature behind its tag, as cosign 2 does.
    pub fn legacy_signature(&mut self, subject: &Digest, payload: &[u8], signature: &str) -> Digest {
        self.blob(payload);
        let mut layer = descriptor("application/vnd.dev.cosign.simplesigning.v1+json", payload);
        if let Some(fields) = layer.as_object_mut() {
            fields.insert("annotations".to_owned(), json!({"dev.cosignproject.cosign/signature": signature}));
        }
        let tag = format!("sha256-{}.sig", subject.hex());
        self.put(&tag, MEDIA_TYPE_MANIFEST, manifest(&[layer], json!({})))
    }

    /// Puts a legacy attestation behind its tag, as cosign 2 does.
    pub fn legacy_attestation(&mut self, subject: &Digest, envelope: &[u8]) -> Digest {
        self.blob(envelope);
        let layer = descriptor("application/vnd.dsse.envelope.v1+json", envelope);
        let tag = format!("sha256-{}.att", subject.hex());
        self.put(&tag, MEDIA_TYPE_MANIFEST, manifest(&[layer], json!({})))
    }

    /// The list of referrers of a subject, as an index.
    #[must_use]
    pub fn referrers(&self, subject: &str) -> Vec<u8> {
        let entries = self.referrers.get(subject).cloned().unwrap_or_default();
        json!({"schemaVersion": 2, "mediaType": MEDIA_TYPE_INDEX, "manifests": entries})
            .to_string()
            .into_bytes()
    }

    /// The answer of an honest registry.
    #[must_use]
    pub fn answer(&self, request: &Request) -> Reply {
        let path = request.path.split('?').next().unwrap_or_default();
        let Some((kind, name)) = path.strip_prefix("/v2/app/").and_then(|rest| rest.split_once('/')) else {
            return Reply::status(404);
        };
        match kind {
            "manifests" => match self.manifests.get(name) {
                Some((media_type, content)) => Reply::ok(media_type, content.clone())
                    .with("docker-content-digest", &Digest::of(content).to_string()),
                None => match name.strip_prefix("sha256-").filter(|_| self.api == Api::Absent) {
                    // Without the API, clients keep the list behind the fallback tag.
                    Some(hex) if self.referrers.contains_key(&format!("sha256:{hex}")) => {
                        Reply::ok(MEDIA_TYPE_INDEX, self.referrers(&format!("sha256:{hex}")))
                    }
                    _ => Reply::status(404),
                },
            },
            "blobs" => match self.blobs.get(name) {
                Some(content) => Reply::ok("application/octet-stream", content.clone()),
                None => Reply::status(404),
            },
            "referrers" if self.api == Api::Present => Reply::ok(MEDIA_TYPE_INDEX, self.referrers(name)),
            "tags" => {
                let tags: Vec<_> = self.manifests.keys().filter(|name| !name.contains(':')).collect();
                Reply::ok("application/json", json!({"name": "app", "tags": tags}).to_string())
            }
            _ => Reply::status(404),
        }
    }
}
