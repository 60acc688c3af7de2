//! Rules: which references they govern, and what they ask for.

#[cfg(feature = "predicate")]
use super::requirement::Requirement;
use super::{
    NamedSlot, Pattern, Payload, TrustError, UnknownKeys, Value, authority, json, limits, need, read_name,
};
use crate::encoding;
use crate::pattern::{self, PatternHost};
use crate::reference::Reference;

/// Names of authorities, each once.
#[cfg(feature = "predicate")]
pub(crate) type Signers<'a> = heapless::Vec<&'a str, { limits::SIGNED_BY }>;

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Ask for evidence; deny without it.
    Enforce,
    /// Ask for evidence; allow without it, and say that enforce would have denied.
    Audit,
    /// Allow without evidence.
    Allow,
    /// Deny.
    Deny,
}

impl Mode {
    /// The word in policy and verdict.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Audit => "audit",
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

/// Whether a signed index covers its platform manifests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexMode {
    /// Only the very digest that is asked for.
    Exact,
    /// A signed index that lists it as a platform's manifest too.
    Parent,
}

/// What a rule says about the pod's namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespaces {
    /// The rule is for every namespace.
    Every,
    /// The rule is for some, and this is one of them.
    Included,
    /// The rule is for some, and this is not one of them.
    Excluded,
    /// The rule is for some, and nobody says which one this is.
    Unknown,
}

/// A rule of the trust bundle.
#[derive(Debug, Clone, Copy)]
pub struct Rule<'a> {
    name: &'a str,
    patterns: Value<'a>,
    digests: Option<usize>,
    namespaces: Value<'a>,
    mode: Mode,
    index: IndexMode,
    signed_by: Value<'a>,
    at_least: u64,
    attestations: Value<'a>,
    contact: Value<'a>,
}

impl<'a> Rule<'a> {
    pub(super) fn read(value: Value<'a>) -> Result<Self, TrustError> {
        let names = [
            "name",
            "match",
            "digests",
            "namespaces",
            "mode",
            "index",
            "signed_by",
            "at_least",
            "attestations",
            "contact",
        ];
        let [name, patterns, digests, namespaces, mode, index, signed_by, at_least, attestations, contact] =
            value.object()?.fields(names, UnknownKeys::Refuse)?;
        Ok(Self {
            name: read_name(need(name, "name")?, "rules")?,
            patterns: need(patterns, "match")?,
            digests: match need(digests, "digests")? {
                value if value.is_null() => None,
                value => Some(usize::try_from(value.unsigned()?).map_err(|_| TrustError::TooLarge)?),
            },
            namespaces: need(namespaces, "namespaces")?,
            mode: match need(mode, "mode")?.string()?.as_plain()? {
                "enforce" => Mode::Enforce,
                "audit" => Mode::Audit,
                "allow" => Mode::Allow,
                "deny" => Mode::Deny,
                _ => return Err(TrustError::Word("mode")),
            },
            index: match need(index, "index")?.string()?.as_plain()? {
                "exact" => IndexMode::Exact,
                "parent" => IndexMode::Parent,
                _ => return Err(TrustError::Word("index")),
            },
            signed_by: need(signed_by, "signed_by")?,
            at_least: need(at_least, "at_least")?.unsigned()?,
            attestations: need(attestations, "attestations")?,
            contact: need(contact, "contact")?,
        })
    }

