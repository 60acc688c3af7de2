//! What a payload may not say.

use pullward_core::encoding;
use pullward_core::json;
use pullward_core::oci::Digest;
use pullward_core::signature::{KeyError, KeyType};
use pullward_core::trust::{TrustError, TrustIndex};
use pullward_core::verdict::Reason;
use pullward_tests::mint::{
    Ask, Authority, Forge, Form, Key, Node, Requirement, Revoked, Rule, Trust, VULN, digest, edit, world,
};

use crate::{refused, taken};

fn base() -> Trust {
    let authorities = vec![Authority::of("a", &[world().p256(0)]), Authority::of("b", &[world().p256(1)])];
    Trust::new(authorities, vec![Rule::enforce("app", &["a", "b"], 1)])
}

/// The base with one change.
fn but(change: impl FnOnce(&mut Trust)) -> Trust {
    base().with(change)
}

/// The base with one change in its rule.
fn rule(change: impl FnOnce(&mut Rule)) -> Trust {
    but(|trust| change(&mut trust.rules[0]))
}

#[test]
fn schema_and_engine_are_exact() {
    taken(&base(), "the base");
    for schema in [0, 2, u64::MAX] {
        refused(&but(|t| t.schema = schema), TrustError::Schema, "schema");
    }
    refused(&but(|t| t.min_engine = 99), TrustError::EngineTooOld, "engine");
    assert_eq!(TrustError::EngineTooOld.code(), "engine-too-old");
    for text in ["1.0", "-1", "01", "1e0", "\"1\"", "null", "18446744073709551616"] {
        let payload = edit(&base().payload(), "\"schema\":1", &format!("\"schema\":{text}"));
        assert!(Node::load(&payload).is_err(), "{text}");
    }
}

#[test]
fn versions_leave_room_on_both_sides() {
    refused(&but(|t| t.version = 0), TrustError::Version, "0");
    refused(&but(|t| t.version = u64::MAX), TrustError::Version, "the largest");
    taken(&but(|t| t.version = 1), "1");
    taken(&but(|t| t.version = u64::MAX - 1), "the largest but one");
}

#[test]
fn times_have_one_form_and_an_order() {
    for text in
        ["", "2026-11-24", "2026-11-24T13:00:00+00:00", "2026-11-24T13:00:00.0Z", "2026-02-29T00:00:00Z"]
    {
        refused(&but(|t| t.issued = text.into()), TrustError::Time, text);
        refused(&but(|t| t.expires = text.into()), TrustError::Time, text);
    }
    refused(&but(|t| t.expires = t.issued.clone()), TrustError::Time, "no second of validity");
    refused(&but(|t| t.expires = "2026-11-24T12:59:59Z".into()), TrustError::Time, "expired when issued");
    taken(&but(|t| t.expires = "2026-11-24T13:00:01Z".into()), "one second");
}

#[test]
fn words_are_the_formats() {
    refused(&but(|t| t.after_expiry = "allow".into()), TrustError::Word("after_expiry"), "allow");
    refused(&rule(|r| r.mode = "Enforce".into()), TrustError::Word("mode"), "mode");
    refused(&rule(|r| r.mode = String::new()), TrustError::Word("mode"), "no mode");
    refused(&rule(|r| r.index = "any".into()), TrustError::Word("index"), "index");
    let kind = edit(&base().payload(), "\"name\":\"a\",\"kind\":\"key\"", "\"name\":\"a\",\"kind\":\"any\"");
    assert_eq!(Node::load(&kind).err(), Some(TrustError::Word("kind")));
}

#[test]
fn names_are_printable_unique_and_known() {
    for name in ["", " a", "a ", "a\n", "\u{e9}", &"x".repeat(129)] {
        // Where the name stands with an escape, it is no plain string.
        let error = |field| {
            if name.contains('\n') {
                TrustError::Json(json::Error::WrongType)
            } else {
                TrustError::Name(field)
            }
        };
        refused(&but(|t| t.audience = name.into()), error("audience"), name);
        refused(&but(|t| t.authorities[0].name = name.into()), error("authorities"), name);
        refused(&rule(|r| r.name = name.into()), error("rules"), name);
        refused(&rule(|r| r.namespaces = vec![name.into()]), error("namespaces"), name);
    }
    let longest = "x".repeat(128);
    taken(&but(|t| t.audience.clone_from(&longest)), "the longest name");
    refused(
        &but(|t| t.authorities.push(t.authorities[0].clone())),
        TrustError::Duplicate("authorities"),
        "twice",
    );
    refused(&but(|t| t.rules.push(t.rules[0].clone())), TrustError::Duplicate("rules"), "twice");
    refused(&rule(|r| r.signed_by.push("a".into())), TrustError::Duplicate("signed_by"), "twice");
    refused(&rule(|r| r.signed_by.push("A".into())), TrustError::UnknownName("signed_by"), "case counts");
    let unknown = Revoked::entry("authority", "c");
    refused(
        &but(|t| t.revoked.authorities = unknown),
        TrustError::UnknownName("revoked.authorities"),
        "revoked",
    );
    refused(&rule(|r| r.digests = Some(0)), TrustError::UnknownName("digests"), "no such list");
}

