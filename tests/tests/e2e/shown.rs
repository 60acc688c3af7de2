//! What people are shown: `pullward attestation show` beside cosign and jq, the report of `pullward verify`, and the
//! commands that repair a denial.

use std::process::Command;

use pullward_tests::{Cosign, CosignVersion, Error, KeyPair, Node, Registry, finish, ran};
use serde_json::{Value, json};

use crate::stage::{Ground, Outcome, digest_of, reason};
use crate::supply::{
    BUILDER, COMMIT, MILD, SEVERE, SLSA_1, SLSA_02, SOURCE, ago, buildkit_1, buildkit_02, cyclonedx, spdx,
    trivy,
};

const VULN: &str = "https://cosign.sigstore.dev/attestation/vuln/v1";

/// A registry, a key, and an image with one attestation of each kind.
struct Shown<'a> {
    ground: &'a Ground,
    registry: Registry,
    cosign: Cosign<'a>,
    key: KeyPair,
    image: String,
}

impl<'a> Shown<'a> {
    fn set(ground: &'a Ground, version: CosignVersion) -> Result<Self, Error> {
        let registry = ground.registry()?;
        let cosign = ground.cosign(version)?;
        let key = cosign.generate_key_pair("release")?;
        let image = ground.push(&registry, "app")?;
        cosign.sign(&key, &image)?;
        let shown = Self { ground, registry, cosign, key, image };
        let packages = [("express", "4.19.2"), ("lodash", "4.17.21")];
        shown.attest("vuln", &trivy(&shown.image, &ago(3600), &MILD))?;
        shown.attest(SLSA_02, &buildkit_02(SOURCE, BUILDER))?;
        shown.attest(SLSA_1, &buildkit_1(SOURCE, BUILDER))?;
        shown.attest("spdxjson", &spdx(&shown.image, &packages))?;
        shown.attest("cyclonedx", &cyclonedx(&shown.image, &packages))?;
        Ok(shown)
    }

    fn attest(&self, kind: &str, predicate: &Value) -> Outcome {
        let file = self.ground.workspace.write("predicate.json", predicate.to_string())?;
        self.cosign.attest(&self.key, &self.image, kind, &file)
    }

    fn show(&self, flags: &[&str]) -> Result<pullward_tests::Ran, Error> {
        let key = self.key.public.display().to_string();
        let words = [&["attestation", "show", "--key", &key][..], flags, &[&self.image]].concat();
        self.ground.pullward.run(&self.ground.workspace, &words)
    }

    /// `jq -r .payload | base64 -d`, with the real jq.
    fn payload(&self, envelope: &str) -> Result<Vec<u8>, Error> {
        let envelope = self.ground.workspace.write("envelope.json", envelope)?;
        let jq = self.ground.peers.program("jq")?;
        let mut command = Command::new("bash");
        let script = format!("{} -r .payload {} | base64 -d", jq.display(), envelope.display());
        command.args(["-c", &script]).env("PATH", "/usr/bin:/bin");
        finish(command, b"").map(|ran| ran.out.into_bytes())
    }

    /// A policy's bundle for this registry and key, with these requirements.
    fn node(&self, asked: &str) -> Result<Node<'a>, Error> {
        let node = Node::new(&self.ground.pullward, &self.ground.workspace)?;
        node.trust(1, &(pullward_tests::policy_for(&self.registry.host(), &self.key.public) + asked))?;
        Ok(node)
    }

    /// `text` with what differs from run to run by its name.
    fn plain(&self, text: &str) -> String {
        let text = text.replace(digest_of(&self.image), "IMAGE").replace(&self.registry.host(), "HOST");
        let mut plain = String::new();
        for line in text.lines() {
            let words: Vec<&str> = line.split_inclusive(' ').map(named).collect();
            plain.push_str(words.concat().trim_end());
            plain.push('\n');
        }
        plain
    }
}

