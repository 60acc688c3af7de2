//! How fast predicates are judged: the core's reading of a vulnerability report of 10 MB, and of package lists and
//! provenance of several MB, beside `serde_json` into a `Value`, on the same bytes, as a ratio. Only the order of the two
//! is a budget; megabytes per second depend on the machine.

#![expect(clippy::print_stdout, reason = "the printed numbers are what a bench is for")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot read its own report has nothing to measure")]

#[path = "support/documents.rs"]
mod documents;
#[path = "support/trivy.rs"]
mod trivy;

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use pullward_core::intoto::Statement;
use pullward_core::json;
use pullward_core::oci::Digest;
use pullward_core::predicate::packages::Denied;
use pullward_core::predicate::provenance::Expected;
use pullward_core::predicate::vulnerability::{Limits, made_at, summarise};
use pullward_core::predicate::{Attestation, Context};
use pullward_core::time::UnixTime;
use pullward_tests::Corpora;

/// Each side's best of these: a background process can only make one slower.
const ROUNDS: usize = 11;

fn main() -> ExitCode {
    let mut ahead = true;
    for (form, statement) in
        [("as cosign writes it", report("", "")), ("indented", report("\n        ", " "))]
    {
        let bytes = statement.as_bytes();
        assert_eq!(judged(bytes), counted(bytes), "both must read the same");
        let ours = best(|| judged(black_box(bytes)));
        let scan = best(|| json::parse(black_box(bytes)).is_ok());
        let time = best(|| age(black_box(bytes)));
        let show = best(|| shown(black_box(bytes)));
        let theirs = best(|| serde_json::from_slice::<serde_json::Value>(black_box(bytes)).is_ok());
        let rate = |took: Duration| bytes.len() as f64 / 1e6 / took.as_secs_f64();
        println!("{form}: {:.1} MB", bytes.len() as f64 / 1e6);
        println!("  judged      {:7.0} MB/s  statement read, subject checked, findings counted", rate(ours));
        println!("    scan      {:7.0} MB/s  well-formed or not", rate(scan));
        println!("    with age  {:7.0} MB/s  scan, and the time of the report", rate(time));
        println!("    shown     {:7.0} MB/s  scan, and every severity counted", rate(show));
        println!("  serde_json  {:7.0} MB/s  into a Value, nothing counted", rate(theirs));
        println!("  ratio       {:7.1}", theirs.as_secs_f64() / ours.as_secs_f64());
        ahead &= ours < theirs;
    }
    for row in rows() {
        ahead &= row.is_ahead();
    }
    if ahead {
        ExitCode::SUCCESS
    } else {
        println!("bench: serde_json is ahead");
        ExitCode::FAILURE
    }
}

/// A statement that meets what is asked of it, so that the whole of it is judged.
struct Row {
    name: String,
    statement: String,
    judge: fn(&[u8]),
}

impl Row {
    fn minted(name: &str, kind: &str, predicate: &str, judge: fn(&[u8])) -> Self {
        Self { name: name.to_owned(), statement: statement(kind, predicate), judge }
    }

    fn is_ahead(&self) -> bool {
        let bytes = self.statement.as_bytes();
        let ours = best(|| (self.judge)(black_box(bytes)));
        let theirs = best(|| serde_json::from_slice::<serde_json::Value>(black_box(bytes)).is_ok());
        let megabytes = bytes.len() as f64 / 1e6;
        let rate = |took: Duration| megabytes / took.as_secs_f64();
        println!(
            "{:44} {megabytes:5.2} MB: judged {:5.0} MB/s, serde_json {:5.0} MB/s, ratio {:5.1}",
            self.name,
            rate(ours),
            rate(theirs),
            theirs.as_secs_f64() / ours.as_secs_f64()
        );
        ours < theirs
    }
}

fn rows() -> Vec<Row> {
    let mut rows = vec![
        Row::minted("SPDX 2.3", SPDX, &documents::spdx2(), judge_packages),
        Row::minted("CycloneDX 1.6", CYCLONEDX, &documents::cyclonedx(), judge_packages),
        Row::minted("SPDX 3.0", SPDX, &documents::spdx3(5 << 20), judge_packages),
        Row::minted("SPDX 3.0, as large as a payload", SPDX, &documents::spdx3(16_000_000), judge_packages),
        Row::minted("SLSA v0.2", SLSA_V02, &documents::slsa_v02(), judge_provenance),
        Row::minted("SLSA v1", SLSA_V1, &documents::slsa_v1(), judge_provenance),
    ];
    rows.extend(real());
    rows
}

