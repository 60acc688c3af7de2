//! What a real containerd holds, whoever brought it: shown, and removed or stopped where that is wanted.
//!
//! No hook is set up here. Everything comes by containerd's own command line, which asks nobody.

use std::time::{Duration, Instant};

use pullward_tests::{Containerd, ContainerdVersion, CosignVersion, Error, Image, Settings, ran, wait_until};
use serde_json::Value;

use crate::stage::{Ground, Outcome, Scene, digest_of};

/// Far more than anything takes; what must be fast has a bound of its own.
const SOON: Duration = Duration::from_secs(30);

/// A containerd without a hook, and the scene's agent watching it. `inventory` is the section's content.
fn watched(
    ground: &Ground,
    scene: &mut Scene<'_>,
    version: ContainerdVersion,
    inventory: &str,
) -> Result<Containerd, Error> {
    let containerd = Containerd::start(&ground.peers, &ground.workspace, Settings::new(version))?;
    watch(scene, &containerd, inventory)?;
    Ok(containerd)
}

fn watch(scene: &mut Scene<'_>, containerd: &Containerd, inventory: &str) -> Outcome {
    let address = containerd.socket().display().to_string();
    scene.node.configure(&format!("[containerd]\naddress = '{address}'\n[inventory]\n{inventory}"));
    scene.node.start()?;
    until(scene, "containerd is watched", |inventory| {
        inventory["connected"] == true && inventory["lists"].as_u64() >= Some(1)
    })
}

fn until(scene: &Scene<'_>, what: &str, reached: impl Fn(&Value) -> bool) -> Outcome {
    let mut last = Value::Null;
    let waited = wait_until(what, SOON, || {
        last = scene.node.status().map_or(Value::Null, |status| status["inventory"].clone());
        reached(&last)
    });
    waited.unwrap_or_else(|error| panic!("{error}: {last}\n{}", scene.node.log()));
    Ok(())
}

fn pull(containerd: &Containerd, namespace: &str, reference: &str) -> Outcome {
    containerd.ctr(namespace, &["image", "pull", "--plain-http", "--local", reference]).or_else(|_| {
        // 1.6 pulls in no other way and does not know the flag.
        containerd.ctr(namespace, &["image", "pull", "--plain-http", reference])
    })?;
    Ok(())
}

/// `pullward audit -o json`: the exit code and the document.
fn audit(ground: &Ground, scene: &Scene<'_>) -> Result<(i32, Value), Error> {
    let config = scene.node.path("config.toml");
    let ran = ground.pullward.run(&ground.workspace, &["audit", "--config", &config, "-o", "json"])?;
    match serde_json::from_str(&ran.out) {
        Ok(document) => Ok((ran.code, document)),
        Err(error) => panic!("{error}: {}", ran.all()),
    }
}

/// Verdict and reason of a name.
#[track_caller]
fn found(document: &Value, namespace: &str, name: &str) -> (String, String) {
    let images = document["images"].as_array().expect("images");
    let row = images.iter().find(|row| row["namespace"] == namespace && row["name"] == name);
    let row = row.unwrap_or_else(|| panic!("no {name} in {namespace}: {document}"));
    let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
    (text("verdict"), text("reason"))
}

fn pair(verdict: &str, reason: &str) -> (String, String) {
    (verdict.to_owned(), reason.to_owned())
}

fn names(containerd: &Containerd, namespace: &str) -> Vec<String> {
    containerd.image_names_in(namespace).unwrap_or_default()
}

#[test]
fn every_name_in_every_namespace_is_shown_on_containerd_2() -> Outcome {
    shown("e2e::inventory-2", ContainerdVersion::V2)
}

#[test]
fn every_name_in_every_namespace_is_shown_on_containerd_1_6() -> Outcome {
    shown("e2e::inventory-1.6", ContainerdVersion::V1_6)
}

#[test]
fn every_name_in_every_namespace_is_shown_on_containerd_1_7() -> Outcome {
    shown("e2e::inventory-1.7", ContainerdVersion::V1_7)
}