    pub(super) fn check(
        &self,
        payload: Payload<'_>,
        slots: &[NamedSlot],
        lists: usize,
    ) -> Result<(), TrustError> {
        let mut patterns = 0_usize;
        for text in self.patterns.array()? {
            Pattern::parse(text?.string()?.as_plain()?).map_err(|_| TrustError::Pattern)?;
            patterns = patterns.saturating_add(1);
        }
        if patterns == 0 || patterns > limits::RULE_PATTERNS {
            return Err(TrustError::TooMany("match"));
        }
        if self.digests.is_some_and(|list| list >= lists) {
            return Err(TrustError::UnknownName("digests"));
        }
        let mut namespaces = 0_usize;
        for text in self.namespaces.array()? {
            read_name(text?, "namespaces")?;
            namespaces = namespaces.saturating_add(1);
        }
        if namespaces > limits::RULE_NAMESPACES {
            return Err(TrustError::TooMany("namespaces"));
        }
        let contact = self.contact.string()?;
        if contact.raw_len() > limits::CONTACT_BYTES {
            return Err(TrustError::Name("contact"));
        }
        let mut names: heapless::Vec<&str, { limits::SIGNED_BY }> = heapless::Vec::new();
        for name in self.signed_by()? {
            let name = name?;
            if names.contains(&name) {
                return Err(TrustError::Duplicate("signed_by"));
            }
            if authority::find(payload, slots, name)?.is_none() {
                return Err(TrustError::UnknownName("signed_by"));
            }
            names.push(name).map_err(|_| TrustError::TooMany("signed_by"))?;
        }
        let signers = u64::try_from(names.len()).unwrap_or(u64::MAX);
        let attestations = self.attestations.array()?.next().is_some();
        #[cfg(feature = "predicate")]
        self.check_requirements(payload, slots)?;
        match self.mode {
            // A rule that asks for nothing would be met by nothing (T-07, T-72).
            Mode::Enforce | Mode::Audit if signers == 0 => Err(TrustError::RuleShape("signed_by")),
            Mode::Enforce | Mode::Audit if self.at_least == 0 || self.at_least > signers => {
                Err(TrustError::Threshold("at_least"))
            }
            Mode::Enforce | Mode::Audit => Ok(()),
            Mode::Allow | Mode::Deny if signers != 0 => Err(TrustError::RuleShape("signed_by")),
            Mode::Allow | Mode::Deny if attestations => Err(TrustError::RuleShape("attestations")),
            Mode::Allow | Mode::Deny => Ok(()),
        }
    }

