//! Strict conversions between `pullward.v1` messages and the agent's own types.

use pullward_core::limits::{ASKED_REFERENCE_BYTES, DESCRIPTOR_BYTES};
use pullward_core::oci::{Digest, DigestError, MEDIA_TYPE_DESCRIPTOR};
use pullward_core::time::UnixTime;
use pullward_core::verdict::Reason;
use pullward_proto::PROTOCOL;
use pullward_proto::v1::{self, InventoryState, JudgeRequest, JudgeResponse, TrustState};

use crate::decide::Question;
use crate::hook::descriptor::{Descriptor, DescriptorError};
use crate::inventory::watch::AgentWatch;
use crate::probe::Probe;
use crate::rejudge::{Lapse, Progress, Stage};
use crate::server::trust::{Failed, Held};
use crate::trust::installed::InstalledTrust;
use crate::verdict::{Decision, Hook, ONE_LINE_MAX, Place, Verdict};

/// Why a request is not a question.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Another protocol version.
    #[error(
        "protocol {0}: this agent speaks {PROTOCOL}: agent and pullward-verifier are of different versions"
    )]
    Protocol(u32),
    /// No reference, or one that is too long to be one.
    #[error("the image's name has {0} bytes: 1 to {ASKED_REFERENCE_BYTES} are possible")]
    ReferenceLength(usize),
    /// Not a SHA-256 digest.
    #[error("the digest: {0}")]
    Digest(DigestError),
    /// No digest where one is required.
    #[error("the digest is missing")]
    NoDigest,
    /// Not the media type of a descriptor.
    #[error("standard input is not {MEDIA_TYPE_DESCRIPTOR}")]
    StdinMediaType,
    /// Too large.
    #[error("the descriptor is larger than {DESCRIPTOR_BYTES} bytes")]
    DescriptorLength,
    /// Malformed, or another image's.
    #[error(transparent)]
    Descriptor(#[from] DescriptorError),
}

impl RequestError {
    /// The reason, for its stable code.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Protocol(_) => Reason::ArgumentsInvalid,
            Self::ReferenceLength(_) => Reason::ReferenceInvalid,
            Self::Digest(_) | Self::NoDigest => Reason::DigestInvalid,
            Self::StdinMediaType | Self::DescriptorLength | Self::Descriptor(_) => Reason::DescriptorInvalid,
        }
    }
}

/// Whether a request must say which bytes are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completeness {
    /// Digest and descriptor are required: a hook always knows them.
    Hook,
    /// They may be missing: a person asks.
    Person,
}

/// The question as it was asked, for a denial to repeat; nothing in it is checked.
#[must_use]
pub fn asked(request: &JudgeRequest, hook: Hook, platform: &str) -> Question {
    Question {
        reference: request.reference.clone(),
        digest: (!request.digest.is_empty()).then(|| request.digest.clone()),
        media_type: None,
        // The image verifier plugin passes neither namespace on.
        place: Place { hook, containerd_namespace: None, pod_namespace: None },
        platform: platform.to_owned(),
    }
}

/// Checks a request and fills in what its descriptor says.
///
/// # Errors
/// [`RequestError`]: a denial.
pub fn question(
    request: &JudgeRequest,
    completeness: Completeness,
    mut asked: Question,
) -> Result<Question, RequestError> {
    if request.protocol != PROTOCOL {
        return Err(RequestError::Protocol(request.protocol));
    }
    if request.reference.is_empty() || request.reference.len() > ASKED_REFERENCE_BYTES {
        return Err(RequestError::ReferenceLength(request.reference.len()));
    }
    let digest = match asked.digest.as_deref() {
        Some(digest) => Some(Digest::parse(digest).map_err(RequestError::Digest)?),
        None => None,
    };
    if completeness == Completeness::Person && request.descriptor.is_empty() {
        return Ok(asked);
    }
    let digest = digest.ok_or(RequestError::NoDigest)?;
    if request.stdin_media_type != MEDIA_TYPE_DESCRIPTOR {
        return Err(RequestError::StdinMediaType);
    }
    if request.descriptor.len() > DESCRIPTOR_BYTES {
        return Err(RequestError::DescriptorLength);
    }
    let descriptor = Descriptor::parse(&request.descriptor)?;
    descriptor.is_of(digest)?;
    asked.media_type = Some(descriptor.media_type);
    Ok(asked)
}

