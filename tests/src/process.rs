//! Processes that are always stopped, and waiting without sleeping blindly.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use crate::Error;

/// Between two looks at what is waited for.
const PAUSE: Duration = Duration::from_millis(5);
/// What a process gets after SIGTERM before it is killed.
const GRACE: Duration = Duration::from_secs(10);
/// How much of a log goes into an error.
const TAIL: usize = 4096;

/// A signal that tests send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: end in good order.
    Terminate,
    /// SIGKILL: end at once.
    Kill,
    /// SIGHUP: read the configuration again.
    Hangup,
    /// SIGSTOP: stand still.
    Stop,
    /// SIGCONT: go on.
    Continue,
}

/// A running process that is stopped by its id and reaped when dropped.
///
/// Standard output and standard error go to one log file.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts a process; `name` is for messages, `log` is appended to.
    ///
    /// # Errors
    /// [`Error::Io`] when the log or the process cannot be made.
    pub fn spawn(name: &str, mut command: Command, log: &Path) -> Result<Self, Error> {
        let output = File::options().create(true).append(true).open(log).map_err(Error::io(log))?;
        let errors = output.try_clone().map_err(Error::io(log))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .map_err(Error::io(Path::new(command.get_program())))?;
        Ok(Self { name: name.to_owned(), child, log: log.to_path_buf(), ended: None })
    }

    /// Waits until `ready` says so; fails as soon as the process has ended.
    ///
    /// # Errors
    /// [`Error::Ended`] and [`Error::Late`], both with the end of the log.
    pub fn wait_ready(&mut self, within: Duration, mut ready: impl FnMut() -> bool) -> Result<(), Error> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.status()? {
                return Err(Error::Ended {
                    what: self.name.clone(),
                    status: status.to_string(),
                    log: tail(&self.log()),
                });
            }
            if ready() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(Error::Late { what: self.name.clone(), within, log: tail(&self.log()) });
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Waits for the process to end by itself.
    ///
    /// # Errors
    /// [`Error::Late`] when it still runs after `within`; it then goes on running.
    pub fn wait_ended(&mut self, within: Duration) -> Result<ExitStatus, Error> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.status()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                return Err(Error::Late { what: self.name.clone(), within, log: tail(&self.log()) });
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// How it ended, or `None` while it runs. Looks, and does not wait.
    ///
    /// # Errors
    /// [`Error::Io`] when the system does not say.
    pub fn status(&mut self) -> Result<Option<ExitStatus>, Error> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().map_err(Error::io(Path::new(&self.name)))?;
        }
        Ok(self.ended)
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything that it has printed so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Sends a signal; nothing happens to a process that has ended.
    ///
    /// # Errors
    /// [`Error::Io`] when the system refuses.
    pub fn signal(&mut self, signal: Signal) -> Result<(), Error> {
        // An id is free for another process once this one has been reaped.
        if self.status()?.is_some() {
            return Ok(());
        }
        let wanted = signal;
        let signal = match signal {
            Signal::Terminate => rustix::process::Signal::TERM,
            Signal::Kill => rustix::process::Signal::KILL,
            Signal::Hangup => rustix::process::Signal::HUP,
            Signal::Stop => rustix::process::Signal::STOP,
            Signal::Continue => rustix::process::Signal::CONT,
        };
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal)
            .map_err(|error| Error::io(Path::new(&self.name))(error.into()))?;
        if wanted == Signal::Stop {
            // It is only sent by now: a thread that has not heard of it still answers.
            let id = self.id();
            wait_until("every thread stopped", Duration::from_secs(10), || stands_still(id))?;
        }
        Ok(())
    }

    /// Ends it in good order, or by force after ten seconds, and says how it ended.
    ///
    /// # Errors
    /// [`Error::Io`] when the system refuses.
    pub fn stop(&mut self) -> Result<ExitStatus, Error> {
        // A process that stands still hears SIGTERM only when it goes on.
        self.signal(Signal::Terminate)?;
        self.signal(Signal::Continue)?;
        match self.wait_ended(GRACE) {
            Err(Error::Late { .. }) => self.kill(),
            other => other,
        }
    }

    /// Ends it at once.
    ///
    /// # Errors
    /// [`Error::Io`] when the system refuses.
    pub fn kill(&mut self) -> Result<ExitStatus, Error> {
        self.signal(Signal::Kill)?;
        self.wait_ended(GRACE)
    }

    /// Its resident memory in KiB, as the kernel counts it (`VmRSS`).
    ///
    /// # Errors
    /// [`Error::Io`] when it has ended, [`Error::Unexpected`] when the kernel does not say.
    pub fn resident_kib(&self) -> Result<u64, Error> {
        self.memory("VmRSS:")
    }

    /// The most resident memory that it has had so far, in KiB (`VmHWM`).
    ///
    /// # Errors
    /// As [`Process::resident_kib`].
    pub fn peak_resident_kib(&self) -> Result<u64, Error> {
        self.memory("VmHWM:")
    }

    fn memory(&self, field: &str) -> Result<u64, Error> {
        let path = PathBuf::from(format!("/proc/{}/status", self.id()));
        let text = std::fs::read_to_string(&path).map_err(Error::io(&path))?;
        text.lines()
            .find_map(|line| line.strip_prefix(field))
            .and_then(|rest| rest.trim().strip_suffix(" kB"))
            .and_then(|number| number.parse().ok())
            .ok_or_else(|| Error::unexpected(path.display().to_string(), format!("no {field}")))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nobody is left to tell; what matters is that nothing is left running.
        drop(self.stop());
    }
}

