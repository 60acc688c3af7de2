//! What the commands that judge have in common: whom to believe, where to look, and how long.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64ct::{Base64, Encoding as _};
use clap::{Args, ValueEnum};
use pullward_core::limits;
use pullward_core::oci::Digest;
use pullward_core::reference::Reference;
use pullward_core::signature::{KeyError, PublicKey};
use pullward_core::time::UnixTime;
use pullward_core::verdict::Reason;

use crate::config::{self, Config};
use crate::decide::session::Subject;
use crate::decide::{Believed, ConfiguredSource, Engine, Question, Unrecorded, Unresolved, wall_clock};
use crate::evidence::Source;
use crate::evidence::layout::Layout;
use crate::evidence::oci_target::OciTarget;
use crate::record::RecordedTrust;
use crate::trust::installed::InstalledTrust;
use crate::trust::node::{FloorUpdate, TrustSettings};
use crate::trust::refused::RefusedClass;
use crate::trust::roots::{Roots, RootsError};
use crate::verdict::{Hook, Place, Verdict};

/// How long one command looks for evidence of one image. A person waits longer than containerd does.
const PATIENCE: Duration = Duration::from_secs(60);

/// Exit code of a command line that cannot be understood (`EX_USAGE` of `sysexits.h`).
pub const USAGE: u8 = 64;

/// Whom to believe: exactly one of a key, a signed bundle, or a node's configuration.
#[derive(Debug, Clone, Default, Args)]
pub struct TrustFlags {
    /// Believe this public key (PEM) alone: one verified signature by it is enough
    #[arg(long, value_name = "PUB", conflicts_with_all = ["trust", "config"])]
    pub key: Option<PathBuf>,
    /// Believe this signed trust bundle; give its root keys with --root
    #[arg(long, value_name = "FILE", requires = "root", conflicts_with = "config")]
    pub trust: Option<PathBuf>,
    /// A root key (PEM) that may have signed the bundle; may be repeated
    #[arg(long, value_name = "PUB", requires = "trust")]
    pub root: Vec<PathBuf>,
    /// How many different roots must have signed; needed with more than one --root
    #[arg(long, value_name = "K", requires = "trust")]
    pub threshold: Option<usize>,
    /// Believe what the node with this configuration believes [default: /etc/pullward/config.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Where to look.
#[derive(Debug, Clone, Default, Args)]
pub struct SourceFlags {
    /// Ask no registry: only the evidence store, or the layout that REF names
    #[arg(long)]
    pub offline: bool,
    /// The evidence store, an OCI image layout (what `oras copy -r --to-oci-layout` writes)
    #[arg(long, value_name = "DIR")]
    pub store: Option<PathBuf>,
    /// Judge for this platform [default: this host's]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub platform: Option<String>,
    /// The name by which rules match an image that is given as oci:DIR
    #[arg(long = "as", value_name = "REF")]
    pub name: Option<String>,
    /// The pod's namespace, for rules with `namespaces`
    #[arg(long, value_name = "NAME")]
    pub namespace: Option<String>,
}

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON document per line.
    Json,
}

/// Why a command could not start to judge.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JudgingError {
    /// The command line does not say enough, or contradicts itself: exit 64.
    #[error("{0}")]
    Usage(String),
    /// Something that it names cannot be used: exit 2, and a verdict that says so.
    #[error("{detail}")]
    Unusable {
        /// The stable code.
        reason: Reason,
        /// The thing, the reason, the next step.
        detail: String,
    },
}

impl JudgingError {
    /// The exit code.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => USAGE,
            Self::Unusable { .. } => 2,
        }
    }

    fn missing(detail: impl Into<String>) -> Self {
        Self::Unusable { reason: Reason::TrustMissing, detail: detail.into() }
    }

    fn invalid(detail: impl Into<String>) -> Self {
        Self::Unusable { reason: Reason::TrustInvalid, detail: detail.into() }
    }

    /// The verdict on an image that could not be judged because of this; none for a command line that says too little.
    #[must_use]
    pub fn verdict(&self, image: &str, digest: Option<&str>, sources: &SourceFlags) -> Option<Verdict> {
        let Self::Unusable { reason, detail } = self else { return None };
        let question = Question {
            reference: image.to_owned(),
            digest: digest.map(str::to_owned),
            media_type: None,
            place: Place {
                hook: Hook::Cli,
                containerd_namespace: None,
                pod_namespace: sources.namespace.clone(),
            },
            platform: sources.platform.clone().unwrap_or_else(crate::service::platform),
        };
        let failure = Unresolved {
            reason: *reason,
            reference: image.to_owned(),
            digest: digest.unwrap_or_default().to_owned(),
            detail: detail.clone(),
        };
        Some(failure.verdict(None, &question, wall_clock(), Instant::now()))
    }
}

