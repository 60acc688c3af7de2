//! A reading client for OCI registries, made for answers from an enemy.
//!
//! It reads manifests, blobs and referrers, and nothing else. Every call takes one deadline for all that it causes:
//! names, connections, tokens, redirects, retries and bodies. Every body is read under a cap and against the digest or
//! the length that is known ([`crate::evidence::checked`]). Only status 200 with the media type that was asked for is
//! an answer; an error page is never data.
//!
//! - [`address`]: who is asked, and which other address is the same party;
//! - `authorize`: how a challenge is answered, once for all threads;
//! - [`background`]: a fetch that outlives its verdict and goes on;
//! - `challenge`: what a registry asks for with 401, and where credentials may go;
//! - [`credentials`]: what a docker `config.json` has;
//! - [`configured`]: a client from the configuration file;
//! - [`hosts`]: which registries containerd reaches without TLS;
//! - `ahead`: tags that are asked for before their turn;
//! - `connection`: one exchange over `ureq`, which finds addresses by `resolver`;
//! - `received`: an answer whose body is read under a cap;
//! - [`source`]: everything that is attached to an image, as an evidence source.
//!
//! Redirects and next pages are followed on the same scheme, host and port only. Registries that serve blobs from
//! another host (large public ones redirect layers to a CDN) answer evidence blobs directly in most cases; where they do
//! not, the error names the host. `docker.io` is asked at `registry-1.docker.io`. Loopback is plain HTTP, as are hosts
//! that the configuration names; everything else is TLS.
//!
//! Nothing is read from the environment: no proxy, no roots, no credentials.
//!
//! Spec: OCI distribution-spec 1.1; the token protocol of the distribution project.

pub mod address;
mod ahead;
mod authorize;
pub mod background;
pub(crate) mod challenge;
pub mod configured;
pub(crate) mod connection;
pub mod credentials;
mod error;
pub mod hosts;
mod received;
mod resolver;
pub mod source;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pullward_core::limits;
use pullward_core::oci::Digest;
use pullward_core::reference::Reference;

use crate::evidence::document::{Document, shorten};
use crate::evidence::walk::Manifest;
use crate::registry::address::{Address, Origin, Scheme};
use crate::registry::authorize::Answers;
use crate::registry::challenge::Challenge;
use crate::registry::connection::{Answer, Connections, Exchange, remaining};
use crate::registry::credentials::Credentials;
pub use crate::registry::error::{Refusal, RegistryError};
pub(crate) use crate::registry::received::{Received, content_type, header, read_body, read_body_into};
use crate::registry::received::{drain, header_of};

/// The media types of manifests, as one `Accept` header; the same that [`crate::evidence::document::MediaType`] knows.
const MANIFEST_TYPES: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v2+json";

/// The first pause before a retry; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// What a client is made from. All of it comes from the configuration file.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The egress proxy, `http://[user:password@]host:port`. Loopback never goes through it.
    pub proxy: Option<ProxyUrl>,
    /// Hosts that are asked directly: `host`, `host:port`, `.domain` for everything below it, `*`.
    pub no_proxy: Vec<String>,
    /// The roots for TLS instead of the system's, in PEM.
    pub ca_file: Option<PathBuf>,
    /// Hosts, with their port, that are spoken to without TLS besides loopback.
    pub plain_http: Vec<String>,
    /// Hosts, with their port, that are spoken to with TLS although they are on loopback.
    pub tls: Vec<String>,
    /// Credentials by host.
    pub credentials: Credentials,
}

/// The address of a proxy. `Debug` hides it, because it may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyUrl(String);

impl ProxyUrl {
    /// Takes the address of a proxy; it is read by [`Client::new`].
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProxyUrl(…)")
    }
}

/// Why no client can be made from the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The proxy's address cannot be read, or is not http.
    #[error("the proxy is not an address like http://host:port")]
    Proxy,
}

/// A repository on a registry, and where it is asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Repository {
    /// The host in references and in the auth file.
    host: String,
    origin: Origin,
    path: String,
}

