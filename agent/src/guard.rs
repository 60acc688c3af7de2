//! Who could change a file under our hands: checks of folders, files and sockets before they are used.
//!
//! A path is as trustworthy as the weakest folder above it. [`folder`] walks all of them; [`socket`] and [`file()`]
//! add the last element. Accepted owners are root and the user we run as. A symbolic link anywhere is refused:
//! what it points to is then written down instead, and checked. Between check and use only the accepted owners
//! can change anything.

use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Component, Path, PathBuf};

/// Write permission for the group.
const GROUP_WRITE: u32 = 0o020;
/// Write permission for everybody.
const OTHERS_WRITE: u32 = 0o002;
/// In a folder: only its owner and a file's owner may remove or rename that file.
const STICKY: u32 = 0o1000;

/// Why a path is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    /// Relative, or with `.` or `..` in it.
    #[error("{0}: not a plain absolute path: write it from / without . and ..")]
    NotPlain(PathBuf),
    /// Nothing there.
    #[error("{0}: does not exist")]
    Absent(PathBuf),
    /// Some other error while looking at it.
    #[error("{path}: {kind}")]
    Unreadable {
        /// What was looked at.
        path: PathBuf,
        /// The system's answer.
        kind: std::io::ErrorKind,
    },
    /// A symbolic link.
    #[error("{0}: is a symbolic link: write the path that it points to")]
    Symlink(PathBuf),
    /// Not the kind of file it has to be.
    #[error("{path}: is not a {wanted}")]
    Kind {
        /// What was looked at.
        path: PathBuf,
        /// What it has to be.
        wanted: &'static str,
    },
    /// Owned by somebody else.
    #[error("{path}: belongs to user {owner}: it must belong to root or to user {us}, chown it")]
    Owner {
        /// What was looked at.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who we are.
        us: u32,
    },
    /// Others can read it.
    #[error(
        "{path}: mode {mode:04o} lets others read a secret: chmod 0600 it, and remove it if they may have read it"
    )]
    Readable {
        /// What was looked at.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Others can write it.
    #[error("{path}: mode {mode:04o} lets others write: chmod go-w it")]
    Writable {
        /// What was looked at.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

/// Checks a folder and each folder above it.
///
/// Writable for a group is accepted for root's group only, and for everybody only above the folder itself, in
/// a sticky folder of root's such as `/tmp`. Says nothing of what is in the folder.
///
/// # Errors
/// [`GuardError`] names the first element, from the top, that is not trusted.
pub fn folder(path: &Path) -> Result<(), GuardError> {
    plain(path)?;
    let mut chain: Vec<&Path> = path.ancestors().collect();
    chain.reverse();
    for element in chain {
        let metadata = look(element)?;
        if !metadata.is_dir() {
            return Err(GuardError::Kind { path: element.to_path_buf(), wanted: "folder" });
        }
        owner(element, &metadata)?;
        let mode = metadata.mode();
        let shared = element != path && mode & STICKY != 0 && metadata.uid() == 0;
        if (others_write(&metadata)) && !shared {
            return Err(GuardError::Writable { path: element.to_path_buf(), mode: mode & 0o7777 });
        }
    }
    Ok(())
}

/// Checks a socket's file and the folders above it.
///
/// Its group may write: that is how one allows a group to connect. Who answers on it is for
/// [`peer`] to check.
///
/// # Errors
/// [`GuardError`] for the socket or a folder above it.
pub fn socket(path: &Path) -> Result<(), GuardError> {
    parent(path)?;
    let metadata = look(path)?;
    if !metadata.file_type().is_socket() {
        return Err(GuardError::Kind { path: path.to_path_buf(), wanted: "socket" });
    }
    owner(path, &metadata)?;
    if metadata.mode() & OTHERS_WRITE != 0 {
        return Err(GuardError::Writable { path: path.to_path_buf(), mode: metadata.mode() & 0o7777 });
    }
    Ok(())
}

/// As [`socket`], for a path of others, who choose their own names: `/var/run` is a link on every system. The place where
/// it really is must be as trustworthy as every folder with a link on the way.
///
/// # Errors
/// [`GuardError`] for the socket or a folder above it.
pub fn socket_or_link(path: &Path) -> Result<(), GuardError> {
    socket(&real(path)?)
}

/// As [`socket_or_link`], for a regular file.
///
/// # Errors
/// [`GuardError`] for the file or a folder above it.
pub fn file_or_link(path: &Path) -> Result<(), GuardError> {
    file(&real(path)?)
}

/// Where a path is, with every folder that a link on the way stands in checked. Links to links are followed by the kernel,
/// so only the first of each chain is checked by its folder.
fn real(path: &Path) -> Result<PathBuf, GuardError> {
    plain(path)?;
    let named = |at: &Path, error: &std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => GuardError::Absent(at.to_path_buf()),
        kind => GuardError::Unreadable { path: at.to_path_buf(), kind },
    };
    let mut at = PathBuf::from("/");
    for component in path.components().skip(1) {
        let next = at.join(component);
        let metadata = fs::symlink_metadata(&next).map_err(|error| named(&next, &error))?;
        at = if metadata.file_type().is_symlink() {
            folder(&at)?;
            fs::canonicalize(&next).map_err(|error| named(&next, &error))?
        } else {
            next
        };
    }
    Ok(at)
}

/// Checks a regular file and the folders above it.
///
/// # Errors
/// [`GuardError`] for the file or a folder above it.
pub fn file(path: &Path) -> Result<(), GuardError> {
    parent(path)?;
    let metadata = look(path)?;
    if !metadata.is_file() {
        return Err(GuardError::Kind { path: path.to_path_buf(), wanted: "regular file" });
    }
    owner(path, &metadata)?;
    if others_write(&metadata) {
        return Err(GuardError::Writable { path: path.to_path_buf(), mode: metadata.mode() & 0o7777 });
    }
    Ok(())
}

/// Checks a regular file that only its owner may read, and the folders above it.
///
/// # Errors
/// [`GuardError`] for the file or a folder above it.
pub fn secret(path: &Path) -> Result<(), GuardError> {
    file(path)?;
    let mode = look(path)?.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(GuardError::Readable { path: path.to_path_buf(), mode });
    }
    Ok(())
}

