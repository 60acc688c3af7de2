//! YAML as neighbours' policies are written in it, read strictly.
//!
//! The parser gives events, and this builds [`Node`]s that know their place. Refused, each with its place: a field that
//! stands twice in one mapping (parsers differ in which one counts), anchors and aliases (a few lines of them are
//! gigabytes), tags, keys that are no text, nesting and counts past [`limits`].
//!
//! A plain word is not given a type here: `on` is a text to one YAML and a truth value to another. Whoever reads a field
//! asks for what it must be, and a word that is ambiguous for that is refused ([`Node::text`], [`Node::truth`]).

use std::collections::BTreeSet;

use pullward_core::limits;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

use crate::policy::source::Position;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) at: Position,
    pub(super) value: Value,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// A word without quotes; what it is depends on the field.
    Plain(String),
    /// A text in quotes or a block.
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One field of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) at: Position,
    pub(super) value: Node,
}

/// Why a text is no YAML that is read here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct YamlError {
    pub(super) at: Position,
    pub(super) reason: String,
}

impl Node {
    /// Whether it is YAML's nothing, which Kubernetes takes for a field that is not there.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Plain(word) if is_null(word))
    }

    /// The text, where it is one to every YAML.
    pub(super) fn text(&self) -> Result<&str, &'static str> {
        match &self.value {
            Value::Text(text) => Ok(text),
            Value::Plain(word) if is_typed(word) => {
                Err("must be a text, and this word is something else to YAML; put it in quotes")
            }
            Value::Plain(word) => Ok(word),
            Value::List(_) => Err("must be a text, and is a list"),
            Value::Map(_) => Err("must be a text, and is a mapping"),
        }
    }

    /// The truth value, in the one spelling that every YAML agrees on.
    pub(super) fn truth(&self) -> Result<bool, &'static str> {
        match &self.value {
            Value::Plain(word) if word == "true" => Ok(true),
            Value::Plain(word) if word == "false" => Ok(false),
            _ => Err("must be true or false, spelt so and without quotes"),
        }
    }
}

fn is_null(word: &str) -> bool {
    matches!(word, "" | "~" | "null" | "Null" | "NULL")
}

/// Whether some YAML takes a plain word for a number, a truth value or nothing.
fn is_typed(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    is_null(word)
        || matches!(lower.as_str(), "true" | "false" | "yes" | "no" | "on" | "off")
        || matches!(lower.trim_start_matches(['+', '-']), ".inf" | ".nan")
        || lower.trim_start_matches(['+', '-', '.']).starts_with(|c: char| c.is_ascii_digit())
            && lower
                .chars()
                .all(|c| c.is_ascii_hexdigit() || matches!(c, '.' | '_' | '+' | '-' | ':' | 'x' | 'o'))
}

/// Reads all documents of a text; empty ones are left out.
///
/// # Errors
/// The first thing that is wrong, and where.
pub(super) fn documents(text: &str) -> Result<Vec<Node>, YamlError> {
    let mut build = Build::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| YamlError {
            at: position(*error.marker()),
            reason: format!("not YAML: {}", error.info()),
        })?;
        build.take(event, position(span.start))?;
    }
    Ok(build.documents)
}

fn position(marker: Marker) -> Position {
    Position { line: marker.line(), column: marker.col() + 1 }
}

/// What is open while events come.
#[derive(Default)]
struct Build {
    documents: Vec<Node>,
    open: Vec<Open>,
    values: usize,
}

enum Open {
    List { at: Position, items: Vec<Node> },
    Map { at: Position, entries: Vec<Entry>, names: BTreeSet<String>, key: Option<(String, Position)> },
}

