//! What in a containerd configuration goes round the verifier, breaks pulls, or hides its reasons.
//!
//! Judged from the text of `containerd config dump`, or of a single file, by containerd's own rules:
//! `CheckLocalImagePullConfigs` in its `internal/cri/config` for the settings with which CRI pulls locally, without
//! verifiers, with one warning at start; `pkg/imageverifier/bindir` for the folder. Each was run against 2.1.9.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use pullward_core::limits::HOOK_SECONDS;
use toml::{Table, Value};

use crate::containerd::drop_in::{Format, PLUGIN};
use crate::containerd::wrapper::NAME;

/// CRI's image part in configurations of version 3.
const CRI_IMAGES: &str = "io.containerd.cri.v1.images";
/// CRI in configurations of version 2.
const CRI: &str = "io.containerd.grpc.v1.cri";
/// The plugin's kind, with which configurations disable all of it.
const PLUGIN_KIND: &str = "io.containerd.image-verifier.v1";
/// A text with as many plugins is a dump, with its imports merged in: 2.1.9 dumps 29, and nobody writes as many.
const DUMPED_PLUGINS: usize = 20;
/// containerd's number where the configuration names none.
const DEFAULT_MAX_VERIFIERS: i64 = 10;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Images are pulled without being judged.
    Bypass,
    /// Pulls that should work do not.
    Breaks,
    /// Worth knowing.
    Note,
}

/// One thing to know about a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// A setting with which CRI pulls without the verifier.
    #[error("{setting}: CRI pulls round the verifier, in silence: remove it ({instead})")]
    LocalPull {
        /// The setting as it is.
        setting: String,
        /// What to do instead.
        instead: &'static str,
    },
    /// The plugin is disabled.
    #[error("disabled_plugins names {PLUGIN}: nothing is judged, or containerd does not start: remove it")]
    Disabled,
    /// The plugin uses another folder, or none yet.
    #[error("the verifier plugin's bin_dir is {0:?}: nothing is judged until the drop-in is in effect")]
    OtherFolder(String),
    /// Our verifier is past the number that run.
    #[error("max_verifiers = {0}: {NAME} is not among the first {0}, so it is skipped: raise it")]
    Skipped(i64),
    /// Containerd gives up before the verifier does.
    #[error(
        "per_verifier_timeout = {0:?}: below {HOOK_SECONDS} s the reason of a slow denial is lost: use \"10s\""
    )]
    ShortTimeout(String),
    /// The plugin is not required.
    #[error("required_plugins does not name {PLUGIN}: containerd would start without it")]
    NotRequired,
    /// A pull that never ends.
    #[error("image_pull_progress_timeout = {0:?}: pulls can hang for ever (seen with 2.1.9): remove it")]
    EndlessPull(String),
    /// Something in the folder that containerd cannot execute.
    #[error("{0}: cannot be executed, so containerd refuses every pull: remove it")]
    NotExecutable(PathBuf),
    /// Another verifier.
    #[error("{0}: another verifier: all of them must agree")]
    Another(PathBuf),
    /// Parts that this text does not show.
    #[error("imports are not followed here: judge the output of `containerd config dump` to see them")]
    Imports,
    /// No TOML.
    #[error("containerd's configuration is not TOML: {0}")]
    Malformed(String),
}

impl Finding {
    /// How bad it is.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        match self {
            Self::LocalPull { .. } | Self::Disabled | Self::OtherFolder(_) | Self::Skipped(_) => {
                Severity::Bypass
            }
            Self::EndlessPull(_) | Self::NotExecutable(_) => Severity::Breaks,
            Self::ShortTimeout(_)
            | Self::NotRequired
            | Self::Another(_)
            | Self::Imports
            | Self::Malformed(_) => Severity::Note,
        }
    }
}

/// Version of a configuration's format; version 1, or none named, is read as version 2's keys.
#[must_use]
pub fn format(text: &str) -> Option<Format> {
    match text.parse::<Table>().ok()?.get("version").and_then(Value::as_integer) {
        Some(3) => Some(Format::Three),
        _ => Some(Format::Two),
    }
}

/// What a configuration says of verifiers, and of the plugin that runs them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierSettings {
    /// The folder; empty where nothing is said.
    pub bin_dir: String,
    /// How many are run, in name order. Negative: all.
    pub max_verifiers: i64,
    /// How long each may take; `None` where nothing is said.
    pub timeout: Option<String>,
    /// Whether `disabled_plugins` names the plugin, or its kind.
    pub disabled: bool,
    /// Whether `required_plugins` names it.
    pub required: bool,
}

