//! Base64, hex and PEM, each with exactly one spelling per value.
//!
//! Several encodings of one value are how two readers come to disagree (T-57). Accepted here: base64 of
//! RFC 4648 section 4 or, for DSSE, section 5 (never a mix of both), always padded, with zero stray bits and
//! without white space; hex in lower case; PEM of RFC 7468 in its strict form, one block and nothing else.

/// Why a text is not the encoding it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// A character that the alphabet does not have, white space included.
    Character,
    /// Characters of both base64 alphabets in one text.
    MixedAlphabets,
    /// Not a whole number of groups, or padding where none belongs.
    Length,
    /// Bits beyond the last byte that are not zero.
    StrayBits,
    /// The decoded bytes do not fit.
    TooLong,
    /// Not one PEM block of the expected label.
    Pem,
}

/// Which base64 alphabets a format allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alphabet {
    /// RFC 4648 section 4 only.
    Standard,
    /// Section 4 or section 5, as DSSE asks of its readers.
    StandardOrUrlSafe,
}

/// Decodes base64 `text` into the front of `out` and returns how many bytes it wrote.
///
/// # Errors
/// Any other spelling than the module's text allows; [`Error::TooLong`] where `out` is too small.
pub fn base64(text: impl Iterator<Item = u8>, alphabet: Alphabet, out: &mut [u8]) -> Result<usize, Error> {
    let mut group = 0_u32;
    let mut digits = 0_u8;
    let mut padding = 0_u8;
    let mut seen = 0_u8;
    let mut written = 0_usize;
    let mut room = out.iter_mut();
    let mut put = |byte: u32| -> Result<(), Error> {
        let [low, ..] = byte.to_le_bytes();
        *room.next().ok_or(Error::TooLong)? = low;
        written = written.saturating_add(1);
        Ok(())
    };
    for byte in text {
        if byte == b'=' {
            padding = padding.saturating_add(1);
            if padding > 2 {
                return Err(Error::Length);
            }
            continue;
        }
        if padding > 0 {
            return Err(Error::Length);
        }
        let entry = *DIGITS.get(usize::from(byte)).ok_or(Error::Character)?;
        if entry == NONE {
            return Err(Error::Character);
        }
        seen |= entry & (STANDARD_ONLY | URL_SAFE_ONLY);
        group = group.wrapping_shl(6) | u32::from(entry & 0x3f);
        digits = digits.wrapping_add(1);
        if digits == 4 {
            put(group.wrapping_shr(16))?;
            put(group.wrapping_shr(8))?;
            put(group)?;
            group = 0;
            digits = 0;
        }
    }
    if seen & URL_SAFE_ONLY != 0 {
        if alphabet == Alphabet::Standard {
            return Err(Error::Character);
        }
        if seen & STANDARD_ONLY != 0 {
            return Err(Error::MixedAlphabets);
        }
    }
    match (digits, padding) {
        (0, 0) => {}
        (2, 2) => {
            if group & 0xf != 0 {
                return Err(Error::StrayBits);
            }
            put(group.wrapping_shr(4))?;
        }
        (3, 1) => {
            if group & 0x3 != 0 {
                return Err(Error::StrayBits);
            }
            put(group.wrapping_shr(10))?;
            put(group.wrapping_shr(2))?;
        }
        _ => return Err(Error::Length),
    }
    Ok(written)
}

/// Bytes that become one line of base64, as PEM has them.
#[cfg(feature = "keyless")]
pub const LINE_BYTES: usize = 48;

/// Digits of a line of base64.
#[cfg(feature = "keyless")]
pub const LINE_DIGITS: usize = LINE_BYTES / 3 * 4;

/// Encodes up to [`LINE_BYTES`] as standard base64, padded, into the front of `out`, and returns how many digits that
/// are; more bytes are not looked at. What [`base64`] reads back.
#[cfg(feature = "keyless")]
pub fn to_base64(bytes: &[u8], out: &mut [u8; LINE_DIGITS]) -> usize {
    let (groups, rest) = bytes.as_chunks::<3>();
    let (quads, _) = out.as_chunks_mut::<4>();
    let mut quads = quads.iter_mut();
    for ([first, second, third], quad) in groups.iter().zip(quads.by_ref()) {
        *quad = digits_of(*first, *second, *third);
    }
    let last = match rest {
        [first] => digits_of(*first, 0, 0).first_chunk().map(|[a, b]| [*a, *b, b'=', b'=']),
        [first, second] => digits_of(*first, *second, 0).first_chunk().map(|[a, b, c]| [*a, *b, *c, b'=']),
        _ => None,
    };
    if let (Some(last), Some(quad)) = (last, quads.next()) {
        *quad = last;
    }
    bytes.len().min(LINE_BYTES).div_ceil(3).saturating_mul(4)
}

#[cfg(feature = "keyless")]
fn digits_of(first: u8, second: u8, third: u8) -> [u8; 4] {
    let bits = u32::from_be_bytes([0, first, second, third]);
    [18, 12, 6, 0].map(|shift: u32| to_base64_digit(bits.wrapping_shr(shift)))
}

