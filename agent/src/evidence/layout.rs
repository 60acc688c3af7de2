//! An OCI image layout on disk: the evidence store, and `oci:DIR` on a command line.
//!
//! What `oras copy -r --to-oci-layout` writes: `oci-layout`, `index.json`, and `blobs/sha256/<hex>`. Referrers are found
//! by reading every manifest that `index.json` lists and taking its `subject`; legacy signatures and attestations by
//! their tag in `org.opencontainers.image.ref.name`. The result of that scan is kept until `index.json` changes, and then
//! only what is new in it is read; the manifests and blobs of a verdict are read and hashed again each time.
//!
//! A folder that is absent or has no `index.json` is an empty store. Files are opened by the hexadecimal digits of a
//! [`Digest`], never by a name from a document, and only if they are regular files: a link out of the folder is not
//! followed. Spec: OCI image-spec 1.1, `image-layout.md`.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use pullward_core::limits;
use pullward_core::oci::{Digest, MEDIA_TYPE_INDEX, MEDIA_TYPE_MANIFEST};
use pullward_core::reference::Reference;

use crate::evidence::checked::{self, ContentError, Expected};
use crate::evidence::document::{
    Annotations, DescriptorBuf, Document, DocumentError, Entry, List, MediaType, Shape,
};
use crate::evidence::oci_target::OciImage;
use crate::evidence::walk::{Content, FetchError, Manifest, Walk};
use crate::evidence::{
    Budget, Documents, EvidenceSource, Fault, Flow, Found, Gathered, Hint, ItemError, Kin, Limit, Question,
    REWRITTEN_TRIED, Rejected, Relative, Resolved, Source, SourceError, Wanted, fallback_tag,
};

/// The annotation in `index.json` that names an image.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The annotation in which containerd's exports keep the full name.
const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// A layout on disk.
#[derive(Debug)]
pub struct Layout {
    directory: PathBuf,
    source: Source,
    scan: Mutex<Option<(Stamp, Arc<Scan>)>>,
}

/// Why a layout cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// A file cannot be read.
    #[error("{}: cannot be read: {detail}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        detail: String,
    },
    /// The folder has an `index.json` and is not a layout of version 1.0.0.
    #[error("{}: is not an OCI image layout of version 1.0.0", directory.display())]
    NotALayout {
        /// The folder.
        directory: PathBuf,
    },
    /// `index.json` cannot be used.
    #[error("{}: {error}", path.display())]
    Index {
        /// The file.
        path: PathBuf,
        /// Why.
        error: ItemError,
    },
    /// There is no such image in the layout.
    #[error("{}: there is no image {name}", directory.display())]
    NotFound {
        /// The folder.
        directory: PathBuf,
        /// What was looked for.
        name: String,
    },
    /// There is more than one image, and none was named.
    #[error("{}: {count} images fit {name}; name one as oci:DIR:TAG or oci:DIR@DIGEST", directory.display())]
    Ambiguous {
        /// The folder.
        directory: PathBuf,
        /// What was looked for.
        name: String,
        /// How many different digests fit.
        count: usize,
    },
    /// The manifest of the image cannot be used.
    #[error("{}: {digest}: {error}", directory.display())]
    Manifest {
        /// The folder.
        directory: PathBuf,
        /// The digest of the manifest.
        digest: Digest,
        /// Why.
        error: ItemError,
    },
}

impl LayoutError {
    /// Who has to act.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Unreadable { .. } => Fault::Unreachable,
            Self::NotFound { .. } | Self::Manifest { error: ItemError::NotFound, .. } => Fault::NotFound,
            Self::NotALayout { .. } | Self::Index { .. } | Self::Ambiguous { .. } | Self::Manifest { .. } => {
                Fault::Malformed
            }
        }
    }
}

impl LayoutError {
    /// Whether the manifest of the image means more than one thing.
    pub(crate) fn is_ambiguous(&self) -> bool {
        matches!(self, Self::Manifest { error: ItemError::Document(error), .. } if error.is_ambiguous())
    }
}

