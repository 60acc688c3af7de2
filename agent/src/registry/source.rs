//! A repository as a source of evidence.
//!
//! In this order, and no further than the receiver wants: the referrers API; the fallback tag `sha256-<hex>`; the legacy
//! tags `.sig` and `.att`. The fallback tag is read whatever the API lists: whoever pushes one referrer through the API
//! must not hide what stands behind the tag. What both list is read once.
//!
//! The tags are asked for beside the API, because all of them are wanted whatever it answers (`ahead`). What is handed
//! over, in which order, and which failure ends the visit depends on the answers alone, never on which came first.
//!
//! distribution-spec 1.1 says that 404 means "no referrers API". 400 and 405 are taken the same way, because registries
//! without the API answer them too. 401, 403, 429 and 5xx are not: nobody knows then what there is. Registries that
//! gained the API later still hold what older clients wrote behind the tag. An API that answers 200 with anything but an index is an error.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use pullward_core::limits;
use pullward_core::oci::{Digest, MEDIA_TYPE_INDEX};
use pullward_core::reference::Reference;
use serde::Deserialize;

use crate::evidence::document::{DescriptorBuf, Document, DocumentError, List, Shape, shorten};
use crate::evidence::layout::{signature_of_another, signed_digests};
use crate::evidence::walk::{Content, FetchError, Manifest, Walk};
use crate::evidence::{
    Budget, Documents, EvidenceSource, Flow, Found, Gathered, Hint, ItemError, Kin, Limit, Question,
    REWRITTEN_TRIED, Relative, Resolved, Source, SourceError, Wanted, fallback_tag,
};
use crate::registry::address::next_link;
use crate::registry::ahead::{Ahead, Tagged};
use crate::registry::background::Spool;
use crate::registry::{Client, Received, RegistryError, Repository, Which, content_type, read_body};

/// A repository, asked through a client.
#[derive(Debug)]
pub struct RegistrySource<'a> {
    client: &'a Client,
    repository: Repository,
    /// Where large blobs go besides into memory.
    spool: Option<&'a Spool>,
}

impl<'a> RegistrySource<'a> {
    /// The repository that a reference names.
    ///
    /// # Errors
    /// [`RegistryError`] for a host that cannot be asked.
    pub fn new(client: &'a Client, reference: &Reference) -> Result<Self, RegistryError> {
        Ok(Self { client, repository: client.repository(reference)?, spool: None })
    }

    /// The same source, whose large blobs go to disk while they come, so that nobody has to hold them.
    #[must_use]
    pub(super) fn spooled(self, spool: &'a Spool) -> Self {
        Self { spool: Some(spool), ..self }
    }

    /// Reads the referrers of an image through the API, page by page. `None` where the registry has no such API.
    ///
    /// # Errors
    /// [`SourceError`]; also where a later page fails: a part of a list is not the list.
    fn referrers_api(
        &self,
        subject: &Digest,
        walk: &mut Walk<'_>,
        deadline: Instant,
    ) -> Result<Option<List>, SourceError> {
        let mut address =
            self.repository.origin.at(format!("/v2/{}/referrers/{subject}", self.repository.path));
        let mut list = List::default();
        let mut seen = HashSet::new();
        loop {
            let url = address.to_string();
            let limit = |limit| RegistryError::Limit { url: url.clone(), limit };
            if seen.len() >= limits::REFERRER_PAGES {
                return Err(limit(Limit::Pages).into());
            }
            let first = seen.is_empty();
            seen.insert(url.clone());
            let received =
                match self.client.get(&self.repository, address.clone(), MEDIA_TYPE_INDEX, deadline) {
                    Ok(received) => received,
                    Err(RegistryError::NotFound { .. } | RegistryError::Status { status: 400 | 405, .. })
                        if first =>
                    {
                        return Ok(None);
                    }
                    Err(error) => return Err(error.into()),
                };
            let next = next_page(&received)?;
            let (page, read) = self.page(received)?;
            walk.spend(read)?;
            list.listed = list.listed.saturating_add(page.listed);
            if list.listed > limits::REFERRERS_SCANNED || page.listed > page.entries.len() {
                return Err(limit(Limit::Referrers).into());
            }
            list.entries.extend(page.entries);
            match next {
                None => return Ok(Some(list)),
                Some(next) if seen.contains(&next.to_string()) => {
                    return Err(RegistryError::LinkLoop { url }.into());
                }
                Some(next) => address = next,
            }
        }
    }

    fn page(&self, received: Received) -> Result<(List, u64), RegistryError> {
        let url = received.address.to_string();
        let found = content_type(&received);
        if found != MEDIA_TYPE_INDEX {
            let expected = MEDIA_TYPE_INDEX;
            return Err(RegistryError::ContentType { url, expected, found: shorten(&found) });
        }
        let (bytes, _) = read_body(received, limits::MANIFEST_BYTES, None, None)?;
        let error = |error| RegistryError::Document { url: url.clone(), error };
        match Document::parse(&bytes, MEDIA_TYPE_INDEX).map_err(error)?.shape {
            Shape::Index { manifests } => Ok((manifests, u64::try_from(bytes.len()).unwrap_or(u64::MAX))),
            Shape::Manifest { .. } => Err(error(DocumentError::ShapeMismatch(MEDIA_TYPE_INDEX.to_owned()))),
        }
    }

