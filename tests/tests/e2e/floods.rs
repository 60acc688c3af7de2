//! Attestations as a hostile registry serves them: too many, too large, too deep, several of one type, and not at once.
//! No peer is needed: the evidence is minted, the registry is a script.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pullward_core::oci::{Digest, MEDIA_TYPE_MANIFEST};
use pullward_tests::hostile::{Hostile, Reply, Shelf, descriptor, manifest};
use pullward_tests::mint::{Forge, Form, Minted, PROVENANCE, VULN, world};
use pullward_tests::{Error, Node, Pullward, Workspace};
use serde_json::{Value, json};

use crate::stage::{Outcome, reason};
use crate::supply::{BUILDER, MILD, SEVERE, SOURCE, ago, buildkit_02, trivy};

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// For one verdict here: the agent's own bounds are meant to end it long before.
const SOON: Duration = Duration::from_secs(30);

/// Programs, a folder, and a signed image on a shelf.
pub(crate) struct Stage {
    pub(crate) pullward: Pullward,
    pub(crate) workspace: Workspace,
    pub(crate) shelf: Shelf,
    pub(crate) image: Digest,
}

impl Stage {
    pub(crate) fn new() -> Result<Self, Error> {
        let (mut shelf, image) = Shelf::with_image();
        let signature = Forge::new(Form::Bundle, world().p256(0), &image).mint();
        shelf.bundle(&image, signature.text().as_bytes());
        Ok(Self { pullward: Pullward::built()?, workspace: Workspace::new()?, shelf, image })
    }

    /// Attaches an attestation by the trusted key.
    fn attach(&mut self, predicate_type: &str, predicate: &Value) -> Digest {
        let minted = self.mint(predicate_type, &predicate.to_string());
        self.shelf.bundle(&self.image, minted.text().as_bytes())
    }

    fn mint(&self, predicate_type: &str, predicate: &str) -> Minted {
        attested(&self.image, predicate_type, predicate)
    }

    fn report(&self, findings: &[crate::supply::Finding]) -> Value {
        trivy(&format!("registry.example/app@{}", self.image), &ago(60), findings)
    }

    /// Exit code and verdict, under a policy that asks for this of the image.
    fn judge(&self, server: &Hostile, asked: &str) -> Result<(i32, Value), Error> {
        let apart = Workspace::new()?;
        let node = self.node(&apart, server, asked)?;
        let started = Instant::now();
        let (trust, root, image) =
            (node.path("trust.json"), node.path("root.pub"), server.reference("app:v1"));
        let flags = ["verify", "-o", "json", "--trust", &trust, "--root", &root, &image];
        let ran = self.pullward.run(&apart, &flags)?;
        assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
        match serde_json::from_str(&ran.out) {
            Ok(verdict) => Ok((ran.code, verdict)),
            Err(error) => panic!("{error}: {}", ran.all()),
        }
    }

    /// A node whose policy asks for this of the image on that server.
    pub(crate) fn node<'a>(
        &'a self,
        workspace: &'a Workspace,
        server: &Hostile,
        asked: &str,
    ) -> Result<Node<'a>, Error> {
        let key = workspace.write("release.pub", world().p256(0).pem())?;
        let node = Node::new(&self.pullward, workspace)?;
        let policy = pullward_tests::policy_for(&server.host(), &key).replace("/team/**", "/app") + asked;
        node.trust(1, &policy)?;
        Ok(node)
    }

    fn honest(&self) -> Hostile {
        let shelf = self.shelf.clone();
        Hostile::start(move |request| shelf.answer(request)).unwrap()
    }
}

/// An attestation by the trusted key.
pub(crate) fn attested(image: &Digest, predicate_type: &str, predicate: &str) -> Minted {
    Forge::new(Form::Bundle, world().p256(0), image).attesting(image, predicate_type, predicate).mint()
}

const REPORT: &str =
    "[[rule.attestation]]\ntype = \"vuln\"\nsigned_by = [\"release\"]\nvulnerabilities = { critical = 0 }\n";
const BUILT: &str = "[[rule.attestation]]\ntype = \"slsaprovenance02\"\nsigned_by = [\"release\"]\n\
                     source = [\"https://github.com/acme/*\"]\nbuilder = [\"https://github.com/acme/*/actions/runs/**\"]\n";

