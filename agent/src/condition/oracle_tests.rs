//! The same expressions over the same values, here and in the `cel` crate: one answer.

use cel::{Context, Program, Value as Oracle};
use pullward_core::oci::Digest;
use pullward_core::time::UnixTime;
use serde::{Serialize, Serializer};

use super::{Answer, Budget, Inputs, evaluate};

const PREDICATE: &str = r#"{
  "name": "app", "count": 3, "ratio": 0.5, "ok": true, "nothing": null, "list": [1, 2, 3], "empty": [],
  "tags": ["v1", "latest"], "map": {"a": 1, "b": 2}, "nested": {"deep": {"er": "x"}}, "mixed": [1, "a", null, 2.5]
}"#;

/// JSON with its whole numbers as CEL's integers: serde's would be those without a sign.
struct Signed<'j>(&'j serde_json::Value);

impl Serialize for Signed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            serde_json::Value::Array(items) => serializer.collect_seq(items.iter().map(Signed)),
            serde_json::Value::Object(map) => {
                serializer.collect_map(map.iter().map(|(key, value)| (key, Signed(value))))
            }
            value => match value.as_i64() {
                Some(whole) => serializer.serialize_i64(whole),
                None => value.serialize(serializer),
            },
        }
    }
}

/// What both say: true, false, or no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    True,
    False,
    Nothing,
}

fn ours(expression: &str) -> Said {
    let statement = format!("{{\"predicate\":{PREDICATE}}}");
    let budget = Budget::for_one_verdict();
    let answer = evaluate(
        expression,
        &Inputs {
            statement: statement.as_bytes(),
            reference: None,
            digest: Digest::of(b"image"),
            platform: "linux/amd64",
            now: UnixTime(0),
            budget: &budget,
        },
    );
    match answer {
        Answer::True => Said::True,
        Answer::False => Said::False,
        Answer::Error(_) => Said::Nothing,
        Answer::Limit => panic!("{expression} costs too much"),
    }
}

fn theirs(expression: &str) -> Said {
    let Ok(program) = Program::compile(expression) else { return Said::Nothing };
    let mut context = Context::default();
    let predicate: serde_json::Value = serde_json::from_str(PREDICATE).unwrap();
    context.add_variable("predicate", Signed(&predicate)).unwrap();
    match program.execute(&context) {
        Ok(Oracle::Bool(true)) => Said::True,
        Ok(Oracle::Bool(false)) => Said::False,
        _ => Said::Nothing,
    }
}

