//! Policies of neighbours, turned into ours: `pullward policy import`.
//!
//! ```text
//! text ─[yaml]─> Node ─[fields]─> kyverno, cluster_image_policy ─> Translation ─[render]─> policy text, key files
//!                                   ├ attestor, constraints: who, and where
//!                                   ├ glob: images as patterns
//!                                   └ expression → validation: what CEL asks for
//! ```
//!
//! Three promises:
//!
//! - **Nothing is dropped silently.** Every field of a document is taken by name (`fields`); what nobody takes refuses the
//!   import. A field that says nothing to a node is named in the policy's first lines.
//! - **The policy never asks for less.** What cannot be enforced refuses the import; what makes the policy ask for more, or
//!   of more images, is a remark.
//! - **The policy is one**: it is put through [`Policy`] before anybody sees it, with its key files.
//!
//! What an import does *not* do: read a cluster. A key that stands in a Secret, an exception that stands in another object, a
//! policy that stands in another file are not known to it.

mod attestor;
mod cluster_image_policy;
mod constraints;
mod expression;
mod fields;
mod finding;
mod glob;
mod identity;
mod keyless;
mod kyverno;
mod render;
mod validation;
mod yaml;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

pub use finding::{Code, Finding, Weight};
use pullward_core::limits;

use self::attestor::Signer;
use self::fields::At;
use self::finding::Findings;
use self::keyless::Lists;
use self::kyverno::Reach;
use self::yaml::Value;
use super::source::Position;
use super::{Policy, Source};
use crate::trust::payload::Mode;

/// What came of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The policy; none where something refused it.
    pub policy: Option<Imported>,
    /// Everything that there is to say, in the order of the file.
    pub findings: Vec<Finding>,
}

/// A trusted root that whoever imports names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootFile {
    /// What the policy calls it: a path, absolute or relative to the policy.
    pub path: String,
    /// Its content, checked with the policy that comes out.
    pub content: Vec<u8>,
}

/// A policy that was imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Its text, in TOML.
    pub text: String,
    /// The key files that it names, and their content: PEM.
    pub keys: BTreeMap<String, String>,
    /// How many rules it has.
    pub rules: usize,
}

impl Import {
    /// Turns a text into a policy. `name` says in the policy's first line what it was made from.
    ///
    /// Nothing is read but the text, and nothing is written.
    #[must_use]
    pub fn read(name: &str, text: &str) -> Self {
        Self::read_with(name, text, None)
    }

    /// As [`Import::read`], with a trusted root that vouches for the identities of keyless signers.
    #[must_use]
    pub fn read_with(name: &str, text: &str, root: Option<&RootFile>) -> Self {
        let mut translation = Translation::read_with(text, root.cloned());
        let policy = translation.finish(name);
        let mut findings = translation.findings.0;
        // Stable: what has no place comes last.
        findings.sort_by_key(|finding| finding.at.unwrap_or(Position { line: usize::MAX, column: 0 }));
        Self { policy, findings }
    }

    /// The findings of one weight.
    pub fn of_weight(&self, weight: Weight) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |finding| finding.code.weight() == weight)
    }
}

/// What has been understood of a file.
#[derive(Debug, Default)]
struct Translation {
    authorities: Vec<Authority>,
    rules: Vec<Rule>,
    findings: Findings,
    root: Option<RootFile>,
}

#[derive(Debug, Clone)]
struct Authority {
    name: String,
    /// A name that is tried where the first is taken.
    other_name: String,
    /// Of a key.
    file: String,
    signer: Signer,
}

#[derive(Debug)]
struct Rule {
    name: String,
    /// What it was made from.
    origin: String,
    at: Position,
    patterns: Vec<String>,
    namespaces: Vec<String>,
    mode: Mode,
    signed_by: Vec<String>,
    at_least: u64,
    attestations: Vec<Attestation>,
}

#[derive(Debug)]
struct Attestation {
    types: Vec<String>,
    signed_by: Vec<String>,
    condition: Option<String>,
}

impl Authority {
    fn named(policy: &str, name: &str, signer: Signer) -> Self {
        Self {
            name: plain(name),
            other_name: plain(&format!("{policy}-{name}")),
            file: String::new(),
            signer,
        }
    }
}

/// A name with the characters that names of ours, and names of files, can have.
fn plain(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' })
        .take(limits::NAME_BYTES / 2)
        .collect();
    plain.trim_start_matches('.').to_owned()
}

