//! An image whose index is signed, or another manifest of it: what that is worth, and what passes itself off as that.

use pullward_core::buildkit::Error;
use pullward_core::judge::{Needs, Ruling, Standing, Unrelated};
use pullward_core::oci::Digest;
use pullward_core::verdict::Reason;
use pullward_tests::mint::{
    Ask, Authority, Forge, Form, Minted, Node, Requirement, Revoked, Rule, Trust, VULN, ask_key, digest,
    world,
};
use serde_json::{Value, json};

use crate::{SIGNED, deny, good};

/// A manifest's entry in an index.
pub(crate) fn entry(name: &str, architecture: &str) -> Value {
    json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": digest(name).to_string(),
        "size": 1,
        "platform": {"os": "linux", "architecture": architecture},
    })
}

/// An index of these entries.
pub(crate) fn index(entries: &[Value]) -> String {
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": entries,
    })
    .to_string()
}

fn both() -> String {
    index(&[entry("app", "amd64"), entry("app for arm", "arm64")])
}

fn signed_by(n: usize, content: &str) -> Minted {
    Forge::new(Form::Bundle, world().p256(n), &Digest::of(content.as_bytes())).mint()
}

fn trust(index: &str) -> Trust {
    let authorities = vec![Authority::of("a", &[world().p256(0)]), Authority::of("b", &[world().p256(1)])];
    let rule = Rule::enforce("app", &["a"], 1).with(|rule| rule.index = index.into());
    Trust::new(authorities, vec![rule])
}

fn parent() -> Node {
    Node::new(&trust("parent"))
}

#[test]
fn a_signed_index_covers_the_manifest_that_it_lists_where_the_rule_says_so() {
    for form in [Form::Bundle, Form::SimpleSigning] {
        let signature = Forge::new(form, world().p256(0), &Digest::of(both().as_bytes())).mint();
        let ask = Ask::about("app").with_parent(&both()).with(signature);
        let answer = parent().ask(&ask);
        assert_eq!((answer.verdict(), answer.needs), (SIGNED, Needs::Nothing));
        assert_eq!(answer.standings(), [Standing::Accepted]);
        // By default it does not, and the reason says what is wrong.
        let exact = Node::new(&trust("exact")).ask(&ask);
        assert_eq!(exact.verdict(), deny(Reason::SignedIndexNotPlatform));
        assert_eq!(exact.standings(), [Standing::Ignored(Reason::SignedIndexNotPlatform)]);
        // A bare key asks for exactly this digest too.
        assert_eq!(ask_key(&world().p256(0).public(), &ask).verdict(), deny(Reason::SignedIndexNotPlatform));
    }
    // The image's own signature counts as ever, in both modes and beside a parent.
    for mode in ["parent", "exact"] {
        let ask = Ask::about("app").with_parent(&both()).with(good(Form::Bundle, world().p256(0)));
        assert_eq!(Node::new(&trust(mode)).ask(&ask).verdict(), SIGNED);
    }
}

#[test]
fn an_index_that_nobody_has_signed_covers_nothing() {
    let ask = Ask::about("app").with_parent(&both());
    assert_eq!(parent().ask(&ask).verdict(), deny(Reason::Unsigned));
    let stranger = ask.clone().with(signed_by(3, &both()));
    assert_eq!(parent().ask(&stranger).verdict(), deny(Reason::UntrustedKey));
    // An authority that the rule does not name is a stranger.
    assert_eq!(parent().ask(&ask.with(signed_by(1, &both()))).verdict(), deny(Reason::UntrustedKey));
}

#[test]
fn a_signed_index_without_its_bytes_proves_nothing() {
    let answer = parent().ask(&Ask::about("app").with(signed_by(0, &both())));
    assert_eq!(answer.verdict(), deny(Reason::DigestMismatch));
}

