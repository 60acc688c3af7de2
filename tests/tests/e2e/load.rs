//! Many at a time.

use std::sync::Mutex;

use pullward_tests::{CosignVersion, Image, Signal, descriptor, ran};

use crate::stage::{Ground, MANIFEST, Outcome, Scene, allowed, digest_of};

/// How many images, and how many hooks that containerd would run at once.
const IMAGES: usize = 200;

/// 200 verdicts of 200 digests against a registry, all asked at once: all are right, none is an error.
#[test]
fn two_hundred_verdicts_of_two_hundred_digests_at_once() -> Outcome {
    let Some(ground) = Ground::at_hand("e2e::F-28")? else { return Ok(()) };
    let mut scene = Scene::set(&ground)?;
    scene.node.set_up()?;
    let cosign = ground.cosign(CosignVersion::Three)?;
    // Signing 200 times takes cosign a minute. One in ten is signed; both answers are wanted.
    let crane = ground.crane();
    let mut images = Vec::new();
    for number in 0..IMAGES / 10 {
        let reference = scene.registry.reference(&format!("team/load:{number}"));
        let image = crane.push(&reference, &Image::named(&format!("load {number}")))?;
        if number % 2 == 0 {
            cosign.sign(&scene.key, &image)?;
        }
        images.push((image, number % 2 == 0));
    }
    // The rest are manifests that differ in an annotation: pushed in one request each.
    let base = scene.registry.manifest("team/load", digest_of(&images[0].0))?.json()?;
    for number in images.len()..IMAGES {
        let mut manifest = base.clone();
        manifest["annotations"] = serde_json::json!({ "number": number.to_string() });
        let bytes = serde_json::to_vec(&manifest).unwrap();
        let digest = scene.registry.put_manifest("team/load", &format!("m{number}"), MANIFEST, &bytes)?;
        images.push((scene.registry.reference(&format!("team/load@{digest}")), false));
    }

    let answers = Mutex::new(Vec::new());
    let node = &scene.node;
    std::thread::scope(|scope| {
        for (image, signed) in &images {
            let answers = &answers;
            scope.spawn(move || {
                let (name, digest) = image.split_once('@').unwrap();
                let answer = node.hook(name, digest, &descriptor(MANIFEST, digest, 426));
                answers.lock().unwrap().push((*signed, answer));
            });
        }
    });
    let answers = answers.into_inner().unwrap();
    assert_eq!(answers.len(), IMAGES);
    for (signed, answer) in answers {
        let answer = answer?;
        if signed {
            allowed(&(answer.code, answer.out));
        } else {
            assert!(answer.code == 1 && answer.out.contains(": unsigned: "), "{}", answer.all());
        }
    }
    let status = scene.node.status()?;
    assert_eq!(status["verdicts"]["running"], 0, "{status}");
    assert_eq!(status["verdicts"]["waiting"], 0, "{status}");
    println!("agent after {IMAGES} verdicts: {} KiB resident", scene.node.agent()?.resident_kib()?);
    scene.node.agent()?.signal(Signal::Terminate)?;
    let status = scene.node.agent()?.wait_ended(std::time::Duration::from_secs(20))?;
    assert!(status.success(), "{status}");
    ran("e2e::F-28")
}
