//! The pullward agent.

pub mod cli;
pub mod condition;
pub mod config;
pub mod conformance;
pub mod containerd;
pub mod decide;
pub mod evidence;
pub mod guard;
pub mod hook;
pub mod log;
pub mod notify;
pub mod policy;
pub mod receipt;
pub mod record;
#[cfg(feature = "network")]
pub mod registry;
pub mod rejudge;
pub mod server;
pub mod service;
pub mod socket;
pub mod trust;
pub mod verdict;
