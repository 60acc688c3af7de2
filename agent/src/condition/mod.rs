//! Conditions in CEL, over verified statements.

use pullward_core::judge::{Condition, ConditionAnswer};

use crate::decide::session::Subject;

/// Answers a condition, and says why where it does not hold.
pub fn answer(_: &Condition<'_>, _: &Subject) -> (ConditionAnswer, Option<String>) {
    (ConditionAnswer::EngineAbsent, None)
}
