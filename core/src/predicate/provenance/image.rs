//! Images among the materials of a build, as normalised references.
//!
//! `BuildKit` names an image by a package URL (purl-spec, types `docker` and `oci`), in the familiar form of its name:
//!
//! ```text
//! pkg:docker/alpine@3.19?platform=linux%2Famd64            docker.io/library/alpine:3.19
//! pkg:docker/ghcr.io/acme/base?digest=sha256:…             ghcr.io/acme/base@sha256:…
//! pkg:docker/acme/base@1?repository_url=ghcr.io            ghcr.io/acme/base:1
//! pkg:oci/base@sha256:…?repository_url=ghcr.io/acme/base   ghcr.io/acme/base@sha256:…
//! ```
//!
//! Google Cloud Build writes references as they are. The material's own SHA-256 joins the reference; where the digest is
//! said twice, both must be equal.
//!
//! Every image counts, and not only what the last stage starts from: the list does not tell a base image from an
//! earlier stage or from the frontend that a `# syntax=` line names, and an image that is both stands in it once.

use core::fmt::Write as _;

use super::body::Material;
use crate::json::Text;
use crate::limits;
use crate::oci::Digest;
use crate::pattern::{Pattern, PatternError};
use crate::predicate::{Finding, Unmet};
use crate::reference::{self, Reference};
use crate::verdict::Reason;

/// Room for a URI.
type Uri = heapless::String<{ limits::SOURCE_BYTES }>;

/// Room for a repository's name with its host.
type Name = heapless::String<{ limits::HOST_LENGTH + 1 + limits::REPOSITORY_LENGTH }>;

/// Whether a pattern asks for a digest besides what it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pinned {
    /// With or without one.
    Either,
    /// The pattern ends in `@*`: any digest, and there must be one.
    Required,
}

/// A pattern for base images: as everywhere, and `@*` for any digest.
#[derive(Debug, Clone, Copy)]
pub(super) struct BasePattern<'a> {
    pattern: Pattern<'a>,
    pinned: Pinned,
}

impl<'a> BasePattern<'a> {
    /// Reads one.
    pub(super) fn parse(text: &'a str) -> Result<Self, PatternError> {
        let (text, pinned) = match text.strip_suffix("@*") {
            Some(text) => (text, Pinned::Required),
            None => (text, Pinned::Either),
        };
        Ok(Self { pattern: Pattern::parse(text)?, pinned })
    }

    /// Whether it matches an image.
    pub(super) fn matches(&self, image: &Reference) -> bool {
        (self.pinned == Pinned::Either || image.digest().is_some()) && self.pattern.matches(image)
    }
}

/// What kind of thing a material is, by its URI alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// An image by package URL; what follows `pkg:docker/`.
    Docker,
    /// The same for `pkg:oci/`.
    Oci,
    /// An image by reference, with or without one of the schemes for that.
    Reference,
    /// An image that no registry has.
    Local,
    /// A repository, a file, another package.
    Other,
}

/// Whether a material is an image. One without a URI may be.
pub(super) fn is_image(uri: Option<Text<'_>>) -> bool {
    let mut buffer = Uri::new();
    uri.is_some_and(|uri| {
        // What does not fit is cut: how it starts says what it is.
        let _cut = uri.copy_into(&mut buffer);
        kind_of(&buffer).0 != Kind::Other
    })
}

/// The image that a material is; `None` where it is something else.
///
/// # Errors
/// [`Reason::BaseMismatch`] for an image whose reference cannot be told, and for a material that does not say what it
/// is; [`Reason::ProvenanceContradiction`] for two digests of one image.
pub(super) fn image_of<'s>(material: &Material<'s>) -> Result<Option<Reference>, Unmet<'s>> {
    let Some(uri) = material.uri else {
        return Err(Unmet::missing(Reason::BaseMismatch, "what one of its materials is"));
    };
    let unreadable =
        Unmet { reason: Reason::BaseMismatch, finding: Finding::Other { what: "base image", found: uri } };
    let mut buffer = Uri::new();
    let whole = uri.copy_into(&mut buffer);
    let (kind, rest) = kind_of(&buffer);
    let (image, said) = match kind {
        Kind::Other => return Ok(None),
        Kind::Local => return Err(unreadable),
        _ if whole.is_err() => return Err(unreadable),
        Kind::Reference => (Named::of_reference(rest), None),
        Kind::Docker => Named::of_docker(rest).unzip(),
        Kind::Oci => Named::of_oci(rest).unzip(),
    };
    let image = image.ok_or(unreadable)?;
    let measured = match material.sha256()? {
        Some(hex) => {
            let digest = hex.plain().and_then(|hex| Digest::from_hex(hex).ok());
            Some(digest.ok_or_else(|| Unmet::malformed("material's digest"))?)
        }
        None => None,
    };
    let mut digest = image.digest;
    for other in [said.flatten(), measured].into_iter().flatten() {
        if digest.replace(other).is_some_and(|digest| digest != other) {
            return Err(Unmet {
                reason: Reason::ProvenanceContradiction,
                finding: Finding::Other { what: "digest of a base image", found: uri },
            });
        }
    }
    image.reference(digest).map(Some).ok_or(unreadable)
}

