//! The registry client against a registry that lies, hangs, floods and points elsewhere.
//!
//! Every test names the exact error. Nothing leaves this machine: the only servers are on loopback, and the addresses
//! of others that appear are ones that must not be contacted.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod answers;
mod bodies;
mod challenges;
#[path = "../support/mod.rs"]
mod support;
mod transport;

use std::time::{Duration, Instant};

use pullward::registry::credentials::Credentials;
use pullward::registry::{Client, RegistryError, Settings, Which};
use pullward_core::limits;
use pullward_core::oci::Digest;
use pullward_core::reference::Reference;
use pullward_tests::hostile::Hostile;
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