/// T-22, T-114, T-115: pulls past the hook, imports, other names and other namespaces; labels change nothing.
fn shown(name: &str, version: ContainerdVersion) -> Outcome {
    let Some(ground) = Ground::at_hand_as_root(name)? else { return Ok(()) };
    let mut scene = Scene::set(&ground)?;
    let containerd = watched(&ground, &mut scene, version, "")?;
    let signed = scene.tag();
    let unsigned_pinned = ground.push(&scene.registry, "unsigned")?;
    let unsigned = scene.registry.reference("team/unsigned:v1");

    let (code, document) = audit(&ground, &scene)?;
    assert_eq!(
        (code, document["fine"].as_bool(), document["images"].as_array()),
        (0, Some(true), Some(&vec![]))
    );

    pull(&containerd, "k8s.io", &signed)?;
    let (code, document) = audit(&ground, &scene)?;
    assert_eq!(found(&document, "k8s.io", &signed), pair("allowed", "signed"), "{document}");
    assert_eq!((code, document["judged_by"].as_str()), (0, Some("agent")));

    // Past every hook, into three namespaces, with labels that say what somebody would like to read.
    pull(&containerd, "k8s.io", &unsigned)?;
    containerd.ctr("k8s.io", &["image", "label", &unsigned, "pullward.verified=true", "verified=true"])?;
    let archive = ground.workspace.join("unsigned.tar").display().to_string();
    containerd.ctr("k8s.io", &["image", "export", &archive, &unsigned])?;
    for namespace in ["default", "moby"] {
        containerd.ctr(namespace, &["image", "import", &archive])?;
    }
    // The name of a signed image for other content, a name of no host, and what CRI calls an image.
    let poisoned = scene.registry.reference("team/app:poisoned");
    containerd.ctr("k8s.io", &["image", "tag", &unsigned, &poisoned])?;
    containerd.ctr("k8s.io", &["image", "tag", &unsigned, "import-2026-11-24:x"])?;
    let id = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    containerd.ctr("k8s.io", &["image", "tag", &signed, id])?;
    let (code, document) = audit(&ground, &scene)?;
    assert_eq!(code, 1, "{document}");
    for namespace in ["k8s.io", "default", "moby"] {
        assert_eq!(found(&document, namespace, &unsigned), pair("denied", "unsigned"), "{namespace}");
    }
    assert_eq!(found(&document, "k8s.io", &poisoned), pair("denied", "unsigned"));
    let nameless = pair("unverifiable", "name-not-qualified");
    assert_eq!(found(&document, "k8s.io", "import-2026-11-24:x"), nameless);
    assert_eq!(found(&document, "k8s.io", id), pair("allowed", "signed"));
    assert_eq!(found(&document, "k8s.io", &signed), pair("allowed", "signed"));
    let notes = document["notes"].to_string();
    assert!(notes.contains("namespace moby") && notes.contains("docker"), "{notes}");
    assert!(notes.contains("namespace default") && notes.contains("nerdctl"), "{notes}");
    // CRI itself has given the unsigned image an id, as a second name.
    let denied =
        document["images"].as_array().unwrap().iter().filter(|row| row["verdict"] == "denied").count();
    assert!(denied >= 4 && document["counts"]["denied"] == denied, "{document}");
    let listed: Vec<_> = document["images"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["namespace"].to_string(), row["name"].to_string()))
        .collect();
    assert!(listed.is_sorted(), "{listed:?}");

    // The agent has seen the same by itself, and says so in status.
    until(&scene, "the agent has counted", |inventory| {
        inventory["denied"] == denied
            && inventory["unverifiable"] == 1
            && inventory["allowed"].as_u64() >= Some(2)
    })?;
    let problems = scene.node.status()?["problems"].to_string();
    assert!(problems.contains("unverified-images"), "{problems}");
    // Nothing was told to be removed.
    assert!(names(&containerd, "k8s.io").contains(&unsigned));

    // Without the agent the command judges by itself.
    scene.node.stop()?;
    let (code, document) = audit(&ground, &scene)?;
    assert_eq!((code, document["judged_by"].as_str()), (1, Some("command")));
    assert_eq!(found(&document, "moby", &unsigned), pair("denied", "unsigned"));
    assert_eq!(found(&document, "k8s.io", &signed), pair("allowed", "signed"));

    // With the registry gone as well, what was not decided is not called unsigned.
    drop((scene.registry, unsigned_pinned));
    let config = scene.node.path("config.toml");
    let ran_text = ground.pullward.run(&ground.workspace, &["audit", "--config", &config])?;
    assert!(
        ran_text.out.contains("undecided") && ran_text.out.contains("evidence-unreachable"),
        "{}",
        ran_text.all()
    );
    drop(containerd);
    let gone = ground.pullward.run(&ground.workspace, &["audit", "--config", &config])?;
    assert_eq!(gone.code, 2, "{}", gone.all());
    ran(name)
}

