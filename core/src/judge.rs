//! From verified to decided: one question, the rules of the trust bundle, and what the evidence adds up to.
//!
//! A [`Judge`] is opened for one question. It finds the rules that decide, is offered evidence piece by piece (so
//! that one blob is held at a time), and is closed into a [`Decision`]. It is monotonic: evidence that does not
//! verify changes nothing but the reason, and withholding evidence can only deny.
//!
//! What it does *not* do: look for evidence, or know the clock.

#[cfg(feature = "predicate")]
mod asked;
#[cfg(feature = "predicate")]
mod clerk;
mod signers;

use crate::buildkit;
use crate::json::Text;
use crate::limits;
use crate::oci::Digest;
use crate::operations::Operations;
use crate::reference::Reference;
use crate::signature::{KeyId, PublicKey};
use crate::time::UnixTime;
use crate::trust::{AfterExpiry, IndexMode, Mode, Namespaces, Rule, TrustBundle, TrustError};
use crate::verdict::Reason;
use crate::verify::{self, Claim, Evidence, Signer, Verified};
#[cfg(feature = "predicate")]
use crate::{
    predicate::{Attestation, Context},
    trust::Coverage,
};

#[cfg(feature = "predicate")]
use asked::{Asked, Offered, Scales, VexClaims, Voucher, Weighed};
#[cfg(feature = "predicate")]
pub use clerk::{Clerk, Condition, ConditionAnswer, NoClerk, Noted, Vouched};
use signers::{OnlyKey, Roots, RuleKeys};

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'q> {
    /// The name that the image is asked for by. Without one no rule can match; a bare key needs none.
    pub reference: Option<&'q Reference>,
    /// The digest that it was resolved to: the only thing that evidence can be about. A reference that carries
    /// another one is a conflict, because patterns match the reference's.
    pub digest: Digest,
    /// The time of judgement. A time before the bundle's issue counts as the issue.
    pub time: UnixTime,
    /// The pod's namespace, where the hook is told.
    pub pod_namespace: Option<&'q str>,
    /// `os/arch[/variant]`: what of an image of several platforms would run.
    pub platform: &'q str,
    /// When this node first allowed this digest under this name, by a receipt of its own that was authenticated. What
    /// was let in then is not shut out by a bundle that has expired and says `deny-new`; where evidence let it in,
    /// neither by age nor by the retirement of a key.
    pub allowed_at: Option<Admission>,
}

/// That this node allowed a digest under a name before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    /// When first, by what stands in `by`.
    pub at: UnixTime,
    /// What it was allowed by.
    pub by: AdmittedBy,
}

/// What an image was allowed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdmittedBy {
    /// Evidence met a rule.
    Evidence,
    /// A rule that asks for none let it in: nothing was known of the image then, so nothing it is signed with now is
    /// known to be older than that day. It must not bring a retired key or an old attestation back.
    Rule,
}

impl Admission {
    /// When evidence let the image in.
    fn by_evidence(self) -> Option<UnixTime> {
        (self.by == AdmittedBy::Evidence).then_some(self.at)
    }
}

/// What is believed.
#[derive(Debug, Clone, Copy)]
pub enum Trust<'a> {
    /// A trust bundle, opened with the node's root keys.
    Bundle(TrustBundle<'a>),
    /// One key, for `verify --key`: one verified signature by it is enough.
    Key(&'a PublicKey),
}

/// Whether more evidence can change anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Some requirement is still open.
    Evidence,
    /// Everything is met, or nothing can be.
    Nothing,
}

/// What became of one piece of evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome<'a> {
    /// Whether it counts.
    pub standing: Standing,
    /// The authority that signed, where one did.
    pub authority: Option<&'a str>,
    /// The key that signed, where a trusted one did.
    pub key: Option<KeyId>,
    /// Whom the certificate that signed is for, where a trusted root vouches for one: `issuer subject`.
    #[cfg(feature = "keyless")]
    pub identity: Option<IdentityName>,
    /// The latest time at which the signature was there, where a trusted root vouches for one.
    pub time: Option<UnixTime>,
    /// The predicate type of a verified statement that is no image signature; cut where it is longer.
    pub predicate_type: Option<heapless::String<128>>,
}

