//! `pullward verify` of a real image by an identity, with the network cable out: from a policy file and a trusted root to
//! a trust bundle, from an OCI layout to a verdict, from its record to the same verdict again.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a step that fails fails its test")]

use std::process::Command;

use pullward_core::oci::Digest;
use pullward_tests::{Corpora, Pullward, Workspace};
use serde_json::{Value, json};

const SUBJECT: &str = "https://github.com/kubewarden/*/.github/workflows/release.yml@refs/tags/*";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// A workspace with a trust bundle for the subject, and a layout with a real image's manifest and its signature.
struct Offline {
    workspace: Workspace,
    pullward: Pullward,
    reference: String,
}

impl Offline {
    fn at_hand(test: &str) -> Option<Self> {
        let corpora = Corpora::at_hand(test)?;
        let workspace = Workspace::new().unwrap();
        let pullward = Pullward::built().unwrap();
        let image = corpora.bytes("cosign-v3-capture/kubewarden/image-manifest.json");
        let bundle = corpora.bytes("cosign-v3-capture/kubewarden/bundle.json");
        workspace.write("trusted_root.json", corpora.bytes("trust/public-good/trusted_root.json")).unwrap();
        pullward.succeed(&workspace, &["trust", "keygen", "--out", "root", "--no-passphrase"]).unwrap();
        let reference = write_layout(&workspace, &image, &bundle);
        Some(Self { workspace, pullward, reference })
    }

    fn build(&self, name: &str, version: &str, policy: &str) {
        self.workspace.write("policy.toml", policy).unwrap();
        let arguments = [
            "trust",
            "build",
            "policy.toml",
            "--version",
            version,
            "--expires",
            "90d",
            "--key",
            "root.key",
            "-o",
            name,
        ];
        self.pullward.succeed(&self.workspace, &arguments).unwrap();
    }

    /// Verifies in a network namespace without any route, or anything that is up.
    fn verify(&self, trust: &str, more: &[&str]) -> (i32, Value) {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--net"]).arg(self.pullward.program());
        command.args(["verify", &self.reference, "--as", "ghcr.io/kubewarden/kubewarden-controller:v1.34.0"]);
        command.args(["--trust", trust, "--root", "root.pub", "-o", "json"]).args(more);
        let output = command.current_dir(self.workspace.path()).output().unwrap();
        let verdict = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("{error}: {}", String::from_utf8_lossy(&output.stderr));
        });
        (output.status.code().unwrap(), verdict)
    }
}

/// An OCI layout: the image, and a manifest that refers to it with the bundle as its layer.
fn write_layout(workspace: &Workspace, image: &[u8], bundle: &[u8]) -> String {
    let blobs = "layout/blobs/sha256";
    workspace.folder("layout").unwrap();
    workspace.folder("layout/blobs").unwrap();
    workspace.folder(blobs).unwrap();
    let put = |content: &[u8], media_type: &str| {
        let digest = Digest::of(content);
        workspace.write(format!("{blobs}/{}", digest.hex()), content).unwrap();
        json!({"mediaType": media_type, "digest": digest.to_string(), "size": content.len()})
    };
    let media_type =
        serde_json::from_slice::<Value>(image).unwrap()["mediaType"].as_str().unwrap().to_owned();
    let image = put(image, &media_type);
    let empty = put(b"{}", "application/vnd.oci.empty.v1+json");
    let bundle = put(bundle, BUNDLE);
    let referrer = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": BUNDLE,
        "config": empty,
        "layers": [bundle],
        "subject": image,
    });
    let referrer = put(referrer.to_string().as_bytes(), "application/vnd.oci.image.manifest.v1+json");
    let index = json!({"schemaVersion": 2, "manifests": [image, referrer]});
    workspace.write("layout/index.json", index.to_string()).unwrap();
    workspace.write("layout/oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    format!("oci:layout@{}", image["digest"].as_str().unwrap())
}

fn policy(subject: &str, more: &str) -> String {
    format!(
        "schema = 1\n[[authority]]\nname = \"kubewarden\"\n[authority.keyless]\ntrusted_root = \"trusted_root.json\"\n\
         [[authority.keyless.identity]]\nissuer = \"https://token.actions.githubusercontent.com\"\nsubject = \"{subject}\"\n\
         [[rule]]\nname = \"kubewarden\"\nmatch = [\"ghcr.io/kubewarden/**\"]\nsigned_by = [\"kubewarden\"]\n{more}"
    )
}

#[test]
fn an_image_by_an_identity_is_verified_without_a_network() {
    let Some(offline) = Offline::at_hand("keyless::verify") else { return };
    offline.build("trust.json", "1", &policy(SUBJECT, ""));
    let (code, verdict) = offline.verify("trust.json", &["--record", "record.json"]);
    assert_eq!((code, verdict["decision"].as_str()), (0, Some("allow")), "{verdict:#}");
    let row = &verdict["evidence"][0];
    assert_eq!(row["outcome"], "accepted");
    assert_eq!(row["authority"], "kubewarden");
    assert_eq!(row["time"], "2026-04-09T07:23:29Z");
    assert_eq!(
        row["identity"],
        "https://token.actions.githubusercontent.com \
         https://github.com/kubewarden/kubewarden-controller/.github/workflows/release.yml@refs/tags/v1.34.0"
    );
    offline.pullward.succeed(&offline.workspace, &["replay", "record.json"]).unwrap();
}

#[test]
fn what_the_policy_does_not_name_is_refused_with_its_reason() {
    let Some(offline) = Offline::at_hand("keyless::refused") else { return };
    let revoked = "[[revoke]]\nidentity = { issuer = \"https://token.actions.githubusercontent.com\", \
                   subject = \"https://github.com/kubewarden/**\" }\nfrom = 2026-04-01T00:00:00Z\n";
    for (version, subject, more, reason) in [
        ("2", "https://github.com/acme/**", "", "identity-mismatch"),
        ("3", SUBJECT, revoked, "identity-revoked"),
    ] {
        offline.build("other.json", version, &policy(subject, more));
        let (code, verdict) = offline.verify("other.json", &[]);
        assert_eq!((code, verdict["reason"].as_str()), (1, Some(reason)), "{verdict:#}");
        assert_eq!(verdict["evidence"][0]["outcome"], "rejected");
        std::fs::remove_file(offline.workspace.join("other.json")).unwrap();
    }
}
