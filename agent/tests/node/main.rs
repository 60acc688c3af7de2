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

#[test]
#[ignore = "the daemon's process of the other tests"]
fn daemon_process() {
    support::daemon();
}

#[test]
#[ignore = "a process of another user that answers on the agent's socket"]
fn impostor_process() {
    let path = PathBuf::from(std::env::var_os("PULLWARD_TEST_SOCKET").expect("started by a test"));
    let _listener = UnixListener::bind(path).unwrap();
    loop {
        std::thread::park();
    }
}

#[test]
#[ignore = "a process of another user that tries the agent's socket"]
fn stranger_process() {
    agent_server::stranger();
}
