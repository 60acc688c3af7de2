//! `pullward policy import`, `check` and `test` as people use them, without a process of their own.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use clap::Parser;
use pullward::cli::policy::{self, PolicyArgs};
use pullward::trust::root_key::{RootKey, RootKeyType};
use serde_json::Value;
use tempfile::TempDir;

#[derive(Parser)]
enum Cli {
    Policy(PolicyArgs),
}

struct Done {
    code: u8,
    out: String,
    err: String,
}

impl Done {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap()
    }
}

/// A folder in which commands run; `{}` in an argument stands for it.
struct Desk {
    folder: TempDir,
    pem: String,
}

impl Desk {
    fn new() -> Self {
        let pem = RootKey::generate(RootKeyType::P256).unwrap().public_pem().unwrap();
        Self { folder: tempfile::tempdir().unwrap(), pem }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn run(&self, line: &str) -> Done {
        let folder = self.folder.path().to_str().unwrap();
        let arguments = line.split(' ').map(|word| word.replace("{}", folder));
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let words = ["pullward", "policy"].map(str::to_owned).into_iter().chain(arguments);
        let code = match Cli::try_parse_from(words) {
            Ok(Cli::Policy(arguments)) => policy::run(&arguments, &mut out, &mut err).unwrap(),
            Err(error) => {
                err = error.to_string().into_bytes();
                64
            }
        };
        Done { code, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
    }

    fn refused(&self, code: u8, line: &str, words: &str) {
        let done = self.run(line);
        assert_eq!(done.code, code, "{line}\n{}{}", done.out, done.err);
        assert!(done.err.contains(words), "{line}\nshould say {words:?}:\n{}", done.err);
        assert!(done.err.lines().all(|line| line.len() < 4200));
    }

    /// A document of Kyverno's with the desk's key.
    fn document(&self) -> String {
        let key: String = self.pem.lines().map(|line| format!("          {line}\n")).collect();
        format!(
            "apiVersion: policies.kyverno.io/v1\nkind: ImageValidatingPolicy\nmetadata:\n  name: signed\nspec:\n  \
             matchImageReferences:\n  - glob: \"kcandidate/*\"\n  attestors:\n  - name: release\n    cosign:\n      key:\n        \
             data: |\n{key}      ctlog:\n        insecureIgnoreTlog: true\n  validations:\n  - expression: >-\n      \
             images.containers.map(image, verifyImageSignatures(image, [attestors.release])).all(e, e > 0)\n"
        )
    }
}

#[test]
fn an_import_writes_a_policy_and_its_keys_that_check_takes_at_once() {
    let desk = Desk::new();
    desk.write("doc.yaml", &desk.document());
    let done = desk.run("import --out {}/policy.toml {}/doc.yaml");
    assert_eq!((done.code, done.err.as_str()), (0, ""), "{}", done.out);
    assert_eq!(desk.names(), ["doc.yaml", "policy.toml", "release.pub"]);
    assert_eq!(desk.read("release.pub"), desk.pem);
    assert!(
        desk.read("policy.toml")
            .contains("match = [\"docker.io/kcandidate/**\"]\nsigned_by = [\"release\"]\n")
    );
    assert_eq!(desk.run("check {}/policy.toml").code, 0);
    // Once more: nothing is replaced unasked, the same key stays, --force replaces.
    desk.refused(2, "import --out {}/policy.toml {}/doc.yaml", "is there already");
    let again = desk.run("import --force --out {}/policy.toml {}/doc.yaml");
    assert_eq!(again.code, 0);
    assert!(again.out.contains("holds the key already"), "{}", again.out);
}

#[test]
fn a_key_file_that_is_another_is_not_replaced_and_nothing_is_half_written() {
    let desk = Desk::new();
    desk.write("doc.yaml", &desk.document());
    for content in [Desk::new().pem, "hello\n".to_owned(), String::new()] {
        desk.write("release.pub", &content);
        desk.refused(2, "import --out {}/policy.toml {}/doc.yaml", "release.pub: is there already");
        assert_eq!(desk.names(), ["doc.yaml", "release.pub"]);
        assert_eq!(desk.read("release.pub"), content);
    }
    assert_eq!(desk.run("import --force --out {}/policy.toml {}/doc.yaml").code, 0);
    assert_eq!(desk.read("release.pub"), desk.pem);
    // A policy that cannot be written takes its keys along.
    fs::create_dir(desk.path("sub")).unwrap();
    desk.refused(2, "import --out {}/sub/../none/policy.toml {}/doc.yaml", "cannot be written");
    fs::create_dir(desk.path("sub/policy.toml")).unwrap();
    desk.refused(2, "import --out {}/sub/policy.toml {}/doc.yaml", "is there already");
    assert!(!desk.path("sub/release.pub").exists());
}

#[test]
fn json_has_everything_and_writes_nothing() {
    let desk = Desk::new();
    desk.write("doc.yaml", &desk.document().replace("spec:\n", "spec:\n  failurePolicy: Ignore\n"));
    let done = desk.run("import -o json {}/doc.yaml");
    assert_eq!(done.code, 0);
    assert!(done.err.contains("doc.yaml:6:18: remark: spec.failurePolicy: "), "{}", done.err);
    let answer = done.json();
    assert_eq!(answer["result"], "imported");
    assert_eq!(answer["keys"][0]["file"], "release.pub");
    assert_eq!(answer["remarks"][0]["code"], "stricter");
    assert_eq!(answer["remarks"][0]["place"], "6:18");
    assert!(answer["policy"].as_str().unwrap().contains("remark: spec.failurePolicy"));
    assert_eq!(desk.names(), ["doc.yaml"]);

    desk.write("doc.yaml", &desk.document().replace("insecureIgnoreTlog: true", "url: x"));
    let done = desk.run("import -o json --out {}/policy.toml {}/doc.yaml");
    let answer = done.json();
    assert_eq!((done.code, &answer["result"], &answer["policy"]), (1, &"refused".into(), &Value::Null));
    assert_eq!(answer["refused"][0]["code"], "import-not-enforced");
    assert_eq!(answer["refused"][0]["path"], "spec.attestors[0].cosign.ctlog");
    assert_eq!(desk.names(), ["doc.yaml"]);
}

#[test]
fn every_refusal_is_printed_with_its_place() {
    let desk = Desk::new();
    let document = desk.document().replace("kcandidate/*", "*.gcr.io/*").replace("> 0", "< 0") + "  odd: 1\n";
    desk.write("doc.yaml", &document);
    let done = desk.run("import --out {}/policy.toml {}/doc.yaml");
    assert_eq!((done.code, done.out.as_str()), (1, ""));
    for words in [
        "doc.yaml:7:11: refused: spec.matchImageReferences[0].glob: ",
        "refused: spec.validations[0].expression: ",
        "refused: spec.odd: ",
        "doc.yaml: refused for 3 things; nothing was written",
    ] {
        assert!(done.err.contains(words), "{words}: {}", done.err);
    }
    assert_eq!(desk.names(), ["doc.yaml"]);
}

#[test]
fn bad_files_are_clear_errors() {
    let desk = Desk::new();
    desk.refused(2, "import {}/none.yaml", "cannot be read");
    desk.refused(2, "import {}", "cannot be read");
    desk.write("doc.yaml", &"a: b\n".repeat(10_000_000));
    desk.refused(2, "import {}/doc.yaml", "larger than 4194304 bytes");
    fs::write(desk.path("doc.yaml"), [b'a', b':', b' ', 0xff]).unwrap();
    desk.refused(1, "import {}/doc.yaml", "is not UTF-8 at byte 3");
    for (text, words) in [
        ("", "no policy that can be imported"),
        ("\u{0}", "not YAML"),
        ("a:\n\t- b\n", "not YAML"),
        ("a: 1\na: 2\n", "stands twice"),
        ("a: &x 1\nb: *x\n", "an anchor"),
        ("{{ if .Values.on }}\na: 1\n{{ end }}\n", "helm template"),
        ("a: \u{1b}[31m\n", "refused"),
    ] {
        desk.write("doc.yaml", text);
        desk.refused(1, "import {}/doc.yaml", words);
        assert!(!desk.run("import {}/doc.yaml").err.contains('\u{1b}'));
    }
    desk.write("doc.yaml", &"[".repeat(4_000_000));
    desk.refused(1, "import {}/doc.yaml", "doc.yaml:1:");
    desk.write("doc.yaml", &"- ".repeat(2_000_000));
    desk.refused(1, "import {}/doc.yaml", "nested deeper");
    desk.write("doc.yaml", &"- x\n".repeat(1_000_000));
    desk.refused(1, "import {}/doc.yaml", "more than 100000 values");
    for line in [
        "import",
        "import {}/doc.yaml {}/doc.yaml",
        "import --partial {}/doc.yaml",
        "import -o xml {}/doc.yaml",
    ] {
        assert_eq!(desk.run(line).code, 64, "{line}");
    }
}

#[test]
fn check_answers_programs() {
    let desk = Desk::new();
    desk.write("release.pub", &desk.pem);
    let policy = "schema = 1\n[[authority]]\nname = \"a\"\nkey = \"release.pub\"\n[[rule]]\nname = \"r\"\n\
                  match = [\"ghcr.io/**\"]\nsigned_by = [\"a\"]\n";
    desk.write("policy.toml", policy);
    let done = desk.run("check -o json {}/policy.toml");
    let answer = done.json();
    assert_eq!((done.code, &answer["result"], &answer["rules"]), (0, &"fine".into(), &1.into()));
    assert_eq!(answer["warnings"][0]["code"], "no-pause-rule");
    desk.write("policy.toml", &policy.replace("ghcr.io/**", "kcandidate/*").replace("[\"a\"]", "[\"b\"]"));
    let done = desk.run("check -o json {}/policy.toml");
    let answer = done.json();
    assert_eq!((done.code, &answer["result"]), (1, &"refused".into()));
    assert_eq!(answer["problems"][0]["code"], "policy-pattern");
    assert_eq!((&answer["problems"][0]["line"], &answer["problems"][0]["column"]), (&7.into(), &10.into()));
    assert_eq!(answer["problems"][1]["code"], "policy-unknown-authority");
    let done = desk.run("check -o json {}/none.toml");
    assert_eq!((done.code, &done.json()["result"]), (2, &"unreadable".into()));
    assert_eq!(desk.run("check").code, 64);
}

#[test]
fn a_policy_that_is_refused_tests_nothing() {
    let desk = Desk::new();
    let image = "ghcr.io/x/y@sha256:0000000000000000000000000000000000000000000000000000000000000000";
    desk.write("policy.toml", "schema = 2\n");
    desk.refused(1, &format!("test {{}}/policy.toml {image}"), "policy-schema");
    desk.refused(2, &format!("test {{}}/none.toml {image}"), "policy-unreadable");
    desk.write("policy.toml", "schema = 1\n[[rule]]\nname = \"r\"\nmatch = [\"**\"]\nmode = \"deny\"\n");
    assert_eq!(desk.run("test {}/policy.toml").code, 64);
    desk.refused(64, "test {}/policy.toml --digest x a b", "--digest goes with one image");
    desk.refused(64, "test {}/policy.toml --offline oci:{}/none", "--as REF");
    desk.refused(2, &format!("test {{}}/policy.toml --config {{}}/none.toml {image}"), "none.toml");
    // Nothing is kept of what was tested.
    assert_eq!(desk.names(), ["policy.toml"]);
}

#[test]
fn a_tested_policy_judges_as_it_would_on_a_node() {
    let desk = Desk::new();
    desk.write("release.pub", &desk.pem);
    fs::create_dir(desk.path("store")).unwrap();
    fs::set_permissions(desk.path("store"), fs::Permissions::from_mode(0o700)).unwrap();
    desk.write(
        "policy.toml",
        "schema = 1\n[[authority]]\nname = \"a\"\nkey = \"release.pub\"\n\
         [[rule]]\nname = \"demo\"\nmatch = [\"ghcr.io/x/**\"]\nnamespaces = [\"demo\"]\nsigned_by = [\"a\"]\n\
         [[rule]]\nname = \"audit\"\nmatch = [\"ghcr.io/audit/**\"]\nmode = \"audit\"\nsigned_by = [\"a\"]\n\
         [[rule]]\nname = \"denied\"\nmatch = [\"ghcr.io/bad/**\"]\nmode = \"deny\"\n",
    );
    let digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    let ask = |flags: &str, repository: &str| {
        let line = format!(
            "test -o json --offline --store {{}}/store {flags} {{}}/policy.toml ghcr.io/{repository}@{digest}"
        );
        let done = desk.run(&line.replace("  ", " "));
        let verdict = done.json();
        (
            done.code,
            verdict["decision"].as_str().unwrap().to_owned(),
            verdict["reason"].as_str().unwrap().to_owned(),
        )
    };
    let said = |code: u8, decision: &str, reason: &str| (code, decision.to_owned(), reason.to_owned());
    assert_eq!(ask("--namespace demo", "x/y"), said(1, "deny", "unsigned"));
    assert_eq!(ask("--namespace demo --before-signing", "x/y"), said(0, "allow", "signed"));
    assert_eq!(ask("--namespace other --before-signing", "x/y"), said(1, "deny", "no-rule"));
    assert_eq!(ask("", "audit/y"), said(0, "allow", "unsigned"));
    assert_eq!(ask("--enforce", "audit/y"), said(1, "allow", "unsigned"));
    assert_eq!(ask("--before-signing", "bad/y"), said(1, "deny", "denied-by-rule"));
    assert_eq!(ask("--before-signing", "else/y"), said(1, "deny", "no-rule"));
    let text = desk.run(&format!("test --offline --store {{}}/store --before-signing --namespace demo {{}}/policy.toml ghcr.io/x/y@{digest}"));
    for words in ["allowed: ghcr.io/x/y@", "no node believes it", "it is assumed"] {
        assert!(text.out.contains(words), "{words}: {}", text.out);
    }
    assert_eq!(desk.names(), ["policy.toml", "release.pub", "store"]);
}