/// Decodes 64 lower-case hex digits.
///
/// # Errors
/// [`Error::Length`] for another length, [`Error::Character`] for anything but `0-9a-f`.
pub fn hex32(text: &str) -> Result<[u8; 32], Error> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let mut out = [0_u8; 32];
    if !rest.is_empty() || pairs.len() != out.len() {
        return Err(Error::Length);
    }
    for (slot, [high, low]) in out.iter_mut().zip(pairs) {
        *slot = hex_digit(*high)?.wrapping_shl(4) | hex_digit(*low)?;
    }
    Ok(out)
}

/// Encodes 32 bytes as 64 lower-case hex digits.
#[must_use]
pub fn to_hex32(bytes: &[u8; 32]) -> [u8; 64] {
    let mut out = [0_u8; 64];
    let (pairs, _) = out.as_chunks_mut::<2>();
    for (pair, byte) in pairs.iter_mut().zip(bytes) {
        *pair = [to_hex_digit(byte.wrapping_shr(4)), to_hex_digit(byte & 0xf)];
    }
    out
}

/// Decodes the one PEM block of `label` in `text` into the front of `out` and returns its length in bytes.
///
/// # Errors
/// [`Error::Pem`] for anything before, after or inside the block that RFC 7468 section 3 (strict form, LF or
/// CRLF) does not have, and the errors of [`base64`].
pub fn pem(text: &str, label: &str, out: &mut [u8]) -> Result<usize, Error> {
    let text = text.trim_ascii();
    let body = text
        .strip_prefix("-----BEGIN ")
        .and_then(|rest| rest.strip_prefix(label))
        .and_then(|rest| rest.strip_prefix("-----"))
        .and_then(|rest| rest.strip_suffix("-----"))
        .and_then(|rest| rest.strip_suffix(label))
        .and_then(|rest| rest.strip_suffix("-----END "))
        .ok_or(Error::Pem)?;
    if !body.starts_with(['\n', '\r']) || !body.ends_with('\n') || body.contains('-') {
        return Err(Error::Pem);
    }
    let digits = body.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r'));
    base64(digits, Alphabet::Standard, out)
}

fn hex_digit(byte: u8) -> Result<u8, Error> {
    match byte {
        b'0'..=b'9' => Ok(byte.wrapping_sub(b'0')),
        b'a'..=b'f' => Ok(byte.wrapping_sub(b'a').wrapping_add(10)),
        _ => Err(Error::Character),
    }
}

fn to_hex_digit(nibble: u8) -> u8 {
    if nibble < 10 { nibble.wrapping_add(b'0') } else { nibble.wrapping_sub(10).wrapping_add(b'a') }
}

/// The digit of the lowest six bits.
#[cfg(feature = "keyless")]
fn to_base64_digit(bits: u32) -> u8 {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let [value, ..] = (bits & 0x3f).to_le_bytes();
    ALPHABET.get(usize::from(value)).copied().unwrap_or(b'=')
}

const NONE: u8 = 0xff;
const STANDARD_ONLY: u8 = 0x40;
const URL_SAFE_ONLY: u8 = 0x80;

/// Value of each digit, with a mark on the four that only one of the alphabets has.
const DIGITS: [u8; 256] = {
    let mut table = [NONE; 256];
    let mut value = 0_u8;
    while value < 64 {
        let (digit, mark) = match value {
            0..26 => (b'A'.wrapping_add(value), 0),
            26..52 => (b'a'.wrapping_add(value).wrapping_sub(26), 0),
            52..62 => (b'0'.wrapping_add(value).wrapping_sub(52), 0),
            62 => (b'+', STANDARD_ONLY),
            _ => (b'/', STANDARD_ONLY),
        };
        set(&mut table, digit, value | mark);
        value = value.wrapping_add(1);
    }
    set(&mut table, b'-', 62 | URL_SAFE_ONLY);
    set(&mut table, b'_', 63 | URL_SAFE_ONLY);
    table
};

#[expect(
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "evaluated by the compiler only: a u8 always indexes a table of 256"
)]
const fn set(table: &mut [u8; 256], digit: u8, value: u8) {
    table[digit as usize] = value;
}

#[cfg(test)]
mod tests {
    use super::{Alphabet, Error, base64, hex32, pem, to_hex32};

    extern crate std;
    use std::string::String;
    use std::vec::Vec;

    fn decode(text: &str, alphabet: Alphabet) -> Result<Vec<u8>, Error> {
        let mut out = [0_u8; 64];
        base64(text.bytes(), alphabet, &mut out).map(|length| out[..length].to_vec())
    }

