//! A real containerd 2 asks before it pulls, whichever way.

use pullward_tests::{Access, Cosign, CosignVersion, Image, ran};

use crate::stage::{Ground, Outcome, Scene, digest_of, refused};

/// The demo's four images, through both ways; what is refused is not in the store, whole or in part.
#[test]
fn only_what_the_right_key_has_signed_is_pulled() -> Outcome {
    let Some(ground) = Ground::at_hand_as_root("e2e::pulls")? else { return Ok(()) };
    let scene = Scene::set(&ground)?;
    let cosign = ground.cosign(CosignVersion::Three)?;
    let containerd = ground.containerd(&scene.node)?;
    let cri = containerd.cri()?;
    let both = |reference: &str, reason: &str| -> Outcome {
        let message = refused(cri.pull(reference), reason);
        assert!(message.contains(reference.split('@').next().unwrap()), "{message}");
        refused(containerd.transfer("k8s.io", reference), reason);
        refused(containerd.transfer("default", reference), reason);
        assert_eq!(containerd.image_names()?, [""; 0], "after {reference}");
        Ok(())
    };

    let id = cri.pull(&scene.tag())?;
    assert_eq!(containerd.image_names()?, [scene.tag(), scene.signed.clone(), id]);
    cri.remove(&scene.tag())?;
    containerd.transfer("k8s.io", &scene.tag())?;
    assert!(containerd.image_names()?.contains(&scene.tag()));
    cri.remove(&scene.tag())?;
    cri.pull(&scene.signed)?;
    cri.remove(&scene.signed)?;

    let unsigned = ground.push(&scene.registry, "unsigned")?;
    both(&scene.registry.reference("team/unsigned:v1"), "unsigned")?;
    both(&unsigned, "unsigned")?;

    let stranger = cosign.generate_key_pair("stranger")?;
    let foreign = ground.push(&scene.registry, "foreign")?;
    cosign.sign(&stranger, &foreign)?;
    both(&scene.registry.reference("team/foreign:v1"), "untrusted-key")?;

    let other = ground.crane().push(&scene.registry.reference("other/app:v1"), &Image::named("other"))?;
    cosign.sign(&scene.key, &other)?;
    both(&scene.registry.reference("other/app:v1"), "no-rule")?;

    // New content under the signed tag; the signature of the old content is still there, for the old digest.
    let moved = ground.crane().push(&scene.tag(), &Image::named("moved"))?;
    assert_ne!(digest_of(&moved), digest_of(&scene.signed));
    both(&scene.tag(), "unsigned")?;
    cri.pull(&scene.signed)?;
    ran("e2e::pulls")
}

/// A genuine signature, hung by hand beside an image that it is not about.
#[test]
fn a_signature_of_another_digest_is_told_as_such() -> Outcome {
    let Some(ground) = Ground::at_hand_as_root("e2e::other-digest")? else { return Ok(()) };
    let scene = Scene::set(&ground)?;
    let cosign = ground.cosign(CosignVersion::Two)?;
    let victim = ground.push(&scene.registry, "victim")?;
    let signed = ground.push(&scene.registry, "signed")?;
    cosign.sign(&scene.key, &signed)?;
    let tag = |pinned: &str| digest_of(pinned).replace(':', "-") + ".sig";
    let from = scene.registry.reference(&format!("team/signed:{}", tag(&signed)));
    let to = scene.registry.reference(&format!("team/victim:{}", tag(&victim)));
    ground.crane().copy(&from, &to)?;
    let containerd = ground.containerd(&scene.node)?;
    refused(containerd.cri()?.pull(&victim), "digest-mismatch");
    ran("e2e::other-digest")
}

