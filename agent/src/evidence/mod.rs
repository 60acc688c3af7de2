//! Evidence: found, bounded, and not yet believed.
//!
//! A source ([`layout::Layout`] on disk, a registry behind the `network` feature) is asked for everything that is
//! attached to one image digest, and hands it over one piece after another, so that at most one blob is in memory.
//! What it hands over is [`Found`]: its bytes are those that a manifest named by digest, and nothing more is known of
//! them. Whether they sign anything is the core's to say.
//!
//! Three formats are looked for, and none switches another off: the sigstore bundle as a referrer (cosign 3), the
//! legacy signature and the legacy attestation behind the tags `sha256-<hex>.sig` and `.att` (cosign 2). Where a rule
//! accepts them, the statements that a build put into the image's own index are read too.
//!
//! - [`checked`]: the only way to read bytes: capped, of the promised length and digest;
//! - [`document`]: manifests and indexes that can mean one thing only;
//! - [`walk`]: from a list of referrers to pieces of evidence, the same for every source;
//! - [`inflight`]: what all verdicts together may hold in memory;
//! - [`pad`], [`staging`], [`store`]: what was read, kept for the next time and for offline nodes;
//! - [`layout`], [`oci_target`]: OCI image layouts and how a command line names one.
//!
//! Two kinds of failure are kept apart. What is wrong with one attached thing (it is gone, malformed, too large, of
//! another digest) is listed in [`Gathered::rejected`] and hides nothing else: whoever can push one broken referrer
//! must not be able to deny an image. What is wrong with the source as a whole (unreachable, a bound on counts or on
//! bytes reached) is a [`SourceError`]: then nobody knows what else was there.

mod budget;
pub mod checked;
pub mod document;
mod failure;
pub mod inflight;
pub mod layout;
pub mod oci_target;
pub mod pad;
pub mod staging;
pub mod store;
pub mod walk;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use pullward_core::limits;
use pullward_core::oci::Digest;
use pullward_core::reference::Reference;
use pullward_core::verify::Annotations;

use crate::evidence::document::MediaType;

pub use budget::Budget;
pub use failure::{Fault, ItemError, Limit, SourceError};

/// How a piece of evidence is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// A sigstore bundle.
    Bundle,
    /// cosign's simple signing payload with its signature beside it.
    LegacySignature,
    /// cosign's DSSE envelope around an in-toto statement.
    LegacyAttestation,
    /// An in-toto statement without a signature of its own, out of the image's own index.
    IndexStatement,
}

impl Format {
    /// The name in verdicts and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bundle => "bundle",
            Self::LegacySignature => "legacy-signature",
            Self::LegacyAttestation => "legacy-attestation",
            Self::IndexStatement => "index-statement",
        }
    }

    /// The format with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Bundle, Self::LegacySignature, Self::LegacyAttestation, Self::IndexStatement]
            .into_iter()
            .find(|it| it.as_str() == name)
    }

    /// Most bytes that a blob of this format may have.
    #[must_use]
    pub const fn cap(self) -> u64 {
        match self {
            Self::LegacySignature => limits::SIGNATURE_BYTES,
            Self::Bundle | Self::LegacyAttestation => limits::ATTESTATION_BYTES,
            Self::IndexStatement => limits::PAYLOAD_BYTES,
        }
    }
}

/// Where a piece of evidence was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// The evidence store on disk.
    Store,
    /// containerd's content store.
    Containerd,
    /// The registry.
    Registry,
    /// An OCI image layout named on the command line.
    Layout,
    /// A file named on the command line.
    File,
}

impl Source {
    /// The name in verdicts and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Containerd => "containerd",
            Self::Registry => "registry",
            Self::Layout => "layout",
            Self::File => "file",
        }
    }
}

impl Source {
    /// The source with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Store, Self::Containerd, Self::Registry, Self::Layout, Self::File]
            .into_iter()
            .find(|it| it.as_str() == name)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One piece of evidence, found and not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// How it is written, by its media type.
    pub format: Format,
    /// Where it was.
    pub source: Source,
    /// The digest of `content`; it was checked.
    pub digest: Digest,
    /// The manifest that holds it.
    pub manifest: Digest,
    /// The manifest's artifact type, or else the media type of the blob.
    pub artifact_type: String,
    /// For a bundle its manifest's annotations, for a legacy format its layer's.
    pub annotations: BTreeMap<String, String>,
    /// The bytes.
    pub content: Vec<u8>,
    /// For a legacy signature: the base64 text of `dev.cosignproject.cosign/signature`.
    pub signature: Option<String>,
    /// For a statement of the image's own index: the documents that chain it to the image's digest.
    pub chain: Option<Chain>,
}

