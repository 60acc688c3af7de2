//! Authorities: who may sign, with which keys, and what of it is revoked.

use super::{
    DigestList, KeyId, KeyType, NamedSlot, Payload, PublicKey, Span, TrustError, UnixTime, UnknownKeys,
    Value, limits, name_hash, need, read_name, read_optional_time, read_spki,
};
use crate::encoding;
use crate::verify::KeyState;

/// An authority of the trust bundle.
#[derive(Debug, Clone, Copy)]
pub struct Authority<'a> {
    name: &'a str,
    kind: AuthorityKind,
    /// Place of a keyless one's root among the trusted roots.
    trusted_root: Option<u64>,
    /// Keys, or identities.
    items: Value<'a>,
}

/// How an authority signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthorityKind {
    /// With keys of its own.
    Key,
    /// With certificates for identities. The format has it; this version does not verify it.
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
            ("key", Some(keys), None, None) => (AuthorityKind::Key, None, keys),
            ("keyless", None, Some(root), Some(identities)) => {
                (AuthorityKind::Keyless, Some(root.unsigned()?), identities)
            }
            _ => return Err(TrustError::Word("kind")),
        };
        Ok(Self { name, kind, trusted_root, items })
    }

    /// Checks every item, knowing how many trusted roots there are, and returns the number of keys.
    pub(super) fn check(&self, roots: u64) -> Result<usize, TrustError> {
        if self.kind == AuthorityKind::Keyless {
            if self.trusted_root.is_none_or(|root| root >= roots) {
                return Err(TrustError::UnknownName("trusted_root"));
            }
            let mut count = 0_usize;
            for item in self.items.array()? {
                let [issuer, subject] = item?.object()?.fields(["issuer", "subject"], UnknownKeys::Refuse)?;
                for field in [issuer, subject] {
                    // Any identity is no identity (T-70).
                    if need(field, "issuer")?.string()?.as_plain()?.is_empty() {
                        return Err(TrustError::Name("identities"));
                    }
                }
                count = count.saturating_add(1);
            }
            let bounded = (1..=limits::AUTHORITY_IDENTITIES).contains(&count);
            return if bounded { Ok(0) } else { Err(TrustError::TooMany("identities")) };
        }
        let mut ids: heapless::Vec<KeyId, { limits::AUTHORITY_KEYS }> = heapless::Vec::new();
        let mut count = 0_usize;
        for item in self.items.array()? {
            count = count.saturating_add(1);
            let Some(AuthorityKey { key, .. }) = AuthorityKey::read(item?)? else { continue };
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
        Ok(items.into_iter().flatten().filter_map(|item| match item {
            Ok(item) => AuthorityKey::read(item).transpose(),
            Err(error) => Some(Err(error.into())),
        }))
    }
}

/// One key of an authority.
#[derive(Debug, Clone)]
pub struct AuthorityKey {
    /// The key.
    pub key: PublicKey,
    /// First second in which it may sign.
    pub valid_from: Option<UnixTime>,
    /// Last second in which it may sign.
    pub valid_until: Option<UnixTime>,
    /// Whether it only counts for digests that the node has a receipt for.
    pub retired: bool,
}

impl AuthorityKey {
    /// `None` for a key of a kind that this build does not know: it verifies nothing, and the others go on (T-109).
    fn read(value: Value<'_>) -> Result<Option<Self>, TrustError> {
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
        Ok(Some(Self { key, valid_from, valid_until, retired }))
    }

    /// Whether a signature by this key counts, revocations aside.
    pub(crate) fn state(&self) -> KeyState {
        if self.retired {
            KeyState::Retired
        } else if self.valid_from.is_some() || self.valid_until.is_some() {
            KeyState::Windowed
        } else {
            KeyState::Usable
        }
    }
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

/// Where the parts of the revocations stand that a verdict reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct RevokedSpans {
    digests: Span,
    evidence: Span,
    keys: Span,
    authorities: Span,
}

impl RevokedSpans {
    pub(super) const NOWHERE: Self = Self {
        digests: Span::NOWHERE,
        evidence: Span::NOWHERE,
        keys: Span::NOWHERE,
        authorities: Span::NOWHERE,
    };

