//! sigstore policy-controller's `ClusterImagePolicy` (`policy.sigstore.dev`).
//!
//! Any one authority has to pass; one that lists attestations passes by those, and then needs no signature of the image. A
//! rule asks for signatures by any of a list, and for all of its attestations: so several authorities with attestations
//! cannot be said in one rule, and one with attestations asks for a signature besides.

use std::collections::BTreeSet;

use pullward_core::limits;

use super::attestor::{self, Signer};
use super::fields::{At, Fields};
use super::finding::{Code, Findings};
use super::glob::{self, Dialect};
use super::keyless::{self, Ignored, Lists};
use super::kyverno::{predicate_type, read_metadata};
use super::{Attestation, Authority, Rule, Translation};
use crate::trust::payload::Mode;

/// What an authority of the document is.
struct Read {
    name: String,
    kind: Kind,
    /// Predicate types.
    attestations: Vec<String>,
}

enum Kind {
    Signer(Signer),
    Pass,
    Fail,
}

/// Reads a document.
pub(super) fn read(document: &At<'_>, to: &mut Translation) {
    let lists = to.lists();
    let findings = &mut to.findings;
    let Some(mut top) = document.fields(findings) else { return };
    drop((top.take("apiVersion"), top.take("kind")));
    let metadata = top.need("metadata", findings).and_then(|at| read_metadata(&at, findings));
    top.not_needed(&["status"], "policy-controller writes it", findings);
    let spec = top.need("spec", findings).and_then(|spec| spec.fields(findings));
    top.finish(findings);
    let (Some((name, _)), Some(mut spec)) = (metadata, spec) else { return };

    let mut mode = Mode::Enforce;
    if let Some(at) = spec.take("mode") {
        match at.text(findings) {
            Some("" | "enforce") | None => {}
            Some("warn") => mode = Mode::Audit,
            Some(other) => at.say(findings, Code::ImportValue, format!("{other:?} is none of enforce, warn")),
        }
    }
    if let Some(at) = spec.take("match") {
        let others = at.items(findings);
        let text =
            "selects objects by kind and labels, which a node does not see; the rule holds for every pod";
        if !others.is_empty() {
            at.say(findings, Code::Stricter, text);
        }
    }
    let text = "conditions in CUE or Rego are not carried over; write the rule by hand";
    spec.each(&["policy"], Code::ImportNotEnforced, text, findings);
    let patterns = read_images(&mut spec, findings);
    let list = spec.need("authorities", findings);
    let items = list.as_ref().map(|at| at.items(findings)).unwrap_or_default();
    let count = items.len();
    let mut authorities = Vec::new();
    for (place, item) in items.iter().enumerate() {
        authorities.extend(read_authority(item, place, lists, findings));
    }
    spec.finish(findings);
    let Some(list) = list else { return };
    if count == 0 {
        list.say(findings, Code::ImportField, "is empty, and nobody is asked for");
        return;
    }
    if authorities.len() < count {
        // Why has been said.
        return;
    }
    let mut names = BTreeSet::new();
    for authority in &authorities {
        if !names.insert(authority.name.as_str()) {
            list.say(findings, Code::ImportValue, format!("two authorities are named {:?}", authority.name));
        }
    }
    if authorities.iter().any(|one| matches!(one.kind, Kind::Pass)) {
        list.say(
            findings,
            Code::Differs,
            "one of them always passes, so the rule lets every such image through",
        );
        mode = Mode::Allow;
        authorities.clear();
    } else if authorities.iter().all(|one| matches!(one.kind, Kind::Fail)) {
        mode = Mode::Deny;
    }
    if authorities.len() > 1 && authorities.iter().any(|one| !one.attestations.is_empty()) {
        let text = "any one of several authorities is enough, each with attestations of its own, which one rule cannot say";
        list.say(findings, Code::ImportNotEnforced, text);
        return;
    }
    let mut signed_by = Vec::new();
    let mut attestations = Vec::new();
    for authority in authorities {
        let Kind::Signer(signer) = &authority.kind else {
            if mode != Mode::Deny {
                let text =
                    format!("{:?} always fails, and others are enough: it has no effect", authority.name);
                list.say(&mut to.findings, Code::Unused, text);
            }
            continue;
        };
        let renamed = to.add(Authority::named(&name, &authority.name, signer.clone()));
        if !authority.attestations.is_empty() {
            let text = "an authority with attestations needs no signature of the image itself; the rule asks for both";
            list.say(&mut to.findings, Code::Stricter, text);
        }
        attestations.extend(authority.attestations.into_iter().map(|kind| Attestation {
            types: vec![kind],
            signed_by: vec![renamed.clone()],
            condition: None,
        }));
        signed_by.push(renamed);
    }
    let origin = format!("ClusterImagePolicy {name}");
    let (at, namespaces) = (document.node.at, Vec::new());
    to.rules.push(Rule {
        name,
        origin,
        at,
        patterns,
        namespaces,
        mode,
        signed_by,
        at_least: 1,
        attestations,
    });
}

