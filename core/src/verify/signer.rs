//! Who signed: keys of authorities, or certificates that a trusted root of theirs vouches for.

#[cfg(feature = "keyless")]
mod certificates;

#[cfg(feature = "keyless")]
pub(super) use certificates::{Beside, decode_annotations, decode_bundle};
#[cfg(feature = "keyless")]
use certificates::{by_certificate, witness_key};

#[cfg(not(feature = "keyless"))]
use super::Annotations;
use super::Error;
#[cfg(not(feature = "keyless"))]
use crate::bundle::{Bundle, SentSigner};
use crate::operations::{Exhausted, Operations};
use crate::signature::{KeyId, PublicKey};
use crate::signed::Signed;
use crate::time::UnixTime;
#[cfg(feature = "keyless")]
use crate::{limits, trusted_root::TrustedRoot, x509::fulcio::Identity};

/// A key that may have signed.
#[derive(Debug, Clone)]
pub struct CandidateKey {
    /// Place of its authority in the rule's `signed_by`.
    pub position: u8,
    /// The key.
    pub key: PublicKey,
    /// When and how it counts, revocations aside.
    pub limits: KeyLimits,
}

/// When and how a key counts, revocations aside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyLimits {
    /// First second in which it may sign.
    pub valid_from: Option<UnixTime>,
    /// Last second in which it may sign.
    pub valid_until: Option<UnixTime>,
    /// Whether it only counts for digests that the node has a receipt for.
    pub retired: bool,
    /// Place of the trusted root whose logs and timestamp authorities have to have seen its signatures.
    #[cfg(feature = "keyless")]
    pub trusted_root: Option<u8>,
}

impl KeyLimits {
    /// Whether a signature counts by this alone; what is revoked is not looked at.
    #[must_use]
    pub fn state(&self, by: &SignedBy<'_>) -> SignerState {
        let windowed = self.valid_from.is_some() || self.valid_until.is_some();
        let times = self.times(by);
        #[cfg(feature = "keyless")]
        if self.trusted_root.is_some() && times.is_none() {
            return SignerState::Unwitnessed;
        }
        match times {
            None if windowed => SignerState::Windowed,
            // Both ends are in the window (T-31).
            Some((first, last))
                if self.valid_from.is_some_and(|from| first < from)
                    || self.valid_until.is_some_and(|until| last > until) =>
            {
                SignerState::OutsideWindow
            }
            // A receipt brings a retired key back, and never one that signed outside its window.
            _ if self.retired => SignerState::Retired,
            _ => SignerState::Usable,
        }
    }

    /// The first and the last time that the key's trusted root vouches for.
    pub(crate) fn times(&self, by: &SignedBy<'_>) -> Option<(UnixTime, UnixTime)> {
        #[cfg(feature = "keyless")]
        return self
            .trusted_root
            .and_then(|root| by.vouched(root))
            .map(|vouched| (vouched.first, vouched.last));
        #[cfg(not(feature = "keyless"))]
        {
            let _without_roots = by;
            None
        }
    }
}

/// The keys and identities that may have signed, and what is known of each.
pub trait Keyring {
    /// The keys, in order.
    fn keys(&self) -> impl Iterator<Item = CandidateKey>;

    /// Whether a signature by one of them counts. Asked only of a key that has signed: there may be many keys and
    /// many revocations, and their product must not be paid for each piece of junk.
    fn state(&self, candidate: &CandidateKey, by: &SignedBy<'_>) -> SignerState;

    /// Place of the first authority for which a signature by a certificate counts.
    ///
    /// # Errors
    /// Why it counts for none.
    fn certified(&self, by: &SignedBy<'_>) -> Result<u8, SignerState> {
        let _by_nobody = by;
        Err(SignerState::OtherIdentity)
    }

    /// Bytes of scratch that trusted roots and what is held against them need; 0 where no authority names one.
    fn scratch_bytes(&self) -> usize {
        0
    }

    /// Whether an authority has identities.
    fn takes_certificates(&self) -> bool {
        #[cfg(feature = "keyless")]
        return !self.roots(RootsOf::Identities).is_empty();
        #[cfg(not(feature = "keyless"))]
        false
    }

    /// Places of the trusted roots that authorities name.
    #[cfg(feature = "keyless")]
    fn roots(&self, of: RootsOf) -> RootSet {
        let _of_nobody = of;
        RootSet::default()
    }

    /// Opens the trusted root at a place, in the front of `room`, and hands back what is left of that.
    ///
    /// # Errors
    /// [`Error::TrustedRoot`] for one that cannot be read.
    #[cfg(feature = "keyless")]
    fn open_root<'r>(
        &'r self,
        place: u8,
        room: &'r mut [u8],
    ) -> Result<(TrustedRoot<'r>, &'r mut [u8]), Error> {
        let _nowhere = (place, room);
        Err(Error::TrustedRoot)
    }
}

