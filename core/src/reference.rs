//! Image references, normalised the way the `distribution/reference` package does it (`ParseNormalizedNamed`, then
//! the tag `latest` where neither a tag nor a digest is given).
//!
//! `nginx` becomes `docker.io/library/nginx:latest`. There is one spelling for one image, because a policy compares
//! text: where distribution lets two spellings stand, this parser folds or refuses, and never accepts what
//! distribution refuses. The differences:
//!
//! - the host is lower-cased, where distribution keeps it. An upper-case spelling of Docker Hub's host in front of a
//!   one-part name (`DOCKER.IO/nginx`) is refused: distribution does not add `library/` there, so folding the case
//!   would name another repository;
//! - a first component that distribution takes for a host only because it has an upper-case letter (`Foo/bar`) is
//!   refused: in lower case it would be a path on Docker Hub;
//! - a port is 1 to 65535 without leading zeros, and an IPv6 address has its canonical text (RFC 5952);
//! - digests are SHA-256 only, and a host has a bounded length.
//!
//! As in distribution only `index.docker.io` is folded into `docker.io`; `registry-1.docker.io` is a host of its own.

use core::fmt;
use core::fmt::Write as _;
use core::net::Ipv6Addr;

use crate::limits;
use crate::oci::{Digest, DigestError};

/// The host that a reference without one means.
pub(crate) const DEFAULT_HOST: &str = "docker.io";
/// The older name of [`DEFAULT_HOST`].
pub(crate) const LEGACY_HOST: &str = "index.docker.io";
/// What is put in front of a one-part name on Docker Hub.
pub(crate) const OFFICIAL_PREFIX: &str = "library/";

/// A normalised image reference: host, path, and a tag, a digest or both.
///
/// It is well-formed; nothing says that such an image exists, or that tag and digest belong together.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    text: heapless::String<{ limits::REFERENCE_LENGTH }>,
    /// Byte lengths of the parts in `text`; the separators between them have one byte each.
    host: usize,
    path: usize,
    tag: Option<usize>,
    digest: Option<Digest>,
}

impl Reference {
    /// Reads a reference as people and kubelet write it, and normalises it.
    ///
    /// # Errors
    /// [`ReferenceError`] names the part that is wrong.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        if text.is_empty() {
            return Err(ReferenceError::Empty);
        }
        if !text.is_ascii() {
            return Err(ReferenceError::NotAscii);
        }
        if text.len() > limits::REFERENCE_LENGTH {
            return Err(ReferenceError::TooLong);
        }
        if Digest::from_hex(text).is_ok() {
            return Err(ReferenceError::BareIdentifier);
        }
        let (host, rest) = split_host(text)?;
        let (named, digest) = match rest.split_once('@') {
            Some((named, digest)) => (named, Some(Digest::parse(digest).map_err(ReferenceError::Digest)?)),
            None => (rest, None),
        };
        let (path, tag) = match named.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (named, None),
        };
        let prefix = if host.is_hub() && !path.contains('/') {
            if host.case == Case::Folded {
                return Err(ReferenceError::HubCase);
            }
            OFFICIAL_PREFIX
        } else {
            ""
        };
        check_path(path)?;
        let path_length = prefix.len().saturating_add(path.len());
        if path_length > limits::REPOSITORY_LENGTH {
            return Err(ReferenceError::TooLong);
        }
        if let Some(tag) = tag {
            check_tag(tag)?;
        }
        let tag = match (tag, digest) {
            (Some(tag), _) => Some(tag),
            (None, Some(_)) => None,
            (None, None) => Some("latest"),
        };

        let mut out = heapless::String::new();
        write!(out, "{}/{prefix}{path}", host.text).map_err(|_| ReferenceError::TooLong)?;
        if let Some(tag) = tag {
            write!(out, ":{tag}").map_err(|_| ReferenceError::TooLong)?;
        }
        if let Some(digest) = digest {
            write!(out, "@{digest}").map_err(|_| ReferenceError::TooLong)?;
        }
        Ok(Self { text: out, host: host.text.len(), path: path_length, tag: tag.map(str::len), digest })
    }

    /// The whole normalised reference, `host/path[:tag][@digest]`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.text.as_str()
    }

    /// The host in lower case, with its port if one was given.
    #[must_use]
    pub fn host(&self) -> &str {
        self.part(0, self.host)
    }

    /// The repository on that host.
    #[must_use]
    pub fn path(&self) -> &str {
        self.part(self.host.saturating_add(1), self.path)
    }

    /// Host and path: the repository's whole name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.part(0, self.name_length())
    }

    /// The tag. There is none where only a digest was given.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.map(|length| self.part(self.name_length().saturating_add(1), length))
    }

    /// The digest, where one was given.
    #[must_use]
    pub const fn digest(&self) -> Option<Digest> {
        self.digest
    }

    fn name_length(&self) -> usize {
        self.host.saturating_add(1).saturating_add(self.path)
    }

    fn part(&self, start: usize, length: usize) -> &str {
        // The lengths were taken from this very text when it was written, and it is ASCII: `get` finds them.
        self.text.get(start..start.saturating_add(length)).unwrap_or("")
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a host was written in lower case.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Lower,
    Folded,
}

