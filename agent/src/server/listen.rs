//! The two sockets: made here, or taken over from systemd, and checked either way.
//!
//! A socket that we make replaces a stale one of ours, never anything else (F-47). Two agents never serve one
//! socket (F-46): whoever serves holds a lock, and a socket that answers is left alone.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown,
};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use listenfd::ListenFd;

use crate::guard::{self, GuardError};

/// Why there is no socket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListenError {
    /// A folder or file is not trusted.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// The system's answer.
    #[error("{path}: {kind}")]
    System {
        /// What was being made.
        path: PathBuf,
        /// The answer.
        kind: io::ErrorKind,
    },
    /// Another agent holds the lock, or answers on the socket.
    #[error("{0}: in use by another agent: stop it first, or give each its own sockets and state_dir")]
    InUse(PathBuf),
    /// Something that is no socket of ours is in the way.
    #[error("{0}: exists and is not a socket: remove it, or configure another path")]
    Foreign(PathBuf),
    /// The permissions of a socket that systemd made.
    #[error("{path}: mode {mode:04o}: at most {allowed:04o} is safe: correct SocketMode in pullward.socket")]
    Mode {
        /// The socket.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The widest accepted.
        allowed: u32,
    },
    /// systemd handed over something else than the configured sockets.
    #[error("systemd handed over {0}: pullward.socket and the configuration name different sockets")]
    Activation(String),
}

/// What a socket is for: decides who can open it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Hooks, and the configured group.
    Verify,
    /// Root alone, or the user we run as.
    Admin,
}

impl Purpose {
    const fn mode(self) -> u32 {
        match self {
            Self::Verify => 0o660,
            Self::Admin => 0o600,
        }
    }
}

/// A listening socket.
#[derive(Debug)]
pub struct Listening {
    /// The socket itself, not blocking.
    pub listener: UnixListener,
    /// Removes what we made when we stop.
    pub file: Option<SocketFile>,
}

/// A socket file of our own making. Dropped, it is gone.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    _lock: Lock,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // At worst a stale socket stays: the next start replaces it.
        drop(fs::remove_file(&self.path));
    }
}

/// An exclusive lock on a file, held until dropped. The file stays: removing it would race with the next holder.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock on `path`, which is made if absent; its folder must be one that [`guard::folder`] accepts.
    ///
    /// # Errors
    /// [`ListenError::InUse`] where another process holds it.
    pub fn take(path: &Path) -> Result<Self, ListenError> {
        match guard::file(path) {
            Ok(()) | Err(GuardError::Absent(_)) => {}
            Err(error) => return Err(error.into()),
        }
        let file = File::options().create(true).truncate(false).write(true).mode(0o600).open(path);
        let file = file.map_err(|error| system(path, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(ListenError::InUse(path.to_path_buf())),
            Err(TryLockError::Error(error)) => Err(system(path, &error)),
        }
    }
}

/// Makes the socket at `path`. `group` may open a verify socket.
///
/// # Errors
/// [`ListenError`]; nothing of somebody else's was touched.
pub fn bind(path: &Path, purpose: Purpose, group: Option<u32>) -> Result<Listening, ListenError> {
    let folder = path.parent().ok_or_else(|| GuardError::NotPlain(path.to_path_buf()))?;
    make_folder(folder, 0o755)?;
    guard::folder(folder)?;
    let mut lock_path = path.as_os_str().to_owned();
    lock_path.push(".lock");
    let lock = Lock::take(Path::new(&lock_path))?;
    clear(path)?;
    // Whatever the mask makes of its permissions for this moment: nobody is let in before `accept` has asked the
    // kernel who they are.
    let listener = UnixListener::bind(path).map_err(|error| system(path, &error))?;
    let file = Some(SocketFile { path: path.to_path_buf(), _lock: lock });
    // The group before the permission: never the wrong group's.
    if purpose == Purpose::Verify && group.is_some() {
        chown(path, None, group).map_err(|error| system(path, &error))?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(purpose.mode()))
        .map_err(|error| system(path, &error))?;
    checked(listener, path, purpose, file)
}

/// Takes over the sockets that systemd made: (verify, admin). `None`: it made none.
///
/// # Errors
/// [`ListenError::Activation`] where it made others than these two, and every error of the checks.
pub fn activated(verify: &Path, admin: &Path) -> Result<Option<(Listening, Listening)>, ListenError> {
    let mut handed = ListenFd::from_env();
    if handed.len() == 0 {
        return Ok(None);
    }
    let odd = |what: &str| ListenError::Activation(what.to_owned());
    let (mut for_verify, mut for_admin) = (None, None);
    for index in 0..handed.len() {
        let listener = handed
            .take_unix_listener(index)
            .map_err(|_| odd("something that is no listening unix socket"))?
            .ok_or_else(|| odd("a socket twice"))?;
        let address = listener.local_addr().map_err(|error| system(verify, &error))?;
        match address.as_pathname() {
            Some(path) if path == verify => {
                for_verify = Some(checked(listener, path, Purpose::Verify, None)?);
            }
            Some(path) if path == admin => {
                for_admin = Some(checked(listener, path, Purpose::Admin, None)?);
            }
            Some(path) => return Err(odd(&path.to_string_lossy())),
            None => return Err(odd("a socket without a path")),
        }
    }
    match (for_verify, for_admin) {
        (Some(verify), Some(admin)) => Ok(Some((verify, admin))),
        (Some(_), None) => Err(odd("no admin socket")),
        (None, _) => Err(odd("no verify socket")),
    }
}

