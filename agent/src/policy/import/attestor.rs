//! Kyverno's `attestors`: who can have signed. Of cosign's, those that are a public key become authorities.

use super::fields::{At, Fields};
use super::finding::{Code, Findings};
use crate::policy::keys::PublicKeyFile;

/// A public key that somebody signs with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) pem: String,
}

/// What an attestor is.
pub(super) struct Attestor<'d> {
    pub(super) name: &'d str,
    /// None where it cannot be used, and why has been said.
    pub(super) key: Option<Key>,
}

const NO_LOG: &str = "asks for an entry in a transparency log beside the signature, which is not carried over \
                      for keys; where the key alone is meant, write `insecureIgnoreTlog: true`";

const KEYLESS: &str = "a node needs the keys of who issues certificates and keeps the log, and the document does not hold \
                       them; write `[authority.keyless]` with its `trusted_root` by hand, as far as this version enforces it";

/// Reads an attestor. What cannot be enforced is refused only where `used`: an attestor that no validation names has no
/// effect in Kyverno either.
pub(super) fn read<'d>(
    at: &At<'d>,
    used: &dyn Fn(&str) -> bool,
    findings: &mut Findings,
) -> Option<Attestor<'d>> {
    let mut fields = at.fields(findings)?;
    let name = fields.need("name", findings)?.words(findings)?;
    if !used(name) {
        at.say(
            findings,
            Code::Unused,
            format!("no validation names the attestor {name:?}, so it is left out"),
        );
        return None;
    }
    let cosign = fields.take("cosign");
    let notary = fields.take("notary");
    let mut key = None;
    match (&cosign, &notary) {
        (Some(cosign), None) => key = cosign.fields(findings).and_then(|fields| read_cosign(fields, findings)),
        (None, Some(notary)) => notary.say(
            findings,
            Code::ImportNotEnforced,
            "Notary Project signatures (certs, tsaCerts) are not enforced by this version; sign with a key of cosign too",
        ),
        (Some(_), Some(_)) => at.say(findings, Code::ImportValue, "has both `cosign` and `notary`; one of them is meant"),
        (None, None) => at.say(findings, Code::ImportField, "has neither `cosign` nor `notary`"),
    }
    fields.finish(findings);
    Some(Attestor { name, key })
}

fn read_cosign(mut fields: Fields<'_>, findings: &mut Findings) -> Option<Key> {
    let (path, at) = (fields.path.clone(), fields.at);
    let key = fields.take("key");
    let keyless = fields.take("keyless");
    let certificate = fields.take("certificate");
    if let Some(keyless) = &keyless {
        read_keyless(keyless, findings);
    }
    if let Some(certificate) = &certificate {
        certificate.say(
            findings,
            Code::ImportNotEnforced,
            "certificates (cert, certChain) are not carried over; name the public key in `key.data`: \
             `openssl x509 -pubkey -noout` prints it",
        );
    }
    match [&key, &keyless, &certificate].into_iter().flatten().count() {
        0 => findings.say(Code::ImportField, Some(at), &path, "has none of `key`, `keyless`, `certificate`"),
        1 => {}
        _ => findings.say(
            Code::ImportValue,
            Some(at),
            &path,
            "has more than one of `key`, `keyless`, `certificate`, of which Kyverno takes one and drops the others; write \
             the one that is meant",
        ),
    }
    read_log(&mut fields, key.is_some(), findings);
    if let Some(source) = fields.take("source")
        && let Some(mut source) = source.fields(findings)
    {
        source.each(
            &["repository", "tagPrefix"],
            Code::ImportNotEnforced,
            "signatures are looked for beside the image alone; copy them there with `oras copy -r`",
            findings,
        );
        source.each(
            &["PullSecrets", "signaturePullSecrets"],
            Code::Elsewhere,
            "registry credentials are the node's: `[registry] auth_file` of its configuration",
            findings,
        );
        source.finish(findings);
    }
    fields.each(
        &["annotations"],
        Code::ImportNotEnforced,
        "annotations of a signature are not carried over; what must be said about an image can be attested",
        findings,
    );
    if key.is_some() {
        let reason = "only certificates and logs need it, and a key needs neither";
        fields.not_needed(&["tuf", "trustedRoot"], reason, findings);
    } else {
        let text = "trust in certificates is not carried over";
        fields.each(&["tuf", "trustedRoot"], Code::ImportNotEnforced, text, findings);
    }
    let read = key.and_then(|key| key.fields(findings)).and_then(|fields| read_key(fields, findings));
    fields.finish(findings);
    read
}

