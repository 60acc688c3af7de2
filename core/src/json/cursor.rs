//! A position in a JSON text: the scan that proves it well formed, and the steps over what was scanned.

use super::{Error, Value};
use crate::limits;

/// A position in a text.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn bump(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn eat(&mut self, byte: u8) -> bool {
        let here = self.peek() == Some(byte);
        if here {
            self.bump();
        }
        here
    }

    pub(super) fn expect(&mut self, byte: u8) -> Result<(), Error> {
        if self.eat(byte) { Ok(()) } else { Err(self.syntax()) }
    }

    fn syntax(&self) -> Error {
        Error::Syntax { at: self.at }
    }

    pub(super) fn skip_space(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b'\n' => {
                    self.bump();
                    self.skip_indent();
                }
                b' ' | b'\t' | b'\r' => self.bump(),
                _ => return,
            }
        }
    }

    /// Steps over the whole words of blanks that a line of an indented text starts with.
    fn skip_indent(&mut self) {
        let (words, _) = self.rest().as_chunks::<WORD>();
        let blank = words.iter().take_while(|word| **word == [b' '; WORD]).count();
        self.at = self.at.saturating_add(blank.saturating_mul(WORD));
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// Checks one value of any kind and stops behind it. Open containers are bits of one word: 1 an object.
    pub(super) fn scan_value(&mut self) -> Result<(), Error> {
        let mut open = Nesting { objects: 0, depth: 0 };
        loop {
            match self.peek() {
                Some(b'{') => {
                    self.bump();
                    self.skip_space();
                    if !self.eat(b'}') {
                        open.push(true)?;
                        self.scan_key()?;
                        continue;
                    }
                }
                Some(b'[') => {
                    self.bump();
                    self.skip_space();
                    if !self.eat(b']') {
                        open.push(false)?;
                        continue;
                    }
                }
                Some(b'"') => self.scan_string()?,
                Some(b'-' | b'0'..=b'9') => self.scan_number()?,
                _ => self.scan_word()?,
            }
            loop {
                let Some(object) = open.innermost() else { return Ok(()) };
                self.skip_space();
                if self.eat(b',') {
                    self.skip_space();
                    if object {
                        self.scan_key()?;
                    }
                    break;
                }
                self.expect(if object { b'}' } else { b']' })?;
                open.pop();
            }
        }
    }

    fn scan_key(&mut self) -> Result<(), Error> {
        self.scan_string()?;
        self.skip_space();
        self.expect(b':')?;
        self.skip_space();
        Ok(())
    }

    fn scan_string(&mut self) -> Result<(), Error> {
        self.expect(b'"')?;
        loop {
            // The end, an escape or a control character, whichever is first.
            let stop = first(self.rest(), |word| equal(word, b'"') | equal(word, b'\\') | below(word, 0x20));
            self.at = self.at.saturating_add(stop.ok_or_else(|| self.syntax())?);
            match self.peek() {
                Some(b'"') => {
                    self.bump();
                    return Ok(());
                }
                Some(b'\\') => self.scan_escape()?,
                _ => return Err(self.syntax()),
            }
        }
    }

    fn scan_escape(&mut self) -> Result<(), Error> {
        self.bump();
        let kind = self.peek();
        self.bump();
        match kind {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(()),
            Some(b'u') => match self.scan_hex4()? {
                0xd800..=0xdbff => {
                    self.expect(b'\\')?;
                    self.expect(b'u')?;
                    if (0xdc00..=0xdfff).contains(&self.scan_hex4()?) { Ok(()) } else { Err(self.syntax()) }
                }
                0xdc00..=0xdfff => Err(self.syntax()),
                _ => Ok(()),
            },
            _ => Err(self.syntax()),
        }
    }

    fn scan_hex4(&mut self) -> Result<u32, Error> {
        let mut value = 0_u32;
        for _ in 0..4 {
            let digit =
                self.peek().and_then(|byte| char::from(byte).to_digit(16)).ok_or_else(|| self.syntax())?;
            value = value.wrapping_shl(4) | digit;
            self.bump();
        }
        Ok(value)
    }

    fn scan_number(&mut self) -> Result<(), Error> {
        self.eat(b'-');
        if !self.eat(b'0') {
            self.scan_digits()?;
        }
        if self.eat(b'.') {
            self.scan_digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            if !self.eat(b'+') {
                self.eat(b'-');
            }
            self.scan_digits()?;
        }
        Ok(())
    }

    fn scan_digits(&mut self) -> Result<(), Error> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.syntax());
        }
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.bump();
        }
        Ok(())
    }

    fn scan_word(&mut self) -> Result<(), Error> {
        let rest = self.text.get(self.at..).ok_or_else(|| self.syntax())?;
        for word in ["true", "false", "null"] {
            if rest.starts_with(word) {
                self.at = self.at.saturating_add(word.len());
                return Ok(());
            }
        }
        Err(self.syntax())
    }

    /// Takes the value here, in a text that was scanned before.
    pub(super) fn take_value(&mut self) -> Result<Value<'a>, Error> {
        let start = self.at;
        match self.peek() {
            Some(b'{' | b'[') => self.skip_container()?,
            Some(b'"') => self.skip_string()?,
            _ => {
                while !matches!(self.peek(), None | Some(b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r')) {
                    self.bump();
                }
            }
        }
        self.text.get(start..self.at).map(|text| Value { text }).ok_or(Error::Syntax { at: start })
    }

    /// Steps over a string of a scanned text.
    fn skip_string(&mut self) -> Result<(), Error> {
        self.bump();
        let rest = behind_string(self.rest()).ok_or_else(|| self.syntax())?;
        self.at = self.text.len().saturating_sub(rest.len());
        Ok(())
    }

    /// Steps over an object or array of a scanned text: only brackets and strings matter.
    fn skip_container(&mut self) -> Result<(), Error> {
        let rest = behind_container(self.rest()).ok_or_else(|| self.syntax())?;
        self.at = self.text.len().saturating_sub(rest.len());
        Ok(())
    }

    /// Steps to the next item of a container of a scanned text, or onto its closing bracket.
    pub(super) fn next_item(&mut self) -> Result<(), Error> {
        self.skip_space();
        if self.eat(b',') {
            self.skip_space();
        } else if !matches!(self.peek(), Some(b'}' | b']')) {
            return Err(self.syntax());
        }
        Ok(())
    }
}

