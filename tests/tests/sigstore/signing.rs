//! cosign signs real images with the services of the virtual Sigstore, as it does with the public ones; what it wrote is
//! judged by `pullward verify`, by whom the policy names, from a layout and without any network.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a step that fails fails its test")]

use std::process::Command;

use pullward_tests::sigstore::{Generation, Provider, Services, Sigstore, Stamped};
use pullward_tests::{
    Cosign, CosignVersion, Crane, Error, Image, KeylessClient, Oras, Peers, Pullward, Registry, Workspace,
    ran,
};
use serde_json::Value;

const ISSUER: &str = "https://issuer.virtual";
const SUBJECT: &str = "https://source.virtual/team/app/.github/workflows/release.yml@refs/tags/v1";
const OTHER: &str = "https://source.virtual/team/other/.github/workflows/release.yml@refs/tags/v1";
const CHECKED: &str = "https://predicates.virtual/checked/v1";
const NAME: &str = "registry.virtual/team/app:v1";

/// All that signs and judges.
struct Bench {
    peers: Peers,
    workspace: Workspace,
    pullward: Pullward,
    registry: Registry,
    provider: Provider,
    services: Services,
}

impl Bench {
    fn at_hand(name: &str) -> Result<Option<Self>, Error> {
        let Some(peers) = Peers::at_hand(name)? else { return Ok(None) };
        let workspace = Workspace::new()?;
        let pullward = Pullward::built()?;
        let registry = Registry::start(&peers, &workspace)?;
        let provider = Provider::new(ISSUER);
        let services = Services::start(Sigstore::new("virtual"), provider.clone()).unwrap();
        pullward.succeed(&workspace, &["trust", "keygen", "--out", "root", "--no-passphrase"])?;
        let bench = Self { peers, workspace, pullward, registry, provider, services };
        bench.trust("trust.json", SUBJECT)?;
        bench.trust("other.json", OTHER)?;
        Ok(Some(bench))
    }

    fn push(&self, name: &str) -> Result<String, Error> {
        let reference = self.registry.reference(&format!("team/{name}:v1"));
        Crane::new(&self.peers, &self.workspace).push(&reference, &Image::named(name))
    }

    /// A trust bundle that believes the instance, and in it one identity.
    fn trust(&self, file: &str, subject: &str) -> Result<(), Error> {
        self.build(file, subject, "")
    }

    /// As [`Bench::trust`], and asks for an attestation by the same identity.
    fn trust_attested(&self, file: &str, subject: &str) -> Result<(), Error> {
        std::fs::remove_file(self.workspace.join(file)).unwrap();
        let more = format!("[[rule.attestation]]\ntype = \"{CHECKED}\"\nsigned_by = [\"app\"]\n");
        self.build(file, subject, &more)
    }

    fn build(&self, file: &str, subject: &str, more: &str) -> Result<(), Error> {
        let root = self.services.sigstore().trusted_root().to_string();
        self.workspace.write("virtual.json", root)?;
        let policy = format!(
            "schema = 1\n[[authority]]\nname = \"app\"\n[authority.keyless]\ntrusted_root = \"virtual.json\"\n\
             [[authority.keyless.identity]]\nissuer = \"{ISSUER}\"\nsubject = \"{subject}\"\n\
             [[rule]]\nname = \"app\"\nmatch = [\"registry.virtual/team/**\"]\nsigned_by = [\"app\"]\n{more}"
        );
        self.workspace.write("policy.toml", policy)?;
        let arguments = [
            "trust",
            "build",
            "policy.toml",
            "--version",
            "1",
            "--expires",
            "90d",
            "--key",
            "root.key",
            "-o",
            file,
        ];
        self.pullward.succeed(&self.workspace, &arguments).map(drop)
    }

