//! One HTTP exchange: which agent carries it, and what its failure means.
//!
//! `ureq` is configured so that nothing happens behind our back: no proxy from the environment, no redirects, no
//! decompression, no status turned into an error, no roots from variables. Both TLS 1.2 and 1.3 are spoken, nothing older.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Body, Proxy};

use crate::registry::address::{Address, Origin, Scheme};
use crate::registry::error::RegistryError;
use crate::registry::resolver::AddressOrName;

/// Where distributions keep the system's roots, in the order in which they are tried.
const SYSTEM_ROOTS: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt", // Debian, Ubuntu, Arch, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",   // Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",             // SUSE
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // newer RHEL
    "/etc/ssl/cert.pem",                  // Alpine without the package
];

/// Most bytes of response headers; distribution's own servers send under 2 KB, and Node's parser has the same bound.
const HEADER_BYTES: usize = 16 * 1024;

/// Bytes that are read at once; the head of an answer has to fit. `ureq` fills its buffers with zeros for each
/// connection: its usual 128 KiB each way cost more than the connection itself.
const INPUT_BYTES: usize = HEADER_BYTES;

/// Bytes that are written at once; each header has to fit, and the credentials are the only long one.
const OUTPUT_BYTES: usize = 16 * 1024;

/// Most bytes of an `Authorization` header, which leaves room for its name. Tokens of large registries have 2 to 5 KB, and
/// most servers refuse more than 8.
const AUTHORIZATION_BYTES: usize = OUTPUT_BYTES - 64;

/// How connections are made. The agents are made when they are first needed: a registry on loopback never loads roots.
#[derive(Debug)]
pub(crate) struct Connections {
    ca_file: Option<PathBuf>,
    proxy: Option<Proxy>,
    no_proxy: Vec<String>,
    plain: OnceLock<Agent>,
    plain_proxied: OnceLock<Agent>,
    tls: OnceLock<Agent>,
    tls_proxied: OnceLock<Agent>,
}

/// Whether a request goes through the proxy.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Via {
    Direct,
    Proxy,
}

/// A request without a body; there is no other.
pub(crate) struct Exchange<'a> {
    pub(crate) address: &'a Address,
    pub(crate) accept: &'a str,
    pub(crate) authorization: Option<&'a str>,
    pub(crate) deadline: Instant,
}

/// An answer whose body has not been read.
pub(crate) type Answer = http::Response<Body>;

impl Connections {
    pub(crate) fn new(ca_file: Option<PathBuf>, proxy: Option<Proxy>, no_proxy: Vec<String>) -> Self {
        Self {
            ca_file,
            proxy,
            no_proxy,
            plain: OnceLock::new(),
            plain_proxied: OnceLock::new(),
            tls: OnceLock::new(),
            tls_proxied: OnceLock::new(),
        }
    }

    /// Sends a request and waits for the head of the answer.
    pub(crate) fn send(&self, exchange: &Exchange<'_>) -> Result<Answer, RegistryError> {
        let url = exchange.address.to_string();
        let remaining =
            remaining(exchange.deadline).ok_or_else(|| RegistryError::Deadline { url: url.clone() })?;
        let agent = self.agent(exchange.address.origin())?;
        let mut request = agent.get(&url).header("Accept", exchange.accept);
        if let Some(authorization) = exchange.authorization {
            if authorization.len() > AUTHORIZATION_BYTES {
                let detail = "the credentials or the token are longer than a request may be".to_owned();
                return Err(RegistryError::Unreachable { url, detail });
            }
            request = request.header("Authorization", authorization);
        }
        // One timeout for name, connection, handshake, head and body: the body's reader keeps it.
        let request = request.config().timeout_global(Some(remaining)).build();
        request.call().map_err(|error| explain(error, url))
    }

    fn agent(&self, origin: &Origin) -> Result<&Agent, RegistryError> {
        let via = self.via(origin);
        let slot = match (origin.scheme(), via) {
            (Scheme::Http, Via::Direct) => &self.plain,
            (Scheme::Http, Via::Proxy) => &self.plain_proxied,
            (Scheme::Https, Via::Direct) => &self.tls,
            (Scheme::Https, Via::Proxy) => &self.tls_proxied,
        };
        if let Some(agent) = slot.get() {
            return Ok(agent);
        }
        let mut builder = Agent::config_builder()
            .proxy(if via == Via::Proxy { self.proxy.clone() } else { None })
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_response_header_size(HEADER_BYTES)
            .input_buffer_size(INPUT_BYTES)
            .output_buffer_size(OUTPUT_BYTES)
            .accept_encoding("identity")
            .user_agent(concat!("pullward/", env!("CARGO_PKG_VERSION")))
            .https_only(origin.scheme() == Scheme::Https);
        if origin.scheme() == Scheme::Https {
            builder = builder.tls_config(
                TlsConfig::builder()
                    .root_certs(self.roots()?)
                    .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
                    .build(),
            );
        }
        // Two threads may have made one each; both are right, and one is kept.
        Ok(slot.get_or_init(|| {
            Agent::with_parts(builder.build(), DefaultConnector::default(), AddressOrName::default())
        }))
    }

