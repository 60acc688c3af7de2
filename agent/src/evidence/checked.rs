//! The only door for bytes from outside: read to the end, under a cap, of the promised length and digest.

use std::io::{self, Read};

use pullward_core::oci::Digest;
use sha2::{Digest as _, Sha256};

/// Room that is made before the first byte has come. More is made as bytes really arrive, so that a promised length
/// alone costs nothing.
const FIRST_ROOM: usize = 64 * 1024;

/// What content must be, as far as it is known before it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Most bytes that are read; one more is an error.
    pub cap: u64,
    /// The exact length, where a descriptor or a header promised one.
    pub length: Option<u64>,
    /// The digest, where the content is named by one.
    pub digest: Option<Digest>,
}

/// Why content is not what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// It is longer than the cap allows, or promises to be.
    #[error("it has more than the {cap} bytes that are allowed")]
    TooLarge {
        /// The cap, in bytes.
        cap: u64,
    },
    /// It ended early, or went on, against the promised length.
    #[error("it has {received} bytes where {promised} were promised")]
    Length {
        /// The promised length in bytes.
        promised: u64,
        /// The length that came; one more than promised where it went on.
        received: u64,
    },
    /// It hashes to something else.
    #[error("it hashes to {found} and not to {expected}")]
    Digest {
        /// The digest that it was asked for by.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// Reading failed.
    #[error("reading it failed: {0}")]
    Io(#[from] io::Error),
}

/// Reads all of `source` and checks it while it comes. There is no way to get the bytes without the checks.
///
/// The digest that is returned is computed from these very bytes, also where none was expected.
///
/// # Errors
/// [`ContentError`]; nothing of the content is handed out then.
pub fn read(source: impl Read, expected: Expected) -> Result<(Vec<u8>, Digest), ContentError> {
    let most = expected.length.unwrap_or(expected.cap).min(expected.cap);
    let mut content = Vec::with_capacity(usize::try_from(most).unwrap_or(FIRST_ROOM).min(FIRST_ROOM));
    let digest = read_into(source, expected, &mut |part| {
        content.extend_from_slice(part);
        Ok(())
    })?;
    Ok((content, digest))
}

/// The same for content that goes elsewhere than into memory: every part goes to `take` as it comes. What `take` got is
/// the promised content only once this has come back without an error.
///
/// # Errors
/// [`ContentError`]; also what `take` answered.
pub fn read_into(
    mut source: impl Read,
    expected: Expected,
    take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> Result<Digest, ContentError> {
    if let Some(length) = expected.length
        && length > expected.cap
    {
        return Err(ContentError::TooLarge { cap: expected.cap });
    }
    let most = expected.length.unwrap_or(expected.cap);
    let mut received = 0u64;
    let mut hasher = Sha256::new();
    let mut chunk = [0u8; 16 * 1024];
    loop {
        let count = match source.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        let part = chunk.get(..count).unwrap_or(&chunk);
        received = received.saturating_add(length(part));
        if received > most {
            return Err(match expected.length {
                Some(promised) => ContentError::Length { promised, received: promised.saturating_add(1) },
                None => ContentError::TooLarge { cap: expected.cap },
            });
        }
        hasher.update(part);
        take(part)?;
    }
    if let Some(promised) = expected.length
        && received != promised
    {
        return Err(ContentError::Length { promised, received });
    }
    let found = Digest::from_sha256(hasher.finalize().into());
    match expected.digest {
        Some(expected) if expected != found => Err(ContentError::Digest { expected, found }),
        _ => Ok(found),
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Expected = Expected { cap: 8, length: None, digest: None };

    #[test]
    fn what_is_promised_and_comes_is_handed_out() {
        let expected = Expected { length: Some(5), digest: Some(Digest::of(b"hello")), ..NOTHING };
        let (content, digest) = read(&b"hello"[..], expected).unwrap();
        assert_eq!((content.as_slice(), digest), (&b"hello"[..], Digest::of(b"hello")));
    }

    #[test]
    fn a_cap_is_reached_at_its_last_byte_and_passed_at_the_next() {
        assert!(read(&[0u8; 8][..], NOTHING).is_ok());
        assert!(matches!(read(&[0u8; 9][..], NOTHING), Err(ContentError::TooLarge { cap: 8 })));
        assert!(matches!(read(io::repeat(0), NOTHING), Err(ContentError::TooLarge { cap: 8 })));
    }

    #[test]
    fn a_promised_length_above_the_cap_is_refused_before_reading() {
        struct Never;
        impl Read for Never {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                panic!("read")
            }
        }
        let expected = Expected { length: Some(9), ..NOTHING };
        assert!(matches!(read(Never, expected), Err(ContentError::TooLarge { cap: 8 })));
    }

    #[test]
    fn a_body_shorter_or_longer_than_promised_is_refused() {
        let expected = Expected { length: Some(5), ..NOTHING };
        assert!(matches!(
            read(&b"four"[..], expected),
            Err(ContentError::Length { promised: 5, received: 4 })
        ));
        assert!(matches!(
            read(&b"sixsix"[..], expected),
            Err(ContentError::Length { promised: 5, received: 6 })
        ));
        assert!(matches!(read(&b""[..], expected), Err(ContentError::Length { promised: 5, received: 0 })));
    }

    #[test]
    fn other_content_of_the_same_length_is_refused() {
        let expected = Expected { length: Some(5), digest: Some(Digest::of(b"hello")), ..NOTHING };
        match read(&b"jello"[..], expected) {
            Err(ContentError::Digest { expected, found }) => {
                assert_eq!((expected, found), (Digest::of(b"hello"), Digest::of(b"jello")));
            }
            other => panic!("{other:?}"),
        }
    }
}
