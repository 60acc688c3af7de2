//! `pullward verify` as people use it: its exit codes and the verdicts it prints, on small layouts that are signed here.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use base64ct::{Base64, Encoding as _};
use clap::Parser;
use pullward::cli::replay::{self, Replay};
use pullward::cli::tree::{self, Tree};
use pullward::cli::verify::{self, Verify};
use pullward::policy::{Policy, Source};
use pullward::trust::envelope::Envelope;
use pullward::trust::root_key::{RootKey, RootKeyType};
use pullward::trust::time::Time;
use pullward_core::oci::{Digest, MEDIA_TYPE_MANIFEST, MEDIA_TYPE_SIMPLE_SIGNING};
use serde_json::{Value, json};
use tempfile::TempDir;

const NAME: &str = "registry.example/team/app:v1";

#[derive(Parser)]
enum Cli {
    Verify(Verify),
    Tree(Tree),
    Replay(Replay),
}

/// What a command said and did.
struct Done {
    code: u8,
    out: String,
    err: String,
}

impl Done {
    /// The one verdict that was printed as JSON.
    fn verdict(&self) -> Value {
        assert_eq!(self.out.lines().count(), 1, "{}{}", self.out, self.err);
        serde_json::from_str(&self.out).unwrap()
    }

    fn is(&self, code: u8, decision: &str, reason: &str) -> Value {
        let verdict = self.verdict();
        assert_eq!(
            (self.code, &verdict["decision"], &verdict["reason"]),
            (code, &decision.into(), &reason.into()),
            "{verdict}\n{}",
            self.err
        );
        verdict
    }

    /// Wrong use: said on standard error, and no verdict.
    fn is_usage(&self, words: &str) {
        assert_eq!((self.code, self.out.as_str()), (64, ""), "{}", self.err);
        assert!(self.err.contains(words), "{}", self.err);
    }
}

/// A folder with a layout `store` that holds images, some signed by `signer`; `{}` in an argument stands for it.
struct Desk {
    folder: TempDir,
    signer: RootKey,
    entries: Vec<Value>,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let signer = RootKey::generate(RootKeyType::P256).unwrap();
        fs::create_dir_all(folder.path().join("store/blobs/sha256")).unwrap();
        fs::write(folder.path().join("store/oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        fs::write(folder.path().join("signer.pub"), signer.public_pem().unwrap()).unwrap();
        Self { folder, signer, entries: Vec::new() }
    }

    /// A desk with one signed image, and its digest.
    fn with_signed() -> (Self, Digest) {
        let mut desk = Self::new();
        let image = desk.image("one", &json!({"io.containerd.image.name": NAME}));
        desk.sign(&image);
        (desk, image)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn blob(&self, content: &[u8]) -> Digest {
        let digest = Digest::of(content);
        fs::write(self.path("store/blobs/sha256").join(digest.hex().as_str()), content).unwrap();
        digest
    }

    fn list(&mut self, manifest: &Value, annotations: &Value) -> Digest {
        let content = manifest.to_string().into_bytes();
        let digest = self.blob(&content);
        self.entries.push(json!({
            "mediaType": MEDIA_TYPE_MANIFEST, "digest": digest.to_string(), "size": content.len(),
            "annotations": annotations
        }));
        let index = json!({"schemaVersion": 2, "manifests": self.entries});
        fs::write(self.path("store/index.json"), index.to_string()).unwrap();
        digest
    }

    fn image(&mut self, what: &str, annotations: &Value) -> Digest {
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MEDIA_TYPE_MANIFEST, "layers": [], "annotations": {"what": what}
        });
        self.list(&manifest, annotations)
    }

