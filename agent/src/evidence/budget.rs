//! What one verdict may read, and what it holds in memory meanwhile.

use std::sync::Arc;
use std::time::Instant;

use pullward_core::limits;

use super::Limit;
use super::inflight::{Inflight, Room};

/// The bytes that may still be read for one verdict, from all sources together.
#[derive(Debug, Clone)]
pub struct Budget {
    bytes: u64,
    /// Room in memory that all verdicts share; a command judges alone and needs none.
    inflight: Option<Arc<Inflight>>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { bytes: limits::VERDICT_BYTES, inflight: None }
    }
}

impl Budget {
    /// A budget whose verdict shares its room in memory with others.
    #[must_use]
    pub fn sharing(inflight: Option<Arc<Inflight>>) -> Self {
        Self { inflight, ..Self::default() }
    }

    /// Takes room in memory for a blob of so many bytes, and for what is decoded from it.
    ///
    /// # Errors
    /// [`NoRoom`] where there was none until the deadline.
    pub(crate) fn room(&self, bytes: u64, deadline: Instant) -> Result<Option<Room>, NoRoom> {
        match &self.inflight {
            Some(inflight) => inflight.take(bytes.saturating_mul(2), deadline).map(Some).ok_or(NoRoom),
            None => Ok(None),
        }
    }

    /// Takes bytes out before they are read.
    ///
    /// # Errors
    /// [`Limit::Bytes`] where fewer are left; nothing is taken then.
    pub fn spend(&mut self, bytes: u64) -> Result<(), Limit> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or(Limit::Bytes)?;
        Ok(())
    }

    /// Puts back bytes that were taken out and then not read.
    pub fn refund(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes).min(limits::VERDICT_BYTES);
    }

    /// How many bytes have been taken out.
    #[must_use]
    pub const fn spent(&self) -> u64 {
        limits::VERDICT_BYTES.saturating_sub(self.bytes)
    }
}

/// There was no room in memory until the deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoRoom;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_spent_before_reading_and_never_below_nothing() {
        let mut budget = Budget::default();
        assert_eq!(budget.spend(limits::VERDICT_BYTES), Ok(()));
        assert_eq!(budget.spend(1), Err(Limit::Bytes));
        assert_eq!(budget.spent(), limits::VERDICT_BYTES);
        let mut budget = Budget::default();
        assert_eq!(budget.spend(u64::MAX), Err(Limit::Bytes));
        assert_eq!(budget.spent(), 0);
    }
}
