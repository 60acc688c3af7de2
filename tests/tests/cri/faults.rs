//! Parts that are gone: the agent, containerd, the registry, the proxy itself.

use std::time::{Duration, Instant};

use pullward_tests::{ContainerdVersion, Cri, ran, wait_until};

use crate::stage::{Ground, Outcome, Scene, refused};

/// F-01, F-11, F-12: with the agent dead only pulls and starts are refused; containerd and proxy come back.
#[test]
fn what_is_gone_refuses_what_it_judges_and_comes_back() -> Outcome {
    let Some(ground) = Ground::at_hand("cri::faults")? else { return Ok(()) };
    let mut scene = Scene::set(&ground, ContainerdVersion::V2, "")?;
    scene.push_signed("app")?;
    let cri = scene.cri()?;
    let app = scene.tag("app");
    let pod = cri.run_pod("pod", "demo")?;
    let id = cri.pull_for(&app, "demo", None)?;
    let container = cri.create(&pod, "one", &id, &app, "demo")?;

    scene.node.agent()?.kill()?;
    refused(cri.pull_for(&app, "demo", None), "agent-unreachable");
    refused(cri.create(&pod, "two", &id, &app, "demo"), "agent-unreachable");
    cri.start(&container)?;
    assert_eq!(cri.state(&container)?, 1);
    assert!(!cri.images()?.is_empty());
    scene.node.start()?;
    cri.create(&pod, "three", &id, &app, "demo")?;

    // An agent that stands still is no agent, within the hook's time.
    scene.node.agent()?.signal(pullward_tests::Signal::Stop)?;
    let begin = Instant::now();
    refused(cri.create(&pod, "four", &id, &app, "demo"), "deadline-exceeded");
    assert!(begin.elapsed() < Duration::from_secs(10));
    scene.node.agent()?.signal(pullward_tests::Signal::Continue)?;

    scene.containerd.stop()?;
    assert!(cri.images().is_err());
    scene.containerd.restart()?;
    // The same connection of kubelet's: the proxy finds containerd again.
    wait_until("containerd behind the proxy", Duration::from_secs(20), || cri.images().is_ok())?;
    cri.create(&pod, "five", &id, &app, "demo")?;

    scene.proxy().process().kill()?;
    assert!(cri.images().is_err());
    scene.start_proxy()?;
    let cri = scene.cri()?;
    cri.create(&pod, "six", &id, &app, "demo")?;
    cri.remove_pod(&pod)?;
    ran("cri::faults")
}

/// The proxy dies while containerd pulls: nothing that was not judged is there, and the pull succeeds afterwards.
#[test]
fn a_proxy_killed_in_mid_pull_leaves_nothing_that_starts_unjudged() -> Outcome {
    let Some(ground) = Ground::at_hand("cri::mid-pull")? else { return Ok(()) };
    let mut scene = Scene::set(&ground, ContainerdVersion::V2, "")?;
    scene.push_signed("app")?;
    let app = scene.tag("app");
    // The verdict needs the registry, and so stands still with it; so does the pull.
    let socket = scene.proxy().socket().clone();
    scene.registry.signal(pullward_tests::Signal::Stop)?;
    let pulling = std::thread::spawn({
        let app = app.clone();
        move || Cri::connect(&socket)?.pull_for(&app, "demo", None)
    });
    wait_until("the agent to judge", Duration::from_secs(10), || {
        scene.node.status().is_ok_and(|status| status["verdicts"]["running"] == 1)
    })?;
    scene.proxy().process().kill()?;
    scene.registry.signal(pullward_tests::Signal::Continue)?;
    assert!(pulling.join().unwrap().is_err());
    assert!(!scene.containerd.image_names()?.contains(&app));
    scene.start_proxy()?;
    scene.cri()?.pull_for(&app, "demo", None)?;
    ran("cri::mid-pull")
}

/// F-52: after a reboot with the registry gone, what was pulled before starts, two hundred at once.
#[test]
fn two_hundred_cached_containers_are_made_with_the_registry_gone() -> Outcome {
    const ROUNDS: usize = 10;
    const AT_ONCE: usize = 20;
    let Some(ground) = Ground::at_hand("cri::F-52")? else { return Ok(()) };
    let mut scene = Scene::set(&ground, ContainerdVersion::V2, "")?;
    scene.push_signed("app")?;
    let app = scene.tag("app");
    let cri = scene.cri()?;
    let pod = cri.run_pod("pod", "demo")?;
    let id = cri.pull_for(&app, "demo", None)?;
    scene.registry.stop()?;
    scene.node.start()?;
    scene.start_proxy()?;
    let make = |socket: &std::path::Path, prefix: &str| -> Result<Duration, pullward_tests::Error> {
        let connections: Vec<Cri> =
            (0..AT_ONCE).map(|_| Cri::connect(socket)).collect::<Result<_, pullward_tests::Error>>()?;
        let begin = Instant::now();
        std::thread::scope(|scope| {
            let threads: Vec<_> = connections
                .iter()
                .enumerate()
                .map(|(thread, cri)| {
                    let (pod, id, app, name) = (&pod, &id, &app, format!("{prefix}-{thread}"));
                    scope.spawn(move || cri.create(pod, &name, id, app, "demo").map(drop))
                })
                .collect();
            threads.into_iter().try_for_each(|thread| thread.join().unwrap())
        })?;
        Ok(begin.elapsed())
    };
    // In turns: containerd gets slower with each container that it holds.
    let (through, past) = (scene.proxy().socket().clone(), scene.containerd.socket());
    let (mut proxied, mut direct) = (Duration::ZERO, Duration::ZERO);
    for round in 0..ROUNDS {
        direct += make(&past, &format!("direct-{round}"))?;
        proxied += make(&through, &format!("proxied-{round}"))?;
    }
    println!("{} containers: {direct:?} without, {proxied:?} with the proxy", ROUNDS * AT_ONCE);
    // A machine that others use as well is given more than the second that it may take.
    assert!(proxied < direct + Duration::from_secs(5), "{direct:?} without, {proxied:?} with the proxy");
    scene.cri()?.stop_pod(&pod)?;
    ran("cri::F-52")
}
