//! What was accepted, held against what was signed. Every function here panics where the core was wrong.
//!
//! What nobody signs may differ: white space and unknown members of JSON, spellings of base64, certificates beside the
//! leaf, signatures of others under a checkpoint, Rekor v1's number over all trees where there is no promise, and in a
//! timestamp the response's status, the list of digest algorithms, certificates and unsigned attributes. A second valid
//! signature over the same bytes can be made of an ECDSA one by anybody; it says nothing new, but no change that is made
//! here finds it, so signatures are compared too.

use serde_json::Value;

use crate::der::Node;
use crate::world::{World, bytes_at, decode, text_at};

/// A bundle that was accepted by the root at a place: all that is signed in it is in one honest bundle.
pub fn assert_bundle(world: &World, root: usize, input: &[u8]) {
    let bundle: Value = serde_json::from_slice(input).expect("accepted, and no JSON");
    let problem = |honest: &Value| differs(&bundle, honest, root);
    // A root without logs looks at no entries: what the other one accepts for its timestamp, this one does too.
    let of_root = world.bundles.iter().filter(|(of, _)| root == 1 || *of == root).map(|(_, honest)| honest);
    let mut problems = Vec::new();
    for honest in of_root {
        match problem(honest) {
            None => return,
            Some(what) => problems.push(what),
        }
    }
    // The one that is wrong furthest down says most.
    let closest = problems.iter().max_by_key(|(depth, _)| *depth);
    panic!("accepted, and nobody has signed this: {closest:?}");
}

/// What is signed and not as in the honest bundle, and how far down that is.
fn differs(bundle: &Value, honest: &Value, root: usize) -> Option<(usize, String)> {
    if World::leaf(bundle) != World::leaf(honest) {
        return Some((0, "leaf".into()));
    }
    if World::signature(bundle) != World::signature(honest) {
        return Some((1, "signature".into()));
    }
    for place in ["/dsseEnvelope/payload", "/messageSignature/messageDigest/digest"] {
        if bytes_at(bundle, place) != bytes_at(honest, place)
            && bundle.pointer(place).is_some_and(|v| !v.is_null())
        {
            return Some((2, place.into()));
        }
    }
    if text_at(bundle, "/dsseEnvelope/payloadType") != text_at(honest, "/dsseEnvelope/payloadType") {
        return Some((2, "payload type".into()));
    }
    let items = |document: &Value, place: &str| -> Vec<Value> {
        document.pointer(place).and_then(Value::as_array).cloned().unwrap_or_default()
    };
    if root == 0 {
        const ENTRIES: &str = "/verificationMaterial/tlogEntries";
        let honest = items(honest, ENTRIES);
        let entries = items(bundle, ENTRIES);
        if entries.is_empty() {
            return Some((3, "no entry".into()));
        }
        for entry in entries {
            let problems: Vec<&str> =
                honest.iter().filter_map(|honest| entry_differs(&entry, honest)).collect();
            if problems.len() == honest.len() {
                return Some((3, format!("entry: {problems:?}")));
            }
        }
    }
    const TOKENS: &str = "/verificationMaterial/timestampVerificationData/rfc3161Timestamps";
    let token = |value: &Value| bytes_at(value, "/signedTimestamp");
    let honest: Vec<Vec<u8>> = items(honest, TOKENS).iter().filter_map(token).collect();
    for item in items(bundle, TOKENS) {
        let item = token(&item).unwrap_or_default();
        if !honest.iter().any(|honest| same_token(&item, honest)) {
            return Some((4, "timestamp".into()));
        }
    }
    None
}

fn entry_differs(entry: &Value, honest: &Value) -> Option<&'static str> {
    const PROMISE: &str = "/inclusionPromise/signedEntryTimestamp";
    const NOTE: &str = "/inclusionProof/checkpoint/envelope";
    let is_there = |place: &str| entry.pointer(place).is_some_and(|value| !value.is_null());
    let numbers = |document: &Value, place: &str| {
        document.pointer(place).map(|value| value.as_str().map_or_else(|| value.to_string(), Into::into))
    };
    for place in ["/logId/keyId", "/canonicalizedBody"] {
        if bytes_at(entry, place) != bytes_at(honest, place) {
            return Some("body or log");
        }
    }
    if is_there(PROMISE) {
        if bytes_at(entry, PROMISE) != bytes_at(honest, PROMISE) {
            return Some("promise");
        }
        if ["/integratedTime", "/logIndex"]
            .into_iter()
            .any(|place| numbers(entry, place) != numbers(honest, place))
        {
            return Some("promised time or index");
        }
    }
    if is_there("/inclusionProof") {
        let signed = |document: &Value| -> Option<String> {
            Some(text_at(document, NOTE)?.split_once("\n\n")?.0.to_owned())
        };
        if signed(entry) != signed(honest) {
            return Some("checkpoint");
        }
        for place in ["/inclusionProof/logIndex", "/inclusionProof/treeSize"] {
            if numbers(entry, place) != numbers(honest, place) {
                return Some("proof's numbers");
            }
        }
        let hashes = |document: &Value| -> Vec<Option<Vec<u8>>> {
            let list = document.pointer("/inclusionProof/hashes").and_then(Value::as_array);
            let root = bytes_at(document, "/inclusionProof/rootHash");
            let texts = list.into_iter().flatten().map(|hash| decode(hash.as_str()?));
            core::iter::once(root).chain(texts).collect()
        };
        if hashes(entry) != hashes(honest) {
            return Some("proof's hashes");
        }
    } else if !is_there(PROMISE) {
        return Some("neither promise nor proof");
    }
    None
}

