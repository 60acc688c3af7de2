//! The production flow: build, attest, sign, copy to another registry, and pull on a node whose policy asks for all of it.
//! Then one thing in it is changed, and the refusal names what it was.

use std::path::PathBuf;

use pullward_tests::{Containerd, Cosign, CosignVersion, Cri, Error, KeyPair, Node, Oras, Registry, ran};
use serde_json::{Value, json};

use crate::stage::{Ground, Outcome, digest_of, refused};
use crate::supply::{
    BUILDER, MILD, SEVERE, SLSA_1, SLSA_02, SOURCE, ago, buildkit_1, buildkit_02, cyclonedx, spdx, trivy,
};

/// Two registries, two keys, and a node whose policy asks for everything.
struct Pipeline<'a> {
    ground: &'a Ground,
    build: Registry,
    production: Registry,
    cosign: Cosign<'a>,
    version: CosignVersion,
    release: KeyPair,
    security: KeyPair,
    stranger: KeyPair,
    node: Node<'a>,
}

/// One attestation before it is made: cosign's word for its type, the predicate, and whose key.
struct Planned {
    kind: &'static str,
    predicate: Value,
    by: By,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Release,
    Security,
    Stranger,
}

/// What the pipeline is about to attest about an image.
struct Release {
    attestations: Vec<Planned>,
    signed_by: By,
}

impl Release {
    /// Everything as it should be.
    fn of(image: &str) -> Self {
        let planned = |kind, predicate| Planned { kind, predicate, by: By::Release };
        let packages = [("express", "4.19.2"), ("lodash", "4.17.21")];
        Self {
            attestations: vec![
                planned("vuln", trivy(image, &ago(60), &MILD)),
                planned(SLSA_02, buildkit_02(SOURCE, BUILDER)),
                planned(SLSA_1, buildkit_1(SOURCE, BUILDER)),
                planned("spdxjson", spdx(image, &packages)),
                planned("cyclonedx", cyclonedx(image, &packages)),
            ],
            signed_by: By::Release,
        }
    }

    fn at(&mut self, kind: &str) -> &mut Planned {
        self.attestations.iter_mut().find(|planned| planned.kind == kind).unwrap()
    }
}

/// The policy of the page `docs/attestations.md`, for this test's registry and key.
fn policy(host: &str, key: &KeyPair, security: &KeyPair) -> String {
    format!(
        r#"
schema = 1

[[authority]]
name = "release"
key = "{}"

[[authority]]
name = "security"
key = "{}"

[[rule]]
name = "team"
match = ["{host}/team/**"]
signed_by = ["release"]
contact = "release-team"

[[rule.attestation]]
type = "vuln"
signed_by = ["release"]
max_age = "30d"
vulnerabilities = {{ critical = 0, high = 5 }}

[[rule.attestation]]
type = "slsaprovenance02"
signed_by = ["release"]
source = ["https://github.com/acme/*"]
builder = ["https://github.com/acme/*/actions/runs/**"]
base = ["docker.io/library/alpine@*"]

[[rule.attestation]]
type = "slsaprovenance1"
signed_by = ["release", "security"]
source = ["https://github.com/acme/*"]
build_args = {{ require = ["VERSION=1.*"], forbid = ["HTTP_PROXY"] }}
"#,
        key.public.display(),
        security.public.display()
    ) + PACKAGES
}

const PACKAGES: &str = r#"
[[rule.attestation]]
type = "spdxjson"
signed_by = ["release"]
packages = { deny = ["pkg:npm/event-stream@3.3.6"] }

[[rule.attestation]]
type = "cyclonedx"
signed_by = ["release"]
packages = { licenses = ["AGPL-3.0*"] }
"#;

impl<'a> Pipeline<'a> {
    fn set(ground: &'a Ground, version: CosignVersion) -> Result<Self, Error> {
        let (build, production) = (ground.registry()?, ground.registry()?);
        let cosign = ground.cosign(version)?;
        let [release, security, stranger] =
            ["release", "security", "stranger"].map(|name| cosign.generate_key_pair(name));
        let (release, security, stranger) = (release?, security?, stranger?);
        let mut node = Node::new(&ground.pullward, &ground.workspace)?;
        node.trust(1, &policy(&production.host(), &release, &security))?;
        node.start()?;
        Ok(Self { ground, build, production, cosign, version, release, security, stranger, node })
    }

    fn key(&self, by: By) -> &KeyPair {
        match by {
            By::Release => &self.release,
            By::Security => &self.security,
            By::Stranger => &self.stranger,
        }
    }