/// Bytes that are looked at together. Strings make up most of a document, so they are scanned a word at a time.
const WORD: usize = 8;

/// What follows the container that `rest` starts with. `None` for a text that was not scanned.
fn behind_container(mut rest: &[u8]) -> Option<&[u8]> {
    let mut depth = 0_u32;
    loop {
        // Brackets differ from braces by one bit. Nothing else becomes a brace by it.
        let brace = |word: u64| {
            let word = word | every(0x20);
            equal(word, b'{') | equal(word, b'}')
        };
        let stop = first(rest, |word| equal(word, b'"') | brace(word))?;
        let (found, behind) = rest.get(stop..)?.split_first()?;
        rest = behind;
        match found {
            b'"' => rest = behind_string(rest)?,
            b'{' | b'[' => depth = depth.saturating_add(1),
            _ => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(rest);
                }
            }
        }
    }
}

/// What follows the string whose first quotation mark is before `rest`. What an escape stands for was seen by the scan;
/// only the character behind its backslash may not be taken for the end.
fn behind_string(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let stop = first(rest, |word| equal(word, b'"') | equal(word, b'\\'))?;
        let (found, behind) = rest.get(stop..)?.split_first()?;
        if *found == b'"' {
            return Some(behind);
        }
        rest = behind.get(1..)?;
    }
}