#[test]
fn unverified_images_are_removed_on_containerd_2() -> Outcome {
    removed("e2e::inventory-remove-2", ContainerdVersion::V2)
}

#[test]
fn unverified_images_are_removed_on_containerd_1_6() -> Outcome {
    removed("e2e::inventory-remove-1.6", ContainerdVersion::V1_6)
}

/// What is refused loses its name, and nothing else does: also not while nobody can say.
fn removed(name: &str, version: ContainerdVersion) -> Outcome {
    let Some(ground) = Ground::at_hand_as_root(name)? else { return Ok(()) };
    let mut scene = Scene::set(&ground)?;
    let mut containerd = Containerd::start(&ground.peers, &ground.workspace, Settings::new(version))?;
    let (signed, unsigned) = (scene.tag(), scene.registry.reference("team/unsigned:v1"));
    let pinned = ground.push(&scene.registry, "unsigned")?;
    // What is there before the agent is, and what comes while it watches.
    pull(&containerd, "k8s.io", &unsigned)?;
    pull(&containerd, "k8s.io", &signed)?;
    let id = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    containerd.ctr("k8s.io", &["image", "tag", &signed, id])?;
    watch(&mut scene, &containerd, "unverified = 'remove'")?;
    let log = scene.node.join("agent.log");
    let gone = |what: &str, containerd: &Containerd, namespace: &str, image: &str| {
        let waited = wait_until(what, SOON, || !names(containerd, namespace).contains(&image.to_owned()));
        let log = || std::fs::read_to_string(&log).unwrap_or_default();
        waited.unwrap_or_else(|error| panic!("{error}: {:?}\n{}", names(containerd, namespace), log()));
    };
    gone("removed at first sight", &containerd, "k8s.io", &unsigned);
    for namespace in ["moby", "default"] {
        pull(&containerd, namespace, &unsigned)?;
        gone("removed as it comes", &containerd, namespace, &unsigned);
    }
    containerd.ctr("k8s.io", &["image", "tag", &signed, "import-1:x"])?;
    gone("a name that no rule could match", &containerd, "k8s.io", "import-1:x");
    assert!(
        names(&containerd, "k8s.io").contains(&signed)
            && names(&containerd, "k8s.io").contains(&id.to_owned())
    );
    let log = scene.node.log();
    assert!(log.contains("unverified image removed") && log.contains(digest_of(&pinned)), "{log}");
    assert!(scene.node.status()?["inventory"]["removed"].as_u64() >= Some(4));

    // containerd goes away and comes back; what came while nobody watched is found.
    let before = scene.node.status()?["inventory"]["connections"].as_u64();
    scene.node.stop()?;
    pull(&containerd, "k8s.io", &unsigned)?;
    containerd.stop()?;
    scene.node.start()?;
    assert_eq!(scene.node.status()?["inventory"]["connected"], false);
    containerd.restart()?;
    gone("what came while the agent was away", &containerd, "k8s.io", &unsigned);
    assert_eq!(before, Some(1));
    containerd.restart()?;
    until(&scene, "containerd is watched again", |inventory| {
        inventory["connected"] == true && inventory["connections"].as_u64() >= Some(2)
    })?;
    pull(&containerd, "k8s.io", &unsigned)?;
    gone("after containerd's restart", &containerd, "k8s.io", &unsigned);
    assert!(names(&containerd, "k8s.io").contains(&signed));
    ran(name)
}

/// Nobody can be asked: nothing is removed and nothing is called unsigned; and when somebody can, it is.
#[test]
fn an_outage_of_the_registry_removes_nothing() -> Outcome {
    let Some(ground) = Ground::at_hand_as_root("e2e::inventory-outage")? else { return Ok(()) };
    let mut scene = Scene::set(&ground)?;
    let containerd =
        Containerd::start(&ground.peers, &ground.workspace, Settings::new(ContainerdVersion::V2))?;
    ground.push(&scene.registry, "unsigned")?;
    let (signed, unsigned) = (scene.tag(), scene.registry.reference("team/unsigned:v1"));
    pull(&containerd, "k8s.io", &signed)?;
    pull(&containerd, "k8s.io", &unsigned)?;
    let Scene { node, registry, .. } = &mut scene;
    registry.stop()?;
    let address = containerd.socket().display().to_string();
    node.configure(&format!("[containerd]\naddress = '{address}'\n[inventory]\nunverified = 'remove'"));
    node.start()?;
    until(&scene, "both are undecided", |inventory| inventory["undecided"].as_u64() >= Some(2))?;
    let left = names(&containerd, "k8s.io");
    assert!(left.contains(&signed) && left.contains(&unsigned), "{left:?}");
    assert_eq!(scene.node.status()?["inventory"]["removed"], 0);
    ran("e2e::inventory-outage")
}

