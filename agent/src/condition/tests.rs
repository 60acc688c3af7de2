//! What conditions mean, what has no value, and what costs too much.

use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use pullward_core::limits;
use pullward_core::oci::Digest;
use pullward_core::reference::Reference;
use pullward_core::time::UnixTime;

use super::{Answer, Budget, Dependence, Inputs, compile, evaluate};

const STATEMENT: &str = r#"{
  "_type": "https://in-toto.io/Statement/v1",
  "predicateType": "https://slsa.dev/provenance/v1",
  "subject": [{"name": "app", "digest": {"sha256": "00"}}],
  "predicate": {
    "buildDefinition": {"externalParameters": {"ref": "refs/tags/v1.2.3", "inputs": {"target": "prod"}}},
    "reviews": [
      {"by": "alice", "at": "2026-11-20T10:00:00Z", "score": 9, "ok": true},
      {"by": "bob", "at": "2026-11-21T10:00:00.5+01:00", "score": 7.5, "ok": true}
    ],
    "labels": {"team": "edge", "tier": "1"},
    "empty": [], "nothing": null, "count": 3, "big": 18446744073709551615, "ratio": 0.25,
    "escaped": "a\u0062c\n\ud83d\ude00", "plain": "schlüssel",
    "twice": {"a": 1, "a": 2}, "huge": 18446744073709551616, "far": 1e999,
    "key with blanks": 1
  }
}"#;

fn on(statement: &str, expression: &str, budget: &Budget) -> Answer {
    let reference = Reference::parse("registry.example:5000/team/app:v1").unwrap();
    evaluate(
        expression,
        &Inputs {
            statement: statement.as_bytes(),
            reference: Some(&reference),
            digest: Digest::of(b"image"),
            platform: "linux/arm64/v8",
            now: UnixTime::parse("2026-11-24T13:00:00Z").unwrap(),
            budget,
        },
    )
}

fn answer(expression: &str) -> Answer {
    on(STATEMENT, expression, &Budget::for_one_verdict())
}

/// Why it has no value.
fn why(expression: &str) -> String {
    match answer(expression) {
        Answer::Error(why) => why,
        other => panic!("{expression}: {other:?}"),
    }
}

