use super::{Lookups, hash};
use crate::json::parse;
use crate::limits;
use crate::predicate::Unmet;
use crate::predicate::packages::testing::{listed, summary};

use core::cell::Cell;

extern crate std;
use std::format;
use std::string::String;
use std::vec::Vec;

const DOCUMENT: &str =
    r#"{"type":"SpdxDocument","spdxId":"https://x/doc","creationInfo":"_:c","rootElement":["https://x/p1"]}"#;
const CREATION: &str = r#"{"type":"CreationInfo","@id":"_:c","specVersion":"3.0.1","created":"2026-01-02T03:04:05Z","createdUsing":["https://x/tool"]}"#;

fn graph(elements: &[&str]) -> String {
    let all: Vec<&str> = [DOCUMENT, CREATION].iter().chain(elements).copied().collect();
    format!(r#"{{"@context":"https://spdx.org/rdf/3.0.1/spdx-context.jsonld","@graph":[{}]}}"#, all.join(","))
}

fn package(id: &str) -> String {
    format!(r#"{{"type":"software_Package","spdxId":"https://x/{id}","name":"{id}"}}"#)
}

fn license(id: &str, expression: &str) -> String {
    format!(
        r#"{{"type":"simplelicensing_LicenseExpression","spdxId":"https://x/{id}","simplelicensing_licenseExpression":"{expression}"}}"#
    )
}

fn relation(kind: &str, from: &str, to: &str) -> String {
    format!(
        r#"{{"type":"Relationship","spdxId":"https://x/r","relationshipType":"{kind}","from":"https://x/{from}","to":{to}}}"#
    )
}

#[test]
fn packages_are_joined_to_their_licences_wherever_these_stand() {
    let text = graph(&[
        &relation("hasConcludedLicense", "p1", r#"["https://x/l1"]"#),
        &license("l1", "MIT"),
        r#"{"type":"software_Package","spdxId":"https://x/p1","name":"p1","software_packageVersion":"1.0",
            "software_packageUrl":"pkg:npm/p1@1.0","externalIdentifier":[
              {"type":"ExternalIdentifier","externalIdentifierType":"cpe23","identifier":"cpe:2.3:a:p:p"},
              {"type":"ExternalIdentifier","externalIdentifierType":"packageUrl","identifier":"pkg:npm/p-one"}]}"#,
        r#"{"@type":"software_Package","@id":"https:\/\/x/p2","name":"p2"}"#,
        &relation("hasDeclaredLicense", "p1", r#""https://x/l2""#),
        &relation("hasDeclaredLicense", "p2", r#"["https://x/l2","https://spdx.org/licenses/ISC"]"#),
        &relation("dependsOn", "p2", r#"["https://x/p1"]"#),
        &license("l2", "Zlib AND BSD-3-Clause"),
        r#"{"type":"ai_AIPackage","spdxId":"https://x/p3","name":"p3"}"#,
        r#"{"type":"software_File","spdxId":"https://x/f","name":"f"}"#,
        &relation("hasDeclaredLicense", "f", r#"["https://x/l1"]"#),
    ]);
    assert_eq!(
        listed(&text).unwrap(),
        [
            "p1 1.0 [pkg:npm/p1@1.0 pkg:npm/p-one] [MIT, Zlib AND BSD-3-Clause]",
            "p2 - [] [Zlib AND BSD-3-Clause, ISC]",
            "p3 - [] []",
        ]
    );
}

#[test]
fn packages_beyond_one_batch_find_their_licences() {
    let count = limits::SPDX3_BATCH * 2 + 1;
    let mut elements = Vec::new();
    for n in 0..count {
        elements.push(package(&format!("p{n}")));
        elements.push(relation(
            "hasDeclaredLicense",
            &format!("p{n}"),
            &format!(r#"["https://x/l{}"]"#, n % 7),
        ));
    }
    elements.extend((0..7).map(|n| license(&format!("l{n}"), &format!("License-{n}"))));
    let elements: Vec<&str> = elements.iter().map(String::as_str).collect();
    let lines = listed(&graph(&elements)).unwrap();
    assert_eq!(lines.len(), count);
    for (n, line) in lines.iter().enumerate() {
        assert_eq!(*line, format!("p{n} - [] [License-{}]", n % 7));
    }
}

#[test]
fn licences_that_are_not_expressions_have_a_name() {
    for (element, says) in [
        (
            r#"{"type":"expandedlicensing_ListedLicense","spdxId":"https://spdx.org/licenses/GPL-3.0-only","name":"GNU"}"#,
            "GPL-3.0-only",
        ),
        (
            r#"{"type":"expandedlicensing_CustomLicense","spdxId":"https://x/own","name":"Our Own"}"#,
            "Our Own",
        ),
        (r#"{"type":"simplelicensing_SimpleLicensingText","spdxId":"https://x/own","name":"Text"}"#, "Text"),
    ] {
        let id = if element.contains("Listed") {
            "https://spdx.org/licenses/GPL-3.0-only"
        } else {
            "https://x/own"
        };
        let to = format!("[\"{id}\"]");
        let text = graph(&[&package("p"), element, &relation("hasDeclaredLicense", "p", &to)]);
        assert_eq!(listed(&text).unwrap(), [format!("p - [] [{says}]")]);
    }
    for none in [
        "https://spdx.org/rdf/3.0.1/terms/Core/NoneElement",
        "https://spdx.org/rdf/3.0.1/terms/Core/NoAssertionElement",
        "https://spdx.org/rdf/3.0.1/terms/ExpandedLicensing/NoAssertionLicense",
        "expandedlicensing_NoneLicense",
    ] {
        let text = graph(&[&package("p"), &relation("hasDeclaredLicense", "p", &format!("[\"{none}\"]"))]);
        assert_eq!(listed(&text).unwrap(), ["p - [] []"], "{none}");
    }
}

#[test]
fn licences_that_cannot_be_found_are_malformed() {
    let five = ["\"https://spdx.org/licenses/MIT\""; 5].join(",");
    for (element, what) in [
        (relation("hasDeclaredLicense", "p", r#"["https://x/nowhere"]"#), "licence"),
        (relation("hasDeclaredLicense", "p", r#"["https://x/p"]"#), "licence"),
        (relation("hasDeclaredLicense", "p", &format!("[{five}]")), "licences of one package"),
        (
            relation("hasDeclaredLicense", "p", r#"[{"type":"simplelicensing_LicenseExpression"}]"#),
            "reference to an element",
        ),
        (relation("hasDeclaredLicense", "p", "null"), "predicate"),
        (r#"{"type":"Relationship","from":"https://x/p"}"#.into(), "relationshipType"),
        (r#"{"type":"Relationship","relationshipType":"hasDeclaredLicense"}"#.into(), "from"),
        (r#"{"type":"Relationship","relationshipType":"hasDeclaredLicense","from":{}}"#.into(), "predicate"),
        (r#"{"type":"simplelicensing_LicenseExpression"}"#.into(), "spdxId"),
    ] {
        assert_eq!(listed(&graph(&[&package("p"), &element])), Err(Unmet::malformed(what)), "{element}");
    }
    let empty = r#"{"type":"simplelicensing_LicenseExpression","spdxId":"https://x/l"}"#;
    let text = graph(&[&package("p"), empty, &relation("hasDeclaredLicense", "p", r#"["https://x/l"]"#)]);
    assert_eq!(listed(&text), Err(Unmet::malformed("licence")));
    let many: Vec<String> = (0..=limits::SPDX3_LICENSES).map(|n| license(&format!("l{n}"), "MIT")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(listed(&graph(&many)), Err(Unmet::malformed("number of licences")));
    assert_eq!(listed(&graph(&many[1..])), Ok(Vec::new()));
}

#[test]
fn the_summary_is_of_the_documents_creation() {
    let other =
        r#"{"type":"CreationInfo","@id":"_:other","specVersion":"3.0.1","created":"2020-01-01T00:00:00Z"}"#;
    let tool = r#"{"type":"Tool","spdxId":"https://x/tool","name":"maker"}"#;
    assert_eq!(
        summary(&graph(&[other, tool, &package("p")])).unwrap(),
        "1 SPDX 3.0.1 2026-01-02T03:04:05Z maker"
    );
}

#[test]
fn other_contexts_nested_elements_and_graphs_without_their_document_are_refused() {
    let good = graph(&[&package("p")]);
    assert!(summary(&good).is_ok());
    for (from, to, what) in [
        ("https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "https://x/context.jsonld", "@context"),
        (
            "\"https://spdx.org/rdf/3.0.1/spdx-context.jsonld\"",
            "{\"Thing\":\"software_Package\"}",
            "@context",
        ),
        ("\"@context\"", "\"@other\"", "@context"),
        ("\"SpdxDocument\"", "\"software_Sbom\"", "SpdxDocument"),
        ("\"SpdxDocument\"", "\"https://spdx.org/rdf/3.0.1/terms/Core/SpdxDocument\"", "type"),
        ("\"SpdxDocument\"", "\"spdxDocument\"", "SpdxDocument"),
        ("\"creationInfo\":\"_:c\"", "\"creationInfo\":\"_:other\"", "CreationInfo"),
        ("\"creationInfo\":\"_:c\",", "", "creationInfo"),
        (
            "[\"https://x/p1\"]",
            "[{\"type\":\"software_Package\",\"name\":\"hidden\"}]",
            "reference to an element",
        ),
        ("[\"https://x/p1\"]", "{\"type\":\"software_Package\",\"name\":\"hidden\"}", "predicate"),
        ("\"3.0.1\"", "\"3.1\"", "specVersion"),
        ("\"specVersion\":\"3.0.1\",", "", "specVersion"),
        ("\"type\":\"software_Package\",", "", "type"),
        ("\"type\":\"software_Package\"", "\"type\":[\"software_Package\"]", "predicate"),
        ("\"software_Package\"", "\"software:Package\"", "type"),
        ("\"software_Package\"", "\"https://spdx.org/rdf/3.0.1/terms/Software/Package\"", "type"),
        ("\"software_Package\"", "\"Software_Package\"", "type"),
        ("\"software_Package\"", "\"software_Package\",\"to\":[{}]", "reference to an element"),
        ("\"@graph\":[", "\"@graph\":[[],", "predicate"),
        ("\"@graph\":[", "\"@graph\":[{\"type\":\"SpdxDocument\",\"creationInfo\":\"_:c\"},", "SpdxDocument"),
        ("\"@graph\":[", "\"@graph\":[{\"type\":\"CreationInfo\",\"@id\":\"_:c\"},", "CreationInfo"),
    ] {
        assert!(good.contains(from), "{from}");
        assert_eq!(summary(&good.replacen(from, to, 1)), Err(Unmet::malformed(what)), "{from} {to}");
    }
    let twins =
        good.replacen("\"type\":\"software_Package\"", "\"type\":\"x\",\"@type\":\"software_Package\"", 1);
    assert_eq!(summary(&twins).map_err(|unmet| unmet.reason), Err(crate::verdict::Reason::PayloadAmbiguous));
}

/// FNV-1a has no secret, so a document can have as many ids of one hash as it likes: they are told apart, at a price.
#[test]
fn ids_of_one_hash_are_told_apart_as_long_as_there_are_not_too_many() {
    let name = |n: u32| format!("{:08x}", n.wrapping_mul(0x9e37_79b9));
    let hash_of = |n: u32| {
        let id = format!(r#""https://x/{}""#, name(n));
        hash(parse(id.as_bytes()).unwrap().string().unwrap())
    };
    let mut hashes: Vec<(u32, u32)> = (0..300_000).map(|n| (hash_of(n), n)).collect();
    hashes.sort_unstable();
    let twins = hashes.windows(2).find(|pair| pair[0].0 == pair[1].0).unwrap();
    let [one, other] = [0, 1].map(|place| name(twins[place].1));
    let text = graph(&[
        &package(&one),
        &package(&other),
        &relation("hasDeclaredLicense", &other, r#""https://spdx.org/licenses/MIT""#),
    ]);
    assert_eq!(listed(&text).unwrap(), [format!("{one} - [] []"), format!("{other} - [] [MIT]")]);

    let lookups = Lookups { left: Cell::new(5) };
    let small = parse(b"{}").unwrap();
    let large = format!(r#""{}""#, "a".repeat(200));
    assert_eq!(lookups.spend(small), Ok(()));
    assert_eq!(lookups.spend(parse(large.as_bytes()).unwrap()), Ok(()));
    assert_eq!(lookups.spend(small), Err(Unmet::malformed("ids, too many of which have one hash,")));
}