/// What tells one state of `index.json` from the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    length: u64,
    seconds: i64,
    nanoseconds: i64,
}

/// What `index.json` and the manifests that it lists say.
#[derive(Debug, Default)]
struct Scan {
    /// Every usable entry.
    entries: Vec<Listed>,
    /// Positions in `entries` of the referrers, by the digest that they refer to.
    referrers: HashMap<Digest, Vec<usize>>,
    /// Positions in `entries` by tag: a name alone, or what stands behind the last colon of a full name.
    tags: HashMap<String, Vec<usize>>,
    /// Positions in `entries` of the indexes, by the digests that they list.
    parents: HashMap<Digest, Vec<usize>>,
    /// What is listed and cannot be used. It may have been evidence.
    broken: Vec<Rejected>,
}

#[derive(Debug)]
struct Listed {
    descriptor: DescriptorBuf,
    name: Option<String>,
    containerd_name: Option<String>,
    role: Role,
}

/// What is known of content by its digest, and cannot change.
type Roles<'s> = HashMap<(Digest, u64, &'s str), Role>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Role {
    /// Its manifest has a `subject`: this one, or one that cannot be read.
    Referrer(Option<Digest>),
    /// An index without one: the digests that it lists.
    Index(Arc<[Digest]>),
    /// Any other.
    Image,
}

