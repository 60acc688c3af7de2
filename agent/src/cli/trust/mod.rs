//! `pullward trust`: root keys and trust bundles.

mod build;
mod inspect;
mod install;
mod keygen;
mod sign;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use pullward_core::limits;
use pullward_core::signature::PublicKey;
use pullward_core::trust::TrustIndex;
use pullward_proto::v1::TrustState;

use super::admin::{self, AdminError};
use super::judging::USAGE;
use super::{CANNOT, FINE, NOT_FINE, line};
use crate::config::Config;
use crate::policy::read_capped;
use crate::trust::envelope::Envelope;
use crate::trust::node::{FloorUpdate, TrustSettings};
use crate::trust::passphrase::{self, PassphraseSource};
use crate::trust::payload::Payload;
use crate::trust::refused::BundleFault;
use crate::trust::root_key::{RootKey, RootKeyError};

/// Makes root keys, builds, signs, inspects and installs trust bundles.
#[derive(Debug, Clone, Args)]
pub struct TrustArgs {
    #[command(subcommand)]
    command: TrustCommand,
}

#[derive(Debug, Clone, Subcommand)]
enum TrustCommand {
    Keygen(keygen::Keygen),
    Build(build::Build),
    Sign(sign::Sign),
    Inspect(inspect::Inspect),
    Install(install::Install),
}

/// Runs the command and returns its exit code. `settings` reads a node's configuration; only `install` asks for it.
///
/// # Errors
/// Only where `out` or `err` cannot be written.
pub fn run(
    arguments: &TrustArgs,
    settings: &dyn Fn(&Path) -> Result<TrustSettings, String>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let result = match &arguments.command {
        TrustCommand::Keygen(keygen) => keygen.run(out, err),
        TrustCommand::Build(build) => build.run(out, err),
        TrustCommand::Sign(sign) => sign.run(out, err),
        TrustCommand::Inspect(inspect) => inspect.run(out, err),
        TrustCommand::Install(install) => install.run(settings, out, err),
    };
    match result {
        Ok(code) => Ok(code),
        Err(Stop::Output(error)) => Err(error),
        Err(Stop::Said { code, message }) => {
            line(err, &format!("pullward trust: {message}"))?;
            Ok(code)
        }
    }
}

/// Runs the command on a node: with its configuration, and after an installation its agent is told. An agent that does
/// not run takes the bundle when it starts; one that refuses it makes the command fail.
///
/// # Errors
/// Only where `out` or `err` cannot be written.
pub fn run_on_node(arguments: &TrustArgs, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    let code = run(arguments, &configured, out, err)?;
    let TrustCommand::Install(install) = &arguments.command else { return Ok(code) };
    if code != FINE {
        return Ok(code);
    }
    let Ok(config) = Config::load(install.config()) else { return Ok(CANNOT) };
    match admin::reload(&config) {
        Ok(response) => match response.failure {
            None => in_use(&config, response.trust.as_ref(), out, err),
            Some(failure) => {
                let message = format!(
                    "pullward trust: installed, but the agent goes on with the bundle it has: {}: {}",
                    failure.code, failure.message
                );
                line(err, &message)?;
                Ok(NOT_FINE)
            }
        },
        Err(AdminError::Absent(_)) => {
            line(err, "note: no agent runs on this node; it takes the bundle when it starts")?;
            Ok(FINE)
        }
        Err(AdminError::Failed(error)) => {
            let message = format!(
                "pullward trust: installed, but the agent could not be told, and goes on with the bundle it has: \
                 {error}; run systemctl reload pullward"
            );
            line(err, &message)?;
            Ok(NOT_FINE)
        }
    }
}

/// Whether the agent now uses the bundle that is installed: one that was started with another configuration does not.
fn in_use(
    config: &Config,
    trust: Option<&TrustState>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let installed = TrustSettings::from(config).load(FloorUpdate::Leave);
    let version = trust.map_or_else(|| "none".to_owned(), |trust| format!("version {}", trust.version));
    match (installed, trust) {
        (Ok(installed), Some(trust)) if installed.trust.digest.to_string() == trust.digest => {
            line(out, &format!("the agent uses {version} now"))?;
            Ok(FINE)
        }
        _ => {
            line(
                err,
                &format!(
                    "pullward trust: installed, but the agent goes on with {version}: was it started with another \
                     configuration? pullward status shows what it uses"
                ),
            )?;
            Ok(NOT_FINE)
        }
    }
}

/// What a configuration file says of trust: the `settings` of [`run`] outside of tests.
///
/// # Errors
/// The message of a configuration that cannot be read.
pub fn configured(config: &Path) -> Result<TrustSettings, String> {
    Config::load(config).map(|config| TrustSettings::from(&config)).map_err(|error| error.to_string())
}

/// Why a command ends early.
#[derive(Debug)]
enum Stop {
    /// Its output cannot be written.
    Output(io::Error),
    /// With this exit code and message.
    Said { code: u8, message: String },
}

impl Stop {
    /// Wrong use of the command: exit 64.
    fn usage(message: impl Into<String>) -> Self {
        Self::Said { code: USAGE, message: message.into() }
    }

