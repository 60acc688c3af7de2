//! The evidence store, written: what was used for a verdict that allows stays on this node.
//!
//! The store is the OCI image layout that [`super::layout`] reads, and stays one that `oras` reads. It is not trusted:
//! everything in it is judged anew for each verdict, so what is written here is bytes matched with digests, and nothing that
//! anybody decided. What we put there carries two annotations in `index.json` ([`KEPT`], [`USED`]); an entry without them is
//! an operator's, who alone removes it.
//!
//! Writing is whole or not at all: content first, each file flushed and put in place in one step, then `index.json`. Removing
//! goes the other way round. Whoever changes the index holds the lock of the store, so that the agent and a command do not
//! lose each other's entries. `oras` takes no lock: do not copy into the store while the agent writes, or copy again.
//!
//! - [`keeper`]: the thread that writes, so that no verdict waits for a disk;
//! - [`collect`]: what goes first when room is needed, and what is over;
//! - `index`: the entries of `index.json`.

pub mod collect;
mod index;
pub mod keeper;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use pullward_core::limits;
use pullward_core::oci::Digest;
use pullward_core::time::UnixTime;

use super::pad::{Attachment, Blob};
use super::staging;
use crate::config;
use crate::trust::file::{Existing, write_whole};
use index::Index;

pub use index::Item;

/// When we put an entry into the store, RFC 3339.
pub const KEPT: &str = "dev.pullward.kept";
/// When a verdict that allows used an entry of ours last, RFC 3339; absent where none has yet.
pub const USED: &str = "dev.pullward.used";

/// A use is written down again when the last one is older than this, in seconds: a day against a retention of months.
const USE_STEP: u64 = 86_400;

/// The empty config. OCI image-spec 1.1, "Guidance for an Empty Descriptor".
const EMPTY: &[u8] = b"{}";

/// The name of the store's lock.
const LOCK: &str = ".pullward.lock";

/// The store, and what it may hold.
#[derive(Debug, Clone)]
pub struct Store {
    directory: PathBuf,
    max_bytes: u64,
    retain: Duration,
}

/// What is known of the evidence that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// It counted for a verdict that allows.
    Verdict,
    /// It was fetched, and no verdict has looked at it.
    Fetched,
}

/// Why the store cannot be written. No verdict depends on it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system's answer.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The answer.
        error: io::Error,
    },
    /// There is an `index.json` that is none, and it is not overwritten.
    #[error("{}: not an index of an image layout ({detail}); repair it or move it away", path.display())]
    Index {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// What is in it may not be removed, and leaves no room.
    #[error("{}: {needed} more bytes do not fit: raise [store] max_bytes, or remove what operators put there", path.display())]
    Full {
        /// The store.
        path: PathBuf,
        /// What was to be added, in bytes.
        needed: u64,
    },
}

impl Store {
    /// The store of a configuration. Nothing is read or made yet.
    #[must_use]
    pub fn of(config: &config::Store) -> Self {
        Self { directory: config.dir.clone(), max_bytes: config.max_bytes, retain: config.retain.0 }
    }

    /// Its folder.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Everything that it lists.
    ///
    /// # Errors
    /// [`StoreError`]; an absent store is an empty one.
    pub fn list(&self) -> Result<Vec<Item>, StoreError> {
        Ok(Index::read(&self.directory)?.items())
    }

