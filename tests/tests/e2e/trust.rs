//! Trust bundles that come while the agent runs: taken whole, or refused and spoken of.

use std::time::Duration;

use pullward_tests::{Node, policy_for, ran, wait_until};

use crate::stage::{Ground, Outcome, Scene, allowed, denied};

/// What the next bundle is refused for; the one in use stays in use, and everybody is told.
#[test]
fn a_bad_bundle_at_reload_keeps_the_old_one_and_is_loud() -> Outcome {
    let Some(ground) = Ground::at_hand("e2e::reload")? else { return Ok(()) };
    let mut scene = Scene::set(&ground)?;
    scene.node.set_up()?;
    let policy = policy_for(&scene.registry.host(), &scene.key.public);
    let other = policy_for("registry.example", &scene.key.public);
    scene.node.trust(5, &policy)?;
    scene.node.reload()?;
    assert_eq!(scene.node.status()?["trust"]["version"], 5);
    scene.node.key("stranger")?;
    let good = std::fs::read_to_string(scene.node.join("trust.json")).unwrap();

    let node = &scene.node;
    type Make<'a> = Box<dyn Fn() -> Outcome + 'a>;
    let cases: [(&str, Make<'_>); 5] = [
        ("trust-older", Box::new(|| node.trust(4, &other))),
        ("trust-wrong-root", Box::new(|| node.build("trust.json", 6, &other, "stranger", &[]))),
        ("trust-audience", Box::new(|| node.trust(6, &format!("audience = \"edge\"\n{other}")))),
        ("trust-invalid", Box::new(|| node.write("trust.json", &good[..good.len() / 2]).map(drop))),
        ("trust-version-reused", Box::new(|| node.trust(5, &other))),
    ];
    let mut made = Vec::new();
    for (code, make) in cases {
        make()?;
        made.push((code, std::fs::read(node.join("trust.json")).unwrap()));
    }
    for (code, bundle) in made {
        std::fs::write(scene.node.join("trust.json"), bundle).unwrap();
        let log = scene.node.reload()?;
        assert!(log.contains("ERROR") && log.contains(code), "{code}: {log}");
        let status = scene.node.status()?;
        assert_eq!(status["trust"]["version"], 5, "{code}");
        assert_eq!(status["fine"], false, "{code}");
        assert!(status["problems"].to_string().contains(code), "{code}: {status}");
        allowed(&scene.hook(&scene.signed)?);
    }

    // And a good one after all of these is taken.
    scene.node.trust(6, &other)?;
    scene.node.reload()?;
    let status = scene.node.status()?;
    assert_eq!((&status["trust"]["version"], &status["fine"]), (&6.into(), &true.into()), "{status}");
    denied(&scene.hook(&scene.signed)?, 1, "no-rule");
    ran("e2e::reload")
}

/// Restarted with an older bundle in the place of the configured one: the installed one counts (F-44).
#[test]
fn an_older_bundle_does_not_come_back_with_a_restart() -> Outcome {
    let Some(ground) = Ground::at_hand("e2e::F-44")? else { return Ok(()) };
    let mut scene = Scene::set(&ground)?;
    scene.node.set_up()?;
    let policy = policy_for(&scene.registry.host(), &scene.key.public);
    let old = std::fs::read(scene.node.join("trust.json")).unwrap();
    scene.node.trust(2, &policy_for("registry.example", &scene.key.public))?;
    scene.node.reload()?;
    denied(&scene.hook(&scene.signed)?, 1, "no-rule");
    scene.node.stop()?;
    std::fs::write(scene.node.join("trust.json"), old).unwrap();
    scene.node.start()?;
    // Either no valid bundle, or the newer one: the old one never.
    let answer = scene.hook(&scene.signed)?;
    assert_ne!(answer.0, 0, "{}", answer.1);
    scene.node.trust(3, &policy)?;
    scene.node.reload()?;
    allowed(&scene.hook(&scene.signed)?);
    ran("e2e::F-44")
}

/// F-49, F-42: a first start without a valid bundle denies everything, says why, and gets well by a reload.
#[test]
fn without_a_valid_bundle_everything_is_denied() -> Outcome {
    let Some(ground) = Ground::at_hand("e2e::no-trust")? else { return Ok(()) };
    let scene = Scene::set(&ground)?;
    let (registry, signed) = (scene.registry, scene.signed);
    let good = std::fs::read_to_string(scene.node.join("trust.json")).unwrap();
    drop(scene.node);
    let policy = std::fs::read_to_string(ground.workspace.join("node/policy.toml")).unwrap();
    std::fs::remove_dir_all(ground.workspace.join("node")).unwrap();

    let mut node = Node::new(&ground.pullward, &ground.workspace)?;
    node.set_up()?;
    node.start()?;
    let ask = |node: &Node<'_>| crate::stage::hook(node, &signed);
    denied(&ask(&node)?, 2, "trust-missing");
    // Signed by the root of another node.
    node.write("trust.json", &good)?;
    node.reload()?;
    denied(&ask(&node)?, 2, "trust-missing");
    node.trust(1, "schema = 1\n[[rule]]\nname = \"all\"\nmatch = [\"**\"]\nmode = \"deny\"\n")?;
    node.reload()?;
    denied(&ask(&node)?, 1, "denied-by-rule");
    node.trust(2, &policy)?;
    node.reload()?;
    allowed(&ask(&node)?);
    drop(registry);
    ran("e2e::no-trust")
}

/// A newer bundle counts even where it has expired: what it revokes does not come back, and nothing new is let
/// through; what the node has let in before keeps starting. Nobody gets there by `trust install`, which refuses it.
#[test]
fn an_expired_bundle_is_not_installed_and_never_falls_back_to_an_older_one() -> Outcome {
    let Some(ground) = Ground::at_hand("e2e::expired")? else { return Ok(()) };
    let mut scene = Scene::set(&ground)?;
    scene.node.set_up()?;
    let policy = policy_for(&scene.registry.host(), &scene.key.public);
    let new = signed_too(&ground, &scene)?;
    let dates = ["--issued", "2024-01-01T00:00:00Z", "--expires", "2024-02-01T00:00:00Z"];
    scene.node.build("expired.json", 6, &policy, "root", &dates)?;
    let (config, expired) = (scene.node.path("config.toml"), scene.node.path("expired.json"));
    let install = ["trust", "install", expired.as_str(), "--config", config.as_str()];
    let refused = ground.pullward.run(&ground.workspace, &install)?;
    assert!(refused.code == 1 && refused.err.contains("trust-expired"), "{}", refused.all());
    allowed(&scene.hook(&scene.signed)?);

    std::fs::copy(&expired, scene.node.join("trust.json")).unwrap();
    scene.node.reload()?;
    denied(&scene.hook(&new)?, 1, "trust-expired");
    allowed(&scene.hook(&scene.signed)?);
    let status = scene.node.status()?;
    assert!(status["fine"] == false && status["problems"].to_string().contains("trust-expired"), "{status}");
    scene.node.trust(7, &policy)?;
    scene.node.reload()?;
    allowed(&scene.hook(&new)?);
    ran("e2e::expired")
}

/// Another image that is signed by the same key.
fn signed_too(ground: &Ground, scene: &Scene<'_>) -> Result<String, pullward_tests::Error> {
    let image = ground.push(&scene.registry, "new")?;
    ground.cosign(pullward_tests::CosignVersion::Three)?.sign(&scene.key, &image)?;
    Ok(image)
}

/// A bundle that runs out while the agent runs: nothing new is let through from that second on. What was let in before
/// keeps starting, unless the bundle says `deny-all`.
#[test]
fn a_bundle_that_expires_in_use_admits_nothing_new() -> Outcome {
    let Some(ground) = Ground::at_hand("e2e::expiry")? else { return Ok(()) };
    let mut scene = Scene::set(&ground)?;
    scene.node.set_up()?;
    let policy = policy_for(&scene.registry.host(), &scene.key.public);
    let new = signed_too(&ground, &scene)?;
    allowed(&scene.hook(&scene.signed)?);
    let over = |scene: &Scene<'_>| -> Outcome {
        wait_until("the end of the bundle", Duration::from_secs(20), || {
            scene.node.status().is_ok_and(|status| status["fine"] == false)
        })
    };
    scene.node.build("trust.json", 2, &policy, "root", &["--expires", "5s"])?;
    scene.node.reload()?;
    assert_eq!(scene.node.status()?["trust"]["version"], 2);
    over(&scene)?;
    denied(&scene.hook(&new)?, 1, "trust-expired");
    allowed(&scene.hook(&scene.signed)?);

    let all = policy.replacen("schema = 1\n", "schema = 1\nafter_expiry = \"deny-all\"\n", 1);
    scene.node.build("trust.json", 3, &all, "root", &["--expires", "5s"])?;
    scene.node.reload()?;
    assert_eq!(scene.node.status()?["trust"]["version"], 3);
    over(&scene)?;
    denied(&scene.hook(&scene.signed)?, 1, "trust-expired");
    ran("e2e::expiry")
}

