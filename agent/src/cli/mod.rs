//! Commands of `pullward`.

pub mod agent;
