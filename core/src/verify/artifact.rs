//! A bundle about an artifact that is no image: what `cosign sign-blob` and the conformance tests of Sigstore are about.
//!
//! It takes the same way as a bundle about an image, and makes another type: no rule asks for artifacts, so nothing here
//! counts as "the image is signed".

use super::signer::{self, Beside, Sent, find_signer};
use super::{Error, Keyring, SignedBy, signed_envelope};
use crate::bundle::{self, Bundle, Content, MessageSignature, SentSigner};
use crate::dsse::{self, Envelope, PreAuthEncoding};
use crate::intoto::{self, Statement};
use crate::limits;
use crate::oci::Digest;
use crate::operations::Operations;
use crate::signature::{Message, SignedFormat};
use crate::signed::Signed;
use crate::time::UnixTime;

/// An artifact.
#[derive(Debug, Clone, Copy)]
pub enum Artifact<'a> {
    /// All of it.
    Content(&'a [u8]),
    /// Its SHA-256. Keys that sign another hash, or none, cannot be held against it.
    Sha256(&'a [u8; 32]),
}

/// Verifies a bundle about an artifact: a signature over it, or a statement with it as a subject. `scratch` needs
/// [`artifact_scratch_bytes`].
///
/// # Errors
/// [`Error`], as with [`verify`](super::verify).
pub fn verify_artifact<'s>(
    bytes: &'s [u8],
    artifact: &Artifact<'_>,
    keys: &impl Keyring,
    now: UnixTime,
    operations: &mut Operations,
    scratch: &'s mut [u8],
) -> Result<SignedBy<'s>, Error> {
    if u64::try_from(bytes.len()).is_ok_and(|length| length > limits::ATTESTATION_BYTES) {
        return Err(Error::TooLarge);
    }
    let bundle = Bundle::read(bytes).map_err(Error::Bundle)?;
    if matches!(bundle.signer(), SentSigner::Certificate(_)) && !keys.takes_certificates() {
        return Err(Error::Bundle(bundle::Error::Certificate));
    }
    let (work, mut room) = scratch.split_at_mut_checked(keys.scratch_bytes()).ok_or(Error::Scratch)?;
    let beside = signer::decode_bundle(&bundle, keys, &mut room)?;
    let asked = Asked { artifact, keys, now };
    match bundle.content() {
        Content::Envelope(envelope) => asked.envelope(&envelope, beside, operations, work, room),
        Content::Message(content) => asked.message(&content, beside, operations, work),
    }
}

/// What is asked about a bundle. Its forms are each verified in a function of their own, so that neither has the other's
/// values below it on the stack.
struct Asked<'q, K> {
    artifact: &'q Artifact<'q>,
    keys: &'q K,
    now: UnixTime,
}

impl<K: Keyring> Asked<'_, K> {
    #[inline(never)]
    fn envelope<'a, 's>(
        &self,
        envelope: &Envelope<'a>,
        beside: Beside<'a, 's>,
        operations: &mut Operations,
        work: &mut [u8],
        room: &mut [u8],
    ) -> Result<SignedBy<'s>, Error> {
        let signature = envelope.signature().map_err(Error::Envelope)?;
        let opened: PreAuthEncoding<'_> = envelope.open(dsse::IN_TOTO, room).map_err(Error::Envelope)?;
        let message = Message::new(opened.message());
        let signed = signed_envelope(SignedFormat::Bundle, &opened, &message, None);
        let sent = Sent { beside, ..Sent::new(signed, signature.bytes()) };
        let (_, by) = find_signer(&sent, self.keys, self.now, operations, work)?;
        let statement = Statement::read(opened.payload()).map_err(Error::Statement)?;
        let digest = match self.artifact {
            Artifact::Content(bytes) => Digest::of(bytes),
            Artifact::Sha256(digest) => Digest::from_sha256(**digest),
        };
        statement.check_subject(&digest).map_err(Error::Statement)?;
        Ok(by)
    }

    #[inline(never)]
    fn message<'a, 's>(
        &self,
        content: &MessageSignature<'a>,
        beside: Beside<'a, 's>,
        operations: &mut Operations,
        work: &mut [u8],
    ) -> Result<SignedBy<'s>, Error> {
        let signature = content.signature().map_err(Error::Bundle)?;
        let message;
        let signed = match self.artifact {
            Artifact::Content(bytes) => {
                message = Message::new(bytes);
                Signed::Artifact(&message)
            }
            Artifact::Sha256(digest) => Signed::ArtifactDigest(digest),
        };
        if content.digest().map_err(Error::Bundle)?.is_some_and(|named| !names(&named, &signed)) {
            return Err(Error::Statement(intoto::Error::SubjectMismatch));
        }
        let sent = Sent { beside, ..Sent::new(signed, signature.bytes()) };
        find_signer(&sent, self.keys, self.now, operations, work).map(|(_, by)| by)
    }
}

/// Bytes of scratch that [`verify_artifact`] needs.
#[must_use]
pub fn artifact_scratch_bytes(bundle: &[u8], keys: &impl Keyring) -> usize {
    bundle.len().saturating_add(dsse::PAE_ROOM).saturating_add(keys.scratch_bytes())
}

/// Whether the digest that a bundle names is the artifact's (T-16). Of an artifact that is known by its SHA-256 alone,
/// another hash is not.
fn names(named: &bundle::SentDigest, signed: &Signed<'_>) -> bool {
    match (signed, named.bytes()) {
        (Signed::Artifact(message), bytes @ [..]) if bytes.len() == 32 => bytes == message.sha256(),
        (Signed::Artifact(message), bytes @ [..]) if bytes.len() == 48 => bytes == message.sha384(),
        (Signed::ArtifactDigest(digest), bytes) => bytes == *digest,
        _ => false,
    }
}