#[test]
fn a_container_of_an_unverified_image_is_stopped_on_containerd_2() -> Outcome {
    stopped("e2e::inventory-stop-2", ContainerdVersion::V2)
}

#[test]
fn a_container_of_an_unverified_image_is_stopped_on_containerd_1_6() -> Outcome {
    stopped("e2e::inventory-stop-1.6", ContainerdVersion::V1_6)
}

/// Starts in any namespace are seen within a second, and stopped where that is wanted.
fn stopped(name: &str, version: ContainerdVersion) -> Outcome {
    let Some(ground) = Ground::at_hand_as_root(name)? else { return Ok(()) };
    let mut scene = Scene::set(&ground)?;
    let good = scene.registry.reference("team/good:v1");
    let bad = scene.registry.reference("team/bad:v1");
    let pinned = ground.crane().push(&good, &Image::runnable("good", &ground.peers)?)?;
    ground.cosign(CosignVersion::Three)?.sign(&scene.key, &pinned)?;
    ground.crane().push(&bad, &Image::runnable("bad", &ground.peers)?)?;
    let containerd = watched(&ground, &mut scene, version, "")?;
    for namespace in ["k8s.io", "moby"] {
        pull(&containerd, namespace, &good)?;
        pull(&containerd, namespace, &bad)?;
    }
    // runc keeps its containers in one place for all containerds.
    let ids = ["one", "two", "three", "four"].map(|id| format!("{id}-{version:?}-{}", std::process::id()));
    let [one, two, three, four] = ids.each_ref().map(String::as_str);
    let start = |namespace: &str, image: &str, id: &str| {
        let command = ["run", "-d", image, id, "/bin/sh", "-c", "read never </dev/ptmx || sleep 1000"];
        containerd.ctr(namespace, &command)
    };
    let alive = |namespace: &str, id: &str| {
        let listed = containerd.ctr(namespace, &["task", "ls"]).unwrap_or_default();
        listed.lines().any(|line| line.starts_with(id) && line.contains("RUNNING"))
    };
    start("k8s.io", &good, one)?;
    start("moby", &bad, two)?;
    let seen = Instant::now();
    until(&scene, "both are seen", |inventory| {
        inventory["running"] == 2 && inventory["running_unverified"] == 1
    })?;
    // The bound is the issue's; polling for it is part of it.
    assert!(seen.elapsed() < Duration::from_secs(3), "{:?}", seen.elapsed());
    let (code, document) = audit(&ground, &scene)?;
    assert_eq!(code, 1);
    let running = document["running"].as_array().unwrap();
    let row = |id: &str| running.iter().find(|row| row["container"] == id).unwrap();
    assert_eq!(row(one)["verdict"], "allowed");
    assert_eq!(
        (row(two)["verdict"].as_str(), row(two)["reason"].as_str()),
        (Some("denied"), Some("unsigned"))
    );
    assert_eq!((row(two)["way"].as_str(), row(two)["namespace"].as_str()), (Some("docker"), Some("moby")));
    assert!(row(two)["pid"].as_u64() > Some(0));
    assert!(alive("moby", two), "only reported");
    assert!(scene.node.log().contains("a container of an unverified image runs"), "{}", scene.node.log());

    // Stop: what runs already, and what starts.
    let address = containerd.socket().display().to_string();
    scene.node.configure(&format!("[containerd]\naddress = '{address}'\n[inventory]\nrunning = 'stop'"));
    scene.node.start()?;
    let ended = |what: &str, namespace: &str, id: &str| {
        wait_until(what, SOON, || !alive(namespace, id))
            .unwrap_or_else(|error| panic!("{error}\n{}", scene.node.log()));
    };
    ended("what ran already", "moby", two);
    // It may be killed before it has started, and then its start fails.
    if let Err(error) = start("k8s.io", &bad, three) {
        assert!(error.to_string().contains("stopped"), "{error}");
        containerd.ctr("k8s.io", &["container", "rm", three]).ok();
    }
    ended("what starts", "k8s.io", three);
    start("moby", &good, four)?;
    until(&scene, "the good one is seen", |inventory| inventory["running"].as_u64() >= Some(2))?;
    assert!(alive("k8s.io", one) && alive("moby", four));
    assert!(scene.node.log().contains("container of an unverified image killed"));
    assert!(scene.node.status()?["inventory"]["stopped"].as_u64() >= Some(2));

    for (namespace, id) in [("k8s.io", one), ("moby", four)] {
        containerd.ctr(namespace, &["task", "kill", "-s", "SIGKILL", id])?;
        wait_until("it has ended", SOON, || !alive(namespace, id))?;
    }
    for (namespace, id) in [("k8s.io", one), ("moby", four), ("moby", two), ("k8s.io", three)] {
        // `ctr run -d` leaves the task and the container behind.
        // One that was stopped before it started has left nothing.
        containerd.ctr(namespace, &["task", "rm", id]).ok();
        containerd.ctr(namespace, &["container", "rm", id]).ok();
    }
    ran(name)
}

