//! Files on their way into the evidence store.
//!
//! They lie in a folder of their own below the store, so that they can be moved into it in one step, and none of them has a
//! name that means anything. Each ends with its value; the folder is emptied when an agent starts and when it stops, so
//! that nothing half-written is left.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Name of the folder below the store.
pub const FOLDER: &str = ".pullward";

/// The folder.
#[derive(Debug)]
pub struct Staging {
    folder: PathBuf,
    next: AtomicU64,
    closed: AtomicBool,
}

impl Staging {
    /// The staging folder of a store. Nothing is made yet.
    #[must_use]
    pub fn of(store: &Path) -> Self {
        Self { folder: store.join(FOLDER), next: AtomicU64::new(0), closed: AtomicBool::new(false) }
    }

    /// Removes what an agent that was killed has left.
    pub fn clear(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            drop(fs::remove_file(entry.path()));
        }
    }

    /// Takes no more, and removes what is there.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.clear();
    }

    /// Begins a file.
    ///
    /// # Errors
    /// Any I/O error, and `Interrupted` after [`Staging::close`].
    pub fn begin(&self) -> io::Result<Unfinished> {
        let mut random = [0_u8; 8];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.join(format!("{number}.{:016x}", u64::from_le_bytes(random)));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let unfinished = Unfinished { file, staged: Staged { path, size: 0 } };
        // Seen after the file was made: whoever closed before has not removed it, and dropping it does.
        if self.closed.load(Ordering::SeqCst) {
            return Err(io::Error::from(io::ErrorKind::Interrupted));
        }
        Ok(unfinished)
    }

    /// Puts content into a file.
    ///
    /// # Errors
    /// As [`Staging::begin`].
    pub fn put(&self, content: &[u8]) -> io::Result<Staged> {
        let mut unfinished = self.begin()?;
        unfinished.write(content)?;
        Ok(unfinished.finish())
    }
}

/// A file that is being written.
#[derive(Debug)]
pub struct Unfinished {
    file: File,
    staged: Staged,
}

impl Unfinished {
    /// Appends.
    ///
    /// # Errors
    /// Any I/O error.
    pub fn write(&mut self, part: &[u8]) -> io::Result<()> {
        self.file.write_all(part)?;
        self.staged.size = self.staged.size.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    /// Ends writing.
    #[must_use]
    pub fn finish(self) -> Staged {
        self.staged
    }
}

/// A file whose content is whole. It is removed with the value, unless it has been moved away.
#[derive(Debug)]
pub struct Staged {
    path: PathBuf,
    size: u64,
}

impl Staged {
    /// Its length in bytes.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.size
    }

    /// Whether it has no bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// Flushes it and gives it its place: a name beside it, so that what else was noted of it stays valid.
    ///
    /// # Errors
    /// Any I/O error.
    pub fn place(&self, path: &Path) -> io::Result<()> {
        File::open(&self.path)?.sync_all()?;
        match fs::hard_link(&self.path, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => fs::rename(&self.path, path),
            linked => linked,
        }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.path));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{FOLDER, Staging};

    #[test]
    fn a_staged_file_ends_with_its_value_and_stays_where_it_was_placed() {
        let folder = tempfile::tempdir().unwrap();
        let staging = Staging::of(folder.path());
        let staged = staging.put(b"content").unwrap();
        assert_eq!(staged.len(), 7);
        staged.place(&folder.path().join("placed")).unwrap();
        drop(staged);
        drop(staging.put(b"other").unwrap());
        drop(staging.begin().unwrap());
        assert_eq!(fs::read(folder.path().join("placed")).unwrap(), b"content");
        assert_eq!(fs::read_dir(folder.path().join(FOLDER)).unwrap().count(), 0);
    }

    #[test]
    fn a_closed_folder_is_empty_and_takes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let staging = Staging::of(folder.path());
        let staged = staging.put(b"content").unwrap();
        staging.close();
        assert!(staging.put(b"more").is_err());
        assert!(staged.place(&folder.path().join("placed")).is_err());
        assert_eq!(fs::read_dir(folder.path().join(FOLDER)).unwrap().count(), 0);
    }
}
