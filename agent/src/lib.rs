//! The pullward agent.

pub mod decide;
pub mod guard;
pub mod hook;
pub mod socket;
pub mod trust;
pub mod verdict;
