//! `demo-images FOLDER`: what the demo shows where there is neither cosign nor a registry.
//!
//! Writes `release.pub`; `evidence/`, an OCI image layout with one image signed by that key, one signed by another
//! key, one that carries the signature of other content, and one that nobody signed; and `images`, a line of name,
//! digest and size for each. The signatures come from the tests' own signing world, with keys made on the spot.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use pullward_core::oci::Digest;
use pullward_tests::Error;
use pullward_tests::mint::{Forge, Form, Minted, Signer, world};
use serde_json::{Value, json};

const USAGE: u8 = 64;
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder] = arguments.as_slice() else {
        return fail("usage: demo-images FOLDER", USAGE);
    };
    match write(Path::new(folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error.to_string(), 1),
    }
}

fn fail(message: &str, code: u8) -> ExitCode {
    use std::io::Write as _;
    drop(writeln!(std::io::stderr(), "{message}"));
    ExitCode::from(code)
}

fn write(folder: &Path) -> Result<(), Error> {
    let (release, stranger) = (world().p256(0), world().p256(1));
    let mut layout = Layout::default();
    let signed = layout.image("the first version");
    let foreign = layout.image("signed, but not by the release team");
    let changed = layout.image("something else");
    let unsigned = layout.image("not signed");
    layout.sign(release, &signed, &signed);
    layout.sign(stranger, &foreign, &foreign);
    layout.sign(release, &signed, &changed);

    let named = [("signed", signed), ("foreign", foreign), ("changed", changed), ("unsigned", unsigned)];
    let list: String =
        named.iter().map(|(name, image)| format!("{name} {} {}\n", image.digest, image.size)).collect();
    put(&folder.join("release.pub"), release.pem().as_bytes())?;
    put(&folder.join("images"), list.as_bytes())?;
    layout.write(&folder.join("evidence"))
}

/// A blob by its digest.
#[derive(Debug, Clone)]
struct Blob {
    digest: Digest,
    size: usize,
}

impl Blob {
    fn descriptor(&self, media_type: &str) -> Value {
        json!({ "mediaType": media_type, "digest": self.digest.to_string(), "size": self.size })
    }
}

/// A layout in the making, as `oras copy -r --to-oci-layout` writes it.
#[derive(Debug, Default)]
struct Layout {
    blobs: BTreeMap<String, Vec<u8>>,
    index: Vec<Value>,
}

impl Layout {
    fn blob(&mut self, content: Vec<u8>) -> Blob {
        let blob = Blob { digest: Digest::of(&content), size: content.len() };
        self.blobs.insert(blob.digest.hex().to_string(), content);
        blob
    }

    fn manifest(&mut self, manifest: &Value) -> Blob {
        let blob = self.blob(manifest.to_string().into_bytes());
        self.index.push(blob.descriptor(MANIFEST));
        blob
    }

    /// An image of one layer.
    fn image(&mut self, content: &str) -> Blob {
        let layer = self.blob(content.as_bytes().to_vec());
        let config = self.blob(b"{}".to_vec());
        self.manifest(&json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.descriptor(EMPTY),
            "layers": [layer.descriptor("application/octet-stream")],
        }))
    }

    /// Hangs `signer`'s signature of `what` beside `subject`.
    fn sign(&mut self, signer: &Signer, what: &Blob, subject: &Blob) {
        let Minted::Bundle(bundle) = Forge::new(Form::Bundle, signer, &what.digest).mint() else { return };
        let (config, layer) = (self.blob(b"{}".to_vec()), self.blob(bundle));
        self.manifest(&json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": BUNDLE,
            "config": config.descriptor(EMPTY),
            "layers": [layer.descriptor(BUNDLE)],
            "subject": subject.descriptor(MANIFEST),
        }));
    }

    fn write(&self, folder: &Path) -> Result<(), Error> {
        let blobs = folder.join("blobs/sha256");
        std::fs::create_dir_all(&blobs).map_err(|source| Error::Io { path: blobs.clone(), source })?;
        for (name, content) in &self.blobs {
            put(&blobs.join(name), content)?;
        }
        put(&folder.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        let index = json!({ "schemaVersion": 2, "manifests": self.index });
        put(&folder.join("index.json"), index.to_string().as_bytes())
    }
}

fn put(path: &Path, content: &[u8]) -> Result<(), Error> {
    std::fs::write(path, content).map_err(|source| Error::Io { path: path.to_path_buf(), source })
}
