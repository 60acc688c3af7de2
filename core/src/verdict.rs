//! Reason codes: one enum, each with what it means and what an operator does next.
//!
//! A denial ("judged and refused") and an error ("could not decide") never share a code. Codes are stable: they
//! are never renamed and never reused.

/// Whether a reason lets an image through, refuses it, or says that nothing could be decided. The last denies too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReasonClass {
    /// The image may be pulled and run.
    Allow,
    /// It was judged and refused: exit code 1.
    Deny,
    /// It could not be judged, and so is refused: exit code 2.
    Error,
}

macro_rules! reasons {
    ($($(#[doc = $meaning:literal])+ $name:ident = $code:literal, $class:ident, $next:literal;)+) => {
        /// Why a verdict is what it is, or what is wrong with one piece of evidence.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Reason { $($(#[doc = $meaning])+ $name,)+ }

        impl Reason {
            /// Every reason, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The stable code.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// What it lets happen.
            #[must_use]
            pub const fn class(self) -> ReasonClass {
                match self { $(Self::$name => ReasonClass::$class,)+ }
            }

            /// What it means, in words.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($meaning,)+).trim_ascii(),)+ }
            }

            /// What an operator does next.
            #[must_use]
            pub const fn next_step(self) -> &'static str {
                match self { $(Self::$name => $next,)+ }
            }
        }
    };
}