impl Repository {
    /// The name of the repository on its registry.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// What a manifest is asked for by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which<'a> {
    /// A tag. What comes is whatever the registry says that it is.
    Tag(&'a str),
    /// A digest. What comes hashes to it.
    Digest(Digest),
}

/// A client. It is shared between threads; connections are kept and used again.
pub struct Client {
    connections: Arc<Connections>,
    plain_http: Vec<String>,
    tls: Vec<String>,
    credentials: Credentials,
    answers: Answers,
    requests: AtomicU64,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("credentials", &self.credentials).finish_non_exhaustive()
    }
}

impl Client {
    /// Makes a client. No connection is made, and no roots are loaded, before the first request that needs them.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        let proxy = match settings.proxy {
            Some(ProxyUrl(text)) if text.starts_with("http://") => {
                Some(ureq::Proxy::new(&text).map_err(|_| SettingsError::Proxy)?)
            }
            Some(_) => return Err(SettingsError::Proxy),
            None => None,
        };
        Ok(Self {
            connections: Arc::new(Connections::new(settings.ca_file, proxy, settings.no_proxy)),
            plain_http: settings.plain_http,
            tls: settings.tls,
            credentials: settings.credentials,
            answers: Answers::default(),
            requests: AtomicU64::new(0),
        })
    }

    /// A client with these credentials before its own, for one verdict: connections are shared, and what answered a
    /// challenge is not, so that nobody is let in by somebody else's password.
    #[must_use]
    pub fn with_credentials(&self, credentials: Credentials) -> Self {
        Self {
            connections: Arc::clone(&self.connections),
            plain_http: self.plain_http.clone(),
            tls: self.tls.clone(),
            credentials: credentials.or(self.credentials.clone()),
            answers: Answers::default(),
            requests: AtomicU64::new(0),
        }
    }

    /// How many HTTP requests were sent since the client was made, those for tokens, redirects and retries included.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// The repository of a reference.
    ///
    /// # Errors
    /// [`RegistryError::Unreachable`] for a host that a reference can have and an address cannot.
    pub fn repository(&self, reference: &Reference) -> Result<Repository, RegistryError> {
        let host = reference.host();
        let asked = if host == "docker.io" { "registry-1.docker.io" } else { host };
        let unusable = |error: address::AddressError| RegistryError::Unreachable {
            url: reference.name().to_owned(),
            detail: error.to_string(),
        };
        let plain = Origin::new(Scheme::Http, asked).map_err(unusable)?;
        let named = |list: &[String]| list.iter().any(|named| named == host);
        let origin = if (named(&self.plain_http) || plain.is_loopback()) && !named(&self.tls) {
            plain
        } else {
            Origin::new(Scheme::Https, asked).map_err(unusable)?
        };
        Ok(Repository { host: host.to_owned(), origin, path: reference.path().to_owned() })
    }

    /// Reads a manifest or an index by tag or digest.
    ///
    /// `expected_type` is the media type of the descriptor that named it, where there is one.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn manifest(
        &self,
        repository: &Repository,
        which: Which<'_>,
        expected_type: Option<&str>,
        deadline: Instant,
    ) -> Result<Manifest, RegistryError> {
        let name = match which {
            Which::Tag(tag) => tag.to_owned(),
            Which::Digest(digest) => digest.to_string(),
        };
        let address = repository.origin.at(format!("/v2/{}/manifests/{name}", repository.path));
        let answer = self.get(repository, address, MANIFEST_TYPES, deadline)?;
        let url = answer.address.to_string();
        let media_type = content_type(&answer);
        if expected_type.is_some_and(|expected| expected != media_type) {
            let expected = "the media type of its descriptor";
            return Err(RegistryError::ContentType { url, expected, found: shorten(&media_type) });
        }
        let stated = header(&answer, "docker-content-digest").and_then(|text| Digest::parse(text).ok());
        let digest = match which {
            Which::Digest(digest) => Some(digest),
            Which::Tag(_) => stated,
        };
        let (bytes, found) = read_body(answer, limits::MANIFEST_BYTES, None, digest)?;
        let document =
            Document::parse(&bytes, &media_type).map_err(|error| RegistryError::Document { url, error })?;
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok(Manifest { digest: found, size, document, bytes })
    }

    /// Reads a blob of a known digest and length, of at most `cap` bytes.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn blob(
        &self,
        repository: &Repository,
        digest: &Digest,
        size: u64,
        cap: u64,
        deadline: Instant,
    ) -> Result<Vec<u8>, RegistryError> {
        let mut content = Vec::new();
        self.blob_into(repository, digest, size, cap, deadline, &mut |part| {
            content.extend_from_slice(part);
            Ok(())
        })?;
        Ok(content)
    }

    /// The same for a blob that goes elsewhere than into memory: every part goes to `take` as it comes, and is what was
    /// asked for once this has come back without an error.
    ///
    /// # Errors
    /// [`RegistryError`]; also where `take` refuses a part.
    pub(crate) fn blob_into(
        &self,
        repository: &Repository,
        digest: &Digest,
        size: u64,
        cap: u64,
        deadline: Instant,
        take: &mut dyn FnMut(&[u8]) -> std::io::Result<()>,
    ) -> Result<(), RegistryError> {
        let address = repository.origin.at(format!("/v2/{}/blobs/{digest}", repository.path));
        if size > cap {
            return Err(RegistryError::TooLarge { url: address.to_string(), cap });
        }
        let answer = self.get(repository, address, "*/*", deadline)?;
        read_body_into(answer, cap, Some(size), Some(*digest), take).map(drop)
    }

    /// Sends one GET, follows redirects on the same origin, answers a challenge, retries what may pass. What comes back
    /// has status 200 and a body that is not encoded; it has not been read.
    pub(crate) fn get(
        &self,
        repository: &Repository,
        mut address: Address,
        accept: &str,
        deadline: Instant,
    ) -> Result<Received, RegistryError> {
        let (mut redirects, mut retries, mut challenged) = (0usize, 0usize, false);
        let mut authorization = self.answers.known(repository);
        loop {
            let value = authorization.as_ref().map(|known| known.value.as_str());
            let exchange = Exchange { address: &address, accept, authorization: value, deadline };
            let mut answer = match self.send(&exchange) {
                Ok(answer) => answer,
                // A kept connection that the registry has closed meanwhile looks like this: asked again at once.
                Err(RegistryError::Unreachable { .. }) if retries == 0 => {
                    retries = 1;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let status = answer.status().as_u16();
            match status {
                200 => return Received { address, answer, deadline }.plain(),
                301 | 302 | 303 | 307 | 308 => {
                    let target = redirect_target(&address, &answer)?;
                    if redirects >= limits::REDIRECTS {
                        return Err(RegistryError::RedirectLoop { url: address.to_string() });
                    }
                    redirects = redirects.saturating_add(1);
                    drain(&mut answer);
                    address = target;
                }
                401 if !challenged => {
                    challenged = true;
                    let values = answer.headers().get_all("www-authenticate").iter();
                    let challenge = Challenge::choose(values.filter_map(|value| value.to_str().ok()));
                    drain(&mut answer);
                    let refused = authorization.as_ref();
                    authorization = Some(self.authorize(repository, &address, challenge, refused, deadline)?);
                }
                401 | 403 => {
                    let refusal = match authorization {
                        Some(known) => known.if_refused,
                        None => self.without_credentials(repository),
                    };
                    return Err(RegistryError::Unauthorized { url: address.to_string(), refusal });
                }
                404 => {
                    drain(&mut answer);
                    return Err(RegistryError::NotFound { url: address.to_string() });
                }
                429 | 500..=599 => {
                    let wanted = header_of(&answer, "retry-after").and_then(|text| text.parse().ok());
                    drain(&mut answer);
                    let wanted = wanted.map(Duration::from_secs);
                    if retries >= limits::RETRIES || !pause(retries, wanted, deadline) {
                        return Err(RegistryError::Unavailable { url: address.to_string(), status, retries });
                    }
                    retries = retries.saturating_add(1);
                }
                _ => return Err(RegistryError::Status { url: address.to_string(), status }),
            }
        }
    }

    fn send(&self, exchange: &Exchange<'_>) -> Result<Answer, RegistryError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.connections.send(exchange)
    }
}

fn redirect_target(address: &Address, answer: &Answer) -> Result<Address, RegistryError> {
    let url = || address.to_string();
    let Some(location) = header_of(answer, "location") else {
        return Err(RegistryError::Status { url: url(), status: answer.status().as_u16() });
    };
    match address.join(location) {
        Ok(target) if target.origin() == address.origin() => Ok(target),
        Ok(target) => Err(RegistryError::Redirect { url: url(), target: target.origin().to_string() }),
        Err(error) => Err(RegistryError::Redirect { url: url(), target: error.to_string() }),
    }
}

/// Waits before a retry. Refuses, without waiting, where the wait would not end before the deadline.
fn pause(retries: usize, wanted: Option<Duration>, deadline: Instant) -> bool {
    let doubled = FIRST_PAUSE.saturating_mul(1 << retries.min(4));
    let own = doubled.saturating_add(Duration::from_millis(challenge::jitter() / 4));
    let pause = wanted.map_or(own, |wanted| wanted.max(own));
    match remaining(deadline) {
        Some(left) if pause < left => {
            std::thread::sleep(pause);
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::document::MediaType;

    fn repository(text: &str) -> Repository {
        let settings = Settings {
            plain_http: vec!["registry.corp.example:5000".to_owned(), "both.example".to_owned()],
            tls: vec!["127.0.0.1:5443".to_owned(), "both.example".to_owned()],
            ..Settings::default()
        };
        Client::new(settings).unwrap().repository(&Reference::parse(text).unwrap()).unwrap()
    }

    #[test]
    fn every_manifest_type_is_asked_for() {
        let types: Vec<_> = MANIFEST_TYPES.split(", ").collect();
        assert_eq!(types.len(), 4);
        assert!(types.iter().all(|text| MediaType::parse(text).is_some()), "{types:?}");
    }

    #[test]
    fn loopback_and_named_hosts_are_plain_and_everything_else_is_encrypted() {
        let cases = [
            ("nginx", "https://registry-1.docker.io"),
            ("ghcr.io/a/b", "https://ghcr.io"),
            ("localhost/a", "http://localhost"),
            ("localhost:5000/a", "http://localhost:5000"),
            ("127.0.0.1:5000/a", "http://127.0.0.1:5000"),
            ("127.0.0.1:5443/a", "https://127.0.0.1:5443"),
            ("both.example/a", "https://both.example"),
            ("[::1]:5000/a", "http://[::1]:5000"),
            ("10.0.0.1:5000/a", "https://10.0.0.1:5000"),
            ("localhost.example/a", "https://localhost.example"),
            ("registry.corp.example:5000/a", "http://registry.corp.example:5000"),
            ("registry.corp.example/a", "https://registry.corp.example"),
        ];
        for (text, origin) in cases {
            assert_eq!(repository(text).origin.to_string(), origin, "{text}");
        }
    }

    #[test]
    fn a_proxy_that_is_no_http_address_is_refused_and_never_printed() {
        for text in ["", "socks5://a:1", "https://a:1", "a:3128", "http://"] {
            let settings = Settings { proxy: Some(ProxyUrl::new(text)), ..Settings::default() };
            assert_eq!(Client::new(settings).map(drop), Err(SettingsError::Proxy), "{text}");
        }
        let settings = Settings { proxy: Some(ProxyUrl::new("http://u:secret@a:1")), ..Settings::default() };
        assert!(!format!("{settings:?}").contains("secret"));
        assert!(!format!("{:?}", Client::new(settings).unwrap()).contains("secret"));
    }
}
