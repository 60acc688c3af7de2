//! Keyless attestors and authorities: identities of the document, and the trusted root that was named for the import.
//!
//! Neither format holds who issues certificates and keeps the logs in a form that a node could take: whoever imports
//! names a trusted root. Without one a keyless signer is refused, with its identities.

use pullward_core::trusted_root::TrustedRoot;

use super::fields::{At, Fields};
use super::finding::{Code, Findings};
use super::identity;

/// What a trusted root lists: what is asked of signatures follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lists {
    logs: bool,
    certificate_logs: bool,
}

impl Lists {
    /// None for what is no trusted root: why is said where the policy is checked as a whole.
    pub(super) fn of(root: &[u8]) -> Self {
        let root = TrustedRoot::read(root);
        Self {
            logs: root.as_ref().is_ok_and(TrustedRoot::lists_transparency_logs),
            certificate_logs: root.as_ref().is_ok_and(TrustedRoot::lists_certificate_logs),
        }
    }
}

/// One identity, as globs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) issuer: String,
    pub(super) subject: String,
}

/// What the document does not ask for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Ignored {
    pub(super) log: bool,
    pub(super) certificate_log: bool,
}

const NO_ROOT: &str = "a node needs the keys of who issues certificates and keeps the log, and the document does not hold \
                       them; name the instance's trusted root with --trusted-root FILE";

/// Reads identities; none where one of them cannot be carried over, and why has been said.
pub(super) fn read(
    at: &At<'_>,
    root: Option<Lists>,
    ignored: Ignored,
    findings: &mut Findings,
) -> Option<Vec<Identity>> {
    let before = findings.0.len();
    let mut fields = at.fields(findings)?;
    let listed = fields.take("identities").map(|list| list.items(findings)).unwrap_or_default();
    let mut identities = Vec::new();
    for item in &listed {
        identities.extend(read_identity(item, root, findings));
    }
    let complete = identities.len() == listed.len();
    if listed.is_empty() {
        let text = "names nobody, and so anybody; write `identities` with issuer and subject";
        at.say(findings, Code::ImportNotEnforced, format!("keyless signing {text}"));
    }
    fields.each(
        &["roots", "additionalExtensions", "ca-cert"],
        Code::ImportNotEnforced,
        "belongs to keyless signing and is not carried over; certificates belong into the trusted root, extensions into \
         the identity's fields",
        findings,
    );
    let ignores = fields.take("insecureIgnoreSCT").and_then(|at| at.truth(findings)) == Some(true);
    let ignored = Ignored { certificate_log: ignored.certificate_log || ignores, ..ignored };
    not_in_document(&mut fields, &["url"], &["trustRootRef"], findings);
    fields.finish(findings);
    let Some(root) = root else {
        if listed.is_empty() {
            at.say(
                findings,
                Code::ImportNotEnforced,
                format!("keyless signing is not carried over: {NO_ROOT}"),
            );
        }
        return None;
    };
    for (lists, ignored, what) in [
        (root.logs, ignored.log, "an entry in a transparency log"),
        (root.certificate_logs, ignored.certificate_log, "that a certificate log has seen the certificate"),
    ] {
        if !lists && !ignored {
            let text =
                format!("asks for {what}, and the trusted root lists no such log; name the root that does");
            at.say(findings, Code::ImportNotEnforced, text);
        }
        if lists && ignored {
            let text = format!("does not ask for {what}; the trusted root lists such logs, so the rule does");
            at.say(findings, Code::Stricter, text);
        }
    }
    let refused = findings.0.iter().skip(before).any(|one| one.code.weight() == super::Weight::Refusal);
    (complete && !refused).then_some(identities)
}

/// Fields that say where an instance is: the trusted root says what of it counts.
pub(super) fn not_in_document(
    fields: &mut Fields<'_>,
    addresses: &[&'static str],
    roots: &[&'static str],
    findings: &mut Findings,
) {
    fields.not_needed(
        addresses,
        "a node asks no service; which of them count is in the trusted root",
        findings,
    );
    let text = "names a trusted root of the cluster's; the one of --trusted-root counts instead";
    fields.each(roots, Code::Differs, text, findings);
}

fn read_identity(at: &At<'_>, root: Option<Lists>, findings: &mut Findings) -> Option<Identity> {
    let mut parts = at.fields(findings)?;
    let mut said = Vec::new();
    let names = ["issuer", "issuerRegExp", "subject", "subjectRegExp", "subjectExpression"];
    let [issuer, issuers, subject, subjects, computed] = names.map(|name| {
        let text = parts.take(name).and_then(|value| value.text(findings)).filter(|text| !text.is_empty());
        said.extend(text.map(|text| format!("{name} {text:?}")));
        text
    });
    parts.finish(findings);
    if root.is_none() {
        let text = format!("the identity of {} is not carried over: {NO_ROOT}", said.join(", "));
        at.say(findings, Code::ImportNotEnforced, text);
        return None;
    }
    if computed.is_some() {
        let text =
            "subjectExpression is computed in the cluster, and a node computes nothing; write the subject";
        at.say(findings, Code::ImportNotEnforced, text);
        return None;
    }
    let issuer = one(at, "issuer", issuer, issuers, findings);
    let subject = one(at, "subject", subject, subjects, findings);
    Some(Identity { issuer: issuer?, subject: subject? })
}

/// A text or an expression as a glob.
fn one(
    at: &At<'_>,
    name: &str,
    text: Option<&str>,
    expression: Option<&str>,
    findings: &mut Findings,
) -> Option<String> {
    let mut refuse = |what: &str, reason: &str| {
        at.say(findings, Code::ImportNotEnforced, format!("{what} {reason}"));
        None
    };
    match (text, expression) {
        (Some(_), Some(_)) => {
            refuse(name, "stands there twice, as a text and as an expression; write one of them")
        }
        (None, None) => {
            refuse(name, "is missing, so any will do, and a node always asks for issuer and subject")
        }
        (Some(text), None) => match identity::literal(text) {
            Ok(glob) => Some(glob),
            Err(reason) => refuse(&format!("{name} {text:?}"), &reason),
        },
        (None, Some(expression)) => match identity::of_expression(expression) {
            Ok(read) => {
                if read.narrower {
                    let text = format!(
                        "{name}RegExp {expression:?} becomes `{}`: a dot in it is a dot, and not any character",
                        read.text
                    );
                    at.say(findings, Code::Stricter, text);
                }
                Some(read.text)
            }
            Err(reason) => refuse(&format!("{name}RegExp {expression:?}"), &reason),
        },
    }
}
