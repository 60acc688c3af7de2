//! The trust bundle in use: exactly one at a time, swapped whole.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use pullward_core::time::UnixTime;

use crate::server::now;
use crate::trust::installed::InstalledTrust;

/// Where the trust bundle comes from. Called on a thread that may block.
pub trait TrustSource: Send + Sync + 'static {
    /// Loads the bundle that this node shall use now, with its root signatures, audience and version checked.
    ///
    /// # Errors
    /// [`TrustFailure`]: the bundle in use stays.
    fn load(&self) -> Result<InstalledTrust, TrustFailure>;

    /// The latest time that this node knows to have passed; `None` where it knows none.
    fn clock_floor(&self) -> Option<UnixTime>;
}

/// Why a trust bundle was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct TrustFailure {
    /// Stable code.
    pub code: String,
    /// The thing, the reason, the next step.
    pub message: String,
}

/// A trust bundle and when it was loaded.
#[derive(Debug, PartialEq, Eq)]
pub struct Held {
    /// The bundle.
    pub trust: InstalledTrust,
    /// When it was loaded.
    pub loaded: UnixTime,
}

/// A failed attempt to load a trust bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// When.
    pub time: UnixTime,
    /// Why.
    pub failure: TrustFailure,
}

/// Holds the bundle in use. Whoever judges takes one [`Held`] and keeps it to the end (F-40).
pub struct TrustHolder {
    source: Box<dyn TrustSource>,
    current: RwLock<Option<Arc<Held>>>,
    last_failure: Mutex<Option<Failed>>,
    failures: AtomicU64,
    /// One reload at a time: the one that started last must not be overtaken by an older one.
    reloading: Mutex<()>,
    /// Who is told of each bundle that comes into use.
    watcher: OnceLock<Watcher>,
}

/// Who is told of a bundle that came into use.
type Watcher = Box<dyn Fn(&Arc<Held>) + Send + Sync>;

impl TrustHolder {
    /// A holder that has loaded nothing yet: everything is denied until [`Self::reload`] succeeds.
    #[must_use]
    pub fn new(source: Box<dyn TrustSource>) -> Self {
        Self {
            source,
            current: RwLock::new(None),
            last_failure: Mutex::new(None),
            failures: AtomicU64::new(0),
            reloading: Mutex::new(()),
            watcher: OnceLock::new(),
        }
    }

    /// Has `watcher` told of each bundle that comes into use from now on; there is one. It must not block.
    pub fn watch(&self, watcher: impl Fn(&Arc<Held>) + Send + Sync + 'static) {
        // A second one is not taken: whoever starts the agent sets it once.
        drop(self.watcher.set(Box::new(watcher)));
    }

    /// The bundle in use.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Held>> {
        // Poisoned is no reason to stop: the value is one pointer, replaced whole.
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Loads the bundle again. Blocking.
    ///
    /// # Errors
    /// [`TrustFailure`]; the bundle in use, if any, stays in use.
    pub fn reload(&self) -> Result<Arc<Held>, TrustFailure> {
        let _one_at_a_time = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        match self.source.load() {
            Ok(trust) => {
                let held = Arc::new(Held { trust, loaded: now() });
                tracing::info!(
                    version = held.trust.version,
                    digest = %held.trust.digest,
                    audience = held.trust.audience,
                    "trust bundle in use"
                );
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&held));
                *self.last_failure.lock().unwrap_or_else(PoisonError::into_inner) = None;
                if let Some(watcher) = self.watcher.get() {
                    watcher(&held);
                }
                Ok(held)
            }
            Err(failure) => {
                self.failures.fetch_add(1, Ordering::Relaxed);
                let in_use = self.current().map_or_else(
                    || "none: every image is denied".to_owned(),
                    |held| format!("version {}", held.trust.version),
                );
                tracing::error!(
                    code = failure.code,
                    in_use,
                    "trust bundle not taken: {}",
                    crate::verdict::printable(&failure.message, 4096)
                );
                *self.last_failure.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(Failed { time: now(), failure: failure.clone() });
                Err(failure)
            }
        }
    }

    /// The last attempt to load, where it failed.
    #[must_use]
    pub fn last_failure(&self) -> Option<Failed> {
        self.last_failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many attempts failed.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// The latest time known to have passed.
    #[must_use]
    pub fn clock_floor(&self) -> Option<UnixTime> {
        self.source.clock_floor()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use pullward_core::time::UnixTime;

    use super::{TrustFailure, TrustHolder, TrustSource};
    use crate::trust::installed::InstalledTrust;

    struct Scripted(Mutex<Vec<Result<InstalledTrust, TrustFailure>>>);

    impl TrustSource for Scripted {
        fn load(&self) -> Result<InstalledTrust, TrustFailure> {
            self.0.lock().unwrap().remove(0)
        }

        fn clock_floor(&self) -> Option<UnixTime> {
            None
        }
    }

    fn bundle(version: u64) -> Result<InstalledTrust, TrustFailure> {
        Ok(crate::server::judgements::tests::trust(version))
    }

    fn failure() -> Result<InstalledTrust, TrustFailure> {
        Err(TrustFailure { code: "bundle-older".into(), message: "m".into() })
    }

    #[test]
    fn a_bundle_that_does_not_load_leaves_the_one_in_use() {
        let holder = TrustHolder::new(Box::new(Scripted(Mutex::new(vec![
            failure(),
            bundle(1),
            failure(),
            failure(),
            bundle(2),
        ]))));
        assert_eq!(holder.reload().unwrap_err().code, "bundle-older");
        assert!(holder.current().is_none());
        assert_eq!(holder.reload().unwrap().trust.version, 1);
        assert!(holder.last_failure().is_none());
        assert!(holder.reload().is_err());
        assert!(holder.reload().is_err());
        assert_eq!(holder.current().unwrap().trust.version, 1);
        assert_eq!(holder.last_failure().unwrap().failure.code, "bundle-older");
        assert_eq!(holder.failures(), 3);
        assert_eq!(holder.reload().unwrap().trust.version, 2);
        assert!(holder.last_failure().is_none());
    }
}
