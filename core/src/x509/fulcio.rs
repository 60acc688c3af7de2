//! Whom a certificate of Fulcio is for, and what Fulcio says about it (sigstore/fulcio `docs/oid-info.md`).
//!
//! The subject is the one name in the subject alternative name; the issuer is the identity provider that vouched for
//! it, in one of two extensions, which agree where both are there. Every extension that is known here is read with the
//! others: one that is there and unreadable makes the certificate an error, because a condition on it must never see
//! "absent" (T-50).
//!
//! What this does *not* check: that the certificate is Fulcio's. Ask after [`verify_path`](super::verify_path) only.

use super::{Certificate, Extensions};
use crate::der::{Reader, context, context_constructed};
use crate::limits;

/// Why a certificate says nothing of use about whom it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityError {
    /// No subject alternative name, or not exactly one name in it.
    NameCount,
    /// A name that is no URI, e-mail address or Sigstore user name.
    NameKind,
    /// A name, or the issuer, that is empty, longer than [`IDENTITY_BYTES`](limits::IDENTITY_BYTES), not text, or with
    /// control characters.
    Text,
    /// No identity provider.
    IssuerMissing,
    /// Two identity providers.
    IssuerConflict,
    /// This extension is there and cannot be read.
    Field(FulcioField),
}

/// The subject of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'a> {
    /// A URI: a workflow, a SPIFFE id, a user of a private instance.
    Uri(&'a str),
    /// An e-mail address.
    Email(&'a str),
    /// A user name of another form (otherName 1.3.6.1.4.1.57264.1.7).
    UserName(&'a str),
}

impl<'a> Subject<'a> {
    /// The name itself.
    #[must_use]
    pub fn text(self) -> &'a str {
        match self {
            Self::Uri(text) | Self::Email(text) | Self::UserName(text) => text,
        }
    }
}

/// What Fulcio says beside subject and issuer. The first five are deprecated and hold bare text, the others a
/// UTF8String.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FulcioField {
    /// .2: the event that started a GitHub workflow.
    GithubWorkflowTrigger,
    /// .3: the commit of a GitHub workflow.
    GithubWorkflowSha,
    /// .4: the name of a GitHub workflow.
    GithubWorkflowName,
    /// .5: the repository of a GitHub workflow, `owner/name`.
    GithubWorkflowRepository,
    /// .6: the ref of a GitHub workflow.
    GithubWorkflowRef,
    /// .9: the build instructions that signed.
    BuildSignerUri,
    /// .10: their commit.
    BuildSignerDigest,
    /// .11: whether the provider or its customer runs the machine.
    RunnerEnvironment,
    /// .12: the repository that was built.
    SourceRepositoryUri,
    /// .13: its commit.
    SourceRepositoryDigest,
    /// .14: its ref.
    SourceRepositoryRef,
    /// .15: its immutable id.
    SourceRepositoryIdentifier,
    /// .16: its owner.
    SourceRepositoryOwnerUri,
    /// .17: its owner's immutable id.
    SourceRepositoryOwnerIdentifier,
    /// .18: the top-level build instructions.
    BuildConfigUri,
    /// .19: their commit.
    BuildConfigDigest,
    /// .20: the event that started the build.
    BuildTrigger,
    /// .21: the run.
    RunInvocationUri,
    /// .22: whether the repository was public.
    SourceRepositoryVisibility,
}

impl FulcioField {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 19] = [
        Self::GithubWorkflowTrigger,
        Self::GithubWorkflowSha,
        Self::GithubWorkflowName,
        Self::GithubWorkflowRepository,
        Self::GithubWorkflowRef,
        Self::BuildSignerUri,
        Self::BuildSignerDigest,
        Self::RunnerEnvironment,
        Self::SourceRepositoryUri,
        Self::SourceRepositoryDigest,
        Self::SourceRepositoryRef,
        Self::SourceRepositoryIdentifier,
        Self::SourceRepositoryOwnerUri,
        Self::SourceRepositoryOwnerIdentifier,
        Self::BuildConfigUri,
        Self::BuildConfigDigest,
        Self::BuildTrigger,
        Self::RunInvocationUri,
        Self::SourceRepositoryVisibility,
    ];

    /// The names of [`FulcioField::ALL`], in the same order: how policies write them.
    pub const NAMES: [&'static str; 19] = [
        "github_workflow_trigger",
        "github_workflow_sha",
        "github_workflow_name",
        "github_workflow_repository",
        "github_workflow_ref",
        "build_signer_uri",
        "build_signer_digest",
        "runner_environment",
        "source_repository_uri",
        "source_repository_digest",
        "source_repository_ref",
        "source_repository_identifier",
        "source_repository_owner_uri",
        "source_repository_owner_identifier",
        "build_config_uri",
        "build_config_digest",
        "build_trigger",
        "run_invocation_uri",
        "source_repository_visibility",
    ];

    /// The last arc of its object identifier below 1.3.6.1.4.1.57264.1.
    const fn arc(self) -> u8 {
        match self {
            Self::GithubWorkflowTrigger => 2,
            Self::GithubWorkflowSha => 3,
            Self::GithubWorkflowName => 4,
            Self::GithubWorkflowRepository => 5,
            Self::GithubWorkflowRef => 6,
            Self::BuildSignerUri => 9,
            Self::BuildSignerDigest => 10,
            Self::RunnerEnvironment => 11,
            Self::SourceRepositoryUri => 12,
            Self::SourceRepositoryDigest => 13,
            Self::SourceRepositoryRef => 14,
            Self::SourceRepositoryIdentifier => 15,
            Self::SourceRepositoryOwnerUri => 16,
            Self::SourceRepositoryOwnerIdentifier => 17,
            Self::BuildConfigUri => 18,
            Self::BuildConfigDigest => 19,
            Self::BuildTrigger => 20,
            Self::RunInvocationUri => 21,
            Self::SourceRepositoryVisibility => 22,
        }
    }

    const fn encoding(self) -> TextEncoding {
        if self.arc() < 8 { TextEncoding::Bare } else { TextEncoding::Utf8String }
    }
}

