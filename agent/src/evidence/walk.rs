//! From a list of attached manifests to pieces of evidence: the same steps for every source.
//!
//! A list entry's `artifactType` decides nothing: cosign 3 writes `application/vnd.oci.empty.v1+json` into the
//! fallback index. Each listed manifest is read, its subject compared, and its layers taken by what they are.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use pullward_core::oci::{Digest, MEDIA_TYPE_BUNDLE_PREFIX, MEDIA_TYPE_DSSE, MEDIA_TYPE_SIMPLE_SIGNING};
use pullward_core::{buildkit, limits};

use crate::evidence::document::{
    Annotations, DescriptorBuf, Document, Entry, List, MediaType, Overflow, Shape, shorten,
};
use crate::evidence::pad::Attachment;
use crate::evidence::{
    Attached, Budget, Chain, Extent, Flow, Format, Found, Gathered, Hint, ItemError, Limit, Question,
    Rejected, SIGNATURE_ANNOTATION, Source, SourceError, Wanted, fallback_tag,
};

/// A manifest that was read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Its digest, computed from its bytes.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// What it says.
    pub document: Document,
    /// Its bytes, which the digest is of.
    pub bytes: Vec<u8>,
}

/// Why something could not be read: because of itself, or because of the source.
#[derive(Debug)]
pub enum FetchError {
    /// This one thing is not usable.
    Item(ItemError),
    /// The source is not usable.
    Source(SourceError),
}

impl From<ItemError> for FetchError {
    fn from(error: ItemError) -> Self {
        Self::Item(error)
    }
}

impl From<SourceError> for FetchError {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}

/// Reads content by descriptor, checked against it.
pub trait Content {
    /// Reads a manifest.
    ///
    /// # Errors
    /// [`FetchError`].
    fn manifest(&self, descriptor: &DescriptorBuf, deadline: Instant) -> Result<Manifest, FetchError>;

    /// Reads a blob of at most `cap` bytes.
    ///
    /// # Errors
    /// [`FetchError`].
    fn blob(&self, descriptor: &DescriptorBuf, cap: u64, deadline: Instant) -> Result<Vec<u8>, FetchError>;

    /// Reads the image itself: its manifest or index.
    ///
    /// # Errors
    /// [`FetchError`].
    fn image(&self, digest: &Digest, deadline: Instant) -> Result<Manifest, FetchError>;
}

/// One walk over what is attached to one image.
pub struct Walk<'a> {
    content: &'a dyn Content,
    question: Question<'a>,
    budget: &'a mut Budget,
    sink: &'a mut dyn FnMut(Found) -> Flow,
    /// Manifests that were read.
    seen: HashSet<Digest>,
    /// List entries that were looked at: digest, media type and size. The same digest under another description is
    /// another entry: a wrong one must not hide the right one.
    tried: HashSet<(Digest, String, u64)>,
    fetched: usize,
    /// Pieces of the manifest that is being read, for the pad.
    pieces: Vec<Digest>,
    gathered: Gathered,
}

impl<'a> Walk<'a> {
    /// Begins a walk.
    pub fn new(
        source: Source,
        content: &'a dyn Content,
        question: Question<'a>,
        budget: &'a mut Budget,
        sink: &'a mut dyn FnMut(Found) -> Flow,
    ) -> Self {
        Self {
            content,
            question,
            budget,
            sink,
            seen: HashSet::new(),
            tried: HashSet::new(),
            fetched: 0,
            pieces: Vec::new(),
            gathered: Gathered {
                source,
                extent: Extent::Whole,
                found: 0,
                scanned: 0,
                rejected: Vec::new(),
                others: Vec::new(),
                hints: Vec::new(),
            },
        }
    }

    /// Takes bytes that a source reads for the walk itself, such as a list, out of the budget.
    ///
    /// # Errors
    /// [`SourceError::Limit`].
    pub fn spend(&mut self, bytes: u64) -> Result<(), SourceError> {
        self.budget.spend(bytes).map_err(|limit| self.limit(limit))
    }

    /// Hands over the evidence of every listed referrer. An entry that an earlier list had as well counts once.
    ///
    /// # Errors
    /// [`SourceError`].
    pub fn referrers(&mut self, list: &List) -> Result<Flow, SourceError> {
        let repeated = list.entries.iter().flatten().filter(|entry| self.tried.contains(&key(entry))).count();
        let scanned = list.listed.saturating_sub(repeated);
        self.gathered.scanned = self.gathered.scanned.saturating_add(scanned);
        if list.listed > list.entries.len() || self.gathered.scanned > limits::REFERRERS_SCANNED {
            return Err(self.limit(Limit::Referrers));
        }
        for entry in &list.entries {
            if self.referrer(entry)? == Flow::Stop {
                return Ok(self.stop());
            }
        }
        Ok(Flow::Continue)
    }

