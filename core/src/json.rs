//! A strict JSON reader that borrows: one scan proves the whole text well formed, then values are slices of it.
//!
//! It replaces a serde reader in the core because a verifier must not be talked into two readings of one
//! text (T-59, in-toto's and TUF's audits): a key that is read may appear once, spelled plainly; a second one,
//! or one that a case-folding (Go) or unescaping reader would take for it, makes the document an error.
//! Keys that nobody reads are skipped, or refused where the document is our own.
//!
//! The scan is a loop with one machine word of state, so that nesting costs no stack (T-61). It implements
//! RFC 8259, with UTF-8 only, no byte order mark, paired surrogates only and no bytes after the value.
//!
//! What it does *not* check: two equal keys that nobody reads.

mod cursor;
mod walk;

use cursor::Cursor;

pub use walk::Walk;

/// Why a text is not the JSON that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// Not UTF-8.
    NotUtf8,
    /// Not JSON, at this byte.
    Syntax {
        /// Offset in bytes from the start of the text.
        at: usize,
    },
    /// Nested deeper than [`JSON_DEPTH`](crate::limits::JSON_DEPTH).
    TooDeep,
    /// Something follows the value.
    TrailingBytes,
    /// A key that is read appears twice.
    DuplicateKey(&'static str),
    /// A key that other readers would take for this one: other case, or written with escapes.
    TwinKey(&'static str),
    /// A key that this document may not have.
    UnknownKey,
    /// A key that must be there is not.
    MissingKey(&'static str),
    /// A value of another type than the format says.
    WrongType,
    /// A number that is not an unsigned 64-bit integer in plain digits.
    NotUnsigned,
    /// A string that does not fit where it has to go.
    TooLong,
}

/// What to do with keys that are not asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownKeys {
    /// Others' documents grow: skip them.
    Skip,
    /// Our own documents do not: refuse.
    Refuse,
}

/// A value inside a text that was scanned whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value<'a> {
    text: &'a str,
}

/// Scans `bytes` and returns its one value.
///
/// # Errors
/// Anything that RFC 8259 does not allow, and what the module's text refuses beyond it.
pub fn parse(bytes: &[u8]) -> Result<Value<'_>, Error> {
    let text = core::str::from_utf8(bytes).map_err(|_| Error::NotUtf8)?;
    let mut cursor = Cursor { text, at: 0 };
    cursor.skip_space();
    let start = cursor.at;
    cursor.scan_value()?;
    let end = cursor.at;
    cursor.skip_space();
    if cursor.peek().is_some() {
        return Err(Error::TrailingBytes);
    }
    Ok(Value { text: text.get(start..end).ok_or(Error::Syntax { at: start })? })
}

impl<'a> Value<'a> {
    /// The value's own text, exactly as it stands in the document.
    #[must_use]
    pub fn text(self) -> &'a str {
        self.text
    }

    /// Whether this is `null`.
    #[must_use]
    pub fn is_null(self) -> bool {
        self.text == "null"
    }

    /// The members of an object.
    ///
    /// # Errors
    /// [`Error::WrongType`] for anything else.
    pub fn object(self) -> Result<Object<'a>, Error> {
        if self.text.starts_with('{') { Ok(Object { text: self.text }) } else { Err(Error::WrongType) }
    }

    /// The items of an array.
    ///
    /// # Errors
    /// [`Error::WrongType`] for anything else.
    pub fn array(self) -> Result<Items<'a>, Error> {
        if !self.text.starts_with('[') {
            return Err(Error::WrongType);
        }
        let mut cursor = Cursor { text: self.text, at: 1 };
        cursor.skip_space();
        Ok(Items { cursor })
    }

    /// The item of this array that begins at `position`, as [`Items::position`] said.
    ///
    /// # Errors
    /// [`Error::WrongType`] for anything but an array, [`Error::Syntax`] for a position outside of it. A position
    /// that is another array's yields another value or an error.
    pub fn item_at(self, position: usize) -> Result<Self, Error> {
        if !self.text.starts_with('[') {
            return Err(Error::WrongType);
        }
        Cursor { text: self.text, at: position }.take_value()
    }

    /// A string.
    ///
    /// # Errors
    /// [`Error::WrongType`] for anything else.
    pub fn string(self) -> Result<Text<'a>, Error> {
        let inner = self.text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        inner.map(|raw| Text { raw }).ok_or(Error::WrongType)
    }

    /// An unsigned integer in plain digits: no sign, fraction, exponent or leading zero.
    ///
    /// # Errors
    /// [`Error::NotUnsigned`].
    pub fn unsigned(self) -> Result<u64, Error> {
        if self.text.bytes().all(|byte| byte.is_ascii_digit()) {
            self.text.parse().map_err(|_| Error::NotUnsigned)
        } else {
            Err(Error::NotUnsigned)
        }
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// [`Error::WrongType`] for anything else.
    pub fn boolean(self) -> Result<bool, Error> {
        match self.text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(Error::WrongType),
        }
    }
}

