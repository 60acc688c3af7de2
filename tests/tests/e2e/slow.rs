//! Evidence that takes longer than a verdict, and evidence that was used: both end in the store, and the next verdict needs
//! no registry. No peer is needed, but for `oras`, which reads what we keep.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pullward_core::oci::{Digest, MEDIA_TYPE_MANIFEST};
use pullward_tests::hostile::{Hostile, Reply, Shelf};
use pullward_tests::mint::{VULN, world};
use pullward_tests::{Error, Node, Peers, Signal, policy_for, ran, wait_until};
use serde_json::{Value, json};

use crate::floods::{Stage, attested};
use crate::stage::{Outcome, denied, hook};
use crate::supply::{MILD, ago, trivy};

const ASKED: &str =
    "[[rule.attestation]]\ntype = \"vuln\"\nsigned_by = [\"release\"]\nvulnerabilities = { critical = 0 }\n";
/// 1 Mbit/s.
const SLOW: usize = 125_000;

/// A registry with a signed image whose report comes at a pace, and a node that asks for the report.
struct Slow<'a> {
    server: Option<Hostile>,
    node: Node<'a>,
    image: String,
    /// The report's blob.
    report: Digest,
    asked: Arc<AtomicUsize>,
}

impl<'a> Slow<'a> {
    /// `bytes` of report before it is encoded.
    fn set(stage: &'a Stage, bytes: usize, pace: usize, configured: &str) -> Result<Self, Error> {
        let mut report = trivy(&format!("registry.example/app@{}", stage.image), &ago(60), &MILD);
        report["scanner"]["padding"] = json!("x".repeat(bytes));
        let minted = attested(&stage.image, VULN, &report.to_string());
        let mut shelf: Shelf = stage.shelf.clone();
        shelf.bundle(&stage.image, minted.text().as_bytes());
        let report = Digest::of(minted.text().as_bytes());
        let asked = Arc::new(AtomicUsize::new(0));
        let (counted, blob, text) = (Arc::clone(&asked), report.to_string(), minted.text().to_owned());
        let server = Hostile::start(move |request| {
            if request.path.contains(&blob) {
                counted.fetch_add(1, Ordering::SeqCst);
                let (media_type, body) = ("application/octet-stream".to_owned(), text.clone().into_bytes());
                return Reply::Paced { media_type, body, bytes_per_second: pace };
            }
            shelf.answer(request)
        })
        .unwrap();
        let mut node = stage.node(&stage.workspace, &server, ASKED)?;
        node.configure(configured);
        node.start()?;
        node.set_up()?;
        let image = format!("{}@{}", server.reference("app"), stage.image);
        Ok(Self { server: Some(server), node, image, report, asked })
    }

    fn pull(&self) -> Result<((i32, String), Duration), Error> {
        let started = Instant::now();
        Ok((hook(&self.node, &self.image)?, started.elapsed()))
    }

