//! A strict DER reader (X.690 section 10) over borrowed bytes: one spelling per value, and nothing is guessed.
//!
//! Tags have one octet, lengths are definite and minimal, INTEGER and OBJECT IDENTIFIER are minimal, BOOLEAN is `00` or
//! `FF`, times have seconds and end in `Z` (T-53, T-58). Every element keeps its own bytes at hand, because signatures
//! are over them: nothing is ever encoded again to be checked.
//!
//! It does not recurse: each nested value is opened by its caller, and a [`Reader`] counts how deep it stands, so that
//! code which follows the structure of its input is bounded too (T-61).
//!
//! What it does *not* do: BER, indefinite lengths, tags beyond 30, and values beyond 65,535 bytes; nothing that
//! certificates, keys and timestamps hold needs them. Object identifiers are compared as encoded bytes and never
//! turned into numbers, so that none can overflow.

use crate::limits;
use crate::time::UnixTime;

/// Why bytes are not the DER that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// Ends early, or another tag than asked for.
    Unexpected,
    /// A length in more octets than needed, indefinite, or beyond 65,535.
    Length,
    /// A tag beyond 30, which takes more than one octet.
    Tag,
    /// An INTEGER that is empty, has needless leading octets, or is negative or larger than asked for.
    Integer,
    /// A BOOLEAN that is neither `00` nor `FF`, or a default that is written out.
    Boolean,
    /// A BIT STRING with unused bits where whole bytes belong, or with unused bits that are not zero.
    BitString,
    /// An OBJECT IDENTIFIER that is empty, cut, or has needless octets.
    ObjectIdentifier,
    /// Text with characters that its type does not have.
    Text,
    /// A time in another form than RFC 5280 section 4.1.2.5 has, that does not exist, or before 1970.
    Time,
    /// Nested deeper than [`DER_DEPTH`](crate::limits::DER_DEPTH).
    TooDeep,
    /// Something follows the last value.
    TrailingBytes,
}

/// BOOLEAN.
pub const BOOLEAN: u8 = 0x01;
/// INTEGER.
pub const INTEGER: u8 = 0x02;
/// BIT STRING.
pub const BIT_STRING: u8 = 0x03;
/// OCTET STRING.
pub const OCTET_STRING: u8 = 0x04;
/// NULL.
pub const NULL: u8 = 0x05;
/// OBJECT IDENTIFIER.
pub const OBJECT_IDENTIFIER: u8 = 0x06;
/// UTF8String.
pub const UTF8_STRING: u8 = 0x0c;
/// UTCTime.
pub const UTC_TIME: u8 = 0x17;
/// GeneralizedTime.
pub const GENERALIZED_TIME: u8 = 0x18;
/// SEQUENCE and SEQUENCE OF.
pub const SEQUENCE: u8 = 0x30;
/// SET and SET OF.
pub const SET: u8 = 0x31;

/// The tag `[number] IMPLICIT` of a primitive type; `number` up to 30.
#[must_use]
pub const fn context(number: u8) -> u8 {
    0x80 | (number & 0x1f)
}

/// The tag `[number]` of a constructed type, or EXPLICIT; `number` up to 30.
#[must_use]
pub const fn context_constructed(number: u8) -> u8 {
    0xa0 | (number & 0x1f)
}

/// One value, with all of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element<'a> {
    /// The identifier octet.
    pub tag: u8,
    /// The content octets.
    pub content: &'a [u8],
    /// Identifier, length and content: what a signature over this value is over.
    pub raw: &'a [u8],
}

/// A position in DER bytes.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
    depth: u8,
}

