//! The way to the agent: a gRPC channel over a unix socket whose file, folders and peer were checked.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

use crate::guard::{self, GuardError};

/// How long to wait before knocking again at a socket whose queue of connections is full.
const QUEUE_FULL_PAUSE: Duration = Duration::from_millis(5);

/// Why there is no channel to the agent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SocketError {
    /// The socket's file or a folder above it is not trusted.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// Nobody answers.
    #[error("{path}: {kind}: is the agent running? systemctl status pullward")]
    Connect {
        /// The socket.
        path: PathBuf,
        /// The system's answer.
        kind: std::io::ErrorKind,
    },
    /// Somebody else answers.
    #[error("{path}: answered by a process of user {uid}: the agent runs as root or as the asking user")]
    Peer {
        /// The socket.
        path: PathBuf,
        /// Whose process answers.
        uid: u32,
    },
    /// It answers, but not with HTTP/2.
    #[error("{0}: does not speak gRPC: is this the agent's socket?")]
    Transport(PathBuf),
}

/// Connects to the agent's socket at `path`.
///
/// A full queue of connections is waited for without an own limit: the caller has a deadline.
///
/// # Errors
/// [`SocketError`]: nothing was sent in any of its cases.
pub async fn connect(path: &Path) -> Result<Channel, SocketError> {
    let failed = |kind| SocketError::Connect { path: path.to_path_buf(), kind };
    match guard::socket(path) {
        Err(GuardError::Absent(_)) => return Err(failed(std::io::ErrorKind::NotFound)),
        checked => checked?,
    }
    let stream = loop {
        match UnixStream::connect(path).await {
            Ok(stream) => break stream,
            // A unix socket whose backlog is full answers EAGAIN instead of letting the caller wait.
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                tokio::time::sleep(QUEUE_FULL_PAUSE).await;
            }
            Err(error) => return Err(failed(error.kind())),
        }
    };
    let peer = stream.peer_cred().map_err(|error| failed(error.kind()))?;
    if !guard::peer(peer.uid()) {
        return Err(SocketError::Peer { path: path.to_path_buf(), uid: peer.uid() });
    }
    // Exactly this checked connection is used: where the channel asks for another, it gets none.
    let mut once = Some(stream);
    Endpoint::from_static("http://pullward.invalid")
        .connect_with_connector(service_fn(move |_| {
            let stream = once.take().ok_or(std::io::ErrorKind::NotConnected);
            async move { stream.map(TokioIo::new).map_err(std::io::Error::from) }
        }))
        .await
        .map_err(|_| SocketError::Transport(path.to_path_buf()))
}