/// cosign's annotations that say something about a certificate, a log or timestamps.
const KEYLESS_ANNOTATIONS: [&str; 4] = [
    "dev.sigstore.cosign/certificate",
    "dev.sigstore.cosign/chain",
    "dev.sigstore.cosign/bundle",
    "dev.sigstore.cosign/rfc3161timestamp",
];

impl Found {
    /// What the layer's annotations say about a certificate, a log and timestamps.
    #[must_use]
    pub fn keyless(&self) -> Annotations<'_> {
        let [certificate, chain, bundle, timestamp] =
            KEYLESS_ANNOTATIONS.map(|name| self.annotations.get(name).map(String::as_str));
        Annotations { certificate, chain, bundle, timestamp }
    }

    /// The same annotations, as a record keeps them; none for a bundle, where they are not read.
    #[must_use]
    pub fn keyless_annotations(&self) -> BTreeMap<String, String> {
        let read = matches!(self.format, Format::LegacySignature | Format::LegacyAttestation);
        let told = self.annotations.iter().filter(|(name, _)| KEYLESS_ANNOTATIONS.contains(&name.as_str()));
        told.filter(|_| read).map(|(name, text)| (name.clone(), text.clone())).collect()
    }
}

/// What chains a statement to the image's own index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The index's bytes.
    pub index: Arc<[u8]>,
    /// The attestation manifest's bytes.
    pub manifest: Arc<[u8]>,
}

/// Documents that may tie an image to another digest, found and not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relative {
    /// Where they were.
    pub source: Source,
    /// The documents.
    pub documents: Documents,
}

/// What may tie an image to another digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Documents {
    /// An index that may list the image.
    Parent {
        /// The index's bytes.
        index: Arc<[u8]>,
    },
    /// Another manifest that may be of the same image.
    Rewritten {
        /// The image's own manifest.
        image: Arc<[u8]>,
        /// The other manifest.
        other: Arc<[u8]>,
    },
}

impl Relative {
    /// The digest that the image would be tied to.
    #[must_use]
    pub fn digest(&self) -> Digest {
        match &self.documents {
            Documents::Parent { index } => Digest::of(index),
            Documents::Rewritten { other, .. } => Digest::of(other),
        }
    }

    /// Bytes of its documents.
    #[must_use]
    pub fn length(&self) -> u64 {
        let length = match &self.documents {
            Documents::Parent { index } => index.len(),
            Documents::Rewritten { image, other } => image.len().saturating_add(other.len()),
        };
        u64::try_from(length).unwrap_or(u64::MAX)
    }
}

/// Which relatives of an image are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kin {
    /// Indexes that list it.
    Parents,
    /// Manifests of the same image that may be signed.
    Rewritten,
}

/// Most manifests that are looked at for being the same image: signed ones stand in a repository by the hundred.
pub(crate) const REWRITTEN_TRIED: usize = 4;

/// The annotation that holds a legacy signature.
pub const SIGNATURE_ANNOTATION: &str = "dev.cosignproject.cosign/signature";

/// What is asked of a source; each asks for more than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Wanted {
    /// What can say "signed": bundles and legacy signatures. Spares one request where no rule wants attestations.
    Signatures,
    /// Everything that is attached.
    Everything,
    /// That, and the statements that a build put into the image's own index.
    EverythingAndIndex,
}

/// What whoever receives a piece wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// The next piece.
    Continue,
    /// Nothing more: every requirement is met.
    Stop,
}

/// One question to a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question<'a> {
    /// The image's digest.
    pub subject: &'a Digest,
    /// The formats that are of use.
    pub wanted: Wanted,
    /// `os/arch[/variant]`: of the statements in an index those for this platform.
    pub platform: &'a str,
    /// When to have stopped; one deadline for all that the question causes.
    pub deadline: Instant,
}

/// What a source had, besides the pieces that it handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gathered {
    /// The source.
    pub source: Source,
    /// Whether all was handed over, or the receiver stopped it.
    pub extent: Extent,
    /// Pieces handed over.
    pub found: usize,
    /// Referrers and legacy tags that were listed.
    pub scanned: usize,
    /// Attached things that could not be handed over, each with its reason.
    pub rejected: Vec<Rejected>,
    /// Attached manifests that are no evidence in any known format.
    pub others: Vec<Attached>,
    /// What may explain to a user why there is nothing.
    pub hints: Vec<Hint>,
}