/// Kind of a URI, and what follows its scheme and type.
fn kind_of(uri: &str) -> (Kind, &str) {
    if let Some(rest) = strip_scheme(uri, "pkg:") {
        // purl-spec: slashes behind the scheme do not count, and the type has no case.
        let rest = rest.trim_start_matches('/');
        return match (strip_scheme(rest, "docker/"), strip_scheme(rest, "oci/")) {
            (Some(rest), _) => (Kind::Docker, rest),
            (_, Some(rest)) => (Kind::Oci, rest),
            _ => (Kind::Other, rest),
        };
    }
    if strip_scheme(uri, "oci-layout://").is_some() {
        return (Kind::Local, uri);
    }
    for scheme in ["docker-image://", "docker://", "oci://"] {
        if let Some(rest) = strip_scheme(uri, scheme) {
            return (Kind::Reference, rest);
        }
    }
    // What `scp` takes has a user before the first colon, a reference has its digest behind the last @.
    let repository = uri.split_once(':').is_some_and(|(before, _)| before.contains('@'));
    let pinned = uri.rsplit_once('@').is_some_and(|(_, digest)| digest.starts_with("sha"));
    let scheme = uri.split_once("://").is_some_and(|(scheme, _)| {
        !scheme.is_empty()
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte))
    });
    if scheme || (repository && !pinned) { (Kind::Other, uri) } else { (Kind::Reference, uri) }
}

fn strip_scheme<'u>(uri: &'u str, scheme: &str) -> Option<&'u str> {
    let (start, rest) = uri.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// The parts of a reference, before it is one.
struct Named {
    /// Repository, in the familiar form or with its host.
    name: Name,
    /// The tag.
    tag: heapless::String<{ limits::TAG_LENGTH }>,
    /// The digest.
    digest: Option<Digest>,
}

impl Named {
    fn of_reference(text: &str) -> Option<Self> {
        let reference = Reference::parse(text).ok()?;
        let mut named = Self { name: Name::new(), tag: heapless::String::new(), digest: reference.digest() };
        named.name.push_str(reference.name()).ok()?;
        named.tag.push_str(reference.tag().unwrap_or("")).ok()?;
        Some(named)
    }

    /// Namespace and name are the familiar form of the repository, behind `repository_url` where there is one.
    fn of_docker(purl: &str) -> Option<(Self, Option<Digest>)> {
        let purl = Purl::split(purl)?;
        let mut named = Self::with_version(&purl)?;
        if !purl.qualifiers.repository_url.is_empty() {
            write!(named.name, "{}/", purl.qualifiers.repository_url).ok()?;
        }
        named.name.push_str(&purl.path).ok()?;
        Some((named, purl.qualifiers.digest))
    }

    /// `repository_url` is the whole name. Without it no registry is named, and none is guessed.
    fn of_oci(purl: &str) -> Option<(Self, Option<Digest>)> {
        let purl = Purl::split(purl)?;
        let mut named = Self::with_version(&purl)?;
        let url = &purl.qualifiers.repository_url;
        let last = url.rsplit('/').next()?;
        if !last.eq_ignore_ascii_case(&purl.path) {
            return None;
        }
        named.name.push_str(url).ok()?;
        Some((named, purl.qualifiers.digest))
    }

