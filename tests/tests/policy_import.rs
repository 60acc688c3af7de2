//! Neighbours' policies: what an operator has written for the cluster decides the same on the node.
//!
//! The corpora give documents as others write them: each is imported or refused with every reason. The walk-through's own
//! policy goes from Kyverno's document to verdicts on images that real cosign has signed, or has not.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what the tests share fails as they do; clippy excepts only tests"
)]

use std::collections::BTreeMap;
use std::path::Path;

use pullward::policy::import::{Code, Import, RootFile, Weight};
use pullward_tests::{
    Corpora, Cosign, CosignVersion, Crane, Error, Image, Oras, Peers, Pullward, Registry, Workspace, ran,
};
use serde_json::Value;

/// How many refusals of each code the parse set gives. All of its image policies ask for Notary Project signatures, keyless
/// ones or a log entry, or are of Kyverno's former kind, so none can be imported; a field that this version does not know would show as another code.
const REFUSALS: [(&str, usize); 5] = [
    ("import-expression", 12),
    ("import-field", 2),
    ("import-kind", 46),
    ("import-not-enforced", 54),
    ("import-syntax", 1),
];

#[test]
fn every_policy_of_the_corpora_is_imported_or_refused_with_its_reasons() {
    let Some(corpora) = Corpora::at_hand("policy_import") else { return };
    let mut codes: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut rows, mut imported, mut remarks) = (0, 0, 0);
    for row in corpora.manifest("policies") {
        rows += 1;
        let path = row["inputs"]["file"].as_str().unwrap();
        let text = String::from_utf8(corpora.bytes(path)).unwrap();
        let read = Import::read(path, &text);
        imported += usize::from(read.policy.is_some());
        remarks += read.of_weight(Weight::Remark).count();
        let refusals: Vec<_> = read.of_weight(Weight::Refusal).collect();
        assert_eq!(refusals.is_empty(), read.policy.is_some(), "{path}: {:?}", read.findings);
        for refusal in refusals {
            assert!(refusal.text.len() > 10, "{path}: {refusal}");
            *codes.entry(refusal.code.as_str()).or_default() += 1;
        }
    }
    println!(
        "policies: {rows} rows, {imported} imported, {} refused, {remarks} remarks; {codes:?}",
        rows - imported
    );
    assert_eq!((rows, imported), (81, 0));
    assert_eq!(codes.into_iter().collect::<Vec<_>>(), REFUSALS);
}

/// How many of them can be imported once a trusted root is named.
const WITH_A_ROOT: usize = 2;

/// With the public root, a document is refused for no identity that a glob can say; and none that was imported without
/// one asks for less.
#[test]
fn policies_of_the_corpora_with_a_trusted_root() {
    let Some(corpora) = Corpora::at_hand("policy_import") else { return };
    let content = corpora.bytes("trust/public-good/trusted_root.json");
    let root = RootFile { path: "trusted_root.json".to_owned(), content };
    let (mut imported, mut identities) = (0, 0);
    for row in corpora.manifest("policies") {
        let path = row["inputs"]["file"].as_str().unwrap();
        let text = String::from_utf8(corpora.bytes(path)).unwrap();
        let [without, with] = [None, Some(&root)].map(|root| Import::read_with(path, &text, root));
        imported += usize::from(with.policy.is_some());
        let refused = |read: &Import| {
            let refusals = read.of_weight(Weight::Refusal);
            refusals
                .filter(|one| one.code == Code::ImportNotEnforced && one.path.contains("identities["))
                .count()
        };
        assert!(refused(&with) <= refused(&without), "{path}");
        identities += refused(&without) - refused(&with);
    }
    println!("policies with a trusted root: {imported} imported, {identities} identities more are said");
    assert_eq!(imported, WITH_A_ROOT);
    assert!(identities > 0);
}

type Outcome = Result<(), Error>;

/// Peers, pullward and a folder.
struct Ground {
    peers: Peers,
    pullward: Pullward,
    workspace: Workspace,
}