/// Whether every thread of a process has stopped.
fn stands_still(process: u32) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{process}/task")) else { return true };
    threads.flatten().all(|thread| {
        // One that ends meanwhile does not answer either.
        std::fs::read_to_string(thread.path().join("status"))
            .map_or(true, |status| status.contains("State:\tT"))
    })
}

/// Waits until `ready` says so.
///
/// # Errors
/// [`Error::Late`] when it has not within the time.
pub fn wait_until(what: &str, within: Duration, mut ready: impl FnMut() -> bool) -> Result<(), Error> {
    let deadline = Instant::now() + within;
    while !ready() {
        if Instant::now() >= deadline {
            return Err(Error::Late { what: what.to_owned(), within, log: String::new() });
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// Runs a command to its end, without input, and gives its output if it ended with status 0.
///
/// # Errors
/// [`Error::Io`] when it cannot be started, [`Error::Failed`] for any other status.
pub fn run(mut command: Command) -> Result<Output, Error> {
    let output =
        command.stdin(Stdio::null()).output().map_err(Error::io(Path::new(command.get_program())))?;
    if output.status.success() {
        return Ok(output);
    }
    let words: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    Err(Error::Failed {
        command: words.join(" "),
        status: output.status.to_string(),
        output: format!(
            "{}{}",
            String::from_utf8_lossy(&output.stderr),
            String::from_utf8_lossy(&output.stdout)
        ),
    })
}

fn tail(text: &str) -> String {
    let start = text.len().saturating_sub(TAIL);
    let start = (start..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(start);
    text.get(start..).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Workspace;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(script);
        command
    }

    fn exists(id: u32) -> bool {
        Path::new(&format!("/proc/{id}")).exists()
    }

    #[test]
    fn a_dropped_process_is_gone() {
        let workspace = Workspace::new().unwrap();
        let process = Process::spawn("sleeper", shell("exec sleep 60"), &workspace.join("log")).unwrap();
        let id = process.id();
        assert!(exists(id));
        drop(process);
        assert!(!exists(id));
    }

    #[test]
    fn a_process_that_stands_still_is_stopped_too() {
        let workspace = Workspace::new().unwrap();
        let mut process = Process::spawn("sleeper", shell("exec sleep 60"), &workspace.join("log")).unwrap();
        process.signal(Signal::Stop).unwrap();
        let id = process.id();
        let begin = Instant::now();
        drop(process);
        assert!(!exists(id));
        assert!(begin.elapsed() < GRACE);
    }

    #[test]
    fn a_process_that_ends_early_is_told_with_its_log() {
        let workspace = Workspace::new().unwrap();
        let mut process =
            Process::spawn("quitter", shell("echo no such luck; exit 3"), &workspace.join("log")).unwrap();
        let error = process.wait_ready(Duration::from_secs(10), || false).unwrap_err();
        let Error::Ended { what, status, log } = error else { panic!("{error}") };
        assert_eq!(
            (what.as_str(), status.as_str(), log.as_str()),
            ("quitter", "exit status: 3", "no such luck\n")
        );
    }

    #[test]
    fn a_process_that_never_gets_ready_is_late() {
        let workspace = Workspace::new().unwrap();
        let mut process = Process::spawn("sleeper", shell("exec sleep 60"), &workspace.join("log")).unwrap();
        let error = process.wait_ready(Duration::from_millis(20), || false).unwrap_err();
        assert!(matches!(error, Error::Late { .. }), "{error}");
    }

    #[test]
    fn a_failed_command_is_told_with_both_outputs() {
        let error = run(shell("echo out; echo err >&2; exit 1")).unwrap_err();
        let Error::Failed { status, output, .. } = error else { panic!("{error}") };
        assert_eq!((status.as_str(), output.as_str()), ("exit status: 1", "err\nout\n"));
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = run(Command::new("/nonexistent/program")).unwrap_err();
        assert!(error.to_string().starts_with("/nonexistent/program: "), "{error}");
    }
}
