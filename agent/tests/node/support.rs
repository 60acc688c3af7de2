//! A node in a temporary folder: configuration, sockets, a judge that does what the image's name says, a trust
//! bundle that is a number in a file, and the daemon as a process of its own.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pullward::cli::agent::Parts;
use pullward::config::Config;
use pullward::decide::Engine;
use pullward::decide::Question;
use pullward::evidence::store::Store;
use pullward::evidence::store::keeper::Keeper;
use pullward::policy::{Policy, Source};
use pullward::receipt::store::Receipts;
use pullward::rejudge::Rejudging;
use pullward::server::Judge;
use pullward::server::denial::Denial;
use pullward::server::trust::{TrustFailure, TrustSource};
use pullward::trust::envelope::Envelope;
use pullward::trust::installed::InstalledTrust;
use pullward::trust::root_key::{RootKey, RootKeyType};
use pullward::trust::roots::Roots;
use pullward::trust::time::Time;
use pullward::verdict::{Decision, Trust, Verdict};
use pullward_core::oci::Digest;
use pullward_core::time::UnixTime;
use pullward_proto::v1::admin_client::AdminClient;
use pullward_proto::v1::verifier_client::VerifierClient;
use pullward_proto::v1::{JudgeRequest, StatusRequest, StatusResponse};
use tonic::transport::Channel;

pub(crate) const DESCRIPTOR_TYPE: &str = "application/vnd.oci.descriptor.v1+json";

/// Allows, denies, panics, waits: the image's name says what.
pub(crate) struct ByName {
    /// `block` waits for this file.
    pub(crate) gate: PathBuf,
}

impl Judge for ByName {
    fn judge(&self, trust: &InstalledTrust, question: &Question, deadline: Instant) -> Verdict {
        let mut verdict = Denial::Deadline.verdict(question, None, Duration::ZERO);
        verdict.trust = Some(Trust {
            version: trust.version,
            digest: trust.digest.to_string(),
            expires: UnixTime(trust.expires).to_string(),
        });
        let name = question.reference.clone();
        assert!(!name.contains("panic"), "as the name says");
        while name.contains("block") && !self.gate.exists() {
            if Instant::now() > deadline {
                return verdict;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        if name.contains("allow") {
            verdict.decision = Decision::Allow;
            verdict.reason = "verified".into();
        } else if name.contains("unsigned") {
            verdict.reason = "unsigned".into();
        } else {
            verdict.reason = "evidence-unreachable".into();
        }
        verdict.message = format!("as the name says: {name}");
        verdict
    }
}

/// The trust bundle is the configured file as it is now: no older one is kept, so that a bad one shows.
pub(crate) struct Signed(pub(crate) Config);

impl TrustSource for Signed {
    fn load(&self) -> Result<InstalledTrust, TrustFailure> {
        let failure = |code: &str, message: String| TrustFailure { code: code.into(), message };
        let file =
            fs::read(&self.0.trust.bundle).map_err(|error| failure("unreadable", error.to_string()))?;
        let roots = Roots::read(&self.0.trust.roots, self.0.trust.threshold);
        let roots = roots.map_err(|error| failure("roots", error.to_string()))?;
        InstalledTrust::open(&file, &roots, &self.0.trust.audience)
            .map_err(|fault| failure(fault.code(), fault.to_string()))
    }

    fn clock_floor(&self) -> Option<UnixTime> {
        UnixTime::parse("2026-01-01T00:00:00Z")
    }
}

/// A payload of a trust bundle with this version, good for the rest of the century.
pub(crate) fn payload(version: u64) -> Vec<u8> {
    let text = "schema = 1\n[[rule]]\nname = \"all\"\nmatch = [\"**\"]\nmode = \"deny\"\n";
    let policy = Policy::from_source(&Source::new("policy.toml".into(), text.into())).unwrap();
    let time = |text| Time::parse(text).unwrap();
    policy
        .into_payload(version, time("2026-01-01T00:00:00Z"), time("2099-01-01T00:00:00Z"))
        .to_bytes()
        .unwrap()
}

pub(crate) struct Node {
    dir: tempfile::TempDir,
    root: RootKey,
}

impl Node {
    /// A node without a running agent.
    pub(crate) fn new(extra: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let node = Self { dir, root: RootKey::generate(RootKeyType::Ed25519).unwrap() };
        let text = format!(
            "[agent]\nsocket = {:?}\nadmin_socket = {:?}\nstate_dir = {:?}\n[trust]\nbundle = {:?}\nroots = [{:?}]\n{extra}\n",
            node.socket(),
            node.admin_socket(),
            node.path("state"),
            node.path("trust"),
            node.path("root.pub")
        );
        fs::write(node.path("root.pub"), node.root.public_pem().unwrap()).unwrap();
        fs::write(node.config_path(), text).unwrap();
        fs::set_permissions(node.config_path(), fs::Permissions::from_mode(0o600)).unwrap();
        node.trust(1);
        node
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path("run/v.sock")
    }

    pub(crate) fn admin_socket(&self) -> PathBuf {
        self.path("run/a.sock")
    }

    pub(crate) fn config_path(&self) -> PathBuf {
        self.path("config.toml")
    }

    /// Puts a trust bundle of this version in place, signed by the node's root.
    pub(crate) fn trust(&self, version: u64) {
        self.trust_bytes(&self.signed(version));
    }

    /// A trust bundle of this version, signed by the node's root.
    pub(crate) fn signed(&self, version: u64) -> Vec<u8> {
        let mut envelope = Envelope::unsigned(payload(version));
        envelope.sign(&self.root).unwrap();
        envelope.to_bytes().unwrap()
    }

    /// Puts anything in the trust bundle's place.
    pub(crate) fn trust_bytes(&self, bytes: &[u8]) {
        // Whole or not at all: the daemon may be reading.
        fs::write(self.path("trust.new"), bytes).unwrap();
        fs::rename(self.path("trust.new"), self.path("trust")).unwrap();
    }

    pub(crate) fn open_gate(&self) {
        fs::write(self.path("gate"), "").unwrap();
    }

    pub(crate) async fn verifier(&self) -> VerifierClient<Channel> {
        VerifierClient::new(pullward::socket::connect(&self.socket()).await.unwrap())
    }

    pub(crate) async fn admin(&self) -> AdminClient<Channel> {
        AdminClient::new(pullward::socket::connect(&self.admin_socket()).await.unwrap())
    }

    /// The agent's own account, asked from a test that is not async.
    pub(crate) fn status(&self) -> StatusResponse {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            self.admin().await.status(StatusRequest { protocol: 1 }).await.unwrap().into_inner()
        })
    }

