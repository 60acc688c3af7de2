//! Root signatures: who must have signed, how often one counts, and that no byte of the file can change.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pullward_core::signature::{KeyType, PublicKey, SignedFormat};
use pullward_core::trust::{TrustError, open_envelope};
use pullward_core::{dsse, encoding, json};
use pullward_tests::mint::{
    Forge, Form, Random, Signer, Trust, digest, edit, pae, sign_trust, trust_envelope, world,
};

const TYPE: &str = "application/vnd.pullward.trust-bundle.v1+json";

fn payload() -> String {
    Trust::of(world().p256(3)).payload()
}

fn open(file: &str, roots: &[&Signer], needed: usize) -> Result<String, TrustError> {
    let roots: Vec<PublicKey> = roots.iter().map(|root| root.public()).collect();
    let mut scratch = vec![0; file.len() + dsse::PAE_ROOM];
    open_envelope(file.as_bytes(), &roots, needed, &mut scratch)
        .map(|payload| core::str::from_utf8(payload).unwrap().to_owned())
}

fn signatures(signed: usize, needed: usize) -> TrustError {
    TrustError::RootSignatures { signed, needed }
}

fn roots() -> [&'static Signer; 4] {
    [world().p256(0), world().p256(1), world().key(KeyType::Ed25519, 0), world().key(KeyType::Ed25519, 1)]
}

fn entry(root: &Signer, payload: &str) -> (String, String) {
    let message = pae(TYPE, payload.as_bytes());
    let signature = root.sign(SignedFormat::Ours, &message, &mut Random::for_test("entry"));
    (root.id_hex(), STANDARD.encode(signature))
}

#[test]
fn k_distinct_roots_must_have_signed() {
    let payload = payload();
    let all = roots();
    for signed in 1..=4 {
        let file = sign_trust(&payload, &all[..signed]);
        for needed in 1..=5 {
            let expected =
                if signed >= needed { Ok(payload.clone()) } else { Err(signatures(signed, needed)) };
            assert_eq!(open(&file, &all, needed), expected, "{signed} of {needed}");
        }
    }
}

#[test]
fn a_threshold_of_none_is_met_by_nothing() {
    let payload = payload();
    let file = sign_trust(&payload, &roots());
    assert_eq!(open(&file, &roots(), 0), Err(signatures(4, 0)));
    assert_eq!(open(&file, &[], 0), Err(signatures(0, 0)));
    assert_eq!(open(&file, &[], 1), Err(signatures(0, 1)));
}

/// T-19 and T-15: not signatures count, nor entries, nor key names, but keys.
#[test]
fn a_root_counts_once_however_often_it_signs_or_is_listed() {
    let payload = payload();
    let (a, b) = (roots()[0], roots()[1]);
    let again = entry(a, &payload);
    for file in [
        sign_trust(&payload, &[a, a]),
        sign_trust(&payload, &[a; 16]),
        trust_envelope(&payload, &[again.clone(), again.clone()]),
        // one signature under two names
        trust_envelope(&payload, &[again.clone(), (b.id_hex(), again.1.clone())]),
        trust_envelope(&payload, &[(String::new(), again.1.clone()), ("x".into(), entry(a, &payload).1)]),
    ] {
        assert_eq!(open(&file, &[a, b], 2), Err(signatures(1, 2)));
        assert_eq!(open(&file, &[a, a], 2), Err(signatures(1, 2)));
        assert_eq!(open(&file, &[a, b], 1), Ok(payload.clone()));
    }
    assert_eq!(open(&sign_trust(&payload, &[a, b, a]), &[a, b, a, b], 2), Ok(payload.clone()));
}

#[test]
fn key_names_decide_nothing() {
    let payload = payload();
    let [a, b, ..] = roots();
    let (of_a, of_b) = (entry(a, &payload).1, entry(b, &payload).1);
    for (first, second) in [
        (a.id_hex(), b.id_hex()),
        (b.id_hex(), a.id_hex()),
        (a.id_hex(), a.id_hex()),
        (String::new(), "?".into()),
    ] {
        let file = trust_envelope(&payload, &[(first, of_a.clone()), (second, of_b.clone())]);
        assert_eq!(open(&file, &[a, b], 2), Ok(payload.clone()));
    }
}

