//! Certificates, log entries and timestamps beside a signature, held against the trusted roots of the signers'
//! authorities. Each root is asked for itself: what one of them vouches for is nothing to another (T-21).

use super::{CandidateKey, Certified, Keyring, RootsOf, Sent, SignedBy, Signer, Vouched};
use crate::bundle::{self, Bundle, SentSigner};
use crate::encoding::{self, Alphabet};
use crate::keyless::{
    CertifiedSignature, SelfIssued, SentCertificates, SentProofs, SentSignature, SignatureError, Witnessed,
    verify_signature,
};
use crate::limits;
use crate::operations::Operations;
use crate::signature::KeyId;
use crate::time::UnixTime;
use crate::tlog::leaf::Verifier;
use crate::verdict::Reason;
use crate::verify::{Annotations, Error};

/// What stands beside a signature.
pub(in crate::verify) struct Beside<'a, 's> {
    /// Names the key that may have signed.
    pub(super) hint: Option<KeyId>,
    /// Log entries and timestamps.
    proofs: SentProofs<'a>,
    /// The signer's certificates, or why they cannot be read; `None` where there are none, or nobody asks for them.
    pub(super) certificates: Option<Result<Certificates<'s>, Error>>,
    /// Whether a key cannot have signed.
    pub(super) only_certificates: bool,
}

impl Default for Beside<'_, '_> {
    fn default() -> Self {
        Self {
            hint: None,
            proofs: SentProofs::Annotations { entry: None, timestamp: None },
            certificates: None,
            only_certificates: false,
        }
    }
}

/// Certificates, decoded.
pub(super) struct Certificates<'s> {
    leaf: &'s [u8],
    others: heapless::Vec<&'s [u8], { limits::PATH_LENGTH }>,
    self_issued: SelfIssued,
}

/// Decodes what stands beside a legacy signature into the front of `room`.
pub(in crate::verify) fn decode_annotations<'a, 's>(
    annotations: &Annotations<'a>,
    keys: &impl Keyring,
    room: &mut &'s mut [u8],
) -> Beside<'a, 's> {
    let told = |text: Option<&'a str>| text.filter(|text| !text.trim_ascii().is_empty());
    let certificate = told(annotations.certificate).filter(|_| keys.takes_certificates());
    Beside {
        proofs: SentProofs::Annotations {
            entry: told(annotations.bundle),
            timestamp: told(annotations.timestamp),
        },
        certificates: certificate
            .map(|certificate| decode_pem(certificate, told(annotations.chain).unwrap_or_default(), room)),
        ..Beside::default()
    }
}

/// Decodes what stands beside the signature in a bundle into the front of `room`.
pub(in crate::verify) fn decode_bundle<'a, 's>(
    bundle: &Bundle<'a>,
    keys: &impl Keyring,
    room: &mut &'s mut [u8],
) -> Result<Beside<'a, 's>, Error> {
    let mut beside = Beside::default();
    let read = match bundle.signer() {
        SentSigner::Key(hint) => {
            beside.hint = hint;
            !keys.roots(RootsOf::Keys).is_empty()
        }
        SentSigner::Certificate(chain) => {
            beside.only_certificates = true;
            let self_issued = match bundle.version() {
                bundle::Version::V0_1 => SelfIssued::LeaveOutLast,
                bundle::Version::V0_2 | bundle::Version::V0_3 => SelfIssued::Refuse,
            };
            let certificates = chain.certificates().map_err(Error::Bundle)?.map(|text| {
                let text = text.map_err(Error::Bundle)?;
                let digits = text.chars().map(|c| u8::try_from(c).unwrap_or(u8::MAX));
                take(room, |out| encoding::base64(digits, Alphabet::Standard, out))
            });
            beside.certificates = Some(collect(certificates, self_issued));
            true
        }
    };
    if read {
        beside.proofs = SentProofs::Bundle(bundle.version(), bundle.proofs().map_err(Error::Bundle)?);
    }
    Ok(beside)
}

fn decode_pem<'s>(
    certificate: &str,
    chain: &str,
    room: &mut &'s mut [u8],
) -> Result<Certificates<'s>, Error> {
    let leaf = core::iter::once(certificate);
    let certificates =
        leaf.chain(pem_blocks(chain)).map(|block| take(room, |out| encoding::pem(block, "CERTIFICATE", out)));
    collect(certificates, SelfIssued::LeaveOutLast)
}

/// The blocks of a text of several, each with the line that ends it. What is no block is left for the reader of one.
fn pem_blocks(text: &str) -> impl Iterator<Item = &str> {
    const END: &str = "-----END CERTIFICATE-----";
    let mut rest = text.trim_ascii();
    core::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (before, after) = rest.split_once(END).unwrap_or((rest, ""));
        let block = rest.get(..rest.len().saturating_sub(after.len())).unwrap_or(before);
        rest = after.trim_ascii();
        Some(block)
    })
}

/// Decodes something into the front of `room`, which is shorter by it afterwards.
fn take<'s>(
    room: &mut &'s mut [u8],
    decode: impl FnOnce(&mut [u8]) -> Result<usize, encoding::Error>,
) -> Result<&'s [u8], Error> {
    let length = decode(room).map_err(Error::CertificateEncoding)?;
    let (taken, rest) = core::mem::take(room).split_at_mut_checked(length).ok_or(Error::Scratch)?;
    *room = rest;
    Ok(taken)
}