    fn predicate(&self, name: &str, predicate: &Value) -> Result<PathBuf, Error> {
        self.ground.workspace.write(format!("{name}.json"), predicate.to_string())
    }

    /// Pushes, attests and signs an image in the first registry, copies it to the second, and gives it pinned there.
    fn release(&self, name: &str, change: impl FnOnce(&mut Release)) -> Result<String, Error> {
        let image = self.ground.push(&self.build, name)?;
        let mut release = Release::of(&image);
        change(&mut release);
        for (place, planned) in release.attestations.iter().enumerate() {
            let file = self.predicate(&format!("{name}-{place}"), &planned.predicate)?;
            self.cosign.attest(self.key(planned.by), &image, planned.kind, &file)?;
        }
        self.cosign.sign(self.key(release.signed_by), &image)?;
        self.promote(name, &image)
    }

    /// `oras copy -r`, and for cosign 2 the tags that oras does not know of.
    fn promote(&self, name: &str, image: &str) -> Result<String, Error> {
        let to = self.production.reference(&format!("team/{name}:v1"));
        Oras::new(&self.ground.peers, &self.ground.workspace)
            .copy(&self.build.reference(&format!("team/{name}:v1")), &to)?;
        if self.version == CosignVersion::Two {
            for suffix in ["sig", "att"] {
                let tag = format!("team/{name}:{}.{suffix}", digest_of(image).replace(':', "-"));
                self.ground.crane().copy(&self.build.reference(&tag), &self.production.reference(&tag))?;
            }
        }
        Ok(self.production.reference(&format!("team/{name}@{}", digest_of(image))))
    }

    /// Hangs the attestations of one image of the second registry beside another one, in its place.
    fn hang(&self, from: &str, to: &str) -> Outcome {
        let (of, victim) = (digest_of(from).replace(':', "-"), digest_of(to).replace(':', "-"));
        let (source, target) = (repository(from), repository(to));
        match self.version {
            CosignVersion::Two => {
                self.ground.crane().copy(&format!("{source}:{of}.att"), &format!("{target}:{victim}.att"))
            }
            CosignVersion::Three => {
                let (from, to) = (path(from), path(to));
                let mut list = self.production.manifest(&to, &victim)?.json()?;
                let more = self.production.manifest(&from, &of)?.json()?;
                for entry in more["manifests"].as_array().unwrap() {
                    let digest = entry["digest"].as_str().unwrap();
                    self.ground
                        .crane()
                        .copy(&format!("{source}@{digest}"), &format!("{target}:hung-{}", &digest[7..19]))?;
                    list["manifests"].as_array_mut().unwrap().push(entry.clone());
                }
                let bytes = list.to_string().into_bytes();
                self.production
                    .put_manifest(&to, &victim, "application/vnd.oci.image.index.v1+json", &bytes)
                    .map(drop)
            }
        }
    }

    /// A private containerd behind this node's hook.
    fn containerd(&self) -> Result<Containerd, Error> {
        self.ground.containerd(&self.node)
    }

    /// containerd does not pull it, for this reason, and its error says all of `words`.
    #[track_caller]
    fn refuse(&self, cri: &Cri, image: &str, reason: &str, words: &[&str]) {
        let message = refused(cri.pull(image), reason);
        for word in words {
            assert!(message.contains(word), "{word:?} is not named: {message}");
        }
    }
}

/// `host/path` of a pinned image.
fn repository(pinned: &str) -> &str {
    pinned.split('@').next().unwrap()
}

/// `path` of a pinned image.
fn path(pinned: &str) -> String {
    repository(pinned).split_once('/').unwrap().1.to_owned()
}

#[test]
fn a_release_is_pulled_and_one_changed_thing_in_it_is_refused_by_name_cosign_3() -> Outcome {
    production("e2e::production-3", CosignVersion::Three)
}

#[test]
fn a_release_is_pulled_and_one_changed_thing_in_it_is_refused_by_name_cosign_2() -> Outcome {
    production("e2e::production-2", CosignVersion::Two)
}