impl Layout {
    /// Names a layout. Nothing is read before the first question.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>, source: Source) -> Self {
        Self { directory: directory.into(), source, scan: Mutex::new(None) }
    }

    /// The folder.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What `oci:DIR[:TAG|@DIGEST]` stands for.
    ///
    /// # Errors
    /// [`SourceError::Layout`]; also for an absent folder, which here is no empty store but a mistake.
    pub fn resolve_image(&self, image: &OciImage, deadline: Instant) -> Result<Resolved, SourceError> {
        let scan = self.scan(deadline)?;
        let legacy = |listed: &Listed| listed.name.as_deref().is_some_and(|name| name.starts_with("sha256-"));
        match image {
            OciImage::Digest(digest) => {
                self.choose(&digest.text(), scan.entries.iter().filter(|l| l.descriptor.digest == *digest))
            }
            OciImage::Named(tag) => {
                self.choose(tag, scan.entries.iter().filter(|l| l.name.as_deref() == Some(tag)))
            }
            OciImage::Only => {
                let images =
                    || scan.entries.iter().filter(|l| !matches!(l.role, Role::Referrer(_)) && !legacy(l));
                // A copy of an index lists its platforms beside it; only the index itself has a name.
                if images().any(|listed| listed.name.is_some()) {
                    self.choose("that could be meant", images().filter(|listed| listed.name.is_some()))
                } else {
                    self.choose("that could be meant", images())
                }
            }
        }
    }

    fn choose<'a>(
        &self,
        name: &str,
        fitting: impl Iterator<Item = &'a Listed>,
    ) -> Result<Resolved, SourceError> {
        let fitting: Vec<&Listed> = fitting.collect();
        let directory = || self.directory.clone();
        let Some(first) = fitting.first() else {
            return Err(LayoutError::NotFound { directory: directory(), name: name.to_owned() }.into());
        };
        let digests: BTreeSet<Digest> = fitting.iter().map(|listed| listed.descriptor.digest).collect();
        if digests.len() > 1 {
            let (name, count) = (name.to_owned(), digests.len());
            return Err(LayoutError::Ambiguous { directory: directory(), name, count }.into());
        }
        let digest = first.descriptor.digest;
        let manifest = self.read_manifest(&first.descriptor).map_err(|error| LayoutError::Manifest {
            directory: directory(),
            digest,
            error,
        })?;
        Ok(Resolved { digest, media_type: manifest.document.media_type, size: manifest.size })
    }

    /// The scan of the present `index.json`, from memory if it has not changed.
    fn scan(&self, deadline: Instant) -> Result<Arc<Scan>, SourceError> {
        let path = self.directory.join("index.json");
        let metadata = match fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Arc::default()),
            Err(error) => return Err(LayoutError::Unreadable { path, detail: error.to_string() }.into()),
        };
        let stamp = Stamp {
            inode: metadata.ino(),
            length: metadata.len(),
            seconds: metadata.mtime(),
            nanoseconds: metadata.mtime_nsec(),
        };
        let mut kept = self.scan.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, scan)) = kept.as_ref()
            && *of == stamp
        {
            return Ok(Arc::clone(scan));
        }
        let before = kept.as_ref().map(|(_, scan)| scan.roles()).unwrap_or_default();
        let scan = Arc::new(self.read_index(&path, &before, deadline)?);
        *kept = Some((stamp, Arc::clone(&scan)));
        Ok(scan)
    }

    fn read_index(&self, path: &Path, before: &Roles<'_>, deadline: Instant) -> Result<Scan, SourceError> {
        self.check_version()?;
        let index = |error| LayoutError::Index { path: path.to_owned(), error };
        let expected = Expected { cap: limits::MANIFEST_BYTES, length: None, digest: None };
        let (bytes, _) = read_file(path, expected).map_err(index)?;
        let document = Document::parse_up_to(limits::LAYOUT_MANIFESTS, &bytes, MEDIA_TYPE_INDEX)
            .map_err(|error| index(error.into()))?;
        let Shape::Index { manifests } = document.shape else {
            return Err(index(DocumentError::Shapeless.into()).into());
        };
        if manifests.listed > manifests.entries.len() {
            return Err(SourceError::Limit { source_name: self.source, limit: Limit::Layout });
        }
        let mut scan = Scan::default();
        for entry in manifests.entries {
            if Instant::now() >= deadline {
                return Err(SourceError::Deadline { source_name: self.source });
            }
            self.scan_entry(entry, before, &mut scan);
        }
        Ok(scan)
    }

    fn scan_entry(&self, entry: Entry, before: &Roles<'_>, scan: &mut Scan) {
        let descriptor = match entry {
            Ok(descriptor) => descriptor,
            Err(error) => {
                scan.broken.push(Rejected { manifest: None, blob: None, reason: error.into() });
                return;
            }
        };
        let known = before.get(&(descriptor.digest, descriptor.size, descriptor.media_type.as_str()));
        let role = match known.cloned().map_or_else(|| self.role(&descriptor), Ok) {
            Ok(role) => role,
            // Not a manifest at all: the layout may hold anything else, and that is not ours.
            Err(ItemError::Document(DocumentError::UnknownType(_))) => return,
            Err(reason) => {
                scan.broken.push(Rejected { manifest: Some(descriptor.digest), blob: None, reason });
                return;
            }
        };
        let position = scan.entries.len();
        match &role {
            Role::Referrer(Some(subject)) => scan.referrers.entry(*subject).or_default().push(position),
            Role::Index(children) => {
                children.iter().for_each(|child| scan.parents.entry(*child).or_default().push(position));
            }
            Role::Referrer(None) | Role::Image => {}
        }
        let annotation = |key: &str| descriptor.annotations.map.get(key).cloned();
        let (name, containerd_name) = (annotation(REF_NAME), annotation(CONTAINERD_NAME));
        if let Some(tag) = name.as_deref().map(|name| name.rsplit_once(':').map_or(name, |(_, tag)| tag)) {
            scan.tags.entry(tag.to_owned()).or_default().push(position);
        }
        scan.entries.push(Listed { descriptor, name, containerd_name, role });
    }

    fn role(&self, descriptor: &DescriptorBuf) -> Result<Role, ItemError> {
        let document = self.read_manifest(descriptor)?.document;
        Ok(match (document.subject, document.shape) {
            (Some(subject), _) => Role::Referrer(subject.ok().map(|subject| subject.digest)),
            (None, Shape::Index { manifests }) => {
                let children = manifests.entries.into_iter().flatten().take(limits::INDEX_MANIFESTS);
                Role::Index(children.map(|child| child.digest).collect())
            }
            (None, Shape::Manifest { .. }) => Role::Image,
        })
    }

    fn check_version(&self) -> Result<(), SourceError> {
        #[derive(serde::Deserialize)]
        struct Version {
            #[serde(rename = "imageLayoutVersion")]
            version: String,
        }
        let expected = Expected { cap: limits::ERROR_BODY_BYTES, length: None, digest: None };
        let version = read_file(&self.directory.join("oci-layout"), expected)
            .ok()
            .and_then(|(bytes, _)| serde_json::from_slice::<Version>(&bytes).ok());
        if version.is_some_and(|found| found.version == "1.0.0") {
            Ok(())
        } else {
            Err(LayoutError::NotALayout { directory: self.directory.clone() }.into())
        }
    }

    fn read_manifest(&self, descriptor: &DescriptorBuf) -> Result<Manifest, ItemError> {
        if MediaType::parse(&descriptor.media_type).is_none() {
            return Err(DocumentError::UnknownType(crate::evidence::document::shorten(
                &descriptor.media_type,
            ))
            .into());
        }
        let bytes = self.read_blob(descriptor, limits::MANIFEST_BYTES)?;
        let document = Document::parse(&bytes, &descriptor.media_type)?;
        Ok(Manifest { digest: descriptor.digest, size: descriptor.size, document, bytes })
    }

    /// An image by its digest alone: what it is, it has to say itself.
    fn read_image(&self, digest: &Digest) -> Result<Manifest, ItemError> {
        let path = self.directory.join("blobs").join("sha256").join(digest.hex().as_str());
        let size = fs::symlink_metadata(&path).map_err(|error| unreadable(&error))?.len();
        let media_type = MEDIA_TYPE_INDEX.to_owned();
        let index = DescriptorBuf {
            media_type,
            digest: *digest,
            size,
            artifact_type: None,
            annotations: Annotations::default(),
        };
        match self.read_manifest(&index) {
            Err(ItemError::Document(_)) => {
                self.read_manifest(&DescriptorBuf { media_type: MEDIA_TYPE_MANIFEST.to_owned(), ..index })
            }
            read => read,
        }
    }

    fn read_blob(&self, descriptor: &DescriptorBuf, cap: u64) -> Result<Vec<u8>, ItemError> {
        let blobs = self.directory.join("blobs");
        let folder = blobs.join("sha256");
        for folder in [&blobs, &folder] {
            if !fs::symlink_metadata(folder).map_err(|error| unreadable(&error))?.is_dir() {
                return Err(ItemError::NotAFile);
            }
        }
        let expected = Expected { cap, length: Some(descriptor.size), digest: Some(descriptor.digest) };
        Ok(read_file(&folder.join(descriptor.digest.hex().as_str()), expected)?.0)
    }
}

