//! The pullward agent.

pub mod cli;
pub mod config;
pub mod containerd;
pub mod decide;
pub mod guard;
pub mod hook;
pub mod log;
pub mod notify;
pub mod server;
pub mod service;
pub mod socket;
pub mod trust;
pub mod verdict;