    fn sign(&mut self, image: &Digest) {
        let payload = json!({"critical": {
            "identity": {"docker-reference": ""},
            "image": {"docker-manifest-digest": image.to_string()},
            "type": "cosign container image signature"
        }, "optional": null})
        .to_string();
        let digest = self.blob(payload.as_bytes());
        let signature = Base64::encode_string(&self.signer.sign(payload.as_bytes()));
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MEDIA_TYPE_MANIFEST, "layers": [{
                "mediaType": MEDIA_TYPE_SIMPLE_SIGNING, "digest": digest.to_string(), "size": payload.len(),
                "annotations": {"dev.cosignproject.cosign/signature": signature}
            }]
        });
        let tag = format!("sha256-{}.sig", image.hex());
        self.list(&manifest, &json!({"org.opencontainers.image.ref.name": tag}));
    }

    /// A bundle that asks for the signer, signed by the signer as its own root.
    fn bundle(&self, version: u64, issued: &str, expires: &str) -> Vec<u8> {
        let text = "schema = 1\n[[authority]]\nname = \"a\"\nkey = \"signer.pub\"\n\
                    [[rule]]\nname = \"all\"\nmatch = [\"**\"]\nsigned_by = [\"a\"]\n";
        let source = Source::new(self.path("policy.toml"), text.to_owned());
        let time = |text| Time::parse(text).unwrap();
        let payload =
            Policy::from_source(&source).unwrap().into_payload(version, time(issued), time(expires));
        let mut envelope = Envelope::unsigned(payload.to_bytes().unwrap());
        envelope.sign(&self.signer).unwrap();
        envelope.to_bytes().unwrap()
    }

    /// Writes a node's configuration: offline, the layout as its store.
    fn configure(&self) {
        let text = format!(
            "[agent]\nstate_dir = {:?}\n[trust]\nbundle = {:?}\nroots = [{:?}]\n\
             [registry]\noffline = true\n[store]\ndir = {:?}\n",
            self.path("state"),
            self.path("trust.json"),
            self.path("signer.pub"),
            self.path("store")
        );
        fs::write(self.path("config.toml"), text).unwrap();
        fs::set_permissions(self.path("config.toml"), fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn run(&self, line: &str) -> Done {
        let folder = self.folder.path().to_str().unwrap();
        let arguments = line.split(' ').map(|word| word.replace("{}", folder));
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let command = Cli::try_parse_from(["pullward".to_owned()].into_iter().chain(arguments)).unwrap();
        let code = match command {
            Cli::Verify(arguments) => verify::run(&arguments, &mut out, &mut err),
            Cli::Tree(arguments) => tree::run(&arguments, &mut out, &mut err),
            Cli::Replay(arguments) => replay::run(&arguments, &mut out, &mut err),
        };
        Done {
            code: code.unwrap(),
            out: String::from_utf8(out).unwrap(),
            err: String::from_utf8(err).unwrap(),
        }
    }

    /// `verify -o json` with the signer's key, by the store alone.
    fn with_key(&self, rest: &str) -> Done {
        self.run(&format!("verify -o json --key {{}}/signer.pub --offline --store {{}}/store {rest}"))
    }
}

#[test]
fn signed_is_0_unsigned_is_1_and_unknown_is_2() {
    let (mut desk, image) = Desk::with_signed();
    let unsigned = desk.image("two", &json!({"io.containerd.image.name": "registry.example/team/b:v1"}));
    assert_eq!(desk.with_key(NAME).is(0, "allow", "signed")["digest"], image.to_string());
    let verdict = desk.with_key("registry.example/team/b:v1").is(1, "deny", "unsigned");
    assert_eq!(verdict["digest"], unsigned.to_string());
    desk.with_key("registry.example/team/c:v1").is(2, "deny", "tag-not-resolved");
    desk.with_key("Registry/UPPER").is(2, "deny", "reference-invalid");
}

#[test]
fn a_digest_beside_a_tag_must_be_what_the_tag_names() {
    let (mut desk, image) = Desk::with_signed();
    let other = desk.image("two", &json!({"io.containerd.image.name": "registry.example/team/b:v1"}));
    desk.sign(&other);
    desk.with_key(&format!("--digest {image} {NAME}")).is(0, "allow", "signed");
    // The other one is signed too: what is wrong is the claim.
    let verdict = desk.with_key(&format!("--digest {other} {NAME}")).is(2, "deny", "digest-conflict");
    assert!(verdict["message"].as_str().unwrap().contains(&image.to_string()), "{verdict}");
    // Of a tag that nobody knows the digest alone says what is meant.
    let elsewhere = format!("--digest {image} registry.example/team/c:v1");
    desk.with_key(&elsewhere).is(0, "allow", "signed");
    desk.with_key(&format!("--digest sha256:12 {NAME}")).is(2, "deny", "digest-invalid");
    // A name with its digest needs no tag to be found, and contradicts another digest by itself.
    desk.with_key(&format!("--digest {image} registry.example/team/c@{image}")).is(0, "allow", "signed");
    let conflict = format!("--digest {other} registry.example/team/app@{image}");
    desk.with_key(&conflict).is(2, "deny", "digest-conflict");
}

#[test]
fn a_layout_with_several_images_or_none_leaves_the_name_unresolved() {
    let (mut desk, _) = Desk::with_signed();
    desk.image("two", &json!({"io.containerd.image.name": "registry.example/team/b:v1"}));
    let verdict = desk.with_key("oci:{}/store").is(2, "deny", "tag-not-resolved");
    assert!(verdict["message"].as_str().unwrap().contains("oci:"), "{verdict}");
    fs::create_dir(desk.path("empty")).unwrap();
    desk.with_key("oci:{}/empty").is(2, "deny", "tag-not-resolved");
}

#[test]
fn what_cannot_be_believed_denies_each_image_with_a_verdict() {
    let (desk, image) = Desk::with_signed();
    fs::write(desk.path("odd.pub"), "odd").unwrap();
    fs::write(desk.path("odd.json"), "odd").unwrap();
    for (reason, trust) in [
        ("trust-missing", "--key {}/none.pub"),
        ("trust-invalid", "--key {}/odd.pub"),
        ("trust-missing", "--trust {}/none.json --root {}/signer.pub"),
        ("trust-invalid", "--trust {}/odd.json --root {}/signer.pub"),
        ("trust-invalid", "--trust {}/odd.json --root {}/odd.pub"),
    ] {
        let done = desk.run(&format!("verify -o json {trust} --offline --digest {image} {NAME}"));
        let verdict = done.is(2, "deny", reason);
        assert_eq!((&verdict["reference"], &verdict["trust"]), (&NAME.into(), &Value::Null));
        assert_eq!(verdict["digest"], image.to_string());
        assert!(!done.err.is_empty(), "{trust}");
        let done = desk.run(&format!("verify -o json {trust} --offline {NAME} oci:{{}}/store"));
        assert_eq!((done.code, done.out.lines().count()), (2, 2), "{}", done.out);
        let done = desk.run(&format!("verify {trust} --offline {NAME}"));
        assert!(done.out.starts_with(&format!("denied: {NAME}\n")), "{}", done.out);
        desk.run(&format!("tree -o json {trust} --offline {NAME}")).is(2, "deny", reason);
    }
    let done = desk.run(&format!("verify -o json --config {{}}/config.toml {NAME}"));
    done.is(2, "deny", "trust-missing");
    desk.configure();
    desk.run(&format!("verify -o json --config {{}}/config.toml {NAME}")).is(2, "deny", "trust-missing");
    fs::write(desk.path("trust.json"), "odd").unwrap();
    desk.run(&format!("verify -o json --config {{}}/config.toml {NAME}")).is(2, "deny", "trust-invalid");
}

#[test]
fn a_record_that_cannot_be_written_denies_and_one_that_can_replays() {
    let (desk, _) = Desk::with_signed();
    let done = desk.with_key(&format!("--record {{}}/none/record.json {NAME}"));
    let verdict = done.is(2, "deny", "internal-error");
    assert!(verdict["message"].as_str().unwrap().contains("none/record.json"), "{verdict}");
    desk.with_key(&format!("--record {{}}/record.json {NAME}")).is(0, "allow", "signed");
    desk.run("replay -o json {}/record.json").is(0, "allow", "signed");
    let record: Value = serde_json::from_slice(&fs::read(desk.path("record.json")).unwrap()).unwrap();
    let changed = |change: fn(&mut Value), words: &str| {
        let mut record = record.clone();
        change(&mut record);
        fs::write(desk.path("changed.json"), record.to_string()).unwrap();
        let done = desk.run("replay -o json {}/changed.json");
        assert_eq!((done.code, done.out.as_str()), (2, ""));
        assert!(done.err.contains(words), "{}", done.err);
    };
    changed(|record| record["limits"]["signature_operations"] = 7.into(), "recorded with other bounds");
    changed(|record| drop(record.as_object_mut().unwrap().remove("limits")), "missing field `limits`");
    changed(|record| record["limits"]["odd"] = 7.into(), "unknown field `odd`");
    changed(
        |record| record["trust"] = json!({"bundle": {"file": "", "roots": [], "threshold": 1, "odd": 1}}),
        "unknown field `odd`",
    );
}

#[test]
fn root_keys_and_their_threshold_are_asked_for_as_by_trust_inspect() {
    let (desk, _) = Desk::with_signed();
    fs::write(desk.path("t.json"), desk.bundle(1, "2026-01-01T00:00:00Z", "2999-01-01T00:00:00Z")).unwrap();
    let other = RootKey::generate(RootKeyType::Ed25519).unwrap();
    fs::write(desk.path("other.pub"), other.public_pem().unwrap()).unwrap();
    let verify = |roots: &str| {
        desk.run(&format!("verify -o json --trust {{}}/t.json {roots} --offline --store {{}}/store {NAME}"))
    };
    verify("--root {}/signer.pub").is(0, "allow", "signed");
    verify("--root {}/signer.pub --root {}/other.pub --threshold 1").is(0, "allow", "signed");
    verify("--root {}/signer.pub --root {}/other.pub --threshold 2").is(2, "deny", "trust-invalid");
    verify("--root {}/signer.pub --threshold 0").is_usage("the threshold is 0 of 1 root keys");
    verify("--root {}/signer.pub --threshold 2").is_usage("the threshold is 2 of 1 root keys");
    verify("--root {}/signer.pub --root {}/other.pub").is_usage("no threshold is set");
    verify("--root {}/signer.pub --root {}/signer.pub --threshold 2").is_usage("are the same key");
}

#[test]
fn wrong_use_prints_no_verdict() {
    let (desk, _) = Desk::with_signed();
    desk.with_key(&format!("--as {NAME} {NAME}")).is_usage("has its own name");
    desk.with_key(&format!("--digest sha256:1 {NAME} {NAME}")).is_usage("go with one image");
}

/// T-104: the node has had a bundle of 2030, so it is not 2026 any more, whatever its clock says.
#[test]
fn a_clock_behind_what_the_node_has_seen_does_not_revive_an_expired_bundle() {
    let (desk, _) = Desk::with_signed();
    desk.configure();
    fs::write(desk.path("trust.json"), desk.bundle(3, "2026-01-01T00:00:00Z", "2400-01-01T00:00:00Z"))
        .unwrap();
    let verify = || desk.run(&format!("verify -o json --config {{}}/config.toml {NAME}"));
    verify().is(0, "allow", "signed");
    fs::create_dir_all(desk.path("state/trust")).unwrap();
    let floor = json!({
        "schema": 1, "audience": "default", "version": 2,
        "digest": Digest::of(b"an earlier bundle").to_string(), "issued": "2500-01-01T00:00:00Z"
    });
    fs::write(desk.path("state/trust/default.floor"), floor.to_string()).unwrap();
    let verdict = verify().is(1, "deny", "trust-expired");
    assert_eq!(verdict["time"], "2500-01-01T00:00:00Z");
}