/// What a command believes.
#[derive(Debug)]
pub enum HeldTrust {
    /// One key.
    Key {
        /// The key.
        key: Box<PublicKey>,
        /// Its PEM.
        pem: String,
    },
    /// A trust bundle.
    Bundle {
        /// The opened bundle.
        trust: Box<InstalledTrust>,
        /// Its signed file.
        file: Vec<u8>,
        /// The roots, as PEM.
        roots: Vec<String>,
        /// How many of them had to have signed.
        threshold: usize,
    },
}

impl HeldTrust {
    /// As the engine takes it.
    #[must_use]
    pub fn believed(&self) -> Believed<'_> {
        match self {
            Self::Key { key, .. } => Believed::Key(key),
            Self::Bundle { trust, .. } => Believed::Bundle(trust),
        }
    }

    /// As a record keeps it.
    #[must_use]
    pub fn recorded(&self) -> RecordedTrust {
        match self {
            Self::Key { pem, .. } => RecordedTrust::Key(pem.clone()),
            Self::Bundle { file, roots, threshold, .. } => RecordedTrust::Bundle {
                file: Base64::encode_string(file),
                roots: roots.clone(),
                threshold: *threshold,
            },
        }
    }
}

/// Everything that a command needs to judge images one after another.
#[derive(Debug)]
pub struct Judging {
    trust: HeldTrust,
    engine: Engine,
    platform: String,
    name: Option<String>,
    namespace: Option<String>,
}

/// One image, ready to be judged.
#[derive(Debug)]
pub struct Asked {
    /// The question as it was put.
    pub question: Question,
    /// What it is about, or why that could not be found.
    pub subject: Result<Subject, Unresolved>,
    /// The engine to ask: the command's, or one for the layout that REF names.
    pub engine: Engine,
    /// When to have stopped.
    pub deadline: Instant,
    /// The time of judgement.
    pub time: UnixTime,
}

impl Judging {
    /// Reads everything that the flags name. What was read besides is said on `err`.
    ///
    /// # Errors
    /// [`JudgingError`]; a failure to write to `err` is one too.
    pub fn new(trust: &TrustFlags, sources: &SourceFlags, err: &mut dyn Write) -> Result<Self, JudgingError> {
        let config = load_config(trust)?;
        let held = match (&trust.key, &trust.trust, &config) {
            (Some(path), ..) => {
                let (key, pem) = read_key(path)?;
                HeldTrust::Key { key: Box::new(key), pem }
            }
            (None, Some(path), _) => open_bundle(path, &trust.root, trust.threshold)?,
            (None, None, Some(config)) => open_configured(config)?,
            (None, None, None) => {
                return Err(JudgingError::Usage(
                    "whom to believe is not said; give --key PUB, or --trust FILE with --root PUB, or --config FILE"
                        .to_owned(),
                ));
            }
        };
        let configured = trust.key.is_none() && trust.trust.is_none();
        Self::over(held, config.unwrap_or_default(), configured, sources, err)
    }

    /// The same over trust that does not come from flags. `configured` says whether the configuration is a node's, whose
    /// own credentials and store are then used.
    ///
    /// # Errors
    /// [`JudgingError`]; a failure to write to `err` is one too.
    pub fn over(
        held: HeldTrust,
        config: Config,
        configured: bool,
        sources: &SourceFlags,
        err: &mut dyn Write,
    ) -> Result<Self, JudgingError> {
        let (found, note) = configured_sources(&config, configured, sources)?;
        if let Some(note) = note {
            writeln!(err, "note: {note}").map_err(|error| JudgingError::missing(error.to_string()))?;
        }
        Ok(Self {
            trust: held,
            engine: Engine::new(found),
            platform: sources.platform.clone().unwrap_or_else(crate::service::platform),
            name: sources.name.clone(),
            namespace: sources.namespace.clone(),
        })
    }

    /// What is believed.
    #[must_use]
    pub fn trust(&self) -> &HeldTrust {
        &self.trust
    }

