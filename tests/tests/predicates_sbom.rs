//! Others' package lists: every row of the corpora that is SPDX, `CycloneDX` or claims to be, read by the core and by an
//! independent reader over `serde_json`, which must see the same packages. The rows that are no package list must be
//! refused, with the words that say why.

#![expect(
    clippy::unwrap_used,
    reason = "a row that does not read fails its test; clippy excepts only functions marked as tests"
)]

use std::time::Instant;

use pullward_core::json::{self, Text, UnknownKeys};
use pullward_core::oci::Digest;
use pullward_core::predicate::packages::{self, Denied, Package, Place};
use pullward_core::predicate::{Attestation, Context};
use pullward_core::time::UnixTime;
use pullward_tests::Corpora;
use serde_json::{Value, json};

const SPDX: &str = "https://spdx.dev/Document";
const CYCLONEDX: &str = "https://cyclonedx.org/bom";

/// Rows that are refused, and the words of the finding.
const REFUSED: [(&str, &str); 4] = [
    ("bom-examples-VEX_CISA-Use-Cases_Case-2_vex.json", "its components cannot be read"),
    ("trivy-cyclonedx.json", "its components cannot be read"),
    ("trivy-csaf.json", "its format cannot be read"),
    ("bom-go-mod.spdx", "its package list, which is text inside of a string, cannot be read"),
];

/// Rows that are read, and in which a package cannot be compared with a list of denied ones.
const NOT_COMPARED: [(&str, &str); 2] = [
    ("policy-controller-examples_sboms_example.spdx.json", "its package name cannot be read"),
    ("trivy-invalid-purl.json", "its package URL cannot be read"),
];

/// A row as a predicate of its type.
struct Row {
    id: String,
    kind: String,
    predicate: String,
    facts: Value,
}

impl Row {
    fn read(corpora: &Corpora, row: &Value) -> Option<Self> {
        use base64::Engine as _;
        let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
        let bytes = corpora.bytes(row["inputs"]["file"].as_str()?);
        let file = String::from_utf8(bytes).unwrap();
        let (kind, predicate) = match row["kind"].as_str()? {
            "spdx-json" => (SPDX, file),
            "cyclonedx" | "cyclonedx-vex" | "csaf-vex" => (CYCLONEDX, file),
            // What `cosign attest --type spdx` makes of it.
            "spdx-tag-value" => (SPDX, Value::String(file).to_string()),
            "dsse-envelope-cyclonedx" => {
                let envelope: Value = serde_json::from_str(&file).unwrap();
                let payload = text(&envelope["payload"])?;
                let payload = base64::engine::general_purpose::STANDARD.decode(payload).unwrap();
                let statement: Value = serde_json::from_slice(&payload).unwrap();
                assert_eq!(statement["predicateType"], CYCLONEDX);
                (CYCLONEDX, statement["predicate"].to_string())
            }
            _ => return None,
        };
        Some(Self { id: text(&row["id"])?, kind: kind.into(), predicate, facts: row["facts"].clone() })
    }

    /// Runs something on the attestation.
    fn ask<T>(&self, run: impl FnOnce(&Attestation<'_>, &Context<'_>) -> T) -> T {
        let kind = format!("\"{}\"", self.kind);
        let attestation = Attestation {
            predicate_type: json::parse(kind.as_bytes()).unwrap().string().unwrap(),
            predicate: json::parse(self.predicate.as_bytes()).unwrap(),
        };
        let context = Context {
            time: UnixTime(1_795_525_200),
            digest: Digest::from_sha256([7; 32]),
            platform: "linux/amd64",
        };
        run(&attestation, &context)
    }

    fn judge(&self, condition: &Value) -> Result<(), String> {
        let condition = condition.to_string();
        let denied = Denied::read(json::parse(condition.as_bytes()).unwrap()).unwrap();
        self.ask(|attestation, context| {
            let words = |unmet: pullward_core::predicate::Unmet<'_>| {
                format!("{}: {}", unmet.reason.code(), unmet.finding)
            };
            denied.judge(attestation, context).map_err(words)
        })
    }

    fn is_one_of<'w>(&self, rows: &[(&str, &'w str)]) -> Option<&'w str> {
        rows.iter().find(|(name, _)| self.id.ends_with(name)).map(|(_, words)| *words)
    }
}