#[test]
fn unsigned_and_by_another_root() {
    let payload = payload();
    let [a, b, ..] = roots();
    assert_eq!(
        open(&trust_envelope(&payload, &[]), &[a], 1),
        Err(TrustError::Envelope(dsse::Error::SignatureCount))
    );
    let by_b = sign_trust(&payload, &[b]);
    assert_eq!(open(&by_b, &[a], 1), Err(signatures(0, 1)));
    assert_eq!(open(&by_b, &[a], 1).unwrap_err().code(), "trust-wrong-root");
    assert_eq!(open(&by_b, &[a, b], 2).unwrap_err().code(), "trust-threshold");
    // Bytes where a signature belongs, and another document's signature.
    for sig in ["", "AAAA", &entry(a, "{}").1, &STANDARD.encode([0; 64]), &STANDARD.encode([0x30, 0])] {
        let file = trust_envelope(&payload, &[(a.id_hex(), sig.into())]);
        assert_eq!(open(&file, &[a], 1), Err(signatures(0, 1)), "{sig}");
    }
    // A signature that is not even base64 is one that does not verify; beside it a good one counts.
    let broken = (a.id_hex(), "?".to_string());
    assert_eq!(
        open(&trust_envelope(&payload, core::slice::from_ref(&broken)), &[a], 1),
        Err(signatures(0, 1))
    );
    assert_eq!(open(&trust_envelope(&payload, &[broken, entry(a, &payload)]), &[a], 1), Ok(payload.clone()));
}

#[test]
fn sixteen_signatures_are_read_and_seventeen_are_refused() {
    let payload = payload();
    let a = roots()[0];
    let good = entry(a, &payload);
    let junk = |count: usize| vec![(String::new(), "AAAA".to_string()); count];
    assert_eq!(
        open(&trust_envelope(&payload, &[junk(15), vec![good.clone()]].concat()), &[a], 1),
        Ok(payload.clone())
    );
    for file in [[vec![good.clone()], junk(16)].concat(), [junk(16), vec![good]].concat()] {
        let refused = Err(TrustError::Envelope(dsse::Error::SignatureCount));
        assert_eq!(open(&trust_envelope(&payload, &file), &[a], 1), refused);
    }
}

/// Our own documents are P-256 or Ed25519; and a root's signature over other content is no root's signature.
#[test]
fn only_p256_and_ed25519_sign_a_bundle() {
    let payload = payload();
    for kind in [KeyType::P384, KeyType::Rsa] {
        let root = world().key(kind, 0);
        assert_eq!(open(&sign_trust(&payload, &[root]), &[root], 1), Err(signatures(0, 1)), "{kind:?}");
    }
    for kind in [KeyType::P256, KeyType::Ed25519] {
        let root = world().key(kind, 0);
        assert_eq!(open(&sign_trust(&payload, &[root]), &[root], 1), Ok(payload.clone()), "{kind:?}");
        // The bare payload signed, as a tool that forgets the encoding would.
        let bare = root.sign(SignedFormat::Ours, payload.as_bytes(), &mut Random::for_test("bare"));
        let file = trust_envelope(&payload, &[(root.id_hex(), STANDARD.encode(bare))]);
        assert_eq!(open(&file, &[root], 1), Err(signatures(0, 1)), "{kind:?}");
    }
}

#[test]
fn another_documents_type_is_refused() {
    let payload = payload();
    let a = roots()[0];
    let file = edit(&sign_trust(&payload, &[a]), TYPE, "application/vnd.pullward.override.v1+json");
    assert_eq!(open(&file, &[a], 1), Err(TrustError::Envelope(dsse::Error::PayloadType)));
    // Signed as an attestation, presented as a trust bundle: the type is inside what is signed.
    let statement = Forge::new(Form::Envelope, a, &digest("app")).payload(payload.clone()).message_bytes();
    let signature = a.sign(SignedFormat::Ours, &statement, &mut Random::for_test("type"));
    let file = trust_envelope(&payload, &[(a.id_hex(), STANDARD.encode(signature))]);
    assert_eq!(open(&file, &[a], 1), Err(signatures(0, 1)));
}

#[test]
fn a_file_cut_at_any_byte_is_refused() {
    let a = roots()[0];
    let file = sign_trust(&payload(), &[a]);
    for end in 0..file.len() {
        let error = open(&file[..end], &[a], 1).unwrap_err();
        assert!(
            matches!(error, TrustError::Json(json::Error::Syntax { at }) if at <= end),
            "cut at {end}: {error:?}"
        );
    }
    for tail in ["x", "{}", "\0", ","] {
        let error = open(&format!("{file}{tail}"), &[a], 1).unwrap_err();
        assert_eq!(error, TrustError::Json(json::Error::TrailingBytes));
    }
}