reasons! {
    /// the image carries what the policy asks for
    Signed = "signed", Allow, "nothing to do";
    /// a rule with mode allow matches
    AllowedByRule = "allowed-by-rule", Allow, "nothing to do";

    /// the agent's own probe, an image that must be refused
    ProbeRefused = "probe", Deny, "nothing to do: it proves that refusals work";
    /// a rule with mode deny matches
    DeniedByRule = "denied-by-rule", Deny, "use another image, or ask the owner of the policy to change the rule";
    /// no rule of the policy matches this reference
    NoRule = "no-rule", Deny, "add a rule that matches it to the policy, then build and install the trust bundle";
    /// no signature was found for this digest
    Unsigned = "unsigned", Deny, "sign this digest, and copy signatures along when the image is copied";
    /// signatures were found, but none is by a key that the rule asks for
    UntrustedKey = "untrusted-key", Deny, "sign with a key of an authority that the rule names, or name the signer's key in the policy";
    /// fewer distinct authorities have signed than the rule asks for
    ThresholdNotMet = "threshold-not-met", Deny, "have the missing authorities sign this digest";
    /// a trusted signer signed, but another image's digest
    DigestMismatch = "digest-mismatch", Deny, "sign this digest: the signature belongs to other content, perhaps to what this tag named before";
    /// the index of this image is signed, and this platform's manifest is not
    SignedIndexNotPlatform = "signed-index-not-platform", Deny, "pull by the tag or by the index's digest, or write index = \"parent\" into the rule, or sign every platform (cosign sign --recursive)";
    /// another manifest of the same image is signed: this one has the same configuration and other layer blobs
    DigestRewritten = "digest-rewritten", Deny, "copy images without packing them anew (oras copy, crane copy, skopeo copy --all --preserve-digests instead of docker save and another compression), or sign this digest too";
    /// only attestations were found: no statement says that the image itself is signed
    PredicateNotSignature = "predicate-not-signature", Deny, "sign the image itself (cosign sign); an attestation is not a signature";
    /// the signature's encoding is not the one that its format demands
    SignatureMalformed = "signature-malformed", Deny, "sign again with a current cosign; if it repeats, something rewrites the evidence";
    /// the signed payload is not the JSON that its format demands
    PayloadMalformed = "payload-malformed", Deny, "sign again with a current cosign; if it repeats, something rewrites the evidence";
    /// the signed payload has a key twice, or a second spelling of it: two readers could read two things
    PayloadAmbiguous = "payload-ambiguous", Deny, "treat the signer's tooling as suspect, and sign again with a current cosign";
    /// the signed payload is of a type that is not an image signature's
    PayloadType = "payload-type", Deny, "sign again with cosign";
    /// the signed payload names the image by something that is not a lower-case SHA-256 digest
    PayloadDigest = "payload-digest", Deny, "sign again with cosign, by SHA-256 digest";
    /// the statement has no subject, or more than can be read
    StatementSubjects = "statement-subjects", Deny, "sign again with the image as the subject";
    /// the statement is of an unknown version
    StatementVersion = "statement-version", Deny, "sign again with a tool that writes in-toto Statement v0.1 or v1";
    /// the envelope does not have exactly one signature
    EnvelopeSignatures = "envelope-signatures", Deny, "sign again: evidence has one signature per envelope";
    /// the envelope or bundle is not the JSON that its format demands
    EnvelopeMalformed = "envelope-malformed", Deny, "sign again with a current cosign; if it repeats, something rewrites the evidence";
    /// the bundle is of a version that is not known here
    BundleVersion = "bundle-version", Deny, "sign again with a tool that writes bundle v0.3";
    /// signed by a certificate, and no authority that the rule names has identities
    CertificateUnsupported = "certificate-unsupported", Deny, "sign with a key of an authority that the rule names, or name the identity in the policy (keyless)";
    /// the certificate, or whom it is for, cannot be read
    CertificateMalformed = "certificate-malformed", Deny, "sign again with a current cosign; if it repeats, something rewrites the evidence";
    /// the certificate does not lead to an authority of the trusted root
    CertificateUntrusted = "certificate-untrusted", Deny, "sign with the Sigstore instance that the policy names, or put its current trusted root into the policy";
    /// a verified time of the signature is outside the validity of a certificate, or of its authority
    TimeOutsideCertificate = "time-outside-certificate", Deny, "sign again: a certificate counts only while it is valid";
    /// the signature is not by the key of the certificate that stands beside it
    SignatureInvalid = "signature-invalid", Deny, "sign this digest again; if it repeats, something rewrites the evidence";
    /// the trusted root lists certificate logs, and the certificate shows no entry in one
    SctMissing = "sct-missing", Deny, "sign with a certificate authority that logs what it issues, as the trusted root says";
    /// no certificate log of the trusted root has verifiably seen the certificate
    SctInvalid = "sct-invalid", Deny, "put the current trusted root into the policy; if it repeats, treat the certificate authority as suspect";
    /// the trusted root lists transparency logs, and the signature comes without an entry
    LogEntryMissing = "log-entry-missing", Deny, "sign with the log (cosign's default), and copy the whole evidence along when the image is copied";
    /// the log entry is in a log that the trusted root does not list
    LogUnknown = "log-unknown", Deny, "sign with the Sigstore instance that the policy names, or put its current trusted root into the policy";
    /// the log entry is about another signature
    LogEntryMismatch = "log-entry-mismatch", Deny, "treat the evidence as forged: a genuine entry of something else was put beside this signature";
    /// the log entry comes without the proof that this form of evidence needs
    LogProofMissing = "log-proof-missing", Deny, "sign again with a current cosign";
    /// the log entry, its promise, its proof or its checkpoint does not verify
    LogEntryInvalid = "log-entry-invalid", Deny, "sign again; if it repeats, put the current trusted root into the policy";
    /// nothing that the trusted root vouches for says when the signature was made
    TimestampMissing = "timestamp-missing", Deny, "sign with a timestamp authority that the trusted root lists (cosign --timestamp-server-url), or with a log that gives times";
    /// a timestamp beside the signature does not verify
    TimestampInvalid = "timestamp-invalid", Deny, "sign again; if it repeats, put the current trusted root into the policy";
    /// a verified time of the signature has not come yet
    TimeFromFuture = "time-from-future", Deny, "check this node's clock; if it is right, treat the log or timestamp authority as suspect";
    /// signed for an identity that no authority of the rule has
    IdentityMismatch = "identity-mismatch", Deny, "sign as an identity that the policy names, or name this one in it";
    /// the identity that signed is revoked
    IdentityRevoked = "identity-revoked", Deny, "sign this digest as an identity that is not revoked";
    /// the certificate that signed is revoked
    CertificateRevoked = "certificate-revoked", Deny, "sign this digest again";
    /// a bare signature over the artifact, which does not say that an image is signed
    MessageSignatureUnsupported = "message-signature-unsupported", Deny, "sign the image with cosign sign, not cosign sign-blob";
    /// the evidence is larger than anything of its kind
    EvidenceTooLarge = "evidence-too-large", Deny, "remove it from the registry, or make the attestation smaller";
    /// the key that signed is revoked
    KeyRevoked = "key-revoked", Deny, "sign this digest with a key that is not revoked";
    /// the authority that signed is revoked
    AuthorityRevoked = "authority-revoked", Deny, "have another authority sign this digest";
    /// this piece of evidence is revoked
    EvidenceRevoked = "evidence-revoked", Deny, "sign this digest again";
    /// the key that signed is retired: it only counts for digests that this node already has a receipt for
    KeyRetired = "key-retired", Deny, "sign this digest with the authority's current key";
    /// the key that signed has a validity window, and nothing proves when it signed
    KeyWindowNoTime = "key-window-no-time", Deny, "name a trusted_root for the authority and sign with its log or a timestamp, or remove the window from the policy and revoke the key instead";
    /// the key that signed has a validity window, and a verified time of the signature is outside it
    KeyWindowOutside = "key-window-outside", Deny, "sign this digest with a key that is valid now";
    /// no attestation of a type that the rule asks for was found, by an authority that it names
    AttestationMissing = "attestation-missing", Deny, "attach the attestation (cosign attest), and copy attestations along when the image is copied";
    /// the attestation is signed by an authority that the requirement does not name
    AttestationSigner = "attestation-signer", Deny, "have an authority that the requirement names make the attestation";
    /// the predicate is not what its format says
    PredicateMalformed = "predicate-malformed", Deny, "make the attestation again with a current tool";
    /// the requirement puts conditions on a predicate of a type that it cannot be about
    PredicateUnsupported = "predicate-unsupported", Deny, "ask for this with a type that says it, or with a condition in CEL";
    /// the attestation is older than the rule allows
    AttestationTooOld = "attestation-too-old", Deny, "scan or build again, and attest the result";
    /// the attestation is dated in the future
    AttestationFromFuture = "attestation-from-future", Deny, "check the clocks of this node and of the machine that made the attestation";
    /// the rule limits the attestation's age, and it does not say when it was made
    AttestationNoTime = "attestation-no-time", Deny, "make the attestation with a tool that writes the time, or take max_age out of the policy";
    /// more vulnerabilities count than the rule allows
    VulnerabilitiesExceeded = "vulnerabilities-exceeded", Deny, "update the named package and build again, or state why it does not matter (VEX, ignore)";
    /// the report is about another image
    ReportOtherImage = "report-other-image", Deny, "scan this very digest and attest the result";
    /// the image was built by a builder that the rule does not name
    BuilderMismatch = "builder-mismatch", Deny, "build where the policy says, or name this builder in it";
    /// the image was built in a way that the rule does not name
    BuildTypeMismatch = "build-type-mismatch", Deny, "build in the way that the policy says, or name this build type in it";
    /// the image was built from a repository that the rule does not name
    SourceMismatch = "source-mismatch", Deny, "build from the repository that the policy names, or name this one in it";
    /// the image was built from a commit that the rule does not name
    CommitMismatch = "commit-mismatch", Deny, "build from a commit that the policy names";
    /// the build's entry point is one that the rule does not name
    EntryPointMismatch = "entry-point-mismatch", Deny, "build with the workflow or file that the policy names";
    /// the build had a parameter that the rule forbids, or lacked one that it demands
    ParameterMismatch = "parameter-mismatch", Deny, "build with the parameters that the policy allows";
    /// the image is built on a base that the rule does not name, or names no base
    BaseMismatch = "base-mismatch", Deny, "build on a base image that the policy names";
    /// the provenance lists no materials, and the rule asks for them
    MaterialsMissing = "materials-missing", Deny, "build with complete provenance (docker buildx build --provenance=mode=max)";
    /// the provenance says two different things
    ProvenanceContradiction = "provenance-contradiction", Deny, "build again; if it repeats, something rewrites the provenance";
    /// the provenance has no entry for this platform
    PlatformMissing = "platform-missing", Deny, "attest the provenance of every platform that the image has";
    /// the image contains a package that the rule denies
    PackageDenied = "package-denied", Deny, "build without the package";
    /// the document lists no package, so that it does not say that one is not there
    PackagesMissing = "packages-missing", Deny, "make the list with a tool that looks into this very image (syft, trivy), and attest it; if there is nothing to list, take packages out of the policy";
    /// the image contains a package under a licence that the rule denies
    LicenseDenied = "license-denied", Deny, "build without the package";
    /// the rule's condition is not met
    ConditionFalse = "condition-false", Deny, "read the condition in the policy against the attestation (pullward attestation show -o json)";
    /// the rule's condition cannot be evaluated on this attestation
    ConditionError = "condition-error", Deny, "check the condition against a real attestation (pullward policy test)";
    /// the rule's condition costs more than a condition may
    ConditionLimit = "condition-limit", Deny, "write the condition simpler, or make the attestation smaller";
    /// the rule has a condition in CEL, and this build has no engine for it
    ConditionEngineAbsent = "condition-engine-absent", Deny, "use the agent, which has one";
    /// the rule's condition was compiled for another engine
    ConditionEngineVersion = "condition-engine-version", Deny, "build the trust bundle again with the version of pullward that the nodes run";
    /// statements of the build inside the image's index count only when the index is signed
    IndexUnsigned = "index-unsigned", Deny, "sign the index digest itself (cosign sign)";
    /// statements inside the image's index are not chained to it by digest, or are about another platform
    IndexChain = "index-chain", Deny, "build again with docker buildx; if it repeats, something rewrites the index";
    /// this digest is revoked
    DigestRevoked = "digest-revoked", Deny, "use another version of the image";
    /// the trust bundle has expired, and it admits no new digests after that
    TrustExpired = "trust-expired", Deny, "install a current trust bundle (pullward trust install)";
    /// a rule for some namespaces decides, and this hook is not told the namespace
    NamespaceUnknown = "namespace-unknown", Deny, "pull through a hook that knows the namespace, or make the rule independent of it";
    /// a rule lets this name in without evidence when it is pulled, and nothing shows that this digest was pulled under it
    AllowUnpinned = "allow-unpinned", Deny, "pull the image by this name through pullward, or list its digest in the rule (digests = [...])";
    /// no image with this name or id is on this node
    ImageAbsent = "image-absent", Error, "pull it";
    /// containerd holds another digest under the name than the one that was judged
    PulledOther = "pulled-other", Deny, "pull again; if it repeats, the registry answers differently each time";
    /// the request to the CRI proxy is not one that it can judge
    RequestUnreadable = "request-unreadable", Error, "check the versions of kubelet and pullward";
    /// containerd does not answer
    RuntimeUnreachable = "runtime-unreachable", Error, "start it (systemctl start containerd), and check [containerd] address";
    /// the rule asks for something that this version cannot check
    RequirementUnsupported = "requirement-unsupported", Deny, "update pullward on this node, or take the requirement out of the policy";

    /// the name is not an image reference
    ReferenceInvalid = "reference-invalid", Error, "check its spelling";
    /// the digest is not sha256: and 64 lower-case hex digits
    DigestInvalid = "digest-invalid", Error, "pull by a SHA-256 digest";
    /// the reference and the digest that was given name two different things
    DigestConflict = "digest-conflict", Error, "pull again; if it repeats, the registry answers differently each time";
    /// the name could not be turned into a digest
    TagNotResolved = "tag-not-resolved", Error, "check that the tag exists and that the registry can be reached, or give --digest";
    /// the manifest could be read as two different things, or is not what it is said to be
    ManifestAmbiguous = "manifest-ambiguous", Error, "do not use this image: one digest, two readings";
    /// the descriptor that containerd handed over is malformed or contradicts its arguments
    DescriptorInvalid = "descriptor-invalid", Error, "check the versions of containerd and pullward";
    /// a source of evidence could not be read before the rule was met
    EvidenceUnreachable = "evidence-unreachable", Error, "make the registry reachable from this node, or put the evidence into its store (oras copy -r --to-oci-layout)";
    /// a source has more evidence than is read for one image
    EvidenceLimit = "evidence-limit", Error, "remove what does not belong to the image from the registry: someone may be flooding it";
    /// more signature checks than one verdict may cost
    SignatureLimit = "signature-limit", Error, "remove what does not belong to the image from the registry: someone may be flooding it";
    /// there is no valid trust bundle on this node
    TrustMissing = "trust-missing", Error, "install a trust bundle (pullward trust install); pullward status says why there is none";
    /// the trust bundle cannot be read
    TrustInvalid = "trust-invalid", Error, "build and install it again; this one was not made by pullward trust build";
    /// a trusted root in the trust bundle cannot be read
    TrustedRootInvalid = "trusted-root-invalid", Error, "build and install the trust bundle again, from a trusted root as its instance publishes it";
    /// the agent has more work than it takes
    Overloaded = "overloaded", Error, "the pull is tried again by itself; raise [limits] if it repeats";
    /// no verdict within the time that containerd gives
    DeadlineExceeded = "deadline-exceeded", Error, "look for a slow registry, or put the evidence into this node's store";
    /// the agent does not answer
    AgentUnreachable = "agent-unreachable", Error, "start it (systemctl start pullward) and look into its journal";
    /// the agent's socket is not one that the agent alone can have made
    SocketUntrusted = "socket-untrusted", Error, "stop the agent, remove the socket, check who can write its folder, start the agent";
    /// containerd called with arguments that are not the contract's
    ArgumentsInvalid = "arguments-invalid", Error, "check the versions of containerd and pullward";
    /// a fault of pullward itself
    InternalError = "internal-error", Error, "report it with the record of this verdict (pullward verify --record)";
}

impl Reason {
    /// The reason with this code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.code() == code)
    }

    /// Whether this says "could not decide".
    #[must_use]
    pub fn is_error(self) -> bool {
        self.class() == ReasonClass::Error
    }
}

#[cfg(test)]
mod tests {
    use super::{Reason, ReasonClass};

    #[test]
    fn codes_are_unique_and_lead_back() {
        for reason in Reason::ALL {
            assert_eq!(Reason::from_code(reason.code()), Some(*reason));
            assert!(reason.code().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
        }
        assert_eq!(Reason::from_code("no-such-code"), None);
    }

    #[test]
    fn every_reason_says_what_it_means_and_what_to_do() {
        for reason in Reason::ALL {
            assert!(!reason.meaning().is_empty() && !reason.meaning().starts_with(' '), "{reason:?}");
            assert!(!reason.next_step().is_empty(), "{reason:?}");
            assert!(!reason.next_step().ends_with('.'), "{reason:?}");
        }
    }

    #[test]
    fn only_errors_say_that_nothing_was_decided() {
        assert!(Reason::EvidenceUnreachable.is_error());
        assert!(!Reason::Unsigned.is_error());
        assert_eq!(Reason::Signed.class(), ReasonClass::Allow);
    }
}
