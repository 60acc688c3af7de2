//! Bodies that lie about their length, their type or their content.

use std::time::Instant;

use pullward::evidence::document::DocumentError;
use pullward::registry::{RegistryError, Which};
use pullward_core::limits;
use pullward_core::oci::{Digest, MEDIA_TYPE_MANIFEST};
use pullward_core::reference::Reference;
use pullward_tests::hostile::{Hostile, Reply, Shelf};

use super::support::{SOON, client};
use super::{blob, blob_url, manifest_error, manifest_url};

#[test]
fn a_body_without_end_stops_at_the_cap() {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {MEDIA_TYPE_MANIFEST}\r\n\r\n");
    let server = Hostile::start(move |_| Reply::Endless(head.clone().into_bytes())).unwrap();
    let url = manifest_url(&server);
    assert_eq!(manifest_error(&server), RegistryError::TooLarge { url, cap: limits::MANIFEST_BYTES });
    let url = blob_url(&server, b"five!");
    assert_eq!(
        blob(&server, b"five!", 5, SOON),
        Err(RegistryError::Length { url, promised: 5, received: 6 })
    );
}

#[test]
fn a_header_without_end_stops_too() {
    let server = Hostile::start(|_| Reply::Endless(b"HTTP/1.1 200 OK\r\nx: ".to_vec())).unwrap();
    assert!(matches!(manifest_error(&server), RegistryError::Unreachable { .. }));
}

#[test]
fn a_promise_above_the_cap_is_refused_before_the_body() {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {MEDIA_TYPE_MANIFEST}\r\ncontent-length: {}\r\n\r\n",
        limits::MANIFEST_BYTES + 1
    );
    let server = Hostile::start(move |_| Reply::Hang(head.clone().into_bytes())).unwrap();
    let url = manifest_url(&server);
    assert_eq!(manifest_error(&server), RegistryError::TooLarge { url, cap: limits::MANIFEST_BYTES });
}

#[test]
fn a_blob_of_another_length_is_refused() {
    let server = Hostile::start(|_| Reply::ok("application/octet-stream", "content")).unwrap();
    let url = blob_url(&server, b"content");
    for size in [6, 8] {
        let expected = RegistryError::Length { url: url.clone(), promised: size, received: 7 };
        assert_eq!(blob(&server, b"content", size, SOON), Err(expected));
    }
    let cap = limits::SIGNATURE_BYTES;
    assert_eq!(blob(&server, b"content", cap + 1, SOON), Err(RegistryError::TooLarge { url, cap }));
}

#[test]
fn a_body_that_ends_before_its_promise_is_an_error() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\ncont";
    let server = Hostile::start(move |_| Reply::Raw(head.into())).unwrap();
    let detail = "the connection ended inside the answer".to_owned();
    let url = blob_url(&server, b"content");
    assert_eq!(blob(&server, b"content", 7, SOON), Err(RegistryError::Unreachable { url, detail }));
}