    /// A manifest behind a tag of the kind that clients make for evidence. Nothing behind it is no error.
    fn tagged(&self, tag: &str, deadline: Instant) -> Tagged {
        match self.client.manifest(&self.repository, Which::Tag(tag), None, deadline) {
            Ok(manifest) => Ok(Some(manifest)),
            Err(RegistryError::NotFound { .. }) => Ok(None),
            Err(error) => Err(split(error)),
        }
    }

    /// Tags of signatures for other images, to explain why this one has none. One page, and a failure is no hint.
    fn other_signatures(&self, deadline: Instant) -> Option<Hint> {
        signature_of_another(self.tags(deadline)?.iter().map(String::as_str))
    }

    /// The first page of the repository's tags.
    fn tags(&self, deadline: Instant) -> Option<Vec<String>> {
        #[derive(Deserialize)]
        struct Tags {
            #[serde(default)]
            tags: Option<Vec<String>>,
        }
        let address = self.repository.origin.at(format!("/v2/{}/tags/list?n=1000", self.repository.path));
        let received = self.client.get(&self.repository, address, "application/json", deadline).ok()?;
        let (body, _) = read_body(received, limits::MANIFEST_BYTES, None, None).ok()?;
        serde_json::from_slice::<Tags>(&body).ok()?.tags
    }
}

/// The next page, on the same origin only.
fn next_page(received: &Received) -> Result<Option<crate::registry::address::Address>, RegistryError> {
    let url = || received.address.to_string();
    let mut target = None;
    for value in received.answer.headers().get_all("link") {
        let unreadable = |detail| RegistryError::LinkHeader { url: url(), detail };
        let value = value.to_str().map_err(|_| unreadable("it is not text"))?;
        if value.len() > limits::HEADER_VALUE_BYTES {
            return Err(unreadable("it is longer than is looked at"));
        }
        match next_link(value) {
            Some(_) if target.is_some() => return Err(unreadable("there are two next pages")),
            Some(next) => target = Some(next),
            // Taken for no next page, it would cut the list.
            None if value.to_ascii_lowercase().contains("next") => {
                return Err(unreadable("it speaks of a next page and does not name one"));
            }
            None => {}
        }
    }
    let Some(target) = target else { return Ok(None) };
    match received.address.join(target) {
        Ok(next) if next.origin() == received.address.origin() => Ok(Some(next)),
        Ok(next) => Err(RegistryError::Link { url: url(), target: next.origin().to_string() }),
        Err(error) => Err(RegistryError::Link { url: url(), target: error.to_string() }),
    }
}

/// Whose fault a failure to read one attached thing is: the thing's, or the registry's.
fn split(error: RegistryError) -> FetchError {
    FetchError::Item(match error {
        RegistryError::NotFound { .. } => ItemError::NotFound,
        RegistryError::Digest { expected, found, .. } => ItemError::Digest { expected, found },
        RegistryError::Length { promised, received, .. } => ItemError::Length { promised, received },
        RegistryError::TooLarge { cap, .. } => ItemError::TooLarge { cap },
        RegistryError::Document { error, .. } => ItemError::Document(error),
        RegistryError::ContentType { expected, found, .. } => {
            ItemError::MediaType { expected: expected.to_owned(), found }
        }
        other => return FetchError::Source(other.into()),
    })
}

impl Content for RegistrySource<'_> {
    fn image(&self, digest: &Digest, deadline: Instant) -> Result<Manifest, FetchError> {
        self.client.manifest(&self.repository, Which::Digest(*digest), None, deadline).map_err(split)
    }

    fn manifest(&self, descriptor: &DescriptorBuf, deadline: Instant) -> Result<Manifest, FetchError> {
        let which = Which::Digest(descriptor.digest);
        let manifest = self
            .client
            .manifest(&self.repository, which, Some(&descriptor.media_type), deadline)
            .map_err(split)?;
        if manifest.size != descriptor.size {
            return Err(ItemError::Length { promised: descriptor.size, received: manifest.size }.into());
        }
        Ok(manifest)
    }

    fn blob(&self, descriptor: &DescriptorBuf, cap: u64, deadline: Instant) -> Result<Vec<u8>, FetchError> {
        let DescriptorBuf { digest, size, .. } = descriptor;
        let Some(spool) = self.spool.filter(|_| *size > limits::STAGE_FROM_BYTES) else {
            return self.client.blob(&self.repository, digest, *size, cap, deadline).map_err(split);
        };
        let mut spooling = spool.begin();
        self.client
            .blob_into(&self.repository, digest, *size, cap, deadline, &mut |part| spooling.take(part))
            .map_err(split)?;
        Ok(spooling.finish(digest))
    }
}