/// What both readers say of a package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    described: bool,
    name: String,
    version: String,
    purls: Vec<String>,
    licenses: Vec<String>,
}

fn by_the_core(row: &Row) -> Result<Vec<Seen>, String> {
    let decode = |text: Text<'_>| text.chars().collect::<String>();
    let mut seen = Vec::new();
    row.ask(|attestation, _| {
        packages::each(attestation, &mut |package: &Package<'_>| {
            seen.push(Seen {
                described: package.place == Place::Described,
                name: package.name.map(decode).unwrap_or_default(),
                version: package.version.map(decode).unwrap_or_default(),
                purls: package.purls().map(|purl| decode(purl.unwrap())).collect(),
                licenses: package.licenses().map(|license| decode(license.unwrap())).collect(),
            });
            Ok(())
        })
        .map_err(|unmet| unmet.finding.to_string())
    })?;
    Ok(seen)
}

fn independently(row: &Row) -> Vec<Seen> {
    let document: Value = serde_json::from_str(&row.predicate).unwrap();
    let mut seen = Vec::new();
    if row.kind == SPDX {
        seen.extend(document["packages"].as_array().unwrap().iter().map(of_spdx));
    } else {
        if let Some(described) = document["metadata"].get("component") {
            add_component(described, true, &mut seen);
        }
        for component in document["components"].as_array().unwrap() {
            add_component(component, false, &mut seen);
        }
    }
    seen
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn some<'v>(values: impl IntoIterator<Item = &'v Value>) -> Vec<String> {
    values.into_iter().filter_map(Value::as_str).filter(|s| !s.is_empty()).map(ToOwned::to_owned).collect()
}

fn list<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn of_spdx(package: &Value) -> Seen {
    let references = list(package, "externalRefs").filter(|reference| reference["referenceType"] == "purl");
    Seen {
        described: false,
        name: string(&package["name"]),
        version: string(&package["versionInfo"]),
        purls: some(references.map(|reference| &reference["referenceLocator"])),
        licenses: some([&package["licenseConcluded"], &package["licenseDeclared"]]),
    }
}

fn add_component(component: &Value, described: bool, seen: &mut Vec<Seen>) {
    let licenses = list(component, "licenses");
    seen.push(Seen {
        described,
        name: string(&component["name"]),
        version: string(&component["version"]),
        purls: some([&component["purl"]]),
        licenses: licenses
            .flat_map(|l| some([&l["expression"], &l["license"]["id"], &l["license"]["name"]]))
            .collect(),
    });
    for inner in list(component, "components") {
        add_component(inner, false, seen);
    }
}

fn rows(corpora: &Corpora) -> Vec<Row> {
    corpora.manifest("predicates").iter().filter_map(|row| Row::read(corpora, row)).collect()
}

#[test]
fn every_package_list_is_read_as_an_independent_reader_reads_it() {
    let Some(corpora) = Corpora::at_hand("predicates_sbom") else { return };
    let (mut read, mut refused, mut listed) = (0, 0, 0);
    for row in rows(&corpora) {
        let id = &row.id;
        let summary = row.ask(|attestation, context| {
            let words = |unmet: pullward_core::predicate::Unmet<'_>| unmet.finding.to_string();
            packages::summarise(attestation, context).map(|summary| summary.packages).map_err(words)
        });
        if let Some(words) = row.is_one_of(&REFUSED) {
            assert_eq!(summary.err().as_deref(), Some(words), "{id}");
            assert_eq!(by_the_core(&row).err().as_deref(), Some(words), "{id}");
            refused += 1;
            continue;
        }
        let count = summary.unwrap_or_else(|words| panic!("{id}: {words}"));
        let seen = by_the_core(&row).unwrap_or_else(|words| panic!("{id}: {words}"));
        assert_eq!(seen, independently(&row), "{id}");
        let in_list = seen.iter().filter(|seen| !seen.described).count();
        assert_eq!(usize::try_from(count).unwrap(), in_list, "{id}");
        for fact in ["packages", "components"] {
            if let Some(fact) = row.facts.get(fact).and_then(Value::as_u64) {
                assert_eq!(u64::from(count), fact, "{id}");
            }
        }
        println!("{id}: {count} packages");
        read += 1;
        listed += in_list;
    }
    println!("{read} package lists read with {listed} packages, {refused} refused");
    assert_eq!((read, refused), (20, 4));
    assert!(listed > 2000, "{listed}");
}

