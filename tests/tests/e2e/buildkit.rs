//! What buildx puts into an image's index: covered by a signature over the index, and by nothing else.
//!
//! There is no Docker here, so that the index is written by this test, as BuildKit stores it
//! (`docs/attestations/attestation-storage.md` of moby/buildkit). It is pushed by oras, signed by cosign and pulled by
//! containerd.

use std::path::PathBuf;

use pullward_tests::{Cosign, CosignVersion, Error, Image, KeyPair, Node, Oras, Registry, ran};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::stage::{Ground, Outcome, digest_of, reason, refused};
use crate::supply::{BUILDER, SLSA_02, SOURCE, buildkit_02, spdx};

const IMAGE_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const IMAGE_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const IMAGE_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const REFERENCE_DIGEST: &str = "vnd.docker.reference.digest";

/// One platform of a build, and what the build says of it.
struct Platform {
    architecture: &'static str,
    /// Digest of its manifest.
    manifest: String,
    /// Statements about it; none leaves the attestation manifest out.
    statements: Vec<Value>,
    /// What the index says that they are about.
    refers_to: String,
    /// Whether the index lists the attestation manifest.
    listed: bool,
}

/// An index of two platforms, as `docker buildx build --provenance=mode=max --sbom=true --push` makes one.
struct Build<'a> {
    ground: &'a Ground,
    registry: &'a Registry,
    name: String,
    layout: PathBuf,
    platforms: Vec<Platform>,
}

impl<'a> Build<'a> {
    fn new(ground: &'a Ground, registry: &'a Registry, name: &str) -> Result<Self, Error> {
        let layout = ground.workspace.join(format!("build-{name}"));
        let oras = Oras::new(&ground.peers, &ground.workspace);
        let mut platforms = Vec::new();
        for architecture in ["amd64", "arm64"] {
            let reference = registry.reference(&format!("build/{name}:{architecture}"));
            let platform = format!("linux/{architecture}");
            let pinned = ground.crane().push_for(&reference, &Image::named(name), &platform)?;
            oras.copy_to_layout(&pinned, &layout, architecture)?;
            let manifest = digest_of(&pinned).to_owned();
            let statements = [
                statement(SLSA_02, &manifest, buildkit_02(SOURCE, BUILDER)),
                statement("https://spdx.dev/Document", &manifest, spdx(name, &[("express", "4.19.2")])),
            ];
            platforms.push(Platform {
                architecture,
                refers_to: manifest.clone(),
                manifest,
                statements: statements.to_vec(),
                listed: true,
            });
        }
        Ok(Self { ground, registry, name: name.to_owned(), layout, platforms })
    }

    /// Stores everything and pushes it as `team/NAME:v1`; gives the index pinned, and the attestation manifests.
    fn push(&self) -> Result<(String, Vec<String>), Error> {
        let mut entries = Vec::new();
        let mut attestations = Vec::new();
        for platform in &self.platforms {
            let size = std::fs::metadata(self.blob_path(&platform.manifest)).unwrap().len();
            entries.push(json!({
                "mediaType": IMAGE_MANIFEST, "digest": platform.manifest, "size": size,
                "platform": {"os": "linux", "architecture": platform.architecture},
            }));
        }
        for platform in self.platforms.iter().filter(|platform| !platform.statements.is_empty()) {
            let mut entry = self.attestation_manifest(platform);
            attestations.push(entry["digest"].as_str().unwrap().to_owned());
            entry["annotations"] = json!({REFERENCE_DIGEST: platform.refers_to, "vnd.docker.reference.type": "attestation-manifest"});
            entry["platform"] = json!({"os": "unknown", "architecture": "unknown"});
            if platform.listed {
                entries.push(entry);
            }
        }
        let index = json!({"schemaVersion": 2, "mediaType": IMAGE_INDEX, "manifests": entries});
        let described = self.store(IMAGE_INDEX, index.to_string().as_bytes());
        self.tag("built", described.clone());
        let oras = Oras::new(&self.ground.peers, &self.ground.workspace);
        let tag = self.registry.reference(&format!("team/{}:v1", self.name));
        oras.copy_from_layout(&self.layout, "built", &tag)?;
        let digest = described["digest"].as_str().unwrap();
        Ok((self.registry.reference(&format!("team/{}@{digest}", self.name)), attestations))
    }

