//! The question a hook or a person asks.

use crate::verdict::Place;

/// What a hook or a person asks: may this image be used here?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The image's name as asked for; not normalised yet.
    pub reference: String,
    /// The digest it resolved to, where the caller knows it.
    pub digest: Option<String>,
    /// Media type of what the digest names, where the caller knows it.
    pub media_type: Option<String>,
    /// Which hook asks, and where on the node.
    pub place: Place,
    /// `os/arch[/variant]`.
    pub platform: String,
}
