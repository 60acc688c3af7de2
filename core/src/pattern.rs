//! Patterns over normalised references: what `match = […]` in a policy holds.
//!
//! ```text
//! pattern := "**" | host "/" path [ ":" tag ] [ "@" digest ]
//! ```
//!
//! - `**` alone matches every reference;
//! - the host compares exactly, its port included. `*` may stand for one whole label, never for one of the last two,
//!   or for the port; `H:*` also matches `H` without a port;
//! - in the path, `*` is any number of characters within one component and `?` is exactly one; neither matches `/`,
//!   `:` or `@`. `**` is a whole component of the pattern and one or more components of the reference;
//! - a tag (`*` and `?` work in it) matches only references that carry such a tag, a digest only references that
//!   carry that digest. What the pattern does not say, it does not ask for;
//! - there is no other metacharacter, no negation and no alternative.
//!
//! A pattern that could never match because of how references are normalised is refused, and [`suggestion`] gives
//! the spelling that was meant: `kcandidate/*` is `docker.io/kcandidate/*`.
//!
//! Matching looks at each character of the reference at most once per character of the pattern: a star remembers one
//! place to come back to, and the last star is always the right one.

use core::fmt;
use core::fmt::Write as _;

use crate::limits;
use crate::oci::Digest;
use crate::reference::{self, DEFAULT_HOST, LEGACY_HOST, OFFICIAL_PREFIX, Reference, ReferenceError};

/// A pattern that has been read. It borrows the policy's text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pattern<'a> {
    body: Body<'a>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Body<'a> {
    Everything,
    Parts { host: PatternHost<'a>, path: &'a str, tag: Option<&'a str>, digest: Option<Digest> },
}

/// The hosts that a pattern can match; made for an index of rules by host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PatternHost<'a> {
    /// Every host: the pattern is `**`.
    Any,
    /// Exactly this host, port included. Compare with [`Reference::host`].
    Exact(&'a str),
    /// A host with `*` for a label or for the port.
    Glob(&'a str),
}

impl PatternHost<'_> {
    /// Whether a host, as [`Reference::host`] gives it, is one of them.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => *exact == host,
            Self::Glob(glob) => host_matches(glob, host),
        }
    }
}

impl<'a> Pattern<'a> {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`PatternError`] names the part that is wrong; for those where another spelling was probably meant,
    /// [`suggestion`] has it.
    pub fn parse(text: &'a str) -> Result<Self, PatternError> {
        if text == "**" {
            return Ok(Self { body: Body::Everything });
        }
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.len() > limits::PATTERN_LENGTH {
            return Err(PatternError::TooLong);
        }
        if !text.is_ascii() {
            return Err(PatternError::NotAscii);
        }
        let (host, rest) = match text.split_once('/') {
            Some((first, rest)) if reference::is_host(first) => (Some(first), rest),
            Some(("**", _)) => return Err(PatternError::HostWildcard),
            Some(_) => (None, text),
            None if text.starts_with("**:") || text.starts_with("**@") => {
                return Err(PatternError::HostWildcard);
            }
            None if names_a_host(text) => return Err(PatternError::NoRepository),
            None => (None, text),
        };
        let (named, digest) = match rest.split_once('@') {
            Some((named, digest)) => (named, Some(Digest::parse(digest).map_err(|_| PatternError::Digest)?)),
            None => (rest, None),
        };
        let (path, tag) = match named.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (named, None),
        };
        check_path(path)?;
        if let Some(tag) = tag {
            check_tag(tag)?;
        }
        // Only now, so that the spelling that is suggested is a pattern.
        let host = parse_host(host.ok_or(PatternError::NoHost)?)?;
        if host == PatternHost::Exact(DEFAULT_HOST) && !path.contains('/') && path != "**" {
            return Err(PatternError::HubLibrary);
        }
        Ok(Self { body: Body::Parts { host, path, tag, digest } })
    }

    /// Whether the pattern matches the whole of a reference.
    #[must_use]
    pub fn matches(&self, reference: &Reference) -> bool {
        match self.body {
            Body::Everything => true,
            Body::Parts { host, path, tag, digest } => {
                host.matches(reference.host())
                    && tag.is_none_or(|glob| reference.tag().is_some_and(|tag| segment_matches(glob, tag)))
                    && digest.is_none_or(|digest| reference.digest() == Some(digest))
                    && path_matches(path, reference.path())
            }
        }
    }

    /// The hosts that it can match.
    #[must_use]
    pub const fn host(&self) -> PatternHost<'a> {
        match self.body {
            Body::Everything => PatternHost::Any,
            Body::Parts { host, .. } => host,
        }
    }

    /// Whether it asks for a tag, which a pull by digest does not carry. `policy check` warns of that.
    #[must_use]
    pub const fn tag(&self) -> Option<&'a str> {
        match self.body {
            Body::Everything => None,
            Body::Parts { tag, .. } => tag,
        }
    }
}