#[test]
fn conditions_that_hold() {
    for expression in [
        // the policy's own example
        "statement.predicate.buildDefinition.externalParameters.ref.startsWith(\"refs/tags/\")",
        "predicate == statement.predicate || true",
        "statement.subject[0].digest.sha256 == '00'",
        "statement.subject.exists(s, s.name == 'app')",
        // the image
        "image.registry == 'registry.example:5000' && image.repository == 'team/app' && image.tag == 'v1'",
        "image.reference == 'registry.example:5000/team/app:v1' && image.platform.startsWith('linux/')",
        "image.digest.startsWith('sha256:') && size(image.digest) == 71",
        // members
        "has(predicate.labels.team) && !has(predicate.labels.nobody)",
        "predicate['key with blanks'] == 1",
        "predicate.labels[\"team\"] == 'edge'",
        "'team' in predicate.labels && !('x' in predicate.labels)",
        "predicate.nothing == null && predicate.count != null",
        // loops
        "predicate.reviews.all(r, r.ok) && predicate.reviews.size() == 2",
        "predicate.empty.all(x, x.y) && !predicate.empty.exists(x, true)",
        "predicate.reviews.exists(r, r.by == 'bob' && r.score > 7)",
        "predicate.reviews.exists_one(r, r.by == 'bob')",
        "predicate.reviews.map(r, r.by) == ['alice', 'bob']",
        "predicate.reviews.map(r, r.score > 8, r.by) == ['alice']",
        "predicate.reviews.filter(r, r.score < 8)[0].by == 'bob'",
        "predicate.labels.all(k, predicate.labels[k] != '')",
        "size(predicate.labels) == 2 && predicate.labels == {'tier': '1', 'team': 'edge'}",
        "predicate.reviews.map(r, r.by).all(b, predicate.reviews.exists(r, r.by == b))",
        // numbers
        "predicate.count + 1 == 4 && predicate.count == 3.0 && predicate.ratio < predicate.count",
        "predicate.big == 18446744073709551615u && predicate.big > 1",
        "7 / 2 == 3 && -7 / 2 == -3 && 7 % 4 == 3 && -7 % 4 == -3",
        "1 + 2 * 3 == 7 && (1 + 2) * 3 == 9 && 10 - 4 - 3 == 3",
        "-9223372036854775808 < 0 && 0xFF == 255 && 1.5e1 == 15.0",
        "int('12') == 12 && int(1.9) == 1 && int(-1.9) == -1 && uint(3) == 3u && double('1.5') == 1.5",
        "string(12) == '12' && string(true) == 'true' && bool('true')",
        // texts
        "predicate.escaped == 'abc\\n\\U0001F600' && size(predicate.escaped) == 5",
        "predicate.plain == 'schlüssel' && predicate.plain.size() == 9 && predicate.plain.contains('ü')",
        "'aXb'.lowerAscii() == 'axb' && 'aXb'.upperAscii() == 'AXB' && ' a '.trim() == 'a'",
        "'a,b,,c'.split(',') == ['a', 'b', '', 'c'] && 'v1.2.3'.split('.')[1] == '2'",
        "'abc'.endsWith('bc') && 'a' + 'b' == 'ab' && 'a' < 'b' && '' == \"\"",
        // times
        "now == timestamp('2026-11-24T13:00:00Z')",
        "predicate.reviews.all(r, now - timestamp(r.at) < duration('120h'))",
        "timestamp('2026-11-21T10:00:00.5+01:00') == timestamp('2026-11-21T09:00:00.500Z')",
        "timestamp('2026-11-24T12:00:00Z') + duration('1h') == now && now - duration('60m') < now",
        "duration('1h30m') == duration('90m') && duration('1h') + duration('1m') > duration('1h')",
        // choices
        "(predicate.count > 2 ? 'many' : 'few') == 'many'",
        "predicate.count == 1 ? false : predicate.count == 3 ? true : false",
        // lists
        "3 in [1, 2, 3] && !(3 in ['3', null]) && [1] + [2] == [1, 2] && [1, 2,][1] == 2",
        "{'a': {'b': 1}}.a.b == 1 && {1: 'x'}[1] == 'x' && [[1], [2]].exists(l, l == [2])",
        // what decides counts, wherever it stands
        "predicate.nobody.x || true",
        "true || predicate.nobody.x",
        "!(predicate.nobody.x && false)",
        "[1, 2, 3].exists(x, x == 3 || 1 / (x - 1) == 9)",
        "!['a', 1].all(x, x > 1)",
        "// a comment\n true",
    ] {
        assert_eq!(answer(expression), Answer::True, "{expression}");
    }
}

#[test]
fn conditions_that_do_not_hold() {
    for expression in [
        "false",
        "predicate.count == 4",
        "predicate.reviews.all(r, r.score > 8)",
        "predicate.reviews.exists_one(r, r.ok)",
        "image.tag == 'latest'",
        "predicate.nobody.x && false",
        "[1, 2].all(x, x < 2 && 1 / (x - 2) == 9)",
        "'x' == 'X'",
        "null == 0",
    ] {
        assert_eq!(answer(expression), Answer::False, "{expression}");
    }
}