/// A timestamp that was accepted over the signature of an honest one.
pub fn assert_timestamp(input: &[u8], honest: &[u8]) {
    assert!(same_token(input, honest), "accepted, and nobody has signed this timestamp");
}

/// Whether content, signed attributes and signature are the same.
fn same_token(token: &[u8], honest: &[u8]) -> bool {
    token == honest || signed_parts(token).is_some_and(|parts| Some(parts) == signed_parts(honest))
}

fn signed_parts(token: &[u8]) -> Option<[Vec<u8>; 3]> {
    let outer = Node::read(token)?;
    // A response is its status and the token.
    let content = match outer.nodes() {
        [status, token] if status.tag == 0x30 => token,
        _ => &outer,
    };
    let [_, explicit] = content.nodes() else { return None };
    let [data] = explicit.nodes() else { return None };
    let [_, _, encapsulated, .., signers] = data.nodes() else { return None };
    let [signer] = signers.nodes() else { return None };
    let attributes = signer.nodes().iter().find(|node| node.tag == 0xa0)?;
    // Behind the attributes: the algorithm, and the signature.
    let signature = signer.nodes().iter().rev().find(|node| node.tag == 0x04)?;
    Some([encapsulated, attributes, signature].map(Node::write))
}

/// A checkpoint that was accepted as one of the log of this id: its text is an honest one's.
pub fn assert_checkpoint(world: &World, input: &str) {
    let text = |note: &str| note.split_once("\n\n").map(|(text, _)| text.to_owned());
    let honest = world.checkpoints.iter().filter_map(|note| core::str::from_utf8(note).ok()).filter_map(text);
    assert!(
        honest.into_iter().any(|honest| Some(honest) == text(input)),
        "accepted, and no log has signed this"
    );
}

/// A trusted root by which an honest bundle was accepted: it holds what that bundle needs, each in its list, each for the
/// time of signing.
pub fn assert_root(world: &World, input: &str, honest: &str, bundle: &Value) {
    let root: Value = serde_json::from_str(input).expect("accepted, and no JSON");
    let honest: Value = serde_json::from_str(honest).expect("a root");
    let time = "2025-03-01T12:00:05Z";
    assert_eq!(pullward_core::time::UnixTime::parse_rfc3339(time), Some(world.signed_at));
    let covers = |valid: &Value| {
        let word =
            |name: &str| valid[name].as_str().filter(|text| text.len() == time.len() && text.ends_with('Z'));
        // Other spellings are not compared here: fractions, offsets.
        word("start").is_none_or(|start| start <= time) && word("end").is_none_or(|end| time <= end)
    };
    let anchors = |document: &Value, list: &str| -> Vec<Vec<u8>> {
        let items = document[list].as_array().cloned().unwrap_or_default();
        let anchor = |item: &Value| {
            let certificates = item["certChain"]["certificates"].as_array()?;
            covers(&item["validFor"]).then_some(())?;
            anchor_of(&bytes_at(certificates.last()?, "/rawBytes")?)
        };
        items.iter().filter_map(anchor).collect()
    };
    let logs = |document: &Value, list: &str| -> Vec<Vec<u8>> {
        let items = document[list].as_array().cloned().unwrap_or_default();
        let valid = items.iter().filter(|item| covers(&item["publicKey"]["validFor"]));
        valid.filter_map(|item| bytes_at(item, "/publicKey/rawBytes")).collect()
    };
    let shares = |all: Vec<Vec<u8>>, known: Vec<Vec<u8>>, what: &str| {
        assert!(all.iter().any(|item| known.contains(item)), "accepted, and {what} is not in this root");
    };
    const AUTHORITIES: &str = "certificateAuthorities";
    // An intermediate may be the anchor of a root; it then is in the honest one, too.
    let chains: Vec<Vec<u8>> = honest[AUTHORITIES]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|item| item["certChain"]["certificates"].as_array())
        .flatten()
        .filter_map(|certificate| anchor_of(&bytes_at(certificate, "/rawBytes")?))
        .collect();
    shares(anchors(&root, AUTHORITIES), chains, "the certificate authority");
    let is_there = |place: &str| bundle.pointer(place).is_some();
    let listed = |list: &str| root[list].as_array().is_some_and(|items| !items.is_empty());
    if listed("tlogs") && is_there("/verificationMaterial/tlogEntries") {
        shares(logs(&root, "tlogs"), logs(&honest, "tlogs"), "the log");
    }
    if listed("ctlogs") {
        shares(logs(&root, "ctlogs"), logs(&honest, "ctlogs"), "the certificate log");
    }
    assert!(listed("tlogs") || listed("timestampAuthorities"), "accepted, and nobody says when");
}

/// What of a certificate makes it this anchor: subject and public key (RFC 5280, 6.1.1 d). Its own signature is over nothing
/// that a path rests on; who may put an anchor into a root is for whoever signs the trust bundle around it.
fn anchor_of(certificate: &[u8]) -> Option<Vec<u8>> {
    let outer = Node::read(certificate)?;
    let fields = outer.nodes().first()?.nodes();
    // The version is explicit, and left out in version 1.
    let fields = if fields.first()?.tag == 0xa0 { fields.get(1..)? } else { fields };
    let [_serial, _algorithm, _issuer, _validity, subject, key, ..] = fields else { return None };
    Some([subject.write(), key.write()].concat())
}