/// How far a source was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// To the end.
    Whole,
    /// Until the receiver said [`Flow::Stop`].
    Stopped,
}

/// An attached thing that was found and could not be handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Its manifest, where one could be named.
    pub manifest: Option<Digest>,
    /// Its blob, where it was the blob.
    pub blob: Option<Digest>,
    /// Why.
    pub reason: ItemError,
}

/// An attached manifest that is not evidence: an SBOM, a scan, another tool's signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// Its digest.
    pub manifest: Digest,
    /// Its artifact type, as its author wrote it.
    pub artifact_type: String,
    /// The size of the manifest in bytes.
    pub size: u64,
}

/// What may explain to a user why an image has no evidence. Hints rest on claims of the source; they decide nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// The registry has no referrers API; its fallback tag `sha256-<hex>` was read instead.
    NoReferrersApi,
    /// There is nothing for this digest, and legacy signatures of other digests stand beside it: other content was
    /// pushed under a signed tag, or one platform of a signed index is looked at.
    SignatureOfAnother {
        /// One of those digests.
        example: Digest,
        /// How many there are.
        count: usize,
    },
    /// There is nothing at all. If the image came by `oras copy -r`, legacy signatures were left behind: their tags
    /// are not referrers.
    TagsAreNotCopied {
        /// The tag that would hold the signature.
        tag: String,
    },
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoReferrersApi => {
                f.write_str("the registry has no referrers API; its fallback tag was read")
            }
            Self::SignatureOfAnother { example, count } => write!(
                f,
                "no signature is attached to this digest, but {count} other digest(s) have one, such as {example}; \
                 the tag may have been pushed again after it was signed"
            ),
            Self::TagsAreNotCopied { tag } => write!(
                f,
                "nothing is attached to this digest; a copy made by `oras copy -r` leaves legacy signatures behind, \
                 copy the tag {tag} as well"
            ),
        }
    }
}

/// What a reference stands for, as a source says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resolved {
    /// The digest of the manifest; the manifest was read and hashes to it.
    pub digest: Digest,
    /// Its media type.
    pub media_type: MediaType,
    /// Its length in bytes.
    pub size: u64,
}

/// Where evidence comes from.
pub trait EvidenceSource {
    /// Hands over every piece of evidence that is attached to an image, one after another.
    ///
    /// # Errors
    /// [`SourceError`] where the source could not be read to its end. Pieces that were handed over before stay
    /// handed over; the caller must not take them for all there is.
    fn visit(
        &self,
        question: Question<'_>,
        budget: &mut Budget,
        sink: &mut dyn FnMut(Found) -> Flow,
    ) -> Result<Gathered, SourceError>;

    /// Documents that may tie an image to another digest. An index is found where the source can know of it: in a layout
    /// by what it lists, in a registry behind the tag that the image is asked for by. A registry cannot be asked which
    /// indexes list a manifest, so that for a name without a tag it has none.
    ///
    /// # Errors
    /// [`SourceError`] where the source could not be asked.
    fn relatives(
        &self,
        image: &Digest,
        reference: Option<&Reference>,
        kin: Kin,
        deadline: Instant,
    ) -> Result<Vec<Relative>, SourceError>;

    /// What a reference stands for. The manifest itself is read and hashed; no header is believed.
    ///
    /// # Errors
    /// [`SourceError`]; its fault is [`Fault::NotFound`] where there is no such image.
    fn resolve(&self, reference: &Reference, deadline: Instant) -> Result<Resolved, SourceError>;
}

impl<S: EvidenceSource + ?Sized> EvidenceSource for &S {
    fn visit(
        &self,
        question: Question<'_>,
        budget: &mut Budget,
        sink: &mut dyn FnMut(Found) -> Flow,
    ) -> Result<Gathered, SourceError> {
        (**self).visit(question, budget, sink)
    }

    fn relatives(
        &self,
        image: &Digest,
        reference: Option<&Reference>,
        kin: Kin,
        deadline: Instant,
    ) -> Result<Vec<Relative>, SourceError> {
        (**self).relatives(image, reference, kin, deadline)
    }

    fn resolve(&self, reference: &Reference, deadline: Instant) -> Result<Resolved, SourceError> {
        (**self).resolve(reference, deadline)
    }
}

/// The tag of the referrers fallback for an image, without suffix: `sha256-<hex>`. distribution-spec 1.1,
/// "Referrers Tag Schema".
#[must_use]
pub fn fallback_tag(subject: &Digest) -> String {
    format!("sha256-{}", subject.hex())
}