impl VerifierSettings {
    /// Reads them.
    #[must_use]
    pub fn of(table: &Table) -> Self {
        let listed = |key: &str, names: &[&str]| {
            table
                .get(key)
                .and_then(Value::as_array)
                .is_some_and(|list| list.iter().filter_map(Value::as_str).any(|name| names.contains(&name)))
        };
        let plugin = plugin(table, PLUGIN);
        let setting = |key: &str| plugin.and_then(|plugin| plugin.get(key));
        Self {
            bin_dir: setting("bin_dir").and_then(Value::as_str).unwrap_or("").to_owned(),
            max_verifiers: setting("max_verifiers")
                .and_then(Value::as_integer)
                .unwrap_or(DEFAULT_MAX_VERIFIERS),
            timeout: setting("per_verifier_timeout").and_then(Value::as_str).map(str::to_owned),
            disabled: listed("disabled_plugins", &[PLUGIN, PLUGIN_KIND]),
            required: listed("required_plugins", &[PLUGIN]),
        }
    }

    /// Whether our file is not among those of `folder` that are run.
    #[must_use]
    pub fn skips_ours(&self, folder: &Path) -> bool {
        let before =
            entries(folder).iter().filter(|path| path.file_name().is_some_and(|name| name < NAME)).count();
        // Negative is no limit.
        self.max_verifiers >= 0 && i64::try_from(before).map_or(true, |before| before >= self.max_verifiers)
    }

    /// The timeout, where containerd gives up before the verifier does or where it is not understood.
    #[must_use]
    pub fn short_timeout(&self) -> Option<&str> {
        self.timeout.as_deref().filter(|time| seconds(time).is_none_or(|seconds| seconds <= HOOK_SECONDS))
    }
}

/// Judges a configuration whose verifiers should be in `folder`.
#[must_use]
pub fn judge(text: &str, folder: &Path) -> Vec<Finding> {
    let table: Table = match text.parse() {
        Ok(table) => table,
        Err(error) => return vec![Finding::Malformed(error.to_string().replace('\n', " "))],
    };
    let mut findings = local_pulls(&table);
    let settings = VerifierSettings::of(&table);
    if settings.disabled {
        findings.push(Finding::Disabled);
    }
    if settings.skips_ours(folder) {
        findings.push(Finding::Skipped(settings.max_verifiers));
    }
    if let Some(time) = settings.short_timeout() {
        findings.push(Finding::ShortTimeout(time.to_owned()));
    }
    if !settings.required {
        findings.push(Finding::NotRequired);
    }
    if Path::new(&settings.bin_dir) != folder {
        findings.push(Finding::OtherFolder(settings.bin_dir));
    }
    if !is_dump(&table)
        && table.get("imports").and_then(Value::as_array).is_some_and(|imports| !imports.is_empty())
    {
        findings.push(Finding::Imports);
    }
    findings.extend(others(folder));
    findings.sort_by_key(Finding::severity);
    findings
}

/// Whether a text is a dump: defaults and imports are in it.
#[must_use]
pub fn is_dump(table: &Table) -> bool {
    table.get("plugins").and_then(Value::as_table).is_some_and(|plugins| plugins.len() >= DUMPED_PLUGINS)
}

/// The image that pods are held open with, as a configuration names it.
#[must_use]
pub fn sandbox_image(table: &Table) -> Option<&str> {
    let pinned = plugin(table, CRI_IMAGES).and_then(|images| images.get("pinned_images")?.get("sandbox"));
    let old = plugin(table, CRI).and_then(|cri| cri.get("sandbox_image"));
    pinned.or(old).and_then(Value::as_str).filter(|image| !image.is_empty())
}

/// An address on which containerd's own services are reached over the network.
#[must_use]
pub fn tcp_address(table: &Table) -> Option<&str> {
    table.get("grpc")?.get("tcp_address")?.as_str().filter(|address| !address.is_empty())
}

/// What else is in the folder, and what of it stops every pull.
#[must_use]
pub fn others(folder: &Path) -> Vec<Finding> {
    entries(folder)
        .into_iter()
        .filter(|path| path.file_name().is_some_and(|name| name != NAME))
        .map(|path| if is_executable(&path) { Finding::Another(path) } else { Finding::NotExecutable(path) })
        .collect()
}

