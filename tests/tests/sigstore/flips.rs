//! Mutation: each byte of what a bundle carries is changed, decoded where it is encoded, and the core refuses it.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pullward_tests::sigstore::{
    BundleVersion, EntryKind, Form, KeylessForge, Sent, Shape, Shown, Sigstore, TimeSource,
};
use serde_json::Value;

use crate::core_judges::opinion;

/// One value of a bundle's JSON, by its path.
type Place = Vec<String>;

/// All texts of a document.
fn texts(value: &Value, place: &Place, found: &mut Vec<Place>) {
    let below = |name: String| [place.clone(), vec![name]].concat();
    match value {
        Value::String(_) => found.push(place.clone()),
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                texts(item, &below(n.to_string()), found);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                texts(member, &below(name.clone()), found);
            }
        }
        _ => {}
    }
}

fn pointer(place: &Place) -> String {
    place.iter().map(|name| format!("/{name}")).collect()
}

/// What nobody signs and nothing is decided by: a path, the bytes of it, and why.
const UNSIGNED: [(&str, core::ops::Range<usize>, &str); 3] = [
    (
        "/verificationMaterial/tlogEntries/0/logIndex",
        0..4,
        "without a promise, Rekor v1's number over all trees is a word of whoever sends it",
    ),
    (
        "/verificationMaterial/timestampVerificationData/rfc3161Timestamps/0/signedTimestamp",
        8..9,
        "the response's status: zero and one both grant",
    ),
    (
        "/verificationMaterial/timestampVerificationData/rfc3161Timestamps/0/signedTimestamp",
        37..50,
        "the list of digest algorithms for readers in one pass: the signer says again which one counts",
    ),
];

/// Without certificates that the trusted root has as well: a second copy of one proves nothing, whatever is in it.
fn bare(forge: &mut KeylessForge<'_>) {
    forge.others.clear();
    if forge.shape.has_timestamp() {
        forge.tokens = vec![|forge, signature| {
            let mut token = forge.token(signature);
            token.certificates.clear();
            token.response()
        }];
    }
}

/// The shapes that have every kind of material between them.
const SHAPES: [Shape; 4] = [
    Shape {
        form: Form::Envelope(BundleVersion::Three),
        kind: Some(EntryKind::HashedRekord2),
        shown: Shown::Proof,
        time: TimeSource::Timestamp,
    },
    Shape {
        form: Form::Envelope(BundleVersion::Three),
        kind: Some(EntryKind::Dsse1),
        shown: Shown::Both,
        time: TimeSource::Log,
    },
    Shape {
        form: Form::Envelope(BundleVersion::One),
        kind: Some(EntryKind::Intoto2),
        shown: Shown::Promise,
        time: TimeSource::Log,
    },
    Shape {
        form: Form::Message(BundleVersion::Three),
        kind: Some(EntryKind::HashedRekord1),
        shown: Shown::Proof,
        time: TimeSource::Timestamp,
    },
];

/// Values of `text` with one byte changed in them.
fn changed(text: &str) -> Vec<(usize, String)> {
    match STANDARD.decode(text) {
        Ok(bytes) if bytes.len() > 8 => (0..bytes.len())
            .map(|place| {
                let mut bytes = bytes.clone();
                bytes[place] ^= 1;
                (place, STANDARD.encode(bytes))
            })
            .collect(),
        _ => (0..text.len())
            .filter_map(|place| {
                let mut bytes = text.as_bytes().to_vec();
                bytes[place] ^= 1;
                String::from_utf8(bytes).ok().map(|text| (place, text))
            })
            .collect(),
    }
}

#[test]
fn no_byte_of_a_bundle_can_be_changed_unless_nobody_signs_it() {
    let (sigstore, stranger) = (Sigstore::new("virtual"), Sigstore::new("stranger"));
    let mut refused = 0;
    let mut unsigned = BTreeMap::new();
    let mut wrong = Vec::new();
    for shape in SHAPES {
        let case = KeylessForge::new(&sigstore, &stranger, shape, "app").with(bare).mint();
        let Sent::Bundle(bundle) = &case.sent else { continue };
        let honest: Value = serde_json::from_slice(bundle).unwrap();
        let mut places = Vec::new();
        texts(&honest, &Vec::new(), &mut places);
        for place in places {
            let path = pointer(&place);
            let text = honest.pointer(&path).and_then(Value::as_str).unwrap();
            for (byte, text) in changed(text) {
                let mut forged = honest.clone();
                *forged.pointer_mut(&path).unwrap() = text.into();
                let mut case = case.clone();
                case.sent = Sent::Bundle(forged.to_string().into_bytes());
                if opinion(shape, &case).is_err() {
                    refused += 1;
                } else if UNSIGNED.iter().any(|(place, bytes, _)| *place == path && bytes.contains(&byte)) {
                    unsigned.entry(path.clone()).or_insert_with(BTreeSet::new).insert(byte);
                } else {
                    wrong.push(format!("{path} byte {byte} in {shape:?}"));
                }
            }
        }
    }
    println!("flips: {refused} refused");
    for (path, bytes) in &unsigned {
        println!("not signed: {path}, {} bytes: {bytes:?}", bytes.len());
    }
    assert_eq!(wrong, Vec::<String>::new());
}
