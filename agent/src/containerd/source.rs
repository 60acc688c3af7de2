//! containerd's own content store as a source of evidence.
//!
//! What an image is signed with is found by name, as in a registry: containerd keeps what was pulled or imported as
//! `HOST/PATH:sha256-<hex>`, `.sig` and `.att` under these names, in whatever namespace. What stands behind a name is
//! read by digest, hashed, and judged as from anywhere else. Labels of images and content are not read.
//!
//! A socket that is not there is a store that holds nothing: no containerd runs, or not yet. A socket that does not
//! answer is a source that could not be asked.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use containerd_client::services::v1::ReadContentResponse;
use pullward_core::oci::Digest;
use pullward_core::reference::Reference;
use pullward_core::{buildkit, limits};
use tokio::runtime::Runtime;
use tonic::Streaming;

use super::client::{self, Client, ClientError, Image};
use crate::evidence::checked::{self, ContentError, Expected};
use crate::evidence::document::{Annotations, DescriptorBuf, Document, MediaType, Shape};
use crate::evidence::walk::{Content, FetchError, Manifest, Walk};
use crate::evidence::{
    Budget, Documents, EvidenceSource, Extent, Flow, Found, Gathered, ItemError, Kin, Question, Relative,
    Resolved, Source, SourceError, Wanted, fallback_tag,
};

/// Longest that containerd is asked for one question: a registry may have to be asked after it.
const PATIENCE: Duration = Duration::from_secs(2);

/// containerd, asked for what is attached to the images of one repository.
#[derive(Debug)]
pub struct ContainerdSource<'a> {
    address: &'a Path,
    reference: &'a Reference,
}

impl<'a> ContainerdSource<'a> {
    /// The containerd at `address`, for the repository that `reference` names. Nothing is asked yet.
    #[must_use]
    pub fn new(address: &'a Path, reference: &'a Reference) -> Self {
        Self { address, reference }
    }