/// A host that has passed the grammar, in lower case.
struct Host {
    text: heapless::String<{ limits::HOST_LENGTH }>,
    case: Case,
}

impl Host {
    fn is_hub(&self) -> bool {
        self.text == DEFAULT_HOST
    }
}

/// Tells a host from the first part of a Docker Hub name: distribution's `splitDockerDomain`.
fn split_host(text: &str) -> Result<(Host, &str), ReferenceError> {
    let hub = |rest| Ok((fold(DEFAULT_HOST)?, rest));
    let Some((first, rest)) = text.split_once('/') else {
        return hub(text);
    };
    if !is_host(first) {
        return if first.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Err(ReferenceError::UpperCase)
        } else {
            hub(text)
        };
    }
    check_host(first)?;
    let mut host = fold(first)?;
    if host.text == LEGACY_HOST {
        let case = host.case;
        host = Host { case, ..fold(DEFAULT_HOST)? };
    }
    if host.text.starts_with('[') && !is_canonical_ipv6(&host.text) {
        return Err(ReferenceError::Host);
    }
    Ok((host, rest))
}

/// Whether the first component of a name is a host: it has a dot or a colon, or is `localhost`.
pub(crate) fn is_host(first: &str) -> bool {
    first.eq_ignore_ascii_case("localhost") || first.contains(['.', ':'])
}

fn fold(host: &str) -> Result<Host, ReferenceError> {
    let mut text = heapless::String::new();
    let mut case = Case::Lower;
    for character in host.chars() {
        if character.is_ascii_uppercase() {
            case = Case::Folded;
        }
        text.push(character.to_ascii_lowercase()).map_err(|_| ReferenceError::TooLong)?;
    }
    Ok(Host { text, case })
}

/// A host with an optional port: `name[:port]`, `1.2.3.4[:port]` or `[v6][:port]`.
pub(crate) fn check_host(host: &str) -> Result<(), ReferenceError> {
    let (name, port) = split_port(host);
    if let Some(port) = port {
        check_port(port)?;
    }
    if name.starts_with('[') {
        // The canonical form is checked by the callers, after the case is folded.
        return Ok(());
    }
    // distribution: domain-component ['.' domain-component]*
    for label in name.split('.') {
        check_label(label)?;
    }
    Ok(())
}

pub(crate) fn check_label(label: &str) -> Result<(), ReferenceError> {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if label.is_empty() || label.starts_with('-') || label.ends_with('-') || !label.bytes().all(inside) {
        return Err(ReferenceError::Host);
    }
    Ok(())
}

/// Splits `host:port`; the colons inside the brackets of an IPv6 address are not separators.
pub(crate) fn split_port(host: &str) -> (&str, Option<&str>) {
    let split = match host.rfind(']') {
        Some(end) => host.split_at_checked(end.saturating_add(1)),
        None => host.split_once(':').map(|(name, _)| name.len()).and_then(|end| host.split_at_checked(end)),
    };
    match split {
        Some((name, "")) => (name, None),
        // What follows the bracket or the name and is not `:port` fails as a port.
        Some((name, rest)) => (name, Some(rest.strip_prefix(':').unwrap_or("invalid"))),
        None => (host, None),
    }
}