    /// Starts the daemon as a process of its own and waits until it answers.
    pub(crate) fn start(&self) -> Agent {
        let agent = self.spawn(Command::new(std::env::current_exe().unwrap()));
        // The file alone does not do: it is there a moment before somebody listens.
        until(|| std::os::unix::net::UnixStream::connect(self.admin_socket()).is_ok());
        agent
    }

    /// The daemon with `command` in front; it is this very test program, running `daemon_process` alone.
    pub(crate) fn spawn(&self, command: Command) -> Agent {
        self.spawn_with(command, Stdio::null())
    }

    pub(crate) fn spawn_with(&self, mut command: Command, stdout: Stdio) -> Agent {
        let child = command
            .args(["--exact", "daemon_process", "--nocapture"])
            .env("PULLWARD_TEST_CONFIG", self.config_path())
            .env("PULLWARD_TEST_GATE", self.path("gate"))
            .stdout(stdout)
            .stderr(fs::File::create(self.path("log")).unwrap())
            .spawn()
            .unwrap();
        Agent { child }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }
}

/// What `daemon_process` does: the real daemon with the judge of this file.
pub(crate) fn daemon() {
    let config = PathBuf::from(std::env::var_os("PULLWARD_TEST_CONFIG").expect("started by a test"));
    let gate = PathBuf::from(std::env::var_os("PULLWARD_TEST_GATE").unwrap());
    let config = Config::load(&config).unwrap();
    pullward::log::start(config.log.format, config.log.level);
    let source = Box::new(Signed(config.clone()));
    let keeper = Keeper::new(Store::of(&config.store));
    let receipts = Arc::new(Receipts::new(&config.agent.state_dir));
    let rejudging = Rejudging::new(Engine::default(), receipts, pullward::service::platform());
    let parts = Parts { judge: Arc::new(ByName { gate }), trust: source, keeper, rejudging };
    let served = pullward::service::run(&config, parts);
    if let Err(error) = served {
        eprintln!("not started: {error}");
        std::process::exit(2);
    }
    std::process::exit(0);
}

