use std::collections::HashMap;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use prost::Message;

use super::{EVENTS, IMAGE_NAME, Judge, PluginError, Refusal, Start, patience, serve};
use crate::nri::frame::{self, Frame};
use crate::nri::message::{
    Configure, Configured, Container, CreateContainer, Mount, PodSandbox, RegisterPlugin, Request, Response,
    Status, Synchronize, Synchronized,
};
use crate::nri::trunk::{Connection, Trunk};

/// Allows one name, and keeps what it was asked.
#[derive(Default)]
struct Allowing {
    asked: Vec<(Start, Duration)>,
}

impl Judge for Allowing {
    fn start(&mut self, start: &Start, patience: Duration) -> Result<(), Refusal> {
        self.asked.push((start.clone(), patience));
        if start.image == "r.example/good:1" {
            Ok(())
        } else {
            Err(Refusal::Judged("denied: no\u{1b}".into()))
        }
    }
}

/// containerd's side of the conversation.
struct Runtime {
    trunk: Trunk<UnixStream>,
    stream: u32,
}

impl Runtime {
    fn next(&mut self, connection: Connection) -> (u32, Frame) {
        loop {
            if let Some(frame) = frame::take(self.trunk.arrived(connection)).unwrap() {
                return frame;
            }
            self.trunk.receive().unwrap();
        }
    }

    fn registered(&mut self) -> RegisterPlugin {
        let (stream, frame) = self.next(Connection::Runtime);
        let Frame::Request(request) = frame else { panic!("{frame:?}") };
        assert_eq!(
            (request.service.as_str(), request.method.as_str()),
            ("nri.pkg.api.v1alpha1.Runtime", "RegisterPlugin")
        );
        let fine = Frame::Response(Response::default());
        self.trunk.send(Connection::Runtime, &frame::encode(stream, &fine).unwrap()).unwrap();
        RegisterPlugin::decode(request.payload.as_slice()).unwrap()
    }

    fn call(&mut self, method: &str, message: &impl Message) -> Response {
        let request = Request {
            service: "nri.pkg.api.v1alpha1.Plugin".into(),
            method: method.into(),
            payload: message.encode_to_vec(),
            timeout_nano: 0,
        };
        self.stream += 2;
        let bytes = frame::encode(self.stream, &Frame::Request(request)).unwrap();
        self.trunk.send(Connection::Plugin, &bytes).unwrap();
        let (stream, frame) = self.next(Connection::Plugin);
        assert_eq!(stream, self.stream);
        let Frame::Response(response) = frame else { panic!("{frame:?}") };
        response
    }
}

/// Runs `conversation` as containerd against a plugin; gives what the judge was asked, and how it ended.
fn converse(conversation: impl FnOnce(&mut Runtime)) -> (Vec<(Start, Duration)>, PluginError, usize) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let plugin = std::thread::spawn(move || {
        let (mut judge, mut times) = (Allowing::default(), 0);
        let ended = serve(ours, &mut judge, || times += 1);
        (judge.asked, ended, times)
    });
    let mut runtime = Runtime { trunk: Trunk::new(theirs), stream: 1 };
    conversation(&mut runtime);
    drop(runtime);
    plugin.join().unwrap()
}

fn create(image: Option<&str>) -> CreateContainer {
    let annotations = image.map(|image| (IMAGE_NAME.to_owned(), image.to_owned()));
    CreateContainer {
        pod: Some(PodSandbox { name: "web".into(), namespace: "shop".into() }),
        container: Some(Container {
            name: "c".into(),
            annotations: HashMap::from_iter(annotations),
            ..Container::default()
        }),
    }
}

fn denial(response: &Response) -> (i32, &str) {
    let Status { code, message } = response.status.as_ref().unwrap();
    (*code, message)
}

