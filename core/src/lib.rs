//! The pullward verification core: bytes and a time in, a verdict out.
#![no_std]
#![forbid(unsafe_code)]
#![warn(
    clippy::std_instead_of_core,
    clippy::alloc_instead_of_core,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::unreachable
)]

pub mod der;
pub mod encoding;
pub mod json;
pub mod limits;
pub mod oci;
pub mod pattern;
pub mod reference;
pub mod signature;
pub mod time;
