//! `pullward doctor`: every way around enforcement on this node.
//!
//! Each module looks at one thing as it *is*: the process behind a socket, the files that it read, what stands in a folder.
//! A finding is a [`code::Code`] with the place to change. What cannot be looked at is a finding as well (T-75), so that
//! nothing fails open here: [`Report::exit`] is 0 only where every question has an answer.
//!
//! - [`runtime`]: containerd, its configuration in effect, its plugin;
//! - [`hook`]: the verifier folder;
//! - [`kubelet`]: where kubelet goes;
//! - [`nri`]: containerd's NRI and our plugin;
//! - [`node`]: sockets, the agent, its unit, clock, receipts, probe;
//! - [`policy`]: trust bundle, pause image, registries;
//! - [`beside`]: other runtimes, archives that are imported.
//!
//! What this does *not* do: repair anything, or look at images; `audit` does that.

pub mod beside;
pub mod code;
pub mod hook;
pub mod kubelet;
pub mod node;
pub mod nri;
pub mod policy;
pub mod runtime;

use std::path::{Path, PathBuf};

use pullward_proto::v1::StatusResponse;
use serde::Serialize;

use crate::config::Config;
use crate::containerd::flavour::Flavour;
use crate::guard::GuardError;
use crate::verdict::printable;
use code::{Code, Severity};

/// Name of the report's schema. Compatibility rule: within v1 fields and codes are added, never renamed or re-used.
pub const SCHEMA: &str = "pullward/doctor/v1";

/// Longest text of a finding, in bytes.
const TEXT_BYTES: usize = 1000;

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Stable code; of what is fine, the name of what was looked at.
    pub code: &'static str,
    /// What was found, with its name.
    pub what: String,
    /// Why it matters; empty where it is fine.
    pub why: &'static str,
    /// What to do; empty where it is fine.
    pub remedy: String,
    /// Where to do it.
    pub change: Option<Change>,
}

/// The line to change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    /// The file, or the folder where it is one.
    pub file: PathBuf,
    /// The key in it; `None` where the file as a whole is meant.
    pub key: Option<String>,
}

impl Finding {
    /// A finding of this kind.
    #[must_use]
    pub fn of(code: Code, what: impl AsRef<str>, remedy: impl Into<String>) -> Self {
        Self {
            severity: code.severity(),
            code: code.name(),
            what: printable(what.as_ref(), TEXT_BYTES),
            why: code.why(),
            remedy: printable(&remedy.into(), TEXT_BYTES),
            change: None,
        }
    }

    /// Something that is as it should be.
    #[must_use]
    pub fn fine(area: &'static str, what: impl AsRef<str>) -> Self {
        Self {
            severity: Severity::Fine,
            code: area,
            what: printable(what.as_ref(), TEXT_BYTES),
            why: "",
            remedy: String::new(),
            change: None,
        }
    }

    /// With the file to change.
    #[must_use]
    pub fn at(self, file: impl Into<PathBuf>) -> Self {
        Self { change: Some(Change { file: file.into(), key: None }), ..self }
    }

    /// With the file and the key to change.
    #[must_use]
    pub fn at_key(self, file: impl Into<PathBuf>, key: impl Into<String>) -> Self {
        Self { change: Some(Change { file: file.into(), key: Some(key.into()) }), ..self }
    }
}

/// What is looked at.
#[derive(Debug)]
pub struct Scope<'a> {
    /// pullward's configuration.
    pub config: &'a Config,
    /// Its file.
    pub config_file: &'a Path,
    /// The system's own places are looked for below this folder; paths in configurations stand as they are written.
    pub root: &'a Path,
    /// Whose paths; never [`Flavour::Auto`].
    pub flavour: Flavour,
    /// containerd's configuration, where its process cannot tell it.
    pub containerd_config: Option<&'a Path>,
    /// What the agent says of itself, or why it says nothing.
    pub agent: Result<StatusResponse, String>,
}

impl Scope<'_> {
    /// One of the system's own places.
    #[must_use]
    pub fn place(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// The socket that kubelet should go to.
    #[must_use]
    pub fn proxy_socket(&self) -> &Path {
        self.config.cri.socket.as_deref().unwrap_or_else(|| Path::new("/run/pullward/cri.sock"))
    }
}

