//! The agent and its hook, as processes on a node of their own.

#[cfg(test)]
mod agent_server;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod hook;
#[cfg(test)]
mod support;
#[cfg(test)]
mod units;

use std::os::unix::net::UnixListener;
use std::path::PathBuf;

// Processes of the other tests: this very program again, told by a variable to be one of them. Started as tests
// they have nothing to do.

#[test]
fn daemon_process() {
    if std::env::var_os("PULLWARD_TEST_CONFIG").is_some() {
        support::daemon();
    }
}

/// A process of another user that answers on the agent's socket.
#[test]
fn impostor_process() {
    if let Some(path) = std::env::var_os("PULLWARD_TEST_SOCKET") {
        let _listener = UnixListener::bind(PathBuf::from(path)).unwrap();
        loop {
            std::thread::park();
        }
    }
}

/// A process of another user that tries the agent's socket.
#[test]
fn stranger_process() {
    if std::env::var_os("PULLWARD_TEST_SOCKET").is_some() {
        agent_server::stranger();
    }
}
