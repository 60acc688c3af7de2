//! Reading a mapping so that none of its fields can be forgotten: [`Fields`] remembers which were taken, and what was not
//! is refused by name in [`Fields::finish`].

use super::finding::{Code, Findings};
use super::yaml::{Node, Value};
use crate::policy::problem::nearest;
use crate::policy::source::Position;

/// A value and the path to it.
#[derive(Debug, Clone)]
pub(super) struct At<'d> {
    pub(super) node: &'d Node,
    pub(super) path: String,
}

impl<'d> At<'d> {
    pub(super) fn say(&self, findings: &mut Findings, code: Code, text: impl Into<String>) {
        findings.say(code, Some(self.node.at), &self.path, text);
    }

    pub(super) fn text(&self, findings: &mut Findings) -> Option<&'d str> {
        self.node.text().map_err(|reason| self.say(findings, Code::ImportSyntax, reason)).ok()
    }

    /// A text that is not empty.
    pub(super) fn words(&self, findings: &mut Findings) -> Option<&'d str> {
        let text = self.text(findings)?;
        if text.trim().is_empty() {
            self.say(findings, Code::ImportValue, "is empty");
            return None;
        }
        Some(text)
    }

    pub(super) fn truth(&self, findings: &mut Findings) -> Option<bool> {
        self.node.truth().map_err(|reason| self.say(findings, Code::ImportSyntax, reason)).ok()
    }

    /// The items of a list.
    pub(super) fn items(&self, findings: &mut Findings) -> Vec<Self> {
        let Value::List(items) = &self.node.value else {
            self.say(findings, Code::ImportSyntax, "must be a list");
            return Vec::new();
        };
        let path = |place| format!("{}[{place}]", self.path);
        items.iter().enumerate().map(|(place, node)| Self { node, path: path(place) }).collect()
    }

    /// The texts of a list of texts.
    pub(super) fn texts(&self, findings: &mut Findings) -> Vec<&'d str> {
        self.items(findings).iter().filter_map(|item| item.words(findings)).collect()
    }

    pub(super) fn fields(&self, findings: &mut Findings) -> Option<Fields<'d>> {
        let Value::Map(entries) = &self.node.value else {
            self.say(findings, Code::ImportSyntax, "must be a mapping");
            return None;
        };
        let left = entries.iter().map(|entry| (entry.name.as_str(), entry.at, &entry.value)).collect();
        Some(Fields { path: self.path.clone(), at: self.node.at, left, known: Vec::new() })
    }
}

/// The fields of a mapping that were not taken yet.
#[derive(Debug)]
pub(super) struct Fields<'d> {
    pub(super) path: String,
    pub(super) at: Position,
    left: Vec<(&'d str, Position, &'d Node)>,
    /// What was asked for: what the format has.
    known: Vec<&'static str>,
}

impl<'d> Fields<'d> {
    /// Takes a field. One that holds nothing is not there, as in Kubernetes.
    pub(super) fn take(&mut self, name: &'static str) -> Option<At<'d>> {
        self.known.push(name);
        let place = self.left.iter().position(|(found, ..)| *found == name)?;
        let (_, _, node) = self.left.remove(place);
        (!node.is_null()).then(|| At { node, path: self.path_of(name) })
    }

    /// Takes a field that has to be there.
    pub(super) fn need(&mut self, name: &'static str, findings: &mut Findings) -> Option<At<'d>> {
        let taken = self.take(name);
        if taken.is_none() {
            findings.say(
                Code::ImportField,
                Some(self.at),
                &self.path_of(name),
                "is missing, and the format needs it",
            );
        }
        taken
    }

    /// Takes fields that say nothing to a node.
    pub(super) fn not_needed(&mut self, names: &[&'static str], reason: &str, findings: &mut Findings) {
        self.each(names, Code::NotNeeded, reason, findings);
    }

    /// Takes fields that are all answered in the same way.
    pub(super) fn each(&mut self, names: &[&'static str], code: Code, text: &str, findings: &mut Findings) {
        for name in names {
            if let Some(field) = self.take(name) {
                field.say(findings, code, text);
            }
        }
    }

    /// Whether there is nothing in it that was not taken.
    pub(super) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// Takes all that was not taken: the fields of a mapping from names that people choose.
    pub(super) fn rest(&mut self) -> Vec<At<'d>> {
        let path = self.path.clone();
        let left = std::mem::take(&mut self.left);
        left.into_iter().map(|(name, _, node)| At { node, path: format!("{path}[{name:?}]") }).collect()
    }

    /// Refuses what was not taken.
    pub(super) fn finish(self, findings: &mut Findings) {
        for (name, at, _) in &self.left {
            let near = match nearest(name, self.known.iter().copied()) {
                Some(near) => format!("; did you mean `{near}`?"),
                None => String::new(),
            };
            let text = format!("is no field that this version knows there{near}");
            findings.say(Code::ImportField, Some(*at), &self.path_of(name), text);
        }
    }

    pub(super) fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}