impl Content for Layout {
    fn image(&self, digest: &Digest, deadline: Instant) -> Result<Manifest, FetchError> {
        self.in_time(deadline)?;
        Ok(self.read_image(digest)?)
    }

    fn manifest(&self, descriptor: &DescriptorBuf, deadline: Instant) -> Result<Manifest, FetchError> {
        self.in_time(deadline)?;
        Ok(self.read_manifest(descriptor)?)
    }

    fn blob(&self, descriptor: &DescriptorBuf, cap: u64, deadline: Instant) -> Result<Vec<u8>, FetchError> {
        self.in_time(deadline)?;
        Ok(self.read_blob(descriptor, cap)?)
    }
}

impl Layout {
    fn in_time(&self, deadline: Instant) -> Result<(), SourceError> {
        if Instant::now() < deadline {
            Ok(())
        } else {
            Err(SourceError::Deadline { source_name: self.source })
        }
    }
}

impl EvidenceSource for Layout {
    fn visit(
        &self,
        question: Question<'_>,
        budget: &mut Budget,
        sink: &mut dyn FnMut(Found) -> Flow,
    ) -> Result<Gathered, SourceError> {
        let scan = self.scan(question.deadline)?;
        let mut walk = Walk::new(self.source, self, question, budget, sink);
        for broken in scan.broken.iter().take(limits::EVIDENCE_PROCESSED) {
            walk.reject(broken.manifest, broken.reason.clone());
        }
        let positions = scan.referrers.get(question.subject).map(Vec::as_slice).unwrap_or_default();
        let entries = positions.iter().filter_map(|position| scan.entries.get(*position));
        let entries: Vec<Entry> = entries.map(|listed| Ok(listed.descriptor.clone())).collect();
        let list = List { listed: entries.len(), entries };
        if walk.referrers(&list)? == Flow::Stop {
            return Ok(walk.finish());
        }
        let tag = fallback_tag(question.subject);
        let mut suffixes = vec!["", ".sig"];
        if question.wanted != Wanted::Signatures {
            suffixes.push(".att");
        }
        for suffix in suffixes {
            let tag = format!("{tag}{suffix}");
            let positions = scan.tags.get(&tag).map(Vec::as_slice).unwrap_or_default();
            for listed in positions.iter().filter_map(|position| scan.entries.get(*position)) {
                if self.tagged(&listed.descriptor, &mut walk, question.deadline)? == Flow::Stop {
                    return Ok(walk.finish());
                }
            }
        }
        // Last: what stands in the index counts only where a signature over it was found.
        if walk.image_index()? == Flow::Stop {
            return Ok(walk.finish());
        }
        if walk.is_empty() {
            walk.hint(Hint::TagsAreNotCopied { tag: format!("{tag}.sig") });
            if let Some(hint) = signature_of_another(scan.entries.iter().filter_map(|l| l.name.as_deref())) {
                walk.hint(hint);
            }
        }
        Ok(walk.finish())
    }