fn production(name: &str, version: CosignVersion) -> Outcome {
    let Some(ground) = Ground::at_hand_as_root(name)? else { return Ok(()) };
    let pipeline = Pipeline::set(&ground, version)?;
    let containerd = pipeline.containerd()?;
    let cri = containerd.cri()?;

    let good = pipeline.release("good", |_| {})?;
    cri.pull(&good)?;
    cri.pull(&pipeline.production.reference("team/good:v1"))?;

    let case = |name: &str, reason: &str, words: &[&str], change: &dyn Fn(&mut Release)| -> Outcome {
        let image = pipeline.release(name, change)?;
        pipeline.refuse(&cri, &image, reason, words);
        Ok(())
    };
    case("critical", "vulnerabilities-exceeded", &["CVE-2024-3094", "xz-libs", "5.6.1-r0"], &|release| {
        let findings = [MILD[0], SEVERE];
        let image = release.at("vuln").predicate["scanner"]["result"]["ArtifactName"].clone();
        release.at("vuln").predicate = trivy(image.as_str().unwrap(), &ago(60), &findings);
    })?;
    case("old", "attestation-too-old", &["it was made at"], &|release| {
        let written = ago(31 * 86_400);
        release.at("vuln").predicate["metadata"] =
            json!({"scanStartedOn": written, "scanFinishedOn": written});
    })?;
    case("signer", "attestation-signer", &["vuln"], &|release| release.at("vuln").by = By::Security)?;
    case("stranger", "attestation-missing", &["vuln", "by a key that the rule does not know"], &|release| {
        release.at("vuln").by = By::Stranger;
    })?;
    case("missing", "attestation-missing", &["slsaprovenance1"], &|release| {
        release.attestations.retain(|planned| planned.kind != SLSA_1);
    })?;
    if version == CosignVersion::Three {
        of_the_predicates(&case)?;
    }
    // Genuine, complete, and about another image.
    let victim = pipeline.release("victim", |release| {
        // cosign 2's tag of attestations is replaced as a whole, cosign 3's list grows.
        release.attestations.retain(|planned| planned.kind != "vuln");
    })?;
    pipeline.refuse(&cri, &victim, "attestation-missing", &["vuln"]);
    pipeline.hang(&good, &victim)?;
    pipeline.refuse(&cri, &victim, "attestation-missing", &["vuln"]);
    let config = pipeline.node.config()?;
    let (_, verdict) = ground.verify(&["--config", &config, &victim])?;
    let rows = verdict["evidence"].as_array().unwrap();
    let told = rows.iter().filter(|row| {
        row["outcome"] == "rejected"
            && ["digest-mismatch", "evidence-wrong-subject"].iter().any(|code| row["code"] == *code)
    });
    assert!(told.count() >= 3, "{verdict}");
    // What was allowed stays allowed, whatever hangs beside others.
    cri.pull(&good)?;
    ran(name)
}

/// A name, a reason, the words that the refusal has to have, and what is changed.
type Case<'c> = &'c dyn Fn(&str, &str, &[&str], &dyn Fn(&mut Release)) -> Outcome;

/// What does not depend on the format that carries it.
fn of_the_predicates(case: Case<'_>) -> Outcome {
    let fork = "https://github.com/mallory/app";
    case("fork", "source-mismatch", &[fork], &|release| {
        release.at(SLSA_02).predicate = buildkit_02(fork, BUILDER);
    })?;
    case("future", "attestation-from-future", &["it was made at"], &|release| {
        release.at("vuln").predicate["metadata"]["scanFinishedOn"] = json!("2126-01-01T00:00:00Z");
    })?;
    let laptop = "https://laptop.example/mallory";
    case("builder", "builder-mismatch", &[laptop], &|release| {
        release.at(SLSA_02).predicate["builder"]["id"] = json!(laptop);
    })?;
    case("argument", "parameter-mismatch", &["build argument", "VERSION", "2.0"], &|release| {
        let arguments = &mut release.at(SLSA_1).predicate["buildDefinition"]["externalParameters"];
        arguments["request"]["args"]["build-arg:VERSION"] = json!("2.0");
    })?;
    case("package", "package-denied", &["event-stream", "3.3.6"], &|release| {
        let image = release.at("spdxjson").predicate["name"].clone();
        release.at("spdxjson").predicate = spdx(image.as_str().unwrap(), &[("event-stream", "3.3.6")]);
    })?;
    case("licence", "license-denied", &["lodash", "AGPL-3.0-only"], &|release| {
        let components = &mut release.at("cyclonedx").predicate["components"];
        components[1]["licenses"] = json!([{"license": {"id": "AGPL-3.0-only"}}]);
    })?;
    // By its short name for the type, cosign reads the predicate into what it knows of it and writes that: what buildx
    // noted of the repository is gone. The URI leaves it alone.
    case("alias", "source-mismatch", &["it says nothing about source"], &|release| {
        release.at(SLSA_1).kind = "slsaprovenance1";
    })?;
    case("unsigned", "untrusted-key", &[], &|release| release.signed_by = By::Stranger)?;
    Ok(())
}
