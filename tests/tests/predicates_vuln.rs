//! Others' vulnerability reports and VEX documents: every row of the corpus `predicates` that holds one is judged, and
//! what the core counts is compared with what the row says and with a second reading by another JSON reader. Every other
//! row is put where a report should be, and must not be taken for one.

#![expect(clippy::unwrap_used, reason = "a row that does not read fails its test")]
#![expect(clippy::indexing_slicing, reason = "serde_json answers with null")]

use std::collections::{BTreeMap, BTreeSet};

use pullward_core::json;
use pullward_core::oci::Digest;
use pullward_core::predicate::vex::{self, Claim, Suspect};
use pullward_core::predicate::vulnerability::{Limits, Severity, TYPES, made_at, summarise};
use pullward_core::predicate::{Attestation, Context, Unmet};
use pullward_core::time::UnixTime;
use pullward_core::verdict::Reason;
use pullward_tests::Corpora;
use serde_json::{Value, json};

const COSIGN_VULN: &str = r#""https://cosign.sigstore.dev/attestation/vuln/v1""#;
const OPENVEX: &str = r#""https://openvex.dev/ns""#;

/// Rows that hold a report or a VEX document; more must not become fewer unseen.
const REPORTS: usize = 39;
const OTHER_REPORTS: usize = 2;
const DOCUMENTS: usize = 1;
/// Rows that hold anything else in JSON.
const STRANGERS: usize = 51;

fn context(digest: Digest) -> Context<'static> {
    Context { time: UnixTime::parse("2026-01-01T00:00:00Z").unwrap(), digest, platform: "linux/amd64" }
}

fn any_image() -> Context<'static> {
    context(Digest::of(b"an image"))
}

fn attestation<'s>(kind: &'s str, predicate: &'s [u8]) -> Attestation<'s> {
    Attestation {
        predicate_type: json::parse(kind.as_bytes()).unwrap().string().unwrap(),
        predicate: json::parse(predicate).unwrap(),
    }
}

/// A report in the frame that Trivy puts around it, byte for byte as it is.
fn framed(report: &[u8]) -> Vec<u8> {
    let mut predicate = br#"{
  "invocation": {"parameters": null, "uri": "", "event_id": "", "builder.id": ""},
  "scanner": {"uri": "pkg:github/aquasecurity/trivy@dev", "version": "dev", "db": {"uri": "", "version": ""}, "result": "#
        .to_vec();
    predicate.extend_from_slice(report);
    predicate.extend_from_slice(
        br#"},
  "metadata": {"scanStartedOn": "2021-08-25T12:20:30.000000005Z", "scanFinishedOn": "2021-08-25T12:20:30.000000005Z"}
}"#,
    );
    predicate
}

/// Limits with these members, everything else unlimited.
fn judge<'s>(attestation: &Attestation<'s>, members: &[(&str, Value)]) -> Result<(), Unmet<'s>> {
    let mut limits = json!({"critical": null, "high": null, "medium": null, "low": null, "unknown": null,
        "fixable_only": false, "ignore": [], "vex": []});
    for (name, value) in members {
        limits[*name] = value.clone();
    }
    let limits = limits.to_string();
    let limits = Limits::read(json::parse(limits.as_bytes()).unwrap()).unwrap();
    limits.judge(attestation, &any_image(), &|_| false)
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

/// The second reading: findings by severity, all of them or those with a fix.
fn count(report: &Value, fixable_only: bool) -> BTreeMap<String, u64> {
    let mut seen = BTreeSet::new();
    let mut counts = BTreeMap::new();
    for result in report["Results"].as_array().into_iter().flatten() {
        for finding in result["Vulnerabilities"].as_array().into_iter().flatten() {
            let fixable = !text(finding, "FixedVersion").is_empty() || text(finding, "Status") == "fixed";
            let name = |name| text(finding, name).to_owned();
            let identity = (
                name("VulnerabilityID"),
                name("PkgName"),
                name("InstalledVersion"),
                text(result, "Target").to_owned(),
                finding["PkgIdentifier"]["PURL"].to_string(),
            );
            if (fixable || !fixable_only) && seen.insert(identity) {
                *counts.entry(name("Severity").to_lowercase()).or_insert(0) += 1;
            }
        }
    }
    counts
}

