//! Who may sign for a rule: the keys and identities of its authorities, and what the bundle says of each.
//!
//! Whether a signature counts for an authority is decided in one place, [`state`], for keys and identities, for the image
//! and for what is attested about it. Everything here was read once when the bundle was opened. Should a name or key not
//! read now, it is left out, and should a revocation not, it holds: both can only deny.

use crate::signature::PublicKey;
use crate::time::UnixTime;
#[cfg(not(feature = "predicate"))]
use crate::trust::Rule;
use crate::trust::{Authority, TrustBundle, TrustError};
use crate::verify::{CandidateKey, Certified, KeyLimits, Keyring, SignedBy, Signer, SignerState};
#[cfg(feature = "keyless")]
use crate::{
    encoding::{self, Alphabet},
    limits,
    trust::AuthorityKind,
    trusted_root::TrustedRoot,
    verify::{self, RootSet, RootsOf},
};

/// The trusted roots that a rule's authorities name.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Roots {
    #[cfg(feature = "keyless")]
    of_identities: RootSet,
    #[cfg(feature = "keyless")]
    of_keys: RootSet,
    /// Bytes of the largest one.
    #[cfg(feature = "keyless")]
    largest: usize,
}

impl Roots {
    /// Room for one root, and for what is held against it.
    pub(super) fn scratch_bytes(&self) -> usize {
        #[cfg(feature = "keyless")]
        if self.largest != 0 {
            return self.largest.saturating_add(limits::VERIFY_SIGNATURE_BYTES);
        }
        0
    }
}

/// The signers that a rule asks for.
pub(super) struct RuleKeys<'k, 'a> {
    pub(super) bundle: TrustBundle<'a>,
    pub(super) allowed_at: Option<UnixTime>,
    #[cfg_attr(not(feature = "keyless"), expect(dead_code, reason = "there are none"))]
    pub(super) roots: Roots,
    #[cfg(feature = "predicate")]
    pub(super) signers: &'k crate::trust::Signers<'a>,
    #[cfg(not(feature = "predicate"))]
    pub(super) rule: &'k Rule<'a>,
}

impl<'a> RuleKeys<'_, 'a> {
    #[cfg(feature = "predicate")]
    fn names(&self) -> impl Iterator<Item = Option<&'a str>> {
        self.signers.iter().map(|name| Some(*name))
    }

    #[cfg(not(feature = "predicate"))]
    fn names(&self) -> impl Iterator<Item = Option<&'a str>> + use<'a> {
        self.rule.signed_by().ok().into_iter().flatten().map(Result::ok)
    }

    fn authorities(&self) -> impl Iterator<Item = Option<Authority<'a>>> {
        let bundle = self.bundle;
        self.names().map(move |name| name.and_then(|name| bundle.authority(name).ok()))
    }

    /// Which trusted roots they name.
    pub(super) fn find_roots(&self) -> Result<Roots, TrustError> {
        #[cfg_attr(not(feature = "keyless"), expect(unused_mut, reason = "there are none"))]
        let mut roots = Roots::default();
        #[cfg(feature = "keyless")]
        if self.bundle.trusted_root_count() != 0 {
            for authority in self.authorities().flatten() {
                let Some(place) = authority.trusted_root() else { continue };
                match authority.kind() {
                    AuthorityKind::Keyless => roots.of_identities.insert(place),
                    AuthorityKind::Key => roots.of_keys.insert(place),
                }
                // Three bytes of four digits.
                let bytes = self.bundle.trusted_root(place)?.len().wrapping_div(4).saturating_mul(3);
                roots.largest = roots.largest.max(bytes);
            }
        }
        Ok(roots)
    }
}

impl Keyring for RuleKeys<'_, '_> {
    fn keys(&self) -> impl Iterator<Item = CandidateKey> {
        self.authorities().enumerate().flat_map(|(place, authority)| {
            let keys = authority.and_then(|authority| authority.keys().ok());
            keys.into_iter().flatten().filter_map(move |key| {
                let key = key.ok()?;
                Some(CandidateKey { position: u8::try_from(place).ok()?, key: key.key, limits: key.limits })
            })
        })
    }

    fn state(&self, candidate: &CandidateKey, by: &SignedBy<'_>) -> SignerState {
        match self.authorities().nth(usize::from(candidate.position)).flatten() {
            Some(authority) => {
                let own = candidate.limits.state(by);
                let time = candidate.limits.times(by).map(|(_, last)| last);
                state(self.bundle, &authority, by, own, time, self.allowed_at)
            }
            None => SignerState::Revoked,
        }
    }

    fn certified(&self, by: &SignedBy<'_>) -> Result<u8, SignerState> {
        let mut closest = SignerState::OtherIdentity;
        let Signer::Certificate(certified) = by.signer() else { return Err(closest) };
        for (place, authority) in self.authorities().enumerate() {
            let Some((authority, place)) = authority.zip(u8::try_from(place).ok()) else { continue };
            match certified_state(self.bundle, &authority, certified, by, self.allowed_at) {
                SignerState::Usable => return Ok(place),
                SignerState::OtherIdentity => {}
                state => closest = state,
            }
        }
        Err(closest)
    }

