//! Every refusal with its place and code, every warning, and every field that reaches the payload.

use std::path::{Path, PathBuf};

use getrandom::SysRng;
use p256::elliptic_curve::Generate as _;
use p256::pkcs8::{EncodePublicKey as _, LineEnding};
use pullward_core::oci::Digest;
use tempfile::TempDir;

use super::{Policy, Source};
use crate::trust::payload::Payload;
use crate::trust::time::Time;

/// A folder with the public keys a.pub, b.pub, c.pub (P-256, P-384, Ed25519) and private.pem.
pub(super) struct Folder(TempDir);

impl Folder {
    pub(super) fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let p256 = p256::SecretKey::try_generate_from_rng(&mut SysRng).unwrap().public_key();
        let p384 = p384::SecretKey::try_generate_from_rng(&mut SysRng).unwrap().public_key();
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).unwrap();
        let ed25519 = ed25519_dalek::SigningKey::from_bytes(&seed).verifying_key();
        folder.write("a.pub", &p256.to_public_key_pem(LineEnding::LF).unwrap());
        folder.write("b.pub", &p384.to_public_key_pem(LineEnding::LF).unwrap());
        folder.write("c.pub", &ed25519.to_public_key_pem(LineEnding::LF).unwrap());
        folder.write("copy-of-a.pub", &std::fs::read_to_string(folder.path("a.pub")).unwrap());
        folder.write("private.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
        folder
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, text: &str) -> Result<Policy, Vec<super::Problem>> {
        Policy::from_source(&Source::new(self.path("policy.toml"), text.to_owned()))
    }

    /// `line:column code` of every problem.
    pub(super) fn problems(&self, text: &str) -> Vec<String> {
        let problems = self.read(text).expect_err("the policy should be refused");
        let position = |problem: &super::Problem| {
            problem.position.map_or_else(|| "-".to_owned(), |position| position.to_string())
        };
        problems.iter().map(|problem| format!("{} {}", position(problem), problem.fault.code())).collect()
    }

    pub(super) fn message(&self, text: &str) -> String {
        self.read(text).expect_err("the policy should be refused").first().unwrap().fault.to_string()
    }

    pub(super) fn warnings(&self, text: &str) -> Vec<String> {
        let policy = self.read(text).unwrap();
        let position = |warning: &super::Warning| {
            warning.position.map_or_else(|| "-".to_owned(), |position| position.to_string())
        };
        policy
            .warnings()
            .iter()
            .map(|warning| format!("{} {}", position(warning), warning.doubt.code()))
            .collect()
    }

    pub(super) fn payload(&self, text: &str) -> Payload {
        let time = |text| Time::parse(text).unwrap();
        self.read(text).unwrap().into_payload(7, time("2026-11-24T13:00:00Z"), time("2027-02-22T13:00:00Z"))
    }
}

/// Every field that engine 1 takes, once.
pub(super) const WHOLE: &str = r#"schema = 1
audience = "edge"
after_expiry = "deny-all"

[[authority]]
name = "release"
key = "a.pub"
valid_from = 2026-01-01T00:00:00Z
valid_until = "2027-01-01T00:00:00Z"

[[authority]]
name = "other"
keys = ["b.pub", { key = "c.pub", retired = true }]

[[rule]]
name = "myapp"
match = ["docker.io/kcandidate/**", "ghcr.io/acme/app:v*"]
mode = "audit"
index = "exact"
namespaces = ["demo", "team-*"]
signed_by = ["release", "other"]
at_least = 2
contact = "security team, ext. 12"

[[rule]]
name = "pause"
match = ["registry.k8s.io/pause"]
digests = ["sha256:1111111111111111111111111111111111111111111111111111111111111111"]
mode = "allow"

[override]
authorities = ["other", "release"]
threshold = 1
max = "4h"
local_root = "off"

[[revoke]]
digest = "sha256:2222222222222222222222222222222222222222222222222222222222222222"
reason = "CVE-2026-1"