/// Issuer and subject of a certificate, with a blank between.
#[cfg(feature = "keyless")]
pub type IdentityName = heapless::String<{ 2 * limits::IDENTITY_BYTES + 1 }>;

/// Whether a piece of evidence counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It verified and counts towards a requirement.
    Accepted,
    /// It verified, and no requirement asks for it.
    Ignored(Reason),
    /// It verified, a requirement asks for its type, and it does not meet any.
    Unmet(Reason),
    /// It is not chained to the index that is judged.
    Unchained(buildkit::Error),
    /// It did not verify.
    Rejected(verify::Error),
    /// It is on the bundle's list of revoked evidence: the blob itself, or the payload that is signed in it, so that
    /// wrapping it anew does not bring it back.
    Revoked,
}

/// What was decided. Not an answer until it is looked at.
#[must_use]
#[derive(Debug, Clone, Copy)]
pub struct Decision<'a> {
    /// Whether the image may be pulled and run.
    pub ruling: Ruling,
    /// Why, also where audit mode lets through what enforce would not.
    pub reason: Reason,
    /// The deciding rule's mode; enforce where there is none.
    pub mode: Mode,
    /// The rule that decided.
    pub rule: Option<Rule<'a>>,
    /// Distinct authorities that signed, and how many the rule asks for.
    pub signed: (u32, u64),
    /// One bit per requirement on attestations that is met, the first one lowest. What the image's own index holds
    /// meets nothing as long as the image is not signed.
    pub met: u16,
    /// Place of the requirement that `reason` is about.
    pub unmet: Option<usize>,
}

/// The two answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    /// The image may be pulled and run.
    Allow,
    /// It may not.
    Deny,
}

impl Decision<'_> {
    /// Whether the image itself is signed by as many as the rule asks for, whatever else it asks for.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        let (signed, needed) = self.signed;
        needed > 0 && u64::from(signed) >= needed
    }

    /// Whether audit mode let through what enforce would have denied.
    #[must_use]
    pub fn would_deny(&self) -> bool {
        self.ruling == Ruling::Allow && self.reason.class() != crate::verdict::ReasonClass::Allow
    }
}

/// A question that is being judged.
#[derive(Debug)]
pub struct Judge<'a> {
    trust: Trust<'a>,
    digest: Digest,
    /// When evidence first let the image in.
    allowed_at: Option<UnixTime>,
    time: UnixTime,
    #[cfg(feature = "predicate")]
    platform: &'a str,
    #[cfg(feature = "predicate")]
    vex: VexClaims<'a>,
    /// A reason that no evidence and no mode can change.
    settled: Option<Reason>,
    /// The rules that may decide, all of which have to allow: more than one only where the namespace is unknown.
    candidates: heapless::Vec<Candidate<'a>, { limits::OPEN_RULES }>,
    operations: Operations,
    /// Why a source could not be read to its end.
    failed: Option<Reason>,
    limit: Option<Reason>,
}

#[derive(Debug)]
struct Candidate<'a> {
    /// `None` with a bare key, and for "no rule matches".
    rule: Option<Rule<'a>>,
    mode: Mode,
    at_least: u64,
    /// What no evidence can change: the mode says so, or nothing can meet the rule.
    fixed: Option<Reason>,
    /// One bit per place in `signed_by`.
    signed: u64,
    /// The most telling rejection so far.
    rejection: Option<Reason>,
    roots: Roots,
    #[cfg(feature = "predicate")]
    asked: Asked<'a>,
}

