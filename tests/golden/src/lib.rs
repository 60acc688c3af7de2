//! Golden verdicts: one file of questions with hand-written answers, decided by one runner on every machine.
//!
//! [`container`] reads the file in place. [`runner`] puts a case to the core and prints one line. The Linux test and the
//! bare-metal program call the same [`runner::run`], so their lines can differ only where the machines do. The `std` feature
//! adds the writer.
//!
//! What this does not do: make up answers. The expected text of a case is written by a person beside its name; nothing here
//! derives it from the code under test.
#![no_std]

#[cfg(feature = "trust-bundles")]
mod bundles;
pub mod container;
pub mod runner;
#[cfg(any(test, feature = "std"))]
pub mod writer;
