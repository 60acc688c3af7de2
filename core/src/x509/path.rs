//! From a leaf to an anchor, by signatures, with every certificate on the way held to its profile.
//!
//! The search goes upwards: anchors first, then the other certificates that have the issuer's name, in order. A name is
//! only a hint and the signature decides, so that two authorities of one name are told apart by their keys (T-49). Each
//! certificate is used once on a path, a path has at most [`PATH_LENGTH`](limits::PATH_LENGTH) certificates, and one
//! search checks at most [`PATH_OPERATIONS`](limits::PATH_OPERATIONS) signatures, taken from the [`Operations`] before
//! they are checked: however the candidates are built, the search ends, and leaves the rest of the verdict its share
//! (T-46).
//!
//! Profiles (RFC 5280 section 6.1, narrowed):
//!
//! - every certificate, the anchor's included, is valid at every time (T-30), and no critical extension is unknown;
//! - an authority has critical basic constraints that say so, key usage with certificate signing, a subject, its path
//!   length constraint holds, and where it has extended key usage the purpose is in it;
//! - no certificate below the anchor names itself as its issuer: an anchor comes from the trusted root alone (T-42);
//! - the leaf is no authority, its key usage has signing, and its extended key usage has the purpose. For
//!   timestamping it has no other (RFC 3161 section 2.3);
//! - an authority's name constraints hold for every certificate below it.

use super::{Certificate, Error, KeyUsage, Purpose, name_constraints};
use crate::limits;
use crate::operations::Operations;
use crate::time::{UnixTime, Window};

/// A certificate that is believed because the trusted root has it.
#[derive(Debug, Clone, Copy)]
pub struct Anchor<'a> {
    /// The certificate. Its own signature is not looked at.
    pub certificate: Certificate<'a>,
    /// When it is believed, which the trusted root says.
    pub window: Window,
}

/// A path that holds: proof that an anchor has, through others or itself, issued a leaf for a purpose.
///
/// Only [`verify_path`] makes one.
#[derive(Debug, Clone)]
pub struct Path<'a> {
    /// From the leaf up, without the anchor.
    below: Chain<'a>,
    anchor: Certificate<'a>,
}

type Chain<'a> = heapless::Vec<Certificate<'a>, { limits::PATH_LENGTH - 1 }>;

impl<'a> Path<'a> {
    /// The certificate that issued the leaf: the one whose key verified it.
    #[must_use]
    pub fn issuer(&self) -> &Certificate<'a> {
        self.below.get(1).unwrap_or(&self.anchor)
    }

    /// The anchor.
    #[must_use]
    pub fn anchor(&self) -> &Certificate<'a> {
        &self.anchor
    }

    /// All certificates, from the leaf to the anchor.
    pub fn certificates(&self) -> impl Iterator<Item = &Certificate<'a>> {
        self.below.iter().chain([&self.anchor])
    }
}

/// Finds a path from `leaf` over some of `intermediates` to one of `anchors` that holds at all of `times`.
///
/// `intermediates` may come from whoever sent the leaf. `anchors` are those of one authority of a trusted root: several
/// authorities are asked one by one and never pooled (T-21, T-26).
///
/// # Errors
/// [`Error`]. Where several candidates fail, that of the one that came closest: a signature that verified comes before
/// one that did not, and that before a name that nobody has.
pub fn verify_path<'a>(
    leaf: &Certificate<'a>,
    intermediates: &[Certificate<'a>],
    anchors: &[Anchor<'a>],
    times: &[UnixTime],
    purpose: Purpose,
    operations: &mut Operations,
) -> Result<Path<'a>, Error> {
    if times.is_empty() {
        return Err(Error::NoTime);
    }
    if intermediates.len() > limits::PATH_CANDIDATES {
        return Err(Error::TooManyCertificates);
    }
    check_leaf(leaf, times, purpose)?;
    let own = Operations::at_most(limits::PATH_OPERATIONS);
    let mut search =
        Search { own, intermediates, anchors, times, purpose, operations, closest: Error::UnknownIssuer };
    search.run(leaf)
}

struct Search<'s, 'a> {
    intermediates: &'s [Certificate<'a>],
    anchors: &'s [Anchor<'a>],
    times: &'s [UnixTime],
    purpose: Purpose,
    operations: &'s mut Operations,
    /// What is left of this search's own share.
    own: Operations,
    /// Why the candidate failed that came closest.
    closest: Error,
}

