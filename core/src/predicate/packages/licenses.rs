//! Licence expressions (SPDX 2.3 annex D, SPDX 3.0.1 annex B): whether one leaves a choice without a denied licence.
//!
//! `MIT OR GPL-3.0-only` does, under a list that denies `GPL-*`; `MIT AND GPL-3.0-only` does not. An exception
//! (`WITH`) takes nothing away from the licence that it is an exception to: a denied licence with an exception is
//! denied, and an exception or the pair can be denied on its own. `GPL-2.0+` is denied by what denies `GPL-2.0`.
//!
//! What is no expression ("Apache License, Version 2.0", which is what tools write where they do not know better) is
//! denied where the whole of it, or any word in it, is: without a grammar there is no choice to be seen.
//!
//! What this does *not* know: which names mean the same licence. `GPL-3.0` and `GPL-3.0-only` are two names, and
//! `NOASSERTION` and `NONE` are names like any other.

use crate::json::Text;
use crate::limits;

/// Whether a licence is denied, by a test of single names. `None` where the text cannot be read at all: escapes in more
/// than [`limits::LICENSE_BYTES`].
pub(super) fn is_denied(text: Text<'_>, is_name_denied: &dyn Fn(&str) -> bool) -> Option<bool> {
    if let Some(plain) = text.plain() {
        return Some(is_expression_denied(plain, is_name_denied));
    }
    let mut decoded: heapless::String<{ limits::LICENSE_BYTES }> = heapless::String::new();
    text.copy_into(&mut decoded).ok()?;
    Some(is_expression_denied(&decoded, is_name_denied))
}

fn is_expression_denied(text: &str, is_name_denied: &dyn Fn(&str) -> bool) -> bool {
    match leaves_a_choice(text, is_name_denied) {
        Some(choice) => !choice,
        None => is_name_denied(text.trim_ascii()) || words(text).any(is_name_denied),
    }
}

/// The words of a text that is no expression. A slash or a comma parts licences as often as a blank.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !is_name_char(c)).filter(|word| !word.is_empty())
}

/// The characters of licence names: `idstring`, the colon of `DocumentRef-x:LicenseRef-y` and the plus of "or later".
fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':' | '+')
}

/// Evaluates an expression in which a licence is true where it is not denied. `None` for what is no expression.
fn leaves_a_choice(text: &str, is_name_denied: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut tokens = Tokens { rest: text };
    let mut open = Open { alternatives: 0, conjunctions: 1, depth: 0 };
    loop {
        // What stands where a licence has to stand.
        let here = tokens.rest.trim_ascii_start();
        match tokens.next()? {
            Token::Open => {
                open.push()?;
                continue;
            }
            Token::Name(name) => {
                let mut denied = is_license_denied(name, is_name_denied)?;
                let mut behind = tokens.clone();
                if behind.next() == Some(Token::With) {
                    let Some(Token::Name(exception)) = behind.next() else { return None };
                    let pair = here.get(..here.len().checked_sub(behind.rest.len())?)?;
                    denied = denied || is_name_denied(exception) || is_name_denied(pair);
                    tokens = behind;
                }
                open.and(!denied);
            }
            Token::Close | Token::And | Token::Or | Token::With | Token::Other => return None,
        }
        // What stands behind one.
        loop {
            match tokens.next() {
                None => return (open.depth == 0).then(|| open.value()),
                Some(Token::Close) => open.pop()?,
                Some(Token::And) => break,
                Some(Token::Or) => {
                    open.or();
                    break;
                }
                Some(_) => return None,
            }
        }
    }
}

/// A licence by its name, with or without the plus of "or later". `None` for a plus elsewhere.
fn is_license_denied(name: &str, is_name_denied: &dyn Fn(&str) -> bool) -> Option<bool> {
    let base = name.strip_suffix('+').unwrap_or(name);
    if base.is_empty() || base.contains('+') {
        return None;
    }
    Some(is_name_denied(base) || base.len() != name.len() && is_name_denied(name))
}