/// The largest of each kind that others wrote, where the corpora are at hand.
fn real() -> Vec<Row> {
    let Some(corpora) = Corpora::at_hand("predicates") else { return Vec::new() };
    let largest = |kind: &str| {
        let manifest = corpora.manifest("predicates");
        let files = manifest.iter().filter(|row| row["kind"] == kind);
        let texts = files.map(|row| {
            let file = row["inputs"]["file"].as_str().unwrap();
            (file.to_owned(), String::from_utf8(corpora.bytes(file)).unwrap())
        });
        texts.max_by_key(|(_, text)| text.len()).unwrap()
    };
    [("spdx-json", SPDX), ("cyclonedx", CYCLONEDX)]
        .map(|(kind, predicate_type)| {
            let (file, text) = largest(kind);
            let name = file.rsplit('/').next().unwrap();
            Row::minted(name, predicate_type, &text, judge_packages)
        })
        .into()
}

const SPDX: &str = "https://spdx.dev/Document";
const CYCLONEDX: &str = "https://cyclonedx.org/bom";
const SLSA_V02: &str = "https://slsa.dev/provenance/v0.2";
const SLSA_V1: &str = "https://slsa.dev/provenance/v1";

/// Denied packages and licences, none of which is in the documents.
fn judge_packages(statement: &[u8]) {
    const DENIED: &str = r#"{"deny":[{"purl":"pkg:npm/event-stream@3.3.6"},{"purl":"pkg:npm/%40scope/*@1.*"},{"purl":"pkg:deb/debian/xz-utils@5.6.*"},{"name":"xz-utils","version":"5.6.*"},{"name":"log4j-core","version":"2.1*"},{"name":"*-malware","version":null}],"licenses":["AGPL-*","SSPL-1.0","BUSL-*","*-NC-*"]}"#;
    let denied = Denied::read(json::parse(DENIED.as_bytes()).unwrap()).unwrap();
    denied.judge(&attestation(statement), &context()).unwrap();
}

fn judge_provenance(statement: &[u8]) {
    let expected = Expected::read(json::parse(documents::PROVENANCE.as_bytes()).unwrap()).unwrap();
    expected.judge(&attestation(statement), &context()).unwrap();
}

fn best<T>(mut run: impl FnMut() -> T) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        black_box(run());
        best = best.min(start.elapsed());
    }
    best
}

fn image() -> Digest {
    Digest::of(b"an image")
}

fn context() -> Context<'static> {
    Context {
        time: UnixTime::parse("2026-01-01T00:00:00Z").unwrap(),
        digest: image(),
        platform: "linux/amd64",
    }
}

fn attestation(statement: &[u8]) -> Attestation<'_> {
    let read = Statement::read(statement).unwrap();
    read.check_subject(&image()).unwrap();
    Attestation { predicate_type: read.predicate_type(), predicate: read.predicate().unwrap() }
}

/// The number of critical findings, by what a denial says.
fn judged(statement: &[u8]) -> u32 {
    const LIMITS: &str = r#"{"critical":0,"high":5,"medium":null,"low":null,"unknown":null,"fixable_only":false,"ignore":[{"id":"CVE-2024-0002","until":null}],"vex":[]}"#;
    let limits = Limits::read(json::parse(LIMITS.as_bytes()).unwrap()).unwrap();
    match limits.judge(&attestation(statement), &context(), &|_| false).unwrap_err().finding {
        pullward_core::predicate::Finding::Vulnerabilities { found, .. } => found,
        _ => 0,
    }
}

fn age(statement: &[u8]) -> Option<UnixTime> {
    made_at(&attestation(statement)).unwrap()
}

fn shown(statement: &[u8]) -> [u32; 5] {
    summarise(&attestation(statement), &context()).unwrap().counts
}

fn counted(statement: &[u8]) -> u32 {
    let value: serde_json::Value = serde_json::from_slice(statement).unwrap();
    let results = value["predicate"]["scanner"]["result"]["Results"].as_array().into_iter().flatten();
    let findings = results.filter_map(|result| result["Vulnerabilities"].as_array()).flatten();
    u32::try_from(findings.filter(|finding| finding["Severity"] == "CRITICAL").count()).unwrap()
}

/// A statement with a report of [`trivy`]'s form.
fn report(line: &str, blank: &str) -> String {
    let severities = ["CRITICAL", "HIGH", "HIGH", "MEDIUM", "MEDIUM", "MEDIUM", "LOW", "LOW", "UNKNOWN"];
    let predicate = trivy::trivy(&image(), &severities, line, blank);
    statement("https://cosign.sigstore.dev/attestation/vuln/v1", &predicate)
}

fn statement(kind: &str, predicate: &str) -> String {
    format!(
        r#"{{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"{kind}","subject":[{{"name":"localhost:5000/myapp","digest":{{"sha256":"{}"}}}}],"predicate":{predicate}}}"#,
        image().hex()
    )
}