/// An object of a scanned text.
#[derive(Debug, Clone, Copy)]
pub struct Object<'a> {
    text: &'a str,
}

impl<'a> Object<'a> {
    /// Reads the named members in one pass; `None` for those that are absent.
    ///
    /// # Errors
    /// [`Error::DuplicateKey`] and [`Error::TwinKey`] for the named ones, [`Error::UnknownKey`] where asked.
    pub fn fields<const N: usize>(
        self,
        names: [&'static str; N],
        unknown: UnknownKeys,
    ) -> Result<[Option<Value<'a>>; N], Error> {
        Value { text: self.text }.walk().fields(names, unknown)
    }

    /// All members in order.
    #[must_use]
    pub fn members(self) -> Members<'a> {
        let mut cursor = Cursor { text: self.text, at: 1 };
        cursor.skip_space();
        Members { cursor }
    }
}

/// Members of an object, in order, duplicates included.
#[derive(Debug, Clone)]
pub struct Members<'a> {
    cursor: Cursor<'a>,
}

impl<'a> Iterator for Members<'a> {
    type Item = Result<(Text<'a>, Value<'a>), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.cursor.peek().filter(|byte| *byte != b'}')?;
        Some(self.member())
    }
}

impl<'a> Members<'a> {
    fn member(&mut self) -> Result<(Text<'a>, Value<'a>), Error> {
        let key = self.cursor.take_value()?.string()?;
        self.cursor.skip_space();
        self.cursor.expect(b':')?;
        self.cursor.skip_space();
        let value = self.cursor.take_value()?;
        self.cursor.next_item()?;
        Ok((key, value))
    }
}

/// Items of an array, in order.
#[derive(Debug, Clone)]
pub struct Items<'a> {
    cursor: Cursor<'a>,
}

impl Items<'_> {
    /// Where the next item begins, in bytes from the start of the array: what [`Value::item_at`] takes. Four bytes
    /// remember an item where a [`Value`] takes sixteen.
    #[must_use]
    pub fn position(&self) -> usize {
        self.cursor.at
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Result<Value<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.cursor.peek().filter(|byte| *byte != b']')?;
        let value = self.cursor.take_value();
        Some(value.and_then(|value| self.cursor.next_item().map(|()| value)))
    }
}

/// A string of a scanned text, still escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text<'a> {
    raw: &'a str,
}

