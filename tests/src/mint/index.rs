//! An image index with statements of its build in it, as `BuildKit` writes them: honest, or wrong in one step.

use pullward_core::buildkit::Chain;
use pullward_core::oci::Digest;
use serde_json::{Value, json};

use super::{attestation, digest};

/// An index with one platform's manifest and the statements about it.
#[derive(Debug, Clone)]
pub struct Index {
    /// The index as JSON.
    pub index: Value,
    /// The attestation manifest as JSON.
    pub manifest: Value,
    /// The statement.
    pub statement: String,
}

/// The three blobs, owned.
#[derive(Debug, Clone)]
pub struct MintedChain {
    index: Vec<u8>,
    manifest: Vec<u8>,
    statement: Vec<u8>,
}

impl Index {
    /// An index for linux/amd64 whose attestation manifest holds one statement of this type about the platform's
    /// manifest, and a second platform beside it.
    #[must_use]
    pub fn new(predicate_type: &str, predicate: &str) -> Self {
        let platform = digest("manifest of linux/amd64");
        Self::about(&platform, attestation(&platform, predicate_type, predicate))
    }

    /// The same with another statement.
    #[must_use]
    pub fn about(platform: &Digest, statement: String) -> Self {
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest("c").to_string(), "size": 1},
            "layers": [{
                "mediaType": "application/vnd.in-toto+json",
                "digest": Digest::of(statement.as_bytes()).to_string(),
                "size": statement.len(),
                "annotations": {"in-toto.io/predicate-type": "whatever it says"},
            }],
        });
        let image = |digest: &Digest, architecture: &str| {
            json!({
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": digest.to_string(), "size": 1,
                "platform": {"os": "linux", "architecture": architecture},
            })
        };
        let mut index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [image(platform, "amd64"), image(&digest("manifest of linux/arm64"), "arm64")],
        });
        let listed = json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": Digest::of(manifest.to_string().as_bytes()).to_string(), "size": 1,
            "annotations": {
                "vnd.docker.reference.digest": platform.to_string(),
                "vnd.docker.reference.type": "attestation-manifest",
            },
            "platform": {"os": "unknown", "architecture": "unknown"},
        });
        if let Some(manifests) = index["manifests"].as_array_mut() {
            manifests.push(listed);
        }
        Self { index, manifest, statement }
    }

    /// Changes something.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// The blobs as they are now; nothing is hashed anew.
    #[must_use]
    pub fn mint(&self) -> MintedChain {
        MintedChain {
            index: self.index.to_string().into_bytes(),
            manifest: self.manifest.to_string().into_bytes(),
            statement: self.statement.clone().into_bytes(),
        }
    }
}

impl MintedChain {
    /// The index's digest: the image's.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.index)
    }

    /// The statement's digest.
    #[must_use]
    pub fn source(&self) -> Digest {
        Digest::of(&self.statement)
    }

    /// As the core takes it.
    #[must_use]
    pub fn chain(&self) -> Chain<'_> {
        Chain { index: &self.index, manifest: &self.manifest, statement: &self.statement }
    }
}