/// All findings of one examination, worst first, in an order of its own that does not change from run to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Whose paths were looked at.
    pub flavour: Flavour,
    /// The findings.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Orders findings, and keeps one of those that say the same.
    #[must_use]
    pub fn new(flavour: Flavour, mut findings: Vec<Finding>) -> Self {
        findings.sort();
        findings.dedup();
        Self { flavour, findings }
    }

    /// 1: a way is open. 2: none was seen, and not everything could be looked at. 0: none is open.
    #[must_use]
    pub fn exit(&self) -> u8 {
        match self.findings.first().map(|finding| finding.severity) {
            Some(Severity::Open) => 1,
            // Nothing looked at is nothing known.
            Some(Severity::Undecided) | None => 2,
            Some(Severity::Warning | Severity::Fine) => 0,
        }
    }
}

/// Looks at everything.
#[must_use]
pub fn examine(scope: &Scope<'_>) -> Report {
    let mut findings = Vec::new();
    let seen = runtime::look(scope, &mut findings);
    let plugin = nri::look(scope, &seen);
    let create = kubelet::look(scope, &seen, &plugin, &mut findings);
    nri::judge(&seen, create, plugin, &mut findings);
    runtime::judge(scope, &seen, create, &mut findings);
    if let Some(effective) = &seen.effective
        && seen.has_verifiers()
    {
        hook::look(scope, effective, &mut findings);
    }
    beside::look(scope, create, &mut findings);
    node::look(scope, &mut findings);
    policy::look(scope, seen.effective.as_ref(), &mut findings);
    Report::new(scope.flavour, findings)
}

/// Turns a path that is not trusted into a finding; what cannot be looked at is not known.
fn guarded(code: Code, checked: Result<(), GuardError>, findings: &mut Vec<Finding>) -> bool {
    let Err(error) = checked else { return true };
    if matches!((&error, code), (GuardError::Absent(_), Code::SocketOpen | Code::ConfigWritable)) {
        // Nothing there is nothing to go through; that it is missing is another finding.
        return false;
    }
    let file = match &error {
        GuardError::NotPlain(path) | GuardError::Absent(path) | GuardError::Symlink(path) => path,
        GuardError::Unreadable { path, .. }
        | GuardError::Kind { path, .. }
        | GuardError::Owner { path, .. }
        | GuardError::Readable { path, .. }
        | GuardError::Writable { path, .. } => path,
    };
    let remedy = "give it and all folders above it to root, writable by nobody else".to_owned();
    findings.push(Finding::of(code, error.to_string(), remedy).at(file));
    false
}

#[cfg(test)]
mod tests {
    use super::code::Code;
    use super::{Finding, Report};
    use crate::containerd::flavour::Flavour;

    fn exit(findings: &[Finding]) -> u8 {
        Report::new(Flavour::Debian, findings.to_vec()).exit()
    }

    #[test]
    fn one_open_way_is_not_fine_and_what_is_not_known_is_not_fine_either() {
        let fine = Finding::fine("hook", "x");
        let warning = Finding::of(Code::ProbeOff, "x", "y");
        let undecided = Finding::of(Code::ContainerdUnknown, "x", "y");
        let open = Finding::of(Code::LocalPull, "x", "y");
        assert_eq!(exit(&[]), 2);
        assert_eq!(exit(std::slice::from_ref(&fine)), 0);
        assert_eq!(exit(&[fine.clone(), warning.clone()]), 0);
        assert_eq!(exit(&[fine.clone(), warning.clone(), undecided.clone()]), 2);
        assert_eq!(exit(&[fine, warning, undecided, open]), 1);
    }

    #[test]
    fn what_comes_from_files_cannot_steer_the_terminal() {
        let finding = Finding::of(Code::LocalPull, "a\u{1b}[2Jb", "c\nd");
        assert_eq!((finding.what.as_str(), finding.remedy.as_str()), ("a\\u{1b}[2Jb", "c\\u{a}d"));
    }
}