impl<'a> Judge<'a> {
    /// Opens a question: finds the rules that decide it.
    ///
    /// An error inside the trust bundle does not fail here, it settles the question as denied.
    #[must_use]
    pub fn open(trust: Trust<'a>, question: &Question<'a>) -> Self {
        let mut judge = Self {
            trust,
            digest: question.digest,
            allowed_at: question.allowed_at.and_then(Admission::by_evidence),
            time: match trust {
                Trust::Bundle(bundle) => question.time.max(bundle.index().issued()),
                Trust::Key(_) => question.time,
            },
            #[cfg(feature = "predicate")]
            platform: question.platform,
            #[cfg(feature = "predicate")]
            vex: VexClaims::default(),
            settled: None,
            candidates: heapless::Vec::new(),
            operations: Operations::new(),
            failed: None,
            limit: None,
        };
        let named = question.reference.and_then(Reference::digest);
        judge.settled = match trust {
            _ if named.is_some_and(|named| named != question.digest) => Some(Reason::DigestConflict),
            Trust::Key(_) => judge.push(Candidate::of_key()).err(),
            Trust::Bundle(bundle) => judge.find_rules(bundle, question).unwrap_or(Some(Reason::TrustInvalid)),
        };
        judge
    }

    /// Fills the candidates, or returns the reason that settles the question.
    fn find_rules(
        &mut self,
        bundle: TrustBundle<'a>,
        question: &Question<'_>,
    ) -> Result<Option<Reason>, TrustError> {
        let index = bundle.index();
        if index.version() == 0 {
            return Ok(Some(Reason::TrustMissing));
        }
        if bundle.revoked()?.digests().contains(question.digest.as_bytes()) {
            return Ok(Some(Reason::DigestRevoked));
        }
        let known = question.allowed_at.is_some() && index.after_expiry() == AfterExpiry::DenyNew;
        if question.time.max(index.issued()) >= index.expires() && !known {
            return Ok(Some(Reason::TrustExpired));
        }
        let Some(reference) = question.reference else { return Ok(Some(Reason::ReferenceInvalid)) };
        for rule in bundle.rules_for(reference.host()) {
            let rule = rule?;
            if !rule.matches(reference)? {
                continue;
            }
            let digests = bundle.digests_of(&rule)?;
            if digests.is_some_and(|digests| !digests.contains(question.digest.as_bytes())) {
                continue;
            }
            let namespaces = rule.namespaces(question.pod_namespace)?;
            if namespaces == Namespaces::Excluded {
                continue;
            }
            if let Err(reason) = self.push(Candidate::of_rule(rule, bundle)?) {
                return Ok(Some(reason));
            }
            if namespaces != Namespaces::Unknown {
                return Ok(None);
            }
        }
        Ok(self.push(Candidate::of_nothing()).err())
    }

    fn push(&mut self, candidate: Candidate<'a>) -> Result<(), Reason> {
        self.candidates.push(candidate).map_err(|_| Reason::NamespaceUnknown)
    }

    /// Whether more evidence can change anything.
    #[must_use]
    pub fn needs(&self) -> Needs {
        let open = self.settled.is_none() && self.candidates.iter().any(Candidate::is_open);
        if open { Needs::Evidence } else { Needs::Nothing }
    }

    /// Bytes of scratch that offering a piece of evidence needs: its own, and room for the trusted roots of the rules'
    /// authorities.
    #[must_use]
    pub fn scratch_bytes(&self, evidence: &Evidence<'_>) -> usize {
        let roots = self.candidates.iter().map(|candidate| candidate.roots.scratch_bytes()).max();
        evidence.scratch_bytes().saturating_add(roots.unwrap_or(0))
    }

