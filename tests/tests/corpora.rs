//! Others' evidence: every row of every corpus that holds some takes the whole way, and what comes of it is compared with
//! the expected answer. Where we refuse what others accept, on purpose, the row is listed in `corpora-out-of-scope.txt`
//! with the reason, and must stay so: a row that comes to agree has to be taken off the list.
//!
//! "Accepted" is that a key or identity of the row has verifiably signed a statement about the row's digest, of the type
//! that the row asks for; for an image signature it is an allow. Rows with a certificate, or that want a log, are judged
//! with a trust bundle that holds the row's trusted root; those about an artifact that is no image are put to the
//! conformance client.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a row that does not read fails its test")]

use std::collections::BTreeMap;

use pullward::conformance::{Asked, check};
use pullward_core::judge::{Ruling, Standing};
use pullward_core::oci::Digest;
use pullward_core::signature::PublicKey;
use pullward_core::verdict::Reason;
use pullward_core::verify::{Artifact, KeyLimits};
use pullward_tests::Corpora;
use pullward_tests::mint::{
    Ask, Authority, Key, Minted, Node, Requirement, Rule, Trust, ask_key, digest, instant, world,
};
use serde_json::Value;

const LIST: &str = include_str!("../corpora-out-of-scope.txt");

/// The corpora that hold evidence.
const CORPORA: [&str; 9] = [
    "conformance",
    "cosign-sig",
    "cosign-v3-capture",
    "dsse-legacy-cert",
    "gcb",
    "npm",
    "sigstore-clients",
    "slsa-bundles",
    "slsa-oci-att",
];

/// What the core made of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Made {
    Accepted,
    Refused(String),
    /// Not evidence: a policy, for instance.
    Nothing,
}

/// The listed rows, each with its reason.
fn listed() -> BTreeMap<&'static str, &'static str> {
    let lines = LIST.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut listed = BTreeMap::new();
    for line in lines {
        let (id, reason) = line.split_once(' ').unwrap_or_else(|| panic!("{line} gives no reason"));
        assert_eq!(listed.insert(id, reason), None, "{id} is listed twice");
    }
    listed
}

fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name).and_then(Value::as_str)
}

/// The digest of the row; the SHA-256 of nothing that is signed where it has none.
fn digest_of(row: &Value) -> Digest {
    let inputs = &row["inputs"];
    let named = [text(inputs, "image_digest"), text(row, "image_digest"), text(inputs, "artifact_digest")];
    let named = named.into_iter().flatten().find_map(|text| Digest::parse(text).ok());
    named.unwrap_or_else(|| digest("the row names none"))
}

/// The keys that the row trusts. A row without any is put to a key that has nothing to do with it.
fn keys_of(corpora: &Corpora, row: &Value) -> Vec<PublicKey> {
    use base64::Engine as _;
    let inputs = &row["inputs"];
    let pem = |path: &str| PublicKey::from_pem(&String::from_utf8(corpora.bytes(path)).unwrap()).unwrap();
    if let Some(path) = text(inputs, "key") {
        return vec![pem(path)];
    }
    if let Some(path) = text(inputs, "keys") {
        let document = corpora.json(path);
        let keys = document["keys"].as_array().unwrap().iter();
        let spki = keys.filter_map(|key| key["publicKey"]["rawBytes"].as_str());
        let decode = |text| base64::engine::general_purpose::STANDARD.decode(text).unwrap();
        return spki.map(|text| PublicKey::from_spki(&decode(text)).unwrap()).collect();
    }
    if let Some(envelopes) = row.get("envelopes").and_then(Value::as_array) {
        let signatures = envelopes.iter().filter_map(|envelope| envelope["signatures"].as_array()).flatten();
        let keys: Vec<PublicKey> =
            signatures.filter_map(|signature| text(signature, "key")).map(pem).collect();
        if !keys.is_empty() {
            return keys;
        }
    }
    vec![world().p256(0).public()]
}

/// cosign's annotations about certificate, chain, log entry and timestamp.
fn annotated(annotations: &Value) -> [Option<String>; 4] {
    ["certificate", "chain", "bundle", "rfc3161timestamp"]
        .map(|name| text(annotations, &format!("dev.sigstore.cosign/{name}")).map(str::to_owned))
}

