//! `pullward-nri`, the create-time hook for nodes whose kubelet cannot be led through the CRI proxy.
//!
//! It is looked for as a process of root's and as an enabled unit; where it is meant to be there, containerd must have NRI
//! switched on and its socket where the plugin looks. Whether it is *registered* cannot be seen from outside: its journal
//! says so. And even then containerd creates what it gets no answer about, so that what kubelet starts is judged for as
//! long as the plugin lives, and no longer.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use toml::{Table, Value};

use super::code::Code;
use super::kubelet::{Create, processes};
use super::node::enabled;
use super::runtime::Seen;
use super::{Finding, Scope, guarded};
use crate::containerd::drop_in::NRI_PLUGIN;
use crate::guard::{self, GuardError};

/// Its unit, and the name of its program.
const UNIT: &str = "pullward-nri.service";
const PROGRAM: &str = "pullward-nri";
/// containerd's socket for plugins where its configuration names none.
const DEFAULT_SOCKET: &str = "/var/run/nri/nri.sock";

/// What there is of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plugin {
    /// Nobody has set it up.
    Absent,
    /// It is meant to be there, and containerd does not ask it, for these reasons.
    NotAsked(Vec<Finding>),
    /// It runs, and containerd has NRI.
    Asked,
}

/// Looks for it.
pub fn look(scope: &Scope<'_>, seen: &Seen) -> Plugin {
    let socket = &scope.config.nri.socket;
    // A process that may not be seen is none that can be relied on.
    let process = processes(&scope.place("/proc")).unwrap_or_default().into_iter().find(|(id, words)| {
        words.first().is_some_and(|word| Path::new(word).ends_with(PROGRAM))
            && fs::metadata(scope.place(&format!("/proc/{id}")))
                .is_ok_and(|metadata| guard::peer(metadata.uid()))
    });
    if process.is_none() && !enabled(scope, UNIT) {
        return Plugin::Absent;
    }
    let mut troubles = Vec::new();
    let mut trouble = |what: String, remedy: &str| {
        troubles.push(Finding::of(Code::NriNotAsked, what, remedy).at_key(scope.config_file, "[nri] socket"));
    };
    if process.is_none() {
        trouble(format!("{PROGRAM} does not run"), "systemctl restart pullward-nri.service");
    }
    if let Some(effective) = &seen.effective {
        let version = seen.running.as_ref().map(|running| running.version.as_str());
        let settings = NriSettings::of(&effective.table, version);
        if settings.disabled {
            let remedy = format!("[plugins.\"{NRI_PLUGIN}\"] disable = false, and restart containerd");
            trouble("containerd has NRI switched off".to_owned(), &remedy);
        } else if real(Path::new(&settings.socket)) != real(socket) {
            let what = format!("containerd waits for plugins at {}", settings.socket);
            trouble(
                format!("{what}, and {PROGRAM} looks at {}", socket.display()),
                "name the same socket in both",
            );
        }
    }
    match guard::socket_or_link(socket) {
        Err(GuardError::Absent(_)) => {
            trouble(
                format!("{}: nothing there", socket.display()),
                "switch NRI on, and restart containerd (1.7 or later)",
            );
        }
        checked => drop(guarded(Code::SocketOpen, checked, &mut troubles)),
    }
    if troubles.is_empty() { Plugin::Asked } else { Plugin::NotAsked(troubles) }
}

/// Judges it, where something that kubelet starts does not go through the proxy.
pub fn judge(seen: &Seen, create: Create, plugin: Plugin, findings: &mut Vec<Finding>) {
    if create != Create::NotJudged {
        if plugin == Plugin::Asked {
            findings.push(Finding::fine("nri", format!("{PROGRAM} runs, beside what stands in front of it")));
        }
        return;
    }
    match plugin {
        Plugin::Absent => {}
        Plugin::NotAsked(troubles) => findings.extend(troubles),
        Plugin::Asked => {
            let Some(effective) = &seen.effective else { return };
            if !NriSettings::of(&effective.table, None).required {
                let says = |table: &Table| table.contains_key("required_plugins");
                let finding = Finding::of(
                    Code::NriNotRequired,
                    format!("required_plugins does not name {NRI_PLUGIN}"),
                    "pullward setup containerd --nri, or the line by hand, and restart containerd",
                );
                let first = effective.files.first().map(|part| part.path.as_path());
                findings.push(match effective.file_that(says).or(first) {
                    Some(file) => finding.at_key(file, "required_plugins"),
                    None => finding,
                });
            }
        }
    }
}

fn real(path: &Path) -> std::path::PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf())
}

/// What containerd's configuration says of NRI.
#[derive(Debug, Clone, PartialEq, Eq)]
struct NriSettings {
    disabled: bool,
    required: bool,
    socket: String,
}

impl NriSettings {
    /// Reads them. NRI is off unless switched on in 1.7, which a version tells, and on in 2.x; 1.6 has none.
    fn of(table: &Table, version: Option<&str>) -> Self {
        let listed = |key: &str, kind: &str| {
            let list = table.get(key).and_then(Value::as_array).into_iter().flatten();
            list.filter_map(Value::as_str).any(|name| name == NRI_PLUGIN || name == kind)
        };
        let setting = |key: &str| table.get("plugins")?.get(NRI_PLUGIN)?.get(key);
        let old = version.is_some_and(|version| version.trim_start_matches('v').starts_with("1."));
        Self {
            disabled: setting("disable").and_then(Value::as_bool).unwrap_or(old)
                || listed("disabled_plugins", "io.containerd.nri.v1"),
            required: listed("required_plugins", NRI_PLUGIN),
            socket: setting("socket_path")
                .and_then(Value::as_str)
                .filter(|path| !path.is_empty())
                .unwrap_or(DEFAULT_SOCKET)
                .to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::NriSettings;

    fn of(text: &str, version: &str) -> NriSettings {
        NriSettings::of(&text.parse().unwrap(), Some(version))
    }

    #[test]
    fn nri_is_off_in_1_7_unless_switched_on_and_on_in_2_unless_switched_off() {
        let on = "[plugins.'io.containerd.nri.v1.nri']\ndisable = false\n";
        let off = "[plugins.'io.containerd.nri.v1.nri']\ndisable = true\n";
        for (text, version, disabled) in [
            ("", "1.7.24~ds1", true),
            ("", "v1.6.20", true),
            ("", "2.1.9", false),
            (on, "1.7.24~ds1", false),
            (off, "2.1.9", true),
            ("disabled_plugins = ['io.containerd.nri.v1.nri']", "2.1.9", true),
            ("disabled_plugins = ['io.containerd.nri.v1']", "2.1.9", true),
            ("disabled_plugins = ['io.containerd.cri.v1']", "2.1.9", false),
        ] {
            assert_eq!(of(text, version).disabled, disabled, "{version}: {text}");
        }
    }

    #[test]
    fn only_the_plugin_itself_is_required_and_its_socket_has_a_default() {
        assert!(of("required_plugins = ['io.containerd.nri.v1.nri']", "2.1.9").required);
        assert!(!of("required_plugins = ['io.containerd.nri.v1']", "2.1.9").required);
        assert!(!of("", "2.1.9").required);
        assert_eq!(of("", "2.1.9").socket, "/var/run/nri/nri.sock");
        assert_eq!(of("plugins.'io.containerd.nri.v1.nri'.socket_path = '/n'", "2.1.9").socket, "/n");
    }
}