    /// Verifies one piece of evidence and counts what it adds. `source` is the digest of the evidence itself;
    /// `scratch` needs [`Judge::scratch_bytes`]. Conditions that the core cannot evaluate are not met.
    pub fn offer(&mut self, evidence: &Evidence<'_>, source: &Digest, scratch: &mut [u8]) -> Outcome<'a> {
        #[cfg(feature = "predicate")]
        return self.offer_with(evidence, source, scratch, &mut NoClerk);
        #[cfg(not(feature = "predicate"))]
        self.offer_each(evidence, source, scratch, Candidate::count)
    }

    /// The same, with somebody who answers conditions and takes notes.
    #[cfg(feature = "predicate")]
    pub fn offer_with(
        &mut self,
        evidence: &Evidence<'_>,
        source: &Digest,
        scratch: &mut [u8],
        clerk: &mut dyn Clerk,
    ) -> Outcome<'a> {
        let context = self.context(self.digest);
        let allowed_at = self.allowed_at;
        let mut vex = core::mem::take(&mut self.vex);
        let outcome = self.offer_each(evidence, source, scratch, |candidate, verified, trust| {
            let outcome = candidate.count(verified, trust);
            let Claim::Attestation { predicate_type, predicate: Some(predicate) } = *verified.claim() else {
                return outcome;
            };
            let offered = Offered {
                attestation: Attestation { predicate_type, predicate },
                statement: verified.content(),
                voucher: Voucher::Signature(verified.by()),
            };
            clerk.statement(&Noted {
                attestation: offered.attestation,
                statement: offered.statement,
                vouched: Vouched::Signature(outcome.authority),
            });
            match trust {
                Trust::Bundle(bundle) => {
                    let scales = Scales { bundle, context, allowed_at };
                    candidate.weigh(&offered, &scales, &mut vex, clerk, outcome)
                }
                Trust::Key(_) => outcome,
            }
        });
        self.vex = vex;
        outcome
    }

