//! Long lists of digests: one string, searched in place.

use super::TrustError;
use crate::encoding;
use crate::limits;

const DIGITS: usize = 64;

/// A sorted list of SHA-256 digests as one string of lower-case hex, 64 digits each.
///
/// Hex and not base64, because 32 bytes do not align in base64 and the string could not be searched as it stands.
#[derive(Debug, Clone, Copy)]
pub struct DigestList<'a> {
    digits: &'a [[u8; DIGITS]],
}

impl<'a> DigestList<'a> {
    /// Takes the string. Its order is checked once, by [`DigestList::check`].
    pub(super) fn read(text: &'a [u8], field: &'static str) -> Result<Self, TrustError> {
        let (digits, rest) = text.as_chunks::<DIGITS>();
        if rest.is_empty() { Ok(Self { digits }) } else { Err(TrustError::Digests(field)) }
    }

    /// Checks that every entry is hex, and that they are in order without repetition.
    pub(super) fn check(&self, field: &'static str) -> Result<(), TrustError> {
        if self.digits.len() > limits::LISTED_DIGESTS {
            return Err(TrustError::TooMany(field));
        }
        let hex = |entry: &[u8; DIGITS]| entry.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if self.digits.iter().all(hex) && self.digits.is_sorted_by(|left, right| left < right) {
            Ok(())
        } else {
            Err(TrustError::Digests(field))
        }
    }

    /// Whether the list has no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.digits.is_empty()
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.digits.len()
    }

    /// Whether a SHA-256 is in the list: 20 comparisons for a million entries.
    #[must_use]
    pub fn contains(&self, sha256: &[u8; 32]) -> bool {
        self.digits.binary_search(&encoding::to_hex32(sha256)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::DigestList;
    use crate::trust::TrustError;

    extern crate std;
    use std::format;
    use std::string::String;

    fn check(text: &str) -> Result<usize, TrustError> {
        let list = DigestList::read(text.as_bytes(), "digests")?;
        list.check("digests")?;
        Ok(list.len())
    }

    #[test]
    fn only_sorted_unique_lower_case_hex_is_a_list() {
        let (low, high) = ("0a".repeat(32), "ff".repeat(32));
        assert_eq!(check(""), Ok(0));
        assert_eq!(check(&format!("{low}{high}")), Ok(2));
        let wrong = Err(TrustError::Digests("digests"));
        assert_eq!(check(&format!("{high}{low}")), wrong);
        assert_eq!(check(&format!("{low}{low}")), wrong);
        assert_eq!(check(&low.to_uppercase()), wrong);
        assert_eq!(check(&low[..63]), wrong);
        assert_eq!(check(&low.replace('a', "g")), wrong);
    }

    #[test]
    fn each_entry_is_found_and_nothing_else() {
        let entries: String = (0..100_u8).map(|n| format!("{n:02x}").repeat(32)).collect();
        let list = DigestList::read(entries.as_bytes(), "digests").unwrap();
        for byte in 0..=255_u8 {
            assert_eq!(list.contains(&[byte; 32]), byte < 100, "{byte}");
        }
        assert!(!DigestList::read(b"", "digests").unwrap().contains(&[0; 32]));
    }
}
