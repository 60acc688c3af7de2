//! From a certificate that somebody sent to one that counts.
//!
//! [`verify_certificate`] holds a leaf against one trusted root, at all verified times: a path to an authority that is
//! believed at each of them, an SCT where the root lists certificate logs, and an identity. What comes out,
//! [`VerifiedCertificate`], cannot be made anywhere else; whoever wants the key of a signer or a name to hold against
//! a policy gets both from it and from nowhere else.
//!
//! What this does *not* do: verify the times (a log's or a timestamp authority's signature on them), the signature of
//! the artifact, or whether the identity is one that the policy names.

use crate::limits;
use crate::operations::Operations;
use crate::sct::{self, CertificateLogs};
use crate::signature::PublicKey;
use crate::time::UnixTime;
use crate::trusted_root::{self, Authority, TrustedRoot};
use crate::x509::fulcio::{Identity, IdentityError};
use crate::x509::{self, Anchor, Certificate, Purpose, verify_path};

/// What to do with a certificate beside the leaf that names itself as its issuer. It is never an anchor (T-42).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SelfIssued {
    /// A bundle of version 0.2 or later may not have one: refuse it.
    Refuse,
    /// A bundle of version 0.1 and cosign's annotation `dev.sigstore.cosign/chain` may end with one: leave the last
    /// out, and refuse one in any other place.
    LeaveOutLast,
}

/// Certificates as they were sent, and not believed.
#[derive(Debug, Clone, Copy)]
pub struct SentCertificates<'e, 'o> {
    /// The signer's, in DER.
    pub leaf: &'e [u8],
    /// Others, in DER, that may lead from the leaf to an authority of the root.
    pub others: &'o [&'o [u8]],
    /// What to do with roots among the others.
    pub self_issued: SelfIssued,
}

/// Why a certificate does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// A certificate cannot be read, or no path to an authority of the root holds.
    Certificate(x509::Error),
    /// More verified times than [`VERIFIED_TIMES`](limits::VERIFIED_TIMES).
    TooManyTimes,
    /// A verified time that has not come yet (T-33).
    Future,
    /// A certificate among the others that names itself as its issuer (T-42).
    RootSent,
    /// The root has no certificate authority (T-29).
    NoAuthority,
    /// The trusted root cannot be read.
    TrustedRoot(trusted_root::Error),
    /// The root lists certificate logs, and none of them has verifiably seen the certificate.
    Sct(sct::Error),
    /// The certificate does not say whom it is for.
    Identity(IdentityError),
}

/// A certificate that counts: its path holds at every verified time, the root's certificate logs have seen it, and it
/// says whom it is for.
#[derive(Debug, Clone)]
pub struct VerifiedCertificate<'e> {
    certificate: Certificate<'e>,
    key: PublicKey,
    identity: Identity<'e>,
    logs: Option<CertificateLogs>,
}

impl<'e> VerifiedCertificate<'e> {
    /// The certificate: its serial number, for what is revoked, and its bytes, for what a log has rebuilt.
    #[must_use]
    pub fn certificate(&self) -> &Certificate<'e> {
        &self.certificate
    }

    /// The key that it is for.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Whom it is for.
    #[must_use]
    pub fn identity(&self) -> &Identity<'e> {
        &self.identity
    }

    /// The certificate logs that have seen it; `None` where the root lists none.
    #[must_use]
    pub fn logs(&self) -> Option<&CertificateLogs> {
        self.logs.as_ref()
    }
}

/// Holds a certificate against a trusted root at all of `times`, none of which may be after `now`.
///
/// The authorities of the root are asked one by one, each with its own certificates and those that were sent, so that
/// none is believed outside its own window (T-26). `scratch` needs
/// [`VERIFY_CERTIFICATE_BYTES`](limits::VERIFY_CERTIFICATE_BYTES).
///
/// # Errors
/// [`Error`]; of several authorities, that of the one that came closest.
pub fn verify_certificate<'e>(
    sent: &SentCertificates<'e, '_>,
    root: &TrustedRoot<'_>,
    times: &[UnixTime],
    now: UnixTime,
    operations: &mut Operations,
    scratch: &mut [u8],
) -> Result<VerifiedCertificate<'e>, Error> {
    if times.is_empty() {
        return Err(Error::Certificate(x509::Error::NoTime));
    }
    if times.len() > limits::VERIFIED_TIMES {
        return Err(Error::TooManyTimes);
    }
    if times.iter().any(|time| *time > now) {
        return Err(Error::Future);
    }
    let leaf = Certificate::read(sent.leaf).map_err(Error::Certificate)?;
    // By reference: certificates that are moved are on the stack twice below all that follows.
    match &read_others(sent) {
        Ok(others) => ask_each(leaf, others, root, times, operations, scratch),
        Err(error) => Err(*error),
    }
}