/// An index is judged as such: what is signed is what is asked for.
#[test]
fn a_signed_index_is_pulled_and_a_signed_part_of_an_unsigned_one_is_not() -> Outcome {
    let Some(ground) = Ground::at_hand_as_root("e2e::index")? else { return Ok(()) };
    let scene = Scene::set(&ground)?;
    let cosign = ground.cosign(CosignVersion::Three)?;
    let crane = ground.crane();
    let arm =
        crane.push_for(&scene.registry.reference("team/app:arm"), &Image::named("app"), "linux/s390x")?;
    let good = crane.push_index(&scene.registry.reference("team/app:all"), &[&scene.signed, &arm])?;
    cosign.sign(&scene.key, &good)?;
    let bad = crane.push_index(&scene.registry.reference("team/app:part"), &[&scene.signed])?;
    assert_ne!(digest_of(&bad), digest_of(&scene.signed));

    let containerd = ground.containerd(&scene.node)?;
    let cri = containerd.cri()?;
    cri.pull(&scene.registry.reference("team/app:all"))?;
    cri.remove(&scene.registry.reference("team/app:all"))?;
    refused(cri.pull(&scene.registry.reference("team/app:part")), "unsigned");
    ran("e2e::index")
}

/// T-118: nothing of the content is fetched before the verdict.
#[test]
fn no_layer_is_fetched_before_the_verdict() -> Outcome {
    let Some(ground) = Ground::at_hand_as_root("e2e::T-118")? else { return Ok(()) };
    let mut scene = Scene::set(&ground)?;
    let unsigned = ground.push(&scene.registry, "unsigned")?;
    let containerd = ground.containerd(&scene.node)?;
    let cri = containerd.cri()?;
    let content = |pinned: &str| -> Result<Vec<String>, pullward_tests::Error> {
        let name = pinned.split('@').next().unwrap().split_once('/').unwrap().1.to_owned();
        let manifest = scene.registry.manifest(&name, digest_of(pinned))?.json()?;
        let layers = manifest["layers"].as_array().unwrap().iter().chain([&manifest["config"]]);
        Ok(layers.map(|layer| format!("/v2/{name}/blobs/{}", layer["digest"].as_str().unwrap())).collect())
    };
    let (of_unsigned, of_signed) = (content(&unsigned)?, content(&scene.signed)?);
    assert!(of_unsigned.len() == 2 && of_signed.len() == 2);
    let fetches = |paths: &[String], accesses: &[Access]| {
        accesses.iter().filter(|access| access.method == "GET" && paths.contains(&access.path)).count()
    };

    let before = scene.registry.accesses().len();
    refused(cri.pull(&unsigned), "unsigned");
    refused(containerd.transfer("k8s.io", &unsigned), "unsigned");
    let asked = scene.registry.accesses().split_off(before);
    assert!(
        asked.iter().any(|access| access.path.contains(digest_of(&unsigned))),
        "containerd asked: {asked:?}"
    );
    assert_eq!(fetches(&of_unsigned, &asked), 0, "{asked:?}");

    // With the agent standing still the verdict takes as long as the hook waits, and still nothing is fetched.
    let before = scene.registry.accesses().len();
    scene.node.agent()?.signal(pullward_tests::Signal::Stop)?;
    refused(cri.pull(&scene.tag()), "deadline-exceeded");
    scene.node.agent()?.signal(pullward_tests::Signal::Continue)?;
    assert_eq!(fetches(&of_signed, &scene.registry.accesses().split_off(before)), 0);

    let before = scene.registry.accesses().len();
    cri.pull(&scene.tag())?;
    let asked = scene.registry.accesses().split_off(before);
    assert_eq!(fetches(&of_signed, &asked), 2, "{asked:?}");
    let evidence =
        asked.iter().position(|access| access.path.contains("sha256-")).expect("our look for signatures");
    let layer = asked.iter().position(|access| of_signed.contains(&access.path)).unwrap();
    assert!(evidence < layer, "{asked:?}");
    ran("e2e::T-118")
}

