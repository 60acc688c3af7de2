//! The way to containerd: its socket, found again after it was restarted.
//!
//! One for each of kubelet's connections, so that a stream which nobody reads holds up nobody else. Besides handing on
//! requests it asks four things itself: what an id or a name stands for, which digest is behind a name, what the runtime is
//! configured with, and that a name be removed.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use pullward_core::limits;
use tokio::net::UnixStream;
use tokio::sync::Mutex;
use tonic::body::Body;

use super::frame::Frame;
use super::message::{Unreadable, every, only, put, put_true, text};
use crate::guard;

/// The namespace in which CRI keeps everything.
const NAMESPACE: &str = "k8s.io";

/// Code of gRPC for "not found".
const NOT_FOUND: &str = "5";

/// Why containerd did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// Its socket cannot be opened, or is not to be trusted.
    #[error("{path}: {detail}")]
    Connect {
        /// The socket.
        path: PathBuf,
        /// What happened.
        detail: String,
    },
    /// The connection ended, or it took too long.
    #[error("containerd did not answer {0}")]
    Ended(&'static str),
    /// It answered with an error.
    #[error("containerd answered {method} with code {code}")]
    Status {
        /// What was asked.
        method: &'static str,
        /// gRPC's code.
        code: String,
    },
    /// Its answer is not one.
    #[error("containerd's answer cannot be read: {0}")]
    Unreadable(#[from] Unreadable),
}

/// What containerd holds under an id or a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its id: the digest of its configuration.
    pub id: String,
    /// All its names, with tags or digests.
    pub names: Vec<String>,
}

/// A connection to containerd, made when it is first needed.
#[derive(Debug)]
pub struct Upstream {
    address: PathBuf,
    sender: Mutex<Option<SendRequest<Body>>>,
}

impl Upstream {
    /// containerd behind this socket.
    #[must_use]
    pub fn new(address: PathBuf) -> Self {
        Self { address, sender: Mutex::new(None) }
    }

    /// Hands on a request.
    ///
    /// # Errors
    /// [`UpstreamError`]; what was handed on is not tried again.
    pub async fn forward(&self, request: Request<Body>) -> Result<Response<Incoming>, UpstreamError> {
        let failed = UpstreamError::Ended("the request");
        match self.sender().await?.try_send_request(request).await {
            Ok(response) => Ok(response),
            // Given back whole: the connection was closed before anything of it was sent.
            Err(mut error) => match error.take_message() {
                Some(request) => {
                    *self.sender.lock().await = None;
                    self.sender().await?.send_request(request).await.map_err(|_| failed)
                }
                None => Err(failed),
            },
        }
    }

