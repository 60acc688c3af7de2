//! No field of the format is dead: changing it alone changes the payload, or it is refused by name.
//!
//! The list of fields comes from the types: a field without a row here fails the test, and a field that is not in the
//! list does not compile. That the payload's fields change verdicts is tested where verdicts are made.

use std::collections::BTreeSet;

use super::file::{Authority, Key, Override, PolicyFile, Revocation, Rule};
use super::tests::{Folder, WHOLE};

/// `Type.field` of every field; a field that is left out does not compile.
macro_rules! fields {
    ($($kind:ident { $($field:ident),+ $(,)? })+) => {{
        $({
            // Never called: it is the pattern without `..` that counts.
            let _: fn($kind) = |value| {
                let $kind { $($field: _),+ } = value;
            };
        })+
        vec![$($(concat!(stringify!($kind), ".", stringify!($field)).replace("r#", "")),+),+]
    }};
}

enum Effect {
    /// The payload changes, the digests of its parts aside.
    Changes,
    /// The policy is refused, with this code.
    Refused(&'static str),
}

use Effect::{Changes, Refused};

/// The field, what to replace in the whole policy, by what, and what that does.
const ROWS: &[(&str, &str, &str, Effect)] = &[
    ("PolicyFile.schema", "schema = 1", "schema = 2", Refused("policy-schema")),
    ("PolicyFile.audience", "\"edge\"", "\"core\"", Changes),
    ("PolicyFile.after_expiry", "deny-all", "deny-new", Changes),
    (
        "PolicyFile.authority",
        "[[rule]]\nname = \"myapp\"",
        "[[authority]]\nname = \"third\"\nkey = \"c.pub\"\n[[rule]]\nname = \"myapp\"",
        Changes,
    ),
    (
        "PolicyFile.rule",
        "[[rule]]\nname = \"pause\"",
        "[[rule]]\nname = \"more\"\nmatch = [\"ghcr.io/x\"]\nmode = \"deny\"\n[[rule]]\nname = \"pause\"",
        Changes,
    ),
    (
        "PolicyFile.override",
        "[override]\nauthorities = [\"other\", \"release\"]\nthreshold = 1\nmax = \"4h\"\nlocal_root = \"off\"\n",
        "",
        Changes,
    ),
    (
        "PolicyFile.revoke",
        "[[revoke]]\nauthority = \"other\"\nfrom = 2026-06-02T00:00:00Z\nreason = \"team left\"\n",
        "",
        Changes,
    ),
    ("Authority.name", "\"release\"", "\"production\"", Changes),
    ("Authority.key", "key = \"a.pub\"\nvalid_from", "key = \"c.pub\"\nvalid_from", Changes),
    ("Authority.keys", ", { key = \"c.pub\", retired = true }", "", Changes),
    (
        "Authority.keyless",
        "key = \"a.pub\"\nvalid_from = 2026-01-01T00:00:00Z\nvalid_until = \"2027-01-01T00:00:00Z\"",
        "keyless = { trusted_root = \"root.json\" }",
        Refused("policy-not-enforced"),
    ),
    ("Authority.valid_from", "valid_from = 2026-01-01T00:00:00Z\n", "", Changes),
    ("Authority.valid_until", "valid_until = \"2027-01-01T00:00:00Z\"\n", "", Changes),
    (
        "Authority.retired",
        "valid_from = 2026-01-01T00:00:00Z\nvalid_until = \"2027-01-01T00:00:00Z\"\n",
        "retired = true\n",
        Changes,
    ),
    ("Key.key", "key = \"c.pub\", retired", "key = \"a.pub\", retired", Changes),
    ("Key.valid_from", "\"c.pub\", retired = true", "\"c.pub\", valid_from = 2026-01-01T00:00:00Z", Changes),
    (
        "Key.valid_until",
        "\"c.pub\", retired = true",
        "\"c.pub\", valid_until = 2026-01-01T00:00:00Z",
        Changes,
    ),
    ("Key.retired", "retired = true", "retired = false", Changes),
    ("Rule.name", "\"myapp\"", "\"yourapp\"", Changes),
    ("Rule.match", "docker.io/kcandidate/**", "docker.io/kcandidate/*", Changes),
    ("Rule.digests", "1111\"]", "1112\"]", Changes),
    ("Rule.namespaces", "namespaces = [\"demo\", \"team-*\"]\n", "", Changes),
    ("Rule.mode", "\"audit\"", "\"enforce\"", Changes),
    ("Rule.index", "\"exact\"", "\"parent\"", Refused("policy-not-enforced")),
    (
        "Rule.signed_by",
        "signed_by = [\"release\", \"other\"]",
        "signed_by = [\"other\", \"release\"]",
        Changes,
    ),
    ("Rule.at_least", "at_least = 2", "at_least = 1", Changes),
    (
        "Rule.attestation",
        "[[rule]]\nname = \"pause\"",
        "[[rule.attestation]]\ntype = \"vuln\"\n[[rule]]\nname = \"pause\"",
        Refused("policy-not-enforced"),
    ),
    ("Rule.contact", "ext. 12", "ext. 13", Changes),
    ("Override.authorities", "authorities = [\"other\", \"release\"]", "authorities = [\"other\"]", Changes),
    ("Override.threshold", "threshold = 1", "threshold = 2", Changes),
    ("Override.max", "\"4h\"", "\"5h\"", Changes),
    ("Override.local_root", "\"off\"", "\"on\"", Refused("policy-not-enforced")),
    ("Revocation.digest", "2222\"", "2223\"", Changes),
    ("Revocation.key", "4444\"", "4445\"", Changes),
    ("Revocation.evidence", "3333\"", "3334\"", Changes),
    ("Revocation.authority", "authority = \"other\"", "authority = \"release\"", Changes),
    ("Revocation.from", "from = 2026-06-01T00:00:00Z\n", "", Changes),
    ("Revocation.reason", "CVE-2026-1", "CVE-2026-2", Changes),
    (
        "Revocation.identity",
        "authority = \"other\"\nfrom",
        "identity = { issuer = \"i\", subject = \"s\" }\nfrom",
        Refused("policy-not-enforced"),
    ),
    (
        "Revocation.serial",
        "authority = \"other\"\nfrom",
        "serial = \"00\"\nfrom",
        Refused("policy-not-enforced"),
    ),
];

#[test]
fn every_field_changes_the_payload_or_is_refused_by_name() {
    let folder = Folder::new();
    let without_parts = |text: &str| {
        let mut json = serde_json::to_value(folder.payload(text)).unwrap();
        json.as_object_mut().unwrap().remove("parts");
        json
    };
    let before = without_parts(WHOLE);
    for (field, from, to, effect) in ROWS {
        let text = WHOLE.replace(from, to);
        assert_ne!(text, WHOLE, "{field}");
        match effect {
            Changes => assert_ne!(without_parts(&text), before, "{field} changes nothing"),
            Refused(code) => {
                let problems = folder.problems(&text);
                assert!(problems.iter().all(|problem| problem.ends_with(code)), "{field}: {problems:?}");
            }
        }
    }
}

#[test]
fn every_field_of_the_format_has_a_row() {
    let fields = fields! {
        PolicyFile { schema, audience, after_expiry, authority, rule, r#override, revoke }
        Authority { name, key, keys, keyless, valid_from, valid_until, retired }
        Key { key, valid_from, valid_until, retired }
        Rule {
            name, r#match, digests, namespaces, mode, index, signed_by, at_least, attestation, contact,
        }
        Override { authorities, threshold, max, local_root }
        Revocation { digest, key, identity, serial, evidence, authority, from, reason }
    };
    let fields: BTreeSet<&str> = fields.iter().map(String::as_str).collect();
    let rows: BTreeSet<&str> = ROWS.iter().map(|(field, ..)| *field).collect();
    assert_eq!(fields, rows);
}
