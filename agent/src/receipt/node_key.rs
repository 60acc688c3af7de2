//! The node's key: 32 random bytes that never leave the state folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::guard::{self, GuardError};
use crate::trust::file::{Existing, write_whole};

/// Name of its file in the state folder.
pub const FILE: &str = "node.key";

/// The node's key.
pub struct NodeKey {
    bytes: Zeroizing<[u8; 32]>,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum NodeKeyError {
    /// Its file, or a folder above it, is not private.
    #[error(transparent)]
    Unsafe(#[from] GuardError),
    /// Its file cannot be read or written.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        error: io::Error,
    },
    /// Its file does not hold a key. Without its receipts the node judges every image as if it came for the first time.
    #[error(
        "{path}: not a node key of 32 bytes; remove it to have a new one made, which forgets all receipts"
    )]
    Malformed {
        /// The file.
        path: PathBuf,
    },
}

impl NodeKey {
    /// Reads the key in a state folder, or makes one: 0600, whole or not at all.
    ///
    /// # Errors
    /// [`NodeKeyError`].
    pub fn open(state_dir: &Path) -> Result<Self, NodeKeyError> {
        let path = state_dir.join(FILE);
        let failed = |error| NodeKeyError::File { path: path.clone(), error };
        match fs::symlink_metadata(&path) {
            Ok(_) => {
                guard::secret(&path)?;
                let bytes = Zeroizing::new(fs::read(&path).map_err(failed)?);
                let bytes: [u8; 32] = bytes
                    .as_slice()
                    .try_into()
                    .map_err(|_| NodeKeyError::Malformed { path: path.clone() })?;
                Ok(Self { bytes: Zeroizing::new(bytes) })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut bytes = Zeroizing::new([0; 32]);
                getrandom::fill(&mut *bytes).map_err(|error| failed(io::Error::other(error)))?;
                write_whole(&path, &*bytes, 0o600, Existing::Keep).map_err(failed)?;
                Ok(Self { bytes })
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// The key.
    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// A key of known bytes.
    #[cfg(test)]
    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self { bytes: Zeroizing::new(bytes) }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::{FILE, NodeKey, NodeKeyError};

    #[test]
    fn a_key_is_made_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let first = NodeKey::open(folder.path()).unwrap();
        let again = NodeKey::open(folder.path()).unwrap();
        assert_eq!(first.bytes(), again.bytes());
        let mode = fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let other = tempfile::tempdir().unwrap();
        assert_ne!(NodeKey::open(other.path()).unwrap().bytes(), first.bytes());
    }

    #[test]
    fn a_key_that_others_can_read_or_that_is_cut_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        drop(NodeKey::open(folder.path()).unwrap());
        let path = folder.path().join(FILE);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(NodeKey::open(folder.path()), Err(NodeKeyError::Unsafe(_))));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, b"short").unwrap();
        assert!(matches!(NodeKey::open(folder.path()), Err(NodeKeyError::Malformed { .. })));
    }
}
