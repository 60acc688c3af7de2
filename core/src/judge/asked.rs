//! What a rule asks of attestations, and which of it is met.
//!
//! Each requirement is met by one attestation that meets all of it, or it is not met (T-23). What is remembered is one
//! bit each, and for the others why the most telling attestation fell short.

use super::candidate::rank;
use super::clerk::{Clerk, Condition, ConditionAnswer, RequirementOf};
use super::signers;
use crate::limits;
use crate::oci::Digest;
use crate::predicate::{Attestation, Context, Unmet, vex};
use crate::time::UnixTime;
use crate::trust::{Coverage, Requirement, Rule, Signers, TrustBundle, TrustError};
use crate::verdict::Reason;
use crate::verify::SignedBy;

/// The requirements of one rule.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    /// Everybody whose signature means something; those who sign the image first.
    pub(super) signers: Signers<'a>,
    /// How many of them sign the image.
    pub(super) image_signers: usize,
    /// For each requirement, why it is not met, or `None` where it is.
    open: heapless::Vec<Option<Reason>, { limits::RULE_ATTESTATIONS }>,
    /// One bit for each requirement that nothing but the image's own index meets.
    by_index: u16,
}

/// What came of one attestation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weighed {
    /// It meets a requirement.
    Met,
    /// It is of a type that is asked for, and falls short.
    Unmet(Reason),
    /// It is of no such type.
    NotAsked,
}

/// An attestation and who vouches for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Offered<'s> {
    pub(super) attestation: Attestation<'s>,
    pub(super) statement: &'s [u8],
    /// The digest of the piece of evidence.
    pub(super) source: Digest,
    pub(super) voucher: Voucher<'s>,
}

/// Who vouches for an attestation.
#[derive(Debug, Clone, Copy)]
pub(super) enum Voucher<'s> {
    /// Whoever signed it.
    Signature(&'s SignedBy<'s>),
    /// The index that the image is.
    Index,
}

/// What an attestation is weighed by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scales<'b, 'q> {
    pub(super) bundle: TrustBundle<'b>,
    pub(super) context: Context<'q>,
    /// When this node first allowed the image.
    pub(super) allowed_at: Option<UnixTime>,
}

/// VEX claims that verified so far, each with the authority that made it.
#[derive(Debug, Default)]
pub(super) struct VexClaims<'a> {
    claims: heapless::Vec<(&'a str, vex::Claim), { limits::VEX_CLAIMS }>,
}

impl<'a> Asked<'a> {
    pub(super) fn of_nothing() -> Self {
        Self { signers: Signers::new(), image_signers: 0, open: heapless::Vec::new(), by_index: 0 }
    }

    pub(super) fn of_rule(rule: &Rule<'a>) -> Result<Self, TrustError> {
        let mut open = heapless::Vec::new();
        for requirement in rule.requirements()? {
            requirement?;
            let missing = Some(Reason::AttestationMissing);
            open.push(missing).map_err(|_| TrustError::TooMany("attestations"))?;
        }
        Ok(Self { signers: rule.signers()?, image_signers: rule.signed_by()?.count(), open, by_index: 0 })
    }

    pub(super) fn is_met(&self) -> bool {
        self.open.iter().all(Option::is_none)
    }

    /// The first requirement that is not met, and why.
    pub(super) fn first_unmet(&self) -> Option<(usize, Reason)> {
        self.open.iter().enumerate().find_map(|(place, open)| open.map(|reason| (place, reason)))
    }

    /// One bit per requirement that is met, by what a signature vouches for: the image's own, where it has one.
    pub(super) fn met(&self, is_signed: bool) -> u16 {
        let met = self
            .open
            .iter()
            .enumerate()
            .filter(|(_, open)| open.is_none())
            .fold(0, |met, (place, _)| met | bit(place));
        if is_signed { met } else { met & !self.by_index }
    }

    /// Weighs one attestation against every requirement.
    pub(super) fn weigh(
        &mut self,
        rule: &Rule<'a>,
        offered: &Offered<'_>,
        scales: &Scales<'a, '_>,
        vex: &VexClaims<'a>,
        clerk: &mut dyn Clerk,
    ) -> Weighed {
        let mut weighed = Weighed::NotAsked;
        let requirements = rule.requirements().into_iter().flatten();
        for ((place, open), requirement) in self.open.iter_mut().enumerate().zip(requirements) {
            // Read when the bundle was opened; what does not read now stays unmet.
            let Ok(requirement) = requirement else { continue };
            if !requirement.asks_for(offered.attestation.predicate_type).unwrap_or(false) {
                continue;
            }
            let asked = RequirementOf { rule: rule.name(), place };
            match weigh_one(&requirement, asked, offered, scales, vex, clerk) {
                Ok(()) => {
                    match offered.voucher {
                        Voucher::Index if open.is_some() => self.by_index |= bit(place),
                        Voucher::Index => {}
                        Voucher::Signature(_) => self.by_index &= !bit(place),
                    }
                    *open = None;
                    weighed = Weighed::Met;
                    clerk.met(asked);
                }
                Err(unmet) => {
                    if let Some(known) = open
                        && rank(unmet.reason) > rank(*known)
                    {
                        *open = Some(unmet.reason);
                    }
                    if weighed == Weighed::NotAsked {
                        weighed = Weighed::Unmet(unmet.reason);
                    }
                    clerk.unmet(asked, &unmet);
                }
            }
        }
        weighed
    }

