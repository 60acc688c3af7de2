use super::Denied;
use crate::json::{self, parse};
use crate::predicate::Unmet;
use crate::predicate::packages::testing::{CONTEXT, of};
use crate::trust::TrustError;
use crate::verdict::Reason;

extern crate std;
use std::format;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

fn read(text: &str) -> Result<(), TrustError> {
    Denied::read(parse(text.as_bytes()).unwrap()).map(|_| ())
}

/// The code and the finding in words, or nothing.
fn judge(denied: &str, document: &str) -> Result<(), String> {
    let denied = Denied::read(parse(denied.as_bytes()).unwrap()).unwrap();
    let words = |unmet: Unmet<'_>| format!("{}: {}", unmet.reason.code(), unmet.finding);
    denied.judge(&of(document), &CONTEXT).map_err(words)
}

fn deny(entries: &str) -> String {
    format!(r#"{{"deny":[{entries}],"licenses":[]}}"#)
}

fn licenses(globs: &str) -> String {
    format!(r#"{{"deny":[],"licenses":[{globs}]}}"#)
}

fn cyclonedx(components: &str) -> String {
    format!(r#"{{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{components}]}}"#)
}

fn spdx(members: &str) -> String {
    format!(r#"{{"spdxVersion":"SPDX-2.3",{members}}}"#)
}

fn spdx3(elements: &str) -> String {
    format!(
        r#"{{"@context":"https://spdx.org/rdf/3.0.1/spdx-context.jsonld","@graph":[
            {{"type":"SpdxDocument","creationInfo":{{"type":"CreationInfo","specVersion":"3.0.1"}}}},{elements}]}}"#
    )
}

#[test]
fn the_condition_is_read_strictly() {
    let entry = r#"{"purl":"pkg:npm/x"}"#;
    for (text, error) in [
        ("[]".to_string(), TrustError::Json(json::Error::WrongType)),
        ("{}".into(), TrustError::Json(json::Error::MissingKey("deny"))),
        (r#"{"deny":[]}"#.into(), TrustError::Json(json::Error::MissingKey("licenses"))),
        (r#"{"deny":[],"licenses":[]}"#.into(), TrustError::RuleShape("packages")),
        (r#"{"deny":null,"licenses":["x"]}"#.into(), TrustError::Json(json::Error::WrongType)),
        (r#"{"deny":[],"licenses":null}"#.into(), TrustError::Json(json::Error::WrongType)),
        (r#"{"deny":[],"licenses":["x"],"allow":[]}"#.into(), TrustError::Json(json::Error::UnknownKey)),
        (licenses("1"), TrustError::Json(json::Error::WrongType)),
        (licenses(r#""""#), TrustError::Pattern),
        (licenses(r#""a\u0062""#), TrustError::Json(json::Error::WrongType)),
        (licenses(&format!("\"{}\"", "x".repeat(1025))), TrustError::Pattern),
        (licenses(r#""x","x""#), TrustError::Duplicate("licenses")),
        (deny(&format!("{entry},{entry}")), TrustError::Duplicate("deny")),
        (deny(r#""pkg:npm/x""#), TrustError::Json(json::Error::WrongType)),
        (deny("{}"), TrustError::Json(json::Error::MissingKey("purl"))),
        (deny(r#"{"version":"1"}"#), TrustError::Json(json::Error::MissingKey("purl"))),
        (deny(r#"{"name":"x"}"#), TrustError::Json(json::Error::MissingKey("version"))),
        (deny(r#"{"name":"","version":null}"#), TrustError::Pattern),
        (deny(r#"{"name":"x","version":""}"#), TrustError::Pattern),
        (deny(r#"{"name":"x","version":1}"#), TrustError::Json(json::Error::WrongType)),
        (deny(r#"{"name":null,"version":null}"#), TrustError::Json(json::Error::WrongType)),
        (deny(r#"{"purl":"pkg:npm/x","version":"1"}"#), TrustError::RuleShape("deny")),
        (deny(r#"{"purl":"pkg:npm/x","name":"x","version":null}"#), TrustError::RuleShape("deny")),
        (deny(r#"{"purl":"npm/x"}"#), TrustError::Pattern),
        (deny(r#"{"purl":"pkg:npm/%zz"}"#), TrustError::Pattern),
        (deny(r#"{"purl":"pkg:npm/x","why":"y"}"#), TrustError::Json(json::Error::UnknownKey)),
    ] {
        assert_eq!(read(&text), Err(error), "{text}");
    }
    let many = |count: usize| {
        let all: Vec<String> = (0..count).map(|n| format!("\"l{n}\"")).collect();
        read(&licenses(&all.join(",")))
    };
    assert_eq!(many(1000), Ok(()));
    assert_eq!(many(1001), Err(TrustError::TooMany("licenses")));
    assert_eq!(
        read(&format!(r#"{{"deny":[{entry},{{"name":"x","version":"1.*"}}],"licenses":["GPL*"]}}"#)),
        Ok(())
    );
}

#[test]
fn a_package_url_is_denied_with_any_qualifiers_and_in_any_spelling() {
    for (pattern, purl) in [
        ("pkg:npm/event-stream@3.3.6", "pkg:npm/event-stream@3.3.6"),
        ("pkg:npm/event-stream@3.3.6", "pkg:npm/event-stream@3.3.6?x=y#z"),
        ("pkg:npm/event-stream@*", "pkg:npm/event-stream@3.3.6"),
        ("pkg:npm/event-stream@3.*", "pkg:npm/event-stream@3.3.6"),
        ("pkg:npm/event-stream", "pkg:npm/event-stream@3.3.6"),
        ("pkg:npm/event-stream?x=1", "pkg:npm/event-stream@3.3.6?x=2"),
        ("pkg:npm/event-stream@3.3.6", "pkg:npm/event-stream"),
        ("pkg:npm/event-stream@*", "pkg:npm/event-stream"),
        ("pkg:NPM/Event-Stream", "pkg:npm/event-stream@3.3.6"),
        ("pkg:npm/event-stream", "PKG:npm/event%2dstream@3.3.6"),
        ("pkg:npm/%40angular/core@16.*", "pkg:npm/@angular/core@16.1"),
        ("pkg:npm/@angular/core", "pkg:npm/%40angular/core@16.1"),
        ("pkg:npm/@angular/*", "pkg:npm/%40angular/core@16.1"),
        ("pkg:npm/**", "pkg:npm/%40angular/core@16.1"),
        ("pkg:**", "pkg:npm/%40angular/core@16.1"),
        ("pkg:**/core@16.1", "pkg:npm/%40angular/core@16.1"),
        ("pkg:deb/debian/openssl@1:3.0*", "pkg:deb/debian/openssl@1%3A3.0.2?arch=amd64"),
        ("pkg:pypi/typing_extensions", "pkg:pypi/typing-extensions@4"),
    ] {
        let document = cyclonedx(&format!(r#"{{"name":"other","version":"","purl":"{purl}"}}"#));
        let found = judge(&deny(&format!(r#"{{"purl":"{pattern}"}}"#)), &document);
        assert_eq!(found, Err("package-denied: it contains other".into()), "{pattern} {purl}");
    }
    for (pattern, purl) in [
        ("pkg:npm/event-stream@3.3.6", "pkg:npm/event-stream@3.3.7"),
        ("pkg:npm/event-stream@3.3.6", "pkg:npm/event-streams@3.3.6"),
        ("pkg:npm/event-stream", "pkg:gem/event-stream"),
        ("pkg:npm/*", "pkg:npm/%40angular/core"),
        ("pkg:npm/core", "pkg:npm/%40angular/core"),
        ("pkg:npm/event", "pkg:npm/event-stream"),
        ("pkg:npm/*-stream@2*", "pkg:npm/event-stream@3.3.6"),
    ] {
        let document = cyclonedx(&format!(r#"{{"name":"other","purl":"{purl}"}}"#));
        assert_eq!(
            judge(&deny(&format!(r#"{{"purl":"{pattern}"}}"#)), &document),
            Ok(()),
            "{pattern} {purl}"
        );
    }
}

#[test]
fn a_name_is_denied_wherever_it_stands() {
    let log4j = r#"{"name":"log4j-core","version":"2.14.*"}"#;
    for component in [
        r#"{"name":"log4j-core","version":"2.14.1"}"#,
        r#"{"name":"Log4J-Core","version":"2.14.1"}"#,
        r#"{"name":"log4j\u002dcore","version":"2.14.1"}"#,
        r#"{"name":"log4j-core"}"#,
        r#"{"name":"log4j-core","version":null}"#,
        r#"{"group":"org.apache","name":"log4j-core","version":"2.14.1"}"#,
        r#"{"name":"x","purl":"pkg:maven/org.apache/log4j-core@2.14.1"}"#,
        r#"{"purl":"pkg:maven/org.apache/log4j-core@2.14.1"}"#,
        r#"{"name":"x","version":"2.14.1","purl":"pkg:maven/log4j-core"}"#,
        r#"{"name":"x","version":"2.17.1","purl":"pkg:maven/log4j-core@2.14.1"}"#,
        r#"{"name":"x","components":[{"name":"y","components":[{"name":"log4j-core","version":"2.14.0"}]}]}"#,
    ] {
        let found = judge(&deny(log4j), &cyclonedx(component)).unwrap_err();
        assert!(found.starts_with("package-denied: it contains "), "{component}: {found}");
    }
    for component in [
        r#"{"name":"log4j-core","version":"2.17.1"}"#,
        r#"{"name":"log4j-core2","version":"2.14.1"}"#,
        r#"{"name":"log4j","version":"2.14.1","description":"log4j-core"}"#,
        r#"{"name":"x","purl":"pkg:maven/org.apache/log4j-core@2.17.1"}"#,
        r#"{"group":"log4j-core","name":"x","version":"2.14.1"}"#,
        r#"{"name":"x","pedigree":{"ancestors":[{"name":"log4j-core","version":"2.14.1"}]}}"#,
    ] {
        assert_eq!(judge(&deny(log4j), &cyclonedx(component)), Ok(()), "{component}");
    }
    let full = r#"{"name":"org.apache/log4j-*","version":null}"#;
    for component in [
        r#"{"group":"org.apache","name":"log4j-core","version":"1"}"#,
        r#"{"name":"x","purl":"pkg:maven/org.apache/log4j-core@1"}"#,
    ] {
        assert!(judge(&deny(full), &cyclonedx(component)).is_err(), "{component}");
    }
    assert_eq!(judge(&deny(full), &cyclonedx(r#"{"name":"log4j-core"}"#)), Ok(()));
}

#[test]
fn every_reference_of_an_spdx_package_counts_and_the_image_itself_too() {
    let entry = deny(r#"{"purl":"pkg:apk/alpine/musl@1.*"}"#);
    let reference = |locator: &str| format!(r#"{{"referenceType":"purl","referenceLocator":"{locator}"}}"#);
    let package = |references: &[&str]| {
        let references: Vec<String> = references.iter().map(|purl| reference(purl)).collect();
        spdx(&format!(r#""packages":[{{"name":"m","externalRefs":[{}]}}]"#, references.join(",")))
    };
    let denied = Err("package-denied: it contains m".to_string());
    assert_eq!(judge(&entry, &package(&["pkg:apk/musl@1.2", "pkg:apk/alpine/musl@1.2"])), denied);
    assert_eq!(judge(&entry, &package(&["pkg:apk/musl@1.2"])), Ok(()));
    let image = r#"{"bomFormat":"CycloneDX","specVersion":"1.6","components":[],
        "metadata":{"component":{"name":"m","purl":"pkg:apk/alpine/musl@1.2"}}}"#;
    assert_eq!(judge(&entry, image), denied);
    let graph =
        spdx3(r#"{"type":"software_Package","name":"m","software_packageUrl":"pkg:apk/alpine/musl@1.2"}"#);
    assert_eq!(judge(&entry, &graph), denied);
}

#[test]
fn what_cannot_be_compared_is_not_passed() {
    let entry = deny(r#"{"name":"x","version":null}"#);
    let long = "n".repeat(2000);
    for (document, what) in [
        (cyclonedx("{}"), "package name"),
        (cyclonedx(r#"{"version":"1"}"#), "package name"),
        (spdx(r#""packages":[{"packageName":"y","packageVersion":"1"}]"#), "package name"),
        (cyclonedx(r#"{"name":"y","purl":"pkg:invalid"}"#), "package URL"),
        (cyclonedx(r#"{"name":"y","purl":"y"}"#), "package URL"),
        (cyclonedx(&format!(r#"{{"name":"y","purl":"pkg:npm/{long}"}}"#)), "package URL"),
        (cyclonedx(&format!(r#"{{"name":"\u0026{long}"}}"#)), "package name"),
        (cyclonedx(&format!(r#"{{"name":"y","group":"{long}"}}"#)), "package name"),
    ] {
        let expected = format!("predicate-malformed: its {what} cannot be read");
        assert_eq!(judge(&entry, &document), Err(expected), "{}", document.get(..90).unwrap_or(&document));
    }
    // Where packages are not asked about, only a package without any name is in the way.
    let only = licenses(r#""GPL*""#);
    assert_eq!(judge(&only, &cyclonedx(r#"{"name":"y","purl":"pkg:invalid"}"#)), Ok(()));
    assert!(judge(&only, &cyclonedx("{}")).is_err());
}

#[test]
fn a_spdx_3_package_may_have_many_licences_as_long_as_none_is_denied() {
    let graph = |last: &str| {
        let relation = |license: &str| {
            format!(
                r#"{{"type":"Relationship","relationshipType":"hasDeclaredLicense","from":"x/p","to":["https://spdx.org/licenses/{license}"]}}"#
            )
        };
        let relations = ["MIT", "ISC", "Zlib", "X11", last].map(relation).join(",");
        spdx3(&format!(r#"{{"type":"software_Package","spdxId":"x/p","name":"p"}},{relations}"#))
    };
    let list = licenses(r#""AGPL-*""#);
    assert_eq!(judge(&list, &graph("NTP")), Ok(()));
    let unread = "predicate-malformed: its licences of one package cannot be read";
    assert_eq!(judge(&list, &graph("AGPL-3.0-only")), Err(unread.to_string()));
}

#[test]
fn the_first_denied_package_of_spdx_3_is_named_whatever_denies_it() {
    let elements = |one: &str, other: &str| {
        spdx3(&format!(
            r#"{{"type":"software_Package","spdxId":"x/{one}","name":"{one}"}},
               {{"type":"software_Package","spdxId":"x/{other}","name":"{other}"}},
               {{"type":"Relationship","relationshipType":"hasDeclaredLicense","from":"x/gnu","to":"https://spdx.org/licenses/AGPL-3.0-only"}}"#
        ))
    };
    let list = r#"{"deny":[{"name":"bad","version":null}],"licenses":["AGPL-*"]}"#;
    let code =
        |document: &str| judge(list, document).map_err(|words| words.split(':').next().map(String::from));
    assert_eq!(code(&elements("gnu", "bad")), Err(Some("license-denied".to_string())));
    assert_eq!(code(&elements("bad", "gnu")), Err(Some("package-denied".to_string())));
    // A file's licence is no package's.
    assert_eq!(code(&elements("p", "q")), Ok(()));
    let nothing = spdx3(r#"{"type":"software_File","spdxId":"x/f","name":"f"}"#);
    assert_eq!(code(&nothing), Err(Some("packages-missing".to_string())));
}

#[test]
fn a_denied_licence_is_found_in_every_format() {
    let list = licenses(r#""AGPL-3.0*","GNU Affero*""#);
    let one = |license: &str| cyclonedx(&format!(r#"{{"name":"a","version":"1","licenses":[{license}]}}"#));
    for license in [
        r#"{"license":{"id":"AGPL-3.0-only"}}"#,
        r#"{"license":{"id":"MIT"}},{"license":{"name":"agpl-3.0"}}"#,
        r#"{"expression":"MIT AND AGPL-3.0-or-later"}"#,
        r#"{"license":{"name":"GNU Affero General Public License"}}"#,
        r#"{"license":{"id":"MIT","name":"AGPL-3.0"}}"#,
    ] {
        let found = judge(&list, &one(license)).unwrap_err();
        assert!(found.starts_with("license-denied: it contains a 1 under "), "{license}: {found}");
    }
    for license in [r#"{"expression":"MIT OR AGPL-3.0-only"}"#, r#"{"license":{"id":"GPL-3.0-only"}}"#, ""] {
        assert_eq!(judge(&list, &one(license)), Ok(()), "{license}");
    }
    assert_eq!(
        judge(&list, &one(r#"{"license":{"url":"x"}}"#)),
        Err("predicate-malformed: its license cannot be read".into())
    );
    for member in ["licenseConcluded", "licenseDeclared"] {
        let document =
            |license: &str| spdx(&format!(r#""packages":[{{"name":"a","{member}":"{license}"}}]"#));
        let denied = Err("license-denied: it contains a under AGPL-3.0-only".to_string());
        assert_eq!(judge(&list, &document("AGPL-3.0-only")), denied);
        assert_eq!(judge(&list, &document("NOASSERTION")), Ok(()));
    }
    let graph = |expression: &str| {
        spdx3(&format!(
            r#"{{"type":"software_Package","spdxId":"p","name":"a"}},
               {{"type":"simplelicensing_LicenseExpression","spdxId":"l","simplelicensing_licenseExpression":"{expression}"}},
               {{"type":"Relationship","from":"p","to":["l"],"relationshipType":"hasDeclaredLicense"}}"#
        ))
    };
    assert_eq!(
        judge(&list, &graph("ISC AND AGPL-3.0-only")),
        Err("license-denied: it contains a under ISC AND AGPL-3.0-only".into())
    );
    assert_eq!(judge(&list, &graph("ISC OR AGPL-3.0-only")), Ok(()));
    // Licences that nobody asks about may be of any shape.
    let broken = one(r#""no object""#);
    assert_eq!(judge(&deny(r#"{"name":"x","version":null}"#), &broken), Ok(()));
}

#[test]
fn a_licence_of_the_documents_own_is_denied_by_what_it_is_called() {
    let list = licenses(r#""AGPL-3.0*""#);
    let document = |infos: &str, expression: &str| {
        spdx(&format!(
            r#""packages":[{{"name":"a","licenseDeclared":"{expression}"}}],"hasExtractedLicensingInfos":[{infos}]"#
        ))
    };
    let by_name = r#"{"licenseId":"LicenseRef-1","name":"AGPL-3.0 modified","extractedText":"long"}"#;
    let by_text = r#"{"licenseId":"LicenseRef-1","extractedText":"AGPL-3.0"}"#;
    for info in [by_name, by_text] {
        assert!(judge(&list, &document(info, "LicenseRef-1 AND MIT")).is_err(), "{info}");
        assert!(judge(&list, &document(info, "licenseref-1")).is_err(), "{info}");
        assert_eq!(judge(&list, &document(info, "LicenseRef-1 OR MIT")), Ok(()), "{info}");
        assert_eq!(judge(&list, &document(info, "LicenseRef-2")), Ok(()), "{info}");
    }
    // A real text may mention any licence.
    let text = format!(r#"{{"licenseId":"LicenseRef-1","extractedText":"AGPL-3.0 {}"}}"#, "x".repeat(200));
    assert_eq!(judge(&list, &document(&text, "LicenseRef-1")), Ok(()));
    assert_eq!(judge(&list, &document("", "LicenseRef-1")), Ok(()));
    // Beyond what is remembered, each of them counts.
    let many = |count: usize| {
        let infos: Vec<String> =
            (0..count).map(|n| format!(r#"{{"licenseId":"LicenseRef-x{n}","name":"AGPL-3.0"}}"#)).collect();
        judge(&list, &document(&infos.join(","), "LicenseRef-other"))
    };
    assert_eq!(many(64), Ok(()));
    assert!(many(65).is_err());
    let custom = r#"{"type":"expandedlicensing_CustomLicense","spdxId":"own","name":"AGPL-3.0 modified"}"#;
    assert_eq!(
        judge(&list, &spdx3(custom)),
        Err("license-denied: it contains own under AGPL-3.0 modified".into())
    );
}

#[test]
fn the_table_asks_about_no_less_than_a_comparison_one_by_one() {
    let patterns = [
        "a",
        "ab",
        "abc",
        "a*",
        "*c",
        "*",
        "**",
        "a*c",
        "ab*",
        "b*",
        "*b*",
        "x/y",
        "x/*",
        "**/y",
        "A",
        "aB*",
        "ab-very-long-name-that-goes-on-for-more-than-sixty-four-bytes-in-all-of-its-length*",
        "ab-very-long-name-that-goes-on-for-more-than-sixty-four-bytes-in-all-of-its-length",
    ];
    let names = [
        "a",
        "b",
        "ab",
        "abc",
        "abd",
        "AC",
        "axc",
        "x/y",
        "x/z",
        "bbb",
        "z",
        "ab-very-long-name-that-goes-on-for-more-than-sixty-four-bytes-in-all-of-its-length",
        "ab-very-long-name-that-goes-on-for-more-than-sixty-four-bytes-in-all-of-its-length-more",
    ];
    let (mut yes, mut no) = (0, 0);
    for pattern in patterns {
        for beside in patterns.iter().filter(|beside| **beside != pattern && beside.len() < 4) {
            let condition = deny(&format!(
                r#"{{"name":"{pattern}","version":null}},{{"name":"{beside}","version":null}}"#
            ));
            for name in names {
                let expected =
                    [pattern, *beside].iter().any(|glob| crate::glob::matches_any_case(glob, name));
                let found = judge(&condition, &cyclonedx(&format!(r#"{{"name":"{name}"}}"#))).is_err();
                assert_eq!(found, expected, "{pattern} {beside} {name}");
                if expected { yes += 1 } else { no += 1 }
            }
        }
    }
    assert!(yes > 200 && no > 200, "{yes} {no}");
}

#[test]
fn the_first_denied_package_of_the_document_is_the_finding() {
    let condition =
        r#"{"deny":[{"name":"z","version":null},{"name":"b","version":null}],"licenses":["GPL*"]}"#;
    let document = cyclonedx(
        r#"{"name":"a","licenses":[{"license":{"id":"MIT"}}]},{"name":"b","version":"2\u0007"},{"name":"z"},
           {"name":"c","licenses":[{"license":{"id":"GPL-2.0"}}]}"#,
    );
    assert_eq!(judge(condition, &document), Err("package-denied: it contains b 2?".into()));
    let purl = cyclonedx(r#"{"purl":"pkg:npm/b@1"}"#);
    assert_eq!(judge(condition, &purl), Err("package-denied: it contains pkg:npm/b@1".into()));
    let unmet = Denied::read(parse(condition.as_bytes()).unwrap()).unwrap().judge(&of(&document), &CONTEXT);
    assert_eq!(unmet.map_err(|unmet| unmet.reason), Err(Reason::PackageDenied));
}

#[test]
fn comparisons_are_bounded() {
    let entries: Vec<String> = (0..1000).map(|n| format!(r#"{{"name":"*-{n}-*","version":null}}"#)).collect();
    let condition = deny(&entries.join(","));
    let components = |count: usize| cyclonedx(&vec![r#"{"name":"a"}"#; count].join(","));
    assert_eq!(judge(&condition, &components(3999)), Ok(()));
    let words = "list of packages, too long for so many globs that begin and end with a star,";
    assert_eq!(
        judge(&condition, &components(4000)),
        Err(format!("predicate-malformed: its {words} cannot be read"))
    );
    // A beginning or an end that differs costs nothing.
    for pattern in ["x*-N-*", "*-N-x"] {
        let entries: Vec<String> = (0..1000)
            .map(|n| pattern.replace('N', &n.to_string()))
            .map(|name| format!(r#"{{"name":"{name}","version":null}}"#))
            .collect();
        assert_eq!(judge(&deny(&entries.join(",")), &components(10_000)), Ok(()), "{pattern}");
    }
}

/// Promise 5: nothing is met by the absence of something.
#[test]
fn a_list_of_no_packages_is_not_passed() {
    let missing = Err("packages-missing: ".to_string());
    let image = |inner: &str| {
        format!(
            r#"{{"bomFormat":"CycloneDX","specVersion":"1.6","components":[],
                "metadata":{{"component":{{"name":"image","components":[{inner}]}}}}}}"#
        )
    };
    for asked in [deny(r#"{"name":"x","version":null}"#), licenses(r#""GPL*""#)] {
        for document in [
            spdx(r#""packages":[]"#),
            spdx3(r#"{"type":"software_File","name":"y"}"#),
            cyclonedx(""),
            image(""),
        ] {
            assert_eq!(judge(&asked, &document), missing, "{document}");
        }
        for document in [
            spdx(r#""packages":[{"name":"y"}]"#),
            spdx3(r#"{"type":"software_Package","spdxId":"https://x/y","name":"y"}"#),
            cyclonedx(r#"{"name":"y"}"#),
            image(r#"{"name":"y"}"#),
        ] {
            assert_eq!(judge(&asked, &document), Ok(()), "{document}");
        }
    }
    // What is denied is told first.
    assert!(
        judge(&deny(r#"{"name":"image","version":null}"#), &image(""))
            .is_err_and(|words| words.starts_with("package-denied"))
    );
}
