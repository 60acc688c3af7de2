//! Steps that each make a forgery of an honest signature, and steps that do not.

mod entry;
mod leaf;
mod signed;
mod time;

use super::{KeylessForge, Shape};

/// One step.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// What it does, and the attack that it is.
    pub name: &'static str,
    /// Where it can be done.
    pub applies: fn(Shape) -> bool,
    /// The step.
    pub step: for<'a, 's> fn(&'a mut KeylessForge<'s>),
}

/// All steps that make a forgery.
pub const FAULTS: &[&[Fault]] = &[leaf::FAULTS, signed::FAULTS, entry::FAULTS, time::FAULTS];

/// Steps after which it is as honest as before.
pub const VARIATIONS: &[&[Fault]] = &[leaf::VARIATIONS, entry::VARIATIONS, time::VARIATIONS];

fn always(_: Shape) -> bool {
    true
}

/// Where there are logs: of certificates, too.
fn logged(shape: Shape) -> bool {
    shape.kind.is_some()
}
