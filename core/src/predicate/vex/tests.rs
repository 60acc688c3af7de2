//! Claims about documents, each with its counterexamples.

use super::{Claim, Suspect, claims, summarise};
use crate::json::{Text, parse};
use crate::limits;
use crate::oci::Digest;
use crate::predicate::{Attestation, Context, Unmet};
use crate::time::UnixTime;
use crate::verdict::Reason;

extern crate std;
use std::format;
use std::string::{String, ToString as _};
use std::vec::Vec;

const TYPE: &str = r#""https://openvex.dev/ns""#;

fn text(json: &str) -> Text<'_> {
    parse(json.as_bytes()).unwrap().string().unwrap()
}

fn digest() -> Digest {
    Digest::of(b"image")
}

fn context() -> Context<'static> {
    Context {
        time: UnixTime::parse("2026-06-01T00:00:00Z").unwrap(),
        digest: digest(),
        platform: "linux/amd64",
    }
}

fn read_type(kind: &str, document: &str) -> Result<Vec<Claim>, (Reason, String)> {
    let attestation =
        Attestation { predicate_type: text(kind), predicate: parse(document.as_bytes()).unwrap() };
    let mut found = Vec::new();
    claims(&attestation, &context(), &mut |claim| {
        found.push(claim);
        Ok(())
    })
    .map_err(|unmet| (unmet.reason, unmet.finding.to_string()))?;
    Ok(found)
}

fn document(statements: &[&str]) -> String {
    format!(
        r#"{{"@context":"https://openvex.dev/ns/v0.2.0","@id":"x","author":"me","timestamp":"2026-05-01T00:00:00Z","version":1,"statements":[{}]}}"#,
        statements.join(",")
    )
}

fn read(statements: &[&str]) -> Result<Vec<Claim>, (Reason, String)> {
    read_type(TYPE, &document(statements))
}

/// Whether statements remove a finding of this vulnerability in this package.
fn removes(statements: &[&str], id: &str, purl: Option<&str>) -> bool {
    let (id, purl) = (format!("\"{id}\""), purl.map(|purl| format!("\"{purl}\"")));
    let suspect = Suspect::new(text(&id), purl.as_deref().map(text));
    read(statements).unwrap().iter().any(|claim| claim.excuses(&suspect))
}