    /// Checks every revocation and keeps where the lists stand.
    pub(super) fn read(
        value: Value<'_>,
        payload: Payload<'_>,
        slots: &[NamedSlot],
    ) -> Result<Self, TrustError> {
        let names = ["digests", "digest_reasons", "evidence", "keys", "authorities", "identities", "serials"];
        let [digests, reasons, evidence, keys, authorities, identities, serials] =
            value.object()?.fields(names, UnknownKeys::Refuse)?;
        let digests = need(digests, "digests")?.string()?.as_plain()?;
        DigestList::read(digests.as_bytes(), "revoked.digests")?.check("revoked.digests")?;
        let evidence = need(evidence, "evidence")?.string()?.as_plain()?;
        DigestList::read(evidence.as_bytes(), "revoked.evidence")?.check("revoked.evidence")?;
        for item in need(reasons, "digest_reasons")?.array()? {
            let [digest, reason] = item?.object()?.fields(["digest", "reason"], UnknownKeys::Refuse)?;
            encoding::hex32(need(digest, "digest")?.string()?.as_plain()?)
                .map_err(|_| TrustError::Digests("digest_reasons"))?;
            need(reason, "reason")?.string()?;
        }
        let keys = need(keys, "keys")?;
        bounded(keys, limits::REVOKED_KEYS, "revoked.keys")?;
        for item in keys.array()? {
            encoding::hex32(read_entry(item?, "key")?).map_err(|_| TrustError::Digests("revoked.keys"))?;
        }
        let authorities = need(authorities, "authorities")?;
        bounded(authorities, limits::REVOKED_KEYS, "revoked.authorities")?;
        for item in authorities.array()? {
            if find(payload, slots, read_entry(item?, "authority")?)?.is_none() {
                return Err(TrustError::UnknownName("revoked.authorities"));
            }
        }
        let identities = need(identities, "identities")?;
        bounded(identities, limits::REVOKED_IDENTITIES, "revoked.identities")?;
        for item in identities.array()? {
            let names = ["issuer", "subject", "from", "reason"];
            let [issuer, subject, from, reason] = item?.object()?.fields(names, UnknownKeys::Refuse)?;
            for text in [need(issuer, "issuer")?, need(subject, "subject")?, need(reason, "reason")?] {
                text.string()?;
            }
            read_optional_time(need(from, "from")?)?;
        }
        let serials = need(serials, "serials")?;
        bounded(serials, limits::REVOKED_IDENTITIES, "revoked.serials")?;
        for item in serials.array()? {
            read_entry(item?, "serial")?;
        }
        Ok(Self {
            digests: payload.span_of(digests)?,
            evidence: payload.span_of(evidence)?,
            keys: payload.span_of(keys.text())?,
            authorities: payload.span_of(authorities.text())?,
        })
    }

    pub(super) fn open<'a>(&self, payload: Payload<'a>) -> Result<Revoked<'a>, TrustError> {
        Ok(Revoked {
            digests: DigestList::read(payload.bytes_at(self.digests)?, "revoked.digests")?,
            evidence: DigestList::read(payload.bytes_at(self.evidence)?, "revoked.evidence")?,
            keys: payload.value_at(self.keys)?,
            authorities: payload.value_at(self.authorities)?,
        })
    }
}

/// What is revoked, as far as this version can meet it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Revoked<'a> {
    digests: DigestList<'a>,
    evidence: DigestList<'a>,
    keys: Value<'a>,
    authorities: Value<'a>,
}

impl<'a> Revoked<'a> {
    pub(crate) fn digests(&self) -> DigestList<'a> {
        self.digests
    }

    pub(crate) fn evidence(&self) -> DigestList<'a> {
        self.evidence
    }

    /// Whether a key is revoked. No verified time says that a signature is older than the revocation, so a
    /// revocation "from" some time on holds for all of them.
    pub(crate) fn has_key(&self, id: KeyId) -> Result<bool, TrustError> {
        for item in self.keys.array()? {
            if encoding::hex32(read_entry(item?, "key")?) == Ok(id.0) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether an authority is revoked; its time as with [`Revoked::has_key`].
    pub(crate) fn has_authority(&self, name: &str) -> Result<bool, TrustError> {
        for item in self.authorities.array()? {
            if read_entry(item?, "authority")? == name {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Checks how many items a list has; what is in them is read by the caller.
fn bounded(list: Value<'_>, most: usize, name: &'static str) -> Result<(), TrustError> {
    if list.array()?.nth(most).is_some() { Err(TrustError::TooMany(name)) } else { Ok(()) }
}

/// One revocation: what, from when on, why.
fn read_entry<'a>(value: Value<'a>, what: &'static str) -> Result<&'a str, TrustError> {
    let [entry, from, reason] = value.object()?.fields([what, "from", "reason"], UnknownKeys::Refuse)?;
    read_optional_time(need(from, "from")?)?;
    need(reason, "reason")?.string()?;
    Ok(need(entry, what)?.string()?.as_plain()?)
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
