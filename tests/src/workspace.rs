//! A folder for one test.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::Error;

/// A folder for one test, removed with everything in it when dropped.
///
/// It lies in the system's folder for temporary files and has a short name: a unix socket's path
/// holds 107 bytes, and a folder below the build's target would use most of them. Declare it before
/// the processes that run in it, so that they stop first.
#[derive(Debug)]
pub struct Workspace {
    folder: TempDir,
}

impl Workspace {
    /// Makes the folder, mode 0700.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be made.
    pub fn new() -> Result<Self, Error> {
        let parent = std::env::temp_dir();
        let folder =
            tempfile::Builder::new().prefix("pw-").tempdir_in(&parent).map_err(Error::io(&parent))?;
        Ok(Self { folder })
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A path below the folder; nothing is made.
    #[must_use]
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path().join(name)
    }

    /// Makes a folder below the folder, or finds it made.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be made.
    pub fn folder(&self, name: impl AsRef<Path>) -> Result<PathBuf, Error> {
        let path = self.join(name);
        std::fs::create_dir_all(&path).map_err(Error::io(&path))?;
        Ok(path)
    }

    /// Writes a file below the folder.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be written.
    pub fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> Result<PathBuf, Error> {
        let path = self.join(name);
        std::fs::write(&path, content).map_err(Error::io(&path))?;
        Ok(path)
    }
}
