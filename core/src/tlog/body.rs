//! A log entry's body, read once from its base64: compared with what it should be, and hashed on the way.
//!
//! The body is never held decoded. What was verified is written out as the log would have written it, byte for byte,
//! and each byte is compared with the next one of the body; the leaf's hash comes out of the same pass, so that what
//! was compared is what is hashed (T-12).

use sha2::{Digest as _, Sha256};

use super::merkle::Hash;
use crate::encoding::{self, Alphabet, LINE_BYTES, LINE_DIGITS};

/// The body is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Differs;

/// Digits that are decoded at a time: a whole number of groups of four.
const DIGITS: usize = 256;

/// Bytes that they make.
const BYTES: usize = DIGITS / 4 * 3;

/// A position in a body.
#[derive(Debug)]
pub(super) struct Body<'a> {
    digits: &'a str,
    window: [u8; BYTES],
    at: usize,
    end: usize,
    leaf: Sha256,
}

impl<'a> Body<'a> {
    /// Stands before the first byte of a body in standard base64.
    pub(super) fn new(digits: &'a str) -> Self {
        Self { digits, window: [0; BYTES], at: 0, end: 0, leaf: Sha256::new_with_prefix([0]) }
    }

    /// The byte here.
    pub(super) fn peek(&mut self) -> Result<Option<u8>, Differs> {
        if self.at == self.end {
            // Padding in the middle of the text would end a window early: only the last one may be shorter.
            if self.digits.is_empty() || !matches!(self.end, 0 | BYTES) {
                return if self.digits.is_empty() { Ok(None) } else { Err(Differs) };
            }
            let (digits, rest) = self.digits.split_at_checked(DIGITS).unwrap_or((self.digits, ""));
            self.end = encoding::base64(digits.bytes(), Alphabet::Standard, &mut self.window)
                .map_err(|_| Differs)?;
            self.digits = rest;
            self.at = 0;
            self.leaf.update(self.window.get(..self.end).unwrap_or_default());
        }
        Ok(self.window.get(self.at).copied())
    }

    /// Steps over the byte here.
    fn next(&mut self) -> Result<Option<u8>, Differs> {
        let byte = self.peek()?;
        self.at = self.at.saturating_add(usize::from(byte.is_some()));
        Ok(byte)
    }

    /// Steps over exactly this text.
    pub(super) fn expect(&mut self, text: &str) -> Result<(), Differs> {
        self.write(text.as_bytes())
    }

    /// Steps over exactly the base64 of these bytes.
    pub(super) fn expect_base64(&mut self, bytes: &[u8]) -> Result<(), Differs> {
        let mut encoder = Base64::new(self);
        encoder.write(bytes)?;
        encoder.finish()
    }

    /// Steps over bytes that need no escape, up to a quotation mark and past it, and keeps them.
    pub(super) fn take_word<const N: usize>(&mut self) -> Result<heapless::String<N>, Differs> {
        let mut word = heapless::String::new();
        loop {
            match self.next()?.ok_or(Differs)? {
                b'"' => return Ok(word),
                byte @ (b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_') => {
                    word.push(char::from(byte)).map_err(|_| Differs)?;
                }
                _ => return Err(Differs),
            }
        }
    }

    /// Steps over 64 lower-case hex digits, whatever they are.
    pub(super) fn skip_hash(&mut self) -> Result<(), Differs> {
        for _ in 0..64 {
            if !matches!(self.next()?, Some(b'0'..=b'9' | b'a'..=b'f')) {
                return Err(Differs);
            }
        }
        Ok(())
    }

    /// Steps over the rest of a JSON string, whatever it holds, and past its quotation mark.
    pub(super) fn skip_string(&mut self) -> Result<(), Differs> {
        loop {
            match self.next()?.ok_or(Differs)? {
                b'"' => return Ok(()),
                b'\\' => {
                    self.next()?.ok_or(Differs)?;
                }
                0..=0x1f => return Err(Differs),
                _ => {}
            }
        }
    }

    /// The leaf's hash (RFC 9162 section 2.1.1), if this is the body's end.
    pub(super) fn end(mut self) -> Result<Hash, Differs> {
        match self.peek()? {
            None => Ok(self.leaf.finalize().into()),
            Some(_) => Err(Differs),
        }
    }
}

/// Where what a body should be is written to.
pub(super) trait Sink {
    /// Writes the next bytes; in the end, they are those of the body, or the body differs.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Differs>;
}

/// Writing to a body is comparing with it.
impl Sink for Body<'_> {
    fn write(&mut self, mut bytes: &[u8]) -> Result<(), Differs> {
        while !bytes.is_empty() {
            self.peek()?;
            let here = self.window.get(self.at..self.end).unwrap_or_default();
            let length = here.len().min(bytes.len());
            let (now, later) = bytes.split_at_checked(length).ok_or(Differs)?;
            if length == 0 || here.get(..length) != Some(now) {
                return Err(Differs);
            }
            self.at = self.at.saturating_add(length);
            bytes = later;
        }
        Ok(())
    }
}

/// Writes the base64 of what is written to it.
pub(super) struct Base64<'s, S> {
    sink: &'s mut S,
    held: [u8; LINE_BYTES],
    length: usize,
}