    fn requests(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Whether the report lies in the store.
    fn stored(&self) -> bool {
        self.node.join("evidence/blobs/sha256").join(self.report.hex().as_str()).exists()
    }

    /// Files on their way.
    fn staged(&self) -> usize {
        std::fs::read_dir(self.node.join("evidence/.pullward")).map_or(0, Iterator::count)
    }

    fn listed(&self) -> Vec<Value> {
        let index = std::fs::read(self.node.join("evidence/index.json")).unwrap_or_default();
        let index: Value = serde_json::from_slice(&index).unwrap_or_default();
        index["manifests"].as_array().cloned().unwrap_or_default()
    }
}

#[track_caller]
fn allowed(answer: &(i32, String)) {
    assert_eq!(answer.0, 0, "{}", answer.1);
}

/// The whole promise at its real size: 10 MB of report, 13 MB of evidence, 1 Mbit/s, the agent's own deadlines.
#[test]
fn ten_megabytes_over_one_megabit_are_denied_once_and_then_allowed_without_the_registry() -> Outcome {
    let stage = Stage::new()?;
    let mut slow = Slow::set(&stage, 10_000_000, SLOW, "")?;
    let (answer, took) = slow.pull()?;
    denied(&answer, 2, "deadline-exceeded");
    assert!(answer.1.contains("goes on in the background") && answer.1.contains("retry"), "{}", answer.1);
    assert!((6900..8000).contains(&took.as_millis()), "{took:?}");
    // A retry while it is under way joins it.
    let (answer, took) = slow.pull()?;
    denied(&answer, 2, "deadline-exceeded");
    assert!((6900..8000).contains(&took.as_millis()), "{took:?}");
    assert_eq!(slow.requests(), 1);
    // What waits is on disk: an agent that held it would show it.
    let resident = slow.node.agent()?.resident_kib()?;
    wait_until("the fetch's end", Duration::from_secs(150), || slow.stored() && slow.listed().len() == 2)?;
    assert_eq!(slow.requests(), 1);
    slow.server = None;
    let (answer, took) = slow.pull()?;
    allowed(&answer);
    println!("10 MB report over 1 Mbit/s: agent {resident} KiB meanwhile, retry in {took:?}");
    assert_eq!(slow.staged(), 0);
    Ok(())
}

#[test]
fn a_retry_joins_the_fetch_and_is_answered_when_it_ends() -> Outcome {
    let stage = Stage::new()?;
    // 3.3 s at this pace.
    let slow = Slow::set(&stage, 1_000_000, 400_000, "[limits]\ndeadline = '1s'")?;
    let (answer, _) = slow.pull()?;
    denied(&answer, 2, "deadline-exceeded");
    let answers: Vec<_> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..4).map(|_| scope.spawn(|| slow.pull().unwrap().0)).collect();
        asking.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|(code, _)| *code == 2), "{answers:?}");
    wait_until("an answer", Duration::from_secs(30), || slow.pull().is_ok_and(|(answer, _)| answer.0 == 0))?;
    assert_eq!(slow.requests(), 1);
    Ok(())
}

#[test]
fn a_fetch_that_outlives_its_own_deadline_is_given_up_and_leaves_nothing() -> Outcome {
    let stage = Stage::new()?;
    let slow = Slow::set(&stage, 3_000_000, SLOW, "[limits]\ndeadline = '1s'\nfetch_deadline = '7s'")?;
    denied(&slow.pull()?.0, 2, "deadline-exceeded");
    wait_until("the fetch", Duration::from_secs(5), || slow.staged() == 1)?;
    wait_until("its end", Duration::from_secs(30), || {
        slow.node.log().contains("a fetch of evidence is over") && slow.staged() == 0
    })?;
    assert!(!slow.stored());
    // The signature was whole, and is there: the next attempt asks for the report anew.
    denied(&slow.pull()?.0, 2, "deadline-exceeded");
    assert_eq!(slow.requests(), 2);
    Ok(())
}

#[test]
fn an_agent_that_stops_while_it_fetches_leaves_nothing_half_written() -> Outcome {
    let stage = Stage::new()?;
    let mut slow = Slow::set(&stage, 3_000_000, SLOW, "[limits]\ndeadline = '1s'")?;
    denied(&slow.pull()?.0, 2, "deadline-exceeded");
    wait_until("the fetch", Duration::from_secs(5), || slow.staged() == 1)?;
    slow.node.agent()?.signal(Signal::Terminate)?;
    let status = slow.node.agent()?.wait_ended(Duration::from_secs(20))?;
    assert!(status.success(), "{status}");
    assert_eq!((slow.staged(), slow.stored()), (0, false));
    // One that is killed leaves a file, and the next start removes it.
    slow.node.stop()?;
    slow.node.start()?;
    denied(&slow.pull()?.0, 2, "deadline-exceeded");
    wait_until("the fetch", Duration::from_secs(5), || slow.staged() == 1)?;
    slow.node.agent()?.signal(Signal::Kill)?;
    slow.node.agent()?.wait_ended(Duration::from_secs(20))?;
    assert_eq!(slow.staged(), 1);
    slow.node.stop()?;
    slow.node.start()?;
    assert_eq!((slow.staged(), slow.stored()), (0, false));
    Ok(())
}

