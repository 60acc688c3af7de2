//! What containerd executes for every pull: `pullward-verifier`.
//!
//! It holds no policy, no trust and no registry code: it hands the question to the agent and the answer to
//! containerd. Everything that is not a clear "allow" from the agent is a denial. The steps, top to bottom:
//! [`args`] reads the command line, [`stdin`] the descriptor, [`ask`] asks the agent, all before a deadline that
//! counts from the start of the process. The environment is not read: it is containerd's own (T-121).

pub mod args;
pub mod ask;
pub mod descriptor;
pub mod stdin;

use std::ffi::OsString;
use std::io::Read;
use std::time::{Duration, Instant};

use pullward_core::limits;
use pullward_core::oci::{Digest, MEDIA_TYPE_DESCRIPTOR};
use pullward_core::verdict::Reason;

use crate::hook::args::{Arguments, ArgumentsError};
use crate::hook::descriptor::{Descriptor, DescriptorError};
use crate::hook::stdin::StdinError;
use crate::socket::SocketError;
use crate::verdict::{ONE_LINE_MAX, printable};

/// From the start of the process to the answer, at most. The agent answers within 7 s; containerd kills the
/// verifier after 10 s (`per_verifier_timeout`).
pub const DEADLINE: Duration = Duration::from_secs(limits::HOOK_SECONDS);

/// The socket where the command line names none.
pub const DEFAULT_SOCKET: &str = "/run/pullward/verifier.sock";

/// What containerd gets: one line on standard output and an exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// One printable line of at most [`ONE_LINE_MAX`] bytes, without a line end.
    pub line: String,
    /// 0: the pull may go on. 1: judged and refused. 2: could not decide, refused.
    pub exit_code: u8,
}

/// Why there is no answer from the agent. Each is a denial.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HookError {
    /// The command line is not containerd's.
    #[error(transparent)]
    Arguments(#[from] ArgumentsError),
    /// `-digest` is not a SHA-256 digest.
    #[error("-digest: {0}")]
    Digest(String),
    /// `-stdin-media-type` is not the OCI descriptor's.
    #[error(
        "-stdin-media-type: not {MEDIA_TYPE_DESCRIPTOR}: this containerd needs another pullward-verifier"
    )]
    StdinMediaType,
    /// Standard input could not be read.
    #[error(transparent)]
    Stdin(#[from] StdinError),
    /// Standard input is not the descriptor of the image.
    #[error(transparent)]
    Descriptor(#[from] DescriptorError),
    /// The agent's socket is not to be trusted, or there is no agent.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The connection ended before the answer, or the agent refused to answer.
    #[error("the agent gave no verdict ({0}): see journalctl -u pullward")]
    Gone(&'static str),
    /// The answer is not one that this program understands.
    #[error(
        "the agent's answer is not understood ({0}): agent and pullward-verifier are of different versions"
    )]
    Protocol(&'static str),
    /// The time is up.
    #[error("no verdict within {} s: see journalctl -u pullward", DEADLINE.as_secs())]
    Deadline,
    /// A defect in this program.
    #[error("pullward-verifier failed: please report it with containerd's debug log")]
    Internal,
}

impl HookError {
    /// The reason, for its stable code.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Arguments(_) | Self::StdinMediaType | Self::Protocol(_) => Reason::ArgumentsInvalid,
            Self::Digest(_) => Reason::DigestInvalid,
            Self::Stdin(StdinError::Deadline) | Self::Deadline => Reason::DeadlineExceeded,
            Self::Stdin(StdinError::TooLarge | StdinError::Read(_)) | Self::Descriptor(_) => {
                Reason::DescriptorInvalid
            }
            Self::Socket(SocketError::Connect { .. } | SocketError::Transport(_)) | Self::Gone(_) => {
                Reason::AgentUnreachable
            }
            Self::Socket(SocketError::Guard(_) | SocketError::Peer { .. }) => Reason::SocketUntrusted,
            Self::Internal => Reason::InternalError,
        }
    }
}

/// Runs the hook: `arguments` without the program's own name, `started` when the process did.
pub fn run<R: Read + Send + 'static>(
    arguments: impl IntoIterator<Item = OsString>,
    stdin: R,
    started: Instant,
) -> Answer {
    let deadline = started + DEADLINE;
    match args::parse(arguments) {
        Ok(arguments) => match asked(&arguments, stdin, deadline) {
            Ok(answer) => answer,
            Err(error) => denial(&format!("{}@{}", arguments.name, arguments.digest), &error),
        },
        Err(error) => denial("", &error.into()),
    }
}

/// The line and exit code of a denial that the agent had no part in.
#[must_use]
pub fn denial(subject: &str, error: &HookError) -> Answer {
    let subject = if subject.is_empty() { String::new() } else { format!("{subject}: ") };
    let line = printable(&format!("denied: {subject}{}: {error}", error.reason().code()), ONE_LINE_MAX);
    Answer { line, exit_code: 2 }
}

fn asked<R: Read + Send + 'static>(
    arguments: &Arguments,
    stdin: R,
    deadline: Instant,
) -> Result<Answer, HookError> {
    let digest = Digest::parse(&arguments.digest).map_err(|error| HookError::Digest(error.to_string()))?;
    if arguments.stdin_media_type != MEDIA_TYPE_DESCRIPTOR {
        return Err(HookError::StdinMediaType);
    }
    let bytes = stdin::read(stdin, deadline)?;
    // The agent reads it again for itself. Here it is read so that a question that contradicts itself
    // is denied even by an agent that would not look.
    Descriptor::parse(&bytes)?.is_of(digest)?;
    ask::ask(arguments, bytes, deadline)
}