#[test]
fn what_has_no_value_is_named_with_its_part() {
    for (expression, words) in [
        ("predicate.builder.id == 'x'", "`predicate.builder`: there is no such member"),
        ("predicate['nobody'] == 1", "`predicate['nobody']`: there is no such member"),
        ("has(predicate.nobody.x)", "`predicate.nobody`: there is no such member"),
        ("predicate.count.x", "`predicate.count`: it is a number, and has to be a map"),
        ("has(predicate.count.x)", "`predicate.count`: it is a number, and has to be a map"),
        ("predicate.empty[0] == 1", "`predicate.empty[0]`: there is no such place"),
        ("predicate.reviews[-1].ok", "`predicate.reviews[-1]`: there is no such place"),
        ("predicate.reviews['0'].ok", "has to be a whole number"),
        ("predicate.plain[0] == 's'", "it is a text, and has to be a list or a map"),
        // values that are neither true nor false
        ("predicate.plain", "`predicate.plain`: it is a text, and has to be true or false"),
        ("predicate.nothing", "it is null, and has to be true or false"),
        ("predicate.plain && true", "`predicate.plain`: it is a text"),
        ("!predicate.count", "`predicate.count`: it is a number"),
        ("predicate.count ? true : false", "`predicate.count`: it is a number"),
        ("predicate.reviews.all(r, r.by)", "`r.by`: it is a text"),
        ("predicate.reviews.filter(r, r.by) == []", "`r.by`: it is a text"),
        // types
        ("predicate.count == '3'", "a number and a text cannot be combined"),
        ("predicate.count != '3'", "a number and a text cannot be combined"),
        ("predicate.count < '3'", "a number and a text cannot be combined"),
        ("predicate.labels < predicate.labels", "a map and a map cannot be combined"),
        ("predicate.count + 0.5 == 3.5", "a number and a number cannot be combined"),
        ("predicate.plain + 1 == ''", "a text and a number cannot be combined"),
        ("1 in predicate.plain", "a number and a text cannot be combined"),
        ("-predicate.plain == ''", "it is a text, and has to be a number"),
        ("predicate.count.startsWith('3')", "it is a number, and has to be a text"),
        ("predicate.plain.startsWith(predicate.count)", "it is a number, and has to be a text"),
        ("predicate.plain.all(c, c == 'x')", "it is a text, and has to be a list or a map"),
        ("size(predicate.count) == 1", "it is a number, and has to be a text, a list or a map"),
        ("predicate.plain.split('') == []", "something to split at"),
        // numbers
        ("predicate.count + 9223372036854775807 > 0", "does not fit"),
        ("predicate.count - 9223372036854775807 - 9 < 0", "does not fit"),
        ("predicate.count * 9223372036854775807 > 0", "does not fit"),
        ("(-9223372036854775808 + predicate.count - 3) / -1 > 0", "does not fit"),
        ("(-9223372036854775808 + predicate.count - 3) % -1 > 0", "does not fit"),
        ("-(-9223372036854775808 + predicate.count - 3) > 0", "does not fit"),
        ("predicate.big + 1u > 0u", "does not fit"),
        ("1u - 2u < 1u", "does not fit"),
        ("predicate.count / 0 == 1", "divides by zero"),
        ("predicate.count % 0 == 1", "divides by zero"),
        ("int(predicate.big) > 0", "does not fit"),
        ("uint(-1) > 0u", "does not fit"),
        ("int(1e30) > 0", "does not fit"),
        ("int(predicate.plain) > 0", "the text is not a whole number"),
        ("predicate.huge > 0", "`predicate.huge`: the number in the attestation"),
        ("predicate.far > 0", "`predicate.far`: the number in the attestation"),
        // times
        ("timestamp(predicate.plain) < now", "not a time as"),
        ("timestamp('2026-11-24') < now", "not a time as"),
        ("duration('1d') < duration('1h')", "not a length of time"),
        ("now + 1 > now", "a time and a number cannot be combined"),
        ("timestamp('1970-01-01T00:00:00Z') - duration('1s') < now", "does not fit"),
        // the statement says two things
        ("predicate.twice.a == 1", "`predicate.twice.a`: the attestation has this member twice"),
        ("'a' in predicate.twice", "twice"),
        ("predicate.twice.all(k, true)", "twice"),
        ("size(predicate.twice) == 1", "twice"),
        ("predicate == predicate", "twice"),
        ("{'a': 1, 'a': predicate.count} == {}", "a key stands twice"),
        ("{[]: predicate.count} == {}", "has to be a key"),
        // no order saves it
        ("predicate.nobody.x || false", "`predicate.nobody`"),
        ("predicate.nobody.x && true", "`predicate.nobody`"),
        ("[1, 'a'].exists_one(x, x > 0)", "cannot be combined"),
    ] {
        let why = why(expression);
        assert!(why.contains(words), "{expression}: {why}");
    }
}

