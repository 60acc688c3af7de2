//! Package URLs and references of base images, and the patterns over them.

use super::{BasePattern, image_of, is_image};
use crate::json::parse;
use crate::pattern::PatternError;
use crate::predicate::provenance::body::Material;
use crate::predicate::{Finding, Unmet};
use crate::reference::Reference;
use crate::verdict::Reason;

extern crate std;
use std::format;
use std::string::{String, ToString};

const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// The image of a material, as text, with its code where there is none.
fn image(uri: &str, digest: &str) -> Result<Option<String>, Reason> {
    let json = format!(r#"{{"uri":"{uri}","digest":{digest}}}"#);
    let material = Material::read(parse(json.as_bytes()).unwrap()).unwrap();
    match image_of(&material) {
        Ok(image) => {
            assert_eq!(is_image(material.uri), image.is_some(), "{uri}");
            Ok(image.map(|image| image.as_str().to_string()))
        }
        Err(unmet) => {
            assert!(is_image(material.uri), "{uri}");
            Err(unmet.reason)
        }
    }
}

#[test]
fn package_urls_become_normalised_references() {
    for (uri, reference) in [
        ("pkg:docker/alpine@3.19?platform=linux%2Famd64", "docker.io/library/alpine:3.19"),
        ("pkg:docker/alpine", "docker.io/library/alpine:latest"),
        ("pkg:docker/alpine@latest", "docker.io/library/alpine:latest"),
        ("pkg:docker/library/alpine@3.15", "docker.io/library/alpine:3.15"),
        ("pkg:docker/acme/base@v2", "docker.io/acme/base:v2"),
        ("pkg:docker/docker.io/acme/base@v2", "docker.io/acme/base:v2"),
        ("pkg:docker/index.docker.io/acme/base@v2", "docker.io/acme/base:v2"),
        ("pkg:docker/ghcr.io/acme/team/base@v2", "ghcr.io/acme/team/base:v2"),
        ("pkg:docker/registry.example:5000/base@v2", "registry.example:5000/base:v2"),
        ("pkg:docker/registry.example%3A5000/base@v2", "registry.example:5000/base:v2"),
        ("pkg:docker/localhost:5000/base@v2", "localhost:5000/base:v2"),
        ("pkg:docker/acme/base@1?repository_url=ghcr.io", "ghcr.io/acme/base:1"),
        ("pkg:docker/base@1?repository_url=https://ghcr.io/acme/", "ghcr.io/acme/base:1"),
        ("pkg:docker/alpine@3.19?platform=linux%2Famd64\\u0026x=y", "docker.io/library/alpine:3.19"),
        ("pkg:\\u0064ocker\\/alpine@3.19", "docker.io/library/alpine:3.19"),
        ("PKG:Docker/alpine@3.19", "docker.io/library/alpine:3.19"),
        ("pkg://docker/alpine@3.19", "docker.io/library/alpine:3.19"),
        ("pkg:oci/base?repository_url=ghcr.io/acme/base&tag=1", "ghcr.io/acme/base:1"),
        ("pkg:oci/base@1?repository_url=ghcr.io%2Facme%2Fbase", "ghcr.io/acme/base:1"),
        ("docker-image://docker.io/library/alpine:3.19", "docker.io/library/alpine:3.19"),
        ("docker-image://alpine:3.19", "docker.io/library/alpine:3.19"),
        ("oci://ghcr.io/acme/base:1", "ghcr.io/acme/base:1"),
        ("gcr.io/cloud-builders/docker:1", "gcr.io/cloud-builders/docker:1"),
        ("bash", "docker.io/library/bash:latest"),
    ] {
        assert_eq!(image(uri, "{}"), Ok(Some(reference.into())), "{uri}");
        assert_eq!(image(uri, r#"{"sha512":"x"}"#), Ok(Some(reference.into())), "{uri}");
    }
}

#[test]
fn the_digest_joins_the_reference_wherever_it_stands() {
    let own = format!(r#"{{"sha256":"{A}"}}"#);
    let pinned = format!("docker.io/library/alpine:3.19@sha256:{A}");
    for uri in [
        "pkg:docker/alpine@3.19".into(),
        format!("pkg:docker/alpine@3.19?digest=sha256:{A}&platform=linux%2Famd64"),
        format!("pkg:docker/alpine@3.19?digest=sha256%3A{A}"),
        format!("pkg:docker/alpine@sha256:{A}?tag=3.19"),
        format!("docker-image://alpine:3.19@sha256:{A}"),
        format!("docker.io/library/alpine:3.19@sha256:{A}"),
    ] {
        assert_eq!(image(&uri, &own), Ok(Some(pinned.clone())), "{uri}");
        if uri.contains("sha256") {
            assert_eq!(image(&uri, "null"), Ok(Some(pinned.clone())), "{uri}");
        }
    }
    let untagged = format!("gcr.io/distroless/static@sha256:{A}");
    for uri in [
        format!("pkg:docker/gcr.io/distroless/static?digest=sha256:{A}"),
        format!("pkg:docker/gcr.io/distroless/static@sha256%3A{A}"),
        format!("pkg:oci/static@sha256:{A}?repository_url=gcr.io/distroless/static"),
        format!("gcr.io/distroless/static@sha256:{A}"),
    ] {
        assert_eq!(image(&uri, &own), Ok(Some(untagged.clone())), "{uri}");
    }
}

#[test]
fn two_digests_of_one_image_contradict() {
    let other = format!(r#"{{"sha256":"{B}"}}"#);
    for uri in [
        format!("pkg:docker/alpine@3.19?digest=sha256:{A}"),
        format!("pkg:docker/alpine@sha256:{A}"),
        format!("docker-image://alpine@sha256:{A}"),
        format!("bash@sha256:{A}"),
    ] {
        assert_eq!(image(&uri, &other), Err(Reason::ProvenanceContradiction), "{uri}");
    }
    let both = format!("pkg:docker/alpine@sha256:{A}?digest=sha256:{B}");
    assert_eq!(image(&both, "{}"), Err(Reason::ProvenanceContradiction));
}

#[test]
fn what_is_no_image_is_left_alone() {
    for uri in [
        "https://github.com/acme/app.git#main",
        "git+https://github.com/acme/app@refs/heads/main",
        "git@github.com:acme/app.git",
        "https://example.org/source.tar.gz",
        "pkg:npm/left-pad@1.0.0",
        "pkg:dockers/alpine",
        "pkg:generic/docker/alpine",
        "file:///src",
    ] {
        assert_eq!(image(uri, "{}"), Ok(None), "{uri}");
    }
    let long = format!("https://example.org/{}", "a".repeat(3000));
    assert_eq!(image(&long, "{}"), Ok(None));
}

#[test]
fn an_image_whose_reference_cannot_be_told_is_not_passed_over() {
    let cut = &A[1..];
    for uri in [
        "pkg:docker/".into(),
        "pkg:docker/@3.19".into(),
        "pkg:docker/Alpine@3.19".into(),
        "pkg:docker/alpine@3.19#sub/path".into(),
        "pkg:docker/alpine@3.19?digest=sha256:zz".into(),
        format!("pkg:docker/alpine@3.19?digest=sha256:{cut}"),
        format!("pkg:docker/alpine@3.19?digest=sha512:{A}{A}"),
        format!("pkg:docker/alpine@sha256:{cut}"),
        format!("pkg:docker/alpine@sha256:{}", A.to_uppercase()),
        format!("pkg:docker/alpine?digest=sha256:{A}&digest=sha256:{A}"),
        format!("pkg:docker/evil%40sha256:{A}"),
        format!("pkg:docker/evil@{A}@sha256:{A}"),
        "pkg:docker/evil%3A3.19".into(),
        "pkg:docker/docker.io/library/alpine%3A3.19".into(),
        "pkg:docker/evil%20x@1".into(),
        "pkg:docker/evil%2".into(),
        "pkg:docker/evil%zz".into(),
        "pkg:docker/../alpine".into(),
        "pkg:docker/a//b".into(),
        "pkg:docker/alpine@3.19?tag=3.20".into(),
        "pkg:docker/alpine@3.19?repository_url=acme".into(),
        "pkg:docker/alpine@3.19?repository_url=".into(),
        "pkg:docker/alpine@3.19?repository_url=ghcr.io/acme:1".into(),
        "pkg:docker/alpine@3.19?repository_url=ghcr.io/acme@x".into(),
        "pkg:docker/alpine@3.19?repository_url=u@ghcr.io".into(),
        "pkg:docker/alpine@3.19?repository_url=http://ghcr.io".into(),
        "pkg:docker/alpine@3.19?platform".into(),
        "pkg:docker/alpine@3.19?tag=3.19&TAG=3.19".into(),
        "pkg:oci/alpine@3.19".into(),
        "pkg:oci/library/alpine@3.19".into(),
        "pkg:oci/alpine@3.19?repository_url=docker.io/library/evil".into(),
        "oci-layout://alpine:3.19".into(),
        "docker-image://".into(),
        "docker-image://Alpine".into(),
        "Dockerfile".into(),
        "evil base".into(),
        "x y://z".into(),
        format!("pkg:docker/{}", "a".repeat(2000)),
        format!("git@github.com:acme/app@sha256:{A}"),
    ] {
        assert_eq!(image(&uri, "{}"), Err(Reason::BaseMismatch), "{uri}");
    }
}

#[test]
fn a_digest_that_is_none_is_not_passed_over() {
    for digest in [r#"{"sha256":"AA"}"#, r#"{"sha256":1}"#, r#"{"sha256":"sha256:aa"}"#, "[]"] {
        assert_eq!(image("pkg:docker/alpine@3.19", digest), Err(Reason::PredicateMalformed), "{digest}");
    }
    let twin = format!(r#"{{"sha256":"{A}","SHA256":"{B}"}}"#);
    assert_eq!(image("pkg:docker/alpine@3.19", &twin), Err(Reason::PayloadAmbiguous));
}

#[test]
fn a_material_without_a_name_could_be_anything() {
    for json in ["{}", r#"{"uri":null}"#, r#"{"uri":""}"#, r#"{"name":"alpine"}"#] {
        let material = Material::read(parse(json.as_bytes()).unwrap()).unwrap();
        let missing = Unmet::missing(Reason::BaseMismatch, "what one of its materials is");
        assert_eq!(image_of(&material), Err(missing), "{json}");
        assert!(!is_image(material.uri));
    }
    let json = parse(br#"{"uri":"pkg:oci/x"}"#).unwrap();
    let material = Material::read(json).unwrap();
    let found = material.uri.unwrap();
    let unreadable =
        Unmet { reason: Reason::BaseMismatch, finding: Finding::Other { what: "base image", found } };
    assert_eq!(image_of(&material), Err(unreadable));
}

#[test]
fn a_pattern_may_ask_for_any_digest() {
    let matches = |pattern: &str, image: &str| {
        BasePattern::parse(pattern).unwrap().matches(&Reference::parse(image).unwrap())
    };
    let pinned = format!("alpine:3.19@sha256:{A}");
    for pattern in [
        "docker.io/library/alpine@*",
        "docker.io/library/alpine",
        "docker.io/library/alpine:3.*@*",
        "docker.io/**@*",
        "**@*",
        "**",
        &format!("docker.io/library/alpine@sha256:{A}"),
    ] {
        assert!(matches(pattern, &pinned), "{pattern}");
    }
    for (pattern, image) in [
        ("docker.io/library/alpine@*", "alpine:3.19"),
        ("**@*", "alpine:3.19"),
        ("docker.io/library/alpine@*", &*format!("alpine-evil@sha256:{A}")),
        ("docker.io/library/alpine@*", &*format!("evil.example/library/alpine@sha256:{A}")),
        ("docker.io/library/alpine:3.*@*", &*format!("alpine:4@sha256:{A}")),
        (&*format!("docker.io/library/alpine@sha256:{B}"), &*pinned),
    ] {
        assert!(!matches(pattern, image), "{pattern} {image}");
    }
    for (pattern, error) in [
        ("alpine@*", PatternError::NoHost),
        ("@*", PatternError::Empty),
        ("docker.io/alpine@*", PatternError::HubLibrary),
        ("docker.io/library/alpine@sha256:*", PatternError::Digest),
        ("docker.io/library/alpine@**", PatternError::Digest),
        ("docker.io/library/alpine@*@*", PatternError::Digest),
    ] {
        assert_eq!(BasePattern::parse(pattern).err(), Some(error), "{pattern}");
    }
}
