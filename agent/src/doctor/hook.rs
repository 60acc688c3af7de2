//! The folder whose programs containerd executes: there, root's, with our file in it, wired to this very agent.

use std::fs;
use std::path::{Path, PathBuf};

use super::code::Code;
use super::{Finding, Scope, guarded};
use crate::containerd::bypass::{self, Finding as Other, VerifierSettings};
use crate::containerd::drop_in::PLUGIN;
use crate::containerd::effective::Effective;
use crate::containerd::wrapper::{NAME, Wrapper, WrapperError};
use crate::guard::{self, GuardError};

/// containerd's folder where its configuration names none.
const DEFAULT_FOLDER: &str = "/opt/containerd/image-verifier/bin";

/// Judges the folder that the configuration in effect names.
pub fn look(scope: &Scope<'_>, effective: &Effective, findings: &mut Vec<Finding>) {
    let settings = VerifierSettings::of(&effective.table);
    let folder = match settings.bin_dir.as_str() {
        "" => PathBuf::from(DEFAULT_FOLDER),
        named => PathBuf::from(named),
    };
    let says = |table: &toml::Table| !VerifierSettings::of(table).bin_dir.is_empty();
    let config = effective.file_that(says).map(Path::to_path_buf);
    if !guarded(Code::VerifierFolder, guard::folder(&folder), findings) {
        return;
    }
    if let Err(error) = fs::read_dir(&folder) {
        let what = format!("{}: {error}", folder.display());
        findings.push(Finding::of(Code::VerifierFolder, what, "make it readable".to_owned()).at(&folder));
        return;
    }
    let before = findings.len();
    let file = folder.join(NAME);
    look_at_ours(scope, &file, findings);
    if settings.skips_ours(&folder) {
        let most = settings.max_verifiers;
        let what = format!("max_verifiers = {most}: {} is not among the first {most}", file.display());
        let finding = Finding::of(
            Code::VerifierSkipped,
            what,
            "max_verifiers = 10, and nothing before ours".to_owned(),
        );
        findings.push(match config {
            Some(config) => finding.at_key(config, format!("plugins.\"{PLUGIN}\".max_verifiers")),
            None => finding.at(&folder),
        });
    }
    for other in bypass::others(&folder) {
        match other {
            Other::Another(path) => findings.push(
                Finding::of(
                    Code::VerifierBeside,
                    format!("{}: another verifier", path.display()),
                    "remove it unless it is meant to be there".to_owned(),
                )
                .at(path),
            ),
            Other::NotExecutable(path) => findings.push(
                Finding::of(
                    Code::PullsRefused,
                    format!("{}: cannot be executed", path.display()),
                    "remove it".to_owned(),
                )
                .at(path),
            ),
            _ => {}
        }
    }
    if findings.len() == before {
        findings.push(Finding::fine(
            "hook",
            format!("{}: asks {}", file.display(), scope.config.agent.socket.display()),
        ));
    }
}

fn look_at_ours(scope: &Scope<'_>, file: &Path, findings: &mut Vec<Finding>) {
    let set_up = "pullward setup containerd --bin-dir with this folder".to_owned();
    let foreign = |what: String| Finding::of(Code::VerifierForeign, what, set_up.clone()).at(file);
    match guard::file(file) {
        Ok(()) => {}
        Err(GuardError::Absent(_)) => {
            let what = format!("{}: does not exist", file.display());
            findings.push(Finding::of(Code::VerifierAbsent, what, set_up).at(file));
            return;
        }
        Err(error) => {
            findings.push(foreign(error.to_string()));
            return;
        }
    }
    let text = match fs::read(file) {
        Ok(text) => text,
        Err(error) => {
            findings.push(foreign(format!("{}: {error}", file.display())));
            return;
        }
    };
    let Some((verifier, socket)) = Wrapper::parse(&text) else {
        findings.push(foreign(format!("{}: is not the file that setup writes", file.display())));
        return;
    };
    if socket != scope.config.agent.socket {
        let ours = scope.config.agent.socket.display();
        findings.push(foreign(format!("{}: asks {}, and not {ours}", file.display(), socket.display())));
    }
    let refused = |what: String, path: &Path| {
        Finding::of(Code::PullsRefused, what, "install pullward-verifier there, mode 0755".to_owned())
            .at(path)
    };
    match Wrapper::check(&verifier) {
        Ok(()) => {}
        Err(error @ (WrapperError::NotExecutable(_) | WrapperError::Guard(GuardError::Absent(_)))) => {
            findings.push(refused(error.to_string(), &verifier));
        }
        Err(error) => {
            let remedy = "give it and all folders above it to root, writable by nobody else".to_owned();
            findings.push(Finding::of(Code::VerifierForeign, error.to_string(), remedy).at(&verifier));
        }
    }
    if bypass::is_executable(file) {
        return;
    }
    findings.push(refused(format!("{}: is not executable", file.display()), file));
}
