//! One question put to the core, and one line that says what came out.
//!
//! There is one runner for all machines. It says only what the core decided, never how long it took or where it ran, so two
//! machines that decide alike print alike, byte for byte.

use core::fmt::{self, Write};

use pullward_core::{
    judge::{Judge, Needs, Question, Ruling, Standing, Trust},
    oci::Digest,
    reference::Reference,
    signature::PublicKey,
    time::UnixTime,
    verdict::Reason,
    verify::Evidence,
};

use crate::container::{Case, CaseTrust};

#[cfg(feature = "trust-bundles")]
use crate::bundles::Bundles;

/// Bytes of an answer: a decision, a reason and a rule's name of 128 bytes have room.
const ANSWER_BYTES: usize = 256;
/// Bytes of the list of outcomes; a longer list is cut, on every machine at the same place.
const OUTCOMES_BYTES: usize = 192;
/// Bytes of a decoded document. Real signatures are below 20 KiB, and a board has RAM for this.
pub(crate) const DOCUMENT_BYTES: usize = 48 << 10;

/// What the runner works in. A constant, so that it can be a static on a machine without heap.
#[derive(Debug)]
pub struct Memory {
    scratch: [u8; DOCUMENT_BYTES],
    #[cfg(feature = "trust-bundles")]
    bundles: Bundles,
}

impl Memory {
    /// Memory before its first use.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            scratch: [0; DOCUMENT_BYTES],
            #[cfg(feature = "trust-bundles")]
            bundles: Bundles::new(),
        }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether a case came out as a person has written it down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// It did.
    Equal,
    /// It did not.
    Different,
}

/// What came out of one case.
///
/// Its [`Display`](fmt::Display) is the answer, and behind it what became of each piece of evidence, which is not compared
/// with what a person wrote, but between machines.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Line {
    answer: heapless::String<ANSWER_BYTES>,
    outcomes: heapless::String<OUTCOMES_BYTES>,
}

impl Line {
    /// The answer: `allow` or `deny`, the reason's code, the deciding rule or `-`, and `would-deny` where audit mode let
    /// through what enforce would not; or `refused` and a code where key or trust bundle cannot be taken.
    #[must_use]
    pub fn answer(&self) -> &str {
        &self.answer
    }

    /// Compares the answer with the one of the case.
    #[must_use]
    pub fn compare(&self, case: &Case<'_>) -> Comparison {
        if self.answer == case.expected { Comparison::Equal } else { Comparison::Different }
    }

    fn denied(&mut self, reason: Reason) -> fmt::Result {
        write!(self.answer, "deny {} -", reason.code())
    }

    fn refused(&mut self, code: &str) -> fmt::Result {
        write!(self.answer, "refused {code}")
    }

    fn outcome(&mut self, standing: Standing) -> fmt::Result {
        let (word, reason) = match standing {
            Standing::Accepted => ("accepted", Reason::Signed),
            Standing::Ignored(reason) => ("ignored", reason),
            Standing::Unmet(reason) => ("unmet", reason),
            Standing::Unchained(_) => ("rejected", Reason::IndexChain),
            Standing::Rejected(error) => ("rejected", error.reason()),
            Standing::Revoked => ("revoked", Reason::EvidenceRevoked),
        };
        write!(self.outcomes, " {word}:{}", reason.code())
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} |{}", self.answer, self.outcomes)
    }
}

/// Decides one case. Without the feature `trust-bundles` a case that needs one is refused, which no case expects.
#[must_use]
pub fn run(case: &Case<'_>, memory: &mut Memory) -> Line {
    let mut line = Line::default();
    if decide(case, memory, &mut line).is_err() {
        // An answer that does not fit is none: an empty one is never the expected one.
        line.answer.clear();
    }
    line
}

fn decide(case: &Case<'_>, memory: &mut Memory, line: &mut Line) -> fmt::Result {
    let key;
    let trust = match &case.trust {
        CaseTrust::Key(pem) => match PublicKey::from_pem(pem) {
            Ok(read) => {
                key = read;
                Trust::Key(&key)
            }
            Err(_) => return line.refused("key"),
        },
        #[cfg(feature = "trust-bundles")]
        CaseTrust::Payload(_) | CaseTrust::Envelope(_) => match memory.bundles.open(&case.trust) {
            Ok(bundle) => Trust::Bundle(bundle),
            Err(code) => return line.refused(code),
        },
        #[cfg(not(feature = "trust-bundles"))]
        CaseTrust::Payload(_) | CaseTrust::Envelope(_) => return line.refused("trust-bundle"),
    };
    let Ok(reference) = case.reference.map(Reference::parse).transpose() else {
        return line.denied(Reason::ReferenceInvalid);
    };
    let Ok(digest) = Digest::parse(case.digest) else { return line.denied(Reason::DigestInvalid) };
    let question = Question {
        reference: reference.as_ref(),
        digest,
        time: UnixTime(case.time),
        pod_namespace: case.pod_namespace,
        platform: "linux/amd64",
        allowed_at: None,
    };
    judge(Judge::open(trust, &question), case, &mut memory.scratch, line)
}

fn judge(mut judge: Judge<'_>, case: &Case<'_>, scratch: &mut [u8], line: &mut Line) -> fmt::Result {
    for evidence in case.evidence() {
        if judge.needs() == Needs::Nothing {
            break;
        }
        let source = match evidence {
            Evidence::SimpleSigning { payload: bytes, .. }
            | Evidence::Envelope { document: bytes, .. }
            | Evidence::Bundle(bytes) => Digest::of(bytes),
        };
        let outcome = judge.offer(&evidence, &source, scratch);
        // A list that is full stays as it is; the answer does not depend on it.
        line.outcome(outcome.standing).unwrap_or(());
    }
    match case.trouble {
        None => {}
        Some("unreachable") => judge.source_failed(),
        Some(code) => judge.limit_reached(Reason::from_code(code).unwrap_or(Reason::InternalError)),
    }
    let decision = judge.decide();
    let ruling = match decision.ruling {
        Ruling::Allow => "allow",
        Ruling::Deny => "deny",
    };
    let rule = decision.rule.map_or("-", |rule| rule.name());
    write!(line.answer, "{ruling} {} {rule}", decision.reason.code())?;
    if decision.would_deny() { line.answer.write_str(" would-deny") } else { Ok(()) }
}
