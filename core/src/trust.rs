//! The trust bundle: the one thing that a node believes.
//!
//! Three steps, each its own type. [`open_envelope`] checks the root signatures and yields the payload.
//! [`TrustIndex::read`] walks the payload once, checks every field of it, and keeps where each rule and authority
//! stands: 40 KB, whatever the bundle's size. [`TrustBundle`] puts the two together again for a verdict, which
//! then reads only the rules that can match.
//!
//! The payload is JSON with a fixed set of members. Unknown ones are refused: a node must not drop a requirement
//! that a newer builder put in. Lists that grow (digests) are one string of 64 hex digits each, sorted, searched in
//! place.
//!
//! What this does *not* check: time. Whether the bundle has expired is asked with each verdict.

use crate::dsse::{self, ThresholdEnvelope};
use crate::encoding::{self, Alphabet};
use crate::json::{self, Text, UnknownKeys, Value};
use crate::limits;
use crate::oci::Digest;
use crate::pattern::Pattern;
use crate::signature::{KeyError, KeyId, KeyType, PublicKey};
use crate::time::UnixTime;

mod authority;
mod digests;
#[cfg(feature = "keyless")]
mod identity;
#[cfg(feature = "predicate")]
mod requirement;
mod revoked;
mod roots;
mod rule;

pub use authority::{Authority, AuthorityKey, AuthorityKind};
pub use digests::DigestList;
#[cfg(feature = "keyless")]
pub use identity::AuthorityIdentity;
#[cfg(feature = "predicate")]
pub use requirement::{AgeAt, ConditionText, Coverage, Requirement};
#[cfg(feature = "predicate")]
pub(crate) use rule::Signers;
pub use rule::{IndexMode, Mode, Namespaces, Rule};

/// Payload type of the envelope.
pub const PAYLOAD_TYPE: &str = "application/vnd.pullward.trust-bundle.v1+json";

/// The schema that this version reads.
pub const SCHEMA: u64 = 1;

/// The engine that this is. A bundle names the least engine that enforces all of it.
/// Without the feature `predicate` this one judges no attestations, and is 1; without `keyless` it verifies no certificates
/// and asks no logs, and is 2. 3 did all that and proved no child of a signed index.
pub const ENGINE: u64 = match (cfg!(feature = "predicate"), cfg!(feature = "keyless")) {
    (true, true) => 4,
    (true, false) => 2,
    (false, _) => 1,
};