/// Everything in the row that is evidence.
fn evidence_of(corpora: &Corpora, row: &Value) -> Vec<Minted> {
    let inputs = &row["inputs"];
    if let Some(path) = text(inputs, "payload") {
        let annotations = corpora.json(text(inputs, "annotations").unwrap());
        let signature =
            text(&annotations, "dev.cosignproject.cosign/signature").unwrap_or_default().to_owned();
        let minted = Minted::SimpleSigning { payload: corpora.bytes(path), signature };
        return vec![Minted::Annotated(Box::new(minted), annotated(&annotations))];
    }
    if let Some(path) = text(inputs, "bundle") {
        return vec![Minted::Bundle(corpora.bytes(path))];
    }
    if let Some(path) = text(inputs, "envelope") {
        let lines = corpora.bytes(path);
        let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        return lines.map(|line| Minted::Envelope(line.to_vec())).collect();
    }
    if let Some(path) = text(inputs, "document") {
        let document = corpora.json(path);
        if let Some(pointer) = text(inputs, "json_pointer") {
            return vec![Minted::Bundle(document.pointer(pointer).unwrap().to_string().into_bytes())];
        }
        let pointers = row["envelopes"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|envelope| text(envelope, "pointer"));
        return pointers
            .filter_map(|pointer| document.pointer(pointer))
            .map(|envelope| Minted::Envelope(envelope.to_string().into_bytes()))
            .collect();
    }
    if let Some(path) = text(inputs, "oci_layout") {
        // The layers of manifests, each with its annotations.
        let blobs = corpora.files(&format!("{path}/blobs/sha256"));
        let documents = blobs.iter().filter_map(|blob| serde_json::from_slice::<Value>(blob).ok());
        let layers: Vec<Value> =
            documents.filter_map(|document| document["layers"].as_array().cloned()).flatten().collect();
        let envelopes = blobs.into_iter().filter(|blob| {
            serde_json::from_slice::<Value>(blob).is_ok_and(|value| value.get("payloadType").is_some())
        });
        return envelopes
            .map(|blob| {
                let digest = Digest::of(&blob).to_string();
                let layer = layers.iter().find(|layer| layer["digest"] == digest.as_str());
                let texts = layer.map(|layer| annotated(&layer["annotations"])).unwrap_or_default();
                Minted::Annotated(Box::new(Minted::Envelope(blob)), texts)
            })
            .collect();
    }
    Vec::new()
}

fn make(corpora: &Corpora, row: &Value) -> Made {
    if text(row, "kind") == Some("cosign-legacy-sig-threshold") {
        return make_threshold(corpora, row);
    }
    if text(&row["inputs"], "trusted_root").is_some() && is_about_an_artifact(corpora, row) {
        return make_artifact(corpora, row);
    }
    let wants_log = text(&row["inputs"]["policy"], "tlog") == Some("set");
    if text(&row["inputs"], "identity").is_some() || wants_log {
        return make_with_root(corpora, row);
    }
    let evidence = evidence_of(corpora, row);
    let image_signature = ["cosign-legacy-sig", "cosign-v3-image"].contains(&row["kind"].as_str().unwrap());
    let mut refused = Vec::new();
    for minted in &evidence {
        for key in keys_of(corpora, row) {
            let answer = ask_key(&key, &Ask::about("row").of(digest_of(row)).with(minted.clone()));
            let accepted = match answer.rows[0].standing {
                Standing::Accepted => answer.ruling == Ruling::Allow,
                Standing::Ignored(reason) => {
                    assert_eq!((answer.ruling, reason), (Ruling::Deny, Reason::PredicateNotSignature));
                    !image_signature
                }
                Standing::Rejected(_) | Standing::Revoked | Standing::Unmet(_) | Standing::Unchained(_) => {
                    false
                }
            };
            if accepted {
                return Made::Accepted;
            }
            refused.push(answer.reason.code());
        }
    }
    refused.dedup();
    if evidence.is_empty() { Made::Nothing } else { Made::Refused(refused.join(" ")) }
}