/// The spelling that was probably meant by a pattern that [`Pattern::parse`] refuses: with Docker Hub's host and
/// `library/` in front where distribution would put them, or with `/**` behind a host that stands alone.
///
/// `None` where there is nothing to suggest; what is suggested is always a pattern.
#[must_use]
pub fn suggestion(text: &str) -> Option<heapless::String<{ limits::PATTERN_LENGTH }>> {
    let mut out = heapless::String::new();
    match Pattern::parse(text).err()? {
        PatternError::NoRepository => write!(out, "{text}/**"),
        PatternError::NoHost if text.contains('/') => write!(out, "{DEFAULT_HOST}/{text}"),
        PatternError::NoHost => write!(out, "{DEFAULT_HOST}/{OFFICIAL_PREFIX}{text}"),
        PatternError::HubLibrary | PatternError::HubAlias => {
            let (_, rest) = text.split_once('/')?;
            let named = rest.split([':', '@']).next().unwrap_or(rest);
            let prefix = if named.contains('/') || named == "**" { "" } else { OFFICIAL_PREFIX };
            write!(out, "{DEFAULT_HOST}/{prefix}{rest}")
        }
        PatternError::UpperCase => text.chars().try_for_each(|character| {
            // A tag keeps its case: it is not what is wrong.
            let tag = out.rsplit('/').next().is_some_and(|last| out.contains('/') && last.contains(':'));
            out.write_char(if tag { character } else { character.to_ascii_lowercase() })
        }),
        _ => return None,
    }
    .ok()?;
    Pattern::parse(&out).is_ok().then_some(out)
}

/// Whether a pattern without a slash is the name of a registry and not of a repository.
fn names_a_host(text: &str) -> bool {
    let name = text.split([':', '@']).next().unwrap_or(text);
    name.contains('.') || name == "localhost" || name.starts_with('[')
}

fn parse_host(host: &str) -> Result<PatternHost<'_>, PatternError> {
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(PatternError::UpperCase);
    }
    if host == LEGACY_HOST {
        return Err(PatternError::HubAlias);
    }
    if !host.contains(['*', '?']) {
        reference::check_host(host).map_err(|error| match error {
            ReferenceError::Port => PatternError::Port,
            _ => PatternError::Host,
        })?;
        if host.starts_with('[') && !reference::is_canonical_ipv6(host) {
            return Err(PatternError::Host);
        }
        return Ok(PatternHost::Exact(host));
    }
    let (name, port) = reference::split_port(host);
    match port {
        None | Some("*") => {}
        Some(port) if port.contains(['*', '?']) => return Err(PatternError::HostWildcard),
        // Without its wildcard the name is checked below; the port alone is checked here.
        Some(_) => reference::check_port_of(host).map_err(|_| PatternError::Port)?,
    }
    if name.starts_with('[') {
        return if reference::is_canonical_ipv6(name) {
            Ok(PatternHost::Glob(host))
        } else {
            Err(PatternError::Host)
        };
    }
    // From the right: the last two labels are never a wildcard, whatever is in front of them.
    for (position, label) in name.rsplit('.').enumerate() {
        if label == "*" && position >= 2 {
            continue;
        }
        if label.contains(['*', '?']) {
            return Err(PatternError::HostWildcard);
        }
        reference::check_label(label).map_err(|_| PatternError::Host)?;
    }
    Ok(PatternHost::Glob(host))
}

fn check_path(path: &str) -> Result<(), PatternError> {
    for component in path.split('/') {
        match component {
            "" => return Err(PatternError::Path),
            "**" => continue,
            _ if component.contains("**") => return Err(PatternError::DoubleStar),
            _ if component.bytes().any(|byte| byte.is_ascii_uppercase()) => {
                return Err(PatternError::UpperCase);
            }
            _ => {}
        }
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-*?".contains(&byte);
        if !component.bytes().all(known) {
            return Err(PatternError::Path);
        }
    }
    Ok(())
}

fn check_tag(tag: &str) -> Result<(), PatternError> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-*?".contains(&byte);
    if tag.is_empty() || tag.contains("**") || !tag.bytes().all(known) {
        return Err(PatternError::Tag);
    }
    Ok(())
}

fn host_matches(glob: &str, host: &str) -> bool {
    let (glob_name, glob_port) = reference::split_port(glob);
    let (name, port) = reference::split_port(host);
    if !(glob_port == Some("*") || glob_port == port) {
        return false;
    }
    if glob_name.starts_with('[') {
        return glob_name == name;
    }
    let mut labels = name.split('.');
    let all =
        glob_name.split('.').all(|glob| labels.next().is_some_and(|label| glob == "*" || glob == label));
    all && labels.next().is_none()
}