impl<'a> Search<'_, 'a> {
    /// Depth first, without recursion: `next` remembers, for each certificate of the chain, the candidate to go on with.
    fn run(&mut self, leaf: &Certificate<'a>) -> Result<Path<'a>, Error> {
        let mut chain = Chain::new();
        let mut next: heapless::Vec<usize, { limits::PATH_LENGTH - 1 }> = heapless::Vec::new();
        chain.push(*leaf).map_err(|_| Error::PathTooLong)?;
        next.push(0).map_err(|_| Error::PathTooLong)?;
        while let (Some(child), Some(position)) = (chain.last().copied(), next.last_mut()) {
            let candidate = *position;
            *position = candidate.saturating_add(1);
            if let Some(anchor) = self.anchors.get(candidate) {
                if self.issued(&anchor.certificate, &child, &chain)? && self.is_open(anchor) {
                    return Ok(Path { below: chain, anchor: anchor.certificate });
                }
                continue;
            }
            let Some(issuer) = self.intermediates.get(candidate.saturating_sub(self.anchors.len())) else {
                chain.pop();
                next.pop();
                continue;
            };
            let used = chain.iter().any(|certificate| certificate.der() == issuer.der());
            if used || !self.issued(issuer, &child, &chain)? {
                continue;
            }
            if issuer.is_self_issued() {
                self.note(Error::SelfIssued);
            } else if issuer.serial() == [0] {
                self.note(Error::Serial);
            } else if chain.push(*issuer).is_err() || next.push(0).is_err() {
                self.note(Error::PathTooLong);
            }
        }
        Err(self.closest)
    }

    /// Whether `issuer` is an authority that has signed `child`; the only error is that no operations are left.
    fn issued(
        &mut self,
        issuer: &Certificate<'a>,
        child: &Certificate<'a>,
        chain: &Chain<'a>,
    ) -> Result<bool, Error> {
        if issuer.subject() != child.issuer() {
            return Ok(false);
        }
        self.own.spend(1)?;
        self.operations.spend(1)?;
        let signed = issuer.public_key().and_then(|key| child.is_signed_by(&key));
        let holds = signed.and_then(|()| {
            let below = chain.len().saturating_sub(1);
            check_authority(issuer, below, self.times, self.purpose)?;
            if issuer.profile.name_constraints.is_some() {
                chain.iter().try_for_each(|below| name_constraints::check(issuer, below))?;
            }
            Ok(())
        });
        if let Err(error) = holds {
            self.note(error);
        }
        Ok(holds.is_ok())
    }

    /// Whether the anchor is believed at all times.
    fn is_open(&mut self, anchor: &Anchor<'a>) -> bool {
        let holds = self.times.iter().all(|time| anchor.window.contains(*time));
        if !holds {
            self.note(Error::AnchorWindow);
        }
        holds
    }

    fn note(&mut self, error: Error) {
        let rank = |error| match error {
            Error::UnknownIssuer => 0,
            Error::Key(_) | Error::SignatureAlgorithm => 1,
            Error::Signature => 2,
            _ => 3,
        };
        if rank(error) > rank(self.closest) {
            self.closest = error;
        }
    }
}

/// What every certificate of a path must be.
fn check_any(certificate: &Certificate<'_>, times: &[UnixTime]) -> Result<(), Error> {
    if certificate.profile.unknown_critical {
        return Err(Error::CriticalExtension);
    }
    if !times.iter().all(|time| certificate.validity().contains(*time)) {
        return Err(Error::Expired);
    }
    Ok(())
}

/// Checks what a leaf must be, apart from who issued it.
///
/// # Errors
/// [`Error`], by what is wrong first.
pub fn check_leaf(leaf: &Certificate<'_>, times: &[UnixTime], purpose: Purpose) -> Result<(), Error> {
    check_any(leaf, times)?;
    if leaf.serial() == [0] {
        return Err(Error::Serial);
    }
    if leaf.basic_constraints().is_some_and(|constraints| constraints.authority)
        || leaf.profile.name_constraints.is_some()
        || leaf.key_usage().is_some_and(KeyUsage::certificate_signing)
    {
        return Err(Error::LeafIsAuthority);
    }
    let signs = leaf.key_usage().is_some_and(|usage| match purpose {
        Purpose::CodeSigning => usage.digital_signature(),
        Purpose::TimeStamping => usage.digital_signature() || usage.content_commitment(),
    });
    if !signs {
        return Err(Error::LeafKeyUsage);
    }
    let intended = leaf.purposes().is_some_and(|purposes| match purpose {
        Purpose::CodeSigning => purposes.contains(purpose),
        Purpose::TimeStamping => purposes.is_only(purpose),
    });
    if !intended {
        return Err(Error::Purpose);
    }
    if leaf.is_self_issued() { Err(Error::SelfIssued) } else { Ok(()) }
}

/// Checks what an authority must be that has `below` other authorities between it and the leaf, apart from who issued
/// it.
///
/// # Errors
/// [`Error`], by what is wrong first.
pub fn check_authority(
    authority: &Certificate<'_>,
    below: usize,
    times: &[UnixTime],
    purpose: Purpose,
) -> Result<(), Error> {
    check_any(authority, times)?;
    if authority.subject() == [0x30, 0] {
        return Err(Error::Name);
    }
    let constraints = authority.basic_constraints().ok_or(Error::NotAuthority)?;
    if !constraints.authority
        || !constraints.critical
        || !authority.key_usage().is_some_and(KeyUsage::certificate_signing)
    {
        return Err(Error::NotAuthority);
    }
    let below = u64::try_from(below).map_err(|_| Error::PathLengthConstraint)?;
    if constraints.path_length.is_some_and(|most| below > most) {
        return Err(Error::PathLengthConstraint);
    }
    if authority.purposes().is_some_and(|purposes| !purposes.contains(purpose)) {
        return Err(Error::Purpose);
    }
    Ok(())
}
