//! Every member of a trust bundle is alive: changing it alone changes a verdict, changes what the core reports, or
//! makes the bundle refused. The members are taken from a bundle that has all of them, so that one which is added
//! without a row here fails.

use std::collections::BTreeSet;

use pullward_core::json;
use pullward_core::oci::Digest;
use pullward_core::trust::{AfterExpiry, TrustError};
use pullward_core::verdict::Reason;
use pullward_tests::mint::{
    Answer, Ask, Authority, Forge, Form, Key, Node, Requirement, Revoked, Rule, Trust, VULN, digest, instant,
    world,
};
use serde_json::{Value, json};

use crate::good;

/// A bundle in which every member that the format has is there at least once.
fn full() -> Trust {
    let mut windowed = Key::of(world().p256(3));
    windowed.valid_from = Some("2026-01-01T00:00:00Z".into());
    windowed.valid_until = Some("2027-01-01T00:00:00Z".into());
    let mut release = Authority::of("release", &[world().p256(0)]);
    release.keys.as_mut().unwrap().push(windowed);
    let authorities =
        vec![release, Authority::of("second", &[world().p256(1)]), Authority::keyless("github", 0)];
    let rules = vec![
        Rule::enforce("pinned", &["release"], 1).with(|rule| {
            rule.patterns = vec!["registry.example/pinned/*".into()];
            rule.digests = Some(0);
            rule.namespaces = vec!["demo".into()];
            rule.attestations = Requirement::of(VULN, "release").alone();
        }),
        Rule::enforce("app", &["release"], 1)
            .matching(&["registry.example/team/*"])
            .with(|rule| rule.contact = "security@registry.example".into()),
    ];
    let content = r#"{"mediaType":"x"}"#;
    Trust::new(authorities, rules).with(|trust| {
        trust.override_ = r#"{"authorities":["second"],"threshold":1,"max":28800,"local_root":"off"}"#.into();
        trust.trusted_roots =
            json!([{"digest": Digest::of(content.as_bytes()).to_string(), "content": base64(content)}])
                .to_string();
        trust.digest_lists = vec![Revoked::list(&[digest("listed")])];
        trust.parts = json!([{"name": "policy.toml", "digest": digest("policy").to_string()}]).to_string();
        trust.revoked = Revoked {
            digests: Revoked::list(&[digest("revoked")]),
            digest_reasons: json!([{"digest": digest("revoked").hex().as_str(), "reason": "r"}]).to_string(),
            evidence: Revoked::list(&[digest("evidence")]),
            keys: Revoked::entry("key", &world().p256(2).id_hex()),
            authorities: Revoked::entry("authority", "second"),
            identities: json!([{"issuer": "i", "subject": "s", "from": null, "reason": "r"}]).to_string(),
            serials: Revoked::entry("serial", "2a"),
        };
    })
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// What changing a member does.
enum Effect {
    /// The verdict on this question changes to this reason.
    Verdict(Ask, Reason),
    /// The bundle is refused.
    Refused(TrustError),
    /// Something that the core reports and callers act on changes.
    Reported(fn(&Node) -> String),
}

/// The question whose verdict most members bear on: it is `signed` under the full bundle.
fn signed() -> Ask {
    Ask::about("app").with(good(Form::Bundle, world().p256(0)))
}

/// Not the image is signed but the index that lists it.
fn index_signed() -> Ask {
    let index = crate::related::index(&[crate::related::entry("app", "amd64")]);
    let forge = Forge::new(Form::Bundle, world().p256(0), &Digest::of(index.as_bytes()));
    Ask::about("app").with_parent(&index).with(forge.mint())
}

fn rows() -> Vec<(&'static str, Value, Effect)> {
    use Effect::{Refused, Reported, Verdict};
    use TrustError as E;
    let listed = || Ask::about("listed").named("registry.example/pinned/app").in_namespace("demo");
    let wrong_type = || E::Json(json::Error::WrongType);
    let malformed = json!("x");
    let evidence = good(Form::SimpleSigning, world().p256(0));
    vec![
        ("/schema", json!(2), Refused(E::Schema)),
        ("/min_engine", json!(99), Refused(E::EngineTooOld)),
        ("/audience", json!("other"), Reported(|node| node.bundle().audience().unwrap().into())),
        ("/version", json!(8), Reported(|node| node.bundle().index().version().to_string())),
        (
            "/issued",
            json!("2026-11-24T13:00:01Z"),
            Reported(|node| node.bundle().index().issued().to_string()),
        ),
        ("/expires", json!("2026-11-30T00:00:00Z"), Verdict(signed(), Reason::TrustExpired)),
        (
            "/after_expiry",
            json!("deny-all"),
            Reported(|node| (node.bundle().index().after_expiry() == AfterExpiry::DenyAll).to_string()),
        ),
        ("/override", json!({}), Refused(E::Json(json::Error::MissingKey("authorities")))),
        ("/override/authorities", json!(["nobody"]), Refused(E::UnknownName("override"))),
        ("/override/threshold", json!(2), Refused(E::Threshold("override"))),
        ("/override/max", malformed.clone(), Refused(E::Json(json::Error::NotUnsigned))),
        ("/override/local_root", malformed.clone(), Refused(E::Word("local_root"))),
        ("/authorities", json!([]), Refused(E::UnknownName("signed_by"))),
        ("/authorities/0/name", json!("renamed"), Refused(E::UnknownName("signed_by"))),
        ("/authorities/0/kind", json!("keyless"), Refused(E::Word("kind"))),
        ("/authorities/0/keys", json!([]), Refused(E::TooMany("keys"))),
        ("/authorities/0/keys/0/type", json!("p384"), Refused(E::Word("type"))),
        (
            "/authorities/0/keys/0/spki",
            json!(world().p256(1).spki_base64()),
            Verdict(signed(), Reason::UntrustedKey),
        ),
        (
            "/authorities/0/keys/0/valid_from",
            json!("2026-01-01T00:00:00Z"),
            Verdict(signed(), Reason::KeyWindowNoTime),
        ),
        (
            "/authorities/0/keys/0/valid_until",
            json!("2028-01-01T00:00:00Z"),
            Verdict(signed(), Reason::KeyWindowNoTime),
        ),
        ("/authorities/0/keys/0/retired", json!(true), Verdict(signed(), Reason::KeyRetired)),
        ("/authorities/2/trusted_root", json!(1), Refused(E::UnknownName("trusted_root"))),
        ("/authorities/2/identities", json!([]), Refused(E::TooMany("identities"))),
        ("/authorities/2/identities/0/issuer", json!(""), Refused(E::Name("identities"))),
        ("/authorities/2/identities/0/subject", json!(""), Refused(E::Name("identities"))),
        ("/trusted_roots", json!([]), Refused(E::UnknownName("trusted_root"))),
        ("/trusted_roots/0/digest", json!(digest("other").to_string()), Refused(E::Digests("trusted_roots"))),
        ("/trusted_roots/0/content", json!("AAAA"), Refused(E::Digests("trusted_roots"))),
        ("/rules", json!([]), Verdict(signed(), Reason::NoRule)),
        ("/rules/1/name", json!("renamed"), Reported(|node| node.ask(&signed()).rule.unwrap())),
        ("/rules/1/match", json!(["registry.example/other/*"]), Verdict(signed(), Reason::NoRule)),
        ("/rules/1/digests", json!(0), Verdict(signed(), Reason::NoRule)),
        ("/rules/1/namespaces", json!(["demo"]), Verdict(signed(), Reason::NamespaceUnknown)),
        ("/rules/1/mode", json!("deny"), Refused(E::RuleShape("signed_by"))),
        ("/rules/1/index", json!("parent"), Verdict(index_signed(), Reason::Signed)),
        ("/rules/1/signed_by", json!(["second"]), Verdict(signed(), Reason::UntrustedKey)),
        ("/rules/1/at_least", json!(2), Refused(E::Threshold("at_least"))),
        (
            "/rules/1/attestations",
            json!([serde_json::from_str::<Value>(&Requirement::of(VULN, "release").to_string()).unwrap()]),
            Verdict(signed(), Reason::AttestationMissing),
        ),
        (
            "/rules/1/contact",
            json!("nobody"),
            Reported(|node| {
                let contact = node.bundle().rules().nth(1).unwrap().unwrap().contact().unwrap();
                contact.chars().collect()
            }),
        ),
        ("/digest_lists", json!([digest("other").hex().as_str()]), Verdict(listed(), Reason::NoRule)),
        ("/revoked", json!({}), Refused(E::Json(json::Error::MissingKey("digests")))),
        (
            "/revoked/digests",
            json!(Revoked::list(&[digest("app")])),
            Verdict(signed(), Reason::DigestRevoked),
        ),
        ("/revoked/digest_reasons", json!([{}]), Refused(E::Json(json::Error::MissingKey("digest")))),
        ("/revoked/digest_reasons/0/digest", malformed.clone(), Refused(E::Digests("digest_reasons"))),
        ("/revoked/digest_reasons/0/reason", json!(7), Refused(wrong_type())),
        (
            "/revoked/evidence",
            json!(Revoked::list(&[evidence.source()])),
            Verdict(Ask::about("app").with(evidence), Reason::EvidenceRevoked),
        ),
        ("/revoked/keys", json!([{}]), Refused(E::Json(json::Error::MissingKey("from")))),
        ("/revoked/keys/0/key", json!(world().p256(0).id_hex()), Verdict(signed(), Reason::KeyRevoked)),
        ("/revoked/keys/0/from", malformed.clone(), Refused(E::Time)),
        ("/revoked/keys/0/reason", json!(7), Refused(wrong_type())),
        ("/revoked/authorities", json!([{}]), Refused(E::Json(json::Error::MissingKey("from")))),
        ("/revoked/authorities/0/authority", json!("release"), Verdict(signed(), Reason::AuthorityRevoked)),
        ("/revoked/authorities/0/from", malformed.clone(), Refused(E::Time)),
        ("/revoked/authorities/0/reason", json!(7), Refused(wrong_type())),
        ("/revoked/identities", json!([{}]), Refused(E::Json(json::Error::MissingKey("issuer")))),
        ("/revoked/identities/0/issuer", json!(7), Refused(wrong_type())),
        ("/revoked/identities/0/subject", json!(7), Refused(wrong_type())),
        ("/revoked/identities/0/from", malformed.clone(), Refused(E::Time)),
        ("/revoked/identities/0/reason", json!(7), Refused(wrong_type())),
        ("/revoked/serials", json!([{}]), Refused(E::Json(json::Error::MissingKey("from")))),
        ("/revoked/serials/0/serial", json!(7), Refused(wrong_type())),
        ("/revoked/serials/0/from", malformed.clone(), Refused(E::Time)),
        ("/revoked/serials/0/reason", json!(7), Refused(wrong_type())),
        ("/parts", json!({}), Refused(wrong_type())),
        ("/parts/0/name", json!(7), Refused(wrong_type())),
        ("/parts/0/digest", malformed, Refused(E::Digests("parts"))),
    ]
}

/// A path with every index taken out: `/rules/1/name` is `/rules/*/name`.
fn general(path: &str) -> String {
    path.split('/')
        .map(|part| if part.parse::<usize>().is_ok() { "*" } else { part })
        .collect::<Vec<_>>()
        .join("/")
}

/// Every member of every object in a value, by path. What an attestation asks for is not engine 1's to read.
fn members(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                let path = format!("{at}/{name}");
                if name != "attestations" {
                    members(value, &path, found);
                }
                found.push(path);
            }
        }
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                members(item, &format!("{at}/{n}"), found);
            }
        }
        _ => {}
    }
}

