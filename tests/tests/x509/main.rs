//! Certificates and trusted roots: others' data row by row, and forgeries of our own.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a row that does not read fails its test, and how many there were is said"
)]

mod chain;
mod corpora;
mod fields;
mod flips;
mod identities;
mod paths;
mod roots;
mod scts;
