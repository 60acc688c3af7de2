//! The one spelling of a payload, and every other one refused.

use pullward_core::oci::Digest;

use super::payload::{
    AfterExpiry, Authority, AuthorityKind, DigestList, Index, Key, Mode, Part, Payload, PayloadError,
    Revoked, Rule, min_engine,
};
use super::time::Time;

fn payload() -> Payload {
    Payload {
        schema: 1,
        min_engine: 1,
        audience: "default".into(),
        version: 7,
        issued: Time::parse("2026-11-24T13:00:00Z").unwrap(),
        expires: Time::parse("2027-02-22T13:00:00Z").unwrap(),
        after_expiry: AfterExpiry::DenyNew,
        r#override: None,
        authorities: vec![Authority {
            name: "release".into(),
            kind: AuthorityKind::Key,
            keys: Some(vec![Key {
                r#type: "p256".into(),
                spki: "AAAA".into(),
                valid_from: None,
                valid_until: None,
                retired: false,
            }]),
            trusted_root: None,
            identities: None,
        }],
        trusted_roots: vec![],
        rules: vec![Rule {
            name: "myapp".into(),
            r#match: vec!["docker.io/kcandidate/**".into()],
            digests: None,
            namespaces: vec![],
            mode: Mode::Enforce,
            index: Index::Exact,
            signed_by: vec!["release".into()],
            at_least: 1,
            attestations: vec![],
            contact: String::new(),
        }],
        digest_lists: vec![],
        revoked: Revoked::default(),
        parts: vec![Part { name: "policy.toml".into(), digest: Digest::of(b"x").to_string() }],
    }
}

const BYTES: &str = concat!(
    r#"{"schema":1,"min_engine":1,"audience":"default","version":7,"issued":"2026-11-24T13:00:00Z","#,
    r#""expires":"2027-02-22T13:00:00Z","after_expiry":"deny-new","override":null,"authorities":[{"name":"release","#,
    r#""kind":"key","keys":[{"type":"p256","spki":"AAAA","valid_from":null,"valid_until":null,"retired":false}]}],"#,
    r#""trusted_roots":[],"rules":[{"name":"myapp","match":["docker.io/kcandidate/**"],"digests":null,"namespaces":[],"#,
    r#""mode":"enforce","index":"exact","signed_by":["release"],"at_least":1,"attestations":[],"contact":""}],"digest_lists":[],"#,
    r#""revoked":{"digests":"","digest_reasons":[],"evidence":"","keys":[],"authorities":[],"identities":[],"#,
    r#""serials":[]},"parts":[{"name":"policy.toml","#,
    r#""digest":"sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"}]}"#,
);

#[test]
fn the_bytes_are_the_contracts() {
    assert_eq!(String::from_utf8(payload().to_bytes().unwrap()).unwrap(), BYTES);
    assert_eq!(Payload::from_bytes(BYTES.as_bytes()), Ok(payload()));
}

#[test]
fn another_spelling_of_the_same_content_is_refused() {
    for (from, to) in [
        ("{\"schema\":1,", "{ \"schema\":1,"),
        ("{\"schema\":1,\"min_engine\":1,", "{\"min_engine\":1,\"schema\":1,"),
        ("\"release\",\"kind\"", "\"rel\\u0065ase\",\"kind\""),
        ("}]}", "}]}\n"),
    ] {
        let bytes = BYTES.replacen(from, to, 1);
        assert_ne!(bytes, BYTES, "{from}");
        assert_eq!(Payload::from_bytes(bytes.as_bytes()), Err(PayloadError::NotCanonical), "{to}");
    }
}

const REQUIREMENT: &str = concat!(
    r#"{"types":["urn:x"],"signed_by":["release"],"covered":false,"max_age":null,"max_age_at":"first","#,
    r#""vulnerabilities":null,"provenance":null,"packages":{"deny":[{"purl":"pkg:npm/x"},{"name":"y","version":null}],"#,
    r#""licenses":[]},"condition":{"engine":"e/1","expression":"predicate.x ==\n\"\\y\""}}"#,
);

fn requiring(requirement: &str) -> Result<Payload, PayloadError> {
    let attestations = format!("\"attestations\":[{requirement}]");
    Payload::from_bytes(BYTES.replacen("\"attestations\":[]", &attestations, 1).as_bytes())
}

