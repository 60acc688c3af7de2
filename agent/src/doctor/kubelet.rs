//! Where kubelet goes: to the CRI proxy, or to containerd itself.
//!
//! A kubelet that runs is asked by its command line and the files that it names; one that does not, by the files that its
//! distribution starts it with. kubelet's own order counts: flag, then drop-ins of `--config-dir`, then `--config`.

use std::fs;
use std::path::{Path, PathBuf};

use pullward_core::limits::CONFIG_BYTES;
use saphyr_parser::{Event, Parser};

use super::code::Code;
use super::nri::Plugin;
use super::runtime::Seen;
use super::{Finding, Scope, guarded};
use crate::containerd::effective;
use crate::containerd::flavour::Flavour;
use crate::guard;

/// The flag, without its dashes.
const FLAG: &str = "container-runtime-endpoint";
/// The same in a `KubeletConfiguration`, whose default is containerd's own socket.
const KEY: &str = "containerRuntimeEndpoint";
/// kubelet's default.
const DEFAULT: &str = "unix:///run/containerd/containerd.sock";
/// Files that set the flag, of kubeadm and of packages.
const ENVIRONMENTS: [&str; 3] =
    ["/var/lib/kubelet/kubeadm-flags.env", "/etc/default/kubelet", "/etc/sysconfig/kubelet"];
/// Files that hold the key, the one that counts last.
const CONFIGS: [&str; 4] = [
    "/etc/kubernetes/kubelet/config.json",
    "/etc/kubernetes/kubelet/config",
    "/var/lib/kubelet/config.yaml",
    "/var/lib/kubelet/instance-config.yaml",
];

/// Whether what kubelet starts is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Create {
    /// All of it goes through the proxy.
    Judged,
    /// There is no kubelet.
    NoKubelet,
    /// Some of it does not, or that is not known.
    NotJudged,
}

/// A kubelet's endpoint, and where it was said.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Endpoint {
    value: String,
    /// Who says so, in words.
    by: String,
    file: Option<PathBuf>,
    key: &'static str,
}

/// Services of containerd's own begin like this: with them images come and containers are made past CRI.
const CONTAINERD: &str = "containerd.";
/// Those of them that only tell something.
const TELLING: [&str; 2] =
    ["containerd.services.version.v1.Version", "containerd.services.introspection.v1.Introspection"];

/// Judges every kubelet of the node, and what the proxy hands on unread.
pub fn look(scope: &Scope<'_>, seen: &Seen, plugin: &Plugin, findings: &mut Vec<Finding>) -> Create {
    passed(scope, findings);
    let endpoints = match endpoints(scope) {
        Ok(endpoints) => endpoints,
        Err(why) => {
            let remedy = "make it readable as root".to_owned();
            findings.push(Finding::of(Code::KubeletUnknown, why, remedy));
            return Create::NotJudged;
        }
    };
    if endpoints.is_empty() {
        findings.push(Finding::fine("kubelet", "none on this node"));
        return Create::NoKubelet;
    }
    let mut create = Create::Judged;
    for endpoint in endpoints {
        if !judge(scope, &endpoint, seen, plugin, findings) {
            create = Create::NotJudged;
        }
    }
    create
}

