//! How deep the core's stack gets on real keyless bundles: bisected with `stack-mark`, since a program without `unsafe`
//! cannot look at its own stack. The boards paint theirs (`tests/bare-metal`).
//!
//! What is found includes the thread's own few KiB: its control block, thread-local memory, and the frames above the
//! core. Nothing that is verified is worked on in them; scratch is the caller's.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a row that does not read fails its test")]

use std::process::Command;

use pullward_core::oci::Digest;
use pullward_tests::Corpora;
use serde_json::Value;

/// The core's budget, and beside it what is the thread's: its control block (2.3 KiB in glibc), thread-local memory, and the
/// frames of the standard library and of the program that asks.
const MOST: usize = 64 * 1024 + THREAD;
const THREAD: usize = 4 * 1024;
/// What every other shared bundle may need, so that a deeper path is noticed: two with many extensions in their leaf need more
/// than the largest, and how much more depends on how the compiler splits the work.
const OTHERS: usize = 80 * 1024;
/// The least that the C library gives a thread, and the step in which it gives more.
const LEAST: usize = 16 * 1024;
const STEP: usize = 4 * 1024;

/// A bundle, and what is asked about it.
struct Row {
    id: String,
    length: usize,
    arguments: [String; 5],
}

fn rows(corpora: &Corpora) -> Vec<Row> {
    let mut rows = Vec::new();
    for corpus in ["conformance", "cosign-v3-capture", "slsa-bundles", "npm", "sigstore-clients"] {
        for row in corpora.manifest(corpus) {
            let text = |name: &str| row["inputs"].get(name).and_then(Value::as_str).map(str::to_owned);
            let all = ["bundle", "trusted_root", "issuer", "identity", "artifact_digest"].map(text);
            let [Some(bundle), Some(root), Some(issuer), Some(subject), Some(digest)] = all else { continue };
            // Subjects by SHA-1 or SHA-512 alone are no image's.
            if row["expect"] != "pass" || Digest::parse(&digest).is_err() {
                continue;
            }
            let path = |name: &str| corpora.path(name).to_str().unwrap().to_owned();
            let length = corpora.bytes(&bundle).len();
            let arguments = [path(&bundle), path(&root), issuer, subject, digest];
            rows.push(Row { id: row["id"].as_str().unwrap().to_owned(), length, arguments });
        }
    }
    rows
}

#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Accepted,
    Refused,
    TooDeep,
}

fn verify(row: &Row, stack: usize) -> Answer {
    let program = env!("CARGO_BIN_EXE_stack-mark");
    let output = Command::new(program).arg(stack.to_string()).args(&row.arguments).output().unwrap();
    match output.status.code() {
        Some(0) => Answer::Accepted,
        Some(1) => Answer::Refused,
        None => Answer::TooDeep,
        other => panic!("{}: {other:?}", row.id),
    }
}

#[test]
fn the_largest_real_bundle_is_verified_on_a_stack_of_64_kib_and_no_other_needs_much_more() {
    let Some(corpora) = Corpora::at_hand("stack") else { return };
    let rows = rows(&corpora);
    let (mut accepted, mut refused, mut deeper, mut too_deep) = (Vec::new(), 0, Vec::new(), Vec::new());
    for row in &rows {
        match (verify(row, MOST), verify(row, OTHERS)) {
            (Answer::Accepted, _) => accepted.push(row),
            (Answer::TooDeep, Answer::Accepted) => {
                deeper.push(row.id.as_str());
                accepted.push(row);
            }
            (_, Answer::TooDeep) => too_deep.push(row.id.as_str()),
            _ => refused += 1,
        }
    }
    println!(
        "stack: {} bundles accepted, {} of them on 64 KiB and a thread's own 4, {refused} of other features refused",
        accepted.len(),
        accepted.len() - deeper.len()
    );
    println!("stack: between that and {} KiB: {deeper:?}", OTHERS / 1024);
    assert_eq!(too_deep, Vec::<&str>::new());
    let largest = accepted.iter().max_by_key(|row| row.length).unwrap();
    let needed = (LEAST..=MOST).step_by(STEP).find(|stack| verify(largest, *stack) == Answer::Accepted);
    println!(
        "stack: {}, the largest ({} bytes), needs at most {} KiB, the thread's own included",
        largest.id,
        largest.length,
        needed.unwrap() / 1024
    );
    // What is measured is the core: on the least stack that there is, it must not fit.
    assert_eq!(verify(largest, LEAST), Answer::TooDeep);
}
