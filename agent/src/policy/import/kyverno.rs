//! Kyverno's `ImageValidatingPolicy` and `NamespacedImageValidatingPolicy` (`policies.kyverno.io`; all three versions have
//! one specification).
//!
//! Kyverno sees pods before they are admitted, a node sees images when they are pulled. What narrows a policy to some pods
//! cannot be said here: the rule then holds for all, which asks for more, and a remark says so. What asks something of an
//! image and cannot be said here is refused.

use std::collections::{BTreeMap, BTreeSet};

use pullward_core::limits;

use super::expression::Expression;
use super::fields::{At, Fields};
use super::finding::{Code, Findings};
use super::glob::Dialect;
use super::validation::{Asked, Count, Names};
use super::{Attestation, Authority, Rule, Translation, attestor, constraints, glob};
use crate::condition;
use crate::trust::payload::Mode;

/// What a policy is for by its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    Cluster,
    Namespace,
}

/// Reads a document.
pub(super) fn read(document: &At<'_>, reach: Reach, to: &mut Translation) {
    let lists = to.lists();
    let findings = &mut to.findings;
    let Some(mut top) = document.fields(findings) else { return };
    drop((top.take("apiVersion"), top.take("kind")));
    let metadata = top.need("metadata", findings).and_then(|at| read_metadata(&at, findings));
    top.not_needed(&["status"], "Kyverno writes it", findings);
    let spec = top.need("spec", findings).and_then(|spec| spec.fields(findings));
    top.finish(findings);
    let (Some((name, namespace)), Some(mut spec)) = (metadata, spec) else { return };

    let own = match (reach, namespace) {
        (Reach::Cluster, _) => None,
        (Reach::Namespace, Some(namespace)) => Some(namespace),
        (Reach::Namespace, None) => {
            let text = "is not said, so the rule holds in every namespace; write `namespaces` into the rule";
            findings.say(Code::Stricter, Some(document.node.at), "metadata.namespace", text);
            None
        }
    };
    let namespaces = constraints::read(&mut spec, own, findings);
    let mode = read_mode(&mut spec, findings);
    read_small(&mut spec, findings);

    let declared = Declared::read(&mut spec, findings);
    let asked = read_validations(&mut spec, &declared, findings);
    let patterns = read_images(&mut spec, findings);
    declared.report_unused(&asked, findings);
    let mut signers_of = BTreeMap::new();
    for at in &declared.attestors {
        if let Some(read) = attestor::read(at, &|name| asked.mentions("attestors", name), lists, findings)
            && let Some(signer) = read.signer
        {
            signers_of.insert(read.name.to_owned(), signer);
        }
    }
    spec.finish(findings);

    let Some((of, at_least)) = signers(&asked, &spec_path(document), document, findings) else { return };
    let attestations = attestations(&asked, &declared, findings);
    let mut names = BTreeMap::new();
    for (attestor, signer) in signers_of {
        let authority = Authority::named(&name, &attestor, signer);
        names.insert(attestor, to.add(authority));
    }
    let renamed =
        |of: &[String]| of.iter().map(|name| names.get(name).cloned().unwrap_or_default()).collect();
    let rule = Rule {
        name: name.clone(),
        origin: format!("ImageValidatingPolicy {name}"),
        at: document.node.at,
        patterns,
        namespaces,
        mode,
        signed_by: renamed(&of),
        at_least,
        attestations: attestations
            .into_iter()
            .map(|(types, of, condition)| Attestation { types, signed_by: renamed(&of), condition })
            .collect(),
    };
    to.rules.push(rule);
}

fn spec_path(document: &At<'_>) -> String {
    let path = &document.path;
    if path.is_empty() { "spec.validations".to_owned() } else { format!("{path}.spec.validations") }
}

/// Name and namespace.
pub(super) fn read_metadata<'d>(at: &At<'d>, findings: &mut Findings) -> Option<(String, Option<&'d str>)> {
    let mut metadata = at.fields(findings)?;
    let name = metadata.need("name", findings).and_then(|name| name.words(findings));
    let namespace = metadata.take("namespace").and_then(|name| name.words(findings));
    let others = [
        "labels",
        "annotations",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "managedFields",
        "ownerReferences",
        "finalizers",
        "generateName",
        "selfLink",
    ];
    metadata.not_needed(&others, "it is about the object, not about images", findings);
    metadata.finish(findings);
    name.map(|name| (name.to_owned(), namespace))
}