/// The codes of what was found and did not count, in the verdict's order.
fn codes(verdict: &Value) -> Vec<&str> {
    let rows = verdict["evidence"].as_array().unwrap().iter();
    rows.filter(|row| row["outcome"] != "accepted").map(|row| row["code"].as_str().unwrap()).collect()
}

#[test]
fn ten_thousand_attestations_end_in_a_limit_and_few_requests() -> Outcome {
    let mut stage = Stage::new()?;
    let clean = stage.report(&MILD);
    stage.attach(VULN, &clean);
    for number in 0..10_000_u32 {
        let mut entry = descriptor(MEDIA_TYPE_MANIFEST, &number.to_be_bytes());
        entry["artifactType"] = json!(BUNDLE);
        stage.shelf.list(&stage.image, entry);
    }
    let server = stage.honest();
    let (code, verdict) = stage.judge(&server, REPORT)?;
    assert_eq!((code, reason(&verdict).as_str()), (2, "evidence-limit"), "{verdict}");
    assert!(server.paths().len() < 10, "{} requests", server.paths().len());
    Ok(())
}

#[test]
fn more_attestations_than_are_read_end_in_a_limit() -> Outcome {
    let mut stage = Stage::new()?;
    let (severe, clean) = (stage.report(&[SEVERE]), stage.report(&MILD));
    for number in 0..80 {
        let mut report = severe.clone();
        report["scanner"]["version"] = json!(number.to_string());
        stage.attach(VULN, &report);
    }
    // Behind all of them, where nobody looks any more.
    stage.attach(VULN, &clean);
    let server = stage.honest();
    let (code, verdict) = stage.judge(&server, REPORT)?;
    assert_eq!((code, reason(&verdict).as_str()), (2, "evidence-limit"), "{verdict}");
    Ok(())
}

#[test]
fn a_predicate_of_fifty_megabytes_is_refused_before_it_is_fetched_or_decoded() -> Outcome {
    let stage = Stage::new()?;
    // Said to be so large: nobody asks for the blob.
    let mut honest = stage.shelf.clone();
    let blob = vec![b' '; 50 * 1024 * 1024];
    let named = Digest::of(&blob);
    let subject = json!({"mediaType": MEDIA_TYPE_MANIFEST, "digest": stage.image.to_string(), "size": 1});
    honest.attach(
        &stage.image,
        manifest(&[descriptor(BUNDLE, &blob)], json!({"artifactType": BUNDLE, "subject": subject})),
    );
    let server = Hostile::start(move |request| honest.answer(request)).unwrap();
    let (code, verdict) = stage.judge(&server, REPORT)?;
    assert_ne!(code, 0);
    assert!(codes(&verdict).contains(&"evidence-too-large"), "{verdict}");
    assert!(!server.paths().iter().any(|path| path.contains(&named.to_string())), "{:?}", server.paths());

    // Said to be small, and then without end.
    let mut lying = stage.shelf.clone();
    lying.bundle(&stage.image, b"small");
    let small = Digest::of(b"small").to_string();
    let server = Hostile::start(move |request| {
        if request.path.contains(&small) {
            Reply::Endless(b"HTTP/1.1 200 OK\r\n\r\n".to_vec())
        } else {
            lying.answer(request)
        }
    })
    .unwrap();
    let (code, verdict) = stage.judge(&server, REPORT)?;
    assert_ne!(code, 0, "{verdict}");

    // Within what is fetched, beyond what is decoded: 17 MiB of predicate in 23 MiB of base64.
    let mut large = stage.shelf.clone();
    let predicate = json!({"padding": "x".repeat(17 * 1024 * 1024)}).to_string();
    let minted = stage.mint(VULN, &predicate);
    assert!(minted.text().len() < 24 * 1024 * 1024);
    large.bundle(&stage.image, minted.text().as_bytes());
    let server = Hostile::start(move |request| large.answer(request)).unwrap();
    let (code, verdict) = stage.judge(&server, REPORT)?;
    assert_eq!((code, reason(&verdict).as_str()), (1, "attestation-missing"), "{verdict}");
    assert_eq!(codes(&verdict), ["evidence-too-large"]);
    Ok(())
}

