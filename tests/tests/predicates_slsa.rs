//! Others' provenance: every SLSA statement in the corpora is summarised and judged, bare and as buildx wraps it, and
//! each value is compared with what a second reading of the same bytes finds: `serde_json` and the pointers below, which
//! share nothing with the core.
//!
//! Signatures play no part here: what a row's signature is worth is asked elsewhere.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a row that does not read fails its test")]

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use pullward_core::json::{self, Text, UnknownKeys};
use pullward_core::oci::Digest;
use pullward_core::predicate::provenance::{self, Expected};
use pullward_core::predicate::{self, Attestation, Context, Finding};
use pullward_core::time::UnixTime;
use pullward_core::verdict::Reason;
use pullward_tests::Corpora;
use serde_json::{Value, json};

const V02: &str = "https://slsa.dev/provenance/v0.2";
const V1: &str = "https://slsa.dev/provenance/v1";

/// The corpora that hold provenance, each with how many of its rows lead to some, and to how many predicates of v0.2 and of
/// v1 that no corpus before it has.
const CORPORA: [(&str, usize, usize, usize); 8] = [
    ("conformance", 10, 0, 5),
    ("dsse-legacy-cert", 41, 40, 0),
    ("gcb", 8, 0, 5),
    ("npm", 21, 9, 1),
    ("predicates", 24, 8, 15),
    ("sigstore-clients", 16, 1, 5),
    ("slsa-bundles", 58, 3, 39),
    ("slsa-oci-att", 48, 5, 0),
];

/// A predicate of provenance, as it stands in a statement.
struct Sample {
    row: String,
    kind: &'static str,
    predicate: String,
}

/// The statements of a row: the files that it names, and the payloads of all envelopes in them.
fn samples(corpora: &Corpora, row: &Value) -> Vec<Sample> {
    let id = row["id"].as_str().unwrap();
    let inputs = &row["inputs"];
    let files: Vec<Vec<u8>> = match inputs["oci_layout"].as_str() {
        Some(layout) => corpora.files(&format!("{layout}/blobs/sha256")),
        None => ["file", "bundle", "envelope", "document"]
            .into_iter()
            .filter_map(|name| inputs[name].as_str())
            .map(|path| corpora.bytes(path))
            .collect(),
    };
    let mut statements = Vec::new();
    for file in files {
        // Some files hold one document a line; others are no JSON from some point on, on purpose.
        let documents: Vec<Value> = serde_json::Deserializer::from_slice(&file)
            .into_iter()
            .take_while(Result::is_ok)
            .filter_map(Result::ok)
            .collect();
        for document in documents {
            let document = match inputs["json_pointer"].as_str() {
                Some(pointer) => document.pointer(pointer).unwrap().clone(),
                None => document,
            };
            if row["kind"] == "slsa-v1-predicate" {
                statements.push(json!({"predicateType": V1, "predicate": document}).to_string().into_bytes());
            } else if document.get("predicateType").is_some() {
                // As it was written: a second reader would not see a key that stands twice.
                statements.push(file.clone());
            }
            payloads(&document, &mut statements);
        }
    }
    statements.iter().filter_map(|statement| sample(id, statement)).collect()
}

/// The payloads of all envelopes in a document.
fn payloads(value: &Value, into: &mut Vec<Vec<u8>>) {
    if let (Some(_), Some(payload)) = (value.get("payloadType"), value.get("payload").and_then(Value::as_str))
    {
        let standard = payload.replace('-', "+").replace('_', "/");
        into.extend(base64::engine::general_purpose::STANDARD.decode(standard).ok());
    }
    match value {
        Value::Array(items) => items.iter().for_each(|item| payloads(item, into)),
        Value::Object(members) => members.values().for_each(|member| payloads(member, into)),
        _ => {}
    }
}

