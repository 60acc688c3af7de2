//! The service on the admin socket.

use std::sync::Arc;
use std::time::Instant;

use pullward_core::time::UnixTime;
use pullward_proto::PROTOCOL;
use pullward_proto::v1::admin_server::Admin;
use pullward_proto::v1::{
    JudgeRequest, JudgeResponse, ReasonCount, ReloadRequest, ReloadResponse, StatusRequest, StatusResponse,
};
use tonic::{Request, Response, Status};

use crate::inventory::watch::AgentWatch;
use crate::probe::Probe;
use crate::rejudge::Rejudging;
use crate::server::judgements::Judgements;
use crate::server::trust::TrustHolder;
use crate::server::wire::{self, Completeness};
use crate::server::{now, verifier};
use crate::verdict::Hook;

/// Answers root.
pub struct AdminService {
    judgements: Arc<Judgements>,
    trust: Arc<TrustHolder>,
    watch: Option<Arc<AgentWatch>>,
    rejudging: Arc<Rejudging>,
    platform: String,
    probe: Option<Arc<Probe>>,
    started: UnixTime,
}

impl AdminService {
    /// Answers about `judgements`, `trust`, what `watch` has seen, `rejudging` and `probe`; the agent's start is now.
    #[must_use]
    pub fn new(
        judgements: Arc<Judgements>,
        trust: Arc<TrustHolder>,
        watch: Option<Arc<AgentWatch>>,
        rejudging: Arc<Rejudging>,
        platform: String,
        probe: Option<Arc<Probe>>,
    ) -> Self {
        Self { judgements, trust, watch, rejudging, platform, probe, started: now() }
    }
}

#[tonic::async_trait]
impl Admin for AdminService {
    async fn status(&self, request: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        spoken(request.into_inner().protocol)?;
        let tally = self.judgements.tally();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Ok(Response::new(StatusResponse {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started: self.started.0,
            now: now().0,
            trust: self.trust.current().map(|held| wire::trust_state(&held)),
            last_reload_failure: self.trust.last_failure().map(|failed| wire::reload_failure(&failed)),
            reload_failures: self.trust.failures(),
            clock_floor: self.trust.clock_floor().map_or(0, |floor| floor.0),
            allowed: tally.allowed(),
            denied: tally.denied().into_iter().map(|(reason, count)| ReasonCount { reason, count }).collect(),
            would_deny: tally.would_deny(),
            running: count(self.judgements.running()),
            waiting: count(self.judgements.waiting()),
            joined: tally.joined(),
            inventory: self.watch.as_deref().map(wire::inventory_state),
            probe: self.probe.as_deref().map(wire::probe_state),
            rejudged: self.rejudging.progress().map(|progress| wire::rejudged(&progress)),
        }))
    }

    async fn reload(&self, request: Request<ReloadRequest>) -> Result<Response<ReloadResponse>, Status> {
        spoken(request.into_inner().protocol)?;
        let trust = Arc::clone(&self.trust);
        let reloaded = tokio::task::spawn_blocking(move || {
            let reloaded = trust.reload();
            (reloaded.is_err().then(|| trust.last_failure()).flatten(), trust.current())
        })
        .await;
        let (failed, held) = reloaded.map_err(|_| Status::internal("loading the trust bundle failed"))?;
        Ok(Response::new(ReloadResponse {
            protocol: PROTOCOL,
            trust: held.map(|held| wire::trust_state(&held)),
            failure: failed.map(|failed| wire::reload_failure(&failed)),
        }))
    }

    async fn judge(&self, request: Request<JudgeRequest>) -> Result<Response<JudgeResponse>, Status> {
        let arrival = Instant::now();
        let request = request.into_inner();
        let (completeness, hook) =
            (Completeness::Person, if request.held { Hook::Inventory } else { Hook::Cli });
        let verdict =
            verifier::judge(&self.judgements, &request, completeness, hook, &self.platform, arrival).await;
        let verdict_json =
            serde_json::to_vec(&*verdict).map_err(|_| Status::internal("the verdict cannot be written"))?;
        Ok(Response::new(JudgeResponse { verdict_json, ..wire::response(&verdict) }))
    }
}

fn spoken(protocol: u32) -> Result<(), Status> {
    if protocol == PROTOCOL {
        Ok(())
    } else {
        Err(Status::failed_precondition("this agent speaks another version of the protocol"))
    }
}
