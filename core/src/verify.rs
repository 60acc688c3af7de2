//! From found to verified: the one place where evidence meets keys.
//!
//! [`verify`] takes one piece of evidence, the digest it must be about and the keys that may have signed it.
//! It bounds, reads, checks the signature, and only then reads what was signed. What comes out, [`Verified`], cannot
//! be made anywhere else; policy takes nothing else.
//!
//! What this does *not* do: decide whether it is enough. That is `judge`.

use crate::dsse::{self, Envelope, PreAuthEncoding, SignatureBytes};
use crate::encoding::{self, Alphabet};
use crate::intoto::{self, SIGNATURE_PREDICATE, Statement};
use crate::json::{self, Text, Value};
use crate::limits;
use crate::oci::Digest;
use crate::operations::{Exhausted, Operations};
use crate::signature::{KeyId, Message, PublicKey, SignedFormat};
use crate::verdict::Reason;
use crate::{bundle, simple_signing};

/// One piece of evidence, found and not verified.
#[derive(Debug, Clone, Copy)]
pub enum Evidence<'e> {
    /// cosign's legacy signature: a payload, and beside it the signature in base64.
    SimpleSigning {
        /// The layer's bytes: what is signed.
        payload: &'e [u8],
        /// The annotation `dev.cosignproject.cosign/signature`.
        signature: &'e str,
    },
    /// cosign's legacy attestation: a bare DSSE envelope.
    Envelope(&'e [u8]),
    /// A Sigstore bundle.
    Bundle(&'e [u8]),
}

impl Evidence<'_> {
    /// Bytes of scratch that verifying it needs.
    #[must_use]
    pub fn scratch_bytes(&self) -> usize {
        match self {
            Self::SimpleSigning { .. } => 0,
            // A decoded payload is shorter than the text it stands in.
            Self::Envelope(bytes) | Self::Bundle(bytes) => bytes.len().saturating_add(dsse::PAE_ROOM),
        }
    }

    fn check_size(&self) -> Result<(), Error> {
        let (length, most) = match self {
            Self::SimpleSigning { payload, .. } => (payload.len(), limits::SIGNATURE_BYTES),
            Self::Envelope(bytes) | Self::Bundle(bytes) => (bytes.len(), limits::ATTESTATION_BYTES),
        };
        if u64::try_from(length).is_ok_and(|length| length <= most) { Ok(()) } else { Err(Error::TooLarge) }
    }
}

/// A key that may have signed.
#[derive(Debug, Clone)]
pub struct CandidateKey {
    /// Place of its authority in the rule's `signed_by`.
    pub position: u8,
    /// The key.
    pub key: PublicKey,
    /// Whether it counts, revocations aside.
    pub state: KeyState,
}

/// The keys that may have signed, and what is known of each.
pub trait Keyring {
    /// The keys, in order.
    fn keys(&self) -> impl Iterator<Item = CandidateKey>;

    /// Whether a signature by one of them counts. Asked only of a key that has signed: there may be many keys and
    /// many revocations, and their product must not be paid for each piece of junk.
    fn state(&self, candidate: &CandidateKey) -> KeyState;
}

/// Whether a signature by a key counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// It does.
    Usable,
    /// The key is revoked.
    Revoked,
    /// The key's authority is revoked.
    AuthorityRevoked,
    /// Only for digests that the node has a receipt for.
    Retired,
    /// Only inside a window, and no verified time says when.
    Windowed,
}

/// Evidence whose signature verified, by a usable key, over bytes that are about the digest asked for.
#[derive(Debug, Clone)]
pub struct Verified<'s> {
    position: u8,
    key: KeyId,
    claim: Claim<'s>,
    content: &'s [u8],
}

impl<'s> Verified<'s> {
    /// Place in the rule's `signed_by` of the authority that signed.
    #[must_use]
    pub fn position(&self) -> u8 {
        self.position
    }

    /// The key that signed.
    #[must_use]
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// What it says.
    #[must_use]
    pub fn claim(&self) -> &Claim<'s> {
        &self.claim
    }

    /// The payload that is signed, exactly as the signature has it.
    #[must_use]
    pub fn content(&self) -> &'s [u8] {
        self.content
    }
}

