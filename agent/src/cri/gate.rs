//! What is judged: pulls before and after, starts, and the sandbox of a pod.
//!
//! A request that is let through is handed on as the bytes that came. A pull is compared afterwards: containerd resolves
//! the name again, and what it then holds must be the digest that was judged (T-76).

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use pullward_core::limits;
use pullward_core::reference::Reference;
use pullward_core::verdict::Reason;
use pullward_proto::v1::HeldName;
use tokio::sync::Semaphore;
use tonic::Code;
use tonic::body::Body;

use super::agent::{Agent, Judged, Refusal, Standing};
use super::frame::{Frame, answer};
use super::path::{self, Familiarity, Judged as Method, Route};
use super::request::{Create, ImageSpec, Pull, Sandbox};
use super::upstream::{Held, Upstream, UpstreamError};

/// What kubelet looks for at the start of a refusal to pull: it then shows `SignatureValidationFailed` as the pod's reason
/// (`k8s.io/cri-api/pkg/errors`). It looks only at errors of the code UNKNOWN.
const KUBELET_SHOWS: &str = "SignatureValidationFailed: ";

/// Judges for all connections.
#[derive(Debug)]
pub struct Gate {
    agent: Agent,
    pass: Vec<String>,
    sandbox_image: Option<String>,
    /// One permit for each request that is held whole.
    room: Arc<Semaphore>,
}

impl Gate {
    /// Asks `agent`; passes the services `pass` besides CRI's own. `sandbox_image` is judged for pods where the runtime
    /// does not say which image it uses.
    #[must_use]
    pub fn new(agent: Agent, pass: Vec<String>, sandbox_image: Option<String>) -> Self {
        let room = Arc::new(Semaphore::new(limits::CRI_JUDGED));
        Self { agent, pass, sandbox_image, room }
    }

    /// Answers one request of a connection whose way to containerd is `upstream`.
    pub async fn answer(&self, request: Request<Incoming>, upstream: &Upstream) -> Response<Body> {
        let path = request.uri().path_and_query().map_or("", http::uri::PathAndQuery::as_str);
        match path::route(path, &self.pass) {
            Route::Pass(familiarity) => {
                if familiarity == Familiarity::New {
                    tracing::debug!(path, "a method that is newer than this version is passed unread");
                }
                match upstream.forward(request.map(Body::new)).await {
                    Ok(response) => response.map(Body::new),
                    Err(error) => answer(Code::Unavailable, &error.to_string()),
                }
            }
            Route::Judge(method) => match self.judge(method, request, upstream).await {
                Ok(response) => response,
                Err(refusal) => refused(method, &refusal),
            },
            Route::Refuse => {
                tracing::warn!(path = crate::verdict::printable(path, 200), "not served by pullward-cri");
                answer(Code::Unimplemented, "not served by pullward-cri: only CRI itself is")
            }
        }
    }

    async fn judge(
        &self,
        method: Method,
        request: Request<Incoming>,
        upstream: &Upstream,
    ) -> Result<Response<Body>, Refusal> {
        let (parts, body) = request.into_parts();
        let time = Duration::from_secs(limits::HOOK_SECONDS);
        let place = tokio::time::timeout(time, Arc::clone(&self.room).acquire_owned()).await;
        let Ok(Ok(_place)) = place else {
            let detail = "more requests are being judged than the proxy holds";
            return Err(Refusal::of("this request", Reason::Overloaded, detail));
        };
        let frame = Frame::read(body).await.map_err(|error| unreadable(method, &error.to_string()))?;
        let unread = |error: super::message::Unreadable| unreadable(method, &error.to_string());
        let forward = |frame: Frame| upstream.forward(Request::from_parts(parts, frame.into_body()));
        match method {
            Method::PullImage => {
                let pull = Pull::read(frame.message()).map_err(unread)?;
                let image = &pull.image.image;
                let judged = self.agent.judge_pull(image, &pull.namespace, pull.auth.as_ref()).await?;
                let response = forward(frame).await.map_err(|error| runtime(image, &error))?;
                pulled(response, image, &judged, upstream).await
            }
            Method::CreateContainer => {
                let create = Create::read(frame.message()).map_err(unread)?;
                for image in &create.images {
                    self.judge_held(image, &create.namespace, upstream).await?;
                }
                let image = create.images.first().map_or("", |spec| spec.image.as_str());
                let response = forward(frame).await.map_err(|error| runtime(image, &error))?;
                Ok(response.map(Body::new))
            }
            Method::RunPodSandbox => {
                let sandbox = Sandbox::read(frame.message()).map_err(unread)?;
                self.judge_sandbox(&sandbox, upstream).await?;
                let response = forward(frame).await.map_err(|error| runtime("the pod", &error))?;
                Ok(response.map(Body::new))
            }
        }
    }

