//! Words of an expression.

use std::ops::Range;

use super::CompileError;

/// One word and where it stands, in bytes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token {
    /// What it is.
    pub(crate) word: Word,
    /// Where it stands.
    pub(crate) at: Range<usize>,
}

/// A word.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Word {
    /// A name, or one of the words `in`, `true`, `false`, `null`.
    Name(String),
    /// The digits of an integer, its base, and whether `u` follows.
    Integer {
        /// Digits without a prefix.
        digits: String,
        /// 10 or 16.
        base: u32,
        /// Whether it is one without a sign.
        unsigned: bool,
    },
    /// A number with a fraction or an exponent.
    Double(f64),
    /// A text, escapes decoded.
    Text(String),
    /// An operator or a bracket.
    Sign(&'static str),
    /// The end.
    End,
}

/// Longer ones first, so that `<=` is not `<`.
const SIGNS: [&str; 25] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "!", "?", ":", ".", ",", "(", ")",
    "[", "]", "{", "}", "=",
];

/// Splits an expression into words; the last one is [`Word::End`].
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, CompileError> {
    // What cannot be seen, or turns the direction of a line, is no part of an expression that people review.
    let hidden = |c: char| {
        if c.is_ascii() { c.is_ascii_control() && !"\n\r\t".contains(c) } else { !c.is_alphanumeric() }
    };
    if let Some((at, c)) = text.char_indices().find(|(_, c)| hidden(*c)) {
        let code = u32::from(c);
        return Err(CompileError::new(
            at,
            format!("the character U+{code:04X} may not stand here; write \\u{code:04x} in a text"),
        ));
    }
    let mut scanner = Scanner { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        scanner.skip_blanks();
        let start = scanner.at;
        let word = scanner.word()?;
        let end = word == Word::End;
        tokens.push(Token { word, at: start..scanner.at });
        if end {
            return Ok(tokens);
        }
    }
}

struct Scanner<'t> {
    text: &'t str,
    at: usize,
}

