//! Copies with referrers, made by oras.

use std::path::Path;

use crate::{Error, Peers, Workspace, run};

/// oras, which copies images together with what refers to them.
///
/// It follows the referrers API and its fallback tag. It does not carry cosign's `.sig` and `.att`
/// tags, which refer to an image by their name only.
#[derive(Debug)]
pub struct Oras<'a> {
    peers: &'a Peers,
    workspace: &'a Workspace,
}

impl<'a> Oras<'a> {
    /// An oras that keeps its files in the workspace.
    #[must_use]
    pub fn new(peers: &'a Peers, workspace: &'a Workspace) -> Self {
        Self { peers, workspace }
    }

    /// Copies an image and its referrers from one plain-HTTP registry to another.
    ///
    /// # Errors
    /// [`Error::Failed`] when either side refuses it.
    pub fn copy(&self, from: &str, to: &str) -> Result<(), Error> {
        self.call(&["copy", "--recursive", "--from-plain-http", "--to-plain-http", from, to])
    }

    /// Copies an image and its referrers into an OCI layout, which is made or added to.
    /// `tag` is what `org.opencontainers.image.ref.name` says in the layout's index.
    ///
    /// # Errors
    /// [`Error::Failed`] when there is no such image.
    pub fn copy_to_layout(&self, from: &str, layout: &Path, tag: &str) -> Result<(), Error> {
        let to = format!("{}:{tag}", layout.display());
        self.call(&["copy", "--recursive", "--from-plain-http", "--to-oci-layout", from, &to])
    }

    /// Copies what a layout holds under a tag, with its referrers, to a plain-HTTP registry.
    ///
    /// # Errors
    /// [`Error::Failed`] when the registry refuses it.
    pub fn copy_from_layout(&self, layout: &Path, tag: &str, to: &str) -> Result<(), Error> {
        let from = format!("{}:{tag}", layout.display());
        self.call(&["copy", "--recursive", "--from-oci-layout", "--to-plain-http", &from, to])
    }

    /// Attaches a file to an image as a referrer of the given artifact type.
    ///
    /// # Errors
    /// [`Error::Failed`] when the registry refuses it.
    pub fn attach(
        &self,
        reference: &str,
        artifact_type: &str,
        file: &Path,
        media_type: &str,
    ) -> Result<(), Error> {
        let file = format!("{}:{media_type}", file.display());
        self.call(&[
            "attach",
            "--plain-http",
            "--disable-path-validation",
            "--artifact-type",
            artifact_type,
            reference,
            &file,
        ])
    }

    fn call(&self, arguments: &[&str]) -> Result<(), Error> {
        let mut command = self.peers.command("oras", self.workspace)?;
        command.args(arguments);
        run(command).map(drop)
    }
}
