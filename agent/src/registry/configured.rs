//! A client from the configuration file.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use pullward_core::limits;

use super::credentials::{Credentials, CredentialsError};
use super::hosts::{self, HostsError};
use super::{Client, ProxyUrl, Settings, SettingsError};
use crate::config::Registry;
use crate::guard;

/// Why the auth file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthFileError {
    /// It cannot be read.
    #[error("{path}: {error}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// Others can read it: whoever reads it has the registry.
    #[error("{path}: mode {mode:04o} lets others read the credentials; chmod 0600 it")]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It is somebody else's: who writes it has our requests.
    #[error("{path}: owned by user {uid}; it has to be root's or that of the user who runs this")]
    Owner {
        /// The file.
        path: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// It is larger than a docker `config.json` can be.
    #[error("{path}: larger than {} bytes", limits::AUTH_FILE_BYTES)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It is not a docker `config.json`.
    #[error("{path}: {error}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        error: CredentialsError,
    },
}

/// Reads the configured auth file; where there is none, there are no credentials.
///
/// # Errors
/// [`AuthFileError`].
pub fn read_auth_file(path: &Path) -> Result<Credentials, AuthFileError> {
    let failed = |error| AuthFileError::Read { path: path.to_owned(), error };
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Credentials::default()),
        Err(error) => return Err(failed(error)),
    };
    if !guard::peer(metadata.uid()) {
        return Err(AuthFileError::Owner { path: path.to_owned(), uid: metadata.uid() });
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(AuthFileError::Mode { path: path.to_owned(), mode });
    }
    if metadata.len() > limits::AUTH_FILE_BYTES {
        return Err(AuthFileError::TooLarge { path: path.to_owned() });
    }
    let content = fs::read(path).map_err(failed)?;
    Credentials::parse(&content).map_err(|error| AuthFileError::Content { path: path.to_owned(), error })
}

/// Why no client can be made from the configuration.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The proxy.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// containerd's `hosts.toml` files.
    #[error(transparent)]
    Hosts(#[from] HostsError),
}

/// A client with the configured proxy and roots, and without TLS where containerd's own files say so.
///
/// # Errors
/// [`ClientError`].
pub fn client(config: &Registry, credentials: Credentials) -> Result<Client, ClientError> {
    Ok(Client::new(Settings {
        proxy: config.proxy.as_deref().map(ProxyUrl::new),
        no_proxy: config.no_proxy.clone(),
        ca_file: config.ca_file.clone(),
        plain_http: hosts::plain_http(&config.hosts_dir)?,
        tls: Vec::new(),
        credentials,
    })?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, chown};

    use super::{AuthFileError, read_auth_file};
    use crate::guard;

    #[test]
    fn an_absent_auth_file_is_no_credentials_and_an_open_or_strangers_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("auth.json");
        assert!(read_auth_file(&path).is_ok());
        fs::write(&path, "{\"auths\":{}}").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(read_auth_file(&path), Err(AuthFileError::Mode { mode: 0o644, .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(read_auth_file(&path).is_ok());
        if guard::us() == 0 {
            chown(&path, Some(1234), None).unwrap();
            assert!(matches!(read_auth_file(&path), Err(AuthFileError::Owner { uid: 1234, .. })));
            chown(&path, Some(0), None).unwrap();
        }
        fs::write(&path, "nonsense").unwrap();
        assert!(matches!(read_auth_file(&path), Err(AuthFileError::Content { .. })));
    }
}