[[revoke]]
evidence = "sha256:3333333333333333333333333333333333333333333333333333333333333333"

[[revoke]]
key = "a.pub"
from = 2026-06-01T00:00:00Z
reason = "laptop lost"

[[revoke]]
key = "sha256:4444444444444444444444444444444444444444444444444444444444444444"

[[revoke]]
authority = "other"
from = 2026-06-02T00:00:00Z
reason = "team left"
"#;

pub(super) const HEAD: &str = "schema = 1\n[[authority]]\nname = \"a\"\nkey = \"a.pub\"\n";
pub(super) const RULE: &str = "[[rule]]\nname = \"r\"\nmatch = [\"**\"]\nsigned_by = [\"a\"]\n";

#[test]
fn the_whole_format_becomes_the_payload() {
    let folder = Folder::new();
    let payload = folder.payload(WHOLE);
    let json = serde_json::to_value(&payload).unwrap();
    let at = |pointer: &str| json.pointer(pointer).unwrap_or_else(|| panic!("{pointer}")).clone();
    for (pointer, value) in [
        ("/audience", "edge"),
        ("/after_expiry", "deny-all"),
        ("/authorities/0/keys/0/type", "p256"),
        ("/authorities/0/keys/0/valid_from", "2026-01-01T00:00:00Z"),
        ("/authorities/0/keys/0/valid_until", "2027-01-01T00:00:00Z"),
        ("/authorities/1/keys/0/type", "p384"),
        ("/authorities/1/keys/1/type", "ed25519"),
        ("/rules/0/match/1", "ghcr.io/acme/app:v*"),
        ("/rules/0/mode", "audit"),
        ("/rules/0/namespaces/1", "team-*"),
        ("/rules/0/contact", "security team, ext. 12"),
        ("/digest_lists/0", &"1".repeat(64)),
        ("/override/authorities/0", "other"),
        ("/revoked/digests", &"2".repeat(64)),
        ("/revoked/digest_reasons/0/reason", "CVE-2026-1"),
        ("/revoked/evidence", &"3".repeat(64)),
        ("/revoked/keys/0/from", "2026-06-01T00:00:00Z"),
        ("/revoked/keys/1/key", &"4".repeat(64)),
        ("/revoked/authorities/0/reason", "team left"),
        ("/parts/0/name", "policy.toml"),
        ("/parts/1/name", "a.pub"),
        ("/parts/0/digest", &Digest::of(WHOLE.as_bytes()).to_string()),
    ] {
        assert_eq!(at(pointer), value, "{pointer}");
    }
    assert_eq!(at("/authorities/1/keys/1/retired"), true);
    assert_eq!(at("/rules/0/at_least"), 2);
    assert_eq!((at("/rules/0/digests"), at("/rules/1/digests")), (serde_json::Value::Null, 0.into()));
    assert_eq!(at("/override/max"), 14_400);
    assert_eq!(json.pointer("/parts").unwrap().as_array().unwrap().len(), 4);
    let bytes = payload.to_bytes().unwrap();
    // The core takes it too.
    let trust = crate::trust::installed::tests::unsigned(bytes.clone());
    assert_eq!((trust.audience.as_str(), trust.bundle().index().rule_count()), ("edge", 2));
    assert_eq!(Payload::from_bytes(&bytes), Ok(payload));
}

#[test]
fn building_twice_gives_the_same_bytes() {
    let folder = Folder::new();
    assert_eq!(folder.payload(WHOLE).to_bytes(), folder.payload(WHOLE).to_bytes());
}

