//! A vulnerability report of 10 MB, from the registry to a verdict: `pullward verify` with a trust bundle beside
//! `cosign verify-attestation | jq`, on the same image, attestation and registry.
//!
//! `make bench` runs this on release builds. Both sides count critical vulnerabilities, take turns, and are held
//! against each other as ratios; a budget that is missed ends the run with a failure. `pullward verify` also checks that
//! the image is signed, which the pipeline does not.

#![expect(clippy::print_stdout, reason = "the printed numbers are what a bench is for")]

#[path = "support/trivy.rs"]
mod trivy;

use std::error::Error;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use pullward_core::oci::Digest;
use pullward_tests::{
    Cosign, CosignVersion, Crane, Image, KeyPair, Node, Peers, Pullward, Registry, Workspace,
};
use wait4::Wait4 as _;

/// Turns of each side.
const ROUNDS: usize = 9;
/// Most wall time as a part of the pipeline's.
const WALL: f64 = 0.1;
/// Most memory as a part of that of the pipeline's largest process.
const MEMORY: f64 = 0.25;
/// What cosign calls the predicate of a vulnerability report.
const KIND: &str = "vuln";
/// The pipeline's last program: the number of critical findings.
const CRITICALS: &str =
    r#"[.predicate.scanner.result.Results[]?.Vulnerabilities[]? | select(.Severity == "CRITICAL")] | length"#;

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

/// What one run took.
#[derive(Debug)]
struct Run {
    wall: Duration,
    /// Peak memory in bytes of the process that had the highest, and its name.
    peak: (u64, &'static str),
    /// The last program's exit code and standard output.
    code: Option<i32>,
    out: String,
}

fn measure() -> Answer<usize> {
    let peers = Peers::find()?;
    let pullward = Pullward::built()?;
    let workspace = Workspace::new()?;
    let registry = Registry::start(&peers, &workspace)?;
    let cosign = Cosign::new(&peers, &workspace, CosignVersion::Three)?;
    let key = cosign.generate_key_pair("bench")?;
    let bench =
        Bench { peers: &peers, workspace: &workspace, cosign: &cosign, pullward: &pullward, key: &key };

    println!("preparing two images, each with a report of {} bytes", trivy::REPORT_BYTES);
    let clean = bench.image(&registry, "team/clean", &["HIGH", "MEDIUM", "LOW", "UNKNOWN"])?;
    let critical =
        bench.image(&registry, "team/critical", &["CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN"])?;
    let node = Node::new(&pullward, &workspace)?;
    node.trust(1, &policy(&registry.host(), &key.public))?;

    // Both must have read all of it, or there is nothing to compare.
    let (ours, theirs) = (bench.ours(&node, &critical)?, bench.theirs(&critical)?);
    let counted: u32 = theirs.out.trim().parse()?;
    let said = format!("{counted} critical vulnerabilities count where none is allowed");
    if ours.code != Some(1) || counted == 0 || !ours.out.contains(&said) {
        return Err(format!("jq counts {counted} critical findings, and pullward says {ours:?}").into());
    }

    let (mut walls, mut peaks) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
    let mut largest = "";
    for _ in 0..ROUNDS {
        let (ours, theirs) = (bench.ours(&node, &clean)?, bench.theirs(&clean)?);
        if ours.code != Some(0) || theirs.code != Some(0) || theirs.out.trim() != "0" {
            return Err(format!("an image without critical findings: {ours:?} {theirs:?}").into());
        }
        walls.0.push(ours.wall.as_secs_f64());
        walls.1.push(theirs.wall.as_secs_f64());
        peaks.0.push(mebibytes(ours.peak.0));
        peaks.1.push(mebibytes(theirs.peak.0));
        largest = theirs.peak.1;
    }
    let walls = (median(walls.0) * 1000.0, median(walls.1) * 1000.0);
    let peaks = (median(peaks.0), median(peaks.1));
    println!("pullward verify {:.0} ms, {:.1} MiB at most", walls.0, peaks.0);
    println!("cosign | jq | base64 | jq {:.0} ms, {:.1} MiB at most in {largest}", walls.1, peaks.1);
    let mut missed = 0;
    for (what, value, most) in [
        ("10 MB report to verdict, pullward : cosign | jq, wall", walls.0 / walls.1, WALL),
        ("10 MB report to verdict, pullward : cosign | jq, peak memory", peaks.0 / peaks.1, MEMORY),
    ] {
        let within = value <= most;
        missed += usize::from(!within);
        let verdict = if within { "within" } else { "MISSED: at most" };
        println!("{what:<64} {value:>10.4} ratio    {verdict} {most} ratio");
    }
    Ok(missed)
}

struct Bench<'a> {
    peers: &'a Peers,
    workspace: &'a Workspace,
    cosign: &'a Cosign<'a>,
    pullward: &'a Pullward,
    key: &'a KeyPair,
}