/// The open parentheses, a bit in each word for each: the innermost is the lowest.
struct Open {
    /// Whether an alternative that is complete is true.
    alternatives: u64,
    /// Whether everything so far in the alternative that is not complete is true.
    conjunctions: u64,
    depth: usize,
}

impl Open {
    fn push(&mut self) -> Option<()> {
        // The lowest bit is the level outside of all parentheses.
        if self.depth >= limits::LICENSE_DEPTH.saturating_sub(1) {
            return None;
        }
        self.depth = self.depth.saturating_add(1);
        self.alternatives = self.alternatives.wrapping_shl(1);
        self.conjunctions = self.conjunctions.wrapping_shl(1) | 1;
        Some(())
    }

    fn pop(&mut self) -> Option<()> {
        let value = self.value();
        self.depth = self.depth.checked_sub(1)?;
        self.alternatives = self.alternatives.wrapping_shr(1);
        self.conjunctions = self.conjunctions.wrapping_shr(1);
        self.and(value);
        Some(())
    }

    fn and(&mut self, value: bool) {
        if !value {
            self.conjunctions &= !1;
        }
    }

    fn or(&mut self) {
        self.alternatives |= self.conjunctions & 1;
        self.conjunctions |= 1;
    }

    fn value(&self) -> bool {
        (self.alternatives | self.conjunctions) & 1 == 1
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'t> {
    Open,
    Close,
    And,
    Or,
    With,
    Name(&'t str),
    /// A character that no expression has.
    Other,
}

#[derive(Debug, Clone)]
struct Tokens<'t> {
    rest: &'t str,
}

impl<'t> Iterator for Tokens<'t> {
    type Item = Token<'t>;

