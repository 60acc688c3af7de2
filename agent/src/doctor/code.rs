//! What `doctor` can find: a stable code, how bad it is, and why it matters.

use serde::Serialize;

/// How bad a finding is. The order is the order of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A way around: something unjudged can be pulled or started.
    Open,
    /// It could not be found out whether a way is open.
    Undecided,
    /// Nothing is open, and something is wrong or soon will be.
    Warning,
    /// As it should be.
    Fine,
}

macro_rules! codes {
    ($($variant:ident $name:literal $severity:ident $why:literal)+) => {
        /// One kind of finding.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $why] $variant,)+
        }

        impl Code {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Its stable name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// How bad it is.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)+ }
            }

            /// Why it matters, in a sentence.
            #[must_use]
            pub const fn why(self) -> &'static str {
                match self { $(Self::$variant => $why,)+ }
            }
        }
    };
}

codes! {
    LocalPull "local-pull" Open
        "with this setting CRI pulls images itself and asks no verifier; containerd says so once, at its start, and goes on"
    VerifierDisabled "verifier-disabled" Open
        "without the plugin containerd asks nobody before a pull"
    VerifierNotLoaded "verifier-not-loaded" Open
        "the running containerd does not have the plugin, whatever its configuration says"
    VerifierUnsupported "verifier-unsupported" Open
        "CRI of a containerd before 2.1 asks no verifier; there only the CRI proxy can refuse"
    VerifierFolder "verifier-folder" Open
        "containerd takes a folder that is absent or that it cannot read for one without verifiers, and pulls; whoever can write to it decides what is asked"
    VerifierAbsent "verifier-absent" Open
        "containerd executes what is in its folder; our file is not there, so we are not asked"
    VerifierForeign "verifier-foreign" Open
        "what containerd executes under our name is not what asks this agent"
    VerifierSkipped "verifier-skipped" Open
        "containerd runs the first so many verifiers in name order and skips ours"
    ContainerdTcp "containerd-tcp" Open
        "whoever reaches this address can import and start images past every judge"
    SocketOpen "socket-open" Open
        "whoever can replace or use this socket answers for the agent, or goes past it"
    ConfigWritable "config-writable" Open
        "whoever can write this file, or a folder above it, can turn the judging off"
    KubeletDirect "kubelet-direct" Open
        "kubelet speaks to containerd itself: images that are there already, imported or pre-loaded are started unjudged"
    Preload "preload" Open
        "these archives are imported at start, and an import asks no verifier"
    OtherRuntime "other-runtime" Open
        "another runtime pulls and starts containers past containerd's hook and kubelet; that is seen, and not prevented"
    ProbeNotRefused "probe-not-refused" Open
        "an image that must be refused was pulled a moment ago: enforcement is off, whatever the reason"
    ContainerdUnreachable "containerd-unreachable" Undecided
        "what the running containerd has in effect cannot be asked"
    ContainerdUnknown "containerd-unknown" Undecided
        "a configuration that cannot be read can hold any of the ways around"
    RestartPending "restart-pending" Undecided
        "the file was changed after containerd started: what is in effect is what it said before"
    KubeletUnknown "kubelet-unknown" Undecided
        "whether kubelet goes through the proxy cannot be told"
    AgentUnreachable "agent-unreachable" Undecided
        "without the agent every pull is refused, and what it would say of itself is not known"
    ConfigUnreadable "config-unreadable" Undecided
        "without pullward's own configuration it is not known what should be enforced"
    TrustUnreadable "trust-unreadable" Undecided
        "without a valid trust bundle every image is denied, and its rules cannot be looked at"
    ProbeFailed "probe-failed" Undecided
        "the live proof could not be made, so enforcement is not proven"
    VerifierNotRequired "verifier-not-required" Warning
        "containerd would start without the plugin when somebody disables it"
    VerifierTimeout "verifier-timeout" Warning
        "containerd gives up before the hook does, and the reason of a slow denial is lost"
    VerifierBeside "verifier-beside" Warning
        "all verifiers must agree: this one can refuse what we allow"
    PullsRefused "pulls-refused" Warning
        "containerd cannot execute this, and so refuses every pull"
    PullEndless "pull-endless" Warning
        "with this setting pulls can hang for ever, and the verifier is not even asked"
    PauseUnruled "pause-unruled" Warning
        "every pod needs this image; no rule lets it in, so that no pod starts once it is pulled anew"
    TrustExpiring "trust-expiring" Warning
        "after its expiry new images are denied"
    TrustExpired "trust-expired" Warning
        "new images are denied"
    ReloadFailed "reload-failed" Warning
        "the agent goes on with the trust bundle before, which is not the one that is meant"
    PolicyAudit "policy-audit" Warning
        "these rules let images through and only log what they would refuse"
    ClockBehind "clock-behind" Warning
        "verdicts are dated by the latest time known to have passed, not by this clock"
    ReceiptsUnreadable "receipts-unreadable" Warning
        "without receipts the node judges every image as if it came for the first time"
    CredentialsUnreadable "credentials-unreadable" Warning
        "without credentials the evidence of private images cannot be fetched, and they are denied"
    RegistryUnreachable "registry-unreachable" Warning
        "evidence that is not in the store cannot be fetched, and its images are denied"
    UnitMasked "unit-masked" Warning
        "systemd will not start the agent, and without it every pull is refused"
    UnitDisabled "unit-disabled" Warning
        "after the next boot nothing starts the agent, and every pull is refused"
    ProbeOff "probe-off" Warning
        "enforcement is assumed from settings, not proven by trying"
    AddressOfAnother "address-of-another" Warning
        "the configured socket is not where this distribution's containerd listens"
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Code, Severity};

    #[test]
    fn names_are_their_own_and_no_finding_is_fine() {
        let names: BTreeSet<_> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            assert_ne!(code.severity(), Severity::Fine, "{code:?}");
            assert!(!code.why().ends_with('.'), "{code:?}");
            assert!(code.name().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{code:?}");
        }
        assert!(Code::ALL.is_sorted_by_key(|code| code.severity()));
    }
}
