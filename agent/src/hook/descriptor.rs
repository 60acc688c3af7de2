//! The OCI descriptor that containerd writes to a verifier's standard input.

use pullward_core::oci::{Digest, DigestError};
use serde::Deserialize;

/// What a descriptor says of an image. That the image is so is not checked here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// Media type of the manifest or index.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// Why a descriptor is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DescriptorError {
    /// Not a JSON object with media type, digest and size, each once.
    #[error("the descriptor is not an OCI descriptor: {0}")]
    Malformed(String),
    /// Its digest is not a SHA-256 digest.
    #[error("the descriptor's digest: {0}")]
    Digest(DigestError),
    /// It is another image's.
    #[error("the descriptor is of {0}, not of the digest asked for")]
    OtherDigest(Digest),
}

impl Descriptor {
    /// Reads a descriptor. Fields that we do not read are skipped: the document is OCI's, not ours.
    ///
    /// # Errors
    /// [`DescriptorError::Malformed`] or [`DescriptorError::Digest`].
    pub fn parse(bytes: &[u8]) -> Result<Self, DescriptorError> {
        // Nesting is bounded by the parser (128), keys that are read twice are its error, size by the caller.
        let read: Wire =
            serde_json::from_slice(bytes).map_err(|error| DescriptorError::Malformed(error.to_string()))?;
        let digest = Digest::parse(&read.digest).map_err(DescriptorError::Digest)?;
        Ok(Self { media_type: read.media_type, digest, size: read.size })
    }

    /// Checks that this is the descriptor of `digest`.
    ///
    /// # Errors
    /// [`DescriptorError::OtherDigest`].
    pub fn is_of(&self, digest: Digest) -> Result<(), DescriptorError> {
        if self.digest == digest { Ok(()) } else { Err(DescriptorError::OtherDigest(self.digest)) }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    media_type: String,
    digest: String,
    size: u64,
}

#[cfg(test)]
mod tests {
    use pullward_core::oci::{Digest, DigestError};

    use super::{Descriptor, DescriptorError};

    fn text(digest: &str) -> String {
        format!(r#"{{"mediaType":"m","digest":"{digest}","size":426}}"#)
    }

    #[test]
    fn what_containerd_writes_is_read() {
        let digest = Digest::of(b"x");
        let read = Descriptor::parse(format!("{}\n", text(&digest.to_string())).as_bytes()).unwrap();
        assert_eq!(read, Descriptor { media_type: "m".into(), digest, size: 426 });
        assert_eq!(read.is_of(digest), Ok(()));
    }

    #[test]
    fn the_descriptor_of_another_image_is_refused() {
        let read = Descriptor::parse(text(&Digest::of(b"x").to_string()).as_bytes()).unwrap();
        assert_eq!(read.is_of(Digest::of(b"y")), Err(DescriptorError::OtherDigest(Digest::of(b"x"))));
    }

    #[test]
    fn unknown_fields_are_skipped() {
        let text = text(&Digest::of(b"x").to_string()).replace("426", r#"426,"annotations":{"a":"b"}"#);
        assert!(Descriptor::parse(text.as_bytes()).is_ok());
    }

    #[test]
    fn another_digest_algorithm_is_refused() {
        assert_eq!(
            Descriptor::parse(text("sha512:00").as_bytes()),
            Err(DescriptorError::Digest(DigestError::Algorithm))
        );
    }

    #[test]
    fn what_is_no_descriptor_is_refused() {
        let good = text(&Digest::of(b"x").to_string());
        let twice = good.replace(r#""size""#, r#""digest":"x","size""#);
        let deep = format!("{}{}", "[".repeat(60_000), "]".repeat(60_000));
        for bad in ["", "null", "[]", "{}", r#"{"mediaType":"m"}"#, &format!("{good}x"), &twice, &deep] {
            let read = Descriptor::parse(bad.as_bytes());
            assert!(matches!(read, Err(DescriptorError::Malformed(_))), "{bad:.80}");
        }
    }
}
