//! Requirements: which attestations a rule asks for, by whom, and what has to be in them.

use super::{NamedSlot, Payload, TrustError, UnknownKeys, Value, authority, json, limits, need};
use crate::predicate::{Attestation, Context, Unmet, packages, provenance, vex, vulnerability};
use crate::time::UnixTime;

/// One requirement of a rule.
#[derive(Debug, Clone, Copy)]
pub struct Requirement<'a> {
    types: Value<'a>,
    signed_by: Value<'a>,
    coverage: Coverage,
    max_age: Option<u64>,
    max_age_at: AgeAt,
    vulnerabilities: Value<'a>,
    provenance: Value<'a>,
    packages: Value<'a>,
    condition: Value<'a>,
}

/// Whether statements that a build put into the image's own index count, once that index is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// Only attestations with signatures of their own.
    Signatures,
    /// Those in the signed index too.
    SignedIndex,
}

/// When the age of an attestation is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgeAt {
    /// When this node first allowed the image; what it admitted then keeps starting.
    First,
    /// Each time.
    Always,
}

/// A condition in CEL, which the core hands to whoever has an engine for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConditionText<'a> {
    /// Name and version of the engine that it was compiled for.
    pub engine: &'a str,
    /// The expression, as it stands in the bundle.
    pub expression: json::Text<'a>,
}

impl<'a> Requirement<'a> {
    pub(super) fn read(value: Value<'a>) -> Result<Self, TrustError> {
        let names = [
            "types",
            "signed_by",
            "covered",
            "max_age",
            "max_age_at",
            "vulnerabilities",
            "provenance",
            "packages",
            "condition",
        ];
        let [
            types,
            signed_by,
            covered,
            max_age,
            max_age_at,
            vulnerabilities,
            provenance,
            packages,
            condition,
        ] = value.object()?.fields(names, UnknownKeys::Refuse)?;
        Ok(Self {
            types: need(types, "types")?,
            signed_by: need(signed_by, "signed_by")?,
            coverage: if need(covered, "covered")?.boolean()? {
                Coverage::SignedIndex
            } else {
                Coverage::Signatures
            },
            max_age: match need(max_age, "max_age")? {
                value if value.is_null() => None,
                value => Some(value.unsigned()?),
            },
            max_age_at: match need(max_age_at, "max_age_at")?.string()?.as_plain()? {
                "first" => AgeAt::First,
                "always" => AgeAt::Always,
                _ => return Err(TrustError::Word("max_age_at")),
            },
            vulnerabilities: need(vulnerabilities, "vulnerabilities")?,
            provenance: need(provenance, "provenance")?,
            packages: need(packages, "packages")?,
            condition: need(condition, "condition")?,
        })
    }

    /// Checks every field once, when the bundle is opened.
    pub(super) fn check(&self, payload: Payload<'_>, slots: &[NamedSlot]) -> Result<(), TrustError> {
        let mut types = 0_usize;
        for uri in self.types.array()? {
            let uri = uri?.string()?.as_plain()?;
            if uri.is_empty() || uri.len() > limits::PREDICATE_TYPE_BYTES {
                return Err(TrustError::Name("types"));
            }
            types = types.saturating_add(1);
        }
        if types == 0 || types > limits::ATTESTATION_TYPES {
            return Err(TrustError::TooMany("types"));
        }
        let mut signers = 0_usize;
        for name in self.signed_by()? {
            if authority::find(payload, slots, name?)?.is_none() {
                return Err(TrustError::UnknownName("signed_by"));
            }
            signers = signers.saturating_add(1);
        }
        if signers > limits::SIGNED_BY {
            return Err(TrustError::TooMany("signed_by"));
        }
        // Nobody's word is no word (T-07).
        if signers == 0 && self.coverage == Coverage::Signatures {
            return Err(TrustError::RuleShape("attestations"));
        }
        if let Some(limits) = self.vulnerabilities()? {
            for name in limits.vex_authorities()? {
                if authority::find(payload, slots, name?)?.is_none() {
                    return Err(TrustError::UnknownName("vex"));
                }
            }
        }
        self.provenance()?;
        self.packages()?;
        self.condition()?;
        Ok(())
    }

    /// The predicate types, any of which is asked for.
    ///
    /// # Errors
    /// [`TrustError`] where the index is another payload's.
    pub fn types(&self) -> Result<impl Iterator<Item = Result<&'a str, TrustError>> + use<'a>, TrustError> {
        Ok(self.types.array()?.map(|uri| Ok(uri?.string()?.as_plain()?)))
    }

    /// Names of the authorities whose attestations count.
    ///
    /// # Errors
    /// [`TrustError`] where the index is another payload's.
    pub fn signed_by(
        &self,
    ) -> Result<impl Iterator<Item = Result<&'a str, TrustError>> + Clone + use<'a>, TrustError> {
        Ok(self.signed_by.array()?.map(|name| Ok(name?.string()?.as_plain()?)))
    }