impl Translation {
    #[cfg(test)]
    fn read(text: &str) -> Self {
        Self::read_with(text, None)
    }

    /// What the trusted root lists, where one is named.
    fn lists(&self) -> Option<Lists> {
        self.root.as_ref().map(|root| Lists::of(&root.content))
    }

    fn read_with(text: &str, root: Option<RootFile>) -> Self {
        let mut translation = Self { root, ..Self::default() };
        let documents = match yaml::documents(text) {
            Ok(documents) => documents,
            Err(error) => {
                let template = if text.contains("{{") {
                    "; it looks like a template of Helm, import what `helm template` prints"
                } else {
                    ""
                };
                let text = format!("{}{template}", error.reason);
                translation.findings.say(Code::ImportSyntax, Some(error.at), "", text);
                return translation;
            }
        };
        let several = documents.len() > 1;
        for (place, node) in documents.iter().enumerate() {
            let path = if several { format!("document[{place}]") } else { String::new() };
            translation.document(&At { node, path });
        }
        if translation.rules.is_empty() && !translation.findings.refused() {
            let text = "no policy that can be imported is in it: ImageValidatingPolicy or NamespacedImageValidatingPolicy of \
                        policies.kyverno.io, ClusterImagePolicy of policy.sigstore.dev";
            translation.findings.say(Code::ImportKind, None, "", text);
        }
        if translation.rules.len() > limits::IMPORT_POLICIES {
            let text = format!("more than {} policies in one file; split it", limits::IMPORT_POLICIES);
            translation.findings.say(Code::ImportValue, None, "", text);
        } else {
            translation.refuse_overlaps();
        }
        translation
    }

    fn document(&mut self, document: &At<'_>) {
        let Value::Map(entries) = &document.node.value else {
            return document.say(
                &mut self.findings,
                Code::ImportKind,
                "is no object of Kubernetes: no mapping",
            );
        };
        let word = |name: &str| {
            let entry = entries.iter().find(|entry| entry.name == name)?;
            entry.value.text().ok()
        };
        let (version, kind) = (word("apiVersion").unwrap_or_default(), word("kind").unwrap_or_default());
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        match (group, kind) {
            ("policies.kyverno.io", "ImageValidatingPolicy" | "NamespacedImageValidatingPolicy") => {
                if !["v1", "v1beta1", "v1alpha1"].contains(&version) {
                    let text = format!("version {version:?} is not known; known are v1, v1beta1, v1alpha1");
                    return document.say(&mut self.findings, Code::ImportKind, text);
                }
                let reach = if kind.starts_with("Namespaced") { Reach::Namespace } else { Reach::Cluster };
                kyverno::read(document, reach, self);
            }
            ("policy.sigstore.dev", "ClusterImagePolicy") => {
                if !["v1beta1", "v1alpha1"].contains(&version) {
                    let text = format!("version {version:?} is not known; known are v1beta1, v1alpha1");
                    return document.say(&mut self.findings, Code::ImportKind, text);
                }
                cluster_image_policy::read(document, self);
            }
            ("kyverno.io", "ClusterPolicy" | "Policy") if mentions(document, "verifyImages") => {
                let text = format!(
                    "{kind} with `verifyImages` is Kyverno's former way, deprecated since 1.16; write it as \
                     ImageValidatingPolicy and import that"
                );
                document.say(&mut self.findings, Code::ImportKind, text);
            }
            ("" | "v1", "List") => match entries.iter().find(|entry| entry.name == "items") {
                Some(entry) => {
                    let at = At { node: &entry.value, path: join(&document.path, "items") };
                    for item in at.items(&mut self.findings) {
                        self.document(&item);
                    }
                }
                None => document.say(&mut self.findings, Code::ImportKind, "a List without items"),
            },
            ("", "") if ["default", "transports"].iter().any(|name| word_of(entries, name)) => {
                let text = "a policy.json of containers (Podman, CRI-O) is not imported: its `signedIdentity` compares the name \
                            that stands in a signature, which pullward does not; a signature is for a digest";
                document.say(&mut self.findings, Code::ImportKind, text);
            }
            ("", "") if word_of(entries, "trustPolicies") => {
                let text = "a trust policy of Notation is not imported: Notary Project signatures are not enforced by this version";
                document.say(&mut self.findings, Code::ImportKind, text);
            }
            _ => {
                let name = if kind.is_empty() {
                    "a document without a kind".to_owned()
                } else {
                    format!("{kind} ({group})")
                };
                document.say(
                    &mut self.findings,
                    Code::Skipped,
                    format!("{name} is not imported, and left out"),
                );
            }
        }
    }

