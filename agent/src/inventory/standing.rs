//! A verdict, as the inventory keeps it.

use pullward_core::verdict::Reason;

use super::name::Unfit;
use crate::verdict::{Decision, Verdict, printable};

/// Longest message that is kept, in bytes: a node has a thousand images, and each message is read by a person.
const MESSAGE_BYTES: usize = 400;

/// How an image or a container stands. The later, the stricter: of two names of one image the stricter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// It holds evidence and is no image.
    Evidence,
    /// It may be here.
    Allowed,
    /// It may be here because its rule only audits.
    Audited,
    /// Nobody knows: something could not be asked. It is judged again.
    Undecided,
    /// It has nothing that could be judged.
    Unverifiable,
    /// It was judged and refused.
    Denied,
}

impl Standing {
    /// The word in tables and documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Evidence => "evidence",
            Self::Allowed => "allowed",
            Self::Audited => "audited",
            Self::Undecided => "undecided",
            Self::Unverifiable => "unverifiable",
            Self::Denied => "denied",
        }
    }

    /// Whether nothing has to be done about it.
    #[must_use]
    pub const fn is_fine(self) -> bool {
        matches!(self, Self::Evidence | Self::Allowed | Self::Audited)
    }
}

/// What is known of one image or container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How it stands.
    pub standing: Standing,
    /// Stable code.
    pub reason: String,
    /// The same in words, printable.
    pub message: String,
    /// The rule that decided.
    pub rule: Option<String>,
}

/// Reasons that are about this node or this hook and not about the image: nothing is removed or stopped for them.
const NOT_THE_IMAGES: [Reason; 4] = [
    Reason::TrustExpired,
    Reason::RequirementUnsupported,
    Reason::ConditionEngineAbsent,
    Reason::ConditionEngineVersion,
];

impl Finding {
    /// What a verdict says.
    #[must_use]
    pub fn of(verdict: &Verdict) -> Self {
        let standing = match verdict.decision {
            Decision::Allow if verdict.would_deny => Standing::Audited,
            Decision::Allow => Standing::Allowed,
            // The pod's namespace decides, and an image in a store has none.
            Decision::Deny if verdict.reason == Reason::NamespaceUnknown.code() => Standing::Undecided,
            Decision::Deny if verdict.exit_code() == 1 => Standing::Denied,
            Decision::Deny => Standing::Undecided,
        };
        Self {
            standing,
            reason: printable(&verdict.reason, 100),
            message: printable(&verdict.message, MESSAGE_BYTES),
            rule: verdict.rule.as_deref().map(|rule| printable(rule, 200)),
        }
    }

    /// What is known where there is nothing to judge.
    #[must_use]
    pub fn unfit(unfit: Unfit) -> Self {
        Self {
            standing: Standing::Unverifiable,
            reason: unfit.code().to_owned(),
            message: unfit.message().to_owned(),
            rule: None,
        }
    }

    /// An image that holds evidence.
    #[must_use]
    pub fn evidence() -> Self {
        Self {
            standing: Standing::Evidence,
            reason: "evidence".to_owned(),
            message: "it holds signatures or attestations of an image".to_owned(),
            rule: None,
        }
    }

    /// An image of the agent's own probe.
    #[must_use]
    pub fn probe() -> Self {
        Self {
            standing: Standing::Evidence,
            reason: "probe".to_owned(),
            message: "the agent's own probe has put it there and removes it".to_owned(),
            rule: None,
        }
    }

    /// Something that could not be asked.
    #[must_use]
    pub fn undecided(reason: Reason, message: &str) -> Self {
        Self {
            standing: Standing::Undecided,
            reason: reason.code().to_owned(),
            message: printable(message, MESSAGE_BYTES),
            rule: None,
        }
    }

    /// Whether it was judged and refused for something that is its own.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        let ours = NOT_THE_IMAGES.iter().any(|reason| reason.code() == self.reason);
        self.standing == Standing::Denied && !ours
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pullward_core::verdict::Reason;

    use super::{Finding, Standing};
    use crate::decide::Question;
    use crate::server::denial::Denial;
    use crate::verdict::{Decision, Hook, Place, Verdict};

    fn verdict(decision: Decision, would_deny: bool, reason: Reason) -> Verdict {
        let place = Place { hook: Hook::Inventory, containerd_namespace: None, pod_namespace: None };
        let question = Question {
            reference: "registry.example/app:1".to_owned(),
            digest: None,
            media_type: None,
            place,
            platform: "linux/amd64".to_owned(),
        };
        let denied = Denial::NoTrust.verdict(&question, None, Duration::ZERO);
        Verdict { decision, would_deny, reason: reason.code().to_owned(), ..denied }
    }

    fn of(decision: Decision, would_deny: bool, reason: Reason) -> (Standing, bool) {
        let finding = Finding::of(&verdict(decision, would_deny, reason));
        (finding.standing, finding.is_refused())
    }

    #[test]
    fn only_what_is_wrong_with_an_image_is_acted_on() {
        assert_eq!(of(Decision::Deny, false, Reason::Unsigned), (Standing::Denied, true));
        assert_eq!(of(Decision::Deny, false, Reason::DigestRevoked), (Standing::Denied, true));
        assert_eq!(of(Decision::Deny, false, Reason::TrustExpired), (Standing::Denied, false));
        for reason in [
            Reason::TrustMissing,
            Reason::EvidenceUnreachable,
            Reason::DeadlineExceeded,
            Reason::NamespaceUnknown,
            Reason::Overloaded,
            Reason::InternalError,
        ] {
            assert_eq!(of(Decision::Deny, false, reason), (Standing::Undecided, false), "{reason:?}");
        }
        assert_eq!(of(Decision::Allow, false, Reason::Signed), (Standing::Allowed, false));
        assert_eq!(of(Decision::Allow, true, Reason::Unsigned), (Standing::Audited, false));
    }
}
