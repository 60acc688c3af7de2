//! How one piece of evidence meets each rule that may decide.

use super::candidate::Candidate;
use super::signers::OnlyKey;
use super::{Outcome, Standing, Trust};
use crate::oci::Digest;
use crate::operations::Operations;
#[cfg(feature = "predicate")]
use crate::related::Related;
use crate::time::UnixTime;
use crate::verdict::Reason;
use crate::verify::{self, Evidence, Subjects, Verified};

/// The parts of a [`Judge`](super::Judge) that evidence is offered to.
pub(super) struct Parts<'j, 'a> {
    pub(super) trust: Trust<'a>,
    pub(super) digest: Digest,
    /// Digests that bytes tie the image to.
    #[cfg(feature = "predicate")]
    pub(super) related: &'j [Related],
    pub(super) allowed_at: Option<UnixTime>,
    pub(super) time: UnixTime,
    pub(super) settled: Option<Reason>,
    pub(super) candidates: &'j mut [Candidate<'a>],
    pub(super) operations: &'j mut Operations,
    pub(super) limit: &'j mut Option<Reason>,
}

impl<'a> Parts<'_, 'a> {
    pub(super) fn offer_each(
        self,
        evidence: &Evidence<'_>,
        source: &Digest,
        scratch: &mut [u8],
        mut count: impl FnMut(&mut Candidate<'a>, &Verified<'_>, Trust<'a>) -> Outcome<'a>,
    ) -> Outcome<'a> {
        let fixed = self.candidates.first().and_then(|candidate| candidate.fixed);
        let nobody_asks = self.settled.or(fixed).unwrap_or(Reason::InternalError);
        let mut best = Outcome::of(Standing::Ignored(nobody_asks));
        let revoked = match self.trust {
            Trust::Bundle(bundle) => bundle.revoked().ok().map(|revoked| revoked.evidence()),
            Trust::Key(_) => None,
        };
        let revoked = revoked.filter(|revoked| !revoked.is_empty());
        if revoked.is_some_and(|revoked| revoked.contains(source.as_bytes())) {
            for candidate in self.candidates.iter_mut() {
                candidate.reject(Reason::EvidenceRevoked);
            }
            return Outcome::of(Standing::Revoked);
        }
        let subjects = Subjects {
            image: &self.digest,
            #[cfg(feature = "predicate")]
            related: self.related,
        };
        for candidate in self.candidates.iter_mut().filter(|candidate| candidate.fixed.is_none()) {
            let operations = &mut *self.operations;
            let verified = match (self.trust, candidate.rule) {
                (Trust::Bundle(bundle), Some(rule)) => {
                    let keys = candidate.keys(bundle, &rule, self.allowed_at);
                    verify::verify(evidence, &subjects, &keys, self.time, operations, scratch)
                }
                (Trust::Key(key), _) => {
                    verify::verify(evidence, &subjects, &OnlyKey(key), self.time, operations, scratch)
                }
                (Trust::Bundle(_), None) => continue,
            };
            let outcome = match verified {
                Ok(verified)
                    if revoked.is_some_and(|revoked| {
                        revoked.contains(Digest::of(verified.content()).as_bytes())
                    }) =>
                {
                    candidate.reject(Reason::EvidenceRevoked);
                    Outcome::of(Standing::Revoked)
                }
                Ok(verified) => count(candidate, &verified, self.trust),
                Err(error) => {
                    if error == verify::Error::Budget {
                        *self.limit = Some(Reason::SignatureLimit);
                    }
                    candidate.reject(error.reason());
                    Outcome::of(Standing::Rejected(error))
                }
            };
            if !matches!(best.standing, Standing::Accepted) {
                best = outcome;
            }
        }
        best
    }
}
