//! Kyverno's `validations`: the forms that ask for signatures and attestations, and conditions on what is attested.
//!
//! A validation is a conjunction of questions about every image of the pod. [`Asked::read`] splits it and knows three
//! questions: how many of some attestors have signed an image, how many have signed an attestation of it, and whether
//! something holds of that attestation's statement. Whatever is none of them is refused with its text: dropping it would
//! make the policy ask for less.

use std::collections::{BTreeMap, BTreeSet};

use pullward_core::limits;

use super::expression::Expression;
use super::fields::At;
use super::finding::{Code, Findings};
use crate::condition;

/// What all validations of a policy ask for together.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// Who must have signed the image: so many of these. All entries must be met.
    pub(super) signatures: Vec<Count>,
    /// Attestations by name, each with who must have signed it. All entries must be met.
    pub(super) attestations: Vec<(String, Count)>,
    /// What must hold of the statement, by the name of the attestation.
    pub(super) conditions: BTreeMap<String, Vec<Expression>>,
    /// Which lists of images were asked about.
    pub(super) lists: BTreeSet<&'static str>,
    /// Every name that an expression mentions, as in `("attestors", "cosign")`: also where it is refused.
    pub(super) mentioned: BTreeSet<(&'static str, String)>,
    /// Whether an expression cannot be read: then nobody knows what it mentions.
    pub(super) unread: bool,
}

/// So many of these attestors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) of: Vec<String>,
    pub(super) at_least: usize,
}

/// What may be named in an expression.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) attestors: BTreeSet<String>,
    pub(super) attestations: BTreeSet<String>,
    /// `variables`, written out.
    pub(super) variables: BTreeMap<String, Expression>,
}

/// The lists of images that Kyverno finds in a pod by itself.
const LISTS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// What gives names to items.
const MACROS: [&str; 5] = ["all", "exists", "exists_one", "filter", "map"];

/// Names that Kyverno has given away.
const RESERVED: [&str; 5] = ["images", "attestors", "attestations", "variables", "object"];

/// Largest expression once variables are written out, in parts.
const PARTS: usize = 4 * limits::IMPORT_EXPRESSION_LINKS;

impl Names {
    /// Reads an expression and writes its variables out.
    pub(super) fn expression(&self, text: &str) -> Result<Expression, String> {
        let read =
            Expression::parse(text).map_err(|reason| format!("the expression cannot be read: {reason}"))?;
        let written = read.replace(&mut |part| {
            let name = part.member("variables")?;
            self.variables.get(name).cloned()
        });
        if count(&written) > PARTS {
            return Err("the expression is too large once its variables are written out".to_owned());
        }
        Ok(written)
    }
}

fn count(expression: &Expression) -> usize {
    expression.children().into_iter().map(count).sum::<usize>() + 1
}

impl Asked {
    /// Adds what one validation asks for.
    pub(super) fn read(&mut self, at: &At<'_>, names: &Names, findings: &mut Findings) {
        let Some(text) = at.words(findings) else { return };
        if let Ok(raw) = Expression::parse(text) {
            self.mention(&raw);
        }
        let expression = match names.expression(text) {
            Ok(expression) => expression,
            Err(reason) => {
                self.unread = true;
                return at.say(findings, Code::ImportExpression, reason);
            }
        };
        self.mention(&expression);
        for part in expression.parts("&&") {
            if let Err(reason) = self.part(part, names) {
                let shown: String = part.to_string().chars().take(300).collect();
                at.say(findings, Code::ImportExpression, format!("`{shown}`: {reason}"));
            }
        }
    }

    fn mention(&mut self, expression: &Expression) {
        for of in ["attestors", "attestations", "variables"] {
            if let Some(name) = expression.member(of) {
                self.mentioned.insert((of, name.to_owned()));
            }
        }
        expression.children().into_iter().for_each(|child| self.mention(child));
    }

    /// Whether a name has an effect.
    pub(super) fn mentions(&self, of: &'static str, name: &str) -> bool {
        self.unread || self.mentioned.contains(&(of, name.to_owned()))
    }

    /// One question about all images.
    fn part(&mut self, part: &Expression, names: &Names) -> Result<(), String> {
        let Some((images, variable, question)) = about_each(part) else {
            return Err(unknown_form());
        };
        if RESERVED.contains(&variable) {
            return Err(format!("calls an image `{variable}`, which is the name of something else"));
        }
        let mut lists = BTreeSet::new();
        list_names(images, &mut lists)?;
        self.lists.extend(lists);
        for question in question.parts("&&") {
            self.question(question, variable, names)?;
        }
        Ok(())
    }

