//! Passwords and tokens: who is shown them, and what is asked of whom.

use std::time::Instant;

use pullward::registry::credentials::Credentials;
use pullward::registry::{Client, Refusal, RegistryError, Settings, Which};
use pullward_core::limits;
use pullward_core::reference::Reference;
use pullward_tests::hostile::{Hostile, Reply, Shelf};

use super::support::SOON;
use super::{credentials, manifest_error, manifest_error_with, manifest_url};

/// No request to a server carried credentials, in a header or anywhere else.
fn assert_saw_no_credentials(server: &Hostile) {
    for request in server.seen() {
        assert_eq!(request.header("authorization"), None, "{request:?}");
        assert_eq!(request.header("cookie"), None, "{request:?}");
        assert!(!request.path.contains("sesame"), "{request:?}");
    }
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
fn a_token_longer_than_a_request_may_be_is_not_sent() {
    for (length, read) in [(15_000, true), (17_000, false)] {
        let (shelf, _) = Shelf::with_image();
        let token = "a".repeat(length);
        let server = Hostile::start(move |request| {
            let host = request.header("host").unwrap_or_default().to_owned();
            if request.path.starts_with("/token") {
                Reply::ok("application/json", format!(r#"{{"token":"{token}"}}"#))
            } else if request.header("authorization") == Some(&format!("Bearer {token}")) {
                shelf.answer(request)
            } else {
                Reply::status(401).with("www-authenticate", &format!(r#"Bearer realm="http://{host}/token""#))
            }
        })
        .unwrap();
        let client = Client::new(Settings::default()).unwrap();
        let reference = Reference::parse(&server.reference("app:v1")).unwrap();
        let repository = client.repository(&reference).unwrap();
        let result = client.manifest(&repository, Which::Tag("v1"), None, Instant::now() + SOON);
        if read {
            assert!(result.is_ok(), "{result:?}");
        } else {
            let detail = "the credentials or the token are longer than a request may be".to_owned();
            assert_eq!(result, Err(RegistryError::Unreachable { url: manifest_url(&server), detail }));
        }
        assert_eq!(server.seen().iter().any(|request| request.header("authorization").is_some()), read);
    }
}
