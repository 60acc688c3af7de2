//! The trust bundle: what nodes get.

pub mod file;
pub mod passphrase;
pub mod payload;
pub mod root_key;
pub mod sealed;
pub mod time;
