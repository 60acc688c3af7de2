//! The trust bundle: what nodes get.

pub mod payload;
pub mod time;
