//! Protocol buffers, read strictly: what two readers could read differently is refused.
//!
//! Only the outer form of one message at a time: fields that nobody asks for are stepped over, whatever is in them.
//! Refused are a field that may occur once and occurs twice (readers merge them, or take the last), tags of more than
//! 32 bits (readers in Go cut them), groups, and anything that ends early.
//!
//! Spec: protobuf.dev, "Encoding".

/// Why a message is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It ends in the middle, or a number has more than 64 bits.
    #[error("a field is cut off")]
    Truncated,
    /// A tag that no field has.
    #[error("a field has no valid tag")]
    Tag,
    /// A field of another type than its number says.
    #[error("field {0} has another type than it must have")]
    Type(u32),
    /// A field that may occur once occurs again.
    #[error("field {0} occurs more than once")]
    Twice(u32),
    /// A text that is not UTF-8.
    #[error("field {0} is not UTF-8")]
    Text(u32),
}

/// A field's value, as far as its wire type tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// A number.
    Number,
    /// Text, bytes or a message.
    Bytes(&'a [u8]),
}

/// The fields of a message, in the order in which they stand.
#[derive(Debug, Clone)]
pub struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// The fields of these bytes.
    #[must_use]
    pub const fn of(message: &'a [u8]) -> Self {
        Self(message)
    }

    fn varint(&mut self) -> Result<u64, Unreadable> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or(Unreadable::Truncated)?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(Unreadable::Truncated);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Unreadable::Truncated)
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Unreadable> {
        let length = usize::try_from(length).map_err(|_| Unreadable::Truncated)?;
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Unreadable::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    fn field(&mut self) -> Result<(u32, Value<'a>), Unreadable> {
        let tag = u32::try_from(self.varint()?).map_err(|_| Unreadable::Tag)?;
        let number = tag >> 3;
        if number == 0 {
            return Err(Unreadable::Tag);
        }
        let value = match tag & 7 {
            0 => self.varint().map(|_| Value::Number)?,
            1 => self.take(8).map(|_| Value::Number)?,
            2 => {
                let length = self.varint()?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Value::Number)?,
            _ => return Err(Unreadable::Tag),
        };
        Ok((number, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), Unreadable>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            // Nothing after it means anything.
            self.0 = &[];
        }
        Some(field)
    }
}

/// All values of a field that may occur several times.
///
/// # Errors
/// [`Unreadable`], for any field of the message.
pub fn every(message: &[u8], number: u32) -> Result<Vec<&[u8]>, Unreadable> {
    let mut found = Vec::new();
    for field in Fields::of(message) {
        match field? {
            (of, Value::Bytes(bytes)) if of == number => found.push(bytes),
            (of, Value::Number) if of == number => return Err(Unreadable::Type(number)),
            _ => {}
        }
    }
    Ok(found)
}

/// The value of a field that may occur once.
///
/// # Errors
/// [`Unreadable`], for any field of the message.
pub fn only(message: &[u8], number: u32) -> Result<Option<&[u8]>, Unreadable> {
    match every(message, number)?.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        _ => Err(Unreadable::Twice(number)),
    }
}

/// A text that may occur once; absent it is empty, as protobuf has it.
///
/// # Errors
/// [`Unreadable`], for any field of the message.
pub fn text(message: &[u8], number: u32) -> Result<&str, Unreadable> {
    str::from_utf8(only(message, number)?.unwrap_or_default()).map_err(|_| Unreadable::Text(number))
}

/// Appends a field of bytes, text or a message.
pub fn put(message: &mut Vec<u8>, number: u32, value: &[u8]) {
    put_varint(message, u64::from(number << 3 | 2));
    put_varint(message, u64::try_from(value.len()).unwrap_or(u64::MAX));
    message.extend_from_slice(value);
}

/// Appends a field that is true.
pub fn put_true(message: &mut Vec<u8>, number: u32) {
    put_varint(message, u64::from(number << 3));
    message.push(1);
}

fn put_varint(message: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            message.push(low & 0x7f);
            return;
        }
        message.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::{Unreadable, every, only, put, put_true, text};

    fn two() -> Vec<u8> {
        let mut message = Vec::new();
        put(&mut message, 1, b"image");
        put_true(&mut message, 7);
        put(&mut message, 18, &[b'x'; 300]);
        message
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(text(&two(), 1), Ok("image"));
        assert_eq!(only(&two(), 18).unwrap().unwrap().len(), 300);
        assert_eq!(text(&two(), 2), Ok(""));
        assert_eq!(only(&two(), 2), Ok(None));
    }

    #[test]
    fn a_field_that_occurs_twice_is_refused_and_a_repeated_one_is_not() {
        let mut message = two();
        put(&mut message, 1, b"image");
        assert_eq!(text(&message, 1), Err(Unreadable::Twice(1)));
        assert_eq!(every(&message, 1).unwrap().len(), 2);
    }

    #[test]
    fn a_message_cut_anywhere_but_between_fields_is_refused() {
        let whole = two();
        for end in (1..whole.len()).filter(|end| ![7, 9].contains(end)) {
            assert_eq!(every(&whole[..end], 1), Err(Unreadable::Truncated), "{end}");
        }
    }

    #[test]
    fn tags_that_readers_cut_and_groups_are_refused() {
        // (1 << 32 | field 1) << 3: a reader that keeps 32 bits of the number sees field 1.
        let mut cut = Vec::new();
        super::put_varint(&mut cut, (1_u64 << 32 | 1) << 3 | 2);
        cut.extend(b"\x01a");
        for bytes in [cut.as_slice(), b"\x0b\x0c", b"\x0e", b"\x00\x00", b"\x02\x00"] {
            assert_eq!(every(bytes, 1), Err(Unreadable::Tag), "{bytes:?}");
        }
        assert_eq!(every(&[0xff; 11], 1), Err(Unreadable::Truncated));
    }

    #[test]
    fn a_field_of_another_type_and_bad_utf8_are_refused() {
        let mut message = Vec::new();
        put_true(&mut message, 1);
        assert_eq!(only(&message, 1), Err(Unreadable::Type(1)));
        let mut message = Vec::new();
        put(&mut message, 1, b"\xff");
        assert_eq!(text(&message, 1), Err(Unreadable::Text(1)));
    }
}
