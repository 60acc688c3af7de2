//! The walk-through: what its last script finds out step by step with cosign and jq, and what `pullward verify` says under
//! `docs/examples/walkthrough.toml`, on images where each step passes and fails.
//!
//! The script's three steps are written down here once more; where the walk-through itself is at hand, its own text is
//! run besides, and has to come to the same.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use pullward_tests::{CosignVersion, Error, KeyPair, Node, Ran, finish, ran};
use serde_json::{Value, json};

use crate::stage::{Ground, Outcome, reason};
use crate::supply::{BUILDER, COMMIT, MILD, SEVERE, SLSA_02, ago, buildkit_02, trivy};

const REPOSITORY: &str = "https://github.com/k-candidate/app";

/// Signature, provenance, vulnerabilities: fails where the signature does not verify, and where a report counts a
/// critical vulnerability. That an attestation is missing shows in an empty line and in nothing else.
const STEPS: &str = r##"#!/bin/bash
image=$1
statement() {
  cosign verify-attestation --key cosign.pub --type "$1" "$image" | jq -r .payload | base64 -d
}
cosign verify --key cosign.pub "$image" >/dev/null || exit 1

slsa=$(statement slsaprovenance | jq .predicate.SLSA)
vcs='.metadata["https://mobyproject.org/buildkit@v1#metadata"].vcs'
is_url='type == "string" and (startswith("https://") or startswith("git@"))'
echo "repo: $(jq -r "$vcs.source // empty | if $is_url then . else \"unknown\" end" <<<"$slsa")"
echo "commit: $(jq -r "$vcs.revision // empty | if type == \"string\" and length > 0 then . else \"unknown\" end" <<<"$slsa")"

of_severity='[.scanner.result.Results[]?.Vulnerabilities[]? | select(.Severity == "CRITICAL")] | length'
critical=$(statement vuln | jq .predicate | jq "$of_severity")
echo "critical: $critical"
if [ "$critical" -gt 0 ]; then exit 1; fi
"##;

/// What a script said: its exit code, and the values of its lines.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    code: i32,
    repository: Option<String>,
    commit: Option<String>,
    critical: Option<String>,
}

impl Said {
    fn of(ran: &Ran) -> Self {
        let lines: BTreeMap<String, String> = ran
            .out
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
            .collect();
        let find = |word: &str| {
            lines
                .iter()
                .find(|(name, _)| name.split(' ').any(|part| part == word))
                .map(|(_, value)| value.clone())
        };
        Self { code: ran.code, repository: find("repo"), commit: find("commit"), critical: find("critical") }
    }
}

