//! Lists of referrers: the API, its pages, the fallback tag, and what both say.

use pullward::evidence::document::DocumentError;
use pullward::registry::{Refusal, RegistryError};
use pullward_core::limits;
use pullward_core::oci::{Digest, MEDIA_TYPE_INDEX, MEDIA_TYPE_MANIFEST};
use pullward_tests::hostile::{Api, Hostile, Reply, Shelf, descriptor, manifest};
use serde_json::json;

use super::{BUNDLE, honest, referrers_url, registry_error, subject, visit};

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
fn one_referrer_listed_twice_counts_once() {
    let (mut shelf, image) = Shelf::with_image();
    shelf.bundle(&image, b"bundle");
    shelf.bundle(&image, b"bundle");
    let server = honest(shelf);
    assert_eq!(visit(&server, &image).found.len(), 1);
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
