//! Floods end at a bound, and a bound is a denial.

use std::time::{Duration, Instant};

use pullward::evidence::{Budget, EvidenceSource as _, Flow, Limit, Question, Source, SourceError, Wanted};
use pullward::registry::RegistryError;
use pullward::registry::source::RegistrySource;
use pullward_core::limits;
use pullward_core::oci::{Digest, MEDIA_TYPE_INDEX, MEDIA_TYPE_MANIFEST};
use pullward_core::reference::Reference;
use pullward_tests::hostile::{Api, Hostile, Reply, Shelf, descriptor, manifest};
use serde_json::json;

use super::support::client;
use super::{BUNDLE, honest, referrers_url, registry_error, subject, visit, visit_with};

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
    assert_eq!((visit.followed, visit.found.len()), (1, 0));
    assert!(visit.tags <= 3, "{}", visit.tags);
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
    // The list that the API lacks, and none of the manifests; the legacy tags may have been asked for already.
    assert_eq!(visit.followed, 1);
    assert!((1..=3).contains(&visit.tags), "{}", visit.tags);
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
        assert_eq!(visit.followed, pages);
        match registry_error(visit) {
            RegistryError::Limit { limit: found, .. } => assert_eq!(found, limit),
            other => panic!("{other:?}"),
        }
    }
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
    // The list, and then one manifest after the other.
    assert_eq!(visit.followed, limits::REFERRERS_FETCHED + 1);
    assert!(visit.tags <= 3, "{}", visit.tags);
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
