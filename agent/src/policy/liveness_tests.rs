//! No field of the format is dead: changing it alone changes the payload, or it is refused by name.
//!
//! The list of fields comes from the types: a field without a row here fails the test, and a field that is not in the
//! list does not compile. That the payload's fields change verdicts is tested where verdicts are made.

use std::collections::BTreeSet;

use super::attestation_tests::ATTESTED;
use super::file::attestation::Ignore;
use super::file::{
    Attestation, Authority, Identity, Key, Keyless, Override, Packages, Parameters, PolicyFile, Revocation,
    RevokedIdentity, Rule, Vulnerabilities,
};
use super::keyless_tests::{KEYLESS, folder};
use super::tests::WHOLE;

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
    /// Only the digest of the policy file changes: it is for the readers of that.
    Noted,
}

use Effect::{Changes, Noted, Refused};

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
        Refused("policy-empty-list"),
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
    ("Rule.index", "\"exact\"", "\"parent\"", Changes),
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
        "[[rule.attestation]]\ntype = \"vuln\"\nsigned_by = [\"other\"]\n[[rule]]\nname = \"pause\"",
        Changes,
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
];

/// The same for the fields about certificates and logs, in a policy that has all of them.
const KEYLESS_ROWS: &[(&str, &str, &str, Effect)] = &[
    ("Authority.trusted_root", "trusted_root = \"root.json\"\n\n[[rule", "\n[[rule", Changes),
    ("Keyless.trusted_root", "root.json\"\n[[", "timestamps.json\"\n[[", Changes),
    (
        "Keyless.identity",
        "\n[[authority]]\nname = \"release\"",
        "[[authority.keyless.identity]]\nissuer = \"i\"\nsubject = \"s\"\n[[authority]]\nname = \"release\"",
        Changes,
    ),
    ("Identity.issuer", "issuer = \"https://token", "issuer = \"https://gitlab", Changes),
    ("Identity.subject", "release.yml", "publish.yml", Changes),
    ("Identity.fields", "github-hosted", "self-hosted", Changes),
    ("Revocation.identity", "acme/old/**", "acme/older/**", Changes),
    ("RevokedIdentity.issuer", "{ issuer = \"https://token", "{ issuer = \"https://gitlab", Changes),
    ("RevokedIdentity.subject", "acme/old/**", "acme/older/**", Changes),
    ("Revocation.serial", "00:AB", "00:AC", Changes),
];

/// The same for the fields about attestations, in a policy that has all of them.
const ATTESTATION_ROWS: &[(&str, &str, &str, Effect)] = &[
    ("Attestation.type", "\"spdxjson\", \"cyclonedx\"", "\"cyclonedx\"", Changes),
    ("Attestation.signed_by", "[\"image\", \"release\"]", "[\"release\"]", Changes),
    ("Attestation.max_age", "\"7d\"", "\"6d\"", Changes),
    ("Attestation.max_age_at", "\"always\"", "\"first\"", Changes),
    (
        "Attestation.vulnerabilities",
        "type = \"vuln\"\nsigned_by = [\"release\"]\n",
        "type = \"vuln\"\nsigned_by = [\"release\"]\nvulnerabilities = { critical = 0 }\n",
        Changes,
    ),
    ("Attestation.builder", "github.com/docker/buildx", "github.com/moby/buildkit", Changes),
    ("Attestation.build_type", "buildType@v1", "buildType@v2", Changes),
    ("Attestation.source", "github.com/acme/*", "github.com/acme/app", Changes),
    ("Attestation.commit", "commit = [\"0*\"]\n", "", Changes),
    ("Attestation.entry_point", "Dockerfile", "Containerfile", Changes),
    (
        "Attestation.parameters",
        "parameters = { require = [\"target\", \"ref=refs/tags/*\"], forbid = [\"debug*\"] }\n",
        "",
        Changes,
    ),
    (
        "Attestation.build_args",
        "build_args = { require = [\"VERSION=1.*\"], forbid = [\"HTTP_PROXY\"] }\n",
        "",
        Changes,
    ),
    ("Attestation.materials", "\"required\"", "\"optional\"", Changes),
    ("Attestation.base", "alpine@*", "debian@*", Changes),
    ("Attestation.packages", "packages = { licenses = [\"SSPL*\"] }\n", "", Changes),
    ("Attestation.cel", "predicate.reviewed", "predicate.seen", Changes),
    ("Vulnerabilities.critical", "critical = 0", "critical = 1", Changes),
    ("Vulnerabilities.high", "high = 5", "high = 4", Changes),
    ("Vulnerabilities.medium", "medium = 10, ", "", Changes),
    ("Vulnerabilities.low", "low = 100", "low = 99", Changes),
    ("Vulnerabilities.unknown", "unknown = 3", "unknown = 0", Changes),
    ("Vulnerabilities.fixable_only", "fixable_only = true", "fixable_only = false", Changes),
    ("Vulnerabilities.ignore", "\"CVE-2024-0002\", ", "", Changes),
    ("Vulnerabilities.vex", "vex = [\"security\"]", "vex = [\"release\"]", Changes),
    ("Ignore.id", "CVE-2024-0003", "CVE-2024-0004", Changes),
    ("Ignore.until", "2999-12-31", "2999-12-30", Changes),
    ("Ignore.reason", "not reachable", "not reached", Noted),
    ("Parameters.require", "\"target\", ", "", Changes),
    ("Parameters.forbid", "debug*", "debug", Changes),
    ("Packages.deny", "event-stream@3.3.6", "event-stream@*", Changes),
    ("Packages.licenses", "AGPL-3.0*", "AGPL-3.0-only", Changes),
];

