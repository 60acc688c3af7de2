//! Where a passphrase comes from: a file, the environment, a terminal; never from nothing.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Read, Write as _};
use std::path::PathBuf;

use pullward_core::limits;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

/// The environment variable that workstation commands read. The agent, the verifier and the proxy never do.
pub const VARIABLE: &str = "PULLWARD_PASSPHRASE";

/// Where to look for a passphrase, in this order: the file, the variable, the terminal.
#[derive(Debug, Clone, Default)]
pub struct PassphraseSource {
    /// A file with the passphrase in its first line; `-` is standard input.
    pub file: Option<PathBuf>,
    /// The value of [`VARIABLE`].
    pub variable: Option<OsString>,
}

/// What the passphrase is for: a new one is asked for twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Protects a key that is being made.
    New,
    /// Opens a key.
    Existing,
}

/// Why there is no passphrase.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PassphraseError {
    /// Nobody gave one and nobody can be asked.
    #[error(
        "{key}: needs a passphrase and there is no terminal to ask; use --passphrase-file FILE or {VARIABLE}"
    )]
    Absent {
        /// The key.
        key: String,
    },
    /// An empty one protects nothing.
    #[error("{key}: the passphrase is empty; give one, or make the key with --no-passphrase")]
    Empty {
        /// The key.
        key: String,
    },
    /// The two that were typed differ.
    #[error("{key}: the two passphrases differ; start again")]
    Differ {
        /// The key.
        key: String,
    },
    /// It cannot be read.
    #[error("{key}: the passphrase cannot be read: {reason}")]
    Unreadable {
        /// The key.
        key: String,
        /// Why.
        reason: String,
    },
}

impl PassphraseSource {
    /// The passphrase for a key; `key` is what messages call it.
    ///
    /// # Errors
    /// [`PassphraseError`]; an empty passphrase is one of them.
    pub fn passphrase(&self, key: &str, purpose: Purpose) -> Result<Zeroizing<String>, PassphraseError> {
        let unreadable = |reason: String| PassphraseError::Unreadable { key: key.to_owned(), reason };
        let text = if let Some(file) = &self.file {
            let line = if file.as_os_str() == "-" {
                first_line(io::stdin().lock())
            } else {
                File::open(file).map_err(|error| format!("{}: {error}", file.display())).and_then(first_line)
            };
            line.map_err(unreadable)?
        } else if let Some(variable) = &self.variable {
            let text = variable.clone().into_string();
            Zeroizing::new(text.map_err(|_| unreadable(format!("{VARIABLE} is not UTF-8")))?)
        } else {
            ask(key, purpose)?
        };
        if text.is_empty() { Err(PassphraseError::Empty { key: key.to_owned() }) } else { Ok(text) }
    }
}

/// The first line, without its end.
fn first_line(from: impl Read) -> Result<Zeroizing<String>, String> {
    let mut line = Zeroizing::new(String::new());
    let mut reader = BufReader::new(from.take(limits::PASSPHRASE_BYTES + 1));
    reader.read_line(&mut line).map_err(|error| error.to_string())?;
    if u64::try_from(line.len()).unwrap_or(u64::MAX) > limits::PASSPHRASE_BYTES {
        return Err(format!("it is longer than {} bytes", limits::PASSPHRASE_BYTES));
    }
    let end = line.trim_end_matches(['\n', '\r']).len();
    line.truncate(end);
    Ok(line)
}

fn ask(key: &str, purpose: Purpose) -> Result<Zeroizing<String>, PassphraseError> {
    let absent = || PassphraseError::Absent { key: key.to_owned() };
    let unreadable = |reason: String| PassphraseError::Unreadable { key: key.to_owned(), reason };
    // Without a terminal as standard input nobody is there to answer, whatever /dev/tty says.
    if !io::stdin().is_terminal() {
        return Err(absent());
    }
    let terminal = File::options().read(true).write(true).open("/dev/tty").map_err(|_| absent())?;
    let one = prompt(&terminal, &format!("Passphrase for {key}: ")).map_err(unreadable)?;
    if purpose == Purpose::New && !one.is_empty() {
        let two = prompt(&terminal, "The same again: ").map_err(unreadable)?;
        if *one != *two {
            return Err(PassphraseError::Differ { key: key.to_owned() });
        }
    }
    Ok(one)
}

/// The terminal with echo off; dropped, it is as it was.
struct Quiet<'t> {
    terminal: &'t File,
    before: Termios,
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        // Nothing else can be done about a terminal that went away.
        _ = tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
    }
}

fn prompt(mut terminal: &File, text: &str) -> Result<Zeroizing<String>, String> {
    let before = tcgetattr(terminal).map_err(|error| error.to_string())?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    silent.local_modes.insert(LocalModes::ECHONL);
    let quiet = Quiet { terminal, before };
    tcsetattr(terminal, OptionalActions::Flush, &silent).map_err(|error| error.to_string())?;
    terminal.write_all(text.as_bytes()).map_err(|error| error.to_string())?;
    let line = first_line(terminal);
    drop(quiet);
    line
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{PassphraseError, PassphraseSource, Purpose, first_line};

    fn source(file: Option<PathBuf>, variable: Option<&str>) -> PassphraseSource {
        PassphraseSource { file, variable: variable.map(Into::into) }
    }

    #[test]
    fn the_file_goes_before_the_variable_and_only_its_first_line_counts() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("p");
        std::fs::write(&file, "from file \nmore\n").unwrap();
        let text = source(Some(file), Some("from variable")).passphrase("k", Purpose::New).unwrap();
        assert_eq!(*text, "from file ");
        let text = source(None, Some("from variable")).passphrase("k", Purpose::Existing).unwrap();
        assert_eq!(*text, "from variable");
    }

    #[test]
    fn an_empty_passphrase_is_never_taken() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("p");
        std::fs::write(&file, "\n").unwrap();
        for source in [source(Some(file), None), source(None, Some(""))] {
            let error = source.passphrase("k", Purpose::New).unwrap_err();
            assert_eq!(error, PassphraseError::Empty { key: "k".into() });
        }
    }

    #[test]
    fn a_missing_or_endless_file_is_refused() {
        let missing = source(Some("/nonexistent/p".into()), None).passphrase("k", Purpose::New);
        assert!(matches!(missing, Err(PassphraseError::Unreadable { .. })));
        assert_eq!(first_line(std::io::repeat(b'x')), Err("it is longer than 4096 bytes".into()));
    }
}