/// No more than a few go on; one more ends with its verdict, and says nothing of a fetch.
#[test]
fn more_fetches_than_may_go_on_end_with_their_verdicts() -> Outcome {
    let stage = Stage::new()?;
    let mut shelf = stage.shelf.clone();
    let mut images = Vec::new();
    for number in 0..6 {
        let content =
            pullward_tests::hostile::manifest(&[], json!({"annotations": {"number": number.to_string()}}));
        let image = shelf.put(&format!("n{number}"), MEDIA_TYPE_MANIFEST, content);
        shelf.bundle(&image, format!("slow {number}").as_bytes());
        images.push(image);
    }
    let server = Hostile::start(move |request| {
        if request.path.contains("/blobs/") {
            return Reply::Hang(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n".to_vec());
        }
        shelf.answer(request)
    })
    .unwrap();
    let mut node = stage.node(&stage.workspace, &server, "")?;
    node.configure("[limits]\ndeadline = '1s'");
    node.start()?;
    node.set_up()?;
    let mut going_on = 0;
    for image in &images {
        let answer = hook(&node, &format!("{}@{image}", server.reference("app")))?;
        denied(&answer, 2, "deadline-exceeded");
        going_on += usize::from(answer.1.contains("goes on in the background"));
    }
    assert_eq!(going_on, pullward_core::limits::BACKGROUND_FETCHES);
    Ok(())
}

/// What counted is kept, whole, as a layout that oras reads; what did not count is not.
#[test]
fn what_a_verdict_used_is_kept_and_read_by_oras() -> Outcome {
    let Some(peers) = Peers::at_hand("e2e::kept")? else { return Ok(()) };
    let mut stage = Stage::new()?;
    // Junk beside the signature: read, rejected, and not kept.
    stage.shelf.bundle(&stage.image, b"{}");
    let mut slow = Slow::set(&stage, 100, usize::MAX, "")?;
    allowed(&slow.pull()?.0);
    wait_until("what was used in the store", Duration::from_secs(20), || slow.listed().len() == 2)?;
    assert!(slow.listed().iter().all(|entry| entry["annotations"]["dev.pullward.used"].is_string()));
    let store = slow.node.join("evidence");
    let oras = |arguments: &[&str]| -> Result<Vec<u8>, Error> {
        let ran = peers.command("oras", &stage.workspace)?.args(arguments).output().unwrap();
        assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
        Ok(ran.stdout)
    };
    let blobs = || std::fs::read_dir(store.join("blobs/sha256")).map_or(0, Iterator::count);
    // Two manifests, their bundles and the empty config: the junk is not there.
    assert_eq!(blobs(), 5);
    for entry in slow.listed() {
        let at = |digest: &Value| format!("{}@{}", store.display(), digest.as_str().unwrap());
        let manifest = oras(&["manifest", "fetch", "--oci-layout", &at(&entry["digest"])])?;
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        for blob in [&manifest["config"]["digest"], &manifest["layers"][0]["digest"]] {
            let content = oras(&["blob", "fetch", "--oci-layout", "--output", "-", &at(blob)])?;
            assert_eq!(&json!(Digest::of(&content).to_string()), blob);
        }
    }
    // oras writes into the same layout, and what we keep stays what it is: ours, and judged.
    let file = stage.workspace.write("theirs", "theirs")?;
    let (target, file) = (format!("{}:theirs", store.display()), file.display().to_string());
    oras(&["push", "--oci-layout", "--disable-path-validation", &target, &file])?;
    assert_eq!(slow.listed().len(), 3);
    let list = |flags: &[&str]| -> Result<Value, Error> {
        let config = slow.node.config()?;
        let flags = [&["store"], flags, &["--config", &config, "-o", "json"]].concat();
        Ok(serde_json::from_str(&stage.pullward.succeed(&stage.workspace, &flags)?).unwrap())
    };
    let listed = list(&["list"])?;
    let by = |by: &str| listed["entries"].as_array().unwrap().iter().filter(|it| it["by"] == by).count();
    assert_eq!((by("pullward"), by("operator")), (2, 1), "{listed}");
    assert_eq!(list(&["gc"])?["removed"], json!([]));
    slow.server = None;
    allowed(&slow.pull()?.0);
    ran("e2e::kept")
}

/// A new bundle asks no registry: what it still allows goes on, what it denies is listed, and what cannot be known is said.
#[test]
fn a_new_bundle_judges_again_what_was_let_in_from_the_store_alone() -> Outcome {
    let stage = Stage::new()?;
    let mut slow = Slow::set(&stage, 100, usize::MAX, "")?;
    allowed(&slow.pull()?.0);
    wait_until("what was used in the store", Duration::from_secs(20), || slow.listed().len() == 2)?;
    let host = slow.server.as_ref().map(Hostile::host).unwrap_or_default();
    slow.server = None;
    let key = stage.workspace.write("release.pub", world().p256(0).pem())?;
    let other = stage.workspace.write("other.pub", world().p256(1).pem())?;
    let policy = |key: &std::path::Path| policy_for(&host, key).replace("/team/**", "/app") + ASKED;
    let judged = |slow: &mut Slow<'_>, version: u64, key: &std::path::Path| -> Result<Value, Error> {
        slow.node.trust(version, &policy(key))?;
        slow.node.reload()?;
        let mut rejudged = Value::Null;
        wait_until("images judged again", Duration::from_secs(20), || {
            rejudged = slow.node.status().map(|status| status["rejudged"].clone()).unwrap_or_default();
            rejudged["version"] == version && rejudged["over"] == true
        })?;
        Ok(rejudged)
    };
    let numbers = |rejudged: &Value| {
        ["total", "renewed", "refused", "unproven"].map(|it| rejudged[it].as_u64().unwrap())
    };

    let rejudged = judged(&mut slow, 2, &key)?;
    assert_eq!((numbers(&rejudged), &rejudged["listed"]), ([1, 1, 0, 0], &json!([])), "{rejudged}");
    allowed(&slow.pull()?.0);
    // By a key that nobody has signed with, it is denied, and said so before anybody asks.
    let rejudged = judged(&mut slow, 3, &other)?;
    assert_eq!(numbers(&rejudged), [1, 0, 1, 0], "{rejudged}");
    let lapsed = &rejudged["listed"][0];
    assert_eq!(
        (lapsed["digest"].as_str().unwrap(), &lapsed["unproven"]),
        (stage.image.to_string().as_str(), &json!(false))
    );
    assert_eq!(lapsed["reason"], "untrusted-key", "{lapsed}");
    assert!(slow.node.log().contains("not by the new trust bundle"), "{}", slow.node.log());
    assert_ne!(slow.pull()?.0.0, 0);
    // A refusal is one bundle's: the next one lets it in again.
    assert_eq!(numbers(&judged(&mut slow, 4, &key)?), [1, 1, 0, 0]);
    allowed(&slow.pull()?.0);
    // A restart has nothing to judge again.
    slow.node.stop()?;
    slow.node.start()?;
    assert_eq!(slow.node.status()?["rejudged"]["total"], 0);
    std::fs::remove_dir_all(slow.node.join("evidence")).unwrap();
    let rejudged = judged(&mut slow, 5, &key)?;
    assert_eq!(
        (numbers(&rejudged), &rejudged["listed"][0]["unproven"]),
        ([1, 0, 0, 1], &json!(true)),
        "{rejudged}"
    );
    Ok(())
}