    /// Hands over the evidence of a manifest that stands behind a legacy tag.
    ///
    /// # Errors
    /// [`SourceError`].
    pub fn legacy(&mut self, manifest: &Manifest) -> Result<Flow, SourceError> {
        self.gathered.scanned = self.gathered.scanned.saturating_add(1);
        Ok(match self.layers(manifest, Binding::Tag)? {
            Flow::Stop => self.stop(),
            Flow::Continue => Flow::Continue,
        })
    }

    /// Hands over the statements that a build put into the image's own index, where they are asked for.
    ///
    /// # Errors
    /// [`SourceError`].
    pub fn image_index(&mut self) -> Result<Flow, SourceError> {
        if self.question.wanted != Wanted::EverythingAndIndex {
            return Ok(Flow::Continue);
        }
        let image = match self.content.image(self.question.subject, self.question.deadline) {
            Ok(image) => image,
            // A store of evidence need not hold the image.
            Err(FetchError::Item(ItemError::NotFound)) => return Ok(Flow::Continue),
            Err(FetchError::Item(reason)) => {
                self.reject(Some(*self.question.subject), reason);
                return Ok(Flow::Continue);
            }
            Err(FetchError::Source(error)) => return Err(error),
        };
        self.spend(image.size)?;
        let Shape::Index { manifests } = &image.document.shape else { return Ok(Flow::Continue) };
        if manifests.listed > limits::INDEX_MANIFESTS {
            return Err(self.limit(Limit::Index));
        }
        let wanted = match buildkit::attestation_manifests(&image.bytes, self.question.platform) {
            Ok(wanted) => wanted,
            Err(error) => {
                self.reject(Some(image.digest), ItemError::Index(format!("{error:?}")));
                return Ok(Flow::Continue);
            }
        };
        let index: Arc<[u8]> = image.bytes.clone().into();
        for descriptor in manifests.entries.iter().flatten().filter(|entry| wanted.contains(&entry.digest)) {
            if self.statements(descriptor, &index, &image)? == Flow::Stop {
                return Ok(self.stop());
            }
        }
        Ok(Flow::Continue)
    }

    /// Hands over the statements of one attestation manifest.
    fn statements(
        &mut self,
        descriptor: &DescriptorBuf,
        index: &Arc<[u8]>,
        image: &Manifest,
    ) -> Result<Flow, SourceError> {
        self.spend(descriptor.size)?;
        let manifest = match self.content.manifest(descriptor, self.question.deadline) {
            Ok(manifest) => manifest,
            Err(FetchError::Item(reason)) => {
                self.budget.refund(unread(&reason, descriptor.size));
                self.reject(Some(descriptor.digest), reason);
                return Ok(Flow::Continue);
            }
            Err(FetchError::Source(error)) => return Err(error),
        };
        let Shape::Manifest { layers } = &manifest.document.shape else { return Ok(Flow::Continue) };
        if layers.listed > limits::EVIDENCE_LAYERS {
            return Err(self.limit(Limit::Evidence));
        }
        let chain = Chain { index: index.clone(), manifest: manifest.bytes.clone().into() };
        let mut flow = Flow::Continue;
        for layer in layers.entries.iter().flatten() {
            if layer.media_type == buildkit::MEDIA_TYPE_STATEMENT && flow == Flow::Continue {
                flow = self.piece(&manifest, layer, Format::IndexStatement, Some(&chain))?;
            }
        }
        self.note_attached(&manifest, None, Some(image));
        Ok(flow)
    }

    /// Lists something that could not be handed over.
    pub fn reject(&mut self, manifest: Option<Digest>, reason: ItemError) {
        self.note(Rejected { manifest, blob: None, reason });
    }