/// Conditions on which there is nothing to choose.
fn conditions() -> Vec<String> {
    let fixed = [
        "true",
        "false",
        "!true",
        "!!true",
        "true && false",
        "true || false",
        "false || false || true",
        "true && true && false",
        "true || false && false",
        "(true || false) && false",
        "true ? false : true",
        "false ? false : true ? true : false",
        "'a' == 'a'",
        "'a' != \"a\"",
        "r'\\n' == '\\\\n'",
        "'\\u0061' == 'a'",
        "'''a''' == 'a'",
        "null == null",
        "[] == []",
        "[1, 2] == [1, 2]",
        "[1, 2] == [2, 1]",
        "{} == {}",
        "{'a': 1} == {'a': 1}",
        "{'a': 1} == {'a': 2}",
        "{'a': 1}.a == 1",
        "{'a': 1}['a'] == 1",
        "{'a': 1}['b'] == 1",
        "[1, 2][0] == 1",
        "[1, 2][2] == 1",
        "1 in [1, 2]",
        "3 in [1, 2]",
        "'a' in {'a': 1}",
        "'b' in {'a': 1}",
        "'a' in ['b']",
        "0x10 == 16",
        "1e2 == 100.0",
        "-1 < 0",
        "--1 == 1",
        "1u == 1u",
        "1 == 1u",
        "1 == 1.0",
        "1 < 1.5",
        "2u > 1",
        "1.5 > 1",
        "has(predicate.name)",
        "has(predicate.none)",
        "has(predicate.nested.deep.er)",
        "has(predicate.nested.none)",
        "has(predicate.none.none)",
        "predicate.none == 1",
        "predicate.none.none == 1",
        "predicate.none == 1 || true",
        "true || predicate.none == 1",
        "predicate.none == 1 && false",
        "false && predicate.none == 1",
        "predicate.none == 1 || false",
        "true && predicate.none == 1",
        "predicate.list.all(x, x > 0)",
        "predicate.list.all(x, x > 1)",
        "predicate.list.exists(x, x == 3)",
        "predicate.list.exists(x, x == 4)",
        "predicate.list.exists_one(x, x == 3)",
        "predicate.list.exists_one(x, x > 1)",
        "predicate.list.map(x, x * 2) == [2, 4, 6]",
        "predicate.list.map(x, x > 1, x * 2) == [4, 6]",
        "predicate.list.filter(x, x > 1) == [2, 3]",
        "predicate.empty.all(x, false)",
        "predicate.empty.exists(x, true)",
        "predicate.map.all(k, k != 'c')",
        "predicate.map.exists(k, k == 'b')",
        "predicate.map.map(k, k).size() == 2",
        "predicate.list.all(x, predicate.list.exists(y, y == x))",
        "size(predicate.list) == 3",
        "predicate.list.size() == 3",
        "size('h\u{e9}') == 2",
        "size({'a': 1}) == 1",
        "predicate.name.startsWith('a')",
        "predicate.name.endsWith('p')",
        "predicate.name.contains('pp')",
        "predicate.name.contains('x')",
        "predicate.name.startsWith('p')",
        "'a' + 'b' == 'ab'",
        "[1] + [2] == [1, 2]",
        "'a' < 'b'",
        "'b' <= 'a'",
        "int('12') == 12",
        "int(1.9) == 1",
        "int('x') == 1",
        "uint(1) == 1u",
        "uint(-1) == 1u",
        "double(1) == 1.0",
        "double('1.5') == 1.5",
        "string(1) == '1'",
        "predicate.ok",
        "predicate.ok == true",
        "!predicate.ok",
        "predicate.nothing == null",
        "predicate.count != null",
        "predicate.nested == {'deep': {'er': 'x'}}",
        "predicate.mixed[1] == 'a'",
        "predicate.mixed[3] == 2.5",
        "'a' in predicate.tags",
        "'v1' in predicate.tags",
        "predicate.tags[0] + predicate.tags[1] == 'v1latest'",
        "predicate['name'] == 'app'",
        "predicate['none'] == 'app'",
        "predicate.name.none == 1",
        "predicate.count.none == 1",
        "predicate.none",
        "unknown == 1",
        "1 +",
        "(1",
        "",
        "predicate.list[0",
        "[1, 2",
        "'a",
        "predicate..name",
        "1 / 0 == 1",
        "1 % 0 == 1",
        "1u / 0u == 1u",
        "9223372036854775807 + 1 > 0",
        "-9223372036854775808 - 1 < 0",
        "9223372036854775807 * 2 > 0",
        "0u - 1u > 0u",
        "1 + 1u == 2",
        "1 + 1.0 == 2.0",
        "'a' + 1 == 'a1'",
        "-'a' == 'a'",
        "!1",
        "1 && true",
        "predicate.list.exists(x, x / (x - 1) == 2)",
        "predicate.list.all(x, x / (x - 1) == 9)",
    ];
    let mut all: Vec<String> = fixed.iter().map(ToString::to_string).collect();
    // Every operator over every pair of these: how tightly they bind, and what becomes of what has no value.
    let numbers = ["0", "1", "-2", "7", "predicate.count"];
    for operator in ["+", "-", "*", "/", "%"] {
        for (left, right) in pairs(&numbers) {
            all.push(format!("{left} {operator} {right} == 3"));
            all.push(format!("1 - {left} {operator} {right} < 2"));
        }
    }
    for operator in ["==", "!=", "<", "<=", ">", ">="] {
        for (left, right) in pairs(&["1", "2.5", "3u", "predicate.count", "predicate.ratio"]) {
            all.push(format!("{left} {operator} {right}"));
        }
        for (left, right) in pairs(&["'a'", "'b'", "predicate.name", "''"]) {
            all.push(format!("{left} {operator} {right}"));
        }
    }
    let truths = ["true", "false", "predicate.none", "predicate.ok"];
    for (left, right) in pairs(&truths) {
        for last in truths {
            all.push(format!("{left} && {right} || {last}"));
            all.push(format!("{left} || {right} && {last}"));
            all.push(format!("!{left} || {right} && !{last}"));
            all.push(format!("[{left}, {right}].all(x, x) || {last}"));
            all.push(format!("{left} ? {right} : {last}"));
        }
    }
    all
}

fn pairs<'t>(texts: &[&'t str]) -> Vec<(&'t str, &'t str)> {
    texts.iter().flat_map(|left| texts.iter().map(move |right| (*left, *right))).collect()
}

#[test]
fn here_values_of_different_types_are_not_compared() {
    for (condition, there) in [
        ("1 == 'a'", Said::False),
        ("1 != 'a'", Said::True),
        ("[1] == {}", Said::False),
        ("predicate.count != '3'", Said::True),
    ] {
        assert_eq!((ours(condition), theirs(condition)), (Said::Nothing, there), "{condition}");
    }
}

#[test]
fn conditions_mean_what_they_mean_in_the_cel_crate() {
    let conditions = conditions();
    assert!(conditions.len() > 700, "{}", conditions.len());
    let different: Vec<_> = conditions
        .iter()
        .map(|condition| (condition, ours(condition), theirs(condition)))
        .filter(|(_, ours, theirs)| ours != theirs)
        .collect();
    assert!(different.is_empty(), "{} of {}: {different:#?}", different.len(), conditions.len());
}
