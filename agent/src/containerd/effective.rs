//! The configuration that a containerd has in effect, as far as it can be known from outside.
//!
//! The process behind the socket is asked for by its credentials, which the kernel vouches for. Its command line names
//! the configuration; its own program, run as `containerd config dump`, merges the imports as it does itself. What it
//! does *not* show: a file that was changed after the start, so all files that take part are compared with the start.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use pullward_core::limits;
use toml::{Table, Value};

/// How long `containerd config dump` may take; it takes some 100 ms.
const DUMP_PATIENCE: Duration = Duration::from_secs(10);
/// Ticks of a process's start time in `/proc`: `USER_HZ`, which is 100 on every architecture that is built for
/// (`proc_pid_stat(5)`, `time(7)`).
const TICKS: u64 = 100;
/// How much the start of a process is rounded at most: two clocks of 10 ms each, and the time between two reads.
const ROUNDED: Duration = Duration::from_millis(50);
/// Deepest chain of imports that is followed. containerd follows any; more than a few is a mistake.
const IMPORT_DEPTH: usize = 8;

/// A running containerd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its process id.
    pub id: u32,
    /// Its user.
    pub user: u32,
    /// The configuration that its command line names, or containerd's default.
    pub config: PathBuf,
    /// When it started.
    pub started: SystemTime,
}

/// What is known of a configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Effective {
    /// All of it, defaults and imports included where it is a dump.
    pub table: Table,
    /// The files it is made of that exist, the main one first.
    pub files: Vec<Part>,
    /// Whether defaults and imports are in `table` as containerd itself merges them.
    pub completeness: Completeness,
}

/// One file of a configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Where it is.
    pub path: PathBuf,
    /// What it says.
    pub table: Table,
    /// When it was changed last.
    pub changed: SystemTime,
}

/// Who put a configuration together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completeness {
    /// containerd itself.
    Dumped,
    /// We did, from its files: defaults are not in it.
    Merged,
}

/// Why something about a containerd is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// Nothing answers on its socket.
    #[error("{path}: {kind}")]
    Socket {
        /// The socket.
        path: PathBuf,
        /// The system's answer.
        kind: std::io::ErrorKind,
    },
    /// The kernel names no process, or one of another process namespace.
    #[error("{0}: the process behind it is not to be seen from here")]
    Process(PathBuf),
    /// A file cannot be read, or is too large.
    #[error("{path}: {why}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// An import that this cannot follow.
    #[error("{path}: the import {pattern:?} cannot be followed here")]
    Import {
        /// The file that imports.
        path: PathBuf,
        /// The import.
        pattern: String,
    },
    /// `containerd config dump` failed.
    #[error("containerd config dump: {0}")]
    Dump(String),
}

impl Process {
    /// The containerd behind the socket at `address`.
    ///
    /// # Errors
    /// [`Unknown`].
    pub fn behind(address: &Path) -> Result<Self, Unknown> {
        let socket = |kind| Unknown::Socket { path: address.to_path_buf(), kind };
        let hidden = || Unknown::Process(address.to_path_buf());
        let (id, user) = peer(address).map_err(socket)?;
        let id = id.ok_or_else(hidden)?;
        let folder = PathBuf::from(format!("/proc/{id}"));
        let line = fs::read(folder.join("cmdline")).map_err(|_| hidden())?;
        let config = config_of(&line).unwrap_or_else(|| PathBuf::from("/etc/containerd/config.toml"));
        let config = if config.is_absolute() {
            config
        } else {
            fs::read_link(folder.join("cwd")).map_err(|_| hidden())?.join(config)
        };
        let stat = fs::read_to_string(folder.join("stat")).map_err(|_| hidden())?;
        let uptime = fs::read_to_string("/proc/uptime").map_err(|_| hidden())?;
        let started = started(&stat, &uptime, SystemTime::now()).ok_or_else(hidden)?;
        Ok(Self { id, user, config, started })
    }

