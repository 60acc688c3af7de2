//! Where the inventory's verdicts come from.

use std::sync::Arc;
use std::time::Instant;

use pullward_core::oci::Digest;

use super::standing::Finding;
use crate::decide::Question;
use crate::server::judgements::Judgements;
use crate::server::trust::TrustHolder;
use crate::verdict::{Hook, Place};

/// Judges one name with the digest that it stands for.
pub trait Verdicts: Send + Sync + 'static {
    /// The verdict, in short. What cannot be judged now is undecided.
    fn judge(&self, namespace: &str, name: &str, digest: &Digest) -> impl Future<Output = Finding> + Send;

    /// What tells one state of trust from the next: what was judged in another one is judged again.
    fn trust(&self) -> Option<Digest>;
}

/// The agent's own judgements, which hooks get as well.
pub struct AgentVerdicts {
    judgements: Arc<Judgements>,
    trust: Arc<TrustHolder>,
    platform: String,
}

impl AgentVerdicts {
    /// Verdicts of the agent, for this node's platform.
    #[must_use]
    pub fn new(judgements: Arc<Judgements>, trust: Arc<TrustHolder>, platform: String) -> Self {
        Self { judgements, trust, platform }
    }
}

impl Verdicts for AgentVerdicts {
    async fn judge(&self, namespace: &str, name: &str, digest: &Digest) -> Finding {
        let question = Question {
            reference: name.to_owned(),
            digest: Some(digest.to_string()),
            media_type: None,
            place: Place {
                hook: Hook::Inventory,
                containerd_namespace: Some(namespace.to_owned()),
                pod_namespace: None,
            },
            platform: self.platform.clone(),
        };
        Finding::of(&*self.judgements.judge(question, Instant::now()).await)
    }

    fn trust(&self) -> Option<Digest> {
        self.trust.current().map(|held| held.trust.digest)
    }
}