fn judge(
    scope: &Scope<'_>,
    endpoint: &Endpoint,
    seen: &Seen,
    plugin: &Plugin,
    findings: &mut Vec<Finding>,
) -> bool {
    let proxy = scope.proxy_socket();
    let socket = PathBuf::from(endpoint.value.trim_start_matches("unix:").replacen("//", "", 1));
    let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let direct = |what: String| {
        let remedy = match scope.flavour.layout().kubelet {
            Ok(way) => format!("set `[cri] socket`, start pullward-cri, and {way}"),
            Err(why) => why.to_owned(),
        };
        let finding = match plugin {
            Plugin::Asked => {
                let version = seen.running.as_ref().map_or("", |running| running.version.as_str());
                let what = format!("{what}; judged by pullward-nri while it lives, by containerd {version}");
                Finding::of(Code::NriFailOpen, what, remedy)
            }
            Plugin::Absent | Plugin::NotAsked(_) => Finding::of(Code::KubeletDirect, what, remedy),
        };
        match &endpoint.file {
            Some(file) => finding.at_key(file, endpoint.key),
            None => finding,
        }
    };
    if real(&socket) != real(proxy) {
        findings.push(direct(format!("{}: {}", endpoint.by, endpoint.value)));
        return false;
    }
    match effective::peer(proxy) {
        // Nobody there is nobody who starts anything.
        Err(kind) => {
            let what = format!("{}: {kind}: kubelet is led there", proxy.display());
            let remedy = "systemctl start pullward-cri.socket pullward-cri.service".to_owned();
            findings.push(Finding::of(Code::KubeletUnknown, what, remedy).at(proxy));
            false
        }
        // A link, a bind mount or a relay: what counts is who answers.
        Ok((Some(id), _)) if seen.process.as_ref().is_some_and(|containerd| containerd.id == id) => {
            findings.push(direct(format!("{}: answered by containerd itself", proxy.display())));
            false
        }
        Ok((_, user)) if !guard::peer(user) => {
            let what = format!("{}: answered by user {user}", proxy.display());
            let remedy = "find out who listens there".to_owned();
            findings.push(Finding::of(Code::SocketOpen, what, remedy).at(proxy));
            false
        }
        Ok(_) if !guarded(Code::SocketOpen, guard::socket_or_link(proxy), findings) => false,
        Ok(_) => {
            findings.push(Finding::fine("kubelet", format!("{}: {}", endpoint.by, endpoint.value)));
            true
        }
    }
}

/// Each service of `[cri] pass` is a way round for whoever reaches the proxy's socket.
fn passed(scope: &Scope<'_>, findings: &mut Vec<Finding>) {
    if scope.config.cri.socket.is_none() {
        return;
    }
    for service in &scope.config.cri.pass {
        let opens = service.starts_with(CONTAINERD) && !TELLING.contains(&service.as_str());
        let code = if opens { Code::ProxyPass } else { Code::ProxyPassForeign };
        let finding = Finding::of(code, service, format!("take {service} out of the list"));
        findings.push(finding.at_key(scope.config_file, "[cri] pass"));
    }
}

/// The endpoints of all kubelets that run, or of the one that would; none where there is none.
fn endpoints(scope: &Scope<'_>) -> Result<Vec<Endpoint>, String> {
    let mut found = Vec::new();
    for (id, words) in processes(&scope.place("/proc"))? {
        let Some(program) = words.first().and_then(|word| Path::new(word).file_name()?.to_str()) else {
            continue;
        };
        match program {
            "kubelet" => found.push(of_kubelet(scope, &words, &format!("kubelet, process {id},"))?),
            "kubelite" => {
                let file = scope.place("/var/snap/microk8s/current/args/kubelet");
                let words = words_of(&read(&file)?);
                let by = format!("kubelite, process {id},");
                let endpoint = of_kubelet(scope, &words, &by)?;
                found.push(Endpoint { file: Some(file), ..endpoint });
            }
            // Both start kubelet inside of themselves.
            "k3s" | "k3s-server" | "k3s-agent"
                if words.iter().any(|word| word == "server" || word == "agent") =>
            {
                found.push(of_k3s(scope, &words, id)?);
            }
            _ => {}
        }
    }
    if found.is_empty() {
        found.extend(of_files(scope)?);
    }
    Ok(found)
}

fn of_kubelet(scope: &Scope<'_>, words: &[String], by: &str) -> Result<Endpoint, String> {
    if let Some(value) = flag(words, FLAG) {
        let by = format!("{by} by its flag --{FLAG}");
        let file = ENVIRONMENTS
            .map(|file| scope.place(file))
            .into_iter()
            .find(|file| fs::read_to_string(file).is_ok_and(|text| text.contains(&format!("--{FLAG}"))));
        return Ok(Endpoint { value, by, file, key: "--container-runtime-endpoint" });
    }
    let mut said = None;
    let mut files = Vec::new();
    files.extend(flag(words, "config").map(PathBuf::from));
    if let Some(folder) = flag(words, "config-dir") {
        let entries = fs::read_dir(&folder).map_err(|error| format!("{folder}: {error}"))?;
        let mut drop_ins: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        drop_ins.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
        drop_ins.sort();
        files.extend(drop_ins);
    }
    let main = files.first().cloned();
    for file in files {
        if let Some(value) = key(&file)? {
            said = Some(Endpoint {
                value,
                by: format!("{by} by {}", file.display()),
                file: Some(file),
                key: KEY,
            });
        }
    }
    let default =
        || Endpoint { value: DEFAULT.to_owned(), by: format!("{by} by default"), file: main, key: KEY };
    Ok(said.unwrap_or_else(default))
}