    /// Whether a change at `time` came after the start: what it changed is not in effect yet.
    #[must_use]
    pub fn has_not_read(&self, time: SystemTime) -> bool {
        self.started.checked_add(ROUNDED).is_none_or(|started| time > started)
    }

    /// What its own program says of its configuration.
    ///
    /// # Errors
    /// [`Unknown`]; a part of the configuration is never given as the whole.
    pub fn effective(&self) -> Result<Effective, Unknown> {
        let files = parts(&self.config)?;
        let program = PathBuf::from(format!("/proc/{}/exe", self.id));
        let table = dump(&program, &self.config)?;
        Ok(Effective { table, files, completeness: Completeness::Dumped })
    }
}

impl Effective {
    /// Merges a configuration and its imports from the files alone.
    ///
    /// # Errors
    /// [`Unknown`].
    pub fn from_files(config: &Path) -> Result<Self, Unknown> {
        let files = parts(config)?;
        let mut table = Table::new();
        for part in &files {
            lay_over(&mut table, part.table.clone());
        }
        Ok(Self { table, files, completeness: Completeness::Merged })
    }

    /// The last file that `says` so.
    #[must_use]
    pub fn file_that(&self, says: impl Fn(&Table) -> bool) -> Option<&Path> {
        self.files.iter().rev().find(|part| says(&part.table)).map(|part| part.path.as_path())
    }
}

/// Process and user behind a unix socket.
///
/// # Errors
/// Whatever the system says.
pub fn peer(address: &Path) -> Result<(Option<u32>, u32), std::io::ErrorKind> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    let runtime = runtime.map_err(|error| error.kind())?;
    runtime.block_on(async {
        let stream = tokio::net::UnixStream::connect(address).await.map_err(|error| error.kind())?;
        let credentials = stream.peer_cred().map_err(|error| error.kind())?;
        let id = credentials.pid().and_then(|id| u32::try_from(id).ok()).filter(|id| *id != 0);
        Ok((id, credentials.uid()))
    })
}

/// The value of `-c`, `--config` on a command line as `/proc` shows it.
fn config_of(line: &[u8]) -> Option<PathBuf> {
    let mut words = line.split(|byte| *byte == 0).skip(1);
    let mut found = None;
    while let Some(word) = words.next() {
        let value = match word {
            b"-c" | b"-config" | b"--config" => words.next(),
            _ => word.strip_prefix(b"--config=").or_else(|| word.strip_prefix(b"-config=")),
        };
        found = value.or(found);
    }
    found.map(|path| PathBuf::from(std::ffi::OsString::from_vec(path.to_vec())))
}

/// Start of a process, from its `stat` and the system's uptime of `now`. Not from the boot time in `/proc/stat`, which is in
/// whole seconds.
fn started(stat: &str, uptime: &str, now: SystemTime) -> Option<SystemTime> {
    // The name of the program comes in parentheses and may hold blanks and more of them.
    let (_, rest) = stat.rsplit_once(')')?;
    let ticks: u64 = rest.split_whitespace().nth(19)?.parse().ok()?;
    let after_boot = Duration::from_millis(ticks.checked_mul(1000 / TICKS)?);
    let up = Duration::try_from_secs_f64(uptime.split_whitespace().next()?.parse().ok()?).ok()?;
    now.checked_sub(up.checked_sub(after_boot)?)
}