/// What verified evidence says about the digest.
#[derive(Debug, Clone)]
pub enum Claim<'s> {
    /// That the image is signed: cosign's payload, or a statement with cosign's signature predicate.
    ImageSignature,
    /// Something else.
    Attestation {
        /// The URI of the predicate's schema.
        predicate_type: Text<'s>,
        /// The predicate, where the statement has one.
        predicate: Option<Value<'s>>,
    },
}

/// Why evidence did not verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// Larger than anything of its kind; not read.
    TooLarge,
    /// The bundle around it is wrong.
    Bundle(bundle::Error),
    /// The envelope is wrong.
    Envelope(dsse::Error),
    /// The legacy signature annotation is not base64.
    Signature(encoding::Error),
    /// None of the keys asked for has signed it.
    NoKey,
    /// Signed by a key that does not count.
    Key(KeyState),
    /// Signed, but the legacy payload is wrong.
    SimpleSigning(simple_signing::Error),
    /// Signed, but the statement is wrong.
    Statement(intoto::Error),
    /// No signature operations are left.
    Budget,
}

/// Verifies one piece of evidence.
///
/// The keys are tried in order, those that the evidence hints at first; the first usable one that verifies is the
/// signer. `scratch` needs [`Evidence::scratch_bytes`].
///
/// # Errors
/// [`Error`], by what is wrong first: bound, form, signature, key, content.
pub fn verify<'s>(
    evidence: &Evidence<'s>,
    digest: &Digest,
    keys: &impl Keyring,
    operations: &mut Operations,
    scratch: &'s mut [u8],
) -> Result<Verified<'s>, Error> {
    evidence.check_size()?;
    match evidence {
        Evidence::SimpleSigning { payload, signature } => {
            let signature = SignatureBytes::from_base64(signature.bytes(), Alphabet::Standard);
            let signature = signature.map_err(Error::Signature)?;
            let signer =
                find_signer(payload, signature.bytes(), SignedFormat::CosignLegacy, None, keys, operations)?;
            simple_signing::check_payload(payload, digest).map_err(Error::SimpleSigning)?;
            Ok(Verified {
                position: signer.position,
                key: signer.key.id(),
                claim: Claim::ImageSignature,
                content: payload,
            })
        }
        Evidence::Envelope(bytes) => {
            let value = json::parse(bytes).map_err(|error| Error::Envelope(error.into()))?;
            let envelope = Envelope::read(value).map_err(Error::Envelope)?;
            verify_envelope(&envelope, SignedFormat::CosignLegacy, None, digest, keys, operations, scratch)
        }
        Evidence::Bundle(bytes) => {
            let bundle = bundle::Bundle::read(bytes).map_err(Error::Bundle)?;
            verify_envelope(
                &bundle.envelope,
                SignedFormat::Bundle,
                bundle.hint,
                digest,
                keys,
                operations,
                scratch,
            )
        }
    }
}

fn verify_envelope<'s>(
    envelope: &Envelope<'_>,
    format: SignedFormat,
    hint: Option<KeyId>,
    digest: &Digest,
    keys: &impl Keyring,
    operations: &mut Operations,
    scratch: &'s mut [u8],
) -> Result<Verified<'s>, Error> {
    let signature = envelope.signature().map_err(Error::Envelope)?;
    let signed: PreAuthEncoding<'s> = envelope.open(dsse::IN_TOTO, scratch).map_err(Error::Envelope)?;
    let signer = find_signer(signed.message(), signature.bytes(), format, hint, keys, operations)?;
    let statement = Statement::read(signed.payload()).map_err(Error::Statement)?;
    statement.check_subject(digest).map_err(Error::Statement)?;
    let claim = if statement.predicate_type().is(SIGNATURE_PREDICATE) {
        Claim::ImageSignature
    } else {
        Claim::Attestation { predicate_type: statement.predicate_type(), predicate: statement.predicate() }
    };
    Ok(Verified { position: signer.position, key: signer.key.id(), claim, content: signed.payload() })
}

