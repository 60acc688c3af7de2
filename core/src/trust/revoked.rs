//! What no longer counts, and since when.

use super::authority::find;
use super::{
    DigestList, KeyId, NamedSlot, Payload, Span, TrustError, UnixTime, UnknownKeys, Value, limits, need,
    read_optional_time,
};
use crate::encoding;
#[cfg(feature = "keyless")]
use crate::{identity::IdentityPattern, json::Text};

/// Where the parts of the revocations stand that a verdict reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct RevokedSpans {
    digests: Span,
    evidence: Span,
    keys: Span,
    authorities: Span,
    #[cfg(feature = "keyless")]
    identities: Span,
    #[cfg(feature = "keyless")]
    serials: Span,
}

impl RevokedSpans {
    pub(super) const NOWHERE: Self = Self {
        digests: Span::NOWHERE,
        evidence: Span::NOWHERE,
        keys: Span::NOWHERE,
        authorities: Span::NOWHERE,
        #[cfg(feature = "keyless")]
        identities: Span::NOWHERE,
        #[cfg(feature = "keyless")]
        serials: Span::NOWHERE,
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
            encoding::hex32(read_entry(item?, "key")?.0).map_err(|_| TrustError::Digests("revoked.keys"))?;
        }
        let authorities = need(authorities, "authorities")?;
        bounded(authorities, limits::REVOKED_KEYS, "revoked.authorities")?;
        for item in authorities.array()? {
            if find(payload, slots, read_entry(item?, "authority")?.0)?.is_none() {
                return Err(TrustError::UnknownName("revoked.authorities"));
            }
        }
        let identities = need(identities, "identities")?;
        bounded(identities, limits::REVOKED_IDENTITIES, "revoked.identities")?;
        for item in identities.array()? {
            RevokedIdentity::read(item?)?;
        }
        let serials = need(serials, "serials")?;
        bounded(serials, limits::REVOKED_IDENTITIES, "revoked.serials")?;
        for item in serials.array()? {
            let (serial, _) = read_entry(item?, "serial")?;
            let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            // A certificate's has 20 octets at most, and no zeros in front.
            if !(1..=40).contains(&serial.len()) || !serial.bytes().all(digit) || serial.starts_with('0') {
                return Err(TrustError::Digests("revoked.serials"));
            }
        }
        Ok(Self {
            digests: payload.span_of(digests)?,
            evidence: payload.span_of(evidence)?,
            keys: payload.span_of(keys.text())?,
            authorities: payload.span_of(authorities.text())?,
            #[cfg(feature = "keyless")]
            identities: payload.span_of(identities.text())?,
            #[cfg(feature = "keyless")]
            serials: payload.span_of(serials.text())?,
        })
    }

    pub(super) fn open<'a>(&self, payload: Payload<'a>) -> Result<Revoked<'a>, TrustError> {
        Ok(Revoked {
            digests: DigestList::read(payload.bytes_at(self.digests)?, "revoked.digests")?,
            evidence: DigestList::read(payload.bytes_at(self.evidence)?, "revoked.evidence")?,
            keys: payload.value_at(self.keys)?,
            authorities: payload.value_at(self.authorities)?,
            #[cfg(feature = "keyless")]
            identities: payload.value_at(self.identities)?,
            #[cfg(feature = "keyless")]
            serials: payload.value_at(self.serials)?,
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
    #[cfg(feature = "keyless")]
    identities: Value<'a>,
    #[cfg(feature = "keyless")]
    serials: Value<'a>,
}

impl<'a> Revoked<'a> {
    pub(crate) fn digests(&self) -> DigestList<'a> {
        self.digests
    }

    pub(crate) fn evidence(&self) -> DigestList<'a> {
        self.evidence
    }

    /// Whether a key is revoked for a signature that was there at `time` at the latest. Where no verified time says that
    /// the signature is older than the revocation, one "from" some time on holds for all of them.
    pub(crate) fn has_key(&self, id: KeyId, time: Option<UnixTime>) -> Result<bool, TrustError> {
        for item in self.keys.array()? {
            let (key, from) = read_entry(item?, "key")?;
            if encoding::hex32(key) == Ok(id.0) && holds(from, time) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether an authority is revoked; its time as with [`Revoked::has_key`].
    pub(crate) fn has_authority(&self, name: &str, time: Option<UnixTime>) -> Result<bool, TrustError> {
        for item in self.authorities.array()? {
            let (authority, from) = read_entry(item?, "authority")?;
            if authority == name && holds(from, time) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether an identity is revoked; its time as with [`Revoked::has_key`].
    #[cfg(feature = "keyless")]
    pub(crate) fn has_identity(
        &self,
        (issuer, subject): (&str, &str),
        time: Option<UnixTime>,
    ) -> Result<bool, TrustError> {
        for item in self.identities.array()? {
            let revoked = RevokedIdentity::read(item?)?;
            if holds(revoked.from, time) && revoked.issuer.matches(issuer) && revoked.subject.matches(subject)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a certificate is revoked, by its serial number; its time as with [`Revoked::has_key`].
    #[cfg(feature = "keyless")]
    pub(crate) fn has_serial(&self, serial: &[u8], time: Option<UnixTime>) -> Result<bool, TrustError> {
        for item in self.serials.array()? {
            let (text, from) = read_entry(item?, "serial")?;
            if holds(from, time) && is_serial(text, serial) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether a revocation holds for what was there at `time` at the latest.
fn holds(from: Option<UnixTime>, time: Option<UnixTime>) -> bool {
    from.zip(time).is_none_or(|(from, time)| time >= from)
}

/// Whether hex digits without zeros in front are this number, which may have some.
#[cfg(feature = "keyless")]
fn is_serial(text: &str, serial: &[u8]) -> bool {
    let nibbles = serial.iter().flat_map(|byte| [byte.wrapping_shr(4), byte & 0xf]);
    let digits = text.chars().map(|digit| digit.to_digit(16));
    digits.eq(nibbles.skip_while(|nibble| *nibble == 0).map(|nibble| Some(u32::from(nibble))))
}

/// A revoked identity.
struct RevokedIdentity<'a> {
    #[cfg(feature = "keyless")]
    issuer: IdentityPattern<'a>,
    #[cfg(feature = "keyless")]
    subject: IdentityPattern<'a>,
    #[cfg(feature = "keyless")]
    from: Option<UnixTime>,
    #[cfg(not(feature = "keyless"))]
    of: core::marker::PhantomData<&'a ()>,
}

impl<'a> RevokedIdentity<'a> {
    fn read(value: Value<'a>) -> Result<Self, TrustError> {
        let names = ["issuer", "subject", "from", "reason"];
        let [issuer, subject, from, reason] = value.object()?.fields(names, UnknownKeys::Refuse)?;
        let (issuer, subject) = (need(issuer, "issuer")?.string()?, need(subject, "subject")?.string()?);
        need(reason, "reason")?.string()?;
        let from = read_optional_time(need(from, "from")?)?;
        #[cfg(feature = "keyless")]
        {
            let pattern = |text: Text<'a>| {
                IdentityPattern::parse(text.as_plain()?).map_err(|_| TrustError::Name("revoked.identities"))
            };
            Ok(Self { issuer: pattern(issuer)?, subject: pattern(subject)?, from })
        }
        #[cfg(not(feature = "keyless"))]
        {
            let _not_met_here = (issuer, subject, from);
            Ok(Self { of: core::marker::PhantomData })
        }
    }
}

/// Checks how many items a list has; what is in them is read by the caller.
fn bounded(list: Value<'_>, most: usize, name: &'static str) -> Result<(), TrustError> {
    if list.array()?.nth(most).is_some() { Err(TrustError::TooMany(name)) } else { Ok(()) }
}

/// One revocation: what, from when on, why.
fn read_entry<'a>(value: Value<'a>, what: &'static str) -> Result<(&'a str, Option<UnixTime>), TrustError> {
    let [entry, from, reason] = value.object()?.fields([what, "from", "reason"], UnknownKeys::Refuse)?;
    let from = read_optional_time(need(from, "from")?)?;
    need(reason, "reason")?.string()?;
    Ok((need(entry, what)?.string()?.as_plain()?, from))
}
