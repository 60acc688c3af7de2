//! The evidence on this node's disk, as `oras copy -r --to-oci-layout` has put it there.

use pullward_tests::{CosignVersion, Node, Oras, policy_for, ran};

use crate::stage::{Ground, Outcome, Scene, allowed, denied, digest_of, hook, reason};

/// Registry gone: what is in the store is judged as before, what is not is refused, and not called unsigned.
#[test]
fn the_store_answers_when_the_registry_is_gone() -> Outcome {
    let Some(ground) = Ground::at_hand("e2e::store")? else { return Ok(()) };
    let mut scene = Scene::set(&ground)?;
    let unsigned = ground.push(&scene.registry, "unsigned")?;
    let foreign = ground.push(&scene.registry, "foreign")?;
    let cosign = ground.cosign(CosignVersion::Three)?;
    cosign.sign(&cosign.generate_key_pair("stranger")?, &foreign)?;
    scene.node.set_up()?;
    let oras = Oras::new(&ground.peers, &ground.workspace);
    let store = scene.node.join("evidence");
    oras.copy_to_layout(&scene.signed, &store, "app-v1")?;
    oras.copy_to_layout(&foreign, &store, "foreign-v1")?;
    scene.registry.stop()?;

    allowed(&scene.hook(&scene.signed)?);
    denied(&scene.hook(&foreign)?, 2, "evidence-unreachable");
    denied(&scene.hook(&unsigned)?, 2, "evidence-unreachable");

    let config = scene.node.config()?;
    let (code, verdict) = ground.verify(&["--config", &config, "--offline", &scene.signed])?;
    assert_eq!((code, reason(&verdict).as_str()), (0, "signed"));
    assert_eq!(verdict["evidence"][0]["source"], "store");
    // Offline there is nobody else to ask, so that "found nothing" is an answer.
    let (code, verdict) = ground.verify(&["--config", &config, "--offline", &foreign])?;
    assert_eq!((code, reason(&verdict).as_str()), (1, "untrusted-key"));
    let (code, verdict) = ground.verify(&["--config", &config, "--offline", &unsigned])?;
    assert_eq!((code, reason(&verdict).as_str()), (1, "unsigned"));
    // A tag needs somebody who knows what it means.
    let (code, verdict) = ground.verify(&["--config", &config, "--offline", &scene.tag()])?;
    assert_eq!((code, reason(&verdict).as_str()), (2, "tag-not-resolved"));
    ran("e2e::store")
}

/// A node that never asks a registry, though there is one.
#[test]
fn an_offline_node_asks_nobody() -> Outcome {
    let Some(ground) = Ground::at_hand("e2e::offline")? else { return Ok(()) };
    let mut scene = Scene::set(&ground)?;
    scene.node.stop()?;
    scene.node.configure("offline = true");
    scene.node.start()?;
    scene.node.set_up()?;
    let before = scene.registry.accesses().len();
    denied(&scene.hook(&scene.signed)?, 1, "unsigned");
    assert_eq!(scene.registry.accesses().len(), before);
    let oras = Oras::new(&ground.peers, &ground.workspace);
    oras.copy_to_layout(&scene.signed, &scene.node.join("evidence"), "app")?;
    let before = scene.registry.accesses().len();
    // No restart, no reload: the store is read for each verdict.
    allowed(&scene.hook(&scene.signed)?);
    assert_eq!(scene.registry.accesses().len(), before);
    ran("e2e::offline")
}

/// The trap: oras leaves cosign 2's tags behind, and the verdict says that this may be why.
#[test]
fn legacy_signatures_that_oras_left_behind_are_spoken_of() -> Outcome {
    let Some(ground) = Ground::at_hand("e2e::left-behind")? else { return Ok(()) };
    let registry = ground.registry()?;
    let cosign = ground.cosign(CosignVersion::Two)?;
    let key = cosign.generate_key_pair("release")?;
    let image = ground.push(&registry, "app")?;
    cosign.sign(&key, &image)?;
    let layout = ground.workspace.join("layout");
    Oras::new(&ground.peers, &ground.workspace).copy_to_layout(&image, &layout, "v1")?;
    let key = key.public.display().to_string();
    let (code, verdict) = ground.verify(&["--key", &key, &image])?;
    assert_eq!((code, reason(&verdict).as_str()), (0, "signed"));
    let target = format!("oci:{}:v1", layout.display());
    let (code, verdict) = ground.verify(&["--key", &key, &target])?;
    assert_eq!((code, reason(&verdict).as_str()), (1, "unsigned"));
    let said = format!("{} {}", verdict["message"], verdict["notes"]);
    assert!(said.contains("oras") && said.contains(".sig"), "{said}");
    ran("e2e::left-behind")
}