fn full_value() -> Value {
    serde_json::from_str(&full().payload()).unwrap()
}

fn all_members() -> Vec<String> {
    let mut found = Vec::new();
    members(&full_value(), "", &mut found);
    found
}

#[test]
fn every_member_has_a_row_and_every_row_a_member() {
    let members: BTreeSet<String> = all_members().iter().map(|path| general(path)).collect();
    let rows: BTreeSet<String> = rows().iter().map(|(path, _, _)| general(path)).collect();
    assert_eq!(members, rows);
    assert!(members.len() > 60, "{}", members.len());
}

#[test]
fn changing_one_member_alone_changes_what_it_should() {
    let before = Node::new(&full());
    assert_eq!(before.ask(&signed()).reason, Reason::Signed);
    for (path, value, effect) in rows() {
        let mut changed = full_value();
        let slot = changed.pointer_mut(path).unwrap();
        assert_ne!(*slot, value, "{path}");
        *slot = value;
        let after = Node::load(&changed.to_string());
        match effect {
            Effect::Verdict(ask, reason) => {
                let (before, after): (Answer, Answer) = (before.ask(&ask), after.unwrap().ask(&ask));
                assert_ne!(before.reason, reason, "{path}");
                assert_eq!(after.reason, reason, "{path}");
            }
            Effect::Refused(error) => assert_eq!(after.err(), Some(error), "{path}"),
            Effect::Reported(report) => assert_ne!(report(&before), report(&after.unwrap()), "{path}"),
        }
    }
}

