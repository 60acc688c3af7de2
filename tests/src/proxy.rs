//! `pullward-cri` in front of a containerd.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{Cri, Error, Node, Process, Pullward, Workspace};

/// The proxy is up in some 10 ms; a loaded machine is given more.
const READY: Duration = Duration::from_secs(20);

/// A running proxy, as its unit starts it.
#[derive(Debug)]
pub struct Proxy {
    socket: PathBuf,
    log: PathBuf,
    process: Process,
}

impl Proxy {
    /// Starts it with a configuration whose `[cri] socket` is `socket`, and waits until it listens.
    ///
    /// # Errors
    /// [`Error::Ended`] or [`Error::Late`] with the end of its log.
    pub fn start(
        pullward: &Pullward,
        workspace: &Workspace,
        config: &str,
        socket: PathBuf,
    ) -> Result<Self, Error> {
        let command = pullward.cri_command(workspace, config);
        let log = workspace.join("cri.log");
        let mut process = Process::spawn("pullward-cri", command, &log)?;
        process.wait_ready(READY, || std::os::unix::net::UnixStream::connect(&socket).is_ok())?;
        Ok(Self { socket, log, process })
    }

    /// The proxy in front of whatever listens at `upstream`, for a node that has an agent; `extra` is for `[cri]`.
    ///
    /// # Errors
    /// As [`Proxy::start`].
    pub fn before(
        pullward: &Pullward,
        workspace: &Workspace,
        node: &mut Node<'_>,
        upstream: &Path,
        extra: &str,
    ) -> Result<Self, Error> {
        let socket = node.join("run/cri.sock");
        let (address, shown) = (upstream.display(), socket.display());
        node.configure(&format!("[containerd]\naddress = '{address}'\n[cri]\nsocket = '{shown}'\n{extra}\n"));
        Self::start(pullward, workspace, &node.config()?, socket)
    }

    /// kubelet's side of it.
    ///
    /// # Errors
    /// [`Error::Rpc`] when it does not listen.
    pub fn cri(&self) -> Result<Cri, Error> {
        Cri::connect(&self.socket)
    }

    /// Its socket.
    #[must_use]
    pub fn socket(&self) -> &PathBuf {
        &self.socket
    }

    /// Everything that it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The process, to measure or to signal.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}
