//! Doubts about what a rule asks of attestations.

use std::ops::Range;

use pullward_core::predicate;
use toml::Spanned;

use super::Doubt;
use crate::condition::{self, Dependence};
use crate::policy::attestation::IMAGE;
use crate::policy::file::{Attestation, PolicyFile, Rule};
use crate::policy::predicate_types::{self, Kind};
use crate::trust::payload::Rule as Checked;
use crate::trust::requirement::Requirement;
use crate::trust::time::Time;

/// Scans are repeated within days; a month old report says little about today.
const LONG_AGE: u64 = 30 * DAY;

const DAY: u64 = 86_400;

/// Warns about the attestations of one rule and the requirements that they became.
pub(super) fn warnings(
    rule: &Rule,
    checked: &Checked,
    now: Time,
    warn: &mut impl FnMut(Option<Range<usize>>, Doubt),
) {
    for (asked, requirement) in rule.attestation.iter().zip(&checked.attestations) {
        age(asked, requirement, warn);
        severities(asked.get_ref(), warn);
        expired(asked.get_ref(), now, warn);
        constant(asked.get_ref(), warn);
        never_covered(asked.get_ref(), requirement, warn);
    }
}

/// Names in `signed_by` and `vex` of attestations.
pub(super) fn authorities(file: &PolicyFile) -> impl Iterator<Item = &Spanned<String>> {
    let attestations = file.rule.iter().flat_map(|rule| &rule.attestation).map(Spanned::get_ref);
    attestations.flat_map(|asked| {
        let vex = asked.vulnerabilities.as_ref().and_then(|bounds| bounds.get_ref().vex.as_ref());
        [asked.signed_by.as_ref(), vex].into_iter().flatten().flat_map(Spanned::get_ref)
    })
}

fn age(
    asked: &Spanned<Attestation>,
    requirement: &Requirement,
    warn: &mut impl FnMut(Option<Range<usize>>, Doubt),
) {
    let report = requirement.types.iter().any(|uri| predicate_types::kind(uri) == Kind::Vulnerabilities);
    let Some((seconds, place)) = requirement.max_age.zip(asked.get_ref().max_age.as_ref()) else {
        if report {
            warn(Some(asked.span()), Doubt::NoMaxAge);
        }
        return;
    };
    if report && seconds > LONG_AGE {
        warn(Some(place.span()), Doubt::LongMaxAge { days: seconds / DAY });
    }
    let timeless = requirement
        .types
        .iter()
        .find(|uri| predicate_types::kind(uri) == Kind::Other && uri.as_str() != predicate::CUSTOM);
    if let Some(uri) = timeless {
        warn(Some(place.span()), Doubt::AgeUnknown { found: predicate_types::short(uri).to_owned() });
    }
}

fn severities(asked: &Attestation, warn: &mut impl FnMut(Option<Range<usize>>, Doubt)) {
    let Some(bounds) = &asked.vulnerabilities else { return };
    let bounds = bounds.get_ref();
    let worst_first = [
        ("critical", &bounds.critical),
        ("high", &bounds.high),
        ("medium", &bounds.medium),
        ("low", &bounds.low),
    ];
    let mut free = None;
    for (severity, bound) in worst_first {
        match (free, bound) {
            (None, None) => free = Some(severity),
            (Some(free), Some(bound)) => {
                warn(Some(bound.span()), Doubt::WorseUnbounded { bounded: severity, free });
                return;
            }
            _ => {}
        }
    }
}

fn expired(asked: &Attestation, now: Time, warn: &mut impl FnMut(Option<Range<usize>>, Doubt)) {
    let ignored = asked.vulnerabilities.iter().flat_map(|bounds| &bounds.get_ref().ignore);
    for (id, until) in ignored.filter_map(|ignored| Some((&ignored.id, ignored.until.as_ref()?))) {
        if Time::parse(&until.get_ref().0).is_ok_and(|until| until <= now) {
            let doubt = Doubt::IgnoreExpired { id: id.get_ref().clone(), until: until.get_ref().0.clone() };
            warn(Some(until.span()), doubt);
        }
    }
}

fn constant(asked: &Attestation, warn: &mut impl FnMut(Option<Range<usize>>, Doubt)) {
    let Some(cel) = &asked.cel else { return };
    let compiled = condition::compile(cel.get_ref());
    if compiled.is_ok_and(|compiled| compiled.dependence() == Dependence::Constant) {
        warn(Some(cel.span()), Doubt::ConstantCondition);
    }
}

fn never_covered(
    asked: &Attestation,
    requirement: &Requirement,
    warn: &mut impl FnMut(Option<Range<usize>>, Doubt),
) {
    let names = asked.signed_by.iter().flat_map(Spanned::get_ref);
    let Some(image) = names.into_iter().find(|name| name.get_ref() == IMAGE) else { return };
    let written = |uri: &str| match predicate_types::kind(uri) {
        Kind::Provenance => true,
        Kind::Packages => predicate_types::short(uri) == "spdx",
        _ => false,
    };
    if let Some(uri) = requirement.types.iter().find(|uri| !written(uri)) {
        warn(Some(image.span()), Doubt::NeverCovered { found: predicate_types::short(uri).to_owned() });
    }
}
