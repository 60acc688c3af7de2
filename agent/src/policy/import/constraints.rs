//! `matchConstraints`: which objects a policy looks at. Of it, a node knows the pod's namespace.

use std::collections::BTreeSet;

use super::fields::{At, Fields};
use super::finding::{Code, Findings};

/// The label that every namespace has, and that holds its name.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// The namespaces that a rule is for; none for all. `own` is that of a namespaced policy.
pub(super) fn read(spec: &mut Fields<'_>, own: Option<&str>, findings: &mut Findings) -> Vec<String> {
    let mut namespaces: Option<BTreeSet<String>> = own.map(|own| [own.to_owned()].into());
    let Some(at) = spec.take("matchConstraints") else { return namespaces.into_iter().flatten().collect() };
    let Some(mut constraints) = at.fields(findings) else { return Vec::new() };
    if let Some(rules) = constraints.take("resourceRules") {
        let mut pods = false;
        for rule in rules.items(findings) {
            let Some(mut fields) = rule.fields(findings) else { continue };
            let resources = fields.take("resources").map(|at| at.texts(findings)).unwrap_or_default();
            pods |= resources.iter().any(|name| matches!(*name, "*" | "*/*" | "pods"));
            for name in ["apiGroups", "apiVersions", "operations", "resourceNames"] {
                if let Some(at) = fields.take(name) {
                    // The group of pods has the empty name.
                    let texts: Vec<_> =
                        at.items(findings).iter().filter_map(|item| item.text(findings)).collect();
                    if name == "resourceNames" && !texts.is_empty() {
                        at.say(
                            findings,
                            Code::Stricter,
                            "a node does not see the names of pods; the rule holds for all of them",
                        );
                    }
                }
            }
            fields.not_needed(&["scope"], "pods have namespaces", findings);
            fields.finish(findings);
        }
        if pods {
            let text = "a node judges the image of every pod that is started on it";
            rules.say(findings, Code::NotNeeded, text);
        } else {
            let text =
                "is about other objects than pods; a node judges the image of every pod, whatever made it";
            rules.say(findings, Code::Stricter, text);
        }
    }
    constraints.not_needed(&["matchPolicy"], "there is one version of a pod on a node", findings);
    constraints.each(
        &["excludeResourceRules"],
        Code::Stricter,
        "a node judges the image of every pod, whatever made it: nothing is left out",
        findings,
    );
    if let Some(at) = constraints.take("objectSelector")
        && selects(&at, findings)
    {
        at.say(
            findings,
            Code::Stricter,
            "a node does not see the labels of pods; the rule holds for all of them",
        );
    }
    if let Some(at) = constraints.take("namespaceSelector") {
        read_selector(&at, &mut namespaces, findings);
        if namespaces.as_ref().is_some_and(BTreeSet::is_empty) {
            at.say(findings, Code::ImportValue, "no namespace is selected, and the policy holds nowhere");
        }
    }
    constraints.finish(findings);
    namespaces.into_iter().flatten().collect()
}

/// Whether a selector selects anything but everything.
fn selects(at: &At<'_>, findings: &mut Findings) -> bool {
    let Some(mut fields) = at.fields(findings) else { return false };
    let labels = fields
        .take("matchLabels")
        .and_then(|at| at.fields(findings))
        .is_some_and(|labels| !labels.is_empty());
    let expressions = fields.take("matchExpressions").is_some_and(|at| !at.items(findings).is_empty());
    fields.finish(findings);
    labels || expressions
}

/// Narrows `namespaces` by what the selector says of their names; what it says of other labels is a remark.
fn read_selector(at: &At<'_>, namespaces: &mut Option<BTreeSet<String>>, findings: &mut Findings) {
    let Some(mut fields) = at.fields(findings) else { return };
    let mut only = |names: BTreeSet<String>| {
        *namespaces = Some(match namespaces.take() {
            Some(before) => before.intersection(&names).cloned().collect(),
            None => names,
        });
    };
    let others = "a node knows the name of a namespace and none of its labels; the rule holds in all that have such names";
    if let Some(labels) = fields.take("matchLabels")
        && let Some(mut labels) = labels.fields(findings)
    {
        if let Some(name) = labels.take(NAME_LABEL)
            && let Some(name) = name.words(findings)
        {
            only([name.to_owned()].into());
        }
        for label in labels.rest() {
            label.say(findings, Code::Stricter, others);
        }
    }
    for item in fields.take("matchExpressions").map(|at| at.items(findings)).unwrap_or_default() {
        let Some(mut expression) = item.fields(findings) else { continue };
        let key = expression.need("key", findings).and_then(|at| at.words(findings));
        let operator = expression.need("operator", findings);
        let values = expression.take("values").map(|at| at.texts(findings)).unwrap_or_default();
        expression.finish(findings);
        let (Some(key), Some(operator)) = (key, operator) else { continue };
        let Some(word) = operator.words(findings) else { continue };
        match (key, word) {
            (NAME_LABEL, "In") => only(values.iter().map(|name| (*name).to_owned()).collect()),
            (NAME_LABEL, "Exists") => item.say(findings, Code::NotNeeded, "every namespace has that label"),
            (NAME_LABEL, "NotIn") => {
                let names = values.join(", ");
                let text = format!(
                    "a rule cannot leave namespaces out, so it holds in {names} too; write a rule for them in front of it"
                );
                item.say(findings, Code::Stricter, text);
            }
            (_, "In" | "NotIn" | "Exists" | "DoesNotExist") => item.say(findings, Code::Stricter, others),
            (_, unknown) => {
                let text = format!("{unknown:?} is none of In, NotIn, Exists, DoesNotExist");
                operator.say(findings, Code::ImportValue, text);
            }
        }
    }
    fields.finish(findings);
}
