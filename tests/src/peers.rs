//! The programs that `tests/peers/install` unpacks.

pub(crate) mod containerd;
pub(crate) mod cosign;
pub(crate) mod crane;
pub(crate) mod cri;
mod grpc;
pub(crate) mod oras;
pub(crate) mod registry;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::report::{repository, skipped};
use crate::{Error, Workspace};

/// What a run of the tests needs; `tests/peers/install` brings more.
const PROGRAMS: [&str; 9] = [
    "containerd-2",
    "containerd-1.7",
    "containerd-1.6",
    "runc",
    "cosign3",
    "cosign2",
    "oras",
    "crane",
    "registry",
];

/// The system's own programs, for what a peer starts itself.
const SYSTEM_PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// Where the real parts are: `.peers/` at the repository's top, or `PULLWARD_PEERS`.
#[derive(Clone, Debug)]
pub struct Peers {
    folder: PathBuf,
}

impl Peers {
    /// Finds the peers for the test `name`.
    ///
    /// `None` when they are not there and nobody insists: the reason is printed and the test returns.
    ///
    /// # Errors
    /// [`Error::Absent`] when they are not there and `PULLWARD_REQUIRE_PEERS=1`.
    pub fn at_hand(name: &str) -> Result<Option<Self>, Error> {
        Self::unless(name, Self::find())
    }

    /// As [`Peers::at_hand`], for tests that start containerd, which needs root.
    ///
    /// # Errors
    /// [`Error::Absent`] or [`Error::Privilege`] when `PULLWARD_REQUIRE_PEERS=1`.
    pub fn at_hand_as_root(name: &str) -> Result<Option<Self>, Error> {
        let found = Self::find().and_then(|peers| {
            if rustix::process::geteuid().is_root() {
                Ok(peers)
            } else {
                Err(Error::Privilege { what: "containerd" })
            }
        });
        Self::unless(name, found)
    }

    fn unless(name: &str, found: Result<Self, Error>) -> Result<Option<Self>, Error> {
        match found {
            Ok(peers) => Ok(Some(peers)),
            Err(reason) if std::env::var_os("PULLWARD_REQUIRE_PEERS").is_some_and(|value| value == "1") => {
                Err(reason)
            }
            Err(reason) => {
                skipped(name, &reason)?;
                Ok(None)
            }
        }
    }

    /// Finds the peers, all of them.
    ///
    /// # Errors
    /// [`Error::Absent`] naming the first program that is not there.
    pub fn find() -> Result<Self, Error> {
        // Cargo runs tests in the package's folder; a relative folder is meant from the top.
        let folder = std::env::var_os("PULLWARD_PEERS").unwrap_or_else(|| ".peers".into());
        Self::in_folder(&repository().join(folder))
    }

    fn in_folder(folder: &Path) -> Result<Self, Error> {
        let peers = Self { folder: folder.to_path_buf() };
        for program in PROGRAMS {
            peers.program(program)?;
        }
        Ok(peers)
    }

    /// A program's path.
    ///
    /// # Errors
    /// [`Error::Absent`] when it is not there.
    pub fn program(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.bin().join(name);
        // Follows the link: a part that was removed leaves its link behind.
        if path.is_file() {
            Ok(path)
        } else {
            Err(Error::Absent { program: name.to_owned(), folder: self.bin() })
        }
    }

    /// A command that runs the program in the workspace, with nothing of our environment: no
    /// configuration, no credentials and no proxy of the user is seen, and what it writes to its
    /// home goes with the workspace.
    ///
    /// # Errors
    /// [`Error::Absent`] when the program is not there.
    pub fn command(&self, name: &str, workspace: &Workspace) -> Result<Command, Error> {
        let mut command = Command::new(self.program(name)?);
        command
            .env_clear()
            .env("PATH", format!("{}:{SYSTEM_PATH}", self.bin().display()))
            .env("HOME", workspace.path())
            .env("TMPDIR", workspace.path())
            .current_dir(workspace.path());
        Ok(command)
    }

    fn bin(&self) -> PathBuf {
        self.folder.join("bin")
    }

    /// The folder of a part, for what has no place in `bin/`.
    fn part(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_program_is_named_with_the_way_to_get_it() {
        let workspace = Workspace::new().unwrap();
        let error = Peers::in_folder(workspace.path()).unwrap_err();
        let folder = workspace.join("bin");
        assert_eq!(
            error.to_string(),
            format!("containerd-2 is not in {}, run `make peers`", folder.display())
        );
    }

    #[test]
    fn a_link_to_a_removed_part_counts_as_absent() {
        let workspace = Workspace::new().unwrap();
        let bin = workspace.folder("bin").unwrap();
        std::os::unix::fs::symlink("../gone/crane", bin.join("crane")).unwrap();
        let peers = Peers { folder: workspace.path().to_path_buf() };
        assert!(matches!(peers.program("crane"), Err(Error::Absent { .. })));
    }
}
