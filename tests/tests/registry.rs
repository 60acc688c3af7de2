//! The registry client against a registry that lies, hangs, floods and points elsewhere.
//!
//! Every test names the exact error. Nothing leaves this machine: the only servers are on loopback, and the addresses
//! of others that appear are ones that must not be contacted.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod support;

use std::time::{Duration, Instant};

use pullward::evidence::document::DocumentError;
use pullward::registry::credentials::Credentials;
use pullward::registry::{Client, ProxyUrl, Refusal, RegistryError, Settings, Which};
use pullward_core::limits;
use pullward_core::oci::{Digest, MEDIA_TYPE_MANIFEST};
use pullward_core::reference::Reference;
use pullward_tests::hostile::{Authority, Hostile, Reply, Shelf};
use support::{SOON, client, in_time};

/// What reading the manifest of `app:v1` ends in.
fn manifest_error(server: &Hostile) -> RegistryError {
    manifest_error_with(server, Settings::default(), SOON)
}

fn manifest_error_with(server: &Hostile, settings: Settings, within: Duration) -> RegistryError {
    let client = Client::new(settings).unwrap();
    let reference = Reference::parse(&server.reference("app:v1")).unwrap();
    let repository = client.repository(&reference).unwrap();
    in_time(|| client.manifest(&repository, Which::Tag("v1"), None, Instant::now() + within)).unwrap_err()
}

fn blob(server: &Hostile, content: &[u8], size: u64, within: Duration) -> Result<Vec<u8>, RegistryError> {
    let client = client();
    let reference = Reference::parse(&server.reference("app")).unwrap();
    let repository = client.repository(&reference).unwrap();
    let deadline = Instant::now() + within;
    in_time(|| client.blob(&repository, &Digest::of(content), size, limits::SIGNATURE_BYTES, deadline))
}

fn manifest_url(server: &Hostile) -> String {
    format!("http://{}/v2/app/manifests/v1", server.host())
}

fn blob_url(server: &Hostile, content: &[u8]) -> String {
    format!("http://{}/v2/app/blobs/{}", server.host(), Digest::of(content))
}