#[test]
fn an_unnamed_image_has_no_reference() {
    let budget = Budget::for_one_verdict();
    let inputs = Inputs {
        statement: b"{}",
        reference: None,
        digest: Digest::of(b"image"),
        platform: "linux/amd64",
        now: UnixTime(0),
        budget: &budget,
    };
    assert_eq!(
        evaluate("!has(image.reference) && !has(image.tag) && has(image.digest)", &inputs),
        Answer::True
    );
    assert!(matches!(evaluate("predicate.x", &inputs), Answer::Error(why) if why.contains("`predicate`")));
}

#[test]
fn a_statement_that_is_no_json_object_has_no_value() {
    let budget = Budget::for_one_verdict();
    for statement in ["", "{", "nonsense", "{} {}", &"[".repeat(100_000)] {
        let answer = on(statement, "has(predicate.x)", &budget);
        assert_eq!(answer, Answer::Error("the attestation is not JSON".to_owned()));
    }
    assert!(matches!(on("[]", "has(predicate.x)", &budget), Answer::Error(_)));
    assert!(matches!(on("{\"predicate\":1,\"predicate\":2}", "predicate == 1", &budget), Answer::Error(_)));
    // Members that nobody reads are nobody's business.
    assert_eq!(on("{\"x\":1,\"x\":2,\"predicate\":1}", "predicate == 1", &budget), Answer::True);
}

#[test]
fn what_a_condition_says_of_an_attestation_names_nothing_out_of_it() {
    let statement = "{\"predicate\":{\"x\":\"\\u001b[31mevil\"}}";
    let answer = on(statement, "predicate.x > 1", &Budget::for_one_verdict());
    assert!(matches!(answer, Answer::Error(why) if !why.contains("evil")));
}

