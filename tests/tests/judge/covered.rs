//! Statements in the image's own index: covered by the index's signature, and by nothing else.

use pullward_core::buildkit::Error;
use pullward_core::intoto;
use pullward_core::judge::{Ruling, Standing};
use pullward_core::oci::Digest;
use pullward_core::verdict::Reason;
use pullward_tests::mint::{
    Ask, Authority, Forge, Form, Index, Minted, MintedChain, Node, PROVENANCE, Requirement, Rule, Trust,
    attestation, digest, world,
};
use serde_json::{Value, json};

use crate::{SIGNED, deny};

/// A node that accepts provenance which the image's signature covers.
fn node() -> Node {
    let covered = Requirement::of(PROVENANCE, "a").with(|r| {
        r.signed_by.clear();
        r.covered = true;
    });
    node_of(&covered)
}

fn node_of(requirement: &Requirement) -> Node {
    let rule = Rule::enforce("app", &["a"], 1).with(|rule| rule.attestations = requirement.alone());
    Node::new(&Trust::new(vec![Authority::of("a", &[world().p256(0)])], vec![rule]))
}

fn index() -> Index {
    Index::new(PROVENANCE, "{}")
}

fn signed(chain: &MintedChain) -> Minted {
    Forge::new(Form::Bundle, world().p256(0), &chain.digest()).mint()
}

fn ask(chain: &MintedChain) -> Ask {
    Ask::about("app").of(chain.digest()).with_covered(chain.clone())
}

/// The index signed as it is: only the chain is wrong.
fn refused(chain: &MintedChain, error: Error) {
    let answer = node().ask(&ask(chain).with(signed(chain)));
    assert_eq!(answer.standings(), [Standing::Unchained(error), Standing::Accepted]);
    assert_eq!(answer.verdict(), deny(Reason::AttestationMissing));
}

#[test]
fn a_statement_in_a_signed_index_counts() {
    let chain = index().mint();
    let answer = node().ask(&ask(&chain).with(signed(&chain)));
    assert_eq!((answer.verdict(), answer.met), (SIGNED, 1));
}

#[test]
fn a_statement_in_an_unsigned_index_never_counts() {
    let chain = index().mint();
    assert_eq!(node().ask(&ask(&chain)).verdict(), deny(Reason::Unsigned));
    let stranger = Forge::new(Form::Bundle, world().p256(3), &chain.digest()).mint();
    assert_eq!(node().ask(&ask(&chain).with(stranger)).verdict(), deny(Reason::UntrustedKey));
}

#[test]
fn a_statement_counts_only_where_the_rule_opts_in() {
    let chain = index().mint();
    let answer = node_of(&Requirement::of(PROVENANCE, "a")).ask(&ask(&chain).with(signed(&chain)));
    assert_eq!(answer.verdict(), deny(Reason::AttestationSigner));
    let answer = node_of(&Requirement::of(PROVENANCE, "a").with(|r| r.covered = true))
        .ask(&ask(&chain).with(signed(&chain)));
    assert_eq!(answer.verdict(), (Ruling::Allow, Reason::Signed));
}

#[test]
fn another_index_with_the_same_statement_does_not_count() {
    let chain = index().mint();
    let evil = index().with(|index| index.index["extra"] = json!(1)).mint();
    let asked = Ask::about("app").of(chain.digest()).with_covered(evil).with(signed(&chain));
    let answer = node().ask(&asked);
    assert_eq!(answer.standings()[0], Standing::Unchained(Error::IndexDigest));
    assert_eq!(answer.verdict(), deny(Reason::AttestationMissing));
}

#[test]
fn an_attestation_manifest_outside_the_index_or_listed_twice_does_not_count() {
    refused(&index().with(|it| it.manifest["extra"] = json!(1)).mint(), Error::ManifestNotListed);
    let twice = index().with(|it| {
        let entry = it.index["manifests"][2].clone();
        it.index["manifests"].as_array_mut().unwrap().push(entry);
    });
    refused(&twice.mint(), Error::ManifestNotListed);
}

#[test]
fn a_statement_outside_the_manifest_or_under_another_media_type_does_not_count() {
    refused(&index().with(|it| it.statement.push(' ')).mint(), Error::StatementNotListed);
    let other = index().with(|it| {
        it.manifest["layers"][0]["mediaType"] = json!("application/vnd.dsse.envelope.v1+json");
        relist(it);
    });
    refused(&other.mint(), Error::StatementNotListed);
}

/// Lists the manifest under the digest that it has now.
fn relist(index: &mut Index) {
    let digest = Digest::of(index.manifest.to_string().as_bytes());
    index.index["manifests"][2]["digest"] = json!(digest.to_string());
}