/// Checks the port of a host whose name is checked elsewhere.
pub(crate) fn check_port_of(host: &str) -> Result<(), ReferenceError> {
    split_port(host).1.map_or(Ok(()), check_port)
}

fn check_port(port: &str) -> Result<(), ReferenceError> {
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(number) if digits && number > 0 && !port.starts_with('0') => Ok(()),
        _ => Err(ReferenceError::Port),
    }
}

/// `[v6]` or `[v6]:port` with the address as RFC 5952 writes it, so that one address has one spelling.
pub(crate) fn is_canonical_ipv6(host: &str) -> bool {
    let (name, _) = split_port(host);
    let Some(inner) = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else {
        return false;
    };
    let Ok(address) = inner.parse::<Ipv6Addr>() else {
        return false;
    };
    let mut canonical = heapless::String::<48>::new();
    write!(canonical, "{address}").is_ok() && canonical == inner
}

/// distribution's `remote-name`: components of lower-case letters and digits, joined inside by one `.`, one or two
/// `_`, or any number of `-`.
fn check_path(path: &str) -> Result<(), ReferenceError> {
    if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(ReferenceError::UpperCase);
    }
    path.split('/').try_for_each(check_component)
}

fn check_component(component: &str) -> Result<(), ReferenceError> {
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let edges = component.as_bytes().first().zip(component.as_bytes().last());
    if !edges.is_some_and(|(first, last)| alphanumeric(first) && alphanumeric(last)) {
        return Err(ReferenceError::Path);
    }
    // What stands between runs of letters and digits is a separator, whole.
    for separator in
        component.split(|character: char| character.is_ascii_lowercase() || character.is_ascii_digit())
    {
        let known = matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-');
        if !known {
            return Err(ReferenceError::Path);
        }
    }
    Ok(())
}

fn check_tag(tag: &str) -> Result<(), ReferenceError> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let first = tag.bytes().next().is_some_and(word);
    let rest = tag.bytes().all(|byte| word(byte) || byte == b'.' || byte == b'-');
    if first && rest && tag.len() <= limits::TAG_LENGTH { Ok(()) } else { Err(ReferenceError::Tag) }
}

/// Why a text is not an image reference.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ReferenceError {
    /// There is nothing.
    Empty,
    /// A part, or the whole, is longer than its limit.
    TooLong,
    /// A character is not ASCII. Internationalised hosts are written in their `xn--` form, and match only so.
    NotAscii,
    /// 64 hexadecimal digits alone are an image id, not a name.
    BareIdentifier,
    /// The host is not a DNS name, an IPv4 address, or a canonical IPv6 address in brackets.
    Host,
    /// The port is not a number from 1 to 65535 without leading zeros.
    Port,
    /// Repositories are lower case.
    UpperCase,
    /// `DOCKER.IO/name` is another repository than `docker.io/name`.
    HubCase,
    /// A component of the path is empty, or has a character or a separator that is not allowed there.
    Path,
    /// The tag is empty, longer than 128, or has a character that is not allowed there.
    Tag,
    /// The digest is not one.
    Digest(DigestError),
}

impl fmt::Display for ReferenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the image reference is empty",
            Self::TooLong => "the image reference is longer than the limit",
            Self::NotAscii => {
                "an image reference has only ASCII characters; write an international host as xn--"
            }
            Self::BareIdentifier => "64 hexadecimal digits are an image id, not an image reference",
            Self::Host => {
                "the registry host is not a name, an IPv4 address or a canonical IPv6 address in brackets"
            }
            Self::Port => "the registry port is not a number from 1 to 65535",
            Self::UpperCase => "the repository name has upper-case letters; write it in lower case",
            Self::HubCase => "the host is Docker Hub in upper case; write docker.io in lower case",
            Self::Path => "the repository name is not made of lower-case components joined by single slashes",
            Self::Tag => "the tag is not 1 to 128 letters, digits, dots, dashes and underscores",
            Self::Digest(error) => return error.fmt(f),
        })
    }
}

impl core::error::Error for ReferenceError {}

#[cfg(test)]
#[path = "reference_tests.rs"]
pub(crate) mod tests;
