//! Puts a small file in its place whole or not at all, and never over somebody else's.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Part of an existing file that is read to see whose it is.
const LOOK: u64 = 64 * 1024;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// The file is new, or new again.
    Written,
    /// It was there already, the same.
    Unchanged,
}

/// Why the file is not in its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// Something that we did not write is there.
    #[error("{0}: exists and is not pullward's: move it away first")]
    Foreign(PathBuf),
    /// The system's answer.
    #[error("{path}: {kind}")]
    System {
        /// What was tried.
        path: PathBuf,
        /// The answer.
        kind: io::ErrorKind,
    },
}

/// Writes `content` to `path` by way of a file in the folder `beside`, on the same file system.
///
/// A file at `path` is replaced only if `ours` says so of its content.
///
/// # Errors
/// [`PlaceError`]; then `path` is as it was, and nothing is left beside it.
pub fn whole(
    path: &Path,
    content: &[u8],
    mode: u32,
    beside: &Path,
    ours: impl FnOnce(&[u8]) -> bool,
) -> Result<Placed, PlaceError> {
    let system =
        |path: &Path, error: &io::Error| PlaceError::System { path: path.to_path_buf(), kind: error.kind() };
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => {
            let mut there = Vec::new();
            let read = File::open(path).and_then(|file| file.take(LOOK).read_to_end(&mut there));
            read.map_err(|error| system(path, &error))?;
            if there == content && metadata.mode() & 0o7777 == mode {
                return Ok(Placed::Unchanged);
            }
            if !ours(&there) {
                return Err(PlaceError::Foreign(path.to_path_buf()));
            }
        }
        Ok(_) => return Err(PlaceError::Foreign(path.to_path_buf())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(system(path, &error)),
    }
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let draft = beside.join(format!(".{name}.{}.new", std::process::id()));
    let written = write(&draft, content, mode).and_then(|()| fs::rename(&draft, path));
    written.map_err(|error| {
        // Whatever is left of the draft is of no use to anybody.
        drop(fs::remove_file(&draft));
        system(path, &error)
    })?;
    let folder = path.parent().unwrap_or(beside);
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| system(folder, &error))?;
    Ok(Placed::Written)
}

/// Takes a file away if `ours` says so of its content; whether there was one.
///
/// # Errors
/// [`PlaceError`]; then it is still there.
pub fn remove(path: &Path, ours: impl FnOnce(&[u8]) -> bool) -> Result<bool, PlaceError> {
    let system = |error: io::Error| PlaceError::System { path: path.to_path_buf(), kind: error.kind() };
    match fs::symlink_metadata(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(false);
        }
        Err(error) => return Err(system(error)),
        Ok(metadata) if !metadata.is_file() => return Err(PlaceError::Foreign(path.to_path_buf())),
        Ok(_) => {}
    }
    let mut there = Vec::new();
    File::open(path).and_then(|file| file.take(LOOK).read_to_end(&mut there)).map_err(system)?;
    if !ours(&there) {
        return Err(PlaceError::Foreign(path.to_path_buf()));
    }
    fs::remove_file(path).map_err(system)?;
    Ok(true)
}

fn write(draft: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(draft)?;
    file.write_all(content)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.sync_all()
}
