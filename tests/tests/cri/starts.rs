//! Containers that are really started through the proxy, and those that are not.

use pullward_tests::{ContainerdVersion, ran};

use crate::stage::{Ground, Outcome, Scene, refused};

/// The whole path on one containerd: pause pulled and judged, signed image pulled, container made, started, running;
/// then every other way for an unsigned image.
fn only_signed_images_start(version: ContainerdVersion, name: &str) -> Outcome {
    let Some(ground) = Ground::at_hand(name)? else { return Ok(()) };
    let mut scene = Scene::set(&ground, version, "")?;
    scene.push_signed("app")?;
    let unsigned = scene.push("unsigned")?;
    let cri = scene.cri()?;

    let pod = cri.run_pod("pod", "demo")?;
    let app = scene.tag("app");
    let id = cri.pull_for(&app, "demo", None)?;
    let container = cri.create(&pod, "app", &id, &app, "demo")?;
    cri.start(&container)?;
    assert_eq!(cri.state(&container)?, 1);
    // As old kubelets ask: without the name that the pod says. Then by name, and by digest.
    cri.create(&pod, "old", &id, "", "demo")?;
    cri.create(&pod, "named", &app, "", "demo")?;

    // Not pulled, by tag or digest.
    let bad = scene.tag("unsigned");
    let message = refused(cri.pull_for(&bad, "demo", None), "unsigned");
    assert!(message.starts_with("SignatureValidationFailed: denied: "), "{message}");
    refused(cri.pull(&unsigned), "unsigned");
    refused(cri.create(&pod, "absent", &bad, &bad, "demo"), "image-absent");

    // On the node by another way: not started.
    let past = match version {
        ContainerdVersion::V1_6 => vec!["images", "pull", "--plain-http", &bad],
        _ => vec!["images", "pull", "--local", "--plain-http", &bad],
    };
    scene.ctr(&past)?;
    let held = cri.image(&bad)?.expect("pulled past us");
    let message = refused(cri.create(&pod, "u1", &held.id, &bad, "demo"), "unsigned");
    assert!(message.contains(&bad), "{message}");
    refused(cri.create(&pod, "u2", &held.id, "", "demo"), "unsigned");
    refused(cri.create(&pod, "u3", &bad, "", "demo"), "unsigned");

    // Under a name that is allowed without evidence, and under the signed image's own.
    let pause = scene.registry.reference("infra/pause:other");
    scene.ctr(&["images", "tag", &bad, &pause])?;
    refused(cri.create(&pod, "u4", &held.id, &pause, "demo"), "allow-unpinned");
    scene.ctr(&["images", "tag", "--force", &bad, &app])?;
    refused(cri.create(&pod, "u5", &held.id, &app, "demo"), "unsigned");
    // The good image is still good by its id and digest, although its tag is gone.
    cri.remove_pod(&pod)?;
    ran(name)
}

#[test]
fn only_signed_images_start_on_containerd_2() -> Outcome {
    only_signed_images_start(ContainerdVersion::V2, "cri::starts-2")
}

#[test]
fn only_signed_images_start_on_containerd_1_7() -> Outcome {
    only_signed_images_start(ContainerdVersion::V1_7, "cri::starts-1.7")
}

#[test]
fn only_signed_images_start_on_containerd_1_6() -> Outcome {
    only_signed_images_start(ContainerdVersion::V1_6, "cri::starts-1.6")
}