/// A digest, key, time or number of a verdict, by its name.
fn named(word: &str) -> &str {
    let bare = word.trim_end().trim_end_matches([',', ')', ';']);
    let is_time = bare.len() == 20 && bare.starts_with("20") && bare.ends_with('Z');
    match (bare.starts_with("sha256:"), is_time) {
        (true, _) if word.trim_end().ends_with(')') => "DIGEST) ",
        (true, _) if word.trim_end().ends_with(',') => "DIGEST, ",
        (true, _) => "DIGEST ",
        (_, true) if word.trim_end().ends_with(',') => "TIME, ",
        (_, true) => "TIME ",
        _ => word,
    }
}

/// Byte for byte what cosign and jq bring to light, in both formats, by alias and by URI.
#[test]
fn what_is_shown_is_what_cosign_verifies_and_jq_unpacks() -> Outcome {
    let Some(ground) = Ground::at_hand("e2e::attestation-show")? else { return Ok(()) };
    for version in [CosignVersion::Three, CosignVersion::Two] {
        let apart = ground.again()?;
        let shown = Shown::set(&apart, version)?;
        for (kind, alias) in [
            (VULN, "vuln"),
            (SLSA_02, "slsaprovenance02"),
            (SLSA_1, "slsaprovenance1"),
            ("https://spdx.dev/Document", "spdxjson"),
            ("https://cyclonedx.org/bom", "cyclonedx"),
        ] {
            let theirs =
                shown.payload(&shown.cosign.verify_attestation(&shown.key.public, &shown.image, kind)?)?;
            let theirs = String::from_utf8(theirs).unwrap();
            for name in [kind, alias] {
                let ours = shown.show(&["--type", name, "-o", "json"])?;
                assert_eq!(ours.code, 0, "{}", ours.all());
                assert!(
                    ours.out.contains(&format!("\"statement\":{}", theirs.trim_end())),
                    "{name}: {}",
                    ours.out
                );
                let document: Value = serde_json::from_str(&ours.out).unwrap();
                assert_eq!(document["schema"], "pullward/attestations/v1");
                assert_eq!(document["digest"], digest_of(&shown.image));
                let attestations = document["attestations"].as_array().unwrap();
                assert_eq!(attestations.len(), 1, "{name}");
                assert_eq!(attestations[0]["predicate_type"], kind);
                assert_eq!(attestations[0]["statement"]["predicateType"], kind);
            }
        }
        // Both versions of provenance under the one name, in one document.
        let both: Value =
            serde_json::from_str(&shown.show(&["--type", "slsaprovenance", "-o", "json"])?.out).unwrap();
        assert_eq!(both["attestations"].as_array().unwrap().len(), 2);
        assert_eq!(both["attestations"][0]["summary"]["commit"], COMMIT);
    }
    ran("e2e::attestation-show")
}

#[test]
fn the_text_names_repository_commit_builder_times_counts_and_packages() -> Outcome {
    let Some(ground) = Ground::at_hand("e2e::attestation-text")? else { return Ok(()) };
    let shown = Shown::set(&ground, CosignVersion::Three)?;
    let all = shown.show(&[])?;
    assert_eq!((all.code, all.err.as_str()), (0, ""));
    let text = shown.plain(&all.out);
    // In the order in which the registry lists them.
    assert!(text.starts_with("HOST/team/app@IMAGE\nIMAGE\n\n"), "{text}");
    assert!(
        text.contains("\n\nvuln\n  signed by   key DIGEST\n  signed at   a time that nobody vouches for\n"),
        "{text}"
    );
    for line in [
        "  counts      0 critical, 1 high, 1 medium, 1 low, 0 unknown",
        "  scanned     TIME",
        "  scanner     pkg:github/aquasecurity/trivy@0.57.1",
        &format!("  source      {SOURCE}"),
        &format!("  commit      {COMMIT}"),
        &format!("  builder     {BUILDER}"),
        "  built       TIME",
        "  package     express 4.19.2 (MIT)",
        "  package     lodash 4.17.21 (MIT)",
        "  created     TIME",
    ] {
        assert!(text.contains(&format!("{line}\n")), "{line}\n{text}");
    }
    assert_eq!(text.matches("  package     express").count(), 2, "{text}");
    assert_eq!(text.matches("  evidence    DIGEST, bundle from registry\n").count(), 5, "{text}");
    ran("e2e::attestation-text")
}