    /// What was looked at is not fine: exit 1.
    fn not_fine(message: impl Into<String>) -> Self {
        Self::Said { code: NOT_FINE, message: message.into() }
    }

    /// It could not be done: exit 2.
    fn cannot(message: impl Into<String>) -> Self {
        Self::Said { code: CANNOT, message: message.into() }
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<RootKeyError> for Stop {
    fn from(error: RootKeyError) -> Self {
        match error {
            // Whoever calls has to give one: nothing was tried.
            RootKeyError::Passphrase(error) => Self::usage(error.to_string()),
            error => Self::cannot(error.to_string()),
        }
    }
}

/// Where a command finds root keys and their passphrases.
#[derive(Debug, Clone, Args)]
struct KeyArgs {
    /// A root key to sign with; may be given several times.
    #[arg(long = "key", value_name = "ROOT.key")]
    keys: Vec<PathBuf>,
    /// File with the passphrase of the keys in its first line; `-` is standard input. Without it the environment
    /// variable PULLWARD_PASSPHRASE counts, then a terminal is asked.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl KeyArgs {
    /// Signs an envelope with every key. Says on `err` what came of it.
    fn sign(&self, envelope: &mut Envelope, payload: &Payload, err: &mut dyn Write) -> Result<(), Stop> {
        if self.keys.len() > 1 && self.passphrase_file.as_deref() == Some(Path::new("-")) {
            return Err(Stop::usage(
                "--passphrase-file - goes with one --key; sign with the others by `trust sign`",
            ));
        }
        let passphrases = passphrases(self.passphrase_file.as_ref());
        for file in &self.keys {
            let key = RootKey::read(file, &passphrases)?;
            warn_of_mode(file, err)?;
            refuse_override_key(file, &key, payload)?;
            let signing = envelope.sign(&key).map_err(|error| Stop::not_fine(error.to_string()))?;
            let what = match signing {
                crate::trust::envelope::Signing::Added => "signed",
                crate::trust::envelope::Signing::AlreadyThere => "had signed before",
            };
            line(err, &format!("{}: {what} as {}", file.display(), key.id().hex()))?;
        }
        Ok(())
    }
}

/// The passphrase of a workstation command: flag, environment, terminal.
fn passphrases(file: Option<&PathBuf>) -> PassphraseSource {
    PassphraseSource { file: file.cloned(), variable: std::env::var_os(passphrase::VARIABLE) }
}

/// A private key that others can read is worth a word.
fn warn_of_mode(file: &Path, err: &mut dyn Write) -> Result<(), Stop> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(file).map_or(0, |metadata| metadata.permissions().mode());
    if mode & 0o077 != 0 {
        let name = file.display();
        line(
            err,
            &format!(
                "{name}: warning: mode {:04o} lets others read this private key; chmod 600 it",
                mode & 0o777
            ),
        )?;
    }
    Ok(())
}

/// Who may open the emergency exit must not be who says what is trusted.
fn refuse_override_key(file: &Path, key: &RootKey, payload: &Payload) -> Result<(), Stop> {
    let Some(r#override) = &payload.r#override else { return Ok(()) };
    let named =
        payload.authorities.iter().filter(|authority| r#override.authorities.contains(&authority.name));
    for authority in named {
        let ids = authority.keys.iter().flatten().filter_map(crate::trust::payload::Key::id);
        if ids.into_iter().any(|id| id == key.id()) {
            return Err(Stop::not_fine(format!(
                "{}: it is also a key of override authority `{}`; overrides are never signed by a root key, use another",
                file.display(),
                authority.name
            )));
        }
    }
    Ok(())
}

/// Reads a bundle file, signed or not, and what it holds.
fn read_bundle(file: &Path) -> Result<(Envelope, Payload), Stop> {
    let bytes = read_capped(file, limits::TRUST_FILE_BYTES)
        .map_err(|reason| Stop::cannot(format!("{}: {reason}", file.display())))?;
    parse_bundle(file, &bytes)
}

fn parse_bundle(file: &Path, bytes: &[u8]) -> Result<(Envelope, Payload), Stop> {
    let not_fine = |error: &dyn std::fmt::Display| Stop::not_fine(format!("{}: {error}", file.display()));
    let envelope = Envelope::parse(bytes).map_err(|error| not_fine(&error))?;
    let payload = Payload::from_bytes(envelope.payload()).map_err(|error| not_fine(&error))?;
    // What nodes would refuse is not worth a signature.
    nodes_take(envelope.payload()).map_err(|error| not_fine(&error))?;
    Ok((envelope, payload))
}

/// Whether the core takes a payload, signatures aside.
fn nodes_take(payload: &[u8]) -> Result<(), BundleFault> {
    Box::<TrustIndex>::default().read(payload).map_err(BundleFault::Core)
}

/// The name of the root key that a signature verifies with.
fn signer<'r>(
    envelope: &Envelope,
    place: usize,
    roots: impl Iterator<Item = (&'r Path, &'r PublicKey)>,
) -> Option<&'r Path> {
    roots.into_iter().find(|(_, key)| envelope.verifies(place, key)).map(|(file, _)| file)
}
