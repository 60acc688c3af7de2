//! `pullward setup containerd`: puts the hook where containerd executes it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use pullward_core::limits::CONTAINERD_CONFIG_BYTES;

use crate::config::{self, Config};
use crate::containerd::bypass::{self, Finding, Severity};
use crate::containerd::drop_in::{self, Format, Nri};
use crate::containerd::flavour::{Flavour, Route};
use crate::containerd::place::{self, Placed};
use crate::containerd::probe::{self, Plugin};
use crate::containerd::wrapper::{NAME, PACKAGED_VERIFIER, Wrapper};

/// Where the hook goes unless somebody says otherwise.
const DEFAULT_FOLDER: &str = "/opt/pullward/image-verifier";

/// What our drop-in is called, in a folder of the flavour's.
const DROP_IN: &str = "10-pullward.toml";

/// Connects pullward to what runs on this node.
#[derive(Debug, Clone, Args)]
pub struct Setup {
    /// What to set up.
    #[command(subcommand)]
    pub what: What,
}

/// What to set up.
#[derive(Debug, Clone, Subcommand)]
pub enum What {
    /// Make containerd (2.0 or later) ask pullward before every pull.
    Containerd(SetupContainerd),
}

/// `pullward setup containerd`
#[derive(Debug, Clone, Args)]
pub struct SetupContainerd {
    /// pullward's configuration: the hook is wired to its socket.
    #[arg(long, value_name = "FILE", default_value = config::DEFAULT_PATH)]
    pub config: PathBuf,
    /// The folder of containerd's image verifiers: one of its own, which is made.
    #[arg(long, value_name = "DIR", default_value = DEFAULT_FOLDER)]
    pub bin_dir: PathBuf,
    /// Whose paths to tell of, instead of what the configuration says or the system looks like.
    #[arg(long, value_enum, value_name = "FLAVOUR")]
    pub flavour: Option<Flavour>,
    /// Look for the system's own places below this folder; the folder of verifiers and what is written stand as they are.
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub root: PathBuf,
    /// Take the hook away again, and the file that --write names. Needs neither agent nor configuration.
    #[arg(long, conflicts_with_all = ["print", "verifier", "containerd_config"])]
    pub undo: bool,
    /// Change nothing: print what would be written.
    #[arg(long)]
    pub print: bool,
    /// Write the piece of containerd's configuration to this file, too.
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
    /// Containers are judged by pullward-nri, too: switch NRI on, and let containerd not start without it.
    #[arg(long, conflicts_with = "undo")]
    pub nri: bool,
    /// The pullward-verifier that containerd shall run.
    #[arg(long, value_name = "FILE")]
    pub verifier: Option<PathBuf>,
    /// containerd's configuration, or better the output of `containerd config dump`, to look for ways round the hook.
    #[arg(long, value_name = "FILE")]
    pub containerd_config: Option<PathBuf>,
}

/// Runs the command. Returns the exit code: 0, or 2 where nothing was set up.
///
/// # Errors
/// Only where `out` or `err` cannot be written.
pub fn run(arguments: &Setup, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    match &arguments.what {
        What::Containerd(arguments) => match if arguments.undo {
            undo(arguments, err)?
        } else {
            containerd(arguments, out, err)?
        } {
            Ok(()) => Ok(0),
            Err(problem) => {
                writeln!(err, "pullward setup containerd: {}", crate::verdict::printable(&problem, 4096))?;
                Ok(2)
            }
        },
    }
}