    /// Makes a question of what stands on the command line.
    ///
    /// # Errors
    /// [`JudgingError::Usage`].
    pub fn ask(&self, text: &str, digest: Option<&str>) -> Result<Asked, JudgingError> {
        let time = match &self.trust {
            HeldTrust::Bundle { trust, .. } => wall_clock().max(trust.clock_floor),
            HeldTrust::Key { .. } => wall_clock(),
        };
        let deadline = Instant::now() + PATIENCE;
        let place =
            Place { hook: Hook::Cli, containerd_namespace: None, pod_namespace: self.namespace.clone() };
        let mut question = Question {
            reference: text.to_owned(),
            digest: digest.map(str::to_owned),
            media_type: None,
            place,
            platform: self.platform.clone(),
        };
        if text.starts_with("oci:") {
            let target: OciTarget =
                text.parse().map_err(|error| JudgingError::Usage(format!("{text}: {error}")))?;
            let reference = self.layout_name(text)?;
            let layout = Arc::new(Layout::new(&target.directory, Source::Layout));
            let resolved = layout.resolve_image(&target.image, deadline);
            let engine = Engine::new(vec![ConfiguredSource::Layout(layout)]);
            let subject = match resolved {
                Ok(resolved) => {
                    self.layout_subject(text, digest, reference, resolved.digest, &question, time)
                }
                Err(error) => Err(Unresolved {
                    reason: if error.is_ambiguous() {
                        Reason::ManifestAmbiguous
                    } else {
                        Reason::TagNotResolved
                    },
                    reference: text.to_owned(),
                    digest: digest.unwrap_or_default().to_owned(),
                    detail: error.to_string(),
                }),
            };
            return Ok(Asked { question, subject, engine, deadline, time });
        }
        if let Some(name) = &self.name {
            question.reference.clone_from(name);
            return Err(JudgingError::Usage(format!(
                "--as {name} names an image that is given as oci:DIR; {text} has its own name"
            )));
        }
        let subject = self.engine.resolve(&question, time, deadline);
        let subject = subject.and_then(|subject| self.check_tag(subject, &question, deadline));
        Ok(Asked { question, subject, engine: self.engine.clone(), deadline, time })
    }

    /// Judges a name with the digest that somebody has resolved it to.
    pub fn judge_known(&self, name: &str, digest: &str) -> Verdict {
        let time = match &self.trust {
            HeldTrust::Bundle { trust, .. } => wall_clock().max(trust.clock_floor),
            HeldTrust::Key { .. } => wall_clock(),
        };
        let started = Instant::now();
        let deadline = started + PATIENCE;
        let question = Question {
            reference: name.to_owned(),
            digest: Some(digest.to_owned()),
            media_type: None,
            place: Place { hook: Hook::Inventory, containerd_namespace: None, pod_namespace: None },
            platform: self.platform.clone(),
        };
        let believed = self.trust.believed();
        match self.engine.resolve(&question, time, deadline) {
            Ok(subject) => self.engine.judge_subject(believed, &subject, deadline, &mut Unrecorded),
            Err(unresolved) => unresolved.verdict(Some(believed), &question, time, started),
        }
    }

    /// Where a tag was asked for and a digest given beside it, both have to be the same image. A tag that nobody can be
    /// asked about is not known, and then the digest alone says what is meant.
    fn check_tag(
        &self,
        subject: Subject,
        question: &Question,
        deadline: Instant,
    ) -> Result<Subject, Unresolved> {
        let named_by_digest =
            subject.reference.as_ref().is_some_and(|reference| reference.digest().is_some());
        if question.digest.is_none() || named_by_digest {
            return Ok(subject);
        }
        let by_tag = Question { digest: None, ..question.clone() };
        match self.engine.resolve(&by_tag, subject.time, deadline) {
            Ok(found) if found.digest != subject.digest => Err(Unresolved {
                reason: Reason::DigestConflict,
                reference: subject.name,
                digest: subject.digest.to_string(),
                detail: format!(
                    "{} is {}, --digest says {}",
                    question.reference, found.digest, subject.digest
                ),
            }),
            _ => Ok(subject),
        }
    }

    /// The name of an image in a layout: the layout does not say it.
    fn layout_name(&self, text: &str) -> Result<Option<Reference>, JudgingError> {
        match (&self.name, &self.trust) {
            (Some(name), _) => Reference::parse(name).map(Some).map_err(|error| {
                JudgingError::Usage(format!("--as {name}: not an image reference: {error}"))
            }),
            (None, HeldTrust::Key { .. }) => Ok(None),
            (None, HeldTrust::Bundle { .. }) => Err(JudgingError::Usage(format!(
                "{text} has no name that a rule could match; say which image it is with --as REF"
            ))),
        }
    }

