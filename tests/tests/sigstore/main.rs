//! The virtual Sigstore: what it mints, judged by cosign and by the core.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "what fails here fails its test, and counts are said"
)]

mod core_judges;
mod cosign;
mod flips;
mod matrix;
