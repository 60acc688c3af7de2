//! pullward itself on this node: its sockets and files, the agent's own account, its unit, its receipts.

use std::fs;
use std::path::{Path, PathBuf};

use pullward_proto::v1::StatusResponse;

use super::code::Code;
use super::{Finding, Scope, guarded};
use crate::guard::{self, GuardError};
use crate::receipt::{node_key, store};

/// Units without which nobody answers.
const UNITS: [&str; 3] = ["pullward.service", "pullward.socket", "pullward-admin.socket"];
/// Where units are masked and enabled, and where packages put them.
const UNIT_FOLDERS: [&str; 2] = ["/etc/systemd/system", "/run/systemd/system"];
/// Where packages put units.
const PACKAGED: [&str; 3] = ["/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
/// The first bytes of a receipts database, which is redb's.
const MAGIC: &[u8] = b"redb";

/// Looks at all of it.
pub fn look(scope: &Scope<'_>, findings: &mut Vec<Finding>) {
    sockets(scope, findings);
    files(scope, findings);
    units(scope, findings);
    receipts(scope, findings);
    match &scope.agent {
        Ok(status) => agent(scope, status, findings),
        Err(why) => {
            let remedy = "systemctl status pullward, and start it".to_owned();
            findings
                .push(Finding::of(Code::AgentUnreachable, why, remedy).at(&scope.config.agent.admin_socket));
        }
    }
}

fn sockets(scope: &Scope<'_>, findings: &mut Vec<Finding>) {
    let agent = &scope.config.agent;
    let mut fine = true;
    let sockets = [Some(&agent.socket), Some(&agent.admin_socket), scope.config.cri.socket.as_ref()];
    for socket in sockets.into_iter().flatten() {
        match guard::socket(socket) {
            // Nobody there: the agent, or kubelet's endpoint, is a finding of its own.
            Err(GuardError::Absent(_)) => {}
            checked => fine &= guarded(Code::SocketOpen, checked, findings),
        }
    }
    if fine {
        findings.push(Finding::fine("sockets", "root's, in folders that nobody else can write"));
    }
}

fn files(scope: &Scope<'_>, findings: &mut Vec<Finding>) {
    let trust = &scope.config.trust;
    let state = &scope.config.agent.state_dir;
    for file in std::iter::once(scope.config_file).chain(trust.roots.iter().map(PathBuf::as_path)) {
        match guard::file(file) {
            Err(GuardError::Absent(_)) => {}
            checked => drop(guarded(Code::ConfigWritable, checked, findings)),
        }
    }
    match guard::folder(state) {
        Err(GuardError::Absent(_)) => {}
        checked => drop(guarded(Code::ConfigWritable, checked, findings)),
    }
}

fn units(scope: &Scope<'_>, findings: &mut Vec<Finding>) {
    let installed = |unit: &str| {
        PACKAGED.iter().any(|folder| {
            fs::symlink_metadata(scope.place(folder).join(unit)).is_ok_and(|metadata| metadata.is_file())
        })
    };
    let before = findings.len();
    for unit in UNITS {
        for folder in UNIT_FOLDERS {
            let file = scope.place(folder).join(unit);
            if fs::read_link(&file).is_ok_and(|target| target == Path::new("/dev/null")) {
                let what = format!("{unit} is masked");
                findings
                    .push(Finding::of(Code::UnitMasked, what, format!("systemctl unmask {unit}")).at(file));
            }
        }
        if installed(unit) && findings.len() == before && !enabled(scope, unit) {
            let what = format!("{unit} is not enabled");
            findings.push(Finding::of(Code::UnitDisabled, what, format!("systemctl enable {unit}")));
        }
    }
    if findings.len() == before && UNITS.into_iter().all(installed) {
        findings.push(Finding::fine("units", "enabled"));
    }
}

/// Whether something wants or requires a unit.
pub(super) fn enabled(scope: &Scope<'_>, unit: &str) -> bool {
    UNIT_FOLDERS.iter().any(|folder| {
        let folders = fs::read_dir(scope.place(folder)).into_iter().flatten().flatten();
        folders
            .filter(|entry| {
                let name = entry.file_name();
                name.to_string_lossy().ends_with(".wants") || name.to_string_lossy().ends_with(".requires")
            })
            .any(|entry| fs::symlink_metadata(entry.path().join(unit)).is_ok())
    })
}

fn receipts(scope: &Scope<'_>, findings: &mut Vec<Finding>) {
    let state = &scope.config.agent.state_dir;
    let mut bad = |what: String, file: &Path| {
        let remedy = "move it away and restart the agent: it makes a new one, and judges anew".to_owned();
        findings.push(Finding::of(Code::ReceiptsUnreadable, what, remedy).at(file));
    };
    let key = state.join(node_key::FILE);
    let key_fine = match guard::secret(&key) {
        Err(GuardError::Absent(_)) => true,
        Err(error) => {
            bad(error.to_string(), &key);
            false
        }
        Ok(()) if fs::metadata(&key).map_or(0, |metadata| metadata.len()) != 32 => {
            bad(format!("{}: not a node key of 32 bytes", key.display()), &key);
            false
        }
        Ok(()) => true,
    };
    let file = state.join(store::FILE);
    let file_fine = match guard::file(&file) {
        Err(GuardError::Absent(_)) => true,
        Err(error) => {
            bad(error.to_string(), &file);
            false
        }
        Ok(()) => {
            let mut first = [0; MAGIC.len()];
            let read = fs::File::open(&file).and_then(|mut file| {
                use std::io::Read as _;
                file.read_exact(&mut first)
            });
            let ours = read.is_ok() && first == MAGIC;
            if !ours {
                bad(format!("{}: not a database of receipts", file.display()), &file);
            }
            ours
        }
    };
    if key_fine && file_fine {
        findings.push(Finding::fine("receipts", format!("{}: this node's own", state.display())));
    }
}

fn agent(scope: &Scope<'_>, status: &StatusResponse, findings: &mut Vec<Finding>) {
    findings.push(Finding::fine("agent", format!("pullward {}, process {}", status.version, status.pid)));
    for problem in crate::cli::status::problems(status) {
        let (code, remedy) = match problem.code {
            "trust-missing" => (Code::TrustUnreadable, "pullward trust install FILE"),
            "trust-expired" => (Code::TrustExpired, "pullward trust install FILE"),
            "reload-failed" => (Code::ReloadFailed, "mend what it says, then pullward trust install FILE"),
            "clock-behind" => (Code::ClockBehind, "set the clock, by NTP for instance"),
            "probe-not-refused" => (Code::ProbeNotRefused, "close the ways that this report names"),
            "probe-failed" | "probe-pending" => {
                (Code::ProbeFailed, "mend what it says; the agent tries again by itself")
            }
            "unverified-running" => (Code::UnverifiedRunning, "pullward audit"),
            "unverified-images" => (Code::UnverifiedImages, "pullward audit"),
            // A problem that this list does not know yet is not known to be harmless.
            _ => (Code::AgentUnreachable, "pullward status"),
        };
        findings.push(Finding::of(code, problem.message, remedy));
    }
    if scope.config.probe.interval.is_none() {
        let remedy = "interval = \"5m\"".to_owned();
        let finding = Finding::of(Code::ProbeOff, "[probe] interval is not set", remedy);
        findings.push(finding.at_key(scope.config_file, "[probe] interval"));
    }
}
