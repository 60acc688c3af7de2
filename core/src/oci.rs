//! Digests and descriptors: how OCI names content.
//!
//! A [`Digest`] that exists is well-formed and SHA-256. Another algorithm is a typed error at first touch, so no
//! later code has to ask which algorithm a digest has, and no string from outside is ever used as a file name.
//! Spec: OCI image-spec 1.1, `descriptor.md`.

use core::fmt;

use sha2::Digest as _;

use crate::encoding;
use crate::limits;

/// An OCI image manifest.
pub const MEDIA_TYPE_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// An OCI image index; also the answer of the referrers API and of its fallback tag.
pub const MEDIA_TYPE_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Docker's image manifest, schema 2.
pub const MEDIA_TYPE_DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker's manifest list.
pub const MEDIA_TYPE_DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// The OCI descriptor itself; what containerd says of the standard input of an image verifier.
pub const MEDIA_TYPE_DESCRIPTOR: &str = "application/vnd.oci.descriptor.v1+json";
/// The empty JSON object `{}` as a config; cosign 3 writes it as `artifactType` into the fallback index.
pub const MEDIA_TYPE_EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// How the media type of every version of the sigstore bundle starts.
pub const MEDIA_TYPE_BUNDLE_PREFIX: &str = "application/vnd.dev.sigstore.bundle";
/// The layer of a legacy cosign signature (`.sig`).
pub const MEDIA_TYPE_SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The layer of a legacy cosign attestation (`.att`).
pub const MEDIA_TYPE_DSSE: &str = "application/vnd.dsse.envelope.v1+json";

/// A SHA-256 digest.
///
/// It says what content must hash to; it does not say that anyone has hashed it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    bytes: [u8; 32],
}

impl Digest {
    /// Reads `sha256:` and 64 lower-case hexadecimal digits, and nothing else.
    ///
    /// # Errors
    /// [`DigestError`] names the first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, DigestError> {
        let (algorithm, hex) = text.split_once(':').ok_or(DigestError::NoAlgorithm)?;
        if algorithm != "sha256" {
            return Err(DigestError::Algorithm);
        }
        Self::from_hex(hex)
    }

    /// Reads 64 lower-case hexadecimal digits, as file names in a layout and lists in a trust bundle have them.
    ///
    /// # Errors
    /// [`DigestError::Length`] or [`DigestError::Hex`].
    pub fn from_hex(hex: &str) -> Result<Self, DigestError> {
        match encoding::hex32(hex) {
            Ok(bytes) => Ok(Self { bytes }),
            Err(encoding::Error::Length) => Err(DigestError::Length),
            Err(_) => Err(DigestError::Hex),
        }
    }

    /// Takes a SHA-256 that was computed elsewhere.
    #[must_use]
    pub const fn from_sha256(bytes: [u8; 32]) -> Self {
        Self { bytes }
    }

    /// Hashes content.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        Self { bytes: sha2::Sha256::digest(content).into() }
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// The 64 lower-case hexadecimal digits, without the algorithm. Safe as a file name.
    #[must_use]
    pub fn hex(&self) -> heapless::String<64> {
        let mut out = heapless::String::new();
        // The capacity is exactly these 64 characters: push cannot fail.
        let _fits = encoding::to_hex32(&self.bytes).iter().try_for_each(|digit| out.push(char::from(*digit)));
        out
    }

    /// The digest as text, `sha256:<hex>`.
    #[must_use]
    pub fn text(&self) -> heapless::String<{ limits::DIGEST_LENGTH }> {
        let mut out = heapless::String::new();
        // The capacity is the length of this text: push_str cannot fail.
        let _fits = out.push_str("sha256:").and_then(|()| out.push_str(&self.hex()));
        out
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// Why a text is not a digest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DigestError {
    /// There is no `algorithm:` in front.
    NoAlgorithm,
    /// The algorithm is not `sha256`; no other is supported.
    Algorithm,
    /// There are not exactly 64 digits.
    Length,
    /// A character is not one of `0-9a-f`; upper case is not accepted.
    Hex,
}

impl fmt::Display for DigestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoAlgorithm => "a digest starts with its algorithm, as in sha256:<64 hex digits>",
            Self::Algorithm => "only sha256 digests are supported",
            Self::Length => "a sha256 digest has exactly 64 hexadecimal digits",
            Self::Hex => "a digest has only the digits 0-9 and a-f, in lower case",
        })
    }
}

impl core::error::Error for DigestError {}

/// What a document says about content that lives elsewhere: its type, its digest, its size.
///
/// All three are claims of whoever wrote the document. The digest is the one that binds; the size is a bound to
/// read by; the media type must agree with what the content itself says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Descriptor<'a> {
    /// The media type, as written.
    pub media_type: &'a str,
    /// What the content hashes to.
    pub digest: Digest,
    /// The length of the content in bytes.
    pub size: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    extern crate std;
    use std::format;
    use std::string::ToString as _;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn the_empty_content_has_its_known_digest() {
        assert_eq!(Digest::of(b"").to_string(), EMPTY);
        assert_eq!(Digest::parse(EMPTY), Ok(Digest::of(b"")));
        assert_eq!(Digest::of(b"").hex().as_str(), EMPTY.trim_start_matches("sha256:"));
    }

    #[test]
    fn only_lower_case_sha256_is_a_digest() {
        let hex = &EMPTY[7..];
        let cases = [
            ("", DigestError::NoAlgorithm),
            (hex, DigestError::NoAlgorithm),
            (":", DigestError::Algorithm),
            (&format!("SHA256:{hex}"), DigestError::Algorithm),
            (&format!(" sha256:{hex}"), DigestError::Algorithm),
            (&format!("sha512:{hex}{hex}"), DigestError::Algorithm),
            (&format!("sha1:{}", &hex[..40]), DigestError::Algorithm),
            (&format!("sha256+b64:{hex}"), DigestError::Algorithm),
            ("sha256:", DigestError::Length),
            ("sha256:../../etc/passwd", DigestError::Length),
            (&format!("sha256:{}", &hex[1..]), DigestError::Length),
            (&format!("sha256:{hex}0"), DigestError::Length),
            (&format!("sha256:{hex}\n"), DigestError::Length),
            (&format!("sha256:{}", hex.to_uppercase()), DigestError::Hex),
            (&format!("sha256:{}g", &hex[1..]), DigestError::Hex),
            (&format!("sha256:{}:", &hex[1..]), DigestError::Hex),
            // 61 digits and one Arabic-Indic digit of two bytes, and a full-width digit of three
            (&format!("sha256:{}\u{661}", &hex[2..]), DigestError::Hex),
            (&format!("sha256:{}\u{ff11}", &hex[3..]), DigestError::Hex),
        ];
        for (text, error) in cases {
            assert_eq!(Digest::parse(text), Err(error), "{text:?}");
        }
    }
}