#[test]
fn evidence_is_read_from_containerd_2() -> Outcome {
    evidence("e2e::inventory-evidence-2", ContainerdVersion::V2)
}

#[test]
fn evidence_is_read_from_containerd_1_6() -> Outcome {
    evidence("e2e::inventory-evidence-1.6", ContainerdVersion::V1_6)
}

/// Store, containerd, registry: what containerd holds is read from it, with the registry gone, in every format.
fn evidence(name: &str, version: ContainerdVersion) -> Outcome {
    let Some(ground) = Ground::at_hand_as_root(name)? else { return Ok(()) };
    let mut scene = Scene::set(&ground)?;
    let old = ground.push(&scene.registry, "old")?;
    ground.cosign(CosignVersion::Two)?.sign(&scene.key, &old)?;
    let mut containerd = watched(&ground, &mut scene, version, "unverified = 'remove'")?;
    let tag = |pinned: &str, suffix: &str| {
        let (repository, digest) = pinned.split_once('@').unwrap();
        format!("{repository}:{}{suffix}", digest.replace(':', "-"))
    };
    // The legacy signature by its tag, the referrer by its fallback tag.
    let (legacy, referrer) = (tag(&old.replace(":v1", ""), ".sig"), tag(&scene.signed, ""));
    for evidence in [&legacy, &referrer] {
        containerd.ctr("k8s.io", &["content", "fetch", "--plain-http", "--all-platforms", evidence])?;
    }
    until(&scene, "evidence is known as such", |inventory| inventory["evidence"].as_u64() >= Some(2))?;
    assert_eq!(scene.node.status()?["inventory"]["removed"], 0);

    let config = scene.node.path("config.toml");
    scene.registry.stop()?;
    for image in [&old, &scene.signed] {
        let (code, verdict) = ground.verify(&["--config", &config, image])?;
        assert_eq!((code, verdict["reason"].as_str()), (0, Some("signed")), "{verdict}");
        assert_eq!(verdict["evidence"][0]["source"], "containerd", "{verdict}");
        // The registry is gone, and nobody needed it.
        let notes = verdict["notes"].to_string();
        assert!(!notes.contains("registry"), "{notes}");
    }
    // Of another image containerd holds nothing: then the registry is missed.
    let other = format!("{}@{}", old.split('@').next().unwrap(), digest_of(&scene.signed).replace('0', "1"));
    let (code, verdict) = ground.verify(&["--config", &config, &other])?;
    assert_eq!((code, verdict["reason"].as_str()), (2, Some("evidence-unreachable")), "{verdict}");
    // containerd's socket is there and nobody answers: a source that failed.
    containerd.stop()?;
    std::fs::remove_file(containerd.socket()).ok();
    drop(std::os::unix::net::UnixListener::bind(containerd.socket()).unwrap());
    let (code, verdict) = ground.verify(&["--config", &config, "--offline", &old])?;
    assert_eq!((code, verdict["reason"].as_str()), (2, Some("evidence-unreachable")), "{verdict}");
    assert!(verdict["message"].to_string().contains("containerd"), "{verdict}");
    ran(name)
}
