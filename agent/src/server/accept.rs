//! Lets peers in: who they are is asked of the kernel, how many and how long is bounded.
//!
//! The loop accepts by itself instead of handing the listener to tonic: a failing `accept`, such as one without a
//! free file descriptor, must not end it (F-32, RUSTSEC-2024-0376).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use pullward_core::limits;
use pullward_proto::v1::admin_server::AdminServer;
use pullward_proto::v1::cri_server::CriServer;
use pullward_proto::v1::verifier_server::VerifierServer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::Sleep;
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::Routes;
use tonic::transport::server::Connected;

use crate::guard;
use crate::server::admin::AdminService;
use crate::server::cri::CriService;
use crate::server::verifier::VerifierService;

/// After an `accept` that failed: long enough not to spin, short enough to go unnoticed in a hook's 8 s.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// At most one line about the same trouble in this time.
const LOG_PAUSE: Duration = Duration::from_secs(10);

/// Who is let in, and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    name: &'static str,
    group: Option<u32>,
    connections: usize,
}

impl Admission {
    /// The verify socket: root, our own user, and processes of `group`.
    #[must_use]
    pub const fn verify(group: Option<u32>, connections: usize) -> Self {
        Self { name: "verify", group, connections }
    }

    /// The admin socket: root and our own user.
    #[must_use]
    pub const fn admin() -> Self {
        Self { name: "admin", group: None, connections: limits::ADMIN_CONNECTIONS }
    }

    fn admits(&self, uid: u32, gid: u32) -> bool {
        guard::peer(uid) || self.group == Some(gid)
    }
}

/// The services of the verify socket.
#[must_use]
pub fn routes(verifier: VerifierService, cri: CriService) -> Routes {
    let verifier = VerifierServer::new(verifier)
        .max_decoding_message_size(limits::REQUEST_BYTES)
        .max_encoding_message_size(limits::RESPONSE_BYTES);
    let cri = CriServer::new(cri)
        .max_decoding_message_size(limits::REQUEST_BYTES)
        .max_encoding_message_size(limits::RESPONSE_BYTES);
    Routes::new(verifier).add_service(cri)
}

/// The services of the admin socket.
#[must_use]
pub fn admin_routes(service: AdminService) -> Routes {
    Routes::new(
        AdminServer::new(service)
            .max_decoding_message_size(limits::REQUEST_BYTES)
            .max_encoding_message_size(limits::ADMIN_RESPONSE_BYTES),
    )
}

/// Serves `routes` on `listener` until `stopped` says so; then closes the listener and waits for the connections.
pub async fn serve(
    listener: UnixListener,
    admission: Admission,
    routes: Routes,
    mut stopped: watch::Receiver<bool>,
) {
    let (sender, receiver) = mpsc::channel(1);
    let accepting = tokio::spawn(accept(listener, admission, sender, stopped.clone()));
    let served = tonic::transport::Server::builder()
        .max_concurrent_streams(limits::STREAMS)
        .http2_max_header_list_size(limits::HEADER_LIST_BYTES)
        .http2_max_pending_accept_reset_streams(Some(limits::PENDING_RESETS))
        .add_routes(routes)
        .serve_with_incoming_shutdown(ReceiverStream::new(receiver), async move {
            // An error means that the other end is gone: that is the end as well.
            drop(stopped.wait_for(|stopped| *stopped).await);
        })
        .await;
    if let Err(error) = served {
        tracing::error!(socket = admission.name, "serving ended: {error}");
    }
    // It ends by itself: its queue is closed.
    drop(accepting.await);
}

async fn accept(
    listener: UnixListener,
    admission: Admission,
    sender: mpsc::Sender<io::Result<Connection>>,
    mut stopped: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(admission.connections.min(Semaphore::MAX_PERMITS)));
    let mut logged: Option<Instant> = None;
    let mut quiet = move || {
        let quiet = logged.is_some_and(|logged| logged.elapsed() < LOG_PAUSE);
        if !quiet {
            logged = Some(Instant::now());
        }
        quiet
    };
    loop {
        if places.available_permits() == 0 && !quiet() {
            tracing::warn!(
                socket = admission.name,
                connections = admission.connections,
                "as many connections as allowed: the next ones wait"
            );
        }
        let accepted = tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => return,
            accepted = async {
                // Closed it never is: both live in this function.
                let place = Arc::clone(&places).acquire_owned().await.map_err(io::Error::other)?;
                listener.accept().await.map(|(stream, _)| (stream, place))
            } => accepted,
        };
        match accepted.and_then(|(stream, place)| Ok((stream.peer_cred()?, stream, place))) {
            Ok((peer, stream, place)) if admission.admits(peer.uid(), peer.gid()) => {
                if sender.send(Ok(Connection::new(stream, place))).await.is_err() {
                    return;
                }
            }
            Ok((peer, ..)) => {
                if !quiet() {
                    tracing::warn!(
                        socket = admission.name,
                        uid = peer.uid(),
                        gid = peer.gid(),
                        pid = peer.pid(),
                        "connection refused: not root, not our user, not the configured group"
                    );
                }
            }
            Err(error) => {
                if !quiet() {
                    tracing::error!(socket = admission.name, "accept failed: {error}");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// One admitted connection. It ends after [`limits::CONNECTION_SECONDS`], whatever it is doing: idle or dripping
/// peers cannot keep a place for ever (F-16, F-29).
struct Connection {
    stream: UnixStream,
    end: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    fn new(stream: UnixStream, place: OwnedSemaphorePermit) -> Self {
        let end = Box::pin(tokio::time::sleep(Duration::from_secs(limits::CONNECTION_SECONDS)));
        Self { stream, end, _place: place }
    }
}

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) -> Self::ConnectInfo {}
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.end.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::Admission;

    #[test]
    fn strangers_are_not_admitted_and_the_group_only_to_verify() {
        let us = crate::guard::us();
        let stranger = us + 4000;
        let verify = Admission::verify(Some(77), 1);
        assert!(verify.admits(0, 5) && verify.admits(us, 5) && verify.admits(stranger, 77));
        assert!(!verify.admits(stranger, 5) && !verify.admits(stranger, 0));
        assert!(!Admission::verify(None, 1).admits(stranger, 77));
        assert!(Admission::admin().admits(0, 5) && !Admission::admin().admits(stranger, 77));
    }
}