/// `validationActions` and `evaluation`.
fn read_mode(spec: &mut Fields<'_>, findings: &mut Findings) -> Mode {
    let actions = spec.take("validationActions");
    let mut mode = Mode::Enforce;
    if let Some(at) = actions {
        let actions = at.texts(findings);
        for unknown in actions.iter().filter(|action| !["Deny", "Audit", "Warn"].contains(action)) {
            at.say(findings, Code::ImportValue, format!("{unknown:?} is none of Deny, Audit, Warn"));
        }
        // Nothing listed is what Kubernetes takes for a field that is not there: Deny.
        if !actions.is_empty() && !actions.contains(&"Deny") {
            mode = Mode::Audit;
        }
    }
    let Some(mut evaluation) = spec.take("evaluation").and_then(|at| at.fields(findings)) else {
        return mode;
    };
    if let Some(at) = evaluation.take("mode")
        && let Some(kind) = at.text(findings)
        && !matches!(kind, "" | "Kubernetes")
    {
        let text =
            format!("{kind} is about documents that are no pods; a node judges the images that it pulls");
        at.say(findings, Code::ImportNotEnforced, text);
    }
    evaluation.not_needed(&["background"], "a node judges when it pulls, not in a scan", findings);
    if let Some(mut admission) = evaluation.take("admission").and_then(|at| at.fields(findings)) {
        if let Some(at) = admission.take("enabled")
            && at.truth(findings) == Some(false)
        {
            let text = "the policy is only reported on, so the rule has mode \"audit\"";
            at.say(findings, Code::Differs, text);
            mode = Mode::Audit;
        }
        admission.finish(findings);
    }
    evaluation.finish(findings);
    mode
}

/// The fields that need one sentence.
fn read_small(spec: &mut Fields<'_>, findings: &mut Findings) {
    if let Some(at) = spec.take("failurePolicy")
        && let Some(policy) = at.text(findings)
    {
        match policy {
            "" | "Fail" => at.say(findings, Code::NotNeeded, "what cannot be judged is denied in any case"),
            "Ignore" => {
                at.say(
                    findings,
                    Code::Stricter,
                    "Ignore lets through what cannot be judged; here that is denied",
                );
            }
            other => at.say(findings, Code::ImportValue, format!("{other:?} is none of Fail, Ignore")),
        }
    }
    if let Some(mut settings) = spec.take("validationConfigurations").and_then(|at| at.fields(findings)) {
        let mutate = settings.take("mutateDigest");
        let verify = settings.take("verifyDigest");
        let truth = |at: &Option<At<'_>>, findings: &mut Findings| {
            at.as_ref().and_then(|at| at.truth(findings)).unwrap_or(true)
        };
        let (mutated, verified) = (truth(&mutate, findings), truth(&verify, findings));
        if let Some(at) = &mutate {
            if !mutated && verified {
                let text = "without it, `verifyDigest` refuses pods that name a tag, which a node cannot do: it is asked \
                            for the digest that the tag leads to; write `verifyDigest: false` if that is enough";
                at.say(findings, Code::ImportNotEnforced, text);
            } else {
                at.say(findings, Code::NotNeeded, "a node pulls the digest that was judged");
            }
        }
        if let Some(at) = &verify {
            at.say(findings, Code::NotNeeded, "a node is always asked about a digest");
        }
        settings.not_needed(&["required"], "an image that no rule matches is denied in any case", findings);
        settings.finish(findings);
    }
    spec.each(
        &["credentials"],
        Code::Elsewhere,
        "registries and their credentials are the node's: `[registry]` of its configuration",
        findings,
    );
    spec.each(
        &["auditAnnotations"],
        Code::Elsewhere,
        "a node's log holds whole verdicts and takes no annotations",
        findings,
    );
    spec.not_needed(&["webhookConfiguration"], "there is no webhook", findings);
    spec.not_needed(&["autogen"], "a node sees the images of pods, whatever made the pods", findings);
    if let Some(at) = spec.take("images") {
        for item in at.items(findings) {
            let Some(mut image) = item.fields(findings) else { continue };
            let name = image.need("name", findings).and_then(|name| name.words(findings)).unwrap_or_default();
            drop(image.need("expression", findings));
            image.finish(findings);
            let text = format!(
                "the images of {name:?} are taken from other fields of an object; a node does not see them"
            );
            item.say(findings, Code::NotNeeded, text);
        }
    }
    if let Some(at) = spec.take("matchConditions") {
        for item in at.items(findings) {
            let Some(mut condition) = item.fields(findings) else { continue };
            let name =
                condition.need("name", findings).and_then(|name| name.words(findings)).unwrap_or_default();
            drop(condition.need("expression", findings));
            condition.finish(findings);
            let text = format!(
                "the condition {name:?} is about pods, which a node does not see; the rule holds for all of them"
            );
            item.say(findings, Code::Stricter, text);
        }
    }
}

