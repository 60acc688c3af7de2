//! What the agent says: one question per pull and per start, over its verify socket.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use pullward_core::limits;
use pullward_core::reference::Reference;
use pullward_core::verdict::Reason;
use pullward_proto::PROTOCOL;
use pullward_proto::v1::cri_client::CriClient;
use pullward_proto::v1::{
    Decision, HeldName, JudgeCreateRequest, JudgeImageResponse, JudgePullRequest, PullCredentials,
};
use tonic::transport::Channel;
use tonic::{Code, Response, Status};

use super::request::Auth;
use crate::socket;
use crate::verdict::{ONE_LINE_MAX, printable};

/// The agent ends a connection after [`limits::CONNECTION_SECONDS`]; it is left before that.
const KEPT: Duration = Duration::from_secs(limits::CONNECTION_SECONDS - 10);

/// The way to the agent.
#[derive(Debug)]
pub struct Agent {
    socket: PathBuf,
    kept: Mutex<Option<(Channel, Instant)>>,
}

/// A refusal, as kubelet is to see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Whether it was judged.
    pub standing: Standing,
    /// The thing, the reason, the next step, in one line.
    pub line: String,
}

/// Why something is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It was judged and refused.
    Judged,
    /// It could not be judged.
    Undecided,
    /// The request itself cannot be read.
    Unreadable,
}

/// What may be pulled: the name, normalised, and the digest that was judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// The name.
    pub reference: String,
    /// The digest.
    pub digest: String,
}

impl Refusal {
    /// A refusal of `image` for a reason that the proxy found itself.
    #[must_use]
    pub fn of(image: &str, reason: Reason, detail: &str) -> Self {
        let standing = match reason {
            Reason::RequestUnreadable => Standing::Unreadable,
            reason if reason.is_error() => Standing::Undecided,
            _ => Standing::Judged,
        };
        let line = format!("denied: {image}: {}: {detail}; next: {}", reason.code(), reason.next_step());
        Self { standing, line: printable(&line, ONE_LINE_MAX) }
    }
}

impl Agent {
    /// The agent behind this socket; nothing is opened yet.
    #[must_use]
    pub fn new(socket: PathBuf) -> Self {
        Self { socket, kept: Mutex::new(None) }
    }

    /// May this name be pulled?
    ///
    /// # Errors
    /// [`Refusal`]; also where the agent does not answer.
    pub async fn judge_pull(
        &self,
        image: &str,
        namespace: &str,
        auth: Option<&Auth>,
    ) -> Result<Judged, Refusal> {
        // What is for another registry is not for this one, as containerd has it.
        let is_for = |auth: &&Auth| auth.server.is_empty() || host_of_server(&auth.server) == host_of(image);
        let credentials = auth.filter(is_for).map(|auth| PullCredentials {
            username: auth.username.to_string(),
            password: auth.password.to_string(),
        });
        let request = JudgePullRequest {
            protocol: PROTOCOL,
            reference: image.to_owned(),
            pod_namespace: namespace.to_owned(),
            credentials,
        };
        let ask = |mut client: CriClient<Channel>| {
            let request = request.clone();
            async move { client.judge_pull(request).await }
        };
        let judged = self.ask(image, ask).await?;
        if judged.digest.is_empty() {
            return Err(unclear(image, "digest"));
        }
        Ok(judged)
    }

    /// May an image that is held under these names be run?
    ///
    /// # Errors
    /// [`Refusal`]; also where the agent does not answer.
    pub async fn judge_create(
        &self,
        image: &str,
        namespace: &str,
        names: Vec<HeldName>,
    ) -> Result<(), Refusal> {
        let request = JudgeCreateRequest { protocol: PROTOCOL, names, pod_namespace: namespace.to_owned() };
        let ask = |mut client: CriClient<Channel>| {
            let request = request.clone();
            async move { client.judge_create(request).await }
        };
        self.ask(image, ask).await.map(drop)
    }

    async fn ask<F, A>(&self, image: &str, ask: F) -> Result<Judged, Refusal>
    where
        F: Fn(CriClient<Channel>) -> A,
        A: Future<Output = Result<Response<JudgeImageResponse>, Status>>,
    {
        let asked = async {
            let (channel, fresh) = self.channel(image).await?;
            match ask(client(channel)).await {
                Ok(response) => Ok(response.into_inner()),
                // A kept connection may be that of an agent which is gone; asking again changes nothing.
                Err(status) if !fresh && is_transport(&status) => {
                    self.forget();
                    let (channel, _) = self.channel(image).await?;
                    let again = ask(client(channel)).await.map(Response::into_inner);
                    again.map_err(|status| self.gone(image, &status))
                }
                Err(status) => Err(self.gone(image, &status)),
            }
        };
        let time = Duration::from_secs(limits::HOOK_SECONDS);
        match tokio::time::timeout(time, asked).await {
            Ok(answered) => judged(image, answered?),
            Err(_) => {
                self.forget();
                let detail = format!("the agent did not answer within {} s", limits::HOOK_SECONDS);
                Err(Refusal::of(image, Reason::DeadlineExceeded, &detail))
            }
        }
    }

