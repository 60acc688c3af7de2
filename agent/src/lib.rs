//! The pullward agent.
