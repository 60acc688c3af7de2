//! What stands beside containerd and kubelet: other runtimes, and folders whose archives are imported at start.

use std::fs;
use std::path::PathBuf;

use super::code::Code;
use super::kubelet::Create;
use super::{Finding, Scope};

/// Where programs are looked for.
const FOLDERS: [&str; 8] =
    ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/bin", "/sbin", "/opt/bin", "/snap/bin"];

/// Runtimes and builders: name, sockets, programs. A client such as nerdctl pulls by itself, past containerd's verifiers.
const RUNTIMES: [(&str, &[&str], &[&str]); 5] = [
    ("docker", &["/run/docker.sock", "/var/run/docker.sock"], &["dockerd"]),
    ("podman", &["/run/podman/podman.sock"], &["podman"]),
    ("cri-o", &["/run/crio/crio.sock"], &["crio"]),
    ("nerdctl", &[], &["nerdctl"]),
    ("buildkit", &["/run/buildkit/buildkitd.sock"], &["buildkitd"]),
];

/// Names of archives that flavours import: `.tar` and its compressed kin, and k3s's lists.
const ARCHIVES: [&str; 8] = [".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz", ".tar.zst", ".tzst", ".tar.lz4"];

/// Looks for both.
pub fn look(scope: &Scope<'_>, create: Create, findings: &mut Vec<Finding>) {
    let mut others = false;
    for (name, sockets, programs) in RUNTIMES {
        let programs = programs
            .iter()
            .flat_map(|program| FOLDERS.map(|folder| scope.place(&format!("{folder}/{program}"))));
        let found = sockets.iter().map(|socket| scope.place(socket)).chain(programs);
        // A link whose target is gone is something that nobody runs.
        if let Some(path) = found.into_iter().find(|path| path.exists()) {
            others = true;
            findings.push(
                Finding::of(
                    Code::OtherRuntime,
                    format!("{name}: {}", path.display()),
                    format!("remove {name} from nodes, or keep everybody who is not root away from it"),
                )
                .at(path),
            );
        }
    }
    if !others {
        findings.push(Finding::fine("other-runtimes", "none found"));
    }
    for folder in scope.flavour.layout().preload {
        preload(scope.place(folder), create, findings);
    }
}

fn preload(folder: PathBuf, create: Create, findings: &mut Vec<Finding>) {
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
        Err(error) => {
            let what = format!("{}: {error}", folder.display());
            findings.push(Finding::of(Code::Preload, what, "make it readable".to_owned()).at(&folder));
            return;
        }
    };
    let archives = entries
        .flatten()
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            ARCHIVES.iter().any(|ending| name.ends_with(ending)) || name.ends_with(".txt")
        })
        .count();
    if archives == 0 {
        return;
    }
    let what = format!("{}: {archives} archive(s) or list(s) that are imported at start", folder.display());
    findings.push(if create == Create::Judged {
        Finding::fine("preload", format!("{what}; what kubelet starts of them is judged"))
    } else {
        let remedy = "remove them, or lead kubelet through pullward-cri".to_owned();
        Finding::of(Code::Preload, what, remedy).at(&folder)
    });
}
