//! The file that containerd executes: one `#!` line that names the real verifier and the agent's socket.
//!
//! Not a copy, so that an upgrade of the package reaches the hook; not a link, so that two agents can have two
//! sockets; and nothing beside it, because containerd executes whatever is in the folder.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use pullward_core::limits::SHEBANG_BYTES;

use crate::containerd::place::{self, PlaceError, Placed};
use crate::guard::{self, GuardError};

/// Name of the file. containerd runs verifiers in name order and skips those past `max_verifiers`.
pub const NAME: &str = "00-pullward-verifier";

/// The verifier where the package puts it.
pub const PACKAGED_VERIFIER: &str = "/usr/libexec/pullward/pullward-verifier";

/// A `#!` line that Linux will execute as it is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrapper {
    text: String,
}

/// Why there is no wrapper.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WrapperError {
    /// A path that is relative, not trusted or absent.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// A path with blanks or other characters that a `#!` line cannot carry.
    #[error(
        "{0:?}: a #! line cannot carry blanks, control characters or other encodings: choose another path"
    )]
    Blank(PathBuf),
    /// Too long for Linux.
    #[error("the #! line would have {0} bytes, Linux executes {SHEBANG_BYTES}: choose shorter paths")]
    Long(usize),
    /// The verifier cannot be executed.
    #[error("{0}: is not executable: chmod 0755 it")]
    NotExecutable(PathBuf),
    /// We are not root.
    #[error("{0}: what containerd executes must be root's: run this as root, or use --print")]
    NotRoot(PathBuf),
    /// Something else is there.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The folder cannot be made.
    #[error("{path}: {kind}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's answer.
        kind: io::ErrorKind,
    },
}

impl Wrapper {
    /// The wrapper that runs `verifier` with the agent's `socket`. Neither is looked at.
    ///
    /// # Errors
    /// [`WrapperError::Guard`] for a relative path, [`WrapperError::Blank`], [`WrapperError::Long`].
    pub fn new(verifier: &Path, socket: &Path) -> Result<Self, WrapperError> {
        for path in [verifier, socket] {
            guard::plain(path)?;
            if !path.as_os_str().as_bytes().iter().all(u8::is_ascii_graphic) {
                return Err(WrapperError::Blank(path.to_path_buf()));
            }
        }
        let line = format!("#!{} --socket={}", verifier.display(), socket.display());
        if line.len() > SHEBANG_BYTES {
            return Err(WrapperError::Long(line.len()));
        }
        Ok(Self { text: format!("{line}\n") })
    }

    /// The verifier and the socket of a file that [`Wrapper::install`] wrote; `None` for anything else.
    #[must_use]
    pub fn parse(content: &[u8]) -> Option<(PathBuf, PathBuf)> {
        let text = str::from_utf8(content).ok()?.strip_suffix('\n')?;
        let (verifier, socket) = text.strip_prefix("#!")?.split_once(" --socket=")?;
        let (verifier, socket) = (PathBuf::from(verifier), PathBuf::from(socket));
        let same = Self::new(&verifier, &socket).ok()?.text.as_bytes() == content;
        (same && is_ours(content)).then_some((verifier, socket))
    }

    /// Checks that `verifier` is a program that nobody else can change.
    ///
    /// # Errors
    /// [`WrapperError::Guard`] or [`WrapperError::NotExecutable`].
    pub fn check(verifier: &Path) -> Result<(), WrapperError> {
        guard::file(verifier)?;
        let mode = fs::metadata(verifier).map_or(0, |metadata| metadata.permissions().mode());
        if mode & 0o111 == 0 {
            return Err(WrapperError::NotExecutable(verifier.to_path_buf()));
        }
        Ok(())
    }

    /// Takes the wrapper out of `folder`, if it is one; whether there was one. Nothing of the configuration is needed.
    ///
    /// # Errors
    /// [`WrapperError::Place`] for a file that is not ours, which stays, or with the system's answer.
    pub fn remove(folder: &Path) -> Result<bool, WrapperError> {
        guard::plain(folder)?;
        Ok(place::remove(&folder.join(NAME), is_ours)?)
    }

    /// Writes the wrapper into `folder`, which is made if absent.
    ///
    /// # Errors
    /// [`WrapperError`]; then the folder holds what it held before.
    pub fn install(&self, folder: &Path) -> Result<Placed, WrapperError> {
        guard::plain(folder)?;
        let path = folder.join(NAME);
        if guard::us() != 0 {
            return Err(WrapperError::NotRoot(path));
        }
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(folder)
            .map_err(|error| WrapperError::Folder { path: folder.to_path_buf(), kind: error.kind() })?;
        guard::folder(folder)?;
        // Made beside the folder: in it, containerd could execute the half of it.
        let beside = folder.parent().unwrap_or(folder);
        Ok(place::whole(&path, self.text.as_bytes(), 0o755, beside, is_ours)?)
    }
}