    /// The version of a package URL is a tag or a digest, and an OCI image's tag may be a qualifier.
    fn with_version(purl: &Purl) -> Option<Self> {
        let mut named = Self { name: Name::new(), tag: heapless::String::new(), digest: None };
        let qualifier = &purl.qualifiers.tag;
        let tag = if purl.version.contains(':') {
            named.digest = Some(Digest::parse(&purl.version).ok()?);
            qualifier
        } else if purl.version.is_empty() {
            qualifier
        } else {
            &purl.version
        };
        if !qualifier.is_empty() && tag != qualifier {
            return None;
        }
        named.tag.push_str(tag).ok()?;
        Some(named)
    }

    fn reference(&self, digest: Option<Digest>) -> Option<Reference> {
        let mut text: heapless::String<{ limits::REFERENCE_LENGTH }> = heapless::String::new();
        text.push_str(&self.name).ok()?;
        if !self.tag.is_empty() {
            write!(text, ":{}", self.tag).ok()?;
        }
        if let Some(digest) = digest {
            write!(text, "@{digest}").ok()?;
        }
        Reference::parse(&text).ok()
    }
}

/// A package URL behind its type, decoded.
struct Purl {
    /// Namespace and name.
    path: Name,
    version: heapless::String<{ limits::TAG_LENGTH }>,
    qualifiers: Qualifiers,
}

/// The qualifiers that name an image; empty where they are absent.
#[derive(Default)]
struct Qualifiers {
    repository_url: Name,
    tag: heapless::String<{ limits::TAG_LENGTH }>,
    digest: Option<Digest>,
}

impl Purl {
    /// Splits it as purl-spec says: from the right, subpath, qualifiers, version.
    fn split(text: &str) -> Option<Self> {
        if text.contains('#') {
            // An image has no subpath.
            return None;
        }
        let (text, qualifiers) = text.rsplit_once('?').unwrap_or((text, ""));
        let (path, version) = text.rsplit_once('@').unwrap_or((text, ""));
        let mut purl = Self {
            path: Name::new(),
            version: heapless::String::new(),
            qualifiers: Qualifiers::read(qualifiers)?,
        };
        decode(path, &mut purl.path)?;
        decode(version, &mut purl.version)?;
        // Nothing of the path may become a tag or a digest of the reference; a colon may only be a host's port.
        let port =
            purl.path.split_once('/').is_some_and(|(host, rest)| host.contains(':') && !rest.contains(':'));
        let known =
            |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte) || (port && byte == b':');
        purl.path.bytes().all(known).then_some(purl)
    }
}

impl Qualifiers {
    fn read(text: &str) -> Option<Self> {
        let mut read = Self::default();
        let mut seen = [false; 3];
        for qualifier in text.split('&').filter(|qualifier| !qualifier.is_empty()) {
            let (key, value) = qualifier.split_once('=')?;
            let names = ["repository_url", "tag", "digest"];
            let Some(place) = names.iter().position(|name| key.eq_ignore_ascii_case(name)) else { continue };
            if core::mem::replace(seen.get_mut(place)?, true) {
                return None;
            }
            match place {
                0 => read.read_repository(value)?,
                1 => decode(value, &mut read.tag)?,
                _ => {
                    let mut digest = heapless::String::<{ limits::DIGEST_LENGTH }>::new();
                    decode(value, &mut digest)?;
                    read.digest = Some(Digest::parse(&digest).ok()?);
                }
            }
        }
        Some(read)
    }

    /// A registry, or a repository on one, without tag and digest.
    fn read_repository(&mut self, value: &str) -> Option<()> {
        let mut url = Name::new();
        decode(value, &mut url)?;
        let url = url.strip_prefix("https://").unwrap_or(&url);
        let url = url.strip_suffix('/').unwrap_or(url);
        let (host, path) = url.split_once('/').unwrap_or((url, ""));
        if !reference::is_host(host) || path.contains([':', '@']) {
            return None;
        }
        self.repository_url.push_str(url).ok()
    }
}

/// Decodes percent-encoding into ASCII.
fn decode<const N: usize>(text: &str, out: &mut heapless::String<N>) -> Option<()> {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let c = if c == '%' {
            let high = chars.next()?.to_digit(16)?;
            let low = chars.next()?.to_digit(16)?;
            char::from_u32(high.checked_mul(16)?.checked_add(low)?)?
        } else {
            c
        };
        if !c.is_ascii_graphic() {
            return None;
        }
        out.push(c).ok()?;
    }
    Some(())
}

#[cfg(test)]
#[path = "image_tests.rs"]
mod tests;