    /// `None` where there is no containerd.
    fn open(&self, platform: &str, deadline: Instant) -> Result<Option<Opened>, SourceError> {
        let unusable = |error: io::Error| ClientError::Unreachable(error.to_string());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(unusable)?;
        let deadline = deadline.min(Instant::now() + PATIENCE);
        let connected = within(&runtime, deadline, async {
            let client = Client::connect(self.address).await?;
            let namespaces = client.namespaces().await?;
            Ok((client, namespaces))
        });
        match connected {
            Ok((client, namespaces)) => Ok(Some(Opened {
                runtime,
                client,
                namespaces: RefCell::new(namespaces),
                platform: platform.to_owned(),
                deadline,
            })),
            Err(ClientError::Absent(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// A connection for one question.
struct Opened {
    runtime: Runtime,
    client: Client,
    /// All namespaces; the one that had something last stands first.
    namespaces: RefCell<Vec<String>>,
    platform: String,
    deadline: Instant,
}

impl Opened {
    /// What a name stands for, in every namespace, each target once.
    fn named(&self, name: &str) -> Result<Vec<Image>, ClientError> {
        let mut images: Vec<Image> = Vec::new();
        for namespace in self.namespaces.borrow().iter() {
            let found = within(&self.runtime, self.deadline, self.client.image(namespace, name))?;
            images.extend(found.filter(|image| images.iter().all(|known| known.target != image.target)));
        }
        Ok(images)
    }

    /// Content, from the first namespace that holds it.
    fn read(&self, expected: Expected, digest: &Digest) -> Result<Vec<u8>, FetchError> {
        let namespaces = self.namespaces.borrow().clone();
        for (place, namespace) in namespaces.iter().enumerate() {
            let asked = async {
                let mut chunks = self.client.content_stream(namespace, digest).await?;
                // Whether it is there is said with the first chunk.
                let first = client::next_chunk(&mut chunks).await?;
                Ok((chunks, first))
            };
            let (chunks, first) = match within(&self.runtime, self.deadline, asked) {
                Ok(read) => read,
                Err(ClientError::NotFound(_)) => continue,
                Err(error) => return Err(SourceError::from(error).into()),
            };
            self.namespaces.borrow_mut().swap(0, place);
            let chunks = Chunks { opened: self, chunks, current: io::Cursor::new(data(first)), failed: None };
            return chunks.read_whole(expected);
        }
        Err(ItemError::NotFound.into())
    }

    fn document(&self, descriptor: &DescriptorBuf) -> Result<Manifest, FetchError> {
        let expected = Expected {
            cap: limits::MANIFEST_BYTES,
            length: Some(descriptor.size),
            digest: Some(descriptor.digest),
        };
        let bytes = self.read(expected, &descriptor.digest)?;
        let document = Document::parse(&bytes, &descriptor.media_type).map_err(ItemError::from)?;
        Ok(Manifest { digest: descriptor.digest, size: descriptor.size, document, bytes })
    }

    /// Whether everything that an index lists as a build's attestations is held. Mostly it is not: containerd fetches
    /// what it runs. Then there is nothing to read here, which is no failure.
    fn holds_attestations(&self, index: &[u8]) -> Result<bool, FetchError> {
        let Ok(wanted) = buildkit::attestation_manifests(index, &self.platform) else { return Ok(true) };
        let Ok(document) = Document::parse(index, MediaType::Index.as_str()) else { return Ok(true) };
        let Shape::Index { manifests } = document.shape else { return Ok(true) };
        for listed in manifests.entries.iter().flatten().filter(|entry| wanted.contains(&entry.digest)) {
            let mut held = false;
            for namespace in self.namespaces.borrow().iter() {
                let asked = self.client.holds(namespace, &listed.digest);
                held = held || within(&self.runtime, self.deadline, asked).map_err(SourceError::from)?;
            }
            if !held {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Content as it comes, to be hashed while it does.
struct Chunks<'o> {
    opened: &'o Opened,
    chunks: Streaming<ReadContentResponse>,
    current: io::Cursor<Vec<u8>>,
    failed: Option<ClientError>,
}

impl Chunks<'_> {
    fn read_whole(mut self, expected: Expected) -> Result<Vec<u8>, FetchError> {
        let read = checked::read(&mut self, expected);
        if let Some(error) = self.failed {
            return Err(SourceError::from(error).into());
        }
        read.map(|(bytes, _)| bytes).map_err(|error| {
            FetchError::Item(match error {
                ContentError::TooLarge { cap } => ItemError::TooLarge { cap },
                ContentError::Length { promised, received } => ItemError::Length { promised, received },
                ContentError::Digest { expected, found } => ItemError::Digest { expected, found },
                ContentError::Io(error) => ItemError::Unreadable(error.to_string()),
            })
        })
    }
}

impl Read for Chunks<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.current.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let opened = self.opened;
            match within(&opened.runtime, opened.deadline, client::next_chunk(&mut self.chunks)) {
                Ok(None) => return Ok(0),
                Ok(next) => self.current = io::Cursor::new(data(next)),
                Err(error) => {
                    self.failed = Some(error.clone());
                    return Err(io::Error::other(error));
                }
            }
        }
    }
}

fn data(chunk: Option<ReadContentResponse>) -> Vec<u8> {
    chunk.map(|chunk| chunk.data).unwrap_or_default()
}

fn within<T>(
    runtime: &Runtime,
    deadline: Instant,
    asked: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    let timed = runtime.block_on(async { tokio::time::timeout_at(deadline.into(), asked).await });
    timed.unwrap_or(Err(ClientError::Slow("everything that was asked for one image")))
}

impl Content for Opened {
    fn image(&self, digest: &Digest, _: Instant) -> Result<Manifest, FetchError> {
        let expected = Expected { cap: limits::MANIFEST_BYTES, length: None, digest: Some(*digest) };
        let bytes = self.read(expected, digest)?;
        let types = [MediaType::Index, MediaType::Manifest, MediaType::DockerList, MediaType::DockerManifest];
        let mut parsed = types.into_iter().map(|it| Document::parse(&bytes, it.as_str()));
        let document =
            parsed.find(Result::is_ok).unwrap_or_else(|| Document::parse(&bytes, types[0].as_str()));
        let document = document.map_err(ItemError::from)?;
        if document.media_type.is_index() && !self.holds_attestations(&bytes)? {
            return Err(ItemError::NotFound.into());
        }
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok(Manifest { digest: *digest, size, document, bytes })
    }

    fn manifest(&self, descriptor: &DescriptorBuf, _: Instant) -> Result<Manifest, FetchError> {
        self.document(descriptor)
    }

    fn blob(&self, descriptor: &DescriptorBuf, cap: u64, _: Instant) -> Result<Vec<u8>, FetchError> {
        let expected = Expected { cap, length: Some(descriptor.size), digest: Some(descriptor.digest) };
        self.read(expected, &descriptor.digest)
    }
}

impl EvidenceSource for ContainerdSource<'_> {
    fn visit(
        &self,
        question: Question<'_>,
        budget: &mut Budget,
        sink: &mut dyn FnMut(Found) -> Flow,
    ) -> Result<Gathered, SourceError> {
        let Some(opened) = self.open(question.platform, question.deadline)? else { return Ok(nothing()) };
        let mut walk = Walk::new(Source::Containerd, &opened, question, budget, sink);
        let tag = fallback_tag(question.subject);
        let suffixes: &[&str] = match question.wanted {
            Wanted::Signatures => &["", ".sig"],
            Wanted::Everything | Wanted::EverythingAndIndex => &["", ".sig", ".att"],
        };
        for suffix in suffixes {
            for image in opened.named(&format!("{}:{tag}{suffix}", self.reference.name()))? {
                if behind_tag(&opened, image, &mut walk)? == Flow::Stop {
                    return Ok(walk.finish());
                }
            }
        }
        // Whether the walk was stopped is in what it leaves behind.
        _ = walk.image_index()?;
        Ok(walk.finish())
    }

    /// The index behind the tag that the image is asked for by. Which of other manifests is signed, containerd cannot be
    /// asked.
    fn relatives(
        &self,
        image: &Digest,
        reference: Option<&Reference>,
        kin: Kin,
        deadline: Instant,
    ) -> Result<Vec<Relative>, SourceError> {
        let Some(reference) = reference.filter(|it| kin == Kin::Parents && it.tag().is_some()) else {
            return Ok(Vec::new());
        };
        let name = format!("{}:{}", reference.name(), reference.tag().unwrap_or_default());
        let Some(opened) = self.open("", deadline)? else { return Ok(Vec::new()) };
        let others = opened.named(&name)?.into_iter().filter(|it| it.target.as_ref() != Ok(image));
        // What cannot be read ties nothing: that can only deny.
        let indexes = others.take(limits::RELATED).filter_map(|other| {
            let digest = other.target.clone().ok()?;
            let manifest = opened.document(&descriptor(&other, digest)).ok()?;
            matches!(manifest.document.shape, Shape::Index { .. }).then_some(manifest.bytes)
        });
        let source = Source::Containerd;
        Ok(indexes
            .map(|index| Relative { source, documents: Documents::Parent { index: index.into() } })
            .collect())
    }

    /// What containerd itself would run under this name, if all its namespaces agree.
    fn resolve(&self, reference: &Reference, deadline: Instant) -> Result<Resolved, SourceError> {
        let name = reference.as_str();
        let Some(opened) = self.open("", deadline)? else {
            return Err(ClientError::NotFound("image").into());
        };
        let images = opened.named(name)?;
        let digests: BTreeSet<Digest> = images.iter().filter_map(|image| image.target.clone().ok()).collect();
        match (images.first(), digests.first(), digests.len()) {
            (Some(image), Some(digest), 1) => {
                let refused = |message: String| ClientError::Refused { call: "image", message };
                let descriptor = descriptor(image, *digest);
                let manifest = opened.document(&descriptor).map_err(|error| match error {
                    FetchError::Source(error) => error,
                    FetchError::Item(error) => refused(format!("{name}: {error}")).into(),
                })?;
                Ok(Resolved {
                    digest: *digest,
                    media_type: manifest.document.media_type,
                    size: manifest.size,
                })
            }
            (None, ..) => Err(ClientError::NotFound("image").into()),
            _ => Err(ClientError::Refused {
                call: "image",
                message: format!("{name}: stands for {} digests in different namespaces", digests.len()),
            }
            .into()),
        }
    }
}

/// What stands behind a fallback tag (a list of referrers) or a legacy tag (a manifest).
fn behind_tag(opened: &Opened, image: Image, walk: &mut Walk<'_>) -> Result<Flow, SourceError> {
    let Ok(digest) = image.target else { return Ok(Flow::Continue) };
    walk.spend(image.size.min(limits::MANIFEST_BYTES))?;
    match opened.document(&descriptor(&image, digest)) {
        Ok(manifest) => match &manifest.document.shape {
            Shape::Index { manifests } => walk.referrers(manifests),
            Shape::Manifest { .. } => walk.legacy(&manifest),
        },
        Err(FetchError::Item(reason)) => {
            walk.reject(Some(digest), reason);
            Ok(Flow::Continue)
        }
        Err(FetchError::Source(error)) => Err(error),
    }
}

fn descriptor(image: &Image, digest: Digest) -> DescriptorBuf {
    DescriptorBuf {
        media_type: image.media_type.clone(),
        digest,
        size: image.size,
        artifact_type: None,
        annotations: Annotations::default(),
    }
}

fn nothing() -> Gathered {
    Gathered {
        source: Source::Containerd,
        extent: Extent::Whole,
        found: 0,
        scanned: 0,
        rejected: Vec::new(),
        others: Vec::new(),
        hints: Vec::new(),
    }
}