    /// One question about an image that goes by the name `variable`.
    fn question(&mut self, question: &Expression, variable: &str, names: &Names) -> Result<(), String> {
        let alternatives = question.parts("||");
        let counts: Vec<_> =
            alternatives.iter().map(|part| compared(part, variable)).collect::<Result<_, _>>()?;
        if counts.iter().all(Option::is_none) {
            return self.condition(question, variable, names);
        }
        let mut counts = counts.into_iter();
        let not_one = || Err("joins by `||` what a rule cannot ask for as an alternative".to_owned());
        let Some(Some((kind, mut joined))) = counts.next() else { return not_one() };
        let alone = alternatives.len() == 1;
        for other in counts {
            // Any of these or any of those is any of both.
            match other {
                Some((other, count)) if other == kind && count.at_least == 1 && joined.at_least == 1 => {
                    joined.of.extend(count.of);
                }
                _ => return not_one(),
            }
        }
        check(&mut joined, alone, names)?;
        match kind {
            None => self.signatures.push(joined),
            Some(name) if !names.attestations.contains(&name) => {
                return Err(format!("`attestations` has no entry {name:?}, or one that cannot be used"));
            }
            Some(name) => self.attestations.push((name, joined)),
        }
        Ok(())
    }

    /// Something that must hold of an attestation's statement.
    fn condition(&mut self, question: &Expression, variable: &str, names: &Names) -> Result<(), String> {
        if names_in(question).contains("statement") {
            return Err(
                "uses the name `statement`, which means the attestation's own to a condition".to_owned()
            );
        }
        let mut read = BTreeSet::new();
        let condition = question.replace(&mut |part| {
            let Expression::Call { of: None, name, arguments } = part else { return None };
            let [image, attestation] = arguments.as_slice() else { return None };
            if name != "extractPayload" || *image != Expression::name(variable) {
                return None;
            }
            read.insert(attestation.member("attestations")?.to_owned());
            Some(Expression::name("statement"))
        });
        let mut read = read.into_iter();
        let Some(name) = read.next() else { return Err(unknown_form()) };
        if let Some(other) = read.next() {
            return Err(format!(
                "compares the attestations {name:?} and {other:?} with each other; a condition sees one statement"
            ));
        }
        if !names.attestations.contains(&name) {
            return Err(format!("`attestations` has no entry {name:?}, or one that cannot be used"));
        }
        if !self.attestations.iter().any(|(known, _)| *known == name) {
            return Err(format!(
                "reads the attestation {name:?} before a validation says who must have signed it; put \
                 `verifyAttestationSignatures` first"
            ));
        }
        carried(&condition, &mut vec!["statement"], variable)?;
        // Functions, sizes and depth are the engine's to judge.
        condition::compile(&condition.to_string()).map_err(|error| error.message)?;
        self.conditions.entry(name).or_default().push(condition);
        Ok(())
    }
}

fn unknown_form() -> String {
    "is in none of the forms that can be carried over; docs/import.md lists them".to_owned()
}

/// `IMAGES.map(i, X).all(e, P)` or `IMAGES.all(i, P)`: the images, their name, and the question about each.
fn about_each(part: &Expression) -> Option<(&Expression, &str, Expression)> {
    let (of, element, holds) = comprehension(part, "all")?;
    match comprehension(of, "map") {
        None => Some((of, element, holds.clone())),
        Some((images, image, value)) => {
            // The image's name must still mean the image where the value is put in.
            if element != image && names_in(holds).contains(image) {
                return None;
            }
            let element = Expression::name(element);
            Some((images, image, holds.replace(&mut |part| (*part == element).then(|| value.clone()))))
        }
    }
}

fn comprehension<'e>(
    part: &'e Expression,
    wanted: &str,
) -> Option<(&'e Expression, &'e str, &'e Expression)> {
    match part {
        Expression::Call { of: Some(of), name, arguments } if name == wanted => match arguments.as_slice() {
            [Expression::Name(variable), body] => Some((of, variable, body)),
            _ => None,
        },
        _ => None,
    }
}

fn names_in(expression: &Expression) -> BTreeSet<&str> {
    match expression {
        Expression::Name(name) => [name.as_str()].into(),
        other => other.children().into_iter().flat_map(names_in).collect(),
    }
}

/// The lists of images that an expression joins.
fn list_names(images: &Expression, lists: &mut BTreeSet<&'static str>) -> Result<(), String> {
    let name = match images {
        Expression::Binary { operator: "+", left, right } => {
            list_names(left, lists)?;
            return list_names(right, lists);
        }
        // `images.?x.orValue([])`
        Expression::Call { of: Some(of), name, arguments } if name == "orValue" => {
            match (&**of, arguments.as_slice()) {
                (Expression::OptionalField { of, name }, [Expression::List(empty)])
                    if **of == Expression::name("images") && empty.is_empty() =>
                {
                    Some(name.as_str())
                }
                _ => None,
            }
        }
        other => other.member("images"),
    };
    let Some(name) = name else { return Err(unknown_form()) };
    match LISTS.into_iter().find(|list| *list == name) {
        Some(list) => {
            lists.insert(list);
            Ok(())
        }
        None => Err(format!(
            "asks about `images.{name}`, which Kyverno takes from other fields of an object; a node judges what it pulls: \
             the images of containers"
        )),
    }
}

