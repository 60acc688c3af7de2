//! The configuration file, `/etc/pullward/config.toml`.
//!
//! Every key has a default that is safe to run with, unknown keys are refused, and so are sections that nothing in
//! this version reads: a key that is accepted does something. Errors name file, line and column. Nothing of the
//! environment is read.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use pullward_core::limits;
use serde::de::{self, Deserializer, IgnoredAny};
use serde::{Deserialize, Serialize, Serializer};

pub use crate::containerd::flavour::Flavour;
use crate::guard::{self, GuardError};
use crate::inventory::act::{OnRunning, OnUnverified};
use crate::log::{Format, Verbosity};
use crate::policy::is_audience;
use crate::server::ServerLimits;
use crate::trust::time::seconds_of;

/// Where the configuration is unless somebody says otherwise.
pub const DEFAULT_PATH: &str = "/etc/pullward/config.toml";

/// The whole configuration, every key filled in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The daemon itself.
    pub agent: Agent,
    /// What is trusted.
    pub trust: Trust,
    /// The containerd of this node.
    pub containerd: Containerd,
    /// How registries are reached.
    pub registry: Registry,
    /// Evidence on disk.
    pub store: Store,
    /// The CRI proxy, which is a program of its own.
    pub cri: Cri,
    /// How much at a time.
    pub limits: Limits,
    /// What is done about what containerd holds already.
    pub inventory: Inventory,
    /// What is logged.
    pub log: Log,
    /// containerd's plugin interface.
    pub nri: Nri,
    /// The live proof of enforcement.
    pub probe: Probe,
    #[serde(skip_serializing)]
    metrics: NotYet,
}

/// `[agent]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Agent {
    /// Hooks ask here.
    #[serde(deserialize_with = "path")]
    pub socket: PathBuf,
    /// Root administers here.
    #[serde(deserialize_with = "path")]
    pub admin_socket: PathBuf,
    /// Processes of this group may ask on `socket` as well, beside root and the agent's own user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub socket_gid: Option<u32>,
    /// What the agent writes, apart from evidence.
    #[serde(deserialize_with = "path")]
    pub state_dir: PathBuf,
}

/// `[trust]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Trust {
    /// The trust bundle that is installed first; later versions live in `state_dir`.
    #[serde(deserialize_with = "path")]
    pub bundle: PathBuf,
    /// The public keys that may sign trust bundles.
    #[serde(deserialize_with = "paths")]
    pub roots: Vec<PathBuf>,
    /// How many different ones must have signed. Required where more than one is pinned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<usize>,
    /// Bundles for another audience are refused.
    #[serde(deserialize_with = "audience")]
    pub audience: String,
}

/// `[containerd]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Containerd {
    /// Which distribution's paths: its socket and `hosts.toml` files are the defaults of `address` and `hosts_dir`.
    pub flavour: Flavour,
    /// containerd's own socket.
    #[serde(deserialize_with = "path")]
    pub address: PathBuf,
}

/// `[probe]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Probe {
    /// How often containerd is asked for what must be refused, 10 s to 1 d. Absent: never.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "probe_interval")]
    pub interval: Option<Time>,
}

/// `[registry]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Registry {
    /// containerd's `hosts.toml` files.
    #[serde(deserialize_with = "path")]
    pub hosts_dir: PathBuf,
    /// Credentials in docker's format, mode 0600. Absent: none.
    #[serde(deserialize_with = "path")]
    pub auth_file: PathBuf,
    /// Never ask a registry.
    pub offline: bool,
    /// Proxy for registry requests, `http://HOST:PORT`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// Hosts that are reached without the proxy.
    pub no_proxy: Vec<String>,
    /// Authorities for TLS, PEM, instead of the system's.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "optional_path")]
    pub ca_file: Option<PathBuf>,
}

/// `[store]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// An OCI image layout. Absent: an empty store.
    #[serde(deserialize_with = "path")]
    pub dir: PathBuf,
    /// How long evidence stays after a verdict used it last.
    pub retain: Time,
    /// Most bytes that the store holds, 1 MiB to 1 TiB: what was used longest ago makes room for what is used now.
    #[serde(deserialize_with = "max_bytes")]
    pub max_bytes: u64,
}