    fn layout_subject(
        &self,
        text: &str,
        given: Option<&str>,
        reference: Option<Reference>,
        found: Digest,
        question: &Question,
        time: UnixTime,
    ) -> Result<Subject, Unresolved> {
        let conflict = |reason, detail: String| Unresolved {
            reason,
            reference: text.to_owned(),
            digest: given.unwrap_or_default().to_owned(),
            detail,
        };
        if let Some(given) = given {
            let digest = Digest::parse(given)
                .map_err(|error| conflict(Reason::DigestInvalid, format!("--digest {given}: {error}")))?;
            if digest != found {
                return Err(conflict(
                    Reason::DigestConflict,
                    format!("{text} is {found}, --digest says {digest}"),
                ));
            }
        }
        Ok(Subject {
            name: reference
                .as_ref()
                .map_or_else(|| text.to_owned(), |reference| reference.as_str().to_owned()),
            reference,
            digest: found,
            platform: question.platform.clone(),
            place: question.place.clone(),
            time,
            allowed_at: None,
        })
    }
}

fn load_config(trust: &TrustFlags) -> Result<Option<Config>, JudgingError> {
    if trust.key.is_some() || trust.trust.is_some() {
        return Ok(None);
    }
    let usual = Path::new(config::DEFAULT_PATH);
    let path = match &trust.config {
        Some(path) => path.as_path(),
        None if usual.exists() => usual,
        None => return Ok(None),
    };
    Config::load(path).map(Some).map_err(|error| JudgingError::missing(error.to_string()))
}

fn read_key(path: &Path) -> Result<(PublicKey, String), JudgingError> {
    let missing = |error: std::io::Error| JudgingError::missing(format!("{}: {error}", path.display()));
    let invalid = |why: String| JudgingError::invalid(format!("{}: {why}", path.display()));
    if fs::metadata(path).map_err(missing)?.len() > limits::KEY_FILE_BYTES {
        return Err(invalid("too large for a public key".to_owned()));
    }
    let pem = fs::read_to_string(path).map_err(missing)?;
    let key = PublicKey::from_pem(&pem).map_err(|error| invalid(explain_key(error)))?;
    Ok((key, pem))
}

/// What is wrong with a key, in words.
#[must_use]
pub fn explain_key(error: KeyError) -> String {
    match error {
        KeyError::Pem(_) => {
            "not one PEM block PUBLIC KEY; cosign writes such a file as cosign.pub, openssl with -pubout"
                .to_owned()
        }
        KeyError::Unsupported => "not a P-256, P-384, Ed25519 or RSA public key in its usual form".to_owned(),
        KeyError::Point => {
            "the key's point is not on its curve, or of small order: do not use this key".to_owned()
        }
        KeyError::RsaParameters => {
            "an RSA key must have 2,048 to 4,096 bits and the exponent 65,537".to_owned()
        }
    }
}

fn open_bundle(path: &Path, files: &[PathBuf], threshold: Option<usize>) -> Result<HeldTrust, JudgingError> {
    let roots = Roots::read(files, threshold).map_err(|error| match error {
        RootsError::Key { .. } | RootsError::Unsafe { .. } => JudgingError::invalid(error.to_string()),
        RootsError::None
        | RootsError::TooMany(_)
        | RootsError::Duplicate { .. }
        | RootsError::NoThreshold(_)
        | RootsError::Threshold { .. } => JudgingError::Usage(error.to_string()),
    })?;
    let missing = |error: std::io::Error| JudgingError::missing(format!("{}: {error}", path.display()));
    if fs::metadata(path).map_err(missing)?.len() > limits::TRUST_FILE_BYTES {
        return Err(JudgingError::invalid(format!("{}: larger than any trust bundle", path.display())));
    }
    let file = fs::read(path).map_err(missing)?;
    let trust = InstalledTrust::open_for_any(&file, roots.keys(), roots.threshold())
        .map_err(|error| JudgingError::invalid(format!("{}: {}: {error}", path.display(), error.code())))?;
    let pems =
        roots.named().map(|(path, _)| fs::read_to_string(path)).collect::<Result<_, _>>().map_err(missing)?;
    Ok(HeldTrust::Bundle { trust: Box::new(trust), file, roots: pems, threshold: roots.threshold() })
}

