//! One question to the agent: may this image be run?

use std::path::PathBuf;

use pullward_core::limits::RESPONSE_BYTES;
use pullward_proto::PROTOCOL;
use pullward_proto::v1::cri_client::CriClient;
use pullward_proto::v1::{Decision, HeldName, JudgeCreateRequest, JudgeImageResponse};
use tonic::transport::Channel;

use super::plugin::Refusal;

/// The agent, as it is reached.
#[derive(Debug)]
pub struct Agent {
    socket: PathBuf,
    channel: Option<Channel>,
}

impl Agent {
    /// The agent that listens at `socket`.
    #[must_use]
    pub fn new(socket: PathBuf) -> Self {
        Self { socket, channel: None }
    }

    /// Asks about an image under all its names. Answered from receipts and from evidence on this node.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn create(&mut self, names: Vec<HeldName>, pod_namespace: &str) -> Result<(), Refusal> {
        let request =
            JudgeCreateRequest { protocol: PROTOCOL, names, pod_namespace: pod_namespace.to_owned() };
        let channel = match self.channel.take() {
            Some(channel) => channel,
            None => crate::socket::connect(&self.socket).await?,
        };
        let mut client = CriClient::new(channel.clone()).max_decoding_message_size(RESPONSE_BYTES);
        let answer = match client.judge_create(request.clone()).await {
            // The agent was restarted since: that connection is gone, and a new one is tried once.
            Err(status)
                if status.code() == tonic::Code::Unavailable || status.code() == tonic::Code::Unknown =>
            {
                let channel = crate::socket::connect(&self.socket).await?;
                let mut client = CriClient::new(channel.clone()).max_decoding_message_size(RESPONSE_BYTES);
                let answer = client.judge_create(request).await;
                self.channel = answer.is_ok().then_some(channel);
                answer
            }
            answer => {
                self.channel = answer.is_ok().then_some(channel);
                answer
            }
        };
        // The status' text may come from anywhere: only its code is passed on.
        let answer = answer.map_err(|status| {
            let code = status.code().description();
            Refusal::Agent(format!("the agent gave no verdict ({code}): see journalctl -u pullward"))
        })?;
        understood(answer.into_inner())
    }
}

/// What the agent's answer means. Only a complete "allow" is one.
fn understood(answer: JudgeImageResponse) -> Result<(), Refusal> {
    let judged = answer.judged.ok_or(Refusal::Protocol("incomplete"))?;
    if judged.protocol != PROTOCOL {
        return Err(Refusal::Protocol("version"));
    }
    if judged.message.is_empty() || judged.verdict_id.is_empty() {
        return Err(Refusal::Protocol("incomplete"));
    }
    match Decision::try_from(judged.decision) {
        Ok(Decision::Allow) => Ok(()),
        Ok(Decision::Deny | Decision::Undecided) => Err(Refusal::Judged(judged.message)),
        Ok(Decision::Unspecified) | Err(_) => Err(Refusal::Protocol("decision")),
    }
}

#[cfg(test)]
mod tests {
    use pullward_proto::v1::{JudgeImageResponse, JudgeResponse};

    use super::understood;
    use crate::nri::plugin::Refusal;

    fn answer(decision: i32) -> JudgeImageResponse {
        let judged = JudgeResponse {
            protocol: 1,
            decision,
            reason: "unsigned".into(),
            message: "line".into(),
            verdict_id: "0123456789abcdef".into(),
            verdict_json: Vec::new(),
        };
        JudgeImageResponse { judged: Some(judged), ..JudgeImageResponse::default() }
    }

    #[test]
    fn only_a_complete_allow_lets_a_container_be_created() {
        assert_eq!(understood(answer(1)), Ok(()));
        for decision in [2, 3] {
            assert_eq!(understood(answer(decision)), Err(Refusal::Judged("line".into())));
        }
        for decision in [0, 4, -1] {
            assert_eq!(understood(answer(decision)), Err(Refusal::Protocol("decision")));
        }
        assert_eq!(understood(JudgeImageResponse::default()), Err(Refusal::Protocol("incomplete")));
    }

    #[test]
    fn an_allow_of_another_protocol_or_without_an_id_is_a_refusal() {
        let mut other = answer(1);
        if let Some(judged) = &mut other.judged {
            judged.protocol = 2;
        }
        assert_eq!(understood(other), Err(Refusal::Protocol("version")));
        let mut nameless = answer(1);
        if let Some(judged) = &mut nameless.judged {
            judged.verdict_id.clear();
        }
        assert_eq!(understood(nameless), Err(Refusal::Protocol("incomplete")));
    }
}
