//! Attached things that are broken are listed with their reason, and hide nothing.

use pullward::evidence::ItemError;
use pullward::evidence::document::{DescriptorError, DocumentError};
use pullward_core::limits;
use pullward_core::oci::{Digest, DigestError, MEDIA_TYPE_INDEX, MEDIA_TYPE_MANIFEST};
use pullward_tests::hostile::{Hostile, Reply, Shelf, descriptor, manifest};
use serde_json::json;

use super::{BUNDLE, beside_a_good_bundle, subject, visit};

fn rejected(breaking: impl FnOnce(&mut Shelf, &Digest)) -> ItemError {
    let gathered = beside_a_good_bundle(breaking);
    assert_eq!(gathered.rejected.len(), 1, "{:?}", gathered.rejected);
    gathered.rejected[0].reason.clone()
}

#[test]
fn broken_referrers_are_listed_and_hide_nothing() {
    let other = Digest::of(b"other");
    assert_eq!(
        rejected(|shelf, image| {
            let more = json!({"artifactType": BUNDLE, "subject": subject(&other)});
            shelf.attach(image, manifest(&[descriptor(BUNDLE, b"x")], more));
        }),
        ItemError::Subject
    );
    assert_eq!(
        rejected(|shelf, image| {
            shelf.attach(image, manifest(&[descriptor(BUNDLE, b"x")], json!({"artifactType": BUNDLE})));
        }),
        ItemError::Subject
    );
    assert_eq!(
        rejected(|shelf, image| {
            let more = json!({"artifactType": BUNDLE, "subject": subject(image), "manifests": []});
            shelf.attach(image, manifest(&[descriptor(BUNDLE, b"x")], more));
        }),
        ItemError::Document(DocumentError::Ambiguous)
    );
    assert_eq!(
        rejected(|shelf, image| {
            let more = json!({"mediaType": MEDIA_TYPE_INDEX, "subject": subject(image)});
            shelf.attach(image, manifest(&[descriptor(BUNDLE, b"x")], more));
        }),
        ItemError::Document(DocumentError::TypeMismatch {
            claimed: MEDIA_TYPE_MANIFEST.to_owned(),
            found: MEDIA_TYPE_INDEX.to_owned()
        })
    );
    assert_eq!(
        rejected(|shelf, image| shelf.list(image, descriptor(MEDIA_TYPE_MANIFEST, b"listed and not there"))),
        ItemError::NotFound
    );
    assert_eq!(
        rejected(|shelf, image| {
            let more = json!({"artifactType": BUNDLE, "subject": subject(image)});
            shelf.attach(image, manifest(&[descriptor(BUNDLE, b"no such blob")], more));
        }),
        ItemError::NotFound
    );
    assert_eq!(
        rejected(|shelf, image| {
            shelf.list(image, json!({"mediaType": MEDIA_TYPE_MANIFEST, "digest": "sha512:00", "size": 1}));
        }),
        ItemError::Descriptor(DescriptorError::Digest(DigestError::Algorithm))
    );
    assert_eq!(
        rejected(|shelf, image| {
            shelf.list(
                image,
                json!({"mediaType": MEDIA_TYPE_MANIFEST, "digest": image.to_string(), "size": -1}),
            );
        }),
        ItemError::Descriptor(DescriptorError::Size)
    );
}

#[test]
fn sizes_that_lie_are_listed_and_hide_nothing() {
    assert_eq!(
        rejected(|shelf, image| {
            let entry = json!({
                "mediaType": MEDIA_TYPE_MANIFEST,
                "digest": Digest::of(b"big").to_string(),
                "size": limits::MANIFEST_BYTES + 1,
            });
            shelf.list(image, entry);
        }),
        ItemError::TooLarge { cap: limits::MANIFEST_BYTES }
    );
    let size = limits::ATTESTATION_BYTES + 1;
    assert_eq!(
        rejected(|shelf, image| {
            let layer = json!({"mediaType": BUNDLE, "digest": Digest::of(b"big").to_string(), "size": size});
            let more = json!({"artifactType": BUNDLE, "subject": subject(image)});
            shelf.attach(image, manifest(&[layer], more));
        }),
        ItemError::TooLarge { cap: limits::ATTESTATION_BYTES }
    );
    assert_eq!(
        rejected(|shelf, image| {
            let digest = shelf.blob(b"seven b");
            let layer = json!({"mediaType": BUNDLE, "digest": digest.to_string(), "size": 6});
            let more = json!({"artifactType": BUNDLE, "subject": subject(image)});
            shelf.attach(image, manifest(&[layer], more));
        }),
        ItemError::Length { promised: 6, received: 7 }
    );
    assert_eq!(
        rejected(|shelf, image| {
            let more = json!({"artifactType": BUNDLE, "subject": subject(image)});
            let content = manifest(&[descriptor(BUNDLE, b"good")], more);
            let size = content.len();
            let digest = shelf.put("any", MEDIA_TYPE_MANIFEST, content);
            shelf.list(
                image,
                json!({"mediaType": MEDIA_TYPE_MANIFEST, "digest": digest.to_string(), "size": size + 1}),
            );
        }),
        ItemError::Length {
            promised: u64::try_from(manifest_length()).unwrap() + 1,
            received: u64::try_from(manifest_length()).unwrap()
        }
    );
}