/// Two names with one 32-bit hash are two names: the hash only spares reading.
#[test]
fn names_are_compared_whole() {
    use std::collections::HashMap;
    let hash = |name: &str| {
        name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
    };
    let mut seen: HashMap<u32, String> = HashMap::new();
    let (first, second) = (0_u32..)
        .find_map(|n| {
            let name = format!("team-{n:x}");
            seen.insert(hash(&name), name.clone()).map(|other| (other, name))
        })
        .unwrap();
    assert_ne!(first, second);
    let authorities =
        vec![Authority::of(&first, &[world().p256(0)]), Authority::of(&second, &[world().p256(1)])];
    let rules = vec![Rule::enforce(&first, &[&first], 1), Rule::enforce(&second, &[&second], 1)];
    let trust = Trust::new(authorities, rules);
    taken(&trust, "two names of one hash");
    let only = trust.clone().with(|t| drop(t.authorities.pop()));
    refused(&only, TrustError::UnknownName("signed_by"), "the other one of that hash");
    let node = Node::new(&trust);
    assert_eq!(node.bundle().authority(&second).unwrap().name(), second);
}

#[test]
fn a_rule_must_be_able_to_be_met_by_something() {
    refused(&rule(|r| r.signed_by.clear()), TrustError::RuleShape("signed_by"), "nobody");
    refused(&rule(|r| r.at_least = 0), TrustError::Threshold("at_least"), "of none");
    refused(&rule(|r| r.at_least = 3), TrustError::Threshold("at_least"), "of three");
    refused(&rule(|r| r.at_least = u64::MAX), TrustError::Threshold("at_least"), "of all");
    refused(&rule(|r| r.patterns.clear()), TrustError::TooMany("match"), "of nothing");
    for mode in ["audit", "enforce"] {
        let empty = rule(|r| {
            r.mode = mode.into();
            r.signed_by.clear();
            r.attestations = Requirement::of(VULN, "a").alone();
        });
        refused(&empty, TrustError::RuleShape("signed_by"), "attestations alone are no signature");
    }
    for mode in ["allow", "deny"] {
        refused(&rule(|r| r.mode = mode.into()), TrustError::RuleShape("signed_by"), mode);
        let asks = rule(|r| {
            *r = Rule::mode("x", mode).with(|r| r.attestations = Requirement::of(VULN, "a").alone());
        });
        refused(&asks, TrustError::RuleShape("attestations"), mode);
    }
}

#[test]
fn patterns_are_patterns() {
    for pattern in
        ["", "kcandidate/*", "*", "docker.io/nginx", "a/**b", "*.io/**", "docker.io/a//b", "DOCKER.io/a/b"]
    {
        refused(&rule(|r| r.patterns = vec![pattern.into()]), TrustError::Pattern, pattern);
        refused(&rule(|r| r.patterns.push(pattern.into())), TrustError::Pattern, pattern);
    }
}

#[test]
fn keys_are_of_their_kind_and_listed_once() {
    let key = |change: fn(&mut Key)| but(|t| change(&mut t.authorities[0].keys.as_mut().unwrap()[0]));
    refused(&key(|k| k.kind = "p384".into()), TrustError::Word("type"), "another kind");
    refused(&key(|k| k.spki = String::new()), TrustError::Key(KeyError::Unsupported), "no key");
    refused(&key(|k| k.spki = "AAAA".into()), TrustError::Key(KeyError::Unsupported), "no SPKI");
    refused(&key(|k| k.spki.truncate(k.spki.len() - 1)), TrustError::Base64(encoding::Error::Length), "cut");
    refused(&key(|k| k.spki = "A".repeat(4000)), TrustError::Base64(encoding::Error::TooLong), "long");
    refused(&key(|k| k.valid_from = Some("2026".into())), TrustError::Time, "from");
    refused(
        &key(|k| {
            k.valid_from = Some("2026-01-02T00:00:00Z".into());
            k.valid_until = Some("2026-01-01T00:00:00Z".into());
        }),
        TrustError::Time,
        "a window that ends before it starts",
    );
    let twice = but(|t| t.authorities[0] = Authority::of("a", &[world().p256(0), world().p256(0)]));
    refused(&twice, TrustError::Duplicate("keys"), "a key twice");
    refused(&but(|t| t.authorities[0] = Authority::of("a", &[])), TrustError::TooMany("keys"), "no key");
    // In two authorities it may stand.
    taken(&but(|t| t.authorities[1] = Authority::of("b", &[world().p256(0)])), "shared");
    for kind in [KeyType::P384, KeyType::Ed25519, KeyType::Rsa] {
        taken(&but(|t| t.authorities[1] = Authority::of("b", &[world().key(kind, 0)])), "every kind");
    }
}