fn collect<'s>(
    mut certificates: impl Iterator<Item = Result<&'s [u8], Error>>,
    self_issued: SelfIssued,
) -> Result<Certificates<'s>, Error> {
    // An empty chain has no leaf (T-10).
    let leaf = certificates.next().ok_or(Error::CertificateEncoding(encoding::Error::Length))??;
    let mut others = heapless::Vec::new();
    for certificate in certificates {
        others.push(certificate?).map_err(|_| Error::CertificateEncoding(encoding::Error::TooLong))?;
    }
    Ok(Certificates { leaf, others, self_issued })
}

/// Holds a signature by a certificate against each trusted root, and finds the authority for which it counts.
pub(super) fn by_certificate<'s>(
    sent: &Sent<'_, 's>,
    certificates: &Result<Certificates<'s>, Error>,
    keys: &impl Keyring,
    now: UnixTime,
    operations: &mut Operations,
    work: &mut [u8],
) -> Result<(u8, SignedBy<'s>), Error> {
    let certificates = certificates.as_ref().map_err(|error| *error)?;
    let Certificates { leaf, others, self_issued } = certificates;
    let certificates = SentCertificates { leaf, others, self_issued: *self_issued };
    let mut certified = None;
    let mut vouched = heapless::Vec::new();
    let mut closest = None;
    for place in keys.roots(RootsOf::Identities).iter() {
        match ask_root(place, sent, &certificates, keys, now, operations, work) {
            Ok((of_root, signer)) => {
                vouched.push(of_root).map_err(|_| Error::Scratch)?;
                certified = Some(signer);
            }
            // Whatever the root, these are what they are.
            Err(error) if error.reason() == Reason::SignatureLimit => return Err(Error::Budget),
            Err(error @ Error::Certificates(SignatureError::Signature)) => return Err(error),
            Err(error) => closest = closer(closest, error),
        }
    }
    let Some(certified) = certified else {
        return Err(closest.unwrap_or(Error::Bundle(bundle::Error::Certificate)));
    };
    let by = SignedBy { signer: Signer::Certificate(certified), vouched };
    let position = keys.certified(&by).map_err(Error::Signer)?;
    Ok((position, by))
}

/// What one trusted root says of a signature by a certificate. Of the 2 KiB that verification yields only this is kept, and
/// they are read where they lie: each move of them is 2 KiB of stack below all that is verified.
#[inline(never)]
fn ask_root<'s>(
    place: u8,
    sent: &Sent<'_, 's>,
    certificates: &SentCertificates<'s, '_>,
    keys: &impl Keyring,
    now: UnixTime,
    operations: &mut Operations,
    work: &mut [u8],
) -> Result<(Vouched, Certified<'s>), Error> {
    let (root, room) = keys.open_root(place, work)?;
    match &verify_signature(&sent.proven(), certificates, &root, now, operations, room) {
        Ok(verified) => Ok((Vouched::by(place, verified.witnessed()), Certified::of(verified))),
        Err(error) => Err(Error::Certificates(*error)),
    }
}

/// Asks the trusted roots of authorities with keys when a signature by one of them was there. Says why the root of the
/// candidate's own authority does not know.
pub(super) fn witness_key<'s>(
    mut by: SignedBy<'s>,
    candidate: &CandidateKey,
    sent: &Sent<'_, '_>,
    keys: &impl Keyring,
    now: UnixTime,
    operations: &mut Operations,
    work: &mut [u8],
) -> Result<(SignedBy<'s>, Option<Error>), Error> {
    let mut told = None;
    for place in keys.roots(RootsOf::Keys).iter() {
        let witnessed = keys.open_root(place, work).and_then(|(root, room)| {
            let verifier = Verifier::Key(&candidate.key);
            sent.proven().witness(verifier, &root, now, operations, room).map_err(Error::Witness)
        });
        match witnessed {
            Ok(witnessed) => {
                by.vouched.push(Vouched::by(place, &witnessed)).map_err(|_| Error::Scratch)?;
            }
            Err(error) if error.reason() == Reason::SignatureLimit => return Err(Error::Budget),
            Err(error) if candidate.limits.trusted_root == Some(place) => told = Some(error),
            Err(_) => {}
        }
    }
    Ok((by, told))
}

impl<'a> Sent<'a, '_> {
    fn proven(&self) -> SentSignature<'a, 'a> {
        SentSignature {
            signed: self.signed,
            signature: self.signature,
            timestamped: self.timestamped,
            proofs: self.beside.proofs,
        }
    }
}

impl Vouched {
    fn by(root: u8, witnessed: &Witnessed) -> Self {
        let (first, last) = witnessed.span();
        Self { root, first, last }
    }
}

impl<'s> Certified<'s> {
    fn of(verified: &CertifiedSignature<'s>) -> Self {
        let certificate = verified.certificate();
        Self { identity: *certificate.identity(), serial: certificate.certificate().serial() }
    }
}

/// The error of the root that a signature came closest to.
fn closer(known: Option<Error>, error: Error) -> Option<Error> {
    let distance = |error: Error| match error.reason() {
        Reason::TrustedRootInvalid => 0,
        Reason::LogUnknown => 1,
        Reason::CertificateUntrusted | Reason::LogEntryMissing => 2,
        _ => 3,
    };
    match known {
        Some(known) if distance(known) >= distance(error) => Some(known),
        _ => Some(error),
    }
}