fn rows(corpora: &Corpora, kind: impl Fn(&str) -> bool) -> Vec<(String, Value)> {
    let rows = corpora.manifest("predicates").into_iter().filter(|row| kind(text(row, "kind")));
    rows.map(|row| (row["inputs"]["file"].as_str().unwrap().to_owned(), row)).collect()
}

#[test]
fn reports_of_trivy_count_as_their_rows_say() {
    let Some(corpora) = Corpora::at_hand("reports_of_trivy_count_as_their_rows_say") else { return };
    let rows = rows(&corpora, |kind| kind == "trivy-json-report");
    for (file, row) in &rows {
        let report: Value = corpora.json(file);
        let counts = count(&report, false);
        let facts = row["facts"]["severities"].as_object().unwrap();
        let said = facts.iter().map(|(word, count)| (word.to_lowercase(), count.as_u64().unwrap())).collect();
        assert_eq!(counts, said, "{file}");
        let fixable = count(&report, true);
        assert_eq!(Some(fixable.values().sum()), row["facts"]["fixable"].as_u64(), "{file}");
        // As Trivy writes it, and as cosign does, which reads it and writes it anew.
        for predicate in [framed(&corpora.bytes(file)), framed(report.to_string().as_bytes())] {
            let attestation = attestation(COSIGN_VULN, &predicate);
            let summary = summarise(&attestation, &any_image()).unwrap();
            assert_eq!(summary.made_at, UnixTime::parse("2021-08-25T12:20:30Z"), "{file}");
            assert_eq!(made_at(&attestation), Ok(summary.made_at), "{file}");
            for (severity, found) in Severity::ALL.into_iter().zip(summary.counts) {
                let name = severity.name();
                let at_most = |count: u64, fixable: bool| {
                    judge(&attestation, &[(name, json!(count)), ("fixable_only", json!(fixable))])
                        .map_err(|unmet| unmet.reason)
                };
                assert_eq!(u64::from(found), counts.get(name).copied().unwrap_or(0), "{file} {name}");
                for (all, only_fixable) in [(&counts, false), (&fixable, true)] {
                    let count = all.get(name).copied().unwrap_or(0);
                    assert_eq!(at_most(count, only_fixable), Ok(()), "{file} {name}");
                    if let Some(less) = count.checked_sub(1) {
                        let exceeded = Err(Reason::VulnerabilitiesExceeded);
                        assert_eq!(at_most(less, only_fixable), exceeded, "{file} {name}");
                    }
                }
            }
        }
    }
    println!("{} reports of Trivy", rows.len());
    assert_eq!(rows.len(), REPORTS);
}

#[test]
fn the_published_check_and_ours_agree_on_every_report() {
    let Some(corpora) = Corpora::at_hand("the_published_check_and_ours_agree_on_every_report") else {
        return;
    };
    let (mut passed, mut failed) = (0, 0);
    for (file, _) in rows(&corpora, |kind| kind == "trivy-json-report") {
        let report: Value = corpora.json(&file);
        // [.scanner.result.Results[]?.Vulnerabilities[]? | select(.Severity == "CRITICAL")] | length
        let results = report["Results"].as_array().into_iter().flatten();
        let critical = results
            .filter_map(|result| result["Vulnerabilities"].as_array())
            .flatten()
            .filter(|finding| finding["Severity"] == "CRITICAL")
            .count();
        let predicate = framed(&corpora.bytes(&file));
        let ours = judge(&attestation(COSIGN_VULN, &predicate), &[("critical", json!(0))]);
        assert_eq!(ours.is_ok(), critical == 0, "{file}");
        if critical == 0 { passed += 1 } else { failed += 1 }
    }
    println!("{passed} reports pass, {failed} do not");
    assert_eq!((passed, failed), (30, 9));
}

