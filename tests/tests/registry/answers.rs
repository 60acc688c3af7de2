//! Which answers count, how long they are waited for, and where redirects may lead.

use std::time::{Duration, Instant};

use pullward::registry::{Refusal, RegistryError, Settings, Which};
use pullward_core::limits;
use pullward_core::oci::MEDIA_TYPE_MANIFEST;
use pullward_core::reference::Reference;
use pullward_tests::hostile::{Hostile, Reply, Shelf};

use super::support::{SOON, client};
use super::{credentials, manifest_error, manifest_error_with, manifest_url};

#[test]
fn only_status_200_is_an_answer() {
    for status in [201, 202, 204, 206, 226, 300, 304, 305, 400, 405, 410, 418, 451] {
        let (shelf, _) = Shelf::with_image();
        let server = Hostile::start(move |request| match shelf.answer(request) {
            Reply::Answer { headers, body, .. } => Reply::Answer { status, headers, body },
            other => other,
        })
        .unwrap();
        let error = manifest_error(&server);
        assert_eq!(error, RegistryError::Status { url: manifest_url(&server), status }, "{status}");
    }
}

#[test]
fn a_missing_manifest_is_not_found() {
    let server = Hostile::start(|_| Reply::status(404)).unwrap();
    assert_eq!(manifest_error(&server), RegistryError::NotFound { url: manifest_url(&server) });
}

#[test]
fn refused_access_is_unauthorized_and_never_an_absence() {
    for status in [401, 403] {
        let server = Hostile::start(move |_| Reply::status(status)).unwrap();
        let refusal = if status == 401 { Refusal::Scheme } else { Refusal::NoCredentials };
        assert_eq!(
            manifest_error(&server),
            RegistryError::Unauthorized { url: manifest_url(&server), refusal },
            "{status}"
        );
    }
}

#[test]
fn an_overloaded_registry_is_asked_three_times_and_then_unavailable() {
    for status in [429, 500, 502, 503, 504] {
        let server = Hostile::start(move |_| Reply::status(status)).unwrap();
        let error = manifest_error(&server);
        let expected =
            RegistryError::Unavailable { url: manifest_url(&server), status, retries: limits::RETRIES };
        assert_eq!(error, expected);
        assert_eq!(server.seen().len(), 1 + limits::RETRIES, "{status}");
    }
}

#[test]
fn a_registry_that_recovers_is_read() {
    let (shelf, digest) = Shelf::with_image();
    let count = std::sync::atomic::AtomicUsize::new(0);
    let server =
        Hostile::start(move |request| match count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 | 1 => Reply::status(503),
            _ => shelf.answer(request),
        })
        .unwrap();
    let client = client();
    let reference = Reference::parse(&server.reference("app:v1")).unwrap();
    let repository = client.repository(&reference).unwrap();
    let manifest = client.manifest(&repository, Which::Tag("v1"), None, Instant::now() + SOON).unwrap();
    assert_eq!(manifest.digest, digest);
    assert_eq!(client.requests(), 3);
}

