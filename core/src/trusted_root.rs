//! A Sigstore trusted root (protobuf-specs `sigstore_trustroot.proto`, media types 0.1 and 0.2): the authorities and logs
//! that keyless signatures are held against.
//!
//! It is others' document, kept byte for byte as it came; unknown members are skipped. [`TrustedRoot::check`] reads
//! every field of it once, when it is installed; after that [`TrustedRoot::read`] is a view that finds what a
//! verification needs in it. One root is one world: what one of them knows is never held against a signature that is
//! judged by another (T-21).
//!
//! What follows from a root is asked for: a root that lists transparency logs asks for an inclusion, one that lists
//! certificate logs for an SCT, one that lists timestamp authorities for a timestamp where nothing else gives a time. Logs with a kind
//! of key that this build does not have are skipped as keys, and still count as listed: what cannot be checked is not
//! thereby allowed to be missing.
//!
//! What this does *not* check: whether an authority's chain holds. Each use of it does.

mod authority;
mod log;

pub use authority::{Authority, Chain};
pub use log::{Log, LogId};

use crate::encoding;
use crate::json::{self, Text, UnknownKeys, Value};
use crate::limits;
use crate::signature::KeyError;
use crate::time::{UnixTime, Window};
use crate::tlog::{LogKey, Logs};
use crate::x509;

/// The media types that are read. Their members are the same; version 0.2 only says that more operators may be named.
const MEDIA_TYPES: [&str; 4] = [
    "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
    "application/vnd.dev.sigstore.trustedroot+json;version=0.2",
    "application/vnd.dev.sigstore.trustedroot.v0.1+json",
    "application/vnd.dev.sigstore.trustedroot.v0.2+json",
];

/// Why a trusted root is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// Larger than [`TRUSTED_ROOT_BYTES`](limits::TRUSTED_ROOT_BYTES).
    TooLarge,
    /// Not JSON, or not this shape.
    Json(json::Error),
    /// Another media type than those of versions 0.1 and 0.2.
    MediaType,
    /// More entries in this list than its bound.
    TooMany(&'static str),
    /// Base64 that is not.
    Base64(encoding::Error),
    /// A validity without a start, with an end before it, or with a time that is none (T-32).
    ValidFor,
    /// A log id that is not 4 or 32 bytes, or not the SHA-256 of its certificate log's key.
    LogId,
    /// Two logs of one list with the same id.
    DuplicateLogId,
    /// The key of a log is not of the kind that it says.
    Key(KeyError),
    /// An authority without certificates, or with one that cannot be read.
    Certificate(x509::Error),
    /// The scratch is too small for an authority's certificates.
    Scratch,
}

impl From<json::Error> for Error {
    fn from(error: json::Error) -> Self {
        Self::Json(error)
    }
}

/// A trusted root: its four lists.
#[derive(Debug, Clone, Copy)]
pub struct TrustedRoot<'a> {
    transparency_logs: Option<Value<'a>>,
    certificate_logs: Option<Value<'a>>,
    certificate_authorities: Option<Value<'a>>,
    timestamp_authorities: Option<Value<'a>>,
}

impl<'a> TrustedRoot<'a> {
    /// Finds the lists. Entries are read when they are asked for; a root from outside goes through
    /// [`TrustedRoot::check`] first.
    ///
    /// # Errors
    /// [`Error`] for what is not a trusted root.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Error> {
        if bytes.len() > limits::TRUSTED_ROOT_BYTES {
            return Err(Error::TooLarge);
        }
        let names = ["mediaType", "tlogs", "ctlogs", "certificateAuthorities", "timestampAuthorities"];
        let [media_type, transparency_logs, certificate_logs, certificate_authorities, timestamp_authorities] =
            json::parse(bytes)?.object()?.fields(names, UnknownKeys::Skip)?.map(present);
        let media_type = need(media_type, "mediaType")?.string()?;
        if !MEDIA_TYPES.into_iter().any(|known| media_type.is(known)) {
            return Err(Error::MediaType);
        }
        Ok(Self { transparency_logs, certificate_logs, certificate_authorities, timestamp_authorities })
    }

    /// Reads every field of every entry. `scratch` needs [`CHAIN_BYTES`](limits::CHAIN_BYTES).
    ///
    /// # Errors
    /// [`Error`], by what is wrong first. An unknown kind of key is none.
    pub fn check(bytes: &'a [u8], scratch: &mut [u8]) -> Result<Self, Error> {
        let root = Self::read(bytes)?;
        log::check(root.transparency_logs, "tlogs", log::IdRule::Named)?;
        log::check(root.certificate_logs, "ctlogs", log::IdRule::HashOfKey)?;
        authority::check(root.certificate_authorities, "certificateAuthorities", scratch)?;
        authority::check(root.timestamp_authorities, "timestampAuthorities", scratch)?;
        Ok(root)
    }

    /// The transparency logs (Rekor) whose kind of key this build has.
    pub fn transparency_logs(&self) -> impl Iterator<Item = Result<Log<'a>, Error>> + use<'a> {
        items(self.transparency_logs).filter_map(log::usable)
    }

    /// The certificate transparency logs whose kind of key this build has.
    pub fn certificate_logs(&self) -> impl Iterator<Item = Result<Log<'a>, Error>> + use<'a> {
        items(self.certificate_logs).filter_map(log::usable)
    }

    /// The certificate authorities (Fulcio).
    pub fn certificate_authorities(&self) -> impl Iterator<Item = Result<Authority<'a>, Error>> + use<'a> {
        items(self.certificate_authorities).map(|item| Authority::read(item?))
    }

    /// The timestamp authorities.
    pub fn timestamp_authorities(&self) -> impl Iterator<Item = Result<Authority<'a>, Error>> + use<'a> {
        items(self.timestamp_authorities).map(|item| Authority::read(item?))
    }

    /// Whether it lists transparency logs, usable here or not: then a signature needs an inclusion in one.
    #[must_use]
    pub fn lists_transparency_logs(&self) -> bool {
        lists(self.transparency_logs)
    }

    /// Whether it lists certificate logs, usable here or not: then a certificate needs an SCT of one.
    #[must_use]
    pub fn lists_certificate_logs(&self) -> bool {
        lists(self.certificate_logs)
    }

    /// Whether it lists timestamp authorities: then a signature without another time needs a timestamp of one.
    #[must_use]
    pub fn lists_timestamp_authorities(&self) -> bool {
        lists(self.timestamp_authorities)
    }
}

