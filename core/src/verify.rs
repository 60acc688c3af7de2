//! From found to verified: the one place where evidence meets keys.
//!
//! [`verify`] takes one piece of evidence, the digest it must be about and the keys that may have signed it.
//! It bounds, reads, checks the signature, and only then reads what was signed. What comes out, [`Verified`], cannot
//! be made anywhere else; policy takes nothing else.
//!
//! Signers are keys of the rule's authorities, or certificates that a trusted root of one of them vouches for
//! (`keyless`). Which of the two made a signature is told by the evidence, and neither stands in for the other.
//!
//! What this does *not* do: decide whether it is enough. That is `judge`.

#[cfg(feature = "keyless")]
mod artifact;
mod reason;
mod signer;

use crate::dsse::{self, Envelope, PreAuthEncoding, SignatureBytes};
use crate::encoding::{self, Alphabet};
use crate::intoto::{self, SIGNATURE_PREDICATE, Statement};
use crate::json::{self, Text, Value};
#[cfg(feature = "keyless")]
use crate::keyless::{SignatureError, WitnessError};
use crate::limits;
use crate::oci::Digest;
use crate::operations::Operations;
#[cfg(feature = "predicate")]
use crate::related::Related;
use crate::signature::{Message, SignedFormat};
use crate::signed::Signed;
use crate::time::UnixTime;
use crate::{bundle, simple_signing};

#[cfg(feature = "keyless")]
pub use artifact::{Artifact, artifact_scratch_bytes, verify_artifact};
pub use signer::{CandidateKey, Certified, KeyLimits, Keyring, SignedBy, Signer, SignerState};
#[cfg(feature = "keyless")]
pub use signer::{RootSet, RootsOf, Vouched};
use signer::{Sent, find_signer};

/// One piece of evidence, found and not verified.
#[derive(Debug, Clone, Copy)]
pub enum Evidence<'e> {
    /// cosign's legacy signature: a payload, and beside it the signature in base64.
    SimpleSigning {
        /// The layer's bytes: what is signed.
        payload: &'e [u8],
        /// The annotation `dev.cosignproject.cosign/signature`.
        signature: &'e str,
        /// What stands beside it.
        annotations: Annotations<'e>,
    },
    /// cosign's legacy attestation: a bare DSSE envelope.
    Envelope {
        /// The layer's bytes.
        document: &'e [u8],
        /// What stands beside it.
        annotations: Annotations<'e>,
    },
    /// A Sigstore bundle.
    Bundle(&'e [u8]),
}

/// cosign's annotations on a legacy layer, as they were found. With a signature by a key they say nothing that is needed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Annotations<'e> {
    /// `dev.sigstore.cosign/certificate`: the signer's certificate, in PEM.
    pub certificate: Option<&'e str>,
    /// `dev.sigstore.cosign/chain`: the certificates above it, in PEM.
    pub chain: Option<&'e str>,
    /// `dev.sigstore.cosign/bundle`: a log entry with its promise, in JSON.
    pub bundle: Option<&'e str>,
    /// `dev.sigstore.cosign/rfc3161timestamp`: a timestamp, in JSON.
    pub timestamp: Option<&'e str>,
}

impl Annotations<'_> {
    fn lengths(&self) -> impl Iterator<Item = usize> {
        [self.certificate, self.chain, self.bundle, self.timestamp].into_iter().flatten().map(str::len)
    }
}

impl Evidence<'_> {
    /// Bytes of scratch that verifying it by keys alone needs. With trusted roots it is more, and the
    /// [`Judge`](crate::judge::Judge::scratch_bytes) says how much.
    #[must_use]
    pub fn scratch_bytes(&self) -> usize {
        match self {
            Self::SimpleSigning { annotations, .. } => annotations.lengths().sum(),
            // A decoded payload is shorter than the text it stands in, and so are certificates.
            Self::Envelope { document, annotations } => annotations
                .lengths()
                .sum::<usize>()
                .saturating_add(document.len())
                .saturating_add(dsse::PAE_ROOM),
            Self::Bundle(bytes) => bytes.len().saturating_add(dsse::PAE_ROOM),
        }
    }

    fn check_size(&self) -> Result<(), Error> {
        let (length, most) = match self {
            Self::SimpleSigning { payload, .. } => (payload.len(), limits::SIGNATURE_BYTES),
            Self::Envelope { document: bytes, .. } | Self::Bundle(bytes) => {
                (bytes.len(), limits::ATTESTATION_BYTES)
            }
        };
        let fits = |length, most| u64::try_from(length).is_ok_and(|length| length <= most);
        let annotated = match self {
            Self::SimpleSigning { annotations, .. } | Self::Envelope { annotations, .. } => {
                annotations.lengths().sum()
            }
            Self::Bundle(_) => 0,
        };
        if fits(length, most) && fits(annotated, limits::SIGNATURE_BYTES) {
            Ok(())
        } else {
            Err(Error::TooLarge)
        }
    }
}