#[test]
fn every_refusal_has_its_place_and_code() {
    let folder = Folder::new();
    let zeros = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    let rows: Vec<(String, &str)> = vec![
        // the file
        (String::new(), "1:1 policy-syntax"),
        ("schema = 1\n".into(), "- policy-empty"),
        ("schema = 2\n".to_owned() + &HEAD[11..] + RULE, "1:10 policy-schema"),
        ("schema = \"1\"\n".into(), "1:10 policy-syntax"),
        ("schema = 1\nschema = 1\n".into(), "2:1 policy-syntax"),
        ("schema = 1\nrules = []\n".into(), "2:1 policy-unknown-field"),
        ("schema = 1\n= 2\n".into(), "2:1 policy-syntax"),
        (format!("{HEAD}{RULE}[[rul]]\n"), "9:3 policy-unknown-field"),
        (format!("schema = 1\naudience = \"../x\"\n{}{RULE}", &HEAD[11..]), "2:12 policy-text"),
        (format!("schema = 1\nafter_expiry = \"allow\"\n{}{RULE}", &HEAD[11..]), "2:16 policy-unknown-value"),
        // authorities
        (format!("schema = 1\n[[authority]]\nname = \"a\"\n{RULE}"), "3:8 policy-authority"),
        (format!("{HEAD}keys = [\"b.pub\"]\n{RULE}"), "3:8 policy-authority"),
        (format!("{HEAD}{}{RULE}", HEAD[11..].replace("a.pub", "b.pub")), "6:8 policy-duplicate"),
        (format!("schema = 1\n[[authority]]\nname = \"a\"\nkeys = []\n{RULE}"), "4:8 policy-empty-list"),
        (
            format!(
                "schema = 1\n[[authority]]\nname = \"a\"\nkeys = [\"a.pub\",\n  \"copy-of-a.pub\"]\n{RULE}"
            ),
            "5:3 policy-duplicate",
        ),
        (
            format!("schema = 1\n[[authority]]\nname = \"a\"\nkeys = [{{ kay = \"a.pub\" }}]\n{RULE}"),
            "4:11 policy-unknown-field",
        ),
        (format!("schema = 1\n[[authority]]\nname = \"a\"\nkeys = [1]\n{RULE}"), "4:9 policy-syntax"),
        (
            format!("schema = 1\n[[authority]]\nname = \"a\"\nkeys = [\"a.pub\"]\nretired = true\n{RULE}"),
            "5:11 policy-key-window",
        ),
        (
            format!("schema = 1\n[[authority]]\nname = \"a\"\nkey = \"none.pub\"\n{RULE}"),
            "4:7 policy-key-file",
        ),
        (format!("schema = 1\n[[authority]]\nname = \"a\"\nkey = \"private.pem\"\n{RULE}"), "4:7 policy-key"),
        (format!("{HEAD}{RULE}").replace("\"a\"", "\"\""), "3:8 policy-text"),
        (format!("{HEAD}valid_from = 2026-01-01\n{RULE}"), "5:14 policy-time"),
        (format!("{HEAD}valid_from = \"yesterday\"\n{RULE}"), "5:14 policy-time"),
        (format!("{HEAD}valid_from = 2026-01-01T00:00:00+01:00\n{RULE}"), "5:14 policy-time"),
        (
            format!("{HEAD}valid_from = 2026-01-02T00:00:00Z\nvalid_until = 2026-01-02T00:00:00Z\n{RULE}"),
            "6:15 policy-key-window",
        ),
        (
            format!("{HEAD}valid_until = 2026-01-02T00:00:00Z\nretired = true\n{RULE}"),
            "5:15 policy-key-window",
        ),
        // rules
        (format!("{HEAD}[[rule]]\nname = \"r\"\nsigned_by = [\"a\"]\n"), "5:1 policy-syntax"),
        (format!("{HEAD}[[rule]]\nname = \"r\"\nmatch = []\nsigned_by = [\"a\"]\n"), "7:9 policy-empty-list"),
        (
            format!("{HEAD}[[rule]]\nname = \"r\"\nmatch = [\"**\",\n  \"**\"]\nsigned_by = [\"a\"]\n"),
            "8:3 policy-duplicate",
        ),
        (
            format!("{HEAD}[[rule]]\nname = \"r\"\nmatch = [\"kcandidate/*\"]\nsigned_by = [\"a\"]\n"),
            "7:10 policy-pattern",
        ),
        (format!("{HEAD}[[rule]]\nname = \"r\"\nmatch = [\"**\"]\n"), "6:8 policy-no-signers"),
        (
            format!("{HEAD}[[rule]]\nname = \"r\"\nmatch = [\"**\"]\nmode = \"audit\"\n"),
            "6:8 policy-no-signers",
        ),
        (
            format!("{HEAD}[[rule]]\nname = \"r\"\nmatch = [\"**\"]\nsigned_by = []\n"),
            "8:13 policy-no-signers",
        ),
        (
            format!("{HEAD}[[rule]]\nname = \"r\"\nmatch = [\"**\"]\nsigned_by = [\"b\"]\n"),
            "8:14 policy-unknown-authority",
        ),
        (
            format!("{HEAD}[[rule]]\nname = \"r\"\nmatch = [\"**\"]\nsigned_by = [\"a\",\"a\"]\n"),
            "8:18 policy-duplicate",
        ),
        (format!("{HEAD}{RULE}singed_by = [\"a\"]\n"), "9:1 policy-unknown-field"),
        (format!("{HEAD}{RULE}mode = \"warn\"\n"), "9:8 policy-unknown-value"),
        (format!("{HEAD}{RULE}mode = \"allow\"\n"), "8:13 policy-mode"),
        (format!("{HEAD}{RULE}mode = \"deny\"\n"), "8:13 policy-mode"),
        (
            format!("{HEAD}[[rule]]\nname = \"r\"\nmatch = [\"**\"]\nmode = \"deny\"\nat_least = 1\n"),
            "9:12 policy-mode",
        ),
        (format!("{HEAD}{RULE}at_least = 0\n"), "9:12 policy-threshold"),
        (format!("{HEAD}{RULE}at_least = 2\n"), "9:12 policy-threshold"),
        (format!("{HEAD}{RULE}at_least = -1\n"), "9:12 policy-syntax"),
        (format!("{HEAD}{RULE}digests = []\n"), "9:11 policy-empty-list"),
        (format!("{HEAD}{RULE}digests = [\"sha256:00\"]\n"), "9:12 policy-digest"),
        (format!("{HEAD}{RULE}digests = [\"{}\"]\n", zeros.to_uppercase()), "9:12 policy-digest"),
        (format!("{HEAD}{RULE}digests = [\"{zeros}\", \"{zeros}\"]\n"), "9:87 policy-duplicate"),
        (format!("{HEAD}{RULE}namespaces = []\n"), "9:14 policy-empty-list"),
        (format!("{HEAD}{RULE}namespaces = [\"A\"]\n"), "9:15 policy-text"),
        (format!("{HEAD}{RULE}contact = \"\"\n"), "9:11 policy-text"),
        (format!("{HEAD}{RULE}contact = \"a\\nb\"\n"), "9:11 policy-text"),
        (format!("{HEAD}{RULE}{RULE}"), "10:8 policy-duplicate"),
        (
            format!("{HEAD}[[rule]]\nname = \"r\"\nmatch = [\"**\"]\nmode = \"allow\"\nindex = \"parent\"\n"),
            "9:9 policy-mode",
        ),
        // revocations
        (format!("{HEAD}{RULE}[[revoke]]\nreason = \"x\"\n"), "9:1 policy-revocation"),
        (
            format!("{HEAD}{RULE}[[revoke]]\ndigest = \"{zeros}\"\nevidence = \"{zeros}\"\n"),
            "9:1 policy-revocation",
        ),
        (format!("{HEAD}{RULE}[[revoke]]\ndigest = \"x\"\n"), "10:10 policy-digest"),
        (
            format!("{HEAD}{RULE}[[revoke]]\ndigest = \"{zeros}\"\nfrom = 2026-01-01T00:00:00Z\n"),
            "11:8 policy-revocation",
        ),
        (
            format!("{HEAD}{RULE}[[revoke]]\nevidence = \"{zeros}\"\nreason = \"x\"\n"),
            "11:10 policy-revocation",
        ),
        (
            format!("{HEAD}{RULE}[[revoke]]\ndigest = \"{zeros}\"\n[[revoke]]\ndigest = \"{zeros}\"\n"),
            "12:10 policy-duplicate",
        ),
        (format!("{HEAD}{RULE}[[revoke]]\nkey = \"none.pub\"\n"), "10:7 policy-key-file"),
        (format!("{HEAD}{RULE}[[revoke]]\nkey = \"sha256:zz\"\n"), "10:7 policy-digest"),
        (format!("{HEAD}{RULE}[[revoke]]\nauthority = \"b\"\n"), "10:13 policy-unknown-authority"),
        // override
        (format!("{HEAD}{RULE}[override]\nauthorities = []\nthreshold = 1\n"), "10:15 policy-empty-list"),
        (format!("{HEAD}{RULE}[override]\nauthorities = [\"a\"]\n"), "9:1 policy-syntax"),
        (format!("{HEAD}{RULE}[override]\nauthorities = [\"a\"]\nthreshold = 0\n"), "11:13 policy-threshold"),
        (format!("{HEAD}{RULE}[override]\nauthorities = [\"a\"]\nthreshold = 2\n"), "11:13 policy-threshold"),
        (
            format!("{HEAD}{RULE}[override]\nauthorities = [\"x\"]\nthreshold = 1\n"),
            "10:16 policy-unknown-authority",
        ),
        (
            format!("{HEAD}{RULE}[override]\nauthorities = [\"a\"]\nthreshold = 1\nmax = \"8d\"\n"),
            "12:7 policy-time",
        ),
        (
            format!("{HEAD}{RULE}[override]\nauthorities = [\"a\"]\nthreshold = 1\nmax = \"soon\"\n"),
            "12:7 policy-time",
        ),
        (
            format!("{HEAD}{RULE}[override]\nauthorities = [\"a\"]\nthreshold = 1\nlocal_root = \"on\"\n"),
            "12:14 policy-not-enforced",
        ),
    ];
    let wrong: Vec<_> = rows
        .into_iter()
        .map(|(text, expected)| (folder.problems(&text), expected, text))
        .filter(|(found, expected, _)| found != &[*expected])
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn all_problems_of_content_are_reported_at_once_and_in_order() {
    let folder = Folder::new();
    let text = format!(
        "{HEAD}{RULE}at_least = 0\ndigests = []\n[[rule]]\nname = \"s\"\nmatch = []\nmode = \"deny\"\n"
    );
    assert_eq!(
        folder.problems(&text),
        ["9:12 policy-threshold", "10:11 policy-empty-list", "13:9 policy-empty-list"]
    );
}

#[test]
fn a_refusal_says_the_next_step() {
    let folder = Folder::new();
    for (text, words) in [
        (format!("{HEAD}{RULE}singed_by = [\"a\"]\n"), "did you mean `signed_by`?"),
        (
            format!("{HEAD}[[rule]]\nname = \"r\"\nmatch = [\"kcandidate/*\"]\nsigned_by = [\"a\"]\n"),
            "write `docker.io/kcandidate/*`",
        ),
        (
            format!("{HEAD}[[rule]]\nname = \"r\"\nmatch = [\"**\"]\nsigned_by = [\"A\"]\n"),
            "did you mean `a`?",
        ),
        ("schema = 1\n".into(), "denies everything"),
    ] {
        let message = folder.message(&text);
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn a_file_that_is_missing_or_no_text_is_refused_without_a_place() {
    let folder = Folder::new();
    let problem = Policy::read(&folder.path("none.toml")).unwrap_err();
    assert_eq!(problem.first().unwrap().fault.code(), "policy-unreadable");
    std::fs::write(folder.path("binary.toml"), [b'a', 0xff]).unwrap();
    let problem = Policy::read(&folder.path("binary.toml")).unwrap_err();
    assert_eq!(problem.first().unwrap().fault, super::Fault::NotUtf8 { at: 1 });
    let problem = Policy::read(Path::new("/")).unwrap_err();
    assert_eq!(problem.first().unwrap().fault.code(), "policy-unreadable");
}

#[test]
fn bounds_are_refused_at_the_first_entry_past_them() {
    let folder = Folder::new();
    let rules: String = (0..1001)
        .map(|n| format!("[[rule]]\nname = \"r{n}\"\nmatch = [\"ghcr.io/a/{n}\"]\nsigned_by = [\"a\"]\n"))
        .collect();
    assert_eq!(folder.problems(&format!("{HEAD}{rules}")), ["4006:8 policy-bound"]);
    let patterns: Vec<String> = (0..65).map(|n| format!("\"ghcr.io/a/{n}\"")).collect();
    let rule = format!("[[rule]]\nname = \"r\"\nmatch = [{}]\nsigned_by = [\"a\"]\n", patterns.join(","));
    assert_eq!(folder.problems(&format!("{HEAD}{rule}")), ["7:9 policy-bound"]);
}

#[test]
fn one_key_under_two_names_counts_once() {
    let folder = Folder::new();
    let text = "schema = 1\n[[authority]]\nname = \"a\"\nkey = \"a.pub\"\n[[authority]]\nname = \"b\"\n\
                key = \"copy-of-a.pub\"\n[[rule]]\nname = \"r\"\nmatch = [\"**\"]\nsigned_by = [\"a\", \"b\"]\n";
    assert_eq!(folder.problems(&format!("{text}at_least = 2\n")), ["12:12 policy-threshold"]);
    assert_eq!(folder.warnings(text), ["6:8 shared-key"]);
}

#[test]
fn doubtful_policies_are_warned_about() {
    let folder = Folder::new();
    let pause = "[[rule]]\nname = \"p\"\nmatch = [\"registry.k8s.io/pause:3.*\"]\nsigned_by = [\"a\"]\n";
    let rule = |name: &str, pattern: &str, rest: &str| {
        format!("[[rule]]\nname = \"{name}\"\nmatch = [\"{pattern}\"]\n{rest}\n")
    };
    let signed = "signed_by = [\"a\"]";
    for (text, expected) in [
        (format!("{HEAD}{RULE}"), vec![]),
        (format!("{HEAD}{pause}"), vec![]),
        (format!("{HEAD}{}", rule("x", "ghcr.io/x/**", signed)), vec!["- no-pause-rule"]),
        (
            format!("{HEAD}{}{}", rule("x", "**", "mode = \"deny\""), pause),
            // Nothing is behind a rule that takes everything.
            vec!["11:10 rule-unreachable"],
        ),
        (
            format!("{HEAD}{pause}{}", rule("x", "ghcr.io/x/**", "mode = \"allow\"")),
            vec!["10:8 allow-unpinned"],
        ),
        (
            format!(
                "{HEAD}{pause}{}{}",
                rule("x", "ghcr.io/x/**", signed),
                rule("y", "ghcr.io/x/**", signed)
            ),
            vec!["15:10 rule-unreachable"],
        ),
        (
            format!(
                "{HEAD}{pause}{}{}",
                rule("x", "ghcr.io/x/y:old-*", "mode = \"deny\""),
                rule("y", "ghcr.io/x/**", signed)
            ),
            vec!["11:10 tag-bypass"],
        ),
        (
            format!(
                "{HEAD}{pause}{}{}",
                rule("x", "ghcr.io/x/y:v*", signed),
                rule("y", "ghcr.io/x/**", "mode = \"deny\"")
            ),
            vec![],
        ),
        (format!("{HEAD}[[authority]]\nname = \"b\"\nkey = \"b.pub\"\n{RULE}"), vec!["6:8 authority-unused"]),
        (format!("{HEAD}valid_until = 2030-01-01T00:00:00Z\n{RULE}"), vec!["5:15 key-window"]),
    ] {
        assert_eq!(folder.warnings(&text), expected, "{text}");
    }
}
