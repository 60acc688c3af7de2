//! `fuzz-world FOLDER`: what the fuzz targets start from, minted by the virtual Sigstore with keys that end with it.
//!
//! Writes `world.json`, which holds all that is honest and who is believed, and `seeds/TARGET/`, its pieces as inputs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pullward_tests::Error;
use pullward_tests::mint::{Authority, Rule, Signer, Trust, sign_trust, world};
use pullward_tests::sigstore::{Case, KeylessForge, Sent, Shape, Sigstore};
use serde_json::{Value, json};

const USAGE: u8 = 64;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder] = arguments.as_slice() else {
        return fail("usage: fuzz-world FOLDER", USAGE);
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
    let (sigstore, stranger) = (Sigstore::new("virtual"), Sigstore::new("stranger"));
    let seeds = Seeds { folder: folder.join("seeds") };
    let (mut bundles, mut strangers) = (Vec::new(), Vec::new());
    let mut example: Option<Case> = None;
    for shape in Shape::all().into_iter().filter(|shape| shape.form.version().is_some()) {
        let case = KeylessForge::new(&sigstore, &stranger, shape, "app").mint();
        let Some(bundle) = bundle_of(&case) else { continue };
        seeds.add("bundle", bundle.to_string().as_bytes())?;
        seeds.add_pieces(&bundle)?;
        let place = usize::from(shape.kind.is_none());
        bundles.push(json!({ "root": place, "bundle": bundle }));
        let theirs = KeylessForge::new(&stranger, &sigstore, shape, "app").mint();
        strangers.extend(bundle_of(&theirs));
        example.get_or_insert(case);
    }
    let roots = [
        sigstore.trusted_root().to_string(),
        sigstore.trusted_root_without_logs().to_string(),
        stranger.trusted_root().to_string(),
    ];
    for root in &roots {
        seeds.add("trusted-root", root.as_bytes())?;
    }
    let signer = world().p256(0);
    let (trust, payload) = trust(signer, &roots[0]);
    seeds.add("envelope", trust.as_bytes())?;
    let Some(case) = example else { return Ok(()) };
    let [root, without_logs, theirs] = roots;
    let document = json!({
        "signedAt": pullward_tests::mint::instant(pullward_tests::sigstore::SIGNED).0,
        "now": case.now.0,
        "issuer": case.identity.issuer,
        "subject": case.identity.subject,
        "artifact": String::from_utf8_lossy(&case.artifact),
        "root": root,
        "rootWithoutLogs": without_logs,
        "strangerRoot": theirs,
        "bundles": bundles,
        "strangers": strangers,
        "trust": trust,
        "payload": payload,
        "rootKey": signer.pem(),
    });
    put(&folder.join("world.json"), document.to_string().as_bytes())
}

fn bundle_of(case: &Case) -> Option<Value> {
    match &case.sent {
        Sent::Bundle(bundle) => serde_json::from_slice(bundle).ok(),
        Sent::Signature { .. } | Sent::Attestation { .. } => None,
    }
}

/// A trust bundle with keys, identities and a trusted root.
fn trust(signer: &Signer, root: &str) -> (String, String) {
    let authorities = vec![
        Authority::of("team", &[signer, world().p256(1)]),
        Authority::identified("people", 0, &[("https://accounts.example", "somebody@example.com")]),
    ];
    let rules = vec![Rule::enforce("app", &["team", "people"], 1)];
    let payload = Trust::new(authorities, rules).with_roots(&[root.as_bytes()]).payload();
    (sign_trust(&payload, &[signer]), payload)
}

/// Inputs to start from.
struct Seeds {
    folder: PathBuf,
}

impl Seeds {
    /// The pieces of a bundle that have targets of their own.
    fn add_pieces(&self, bundle: &Value) -> Result<(), Error> {
        let material = &bundle["verificationMaterial"];
        let bytes = |value: &Value| value.as_str().and_then(|text| STANDARD.decode(text).ok());
        let chain = &material["x509CertificateChain"]["certificates"];
        let leaf = bytes(&material["certificate"]["rawBytes"]).or_else(|| bytes(&chain[0]["rawBytes"]));
        if let Some(leaf) = leaf {
            let length = u16::try_from(leaf.len()).unwrap_or(u16::MAX).to_be_bytes();
            let other = bytes(&chain[1]["rawBytes"]).unwrap_or_default();
            self.add("certificate", &[&length[..], &leaf, &other].concat())?;
        }
        let entry = &material["tlogEntries"][0];
        if let Some(note) = entry["inclusionProof"]["checkpoint"]["envelope"].as_str() {
            self.add("checkpoint", note.as_bytes())?;
        }
        let tokens = &material["timestampVerificationData"]["rfc3161Timestamps"];
        match bytes(&tokens[0]["signedTimestamp"]) {
            Some(token) => self.add("timestamp", &token),
            None => Ok(()),
        }
    }

    fn add(&self, target: &str, input: &[u8]) -> Result<(), Error> {
        let folder = self.folder.join(target);
        std::fs::create_dir_all(&folder).map_err(|source| Error::Io { path: folder.clone(), source })?;
        put(&folder.join(pullward_core::oci::Digest::of(input).hex().as_str()), input)
    }
}

fn put(path: &Path, content: &[u8]) -> Result<(), Error> {
    std::fs::write(path, content).map_err(|source| Error::Io { path: path.to_path_buf(), source })
}