fn read_images(spec: &mut Fields<'_>, findings: &mut Findings) -> Vec<String> {
    let mut patterns = BTreeSet::new();
    let Some(list) = spec.need("images", findings) else { return Vec::new() };
    let items = list.items(findings);
    if items.is_empty() {
        list.say(findings, Code::ImportField, "is empty, and no image is meant");
    }
    for item in items {
        let Some(mut fields) = item.fields(findings) else { continue };
        let glob = fields.need("glob", findings);
        fields.finish(findings);
        let Some(at) = glob else { continue };
        let Some(glob) = at.words(findings) else { continue };
        match glob::translate(glob, Dialect::Sigstore) {
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
    if patterns.contains("**") {
        return vec!["**".to_owned()];
    }
    if patterns.len() > limits::RULE_PATTERNS {
        let text = format!("become more than {} patterns; split the policy", limits::RULE_PATTERNS);
        list.say(findings, Code::ImportPattern, text);
    }
    patterns.into_iter().collect()
}

/// One authority; none where it cannot be asked for, and why has been said.
fn read_authority(at: &At<'_>, place: usize, root: Option<Lists>, findings: &mut Findings) -> Option<Read> {
    let mut fields = at.fields(findings)?;
    let name = fields.take("name").and_then(|name| name.words(findings));
    let name = name.map_or_else(|| format!("authority-{place}"), str::to_owned);
    let (key, keyless, fixed) = (fields.take("key"), fields.take("keyless"), fields.take("static"));
    let identities = keyless.as_ref().and_then(|at| keyless::read(at, root, Ignored::default(), findings));
    let attestations = fields.take("attestations").map(|list| list.items(findings)).unwrap_or_default();
    let count = attestations.len();
    let attestations: Vec<String> =
        attestations.iter().filter_map(|item| read_attestation(item, findings)).collect();
    for source in fields.take("source").map(|list| list.items(findings)).unwrap_or_default() {
        let Some(mut source) = source.fields(findings) else { continue };
        let text = "signatures are looked for beside the image alone; copy them there with `oras copy -r`";
        source.each(&["oci", "tagPrefix"], Code::ImportNotEnforced, text, findings);
        let text = "registry credentials are the node's: `[registry] auth_file` of its configuration";
        source.each(&["signaturePullSecrets"], Code::Elsewhere, text, findings);
        source.finish(findings);
    }
    if let Some(log) = fields.take("ctlog")
        && let Some(mut log) = log.fields(findings)
    {
        if keyless.is_some() && root.is_some() {
            keyless::not_in_document(&mut log, &["url"], &["trustRootRef"], findings);
        }
        let text = "asks for an entry in a transparency log beside the signature, which is not carried over for keys";
        log.each(&["url", "trustRootRef"], Code::ImportNotEnforced, text, findings);
        log.finish(findings);
    }
    let text = "timestamps are not carried over";
    fields.each(&["rfc3161timestamp"], Code::ImportNotEnforced, text, findings);
    fields.not_needed(&["signatureFormat"], "every format is looked for", findings);
    fields.finish(findings);
    let kind = match (key, keyless, fixed) {
        (Some(key), None, None) => {
            Kind::Signer(Signer::Key(attestor::read_key(key.fields(findings)?, findings)?))
        }
        (None, Some(_), None) => Kind::Signer(Signer::Identities(identities?)),
        (None, None, Some(fixed)) => read_static(&fixed, findings)?,
        _ => {
            at.say(findings, Code::ImportField, "needs exactly one of `key`, `keyless`, `static`");
            return None;
        }
    };
    if !matches!(kind, Kind::Signer(_)) && count > 0 {
        at.say(findings, Code::ImportValue, "has attestations that nobody signs");
        return None;
    }
    (attestations.len() == count).then_some(Read { name, kind, attestations })
}

fn read_static(at: &At<'_>, findings: &mut Findings) -> Option<Kind> {
    let mut fields = at.fields(findings)?;
    let action = fields.need("action", findings);
    fields.not_needed(&["message"], "a denial names the rule", findings);
    fields.finish(findings);
    let action = action?;
    match action.text(findings)? {
        "pass" => Some(Kind::Pass),
        "fail" => Some(Kind::Fail),
        other => {
            action.say(findings, Code::ImportValue, format!("{other:?} is none of pass, fail"));
            None
        }
    }
}

/// The type of an attestation that has to be there; none where more is asked of it.
fn read_attestation(at: &At<'_>, findings: &mut Findings) -> Option<String> {
    let mut fields = at.fields(findings)?;
    drop(fields.need("name", findings));
    let kind = fields.need("predicateType", findings);
    let condition = fields.take("policy");
    fields.finish(findings);
    if let Some(condition) = condition {
        let text = "conditions in CUE or Rego are not carried over; write them as fields or `cel` of [[rule.attestation]]";
        condition.say(findings, Code::ImportNotEnforced, text);
        return None;
    }
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
