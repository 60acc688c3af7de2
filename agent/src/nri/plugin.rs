//! The conversation with containerd: registering, being configured, and one answer for each container.
//!
//! containerd asks about one container at a time and holds all others meanwhile, so there is one thread and no queue.
//! An answer that comes too late is worse than a refusal: containerd then drops the plugin and goes on without it. The
//! time that it grants is told at configuration; ours ends well before.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::time::Duration;

use prost::Message;
use pullward_core::verdict::Reason;

use super::frame::{self, Frame, FrameError};
use super::message::{
    Configure, Configured, CreateContainer, Empty, RegisterPlugin, Request, Response, Status, Synchronize,
    Synchronized,
};
use super::trunk::{Connection, Trunk};
use crate::guard::GuardError;
use crate::socket::SocketError;
use crate::verdict::{ONE_LINE_MAX, printable};

/// The name that containerd logs, and that `required_plugins` of NRI's validator lists.
pub const NAME: &str = "pullward";

/// The first of all plugins: what is refused need not be adjusted.
const INDEX: &str = "00";

/// `CREATE_CONTAINER` is event 4.
const EVENTS: i32 = 1 << 3;

/// The annotation in which CRI notes the image's name (`pkg/cri/annotations` of containerd).
const IMAGE_NAME: &str = "io.kubernetes.cri.image-name";

/// What containerd grants where it does not say: its own default, `plugin_request_timeout = "2s"`.
const GRANTED: Duration = Duration::from_secs(2);

/// gRPC's PERMISSION_DENIED and UNIMPLEMENTED, INVALID_ARGUMENT.
const DENIED: i32 = 7;
const UNIMPLEMENTED: i32 = 12;
const INVALID: i32 = 3;

/// A container that is about to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The image's name as containerd notes it.
    pub image: String,
    /// The pod's namespace; empty: not known.
    pub pod_namespace: String,
}

/// Says whether a container may be created.
pub trait Judge {
    /// Answers within `patience`.
    ///
    /// # Errors
    /// [`Refusal`] in every case but a clear "allow".
    fn start(&mut self, start: &Start, patience: Duration) -> Result<(), Refusal>;
}

/// Why a container is not created.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The agent's own words.
    #[error("{0}")]
    Judged(String),
    /// containerd does not say which image it is.
    #[error("denied: {}: containerd does not name the image of this container", Reason::ReferenceInvalid.code())]
    NoImage,
    /// An image is mounted as a volume, and containerd tells plugins the folder but not the image.
    #[error(
        "denied: {}: an image is mounted as a volume, and containerd does not name it to plugins: lead kubelet through pullward-cri",
        Reason::RequestUnreadable.code()
    )]
    ImageVolume,
    /// containerd's image store does not answer, or not with what is needed.
    #[error("denied: {image}: {}: {detail}", Reason::EvidenceUnreachable.code())]
    Store {
        /// The image's name.
        image: String,
        /// What is wrong.
        detail: String,
    },
    /// The agent does not answer.
    #[error("denied: {code}: {0}", code = Reason::AgentUnreachable.code())]
    Agent(String),
    /// The agent's socket is not to be trusted.
    #[error("denied: {code}: {0}", code = Reason::SocketUntrusted.code())]
    Socket(String),
    /// Agent and plugin do not understand each other.
    #[error(
        "denied: {code}: the agent's answer is not understood ({0}): agent and pullward-nri are of different versions",
        code = Reason::ArgumentsInvalid.code()
    )]
    Protocol(&'static str),
    /// No answer within the time that containerd grants.
    #[error("denied: {}: no verdict in the time that containerd grants a plugin", Reason::DeadlineExceeded.code())]
    Deadline,
}

impl From<SocketError> for Refusal {
    fn from(error: SocketError) -> Self {
        match error {
            SocketError::Connect { .. } | SocketError::Transport(_) => Self::Agent(error.to_string()),
            SocketError::Guard(_) | SocketError::Peer { .. } => Self::Socket(error.to_string()),
        }
    }
}

/// Why the conversation ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PluginError {
    /// The socket is not root's alone, or absent.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// Nobody listens.
    #[error("{path}: {kind}: does containerd run, with NRI enabled?")]
    Connect {
        /// The socket.
        path: PathBuf,
        /// The system's answer.
        kind: io::ErrorKind,
    },
    /// containerd closed the connection.
    #[error("containerd closed the connection ({0}): it has stopped, or dropped the plugin")]
    Closed(io::ErrorKind),
    /// Something that is not ttrpc.
    #[error("containerd: {0}")]
    Frame(#[from] FrameError),
    /// containerd does not want the plugin.
    #[error("containerd refused to register the plugin: {0}")]
    Refused(String),
}

impl From<io::Error> for PluginError {
    fn from(error: io::Error) -> Self {
        Self::Closed(error.kind())
    }
}

