//! The agent gone, standing still, replaced, or spoken to from a hostile environment: nothing is let through.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use pullward_tests::{Containerd, ContainerdVersion, Settings, Signal, descriptor, finish, ran};

use crate::stage::{Ground, MANIFEST, Outcome, Scene, allowed, denied, digest_of, refused};

#[test]
fn without_agent_pulls_are_refused_and_with_it_again_they_are_not() -> Outcome {
    let Some(ground) = Ground::at_hand_as_root("e2e::agent-gone")? else { return Ok(()) };
    let mut scene = Scene::set(&ground)?;
    let containerd = ground.containerd(&scene.node)?;
    let cri = containerd.cri()?;

    scene.node.stop()?;
    refused(cri.pull(&scene.tag()), "agent-unreachable");
    refused(containerd.transfer("k8s.io", &scene.tag()), "agent-unreachable");
    scene.node.start()?;
    cri.pull(&scene.tag())?;
    cri.remove(&scene.tag())?;

    // Killed: the socket's file stays behind, and nobody listens.
    scene.node.agent()?.signal(Signal::Kill)?;
    scene.node.agent()?.wait_ended(Duration::from_secs(10))?;
    assert!(scene.node.join("run/verifier.sock").exists());
    refused(cri.pull(&scene.tag()), "agent-unreachable");
    scene.node.start()?;
    cri.pull(&scene.tag())?;
    ran("e2e::agent-gone")
}

/// F-02: the hook gives up before containerd does, so that the reason is ours.
#[test]
fn an_agent_that_stands_still_is_a_denial_within_the_hooks_deadline() -> Outcome {
    let Some(ground) = Ground::at_hand_as_root("e2e::F-02")? else { return Ok(()) };
    let mut scene = Scene::set(&ground)?;
    let containerd = ground.containerd(&scene.node)?;
    scene.node.agent()?.signal(Signal::Stop)?;
    let begin = Instant::now();
    refused(containerd.cri()?.pull(&scene.tag()), "deadline-exceeded");
    let took = begin.elapsed();
    assert!(took > Duration::from_secs(7) && took < Duration::from_secs(10), "{took:?}");
    assert_eq!(containerd.image_names()?, [""; 0]);
    scene.node.agent()?.signal(Signal::Continue)?;
    containerd.cri()?.pull(&scene.tag())?;
    ran("e2e::F-02")
}

/// F-01: killed in the middle of a verdict. The registry stands still, so the agent is still asking it.
#[test]
fn an_agent_killed_half_way_is_a_denial() -> Outcome {
    let Some(ground) = Ground::at_hand("e2e::F-01")? else { return Ok(()) };
    let mut scene = Scene::set(&ground)?;
    scene.node.set_up()?;
    // Not judged before: what was is answered from the store.
    scene.registry.signal(Signal::Stop)?;
    let (name, digest) = scene.signed.split_once('@').unwrap();
    let (command, input) = (scene.node.hook_command(name, digest), descriptor(MANIFEST, digest, 426));
    let hook = std::thread::spawn(move || finish(command, input.as_bytes()));
    let status = || scene.node.status().is_ok_and(|status| status["verdicts"]["running"].as_u64() > Some(0));
    pullward_tests::wait_until("a verdict under way", Duration::from_secs(10), status)?;
    scene.node.agent()?.signal(Signal::Kill)?;
    let answer = hook.join().unwrap()?;
    scene.registry.signal(Signal::Continue)?;
    denied(&(answer.code, answer.out), 2, "agent-unreachable");
    ran("e2e::F-01")
}

/// F-13: a registry that accepts and says nothing.
#[test]
fn a_registry_that_stands_still_is_a_denial_in_time() -> Outcome {
    let Some(ground) = Ground::at_hand("e2e::F-13")? else { return Ok(()) };
    let mut scene = Scene::set(&ground)?;
    scene.node.set_up()?;
    scene.registry.signal(Signal::Stop)?;
    let begin = Instant::now();
    let answer = scene.hook(&scene.signed)?;
    let took = begin.elapsed();
    scene.registry.signal(Signal::Continue)?;
    assert_eq!(answer.0, 2, "{}", answer.1);
    let reasons = [": evidence-unreachable: ", ": deadline-exceeded: "];
    assert!(reasons.iter().any(|reason| answer.1.contains(reason)), "{}", answer.1);
    assert!(took < Duration::from_secs(9), "{took:?}");
    allowed(&scene.hook(&scene.signed)?);
    ran("e2e::F-13")
}

/// F-47: whoever can make a socket in the agent's place is not believed.
#[test]
fn a_socket_that_others_can_have_made_is_not_asked() -> Outcome {
    let Some(ground) = Ground::at_hand_as_root("e2e::F-47")? else { return Ok(()) };
    let mut scene = Scene::set(&ground)?;
    scene.node.set_up()?;
    let socket = scene.node.join("run/verifier.sock");
    let folder = scene.node.join("run");
    allowed(&scene.hook(&scene.signed)?);

    chown(&socket, Some(1), Some(1)).unwrap();
    denied(&scene.hook(&scene.signed)?, 2, "socket-untrusted");
    chown(&socket, Some(0), Some(0)).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    denied(&scene.hook(&scene.signed)?, 2, "socket-untrusted");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    allowed(&scene.hook(&scene.signed)?);

    scene.node.stop()?;
    drop(std::fs::remove_file(&socket));
    std::os::unix::fs::symlink(scene.node.join("elsewhere"), &socket).unwrap();
    denied(&scene.hook(&scene.signed)?, 2, "socket-untrusted");
    std::fs::remove_file(&socket).unwrap();
    // One that listens and never answers: the deadline, and a denial.
    let silent = UnixListener::bind(&socket).unwrap();
    denied(&scene.hook(&scene.signed)?, 2, "deadline-exceeded");
    drop(silent);
    ran("e2e::F-47")
}

