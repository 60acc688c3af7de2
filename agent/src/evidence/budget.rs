//! What one verdict may read, and what it holds in memory meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use pullward_core::limits;

use super::Limit;
use super::inflight::{Inflight, Room};
use super::pad::Pad;

/// The bytes that may still be read for one verdict, from all sources together, and where they are noted down.
#[derive(Debug, Clone)]
pub struct Budget {
    bytes: u64,
    /// Room in memory that all verdicts share; a command judges alone and needs none.
    inflight: Option<Arc<Inflight>>,
    /// The room that is held now, by whichever clone.
    holding: Arc<Holding>,
    /// What is read, for the evidence store; a command keeps nothing.
    pad: Option<Arc<Pad>>,
}

#[derive(Debug, Default)]
struct Holding {
    room: Mutex<Weak<Room>>,
    /// Nothing is held in memory any more: what comes goes to disk.
    over: AtomicBool,
}

impl Default for Budget {
    fn default() -> Self {
        Self { bytes: limits::VERDICT_BYTES, inflight: None, holding: Arc::default(), pad: None }
    }
}

impl Budget {
    /// A budget whose verdict shares its room in memory with others.
    #[must_use]
    pub fn sharing(inflight: Option<Arc<Inflight>>) -> Self {
        Self { inflight, ..Self::default() }
    }

    /// The same budget, and what is read is noted down.
    #[must_use]
    pub fn noting(self, pad: Option<Arc<Pad>>) -> Self {
        Self { pad, ..self }
    }

    /// Where what is read is noted down.
    pub(crate) fn pad(&self) -> Option<&Arc<Pad>> {
        self.pad.as_ref()
    }

    /// Takes room in memory for a blob of so many bytes, and for what is decoded from it.
    ///
    /// # Errors
    /// [`NoRoom`] where there was none until the deadline.
    pub(crate) fn room(&self, bytes: u64, deadline: Instant) -> Result<Option<Arc<Room>>, NoRoom> {
        let Some(inflight) = self.inflight.as_ref().filter(|_| !self.is_over()) else { return Ok(None) };
        let room = Arc::new(inflight.take(bytes.saturating_mul(2), deadline).ok_or(NoRoom)?);
        *self.holding.room.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&room);
        // Whoever ended it while we waited has not seen this room.
        if self.is_over() {
            room.give_back();
        }
        Ok(Some(room))
    }

    /// Gives back the room that is held by any clone of this budget, now and from now on: whoever goes on reading does so
    /// to disk.
    #[cfg(feature = "network")]
    pub(crate) fn give_back_room(&self) {
        self.holding.over.store(true, Ordering::SeqCst);
        let room = self.holding.room.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        if let Some(room) = room {
            room.give_back();
        }
    }

    fn is_over(&self) -> bool {
        self.holding.over.load(Ordering::SeqCst)
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