/// The modes and thresholds that the row of a single change cannot reach: they change together with what goes with
/// them.
#[test]
fn modes_and_thresholds_change_verdicts_too() {
    let ask = |change: fn(&mut Rule)| {
        let trust = full().with(|trust| trust.rules[1] = trust.rules[1].clone().with(change));
        Node::new(&trust).ask(&signed()).reason
    };
    assert_eq!(ask(|rule| rule.signed_by.push("github".into())), Reason::Signed);
    assert_eq!(
        ask(|rule| {
            rule.signed_by.push("github".into());
            rule.at_least = 2;
        }),
        Reason::ThresholdNotMet
    );
    assert_eq!(ask(|rule| *rule = Rule::mode("app", "deny")), Reason::DeniedByRule);
    assert_eq!(ask(|rule| *rule = Rule::mode("app", "allow")), Reason::AllowedByRule);
    let unsigned = |mode: &str| {
        let trust = full().with(|trust| trust.rules[1].mode = mode.into());
        Node::new(&trust).ask(&Ask::about("app")).ruling
    };
    assert_ne!(unsigned("audit"), unsigned("enforce"));
}

#[test]
fn members_absent_twice_in_another_spelling_or_unknown_are_refused() {
    for path in all_members() {
        let (parent, name) = path.rsplit_once('/').unwrap();
        let object = |value: &mut Value, change: &dyn Fn(&mut serde_json::Map<String, Value>)| {
            change(value.pointer_mut(parent).unwrap().as_object_mut().unwrap());
        };
        let mut absent = full_value();
        object(&mut absent, &|object| drop(object.remove(name)));
        assert!(Node::load(&absent.to_string()).is_err(), "without {path}");

        for (added, what) in [
            (name.to_string(), "twice"),
            (name.to_uppercase(), "in upper case"),
            (format!("{name}2"), "and more"),
        ] {
            let mut more = full_value();
            object(&mut more, &|object| drop(object.insert("@".into(), object[name].clone())));
            let text = more.to_string().replacen("\"@\"", &format!("\"{added}\""), 1);
            let error = Node::load(&text).err();
            let expected = matches!(
                error,
                Some(TrustError::Json(
                    json::Error::DuplicateKey(_) | json::Error::TwinKey(_) | json::Error::UnknownKey
                ))
            );
            assert!(expected, "{path} {what}: {error:?}");
        }
        let mut null = full_value();
        let slot = null.pointer_mut(&path).unwrap();
        if !slot.is_null() {
            *slot = Value::Null;
            let nullable = ["/override", "/rules/0/digests", "valid_from", "valid_until", "/from"];
            let may = nullable.iter().any(|end| path.ends_with(end));
            assert_eq!(Node::load(&null.to_string()).is_ok(), may, "{path} null");
        }
    }
}

#[test]
fn the_full_bundle_says_what_each_part_of_it_is_for() {
    let node = Node::new(&full());
    let reason = |ask: &Ask| node.ask(ask).reason;
    assert_eq!(reason(&Ask::about("revoked")), Reason::DigestRevoked);
    let windowed = Forge::new(Form::Bundle, world().p256(3), &digest("app")).mint();
    assert_eq!(reason(&Ask::about("app").with(windowed)), Reason::KeyWindowNoTime);
    let pinned = Ask::about("listed").named("registry.example/pinned/app").in_namespace("demo");
    assert_eq!(reason(&pinned), Reason::Unsigned);
    assert_eq!(reason(&pinned.at(instant("2030-01-01T00:00:00Z"))), Reason::TrustExpired);
}