    /// Adds an authority and gives the name that it has.
    fn add(&mut self, mut authority: Authority) -> String {
        if let Some(known) = self
            .authorities
            .iter()
            .find(|known| known.name == authority.name && known.signer == authority.signer)
        {
            return known.name.clone();
        }
        // `image` is who covers what is in the image itself.
        let taken = |name: &str| {
            name == "image" || name.is_empty() || self.authorities.iter().any(|known| known.name == name)
        };
        let base = [&authority.name, &authority.other_name].into_iter().find(|name| !taken(name)).cloned();
        let numbered = || {
            (2..).map(|number: u32| format!("{}-{number}", authority.other_name)).find(|name| !taken(name))
        };
        authority.name = base.or_else(numbered).unwrap_or_default();
        authority.file = format!("{}.pub", authority.name);
        self.authorities.push(authority.clone());
        authority.name
    }

    /// In a cluster all policies that match an image have to be met, and of a node's rules the first that matches decides.
    fn refuse_overlaps(&mut self) {
        let apart = |one: &[String], other: &[String]| {
            !one.is_empty() && !other.is_empty() && one.iter().all(|name| !other.contains(name))
        };
        let mut found = Vec::new();
        for (place, rule) in self.rules.iter().enumerate() {
            for earlier in self.rules.iter().take(place) {
                let disjoint = apart(&rule.namespaces, &earlier.namespaces)
                    || rule
                        .patterns
                        .iter()
                        .all(|one| earlier.patterns.iter().all(|other| glob::disjoint(one, other)));
                if !disjoint {
                    let text = format!(
                        "{} matches images that {} matches too: in a cluster both have to be met, and of a node's rules \
                         only the first decides; import each file alone and join the rules, or make one policy of both",
                        rule.origin, earlier.origin
                    );
                    found.push((rule.at, text));
                }
            }
        }
        for (at, text) in found {
            self.findings.say(Code::ImportConflict, Some(at), "", text);
        }
    }

    /// The policy, which has to be one.
    fn finish(&mut self, name: &str) -> Option<Imported> {
        if self.findings.refused() {
            return None;
        }
        let mut names = BTreeSet::new();
        for rule in &mut self.rules {
            let base = rule.name.clone();
            let mut number = 2_u32;
            while !names.insert(rule.name.clone()) {
                rule.name = format!("{base}-{number}");
                number += 1;
            }
        }
        let text = render::policy(self, name);
        let keys: BTreeMap<String, String> = self
            .authorities
            .iter()
            .filter_map(|authority| match &authority.signer {
                Signer::Key(key) => Some((authority.file.clone(), key.pem.clone())),
                Signer::Identities(_) => None,
            })
            .collect();
        let root = self.root.iter().map(|root| (root.path.clone(), root.content.clone()));
        let files =
            keys.iter().map(|(name, pem)| (name.clone(), pem.clone().into_bytes())).chain(root).collect();
        let source = Source::new(PathBuf::from("imported.toml"), text.clone()).with_files(files);
        if let Err(problems) = Policy::from_source(&source) {
            for problem in problems {
                let text = format!("what came out is refused: {} [{}]", problem.fault, problem.fault.code());
                self.findings.say(Code::ImportPolicy, None, "", text);
            }
            return None;
        }
        Some(Imported { text, keys, rules: self.rules.len() })
    }
}

fn word_of(entries: &[yaml::Entry], name: &str) -> bool {
    entries.iter().any(|entry| entry.name == name)
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Whether a field of that name is anywhere in a document.
fn mentions(at: &At<'_>, name: &str) -> bool {
    fn in_value(value: &Value, name: &str) -> bool {
        match value {
            Value::Map(entries) => {
                entries.iter().any(|entry| entry.name == name || in_value(&entry.value.value, name))
            }
            Value::List(items) => items.iter().any(|item| in_value(&item.value, name)),
            Value::Plain(_) | Value::Text(_) => false,
        }
    }
    in_value(&at.node.value, name)
}