/// What the policy gives names to.
struct Declared<'d> {
    names: Names,
    attestors: Vec<At<'d>>,
    /// Attestations that can be asked for: their type.
    types: BTreeMap<String, String>,
    attestations: Vec<(String, At<'d>)>,
    variables: Vec<(String, At<'d>)>,
}

impl<'d> Declared<'d> {
    fn read(spec: &mut Fields<'d>, findings: &mut Findings) -> Self {
        let mut names = Names::default();
        let attestors = spec.need("attestors", findings).map(|at| at.items(findings)).unwrap_or_default();
        // Their names alone: what is wrong with one is said when it is read, and that it has no name, too.
        for at in &attestors {
            if let Some(mut fields) = at.fields(&mut Findings::default())
                && let Some(name) = fields.take("name").and_then(|name| name.text(&mut Findings::default()))
                && !names.attestors.insert(name.to_owned())
            {
                at.say(findings, Code::ImportValue, format!("two attestors are named {name:?}"));
            }
        }
        let (mut types, mut attestations) = (BTreeMap::new(), Vec::new());
        for at in spec.take("attestations").map(|at| at.items(findings)).unwrap_or_default() {
            let Some(mut fields) = at.fields(findings) else { continue };
            let name = fields.need("name", findings).and_then(|name| name.words(findings));
            let intoto = fields.take("intoto");
            let referrer = fields.take("referrer");
            fields.finish(findings);
            let Some(name) = name else { continue };
            if !names.attestations.insert(name.to_owned()) {
                at.say(findings, Code::ImportValue, format!("two attestations are named {name:?}"));
            }
            match (intoto, referrer) {
                (Some(intoto), None) => {
                    if let Some(read) = read_type(&intoto, findings) {
                        types.insert(name.to_owned(), read);
                    }
                }
                (None, Some(referrer)) => drop(read_referrer(&referrer, findings)),
                _ => at.say(findings, Code::ImportField, "needs exactly one of `intoto`, `referrer`"),
            }
            attestations.push((name.to_owned(), at));
        }
        let mut variables = Vec::new();
        for at in spec.take("variables").map(|at| at.items(findings)).unwrap_or_default() {
            let Some(mut fields) = at.fields(findings) else { continue };
            let name = fields.need("name", findings).and_then(|name| name.words(findings));
            let text = fields.need("expression", findings).and_then(|text| text.words(findings));
            fields.finish(findings);
            let (Some(name), Some(text)) = (name, text) else { continue };
            // One that cannot be written out is left as it is, and refused where it is used.
            if let Ok(expression) = names.expression(text) {
                names.variables.insert(name.to_owned(), expression);
            }
            variables.push((name.to_owned(), at));
        }
        Self { names, attestors, types, attestations, variables }
    }

    /// What no validation mentions has no effect, in Kyverno as here; an attestation that one does mention has to be usable.
    fn report_unused(&self, asked: &Asked, findings: &mut Findings) {
        for (name, at) in &self.attestations {
            if !asked.mentions("attestations", name) {
                let text = format!("no validation names the attestation {name:?}, so it is left out");
                at.say(findings, Code::Unused, text);
            } else if !self.types.contains_key(name) {
                let text = "the artifact is attached but nothing in it is a signed statement; attest it: `cosign attest`";
                at.say(findings, Code::ImportNotEnforced, text);
            }
        }
        for (name, at) in &self.variables {
            let code = Code::NotNeeded;
            if asked.mentions("variables", name) {
                at.say(findings, code, "it is written out where it is used");
            } else {
                at.say(findings, code, "no validation uses it");
            }
        }
    }
}

/// The predicate type of `intoto.type`.
fn read_type(at: &At<'_>, findings: &mut Findings) -> Option<String> {
    let mut fields = at.fields(findings)?;
    let kind = fields.need("type", findings);
    fields.finish(findings);
    let kind = kind?;
    let text = kind.words(findings)?;
    match predicate_type(text) {
        Some(text) => Some(text.to_owned()),
        None => {
            let text = format!("{text:?} is neither an alias that cosign knows nor a URI");
            kind.say(findings, Code::ImportValue, text);
            None
        }
    }
}

/// A predicate type as policies name it: cosign's alias, or a URI.
pub(super) fn predicate_type(text: &str) -> Option<&str> {
    match text {
        // To pullward this alias is both versions, to cosign the older one.
        "slsaprovenance" => Some("slsaprovenance02"),
        "custom" | "link" | "vuln" | "openvex" | "spdx" | "spdxjson" | "cyclonedx" | "slsaprovenance02"
        | "slsaprovenance1" => Some(text),
        uri if uri.contains(':') && !uri.contains(|c: char| c.is_whitespace() || c.is_control()) => Some(uri),
        _ => None,
    }
}

fn read_referrer(at: &At<'_>, findings: &mut Findings) -> Option<()> {
    let mut fields = at.fields(findings)?;
    drop(fields.need("type", findings));
    fields.finish(findings);
    Some(())
}

fn read_validations(spec: &mut Fields<'_>, declared: &Declared<'_>, findings: &mut Findings) -> Asked {
    let mut asked = Asked::default();
    let Some(list) = spec.need("validations", findings) else { return asked };
    for at in list.items(findings) {
        let Some(mut validation) = at.fields(findings) else { continue };
        if let Some(expression) = validation.need("expression", findings) {
            asked.read(&expression, &declared.names, findings);
        }
        let reason = "a denial says in pullward's words what is missing";
        validation.not_needed(&["message", "messageExpression", "reason"], reason, findings);
        validation.finish(findings);
    }
    if !asked.lists.is_empty() && !asked.lists.contains("containers") {
        let lists = asked.lists.iter().copied().collect::<Vec<_>>().join(" and ");
        let text = format!("asks about {lists} alone; a node asks about every image that it pulls");
        list.say(findings, Code::Stricter, text);
    }
    asked
}

/// `matchImageReferences`: any of them, and every image where there are none.
fn read_images(spec: &mut Fields<'_>, findings: &mut Findings) -> Vec<String> {
    let items = spec.take("matchImageReferences").map(|at| at.items(findings)).unwrap_or_default();
    if items.is_empty() {
        return vec!["**".to_owned()];
    }
    let mut patterns = BTreeSet::new();
    for item in items {
        let Some(mut fields) = item.fields(findings) else { continue };
        let (text, expression) = (fields.take("glob"), fields.take("expression"));
        fields.finish(findings);
        let (at, globs) = match (text, expression) {
            (Some(at), None) => {
                let Some(glob) = at.words(findings) else { continue };
                (at, vec![glob.to_owned()])
            }
            (None, Some(at)) => {
                let Some(text) = at.words(findings) else { continue };
                match globs_of(text) {
                    Ok(globs) => (at, globs),
                    Err(reason) => {
                        at.say(findings, Code::ImportExpression, reason);
                        continue;
                    }
                }
            }
            _ => {
                item.say(findings, Code::ImportField, "needs exactly one of `glob`, `expression`");
                continue;
            }
        };
        for glob in globs {
            match glob::translate(&glob, Dialect::Kyverno) {
                Ok(read) => {
                    if let Some(wider) = read.wider {
                        let shown =
                            read.patterns.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>().join(", ");
                        at.say(findings, Code::Stricter, format!("becomes {shown}, and so {wider}"));
                    }
                    patterns.extend(read.patterns);
                }
                Err(reason) => at.say(findings, Code::ImportPattern, format!("`{glob}` {reason}")),
            }
        }
    }
    // The others are in it.
    if patterns.contains("**") {
        return vec!["**".to_owned()];
    }
    if patterns.len() > limits::RULE_PATTERNS {
        let text = format!("become more than {} patterns; split the policy", limits::RULE_PATTERNS);
        findings.say(Code::ImportPattern, Some(spec.at), &spec.path_of("matchImageReferences"), text);
    }
    patterns.into_iter().collect()
}

/// The globs that an expression over `ref` stands for.
fn globs_of(text: &str) -> Result<Vec<String>, String> {
    let expression = Expression::parse(text).map_err(|reason| format!("cannot be read: {reason}"))?;
    let glob = |part: &Expression| {
        let (start, end) = match part {
            Expression::Call { of: Some(of), name, arguments } if name == "startsWith" => {
                match (&**of, arguments.as_slice()) {
                    (Expression::Name(of), [Expression::Text(start)]) if of == "ref" => (start, "*"),
                    _ => return None,
                }
            }
            Expression::Binary { operator: "==", left, right } => match (&**left, &**right) {
                (Expression::Name(of), Expression::Text(text))
                | (Expression::Text(text), Expression::Name(of))
                    if of == "ref" =>
                {
                    (text, "")
                }
                _ => return None,
            },
            _ => return None,
        };
        (!start.contains('*')).then(|| format!("{start}{end}"))
    };
    let globs: Option<Vec<String>> = expression.parts("||").into_iter().map(glob).collect();
    globs.ok_or_else(|| {
        "is none of `ref.startsWith(\"…\")`, `ref == \"…\"` and those joined by `||`; write a glob".to_owned()
    })
}

/// Who must have signed the image, and how many of them: one list for all that the validations ask for.
fn signers(
    asked: &Asked,
    path: &str,
    document: &At<'_>,
    findings: &mut Findings,
) -> Option<(Vec<String>, u64)> {
    let refused = findings.refused();
    let mut say = |code, text: &str| findings.say(code, Some(document.node.at), path, text);
    if !asked.signatures.is_empty() {
        let joined = join(asked.signatures.iter());
        if joined.is_none() {
            say(
                Code::ImportNotEnforced,
                "two validations ask for signatures by different attestors, in a way that one list with `at_least` cannot \
                 say; ask for all of some, or for so many of one list",
            );
        }
        return joined;
    }
    // Each attestation alone is enough for Kyverno, and a rule asks for a signature beside it.
    let joined = join(asked.attestations.iter().map(|(_, count)| count));
    match &joined {
        Some(_) => say(
            Code::Stricter,
            "no validation asks for a signature of the image itself; the rule asks for one by whoever signs the attestation",
        ),
        // Where a validation was refused, that says it.
        None if asked.attestations.is_empty() && !refused => {
            say(Code::ImportExpression, "nothing is asked for that a node can check");
        }
        None if asked.attestations.is_empty() => {}
        None => say(
            Code::ImportNotEnforced,
            "no validation asks for a signature of the image itself, and attestations are asked for from different attestors; \
             add a validation with `verifyImageSignatures`",
        ),
    }
    joined
}

/// One list and one count that say the same as all of these together, where there is one.
fn join<'c>(counts: impl Iterator<Item = &'c Count>) -> Option<(Vec<String>, u64)> {
    let mut joined: Option<Count> = None;
    for count in counts {
        joined = Some(match joined {
            None => count.clone(),
            Some(before) => {
                let (mut one, mut other) = (before.of.clone(), count.of.clone());
                one.sort();
                other.sort();
                if one == other {
                    Count { at_least: before.at_least.max(count.at_least), of: before.of }
                } else if before.at_least == before.of.len() && count.at_least == count.of.len() {
                    let more = count.of.iter().filter(|name| !before.of.contains(name)).cloned();
                    let of: Vec<String> = before.of.iter().cloned().chain(more).collect();
                    Count { at_least: of.len(), of }
                } else {
                    return None;
                }
            }
        });
    }
    joined.map(|count| (count.of, u64::try_from(count.at_least).unwrap_or(u64::MAX)))
}

