//! The trust bundle of a node: which one is in use, and how the next one gets there.
//!
//! `state_dir/trust/AUDIENCE.json` is the installed bundle, signatures and all: they are checked again at every load,
//! by the roots that are pinned then. `state_dir/trust/AUDIENCE.floor` is the [`Floor`]. The bundle that the
//! configuration names is what a new node starts with. Of the two the newer one is in use, and none older than the
//! floor ever is.

use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use pullward_core::limits;
use pullward_core::time::UnixTime;

use super::file::{Existing, remove_unfinished, write_whole};
use super::floor::Floor;
use super::installed::InstalledTrust;
use super::refused::{BundleFault, Refused};
use super::roots::{Roots, RootsError};
use super::time::Time;
use crate::config::Config;
use crate::guard;
use crate::policy::read_capped;
use crate::server::trust::{TrustFailure, TrustSource};

/// What a node's configuration says of trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustSettings {
    /// The agent's state folder.
    pub state_dir: PathBuf,
    /// The bundle that a new node starts with; it need not exist.
    pub bundle: PathBuf,
    /// Root keys.
    pub roots: Vec<PathBuf>,
    /// How many of them must have signed; must be said where there are several.
    pub threshold: Option<usize>,
    /// Bundles for another audience are refused.
    pub audience: String,
}

/// Whether a load moves the version floor up to what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FloorUpdate {
    /// It does: the agent's own load.
    Raise,
    /// It does not: somebody only looks.
    Leave,
}

/// A bundle that was loaded.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The newest one that is acceptable.
    pub trust: InstalledTrust,
    /// Its file.
    pub path: PathBuf,
    /// Those that were passed over, and why. Worth a warning.
    pub passed_over: Vec<Refused>,
}

/// What an installation did.
#[derive(Debug, Clone)]
pub struct Installed {
    /// The bundle that is installed now.
    pub trust: InstalledTrust,
    /// The newest version before; none on a new node.
    pub before: Option<u64>,
    /// Whether anything changed.
    pub change: Change,
}

/// Whether an installation changed anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The bundle is new here.
    Replaced,
    /// The same bundle was there.
    Nothing,
}

impl TrustSettings {
    /// Loads the bundle that this node shall use now: the newest acceptable one. It may have expired.
    ///
    /// # Errors
    /// [`Refused`]; no bundle of this node is acceptable then.
    pub fn load(&self, update: FloorUpdate) -> Result<Loaded, Refused> {
        let roots = self.read_roots()?;
        let folder = self.folder();
        if update == FloorUpdate::Raise {
            self.make_folders()?;
        }
        let present = match guard::folder(&folder) {
            Ok(()) => true,
            Err(guard::GuardError::Absent(_)) => false,
            Err(error) => return Err(BundleFault::Folder(error).of(folder.display())),
        };
        let _lock = if update == FloorUpdate::Raise { Some(lock(&folder)?) } else { None };
        let floor = if present { self.read_floor()? } else { None };
        let mut loaded = self.choose(&roots, floor.as_ref())?;
        if let Some(floor) = &floor {
            loaded.trust.clock_floor = loaded.trust.clock_floor.max(floor.issued.unix());
        }
        if update == FloorUpdate::Raise {
            raise(&folder, floor.as_ref(), &loaded.trust)?;
        }
        Ok(loaded)
    }

    /// Installs a signed bundle, whole or not at all.
    ///
    /// # Errors
    /// [`Refused`]; what was installed before is as it was.
    pub fn install(&self, name: &str, file: &[u8], now: Time) -> Result<Installed, Refused> {
        if u64::try_from(file.len()).unwrap_or(u64::MAX) > limits::TRUST_FILE_BYTES {
            return Err(BundleFault::Core(pullward_core::trust::TrustError::TooLarge).of(name));
        }
        let roots = self.read_roots()?;
        let trust = InstalledTrust::open(file, &roots, &self.audience).map_err(|fault| fault.of(name))?;
        let expires = Time::from_seconds(trust.expires).unwrap_or(now);
        if expires <= now {
            return Err(BundleFault::Expired { expires, now }.of(name));
        }
        self.make_folders()?;
        let folder = self.folder();
        let _lock = lock(&folder)?;
        remove_unfinished(&folder)
            .map_err(|error| BundleFault::File(error.to_string()).of(folder.display()))?;
        let mut floor = self.read_floor()?;
        // What is in use counts as well: on a node whose agent has not started yet there is no floor.
        let in_use = self.choose(&roots, floor.as_ref()).ok().map(|loaded| loaded.trust);
        if let Some(in_use) = &in_use
            && floor.as_ref().is_none_or(|floor| floor.version < in_use.version)
        {
            floor = Some(floor_at(in_use, floor.as_ref()));
        }
        let before = floor.as_ref().map(|floor| floor.version);
        if let Some(floor) = &floor {
            floor.admit(trust.version, &trust.digest).map_err(|fault| fault.of(name))?;
        }
        let path = self.installed_path();
        let same = in_use.is_some_and(|in_use| in_use == trust) && path.exists();
        // The bundle first: with the floor first, a power cut between the two would leave a node with nothing.
        write_whole(&path, file, 0o600, Existing::Replace)
            .map_err(|error| BundleFault::File(error.to_string()).of(path.display()))?;
        raise(&folder, floor.as_ref(), &trust)?;
        Ok(Installed { trust, before, change: if same { Change::Nothing } else { Change::Replaced } })
    }

    /// The latest time that has surely passed on this node: the newest issue of a bundle that it has had.
    #[must_use]
    pub fn clock_floor(&self) -> Option<Time> {
        self.read_floor().ok().flatten().map(|floor| floor.issued)
    }

