//! `pullward-nri`: the create-time hook for nodes whose kubelet endpoint cannot be moved to the CRI proxy.
//!
//! A plugin of containerd's Node Resource Interface, in a process of its own: containerd drops a plugin whose
//! connection ends, so it must not end when the agent is restarted. It has no network code, no policy and no evidence:
//! for each container that is about to be created it looks up what the image's name stands for ([`held`]), asks the
//! agent ([`ask`]), and answers with an error where the agent does not allow it. It changes nothing in any container.
//!
//! The layers, from the wire up: [`trunk`] is containerd's multiplexing of two connections over one socket, [`frame`]
//! is ttrpc, [`message`] the few messages of NRI that are read or written, [`plugin`] the conversation. The `ttrpc`
//! crate is not used: it wants a socket for each connection, which the trunk is not, and brings a second protobuf
//! runtime; a frame has ten bytes of header.
//!
//! **What it cannot do.** containerd before NRI's `required_plugins` validator creates containers without asking when
//! no plugin is connected or when one does not answer in time: there this is detection, not enforcement, and
//! `docs/nri.md` says which version is which. Sandbox images are not shown to plugins at all.

pub mod ask;
pub mod frame;
pub mod held;
pub mod message;
pub mod plugin;
pub mod trunk;

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::Config;
use crate::guard;
use crate::verdict::printable;

use ask::Agent;
use held::Store;
use plugin::{Judge, PluginError, Refusal, Start};

/// Pauses between attempts to connect: the first, and the longest. containerd may not be there yet.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];

/// Asks the agent about what containerd's image store holds.
#[derive(Debug)]
pub struct Node {
    store: Store,
    agent: Agent,
    runtime: tokio::runtime::Runtime,
}

impl Node {
    /// A judge by the agent at `socket` and the containerd at `containerd`.
    ///
    /// # Errors
    /// Where the system gives no event queue.
    pub fn new(socket: PathBuf, containerd: PathBuf) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { store: Store::new(containerd), agent: Agent::new(socket), runtime })
    }
}

impl Judge for Node {
    fn start(&mut self, start: &Start, patience: Duration) -> Result<(), Refusal> {
        let Self { store, agent, runtime } = self;
        runtime.block_on(async {
            let judged = async {
                let names = store.names(&start.image).await?;
                agent.create(names, &start.pod_namespace).await
            };
            tokio::time::timeout(patience, judged).await.unwrap_or(Err(Refusal::Deadline))
        })
    }
}

/// Runs the plugin for as long as the process lives: connects, serves, and connects again.
pub fn run(config: &Config) -> std::io::Error {
    let mut judge = match Node::new(config.agent.socket.clone(), config.containerd.address.clone()) {
        Ok(judge) => judge,
        Err(error) => return error,
    };
    let [first, longest] = PAUSES;
    let mut pause = first;
    let mut told = None;
    loop {
        let ended = match connect(&config.nri.socket) {
            Ok(stream) => {
                let ended = plugin::serve(stream, &mut judge, || {
                    tracing::info!("registered: containers are judged before they are created");
                });
                pause = first;
                ended
            }
            Err(error) => error,
        };
        // The same trouble is told once, not every few seconds for a night.
        let trouble = ended.to_string();
        if told.as_ref() != Some(&trouble) {
            let line = printable(&trouble, 1024);
            tracing::error!("not registered, containers are created without being judged: {line}");
            told = Some(trouble);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(longest);
    }
}

/// Connects to containerd's NRI socket, which nobody but root may have made.
fn connect(socket: &Path) -> Result<UnixStream, PluginError> {
    guard::socket(socket)?;
    UnixStream::connect(socket)
        .map_err(|error| PluginError::Connect { path: socket.to_path_buf(), kind: error.kind() })
}