impl Ground {
    fn at_hand(name: &str) -> Result<Option<Self>, Error> {
        let Some(peers) = Peers::at_hand(name)? else { return Ok(None) };
        Ok(Some(Self { peers, pullward: Pullward::built()?, workspace: Workspace::new()? }))
    }

    /// Imports a document and gives the policy's path. It has to go without a word.
    fn import(&self, document: &str) -> Result<String, Error> {
        let path = self.workspace.write("image-validating-policy.yaml", document)?.display().to_string();
        let folder = self.workspace.folder("imported")?;
        let policy = folder.join("policy.toml").display().to_string();
        let done =
            self.pullward.run(&self.workspace, &["policy", "import", "--force", "--out", &policy, &path])?;
        assert_eq!((done.code, done.err.as_str()), (0, ""), "{}", done.out);
        self.pullward.succeed(&self.workspace, &["policy", "check", &policy])?;
        Ok(policy)
    }

    /// Exit code and reason of a command that gives a verdict, which it has to reach.
    fn ask(&self, words: &[&str]) -> Result<(i32, String), Error> {
        let done = self.pullward.run(&self.workspace, words)?;
        // No test here is about what could not be found out.
        assert!(done.code < 2, "pullward {}: {}", words.join(" "), done.all());
        let verdict: Value =
            serde_json::from_str(&done.out).unwrap_or_else(|error| panic!("{error}: {}", done.all()));
        Ok((done.code, verdict["reason"].as_str().unwrap_or_default().to_owned()))
    }

    fn cosign(&self) -> Result<Cosign<'_>, Error> {
        Cosign::new(&self.peers, &self.workspace, CosignVersion::Three)
    }
}