#[test]
fn a_forged_reference_does_not_count() {
    let point_to = |to: &str| {
        index()
            .with(|it| it.index["manifests"][2]["annotations"]["vnd.docker.reference.digest"] = json!(to))
            .mint()
    };
    // At the other platform's manifest, at nothing in the index, at itself, at no digest.
    refused(&point_to(&digest("manifest of linux/arm64").to_string()), Error::Platform);
    refused(&point_to(&digest("elsewhere").to_string()), Error::Platform);
    refused(&point_to("sha256:short"), Error::NotAttestations);
    for (key, value) in
        [("vnd.docker.reference.type", json!("something-else")), ("vnd.docker.reference.type", Value::Null)]
    {
        let forged = index().with(|it| {
            let annotations = it.index["manifests"][2]["annotations"].as_object_mut().unwrap();
            if value.is_null() {
                annotations.remove(key);
            } else {
                annotations.insert(key.into(), value);
            }
        });
        refused(&forged.mint(), Error::NotAttestations);
    }
}

#[test]
fn a_statement_for_another_platform_does_not_count() {
    let chain = index().mint();
    let answer = node().ask(&ask(&chain).on("linux/arm64").with(signed(&chain)));
    assert_eq!(answer.standings()[0], Standing::Unchained(Error::Platform));
    assert_eq!(answer.verdict(), deny(Reason::AttestationMissing));
    let twins = index().with(|it| it.index["manifests"][1]["platform"]["architecture"] = json!("amd64"));
    refused(&twins.mint(), Error::Platform);
    // Whichever of the two stands last.
    let swapped = twins.with(|it| it.index["manifests"].as_array_mut().unwrap().swap(0, 1));
    refused(&swapped.mint(), Error::Platform);
}

/// One platform has several spellings, and a variant is another platform even where its images would run.
#[test]
fn platforms_compare_in_their_normal_form() {
    let of = |architecture: &str, variant: Option<&str>| {
        let chain = index().with(|it| {
            let platform = &mut it.index["manifests"][0]["platform"];
            platform["architecture"] = json!(architecture);
            if let Some(variant) = variant {
                platform["variant"] = json!(variant);
            }
            it.index["manifests"].as_array_mut().unwrap().remove(1);
        });
        chain.mint()
    };
    for (found, asked, counts) in [
        (("arm64", Some("v8")), "linux/arm64", true),
        (("arm64", None), "linux/arm64/v8", true),
        (("arm", Some("v7")), "linux/arm", true),
        (("arm", Some("v6")), "linux/arm", false),
        (("arm", Some("v6")), "linux/arm/v7", false),
        (("amd64", Some("v2")), "linux/amd64", false),
        (("amd64", Some("")), "linux/amd64", true),
    ] {
        let chain = of(found.0, found.1);
        let answer = node().ask(&ask(&chain).on(asked).with(signed(&chain)));
        let expected = if counts { SIGNED } else { deny(Reason::AttestationMissing) };
        assert_eq!(answer.verdict(), expected, "{found:?} {asked}");
    }
}

#[test]
fn a_statement_about_another_manifest_does_not_count() {
    let platform = digest("manifest of linux/amd64");
    let about_another = attestation(&digest("another"), PROVENANCE, "{}");
    let error = Error::Statement(intoto::Error::SubjectMismatch);
    refused(&Index::about(&platform, about_another).mint(), error);
    // The index itself is not what a build's statement is about.
    refused(
        &Index::about(&platform, "[]".into()).mint(),
        Error::Statement(intoto::Error::Json(pullward_core::json::Error::WrongType)),
    );
}

#[test]
fn a_manifest_that_could_be_an_index_does_not_count() {
    for (list, media_type) in
        [("layers", None), ("manifests", None), ("", Some("application/vnd.oci.image.manifest.v1+json"))]
    {
        let ambiguous = index().with(|it| match media_type {
            Some(media_type) => it.index["mediaType"] = json!(media_type),
            None if list == "layers" => it.index["layers"] = json!([]),
            None => {
                it.manifest["manifests"] = json!([]);
                relist(it);
            }
        });
        refused(&ambiguous.mint(), Error::MediaType);
    }
    refused(
        &index()
            .with(|it| {
                it.index.as_object_mut().unwrap().remove("mediaType");
            })
            .mint(),
        Error::MediaType,
    );
}

/// The hook does not know the namespace: both rules have to be met, by the same statement.
#[test]
fn a_statement_in_the_index_counts_for_every_rule_that_might_decide() {
    let covered = Requirement::of(PROVENANCE, "a").with(|r| {
        r.signed_by.clear();
        r.covered = true;
    });
    let rule = |name: &str| Rule::enforce(name, &["a"], 1).with(|rule| rule.attestations = covered.alone());
    let demo = rule("demo").with(|rule| rule.namespaces = vec!["demo".into()]);
    let authorities = vec![Authority::of("a", &[world().p256(0)])];
    let node = Node::new(&Trust::new(authorities, vec![demo, rule("rest")]));
    let chain = index().mint();
    let answer = node.ask(&ask(&chain).with(signed(&chain)));
    assert_eq!((answer.verdict(), answer.met), (SIGNED, 1));
}

/// A denial must not say that something nobody has signed meets a requirement.
#[test]
fn what_an_unsigned_index_holds_meets_no_requirement() {
    let chain = index().mint();
    let answer = node().ask(&ask(&chain));
    assert_eq!((answer.verdict(), answer.met), (deny(Reason::Unsigned), 0));
}
