//! gRPC's own framing: one message in a request, and answers that carry a status.
//!
//! Spec: "gRPC over HTTP2", length-prefixed messages.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use pullward_core::limits;
use tonic::body::Body;
use tonic::{Code, Status};

use crate::verdict::{ONE_LINE_MAX, printable};

/// Flag and length.
const PREFIX: usize = 5;

/// A request's body, complete: one message, not compressed.
#[derive(Debug, Clone)]
pub struct Frame(Bytes);

/// Why a body is not one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// It is larger than any request.
    #[error("the request is larger than {} bytes", limits::CRI_REQUEST_BYTES)]
    TooLarge,
    /// It stopped, or did not come in time.
    #[error("the request did not come whole within {} s", limits::CRI_REQUEST_SECONDS)]
    Incomplete,
    /// Not exactly one message, or more than the message.
    #[error("the request is not exactly one message")]
    Shape,
    /// It is compressed.
    #[error("the request is compressed")]
    Compressed,
}

impl Frame {
    /// Reads a body to its end.
    ///
    /// # Errors
    /// [`FrameError`].
    pub async fn read(body: Incoming) -> Result<Self, FrameError> {
        let limited = Limited::new(body, limits::CRI_REQUEST_BYTES.saturating_add(PREFIX));
        let time = Duration::from_secs(limits::CRI_REQUEST_SECONDS);
        let collected = match tokio::time::timeout(time, limited.collect()).await {
            Ok(Ok(collected)) => collected,
            Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(FrameError::TooLarge),
            _ => return Err(FrameError::Incomplete),
        };
        if collected.trailers().is_some() {
            return Err(FrameError::Shape);
        }
        Self::of(collected.to_bytes())
    }

    fn of(bytes: Bytes) -> Result<Self, FrameError> {
        let (prefix, message) = bytes.split_at_checked(PREFIX).ok_or(FrameError::Shape)?;
        let [flag, length @ ..] = prefix else { return Err(FrameError::Shape) };
        match flag {
            0 => {}
            1 => return Err(FrameError::Compressed),
            _ => return Err(FrameError::Shape),
        }
        let length = <[u8; 4]>::try_from(length).map(u32::from_be_bytes).map_err(|_| FrameError::Shape)?;
        if usize::try_from(length) == Ok(message.len()) { Ok(Self(bytes)) } else { Err(FrameError::Shape) }
    }

    /// A frame around a message of ours.
    #[must_use]
    pub fn around(message: &[u8]) -> Self {
        let length = u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes();
        Self([&[0], length.as_slice(), message].concat().into())
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        self.0.get(PREFIX..).unwrap_or_default()
    }

    /// The message in a whole answer.
    pub(super) fn message_of(bytes: Bytes) -> Result<Bytes, FrameError> {
        Self::of(bytes).map(|frame| frame.0.slice(PREFIX.min(frame.0.len())..))
    }

    /// The bytes that came, to be handed on.
    #[must_use]
    pub fn into_body(self) -> Body {
        Body::new(http_body_util::Full::new(self.0))
    }
}

/// An answer that is a status alone. Its text is one printable line.
#[must_use]
pub fn answer(code: Code, line: &str) -> Response<Body> {
    Status::new(code, printable(line, ONE_LINE_MAX)).into_http()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Frame, FrameError};

    fn of(bytes: &[u8]) -> Result<Vec<u8>, FrameError> {
        Frame::of(Bytes::copy_from_slice(bytes)).map(|frame| frame.message().to_vec())
    }

    #[test]
    fn exactly_one_message_that_is_not_compressed_is_one() {
        assert_eq!(of(&[0, 0, 0, 0, 2, 8, 1]), Ok(vec![8, 1]));
        assert_eq!(Frame::around(&[8, 1]).message(), [8, 1]);
        assert_eq!(of(&[1, 0, 0, 0, 2, 8, 1]), Err(FrameError::Compressed));
        for bytes in [&[][..], &[0; 4], &[0, 0, 0, 0, 2, 8], &[0, 0, 0, 0, 2, 8, 1, 0], &[2, 0, 0, 0, 0]] {
            assert_eq!(of(bytes), Err(FrameError::Shape), "{bytes:?}");
        }
    }
}