/// `[cri]`, read by `pullward-cri`; the agent alone does nothing with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cri {
    /// kubelet asks here (`--container-runtime-endpoint`). Absent: there is no proxy.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "optional_path")]
    pub socket: Option<PathBuf>,
    /// Services that are passed unread besides CRI's own, by their exact full name. Each is a way round.
    #[serde(deserialize_with = "services")]
    pub pass: Vec<String>,
    /// The image of pods' sandboxes, where containerd does not show its own (2.x).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox_image: Option<String>,
}

/// `[limits]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Judgements that run at a time: 1 to 256.
    #[serde(deserialize_with = "workers")]
    pub workers: usize,
    /// Judgements that wait at a time, 0 to 100000; the next one is denied as `overloaded`.
    #[serde(deserialize_with = "queue")]
    pub queue: usize,
    /// Connections to `socket` at a time: 16 to 65536.
    #[serde(deserialize_with = "connections")]
    pub connections: usize,
    /// Bytes of evidence held in memory at a time, 1 MiB to 1 GiB.
    #[serde(deserialize_with = "inflight_bytes")]
    pub inflight_bytes: u64,
    /// From a request's arrival to its verdict: 1 s to 7 s. Hooks wait 8 s, containerd 10 s.
    #[serde(deserialize_with = "deadline")]
    pub deadline: Time,
    /// How long a fetch of evidence may take that has outlived its verdict, 7 s to 30 minutes: it goes on in the background,
    /// and a retry is answered from what it brings.
    #[serde(deserialize_with = "fetch_deadline")]
    pub fetch_deadline: Time,
    /// From the order to stop to the end, at most 60 s.
    #[serde(deserialize_with = "drain")]
    pub drain: Time,
}

/// `[inventory]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Inventory {
    /// An image that is refused, or has no name that could be judged: `report` it, or `remove` its name.
    pub unverified: OnUnverified,
    /// A container that runs such an image: `report` it, or `stop` it.
    pub running: OnRunning,
}

/// `[log]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// `text` or `json`.
    pub format: Format,
    /// `error`, `warn`, `info` or `debug`; verdicts are logged whatever it is.
    pub level: Verbosity,
}

/// `[nri]`, which `pullward-nri` alone reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Nri {
    /// Where containerd waits for its plugins.
    #[serde(deserialize_with = "path")]
    pub socket: PathBuf,
}

impl Default for Agent {
    fn default() -> Self {
        Self {
            socket: crate::hook::DEFAULT_SOCKET.into(),
            admin_socket: "/run/pullward/admin.sock".into(),
            socket_gid: None,
            state_dir: "/var/lib/pullward".into(),
        }
    }
}

impl Default for Trust {
    fn default() -> Self {
        Self {
            bundle: "/etc/pullward/trust.json".into(),
            roots: vec!["/etc/pullward/root.pub".into()],
            threshold: None,
            audience: "default".into(),
        }
    }
}

impl Default for Containerd {
    fn default() -> Self {
        Self { flavour: Flavour::Auto, address: "/run/containerd/containerd.sock".into() }
    }
}

impl Default for Nri {
    fn default() -> Self {
        Self { socket: "/run/nri/nri.sock".into() }
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            hosts_dir: "/etc/containerd/certs.d".into(),
            auth_file: "/etc/pullward/auth.json".into(),
            offline: false,
            proxy: None,
            no_proxy: Vec::new(),
            ca_file: None,
        }
    }
}

impl Default for Store {
    fn default() -> Self {
        Self {
            dir: "/var/lib/pullward/evidence".into(),
            retain: Time(Duration::from_secs(400 * 86_400)),
            max_bytes: 2 * 1024 * 1024 * 1024,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        let server = ServerLimits::default();
        Self {
            workers: server.workers,
            queue: server.queue,
            connections: server.connections,
            inflight_bytes: 32 * 1024 * 1024,
            deadline: Time(server.deadline),
            fetch_deadline: Time(Duration::from_secs(limits::FETCH_SECONDS)),
            drain: Time(server.drain),
        }
    }
}

impl Trust {
    /// How many different roots must have signed a bundle.
    #[must_use]
    pub fn required_roots(&self) -> usize {
        // One root: that one. More: `Config::parse` has refused a missing number.
        self.threshold.unwrap_or(1)
    }
}

impl Limits {
    /// The server's part of the limits.
    #[must_use]
    pub const fn server(&self) -> ServerLimits {
        ServerLimits {
            workers: self.workers,
            queue: self.queue,
            connections: self.connections,
            deadline: self.deadline.0,
            drain: self.drain.0,
        }
    }
}

/// Why there is no configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file is not to be trusted, or absent.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// It cannot be read.
    #[error("{path}: {kind}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        kind: io::ErrorKind,
    },
    /// It is larger than a configuration can be.
    #[error("{}: larger than {} bytes: this is not a configuration", .0.display(), limits::CONFIG_BYTES)]
    TooLarge(PathBuf),
    /// Something in it is wrong.
    #[error("{}:{line}:{column}: {message}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong, and what would be right.
        message: String,
    },
}