/// Evidence whose signature verified, by a signer that counts, over bytes that are about the digest asked for.
#[derive(Debug, Clone)]
pub struct Verified<'s> {
    position: u8,
    by: SignedBy<'s>,
    claim: Claim<'s>,
    content: &'s [u8],
    #[cfg(feature = "predicate")]
    related: Option<Related>,
}

/// The digests that evidence may be about.
#[derive(Debug, Clone, Copy)]
pub struct Subjects<'d> {
    /// The image's.
    pub image: &'d Digest,
    /// Those that it is tied to. An image signature may be over one of them; an attestation may not.
    #[cfg(feature = "predicate")]
    pub related: &'d [Related],
}

impl<'d> Subjects<'d> {
    /// The image's alone.
    #[must_use]
    pub fn only(image: &'d Digest) -> Self {
        Self {
            image,
            #[cfg(feature = "predicate")]
            related: &[],
        }
    }
}

/// What a signature was found to be over, where that is not the image's own digest.
#[cfg(feature = "predicate")]
type Other = Option<Related>;
#[cfg(not(feature = "predicate"))]
type Other = ();

/// Which of the digests a signature is over; the error for the image's own where it is none of them.
fn find_subject<E>(subjects: &Subjects<'_>, check: impl Fn(&Digest) -> Result<(), E>) -> Result<Other, E> {
    let own = check(subjects.image);
    #[cfg(feature = "predicate")]
    return match own {
        Ok(()) => Ok(None),
        Err(error) => {
            let related = subjects.related.iter().find(|related| check(related.digest()).is_ok());
            related.map(|related| Some(*related)).ok_or(error)
        }
    };
    #[cfg(not(feature = "predicate"))]
    own
}

impl<'s> Verified<'s> {
    /// Place in the rule's `signed_by` of the authority that signed.
    #[must_use]
    pub fn position(&self) -> u8 {
        self.position
    }

    /// Who signed, and who vouches for when.
    #[must_use]
    pub fn by(&self) -> &SignedBy<'s> {
        &self.by
    }

    /// What it says.
    #[must_use]
    pub fn claim(&self) -> &Claim<'s> {
        &self.claim
    }

    /// The digest that it is about, where it is not the image's own but one that the image is tied to.
    #[cfg(feature = "predicate")]
    #[must_use]
    pub fn related(&self) -> Option<Related> {
        self.related
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
    /// None of the keys that are asked for has signed it.
    NoKey,
    /// Signed by a key, or for an identity, that does not count.
    Signer(SignerState),
    /// The certificate, or what it has signed, does not hold against a trusted root of the rule's authorities.
    #[cfg(feature = "keyless")]
    Certificates(SignatureError),
    /// Signed by a key whose authority asks for a log or timestamps, and they do not say when.
    #[cfg(feature = "keyless")]
    Witness(WitnessError),
    /// A trusted root of the rule's authorities cannot be read.
    #[cfg(feature = "keyless")]
    TrustedRoot,
    /// A certificate is not base64 or PEM, there is none, or there are too many.
    #[cfg(feature = "keyless")]
    CertificateEncoding(encoding::Error),
    /// The caller's buffer is too small: a fault of ours.
    Scratch,
    /// Signed, but the legacy payload is wrong.
    SimpleSigning(simple_signing::Error),
    /// Signed, but the statement is wrong.
    Statement(intoto::Error),
    /// No signature operations are left.
    Budget,
}

