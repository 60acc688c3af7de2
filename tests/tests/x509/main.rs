//! Certificates and trusted roots: others' data row by row.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a row that does not read fails its test")]

mod corpora;
mod roots;