/// Takes over the one socket that systemd made for a program with one. `None`: it made none.
///
/// # Errors
/// [`ListenError::Activation`] where it made another or several, and every error of the checks.
pub fn activated_one(wanted: &Path, purpose: Purpose) -> Result<Option<Listening>, ListenError> {
    let odd = |what: &str| ListenError::Activation(what.to_owned());
    let mut handed = ListenFd::from_env();
    match handed.len() {
        0 => return Ok(None),
        1 => {}
        _ => return Err(odd("several sockets")),
    }
    let listener = handed
        .take_unix_listener(0)
        .map_err(|_| odd("something that is no listening unix socket"))?
        .ok_or_else(|| odd("no socket"))?;
    let address = listener.local_addr().map_err(|error| system(wanted, &error))?;
    match address.as_pathname() {
        Some(path) if path == wanted => checked(listener, path, purpose, None).map(Some),
        Some(path) => Err(odd(&path.to_string_lossy())),
        None => Err(odd("a socket without a path")),
    }
}

/// Makes `path` with `mode` if it is absent; the folder above it must exist.
///
/// # Errors
/// [`ListenError::System`].
pub fn make_folder(path: &Path, mode: u32) -> Result<(), ListenError> {
    match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(system(path, &error)),
        _ => Ok(()),
    }
}

fn checked(
    listener: UnixListener,
    path: &Path,
    purpose: Purpose,
    file: Option<SocketFile>,
) -> Result<Listening, ListenError> {
    guard::socket(path)?;
    let mode = fs::symlink_metadata(path).map_err(|error| system(path, &error))?.mode() & 0o777;
    if mode & !purpose.mode() != 0 {
        return Err(ListenError::Mode { path: path.to_path_buf(), mode, allowed: purpose.mode() });
    }
    listener.set_nonblocking(true).map_err(|error| system(path, &error))?;
    Ok(Listening { listener, file })
}

/// Removes a stale socket of ours.
fn clear(path: &Path) -> Result<(), ListenError> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(system(path, &error)),
        Ok(metadata) => metadata,
    };
    if !metadata.file_type().is_socket() {
        return Err(ListenError::Foreign(path.to_path_buf()));
    }
    if !guard::peer(metadata.uid()) {
        let (owner, us) = (metadata.uid(), guard::us());
        return Err(GuardError::Owner { path: path.to_path_buf(), owner, us }.into());
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|error| system(path, &error))
        }
        _ => Err(ListenError::InUse(path.to_path_buf())),
    }
}

fn system(path: &Path, error: &io::Error) -> ListenError {
    ListenError::System { path: path.to_path_buf(), kind: error.kind() }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::{ListenError, Lock, Purpose, bind};
    use crate::guard::GuardError;

    #[test]
    fn sockets_are_made_with_their_modes_and_removed_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        for (purpose, mode) in [(Purpose::Verify, 0o660), (Purpose::Admin, 0o600)] {
            let path = dir.path().join("run/s.sock");
            let listening = bind(&path, purpose, None).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, mode);
            assert!(UnixStream::connect(&path).is_ok());
            drop(listening);
            assert!(!path.exists());
        }
    }

    #[test]
    fn a_group_is_given_the_verify_socket_only() {
        if crate::guard::us() != 0 {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.sock");
        for (purpose, gid) in [(Purpose::Verify, 77), (Purpose::Admin, 0)] {
            let _listening = bind(&path, purpose, Some(77)).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().gid(), gid);
        }
    }

    #[test]
    fn a_stale_socket_of_ours_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.sock");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let _listening = bind(&path, Purpose::Admin, None).unwrap();
        assert!(UnixStream::connect(&path).is_ok());
    }

    #[test]
    fn a_socket_that_answers_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.sock");
        let _other = UnixListener::bind(&path).unwrap();
        assert_eq!(bind(&path, Purpose::Admin, None).unwrap_err(), ListenError::InUse(path.clone()));
        assert!(UnixStream::connect(&path).is_ok());
    }

    #[test]
    fn two_agents_are_refused_by_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.sock");
        let _first = bind(&path, Purpose::Verify, None).unwrap();
        let lock = dir.path().join("s.sock.lock");
        assert_eq!(bind(&path, Purpose::Verify, None).unwrap_err(), ListenError::InUse(lock.clone()));
        assert_eq!(Lock::take(&lock).unwrap_err(), ListenError::InUse(lock));
    }

    #[test]
    fn files_links_and_folders_in_the_way_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.sock");
        fs::write(&path, "mine").unwrap();
        assert_eq!(bind(&path, Purpose::Admin, None).unwrap_err(), ListenError::Foreign(path.clone()));
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        let link = dir.path().join("l.sock");
        symlink(&path, &link).unwrap();
        assert_eq!(bind(&link, Purpose::Admin, None).unwrap_err(), ListenError::Foreign(link.clone()));
        let folder = dir.path().join("f.sock");
        fs::create_dir(&folder).unwrap();
        assert_eq!(bind(&folder, Purpose::Admin, None).unwrap_err(), ListenError::Foreign(folder));
    }

    #[test]
    fn somebody_elses_socket_is_left_alone() {
        if crate::guard::us() != 0 {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.sock");
        drop(UnixListener::bind(&path).unwrap());
        chown(&path, Some(1234), None).unwrap();
        assert_eq!(
            bind(&path, Purpose::Admin, None).unwrap_err(),
            ListenError::Guard(GuardError::Owner { path: path.clone(), owner: 1234, us: 0 })
        );
        assert!(path.exists());
    }

    #[test]
    fn a_folder_that_others_write_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let path = dir.path().join("s.sock");
        assert_eq!(
            bind(&path, Purpose::Admin, None).unwrap_err(),
            ListenError::Guard(GuardError::Writable { path: dir.path().into(), mode: 0o777 })
        );
        assert!(!path.exists());
    }
}