    /// Whether nothing at all was attached.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.gathered.found == 0
    }

    /// Adds a hint for the user.
    pub fn hint(&mut self, hint: Hint) {
        self.gathered.hints.push(hint);
    }

    /// Ends the walk.
    #[must_use]
    pub fn finish(self) -> Gathered {
        self.gathered
    }

    /// What is listed in two places is not there twice.
    fn note(&mut self, rejected: Rejected) {
        if rejected.manifest.is_none() || !self.gathered.rejected.contains(&rejected) {
            self.gathered.rejected.push(rejected);
        }
    }

    fn stop(&mut self) -> Flow {
        self.gathered.extent = Extent::Stopped;
        Flow::Stop
    }

    fn limit(&self, limit: Limit) -> SourceError {
        SourceError::Limit { source_name: self.gathered.source, limit }
    }

    fn referrer(&mut self, entry: &Entry) -> Result<Flow, SourceError> {
        let descriptor = match entry {
            Ok(descriptor) => descriptor,
            Err(error) => {
                self.reject(None, (*error).into());
                return Ok(Flow::Continue);
            }
        };
        if self.seen.contains(&descriptor.digest) || !self.tried.insert(key(descriptor)) {
            return Ok(Flow::Continue);
        }
        if MediaType::parse(&descriptor.media_type).is_none_or(MediaType::is_index) {
            // An index as a referrer holds no evidence in any known format.
            self.other(descriptor, descriptor.artifact_type.as_deref());
            return Ok(Flow::Continue);
        }
        if descriptor.size > limits::MANIFEST_BYTES {
            self.reject(Some(descriptor.digest), ItemError::TooLarge { cap: limits::MANIFEST_BYTES });
            return Ok(Flow::Continue);
        }
        self.fetched = self.fetched.saturating_add(1);
        if self.fetched > limits::REFERRERS_FETCHED {
            return Err(self.limit(Limit::Fetches));
        }
        self.spend(descriptor.size)?;
        let manifest = match self.content.manifest(descriptor, self.question.deadline) {
            Ok(manifest) => manifest,
            Err(FetchError::Item(reason)) => {
                self.budget.refund(unread(&reason, descriptor.size));
                self.reject(Some(descriptor.digest), reason);
                return Ok(Flow::Continue);
            }
            Err(FetchError::Source(error)) => return Err(error),
        };
        self.seen.insert(descriptor.digest);
        let names_it =
            matches!(&manifest.document.subject, Some(Ok(to)) if to.digest == *self.question.subject);
        if !names_it {
            self.reject(Some(descriptor.digest), ItemError::Subject);
            return Ok(Flow::Continue);
        }
        self.layers(&manifest, Binding::Subject)
    }

    fn layers(&mut self, manifest: &Manifest, binding: Binding) -> Result<Flow, SourceError> {
        let Shape::Manifest { layers } = &manifest.document.shape else {
            // Only a tag can lead here: a referrer that is an index is not read.
            let found = manifest.document.media_type.as_str().to_owned();
            let expected = MediaType::Manifest.as_str().to_owned();
            self.reject(Some(manifest.digest), ItemError::MediaType { expected, found });
            return Ok(Flow::Continue);
        };
        if layers.listed > layers.entries.len() {
            // Nobody knows what the rest is. It is this manifest's fault, and hides no other.
            self.reject(Some(manifest.digest), ItemError::Layers);
            return Ok(Flow::Continue);
        }
        let artifact_type = manifest.document.artifact_type.as_deref();
        // An image or an SBOM may have any number of layers: only those that are evidence count.
        let pieces =
            layers.entries.iter().flatten().filter(|it| format_of(artifact_type, it, binding).is_some());
        if pieces.count() > limits::EVIDENCE_LAYERS {
            return Err(self.limit(Limit::Evidence));
        }
        let (mut evidence, mut flow, mut tag) = (false, Flow::Continue, None);
        for layer in &layers.entries {
            let layer = match layer {
                Ok(layer) => layer,
                Err(error) => {
                    self.reject(Some(manifest.digest), (*error).into());
                    continue;
                }
            };
            let Some(format) = format_of(artifact_type, layer, binding) else { continue };
            evidence = true;
            if format == Format::LegacyAttestation && self.question.wanted == Wanted::Signatures {
                continue;
            }
            tag = tag.or_else(|| binding.tag(format));
            flow = self.piece(manifest, layer, format, None)?;
            if flow == Flow::Stop {
                break;
            }
        }
        self.note_attached(manifest, tag, None);
        if !evidence {
            self.gathered.others.push(Attached {
                manifest: manifest.digest,
                artifact_type: shorten(artifact_type.unwrap_or(manifest.document.media_type.as_str())),
                size: manifest.size,
            });
        }
        Ok(flow)
    }

    /// Notes what was handed over of a manifest on the pad, if there is one.
    fn note_attached(&mut self, manifest: &Manifest, suffix: Option<&str>, image: Option<&Manifest>) {
        let pieces = std::mem::take(&mut self.pieces);
        let Some(pad) = self.budget.pad().filter(|_| !pieces.is_empty()) else { return };
        let listed = image.unwrap_or(manifest);
        let name = suffix.map(|suffix| format!("{}{suffix}", fallback_tag(self.question.subject)));
        let mut parts = Vec::new();
        if self.gathered.source != Source::Store {
            for document in [Some(manifest), image].into_iter().flatten() {
                pad.blob(&document.digest, &document.bytes);
                parts.push(document.digest);
            }
            parts.extend(&pieces);
        }
        let attachment = Attachment {
            source: self.gathered.source,
            manifest: listed.digest,
            media_type: listed.document.media_type.as_str().to_owned(),
            size: listed.size,
            name,
            pieces,
            content: Vec::new(),
        };
        pad.attach(attachment, &parts);
    }

    fn piece(
        &mut self,
        manifest: &Manifest,
        layer: &DescriptorBuf,
        format: Format,
        chain: Option<&Chain>,
    ) -> Result<Flow, SourceError> {
        let reject = |walk: &mut Self, reason| {
            let rejected = Rejected { manifest: Some(manifest.digest), blob: Some(layer.digest), reason };
            walk.note(rejected);
            Ok(Flow::Continue)
        };
        let annotations: &Annotations = match format {
            Format::Bundle => &manifest.document.annotations,
            Format::LegacySignature | Format::LegacyAttestation | Format::IndexStatement => {
                &layer.annotations
            }
        };
        if annotations.overflow == Overflow::Yes {
            return reject(self, ItemError::Annotations);
        }
        let signature = match format {
            Format::LegacySignature => match annotations.map.get(SIGNATURE_ANNOTATION) {
                Some(signature) => Some(signature.clone()),
                None => return reject(self, ItemError::NoSignature),
            },
            Format::Bundle | Format::LegacyAttestation | Format::IndexStatement => None,
        };
        if layer.size > format.cap() {
            return reject(self, ItemError::TooLarge { cap: format.cap() });
        }
        if self.gathered.found >= limits::EVIDENCE_PROCESSED {
            return Err(self.limit(Limit::Evidence));
        }
        self.spend(layer.size)?;
        // Held until the piece was judged.
        let Ok(_room) = self.budget.room(layer.size, self.question.deadline) else {
            return Err(SourceError::Deadline { source_name: self.gathered.source });
        };
        let content = match self.content.blob(layer, format.cap(), self.question.deadline) {
            Ok(content) => content,
            Err(FetchError::Item(reason)) => {
                self.budget.refund(unread(&reason, layer.size));
                return reject(self, reason);
            }
            Err(FetchError::Source(error)) => return Err(error),
        };
        self.gathered.found = self.gathered.found.saturating_add(1);
        if let Some(pad) = self.budget.pad() {
            if self.gathered.source != Source::Store {
                pad.blob(&layer.digest, &content);
            }
            self.pieces.push(layer.digest);
        }
        let artifact_type = manifest.document.artifact_type.as_deref().unwrap_or(&layer.media_type);
        Ok((self.sink)(Found {
            format,
            source: self.gathered.source,
            digest: layer.digest,
            manifest: manifest.digest,
            artifact_type: shorten(artifact_type),
            annotations: annotations.map.clone(),
            content,
            signature,
            chain: chain.cloned(),
        }))
    }

    fn other(&mut self, descriptor: &DescriptorBuf, artifact_type: Option<&str>) {
        self.gathered.others.push(Attached {
            manifest: descriptor.digest,
            artifact_type: shorten(artifact_type.unwrap_or(&descriptor.media_type)),
            size: descriptor.size,
        });
    }
}

