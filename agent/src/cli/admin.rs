//! The agent, asked over its admin socket.

use std::io;
use std::time::Duration;

use pullward_core::limits::ADMIN_RESPONSE_BYTES;
use pullward_proto::PROTOCOL;
use pullward_proto::v1::admin_client::AdminClient;
use pullward_proto::v1::{ReloadRequest, ReloadResponse, StatusRequest, StatusResponse};
use tonic::transport::Channel;

use crate::config::Config;
use crate::socket::SocketError;

/// An agent that does not answer within this is not fine.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum AdminError {
    /// No agent listens there.
    #[error("{0}")]
    Absent(String),
    /// It was asked, and did not answer as it should.
    #[error("{0}")]
    Failed(String),
}

/// A connection to the agent, to have many images judged. It lives in the runtime that made it.
pub(super) async fn connect(config: &Config) -> Result<AdminClient<Channel>, AdminError> {
    let connected = tokio::time::timeout(PATIENCE, crate::socket::connect(&config.agent.admin_socket)).await;
    let socket = config.agent.admin_socket.display();
    let late = |_| AdminError::Failed(format!("{socket}: no answer within {} s", PATIENCE.as_secs()));
    let channel = connected.map_err(late)?.map_err(absent_or_failed)?;
    Ok(AdminClient::new(channel).max_decoding_message_size(ADMIN_RESPONSE_BYTES))
}

/// What the agent says of itself.
pub(super) fn status(config: &Config) -> Result<StatusResponse, AdminError> {
    let response = call(config, async |mut client| {
        client.status(StatusRequest { protocol: PROTOCOL }).await.map(tonic::Response::into_inner)
    })?;
    check_protocol(config, response.protocol).map(|()| response)
}

/// Has the agent read its trust bundle again.
pub(super) fn reload(config: &Config) -> Result<ReloadResponse, AdminError> {
    let response = call(config, async |mut client| {
        client.reload(ReloadRequest { protocol: PROTOCOL }).await.map(tonic::Response::into_inner)
    })?;
    check_protocol(config, response.protocol).map(|()| response)
}

fn call<T>(
    config: &Config,
    ask: impl AsyncFnOnce(AdminClient<Channel>) -> Result<T, tonic::Status>,
) -> Result<T, AdminError> {
    let failed = |error: String| AdminError::Failed(error);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| failed(error.to_string()))?;
    let asked = runtime.block_on(async {
        tokio::time::timeout(PATIENCE, async {
            let channel =
                crate::socket::connect(&config.agent.admin_socket).await.map_err(absent_or_failed)?;
            let client = AdminClient::new(channel).max_decoding_message_size(ADMIN_RESPONSE_BYTES);
            ask(client).await.map_err(|status| failed(status.message().to_owned()))
        })
        .await
    });
    runtime.shutdown_background();
    let socket = config.agent.admin_socket.display();
    asked.map_err(|_| failed(format!("{socket}: no answer within {} s", PATIENCE.as_secs())))?
}

/// Nobody there, or somebody who is not the agent.
fn absent_or_failed(error: SocketError) -> AdminError {
    match &error {
        SocketError::Connect { kind: io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused, .. }
        | SocketError::Guard(crate::guard::GuardError::Absent(_)) => AdminError::Absent(error.to_string()),
        _ => AdminError::Failed(error.to_string()),
    }
}

fn check_protocol(config: &Config, protocol: u32) -> Result<(), AdminError> {
    if protocol == PROTOCOL {
        return Ok(());
    }
    let socket = config.agent.admin_socket.display();
    Err(AdminError::Failed(format!(
        "{socket}: the agent is of another version: it speaks protocol {protocol}"
    )))
}