    /// Whether it governs listed digests only.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        self.digests.is_some()
    }

    /// The rule's name.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// What it does.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether a signed index covers its platform manifests.
    #[must_use]
    pub fn index(&self) -> IndexMode {
        self.index
    }

    /// Distinct authorities that have to sign.
    #[must_use]
    pub fn at_least(&self) -> u64 {
        self.at_least
    }

    /// Names of the authorities that may sign, in order.
    ///
    /// # Errors
    /// [`TrustError`] where the index is another payload's.
    pub fn signed_by(
        &self,
    ) -> Result<impl Iterator<Item = Result<&'a str, TrustError>> + Clone + use<'a>, TrustError> {
        Ok(self.signed_by.array()?.map(|name| Ok(name?.string()?.as_plain()?)))
    }

    /// The patterns, in order.
    ///
    /// # Errors
    /// [`TrustError`] where the index is another payload's.
    pub fn patterns(
        &self,
    ) -> Result<impl Iterator<Item = Result<&'a str, TrustError>> + use<'a>, TrustError> {
        Ok(self.patterns.array()?.map(|text| Ok(text?.string()?.as_plain()?)))
    }

    /// Whom to ask, as it stands in the policy; empty where it says nothing.
    ///
    /// # Errors
    /// [`TrustError`] where the index is another payload's.
    pub fn contact(&self) -> Result<json::Text<'a>, TrustError> {
        Ok(self.contact.string()?)
    }

    /// Whether it asks for attestations.
    ///
    /// # Errors
    /// [`TrustError`] where the index is another payload's.
    pub fn asks_for_attestations(&self) -> Result<bool, TrustError> {
        Ok(self.attestations.array()?.next().is_some())
    }

    /// What it asks of attestations, in order.
    ///
    /// # Errors
    /// [`TrustError`] where the index is another payload's.
    #[cfg(feature = "predicate")]
    pub fn requirements(
        &self,
    ) -> Result<impl Iterator<Item = Result<Requirement<'a>, TrustError>> + use<'a>, TrustError> {
        Ok(self.attestations.array()?.map(|value| Requirement::read(value?)))
    }

    /// Everybody whose signature means something to this rule: `signed_by`, then whom the requirements name, each once.
    #[cfg(feature = "predicate")]
    pub(crate) fn signers(&self) -> Result<Signers<'a>, TrustError> {
        let mut signers = Signers::new();
        for name in self.signed_by()? {
            signers.push(name?).map_err(|_| TrustError::TooMany("signed_by"))?;
        }
        for requirement in self.requirements()? {
            let requirement = requirement?;
            for name in requirement.signed_by()?.chain(requirement.vex()?) {
                let name = name?;
                if !signers.contains(&name) {
                    signers.push(name).map_err(|_| TrustError::TooMany("signed_by"))?;
                }
            }
        }
        Ok(signers)
    }

    #[cfg(feature = "predicate")]
    fn check_requirements(&self, payload: Payload<'_>, slots: &[NamedSlot]) -> Result<(), TrustError> {
        let mut count = 0_usize;
        for requirement in self.requirements()? {
            requirement?.check(payload, slots)?;
            count = count.saturating_add(1);
        }
        if count > limits::RULE_ATTESTATIONS {
            return Err(TrustError::TooMany("attestations"));
        }
        self.signers().map(|_| ())
    }

    /// Place in the bundle's `digest_lists` of the only digests that the rule governs; `None` where it governs any.
    pub(super) fn digest_list(&self) -> Option<usize> {
        self.digests
    }

    /// Whether one of the patterns matches the reference.
    pub(crate) fn matches(&self, reference: &Reference) -> Result<bool, TrustError> {
        for text in self.patterns()? {
            if Pattern::parse(text?).map_err(|_| TrustError::Pattern)?.matches(reference) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What the rule says about a pod's namespace.
    pub(crate) fn namespaces(&self, namespace: Option<&str>) -> Result<Namespaces, TrustError> {
        let mut limited = false;
        for glob in self.namespaces.array()? {
            limited = true;
            let glob = glob?.string()?.as_plain()?;
            if namespace.is_some_and(|namespace| pattern::segment_matches(glob, namespace)) {
                return Ok(Namespaces::Included);
            }
        }
        Ok(match (limited, namespace) {
            (false, _) => Namespaces::Every,
            (true, Some(_)) => Namespaces::Excluded,
            (true, None) => Namespaces::Unknown,
        })
    }

    /// The host classes that the patterns can match.
    pub(super) fn host_classes(&self) -> Result<u64, TrustError> {
        let mut classes = 0;
        for text in self.patterns()? {
            classes |= match Pattern::parse(text?).map_err(|_| TrustError::Pattern)?.host() {
                PatternHost::Exact(host) => host_class(host),
                PatternHost::Any | PatternHost::Glob(_) => u64::MAX,
            };
        }
        Ok(classes)
    }
}

/// One of 64 classes of hosts, as a bit (FNV-1a). Only ever spares work: a rule of the class is still matched whole.
pub(super) fn host_class(host: &str) -> u64 {
    let hash = host
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let [low, _, _, high, ..] = hash.to_le_bytes();
    1_u64.wrapping_shl(u32::from(low ^ high))
}

/// Checks the list of the files that the bundle was built from.
pub(super) fn check_parts(value: Value<'_>) -> Result<(), TrustError> {
    for item in value.array()? {
        let [name, digest] = item?.object()?.fields(["name", "digest"], UnknownKeys::Refuse)?;
        need(name, "name")?.string()?;
        let text = need(digest, "digest")?.string()?.as_plain()?;
        let hex = text.strip_prefix("sha256:").ok_or(TrustError::Digests("parts"))?;
        encoding::hex32(hex).map_err(|_| TrustError::Digests("parts"))?;
    }
    Ok(())
}
