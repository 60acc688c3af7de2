//! The daemon's server: two unix sockets, one judge, one trust bundle at a time.
//!
//! ```text
//! listen ─▶ accept ─▶ verifier ─▶ wire ─▶ judgements ─▶ Judge (blocking, bounded workers)
//!                └──▶ admin ────────────▶ trust, tally
//! ```
//! [`listen`] makes the sockets, [`accept`] lets peers in, [`wire`] turns messages into a `Question`,
//! [`judgements`] makes sure that one image is judged once at a time, by a bounded number of workers, within the
//! deadline; [`trust`] holds the bundle in use. The server never judges: that is [`Judge`]'s. Every way in which
//! it does not come to a judgement is a denial from [`denial`].

pub mod accept;
pub mod admin;
pub mod cri;
pub mod denial;
pub mod judgements;
pub mod listen;
pub mod tally;
pub mod trust;
pub mod verifier;
pub mod wire;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pullward_core::limits;
use pullward_core::time::UnixTime;
use tokio::net::UnixListener;
use tokio::sync::watch;

use crate::decide::Question;
use crate::decide::credentials::PullCredentials;
use crate::inventory::watch::AgentWatch;
use crate::probe::Probe;
use crate::rejudge::Rejudging;
use crate::server::accept::Admission;
use crate::server::admin::AdminService;
use crate::server::cri::CriService;
use crate::server::judgements::Judgements;
use crate::server::trust::TrustHolder;
use crate::server::verifier::VerifierService;
use crate::trust::installed::InstalledTrust;
use crate::verdict::Verdict;

/// Decides one question by one trust bundle. Called on a thread that may block.
pub trait Judge: Send + Sync + 'static {
    /// Judges `question` by `trust` and nothing else. Returns by `deadline`; what could not be found out by then
    /// is a denial. A panic is one as well.
    fn judge(&self, trust: &InstalledTrust, question: &Question, deadline: Instant) -> Verdict;

    /// The same for a pull that comes with credentials, which may be shown to the registry in the question's name for
    /// this verdict and are forgotten with it. Whoever asks no registry needs none.
    fn judge_pull(
        &self,
        trust: &InstalledTrust,
        question: &Question,
        _credentials: &PullCredentials,
        deadline: Instant,
    ) -> Verdict {
        self.judge(trust, question, deadline)
    }
}

/// How much the server takes on at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerLimits {
    /// Judgements that run at a time.
    pub workers: usize,
    /// Judgements that wait for a worker at a time; the next one is denied.
    pub queue: usize,
    /// Connections to the verify socket at a time; the next one waits in the socket's queue.
    pub connections: usize,
    /// From a request's arrival to its verdict, waiting included.
    pub deadline: Duration,
    /// From the order to stop to the end of the last connection.
    pub drain: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            workers: 8,
            queue: 1024,
            connections: 2048,
            deadline: Duration::from_secs(limits::VERDICT_SECONDS),
            drain: Duration::from_secs(limits::HOOK_SECONDS),
        }
    }
}

/// Everything the server needs, ready to serve.
pub struct Server {
    /// The socket that hooks ask on.
    pub verify: UnixListener,
    /// The socket for root.
    pub admin: UnixListener,
    /// Peers of this group are let in to the verify socket, beside root and the user we run as.
    pub group: Option<u32>,
    /// Judges, one image at a time for all who ask.
    pub judgements: Arc<Judgements>,
    /// The trust bundle in use.
    pub trust: Arc<TrustHolder>,
    /// What the inventory has seen, where there is one.
    pub watch: Option<Arc<AgentWatch>>,
    /// The live proof, where it is made.
    pub probe: Option<Arc<Probe>>,
    /// Judges again what was let in under an older bundle.
    pub rejudging: Arc<Rejudging>,
    /// How much at a time.
    pub limits: ServerLimits,
}

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Every connection was answered and closed.
    Whole,
    /// Some were cut off when the time was up.
    CutOff,
}

impl Server {
    /// Serves until `stop` is ready, then lets the requests under way finish within the drain limit.
    pub async fn serve(self, platform: String, stop: impl Future<Output = ()>) -> Drained {
        let (stopping, stopped) = watch::channel(false);
        let verify = accept::serve(
            self.verify,
            Admission::verify(self.group, self.limits.connections),
            accept::routes(
                VerifierService::new(Arc::clone(&self.judgements), platform.clone()),
                CriService::new(Arc::clone(&self.judgements), platform.clone()),
            ),
            stopped.clone(),
        );
        let admin = accept::serve(
            self.admin,
            Admission::admin(),
            accept::admin_routes(AdminService::new(
                self.judgements,
                self.trust,
                self.watch,
                self.rejudging,
                platform,
                self.probe,
            )),
            stopped,
        );
        let both = tokio::spawn(async move { tokio::join!(verify, admin) });
        stop.await;
        stopping.send_replace(true);
        match tokio::time::timeout(self.limits.drain, both).await {
            Ok(_) => Drained::Whole,
            Err(_) => Drained::CutOff,
        }
    }
}

/// The wall clock. Before 1970 it is 1970: older than every bundle, so nothing is valid.
#[must_use]
pub fn now() -> UnixTime {
    UnixTime(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}