    /// Takes a statement out of the image's own index. It counts where a requirement accepts what the image's signature
    /// covers, and nothing counts as long as the index is not signed. `source` is the digest of the statement.
    #[cfg(feature = "predicate")]
    pub fn offer_covered(
        &mut self,
        chain: &buildkit::Chain<'_>,
        source: &Digest,
        clerk: &mut dyn Clerk,
    ) -> Outcome<'a> {
        let covered = match chain.check(&self.digest, self.platform) {
            Ok(covered) => covered,
            Err(error) => return Outcome::of(Standing::Unchained(error)),
        };
        let statement = covered.statement();
        let Some(predicate) = statement.predicate() else {
            return Outcome::of(Standing::Ignored(Reason::PredicateMalformed));
        };
        if let Trust::Bundle(bundle) = self.trust
            && bundle.revoked().is_ok_and(|revoked| revoked.evidence().contains(source.as_bytes()))
        {
            for candidate in &mut self.candidates {
                candidate.reject(Reason::EvidenceRevoked);
            }
            return Outcome::of(Standing::Revoked);
        }
        let offered = Offered {
            attestation: Attestation { predicate_type: statement.predicate_type(), predicate },
            statement: chain.statement,
            voucher: Voucher::Index,
        };
        clerk.statement(&Noted {
            attestation: offered.attestation,
            statement: offered.statement,
            vouched: Vouched::Index,
        });
        let mut best = Outcome::of(Standing::Ignored(Reason::PredicateNotSignature));
        best.predicate_type = Some(cut(statement.predicate_type()));
        // One key alone asks for nothing but a signature.
        let Trust::Bundle(bundle) = self.trust else { return best };
        let scales = Scales { bundle, context: self.context(covered.subject()), allowed_at: self.allowed_at };
        let mut vex = core::mem::take(&mut self.vex);
        for candidate in self.candidates.iter_mut().filter(|candidate| candidate.fixed.is_none()) {
            // Each of them has to be met, so each of them weighs it.
            let outcome = candidate.weigh(&offered, &scales, &mut vex, clerk, best.clone());
            if best.standing != Standing::Accepted {
                best = outcome;
            }
        }
        self.vex = vex;
        best
    }

    /// Whether a rule asks for attestations at all.
    #[cfg(feature = "predicate")]
    #[must_use]
    pub fn asks_for_attestations(&self) -> bool {
        let rules = self.candidates.iter().filter_map(|candidate| candidate.rule);
        rules.into_iter().any(|rule| rule.asks_for_attestations().unwrap_or(true))
    }

    /// Whether a rule accepts what the image's own index holds.
    #[cfg(feature = "predicate")]
    #[must_use]
    pub fn asks_for_coverage(&self) -> bool {
        let rules = self.candidates.iter().filter_map(|candidate| candidate.rule);
        let requirements = rules.filter_map(|rule| rule.requirements().ok()).flatten().filter_map(Result::ok);
        requirements.into_iter().any(|requirement| requirement.coverage() == Coverage::SignedIndex)
    }

    /// How many claims of VEX statements were taken. Where it has grown, a vulnerability report that fell short may be
    /// offered again with success.
    #[cfg(feature = "predicate")]
    #[must_use]
    pub fn vex_claims(&self) -> usize {
        self.vex.len()
    }

    /// Whether a VEX statement could still remove what keeps a requirement unmet.
    #[cfg(feature = "predicate")]
    #[must_use]
    pub fn hopes_for_vex(&self) -> bool {
        self.candidates
            .iter()
            .any(|candidate| candidate.rule.is_some_and(|rule| candidate.asked.hopes_for_vex(&rule)))
    }

    #[cfg(feature = "predicate")]
    fn context(&self, digest: Digest) -> Context<'a> {
        Context { time: self.time, digest, platform: self.platform }
    }

    fn offer_each(
        &mut self,
        evidence: &Evidence<'_>,
        source: &Digest,
        scratch: &mut [u8],
        mut count: impl FnMut(&mut Candidate<'a>, &Verified<'_>, Trust<'a>) -> Outcome<'a>,
    ) -> Outcome<'a> {
        let fixed = self.candidates.first().and_then(|candidate| candidate.fixed);
        let nobody_asks = self.settled.or(fixed).unwrap_or(Reason::InternalError);
        let mut best = Outcome::of(Standing::Ignored(nobody_asks));
        let revoked = match self.trust {
            Trust::Bundle(bundle) => bundle.revoked().ok().map(|revoked| revoked.evidence()),
            Trust::Key(_) => None,
        };
        let revoked = revoked.filter(|revoked| !revoked.is_empty());
        if revoked.is_some_and(|revoked| revoked.contains(source.as_bytes())) {
            for candidate in &mut self.candidates {
                candidate.reject(Reason::EvidenceRevoked);
            }
            return Outcome::of(Standing::Revoked);
        }
        for candidate in self.candidates.iter_mut().filter(|candidate| candidate.fixed.is_none()) {
            let operations = &mut self.operations;
            let verified = match (self.trust, candidate.rule) {
                (Trust::Bundle(bundle), Some(rule)) => {
                    let keys = candidate.keys(bundle, rule, self.allowed_at);
                    verify::verify(evidence, &self.digest, &keys, self.time, operations, scratch)
                }
                (Trust::Key(key), _) => {
                    verify::verify(evidence, &self.digest, &OnlyKey(key), self.time, operations, scratch)
                }
                (Trust::Bundle(_), None) => continue,
            };
            let outcome = match verified {
                Ok(verified)
                    if revoked.is_some_and(|revoked| {
                        revoked.contains(Digest::of(verified.content()).as_bytes())
                    }) =>
                {
                    candidate.reject(Reason::EvidenceRevoked);
                    Outcome::of(Standing::Revoked)
                }
                Ok(verified) => count(candidate, &verified, self.trust),
                Err(error) => {
                    if error == verify::Error::Budget {
                        self.limit = Some(Reason::SignatureLimit);
                    }
                    candidate.reject(error.reason());
                    Outcome::of(Standing::Rejected(error))
                }
            };
            if !matches!(best.standing, Standing::Accepted) {
                best = outcome;
            }
        }
        best
    }

    /// Says that a source of evidence could not be read. It matters only while a requirement is open.
    pub fn source_failed(&mut self) {
        self.failed = self.failed.or(Some(Reason::EvidenceUnreachable));
    }

    /// Says that the time for a source was over. It matters only while a requirement is open, and then it denies under
    /// audit too: whoever can make a node wait must not get what audit lets through.
    pub fn deadline_passed(&mut self) {
        self.failed = Some(Reason::DeadlineExceeded);
    }

    /// Says that a source holds more than is read. It denies whatever was found before: what comes first must not
    /// decide.
    pub fn limit_reached(&mut self, reason: Reason) {
        self.limit = Some(reason);
    }

    /// Closes the question.
    pub fn decide(&self) -> Decision<'a> {
        if let Some(reason) = self.settled {
            return Decision {
                ruling: Ruling::Deny,
                reason,
                mode: Mode::Enforce,
                rule: None,
                signed: (0, 0),
                met: 0,
                unmet: None,
            };
        }
        let mut allowed = None;
        let mut denied = None;
        for candidate in &self.candidates {
            let decision = candidate.decide(self.limit, self.failed);
            // Of several denials the first is told, of several admissions the one that audit mode let through.
            if decision.ruling == Ruling::Deny {
                denied = denied.or(Some(decision));
            } else if allowed.is_none_or(|allowed: Decision<'_>| !allowed.would_deny()) {
                allowed = Some(decision);
            }
        }
        if let Some(denied) = denied {
            // In one namespace it would be allowed and in another not, and this hook does not know which it is.
            let differ = allowed.is_some() && !denied.reason.is_error();
            return Decision {
                reason: if differ { Reason::NamespaceUnknown } else { denied.reason },
                ..denied
            };
        }
        allowed.unwrap_or(Decision {
            ruling: Ruling::Deny,
            reason: Reason::InternalError,
            mode: Mode::Enforce,
            rule: None,
            signed: (0, 0),
            met: 0,
            unmet: None,
        })
    }
}