    fn relatives(
        &self,
        image: &Digest,
        _: Option<&Reference>,
        kin: Kin,
        deadline: Instant,
    ) -> Result<Vec<Relative>, SourceError> {
        let scan = self.scan(deadline)?;
        let source = self.source;
        // What cannot be read ties nothing: that can only deny.
        Ok(match kin {
            Kin::Parents => {
                let positions = scan.parents.get(image).map(Vec::as_slice).unwrap_or_default();
                let entries = positions.iter().filter_map(|position| scan.entries.get(*position));
                let read = entries
                    .take(limits::RELATED)
                    .filter_map(|listed| self.read_manifest(&listed.descriptor).ok());
                read.map(|index| Relative {
                    source,
                    documents: Documents::Parent { index: index.bytes.into() },
                })
                .collect()
            }
            Kin::Rewritten => {
                let Ok(own) = self.read_image(image) else { return Ok(Vec::new()) };
                let own: Arc<[u8]> = own.bytes.into();
                let tagged = signed_digests(scan.entries.iter().filter_map(|listed| listed.name.as_deref()));
                let signed: BTreeSet<Digest> = scan.referrers.keys().copied().chain(tagged).collect();
                let others = signed.into_iter().filter(|digest| digest != image).take(REWRITTEN_TRIED);
                let read = others.filter_map(|digest| self.read_image(&digest).ok());
                read.map(|other| Relative {
                    source,
                    documents: Documents::Rewritten { image: Arc::clone(&own), other: other.bytes.into() },
                })
                .collect()
            }
        })
    }