/// Place of the first byte that `marks` marks. `marks` sets the highest bit of each byte that it looks for, and may
/// set that of later ones too: only the first counts.
fn first(bytes: &[u8], marks: impl Fn(u64) -> u64) -> Option<usize> {
    let (words, tail) = bytes.as_chunks::<WORD>();
    let mut before = 0_usize;
    let place = |found: u64| usize::try_from(found.trailing_zeros().wrapping_div(8)).unwrap_or(WORD);
    for word in words {
        let found = marks(u64::from_le_bytes(*word));
        if found != 0 {
            return Some(before.saturating_add(place(found)));
        }
        before = before.saturating_add(WORD);
    }
    for byte in tail {
        if marks(every(*byte)) != 0 {
            return Some(before);
        }
        before = before.saturating_add(1);
    }
    None
}

/// A word of one byte.
const fn every(byte: u8) -> u64 {
    u64::from_le_bytes([byte; WORD])
}

/// Marks the bytes of `word` that are `byte`: they are zero in the difference, and only a zero borrows from its mark.
fn equal(word: u64, byte: u8) -> u64 {
    let difference = word ^ every(byte);
    difference.wrapping_sub(every(1)) & !difference & every(0x80)
}

/// Marks the bytes of `word` that are below `bound`, which is at most 0x80.
fn below(word: u64, bound: u8) -> u64 {
    word.wrapping_sub(every(bound)) & !word & every(0x80)
}

struct Nesting {
    objects: u64,
    depth: usize,
}

impl Nesting {
    fn push(&mut self, object: bool) -> Result<(), Error> {
        if self.depth >= limits::JSON_DEPTH {
            return Err(Error::TooDeep);
        }
        self.depth = self.depth.saturating_add(1);
        self.objects = self.objects.wrapping_shl(1) | u64::from(object);
        Ok(())
    }

    fn pop(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.objects = self.objects.wrapping_shr(1);
    }

    fn innermost(&self) -> Option<bool> {
        (self.depth > 0).then_some(self.objects & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::{Cursor, below, equal, first};

    extern crate std;
    use std::string::String;
    use std::vec::Vec;

    #[test]
    fn a_word_at_a_time_finds_what_a_byte_at_a_time_finds() {
        // Neighbours of each bound, and what borrows across bytes: 0x00, 0x01, 0x80, 0xff.
        let alphabet = [0, 1, 0x1f, 0x20, 0x21, 0x22, 0x23, 0x5b, 0x5c, 0x5d, 0x7f, 0x80, 0xa2, 0xdc, 0xff];
        for length in 0..24_usize {
            for place in 0..length {
                for byte in alphabet {
                    for filling in alphabet {
                        let mut bytes: Vec<u8> = core::iter::repeat_n(filling, length).collect();
                        bytes[place] = byte;
                        let found =
                            first(&bytes, |word| equal(word, b'"') | equal(word, b'\\') | below(word, 0x20));
                        let wanted = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
                        assert_eq!(found, wanted, "{bytes:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_was_scanned_is_skipped_to_the_same_place() {
        for text in [
            r#""""#,
            r#""\\""#,
            r#""\"""#,
            r#""1234567\"89\\\\""#,
            r#""\u005c\u0022""#,
            r#"{"a":"}]","b\"":[{"c":"\\"}]}"#,
            "{\n        \"a\" : [ 1 ,\n                \"x\" ]\r\n\t}",
            r#"[[],{},"[",-1.5e+3,true,null]"#,
        ] {
            // Whatever follows, and however far from the end of a word it is.
            for behind in 0..9 {
                let mut whole = String::from(text);
                whole.extend(core::iter::repeat_n(',', behind));
                let mut scanned = Cursor { text: &whole, at: 0 };
                scanned.scan_value().unwrap();
                let mut skipped = Cursor { text: &whole, at: 0 };
                assert_eq!(skipped.take_value().unwrap().text(), text);
                assert_eq!((scanned.at, skipped.at), (text.len(), text.len()));
            }
        }
    }
}
