//! Identities of neighbours as ours: whole texts and, as far as they say the same, regular expressions as globs.
//!
//! What is read here is Go's syntax, searched for anywhere in the text: `^` and `$` tie it to the ends, and where they are
//! missing there is a `**`. `.*` is `**`, `[^/]*` is `*`, and a dot that stands for any character becomes a dot, which is
//! less. Everything else that means something in an expression has no glob that says the same.

use pullward_core::identity::IdentityPattern;

/// A glob, and whether it is narrower than what it was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob {
    pub(super) text: String,
    pub(super) narrower: bool,
}

/// A text that stands for itself.
pub(super) fn literal(text: &str) -> Result<String, String> {
    if text.contains('*') {
        return Err("has a star that stands for itself, and to a policy of ours it is a wildcard".to_owned());
    }
    usable(text.to_owned())
}

/// The glob that matches what a regular expression does, or less.
pub(super) fn of_expression(expression: &str) -> Result<Glob, String> {
    let mut glob = String::new();
    let mut narrower = false;
    let (rest, begins) = match expression.strip_prefix('^') {
        Some(rest) => (rest, true),
        None => (expression, false),
    };
    if !begins {
        glob.push_str("**");
    }
    let mut rest = rest;
    let mut ends = false;
    while let Some(c) = rest.chars().next() {
        if ends {
            return Err(no_glob("$"));
        }
        if let Some(after) = rest.strip_prefix(".*") {
            rest = unrepeated(after)?;
            star(&mut glob, "**");
            continue;
        }
        if let Some(after) = rest.strip_prefix("[^/]*") {
            rest = unrepeated(after)?;
            star(&mut glob, "*");
            continue;
        }
        let mut literal = c;
        let mut after = rest.strip_prefix(c).unwrap_or_default();
        match c {
            '$' => {
                ends = true;
                rest = after;
                continue;
            }
            '.' => narrower = true,
            '\\' => {
                let escaped = after.chars().next().filter(char::is_ascii_punctuation);
                literal = escaped.ok_or_else(|| no_glob(rest))?;
                after = after.strip_prefix(literal).unwrap_or_default();
            }
            '^' | '*' | '+' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '|' => return Err(no_glob(rest)),
            _ => {}
        }
        if literal == '*' {
            return Err(no_glob(rest));
        }
        rest = unrepeated(after)?;
        glob.push(literal);
    }
    if !ends {
        star(&mut glob, "**");
    }
    Ok(Glob { text: usable(glob)?, narrower })
}

/// Nothing that says how often what stands before it comes.
fn unrepeated(rest: &str) -> Result<&str, String> {
    if rest.starts_with(['*', '+', '?', '{']) { Err(no_glob(rest)) } else { Ok(rest) }
}

/// Adds a star behind those that are there: together they are the wider one.
fn star(glob: &mut String, star: &str) {
    let before = glob.trim_end_matches('*').len();
    let wide = star == "**" || glob.len().saturating_sub(before) > 1;
    glob.truncate(before);
    glob.push_str(if wide { "**" } else { "*" });
}

fn no_glob(rest: &str) -> String {
    let shown: String = rest.chars().take(12).collect();
    format!("has no glob that says the same, from `{shown}` on; name each identity, or write a glob by hand")
}

fn usable(glob: String) -> Result<String, String> {
    match IdentityPattern::parse(&glob) {
        Ok(_) => Ok(glob),
        Err(error) => Err(format!("becomes `{glob}`, which cannot be a pattern: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use pullward_core::glob::matches_str;

    use super::{literal, of_expression};

    #[test]
    fn what_a_glob_can_say_becomes_one() {
        for (expression, glob, narrower) in [
            ("^https://github\\.com/acme/.*$", "https://github.com/acme/**", false),
            ("^https://github.com/acme/[^/]*$", "https://github.com/acme/*", true),
            ("https://github\\.com/acme/", "**https://github.com/acme/**", false),
            ("^https://x/.*", "https://x/**", false),
            (".*@acme\\.example$", "**@acme.example", false),
            ("^a[^/]*.*b$", "a**b", false),
            ("^a.*[^/]*b$", "a**b", false),
            ("^a\\-\\/\\@b$", "a-/@b", false),
        ] {
            let read = of_expression(expression).unwrap();
            assert_eq!((read.text.as_str(), read.narrower), (glob, narrower), "{expression}");
        }
    }

    #[test]
    fn what_no_glob_can_say_is_refused() {
        for expression in [
            "", ".*", "^.*$", "^[^/]*$", "a|b", "^(a|b)$", "^a+$", "^a?$", "^a{2}$", "^[ab]$", "^\\d$",
            "^\\w*$", "^a\\*b$", "^.+$", "^a.*?b$", "^a.*+$", "(?i)^a$", "^a$b", "^a^b$", "^[^/]+$", "^a*$",
            "\\", "^a]$",
        ] {
            assert!(of_expression(expression).is_err(), "{expression}: {:?}", of_expression(expression));
        }
    }

    #[test]
    fn an_unanchored_expression_is_as_wide_as_it_is() {
        let read = of_expression("github\\.com/acme").unwrap();
        assert!(matches_str(&read.text, "https://evil.example/github.com/acme/x"));
        assert!(!matches_str(&of_expression("^github\\.com/acme").unwrap().text, "https://github.com/acme"));
    }

    #[test]
    fn a_text_is_itself_or_nothing() {
        assert_eq!(literal("https://github.com/acme").as_deref(), Ok("https://github.com/acme"));
        assert!(literal("https://*").is_err());
        assert!(literal("").is_err());
    }
}