    /// What is in the registry, in a layout: the image, what refers to it, and its tags of cosign 2.
    fn layout(&self, image: &str, name: &str) -> Result<String, Error> {
        let layout = self.workspace.join(name);
        let oras = Oras::new(&self.peers, &self.workspace);
        oras.copy_to_layout(image, &layout, "v1")?;
        let (repository, digest) = image.split_once('@').unwrap();
        for kind in ["sig", "att"] {
            let tag = format!("{}.{kind}", digest.replace(':', "-"));
            let path = repository.split_once('/').unwrap().1;
            if self.registry.tags(path)?.contains(&tag) {
                oras.copy_to_layout(&format!("{repository}:{tag}"), &layout, &tag)?;
            }
        }
        Ok(format!("oci:{name}@{digest}"))
    }

    /// Verifies in a network namespace in which nothing is up.
    fn verify(&self, layout: &str, trust: &str, more: &[&str]) -> (i32, Value) {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--net"]).arg(self.pullward.program());
        command.args(["verify", layout, "--as", NAME, "--trust", trust, "--root", "root.pub", "-o", "json"]);
        let output = command.args(more).current_dir(self.workspace.path()).output().unwrap();
        let verdict = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("{error}: {}", String::from_utf8_lossy(&output.stderr));
        });
        (output.status.code().unwrap(), verdict)
    }

    /// What cosign wrote: we accept it by its identity, and by no other; so does the replay, and so does cosign.
    fn agree(&self, cosign: &Cosign<'_>, signed: &Signed<'_>) -> Result<(), Error> {
        let Signed { client, image, name, format, .. } = signed;
        let layout = self.layout(image, name)?;
        let record = format!("{name}.record");
        let (code, verdict) = self.verify(&layout, "trust.json", &["--record", &record]);
        assert_eq!((code, verdict["decision"].as_str()), (0, Some("allow")), "{name}: {verdict:#}");
        let rows = verdict["evidence"].as_array().unwrap();
        assert!(!rows.is_empty());
        for row in rows {
            assert_eq!(row["identity"], format!("{ISSUER} {SUBJECT}"), "{name}");
            let said = (row["outcome"].as_str(), row["format"].as_str());
            assert!(
                said.0 == Some("accepted") && said.1.is_some_and(|said| format.contains(&said)),
                "{said:?}"
            );
        }
        self.pullward.succeed(&self.workspace, &["replay", &record])?;
        let (code, verdict) = self.verify(&layout, "other.json", &[]);
        assert_eq!((code, verdict["reason"].as_str()), (1, Some("identity-mismatch")), "{name}: {verdict:#}");
        cosign.verify_keyless("verify", client, [ISSUER, SUBJECT], image, signed.options)?;
        let refused = cosign.verify_keyless("verify", client, [ISSUER, OTHER], image, signed.options);
        assert!(matches!(refused, Err(Error::Failed { .. })), "{refused:?}");
        Ok(())
    }

    fn token(&self) -> String {
        self.provider.token(SUBJECT)
    }
}

/// What cosign has signed.
struct Signed<'a> {
    client: &'a KeylessClient,
    image: &'a str,
    name: &'a str,
    /// In which formats.
    format: &'a [&'a str],
    /// What cosign needs to be told to verify it.
    options: &'a [&'a str],
}

#[test]
fn what_cosign_3_signs_here_is_accepted_by_identity() -> Result<(), Error> {
    let Some(bench) = Bench::at_hand("sigstore::cosign-3-signs")? else { return Ok(()) };
    let cosign = Cosign::new(&bench.peers, &bench.workspace, CosignVersion::Three)?;
    for (generation, stamped, name, options) in [
        (Generation::One, Stamped::No, "v1", &[][..]),
        (Generation::One, Stamped::Yes, "v1-stamped", &["--use-signed-timestamps"]),
        (Generation::Two, Stamped::Yes, "v2", &["--use-signed-timestamps"]),
    ] {
        let client = KeylessClient::of(&cosign, &bench.services, generation, stamped)?;
        let image = bench.push(name)?;
        cosign.keyless("sign", &client, &bench.token(), &image, &[])?;
        let signed = Signed { client: &client, image: &image, name, format: &["bundle"], options };
        bench.agree(&cosign, &signed)?;
    }
    assert_eq!(bench.services.refusals(), Vec::<String>::new());
    assert_eq!([Generation::One, Generation::Two].map(|log| bench.services.entries(log)), [2, 1]);
    ran("sigstore::cosign-3-signs")
}