/// The length of the manifest in the last case above: the subject's digest has a fixed length.
fn manifest_length() -> usize {
    let more = json!({"artifactType": BUNDLE, "subject": subject(&Digest::of(b""))});
    manifest(&[descriptor(BUNDLE, b"good")], more).len()
}

#[test]
fn a_registry_that_flips_a_referrer_or_a_blob_is_caught_by_the_digest() {
    for kind in ["/manifests/sha256:", "/blobs/"] {
        let (mut shelf, image) = Shelf::with_image();
        shelf.bundle(&image, b"good");
        let server = Hostile::start(move |request| match shelf.answer(request) {
            Reply::Answer { status: 200, headers, mut body } if request.path.contains(kind) => {
                // The same length, one bit off.
                if let Some(last) = body.last_mut() {
                    *last ^= 1;
                }
                let headers = headers.into_iter().filter(|(name, _)| name == "content-type").collect();
                Reply::Answer { status: 200, headers, body }
            }
            other => other,
        })
        .unwrap();
        let visit = visit(&server, &image);
        assert_eq!(visit.found, []);
        let rejected = visit.result.unwrap().rejected;
        assert!(matches!(
            rejected[..],
            [pullward::evidence::Rejected { reason: ItemError::Digest { .. }, .. }]
        ));
    }
}

#[test]
fn a_legacy_signature_without_its_annotation_is_listed() {
    assert_eq!(
        rejected(|shelf, image| {
            shelf.blob(b"payload");
            let layer = descriptor("application/vnd.dev.cosign.simplesigning.v1+json", b"payload");
            let tag = format!("sha256-{}.sig", image.hex());
            shelf.put(&tag, MEDIA_TYPE_MANIFEST, manifest(&[layer], json!({})));
        }),
        ItemError::NoSignature
    );
}

#[test]
fn a_legacy_signature_larger_than_a_signature_is_listed() {
    assert_eq!(
        rejected(|shelf, image| {
            let layer = json!({
                "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json",
                "digest": Digest::of(b"x").to_string(),
                "size": limits::SIGNATURE_BYTES + 1,
                "annotations": {"dev.cosignproject.cosign/signature": "c2ln"},
            });
            let tag = format!("sha256-{}.sig", image.hex());
            shelf.put(&tag, MEDIA_TYPE_MANIFEST, manifest(&[layer], json!({})));
        }),
        ItemError::TooLarge { cap: limits::SIGNATURE_BYTES }
    );
}

#[test]
fn a_referrer_with_many_layers_that_are_no_evidence_denies_nothing() {
    for count in [limits::EVIDENCE_LAYERS + 1, limits::REFERRERS_SCANNED + 1] {
        let gathered = beside_a_good_bundle(|shelf, image| {
            let layers = vec![descriptor("application/spdx+json", b"sbom"); count];
            shelf.attach(image, manifest(&layers, json!({"subject": subject(image)})));
        });
        let reasons: Vec<_> = gathered.rejected.into_iter().map(|rejected| rejected.reason).collect();
        let expected = if count > limits::REFERRERS_SCANNED { vec![ItemError::Layers] } else { vec![] };
        assert_eq!(reasons, expected);
    }
}

#[test]
fn claimed_bytes_that_never_come_spend_nothing() {
    let gathered = beside_a_good_bundle(|shelf, image| {
        for number in 0..4 {
            // Two that are not there, two that are small.
            let content = format!("small {number}");
            if number % 2 == 0 {
                shelf.blob(content.as_bytes());
            }
            let mut layer = descriptor(BUNDLE, content.as_bytes());
            layer["size"] = json!(limits::ATTESTATION_BYTES);
            let more = json!({"artifactType": BUNDLE, "subject": subject(image)});
            shelf.attach(image, manifest(&[layer], more));
        }
    });
    assert_eq!(gathered.rejected.len(), 4);
}