#[test]
fn a_wrong_expression_is_refused_where_it_is_wrong() {
    for (expression, offset, words) in [
        ("", 0, "a value is expected"),
        ("1 +", 3, "a value is expected, not the end"),
        ("predicate.x ==", 14, "a value is expected"),
        ("predicate.x = 1", 12, "`=` is not expected here"),
        ("predicate.x 1", 12, "a number is not expected here"),
        ("(predicate.x", 12, "`)` is expected"),
        ("predicate.", 10, "a member's name is expected"),
        ("predicate.?x", 10, "optional values"),
        ("predicate.x[", 12, "a value is expected"),
        ("[1, 2", 5, "`,` is expected"),
        ("{'a' 1} == {}", 5, "`:` is expected"),
        ("true ? 1", 8, "`:` is expected"),
        ("Predicate.x", 0, "did you mean `predicate`?"),
        ("x == 1", 0, "known here: statement, predicate, image, now"),
        ("image.repo == 'x'", 6, "`image` has no member `repo`"),
        ("has(image.Tag)", 10, "`image` has no member `Tag`"),
        ("if == 1", 0, "reserved word"),
        ("predicate.x.matches('a')", 12, "regular expressions"),
        ("matches(predicate.x, 'a')", 0, "regular expressions"),
        ("predicate.x.startWith('a')", 12, "did you mean `startsWith`?"),
        ("startsWith(predicate.x, 'a')", 0, "there is no function `startsWith`"),
        ("predicate.x.int() == 1", 12, "there is no method `int`"),
        ("predicate.x.startsWith()", 12, "takes 1 arguments, not 0"),
        ("size() == 1", 0, "takes 1 arguments, not 0"),
        ("predicate.x.size(1) == 1", 12, "takes 0 arguments, not 1"),
        ("has(predicate)", 4, "has() takes a member"),
        ("has(predicate.x == 1)", 4, "has() takes a member"),
        ("has(predicate['x'])", 4, "has() takes a member"),
        ("predicate.x.all(r)", 17, "`,` is expected"),
        ("predicate.x.all(r.s, true)", 17, "`,` is expected"),
        ("predicate.x.all(1, true)", 16, "the name of a variable"),
        ("predicate.x.all(now, true)", 16, "has a meaning already"),
        ("predicate.x.all(in, true)", 16, "reserved word"),
        ("predicate.x.all(r, true, false)", 23, "`)` is expected"),
        ("predicate.x.all(r, true) && r", 28, "there is no variable `r`"),
        ("9223372036854775808 > 0", 0, "does not fit"),
        ("-9223372036854775809 < 0", 0, "does not fit"),
        ("18446744073709551616u > 0u", 0, "does not fit"),
        // what cannot be true or false
        ("'text'", 0, "the condition is a text"),
        ("1 + 2", 0, "the condition is a number"),
        ("predicate.x.map(r, r)", 0, "the condition is a list"),
        ("size(predicate)", 0, "the condition is a number"),
        ("null", 0, "the condition is null"),
        ("now + duration('1h')", 0, "is expected"),
    ] {
        if expression.starts_with("now +") {
            // What `now` is, its form does not say.
            assert!(compile(expression).is_ok());
            continue;
        }
        let error = compile(expression).expect_err(expression);
        assert_eq!(error.offset, offset, "{expression}: {error}");
        assert!(error.message.contains(words), "{expression}: {error}");
    }
}

#[test]
fn expressions_are_bounded() {
    let parts = |count: usize| format!("predicate.x == 0{}", " + 1".repeat(count));
    let flat = |count: usize| vec!["true"; count].join(" && ");
    let listed = |count: usize| format!("predicate.x in [{}]", vec!["1"; count].join(","));
    let nested = |count: usize| format!("{}true{}", "(".repeat(count), ")".repeat(count));
    let error = |expression: &str| compile(expression).expect_err("it should be refused").message;
    assert!(compile(&flat(500)).is_ok());
    assert!(error(&flat(512)).contains("more than 512 parts"));
    assert!(compile(&listed(500)).is_ok());
    assert!(error(&listed(512)).contains("more than 512 parts"));
    assert!(compile(&parts(40)).is_ok());
    assert!(error(&parts(60)).contains("nested more than"));
    assert!(compile(&nested(40)).is_ok());
    assert!(error(&nested(60)).contains("nested more than"));
    assert!(error(&nested(2000)).contains("nested more than"));
    for open in ["[", "{", "!", "-", "(", "has(", "predicate.x.all(x, ", "{'a':", "true ? true : ", "true ? "]
    {
        let many = open.repeat(4096 / open.len());
        assert!(compile(&many).is_err(), "{open}");
    }
    assert!(error(&format!("predicate{}", ".x".repeat(60))).contains("nested more than"));
    assert!(error(&format!("predicate.x{} == 1", "[0]".repeat(60))).contains("nested more than"));
    let spaces = |count: usize| format!("true{}", " ".repeat(count - 4));
    assert!(compile(&spaces(4096)).is_ok());
    assert!(error(&spaces(4097)).contains("the bound is 4096"));
    let loops = "predicate.all(a, predicate.all(b, predicate.all(c, true)))";
    assert!(error(loops).contains("more than 2 loops"));
    // One behind the other is no loop in a loop.
    assert!(compile("predicate.filter(a, true).filter(b, true).filter(c, true).all(d, true)").is_ok());
}

