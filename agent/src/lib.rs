//! The pullward agent.

pub mod decide;
pub mod guard;
pub mod hook;
pub mod log;
pub mod server;
pub mod socket;
pub mod trust;
pub mod verdict;
