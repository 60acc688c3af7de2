//! The version floor: the newest bundle that a node has had, kept apart from the bundle (T-100).
//!
//! It outlives the bundle's expiry and its file, so that neither lets an older one in.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use pullward_core::limits;
use pullward_core::oci::Digest;
use serde::{Deserialize, Serialize};

use super::file::{Existing, write_whole};
use super::refused::BundleFault;
use super::time::Time;

/// Largest floor file, in bytes; a real one has 200.
const FLOOR_BYTES: u64 = 4096;

/// The newest bundle that this node has had for one audience.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Floor {
    schema: u64,
    /// Whose bundles.
    pub audience: String,
    /// The newest version.
    pub version: u64,
    /// SHA-256 of that version's payload.
    pub digest: String,
    /// The latest time of issue that was seen: a time that has surely passed.
    pub issued: Time,
}

impl Floor {
    /// A floor at a bundle.
    #[must_use]
    pub fn new(audience: &str, version: u64, digest: &Digest, issued: Time) -> Self {
        Self { schema: 1, audience: audience.to_owned(), version, digest: digest.to_string(), issued }
    }

    /// Where the floor of an audience is kept.
    #[must_use]
    pub fn path(folder: &Path, audience: &str) -> PathBuf {
        folder.join(format!("{audience}.floor"))
    }

    /// Reads the floor of an audience; none where there was no bundle yet.
    ///
    /// # Errors
    /// [`BundleFault::Floor`] where there is one that cannot be read: no bundle is taken then.
    pub fn read(folder: &Path, audience: &str) -> Result<Option<Self>, BundleFault> {
        let path = Self::path(folder, audience);
        match std::fs::symlink_metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(BundleFault::Floor(format!("{}: {error}", path.display()))),
            Ok(_) => {}
        }
        let fault = |reason: String| BundleFault::Floor(format!("{}: {reason}", path.display()));
        let bytes = crate::policy::read_capped(&path, FLOOR_BYTES).map_err(fault)?;
        let floor: Self = serde_json::from_slice(&bytes).map_err(|error| fault(error.to_string()))?;
        if floor.schema != 1 || floor.audience != audience || Digest::parse(&floor.digest).is_err() {
            return Err(fault("it is not this audience's floor".to_owned()));
        }
        Ok(Some(floor))
    }

    /// Writes the floor, whole or not at all.
    ///
    /// # Errors
    /// [`BundleFault::File`].
    pub fn write(&self, folder: &Path) -> Result<(), BundleFault> {
        let path = Self::path(folder, &self.audience);
        let fault = |error: &dyn std::fmt::Display| BundleFault::File(format!("{}: {error}", path.display()));
        let mut bytes = serde_json::to_vec(self).map_err(|error| fault(&error))?;
        bytes.push(b'\n');
        write_whole(&path, &bytes, 0o600, Existing::Replace).map_err(|error| fault(&error))
    }

    /// Whether a bundle may follow.
    ///
    /// # Errors
    /// [`BundleFault::Older`], [`BundleFault::OtherContent`], [`BundleFault::TooFarAhead`].
    pub fn admit(&self, version: u64, digest: &Digest) -> Result<(), BundleFault> {
        let floor = self.version;
        if version < floor {
            return Err(BundleFault::Older { found: version, floor });
        }
        if version == floor && digest.to_string() != self.digest {
            return Err(BundleFault::OtherContent { version });
        }
        if version - floor > limits::TRUST_VERSION_STEP {
            return Err(BundleFault::TooFarAhead { found: version, floor });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use pullward_core::oci::Digest;

    use super::{BundleFault, Floor, Time};

    fn floor() -> Floor {
        Floor::new("default", 7, &Digest::of(b"7"), Time::parse("2026-11-24T13:00:00Z").unwrap())
    }

    #[test]
    fn only_the_same_bundle_or_a_somewhat_newer_one_follows() {
        let other = Digest::of(b"other");
        assert_eq!(floor().admit(7, &Digest::of(b"7")), Ok(()));
        assert_eq!(floor().admit(8, &other), Ok(()));
        assert_eq!(floor().admit(1_000_007, &other), Ok(()));
        assert_eq!(floor().admit(7, &other), Err(BundleFault::OtherContent { version: 7 }));
        assert_eq!(floor().admit(6, &other), Err(BundleFault::Older { found: 6, floor: 7 }));
        let ahead = BundleFault::TooFarAhead { found: 1_000_008, floor: 7 };
        assert_eq!(floor().admit(1_000_008, &other), Err(ahead));
    }

    #[test]
    fn a_damaged_floor_is_not_an_absent_one() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Floor::read(folder.path(), "default"), Ok(None));
        floor().write(folder.path()).unwrap();
        assert_eq!(Floor::read(folder.path(), "default"), Ok(Some(floor())));
        let path = Floor::path(folder.path(), "default");
        let text = std::fs::read_to_string(&path).unwrap();
        for damaged in [
            "",
            "{}",
            &text[..text.len() / 2],
            &text.replace("default", "edge"),
            &text.replace("sha256:", ""),
        ] {
            std::fs::write(&path, damaged).unwrap();
            assert!(matches!(Floor::read(folder.path(), "default"), Err(BundleFault::Floor(_))), "{damaged}");
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(matches!(Floor::read(folder.path(), "default"), Err(BundleFault::Floor(_))));
    }
}