#[test]
fn every_field_changes_the_payload_or_is_refused_by_name() {
    let folder = folder();
    let payload = |text: &str| {
        let mut json = serde_json::to_value(folder.payload(text)).unwrap();
        let parts = json.as_object_mut().unwrap().remove("parts");
        (json, parts)
    };
    for (policy, rows) in [(WHOLE, ROWS), (KEYLESS, KEYLESS_ROWS), (ATTESTED, ATTESTATION_ROWS)] {
        let before = payload(policy);
        for (field, from, to, effect) in rows {
            let text = policy.replace(from, to);
            assert_ne!(text, policy, "{field}");
            match effect {
                Changes => assert_ne!(payload(&text).0, before.0, "{field} changes nothing"),
                Noted => {
                    let after = payload(&text);
                    assert_eq!(after.0, before.0, "{field} changes more than the digest of the file");
                    assert_ne!(after.1, before.1, "{field} changes nothing");
                }
                Refused(code) => {
                    let problems = folder.problems(&text);
                    assert!(problems.iter().all(|problem| problem.ends_with(code)), "{field}: {problems:?}");
                }
            }
        }
    }
}

#[test]
fn every_field_of_the_format_has_a_row() {
    let fields = fields! {
        PolicyFile { schema, audience, after_expiry, authority, rule, r#override, revoke }
        Authority { name, key, keys, keyless, trusted_root, valid_from, valid_until, retired }
        Keyless { trusted_root, identity }
        Identity { issuer, subject, fields }
        RevokedIdentity { issuer, subject }
        Key { key, valid_from, valid_until, retired }
        Rule {
            name, r#match, digests, namespaces, mode, index, signed_by, at_least, attestation, contact,
        }
        Attestation {
            r#type, signed_by, max_age, max_age_at, vulnerabilities, builder, build_type, source, commit, entry_point,
            parameters, build_args, materials, base, packages, cel,
        }
        Vulnerabilities { critical, high, medium, low, unknown, fixable_only, ignore, vex }
        Ignore { id, until, reason }
        Parameters { require, forbid }
        Packages { deny, licenses }
        Override { authorities, threshold, max, local_root }
        Revocation { digest, key, identity, serial, evidence, authority, from, reason }
    };
    let fields: BTreeSet<&str> = fields.iter().map(String::as_str).collect();
    let rows: BTreeSet<&str> =
        ROWS.iter().chain(KEYLESS_ROWS).chain(ATTESTATION_ROWS).map(|(field, ..)| *field).collect();
    assert_eq!(fields, rows);
}
