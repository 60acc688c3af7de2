//! pullward's own programs, as they were built beside the running test.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Error, Workspace};

/// How a program ended and what it printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// The exit code; 128 and more for a signal, as a shell counts.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    /// Both outputs, for messages.
    #[must_use]
    pub fn all(&self) -> String {
        format!("exit {}\n{}{}", self.code, self.err, self.out)
    }
}

/// `pullward` and `pullward-verifier`.
#[derive(Clone, Debug)]
pub struct Pullward {
    folder: PathBuf,
}

impl Pullward {
    /// Finds the programs that cargo has built beside this test: `cargo test --workspace` builds both.
    ///
    /// # Errors
    /// [`Error::Unexpected`] where they are not there.
    pub fn built() -> Result<Self, Error> {
        let test = std::env::current_exe().map_err(Error::io(Path::new("the running test")))?;
        // target/debug/deps/e2e-0123456789abcdef, and for benches the same.
        let folder = test.parent().and_then(Path::parent).unwrap_or(&test).to_path_buf();
        for program in ["pullward", "pullward-verifier", "pullward-cri", "pullward-nri"] {
            if !folder.join(program).is_file() {
                let missing = folder.join(program).display().to_string();
                return Err(Error::unexpected(missing, "not built, run `cargo build --workspace`"));
            }
        }
        Ok(Self { folder })
    }

    /// The command line program.
    #[must_use]
    pub fn program(&self) -> PathBuf {
        self.folder.join("pullward")
    }

    /// A copy of the hook in the workspace, where nobody but us can change it or a folder above it.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be copied.
    pub fn verifier(&self, workspace: &Workspace) -> Result<PathBuf, Error> {
        let copy = workspace.folder("libexec")?.join("pullward-verifier");
        if !copy.exists() {
            std::fs::copy(self.folder.join("pullward-verifier"), &copy).map_err(Error::io(&copy))?;
        }
        Ok(copy)
    }

    /// `pullward` with these arguments, in the workspace, with nothing of our environment.
    #[must_use]
    pub fn command<'a>(
        &self,
        workspace: &Workspace,
        arguments: impl IntoIterator<Item = &'a str>,
    ) -> Command {
        let mut command = Command::new(self.program());
        command
            .args(arguments)
            .env_clear()
            .env("HOME", workspace.path())
            .env("PATH", "/nonexistent")
            .current_dir(workspace.path());
        command
    }

    /// `pullward-cri` with this configuration, with nothing of our environment.
    #[must_use]
    pub fn cri_command(&self, workspace: &Workspace, config: &str) -> Command {
        let mut command = Command::new(self.folder.join("pullward-cri"));
        command.args(["--config", config]).env_clear().current_dir(workspace.path());
        command
    }

    /// `pullward-nri` with this configuration, with nothing of our environment.
    #[must_use]
    pub fn nri_command(&self, workspace: &Workspace, config: &str) -> Command {
        let mut command = Command::new(self.folder.join("pullward-nri"));
        command.args(["--config", config]).env_clear().current_dir(workspace.path());
        command
    }

    /// Runs `pullward` to its end, without input.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be started; how it ends is the answer, not an error.
    pub fn run(&self, workspace: &Workspace, arguments: &[&str]) -> Result<Ran, Error> {
        finish(self.command(workspace, arguments.iter().copied()), b"")
    }

    /// As [`Pullward::run`], for a call that must succeed.
    ///
    /// # Errors
    /// [`Error::Failed`] for any exit code but 0.
    pub fn succeed(&self, workspace: &Workspace, arguments: &[&str]) -> Result<String, Error> {
        let ran = self.run(workspace, arguments)?;
        if ran.code == 0 {
            return Ok(ran.out);
        }
        Err(Error::Failed {
            command: format!("pullward {}", arguments.join(" ")),
            status: format!("exit code {}", ran.code),
            output: format!("{}{}", ran.err, ran.out),
        })
    }
}

/// Runs any command to its end with this input.
///
/// # Errors
/// [`Error::Io`] when it cannot be started.
pub fn finish(mut command: Command, input: &[u8]) -> Result<Ran, Error> {
    use std::os::unix::process::ExitStatusExt as _;
    let program = PathBuf::from(command.get_program());
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(Error::io(&program))?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that refuses early does not read its input: that is its answer, not ours.
        drop(stdin.write_all(input));
    }
    let output = child.wait_with_output().map_err(Error::io(&program))?;
    Ok(Ran {
        code: output
            .status
            .code()
            .or_else(|| output.status.signal().map(|signal| 128 + signal))
            .unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