/// Whether a signature by a key or for an identity counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignerState {
    /// It does.
    Usable,
    /// The key is revoked.
    Revoked,
    /// The signer's authority is revoked.
    AuthorityRevoked,
    /// Only for digests that the node has a receipt for.
    Retired,
    /// Only inside a window, and no verified time says when.
    Windowed,
    /// A verified time is outside the key's window.
    OutsideWindow,
    /// The key's authority asks for a log or a timestamp, and none vouches for the signature.
    Unwitnessed,
    /// No authority has this identity under the trusted root that vouches for it.
    OtherIdentity,
    /// The identity is revoked.
    IdentityRevoked,
    /// The certificate is revoked.
    CertificateRevoked,
}

/// Who signed, and who vouches for when. Only verification makes one.
#[derive(Debug, Clone)]
pub struct SignedBy<'s> {
    signer: Signer<'s>,
    #[cfg(feature = "keyless")]
    vouched: heapless::Vec<Vouched, { limits::TRUSTED_ROOTS }>,
}

/// Who signed.
#[derive(Debug, Clone)]
pub enum Signer<'s> {
    /// Whoever has this key.
    Key(KeyId),
    /// Whom a certificate is for.
    Certificate(Certified<'s>),
}

/// Whom a verified certificate is for.
#[cfg(feature = "keyless")]
#[derive(Debug, Clone, Copy)]
pub struct Certified<'s> {
    identity: Identity<'s>,
    serial: &'s [u8],
}

/// Whom a verified certificate is for. This build verifies none, so there is no value of this type.
#[cfg(not(feature = "keyless"))]
#[derive(Debug, Clone, Copy)]
pub struct Certified<'s> {
    nobody: core::convert::Infallible,
    of: core::marker::PhantomData<&'s ()>,
}

#[cfg(feature = "keyless")]
impl<'s> Certified<'s> {
    /// The identity, with all that Fulcio says of it.
    #[must_use]
    pub fn identity(&self) -> &Identity<'s> {
        &self.identity
    }

    /// The certificate's serial number.
    #[must_use]
    pub fn serial(&self) -> &'s [u8] {
        self.serial
    }

    /// Who vouched for the subject, and the subject.
    #[must_use]
    pub fn names(&self) -> (&'s str, &'s str) {
        (self.identity.issuer(), self.identity.subject().text())
    }
}

#[cfg(not(feature = "keyless"))]
impl<'s> Certified<'s> {
    /// Who vouched for the subject, and the subject.
    #[must_use]
    pub fn names(&self) -> (&'s str, &'s str) {
        let _of_nobody = self.of;
        match self.nobody {}
    }
}

/// What one trusted root vouches for.
#[cfg(feature = "keyless")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vouched {
    /// Its place.
    pub root: u8,
    /// The earliest of the times at which the signature was there.
    pub first: UnixTime,
    /// The latest.
    pub last: UnixTime,
}

impl SignedBy<'_> {
    fn key(id: KeyId) -> Self {
        Self {
            signer: Signer::Key(id),
            #[cfg(feature = "keyless")]
            vouched: heapless::Vec::new(),
        }
    }
}

impl<'s> SignedBy<'s> {
    /// Who.
    #[must_use]
    pub fn signer(&self) -> &Signer<'s> {
        &self.signer
    }

    /// The latest time that a trusted root vouches for: whichever of several is false, the signature is no younger.
    #[must_use]
    pub fn time(&self) -> Option<UnixTime> {
        #[cfg(feature = "keyless")]
        return self.vouched.iter().map(|vouched| vouched.last).max();
        #[cfg(not(feature = "keyless"))]
        None
    }

    /// What the trusted root at a place vouches for.
    #[cfg(feature = "keyless")]
    #[must_use]
    pub fn vouched(&self, root: u8) -> Option<Vouched> {
        self.vouched.iter().copied().find(|vouched| vouched.root == root)
    }
}

/// Which authorities' trusted roots.
#[cfg(feature = "keyless")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootsOf {
    /// Those that have identities.
    Identities,
    /// Those that have keys.
    Keys,
}

/// Places of trusted roots.
#[cfg(feature = "keyless")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RootSet(u16);

