//! A keyless bundle, offline, from its bytes to a verdict: ours by stage and in whole, beside sigstore-python and the
//! `sigstore-verify` crate, on the same bundles in one run.
//!
//! `make bench` runs this on release builds, after `tests/rivals/install` has built the rivals below `target/rivals`.
//! Everybody has read the trusted root before the clock starts and reads the bundle's bytes while it runs. What is printed
//! is the least of all rounds, of everybody: each does the same work every time, and what is above that is the machine's.
//! A rival that does not take a bundle is not compared on it and says why: a refusal is quick, and no number.

#![expect(clippy::print_stdout, reason = "the printed numbers are what a bench is for")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use pullward_core::bundle::{Bundle, Content, SentSigner};
use pullward_core::dsse::{IN_TOTO, PAE_ROOM};
use pullward_core::encoding::{self, Alphabet};
use pullward_core::judge::Ruling;
use pullward_core::limits;
use pullward_core::oci::Digest;
use pullward_core::operations::Operations;
use pullward_core::sct;
use pullward_core::signature::{Message, SignedFormat};
use pullward_core::timestamp;
use pullward_core::tlog::checkpoint::Checkpoint;
use pullward_core::tlog::entry::{Inclusion, entries};
use pullward_core::tlog::leaf::{Content as Logged, SignedMaterial, Verifier};
use pullward_core::tlog::{Logs as _, verify_entry};
use pullward_core::trusted_root::TrustedRoot;
use pullward_core::x509::{Certificate, Purpose, verify_path};
use pullward_tests::mint::{Ask, Authority, Minted, Node, Rule, Trust};
use pullward_tests::sigstore::{
    BundleVersion, EntryKind, Form, KeylessForge, Sent, Shape, Shown, Sigstore, TimeSource,
};
use pullward_tests::{Corpora, Workspace, run};
use serde_json::Value;

/// Rounds of each, in turns of [`TURN`].
const ROUNDS: usize = 200;
/// Rounds before somebody else's turn.
const TURN: usize = 40;
/// Most time as a part of the fastest rival's: three times faster.
const BUDGET: f64 = 1.0 / 3.0;

