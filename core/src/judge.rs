//! From verified to decided: one question, the rules of the trust bundle, and what the evidence adds up to.
//!
//! A [`Judge`] is opened for one question. It finds the rules that decide, is offered evidence piece by piece (so
//! that one blob is held at a time), and is closed into a [`Decision`]. It is monotonic: evidence that does not
//! verify changes nothing but the reason, and withholding evidence can only deny.
//!
//! What it does *not* do: look for evidence, or know the clock.

#[cfg(feature = "predicate")]
mod asked;
mod candidate;
#[cfg(feature = "predicate")]
mod clerk;
mod offer;
mod signers;

use crate::buildkit;
use crate::json::Text;
use crate::limits;
use crate::oci::Digest;
use crate::operations::Operations;
use crate::reference::Reference;
use crate::signature::{KeyId, PublicKey};
use crate::time::UnixTime;
use crate::trust::{AfterExpiry, Mode, Namespaces, Rule, TrustBundle, TrustError};
use crate::verdict::Reason;
#[cfg(feature = "predicate")]
use crate::verify::Claim;
use crate::verify::{self, Evidence};
#[cfg(feature = "predicate")]
use crate::{
    predicate::{Attestation, Context},
    related::{Kinship, Related, Relation},
    trust::{Coverage, IndexMode},
};

#[cfg(feature = "predicate")]
use asked::{Offered, Scales, VexClaims, Voucher};
use candidate::Candidate;
#[cfg(feature = "predicate")]
pub use clerk::{Clerk, Condition, ConditionAnswer, NoClerk, Noted, RequirementOf, Vouched};
use offer::Parts;

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

/// Why bytes do not tie the image to another digest that counts.
#[cfg(feature = "predicate")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unrelated {
    /// They do not.
    Chain(buildkit::Error),
    /// The other digest is revoked.
    Revoked,
    /// There are [`limits::RELATED`] already.
    TooMany,
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
    /// Digests that bytes tie the image to.
    #[cfg(feature = "predicate")]
    related: heapless::Vec<Related, { limits::RELATED }>,
    /// A reason that no evidence and no mode can change.
    settled: Option<Reason>,
    /// The rules that may decide, all of which have to allow: more than one only where the namespace is unknown.
    candidates: heapless::Vec<Candidate<'a>, { limits::OPEN_RULES }>,
    operations: Operations,
    /// Why a source could not be read to its end.
    failed: Option<Reason>,
    limit: Option<Reason>,
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
            #[cfg(feature = "predicate")]
            related: heapless::Vec::new(),
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

    /// The rules that may decide: one, or several where the namespace is not known.
    ///
    /// # Errors
    /// The reason that settles the question, whatever evidence says.
    pub fn rules(&self) -> Result<impl Iterator<Item = Rule<'a>>, Reason> {
        match self.settled {
            Some(reason) => Err(reason),
            None => Ok(self.candidates.iter().filter_map(|candidate| candidate.rule)),
        }
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
        self.parts().offer_each(evidence, source, scratch, Candidate::count)
    }

    /// What evidence is offered to, where nothing takes claims of VEX statements.
    #[cfg(not(feature = "predicate"))]
    fn parts(&mut self) -> Parts<'_, 'a> {
        let Self { trust, digest, allowed_at, time, settled, candidates, operations, limit, .. } = self;
        Parts {
            trust: *trust,
            digest: *digest,
            allowed_at: *allowed_at,
            time: *time,
            settled: *settled,
            candidates,
            operations,
            limit,
        }
    }

    /// What evidence is offered to, and beside it the claims of VEX statements: too large to be moved about.
    #[cfg(feature = "predicate")]
    fn parts(&mut self) -> (Parts<'_, 'a>, &mut VexClaims<'a>) {
        let Self {
            trust,
            digest,
            allowed_at,
            time,
            settled,
            candidates,
            operations,
            limit,
            vex,
            related,
            ..
        } = self;
        let parts = Parts {
            trust: *trust,
            digest: *digest,
            related,
            allowed_at: *allowed_at,
            time: *time,
            settled: *settled,
            candidates,
            operations,
            limit,
        };
        (parts, vex)
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
        let (parts, vex) = self.parts();
        parts.offer_each(evidence, source, scratch, |candidate, verified, trust| {
            let outcome = candidate.count(verified, trust);
            let Claim::Attestation { predicate_type, predicate: Some(predicate) } = *verified.claim() else {
                return outcome;
            };
            let offered = Offered {
                attestation: Attestation { predicate_type, predicate },
                statement: verified.content(),
                source: *source,
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
                    candidate.weigh(&offered, &scales, vex, clerk, outcome)
                }
                Trust::Key(_) => outcome,
            }
        })
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
            source: *source,
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
        let Self { candidates, vex, .. } = self;
        for candidate in candidates.iter_mut().filter(|candidate| candidate.fixed.is_none()) {
            // Each of them has to be met, so each of them weighs it.
            let outcome = candidate.weigh(&offered, &scales, vex, clerk, best.clone());
            if best.standing != Standing::Accepted {
                best = outcome;
            }
        }
        best
    }

    /// Takes bytes that tie the image to another digest, and says to which: evidence about that digest may be offered from
    /// then on. What a signature over it is worth is the rule's to say; an attestation about it is worth nothing, because
    /// what is said of an index need not hold for each of its platforms.
    ///
    /// # Errors
    /// [`Unrelated`]; what is offered about that digest is then about another image.
    #[cfg(feature = "predicate")]
    pub fn relate(&mut self, relation: &Relation<'_>) -> Result<Related, Unrelated> {
        let related = relation.check(&self.digest, self.platform).map_err(Unrelated::Chain)?;
        if let Trust::Bundle(bundle) = self.trust
            && bundle
                .revoked()
                .map_or(true, |revoked| revoked.digests().contains(related.digest().as_bytes()))
        {
            if related.kinship() == Kinship::Parent {
                let covered = |candidate: &&mut Candidate<'_>| {
                    candidate.rule.is_some_and(|rule| rule.index() == IndexMode::Parent)
                };
                self.candidates.iter_mut().filter(covered).for_each(|it| it.reject(Reason::DigestRevoked));
            }
            return Err(Unrelated::Revoked);
        }
        if !self.related.contains(&related) {
            self.related.push(related).map_err(|_| Unrelated::TooMany)?;
        }
        Ok(related)
    }

    /// Whether a rule lets the signature of an index count for the manifests that it lists.
    #[cfg(feature = "predicate")]
    #[must_use]
    pub fn asks_for_parents(&self) -> bool {
        let open = self.candidates.iter().filter(|candidate| candidate.fixed.is_none());
        open.filter_map(|candidate| candidate.rule).any(|rule| rule.index() == IndexMode::Parent)
    }

    /// Whether no signature of the image counts so far, for a rule that asks for one.
    #[must_use]
    pub fn lacks_signature(&self) -> bool {
        self.settled.is_none()
            && self.candidates.iter().any(|candidate| candidate.fixed.is_none() && !candidate.is_signed())
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