fn items<'a>(list: Option<Value<'a>>) -> impl Iterator<Item = Result<Value<'a>, Error>> + use<'a> {
    let (items, error) = match list.map(Value::array) {
        Some(Ok(items)) => (Some(items), None),
        Some(Err(error)) => (None, Some(Err(Error::Json(error)))),
        None => (None, None),
    };
    error.into_iter().chain(items.into_iter().flatten().map(|item| item.map_err(Error::Json)))
}

/// A log that cannot be read, or whose id is not of a transparency log, is no log: its entries do not verify.
impl Logs for TrustedRoot<'_> {
    fn log(&self, id: &[u8; 32]) -> Option<LogKey<'_>> {
        let log = self.transparency_logs().filter_map(Result::ok).find(|log| log.id().bytes() == id)?;
        let checkpoint = log.checkpoint_key_id().unwrap_or_else(|| log.id());
        Some(LogKey {
            id: *id,
            checkpoint_hint: *checkpoint.bytes().first_chunk()?,
            key: log.key().ok()?,
            window: log.window(),
            operator: log.operator().and_then(Text::plain).unwrap_or_default(),
        })
    }
}

/// A list that is not one counts as listed: nothing becomes optional by being unreadable.
fn lists(list: Option<Value<'_>>) -> bool {
    items(list).next().is_some()
}

/// protobuf's JSON may write an absent member as `null`.
fn present(value: Option<Value<'_>>) -> Option<Value<'_>> {
    value.filter(|value| !value.is_null())
}

fn need<'a>(value: Option<Value<'a>>, name: &'static str) -> Result<Value<'a>, Error> {
    Ok(value.ok_or(json::Error::MissingKey(name))?)
}

fn text(value: Option<Value<'_>>) -> Result<Option<Text<'_>>, Error> {
    Ok(value.map(Value::string).transpose()?)
}

/// A `TimeRange`. The start must be there, the end may be (T-32); both are in it.
fn window(value: Option<Value<'_>>) -> Result<Window, Error> {
    let value = value.ok_or(Error::ValidFor)?;
    let [start, end] = value.object()?.fields(["start", "end"], UnknownKeys::Skip)?.map(present);
    let (start, fraction) = timestamp(start.ok_or(Error::ValidFor)?)?;
    // Times here are whole seconds: a start inside one begins with the next, an end inside one is that second.
    let start = match fraction {
        Fraction::Zero => start,
        Fraction::Some => UnixTime(start.0.saturating_add(1)),
    };
    let end = end.map(timestamp).transpose()?.map(|(end, _)| end);
    if end.is_some_and(|end| end < start) {
        return Err(Error::ValidFor);
    }
    Ok(Window { start, end })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fraction {
    Zero,
    Some,
}

/// A `google.protobuf.Timestamp` as JSON: RFC 3339.
fn timestamp(value: Value<'_>) -> Result<(UnixTime, Fraction), Error> {
    let text = value.string()?.plain().ok_or(Error::ValidFor)?;
    let time = UnixTime::parse_rfc3339(text).ok_or(Error::ValidFor)?;
    let fraction = text.split_once('.').map(|(_, fraction)| fraction).unwrap_or_default();
    let mut digits = fraction.bytes().take_while(u8::is_ascii_digit);
    let zero = digits.all(|digit| digit == b'0');
    Ok((time, if zero { Fraction::Zero } else { Fraction::Some }))
}

#[cfg(test)]
#[path = "trusted_root_tests.rs"]
mod tests;
