//! Kyverno's `attestors`: who can have signed. Of cosign's, public keys become authorities, and identities do where
//! a trusted root is named.

use super::fields::{At, Fields};
use super::finding::{Code, Findings};
use super::keyless::{self, Identity, Ignored, Lists};
use crate::policy::keys::PublicKeyFile;

/// A public key that somebody signs with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) pem: String,
}

/// Who signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Signer {
    Key(Key),
    /// Any of these, as far as the import's trusted root vouches for them.
    Identities(Vec<Identity>),
}

/// What an attestor is.
pub(super) struct Attestor<'d> {
    pub(super) name: &'d str,
    /// None where it cannot be used, and why has been said.
    pub(super) signer: Option<Signer>,
}

const NO_LOG: &str = "asks for an entry in a transparency log beside the signature, which is not carried over \
                      for keys; where the key alone is meant, write `insecureIgnoreTlog: true`";

/// Reads an attestor. What cannot be enforced is refused only where `used`: an attestor that no validation names has no
/// effect in Kyverno either.
pub(super) fn read<'d>(
    at: &At<'d>,
    used: &dyn Fn(&str) -> bool,
    root: Option<Lists>,
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
    let mut signer = None;
    match (&cosign, &notary) {
        (Some(cosign), None) => {
            signer = cosign.fields(findings).and_then(|fields| read_cosign(fields, root, findings));
        }
        (None, Some(notary)) => notary.say(
            findings,
            Code::ImportNotEnforced,
            "Notary Project signatures (certs, tsaCerts) are not enforced by this version; sign with a key of cosign too",
        ),
        (Some(_), Some(_)) => at.say(findings, Code::ImportValue, "has both `cosign` and `notary`; one of them is meant"),
        (None, None) => at.say(findings, Code::ImportField, "has neither `cosign` nor `notary`"),
    }
    fields.finish(findings);
    Some(Attestor { name, signer })
}

fn read_cosign(mut fields: Fields<'_>, root: Option<Lists>, findings: &mut Findings) -> Option<Signer> {
    let (path, at) = (fields.path.clone(), fields.at);
    let key = fields.take("key");
    let keyless = fields.take("keyless");
    let certificate = fields.take("certificate");
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
    let judged = if key.is_some() {
        Judged::Key
    } else if keyless.is_some() && root.is_some() {
        Judged::Keyless
    } else {
        Judged::Nothing
    };
    let ignored = read_log(&mut fields, judged, findings);
    let identities = keyless.and_then(|keyless| keyless::read(&keyless, root, ignored, findings));
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
    } else if judged == Judged::Keyless {
        keyless::not_in_document(&mut fields, &[], &["tuf", "trustedRoot"], findings);
    } else {
        let text = "trust in certificates is not carried over";
        fields.each(&["tuf", "trustedRoot"], Code::ImportNotEnforced, text, findings);
    }
    let read = key.and_then(|key| key.fields(findings)).and_then(|fields| read_key(fields, findings));
    fields.finish(findings);
    read.map(Signer::Key).or_else(|| identities.map(Signer::Identities))
}

/// By what an attestor's signatures are held to be its.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judged {
    Key,
    /// By identities, with a trusted root.
    Keyless,
    /// By nothing that is carried over.
    Nothing,
}

/// `ctlog`: without it, or without `insecureIgnoreTlog`, Kyverno asks for an entry in the log.
fn read_log(fields: &mut Fields<'_>, judged: Judged, findings: &mut Findings) -> Ignored {
    let key = judged == Judged::Key;
    let Some(log) = fields.take("ctlog") else {
        if key {
            findings.say(
                Code::ImportNotEnforced,
                Some(fields.at),
                &fields.path_of("ctlog"),
                format!("its absence {NO_LOG}"),
            );
        }
        return Ignored::default();
    };
    let Some(mut inner) = log.fields(findings) else { return Ignored::default() };
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
    let mut unseen = None;
    match judged {
        Judged::Key => {
            inner.not_needed(&["url", "rekorPubKey", "ctLogPubKey", "insecureIgnoreSCT"], reason, findings);
        }
        Judged::Keyless => {
            unseen = inner.take("insecureIgnoreSCT").and_then(|at| at.truth(findings));
            keyless::not_in_document(&mut inner, &["url"], &[], findings);
            let text =
                "a log's key belongs into the trusted root; take it out of the document when it is there";
            inner.each(&["rekorPubKey", "ctLogPubKey"], Code::ImportNotEnforced, text, findings);
        }
        Judged::Nothing => {
            let rest = ["url", "rekorPubKey", "ctLogPubKey", "insecureIgnoreSCT"];
            inner.each(&rest, Code::ImportNotEnforced, "logs are not carried over", findings);
        }
    }
    inner.finish(findings);
    Ignored { log: ignored == Some(true), certificate_log: unseen == Some(true) }
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