impl Config {
    /// Reads the configuration at `path`, which nobody else may be able to write. A relative path counts from the
    /// working folder, as on every command line; all folders above it are checked.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let read = |error: io::Error| ConfigError::Read { path: path.to_path_buf(), kind: error.kind() };
        let path = &std::path::absolute(path).map_err(read)?;
        guard::file(path)?;
        let read = |error: io::Error| ConfigError::Read { path: path.to_path_buf(), kind: error.kind() };
        let mut text = String::new();
        let length = File::open(path).map_err(read)?.take(limits::CONFIG_BYTES + 1).read_to_string(&mut text);
        if u64::try_from(length.map_err(read)?).map_or(true, |length| length > limits::CONFIG_BYTES) {
            return Err(ConfigError::TooLarge(path.to_path_buf()));
        }
        Self::parse(path, &text)
    }

    /// The configuration at `path`, or at its usual place; where that is absent, the defaults.
    ///
    /// # Errors
    /// [`ConfigError`]; a file that was named must exist.
    pub fn load_or_default(path: Option<&Path>) -> Result<Self, ConfigError> {
        match path {
            Some(path) => Self::load(path),
            None => match Self::load(Path::new(DEFAULT_PATH)) {
                Err(ConfigError::Guard(GuardError::Absent(_))) => Ok(Self::default()),
                other => other,
            },
        }
    }

    /// Reads a configuration's text; `path` is for messages.
    ///
    /// # Errors
    /// [`ConfigError::Wrong`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let wrong = |offset: usize, message: String| {
            let (line, column) = position(text, offset);
            ConfigError::Wrong { path: path.to_path_buf(), line, column, message }
        };
        let mut config: Self = toml::from_str(text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            wrong(offset, error.message().trim().replace('\n', ", "))
        })?;
        config.fill_in(|section, key| find(text, section, key) != 0);
        match config.contradiction() {
            None => Ok(config),
            Some((section, key, message)) => Err(wrong(find(text, section, key), message)),
        }
    }

    /// A flavour's own places, where nothing is `said` of them.
    fn fill_in(&mut self, said: impl Fn(&str, &str) -> bool) {
        let layout = self.containerd.flavour.layout();
        if !said("containerd", "address") {
            self.containerd.address = layout.socket.into();
        }
        if !said("registry", "hosts_dir") {
            self.registry.hosts_dir = layout.certs_d.into();
        }
    }

    /// The file that would give this very configuration.
    #[must_use]
    pub fn print(&self) -> String {
        // Every value here has a form in TOML: it was read from one, or is a default.
        toml::to_string(self).unwrap_or_default()
    }

    /// What keys say together that none of them says alone: section, key, message.
    fn contradiction(&self) -> Option<(&'static str, &'static str, String)> {
        let roots = self.trust.roots.len();
        if roots == 0 {
            return Some(("trust", "roots", "no root: no trust bundle could ever be valid".to_owned()));
        }
        let mut sorted = self.trust.roots.clone();
        sorted.sort();
        sorted.dedup();
        if sorted.len() != roots {
            return Some(("trust", "roots", "the same file is listed twice".to_owned()));
        }
        match self.trust.threshold {
            None if roots > 1 => {
                let message = format!("{roots} roots: add threshold = N, how many of them must have signed");
                return Some(("trust", "roots", message));
            }
            Some(threshold) if threshold == 0 || threshold > roots => {
                let message =
                    format!("threshold {threshold}: 1 to {roots} are possible with {roots} root(s)");
                return Some(("trust", "threshold", message));
            }
            _ => {}
        }
        if self.agent.socket == self.agent.admin_socket {
            return Some(("agent", "admin_socket", "the same path as socket".to_owned()));
        }
        if let Some(socket) = &self.cri.socket
            && [&self.agent.socket, &self.agent.admin_socket, &self.containerd.address].contains(&socket)
        {
            return Some(("cri", "socket", "another socket has this path".to_owned()));
        }
        None
    }
}

