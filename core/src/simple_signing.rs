//! cosign's legacy signature payload: "simple signing" (containers/image `docs/containers-signature.5.md`,
//! cosign `specs/SIGNATURE_SPEC.md`).
//!
//! `critical.identity.docker-reference` is deliberately not compared with the image's name: an image keeps its
//! signature when it is copied to another registry, as cosign has it. Which names a key may sign for is the
//! policy's to say, by rule.

use crate::json::{self, UnknownKeys};
use crate::oci::{Digest, DigestError};

const TYPE: &str = "cosign container image signature";

/// Why a payload does not say that this image is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// Not JSON, or not this shape. Unknown members are refused, as the format demands.
    Json(json::Error),
    /// A `critical.type` other than cosign's.
    PayloadType,
    /// `docker-manifest-digest` is not a digest.
    Digest(DigestError),
    /// It is another image's digest.
    DigestMismatch,
}

impl From<json::Error> for Error {
    fn from(error: json::Error) -> Self {
        Self::Json(error)
    }
}

/// Checks that the payload is cosign's statement about exactly this digest.
///
/// # Errors
/// [`Error`], by what is wrong first.
pub fn check_payload(payload: &[u8], digest: &Digest) -> Result<(), Error> {
    let object = json::parse(payload)?.object()?;
    let [critical, _optional] = object.fields(["critical", "optional"], UnknownKeys::Refuse)?;
    let critical = critical.ok_or(json::Error::MissingKey("critical"))?.object()?;
    let [identity, image, kind] = critical.fields(["identity", "image", "type"], UnknownKeys::Refuse)?;
    if !kind.ok_or(json::Error::MissingKey("type"))?.string()?.is(TYPE) {
        return Err(Error::PayloadType);
    }
    let identity = identity.ok_or(json::Error::MissingKey("identity"))?.object()?;
    let [reference] = identity.fields(["docker-reference"], UnknownKeys::Refuse)?;
    reference.ok_or(json::Error::MissingKey("docker-reference"))?.string()?;
    let image = image.ok_or(json::Error::MissingKey("image"))?.object()?;
    let [signed] = image.fields(["docker-manifest-digest"], UnknownKeys::Refuse)?;
    let signed = signed.ok_or(json::Error::MissingKey("docker-manifest-digest"))?.string()?.as_plain()?;
    if Digest::parse(signed).map_err(Error::Digest)? == *digest { Ok(()) } else { Err(Error::DigestMismatch) }
}

#[cfg(test)]
mod tests {
    use super::{Error, check_payload};
    use crate::json;
    use crate::oci::{Digest, DigestError};

    extern crate std;
    use std::format;

    const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const GOOD: &str = r#"{"critical":{"identity":{"docker-reference":"a/b"},"image":{"docker-manifest-digest":"sha256:HEX"},"type":"cosign container image signature"},"optional":null}"#;

    fn check(text: &str) -> Result<(), Error> {
        check_payload(text.replace("HEX", HEX).as_bytes(), &Digest::from_hex(HEX).unwrap())
    }

    #[test]
    fn cosigns_payload_for_this_digest_passes() {
        assert_eq!(check(GOOD), Ok(()));
        assert_eq!(check(&GOOD.replace("null", r#"{"creator":"x"}"#)), Ok(()));
        assert_eq!(check(&GOOD.replace(r#","optional":null"#, "")), Ok(()));
    }

    #[test]
    fn each_field_counts() {
        let json = |error| Err(Error::Json(error));
        for (from, to, expected) in [
            ("cosign container", "atomic container", Err(Error::PayloadType)),
            ("HEX", "HEX0", Err(Error::Digest(DigestError::Length))),
            ("sha256:HEX", "sha256:0123", Err(Error::Digest(DigestError::Length))),
            ("sha256:HEX", "sha512:HEX", Err(Error::Digest(DigestError::Algorithm))),
            ("sha256:HEX", "HEX", Err(Error::Digest(DigestError::NoAlgorithm))),
            ("\"sha256:HEX\"", "null", json(json::Error::WrongType)),
            ("docker-manifest-digest", "digest", json(json::Error::UnknownKey)),
            ("docker-reference", "reference", json(json::Error::UnknownKey)),
            (r#""docker-reference":"a/b""#, "", json(json::Error::MissingKey("docker-reference"))),
            ("\"type\"", "\"Type\"", json(json::Error::TwinKey("type"))),
            ("\"type\"", r#""type":"x","type""#, json(json::Error::DuplicateKey("type"))),
            ("\"critical\"", r#""critical":{},"critical""#, json(json::Error::DuplicateKey("critical"))),
            ("\"image\"", r#""extra":1,"image""#, json(json::Error::UnknownKey)),
            ("\"optional\"", "\"other\"", json(json::Error::UnknownKey)),
        ] {
            assert_eq!(check(&GOOD.replacen(from, to, 1)), expected, "{from} -> {to}");
        }
        let upper = GOOD.replace("HEX", &HEX.to_uppercase());
        assert_eq!(check(&upper), Err(Error::Digest(DigestError::Hex)));
        let other = GOOD.replace("HEX", &HEX.replace('0', "1"));
        assert_eq!(check(&other), Err(Error::DigestMismatch));
    }

    #[test]
    fn extra_bytes_are_refused() {
        assert_eq!(check(&format!("{GOOD}x")), Err(Error::Json(json::Error::TrailingBytes)));
        assert_eq!(check(&format!("{GOOD}{GOOD}")), Err(Error::Json(json::Error::TrailingBytes)));
    }
}