/// The predicate of a statement, where it is of a type that is read here.
fn sample(row: &str, statement: &[u8]) -> Option<Sample> {
    let object = json::parse(statement).ok()?.object().ok()?;
    let [kind, predicate] = object.fields(["predicateType", "predicate"], UnknownKeys::Skip).ok()?;
    let kind = kind?.string().ok()?;
    let kind = provenance::TYPES.into_iter().find(|known| kind.is(known))?;
    Some(Sample { row: row.to_owned(), kind, predicate: predicate?.text().to_owned() })
}

/// What the second reading finds.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    builder: Option<String>,
    build_type: Option<String>,
    source: Option<String>,
    commit: Option<String>,
    entry_point: Option<String>,
    made_at: Option<UnixTime>,
    materials: usize,
    base_images: Vec<String>,
}

/// The first of the pointers at which a string stands that says something.
fn at(value: &Value, pointers: &[&str]) -> Option<String> {
    let found =
        pointers.iter().find_map(|pointer| value.pointer(pointer)?.as_str().filter(|text| !text.is_empty()));
    found.map(str::to_owned)
}

/// A repository without what stands around it. The samples have no other spellings.
fn bare(url: &str) -> &str {
    let url = url.strip_prefix("git+").unwrap_or(url);
    let url = url.split(['#', '@']).next().unwrap_or(url);
    url.strip_suffix(".git").unwrap_or(url)
}

fn second_reading(sample: &Sample) -> Said {
    let predicate: Value = serde_json::from_str(&sample.predicate).unwrap();
    let (materials, times) = if sample.kind == V02 {
        ("/materials", ["/metadata/buildFinishedOn", "/metadata/buildStartedOn"])
    } else {
        (
            "/buildDefinition/resolvedDependencies",
            ["/runDetails/metadata/finishedOn", "/runDetails/metadata/startedOn"],
        )
    };
    let materials = predicate.pointer(materials).and_then(Value::as_array).cloned().unwrap_or_default();
    let images = materials
        .iter()
        .filter_map(|material| material["uri"].as_str())
        .filter(|uri| uri.starts_with("pkg:docker/") || (!uri.contains("://") && uri.contains("@sha256:")));
    let mut said = Said {
        builder: at(&predicate, &["/builder/id", "/runDetails/builder/id"]),
        build_type: at(&predicate, &["/buildType", "/buildDefinition/buildType"]),
        made_at: at(&predicate, &times).map(|time| UnixTime::parse_rfc3339(&time).unwrap()),
        materials: materials.len(),
        base_images: images.map(str::to_owned).collect(),
        ..Said::default()
    };
    if sample.kind == V02 {
        said.source = at(&predicate, &["/invocation/configSource/uri"]);
        said.commit = at(&predicate, &["/invocation/configSource/digest/sha1"]);
        said.entry_point = at(&predicate, &["/invocation/configSource/entryPoint"]);
        return said;
    }
    let external = &predicate["buildDefinition"]["externalParameters"];
    said.source = at(external, &["/source/uri", "/workflow/repository", "/buildConfigSource/repository"]);
    said.entry_point = at(external, &["/workflow/path", "/buildConfigSource/path", "/configPath"]);
    if said.build_type.as_ref().is_some_and(|kind| kind.contains("delegator-generic")) {
        said.source = at(&predicate, &["/buildDefinition/resolvedDependencies/0/uri"]);
    }
    let repository = said.source.as_deref().map(bare);
    let own = materials.iter().find(|material| material["uri"].as_str().map(bare) == repository);
    said.commit =
        own.filter(|_| repository.is_some()).and_then(|own| at(own, &["/digest/gitCommit", "/digest/sha1"]));
    said
}

