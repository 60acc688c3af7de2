//! A strict DER reader (X.690 section 10): tag, minimal definite length, content; nothing is guessed.
//!
//! Reads only what keys need. It does not recurse: each nested value is opened by its caller.

/// Why bytes are not the DER that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Error {
    /// Ends early, or another tag than asked for.
    Unexpected,
    /// A length in more octets than needed, indefinite, or beyond 65,535.
    Length,
    /// An INTEGER that is negative or has needless leading zeros.
    Integer,
    /// A BIT STRING with unused bits.
    BitString,
    /// Something follows the last value.
    TrailingBytes,
}

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const SEQUENCE: u8 = 0x30;

/// A position in DER bytes.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The content of the next value, which must have `tag`.
    pub(crate) fn take(&mut self, tag: u8) -> Result<&'a [u8], Error> {
        let (found, rest) = self.rest.split_first().ok_or(Error::Unexpected)?;
        if *found != tag {
            return Err(Error::Unexpected);
        }
        let (first, rest) = rest.split_first().ok_or(Error::Unexpected)?;
        let (length, rest) = match *first {
            short @ 0..=0x7f => (usize::from(short), rest),
            0x81 => match rest.split_first() {
                Some((length @ 0x80..=0xff, rest)) => (usize::from(*length), rest),
                _ => return Err(Error::Length),
            },
            0x82 => match rest.split_first_chunk::<2>() {
                Some(([high @ 1..=0xff, low], rest)) => {
                    (usize::from(u16::from_be_bytes([*high, *low])), rest)
                }
                _ => return Err(Error::Length),
            },
            _ => return Err(Error::Length),
        };
        let (content, rest) = rest.split_at_checked(length).ok_or(Error::Unexpected)?;
        self.rest = rest;
        Ok(content)
    }

    /// The next value, opened.
    pub(crate) fn open(&mut self, tag: u8) -> Result<Self, Error> {
        self.take(tag).map(Self::new)
    }

    /// The magnitude of the next INTEGER, big-endian, without leading zeros; zero is empty.
    pub(crate) fn unsigned(&mut self) -> Result<&'a [u8], Error> {
        match self.take(INTEGER)? {
            [] | [0x80..=0xff, ..] | [0, 0..=0x7f, ..] => Err(Error::Integer),
            [0, magnitude @ ..] => Ok(magnitude),
            magnitude => Ok(magnitude),
        }
    }

    /// The bytes of the next BIT STRING, which must be whole bytes.
    pub(crate) fn bit_string(&mut self) -> Result<&'a [u8], Error> {
        match self.take(BIT_STRING)? {
            [0, bytes @ ..] => Ok(bytes),
            _ => Err(Error::BitString),
        }
    }

    /// Checks that nothing is left.
    pub(crate) fn end(&self) -> Result<(), Error> {
        if self.rest.is_empty() { Ok(()) } else { Err(Error::TrailingBytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, Reader, SEQUENCE};

    #[test]
    fn lengths_have_one_spelling() {
        let take = |bytes: &[u8]| Reader::new(bytes).take(SEQUENCE).map(<[u8]>::len);
        assert_eq!(take(&[0x30, 1, 9]), Ok(1));
        assert_eq!(take(&[0x30, 0x81, 1, 9]), Err(Error::Length));
        assert_eq!(take(&[0x30, 0x82, 0, 1, 9]), Err(Error::Length));
        assert_eq!(take(&[0x30, 0x80, 0, 0]), Err(Error::Length));
        assert_eq!(take(&[0x30, 0x84, 0, 0, 0, 1, 9]), Err(Error::Length));
        assert_eq!(take(&[0x30, 2, 9]), Err(Error::Unexpected));
        assert_eq!(take(&[0x31, 1, 9]), Err(Error::Unexpected));
        assert_eq!(take(&[0x30]), Err(Error::Unexpected));
        assert_eq!(take(&[]), Err(Error::Unexpected));
    }

    #[test]
    fn integers_are_minimal_and_not_negative() {
        let read = |bytes: &[u8]| Reader::new(bytes).unsigned().map(<[u8]>::len);
        assert_eq!(read(&[2, 1, 0]), Ok(0));
        assert_eq!(read(&[2, 1, 5]), Ok(1));
        assert_eq!(read(&[2, 2, 0, 0x80]), Ok(1));
        assert_eq!(read(&[2, 1, 0x80]), Err(Error::Integer));
        assert_eq!(read(&[2, 2, 0, 5]), Err(Error::Integer));
        assert_eq!(read(&[2, 3, 0, 5, 5]), Err(Error::Integer));
        assert_eq!(read(&[2, 2, 0, 0]), Err(Error::Integer));
        assert_eq!(read(&[2, 0]), Err(Error::Integer));
    }

    #[test]
    fn bit_strings_are_whole_bytes_and_nothing_trails() {
        assert_eq!(Reader::new(&[3, 2, 1, 2]).bit_string(), Err(Error::BitString));
        assert_eq!(Reader::new(&[3, 0]).bit_string(), Err(Error::BitString));
        let mut reader = Reader::new(&[3, 2, 0, 7, 9]);
        assert_eq!(reader.bit_string(), Ok(&[7][..]));
        assert_eq!(reader.end(), Err(Error::TrailingBytes));
    }
}