/// Signed as it is: only what it says of the image is wrong.
fn refused(index: &str, error: Error) {
    let answer = parent().ask(&Ask::about("app").with_parent(index).with(signed_by(0, index)));
    assert_eq!(answer.related, [Err(Unrelated::Chain(error))], "{index}");
    assert_eq!(answer.verdict(), deny(Reason::DigestMismatch), "{index}");
}

#[test]
fn an_index_of_another_image_of_another_platform_or_with_it_twice_covers_nothing() {
    refused(&index(&[entry("other", "amd64")]), Error::ManifestNotListed);
    refused(&index(&[entry("app", "arm64"), entry("other", "amd64")]), Error::Platform);
    refused(&index(&[entry("app", "amd64"), entry("app", "amd64")]), Error::ManifestNotListed);
    refused(&index(&[entry("app", "amd64"), entry("app", "arm64")]), Error::ManifestNotListed);
    refused(&index(&[entry("app", "amd64"), entry("other", "amd64")]), Error::Platform);
}

#[test]
fn attestations_and_nested_indexes_are_no_platforms() {
    let mut attestations = entry("app", "amd64");
    attestations["annotations"] = json!({
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": digest("other").to_string(),
    });
    refused(&index(&[attestations.clone()]), Error::Platform);
    attestations["platform"] = json!({"os": "unknown", "architecture": "unknown"});
    refused(&index(&[entry("other", "amd64"), attestations]), Error::Platform);
    let mut nested = entry("app", "amd64");
    nested["mediaType"] = json!("application/vnd.oci.image.index.v1+json");
    refused(&index(&[nested]), Error::MediaType);
    // An index of the index: signed, and two steps away.
    let inner = both();
    let mut outer = entry("app", "amd64");
    outer["digest"] = json!(Digest::of(inner.as_bytes()).to_string());
    outer["mediaType"] = json!("application/vnd.oci.image.index.v1+json");
    let outer = index(&[outer]);
    let answer =
        parent().ask(&Ask::about("app").with_parent(&inner).with_parent(&outer).with(signed_by(0, &outer)));
    assert_eq!(answer.related[1], Err(Unrelated::Chain(Error::ManifestNotListed)));
    assert_eq!(answer.verdict(), deny(Reason::DigestMismatch));
}

#[test]
fn a_revoked_index_covers_nothing_and_a_revoked_image_is_not_covered() {
    let revoked = |what: &Digest| {
        Node::new(&trust("parent").with(|trust| trust.revoked.digests = Revoked::list(&[*what])))
    };
    let ask = Ask::about("app").with_parent(&both()).with(signed_by(0, &both()));
    let answer = revoked(&Digest::of(both().as_bytes())).ask(&ask);
    assert_eq!(answer.related, [Err(Unrelated::Revoked)]);
    assert_eq!(answer.verdict(), deny(Reason::DigestRevoked));
    assert_eq!(revoked(&digest("app")).ask(&ask).verdict(), deny(Reason::DigestRevoked));
    // The image's own signature is about the image.
    let own = ask.with(good(Form::Bundle, world().p256(0)));
    assert_eq!(revoked(&Digest::of(both().as_bytes())).ask(&own).verdict(), SIGNED);
}

#[test]
fn a_rule_for_the_index_alone_does_not_govern_its_manifests() {
    let listed = |what: Digest| {
        let mut trust = trust("parent").with(|trust| trust.digest_lists = vec![Revoked::list(&[what])]);
        trust.rules[0].digests = Some(0);
        Node::new(&trust)
    };
    let ask = Ask::about("app").with_parent(&both()).with(signed_by(0, &both()));
    assert_eq!(listed(Digest::of(both().as_bytes())).ask(&ask).verdict(), deny(Reason::NoRule));
    assert_eq!(listed(digest("app")).ask(&ask).verdict(), SIGNED);
}

