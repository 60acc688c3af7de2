//! What a name stands for.

use std::time::Instant;

use pullward::evidence::document::MediaType;
use pullward::evidence::{EvidenceSource as _, Source};
use pullward::registry::source::RegistrySource;
use pullward_core::oci::{Digest, MEDIA_TYPE_INDEX, MEDIA_TYPE_MANIFEST};
use pullward_core::reference::Reference;
use pullward_tests::hostile::{Hostile, Reply, Shelf, descriptor, manifest};
use serde_json::json;

use super::honest;
use super::support::{SOON, client};

#[test]
fn a_name_is_resolved_by_reading_the_manifest_itself() {
    let (shelf, image) = Shelf::with_image();
    let server = honest(shelf);
    let client = client();
    let deadline = Instant::now() + SOON;
    for name in ["app:v1".to_owned(), format!("app@{image}"), format!("app:other@{image}")] {
        let reference = Reference::parse(&server.reference(&name)).unwrap();
        let source = RegistrySource::new(&client, &reference).unwrap();
        let resolved = source.resolve(&reference, deadline).unwrap();
        assert_eq!((resolved.digest, resolved.media_type), (image, MediaType::Manifest));
    }
    assert!(server.seen().iter().all(|request| request.method == "GET"));
    let absent = Reference::parse(&server.reference("app:none")).unwrap();
    let source = RegistrySource::new(&client, &absent).unwrap();
    let error = source.resolve(&absent, deadline).unwrap_err();
    assert_eq!(error.fault(), pullward::evidence::Fault::NotFound);
}

#[test]
fn only_a_document_of_two_meanings_is_ambiguous() {
    let both = r#"{"schemaVersion":2,"manifests":[],"layers":[]}"#;
    let cases = [
        (Reply::ok(MEDIA_TYPE_MANIFEST, both), true),
        (Reply::ok(MEDIA_TYPE_INDEX, r#"{"schemaVersion":2,"layers":[]}"#), true),
        (Reply::status(418), false),
        (Reply::ok("text/html", "<html>"), false),
        (Reply::ok(MEDIA_TYPE_MANIFEST, "nonsense"), false),
        (Reply::status(302).with("location", "http://evil.example/"), false),
    ];
    for (reply, ambiguous) in cases {
        let script = reply.clone();
        let server = Hostile::start(move |_| script.clone()).unwrap();
        let client = client();
        let reference = Reference::parse(&server.reference("app:v1")).unwrap();
        let source = RegistrySource::new(&client, &reference).unwrap();
        let error = source.resolve(&reference, Instant::now() + SOON).unwrap_err();
        assert_eq!(error.is_ambiguous(), ambiguous, "{reply:?}: {error}");
    }
}

#[test]
fn a_tag_is_the_registrys_to_resolve_and_the_stores_only_without_one() {
    use pullward::decide::{ConfiguredSource, Engine, Question as Asked};
    use pullward::evidence::layout::Layout;
    use pullward::verdict::{Hook, Place};
    use pullward_core::time::UnixTime;
    use std::sync::Arc;

    let (shelf, image) = Shelf::with_image();
    let server = honest(shelf);
    let name = server.reference("app:v1");
    // The store still has what the tag was before.
    let folder = tempfile::tempdir().unwrap();
    let old = manifest(&[], json!({}));
    let mut entry = descriptor(MEDIA_TYPE_MANIFEST, &old);
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": name});
    std::fs::create_dir_all(folder.path().join("blobs/sha256")).unwrap();
    std::fs::write(folder.path().join("blobs/sha256").join(Digest::of(&old).hex().as_str()), &old).unwrap();
    std::fs::write(folder.path().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let index = json!({"schemaVersion": 2, "manifests": [entry]}).to_string();
    std::fs::write(folder.path().join("index.json"), index).unwrap();
    let store = ConfiguredSource::Layout(Arc::new(Layout::new(folder.path(), Source::Store)));
    let registry = ConfiguredSource::Registry(Arc::new(client()));
    let resolve = |sources: Vec<ConfiguredSource>| {
        let place = Place { hook: Hook::Cli, containerd_namespace: None, pod_namespace: None };
        let platform = "linux/amd64".to_owned();
        let asked = Asked { reference: name.clone(), digest: None, media_type: None, place, platform };
        Engine::new(sources).resolve(&asked, UnixTime(1), Instant::now() + SOON)
    };
    assert_eq!(resolve(vec![store.clone(), registry.clone()]).unwrap().digest, image);
    assert_eq!(resolve(vec![store.clone()]).unwrap().digest, Digest::of(&old));
    drop(server);
    let reason = resolve(vec![store, registry]).unwrap_err().reason;
    assert_eq!(reason, pullward_core::verdict::Reason::TagNotResolved);
}