    fn attestation_manifest(&self, platform: &Platform) -> Value {
        let layers: Vec<Value> = platform
            .statements
            .iter()
            .map(|statement| {
                let mut layer = self.store("application/vnd.in-toto+json", statement.to_string().as_bytes());
                layer["annotations"] = json!({"in-toto.io/predicate-type": statement["predicateType"]});
                layer
            })
            .collect();
        let diff_ids: Vec<&Value> = layers.iter().map(|layer| &layer["digest"]).collect();
        let config = json!({
            "architecture": "unknown", "os": "unknown", "config": {},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": IMAGE_MANIFEST,
            "config": self.store(IMAGE_CONFIG, config.to_string().as_bytes()),
            "layers": layers,
        });
        self.store(IMAGE_MANIFEST, manifest.to_string().as_bytes())
    }

    /// Puts a blob into the layout; gives its descriptor.
    fn store(&self, media_type: &str, bytes: &[u8]) -> Value {
        let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let digest = format!("sha256:{hex}");
        std::fs::write(self.blob_path(&digest), bytes).unwrap();
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    }

    fn blob_path(&self, digest: &str) -> PathBuf {
        self.layout.join("blobs/sha256").join(digest.strip_prefix("sha256:").unwrap())
    }

    fn tag(&self, tag: &str, mut descriptor: Value) {
        let path = self.layout.join("index.json");
        let mut index: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        descriptor["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
        index["manifests"].as_array_mut().unwrap().push(descriptor);
        std::fs::write(&path, index.to_string()).unwrap();
    }
}

/// A statement as BuildKit writes it.
fn statement(predicate_type: &str, manifest: &str, predicate: Value) -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": predicate_type,
        "subject": [{
            "name": "pkg:docker/registry.example/team/app@v1?platform=linux%2Famd64",
            "digest": {"sha256": manifest.strip_prefix("sha256:").unwrap()},
        }],
        "predicate": predicate,
    })
}

/// A node that accepts what the image's own signature covers.
struct Scene<'a> {
    ground: &'a Ground,
    registry: Registry,
    cosign: Cosign<'a>,
    key: KeyPair,
    node: Node<'a>,
}

impl<'a> Scene<'a> {
    fn set(ground: &'a Ground) -> Result<Self, Error> {
        let registry = ground.registry()?;
        let cosign = ground.cosign(CosignVersion::Three)?;
        let key = cosign.generate_key_pair("release")?;
        let mut node = Node::new(&ground.pullward, &ground.workspace)?;
        let policy = pullward_tests::policy_for(&registry.host(), &key.public)
            + "[[rule.attestation]]\ntype = \"slsaprovenance\"\nsigned_by = [\"image\"]\n\
               source = [\"https://github.com/acme/*\"]\n\
               [[rule.attestation]]\ntype = \"spdx\"\nsigned_by = [\"image\"]\n";
        node.trust(1, &policy)?;
        node.start()?;
        Ok(Self { ground, registry, cosign, key, node })
    }

