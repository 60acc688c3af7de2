//! `pullward agent`: the life of the daemon, step by step.
//!
//! configuration (read by the caller, before anything is touched) → state folder and lock → trust bundle →
//! sockets → ready → serve → drain. A trust bundle that does not load is no reason not to start: the agent then
//! denies everything, says so everywhere, and takes the bundle as soon as it is reloaded.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::agent::Parts;
use crate::config::Config;
use crate::guard::{self, GuardError};
use crate::inventory::act::Acts;
use crate::inventory::judge::AgentVerdicts;
use crate::inventory::survey::Survey;
use crate::inventory::watch::Watch;
use crate::notify::{self, Notifier};
use crate::probe::Probe;
use crate::probe::answer::{ProbingJudge, Rounds};
use crate::rejudge::Rejudging;
use crate::server::judgements::Judgements;
use crate::server::listen::{self, ListenError, Listening, Lock, Purpose};
use crate::server::trust::{Held, TrustFailure, TrustHolder};
use crate::server::{Drained, Judge, Server, wire};

/// Threads that move bytes; judging has its own.
const IO_THREADS: usize = 2;

/// Blocking threads beside the workers: reloads.
const SPARE_THREADS: usize = 4;

/// An idle thread goes away after this: an idle agent is small.
const THREAD_IDLE: Duration = Duration::from_secs(5);

/// How long the end waits for evidence to be written.
const KEEPER_END: Duration = Duration::from_secs(5);

/// Why the daemon did not start or did not go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// The state folder.
    #[error("state_dir: {0}")]
    State(#[from] GuardError),
    /// The sockets, or another agent.
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

/// Runs the daemon until SIGTERM or SIGINT. Logging has been started.
///
/// # Errors
/// [`ServiceError`]: it never served.
pub fn run(config: &Config, parts: Parts) -> Result<Drained, ServiceError> {
    let Parts { judge, trust: source, keeper, rejudging } = parts;
    let _lock = state(&config.agent.state_dir)?;
    let trust = Arc::new(TrustHolder::new(source));
    trust.watch({
        let rejudging = Arc::clone(&rejudging);
        move |held| rejudging.begin(Arc::clone(held))
    });
    // Its failure is logged where it happens, and shown by `status`.
    let loaded = trust.reload();
    let (verify, admin) = sockets(config)?;
    keeper.start();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(IO_THREADS)
        .max_blocking_threads(config.limits.workers.saturating_add(SPARE_THREADS))
        .thread_keep_alive(THREAD_IDLE)
        .enable_all()
        .build()
        .map_err(|error| ServiceError::System { what: "runtime", kind: error.kind() })?;
    let drained = runtime.block_on(serve(config, judge, (trust, rejudging), loaded, verify, admin));
    // A judge that still runs has nobody left to answer to.
    runtime.shutdown_background();
    // Fetches that go on end with the process; what waits is written, and nothing half-written is left.
    keeper.end(Instant::now() + KEEPER_END);
    drained
}

/// `os/arch[/variant]` of this machine, in OCI's words.
#[must_use]
pub fn platform() -> String {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "x86" => "386",
        "aarch64" => "arm64",
        "arm" => "arm/v7",
        "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
        "powerpc64" => "ppc64",
        "loongarch64" => "loong64",
        other => other,
    };
    format!("{}/{architecture}", std::env::consts::OS)
}

