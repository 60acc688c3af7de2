//! What is done about what is unverified.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use super::name::{Name, Unfit};
use super::standing::{Finding, Standing};
use super::stock::{ImageRow, Key, RunningRow, Stock};
use crate::containerd::client::{Client, ClientError};
use crate::verdict::printable;

/// What becomes of an image that was judged and refused, or has nothing that could be judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnUnverified {
    /// It is shown and logged.
    #[default]
    Report,
    /// Its name is removed; its content is not touched.
    Remove,
}

/// What becomes of a container that runs such an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnRunning {
    /// It is shown and logged.
    #[default]
    Report,
    /// All of its processes are killed.
    Stop,
}

/// How something was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// It came, changed or started just now.
    Event,
    /// It is there.
    List,
}

/// What the operator wants done, and how often it was.
#[derive(Debug, Default)]
pub struct Acts {
    /// About images.
    pub images: OnUnverified,
    /// About containers.
    pub running: OnRunning,
    removed: AtomicU64,
    stopped: AtomicU64,
}

impl Acts {
    /// Acts as these say.
    #[must_use]
    pub fn new(images: OnUnverified, running: OnRunning) -> Self {
        Self { images, running, ..Self::default() }
    }

    /// Names removed since the start.
    #[must_use]
    pub fn removed(&self) -> u64 {
        self.removed.load(Ordering::Relaxed)
    }

    /// Containers stopped since the start.
    #[must_use]
    pub fn stopped(&self) -> u64 {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Removes a name if it is to be removed. What could not be decided never is. An id is brought here only when all the
    /// names beside it are known.
    pub async fn on_image(&self, client: &Client, stock: &Stock, key: &Key, row: &ImageRow) {
        let Some(digest) = &row.digest else { return };
        if self.images == OnUnverified::Report || !is_removed(&row.finding) {
            return;
        }
        if Name::of(&key.1) == Name::Id && stock.has_fine_name(&key.0, digest) {
            return;
        }
        let (namespace, name) = shown(key);
        match client.remove_image(&key.0, &key.1, digest).await {
            Ok(()) => {
                self.removed.fetch_add(1, Ordering::Relaxed);
                stock.drop_image(key);
                tracing::warn!(
                    target: crate::log::VERDICTS,
                    namespace, name, %digest, reason = row.finding.reason,
                    "unverified image removed: its name is gone, its content stays until containerd collects it: {}",
                    row.finding.message
                );
            }
            // Gone already, or something else by now: an event says what.
            Err(ClientError::NotFound(_)) => {}
            Err(error) => tracing::error!(namespace, name, "unverified image not removed: {error}"),
        }
    }

    /// Kills a container if it is to be stopped.
    pub async fn on_running(&self, client: &Client, key: &Key, row: &RunningRow, sight: Sight) {
        if self.running == OnRunning::Report || !is_stopped(&row.finding, sight) {
            return;
        }
        let (namespace, container) = shown(key);
        let image = printable(&row.image, 300);
        match client.kill(&key.0, &key.1).await {
            Ok(()) => {
                self.stopped.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(
                    target: crate::log::VERDICTS,
                    namespace, container, image, reason = row.finding.reason,
                    "container of an unverified image killed: {}",
                    row.finding.message
                );
            }
            Err(ClientError::NotFound(_)) => {}
            Err(error) => {
                tracing::error!(
                    namespace,
                    container,
                    image,
                    "container of an unverified image not stopped: {error}"
                );
            }
        }
    }
}

fn is_removed(finding: &Finding) -> bool {
    finding.is_refused() || finding.standing == Standing::Unverifiable
}

/// What has no image, or none any more, is stopped as it starts. When it runs already, its image may have been
/// verified and its name removed since: nobody knows, so it is only shown.
fn is_stopped(finding: &Finding, sight: Sight) -> bool {
    let lost =
        [Unfit::ImageGone.code(), Unfit::ContainerWithoutImage.code()].contains(&finding.reason.as_str());
    finding.is_refused() || (finding.standing == Standing::Unverifiable && (sight == Sight::Event || !lost))
}

fn shown(key: &Key) -> (String, String) {
    (printable(&key.0, 100), printable(&key.1, 300))
}

#[cfg(test)]
mod tests {
    use pullward_core::verdict::Reason;

    use super::{Sight, is_removed, is_stopped};
    use crate::inventory::name::Unfit;
    use crate::inventory::standing::{Finding, Standing};

    #[test]
    fn an_outage_removes_and_stops_nothing() {
        let undecided = Finding::undecided(Reason::EvidenceUnreachable, "registry down");
        let expired = Finding {
            standing: Standing::Denied,
            reason: Reason::TrustExpired.code().to_owned(),
            ..undecided.clone()
        };
        for finding in [undecided, expired, Finding::evidence()] {
            assert!(!is_removed(&finding), "{finding:?}");
            for sight in [Sight::Event, Sight::List] {
                assert!(!is_stopped(&finding, sight), "{finding:?}");
            }
        }
    }

    #[test]
    fn what_lost_its_image_while_it_ran_is_only_shown() {
        let gone = Finding::unfit(Unfit::ImageGone);
        assert!(is_stopped(&gone, Sight::Event));
        assert!(!is_stopped(&gone, Sight::List));
        let nameless = Finding::unfit(Unfit::NameNotQualified);
        assert!(is_stopped(&nameless, Sight::List) && is_removed(&nameless));
    }
}