fn credentials(server: &Hostile) -> Credentials {
    // user:sesame
    let text = format!(r#"{{"auths":{{"{}":{{"auth":"dXNlcjpzZXNhbWU="}}}}}}"#, server.host());
    Credentials::parse(text.as_bytes()).unwrap()
}

/// No request to a server carried credentials, in a header or anywhere else.
fn assert_saw_no_credentials(server: &Hostile) {
    for request in server.seen() {
        assert_eq!(request.header("authorization"), None, "{request:?}");
        assert_eq!(request.header("cookie"), None, "{request:?}");
        assert!(!request.path.contains("sesame"), "{request:?}");
    }
}

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
fn a_redirect_to_nowhere_is_no_answer() {
    let server = Hostile::start(|_| Reply::status(307)).unwrap();
    assert_eq!(manifest_error(&server), RegistryError::Status { url: manifest_url(&server), status: 307 });
}

#[test]
fn a_registry_that_asks_for_a_password_gets_its_own() {
    let (shelf, digest) = Shelf::with_image();
    let server = Hostile::start(move |request| match request.header("authorization") {
        Some("Basic dXNlcjpzZXNhbWU=") => shelf.answer(request),
        _ => Reply::status(401).with("www-authenticate", r#"Basic realm="registry""#),
    })
    .unwrap();
    let settings = Settings { credentials: credentials(&server), ..Settings::default() };
    let client = Client::new(settings).unwrap();
    let reference = Reference::parse(&server.reference("app:v1")).unwrap();
    let repository = client.repository(&reference).unwrap();
    for _ in 0..2 {
        let manifest = client.manifest(&repository, Which::Tag("v1"), None, Instant::now() + SOON).unwrap();
        assert_eq!(manifest.digest, digest);
    }
    // Nothing is sent before it is asked for, and it is asked for once.
    let sent: Vec<_> =
        server.seen().iter().map(|request| request.header("authorization").is_some()).collect();
    assert_eq!(sent, [false, true, true]);
}

#[test]
fn a_wrong_password_is_sent_once_and_no_password_not_at_all() {
    let refuse = |_: &_| Reply::status(401).with("www-authenticate", "Basic realm=x");
    let server = Hostile::start(refuse).unwrap();
    let settings = Settings { credentials: credentials(&server), ..Settings::default() };
    let url = manifest_url(&server);
    assert_eq!(
        manifest_error_with(&server, settings, SOON),
        RegistryError::Unauthorized { url, refusal: Refusal::Rejected }
    );
    assert_eq!(server.seen().len(), 2);

    let server = Hostile::start(refuse).unwrap();
    let url = manifest_url(&server);
    assert_eq!(manifest_error(&server), RegistryError::Unauthorized { url, refusal: Refusal::NoCredentials });
    assert_eq!(server.seen().len(), 1);

    let server = Hostile::start(refuse).unwrap();
    let helper = format!(r#"{{"credHelpers":{{"{}":"pass"}}}}"#, server.host());
    let helper = Credentials::parse(helper.as_bytes()).unwrap();
    let settings = Settings { credentials: helper, ..Settings::default() };
    let url = manifest_url(&server);
    assert_eq!(
        manifest_error_with(&server, settings, SOON),
        RegistryError::Unauthorized { url, refusal: Refusal::Helper }
    );
}

#[test]
fn a_token_is_fetched_with_our_scope_and_used_again() {
    let (shelf, digest) = Shelf::with_image();
    let server = Hostile::start(move |request| {
        let host = request.header("host").unwrap_or_default().to_owned();
        match (request.path.starts_with("/token"), request.header("authorization")) {
            (true, Some("Basic dXNlcjpzZXNhbWU=")) => Reply::ok("application/json", r#"{"token":"abc.def"}"#),
            (true, _) => Reply::status(401),
            (false, Some("Bearer abc.def")) => shelf.answer(request),
            (false, _) => {
                let scope = "repository:secret:pull,push";
                let challenge =
                    format!(r#"Bearer realm="http://{host}/token",service="a b",scope="{scope}""#);
                Reply::status(401).with("www-authenticate", &challenge)
            }
        }
    })
    .unwrap();
    let settings = Settings { credentials: credentials(&server), ..Settings::default() };
    let client = Client::new(settings).unwrap();
    let reference = Reference::parse(&server.reference("app:v1")).unwrap();
    let repository = client.repository(&reference).unwrap();
    for _ in 0..2 {
        let manifest = client.manifest(&repository, Which::Tag("v1"), None, Instant::now() + SOON).unwrap();
        assert_eq!(manifest.digest, digest);
    }
    assert_eq!(
        server.paths(),
        [
            "/v2/app/manifests/v1",
            "/token?service=a%20b&scope=repository:app:pull",
            "/v2/app/manifests/v1",
            "/v2/app/manifests/v1"
        ]
    );
    assert_eq!(client.requests(), 4);
}

#[test]
fn a_token_service_elsewhere_sees_no_credentials() {
    let elsewhere = std::sync::Arc::new(Hostile::start(|_| Reply::status(401)).unwrap());
    let realm = elsewhere.host();
    let server = Hostile::start(move |_| {
        Reply::status(401).with("www-authenticate", &format!(r#"Bearer realm="http://{realm}/token""#))
    })
    .unwrap();
    let settings = Settings { credentials: credentials(&server), ..Settings::default() };
    let refusal = Refusal::Withheld { realm: format!("http://{}", elsewhere.host()) };
    let url = manifest_url(&server);
    assert_eq!(manifest_error_with(&server, settings, SOON), RegistryError::Unauthorized { url, refusal });
    assert_eq!(elsewhere.paths(), ["/token?scope=repository:app:pull"]);
    assert_saw_no_credentials(&elsewhere);
    assert_saw_no_credentials(&server);
}

#[test]
fn a_token_service_that_must_not_be_asked_is_not() {
    for realm in
        ["http://169.254.169.254/latest", "https://10.0.0.1/token", "http://evil.example/token", "nonsense"]
    {
        let server = Hostile::start(move |_| {
            Reply::status(401).with("www-authenticate", &format!(r#"Bearer realm="{realm}""#))
        })
        .unwrap();
        let settings = Settings { credentials: credentials(&server), ..Settings::default() };
        let error = manifest_error_with(&server, settings, SOON);
        assert!(
            matches!(&error, RegistryError::Realm { url, .. } if *url == manifest_url(&server)),
            "{error:?}"
        );
        assert_eq!(server.seen().len(), 1);
    }
}

#[test]
fn a_token_that_is_none_is_refused() {
    let long = format!(r#"{{"token":"{}"}}"#, "a".repeat(usize::try_from(limits::TOKEN_BYTES).unwrap()));
    let bodies =
        ["".to_owned(), "<html>".to_owned(), "{}".to_owned(), r#"{"token":"a\r\nb"}"#.to_owned(), long];
    for body in bodies {
        let answer = body.clone();
        let server = Hostile::start(move |request| {
            let host = request.header("host").unwrap_or_default().to_owned();
            if request.path.starts_with("/token") {
                Reply::ok("application/json", answer.clone())
            } else {
                Reply::status(401).with("www-authenticate", &format!(r#"Bearer realm="http://{host}/token""#))
            }
        })
        .unwrap();
        let error = manifest_error(&server);
        let url = format!("http://{}", server.host());
        match error {
            RegistryError::Token { url: named, .. } => assert_eq!(named, url),
            RegistryError::TooLarge { cap, .. } => assert_eq!(cap, limits::TOKEN_BYTES),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_registry_that_never_accepts_its_own_token_is_asked_once_more() {
    let server = Hostile::start(|request| {
        let host = request.header("host").unwrap_or_default().to_owned();
        if request.path.starts_with("/token") {
            Reply::ok("application/json", r#"{"token":"t"}"#)
        } else {
            Reply::status(401).with("www-authenticate", &format!(r#"Bearer realm="http://{host}/token""#))
        }
    })
    .unwrap();
    let url = manifest_url(&server);
    assert_eq!(manifest_error(&server), RegistryError::Unauthorized { url, refusal: Refusal::NoCredentials });
    assert_eq!(server.seen().len(), 3);
}

#[test]
fn a_registry_with_its_own_authority_is_read_over_tls() {
    let authority = Authority::new().unwrap();
    let (shelf, digest) = Shelf::with_image();
    let server = Hostile::start_tls(&authority, move |request| shelf.answer(request)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, authority.pem()).unwrap();
    let settings = Settings { ca_file: Some(ca_file), tls: vec![server.host()], ..Settings::default() };
    let client = Client::new(settings).unwrap();
    let reference = Reference::parse(&server.reference("app:v1")).unwrap();
    let repository = client.repository(&reference).unwrap();
    let manifest = client.manifest(&repository, Which::Tag("v1"), None, Instant::now() + SOON).unwrap();
    assert_eq!(manifest.digest, digest);
}

#[test]
fn a_certificate_of_another_authority_or_name_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    let own = Authority::for_names(&["registry.example"]).unwrap();
    let other = Authority::new().unwrap();
    for (authority, trusted) in [(&own, &own), (&own, &other), (&other, &own)] {
        std::fs::write(&ca_file, trusted.pem()).unwrap();
        let server = Hostile::start_tls(authority, |_| Reply::status(404)).unwrap();
        let settings =
            Settings { ca_file: Some(ca_file.clone()), tls: vec![server.host()], ..Settings::default() };
        let error = manifest_error_with(&server, settings, SOON);
        assert!(matches!(error, RegistryError::Tls { .. }), "{error:?}");
        assert_eq!(server.seen(), []);
    }
}

#[test]
fn plain_http_where_tls_is_due_is_no_answer() {
    let authority = Authority::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, authority.pem()).unwrap();
    let server = Hostile::start(|_| Reply::status(404)).unwrap();
    let settings = Settings { ca_file: Some(ca_file), tls: vec![server.host()], ..Settings::default() };
    let error = manifest_error_with(&server, settings, Duration::from_millis(500));
    // Which of them depends on whether the random bytes of the handshake have the end of a line in them.
    assert!(
        matches!(
            error,
            RegistryError::Unreachable { .. } | RegistryError::Deadline { .. } | RegistryError::Tls { .. }
        ),
        "{error:?}"
    );
}

#[test]
fn a_proxy_is_used_for_others_and_never_for_loopback() {
    let proxy = Hostile::start(|_| Reply::status(403)).unwrap();
    let settings =
        || Settings { proxy: Some(ProxyUrl::new(format!("http://{}", proxy.host()))), ..Settings::default() };
    let client = Client::new(settings()).unwrap();
    let reference = Reference::parse("registry.example/app:v1").unwrap();
    let repository = client.repository(&reference).unwrap();
    let result = client.manifest(&repository, Which::Tag("v1"), None, Instant::now() + SOON);
    assert!(
        matches!(result, Err(RegistryError::Unreachable { .. } | RegistryError::Roots { .. })),
        "{result:?}"
    );
    for request in proxy.seen() {
        assert_eq!((request.method.as_str(), request.path.as_str()), ("CONNECT", "registry.example:443"));
    }
    let through = proxy.seen().len();

    let (shelf, _) = Shelf::with_image();
    let server = Hostile::start(move |request| shelf.answer(request)).unwrap();
    let client = Client::new(settings()).unwrap();
    let reference = Reference::parse(&server.reference("app:v1")).unwrap();
    let repository = client.repository(&reference).unwrap();
    assert!(client.manifest(&repository, Which::Tag("v1"), None, Instant::now() + SOON).is_ok());
    assert_eq!(proxy.seen().len(), through);
}

#[test]
fn the_environment_changes_nothing() {
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "a_registry_with_its_own_authority_is_read_over_tls",
            "a_registry_that_recovers_is_read",
        ])
        .envs([
            ("HTTP_PROXY", "http://127.0.0.1:1"),
            ("HTTPS_PROXY", "http://127.0.0.1:1"),
            ("ALL_PROXY", "http://127.0.0.1:1"),
            ("http_proxy", "http://127.0.0.1:1"),
            ("SSL_CERT_FILE", "/nonexistent"),
            ("SSL_CERT_DIR", "/nonexistent"),
            ("NO_PROXY", ""),
            ("DOCKER_CONFIG", "/nonexistent"),
        ])
        .output()
        .unwrap();
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stdout));
    assert!(String::from_utf8_lossy(&status.stdout).contains("2 passed"));
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