/// The hook stands first in name order and alone: entries past `max_verifiers` are skipped by containerd.
#[test]
fn setup_puts_one_file_first_and_containerd_says_that_it_is_loaded() -> Outcome {
    let Some(ground) = Ground::at_hand_as_root("e2e::setup")? else { return Ok(()) };
    let mut scene = Scene::set(&ground)?;
    let containerd = ground.containerd(&scene.node)?;
    scene.node.configure(&format!("[containerd]\naddress = '{}'", containerd.socket().display()));
    let config = scene.node.config()?;
    let folder = scene.node.path("verifiers");
    let verifier = ground.pullward.verifier(&ground.workspace)?.display().to_string();
    let answer = ground.pullward.run(
        &ground.workspace,
        &[
            "setup",
            "containerd",
            "--config",
            &config,
            "--bin-dir",
            &folder,
            "--verifier",
            &verifier,
            "--containerd-config",
            &containerd.config_file().display().to_string(),
        ],
    )?;
    assert_eq!(answer.code, 0, "{}", answer.all());
    assert!(answer.err.contains("verifier plugin loaded"), "{}", answer.all());
    let entries: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(entries, ["00-pullward-verifier"]);
    assert!(containerd.has_plugin("bindir")?);
    containerd.cri()?.pull(&scene.tag())?;
    ran("e2e::setup")
}

/// A rollout begins in audit mode: what would be refused is pulled, and everybody can see that.
#[test]
fn audit_mode_pulls_and_says_what_enforce_would_refuse() -> Outcome {
    let Some(ground) = Ground::at_hand_as_root("e2e::audit")? else { return Ok(()) };
    let mut scene = Scene::set(&ground)?;
    let policy = pullward_tests::policy_for(&scene.registry.host(), &scene.key.public);
    scene.node.trust(2, &policy.replace("signed_by", "mode = \"audit\"\nsigned_by"))?;
    scene.node.reload()?;
    let unsigned = ground.push(&scene.registry, "unsigned")?;
    let other = ground.crane().push(&scene.registry.reference("other/app:v1"), &Image::named("other"))?;
    let containerd = ground.containerd(&scene.node)?;
    let cri = containerd.cri()?;
    cri.pull(&unsigned)?;
    let line = scene.node.log().lines().find(|line| line.contains(digest_of(&unsigned))).map(str::to_owned);
    let line = line.expect("the verdict's line");
    assert!(line.contains("would_deny=true") && line.contains("reason=\"unsigned\""), "{line}");
    assert_eq!(scene.node.status()?["verdicts"]["would_deny"], 1);
    // Not every refusal is the rule's: without a rule, and without an agent, it is refused as ever.
    refused(cri.pull(&other), "no-rule");
    let config = scene.node.config()?;
    for (flags, code) in [(&["--config", &config][..], 0), (&["--config", &config, "--enforce"], 1)] {
        let (exit, verdict) = ground.verify(&[flags, &[&unsigned]].concat())?;
        assert_eq!((exit, &verdict["would_deny"]), (code, &true.into()));
    }
    scene.node.stop()?;
    refused(cri.pull(&scene.tag()), "agent-unreachable");
    ran("e2e::audit")
}

/// Both cosigns' signatures are found by the agent, beside each other and each alone.
#[test]
fn signatures_of_both_cosigns_open_the_door() -> Outcome {
    let Some(ground) = Ground::at_hand_as_root("e2e::both-cosigns")? else { return Ok(()) };
    let scene = Scene::set(&ground)?;
    let legacy = ground.push(&scene.registry, "legacy")?;
    let two: Cosign<'_> = ground.cosign(CosignVersion::Two)?;
    two.sign(&scene.key, &legacy)?;
    let containerd = ground.containerd(&scene.node)?;
    let cri = containerd.cri()?;
    cri.pull(&scene.registry.reference("team/legacy:v1"))?;
    two.sign(&scene.key, &scene.signed)?;
    cri.pull(&scene.tag())?;
    ran("e2e::both-cosigns")
}
