//! What is found, in which format, and what is said where there is nothing.

use pullward::evidence::{Budget, Extent, Flow, Format, Hint, Source, Wanted};
use pullward_core::oci::{Digest, MEDIA_TYPE_MANIFEST};
use pullward_tests::hostile::{Api, Shelf, descriptor, manifest};
use serde_json::json;

use super::{BUNDLE, beside_a_good_bundle, honest, subject, visit, visit_with};

#[test]
fn a_bundle_is_found_whatever_the_list_says_of_its_type() {
    for api in [Api::Present, Api::Absent] {
        let (mut shelf, image) = Shelf::with_image();
        shelf.api = api;
        let referrer = shelf.bundle(&image, b"the bundle");
        let server = honest(shelf);
        let visit = visit(&server, &image);
        let gathered = visit.result.unwrap();
        assert_eq!(visit.found.len(), 1);
        let piece = &visit.found[0];
        assert_eq!(piece.content, b"the bundle");
        assert_eq!((piece.format, piece.source), (Format::Bundle, Source::Registry));
        assert_eq!((piece.digest, piece.manifest), (Digest::of(b"the bundle"), referrer));
        assert_eq!(piece.artifact_type, BUNDLE);
        assert_eq!(piece.annotations["dev.sigstore.bundle.content"], "dsse-envelope");
        assert_eq!(piece.signature, None);
        assert_eq!((gathered.found, gathered.scanned, gathered.extent), (1, 1, Extent::Whole));
        assert_eq!((gathered.rejected, gathered.others), (vec![], vec![]));
        let hints = if api == Api::Absent { vec![Hint::NoReferrersApi] } else { vec![] };
        assert_eq!(gathered.hints, hints);
        // List, manifest, blob; fallback, .sig, .att.
        assert_eq!((visit.followed, visit.tags), (3, 3));
    }
}

#[test]
fn a_receiver_that_has_enough_causes_no_more_requests() {
    let (mut shelf, image) = Shelf::with_image();
    shelf.bundle(&image, b"one");
    shelf.bundle(&image, b"two");
    shelf.legacy_signature(&image, b"payload", "c2ln");
    let server = honest(shelf);
    let visit = visit_with(&server, &image, Wanted::Everything, Budget::default(), |_| Flow::Stop);
    assert_eq!(visit.result.unwrap().extent, Extent::Stopped);
    // List, manifest, blob. The tags do not wait for the list, so they may have been asked for; nothing else may.
    assert_eq!((visit.found.len(), visit.followed), (1, 3));
    assert!(visit.tags <= 3, "{}", visit.tags);
}

#[test]
fn legacy_signatures_and_attestations_are_found_behind_their_tags() {
    let (mut shelf, image) = Shelf::with_image();
    shelf.api = Api::Absent;
    let signature = shelf.legacy_signature(&image, b"payload", "c2ln");
    let attestation = shelf.legacy_attestation(&image, b"envelope");
    let server = honest(shelf.clone());
    let visit = visit(&server, &image);
    let mut found = visit.found.iter();
    let piece = found.next().unwrap();
    assert_eq!((piece.format, piece.content.as_slice()), (Format::LegacySignature, b"payload".as_slice()));
    assert_eq!((piece.manifest, piece.signature.as_deref()), (signature, Some("c2ln")));
    let piece = found.next().unwrap();
    assert_eq!((piece.format, piece.content.as_slice()), (Format::LegacyAttestation, b"envelope".as_slice()));
    assert_eq!((piece.manifest, piece.signature.as_deref()), (attestation, None));
    assert_eq!(found.next(), None);

    let server = honest(shelf);
    let visit = visit_with(&server, &image, Wanted::Signatures, Budget::default(), |_| Flow::Continue);
    assert_eq!(visit.found.len(), 1);
    assert!(server.paths().iter().all(|path| !path.ends_with(".att")));
}

#[test]
fn every_format_is_looked_for_in_one_visit() {
    let (mut shelf, image) = Shelf::with_image();
    shelf.bundle(&image, b"bundle");
    shelf.legacy_signature(&image, b"payload", "c2ln");
    shelf.legacy_attestation(&image, b"envelope");
    let server = honest(shelf);
    let formats: Vec<_> = visit(&server, &image).found.iter().map(|piece| piece.format).collect();
    assert_eq!(formats, [Format::Bundle, Format::LegacySignature, Format::LegacyAttestation]);
}

#[test]
fn an_image_with_nothing_attached_says_what_may_have_happened() {
    let (mut shelf, image) = Shelf::with_image();
    shelf.legacy_signature(&Digest::of(b"before"), b"payload", "c2ln");
    let server = honest(shelf);
    let gathered = visit(&server, &image).result.unwrap();
    assert_eq!((gathered.found, gathered.scanned), (0, 0));
    assert_eq!(
        gathered.hints,
        [
            Hint::TagsAreNotCopied { tag: format!("sha256-{}.sig", image.hex()) },
            Hint::SignatureOfAnother { example: Digest::of(b"before"), count: 1 },
        ]
    );
}

#[test]
fn a_bundle_behind_a_legacy_tag_is_not_evidence() {
    let gathered = beside_a_good_bundle(|shelf, image| {
        shelf.blob(b"x");
        let tag = format!("sha256-{}.sig", image.hex());
        let content = manifest(&[descriptor(BUNDLE, b"x")], json!({"artifactType": BUNDLE}));
        shelf.put(&tag, MEDIA_TYPE_MANIFEST, content);
    });
    assert_eq!((gathered.rejected.len(), gathered.others.len()), (0, 1));
}

#[test]
fn what_is_no_evidence_is_listed_with_its_type() {
    let gathered = beside_a_good_bundle(|shelf, image| {
        let more = json!({"artifactType": "application/spdx+json", "subject": subject(image)});
        shelf.attach(image, manifest(&[descriptor("application/spdx+json", b"sbom")], more));
    });
    assert_eq!(gathered.rejected, []);
    assert_eq!(gathered.others.len(), 1);
    assert_eq!(gathered.others[0].artifact_type, "application/spdx+json");
}