#[test]
fn every_package_of_them_can_be_denied_and_nothing_else_is() {
    let Some(corpora) = Corpora::at_hand("predicates_sbom") else { return };
    let (mut denied, mut passed, mut not_compared, mut empty) = (0, 0, 0, 0);
    let nothing = json!({
        "deny": [{"purl": "pkg:npm/no-such-package@*"}, {"name": "no-such-*", "version": "1.*"}],
        "licenses": ["No-Such-License*"],
    });
    for row in rows(&corpora).into_iter().filter(|row| row.is_one_of(&REFUSED).is_none()) {
        let id = &row.id;
        if let Some(words) = row.is_one_of(&NOT_COMPARED) {
            assert_eq!(row.judge(&nothing), Err(format!("predicate-malformed: {words}")), "{id}");
            not_compared += 1;
            continue;
        }
        let seen = independently(&row);
        if seen.iter().all(|seen| seen.described) {
            assert_eq!(row.judge(&nothing), Err("packages-missing: ".to_owned()), "{id}");
            empty += 1;
            continue;
        }
        assert_eq!(row.judge(&nothing), Ok(()), "{id}");
        passed += 1;
        // Some dozen of each: a verdict for each of all would be a minute.
        for package in seen.iter().step_by(seen.len().div_ceil(24).max(1)) {
            let version = Some(&package.version).filter(|version| !version.is_empty());
            let mut entries = vec![json!({"name": package.name, "version": version})];
            entries.extend(package.purls.iter().map(|purl| json!({"purl": purl})));
            for entry in entries {
                let verdict = row.judge(&json!({"deny": [entry], "licenses": []}));
                assert!(verdict.is_err_and(|words| words.starts_with("package-denied: ")), "{id}: {entry}");
                denied += 1;
            }
            for license in package.licenses.iter().filter(|license| !license.contains(' ')) {
                let verdict = row.judge(&json!({"deny": [], "licenses": [license]}));
                assert!(verdict.is_err_and(|words| words.starts_with("license-denied: ")), "{id}: {license}");
                denied += 1;
            }
        }
    }
    println!(
        "{denied} denials, {passed} lists passed, {not_compared} not compared, {empty} without a package"
    );
    assert_eq!((passed + empty, not_compared), (18, 2));
    assert!(empty > 0 && passed > 10, "{passed} {empty}");
    assert!(denied > 200, "{denied}");
}

