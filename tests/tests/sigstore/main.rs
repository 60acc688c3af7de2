//! The virtual Sigstore: what it mints, judged by cosign and by the core.

#![expect(clippy::unwrap_used, reason = "what fails here fails its test")]

mod cosign;