#[test]
fn the_plugin_registers_is_configured_and_asks_about_each_container() {
    let (asked, ended, registered) = converse(|runtime| {
        let plugin = runtime.registered();
        assert_eq!((plugin.plugin_name.as_str(), plugin.plugin_idx.as_str()), ("pullward", "00"));
        let configured =
            runtime.call("Configure", &Configure { request_timeout: 800, ..Configure::default() });
        assert_eq!(Configured::decode(configured.payload.as_slice()).unwrap().events, EVENTS);
        let listed = runtime.call("Synchronize", &Synchronize { more: true });
        assert!(Synchronized::decode(listed.payload.as_slice()).unwrap().more);
        let created = runtime.call("CreateContainer", &create(Some("r.example/good:1")));
        assert_eq!(created, Response::default());
        let refused = runtime.call("CreateContainer", &create(Some("r.example/bad:1")));
        assert_eq!(denial(&refused), (7, r"denied: no\u{1b}"));
    });
    let patience = Duration::from_millis(600);
    let start = |image: &str| Start { image: image.into(), pod_namespace: "shop".into() };
    assert_eq!(asked, [(start("r.example/good:1"), patience), (start("r.example/bad:1"), patience)]);
    assert_eq!(ended, PluginError::Closed(std::io::ErrorKind::UnexpectedEof));
    assert_eq!(registered, 1);
}

#[test]
fn a_container_without_the_name_of_an_image_is_refused_without_a_question() {
    let (asked, ..) = converse(|runtime| {
        runtime.registered();
        for create in [create(None), create(Some("")), CreateContainer::default()] {
            let (code, message) = {
                let r = runtime.call("CreateContainer", &create);
                let (c, m) = denial(&r);
                (c, m.to_owned())
            };
            assert_eq!(code, 7);
            assert!(message.starts_with("denied: reference-invalid"), "{message}");
        }
    });
    assert_eq!(asked, []);
}

#[test]
fn an_image_that_is_mounted_as_a_volume_is_refused_because_nobody_says_which() {
    let (asked, ..) = converse(|runtime| {
        runtime.registered();
        let mounting = |source: &str| {
            let mut create = create(Some("r.example/good:1"));
            let mounts = vec![Mount { source: source.into() }];
            create.container = create.container.map(|container| Container { mounts, ..container });
            create
        };
        let volume = "/run/containerd/io.containerd.grpc.v1.cri/image-volumes/pod/overlay";
        let refused = runtime.call("CreateContainer", &mounting(volume));
        assert!(denial(&refused).1.starts_with("denied: request-unreadable: an image is mounted"));
        let folder = mounting("/srv/image-volumes/x");
        assert_eq!(runtime.call("CreateContainer", &folder), Response::default());
    });
    assert_eq!(asked.len(), 1);
}

#[test]
fn what_is_not_the_message_of_the_method_is_an_error_and_the_next_call_is_answered() {
    let (asked, ..) = converse(|runtime| {
        runtime.registered();
        // Field 2 as a number, where a message is meant.
        let bent = Configured { events: 7 };
        assert_eq!(denial(&runtime.call("CreateContainer", &bent)).0, 3);
        assert_eq!(denial(&runtime.call("ValidateContainerAdjustment", &bent)).0, 12);
        assert_eq!(runtime.call("StateChange", &create(None)), Response::default());
        assert_eq!(runtime.call("CreateContainer", &create(Some("r.example/good:1"))), Response::default());
    });
    assert_eq!(asked.len(), 1);
}

#[test]
fn a_plugin_that_containerd_does_not_want_says_why() {
    let (_, ended, registered) = converse(|runtime| {
        let (stream, _) = runtime.next(Connection::Runtime);
        let status = Status { code: 2, message: "plugin index taken".into() };
        let refused = Frame::Response(Response { status: Some(status), payload: Vec::new() });
        runtime.trunk.send(Connection::Runtime, &frame::encode(stream, &refused).unwrap()).unwrap();
    });
    assert_eq!(ended, PluginError::Refused("plugin index taken".into()));
    assert_eq!(registered, 0);
}

#[test]
fn a_piece_longer_than_any_message_ends_the_conversation() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    std::io::Write::write_all(&mut theirs, &[0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff]).unwrap();
    let ended = serve(ours, &mut Allowing::default(), || ());
    assert_eq!(ended, PluginError::Closed(std::io::ErrorKind::InvalidData));
}

#[test]
fn our_time_ends_before_the_one_that_containerd_grants() {
    assert_eq!(patience(Duration::from_secs(2)), Duration::from_millis(1500));
    assert_eq!(patience(Duration::from_secs(60)), Duration::from_millis(1500));
    assert_eq!(patience(Duration::from_millis(400)), Duration::from_millis(300));
}