type Answer<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    match measure() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(missed) => {
            println!("bench: {missed} budget(s) missed");
            ExitCode::FAILURE
        }
        Err(error) => {
            println!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A signed image, its bundle, and who has signed it.
struct Case {
    name: &'static str,
    bundle: Vec<u8>,
    root: Vec<u8>,
    image: Digest,
    issuer: String,
    subject: String,
}

fn measure() -> Answer<usize> {
    let mut missed = 0;
    for case in cases()? {
        println!("{}: {} bytes", case.name, case.bundle.len());
        let mut whole = Times::default();
        let mut stages = Stages::default();
        let mut rivals = rivals();
        let node = node(&case);
        let files = Files::of(&case)?;
        for _ in 0..ROUNDS / TURN {
            for rival in &mut rivals {
                rival.turn(&case, &files)?;
            }
            for _ in 0..TURN {
                let question = Ask::about("app").of(case.image).with(Minted::Bundle(case.bundle.clone()));
                let start = Instant::now();
                let answer = node.ask(&question);
                whole.push(start);
                if answer.ruling != Ruling::Allow {
                    return Err(format!("{}: we refuse it: {answer:?}", case.name).into());
                }
                stages.add(&case).map_err(|error| format!("{}: {error}", case.name))?;
            }
        }
        for (stage, times) in stages.0 {
            println!("  {stage:<30} {:>9.1} us", times.least());
        }
        let ours = whole.least();
        println!("  {:<30} {ours:>9.1} us", "pullward, bundle to verdict");
        let mut fastest = f64::INFINITY;
        for rival in &rivals {
            match &rival.times {
                Ok(times) => {
                    let theirs = times.least();
                    fastest = fastest.min(theirs);
                    println!("  {:<30} {theirs:>9.1} us, {:.1} times ours", rival.name, theirs / ours);
                }
                Err(reason) => println!("  {:<30} {reason}", rival.name),
            }
        }
        if fastest.is_finite() {
            let within = ours <= fastest * BUDGET;
            missed += usize::from(!within);
            let verdict = if within { "within" } else { "MISSED: at most" };
            println!(
                "  {:<30} {:>9.4} ratio    {verdict} {BUDGET:.4}",
                "pullward : the fastest",
                ours / fastest
            );
        }
    }
    Ok(missed)
}

/// A real bundle where the corpora are at hand, and in any case minted ones of both generations of the log.
fn cases() -> Answer<Vec<Case>> {
    let mut cases = Vec::new();
    if let Some(corpora) = Corpora::at_hand("keyless bench") {
        let image = corpora.bytes("cosign-v3-capture/kubewarden/image-manifest.json");
        cases.push(Case {
            name: "a real image by cosign 3 (dsse 0.0.1, promise, proof, timestamp)",
            bundle: corpora.bytes("cosign-v3-capture/kubewarden/bundle.json"),
            root: corpora.bytes("trust/public-good/trusted_root.json"),
            image: Digest::of(&image),
            issuer: "https://token.actions.githubusercontent.com".into(),
            subject: "https://github.com/kubewarden/kubewarden-controller/.github/workflows/release.yml@refs/tags/v1.34.0"
                .into(),
        });
    }
    let (sigstore, stranger) = (Sigstore::new("virtual"), Sigstore::new("stranger"));
    let form = Form::Envelope(BundleVersion::Three);
    for (name, kind, shown, time) in [
        (
            "minted, Rekor v1 (dsse 0.0.1, promise, proof, timestamp)",
            EntryKind::Dsse1,
            Shown::Both,
            TimeSource::Both,
        ),
        (
            "minted, Rekor v2 (hashedrekord 0.0.2, proof, timestamp)",
            EntryKind::HashedRekord2,
            Shown::Proof,
            TimeSource::Timestamp,
        ),
    ] {
        let shape = Shape { form, kind: Some(kind), shown, time };
        let case = KeylessForge::new(&sigstore, &stranger, shape, "app").mint();
        let Sent::Bundle(bundle) = case.sent else { return Err("no bundle was minted".into()) };
        cases.push(Case {
            name,
            bundle,
            root: case.root.into_bytes(),
            image: Digest::of(&case.artifact),
            issuer: case.identity.issuer,
            subject: case.identity.subject,
        });
    }
    Ok(cases)
}

/// A node whose policy names the signer and nothing else.
fn node(case: &Case) -> Node {
    let authority = Authority::identified("team", 0, &[(&case.issuer, &case.subject)]);
    let trust = Trust::new(vec![authority], vec![Rule::enforce("app", &["team"], 1)]);
    Node::new(&trust.with_roots(&[&case.root]))
}

/// Microseconds.
#[derive(Default)]
struct Times(Vec<f64>);

impl Times {
    fn push(&mut self, start: Instant) {
        self.0.push(start.elapsed().as_secs_f64() * 1e6);
    }

    fn least(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }
}

/// What is done to a bundle, each part for itself.
#[derive(Default)]
struct Stages(Vec<(&'static str, Times)>);

impl Stages {
    fn time<T>(&mut self, stage: &'static str, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let done = work();
        self.push(stage, start.elapsed());
        done
    }

    /// All parts once. Each has to come out well, or its time says nothing.
    fn add(&mut self, case: &Case) -> Answer<()> {
        let (bundle, root) = self
            .time("reading bundle and root", || (Bundle::read(&case.bundle), TrustedRoot::read(&case.root)));
        let (bundle, root) = (bundle.map_err(debug)?, root.map_err(debug)?);
        let (SentSigner::Certificate(chain), Content::Envelope(envelope)) =
            (bundle.signer(), bundle.content())
        else {
            return Err("not a certificate and an envelope".into());
        };
        let text = chain.certificates().map_err(debug)?.next().ok_or("no certificate")?.map_err(debug)?;
        let der = decoded(&text.chars().collect::<String>())?;
        let leaf = Certificate::read(&der).map_err(debug)?;
        let key = leaf.public_key().map_err(debug)?;
        let signature = envelope.signature().map_err(debug)?;
        let signature = signature.bytes();
        let mut scratch = vec![0; case.bundle.len() + PAE_ROOM];
        let opened = envelope.open(IN_TOTO, &mut scratch).map_err(debug)?;
        self.time("signature", || {
            key.verify(SignedFormat::Bundle, &Message::new(opened.message()), signature).map_err(debug)
        })?;

        let proofs = bundle.proofs().map_err(debug)?;
        let sent = proofs.entries.ok_or("no entry")?;
        let (mut left, mut scratch) = (Operations::new(), vec![0; limits::VERIFY_SIGNATURE_BYTES]);
        // Its note in a text of its own, as the entry has it.
        let json: Value = serde_json::from_slice(&case.bundle)?;
        let material = &json["verificationMaterial"];
        let note = text_at(material, "/tlogEntries/0/inclusionProof/checkpoint/envelope")?;
        let id = decoded(text_at(material, "/tlogEntries/0/logId/keyId")?)?;
        let id = <[u8; 32]>::try_from(id).map_err(|_| "a log id of another length")?;
        self.time("entry, with its checkpoint", || {
            let message = Message::new(opened.message());
            let content = Logged::Envelope {
                payload_type: IN_TOTO,
                payload: opened.payload(),
                message: &message,
                document: None,
            };
            let verifier = Verifier::Certificate { der: leaf.der(), key: &key };
            let signed = SignedMaterial { content, signature, verifier };
            for entry in entries(sent, Inclusion::Proof).map_err(debug)? {
                verify_entry(&entry.map_err(debug)?, &signed, &root, &mut left).map_err(debug)?;
            }
            Ok::<_, Box<dyn Error>>(())
        })?;
        self.time("of that, checkpoint", || {
            let log = root.log(&id).ok_or("no such log")?;
            Checkpoint::read(note).map_err(debug)?.verify(&log, &mut left).map_err(debug)
        })?;

        let token = text_at(material, "/timestampVerificationData/rfc3161Timestamps/0/signedTimestamp")?;
        let time = self.time("timestamp", || {
            let token = decoded(token)?;
            timestamp::verify(&token, signature, &root, &mut left, &mut scratch).map_err(debug)
        })?;
        let times = [time.time()];
        let mut found = None;
        for authority in root.certificate_authorities() {
            let mut room = vec![0; limits::CHAIN_BYTES];
            let authority = authority.map_err(debug)?;
            let start = Instant::now();
            let chain = authority.open(&mut room).map_err(debug)?;
            let anchor = core::slice::from_ref(chain.anchor());
            let path = verify_path(&leaf, chain.below(), anchor, &times, Purpose::CodeSigning, &mut left);
            let took = start.elapsed();
            if let Ok(path) = path {
                self.push("chain", took);
                let seen =
                    self.time("SCT", || sct::verify(&leaf, path.issuer(), &root, &mut left, &mut scratch));
                found = Some(seen.map_err(debug)?);
                break;
            }
        }
        found.map(drop).ok_or_else(|| "no authority".into())
    }

    fn push(&mut self, stage: &'static str, took: Duration) {
        let took = took.as_secs_f64() * 1e6;
        match self.0.iter_mut().find(|(name, _)| *name == stage) {
            Some((_, times)) => times.0.push(took),
            None => self.0.push((stage, Times(vec![took]))),
        }
    }
}

fn debug(error: impl core::fmt::Debug) -> Box<dyn Error> {
    format!("{error:?}").into()
}

fn decoded(text: &str) -> Answer<Vec<u8>> {
    let mut out = vec![0; text.len()];
    let length = encoding::base64(text.bytes(), Alphabet::Standard, &mut out).map_err(debug)?;
    out.truncate(length);
    Ok(out)
}

fn text_at<'v>(value: &'v Value, pointer: &str) -> Answer<&'v str> {
    value.pointer(pointer).and_then(Value::as_str).ok_or_else(|| format!("{pointer}: absent").into())
}

/// What rivals read.
struct Files {
    bundle: PathBuf,
    root: PathBuf,
    // Removed with it, after everything.
    _workspace: Workspace,
}

impl Files {
    fn of(case: &Case) -> Answer<Self> {
        let workspace = Workspace::new()?;
        let bundle = workspace.write("bundle.json", &case.bundle)?;
        let root = workspace.write("root.json", &case.root)?;
        Ok(Self { bundle, root, _workspace: workspace })
    }
}

/// Somebody else's verifier: a program that prints one number a line.
struct Rival {
    name: &'static str,
    program: PathBuf,
    script: Option<PathBuf>,
    /// Whether it wants the image's digest.
    digest: bool,
    /// Or why there are none.
    times: Result<Times, String>,
}

fn rivals() -> Vec<Rival> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let built = top.join("../target/rivals");
    let rival = |name, program: PathBuf, script, digest| {
        let absent = || "is not there: `tests/rivals/install` gets it".to_owned();
        let times = program.is_file().then(Times::default).ok_or_else(absent);
        Rival { name, program, script, digest, times }
    };
    vec![
        rival("sigstore-verify", built.join("release/pullward-rivals"), None, true),
        rival("sigstore-python", built.join("python/bin/python"), Some(top.join("rivals/verify.py")), false),
    ]
}

impl Rival {
    /// Some rounds; its first ones in each process warm it up and do not count.
    fn turn(&mut self, case: &Case, files: &Files) -> Answer<()> {
        const WARM: usize = 5;
        let Ok(times) = &mut self.times else { return Ok(()) };
        let mut command = Command::new(&self.program);
        command.args(&self.script).arg(&files.bundle).arg(&files.root);
        if self.digest {
            command.arg(case.image.to_string());
        }
        command.args([&case.issuer, &case.subject, &(WARM + TURN).to_string()]);
        let printed = match run(command) {
            Ok(output) => output.stdout,
            Err(pullward_tests::Error::Failed { output, .. }) => {
                let last = output.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
                self.times = Err(format!("does not take it: {last}"));
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        for line in String::from_utf8(printed)?.lines().skip(WARM) {
            times.0.push(line.trim().parse()?);
        }
        Ok(())
    }
}