    /// Judges an image that has to be there.
    async fn judge_held(
        &self,
        spec: &ImageSpec,
        namespace: &str,
        upstream: &Upstream,
    ) -> Result<(), Refusal> {
        let shown = if spec.user_specified.is_empty() { &spec.image } else { &spec.user_specified };
        if namespace.is_empty() {
            let detail = "it does not say the pod's namespace (sandbox_config.metadata.namespace)";
            return Err(Refusal::of(shown, Reason::RequestUnreadable, detail));
        }
        // A path would be the archive of a checkpoint, whose content nobody has signed as an image.
        if spec.image.starts_with(['/', '.']) || spec.image.is_empty() {
            let detail = "a container starts from an image, by its id or its name";
            return Err(Refusal::of(shown, Reason::RequestUnreadable, detail));
        }
        let held = upstream.image(&spec.image).await.map_err(|error| runtime(shown, &error))?;
        let Some(held) = held else {
            return Err(Refusal::of(shown, Reason::ImageAbsent, Reason::ImageAbsent.meaning()));
        };
        let names = names(&spec.user_specified, &held, upstream).await;
        let names = names.map_err(|error| runtime(shown, &error))?;
        if names.is_empty() {
            let detail = "containerd holds it under no name, so no rule can be for it";
            return Err(Refusal::of(shown, Reason::ImageAbsent, detail));
        }
        if names.len() > limits::HELD_NAMES {
            let detail = format!("containerd holds it under more than {} names", limits::HELD_NAMES);
            return Err(Refusal::of(shown, Reason::EvidenceLimit, &detail));
        }
        self.agent.judge_create(shown, namespace, names).await
    }

    /// Judges the image that the runtime starts a pod's sandbox from; pulls it, judged, where it is not there.
    async fn judge_sandbox(&self, sandbox: &Sandbox, upstream: &Upstream) -> Result<(), Refusal> {
        let configured = match &self.sandbox_image {
            Some(image) => Some(image.clone()),
            None => upstream.sandbox_image().await.map_err(|error| runtime("the pod's sandbox", &error))?,
        };
        let Some(image) = configured else {
            let detail = "containerd does not show its sandbox image: write it as [cri] sandbox_image";
            return Err(Refusal::of("the pod's sandbox", Reason::ImageAbsent, detail));
        };
        let there = upstream.image(&image).await.map_err(|error| runtime(&image, &error))?;
        if there.is_none() {
            let judged = self.agent.judge_pull(&image, &sandbox.namespace, None).await?;
            upstream.pull(&image, &sandbox.config).await.map_err(|error| runtime(&image, &error))?;
            compare(&image, &judged, upstream).await?;
        }
        let spec = ImageSpec { image: image.clone(), user_specified: image };
        self.judge_held(&spec, &sandbox.namespace, upstream).await
    }
}