/// Why a trust bundle is refused. Every one leaves the bundle that was active before in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrustError {
    /// The envelope is wrong.
    Envelope(dsse::Error),
    /// Fewer distinct root keys have signed than are asked for, or none is asked for.
    RootSignatures {
        /// Root keys that have signed.
        signed: usize,
        /// Root keys that have to.
        needed: usize,
    },
    /// A payload larger than [`limits::TRUST_PAYLOAD_BYTES`].
    TooLarge,
    /// Not JSON, or not this shape.
    Json(json::Error),
    /// A schema other than [`SCHEMA`].
    Schema,
    /// The bundle asks for a newer engine than [`ENGINE`].
    EngineTooOld,
    /// A version of 0, or the largest: neither leaves room for another.
    Version,
    /// A time that is not `YYYY-MM-DDTHH:MM:SSZ`, or an expiry that is not after the issue.
    Time,
    /// A word that the named field does not have.
    Word(&'static str),
    /// More items than the named list may have.
    TooMany(&'static str),
    /// A name that is empty, too long or not printable ASCII.
    Name(&'static str),
    /// Two items of the named list have one name.
    Duplicate(&'static str),
    /// A name in the named field that nothing has.
    UnknownName(&'static str),
    /// A key that is not of its type.
    Key(KeyError),
    /// Base64 that is not.
    Base64(encoding::Error),
    /// A pattern that is not one.
    Pattern,
    /// A digest list that is not sorted, unique, lower-case hex of 64 digits each, a digest that is not one, or a
    /// trusted root that has another.
    Digests(&'static str),
    /// A threshold of 0, or above what can be reached.
    Threshold(&'static str),
    /// A trusted root that cannot be read, or is not one. Said by whoever installs a bundle.
    TrustedRoot,
    /// A rule whose mode has no use for the named field, or that lacks what its mode needs.
    RuleShape(&'static str),
}

impl From<json::Error> for TrustError {
    fn from(error: json::Error) -> Self {
        Self::Json(error)
    }
}

impl TrustError {
    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Envelope(_) => "trust-envelope",
            Self::RootSignatures { signed: 0, .. } => "trust-wrong-root",
            Self::RootSignatures { .. } => "trust-threshold",
            Self::TooLarge | Self::TooMany(_) => "trust-limit",
            Self::Schema => "trust-schema",
            Self::EngineTooOld => "engine-too-old",
            _ => "trust-invalid",
        }
    }
}

/// Checks the signatures of a bundle and returns its payload, decoded into `scratch`.
///
/// `needed` distinct keys of `roots` must have signed (T-19). Nothing of the payload has been read yet.
///
/// # Errors
/// [`TrustError::Envelope`], [`TrustError::RootSignatures`], [`TrustError::Json`].
pub fn open_envelope<'s>(
    file: &[u8],
    roots: &[PublicKey],
    needed: usize,
    scratch: &'s mut [u8],
) -> Result<&'s [u8], TrustError> {
    let envelope = ThresholdEnvelope::read(json::parse(file)?).map_err(TrustError::Envelope)?;
    let opened = envelope.open(PAYLOAD_TYPE, scratch).map_err(TrustError::Envelope)?;
    let signed = envelope.count_distinct(&opened, roots);
    if needed == 0 || signed < needed {
        return Err(TrustError::RootSignatures { signed, needed });
    }
    Ok(opened.payload())
}

/// What happens after the bundle's expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterExpiry {
    /// Everything is denied. The first, so that an index of nothing is all zero bytes: a static of it takes no room in
    /// a board's flash.
    DenyAll,
    /// Digests with a receipt keep starting; new digests are denied.
    DenyNew,
}

/// Where something stands in the payload.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: u32,
    length: u32,
}

impl Span {
    const NOWHERE: Self = Self { start: 0, length: 0 };
}

/// The place of something that has a name; the hash spares reading all the others when it is looked for.
#[derive(Debug, Clone, Copy)]
struct NamedSlot {
    span: Span,
    name: u32,
}

/// A rule's place, and a filter of the hosts that its patterns can match: one bit for each of 64 host classes.
#[derive(Debug, Clone, Copy)]
struct RuleSlot {
    named: NamedSlot,
    hosts: u64,
}

/// What a payload holds and where. Belongs to exactly the payload it was read from.
#[derive(Debug)]
pub struct TrustIndex {
    digest: Digest,
    version: u64,
    issued: UnixTime,
    expires: UnixTime,
    after_expiry: AfterExpiry,
    audience: Span,
    revoked: revoked::RevokedSpans,
    authorities: heapless::Vec<NamedSlot, { limits::AUTHORITIES }>,
    rules: heapless::Vec<RuleSlot, { limits::RULES }>,
    digest_lists: heapless::Vec<Span, { limits::RULES }>,
    /// In base64, each.
    #[cfg(feature = "keyless")]
    trusted_roots: heapless::Vec<Span, { limits::TRUSTED_ROOTS }>,
}

impl TrustIndex {
    /// An index of nothing: every verdict by it is a denial. A constant, so that it can be a static on a machine
    /// without heap.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            digest: Digest::from_sha256([0; 32]),
            version: 0,
            issued: UnixTime(0),
            expires: UnixTime(0),
            after_expiry: AfterExpiry::DenyAll,
            audience: Span::NOWHERE,
            revoked: revoked::RevokedSpans::NOWHERE,
            authorities: heapless::Vec::new(),
            rules: heapless::Vec::new(),
            digest_lists: heapless::Vec::new(),
            #[cfg(feature = "keyless")]
            trusted_roots: heapless::Vec::new(),
        }
    }

    /// Reads and checks a whole payload. On error the index is that of nothing again.
    ///
    /// # Errors
    /// [`TrustError`], by what is wrong first.
    pub fn read(&mut self, payload: &[u8]) -> Result<(), TrustError> {
        let read = self.read_checked(payload);
        if read.is_err() {
            *self = Self::new();
        }
        read
    }

    fn read_checked(&mut self, payload: &[u8]) -> Result<(), TrustError> {
        if u64::try_from(payload.len()).unwrap_or(u64::MAX) > limits::TRUST_PAYLOAD_BYTES {
            return Err(TrustError::TooLarge);
        }
        self.authorities.clear();
        self.rules.clear();
        self.digest_lists.clear();
        let root = Payload { bytes: payload };
        let members = root.members()?;
        if members.schema.unsigned()? != SCHEMA {
            return Err(TrustError::Schema);
        }
        if members.min_engine.unsigned()? > ENGINE {
            return Err(TrustError::EngineTooOld);
        }
        self.digest = Digest::of(payload);
        self.version = members.version.unsigned()?;
        if self.version == 0 || self.version == u64::MAX {
            return Err(TrustError::Version);
        }
        self.issued = read_time(members.issued)?;
        self.expires = read_time(members.expires)?;
        if self.expires <= self.issued {
            return Err(TrustError::Time);
        }
        self.after_expiry = match members.after_expiry.string()?.as_plain()? {
            "deny-new" => AfterExpiry::DenyNew,
            "deny-all" => AfterExpiry::DenyAll,
            _ => return Err(TrustError::Word("after_expiry")),
        };
        read_name(members.audience, "audience")?;
        self.audience = root.span_of(members.audience.text())?;
        let roots = roots::check(members.trusted_roots)?;
        #[cfg(feature = "keyless")]
        {
            self.trusted_roots.clear();
            for text in roots::texts(members.trusted_roots)? {
                let span = root.span_of(text?)?;
                self.trusted_roots.push(span).map_err(|_| TrustError::TooMany("trusted_roots"))?;
            }
        }
        self.read_authorities(&root, &members, roots)?;
        self.read_digest_lists(&root, &members)?;
        self.read_rules(&root, &members)?;
        authority::check_override(members.override_, root, &self.authorities)?;
        rule::check_parts(members.parts)?;
        self.revoked = revoked::RevokedSpans::read(members.revoked, root, &self.authorities)?;
        Ok(())
    }

    fn read_authorities(
        &mut self,
        root: &Payload<'_>,
        members: &TopLevel<'_>,
        trusted_roots: u64,
    ) -> Result<(), TrustError> {
        let mut keys = 0_usize;
        for item in members.authorities.array()? {
            let item = item?;
            let authority = Authority::read(item)?;
            keys = keys.saturating_add(authority.check(trusted_roots)?);
            if keys > limits::KEYS {
                return Err(TrustError::TooMany("keys"));
            }
            if authority::find(*root, &self.authorities, authority.name())?.is_some() {
                return Err(TrustError::Duplicate("authorities"));
            }
            let slot = NamedSlot { span: root.span_of(item.text())?, name: name_hash(authority.name()) };
            self.authorities.push(slot).map_err(|_| TrustError::TooMany("authorities"))?;
        }
        Ok(())
    }

    fn read_digest_lists(&mut self, root: &Payload<'_>, members: &TopLevel<'_>) -> Result<(), TrustError> {
        for item in members.digest_lists.array()? {
            let text = item?.string()?.as_plain()?;
            let list = DigestList::read(text.as_bytes(), "digest_lists")?;
            list.check("digest_lists")?;
            if list.is_empty() {
                return Err(TrustError::Digests("digest_lists"));
            }
            self.digest_lists.push(root.span_of(text)?).map_err(|_| TrustError::TooMany("digest_lists"))?;
        }
        Ok(())
    }

    fn read_rules(&mut self, root: &Payload<'_>, members: &TopLevel<'_>) -> Result<(), TrustError> {
        for item in members.rules.array()? {
            let item = item?;
            let rule = Rule::read(item)?;
            rule.check(*root, &self.authorities, self.digest_lists.len())?;
            let name = name_hash(rule.name());
            for slot in self.rules.iter().filter(|slot| slot.named.name == name) {
                if Rule::read(root.value_at(slot.named.span)?)?.name() == rule.name() {
                    return Err(TrustError::Duplicate("rules"));
                }
            }
            let named = NamedSlot { span: root.span_of(item.text())?, name };
            let slot = RuleSlot { named, hosts: rule.host_classes()? };
            self.rules.push(slot).map_err(|_| TrustError::TooMany("rules"))?;
        }
        Ok(())
    }

    /// SHA-256 of the payload.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The version within its audience; 0 for an index of nothing.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// When it was issued.
    #[must_use]
    pub fn issued(&self) -> UnixTime {
        self.issued
    }

    /// When it expires: the first second in which it no longer holds.
    #[must_use]
    pub fn expires(&self) -> UnixTime {
        self.expires
    }

    /// What happens then.
    #[must_use]
    pub fn after_expiry(&self) -> AfterExpiry {
        self.after_expiry
    }

    /// Number of rules.
    #[must_use]
    pub fn rule_count(&self) -> usize {
        self.rules.len()
    }

    /// Number of authorities.
    #[must_use]
    pub fn authority_count(&self) -> usize {
        self.authorities.len()
    }
}