/// Whether a process of this user is one of ours to talk to: root, or the user we run as.
#[must_use]
pub fn peer(uid: u32) -> bool {
    uid == 0 || uid == us()
}

/// The user we run as.
#[must_use]
pub fn us() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn parent(path: &Path) -> Result<(), GuardError> {
    plain(path)?;
    match path.parent() {
        Some(parent) => folder(parent),
        None => Err(GuardError::NotPlain(path.to_path_buf())),
    }
}

/// Whether a path is written from `/`, without `.` and `..`.
///
/// # Errors
/// [`GuardError::NotPlain`].
pub fn plain(path: &Path) -> Result<(), GuardError> {
    let mut components = path.components();
    let rooted = components.next() == Some(Component::RootDir);
    // `components` drops inner `.` silently: the text is compared as well.
    let spelled = path.as_os_str().as_encoded_bytes().split(|byte| *byte == b'/').any(|part| part == b".");
    if rooted && !spelled && components.all(|part| matches!(part, Component::Normal(_))) {
        Ok(())
    } else {
        Err(GuardError::NotPlain(path.to_path_buf()))
    }
}

fn look(path: &Path) -> Result<Metadata, GuardError> {
    let metadata = fs::symlink_metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => GuardError::Absent(path.to_path_buf()),
        kind => GuardError::Unreadable { path: path.to_path_buf(), kind },
    })?;
    if metadata.file_type().is_symlink() {
        return Err(GuardError::Symlink(path.to_path_buf()));
    }
    Ok(metadata)
}

fn owner(path: &Path, metadata: &Metadata) -> Result<(), GuardError> {
    if peer(metadata.uid()) {
        Ok(())
    } else {
        Err(GuardError::Owner { path: path.to_path_buf(), owner: metadata.uid(), us: us() })
    }
}

