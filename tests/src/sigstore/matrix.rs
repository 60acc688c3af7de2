//! The matrix: every shape, as it is, with every variation and with every fault, put to whoever is asked.

use super::{Case, FAULTS, Fault, KeylessForge, Shape, Sigstore, VARIATIONS};

/// What somebody said of a cell.
pub type Opinion = Result<(), String>;

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Honest cells that were accepted.
    pub accepted: usize,
    /// Forged cells that were refused.
    pub refused: usize,
    /// Forged cells that were accepted: the gate.
    pub wrongly_allowed: Vec<String>,
    /// Honest cells that were refused, and why.
    pub wrongly_refused: Vec<String>,
}

/// One cell's place.
#[derive(Debug, Clone, Copy)]
pub struct Cell {
    /// How it comes.
    pub shape: Shape,
    /// What is done to it; nothing to an honest one.
    pub step: Option<Fault>,
    /// Whether it is honest.
    pub honest: Honesty,
}

/// Whether a cell is to be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Honesty {
    /// It is.
    Honest,
    /// It must not be.
    Forged,
}

impl Cell {
    /// All cells.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for shape in Shape::all() {
            all.push(Self { shape, step: None, honest: Honesty::Honest });
            for (lists, honest) in [(VARIATIONS, Honesty::Honest), (FAULTS, Honesty::Forged)] {
                let steps = lists.iter().copied().flatten().filter(|fault| (fault.applies)(shape));
                all.extend(steps.map(|step| Self { shape, step: Some(*step), honest }));
            }
        }
        all
    }

    /// Mints it.
    #[must_use]
    pub fn mint(&self, sigstore: &Sigstore, stranger: &Sigstore) -> Case {
        let mut forge = KeylessForge::new(sigstore, stranger, self.shape, "app");
        if let Some(step) = self.step {
            (step.step)(&mut forge);
        }
        forge.mint()
    }
}

impl Tally {
    /// Puts the cells to somebody.
    #[must_use]
    pub fn of(
        cells: &[Cell],
        sigstore: &Sigstore,
        stranger: &Sigstore,
        mut ask: impl FnMut(&Cell, &Case) -> Opinion,
    ) -> Self {
        let mut tally = Self::default();
        for cell in cells {
            let opinion = ask(cell, &cell.mint(sigstore, stranger));
            let name = format!("{} in {:?}", cell.step.map_or("nothing", |step| step.name), cell.shape);
            match (cell.honest, opinion) {
                (Honesty::Honest, Ok(())) => tally.accepted += 1,
                (Honesty::Forged, Err(_)) => tally.refused += 1,
                (Honesty::Honest, Err(reason)) => tally.wrongly_refused.push(format!("{name}: {reason}")),
                (Honesty::Forged, Ok(())) => tally.wrongly_allowed.push(name),
            }
        }
        tally
    }
}
