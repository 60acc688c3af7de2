//! Commands of `pullward`, one module each; [`judging`] is what those that judge have in common.

pub mod agent;
pub mod judging;
pub mod replay;
pub mod setup;
pub mod status;
pub mod tree;
pub mod verify;
