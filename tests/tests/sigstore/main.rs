//! The virtual Sigstore: what it mints, judged by cosign and by the core.

mod core_judges;
mod cosign;
mod flips;
mod matrix;
mod signing;