impl Default for TrustIndex {
    fn default() -> Self {
        Self::new()
    }
}

/// A trust bundle ready for verdicts: a payload and the index that was read from it.
#[derive(Debug, Clone, Copy)]
pub struct TrustBundle<'a> {
    payload: Payload<'a>,
    index: &'a TrustIndex,
}

impl<'a> TrustBundle<'a> {
    /// Joins an index with the payload it was read from. With any other payload every verdict is a denial or an
    /// error; nothing is trusted that root keys have not signed, as long as both payloads were opened by
    /// [`open_envelope`].
    #[must_use]
    pub fn new(payload: &'a [u8], index: &'a TrustIndex) -> Self {
        Self { payload: Payload { bytes: payload }, index }
    }

    /// The index.
    #[must_use]
    pub fn index(&self) -> &'a TrustIndex {
        self.index
    }

    /// Whose nodes this is for.
    ///
    /// # Errors
    /// [`TrustError`] where the index is another payload's.
    pub fn audience(&self) -> Result<&'a str, TrustError> {
        Ok(self.payload.value_at(self.index.audience)?.string()?.as_plain()?)
    }

    /// The rules whose patterns may match `host`, in order.
    pub(crate) fn rules_for(&self, host: &str) -> impl Iterator<Item = Result<Rule<'a>, TrustError>> {
        let class = rule::host_class(host);
        let payload = self.payload;
        let candidates = self.index.rules.iter().filter(move |slot| slot.hosts & class != 0);
        candidates.map(move |slot| Rule::read(payload.value_at(slot.named.span)?))
    }

    /// All rules, in order.
    pub fn rules(&self) -> impl Iterator<Item = Result<Rule<'a>, TrustError>> {
        let payload = self.payload;
        self.index.rules.iter().map(move |slot| Rule::read(payload.value_at(slot.named.span)?))
    }

    /// The authority with this name.
    ///
    /// # Errors
    /// [`TrustError::UnknownName`].
    pub fn authority(&self, name: &str) -> Result<Authority<'a>, TrustError> {
        let found = authority::find(self.payload, &self.index.authorities, name)?;
        found.ok_or(TrustError::UnknownName("signed_by"))
    }

    /// The list of digests that a rule is limited to; `None` where it is not.
    pub(crate) fn digests_of(&self, rule: &Rule<'_>) -> Result<Option<DigestList<'a>>, TrustError> {
        let Some(place) = rule.digest_list() else { return Ok(None) };
        let span = self.index.digest_lists.get(place).ok_or(TrustError::UnknownName("digests"))?;
        DigestList::read(self.payload.bytes_at(*span)?, "digest_lists").map(Some)
    }

    /// The trusted root at a place, in base64. That it can be read is for whoever installs a bundle to check; a verdict
    /// that meets one which cannot is a denial.
    ///
    /// # Errors
    /// [`TrustError::UnknownName`].
    #[cfg(feature = "keyless")]
    pub fn trusted_root(&self, place: u8) -> Result<&'a str, TrustError> {
        let span = self.index.trusted_roots.get(usize::from(place));
        let span = span.ok_or(TrustError::UnknownName("trusted_root"))?;
        core::str::from_utf8(self.payload.bytes_at(*span)?).map_err(|_| TrustError::TooLarge)
    }

    /// How many trusted roots there are.
    #[cfg(feature = "keyless")]
    #[must_use]
    pub fn trusted_root_count(&self) -> usize {
        self.index.trusted_roots.len()
    }

    pub(crate) fn revoked(&self) -> Result<revoked::Revoked<'a>, TrustError> {
        self.index.revoked.open(self.payload)
    }
}

