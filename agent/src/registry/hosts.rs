//! How containerd reaches registries: the part of its `hosts.toml` files that says "this registry has no TLS".
//!
//! Only a registry's own entry is looked at: the folder `HOST` or `HOST:PORT` below `hosts_dir`, and in its
//! `hosts.toml` the `server` or a `[host]` of the same name. Mirrors are not followed: evidence is asked of the
//! registry in the image's name. Certificates and headers are not taken over.
//!
//! The folder is root's, like containerd's configuration; what it can do here is to leave out TLS. Evidence is bound to
//! its digest all the same.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use pullward_core::limits;
use serde::Deserialize;

/// Why the files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HostsError {
    /// A folder or file cannot be read.
    #[error("{path}: {error}")]
    Read {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// A file is larger than any of its kind.
    #[error("{path}: larger than {bytes} bytes, which no hosts.toml is", bytes = limits::CONFIG_BYTES)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A file is not TOML, or not of this shape.
    #[error("{path}: {detail}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
}

/// containerd's file, as far as it is read; others' documents may have more in them.
#[derive(Debug, Deserialize)]
struct HostsFile {
    server: Option<String>,
    #[serde(default)]
    host: BTreeMap<String, toml::Value>,
}

/// The hosts, with their port, whose own entry says plain HTTP.
///
/// # Errors
/// [`HostsError`]; a folder that does not exist has no entries.
pub fn plain_http(hosts_dir: &Path) -> Result<Vec<String>, HostsError> {
    let read = |path: &Path| {
        let path = path.to_owned();
        move |error| HostsError::Read { path, error }
    };
    let entries = match fs::read_dir(hosts_dir) {
        Ok(entries) => entries,
        // A person's command may not be let in; what then goes by TLS can only fail.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(read(hosts_dir)(error)),
    };
    let mut plain = Vec::new();
    for entry in entries {
        let entry = entry.map_err(read(hosts_dir))?;
        let Ok(host) = entry.file_name().into_string() else { continue };
        let path = entry.path().join("hosts.toml");
        if path.is_file() && is_plain(&path, &host)? {
            plain.push(host);
        }
    }
    plain.sort();
    Ok(plain)
}

fn is_plain(path: &Path, host: &str) -> Result<bool, HostsError> {
    let read = |error| HostsError::Read { path: path.to_owned(), error };
    if fs::metadata(path).map_err(read)?.len() > limits::CONFIG_BYTES {
        return Err(HostsError::TooLarge { path: path.to_owned() });
    }
    let text = fs::read_to_string(path).map_err(read)?;
    let file: HostsFile = toml::from_str(&text)
        .map_err(|error| HostsError::Content { path: path.to_owned(), detail: error.message().to_owned() })?;
    let own = |url: &str| url.strip_prefix("http://").is_some_and(|rest| rest.trim_end_matches('/') == host);
    let own_tls =
        |url: &str| url.strip_prefix("https://").is_some_and(|rest| rest.trim_end_matches('/') == host);
    let names = || file.server.as_deref().into_iter().chain(file.host.keys().map(String::as_str));
    // Where both are named, TLS is the one that is tried.
    Ok(names().any(own) && !names().any(own_tls))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{HostsError, plain_http};

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (host, text) in files {
            fs::create_dir(folder.path().join(host)).unwrap();
            fs::write(folder.path().join(host).join("hosts.toml"), text).unwrap();
        }
        folder
    }

    #[test]
    fn only_a_registrys_own_entry_can_say_that_it_has_no_tls() {
        let folder = folder(&[
            ("a.example:5000", "server = \"http://a.example:5000\"\n"),
            ("b.example", "[host.\"http://b.example\"]\ncapabilities = [\"pull\"]\n"),
            ("c.example", "server = \"https://c.example\"\n[host.\"http://mirror.example\"]\n"),
            ("d.example", "server = \"http://mirror.example\"\n"),
            ("e.example", "server = \"https://e.example\"\n[host.\"http://e.example\"]\n"),
            ("f.example", "server = \"http://f.example.evil\"\n"),
            ("_default", "[host.\"http://mirror.example\"]\n"),
        ]);
        assert_eq!(plain_http(folder.path()).unwrap(), ["a.example:5000", "b.example"]);
    }

    #[test]
    fn no_folder_is_no_entry_and_a_broken_file_is_an_error() {
        assert!(plain_http("/nonexistent".as_ref()).unwrap().is_empty());
        let folder = folder(&[("a.example", "server = \n")]);
        assert!(matches!(plain_http(folder.path()), Err(HostsError::Content { .. })));
    }
}