#[test]
fn a_wait_that_would_outlast_the_deadline_is_not_begun() {
    let server = Hostile::start(|_| Reply::status(429).with("retry-after", "3600")).unwrap();
    let begin = Instant::now();
    let error = manifest_error(&server);
    assert_eq!(error, RegistryError::Unavailable { url: manifest_url(&server), status: 429, retries: 0 });
    assert!(begin.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_registry_that_hangs_ends_at_the_deadline() {
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: {MEDIA_TYPE_MANIFEST}\r\ncontent-length: 100\r\n\r\n");
    let half = "HTTP/1.1 200 OK\r\ncontent-ty".to_owned();
    for script in [String::new(), half, head.clone(), format!("{head}{{\"schema")] {
        let server = Hostile::start(move |_| Reply::Hang(script.clone().into_bytes())).unwrap();
        let begin = Instant::now();
        let error = manifest_error_with(&server, Settings::default(), Duration::from_millis(300));
        assert_eq!(error, RegistryError::Deadline { url: manifest_url(&server) });
        assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    }
}

#[test]
fn a_registry_that_drips_ends_at_the_deadline() {
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: {MEDIA_TYPE_MANIFEST}\r\ncontent-length: 100000\r\n\r\n");
    for script in [head, "HTTP/1.1 200 OK\r\nx:".to_owned()] {
        let pace = Duration::from_millis(20);
        let server = Hostile::start(move |_| Reply::Drip(script.clone().into_bytes(), pace)).unwrap();
        let begin = Instant::now();
        let error = manifest_error_with(&server, Settings::default(), Duration::from_millis(400));
        assert_eq!(error, RegistryError::Deadline { url: manifest_url(&server) });
        assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    }
}

#[test]
fn a_deadline_that_has_passed_sends_nothing() {
    let server = Hostile::start(|_| Reply::status(404)).unwrap();
    let error = manifest_error_with(&server, Settings::default(), Duration::ZERO);
    assert_eq!(error, RegistryError::Deadline { url: manifest_url(&server) });
    assert_eq!(server.seen(), []);
}

#[test]
fn a_redirect_to_nowhere_is_no_answer() {
    let server = Hostile::start(|_| Reply::status(307)).unwrap();
    assert_eq!(manifest_error(&server), RegistryError::Status { url: manifest_url(&server), status: 307 });
}

#[test]
fn redirects_at_home_are_followed_a_few_times() {
    let (shelf, _) = Shelf::with_image();
    let server = Hostile::start(move |request| match request.path.as_str() {
        "/v2/app/manifests/v1" => Reply::status(307).with("location", "/v2/app/manifests/v1?again"),
        _ => shelf.answer(request),
    })
    .unwrap();
    let client = client();
    let reference = Reference::parse(&server.reference("app:v1")).unwrap();
    let repository = client.repository(&reference).unwrap();
    assert!(client.manifest(&repository, Which::Tag("v1"), None, Instant::now() + SOON).is_ok());

    let server = Hostile::start(|_| Reply::status(302).with("location", "/v2/app/manifests/v1")).unwrap();
    assert_eq!(manifest_error(&server), RegistryError::RedirectLoop { url: manifest_url(&server) });
    assert_eq!(server.seen().len(), 1 + limits::REDIRECTS);
}

#[test]
fn another_port_or_scheme_of_the_same_host_is_elsewhere() {
    let server = Hostile::start(|request| {
        let host = request.header("host").unwrap_or_default().to_owned();
        Reply::status(307).with("location", &format!("https://{host}/v2/app/manifests/v1"))
    })
    .unwrap();
    let target = format!("https://{}", server.host());
    assert_eq!(manifest_error(&server), RegistryError::Redirect { url: manifest_url(&server), target });
}

#[test]
fn redirects_elsewhere_are_not_followed() {
    let elsewhere = Hostile::start(|_| Reply::status(404)).unwrap();
    let targets = [
        (format!("http://{}/x", elsewhere.host()), format!("http://{}", elsewhere.host())),
        ("http://169.254.169.254/latest/meta-data".to_owned(), "http://169.254.169.254".to_owned()),
        ("//evil.example/x".to_owned(), "http://evil.example".to_owned()),
        ("unix:/run/docker.sock".to_owned(), "an address that is neither http nor https".to_owned()),
        ("file:///etc/passwd".to_owned(), "an address that is neither http nor https".to_owned()),
        ("http://user:pw@127.0.0.1/".to_owned(), "an address with a user name".to_owned()),
        ("http://a b/".to_owned(), "an address with characters that no address has".to_owned()),
    ];
    for status in [301, 302, 303, 307, 308] {
        for (location, target) in targets.clone() {
            let server = Hostile::start(move |_| Reply::status(status).with("location", &location)).unwrap();
            let settings = Settings { credentials: credentials(&server), ..Settings::default() };
            let error = manifest_error_with(&server, settings, SOON);
            assert_eq!(error, RegistryError::Redirect { url: manifest_url(&server), target });
        }
    }
    assert_eq!(elsewhere.seen(), []);
}

#[test]
fn a_registry_that_closes_after_each_answer_is_read() {
    let (shelf, digest) = Shelf::with_image();
    let server = Hostile::start(move |request| match shelf.answer(request) {
        Reply::Answer { body, .. } => {
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: {MEDIA_TYPE_MANIFEST}\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            Reply::Raw([head.as_bytes(), &body].concat())
        }
        other => other,
    })
    .unwrap();
    let client = client();
    let reference = Reference::parse(&server.reference("app:v1")).unwrap();
    let repository = client.repository(&reference).unwrap();
    for _ in 0..5 {
        let manifest = client.manifest(&repository, Which::Tag("v1"), None, Instant::now() + SOON).unwrap();
        assert_eq!(manifest.digest, digest);
    }
}

#[test]
fn nobody_listening_is_unreachable() {
    let server = Hostile::start(|_| Reply::status(404)).unwrap();
    let text = server.reference("app:v1");
    drop(server);
    let client = client();
    let repository = client.repository(&Reference::parse(&text).unwrap()).unwrap();
    let result = client.manifest(&repository, Which::Tag("v1"), None, Instant::now() + SOON);
    assert!(matches!(result, Err(RegistryError::Unreachable { .. })), "{result:?}");
}
