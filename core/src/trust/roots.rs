//! Sigstore trusted roots in a trust bundle: each in base64, byte for byte as it came, with its digest.

use sha2::{Digest as _, Sha256};

use super::{TrustError, UnknownKeys, Value, limits, need};
use crate::encoding::{self, Alphabet};
use crate::oci::Digest;

/// Checks the trusted roots and returns how many there are: within their bounds, and each the content that its
/// digest names. What is in them is read when something uses them.
pub(super) fn check(value: Value<'_>) -> Result<u64, TrustError> {
    let mut count = 0_u64;
    for item in value.array()? {
        count = count.saturating_add(1);
        if count > u64::try_from(limits::TRUSTED_ROOTS).unwrap_or(0) {
            return Err(TrustError::TooMany("trusted_roots"));
        }
        let [digest, content] = item?.object()?.fields(["digest", "content"], UnknownKeys::Refuse)?;
        let digest = Digest::parse(need(digest, "digest")?.string()?.as_plain()?);
        let content = need(content, "content")?.string()?.as_plain()?;
        if digest != Ok(digest_of_base64(content)?) {
            return Err(TrustError::Digests("trusted_roots"));
        }
    }
    Ok(count)
}

/// SHA-256 of what a base64 text stands for, decoded piece by piece.
fn digest_of_base64(text: &str) -> Result<Digest, TrustError> {
    // 64 digits are 48 bytes; only the last piece may be shorter.
    let mut pieces = text.as_bytes().chunks(64).peekable();
    let mut block = [0_u8; 48];
    let mut hash = Sha256::new();
    let mut total = 0_usize;
    while let Some(piece) = pieces.next() {
        let length = encoding::base64(piece.iter().copied(), Alphabet::Standard, &mut block)
            .map_err(TrustError::Base64)?;
        if pieces.peek().is_some() && length != block.len() {
            return Err(TrustError::Base64(encoding::Error::Length));
        }
        total = total.saturating_add(length);
        if total > limits::TRUSTED_ROOT_BYTES {
            return Err(TrustError::TooMany("trusted_roots"));
        }
        hash.update(block.get(..length).unwrap_or_default());
    }
    Ok(Digest::from_sha256(hash.finalize().into()))
}

/// The contents of roots that were checked, in base64.
#[cfg(feature = "keyless")]
pub(super) fn texts(value: Value<'_>) -> Result<impl Iterator<Item = Result<&str, TrustError>>, TrustError> {
    Ok(value.array()?.map(|item| {
        let [_, content] = item?.object()?.fields(["digest", "content"], UnknownKeys::Refuse)?;
        Ok(need(content, "content")?.string()?.as_plain()?)
    }))
}