/// T-121: containerd's environment is the hook's. Nothing in it counts, in the hook, the agent, or between them.
#[test]
fn a_hostile_environment_changes_nothing() -> Outcome {
    let Some(ground) = Ground::at_hand_as_root("e2e::T-121")? else { return Ok(()) };
    let mut scene = Scene::set(&ground)?;
    let unsigned = ground.push(&scene.registry, "unsigned")?;
    let elsewhere = ground.workspace.folder("elsewhere")?.display().to_string();
    ground.workspace.write("elsewhere/config.json", r#"{"auths":{}}"#)?;
    let hostile = [
        ("HTTP_PROXY", "http://127.0.0.1:9"),
        ("http_proxy", "http://127.0.0.1:9"),
        ("HTTPS_PROXY", "http://127.0.0.1:9"),
        ("ALL_PROXY", "socks5://127.0.0.1:9"),
        ("SSL_CERT_FILE", "/dev/null"),
        ("DOCKER_CONFIG", elsewhere.as_str()),
        ("HOME", elsewhere.as_str()),
        ("XDG_CONFIG_HOME", elsewhere.as_str()),
        ("PULLWARD_SOCKET", "/nonexistent.sock"),
        ("PULLWARD_CONFIG", "/nonexistent.toml"),
        ("PULLWARD_OFFLINE", "1"),
        ("RUST_LOG", "trace"),
        ("RUST_BACKTRACE", "full"),
        ("LISTEN_FDS", "2"),
        ("LISTEN_PID", "1"),
        ("TMPDIR", "/nonexistent"),
    ];
    scene.node.start_with(&hostile)?;
    let (_, drop_in) = scene.node.set_up()?;
    let mut settings = Settings::new(ContainerdVersion::V2).import(&drop_in);
    // A proxy would be containerd's own, and its pulls fail with it.
    for (name, value) in hostile.iter().filter(|(name, _)| !name.to_lowercase().ends_with("proxy")) {
        settings = settings.environment(name, value);
    }
    let containerd = Containerd::start(&ground.peers, &ground.workspace, settings)?;
    let cri = containerd.cri()?;
    cri.pull(&scene.tag())?;
    refused(cri.pull(&unsigned), "unsigned");
    ran("e2e::T-121")
}

/// What containerd never says: each is refused, with the code for it, in one line.
#[test]
fn a_question_that_containerd_does_not_ask_is_refused() -> Outcome {
    let Some(ground) = Ground::at_hand("e2e::questions")? else { return Ok(()) };
    let scene = Scene::set(&ground)?;
    scene.node.set_up()?;
    let (name, digest) = scene.signed.split_once('@').unwrap();
    let good = descriptor(MANIFEST, digest, 426);
    let other = format!("sha256:{}", "0".repeat(64));
    let huge = format!(
        "{{\"mediaType\":\"{MANIFEST}\",\"digest\":\"{digest}\",\"size\":1,\"annotations\":{{\"a\":\"{}\"}}}}",
        "x".repeat(1 << 20)
    );
    for (what, name, digest, descriptor, reason) in [
        (
            "the descriptor of something else",
            name,
            digest,
            descriptor(MANIFEST, &other, 426),
            "descriptor-invalid",
        ),
        ("no descriptor", name, digest, String::new(), "descriptor-invalid"),
        ("half a descriptor", name, digest, good[..good.len() / 2].to_owned(), "descriptor-invalid"),
        ("a descriptor of 1 MB", name, digest, huge, "descriptor-invalid"),
        ("no image's media type", name, digest, descriptor("text/plain", digest, 426), "descriptor-invalid"),
        ("an upper-case digest", name, &digest.to_uppercase(), good.clone(), "digest-invalid"),
        ("a name that is none", "UPPER/case", digest, good.clone(), "reference-invalid"),
    ] {
        let ran = scene.node.hook(name, digest, &descriptor)?;
        assert_eq!(ran.code, 2, "{what}: {}", ran.all());
        assert!(ran.out.contains(&format!(": {reason}: ")), "{what}: {}", ran.all());
        assert_eq!(ran.out.lines().count(), 1, "{what}: {}", ran.all());
        assert!(ran.out.len() <= 1025, "{what}");
    }
    // The name says one digest, the argument another.
    let conflicting = scene.node.hook(&format!("{name}@{other}"), digest, &good)?;
    assert_eq!(conflicting.code, 2, "{}", conflicting.all());
    assert!(conflicting.out.contains(": digest-conflict: "), "{}", conflicting.all());
    assert_eq!(digest_of(&scene.signed), digest);
    ran("e2e::questions")
}