impl<'a> Text<'a> {
    /// The string where it stands without escapes, else `None`.
    #[must_use]
    pub fn plain(self) -> Option<&'a str> {
        if self.raw.contains('\\') { None } else { Some(self.raw) }
    }

    /// The string where it stands without escapes: names, digests and the like never need any.
    ///
    /// # Errors
    /// [`Error::WrongType`] for a string with escapes.
    pub fn as_plain(self) -> Result<&'a str, Error> {
        self.plain().ok_or(Error::WrongType)
    }

    /// The string as it stands in the text, escapes undecoded.
    #[must_use]
    pub fn raw(self) -> &'a str {
        self.raw
    }

    /// Whether both strings are the same characters, however each is escaped.
    #[must_use]
    pub fn same(self, other: Text<'_>) -> bool {
        self.raw == other.raw
            || (self.plain().is_none() || other.plain().is_none()) && self.chars().eq(other.chars())
    }

    /// Bytes that the string takes in the text, escapes as they are: never less than it takes decoded.
    #[must_use]
    pub fn raw_len(self) -> usize {
        self.raw.len()
    }

    /// The characters, escapes decoded.
    #[must_use]
    pub fn chars(self) -> Chars<'a> {
        Chars { rest: self.raw.chars() }
    }

    /// What follows `prefix`, where the decoded string starts with it.
    #[must_use]
    pub fn strip_prefix(self, prefix: &str) -> Option<Self> {
        let mut chars = self.chars();
        prefix.chars().all(|c| chars.next() == Some(c)).then_some(Self { raw: chars.rest.as_str() })
    }

    /// Whether the decoded string is exactly `other`.
    #[must_use]
    pub fn is(self, other: &str) -> bool {
        match self.plain() {
            Some(plain) => plain == other,
            None => self.chars().eq(other.chars()),
        }
    }

    /// Decodes the string into `out`.
    ///
    /// # Errors
    /// [`Error::TooLong`] where it does not fit.
    pub fn copy_into<const N: usize>(self, out: &mut heapless::String<N>) -> Result<(), Error> {
        out.clear();
        self.chars().try_for_each(|c| out.push(c).map_err(|_| Error::TooLong))
    }

    /// Whether a reader that folds case as Go's `encoding/json` does, or decodes escapes, takes this for `name`.
    #[inline]
    fn folds_to(self, name: &str) -> bool {
        // Almost every key differs in its first characters or length: no decoding for those. A name is ASCII, so what
        // decodes to it is at least as long.
        let mut found = self.raw.bytes();
        for wanted in name.bytes() {
            match found.next() {
                None => return false,
                Some(byte) if byte.eq_ignore_ascii_case(&wanted) => {}
                Some(b'\\' | 0x80..) => return self.chars().map(fold).eq(name.chars().map(fold)),
                Some(_) => return false,
            }
        }
        found.next().is_none()
    }
}

/// Simple case folding for ASCII names. Two characters beyond ASCII fold into it: long s and the Kelvin sign.
fn fold(c: char) -> char {
    match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    }
}

/// Characters of a [`Text`], escapes decoded.
#[derive(Debug, Clone)]
pub struct Chars<'a> {
    rest: core::str::Chars<'a>,
}

impl Iterator for Chars<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        if c != '\\' {
            return Some(c);
        }
        match self.rest.next()? {
            'b' => Some('\u{8}'),
            'f' => Some('\u{c}'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'u' => {
                let high = self.hex4()?;
                if !(0xd800..0xdc00).contains(&high) {
                    return char::from_u32(high);
                }
                // The scan has seen the pair.
                self.rest.nth(1)?;
                let low = self.hex4()?;
                let offset = (high & 0x3ff).checked_shl(10)? | (low & 0x3ff);
                char::from_u32(offset.checked_add(0x1_0000)?)
            }
            other => Some(other),
        }
    }
}

