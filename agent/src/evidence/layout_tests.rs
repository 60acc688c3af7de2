use std::os::unix::fs::symlink;
use std::time::Duration;

use pullward_core::oci::{MEDIA_TYPE_DSSE, MEDIA_TYPE_MANIFEST, MEDIA_TYPE_SIMPLE_SIGNING};
use serde_json::{Value, json};

use super::*;
use crate::evidence::document::DescriptorError;
use crate::evidence::{Extent, Format};

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// A layout under construction.
struct Folder {
    folder: tempfile::TempDir,
    entries: Vec<Value>,
}

impl Folder {
    /// A layout with one image, named `v1`, and the image's digest.
    fn with_image() -> (Self, Digest) {
        let mut folder = Self { folder: tempfile::tempdir().unwrap(), entries: Vec::new() };
        fs::create_dir_all(folder.path().join("blobs/sha256")).unwrap();
        fs::write(folder.path().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        let image = folder.list(&manifest(&[], json!({})), json!({REF_NAME: "v1"}));
        (folder, image)
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.path().join("blobs/sha256").join(digest.hex().as_str())
    }

    fn blob(&self, content: &[u8]) -> Digest {
        let digest = Digest::of(content);
        fs::write(self.blob_path(&digest), content).unwrap();
        digest
    }

    fn list(&mut self, content: &[u8], annotations: Value) -> Digest {
        let digest = self.blob(content);
        let mut entry = descriptor(MEDIA_TYPE_MANIFEST, content);
        entry["annotations"] = annotations;
        self.entries.push(entry);
        self.write_index();
        digest
    }

    fn write_index(&self) {
        let index = json!({"schemaVersion": 2, "manifests": self.entries});
        // A new file, as oras writes it: the scan must notice it within one tick of the clock too.
        let next = self.path().join("index.next");
        fs::write(&next, index.to_string()).unwrap();
        fs::rename(next, self.path().join("index.json")).unwrap();
    }

    fn bundle(&mut self, subject: &Digest, content: &[u8]) -> Digest {
        self.blob(content);
        let subject = json!({"mediaType": MEDIA_TYPE_MANIFEST, "digest": subject.to_string(), "size": 1});
        let more = json!({"artifactType": BUNDLE, "subject": subject});
        self.list(&manifest(&[descriptor(BUNDLE, content)], more), json!({}))
    }

    fn layout(&self) -> Layout {
        Layout::new(self.path(), Source::Store)
    }
}

fn descriptor(media_type: &str, content: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": Digest::of(content).to_string(), "size": content.len()})
}

fn manifest(layers: &[Value], more: Value) -> Vec<u8> {
    let mut document = json!({"schemaVersion": 2, "mediaType": MEDIA_TYPE_MANIFEST, "layers": layers});
    document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    document.to_string().into_bytes()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

fn visit(layout: &Layout, subject: &Digest) -> (Result<Gathered, SourceError>, Vec<Found>) {
    let mut found = Vec::new();
    let question =
        Question { subject, wanted: Wanted::Everything, platform: "linux/amd64", deadline: soon() };
    let result = layout.visit(question, &mut Budget::default(), &mut |piece| {
        found.push(piece);
        Flow::Continue
    });
    (result, found)
}

fn layout_error(result: Result<impl std::fmt::Debug, SourceError>) -> LayoutError {
    match result {
        Err(SourceError::Layout(error)) => *error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_absent_or_empty_folder_is_an_empty_store() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().to_owned(), folder.path().join("absent")] {
        let layout = Layout::new(&path, Source::Store);
        let (result, found) = visit(&layout, &Digest::of(b"x"));
        let gathered = result.unwrap();
        assert_eq!((gathered.scanned, gathered.extent, found.len()), (0, Extent::Whole, 0));
        let name = "that could be meant".to_owned();
        assert_eq!(
            layout_error(layout.resolve_image(&OciImage::Only, soon())),
            LayoutError::NotFound { directory: path, name }
        );
    }
}

#[test]
fn referrers_and_legacy_tags_are_found() {
    let (mut folder, image) = Folder::with_image();
    let referrer = folder.bundle(&image, b"bundle");
    folder.blob(b"payload");
    let mut layer = descriptor(MEDIA_TYPE_SIMPLE_SIGNING, b"payload");
    layer["annotations"] = json!({"dev.cosignproject.cosign/signature": "c2ln"});
    let tag = fallback_tag(&image);
    folder.list(&manifest(&[layer], json!({})), json!({REF_NAME: format!("{tag}.sig")}));
    folder.blob(b"envelope");
    let content = manifest(&[descriptor(MEDIA_TYPE_DSSE, b"envelope")], json!({}));
    folder.list(&content, json!({REF_NAME: format!("ghcr.io/a/b:{tag}.att")}));

    let layout = folder.layout();
    let (result, found) = visit(&layout, &image);
    let formats: Vec<_> = found.iter().map(|piece| (piece.format, piece.content.as_slice())).collect();
    assert_eq!(
        formats,
        [
            (Format::Bundle, b"bundle".as_slice()),
            (Format::LegacySignature, b"payload"),
            (Format::LegacyAttestation, b"envelope")
        ]
    );
    assert_eq!((found[0].manifest, found[0].source), (referrer, Source::Store));
    assert_eq!(found[1].signature.as_deref(), Some("c2ln"));
    assert_eq!(result.unwrap().rejected, []);

    let (_, of_another) = visit(&layout, &Digest::of(b"another"));
    assert_eq!(of_another, []);
}

#[test]
fn a_changed_index_is_read_again_and_an_unchanged_one_is_not() {
    let (mut folder, image) = Folder::with_image();
    let layout = folder.layout();
    assert_eq!(visit(&layout, &image).1.len(), 0);
    let referrer = folder.bundle(&image, b"bundle");
    assert_eq!(visit(&layout, &image).1.len(), 1);
    // The scan is remembered, and still the manifest is read and hashed for every question.
    fs::write(folder.blob_path(&referrer), b"{}").unwrap();
    let (result, found) = visit(&layout, &image);
    assert_eq!(found, []);
    assert!(matches!(result.unwrap().rejected[..], [Rejected { reason: ItemError::Length { .. }, .. }]));
}

#[test]
fn a_blob_of_other_content_is_rejected() {
    let (mut folder, image) = Folder::with_image();
    folder.bundle(&image, b"bundle");
    let blob = folder.blob_path(&Digest::of(b"bundle"));
    let layout = folder.layout();
    let reason = |layout: &Layout| {
        let (result, found) = visit(layout, &image);
        assert_eq!(found, []);
        result.unwrap().rejected[0].reason.clone()
    };
    fs::write(&blob, b"bungle").unwrap();
    let (expected, found) = (Digest::of(b"bundle"), Digest::of(b"bungle"));
    assert_eq!(reason(&layout), ItemError::Digest { expected, found });
    fs::write(&blob, b"bundle and more").unwrap();
    assert_eq!(reason(&layout), ItemError::Length { promised: 6, received: 15 });
    fs::remove_file(&blob).unwrap();
    assert_eq!(reason(&layout), ItemError::NotFound);
    fs::create_dir(&blob).unwrap();
    assert_eq!(reason(&layout), ItemError::NotAFile);
}

#[test]
fn links_are_not_followed() {
    let (mut folder, image) = Folder::with_image();
    folder.bundle(&image, b"bundle");
    let layout = folder.layout();
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().join("target");
    fs::write(&target, b"bundle").unwrap();
    let blob = folder.blob_path(&Digest::of(b"bundle"));
    fs::remove_file(&blob).unwrap();
    symlink(&target, &blob).unwrap();
    let (result, found) = visit(&layout, &image);
    assert_eq!(found, []);
    assert_eq!(result.unwrap().rejected[0].reason, ItemError::NotAFile);

    // The folder of all blobs, linked elsewhere.
    let blobs = folder.path().join("blobs/sha256");
    fs::rename(&blobs, outside.path().join("sha256")).unwrap();
    symlink(outside.path().join("sha256"), &blobs).unwrap();
    let (result, found) = visit(&folder.layout(), &image);
    assert_eq!(found, []);
    let rejected = result.unwrap().rejected;
    assert!(rejected.iter().all(|rejected| rejected.reason == ItemError::NotAFile) && !rejected.is_empty());
}

#[test]
fn an_index_that_is_a_link_is_refused() {
    let (folder, image) = Folder::with_image();
    let path = folder.path().join("index.json");
    fs::rename(&path, folder.path().join("elsewhere.json")).unwrap();
    symlink(folder.path().join("elsewhere.json"), &path).unwrap();
    let (result, _) = visit(&folder.layout(), &image);
    assert_eq!(layout_error(result), LayoutError::Index { path, error: ItemError::NotAFile });
}

#[test]
fn a_folder_that_is_no_layout_is_refused() {
    for version in ["", "{}", r#"{"imageLayoutVersion":"2.0.0"}"#, "nonsense"] {
        let (folder, image) = Folder::with_image();
        fs::write(folder.path().join("oci-layout"), version).unwrap();
        let directory = folder.path().to_owned();
        let (result, _) = visit(&folder.layout(), &image);
        assert_eq!(layout_error(result), LayoutError::NotALayout { directory }, "{version}");
    }
}

#[test]
fn an_index_that_cannot_be_read_is_an_error_and_not_an_empty_store() {
    let (folder, image) = Folder::with_image();
    let path = folder.path().join("index.json");
    let big = limits::MANIFEST_BYTES + 1;
    let padded =
        format!(r#"{{"schemaVersion":2,"manifests":[]{}}}"#, " ".repeat(usize::try_from(big).unwrap()));
    let cases = [
        (r#"{"schemaVersion":2,"manifests":[],"layers":[]}"#.to_owned(), Some(DocumentError::Ambiguous)),
        (r#"{"schemaVersion":1,"manifests":[]}"#.to_owned(), Some(DocumentError::SchemaVersion)),
        (padded, None),
    ];
    for (content, error) in cases {
        fs::write(&path, content).unwrap();
        let error = match error {
            Some(error) => ItemError::Document(error),
            None => ItemError::TooLarge { cap: limits::MANIFEST_BYTES },
        };
        let (result, _) = visit(&folder.layout(), &image);
        assert_eq!(layout_error(result), LayoutError::Index { path: path.clone(), error });
    }
    for content in ["", "[]", r#"{"schemaVersion":2,"manifests":[],"manifests":[]}"#] {
        fs::write(&path, content).unwrap();
        let (result, _) = visit(&folder.layout(), &image);
        assert!(matches!(
            layout_error(result),
            LayoutError::Index { error: ItemError::Document(DocumentError::Syntax(_)), .. }
        ));
    }
}

#[test]
fn a_digest_that_would_be_a_path_is_never_one() {
    let (mut folder, image) = Folder::with_image();
    folder.bundle(&image, b"bundle");
    folder
        .entries
        .push(json!({"mediaType": MEDIA_TYPE_MANIFEST, "digest": "sha256:../../../etc/passwd", "size": 1}));
    folder.write_index();
    let (result, found) = visit(&folder.layout(), &image);
    assert_eq!(found.len(), 1);
    let error = DescriptorError::Digest(pullward_core::oci::DigestError::Length);
    assert_eq!(result.unwrap().rejected[0].reason, ItemError::Descriptor(error));
}

#[test]
fn what_is_listed_and_broken_is_said_and_hides_nothing() {
    let (mut folder, image) = Folder::with_image();
    folder.bundle(&image, b"bundle");
    let both = manifest(&[], json!({"manifests": []}));
    folder.list(&both, json!({}));
    folder.entries.push(descriptor(MEDIA_TYPE_MANIFEST, b"absent"));
    // Something that is no manifest at all is not ours to judge.
    folder.entries.push(descriptor("application/octet-stream", b"absent too"));
    folder.write_index();
    let (result, found) = visit(&folder.layout(), &image);
    assert_eq!(found.len(), 1);
    let reasons: Vec<_> = result.unwrap().rejected.into_iter().map(|rejected| rejected.reason).collect();
    assert_eq!(reasons, [ItemError::Document(DocumentError::Ambiguous), ItemError::NotFound]);
}

#[test]
fn more_referrers_than_are_scanned_reach_the_limit() {
    let (mut folder, image) = Folder::with_image();
    folder.bundle(&image, b"bundle");
    let entry = folder.entries.last().unwrap().clone();
    folder.entries.extend(vec![entry; limits::REFERRERS_SCANNED]);
    folder.write_index();
    let limit = Limit::Referrers;
    assert_eq!(
        visit(&folder.layout(), &image).0,
        Err(SourceError::Limit { source_name: Source::Store, limit })
    );
}

#[test]
fn more_manifests_than_a_layout_may_list_reach_the_limit() {
    let (mut folder, image) = Folder::with_image();
    folder.entries = vec![json!({}); limits::LAYOUT_MANIFESTS + 1];
    folder.write_index();
    let limit = Limit::Layout;
    assert_eq!(
        visit(&folder.layout(), &image).0,
        Err(SourceError::Limit { source_name: Source::Store, limit })
    );
}

#[test]
fn a_deadline_that_has_passed_reads_nothing() {
    let (mut folder, image) = Folder::with_image();
    folder.bundle(&image, b"bundle");
    let layout = folder.layout();
    for _ in 0..2 {
        let question = Question {
            subject: &image,
            wanted: Wanted::Everything,
            platform: "linux/amd64",
            deadline: Instant::now(),
        };
        let result = layout.visit(question, &mut Budget::default(), &mut |_| panic!("found"));
        assert_eq!(result, Err(SourceError::Deadline { source_name: Source::Store }));
        // The second time with the scan in memory.
        assert!(layout.scan(soon()).is_ok());
    }
}

#[test]
fn an_image_is_resolved_by_name_digest_or_being_alone() {
    let (mut folder, image) = Folder::with_image();
    folder.bundle(&image, b"bundle");
    let layout = folder.layout();
    for target in [OciImage::Only, OciImage::Named("v1".to_owned()), OciImage::Digest(image)] {
        let resolved = layout.resolve_image(&target, soon()).unwrap();
        assert_eq!((resolved.digest, resolved.media_type), (image, MediaType::Manifest), "{target:?}");
    }
    let directory = folder.path().to_owned();
    let (absent, name) = (OciImage::Named("v2".to_owned()), "v2".to_owned());
    let error = layout_error(layout.resolve_image(&absent, soon()));
    assert_eq!(error, LayoutError::NotFound { directory: directory.clone(), name });
    assert_eq!(error.fault(), Fault::NotFound);

    folder.list(&manifest(&[], json!({"annotations": {"n": "2"}})), json!({REF_NAME: "v2"}));
    let name = "that could be meant".to_owned();
    let ambiguous = LayoutError::Ambiguous { directory: directory.clone(), name, count: 2 };
    assert_eq!(layout_error(layout.resolve_image(&OciImage::Only, soon())), ambiguous);

    folder.list(&manifest(&[], json!({"annotations": {"n": "3"}})), json!({REF_NAME: "v1"}));
    let ambiguous = LayoutError::Ambiguous { directory, name: "v1".to_owned(), count: 2 };
    let named = OciImage::Named("v1".to_owned());
    assert_eq!(layout_error(layout.resolve_image(&named, soon())), ambiguous);
}

#[test]
fn a_reference_is_resolved_by_its_full_name_only() {
    let (mut folder, _) = Folder::with_image();
    let full = folder
        .list(&manifest(&[], json!({"annotations": {"n": "1"}})), json!({REF_NAME: "ghcr.io/acme/app:v1"}));
    let containerd = folder.list(
        &manifest(&[], json!({"annotations": {"n": "2"}})),
        json!({REF_NAME: "v1", CONTAINERD_NAME: "docker.io/library/nginx:1"}),
    );
    let layout = folder.layout();
    let resolve = |text: &str| layout.resolve(&Reference::parse(text).unwrap(), soon());
    assert_eq!(resolve("ghcr.io/acme/app:v1").unwrap().digest, full);
    assert_eq!(resolve("nginx:1").unwrap().digest, containerd);
    assert_eq!(resolve(&format!("ghcr.io/any/name@{full}")).unwrap().digest, full);
    // A bare tag in the layout belongs to no name.
    for absent in ["v1", "ghcr.io/acme/other:v1", "ghcr.io/acme/app:v2", "nginx:v1"] {
        assert_eq!(resolve(absent).unwrap_err().fault(), Fault::NotFound, "{absent}");
    }
}

#[test]
fn signatures_of_other_images_are_a_hint() {
    let (mut folder, image) = Folder::with_image();
    let other = Digest::of(b"other");
    folder.list(&manifest(&[], json!({})), json!({REF_NAME: format!("{}.sig", fallback_tag(&other))}));
    let (result, _) = visit(&folder.layout(), &image);
    assert_eq!(
        result.unwrap().hints,
        [
            Hint::TagsAreNotCopied { tag: format!("{}.sig", fallback_tag(&image)) },
            Hint::SignatureOfAnother { example: other, count: 1 }
        ]
    );
}