    fn resolve(&self, reference: &Reference, deadline: Instant) -> Result<Resolved, SourceError> {
        let scan = self.scan(deadline)?;
        // A digest in the reference is what counts; the tag beside it is only where it was found.
        if let Some(digest) = reference.digest() {
            return self
                .choose(reference.as_str(), scan.entries.iter().filter(|l| l.descriptor.digest == digest));
        }
        let named = |name: &Option<String>| {
            name.as_deref().is_some_and(|name| Reference::parse(name).is_ok_and(|name| name == *reference))
        };
        let full = |listed: &&Listed| {
            let whole = listed.name.as_deref().is_some_and(|name| name.contains('/'));
            (whole && named(&listed.name)) || named(&listed.containerd_name)
        };
        self.choose(reference.as_str(), scan.entries.iter().filter(full))
    }
}

impl Layout {
    /// What stands behind a fallback tag (a list of referrers) or a legacy tag (a manifest).
    fn tagged(
        &self,
        descriptor: &DescriptorBuf,
        walk: &mut Walk<'_>,
        deadline: Instant,
    ) -> Result<Flow, SourceError> {
        self.in_time(deadline)?;
        walk.spend(descriptor.size.min(limits::MANIFEST_BYTES))?;
        match self.read_manifest(descriptor) {
            Ok(Manifest { document: Document { shape: Shape::Index { manifests }, .. }, .. }) => {
                walk.referrers(&manifests)
            }
            Ok(manifest) => walk.legacy(&manifest),
            Err(reason) => {
                walk.reject(Some(descriptor.digest), reason);
                Ok(Flow::Continue)
            }
        }
    }
}

impl Scan {
    fn roles(&self) -> Roles<'_> {
        let entries = self.entries.iter();
        entries
            .map(|Listed { descriptor: it, role, .. }| {
                ((it.digest, it.size, it.media_type.as_str()), role.clone())
            })
            .collect()
    }
}

/// The digests that tags say are signed: of legacy signatures, and of the lists that stand in for the referrers API.
pub(crate) fn signed_digests<'a>(tags: impl Iterator<Item = &'a str>) -> BTreeSet<Digest> {
    tags.filter_map(|tag| {
        let tag = tag.rsplit_once(':').map_or(tag, |(_, tag)| tag).strip_prefix("sha256-")?;
        Digest::from_hex(tag.strip_suffix(".sig").unwrap_or(tag)).ok()
    })
    .collect()
}

/// A hint, if tags of legacy signatures stand beside an image that has none.
pub(crate) fn signature_of_another<'a>(tags: impl Iterator<Item = &'a str>) -> Option<Hint> {
    let digests = signed_digests(tags.filter(|tag| tag.ends_with(".sig")));
    let example = *digests.first()?;
    Some(Hint::SignatureOfAnother { example, count: digests.len() })
}

/// Reads a regular file; a link is not followed, also not one that takes the file's place meanwhile.
fn read_file(path: &Path, expected: Expected) -> Result<(Vec<u8>, Digest), ItemError> {
    let before = fs::symlink_metadata(path).map_err(|error| unreadable(&error))?;
    if !before.is_file() {
        return Err(ItemError::NotAFile);
    }
    if let Some(promised) = expected.length
        && before.len() != promised
    {
        return Err(ItemError::Length { promised, received: before.len() });
    }
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    let opened = file.metadata().map_err(|error| unreadable(&error))?;
    if (opened.dev(), opened.ino()) != (before.dev(), before.ino()) {
        return Err(ItemError::NotAFile);
    }
    checked::read(file, expected).map_err(|error| match error {
        ContentError::TooLarge { cap } => ItemError::TooLarge { cap },
        ContentError::Length { promised, received } => ItemError::Length { promised, received },
        ContentError::Digest { expected, found } => ItemError::Digest { expected, found },
        ContentError::Io(error) => unreadable(&error),
    })
}

fn unreadable(error: &io::Error) -> ItemError {
    if error.kind() == io::ErrorKind::NotFound {
        ItemError::NotFound
    } else {
        ItemError::Unreadable(error.to_string())
    }
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
