//! Images, made by crane.

use std::path::PathBuf;

use crate::{Error, Peers, Workspace, run};

/// What an image is to hold.
#[derive(Clone, Debug)]
pub struct Image {
    content: String,
    program: Option<PathBuf>,
}

impl Image {
    /// An image of one small file; the same name gives the same image, another name another digest.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { content: name.to_owned(), program: None }
    }

    /// An image that also holds a static busybox as `/bin/sh` and `/bin/sleep` and can be run.
    ///
    /// # Errors
    /// [`Error::Absent`] when the peers have no busybox.
    pub fn runnable(name: &str, peers: &Peers) -> Result<Self, Error> {
        Ok(Self { content: name.to_owned(), program: Some(peers.program("busybox")?) })
    }

    fn layer(&self) -> Result<Vec<u8>, Error> {
        let mut tar = tar::Builder::new(Vec::new());
        let unexpected = |error: std::io::Error| Error::unexpected("layer", error);
        tar.append_data(&mut entry(self.content.len(), 0o644), "name", self.content.as_bytes())
            .map_err(unexpected)?;
        if let Some(program) = &self.program {
            let bytes = std::fs::read(program).map_err(Error::io(program))?;
            // busybox is what it is called by.
            for name in ["bin/sh", "bin/sleep"] {
                tar.append_data(&mut entry(bytes.len(), 0o755), name, bytes.as_slice())
                    .map_err(unexpected)?;
            }
        }
        tar.into_inner().map_err(unexpected)
    }
}

/// Nothing of the machine or the time goes into the layer.
fn entry(size: usize, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_size(u64::try_from(size).unwrap_or(u64::MAX));
    header.set_mode(mode);
    header.set_mtime(0);
    header
}

/// crane, which pushes images and changes what tags say.
#[derive(Debug)]
pub struct Crane<'a> {
    peers: &'a Peers,
    workspace: &'a Workspace,
}

impl<'a> Crane<'a> {
    /// A crane that keeps its files in the workspace.
    #[must_use]
    pub fn new(peers: &'a Peers, workspace: &'a Workspace) -> Self {
        Self { peers, workspace }
    }

    /// Pushes an OCI image for this machine's platform under a tag and gives `repository@digest`.
    ///
    /// # Errors
    /// [`Error::Failed`] when the registry refuses it.
    pub fn push(&self, reference: &str, image: &Image) -> Result<String, Error> {
        self.push_for(reference, image, &format!("linux/{}", architecture()))
    }

    /// As [`Crane::push`], for a given `os/architecture[/variant]`.
    ///
    /// # Errors
    /// [`Error::Failed`] when the registry refuses it.
    pub fn push_for(&self, reference: &str, image: &Image, platform: &str) -> Result<String, Error> {
        let layer = tempfile::Builder::new()
            .prefix("layer-")
            .suffix(".tar")
            .tempfile_in(self.workspace.path())
            .map_err(Error::io(self.workspace.path()))?;
        std::fs::write(layer.path(), image.layer()?).map_err(Error::io(layer.path()))?;
        let path = layer.path().to_string_lossy();
        self.call(&["append", "--oci-empty-base", "--new_layer", &path, "--new_tag", reference])?;
        self.call(&[
            "mutate",
            "--set-platform",
            platform,
            "--entrypoint",
            "/bin/sh",
            "--tag",
            reference,
            reference,
        ])?;
        self.pinned(reference)
    }

    /// Pushes an index of manifests that are already in the same registry; gives `repository@digest`.
    ///
    /// # Errors
    /// [`Error::Failed`] when the registry refuses it.
    pub fn push_index(&self, reference: &str, manifests: &[&str]) -> Result<String, Error> {
        let mut arguments = vec!["index", "append", "--tag", reference];
        for manifest in manifests {
            arguments.extend(["--manifest", manifest]);
        }
        self.call(&arguments)?;
        self.pinned(reference)
    }

    /// Copies one image or index, to another tag, repository or registry. Referrers stay behind.
    ///
    /// # Errors
    /// [`Error::Failed`] when either side refuses it.
    pub fn copy(&self, from: &str, to: &str) -> Result<(), Error> {
        self.call(&["copy", from, to]).map(drop)
    }

    /// Adds a label, which gives another digest, and pushes the result; gives `repository@digest`.
    ///
    /// # Errors
    /// [`Error::Failed`] when the registry refuses it.
    pub fn mutate(&self, from: &str, label: &str, to: &str) -> Result<String, Error> {
        self.call(&["mutate", "--label", label, "--tag", to, from])?;
        self.pinned(to)
    }

    /// What a tag points to, `sha256:…`.
    ///
    /// # Errors
    /// [`Error::Failed`] when there is no such tag.
    pub fn digest(&self, reference: &str) -> Result<String, Error> {
        self.call(&["digest", reference])
    }

    /// `repository@digest` for what `repository:tag` points to.
    ///
    /// # Errors
    /// [`Error::Failed`] when there is no such tag.
    pub fn pinned(&self, reference: &str) -> Result<String, Error> {
        let digest = self.digest(reference)?;
        let name = reference.split_once('@').map_or(reference, |(name, _)| name);
        // A colon before the last slash is the port's.
        let end = name.rfind(':').filter(|colon| name.rfind('/').is_none_or(|slash| *colon > slash));
        let repository = end.and_then(|end| name.get(..end)).unwrap_or(name);
        Ok(format!("{repository}@{digest}"))
    }

    fn call(&self, arguments: &[&str]) -> Result<String, Error> {
        let mut command = self.peers.command("crane", self.workspace)?;
        command.arg("--insecure").args(arguments);
        Ok(String::from_utf8_lossy(&run(command)?.stdout).trim().to_owned())
    }
}

/// This machine's architecture in OCI's (Go's) words.
pub(crate) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