fn containerd(
    arguments: &SetupContainerd,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<Result<(), String>> {
    // Everything that can be refused is looked at before anything is written.
    let (config, verifier, wrapper) = match prepare(arguments) {
        Ok(prepared) => prepared,
        Err(problem) => return Ok(Err(problem)),
    };
    let containerd_config = match containerd_config(arguments) {
        Ok(text) => text,
        Err(problem) => return Ok(Err(problem)),
    };
    let running = probe::ask(&address(arguments, &config));
    let old = running.as_ref().is_ok_and(|running| !running.has_verifiers());
    let format = match containerd_config.as_deref().and_then(bypass::format) {
        Some(format) => format,
        None if old => Format::Two,
        None => Format::Three,
    };
    let nri = if arguments.nri { Nri::Required } else { Nri::Unsaid };
    let text = drop_in::text(format, &arguments.bin_dir, nri);
    let file = arguments.bin_dir.join(NAME);

    if arguments.print {
        writeln!(out, "# {} (mode 0755): {}", file.display(), wrapper.to_string().trim_end())?;
        if let Err(error) = Wrapper::check(&verifier) {
            writeln!(err, "warning: {error}")?;
        }
    } else {
        match wrapper.install(&arguments.bin_dir) {
            Ok(Placed::Written) => writeln!(err, "{}: written", file.display())?,
            Ok(Placed::Unchanged) => writeln!(err, "{}: is there already", file.display())?,
            Err(error) => return Ok(Err(error.to_string())),
        }
        if let Some(path) = &arguments.write {
            let beside = path.parent().unwrap_or(path);
            let ours = |content: &[u8]| content.starts_with(drop_in::HEADER.as_bytes());
            match place::whole(path, text.as_bytes(), 0o644, beside, ours) {
                Ok(Placed::Written) => writeln!(err, "{}: written", path.display())?,
                Ok(Placed::Unchanged) => writeln!(err, "{}: is there already", path.display())?,
                Err(error) => return Ok(Err(error.to_string())),
            }
        }
    }
    write!(out, "{text}")?;
    tell(arguments, &config, err)?;
    report(arguments, &config, running, containerd_config.as_deref(), err)?;
    Ok(Ok(()))
}

/// Takes away what [`containerd`] put there: first the drop-in, so that at no moment an empty folder is configured by us.
fn undo(arguments: &SetupContainerd, err: &mut dyn Write) -> io::Result<Result<(), String>> {
    let ours = |content: &[u8]| content.starts_with(drop_in::HEADER.as_bytes());
    let mut removed = Ok(());
    if let Some(path) = &arguments.write {
        match place::remove(path, ours) {
            Ok(true) => writeln!(err, "{}: removed", path.display())?,
            Ok(false) => writeln!(err, "{}: is not there", path.display())?,
            Err(error) => removed = Err(error.to_string()),
        }
    }
    let file = arguments.bin_dir.join(NAME);
    // A drop-in that stays would name an emptied folder, and nobody would be told.
    if removed.is_ok() {
        match Wrapper::remove(&arguments.bin_dir) {
            Ok(true) => writeln!(err, "{}: removed", file.display())?,
            Ok(false) => writeln!(err, "{}: is not there", file.display())?,
            Err(error) => removed = Err(error.to_string()),
        }
    }
    if removed.is_ok() {
        writeln!(
            err,
            "warning: from now on this containerd pulls without being judged; restart it so that it forgets the folder"
        )?;
    }
    Ok(removed)
}

fn flavour(arguments: &SetupContainerd, config: &Config) -> Flavour {
    arguments.flavour.unwrap_or(config.containerd.flavour).or_detect(&arguments.root)
}

/// The configured socket; that of the flavour where the configuration leaves it open and the command line does not.
fn address(arguments: &SetupContainerd, config: &Config) -> PathBuf {
    let told = config.containerd.address.clone();
    let open = config.containerd.flavour == Flavour::Auto && told == Path::new(Flavour::Auto.layout().socket);
    if open { flavour(arguments, config).layout().socket.into() } else { told }
}

/// What to do on this flavour, beyond what was written.
fn tell(arguments: &SetupContainerd, config: &Config, err: &mut dyn Write) -> io::Result<()> {
    let flavour = flavour(arguments, config);
    let layout = flavour.layout();
    writeln!(err, "flavour: {}", flavour.name())?;
    if flavour != Flavour::Debian && config.containerd.flavour == Flavour::Auto {
        let name = flavour.name();
        writeln!(
            err,
            "note: say so to the agent, too: `[containerd] flavour = \"{name}\"` in its configuration"
        )?;
    }
    if let Some(writer) = layout.generated_by {
        writeln!(err, "note: {} is written anew by {writer}: do not edit it", layout.config)?;
    }
    match layout.route {
        Route::Imported(folder) => {
            writeln!(err, "note: --write {folder}/{DROP_IN} is read at containerd's next start")?;
        }
        Route::ToBeImported(folder) => writeln!(
            err,
            "note: --write {folder}/{DROP_IN} is read once {} says imports = [\"{folder}/*.toml\"]",
            layout.config
        )?,
        Route::Setting(setting) => writeln!(err, "note: the lines above go into: {setting}")?,
    }
    match layout.kubelet {
        Ok(way) => writeln!(err, "note: kubelet goes through pullward-cri with {way}")?,
        Err(why) => writeln!(err, "note: kubelet does not go through pullward-cri: {why}")?,
    }
    if !layout.hole.is_empty() {
        writeln!(err, "warning: {}: {}", flavour.name(), layout.hole)?;
    }
    Ok(())
}

fn prepare(arguments: &SetupContainerd) -> Result<(Config, PathBuf, Wrapper), String> {
    let config = Config::load(&arguments.config).map_err(|error| error.to_string())?;
    let verifier = arguments.verifier.clone().unwrap_or_else(verifier);
    let wrapper = Wrapper::new(&verifier, &config.agent.socket).map_err(|error| error.to_string())?;
    for path in [Some(&arguments.bin_dir), arguments.write.as_ref()].into_iter().flatten() {
        crate::guard::plain(path).map_err(|error| error.to_string())?;
        if !path.to_string_lossy().chars().all(|c| c.is_ascii_graphic() || c == ' ') {
            return Err(format!("{}: use plain ASCII paths", path.display()));
        }
    }
    if !arguments.print {
        Wrapper::check(&verifier).map_err(|error| format!("{error}; --verifier FILE names another"))?;
        if let Some(folder) = arguments.write.as_deref().and_then(Path::parent) {
            crate::guard::folder(folder).map_err(|error| error.to_string())?;
        }
    }
    Ok((config, verifier, wrapper))
}

/// The verifier beside this very program, or where the package puts it.
fn verifier() -> PathBuf {
    std::env::current_exe()
        .ok()
        .and_then(|program| Some(program.parent()?.join("pullward-verifier")))
        .filter(|path| path.exists())
        .unwrap_or_else(|| PACKAGED_VERIFIER.into())
}

fn containerd_config(arguments: &SetupContainerd) -> Result<Option<String>, String> {
    let usual = arguments.root.join(layout_config(arguments));
    let path = arguments.containerd_config.as_deref().unwrap_or(&usual);
    let length = std::fs::metadata(path).map(|metadata| metadata.len());
    let text = match length {
        Ok(length) if length > CONTAINERD_CONFIG_BYTES => Err("too large to be a configuration".to_owned()),
        Ok(_) => std::fs::read_to_string(path).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match text {
        Ok(text) => Ok(Some(text)),
        // One that was named must be readable; the usual one need not exist.
        Err(problem) if arguments.containerd_config.is_some() => {
            Err(format!("{}: {problem}", path.display()))
        }
        Err(_) => Ok(None),
    }
}

/// containerd's configuration where nobody says otherwise, without its leading slash.
fn layout_config(arguments: &SetupContainerd) -> &'static str {
    let flavour = arguments.flavour.unwrap_or_default().or_detect(&arguments.root);
    flavour.layout().config.trim_start_matches('/')
}

fn report(
    arguments: &SetupContainerd,
    config: &Config,
    running: Result<probe::Running, probe::ProbeError>,
    containerd_config: Option<&str>,
    err: &mut dyn Write,
) -> io::Result<()> {
    match running {
        Err(error) => {
            let address = address(arguments, config);
            let address = address.display();
            writeln!(err, "warning: {address}: {error}; its version and plugins were not checked")?;
        }
        Ok(running) if !running.has_verifiers() => {
            let version = &running.version;
            writeln!(err, "warning: containerd {version} has no image verifiers: 2.0 or later is needed")?;
        }
        Ok(running) => match running.plugin {
            Plugin::Loaded => writeln!(err, "containerd {}: verifier plugin loaded", running.version)?,
            Plugin::Failed(why) => writeln!(err, "warning: the verifier plugin did not start: {why}")?,
            Plugin::Absent => {
                writeln!(err, "warning: containerd {}: the verifier plugin is not loaded", running.version)?;
            }
        },
    }
    let findings = match containerd_config {
        Some(text) => bypass::judge(text, &arguments.bin_dir),
        None => {
            writeln!(
                err,
                "warning: containerd's configuration was not judged: name it with --containerd-config"
            )?;
            bypass::others(&arguments.bin_dir)
        }
    };
    for finding in findings {
        let word = match finding.severity() {
            Severity::Bypass => "warning: not enforced",
            Severity::Breaks => "warning: pulls fail",
            Severity::Note => "note",
        };
        let text = crate::verdict::printable(&finding.to_string(), 1000);
        let after = match finding {
            // The usual state before the drop-in is imported and containerd restarted.
            Finding::OtherFolder(_) => " (import it, restart containerd, and run this again)",
            _ => "",
        };
        writeln!(err, "{word}: {text}{after}")?;
    }
    writeln!(
        err,
        "note: this hook does not see `ctr image pull --local`, imported images, and images that are there already"
    )
}