/// T-109: a kind that a later builder knows must not take a fleet down. Its key verifies nothing, the others go on.
#[test]
fn a_key_of_an_unknown_kind_is_carried_and_verifies_nothing() {
    for kind in ["ml-dsa-65", "P256", ""] {
        let unknown = Key { kind: kind.into(), ..Key::of(world().p256(0)) };
        let keys = vec![unknown, Key::of(world().p256(1))];
        let authorities = vec![Authority { name: "a".into(), keys: Ok(keys) }];
        let node = Node::new(&Trust::new(authorities, vec![Rule::enforce("app", &["a"], 1)]));
        let by = |n| Forge::new(Form::Bundle, world().p256(n), &digest("app")).mint();
        assert_eq!(node.ask(&Ask::about("app").with(by(0))).reason, Reason::UntrustedKey, "{kind}");
        assert_eq!(node.ask(&Ask::about("app").with(by(1))).reason, Reason::Signed, "{kind}");
        let alone = but(|t| t.authorities[0].keys.as_mut().unwrap()[0].kind = kind.into());
        taken(&alone, "an authority whose only key is unknown");
    }
    // What is around such a key is still checked.
    let key = |change: fn(&mut Key)| {
        but(|t| {
            let key = &mut t.authorities[0].keys.as_mut().unwrap()[0];
            key.kind = "ml-dsa-65".into();
            change(key);
        })
    };
    refused(&key(|k| k.valid_from = Some("2026".into())), TrustError::Time, "from");
}