#[test]
fn authorities_count_once_whether_they_signed_the_index_or_the_image() {
    let mut trust = trust("parent");
    trust.rules[0].signed_by = vec!["a".into(), "b".into()];
    trust.rules[0].at_least = 2;
    let node = Node::new(&trust);
    let ask = Ask::about("app").with_parent(&both()).with(signed_by(0, &both()));
    let same = ask.clone().with(good(Form::Bundle, world().p256(0)));
    assert_eq!(node.ask(&same).verdict(), deny(Reason::ThresholdNotMet));
    assert_eq!(node.ask(&ask.with(good(Form::Bundle, world().p256(1)))).verdict(), SIGNED);
}

/// A report on an index is about one of its platforms, and nobody says which.
#[test]
fn an_attestation_about_the_index_is_none_about_the_manifest() {
    let mut trust = trust("parent");
    trust.rules[0].attestations = Requirement::of(VULN, "a").alone();
    let on =
        |about: &Digest| Forge::new(Form::Bundle, world().p256(0), about).attesting(about, VULN, "{}").mint();
    let ask = Ask::about("app").with_parent(&both()).with(signed_by(0, &both()));
    let answer = Node::new(&trust).ask(&ask.clone().with(on(&Digest::of(both().as_bytes()))));
    assert_eq!(answer.verdict(), deny(Reason::AttestationMissing));
    assert!(matches!(answer.standings()[1], Standing::Rejected(_)));
    assert_eq!(Node::new(&trust).ask(&ask.with(on(&digest("app")))).verdict(), SIGNED);
}

fn manifest(layer: &str) -> String {
    json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"digest": digest("config").to_string()},
        "layers": [{"digest": digest(layer).to_string()}],
    })
    .to_string()
}

#[test]
fn a_manifest_that_was_packed_anew_is_told_and_never_counts() {
    let (own, other) = (manifest("zstd"), manifest("gzip"));
    for mode in ["exact", "parent"] {
        let ask = Ask::about("app").of(Digest::of(own.as_bytes())).with_rewritten(&own, &other);
        let node = Node::new(&trust(mode));
        assert_eq!(node.ask(&ask).verdict(), deny(Reason::Unsigned));
        let answer = node.ask(&ask.clone().with(signed_by(0, &other)));
        assert_eq!((answer.verdict(), answer.needs), (deny(Reason::DigestRewritten), Needs::Evidence));
        // Whoever signed it has to be asked for: else anybody could give that reason.
        assert_eq!(node.ask(&ask.with(signed_by(3, &other))).verdict(), deny(Reason::UntrustedKey));
    }
    let ask = Ask::about("app").of(Digest::of(own.as_bytes()));
    let unlike = other.replace(&digest("config").to_string(), &digest("other").to_string());
    let answer =
        Node::new(&trust("exact")).ask(&ask.with_rewritten(&own, &unlike).with(signed_by(0, &unlike)));
    assert_eq!(answer.related, [Err(Unrelated::Chain(Error::ManifestNotListed))]);
    assert_eq!(answer.verdict(), deny(Reason::DigestMismatch));
}

#[test]
fn no_more_relatives_are_kept_than_there_is_room_for() {
    let indexes: Vec<String> =
        (0..9).map(|n| index(&[entry("app", "amd64"), entry(&format!("arm {n}"), "arm64")])).collect();
    let ask = indexes.iter().fold(Ask::about("app"), |ask, index| ask.with_parent(index).with_parent(index));
    let answer = parent().ask(&ask.with(signed_by(0, &indexes[7])));
    assert_eq!(
        (answer.verdict(), answer.related.iter().filter(|related| related.is_ok()).count()),
        (SIGNED, 16)
    );
    assert_eq!(answer.related[16], Err(Unrelated::TooMany));
}

#[test]
fn audit_lets_it_through_and_says_why() {
    let mut trust = trust("exact");
    trust.rules[0].mode = "audit".into();
    let answer = Node::new(&trust).ask(&Ask::about("app").with_parent(&both()).with(signed_by(0, &both())));
    assert_eq!(answer.verdict(), (Ruling::Allow, Reason::SignedIndexNotPlatform));
    assert!(answer.would_deny);
}