impl<'a> Candidate<'a> {
    fn of_key() -> Self {
        Self {
            rule: None,
            mode: Mode::Enforce,
            at_least: 1,
            fixed: None,
            signed: 0,
            rejection: None,
            roots: Roots::default(),
            #[cfg(feature = "predicate")]
            asked: Asked::of_nothing(),
        }
    }

    fn of_nothing() -> Self {
        Self { fixed: Some(Reason::NoRule), ..Self::of_key() }
    }

    fn of_rule(rule: Rule<'a>, bundle: TrustBundle<'a>) -> Result<Self, TrustError> {
        let fixed = match rule.mode() {
            Mode::Allow => Some(Reason::AllowedByRule),
            Mode::Deny => Some(Reason::DeniedByRule),
            Mode::Enforce | Mode::Audit if rule.index() == IndexMode::Parent => {
                Some(Reason::RequirementUnsupported)
            }
            #[cfg(not(feature = "predicate"))]
            Mode::Enforce | Mode::Audit if rule.asks_for_attestations()? => {
                Some(Reason::RequirementUnsupported)
            }
            Mode::Enforce | Mode::Audit => None,
        };
        let mut candidate = Self {
            rule: Some(rule),
            mode: rule.mode(),
            at_least: rule.at_least(),
            fixed,
            signed: 0,
            rejection: None,
            roots: Roots::default(),
            #[cfg(feature = "predicate")]
            asked: Asked::of_rule(&rule)?,
        };
        if fixed.is_none() {
            candidate.roots = candidate.keys(bundle, rule, None).find_roots()?;
        }
        Ok(candidate)
    }

