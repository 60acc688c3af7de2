//! The pullward agent.

pub mod cli;
pub mod condition;
pub mod config;
pub mod conformance;
pub mod containerd;
pub mod cri;
pub mod decide;
pub mod doctor;
pub mod evidence;
pub mod guard;
pub mod hook;
pub mod inventory;
pub mod log;
pub mod notify;
pub mod nri;
pub mod policy;
pub mod probe;
pub mod receipt;
pub mod record;
#[cfg(feature = "network")]
pub mod registry;
pub mod server;
pub mod service;
pub mod socket;
pub mod trust;
pub mod verdict;
