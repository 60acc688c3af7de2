//! An answer that was received: its headers are at hand, its body is read once, under a cap and against what is known.

use std::time::Instant;

use pullward_core::limits;
use pullward_core::oci::Digest;

use super::RegistryError;
use super::address::Address;
use super::connection::{Answer, explain_io, remaining};
use crate::evidence::checked::{self, ContentError, Expected};
use crate::evidence::document::shorten;

/// An answer with status 200 whose body has not been read.
pub(crate) struct Received {
    pub(crate) address: Address,
    pub(crate) answer: Answer,
    pub(crate) deadline: Instant,
}

impl Received {
    /// Refuses an encoded body: its digest would be that of something else, and its length without bound.
    pub(super) fn plain(self) -> Result<Self, RegistryError> {
        match header(&self, "content-encoding") {
            None => Ok(self),
            Some(text) if text.eq_ignore_ascii_case("identity") => Ok(self),
            Some(text) => {
                let encoding = shorten(text);
                Err(RegistryError::Encoding { url: self.address.to_string(), encoding })
            }
        }
    }
}

/// The Content-Type without its parameters.
pub(crate) fn content_type(received: &Received) -> String {
    let text = header(received, "content-type").unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim().to_owned()
}

pub(crate) fn header<'a>(received: &'a Received, name: &str) -> Option<&'a str> {
    header_of(&received.answer, name)
}

pub(super) fn header_of<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    // A value that is not text is as good as one that nobody accepts.
    let value = answer.headers().get(name)?.to_str().unwrap_or("\u{fffd}");
    (value.len() <= limits::HEADER_VALUE_BYTES).then_some(value)
}

/// Reads the whole body of an answer, checked against everything that is known of it.
pub(crate) fn read_body(
    received: Received,
    cap: u64,
    length: Option<u64>,
    digest: Option<Digest>,
) -> Result<(Vec<u8>, Digest), RegistryError> {
    let mut content = Vec::new();
    let digest = read_body_into(received, cap, length, digest, &mut |part| {
        content.extend_from_slice(part);
        Ok(())
    })?;
    Ok((content, digest))
}

/// The same for a body that goes elsewhere than into memory; see [`checked::read_into`].
pub(crate) fn read_body_into(
    received: Received,
    cap: u64,
    length: Option<u64>,
    digest: Option<Digest>,
    take: &mut dyn FnMut(&[u8]) -> std::io::Result<()>,
) -> Result<Digest, RegistryError> {
    let url = received.address.to_string();
    let stated = match header(&received, "content-length") {
        Some(text) => Some(text.parse::<u64>().map_err(|_| RegistryError::Unreachable {
            url: url.clone(),
            detail: "its Content-Length is not a number".to_owned(),
        })?),
        None => None,
    };
    if let (Some(promised), Some(received)) = (length, stated)
        && promised != received
    {
        return Err(RegistryError::Length { url, promised, received });
    }
    let expected = Expected { cap, length: length.or(stated), digest };
    let reader = received.answer.into_body().into_reader();
    checked::read_into(reader, expected, take).map_err(|error| match error {
        ContentError::TooLarge { cap } => RegistryError::TooLarge { url, cap },
        ContentError::Length { promised, received } => RegistryError::Length { url, promised, received },
        ContentError::Digest { expected, found } => RegistryError::Digest { url, expected, found },
        ContentError::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            RegistryError::Unreachable { url, detail: "the connection ended inside the answer".to_owned() }
        }
        ContentError::Io(error) => match explain_io(&error, url) {
            // A broken-off body must not look like a deadline that was kept.
            RegistryError::Unreachable { url, .. } if remaining(received.deadline).is_none() => {
                RegistryError::Deadline { url }
            }
            other => other,
        },
    })
}

/// Reads a short body away, so that the connection can be used again. A long one is dropped with its connection.
pub(super) fn drain(answer: &mut Answer) {
    let expected = Expected { cap: limits::ERROR_BODY_BYTES, length: None, digest: None };
    // Nothing depends on it: a body that fails here costs its connection.
    drop(checked::read(answer.body_mut().as_reader(), expected));
}
