//! What is attached to an image, asked of a registry that hides, floods and confuses.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

mod support;

use std::time::{Duration, Instant};

use pullward::evidence::document::{DescriptorError, DocumentError, MediaType};
use pullward::evidence::{
    Budget, EvidenceSource as _, Extent, Flow, Format, Found, Gathered, Hint, ItemError, Limit, Question,
    Source, SourceError, Wanted,
};
use pullward::registry::source::RegistrySource;
use pullward::registry::{Refusal, RegistryError};
use pullward_core::limits;
use pullward_core::oci::{Digest, DigestError, MEDIA_TYPE_INDEX, MEDIA_TYPE_MANIFEST};
use pullward_core::reference::Reference;
use pullward_tests::hostile::{Api, Hostile, Reply, Shelf, descriptor, manifest};
use serde_json::json;
use support::{SOON, client, in_time};

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

struct Visit {
    result: Result<Gathered, SourceError>,
    found: Vec<Found>,
    requests: u64,
    bytes: u64,
}

fn visit(server: &Hostile, subject: &Digest) -> Visit {
    visit_with(server, subject, Wanted::Everything, Budget::default(), |_| Flow::Continue)
}

fn visit_with(
    server: &Hostile,
    subject: &Digest,
    wanted: Wanted,
    mut budget: Budget,
    flow: impl Fn(&Found) -> Flow,
) -> Visit {
    let client = client();
    let reference = Reference::parse(&server.reference("app:v1")).unwrap();
    let source = RegistrySource::new(&client, &reference).unwrap();
    let mut found = Vec::new();
    let question = Question { subject, wanted, platform: "linux/amd64", deadline: Instant::now() + SOON };
    let result = in_time(|| {
        source.visit(question, &mut budget, &mut |piece| {
            let flow = flow(&piece);
            found.push(piece);
            flow
        })
    });
    Visit { result, found, requests: client.requests(), bytes: budget.spent() }
}

fn honest(shelf: Shelf) -> Hostile {
    Hostile::start(move |request| shelf.answer(request)).unwrap()
}

fn registry_error(visit: Visit) -> RegistryError {
    match visit.result {
        Err(SourceError::Registry(error)) => *error,
        other => panic!("{other:?}"),
    }
}

fn referrers_url(server: &Hostile, subject: &Digest) -> String {
    format!("http://{}/v2/app/referrers/{subject}", server.host())
}