    async fn sender(&self) -> Result<SendRequest<Body>, UpstreamError> {
        let mut kept = self.sender.lock().await;
        if let Some(sender) = &mut *kept
            && sender.ready().await.is_ok()
        {
            return Ok(sender.clone());
        }
        let path = &self.address;
        let failed = |detail: String| UpstreamError::Connect { path: path.clone(), detail };
        guard::socket(path).map_err(|error| failed(error.to_string()))?;
        let stream = UnixStream::connect(path).await.map_err(|error| failed(error.kind().to_string()))?;
        let peer = stream.peer_cred().map_err(|error| failed(error.kind().to_string()))?;
        if !guard::peer(peer.uid()) {
            return Err(failed(format!("answered by a process of user {}", peer.uid())));
        }
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| failed(error.to_string()))?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!("containerd's connection ended: {error}");
            }
        });
        *kept = Some(sender.clone());
        Ok(sender)
    }

    /// What containerd holds under an id or a name; `None` for nothing.
    ///
    /// # Errors
    /// [`UpstreamError`].
    pub async fn image(&self, name: &str) -> Result<Option<Held>, UpstreamError> {
        let (mut spec, mut request) = (Vec::new(), Vec::new());
        put(&mut spec, 1, name.as_bytes());
        put(&mut request, 1, &spec);
        let answer = self.call("/runtime.v1.ImageService/ImageStatus", &request).await?;
        let Some(image) = only(&answer, 1)? else { return Ok(None) };
        let mut names = Vec::new();
        for number in [2, 3] {
            for name in every(image, number)? {
                names.push(str::from_utf8(name).map_err(|_| Unreadable::Text(number))?.to_owned());
            }
        }
        Ok(Some(Held { id: text(image, 1)?.to_owned(), names }))
    }

    /// The digest behind a name, in CRI's namespace; `None` where there is no such name.
    ///
    /// # Errors
    /// [`UpstreamError`].
    pub async fn digest(&self, name: &str) -> Result<Option<String>, UpstreamError> {
        let mut request = Vec::new();
        put(&mut request, 1, name.as_bytes());
        match self.call("/containerd.services.images.v1.Images/Get", &request).await {
            Ok(answer) => {
                let image = only(&answer, 1)?.unwrap_or_default();
                Ok(Some(text(only(image, 3)?.unwrap_or_default(), 2)?.to_owned()))
            }
            Err(UpstreamError::Status { code, .. }) if code == NOT_FOUND => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes a name, in CRI's namespace. One that is not there is removed.
    ///
    /// # Errors
    /// [`UpstreamError`].
    pub async fn remove(&self, name: &str) -> Result<(), UpstreamError> {
        let mut request = Vec::new();
        put(&mut request, 1, name.as_bytes());
        put_true(&mut request, 2);
        match self.call("/containerd.services.images.v1.Images/Delete", &request).await {
            Err(UpstreamError::Status { code, .. }) if code == NOT_FOUND => Ok(()),
            other => other.map(drop),
        }
    }

    /// The sandbox image in the runtime's configuration; `None` where it does not show one.
    ///
    /// # Errors
    /// [`UpstreamError`].
    pub async fn sandbox_image(&self) -> Result<Option<String>, UpstreamError> {
        let mut request = Vec::new();
        put_true(&mut request, 1);
        let answer = self.call("/runtime.v1.RuntimeService/Status", &request).await?;
        for entry in every(&answer, 2)? {
            if text(entry, 1)? == "config" {
                let config: serde_json::Value =
                    serde_json::from_str(text(entry, 2)?).map_err(|_| Unreadable::Text(2))?;
                let image = config.get("sandboxImage").and_then(serde_json::Value::as_str);
                return Ok(image.filter(|image| !image.is_empty()).map(str::to_owned));
            }
        }
        Ok(None)
    }

    /// Has containerd pull an image for a pod, without credentials; `config` is the pod's.
    ///
    /// # Errors
    /// [`UpstreamError`].
    pub async fn pull(&self, image: &str, config: &[u8]) -> Result<(), UpstreamError> {
        let (mut spec, mut request) = (Vec::new(), Vec::new());
        put(&mut spec, 1, image.as_bytes());
        put(&mut request, 1, &spec);
        put(&mut request, 3, config);
        let method = "/runtime.v1.ImageService/PullImage";
        // As long as it takes: kubelet decides when to give up.
        self.exchange(method, &request).await.map(drop)
    }

    async fn call(&self, method: &'static str, message: &[u8]) -> Result<Bytes, UpstreamError> {
        let time = Duration::from_secs(limits::CRI_ANSWER_SECONDS);
        let answered = tokio::time::timeout(time, self.exchange(method, message)).await;
        answered.unwrap_or(Err(UpstreamError::Ended(method)))
    }

    async fn exchange(&self, method: &'static str, message: &[u8]) -> Result<Bytes, UpstreamError> {
        let ended = UpstreamError::Ended(method);
        let request = Request::post(format!("http://localhost{method}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("containerd-namespace", NAMESPACE)
            .body(Frame::around(message).into_body())
            .map_err(|_| ended.clone())?;
        let response = self.forward(request).await?;
        let status = |headers: &http::HeaderMap| {
            headers.get("grpc-status").and_then(|code| code.to_str().ok()).map(str::to_owned)
        };
        let early = status(response.headers());
        let body = Limited::new(response.into_body(), limits::CRI_ANSWER_BYTES).collect();
        let body = body.await.map_err(|_| ended.clone())?;
        match early.or_else(|| body.trailers().and_then(status)) {
            Some(code) if code == "0" => {}
            Some(code) => return Err(UpstreamError::Status { method, code }),
            None => return Err(ended),
        }
        let bytes = body.to_bytes();
        // Go's servers send a message without fields as a frame of no length.
        Frame::message_of(bytes).map_err(|_| UpstreamError::Unreadable(Unreadable::Truncated))
    }
}
