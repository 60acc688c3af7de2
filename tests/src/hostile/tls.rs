//! A certificate authority that lives as long as a test, and the server side of TLS.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// An authority with one server certificate for `127.0.0.1` and `localhost`.
#[derive(Clone)]
pub struct Authority {
    pem: String,
    config: Arc<ServerConfig>,
}

impl Authority {
    /// Makes an authority.
    ///
    /// # Errors
    /// The keys or certificates cannot be made.
    pub fn new() -> Result<Self, Box<dyn std::error::Error>> {
        Self::for_names(&["127.0.0.1", "localhost"])
    }

    /// Makes an authority whose server certificate is for these names.
    ///
    /// # Errors
    /// The keys or certificates cannot be made.
    pub fn for_names(names: &[&str]) -> Result<Self, Box<dyn std::error::Error>> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        let root = params.self_signed(&key)?;
        let issuer = Issuer::new(params, key);
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let server_key = KeyPair::generate()?;
        let server = CertificateParams::new(names)?.signed_by(&server_key, &issuer)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(
                vec![server.der().clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server_key.serialize_der())),
            )?;
        Ok(Self { pem: root.pem(), config: Arc::new(config) })
    }

    /// The authority's certificate in PEM.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The server's side of a connection; the handshake happens with the first read.
    pub(super) fn accept(&self, stream: TcpStream) -> io::Result<StreamOwned<ServerConnection, TcpStream>> {
        let connection = ServerConnection::new(Arc::clone(&self.config)).map_err(io::Error::other)?;
        Ok(StreamOwned::new(connection, stream))
    }
}