/// Components of a path against components of a pattern; `**` is one or more of them.
fn path_matches(pattern: &str, path: &str) -> bool {
    let (mut pattern, mut path) = (Some(pattern), Some(path));
    // Where to go on after the last `**`: what of the pattern follows it, and the path it may still swallow.
    let mut star: Option<(Option<&str>, &str)> = None;
    loop {
        match (pattern.map(next), path.map(next)) {
            (None, None) => return true,
            (Some(("**", rest)), Some((_, after))) => {
                if let Some(after) = after {
                    star = Some((rest, after));
                }
                (pattern, path) = (rest, after);
                continue;
            }
            (Some((glob, rest)), Some((component, after))) if segment_matches(glob, component) => {
                (pattern, path) = (rest, after);
                continue;
            }
            _ => {}
        }
        let Some((rest, swallowed)) = star else {
            return false;
        };
        let (_, after) = next(swallowed);
        (pattern, path) = (rest, after);
        star = after.map(|after| (rest, after));
    }
}

/// The first component, and what follows its slash.
fn next(path: &str) -> (&str, Option<&str>) {
    match path.split_once('/') {
        Some((first, rest)) => (first, Some(rest)),
        None => (path, None),
    }
}

/// Characters of one component or tag; `*` is any number of them, `?` exactly one.
pub(crate) fn segment_matches(glob: &str, text: &str) -> bool {
    let (mut glob, mut text) = (glob.as_bytes(), text.as_bytes());
    let mut star: Option<(&[u8], &[u8])> = None;
    loop {
        match (glob.split_first(), text.split_first()) {
            (None, None) => return true,
            (Some((b'*', rest)), _) => {
                star = Some((rest, text));
                glob = rest;
                continue;
            }
            (Some((wanted, rest)), Some((found, after))) if *wanted == b'?' || wanted == found => {
                (glob, text) = (rest, after);
                continue;
            }
            _ => {}
        }
        let Some((rest, [_, after @ ..])) = star else {
            return false;
        };
        star = Some((rest, after));
        (glob, text) = (rest, after);
    }
}

/// Why a text is not a pattern.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PatternError {
    /// There is nothing.
    Empty,
    /// It is longer than any reference.
    TooLong,
    /// A character is not ASCII.
    NotAscii,
    /// The first component is not a host. References always have one.
    NoHost,
    /// There is a host and no repository.
    NoRepository,
    /// `*` in a host is not a whole label left of the last two, and not the port.
    HostWildcard,
    /// The host is not a name, an IPv4 address or a canonical IPv6 address in brackets.
    Host,
    /// The port is not a number from 1 to 65535, or `*`.
    Port,
    /// Hosts and repositories are lower case after normalisation.
    UpperCase,
    /// `index.docker.io` is `docker.io` after normalisation.
    HubAlias,
    /// A one-part name on Docker Hub is in `library/` after normalisation.
    HubLibrary,
    /// A component is empty or has a character that a repository cannot have.
    Path,
    /// `**` is not a whole component.
    DoubleStar,
    /// The tag is empty or has a character that a tag cannot have.
    Tag,
    /// The digest is not `sha256:` and 64 lower-case hexadecimal digits; wildcards do not work in it.
    Digest,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the pattern is empty; write ** to match every image",
            Self::TooLong => "the pattern is longer than any image reference",
            Self::NotAscii => "the pattern has a character that is not ASCII; write an international host as xn--",
            Self::NoHost => "the pattern does not start with a registry host, and references always do",
            Self::NoRepository => "the pattern has a registry host and no repository; end it with /** for all of them",
            Self::HostWildcard => {
                "* in a host stands for one whole label, never one of the last two, or for the port; ** only alone"
            }
            Self::Host => "the host is not a name, an IPv4 address or a canonical IPv6 address in brackets",
            Self::Port => "the port is not a number from 1 to 65535, or *",
            Self::UpperCase => "the host or repository has upper-case letters, and references have none",
            Self::HubAlias => "index.docker.io is written docker.io in a normalised reference",
            Self::HubLibrary => "a one-part name on docker.io is in docker.io/library/ in a normalised reference",
            Self::Path => "a repository component is empty or has a character that no repository has",
            Self::DoubleStar => "** stands for whole components: write a/**, not a**",
            Self::Tag => "the tag is empty or has a character that no tag has",
            Self::Digest => "the digest is not sha256: and 64 lower-case hexadecimal digits; it takes no wildcard",
        })
    }
}

impl core::error::Error for PatternError {}

#[cfg(test)]
#[path = "pattern_tests.rs"]
mod tests;
