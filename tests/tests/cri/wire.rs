//! What passes, to the byte, and what is refused before it passes.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Channel, Full};
use pullward_tests::{Node, Proxy, Pullward, Workspace};

use crate::recorder::{DIGEST, NAME, Recorder, call, client, field, frame, post};
use crate::stage::Outcome;

const CREATE: &str = "/runtime.v1.RuntimeService/CreateContainer";
const PULL: &str = "/runtime.v1.ImageService/PullImage";

struct Wire<'a> {
    proxy: Proxy,
    recorder: Recorder,
    _node: Node<'a>,
}

/// A proxy between us and the recorder; the policy lets in one digest without evidence.
fn wire<'a>(pullward: &'a Pullward, workspace: &'a Workspace) -> Result<Wire<'a>, pullward_tests::Error> {
    let recorder = Recorder::start(workspace.join("upstream.sock"));
    let mut node = Node::new(pullward, workspace)?;
    node.trust(
        1,
        &format!(
            "schema = 1\n[[rule]]\nname = \"one\"\nmatch = [\"registry.example/**\"]\ndigests = [\"{DIGEST}\"]\nmode = \"allow\"\n"
        ),
    )?;
    node.start()?;
    let proxy = Proxy::before(pullward, workspace, &mut node, &recorder.socket, "")?;
    Ok(Wire { proxy, recorder, _node: node })
}

fn pod() -> Vec<u8> {
    field(1, &[field(1, b"pod"), field(3, b"demo")].concat())
}

fn create(image: &[u8]) -> Vec<u8> {
    let config = [field(2, image), field(77, b"a field of a later kubelet")].concat();
    [field(1, b"sandbox"), field(2, &config), field(3, &pod()), field(1000, b"another")].concat()
}

/// Fields that this version does not know arrive, in their order, in requests that are judged and in those that are not.
#[test]
fn requests_arrive_byte_for_byte_with_fields_that_nobody_here_knows() -> Outcome {
    let (pullward, workspace) = (Pullward::built()?, Workspace::new()?);
    let wire = wire(&pullward, &workspace)?;
    let socket = wire.proxy.socket();
    let image = [field(18, NAME.as_bytes()), field(99, b"new"), field(1, b"sha256:id")].concat();
    let named =
        [field(1, format!("registry.example/team/app@{DIGEST}").as_bytes()), field(55, b"x")].concat();
    for (path, message) in [
        (CREATE, create(&image)),
        ("/runtime.v1alpha2.RuntimeService/CreateContainer", create(&image)),
        (PULL, [field(9, b"new"), field(1, &named), field(3, &pod())].concat()),
        ("/runtime.v1.RuntimeService/ExecSync", field(1, b"anything at all")),
        ("/runtime.v1.RuntimeService/MethodOfTomorrow", vec![0xff, 0x00]),
    ] {
        let (status, text, body) = wire.recorder.run(call(socket, path, frame(&message)));
        assert_eq!((status.as_str(), text.as_str()), ("0", ""), "{path}");
        assert_eq!(wire.recorder.at(path), [frame(&message)], "{path}");
        assert_eq!(body, frame(&message), "{path}");
    }
    // A stream: several messages, and trailers at the end.
    let events = "/runtime.v1.RuntimeService/GetContainerEvents";
    let several: Bytes = [frame(b"one"), frame(b"two"), frame(b"three")].concat().into();
    let response = wire.recorder.run(async {
        let response = client(socket).await.send_request(post(events, Full::new(several.clone()))).await;
        response.unwrap().into_body().collect().await.unwrap()
    });
    assert_eq!(response.trailers().unwrap()["x-trailer"], "kept");
    assert_eq!(wire.recorder.at(events), [several]);
    Ok(())
}

