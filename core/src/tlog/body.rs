//! A log entry's body, read once from its base64: compared with what it should be, and hashed on the way.
//!
//! The body is never held decoded. What was verified is written out as the log would have written it, byte for byte,
//! and each byte is compared with the next one of the body; the leaf's hash comes out of the same pass, so that what
//! was compared is what is hashed (T-12).

use sha2::{Digest as _, Sha256};

use super::merkle::Hash;
use crate::encoding::{self, Alphabet};

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

    /// Steps over exactly these bytes.
    pub(super) fn expect(&mut self, bytes: impl IntoIterator<Item = u8>) -> Result<(), Differs> {
        for byte in bytes {
            if self.next()? != Some(byte) {
                return Err(Differs);
            }
        }
        Ok(())
    }

    /// Steps over exactly this text.
    pub(super) fn expect_text(&mut self, text: &str) -> Result<(), Differs> {
        self.expect(text.bytes())
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

#[cfg(test)]
mod tests {
    use super::{Body, Differs};
    use crate::encoding::to_base64;
    use crate::tlog::merkle::leaf_hash;

    extern crate std;
    use std::string::String;
    use std::vec::Vec;

    fn encode(bytes: &[u8]) -> String {
        String::from_utf8(to_base64(bytes.iter().copied()).collect()).unwrap()
    }

    #[test]
    fn what_was_compared_is_what_is_hashed_at_every_length() {
        for length in [0, 1, 2, 3, 190, 191, 192, 193, 194, 384, 400] {
            let bytes: Vec<u8> = (0..length).map(|i| u8::try_from(i % 251).unwrap()).collect();
            let text = encode(&bytes);
            let mut body = Body::new(&text);
            assert_eq!(body.expect(bytes.iter().copied()), Ok(()), "{length}");
            assert_eq!(body.end(), Ok(leaf_hash(&bytes)), "{length}");
        }
    }

    #[test]
    fn a_body_that_is_longer_shorter_or_other_differs() {
        let text = encode(b"abcd");
        assert_eq!(Body::new(&text).expect_text("abcde"), Err(Differs));
        assert_eq!(Body::new(&text).expect_text("abXd"), Err(Differs));
        let mut body = Body::new(&text);
        assert_eq!(body.expect_text("abc"), Ok(()));
        assert_eq!(body.end(), Err(Differs));
        assert_eq!(Body::new("").expect_text("a"), Err(Differs));
    }

    #[test]
    fn base64_of_another_spelling_is_no_body() {
        let long = encode(&[b'a'; 300]);
        for text in [
            "YWJjZA".into(),
            "YWJjZA=".into(),
            "YWJjZB==".into(),
            "YWJj\n".into(),
            "YW-j".into(),
            // Padding inside, at a window's end and elsewhere.
            std::format!("YWJjZA==YWJj"),
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
    fn words_hashes_and_strings_end_where_they_should() {
        let take = |text: &str| Body::new(&encode(text.as_bytes())).take_word::<4>();
        assert_eq!(take("abcd\"").as_deref(), Ok("abcd"));
        for wrong in ["abcde\"", "ab", "a\\\"", "a b\"", "\u{e9}\""] {
            assert_eq!(take(wrong), Err(Differs), "{wrong}");
        }
        let hash = |text: &str| Body::new(&encode(text.as_bytes())).skip_hash();
        assert_eq!(hash(&"0f".repeat(32)), Ok(()));
        for wrong in ["0f".repeat(31), "0F".repeat(32), "0\"".repeat(32)] {
            assert_eq!(hash(&wrong), Err(Differs), "{wrong}");
        }
        let string = |text: &str| Body::new(&encode(text.as_bytes())).skip_string();
        assert_eq!(string("a\\\"b\\\\\""), Ok(()));
        for wrong in ["a", "a\\\"", "a\n\""] {
            assert_eq!(string(wrong), Err(Differs), "{wrong}");
        }
    }
}