#[test]
fn a_bundle_is_found_whatever_the_list_says_of_its_type() {
    for (api, requests) in [(Api::Present, 6), (Api::Absent, 6)] {
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
        // list, fallback, manifest, blob, .sig, .att
        assert_eq!(visit.requests, requests);
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
    assert_eq!((visit.found.len(), visit.requests), (1, 3));
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
fn a_list_that_the_api_lacks_is_still_found_behind_the_fallback_tag() {
    // The registry gained the API after an older client had written its list.
    let (mut shelf, image) = Shelf::with_image();
    shelf.bundle(&image, b"bundle");
    let list = shelf.referrers(&image.to_string());
    let tag = format!("sha256-{}", image.hex());
    shelf.put(&tag, MEDIA_TYPE_INDEX, list);
    let server = Hostile::start(move |request| {
        if request.path.contains("/referrers/") {
            Reply::ok(MEDIA_TYPE_INDEX, r#"{"schemaVersion":2,"manifests":[]}"#)
        } else {
            shelf.answer(request)
        }
    })
    .unwrap();
    assert_eq!(visit(&server, &image).found.len(), 1);
}

#[test]
fn registries_without_the_api_answer_in_three_ways() {
    for status in [400, 404, 405] {
        let (mut shelf, image) = Shelf::with_image();
        shelf.api = Api::Absent;
        shelf.bundle(&image, b"bundle");
        let server = Hostile::start(move |request| {
            if request.path.contains("/referrers/") { Reply::status(status) } else { shelf.answer(request) }
        })
        .unwrap();
        assert_eq!(visit(&server, &image).found.len(), 1, "{status}");
    }
}

/// The error that is expected at an address.
type ErrorAt = fn(String) -> RegistryError;

#[test]
fn a_list_that_cannot_be_read_is_an_error_and_not_an_empty_list() {
    let (shelf, image) = Shelf::with_image();
    let cases: [(Reply, ErrorAt); 8] = [
        (Reply::status(401), |url| RegistryError::Unauthorized { url, refusal: Refusal::Scheme }),
        (Reply::status(403), |url| RegistryError::Unauthorized { url, refusal: Refusal::NoCredentials }),
        (Reply::status(429), |url| RegistryError::Unavailable { url, status: 429, retries: limits::RETRIES }),
        (Reply::status(500), |url| RegistryError::Unavailable { url, status: 500, retries: limits::RETRIES }),
        (Reply::status(204), |url| RegistryError::Status { url, status: 204 }),
        (Reply::ok("text/html", "<html>"), |url| RegistryError::ContentType {
            url,
            expected: MEDIA_TYPE_INDEX,
            found: "text/html".to_owned(),
        }),
        (Reply::ok(MEDIA_TYPE_MANIFEST, r#"{"schemaVersion":2,"layers":[]}"#), |url| {
            RegistryError::ContentType {
                url,
                expected: MEDIA_TYPE_INDEX,
                found: MEDIA_TYPE_MANIFEST.to_owned(),
            }
        }),
        (Reply::ok(MEDIA_TYPE_INDEX, r#"{"schemaVersion":2,"manifests":[],"layers":[]}"#), |url| {
            RegistryError::Document { url, error: DocumentError::Ambiguous }
        }),
    ];
    for (reply, expected) in cases {
        let shelf = shelf.clone();
        let server = Hostile::start(move |request| {
            if request.path.contains("/referrers/") { reply.clone() } else { shelf.answer(request) }
        })
        .unwrap();
        let url = referrers_url(&server, &image);
        assert_eq!(registry_error(visit(&server, &image)), expected(url));
    }
}

#[test]
fn a_legacy_tag_that_cannot_be_read_is_an_error_too() {
    for suffix in [".sig", ".att", ""] {
        let (shelf, image) = Shelf::with_image();
        let name = format!("/v2/app/manifests/sha256-{}{suffix}", image.hex());
        let broken = name.clone();
        let server =
            Hostile::start(
                move |request| {
                    if request.path == broken { Reply::status(500) } else { shelf.answer(request) }
                },
            )
            .unwrap();
        let url = format!("http://{}{name}", server.host());
        let expected = RegistryError::Unavailable { url, status: 500, retries: limits::RETRIES };
        assert_eq!(registry_error(visit(&server, &image)), expected);
    }
}

#[test]
fn ten_thousand_referrers_in_one_page_reach_the_limit() {
    let (shelf, image) = Shelf::with_image();
    let entry = descriptor(MEDIA_TYPE_MANIFEST, b"x");
    let list = json!({"schemaVersion": 2, "manifests": vec![entry; 10_000]}).to_string();
    let server = Hostile::start(move |request| {
        if request.path.contains("/referrers/") {
            Reply::ok(MEDIA_TYPE_INDEX, list.clone())
        } else {
            shelf.answer(request)
        }
    })
    .unwrap();
    let url = referrers_url(&server, &image);
    let visit = visit(&server, &image);
    assert_eq!((visit.requests, visit.found.len()), (1, 0));
    assert_eq!(registry_error(visit), RegistryError::Limit { url, limit: Limit::Referrers });
}

#[test]
fn ten_thousand_referrers_behind_the_fallback_tag_reach_the_limit() {
    let (mut shelf, image) = Shelf::with_image();
    shelf.api = Api::Absent;
    for number in 0..10_000 {
        shelf.list(&image, descriptor(MEDIA_TYPE_MANIFEST, format!("{number}").as_bytes()));
    }
    let server = honest(shelf);
    let visit = visit(&server, &image);
    let limit = Limit::Referrers;
    assert_eq!(visit.result, Err(SourceError::Limit { source_name: Source::Registry, limit }));
    assert_eq!(visit.requests, 2);
}

/// Pages of `per_page` entries without end.
fn endless_pages(per_page: usize) -> (Hostile, Digest) {
    let (shelf, image) = Shelf::with_image();
    let entries = vec![descriptor(MEDIA_TYPE_MANIFEST, b"x"); per_page];
    let page = json!({"schemaVersion": 2, "manifests": entries}).to_string();
    let server = Hostile::start(move |request| match request.path.split_once("/referrers/") {
        Some((_, rest)) => {
            let number: usize = rest.split_once("n=").map_or(0, |(_, number)| number.parse().unwrap());
            let next = format!(r#"<?n={}>; rel="next""#, number + 1);
            Reply::ok(MEDIA_TYPE_INDEX, page.clone()).with("link", &next)
        }
        None => shelf.answer(request),
    })
    .unwrap();
    (server, image)
}

#[test]
fn pages_without_end_reach_the_limit_of_pages_or_of_referrers() {
    for (per_page, pages, limit) in [
        (0, limits::REFERRER_PAGES, Limit::Pages),
        (1, limits::REFERRER_PAGES, Limit::Pages),
        (100, limits::REFERRERS_SCANNED / 100 + 1, Limit::Referrers),
    ] {
        let (server, image) = endless_pages(per_page);
        let visit = visit(&server, &image);
        assert_eq!(visit.requests, u64::try_from(pages).unwrap());
        match registry_error(visit) {
            RegistryError::Limit { limit: found, .. } => assert_eq!(found, limit),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn all_pages_of_a_list_are_read() {
    let (mut shelf, image) = Shelf::with_image();
    for content in [b"one".as_slice(), b"two", b"three"] {
        shelf.bundle(&image, content);
    }
    let list: serde_json::Value = serde_json::from_slice(&shelf.referrers(&image.to_string())).unwrap();
    let entries = list["manifests"].as_array().unwrap().clone();
    let server = Hostile::start(move |request| match request.path.split_once("/referrers/") {
        Some((_, rest)) => {
            let number: usize = rest.split_once("n=").map_or(0, |(_, number)| number.parse().unwrap());
            let page = json!({"schemaVersion": 2, "manifests": [entries[number]]}).to_string();
            let page = Reply::ok(MEDIA_TYPE_INDEX, page);
            let next =
                format!(r#"<{}?n={}>; rel="next""#, request.path.split('?').next().unwrap(), number + 1);
            if number + 1 < entries.len() { page.with("link", &next) } else { page }
        }
        None => shelf.answer(request),
    })
    .unwrap();
    let visit = visit(&server, &image);
    assert_eq!((visit.result.unwrap().scanned, visit.found.len()), (3, 3));
}

#[test]
fn a_later_page_that_fails_fails_the_list() {
    let (shelf, image) = Shelf::with_image();
    for status in [404, 400, 500] {
        let shelf = shelf.clone();
        let server = Hostile::start(move |request| match request.path.split_once("/referrers/") {
            Some((_, rest)) if !rest.contains('?') => {
                Reply::ok(MEDIA_TYPE_INDEX, r#"{"schemaVersion":2,"manifests":[]}"#)
                    .with("link", r#"<?n=1>; rel="next""#)
            }
            Some(_) => Reply::status(status),
            None => shelf.answer(request),
        })
        .unwrap();
        let url = format!("{}?n=1", referrers_url(&server, &image));
        let expected = match status {
            404 => RegistryError::NotFound { url },
            400 => RegistryError::Status { url, status },
            _ => RegistryError::Unavailable { url, status, retries: limits::RETRIES },
        };
        assert_eq!(registry_error(visit(&server, &image)), expected);
    }
}

#[test]
fn a_next_page_elsewhere_is_not_read() {
    let elsewhere =
        Hostile::start(|_| Reply::ok(MEDIA_TYPE_INDEX, r#"{"schemaVersion":2,"manifests":[]}"#)).unwrap();
    let (shelf, image) = Shelf::with_image();
    let cases = [
        (format!("http://{}/v2/app/referrers/x", elsewhere.host()), format!("http://{}", elsewhere.host())),
        ("http://169.254.169.254/".to_owned(), "http://169.254.169.254".to_owned()),
        ("//evil.example/x".to_owned(), "http://evil.example".to_owned()),
        ("unix:/run/x.sock".to_owned(), "an address that is neither http nor https".to_owned()),
    ];
    for (link, target) in cases {
        let shelf = shelf.clone();
        let server = Hostile::start(move |request| {
            if request.path.contains("/referrers/") {
                Reply::ok(MEDIA_TYPE_INDEX, r#"{"schemaVersion":2,"manifests":[]}"#)
                    .with("link", &format!(r#"<{link}>; rel="next""#))
            } else {
                shelf.answer(request)
            }
        })
        .unwrap();
        let url = referrers_url(&server, &image);
        assert_eq!(registry_error(visit(&server, &image)), RegistryError::Link { url, target });
    }
    assert_eq!(elsewhere.seen(), []);
}

#[test]
fn pages_that_name_each_other_are_a_loop() {
    let (shelf, image) = Shelf::with_image();
    let server = Hostile::start(move |request| match request.path.split_once("/referrers/") {
        Some((_, rest)) => {
            let next = if rest.contains("n=a") { "b" } else { "a" };
            Reply::ok(MEDIA_TYPE_INDEX, r#"{"schemaVersion":2,"manifests":[]}"#)
                .with("link", &format!(r#"<?n={next}>; rel="next""#))
        }
        None => shelf.answer(request),
    })
    .unwrap();
    let url = format!("{}?n=b", referrers_url(&server, &image));
    assert_eq!(registry_error(visit(&server, &image)), RegistryError::LinkLoop { url });
}

/// Something broken beside a good bundle: it is listed with its reason, and the bundle is found.
fn beside_a_good_bundle(breaking: impl FnOnce(&mut Shelf, &Digest)) -> Gathered {
    let (mut shelf, image) = Shelf::with_image();
    breaking(&mut shelf, &image);
    shelf.bundle(&image, b"good");
    let server = honest(shelf);
    let visit = visit(&server, &image);
    assert_eq!(visit.found.len(), 1, "the good bundle");
    assert_eq!(visit.found[0].content, b"good");
    visit.result.unwrap()
}

fn rejected(breaking: impl FnOnce(&mut Shelf, &Digest)) -> ItemError {
    let gathered = beside_a_good_bundle(breaking);
    assert_eq!(gathered.rejected.len(), 1, "{:?}", gathered.rejected);
    gathered.rejected[0].reason.clone()
}

fn subject(of: &Digest) -> serde_json::Value {
    json!({"mediaType": MEDIA_TYPE_MANIFEST, "digest": of.to_string(), "size": 1})
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

#[test]
fn more_pieces_than_are_processed_reach_the_limit() {
    let (mut shelf, image) = Shelf::with_image();
    for number in 0..=limits::EVIDENCE_PROCESSED {
        shelf.bundle(&image, format!("bundle {number}").as_bytes());
    }
    let server = honest(shelf);
    let visit = visit(&server, &image);
    assert_eq!(visit.found.len(), limits::EVIDENCE_PROCESSED);
    let limit = Limit::Evidence;
    assert_eq!(visit.result, Err(SourceError::Limit { source_name: Source::Registry, limit }));
}

#[test]
fn more_layers_than_are_processed_reach_the_limit_before_any_is_read() {
    let (mut shelf, image) = Shelf::with_image();
    shelf.blob(b"x");
    let layers = vec![descriptor(BUNDLE, b"x"); limits::EVIDENCE_LAYERS + 1];
    shelf.attach(&image, manifest(&layers, json!({"artifactType": BUNDLE, "subject": subject(&image)})));
    let server = honest(shelf);
    let visit = visit(&server, &image);
    assert_eq!(visit.found, []);
    let limit = Limit::Evidence;
    assert_eq!(visit.result, Err(SourceError::Limit { source_name: Source::Registry, limit }));
}

#[test]
fn more_manifests_than_are_fetched_reach_the_limit() {
    let (mut shelf, image) = Shelf::with_image();
    for number in 0..=limits::REFERRERS_FETCHED {
        let more = json!({"artifactType": "application/spdx+json", "subject": subject(&image), "n": number});
        shelf.attach(&image, manifest(&[], more));
    }
    let server = honest(shelf);
    let visit = visit(&server, &image);
    let limit = Limit::Fetches;
    assert_eq!(visit.result, Err(SourceError::Limit { source_name: Source::Registry, limit }));
    assert_eq!(visit.requests, u64::try_from(limits::REFERRERS_FETCHED).unwrap() + 1);
}

#[test]
fn the_bytes_of_a_verdict_are_counted_and_end() {
    let (mut shelf, image) = Shelf::with_image();
    shelf.bundle(&image, b"bundle");
    let server = honest(shelf);
    let spent = visit(&server, &image).bytes;
    assert!(spent > 0 && spent < 4096, "{spent}");

    let mut nearly = Budget::default();
    nearly.spend(limits::VERDICT_BYTES - spent + 1).unwrap();
    let visit = visit_with(&server, &image, Wanted::Everything, nearly, |_| Flow::Continue);
    let limit = Limit::Bytes;
    assert_eq!(visit.result, Err(SourceError::Limit { source_name: Source::Registry, limit }));
    assert_eq!(visit.found, []);
}

#[test]
fn one_referrer_listed_twice_counts_once() {
    let (mut shelf, image) = Shelf::with_image();
    shelf.bundle(&image, b"bundle");
    shelf.bundle(&image, b"bundle");
    let server = honest(shelf);
    assert_eq!(visit(&server, &image).found.len(), 1);
}

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
fn a_hanging_blob_ends_the_whole_visit_at_its_deadline() {
    let (mut shelf, image) = Shelf::with_image();
    shelf.bundle(&image, b"bundle");
    let server = Hostile::start(move |request| {
        if request.path.contains("/blobs/") {
            Reply::Hang(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nbun".to_vec())
        } else {
            shelf.answer(request)
        }
    })
    .unwrap();
    let client = client();
    let reference = Reference::parse(&server.reference("app:v1")).unwrap();
    let source = RegistrySource::new(&client, &reference).unwrap();
    let begin = Instant::now();
    let deadline = begin + Duration::from_millis(400);
    let question =
        Question { subject: &image, wanted: Wanted::Everything, platform: "linux/amd64", deadline };
    let result = source.visit(question, &mut Budget::default(), &mut |_| Flow::Continue);
    assert_eq!(result.unwrap_err().fault(), pullward::evidence::Fault::Deadline);
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
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

#[test]
fn what_is_pushed_through_the_api_does_not_hide_the_fallback_tag() {
    let (mut shelf, image) = Shelf::with_image();
    shelf.bundle(&image, b"behind the tag");
    let list = shelf.referrers(&image.to_string());
    shelf.put(&format!("sha256-{}", image.hex()), MEDIA_TYPE_INDEX, list);
    let (mut api, _) = Shelf::with_image();
    api.bundle(&image, b"pushed by anyone");
    let listed = api.referrers(&image.to_string());
    shelf.bundle(&image, b"pushed by anyone");
    let server = Hostile::start(move |request| {
        if request.path.contains("/referrers/") {
            Reply::ok(MEDIA_TYPE_INDEX, listed.clone())
        } else {
            shelf.answer(request)
        }
    })
    .unwrap();
    let contents: Vec<_> = visit(&server, &image).found.into_iter().map(|piece| piece.content).collect();
    assert_eq!(contents, [b"pushed by anyone".to_vec(), b"behind the tag".to_vec()]);
}

#[test]
fn what_the_api_and_the_fallback_tag_both_list_is_read_once() {
    let (mut shelf, image) = Shelf::with_image();
    shelf.bundle(&image, b"bundle");
    shelf.list(&image, descriptor(MEDIA_TYPE_MANIFEST, b"not there"));
    let list = shelf.referrers(&image.to_string());
    shelf.put(&format!("sha256-{}", image.hex()), MEDIA_TYPE_INDEX, list);
    let server = honest(shelf);
    let visit = visit(&server, &image);
    let gathered = visit.result.unwrap();
    assert_eq!((visit.found.len(), gathered.scanned, gathered.rejected.len()), (1, 2, 1));
}

#[test]
fn a_wrong_entry_does_not_hide_the_right_one_for_the_same_manifest() {
    for wrong in [
        json!({"mediaType": MEDIA_TYPE_INDEX, "size": 1}),
        json!({"mediaType": MEDIA_TYPE_MANIFEST, "size": limits::MANIFEST_BYTES + 1}),
        json!({"mediaType": MEDIA_TYPE_MANIFEST, "size": 1}),
    ] {
        let (mut shelf, image) = Shelf::with_image();
        let more = json!({"artifactType": BUNDLE, "subject": subject(&image)});
        let mut entry = wrong.clone();
        entry["digest"] = json!(Digest::of(&manifest(&[descriptor(BUNDLE, b"good")], more)).to_string());
        shelf.blob(b"good");
        shelf.list(&image, entry);
        let more = json!({"artifactType": BUNDLE, "subject": subject(&image)});
        shelf.attach(&image, manifest(&[descriptor(BUNDLE, b"good")], more));
        let server = honest(shelf);
        assert_eq!(visit(&server, &image).found.len(), 1, "{wrong}");
    }
}

#[test]
fn a_link_that_cannot_be_read_is_an_error_and_not_the_last_page() {
    let long = format!("</{}>; rel=\"next\"", "x".repeat(limits::HEADER_VALUE_BYTES));
    let cases = [
        (vec![long.as_str()], "it is longer than is looked at"),
        (vec![r#"</a>; rel="next""#, r#"</b>; rel="next""#], "there are two next pages"),
        (vec![r#"/a; rel="next""#], "it speaks of a next page and does not name one"),
    ];
    for (links, detail) in cases {
        let (shelf, image) = Shelf::with_image();
        let links: Vec<String> = links.into_iter().map(str::to_owned).collect();
        let server = Hostile::start(move |request| {
            if request.path.contains("/referrers/") {
                let page = Reply::ok(MEDIA_TYPE_INDEX, r#"{"schemaVersion":2,"manifests":[]}"#);
                links.iter().fold(page, |page, link| page.with("link", link))
            } else {
                shelf.answer(request)
            }
        })
        .unwrap();
        let url = referrers_url(&server, &image);
        assert_eq!(registry_error(visit(&server, &image)), RegistryError::LinkHeader { url, detail });
    }
}

#[test]
fn a_second_link_header_names_the_next_page_as_well_as_the_first() {
    let (shelf, image) = Shelf::with_image();
    let server = Hostile::start(move |request| match request.path.split_once("/referrers/") {
        Some((_, rest)) if !rest.contains('?') => {
            Reply::ok(MEDIA_TYPE_INDEX, r#"{"schemaVersion":2,"manifests":[]}"#)
                .with("link", r#"</doc>; rel="help""#)
                .with("link", r#"<?n=1>; rel="next""#)
        }
        Some(_) => Reply::status(404),
        None => shelf.answer(request),
    })
    .unwrap();
    let url = format!("{}?n=1", referrers_url(&server, &image));
    assert_eq!(registry_error(visit(&server, &image)), RegistryError::NotFound { url });
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