/// What an image is judged under when it starts: by the name that the pod says, or by all that it has.
async fn names(user: &str, held: &Held, upstream: &Upstream) -> Result<Vec<HeldName>, UpstreamError> {
    let mut found = Vec::new();
    let wanted = kept_as(user);
    // A name of this image is the usual case, and the only one that needs one answer.
    let chosen: Vec<&String> = match held.names.iter().find(|name| wanted.as_ref() == Some(*name)) {
        Some(name) => vec![name],
        None => held.names.iter().collect(),
    };
    for name in chosen.into_iter().take(limits::HELD_NAMES.saturating_add(1)) {
        if let Some(digest) = upstream.digest(name).await? {
            found.push(HeldName { reference: name.clone(), digest });
        }
    }
    if !user.is_empty() {
        // Whatever is behind its other names has to be what this name stands for.
        found.iter_mut().for_each(|name| user.clone_into(&mut name.reference));
        found.sort_by(|a, b| a.digest.cmp(&b.digest));
        found.dedup();
        return Ok(found);
    }
    // A pull by tag leaves the name with the digest as well. It says nothing that the tag does not.
    let by_tag: Vec<(String, String)> = found.iter().filter_map(tagged).collect();
    found.retain(|name| tagged(name).is_some() || !by_tag.contains(&(repository(name), name.digest.clone())));
    Ok(found)
}

/// Repository and digest of a name without a digest in it.
fn tagged(name: &HeldName) -> Option<(String, String)> {
    (!name.reference.contains('@')).then(|| (repository(name), name.digest.clone()))
}

fn repository(name: &HeldName) -> String {
    Reference::parse(&name.reference).map_or_else(|_| name.reference.clone(), |name| name.name().to_owned())
}

/// The name under which containerd keeps what is pulled as `image`: with a digest, the tag is dropped.
fn kept_as(image: &str) -> Option<String> {
    let reference = Reference::parse(image).ok()?;
    Some(match reference.digest() {
        Some(digest) => format!("{}@{digest}", reference.name()),
        None => reference.as_str().to_owned(),
    })
}

/// Reads containerd's answer to a pull; one that succeeded counts only if it pulled what was judged.
async fn pulled(
    response: Response<Incoming>,
    image: &str,
    judged: &Judged,
    upstream: &Upstream,
) -> Result<Response<Body>, Refusal> {
    let (parts, body) = response.into_parts();
    let ended = |_| runtime(image, &UpstreamError::Ended("PullImage"));
    let body = Limited::new(body, limits::CRI_ANSWER_BYTES).collect().await.map_err(ended)?;
    let status = parts.headers.get("grpc-status").or_else(|| body.trailers()?.get("grpc-status"));
    if status.is_some_and(|code| code.as_bytes() == b"0") {
        compare(image, judged, upstream).await?;
    }
    Ok(Response::from_parts(parts, Body::new(body)))
}

/// Compares what containerd holds under a name with what was judged; removes the name where it is something else.
async fn compare(image: &str, judged: &Judged, upstream: &Upstream) -> Result<(), Refusal> {
    let name = kept_as(&judged.reference).unwrap_or_else(|| judged.reference.clone());
    let found = upstream.digest(&name).await.map_err(|error| runtime(image, &error))?;
    match found {
        Some(digest) if digest == judged.digest => Ok(()),
        Some(digest) => {
            let left = match upstream.remove(&name).await {
                Ok(()) => String::new(),
                Err(error) => format!("; the name could not be removed: {error}"),
            };
            let detail = format!("{} was judged, containerd pulled {digest}{left}", judged.digest);
            Err(Refusal::of(image, Reason::PulledOther, &detail))
        }
        None => {
            let detail = format!("containerd pulled it and does not hold {name}");
            Err(Refusal::of(image, Reason::PulledOther, &detail))
        }
    }
}

fn runtime(image: &str, error: &UpstreamError) -> Refusal {
    Refusal::of(image, Reason::RuntimeUnreachable, &error.to_string())
}

fn unreadable(method: Method, detail: &str) -> Refusal {
    Refusal::of(&format!("{method:?}"), Reason::RequestUnreadable, detail)
}

/// A refusal in the words and codes that kubelet shows.
fn refused(method: Method, refusal: &Refusal) -> Response<Body> {
    tracing::info!(method = ?method, "{}", refusal.line);
    match (refusal.standing, method) {
        (Standing::Judged, Method::PullImage) => {
            answer(Code::Unknown, &format!("{KUBELET_SHOWS}{}", refusal.line))
        }
        (Standing::Judged, _) => answer(Code::PermissionDenied, &refusal.line),
        (Standing::Undecided, _) => answer(Code::Unavailable, &refusal.line),
        (Standing::Unreadable, _) => answer(Code::InvalidArgument, &refusal.line),
    }
}
