//! containerd: the process behind its socket, the configuration that is in effect, the plugin that is loaded.

use std::path::Path;

use super::code::Code;
use super::kubelet::Create;
use super::{Finding, Scope, guarded};
use crate::containerd::bypass::{self, Finding as Setting, VerifierSettings};
use crate::containerd::drop_in::PLUGIN;
use crate::containerd::effective::{Completeness, Effective, Process};
use crate::containerd::probe::{self, Plugin, Running};
use crate::guard;

/// What could be seen of containerd.
#[derive(Debug, Default)]
pub struct Seen {
    /// The process behind the socket.
    pub process: Option<Process>,
    /// What it says of itself.
    pub running: Option<Running>,
    /// Its configuration.
    pub effective: Option<Effective>,
}

impl Seen {
    /// Whether this containerd has verifiers at all; where it does not say, it may.
    #[must_use]
    pub fn has_verifiers(&self) -> bool {
        self.running.as_ref().is_none_or(Running::has_verifiers)
    }
}

/// Asks the socket, the kernel and containerd's own program.
pub fn look(scope: &Scope<'_>, findings: &mut Vec<Finding>) -> Seen {
    let address = &scope.config.containerd.address;
    let named = scope.flavour.layout().socket;
    if address != Path::new(named) && !address.exists() {
        let what = format!("{}: nothing there; {} has {named}", address.display(), scope.flavour.name());
        let remedy = format!("flavour = \"{}\", or address = \"{named}\"", scope.flavour.name());
        let finding = Finding::of(Code::AddressOfAnother, what, remedy);
        findings.push(finding.at_key(scope.config_file, "[containerd] address"));
    }
    let running = match probe::ask(address) {
        Ok(running) => Some(running),
        Err(error) => {
            let what = format!("{}: {error}", address.display());
            let remedy = "start containerd, or name its socket".to_owned();
            let finding = Finding::of(Code::ContainerdUnreachable, what, remedy);
            findings.push(finding.at_key(scope.config_file, "[containerd] address"));
            None
        }
    };
    let process = running.as_ref().and_then(|_| Process::behind(address).ok());
    let unknown = |error: &dyn std::fmt::Display, findings: &mut Vec<Finding>| {
        let remedy = "make it readable as root, or name the output of `containerd config dump` with --containerd-config";
        findings.push(Finding::of(Code::ContainerdUnknown, error.to_string(), remedy));
    };
    let effective = match (scope.containerd_config, &process) {
        (Some(file), _) => Effective::from_files(file).map(|effective| Effective {
            completeness: if bypass::is_dump(&effective.table) {
                Completeness::Dumped
            } else {
                effective.completeness
            },
            ..effective
        }),
        // Whoever else answers there is not asked to run a program of its choice.
        (None, Some(process)) if guard::peer(process.user) => process.effective(),
        (None, Some(process)) => {
            let what = format!("{}: answered by user {}", address.display(), process.user);
            let remedy = "containerd runs as root: find out who listens there".to_owned();
            findings.push(Finding::of(Code::SocketOpen, what, remedy).at(address));
            return Seen { running, ..Seen::default() };
        }
        (None, None) => {
            let config = scope.place(scope.flavour.layout().config);
            if !config.exists() {
                unknown(&format!("{}: does not exist", config.display()), findings);
                return Seen { running, ..Seen::default() };
            }
            Effective::from_files(&config)
        }
    };
    let effective = match effective {
        Ok(effective) => Some(effective),
        Err(error) => {
            unknown(&error, findings);
            None
        }
    };
    Seen { process, running, effective }
}

/// Judges what was seen. With `create` judged by the proxy, a containerd without verifiers is no way around.
pub fn judge(scope: &Scope<'_>, seen: &Seen, create: Create, findings: &mut Vec<Finding>) {
    let before = findings.len();
    if guarded(Code::SocketOpen, guard::socket_or_link(&scope.config.containerd.address), findings) {
        findings.push(Finding::fine(
            "containerd-socket",
            format!("{}: root's, for nobody else", scope.config.containerd.address.display()),
        ));
    }
    if let Some(running) = &seen.running {
        judge_running(running, create, findings);
    }
    let Some(effective) = &seen.effective else { return };
    judge_settings(scope, effective, seen.has_verifiers(), findings);
    for part in &effective.files {
        guarded(Code::ConfigWritable, guard::file_or_link(&part.path), findings);
        if let Some(process) = &seen.process
            && process.has_not_read(part.changed)
        {
            let what = format!("{}: newer than the running containerd", part.path.display());
            findings.push(
                Finding::of(Code::RestartPending, what, "systemctl restart containerd".to_owned())
                    .at(&part.path),
            );
        }
    }
    if findings.iter().skip(before).all(|finding| finding.severity == super::code::Severity::Fine) {
        let from = match effective.completeness {
            Completeness::Dumped => "as containerd itself dumps it",
            Completeness::Merged => "as its files say",
        };
        findings.push(Finding::fine(
            "containerd-configuration",
            format!("{} file(s), {from}: no setting goes round the hook", effective.files.len()),
        ));
    }
}