    /// Whether a VEX statement could still remove what keeps a requirement unmet.
    pub(super) fn hopes_for_vex(&self, rule: &Rule<'a>) -> bool {
        let requirements = rule.requirements().into_iter().flatten().filter_map(Result::ok);
        self.open.iter().zip(requirements).any(|(open, requirement)| {
            // Whatever the most telling shortfall is: what comes first must not decide.
            open.is_some() && requirement.vex().is_ok_and(|mut names| names.next().is_some())
        })
    }
}

impl<'a> VexClaims<'a> {
    pub(super) fn len(&self) -> usize {
        self.claims.len()
    }

    /// Takes what a VEX document claims, where its signer may. Says whether anything was taken.
    pub(super) fn take(
        &mut self,
        rule: &Rule<'a>,
        offered: &Offered<'_>,
        scales: &Scales<'a, '_>,
    ) -> Weighed {
        let kind = offered.attestation.predicate_type;
        if !vex::TYPES.iter().any(|known| kind.is(known)) {
            return Weighed::NotAsked;
        }
        let requirements = rule.requirements().into_iter().flatten().filter_map(Result::ok);
        let names = requirements.filter_map(|requirement| requirement.vex().ok()).flatten();
        let mut trusted: heapless::Vec<&'a str, { limits::SIGNED_BY }> = heapless::Vec::new();
        for name in names.filter_map(Result::ok) {
            if !trusted.contains(&name) && scales.accepts(name, offered.voucher) {
                // A rule has no more signers than there are places.
                let _fits = trusted.push(name);
            }
        }
        if trusted.is_empty() {
            return Weighed::NotAsked;
        }
        let before = self.claims.len();
        let read = vex::claims(&offered.attestation, &scales.context, &mut |claim| {
            for name in &trusted {
                // A copy of a document takes no places from others. A claim that finds none removes nothing: that can
                // only deny.
                if !self.claims.contains(&(name, claim)) {
                    let _fits = self.claims.push((name, claim));
                }
            }
            Ok(())
        });
        match read {
            Ok(()) => Weighed::Met,
            Err(unmet) => {
                self.claims.truncate(before);
                Weighed::Unmet(unmet.reason)
            }
        }
    }

    fn excuses(&self, requirement: &Requirement<'a>, suspect: &vex::Suspect<'_>) -> bool {
        self.claims.iter().any(|(authority, claim)| {
            claim.excuses(suspect)
                && requirement.vex().is_ok_and(|mut names| names.any(|name| name == Ok(authority)))
        })
    }
}

/// The bit of a requirement.
fn bit(place: usize) -> u16 {
    1_u16.wrapping_shl(u32::try_from(place).unwrap_or(0))
}

impl Scales<'_, '_> {
    /// Whether an authority stands behind an attestation: it is signed by a key or for an identity of its own that counts
    /// there.
    fn accepts(&self, authority: &str, voucher: Voucher<'_>) -> bool {
        match voucher {
            Voucher::Signature(by) => signers::counts(self.bundle, authority, by, self.allowed_at),
            Voucher::Index => false,
        }
    }
}

fn weigh_one<'a, 's>(
    requirement: &Requirement<'a>,
    asked: RequirementOf<'_>,
    offered: &Offered<'s>,
    scales: &Scales<'a, '_>,
    vex: &VexClaims<'a>,
    clerk: &mut dyn Clerk,
) -> Result<(), Unmet<'s>> {
    let accepted = match offered.voucher {
        Voucher::Index => requirement.coverage() == Coverage::SignedIndex,
        voucher @ Voucher::Signature(_) => requirement
            .signed_by()
            .is_ok_and(|mut names| names.any(|name| name.is_ok_and(|name| scales.accepts(name, voucher)))),
    };
    if !accepted {
        return Err(Unmet::because(Reason::AttestationSigner));
    }
    let excused = |suspect: &vex::Suspect<'_>| vex.excuses(requirement, suspect);
    requirement.judge(&offered.attestation, &scales.context, scales.allowed_at, &excused)?;
    let text = requirement.condition().map_err(|_| Unmet::because(Reason::TrustInvalid))?;
    let Some(text) = text else { return Ok(()) };
    let condition = Condition {
        asked,
        evidence: offered.source,
        text,
        statement: offered.statement,
        time: scales.context.time,
    };
    let reason = match clerk.condition(&condition) {
        ConditionAnswer::True => return Ok(()),
        ConditionAnswer::False => Reason::ConditionFalse,
        ConditionAnswer::Error => Reason::ConditionError,
        ConditionAnswer::Limit => Reason::ConditionLimit,
        ConditionAnswer::EngineAbsent => Reason::ConditionEngineAbsent,
        ConditionAnswer::EngineVersion => Reason::ConditionEngineVersion,
    };
    Err(Unmet::because(reason))
}