/// Registers on a connected socket and answers until it ends; `registered` is called once containerd has configured us.
pub fn serve<S: Read + Write>(socket: S, judge: &mut dyn Judge, mut registered: impl FnMut()) -> PluginError {
    let mut plugin = Plugin { trunk: Trunk::new(socket), patience: patience(GRANTED) };
    match plugin.converse(judge, &mut registered) {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

struct Plugin<S> {
    trunk: Trunk<S>,
    patience: Duration,
}

impl<S: Read + Write> Plugin<S> {
    fn converse(
        &mut self,
        judge: &mut dyn Judge,
        registered: &mut dyn FnMut(),
    ) -> Result<std::convert::Infallible, PluginError> {
        let register = RegisterPlugin { plugin_name: NAME.to_owned(), plugin_idx: INDEX.to_owned() };
        let request = Request {
            service: "nri.pkg.api.v1alpha1.Runtime".to_owned(),
            method: "RegisterPlugin".to_owned(),
            payload: register.encode_to_vec(),
            timeout_nano: 0,
        };
        self.trunk.send(Connection::Runtime, &frame::encode(1, &Frame::Request(request))?)?;
        loop {
            self.trunk.receive()?;
            while let Some((_, answer)) = frame::take(self.trunk.arrived(Connection::Runtime))? {
                // The one call that we make: any answer without a status is its success.
                if let Frame::Response(Response { status: Some(status), .. }) = answer
                    && status.code != 0
                {
                    return Err(PluginError::Refused(printable(&status.message, 300)));
                }
            }
            while let Some((stream, call)) = frame::take(self.trunk.arrived(Connection::Plugin))? {
                let Frame::Request(call) = call else { continue };
                let response = self.answer(&call, judge);
                self.trunk.send(Connection::Plugin, &frame::encode(stream, &Frame::Response(response))?)?;
                if call.method == "Synchronize" {
                    registered();
                }
            }
        }
    }

    fn answer(&mut self, call: &Request, judge: &mut dyn Judge) -> Response {
        if call.service != "nri.pkg.api.v1alpha1.Plugin" {
            return failed(UNIMPLEMENTED, format!("no service {}", printable(&call.service, 100)));
        }
        let answered = match call.method.as_str() {
            "Configure" => read::<Configure>(call).map(|configure| {
                let granted = u64::try_from(configure.request_timeout).unwrap_or(0);
                self.patience = patience(if granted == 0 { GRANTED } else { Duration::from_millis(granted) });
                fine(&Configured { events: EVENTS })
            }),
            "Synchronize" => {
                read::<Synchronize>(call).map(|listed| fine(&Synchronized { more: listed.more }))
            }
            "CreateContainer" => read::<CreateContainer>(call).map(|create| self.create(&create, judge)),
            // Events that were not asked for, and the runtime's farewell.
            "StateChange" | "Shutdown" => Ok(fine(&Empty {})),
            other => Err(failed(UNIMPLEMENTED, format!("no method {}", printable(other, 100)))),
        };
        answered.unwrap_or_else(|refused| refused)
    }

    fn create(&self, create: &CreateContainer, judge: &mut dyn Judge) -> Response {
        let container = create.container.clone().unwrap_or_default();
        let pod = create.pod.clone().unwrap_or_default();
        let image = container.annotations.get(IMAGE_NAME).filter(|name| !name.is_empty());
        let judged = image.ok_or(Refusal::NoImage).and_then(|image| {
            if container.mounts.iter().any(|mount| is_image_volume(&mount.source)) {
                return Err(Refusal::ImageVolume);
            }
            let start = Start { image: image.clone(), pod_namespace: pod.namespace.clone() };
            judge.start(&start, self.patience)
        });
        match judged {
            // No adjustment, no update.
            Ok(()) => fine(&Empty {}),
            Err(refusal) => {
                let line = printable(&refusal.to_string(), ONE_LINE_MAX);
                let (pod, container) = (printable(&pod.name, 253), printable(&container.name, 253));
                tracing::warn!("container {container} of pod {pod} is not created: {line}");
                failed(DENIED, line)
            }
        }
    }
}

/// Whether a folder on the host is where CRI mounts an image that a pod uses as a volume: `image-volumes` below the state
/// folder of containerd's CRI plugin (`getImageVolumeHostPath` of containerd 2.1).
fn is_image_volume(source: &str) -> bool {
    let mut parts = source.split('/');
    parts.any(|part| part.starts_with("io.containerd.")) && parts.any(|part| part == "image-volumes")
}

/// Three quarters of what containerd grants, at most a second and a half: the answer has to get there, too.
fn patience(granted: Duration) -> Duration {
    (granted * 3 / 4).min(Duration::from_millis(1500))
}

fn read<M: Message + Default>(call: &Request) -> Result<M, Response> {
    M::decode(call.payload.as_slice())
        .map_err(|_| failed(INVALID, "not the message of this method".to_owned()))
}

fn fine(message: &impl Message) -> Response {
    Response { status: None, payload: message.encode_to_vec() }
}

fn failed(code: i32, message: String) -> Response {
    Response { status: Some(Status { code, message }), payload: Vec::new() }
}

#[cfg(test)]
mod tests;
