//! The trust bundle: how it is made, and the one that this node believes.

pub mod file;
pub mod installed;
pub mod passphrase;
pub mod payload;
pub mod root_key;
pub mod sealed;
pub mod time;