impl Bench<'_> {
    /// An image with a signature and a report of these severities; `repository@digest`.
    fn image(&self, registry: &Registry, repository: &str, severities: &[&str]) -> Answer<String> {
        let reference = registry.reference(&format!("{repository}:v1"));
        let pinned = Crane::new(self.peers, self.workspace).push(&reference, &Image::named(repository))?;
        let (_, digest) = pinned.split_once('@').ok_or("crane gives no digest")?;
        let digest = Digest::parse(digest).map_err(|error| format!("{error:?}"))?;
        let report = trivy::trivy(&digest, severities, "", "");
        let report = self.workspace.write(format!("{}.json", digest.hex()), report)?;
        self.cosign.sign(self.key, &pinned)?;
        self.cosign.attest(self.key, &pinned, KIND, &report)?;
        Ok(pinned)
    }

    fn ours(&self, node: &Node<'_>, image: &str) -> Answer<Run> {
        let (trust, root) = (node.path("trust.json"), node.path("root.pub"));
        let command =
            self.pullward.command(self.workspace, ["verify", "--trust", &trust, "--root", &root, image]);
        pipeline(vec![("pullward", command)])
    }

    fn theirs(&self, image: &str) -> Answer<Run> {
        let cosign = self.cosign.verify_attestation_command(&self.key.public, image, KIND)?;
        let mut payload = self.peers.command("jq", self.workspace)?;
        payload.args(["-r", ".payload"]);
        let mut decode = Command::new("base64");
        decode.arg("-d");
        let mut count = self.peers.command("jq", self.workspace)?;
        count.arg(CRITICALS);
        pipeline(vec![
            ("cosign", cosign),
            ("jq -r .payload", payload),
            ("base64 -d", decode),
            ("jq, counting", count),
        ])
    }
}

/// Runs programs as a shell pipes them, to the end of all of them.
fn pipeline(commands: Vec<(&'static str, Command)>) -> Answer<Run> {
    let started = Instant::now();
    let mut children: Vec<(&'static str, Child)> = Vec::new();
    for (name, mut command) in commands {
        let input = children.last_mut().and_then(|(_, child)| child.stdout.take());
        command
            .stdin(input.map_or_else(Stdio::null, Stdio::from))
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        children.push((name, command.spawn()?));
    }
    let mut out = String::new();
    if let Some(stdout) = children.last_mut().and_then(|(_, child)| child.stdout.take()) {
        // Held open by nobody else: ends when the last program does.
        let mut stdout = stdout;
        stdout.read_to_string(&mut out)?;
    }
    let (mut peak, mut code) = ((0, ""), None);
    for (name, child) in &mut children {
        let ended = child.wait4()?;
        peak = peak.max((ended.rusage.maxrss, *name));
        code = ended.status.code();
    }
    Ok(Run { wall: started.elapsed(), peak, code, out })
}

/// Signed, and no critical vulnerability in a report by the same key.
fn policy(host: &str, key: &Path) -> String {
    format!(
        "schema = 1\n[[authority]]\nname = \"release\"\nkey = \"{}\"\n\
         [[rule]]\nname = \"team\"\nmatch = [\"{host}/team/**\"]\nsigned_by = [\"release\"]\n\
         [[rule.attestation]]\ntype = \"vuln\"\nsigned_by = [\"release\"]\nvulnerabilities = {{ critical = 0 }}\n",
        key.display()
    )
}

fn mebibytes(bytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "bytes of memory are far below 2^52")]
    let bytes = bytes as f64;
    bytes / f64::from(1 << 20)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