    /// A channel, and whether it is a new one.
    async fn channel(&self, image: &str) -> Result<(Channel, bool), Refusal> {
        if let Some((channel, since)) = &*self.kept.lock().unwrap_or_else(PoisonError::into_inner)
            && since.elapsed() < KEPT
        {
            return Ok((channel.clone(), false));
        }
        let channel = socket::connect(&self.socket).await.map_err(|error| {
            let reason = match error {
                socket::SocketError::Connect { .. } => Reason::AgentUnreachable,
                _ => Reason::SocketUntrusted,
            };
            Refusal::of(image, reason, &error.to_string())
        })?;
        let kept = Some((channel.clone(), Instant::now()));
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = kept;
        Ok((channel, true))
    }

    fn forget(&self) {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The status' text may come from anywhere: only its code is passed on.
    fn gone(&self, image: &str, status: &Status) -> Refusal {
        self.forget();
        Refusal::of(image, Reason::AgentUnreachable, status.code().description())
    }
}

fn client(channel: Channel) -> CriClient<Channel> {
    CriClient::new(channel).max_decoding_message_size(limits::RESPONSE_BYTES)
}

/// Whether the connection failed, and not the agent. tonic says both in these.
fn is_transport(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Internal)
}

/// What an answer means: only a complete "allow" is one.
fn judged(image: &str, response: JudgeImageResponse) -> Result<Judged, Refusal> {
    let Some(judged) = response.judged.filter(|judged| judged.protocol == PROTOCOL) else {
        return Err(unclear(image, "version"));
    };
    let standing = match Decision::try_from(judged.decision) {
        Ok(Decision::Allow) => {
            return Ok(Judged { reference: response.reference, digest: response.digest });
        }
        Ok(Decision::Deny) => Standing::Judged,
        Ok(Decision::Undecided) => Standing::Undecided,
        Ok(Decision::Unspecified) | Err(_) => return Err(unclear(image, "decision")),
    };
    Err(Refusal { standing, line: printable(&judged.message, ONE_LINE_MAX) })
}

fn unclear(image: &str, part: &str) -> Refusal {
    let detail = format!("the agent's answer has no {part} that is understood here");
    Refusal::of(image, Reason::AgentUnreachable, &detail)
}

/// The host of an image's name.
fn host_of(image: &str) -> Option<String> {
    Reference::parse(image).ok().map(|reference| reference.host().to_owned())
}

/// The host of a registry's address, as a normalised reference has it.
fn host_of_server(server: &str) -> Option<String> {
    let bare = server.split_once("://").map_or(server, |(_, rest)| rest);
    match bare.split('/').next()? {
        "registry-1.docker.io" => Some("docker.io".to_owned()),
        host => host_of(&format!("{host}/x")),
    }
}

#[cfg(test)]
mod tests {
    use pullward_core::verdict::Reason;
    use pullward_proto::v1::{JudgeImageResponse, JudgeResponse};

    use super::{Judged, Refusal, Standing, host_of, host_of_server, judged};

    fn response(decision: i32) -> JudgeImageResponse {
        JudgeImageResponse {
            judged: Some(JudgeResponse {
                protocol: 1,
                decision,
                message: "line".into(),
                ..JudgeResponse::default()
            }),
            reference: "r.io/a:1".into(),
            digest: "sha256:d".into(),
        }
    }

    #[test]
    fn only_a_complete_allow_is_one() {
        let allowed = Judged { reference: "r.io/a:1".into(), digest: "sha256:d".into() };
        assert_eq!(judged("a", response(1)), Ok(allowed));
        assert_eq!(judged("a", response(2)).unwrap_err().standing, Standing::Judged);
        for decision in [0, 3, 4, -1] {
            assert_eq!(judged("a", response(decision)).unwrap_err().standing, Standing::Undecided);
        }
        let none = JudgeImageResponse { judged: None, ..response(1) };
        assert!(judged("a", none).unwrap_err().line.contains(": agent-unreachable: "));
        let mut other = response(1);
        other.judged.as_mut().unwrap().protocol = 2;
        assert!(judged("a", other).is_err());
    }

    #[test]
    fn a_refusal_is_one_printable_line_with_code_and_next_step() {
        let refusal = Refusal::of("a\n\u{1b}[2J", Reason::ImageAbsent, "detail");
        assert_eq!(refusal.line, "denied: a\\u{a}\\u{1b}[2J: image-absent: detail; next: pull it");
    }

    #[test]
    fn credentials_belong_to_the_registry_of_the_image() {
        for (server, image) in [
            ("https://index.docker.io/v1/", "nginx:1"),
            ("registry.example:5000", "registry.example:5000/a/b"),
            ("https://ghcr.io", "ghcr.io/a"),
        ] {
            assert_eq!(host_of_server(server), host_of(image), "{server}");
        }
        assert_ne!(host_of_server("ghcr.io.evil.com"), host_of("ghcr.io/a"));
        assert_ne!(host_of_server("https://ghcr.io"), host_of("nginx"));
    }
}
