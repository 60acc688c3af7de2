//! What can go wrong around a peer, as opposed to what a peer answers.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why a peer could not be used, or what it said instead of doing what it was told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program is not in the peers' folder.
    #[error("{program} is not in {}, run `make peers`", folder.display())]
    Absent {
        /// The program's name.
        program: String,
        /// The folder that was searched.
        folder: PathBuf,
    },
    /// A peer needs a right that this process lacks.
    #[error("{what} needs root, run the tests as root")]
    Privilege {
        /// The peer.
        what: &'static str,
    },
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or program.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A program ran and ended with another status than 0. For a verifier this is the refusal.
    #[error("{command}: {status}\n{output}")]
    Failed {
        /// Program and arguments.
        command: String,
        /// How it ended.
        status: String,
        /// Standard error, then standard output.
        output: String,
    },
    /// A process did not get ready, or did not stop, in time.
    #[error("{what}: not done after {within:?}\n{log}")]
    Late {
        /// What was waited for.
        what: String,
        /// How long.
        within: Duration,
        /// The end of its log.
        log: String,
    },
    /// A process ended before it was ready.
    #[error("{what}: ended with {status} before it was ready\n{log}")]
    Ended {
        /// The process.
        what: String,
        /// How it ended.
        status: String,
        /// The end of its log.
        log: String,
    },
    /// A gRPC call was answered with an error, or could not be made.
    #[error("{method}: {code}: {message}")]
    Rpc {
        /// The method.
        method: String,
        /// The gRPC code's name.
        code: String,
        /// The server's words.
        message: String,
    },
    /// The registry answered with another status than the one asked for, or not at all.
    #[error("{method} {url}: {answer}")]
    Http {
        /// The HTTP method.
        method: String,
        /// The address.
        url: String,
        /// Status and body, or the reason for none.
        answer: String,
    },
    /// A peer's answer or file has not the form that it should have.
    #[error("{what}: {reason}")]
    Unexpected {
        /// Where.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Error {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn unexpected(what: impl Into<String>, reason: impl ToString) -> Self {
        Self::Unexpected { what: what.into(), reason: reason.to_string() }
    }
}