#[test]
fn only_a_condition_may_hold_what_json_escapes() {
    let payload = requiring(REQUIREMENT).unwrap();
    let condition = payload.rules.first().unwrap().attestations.first().unwrap().condition.as_ref();
    assert_eq!(condition.unwrap().expression, "predicate.x ==\n\"\\y\"");
    assert_eq!(min_engine(&payload.authorities, &payload.rules), 2);
    let mut rules = payload.rules.clone();
    rules.first_mut().unwrap().index = Index::Parent;
    assert_eq!(min_engine(&payload.authorities, &rules), 4);
    for (from, to) in [("urn:x", r"urn:\\x"), ("\\n", "\\u000a"), ("predicate.x", "predicate\\u002ex")] {
        let other = REQUIREMENT.replacen(from, to, 1);
        assert_ne!(other, REQUIREMENT, "{from}");
        assert_eq!(requiring(&other), Err(PayloadError::NotCanonical), "{to}");
    }
}

#[test]
fn a_requirement_with_an_unknown_missing_or_moved_field_is_refused() {
    for (from, to) in [
        ("\"covered\":false", "\"covered\":false,\"more\":1"),
        ("\"covered\":false,", ""),
        ("\"covered\":false", "\"covered\":null"),
        ("\"first\"", "\"never\""),
        ("\"max_age\":null", "\"max_age\":\"30d\""),
        ("\"purl\"", "\"url\""),
        ("{\"purl\":\"pkg:npm/x\"}", "{\"purl\":\"pkg:npm/x\",\"name\":\"x\"}"),
    ] {
        let other = REQUIREMENT.replacen(from, to, 1);
        assert_ne!(other, REQUIREMENT, "{from}");
        assert!(
            matches!(requiring(&other), Err(PayloadError::Malformed(_))),
            "{to}: {:?}",
            requiring(&other)
        );
    }
    for (from, to) in [
        ("\"covered\":false,\"max_age\":null", "\"max_age\":null,\"covered\":false"),
        ("\"max_age\":null,", ""),
        ("{\"name\":\"y\",\"version\":null}", "{\"name\":\"y\"}"),
    ] {
        let other = REQUIREMENT.replacen(from, to, 1);
        assert_ne!(other, REQUIREMENT, "{from}");
        assert_eq!(requiring(&other), Err(PayloadError::NotCanonical), "{to}");
    }
}

#[test]
fn an_unknown_a_missing_and_a_doubled_field_are_refused() {
    for (from, to) in [
        ("\"version\":7,", "\"version\":7,\"more\":1,"),
        ("\"version\":7,", ""),
        ("\"version\":7,", "\"version\":7,\"version\":8,"),
        ("\"version\":7,", "\"version\":7,\"v\\u0065rsion\":8,"),
        ("\"retired\":false", "\"retired\":false,\"x\":0"),
        ("\"version\":7,", "\"version\":-7,"),
        ("\"version\":7,", "\"version\":7.0,"),
        ("\"version\":7,", "\"version\":18446744073709551616,"),
    ] {
        let result = Payload::from_bytes(BYTES.replacen(from, to, 1).as_bytes());
        assert!(matches!(result, Err(PayloadError::Malformed(_))), "{to}: {result:?}");
    }
}

#[test]
fn a_newer_format_or_engine_is_named_as_such() {
    let newer = BYTES.replacen("\"schema\":1", "\"schema\":2", 1);
    assert_eq!(Payload::from_bytes(newer.as_bytes()), Err(PayloadError::Schema(2)));
    let newer = BYTES.replacen("\"min_engine\":1", "\"min_engine\":9", 1);
    assert_eq!(Payload::from_bytes(newer.as_bytes()), Err(PayloadError::EngineTooOld(9)));
}

#[test]
fn a_key_of_an_unknown_type_does_not_make_the_bundle_unreadable() {
    let other = BYTES.replacen("\"p256\"", "\"ml-dsa-65\"", 1);
    assert_eq!(Payload::from_bytes(other.as_bytes()).unwrap().authorities.len(), 1);
}

#[test]
fn digest_lists_are_sorted_and_unique_whatever_the_order() {
    let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
    let list = DigestList::of([one, two, one]);
    assert_eq!(list, DigestList::of([two, one]));
    assert_eq!(list.len(), 2);
    assert_eq!(list.iter().count(), 2);
}

#[test]
fn an_unsorted_doubled_short_or_upper_case_digest_list_is_refused() {
    let (low, high) = ("0".repeat(64), "f".repeat(64));
    for list in
        [format!("{high}{low}"), format!("{low}{low}"), "0".repeat(63), "F".repeat(64), "g".repeat(64)]
    {
        let bytes = BYTES.replacen("\"digests\":\"\"", &format!("\"digests\":\"{list}\""), 1);
        assert_eq!(Payload::from_bytes(bytes.as_bytes()), Err(PayloadError::DigestList), "{list}");
    }
}
