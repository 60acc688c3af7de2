//! How fast a vulnerability report is judged: the core's reading of 10 MB beside `serde_json` into a `Value`, on the
//! same bytes, as a ratio. Only the order of the two is a budget; megabytes per second depend on the machine.

#![expect(clippy::print_stdout, reason = "the printed numbers are what a bench is for")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot read its own report has nothing to measure")]

#[path = "support/trivy.rs"]
mod trivy;

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use pullward_core::intoto::Statement;
use pullward_core::json;
use pullward_core::oci::Digest;
use pullward_core::predicate::vulnerability::{Limits, made_at, summarise};
use pullward_core::predicate::{Attestation, Context};
use pullward_core::time::UnixTime;

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
    if ahead {
        ExitCode::SUCCESS
    } else {
        println!("bench: serde_json is ahead");
        ExitCode::FAILURE
    }
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
    format!(
        r#"{{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://cosign.sigstore.dev/attestation/vuln/v1","subject":[{{"name":"localhost:5000/myapp","digest":{{"sha256":"{}"}}}}],"predicate":{}}}"#,
        image().hex(),
        trivy::trivy(&image(), &severities, line, blank)
    )
}