fn of_k3s(scope: &Scope<'_>, words: &[String], id: u32) -> Result<Endpoint, String> {
    let name = if scope.flavour == Flavour::Rke2 { "rke2" } else { "k3s" };
    let by = format!("{name}, process {id},");
    let file = scope.place(&format!("/etc/rancher/{name}/config.yaml"));
    let said = match flag(words, FLAG) {
        Some(value) => Some(value),
        None if file.exists() => {
            top_level(&read(&file)?, FLAG).map_err(|why| format!("{}: {why}", file.display()))?
        }
        None => None,
    };
    let key = "container-runtime-endpoint";
    Ok(match said {
        Some(value) => Endpoint { value, by, file: Some(file), key },
        None => Endpoint {
            value: format!("unix://{}", scope.flavour.layout().socket),
            by: format!("{by} with its own containerd"),
            file: Some(file),
            key,
        },
    })
}

/// The kubelet that does not run now, by the files that it is started with.
fn of_files(scope: &Scope<'_>) -> Result<Option<Endpoint>, String> {
    let mut installed = false;
    for name in ENVIRONMENTS {
        let file = scope.place(name);
        if file.exists() {
            installed = true;
            if let Some(value) = flag(&words_of(&read(&file)?), FLAG) {
                let by = format!("kubelet, not running, by {}", file.display());
                return Ok(Some(Endpoint {
                    value,
                    by,
                    file: Some(file),
                    key: "--container-runtime-endpoint",
                }));
            }
        }
    }
    let mut said = None;
    for name in CONFIGS {
        let file = scope.place(name);
        if file.exists() {
            installed = true;
            let value = key(&file)?;
            if value.is_some() || said.is_none() {
                let by = format!("kubelet, not running, by {}", file.display());
                said = Some(Endpoint {
                    value: value.unwrap_or_else(|| DEFAULT.to_owned()),
                    by,
                    file: Some(file),
                    key: KEY,
                });
            }
        }
    }
    let default = Endpoint {
        value: DEFAULT.to_owned(),
        by: "kubelet, not running, by default".to_owned(),
        file: None,
        key: KEY,
    };
    Ok(installed.then(|| said.unwrap_or(default)))
}

/// Every process with its command line. Those that end meanwhile are none.
pub(super) fn processes(proc: &Path) -> Result<Vec<(u32, Vec<String>)>, String> {
    let entries = fs::read_dir(proc).map_err(|error| format!("{}: {error}", proc.display()))?;
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let Ok(line) = fs::read(entry.path().join("cmdline")) else { continue };
        let line = String::from_utf8_lossy(&line);
        // One that has set its own title separates by blanks.
        let separators: &[char] =
            if line.trim_end_matches('\0').contains('\0') { &['\0'] } else { &['\0', ' '] };
        found.push((id, line.split(separators).filter(|word| !word.is_empty()).map(str::to_owned).collect()));
    }
    found.sort();
    Ok(found)
}

/// The words of a file with flags: lines of an arguments file, or of shell assignments.
fn words_of(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines
        .flat_map(|line| line.split([' ', '\t', '"', '\'']))
        .filter(|word| !word.is_empty())
        // The first word of an assignment has its name in front.
        .map(|word| word.find("=--").and_then(|at| word.get(at + 1..)).unwrap_or(word).to_owned())
        .collect()
}

/// The last value of a flag, as kubelet and k3s count.
fn flag(words: &[String], name: &str) -> Option<String> {
    let mut found = None;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Some(rest) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else { continue };
        if let Some(value) = rest.strip_prefix(name) {
            match value.strip_prefix('=') {
                Some(value) => found = Some(value.to_owned()),
                None if value.is_empty() => found = words.next().cloned().or(found),
                None => {}
            }
        }
    }
    found
}

