//! The trust bundle in use.

use pullward_core::oci::Digest;

/// A trust bundle whose root signatures were checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledTrust {
    /// The decoded payload.
    pub payload: Vec<u8>,
    /// SHA-256 of the payload.
    pub digest: Digest,
    /// Its version within its audience.
    pub version: u64,
    /// The audience it is for.
    pub audience: String,
    /// When it was issued, in seconds since 1970.
    pub issued: u64,
    /// When it expires, in seconds since 1970.
    pub expires: u64,
}
