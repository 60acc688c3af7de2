//! A new trust bundle on a node with 1,000 images: how long until each was judged again from the evidence on disk.
//!
//! Everything is real but the images: bundles by a P-256 key in an evidence store as the agent writes it, receipts sealed
//! by a node key, the agent's own engine. The first pass after a start also reads the store's index; both are printed.

#![expect(clippy::print_stdout, reason = "the printed numbers are what a bench is for")]

use std::error::Error;
use std::os::unix::fs::PermissionsExt as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pullward::config::{self, Time};
use pullward::decide::{ConfiguredSource, Engine, Question};
use pullward::evidence::Source;
use pullward::evidence::layout::Layout;
use pullward::evidence::pad::{Attachment, Blob};
use pullward::evidence::store::{Store, Use};
use pullward::receipt::store::Receipts;
use pullward::rejudge::{Rejudging, Stage};
use pullward::server::Judge as _;
use pullward::trust::installed::InstalledTrust;
use pullward::verdict::{Decision, Hook, Place};
use pullward_core::oci::{Digest, MEDIA_TYPE_MANIFEST};
use pullward_core::signature::PublicKey;
use pullward_core::time::UnixTime;
use pullward_tests::hostile::{descriptor, manifest};
use pullward_tests::mint::{Forge, Form, world};
use pullward_tests::{Node, Pullward, Workspace, policy_for};
use serde_json::json;

/// Images with a receipt.
const IMAGES: usize = 1000;
/// Images a second that one core has to judge.
const BUDGET: f64 = 2000.0;
/// Passes over all images; the median counts.
const ROUNDS: u64 = 7;

type Answer<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    match measure() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Answer<bool> {
    let workspace = Workspace::new()?;
    let pullward = Pullward::built()?;
    let node = Node::new(&pullward, &workspace)?;
    let key = workspace.write("release.pub", world().p256(0).pem())?;
    let policy = policy_for("registry.example", &key);
    let root = std::fs::read_to_string(node.join("root.pub"))?;
    let root = PublicKey::from_pem(&root).map_err(|error| format!("{error:?}"))?;
    let bundle = |version: u64| -> Answer<InstalledTrust> {
        node.trust(version, &policy)?;
        let file = std::fs::read(node.join("trust.json"))?;
        InstalledTrust::open_for_any(&file, std::slice::from_ref(&root), 1)
            .map_err(|error| error.to_string().into())
    };

    println!("preparing {IMAGES} signed images");
    let folder = workspace.folder("node/state")?;
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700))?;
    let dir = workspace.folder("node/evidence")?;
    let kept =
        config::Store { dir: dir.clone(), retain: Time(Duration::from_secs(86_400)), max_bytes: 1 << 30 };
    let attached: Vec<_> = (0..IMAGES).map(|number| (signed(number), Use::Verdict)).collect();
    Store::of(&kept).put(&attached, UnixTime(0))?;
    let receipts = Arc::new(Receipts::new(&folder));
    let layout = Arc::new(Layout::new(&dir, Source::Store));
    let engine = Engine::new(vec![ConfiguredSource::Layout(Arc::clone(&layout))]);
    let first = bundle(1)?;
    let judging = engine.clone().with_receipts(Arc::clone(&receipts));
    for number in 0..IMAGES {
        let question = Question {
            reference: format!("registry.example/team/app-{number}:v1"),
            digest: Some(image(number).to_string()),
            media_type: None,
            place: Place { hook: Hook::ImageVerifier, containerd_namespace: None, pod_namespace: None },
            platform: "linux/amd64".to_owned(),
        };
        let verdict = judging.judge(&first, &question, Instant::now() + Duration::from_secs(7));
        if verdict.decision != Decision::Allow {
            return Err(format!("{}: {}", verdict.reason, verdict.message).into());
        }
    }

    let mut seconds = Vec::new();
    for round in 0..ROUNDS {
        let trust = bundle(round.saturating_add(2))?;
        let rejudging = Rejudging::new(engine.clone(), Arc::clone(&receipts), "linux/amd64".to_owned());
        let began = Instant::now();
        // One thread: what one core does.
        let progress = rejudging.rejudge(&trust, 1);
        seconds.push(began.elapsed().as_secs_f64());
        if (progress.renewed, progress.stage) != (IMAGES, Stage::Over) {
            return Err(format!("{progress:?}").into());
        }
    }
    seconds.sort_by(f64::total_cmp);
    let median = seconds.get(seconds.len() / 2).copied().unwrap_or(f64::MAX);
    let at = |place: Option<&f64>| place.copied().unwrap_or(f64::MAX);
    let (fastest, slowest) = (at(seconds.first()), at(seconds.last()));
    let rate = f64::from(u32::try_from(IMAGES)?) / median;
    let within = rate >= BUDGET;
    println!(
        "1,000 images judged again after a new bundle, one core: {median:.3} s ({fastest:.3} to {slowest:.3})"
    );
    let verdict = if within { "within" } else { "MISSED:" };
    println!("images judged again per second and core: {rate:.0} ({verdict} at least {BUDGET:.0})");
    Ok(within)
}

fn image(number: usize) -> Digest {
    Digest::of(format!("image {number}").as_bytes())
}

/// A referrer with a signature for an image, as a fetch brings it.
fn signed(number: usize) -> Attachment {
    const TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
    let image = image(number);
    let minted = Forge::new(Form::Bundle, world().p256(0), &image).mint();
    let bundle = minted.text().as_bytes();
    let subject = json!({"mediaType": MEDIA_TYPE_MANIFEST, "digest": image.to_string(), "size": 1});
    let bytes = manifest(&[descriptor(TYPE, bundle)], json!({"artifactType": TYPE, "subject": subject}));
    let (manifest, piece) = (Digest::of(&bytes), Digest::of(bundle));
    Attachment {
        source: Source::Registry,
        manifest,
        media_type: MEDIA_TYPE_MANIFEST.to_owned(),
        size: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        name: None,
        pieces: vec![piece],
        content: vec![(manifest, Blob::Memory(bytes.into())), (piece, Blob::Memory(bundle.into()))],
    }
}