    /// The keys that may have signed something of use to a rule.
    fn keys(&self, bundle: TrustBundle<'a>, rule: Rule<'a>, allowed_at: Option<UnixTime>) -> RuleKeys<'a> {
        let _only_without_requirements = rule;
        RuleKeys {
            bundle,
            allowed_at,
            roots: self.roots,
            #[cfg(feature = "predicate")]
            signers: self.asked.signers.clone(),
            #[cfg(not(feature = "predicate"))]
            rule,
        }
    }

    fn is_open(&self) -> bool {
        self.fixed.is_none() && !self.is_met()
    }

    fn is_met(&self) -> bool {
        #[cfg(feature = "predicate")]
        if !self.asked.is_met() {
            return false;
        }
        self.is_signed()
    }

    /// Whether the image itself is signed by as many as the rule asks for.
    fn is_signed(&self) -> bool {
        self.at_least > 0 && u64::from(self.count_distinct()) >= self.at_least
    }

    /// Distinct authorities that signed. A key that several authorities have counts for the first of them that
    /// lists it, so it counts once; so do several signatures of one authority (T-19).
    fn count_distinct(&self) -> u32 {
        self.signed.count_ones()
    }

    /// Counts a signature of the image. An attestation is none.
    fn count(&mut self, verified: &Verified<'_>, trust: Trust<'a>) -> Outcome<'a> {
        let mut outcome = Outcome::of(Standing::Accepted);
        outcome.authority = match trust {
            Trust::Bundle(_) => self.signer(usize::from(verified.position())),
            Trust::Key(_) => None,
        };
        match verified.by().signer() {
            Signer::Key(key) => outcome.key = Some(*key),
            #[cfg(feature = "keyless")]
            Signer::Certificate(certified) => {
                let (issuer, subject) = certified.names();
                let mut name = IdentityName::new();
                // Both are within their bounds, as verification has seen.
                let _fits = [issuer, " ", subject].into_iter().try_for_each(|part| name.push_str(part));
                outcome.identity = Some(name);
            }
            #[cfg(not(feature = "keyless"))]
            Signer::Certificate(_) => {}
        }
        outcome.time = verified.by().time();
        match verified.claim() {
            Claim::ImageSignature if self.may_sign(verified.position()) => {
                self.signed |= 1_u64.wrapping_shl(u32::from(verified.position()));
            }
            // Asked for attestations only.
            Claim::ImageSignature => {
                self.reject(Reason::UntrustedKey);
                outcome.standing = Standing::Ignored(Reason::UntrustedKey);
            }
            Claim::Attestation { predicate_type, .. } => {
                self.reject(Reason::PredicateNotSignature);
                outcome.standing = Standing::Ignored(Reason::PredicateNotSignature);
                outcome.predicate_type = Some(cut(*predicate_type));
            }
        }
        outcome
    }

    #[cfg(feature = "predicate")]
    fn signer(&self, position: usize) -> Option<&'a str> {
        self.asked.signers.get(position).copied()
    }

    #[cfg(not(feature = "predicate"))]
    fn signer(&self, position: usize) -> Option<&'a str> {
        self.rule?.signed_by().ok()?.nth(position)?.ok()
    }

    /// Whether the signer at this position is one that the rule wants the image signed by.
    #[cfg(feature = "predicate")]
    fn may_sign(&self, position: u8) -> bool {
        self.rule.is_none() || usize::from(position) < self.asked.image_signers
    }

    #[cfg(not(feature = "predicate"))]
    fn may_sign(&self, _: u8) -> bool {
        true
    }

    /// Weighs an attestation against what the rule asks for.
    #[cfg(feature = "predicate")]
    fn weigh(
        &mut self,
        offered: &Offered<'_>,
        scales: &Scales<'a, '_>,
        vex: &mut VexClaims<'a>,
        clerk: &mut dyn Clerk,
        outcome: Outcome<'a>,
    ) -> Outcome<'a> {
        let Some(rule) = self.rule else { return outcome };
        let taken = vex.take(&rule, offered, scales);
        let weighed = self.asked.weigh(&rule, offered, scales, vex, clerk);
        let standing = match (weighed, taken) {
            (Weighed::Met, _) | (_, Weighed::Met) => Standing::Accepted,
            (Weighed::Unmet(reason), _) | (_, Weighed::Unmet(reason)) => Standing::Unmet(reason),
            (Weighed::NotAsked, Weighed::NotAsked) => return outcome,
        };
        Outcome { standing, ..outcome }
    }

    fn reject(&mut self, reason: Reason) {
        if self.rejection.is_none_or(|known| rank(reason) > rank(known)) {
            self.rejection = Some(reason);
        }
    }

    fn decide(&self, limit: Option<Reason>, failed: Option<Reason>) -> Decision<'a> {
        #[cfg(feature = "predicate")]
        let (met, unmet) = (self.asked.met(self.is_signed()), self.asked.first_unmet());
        #[cfg(not(feature = "predicate"))]
        let (met, unmet) = (0, None::<(usize, Reason)>);
        let reason = match (self.fixed, limit, failed) {
            (Some(fixed), ..) => fixed,
            (None, Some(limit), _) => limit,
            (None, None, _) if self.is_met() => Reason::Signed,
            (None, None, Some(failed)) => failed,
            (None, None, None) if self.is_signed() => {
                unmet.map_or(Reason::InternalError, |(_, reason)| reason)
            }
            (None, None, None) if self.signed != 0 => Reason::ThresholdNotMet,
            (None, None, None) => self.rejection.unwrap_or(Reason::Unsigned),
        };
        let unmet = unmet.filter(|(_, told)| *told == reason && self.is_signed());
        let audited = self.mode == Mode::Audit && reason != Reason::DeadlineExceeded;
        let allow = reason.class() == crate::verdict::ReasonClass::Allow || audited;
        Decision {
            ruling: if allow { Ruling::Allow } else { Ruling::Deny },
            reason,
            mode: self.mode,
            rule: self.rule,
            signed: (self.count_distinct(), self.at_least),
            met,
            unmet: unmet.map(|(place, _)| place),
        }
    }
}