fn dump(program: &Path, config: &Path) -> Result<Table, Unknown> {
    let failed = |why: String| Unknown::Dump(crate::verdict::printable(&why, 400));
    let mut child = Command::new(program)
        .arg("--config")
        .arg(config)
        .args(["config", "dump"])
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let read = |pipe: Option<Box<dyn std::io::Read + Send>>| {
        std::thread::spawn(move || {
            let mut text = String::new();
            let read =
                pipe.map(|pipe| pipe.take(limits::CONTAINERD_CONFIG_BYTES + 1).read_to_string(&mut text));
            (text, matches!(read, Some(Ok(_))))
        })
    };
    let out = read(out.map(|pipe| Box::new(pipe) as Box<_>));
    let err = read(err.map(|pipe| Box::new(pipe) as Box<_>));
    let end = Instant::now() + DUMP_PATIENCE;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Ok(status),
            Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(5)),
            Ok(None) => break Err(format!("no answer within {} s", DUMP_PATIENCE.as_secs())),
            Err(error) => break Err(error.to_string()),
        }
    };
    let status = status.map_err(|why| {
        // It is of no use any more, and nothing waits for it.
        drop(child.kill().and_then(|()| child.wait()));
        failed(why)
    })?;
    let (text, whole) = out.join().unwrap_or_default();
    let (complaint, _) = err.join().unwrap_or_default();
    if !status.success() || !whole {
        return Err(failed(format!("{status}: {}", complaint.trim())));
    }
    if too_long(text.len()) {
        return Err(failed("too large to be a configuration".to_owned()));
    }
    text.parse().map_err(|error: toml::de::Error| failed(error.message().to_owned()))
}

/// The file at `config`, where it exists, and what it imports, in containerd's order.
fn parts(config: &Path) -> Result<Vec<Part>, Unknown> {
    let mut found = Vec::new();
    if config.exists() {
        follow(config, 0, &mut found)?;
    }
    Ok(found)
}

fn follow(path: &Path, depth: usize, found: &mut Vec<Part>) -> Result<(), Unknown> {
    if found.iter().any(|part| part.path == path) {
        return Ok(());
    }
    let why = |why: String| Unknown::File { path: path.to_path_buf(), why };
    let mut text = String::new();
    let file = File::open(path).map_err(|error| why(error.to_string()))?;
    let changed = file.metadata().and_then(|metadata| metadata.modified());
    let changed = changed.map_err(|error| why(error.to_string()))?;
    file.take(limits::CONTAINERD_CONFIG_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| why(error.to_string()))?;
    if too_long(text.len()) {
        return Err(why("too large to be a configuration".to_owned()));
    }
    let table: Table =
        text.parse().map_err(|error: toml::de::Error| why(error.message().replace('\n', " ")))?;
    let imports = table.get("imports").and_then(Value::as_array).cloned().unwrap_or_default();
    found.push(Part { path: path.to_path_buf(), table, changed });
    let folder = path.parent().unwrap_or(path);
    for import in imports {
        let pattern = import.as_str().unwrap_or_default();
        let odd = || Unknown::Import { path: path.to_path_buf(), pattern: pattern.to_owned() };
        if depth >= IMPORT_DEPTH {
            return Err(odd());
        }
        for file in glob(&folder.join(pattern)).ok_or_else(odd)? {
            follow(&file, depth + 1, found)?;
        }
    }
    Ok(())
}

fn too_long(length: usize) -> bool {
    u64::try_from(length).map_or(true, |length| length > limits::CONTAINERD_CONFIG_BYTES)
}

/// The files that Go's `filepath.Glob` finds, sorted; `*` and `?` in the last element. `None`: not understood.
fn glob(pattern: &Path) -> Option<Vec<PathBuf>> {
    let wild = |text: &str| text.contains(['*', '?', '[', '\\']);
    let (folder, name) = (pattern.parent()?, pattern.file_name()?.to_str()?);
    if wild(folder.to_str()?) || name.contains(['[', '\\']) {
        return None;
    }
    if !wild(name) {
        // A name without a star that is not there is an error to containerd; its dump says so.
        return Some(vec![pattern.to_path_buf()]);
    }
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(|file| matches(name, file)))
        .map(|entry| entry.path())
        .collect();
    files.sort();
    Some(files)
}

/// Whether a name matches a pattern of literals, `*` and `?`. Linear but for the last star, which is taken back.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || name.get(n) == Some(c) => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    n = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|c| *c == '*')
}