    #[cfg(feature = "keyless")]
    fn scratch_bytes(&self) -> usize {
        self.roots.scratch_bytes()
    }

    #[cfg(feature = "keyless")]
    fn roots(&self, of: RootsOf) -> RootSet {
        match of {
            RootsOf::Identities => self.roots.of_identities,
            RootsOf::Keys => self.roots.of_keys,
        }
    }

    #[cfg(feature = "keyless")]
    fn open_root<'r>(
        &'r self,
        place: u8,
        room: &'r mut [u8],
    ) -> Result<(TrustedRoot<'r>, &'r mut [u8]), verify::Error> {
        let text = self.bundle.trusted_root(place).map_err(|_| verify::Error::TrustedRoot)?;
        let (root, rest) = room.split_at_mut_checked(self.roots.largest).ok_or(verify::Error::Scratch)?;
        let length = encoding::base64(text.bytes(), Alphabet::Standard, root)
            .map_err(|_| verify::Error::TrustedRoot)?;
        let root = TrustedRoot::read(root.get(..length).unwrap_or_default());
        Ok((root.map_err(|_| verify::Error::TrustedRoot)?, rest))
    }
}

/// Whether a signature counts for an authority.
#[cfg(feature = "predicate")]
pub(super) fn counts(
    bundle: TrustBundle<'_>,
    authority: &str,
    by: &SignedBy<'_>,
    allowed_at: Option<UnixTime>,
) -> bool {
    let Ok(authority) = bundle.authority(authority) else { return false };
    match by.signer() {
        Signer::Key(id) => {
            let keys = authority.keys().into_iter().flatten().filter_map(Result::ok);
            let mut own = keys.filter(|key| key.key.id() == *id);
            own.any(|key| {
                let time = key.limits.times(by).map(|(_, last)| last);
                state(bundle, &authority, by, key.limits.state(by), time, allowed_at) == SignerState::Usable
            })
        }
        Signer::Certificate(certified) => {
            certified_state(bundle, &authority, certified, by, allowed_at) == SignerState::Usable
        }
    }
}

/// Whether a signature by a certificate counts for an authority: under the authority's own root, for an identity of its
/// own.
#[cfg(feature = "keyless")]
fn certified_state(
    bundle: TrustBundle<'_>,
    authority: &Authority<'_>,
    certified: &Certified<'_>,
    by: &SignedBy<'_>,
    allowed_at: Option<UnixTime>,
) -> SignerState {
    let vouched = authority.trusted_root().and_then(|root| by.vouched(root));
    let Some(vouched) = vouched else { return SignerState::OtherIdentity };
    let mut identities = authority.identities().into_iter().flatten().filter_map(Result::ok);
    if !identities.any(|identity| identity.matches(certified.identity())) {
        return SignerState::OtherIdentity;
    }
    state(bundle, authority, by, SignerState::Usable, Some(vouched.last), allowed_at)
}

#[cfg(not(feature = "keyless"))]
fn certified_state(
    _: TrustBundle<'_>,
    _: &Authority<'_>,
    certified: &Certified<'_>,
    _: &SignedBy<'_>,
    _: Option<UnixTime>,
) -> SignerState {
    let _nobody = certified.names();
    SignerState::OtherIdentity
}

/// What becomes of a signer's own state with all that is revoked. `time` is the latest at which the signature was there.
fn state(
    bundle: TrustBundle<'_>,
    authority: &Authority<'_>,
    by: &SignedBy<'_>,
    own: SignerState,
    time: Option<UnixTime>,
    allowed_at: Option<UnixTime>,
) -> SignerState {
    let revoked = bundle.revoked().and_then(|revoked| {
        let signer = match by.signer() {
            Signer::Key(id) => revoked.has_key(*id, time)?.then_some(SignerState::Revoked),
            #[cfg(feature = "keyless")]
            Signer::Certificate(certified) => {
                if revoked.has_serial(certified.serial(), time)? {
                    Some(SignerState::CertificateRevoked)
                } else {
                    revoked.has_identity(certified.names(), time)?.then_some(SignerState::IdentityRevoked)
                }
            }
            #[cfg(not(feature = "keyless"))]
            Signer::Certificate(_) => Some(SignerState::OtherIdentity),
        };
        Ok(match signer {
            Some(signer) => Some(signer),
            None => revoked.has_authority(authority.name(), time)?.then_some(SignerState::AuthorityRevoked),
        })
    });
    match revoked {
        Err(_) => SignerState::Revoked,
        Ok(Some(revoked)) => revoked,
        Ok(None) if own == SignerState::Retired && allowed_at.is_some() => SignerState::Usable,
        Ok(None) => own,
    }
}

/// The one key of `verify --key`.
pub(super) struct OnlyKey<'a>(pub(super) &'a PublicKey);

impl Keyring for OnlyKey<'_> {
    fn keys(&self) -> impl Iterator<Item = CandidateKey> {
        core::iter::once(CandidateKey { position: 0, key: self.0.clone(), limits: KeyLimits::default() })
    }

    fn state(&self, candidate: &CandidateKey, by: &SignedBy<'_>) -> SignerState {
        candidate.limits.state(by)
    }
}
