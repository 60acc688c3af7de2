//! A case on disk: an OCI image layout with the image and its signature, as `oras copy -r --to-oci-layout` leaves it, and
//! with cosign 2's tags as a copy of them leaves them.

use std::path::{Path, PathBuf};

use pullward_core::oci::Digest;
use serde_json::{Value, json};

use super::{Annotations, Case, Sent};
use crate::Error;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const ENVELOPE: &str = "application/vnd.dsse.envelope.v1+json";

/// Writes cases about one image into a layout, which is made; gives the image's digest.
///
/// # Errors
/// [`Error::Io`] when it cannot be written.
pub fn write_layout(folder: &Path, cases: &[&Case]) -> Result<Digest, Error> {
    let layout = Layout { folder };
    let blobs = folder.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).map_err(Error::io(&blobs))?;
    let artifact = &cases[0].artifact;
    let digest = Digest::of(artifact);
    let image = layout.put(artifact, MANIFEST)?;
    let empty = layout.put(b"{}", "application/vnd.oci.empty.v1+json")?;
    let mut listed = vec![image.clone()];
    for case in cases {
        let annotated = |content: &[u8], media_type: &str, annotations: &Annotations| {
            let mut layer = layout.put(content, media_type)?;
            layer["annotations"] = json!(annotations);
            Ok(layer)
        };
        let (layer, tag) = match &case.sent {
            Sent::Bundle(bundle) => (layout.put(bundle, BUNDLE)?, None),
            Sent::Signature { payload, annotations } => {
                (annotated(payload, SIMPLE_SIGNING, annotations)?, Some("sig"))
            }
            Sent::Attestation { envelope, annotations } => {
                (annotated(envelope, ENVELOPE, annotations)?, Some("att"))
            }
        };
        let mut signature =
            json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": empty, "layers": [layer] });
        if tag.is_none() {
            signature["artifactType"] = BUNDLE.into();
            signature["subject"] = image.clone();
        }
        let mut signature = layout.put(signature.to_string().as_bytes(), MANIFEST)?;
        if let Some(kind) = tag {
            let name = format!("sha256-{}.{kind}", digest.hex());
            signature["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
        }
        listed.push(signature);
    }
    let index = json!({ "schemaVersion": 2, "manifests": listed });
    layout.write("index.json", index.to_string().as_bytes())?;
    layout.write("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    Ok(digest)
}

struct Layout<'a> {
    folder: &'a Path,
}

impl Layout<'_> {
    fn put(&self, content: &[u8], media_type: &str) -> Result<Value, Error> {
        let digest = Digest::of(content);
        self.write(&format!("blobs/sha256/{}", digest.hex()), content)?;
        Ok(json!({ "mediaType": media_type, "digest": digest.to_string(), "size": content.len() }))
    }

    fn write(&self, name: &str, content: &[u8]) -> Result<(), Error> {
        let path: PathBuf = self.folder.join(name);
        std::fs::write(&path, content).map_err(Error::io(&path))
    }
}
