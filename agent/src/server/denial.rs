//! Denials that the server makes itself, where it does not come to a judgement.

use std::collections::BTreeMap;
use std::time::Duration;

use pullward_core::verdict::Reason;
use sha2::{Digest as _, Sha256};

use crate::decide::Question;
use crate::server::now;
use crate::server::trust::Held;
use crate::verdict::{Decision, SCHEMA, Trust, Verdict, printable};

/// Longest reference that a denial repeats, in bytes.
const REFERENCE_SHOWN: usize = 1024;

/// Why there is no judgement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// No trust bundle was ever loaded.
    #[error("this node has no valid trust bundle: pullward status says why")]
    NoTrust,
    /// More judgements are waiting than the configuration allows.
    #[error("the agent has too many images to judge: try again, or raise [limits] queue")]
    Overloaded,
    /// No judgement in time.
    #[error("no judgement in time: try again; if it stays, pullward status shows what runs and waits")]
    Deadline,
    /// The judge panicked.
    #[error("the agent failed on this image: please report it with the agent's journal")]
    Internal,
    /// The agent's own probe asks for what must be refused.
    #[error("this is the agent's own probe, which proves that refusals work")]
    Probe,
    /// The request is not understood.
    #[error("{0}")]
    Request(#[from] crate::server::wire::RequestError),
}

impl Denial {
    /// The reason, for its stable code.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::NoTrust => Reason::TrustMissing,
            Self::Overloaded => Reason::Overloaded,
            Self::Deadline => Reason::DeadlineExceeded,
            Self::Internal => Reason::InternalError,
            Self::Probe => Reason::ProbeRefused,
            Self::Request(error) => error.reason(),
        }
    }

    /// The verdict: a denial of `question`, `elapsed` after it arrived.
    pub fn verdict(&self, question: &Question, trust: Option<&Held>, elapsed: Duration) -> Verdict {
        let time = trust.map_or_else(now, |held| now().max(held.trust.clock_floor)).to_string();
        let trust = trust.map(|held| Trust {
            version: held.trust.version,
            digest: held.trust.digest.to_string(),
            expires: crate::server::wire::expires(&held.trust).to_string(),
        });
        let reference = printable(&question.reference, REFERENCE_SHOWN);
        let digest =
            question.digest.as_deref().map(|digest| printable(digest, REFERENCE_SHOWN)).unwrap_or_default();
        let id = id(&[
            self.reason().code(),
            &question.reference,
            &digest,
            trust.as_ref().map_or("", |trust| trust.digest.as_str()),
            &time,
        ]);
        Verdict {
            schema: SCHEMA.to_owned(),
            decision: Decision::Deny,
            mode: "enforce".to_owned(),
            would_deny: false,
            reason: self.reason().code().to_owned(),
            message: self.to_string(),
            reference,
            digest,
            platform: question.platform.clone(),
            rule: None,
            trust,
            evidence: Vec::new(),
            requirements: Vec::new(),
            notes: Vec::new(),
            id,
            place: question.place.clone(),
            time,
            engine: pullward_core::ENGINE.to_owned(),
            attestations: BTreeMap::new(),
            elapsed_us: u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
        }
    }
}

/// The first 16 hexadecimal digits of a hash over all parts, each with its length in front.
fn id(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let hash = pullward_core::oci::Digest::from_sha256(hash.finalize().into());
    hash.hex().chars().take(16).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pullward_core::time::UnixTime;

    use super::{Denial, Held, id};
    use crate::decide::Question;
    use crate::verdict::{Hook, Place};

    #[test]
    fn a_denial_names_the_engine_as_every_verdict_does() {
        let question = Question {
            reference: "r.io/a:1".into(),
            digest: None,
            media_type: None,
            place: Place { hook: Hook::Cli, containerd_namespace: None, pod_namespace: None },
            platform: "linux/amd64".into(),
        };
        let verdict = Denial::Overloaded.verdict(&question, None, Duration::ZERO);
        assert_eq!(verdict.engine, pullward_core::ENGINE);

        // T-104: nor does it happen before what has surely passed.
        let mut trust = crate::trust::installed::tests::trust(1);
        trust.clock_floor = UnixTime::parse("2999-01-01T00:00:00Z").unwrap();
        let held = Held { trust, loaded: UnixTime(0) };
        let verdict = Denial::Deadline.verdict(&question, Some(&held), Duration::ZERO);
        assert_eq!(verdict.time, "2999-01-01T00:00:00Z");
    }

    #[test]
    fn an_id_tells_where_one_part_ends() {
        assert_ne!(id(&["ab", "c"]), id(&["a", "bc"]));
        assert_eq!(id(&["ab", "c"]).len(), 16);
    }
}