/// Asks the authorities one by one.
#[inline(never)]
fn ask_each<'e>(
    leaf: Certificate<'e>,
    others: &[Certificate<'_>],
    root: &TrustedRoot<'_>,
    times: &[UnixTime],
    operations: &mut Operations,
    scratch: &mut [u8],
) -> Result<VerifiedCertificate<'e>, Error> {
    let mut closest = Error::NoAuthority;
    for authority in root.certificate_authorities() {
        let authority = authority.map_err(Error::TrustedRoot)?;
        match ask(&leaf, others, &authority, root, times, operations, scratch) {
            Ok(logs) => {
                let key = leaf.public_key().map_err(Error::Certificate)?;
                let identity = Identity::read(&leaf).map_err(Error::Identity)?;
                return Ok(VerifiedCertificate { certificate: leaf, key, identity, logs });
            }
            // Not this authority's answer, but that there is none.
            Err(error @ (Error::TrustedRoot(_) | Error::Sct(sct::Error::Scratch))) => return Err(error),
            Err(error) => {
                if closeness(error) > closeness(closest) {
                    closest = error;
                }
            }
        }
    }
    Err(closest)
}

/// Asks one authority: the certificate logs that have seen the leaf, if its path holds; `None` where the root lists none.
#[inline(never)]
fn ask(
    leaf: &Certificate<'_>,
    others: &[Certificate<'_>],
    authority: &Authority<'_>,
    root: &TrustedRoot<'_>,
    times: &[UnixTime],
    operations: &mut Operations,
    scratch: &mut [u8],
) -> Result<Option<CertificateLogs>, Error> {
    let (for_precertificate, room) =
        scratch.split_at_mut_checked(limits::PRECERTIFICATE_BYTES).ok_or(Error::Sct(sct::Error::Scratch))?;
    let opened = authority.open(room);
    let chain = match &opened {
        Ok(chain) => chain,
        Err(error) => return Err(Error::TrustedRoot(*error)),
    };
    let issuer = find_issuer(leaf, chain.below(), others, chain.anchor(), times, operations);
    let issuer = issuer.map_err(Error::Certificate)?;
    if !root.lists_certificate_logs() {
        return Ok(None);
    }
    sct::verify(leaf, &issuer, root, operations, for_precertificate).map(Some).map_err(Error::Sct)
}

type Others<'o> = heapless::Vec<Certificate<'o>, { limits::PATH_LENGTH }>;

fn read_others<'o>(sent: &SentCertificates<'_, 'o>) -> Result<Others<'o>, Error> {
    let mut others = Others::new();
    let mut rest = sent.others.iter().peekable();
    while let Some(der) = rest.next() {
        let certificate = Certificate::read(der).map_err(Error::Certificate)?;
        if certificate.is_self_issued() {
            match sent.self_issued {
                SelfIssued::LeaveOutLast if rest.peek().is_none() => break,
                SelfIssued::LeaveOutLast | SelfIssued::Refuse => return Err(Error::RootSent),
            }
        }
        others.push(certificate).map_err(|_| Error::Certificate(x509::Error::TooManyCertificates))?;
    }
    Ok(others)
}

/// The certificate that has issued the leaf, on a path to the anchor. All others are gone from the stack with it.
#[inline(never)]
fn find_issuer<'a>(
    leaf: &Certificate<'a>,
    known: &[Certificate<'a>],
    sent: &[Certificate<'a>],
    anchor: &Anchor<'a>,
    times: &[UnixTime],
    operations: &mut Operations,
) -> Result<Certificate<'a>, x509::Error> {
    let mut candidates: heapless::Vec<Certificate<'a>, { limits::PATH_CANDIDATES }> = heapless::Vec::new();
    // What the root has comes first; what was sent is often the same once more.
    let news = sent.iter().filter(|other| !known.iter().any(|known| known.der() == other.der()));
    for candidate in known.iter().chain(news) {
        candidates.push(*candidate).map_err(|_| x509::Error::TooManyCertificates)?;
    }
    let anchors = core::slice::from_ref(anchor);
    match &verify_path(leaf, &candidates, anchors, times, Purpose::CodeSigning, operations) {
        Ok(path) => Ok(*path.issuer()),
        Err(error) => Err(*error),
    }
}

/// How far a certificate came: not to an authority, to one whose path does not hold, to its SCTs.
fn closeness(error: Error) -> u8 {
    match error {
        Error::NoAuthority => 0,
        Error::Certificate(x509::Error::UnknownIssuer) => 1,
        Error::Certificate(x509::Error::Signature) => 2,
        Error::Certificate(_) => 3,
        _ => 4,
    }
}
