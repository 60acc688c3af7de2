//! ttrpc: one message in a frame.
//!
//! Length, stream, kind and flags in ten bytes, big-endian, then a protobuf `Request` or `Response`
//! (`PROTOCOL.md` of containerd/ttrpc). Streaming calls, which NRI has none of, are refused.

use std::collections::VecDeque;

use prost::Message as _;

use super::message::{Request, Response};

/// Longest message: 4 MiB, ttrpc's own bound (`messageLengthMax`).
pub const MESSAGE_BYTES: usize = 4 << 20;

const HEADER_BYTES: usize = 10;
const KIND_REQUEST: u8 = 1;
const KIND_RESPONSE: u8 = 2;

/// A frame's content.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// A call.
    Request(Request),
    /// The answer to one.
    Response(Response),
}

/// Why bytes are no frame. Nothing that follows them can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Longer than ttrpc allows.
    #[error("a message of {0} bytes: at most {MESSAGE_BYTES} are possible")]
    TooLong(usize),
    /// Neither a request nor a response.
    #[error("a frame of kind {0}: only requests and responses are understood")]
    Kind(u8),
    /// Not the message that the kind says.
    #[error("a frame without a complete message")]
    Message,
}

/// Takes the next whole frame with its stream from what has arrived; `None` where it is not all there.
///
/// # Errors
/// [`FrameError`].
pub fn take(arrived: &mut VecDeque<u8>) -> Result<Option<(u32, Frame)>, FrameError> {
    let mut header = [0; HEADER_BYTES];
    if arrived.len() < HEADER_BYTES {
        return Ok(None);
    }
    for (to, from) in header.iter_mut().zip(arrived.iter()) {
        *to = *from;
    }
    let [a, b, c, d, e, f, g, h, kind, _flags] = header;
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
    if length > MESSAGE_BYTES {
        return Err(FrameError::TooLong(length));
    }
    if arrived.len() < HEADER_BYTES + length {
        return Ok(None);
    }
    arrived.drain(..HEADER_BYTES);
    let message: Vec<u8> = arrived.drain(..length).collect();
    let frame = match kind {
        KIND_REQUEST => Request::decode(message.as_slice()).map(Frame::Request),
        KIND_RESPONSE => Response::decode(message.as_slice()).map(Frame::Response),
        other => return Err(FrameError::Kind(other)),
    };
    Ok(Some((u32::from_be_bytes([e, f, g, h]), frame.map_err(|_| FrameError::Message)?)))
}

/// The bytes of a frame.
///
/// # Errors
/// [`FrameError::TooLong`].
pub fn encode(stream: u32, frame: &Frame) -> Result<Vec<u8>, FrameError> {
    let (kind, message) = match frame {
        Frame::Request(request) => (KIND_REQUEST, request.encode_to_vec()),
        Frame::Response(response) => (KIND_RESPONSE, response.encode_to_vec()),
    };
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    if message.len() > MESSAGE_BYTES {
        return Err(FrameError::TooLong(message.len()));
    }
    let mut bytes = Vec::with_capacity(HEADER_BYTES + message.len());
    bytes.extend(length.to_be_bytes());
    bytes.extend(stream.to_be_bytes());
    bytes.extend([kind, 0]);
    bytes.extend(message);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::{Frame, FrameError, MESSAGE_BYTES, encode, take};
    use crate::nri::message::Request;

    fn request() -> Frame {
        Frame::Request(Request { service: "s".into(), method: "m".into(), ..Request::default() })
    }

    #[test]
    fn a_frame_in_two_pieces_is_taken_once_whole() {
        let bytes = encode(7, &request()).unwrap();
        for cut in 0..bytes.len() {
            let (head, tail) = bytes.split_at(cut);
            let mut arrived = VecDeque::from(head.to_vec());
            assert_eq!(take(&mut arrived), Ok(None));
            arrived.extend(tail);
            assert_eq!(take(&mut arrived), Ok(Some((7, request()))));
            assert!(arrived.is_empty());
        }
    }

    #[test]
    fn a_length_beyond_the_bound_is_refused_before_it_is_waited_for() {
        let mut bytes = encode(1, &request()).unwrap();
        let length = u32::try_from(MESSAGE_BYTES + 1).unwrap();
        bytes.splice(..4, length.to_be_bytes());
        assert_eq!(take(&mut bytes.into()), Err(FrameError::TooLong(MESSAGE_BYTES + 1)));
    }

    #[test]
    fn streams_data_and_unknown_kinds_are_refused() {
        for kind in [0, 3, 255] {
            let mut bytes = encode(1, &request()).unwrap();
            bytes[8] = kind;
            assert_eq!(take(&mut bytes.into()), Err(FrameError::Kind(kind)));
        }
    }

    #[test]
    fn bytes_that_are_no_protobuf_are_refused() {
        let mut bytes = encode(1, &request()).unwrap();
        let last = bytes.len() - 2;
        bytes[last] = 0x7f;
        assert_eq!(take(&mut bytes.into()), Err(FrameError::Message));
    }
}
