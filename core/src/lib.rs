//! The pullward verification core.
#![no_std]
#![forbid(unsafe_code)]

pub mod limits;
pub mod oci;
pub mod pattern;
pub mod reference;