impl<'a> Reader<'a> {
    /// Stands before the first value of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, depth: 0 }
    }

    /// Whether nothing is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The identifier octet of the next value, if there is one.
    #[must_use]
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next value, whatever it is.
    ///
    /// # Errors
    /// [`Error::Tag`], [`Error::Length`] and [`Error::Unexpected`].
    pub fn any(&mut self) -> Result<Element<'a>, Error> {
        let whole = self.rest;
        let (tag, rest) = whole.split_first().ok_or(Error::Unexpected)?;
        if tag & 0x1f == 0x1f {
            return Err(Error::Tag);
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
        let header_and_content = whole.len().saturating_sub(rest.len());
        let raw = whole.get(..header_and_content).ok_or(Error::Unexpected)?;
        self.rest = rest;
        Ok(Element { tag: *tag, content, raw })
    }

    /// The next value, which must have `tag`.
    ///
    /// # Errors
    /// [`Error::Unexpected`] for another tag, and those of [`Reader::any`].
    pub fn element(&mut self, tag: u8) -> Result<Element<'a>, Error> {
        if self.peek() != Some(tag) {
            return Err(Error::Unexpected);
        }
        self.any()
    }

    /// The next value where it has `tag`; else `None`, and the position stays.
    ///
    /// # Errors
    /// Those of [`Reader::any`].
    pub fn optional(&mut self, tag: u8) -> Result<Option<Element<'a>>, Error> {
        if self.peek() == Some(tag) { self.any().map(Some) } else { Ok(None) }
    }

    /// The content of the next value, which must have `tag`.
    ///
    /// # Errors
    /// Those of [`Reader::element`].
    pub fn take(&mut self, tag: u8) -> Result<&'a [u8], Error> {
        self.element(tag).map(|element| element.content)
    }

    /// The next value, opened.
    ///
    /// # Errors
    /// Those of [`Reader::element`], and [`Error::TooDeep`].
    pub fn open(&mut self, tag: u8) -> Result<Self, Error> {
        let depth = self.depth.saturating_add(1);
        if depth > limits::DER_DEPTH {
            return Err(Error::TooDeep);
        }
        self.take(tag).map(|rest| Self { rest, depth })
    }

    /// The next value where it has `tag`, opened; else `None`, and the position stays.
    ///
    /// # Errors
    /// Those of [`Reader::open`].
    pub fn open_optional(&mut self, tag: u8) -> Result<Option<Self>, Error> {
        if self.peek() == Some(tag) { self.open(tag).map(Some) } else { Ok(None) }
    }

    /// The content of the next INTEGER: two's complement, minimal, any sign.
    ///
    /// # Errors
    /// [`Error::Integer`] for another spelling, and those of [`Reader::element`].
    pub fn integer(&mut self) -> Result<&'a [u8], Error> {
        match self.take(INTEGER)? {
            [] | [0, 0..=0x7f, ..] | [0xff, 0x80..=0xff, ..] => Err(Error::Integer),
            content => Ok(content),
        }
    }

    /// The magnitude of the next INTEGER, big-endian, without leading zeros; zero is empty.
    ///
    /// # Errors
    /// [`Error::Integer`] for a negative one or another spelling, and those of [`Reader::element`].
    pub fn unsigned(&mut self) -> Result<&'a [u8], Error> {
        match self.integer()? {
            [0x80..=0xff, ..] => Err(Error::Integer),
            [0, magnitude @ ..] => Ok(magnitude),
            magnitude => Ok(magnitude),
        }
    }

    /// The next INTEGER, where it fits.
    ///
    /// # Errors
    /// [`Error::Integer`] where it is negative or needs more than 64 bits, and those of [`Reader::element`].
    pub fn small(&mut self) -> Result<u64, Error> {
        let magnitude = self.unsigned()?;
        if magnitude.len() > 8 {
            return Err(Error::Integer);
        }
        Ok(magnitude.iter().fold(0, |value: u64, byte| value.wrapping_shl(8) | u64::from(*byte)))
    }

    /// The next BOOLEAN.
    ///
    /// # Errors
    /// [`Error::Boolean`] for anything but `00` and `FF`, and those of [`Reader::element`].
    pub fn boolean(&mut self) -> Result<bool, Error> {
        match self.take(BOOLEAN)? {
            [0] => Ok(false),
            [0xff] => Ok(true),
            _ => Err(Error::Boolean),
        }
    }

    /// The next `BOOLEAN DEFAULT FALSE`: absent or `TRUE`. DER does not write a default out (X.690 section 11.5).
    ///
    /// # Errors
    /// Those of [`Reader::boolean`]; [`Error::Boolean`] for `FALSE`.
    pub fn flag(&mut self) -> Result<bool, Error> {
        if self.peek() != Some(BOOLEAN) {
            return Ok(false);
        }
        if self.boolean()? { Ok(true) } else { Err(Error::Boolean) }
    }

    /// The next OBJECT IDENTIFIER, as encoded.
    ///
    /// # Errors
    /// [`Error::ObjectIdentifier`] for another spelling, and those of [`Reader::element`].
    pub fn oid(&mut self) -> Result<&'a [u8], Error> {
        let content = self.take(OBJECT_IDENTIFIER)?;
        if content.last().is_none_or(|last| *last >= 0x80) {
            return Err(Error::ObjectIdentifier);
        }
        // Each arc starts after an octet without the high bit; a first octet of 80 is a leading zero.
        let mut starts = true;
        for byte in content {
            if starts && *byte == 0x80 {
                return Err(Error::ObjectIdentifier);
            }
            starts = *byte < 0x80;
        }
        Ok(content)
    }

    /// The bytes of the next BIT STRING, which must be whole bytes.
    ///
    /// # Errors
    /// [`Error::BitString`], and those of [`Reader::element`].
    pub fn bit_string(&mut self) -> Result<&'a [u8], Error> {
        match self.take(BIT_STRING)? {
            [0, bytes @ ..] => Ok(bytes),
            _ => Err(Error::BitString),
        }
    }

    /// The first sixteen bits of the next BIT STRING with named bits, bit 0 the highest.
    ///
    /// # Errors
    /// [`Error::BitString`] where trailing zero bits are written out (X.690 section 11.2.2) or there are more than
    /// sixteen bits, and those of [`Reader::element`].
    pub fn named_bits(&mut self) -> Result<u16, Error> {
        let (unused, bytes) = self.take(BIT_STRING)?.split_first().ok_or(Error::BitString)?;
        let (first, second) = match (bytes, *unused) {
            ([], 0) => return Ok(0),
            ([first], 0..=7) => (*first, 0),
            ([first, second], 0..=7) => (*first, *second),
            _ => return Err(Error::BitString),
        };
        // The last bit that is written is set, and those behind it are not.
        if bytes.last().is_none_or(|last| last.trailing_zeros() != u32::from(*unused)) {
            return Err(Error::BitString);
        }
        Ok(u16::from_be_bytes([first, second]))
    }

    /// The bytes of the next OCTET STRING.
    ///
    /// # Errors
    /// Those of [`Reader::element`].
    pub fn octet_string(&mut self) -> Result<&'a [u8], Error> {
        self.take(OCTET_STRING)
    }

    /// The next NULL.
    ///
    /// # Errors
    /// [`Error::Length`] where it has content, and those of [`Reader::element`].
    pub fn null(&mut self) -> Result<(), Error> {
        if self.take(NULL)?.is_empty() { Ok(()) } else { Err(Error::Length) }
    }

    /// The next UTF8String.
    ///
    /// # Errors
    /// [`Error::Text`] where it is not UTF-8, and those of [`Reader::element`].
    pub fn utf8(&mut self) -> Result<&'a str, Error> {
        core::str::from_utf8(self.take(UTF8_STRING)?).map_err(|_| Error::Text)
    }

    /// The next time of a certificate (RFC 5280 section 4.1.2.5): UTCTime up to 2049, GeneralizedTime from 2050.
    ///
    /// # Errors
    /// [`Error::Time`], and those of [`Reader::element`].
    pub fn time(&mut self) -> Result<UnixTime, Error> {
        if let Some(element) = self.optional(UTC_TIME)? {
            let [y1, y2, rest @ ..] = element.content else { return Err(Error::Time) };
            let century = if *y1 >= b'5' { b"19" } else { b"20" };
            let [c1, c2] = *century;
            return instant([c1, c2, *y1, *y2], rest);
        }
        let [y1, y2, y3, y4, rest @ ..] = self.take(GENERALIZED_TIME)? else { return Err(Error::Time) };
        let year = [*y1, *y2, *y3, *y4];
        if year < *b"2050" {
            return Err(Error::Time);
        }
        instant(year, rest)
    }

    /// The next GeneralizedTime of a timestamp (RFC 3161 section 2.4.2), any year, a fraction of a second allowed and
    /// dropped.
    ///
    /// # Errors
    /// [`Error::Time`], also for a fraction that is empty or ends in zero, and those of [`Reader::element`].
    pub fn generalized_time(&mut self) -> Result<UnixTime, Error> {
        let content = self.take(GENERALIZED_TIME)?;
        let [y1, y2, y3, y4, rest @ ..] = content else { return Err(Error::Time) };
        let year = [*y1, *y2, *y3, *y4];
        let Some((whole, [b'.', fraction @ .., b'Z'])) = rest.split_at_checked(10) else {
            return instant(year, rest);
        };
        let digits = fraction.iter().all(u8::is_ascii_digit);
        if !digits || fraction.last().is_none_or(|last| *last == b'0') {
            return Err(Error::Time);
        }
        seconds(year, whole)
    }

    /// Checks that nothing is left.
    ///
    /// # Errors
    /// [`Error::TrailingBytes`].
    pub const fn end(&self) -> Result<(), Error> {
        if self.rest.is_empty() { Ok(()) } else { Err(Error::TrailingBytes) }
    }
}