#[test]
fn a_changed_byte_neither_panics_nor_is_read_in_two_ways() {
    let Some(corpora) = Corpora::at_hand("predicates_sbom") else { return };
    let context = Context {
        time: UnixTime(1_795_525_200),
        digest: Digest::from_sha256([7; 32]),
        platform: "linux/amd64",
    };
    let condition = json!({"deny": [{"purl": "pkg:**@no-such"}], "licenses": ["No-Such*"]}).to_string();
    let denied = Denied::read(json::parse(condition.as_bytes()).unwrap()).unwrap();
    let (mut read, mut refused, mut not_json) = (0, 0, 0);
    for mut row in rows(&corpora).into_iter().filter(|row| row.predicate.len() < 25_000) {
        if row.predicate.starts_with('"') {
            continue;
        }
        // Structure is what matters: every byte of it is in the smaller rows, and the longer ones repeat it.
        let mut bytes = std::mem::take(&mut row.predicate).into_bytes();
        let kind = format!("\"{}\"", row.kind);
        let predicate_type = json::parse(kind.as_bytes()).unwrap().string().unwrap();
        for at in (0..bytes.len()).step_by(bytes.len().div_ceil(1500)) {
            let before = bytes[at];
            for byte in *b"\"{}[],:\\ x" {
                bytes[at] = byte;
                let Ok(predicate) = json::parse(&bytes) else {
                    not_json += 1;
                    continue;
                };
                let attestation = Attestation { predicate_type, predicate };
                let judged = denied.judge(&attestation, &context);
                let summary = packages::summarise(&attestation, &context);
                // What the judge reads, people can be shown, but for a time without a zone.
                let shown = packages::each(&attestation, &mut |_| Ok(()));
                assert!(judged.is_err() || shown.is_ok(), "{} at {at}", row.id);
                if judged.is_ok() && summary.is_ok() { read += 1 } else { refused += 1 }
            }
            bytes[at] = before;
        }
    }
    println!("{read} changed lists read, {refused} refused, {not_json} no JSON");
    assert!(read > 1000 && refused > 1000 && not_json > 1000, "{read} {refused} {not_json}");
}

/// A list of `count` packages with as many spellings of one license.
fn large(count: usize) -> Row {
    let component = |n: usize| {
        json!({"type": "library", "name": format!("package-{n}"), "version": format!("1.{n}.0"),
               "purl": format!("pkg:npm/%40scope-{}/package-{n}@1.{n}.0?arch=amd64", n % 50),
               "licenses": [{"license": {"id": format!("License-{}", n % 300)}}]})
    };
    let components: Vec<Value> = (0..count).map(component).collect();
    let document = json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": components});
    Row { id: "large".into(), kind: CYCLONEDX.into(), predicate: document.to_string(), facts: Value::Null }
}

#[test]
fn a_thousand_denied_packages_in_ten_thousand_do_not_multiply() {
    let row = large(10_000);
    let exact: Vec<Value> = (0..1000).map(|n| json!({"purl": format!("pkg:npm/bad-{n}@1.*")})).collect();
    let suffix: Vec<Value> =
        (0..1000).map(|n| json!({"name": format!("*-bad-{n}"), "version": null})).collect();
    let licenses: Vec<String> = (0..1000).map(|n| format!("Bad-{n}*")).collect();
    for (what, deny) in [("exact", exact), ("with a star in front", suffix)] {
        let begin = Instant::now();
        assert_eq!(row.judge(&json!({"deny": deny, "licenses": licenses})), Ok(()));
        println!("1,000 {what} against {} bytes: {:?}", row.predicate.len(), begin.elapsed());
        // Debug builds take some 30 times longer than what a node runs.
        assert!(begin.elapsed().as_secs() < 60, "{what}: {:?}", begin.elapsed());
    }
}

#[test]
fn a_statements_predicate_is_read_where_it_stands() {
    // The predicate is a part of a text that was scanned whole, between members that nobody reads here.
    let row = large(3);
    let statement = format!(r#"{{"a":[{{}}],"predicate":{},"z":"components"}}"#, row.predicate);
    let value = json::parse(statement.as_bytes()).unwrap();
    let [predicate] = value.object().unwrap().fields(["predicate"], UnknownKeys::Skip).unwrap();
    let kind = format!("\"{CYCLONEDX}\"");
    let attestation = Attestation {
        predicate_type: json::parse(kind.as_bytes()).unwrap().string().unwrap(),
        predicate: predicate.unwrap(),
    };
    let mut names = Vec::new();
    packages::each(&attestation, &mut |package| {
        names.extend(package.name.map(Text::raw));
        Ok(())
    })
    .unwrap();
    assert_eq!(names, ["package-0", "package-1", "package-2"]);
}