/// Whether the row's bundle has a signature over an artifact, which is no evidence about an image.
fn is_about_an_artifact(corpora: &Corpora, row: &Value) -> bool {
    let Some(path) = text(&row["inputs"], "bundle") else { return false };
    let bundle = corpora.bytes(path);
    serde_json::from_slice::<Value>(&bundle).is_ok_and(|bundle| bundle.get("messageSignature").is_some())
}

/// An artifact, as the conformance client verifies it.
fn make_artifact(corpora: &Corpora, row: &Value) -> Made {
    let inputs = &row["inputs"];
    let asked = match (text(inputs, "key"), text(inputs, "identity"), text(inputs, "issuer")) {
        (Some(_), ..) => {
            let validity = &inputs["key_validity"];
            let time = |name| text(validity, name).map(instant);
            let limits =
                KeyLimits { valid_from: time("start"), valid_until: time("end"), ..KeyLimits::default() };
            Asked::Key(Box::new(keys_of(corpora, row).remove(0)), limits)
        }
        (None, Some(subject), Some(issuer)) => Asked::Identity { issuer, subject },
        _ => return Made::Refused("nobody is asked for".into()),
    };
    let content = text(inputs, "artifact").map(|path| corpora.bytes(path));
    let digest = digest_of(row);
    let artifact = match &content {
        Some(content) => Artifact::Content(content),
        None => Artifact::Sha256(digest.as_bytes()),
    };
    let bundle = corpora.bytes(text(inputs, "bundle").unwrap());
    let root = corpora.bytes(text(inputs, "trusted_root").unwrap());
    match check(&bundle, &root, asked, &artifact, instant("2026-12-01T00:00:00Z")) {
        Ok(_) => Made::Accepted,
        Err(error) => Made::Refused(format!("{} ({error:?})", error.reason().code())),
    }
}

/// An image by an identity, or by a key with a log, as a node judges it: a trust bundle with the row's root, the public
/// one where the row names none.
fn make_with_root(corpora: &Corpora, row: &Value) -> Made {
    let inputs = &row["inputs"];
    let root = corpora.bytes(text(inputs, "trusted_root").unwrap_or("trust/public-good/trusted_root.json"));
    let authority = match (text(inputs, "identity"), text(inputs, "issuer")) {
        (Some(subject), Some(issuer)) => Authority::identified("row", 0, &[(issuer, subject)]),
        _ => {
            let keys: Vec<Key> = keys_of(corpora, row).iter().map(Key::of_public).collect();
            Authority::logged("row", 0, &keys)
        }
    };
    let mut rule = Rule::enforce("row", &["row"], 1);
    let predicate_type = text(inputs, "predicate_type").filter(|_| text(inputs, "oci_layout").is_some());
    if let Some(predicate_type) = predicate_type {
        let provenance = text(inputs, "require_source").map(|source| {
            let source = source.trim_start_matches("git+");
            format!(
                r#"{{"builder":[],"build_type":[],"source":["{source}"],"commit":[],"entry_point":[],"parameters":{{"require":[],"forbid":[]}},"arguments":{{"require":[],"forbid":[]}},"materials":"optional","base":[]}}"#
            )
        });
        let requirement = Requirement::of(predicate_type, "row")
            .with(|requirement| requirement.provenance = provenance.unwrap_or_else(|| "null".into()));
        rule.attestations = requirement.alone();
    }
    let node = Node::new(&Trust::new(vec![authority], vec![rule]).with_roots(&[&root]));
    let evidence = evidence_of(corpora, row);
    let image_signature = ["cosign-legacy-sig", "cosign-v3-image"].contains(&row["kind"].as_str().unwrap());
    let mut refused = Vec::new();
    for minted in &evidence {
        let answer = node.ask(&Ask::about("row").of(digest_of(row)).with(minted.clone()));
        let accepted = match answer.rows[0].standing {
            Standing::Accepted if image_signature => answer.ruling == Ruling::Allow,
            Standing::Accepted => true,
            // Asked for nothing but that it is a statement.
            Standing::Ignored(Reason::PredicateNotSignature) => !image_signature && predicate_type.is_none(),
            _ => false,
        };
        if accepted {
            assert!(answer.rows[0].time.is_some(), "{row}");
            return Made::Accepted;
        }
        refused.push(format!("{} ({:?})", answer.reason.code(), answer.rows[0].standing));
    }
    refused.dedup();
    if evidence.is_empty() { Made::Nothing } else { Made::Refused(refused.join(" ")) }
}