#[test]
fn what_does_not_verify_is_not_shown_and_the_exit_code_says_why() -> Outcome {
    let Some(ground) = Ground::at_hand("e2e::attestation-codes")? else { return Ok(()) };
    let registry = ground.registry()?;
    let cosign = ground.cosign(CosignVersion::Three)?;
    let (key, stranger) = (cosign.generate_key_pair("release")?, cosign.generate_key_pair("stranger")?);
    let image = ground.push(&registry, "app")?;
    let file = ground.workspace.write("vuln.json", trivy(&image, &ago(60), &MILD).to_string())?;
    cosign.attest(&key, &image, "vuln", &file)?;
    let show = |key: &KeyPair, flags: &[&str], image: &str| {
        let key = key.public.display().to_string();
        let words = [&["attestation", "show", "--key", &key][..], flags, &[image]].concat();
        ground.pullward.run(&ground.workspace, &words)
    };
    assert_eq!(show(&key, &[], &image)?.code, 0);
    let foreign = show(&stranger, &[], &image)?;
    assert_eq!((foreign.code, foreign.out.as_str()), (1, ""), "{}", foreign.all());
    assert!(foreign.err.contains("untrusted-key"), "{}", foreign.err);
    let other = show(&key, &["--type", "spdx"], &image)?;
    assert_eq!((other.code, other.out.as_str()), (1, ""), "{}", other.all());
    assert!(other.err.contains("of type spdx"), "{}", other.err);
    let empty: Value = serde_json::from_str(&show(&stranger, &["-o", "json"], &image)?.out).unwrap();
    assert_eq!(empty["attestations"], json!([]));
    let nowhere = format!("127.0.0.1:9/team/app@{}", digest_of(&image));
    let gone = show(&key, &[], &nowhere)?;
    assert_eq!((gone.code, gone.out.as_str()), (2, ""), "{}", gone.all());
    for unknown in ["vulnerabilities", "VULN", ""] {
        let usage = show(&key, &["--type", unknown], &image)?;
        assert_eq!((usage.code, usage.out.as_str()), (64, ""), "{}", usage.all());
        assert!(usage.err.contains("slsaprovenance"), "{}", usage.err);
    }
    ran("e2e::attestation-codes")
}

const ASKED: &str = r#"
[[rule.attestation]]
type = "vuln"
signed_by = ["release"]
max_age = "30d"
vulnerabilities = { critical = 0 }
[[rule.attestation]]
type = "slsaprovenance02"
signed_by = ["release"]
source = ["https://github.com/acme/*"]
"#;

const REPORT: &str = "\
allowed: HOST/team/app@IMAGE
  digest      IMAGE
  platform    linux/amd64
  reason      signed: signed by release; vuln as asked for; slsaprovenance02 as asked for
  rule        team (enforce)
  trust       version 1, until TIME, DIGEST

Signature of the image
  signed by   release (key DIGEST)
  signed at   a time that nobody vouches for
  evidence    DIGEST, bundle from registry

Vulnerabilities (vuln): as asked for
  signed by   release (key DIGEST)
  signed at   a time that nobody vouches for
  counts      0 critical, 1 high, 1 medium, 1 low, 0 unknown
  scanned     TIME
  scanner     pkg:github/aquasecurity/trivy@0.57.1
  evidence    DIGEST, bundle from registry

Provenance (slsaprovenance02): as asked for
  signed by   release (key DIGEST)
  signed at   a time that nobody vouches for
";