#[test]
fn a_body_that_goes_on_after_its_promise_poisons_nothing() {
    // The rest stands where the next answer should begin.
    let (shelf, digest) = Shelf::with_image();
    let server = Hostile::start(move |request| match shelf.answer(request) {
        Reply::Answer { body, .. } => {
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: {MEDIA_TYPE_MANIFEST}\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            Reply::Raw([head.as_bytes(), &body, b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad"].concat())
        }
        other => other,
    })
    .unwrap();
    let client = client();
    let reference = Reference::parse(&server.reference("app:v1")).unwrap();
    let repository = client.repository(&reference).unwrap();
    for _ in 0..3 {
        match client.manifest(&repository, Which::Digest(digest), None, Instant::now() + SOON) {
            Ok(manifest) => assert_eq!(manifest.digest, digest),
            // `bad` was taken for an answer: it has no media type, and does not hash to the digest.
            Err(error) => assert!(
                matches!(error, RegistryError::Digest { .. } | RegistryError::Unreachable { .. }),
                "{error:?}"
            ),
        }
    }
}

#[test]
fn a_registry_that_flips_its_answers_is_caught_by_the_digest() {
    let (shelf, digest) = Shelf::with_image();
    let other = br#"{"schemaVersion":2,"layers":[]}"#;
    let server = Hostile::start(move |request| {
        if request.path.contains("sha256:") {
            Reply::ok(MEDIA_TYPE_MANIFEST, *other)
        } else {
            shelf.answer(request)
        }
    })
    .unwrap();
    let client = client();
    let reference = Reference::parse(&server.reference("app:v1")).unwrap();
    let repository = client.repository(&reference).unwrap();
    let deadline = Instant::now() + SOON;
    assert_eq!(client.manifest(&repository, Which::Tag("v1"), None, deadline).unwrap().digest, digest);
    let url = format!("http://{}/v2/app/manifests/{digest}", server.host());
    assert_eq!(
        client.manifest(&repository, Which::Digest(digest), None, deadline),
        Err(RegistryError::Digest { url, expected: digest, found: Digest::of(other) })
    );
}

#[test]
fn a_digest_header_that_differs_from_the_body_is_refused() {
    let stated = Digest::of(b"something else");
    let body = br#"{"schemaVersion":2,"layers":[]}"#;
    let server = Hostile::start(move |_| {
        Reply::ok(MEDIA_TYPE_MANIFEST, *body).with("docker-content-digest", &stated.to_string())
    })
    .unwrap();
    let url = manifest_url(&server);
    assert_eq!(
        manifest_error(&server),
        RegistryError::Digest { url, expected: stated, found: Digest::of(body) }
    );
}

#[test]
fn an_encoded_body_is_refused() {
    for encoding in ["gzip", "deflate", "br", "zstd", "identity, gzip", "x"] {
        let (shelf, _) = Shelf::with_image();
        let server =
            Hostile::start(move |request| shelf.answer(request).with("content-encoding", encoding)).unwrap();
        let url = manifest_url(&server);
        assert_eq!(manifest_error(&server), RegistryError::Encoding { url, encoding: encoding.to_owned() });
        let asked = server.seen();
        assert_eq!(asked[0].header("accept-encoding"), Some("identity"));
    }
}

#[test]
fn an_error_page_with_status_200_is_not_a_manifest() {
    for (media_type, body) in [
        ("text/html", "<html>502</html>"),
        ("application/json", r#"{"schemaVersion":2,"layers":[]}"#),
        ("", r#"{"schemaVersion":2,"layers":[]}"#),
    ] {
        let server = Hostile::start(move |_| Reply::ok(media_type, body)).unwrap();
        let url = manifest_url(&server);
        let error = DocumentError::UnknownType(media_type.to_owned());
        assert_eq!(manifest_error(&server), RegistryError::Document { url, error });
    }
}

#[test]
fn a_document_that_is_manifest_and_index_is_refused() {
    let server = Hostile::start(|_| {
        Reply::ok(MEDIA_TYPE_MANIFEST, r#"{"schemaVersion":2,"layers":[],"manifests":[]}"#)
    })
    .unwrap();
    let url = manifest_url(&server);
    assert_eq!(manifest_error(&server), RegistryError::Document { url, error: DocumentError::Ambiguous });
}

#[test]
fn an_answer_with_long_headers_is_read_as_one_with_short_ones() {
    for (length, read) in [(12 * 1024, true), (20 * 1024, false)] {
        let (shelf, digest) = Shelf::with_image();
        let server =
            Hostile::start(move |request| shelf.answer(request).with("x-long", &"a".repeat(length))).unwrap();
        let client = client();
        let reference = Reference::parse(&server.reference("app:v1")).unwrap();
        let repository = client.repository(&reference).unwrap();
        let result = client.manifest(&repository, Which::Digest(digest), None, Instant::now() + SOON);
        assert_eq!(result.is_ok(), read, "{result:?}");
    }
}
