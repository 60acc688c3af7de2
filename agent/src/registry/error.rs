//! What can go wrong with a registry, said so that an operator knows where to look.

use std::path::PathBuf;

use pullward_core::oci::Digest;

use crate::evidence::document::DocumentError;
use crate::evidence::{Fault, Limit};

/// Why a registry could not be used. The texts name hosts and repositories; no credential is ever part of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// No connection, or it broke.
    #[error("{url}: cannot be reached: {detail}")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// What the system said.
        detail: String,
    },
    /// The certificate or the handshake was refused.
    #[error(
        "{url}: the TLS connection was refused: {detail}; set [registry] ca_file if the registry has its own CA"
    )]
    Tls {
        /// What was asked for.
        url: String,
        /// What the TLS library said.
        detail: String,
    },
    /// The roots for TLS cannot be loaded.
    #[error("{}: has no usable certificate: {detail}", path.display())]
    Roots {
        /// The file.
        path: PathBuf,
        /// Why.
        detail: String,
    },
    /// The deadline passed.
    #[error("{url}: the deadline passed before the answer was complete")]
    Deadline {
        /// What was asked for.
        url: String,
    },
    /// 401 or 403, with what we had.
    #[error("{url}: access is refused: {refusal}")]
    Unauthorized {
        /// What was asked for.
        url: String,
        /// What we had to show.
        refusal: Refusal,
    },
    /// 404.
    #[error("{url}: does not exist")]
    NotFound {
        /// What was asked for.
        url: String,
    },
    /// 429 or 5xx, also after the retries.
    #[error("{url}: the registry answers {status}, also after {retries} retries")]
    Unavailable {
        /// What was asked for.
        url: String,
        /// The last status.
        status: u16,
        /// Retries that were made.
        retries: usize,
    },
    /// A status that means nothing here, 204 and 206 among them.
    #[error("{url}: the registry answers {status}, which is no answer to a read")]
    Status {
        /// What was asked for.
        url: String,
        /// The status.
        status: u16,
    },
    /// A redirect to another scheme, host or port. It is not followed.
    #[error("{url}: the registry redirects to {target}, and only its own host is followed")]
    Redirect {
        /// What was asked for.
        url: String,
        /// Scheme and host of the target, or why it has none.
        target: String,
    },
    /// More redirects than are followed.
    #[error("{url}: the registry redirects without end")]
    RedirectLoop {
        /// What was asked for.
        url: String,
    },
    /// The body is compressed. It was not asked to be.
    #[error("{url}: the answer is encoded as {encoding:?}, and only plain bytes are taken")]
    Encoding {
        /// What was asked for.
        url: String,
        /// The Content-Encoding.
        encoding: String,
    },
    /// The body came as something else than was asked for.
    #[error("{url}: the answer is {found:?} and not {expected}")]
    ContentType {
        /// What was asked for.
        url: String,
        /// What would have been right.
        expected: &'static str,
        /// The Content-Type.
        found: String,
    },
    /// Content-Length differs from the descriptor, or the body from Content-Length.
    #[error("{url}: the answer has {received} bytes where {promised} were promised")]
    Length {
        /// What was asked for.
        url: String,
        /// The promised length.
        promised: u64,
        /// The length that came, as far as it was read.
        received: u64,
    },
    /// The body is longer than its kind may be.
    #[error("{url}: the answer has more than the {cap} bytes that are allowed")]
    TooLarge {
        /// What was asked for.
        url: String,
        /// The cap in bytes.
        cap: u64,
    },
    /// The body hashes to something else.
    #[error("{url}: the answer hashes to {found} and not to {expected}")]
    Digest {
        /// What was asked for.
        url: String,
        /// The digest that was asked for, or that the registry's own header states.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// The body is not a manifest or an index that means one thing.
    #[error("{url}: {error}")]
    Document {
        /// What was asked for.
        url: String,
        /// Why.
        error: DocumentError,
    },
    /// The next page of a list is not on the same scheme, host and port, or its address cannot be read.
    #[error("{url}: the next page is {target}, and only the registry's own host is followed")]
    Link {
        /// The page that named it.
        url: String,
        /// Scheme and host of the target, or why it has none.
        target: String,
    },
    /// There is a `Link` header that may name a next page and cannot be read.
    #[error("{url}: the Link header of the list cannot be read: {detail}")]
    LinkHeader {
        /// The page that has it.
        url: String,
        /// Why.
        detail: &'static str,
    },
    /// The next page is one that was read.
    #[error("{url}: the pages of the list name each other in a loop")]
    LinkLoop {
        /// The page that named it.
        url: String,
    },
    /// A bound on counts was reached while reading a list.
    #[error("{url}: {limit}")]
    Limit {
        /// What was asked for.
        url: String,
        /// The bound.
        limit: Limit,
    },
    /// The token service that the registry names is not one that may be asked.
    #[error("{url}: the registry names the token service {realm}, which is not asked: {reason}")]
    Realm {
        /// What was asked for.
        url: String,
        /// Scheme and host of the token service, or its text.
        realm: String,
        /// The rule that it breaks.
        reason: &'static str,
    },
    /// The token service's answer has no usable token.
    #[error("{url}: the token service gave no usable token: {detail}")]
    Token {
        /// The token service.
        url: String,
        /// Why.
        detail: String,
    },
}

/// What we had to show when access was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing: there are no credentials for this host.
    #[error("there are no credentials for this registry; add them to [registry] auth_file")]
    NoCredentials,
    /// Nothing: the auth file names a helper program for this host, and helpers are not run.
    #[error(
        "the auth file leaves this registry to a credential helper, which is not run; write the credentials into it"
    )]
    Helper,
    /// Credentials, and they were not enough.
    #[error("the credentials for this registry are not accepted")]
    Rejected,
    /// Nothing: the token service is elsewhere, and credentials stay with their host.
    #[error("the credentials were withheld from {realm}, which is not the registry's own host or domain")]
    Withheld {
        /// Scheme and host of the token service.
        realm: String,
    },
    /// Nothing: the connection is plain HTTP and not to this machine.
    #[error("the credentials were withheld because the connection is not encrypted")]
    Plain,
    /// The registry asks for a scheme other than Basic and Bearer, or in a way that cannot be read.
    #[error("the registry asks for an authentication that is not supported")]
    Scheme,
}

impl RegistryError {
    /// Whether the answer was a document that means more than one thing.
    #[must_use]
    pub const fn is_ambiguous(&self) -> bool {
        matches!(self, Self::Document { error, .. } if error.is_ambiguous())
    }

    /// Who has to act.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Unreachable { .. } | Self::Tls { .. } | Self::Roots { .. } | Self::Unavailable { .. } => {
                Fault::Unreachable
            }
            Self::Deadline { .. } => Fault::Deadline,
            Self::Unauthorized { .. } | Self::Realm { .. } | Self::Token { .. } => Fault::Unauthorized,
            Self::NotFound { .. } => Fault::NotFound,
            Self::TooLarge { .. } | Self::Limit { .. } => Fault::Limit,
            Self::Status { .. }
            | Self::Redirect { .. }
            | Self::RedirectLoop { .. }
            | Self::Encoding { .. }
            | Self::ContentType { .. }
            | Self::Length { .. }
            | Self::Digest { .. }
            | Self::Document { .. }
            | Self::Link { .. }
            | Self::LinkHeader { .. }
            | Self::LinkLoop { .. } => Fault::Malformed,
        }
    }
}
