//! What real clients leave in a real registry and in a layout, found by us.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::{Duration, Instant};

use pullward::evidence::layout::Layout;
use pullward::evidence::oci_target::OciImage;
use pullward::evidence::{
    Budget, EvidenceSource, Flow, Format, Gathered, Hint, Question, Source, Wanted, fallback_tag,
};
use pullward::registry::source::RegistrySource;
use pullward::registry::{Client, Settings};
use pullward_core::oci::Digest;
use pullward_core::reference::Reference;
use pullward_tests::{Cosign, CosignVersion, Crane, Image, Oras, Peers, Registry, Workspace, ran};

/// Everything that a source hands over, by digest.
type Pieces = BTreeMap<Digest, (Format, Vec<u8>)>;

fn visit(source: &dyn EvidenceSource, subject: &Digest) -> Result<(Gathered, Pieces), Box<dyn Error>> {
    let mut pieces = Pieces::new();
    let deadline = Instant::now() + Duration::from_secs(30);
    let question = Question { subject, wanted: Wanted::Everything, platform: "linux/amd64", deadline };
    let gathered = source.visit(question, &mut Budget::default(), &mut |piece| {
        pieces.insert(piece.digest, (piece.format, piece.content));
        Flow::Continue
    })?;
    Ok((gathered, pieces))
}

fn visit_registry(image: &str) -> Result<(Digest, Gathered, Pieces, u64), Box<dyn Error>> {
    let client = Client::new(Settings::default())?;
    let reference = Reference::parse(image)?;
    let source = RegistrySource::new(&client, &reference)?;
    let resolved = source.resolve(&reference, Instant::now() + Duration::from_secs(30))?;
    let (gathered, pieces) = visit(&source, &resolved.digest)?;
    Ok((resolved.digest, gathered, pieces, client.requests()))
}

#[test]
fn what_cosign_3_attaches_is_found_in_the_registry_and_in_its_copy() -> Result<(), Box<dyn Error>> {
    let name = "what_cosign_3_attaches_is_found_in_the_registry_and_in_its_copy";
    let Some(peers) = Peers::at_hand(name)? else { return Ok(()) };
    let workspace = Workspace::new()?;
    let registry = Registry::start(&peers, &workspace)?;
    let pinned = Crane::new(&peers, &workspace).push(&registry.reference("app:v1"), &Image::named("app"))?;
    let cosign = Cosign::new(&peers, &workspace, CosignVersion::Three)?;
    let key = cosign.generate_key_pair("release")?;
    cosign.sign(&key, &pinned)?;
    let predicate = workspace.write("predicate.json", r#"{"hello":"world"}"#)?;
    cosign.attest(&key, &pinned, "https://example.com/hello", &predicate)?;

    let (digest, gathered, pieces, requests) = visit_registry(&registry.reference("app:v1"))?;
    assert!(pinned.ends_with(&digest.to_string()), "{pinned} {digest}");
    assert_eq!(pieces.len(), 2);
    assert!(pieces.values().all(|(format, _)| *format == Format::Bundle));
    assert_eq!((gathered.rejected, gathered.others), (vec![], vec![]));
    assert_eq!(gathered.hints, [Hint::NoReferrersApi]);
    // the image; the missing API; the fallback tag; two manifests and two blobs; .sig and .att
    assert_eq!(requests, 9);

    let folder = workspace.join("layout");
    Oras::new(&peers, &workspace).copy_to_layout(&registry.reference("app:v1"), &folder, "v1")?;
    let layout = Layout::new(&folder, Source::Store);
    let deadline = Instant::now() + Duration::from_secs(30);
    for image in [OciImage::Only, OciImage::Named("v1".to_owned()), OciImage::Digest(digest)] {
        assert_eq!(layout.resolve_image(&image, deadline)?.digest, digest, "{image:?}");
    }
    let (gathered, copied) = visit(&layout, &digest)?;
    assert_eq!(copied, pieces);
    assert_eq!((gathered.rejected, gathered.hints), (vec![], vec![]));
    ran(name)?;
    Ok(())
}

#[test]
fn what_cosign_2_attaches_is_found_and_what_oras_leaves_behind_is_said() -> Result<(), Box<dyn Error>> {
    let name = "what_cosign_2_attaches_is_found_and_what_oras_leaves_behind_is_said";
    let Some(peers) = Peers::at_hand(name)? else { return Ok(()) };
    let workspace = Workspace::new()?;
    let registry = Registry::start(&peers, &workspace)?;
    let pinned = Crane::new(&peers, &workspace).push(&registry.reference("app:v1"), &Image::named("app"))?;
    let cosign = Cosign::new(&peers, &workspace, CosignVersion::Two)?;
    let key = cosign.generate_key_pair("release")?;
    cosign.sign(&key, &pinned)?;
    let predicate = workspace.write("predicate.json", r#"{"hello":"world"}"#)?;
    cosign.attest(&key, &pinned, "https://example.com/hello", &predicate)?;

    let (digest, gathered, pieces, _) = visit_registry(&registry.reference("app:v1"))?;
    let mut formats: Vec<_> = pieces.values().map(|(format, _)| *format).collect();
    formats.sort_unstable();
    assert_eq!(formats, [Format::LegacySignature, Format::LegacyAttestation]);
    assert_eq!(gathered.rejected, []);

    let folder = workspace.join("layout");
    let oras = Oras::new(&peers, &workspace);
    oras.copy_to_layout(&registry.reference("app:v1"), &folder, "v1")?;
    let layout = Layout::new(&folder, Source::Store);
    let (gathered, copied) = visit(&layout, &digest)?;
    assert_eq!(copied, Pieces::new());
    let tag = format!("{}.sig", fallback_tag(&digest));
    assert_eq!(gathered.hints, [Hint::TagsAreNotCopied { tag }]);

    for suffix in ["sig", "att"] {
        let tag = format!("{}.{suffix}", fallback_tag(&digest));
        oras.copy_to_layout(&registry.reference(&format!("app:{tag}")), &folder, &tag)?;
    }
    let (gathered, copied) = visit(&layout, &digest)?;
    assert_eq!(copied, pieces);
    assert_eq!(gathered.hints, []);
    let deadline = Instant::now() + Duration::from_secs(30);
    assert_eq!(layout.resolve_image(&OciImage::Only, deadline)?.digest, digest);
    ran(name)?;
    Ok(())
}

#[test]
fn new_content_under_a_signed_tag_is_explained() -> Result<(), Box<dyn Error>> {
    let name = "new_content_under_a_signed_tag_is_explained";
    let Some(peers) = Peers::at_hand(name)? else { return Ok(()) };
    let workspace = Workspace::new()?;
    let registry = Registry::start(&peers, &workspace)?;
    let crane = Crane::new(&peers, &workspace);
    let signed = crane.push(&registry.reference("app:v1"), &Image::named("app"))?;
    let cosign = Cosign::new(&peers, &workspace, CosignVersion::Two)?;
    let key = cosign.generate_key_pair("release")?;
    cosign.sign(&key, &signed)?;
    crane.push(&registry.reference("app:v1"), &Image::named("other"))?;

    let (digest, gathered, pieces, _) = visit_registry(&registry.reference("app:v1"))?;
    assert_eq!(pieces, Pieces::new());
    let (_, before) = signed.split_once('@').unwrap_or_default();
    let before = Digest::parse(before)?;
    assert_ne!(digest, before);
    assert!(gathered.hints.contains(&Hint::SignatureOfAnother { example: before, count: 1 }), "{gathered:?}");
    ran(name)?;
    Ok(())
}