    fn next(&mut self) -> Option<Token<'t>> {
        let rest = self.rest.trim_ascii_start();
        let first = rest.chars().next()?;
        let length = match first {
            '(' | ')' => 1,
            _ => rest.find(|c| !is_name_char(c)).unwrap_or(rest.len()),
        };
        let (token, behind) = rest.split_at_checked(length)?;
        self.rest = behind;
        Some(match token {
            "(" => Token::Open,
            ")" => Token::Close,
            // SPDX 3.0 allows operators in lower case.
            "AND" | "and" => Token::And,
            "OR" | "or" => Token::Or,
            "WITH" | "with" => Token::With,
            "" => Token::Other,
            name => Token::Name(name),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{is_denied, is_expression_denied};
    use crate::glob;
    use crate::json::parse;

    extern crate std;
    use std::format;
    use std::string::String;

    /// Under a list that denies GPL, AGPL 3 and one exception.
    fn denied(text: &str) -> bool {
        let globs =
            ["GPL-*", "AGPL-3.0*", "Evil-exception", "LGPL-2.1 WITH Odd-exception", "GNU General Public*"];
        is_expression_denied(text, &|name| globs.iter().any(|glob| glob::matches_any_case(glob, name)))
    }

    #[test]
    fn an_expression_is_denied_where_no_choice_is_left() {
        for text in [
            "GPL-3.0-only",
            "gpl-3.0-only",
            "MIT AND GPL-3.0-only",
            "GPL-2.0 OR GPL-3.0",
            "(GPL-2.0-only OR AGPL-3.0-only) AND MIT",
            "MIT AND (GPL-2.0-only OR AGPL-3.0-only)",
            "GPL-2.0-only WITH Classpath-exception-2.0",
            "Apache-2.0 WITH Evil-exception",
            "LGPL-2.1 WITH Odd-exception",
            "MIT AND LGPL-2.1 WITH Odd-exception",
            "GPL-2.0+",
            "((((GPL-3.0-only))))",
            "GPL-1.0-only and MIT",
            "(MIT OR GPL-2.0-only) AND (GPL-3.0-only OR AGPL-3.0-only)",
        ] {
            assert!(denied(text), "{text}");
        }
    }

    #[test]
    fn an_expression_with_a_choice_is_not_denied() {
        for text in [
            "MIT",
            "MIT OR GPL-3.0-only",
            "GPL-3.0-only OR MIT",
            "(MIT OR GPL-2.0-only) AND ISC",
            "MIT AND BSD-3-Clause OR GPL-2.0-only AND ISC OR AGPL-3.0-or-later",
            "GPL-2.0-only AND ISC OR MIT AND BSD-3-Clause",
            "(GPL-2.0-only OR (AGPL-3.0-only OR (GPL-1.0-only OR Zlib)))",
            "LGPL-2.1",
            "LGPL-2.1 WITH Other-exception",
            "Apache-2.0 WITH LLVM-exception",
            "mit or gpl-2.0-only",
            "NOASSERTION",
            "NONE",
            "AGPL-1.0",
            "LicenseRef-x AND DocumentRef-y:LicenseRef-z",
            "",
        ] {
            assert!(!denied(text), "{text}");
        }
    }

    #[test]
    fn what_is_no_expression_is_denied_by_any_word_in_it() {
        for text in [
            "MIT or the GPL-3.0 license",
            "MIT/GPL-2.0",
            "MIT, GPL-2.0-only",
            "(MIT OR GPL-3.0-only",
            "MIT OR GPL-3.0-only)",
            "MIT Or GPL-3.0-only",
            "MIT OR OR GPL-3.0-only",
            "MIT OR GPL-3.0-only AND",
            "OR MIT GPL-3.0-only",
            "MIT GPL-3.0-only",
            "MIT OR GPL-2.0-only WITH",
            "MIT OR (GPL-2.0-only) WITH Classpath-exception-2.0",
            "MIT OR GPL-2.0++",
            "MIT | GPL-2.0-only",
            "() OR GPL-3.0-only",
            "GNU General Public License v3",
            "MIT OR GPL-2.0-only é",
        ] {
            assert!(denied(text), "{text}");
        }
        for text in ["Apache License, Version 2.0", "MIT/X11", "GNU Lesser General Public License", "MIT OR"]
        {
            assert!(!denied(text), "{text}");
        }
    }

    #[test]
    fn parentheses_beyond_a_word_of_bits_leave_no_choice() {
        let nested = |depth: usize| format!("MIT OR {}GPL-3.0-only{}", "(".repeat(depth), ")".repeat(depth));
        assert!(!denied(&nested(63)));
        assert!(denied(&nested(64)));
        assert!(denied(&nested(100_000)));
        let inside = |depth: usize| format!("{}MIT OR GPL-3.0-only{}", "(".repeat(depth), ")".repeat(depth));
        assert!(!denied(&inside(63)));
        assert!(denied(&inside(64)));
    }

    #[test]
    fn escapes_are_decoded_first_and_bounded() {
        let test = |json: &str| {
            let text = parse(json.as_bytes()).unwrap().string().unwrap();
            is_denied(text, &|name| name == "GPL-3.0")
        };
        assert_eq!(test(r#""GPL\u002d3.0""#), Some(true));
        assert_eq!(test(r#""BSD \u0026 GPL-3.0""#), Some(true));
        assert_eq!(test(r#""BSD \u0026 MIT""#), Some(false));
        let long: String = "x".repeat(5000);
        assert_eq!(test(&format!("\"{long}\"")), Some(false));
        assert_eq!(test(&format!("\"\\u0026{long}\"")), None);
    }

    #[test]
    fn the_whole_of_what_is_no_expression_can_be_named() {
        let test = |text| is_expression_denied(text, &|name| name == "Bouncy Castle Licence");
        assert!(test(" Bouncy Castle Licence "));
        assert!(!test("Bouncy Castle Licence 2"));
    }
}
