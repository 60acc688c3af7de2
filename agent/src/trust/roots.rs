//! The root keys that a node pins: who may sign its trust bundles, and how many of them must.

use std::path::{Path, PathBuf};

use pullward_core::limits;
use pullward_core::signature::{KeyType, PublicKey};

use crate::guard::GuardError;
use crate::policy::{PublicKeyFile, read_capped};

/// Pinned root keys and their threshold.
#[derive(Debug, Clone)]
pub struct Roots {
    keys: Vec<PublicKey>,
    files: Vec<PathBuf>,
    threshold: usize,
}

/// Why the roots are not usable. Nothing is trusted then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RootsError {
    /// None is named.
    #[error("no root key is pinned; name the public keys that may sign trust bundles")]
    None,
    /// More than signatures that are read.
    #[error("{0} root keys are pinned, the bound is {max}", max = limits::THRESHOLD_SIGNATURES)]
    TooMany(usize),
    /// A file that cannot be read, or holds no key that can be a root.
    #[error("root key {file}: {reason}")]
    Key {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// A file of a node's that somebody else could change.
    #[error("root key {error}")]
    Unsafe {
        /// The file, and why.
        error: GuardError,
    },
    /// The same key twice, which would look like two signers.
    #[error("root keys {one} and {other} are the same key; remove one")]
    Duplicate {
        /// The first file.
        one: PathBuf,
        /// The second file.
        other: PathBuf,
    },
    /// More than one root and no threshold.
    #[error(
        "{0} root keys are pinned and no threshold is set; say how many of them must sign (1 is one, any of them)"
    )]
    NoThreshold(usize),
    /// A threshold of zero, or above the number of roots.
    #[error("the threshold is {threshold} of {roots} root keys; it must be between 1 and {roots}")]
    Threshold {
        /// What was asked for.
        threshold: usize,
        /// How many roots there are.
        roots: usize,
    },
}

impl Roots {
    /// Reads root keys: P-256 or Ed25519, PEM. With more than one, `threshold` must say how many have to sign.
    ///
    /// # Errors
    /// [`RootsError`].
    pub fn read(files: &[PathBuf], threshold: Option<usize>) -> Result<Self, RootsError> {
        if files.is_empty() {
            return Err(RootsError::None);
        }
        if files.len() > limits::THRESHOLD_SIGNATURES {
            return Err(RootsError::TooMany(files.len()));
        }
        let mut keys: Vec<PublicKey> = Vec::with_capacity(files.len());
        for file in files {
            let key = read_root(file).map_err(|reason| RootsError::Key { file: file.clone(), reason })?;
            let known = keys.iter().position(|known| known.id() == key.id());
            if let Some(one) = known.and_then(|place| files.get(place)) {
                return Err(RootsError::Duplicate { one: one.clone(), other: file.clone() });
            }
            keys.push(key);
        }
        let threshold = match threshold {
            Some(threshold) => threshold,
            None if keys.len() == 1 => 1,
            None => return Err(RootsError::NoThreshold(keys.len())),
        };
        if threshold == 0 || threshold > keys.len() {
            return Err(RootsError::Threshold { threshold, roots: keys.len() });
        }
        Ok(Self { keys, files: files.to_vec(), threshold })
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// The keys, each with the file that it was read from.
    pub fn named(&self) -> impl Iterator<Item = (&Path, &PublicKey)> {
        self.files.iter().map(PathBuf::as_path).zip(&self.keys)
    }

    /// How many distinct ones must have signed.
    #[must_use]
    pub fn threshold(&self) -> usize {
        self.threshold
    }
}

fn read_root(file: &Path) -> Result<PublicKey, String> {
    let read = PublicKeyFile::parse(&read_capped(file, limits::KEY_FILE_BYTES)?)?;
    match read.key_type() {
        KeyType::P256 | KeyType::Ed25519 => Ok(read.key),
        KeyType::P384 | KeyType::Rsa => {
            Err("a root key is P-256 or Ed25519; make one with `pullward trust keygen`".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{Roots, RootsError};
    use crate::trust::root_key::{RootKey, RootKeyType};

    #[test]
    fn a_threshold_is_said_and_can_be_met() {
        let folder = tempfile::tempdir().unwrap();
        let root = |name: &str, key_type| {
            let path = folder.path().join(name);
            std::fs::write(&path, RootKey::generate(key_type).unwrap().public_pem().unwrap()).unwrap();
            path
        };
        let (one, two) = (root("1.pub", RootKeyType::P256), root("2.pub", RootKeyType::Ed25519));
        let both = [one.clone(), two.clone()];
        assert_eq!(Roots::read(std::slice::from_ref(&one), None).unwrap().threshold(), 1);
        assert_eq!(Roots::read(&both, Some(2)).unwrap().threshold(), 2);
        assert_eq!(Roots::read(&[], None).unwrap_err(), RootsError::None);
        assert_eq!(Roots::read(&both, None).unwrap_err(), RootsError::NoThreshold(2));
        for threshold in [0, 3] {
            let error = Roots::read(&both, Some(threshold)).unwrap_err();
            assert_eq!(error, RootsError::Threshold { threshold, roots: 2 });
        }
        let copy = folder.path().join("copy.pub");
        std::fs::copy(&one, &copy).unwrap();
        let error = Roots::read(&[one.clone(), two, copy.clone()], Some(2)).unwrap_err();
        assert_eq!(error, RootsError::Duplicate { one, other: copy });
        let error = Roots::read(&vec![PathBuf::from("x"); 17], Some(1)).unwrap_err();
        assert_eq!(error, RootsError::TooMany(17));
    }

    #[test]
    fn a_root_of_another_kind_is_refused() {
        use p256::elliptic_curve::Generate as _;
        use p384::pkcs8::{EncodePublicKey as _, LineEnding};
        let folder = tempfile::tempdir().unwrap();
        let key = p384::SecretKey::try_generate_from_rng(&mut getrandom::SysRng).unwrap().public_key();
        let path = folder.path().join("p384.pub");
        std::fs::write(&path, key.to_public_key_pem(LineEnding::LF).unwrap()).unwrap();
        for file in [path, folder.path().join("none.pub")] {
            assert!(matches!(Roots::read(&[file], None), Err(RootsError::Key { .. })));
        }
    }
}
