//! `[[rule.attestation]]`: what it becomes in a bundle, every refusal with its place and code, every warning.

use serde_json::json;

use super::tests::{Folder, HEAD, RULE};

/// A policy with every field about attestations.
pub(super) const ATTESTED: &str = r#"schema = 1

[[authority]]
name = "release"
key = "a.pub"

[[authority]]
name = "security"
key = "b.pub"

[[rule]]
name = "myapp"
match = ["**"]
signed_by = ["release"]

[[rule.attestation]]
type = ["vuln", "https://in-toto.io/attestation/vulns/v0.2"]
signed_by = ["release", "security"]
max_age = "7d"
max_age_at = "always"
vulnerabilities = { critical = 0, high = 5, medium = 10, low = 100, unknown = 3, fixable_only = true, vex = ["security"], ignore = ["CVE-2024-0002", { id = "CVE-2024-0003", until = 2999-12-31T00:00:00Z, reason = "not reachable" }] }

[[rule.attestation]]
type = "slsaprovenance"
signed_by = ["image", "release"]
builder = ["https://github.com/docker/buildx/*"]
build_type = ["https://mobyproject.org/buildkit@v1", "**buildType@v1"]
source = ["https://github.com/acme/*"]
commit = ["0*"]
entry_point = ["Dockerfile"]
parameters = { require = ["target", "ref=refs/tags/*"], forbid = ["debug*"] }
build_args = { require = ["VERSION=1.*"], forbid = ["HTTP_PROXY"] }
materials = "required"
base = ["docker.io/library/alpine@*"]

[[rule.attestation]]
type = ["spdxjson", "cyclonedx"]
signed_by = ["release"]
packages = { deny = ["pkg:npm/event-stream@3.3.6", "log4j-core@2.14.*", "left-pad"], licenses = ["AGPL-3.0*"] }

[[rule.attestation]]
type = "spdx"
signed_by = ["release"]
packages = { licenses = ["SSPL*"] }

[[rule.attestation]]
type = "https://acme.example/review/v1"
signed_by = ["release"]
cel = 'predicate.reviewed == "yes" && now - timestamp(predicate.at) < duration("720h")'

[[rule.attestation]]
type = "vuln"
signed_by = ["release"]
"#;

#[test]
fn every_field_becomes_what_nodes_read() {
    let payload = Folder::new().payload(ATTESTED);
    assert_eq!(payload.min_engine, 2);
    let expected = json!([
        {
            "types": [
                "https://cosign.sigstore.dev/attestation/vuln/v1", "https://in-toto.io/attestation/vulns/v0.2",
            ],
            "signed_by": ["release", "security"], "covered": false, "max_age": 604_800, "max_age_at": "always",
            "vulnerabilities": {
                "critical": 0, "high": 5, "medium": 10, "low": 100, "unknown": 3, "fixable_only": true,
                "ignore": [
                    { "id": "CVE-2024-0002", "until": null },
                    { "id": "CVE-2024-0003", "until": "2999-12-31T00:00:00Z" },
                ],
                "vex": ["security"],
            },
            "provenance": null, "packages": null, "condition": null,
        },
        {
            "types": ["https://slsa.dev/provenance/v0.2", "https://slsa.dev/provenance/v1"],
            "signed_by": ["release"], "covered": true, "max_age": null, "max_age_at": "first",
            "vulnerabilities": null,
            "provenance": {
                "builder": ["https://github.com/docker/buildx/*"],
                "build_type": ["https://mobyproject.org/buildkit@v1", "**buildType@v1"],
                "source": ["https://github.com/acme/*"], "commit": ["0*"], "entry_point": ["Dockerfile"],
                "parameters": {
                    "require": [
                        { "name": "target", "value": null }, { "name": "ref", "value": "refs/tags/*" },
                    ],
                    "forbid": ["debug*"],
                },
                "arguments": {
                    "require": [{ "name": "VERSION", "value": "1.*" }], "forbid": ["HTTP_PROXY"],
                },
                "materials": "required", "base": ["docker.io/library/alpine@*"],
            },
            "packages": null, "condition": null,
        },
        {
            "types": ["https://spdx.dev/Document", "https://cyclonedx.org/bom"],
            "signed_by": ["release"], "covered": false, "max_age": null, "max_age_at": "first",
            "vulnerabilities": null, "provenance": null,
            "packages": {
                "deny": [
                    { "purl": "pkg:npm/event-stream@3.3.6" },
                    { "name": "log4j-core", "version": "2.14.*" },
                    { "name": "left-pad", "version": null },
                ],
                "licenses": ["AGPL-3.0*"],
            },
            "condition": null,
        },
        {
            "types": ["https://spdx.dev/Document"],
            "signed_by": ["release"], "covered": false, "max_age": null, "max_age_at": "first",
            "vulnerabilities": null, "provenance": null,
            "packages": { "deny": [], "licenses": ["SSPL*"] }, "condition": null,
        },
        {
            "types": ["https://acme.example/review/v1"],
            "signed_by": ["release"], "covered": false, "max_age": null, "max_age_at": "first",
            "vulnerabilities": null, "provenance": null, "packages": null,
            "condition": {
                "engine": "pullward-cel/1",
                "expression":
                    "predicate.reviewed == \"yes\" && now - timestamp(predicate.at) < duration(\"720h\")",
            },
        },
        {
            "types": ["https://cosign.sigstore.dev/attestation/vuln/v1"],
            "signed_by": ["release"], "covered": false, "max_age": null, "max_age_at": "first",
            "vulnerabilities": null, "provenance": null, "packages": null, "condition": null,
        },
    ]);
    let rule = payload.rules.first().unwrap();
    assert_eq!(serde_json::to_value(&rule.attestations).unwrap(), expected);
}