/// Every bit of the file: what opens is the payload that was signed. The only bytes that may change are the value
/// of `keyid`, which decides nothing.
#[test]
fn no_bit_that_matters_can_flip() {
    let a = roots()[0];
    let payload = Trust::new(Vec::new(), Vec::new()).payload();
    let file = sign_trust(&payload, &[a]);
    let start = file.find("\"keyid\":\"").unwrap() + "\"keyid\":\"".len();
    let free = start..start + 64;
    let mut opened = 0;
    for position in 0..file.len() {
        for bit in 0..8 {
            let mut changed = file.clone().into_bytes();
            changed[position] ^= 1 << bit;
            let mut scratch = vec![0; file.len() + dsse::PAE_ROOM];
            if let Ok(found) = open_envelope(&changed, &[a.public()], 1, &mut scratch) {
                assert!(free.contains(&position), "bit {bit} of byte {position}");
                assert_eq!(found, payload.as_bytes());
                opened += 1;
            }
        }
    }
    assert!(opened > 0, "the exception is real");
}

#[test]
fn the_envelope_is_read_strictly() {
    let a = roots()[0];
    let file = sign_trust(&payload(), &[a]);
    let twice = json::Error::DuplicateKey("payload");
    for (from, to, error) in [
        ("\"payload\"", r#""payload":"","payload""#, dsse::Error::Json(twice)),
        ("\"payload\"", r#""PAYLOAD":"","payload""#, dsse::Error::Json(json::Error::TwinKey("payload"))),
        ("\"payload\"", "\"other\"", dsse::Error::Json(json::Error::UnknownKey)),
        ("\"payload\"", r#""other":1,"payload""#, dsse::Error::Json(json::Error::UnknownKey)),
        ("\"sig\"", "\"other\"", dsse::Error::Json(json::Error::UnknownKey)),
        ("\"keyid\"", "\"sig\"", dsse::Error::Json(json::Error::DuplicateKey("sig"))),
        ("\"sig\"", "\"keyid\"", dsse::Error::Json(json::Error::DuplicateKey("keyid"))),
        ("\"signatures\"", "\"other\"", dsse::Error::Json(json::Error::UnknownKey)),
        ("\"payload\":\"", "\"payload\":\"=", dsse::Error::Payload(encoding::Error::Length)),
        ("\"payload\":\"", "\"payload\":\" ", dsse::Error::Payload(encoding::Error::Character)),
    ] {
        assert_eq!(open(&edit(&file, from, to), &[a], 1), Err(TrustError::Envelope(error)), "{to}");
    }
    assert_eq!(open("[]", &[a], 1), Err(TrustError::Envelope(dsse::Error::Json(json::Error::WrongType))));
}

#[test]
fn random_bytes_never_open() {
    let mut random = Random::for_test("random_bytes_never_open");
    let keys: Vec<PublicKey> = roots().iter().map(|root| root.public()).collect();
    let mut scratch = vec![0; 4096];
    for _ in 0..20_000 {
        let length = random.below(2000);
        let noise = random.bytes(length);
        assert!(open_envelope(&noise, &keys, 1, &mut scratch).is_err());
        // The frame is in order and what it holds is noise.
        let signatures = [(String::new(), STANDARD.encode(random.bytes(70)))];
        let framed = trust_envelope(&STANDARD.encode(&noise), &signatures);
        let result = open_envelope(framed.as_bytes(), &keys, 1, &mut vec![0; framed.len() + 128]).err();
        assert_eq!(result, Some(self::signatures(0, 1)));
    }
}

#[test]
fn a_buffer_that_is_too_small_is_our_fault_and_never_a_panic() {
    let a = roots()[0];
    let payload = payload();
    let file = sign_trust(&payload, &[a]);
    for room in (0..payload.len() + dsse::PAE_ROOM).step_by(7) {
        let mut scratch = vec![0; room];
        let error = open_envelope(file.as_bytes(), &[a.public()], 1, &mut scratch).unwrap_err();
        assert_eq!(error, TrustError::Envelope(dsse::Error::Scratch), "{room}");
    }
}