/// What makes a list entry the same as another.
fn key(descriptor: &DescriptorBuf) -> (Digest, String, u64) {
    (descriptor.digest, descriptor.media_type.clone(), descriptor.size)
}

/// How many of the bytes that a descriptor claims were not read when its content was rejected. A claim costs nobody
/// anything; what it made us read does.
const fn unread(reason: &ItemError, claimed: u64) -> u64 {
    match reason {
        ItemError::NotFound
        | ItemError::Unreadable(_)
        | ItemError::NotAFile
        | ItemError::MediaType { .. } => claimed,
        ItemError::Length { received, .. } => claimed.saturating_sub(*received),
        _ => 0,
    }
}

/// What ties a manifest to the image.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Binding {
    /// Its `subject`.
    Subject,
    /// The tag that it stands behind.
    Tag,
}

impl Binding {
    /// The end of the tag that a manifest with such a layer stands behind.
    const fn tag(self, format: Format) -> Option<&'static str> {
        match (self, format) {
            (Self::Tag, Format::LegacySignature) => Some(".sig"),
            (Self::Tag, Format::LegacyAttestation) => Some(".att"),
            _ => None,
        }
    }
}

/// What a layer is. The manifest's artifact type speaks for all its layers, but only for bundles; a bundle behind a
/// legacy tag is nothing that any tool writes.
fn format_of(artifact_type: Option<&str>, layer: &DescriptorBuf, binding: Binding) -> Option<Format> {
    let bundle = |text: &str| text.starts_with(MEDIA_TYPE_BUNDLE_PREFIX);
    match layer.media_type.as_str() {
        MEDIA_TYPE_SIMPLE_SIGNING => Some(Format::LegacySignature),
        MEDIA_TYPE_DSSE => Some(Format::LegacyAttestation),
        other if binding == Binding::Subject && (bundle(other) || artifact_type.is_some_and(bundle)) => {
            Some(Format::Bundle)
        }
        _ => None,
    }
}
