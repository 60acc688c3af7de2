//! `pullward trust` and `pullward policy` as people use them, without a process of their own.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail the test")]

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Parser;
use pullward::cli::policy::{self, PolicyArgs};
use pullward::cli::trust::{self, TrustArgs};
use pullward::trust::node::TrustSettings;
use tempfile::TempDir;

#[derive(Parser)]
enum Cli {
    Trust(TrustArgs),
    Policy(PolicyArgs),
}

/// What a command said and did.
struct Done {
    code: u8,
    out: String,
    err: String,
}

/// A folder in which commands run; `{}` in an argument stands for it.
struct Desk {
    folder: TempDir,
    settings: RefCell<Option<TrustSettings>>,
}

const POLICY: &str = r#"schema = 1

[[authority]]
name = "release"
key = "release.pub"

[[rule]]
name = "all"
match = ["**"]
signed_by = ["release"]
"#;

impl Desk {
    /// A desk with a passphrase file, a signer's key pair and a policy.
    fn new() -> Self {
        let desk = Self { folder: tempfile::tempdir().unwrap(), settings: RefCell::new(None) };
        desk.write("pass", "open sesame\n");
        desk.write("policy.toml", POLICY);
        desk.fine("trust keygen --out {}/release --no-passphrase");
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn run(&self, line: &str) -> Done {
        let folder = self.folder.path().to_str().unwrap();
        let arguments = line.split(' ').map(|word| word.replace("{}", folder));
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let settings = |_: &Path| self.settings.borrow().clone().ok_or_else(|| "no configuration".to_owned());
        let code = match Cli::try_parse_from(["pullward".to_owned()].into_iter().chain(arguments)) {
            Ok(Cli::Trust(arguments)) => trust::run(&arguments, &settings, &mut out, &mut err).unwrap(),
            Ok(Cli::Policy(arguments)) => policy::run(&arguments, &mut out, &mut err).unwrap(),
            Err(error) => {
                err = error.to_string().into_bytes();
                64
            }
        };
        Done { code, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
    }

    fn fine(&self, line: &str) -> Done {
        let done = self.run(line);
        assert_eq!(done.code, 0, "{line}\n{}{}", done.out, done.err);
        done
    }

    fn refused(&self, code: u8, line: &str, words: &str) {
        let done = self.run(line);
        let said = format!("{}{}", done.out, done.err);
        assert_eq!(done.code, code, "{line}\n{said}");
        assert!(said.contains(words), "{line}\nshould say {words:?}:\n{said}");
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// A node that pins these root keys.
    fn pin(&self, roots: &[&str], threshold: Option<usize>) {
        *self.settings.borrow_mut() = Some(TrustSettings {
            state_dir: self.path("state"),
            bundle: self.path("none.json"),
            roots: roots.iter().map(|root| self.path(root)).collect(),
            threshold,
            audience: "default".into(),
        });
    }
}

const TIMES: &str = "--issued 2026-01-01T00:00:00Z --expires 2999-01-01T00:00:00Z";

#[test]
fn from_keys_to_an_installed_bundle() {
    let desk = Desk::new();
    desk.fine("trust keygen --out {}/root --passphrase-file {}/pass");
    desk.fine("policy check {}/policy.toml");
    let built = desk.fine(
        "trust build {}/policy.toml --version 7 --expires 90d --key {}/root.key --passphrase-file {}/pass -o {}/t.json",
    );
    assert!(built.out.contains("version       7"), "{}", built.out);
    let shown = desk.fine("trust inspect {}/t.json --root {}/root.pub");
    assert!(shown.out.contains("a node with these root keys takes it"), "{}", shown.out);
    desk.pin(&["root.pub"], None);
    let installed = desk.fine("trust install {}/t.json");
    assert!(installed.out.contains("trust bundle version 7 for default, sha256:"), "{}", installed.out);
    let again = desk.fine("trust install {}/t.json");
    assert!(again.out.contains("was installed already"), "{}", again.out);
}

#[test]
fn building_twice_gives_the_same_file() {
    let desk = Desk::new();
    for output in ["one.json", "two.json"] {
        desk.fine(&format!(
            "trust build {{}}/policy.toml --version 7 {TIMES} --key {{}}/release.key -o {{}}/{output}"
        ));
    }
    assert_eq!(fs::read(desk.path("one.json")).unwrap(), fs::read(desk.path("two.json")).unwrap());
}

#[test]
fn a_second_signer_rebuilds_compares_and_signs() {
    let desk = Desk::new();
    desk.fine("trust keygen --out {}/alice --no-passphrase");
    desk.fine("trust keygen --out {}/bob --no-passphrase --type ed25519");
    desk.fine(&format!(
        "trust build {{}}/policy.toml --version 7 {TIMES} --key {{}}/alice.key -o {{}}/t.json"
    ));
    let both = "trust inspect {}/t.json --root {}/alice.pub --root {}/bob.pub --threshold 2";
    desk.refused(1, both, "trust-threshold");
    let same = desk.fine("trust build {}/policy.toml --check {}/t.json");
    assert!(same.out.contains("the same payload, byte for byte"), "{}", same.out);
    desk.fine("trust sign {}/t.json --key {}/bob.key");
    let done = desk.fine(both);
    assert_eq!(done.out.matches("verifies with").count(), 2, "{}", done.out);
    let again = desk.fine("trust sign {}/t.json --key {}/bob.key");
    assert!(again.err.contains("had signed before"), "{}", again.err);
    // What was changed on the way is found, and named.
    desk.write("policy.toml", &POLICY.replace("\"all\"", "\"every\""));
    desk.refused(
        1,
        "trust build {}/policy.toml --check {}/t.json",
        "/rules/0/name: \"all\" there, \"every\" here",
    );
    desk.refused(1, "trust build {}/policy.toml --check {}/t.json", "/parts/0/digest");
    desk.refused(64, "trust inspect {}/t.json --root {}/alice.pub --root {}/bob.pub", "no threshold is set");
}

#[test]
fn a_bundle_without_signatures_is_built_signed_later_and_refused_until_then() {
    let desk = Desk::new();
    let built = desk.fine(&format!("trust build {{}}/policy.toml --version 7 {TIMES} -o {{}}/t.json"));
    assert!(built.err.contains("not signed yet"), "{}", built.err);
    assert!(desk.fine("trust inspect {}/t.json").out.contains("not signed"));
    desk.pin(&["release.pub"], None);
    desk.refused(1, "trust install {}/t.json", "trust-unsigned");
    desk.refused(1, "trust inspect {}/t.json --root {}/release.pub", "trust-unsigned");
    desk.fine("trust sign {}/t.json --key {}/release.key");
    desk.fine("trust install {}/t.json");
}

#[test]
fn inspect_as_json_says_what_it_says_as_text() {
    let desk = Desk::new();
    desk.fine(&format!(
        "trust build {{}}/policy.toml --version 7 {TIMES} --key {{}}/release.key -o {{}}/t.json"
    ));
    let json = |line: &str| serde_json::from_str::<serde_json::Value>(&desk.run(line).out).unwrap();
    let shown = json("trust inspect {}/t.json -o json --root {}/release.pub");
    assert_eq!(shown["schema"], "pullward/trust-inspect/v1");
    assert_eq!((&shown["acceptable"], &shown["code"]), (&true.into(), &serde_json::Value::Null));
    assert_eq!(shown["payload"]["version"], 7);
    assert!(shown["signatures"][0]["root"].as_str().unwrap().ends_with("release.pub"));
    let unchecked = json("trust inspect {}/t.json -o json");
    assert_eq!((&unchecked["acceptable"], &unchecked["signatures"][0]["root"]), (&().into(), &().into()));
    desk.fine("trust keygen --out {}/other --no-passphrase");
    let wrong = json("trust inspect {}/t.json -o json --root {}/other.pub");
    assert_eq!((&wrong["acceptable"], &wrong["code"]), (&false.into(), &"trust-wrong-root".into()));
}

#[test]
fn keys_are_private_and_never_lost_by_accident() {
    let desk = Desk::new();
    let mode = |name: &str| fs::metadata(desk.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("release.key"), 0o600);
    let before = fs::read(desk.path("release.key")).unwrap();
    desk.refused(2, "trust keygen --out {}/release --no-passphrase", "exists and is not overwritten");
    fs::remove_file(desk.path("release.key")).unwrap();
    // A public half alone is in the way too, and no private one is left beside it.
    desk.refused(2, "trust keygen --out {}/release --no-passphrase", "release.pub: exists");
    assert!(!desk.path("release.key").exists());
    desk.fine("trust keygen --out {}/release --no-passphrase --force");
    assert_ne!(fs::read(desk.path("release.key")).unwrap(), before);
    desk.refused(2, "trust keygen --out {}/no/such/folder --no-passphrase", "No such file");
}

#[test]
fn a_passphrase_is_needed_and_none_is_ever_invented() {
    let desk = Desk::new();
    // Tests have no terminal and no passphrase in their environment.
    if std::env::var_os("PULLWARD_PASSPHRASE").is_none()
        && !std::io::IsTerminal::is_terminal(&std::io::stdin())
    {
        desk.refused(64, "trust keygen --out {}/root", "there is no terminal to ask");
    }
    desk.write("empty", "\n");
    desk.refused(64, "trust keygen --out {}/root --passphrase-file {}/empty", "the passphrase is empty");
    desk.refused(64, "trust keygen --out {}/root --passphrase-file {}/missing", "cannot be read");
    desk.refused(
        64,
        "trust keygen --out {}/root --no-passphrase --passphrase-file {}/pass",
        "cannot be used with",
    );
    assert!(!desk.path("root.key").exists() && !desk.path("root.pub").exists());
    desk.fine("trust keygen --out {}/root --passphrase-file {}/pass");
    desk.write("wrong", "open barley\n");
    let build =
        format!("trust build {{}}/policy.toml --version 7 {TIMES} --key {{}}/root.key -o {{}}/t.json");
    desk.refused(2, &format!("{build} --passphrase-file {{}}/wrong"), "the passphrase is wrong");
    assert!(!desk.path("t.json").exists());
}

#[test]
fn a_wrong_policy_stops_a_build_with_its_place_and_leaves_nothing() {
    let desk = Desk::new();
    desk.write("policy.toml", &POLICY.replace("signed_by", "singed_by"));
    let before = desk.names();
    let line =
        format!("trust build {{}}/policy.toml --version 7 {TIMES} --key {{}}/release.key -o {{}}/t.json");
    desk.refused(1, &line, "policy.toml:10:1: unknown field `singed_by`; did you mean `signed_by`?");
    desk.refused(1, "policy check {}/policy.toml", "[policy-unknown-field]");
    desk.refused(2, "policy check {}/none.toml", "[policy-unreadable]");
    desk.refused(2, &line.replace("policy.toml", "none.toml"), "[policy-unreadable]");
    assert_eq!(desk.names(), before);
}

#[test]
fn wrong_usage_is_64() {
    let desk = Desk::new();
    let build = "trust build {}/policy.toml -o {}/t.json";
    for rest in [
        "--version 0 --expires 90d",
        "--version 18446744073709551615 --expires 90d",
        "--version x --expires 90d",
        "--version 7",
        "--expires 90d",
        "--version 7 --expires 0d",
        "--version 7 --expires tomorrow",
        "--version 7 --expires 2026-01-01T00:00:00Z --issued 2026-01-01T00:00:00Z",
        "--version 7 --expires 90d --issued yesterday",
        "--version 7 --expires 90d --check {}/t.json",
        "--version 7 --expires 9999999d",
    ] {
        desk.refused(64, &format!("{build} {rest}"), "");
    }
    desk.refused(64, "trust sign {}/t.json", "--key");
    desk.refused(64, "trust install oci://ghcr.io/acme/trust:v1", "installs bundles from files");
    desk.refused(2, "trust install ghcr.io/acme/trust:v1", "oci://HOST/REPOSITORY:TAG");
    desk.refused(2, "trust install {}/none.json", "No such file");
    assert!(!desk.path("t.json").exists());
}

#[test]
fn what_is_no_bundle_is_neither_shown_nor_signed() {
    let desk = Desk::new();
    desk.fine(&format!("trust build {{}}/policy.toml --version 7 {TIMES} -o {{}}/t.json"));
    let whole = fs::read_to_string(desk.path("t.json")).unwrap();
    let edited = {
        use base64ct::{Base64, Encoding as _};
        let payload = whole.split('"').nth(3).unwrap();
        let text = String::from_utf8(Base64::decode_vec(payload).unwrap()).unwrap();
        let text = text.replace("\"mode\":\"enforce\"", "\"mode\": \"audit\"");
        whole.replace(payload, &Base64::encode_string(text.as_bytes()))
    };
    for text in ["", "{}", &whole[..whole.len() / 2], &edited, &whole.replace("trust-bundle", "override")] {
        desk.write("bad.json", text);
        desk.refused(1, "trust inspect {}/bad.json", "bad.json: ");
        desk.refused(1, "trust sign {}/bad.json --key {}/release.key", "bad.json: ");
        desk.refused(1, "trust build {}/policy.toml --check {}/bad.json", "bad.json: ");
        assert_eq!(fs::read_to_string(desk.path("bad.json")).unwrap(), text);
    }
    desk.refused(2, "trust inspect {}/none.json", "No such file");
    desk.refused(2, "trust sign {}/t.json --key {}/none.key", "cannot be read");
    desk.refused(2, "trust sign {}/t.json --key {}/release.pub", "it is a public key");
}

#[test]
fn an_expired_bundle_is_shown_and_not_accepted() {
    let desk = Desk::new();
    let times = "--issued 2026-01-01T00:00:00Z --expires 1h";
    desk.fine(&format!(
        "trust build {{}}/policy.toml --version 7 {times} --key {{}}/release.key -o {{}}/t.json"
    ));
    desk.fine("trust inspect {}/t.json");
    desk.refused(1, "trust inspect {}/t.json --root {}/release.pub", "trust-expired");
    desk.pin(&["release.pub"], None);
    desk.refused(1, "trust install {}/t.json", "trust-expired");
    assert!(!desk.path("state").exists());
}

#[test]
fn a_root_key_is_never_an_override_key() {
    let desk = Desk::new();
    desk.write("policy.toml", &format!("{POLICY}[override]\nauthorities = [\"release\"]\nthreshold = 1\n"));
    let build = format!("trust build {{}}/policy.toml --version 7 {TIMES} -o {{}}/t.json");
    desk.refused(1, &format!("{build} --key {{}}/release.key"), "never signed by a root key");
    desk.fine(&build);
    desk.refused(1, "trust sign {}/t.json --key {}/release.key", "never signed by a root key");
}

#[test]
fn install_says_what_it_refuses_and_why() {
    let desk = Desk::new();
    let build = |version: u64, output: &str| {
        desk.fine(&format!(
            "trust build {{}}/policy.toml --version {version} {TIMES} --key {{}}/release.key -o {{}}/{output}"
        ));
    };
    build(7, "7.json");
    build(6, "6.json");
    build(2_000_000, "far.json");
    desk.refused(2, "trust install {}/7.json", "no configuration");
    desk.pin(&["release.pub"], None);
    desk.fine("trust install {}/7.json");
    desk.refused(1, "trust install {}/6.json", "[trust-older]");
    desk.refused(1, "trust install {}/far.json", "[trust-version-jump]");
    desk.fine("trust keygen --out {}/other --no-passphrase");
    desk.pin(&["release.pub", "other.pub"], None);
    desk.refused(2, "trust install {}/7.json", "[trust-roots]");
    desk.pin(&["other.pub"], None);
    desk.refused(1, "trust install {}/7.json", "[trust-wrong-root]");
}

// --- other programs -----------------------------------------------------------------------------------------

/// A program of the real peers, or why it is not there.
fn peer(program: &str) -> Result<PathBuf, String> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = std::env::var_os("PULLWARD_PEERS").map_or_else(|| top.join(".peers"), PathBuf::from);
    let path = folder.join("bin").join(program);
    if path.exists() {
        Ok(path)
    } else if std::env::var_os("PULLWARD_REQUIRE_PEERS").is_some_and(|value| value == "1") {
        panic!("{} is required and not there; run tests/peers/install", path.display());
    } else {
        Err(format!("skipped: {} is not there; run tests/peers/install", path.display()))
    }
}

#[test]
fn cosign_reads_our_keys_and_we_read_cosigns() {
    for program in ["cosign3", "cosign2"] {
        let cosign = match peer(program) {
            Ok(cosign) => cosign,
            Err(reason) => {
                println!("{reason}");
                continue;
            }
        };
        let desk = Desk::new();
        let run = |arguments: &[&str]| {
            let output = Command::new(&cosign)
                .args(arguments)
                .current_dir(desk.folder.path())
                .env("COSIGN_PASSWORD", "open sesame")
                .env("HOME", desk.folder.path())
                .output()
                .unwrap();
            assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        desk.fine("trust keygen --out {}/ours --passphrase-file {}/pass");
        let public = run(&["public-key", "--key", "ours.key"]);
        assert_eq!(public.trim(), fs::read_to_string(desk.path("ours.pub")).unwrap().trim(), "{program}");
        run(&["generate-key-pair", "--output-key-prefix", "theirs"]);
        desk.fine(&format!(
            "trust build {{}}/policy.toml --version 7 {TIMES} --key {{}}/theirs.key --passphrase-file {{}}/pass -o {{}}/t.json"
        ));
        desk.fine("trust inspect {}/t.json --root {}/theirs.pub");
    }
}

#[test]
fn openssl_reads_our_keys_and_verifies_our_signatures() {
    let program = match peer("openssl") {
        Ok(program) => program,
        Err(reason) => {
            println!("{reason}");
            return;
        }
    };
    for kind in ["p256", "ed25519"] {
        let desk = Desk::new();
        desk.fine(&format!("trust keygen --out {{}}/root --no-passphrase --type {kind}"));
        let openssl = |arguments: &[&str]| {
            let output =
                Command::new(&program).args(arguments).current_dir(desk.folder.path()).output().unwrap();
            assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        let public = openssl(&["pkey", "-in", "root.key", "-pubout"]);
        assert_eq!(public, fs::read_to_string(desk.path("root.pub")).unwrap(), "{kind}");
        // The signature is over DSSE's encoding of the payload, put together here by hand.
        desk.fine(&format!(
            "trust build {{}}/policy.toml --version 7 {TIMES} --key {{}}/root.key -o {{}}/t.json"
        ));
        let envelope: serde_json::Value =
            serde_json::from_slice(&fs::read(desk.path("t.json")).unwrap()).unwrap();
        use base64ct::{Base64, Encoding as _};
        let decode = |value: &serde_json::Value| Base64::decode_vec(value.as_str().unwrap()).unwrap();
        let payload = decode(&envelope["payload"]);
        let kind_of = envelope["payloadType"].as_str().unwrap();
        let mut message = format!("DSSEv1 {} {kind_of} {} ", kind_of.len(), payload.len()).into_bytes();
        message.extend_from_slice(&payload);
        fs::write(desk.path("message"), message).unwrap();
        fs::write(desk.path("sig"), decode(&envelope["signatures"][0]["sig"])).unwrap();
        if kind == "p256" {
            openssl(&["dgst", "-sha256", "-verify", "root.pub", "-signature", "sig", "message"]);
        } else {
            openssl(&[
                "pkeyutl", "-verify", "-pubin", "-inkey", "root.pub", "-rawin", "-in", "message", "-sigfile",
                "sig",
            ]);
        }
        // And a key that openssl makes signs bundles.
        let algorithm: &[&str] = if kind == "p256" {
            &["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "theirs.key"]
        } else {
            &["genpkey", "-algorithm", "ed25519", "-out", "theirs.key"]
        };
        openssl(algorithm);
        desk.fine("trust sign {}/t.json --key {}/theirs.key");
    }
}

// --- documentation ------------------------------------------------------------------------------------------

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

#[test]
fn the_examples_are_fine_and_become_bundles() {
    let desk = Desk::new();
    let mut seen = 0;
    for entry in fs::read_dir(docs().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        desk.write("example.toml", &text);
        for word in text.split('"').filter(|word| word.ends_with(".pub")) {
            let name = word.trim_end_matches(".pub");
            desk.fine(&format!("trust keygen --out {{}}/{name} --no-passphrase --force"));
        }
        let checked = desk.fine("policy check {}/example.toml");
        // The walk-through takes a report of any age; its example says so and is warned of it.
        let warned = path.ends_with("walkthrough.toml") && checked.out.contains("[attestation-no-max-age]");
        let warnings = if warned { "1 warnings\n" } else { "0 warnings\n" };
        assert!(checked.out.ends_with(warnings), "{}: {}", path.display(), checked.out);
        desk.fine(&format!("trust build {{}}/example.toml --version 1 {TIMES} -o {{}}/example.json"));
        seen += 1;
    }
    assert!(seen >= 3);
}

#[test]
fn the_documentation_names_every_code_that_the_sources_have() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (document, files) in [
        ("policy.md", ["policy/problem.rs", "policy/warnings.rs"]),
        ("trust-bundle.md", ["trust/refused.rs", "../../core/src/trust.rs"]),
    ] {
        let text = fs::read_to_string(docs().join(document)).unwrap();
        let mut seen = 0;
        for file in files {
            let source = fs::read_to_string(sources.join(file)).unwrap();
            let code = source.split("fn code(").nth(1).unwrap().split("\n    }\n").next().unwrap();
            for code in code.split('"').skip(1).step_by(2) {
                assert!(text.contains(&format!("`{code}`")), "{document} does not name {code} of {file}");
                seen += 1;
            }
        }
        assert!(seen > 10, "{document}");
    }
}
