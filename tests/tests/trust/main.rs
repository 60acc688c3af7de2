//! Opening trust bundles: which are refused, why, and how large the ones are that must load.

#![expect(clippy::unwrap_used, reason = "what does not read fails its test")]

mod bounds;
mod capacity;
mod content;
mod envelope;

use pullward_core::trust::TrustError;
use pullward_tests::mint::{Node, Trust};

/// Checks that a payload is refused with exactly this error.
fn refused(trust: &Trust, error: TrustError, what: &str) {
    assert_eq!(Node::load(&trust.payload()).err(), Some(error), "{what}");
}

/// Checks that a payload is taken.
fn taken(trust: &Trust, what: &str) {
    assert_eq!(Node::load(&trust.payload()).err(), None, "{what}");
}
