//! How old a report may be, counted at the first admission or always: a node with an agent, its receipts, and reports
//! whose age runs out while the test looks.
//!
//! The clock cannot be moved, so that the limit is a few seconds. Nothing sleeps: the test asks until the limit has
//! passed, by somebody who has no receipts.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use pullward_core::oci::{Digest, MEDIA_TYPE_MANIFEST};
use pullward_tests::hostile::{Hostile, Shelf};
use pullward_tests::mint::VULN;
use pullward_tests::mint::{Forge, Form, world};
use pullward_tests::{Error, Node, wait_until};
use serde_json::json;

use crate::floods::{Stage, attested};
use crate::stage::{Outcome, denied, hook, reason};
use crate::supply::{MILD, ago, trivy};

/// Long enough for a verdict on a busy machine.
const MAX_AGE: u64 = 6;
const PATIENCE: Duration = Duration::from_secs(60);

/// A node that asks for young reports, and the shelf of its registry.
struct Aging<'a> {
    stage: &'a Stage,
    server: Hostile,
    shelf: Arc<Mutex<Shelf>>,
    node: Node<'a>,
}

impl<'a> Aging<'a> {
    fn set(stage: &'a Stage, max_age_at: &str) -> Result<Self, Error> {
        let shelf = Arc::new(Mutex::new(stage.shelf.clone()));
        let serving = Arc::clone(&shelf);
        let server = Hostile::start(move |request| serving.lock().unwrap().answer(request)).unwrap();
        let asked = format!(
            "[[rule.attestation]]\ntype = \"vuln\"\nsigned_by = [\"release\"]\nmax_age = \"{MAX_AGE}s\"\n\
             max_age_at = \"{max_age_at}\"\nvulnerabilities = {{ critical = 0 }}\n"
        );
        let mut node = stage.node(&stage.workspace, &server, &asked)?;
        node.start()?;
        node.set_up()?;
        Ok(Self { stage, server, shelf, node })
    }

    /// Attaches a report of this very second.
    fn scan(&self, image: &Digest) {
        let report = trivy(&format!("registry.example/app@{image}"), &ago(0), &MILD).to_string();
        let minted = attested(image, VULN, &report);
        self.shelf.lock().unwrap().bundle(image, minted.text().as_bytes());
    }

    fn pinned(&self, image: &Digest) -> String {
        format!("{}@{image}", self.server.reference("app"))
    }

    /// What the hook says.
    fn pull(&self, image: &Digest) -> Result<(i32, String), Error> {
        hook(&self.node, &self.pinned(image))
    }

    /// Asks until the report is too old for whoever sees the image for the first time.
    fn grow_old(&self, image: &Digest) -> Outcome {
        let (config, pinned) = (self.node.config()?, self.pinned(image));
        let flags = ["verify", "-o", "json", "--config", &config, &pinned];
        let (pullward, workspace) = (&self.stage.pullward, &self.stage.workspace);
        wait_until("the report's end of life", PATIENCE, || {
            pullward
                .run(workspace, &flags)
                .ok()
                .and_then(|ran| serde_json::from_str(&ran.out).ok())
                .is_some_and(|verdict| reason(&verdict) == "attestation-too-old")
        })
    }
}

#[track_caller]
fn allowed(answer: &(i32, String)) {
    assert_eq!(answer.0, 0, "{}", answer.1);
}

#[test]
fn an_image_that_was_let_in_with_a_young_report_stays_until_its_receipt_goes() -> Outcome {
    let stage = Stage::new()?;
    let mut aging = Aging::set(&stage, "first")?;
    aging.scan(&stage.image);
    allowed(&aging.pull(&stage.image)?);
    aging.grow_old(&stage.image)?;
    allowed(&aging.pull(&stage.image)?);
    // The receipt is on disk and not in the agent's memory.
    aging.node.stop()?;
    aging.node.start()?;
    allowed(&aging.pull(&stage.image)?);

    // It is for this image and no other one that comes with an old report.
    let other = {
        let mut shelf = aging.shelf.lock().unwrap();
        let content = pullward_tests::hostile::manifest(&[], json!({"annotations": {"which": "other"}}));
        let other = shelf.put("v2", MEDIA_TYPE_MANIFEST, content);
        let signature = Forge::new(Form::Bundle, world().p256(0), &other).mint();
        shelf.bundle(&other, signature.text().as_bytes());
        other
    };
    aging.scan(&other);
    aging.grow_old(&other)?;
    denied(&aging.pull(&other)?, 1, "attestation-too-old");

    aging.node.stop()?;
    std::fs::remove_file(aging.node.join("state/receipts.redb")).unwrap();
    aging.node.start()?;
    denied(&aging.pull(&stage.image)?, 1, "attestation-too-old");
    // A new scan lets it in again.
    aging.scan(&stage.image);
    allowed(&aging.pull(&stage.image)?);
    Ok(())
}

#[test]
fn an_image_whose_report_must_always_be_young_does_not_stay() -> Outcome {
    let stage = Stage::new()?;
    let aging = Aging::set(&stage, "always")?;
    aging.scan(&stage.image);
    allowed(&aging.pull(&stage.image)?);
    aging.grow_old(&stage.image)?;
    denied(&aging.pull(&stage.image)?, 1, "attestation-too-old");
    aging.scan(&stage.image);
    allowed(&aging.pull(&stage.image)?);
    Ok(())
}