/// Whether containerd could execute what is at `path`; links are followed as it does.
#[must_use]
pub fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// The settings with which CRI pulls locally, and the one with which a pull has no end, in all places where a
/// configuration may have them.
#[must_use]
pub fn local_pulls(table: &Table) -> Vec<Finding> {
    let cri = plugin(table, CRI);
    // Version 2 keeps some of them one level down.
    let places =
        [plugin(table, CRI_IMAGES), cri, cri.and_then(|cri| cri.get("containerd")).and_then(Value::as_table)];
    let mut findings = Vec::new();
    for place in places.into_iter().flatten() {
        let mut bad = |setting: String, instead| findings.push(Finding::LocalPull { setting, instead });
        let value = |key: &str| place.get(key);
        for (key, good) in [
            ("use_local_image_pull", false),
            ("discard_unpacked_layers", false),
            ("image_pull_with_sync_fs", false),
            ("disable_snapshot_annotations", true),
        ] {
            if value(key).and_then(Value::as_bool).is_some_and(|value| value != good) {
                bad(format!("{key} = {}", !good), "its default is the other value");
            }
        }
        if let Some(most) =
            value("max_concurrent_downloads").and_then(Value::as_integer).filter(|most| *most != 3)
        {
            bad(
                format!("max_concurrent_downloads = {most}"),
                "set it in plugins.\"io.containerd.transfer.v1.local\" instead",
            );
        }
        let registry = value("registry").and_then(Value::as_table);
        for key in ["mirrors", "configs", "auths"] {
            let inside = registry.and_then(|registry| registry.get(key)).and_then(Value::as_table);
            if inside.is_some_and(|inside| !inside.is_empty()) {
                bad(format!("registry.{key}"), "use hosts.toml files under registry.config_path instead");
            }
        }
        if let Some(time) = value("image_pull_progress_timeout").and_then(Value::as_str)
            && seconds(time) == Some(0)
        {
            findings.push(Finding::EndlessPull(time.to_owned()));
        }
    }
    findings
}

fn plugin<'a>(table: &'a Table, name: &str) -> Option<&'a Table> {
    table.get("plugins")?.get(name)?.as_table()
}

/// What containerd would execute in `folder`, in its order. A folder that cannot be read is empty to it as well.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    entries.sort();
    entries
}

