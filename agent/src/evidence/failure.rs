//! What can be wrong with one attached thing, and what with a source as a whole.

use pullward_core::limits;
use pullward_core::oci::Digest;

use crate::containerd::client::ClientError;

use super::document::{DescriptorError, DocumentError};
use super::{SIGNATURE_ANNOTATION, Source, layout};

/// A bound on counts or on bytes that a source reached. It is a denial: nobody knows what lies behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Limit {
    /// [`limits::REFERRERS_SCANNED`].
    #[error("more than {} referrers are listed", limits::REFERRERS_SCANNED)]
    Referrers,
    /// [`limits::REFERRERS_FETCHED`].
    #[error("more than {} attached manifests would have to be read", limits::REFERRERS_FETCHED)]
    Fetches,
    /// [`limits::EVIDENCE_PROCESSED`].
    #[error("there are more than {} pieces of evidence", limits::EVIDENCE_PROCESSED)]
    Evidence,
    /// [`limits::INDEX_MANIFESTS`].
    #[error("the image's index lists more than {} manifests", limits::INDEX_MANIFESTS)]
    Index,
    /// [`limits::REFERRER_PAGES`].
    #[error("the list of referrers has more than {} pages", limits::REFERRER_PAGES)]
    Pages,
    /// [`limits::VERDICT_BYTES`].
    #[error("more than {} bytes would have to be read for one verdict", limits::VERDICT_BYTES)]
    Bytes,
    /// [`limits::LAYOUT_MANIFESTS`].
    #[error("the layout lists more than {} manifests", limits::LAYOUT_MANIFESTS)]
    Layout,
}

/// What is wrong with one attached thing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ItemError {
    /// It is listed and not there.
    #[error("it is listed and not there")]
    NotFound,
    /// Its list entry cannot be used.
    #[error("{0}")]
    Descriptor(#[from] DescriptorError),
    /// Its manifest cannot be used.
    #[error("{0}")]
    Document(#[from] DocumentError),
    /// Its content hashes to something else.
    #[error("it hashes to {found} and not to {expected}")]
    Digest {
        /// What it was asked for by.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// Its length is not the promised one.
    #[error("it has {received} bytes where {promised} were promised")]
    Length {
        /// The promised length.
        promised: u64,
        /// The length that came.
        received: u64,
    },
    /// It is larger than its kind may be.
    #[error("it has more than the {cap} bytes that are allowed")]
    TooLarge {
        /// The cap in bytes.
        cap: u64,
    },
    /// Its manifest names another subject than the image that it is listed for.
    #[error("its manifest does not name this image as its subject")]
    Subject,
    /// It came as another media type than its descriptor says.
    #[error("it came as {found:?} and is listed as {expected:?}")]
    MediaType {
        /// The descriptor's.
        expected: String,
        /// What it came as.
        found: String,
    },
    /// It has more annotations than are read.
    #[error("it has more annotations than are read")]
    Annotations,
    /// It has more layers than are looked at.
    #[error("it has more than {} layers, which are not all looked at", limits::REFERRERS_SCANNED)]
    Layers,
    /// It is the image's own index, and attestations in it cannot be told from images.
    #[error("the image's index cannot be read for attestations: {0}")]
    Index(String),
    /// A legacy signature without the annotation that holds the signature.
    #[error("it has no annotation {SIGNATURE_ANNOTATION}")]
    NoSignature,
    /// The file in a layout is a link, a folder or a device.
    #[error("it is not a regular file")]
    NotAFile,
    /// The file in a layout cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
}

impl ItemError {
    /// Whether the thing is listed and could not be read: then nobody knows what it says.
    #[must_use]
    pub const fn is_unread(&self) -> bool {
        matches!(self, Self::NotFound | Self::Unreadable(_) | Self::NotAFile)
    }

    /// The stable code in verdicts.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound | Self::Unreadable(_) | Self::NotAFile => "evidence-missing",
            Self::Descriptor(_) | Self::Document(_) | Self::Annotations | Self::MediaType { .. } => {
                "evidence-malformed"
            }
            Self::Digest { .. } | Self::Length { .. } => "evidence-digest-mismatch",
            Self::TooLarge { .. } | Self::Layers => "evidence-too-large",
            Self::Subject => "evidence-wrong-subject",
            Self::NoSignature => "evidence-no-signature",
            Self::Index(_) => "index-chain",
        }
    }
}

/// What is wrong with a source as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// A bound was reached.
    #[error("{source_name}: {limit}")]
    Limit {
        /// The source.
        source_name: Source,
        /// The bound.
        limit: Limit,
    },
    /// The deadline passed.
    #[error("{source_name}: the deadline passed before everything was read")]
    Deadline {
        /// The source.
        source_name: Source,
    },
    /// The deadline of the verdict passed, and the fetch goes on without it.
    #[error(
        "{source_name}: the deadline passed before everything was read; the fetch goes on in the background for up to \
         {seconds} s, and a retry is answered from what it brings"
    )]
    Fetching {
        /// The source.
        source_name: Source,
        /// How long it may still take, in seconds.
        seconds: u64,
    },
    /// The layout cannot be used.
    #[error(transparent)]
    Layout(Box<layout::LayoutError>),
    /// containerd cannot be asked.
    #[error(transparent)]
    Containerd(Box<ClientError>),
    /// The registry cannot be used.
    #[cfg(feature = "network")]
    #[error(transparent)]
    Registry(Box<crate::registry::RegistryError>),
}

// Boxed: an error that is rare must not make every result that could hold it large.
impl From<layout::LayoutError> for SourceError {
    fn from(error: layout::LayoutError) -> Self {
        Self::Layout(Box::new(error))
    }
}

impl From<ClientError> for SourceError {
    fn from(error: ClientError) -> Self {
        Self::Containerd(Box::new(error))
    }
}

#[cfg(feature = "network")]
impl From<crate::registry::RegistryError> for SourceError {
    fn from(error: crate::registry::RegistryError) -> Self {
        Self::Registry(Box::new(error))
    }
}

/// Who has to act on a [`SourceError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The source could not be reached, or answered that it cannot now.
    Unreachable,
    /// The time was over.
    Deadline,
    /// A bound was reached.
    Limit,
    /// Credentials are missing or refused.
    Unauthorized,
    /// The named thing does not exist.
    NotFound,
    /// The source answered something that is not what the protocol allows.
    Malformed,
}

impl SourceError {
    /// Who has to act.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Limit { .. } => Fault::Limit,
            Self::Deadline { .. } | Self::Fetching { .. } => Fault::Deadline,
            Self::Layout(error) => error.fault(),
            Self::Containerd(error) => match **error {
                ClientError::Absent(_) | ClientError::NotFound(_) => Fault::NotFound,
                _ => Fault::Unreachable,
            },
            #[cfg(feature = "network")]
            Self::Registry(error) => error.fault(),
        }
    }
}

impl SourceError {
    /// Whether a name stands for a document of which nobody can say what it means: manifest and index
    /// in one, or another type than it came as. Everything else that is malformed (an error page, a folder that is no
    /// layout, a redirect elsewhere) is a source that could not be asked.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        match self {
            Self::Limit { .. } | Self::Deadline { .. } | Self::Fetching { .. } | Self::Containerd(_) => false,
            Self::Layout(error) => error.is_ambiguous(),
            #[cfg(feature = "network")]
            Self::Registry(error) => error.is_ambiguous(),
        }
    }
}
