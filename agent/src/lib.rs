//! The pullward agent.

pub mod evidence;
#[cfg(feature = "network")]
pub mod registry;