/// How an extension holds its text.
#[derive(Debug, Clone, Copy)]
enum TextEncoding {
    Bare,
    Utf8String,
}

/// Whom a certificate is for.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    subject: Subject<'a>,
    issuer: &'a str,
    extensions: Extensions<'a>,
}

impl<'a> Identity<'a> {
    /// Reads it, with every extension of Fulcio's that is known here.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn read(certificate: &Certificate<'a>) -> Result<Self, IdentityError> {
        let extensions = certificate.extensions();
        let names = certificate.alternative_names().ok_or(IdentityError::NameCount)?;
        let subject = read_subject(names)?;
        let old = extension(&extensions, 1, TextEncoding::Bare).map_err(|Unreadable| IdentityError::Text)?;
        let new =
            extension(&extensions, 8, TextEncoding::Utf8String).map_err(|Unreadable| IdentityError::Text)?;
        let issuer = match (old, new) {
            (Some(old), Some(new)) if old != new => return Err(IdentityError::IssuerConflict),
            (old, new) => new.or(old).ok_or(IdentityError::IssuerMissing)?,
        };
        for name in [subject.text(), issuer] {
            if name.is_empty() || name.len() > limits::IDENTITY_BYTES {
                return Err(IdentityError::Text);
            }
        }
        let identity = Self { subject, issuer, extensions };
        for field in FulcioField::ALL {
            identity.read_field(field).map_err(|Unreadable| IdentityError::Field(field))?;
        }
        Ok(identity)
    }

    /// Who it is.
    #[must_use]
    pub fn subject(&self) -> Subject<'a> {
        self.subject
    }

    /// Who vouched for that: the URL of the identity provider.
    #[must_use]
    pub fn issuer(&self) -> &'a str {
        self.issuer
    }

    /// What Fulcio says in one of its other extensions; `None` where it says nothing.
    #[must_use]
    pub fn field(&self, field: FulcioField) -> Option<&'a str> {
        // All of them could be read when this was made.
        self.read_field(field).unwrap_or_default()
    }

    fn read_field(&self, field: FulcioField) -> Result<Option<&'a str>, Unreadable> {
        extension(&self.extensions, field.arc(), field.encoding())
    }
}

struct Unreadable;

/// 1.3.6.1.4.1.57264.1, as encoded.
const FULCIO: [u8; 9] = [0x2b, 0x06, 0x01, 0x04, 0x01, 0x83, 0xbf, 0x30, 0x01];
/// 1.3.6.1.4.1.57264.1.7, as encoded.
const USER_NAME: [u8; 10] = [0x2b, 0x06, 0x01, 0x04, 0x01, 0x83, 0xbf, 0x30, 0x01, 0x07];

fn extension<'a>(
    extensions: &Extensions<'a>,
    arc: u8,
    encoding: TextEncoding,
) -> Result<Option<&'a str>, Unreadable> {
    let wanted = |oid: &[u8]| oid.split_last().is_some_and(|(last, front)| *last == arc && front == FULCIO);
    let Some(extension) = extensions.iter().find(|extension| wanted(extension.oid)) else { return Ok(None) };
    let text = match encoding {
        TextEncoding::Bare => core::str::from_utf8(extension.value).map_err(|_| Unreadable)?,
        TextEncoding::Utf8String => {
            let mut reader = Reader::new(extension.value);
            let text = reader.utf8().map_err(|_| Unreadable)?;
            reader.end().map_err(|_| Unreadable)?;
            text
        }
    };
    if text.chars().any(char::is_control) { Err(Unreadable) } else { Ok(Some(text)) }
}

fn read_subject(names: &[u8]) -> Result<Subject<'_>, IdentityError> {
    let mut reader = Reader::new(names);
    let name = reader.any().map_err(|_| IdentityError::NameCount)?;
    reader.end().map_err(|_| IdentityError::NameCount)?;
    const EMAIL: u8 = context(1);
    const URI: u8 = context(6);
    const OTHER_NAME: u8 = context_constructed(0);
    let text = |bytes| core::str::from_utf8(bytes).map_err(|_| IdentityError::Text);
    let subject = match name.tag {
        // IA5String is ASCII.
        URI if name.content.is_ascii() => Subject::Uri(text(name.content)?),
        EMAIL if name.content.is_ascii() => Subject::Email(text(name.content)?),
        URI | EMAIL => return Err(IdentityError::Text),
        OTHER_NAME => Subject::UserName(read_user_name(name.content)?),
        _ => return Err(IdentityError::NameKind),
    };
    if subject.text().chars().any(char::is_control) { Err(IdentityError::Text) } else { Ok(subject) }
}

/// `OtherName`: a type, and in `[0]` its value.
fn read_user_name(content: &[u8]) -> Result<&str, IdentityError> {
    let mut reader = Reader::new(content);
    if reader.oid() != Ok(&USER_NAME) {
        return Err(IdentityError::NameKind);
    }
    let mut value = reader.open(context_constructed(0)).map_err(|_| IdentityError::Text)?;
    let text = value.utf8().map_err(|_| IdentityError::Text)?;
    value.end().map_err(|_| IdentityError::Text)?;
    reader.end().map_err(|_| IdentityError::Text)?;
    Ok(text)
}