#[cfg(feature = "keyless")]
impl RootSet {
    /// Adds one. A place that no bundle has is none.
    pub fn insert(&mut self, place: u8) {
        self.0 |= 1_u16.checked_shl(u32::from(place)).unwrap_or(0);
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// All of them, in order.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (0..16_u8).filter(move |place| self.0 & 1_u16.wrapping_shl(u32::from(*place)) != 0)
    }
}

/// A signature as it was sent.
pub(super) struct Sent<'a, 's> {
    pub(super) signed: Signed<'a>,
    pub(super) signature: &'a [u8],
    /// What a timestamp is over.
    pub(super) timestamped: &'a [u8],
    pub(super) beside: Beside<'a, 's>,
}

impl<'a, 's> Sent<'a, 's> {
    pub(super) fn new(signed: Signed<'a>, signature: &'a [u8]) -> Self {
        Self { signed, signature, timestamped: signature, beside: Beside::default() }
    }
}

/// What stands beside a signature, as far as this build reads it.
#[cfg(not(feature = "keyless"))]
#[derive(Default)]
pub(super) struct Beside<'a, 's> {
    hint: Option<KeyId>,
    nothing: core::marker::PhantomData<(&'a (), &'s ())>,
}

#[cfg(not(feature = "keyless"))]
pub(super) fn decode_annotations<'a, 's>(
    _: &Annotations<'a>,
    _: &impl Keyring,
    _: &mut &'s mut [u8],
) -> Beside<'a, 's> {
    Beside::default()
}

#[cfg(not(feature = "keyless"))]
pub(super) fn decode_bundle<'a, 's>(
    bundle: &Bundle<'a>,
    _: &impl Keyring,
    _: &mut &'s mut [u8],
) -> Result<Beside<'a, 's>, Error> {
    let hint = match bundle.signer() {
        SentSigner::Key(hint) => hint,
        SentSigner::Certificate(_) => None,
    };
    Ok(Beside { hint, ..Beside::default() })
}

/// Finds who signed: the place of the authority for which it counts, and who it was.
pub(super) fn find_signer<'s>(
    sent: &Sent<'_, 's>,
    keys: &impl Keyring,
    now: UnixTime,
    operations: &mut Operations,
    work: &mut [u8],
) -> Result<(u8, SignedBy<'s>), Error> {
    // Reading all keys to find the hinted one costs too.
    if operations.left() == 0 {
        return Err(Error::Budget);
    }
    #[cfg(feature = "keyless")]
    if let Some(certificates) = &sent.beside.certificates {
        let refused = match by_certificate(sent, certificates, keys, now, operations, work) {
            Ok(found) => return Ok(found),
            // A bundle says which of the two it is; a legacy layer with certificates may be signed by a key all the same.
            Err(error) if error == Error::Budget || sent.beside.only_certificates => return Err(error),
            Err(error) => error,
        };
        return match by_key(sent, keys, now, operations, work) {
            Err(Error::NoKey) => Err(refused),
            other => other,
        };
    }
    by_key(sent, keys, now, operations, work)
}

/// Which keys are tried.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Those that the evidence names.
    Hinted,
    /// All others.
    Others,
}

fn by_key<'s>(
    sent: &Sent<'_, '_>,
    keys: &impl Keyring,
    now: UnixTime,
    operations: &mut Operations,
    work: &mut [u8],
) -> Result<(u8, SignedBy<'s>), Error> {
    let hint = sent.beside.hint;
    // A key that is listed twice may count in one place and not in the other.
    let mut unusable = None;
    // The hinted key first. Two walks through one loop are less code than two iterators chained.
    for turn in [Turn::Hinted, Turn::Others] {
        if turn == Turn::Hinted && hint.is_none() {
            continue;
        }
        for candidate in keys.keys() {
            if (hint == Some(candidate.key.id())) != (turn == Turn::Hinted) {
                continue;
            }
            let cost = sent.signed.operations(&candidate.key);
            operations.spend(cost).map_err(|Exhausted| Error::Budget)?;
            if sent.signed.verify(&candidate.key, sent.signature).is_err() {
                continue;
            }
            let by = SignedBy::key(candidate.key.id());
            #[cfg(feature = "keyless")]
            let (by, told) = witness_key(by, &candidate, sent, keys, now, operations, work)?;
            #[cfg(not(feature = "keyless"))]
            let (told, _nothing) = (None, (now, &mut *work));
            match keys.state(&candidate, &by) {
                SignerState::Usable => return Ok((candidate.position, by)),
                SignerState::Unwitnessed => unusable = unusable.or(told),
                state => unusable = unusable.or(Some(Error::Signer(state))),
            }
        }
    }
    Err(unusable.unwrap_or(Error::NoKey))
}