    /// A build with something changed, pushed, and its index signed.
    fn signed(
        &self,
        name: &str,
        change: impl FnOnce(&mut Build<'_>),
    ) -> Result<(String, Vec<String>), Error> {
        let mut build = Build::new(self.ground, &self.registry, name)?;
        change(&mut build);
        let pushed = build.push()?;
        self.cosign.sign(&self.key, &pushed.0)?;
        Ok(pushed)
    }

    fn verify(&self, flags: &[&str], image: &str) -> Result<(i32, Value), Error> {
        let config = self.node.config()?;
        self.ground.verify(&[&["--config", &config], flags, &[image]].concat())
    }
}

/// The rows of the verdict for statements in the index: code, and what covers them.
fn rows(verdict: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let rows = verdict["evidence"].as_array().unwrap().iter();
    rows.filter(|row| row["format"] == "index-statement")
        .map(|row| (text(&row["code"]), text(&row["covered_by"])))
        .collect()
}

#[test]
fn what_a_signed_index_holds_is_covered_and_pulled_and_nothing_else_is() -> Outcome {
    let Some(ground) = Ground::at_hand_as_root("e2e::buildkit")? else { return Ok(()) };
    let scene = Scene::set(&ground)?;
    let containerd = ground.containerd(&scene.node)?;
    let cri = containerd.cri()?;
    let row = |code: &str, covered_by: &str| (code.to_owned(), covered_by.to_owned());
    let amd64 = ["--platform", "linux/amd64"];

    let (good, _) = scene.signed("good", |_| {})?;
    cri.pull(&good)?;
    cri.pull(&scene.registry.reference("team/good:v1"))?;
    let (code, verdict) = scene.verify(&amd64, &good)?;
    assert_eq!((code, reason(&verdict).as_str()), (0, "signed"), "{verdict}");
    assert_eq!(rows(&verdict), [row("-", "image-signature"), row("-", "image-signature")]);
    assert_eq!(verdict["requirements"][0]["met"], true);
    assert_eq!(scene.verify(&["--platform", "linux/arm64"], &good)?.0, 0);

    // The platform that the index does not have: its statements are for others.
    let (code, verdict) = scene.verify(&["--platform", "linux/s390x"], &good)?;
    assert_eq!((code, reason(&verdict).as_str()), (1, "attestation-missing"));
    assert_eq!(rows(&verdict), []);
    // A platform that was built without.
    let (partial, _) = scene.signed("partial", |build| build.platforms[0].statements.clear())?;
    let (code, verdict) = scene.verify(&amd64, &partial)?;
    assert_eq!((code, reason(&verdict).as_str()), (1, "attestation-missing"));
    assert_eq!(scene.verify(&["--platform", "linux/arm64"], &partial)?.0, 0);

    // The same index, unsigned, or signed by somebody else.
    let (unsigned, _) = Build::new(&ground, &scene.registry, "unsigned")?.push()?;
    refused(cri.pull(&unsigned), "unsigned");
    let (_, verdict) = scene.verify(&amd64, &unsigned)?;
    assert_eq!(rows(&verdict), [row("index-unsigned", "-"), row("index-unsigned", "-")]);
    let stranger = scene.cosign.generate_key_pair("stranger")?;
    scene.cosign.sign(&stranger, &unsigned)?;
    refused(cri.pull(&unsigned), "untrusted-key");
    // A signature of one platform's manifest is none of the index, and none of what the index says of it.
    let (parts, _) = Build::new(&ground, &scene.registry, "parts")?.push()?;
    let index = scene.registry.manifest("team/parts", digest_of(&parts))?.json()?;
    let part = index["manifests"][0]["digest"].as_str().unwrap();
    scene.cosign.sign(&scene.key, &scene.registry.reference(&format!("team/parts@{part}")))?;
    refused(cri.pull(&parts), "unsigned");
    refused(cri.pull(&scene.registry.reference(&format!("team/parts@{part}"))), "attestation-missing");

    let fork = "https://github.com/mallory/app";
    let (forked, _) = scene.signed("fork", |build| {
        build.platforms[0].statements[0]["predicate"] = buildkit_02(fork, BUILDER);
    })?;
    let message = refused(cri.pull(&forked), "source-mismatch");
    assert!(message.contains(fork), "{message}");

    // arm64's statements, said to be about amd64's manifest, which has none.
    let (forged, _) = scene.signed("forged", |build| {
        build.platforms[0].statements.clear();
        let victim = build.platforms[0].manifest.clone();
        build.platforms[1].refers_to = victim;
    })?;
    refused(cri.pull(&forged), "attestation-missing");
    let (_, verdict) = scene.verify(&amd64, &forged)?;
    assert_eq!(rows(&verdict), [row("index-chain", "-"), row("index-chain", "-")]);

    // An attestation manifest that lies beside the signed index, with and without referring to it.
    let (outside, manifests) = scene.signed("outside", |build| {
        build.platforms.iter_mut().for_each(|platform| platform.listed = false);
    })?;
    let layout = ground.workspace.join("build-outside");
    let hex = manifests[0].strip_prefix("sha256:").unwrap();
    let bytes = std::fs::read(layout.join("blobs/sha256").join(hex)).unwrap();
    let mut manifest: Value = serde_json::from_slice(&bytes).unwrap();
    for described in manifest["layers"].as_array().unwrap().iter().chain([&manifest["config"]]) {
        let hex = described["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
        let blob = std::fs::read(layout.join("blobs/sha256").join(hex)).unwrap();
        scene.registry.put_blob("team/outside", &blob)?;
    }
    scene.registry.put_manifest("team/outside", &manifests[0], IMAGE_MANIFEST, &bytes)?;
    refused(cri.pull(&outside), "attestation-missing");
    let fallback = digest_of(&outside).replace(':', "-");
    let mut list = scene.registry.manifest("team/outside", &fallback)?.json()?;
    manifest["subject"] = json!({
        "mediaType": IMAGE_INDEX, "digest": digest_of(&outside),
        "size": scene.registry.manifest("team/outside", digest_of(&outside))?.bytes.len(),
    });
    let bytes = manifest.to_string().into_bytes();
    let mut entry = json!({"mediaType": IMAGE_MANIFEST, "size": bytes.len()});
    entry["digest"] = scene.registry.put_manifest("team/outside", "hung", IMAGE_MANIFEST, &bytes)?.into();
    entry["annotations"] = json!({
        REFERENCE_DIGEST: digest_of(&outside), "vnd.docker.reference.type": "attestation-manifest",
    });
    list["manifests"].as_array_mut().unwrap().push(entry);
    scene.registry.put_manifest("team/outside", &fallback, IMAGE_INDEX, list.to_string().as_bytes())?;
    refused(cri.pull(&outside), "attestation-missing");
    ran("e2e::buildkit")
}

/// `oras copy -r --to-oci-layout`, then nobody to ask: the same verdict, and from its record once more.
#[test]
fn a_signed_index_on_disk_is_judged_with_what_it_holds_and_replayed() -> Outcome {
    let Some(ground) = Ground::at_hand("e2e::buildkit-offline")? else { return Ok(()) };
    let mut scene = Scene::set(&ground)?;
    let (good, _) = scene.signed("app", |_| {})?;
    let layout = ground.workspace.join("stick");
    Oras::new(&ground.peers, &ground.workspace).copy_to_layout(&good, &layout, "v1")?;
    scene.registry.stop()?;

    let (trust, root) = (scene.node.path("trust.json"), scene.node.path("root.pub"));
    let target = format!("oci:{}:v1", layout.display());
    let name = scene.registry.reference("team/app:v1");
    let record = ground.workspace.join("record.json").display().to_string();
    let (code, mut verdict) = ground.verify(&[
        "--trust",
        &trust,
        "--root",
        &root,
        "--as",
        &name,
        "--platform",
        "linux/amd64",
        "--record",
        &record,
        &target,
    ])?;
    assert_eq!((code, reason(&verdict).as_str()), (0, "signed"), "{verdict}");
    assert_eq!(rows(&verdict).len(), 2);
    assert!(rows(&verdict).iter().all(|(_, covered_by)| covered_by == "image-signature"));

    std::fs::remove_dir_all(&layout).unwrap();
    let elsewhere = pullward_tests::Workspace::new()?;
    let copy = elsewhere.join("record.json");
    std::fs::copy(&record, &copy).unwrap();
    let copy = copy.display().to_string();
    let replayed = ground.pullward.run(&elsewhere, &["replay", "-o", "json", &copy])?;
    assert_eq!(replayed.code, 0, "{}", replayed.all());
    let again = ground.pullward.run(&elsewhere, &["replay", "-o", "json", &copy])?;
    assert_eq!(replayed, again);
    let mut replayed: Value = serde_json::from_str(&replayed.out).unwrap();
    for verdict in [&mut replayed, &mut verdict] {
        verdict["elapsed_us"] = 0.into();
    }
    assert_eq!(replayed.to_string(), verdict.to_string());
    ran("e2e::buildkit-offline")
}