/// `MMDDhhmmssZ` of a year in four digits.
fn instant(year: [u8; 4], rest: &[u8]) -> Result<UnixTime, Error> {
    match rest {
        [whole @ .., b'Z'] => seconds(year, whole),
        _ => Err(Error::Time),
    }
}

/// `MMDDhhmmss` of a year in four digits.
fn seconds(year: [u8; 4], rest: &[u8]) -> Result<UnixTime, Error> {
    let &[m1, m2, d1, d2, h1, h2, n1, n2, s1, s2] = rest else { return Err(Error::Time) };
    let [y1, y2, y3, y4] = year;
    let text = [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', n1, n2, b':', s1, s2, b'Z'];
    let text = core::str::from_utf8(&text).map_err(|_| Error::Time)?;
    UnixTime::parse(text).ok_or(Error::Time)
}

#[cfg(test)]
mod tests {
    use super::{Error, Reader, SEQUENCE, context, context_constructed};
    use crate::time::UnixTime;

    extern crate std;
    use std::vec::Vec;

    fn value(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = std::vec![tag, u8::try_from(content.len()).unwrap()];
        bytes.extend(content);
        bytes
    }

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
    fn tags_of_more_octets_are_refused() {
        assert_eq!(Reader::new(&[0x1f, 0x81, 0, 0]).any(), Err(Error::Tag));
        assert_eq!(Reader::new(&[0x3f, 0x10, 0]).any(), Err(Error::Tag));
        assert_eq!(context(6), 0x86);
        assert_eq!(context_constructed(3), 0xa3);
    }

    #[test]
    fn an_element_keeps_its_own_bytes() {
        let bytes = [0x30, 2, 5, 0, 0x04, 1, 7];
        let mut reader = Reader::new(&bytes);
        let element = reader.any().unwrap();
        assert_eq!((element.tag, element.content, element.raw), (0x30, &[5, 0][..], &bytes[..4]));
        assert_eq!(reader.optional(SEQUENCE), Ok(None));
        assert_eq!(reader.octet_string(), Ok(&[7][..]));
        assert!(reader.is_empty());
        assert_eq!(reader.any(), Err(Error::Unexpected));
    }

    #[test]
    fn depth_is_bounded() {
        let mut nested = std::vec![0x30, 0];
        for _ in 0..40 {
            nested = value(SEQUENCE, &nested);
        }
        let mut reader = Reader::new(&nested);
        let mut opened = 0_u8;
        let error = loop {
            match reader.open(SEQUENCE) {
                Ok(inner) => reader = inner,
                Err(error) => break error,
            }
            opened += 1;
        };
        assert_eq!((opened, error), (crate::limits::DER_DEPTH, Error::TooDeep));
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
        assert_eq!(Reader::new(&[2, 1, 0xff]).integer(), Ok(&[0xff][..]));
        assert_eq!(Reader::new(&[2, 2, 0xff, 0x80]).integer(), Err(Error::Integer));
        let small = |bytes: &[u8]| Reader::new(bytes).small();
        assert_eq!(small(&[2, 2, 1, 0]), Ok(256));
        assert_eq!(small(&[2, 9, 0, 255, 255, 255, 255, 255, 255, 255, 255]), Ok(u64::MAX));
        assert_eq!(small(&[2, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0]), Err(Error::Integer));
    }

    #[test]
    fn booleans_are_ff_or_absent() {
        assert_eq!(Reader::new(&[1, 1, 0xff]).boolean(), Ok(true));
        assert_eq!(Reader::new(&[1, 1, 0]).boolean(), Ok(false));
        assert_eq!(Reader::new(&[1, 1, 1]).boolean(), Err(Error::Boolean));
        assert_eq!(Reader::new(&[1, 0]).boolean(), Err(Error::Boolean));
        assert_eq!(Reader::new(&[1, 2, 0xff, 0xff]).boolean(), Err(Error::Boolean));
        assert_eq!(Reader::new(&[1, 1, 0xff]).flag(), Ok(true));
        assert_eq!(Reader::new(&[2, 1, 0]).flag(), Ok(false));
        assert_eq!(Reader::new(&[1, 1, 0]).flag(), Err(Error::Boolean));
    }

    #[test]
    fn object_identifiers_have_one_spelling_and_no_numbers() {
        let read = |content: &[u8]| Reader::new(&value(6, content)).oid().map(<[u8]>::len);
        assert_eq!(read(&[0x55, 0x1d, 0x0f]), Ok(3));
        // An arc beyond 64 bits is bytes like any other.
        assert_eq!(read(&[0x2b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]), Ok(12));
        assert_eq!(read(&[]), Err(Error::ObjectIdentifier));
        assert_eq!(read(&[0x55, 0x9d]), Err(Error::ObjectIdentifier));
        assert_eq!(read(&[0x80, 0x55]), Err(Error::ObjectIdentifier));
        assert_eq!(read(&[0x55, 0x80, 0x1d]), Err(Error::ObjectIdentifier));
        assert_eq!(read(&[0x55, 0x81, 0x80, 0x1d]), Ok(4));
    }

    #[test]
    fn bit_strings_are_whole_bytes_and_nothing_trails() {
        assert_eq!(Reader::new(&[3, 2, 1, 2]).bit_string(), Err(Error::BitString));
        assert_eq!(Reader::new(&[3, 0]).bit_string(), Err(Error::BitString));
        let mut reader = Reader::new(&[3, 2, 0, 7, 9]);
        assert_eq!(reader.bit_string(), Ok(&[7][..]));
        assert_eq!(reader.end(), Err(Error::TrailingBytes));
    }

    #[test]
    fn named_bits_end_with_a_bit_that_is_set() {
        let read = |content: &[u8]| Reader::new(&value(3, content)).named_bits();
        assert_eq!(read(&[7, 0x80]), Ok(0x8000));
        assert_eq!(read(&[1, 0x06]), Ok(0x0600));
        assert_eq!(read(&[7, 0x00, 0x80]), Ok(0x0080));
        assert_eq!(read(&[0]), Ok(0));
        for wrong in [&[][..], &[1], &[0, 0x80], &[7, 0x81], &[8, 0x80], &[7, 0], &[0, 1, 1, 1], &[6, 0x80]] {
            assert_eq!(read(wrong), Err(Error::BitString), "{wrong:?}");
        }
    }

    #[test]
    fn text_and_null_are_what_they_say() {
        assert_eq!(Reader::new(&[12, 2, 0xc3, 0xa9]).utf8(), Ok("\u{e9}"));
        assert_eq!(Reader::new(&[12, 1, 0xc3]).utf8(), Err(Error::Text));
        assert_eq!(Reader::new(&[5, 0]).null(), Ok(()));
        assert_eq!(Reader::new(&[5, 1, 0]).null(), Err(Error::Length));
    }

    #[test]
    fn certificate_times_have_the_form_that_their_year_asks_for() {
        let read = |tag, text: &str| Reader::new(&value(tag, text.as_bytes())).time();
        let at = |text| Ok(UnixTime::parse(text).unwrap());
        assert_eq!(read(0x17, "230101000000Z"), at("2023-01-01T00:00:00Z"));
        assert_eq!(read(0x17, "491231235959Z"), at("2049-12-31T23:59:59Z"));
        assert_eq!(read(0x17, "700101000000Z"), at("1970-01-01T00:00:00Z"));
        assert_eq!(read(0x18, "20500101000000Z"), at("2050-01-01T00:00:00Z"));
        assert_eq!(read(0x18, "99991231235959Z"), at("9999-12-31T23:59:59Z"));
        for (tag, text) in [
            (0x17, "500101000000Z"),
            (0x17, "2301010000Z"),
            (0x17, "230101000000+0000"),
            (0x17, "230101000000"),
            (0x17, "231301000000Z"),
            (0x17, "230229000000Z"),
            (0x17, "23010100000 Z"),
            (0x17, ""),
            (0x18, "20491231235959Z"),
            (0x18, "20500101000000.5Z"),
            (0x18, "20500101000000"),
            (0x18, "205001010000Z"),
        ] {
            assert_eq!(read(tag, text), Err(Error::Time), "{text}");
        }
        assert_eq!(read(0x16, "230101000000Z"), Err(Error::Unexpected));
    }

    #[test]
    fn timestamp_times_may_have_a_fraction_in_its_shortest_form() {
        let read = |text: &str| Reader::new(&value(0x18, text.as_bytes())).generalized_time();
        let at = |text| Ok(UnixTime::parse(text).unwrap());
        assert_eq!(read("20230101000000Z"), at("2023-01-01T00:00:00Z"));
        assert_eq!(read("20230101000000.25Z"), at("2023-01-01T00:00:00Z"));
        for text in
            ["20230101000000.Z", "20230101000000.50Z", "20230101000000.5", "20230101000000,5Z", "2023"]
        {
            assert_eq!(read(text), Err(Error::Time), "{text}");
        }
    }
}