/// What the core finds.
fn first_reading(kind: &str, predicate: &str) -> Result<Said, (Reason, String)> {
    with(kind, predicate, |attestation, context| {
        let summary = provenance::summarise(attestation, context);
        let summary = summary.map_err(|unmet| (unmet.reason, unmet.finding.to_string()))?;
        let text = |text: Option<Text<'_>>| text.map(|text| text.chars().collect::<String>());
        let images = usize::try_from(summary.base_images).unwrap();
        Ok(Said {
            builder: text(summary.builder),
            build_type: text(summary.build_type),
            source: text(summary.source),
            commit: text(summary.commit),
            entry_point: text(summary.entry_point),
            made_at: summary.made_at,
            materials: usize::try_from(summary.materials).unwrap(),
            base_images: vec![String::new(); images],
        })
    })
}

fn with<R>(kind: &str, predicate: &str, then: impl FnOnce(&Attestation<'_>, &Context<'_>) -> R) -> R {
    let kind = format!("\"{kind}\"");
    let attestation = Attestation {
        predicate_type: json::parse(kind.as_bytes()).unwrap().string().unwrap(),
        predicate: json::parse(predicate.as_bytes()).unwrap(),
    };
    let digest = Digest::of(b"an image");
    let context = Context { time: UnixTime(1_800_000_000), digest, platform: "linux/amd64" };
    then(&attestation, &context)
}

fn judge(kind: &str, predicate: &str, condition: &Value) -> Result<(), Reason> {
    let condition = condition.to_string();
    let expected = Expected::read(json::parse(condition.as_bytes()).unwrap())
        .unwrap_or_else(|error| panic!("{condition}: {error:?}"));
    with(kind, predicate, |attestation, context| {
        expected.judge(attestation, context).map_err(|unmet| {
            assert!(!unmet.finding.to_string().is_empty() || unmet.finding == Finding::None);
            unmet.reason
        })
    })
}

/// The condition that asks for nothing.
fn nothing() -> Value {
    let names = json!({"require": [], "forbid": []});
    json!({"builder": [], "build_type": [], "source": [], "commit": [], "entry_point": [],
           "parameters": names, "arguments": names, "materials": "optional", "base": []})
}

fn asking(member: &str, value: Value) -> Value {
    let mut condition = nothing();
    condition[member] = value;
    condition
}