/// The daemon's process. Dropped, it is killed.
pub(crate) struct Agent {
    pub(crate) child: Child,
}

impl Agent {
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
        if signal == rustix::process::Signal::STOP {
            // It is only sent by now: a thread that has not heard of it still answers.
            until(|| stands_still(self.child.id()));
        }
    }

    pub(crate) fn wait(&mut self, limit: Duration) -> ExitStatus {
        wait(&mut self.child, limit)
    }
}

/// Whether every thread of a process has stopped.
fn stands_still(process: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    threads.flatten().all(|thread| {
        // One that ends meanwhile does not answer either.
        fs::read_to_string(thread.path().join("status")).map_or(true, |status| status.contains("State:\tT"))
    })
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Runs `pullward-verifier` as containerd does.
pub(crate) struct Hook {
    command: Command,
    stdin: Vec<u8>,
}

pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
    pub(crate) fed: std::io::Result<()>,
}

impl Hook {
    pub(crate) fn new(socket: &Path, name: &str) -> Self {
        let digest = Digest::of(name.as_bytes()).to_string();
        Self::with(socket, &["-name", name, "-digest", &digest, "-stdin-media-type", DESCRIPTOR_TYPE])
            .stdin(&descriptor(&digest))
    }

    pub(crate) fn with(socket: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pullward-verifier"));
        command
            .arg(format!("--socket={}", socket.display()))
            .arg("/opt/bin/00-pullward-verifier")
            .args(arguments);
        Self { command, stdin: Vec::new() }
    }

    pub(crate) fn stdin(mut self, bytes: &[u8]) -> Self {
        self.stdin = bytes.to_vec();
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn spawn(mut self) -> (Child, std::thread::JoinHandle<std::io::Result<()>>) {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().unwrap();
        let (mut pipe, bytes) = (child.stdin.take().unwrap(), self.stdin);
        (child, std::thread::spawn(move || pipe.write_all(&bytes)))
    }

    pub(crate) fn run(self) -> Ran {
        let started = Instant::now();
        let (child, feeder) = self.spawn();
        finish(child, feeder, started)
    }
}

pub(crate) fn finish(
    mut child: Child,
    feeder: std::thread::JoinHandle<std::io::Result<()>>,
    started: Instant,
) -> Ran {
    let status = wait(&mut child, Duration::from_secs(20));
    let took = started.elapsed();
    let (mut stdout, mut stderr) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    Ran { code: status.code(), stdout, stderr, took, fed: feeder.join().unwrap() }
}

impl Ran {
    /// A denial by the hook itself: its code, on one printable line.
    pub(crate) fn denied_as(&self, code: &str) {
        assert_eq!(self.code, Some(2), "{}", self.stdout);
        let line = self.stdout.strip_suffix('\n').unwrap();
        assert!(line.starts_with("denied: ") && line.contains(&format!("{code}: ")), "{line}");
        assert!(line.len() <= 1024 && line.chars().all(|c| !c.is_control()), "{line}");
    }
}

pub(crate) fn descriptor(digest: &str) -> Vec<u8> {
    format!(
        "{{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"{digest}\",\"size\":426}}\n"
    )
    .into_bytes()
}

pub(crate) fn request(name: &str) -> JudgeRequest {
    let digest = Digest::of(name.as_bytes()).to_string();
    JudgeRequest {
        protocol: 1,
        reference: name.into(),
        descriptor: descriptor(&digest),
        digest,
        stdin_media_type: DESCRIPTOR_TYPE.into(),
        held: false,
    }
}

fn wait(child: &mut Child, limit: Duration) -> ExitStatus {
    let end = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > end {
            drop(child.kill());
            drop(child.wait());
            panic!("still running after {limit:?}");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Waits for `what`, at most ten seconds.
pub(crate) fn until(what: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !what() {
        assert!(Instant::now() < end, "not reached in time");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Some checks are about other users, and only root can be several.
pub(crate) fn root() -> bool {
    pullward::guard::us() == 0
}