    /// Where bundle and floor are.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.state_dir.join("trust")
    }

    /// The installed bundle's file.
    #[must_use]
    pub fn installed_path(&self) -> PathBuf {
        self.folder().join(format!("{}.json", self.audience))
    }

    fn read_roots(&self) -> Result<Roots, Refused> {
        // Whoever can write a root key can sign trust bundles (T-108).
        for path in &self.roots {
            guard::file(path)
                .map_err(|error| BundleFault::Roots(RootsError::Unsafe { error }).of("[trust]"))?;
        }
        Roots::read(&self.roots, self.threshold).map_err(|error| BundleFault::Roots(error).of("[trust]"))
    }

    fn read_floor(&self) -> Result<Option<Floor>, Refused> {
        Floor::read(&self.folder(), &self.audience).map_err(|fault| fault.of("state_dir"))
    }

    fn choose(&self, roots: &Roots, floor: Option<&Floor>) -> Result<Loaded, Refused> {
        let mut passed_over = Vec::new();
        let mut best: Option<(InstalledTrust, PathBuf)> = None;
        for path in [self.installed_path(), self.bundle.clone()] {
            match self.candidate(&path, roots, floor) {
                Ok(None) => {}
                // The installed one goes before the configuration's of the same version.
                Ok(Some(trust)) if best.as_ref().is_none_or(|(best, _)| best.version < trust.version) => {
                    best = Some((trust, path));
                }
                Ok(Some(_)) => {}
                Err(fault) => passed_over.push(fault.of(path.display())),
            }
        }
        match best {
            Some((trust, path)) => Ok(Loaded { trust, path, passed_over }),
            None => Err(passed_over.into_iter().next().unwrap_or_else(|| BundleFault::Missing.of("[trust]"))),
        }
    }

    fn candidate(
        &self,
        path: &Path,
        roots: &Roots,
        floor: Option<&Floor>,
    ) -> Result<Option<InstalledTrust>, BundleFault> {
        match fs::metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(BundleFault::File(error.to_string())),
            Ok(_) => {}
        }
        let file = read_capped(path, limits::TRUST_FILE_BYTES).map_err(BundleFault::File)?;
        let trust = InstalledTrust::open(&file, roots, &self.audience)?;
        if let Some(floor) = floor {
            floor.admit(trust.version, &trust.digest)?;
        }
        Ok(Some(trust))
    }

    /// Makes the state folder and the one for trust in it, for nobody else to look into (T-93).
    fn make_folders(&self) -> Result<(), Refused> {
        for folder in [self.state_dir.clone(), self.folder()] {
            let system = |error: std::io::Error| BundleFault::File(error.to_string()).of(folder.display());
            match DirBuilder::new().mode(0o700).create(&folder) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(system(error)),
                _ => {}
            }
            let metadata = fs::symlink_metadata(&folder).map_err(system)?;
            if metadata.is_dir() && metadata.uid() == guard::us() && metadata.mode() & 0o077 != 0 {
                fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).map_err(system)?;
                tracing::warn!(
                    "{}: mode {:04o} tightened to 0700",
                    folder.display(),
                    metadata.mode() & 0o7777
                );
            }
            guard::folder(&folder).map_err(|error| BundleFault::Folder(error).of(folder.display()))?;
        }
        Ok(())
    }
}

impl From<&Config> for TrustSettings {
    fn from(config: &Config) -> Self {
        Self {
            state_dir: config.agent.state_dir.clone(),
            bundle: config.trust.bundle.clone(),
            roots: config.trust.roots.clone(),
            threshold: config.trust.threshold,
            audience: config.trust.audience.clone(),
        }
    }
}

impl TrustSource for TrustSettings {
    fn load(&self) -> Result<InstalledTrust, TrustFailure> {
        let loaded = Self::load(self, FloorUpdate::Raise).map_err(|refused| TrustFailure {
            code: refused.fault.code().to_owned(),
            message: refused.to_string(),
        })?;
        for refused in &loaded.passed_over {
            let message = crate::verdict::printable(&refused.to_string(), 4096);
            tracing::warn!(code = refused.fault.code(), "trust bundle passed over: {message}");
        }
        Ok(loaded.trust)
    }

    fn clock_floor(&self) -> Option<UnixTime> {
        Self::clock_floor(self).map(Time::unix)
    }
}

fn floor_at(trust: &InstalledTrust, before: Option<&Floor>) -> Floor {
    let issued = Time::from_seconds(trust.issued).unwrap_or_else(Time::now);
    let issued = before.map_or(issued, |before| before.issued.max(issued));
    Floor::new(&trust.audience, trust.version, &trust.digest, issued)
}

fn raise(folder: &Path, floor: Option<&Floor>, trust: &InstalledTrust) -> Result<(), Refused> {
    let raised = floor_at(trust, floor);
    if floor == Some(&raised) {
        return Ok(());
    }
    raised.write(folder).map_err(|fault| fault.of(folder.display()))
}

/// Keeps other installations and loads out until it is dropped. Whoever holds it does so for a moment.
fn lock(folder: &Path) -> Result<File, Refused> {
    let path = folder.join("lock");
    let fault = |error: std::io::Error| BundleFault::File(error.to_string()).of(path.display());
    match guard::file(&path) {
        Ok(()) | Err(guard::GuardError::Absent(_)) => {}
        Err(error) => return Err(BundleFault::Folder(error).of(path.display())),
    }
    let file =
        File::options().create(true).truncate(false).write(true).mode(0o600).open(&path).map_err(fault)?;
    file.lock().map_err(fault)?;
    Ok(file)
}