type Requirement = (Vec<String>, Vec<String>, Option<String>);

/// One requirement for each attestation that must have been signed by somebody.
fn attestations(asked: &Asked, declared: &Declared<'_>, findings: &mut Findings) -> Vec<Requirement> {
    let mut requirements: Vec<Requirement> = Vec::new();
    for (name, count) in &asked.attestations {
        // Without a type it has been refused.
        let Some(kind) = declared.types.get(name) else { continue };
        let at = declared.attestations.iter().find(|(known, _)| known == name).map(|(_, at)| at);
        let conditions = asked.conditions.get(name);
        let condition = conditions.map(|all| match all.as_slice() {
            [one] => one.to_string(),
            all => all.iter().map(|one| format!("({one})")).collect::<Vec<_>>().join(" && "),
        });
        if let (Some(condition), Some(at)) = (&condition, at) {
            if let Err(error) = condition::compile(condition) {
                let text = format!("the conditions on it cannot be put together: {}", error.message);
                at.say(findings, Code::ImportExpression, text);
            }
            let text = "where several of this type are attached, Kyverno looks at one of them, and pullward takes any single \
                        one that meets everything";
            let known =
                findings.0.iter().any(|finding| finding.path == at.path && finding.code == Code::Differs);
            if !known {
                at.say(findings, Code::Differs, text);
            }
        }
        let lists: Vec<Vec<String>> = if count.at_least == 1 {
            vec![count.of.clone()]
        } else if count.at_least == count.of.len() {
            count.of.iter().map(|one| vec![one.clone()]).collect()
        } else {
            if let Some(at) = at {
                let text =
                    "asks for some of several attestors, but not for one or for all of them; a rule cannot";
                at.say(findings, Code::ImportNotEnforced, text);
            }
            continue;
        };
        for of in lists {
            let requirement = (vec![kind.clone()], of, condition.clone());
            if !requirements.contains(&requirement) {
                requirements.push(requirement);
            }
        }
    }
    requirements
}
