//! Authorities: who may sign, with which keys or as whom.

#[cfg(feature = "keyless")]
use super::identity::AuthorityIdentity;
use super::{
    KeyId, KeyType, NamedSlot, Payload, PublicKey, TrustError, UnknownKeys, Value, limits, name_hash, need,
    read_name, read_optional_time, read_spki,
};
use crate::verify::KeyLimits;

/// An authority of the trust bundle.
#[derive(Debug, Clone, Copy)]
pub struct Authority<'a> {
    name: &'a str,
    kind: AuthorityKind,
    /// Place of its root among the trusted roots: who vouches for certificates, or for when a key has signed.
    trusted_root: Option<u8>,
    /// Keys, or identities.
    items: Value<'a>,
}

/// How an authority signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthorityKind {
    /// With keys of its own.
    Key,
    /// With certificates for identities.
    Keyless,
}

impl<'a> Authority<'a> {
    pub(super) fn read(value: Value<'a>) -> Result<Self, TrustError> {
        let names = ["name", "kind", "keys", "trusted_root", "identities"];
        let [name, kind, keys, trusted_root, identities] =
            value.object()?.fields(names, UnknownKeys::Refuse)?;
        let name = read_name(need(name, "name")?, "authorities")?;
        let kind = need(kind, "kind")?.string()?.as_plain()?;
        let (kind, trusted_root, items) = match (kind, keys, trusted_root, identities) {
            ("key", Some(keys), root, None) => (AuthorityKind::Key, root.map(read_place).transpose()?, keys),
            ("keyless", None, Some(root), Some(identities)) => {
                (AuthorityKind::Keyless, Some(read_place(root)?), identities)
            }
            _ => return Err(TrustError::Word("kind")),
        };
        Ok(Self { name, kind, trusted_root, items })
    }

    /// Checks every item, knowing how many trusted roots there are, and returns the number of keys.
    pub(super) fn check(&self, roots: u64) -> Result<usize, TrustError> {
        if self.trusted_root.is_some_and(|root| u64::from(root) >= roots) {
            return Err(TrustError::UnknownName("trusted_root"));
        }
        if self.kind == AuthorityKind::Keyless {
            let mut count = 0_usize;
            for item in self.items.array()? {
                check_identity(item?)?;
                count = count.saturating_add(1);
            }
            let bounded = (1..=limits::AUTHORITY_IDENTITIES).contains(&count);
            return if bounded { Ok(0) } else { Err(TrustError::TooMany("identities")) };
        }
        let mut ids: heapless::Vec<KeyId, { limits::AUTHORITY_KEYS }> = heapless::Vec::new();
        let mut count = 0_usize;
        for item in self.items.array()? {
            count = count.saturating_add(1);
            let Some(AuthorityKey { key, .. }) = AuthorityKey::read(item?, None)? else { continue };
            if ids.contains(&key.id()) {
                return Err(TrustError::Duplicate("keys"));
            }
            ids.push(key.id()).map_err(|_| TrustError::TooMany("keys"))?;
        }
        let bounded = (1..=limits::AUTHORITY_KEYS).contains(&count);
        if bounded { Ok(count) } else { Err(TrustError::TooMany("keys")) }
    }

    /// The authority's name.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// How it signs.
    #[must_use]
    pub fn kind(&self) -> AuthorityKind {
        self.kind
    }

    /// Place of its trusted root among the bundle's, where it names one.
    #[must_use]
    pub fn trusted_root(&self) -> Option<u8> {
        self.trusted_root
    }

    /// Its identities; none for one with keys.
    ///
    /// # Errors
    /// [`TrustError`] where the index is another payload's.
    #[cfg(feature = "keyless")]
    pub fn identities(
        &self,
    ) -> Result<impl Iterator<Item = Result<AuthorityIdentity<'a>, TrustError>> + use<'a>, TrustError> {
        let items = match self.kind {
            AuthorityKind::Keyless => Some(self.items.array()?),
            AuthorityKind::Key => None,
        };
        Ok(items.into_iter().flatten().map(|item| AuthorityIdentity::read(item?)))
    }

    /// Its keys that this build can use; none for a keyless one.
    ///
    /// # Errors
    /// [`TrustError`] where the index is another payload's.
    pub fn keys(
        &self,
    ) -> Result<impl Iterator<Item = Result<AuthorityKey, TrustError>> + Clone + use<'a>, TrustError> {
        let items = match self.kind {
            AuthorityKind::Key => Some(self.items.array()?),
            AuthorityKind::Keyless => None,
        };
        let root = self.trusted_root;
        Ok(items.into_iter().flatten().filter_map(move |item| match item {
            Ok(item) => AuthorityKey::read(item, root).transpose(),
            Err(error) => Some(Err(error.into())),
        }))
    }
}