/// A statement about CVE-1; `more` are further members.
fn statement(status: &str, more: &str) -> String {
    let reason = if status == "not_affected" { r#","justification":"component_not_present""# } else { "" };
    format!(r#"{{"vulnerability":{{"name":"CVE-1"}},"status":"{status}"{reason}{more}}}"#)
}

fn products(list: &str) -> String {
    format!(r#","products":[{list}]"#)
}

fn this_image() -> String {
    format!("pkg:oci/app@sha256%3A{}", digest().hex())
}

const SSL: &str = "pkg:apk/alpine/libssl3@3.0.8-r3?arch=x86_64";

fn malformed<T>(what: &str) -> Result<T, (Reason, String)> {
    Err((Reason::PredicateMalformed, format!("its {what} cannot be read")))
}

#[test]
fn not_affected_and_fixed_remove_and_nothing_else_does() {
    for (status, removed) in
        [("not_affected", true), ("fixed", true), ("affected", false), ("under_investigation", false)]
    {
        assert_eq!(removes(&[&statement(status, "")], "CVE-1", Some(SSL)), removed, "{status}");
        assert_eq!(removes(&[&statement(status, "")], "CVE-1", None), removed, "{status}");
    }
    assert!(!removes(&[&statement("fixed", "")], "CVE-11", None));
    assert!(!removes(&[&statement("fixed", "")], "cve-1", None));
}

#[test]
fn not_affected_needs_a_reason() {
    for (more, removed) in [
        (r#","justification":"vulnerable_code_not_present""#, true),
        (r#","impact_statement":"removed before packaging""#, true),
        (r#","justification":"inline_mitigations_already_exist","impact_statement":"x""#, true),
        ("", false),
        (r#","justification":"","impact_statement":"""#, false),
        (r#","justification":null"#, false),
        (r#","justification":"because""#, false),
        (r#","justification":"because","impact_statement":"x""#, false),
        (r#","status_notes":"fine""#, false),
    ] {
        let statement = format!(r#"{{"vulnerability":{{"name":"CVE-1"}},"status":"not_affected"{more}}}"#);
        assert_eq!(removes(&[&statement], "CVE-1", None), removed, "{more}");
    }
}

#[test]
fn every_name_of_a_vulnerability_counts() {
    let statement = r#"{"vulnerability":{"@id":"https://x/CVE-1","name":"CVE-1","aliases":["GHSA-1","DSA-1"]},"status":"fixed"}"#;
    for name in ["CVE-1", "GHSA-1", "DSA-1", "https://x/CVE-1", "CVE\\u002d1"] {
        assert!(removes(&[statement], name, None), "{name}");
    }
    assert!(!removes(&[statement], "GHSA-2", None));
    assert!(removes(&[r#"{"vulnerability":"CVE-1","status":"fixed"}"#], "CVE-1", None));
    assert!(removes(&[r#"{"vulnerability":{"name":"CVE\u002d1"},"status":"fixed"}"#], "CVE-1", None));
}

#[test]
fn a_product_that_is_this_image_removes_for_the_whole_image() {
    let hex = digest().hex();
    for product in [
        format!(r#"{{"@id":"{}"}}"#, this_image()),
        format!(r#""{}""#, this_image()),
        format!(r#"{{"identifiers":{{"purl":"{}"}}}}"#, this_image()),
        format!(r#"{{"@id":"https://example.com/app","identifiers":{{"purl":"{}"}}}}"#, this_image()),
        format!(r#"{{"hashes":{{"sha-256":"{hex}"}}}}"#),
        format!(r#"{{"@id":"pkg:oci/app","hashes":{{"sha-256":"{hex}"}}}}"#),
        format!(r#"{{"@id":"{}","hashes":{{"sha-256":"{hex}"}},"subcomponents":[]}}"#, this_image()),
    ] {
        let statement = statement("fixed", &products(&product));
        assert!(removes(&[&statement], "CVE-1", Some(SSL)), "{product}");
        assert!(removes(&[&statement], "CVE-1", None), "{product}");
    }
}

#[test]
fn a_product_that_is_something_else_removes_nothing() {
    let (other, hex) = (Digest::of(b"other").hex(), digest().hex());
    for product in [
        format!(r#"{{"@id":"pkg:oci/app@sha256%3A{other}"}}"#),
        format!(r#"{{"@id":"pkg:oci/app@sha512%3A{hex}"}}"#),
        format!(r#"{{"@id":"pkg:oci/app@sha256%3A{}"}}"#, hex.to_uppercase()),
        r#"{"@id":"pkg:oci/app"}"#.into(),
        r#"{"@id":"pkg:oci/app@1.0"}"#.into(),
        r#"{"@id":"https://example.com/app"}"#.into(),
        format!(r#"{{"@id":"app@sha256:{hex}"}}"#),
        "{}".into(),
        r#"{"identifiers":{"cpe23":"cpe:2.3:a:x:y:1:*:*:*:*:*:*:*"}}"#.into(),
        format!(r#"{{"hashes":{{"sha-256":"{other}"}}}}"#),
        format!(r#"{{"hashes":{{"sha-512":"{hex}","md5":"{hex}"}}}}"#),
        // Two that contradict each other.
        format!(r#"{{"@id":"{}","hashes":{{"sha-256":"{other}"}}}}"#, this_image()),
        format!(r#"{{"@id":"{}","identifiers":{{"purl":"pkg:oci/app@sha256%3A{other}"}}}}"#, this_image()),
        format!(r#"{{"@id":"{}","identifiers":{{"purl":"{SSL}"}}}}"#, this_image()),
        format!(r#"{{"@id":"{SSL}","identifiers":{{"purl":"pkg:apk/alpine/libcrypto3@3"}}}}"#),
    ] {
        let statement = statement("fixed", &products(&product));
        assert!(!removes(&[&statement], "CVE-1", Some(SSL)), "{product}");
        assert!(!removes(&[&statement], "CVE-1", None), "{product}");
    }
    // A list of no products is not every product.
    assert!(!removes(&[&statement("fixed", r#","products":[]"#)], "CVE-1", None));
    assert!(removes(&[&statement("fixed", r#","products":null"#)], "CVE-1", None));
}

#[test]
fn a_package_narrows_a_claim_to_itself() {
    let image = this_image();
    for product in [
        r#"{"@id":"pkg:apk/alpine/libssl3@3.0.8-r3"}"#.into(),
        format!(r#"{{"@id":"{SSL}"}}"#),
        format!(r#"{{"@id":"{image}","subcomponents":[{{"@id":"pkg:apk/alpine/libssl3@3.0.8-r3"}}]}}"#),
        format!(
            r#"{{"@id":"{image}","subcomponents":[{{"@id":"pkg:apk/alpine/x@1"}},"pkg:apk/alpine/libssl3"]}}"#
        ),
    ] {
        let statement = statement("fixed", &products(&product));
        assert!(removes(&[&statement], "CVE-1", Some(SSL)), "{product}");
        assert!(!removes(&[&statement], "CVE-1", Some("pkg:apk/alpine/libcrypto3@3.0.8-r3")), "{product}");
        assert!(!removes(&[&statement], "CVE-1", Some("pkg:apk/wolfi/libssl3@3.0.8-r3")), "{product}");
        // A finding that does not say which package it is in is not this one.
        assert!(!removes(&[&statement], "CVE-1", None), "{product}");
        assert!(!removes(&[&statement], "CVE-2", Some(SSL)), "{product}");
    }
    for product in [
        format!(r#"{{"@id":"{image}","subcomponents":[{{"@id":"openssl"}}]}}"#),
        format!(r#"{{"@id":"{image}","subcomponents":[{{}}]}}"#),
        format!(r#"{{"@id":"{image}","subcomponents":[{{"@id":"{image}"}}]}}"#),
        r#"{"@id":"pkg:apk/alpine/libssl3@3.0.8-r4"}"#.into(),
        r#"{"@id":"pkg:apk/alpine/libssl3?arch=aarch64"}"#.into(),
        // Inside another image, or inside a package.
        format!(r#"{{"@id":"pkg:oci/app","subcomponents":[{{"@id":"{SSL}"}}]}}"#),
        format!(r#"{{"@id":"https://x","subcomponents":[{{"@id":"{SSL}"}}]}}"#),
        format!(r#"{{"@id":"pkg:maven/a/b@1","subcomponents":[{{"@id":"{SSL}"}}]}}"#),
    ] {
        assert!(!removes(&[&statement("fixed", &products(&product))], "CVE-1", Some(SSL)), "{product}");
    }
}

#[test]
fn a_later_statement_takes_a_removal_back() {
    let at =
        |status: &str, time: &str, more: &str| statement(status, &format!(r#","timestamp":"{time}"{more}"#));
    let (early, late) = ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z");
    for back in ["affected", "under_investigation"] {
        // By time, whichever stands first.
        assert!(!removes(&[&at("fixed", early, ""), &at(back, late, "")], "CVE-1", None));
        assert!(!removes(&[&at(back, late, ""), &at("fixed", early, "")], "CVE-1", None));
        assert!(removes(&[&at("fixed", late, ""), &at(back, early, "")], "CVE-1", None));
        assert!(removes(&[&at(back, early, ""), &at("fixed", late, "")], "CVE-1", None));
        // Without times, and at one time, by place.
        assert!(!removes(&[&statement("fixed", ""), &statement(back, "")], "CVE-1", None));
        assert!(removes(&[&statement(back, ""), &statement("fixed", "")], "CVE-1", None));
        assert!(!removes(&[&at("fixed", early, ""), &at(back, early, "")], "CVE-1", None));
        // The document's time is that of its statements.
        assert!(removes(&[&statement("fixed", ""), &at(back, late, "")], "CVE-1", None));
        // And again.
        let again = [&*at("fixed", early, ""), &at(back, late, ""), &at("fixed", "2026-03-01T00:00:00Z", "")];
        assert!(removes(&again, "CVE-1", None));
    }
    // About another vulnerability nothing is taken back.
    let other = statement("affected", "").replace("CVE-1", "CVE-2");
    assert!(removes(&[&statement("fixed", ""), &other], "CVE-1", None));
}

#[test]
fn what_is_taken_back_is_taken_back_under_every_name() {
    let fixed = r#"{"vulnerability":{"name":"CVE-1","aliases":["GHSA-1"]},"status":"fixed"}"#;
    for back in [statement("affected", ""), statement("affected", "").replace("CVE-1", "GHSA-1")] {
        for name in ["CVE-1", "GHSA-1"] {
            assert!(!removes(&[fixed, &back], name, None), "{name}");
        }
    }
}

#[test]
fn taking_back_reaches_what_may_be_the_same_thing() {
    let image = this_image();
    let (other, hex) = (Digest::of(b"other").hex(), digest().hex());
    let part =
        format!(r#"{{"@id":"{image}","subcomponents":[{{"@id":"pkg:apk/alpine/libssl3@3.0.8-r3"}}]}}"#);
    let whole = format!(r#"{{"@id":"{image}"}}"#);
    let contradiction = format!(r#"{{"@id":"pkg:oci/app@sha256%3A{other}","hashes":{{"sha-256":"{hex}"}}}}"#);
    for (removal, back, removed) in [
        (&*whole, &*whole, false),
        (&whole, &part, false),
        (&part, &whole, false),
        (&part, &part, false),
        (&part, r#"{"@id":"pkg:apk/alpine/libssl3"}"#, false),
        (&part, r#"{"@id":"pkg:apk/alpine/libssl3@3.0.8-r3?arch=aarch64"}"#, false),
        (&part, r#"{"@id":"pkg:oci/app"}"#, false),
        (&whole, r#"{"@id":"pkg:maven/a/b@1","subcomponents":[{"@id":"pkg:maven/c/d@1"}]}"#, false),
        (&part, r#"{"@id":"pkg:apk/alpine/libcrypto3"}"#, true),
        (&part, r#"{"@id":"pkg:apk/alpine/libssl3@3.0.8-r4"}"#, true),
        (&part, r#"{"@id":"https://example.com/app"}"#, true),
    ] {
        let (fixed, affected) =
            (statement("fixed", &products(removal)), statement("affected", &products(back)));
        assert_eq!(removes(&[&fixed, &affected], "CVE-1", Some(SSL)), removed, "{removal} {back}");
    }
    // Another image's, by digest, are not ours; a product that contradicts itself may be.
    let (fixed, elsewhere) = (
        statement("fixed", &products(&whole)),
        statement("affected", &products(&format!(r#"{{"@id":"pkg:oci/app@sha256%3A{other}"}}"#))),
    );
    assert!(removes(&[&fixed, &elsewhere], "CVE-1", None));
    let contradiction = format!(r#"{contradiction}, {{"@id":"{image}","hashes":{{"sha-256":"{other}"}}}}"#);
    assert!(!removes(&[&fixed, &statement("affected", &products(&contradiction))], "CVE-1", None));
}

#[test]
fn a_removal_from_the_future_does_not_count_yet() {
    for (time, removed) in [
        ("2026-06-01T00:00:00Z", true),
        ("2026-06-01T02:00:00+02:00", true),
        ("2026-06-01T00:00:01Z", false),
        ("2027-01-01T00:00:00Z", false),
    ] {
        let fixed = statement("fixed", &format!(r#","timestamp":"{time}""#));
        assert_eq!(removes(&[&fixed], "CVE-1", None), removed, "{time}");
    }
    // What takes back counts at once.
    let affected = statement("affected", r#","timestamp":"2027-01-01T00:00:00Z""#);
    assert!(!removes(&[&affected, &statement("fixed", "")], "CVE-1", None));
}

#[test]
fn statements_without_any_time_are_in_doubt_taken_back() {
    let untimed = |statements: &[&str]| {
        let text = document(statements).replace(r#""timestamp":"2026-05-01T00:00:00Z","#, "");
        read_type(TYPE, &text).unwrap().len()
    };
    assert_eq!(untimed(&[&statement("fixed", "")]), 1);
    assert_eq!(untimed(&[&statement("affected", ""), &statement("fixed", "")]), 0);
    assert_eq!(untimed(&[&statement("fixed", ""), &statement("affected", "")]), 0);
}

#[test]
fn a_document_that_is_no_openvex_removes_nothing() {
    let good = document(&[&statement("fixed", "")]);
    assert_eq!(read_type(TYPE, &good).unwrap().len(), 1);
    for (from, to, what) in [
        (r#""@context":"https://openvex.dev/ns/v0.2.0","#, "", "@context"),
        ("https://openvex.dev/ns/v0.2.0", "https://openvex.dev/ns/v0.3.0", "@context"),
        ("https://openvex.dev/ns/v0.2.0", "https://openvex.dev/nsx", "@context"),
        (r#""https://openvex.dev/ns/v0.2.0""#, "1", "@context"),
        (r#""statements":["#, r#""claims":["#, "statements"),
        (r#""statements":["#, r#""statements":[1,"#, "statements"),
        (r#""statements":["#, r#""statements":null,"x":["#, "statements"),
        (r#""statements":["#, r#""statements":{},"x":["#, "statements"),
        (r#""status":"fixed""#, r#""status":"Fixed""#, "status"),
        (r#""status":"fixed""#, r#""status":"resolved""#, "status"),
        (r#""status":"fixed""#, r#""x":1"#, "status"),
        (r#""status":"fixed""#, r#""status":true"#, "status"),
        (r#""vulnerability":{"name":"CVE-1"}"#, r#""x":1"#, "vulnerability"),
        (r#"{"name":"CVE-1"}"#, "{}", "vulnerability"),
        (r#"{"name":"CVE-1"}"#, "[]", "vulnerability"),
        (r#"{"name":"CVE-1"}"#, r#"{"name":""}"#, "vulnerability"),
        (r#"{"name":"CVE-1"}"#, r#"{"name":1}"#, "name"),
        (r#"{"name":"CVE-1"}"#, r#"{"name":"CVE-1","aliases":"x"}"#, "aliases"),
        (r#"{"name":"CVE-1"}"#, r#"{"name":"CVE-1","aliases":[1]}"#, "aliases"),
        (r#""status":"fixed""#, r#""status":"fixed","products":{}"#, "products"),
        (r#""status":"fixed""#, r#""status":"fixed","products":[1]"#, "products"),
        (r#""status":"fixed""#, r#""status":"fixed","products":[{"@id":1}]"#, "@id"),
        (r#""status":"fixed""#, r#""status":"fixed","products":[{"hashes":[]}]"#, "hashes"),
        (r#""status":"fixed""#, r#""status":"fixed","products":[{"subcomponents":{}}]"#, "subcomponents"),
        (r#""status":"fixed""#, r#""status":"fixed","products":[{"subcomponents":[1]}]"#, "subcomponents"),
        ("2026-05-01T00:00:00Z", "2026-05-01T00:00:00", "timestamp"),
        ("2026-05-01T00:00:00Z", "2026-05-32T00:00:00Z", "timestamp"),
        (r#""2026-05-01T00:00:00Z""#, "1", "timestamp"),
    ] {
        assert!(good.contains(from), "{from}");
        let text = good.replacen(from, to, 1);
        assert_eq!(read_type(TYPE, &text), malformed(what), "{to}");
    }
    for text in ["null", "[]", r#""x""#] {
        assert_eq!(read_type(TYPE, text), malformed("predicate"), "{text}");
    }
    let twice = good.replacen(r#""status":"fixed""#, r#""status":"fixed","Status":"affected""#, 1);
    assert_eq!(read_type(TYPE, &twice).map_err(|(reason, _)| reason), Err(Reason::PayloadAmbiguous));
    let other = read_type(r#""https://cyclonedx.org/bom""#, &good).map_err(|(reason, _)| reason);
    assert_eq!(other, Err(Reason::PredicateUnsupported));
}

#[test]
fn one_bad_statement_spoils_the_document() {
    let bad = statement("resolved", "");
    assert_eq!(read(&[&statement("fixed", ""), &bad]), malformed("status"));
    assert_eq!(read(&[&bad, &statement("fixed", "")]), malformed("status"));
}

#[test]
fn a_document_with_more_claims_than_are_kept_counts_as_none() {
    let statements = |count: usize| -> Vec<String> {
        (0..count).map(|number| statement("fixed", "").replace("CVE-1", &format!("CVE-{number}"))).collect()
    };
    let read = |statements: &[String]| {
        let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
        read(&statements).map(|claims| claims.len()).map_err(|(reason, _)| reason)
    };
    assert_eq!(read(&statements(limits::VEX_CLAIMS)), Ok(limits::VEX_CLAIMS));
    assert_eq!(read(&statements(limits::VEX_CLAIMS + 1)), Err(Reason::EvidenceTooLarge));
    // What removes nothing here takes no room.
    let mut elsewhere = statements(4000);
    for statement in &mut elsewhere {
        *statement = statement.replacen(r#""status""#, r#""products":["https://x"],"status""#, 1);
    }
    elsewhere.push(statement("fixed", ""));
    assert_eq!(read(&elsewhere), Ok(1));
}

#[test]
fn an_error_of_the_sink_ends_the_reading() {
    let text = document(&[&statement("fixed", ""), &statement("fixed", "").replace("CVE-1", "CVE-2")]);
    let attestation =
        Attestation { predicate_type: self::text(TYPE), predicate: parse(text.as_bytes()).unwrap() };
    let mut count = 0;
    let result = claims(&attestation, &context(), &mut |_| {
        count += 1;
        Err(Unmet::because(Reason::EvidenceLimit))
    });
    assert_eq!((result, count), (Err(Unmet::because(Reason::EvidenceLimit)), 1));
}

#[test]
fn a_document_is_summarised_by_what_its_statements_say() {
    let none = r#"{"vulnerability":"CVE-3","status":"not_affected"}"#;
    let text = document(&[
        &statement("fixed", ""),
        &statement("not_affected", ""),
        &statement("affected", ""),
        none,
    ]);
    let attestation =
        Attestation { predicate_type: self::text(TYPE), predicate: parse(text.as_bytes()).unwrap() };
    let summary = summarise(&attestation, &context()).unwrap();
    assert_eq!((summary.removing, summary.others), (2, 2));
    assert_eq!(summary.made_at.unwrap().to_string(), "2026-05-01T00:00:00Z");
    assert!(summary.author.unwrap().is("me"));
}
