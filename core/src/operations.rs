//! How many public key operations one verification may still do (T-46).
//!
//! Whoever sends evidence chooses how many certificates, timestamps and log entries are in it; this is what keeps the
//! price of looking at them bounded, whatever structure they have.

use crate::limits;

/// Public key operations that are left.
#[derive(Debug)]
pub struct Operations {
    left: u16,
}

/// None is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exhausted;

impl Operations {
    /// The operations of one verdict.
    #[must_use]
    pub const fn new() -> Self {
        Self::at_most(limits::SIGNATURE_OPERATIONS)
    }

    /// As many as are left of another bound.
    #[must_use]
    pub const fn at_most(left: u16) -> Self {
        Self { left }
    }

    /// How many are left.
    #[must_use]
    pub const fn left(&self) -> u16 {
        self.left
    }

    /// Takes some before they are done.
    ///
    /// # Errors
    /// [`Exhausted`] where fewer are left; then none is taken.
    pub fn spend(&mut self, operations: u16) -> Result<(), Exhausted> {
        self.left = self.left.checked_sub(operations).ok_or(Exhausted)?;
        Ok(())
    }
}

impl Default for Operations {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::{Exhausted, Operations};

    #[test]
    fn what_is_not_there_is_not_spent() {
        let mut operations = Operations::at_most(3);
        assert_eq!(operations.spend(2), Ok(()));
        assert_eq!(operations.spend(2), Err(Exhausted));
        assert_eq!(operations.left(), 1);
        assert_eq!(operations.spend(1), Ok(()));
    }
}
