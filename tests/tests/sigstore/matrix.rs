//! The matrix, put to the core.

use std::collections::BTreeSet;

use pullward_tests::sigstore::{Cell, Honesty, Sigstore, Tally};

use crate::core_judges::opinion;

/// T-02 and T-17: whatever is wrong is refused in whichever form it comes, and what is not is accepted.
#[test]
fn t02_t17_every_fault_is_refused_in_every_form() {
    let (sigstore, stranger) = (Sigstore::new("virtual"), Sigstore::new("stranger"));
    let cells = Cell::all();
    let tally = Tally::of(&cells, &sigstore, &stranger, |cell, case| opinion(cell.shape, case));
    let faults: BTreeSet<&str> = cells
        .iter()
        .filter(|cell| cell.honest == Honesty::Forged)
        .filter_map(|cell| cell.step.map(|step| step.name))
        .collect();
    println!(
        "matrix: {} honest accepted, {} forged refused ({} faults), {} wrong allows",
        tally.accepted,
        tally.refused,
        faults.len(),
        tally.wrongly_allowed.len()
    );
    assert_eq!(tally.wrongly_allowed, Vec::<String>::new());
    assert_eq!(tally.wrongly_refused, Vec::<String>::new());
    assert_eq!(tally.accepted + tally.refused, cells.len());
}