#[test]
fn whether_a_condition_looks_at_anything_is_known() {
    for expression in ["true", "1 + 1 == 2", "[1].all(x, x == 1)"] {
        assert_eq!(compile(expression).unwrap().dependence(), Dependence::Constant, "{expression}");
    }
    for expression in ["now > timestamp('2026-11-24T13:00:00Z')", "has(image.tag)", "predicate.x"] {
        assert_eq!(compile(expression).unwrap().dependence(), Dependence::Varies, "{expression}");
    }
}

/// The conditions in the pages are ones.
#[test]
fn examples_in_the_pages_compile() {
    let pages = [include_str!("../../../docs/attestations.md"), include_str!("../../../docs/policy.md")];
    let mut seen = 0;
    for block in pages.iter().flat_map(|page| page.split("```toml\n").skip(1)) {
        let block: toml::Table = toml::from_str(block.split("```").next().unwrap()).unwrap();
        let rules = block.get("rule").into_iter().flat_map(|rule| match rule {
            toml::Value::Array(rules) => rules.iter().collect(),
            other => vec![other],
        });
        let asked = rules.filter_map(|rule| rule.get("attestation")?.as_array()).flatten();
        for cel in asked.filter_map(|asked| asked.get("cel")?.as_str()) {
            compile(cel).unwrap_or_else(|error| panic!("{cel}: {error}"));
            seen += 1;
        }
    }
    assert_eq!(seen, 2);
}

/// A statement whose predicate is a list of so many small numbers.
fn long_list(count: usize) -> String {
    format!("{{\"predicate\":[{}]}}", vec!["1"; count].join(","))
}

#[test]
fn loops_that_would_run_for_hours_stop_at_the_limit() {
    let statement = long_list(100_000);
    let endless = "predicate.all(a, predicate.all(b, a == b))";
    let start = Instant::now();
    assert_eq!(on(&statement, endless, &Budget::for_one_verdict()), Answer::Limit);
    // Some hundred milliseconds on a node; here without optimisation and beside other tests.
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    for expression in [
        endless,
        "predicate.exists(a, predicate.exists(b, a != b))",
        "predicate.map(a, predicate.map(b, a + b)) == []",
        "predicate.filter(a, predicate.filter(b, b == 2) == [1]) == []",
        "predicate.all(a, size(predicate) == 100000)",
        "predicate.all(a, predicate[99999] == 1)",
        "predicate.all(a, predicate == predicate)",
        "predicate.all(a, 2 in predicate || true)",
    ] {
        // A tenth of it: all of these would run for more than a day.
        let budget = Budget(AtomicU64::new(limits::CONDITION_STEPS / 10));
        assert_eq!(on(&statement, expression, &budget), Answer::Limit, "{expression}");
    }
}

#[test]
fn what_makes_too_much_stops_at_the_limit() {
    let statement = long_list(100_000);
    let text = format!("{{\"predicate\":\"{}\"}}", "ab".repeat(500_000));
    for (statement, expression) in [
        (&statement, "predicate.map(a, predicate.map(b, 'x')) == []"),
        (&statement, "predicate.all(a, predicate.map(b, 'xxxxxxxxxxxxxxxx' + 'yyyyyyyyyyyyyyyyyy') != [])"),
        (&text, "predicate.split('b') == []"),
        (&text, "(predicate + predicate + predicate + predicate + predicate).size() > 1"),
        (&text, "[1, 2, 3, 4, 5, 6, 7, 8, 9].all(x, predicate.upperAscii() != '')"),
    ] {
        assert_eq!(on(statement, expression, &Budget::for_one_verdict()), Answer::Limit, "{expression}");
    }
}

#[test]
fn a_limit_is_not_made_up_for() {
    let statement = long_list(100_000);
    let expression = "predicate.all(a, predicate.all(b, a == b)) || true";
    assert_eq!(on(&statement, expression, &Budget::for_one_verdict()), Answer::Limit);
}