/// Tables are merged, lists of plugins are joined, everything else is replaced.
fn lay_over(below: &mut Table, above: Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => lay_over(below, above),
            (Some(Value::Array(below)), Value::Array(above)) if key.ends_with("_plugins") => {
                below.extend(above);
            }
            (_, value) => drop(below.insert(key, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::time::{Duration, UNIX_EPOCH};

    use super::{Effective, Process, Unknown, config_of, matches, started};

    #[test]
    fn the_command_line_names_the_configuration() {
        for (line, expected) in [
            ("containerd\0", None),
            ("containerd\0--config\0/a\0", Some("/a")),
            ("containerd\0-c\0/a\0--log-level\0debug\0", Some("/a")),
            ("containerd\0--config=/a\0--config=/b\0", Some("/b")),
            ("--config=/a\0", None),
        ] {
            assert_eq!(config_of(line.as_bytes()), expected.map(PathBuf::from), "{line:?}");
        }
    }

    #[test]
    fn a_process_started_so_long_after_the_boot() {
        let now = UNIX_EPOCH.checked_add(Duration::from_secs(5000)).unwrap();
        let stat = format!("7 (a ) b) S {}500 1 2", "0 ".repeat(18));
        let expected = UNIX_EPOCH.checked_add(Duration::from_secs(4005));
        assert_eq!(started(&stat, "1000.00 1.0\n", now), expected);
        assert_eq!(started(&stat, "1.0\n", now), None);
        assert_eq!(started(&stat, "\n", now), None);
        assert_eq!(started("7", "1000.0", now), None);
    }

    #[test]
    fn imports_are_followed_in_order_and_the_last_word_counts() {
        let dir = tempfile::tempdir().unwrap();
        let main = dir.path().join("config.toml");
        fs::create_dir(dir.path().join("conf.d")).unwrap();
        fs::write(&main, "imports = ['conf.d/*.toml']\nrequired_plugins = ['a']\n[x]\nk = 1\nl = 1\n")
            .unwrap();
        fs::write(dir.path().join("conf.d/20.toml"), "[x]\nk = 3\n").unwrap();
        fs::write(dir.path().join("conf.d/10.toml"), "required_plugins = ['b']\n[x]\nk = 2\n").unwrap();
        fs::write(dir.path().join("conf.d/notes.txt"), "[").unwrap();
        let effective = Effective::from_files(&main).unwrap();
        assert_eq!(effective.files.len(), 3);
        assert_eq!(effective.table["x"]["k"].as_integer(), Some(3));
        assert_eq!(effective.table["x"]["l"].as_integer(), Some(1));
        assert_eq!(effective.table["required_plugins"].as_array().unwrap().len(), 2);
        let says = effective.file_that(|table| table.get("x").is_some());
        assert_eq!(says, Some(dir.path().join("conf.d/20.toml").as_path()));
    }

    #[test]
    fn a_part_that_cannot_be_read_or_followed_is_never_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let main = dir.path().join("config.toml");
        assert_eq!(Effective::from_files(&main).unwrap().files, []);
        for text in
            ["imports = ['absent.toml']", "imports = ['sub/*/x.toml']", "imports = ['[ab].toml']", "["]
        {
            fs::write(&main, text).unwrap();
            assert!(Effective::from_files(&main).is_err(), "{text}");
        }
        // A circle ends.
        fs::write(&main, "imports = ['config.toml']").unwrap();
        assert_eq!(Effective::from_files(&main).unwrap().files.len(), 1);
    }

    #[test]
    fn nobody_behind_a_socket_is_an_error() {
        let path = Path::new("/nonexistent/containerd.sock");
        let kind = std::io::ErrorKind::NotFound;
        assert_eq!(Process::behind(path), Err(Unknown::Socket { path: path.to_path_buf(), kind }));
    }

    #[test]
    fn stars_and_question_marks_match_as_a_shell_has_it() {
        for (pattern, name, expected) in [
            ("*.toml", "a.toml", true),
            ("*.toml", ".toml", true),
            ("*.toml", "a.tom", false),
            ("?a*b*", "xaYbZ", true),
            ("?a*b*", "aYbZ", false),
            ("a*a*a*b", "aaaaaaaaaaaaaaaaaaaa", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