    #[test]
    fn base64_has_one_spelling_per_value() {
        let both = Alphabet::StandardOrUrlSafe;
        for (text, expected) in [
            ("", Ok("")),
            ("Zg==", Ok("f")),
            ("Zm8=", Ok("fo")),
            ("Zm9v", Ok("foo")),
            ("Zm9vYg==", Ok("foob")),
            ("Zg=", Err(Error::Length)),
            ("Zg", Err(Error::Length)),
            ("Zm8", Err(Error::Length)),
            ("Zm8==", Err(Error::Length)),
            ("Z", Err(Error::Length)),
            ("Z===", Err(Error::Length)),
            ("=", Err(Error::Length)),
            ("====", Err(Error::Length)),
            ("Zg==Zg==", Err(Error::Length)),
            ("Zm9v=", Err(Error::Length)),
            ("Zh==", Err(Error::StrayBits)),
            ("Zm9=", Err(Error::StrayBits)),
            ("Zm9v\n", Err(Error::Character)),
            (" Zm9v", Err(Error::Character)),
            ("Zm\r\n9v", Err(Error::Character)),
            ("Zm9\u{e9}", Err(Error::Character)),
            ("Zm9\0", Err(Error::Character)),
        ] {
            assert_eq!(decode(text, both), expected.map(|text: &str| text.as_bytes().to_vec()), "{text:?}");
        }
    }

    #[test]
    fn the_two_alphabets_never_mix() {
        assert_eq!(decode("+/+/", Alphabet::StandardOrUrlSafe), decode("-_-_", Alphabet::StandardOrUrlSafe));
        assert_eq!(decode("+/-_", Alphabet::StandardOrUrlSafe), Err(Error::MixedAlphabets));
        assert_eq!(decode("-_-_", Alphabet::Standard), Err(Error::Character));
        assert!(decode("+/+/", Alphabet::Standard).is_ok());
    }

    #[test]
    fn output_never_exceeds_its_room() {
        assert_eq!(base64("Zm9v".bytes(), Alphabet::Standard, &mut [0; 2]), Err(Error::TooLong));
        assert_eq!(base64("Zm8=".bytes(), Alphabet::Standard, &mut [0; 2]), Ok(2));
    }

    #[cfg(feature = "keyless")]
    #[test]
    fn encoded_base64_is_the_spelling_that_is_read() {
        let all: Vec<u8> = (0..super::LINE_BYTES).map(|i| u8::try_from(i * 37 % 256).unwrap()).collect();
        for length in 0..=all.len() {
            let mut line = [0; super::LINE_DIGITS];
            let digits = super::to_base64(&all[..length], &mut line);
            let text = core::str::from_utf8(&line[..digits]).unwrap();
            assert_eq!(decode(text, Alphabet::Standard).as_deref(), Ok(&all[..length]), "{text}");
        }
        let mut line = [0; super::LINE_DIGITS];
        let digits = super::to_base64(b"foob", &mut line);
        assert_eq!(&line[..digits], b"Zm9vYg==");
        // More than a line is not looked at.
        assert_eq!(super::to_base64(&[0xff; 60], &mut line), super::LINE_DIGITS);
        assert_eq!(line, [b'/'; super::LINE_DIGITS]);
    }

    #[test]
    fn hex_is_lower_case_and_of_one_length() {
        let text = "00ff".repeat(16);
        let bytes = hex32(&text).unwrap();
        assert_eq!(to_hex32(&bytes).as_slice(), text.as_bytes());
        assert_eq!(hex32(&text[..62]), Err(Error::Length));
        assert_eq!(hex32(&text[..63]), Err(Error::Length));
        assert_eq!(hex32(&std::format!("{text}00")), Err(Error::Length));
        assert_eq!(hex32(&text.to_uppercase()), Err(Error::Character));
        assert_eq!(hex32(&text.replace('0', "g")), Err(Error::Character));
    }

    #[test]
    fn pem_is_one_block_of_its_label() {
        let read = |text: &str| {
            let mut out = [0_u8; 16];
            pem(text, "PUBLIC KEY", &mut out).map(|length| String::from_utf8(out[..length].to_vec()).unwrap())
        };
        let block = "-----BEGIN PUBLIC KEY-----\nZm9v\nYmFy\n-----END PUBLIC KEY-----\n";
        assert_eq!(read(block).as_deref(), Ok("foobar"));
        assert_eq!(read(&block.replace('\n', "\r\n")).as_deref(), Ok("foobar"));
        for wrong in [
            "",
            "Zm9v",
            "x\n-----BEGIN PUBLIC KEY-----\nZm9v\n-----END PUBLIC KEY-----",
            "-----BEGIN PUBLIC KEY-----\nZm9v\n-----END PUBLIC KEY-----\nx",
            "-----BEGIN PUBLIC KEY-----\nZm9v\n-----END PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY-----\nZm9v\n-----END PRIVATE KEY-----",
            "-----BEGIN PUBLIC KEY-----Zm9v-----END PUBLIC KEY-----",
            "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----",
        ] {
            assert!(read(wrong) == Err(Error::Pem) || read(wrong).as_deref() == Ok(""), "{wrong}");
        }
        let two = std::format!("{block}{block}");
        assert_eq!(read(&two), Err(Error::Pem));
        assert_eq!(read(&block.replace("Zm9v", "Zm 9v")), Err(Error::Character));
    }
}
