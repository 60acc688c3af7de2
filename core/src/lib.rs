//! The pullward verification core.
#![no_std]
#![forbid(unsafe_code)]