fn key(file: &Path) -> Result<Option<String>, String> {
    top_level(&read(file)?, KEY).map_err(|why| format!("{}: {why}", file.display()))
}

fn read(file: &Path) -> Result<String, String> {
    let named = |error: std::io::Error| format!("{}: {error}", file.display());
    if fs::metadata(file).map_err(named)?.len() > CONFIG_BYTES {
        return Err(format!("{}: too large to be a configuration", file.display()));
    }
    fs::read_to_string(file).map_err(named)
}

/// The text beside a key at the top of a YAML or JSON document; an empty one is none.
fn top_level(text: &str, key: &str) -> Result<Option<String>, String> {
    let (mut depth, mut name, mut found): (usize, Option<String>, Option<String>) = (0, None, None);
    for event in Parser::new_from_str(text) {
        let (event, _) = event.map_err(|error| error.to_string())?;
        match event {
            Event::MappingStart(..) | Event::SequenceStart(..) => {
                depth += 1;
                if depth == 2 {
                    name = None;
                }
            }
            Event::MappingEnd | Event::SequenceEnd => depth = depth.saturating_sub(1),
            Event::Alias(_) => return Err("an alias: write it out".to_owned()),
            Event::Scalar(value, ..) if depth == 1 => match name.take() {
                None => name = Some(value.into_owned()),
                Some(name) if name == key => {
                    if found.is_some() {
                        return Err(format!("{key} stands twice"));
                    }
                    found = Some(value.into_owned());
                }
                Some(_) => {}
            },
            _ => {}
        }
    }
    Ok(found.filter(|value| !matches!(value.as_str(), "" | "~" | "null")))
}

#[cfg(test)]
mod tests {
    use super::{FLAG, KEY, flag, top_level, words_of};

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn the_last_flag_counts_in_every_spelling() {
        for (line, expected) in [
            ("kubelet", None),
            ("kubelet --container-runtime-endpoint=unix:///a", Some("unix:///a")),
            ("kubelet --container-runtime-endpoint unix:///a --v=2", Some("unix:///a")),
            ("kubelet -container-runtime-endpoint=a --container-runtime-endpoint=b", Some("b")),
            ("kubelet --container-runtime-endpoint-timeout=1", None),
            ("kubelet container-runtime-endpoint=a", None),
        ] {
            assert_eq!(flag(&words(line), FLAG).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn flags_are_read_from_environment_and_argument_files() {
        let kubeadm =
            "KUBELET_KUBEADM_ARGS=\"--container-runtime-endpoint=unix:///a --pod-infra-container-image=p\"\n";
        assert_eq!(flag(&words_of(kubeadm), FLAG).as_deref(), Some("unix:///a"));
        let bare = "KUBELET_EXTRA_ARGS=--container-runtime-endpoint=unix:///b\n";
        assert_eq!(flag(&words_of(bare), FLAG).as_deref(), Some("unix:///b"));
        let arguments = "--v=2\n# --container-runtime-endpoint=x\n--container-runtime-endpoint=unix:///c\n";
        assert_eq!(flag(&words_of(arguments), FLAG).as_deref(), Some("unix:///c"));
    }

    #[test]
    fn only_a_key_at_the_top_counts() {
        for (text, expected) in [
            ("kind: K\ncontainerRuntimeEndpoint: unix:///a\n", Some("unix:///a")),
            ("a:\n  containerRuntimeEndpoint: x\nb: [containerRuntimeEndpoint, y]\n", None),
            ("a: [1, {b: c}]\ncontainerRuntimeEndpoint: 'unix:///a'\n", Some("unix:///a")),
            ("a: containerRuntimeEndpoint\nb: c\n", None),
            ("{\"kind\":\"K\",\"containerRuntimeEndpoint\":\"unix:///a\"}", Some("unix:///a")),
            ("containerRuntimeEndpoint: \"\"\n", None),
            ("", None),
        ] {
            assert_eq!(top_level(text, KEY).unwrap().as_deref(), expected, "{text}");
        }
        for text in ["a: [", "containerRuntimeEndpoint: a\ncontainerRuntimeEndpoint: b\n", "a: &x b\nc: *x\n"]
        {
            assert!(top_level(text, KEY).is_err(), "{text}");
        }
    }
}
