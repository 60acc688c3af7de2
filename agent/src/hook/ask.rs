//! One question to the agent.

use std::time::Instant;

use pullward_core::limits::RESPONSE_BYTES;
use pullward_proto::PROTOCOL;
use pullward_proto::v1::verifier_client::VerifierClient;
use pullward_proto::v1::{Decision, JudgeRequest, JudgeResponse};

use crate::hook::args::Arguments;
use crate::hook::{Answer, HookError};
use crate::verdict::{ONE_LINE_MAX, printable};

/// Asks the agent and waits for its answer until `deadline`.
///
/// # Errors
/// [`HookError`]: a denial in every case.
pub fn ask(arguments: &Arguments, descriptor: Vec<u8>, deadline: Instant) -> Result<Answer, HookError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|_| HookError::Internal)?;
    let asked = runtime.block_on(async {
        tokio::time::timeout_at(deadline.into(), judge(arguments, descriptor))
            .await
            .map_err(|_| HookError::Deadline)
    });
    // What is still under way is dropped, not waited for.
    runtime.shutdown_background();
    answer(asked??)
}

async fn judge(arguments: &Arguments, descriptor: Vec<u8>) -> Result<JudgeResponse, HookError> {
    let channel = crate::socket::connect(&arguments.socket).await?;
    let mut client = VerifierClient::new(channel).max_decoding_message_size(RESPONSE_BYTES);
    let request = JudgeRequest {
        protocol: PROTOCOL,
        reference: arguments.name.clone(),
        digest: arguments.digest.clone(),
        stdin_media_type: arguments.stdin_media_type.clone(),
        descriptor,
        held: false,
    };
    // The status' text may come from anywhere: only its code is passed on.
    let response =
        client.judge(request).await.map_err(|status| HookError::Gone(status.code().description()))?;
    Ok(response.into_inner())
}

/// What the agent's answer means. Only a complete "allow" is one.
fn answer(response: JudgeResponse) -> Result<Answer, HookError> {
    if response.protocol != PROTOCOL {
        return Err(HookError::Protocol("version"));
    }
    let exit_code = match Decision::try_from(response.decision) {
        Ok(Decision::Allow) => 0,
        Ok(Decision::Deny) => 1,
        Ok(Decision::Undecided) => 2,
        Ok(Decision::Unspecified) | Err(_) => return Err(HookError::Protocol("decision")),
    };
    if response.message.is_empty() || response.verdict_id.is_empty() {
        return Err(HookError::Protocol("incomplete"));
    }
    Ok(Answer { line: printable(&response.message, ONE_LINE_MAX), exit_code })
}

#[cfg(test)]
mod tests {
    use pullward_proto::v1::JudgeResponse;

    use super::answer;
    use crate::hook::{Answer, HookError};

    fn response(decision: i32) -> JudgeResponse {
        JudgeResponse {
            protocol: 1,
            decision,
            reason: "verified".into(),
            message: "line".into(),
            verdict_id: "0123456789abcdef".into(),
            verdict_json: Vec::new(),
        }
    }

    #[test]
    fn each_decision_has_its_exit_code() {
        for (decision, exit_code) in [(1, 0), (2, 1), (3, 2)] {
            assert_eq!(answer(response(decision)), Ok(Answer { line: "line".into(), exit_code }));
        }
    }

    #[test]
    fn an_unset_or_unknown_decision_is_a_denial() {
        for decision in [0, 4, -1] {
            assert_eq!(answer(response(decision)), Err(HookError::Protocol("decision")));
        }
    }

    #[test]
    fn another_protocol_version_is_a_denial_even_with_an_allow() {
        for protocol in [0, 2] {
            assert_eq!(
                answer(JudgeResponse { protocol, ..response(1) }),
                Err(HookError::Protocol("version"))
            );
        }
    }

    #[test]
    fn an_empty_answer_is_a_denial() {
        assert_eq!(answer(JudgeResponse::default()), Err(HookError::Protocol("version")));
        assert_eq!(
            answer(JudgeResponse { verdict_id: String::new(), ..response(1) }),
            Err(HookError::Protocol("incomplete"))
        );
    }

    #[test]
    fn an_answer_with_control_characters_is_escaped_and_cut() {
        let message = format!("a\u{1b}[2J\n{}", "x".repeat(5000));
        let line = answer(JudgeResponse { message, ..response(2) }).unwrap().line;
        assert!(line.starts_with(r"a\u{1b}[2J\u{a}xxx"));
        assert!(line.len() <= 1024);
    }
}
