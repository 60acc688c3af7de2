//! The live proof: containerd is asked, on a schedule, to pull what must be refused and what must pass (T-74).
//!
//! Settings can all look right while nothing is enforced. So the agent serves two images from a registry of its own on
//! loopback, for as long as one round takes, and asks containerd for both in every way that images take: the transfer
//! service, CRI as kubelet asks it, and the CRI proxy where there is one. Enforcement is proven when the one is refused
//! *by this agent* and the other is pulled. A refusal that the agent was not asked for proves nothing: a hook that cannot
//! be executed refuses as well.
//!
//! Why this opens no hole:
//! - The first image is refused by the agent before any policy is asked, for a name that only a running round has: its own
//!   loopback port. It can only deny.
//! - The second one is judged by the core like any other, but by a key that the agent makes at its start, keeps in memory
//!   and signs this one image with. The key is in no trust bundle; it counts for exactly one digest, under the round's own
//!   name, while the round lasts. The digest is of bytes that the agent made: an image of one empty layer, with nothing
//!   to run in it.
//! - Neither leaves a receipt, and both images are removed again. They are called `pullward-probe/…`, in the namespace
//!   [`NAMESPACE`] and, because CRI knows no other, in `k8s.io`.
//!
//! - [`image`]: the two images; [`registry`]: serves them; [`answer`]: judges them; [`pull`]: asks containerd.

pub mod answer;
pub mod image;
pub mod pull;
pub mod registry;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pullward_core::time::UnixTime;
use tokio::net::TcpListener;

use crate::config::Config;
use crate::server::now;
use crate::verdict::printable;
use answer::{Images, Rounds};
use pull::{Asked, Way};

/// The namespace of containerd that pulls over the transfer service go to.
pub const NAMESPACE: &str = "pullward-probe";

/// The first part of both images' paths, on a host that is different in each round.
pub const REPOSITORY: &str = "pullward-probe";

/// A round that proved nothing is tried again after this: containerd may just have started.
const AGAIN: Duration = Duration::from_secs(10);

/// Longest message that is kept, in bytes.
const MESSAGE_BYTES: usize = 500;

/// What the last round has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// There was none yet.
    Pending,
    /// What must be refused was refused, by this agent, and what must pass was pulled.
    Proven,
    /// What must be refused was pulled.
    NotRefused,
    /// Neither could be shown.
    Failed,
}

impl Outcome {
    /// Its stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Proven => "proven",
            Self::NotRefused => "not-refused",
            Self::Failed => "failed",
        }
    }
}

/// The last round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// What it has shown.
    pub outcome: Outcome,
    /// When it ended.
    pub time: UnixTime,
    /// The ways that were tried, or what was wrong.
    pub message: String,
}

/// The probe of a daemon.
#[derive(Debug)]
pub struct Probe {
    /// How often.
    pub interval: Duration,
    shown: Mutex<Shown>,
}

impl Probe {
    /// A probe that has not tried yet.
    #[must_use]
    pub fn new(interval: Duration) -> Self {
        let message = "not tried yet".to_owned();
        Self { interval, shown: Mutex::new(Shown { outcome: Outcome::Pending, time: now(), message }) }
    }

    /// What the last round has shown.
    #[must_use]
    pub fn shown(&self) -> Shown {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Goes round after round, for ever.
    pub async fn run(self: Arc<Self>, config: Config, rounds: Arc<Rounds>, platform: String) {
        let images = match Images::new(&platform) {
            Ok(images) => Arc::new(images),
            Err(why) => {
                self.show(Outcome::Failed, why);
                return;
            }
        };
        loop {
            let (outcome, message) = round(&config, &rounds, &images).await;
            self.show(outcome, message);
            let pause = if outcome == Outcome::Proven { self.interval } else { self.interval.min(AGAIN) };
            tokio::time::sleep(pause).await;
        }
    }

    fn show(&self, outcome: Outcome, message: String) {
        let message = printable(&message, MESSAGE_BYTES);
        let shown = Shown { outcome, time: now(), message };
        let mut last = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Outcome::NotRefused => tracing::error!("enforcement is off: {}", shown.message),
            Outcome::Failed if last.outcome != outcome || last.message != shown.message => {
                tracing::warn!("enforcement is not proven: {}", shown.message);
            }
            Outcome::Proven if last.outcome != outcome => {
                tracing::info!("enforcement is proven: {}", shown.message);
            }
            _ => {}
        }
        *last = shown;
    }
}