#[test]
fn what_cannot_be_judged_does_not_arrive() -> Outcome {
    let (pullward, workspace) = (Pullward::built()?, Workspace::new()?);
    let wire = wire(&pullward, &workspace)?;
    let socket = wire.proxy.socket();
    let good = [field(1, b"sha256:id"), field(18, NAME.as_bytes())].concat();
    let mut compressed = frame(&create(&good)).to_vec();
    compressed[0] = 1;
    let whole = frame(&create(&good));
    let twice = [field(2, &field(2, &good)), field(2, &field(2, &field(1, b"evil"))), field(3, &pod())];
    let cases: Vec<(&str, Bytes)> = vec![
        ("compressed", compressed.into()),
        ("two messages", [whole.clone(), whole.clone()].concat().into()),
        ("trailing bytes", [&whole[..], b"x"].concat().into()),
        ("cut off", whole.slice(..whole.len() - 1)),
        ("empty", Bytes::new()),
        ("image twice", frame(&create(&[good.clone(), field(1, b"evil")].concat()))),
        ("config twice", frame(&twice.concat())),
        ("giant", frame(&field(5, &vec![0; 5 * 1024 * 1024]))),
        ("checkpoint", frame(&create(&field(1, b"/var/lib/checkpoint.tar")))),
        ("mounted", {
            let mount = field(7, &field(9, &field(1, b"")));
            frame(&[field(2, &[field(2, &good), mount].concat()), field(3, &pod())].concat())
        }),
    ];
    for (what, body) in cases {
        let (status, text, _) = wire.recorder.run(call(socket, CREATE, body));
        assert_eq!(status, "3", "{what}: {text}");
        assert!(text.contains("request-unreadable"), "{what}: {text}");
    }
    assert!(wire.recorder.at(CREATE).is_empty());
    Ok(())
}

/// T-96: containerd's own services, and paths that only resemble the judged ones.
#[test]
fn other_services_and_other_spellings_are_unimplemented() -> Outcome {
    let (pullward, workspace) = (Pullward::built()?, Workspace::new()?);
    let wire = wire(&pullward, &workspace)?;
    let image = field(1, NAME.as_bytes());
    for path in [
        "/containerd.services.images.v1.Images/Get",
        "/containerd.services.tasks.v1.Tasks/Create",
        "/containerd.services.transfer.v1.Transfer/Transfer",
        "/runtime.v1.ImageService/pullimage",
        "/runtime.v1.ImageService//PullImage",
        "//runtime.v1.ImageService/PullImage",
        "/runtime.v1.ImageService/PullImage/",
        "/runtime.v1.ImageService/%50ullImage",
        "/runtime.v1.ImageService/PullImage?x",
        "/runtime.v1.RuntimeService/CREATECONTAINER",
        "/runtime.v3.ImageService/PullImage",
    ] {
        let call = call(wire.proxy.socket(), path, frame(&field(1, &image)));
        assert_eq!(wire.recorder.run(call).0, "12", "{path}");
        assert!(wire.recorder.at(path.split('?').next().unwrap()).is_empty(), "{path}");
    }
    Ok(())
}

/// T-97: streams that never say anything, and streams that are reset as soon as they begin.
#[test]
fn half_open_streams_and_rapid_resets_leave_others_served_and_memory_flat() -> Outcome {
    let (pullward, workspace) = (Pullward::built()?, Workspace::new()?);
    let mut wire = wire(&pullward, &workspace)?;
    let socket = wire.proxy.socket().clone();
    let before = wire.proxy.process().resident_kib()?;
    let held = wire.recorder.run(async {
        let mut held = Vec::new();
        for _ in 0..2 {
            let mut sender = client(&socket).await;
            for _ in 0..1000 {
                let (body, channel) = Channel::<Bytes>::new(1);
                // What is not accepted is refused, which is an answer as well.
                held.push((tokio::spawn(sender.send_request(post(CREATE, channel))), body));
            }
            sender.ready().await.unwrap();
        }
        let mut resets = client(&socket).await;
        for _ in 0..5000 {
            let (_body, channel) = Channel::<Bytes>::new(1);
            drop(resets.send_request(post(CREATE, channel)));
        }
        held
    });
    let begin = Instant::now();
    let message = frame(&field(1, b"x"));
    let (status, ..) = wire.recorder.run(call(&socket, "/runtime.v1.RuntimeService/Status", message));
    assert_eq!(status, "0");
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    let after = wire.proxy.process().resident_kib()?;
    assert!(after < before + 32 * 1024, "{before} KiB before, {after} KiB after");
    drop(held);
    let image = [field(1, b"sha256:id"), field(18, NAME.as_bytes())].concat();
    pullward_tests::wait_until("starts to be judged again", Duration::from_secs(30), || {
        wire.recorder.run(call(&socket, CREATE, frame(&create(&image)))).0 == "0"
    })?;
    Ok(())
}
