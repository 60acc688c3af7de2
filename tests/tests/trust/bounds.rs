//! Each bound of a trust bundle: at it the bundle loads, one beyond it is refused.

use pullward_core::oci::Digest;
use pullward_core::trust::TrustError;
use pullward_core::{encoding, json};
use pullward_tests::mint::{Authority, Key, Random, Revoked, Rule, Signer, Trust, digest, world};

use pullward_core::signature::KeyType;

use crate::{refused, taken};

fn base() -> Trust {
    Trust::new(vec![Authority::of("a", &[world().p256(0)])], vec![Rule::enforce("app", &["a"], 1)])
}

fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{prefix} {n}")).collect()
}

/// `count` keys; each costs a key generation.
fn keys(count: usize) -> Vec<Key> {
    let mut random = Random::for_test("keys");
    (0..count).map(|_| Key::of(&Signer::generate(KeyType::Ed25519, &mut random))).collect()
}

/// Checks `make` at its bound and one beyond.
fn bounded(most: usize, error: TrustError, what: &str, make: impl Fn(usize) -> Trust) {
    taken(&make(most), what);
    refused(&make(most + 1), error, what);
}

#[test]
fn rules_patterns_and_namespaces() {
    bounded(1000, TrustError::TooMany("rules"), "rules", |count| {
        base().with(|t| {
            t.rules = names("rule", count).iter().map(|name| Rule::enforce(name, &["a"], 1)).collect();
        })
    });
    bounded(64, TrustError::TooMany("match"), "patterns", |count| {
        base().with(|t| {
            t.rules[0].patterns = (0..count).map(|n| format!("registry.example/team-{n}/**")).collect();
        })
    });
    bounded(64, TrustError::TooMany("namespaces"), "namespaces", |count| {
        base().with(|t| t.rules[0].namespaces = names("team", count))
    });
    bounded(1024, TrustError::Name("contact"), "contact", |count| {
        base().with(|t| t.rules[0].contact = "x".repeat(count))
    });
}

#[test]
fn authorities_keys_and_names() {
    let pool = keys(513);
    let one_each = |count: usize| {
        let names = names("authority", count);
        let authorities = names
            .iter()
            .zip(&pool)
            .map(|(name, key)| Authority { name: name.clone(), keys: Ok(vec![key.clone()]) });
        Trust::new(authorities.collect(), Vec::new())
    };
    taken(&one_each(512), "authorities");
    // 513 authorities have 513 keys, and the keys are counted first.
    refused(&one_each(513), TrustError::TooMany("keys"), "authorities");
    bounded(64, TrustError::TooMany("keys"), "keys of one authority", |count| {
        Trust::new(vec![Authority { name: "a".into(), keys: Ok(pool[..count].to_vec()) }], Vec::new())
    });
    bounded(512, TrustError::TooMany("keys"), "keys of all", |count| {
        let authorities = pool[..count].chunks(64).enumerate();
        let authorities =
            authorities.map(|(n, keys)| Authority { name: format!("a {n}"), keys: Ok(keys.to_vec()) });
        Trust::new(authorities.collect(), Vec::new())
    });
    bounded(64, TrustError::TooMany("signed_by"), "signed_by", |count| {
        let trust = one_each(count);
        let names: Vec<&str> = trust.authorities.iter().map(|authority| authority.name.as_str()).collect();
        let rule = Rule::enforce("app", &names, 1);
        trust.clone().with(|t| t.rules = vec![rule])
    });
}