/// A layout has no name: without one no rule can match, and none is guessed.
#[test]
fn a_layout_under_a_policy_needs_its_name() -> Outcome {
    let Some(ground) = Ground::at_hand("e2e::layout-name")? else { return Ok(()) };
    let registry = ground.registry()?;
    let cosign = ground.cosign(CosignVersion::Three)?;
    let key = cosign.generate_key_pair("release")?;
    let image = ground.push(&registry, "app")?;
    cosign.sign(&key, &image)?;
    let layout = ground.workspace.join("layout");
    Oras::new(&ground.peers, &ground.workspace).copy_to_layout(&image, &layout, "v1")?;
    let node = Node::new(&ground.pullward, &ground.workspace)?;
    node.trust(1, &policy_for("registry.example", &key.public))?;
    let (trust, root) = (node.path("trust.json"), node.path("root.pub"));
    let target = format!("oci:{}:v1", layout.display());
    let trust = ["--trust", &trust, "--root", &root];
    let unnamed = ground.pullward.run(&ground.workspace, &[&["verify"][..], &trust, &[&target]].concat())?;
    assert_eq!(unnamed.code, 64, "{}", unnamed.all());
    for (name, expected) in
        [("registry.example/team/app:v1", (0, "signed")), ("registry.example/other/app:v1", (1, "no-rule"))]
    {
        let (code, verdict) = ground.verify(&[&trust[..], &["--as", name, &target]].concat())?;
        assert_eq!((code, reason(&verdict).as_str()), expected, "{name}");
        assert_eq!(verdict["digest"], digest_of(&image));
    }
    ran("e2e::layout-name")
}

/// A store that somebody has damaged: whatever is in it, it only ever denies.
#[test]
fn a_damaged_store_never_allows() -> Outcome {
    let Some(ground) = Ground::at_hand("e2e::F-43")? else { return Ok(()) };
    let mut scene = Scene::set(&ground)?;
    scene.node.stop()?;
    scene.node.configure("offline = true");
    scene.node.start()?;
    scene.node.set_up()?;
    let store = scene.node.join("evidence");
    Oras::new(&ground.peers, &ground.workspace).copy_to_layout(&scene.signed, &store, "app")?;
    allowed(&hook(&scene.node, &scene.signed)?);
    let mut damaged = 0;
    for entry in std::fs::read_dir(store.join("blobs/sha256")).unwrap() {
        let path = entry.unwrap().path();
        let good = std::fs::read(&path).unwrap();
        // The image's own blobs are not evidence, and nobody reads them.
        let text = String::from_utf8_lossy(&good).into_owned();
        if !text.contains("dsseEnvelope") && !text.contains("sigstore.bundle") {
            continue;
        }
        for bad in [Vec::new(), good[..good.len() / 2].to_vec(), good.iter().map(|byte| byte ^ 1).collect()] {
            std::fs::write(&path, bad).unwrap();
            let answer = hook(&scene.node, &scene.signed)?;
            assert_ne!(answer.0, 0, "{}: {}", path.display(), answer.1);
            damaged += 1;
        }
        std::fs::write(&path, good).unwrap();
        allowed(&hook(&scene.node, &scene.signed)?);
    }
    assert!(damaged >= 6, "the referrer's manifest and its bundle were to be damaged");
    let index = std::fs::read(store.join("index.json")).unwrap();
    for bad in [&b""[..], b"{}", b"{\"schemaVersion\":2,\"manifests\":[]}", &index[..index.len() / 2]] {
        std::fs::write(store.join("index.json"), bad).unwrap();
        assert_ne!(hook(&scene.node, &scene.signed)?.0, 0);
    }
    ran("e2e::F-43")
}