/// Compares both readings, and judges the sample by what it says and by what it does not.
fn check(sample: &Sample) -> Said {
    let (row, kind, predicate) = (&sample.row, sample.kind, &*sample.predicate);
    let said = second_reading(sample);
    let counted = Said { base_images: vec![String::new(); said.base_images.len()], ..second_reading(sample) };
    assert_eq!(first_reading(kind, predicate).as_ref(), Ok(&counted), "{row}");
    assert_eq!(judge(kind, predicate, &nothing()), Ok(()), "{row}");

    let mut all = nothing();
    for (member, value, reason) in [
        ("builder", said.builder.as_deref(), Reason::BuilderMismatch),
        ("build_type", said.build_type.as_deref(), Reason::BuildTypeMismatch),
        ("source", said.source.as_deref().map(bare), Reason::SourceMismatch),
        ("commit", said.commit.as_deref(), Reason::CommitMismatch),
        ("entry_point", said.entry_point.as_deref(), Reason::EntryPointMismatch),
    ] {
        let other = asking(member, json!(["https://never.example/x"]));
        assert_eq!(judge(kind, predicate, &other), Err(reason), "{row} {member}");
        let anything = asking(member, json!([if member == "source" { "https://**/**" } else { "**" }]));
        let met = if value.is_some() { Ok(()) } else { Err(reason) };
        assert_eq!(judge(kind, predicate, &anything), met, "{row} {member}");
        if let Some(value) = value {
            all[member] = json!([value]);
            let longer =
                asking(member, json!([format!("{value}x"), format!("{}x", &value[..value.len() - 1])]));
            assert_eq!(judge(kind, predicate, &longer), Err(reason), "{row} {member}");
        }
    }
    let required = judge(kind, predicate, &asking("materials", json!("required")));
    assert_eq!(required, if said.materials > 0 { Ok(()) } else { Err(Reason::MaterialsMissing) }, "{row}");
    let base = judge(kind, predicate, &asking("base", json!(["**"])));
    assert_eq!(base, if said.base_images.is_empty() { Err(Reason::BaseMismatch) } else { Ok(()) }, "{row}");
    assert_eq!(judge(kind, predicate, &all), Ok(()), "{row}");

    for wrapped in [
        format!(r#"{{"SLSA":{predicate}}}"#),
        format!(r#"{{"linux/arm64":{{"SLSA":{{}}}},"linux/amd64/v1":{{"SLSA":{predicate}}}}}"#),
    ] {
        assert_eq!(judge(kind, &wrapped, &all), Ok(()), "{row}");
        // buildx does not say which version it prints.
        assert_eq!(judge(if kind == V02 { V1 } else { V02 }, &wrapped, &all), Ok(()), "{row}");
    }
    for (wrapped, reason) in [
        (format!(r#"{{"SLSA":{predicate},"x":1}}"#), Reason::PredicateMalformed),
        (format!(r#"{{"SLSA":{predicate},"SLSA":{predicate}}}"#), Reason::PayloadAmbiguous),
        (format!(r#"{{"linux/arm64":{{"SLSA":{predicate}}}}}"#), Reason::PlatformMissing),
        (format!(r#"{{"linux/amd64":{predicate}}}"#), Reason::PredicateMalformed),
    ] {
        assert_eq!(judge(kind, &wrapped, &all), Err(reason), "{row}");
    }
    let other = if kind == V02 { V1 } else { V02 };
    assert_eq!(judge(other, predicate, &all), Err(Reason::PredicateMalformed), "{row}");
    check_absence(sample, &all);
    said
}

/// Takes out of a sample one member after another that its condition asks about.
fn check_absence(sample: &Sample, all: &Value) {
    let whole: Value = serde_json::from_str(&sample.predicate).unwrap();
    let mut tried = 0;
    for (parent, member, reason) in [
        ("/builder", "id", Reason::BuilderMismatch),
        ("/runDetails/builder", "id", Reason::BuilderMismatch),
        ("", "buildType", Reason::BuildTypeMismatch),
        ("/buildDefinition", "buildType", Reason::BuildTypeMismatch),
        ("/invocation/configSource", "uri", Reason::SourceMismatch),
        ("/invocation/configSource/digest", "sha1", Reason::CommitMismatch),
        ("/invocation/configSource", "entryPoint", Reason::EntryPointMismatch),
        ("/buildDefinition/externalParameters/workflow", "repository", Reason::SourceMismatch),
        ("/buildDefinition/externalParameters/workflow", "path", Reason::EntryPointMismatch),
        ("/buildDefinition/externalParameters/source", "uri", Reason::SourceMismatch),
        ("/buildDefinition/externalParameters", "configPath", Reason::EntryPointMismatch),
        ("/buildDefinition/externalParameters", "buildConfigSource", Reason::SourceMismatch),
        ("/buildDefinition", "externalParameters", Reason::SourceMismatch),
    ] {
        for replacement in [None, Some(Value::Null), Some(json!("")), Some(json!(1))] {
            let mut mutated = whole.clone();
            let Some(members) = mutated.pointer_mut(parent).and_then(Value::as_object_mut) else { continue };
            if !members.get(member).is_some_and(|value| value != "") {
                continue;
            }
            match &replacement {
                None => drop(members.remove(member)),
                Some(value) => drop(members.insert(member.to_owned(), value.clone())),
            }
            let delegated = sample.predicate.contains("delegator-generic");
            // A delegated build keeps its source: that is no parameter.
            let reasons = match (member, delegated) {
                ("externalParameters", true) => continue,
                // Source and parameters of Google Cloud Build stand twice.
                ("buildConfigSource", _) => [reason, Reason::EntryPointMismatch],
                _ => [reason, reason],
            };
            tried += 1;
            match judge(sample.kind, &mutated.to_string(), all) {
                Err(Reason::PredicateMalformed) if replacement.is_some_and(|value| !value.is_null()) => {}
                Err(found) if reasons.contains(&found) => {}
                other => panic!("{}: without {parent}/{member}: {other:?}", sample.row),
            }
        }
    }
    assert!(tried > 0, "{}", sample.row);
}

#[test]
fn every_provenance_is_read_as_a_second_reader_reads_it() {
    let Some(corpora) = Corpora::at_hand("predicates_slsa") else { return };
    let mut counted = Vec::new();
    let mut seen = BTreeSet::new();
    let mut totals: BTreeMap<&str, usize> = BTreeMap::new();
    for (corpus, ..) in CORPORA {
        let (mut rows, mut v02, mut v1) = (0, 0, 0);
        for row in corpora.manifest(corpus) {
            let samples = samples(&corpora, &row);
            rows += usize::from(!samples.is_empty());
            for sample in samples {
                if !seen.insert((sample.kind, sample.predicate.clone())) {
                    continue;
                }
                let said = check(&sample);
                if sample.kind == V02 {
                    v02 += 1;
                } else {
                    v1 += 1;
                }
                for (what, there) in [
                    ("builder", said.builder.is_some()),
                    ("source", said.source.is_some()),
                    ("commit", said.commit.is_some()),
                    ("entry point", said.entry_point.is_some()),
                    ("time", said.made_at.is_some()),
                    ("materials", said.materials > 0),
                    ("images", !said.base_images.is_empty()),
                ] {
                    *totals.entry(what).or_default() += usize::from(there);
                }
            }
        }
        println!("{corpus}: {rows} rows hold provenance; {v02} of v0.2 and {v1} of v1 read and judged");
        counted.push((corpus, rows, v02, v1));
    }
    println!("of these have: {totals:?}");
    assert_eq!(counted, CORPORA);
}

#[test]
fn base_images_of_real_builds_are_judged_by_patterns() {
    let Some(corpora) = Corpora::at_hand("predicates_slsa") else { return };
    let mut builds = BTreeSet::new();
    for row in corpora.manifest("slsa-oci-att") {
        for sample in samples(&corpora, &row) {
            if !sample.predicate.contains("pkg:docker/golang") {
                continue;
            }
            builds.insert(sample.predicate.clone());
            let judged = |base: Value| judge(V02, &sample.predicate, &asking("base", base));
            let both = json!(["docker.io/library/golang:1.*@*", "gcr.io/distroless/static@*"]);
            assert_eq!(judged(both), Ok(()), "{}", sample.row);
            for one in [
                json!(["docker.io/library/golang@*"]),
                json!(["gcr.io/distroless/*@*"]),
                json!(["docker.io/**@*"]),
                json!(["docker.io/library/golang:2.*@*", "gcr.io/distroless/static@*"]),
                json!(["ghcr.io/library/golang@*", "gcr.io/distroless/static@*"]),
            ] {
                assert_eq!(judged(one.clone()), Err(Reason::BaseMismatch), "{} {one}", sample.row);
            }
        }
    }
    println!("slsa-oci-att: {} builds by BuildKit judged by their base images", builds.len());
    assert_eq!(builds.len(), 5);
}

#[test]
fn predicates_of_other_types_are_not_judged_as_provenance() {
    for kind in [
        "https://slsa.dev/provenance/v0.1",
        "https://slsa.dev/provenance/v1.0?draft",
        "https://spdx.dev/Document",
    ] {
        assert_eq!(judge(kind, "{\"builder\":{}}", &nothing()), Err(Reason::PredicateUnsupported));
        let known = with(kind, "{}", |attestation, context| {
            matches!(predicate::summarise(attestation, context), Some(Ok(predicate::Summary::Provenance(_))))
        });
        assert!(!known);
    }
}