#[test]
fn the_conditions_of_a_verdict_share_what_they_may_cost() {
    let statement = long_list(100_000);
    let budget = Budget::for_one_verdict();
    let mut answers = 0;
    while on(&statement, "predicate.all(a, a == 1)", &budget) == Answer::True {
        answers += 1;
        assert!(answers < 100, "the budget never ends");
    }
    assert!(answers > 1);
    assert_eq!(on(&statement, "true", &Budget::for_one_verdict()), Answer::True);
}

#[test]
fn a_statement_past_its_bound_is_not_read() {
    let statement = " ".repeat(usize::try_from(limits::PAYLOAD_BYTES).unwrap() + 1);
    assert_eq!(on(&statement, "true", &Budget::for_one_verdict()), Answer::Limit);
}

#[test]
fn the_deepest_expression_over_the_deepest_statement_has_a_stack() {
    // A node's threads have 2 MiB.
    let small = std::thread::Builder::new().stack_size(1024 * 1024);
    let judged = small.spawn(|| {
        let depth = limits::JSON_DEPTH - 2;
        let statement = format!("{{\"predicate\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
        let nested = format!("{}predicate == predicate{}", "(".repeat(40), ")".repeat(40));
        let negated = format!("{}(predicate == predicate)", "!".repeat(40));
        [nested, negated].map(|expression| on(&statement, &expression, &Budget::for_one_verdict()))
    });
    assert_eq!(judged.unwrap().join().unwrap(), [Answer::True, Answer::True]);
}

#[test]
fn every_prefix_of_an_expression_is_taken_or_refused() {
    let expression = "predicate.reviews.all(r, r.ok && now - timestamp(r.at) < duration('1h')) || \
                      {'a': [1, 2u, 3.5e1]}.a[0] in [-1, 0x1F] ? \"é\\n\" != r'\\' : !has(image.tag)";
    for end in (0..expression.len()).filter(|end| expression.is_char_boundary(*end)) {
        let prefix = &expression[..end];
        match compile(prefix) {
            Ok(_) => {}
            Err(error) => assert!(error.offset <= prefix.len(), "{prefix}: {error:?}"),
        }
    }
    assert!(compile(expression).is_ok());
}

/// Words in any order: nothing panics, and what is taken has an answer.
#[test]
fn any_words_in_any_order_have_an_answer() {
    const WORDS: [&str; 52] = [
        "predicate",
        "statement",
        "image",
        "now",
        ".count",
        ".reviews",
        ".labels",
        ".x",
        "[0]",
        "['team']",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "?",
        "&&",
        "||",
        "!",
        "-",
        "+",
        "*",
        "/",
        "%",
        "==",
        "!=",
        "<",
        ">=",
        " in ",
        "0",
        "1u",
        "2.5",
        "'a'",
        "null",
        "true",
        "false",
        "has(predicate.x)",
        ".all(x,",
        ".map(x,",
        ".filter(x,",
        "x",
        ".size()",
        "size(",
        "int(",
        "string(",
        ".split('a')",
        ".contains(",
        "timestamp(",
        "duration('1h')",
    ];
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below).unwrap()).unwrap()
    };
    let mut taken = 0;
    for _ in 0..40_000 {
        let length = 1 + random(9);
        let expression: String = (0..length).map(|_| WORDS[random(WORDS.len())]).collect();
        match compile(&expression) {
            Ok(_) => {
                taken += 1;
                let budget = Budget(AtomicU64::new(10_000));
                let answer = on(STATEMENT, &expression, &budget);
                assert!(
                    !matches!(&answer, Answer::Error(why) if why.starts_with("byte")),
                    "{expression}: {answer:?}"
                );
            }
            Err(error) => assert!(error.offset <= expression.len(), "{expression}: {error:?}"),
        }
    }
    assert!(taken > 500, "{taken}");
}