impl Scanner<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_blanks(&mut self) {
        loop {
            let rest = self.rest();
            let blanks = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
            let comment = rest.get(blanks..).filter(|rest| rest.starts_with("//"));
            let line = comment.map_or(0, |comment| comment.find('\n').unwrap_or(comment.len()));
            if blanks + line == 0 {
                return;
            }
            self.at += blanks + line;
        }
    }

    /// Takes as many characters as `wanted` says.
    fn take(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let rest = self.rest();
        let length = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        let taken = rest.get(..length).unwrap_or_default().to_owned();
        self.at += length;
        taken
    }

    fn word(&mut self) -> Result<Word, CompileError> {
        let start = self.at;
        let Some(first) = self.rest().chars().next() else { return Ok(Word::End) };
        if let Some(text) = self.quoted()? {
            return Ok(Word::Text(text));
        }
        if first.is_ascii_alphabetic() || first == '_' {
            return Ok(Word::Name(self.take(|c| c.is_ascii_alphanumeric() || c == '_')));
        }
        if first.is_ascii_digit() {
            return self.number();
        }
        let sign = SIGNS.into_iter().find(|sign| self.rest().starts_with(sign));
        let sign = sign.ok_or_else(|| CompileError::new(start, format!("`{first}` means nothing here")))?;
        self.at += sign.len();
        Ok(Word::Sign(sign))
    }

    fn number(&mut self) -> Result<Word, CompileError> {
        let start = self.at;
        let (base, digits) = if self.rest().starts_with("0x") || self.rest().starts_with("0X") {
            self.at += 2;
            (16, self.take(|c| c.is_ascii_hexdigit()))
        } else {
            (10, self.take(|c| c.is_ascii_digit()))
        };
        if digits.is_empty() {
            return Err(CompileError::new(start, "digits are missing after 0x"));
        }
        if base == 10
            && let Some(number) = self.fraction_and_exponent(&digits)
        {
            let number: f64 = number.parse().unwrap_or(f64::INFINITY);
            if number.is_infinite() {
                return Err(CompileError::new(start, "the number does not fit into 64 bits"));
            }
            return Ok(Word::Double(number));
        }
        let unsigned = self.rest().starts_with(['u', 'U']);
        self.at += usize::from(unsigned);
        if self.rest().starts_with(|c: char| c.is_alphanumeric() || c == '_') {
            return Err(CompileError::new(self.at, "a number ends in letters"));
        }
        Ok(Word::Integer { digits, base, unsigned })
    }

    /// The whole number where a fraction or an exponent follows the digits.
    fn fraction_and_exponent(&mut self, digits: &str) -> Option<String> {
        let mut number = digits.to_owned();
        let digit_after = |rest: &str, skip: usize| {
            rest.get(skip..).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        let mut is_double = false;
        // `1.size()` is a method of a number, not a fraction.
        if self.rest().starts_with('.') && digit_after(self.rest(), 1) {
            self.at += 1;
            number = format!("{number}.{}", self.take(|c| c.is_ascii_digit()));
            is_double = true;
        }
        let sign = usize::from(self.rest().get(1..).is_some_and(|rest| rest.starts_with(['+', '-'])));
        if self.rest().starts_with(['e', 'E']) && digit_after(self.rest(), 1 + sign) {
            number.push_str(self.rest().get(..=sign).unwrap_or_default());
            self.at += 1 + sign;
            number.push_str(&self.take(|c| c.is_ascii_digit()));
            is_double = true;
        }
        is_double.then_some(number)
    }

    /// A text in quotes, with or without `r` before them; `None` where none begins here.
    fn quoted(&mut self) -> Result<Option<String>, CompileError> {
        let start = self.at;
        let letters = self.rest().chars().take_while(|c| "rRbB".contains(*c)).count();
        let after = self.rest().get(letters..).unwrap_or_default();
        let Some(quote) = ["'''", "\"\"\"", "'", "\""].into_iter().find(|quote| after.starts_with(quote))
        else {
            return Ok(None);
        };
        let prefix = self.rest().get(..letters).unwrap_or_default().to_ascii_lowercase();
        let raw = match prefix.as_str() {
            "" => false,
            "r" => true,
            _ => return Err(CompileError::new(start, "bytes are not supported; write a text")),
        };
        self.at += letters + quote.len();
        let mut text = String::new();
        loop {
            let rest = self.rest();
            if rest.starts_with(quote) {
                self.at += quote.len();
                return Ok(Some(text));
            }
            let Some(c) = rest.chars().next() else {
                return Err(CompileError::new(
                    start,
                    format!("the text that begins here has no closing {quote}"),
                ));
            };
            if (c == '\n' || c == '\r') && quote.len() == 1 {
                return Err(CompileError::new(
                    self.at,
                    "a text in single quotes ends in its line; use three quotes",
                ));
            }
            if c == '\\' && !raw {
                text.push(self.escape()?);
            } else {
                self.at += c.len_utf8();
                text.push(c);
            }
        }
    }

    fn escape(&mut self) -> Result<char, CompileError> {
        let start = self.at;
        let wrong = |words: &str| CompileError::new(start, words);
        let letter = self.rest().chars().nth(1).ok_or_else(|| wrong("an escape ends the expression"))?;
        self.at += 1 + letter.len_utf8();
        let digits = match letter {
            'n' => return Ok('\n'),
            't' => return Ok('\t'),
            'r' => return Ok('\r'),
            'a' => return Ok('\u{7}'),
            'b' => return Ok('\u{8}'),
            'f' => return Ok('\u{c}'),
            'v' => return Ok('\u{b}'),
            '\\' | '\'' | '"' | '`' | '?' => return Ok(letter),
            'x' | 'X' => 2,
            'u' => 4,
            'U' => 8,
            '0'..='3' => {
                self.at -= 1;
                return self.code_point(start, 3, 8);
            }
            _ => return Err(wrong("this escape has no meaning")),
        };
        self.code_point(start, digits, 16)
    }

    fn code_point(&mut self, start: usize, digits: usize, base: u32) -> Result<char, CompileError> {
        let text = self.rest().get(..digits).filter(|text| text.chars().all(|c| c.is_digit(base)));
        let code = text.and_then(|text| u32::from_str_radix(text, base).ok()).and_then(char::from_u32);
        let code = code.ok_or_else(|| CompileError::new(start, "this escape is no character"))?;
        self.at += digits;
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use super::{Word, tokens};

    fn words(text: &str) -> Vec<Word> {
        tokens(text).unwrap().into_iter().map(|token| token.word).collect()
    }

    #[test]
    fn texts_are_decoded() {
        for (text, decoded) in [
            ("'a'", "a"),
            ("\"a'b\"", "a'b"),
            (r"'\n\t\\\'\x41\u00e9\U0001F600\101'", "\n\t\\'A\u{e9}\u{1f600}A"),
            (r"r'\n'", "\\n"),
            ("'''a\n'b'''", "a\n'b"),
            ("'h\u{e9}llo'", "h\u{e9}llo"),
        ] {
            assert_eq!(words(text), [Word::Text(decoded.to_owned()), Word::End], "{text}");
        }
    }

    #[test]
    fn numbers_are_integers_or_doubles() {
        let integer =
            |digits: &str, base, unsigned| Word::Integer { digits: digits.to_owned(), base, unsigned };
        for (text, word) in [
            ("12", integer("12", 10, false)),
            ("0x1F", integer("1F", 16, false)),
            ("7u", integer("7", 10, true)),
            ("1.5", Word::Double(1.5)),
            ("1e3", Word::Double(1000.0)),
            ("2.5E-1", Word::Double(0.25)),
        ] {
            assert_eq!(words(text), [word, Word::End], "{text}");
        }
    }

    #[test]
    fn comments_and_blanks_are_nothing() {
        assert_eq!(words(" a // b\n\t// c"), [Word::Name("a".to_owned()), Word::End]);
    }

    #[test]
    fn what_is_no_word_is_refused_where_it_stands() {
        for (text, at) in [
            ("a #", 2),
            ("a 'b", 2),
            ("'a\nb'", 2),
            (r"'\q'", 1),
            (r"'\u12'", 1),
            (r"'\ud800'", 1),
            (r"'\", 1),
            ("b'x'", 0),
            ("0x", 0),
            ("1a", 1),
            ("1e999", 0),
            ("a \u{202e}", 2),
            ("'\u{200b}'", 1),
            ("a\u{0}", 1),
            ("\u{e9}", 0),
            ("`a`", 0),
        ] {
            assert_eq!(tokens(text).unwrap_err().offset, at, "{text:?}");
        }
    }
}