/// Revoked after it was allowed: refused from the reload on, by digest and by key.
#[test]
fn a_revocation_counts_from_the_reload_on() -> Outcome {
    let Some(ground) = Ground::at_hand("e2e::revoke")? else { return Ok(()) };
    let mut scene = Scene::set(&ground)?;
    scene.node.set_up()?;
    let policy = policy_for(&scene.registry.host(), &scene.key.public);
    allowed(&scene.hook(&scene.signed)?);
    let digest = crate::stage::digest_of(&scene.signed).to_owned();
    scene.node.trust(2, &format!("{policy}[[revoke]]\ndigest = \"{digest}\"\nreason = \"CVE in it\"\n"))?;
    scene.node.reload()?;
    let answer = scene.hook(&scene.signed)?;
    denied(&answer, 1, "digest-revoked");
    scene
        .node
        .trust(3, &format!("{policy}[[revoke]]\nauthority = \"release\"\nreason = \"laptop stolen\"\n"))?;
    scene.node.reload()?;
    denied(&scene.hook(&scene.signed)?, 1, "authority-revoked");
    scene.node.trust(4, &policy)?;
    scene.node.reload()?;
    allowed(&scene.hook(&scene.signed)?);
    ran("e2e::revoke")
}

/// An installation that says "installed" is one that the agent uses: nobody has to remember a reload.
#[test]
fn an_installed_bundle_is_in_use_at_once() -> Outcome {
    let Some(ground) = Ground::at_hand("e2e::install")? else { return Ok(()) };
    let mut scene = Scene::set(&ground)?;
    scene.node.set_up()?;
    allowed(&scene.hook(&scene.signed)?);
    let policy = policy_for(&scene.registry.host(), &scene.key.public);
    let digest = crate::stage::digest_of(&scene.signed).to_owned();
    let revoked = format!("{policy}[[revoke]]\ndigest = \"{digest}\"\nreason = \"CVE in it\"\n");
    scene.node.build("next.json", 2, &revoked, "root", &[])?;
    let (next, config) = (scene.node.path("next.json"), scene.node.path("config.toml"));
    let install = ["trust", "install", &next, "--config", &config];
    let ran_install = ground.pullward.run(&ground.workspace, &install)?;
    assert_eq!(ran_install.code, 0, "{}", ran_install.all());
    assert!(ran_install.out.contains("the agent uses version 2 now"), "{}", ran_install.all());
    denied(&scene.hook(&scene.signed)?, 1, "digest-revoked");

    // Without an agent it is installed for the next one, and says so.
    scene.node.stop()?;
    scene.node.build("next.json", 3, &policy, "root", &[])?;
    let ran_install = ground.pullward.run(&ground.workspace, &install)?;
    assert_eq!(ran_install.code, 0, "{}", ran_install.all());
    assert!(ran_install.err.contains("no agent runs"), "{}", ran_install.all());
    scene.node.start()?;
    allowed(&scene.hook(&scene.signed)?);
    ran("e2e::install")
}

/// T-108: whoever can write a root key can sign trust bundles, so such a key is no root.
#[test]
fn a_root_key_that_others_can_write_is_no_root() -> Outcome {
    use std::os::unix::fs::PermissionsExt as _;
    let Some(ground) = Ground::at_hand("e2e::root-mode")? else { return Ok(()) };
    let mut scene = Scene::set(&ground)?;
    scene.node.set_up()?;
    allowed(&scene.hook(&scene.signed)?);
    let root = scene.node.join("root.pub");
    std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o666)).unwrap();
    // What was loaded stays; nothing new is taken on such a key's word.
    let log = scene.node.reload()?;
    assert!(log.contains("root.pub"), "{log}");
    allowed(&scene.hook(&scene.signed)?);
    scene.node.start()?;
    denied(&scene.hook(&scene.signed)?, 2, "trust-missing");
    std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o644)).unwrap();
    scene.node.reload()?;
    allowed(&scene.hook(&scene.signed)?);
    ran("e2e::root-mode")
}
