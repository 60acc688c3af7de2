//! The virtual Sigstore: what it mints, judged by cosign and by the core.

mod core_judges;
mod cosign;
mod cut_off;
mod flips;
mod matrix;
mod signing;
