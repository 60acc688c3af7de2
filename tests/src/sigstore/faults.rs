//! Steps that each make a forgery of an honest signature, and steps that do not.

use super::{KeylessForge, Shape};

/// One step that makes a forgery.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// What is wrong.
    pub name: &'static str,
    /// Where that is wrong.
    pub applies: fn(Shape) -> bool,
    /// The step.
    pub step: for<'a, 's> fn(&'a mut KeylessForge<'s>),
}

/// All of them.
pub const FAULTS: &[Fault] = &[];
/// Steps after which it is as honest as before.
pub const VARIATIONS: &[Fault] = &[];
