//! Not the digest that is asked for is signed, but the index that lists it, or the same image packed otherwise.
//!
//! crane makes the index, cosign signs it, oras copies it to disk, skopeo packs an image anew.

use std::process::Command;

use pullward_tests::{CosignVersion, Image, Node, Oras, policy_for, ran};

use crate::stage::{Ground, Outcome, digest_of, hook, reason};

#[test]
fn a_signed_index_covers_its_platforms_where_the_rule_says_so() -> Outcome {
    let Some(ground) = Ground::at_hand("e2e::related")? else { return Ok(()) };
    let mut registry = ground.registry()?;
    let crane = ground.crane();
    let push = |name: &str, platform: &str| {
        let reference = registry.reference(&format!("team/app:{}", platform.replace('/', "-")));
        crane.push_for(&reference, &Image::named(name), platform)
    };
    let (amd64, arm64) = (push("app", "linux/amd64")?, push("app", "linux/arm64")?);
    let index = crane.push_index(&registry.reference("team/app:v1"), &[&amd64, &arm64])?;
    let cosign = ground.cosign(CosignVersion::Three)?;
    let key = cosign.generate_key_pair("release")?;
    cosign.sign(&key, &index)?;

    let mut node = Node::new(&ground.pullward, &ground.workspace)?;
    let exact = policy_for(&registry.host(), &key.public);
    let parent = exact.replace("contact", "index = \"parent\"\ncontact");
    let on = |node: &Node<'_>, image: &str, platform: &str, flags: &[&str]| {
        let config = node.config()?;
        let arguments = [&["--config", &config, "--platform", platform], flags, &[image]].concat();
        let (code, verdict) = ground.verify(&arguments)?;
        println!("{image} {platform}: {}", verdict["message"]);
        Ok::<_, pullward_tests::Error>((code, reason(&verdict)))
    };
    let answer = |code: i32, reason: &str| (code, reason.to_owned());
    // The tag says which index it is; a digest alone does not, and no registry can be asked.
    let tagged = |digest: &str| registry.reference(&format!("team/app:v1@{}", digest_of(digest)));

    node.trust(1, &exact)?;
    assert_eq!(on(&node, &index, "linux/amd64", &[])?, answer(0, "signed"));
    assert_eq!(on(&node, &tagged(&amd64), "linux/amd64", &[])?, answer(1, "signed-index-not-platform"));
    assert_eq!(on(&node, &amd64, "linux/amd64", &[])?, answer(1, "unsigned"));

    node.trust(2, &parent)?;
    let record = ground.workspace.join("record.json").display().to_string();
    assert_eq!(on(&node, &index, "linux/amd64", &[])?, answer(0, "signed"));
    assert_eq!(on(&node, &tagged(&amd64), "linux/amd64", &["--record", &record])?, answer(0, "signed"));
    assert_eq!(on(&node, &tagged(&arm64), "linux/arm64", &[])?, answer(0, "signed"));
    assert_eq!(on(&node, &tagged(&arm64), "linux/amd64", &[])?, answer(1, "unsigned"));
    assert_eq!(on(&node, &amd64, "linux/amd64", &[])?, answer(1, "unsigned"));
    // The same tag in another repository is another index, and nobody signed that one.
    let other = crane.push_for(&registry.reference("team/other:x"), &Image::named("app"), "linux/amd64")?;
    let unsigned = crane.push_index(&registry.reference("team/other:v1"), &[&other])?;
    let elsewhere = registry.reference(&format!("team/other:v1@{}", digest_of(&amd64)));
    assert_eq!(on(&node, &elsewhere, "linux/amd64", &[])?, answer(1, "unsigned"));
    assert_ne!(digest_of(&unsigned), digest_of(&index));

    // From the record, with nobody to ask.
    let replayed = ground.pullward.run(&ground.workspace, &["replay", &record])?;
    assert_eq!(replayed.code, 0, "{}", replayed.all());

    // With the index in the store the digest alone is enough, without network and for the hook.
    let store = node.path("evidence");
    Oras::new(&ground.peers, &ground.workspace).copy_to_layout(&index, store.as_ref(), "v1")?;
    node.start()?;
    node.set_up()?;
    registry.stop()?;
    let host = registry.host();
    if cfg!(target_arch = "x86_64") {
        let pinned = format!("{host}/team/app@{}", digest_of(&amd64));
        let (code, line) = hook(&node, &pinned)?;
        assert_eq!(code, 0, "{line}");
        let (code, line) = hook(&node, &format!("{host}/team/app@{}", digest_of(&arm64)))?;
        // Another platform's: not covered, and the registry could have had more.
        assert_eq!(code, 2, "{line}");
    }
    let offline = &["--offline", "--store", &store];
    assert_eq!(on(&node, &amd64, "linux/amd64", offline)?, answer(0, "signed"));
    let layout = format!("oci:{store}@{}", digest_of(&amd64));
    let named = &["--as", &amd64][..];
    assert_eq!(on(&node, &layout, "linux/amd64", named)?, answer(0, "signed"));
    ran("e2e::related")
}

#[test]
fn an_image_that_was_packed_anew_is_told_from_one_that_nobody_signed() -> Outcome {
    let Some(ground) = Ground::at_hand("e2e::related-rewritten")? else { return Ok(()) };
    let registry = ground.registry()?;
    let cosign = ground.cosign(CosignVersion::Three)?;
    let key = cosign.generate_key_pair("release")?;
    let signed = ground.push(&registry, "app")?;
    cosign.sign(&key, &signed)?;

    // docker save and push, as skopeo does both.
    let archive = ground.workspace.join("saved.tar");
    let archive = format!("docker-archive:{}:registry.example/team/app:v1", archive.display());
    let saved = registry.reference("team/app:saved");
    let skopeo = |from: &str, to: &str| {
        let program = ground.peers.program("skopeo")?;
        let mut command = Command::new(program);
        command.args(["copy", "--insecure-policy", "--src-tls-verify=false", "--dest-tls-verify=false"]);
        let done = command.args([from, to]).env_clear().env("HOME", ground.workspace.path()).output();
        let done = done.unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        Ok::<_, pullward_tests::Error>(())
    };
    skopeo(&format!("docker://{signed}"), &archive)?;
    skopeo(&archive, &format!("docker://{saved}"))?;

    let pinned = ground.crane().pinned(&saved)?;
    assert_ne!(digest_of(&pinned), digest_of(&signed));
    for image in [&saved, &pinned] {
        assert_eq!(ground.verify_key(&key.public, image)?, (1, "digest-rewritten".to_owned()), "{image}");
    }
    // By somebody else's key it is simply not signed, and so is another image.
    let stranger = cosign.generate_key_pair("stranger")?;
    assert_eq!(ground.verify_key(&stranger.public, &saved)?, (1, "unsigned".to_owned()));
    let other = ground.push(&registry, "other")?;
    ground.crane().copy(&other, &registry.reference("team/app:other"))?;
    let other = registry.reference("team/app:other");
    assert_eq!(ground.verify_key(&key.public, &other)?, (1, "unsigned".to_owned()));
    ran("e2e::related-rewritten")
}
