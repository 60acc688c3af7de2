//! The service for the CRI proxy, on the verify socket.

use std::sync::Arc;
use std::time::Instant;

use pullward_core::limits;
use pullward_core::reference::Reference;
use pullward_proto::PROTOCOL;
use pullward_proto::v1::cri_server::Cri;
use pullward_proto::v1::{JudgeCreateRequest, JudgeImageResponse, JudgePullRequest};
use tonic::{Request, Response, Status};

use crate::decide::Question;
use crate::decide::credentials::PullCredentials;
use crate::server::judgements::Judgements;
use crate::server::wire::{self, RequestError};
use crate::verdict::{Decision, Hook, Place, Verdict};

/// Answers the CRI proxy.
pub struct CriService {
    judgements: Arc<Judgements>,
    platform: String,
}

impl CriService {
    /// Answers by `judgements`, for this node's `platform`.
    #[must_use]
    pub fn new(judgements: Arc<Judgements>, platform: String) -> Self {
        Self { judgements, platform }
    }

    fn question(&self, hook: Hook, namespace: &str, reference: &str, digest: Option<&str>) -> Question {
        let pod_namespace = (!namespace.is_empty()).then(|| namespace.to_owned());
        Question {
            reference: reference.to_owned(),
            digest: digest.map(str::to_owned),
            media_type: None,
            // The only namespace of containerd that CRI knows.
            place: Place { hook, containerd_namespace: Some("k8s.io".to_owned()), pod_namespace },
            platform: self.platform.clone(),
        }
    }

    async fn judge(
        &self,
        question: Question,
        credentials: Option<&PullCredentials>,
        arrival: Instant,
    ) -> Arc<Verdict> {
        if question.reference.is_empty() || question.reference.len() > limits::ASKED_REFERENCE_BYTES {
            let error = RequestError::ReferenceLength(question.reference.len());
            return self.judgements.deny(&question, &error.into(), arrival);
        }
        match credentials {
            Some(credentials) => self.judgements.judge_pull(question, credentials.clone(), arrival).await,
            None => self.judgements.judge(question, arrival).await,
        }
    }
}

#[tonic::async_trait]
impl Cri for CriService {
    async fn judge_pull(
        &self,
        request: Request<JudgePullRequest>,
    ) -> Result<Response<JudgeImageResponse>, Status> {
        let arrival = Instant::now();
        let request = request.into_inner();
        let question = self.question(Hook::CriPull, &request.pod_namespace, &request.reference, None);
        if request.protocol != PROTOCOL {
            let error = RequestError::Protocol(request.protocol);
            return Ok(response(&self.judgements.deny(&question, &error.into(), arrival)));
        }
        let credentials =
            request.credentials.map(|given| PullCredentials::new(given.username, given.password));
        let verdict = self.judge(question, credentials.as_ref(), arrival).await;
        if verdict.decision != Decision::Allow {
            return Ok(response(&verdict));
        }
        // containerd drops the tag where both are given, and asks and keeps the image under the digest alone.
        let Some(by_digest) =
            Reference::parse(&verdict.reference).ok().and_then(|name| name_by_digest(&name))
        else {
            return Ok(response(&verdict));
        };
        let question =
            self.question(Hook::CriPull, &request.pod_namespace, &by_digest, Some(&verdict.digest));
        let second = self.judge(question, credentials.as_ref(), arrival).await;
        Ok(response(if second.decision == Decision::Allow { &verdict } else { &second }))
    }

    async fn judge_create(
        &self,
        request: Request<JudgeCreateRequest>,
    ) -> Result<Response<JudgeImageResponse>, Status> {
        let arrival = Instant::now();
        let request = request.into_inner();
        if request.protocol != PROTOCOL {
            return Err(Status::failed_precondition("this agent speaks another version of the protocol"));
        }
        if request.names.is_empty() || request.names.len() > limits::HELD_NAMES {
            return Err(Status::invalid_argument("an image is judged under 1 to 64 names"));
        }
        let mut allowed = None;
        for name in &request.names {
            let namespace = &request.pod_namespace;
            let question =
                self.question(Hook::CriCreate, namespace, &name.reference, Some(name.digest.as_str()));
            let verdict = self.judge(question, None, arrival).await;
            if verdict.decision != Decision::Allow {
                return Ok(response(&verdict));
            }
            allowed = Some(verdict);
        }
        allowed.map(|verdict| response(&verdict)).ok_or_else(|| Status::internal("no name was judged"))
    }
}

/// `name@digest` of a name that has a tag as well.
fn name_by_digest(reference: &Reference) -> Option<String> {
    let digest = reference.digest()?;
    reference.tag().map(|_| format!("{}@{digest}", reference.name()))
}

fn response(verdict: &Verdict) -> Response<JudgeImageResponse> {
    Response::new(JudgeImageResponse {
        judged: Some(wire::response(verdict)),
        reference: verdict.reference.clone(),
        digest: verdict.digest.clone(),
    })
}
