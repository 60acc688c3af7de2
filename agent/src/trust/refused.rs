//! Why a trust bundle is not taken: the file, the reason, the next step, a stable code.

use pullward_core::dsse;
use pullward_core::trust::TrustError;

use super::roots::RootsError;
use super::time::Time;
use crate::guard::GuardError;

/// A trust bundle that was not taken; the one that was active before still is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {fault}")]
pub struct Refused {
    /// The bundle's file, or what else it is about.
    pub file: String,
    /// Why.
    pub fault: BundleFault,
}

/// Whether a refusal says "not fine" (exit 1) or "could not" (exit 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedClass {
    /// The bundle was read and is not acceptable.
    Bundle,
    /// This node could not find out.
    Node,
}

/// Why a trust bundle is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleFault {
    /// There is none.
    #[error("there is no trust bundle; build one and run `pullward trust install FILE`")]
    Missing,
    /// The file cannot be read or written.
    #[error("{0}")]
    File(String),
    /// Nobody has signed it.
    #[error("it is not signed; run `pullward trust sign` with a root key")]
    Unsigned,
    /// The core refuses it.
    #[error("{}", in_words(*.0))]
    Core(TrustError),
    /// It is for other nodes.
    #[error(
        "it is for audience `{found}`, this node's is `{expected}`; install the bundle of this node's audience"
    )]
    Audience {
        /// Whose it is.
        found: String,
        /// Whose is wanted.
        expected: String,
    },
    /// A version that was left behind.
    #[error("it is version {found}, this node has seen version {floor}; build a newer version")]
    Older {
        /// Its version.
        found: u64,
        /// The newest version that this node has had.
        floor: u64,
    },
    /// Another content under a version that was used.
    #[error("it is another version {version} than the one that this node has; build it with a new version")]
    OtherContent {
        /// The version.
        version: u64,
    },
    /// A version far ahead.
    #[error(
        "it is version {found}, far ahead of {floor}; a version may be at most {step} ahead, so that one bundle \
         cannot lock out all later ones",
        step = pullward_core::limits::TRUST_VERSION_STEP
    )]
    TooFarAhead {
        /// Its version.
        found: u64,
        /// The newest version that this node has had.
        floor: u64,
    },
    /// It no longer holds.
    #[error("it expired at {expires}, it is {now} now; build a new version")]
    Expired {
        /// When it expired.
        expires: Time,
        /// This node's time.
        now: Time,
    },
    /// The pinned roots are not usable.
    #[error("{0}")]
    Roots(RootsError),
    /// Somebody else could change the state folder.
    #[error("the state folder is not safe: {0}")]
    Folder(GuardError),
    /// The file that keeps the version floor is damaged.
    #[error(
        "the version floor cannot be read: {0}; restore it, or remove it knowingly: older bundles are taken then"
    )]
    Floor(String),
}

impl BundleFault {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing => "trust-missing",
            Self::File(_) => "trust-unreadable",
            Self::Unsigned => "trust-unsigned",
            Self::Core(error) => error.code(),
            Self::Audience { .. } => "trust-audience",
            Self::Older { .. } => "trust-older",
            Self::OtherContent { .. } => "trust-version-reused",
            Self::TooFarAhead { .. } => "trust-version-jump",
            Self::Expired { .. } => "trust-expired",
            Self::Roots(_) => "trust-roots",
            Self::Folder(_) => "state-dir-unsafe",
            Self::Floor(_) => "trust-floor",
        }
    }

    /// Who is at fault.
    #[must_use]
    pub fn class(&self) -> RefusedClass {
        match self {
            Self::Missing | Self::File(_) | Self::Roots(_) | Self::Folder(_) | Self::Floor(_) => {
                RefusedClass::Node
            }
            _ => RefusedClass::Bundle,
        }
    }

    /// The same with the file that it is about.
    #[must_use]
    pub fn of(self, file: impl std::fmt::Display) -> Refused {
        Refused { file: file.to_string(), fault: self }
    }
}

fn in_words(error: TrustError) -> String {
    let rebuild = "build it again with `pullward trust build`";
    match error {
        TrustError::Envelope(dsse::Error::PayloadType) => "it is signed, but no trust bundle".to_owned(),
        TrustError::Envelope(dsse::Error::SignatureCount) => {
            "it has not 1 to 16 signatures; sign it with `pullward trust sign`".to_owned()
        }
        TrustError::Envelope(error) => format!("its envelope is damaged or truncated ({error:?}); copy it again"),
        TrustError::RootSignatures { signed: 0, needed } => {
            format!("none of this node's root keys has signed it, {needed} must; check that the right roots are pinned")
        }
        TrustError::RootSignatures { signed, needed } => {
            format!("{signed} of this node's root keys signed it, {needed} must; have the others run `pullward trust sign`")
        }
        TrustError::Json(error) => format!("it is damaged, truncated or no trust bundle ({error:?}); copy it again"),
        TrustError::TooLarge => "it is larger than nodes read; shorten its lists".to_owned(),
        TrustError::TooMany(list) => format!("it has more `{list}` than nodes read; shorten the list"),
        TrustError::Schema => "it has another schema than this version reads; update pullward".to_owned(),
        TrustError::EngineTooOld => "it needs a newer engine; update pullward on this node".to_owned(),
        TrustError::Version => {
            "its version is 0 or the largest number, which leaves no room for another; build it with a real version"
                .to_owned()
        }
        TrustError::Time => format!("a time in it is wrong, or it expires before it is issued; {rebuild}"),
        TrustError::Threshold(field) => format!("its `{field}` is 0 or cannot be reached; {rebuild}"),
        TrustError::Key(error) => format!("a key in it is malformed ({error:?}); {rebuild}"),
        TrustError::Word(field) => format!("its `{field}` has a value that this version does not know; update pullward"),
        error => format!("its content is not what the builder writes ({error:?}); {rebuild}"),
    }
}