/// A payload. A value handed out by it lies inside it, which is how places are found again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Payload<'a> {
    bytes: &'a [u8],
}

impl<'a> Payload<'a> {
    fn members(&self) -> Result<TopLevel<'a>, TrustError> {
        let names = [
            "schema",
            "min_engine",
            "audience",
            "version",
            "issued",
            "expires",
            "after_expiry",
            "override",
            "authorities",
            "trusted_roots",
            "rules",
            "digest_lists",
            "revoked",
            "parts",
        ];
        let found = json::parse(self.bytes)?.object()?.fields(names, UnknownKeys::Refuse)?;
        let [
            schema,
            min_engine,
            audience,
            version,
            issued,
            expires,
            after_expiry,
            override_,
            authorities,
            roots,
            rules,
            digest_lists,
            revoked,
            parts,
        ] = found;
        let need = |value: Option<Value<'a>>, name| value.ok_or(json::Error::MissingKey(name));
        Ok(TopLevel {
            schema: need(schema, "schema")?,
            min_engine: need(min_engine, "min_engine")?,
            audience: need(audience, "audience")?,
            version: need(version, "version")?,
            issued: need(issued, "issued")?,
            expires: need(expires, "expires")?,
            after_expiry: need(after_expiry, "after_expiry")?,
            override_: need(override_, "override")?,
            authorities: need(authorities, "authorities")?,
            trusted_roots: need(roots, "trusted_roots")?,
            rules: need(rules, "rules")?,
            digest_lists: need(digest_lists, "digest_lists")?,
            revoked: need(revoked, "revoked")?,
            parts: need(parts, "parts")?,
        })
    }

    /// Where `text`, which must lie inside the payload, stands.
    fn span_of(&self, text: &str) -> Result<Span, TrustError> {
        let start = text.as_ptr().addr().checked_sub(self.bytes.as_ptr().addr());
        let start = start.and_then(|start| u32::try_from(start).ok()).ok_or(TrustError::TooLarge)?;
        Ok(Span { start, length: u32::try_from(text.len()).map_err(|_| TrustError::TooLarge)? })
    }

    fn bytes_at(&self, span: Span) -> Result<&'a [u8], TrustError> {
        let start = usize::try_from(span.start).map_err(|_| TrustError::TooLarge)?;
        let length = usize::try_from(span.length).map_err(|_| TrustError::TooLarge)?;
        self.bytes.get(start..start.saturating_add(length)).ok_or(TrustError::TooLarge)
    }

    fn value_at(&self, span: Span) -> Result<Value<'a>, TrustError> {
        Ok(json::parse(self.bytes_at(span)?)?)
    }
}