impl Chars<'_> {
    fn hex4(&mut self) -> Option<u32> {
        let mut value = 0_u32;
        for _ in 0..4 {
            value = value.checked_shl(4)? | self.rest.next()?.to_digit(16)?;
        }
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, UnknownKeys, parse};

    extern crate std;
    use std::string::String;
    use std::vec::Vec;

    #[test]
    fn garbage_in_places_that_nobody_reads_is_refused() {
        for text in [
            "",
            " ",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "{\"a\" 1}",
            "{a:1}",
            "[1 2]",
            "tru",
            "nul",
            "+1",
            "1.",
            ".5",
            "1e",
            "--1",
            "\"\\x\"",
            "\"\\ud800\"",
            "\"\\udc00\"",
            "\"\\ud800\\u0041\"",
            "\"\n\"",
            "\"",
            "%%%",
            "{\"a\":tru e}",
            "\u{feff}{}",
            "[",
            "]",
            "{]",
            "[}",
            "{\"a\":[}",
            "'a'",
            "NaN",
            "// x\n1",
            "-",
        ] {
            assert!(matches!(parse(text.as_bytes()), Err(Error::Syntax { .. })), "{text}");
        }
    }

    #[test]
    fn bytes_after_the_value_are_refused() {
        for text in ["{} {}", "1,", "01", "00x", "null x", "{}\u{0}", "\"a\"\"b\""] {
            assert_eq!(parse(text.as_bytes()), Err(Error::TrailingBytes), "{text}");
        }
        assert!(parse(b" {} \n").is_ok());
    }

    #[test]
    fn other_encodings_are_refused() {
        assert_eq!(parse(b"\"\xff\""), Err(Error::NotUtf8));
        assert_eq!(parse(b"\"\xed\xa0\x80\""), Err(Error::NotUtf8));
    }

    #[test]
    fn depth_is_bounded_in_what_nobody_reads() {
        let nested = |depth: usize| {
            let mut text = String::from("{\"a\":1,\"x\":");
            text.extend(core::iter::repeat_n('[', depth));
            text.extend(core::iter::repeat_n(']', depth));
            text.push('}');
            text
        };
        assert!(parse(nested(63).as_bytes()).is_ok());
        assert_eq!(parse(nested(65).as_bytes()), Err(Error::TooDeep));
        assert_eq!(parse(nested(1_000_000).as_bytes()), Err(Error::TooDeep));
    }

    #[test]
    fn twins_and_duplicates_of_a_key_that_is_read_are_refused() {
        let read = |text: &str| {
            let object = parse(text.as_bytes()).unwrap().object().unwrap();
            object.fields(["subject"], UnknownKeys::Skip).map(|[value]| value.map(|v| v.text().len()))
        };
        assert_eq!(read(r#"{"subject":1,"x":2,"x":3}"#), Ok(Some(1)));
        assert_eq!(read(r#"{"subject":1,"subject":1}"#), Err(Error::DuplicateKey("subject")));
        for twin in ["Subject", "SUBJECT", "\\u0073ubject", "\u{17f}ubject", "\\u017fubject", "subjec\\u0074"]
        {
            let text = std::format!("{{\"subject\":1,\"{twin}\":2}}");
            assert_eq!(read(&text), Err(Error::TwinKey("subject")), "{twin}");
            let alone = std::format!("{{\"{twin}\":2}}");
            assert_eq!(read(&alone), Err(Error::TwinKey("subject")), "{twin}");
        }
        assert_eq!(read(r#"{"sub ject":1,"subjects":2,"subjec":3}"#), Ok(None));
    }

    #[test]
    fn a_prefix_is_decoded_before_it_is_compared() {
        let rest = |text: &str, prefix: &str| {
            let rest = parse(text.as_bytes()).unwrap().string().unwrap().strip_prefix(prefix);
            rest.map(|rest| rest.chars().collect::<String>())
        };
        assert_eq!(rest(r#""build-arg:A""#, "build-arg:").as_deref(), Some("A"));
        assert_eq!(rest(r#""build\u002darg:\u0041\n""#, "build-arg:").as_deref(), Some("A\n"));
        assert_eq!(rest(r#""\ud83d\ude00x""#, "\u{1f600}").as_deref(), Some("x"));
        assert_eq!(rest(r#""abc""#, "").as_deref(), Some("abc"));
        assert_eq!(rest(r#""abc""#, "abc").as_deref(), Some(""));
        for (text, prefix) in [
            (r#""abc""#, "abcd"),
            (r#""abc""#, "b"),
            (r#""""#, "a"),
            (r#""\u0041""#, "\\"),
            (r#""Abc""#, "abc"),
        ] {
            assert_eq!(rest(text, prefix), None, "{text} {prefix}");
        }
    }

    #[test]
    fn unknown_keys_are_refused_where_asked() {
        let object = parse(br#"{"a":1,"b":2}"#).unwrap().object().unwrap();
        assert_eq!(object.fields(["a"], UnknownKeys::Refuse), Err(Error::UnknownKey));
        assert!(object.fields(["a", "b"], UnknownKeys::Refuse).is_ok());
    }

    #[test]
    fn strings_decode_as_rfc_8259_says() {
        let value = parse(br#""a\"\\\/\b\f\n\r\t\u0041\u00e9\ud83d\ude00z""#).unwrap().string().unwrap();
        let decoded: String = value.chars().collect();
        assert_eq!(decoded, "a\"\\/\u{8}\u{c}\n\r\tA\u{e9}\u{1f600}z");
        assert_eq!(value.plain(), None);
        assert!(value.is(&decoded));
        assert!(!value.is("a"));
    }

    #[test]
    fn numbers_are_plain_digits_only() {
        let number = |text: &str| parse(text.as_bytes()).unwrap().unsigned();
        assert_eq!(number("0"), Ok(0));
        assert_eq!(number("18446744073709551615"), Ok(u64::MAX));
        for text in ["18446744073709551616", "-1", "1.0", "1e3", "true", "\"1\"", "null"] {
            assert_eq!(number(text), Err(Error::NotUnsigned), "{text}");
        }
    }

    #[test]
    fn an_item_is_found_again_by_its_position() {
        let array = parse(b"[ 1 ,\"a]\",{\"b\":[2]}]").unwrap();
        let mut items = array.array().unwrap();
        loop {
            let position = items.position();
            let Some(item) = items.next() else { break };
            assert_eq!(array.item_at(position), item);
        }
        assert!(matches!(array.item_at(1000).map(|value| value.text().len()), Ok(0) | Err(_)));
        assert_eq!(parse(b"{}").unwrap().item_at(1), Err(Error::WrongType));
    }

    #[test]
    fn strings_are_the_same_however_they_are_escaped() {
        let text = |text: &'static str| parse(text.as_bytes()).unwrap().string().unwrap();
        assert!(text(r#""a/b""#).same(text(r#""a\/b""#)));
        assert!(text(r#""a""#).same(text(r#""a""#)));
        assert!(!text(r#""a""#).same(text(r#""b""#)));
        assert!(!text(r#""\u0061""#).same(text(r#""b""#)));
        assert_eq!(text(r#""Tool: x""#).strip_prefix("Tool: ").map(super::Text::raw), Some("x"));
        assert_eq!(text(r#""Tool: x""#).strip_prefix("tool: "), None);
    }

    #[test]
    fn items_and_members_keep_their_order_and_their_text() {
        let items: Vec<_> = parse(b"[ 1 , \"a]\" , {\"b\":[2,3]} ,null]")
            .unwrap()
            .array()
            .unwrap()
            .map(|v| v.unwrap().text())
            .collect();
        assert_eq!(items, ["1", "\"a]\"", "{\"b\":[2,3]}", "null"]);
        assert_eq!(parse(b"[]").unwrap().array().unwrap().count(), 0);
        assert_eq!(parse(b"{ }").unwrap().object().unwrap().members().count(), 0);
    }

    #[test]
    fn wrong_types_are_errors() {
        let one = parse(b"1").unwrap();
        assert_eq!(one.object().err(), Some(Error::WrongType));
        assert_eq!(one.array().err(), Some(Error::WrongType));
        assert_eq!(one.string().err(), Some(Error::WrongType));
        assert_eq!(one.boolean().err(), Some(Error::WrongType));
        assert!(!one.is_null());
    }
}