/// A predicate type for reading; a longer one is cut.
fn cut(predicate_type: Text<'_>) -> heapless::String<128> {
    let mut text = heapless::String::new();
    let _cut = predicate_type.chars().try_for_each(|c| text.push(c));
    text
}

impl Outcome<'_> {
    fn of(standing: Standing) -> Self {
        Self {
            standing,
            authority: None,
            key: None,
            #[cfg(feature = "keyless")]
            identity: None,
            time: None,
            predicate_type: None,
        }
    }
}

/// How much a rejection tells: the further a piece of evidence got, the more.
fn rank(reason: Reason) -> u8 {
    match reason {
        Reason::EvidenceTooLarge | Reason::EnvelopeMalformed | Reason::SignatureMalformed => 1,
        Reason::PredicateNotSignature | Reason::AttestationMissing => 2,
        Reason::BundleVersion | Reason::CertificateUnsupported | Reason::MessageSignatureUnsupported => 3,
        Reason::EnvelopeSignatures | Reason::PayloadType | Reason::EvidenceRevoked => 4,
        Reason::UntrustedKey | Reason::AttestationSigner => 5,
        Reason::CertificateMalformed | Reason::CertificateUntrusted | Reason::LogUnknown => 4,
        Reason::SignatureInvalid
        | Reason::LogEntryMissing
        | Reason::LogEntryMismatch
        | Reason::LogProofMissing
        | Reason::LogEntryInvalid
        | Reason::TimestampMissing
        | Reason::TimestampInvalid
        | Reason::SctMissing
        | Reason::SctInvalid
        | Reason::TimeOutsideCertificate
        | Reason::TimeFromFuture => 5,
        Reason::IdentityMismatch => 6,
        Reason::DigestMismatch => 7,
        Reason::KeyRevoked
        | Reason::AuthorityRevoked
        | Reason::IdentityRevoked
        | Reason::CertificateRevoked
        | Reason::KeyRetired
        | Reason::KeyWindowNoTime
        | Reason::KeyWindowOutside
        | Reason::TrustedRootInvalid => 8,
        Reason::PredicateMalformed | Reason::PredicateUnsupported | Reason::PlatformMissing => 6,
        Reason::AttestationNoTime | Reason::AttestationFromFuture => 7,
        Reason::AttestationTooOld => 8,
        Reason::VulnerabilitiesExceeded
        | Reason::ReportOtherImage
        | Reason::BuilderMismatch
        | Reason::BuildTypeMismatch
        | Reason::SourceMismatch
        | Reason::CommitMismatch
        | Reason::EntryPointMismatch
        | Reason::ParameterMismatch
        | Reason::BaseMismatch
        | Reason::MaterialsMissing
        | Reason::ProvenanceContradiction
        | Reason::PackageDenied
        | Reason::LicenseDenied
        | Reason::ConditionFalse
        | Reason::ConditionError
        | Reason::ConditionLimit
        | Reason::ConditionEngineAbsent
        | Reason::ConditionEngineVersion => 9,
        // What a trusted key has signed in a wrong form.
        _ => 6,
    }
}
