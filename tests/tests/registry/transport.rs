//! TLS, proxies and the environment.

use std::time::{Duration, Instant};

use pullward::registry::{Client, ProxyUrl, RegistryError, Settings, Which};
use pullward_core::reference::Reference;
use pullward_tests::hostile::{Authority, Hostile, Reply, Shelf};

use super::manifest_error_with;
use super::support::SOON;

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
            "transport::a_registry_with_its_own_authority_is_read_over_tls",
            "answers::a_registry_that_recovers_is_read",
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