/// Several keys, as a trust bundle has them: k of n, or all that are required.
fn make_threshold(corpora: &Corpora, row: &Value) -> Made {
    use base64::Engine as _;
    let (inputs, policy) = (&row["inputs"], &row["inputs"]["policy"]);
    let folder = text(inputs, "keys_dir").unwrap();
    let wanted = policy.get("required").unwrap_or_else(|| &policy["keys"]).as_array().unwrap();
    let names: Vec<&str> = wanted.iter().map(|name| name.as_str().unwrap()).collect();
    let authorities: Vec<Authority> = names
        .iter()
        .map(|name| {
            let pem = String::from_utf8(corpora.bytes(&format!("{folder}/{name}.pub"))).unwrap();
            let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
            assert!(base64::engine::general_purpose::STANDARD.decode(&body).is_ok(), "{name}");
            let key = Key { spki: body, ..Key::of(world().p256(0)) };
            Authority { name: (*name).into(), keys: Ok(vec![key]) }
        })
        .collect();
    let at_least =
        policy.get("threshold").map_or(names.len(), |k| usize::try_from(k.as_u64().unwrap()).unwrap());
    let rule = Rule::enforce("row", &names, u64::try_from(at_least).unwrap());
    let node = Node::new(&Trust::new(authorities, vec![rule]));
    let manifest = corpora.json(text(inputs, "sig_manifest").unwrap());
    let mut ask = Ask::about("row").of(digest_of(row));
    for layer in manifest["layers"].as_array().unwrap() {
        let hex = text(layer, "digest").unwrap().trim_start_matches("sha256:");
        let payload = corpora.layer(text(inputs, "blobs").unwrap(), hex);
        let signature = text(&layer["annotations"], "dev.cosignproject.cosign/signature").unwrap().to_owned();
        ask = ask.with(Minted::SimpleSigning { payload, signature });
    }
    let answer = node.ask(&ask);
    if answer.ruling == Ruling::Allow { Made::Accepted } else { Made::Refused(answer.reason.code().into()) }
}

#[test]
fn every_row_is_answered_as_expected_or_listed_with_the_reason() {
    let Some(corpora) = Corpora::at_hand("corpora") else { return };
    let mut listed = listed();
    let mut wrong = Vec::new();
    for corpus in CORPORA {
        let (mut accepted, mut refused, mut out_of_scope, mut not_compared) = (0, 0, 0, 0);
        for row in corpora.manifest(corpus) {
            let id = text(&row, "id").unwrap();
            let made = make(&corpora, &row);
            let agrees = match (text(&row, "expect").unwrap(), &made) {
                ("pass", Made::Accepted) | ("fail", Made::Refused(_)) => true,
                // A document that holds no evidence at all.
                ("fail", Made::Nothing) => true,
                ("pass", _) | ("fail", Made::Accepted) => false,
                // Where known implementations disagree, or nothing is to be verified, there is nothing to compare.
                _ => {
                    not_compared += 1;
                    continue;
                }
            };
            match (agrees, listed.remove(id)) {
                (true, None) if made == Made::Accepted => accepted += 1,
                (true, None) => refused += 1,
                (false, Some(_)) => out_of_scope += 1,
                (true, Some(_)) => wrong.push(format!("{id} is answered as expected: take it off the list")),
                (false, None) => {
                    wrong.push(format!("{id} is expected to {}: {made:?}", text(&row, "expect").unwrap()));
                }
            }
        }
        println!(
            "{corpus}: {accepted} accepted and {refused} refused as expected, {out_of_scope} out of scope, {not_compared} not compared"
        );
    }
    wrong.extend(listed.keys().map(|id| format!("{id} is listed, and no row has that id")));
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_list_gives_a_reason_for_each_row() {
    let listed = listed();
    assert!(listed.values().all(|reason| reason.len() > 10 && !reason.ends_with('.')));
    assert!(listed.keys().all(|id| CORPORA.iter().any(|corpus| id.starts_with(corpus))));
}