#[test]
fn a_real_report_of_another_image_is_refused() {
    let Some(corpora) = Corpora::at_hand("a_real_report_of_another_image_is_refused") else { return };
    let mut report: Value = corpora.json("predicates/trivy/alpine-39.json");
    let this = any_image().digest;
    for (digest, wanted) in [(this, Ok(())), (Digest::of(b"other"), Err(Reason::ReportOtherImage))] {
        report["Metadata"]["RepoDigests"] = json!([format!("localhost:5000/myapp@{digest}")]);
        let predicate = framed(report.to_string().as_bytes());
        let judged = judge(&attestation(COSIGN_VULN, &predicate), &[]);
        assert_eq!(judged.map_err(|unmet| unmet.reason), wanted);
    }
}

#[test]
fn reports_without_a_result_are_read_and_never_clean() {
    use base64::Engine as _;
    let Some(corpora) = Corpora::at_hand("reports_without_a_result_are_read_and_never_clean") else { return };
    let rows = rows(&corpora, |kind| kind.ends_with("cosign-vuln") || kind.starts_with("cosign-vuln"));
    let mut times = Vec::new();
    for (file, _) in &rows {
        let mut document: Value = corpora.json(file);
        if let Some(payload) = document["payload"].as_str() {
            let payload = base64::engine::general_purpose::STANDARD.decode(payload).unwrap();
            document = serde_json::from_slice::<Value>(&payload).unwrap()["predicate"].take();
        }
        let predicate = document.to_string();
        let attestation = attestation(COSIGN_VULN, predicate.as_bytes());
        times.push(made_at(&attestation).unwrap().map(|time| time.to_string()));
        assert_eq!(document["scanner"]["result"], Value::Null, "{file}");
        assert_eq!(judge(&attestation, &[]), Err(Unmet::malformed("scanner.result")), "{file}");
        assert_eq!(summarise(&attestation, &any_image()).err(), Some(Unmet::malformed("scanner.result")));
    }
    assert_eq!(times, [Some("2022-04-12T00:10:00Z".to_owned()), None]);
    println!("{} reports without a result", rows.len());
    assert_eq!(rows.len(), OTHER_REPORTS);
}

fn claims(document: &[u8], digest: Digest) -> Vec<Claim> {
    let mut claims = Vec::new();
    vex::claims(&attestation(OPENVEX, document), &context(digest), &mut |claim| {
        claims.push(claim);
        Ok(())
    })
    .unwrap();
    claims
}

#[test]
fn openvex_documents_remove_what_they_name_and_nothing_else() {
    let Some(corpora) = Corpora::at_hand("openvex_documents_remove_what_they_name_and_nothing_else") else {
        return;
    };
    let rows = rows(&corpora, |kind| kind == "openvex");
    for (file, _) in &rows {
        let document = corpora.bytes(file);
        let value: Value = corpora.json(file);
        let statements = value["statements"].as_array().unwrap();
        let product = text(&statements[0]["products"][0], "@id");
        let digest = Digest::from_hex(product.rsplit_once("%3A").unwrap().1).unwrap();
        let claims = claims(&document, digest);
        let excused = |id: &str, purl: &str| {
            let (id, purl) = (json!(id).to_string(), json!(purl).to_string());
            let string = |text: &'static str| json::parse(text.as_bytes()).unwrap().string().unwrap();
            let suspect = Suspect::new(string(id.leak()), Some(string(purl.leak())));
            claims.iter().any(|claim| claim.excuses(&suspect))
        };
        let mut named = 0;
        for statement in statements {
            let id = text(&statement["vulnerability"], "name");
            for component in statement["products"][0]["subcomponents"].as_array().unwrap() {
                named += 1;
                let purl = text(component, "@id");
                assert!(excused(id, purl), "{file} {id} {purl}");
                assert!(excused(id, &format!("{purl}?arch=x86_64&distro=3.18.0")), "{file} {id} {purl}");
                assert!(!excused(id, &format!("{purl}1")), "{file} {id} {purl}");
                assert!(!excused("CVE-2023-0001", purl), "{file} {id} {purl}");
            }
        }
        assert_eq!(claims.len(), named, "{file}");
        assert_eq!(self::claims(&document, Digest::of(b"another image")), [], "{file}");
        let summary = vex::summarise(&attestation(OPENVEX, &document), &any_image()).unwrap();
        assert_eq!((summary.removing as usize, summary.others), (statements.len(), 0), "{file}");
        assert_eq!(summary.made_at, UnixTime::parse("2023-07-18T00:28:47Z"), "{file}");
    }
    println!("{} OpenVEX documents", rows.len());
    assert_eq!(rows.len(), DOCUMENTS);
}