/// The report names who, when and the digest of the evidence; a newer scan that fails is a note and decides nothing.
#[test]
fn the_report_can_be_filed_and_warns_of_a_newer_scan_that_fails() -> Outcome {
    let Some(ground) = Ground::at_hand("e2e::report")? else { return Ok(()) };
    let shown = Shown::set(&ground, CosignVersion::Three)?;
    let node = shown.node(ASKED)?;
    let (trust, root) = (node.path("trust.json"), node.path("root.pub"));
    let flags = ["--platform", "linux/amd64", "--trust", &trust, "--root", &root, &shown.image];
    let report = ground.pullward.run(&ground.workspace, &[&["verify"][..], &flags].concat())?;
    assert_eq!(report.code, 0, "{}", report.all());
    let text = shown.plain(&report.out);
    assert!(text.starts_with(REPORT), "{text}");
    assert!(text.contains(&format!("  source      {SOURCE}\n")), "{text}");
    let others = "\n  ignored     DIGEST, slsaprovenance1, bundle from registry: no requirement of the rule asks for it\n";
    assert!(text.contains("\nOther evidence\n") && text.contains(others), "{text}");
    assert!(text.trim_end().lines().last().unwrap().starts_with("verdict "), "{text}");

    shown.attest("vuln", &trivy(&shown.image, &ago(30), &[SEVERE]))?;
    let record = ground.workspace.join("record.json").display().to_string();
    let recorded = [&flags[..], &["--record", &record]].concat();
    let (code, verdict) = ground.verify(&recorded)?;
    assert_eq!((code, reason(&verdict).as_str()), (0, "signed"));
    let notes: Vec<&str> = verdict["notes"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let newer = notes.iter().find(|note| note.contains("another attestation of this type, newer, fails: "));
    assert!(newer.is_some_and(|note| note.contains("CVE-2024-3094") && note.contains("vuln")), "{notes:?}");
    let replayed = ground.pullward.run(&ground.workspace, &["replay", "-o", "json", &record])?;
    let replayed: Value = serde_json::from_str(&replayed.out).unwrap();
    assert_eq!(replayed["notes"], verdict["notes"]);
    ran("e2e::report")
}

/// Every cosign command that is printed is run as it stands, and then the image is allowed.
#[test]
fn the_commands_that_are_printed_repair_the_denial() -> Outcome {
    let Some(ground) = Ground::at_hand("e2e::explain-missing")? else { return Ok(()) };
    let registry = ground.registry()?;
    let cosign = ground.cosign(CosignVersion::Three)?;
    let key = cosign.generate_key_pair("release")?;
    let image = ground.push(&registry, "app")?;
    let node = Node::new(&ground.pullward, &ground.workspace)?;
    node.trust(1, &(pullward_tests::policy_for(&registry.host(), &key.public) + ASKED))?;
    let (trust, root) = (node.path("trust.json"), node.path("root.pub"));
    let flags = ["--explain-missing", "--trust", &trust, "--root", &root, &image];
    let ask = || ground.pullward.run(&ground.workspace, &[&["verify"][..], &flags].concat());
    let denied = ask()?;
    assert_eq!(denied.code, 1, "{}", denied.all());
    let (_, repair) = denied.out.split_once("\nTo repair it\n").unwrap();
    let commands: Vec<Vec<&str>> = repair
        .lines()
        .map(|line| line.trim().split(' ').collect())
        .filter(|words: &Vec<&str>| words[0] == "cosign")
        .collect();
    assert_eq!(commands.len(), 3, "{repair}");
    for made in [
        format!("trivy image --format cosign-vuln --output vuln.json {image}"),
        format!("oras copy --recursive BUILD-REPOSITORY@{} {image}", digest_of(&image)),
    ] {
        assert!(repair.contains(&made), "{repair}");
    }
    // What Trivy and buildx would have written.
    ground.workspace.write("vuln.json", trivy(&image, &ago(10), &MILD).to_string())?;
    ground.workspace.write("provenance.json", json!({"SLSA": buildkit_02(SOURCE, BUILDER)}).to_string())?;
    std::fs::copy(&key.private, ground.workspace.join("release.key")).unwrap();
    for words in commands {
        cosign.run_as_written(&words[1..])?;
    }
    let allowed = ask()?;
    assert_eq!(allowed.code, 0, "{}", allowed.all());
    assert!(!allowed.out.contains("repair"), "{}", allowed.out);
    // For programs the verdict stays one line, and the commands go elsewhere.
    let other = ground.push(&registry, "other")?;
    let json = ["verify", "-o", "json", "--explain-missing", "--trust", &trust, "--root", &root, &other];
    let json = ground.pullward.run(&ground.workspace, &json)?;
    assert!(serde_json::from_str::<Value>(&json.out).is_ok(), "{}", json.out);
    assert!(json.err.contains("cosign sign --key release.key"), "{}", json.err);
    ran("e2e::explain-missing")
}