#[test]
fn a_predicate_of_a_hundred_thousand_levels_is_refused_and_hides_nothing() -> Outcome {
    let mut stage = Stage::new()?;
    let deep = format!("{{\"scanner\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let minted = stage.mint(VULN, &deep);
    stage.shelf.bundle(&stage.image, minted.text().as_bytes());
    let (code, verdict) = stage.judge(&stage.honest(), REPORT)?;
    assert_eq!((code, reason(&verdict).as_str()), (1, "attestation-missing"), "{verdict}");
    assert_eq!(codes(&verdict).len(), 1, "{verdict}");
    let clean = stage.report(&MILD);
    stage.attach(VULN, &clean);
    let (code, verdict) = stage.judge(&stage.honest(), REPORT)?;
    assert_eq!((code, reason(&verdict).as_str()), (0, "signed"), "{verdict}");
    Ok(())
}

/// T-23: all conditions hold inside one attestation, or they do not hold.
#[test]
fn two_halves_are_not_one_attestation_and_one_whole_is_enough() -> Outcome {
    let mut stage = Stage::new()?;
    let elsewhere = "https://laptop.example/mallory";
    stage.attach(PROVENANCE, &buildkit_02(SOURCE, elsewhere));
    stage.attach(PROVENANCE, &buildkit_02("https://github.com/mallory/app", BUILDER));
    let (code, verdict) = stage.judge(&stage.honest(), BUILT)?;
    assert_eq!(code, 1, "{verdict}");
    let asked = &verdict["requirements"][0];
    let why: Vec<&str> =
        asked["candidates"].as_array().unwrap().iter().map(|row| row["code"].as_str().unwrap()).collect();
    assert_eq!(why.len(), 2, "{verdict}");
    assert!(why.contains(&"builder-mismatch") && why.contains(&"source-mismatch"), "{why:?}");
    let whole = stage.attach(PROVENANCE, &buildkit_02(SOURCE, BUILDER));
    let (code, verdict) = stage.judge(&stage.honest(), BUILT)?;
    assert_eq!(code, 0, "{verdict}");
    assert_eq!(verdict["requirements"][0]["candidates"].as_array().unwrap().len(), 2);
    assert_ne!(whole, stage.image);
    Ok(())
}

/// T-07: what the rule asks for and nobody attested is not met by what somebody attested beside it.
#[test]
fn an_attestation_of_another_type_meets_nothing() -> Outcome {
    let mut stage = Stage::new()?;
    let clean = stage.report(&MILD);
    stage.attach(VULN, &clean);
    let list = "[[rule.attestation]]\ntype = \"spdx\"\nsigned_by = [\"release\"]\n";
    let (code, verdict) = stage.judge(&stage.honest(), list)?;
    assert_eq!((code, reason(&verdict).as_str()), (1, "attestation-missing"));
    assert_eq!(stage.judge(&stage.honest(), REPORT)?.0, 0);
    // Both together: one of two is none.
    let (code, verdict) = stage.judge(&stage.honest(), &format!("{REPORT}{list}"))?;
    assert_eq!((code, reason(&verdict).as_str()), (1, "attestation-missing"));
    assert_eq!(
        (&verdict["requirements"][0]["met"], &verdict["requirements"][1]["met"]),
        (&json!(true), &json!(false))
    );
    Ok(())
}

/// A registry that is busy once is asked again; one that stays so is not "no attestation".
#[test]
fn a_blob_that_is_not_there_at_once_is_asked_for_again() -> Outcome {
    for (failures, expected) in [(1, (0, "signed")), (usize::MAX, (2, "evidence-unreachable"))] {
        let stage = Stage::new()?;
        let clean = stage.report(&MILD).to_string();
        let minted = stage.mint(VULN, &clean);
        let mut shelf = stage.shelf.clone();
        shelf.bundle(&stage.image, minted.text().as_bytes());
        let blob = minted.source().to_string();
        let asked = AtomicUsize::new(0);
        let server = Hostile::start(move |request| {
            if request.path.contains(&blob) && asked.fetch_add(1, Ordering::SeqCst) < failures {
                return Reply::status(503).with("retry-after", "0");
            }
            shelf.answer(request)
        })
        .unwrap();
        let (code, verdict) = stage.judge(&server, REPORT)?;
        assert_eq!((code, reason(&verdict).as_str()), expected, "{verdict}");
    }
    Ok(())
}
