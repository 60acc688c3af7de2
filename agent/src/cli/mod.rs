//! Commands of `pullward`.

pub mod agent;
pub mod judging;
pub mod replay;
pub mod verify;