#[test]
fn keyless_authorities_are_counted_too() {
    let root = format!(r#"[{{"digest":"{}","content":"AAAA"}}]"#, Digest::of(&[0; 3]));
    bounded(512, TrustError::TooMany("authorities"), "keyless", |count| {
        let authorities = names("keyless", count).iter().map(|name| Authority::keyless(name, 0)).collect();
        Trust::new(authorities, Vec::new()).with(|t| t.trusted_roots.clone_from(&root))
    });
    bounded(256, TrustError::TooMany("identities"), "identities", |count| {
        let identity = r#"{"issuer":"i","subject":"s"}"#;
        let members = format!(r#""trusted_root":0,"identities":[{}]"#, vec![identity; count].join(","));
        let authorities = vec![Authority { name: "keyless".into(), keys: Err(members) }];
        Trust::new(authorities, Vec::new()).with(|t| t.trusted_roots.clone_from(&root))
    });
}

#[test]
fn trusted_roots() {
    use base64::Engine as _;
    let root = |content: &[u8]| {
        let text = base64::engine::general_purpose::STANDARD.encode(content);
        format!(r#"{{"digest":"{}","content":"{text}"}}"#, Digest::of(content))
    };
    bounded(16, TrustError::TooMany("trusted_roots"), "roots", |count| {
        base().with(|t| t.trusted_roots = format!("[{}]", vec![root(b"{}"); count].join(",")))
    });
    bounded(256 * 1024, TrustError::TooMany("trusted_roots"), "bytes of a root", |bytes| {
        base().with(|t| t.trusted_roots = format!("[{}]", root(&vec![7; bytes])))
    });
    // All at once at their bound.
    let full = vec![root(&vec![7; 256 * 1024]); 16].join(",");
    taken(&base().with(|t| t.trusted_roots = format!("[{full}]")), "sixteen full roots");
}

#[test]
fn revocations_and_overrides() {
    let list = |count: usize, entry: &dyn Fn(usize) -> String| {
        format!("[{}]", (0..count).map(entry).collect::<Vec<_>>().join(","))
    };
    let hex = |n: usize| digest(&n.to_string()).hex().to_string();
    bounded(512, TrustError::TooMany("revoked.keys"), "revoked keys", |count| {
        let text = list(count, &|n| format!(r#"{{"key":"{}","from":null,"reason":""}}"#, hex(n)));
        base().with(|t| t.revoked.keys = text)
    });
    bounded(512, TrustError::TooMany("revoked.authorities"), "revoked authorities", |count| {
        let text = list(count, &|_| r#"{"authority":"a","from":null,"reason":""}"#.into());
        base().with(|t| t.revoked.authorities = text)
    });
    bounded(4096, TrustError::TooMany("revoked.identities"), "revoked identities", |count| {
        let text = list(count, &|_| r#"{"issuer":"i","subject":"s","from":null,"reason":""}"#.into());
        base().with(|t| t.revoked.identities = text)
    });
    bounded(4096, TrustError::TooMany("revoked.serials"), "revoked serials", |count| {
        let text = list(count, &|_| r#"{"serial":"2a","from":null,"reason":""}"#.into());
        base().with(|t| t.revoked.serials = text)
    });
    let keys = keys(17);
    bounded(16, TrustError::TooMany("override"), "override authorities", |count| {
        let names = names("o", count);
        let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
        base().with(|t| {
            let authorities = names.iter().zip(&keys);
            t.authorities.extend(
                authorities.map(|(name, key)| Authority { name: name.clone(), keys: Ok(vec![key.clone()]) }),
            );
            t.override_ = format!(
                r#"{{"authorities":[{}],"threshold":1,"max":1,"local_root":"off"}}"#,
                quoted.join(",")
            );
        })
    });
}

#[test]
fn digest_lists_are_as_many_as_rules() {
    let one = Revoked::list(&[digest("x")]);
    bounded(1000, TrustError::TooMany("digest_lists"), "lists", |count| {
        base().with(|t| t.digest_lists = vec![one.clone(); count])
    });
}

#[test]
fn nesting_is_bounded_before_anything_is_read() {
    let deep = |levels: usize| format!("[{}{}]", "[".repeat(levels), "]".repeat(levels));
    // A rule's attestations stand four levels deep; an empty container is no level. A list is no requirement.
    let error = TrustError::Json(json::Error::WrongType);
    refused(&base().with(|t| t.rules[0].attestations = deep(61)), error, "64 levels");
    let error = TrustError::Json(json::Error::TooDeep);
    refused(&base().with(|t| t.rules[0].attestations = deep(62)), error, "65 levels");
}

#[test]
fn a_key_longer_than_any_is_refused() {
    let long = |bytes: usize| {
        use base64::Engine as _;
        let mut key = Key::of(world().p256(0));
        key.spki = base64::engine::general_purpose::STANDARD.encode(vec![0x30; bytes]);
        base().with(|t| t.authorities[0].keys = Ok(vec![key]))
    };
    refused(&long(600), TrustError::Key(pullward_core::signature::KeyError::Unsupported), "600 bytes");
    refused(&long(601), TrustError::Base64(encoding::Error::TooLong), "601 bytes");
}
