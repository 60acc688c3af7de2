//! The trust bundle in use: a payload whose root signatures were checked, and the index that was read from it.

use pullward_core::dsse::ThresholdEnvelope;
use pullward_core::json;
use pullward_core::limits;
use pullward_core::oci::Digest;
use pullward_core::signature::PublicKey;
use pullward_core::trust::{self, TrustBundle, TrustError, TrustIndex};

/// A trust bundle whose root signatures were checked. There is no other way to make one than [`InstalledTrust::open`].
///
/// What this does *not* check: audience, version floor and expiry; they depend on the node and the time.
#[derive(Debug)]
pub struct InstalledTrust {
    payload: Vec<u8>,
    index: Box<TrustIndex>,
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

impl InstalledTrust {
    /// Checks the root signatures of a signed bundle file, reads it whole and keeps its payload.
    ///
    /// `threshold` distinct keys of `roots` have to have signed.
    ///
    /// # Errors
    /// [`TrustError`], by what is wrong first.
    pub fn open(file: &[u8], roots: &[PublicKey], threshold: usize) -> Result<Self, TrustError> {
        if u64::try_from(file.len()).unwrap_or(u64::MAX) > limits::TRUST_FILE_BYTES {
            return Err(TrustError::TooLarge);
        }
        let envelope = ThresholdEnvelope::read(json::parse(file)?).map_err(TrustError::Envelope)?;
        let mut scratch = vec![0; envelope.scratch_bytes()];
        let payload = trust::open_envelope(file, roots, threshold, &mut scratch)?.to_vec();
        drop(scratch);
        let mut index = Box::new(TrustIndex::new());
        index.read(&payload)?;
        let audience = TrustBundle::new(&payload, &index).audience()?.to_owned();
        Ok(Self {
            digest: index.digest(),
            version: index.version(),
            audience,
            issued: index.issued().0,
            expires: index.expires().0,
            payload,
            index,
        })
    }

    /// The bundle, ready for verdicts.
    #[must_use]
    pub fn bundle(&self) -> TrustBundle<'_> {
        TrustBundle::new(&self.payload, &self.index)
    }

    /// The payload: the bytes that the root keys signed.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }
}

impl PartialEq for InstalledTrust {
    /// Two bundles are one where their payloads are, by digest.
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for InstalledTrust {}