impl fmt::Display for Wrapper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether a file is a wrapper that an earlier run wrote.
fn is_ours(content: &[u8]) -> bool {
    let mut words = content.strip_prefix(b"#!").unwrap_or_default().split(|byte| *byte == b' ');
    let verifier = words.next().map(|path| Path::new(OsStr::from_bytes(path)));
    verifier.and_then(Path::file_name) == Some(OsStr::new("pullward-verifier"))
        && words.next().is_some_and(|word| word.starts_with(b"--socket="))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
    use std::path::{Path, PathBuf};

    use super::{NAME, Wrapper, WrapperError};
    use crate::containerd::place::{PlaceError, Placed};
    use crate::guard::GuardError;

    fn wrapper(socket: &str) -> Wrapper {
        Wrapper::new(Path::new("/usr/libexec/pullward/pullward-verifier"), Path::new(socket)).unwrap()
    }

    #[test]
    fn it_is_one_line() {
        assert_eq!(
            wrapper("/run/pullward/verifier.sock").to_string(),
            "#!/usr/libexec/pullward/pullward-verifier --socket=/run/pullward/verifier.sock\n"
        );
    }

    #[test]
    fn only_what_setup_writes_is_read_back() {
        let text = wrapper("/run/v.sock").to_string();
        let parsed = Wrapper::parse(text.as_bytes());
        assert_eq!(parsed, Some(("/usr/libexec/pullward/pullward-verifier".into(), "/run/v.sock".into())));
        for other in [
            "#!/bin/true --socket=/s\n",
            "#!/x/pullward-verifier\n",
            "#!/x/pullward-verifier --socket=/s",
            "#!/x/pullward-verifier --socket=s\n",
            "#!/x/pullward-verifier --socket=/s\nexit 0\n",
            "#!/x/pullward-verifier -x --socket=/s\n",
            "",
        ] {
            assert_eq!(Wrapper::parse(other.as_bytes()), None, "{other:?}");
        }
    }

    #[test]
    fn it_is_taken_away_again_and_nothing_else_is() {
        if crate::guard::us() != 0 {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("bin");
        assert_eq!(Wrapper::remove(&bin), Ok(false));
        wrapper("/s").install(&bin).unwrap();
        assert_eq!(Wrapper::remove(&bin), Ok(true));
        assert_eq!(Wrapper::remove(&bin), Ok(false));
        fs::write(bin.join(NAME), "#!/bin/sh\n").unwrap();
        assert_eq!(Wrapper::remove(&bin), Err(WrapperError::Place(PlaceError::Foreign(bin.join(NAME)))));
        assert!(bin.join(NAME).exists());
    }

    #[test]
    fn what_a_shebang_cannot_carry_is_refused() {
        for odd in ["/a b", "/a\tb", "/a\nb", "/\u{e4}", "/a\u{1b}"] {
            let path = PathBuf::from(odd);
            assert_eq!(Wrapper::new(&path, Path::new("/s")), Err(WrapperError::Blank(path.clone())), "{odd}");
            assert_eq!(Wrapper::new(Path::new("/v"), &path), Err(WrapperError::Blank(path)), "{odd}");
        }
        let relative = PathBuf::from("v.sock");
        assert_eq!(
            Wrapper::new(Path::new("/v"), &relative),
            Err(WrapperError::Guard(GuardError::NotPlain(relative)))
        );
    }

    #[test]
    fn linuxs_limit_is_kept_to_the_byte() {
        let fits = "s".repeat(255 - "#!/v --socket=/".len());
        assert!(Wrapper::new(Path::new("/v"), Path::new(&format!("/{fits}"))).is_ok());
        assert_eq!(
            Wrapper::new(Path::new("/v"), Path::new(&format!("/{fits}s"))),
            Err(WrapperError::Long(256))
        );
    }

    #[test]
    fn it_is_installed_whole_alone_and_again_without_change() {
        if crate::guard::us() != 0 {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("a/bin");
        assert_eq!(wrapper("/s").install(&bin), Ok(Placed::Written));
        assert_eq!(wrapper("/s").install(&bin), Ok(Placed::Unchanged));
        assert_eq!(wrapper("/other").install(&bin), Ok(Placed::Written));
        let file = bin.join(NAME);
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o755);
        assert_eq!(fs::read_to_string(&file).unwrap(), wrapper("/other").to_string());
        assert_eq!(fs::read_dir(&bin).unwrap().count(), 1);
        assert_eq!(fs::read_dir(dir.path().join("a")).unwrap().count(), 1);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(wrapper("/other").install(&bin), Ok(Placed::Written));
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o755);
    }

    #[test]
    fn somebody_elses_file_is_left_alone() {
        if crate::guard::us() != 0 {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("bin");
        fs::create_dir(&bin).unwrap();
        let file = bin.join(NAME);
        for foreign in ["#!/bin/sh\n", "", "#!/x/pullward-verifier\n", "\u{7f}ELF"] {
            fs::write(&file, foreign).unwrap();
            assert_eq!(
                wrapper("/s").install(&bin),
                Err(WrapperError::Place(PlaceError::Foreign(file.clone()))),
                "{foreign}"
            );
            assert_eq!(fs::read_to_string(&file).unwrap(), foreign);
        }
        fs::remove_file(&file).unwrap();
        symlink("/bin/true", &file).unwrap();
        assert_eq!(wrapper("/s").install(&bin), Err(WrapperError::Place(PlaceError::Foreign(file))));
    }

    #[test]
    fn a_verifier_that_others_write_or_nobody_can_run_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let below = dir.path().join("below");
        fs::create_dir(&below).unwrap();
        let verifier = below.join("v");
        assert_eq!(Wrapper::check(&verifier), Err(WrapperError::Guard(GuardError::Absent(verifier.clone()))));
        fs::write(&verifier, "").unwrap();
        fs::set_permissions(&verifier, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(Wrapper::check(&verifier), Err(WrapperError::NotExecutable(verifier.clone())));
        fs::set_permissions(&verifier, fs::Permissions::from_mode(0o757)).unwrap();
        assert_eq!(
            Wrapper::check(&verifier),
            Err(WrapperError::Guard(GuardError::Writable { path: verifier.clone(), mode: 0o757 }))
        );
        fs::set_permissions(&verifier, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(Wrapper::check(&verifier), Ok(()));
    }
}