impl Build {
    fn take(&mut self, event: Event<'_>, at: Position) -> Result<(), YamlError> {
        let refuse = |reason: String| Err(YamlError { at, reason });
        match event {
            Event::Alias(_) => refuse("an alias; write the value out where it is used".to_owned()),
            Event::Scalar(.., anchor, tag) if anchor != 0 || tag.is_some() => refuse(no_extras(anchor)),
            Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag)
                if anchor != 0 || tag.is_some() =>
            {
                refuse(no_extras(anchor))
            }
            Event::Scalar(text, style, ..) => {
                let plain = style == ScalarStyle::Plain;
                if let Some(Open::Map { names, key: key @ None, .. }) = self.open.last_mut() {
                    if plain && is_typed(&text) {
                        return refuse(format!(
                            "the field name {text:?} is no text to YAML; put it in quotes"
                        ));
                    }
                    if !names.insert(text.to_string()) {
                        return refuse(format!(
                            "the field {text:?} stands twice in one mapping, and readers differ in which one counts; \
                             remove one"
                        ));
                    }
                    *key = Some((text.into_owned(), at));
                    return Ok(());
                }
                let text = text.into_owned();
                self.put(Node { at, value: if plain { Value::Plain(text) } else { Value::Text(text) } })
            }
            Event::SequenceStart(..) => self.push(at, Open::List { at, items: Vec::new() }),
            Event::MappingStart(..) => {
                self.push(at, Open::Map { at, entries: Vec::new(), names: BTreeSet::new(), key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let node = match self.open.pop() {
                    Some(Open::List { at, items }) => Node { at, value: Value::List(items) },
                    Some(Open::Map { at, entries, .. }) => Node { at, value: Value::Map(entries) },
                    None => return Ok(()),
                };
                self.put(node)
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
        }
    }

    fn push(&mut self, at: Position, open: Open) -> Result<(), YamlError> {
        if matches!(self.open.last(), Some(Open::Map { key: None, .. })) {
            return Err(YamlError { at, reason: "a field name must be a text".to_owned() });
        }
        if self.open.len() >= limits::IMPORT_DEPTH {
            let reason = format!("nested deeper than {}; no policy is", limits::IMPORT_DEPTH);
            return Err(YamlError { at, reason });
        }
        self.open.push(open);
        Ok(())
    }

    fn put(&mut self, node: Node) -> Result<(), YamlError> {
        self.values += 1;
        if self.values > limits::IMPORT_VALUES {
            let reason = format!("more than {} values; split the file", limits::IMPORT_VALUES);
            return Err(YamlError { at: node.at, reason });
        }
        match self.open.last_mut() {
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Map { entries, key, .. }) => {
                if let Some((name, at)) = key.take() {
                    entries.push(Entry { name, at, value: node });
                }
            }
            None if node.is_null() => {}
            None => self.documents.push(node),
        }
        Ok(())
    }
}

fn no_extras(anchor: usize) -> String {
    if anchor == 0 {
        "a tag; Kubernetes' objects have none, write the value without it".to_owned()
    } else {
        "an anchor; write the value out where it is used".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use pullward_core::limits;

    use super::{Value, documents};

    fn refused(text: &str) -> String {
        let error = documents(text).unwrap_err();
        format!("{}: {}", error.at, error.reason)
    }

    #[test]
    fn documents_are_read_with_their_places() {
        let read = documents("a: 1\n---\n# nothing\n---\nb:\n- \"x\"\n").unwrap();
        assert_eq!(read.len(), 2);
        let Value::Map(entries) = &read[1].value else { panic!("{read:?}") };
        let Value::List(items) = &entries[0].value.value else { panic!("{read:?}") };
        assert_eq!((items[0].at.line, items[0].at.column, items[0].text()), (6, 3, Ok("x")));
    }

    #[test]
    fn a_block_keeps_its_lines() {
        let read = documents("a: |\n  one\n  two\n").unwrap();
        let Value::Map(entries) = &read[0].value else { panic!("{read:?}") };
        assert_eq!(entries[0].value.text(), Ok("one\ntwo\n"));
    }

    #[test]
    fn a_field_that_stands_twice_is_refused() {
        assert!(refused("a: 1\nb: 2\na: 3\n").starts_with("3:1: the field \"a\" stands twice"));
        assert!(refused("x: {a: 1, \"a\": 1}\n").contains("stands twice"));
    }

    #[test]
    fn anchors_aliases_and_tags_are_refused() {
        assert!(refused("a: &x [1]\nb: *x\n").contains("an anchor"));
        assert!(refused("a: &x 1\n").contains("an anchor"));
        assert!(refused("a: !!binary aGk=\n").contains("a tag"));
        assert!(refused("a: !x {b: 1}\n").contains("a tag"));
        let mut bomb = "a: &a [x, x]\n".to_owned();
        for letter in 'b'..'z' {
            let before = char::from_u32(u32::from(letter) - 1).unwrap();
            bomb.push_str(&format!("{letter}: &{letter} [*{before}, *{before}]\n"));
        }
        assert!(refused(&bomb).contains("an anchor"));
    }

    #[test]
    fn depth_and_count_are_bounded() {
        let deep = limits::IMPORT_DEPTH + 1;
        assert!(refused(&"[".repeat(deep)).contains("nested deeper"));
        // The parser itself stops at its own depth, before anything is handed on.
        for open in ["[", "{a: ", "{", "- ", "[{"] {
            let reason = refused(&open.repeat(100_000));
            assert!(reason.contains("nested deeper") || reason.contains("not YAML"), "{open}: {reason}");
        }
        assert!(refused(&"- ".repeat(deep)).contains("nested deeper"));
        let many = "- x\n".repeat(limits::IMPORT_VALUES + 1);
        assert!(refused(&many).contains("more than"));
    }

    #[test]
    fn what_is_no_yaml_is_refused_with_its_place() {
        for text in [
            "a:\n\t- b\n",
            "a: [1\n",
            "a: \"x\n",
            "a: b: c\n",
            "{{ if .Values.x }}\na: 1\n{{ end }}\n",
            "a: @x\n",
        ] {
            assert!(documents(text).is_err(), "{text:?}");
        }
        assert!(refused("? [a]\n: b\n").contains("a field name"));
        assert!(refused("1: b\n").contains("in quotes"));
        assert!(refused("on: b\n").contains("in quotes"));
    }

    #[test]
    fn a_word_that_is_a_number_to_some_yaml_is_no_text() {
        for word in
            ["1", "0x1f", "1e3", "1_000", "-3", ".5", "12:30", "true", "No", "on", "~", "null", "+.inf"]
        {
            let read = documents(&format!("- {word}\n")).unwrap();
            let Value::List(items) = &read[0].value else { panic!() };
            assert!(items[0].text().is_err(), "{word}");
        }
        for word in ["v1", "1.2.3-beta", "ghcr.io/x", "2nd", "nope", "127.0.0.1:5000/x"] {
            let read = documents(&format!("- {word}\n")).unwrap();
            let Value::List(items) = &read[0].value else { panic!() };
            assert_eq!(items[0].text(), Ok(word));
        }
    }

    #[test]
    fn a_truth_value_has_one_spelling() {
        let read = documents("- true\n- false\n- yes\n- True\n- \"true\"\n- 1\n").unwrap();
        let Value::List(items) = &read[0].value else { panic!() };
        let truths: Vec<_> = items.iter().map(|item| item.truth().ok()).collect();
        assert_eq!(truths, [Some(true), Some(false), None, None, None, None]);
    }
}
