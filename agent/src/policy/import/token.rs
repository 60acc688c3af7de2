//! The words of an expression in CEL.

use pullward_core::limits;

/// One word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A name, a keyword included.
    Name(String),
    /// A number as it is written, `u` at the end included.
    Number(String),
    /// The value of a string.
    Text(String),
    /// An operator or a bracket.
    Mark(&'static str),
}

/// Longest marks first: `<=` is not `<`.
const MARKS: [&str; 24] = [
    "==", "!=", "<=", ">=", "&&", "||", "(", ")", "[", "]", "{", "}", ".", ",", ":", "?", "!", "-", "+", "*",
    "/", "%", "<", ">",
];

/// Splits an expression into words.
///
/// # Errors
/// What cannot be read.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    if text.len() > limits::IMPORT_EXPRESSION_BYTES {
        return Err(format!("it is longer than {} bytes", limits::IMPORT_EXPRESSION_BYTES));
    }
    let mut rest = text;
    let mut tokens = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(comment) = rest.strip_prefix("//") {
            rest = comment.split_once('\n').map_or("", |(_, rest)| rest);
            continue;
        }
        let Some(first) = rest.chars().next() else { return Ok(tokens) };
        let (token, after) = if let Some(read) = string(rest)? {
            read
        } else if first.is_ascii_alphabetic() || first == '_' {
            let (name, after) = split(rest, |c| c.is_ascii_alphanumeric() || c == '_');
            (Token::Name(name.to_owned()), after)
        } else if first.is_ascii_digit() {
            let (number, after) = number(rest);
            (Token::Number(number.to_owned()), after)
        } else if let Some(mark) = MARKS.into_iter().find(|mark| rest.starts_with(mark)) {
            (Token::Mark(mark), rest.get(mark.len()..).unwrap_or_default())
        } else {
            return Err(format!("{first:?} has no meaning in it"));
        };
        tokens.push(token);
        rest = after;
    }
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !belongs(c)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn number(text: &str) -> (&str, &str) {
    let mut end = 0;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        // A dot belongs to it only in front of a digit: `1.x` is none.
        let dot =
            c == '.' && text.get(at + 1..).is_some_and(|next| next.starts_with(|c: char| c.is_ascii_digit()));
        let sign = matches!(c, '+' | '-') && matches!(before, 'e' | 'E') && !text.starts_with("0x");
        if !(c.is_ascii_alphanumeric() || dot || sign) {
            break;
        }
        (end, before) = (at + c.len_utf8(), c);
    }
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// A string at the start of a text, and what follows it; none where there is no string.
fn string(text: &str) -> Result<Option<(Token, &str)>, String> {
    let lower = text.get(..2).unwrap_or(text).to_ascii_lowercase();
    let quoted = |text: &str| text.starts_with(['"', '\'']);
    if lower.starts_with('b')
        && (quoted(text.get(1..).unwrap_or_default()) || lower == "br")
        && !is_name(text)
    {
        return Err("it holds a string of bytes, which is not read here".to_owned());
    }
    let (raw, body) = match lower.starts_with('r') {
        true => (true, text.get(1..).unwrap_or_default()),
        false => (false, text),
    };
    if !quoted(body) {
        return Ok(None);
    }
    let quote =
        ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| body.starts_with(quote)).unwrap_or("\"");
    let mut value = String::new();
    let mut rest = body.get(quote.len()..).unwrap_or_default();
    loop {
        if let Some(after) = rest.strip_prefix(quote) {
            return Ok(Some((Token::Text(value), after)));
        }
        let Some(c) = rest.chars().next() else { return Err("a string in it does not end".to_owned()) };
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        if c == '\n' && quote.len() == 1 {
            return Err("a string in it does not end in its line".to_owned());
        }
        if c == '\\' && !raw {
            let (c, after) = escape(rest)?;
            value.push(c);
            rest = after;
        } else {
            value.push(c);
        }
    }
}

/// Whether a text begins with a name and not with the prefix of a string.
fn is_name(text: &str) -> bool {
    let (name, after) = split(text, |c| c.is_ascii_alphanumeric() || c == '_');
    !(name.len() <= 2 && after.starts_with(['"', '\'']))
}

fn escape(text: &str) -> Result<(char, &str), String> {
    let Some(c) = text.chars().next() else { return Err("a string in it does not end".to_owned()) };
    let after = text.get(c.len_utf8()..).unwrap_or_default();
    let simple = match c {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        '\\' | '?' | '"' | '\'' | '`' => c,
        'x' | 'X' => return code(after, 2, 16),
        'u' => return code(after, 4, 16),
        'U' => return code(after, 8, 16),
        '0'..='3' => return code(text, 3, 8),
        other => return Err(format!("a string in it has the escape \\{other}, which CEL does not have")),
    };
    Ok((simple, after))
}

fn code(text: &str, digits: usize, radix: u32) -> Result<(char, &str), String> {
    let read = text.get(..digits).filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let value = read.and_then(|code| u32::from_str_radix(code, radix).ok()).and_then(char::from_u32);
    match value {
        Some(value) => Ok((value, text.get(digits..).unwrap_or_default())),
        None => Err("a string in it has an escape that is no character".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Token, tokens};

    fn text(of: &str) -> Token {
        let mut read = tokens(of).unwrap();
        assert_eq!(read.len(), 1, "{of}");
        read.pop().unwrap()
    }

    #[test]
    fn words_are_split_as_cel_does() {
        let name = |name: &str| Token::Name(name.to_owned());
        assert_eq!(
            tokens("a.b_1>=-2u // end\n&& !x").unwrap(),
            [
                name("a"),
                Token::Mark("."),
                name("b_1"),
                Token::Mark(">="),
                Token::Mark("-"),
                Token::Number("2u".into()),
                Token::Mark("&&"),
                Token::Mark("!"),
                name("x")
            ]
        );
        for number in ["1.5e-3", "0x1F", "12u", "1e9"] {
            assert_eq!(text(number), Token::Number(number.to_owned()));
        }
    }

    #[test]
    fn strings_of_every_form_are_read() {
        for (written, value) in [
            ("'a\"b'", "a\"b"),
            ("\"a\\n\\x41\\u00e9\\101\"", "a\nA\u{e9}A"),
            ("r'a\\n'", "a\\n"),
            ("'''a\n'b'''", "a\n'b"),
            ("\"\"\"x\"\"\"", "x"),
            ("''", ""),
        ] {
            assert_eq!(text(written), Token::Text(value.to_owned()), "{written}");
        }
    }

    #[test]
    fn what_is_no_word_is_refused() {
        for bad in [
            "'a",
            "\"a\nb\"",
            "'\\q'",
            "'\\ud800'",
            "'\\x4'",
            "b'a'",
            "a # b",
            "a = b",
            "é",
            "'\\",
            "'''a''",
            "@",
        ] {
            assert!(tokens(bad).is_err(), "{bad:?}: {:?}", tokens(bad));
        }
        assert!(tokens(&"a".repeat(pullward_core::limits::IMPORT_EXPRESSION_BYTES + 1)).is_err());
    }
}
