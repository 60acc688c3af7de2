//! A real registry (Docker's distribution 2.8) on a loopback port.
//!
//! This version knows OCI's media types but not the referrers API, so that clients fall back to the
//! tag `sha256-<hex>`.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use ureq::http::{Method, Request};

use crate::{Error, Peers, Process, Signal, Workspace};

/// A registry starts in some 30 ms; a loaded machine is given more.
const READY: Duration = Duration::from_secs(20);
/// For one request. It is on loopback and holds small images.
const ANSWER: Duration = Duration::from_secs(20);
/// What to ask for: all four, or a registry answers an index with one of its manifests.
const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json";

/// A manifest or index as the registry gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// `sha256:…`, computed from the bytes.
    pub digest: String,
    /// The `Content-Type` of the answer.
    pub media_type: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Manifest {
    /// The bytes as JSON.
    ///
    /// # Errors
    /// [`Error::Unexpected`] when they are none.
    pub fn json(&self) -> Result<Value, Error> {
        serde_json::from_slice(&self.bytes).map_err(|error| Error::unexpected(&self.digest, error))
    }
}

/// One request that the registry has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// `GET`, `HEAD`, …
    pub method: String,
    /// Path and query, from `/v2/` on.
    pub path: String,
    /// The status that it was answered with.
    pub status: u16,
    /// Who says to have asked (`User-Agent`).
    pub agent: String,
}

impl Access {
    /// Reads a line of the access log, in Apache's combined form; `None` for other lines.
    fn parse(line: &str) -> Option<Self> {
        let mut quoted = line.split('"');
        let _host_and_time = quoted.next()?;
        let mut request = quoted.next()?.split(' ');
        let status = quoted.next()?.split_whitespace().next()?.parse().ok()?;
        let (_referrer, _) = (quoted.next()?, quoted.next()?);
        let agent = quoted.next()?.to_owned();
        let (method, path) = (request.next()?.to_owned(), request.next()?.to_owned());
        path.starts_with("/v2/").then_some(Self { method, path, status, agent })
    }
}

/// A registry, plain HTTP, open to everyone, deletes allowed; storage in the workspace.
#[derive(Debug)]
pub struct Registry {
    peers: Peers,
    folder: PathBuf,
    port: u16,
    process: Option<Process>,
    http: ureq::Agent,
}

impl Registry {
    /// Starts an empty registry on a free port of 127.0.0.1 and waits until it answers.
    ///
    /// # Errors
    /// [`Error`] when it cannot be started, or does not get ready.
    pub fn start(peers: &Peers, workspace: &Workspace) -> Result<Self, Error> {
        // Between our look for a free port and the registry's use of it, another may take it.
        let mut tries = 3_u8;
        loop {
            tries = tries.saturating_sub(1);
            let port = free_port()?;
            let folder = workspace.folder(format!("registry-{port}"))?;
            let config = ureq::Agent::config_builder()
                .http_status_as_error(false)
                .timeout_global(Some(ANSWER))
                .proxy(None)
                .build();
            let mut registry =
                Self { peers: peers.clone(), folder, port, process: None, http: config.new_agent() };
            match registry.restart() {
                Err(Error::Ended { .. }) if tries > 0 => {}
                Err(error) => return Err(error),
                Ok(()) => return Ok(registry),
            }
        }
    }

    /// Stops it. What it holds stays, and so does its port.
    ///
    /// # Errors
    /// [`Error::Io`] when the system refuses.
    pub fn stop(&mut self) -> Result<(), Error> {
        if let Some(mut process) = self.process.take() {
            process.stop()?;
        }
        Ok(())
    }

