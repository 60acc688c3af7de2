//! Files that are there whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// What happens to a file that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and writing is an error of kind [`io::ErrorKind::AlreadyExists`].
    Keep,
    /// It is replaced in one step.
    Replace,
}

/// End of the name of a file that is still being written.
const UNFINISHED: &str = ".unfinished";

/// Writes a file: a temporary one next to it, flushed to disk, then put in place in one step, then the folder is
/// flushed. Whoever reads sees the old file or the new one, also after a power cut.
///
/// `mode` is the new file's mode before the umask.
///
/// # Errors
/// Any I/O error; the temporary file is removed and an existing file is as it was.
pub fn write_whole(path: &Path, bytes: &[u8], mode: u32, existing: Existing) -> io::Result<()> {
    let folder = folder_of(path);
    let name = path.file_name().ok_or_else(|| io::Error::other("the path has no file name"))?;
    let mut random = [0_u8; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let mut unfinished = std::ffi::OsString::from(".");
    unfinished.push(name);
    unfinished.push(format!(".{:016x}{UNFINISHED}", u64::from_le_bytes(random)));
    let unfinished = folder.join(unfinished);
    let result = write_and_place(&unfinished, path, bytes, mode, existing);
    if result.is_err() {
        // The first error is the one that tells what to repair.
        drop(fs::remove_file(&unfinished));
    }
    result?;
    File::open(&folder)?.sync_all()
}

fn write_and_place(
    unfinished: &Path,
    path: &Path,
    bytes: &[u8],
    mode: u32,
    existing: Existing,
) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    match existing {
        Existing::Replace => fs::rename(unfinished, path),
        Existing::Keep => {
            // A hard link never replaces anything, unlike a rename.
            fs::hard_link(unfinished, path)?;
            fs::remove_file(unfinished)
        }
    }
}

/// The folder that a file is in.
#[must_use]
pub fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Removes what a killed writer left in a folder. Only for folders where the caller keeps other writers out.
///
/// # Errors
/// Any I/O error.
pub fn remove_unfinished(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') && name.ends_with(UNFINISHED) && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::ErrorKind;
    use std::os::unix::fs::PermissionsExt as _;

    use super::{Existing, remove_unfinished, write_whole};

    fn names(folder: &std::path::Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn nothing_but_the_file_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write_whole(&path, b"one", 0o600, Existing::Keep).unwrap();
        write_whole(&path, b"two", 0o600, Existing::Replace).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(names(folder.path()), ["a"]);
    }

    #[test]
    fn a_file_that_is_kept_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, b"old").unwrap();
        let error = write_whole(&path, b"new", 0o600, Existing::Keep).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["a"]);
    }

    #[test]
    fn a_target_that_is_a_folder_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        assert!(write_whole(&folder.path().join("a"), b"new", 0o600, Existing::Replace).is_err());
        assert_eq!(names(folder.path()), ["a"]);
    }

    #[test]
    fn what_a_killed_writer_left_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".a.0123.unfinished", "b.unfinished", ".c"] {
            fs::write(folder.path().join(name), b"x").unwrap();
        }
        remove_unfinished(folder.path()).unwrap();
        assert_eq!(names(folder.path()), [".c", "b.unfinished"]);
    }
}