/// Whole seconds of a duration as Go writes it: `10s`, `1m0s`, `500ms`, `1.5s`, `0`. `None`: not understood.
fn seconds(text: &str) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let mut rest = text;
    let mut nanoseconds: f64 = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(end);
        let end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let unit = match unit {
            "h" => 3600e9,
            "m" => 60e9,
            "s" => 1e9,
            "ms" => 1e6,
            "us" | "µs" => 1e3,
            "ns" => 1.0,
            _ => return None,
        };
        nanoseconds += number.parse::<f64>().ok()? * unit;
        rest = tail;
    }
    if text.is_empty() {
        return None;
    }
    std::time::Duration::try_from_secs_f64(nanoseconds / 1e9).ok().map(|duration| duration.as_secs())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use super::{Finding, Severity, format, judge, seconds};
    use crate::containerd::drop_in::{Format, text};

    const FOLDER: &str = "/nonexistent/verifiers";

    fn with(lines: &str) -> Vec<Finding> {
        judge(&format!("{}\n{lines}\n", text(Format::Two, Path::new(FOLDER))), Path::new(FOLDER))
    }

    #[test]
    fn our_own_drop_in_has_no_finding() {
        assert_eq!(with(""), []);
        assert_eq!(judge(&text(Format::Three, Path::new(FOLDER)), Path::new(FOLDER)), []);
    }

    #[test]
    fn defaults_as_a_dump_writes_them_are_no_finding() {
        let dump = "[plugins.'io.containerd.cri.v1.images']\n\
            use_local_image_pull = false\ndiscard_unpacked_layers = false\ndisable_snapshot_annotations = true\n\
            max_concurrent_downloads = 3\nimage_pull_with_sync_fs = false\nimage_pull_progress_timeout = '5m0s'\n\
            concurrent_layer_fetch_buffer = 0\nstats_collect_period = 10\n\
            [plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = '/etc/containerd/certs.d'\n\
            [plugins.'io.containerd.cri.v1.images'.registry.headers]\nx = ['y']\n\
            [plugins.'io.containerd.cri.v1.images'.registry.mirrors]\n";
        assert_eq!(with(dump), []);
    }

    #[test]
    fn each_setting_that_makes_cri_pull_locally_is_found_in_both_formats() {
        for (setting, shown) in [
            ("use_local_image_pull = true", "use_local_image_pull = true"),
            ("discard_unpacked_layers = true", "discard_unpacked_layers = true"),
            ("disable_snapshot_annotations = false", "disable_snapshot_annotations = false"),
            ("image_pull_with_sync_fs = true", "image_pull_with_sync_fs = true"),
            ("max_concurrent_downloads = 10", "max_concurrent_downloads = 10"),
            ("registry.mirrors.'docker.io'.endpoint = ['x']", "registry.mirrors"),
            ("registry.configs.'docker.io'.auth = { username = 'u' }", "registry.configs"),
            ("registry.auths.'docker.io' = { username = 'u' }", "registry.auths"),
        ] {
            for place in ["io.containerd.cri.v1.images", "io.containerd.grpc.v1.cri"] {
                let findings = with(&format!("[plugins.'{place}']\n{setting}"));
                let [Finding::LocalPull { setting: found, .. }] = findings.as_slice() else {
                    panic!("{setting}: {findings:?}");
                };
                assert_eq!(found, shown);
                assert_eq!(findings[0].severity(), Severity::Bypass);
            }
        }
        for setting in ["discard_unpacked_layers = true", "disable_snapshot_annotations = false"] {
            assert_eq!(
                with(&format!("[plugins.'io.containerd.grpc.v1.cri'.containerd]\n{setting}")).len(),
                1
            );
        }
    }

    #[test]
    fn a_pull_without_end_is_found() {
        assert_eq!(
            with("[plugins.'io.containerd.cri.v1.images']\nimage_pull_progress_timeout = '0s'"),
            [Finding::EndlessPull("0s".into())]
        );
    }

    #[test]
    fn a_plugin_that_is_disabled_elsewhere_short_or_not_required_is_found() {
        let folder = Path::new(FOLDER);
        assert_eq!(judge("", folder), [Finding::OtherFolder(String::new()), Finding::NotRequired]);
        let other = text(Format::Three, Path::new("/opt/other"));
        assert_eq!(judge(&other, folder), [Finding::OtherFolder("/opt/other".into())]);
        let disabled = format!(
            "disabled_plugins = ['io.containerd.image-verifier.v1.bindir']\n{}",
            text(Format::Three, folder)
        );
        assert_eq!(judge(&disabled, folder), [Finding::Disabled]);
        let base = text(Format::Three, folder);
        assert_eq!(judge(&base.replace("= 10\n", "= 0\n"), folder), [Finding::Skipped(0)]);
        assert_eq!(judge(&base.replace("= 10\n", "= -1\n"), folder), []);
        for short in ["8s", "500ms", "5s", "odd", ""] {
            let text = base.replace("\"10s\"", &format!("\"{short}\""));
            assert_eq!(judge(&text, folder), [Finding::ShortTimeout(short.into())]);
        }
        assert_eq!(judge(&format!("imports = ['/x']\n{base}"), folder), [Finding::Imports]);
        let dumped: String = (0..20).map(|number| format!("[plugins.p{number}]\n")).collect();
        assert_eq!(judge(&format!("imports = ['/x']\n{base}{dumped}"), folder), []);
        assert!(matches!(judge("[", folder)[..], [Finding::Malformed(_)]));
    }

    #[test]
    fn what_else_is_in_the_folder_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let base = text(Format::Three, dir.path());
        let make = |name: &str, mode| {
            let path = dir.path().join(name);
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            path
        };
        make("00-pullward-verifier", 0o755);
        assert_eq!(judge(&base, dir.path()), []);
        let settings = make("conf.toml", 0o644);
        let other = make("zz-other", 0o755);
        let sub = dir.path().join("sub");
        fs::create_dir(&sub).unwrap();
        assert_eq!(
            judge(&base, dir.path()),
            [Finding::NotExecutable(settings), Finding::NotExecutable(sub), Finding::Another(other)]
        );
        for number in 0..3 {
            make(&format!("00-a{number}"), 0o755);
        }
        let three = base.replace("= 10\n", "= 3\n");
        assert!(judge(&three, dir.path()).contains(&Finding::Skipped(3)));
        assert!(!judge(&base, dir.path()).contains(&Finding::Skipped(10)));
    }

    #[test]
    fn the_format_is_read() {
        assert_eq!(format("version = 3"), Some(Format::Three));
        assert_eq!(format("version = 2"), Some(Format::Two));
        assert_eq!(format(""), Some(Format::Two));
        assert_eq!(format("["), None);
    }

    #[test]
    fn gos_durations_are_read() {
        for (text, expected) in [
            ("10s", Some(10)),
            ("1m0s", Some(60)),
            ("5m0s", Some(300)),
            ("1h", Some(3600)),
            ("1.5s", Some(1)),
            ("900ms", Some(0)),
            ("0", Some(0)),
            ("0s", Some(0)),
            ("", None),
            ("10", None),
            ("-1s", None),
            ("1x", None),
            ("1..5s", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }
}
