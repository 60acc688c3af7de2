//! A node with pullward on it: root key, policy, trust bundle, configuration, agent and hook.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::program::finish;
use crate::{Error, Process, Pullward, Ran, Signal, Workspace};

/// The agent is up in some 20 ms; a loaded machine is given more.
const READY: Duration = Duration::from_secs(20);
/// What containerd passes as `-stdin-media-type`.
const DESCRIPTOR: &str = "application/vnd.oci.descriptor.v1+json";

/// One node. Every file of it lies below `node/` in the workspace.
#[derive(Debug)]
pub struct Node<'a> {
    pullward: &'a Pullward,
    workspace: &'a Workspace,
    folder: PathBuf,
    extra: String,
    cut_off: bool,
    process: Option<Process>,
}

impl<'a> Node<'a> {
    /// A node with a root key of its own, and nothing that it trusts yet.
    ///
    /// # Errors
    /// [`Error`] when the key cannot be made.
    pub fn new(pullward: &'a Pullward, workspace: &'a Workspace) -> Result<Self, Error> {
        let folder = workspace.folder("node")?;
        workspace.folder("node/run")?;
        workspace.folder("node/certs.d")?;
        let node = Self { pullward, workspace, folder, extra: String::new(), cut_off: false, process: None };
        node.key("root")?;
        Ok(node)
    }

    /// A path of the node.
    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A path of the node, as an argument.
    #[must_use]
    pub fn path(&self, name: &str) -> String {
        self.join(name).display().to_string()
    }

    /// Makes a key that can sign trust bundles: `NAME.key` and `NAME.pub`.
    ///
    /// # Errors
    /// [`Error::Failed`] with `trust keygen`'s answer.
    pub fn key(&self, name: &str) -> Result<(), Error> {
        let out = self.path(name);
        self.pullward
            .succeed(self.workspace, &["trust", "keygen", "--out", &out, "--no-passphrase"])
            .map(drop)
    }

    /// Builds a trust bundle from a policy's text, signed by the root key, as `trust.json`. Key files that the policy
    /// names are looked for in the node's folder, or by absolute path.
    ///
    /// # Errors
    /// [`Error::Failed`] with `trust build`'s answer.
    pub fn trust(&self, version: u64, policy: &str) -> Result<(), Error> {
        self.build("trust.json", version, policy, "root", &[])
    }

    /// As [`Node::trust`], with another file, key and more flags.
    ///
    /// # Errors
    /// [`Error::Failed`] with `trust build`'s answer.
    pub fn build(
        &self,
        file: &str,
        version: u64,
        policy: &str,
        key: &str,
        flags: &[&str],
    ) -> Result<(), Error> {
        let source = self.write("policy.toml", policy)?;
        let (source, version) = (source.display().to_string(), version.to_string());
        let (key, out) = (self.path(&format!("{key}.key")), self.path(&format!("{file}.new")));
        let mut arguments = vec!["trust", "build", &source, "--version", &version, "--key", &key, "-o", &out];
        arguments.extend(flags);
        if !flags.contains(&"--expires") {
            arguments.extend(["--expires", "90d"]);
        }
        self.pullward.succeed(self.workspace, &arguments)?;
        let path = self.join(file);
        std::fs::rename(&out, &path).map_err(Error::io(&path))
    }

    /// Writes a file of the node.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be written.
    pub fn write(&self, name: &str, content: &str) -> Result<PathBuf, Error> {
        let path = self.join(name);
        std::fs::write(&path, content).map_err(Error::io(&path))?;
        Ok(path)
    }

    /// More lines for `[registry]` and sections after it, from the next start on.
    pub fn configure(&mut self, extra: &str) {
        extra.clone_into(&mut self.extra);
    }

    /// From the next start on, agent and hook are each in a network namespace in which nothing is up, not even loopback.
    pub fn cut_off(&mut self) {
        self.cut_off = true;
    }