    /// Names of the authorities whose VEX statements remove findings; empty where the requirement has no use for them.
    ///
    /// # Errors
    /// [`TrustError`] where the index is another payload's.
    pub fn vex(
        &self,
    ) -> Result<impl Iterator<Item = Result<&'a str, TrustError>> + Clone + use<'a>, TrustError> {
        let limits = self.vulnerabilities()?;
        let names = limits.map(|limits| limits.vex_authorities()).transpose()?;
        Ok(names.into_iter().flatten())
    }

    /// Whether statements inside a signed index count.
    #[must_use]
    pub fn coverage(&self) -> Coverage {
        self.coverage
    }

    /// Whether the same attestation can meet it today and not tomorrow, under the same bundle and a receipt: an age that
    /// is asked for each time, or a condition, which may look at the clock.
    #[must_use]
    pub fn depends_on_time(&self) -> bool {
        self.max_age.is_some() && self.max_age_at == AgeAt::Always || !self.condition.is_null()
    }

    /// The condition that the core cannot evaluate itself.
    ///
    /// # Errors
    /// [`TrustError`] where it is not one.
    pub fn condition(&self) -> Result<Option<ConditionText<'a>>, TrustError> {
        if self.condition.is_null() {
            return Ok(None);
        }
        let [engine, expression] =
            self.condition.object()?.fields(["engine", "expression"], UnknownKeys::Refuse)?;
        let engine = need(engine, "engine")?.string()?.as_plain()?;
        let expression = need(expression, "expression")?.string()?;
        if engine.is_empty() || engine.len() > limits::NAME_BYTES {
            return Err(TrustError::Name("engine"));
        }
        let length = expression.chars().map(char::len_utf8).fold(0_usize, usize::saturating_add);
        if length == 0 || length > limits::CONDITION_BYTES {
            return Err(TrustError::TooMany("expression"));
        }
        Ok(Some(ConditionText { engine, expression }))
    }

    /// Whether an attestation is of a type that is asked for.
    pub(crate) fn asks_for(&self, predicate_type: json::Text<'_>) -> Result<bool, TrustError> {
        for uri in self.types()? {
            if predicate_type.is(uri?) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Judges what an attestation says, by everything but the condition in CEL. `allowed_at` is when this node first
    /// allowed the image.
    pub(crate) fn judge<'s>(
        &self,
        attestation: &Attestation<'s>,
        context: &Context<'_>,
        allowed_at: Option<UnixTime>,
        excused: &dyn Fn(&vex::Suspect<'_>) -> bool,
    ) -> Result<(), Unmet<'s>> {
        self.judge_age(attestation, context, allowed_at)?;
        if let Some(limits) = self.vulnerabilities().map_err(unreadable)? {
            limits.judge(attestation, context, excused)?;
        }
        if let Some(expected) = self.provenance().map_err(unreadable)? {
            expected.judge(attestation, context)?;
        }
        if let Some(denied) = self.packages().map_err(unreadable)? {
            denied.judge(attestation, context)?;
        }
        Ok(())
    }

    fn judge_age<'s>(
        &self,
        attestation: &Attestation<'s>,
        context: &Context<'_>,
        allowed_at: Option<UnixTime>,
    ) -> Result<(), Unmet<'s>> {
        use crate::predicate::Finding;
        use crate::verdict::Reason;
        let Some(most) = self.max_age else { return Ok(()) };
        let made_at = crate::predicate::made_at(attestation, context)?;
        let finding = Finding::MadeAt(made_at);
        if made_at > context.time {
            return Err(Unmet { reason: Reason::AttestationFromFuture, finding });
        }
        let young_at = |now: UnixTime| now.0.checked_sub(made_at.0).is_some_and(|age| age <= most);
        let first = allowed_at.filter(|_| self.max_age_at == AgeAt::First);
        if young_at(context.time) || first.is_some_and(young_at) {
            return Ok(());
        }
        Err(Unmet { reason: Reason::AttestationTooOld, finding })
    }

    fn vulnerabilities(&self) -> Result<Option<vulnerability::Limits<'a>>, TrustError> {
        optional(self.vulnerabilities, vulnerability::Limits::read)
    }

    fn provenance(&self) -> Result<Option<provenance::Expected<'a>>, TrustError> {
        optional(self.provenance, provenance::Expected::read)
    }

    fn packages(&self) -> Result<Option<packages::Denied<'a>>, TrustError> {
        optional(self.packages, packages::Denied::read)
    }
}

fn optional<'a, T>(
    value: Value<'a>,
    read: impl FnOnce(Value<'a>) -> Result<T, TrustError>,
) -> Result<Option<T>, TrustError> {
    if value.is_null() { Ok(None) } else { read(value).map(Some) }
}

/// Everything was read once when the bundle was opened; what does not read now is the bundle's fault.
fn unreadable<'s>(_: TrustError) -> Unmet<'s> {
    Unmet::because(crate::verdict::Reason::TrustInvalid)
}