fn judge_running(running: &Running, create: Create, findings: &mut Vec<Finding>) {
    let version = &running.version;
    if !running.cri_asks() {
        if create == Create::Judged {
            let what = format!(
                "containerd {version}: CRI asks no verifiers; kubelet's pulls are judged by the proxy"
            );
            findings.push(Finding::fine("containerd", what));
        } else {
            findings.push(Finding::of(
                Code::VerifierUnsupported,
                format!("containerd {version}"),
                "upgrade to containerd 2.1, or lead kubelet through pullward-cri".to_owned(),
            ));
        }
    }
    if !running.has_verifiers() {
        return;
    }
    match &running.plugin {
        Plugin::Loaded => {
            findings.push(Finding::fine("containerd", format!("{version}: verifier plugin loaded")));
        }
        Plugin::Failed(why) => findings.push(Finding::of(
            Code::VerifierNotLoaded,
            format!("containerd {version}: {PLUGIN} did not start: {why}"),
            "mend what it says, and restart containerd".to_owned(),
        )),
        Plugin::Absent => findings.push(Finding::of(
            Code::VerifierNotLoaded,
            format!("containerd {version}: {PLUGIN} is not loaded"),
            "take it out of disabled_plugins, and restart containerd".to_owned(),
        )),
    }
}

fn judge_settings(
    scope: &Scope<'_>,
    effective: &Effective,
    has_verifiers: bool,
    findings: &mut Vec<Finding>,
) {
    let main = effective
        .files
        .first()
        .map_or_else(|| scope.place(scope.flavour.layout().config), |part| part.path.clone());
    let generated = scope.flavour.layout().generated_by;
    let place = |remedy: String, file: &Path| match generated {
        Some(writer) if file == main => {
            format!("{remedy}; {writer} writes this file anew, so change its source")
        }
        _ => remedy,
    };
    for setting in bypass::local_pulls(&effective.table) {
        let says = |table: &toml::Table| bypass::local_pulls(table).contains(&setting);
        let file = effective.file_that(says).unwrap_or(&main);
        let finding = match &setting {
            Setting::LocalPull { setting, instead } => {
                if !has_verifiers {
                    // No version of 1.x asks anybody, with these settings or without.
                    continue;
                }
                let remedy = place(format!("remove the line ({instead}), and restart containerd"), file);
                let key = setting.split(" = ").next().unwrap_or(setting);
                Finding::of(Code::LocalPull, format!("{}: {setting}", file.display()), remedy)
                    .at_key(file, key)
            }
            other => {
                let remedy = place("remove the line, and restart containerd".to_owned(), file);
                Finding::of(Code::PullEndless, other.to_string(), remedy)
                    .at_key(file, "image_pull_progress_timeout")
            }
        };
        findings.push(finding);
    }
    if let Some(address) = bypass::tcp_address(&effective.table) {
        let says = |table: &toml::Table| bypass::tcp_address(table).is_some();
        let file = effective.file_that(says).unwrap_or(&main);
        findings.push(
            Finding::of(
                Code::ContainerdTcp,
                format!("{}: grpc.tcp_address = {address:?}", file.display()),
                place("remove the line, and restart containerd".to_owned(), file),
            )
            .at_key(file, "grpc.tcp_address"),
        );
    }
    if !has_verifiers {
        return;
    }
    let settings = VerifierSettings::of(&effective.table);
    if settings.disabled {
        let says = |table: &toml::Table| VerifierSettings::of(table).disabled;
        let file = effective.file_that(says).unwrap_or(&main);
        findings.push(
            Finding::of(
                Code::VerifierDisabled,
                format!("{}: disabled_plugins names {PLUGIN}", file.display()),
                place("take it out of the list, and restart containerd".to_owned(), file),
            )
            .at_key(file, "disabled_plugins"),
        );
    }
    let says =
        |table: &toml::Table| table.get("plugins").is_some_and(|plugins| plugins.get(PLUGIN).is_some());
    let file = effective.file_that(says).unwrap_or(&main);
    if !settings.required {
        findings.push(
            Finding::of(
                Code::VerifierNotRequired,
                format!("required_plugins does not name {PLUGIN}"),
                place(format!("required_plugins = [\"{PLUGIN}\"] at the top of the drop-in"), file),
            )
            .at_key(file, "required_plugins"),
        );
    }
    if let Some(time) = settings.short_timeout() {
        findings.push(
            Finding::of(
                Code::VerifierTimeout,
                format!("{}: per_verifier_timeout = {time:?}", file.display()),
                place("per_verifier_timeout = \"10s\"".to_owned(), file),
            )
            .at_key(file, "per_verifier_timeout"),
        );
    }
}