#[test]
fn what_cosign_2_signs_here_is_accepted_by_identity() -> Result<(), Error> {
    let Some(bench) = Bench::at_hand("sigstore::cosign-2-signs")? else { return Ok(()) };
    let cosign = Cosign::new(&bench.peers, &bench.workspace, CosignVersion::Two)?;
    for (stamped, name) in [(Stamped::No, "v1"), (Stamped::Yes, "v1-stamped")] {
        let client = KeylessClient::of(&cosign, &bench.services, Generation::One, stamped)?;
        let image = bench.push(name)?;
        cosign.keyless("sign", &client, &bench.token(), &image, &[])?;
        let format = &["legacy-signature"];
        let options = if stamped == Stamped::Yes { client.timestamps() } else { Vec::new() };
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        bench.agree(&cosign, &Signed { client: &client, image: &image, name, format, options: &options })?;
    }
    assert_eq!(bench.services.refusals(), Vec::<String>::new());
    ran("sigstore::cosign-2-signs")
}

/// Attestations, in each format and kind of entry that the two cosigns write.
#[test]
fn what_cosign_attests_here_is_accepted_by_identity() -> Result<(), Error> {
    let Some(bench) = Bench::at_hand("sigstore::cosign-attests")? else { return Ok(()) };
    bench.trust_attested("trust.json", SUBJECT)?;
    bench.trust_attested("other.json", OTHER)?;
    let predicate = bench.workspace.write("predicate.json", r#"{"checked":true}"#)?.display().to_string();
    let (one, two) = (CosignVersion::Two, CosignVersion::Three);
    let legacy = &["legacy-signature", "legacy-attestation"][..];
    for (version, generation, stamped, name, more, format) in [
        (two, Generation::One, Stamped::No, "three-v1", &[][..], &["bundle"][..]),
        (two, Generation::Two, Stamped::Yes, "three-v2", &[], &["bundle"]),
        (one, Generation::One, Stamped::No, "two-dsse", &["--rekor-entry-type", "dsse"], legacy),
        (one, Generation::One, Stamped::No, "two-intoto", &["--rekor-entry-type", "intoto"], legacy),
    ] {
        let cosign = Cosign::new(&bench.peers, &bench.workspace, version)?;
        let client = KeylessClient::of(&cosign, &bench.services, generation, stamped)?;
        let image = bench.push(name)?;
        cosign.keyless("sign", &client, &bench.token(), &image, &[])?;
        let options = [&["--type", CHECKED, "--predicate", &predicate], more].concat();
        cosign.keyless("attest", &client, &bench.token(), &image, &options)?;
        let options = if stamped == Stamped::Yes { &["--use-signed-timestamps"][..] } else { &[] };
        bench.agree(&cosign, &Signed { client: &client, image: &image, name, format, options })?;
        let typed = [&["--type", CHECKED][..], options].concat();
        cosign.verify_keyless("verify-attestation", &client, [ISSUER, SUBJECT], &image, &typed)?;
    }
    assert_eq!(bench.services.refusals(), Vec::<String>::new());
    ran("sigstore::cosign-attests")
}

/// The services are no rubber stamps: nobody gets a certificate by another provider's word.
#[test]
fn a_token_of_another_provider_gets_no_certificate() -> Result<(), Error> {
    let Some(bench) = Bench::at_hand("sigstore::cosign-refused")? else { return Ok(()) };
    let cosign = Cosign::new(&bench.peers, &bench.workspace, CosignVersion::Three)?;
    let client = KeylessClient::of(&cosign, &bench.services, Generation::One, Stamped::No)?;
    let image = bench.push("app")?;
    let stranger = Provider::new(ISSUER).token(SUBJECT);
    let signed = cosign.keyless("sign", &client, &stranger, &image, &[]);
    assert!(matches!(signed, Err(Error::Failed { .. })), "{signed:?}");
    let refusals = bench.services.refusals();
    assert!(refusals.iter().any(|refusal| refusal.contains("signature")), "{refusals:?}");
    assert_eq!(bench.services.entries(Generation::One), 0);
    ran("sigstore::cosign-refused")
}