/// One key of an authority.
#[derive(Debug, Clone)]
pub struct AuthorityKey {
    /// The key.
    pub key: PublicKey,
    /// When and how it counts.
    pub limits: KeyLimits,
}

impl AuthorityKey {
    /// `None` for a key of a kind that this build does not know: it verifies nothing, and the others go on (T-109).
    fn read(value: Value<'_>, trusted_root: Option<u8>) -> Result<Option<Self>, TrustError> {
        let names = ["type", "spki", "valid_from", "valid_until", "retired"];
        let [kind, spki, from, until, retired] = value.object()?.fields(names, UnknownKeys::Refuse)?;
        let spki = need(spki, "spki")?.string()?;
        let kind =
            KeyType::from_name(need(kind, "type")?.string()?.as_plain()?).filter(|kind| kind.is_built_in());
        let valid_from = read_optional_time(need(from, "valid_from")?)?;
        let valid_until = read_optional_time(need(until, "valid_until")?)?;
        if valid_from.zip(valid_until).is_some_and(|(from, until)| until < from) {
            return Err(TrustError::Time);
        }
        let retired = need(retired, "retired")?.boolean()?;
        let Some(kind) = kind else { return Ok(None) };
        let key = read_spki(spki)?;
        if kind != key.key_type() {
            return Err(TrustError::Word("type"));
        }
        #[cfg(not(feature = "keyless"))]
        let _asked_by_no_key = trusted_root;
        let limits = KeyLimits {
            valid_from,
            valid_until,
            retired,
            #[cfg(feature = "keyless")]
            trusted_root,
        };
        Ok(Some(Self { key, limits }))
    }
}

/// Where a trusted root stands; [`Authority::check`] says whether there is one.
fn read_place(value: Value<'_>) -> Result<u8, TrustError> {
    u8::try_from(value.unsigned()?).map_err(|_| TrustError::UnknownName("trusted_root"))
}

#[cfg(feature = "keyless")]
fn check_identity(value: Value<'_>) -> Result<(), TrustError> {
    AuthorityIdentity::read(value).map(|_| ())
}

/// A build that verifies no certificates reads as much of identities as makes sure that there is one.
#[cfg(not(feature = "keyless"))]
fn check_identity(value: Value<'_>) -> Result<(), TrustError> {
    let [issuer, subject] = value.object()?.fields(["issuer", "subject"], UnknownKeys::Refuse)?;
    for field in [issuer, subject] {
        // Any identity is no identity (T-70).
        if need(field, "issuer")?.string()?.as_plain()?.is_empty() {
            return Err(TrustError::Name("identities"));
        }
    }
    Ok(())
}

/// The authority called `name`.
pub(super) fn find<'a>(
    payload: Payload<'a>,
    slots: &[NamedSlot],
    name: &str,
) -> Result<Option<Authority<'a>>, TrustError> {
    let hash = name_hash(name);
    for slot in slots.iter().filter(|slot| slot.name == hash) {
        let authority = Authority::read(payload.value_at(slot.span)?)?;
        if authority.name == name {
            return Ok(Some(authority));
        }
    }
    Ok(None)
}

/// Checks the `override` member: null, or authorities that exist with a threshold that they can reach.
pub(super) fn check_override(
    value: Value<'_>,
    payload: Payload<'_>,
    slots: &[NamedSlot],
) -> Result<(), TrustError> {
    if value.is_null() {
        return Ok(());
    }
    let names = ["authorities", "threshold", "max", "local_root"];
    let [authorities, threshold, max, local_root] = value.object()?.fields(names, UnknownKeys::Refuse)?;
    let mut distinct: heapless::Vec<&str, { limits::THRESHOLD_SIGNATURES }> = heapless::Vec::new();
    for name in need(authorities, "authorities")?.array()? {
        let name = name?.string()?.as_plain()?;
        // One that is named twice would make a threshold reachable on paper only.
        if distinct.contains(&name) {
            return Err(TrustError::Duplicate("override"));
        }
        if find(payload, slots, name)?.is_none() {
            return Err(TrustError::UnknownName("override"));
        }
        distinct.push(name).map_err(|_| TrustError::TooMany("override"))?;
    }
    let threshold = need(threshold, "threshold")?.unsigned()?;
    if threshold == 0 || threshold > u64::try_from(distinct.len()).unwrap_or(0) {
        return Err(TrustError::Threshold("override"));
    }
    need(max, "max")?.unsigned()?;
    match need(local_root, "local_root")?.string()?.as_plain()? {
        "off" | "on" => Ok(()),
        _ => Err(TrustError::Word("local_root")),
    }
}