/// `ctlog`: without it, or without `insecureIgnoreTlog`, Kyverno asks for an entry in the log.
fn read_log(fields: &mut Fields<'_>, key: bool, findings: &mut Findings) {
    let Some(log) = fields.take("ctlog") else {
        if key {
            findings.say(
                Code::ImportNotEnforced,
                Some(fields.at),
                &fields.path_of("ctlog"),
                format!("its absence {NO_LOG}"),
            );
        }
        return;
    };
    let Some(mut inner) = log.fields(findings) else { return };
    let ignored = inner.take("insecureIgnoreTlog").and_then(|at| at.truth(findings));
    if key && ignored != Some(true) {
        log.say(findings, Code::ImportNotEnforced, NO_LOG);
    }
    let timestamps = inner.take("tsaCertChain");
    if let Some(timestamps) = timestamps {
        let text = "timestamps are not carried over";
        timestamps.say(findings, Code::ImportNotEnforced, text);
    }
    let reason = "only certificates and logs need it, and a key needs neither";
    let rest = ["url", "rekorPubKey", "ctLogPubKey", "insecureIgnoreSCT"];
    if key {
        inner.not_needed(&rest, reason, findings);
    } else {
        inner.each(&rest, Code::ImportNotEnforced, "logs are not carried over", findings);
    }
    inner.finish(findings);
}

/// A public key that stands in the document.
pub(super) fn read_key(mut fields: Fields<'_>, findings: &mut Findings) -> Option<Key> {
    fields.each(
        &["kms"],
        Code::ImportKey,
        "a key in a key management service is not asked for by a node; write its public half into `data`: `cosign \
         public-key --key …` prints it",
        findings,
    );
    fields.each(
        &["expression", "secretRef"],
        Code::ImportKey,
        "a key that is looked up in the cluster can change without anybody signing the change; write its public half into \
         `data`",
        findings,
    );
    if let Some(hash) = fields.take("hashAlgorithm")
        && let Some(name) = hash.text(findings)
        && !matches!(name, "" | "sha256")
    {
        let text =
            format!("{name} is not enforced: the hash follows from the format and the key; sign with sha256");
        hash.say(findings, Code::ImportNotEnforced, text);
    }
    let data = fields.take("data");
    let (path, at) = (fields.path_of("data"), fields.at);
    fields.finish(findings);
    let Some(data) = data else {
        findings.say(Code::ImportField, Some(at), &path, "is missing; the public key is needed itself");
        return None;
    };
    let pem = data.words(findings)?.trim();
    match PublicKeyFile::parse(format!("{pem}\n").as_bytes()) {
        Ok(_) => Some(Key { pem: format!("{pem}\n") }),
        Err(reason) => {
            data.say(findings, Code::ImportKey, format!("cannot be used: {reason}"));
            None
        }
    }
}

/// Identities are read, so that a refusal names them.
pub(super) fn read_keyless(at: &At<'_>, findings: &mut Findings) {
    let Some(mut fields) = at.fields(findings) else { return };
    let identities = fields.take("identities").map(|list| list.items(findings)).unwrap_or_default();
    for identity in &identities {
        let Some(mut parts) = identity.fields(findings) else { continue };
        let mut said = Vec::new();
        for name in ["issuer", "issuerRegExp", "subject", "subjectRegExp", "subjectExpression"] {
            if let Some(value) = parts.take(name).and_then(|value| value.text(findings)) {
                said.push(format!("{name} {value:?}"));
            }
        }
        parts.finish(findings);
        let text = format!("the identity of {} is not carried over: {KEYLESS}", said.join(", "));
        identity.say(findings, Code::ImportNotEnforced, text);
    }
    if identities.is_empty() {
        at.say(findings, Code::ImportNotEnforced, format!("keyless signing is not carried over: {KEYLESS}"));
    }
    fields.each(
        &["roots", "additionalExtensions", "url", "ca-cert", "trustRootRef", "insecureIgnoreSCT"],
        Code::ImportNotEnforced,
        "belongs to keyless signing, which is not carried over",
        findings,
    );
    fields.finish(findings);
}