fn find_signer(
    message: &[u8],
    signature: &[u8],
    format: SignedFormat,
    hint: Option<KeyId>,
    keys: &impl Keyring,
    operations: &mut Operations,
) -> Result<CandidateKey, Error> {
    // Reading all keys to find the hinted one costs too.
    if operations.left() == 0 {
        return Err(Error::Budget);
    }
    let hinted = |candidate: &CandidateKey| hint == Some(candidate.key.id());
    let first = hint.into_iter().flat_map(|_| keys.keys().filter(hinted));
    let ordered = first.chain(keys.keys().filter(|candidate| !hinted(candidate)));
    // A key that is listed twice may count in one place and not in the other.
    let mut unusable = None;
    let message = Message::new(message);
    for candidate in ordered {
        operations.spend(candidate.key.operations(&message)).map_err(|Exhausted| Error::Budget)?;
        if candidate.key.verify(format, &message, signature).is_ok() {
            match keys.state(&candidate) {
                KeyState::Usable => return Ok(candidate),
                state => unusable = unusable.or(Some(state)),
            }
        }
    }
    Err(unusable.map_or(Error::NoKey, Error::Key))
}

impl Error {
    /// The stable code.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Self::TooLarge => Reason::EvidenceTooLarge,
            Self::Bundle(error) => match error {
                bundle::Error::Json(_) | bundle::Error::Content => Reason::EnvelopeMalformed,
                bundle::Error::Version => Reason::BundleVersion,
                bundle::Error::Certificate => Reason::CertificateUnsupported,
                bundle::Error::MessageSignature => Reason::MessageSignatureUnsupported,
                bundle::Error::Envelope(error) => reason_of_envelope(error),
            },
            Self::Envelope(error) => reason_of_envelope(error),
            Self::Signature(_) => Reason::SignatureMalformed,
            Self::NoKey => Reason::UntrustedKey,
            Self::Key(state) => match state {
                KeyState::Revoked => Reason::KeyRevoked,
                KeyState::AuthorityRevoked => Reason::AuthorityRevoked,
                KeyState::Retired => Reason::KeyRetired,
                KeyState::Windowed => Reason::KeyWindowNoTime,
                // Never the reason of a refusal.
                KeyState::Usable => Reason::InternalError,
            },
            Self::SimpleSigning(error) => match error {
                simple_signing::Error::Json(error) => reason_of_payload(error),
                simple_signing::Error::PayloadType => Reason::PayloadType,
                simple_signing::Error::Digest(_) => Reason::PayloadDigest,
                simple_signing::Error::DigestMismatch => Reason::DigestMismatch,
            },
            Self::Statement(error) => match error {
                intoto::Error::Json(error) => reason_of_payload(error),
                intoto::Error::StatementType => Reason::StatementVersion,
                intoto::Error::SubjectEmpty | intoto::Error::SubjectCount => Reason::StatementSubjects,
                intoto::Error::SubjectDigest => Reason::PayloadDigest,
                intoto::Error::SubjectMismatch => Reason::DigestMismatch,
            },
            Self::Budget => Reason::SignatureLimit,
        }
    }
}

fn reason_of_envelope(error: dsse::Error) -> Reason {
    match error {
        dsse::Error::Json(_) | dsse::Error::Payload(_) => Reason::EnvelopeMalformed,
        dsse::Error::SignatureCount => Reason::EnvelopeSignatures,
        dsse::Error::PayloadType => Reason::PayloadType,
        dsse::Error::PayloadTooLarge => Reason::EvidenceTooLarge,
        dsse::Error::Signature(_) => Reason::SignatureMalformed,
        dsse::Error::Scratch => Reason::InternalError,
    }
}

fn reason_of_payload(error: json::Error) -> Reason {
    match error {
        json::Error::DuplicateKey(_) | json::Error::TwinKey(_) => Reason::PayloadAmbiguous,
        _ => Reason::PayloadMalformed,
    }
}