/// Verifies one piece of evidence.
///
/// Keys are tried in order, those that the evidence hints at first; the first usable one that verifies is the signer. A
/// certificate is held against each trusted root that the signers' authorities name, one root at a time (T-21). `now` is
/// the time of the verdict. `scratch` needs [`Evidence::scratch_bytes`], and [`Keyring::scratch_bytes`] more.
///
/// # Errors
/// [`Error`], by what is wrong first: bound, form, signature, signer, content.
pub fn verify<'s>(
    evidence: &Evidence<'s>,
    subjects: &Subjects<'_>,
    keys: &impl Keyring,
    now: UnixTime,
    operations: &mut Operations,
    scratch: &'s mut [u8],
) -> Result<Verified<'s>, Error> {
    evidence.check_size()?;
    let (work, mut room) = scratch.split_at_mut_checked(keys.scratch_bytes()).ok_or(Error::Scratch)?;
    let signature;
    let message;
    match evidence {
        Evidence::SimpleSigning { payload, signature: text, annotations } => {
            signature =
                SignatureBytes::from_base64(text.bytes(), Alphabet::Standard).map_err(Error::Signature)?;
            message = Message::new(payload);
            let mut sent = Sent::new(Signed::Payload(&message), signature.bytes());
            sent.beside = signer::decode_annotations(annotations, keys, &mut room);
            let (position, by) = find_signer(&sent, keys, now, operations, work)?;
            let _other = find_subject(subjects, |digest| simple_signing::check_payload(payload, digest))
                .map_err(Error::SimpleSigning)?;
            Ok(Verified {
                position,
                by,
                claim: Claim::ImageSignature,
                content: payload,
                #[cfg(feature = "predicate")]
                related: _other,
            })
        }
        Evidence::Envelope { document, annotations } => {
            let value = json::parse(document).map_err(|error| Error::Envelope(error.into()))?;
            let envelope = Envelope::read(value).map_err(Error::Envelope)?;
            signature = envelope.signature().map_err(Error::Envelope)?;
            let beside = signer::decode_annotations(annotations, keys, &mut room);
            let opened: PreAuthEncoding<'s> = envelope.open(dsse::IN_TOTO, room).map_err(Error::Envelope)?;
            message = Message::new(opened.message());
            let signed = signed_envelope(SignedFormat::CosignLegacy, &opened, &message, Some(document));
            let mut sent = Sent::new(signed, signature.bytes());
            sent.beside = beside;
            // cosign asks for a timestamp over the whole layer, which has no signature beside it.
            sent.timestamped = document;
            let (position, by) = find_signer(&sent, keys, now, operations, work)?;
            read_statement(opened.payload(), subjects, position, by)
        }
        Evidence::Bundle(bytes) => {
            let bundle = bundle::Bundle::read(bytes).map_err(Error::Bundle)?;
            if matches!(bundle.signer(), bundle::SentSigner::Certificate(_)) && !keys.takes_certificates() {
                return Err(Error::Bundle(bundle::Error::Certificate));
            }
            let envelope = bundle.envelope().map_err(Error::Bundle)?;
            signature = envelope.signature().map_err(Error::Envelope)?;
            let beside = signer::decode_bundle(&bundle, keys, &mut room)?;
            let opened: PreAuthEncoding<'s> = envelope.open(dsse::IN_TOTO, room).map_err(Error::Envelope)?;
            message = Message::new(opened.message());
            let mut sent =
                Sent::new(signed_envelope(SignedFormat::Bundle, &opened, &message, None), signature.bytes());
            sent.beside = beside;
            let (position, by) = find_signer(&sent, keys, now, operations, work)?;
            read_statement(opened.payload(), subjects, position, by)
        }
    }
}

fn signed_envelope<'a>(
    format: SignedFormat,
    opened: &PreAuthEncoding<'a>,
    message: &'a Message<'a>,
    document: Option<&'a [u8]>,
) -> Signed<'a> {
    Signed::Envelope { format, payload_type: dsse::IN_TOTO, payload: opened.payload(), message, document }
}

fn read_statement<'s>(
    payload: &'s [u8],
    subjects: &Subjects<'_>,
    position: u8,
    by: SignedBy<'s>,
) -> Result<Verified<'s>, Error> {
    let statement = Statement::read(payload).map_err(Error::Statement)?;
    let check = |digest: &Digest| statement.check_subject(digest);
    let (claim, _other) = if statement.predicate_type().is(SIGNATURE_PREDICATE) {
        (Claim::ImageSignature, find_subject(subjects, check))
    } else {
        let predicate = statement.predicate();
        let own = Subjects::only(subjects.image);
        (
            Claim::Attestation { predicate_type: statement.predicate_type(), predicate },
            find_subject(&own, check),
        )
    };
    let _other = _other.map_err(Error::Statement)?;
    Ok(Verified {
        position,
        by,
        claim,
        content: payload,
        #[cfg(feature = "predicate")]
        related: _other,
    })
}