async fn serve(
    config: &Config,
    judge: Arc<dyn Judge>,
    (trust, rejudging): (Arc<TrustHolder>, Arc<Rejudging>),
    loaded: Result<Arc<Held>, TrustFailure>,
    verify: Listening,
    admin: Listening,
) -> Result<Drained, ServiceError> {
    let system = |what| move |error: io::Error| ServiceError::System { what, kind: error.kind() };
    let mut terminate = signal(SignalKind::terminate()).map_err(system("SIGTERM"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(system("SIGINT"))?;
    let mut hangup = signal(SignalKind::hangup()).map_err(system("SIGHUP"))?;
    let limits = config.limits.server();
    let probe = config.probe.interval.map(|interval| Arc::new(Probe::new(interval.0)));
    let rounds = Arc::new(Rounds::default());
    let judge: Arc<dyn Judge> = match &probe {
        Some(_) => Arc::new(ProbingJudge { judge, rounds: Arc::clone(&rounds) }),
        None => judge,
    };
    let judgements = Arc::new(Judgements::new(judge, Arc::clone(&trust), limits));
    let verdicts = AgentVerdicts::new(Arc::clone(&judgements), Arc::clone(&trust), platform());
    let acts = Acts::new(config.inventory.unverified, config.inventory.running);
    let watch = Arc::new(Watch::new(config.containerd.address.clone(), Survey::new(verdicts, acts)));
    let server = Server {
        verify: UnixListener::from_std(verify.listener).map_err(system("verify socket"))?,
        admin: UnixListener::from_std(admin.listener).map_err(system("admin socket"))?,
        group: config.agent.socket_gid,
        judgements,
        trust: Arc::clone(&trust),
        watch: Some(Arc::clone(&watch)),
        probe: probe.clone(),
        rejudging,
        limits,
    };
    let notifier = Arc::new(Notifier::from_env());
    notifier.ready(&summary(loaded.as_ref()));
    tracing::info!(
        socket = %config.agent.socket.display(),
        admin_socket = %config.agent.admin_socket.display(),
        workers = limits.workers,
        "ready"
    );

    let reloads = tokio::spawn({
        let notifier = Arc::clone(&notifier);
        async move {
            while hangup.recv().await.is_some() {
                let trust = Arc::clone(&trust);
                // Failing or not, it is logged; what is in use is what systemd shows.
                if let Ok(reloaded) = tokio::task::spawn_blocking(move || trust.reload()).await {
                    notifier.status(&summary(reloaded.as_ref()));
                }
            }
        }
    });
    // On the threads that serve: where they are stuck, the watchdog is not fed.
    let watchdog = tokio::spawn({
        let notifier = Arc::clone(&notifier);
        async move {
            if let Some(every) = notify::watchdog() {
                let mut tick = tokio::time::interval(every);
                loop {
                    tick.tick().await;
                    notifier.alive();
                }
            }
        }
    });
    // containerd need not be there yet: it has its own loop, and the agent is ready without it.
    let inventory = tokio::spawn(watch.run());
    let probing = probe.map(|probe| tokio::spawn(probe.run(config.clone(), Arc::clone(&rounds), platform())));
    let drained = server
        .serve(platform(), async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("stopping: answering what is under way");
            notifier.stopping();
        })
        .await;
    reloads.abort();
    if let Some(probing) = probing {
        probing.abort();
    }
    watchdog.abort();
    inventory.abort();
    match drained {
        Drained::Whole => tracing::info!("stopped"),
        Drained::CutOff => tracing::warn!("stopped: some requests were cut off and are denied"),
    }
    // Only now: until here nobody else could take the sockets over.
    drop((verify.file, admin.file));
    Ok(drained)
}

fn summary(loaded: Result<&Arc<Held>, &TrustFailure>) -> String {
    match loaded {
        Ok(held) => format!(
            "trust bundle version {} for {}, until {}",
            held.trust.version,
            held.trust.audience,
            wire::expires(&held.trust)
        ),
        Err(failure) => format!("trust bundle not taken: {failure}"),
    }
}

fn sockets(config: &Config) -> Result<(Listening, Listening), ListenError> {
    let (verify, admin) = (&config.agent.socket, &config.agent.admin_socket);
    if let Some(both) = listen::activated(verify, admin)? {
        return Ok(both);
    }
    Ok((
        listen::bind(verify, Purpose::Verify, config.agent.socket_gid)?,
        listen::bind(admin, Purpose::Admin, None)?,
    ))
}

/// Makes or tightens the state folder and takes the lock in it.
fn state(folder: &Path) -> Result<Lock, ServiceError> {
    listen::make_folder(folder, 0o700)?;
    let system = |error: io::Error| ServiceError::System { what: "state_dir", kind: error.kind() };
    let metadata = fs::symlink_metadata(folder).map_err(system)?;
    if metadata.is_dir() && metadata.uid() == guard::us() && metadata.mode() & 0o077 != 0 {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(system)?;
        tracing::warn!("{}: mode {:04o} tightened to 0700", folder.display(), metadata.mode() & 0o7777);
    }
    guard::folder(folder)?;
    let path: PathBuf = folder.join("agent.lock");
    Ok(Lock::take(&path)?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    use super::{ServiceError, platform, state};
    use crate::guard::GuardError;
    use crate::server::listen::ListenError;

    #[test]
    fn the_state_folder_is_made_private_and_an_open_one_of_ours_is_tightened() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("state");
        drop(state(&folder).unwrap());
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        drop(state(&folder).unwrap());
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn two_agents_do_not_share_a_state_folder() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("state");
        let _first = state(&folder).unwrap();
        let lock = folder.join("agent.lock");
        assert_eq!(state(&folder).unwrap_err(), ServiceError::Listen(ListenError::InUse(lock)));
    }

    #[test]
    fn a_linked_state_folder_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        symlink(dir.path(), &link).unwrap();
        assert_eq!(state(&link).unwrap_err(), ServiceError::State(GuardError::Symlink(link)));
    }

    #[test]
    fn the_platform_is_in_ocis_words() {
        let platform = platform();
        assert!(platform.starts_with("linux/") && !platform.contains("x86_64"), "{platform}");
    }
}