/// A comparison of a count of attestors with a number; none where the expression is something else. The first part is
/// the attestation that is meant, none for the image's own signatures.
type Compared = Option<(Option<String>, Count)>;

fn compared(part: &Expression, variable: &str) -> Result<Compared, String> {
    let Expression::Binary { operator, left, right } = part else { return Ok(None) };
    let (call, operator, number) = match (&**left, &**right) {
        (call, Expression::Number(number)) => (call, *operator, number),
        (Expression::Number(number), call) => (call, mirrored(operator), number),
        _ => return Ok(None),
    };
    let Expression::Call { of: None, name, arguments } = call else { return Ok(None) };
    let (kind, list) = match (name.as_str(), arguments.as_slice()) {
        ("verifyImageSignatures", [image, list]) if *image == Expression::name(variable) => (None, list),
        ("verifyAttestationSignatures", [image, attestation, list])
            if *image == Expression::name(variable) =>
        {
            let Some(name) = attestation.member("attestations") else {
                return Err("names the attestation in another way than `attestations.NAME`".to_owned());
            };
            (Some(name.to_owned()), list)
        }
        ("verifyImageSignatures" | "verifyAttestationSignatures", _) => {
            return Err("asks about something else than the image at hand".to_owned());
        }
        _ => return Ok(None),
    };
    let Expression::List(items) = list else {
        return Err("names attestors in another way than `[attestors.NAME, …]`".to_owned());
    };
    let of: Vec<String> =
        items.iter().filter_map(|item| item.member("attestors")).map(str::to_owned).collect();
    if of.len() != items.len() {
        return Err("names attestors in another way than `[attestors.NAME, …]`".to_owned());
    }
    let Ok(number) = number.trim_end_matches(['u', 'U']).parse::<usize>() else {
        return Err("compares the count with something else than a whole number".to_owned());
    };
    let at_least = match operator {
        ">" => number.saturating_add(1),
        ">=" => number,
        "!=" if number == 0 => 1,
        // Exactly all of them is at least all of them.
        "==" if number == of.len() => number,
        "==" => {
            return Err("asks for exactly so many, where a rule can only ask for at least so many".to_owned());
        }
        _ => return Err("asks for few signatures, not for many".to_owned()),
    };
    Ok(Some((kind, Count { of, at_least })))
}

fn mirrored(operator: &'static str) -> &'static str {
    match operator {
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        other => other,
    }
}

/// Whether a count can be asked for at all.
fn check(count: &mut Count, alone: bool, names: &Names) -> Result<(), String> {
    if count.at_least == 0 {
        return Err("is true whatever is signed".to_owned());
    }
    let distinct: BTreeSet<&String> = count.of.iter().collect();
    if distinct.len() < count.of.len() && alone {
        return Err("names an attestor twice, which Kyverno counts twice".to_owned());
    }
    if let Some(unknown) = distinct.iter().find(|name| !names.attestors.contains(name.as_str())) {
        return Err(format!("`attestors` has no entry {unknown:?}, or one that cannot be used"));
    }
    if distinct.len() < count.at_least {
        return Err("asks for more attestors than it names, and is never true".to_owned());
    }
    let mut seen = BTreeSet::new();
    count.of.retain(|name| seen.insert(name.clone()));
    Ok(())
}

/// Whether a condition means the same to pullward: it names nothing but the statement and what it makes itself.
fn carried<'e>(expression: &'e Expression, bound: &mut Vec<&'e str>, image: &str) -> Result<(), String> {
    match expression {
        Expression::Name(name) if matches!(name.as_str(), "true" | "false" | "null") => Ok(()),
        Expression::Name(name) if bound.contains(&name.as_str()) => Ok(()),
        Expression::Name(name) => Err(format!("uses `{name}`, which a node does not have")),
        Expression::OptionalField { .. } => Err("uses `.?`, which conditions do not have".to_owned()),
        Expression::Call { of: Some(of), name, arguments } if MACROS.contains(&name.as_str()) => {
            let (variable, bodies) = match arguments.as_slice() {
                [Expression::Name(variable), body] => (variable, vec![body]),
                [Expression::Name(variable), filter, body] if name == "map" => (variable, vec![filter, body]),
                _ => return Err(format!("uses `{name}` in another way than `{name}(x, …)`")),
            };
            if variable == image || bound.contains(&variable.as_str()) {
                return Err(format!("gives the name `{variable}` to two things"));
            }
            carried(of, bound, image)?;
            bound.push(variable);
            let result = bodies.into_iter().try_for_each(|body| carried(body, bound, image));
            bound.pop();
            result
        }
        Expression::Binary { operator: "/" | "%", .. } => {
            Err("divides: to Kyverno all numbers of a statement have fractions, to pullward those that are written so".to_owned())
        }
        other => other.children().into_iter().try_for_each(|child| carried(child, bound, image)),
    }
}
