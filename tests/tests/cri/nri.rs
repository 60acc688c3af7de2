//! The NRI plugin on real containerds: containers are made past the proxy, by containerd's own socket.

use std::time::{Duration, Instant};

use pullward_tests::{ContainerdVersion, Cri, Error, Process, Signal, ran, wait_until};

use crate::stage::{Ground, Outcome, Scene, refused};

/// containerd drops a plugin after `plugin_request_timeout`, and the plugin tries again every 5 s at most.
const PATIENCE: Duration = Duration::from_secs(20);

/// Registers within a second of containerd's start; 1.7 has NRI switched off.
const SWITCHED_ON: &str = "[plugins.'io.containerd.nri.v1.nri']\ndisable = false\n";

/// A running `pullward-nri`.
struct Plugin(Process);

impl Plugin {
    fn start(scene: &Scene<'_>) -> Result<Self, Error> {
        let config = scene.node.config()?;
        let text = std::fs::read_to_string(&config).unwrap();
        let folder = scene.containerd.config_file();
        let socket = folder.parent().unwrap().join("nri.sock");
        let config =
            scene.node.write("nri.toml", &format!("{text}[nri]\nsocket = '{}'\n", socket.display()))?;
        let command =
            scene.ground.pullward.nri_command(&scene.ground.workspace, &config.display().to_string());
        let process = Process::spawn("pullward-nri", command, &scene.node.join("nri.log"))?;
        let plugin = Self(process);
        plugin.wait_registered(1)?;
        Ok(plugin)
    }

    fn wait_registered(&self, times: usize) -> Outcome {
        wait_until("the plugin's registration", PATIENCE, || {
            self.0.log().matches("registered: ").count() >= times
        })
    }
}

/// Everything that a container can be made of past the proxy, and what becomes of it when plugin or agent fail.
fn containers_are_judged_past_the_proxy(version: ContainerdVersion, name: &str) -> Outcome {
    let Some(ground) = Ground::at_hand(name)? else { return Ok(()) };
    let mut scene = Scene::set(&ground, version, SWITCHED_ON)?;
    scene.push_signed("app")?;
    scene.push("unsigned")?;
    let (app, bad) = (scene.tag("app"), scene.tag("unsigned"));
    // The pull by the proxy leaves the receipt; the other image comes by a way that nobody judges.
    let id = scene.cri()?.pull_for(&app, "demo", None)?;
    scene.ctr(&["images", "pull", "--local", "--plain-http", &bad])?;

    let mut plugin = Plugin::start(&scene)?;
    let cri = Cri::connect(&scene.containerd.socket())?;
    let pod = cri.run_pod("pod", "demo")?;
    let held = cri.image(&bad)?.expect("pulled past us");

    let container = cri.create(&pod, "app", &id, &app, "demo")?;
    cri.start(&container)?;
    assert_eq!(cri.state(&container)?, 1);
    // As old kubelets ask: by the image's id alone.
    cri.create(&pod, "old", &id, "", "demo")?;
    let message = refused(cri.create(&pod, "u1", &held.id, &bad, "demo"), "unsigned");
    assert!(message.contains(&bad) && message.contains("#release-team"), "{message}");
    refused(cri.create(&pod, "u2", &held.id, "", "demo"), "unsigned");
    // Under the signed image's own name.
    scene.ctr(&["images", "tag", "--force", &bad, &app])?;
    refused(cri.create(&pod, "u3", &held.id, &app, "demo"), "unsigned");

    // No agent, no container; the plugin stays registered meanwhile.
    scene.node.stop()?;
    refused(cri.create(&pod, "u4", &held.id, &bad, "demo"), "agent-unreachable");
    scene.node.start()?;
    refused(cri.create(&pod, "u5", &held.id, &bad, "demo"), "unsigned");

    // These containerds create what a plugin does not answer about: the hole that docs/nri.md tells of.
    let registered = plugin.0.log().matches("registered: ").count();
    plugin.0.signal(Signal::Stop)?;
    let asked = Instant::now();
    cri.create(&pod, "slow", &held.id, &bad, "demo")?;
    assert!(asked.elapsed() < PATIENCE, "containerd waited {:?}", asked.elapsed());
    plugin.0.signal(Signal::Continue)?;
    // Dropped, noticed, and back without anybody's help.
    plugin.wait_registered(registered + 1)?;
    refused(cri.create(&pod, "u6", &held.id, &bad, "demo"), "unsigned");

    // containerd restarted under it.
    let registered = plugin.0.log().matches("registered: ").count();
    scene.containerd.restart()?;
    plugin.wait_registered(registered + 1)?;
    let cri = Cri::connect(&scene.containerd.socket())?;
    wait_until("CRI", PATIENCE, || cri.images().is_ok())?;
    refused(cri.create(&pod, "u7", &held.id, &bad, "demo"), "unsigned");

    plugin.0.kill()?;
    cri.create(&pod, "dead", &held.id, &bad, "demo")?;
    cri.remove_pod(&pod)?;
    ran(name)
}

#[test]
fn containers_are_judged_past_the_proxy_on_containerd_2() -> Outcome {
    containers_are_judged_past_the_proxy(ContainerdVersion::V2, "cri::nri-2")
}

#[test]
fn containers_are_judged_past_the_proxy_on_containerd_1_7() -> Outcome {
    containers_are_judged_past_the_proxy(ContainerdVersion::V1_7, "cri::nri-1.7")
}