    /// Writes attachments, whole, and notes their use. Makes room first where the store is at its bound.
    ///
    /// # Errors
    /// [`StoreError`]; the index is as it was then, and content that was written for it is removed.
    pub fn put(&self, attachments: &[(Attachment, Use)], now: UnixTime) -> Result<(), StoreError> {
        if attachments.is_empty() {
            return Ok(());
        }
        let _lock = self.lock()?;
        let mut index = Index::read(&self.directory)?;
        let mut touched = false;
        // The config of manifests that are no image: whoever copies them wants it, and nobody has to fetch it.
        let (empty_digest, empty_blob) = (Digest::of(EMPTY), Blob::Memory(EMPTY.into()));
        let mut new: Vec<(Digest, &Blob)> = Vec::new();
        for (attachment, used) in attachments {
            if attachment.content.is_empty() {
                touched |= *used == Use::Verdict && index.touch(&attachment.manifest, now, USE_STEP);
                continue;
            }
            touched |= index.add(attachment, *used, now, USE_STEP);
            let empty = attachment.content.first().is_some_and(|(_, manifest)| names_empty(manifest));
            let content = attachment.content.iter().map(|(digest, blob)| (digest, blob));
            for (digest, blob) in content.chain(empty.then_some((&empty_digest, &empty_blob))) {
                if !self.has(digest, blob.len()) && !new.iter().any(|(known, _)| known == digest) {
                    new.push((*digest, blob));
                }
            }
        }
        if !touched && new.is_empty() {
            return Ok(());
        }
        let needed = new.iter().fold(0u64, |sum, (_, blob)| sum.saturating_add(blob.len()));
        let spared: Vec<Digest> = attachments.iter().map(|(attachment, _)| attachment.manifest).collect();
        let removed = self.make_room(&mut index, needed, &spared)?;
        let mut placed = Vec::new();
        let written = new
            .iter()
            .try_for_each(|(digest, blob)| {
                self.place(digest, blob)?;
                placed.push(*digest);
                Ok(())
            })
            .and_then(|()| self.write(&index));
        if written.is_err() {
            // The first error is the one that tells what to repair.
            placed.iter().for_each(|digest| drop(fs::remove_file(self.blob_path(digest))));
        }
        written?;
        self.remove_content(&index, &removed);
        Ok(())
    }

    /// Removes what an interrupted writer has left. For whoever holds the agent's lock on the state folder.
    pub fn clear_unfinished(&self) {
        for folder in [self.directory.clone(), self.blobs()] {
            drop(crate::trust::file::remove_unfinished(&folder));
        }
        staging::Staging::of(&self.directory).clear();
    }

    fn blobs(&self) -> PathBuf {
        self.directory.join("blobs").join("sha256")
    }

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.blobs().join(digest.hex().as_str())
    }

    /// Whether content of this digest and length is there. A damaged file of the same length stays: it is found when read.
    fn has(&self, digest: &Digest, size: u64) -> bool {
        fs::symlink_metadata(self.blob_path(digest)).is_ok_and(|it| it.is_file() && it.len() == size)
    }

    fn place(&self, digest: &Digest, blob: &Blob) -> Result<(), StoreError> {
        let path = self.blob_path(digest);
        let placed = match blob {
            Blob::Memory(bytes) => write_whole(&path, bytes, 0o644, Existing::Replace),
            Blob::Staged(staged) => staged.place(&path),
        };
        placed.map_err(|error| StoreError::Io { path, error })
    }

    /// The folders and the lock.
    fn lock(&self) -> Result<File, StoreError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error| StoreError::Io { path, error }
        };
        let blobs = self.blobs();
        fs::DirBuilder::new().recursive(true).mode(0o755).create(&blobs).map_err(failed(&blobs))?;
        let path = self.directory.join(LOCK);
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = file.map_err(failed(&path))?;
        file.lock().map_err(failed(&path))?;
        Ok(file)
    }

    fn write(&self, index: &Index) -> Result<(), StoreError> {
        let version = self.directory.join("oci-layout");
        if !version.exists() {
            write_whole(&version, br#"{"imageLayoutVersion":"1.0.0"}"#, 0o644, Existing::Replace)
                .map_err(|error| StoreError::Io { path: version, error })?;
        }
        let path = self.directory.join(index::FILE);
        write_whole(&path, &index.to_bytes(), 0o644, Existing::Replace)
            .map_err(|error| StoreError::Io { path, error })
    }

    /// Bytes of all content.
    fn bytes(&self) -> u64 {
        let Ok(entries) = fs::read_dir(self.blobs()) else { return 0 };
        let sizes =
            entries.flatten().filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len());
        sizes.fold(0, u64::saturating_add)
    }
}

/// Whether a manifest names the empty config.
fn names_empty(manifest: &Blob) -> bool {
    #[derive(serde::Deserialize)]
    struct Config {
        digest: String,
    }
    #[derive(serde::Deserialize)]
    struct Manifest {
        config: Option<Config>,
    }
    let Blob::Memory(bytes) = manifest else { return false };
    let config = serde_json::from_slice::<Manifest>(bytes).ok().and_then(|manifest| manifest.config);
    config.is_some_and(|config| config.digest == Digest::of(EMPTY).to_string())
}

/// Whether an index of so many entries and bytes is one that is read.
const fn fits(entries: usize, bytes: u64) -> bool {
    entries <= limits::LAYOUT_MANIFESTS && bytes <= limits::MANIFEST_BYTES
}

#[cfg(test)]
mod tests;