/// The walk-through's policy for this key: the same fields, for the images of one owner in one namespace.
fn document(public: &Path, glob: &str) -> String {
    let key: String =
        std::fs::read_to_string(public).unwrap().lines().map(|line| format!("          {line}\n")).collect();
    format!(
        "apiVersion: policies.kyverno.io/v1
kind: ImageValidatingPolicy
metadata:
  name: signed-by-us
spec:
  validationActions: [Deny]
  matchConstraints:
    resourceRules:
    - apiGroups: [\"\"]
      apiVersions: [\"v1\"]
      operations: [\"CREATE\", \"UPDATE\"]
      resources: [\"pods\"]
    namespaceSelector:
      matchExpressions:
      - key: kubernetes.io/metadata.name
        operator: In
        values: [demo]
  matchImageReferences:
  - glob: \"{glob}\"
  attestors:
  - name: cosign
    cosign:
      key:
        data: |
{key}      ctlog:
        url: https://log.example
        insecureIgnoreTlog: true
        insecureIgnoreSCT: true
  validations:
  - expression: >-
      images.containers.map(image, verifyImageSignatures(image, [attestors.cosign])).all(e, e > 0)
    message: not signed by us
"
    )
}

fn said(code: i32, reason: &str) -> (i32, String) {
    (code, reason.to_owned())
}

/// Signed by the policy's key: runs. Unsigned, or signed by another: refused. Under the names and in the namespace that the
/// document is for, tested before and judged after the policy became a bundle.
#[test]
fn the_walkthroughs_policy_decides_as_it_does_in_the_cluster() -> Outcome {
    let Some(ground) = Ground::at_hand("policy_import::walkthrough")? else { return Ok(()) };
    let mut registry = Registry::start(&ground.peers, &ground.workspace)?;
    let crane = Crane::new(&ground.peers, &ground.workspace);
    let oras = Oras::new(&ground.peers, &ground.workspace);
    let cosign = ground.cosign()?;
    let (key, stranger) = (cosign.generate_key_pair("cosign")?, cosign.generate_key_pair("stranger")?);
    let layout = ground.workspace.join("layout");
    for (tag, signer) in [("v1", Some(&key)), ("unsigned", None), ("foreign", Some(&stranger))] {
        let reference = registry.reference(&format!("kcandidate/myapp:{tag}"));
        let pinned = crane.push(&reference, &Image::named(tag))?;
        if let Some(signer) = signer {
            cosign.sign(signer, &pinned)?;
        }
        oras.copy_to_layout(&reference, &layout, tag)?;
    }
    registry.stop()?;
    let policy = ground.import(&document(&key.public, "kcandidate/*"))?;

    let root = ground.workspace.join("root").display().to_string();
    ground.pullward.succeed(&ground.workspace, &["trust", "keygen", "--out", &root, "--no-passphrase"])?;
    let (root_key, root_pub) = (format!("{root}.key"), format!("{root}.pub"));
    let bundle = ground.workspace.join("trust.json").display().to_string();
    let build =
        ["trust", "build", &policy, "--version", "1", "--expires", "1d", "--key", &root_key, "-o", &bundle];
    ground.pullward.succeed(&ground.workspace, &build)?;

    let own = "docker.io/kcandidate/myapp";
    let deeper = "kcandidate/team/myapp";
    for (tag, name, namespace, expected) in [
        ("v1", own, "demo", said(0, "signed")),
        ("v1", "kcandidate/myapp", "demo", said(0, "signed")),
        ("v1", deeper, "demo", said(0, "signed")),
        ("unsigned", own, "demo", said(1, "unsigned")),
        ("unsigned", deeper, "demo", said(1, "unsigned")),
        ("foreign", own, "demo", said(1, "untrusted-key")),
        // Where the document says nothing, a node denies.
        ("v1", own, "other", said(1, "no-rule")),
        ("unsigned", own, "other", said(1, "no-rule")),
        ("v1", "docker.io/kcandidates/myapp", "demo", said(1, "no-rule")),
        ("v1", "ghcr.io/kcandidate/myapp", "demo", said(1, "no-rule")),
        ("v1", "kcandidate", "demo", said(1, "no-rule")),
    ] {
        let image = format!("oci:{}:{tag}", layout.display());
        let named = format!("{name}:{tag}");
        let flags = ["-o", "json", "--as", &named, "--namespace", namespace, &image];
        let tested = ground.ask(&[&["policy", "test", &policy], flags.as_slice()].concat())?;
        let judged =
            ground.ask(&[&["verify", "--trust", &bundle, "--root", &root_pub], flags.as_slice()].concat())?;
        assert_eq!(tested, expected, "{named} in {namespace}");
        assert_eq!(judged, expected, "{named} in {namespace}");
    }
    ran("policy_import::walkthrough")
}

/// The gate of a build: attestations first, then the signature.
#[test]
fn a_policy_is_tested_before_the_image_is_signed() -> Outcome {
    let Some(ground) = Ground::at_hand("policy_import::before_signing")? else { return Ok(()) };
    let registry = Registry::start(&ground.peers, &ground.workspace)?;
    let crane = Crane::new(&ground.peers, &ground.workspace);
    let cosign = ground.cosign()?;
    let key = cosign.generate_key_pair("cosign")?;
    let kind = "https://example.org/review/v1";
    let host = registry.host();
    let asks = document(&key.public, &format!("{host}/kcandidate/*")).replace(
        "  validations:\n",
        &format!("  attestations:\n  - name: review\n    intoto: {{type: \"{kind}\"}}\n  validations:\n"),
    ) + "  - expression: images.containers.all(image, verifyAttestationSignatures(image, attestations.review, \
           [attestors.cosign]) > 0)\n";
    let policy = ground.import(&asks)?;
    let image = crane.push(&registry.reference("kcandidate/myapp:v1"), &Image::named("app"))?;
    let ask = |flags: &[&str]| {
        let words = ["policy", "test", "-o", "json", "--namespace", "demo", &policy, &image];
        ground.ask(&[&words, flags].concat())
    };
    assert_eq!(ask(&[])?, said(1, "unsigned"));
    let unattested = ask(&["--before-signing"])?;
    assert_eq!(unattested.0, 1);
    assert!(unattested.1.starts_with("attestation"), "{unattested:?}");
    // Another's word is none, and another word of ours is none.
    let predicate = ground.workspace.write("predicate.json", "{}")?;
    let stranger = cosign.generate_key_pair("stranger")?;
    cosign.attest(&stranger, &image, kind, &predicate)?;
    cosign.attest(&key, &image, "https://example.org/other/v1", &predicate)?;
    assert_eq!(ask(&["--before-signing"])?.0, 1);
    cosign.attest(&key, &image, kind, &predicate)?;
    assert_eq!(ask(&["--before-signing"])?, said(0, "signed"));
    // The assumption ends with the command.
    assert_eq!(ask(&[])?.0, 1);
    cosign.sign(&key, &image)?;
    assert_eq!(ask(&[])?, said(0, "signed"));
    ran("policy_import::before_signing")
}

/// A condition that Kyverno would evaluate decides on the node: of two images with the same attestation type and signer, the
/// one whose statement says so is allowed.
#[test]
fn a_condition_on_a_statement_decides_on_the_node() -> Outcome {
    let Some(ground) = Ground::at_hand("policy_import::condition")? else { return Ok(()) };
    let registry = Registry::start(&ground.peers, &ground.workspace)?;
    let crane = Crane::new(&ground.peers, &ground.workspace);
    let cosign = ground.cosign()?;
    let key = cosign.generate_key_pair("cosign")?;
    let kind = "https://example.org/review/v1";
    let named =
        format!("  attestations:\n  - name: review\n    intoto: {{type: \"{kind}\"}}\n  validations:\n");
    let document = document(&key.public, &format!("{}/kcandidate/*", registry.host()))
        .replace("  validations:\n", &named)
        + "  - expression: >-
      images.containers.map(image, verifyAttestationSignatures(image, attestations.review, [attestors.cosign]))
      .all(e, e > 0)
  - expression: >-
      images.containers.map(image, extractPayload(image, attestations.review).predicate.findings
      .all(f, f.severity != 'CRITICAL') && extractPayload(image, attestations.review).predicate.by == \"us\").all(e, e)
";
    let path = ground.workspace.write("document.yaml", &document)?.display().to_string();
    let policy = ground.workspace.join("policy.toml").display().to_string();
    let done = ground.pullward.run(&ground.workspace, &["policy", "import", "--out", &policy, &path])?;
    assert_eq!(done.code, 0, "{}", done.all());
    assert_eq!((done.err.lines().count(), done.err.contains("[differs]")), (1, true), "{}", done.err);
    for (name, predicate, expected) in [
        ("good", r#"{"by": "us", "findings": [{"severity": "LOW"}]}"#, 0),
        ("none", r#"{"by": "us", "findings": []}"#, 0),
        ("critical", r#"{"by": "us", "findings": [{"severity": "LOW"}, {"severity": "CRITICAL"}]}"#, 1),
        ("other", r#"{"by": "them", "findings": []}"#, 1),
        ("absent", r#"{"by": "us"}"#, 1),
        ("type", r#"{"by": 1, "findings": []}"#, 1),
    ] {
        let image = crane.push(&registry.reference(&format!("kcandidate/{name}:v1")), &Image::named(name))?;
        cosign.sign(&key, &image)?;
        let file = ground.workspace.write(format!("{name}.json"), predicate)?;
        cosign.attest(&key, &image, kind, &file)?;
        let asked = ground.ask(&["policy", "test", "-o", "json", "--namespace", "demo", &policy, &image])?;
        assert_eq!(asked.0, expected, "{name}: {asked:?}");
    }
    ran("policy_import::condition")
}

/// What reads neighbours' documents is in the command line alone: containerd executes nothing of it.
#[test]
fn the_hook_has_no_reader_of_yaml() -> Outcome {
    let pullward = Pullward::built()?;
    let has = |name: &str| {
        let program = std::fs::read(pullward.program().with_file_name(name)).unwrap();
        // The crate as it stands in the names of functions; debug information also names what was left out.
        program.windows(15).any(|window| window == b"13saphyr_parser")
    };
    assert!(has("pullward"), "the name would not be found where it is");
    assert!(!has("pullward-verifier"));
    Ok(())
}
