//! Commands of `pullward`.

pub mod agent;
pub mod setup;
pub mod status;
