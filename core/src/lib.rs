//! The pullward verification core: bytes and a time in, a verdict out.
//!
//! `no_std`, no allocation, no `unsafe`, no I/O, no clock. Everything that decides whether an image may run is in
//! this crate; everything else brings it bytes.
//!
//! # The way of a verdict
//!
//! 1. Bytes are bounded ([`limits`]) and read strictly: [`encoding`] (base64, hex, PEM), [`json`], [`time`],
//!    [`oci`] (digests), [`mod@reference`] (image names), [`pattern`] (what rules match).
//! 2. [`trust`] opens the node's trust bundle: root signatures, then every field, then an index.
//! 3. [`judge::Judge::open`] finds the rules that decide one question.
//! 4. Evidence is offered piece by piece. [`mod@verify`] reads its form ([`bundle`], [`dsse`], [`simple_signing`]),
//!    checks its [`signature`] by the keys that the rule asks for, and only then what was signed ([`intoto`]). What
//!    passes is [`verify::Verified`], which nothing else can make and without which nothing counts.
//! 5. [`judge::Judge::decide`] says allow or deny, with a [`verdict::Reason`].
//!
//! Errors are `Copy` and `Eq`, say who is at fault, and lead to a stable code. Every error is a denial.
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

pub mod buildkit;
pub mod bundle;
#[cfg(any(feature = "rsa", feature = "keyless"))]
pub mod der;
pub mod dsse;
pub mod encoding;
pub mod glob;
#[cfg(feature = "keyless")]
pub mod identity;
pub mod intoto;
pub mod json;
pub mod judge;
#[cfg(feature = "keyless")]
pub mod keyless;
pub mod limits;
pub mod oci;
pub mod operations;
pub mod pattern;
mod platform;
#[cfg(feature = "predicate")]
pub mod predicate;
pub mod reference;
#[cfg(feature = "predicate")]
pub mod related;
#[cfg(feature = "keyless")]
pub mod sct;
pub mod signature;
pub mod signed;
pub mod simple_signing;
#[cfg(feature = "keyless")]
pub mod threshold;
pub mod time;
#[cfg(feature = "keyless")]
pub mod timestamp;
#[cfg(feature = "keyless")]
pub mod tlog;
pub mod trust;
#[cfg(feature = "keyless")]
pub mod trusted_root;
pub mod verdict;
pub mod verify;
#[cfg(feature = "keyless")]
pub mod x509;

/// Version of this engine, as verdicts and records name it.
pub const ENGINE: &str = concat!("pullward-core ", env!("CARGO_PKG_VERSION"));