impl EvidenceSource for RegistrySource<'_> {
    fn visit(
        &self,
        question: Question<'_>,
        budget: &mut Budget,
        sink: &mut dyn FnMut(Found) -> Flow,
    ) -> Result<Gathered, SourceError> {
        let tag = fallback_tag(question.subject);
        let suffixes: &[&str] = match question.wanted {
            Wanted::Signatures => &["", ".sig"],
            Wanted::Everything | Wanted::EverythingAndIndex => &["", ".sig", ".att"],
        };
        let tags = suffixes.iter().map(|suffix| format!("{tag}{suffix}")).collect();
        let ask = |tag: &str| self.tagged(tag, question.deadline);
        Ahead::of(tags, &ask, |ahead| {
            self.walk(question, Walk::new(Source::Registry, self, question, budget, sink), ahead)
        })
    }

    fn relatives(
        &self,
        image: &Digest,
        reference: Option<&Reference>,
        kin: Kin,
        deadline: Instant,
    ) -> Result<Vec<Relative>, SourceError> {
        let source = Source::Registry;
        let tagged = match reference.and_then(Reference::tag) {
            Some(tag) => match self.client.manifest(&self.repository, Which::Tag(tag), None, deadline) {
                Ok(manifest) => Some(manifest),
                Err(RegistryError::NotFound { .. }) => None,
                Err(error) => return Err(error.into()),
            },
            None => None,
        };
        let tagged = tagged.filter(|manifest| manifest.digest != *image);
        if kin == Kin::Parents {
            let index = tagged.filter(|manifest| matches!(manifest.document.shape, Shape::Index { .. }));
            let parent = |index: Manifest| Relative {
                source,
                documents: Documents::Parent { index: index.bytes.into() },
            };
            return Ok(index.into_iter().map(parent).collect());
        }
        let by_digest =
            |digest: Digest| self.client.manifest(&self.repository, Which::Digest(digest), None, deadline);
        let own: Arc<[u8]> = by_digest(*image)?.bytes.into();
        let tags = self.tags(deadline).unwrap_or_default();
        let known = tagged.as_ref().map(|manifest| manifest.digest);
        let signed = signed_digests(tags.iter().map(String::as_str));
        let others = signed.into_iter().filter(|digest| digest != image && Some(*digest) != known);
        let others = others.take(REWRITTEN_TRIED).filter_map(|digest| by_digest(digest).ok());
        let manifests = tagged.into_iter().chain(others);
        let manifests =
            manifests.filter(|manifest| matches!(manifest.document.shape, Shape::Manifest { .. }));
        Ok(manifests
            .map(|other| Relative {
                source,
                documents: Documents::Rewritten { image: Arc::clone(&own), other: other.bytes.into() },
            })
            .collect())
    }

    fn resolve(&self, reference: &Reference, deadline: Instant) -> Result<Resolved, SourceError> {
        let which = match (reference.digest(), reference.tag()) {
            (Some(digest), _) => Which::Digest(digest),
            (None, Some(tag)) => Which::Tag(tag),
            // Every reference has one of the two; `latest` is what parsing would have put there.
            (None, None) => Which::Tag("latest"),
        };
        let manifest = self.client.manifest(&self.repository, which, None, deadline)?;
        Ok(Resolved {
            digest: manifest.digest,
            media_type: manifest.document.media_type,
            size: manifest.size,
        })
    }
}

impl RegistrySource<'_> {
    /// Hands over what the API lists, and then what stands behind each tag.
    fn walk(
        &self,
        question: Question<'_>,
        mut walk: Walk<'_>,
        tags: Ahead<'_>,
    ) -> Result<Gathered, SourceError> {
        let Question { subject, deadline, .. } = question;
        match self.referrers_api(subject, &mut walk, deadline)? {
            Some(list) => {
                if walk.referrers(&list)? == Flow::Stop {
                    return Ok(walk.finish());
                }
            }
            None => walk.hint(Hint::NoReferrersApi),
        }
        for tagged in tags {
            if behind_tag(tagged, &mut walk)? == Flow::Stop {
                return Ok(walk.finish());
            }
        }
        if walk.image_index()? == Flow::Stop {
            return Ok(walk.finish());
        }
        if walk.is_empty() {
            walk.hint(Hint::TagsAreNotCopied { tag: format!("{}.sig", fallback_tag(subject)) });
            if let Some(hint) = self.other_signatures(deadline) {
                walk.hint(hint);
            }
        }
        Ok(walk.finish())
    }
}

/// What stands behind a fallback tag (a list of referrers) or a legacy tag (a manifest).
fn behind_tag(tagged: Tagged, walk: &mut Walk<'_>) -> Result<Flow, SourceError> {
    match tagged {
        Ok(None) => Ok(Flow::Continue),
        Ok(Some(manifest)) => {
            walk.spend(manifest.size)?;
            match &manifest.document.shape {
                Shape::Index { manifests } => walk.referrers(manifests),
                Shape::Manifest { .. } => walk.legacy(&manifest),
            }
        }
        Err(FetchError::Item(reason)) => {
            walk.reject(None, reason);
            Ok(Flow::Continue)
        }
        Err(FetchError::Source(error)) => Err(error),
    }
}