#[test]
fn keyless_authorities_name_a_root_and_whole_identities() {
    let root = format!(r#"[{{"digest":"{}","content":"AAAA"}}]"#, Digest::of(&[0; 3]));
    let keyless = |place| {
        but(|t| {
            t.trusted_roots.clone_from(&root);
            t.authorities.push(Authority::keyless("github", place));
        })
    };
    taken(&keyless(0), "its root is there");
    refused(&keyless(1), TrustError::UnknownName("trusted_root"), "no such root");
    for (from, to, error) in [
        ("https://issuer.example", "", TrustError::Name("identities")),
        ("https://source.example/*", "", TrustError::Name("identities")),
        (r#""issuer":"https://issuer.example","#, "", TrustError::Json(json::Error::MissingKey("issuer"))),
        ("\"trusted_root\":0", "\"trusted_root\":null", TrustError::Json(json::Error::NotUnsigned)),
        ("\"trusted_root\":0,", "", TrustError::Word("kind")),
        ("\"kind\":\"keyless\",", "\"kind\":\"keyless\",\"keys\":[],", TrustError::Word("kind")),
    ] {
        assert_eq!(Node::load(&edit(&keyless(0).payload(), from, to)).err(), Some(error), "{from}");
    }
}

#[test]
fn a_trusted_root_is_the_content_that_its_digest_names() {
    use base64::Engine as _;
    let encode = |content: &[u8]| base64::engine::general_purpose::STANDARD.encode(content);
    let with = |digest: &str, content: &str| {
        but(|t| t.trusted_roots = format!(r#"[{{"digest":"{digest}","content":"{content}"}}]"#))
    };
    // Around the pieces of 48 bytes in which it is read.
    for length in [0, 1, 2, 3, 47, 48, 49, 95, 96, 97, 10_000] {
        let content = vec![7; length];
        taken(&with(&Digest::of(&content).to_string(), &encode(&content)), "whole");
        let other = digest("other").to_string();
        refused(&with(&other, &encode(&content)), TrustError::Digests("trusted_roots"), "another digest");
    }
    let content = [7; 100];
    let right = Digest::of(&content).to_string();
    refused(&with(&right[7..], &encode(&content)), TrustError::Digests("trusted_roots"), "no algorithm");
    let text = encode(&content);
    // Padding inside, where a piece ends.
    let inside = format!("{}{}", encode(&[7; 47]), &text[64..]);
    let both = [&[7; 47][..], &[7; 52]].concat();
    refused(
        &with(&Digest::of(&both).to_string(), &inside),
        TrustError::Base64(encoding::Error::Length),
        "padding inside",
    );
    refused(&with(&right, &text[..text.len() - 1]), TrustError::Base64(encoding::Error::Length), "cut");
    refused(
        &with(&right, &text.replacen('B', "-", 1)),
        TrustError::Base64(encoding::Error::Character),
        "alphabet",
    );
}

#[test]
fn digest_lists_are_sorted_unique_lower_case_and_whole() {
    let (low, high) = ("0a".repeat(32), "ff".repeat(32));
    for text in [
        format!("{high}{low}"),
        format!("{low}{low}"),
        low.to_uppercase(),
        low[..63].to_string(),
        format!("{low} "),
        format!("{low},{high}"),
        low.replace('a', "g"),
        low.replace('a', "\u{e9}"),
    ] {
        refused(&but(|t| t.digest_lists = vec![text.clone()]), TrustError::Digests("digest_lists"), &text);
        refused(&but(|t| t.revoked.digests.clone_from(&text)), TrustError::Digests("revoked.digests"), &text);
        refused(
            &but(|t| t.revoked.evidence.clone_from(&text)),
            TrustError::Digests("revoked.evidence"),
            &text,
        );
    }
    // Revoking nothing is normal; a rule for no digest is a mistake.
    refused(&but(|t| t.digest_lists = vec![String::new()]), TrustError::Digests("digest_lists"), "empty");
    taken(&but(|t| t.digest_lists = vec![format!("{low}{high}")]), "two");
}

#[test]
fn overrides_can_reach_their_threshold() {
    let with = |text: &str| but(|t| t.override_ = text.into());
    let text = |names: &str, threshold: u64| {
        format!(r#"{{"authorities":[{names}],"threshold":{threshold},"max":28800,"local_root":"off"}}"#)
    };
    taken(&with(&text(r#""a","b""#, 2)), "two of two");
    refused(&with(&text(r#""a","b""#, 3)), TrustError::Threshold("override"), "three of two");
    refused(&with(&text(r#""a","b""#, 0)), TrustError::Threshold("override"), "none");
    refused(&with(&text("", 1)), TrustError::Threshold("override"), "nobody");
    refused(&with(&text(r#""a","a""#, 2)), TrustError::Duplicate("override"), "one twice");
    refused(&with(&text(r#""c""#, 1)), TrustError::UnknownName("override"), "nobody knows");
    refused(&with("[]"), TrustError::Json(json::Error::WrongType), "a list");
    let on = edit(&with(&text(r#""a""#, 1)).payload(), "\"off\"", "\"on\"");
    assert_eq!(Node::load(&on).err(), None);
}

#[test]
fn a_payload_cut_at_any_byte_is_refused() {
    let payload = base().payload();
    for end in 0..payload.len() {
        let error = Node::load(&payload[..end]).err();
        // The place is the end, or the start of what is cut there.
        let cut = matches!(error, Some(TrustError::Json(json::Error::Syntax { at })) if at <= end);
        assert!(cut, "cut at {end}: {error:?}");
    }
}

#[test]
fn after_an_error_the_index_is_of_nothing() {
    let mut index = Box::new(TrustIndex::new());
    index.read(base().payload().as_bytes()).unwrap();
    assert_eq!((index.version(), index.rule_count(), index.authority_count()), (7, 1, 2));
    let broken = but(|t| t.rules[0].signed_by = vec!["nobody".into()]);
    assert!(index.read(broken.payload().as_bytes()).is_err());
    assert_eq!((index.version(), index.rule_count(), index.authority_count()), (0, 0, 0));
}

/// Every bit of a payload: the core reads it or refuses it, and never panics. (That it is signed is the envelope's.)
#[test]
fn no_changed_bit_makes_the_reader_panic() {
    let payload = base().payload();
    let mut index = Box::new(TrustIndex::new());
    let mut read = 0;
    for position in 0..payload.len() {
        for bit in 0..8 {
            let mut changed = payload.clone().into_bytes();
            changed[position] ^= 1 << bit;
            if index.read(&changed).is_ok() {
                read += 1;
                assert!(index.version() != 0);
            }
        }
    }
    assert!(read > 0, "a changed digit of the version is a version");
}