struct TopLevel<'a> {
    schema: Value<'a>,
    min_engine: Value<'a>,
    audience: Value<'a>,
    version: Value<'a>,
    issued: Value<'a>,
    expires: Value<'a>,
    after_expiry: Value<'a>,
    override_: Value<'a>,
    authorities: Value<'a>,
    trusted_roots: Value<'a>,
    rules: Value<'a>,
    digest_lists: Value<'a>,
    revoked: Value<'a>,
    parts: Value<'a>,
}

pub(crate) fn read_time(value: Value<'_>) -> Result<UnixTime, TrustError> {
    UnixTime::parse(value.string()?.as_plain()?).ok_or(TrustError::Time)
}

/// A time, or null.
pub(crate) fn read_optional_time(value: Value<'_>) -> Result<Option<UnixTime>, TrustError> {
    if value.is_null() { Ok(None) } else { read_time(value).map(Some) }
}

/// A name: 1 to [`limits::NAME_BYTES`] printable ASCII characters, no blank at either end.
pub(crate) fn read_name<'a>(value: Value<'a>, field: &'static str) -> Result<&'a str, TrustError> {
    let name = value.string()?.as_plain()?;
    let printable = name.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if name.is_empty() || name.len() > limits::NAME_BYTES || !printable || name.trim_ascii() != name {
        return Err(TrustError::Name(field));
    }
    Ok(name)
}

pub(crate) fn need<'a>(value: Option<Value<'a>>, name: &'static str) -> Result<Value<'a>, TrustError> {
    value.ok_or(TrustError::Json(json::Error::MissingKey(name)))
}

fn read_spki(text: Text<'_>) -> Result<PublicKey, TrustError> {
    let mut der = [0; limits::SPKI_BYTES];
    let length = encoding::base64(text.as_plain()?.bytes(), Alphabet::Standard, &mut der)
        .map_err(TrustError::Base64)?;
    PublicKey::from_spki(der.get(..length).unwrap_or_default()).map_err(TrustError::Key)
}

/// FNV-1a of a name: only ever spares reading, names are compared whole.
fn name_hash(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
