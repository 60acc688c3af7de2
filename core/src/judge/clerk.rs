//! What a judge leaves to others: conditions in another language, and writing down what was found.
//!
//! A clerk cannot allow anything by itself: a condition that it answers is one among those that a requirement has, and
//! everything else it is only told.

use crate::oci::Digest;
use crate::predicate::{Attestation, Unmet};
use crate::time::UnixTime;
use crate::trust::ConditionText;

/// Evaluates conditions and takes notes.
pub trait Clerk {
    /// Answers a condition over a verified statement. Asked only when everything else that the requirement wants is
    /// there.
    fn condition(&mut self, condition: &Condition<'_>) -> ConditionAnswer;

    /// A statement verified: what it says may be shown.
    fn statement(&mut self, noted: &Noted<'_>);

    /// A statement does not meet a requirement.
    fn unmet(&mut self, asked: RequirementOf<'_>, unmet: &Unmet<'_>);

    /// A statement meets a requirement.
    fn met(&mut self, asked: RequirementOf<'_>);
}

/// Which requirement: several rules may decide where the pod's namespace is unknown, and each has its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequirementOf<'r> {
    /// The rule's name, which no other rule of the bundle has.
    pub rule: &'r str,
    /// The requirement's place in the rule, from 0.
    pub place: usize,
}

/// A verified statement for people.
#[derive(Debug, Clone, Copy)]
pub struct Noted<'s> {
    /// What it says.
    pub attestation: Attestation<'s>,
    /// The whole statement, as it was signed.
    pub statement: &'s [u8],
    /// Who vouches for it.
    pub vouched: Vouched<'s>,
}

/// Who vouches for a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vouched<'s> {
    /// An authority of the trust bundle, by a signature of its own; `None` with a bare key.
    Signature(Option<&'s str>),
    /// The image's index, which counts once it is signed.
    Index,
}

/// A condition and what it is about.
#[derive(Debug, Clone, Copy)]
pub struct Condition<'s> {
    /// The requirement that it belongs to.
    pub asked: RequirementOf<'s>,
    /// The digest of the piece of evidence that holds the statement.
    pub evidence: Digest,
    /// The expression and its engine.
    pub text: ConditionText<'s>,
    /// The whole statement, as it was signed.
    pub statement: &'s [u8],
    /// The time of the verdict.
    pub time: UnixTime,
}

/// What came of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConditionAnswer {
    /// It holds.
    True,
    /// It does not.
    False,
    /// It cannot be evaluated on this statement, or is no truth value.
    Error,
    /// It costs more than it may.
    Limit,
    /// There is no engine here.
    EngineAbsent,
    /// The engine here is another than it was compiled for.
    EngineVersion,
}

/// A clerk that has no engine and takes no notes.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoClerk;

impl Clerk for NoClerk {
    fn condition(&mut self, _: &Condition<'_>) -> ConditionAnswer {
        ConditionAnswer::EngineAbsent
    }

    fn statement(&mut self, _: &Noted<'_>) {}

    fn unmet(&mut self, _: RequirementOf<'_>, _: &Unmet<'_>) {}

    fn met(&mut self, _: RequirementOf<'_>) {}
}
