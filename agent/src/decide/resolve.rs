//! From a name to the digest that is judged.

use std::time::Instant;

use pullward_core::oci::Digest;
use pullward_core::reference::Reference;
use pullward_core::verdict::Reason;

use super::{ConfiguredSource, Question, Unresolved, named};
use crate::evidence::document::MediaType;

/// A name and the digest that it stands for.
#[derive(Debug, Clone)]
pub(super) struct Resolution {
    pub(super) reference: Reference,
    pub(super) digest: Digest,
}

/// Finds the digest of a question: the one that came with it, the one in its name, or the one that the
/// registry gives for its tag. The store is asked for a tag only where no registry may be.
///
/// A source that does not have the name is passed over, and so is one that cannot be reached: the digest decides
/// nothing, it is only what evidence has to be about.
pub(super) fn resolve(
    sources: &[ConfiguredSource],
    question: &Question,
    deadline: Instant,
) -> Result<Resolution, Unresolved> {
    check_media_type(question)?;
    let (reference, digest) = named(&question.reference, question.digest.as_deref())?;
    if let Some(digest) = digest {
        return Ok(Resolution { reference, digest });
    }
    let name = reference.as_str().to_owned();
    let mut tried = Vec::new();
    // A tag moves, and the store does not hear of it: with a registry at hand only the registry knows.
    let online = sources.iter().any(|source| !source.is_store());
    for source in sources.iter().filter(|source| !(online && source.is_store())) {
        let Some(opened) = source.open(Some(&reference)) else { continue };
        match opened.and_then(|source| source.resolve(&reference, deadline)) {
            Ok(resolved) => return Ok(Resolution { reference, digest: resolved.digest }),
            Err(error) => {
                if error.is_ambiguous() {
                    return Err(Unresolved {
                        reason: Reason::ManifestAmbiguous,
                        reference: name,
                        digest: String::new(),
                        detail: error.to_string(),
                    });
                }
                tried.push(error.to_string());
            }
        }
    }
    if tried.is_empty() {
        tried.push("no source of evidence is configured".to_owned());
    }
    Err(Unresolved {
        reason: Reason::TagNotResolved,
        reference: name,
        digest: String::new(),
        detail: tried.join("; "),
    })
}

/// A hook that is told the media type is told a manifest's or an index's, or this is no image (T-60).
fn check_media_type(question: &Question) -> Result<(), Unresolved> {
    match question.media_type.as_deref() {
        Some(media_type) if MediaType::parse(media_type).is_none() => Err(Unresolved {
            reason: Reason::DescriptorInvalid,
            reference: question.reference.clone(),
            digest: question.digest.clone().unwrap_or_default(),
            detail: format!("{media_type:?} is not the media type of a manifest or an index"),
        }),
        _ => Ok(()),
    }
}
