//! One rule that may decide a question, and what the evidence adds up to for it.

#[cfg(feature = "keyless")]
use super::IdentityName;
#[cfg(feature = "predicate")]
use super::asked::{Asked, Offered, Scales, VexClaims, Weighed};
#[cfg(feature = "predicate")]
use super::clerk::Clerk;
use super::signers::{Roots, RuleKeys};
use super::{Decision, Outcome, Ruling, Standing, Trust, cut};
#[cfg(feature = "predicate")]
use crate::related::Kinship;
use crate::time::UnixTime;
use crate::trust::{IndexMode, Mode, Rule, TrustBundle, TrustError};
use crate::verdict::Reason;
use crate::verify::{Claim, Signer, Verified};

/// A rule that may decide.
#[derive(Debug)]
pub(super) struct Candidate<'a> {
    /// `None` with a bare key, and for "no rule matches".
    pub(super) rule: Option<Rule<'a>>,
    mode: Mode,
    at_least: u64,
    /// What no evidence can change: the mode says so, or nothing can meet the rule.
    pub(super) fixed: Option<Reason>,
    /// One bit per place in `signed_by`.
    signed: u64,
    /// The most telling rejection so far.
    rejection: Option<Reason>,
    pub(super) roots: Roots,
    #[cfg(feature = "predicate")]
    pub(super) asked: Asked<'a>,
}

impl<'a> Candidate<'a> {
    pub(super) fn of_key() -> Self {
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

    pub(super) fn of_nothing() -> Self {
        Self { fixed: Some(Reason::NoRule), ..Self::of_key() }
    }

    pub(super) fn of_rule(rule: Rule<'a>, bundle: TrustBundle<'a>) -> Result<Self, TrustError> {
        let fixed = match rule.mode() {
            Mode::Allow => Some(Reason::AllowedByRule),
            Mode::Deny => Some(Reason::DeniedByRule),
            #[cfg(not(feature = "predicate"))]
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
            candidate.roots = candidate.keys(bundle, &rule, None).find_roots()?;
        }
        Ok(candidate)
    }

    /// The keys that may have signed something of use to a rule.
    pub(super) fn keys<'k>(
        &'k self,
        bundle: TrustBundle<'a>,
        rule: &'k Rule<'a>,
        allowed_at: Option<UnixTime>,
    ) -> RuleKeys<'k, 'a> {
        let _only_without_requirements = rule;
        RuleKeys {
            bundle,
            allowed_at,
            roots: self.roots,
            #[cfg(feature = "predicate")]
            signers: &self.asked.signers,
            #[cfg(not(feature = "predicate"))]
            rule,
        }
    }

    pub(super) fn is_open(&self) -> bool {
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
    pub(super) fn is_signed(&self) -> bool {
        self.at_least > 0 && u64::from(self.count_distinct()) >= self.at_least
    }

    /// Distinct authorities that signed. A key that several authorities have counts for the first of them that
    /// lists it, so it counts once; so do several signatures of one authority (T-19).
    fn count_distinct(&self) -> u32 {
        self.signed.count_ones()
    }

    /// Counts a signature of the image. An attestation is none.
    pub(super) fn count(&mut self, verified: &Verified<'_>, trust: Trust<'a>) -> Outcome<'a> {
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
            #[cfg(feature = "predicate")]
            Claim::ImageSignature
                if self.may_sign(verified.position())
                    && let Some(reason) = self.other_digest(verified) =>
            {
                self.reject(reason);
                outcome.standing = Standing::Ignored(reason);
            }
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

    /// Why a signature over a digest that the image is tied to does not count; `None` where it does, or is over the image's
    /// own.
    #[cfg(feature = "predicate")]
    fn other_digest(&self, verified: &Verified<'_>) -> Option<Reason> {
        let index = self.rule.map_or(IndexMode::Exact, |rule| rule.index());
        match (verified.related()?.kinship(), index) {
            (Kinship::Parent, IndexMode::Parent) => None,
            (Kinship::Parent, IndexMode::Exact) => Some(Reason::SignedIndexNotPlatform),
            (Kinship::Rewritten, _) => Some(Reason::DigestRewritten),
        }
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
    pub(super) fn weigh(
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

    pub(super) fn reject(&mut self, reason: Reason) {
        if self.rejection.is_none_or(|known| rank(reason) > rank(known)) {
            self.rejection = Some(reason);
        }
    }

    pub(super) fn decide(&self, limit: Option<Reason>, failed: Option<Reason>) -> Decision<'a> {
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

/// How much a rejection tells: the further a piece of evidence got, the more.
pub(super) fn rank(reason: Reason) -> u8 {
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
        Reason::SignedIndexNotPlatform
        | Reason::DigestRewritten
        | Reason::DigestRevoked
        | Reason::KeyRevoked
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
        | Reason::PackagesMissing
        | Reason::ConditionFalse
        | Reason::ConditionError
        | Reason::ConditionLimit
        | Reason::ConditionEngineAbsent
        | Reason::ConditionEngineVersion => 9,
        // What a trusted key has signed in a wrong form.
        _ => 6,
    }
}