/// An image of the walk-through: who signed it, its provenance and its report.
struct Case {
    name: &'static str,
    signed: Signed,
    provenance: Option<fn() -> Value>,
    report: Option<fn(&str) -> Value>,
    /// Exit code of the script, and what its lines say: repository, commit, count; `None` where it never got there.
    script: (i32, Option<[&'static str; 3]>),
    /// What we say under the walk-through's policy.
    ours: &'static str,
    /// What we say where the policy also names the repository.
    with_source: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Signed {
    Yes,
    No,
    ByAnother,
}

/// As `docker buildx imagetools inspect --format '{{json .Provenance}}'` prints it.
fn wrapped() -> Value {
    json!({"SLSA": buildkit_02(REPOSITORY, BUILDER)})
}

fn wrapped_of(source: Value) -> Value {
    let mut provenance = wrapped();
    provenance["SLSA"]["metadata"]["https://mobyproject.org/buildkit@v1#metadata"]["vcs"]["source"] = source;
    provenance
}

fn report(image: &str) -> Value {
    trivy(image, &ago(60), &MILD)
}

/// The image that has attestations and no signature.
const ATTESTED_ONLY: &str = "attested-only";

const FOUND: [&str; 3] = [REPOSITORY, COMMIT, "0"];

fn cases() -> Vec<Case> {
    let good = || Case {
        name: "good",
        signed: Signed::Yes,
        provenance: Some(wrapped),
        report: Some(report),
        script: (0, Some(FOUND)),
        ours: "signed",
        with_source: "signed",
    };
    vec![
        good(),
        Case { name: "clean", report: Some(|image| trivy(image, &ago(60), &[])), ..good() },
        // The signature's step.
        Case {
            name: ATTESTED_ONLY,
            signed: Signed::No,
            // cosign 3 takes any bundle of the key for a signature of the image. We do not: what was attested was not
            // released by that.
            ours: "predicate-not-signature",
            with_source: "predicate-not-signature",
            ..good()
        },
        Case {
            name: "bare",
            signed: Signed::No,
            provenance: None,
            report: None,
            script: (1, None),
            ours: "unsigned",
            with_source: "unsigned",
        },
        Case {
            name: "foreign",
            signed: Signed::ByAnother,
            provenance: None,
            report: None,
            script: (1, None),
            ours: "untrusted-key",
            with_source: "untrusted-key",
        },
        // The vulnerabilities' step.
        Case {
            name: "critical",
            report: Some(|image| trivy(image, &ago(60), &[MILD[0], SEVERE, MILD[1]])),
            script: (1, Some([REPOSITORY, COMMIT, "1"])),
            ours: "vulnerabilities-exceeded",
            with_source: "vulnerabilities-exceeded",
            ..good()
        },
        Case {
            name: "two-critical",
            report: Some(|image| {
                trivy(image, &ago(60), &[SEVERE, ("CVE-2021-44228", "CRITICAL", "log4j-core", "2.14.1")])
            }),
            script: (1, Some([REPOSITORY, COMMIT, "2"])),
            ours: "vulnerabilities-exceeded",
            with_source: "vulnerabilities-exceeded",
            ..good()
        },
        Case {
            name: "no-report",
            report: None,
            // `[ "" -gt 0 ]` is an error and not true, and the script goes on.
            script: (0, Some([REPOSITORY, COMMIT, ""])),
            ours: "attestation-missing",
            with_source: "attestation-missing",
            ..good()
        },
        // The provenance's step.
        Case {
            name: "no-provenance",
            provenance: None,
            script: (0, Some(["", "", "0"])),
            ours: "attestation-missing",
            with_source: "attestation-missing",
            ..good()
        },
        Case {
            name: "fork",
            provenance: Some(|| wrapped_of(json!("https://github.com/mallory/app"))),
            script: (0, Some(["https://github.com/mallory/app", COMMIT, "0"])),
            with_source: "source-mismatch",
            ..good()
        },
        Case {
            name: "git-at",
            provenance: Some(|| wrapped_of(json!("git@github.com:k-candidate/app.git"))),
            script: (0, Some(["git@github.com:k-candidate/app.git", COMMIT, "0"])),
            ..good()
        },
        Case {
            name: "unknown",
            provenance: Some(|| wrapped_of(json!("built on a laptop"))),
            script: (0, Some(["unknown", COMMIT, "0"])),
            with_source: "source-mismatch",
            ..good()
        },
        Case {
            name: "no-git",
            provenance: Some(|| wrapped_of(Value::Null)),
            script: (0, Some(["", COMMIT, "0"])),
            with_source: "source-mismatch",
            ..good()
        },
        // The script knows one of the two forms in which provenance is attested; we know both.
        Case {
            name: "unwrapped",
            provenance: Some(|| buildkit_02(REPOSITORY, BUILDER)),
            script: (0, Some(["", "", "0"])),
            ..good()
        },
    ]
}

#[test]
fn the_walkthroughs_script_and_the_walkthroughs_policy_agree() -> Outcome {
    let Some(ground) = Ground::at_hand("e2e::walkthrough")? else { return Ok(()) };
    let registry = ground.registry()?;
    let cosign = ground.cosign(CosignVersion::Three)?;
    let key = cosign.generate_key_pair("cosign")?;
    let another = cosign.generate_key_pair("another")?;
    let scripts = Scripts::new(&ground, &key)?;
    let node = Node::new(&ground.pullward, &ground.workspace)?;
    let policy = policy(&registry.host(), &key);
    node.build("trust.json", 1, &policy, "root", &[])?;
    let source = format!("type = \"slsaprovenance\"\nsource = [\"{REPOSITORY}\"]");
    let stricter = policy.replace("type = \"slsaprovenance\"", &source);
    assert_ne!(stricter, policy);
    node.build("stricter.json", 1, &stricter, "root", &[])?;
    let root = node.path("root.pub");
    let (mut passed, mut failed) = (0, 0);
    for case in cases() {
        let name = case.name;
        let tag = registry.reference(&format!("kcandidate/{name}:v1"));
        let image = ground.crane().push(&tag, &pullward_tests::Image::named(name))?;
        if let Some(provenance) = case.provenance {
            let file = ground.workspace.write(format!("{name}-provenance.json"), provenance().to_string())?;
            cosign.attest(&key, &image, SLSA_02, &file)?;
        }
        if let Some(report) = case.report {
            let file = ground.workspace.write(format!("{name}-vuln.json"), report(&image).to_string())?;
            cosign.attest(&key, &image, "vuln", &file)?;
        }
        match case.signed {
            Signed::Yes => cosign.sign(&key, &image)?,
            Signed::ByAnother => cosign.sign(&another, &image)?,
            Signed::No => {}
        }

        let (code, lines) = case.script;
        let line = |place: usize| lines.map(|lines| lines[place].to_owned());
        let expected = Said { code, repository: line(0), commit: line(1), critical: line(2) };
        for said in scripts.run(&tag)? {
            assert_eq!(said, expected, "{name}");
        }
        let ask = |trust: &str| -> Result<String, Error> {
            let trust = node.path(trust);
            let flags = ["--trust", &trust, "--root", &root, "--namespace", "demo", &tag];
            let (code, verdict) = ground.verify(&flags)?;
            assert_eq!(code == 0, verdict["decision"] == "allow", "{name}");
            Ok(reason(&verdict))
        };
        assert_eq!(ask("trust.json")?, case.ours, "{name}");
        assert_eq!(ask("stricter.json")?, case.with_source, "{name}");

        // The script lets through what we refuse only where one of its steps found nothing and did not say so.
        let nothing = [&expected.repository, &expected.critical].into_iter().flatten().any(String::is_empty);
        let allowed = case.ours == "signed";
        assert!(allowed == (code == 0) || (code == 0 && (nothing || name == ATTESTED_ONLY)), "{name}");
        if allowed { passed += 1 } else { failed += 1 }
    }
    assert_eq!((passed, failed), (7, 7));
    ran("e2e::walkthrough")
}

/// The example's policy, for this test's registry and key.
fn policy(host: &str, key: &KeyPair) -> String {
    let path = top().join("docs/examples/walkthrough.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let there = text.replace("docker.io/kcandidate/**", &format!("{host}/kcandidate/**"));
    let there = there.replace("\"cosign.pub\"", &format!("\"{}\"", key.public.display()));
    assert!(there.contains(host) && there.contains("/cosign.pub"), "{text}");
    there
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The scripts, each in a folder with the key, and a `cosign` that does not look for a network.
struct Scripts<'a> {
    ground: &'a Ground,
    folder: PathBuf,
    files: Vec<PathBuf>,
}

impl<'a> Scripts<'a> {
    fn new(ground: &'a Ground, key: &KeyPair) -> Result<Self, Error> {
        let folder = ground.workspace.folder("script")?;
        std::fs::copy(&key.public, folder.join("cosign.pub")).unwrap();
        ground.workspace.folder("script/bin")?;
        let cosign = ground.peers.program("cosign3")?;
        let wrapper = format!(
            "#!/bin/bash\nexec {} \"$1\" --insecure-ignore-tlog=true --trusted-root {} \"${{@:2}}\"\n",
            cosign.display(),
            ground.workspace.join("cosign/trusted-root.json").display()
        );
        let wrapper = ground.workspace.write("script/bin/cosign", wrapper)?;
        std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut files = vec![ground.workspace.write("script/steps.bash", STEPS)?];
        if let Some(text) = original() {
            files.push(ground.workspace.write("script/original.bash", text)?);
        }
        Ok(Self { ground, folder, files })
    }

    /// What each of them says of an image.
    fn run(&self, image: &str) -> Result<Vec<Said>, Error> {
        let run = |file: &PathBuf| {
            // jq's folder is the peers'; `cosign` is found before it.
            let jq = self.ground.peers.program("jq")?;
            let peers = jq.parent().unwrap();
            let path = format!("{}/bin:{}:/usr/bin:/bin", self.folder.display(), peers.display());
            let mut command = Command::new("bash");
            command
                .arg(file)
                .arg(image)
                .env_clear()
                .env("PATH", path)
                .env("HOME", self.ground.workspace.path());
            command.current_dir(&self.folder);
            finish(command, b"").map(|ran| Said::of(&ran))
        };
        self.files.iter().map(run).collect()
    }
}

/// The walk-through's own script, where the walk-through is at hand.
fn original() -> Option<String> {
    let text = std::fs::read_to_string(top().join("../shared/walkthrough.txt")).ok()?;
    let start = text.find("#!/bin/bash\nIMAGE=")?;
    let end = text[start..].find("echo \"All checks passed.\"")?;
    Some(text[start..start + end].to_owned())
}
