//! The pullward agent.

pub mod policy;
pub mod trust;
