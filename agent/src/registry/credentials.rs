//! Credentials from a docker `config.json`: the `auths` section only.
//!
//! An entry belongs to one host, which is compared whole. Helper programs (`credsStore`, `credHelpers`) are not run;
//! that a host is left to one is remembered, so that a refusal can say so. Nothing here is ever printed: `Debug` shows
//! hosts only.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// User names and passwords, by registry host.
#[derive(Clone, Default)]
pub struct Credentials {
    basic: BTreeMap<String, String>,
    helpers: BTreeSet<String>,
    store: HelperStore,
}

/// Whether the file leaves every host to a helper program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum HelperStore {
    #[default]
    Absent,
    Configured,
}

/// What the file has for a host.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lookup<'a> {
    /// The value of a `Basic` authorization, base64 already.
    Basic(&'a str),
    /// A helper program, which is not run.
    Helper,
    /// Nothing.
    Nothing,
}

/// Why a `config.json` cannot be used. The message has no part of the content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// Not JSON of the expected shape.
    #[error("it is not a docker config.json, at line {line} column {column}")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// An `auth` is not base64 of `user:password`.
    #[error("the entry for {host} is not base64 of user:password")]
    Auth {
        /// The host of the entry.
        host: String,
    },
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    auths: BTreeMap<String, Auth>,
    #[serde(default, rename = "credHelpers")]
    helpers: BTreeMap<String, serde::de::IgnoredAny>,
    #[serde(default, rename = "credsStore")]
    store: Option<String>,
}

#[derive(Deserialize)]
struct Auth {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
}

impl Credentials {
    /// Reads the content of a `config.json`.
    ///
    /// # Errors
    /// [`CredentialsError`].
    pub fn parse(content: &[u8]) -> Result<Self, CredentialsError> {
        let file: File = serde_json::from_slice(content)
            .map_err(|error| CredentialsError::Syntax { line: error.line(), column: error.column() })?;
        let mut out = Self::default();
        for (key, auth) in file.auths {
            let host = host_of(&key);
            let pair = match (auth.auth.filter(|text| !text.is_empty()), auth.username, auth.password) {
                (Some(text), ..) => {
                    STANDARD.decode(text.trim()).map_err(|_| CredentialsError::Auth { host: host.clone() })?
                }
                (None, Some(user), Some(password)) => format!("{user}:{password}").into_bytes(),
                // Docker leaves an empty entry for a host whose password a helper keeps.
                (None, ..) => continue,
            };
            if !pair.contains(&b':') || pair.iter().any(u8::is_ascii_control) {
                return Err(CredentialsError::Auth { host });
            }
            out.basic.insert(host, STANDARD.encode(pair));
        }
        out.helpers = file.helpers.keys().map(|key| host_of(key)).collect();
        if file.store.is_some_and(|name| !name.is_empty()) {
            out.store = HelperStore::Configured;
        }
        Ok(out)
    }

    /// One user of one host, as a normalised reference has it.
    #[must_use]
    pub fn of(host: &str, username: &str, password: &str) -> Self {
        let basic = STANDARD.encode(format!("{username}:{password}"));
        Self { basic: BTreeMap::from([(host.to_owned(), basic)]), ..Self::default() }
    }

    /// These credentials, and for hosts that they do not know those of `other`.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        for (host, basic) in other.basic {
            self.basic.entry(host).or_insert(basic);
        }
        self.helpers.extend(other.helpers);
        if other.store == HelperStore::Configured {
            self.store = HelperStore::Configured;
        }
        self
    }

    /// What there is for a host, as a normalised reference has it.
    pub(crate) fn lookup(&self, host: &str) -> Lookup<'_> {
        if let Some(basic) = self.basic.get(host) {
            return Lookup::Basic(basic);
        }
        if self.store == HelperStore::Configured || self.helpers.contains(host) {
            return Lookup::Helper;
        }
        Lookup::Nothing
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<&String> = self.basic.keys().collect();
        f.debug_struct("Credentials")
            .field("hosts", &hosts)
            .field("helpers", &self.helpers)
            .finish_non_exhaustive()
    }
}

/// The host of a key: `https://index.docker.io/v1/`, `ghcr.io`, `registry.example:5000`. A key with any other path
/// keeps it, and so fits no host.
fn host_of(key: &str) -> String {
    let rest = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let host =
        ["/v1/", "/v2/", "/v1", "/v2", "/"].iter().find_map(|end| rest.strip_suffix(end)).unwrap_or(rest);
    match host.to_ascii_lowercase().as_str() {
        "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(credentials: &Credentials, host: &str) -> Option<String> {
        match credentials.lookup(host) {
            Lookup::Basic(text) => String::from_utf8(STANDARD.decode(text).unwrap()).ok(),
            Lookup::Helper | Lookup::Nothing => None,
        }
    }

    const FILE: &str = r#"{"auths":{
        "https://index.docker.io/v1/":{"auth":"dTpw"},
        "ghcr.io":{"username":"me","password":"s:e"},
        "Registry.Example:5000":{"auth":"dTpw","email":"x"},
        "quay.io/team":{"auth":"dTpw"},
        "empty.example":{}},
        "credHelpers":{"gcr.io":"gcloud"},"HttpHeaders":{"a":"b"}}"#;

    #[test]
    fn an_entry_belongs_to_exactly_its_host() {
        let credentials = Credentials::parse(FILE.as_bytes()).unwrap();
        assert_eq!(basic(&credentials, "docker.io").as_deref(), Some("u:p"));
        assert_eq!(basic(&credentials, "ghcr.io").as_deref(), Some("me:s:e"));
        assert_eq!(basic(&credentials, "registry.example:5000").as_deref(), Some("u:p"));
        for host in
            ["registry.example", "evil-ghcr.io", "ghcr.io.evil.com", "quay.io", "io", "", "empty.example"]
        {
            assert_eq!(basic(&credentials, host), None, "{host}");
        }
        assert!(matches!(credentials.lookup("gcr.io"), Lookup::Helper));
    }

    #[test]
    fn nothing_secret_is_printed() {
        let printed = format!("{:?}", Credentials::parse(FILE.as_bytes()).unwrap());
        for secret in ["dTpw", "u:p", "s:e", "me"] {
            assert!(!printed.contains(secret), "{printed}");
        }
        assert!(printed.contains("ghcr.io"));
    }

    #[test]
    fn a_file_that_is_not_one_is_refused_without_showing_it() {
        let secret = br#"{"auths":{"a":{"auth":"c2VjcmV0"}}"#;
        let error = Credentials::parse(secret).unwrap_err();
        assert_eq!(error, CredentialsError::Syntax { line: 1, column: 34 });
        for auth in ["!!!", "c2VjcmV0", "dTpwCg=="] {
            let text = format!(r#"{{"auths":{{"a":{{"auth":"{auth}"}}}}}}"#);
            let error = Credentials::parse(text.as_bytes()).unwrap_err();
            assert_eq!(error, CredentialsError::Auth { host: "a".into() });
            assert!(!error.to_string().contains(auth));
        }
    }

    #[test]
    fn a_store_of_helpers_is_remembered() {
        let credentials = Credentials::parse(br#"{"credsStore":"desktop"}"#).unwrap();
        assert!(matches!(credentials.lookup("ghcr.io"), Lookup::Helper));
        assert!(matches!(Credentials::parse(b"{}").unwrap().lookup("ghcr.io"), Lookup::Nothing));
    }
}