    fn via(&self, origin: &Origin) -> Via {
        if self.proxy.is_none()
            || origin.is_loopback()
            || self.no_proxy.iter().any(|entry| exempts(entry, origin))
        {
            Via::Direct
        } else {
            Via::Proxy
        }
    }

    fn roots(&self) -> Result<RootCerts, RegistryError> {
        let (path, pem) = match &self.ca_file {
            Some(path) => {
                let unusable =
                    |error: io::Error| RegistryError::Roots { path: path.clone(), detail: error.to_string() };
                (path.clone(), std::fs::read(path).map_err(unusable)?)
            }
            None => SYSTEM_ROOTS
                .iter()
                .find_map(|path| Some((PathBuf::from(path), std::fs::read(path).ok()?)))
                .ok_or_else(|| RegistryError::Roots {
                    path: SYSTEM_ROOTS.first().map(PathBuf::from).unwrap_or_default(),
                    detail: "it is not there, nor is any other of the usual files; set [registry] ca_file"
                        .to_owned(),
                })?,
        };
        let mut certificates: Vec<Certificate<'static>> = Vec::new();
        for item in ureq::tls::parse_pem(&pem) {
            match item {
                Ok(PemItem::Certificate(certificate)) => certificates.push(certificate),
                Ok(_) => {}
                Err(error) => return Err(RegistryError::Roots { path, detail: error.to_string() }),
            }
        }
        if certificates.is_empty() {
            return Err(RegistryError::Roots { path, detail: "it has no PEM block CERTIFICATE".to_owned() });
        }
        Ok(RootCerts::Specific(Arc::new(certificates)))
    }
}

/// Whether a `no_proxy` entry names a host: `*`, `host`, `host:port`, or `.domain` for everything below it.
fn exempts(entry: &str, origin: &Origin) -> bool {
    let entry = entry.trim().to_ascii_lowercase();
    let with_port = format!("{}:{}", origin.host(), origin.port());
    entry == "*"
        || entry == origin.host()
        || entry == with_port
        || (entry.starts_with('.') && origin.host().ends_with(&entry))
}

/// What is left until a deadline; `None` where it has passed.
pub(crate) fn remaining(deadline: Instant) -> Option<Duration> {
    deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
}

/// Says what a failure of `ureq` means.
pub(crate) fn explain(error: ureq::Error, url: String) -> RegistryError {
    match error {
        ureq::Error::Timeout(_) => RegistryError::Deadline { url },
        ureq::Error::Io(error) => explain_io(&error, url),
        ureq::Error::Rustls(error) => RegistryError::Tls { url, detail: error.to_string() },
        ureq::Error::Tls(detail) => RegistryError::Tls { url, detail: detail.to_owned() },
        other => RegistryError::Unreachable { url, detail: other.to_string() },
    }
}

/// Says what a failure to read means. The TLS library and `ureq` both put their own errors inside.
pub(crate) fn explain_io(error: &io::Error, url: String) -> RegistryError {
    let inner = error.get_ref();
    if let Some(tls) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return RegistryError::Tls { url, detail: tls.to_string() };
    }
    let timed_out = inner
        .and_then(|inner| inner.downcast_ref::<ureq::Error>())
        .is_some_and(|inner| matches!(inner, ureq::Error::Timeout(_)));
    if timed_out || error.kind() == io::ErrorKind::TimedOut {
        return RegistryError::Deadline { url };
    }
    RegistryError::Unreachable { url, detail: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Origin {
        Address::parse(text).unwrap().origin().clone()
    }

    #[test]
    fn a_proxy_is_used_only_where_it_is_configured_and_never_for_loopback() {
        let proxy = || Some(Proxy::new("http://127.0.0.1:3128").unwrap());
        let none = Connections::new(None, None, Vec::new());
        assert!(none.via(&origin("https://ghcr.io")) == Via::Direct);
        let some = Connections::new(
            None,
            proxy(),
            vec![".corp.example".into(), "quay.io".into(), "r.x:5000".into()],
        );
        let cases = [
            ("https://ghcr.io", Via::Proxy),
            ("https://quay.io", Via::Direct),
            ("https://evil-quay.io", Via::Proxy),
            ("https://r.corp.example", Via::Direct),
            ("https://corp.example", Via::Proxy),
            ("https://evilcorp.example", Via::Proxy),
            ("http://r.x:5000", Via::Direct),
            ("http://r.x:5001", Via::Proxy),
            ("http://127.0.0.1:5000", Via::Direct),
        ];
        for (text, via) in cases {
            assert!(some.via(&origin(text)) == via, "{text}");
        }
    }

    #[test]
    fn a_ca_file_without_a_certificate_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, "nothing").unwrap();
        let connections = Connections::new(Some(path.clone()), None, Vec::new());
        let detail = "it has no PEM block CERTIFICATE".to_owned();
        assert_eq!(connections.roots().map(drop), Err(RegistryError::Roots { path, detail }));
        let absent = folder.path().join("absent.pem");
        let connections = Connections::new(Some(absent), None, Vec::new());
        assert!(matches!(connections.roots(), Err(RegistryError::Roots { .. })));
    }
}