fn others_write(metadata: &Metadata) -> bool {
    let mode = metadata.mode();
    mode & OTHERS_WRITE != 0 || (mode & GROUP_WRITE != 0 && metadata.gid() != 0)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
    use std::os::unix::net::UnixListener;
    use std::path::{Path, PathBuf};

    use super::{GuardError, file, folder, socket};

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn root() -> bool {
        super::us() == 0
    }

    #[test]
    fn a_folder_under_a_sticky_tmp_is_accepted() {
        let dir = tempfile::tempdir_in("/tmp").unwrap();
        assert_eq!(folder(dir.path()), Ok(()));
    }

    #[test]
    fn a_sticky_folder_itself_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        mode(dir.path(), 0o1777);
        assert_eq!(
            folder(dir.path()),
            Err(GuardError::Writable { path: dir.path().to_path_buf(), mode: 0o1777 })
        );
    }

    #[test]
    fn a_parent_that_others_write_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let below = dir.path().join("below");
        fs::create_dir(&below).unwrap();
        mode(dir.path(), 0o777);
        assert_eq!(folder(&below), Err(GuardError::Writable { path: dir.path().to_path_buf(), mode: 0o777 }));
    }

    #[test]
    fn only_roots_group_may_write() {
        let dir = tempfile::tempdir().unwrap();
        mode(dir.path(), 0o770);
        if root() {
            assert_eq!(folder(dir.path()), Ok(()));
            chown(dir.path(), None, Some(12)).unwrap();
        }
        assert_eq!(
            folder(dir.path()),
            Err(GuardError::Writable { path: dir.path().to_path_buf(), mode: 0o770 })
        );
    }

    #[test]
    fn a_link_anywhere_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().join("real");
        fs::create_dir(&real).unwrap();
        fs::create_dir(real.join("below")).unwrap();
        let link = dir.path().join("link");
        symlink(&real, &link).unwrap();
        assert_eq!(folder(&link), Err(GuardError::Symlink(link.clone())));
        assert_eq!(folder(&link.join("below")), Err(GuardError::Symlink(link)));
    }

    #[test]
    fn somebody_elses_folder_is_refused() {
        if !root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        chown(dir.path(), Some(1234), None).unwrap();
        assert_eq!(
            folder(dir.path()),
            Err(GuardError::Owner { path: dir.path().to_path_buf(), owner: 1234, us: 0 })
        );
    }

    #[test]
    fn relative_and_dotted_paths_are_refused() {
        for text in ["run/x", "", "/run/../etc", "/run/./x", "./x"] {
            assert_eq!(folder(Path::new(text)), Err(GuardError::NotPlain(PathBuf::from(text))), "{text}");
        }
    }

    #[test]
    fn what_is_no_socket_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        assert_eq!(socket(&path), Err(GuardError::Absent(path.clone())));
        fs::write(&path, "").unwrap();
        assert_eq!(socket(&path), Err(GuardError::Kind { path, wanted: "socket" }));
    }

    #[test]
    fn a_socket_that_everybody_may_write_is_refused_and_its_group_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let _listener = UnixListener::bind(&path).unwrap();
        mode(&path, 0o660);
        assert_eq!(socket(&path), Ok(()));
        mode(&path, 0o666);
        assert_eq!(socket(&path), Err(GuardError::Writable { path, mode: 0o666 }));
    }

    #[test]
    fn a_file_that_everybody_may_write_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, "").unwrap();
        mode(&path, 0o600);
        assert_eq!(file(&path), Ok(()));
        mode(&path, 0o602);
        assert_eq!(file(&path), Err(GuardError::Writable { path: path.clone(), mode: 0o602 }));
        let below = dir.path().join("below");
        fs::create_dir(&below).unwrap();
        assert_eq!(file(&below), Err(GuardError::Kind { path: below.clone(), wanted: "regular file" }));
    }
}
