//! The listening side: root is let in, HTTP/2 is spoken within bounds, and the process lives until SIGTERM.

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use pullward_core::limits;
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::agent::Agent;
use super::gate::Gate;
use super::upstream::Upstream;
use crate::config::Config;
use crate::guard;
use crate::notify::{self, Notifier};
use crate::server::listen::{self, ListenError, Purpose};

/// Threads: bytes are handed on, nothing is computed.
const THREADS: usize = 2;

/// After an `accept` that failed: long enough not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// kubelet's idle connections are asked for a sign of life this often.
const ALIVE: Duration = Duration::from_secs(60);

/// Why the proxy did not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CriError {
    /// There is nothing to serve.
    #[error("the configuration has no [cri] socket: nothing to do, add it or disable pullward-cri")]
    NoSocket,
    /// The socket.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The system's answer to something else.
    #[error("{what}: {kind}")]
    System {
        /// What was tried.
        what: &'static str,
        /// The answer.
        kind: io::ErrorKind,
    },
}

/// Serves until SIGTERM or SIGINT. Logging has been started.
///
/// # Errors
/// [`CriError`]: it never served.
pub fn run(config: &Config) -> Result<(), CriError> {
    let socket = config.cri.socket.as_deref().ok_or(CriError::NoSocket)?;
    let listening = match listen::activated_one(socket, Purpose::Admin)? {
        Some(listening) => listening,
        None => listen::bind(socket, Purpose::Admin, None)?,
    };
    let system = |what| move |error: io::Error| CriError::System { what, kind: error.kind() };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .map_err(system("runtime"))?;
    runtime.block_on(async {
        let listener = UnixListener::from_std(listening.listener).map_err(system("cri socket"))?;
        let mut terminate = signal(SignalKind::terminate()).map_err(system("SIGTERM"))?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(system("SIGINT"))?;
        let agent = Agent::new(config.agent.socket.clone());
        let gate = Gate::new(agent, config.cri.pass.clone(), config.cri.sandbox_image.clone());
        let (stopping, stopped) = watch::channel(false);
        let serving =
            tokio::spawn(serve(listener, Arc::new(gate), config.containerd.address.clone(), stopped));
        let notifier = Notifier::from_env();
        notifier.ready(&format!("for containerd at {}", config.containerd.address.display()));
        tracing::info!(socket = %socket.display(), "ready");
        let mut tick = tokio::time::interval(notify::watchdog().unwrap_or(ALIVE));
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = tick.tick() => notifier.alive(),
            }
        }
        notifier.stopping();
        stopping.send_replace(true);
        // Streams without an end, such as container events, are cut off then.
        drop(tokio::time::timeout(config.limits.drain.0, serving).await);
        tracing::info!("stopped");
        Ok::<(), CriError>(())
    })?;
    runtime.shutdown_background();
    drop(listening.file);
    Ok(())
}

/// Accepts until `stopped`, then waits for the connections.
async fn serve(
    listener: UnixListener,
    gate: Arc<Gate>,
    address: PathBuf,
    mut stopped: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(limits::CRI_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => break,
            accepted = async {
                let place = Arc::clone(&places).acquire_owned().await.map_err(io::Error::other)?;
                listener.accept().await.map(|(stream, _)| (stream, place))
            } => accepted,
        };
        // What has ended is forgotten.
        while connections.try_join_next().is_some() {}
        match accepted.and_then(|(stream, place)| Ok((stream.peer_cred()?, stream, place))) {
            Ok((peer, stream, place)) if guard::peer(peer.uid()) => {
                let (gate, address, stopped) = (Arc::clone(&gate), address.clone(), stopped.clone());
                connections.spawn(async move {
                    let _place = place;
                    connection(stream, gate, address, stopped).await;
                });
            }
            Ok((peer, ..)) => tracing::warn!(uid = peer.uid(), "connection refused: not root, not our user"),
            // Without a free descriptor, for instance, the loop goes on (F-32).
            Err(error) => {
                tracing::error!("accept failed: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn connection(
    stream: UnixStream,
    gate: Arc<Gate>,
    address: PathBuf,
    mut stopped: watch::Receiver<bool>,
) {
    let upstream = Arc::new(Upstream::new(address));
    let service = service_fn(|request| {
        let (gate, upstream) = (Arc::clone(&gate), Arc::clone(&upstream));
        async move { Ok::<_, Infallible>(gate.answer(request, &upstream).await) }
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits::CRI_STREAMS)
        .max_header_list_size(limits::HEADER_LIST_BYTES)
        .max_pending_accept_reset_streams(limits::PENDING_RESETS)
        .keep_alive_interval(ALIVE)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = told_to_stop(&mut stopped) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!("connection ended: {error}");
    }
}

async fn told_to_stop(stopped: &mut watch::Receiver<bool>) {
    // An error means that the other end is gone: that is the end as well.
    drop(stopped.wait_for(|stopped| *stopped).await);
}