/// The bundle that a node believes: the one that its agent uses, chosen as the agent chooses.
fn open_configured(config: &Config) -> Result<HeldTrust, JudgingError> {
    let settings = TrustSettings::from(config);
    let loaded = settings.load(FloorUpdate::Leave).map_err(|refused| {
        let detail = format!("{}: {refused}", refused.fault.code());
        match refused.fault.class() {
            RefusedClass::Bundle => JudgingError::invalid(detail),
            RefusedClass::Node => JudgingError::missing(detail),
        }
    })?;
    // Opened once more with its signatures: a record keeps the file, not what was made of it.
    let mut held = open_bundle(&loaded.path, &config.trust.roots, config.trust.threshold)?;
    if let HeldTrust::Bundle { trust, .. } = &mut held {
        trust.clock_floor = loaded.trust.clock_floor;
    }
    Ok(held)
}

/// Store, the node's containerd, registry; and what a person should know about them.
fn configured_sources(
    config: &Config,
    configured: bool,
    flags: &SourceFlags,
) -> Result<(Vec<ConfiguredSource>, Option<String>), JudgingError> {
    let store = flags.store.as_deref().or_else(|| configured.then_some(config.store.dir.as_path()));
    let store = store.map(|store| ConfiguredSource::Layout(Arc::new(Layout::new(store, Source::Store))));
    let offline = flags.offline || config.registry.offline;
    let (registry, note) = if offline { (None, None) } else { configured_registry(config, configured)? };
    let containerd = configured.then(|| ConfiguredSource::Containerd(config.containerd.address.clone()));
    Ok((store.into_iter().chain(containerd).chain(registry).collect(), note))
}

#[cfg(feature = "network")]
fn configured_registry(
    config: &Config,
    configured: bool,
) -> Result<(Option<ConfiguredSource>, Option<String>), JudgingError> {
    use crate::registry::configured::{client, read_auth_file};
    use crate::registry::credentials::Credentials;
    let unusable =
        |error: String| JudgingError::Unusable { reason: Reason::EvidenceUnreachable, detail: error };
    // The node's own credentials go with the node's own configuration; others may not be able to read them.
    let mut credentials = if configured {
        read_auth_file(&config.registry.auth_file).map_err(|error| unusable(error.to_string()))?
    } else {
        Credentials::default()
    };
    let mut note = None;
    if let Some(path) = docker_config().filter(|path| path.exists()) {
        let users = fs::read(&path)
            .map_err(|error| error.to_string())
            .and_then(|content| Credentials::parse(&content).map_err(|error| error.to_string()))
            .map_err(|error| unusable(format!("{}: {error}", path.display())))?;
        note = Some(format!("registry credentials are also taken from {}", path.display()));
        credentials = credentials.or(users);
    }
    let client = client(&config.registry, credentials).map_err(|error| unusable(error.to_string()))?;
    Ok((Some(ConfiguredSource::Registry(Arc::new(client))), note))
}

/// Without network code there is no registry, whatever the configuration says.
#[cfg(not(feature = "network"))]
fn configured_registry(
    _: &Config,
    _: bool,
) -> Result<(Option<ConfiguredSource>, Option<String>), JudgingError> {
    Ok((None, None))
}

/// Where docker keeps a user's credentials. Only a person's command looks there; agent and hook never do.
#[cfg(feature = "network")]
fn docker_config() -> Option<PathBuf> {
    let folder = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let folder = folder.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".docker")));
    folder.map(|folder| folder.join("config.json"))
}

#[cfg(all(test, feature = "network"))]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use pullward_core::verdict::Reason;

    use super::{Config, JudgingError, configured_registry};

    #[test]
    fn a_nodes_credentials_are_read_only_with_its_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.registry.auth_file = folder.path().join("auth.json");
        fs::write(&config.registry.auth_file, "{\"auths\":{}}").unwrap();
        fs::set_permissions(&config.registry.auth_file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            configured_registry(&config, true),
            Err(JudgingError::Unusable { reason: Reason::EvidenceUnreachable, .. })
        ));
        // `verify --key` of a person who may not even look: nothing in the usual places is opened.
        assert!(configured_registry(&config, false).is_ok());
        fs::set_permissions(&config.registry.auth_file, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(configured_registry(&config, true).is_ok());
    }
}