/// One round: a registry, both images, every way.
async fn round(config: &Config, rounds: &Arc<Rounds>, images: &Arc<Images>) -> (Outcome, String) {
    let failed = |why: String| (Outcome::Failed, why);
    let ways = match ways(config).await {
        Ok(ways) => ways,
        Err(why) => return failed(why),
    };
    // A port of its own for each round: between rounds nothing listens, and no name means anything.
    let listener = match TcpListener::bind(("127.0.0.1", 0)).await {
        Ok(listener) => listener,
        Err(error) => return failed(format!("127.0.0.1: {error}")),
    };
    let host = match listener.local_addr() {
        Ok(address) => address.to_string(),
        Err(error) => return failed(error.to_string()),
    };
    let server = tokio::spawn(registry::serve(listener, Arc::clone(images)));
    let mut shown = Vec::new();
    let mut worst = Outcome::Proven;
    for way in ways {
        let running = rounds.begin(&host, Arc::clone(images));
        let refused = pull::pull(&way, &images.refused.name(&host)).await;
        let passed = pull::pull(&way, &images.allowed.name(&host)).await;
        let asked = running.asked();
        // What was pulled goes away whatever it proved.
        for (image, pulled) in [(&images.refused, &refused), (&images.allowed, &passed)] {
            if *pulled == Asked::Pulled {
                pull::remove(&way, &image.name(&host)).await;
            }
        }
        drop(running);
        let (outcome, message) = judge(&way, refused, passed, asked);
        if outcome == Outcome::NotRefused || worst == Outcome::Proven {
            worst = outcome;
        }
        if outcome == worst || outcome != Outcome::Proven {
            shown.push(message);
        }
    }
    server.abort();
    (worst, shown.join("; "))
}

fn judge(way: &Way, refused: Asked, passed: Asked, asked: answer::Questions) -> (Outcome, String) {
    match (refused, passed) {
        (Asked::Pulled, _) => (Outcome::NotRefused, format!("{way}: what must be refused was pulled")),
        (Asked::Refused(_), Asked::Pulled) if asked.refused && asked.allowed => {
            (Outcome::Proven, format!("{way}: refused and passed"))
        }
        (Asked::Refused(why), _) if !asked.refused => {
            (Outcome::Failed, format!("{way}: refused, but not by this agent: {why}"))
        }
        (Asked::Refused(_), Asked::Pulled) => {
            (Outcome::Failed, format!("{way}: what must pass was pulled, and this agent was not asked"))
        }
        (Asked::Refused(_), Asked::Refused(why)) => {
            (Outcome::Failed, format!("{way}: what must pass was refused: {why}"))
        }
    }
}

/// The ways that images take on this node.
async fn ways(config: &Config) -> Result<Vec<Way>, String> {
    let address = config.containerd.address.clone();
    let proxy = config.cri.socket.clone();
    let asked = address.clone();
    let running = tokio::task::spawn_blocking(move || crate::containerd::probe::ask(&asked)).await;
    let running = match running {
        Ok(Ok(running)) => running,
        Ok(Err(error)) => return Err(format!("{}: {error}", address.display())),
        Err(_) => return Err(format!("{}: not asked", address.display())),
    };
    Ok(ways_of(address, proxy, running.has_verifiers()))
}

/// Before 2.0 nothing but the proxy can refuse; where there is none, CRI shows just that.
fn ways_of(address: PathBuf, proxy: Option<PathBuf>, has_verifiers: bool) -> Vec<Way> {
    let proxy = proxy.map(Way::Proxy);
    if has_verifiers {
        [Way::Transfer(address.clone()), Way::Cri(address)].into_iter().chain(proxy).collect()
    } else {
        vec![proxy.unwrap_or(Way::Cri(address))]
    }
}

#[cfg(test)]
mod tests {
    use super::answer::Questions;
    use super::pull::{Asked, Way};
    use super::{Outcome, judge, ways_of};

    fn refused() -> Asked {
        Asked::Refused("no".to_owned())
    }

    #[test]
    fn only_a_refusal_by_this_agent_beside_a_pull_proves_anything() {
        let way = Way::Cri("/c.sock".into());
        let both = Questions { refused: true, allowed: true };
        let outcome = |refused, passed, asked| judge(&way, refused, passed, asked).0;
        assert_eq!(outcome(refused(), Asked::Pulled, both), Outcome::Proven);
        assert_eq!(outcome(Asked::Pulled, Asked::Pulled, both), Outcome::NotRefused);
        assert_eq!(outcome(Asked::Pulled, refused(), both), Outcome::NotRefused);
        assert_eq!(outcome(refused(), refused(), both), Outcome::Failed);
        for asked in [
            Questions { refused: false, allowed: true },
            Questions { refused: true, allowed: false },
            Questions { refused: false, allowed: false },
        ] {
            assert_eq!(outcome(refused(), Asked::Pulled, asked), Outcome::Failed);
        }
    }

    #[test]
    fn every_way_is_tried_that_can_refuse() {
        let proxy = || Some("/p".into());
        let ways = |proxy, verifiers| ways_of("/c".into(), proxy, verifiers);
        assert_eq!(ways(None, true), [Way::Transfer("/c".into()), Way::Cri("/c".into())]);
        assert_eq!(ways(proxy(), true).len(), 3);
        assert_eq!(ways(proxy(), false), [Way::Proxy("/p".into())]);
        assert_eq!(ways(None, false), [Way::Cri("/c".into())]);
    }
}
