//! The service on the verify socket.

use std::sync::Arc;
use std::time::Instant;

use pullward_proto::v1::verifier_server::Verifier;
use pullward_proto::v1::{JudgeRequest, JudgeResponse};
use tonic::{Request, Response, Status};

use crate::server::judgements::Judgements;
use crate::server::wire::{self, Completeness};
use crate::verdict::{Hook, Verdict};

/// Answers hooks.
pub struct VerifierService {
    judgements: Arc<Judgements>,
    platform: String,
}

impl VerifierService {
    /// Answers by `judgements`, for this node's `platform`.
    #[must_use]
    pub fn new(judgements: Arc<Judgements>, platform: String) -> Self {
        Self { judgements, platform }
    }
}

#[tonic::async_trait]
impl Verifier for VerifierService {
    async fn judge(&self, request: Request<JudgeRequest>) -> Result<Response<JudgeResponse>, Status> {
        let arrival = Instant::now();
        let request = request.into_inner();
        let verdict = judge(
            &self.judgements,
            &request,
            Completeness::Hook,
            Hook::ImageVerifier,
            &self.platform,
            arrival,
        )
        .await;
        Ok(Response::new(wire::response(&verdict)))
    }
}

/// The verdict on one request of either socket.
pub(crate) async fn judge(
    judgements: &Arc<Judgements>,
    request: &JudgeRequest,
    completeness: Completeness,
    hook: Hook,
    platform: &str,
    arrival: Instant,
) -> Arc<Verdict> {
    let asked = wire::asked(request, hook, platform);
    match wire::question(request, completeness, asked.clone()) {
        Ok(question) => judgements.judge(question, arrival).await,
        Err(error) => judgements.deny(&asked, &error.into(), arrival),
    }
}
