//! T-74: the agent tries for itself whether containerd refuses what it must refuse, and says so when it does not.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use pullward_tests::{Containerd, ContainerdVersion, Error, Node, Settings, policy_for, ran, wait_until};

use crate::stage::{Ground, Outcome, Scene};

/// F-09 asks for less than a minute; the probe's shortest interval is 10 s.
const SOON: Duration = Duration::from_secs(60);

/// Waits for what the probe shows.
#[track_caller]
fn shows(node: &Node<'_>, outcome: &str) -> Result<String, Error> {
    let mut last = String::new();
    let waited = wait_until(outcome, SOON, || {
        let Ok(status) = node.status() else { return false };
        last = status["probe"].to_string();
        status["probe"]["outcome"] == outcome
    });
    assert!(waited.is_ok(), "not {outcome} but {last}");
    Ok(last)
}

fn problems(node: &Node<'_>) -> Result<Vec<String>, Error> {
    let status = node.status()?;
    let rows = status["problems"].as_array().unwrap();
    Ok(rows.iter().map(|row| row["code"].as_str().unwrap().to_owned()).collect())
}

fn probing(node: &mut Node<'_>, containerd: &Containerd, more: &str) -> Outcome {
    let address = containerd.socket().display().to_string();
    node.configure(&format!("{more}\n[containerd]\naddress = '{address}'\n[probe]\ninterval = '10s'"));
    node.start()
}

#[test]
fn enforcement_is_proven_and_nothing_is_left_behind() -> Outcome {
    let Some(ground) = Ground::at_hand_as_root("e2e::probe")? else { return Ok(()) };
    let mut scene = Scene::set(&ground)?;
    let mut containerd = ground.containerd(&scene.node)?;
    let before = scene.registry.accesses().len();
    // Offline too: the probe needs no registry but its own.
    probing(&mut scene.node, &containerd, "offline = true")?;
    let shown = shows(&scene.node, "proven")?;
    assert!(shown.contains("transfer service") && shown.contains("CRI: refused and passed"), "{shown}");
    assert_eq!(problems(&scene.node)?, [""; 0]);
    assert_eq!(containerd.image_names()?, [""; 0]);
    assert_eq!(containerd.image_names_in("pullward-probe")?, [""; 0]);
    assert_eq!(scene.registry.accesses().len(), before, "nothing leaves the node");

    // A policy that lets everything through is no reason for the probe to pass what must be refused.
    let lax = "schema = 1\n[[rule]]\nname = \"all\"\nmatch = [\"**\"]\nmode = \"allow\"\n";
    scene.node.trust(2, lax)?;
    scene.node.start()?;
    shows(&scene.node, "proven")?;

    // The agent is up before containerd is, and proves it once it is there.
    containerd.stop()?;
    scene.node.start()?;
    shows(&scene.node, "failed")?;
    assert_eq!(problems(&scene.node)?, ["probe-failed"]);
    containerd.restart()?;
    shows(&scene.node, "proven")?;
    ran("e2e::probe")
}

#[test]
fn a_way_around_is_seen_by_trying_whatever_opened_it() -> Outcome {
    let Some(ground) = Ground::at_hand_as_root("e2e::probe-open")? else { return Ok(()) };
    let mut scene = Scene::set(&ground)?;
    let mut containerd = ground.containerd(&scene.node)?;
    probing(&mut scene.node, &containerd, "")?;
    shows(&scene.node, "proven")?;

    // F-09: a configuration that is loaded anew, with one of the seven settings.
    let clean = containerd.settings().clone();
    let setting = "version = 3\n[plugins.'io.containerd.cri.v1.images']\nmax_concurrent_downloads = 5\n";
    *containerd.settings() = clean.clone().import(&scene.node.write("99-late.toml", setting)?);
    containerd.restart()?;
    let shown = shows(&scene.node, "not-refused")?;
    assert!(shown.contains("CRI: what must be refused was pulled"), "{shown}");
    assert_eq!(problems(&scene.node)?, ["probe-not-refused"]);
    let config = scene.node.path("config.toml");
    let status = ground.pullward.run(&ground.workspace, &["status", "--config", &config])?;
    assert_eq!(status.code, 1, "{}", status.all());
    assert!(scene.node.log().contains("enforcement is off"));
    *containerd.settings() = clean;
    containerd.restart()?;
    shows(&scene.node, "proven")?;
    assert_eq!(containerd.image_names()?, [""; 0]);

    // F-10, T-110: the folder is emptied while everything runs.
    let file = scene.node.join("verifiers/00-pullward-verifier");
    let hook = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    shows(&scene.node, "not-refused")?;
    // A program that refuses everything is not this agent.
    fs::write(&file, "#!/bin/false\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    let shown = shows(&scene.node, "failed")?;
    assert!(shown.contains("not by this agent"), "{shown}");
    fs::write(&file, hook).unwrap();
    shows(&scene.node, "proven")?;
    ran("e2e::probe-open")
}

#[test]
fn a_containerd_that_cannot_refuse_is_seen_too() -> Outcome {
    let Some(ground) = Ground::at_hand_as_root("e2e::probe-old")? else { return Ok(()) };
    let scene = Scene::set(&ground)?;
    let mut node = scene.node;
    node.trust(2, &policy_for(&scene.registry.host(), &scene.key.public))?;
    let containerd =
        Containerd::start(&ground.peers, &ground.workspace, Settings::new(ContainerdVersion::V1_7))?;
    probing(&mut node, &containerd, "")?;
    shows(&node, "not-refused")?;
    assert_eq!(containerd.image_names()?, [""; 0]);
    ran("e2e::probe-old")
}
