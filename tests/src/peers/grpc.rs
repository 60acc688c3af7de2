//! Blocking gRPC over a unix socket.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use tokio::runtime::Runtime;
use tonic::transport::Channel;
use tonic::{Response, Status};

use crate::Error;

/// A call that has not come back by then never will: a pull of a test's image takes some 50 ms.
const ANSWER: Duration = Duration::from_secs(60);

/// A connection with the runtime that drives it.
#[derive(Debug)]
pub(crate) struct Connection {
    runtime: Runtime,
    pub(crate) channel: Channel,
}

impl Connection {
    pub(crate) fn open(socket: &Path) -> Result<Self, Error> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::io(socket))?;
        let channel = runtime.block_on(containerd_client::connect(socket)).map_err(|error| Error::Rpc {
            method: socket.display().to_string(),
            code: "Unavailable".to_owned(),
            message: with_causes(&error),
        })?;
        Ok(Self { runtime, channel })
    }

    /// Waits for one call's answer.
    pub(crate) fn call<T>(
        &self,
        method: &str,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Error> {
        let failed = |code: String, message| Error::Rpc { method: method.to_owned(), code, message };
        match self.runtime.block_on(async { tokio::time::timeout(ANSWER, call).await }) {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(failed(format!("{:?}", status.code()), status.message().to_owned())),
            Err(_) => Err(failed("DeadlineExceeded".to_owned(), format!("no answer within {ANSWER:?}"))),
        }
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
