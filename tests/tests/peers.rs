//! Every real part does what the other tests take for granted, and the harness around it too.
//!
//! No line of pullward runs here: these tests say whether the ground is firm.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what the tests share fails as they do; clippy excepts only functions marked as tests"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use pullward_tests::{
    Containerd, ContainerdVersion, Cosign, CosignVersion, Crane, Error, Image, Oras, Peers, Registry,
    Settings, Snapshotter, Workspace, ran,
};
use serde_json::Value;

type Outcome = Result<(), Error>;

/// `sha256-<hex>`, the tag that referrers and legacy signatures hang on.
fn tag_of(pinned: &str) -> String {
    pinned.rsplit('@').next().unwrap().replace(':', "-")
}

fn digest_of(pinned: &str) -> &str {
    pinned.rsplit('@').next().unwrap()
}

fn refusal(result: Result<String, Error>) -> String {
    match result {
        Err(Error::Failed { output, .. }) => output,
        other => panic!("not refused: {other:?}"),
    }
}

fn rpc_message(result: Result<(), Error>) -> String {
    match result {
        Err(Error::Rpc { message, .. }) => message,
        other => panic!("not refused: {other:?}"),
    }
}

/// A verifier that writes down how it was called, and allows or denies by what its file says.
fn verifier(workspace: &Workspace) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = workspace.folder("verifiers").unwrap();
    let calls = workspace.join("calls");
    let refuse = workspace.join("refuse");
    let script = format!(
        "#!/bin/sh\necho \"$@\" >>'{}'\ncat >>'{}.stdin'\n[ ! -e '{}' ] || {{ echo 'refused for the test'; exit 1; }}\n",
        calls.display(),
        calls.display(),
        refuse.display()
    );
    let file = folder.join("00-recorder");
    std::fs::write(&file, script).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn calls(workspace: &Workspace) -> Vec<String> {
    let text = std::fs::read_to_string(workspace.join("calls")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn images_of_different_names_differ_and_of_one_name_do_not() -> Outcome {
    let Some(peers) = Peers::at_hand("peers::images")? else { return Ok(()) };
    let workspace = Workspace::new()?;
    let registry = Registry::start(&peers, &workspace)?;
    let crane = Crane::new(&peers, &workspace);
    let one = crane.push(&registry.reference("a/one:v1"), &Image::named("one"))?;
    let two = crane.push(&registry.reference("a/two:v1"), &Image::named("two"))?;
    let again = crane.push(&registry.reference("b/again:v1"), &Image::named("one"))?;
    assert_ne!(digest_of(&one), digest_of(&two));
    assert_eq!(digest_of(&one), digest_of(&again));

    let arm = crane.push_for(&registry.reference("a/one:arm"), &Image::named("one"), "linux/arm64")?;
    let index = crane.push_index(&registry.reference("a/one:all"), &[&one, &arm])?;
    let index = registry.manifest("a/one", digest_of(&index))?;
    assert_eq!(index.media_type, "application/vnd.oci.image.index.v1+json");
    assert_eq!(index.json()?["manifests"].as_array().map(Vec::len), Some(2));
    assert_eq!(registry.tags("a/one")?, ["all", "arm", "v1"]);
    ran("peers::images")
}

#[test]
fn a_stopped_registry_keeps_what_it_holds() -> Outcome {
    let Some(peers) = Peers::at_hand("peers::registry")? else { return Ok(()) };
    let workspace = Workspace::new()?;
    let mut registry = Registry::start(&peers, &workspace)?;
    let config = registry.put_blob("app", b"{}")?;
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{config}","size":2}},"layers":[]}}"#
    );
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let digest = registry.put_manifest("app", "v1", kind, manifest.as_bytes())?;
    registry.stop()?;
    assert!(matches!(registry.tags("app"), Err(Error::Http { .. })));
    registry.restart()?;
    let found = registry.manifest("app", "v1")?;
    assert_eq!((found.digest.as_str(), found.bytes.as_slice()), (digest.as_str(), manifest.as_bytes()));
    registry.delete_manifest("app", &digest)?;
    assert!(matches!(registry.manifest("app", &digest), Err(Error::Http { .. })));
    ran("peers::registry")
}

#[test]
fn cosign_3_writes_a_bundle_as_referrer_and_accepts_it() -> Outcome {
    let Some(peers) = Peers::at_hand("peers::cosign3")? else { return Ok(()) };
    let workspace = Workspace::new()?;
    let registry = Registry::start(&peers, &workspace)?;
    let crane = Crane::new(&peers, &workspace);
    let signed = crane.push(&registry.reference("app:signed"), &Image::named("signed"))?;
    let unsigned = crane.push(&registry.reference("app:unsigned"), &Image::named("unsigned"))?;
    let cosign = Cosign::new(&peers, &workspace, CosignVersion::Three)?;
    let key = cosign.generate_key_pair("release")?;
    let other = cosign.generate_key_pair("other")?;
    cosign.sign(&key, &signed)?;

    let accepted: Value = serde_json::from_str(&cosign.verify(&key.public, &signed)?).unwrap();
    assert_eq!(accepted[0]["critical"]["image"]["docker-manifest-digest"], digest_of(&signed));
    assert!(refusal(cosign.verify(&key.public, &unsigned)).contains("no signatures found"));
    refusal(cosign.verify(&other.public, &signed));

    // The trap: the index's entry does not say what the manifest is.
    let index = registry.manifest("app", &tag_of(&signed))?.json()?;
    let entry = &index["manifests"][0];
    assert_eq!(entry["artifactType"], "application/vnd.oci.empty.v1+json");
    let manifest = registry.manifest("app", entry["digest"].as_str().unwrap())?.json()?;
    assert_eq!(manifest["artifactType"], "application/vnd.dev.sigstore.bundle.v0.3+json");
    assert_eq!(manifest["subject"]["digest"], digest_of(&signed));
    ran("peers::cosign3")
}

#[test]
fn cosign_2_writes_a_legacy_tag_and_accepts_it() -> Outcome {
    let Some(peers) = Peers::at_hand("peers::cosign2")? else { return Ok(()) };
    let workspace = Workspace::new()?;
    let registry = Registry::start(&peers, &workspace)?;
    let crane = Crane::new(&peers, &workspace);
    let signed = crane.push(&registry.reference("app:signed"), &Image::named("signed"))?;
    let unsigned = crane.push(&registry.reference("app:unsigned"), &Image::named("unsigned"))?;
    let cosign = Cosign::new(&peers, &workspace, CosignVersion::Two)?;
    let key = cosign.generate_key_pair("release")?;
    let other = cosign.generate_key_pair("other")?;
    cosign.sign(&key, &signed)?;

    cosign.verify(&key.public, &signed)?;
    refusal(cosign.verify(&key.public, &unsigned));
    refusal(cosign.verify(&other.public, &signed));
    let manifest = registry.manifest("app", &format!("{}.sig", tag_of(&signed)))?.json()?;
    assert_eq!(manifest["layers"][0]["mediaType"], "application/vnd.dev.cosign.simplesigning.v1+json");
    assert!(manifest["layers"][0]["annotations"]["dev.cosignproject.cosign/signature"].is_string());

    let three = Cosign::new(&peers, &workspace, CosignVersion::Three)?;
    three.verify(&key.public, &signed)?;
    ran("peers::cosign2")
}

#[test]
fn both_cosigns_attest_and_check_the_predicate_type() -> Outcome {
    let Some(peers) = Peers::at_hand("peers::attest")? else { return Ok(()) };
    let workspace = Workspace::new()?;
    let registry = Registry::start(&peers, &workspace)?;
    let image = Crane::new(&peers, &workspace).push(&registry.reference("app:v1"), &Image::named("app"))?;
    let predicate = workspace.write("predicate.json", r#"{"builder":{"id":"test"},"buildType":"test"}"#)?;
    let kind = "https://slsa.dev/provenance/v0.2";
    for (version, name) in [(CosignVersion::Three, "three"), (CosignVersion::Two, "two")] {
        let cosign = Cosign::new(&peers, &workspace, version)?;
        let key = cosign.generate_key_pair(name)?;
        cosign.attest(&key, &image, kind, &predicate)?;
        cosign.verify_attestation(&key.public, &image, kind)?;
        refusal(cosign.verify_attestation(&key.public, &image, "https://example.org/other"));
    }
    registry.manifest("app", &format!("{}.att", tag_of(&image)))?;
    ran("peers::attest")
}

#[test]
fn oras_carries_referrers_and_leaves_legacy_tags_behind() -> Outcome {
    let Some(peers) = Peers::at_hand("peers::oras")? else { return Ok(()) };
    let workspace = Workspace::new()?;
    let from = Registry::start(&peers, &workspace)?;
    let to = Registry::start(&peers, &workspace)?;
    let image = Crane::new(&peers, &workspace).push(&from.reference("app:v1"), &Image::named("app"))?;
    let three = Cosign::new(&peers, &workspace, CosignVersion::Three)?;
    let two = Cosign::new(&peers, &workspace, CosignVersion::Two)?;
    let key = three.generate_key_pair("release")?;
    let legacy = two.generate_key_pair("legacy")?;
    three.sign(&key, &image)?;
    two.sign(&legacy, &image)?;
    assert_eq!(from.tags("app")?, [tag_of(&image), format!("{}.sig", tag_of(&image)), "v1".to_owned()]);

    let oras = Oras::new(&peers, &workspace);
    oras.copy(&from.reference("app:v1"), &to.reference("app:v1"))?;
    assert_eq!(to.tags("app")?, [tag_of(&image), "v1".to_owned()]);
    let copy = to.reference(&format!("app@{}", digest_of(&image)));
    three.verify(&key.public, &copy)?;
    refusal(two.verify(&legacy.public, &copy));

    let layout = workspace.join("layout");
    oras.copy_to_layout(&from.reference("app:v1"), &layout, "v1")?;
    let index: Value = serde_json::from_slice(&std::fs::read(layout.join("index.json")).unwrap()).unwrap();
    let tagged = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["annotations"]["org.opencontainers.image.ref.name"] == "v1");
    assert_eq!(tagged.unwrap()["digest"], digest_of(&image));

    let back = Registry::start(&peers, &workspace)?;
    oras.copy_from_layout(&layout, "v1", &back.reference("back:v1"))?;
    three.verify(&key.public, &back.reference(&format!("back@{}", digest_of(&image))))?;

    let note = workspace.write("note.txt", "note")?;
    let tag = tag_of(&image);
    let before = from.manifest("app", &tag)?.digest;
    oras.attach(&image, "application/vnd.example.note", &note, "text/plain")?;
    assert_ne!(from.manifest("app", &tag)?.digest, before);
    ran("peers::oras")
}

/// One containerd 2: what its verifier is asked through CRI and through the transfer service, what a
/// refusal looks like on either, and that a refused image is not in the store.
fn containerd_2_asks_its_verifier(name: &str, snapshotter: Option<Snapshotter>) -> Outcome {
    let Some(peers) = Peers::at_hand_as_root(name)? else { return Ok(()) };
    let workspace = Workspace::new()?;
    let registry = Registry::start(&peers, &workspace)?;
    let crane = Crane::new(&peers, &workspace);
    let image = crane.push(&registry.reference("app:v1"), &Image::runnable("app", &peers)?)?;
    let settings = Settings::new(ContainerdVersion::V2)
        .verifiers(&verifier(&workspace))
        .serve("docker.io", &registry.address());
    let settings = match snapshotter {
        Some(snapshotter) => settings.snapshotter(snapshotter),
        None => settings,
    };
    let mut containerd = Containerd::start(&peers, &workspace, settings)?;
    if let Some(snapshotter) = snapshotter {
        assert_eq!(containerd.snapshotter(), snapshotter);
    }
    let cri = containerd.cri()?;
    assert_eq!(cri.version()?.0, "containerd");

    let tagged = registry.reference("app:v1");
    let id = cri.pull(&tagged)?;
    let asked = format!(
        "-name {tagged} -digest {} -stdin-media-type application/vnd.oci.descriptor.v1+json",
        digest_of(&image)
    );
    assert_eq!(calls(&workspace), [asked.as_str()]);
    let found = cri.image(&tagged)?.expect("pulled");
    assert_eq!(
        (found.id, found.repo_tags, found.repo_digests),
        (id.clone(), vec![tagged.clone()], vec![image.clone()])
    );
    assert_eq!(cri.images()?.len(), 1);
    assert_eq!(containerd.image_names()?, [tagged.clone(), image.clone(), id]);
    cri.remove(&tagged)?;
    assert_eq!(containerd.image_names()?, [""; 0]);

    containerd.transfer("k8s.io", &tagged)?;
    assert_eq!(calls(&workspace), [asked.as_str(), asked.as_str()]);
    assert!(containerd.image_names()?.contains(&tagged));
    cri.remove(&tagged)?;

    // A name of a public registry, answered by the one on loopback.
    cri.pull("docker.io/library/app:v1").expect_err("nothing of this name was pushed");
    crane.copy(&tagged, &registry.reference("library/app:v1"))?;
    cri.pull("docker.io/library/app:v1")?;
    cri.remove("docker.io/library/app:v1")?;

    workspace.write("refuse", "")?;
    let through_cri = rpc_message(cri.pull(&tagged).map(drop));
    let through_transfer = rpc_message(containerd.transfer("k8s.io", &tagged));
    for message in [through_cri, through_transfer] {
        assert!(message.contains("refused for the test"), "{message}");
    }
    assert_eq!(containerd.image_names()?, [""; 0]);

    containerd.restart()?;
    assert!(containerd.cri()?.images()?.is_empty());
    containerd.stop()?;
    assert!(containerd.cri().is_err());
    ran(name)
}

#[test]
fn containerd_2_asks_its_verifier_on_every_pull() -> Outcome {
    containerd_2_asks_its_verifier("peers::containerd2", None)
}

#[test]
fn containerd_2_pulls_without_overlayfs_too() -> Outcome {
    containerd_2_asks_its_verifier("peers::containerd2-native", Some(Snapshotter::Native))
}

#[test]
fn where_overlayfs_does_not_work_native_is_taken() -> Outcome {
    let Some(peers) = Peers::at_hand_as_root("peers::snapshotter-probe")? else { return Ok(()) };
    let workspace = Workspace::new()?;
    let registry = Registry::start(&peers, &workspace)?;
    let tagged = registry.reference("app:v1");
    Crane::new(&peers, &workspace).push(&tagged, &Image::named("app"))?;
    let settings = Settings::new(ContainerdVersion::V2)
        .extra("disabled_plugins = ['io.containerd.snapshotter.v1.overlayfs']");
    let containerd = Containerd::start(&peers, &workspace, settings)?;
    assert_eq!(containerd.snapshotter(), Snapshotter::Native);
    containerd.cri()?.pull(&tagged)?;
    ran("peers::snapshotter-probe")
}

/// The older generations: CRI pulls and asks nobody, whatever `bin_dir` says.
fn older_containerd(name: &str, version: ContainerdVersion) -> Outcome {
    let Some(peers) = Peers::at_hand_as_root(name)? else { return Ok(()) };
    let workspace = Workspace::new()?;
    let registry = Registry::start(&peers, &workspace)?;
    let tagged = registry.reference("app:v1");
    let image = Crane::new(&peers, &workspace).push(&tagged, &Image::named("app"))?;
    let settings = Settings::new(version).verifiers(&verifier(&workspace));
    let containerd = Containerd::start(&peers, &workspace, settings)?;
    let cri = containerd.cri()?;
    cri.pull(&tagged)?;
    assert_eq!(cri.image(&tagged)?.expect("pulled").repo_digests, [image]);
    assert_eq!(calls(&workspace), [""; 0]);
    cri.remove(&tagged)?;
    ran(name)
}

#[test]
fn containerd_1_7_pulls() -> Outcome {
    older_containerd("peers::containerd1.7", ContainerdVersion::V1_7)
}

#[test]
fn containerd_1_6_pulls() -> Outcome {
    older_containerd("peers::containerd1.6", ContainerdVersion::V1_6)
}

/// A containerd with settings that it cannot run with is told within moments, with its reason.
#[test]
fn a_containerd_that_does_not_start_is_told_with_its_reason() -> Outcome {
    let Some(peers) = Peers::at_hand_as_root("peers::broken-settings")? else { return Ok(()) };
    let workspace = Workspace::new()?;
    let settings = Settings::new(ContainerdVersion::V2).extra("required_plugins = ['io.example.v1.none']");
    let begin = Instant::now();
    let error = Containerd::start(&peers, &workspace, settings).unwrap_err();
    let Error::Ended { log, .. } = error else { panic!("{error}") };
    assert!(log.contains("io.example.v1.none"), "{log}");
    assert!(begin.elapsed() < Duration::from_secs(20));
    ran("peers::broken-settings")
}

/// Private instances leave nothing in the places that a containerd of the system uses.
#[test]
fn a_private_containerd_stays_in_its_folder() -> Outcome {
    let Some(peers) = Peers::at_hand_as_root("peers::private")? else { return Ok(()) };
    let places = ["/opt/containerd", "/etc/cni", "/var/run/nri", "/var/lib/containerd", "/run/containerd"];
    let before = places.map(|place| Path::new(place).exists());
    let folder = {
        let workspace = Workspace::new()?;
        let containerd = Containerd::start(&peers, &workspace, Settings::new(ContainerdVersion::V2))?;
        containerd.cri()?.images()?;
        workspace.path().to_path_buf()
    };
    assert_eq!(places.map(|place| Path::new(place).exists()), before);
    assert!(!folder.exists());
    ran("peers::private")
}
