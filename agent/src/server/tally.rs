//! Counts of answers since the start.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::verdict::{Decision, Verdict};

/// Most reason codes that are counted one by one. Core and agent know fewer; the bound keeps a defect from
/// becoming a leak.
const REASONS: usize = 256;

/// What was answered, and how often.
#[derive(Debug, Default)]
pub struct Tally {
    allowed: AtomicU64,
    would_deny: AtomicU64,
    joined: AtomicU64,
    denied: Mutex<BTreeMap<String, u64>>,
}

impl Tally {
    /// Counts one answer.
    pub fn count(&self, verdict: &Verdict) {
        if verdict.would_deny {
            self.would_deny.fetch_add(1, Ordering::Relaxed);
        }
        match verdict.decision {
            Decision::Allow => {
                self.allowed.fetch_add(1, Ordering::Relaxed);
            }
            Decision::Deny => {
                let mut denied = self.denied.lock().unwrap_or_else(PoisonError::into_inner);
                let known = denied.len() < REASONS || denied.contains_key(&verdict.reason);
                let reason = if known { verdict.reason.as_str() } else { "other" };
                *denied.entry(reason.to_owned()).or_insert(0) += 1;
            }
        }
    }

    /// Counts one request that was answered by a judgement under way.
    pub fn join(&self) {
        self.joined.fetch_add(1, Ordering::Relaxed);
    }

    /// Answers that allowed.
    #[must_use]
    pub fn allowed(&self) -> u64 {
        self.allowed.load(Ordering::Relaxed)
    }

    /// Answers that allowed only because a rule audits.
    #[must_use]
    pub fn would_deny(&self) -> u64 {
        self.would_deny.load(Ordering::Relaxed)
    }

    /// Requests that shared a judgement.
    #[must_use]
    pub fn joined(&self) -> u64 {
        self.joined.load(Ordering::Relaxed)
    }

    /// Answers that denied, by reason code.
    #[must_use]
    pub fn denied(&self) -> BTreeMap<String, u64> {
        self.denied.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