    /// The command, in a network namespace of its own where the node is cut off.
    fn placed(&self, command: Command) -> Command {
        if !self.cut_off {
            return command;
        }
        // It replaces itself by the program, so that its id is the program's.
        let mut placed = Command::new("/usr/bin/unshare");
        placed.arg("--net");
        if !rustix::process::geteuid().is_root() {
            placed.arg("--map-current-user");
        }
        placed.arg(command.get_program()).args(command.get_args()).env_clear();
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                placed.env(name, value);
            }
        }
        if let Some(folder) = command.get_current_dir() {
            placed.current_dir(folder);
        }
        placed
    }

    /// The configuration, written anew.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be written.
    pub fn config(&self) -> Result<String, Error> {
        let text = format!(
            "[agent]\nsocket = '{run}/verifier.sock'\nadmin_socket = '{run}/admin.sock'\nstate_dir = '{node}/state'\n\
             [trust]\nbundle = '{node}/trust.json'\nroots = ['{node}/root.pub']\n\
             [store]\ndir = '{node}/evidence'\n\
             [registry]\nhosts_dir = '{node}/certs.d'\nauth_file = '{node}/auth.json'\n{extra}\n",
            run = self.path("run"),
            node = self.folder.display(),
            extra = self.extra,
        );
        Ok(self.write("config.toml", &text)?.display().to_string())
    }

    /// Starts the agent as its unit does, and waits until it answers.
    ///
    /// # Errors
    /// [`Error::Ended`] or [`Error::Late`] with the end of its log.
    pub fn start(&mut self) -> Result<(), Error> {
        self.start_with(&[])
    }

    /// As [`Node::start`], with variables in its environment.
    ///
    /// # Errors
    /// As [`Node::start`].
    pub fn start_with(&mut self, environment: &[(&str, &str)]) -> Result<(), Error> {
        self.stop()?;
        let config = self.config()?;
        let mut command = self.pullward.command(self.workspace, ["agent", "--config", &config]);
        command.envs(environment.iter().copied());
        let mut process = Process::spawn("pullward agent", self.placed(command), &self.join("agent.log"))?;
        let (pullward, workspace) = (self.pullward, self.workspace);
        process.wait_ready(READY, || {
            // Anything but "could not ask" is an answer; a node without valid trust is up and says so.
            let ran = pullward.run(workspace, &["status", "--config", &config, "-o", "json"]);
            ran.is_ok_and(|ran| serde_json::from_str::<Value>(&ran.out).is_ok())
        })?;
        self.process = Some(process);
        Ok(())
    }

    /// Stops the agent in good order.
    ///
    /// # Errors
    /// [`Error::Io`] when the system refuses.
    pub fn stop(&mut self) -> Result<(), Error> {
        if let Some(mut process) = self.process.take() {
            process.stop()?;
        }
        Ok(())
    }

    /// The agent's process.
    ///
    /// # Errors
    /// [`Error::Unexpected`] when it is not running.
    pub fn agent(&mut self) -> Result<&mut Process, Error> {
        self.process.as_mut().ok_or_else(|| Error::unexpected("pullward agent", "not running"))
    }

    /// Everything that the agent has logged, over all its starts.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read(self.join("agent.log"))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Has the agent read its trust bundle again (SIGHUP) and waits until it has logged something about it.
    ///
    /// # Errors
    /// [`Error::Late`] when it logs nothing.
    pub fn reload(&mut self) -> Result<String, Error> {
        let before = self.log().len();
        self.agent()?.signal(Signal::Hangup)?;
        let mut new = String::new();
        let log = self.join("agent.log");
        crate::wait_until("a line about the trust bundle", READY, || {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            new = text.get(before..).unwrap_or_default().to_owned();
            new.contains("trust") && new.ends_with('\n')
        })?;
        Ok(new)
    }

    /// `pullward status -o json`.
    ///
    /// # Errors
    /// [`Error::Unexpected`] where it prints something else.
    pub fn status(&self) -> Result<Value, Error> {
        let config = self.path("config.toml");
        let ran = self.pullward.run(self.workspace, &["status", "--config", &config, "-o", "json"])?;
        serde_json::from_str(&ran.out).map_err(|error| Error::unexpected(ran.all(), error))
    }

    /// Has `pullward setup containerd` put the hook into a folder for containerd; gives that folder and the drop-in.
    ///
    /// # Errors
    /// [`Error::Failed`] with its answer.
    pub fn set_up(&self) -> Result<(PathBuf, PathBuf), Error> {
        let config = self.config()?;
        let verifier = self.pullward.verifier(self.workspace)?.display().to_string();
        let (folder, drop_in) = (self.join("verifiers"), self.join("10-pullward.toml"));
        let arguments = [
            "setup",
            "containerd",
            "--config",
            &config,
            "--verifier",
            &verifier,
            "--bin-dir",
            &folder.display().to_string(),
            "--write",
            &drop_in.display().to_string(),
        ];
        self.pullward.succeed(self.workspace, &arguments)?;
        Ok((folder, drop_in))
    }

    /// The hook, called as containerd calls it; see [`Node::set_up`].
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be executed.
    pub fn hook(&self, name: &str, digest: &str, descriptor: &str) -> Result<Ran, Error> {
        finish(self.hook_command(name, digest), descriptor.as_bytes())
    }

    /// The command of [`Node::hook`], for benchmarks.
    #[must_use]
    pub fn hook_command(&self, name: &str, digest: &str) -> Command {
        let mut command = Command::new(self.join("verifiers/00-pullward-verifier"));
        command.env_clear().current_dir("/");
        command.args(["-name", name, "-digest", digest, "-stdin-media-type", DESCRIPTOR]);
        self.placed(command)
    }
}

/// The descriptor that containerd writes for a manifest.
#[must_use]
pub fn descriptor(media_type: &str, digest: &str, size: usize) -> String {
    format!("{{\"mediaType\":\"{media_type}\",\"digest\":\"{digest}\",\"size\":{size}}}\n")
}

/// A policy with one authority and one rule for everything below `host/team/`.
#[must_use]
pub fn policy_for(host: &str, key: &Path) -> String {
    format!(
        "schema = 1\n[[authority]]\nname = \"release\"\nkey = \"{}\"\n[[rule]]\nname = \"team\"\nmatch = [\"{host}/team/**\"]\nsigned_by = [\"release\"]\ncontact = \"#release-team\"\n",
        key.display()
    )
}