#[test]
fn nothing_else_is_a_clean_report_or_a_vex_document() {
    let Some(corpora) = Corpora::at_hand("nothing_else_is_a_clean_report_or_a_vex_document") else { return };
    let others =
        rows(&corpora, |kind| !matches!(kind, "trivy-json-report" | "openvex" | "cosign-vuln-predicate"));
    let mut tried = 0;
    for (file, _) in &others {
        let document = corpora.bytes(file);
        if json::parse(&document).is_err() {
            // Some rows are tag-value, and one says that it is malformed.
            assert!(serde_json::from_slice::<Value>(&document).is_err(), "{file}");
            continue;
        }
        tried += 1;
        let kinds = TYPES.map(|kind| json!(kind).to_string());
        for kind in &kinds {
            for predicate in [document.clone(), framed(&document)] {
                let attestation = attestation(kind, &predicate);
                assert!(judge(&attestation, &[]).is_err(), "{file} as {kind}");
                assert!(summarise(&attestation, &any_image()).is_err(), "{file} as {kind}");
            }
        }
        let read = vex::claims(&attestation(OPENVEX, &document), &any_image(), &mut |_| Ok(()));
        assert!(read.is_err(), "{file}");
    }
    println!("{tried} documents of other kinds");
    assert_eq!(tried, STRANGERS);
}

#[test]
fn a_report_that_was_damaged_is_never_read_better_than_it_was() {
    let Some(corpora) = Corpora::at_hand("a_report_that_was_damaged_is_never_read_better_than_it_was") else {
        return;
    };
    let predicate = framed(&corpora.bytes("predicates/trivy/debian-buster.json"));
    let (mut judged, mut refused) = (0, 0);
    for place in (0..predicate.len()).step_by(17) {
        for byte in [b'"', b'\\', b'}', b']', b',', b'0', b'x', b' ', 0, 0xff] {
            let mut damaged = predicate.clone();
            damaged[place] = byte;
            let ours = json::parse(&damaged);
            // Two readers agree on what is JSON.
            let theirs = serde_json::from_slice::<Value>(&damaged);
            assert_eq!(ours.is_ok(), theirs.is_ok(), "byte {place} as {byte}");
            let Ok(theirs) = theirs else { continue };
            let attestation = attestation(COSIGN_VULN, &damaged);
            // What another reader still takes for a critical finding counts here, or the report is refused.
            let critical = count(&theirs["scanner"]["result"], false).get("critical").copied().unwrap_or(0);
            match judge(&attestation, &[("critical", json!(0))]) {
                Ok(()) => assert_eq!(critical, 0, "byte {place} as {byte}"),
                Err(unmet) if unmet.reason == Reason::VulnerabilitiesExceeded => judged += 1,
                Err(_) => refused += 1,
            }
        }
    }
    assert!(judged > 500 && refused > 10, "{judged} {refused}");
}