impl<'s, S: Sink> Base64<'s, S> {
    pub(super) fn new(sink: &'s mut S) -> Self {
        Self { sink, held: [0; LINE_BYTES], length: 0 }
    }

    /// Writes the bytes that are left, and the padding.
    pub(super) fn finish(mut self) -> Result<(), Differs> {
        self.flush()
    }

    fn flush(&mut self) -> Result<(), Differs> {
        let mut line = [0; LINE_DIGITS];
        let digits = encoding::to_base64(self.held.get(..self.length).unwrap_or_default(), &mut line);
        self.length = 0;
        self.sink.write(line.get(..digits).unwrap_or_default())
    }
}

impl<S: Sink> Sink for Base64<'_, S> {
    fn write(&mut self, mut bytes: &[u8]) -> Result<(), Differs> {
        while !bytes.is_empty() {
            let room = self.held.get_mut(self.length..).unwrap_or_default();
            let (now, later) = bytes.split_at_checked(room.len()).unwrap_or((bytes, &[]));
            for (slot, byte) in room.iter_mut().zip(now) {
                *slot = *byte;
            }
            self.length = self.length.saturating_add(now.len());
            bytes = later;
            if self.length == LINE_BYTES {
                self.flush()?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Base64, Body, Differs, Sink as _};
    use crate::tlog::merkle::leaf_hash;
    use crate::tlog::test_log::base64 as encode;

    extern crate std;
    use std::string::String;
    use std::vec::Vec;

    #[test]
    fn what_was_compared_is_what_is_hashed_at_every_length() {
        for length in [0, 1, 2, 3, 190, 191, 192, 193, 194, 384, 400] {
            let bytes: Vec<u8> = (0..length).map(|i| u8::try_from(i % 251).unwrap()).collect();
            let text = encode(&bytes);
            let mut body = Body::new(&text);
            assert_eq!(body.write(&bytes), Ok(()), "{length}");
            assert_eq!(body.end(), Ok(leaf_hash(&bytes)), "{length}");
        }
    }

    #[test]
    fn a_body_that_is_longer_shorter_or_other_differs() {
        let text = encode(b"abcd");
        assert_eq!(Body::new(&text).expect("abcde"), Err(Differs));
        assert_eq!(Body::new(&text).expect("abXd"), Err(Differs));
        let mut body = Body::new(&text);
        assert_eq!(body.expect("abc"), Ok(()));
        assert_eq!(body.end(), Err(Differs));
        assert_eq!(Body::new("").expect("a"), Err(Differs));
    }

    #[test]
    fn base64_of_another_spelling_is_no_body() {
        let long = encode([b'a'; 300]);
        for text in [
            "YWJjZA".into(),
            "YWJjZA=".into(),
            "YWJjZB==".into(),
            "YWJj\n".into(),
            "YW-j".into(),
            // Padding inside, at a window's end and elsewhere.
            "YWJjZA==YWJj".into(),
            std::format!("{}=={}", &long[..254], &long[256..]),
        ] {
            let text: String = text;
            let mut body = Body::new(&text);
            let read = (0..1000).try_for_each(|_| match body.next() {
                Ok(Some(_)) => Ok(()),
                Ok(None) => Err(None),
                Err(error) => Err(Some(error)),
            });
            assert_eq!(read, Err(Some(Differs)), "{text}");
        }
    }

    #[test]
    fn base64_within_base64_is_written_in_any_pieces() {
        let bytes: Vec<u8> = (0..=255).collect();
        for length in [0, 1, 2, 3, 47, 48, 49, 96, 100, 256] {
            let bytes = &bytes[..length];
            let text = encode(encode(encode(bytes)));
            for piece in [1, 2, 3, 5, 47, 48, 49, 300] {
                let mut body = Body::new(&text);
                let mut outer = Base64::new(&mut body);
                let mut inner = Base64::new(&mut outer);
                bytes.chunks(piece).for_each(|piece| inner.write(piece).unwrap());
                inner.finish().unwrap();
                outer.finish().unwrap();
                assert!(body.end().is_ok(), "{length} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn words_hashes_and_strings_end_where_they_should() {
        let take = |text: &str| Body::new(&encode(text)).take_word::<4>();
        assert_eq!(take("abcd\"").as_deref(), Ok("abcd"));
        for wrong in ["abcde\"", "ab", "a\\\"", "a b\"", "\u{e9}\""] {
            assert_eq!(take(wrong), Err(Differs), "{wrong}");
        }
        let hash = |text: &str| Body::new(&encode(text)).skip_hash();
        assert_eq!(hash(&"0f".repeat(32)), Ok(()));
        for wrong in ["0f".repeat(31), "0F".repeat(32), "0\"".repeat(32)] {
            assert_eq!(hash(&wrong), Err(Differs), "{wrong}");
        }
        let string = |text: &str| Body::new(&encode(text)).skip_string();
        assert_eq!(string("a\\\"b\\\\\""), Ok(()));
        for wrong in ["a", "a\\\"", "a\n\""] {
            assert_eq!(string(wrong), Err(Differs), "{wrong}");
        }
    }
}