#[test]
fn keys_stand_in_the_order_of_the_format() {
    let payload = Folder::new().payload(ATTESTED);
    let asked = payload.rules.first().unwrap().attestations.last().unwrap();
    assert_eq!(
        serde_json::to_string(asked).unwrap(),
        concat!(
            r#"{"types":["https://cosign.sigstore.dev/attestation/vuln/v1"],"signed_by":["release"],"covered":false,"#,
            r#""max_age":null,"max_age_at":"first","vulnerabilities":null,"provenance":null,"packages":null,"#,
            r#""condition":null}"#,
        )
    );
}

#[test]
fn a_bundle_asks_for_no_newer_engine_than_it_needs() {
    let folder = Folder::new();
    assert_eq!(folder.payload(&format!("{HEAD}{RULE}")).min_engine, 1);
    let attested = format!("{HEAD}{RULE}[[rule.attestation]]\ntype = \"custom\"\nsigned_by = [\"a\"]\n");
    assert_eq!(folder.payload(&attested).min_engine, 2);
}

/// A policy whose attestation begins in line 9 and has these lines from line 10 on.
fn asking(lines: &str) -> String {
    format!("{HEAD}{RULE}[[rule.attestation]]\n{lines}\n")
}

#[test]
fn every_refusal_has_its_place_and_code() {
    let folder = Folder::new();
    let vuln = |rest: &str| asking(&format!("type = \"vuln\"\nsigned_by = [\"a\"]\n{rest}"));
    let slsa = |rest: &str| asking(&format!("type = \"slsaprovenance\"\nsigned_by = [\"a\"]\n{rest}"));
    let spdx = |rest: &str| asking(&format!("type = \"spdxjson\"\nsigned_by = [\"a\"]\n{rest}"));
    let rows: Vec<(String, &str)> = vec![
        // types
        (asking("signed_by = [\"a\"]"), "9:1 policy-syntax"),
        (asking("type = \"vulns\"\nsigned_by = [\"a\"]"), "10:8 policy-attestation"),
        (asking("type = \"\"\nsigned_by = [\"a\"]"), "10:8 policy-attestation"),
        (asking("type = \"urn:a\\\"b\"\nsigned_by = [\"a\"]"), "10:8 policy-text"),
        (asking("type = 1\nsigned_by = [\"a\"]"), "10:8 policy-syntax"),
        (asking("type = []\nsigned_by = [\"a\"]"), "10:8 policy-empty-list"),
        (asking("type = [\"vuln\",\n \"vuln\"]\nsigned_by = [\"a\"]"), "11:2 policy-duplicate"),
        (asking("type = [\"vuln\", \"Vuln\"]\nsigned_by = [\"a\"]"), "10:17 policy-attestation"),
        (
            asking(
                "type = [\"a:1\",\"a:2\",\"a:3\",\"a:4\",\"a:5\",\"a:6\",\"a:7\",\"a:8\",\"a:9\"]\nsigned_by = [\"a\"]",
            ),
            "10:8 policy-bound",
        ),
        // signers
        (asking("type = \"vuln\""), "9:1 policy-no-signers"),
        (asking("type = \"vuln\"\nsigned_by = []"), "11:13 policy-no-signers"),
        (asking("type = \"vuln\"\nsigned_by = [\"b\"]"), "11:14 policy-unknown-authority"),
        (asking("type = \"vuln\"\nsigned_by = [\"a\", \"a\"]"), "11:19 policy-duplicate"),
        (asking("type = \"vuln\"\nsigned_by = [\"a\"]\nat_least = 1"), "12:1 policy-unknown-field"),
        (
            "schema = 1\n[[authority]]\nname = \"image\"\nkey = \"a.pub\"\n[[rule]]\nname = \"r\"\nmatch = [\"**\"]\n\
                 signed_by = [\"image\"]\n[[rule.attestation]]\ntype = \"spdx\"\nsigned_by = [\"image\"]\n".to_owned(),
            "11:14 policy-attestation",
        ),
        (
            format!(
                "{HEAD}[[rule]]\nname = \"r\"\nmatch = [\"**\"]\nmode = \"allow\"\n[[rule.attestation]]\ntype = \"vuln\"\n"
            ),
            "9:1 policy-mode",
        ),
        // age
        (vuln("max_age = \"0d\""), "12:11 policy-time"),
        (vuln("max_age = \"a month\""), "12:11 policy-time"),
        (vuln("max_age = 30"), "12:11 policy-syntax"),
        (vuln("max_age = \"1d\"\nmax_age_at = \"later\""), "13:14 policy-unknown-value"),
        (vuln("max_age_at = \"always\""), "12:14 policy-attestation"),
        (vuln("maxage = \"30d\""), "12:1 policy-unknown-field"),
        // vulnerabilities
        (vuln("vulnerabilities = {}"), "12:19 policy-attestation"),
        (vuln("vulnerabilities = { fixable_only = true }"), "12:19 policy-attestation"),
        (vuln("vulnerabilities = { critical = -1 }"), "12:32 policy-syntax"),
        (vuln("vulnerabilities = { criticals = 0 }"), "12:21 policy-unknown-field"),
        (vuln("vulnerabilities = { critical = 0, ignore = [\"\"] }"), "12:45 policy-text"),
        (vuln("vulnerabilities = { critical = 0, ignore = [\"a\\\"b\"] }"), "12:45 policy-text"),
        (
            vuln("vulnerabilities = { critical = 0, ignore = [\"x\", { id = \"x\" }] }"),
            "12:57 policy-duplicate",
        ),
        (
            vuln("vulnerabilities = { critical = 0, ignore = [{ until = 2026-01-01T00:00:00Z }] }"),
            "12:45 policy-syntax",
        ),
        (
            vuln("vulnerabilities = { critical = 0, ignore = [{ id = \"x\", until = 2026-01-01 }] }"),
            "12:65 policy-time",
        ),
        (
            vuln("vulnerabilities = { critical = 0, ignore = [{ id = \"x\", til = \"y\" }] }"),
            "12:57 policy-unknown-field",
        ),
        (
            vuln("vulnerabilities = { critical = 0, ignore = [{ id = \"x\", reason = \"\" }] }"),
            "12:66 policy-text",
        ),
        (vuln("vulnerabilities = { critical = 0, vex = [\"b\"] }"), "12:42 policy-unknown-authority"),
        (vuln("vulnerabilities = { critical = 0, vex = [\"image\"] }"), "12:42 policy-unknown-authority"),
        (slsa("vulnerabilities = { critical = 0 }"), "12:19 policy-attestation"),
        (
            asking("type = [\"vuln\", \"openvex\"]\nsigned_by = [\"a\"]\nvulnerabilities = { critical = 0 }"),
            "12:19 policy-attestation",
        ),
        // provenance
        (slsa("builder = []"), "12:11 policy-empty-list"),
        (slsa("builder = [\"\"]"), "12:12 policy-text"),
        (slsa("commit = [\"a\", \"a\"]"), "12:16 policy-duplicate"),
        (slsa("source = [\"github.com/acme/*\"]"), "12:11 policy-text"),
        (slsa("source = [\"https://github.com/acme/app#main\"]"), "12:11 policy-text"),
        (slsa("source = [\"git@github.com:acme/app\"]"), "12:11 policy-text"),
        (slsa("source = [\"**\"]"), "12:11 policy-text"),
        (slsa("commit = [\"a\\nb\"]"), "12:11 policy-text"),
        (slsa("build_type = \"x\""), "12:14 policy-syntax"),
        (slsa("parameters = {}"), "12:14 policy-attestation"),
        (slsa("parameters = { require = [\"=x\"] }"), "12:27 policy-text"),
        (slsa("parameters = { require = [\"x=\"] }"), "12:27 policy-text"),
        (slsa("parameters = { require = [\"x=1\", \"x=2\"] }"), "12:34 policy-duplicate"),
        (slsa("build_args = { forbid = [] }"), "12:25 policy-empty-list"),
        (slsa("build_args = { deny = [] }"), "12:16 policy-unknown-field"),
        (slsa("materials = \"yes\""), "12:13 policy-unknown-value"),
        (slsa("base = [\"alpine\"]"), "12:9 policy-pattern"),
        (slsa("base = [\"docker.io/library/alpine@latest\"]"), "12:9 policy-pattern"),
        (vuln("builder = [\"x\"]"), "12:11 policy-attestation"),
        (vuln("materials = \"required\""), "12:13 policy-attestation"),
        (spdx("base = [\"ghcr.io/**\"]"), "12:8 policy-attestation"),
        // conditions
        (vuln("cel = \"\""), "12:7 policy-condition"),
        (vuln("cel = 'predicate.x === 1'"), "12:22 policy-condition"),
        (vuln("cel = '''\npredicate.x &&\n  predicat.y == 1'''"), "14:3 policy-condition"),
        (vuln("cel = \"predicat.x == \\\"\\\"\""), "12:7 policy-condition"),
        (vuln("cel = 'predicate.x.matches(\"a\")'"), "12:20 policy-condition"),
        (vuln("cel = '\"text\"'"), "12:8 policy-condition"),
        (vuln("cel = 1"), "12:7 policy-syntax"),
        // packages
        (spdx("packages = {}"), "12:12 policy-attestation"),
        (spdx("packages = { deny = [] }"), "12:21 policy-empty-list"),
        (spdx("packages = { deny = [\"x@\"] }"), "12:22 policy-text"),
        (spdx("packages = { deny = [\"x\", \"x\"] }"), "12:27 policy-duplicate"),
        (spdx("packages = { licences = [\"x\"] }"), "12:14 policy-unknown-field"),
        (slsa("packages = { deny = [\"x\"] }"), "12:12 policy-attestation"),
    ];
    let wrong: Vec<_> = rows
        .into_iter()
        .map(|(text, expected)| (folder.problems(&text), expected, text))
        .filter(|(found, expected, _)| found != &[*expected])
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_refusal_says_the_next_step() {
    let folder = Folder::new();
    for (lines, words) in [
        ("type = \"vulns\"\nsigned_by = [\"a\"]", "did you mean `vuln`?"),
        ("type = \"review\"\nsigned_by = [\"a\"]", "or write its URI"),
        ("type = \"vuln\"\nsigned_by = [\"a\"]\nsource = [\"x\"]", "of type slsaprovenance"),
        ("type = \"vuln\"\nsigned_by = [\"a\"]\nvulnerabilities = {}", "critical = 0"),
        (
            "type = \"slsaprovenance\"\nsigned_by = [\"a\"]\nbase = [\"alpine@*\"]",
            "write `docker.io/library/alpine@*`",
        ),
    ] {
        let message = folder.message(&asking(lines));
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn bounds_are_refused_where_they_are_passed() {
    let folder = Folder::new();
    let attestation = "[[rule.attestation]]\ntype = \"custom\"\nsigned_by = [\"a\"]\n";
    let of = |count: usize| format!("{HEAD}{RULE}{}", attestation.repeat(count));
    assert_eq!(folder.payload(&of(16)).rules.first().unwrap().attestations.len(), 16);
    assert_eq!(folder.problems(&of(17)), ["57:1 policy-bound"]);
    let ids = |count: usize| (0..count).map(|id| format!("\"CVE-{id}\"")).collect::<Vec<_>>().join(",");
    let ignoring = |count: usize| {
        let bounds = format!("vulnerabilities = {{ critical = 0, ignore = [{}] }}", ids(count));
        asking(&format!("type = \"vuln\"\nsigned_by = [\"a\"]\n{bounds}"))
    };
    assert_eq!(folder.problems(&ignoring(1001)), ["12:19 policy-bound"]);
    folder.payload(&ignoring(1000));
    let denying = |count: usize| {
        let packages = format!("packages = {{ deny = [{}] }}", ids(count));
        asking(&format!("type = \"spdx\"\nsigned_by = [\"a\"]\n{packages}"))
    };
    assert_eq!(folder.problems(&denying(1001)), ["12:21 policy-bound"]);
    let commits = format!("commit = [{}]", ids(65));
    let text = asking(&format!("type = \"slsaprovenance1\"\nsigned_by = [\"a\"]\n{commits}"));
    assert_eq!(folder.problems(&text), ["12:10 policy-bound"]);
    let long =
        format!("type = \"spdx\"\nsigned_by = [\"a\"]\npackages = {{ deny = [\"{}\"] }}", "x".repeat(1025));
    assert_eq!(folder.problems(&asking(&long)), ["12:22 policy-text"]);
}

#[test]
fn two_names_of_one_type_are_one_type() {
    let text = asking("type = [\"spdx\", \"spdxjson\"]\nsigned_by = [\"a\"]");
    let payload = Folder::new().payload(&text);
    let asked = payload.rules.first().unwrap().attestations.first().unwrap();
    assert_eq!(asked.types, ["https://spdx.dev/Document"]);
}

#[test]
fn doubtful_requirements_are_warned_about() {
    let folder = Folder::new();
    let vuln = |rest: &str| asking(&format!("type = \"vuln\"\nsigned_by = [\"a\"]\n{rest}"));
    for (text, expected) in [
        (vuln("max_age = \"7d\"\nvulnerabilities = { critical = 0 }"), vec![]),
        (vuln("vulnerabilities = { critical = 0 }"), vec!["9:1 attestation-no-max-age"]),
        (vuln("max_age = \"31d\""), vec!["12:11 attestation-max-age-long"]),
        (vuln("max_age = \"30d\""), vec![]),
        (vuln("max_age = \"1d\"\nvulnerabilities = { high = 0 }"), vec!["13:28 severity-unbounded"]),
        (
            vuln("max_age = \"1d\"\nvulnerabilities = { critical = 0, low = 0 }"),
            vec!["13:41 severity-unbounded"],
        ),
        (
            vuln(
                "max_age = \"1d\"\nvulnerabilities = { critical = 0, ignore = [{ id = \"x\", until = 2020-01-01T00:00:00Z }] }",
            ),
            vec!["13:65 ignore-expired"],
        ),
        (
            vuln(
                "max_age = \"1d\"\nvulnerabilities = { critical = 0, ignore = [{ id = \"x\", until = 9999-01-01T00:00:00Z }] }",
            ),
            vec![],
        ),
        (
            asking("type = \"https://acme.example/review\"\nsigned_by = [\"a\"]\nmax_age = \"1d\""),
            vec!["12:11 attestation-no-time"],
        ),
        (asking("type = \"custom\"\nsigned_by = [\"a\"]\nmax_age = \"1d\""), vec![]),
        (asking("type = \"custom\"\nsigned_by = [\"a\"]\ncel = '1 == 1'"), vec!["12:7 condition-constant"]),
        (asking("type = \"custom\"\nsigned_by = [\"a\"]\ncel = 'has(predicate.x)'"), vec![]),
        (asking("type = \"cyclonedx\"\nsigned_by = [\"image\"]"), vec!["11:14 attestation-never-covered"]),
        (asking("type = [\"spdx\", \"slsaprovenance1\"]\nsigned_by = [\"image\"]"), vec![]),
    ] {
        assert_eq!(folder.warnings(&text), expected, "{text}");
    }
}

#[test]
fn an_authority_that_only_attests_is_used() {
    let folder = Folder::new();
    let head = format!("{HEAD}[[authority]]\nname = \"b\"\nkey = \"b.pub\"\n");
    for names in
        ["signed_by = [\"b\"]", "signed_by = [\"a\"]\nvulnerabilities = { critical = 0, vex = [\"b\"] }"]
    {
        let text = format!("{head}{RULE}[[rule.attestation]]\ntype = \"vuln\"\nmax_age = \"1d\"\n{names}\n");
        assert_eq!(folder.warnings(&text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn a_rule_with_fewer_attestations_behind_a_tag_is_laxer() {
    let folder = Folder::new();
    let attestation = "[[rule.attestation]]\ntype = \"custom\"\nsigned_by = [\"a\"]\n";
    let rules = |first: &str, second: &str| {
        format!(
            "{HEAD}[[rule]]\nname = \"x\"\nmatch = [\"ghcr.io/x/y:v*\"]\nsigned_by = [\"a\"]\n{first}[[rule]]\nname = \"y\"\n\
             match = [\"**\"]\nsigned_by = [\"a\"]\n{second}"
        )
    };
    assert_eq!(folder.warnings(&rules(attestation, "")), ["7:10 tag-bypass"]);
    assert_eq!(folder.warnings(&rules(attestation, attestation)), Vec::<String>::new());
}

#[test]
fn a_condition_too_many_is_refused_and_a_long_one_too() {
    let folder = Folder::new();
    let long =
        format!("type = \"vuln\"\nsigned_by = [\"a\"]\ncel = \"predicate.x == '{}'\"", "a".repeat(4096));
    assert_eq!(folder.problems(&asking(&long)), ["12:8 policy-condition"]);
    let attestation = "[[rule.attestation]]\ntype = \"custom\"\nsigned_by = [\"a\"]\ncel = 'predicate.x'\n";
    let rules: String = (0..63)
        .map(|n| {
            let asked = attestation.repeat(if n == 62 { 9 } else { 16 });
            format!("[[rule]]\nname = \"r{n}\"\nmatch = [\"ghcr.io/a/{n}\"]\nsigned_by = [\"a\"]\n{asked}")
        })
        .collect();
    let problems = folder.problems(&format!("{HEAD}{rules}"));
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems.iter().all(|problem| problem.ends_with("policy-bound")), "{problems:?}");
}

#[test]
fn nodes_take_what_is_built_of_every_field() {
    let payload = Folder::new().payload(ATTESTED);
    let bytes = payload.to_bytes().unwrap();
    let trust = crate::trust::installed::tests::unsigned(bytes.clone());
    assert_eq!(trust.bundle().index().rule_count(), 1);
    assert_eq!(crate::trust::payload::Payload::from_bytes(&bytes), Ok(payload));
}