/// What the probe has shown, as the admin socket tells it.
#[must_use]
pub fn probe_state(probe: &Probe) -> v1::ProbeState {
    let shown = probe.shown();
    v1::ProbeState {
        outcome: shown.outcome.name().to_owned(),
        time: shown.time.0,
        interval: probe.interval.as_secs(),
        message: shown.message,
    }
}

/// A verdict as the verify socket answers it.
#[must_use]
pub fn response(verdict: &Verdict) -> JudgeResponse {
    let decision = match (verdict.decision, verdict.exit_code()) {
        (Decision::Allow, 0) => v1::Decision::Allow,
        (Decision::Deny, 1) => v1::Decision::Deny,
        _ => v1::Decision::Undecided,
    };
    JudgeResponse {
        protocol: PROTOCOL,
        decision: decision.into(),
        reason: verdict.reason.clone(),
        message: verdict.one_line(ONE_LINE_MAX),
        verdict_id: verdict.id.clone(),
        verdict_json: Vec::new(),
    }
}

/// A trust bundle as the admin socket shows it.
#[must_use]
pub fn trust_state(held: &Held) -> TrustState {
    TrustState {
        version: held.trust.version,
        digest: held.trust.digest.to_string(),
        audience: held.trust.audience.clone(),
        issued: issued(&held.trust).0,
        expires: expires(&held.trust).0,
        loaded: held.loaded.0,
    }
}

/// A failed attempt to load a trust bundle as the admin socket shows it.
#[must_use]
pub fn reload_failure(failed: &Failed) -> v1::ReloadFailure {
    v1::ReloadFailure {
        time: failed.time.0,
        code: failed.failure.code.clone(),
        message: crate::verdict::printable(&failed.failure.message, 4 * ONE_LINE_MAX),
    }
}

/// What became of images that were let in under an older bundle, as the admin socket shows it.
#[must_use]
pub fn rejudged(progress: &Progress) -> v1::Rejudged {
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let listed = progress.listed.iter().map(|lapsed| v1::Lapsed {
        reference: lapsed.reference.clone(),
        digest: lapsed.digest.to_string(),
        reason: lapsed.reason.clone(),
        message: crate::verdict::printable(&lapsed.message, ONE_LINE_MAX),
        unproven: lapsed.why == Lapse::Unproven,
    });
    v1::Rejudged {
        version: progress.version,
        digest: progress.trust.to_string(),
        started: progress.started.0,
        over: progress.stage == Stage::Over,
        total: count(progress.total),
        renewed: count(progress.renewed),
        refused: count(progress.refused),
        unproven: count(progress.unproven),
        listed: listed.collect(),
    }
}

/// When a trust bundle was issued.
pub(crate) fn issued(trust: &InstalledTrust) -> UnixTime {
    UnixTime(trust.issued)
}

/// When a trust bundle expires.
pub(crate) fn expires(trust: &InstalledTrust) -> UnixTime {
    UnixTime(trust.expires)
}

/// What the inventory has seen, on the wire.
#[must_use]
pub fn inventory_state(watch: &AgentWatch) -> InventoryState {
    let (link, counts) = (watch.link(), watch.survey.stock.counts());
    InventoryState {
        connected: link.connected,
        trouble: link.trouble.unwrap_or_default(),
        connections: link.connections,
        events: link.events,
        lists: link.lists,
        images: counts.images,
        allowed: counts.allowed,
        audited: counts.audited,
        denied: counts.denied,
        undecided: counts.undecided,
        unverifiable: counts.unverifiable,
        evidence: counts.evidence,
        running: counts.running,
        running_unverified: counts.running_unverified,
        removed: watch.survey.acts.removed(),
        stopped: watch.survey.acts.stopped(),
    }
}