    /// Starts it again, with all that it held, on the same port.
    ///
    /// # Errors
    /// [`Error`] when it cannot be started, or does not get ready.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.stop()?;
        let config = self.folder.join("config.yml");
        let storage = self.storage();
        let text = format!(
            "version: 0.1\nlog: {{level: warn, accesslog: {{disabled: false}}}}\nstorage:\n  filesystem: \
             {{rootdirectory: '{}'}}\n  delete: {{enabled: true}}\nhttp: {{addr: '{}'}}\n",
            storage.display(),
            self.host()
        );
        std::fs::write(&config, text).map_err(Error::io(&config))?;
        let mut command = std::process::Command::new(self.peers.program("registry")?);
        command.env_clear().arg("serve").arg(&config).current_dir(&self.folder);
        let mut process = Process::spawn("registry", command, &self.folder.join("log"))?;
        process.wait_ready(READY, || self.call(Method::GET, "", None, &[]).is_ok())?;
        self.process = Some(process);
        Ok(())
    }

    /// Sends its process a signal, to make it stand still and go on.
    ///
    /// # Errors
    /// [`Error::Io`] when the system refuses, [`Error::Unexpected`] when it is stopped.
    pub fn signal(&mut self, signal: Signal) -> Result<(), Error> {
        let process = self.process.as_mut().ok_or_else(|| Error::unexpected("registry", "not running"))?;
        process.signal(signal)
    }

    /// `127.0.0.1:PORT`.
    #[must_use]
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("http://{}", self.host())
    }

    /// The full reference of `name`, which is `repository[:tag][@digest]`.
    #[must_use]
    pub fn reference(&self, name: &str) -> String {
        format!("{}/{name}", self.host())
    }

    /// The folder that it keeps its blobs in, for tests that damage them.
    #[must_use]
    pub fn storage(&self) -> PathBuf {
        self.folder.join("storage")
    }

    /// What it has printed so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.as_ref().map(Process::log).unwrap_or_default()
    }

    /// What it was asked for, in the order of its answers, over all its starts.
    #[must_use]
    pub fn accesses(&self) -> Vec<Access> {
        self.log().lines().filter_map(Access::parse).collect()
    }

    /// A manifest or index, by tag or digest.
    ///
    /// # Errors
    /// [`Error::Http`] when there is none.
    pub fn manifest(&self, repository: &str, reference: &str) -> Result<Manifest, Error> {
        let path = format!("{repository}/manifests/{reference}");
        let (bytes, headers) = self.call(Method::GET, &path, None, &[])?;
        let media_type = headers
            .get("content-type")
            .and_then(|value| value.to_str().ok())
            .ok_or_else(|| Error::unexpected(&path, "no Content-Type"))?
            .to_owned();
        Ok(Manifest { digest: digest(&bytes), media_type, bytes })
    }

    /// A repository's tags, sorted; none if there is no such repository.
    ///
    /// # Errors
    /// [`Error::Http`] when the registry does not answer, [`Error::Unexpected`] when not in JSON.
    pub fn tags(&self, repository: &str) -> Result<Vec<String>, Error> {
        let path = format!("{repository}/tags/list");
        let (bytes, _) = match self.call(Method::GET, &path, None, &[]) {
            Err(Error::Http { answer, .. }) if answer.starts_with("404") => return Ok(Vec::new()),
            other => other?,
        };
        let json: Value = serde_json::from_slice(&bytes).map_err(|error| Error::unexpected(&path, error))?;
        let tags = json.get("tags").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let mut tags: Vec<_> = tags.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        tags.sort();
        Ok(tags)
    }

    /// Stores a manifest or index as it is and gives its digest. Blobs that it names must be there.
    ///
    /// # Errors
    /// [`Error::Http`] when the registry refuses it.
    pub fn put_manifest(
        &self,
        repository: &str,
        reference: &str,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<String, Error> {
        let path = format!("{repository}/manifests/{reference}");
        self.call(Method::PUT, &path, Some(media_type), bytes)?;
        Ok(digest(bytes))
    }

    /// Stores a blob and gives its digest.
    ///
    /// # Errors
    /// [`Error::Http`] when the registry refuses it.
    pub fn put_blob(&self, repository: &str, bytes: &[u8]) -> Result<String, Error> {
        let digest = digest(bytes);
        let (_, headers) = self.call(Method::POST, &format!("{repository}/blobs/uploads/"), None, &[])?;
        let location = headers
            .get("location")
            .and_then(|value| value.to_str().ok())
            .ok_or_else(|| Error::unexpected("blob upload", "no Location"))?;
        let path = location.split_once("/v2/").map_or(location, |(_, path)| path);
        let mark = if path.contains('?') { '&' } else { '?' };
        self.call(
            Method::PUT,
            &format!("{path}{mark}digest={digest}"),
            Some("application/octet-stream"),
            bytes,
        )?;
        Ok(digest)
    }

    /// Removes a manifest by digest, and with it every tag that points to it.
    ///
    /// # Errors
    /// [`Error::Http`] when there is none.
    pub fn delete_manifest(&self, repository: &str, digest: &str) -> Result<(), Error> {
        self.call(Method::DELETE, &format!("{repository}/manifests/{digest}"), None, &[]).map(drop)
    }

    /// One request below `/v2/`; any status but 2xx is an error.
    fn call(
        &self,
        method: Method,
        path: &str,
        media_type: Option<&str>,
        body: &[u8],
    ) -> Result<(Vec<u8>, http::HeaderMap), Error> {
        let url = format!("{}/v2/{path}", self.address());
        let failed = |answer: String| Error::Http { method: method.to_string(), url: url.clone(), answer };
        let mut request = Request::builder().method(method.clone()).uri(&url).header("accept", ACCEPT);
        if let Some(media_type) = media_type {
            request = request.header("content-type", media_type);
        }
        let answer = if method == Method::PUT || method == Method::POST {
            request.body(body).map_err(ureq::Error::from).and_then(|request| self.http.run(request))
        } else {
            request.body(()).map_err(ureq::Error::from).and_then(|request| self.http.run(request))
        };
        let (head, mut content) = answer.map_err(|error| failed(error.to_string()))?.into_parts();
        let bytes = content.read_to_vec().map_err(|error| failed(error.to_string()))?;
        if head.status.is_success() {
            return Ok((bytes, head.headers));
        }
        Err(failed(format!("{}: {}", head.status, String::from_utf8_lossy(&bytes))))
    }
}

/// `sha256:…` of the bytes, computed apart from the code under test.
pub(crate) fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::from("sha256:"), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn free_port() -> Result<u16, Error> {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(Error::io(Path::new("127.0.0.1")))
}

#[cfg(test)]
mod tests {
    use super::Access;

    #[test]
    fn a_line_of_the_access_log_is_read_and_another_line_is_none() {
        let line = r#"127.0.0.1 - - [24/Nov/2026:14:00:00 +0000] "GET /v2/app/blobs/sha256:00 HTTP/1.1" 200 3 "" "containerd/2.1.9""#;
        let access = Access::parse(line).unwrap();
        assert_eq!((access.method.as_str(), access.path.as_str()), ("GET", "/v2/app/blobs/sha256:00"));
        assert_eq!((access.status, access.agent.as_str()), (200, "containerd/2.1.9"));
        assert_eq!(Access::parse("time=\"x\" level=warning msg=\"No HTTP secret\""), None);
    }
}
