//! The ways in which a keyless signature honestly comes.

use super::EntryKind;

/// A version of the bundle format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BundleVersion {
    /// v0.1: a certificate chain, and a promise.
    One,
    /// v0.2: a certificate chain, and a proof.
    Two,
    /// v0.3: one certificate, and a proof.
    Three,
}

/// What a signature comes as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A bundle with a message signature over an artifact.
    Message(BundleVersion),
    /// A bundle with a DSSE envelope.
    Envelope(BundleVersion),
    /// A legacy `.sig` layer with annotations.
    Signature,
    /// A legacy `.att` layer with annotations.
    Attestation,
}

/// What shows that it was logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// A promise (SET).
    Promise,
    /// A proof with its checkpoint.
    Proof,
    /// Both.
    Both,
    /// Nothing: the instance has no log.
    Nothing,
}

/// What says when it was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeSource {
    /// The log.
    Log,
    /// A timestamp authority.
    Timestamp,
    /// Both.
    Both,
}

/// One way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// What it comes as.
    pub form: Form,
    /// How it is logged.
    pub kind: Option<EntryKind>,
    /// What shows that.
    pub shown: Shown,
    /// What says when.
    pub time: TimeSource,
}

impl Shape {
    /// All of them.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for form in Form::ALL {
            for kind in form.kinds() {
                for (shown, time) in form.evidence(kind) {
                    all.push(Self { form, kind, shown, time });
                }
            }
        }
        all
    }

    /// Whether the entry has a promise.
    #[must_use]
    pub fn has_promise(self) -> bool {
        matches!(self.shown, Shown::Promise | Shown::Both)
    }

    /// Whether the entry has a proof.
    #[must_use]
    pub fn has_proof(self) -> bool {
        matches!(self.shown, Shown::Proof | Shown::Both)
    }

    /// Whether there is a timestamp.
    #[must_use]
    pub fn has_timestamp(self) -> bool {
        self.time != TimeSource::Log
    }
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Message(BundleVersion::One),
        Self::Message(BundleVersion::Two),
        Self::Message(BundleVersion::Three),
        Self::Envelope(BundleVersion::One),
        Self::Envelope(BundleVersion::Two),
        Self::Envelope(BundleVersion::Three),
        Self::Signature,
        Self::Attestation,
    ];

    /// The bundle's version, of a bundle.
    #[must_use]
    pub fn version(self) -> Option<BundleVersion> {
        match self {
            Self::Message(version) | Self::Envelope(version) => Some(version),
            Self::Signature | Self::Attestation => None,
        }
    }

    /// Whether it is a DSSE envelope.
    #[must_use]
    pub fn is_envelope(self) -> bool {
        matches!(self, Self::Envelope(_) | Self::Attestation)
    }

    fn kinds(self) -> Vec<Option<EntryKind>> {
        let mut kinds = if self.is_envelope() {
            vec![Some(EntryKind::Dsse1), Some(EntryKind::Intoto2)]
        } else {
            vec![Some(EntryKind::HashedRekord1)]
        };
        if self.version() == Some(BundleVersion::Three) {
            kinds.extend([Some(EntryKind::HashedRekord2), None]);
        }
        kinds
    }

    fn evidence(self, kind: Option<EntryKind>) -> Vec<(Shown, TimeSource)> {
        use Shown::{Both, Nothing, Promise, Proof};
        use TimeSource::{Log, Timestamp};
        match (self.version(), kind) {
            (_, None) => vec![(Nothing, Timestamp)],
            (_, Some(EntryKind::HashedRekord2)) => vec![(Proof, Timestamp)],
            (Some(BundleVersion::One), _) => {
                vec![(Promise, Log), (Promise, TimeSource::Both), (Both, Log), (Both, TimeSource::Both)]
            }
            (Some(_), _) => vec![(Both, Log), (Both, TimeSource::Both), (Proof, Timestamp)],
            // A legacy envelope has no place where everybody looks for a timestamp.
            (None, _) if self == Self::Attestation => vec![(Promise, Log)],
            (None, _) => vec![(Promise, Log), (Promise, TimeSource::Both)],
        }
    }
}
