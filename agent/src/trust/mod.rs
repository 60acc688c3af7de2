//! The trust bundle on this node.

pub mod installed;