/// A length of time, written as a whole number and a unit: `7s`, `5m`, `12h`, `400d`, `2w`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub Duration);

/// Units in which a length of time is printed: the largest that leaves a whole number.
const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

impl Time {
    fn parse(text: &str) -> Option<Self> {
        seconds_of(text).map(|seconds| Self(Duration::from_secs(seconds)))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (letter, unit) = UNITS
            .into_iter()
            .find(|(_, unit)| seconds != 0 && seconds.is_multiple_of(*unit))
            .unwrap_or(('s', 1));
        write!(f, "{}{letter}", seconds / unit)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| de::Error::custom("a length of time is written as 7s, 5m, 12h, 400d or 2w"))
    }
}

/// A section whose reader is not in this version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
struct NotYet;

impl<'de> Deserialize<'de> for NotYet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer)?;
        Err(de::Error::custom("nothing in this version reads this section: remove it"))
    }
}

fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    let path = PathBuf::deserialize(deserializer)?;
    guard::plain(&path).map_err(de::Error::custom)?;
    Ok(path)
}

fn optional_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    path(deserializer).map(Some)
}

fn paths<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
    let paths = Vec::<PathBuf>::deserialize(deserializer)?;
    paths.iter().try_for_each(|path| guard::plain(path)).map_err(de::Error::custom)?;
    Ok(paths)
}

fn services<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    match names.iter().find(|name| !crate::cri::path::may_be_passed(name)) {
        Some(name) => {
            Err(de::Error::custom(format!("{name:?}: a service's full name, such as vendor.v1.Service")))
        }
        None => Ok(names),
    }
}

fn audience<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let audience = String::deserialize(deserializer)?;
    // The builder's own rule: a node with any other name could never be given a bundle.
    if !is_audience(&audience) {
        return Err(de::Error::custom(
            "an audience is 1 to 128 lower-case letters, digits, dashes, dots and underscores, the first a letter or digit",
        ));
    }
    Ok(audience)
}

fn between<'de, D, T>(deserializer: D, least: T, most: T) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + PartialOrd + fmt::Display,
{
    let value = T::deserialize(deserializer)?;
    if value < least || value > most {
        return Err(de::Error::custom(format!("{value}: {least} to {most} are possible")));
    }
    Ok(value)
}

fn workers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    between(deserializer, 1, 256)
}

fn queue<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    between(deserializer, 0, 100_000)
}

fn connections<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    between(deserializer, 16, 65_536)
}

fn inflight_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    between(deserializer, 1024 * 1024, 1024 * 1024 * 1024)
}

fn deadline<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
    between(deserializer, Time(Duration::from_secs(1)), Time(Duration::from_secs(limits::VERDICT_SECONDS)))
}

fn probe_interval<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Time>, D::Error> {
    let (least, most) = (Time(Duration::from_secs(10)), Time(Duration::from_secs(86_400)));
    between(deserializer, least, most).map(Some)
}

fn fetch_deadline<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
    let seconds = |seconds| Time(Duration::from_secs(seconds));
    between(deserializer, seconds(limits::VERDICT_SECONDS), seconds(limits::FETCH_SECONDS_MOST))
}

fn max_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    between(deserializer, 1 << 20, 1 << 40)
}

fn drain<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
    between(deserializer, Time(Duration::ZERO), Time(Duration::from_secs(60)))
}

/// Line and column of a byte.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    (line, column)
}

/// Where `section.key` has its value; the start of the file where it has none.
fn find(text: &str, section: &str, key: &str) -> usize {
    toml::de::DeTable::parse(text)
        .ok()
        .and_then(|table| table.get_ref().get(section)?.get_ref().get(key).map(|value| value.span().start))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests;