#[cfg(test)]
mod tests {
    use pullward_core::oci::{Digest, DigestError};
    use pullward_core::verdict::Reason;
    use pullward_proto::v1::JudgeRequest;

    use super::{Completeness, RequestError, asked, question};
    use crate::decide::Question;
    use crate::hook::descriptor::DescriptorError;
    use crate::verdict::Hook;

    fn request() -> JudgeRequest {
        let digest = Digest::of(b"x");
        JudgeRequest {
            protocol: 1,
            reference: "r.io/a:1".into(),
            digest: digest.to_string(),
            stdin_media_type: "application/vnd.oci.descriptor.v1+json".into(),
            descriptor: format!(r#"{{"mediaType":"m","digest":"{digest}","size":1}}"#).into_bytes(),
            held: false,
        }
    }

    fn read(request: &JudgeRequest, completeness: Completeness) -> Result<Question, RequestError> {
        question(request, completeness, asked(request, Hook::ImageVerifier, "linux/amd64"))
    }

    fn refused(change: impl FnOnce(&mut JudgeRequest)) -> RequestError {
        let mut request = request();
        change(&mut request);
        read(&request, Completeness::Hook).unwrap_err()
    }

    #[test]
    fn a_complete_request_is_a_question_with_the_descriptors_media_type() {
        let question = read(&request(), Completeness::Hook).unwrap();
        assert_eq!(question.media_type.as_deref(), Some("m"));
        assert_eq!(question.digest, Some(Digest::of(b"x").to_string()));
    }

    #[test]
    fn another_protocol_is_refused() {
        assert_eq!(refused(|request| request.protocol = 0), RequestError::Protocol(0));
        assert_eq!(refused(|request| request.protocol = 2), RequestError::Protocol(2));
    }

    #[test]
    fn an_empty_or_endless_name_is_refused() {
        assert_eq!(refused(|request| request.reference.clear()), RequestError::ReferenceLength(0));
        assert_eq!(
            refused(|request| request.reference = "a".repeat(1000)),
            RequestError::ReferenceLength(1000)
        );
    }

    #[test]
    fn a_hook_without_digest_or_descriptor_is_refused() {
        assert_eq!(refused(|request| request.digest.clear()), RequestError::NoDigest);
        assert_eq!(refused(|request| request.descriptor.clear()).reason(), Reason::DescriptorInvalid);
    }

    #[test]
    fn a_person_may_leave_both_out_but_not_one_half() {
        let mut request = request();
        request.descriptor.clear();
        assert!(read(&request, Completeness::Person).is_ok());
        request.digest.clear();
        assert!(read(&request, Completeness::Person).is_ok());
        request.descriptor = self::request().descriptor;
        assert_eq!(read(&request, Completeness::Person), Err(RequestError::NoDigest));
    }

    #[test]
    fn a_digest_in_upper_case_is_refused() {
        let upper = Digest::of(b"x").to_string().to_uppercase();
        assert_eq!(refused(|request| request.digest = upper), RequestError::Digest(DigestError::Algorithm));
    }

    #[test]
    fn the_descriptor_of_another_image_is_refused() {
        let other = Digest::of(b"y").to_string();
        assert_eq!(
            refused(|request| request.digest = other),
            RequestError::Descriptor(DescriptorError::OtherDigest(Digest::of(b"x")))
        );
    }

    #[test]
    fn other_standard_input_is_refused() {
        assert_eq!(
            refused(|request| request.stdin_media_type = "text/plain".into()),
            RequestError::StdinMediaType
        );
        assert_eq!(
            refused(|request| request.descriptor = vec![b' '; 64 * 1024 + 1]),
            RequestError::DescriptorLength
        );
    }
}
